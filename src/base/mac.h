/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Ethernet addresses: 6 bytes in wire order (IEEE 802).
 */
#ifndef MAC_H
#define MAC_H

#include <stdbool.h>
#include <stdint.h>

#define MAC_BYTES 6u
#define MAC_GROUP_BIT 0x01u /* of the first byte: multicast and broadcast */
#define MAC_LOCAL_BIT 0x02u /* of the first byte: not assigned by a vendor */

static inline bool mac_is_equal(const uint8_t *a, const uint8_t *b)
{
    return __builtin_memcmp(a, b, MAC_BYTES) == 0;
}

static inline bool mac_is_group(const uint8_t *mac)
{
    return mac[0] & MAC_GROUP_BIT;
}

static inline bool mac_is_broadcast(const uint8_t *mac)
{
    return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xffu;
}

/* True for a valid station address: neither a group address nor all zeros. */
static inline bool mac_is_station(const uint8_t *mac)
{
    return !mac_is_group(mac) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

#endif
