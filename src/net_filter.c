/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The receive filter in software.
 */
#include "net_filter.h"

static bool is_listed(const struct net_filter *filter, const uint8_t *destination)
{
    for (unsigned i = 0; i < filter->multicast_count; i++) {
        if (mac_is_equal(filter->multicast_list[i], destination))
            return true;
    }
    return false;
}

bool net_filter_admits(const struct net_filter *filter, const uint8_t *station,
                       const uint8_t *destination)
{
    if (filter->promiscuous)
        return true;
    if (!mac_is_group(destination))
        return filter->unicast && mac_is_equal(destination, station);
    if (mac_is_broadcast(destination))
        return filter->broadcast;
    return filter->all_multicast || (filter->multicast && is_listed(filter, destination));
}
