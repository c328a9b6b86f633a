/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The receive filter. It alone decides which frames the caller sees, whatever the device
 * filters or fails to filter.
 */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mac.h"

#define NET_FILTER_MULTICAST_MAX 16u

struct net_filter {
    bool unicast; /* to the station address */
    bool broadcast;
    bool multicast; /* to an address of the list */
    bool all_multicast;
    bool promiscuous;
    uint8_t multicast_count;
    uint8_t multicast_list[NET_FILTER_MULTICAST_MAX][MAC_BYTES];
};

/* True when a frame to `destination` passes the filter of the station with address `station`. */
bool net_filter_admits(const struct net_filter *filter, const uint8_t *station,
                       const uint8_t *destination);

#endif
