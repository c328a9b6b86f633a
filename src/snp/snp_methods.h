/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the three files of the Simple Network Protocol share. Nobody else includes it.
 * The methods' parameters, units and errors: UEFI 2.10, 24.1.
 */
#ifndef SNP_METHODS_H
#define SNP_METHODS_H

#include <stddef.h>

#include "snp/snp.h"

_Static_assert(offsetof(struct snp, protocol) == 0, "NULL stays NULL");

static inline struct snp *snp_of(EFI_SIMPLE_NETWORK_PROTOCOL *protocol)
{
    return (struct snp *)protocol;
}

static inline void snp_set_mac(EFI_MAC_ADDRESS *address, const uint8_t *mac)
{
    __builtin_memset(address, 0, sizeof(*address));
    __builtin_memcpy(address->Addr, mac, MAC_BYTES);
}

/* Errors: EFI_NOT_STARTED, in state Stopped; EFI_DEVICE_ERROR, in state Started, or after
 * ExitBootServices. */
EFI_STATUS snp_check_initialized(const struct snp *snp) __attribute__((warn_unused_result));

/* The receive filter that Mode describes. */
struct net_filter snp_filter_of_mode(const EFI_SIMPLE_NETWORK_MODE *mode);

/* snp_settings.c */
EFI_STATUS EFIAPI snp_receive_filters(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 enable,
                                      UINT32 disable, BOOLEAN reset_list, UINTN count,
                                      EFI_MAC_ADDRESS *list);
EFI_STATUS EFIAPI snp_station_address(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                      EFI_MAC_ADDRESS *address);
EFI_STATUS EFIAPI snp_statistics(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN reset,
                                 UINTN *table_bytes, EFI_NETWORK_STATISTICS *ret_table);
EFI_STATUS EFIAPI snp_mcast_ip_to_mac(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_ipv6,
                                      EFI_IP_ADDRESS *ip, EFI_MAC_ADDRESS *ret_mac);
EFI_STATUS EFIAPI snp_nv_data(EFI_SIMPLE_NETWORK_PROTOCOL *this, BOOLEAN is_read, UINTN offset,
                              UINTN length_bytes, VOID *buffer);

/* snp_frames.c */
EFI_STATUS EFIAPI snp_get_status(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINT32 *ret_interrupts,
                                 VOID **ret_buffer);
EFI_STATUS EFIAPI snp_transmit(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN header_bytes,
                               UINTN buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *source,
                               EFI_MAC_ADDRESS *destination, UINT16 *protocol);
EFI_STATUS EFIAPI snp_receive(EFI_SIMPLE_NETWORK_PROTOCOL *this, UINTN *ret_header_bytes,
                              UINTN *buffer_bytes, VOID *buffer, EFI_MAC_ADDRESS *ret_source,
                              EFI_MAC_ADDRESS *ret_destination, UINT16 *ret_protocol);

#endif
