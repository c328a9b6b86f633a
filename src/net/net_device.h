/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtio network device: whole Ethernet frames in and out, MAC, MTU, link.
 *
 *   net_device_init   identify the device; it is left halted
 *   net_device_start  queues, buffers, DRIVER_OK: frames flow
 *   net_device_park   no frame and no DMA, but quick to start again where that can be
 *   net_device_stop   halted again, all memory returned
 *   net_device_fini   let go of it
 *
 * start, park and stop may be repeated. All buffers are allocated and mapped once per
 * start: descriptor i belongs to buffer i, and no frame costs an allocation, a
 * mapping or a needless device access. Source: VIRTIO 1.2, 5.1.
 */
#ifndef NET_DEVICE_H
#define NET_DEVICE_H

#include "net/net_control.h"
#include "net/net_filter.h"
#include "virtio/virtio_queue.h"

/* What may be asked of a device, in the order of what it has:
 *
 *             start                        queues set up
 *   STOPPED ---------> DOWN ------------------------------> UP
 *      ^                |  <------------------------------  |  ^
 *      |      stop      |   broken ring, device gone or     |  |
 *      +----------------+   in need of a reset, quiesce     |  |
 *      |                                                    |  |
 *      |      stop                          park            |  |
 *      +------------- PARKED <------------------------------+  |
 *                        |                  start              |
 *                        +-------------------------------------+
 *
 * Stop leads to STOPPED from anywhere; quiesce leads from PARKED to DOWN as well, and so
 * does a start that cannot resume, on its way to STOPPED and a start from the reset on. */
enum net_state {
    NET_STOPPED, /* halted, no memory of ours with the device; a zeroed object is in it */
    NET_PARKED,  /* queues and buffers are there, the queues reset; negotiation holds */
    NET_DOWN,    /* queues and buffers may be the device's, and no frame flows */
    NET_UP,      /* frames flow */
};

#define ETHERNET_HEADER_BYTES 14u
#define ETHERNET_VLAN_BYTES 4u
#define ETHERNET_FRAME_MIN_BYTES 60u /* without checksum; shorter frames are padded */
#define ETHERNET_MTU 1500u

#define NET_DEVICE_TICK_US 100000u /* how often the owner's timer calls net_device_tick */

/* One direction: a virtqueue whose slots are the buffers of one pool. */
struct net_queue {
    struct virtio_queue queue;
    struct dma pool;
    uint32_t stride_bytes; /* from one buffer to the next */
    uint32_t frame_bytes;  /* of a buffer, behind the virtio header */
    uint16_t count;        /* of buffers */
};

/* Frames of one direction. Good ones are counted by destination; the others were
 * not sent, or not shown to the caller. */
struct net_traffic {
    uint64_t good_bytes;
    uint64_t bad_bytes;
    uint64_t unicast;
    uint64_t multicast;
    uint64_t broadcast;
    uint64_t undersize; /* shorter than an Ethernet header */
    uint64_t oversize;  /* longer than the MTU allows */
    uint64_t dropped;   /* RX: an offload that was not negotiated; TX: refused by the device */
};

struct net_counters {
    struct net_traffic rx;
    struct net_traffic tx;
    uint64_t rx_filtered; /* frames for others, no errors */
    uint64_t ring_errors; /* times the device broke a ring */
    uint64_t announcements;
};

/* A received frame, in a buffer that is not the device's. */
struct net_frame {
    const uint8_t *bytes; /* behind the virtio header; the device can still write there */
    uint32_t length_bytes;
    uint16_t slot;
};

struct net_device {
    struct virtio_device virtio;
    struct net_queue rx;
    struct net_queue tx;
    struct net_control control;

    uint8_t permanent_mac[MAC_BYTES];
    uint8_t station_mac[MAC_BYTES];
    uint32_t mtu; /* bytes behind the Ethernet header, both directions */
    bool has_link_status;
    bool is_link_up;
    uint32_t speed_mbps; /* 0: not known */
    bool was_told_mac;   /* since the device's reset, over the control queue */
    bool is_mac_made_up; /* permanent_mac is ours: the device has none that a station can have */

    union {
        struct {
            volatile uint8_t state; /* enum net_state */
            /* It is time for net_device_tend, which clears it; net_device_tick sets it. */
            volatile bool is_tend_due;
        };
        volatile uint16_t attention; /* both at once: NET_UP is the usual case */
    };

    uint8_t header_bytes;   /* virtio header in front of each frame */
    bool rx_was_dry;        /* the device had no buffer left when it last got some */
    bool has_waiting;       /* a received frame was looked at and not yet taken */
    uint16_t rx_kept_count; /* buffers taken and not yet given back to the device */
    uint16_t rx_kept_max;   /* so many are given back at once */
    uint16_t tx_free_count;
    struct net_frame waiting;
    uint16_t rx_kept[VIRTQUEUE_SLOTS_MAX];
    uint16_t tx_free[VIRTQUEUE_SLOTS_MAX];

    volatile uint32_t ticks;     /* since init, wrapping */
    uint32_t announced_at;       /* the tick of the last acknowledgement */
    uint32_t announcement_pause; /* ticks until the next one may follow */

    struct net_filter filter;     /* kept over stop and start */
    struct net_counters counters; /* likewise; the caller may clear them */
};

/* True when transmit and peek would answer EFI_DEVICE_ERROR. */
static inline bool net_device_is_down(const struct net_device *net)
{
    return net->state != NET_UP;
}

/* True when the queues are there, to be looked at: the device is UP or DOWN. */
static inline bool net_device_has_queues(const struct net_device *net)
{
    return net->state >= NET_DOWN;
}

/* True when the device is down or net_device_tend is due: one load says so. */
static inline bool net_device_needs_attention(const struct net_device *net)
{
    return net->attention != NET_UP; /* UEFI is little-endian: is_tend_due is the high byte */
}

/* Find and identify the device behind `pci_io`. Errors: EFI_UNSUPPORTED, not a
 * device this driver can drive; EFI_TIMEOUT, it does not react; what PciIo
 * answers. After a failure only net_device_cause and fini are of use. */
EFI_STATUS net_device_init(struct net_device *net, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Stop if running, put the PCI function back. A zeroed object is accepted. */
void net_device_fini(struct net_device *net);

/* Why the last init or start failed, for people. Never NULL. */
const CHAR16 *net_device_cause(const struct net_device *net);

/* Errors: as init, and EFI_OUT_OF_RESOURCES. The device is then halted. */
EFI_STATUS net_device_start(struct net_device *net) __attribute__((warn_unused_result));

/* Frames that were not taken are lost; those under way may be. With RING_RESET the
 * queues alone are reset: the device accesses no memory, and the next start need not
 * negotiate or allocate. Where a queue does not follow, or the device is not well, and
 * without the feature, this is net_device_stop. */
void net_device_park(struct net_device *net);

/* Likewise, and give back what a parked device has. Memory is leaked if the device can
 * neither be reset nor cut off: it may go on writing there. False when the device has
 * just failed to confirm its reset: it may still be in the middle of it, so whoever stopped
 * the device in order to start it again gives up for now. */
bool net_device_stop(struct net_device *net);

/* Stop the device's DMA and nothing else: no memory is freed, and the wait is short. For
 * ExitBootServices; if that fails after all, net_device_stop frees as ever. */
void net_device_quiesce(struct net_device *net);

/* Receive what `filter` admits from now on; a device that is not running learns of
 * it at its start. Errors: EFI_DEVICE_ERROR, the device would hold frames back; the
 * filter is as before. */
EFI_STATUS net_device_set_filter(struct net_device *net, const struct net_filter *filter)
    __attribute__((warn_unused_result));

/* Be known as `mac`, an address that a station can have, until the next call; the
 * device is running. Errors: EFI_DEVICE_ERROR, it did not obey, and the address is as
 * before. */
EFI_STATUS net_device_set_mac(struct net_device *net, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* NET_DEVICE_TICK_US have passed. May come in the middle of anything else. */
static inline void net_device_tick(struct net_device *net)
{
    net->ticks++;
    net->is_tend_due = true;
}

/* Look after a running device when is_tend_due: read the link state and whether it is
 * still well, acknowledge an announcement, and wake it where it may have missed a
 * doorbell. A device that is not ready any more is down from here on, and its link too.
 * Several device accesses, so not for every frame. */
void net_device_tend(struct net_device *net);

/* True when transmit, peek and take call no firmware: until the next stop. */
bool net_device_is_self_contained(const struct net_device *net);

/* Send a frame: it is copied, so the caller's buffer is free at once. At least
 * ETHERNET_HEADER_BYTES, at most ETHERNET_HEADER_BYTES + mtu bytes long; short
 * frames are padded with zeros.
 * Errors: EFI_NOT_READY, the ring is full; EFI_DEVICE_ERROR, net_device_is_down. */
EFI_STATUS net_device_transmit(struct net_device *net, const void *frame, size_t length_bytes)
    __attribute__((warn_unused_result));

/* True when net_device_peek may have a frame, of a device that is not down. Reads
 * memory only. */
static inline bool net_device_has_news(const struct net_device *net)
{
    return net->has_waiting || virtqueue_has_news(&net->rx.queue.ring);
}

/* A number that changes when frames arrive, of a device that has queues; see
 * virtqueue_progress. */
static inline uint16_t net_device_rx_progress(const struct net_device *net)
{
    return virtqueue_progress(&net->rx.queue.ring);
}

/* Look at the oldest frame that passes the filter; it stays until
 * net_device_take. The memory is the device's: copy, then check the copy.
 * Errors: EFI_NOT_READY, there is none; EFI_DEVICE_ERROR, net_device_is_down. */
EFI_STATUS net_device_peek(struct net_device *net, const uint8_t **ret_frame,
                           size_t *ret_length_bytes) __attribute__((warn_unused_result));

/* Done with the frame that peek showed: its buffer is the device's again. */
void net_device_take(struct net_device *net);

#endif
