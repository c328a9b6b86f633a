/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * libefi has these too, beside much else, and under its own rules.
 */
#include "base/guids.h"

#include <efilib.h>
#include <efinet.h>
#include <efipciio.h>

#include "uefi_ext/adapter_information.h"
#include "uefi_ext/dpc.h"
#include "uefi_ext/driver_diagnostics2.h"
#include "uefi_ext/driver_supported_efi_version.h"
#include "uefi_ext/dxe_services.h"
#include "uefi_ext/hii.h"
#include "uefi_ext/managed_network.h"
#include "uefi_ext/vlan_config.h"

EFI_GUID adapter_information_guid = EFI_ADAPTER_INFORMATION_PROTOCOL_GUID;
EFI_GUID component_name_guid = EFI_COMPONENT_NAME_PROTOCOL_GUID;
EFI_GUID component_name2_guid = EFI_COMPONENT_NAME2_PROTOCOL_GUID;
EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID dpc_guid = EFI_DPC_PROTOCOL_GUID;
EFI_GUID driver_binding_guid = EFI_DRIVER_BINDING_PROTOCOL_GUID;
EFI_GUID driver_diagnostics2_guid = EFI_DRIVER_DIAGNOSTICS2_PROTOCOL_GUID;
EFI_GUID driver_family_override_guid = EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL_GUID;
EFI_GUID driver_supported_efi_version_guid = EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL_GUID;
EFI_GUID dxe_services_guid = PI_DXE_SERVICES_TABLE_GUID;
EFI_GUID hii_config_access_guid = EFI_HII_CONFIG_ACCESS_PROTOCOL_GUID;
EFI_GUID hii_database_guid = EFI_HII_DATABASE_PROTOCOL_GUID;
EFI_GUID hii_string_guid = EFI_HII_STRING_PROTOCOL_GUID;
EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID managed_network_guid = EFI_MANAGED_NETWORK_PROTOCOL_GUID;
EFI_GUID managed_network_service_binding_guid = EFI_MANAGED_NETWORK_SERVICE_BINDING_PROTOCOL_GUID;
EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID rng_guid = EFI_RNG_PROTOCOL_GUID;
EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
EFI_GUID variable_guid = VARIABLE_GUID;
EFI_GUID vlan_config_guid = EFI_VLAN_CONFIG_PROTOCOL_GUID;
