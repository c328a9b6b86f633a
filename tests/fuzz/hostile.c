/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "hostile.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 2048u

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

/* Parts of a queue as the driver laid them out; NULL when there is no such queue now. */
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

static struct fake_queue *take_queue(struct hostile *hostile)
{
    return &hostile->device->queues[fuzz_take_below(hostile->input, FAKE_DEVICE_QUEUES)];
}

static void write_anywhere(struct hostile *hostile)
{
    uint8_t choice = fuzz_take8(hostile->input);
    uint32_t offset = fuzz_take16(hostile->input) * (choice & 0x80 ? 61u : 1u);
    uint8_t value = fuzz_take8(hostile->input);
    const struct wire_memory *memory;

    taint(hostile);
    if (hostile->wire->shared_count == 0 || !can_write(hostile))
        return;
    memory = &hostile->wire->shared[(choice & 0x7f) % hostile->wire->shared_count];
    memory->bytes[offset % memory->length] = value;
}

static void move_used_index(struct hostile *hostile)
{
    struct virtq_used *used = used_of(hostile, take_queue(hostile));
    int8_t by = (int8_t)fuzz_take8(hostile->input);

    taint(hostile);
    if (used)
        used->idx = (uint16_t)(used->idx + by);
}

static void set_used_index(struct hostile *hostile)
{
    struct virtq_used *used = used_of(hostile, take_queue(hostile));
    uint16_t index = fuzz_take16(hostile->input);

    taint(hostile);
    if (used)
        used->idx = index;
}

static void write_used_entry(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_used *used = used_of(hostile, queue);
    uint8_t place = fuzz_take8(hostile->input);
    uint32_t id = fuzz_take8(hostile->input);
    uint32_t length = fuzz_take16(hostile->input);

    taint(hostile);
    if (!used)
        return;
    if (place & 0x80)
        id |= fuzz_take32(hostile->input) << 8;
    if (place & 0x40)
        length |= fuzz_take32(hostile->input) << 16;
    used->ring[(used->idx + (place & 0x3f)) % queue->size] = (struct virtq_used_elem){id, length};
}

/* Complete a buffer that is, or was, with the device, with any length. */
static void complete(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_used *used = used_of(hostile, queue);
    const struct virtq_avail *avail =
        part_of(hostile, queue, queue->driver, 6 + 2 * (size_t)queue->size);
    uint8_t which = fuzz_take8(hostile->input);
    uint16_t length = fuzz_take16(hostile->input);

    taint(hostile);
    if (!used || !avail)
        return;
    used->ring[used->idx % queue->size] =
        (struct virtq_used_elem){avail->ring[(used->idx + which) % queue->size], length};
    used->idx++;
}

static void set_flags(struct hostile *hostile)
{
    const struct fake_queue *queue = take_queue(hostile);
    struct virtq_used *used = used_of(hostile, queue);
    uint16_t value = fuzz_take16(hostile->input);

    taint(hostile);
    if (!used)
        return;
    used->flags = value;
    memcpy((uint8_t *)used + 4 + sizeof(struct virtq_used_elem) * (size_t)queue->size, &value, 2);
}

static void deliver(struct hostile *hostile)
{
    static const uint8_t addresses[][6] = {
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x01, 0x00, 0x5e, 0, 0, 1}, {0x02, 0, 0, 0, 0, 9}};
    uint8_t to = fuzz_take8(hostile->input) & 3;
    size_t length = fuzz_take16(hostile->input) % FRAME_BYTES_MAX;
    uint8_t *frame = malloc(length + 6);

    memset(frame, 0x42, length + 6);
    memcpy(frame, to < 3 ? addresses[to] : fake_device_mac(hostile->device), 6);
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

/* The command's memory may be gone where the reset was not confirmed. */
static void answer_late(struct hostile *hostile)
{
    if (can_write(hostile) && hostile->device->reset_reads_left == 0)
        fake_device_answer_late(hostile->device);
}

/* As long as the driver waits; FAKE_RESET_NEVER_SETTLES is the other case. */
static void delay_reset(struct hostile *hostile)
{
    fake_device_delay_reset(hostile->device, fuzz_take16(hostile->input) & 0xfff);
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

/* A device that asks for doorbells looks at its rings then. */
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

/* Within a call the driver is not yet done, for example with the doorbell: no judgement. */
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

/* A device that says it was reset, and was not, cannot be told from one that was. */
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
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        fake_device_notify_after(device, i, 0);
    fake_device_misbehave(device, FAKE_BEHAVES);
}
