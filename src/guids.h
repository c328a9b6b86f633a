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
extern EFI_GUID loaded_image_guid;
extern EFI_GUID pci_io_guid;
extern EFI_GUID rng_guid;
extern EFI_GUID snp_guid;

#endif
