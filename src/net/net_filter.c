/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The receive filter in software.
 */
#include "net/net_filter.h"

static bool is_listed(const struct net_filter *filter, const uint8_t *destination)
{
    for (unsigned i = 0; i < filter->multicast_count; i++) {
        if (mac_is_equal(filter->multicast_list[i], destination))
            return true;
    }
    return false;
}

inline bool net_filter_admits(const struct net_filter *filter, const uint8_t *station,
                              const uint8_t *destination)
{
    if (mac_is_equal(destination, station) && filter->unicast) /* nearly every frame */
        return true;
    if (filter->promiscuous || !mac_is_group(destination))
        return filter->promiscuous;
    if (mac_is_broadcast(destination))
        return filter->broadcast;
    return filter->all_multicast || (filter->multicast && is_listed(filter, destination));
}
