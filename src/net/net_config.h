/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Device configuration of a network device, and the MAC address that the device filters
 * by. Used by net_device.c: each function fills in fields of struct net_device. All of
 * them return PciIo's errors. Source: VIRTIO 1.2, 5.1.4.
 */
#ifndef NET_CONFIG_H
#define NET_CONFIG_H

#include "net/net_device.h"

/* Fill in both addresses. A device without a usable address gets a random one.
 * Errors: also those of random_mac; the cause is then set. */
EFI_STATUS net_config_read_mac(struct net_device *net) __attribute__((warn_unused_result));

/* Read the MTU in bytes: 1,500 if the device does not have the field. It is not checked. */
EFI_STATUS net_config_read_mtu(struct net_device *net, uint16_t *ret_mtu)
    __attribute__((warn_unused_result));

/* Fill in the link state. *ret_wants_announcement: the device asks for an acknowledgement. */
EFI_STATUS net_config_read_link(struct net_device *net, bool *ret_wants_announcement)
    __attribute__((warn_unused_result));

/* Fill in the speed. */
EFI_STATUS net_config_read_speed(struct net_device *net) __attribute__((warn_unused_result));

/* Make `mac` the device's address, if it has a way to set one. Errors: also EFI_DEVICE_ERROR,
 * the device refused. */
EFI_STATUS net_config_program_mac(struct net_device *net, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* True when the station's address is the one that the device came with. */
bool net_config_is_native_address(const struct net_device *net);

/* True when the device filters by the station's address. */
bool net_config_knows_address(struct net_device *net);

#endif
