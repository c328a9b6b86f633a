/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Event indices, for every counter, event and queue size. Assumed: a size is a power of two, as
 * virtio_queue.c makes sure.
 */
#include "../../include/virtio_spec/ring.h"
#include "ring/virtqueue_packed.c"

static uint16_t any_size(void)
{
    uint8_t exponent = nondet_uint8();

    assume(exponent <= 15);
    return (uint16_t)(1u << exponent);
}

/* VIRTIO 1.2, 2.7.10.1, as the specification writes it. */
static bool is_wanted(uint16_t event, uint16_t next, uint16_t previous)
{
    return (uint16_t)(next - event - (uint16_t)1) < (uint16_t)(next - previous);
}

/* The answer is the specification's, for all since the last doorbell; the oldest that can count is
 * `size` entries back. */
void prove_event_index(void)
{
    struct virtqueue queue;
    uint16_t event = nondet_uint16();
    uint16_t rung;
    uint16_t far;
    bool is_crossed;

    queue.size = any_size();
    queue.avail_next = nondet_uint16();
    queue.avail_rung = rung = nondet_uint16();
    far = (uint16_t)(queue.avail_next - rung);
    is_crossed = virtqueue_is_event_crossed(&queue, event);
    if (far <= queue.size) {
        claim(is_crossed == is_wanted(event, queue.avail_next, rung),
              "the specification's formula");
        claim(queue.avail_rung == (is_crossed ? queue.avail_next : rung),
              "a doorbell is remembered");
    } else {
        claim(is_crossed ==
                  is_wanted(event, queue.avail_next, (uint16_t)(queue.avail_next - queue.size)),
              "the specification's formula for one lap");
    }
    claim((uint16_t)(queue.avail_next - queue.avail_rung) <= queue.size, "at most a lap is kept");
}

/* No doorbell is left out that the specification requires for what is published now. */
void prove_event_not_missed(void)
{
    struct virtqueue queue;
    uint16_t event = nondet_uint16();
    uint16_t published;

    queue.size = any_size();
    queue.avail_next = nondet_uint16();
    queue.avail_rung = nondet_uint16();
    published = nondet_uint16();
    assume(published <= queue.size && published <= (uint16_t)(queue.avail_next - queue.avail_rung));
    if (is_wanted(event, queue.avail_next, (uint16_t)(queue.avail_next - published)))
        claim(virtqueue_is_event_crossed(&queue, event), "a doorbell that is wanted is rung");
}

/* Packed: the device names an offset and a wrap counter (VIRTIO 1.2, 2.8.10). The event is the one
 * place among those of this lap and the one before that has both. Assumed: the offset is within the
 * ring. Any other offset gives some number, which decides only about a doorbell. */
void prove_event_packed(void)
{
    struct virtqueue queue;
    uint16_t off_wrap = nondet_uint16();
    uint16_t offset = off_wrap & 0x7fff;
    uint16_t event;
    uint16_t back;

    queue.size = any_size();
    queue.avail_next = nondet_uint16();
    assume(offset < queue.size);
    event = event_of(&queue, off_wrap);
    claim(event % queue.size == offset, "the offset is the device's");
    claim(((event / queue.size) % 2 == 0) == (off_wrap >> 15), "the wrap counter is the device's");
    back = (uint16_t)(queue.avail_next / queue.size - event / queue.size);
    claim((uint16_t)(back * queue.size) <= queue.size, "it is this lap or the one before");
}
