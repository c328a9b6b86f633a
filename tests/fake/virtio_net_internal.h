/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Shared by the parts of the device model. Tests include virtio_net_device.h.
 */
#ifndef FAKE_VIRTIO_NET_INTERNAL_H
#define FAKE_VIRTIO_NET_INTERNAL_H

#include "report.h"
#include "virtio_net_device.h"

#define FAKE_COMMANDS_MAX 256u
#define FAKE_CHAIN_MAX 64u

/* The location of a region of the modern device. */
struct fake_region {
    unsigned bar;
    uint32_t offset;
    uint32_t length;
};

struct fake_queue {
    uint16_t size_max; /* the device's; 0: no such queue */
    uint16_t size;
    bool is_enabled;
    bool was_reset;            /* by queue_reset, and not enabled since */
    bool reset_was_seen;       /* the driver has read 0 from queue_reset */
    uint32_t reset_reads_left; /* until queue_reset reads 0 */
    uint64_t desc;
    uint64_t driver;
    uint64_t device;

    uint16_t observed; /* available index up to which the device has looked; packed: descriptors */
    uint16_t used_index; /* likewise: where the next used entry goes */
    uint16_t next_head;  /* split, with IN_ORDER: the descriptor that must come next */
    bool wants_doorbell;
    uint16_t notify_after;
    uint16_t *pending; /* heads, a ring buffer of `size` entries */
    uint16_t pending_start;
    uint16_t pending_count;
    bool *in_flight;                  /* per descriptor */
    struct virtq_desc *in_flight_was; /* the descriptor as it was handed over */
    struct fake_packed_buffer
        *buffers; /* packed: those in flight, by the descriptor they begin at */
    unsigned notifications;
    unsigned needless_notifications;
};

struct fake_packed_buffer {
    bool is_in_flight;
    uint16_t id;
    uint16_t count;                   /* descriptors */
    struct virtq_packed_desc desc[4]; /* as they were handed over */
};

struct fake_segment {
    uint64_t address; /* the device's */
    uint8_t *data;
    uint32_t length;
    bool is_writable;
};

/* A buffer: a chain of descriptors, resolved to memory. */
struct fake_chain {
    uint16_t head;
    size_t count;
    struct fake_segment segments[FAKE_CHAIN_MAX];
    size_t readable_bytes;
    size_t writable_bytes;
};

struct fake_device {
    struct fake_device_options options;
    struct fake_pci_function *function;
    struct fake_region common;
    struct fake_region notify;
    struct fake_region isr;
    struct fake_region config;
    unsigned window; /* in configuration space; 0: none */
    enum fake_device_misbehaviour misbehaviour;
    enum fake_device_misbehaviour next_misbehaviour;
    unsigned accesses_left; /* until it begins; 0: none planned */
    bool is_tainted;        /* misbehaved since the last reset */

    uint64_t offered;
    uint64_t accepted;
    uint32_t offered_select;
    uint32_t accepted_select;
    uint8_t status;
    uint8_t status_before_reset;
    uint8_t isr_status;
    uint8_t generation;
    uint16_t queue_select;
    uint32_t reset_delay;
    uint32_t reset_reads_left;
    bool was_reset;      /* since the last ACKNOWLEDGE */
    bool reset_was_seen; /* the driver has read 0 */
    bool features_ok_was_seen;
    bool uses_legacy; /* the interface that the driver chose */
    bool has_chosen;
    unsigned feature_readings;     /* since the misbehaviour began */
    uint16_t notify_data_readings; /* likewise */
    unsigned resets;
    unsigned queue_resets;
    uint32_t queue_reset_delay;
    unsigned interrupts;

    uint8_t mac[6];
    uint8_t burned_mac[6];
    uint8_t next_mac[6];
    bool mac_was_commanded;
    bool mac_changes_in_read;
    uint16_t mtu;
    uint16_t link_status;

    struct fake_queue queues[FAKE_DEVICE_QUEUES];
    bool is_stalled;
    bool polls;
    bool completes_in_reverse;
    bool uses_one_by_one;
    uint64_t changing_header; /* address of one whose num_buffers changes next; 0: none */

    struct fake_frame *frames;
    struct fake_frame *taken;
    struct fake_control_command commands[FAKE_COMMANDS_MAX];
    unsigned command_count;
    unsigned failing_command; /* counts down to it; 0: none */
    enum fake_device_misbehaviour command_failure;
    struct fake_chain unanswered;
    bool has_unanswered;
    uint64_t unanswered_since_us;
    struct fake_device_filter filter;
    bool filters_frames;
};

/* Report a broken rule, unless the device itself misbehaves. */
void fake_referee(const struct fake_device *device, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline bool fake_device_has(const struct fake_device *device, uint64_t feature)
{
    return (device->accepted & feature) != 0;
}

/* Configuration space and BARs */
void fake_device_describe(struct fake_device *device, struct fake_pci_options *pci);
void fake_device_fill_config_space(struct fake_device *device);

/* Registers */
extern const struct fake_pci_operations fake_device_operations;
void fake_device_reset(struct fake_device *device);
bool fake_device_access_config(void *context, unsigned offset, unsigned width, void *bytes,
                               bool is_write);
uint16_t fake_device_queue_size_max(const struct fake_device *device, unsigned queue);

/* Whether it is enabled, according to the registers. */
bool fake_queue_seems_enabled(const struct fake_device *device, unsigned queue);

/* Rings. A doorbell; a look at every ring that the device polls or was woken for. */
void fake_queue_enable(struct fake_device *device, unsigned queue);
void fake_queue_disable(struct fake_queue *queue);
void fake_queue_notify(struct fake_device *device, unsigned queue);
void fake_queue_observe(struct fake_device *device, unsigned queue);

/* Whether the next buffer will be where a doorbell's upper half says (2.9). */
bool fake_queue_is_at(struct fake_device *device, unsigned queue, uint16_t offset);
void fake_queue_check_wakeup(struct fake_device *device, unsigned queue);
void fake_queue_ask_for_doorbell(struct fake_device *device, unsigned queue, bool wants);

/* The oldest pending buffer. False: there is none, or it was unusable and reported. */
bool fake_queue_take(struct fake_device *device, unsigned queue, struct fake_chain *ret_chain);

/* Undo the last `count` times that a buffer was taken. */
void fake_queue_put_back(struct fake_queue *queue, uint16_t count);
void fake_queue_complete(struct fake_device *device, unsigned queue, const struct fake_chain *chain,
                         uint32_t written_bytes);

/* Completes `count` buffers that were taken one after the other, under IN_ORDER by a single used
 * entry. The device has written nothing, or everything. */
void fake_queue_complete_batch(struct fake_device *device, unsigned queue,
                               const struct fake_chain *chains, unsigned count);

/* Completes the buffers of one frame. Under IN_ORDER a single used entry stands for them all,
 * because all but the last are full (2.7.9); but not if each has its own. */
void fake_queue_complete_frame(struct fake_device *device, unsigned queue,
                               const struct fake_chain *chains, const uint32_t *written_bytes,
                               unsigned count, bool has_each_its_own);

/* Guest memory at an address given by the driver. NULL: the device may not access it. */
void *fake_queue_dma(struct fake_device *device, uint64_t address, uint64_t length,
                     bool device_writes);

/* Append one descriptor's memory to a chain. False: it cannot be used. */
bool fake_chain_add(struct fake_device *device, struct fake_chain *chain, uint64_t address,
                    uint32_t length, bool is_writable);

/* The packed format: the counterpart of virtio_net_ring.c's split one. */
static inline bool fake_device_is_packed(const struct fake_device *device)
{
    return fake_device_has(device, VIRTIO_F_RING_PACKED);
}

bool fake_packed_is_reachable(struct fake_device *device, const struct fake_queue *queue);
void fake_packed_observe(struct fake_device *device, unsigned queue);
unsigned fake_packed_unseen(struct fake_device *device, const struct fake_queue *queue);
uint16_t fake_packed_next_offset(struct fake_device *device, const struct fake_queue *queue);
void fake_packed_ask_for_doorbell(struct fake_device *device, struct fake_queue *queue);
bool fake_packed_take(struct fake_device *device, struct fake_queue *queue, uint16_t head,
                      struct fake_chain *ret_chain);
void fake_packed_complete(struct fake_device *device, struct fake_queue *queue,
                          const struct fake_chain *chains, unsigned count, uint32_t written_bytes);

/* Reads from the device-readable part of a chain, or writes to the other; both stop at its end. */
size_t fake_chain_read(const struct fake_chain *chain, size_t offset, void *data, size_t length);
size_t fake_chain_write(const struct fake_chain *chain, size_t offset, const void *data,
                        size_t length);

/* Network: what pending buffers mean */
size_t fake_device_header_length(const struct fake_device *device);
void fake_device_check_buffer(struct fake_device *device, unsigned queue,
                              const struct fake_chain *chain);
void fake_device_work(struct fake_device *device, unsigned queue);

/* FAKE_NUM_BUFFERS_CHANGES: the moment has come. */
void fake_device_change_num_buffers(struct fake_device *device);
void fake_device_free_frames(struct fake_device *device);
void fake_device_take_command(struct fake_device *device, const struct fake_chain *chain);

#endif
