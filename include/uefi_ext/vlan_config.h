/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_VLAN_CONFIG_PROTOCOL (UEFI 2.10, 27.1), and the variable in which EDK2's Managed Network
 * service keeps the VLANs of a NIC.
 */
#ifndef UEFI_EXT_VLAN_CONFIG_H
#define UEFI_EXT_VLAN_CONFIG_H

#include <efi.h>

#define EFI_VLAN_CONFIG_PROTOCOL_GUID                                                              \
    {                                                                                              \
        0x9e23d768, 0xd2f3, 0x4366,                                                                \
        {                                                                                          \
            0x9f, 0xc3, 0x3a, 0x7a, 0xba, 0x86, 0x43, 0x74                                         \
        }                                                                                          \
    }

#define VLAN_ID_MAX 4094u
#define VLAN_PRIORITY_MAX 7u

typedef struct _EFI_VLAN_CONFIG_PROTOCOL EFI_VLAN_CONFIG_PROTOCOL;

typedef struct {
    UINT16 VlanId;
    UINT8 Priority;
} EFI_VLAN_FIND_DATA;

struct _EFI_VLAN_CONFIG_PROTOCOL {
    EFI_STATUS(EFIAPI *Set)(EFI_VLAN_CONFIG_PROTOCOL *This, UINT16 VlanId, UINT8 Priority);
    EFI_STATUS(EFIAPI *Find)
    (EFI_VLAN_CONFIG_PROTOCOL *This, UINT16 *VlanId, UINT16 *NumberOfVlan,
     EFI_VLAN_FIND_DATA **Entries);
    EFI_STATUS(EFIAPI *Remove)(EFI_VLAN_CONFIG_PROTOCOL *This, UINT16 VlanId);
};

/* The variable's name is the MAC in upper-case hexadecimal, its vendor the protocol's GUID. It
 * holds an array of 16-bit tags, in the host's byte order. IEEE 802.1Q, 9.6: id in bits 0 to 11,
 * priority in bits 13 to 15. */
#define VLAN_TAG(id, priority) ((UINT16)((id) | (unsigned)(priority) << 13))
#define VLAN_TAG_ID(tag) ((UINT16)((tag)&0xfffu))
#define VLAN_TAG_PRIORITY(tag) ((UINT8)((tag) >> 13))

#endif
