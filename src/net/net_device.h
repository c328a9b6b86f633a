/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtio network device: whole Ethernet frames in and out, MAC, MTU, link.
 *
 *   net_device_init   identify the device and leave it halted
 *   net_device_start  queues, buffers, DRIVER_OK: frames flow
 *   net_device_park   no frames and no DMA, but a quick start if the device allows it
 *   net_device_stop   halted again, all memory freed
 *   net_device_fini   release the PCI function
 *
 * start, park and stop may be repeated. Buffers are allocated and mapped once per start:
 * slot i always uses buffer i, and no frame costs an allocation, a mapping or a needless
 * device access. Source: VIRTIO 1.2, 5.1.
 */
#ifndef NET_DEVICE_H
#define NET_DEVICE_H

#include "net/net_control.h"
#include "net/net_filter.h"
#include "virtio/virtio_queue.h"

/* The state of a device. Each has more than the one before it:
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
 * Stop leads to STOPPED from any state. Quiesce leads from PARKED to DOWN as well. A start
 * that cannot resume from PARKED goes by DOWN to STOPPED and begins with a reset. UP stands for
 * UP_LARGE as well. */
enum net_state {
    NET_STOPPED,  /* halted; the device has none of our memory; a zeroed object is in it */
    NET_PARKED,   /* the queues are reset, but allocated; the negotiation is still valid */
    NET_DOWN,     /* the device may own queues and buffers, but no frame flows */
    NET_UP,       /* frames flow */
    NET_UP_LARGE, /* likewise, and the device may join TCP segments into large frames */
};

#define ETHERNET_HEADER_BYTES 14u
#define ETHERNET_VLAN_BYTES 4u
#define ETHERNET_FRAME_MIN_BYTES 60u /* without checksum; shorter frames are padded */
#define ETHERNET_MTU 1500u
#define NET_LARGE_FRAME_MAX 65535u /* bytes from the destination address on */

#define NET_DEVICE_TICK_US 100000u /* how often the owner's timer calls net_device_tick */

/* One direction: a virtqueue whose slots are the buffers of one pool. */
struct net_queue {
    struct virtio_queue queue;
    struct dma pool;
    uint32_t stride_bytes; /* from one buffer to the next */
    uint32_t frame_bytes;  /* room in a buffer after the virtio header */
    uint16_t count;        /* of buffers */
};

/* Counters of one direction. Good frames are counted by destination. The others were not
 * sent, or not shown to the caller. */
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
    uint64_t rx_large;    /* good frames that the device made of several */
    uint64_t ring_errors; /* times the device broke a ring */
    uint64_t announcements;
};

/* A received frame. The device has given its buffer back. */
struct net_frame {
    const uint8_t *bytes; /* after the virtio header; a hostile device can still write here */
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
    uint32_t mtu; /* bytes after the Ethernet header, both directions */
    bool has_link_status;
    bool is_link_up;
    uint32_t speed_mbps;  /* 0: not known */
    bool takes_large;     /* what the last start asked for */
    uint8_t *large_frame; /* where large frames are put together; NULL: there are none */
    bool was_told_mac;    /* over the control queue, since the device's reset */
    bool is_mac_made_up;  /* permanent_mac is random: the device has no valid address */

    union {
        struct {
            volatile uint8_t state; /* enum net_state */
            /* net_device_tend is due, which clears it; net_device_tick sets it. */
            volatile bool is_tend_due;
        };
        volatile uint16_t attention; /* both in one load; NET_UP: nothing to do */
    };

    uint8_t header_bytes;   /* the virtio header before each frame */
    bool rx_was_dry;        /* the device had no buffer left when it last got some */
    bool has_waiting;       /* `waiting` was peeked at and not yet taken */
    bool has_made_sum;      /* UP_LARGE: the checksum in `waiting` was finished here */
    uint16_t rx_kept_count; /* buffers that are ours and go back to the device later */
    uint16_t rx_kept_max;   /* how many go back at once */
    uint16_t tx_free_count;
    struct net_frame waiting;
    uint16_t rx_kept[VIRTQUEUE_SLOTS_MAX];
    uint16_t tx_free[VIRTQUEUE_SLOTS_MAX];

    volatile uint32_t ticks;     /* since init, wrapping */
    uint32_t announced_at;       /* the tick of the last acknowledgement */
    uint32_t announcement_pause; /* ticks until the next one may follow */

    struct net_filter filter;     /* survives stop and start */
    struct net_counters counters; /* likewise; the caller may clear them */
};

/* True when transmit and peek would answer EFI_DEVICE_ERROR. */
static inline bool net_device_is_down(const struct net_device *net)
{
    return net->state < NET_UP;
}

/* True when there are queues to look at: the device is UP or DOWN. */
static inline bool net_device_has_queues(const struct net_device *net)
{
    return net->state >= NET_DOWN;
}

/* True when the device is down or net_device_tend is due: one load says so. Always true of a device
 * that is UP_LARGE. */
static inline bool net_device_needs_attention(const struct net_device *net)
{
    return net->attention != NET_UP; /* UEFI is little-endian: is_tend_due is the high byte */
}

/* The same for a caller that takes large frames: it may be false of a device that is UP_LARGE. */
static inline bool net_device_needs_attention_large(const struct net_device *net)
{
    uint16_t attention = net->attention;

    return attention != NET_UP && attention != NET_UP_LARGE;
}

/* Find and identify the device behind `pci_io`. Errors: EFI_UNSUPPORTED, this driver cannot
 * drive it; EFI_TIMEOUT, it does not respond; those of PciIo. After a failure only
 * net_device_cause and net_device_fini may be called. */
EFI_STATUS net_device_init(struct net_device *net, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Stop the device and restore the PCI function. A zeroed object is accepted. */
void net_device_fini(struct net_device *net);

/* Why the last init or start failed, for people. Never NULL. */
const CHAR16 *net_device_cause(const struct net_device *net);

/* Let frames flow. `takes_large`: the caller takes large frames, with net_device_peek_large. If
 * the device has the features for that, it is UP_LARGE then: it may hand over several TCP segments
 * as one, of up to NET_LARGE_FRAME_MAX bytes. Errors: those of init, and EFI_OUT_OF_RESOURCES. The
 * device is then halted. */
EFI_STATUS net_device_start(struct net_device *net, bool takes_large)
    __attribute__((warn_unused_result));

/* Stop the flow of frames. Frames that were not taken are lost, and frames under way may be.
 * With RING_RESET only the queues are reset: the device accesses no memory, and the next start
 * neither negotiates nor allocates, if it asks for the same frames. Without the feature, or if a
 * queue does not reset or the device is not UP, this is net_device_stop. */
void net_device_park(struct net_device *net);

/* Stop the flow of frames, halt the device and free its memory. Memory is leaked if the
 * device can be neither reset nor cut off, because it may go on writing there. False when the
 * device did not confirm its reset. It may still be in the middle of it, so a caller that
 * wanted to start it again should give up for now. */
bool net_device_stop(struct net_device *net);

/* Stop the device's DMA for ExitBootServices: no memory is freed, and the wait is short. If
 * ExitBootServices fails after all, net_device_stop still frees everything. */
void net_device_quiesce(struct net_device *net);

/* Receive what `filter` admits from now on. A device that is not UP gets the filter at its
 * next start. Errors: EFI_DEVICE_ERROR, the device would hold frames back; the filter is as
 * before. */
EFI_STATUS net_device_set_filter(struct net_device *net, const struct net_filter *filter)
    __attribute__((warn_unused_result));

/* Make `mac`, a valid unicast address, the station's address. The device is UP. Errors:
 * EFI_DEVICE_ERROR, the device refused, and the address is as before. */
EFI_STATUS net_device_set_mac(struct net_device *net, const uint8_t *mac)
    __attribute__((warn_unused_result));

/* NET_DEVICE_TICK_US have passed. May interrupt any other call. */
static inline void net_device_tick(struct net_device *net)
{
    net->ticks++;
    net->is_tend_due = true;
}

/* Look after the device when is_tend_due: read its status and its link, acknowledge an
 * announcement, and ring a doorbell that it may have missed. A device that is no longer ready
 * goes DOWN, and its link with it. This costs several device accesses, so it is not done for
 * every frame. */
void net_device_tend(struct net_device *net);

/* True when transmit, peek and take call no firmware, until the next stop. */
bool net_device_is_self_contained(const struct net_device *net);

/* Send a frame: it is copied, so the caller's buffer is free at once. At least
 * ETHERNET_HEADER_BYTES, at most ETHERNET_HEADER_BYTES + mtu bytes long; short
 * frames are padded with zeros.
 * Errors: EFI_NOT_READY, the ring is full; EFI_DEVICE_ERROR, net_device_is_down. */
EFI_STATUS net_device_transmit(struct net_device *net, const void *frame, size_t length_bytes)
    __attribute__((warn_unused_result));

/* The two halves of the above, for a caller that puts a frame together: claim gives the memory of
 * the next frame, ETHERNET_HEADER_BYTES + mtu bytes, which a hostile device can read and write;
 * send sends `length_bytes` of it. `destination` is the caller's copy of the address. A claim that
 * is not sent costs nothing. Errors of claim: those of net_device_transmit. */
EFI_STATUS net_device_claim(struct net_device *net, uint8_t **ret_frame)
    __attribute__((warn_unused_result));
void net_device_send(struct net_device *net, const uint8_t *destination, size_t length_bytes);

/* True when net_device_peek may have a frame. The device is UP. Reads memory only. */
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

/* Look at the oldest frame that passes the filter. It stays until net_device_take. A hostile
 * device can still change it: copy it, then check the copy.
 * Errors: EFI_NOT_READY, there is none; EFI_DEVICE_ERROR, net_device_is_down. */
EFI_STATUS net_device_peek(struct net_device *net, const uint8_t **ret_frame,
                           size_t *ret_length_bytes) __attribute__((warn_unused_result));

/* The same for a caller that takes large frames; peek itself drops those as oversize. */
EFI_STATUS net_device_peek_large(struct net_device *net, const uint8_t **ret_frame,
                                 size_t *ret_length_bytes) __attribute__((warn_unused_result));

/* True when the frame that peek shows is in private memory: the device cannot change it. */
static inline bool net_device_shows_copies(const struct net_device *net)
{
    return net->state == NET_UP_LARGE;
}

/* True when the checksum of the frame that peek_large shows was left to the driver, and so is the
 * sum of what the frame holds, as far as the device's sum of the pseudo header is right. */
static inline bool net_device_has_made_sum(const struct net_device *net)
{
    return net->state == NET_UP_LARGE && net->has_made_sum;
}

/* Return the buffer of the frame that peek showed to the device. */
void net_device_take(struct net_device *net);

#endif
