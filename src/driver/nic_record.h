/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Tells the OS which NICs this driver has, in a variable for each.
 * virtio_net_efi/nic_record.h describes it. All at TPL_CALLBACK or below.
 */
#ifndef DRIVER_NIC_RECORD_H
#define DRIVER_NIC_RECORD_H

#include <efi.h>
#include <efipciio.h>

struct adapter;

/* Write the record of a NIC that was bound. `taken_from` names the driver that had it before;
 * NULL: nobody had it. A failure costs a line on the console. A NIC without a PCI location gets no
 * record. */
void nic_record_write(const struct adapter *adapter, const CHAR16 *taken_from);

/* Delete the record, if there is one, of a NIC that was let go. A failure costs a line. */
void nic_record_delete(EFI_PCI_IO_PROTOCOL *pci_io);

#endif
