/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The control queue of a network device: one command at a time, each answered
 * within COMMAND_TIMEOUT_US or not at all. Source: VIRTIO 1.2, 5.1.6.5.
 *
 * A device filters to save us work; net_filter.c decides. So a refused filter
 * command costs frames to look at, never frames that are missed.
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
    struct dma buffer; /* class, command, data; the answer stands at its end */
    enum net_control_state state;
    bool is_open;       /* the device is known to pass every frame, as after a reset */
    uint64_t commands;  /* given to the device */
    uint64_t refused;   /* answered with anything but OK */
    uint64_t overdue;   /* not answered in time */
    unsigned waited_us; /* for the answer to the last command */
};

/* Whether the device's queue can hold a command; true where CTRL_VQ was not
 * negotiated. After negotiation. Errors: what PciIo answers. */
EFI_STATUS net_control_has_room(struct virtio_device *device, bool *ret_has_room)
    __attribute__((warn_unused_result));

/* Set up the queue, where CTRL_VQ was negotiated; else nothing. Between negotiation
 * and DRIVER_OK. Errors: as virtio_queue_init and dma_init; fini cleans up. */
EFI_STATUS net_control_init(struct net_control *control, struct virtio_device *device)
    __attribute__((warn_unused_result));

/* Set the queue up again, which was reset and has no command under way; the device's
 * filter is as it was told. Errors: as virtio_queue_restart. */
EFI_STATUS net_control_restart(struct net_control *control, struct virtio_device *device)
    __attribute__((warn_unused_result));

/* Free everything; the device is halted. A zeroed object is accepted. The counters
 * stay. */
void net_control_fini(struct net_control *control);

/* Program the filter as far as the device can. `is_own_address`: the device knows the
 * station's address as its own; else it must be made to pass frames to it some other
 * way.
 * Errors: EFI_DEVICE_ERROR, the device may hold back frames that the filter admits;
 * one that merely passes too many is no failure. */
EFI_STATUS net_control_set_filter(struct net_control *control, const struct virtio_device *device,
                                  const struct net_filter *filter, bool is_own_address)
    __attribute__((warn_unused_result));

/* Make `mac` the device's address. Needs CTRL_MAC_ADDR.
 * Errors: EFI_DEVICE_ERROR, refused or not answered. */
EFI_STATUS net_control_set_mac(struct net_control *control, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* Tell the device that its wish for an announcement was seen. Needs
 * GUEST_ANNOUNCE. Same error. */
EFI_STATUS net_control_acknowledge_announce(struct net_control *control)
    __attribute__((warn_unused_result));

#endif
