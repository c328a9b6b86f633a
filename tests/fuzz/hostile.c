/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "hostile.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 2048u
#define WITH_HEADER 0x80u

typedef void hostile_deed(struct hostile *hostile);

static void taint(struct hostile *hostile)
{
    hostile->device->is_tainted = true;
    hostile->has_tainted = true;
    hostile->is_unjudged |= hostile->is_connecting;
}

static bool can_write(const struct hostile *hostile)
{
    return fake_device_pci(hostile->device)->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER;
}

/* Parts of a queue as the driver laid them out. NULL: there is no such queue now. */
static void *part_of(struct hostile *hostile, const struct fake_queue *queue, uint64_t address,
                     size_t length)
{
    if (!queue->is_enabled)
        return NULL;
    return fake_pci_find_dma(fake_device_pci(hostile->device), address, length, true);
}

static struct virtq_used *used_of(struct hostile *hostile, const struct fake_queue *queue)
{
    return part_of(hostile, queue, queue->device,
                   6 + sizeof(struct virtq_used_elem) * (size_t)queue->size);
}

/* Split. With IN_ORDER the model continues from there; otherwise it returns to where it was. */
static void move_index(struct hostile *hostile, struct fake_queue *queue, struct virtq_used *used,
                       int by)
{
    used->idx = (uint16_t)(used->idx + by);
    hostile->has_gone_back |= by < 0 || (int16_t)(used->idx - queue->observed) > queue->size;
    if (fake_device_has(hostile->device, VIRTIO_F_IN_ORDER))
        queue->used_index = used->idx;
}

static struct fake_queue *take_queue(struct hostile *hostile)
{
    return &hostile->device->queues[fuzz_take_below(hostile->input, FAKE_DEVICE_QUEUES)];
}

/* The ring of a packed queue; NULL in the split format as well. */
static struct virtq_packed_desc *packed_ring_of(struct hostile *hostile,
                                                const struct fake_queue *queue)
{
    if (!fake_device_is_packed(hostile->device))
        return NULL;
    return part_of(hostile, queue, queue->desc,
                   sizeof(struct virtq_packed_desc) * (size_t)queue->size);
}

static struct virtq_packed_desc *packed_at(const struct fake_queue *queue,
                                           struct virtq_packed_desc *ring, unsigned position)
{
    return &ring[position % queue->size];
}

/* The flags that make the descriptor at a position used, or available. */
static uint16_t packed_flags(const struct fake_queue *queue, unsigned position, bool is_used)
{
    bool wrap = (position / queue->size) % 2 == 0;

    return (uint16_t)((wrap ? VIRTQ_PACKED_DESC_F_AVAIL : 0) |
                      (wrap == is_used ? VIRTQ_PACKED_DESC_F_USED : 0));
}

/* Forward: used. Back: available again. Ids and lengths stay, so each names a buffer that the
 * device has or had. */
static void packed_move(struct fake_queue *queue, struct virtq_packed_desc *ring, int by)
{
    for (; by > 0; by--, queue->used_index++)
        packed_at(queue, ring, queue->used_index)->flags =
            packed_flags(queue, queue->used_index, true);
    for (; by < 0; by++) {
        queue->used_index--;
        packed_at(queue, ring, queue->used_index)->flags =
            packed_flags(queue, queue->used_index, false);
    }
}

/* Any flags at once, of either wrap; ids and lengths stay. */
static void packed_rewrite(const struct fake_queue *queue, struct virtq_packed_desc *ring,
                           uint16_t flags)
{
    for (unsigned i = 0; i < queue->size; i++)
        ring[i].flags = flags;
}

/* The number of descriptors that count as used once this buffer does; with IN_ORDER this includes
 * those before it. */
static unsigned packed_distance(const struct hostile *hostile, const struct fake_queue *queue,
                                uint16_t id)
{
    for (unsigned head = 0; head < queue->size; head++) {
        const struct fake_packed_buffer *buffer = &queue->buffers[head];

        if (!buffer->is_in_flight || buffer->id != id)
            continue;
        if (!fake_device_has(hostile->device, VIRTIO_F_IN_ORDER))
            return buffer->count;
        return (head - queue->used_index) % queue->size + buffer->count;
    }
    return 1;
}

/* A buffer that the device has or had. */
static void packed_complete(struct hostile *hostile, struct fake_queue *queue,
                            struct virtq_packed_desc *ring, uint8_t which, uint16_t length)
{
    struct virtq_packed_desc *desc = packed_at(queue, ring, queue->used_index);
    uint16_t id = packed_at(queue, ring, queue->used_index + which)->id;

    desc->id = id;
    desc->len = length;
    desc->flags = packed_flags(queue, queue->used_index, true);
    queue->used_index = (uint16_t)(queue->used_index + packed_distance(hostile, queue, id));
}

static void write_anywhere(struct hostile *hostile)
{
    uint8_t choice = fuzz_take8(hostile->input);
    uint32_t offset = fuzz_take16(hostile->input) * (choice & 0x80 ? 61u : 1u);
    uint8_t value = fuzz_take8(hostile->input);
    const struct wire_memory *memory;

    taint(hostile);
    hostile->has_gone_back = true;
    if (hostile->wire->shared_count == 0 || !can_write(hostile))
        return;
    memory = &hostile->wire->shared[(choice & 0x7f) % hostile->wire->shared_count];
    memory->bytes[offset % memory->length] = value;
}

static void move_used_index(struct hostile *hostile)
{
    struct fake_queue *queue = take_queue(hostile);
    struct virtq_packed_desc *packed = packed_ring_of(hostile, queue);
    struct virtq_used *used = used_of(hostile, queue);
    int8_t by = (int8_t)fuzz_take8(hostile->input);

    taint(hostile);
    if (packed)
        packed_move(queue, packed, by);
    else if (used)
        move_index(hostile, queue, used, by);
}

/* A packed ring has no index; use the flags of all its descriptors. */
static void set_used_index(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_packed_desc *packed = packed_ring_of(hostile, queue);
    struct virtq_used *used = used_of(hostile, queue);
    uint16_t index = fuzz_take16(hostile->input);

    taint(hostile);
    hostile->has_gone_back = true;
    if (packed)
        packed_rewrite(queue, packed, index);
    else if (used)
        used->idx = index;
}

/* In a packed ring: a used descriptor, with any flags. */
static void write_used_entry(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_packed_desc *packed = packed_ring_of(hostile, queue);
    struct virtq_used *used = used_of(hostile, queue);
    uint8_t place = fuzz_take8(hostile->input);
    uint32_t id = fuzz_take8(hostile->input);
    uint32_t length = fuzz_take16(hostile->input);

    taint(hostile);
    if (!used && !packed)
        return;
    if (place & 0x80)
        id |= fuzz_take32(hostile->input) << 8;
    if (place & 0x40)
        length |= fuzz_take32(hostile->input) << 16;
    if (packed) {
        int near = (place & 0x1f) - (place & 0x20);
        unsigned position = (uint16_t)(queue->used_index + near);
        uint16_t flags = (uint16_t)(packed_flags(queue, position, true) ^ id >> 16);
        struct virtq_packed_desc *desc = packed_at(queue, packed, position);

        *desc = (struct virtq_packed_desc){desc->addr, length, (uint16_t)id, flags};
        return;
    }
    used->ring[(used->idx + (place & 0x3f)) % queue->size] = (struct virtq_used_elem){id, length};
}

/* Complete a buffer that the device has or had, with any length. With IN_ORDER also those before
 * it, unless the index says less. */
static void complete(struct hostile *hostile)
{
    struct fake_queue *queue = take_queue(hostile);
    struct virtq_packed_desc *packed = packed_ring_of(hostile, queue);
    struct virtq_used *used = used_of(hostile, queue);
    const struct virtq_avail *avail =
        part_of(hostile, queue, queue->driver, 6 + 2 * (size_t)queue->size);
    uint8_t which = fuzz_take8(hostile->input);
    uint16_t length = fuzz_take16(hostile->input);
    bool is_batch;

    taint(hostile);
    if (packed)
        packed_complete(hostile, queue, packed, which, length);
    if (packed || !used || !avail)
        return;
    is_batch = fake_device_has(hostile->device, VIRTIO_F_IN_ORDER) && !(which & 0x80);
    used->ring[used->idx % queue->size] =
        (struct virtq_used_elem){avail->ring[(used->idx + which) % queue->size], length};
    move_index(hostile, queue, used, is_batch ? which + 1 : 1);
}

/* When the device wants a doorbell. */
static void set_flags(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_used *used = used_of(hostile, queue);
    uint16_t value = fuzz_take16(hostile->input);

    taint(hostile);
    if (fake_device_is_packed(hostile->device)) {
        struct virtq_packed_event *event =
            part_of(hostile, queue, queue->device, sizeof(struct virtq_packed_event));

        if (event)
            *event = (struct virtq_packed_event){value, value >> 8};
        return;
    }
    if (!used)
        return;
    used->flags = value;
    memcpy((uint8_t *)used + 4 + sizeof(struct virtq_used_elem) * (size_t)queue->size, &value, 2);
}

/* With any header, and of any length. */
static void deliver_with_header(struct hostile *hostile, uint8_t *frame, size_t length)
{
    uint8_t header[sizeof(struct fake_offload)];
    struct fake_offload offload;

    fuzz_take_bytes(hostile->input, header, sizeof(header));
    memcpy(&offload, header, sizeof(offload));
    taint(hostile);
    (void)fake_device_deliver_large(hostile->device, frame, length, &offload);
}

/* A TCP segment over IPv4, if it is long enough: what headers speak of. */
static void look_like_a_segment(uint8_t *frame, size_t length)
{
    size_t total = length - 14;

    memcpy(frame + 12, (const uint8_t[4]){0x08, 0x00, 0x45, 0}, 4);
    frame[16] = (uint8_t)(total >> 8);
    frame[17] = (uint8_t)total;
    memset(frame + 20, 0, 2);
    frame[23] = 6;
}

static void deliver(struct hostile *hostile)
{
    static const uint8_t addresses[][6] = {
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x01, 0x00, 0x5e, 0, 0, 1}, {0x02, 0, 0, 0, 0, 9}};
    uint8_t choice = fuzz_take8(hostile->input);
    unsigned to = choice & 3;
    bool has_header =
        choice & WITH_HEADER && fake_device_has(hostile->device, VIRTIO_NET_F_MRG_RXBUF);
    size_t length = fuzz_take16(hostile->input) % (has_header ? UINT16_MAX + 1u : FRAME_BYTES_MAX);
    uint8_t *frame = malloc(length + 6);

    memset(frame, 0x42, length + 6);
    memcpy(frame, to < 3 ? addresses[to] : fake_device_mac(hostile->device), 6);
    if (choice & 4 && length >= 54)
        look_like_a_segment(frame, length);
    if (has_header)
        deliver_with_header(hostile, frame, length);
    else
        (void)fake_device_deliver(hostile->device, frame, length);
    free(frame);
}

static void process(struct hostile *hostile)
{
    fake_device_process(hostile->device);
}

static void stall(struct hostile *hostile)
{
    fake_device_stall(hostile->device, fuzz_take8(hostile->input) & 1);
}

static void set_link(struct hostile *hostile)
{
    fake_device_set_link(hostile->device, fuzz_take8(hostile->input) & 1);
}

static void set_mtu(struct hostile *hostile)
{
    taint(hostile);
    fake_device_set_mtu(hostile->device, fuzz_take16(hostile->input) & 0x3fff);
}

static void change_mac(struct hostile *hostile)
{
    taint(hostile);
    fuzz_take_bytes(hostile->input, hostile->device->mac, 6);
}

static void ask_for_announcement(struct hostile *hostile)
{
    fake_device_ask_for_announcement(hostile->device);
}

static void need_reset(struct hostile *hostile)
{
    fake_device_need_reset(hostile->device);
}

static void misbehave(struct hostile *hostile)
{
    taint(hostile);
    hostile->has_gone_back = true;
    fake_device_misbehave(hostile->device, (enum fake_device_misbehaviour)fuzz_take_below(
                                               hostile->input, FAKE_MISBEHAVIOURS));
}

static void fail_command(struct hostile *hostile)
{
    uint8_t choice = fuzz_take8(hostile->input);

    fake_device_fail_command(hostile->device, choice & 0xf,
                             choice & 0x80   ? FAKE_CONTROL_REFUSES
                             : choice & 0x40 ? FAKE_CONTROL_ACKS_GARBAGE
                                             : FAKE_CONTROL_NEVER_ACKS);
}

/* The command's memory may be gone if the reset was not confirmed. */
static void answer_late(struct hostile *hostile)
{
    if (can_write(hostile) && hostile->device->reset_reads_left == 0)
        fake_device_answer_late(hostile->device);
}

/* At most as long as the driver waits; FAKE_RESET_NEVER_SETTLES is the other case. */
static void delay_reset(struct hostile *hostile)
{
    uint16_t reads = fuzz_take16(hostile->input) & 0xfff;

    fake_device_delay_reset(hostile->device, reads);
    fake_device_delay_queue_reset(hostile->device, reads);
}

static void lie(struct hostile *hostile)
{
    hostile->truths = fuzz_take8(hostile->input);
    hostile->lies = fuzz_take8(hostile->input);
    fuzz_take_bytes(hostile->input, hostile->lie_value, sizeof(hostile->lie_value));
}

static void turn_around(struct hostile *hostile)
{
    fake_device_complete_in_reverse(hostile->device, fuzz_take8(hostile->input) & 1);
}

/* A device that asks for doorbells also looks at its rings. */
static void poll_rings(struct hostile *hostile)
{
    fake_device_process(hostile->device);
    fake_device_poll_rings(hostile->device, fuzz_take8(hostile->input) & 1);
}

static void notify_after(struct hostile *hostile)
{
    unsigned queue = fuzz_take_below(hostile->input, FAKE_DEVICE_QUEUES);

    fake_device_process(hostile->device);
    fake_device_notify_after(hostile->device, queue, fuzz_take8(hostile->input));
}

static hostile_deed *const deeds[] = {
    write_anywhere,
    move_used_index,
    set_used_index,
    write_used_entry,
    complete,
    set_flags,
    deliver,
    process,
    stall,
    set_link,
    set_mtu,
    change_mac,
    need_reset,
    misbehave,
    fail_command,
    ask_for_announcement,
    answer_late,
    delay_reset,
    lie,
    turn_around,
    poll_rings,
    notify_after,
};

void hostile_act(struct hostile *hostile)
{
    deeds[fuzz_take_below(hostile->input, sizeof(deeds) / sizeof(deeds[0]))](hostile);
}

void hostile_arm(struct hostile *hostile)
{
    hostile->ambush = fuzz_take8(hostile->input);
}

/* During a call the driver is not done yet, for example with the doorbell, so do not judge. */
static void before(void *context)
{
    struct hostile *hostile = context;
    bool was_tainted = hostile->device->is_tainted;

    hostile->device->is_tainted |= hostile->is_unjudged;
    if (hostile->ambush == 0 || --hostile->ambush > 0)
        return;
    hostile->has_tainted = false;
    hostile->device->is_tainted = true;
    hostile_act(hostile);
    hostile->device->is_tainted = was_tainted || hostile->has_tainted;
    hostile_arm(hostile);
}

/* A device that falsely claims a reset cannot be told from one that was reset. The driver may
 * believe what it was told during set-up, such as an MTU, until it sets the device up again. */
static void after_read(void *context, uint64_t place, void *value, size_t bytes)
{
    struct hostile *hostile = context;

    (void)place;
    if (hostile->lies == 0 || hostile->device->reset_reads_left > 0)
        return;
    if (hostile->truths > 0) {
        hostile->truths--;
        return;
    }
    hostile->lies--;
    taint(hostile);
    hostile->is_unjudged |= !(hostile->device->status & VIRTIO_STATUS_DRIVER_OK);
    hostile->has_gone_back = true;
    memcpy(value, hostile->lie_value,
           bytes < sizeof(hostile->lie_value) ? bytes : sizeof(hostile->lie_value));
}

void hostile_init(struct hostile *hostile, struct fuzz_input *input, struct fake_device *device,
                  struct wire *wire)
{
    *hostile = (struct hostile){.input = input, .device = device, .wire = wire};
    wire->before = before;
    wire->after_read = after_read;
    wire->context = hostile;
}

void hostile_connecting(struct hostile *hostile, bool is_connecting)
{
    hostile->is_connecting = is_connecting;
    hostile->is_unjudged |= hostile->device->misbehaviour != FAKE_BEHAVES;
    hostile->device->is_tainted |= hostile->is_unjudged;
}

void hostile_become_good(struct hostile *hostile)
{
    struct fake_device *device = hostile->device;

    hostile->ambush = 0;
    hostile->lies = 0;
    hostile->is_unjudged = false;
    taint(hostile); /* until the reset */
    fake_device_stall(device, false);
    fake_device_poll_rings(device, false);
    fake_device_complete_in_reverse(device, false);
    fake_device_fail_command(device, 0, FAKE_BEHAVES);
    fake_device_delay_reset(device, 0);
    fake_device_delay_queue_reset(device, 0);
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        fake_device_notify_after(device, i, 0);
    fake_device_misbehave(device, FAKE_BEHAVES);
}
