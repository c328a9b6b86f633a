/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the device's configuration says of a network device, and who the device takes us
 * for. For net_device.c: each function fills in fields of struct net_device. Errors of
 * all: what PciIo answers. Source: VIRTIO 1.2, 5.1.4.
 */
#ifndef NET_CONFIG_H
#define NET_CONFIG_H

#include "net/net_device.h"

/* Fill in both addresses; a device without a usable one gets a random one of our own.
 * Errors: also what random_mac answers; the cause is then set. */
EFI_STATUS net_config_read_mac(struct net_device *net) __attribute__((warn_unused_result));

/* *ret_mtu in bytes, as the device says it; 1,500 when it does not say. Not checked. */
EFI_STATUS net_config_read_mtu(struct net_device *net, uint16_t *ret_mtu)
    __attribute__((warn_unused_result));

/* Fill in the link state. *ret_wants_announcement: the device asks for an acknowledgement. */
EFI_STATUS net_config_read_link(struct net_device *net, bool *ret_wants_announcement)
    __attribute__((warn_unused_result));

/* Fill in the speed. */
EFI_STATUS net_config_read_speed(struct net_device *net) __attribute__((warn_unused_result));

/* Tell the device that its address is `mac`, where it can be told. Errors: also
 * EFI_DEVICE_ERROR, the device refused. */
EFI_STATUS net_config_program_mac(struct net_device *net, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* True when the station's address is the one that the device came with. */
bool net_config_is_native_address(const struct net_device *net);

/* True when the device filters by the station's address. */
bool net_config_knows_address(struct net_device *net);

#endif
