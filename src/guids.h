/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The protocols used here. Not const, because UEFI's prototypes are not; nobody
 * writes to them.
 */
#ifndef GUIDS_H
#define GUIDS_H

#include <efi.h>

extern EFI_GUID component_name_guid;
extern EFI_GUID component_name2_guid;
extern EFI_GUID device_path_guid;
extern EFI_GUID driver_binding_guid;
extern EFI_GUID driver_family_override_guid;
extern EFI_GUID loaded_image_guid;
extern EFI_GUID pci_io_guid;
extern EFI_GUID rng_guid;
extern EFI_GUID snp_guid;

/* {6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61}: the vendor of this driver's variables. */
extern EFI_GUID variable_guid;

#endif
