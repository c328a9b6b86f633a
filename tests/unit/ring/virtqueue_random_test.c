/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Thousands of random operations of a driver and of a device that does everything that
 * VIRTIO 1.2 allows it, in every format. An oracle knows which slot comes next and how
 * long it is. The seeds are fixed: each run is the same.
 */
#include "virtqueue_fixture.h"

#define STEPS 6000
#define MAX VIRTQUEUE_SLOTS_MAX

/* A buffer on its way: queued, shown, taken, used, in this order unless the device takes another.
 */
struct buffer {
    struct taken taken;
    uint16_t slot;
    uint16_t count;
    uint16_t writable;
    uint32_t writable_bytes;
    uint32_t last_length_bytes;
    uint32_t length_bytes; /* what pop must say */
};

struct fifo {
    struct buffer buffers[MAX];
    uint16_t count;
};

struct world {
    struct ring ring;
    uint64_t random;
    uint16_t slots;
    uint16_t segments_per_slot;
    bool is_free[MAX];
    bool is_asleep;    /* the device; it wants to hear of the next buffer */
    uint16_t progress; /* when it was looked at last */
    bool has_moved;    /* since then: used or popped */
    bool has_news;     /* since then: used, with nothing before it */
    struct fifo queued;
    struct fifo shown;
    struct fifo taken;
    struct fifo used;
};

static uint32_t random_below(struct world *world, uint32_t bound)
{
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->random >> 33) % bound;
}

static void fifo_add(struct fifo *fifo, const struct buffer *buffer)
{
    assert_true(fifo->count < MAX);
    fifo->buffers[fifo->count++] = *buffer;
}

static struct buffer fifo_take(struct fifo *fifo, uint16_t nth)
{
    struct buffer buffer = fifo->buffers[nth];

    assert_true(nth < fifo->count);
    fifo->count--;
    memmove(&fifo->buffers[nth], &fifo->buffers[nth + 1], (fifo->count - nth) * sizeof(buffer));
    return buffer;
}

static void push_some(struct world *world)
{
    bool is_moving = world->ring.format.is_packed || world->ring.format.is_in_order;

    for (uint32_t i = random_below(world, world->slots + 1u); i > 0; i--) {
        struct buffer buffer = {.slot = (uint16_t)random_below(world, world->slots)};

        if (!world->is_free[buffer.slot])
            continue;
        buffer.count = is_moving ? (uint16_t)(random_below(world, world->segments_per_slot) + 1)
                                 : world->segments_per_slot;
        buffer.writable = (uint16_t)random_below(world, buffer.count + 1u);
        buffer.writable_bytes = writable_bytes_of(buffer.slot, buffer.count, buffer.writable);
        buffer.last_length_bytes = length_of(buffer.slot, buffer.count);
        describe(&world->ring, buffer.slot, buffer.count, buffer.writable);
        if (random_below(world, 2) == 0) {
            virtqueue_push_all(&world->ring.queue, &buffer.slot, 1);
        } else {
            if (buffer.writable == 0)
                buffer.last_length_bytes -= random_below(world, 60);
            virtqueue_push(&world->ring.queue, buffer.slot, buffer.last_length_bytes);
        }
        world->is_free[buffer.slot] = false;
        fifo_add(&world->queued, &buffer);
    }
}

static void publish(struct world *world)
{
    bool is_woken = virtqueue_publish(&world->ring.queue);

    if (world->is_asleep && world->queued.count > 0)
        assert_true(is_woken);
    if (is_woken)
        world->is_asleep = false;
    while (world->queued.count > 0) {
        struct buffer buffer = fifo_take(&world->queued, 0);

        fifo_add(&world->shown, &buffer);
    }
}

static void take_some(struct world *world)
{
    for (uint32_t i = random_below(world, world->slots + 1u); i > 0; i--) {
        struct buffer buffer;
        struct taken taken;

        if (!take(&world->ring, &taken)) {
            assert_int_equal(world->shown.count, 0);
            return;
        }
        buffer = fifo_take(&world->shown, 0);
        buffer.taken = taken;
        assert_taken(&taken, buffer.slot, buffer.count, buffer.writable, buffer.last_length_bytes);
        fifo_add(&world->taken, &buffer);
    }
}

static void note_use(struct world *world)
{
    world->has_moved = true;
    world->has_news |= world->used.count == 0;
}

/* What the device says of a buffer: anything, where it only reads. */
static uint32_t answer(struct world *world, struct buffer *buffer)
{
    if (buffer->writable_bytes == 0)
        return random_below(world, UINT32_MAX);
    buffer->length_bytes = random_below(world, buffer->writable_bytes + 1);
    return buffer->length_bytes;
}

static void use_one_of_any_order(struct world *world)
{
    struct buffer buffer;

    if (world->taken.count == 0)
        return;
    buffer = fifo_take(&world->taken, (uint16_t)random_below(world, world->taken.count));
    note_use(world);
    use(&world->ring, &buffer.taken, answer(world, &buffer));
    fifo_add(&world->used, &buffer);
}

static void use_batch_in_order(struct world *world)
{
    unsigned descriptors = 0;
    uint32_t batch;

    if (world->taken.count == 0)
        return;
    note_use(world);
    batch = random_below(world, world->taken.count) + 1;
    for (uint32_t i = 1; i <= batch; i++) {
        struct buffer buffer = fifo_take(&world->taken, 0);

        descriptors += buffer.count;
        buffer.length_bytes = buffer.writable_bytes;
        if (i == batch)
            use_batch(&world->ring, (uint16_t)batch, descriptors, buffer.taken.id,
                      answer(world, &buffer));
        fifo_add(&world->used, &buffer);
    }
}

/* The device has taken all, and asks to hear of the next. */
static void fall_asleep(struct world *world)
{
    struct ring *ring = &world->ring;

    if (world->shown.count > 0 || !ring->format.has_event_idx)
        return;
    if (ring->format.is_packed) {
        ring->device_event->off_wrap =
            (uint16_t)(ring->take_offset | (ring->take_wrap ? 0x8000 : 0));
        ring->device_event->flags = 2;
    } else {
        memcpy(&ring->used->ring[ring->size], &ring->avail_seen, sizeof(uint16_t));
    }
    world->is_asleep = true;
}

static void pop_some(struct world *world)
{
    for (uint32_t i = random_below(world, world->slots + 1u); i > 0; i--) {
        struct buffer buffer;

        if (world->used.count == 0) {
            assert_pop_gives_nothing(&world->ring);
            return;
        }
        buffer = fifo_take(&world->used, 0);
        assert_pop_gives(&world->ring, buffer.slot, buffer.length_bytes);
        world->is_free[buffer.slot] = true;
        world->has_moved = true;
    }
    virtqueue_suppress_interrupts(&world->ring.queue);
}

static void assert_state(const struct world *world)
{
    const struct virtqueue *queue = &world->ring.queue;
    bool is_busy = world->shown.count + world->taken.count > 0;

    assert_true(virtqueue_is_sound(queue));
    assert_int_equal(virtqueue_has_news(queue), world->used.count > 0);
    if (world->queued.count > 0)
        return;
    if (is_busy || world->used.count == 0 || world->segments_per_slot == 1 ||
        world->ring.format.is_in_order || !world->ring.format.is_packed)
        assert_int_equal(virtqueue_is_busy(queue), is_busy);
}

static void look_at_progress(struct world *world)
{
    uint16_t progress = virtqueue_progress(&world->ring.queue);

    if (world->has_news)
        assert_int_not_equal(progress, world->progress);
    if (!world->has_moved)
        assert_int_equal(progress, world->progress);
    world->progress = progress;
    world->has_moved = world->has_news = false;
}

static void run(const struct virtqueue_format *format, uint16_t size, uint16_t segments,
                uint64_t seed)
{
    static struct world world;

    memset(&world, 0, sizeof(world));
    world.random = seed;
    world.segments_per_slot = segments;
    world.slots = virtqueue_slots_max(size, segments, format);
    if (world.slots == 0)
        return;
    memset(world.is_free, true, sizeof(world.is_free));
    world.ring.format = *format;
    ring_init_slots(&world.ring, size, world.slots, segments);
    for (unsigned step = 0; step < STEPS; step++) {
        switch (random_below(&world, 8)) {
        case 0:
        case 1:
            push_some(&world);
            break;
        case 2:
            publish(&world);
            break;
        case 3:
            take_some(&world);
            break;
        case 4:
        case 5:
            for (uint32_t i = random_below(&world, 5); i > 0; i--)
                format->is_in_order ? use_batch_in_order(&world) : use_one_of_any_order(&world);
            break;
        case 6:
            pop_some(&world);
            break;
        default:
            fall_asleep(&world);
            break;
        }
        assert_state(&world);
        if (random_below(&world, 3) == 0)
            look_at_progress(&world);
    }
    ring_fini(&world.ring);
}

/* holds: virtio.packed.checks */
static void a_ring_agrees_with_the_oracle(void **state)
{
    static const uint16_t sizes[] = {1, 2, 4, 8, 16, 256, 512};
    const struct ring *ring = *state;
    uint64_t seed = 1;

    for (size_t i = 0; i < COUNT(sizes); i++)
        for (uint16_t segments = 1; segments <= VIRTQUEUE_SEGMENTS_MAX; segments++)
            run(&ring->format, sizes[i], segments, seed++);
}

int main(void)
{
    static const struct property properties[] = {
        PROPERTY(a_ring_agrees_with_the_oracle, IN_EVERY_FORMAT),
    };

    return run_properties("virtqueue_random", properties, COUNT(properties));
}
