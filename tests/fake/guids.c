/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The GUIDs that the driver takes from libefi, which host tests do not link,
 * and names for messages.
 */
#include "firmware_internal.h"

#include <string.h>

EFI_GUID gEfiPciIoProtocolGuid = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID gEfiDevicePathProtocolGuid = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID gEfiLoadedImageProtocolGuid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID gEfiSimpleNetworkProtocolGuid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
EFI_GUID gEfiDriverBindingProtocolGuid = EFI_DRIVER_BINDING_PROTOCOL_GUID;
EFI_GUID gEfiComponentNameProtocolGuid = {
    0x107a772c, 0xd5e1, 0x11d4, {0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
EFI_GUID gEfiComponentName2ProtocolGuid = {
    0x6a7a5cff, 0xe8d9, 0x4f70, {0xba, 0xda, 0x75, 0xab, 0x30, 0x25, 0xce, 0x14}};
EFI_GUID gEfiDriverFamilyOverrideProtocolGuid = {
    0xb1ee129e, 0xda36, 0x4181, {0x91, 0xf8, 0x04, 0xa4, 0x92, 0x37, 0x66, 0xa7}};

const EFI_GUID fake_exit_boot_services_group = {
    0x27abf055, 0xb1b8, 0x4c26, {0x80, 0x48, 0x74, 0x8f, 0x37, 0xba, 0xa2, 0xdf}};

bool fake_guids_equal(const EFI_GUID *left, const EFI_GUID *right)
{
    return memcmp(left, right, sizeof(*left)) == 0;
}

const char *fake_guid_name(const EFI_GUID *guid)
{
    static const struct {
        const EFI_GUID *guid;
        const char *name;
    } known[] = {
        {&gEfiPciIoProtocolGuid, "PciIo"},
        {&gEfiDevicePathProtocolGuid, "DevicePath"},
        {&gEfiLoadedImageProtocolGuid, "LoadedImage"},
        {&gEfiSimpleNetworkProtocolGuid, "SimpleNetwork"},
        {&gEfiDriverBindingProtocolGuid, "DriverBinding"},
        {&gEfiComponentNameProtocolGuid, "ComponentName"},
        {&gEfiComponentName2ProtocolGuid, "ComponentName2"},
        {&gEfiDriverFamilyOverrideProtocolGuid, "DriverFamilyOverride"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (fake_guids_equal(known[i].guid, guid))
            return known[i].name;
    return "(other)";
}
