/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What there is to say about a device to a person: the name of the NIC, the setup page,
 * the diagnostics. Nothing here changes the device.
 */
#ifndef NET_REPORT_H
#define NET_REPORT_H

#include "net/net_device.h"

struct net_queue_report {
    uint32_t buffer_bytes;
    uint16_t entries;
    uint16_t buffers;
    uint16_t in_flight; /* of the buffers, with the device */
    bool is_sound;      /* the device has not broken the ring, or is not seen to */
};

/* "modern" or "legacy". */
const CHAR16 *net_report_transport(const struct net_device *net);

/* True when the rings are packed: the device offers that, and the driver never declines. */
bool net_report_is_packed(const struct net_device *net);

/* True when some of the registers are reached through PCI configuration space. */
bool net_report_uses_window(const struct net_device *net);

/* Feature bits of the last negotiation. */
uint64_t net_report_features_offered(const struct net_device *net);
uint64_t net_report_features_negotiated(const struct net_device *net);

/* NULL: there was none since the last start. */
const CHAR16 *net_report_last_failure(const struct net_device *net);

/* The device is UP or DOWN. */
struct net_queue_report net_report_queue(const struct net_queue *queue);

/* True when the device has not yet sent all that it was given. */
bool net_report_is_sending(const struct net_device *net);

/* True when the device answers and asks for no reset. */
bool net_report_is_well(struct net_device *net);

/* False: the device may be in the middle of a reset, so it must not be asked for more. */
bool net_report_has_confirmed_reset(const struct net_device *net);

/* True when the device answers and offers what it offered at the last negotiation. */
bool net_report_offers_the_same(struct net_device *net);

#endif
