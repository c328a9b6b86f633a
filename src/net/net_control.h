/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The control queue of a network device: one command at a time, and a limit of
 * COMMAND_TIMEOUT_US for its answer. Source: VIRTIO 1.2, 5.1.6.5.
 *
 * The device's filter only saves work, because net_filter.c checks every frame. So a refused
 * filter command costs time, but never a frame.
 */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include "net/net_filter.h"
#include "virtio/virtio_queue.h"

/*           init                 a command is not answered in time
 *   ABSENT --------------> READY -----------------------------------> OVERDUE
 *
 * fini leads back to ABSENT. */
enum net_control_state {
    NET_CONTROL_ABSENT,  /* not set up, or the device has none; a zeroed object is in it */
    NET_CONTROL_READY,   /* for the next command */
    NET_CONTROL_OVERDUE, /* the device may still write an answer: no other command is given */
};

struct net_control {
    struct virtio_queue queue;
    struct dma buffer; /* class, command and data; the answer is its last byte */
    enum net_control_state state;
    bool is_open;       /* the device passes every frame, as after a reset */
    uint64_t commands;  /* given to the device */
    uint64_t refused;   /* answered with anything but OK */
    uint64_t overdue;   /* not answered in time */
    unsigned waited_us; /* for the answer to the last command */
};

/* *ret_has_room: whether the queue can hold a command; true without CTRL_VQ. Called after
 * negotiation. Errors: those of PciIo. */
EFI_STATUS net_control_has_room(struct virtio_device *device, bool *ret_has_room)
    __attribute__((warn_unused_result));

/* Set up the queue; without CTRL_VQ this does nothing. Called between negotiation and
 * DRIVER_OK. Errors: those of virtio_queue_init and dma_init; fini cleans up. */
EFI_STATUS net_control_init(struct net_control *control, struct virtio_device *device)
    __attribute__((warn_unused_result));

/* Set up the queue again after its reset. No command is under way, and the device still has
 * its filter. Errors: those of virtio_queue_restart. */
EFI_STATUS net_control_restart(struct net_control *control, struct virtio_device *device)
    __attribute__((warn_unused_result));

/* Free everything but the counters. The device is halted or cut off. A zeroed object is
 * accepted. */
void net_control_fini(struct net_control *control);

/* Program the filter as far as the device has one. `is_own_address`: the device filters by
 * the station's address; otherwise it is made promiscuous.
 * Errors: EFI_DEVICE_ERROR, the device may hold back frames that the filter admits. A device
 * that passes too many frames is not an error. */
EFI_STATUS net_control_set_filter(struct net_control *control, const struct virtio_device *device,
                                  const struct net_filter *filter, bool is_own_address)
    __attribute__((warn_unused_result));

/* Make `mac` the device's address. Needs CTRL_MAC_ADDR.
 * Errors: EFI_DEVICE_ERROR, refused or not answered. */
EFI_STATUS net_control_set_mac(struct net_control *control, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* Acknowledge that the device asked for an announcement. Needs GUEST_ANNOUNCE. Errors:
 * EFI_DEVICE_ERROR, likewise. */
EFI_STATUS net_control_acknowledge_announce(struct net_control *control)
    __attribute__((warn_unused_result));

#endif
