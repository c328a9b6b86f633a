/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtio-net device in software, written from VIRTIO 1.2 and independent of the driver.
 * It is also the referee, and reports a driver that breaks a rule. Its misbehaviours have
 * names. During one, and until the next reset, it does not judge registers and rings.
 */
#ifndef FAKE_VIRTIO_NET_DEVICE_H
#define FAKE_VIRTIO_NET_DEVICE_H

#include "firmware.h"
#include "pci_io.h"

#include <virtio_spec/core.h>
#include <virtio_spec/net.h>
#include <virtio_spec/pci.h>
#include <virtio_spec/ring.h>

#define FAKE_DEVICE_QUEUES 3u
#define FAKE_DEVICE_RESET_NEVER UINT32_MAX
#define FAKE_LATE_ACK_US 250000u

enum fake_transport {
    FAKE_TRANSITIONAL, /* the default, as QEMU's */
    FAKE_MODERN,
    FAKE_LEGACY,
};

/* Offered by default: features that the driver accepts, and some that it must refuse. */
#define FAKE_DEVICE_FEATURES                                                                       \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |           \
     VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_STATUS |                      \
     VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN |                        \
     VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_CTRL_MAC_ADDR |       \
     VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

/* What a device needs to hand over large frames. Offered on request, as GUEST_USO4 and 6 are. */
#define FAKE_LARGE_FEATURES                                                                        \
    (VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |                 \
     VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_MRG_RXBUF)

/* With any of these the device may hand over frames that are segments to be cut. */
#define FAKE_SEGMENTED_FEATURES                                                                    \
    (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_UFO |                  \
     VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)

/* All zeros give a sensible device: QEMU's layout, 256 entries, link up, MTU 1500. */
struct fake_device_options {
    enum fake_transport transport;
    uint64_t features;         /* 0: FAKE_DEVICE_FEATURES; VERSION_1 is added */
    uint64_t removed_features; /* removed from the above, even VERSION_1 */
    uint16_t queue_size[FAKE_DEVICE_QUEUES];
    bool no_control_queue; /* whatever CTRL_VQ says */
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t speed_mbps; /* 0: 1000 */
    bool is_link_down;
    unsigned mac_table_max;      /* multicast addresses that fit; 0: 64 */
    struct fake_pci_options pci; /* `bars` and `device_number` are filled in if 0 */

    /* Modern registers */
    unsigned modern_bar; /* 0: BAR 4, 64 bits wide and prefetchable */
    bool modern_bar_is_io;
    bool modern_bar_is_32bit;
    bool notify_in_own_bar;     /* BAR 2, memory */
    uint32_t notify_multiplier; /* 0: 4 */
    bool single_doorbell;       /* multiplier 0: all queues share one address */
    bool odd_capabilities;      /* reserved types, BAR 7, foreign ids, duplicates, longer ones */
    bool no_device_cfg;         /* the capability is missing */
    bool no_window;             /* no window in configuration space either */
    enum fake_bar_way modern_bar_way;
    enum fake_bar_way notify_bar_way; /* with notify_in_own_bar */
    uint32_t common_bytes;            /* length of the common configuration; 0: all of VIRTIO 1.2 */

    bool msix_is_enabled; /* moves the configuration of a legacy device */
};

enum fake_device_misbehaviour {
    FAKE_BEHAVES,

    /* rings */
    FAKE_USED_ID_OUT_OF_RANGE,  /* by one */
    FAKE_USED_ID_MAX,           /* 2^32 - 1 */
    FAKE_USED_ID_NOT_IN_FLIGHT, /* with every descriptor in flight: as FAKE_USED_ID_TWICE */
    FAKE_USED_ID_TWICE,
    FAKE_USED_LENGTH_BELOW_HEADER,
    FAKE_USED_LENGTH_ABOVE_BUFFER,
    FAKE_USED_LENGTH_MAX, /* 2^32 - 1 */
    FAKE_USED_INDEX_JUMPS,
    FAKE_USED_INDEX_RUNS_BACKWARDS,
    FAKE_USED_INDEX_WRAPS, /* a full lap, 65,536: used buffers stay hidden */
    FAKE_DESCRIPTORS_REWRITTEN,
    FAKE_AVAILABLE_RING_REWRITTEN, /* flags, index and entries */
    FAKE_GSO_TYPE_SET,
    FAKE_NEEDS_CSUM_SET,

    /* registers */
    FAKE_RESET_NEVER_SETTLES,
    FAKE_FEATURES_OK_DROPPED, /* never set: the features are refused */
    FAKE_FEATURES_OK_REVOKED, /* seen once, then gone */
    FAKE_FEATURES_CHANGE,     /* in the next reading, then back, and so on */
    FAKE_FEATURES_NONE,       /* not even VERSION_1 */
    FAKE_FEATURES_ALL,        /* 64 */
    FAKE_QUEUE_SIZE_ZERO,
    FAKE_QUEUE_SIZE_NOT_POWER_OF_TWO,
    FAKE_QUEUE_SIZE_32768,
    FAKE_QUEUE_SIZE_READ_ONLY, /* writes are lost */
    FAKE_NOTIFY_OFFSET_OVERFLOWS,
    FAKE_NOTIFY_DATA_CHANGES, /* in each reading, so doorbells go astray */
    FAKE_QUEUE_RESET_NEVER_SETTLES,
    FAKE_QUEUE_RESET_IGNORED,      /* queue_reset reads 0, but queue_enable stays 1 */
    FAKE_QUEUE_RESET_PRETENDED,    /* the registers say so, but the queue goes on as before */
    FAKE_GENERATION_NEVER_SETTLES, /* legacy: the MAC differs in each reading */
    FAKE_MAC_READ_ONLY,            /* legacy: writes are lost */
    FAKE_MTU_BELOW_68,
    FAKE_NEEDS_RESET, /* now, and after each DRIVER_OK */
    FAKE_ALL_ONES,    /* unplugged */

    /* configuration space; of a modern or transitional device */
    FAKE_CAPABILITY_LIST_LOOPS,
    FAKE_CAPABILITY_OUTSIDE_CONFIG,
    FAKE_CAPABILITY_BAR_6,
    FAKE_CAPABILITY_BAR_MISSING,
    FAKE_CAPABILITY_OUTSIDE_BAR,
    FAKE_CAPABILITY_OFFSET_OVERFLOWS,
    FAKE_CAPABILITY_64BIT_OVERFLOWS, /* shared memory with all ones for offset and length */
    FAKE_CAPABILITY_EMPTY,           /* a region of no bytes */
    FAKE_CAPABILITIES_OVERLAP,       /* one begins within another */
    FAKE_REGIONS_OVERLAP,            /* doorbells and common configuration in the same place */

    /* control queue */
    FAKE_CONTROL_NEVER_ACKS,
    FAKE_CONTROL_ACKS_GARBAGE,
    FAKE_CONTROL_ACKS_LATE, /* at the first register access after FAKE_LATE_ACK_US */
    FAKE_CONTROL_REFUSES,

    /* the window in configuration space */
    FAKE_WINDOW_TOO_SHORT,
    FAKE_WINDOW_OUTSIDE_CONFIG,
    FAKE_WINDOW_PLACE_READ_ONLY, /* bar, offset and length */
    FAKE_WINDOW_DATA_READ_ONLY,
    FAKE_WINDOW_DATA_ALL_ONES,

    /* buffers of a frame, of which there may be one; once MRG_RXBUF is negotiated */
    FAKE_NUM_BUFFERS_ZERO,
    FAKE_NUM_BUFFERS_ABOVE_USED,  /* by one */
    FAKE_NUM_BUFFERS_BELOW_USED,  /* by one, so that the last looks like a frame */
    FAKE_NUM_BUFFERS_ABOVE_QUEUE, /* by one */
    FAKE_NUM_BUFFERS_CHANGES,     /* to 65,535, when the device acts next */
    FAKE_LAST_BUFFER_MISSING,     /* counted, but not used */
    FAKE_LAST_LENGTH_ABOVE_BUFFER,
    FAKE_MIDDLE_LENGTH_ZERO,  /* the middle is the second of three or more */
    FAKE_MIDDLE_LENGTH_SHORT, /* by one byte */
    FAKE_MIDDLE_LENGTH_ABOVE_BUFFER,
    FAKE_MIDDLE_HEADER,  /* the second begins with one */
    FAKE_FRAME_TOO_LONG, /* 65,536 bytes */

    /* what is left to do, once GUEST_CSUM is negotiated */
    FAKE_CSUM_START_OUTSIDE,  /* the byte after the frame */
    FAKE_CSUM_OFFSET_OUTSIDE, /* only the checksum's second byte */
    FAKE_CSUM_OFFSET_WRAPS,   /* in 16 bits the sum is inside */
    FAKE_GSO_TYPE_NOT_NEGOTIATED,
    FAKE_GSO_TYPE_UNKNOWN,
    FAKE_GSO_WITHOUT_CSUM, /* a segment, but no NEEDS_CSUM */
    FAKE_GSO_ECN_ALONE,    /* of no type */
    FAKE_GSO_HINTS_LIE,    /* hdr_len and gso_size */
    FAKE_OFFLOAD_UNJUDGED, /* as fake_device_deliver_large is told */

    FAKE_MISBEHAVIOURS,
};

struct fake_device;

struct fake_frame {
    struct fake_frame *next;
    size_t length;
    uint8_t data[];
};

/* What the header of a frame says about the work that is left. All zeros: none. */
struct fake_offload {
    uint8_t flags; /* VIRTIO_NET_HDR_F_ */
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};

struct fake_control_command {
    uint8_t class;
    uint8_t command;
    size_t length;
    uint8_t data[512];
    size_t descriptor_count;
    uint32_t descriptor_bytes[4]; /* of the first descriptors */
};

/* The device's receive filter as the control queue set it. A reset opens it, as QEMU's does. */
struct fake_device_filter {
    bool promiscuous;
    bool all_multicast;
    bool all_unicast;
    bool no_multicast;
    bool no_unicast;
    bool no_broadcast;
    unsigned unicast_count;
    unsigned multicast_count;
    uint8_t unicast[16][6];
    uint8_t multicast[64][6];
};

/* NULL: all options zero. Lives as long as the firmware, which frees it. */
struct fake_device *fake_device_new(struct fake_firmware *firmware,
                                    const struct fake_device_options *options);

/* Its PCI function: handle, configuration space, attributes, access counts. */
struct fake_pci_function *fake_device_pci(struct fake_device *device);
EFI_HANDLE fake_device_handle(struct fake_device *device);

/* Device registers read or written, without configuration space. */
unsigned fake_device_access_count(struct fake_device *device);
void fake_device_clear_access_counts(struct fake_device *device);

/* What the driver has done so far */
uint8_t fake_device_status(const struct fake_device *device);
bool fake_device_is_live(const struct fake_device *device); /* DRIVER_OK, and may do DMA */
uint64_t fake_device_accepted_features(const struct fake_device *device);
uint16_t fake_device_queue_size(const struct fake_device *device, unsigned queue);
unsigned fake_device_reset_count(const struct fake_device *device);
unsigned fake_device_queue_reset_count(const struct fake_device *device);
unsigned fake_device_notification_count(const struct fake_device *device, unsigned queue);

/* Doorbells that the device had not asked for: allowed, but wasteful. */
unsigned fake_device_needless_notification_count(const struct fake_device *device, unsigned queue);

/* Interrupts that the driver did not suppress. */
unsigned fake_device_interrupt_count(const struct fake_device *device);

/* Buffers waiting in a queue. Looks at the available ring, and reports a lost wakeup. */
unsigned fake_device_pending_count(struct fake_device *device, unsigned queue);

/* Frames. Delivery is false if there is no receive buffer or the frame does not fit. A taken
 * frame stays valid until the next is taken; NULL: none. */
bool fake_device_deliver(struct fake_device *device, const void *frame, size_t length);

/* The same with a header of the test's, over as many buffers as it takes if MRG_RXBUF was
 * negotiated. If it does not fit into those that there are, none is used. The other one also uses
 * several buffers under MRG_RXBUF. */
bool fake_device_deliver_large(struct fake_device *device, const void *frame, size_t length,
                               const struct fake_offload *offload);

/* With IN_ORDER: a used entry for each buffer of a frame, not one for all of them. */
void fake_device_use_one_by_one(struct fake_device *device, bool is_one_by_one);

/* Withhold frames that the filter rejects; by default a device delivers everything. A withheld
 * frame counts as delivered. */
void fake_device_filter_frames(struct fake_device *device, bool filters);

/* Whether an obedient device passes a frame to this address. */
bool fake_device_lets_pass(const struct fake_device *device, const uint8_t to[6]);

const struct fake_frame *fake_device_take_frame(struct fake_device *device);

/* When the device works. By default immediately when the doorbell rings. */
void fake_device_stall(struct fake_device *device, bool is_stalled);
void fake_device_process(struct fake_device *device);

/* Look at the rings without being asked, and ask for no doorbell (NO_NOTIFY, or an avail_event
 * that the driver does not reach). */
void fake_device_poll_rings(struct fake_device *device, bool polls);

/* Ask for a doorbell only after this many more buffers. EVENT_IDX only. */
void fake_device_notify_after(struct fake_device *device, unsigned queue, uint16_t buffers);

/* Complete the buffers of one doorbell in reverse order. Not with IN_ORDER. */
void fake_device_complete_in_reverse(struct fake_device *device, bool is_reversed);

/* Configuration. Each change has a new config_generation. An address set by command lasts until the
 * reset; one written to a legacy device's configuration is permanent. */
void fake_device_set_link(struct fake_device *device, bool is_up);
void fake_device_set_mtu(struct fake_device *device, uint16_t mtu);
void fake_device_ask_for_announcement(struct fake_device *device);

/* The MAC changes after the driver has read its first three bytes. */
void fake_device_change_mac_while_read(struct fake_device *device, const uint8_t mac[6]);
const uint8_t *fake_device_mac(const struct fake_device *device);

void fake_device_need_reset(struct fake_device *device);

/* Somebody else writes 0 to the status. The driver cannot know yet, so the referee stays silent. */
void fake_device_reset_by_others(struct fake_device *device);

/* After a reset the status reads as the old one this many times. */
void fake_device_delay_reset(struct fake_device *device, uint32_t reads);

/* After a queue's reset queue_reset reads 1 this many times. */
void fake_device_delay_queue_reset(struct fake_device *device, uint32_t reads);
void fake_device_unplug(struct fake_device *device);

/* One misbehaviour at a time; FAKE_BEHAVES ends it. */
void fake_device_misbehave(struct fake_device *device, enum fake_device_misbehaviour which);

/* The same, starting just before the nth register access from now, counted from 1. */
void fake_device_misbehave_from(struct fake_device *device, enum fake_device_misbehaviour which,
                                unsigned nth_access);

/* False until that access. */
bool fake_device_misbehaves(const struct fake_device *device);
const char *fake_misbehaviour_name(enum fake_device_misbehaviour which);

/* The features that must be negotiated, or it does nothing. 0: it needs none. */
uint64_t fake_misbehaviour_needs(enum fake_device_misbehaviour which);

/* Control queue. The commands since the device was created, oldest first; NULL: there are fewer. */
const struct fake_control_command *fake_device_command(const struct fake_device *device,
                                                       unsigned index);
unsigned fake_device_command_count(const struct fake_device *device);
void fake_device_forget_commands(struct fake_device *device);

/* Treat the nth command from now, counted from 1, like this: FAKE_CONTROL_REFUSES, …_ACKS_GARBAGE
 * or …_NEVER_ACKS. A well-behaved device may do that, so the referee keeps judging. 0: none. */
void fake_device_fail_command(struct fake_device *device, unsigned nth,
                              enum fake_device_misbehaviour how);

/* Now obey and answer the command that was not answered in time. */
void fake_device_answer_late(struct fake_device *device);
const struct fake_device_filter *fake_device_filter(const struct fake_device *device);

#endif
