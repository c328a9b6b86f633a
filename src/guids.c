/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * libefi has these too, beside much else, and under its own rules.
 */
#include "guids.h"

#include <efilib.h>
#include <efinet.h>
#include <efipciio.h>

EFI_GUID component_name_guid = EFI_COMPONENT_NAME_PROTOCOL_GUID;
EFI_GUID component_name2_guid = EFI_COMPONENT_NAME2_PROTOCOL_GUID;
EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID driver_binding_guid = EFI_DRIVER_BINDING_PROTOCOL_GUID;
EFI_GUID driver_family_override_guid = EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL_GUID;
EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID rng_guid = EFI_RNG_PROTOCOL_GUID;
EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
EFI_GUID variable_guid = {
    0x6e3a2b54, 0x3a3c, 0x4f6c, {0x9d, 0x0e, 0x5c, 0x1f, 0x0f, 0x7b, 0x8a, 0x61}};
