/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_MANAGED_NETWORK_PROTOCOL, which gnu-efi has only the configuration of. Source:
 * UEFI 2.10, 25.1.
 */
#ifndef UEFI_EXT_MANAGED_NETWORK_H
#define UEFI_EXT_MANAGED_NETWORK_H

#include <efi.h>
#include <efinet.h>

#define EFI_MANAGED_NETWORK_SERVICE_BINDING_PROTOCOL_GUID                                          \
    {                                                                                              \
        0xf36ff770, 0xa7e1, 0x42cf,                                                                \
        {                                                                                          \
            0x9e, 0xd2, 0x56, 0xf0, 0xf2, 0x71, 0xf4, 0x4c                                         \
        }                                                                                          \
    }
#define EFI_MANAGED_NETWORK_PROTOCOL_GUID                                                          \
    {                                                                                              \
        0x7ab33a91, 0xace5, 0x4326,                                                                \
        {                                                                                          \
            0xb5, 0x72, 0xe7, 0xee, 0x33, 0xd3, 0x9f, 0x16                                         \
        }                                                                                          \
    }

typedef struct _EFI_MANAGED_NETWORK_PROTOCOL EFI_MANAGED_NETWORK_PROTOCOL;

typedef struct {
    EFI_TIME Timestamp;
    EFI_EVENT RecycleEvent;
    UINT32 PacketLength;
    UINT32 HeaderLength;
    UINT32 AddressLength;
    UINT32 DataLength;
    BOOLEAN BroadcastFlag;
    BOOLEAN MulticastFlag;
    BOOLEAN PromiscuousFlag;
    UINT16 ProtocolType; /* host byte order */
    VOID *DestinationAddress;
    VOID *SourceAddress;
    VOID *MediaHeader;
    VOID *PacketData;
} EFI_MANAGED_NETWORK_RECEIVE_DATA;

typedef struct {
    UINT32 FragmentLength;
    VOID *FragmentBuffer;
} EFI_MANAGED_NETWORK_FRAGMENT_DATA;

typedef struct {
    EFI_MAC_ADDRESS *DestinationAddress; /* NULL: the header is in the fragments */
    EFI_MAC_ADDRESS *SourceAddress;
    UINT16 ProtocolType; /* host byte order */
    UINT32 DataLength;
    UINT16 HeaderLength;
    UINT16 FragmentCount;
    EFI_MANAGED_NETWORK_FRAGMENT_DATA FragmentTable[1];
} EFI_MANAGED_NETWORK_TRANSMIT_DATA;

typedef struct {
    EFI_EVENT Event;
    EFI_STATUS Status;
    union {
        EFI_MANAGED_NETWORK_RECEIVE_DATA *RxData;
        EFI_MANAGED_NETWORK_TRANSMIT_DATA *TxData;
    } Packet;
} EFI_MANAGED_NETWORK_COMPLETION_TOKEN;

struct _EFI_MANAGED_NETWORK_PROTOCOL {
    EFI_STATUS(EFIAPI *GetModeData)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, EFI_MANAGED_NETWORK_CONFIG_DATA *MnpConfigData,
     EFI_SIMPLE_NETWORK_MODE *SnpModeData);
    EFI_STATUS(EFIAPI *Configure)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, EFI_MANAGED_NETWORK_CONFIG_DATA *MnpConfigData);
    EFI_STATUS(EFIAPI *McastIpToMac)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, BOOLEAN Ipv6Flag, EFI_IP_ADDRESS *IpAddress,
     EFI_MAC_ADDRESS *MacAddress);
    EFI_STATUS(EFIAPI *Groups)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, BOOLEAN JoinFlag, EFI_MAC_ADDRESS *MacAddress);
    EFI_STATUS(EFIAPI *Transmit)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, EFI_MANAGED_NETWORK_COMPLETION_TOKEN *Token);
    EFI_STATUS(EFIAPI *Receive)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, EFI_MANAGED_NETWORK_COMPLETION_TOKEN *Token);
    EFI_STATUS(EFIAPI *Cancel)
    (EFI_MANAGED_NETWORK_PROTOCOL *This, EFI_MANAGED_NETWORK_COMPLETION_TOKEN *Token);
    EFI_STATUS(EFIAPI *Poll)(EFI_MANAGED_NETWORK_PROTOCOL *This);
};

#endif
