/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The GUIDs of the protocols used here. They are not const because UEFI's prototypes
 * are not; nobody writes to them.
 */
#ifndef GUIDS_H
#define GUIDS_H

#include <efi.h>

extern EFI_GUID adapter_information_guid;
extern EFI_GUID component_name_guid;
extern EFI_GUID component_name2_guid;
extern EFI_GUID device_path_guid;
extern EFI_GUID dpc_guid;
extern EFI_GUID driver_binding_guid;
extern EFI_GUID driver_diagnostics2_guid;
extern EFI_GUID driver_family_override_guid;
extern EFI_GUID driver_supported_efi_version_guid;
extern EFI_GUID dxe_services_guid;
extern EFI_GUID hii_config_access_guid;
extern EFI_GUID hii_database_guid;
extern EFI_GUID hii_string_guid;
extern EFI_GUID loaded_image_guid;
extern EFI_GUID managed_network_guid;
extern EFI_GUID managed_network_service_binding_guid;
extern EFI_GUID pci_io_guid;
extern EFI_GUID rng_guid;
extern EFI_GUID snp_guid;
extern EFI_GUID vlan_config_guid;

/* {6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61}: vendor GUID of this driver's variables
 * and of its form. */
#define VARIABLE_GUID                                                                              \
    {                                                                                              \
        0x6e3a2b54, 0x3a3c, 0x4f6c,                                                                \
        {                                                                                          \
            0x9d, 0x0e, 0x5c, 0x1f, 0x0f, 0x7b, 0x8a, 0x61                                         \
        }                                                                                          \
    }
extern EFI_GUID variable_guid;

#endif
