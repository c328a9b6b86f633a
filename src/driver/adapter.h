/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One NIC that is bound: the one allocation that holds its protocol, its mode and
 * its device by value, and the child handle that carries them.
 */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <efi.h>
#include <efipciio.h>

#include "driver/adapter_info.h"
#include "snp/snp.h"

#define ADAPTER_NAME_MAX 96u /* characters, the terminator included */

struct status_page;

struct adapter {
    struct snp snp;
    struct adapter_info info;
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_HANDLE child;
    EFI_DEVICE_PATH *device_path; /* of the child: the parent's and a MAC node; pool memory */
    struct status_page *page;     /* status_page.c's; NULL: there is none */
    CHAR16 name[ADAPTER_NAME_MAX];
};

/* Bring up the NIC behind `pci_io`, whose device path is `parent_path`, and
 * install SNP, adapter information and device path on a new child handle.
 * Errors: as snp_init, EFI_OUT_OF_RESOURCES, what InstallMultipleProtocolInterfaces
 * answers; nothing is left behind, and *ret_cause says why, for people. */
EFI_STATUS adapter_create(EFI_PCI_IO_PROTOCOL *pci_io, const EFI_DEVICE_PATH *parent_path,
                          struct adapter **ret_adapter, const CHAR16 **ret_cause)
    __attribute__((warn_unused_result));

/* Uninstall the protocols from the child handle, which ends it, and free everything, in
 * whatever state SNP is. Error: what UninstallMultipleProtocolInterfaces answers when a
 * client does not let go; the adapter is then unchanged. */
EFI_STATUS adapter_destroy(struct adapter *adapter) __attribute__((warn_unused_result));

/* Find the adapter of a child handle, or of the child that `agent` (the driver binding
 * handle) has on `controller`. EFI_NOT_FOUND: there is none. Any other error comes from the
 * firmware. */
EFI_STATUS adapter_of_child(EFI_HANDLE agent, EFI_HANDLE child, struct adapter **ret_adapter)
    __attribute__((warn_unused_result));
EFI_STATUS adapter_of_controller(EFI_HANDLE agent, EFI_HANDLE controller,
                                 struct adapter **ret_adapter) __attribute__((warn_unused_result));

/* The same for handles that a caller named; `child` is NULL or the adapter's own. Errors:
 * EFI_INVALID_PARAMETER, one of them is not a handle; EFI_UNSUPPORTED, they do not belong
 * to a NIC of `agent`. */
EFI_STATUS adapter_of_handles(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                              struct adapter **ret_adapter) __attribute__((warn_unused_result));

#endif
