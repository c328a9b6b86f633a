/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One bound NIC: a single allocation with its protocol, its mode and its device by
 * value, and the child handle on which they are installed.
 */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <efi.h>
#include <efipciio.h>

#include "driver/adapter_info.h"
#include "snp/snp.h"

#define ADAPTER_NAME_MAX 96u /* characters, the terminator included */

struct mnp;
struct status_page;

struct adapter {
    struct snp snp;
    struct adapter_info info;
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_HANDLE child;
    EFI_DEVICE_PATH *device_path; /* of the child: the parent's and a MAC node; pool memory */
    struct status_page *page;     /* owned by status_page.c; NULL: none */
    struct mnp *mnp;              /* owned by stack_binding.c; NULL: the stack is the firmware's */
    CHAR16 name[ADAPTER_NAME_MAX];
};

/* Bring up the NIC behind `pci_io`, whose device path is `parent_path`, and
 * install SNP, adapter information and device path on a new child handle.
 * Errors: those of snp_init and InstallMultipleProtocolInterfaces, EFI_OUT_OF_RESOURCES.
 * Nothing is left behind then, and *ret_cause gives the reason in words. */
EFI_STATUS adapter_create(EFI_PCI_IO_PROTOCOL *pci_io, const EFI_DEVICE_PATH *parent_path,
                          struct adapter **ret_adapter, const CHAR16 **ret_cause)
    __attribute__((warn_unused_result));

/* Uninstall the protocols from the child handle, which deletes it, and free everything, in
 * any state of SNP. Errors: those of UninstallMultipleProtocolInterfaces if a client does
 * not let go; the adapter is then unchanged. */
EFI_STATUS adapter_destroy(struct adapter *adapter) __attribute__((warn_unused_result));

/* The adapter whose child is `handle`, on which `protocol` was found. NULL: another driver's, or a
 * handle to which somebody else gave our protocol too, as EDK2's PXE driver does. */
struct adapter *adapter_of_snp(EFI_SIMPLE_NETWORK_PROTOCOL *protocol, EFI_HANDLE handle);

/* Find the adapter of a child handle, or of the child that `agent` (the driver binding
 * handle) has on `controller`. EFI_NOT_FOUND: none. EFI_UNSUPPORTED: see adapter_of_snp.
 * Any other error comes from the firmware. */
EFI_STATUS adapter_of_child(EFI_HANDLE agent, EFI_HANDLE child, struct adapter **ret_adapter)
    __attribute__((warn_unused_result));
EFI_STATUS adapter_of_controller(EFI_HANDLE agent, EFI_HANDLE controller,
                                 struct adapter **ret_adapter) __attribute__((warn_unused_result));

/* The same for handles passed by a caller; `child` may be NULL. Errors:
 * EFI_INVALID_PARAMETER, one of them is not a handle; EFI_UNSUPPORTED, they do not belong
 * to a NIC of `agent`, or not together. */
EFI_STATUS adapter_of_handles(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                              struct adapter **ret_adapter) __attribute__((warn_unused_result));

#endif
