/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A frame that a device spreads over several receive buffers. The buffers are one object, and the
 * memory in which a frame is put together is another, of exactly its size. What is in the buffers
 * is any.
 *
 * Assumed, because ring.c proves it (for the formats that it has): virtqueue_pop names a slot that
 * is in flight, with a length that fits into its buffer, and there are as many completions as slots
 * in flight. offload.c proves the work on a whole frame. Both are replaced here by any answer that
 * they may give.
 */
#include "net/net_large.h"
#include "net/net_frames.h"
#include "net/net_offload.h"

#ifndef COUNT_MAX
#define COUNT_MAX 2u
#endif
#define STRIDE_MAX 0x10100u

static EFI_STATUS EFIAPI allocate(EFI_MEMORY_TYPE type, UINTN bytes, VOID **ret_memory)
{
    (void)type;
    *ret_memory = malloc(bytes);
    assume(*ret_memory != NULL);
    return EFI_SUCCESS;
}

static EFI_BOOT_SERVICES services = {.AllocatePool = allocate};
EFI_BOOT_SERVICES *BS = &services;

static unsigned given_back;

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *ret_completion)
{
    if (queue->is_broken || queue->in_flight_count == 0 || nondet_bool())
        return false;
    queue->in_flight_count--;
    ret_completion->slot = nondet_uint16();
    ret_completion->length_bytes = nondet_uint32();
    assume(ret_completion->slot < queue->slot_count);
    assume(ret_completion->length_bytes <= queue->chains[0].writable_bytes);
    return true;
}

bool net_offload_finish(uint8_t *frame, size_t length_bytes, const struct virtio_net_hdr *header,
                        uint64_t features)
{
    (void)header;
    (void)features;
    claim(__CPROVER_w_ok(frame, length_bytes), "the frame is whole");
    return nondet_bool();
}

bool net_filter_admits(const struct net_filter *filter, const uint8_t *station,
                       const uint8_t *frame)
{
    (void)filter;
    (void)station;
    claim(__CPROVER_r_ok(frame, ETHERNET_HEADER_BYTES), "the frame has a header");
    return nondet_bool();
}

/* A hostile device may use a buffer again at once. */
void net_frames_return(struct net_device *net, uint16_t slot)
{
    claim(slot < net->rx.count, "a buffer that there is goes back");
    given_back++;
    net->rx.queue.ring.in_flight_count += nondet_bool();
    assume(net->rx.queue.ring.in_flight_count <= net->rx.count);
}

void net_frames_count_bad(struct net_traffic *traffic, uint64_t *cause, size_t length_bytes)
{
    traffic->bad_bytes += length_bytes;
    (*cause)++;
}

EFI_STATUS net_frames_ring_error(struct net_device *net)
{
    net->state = NET_DOWN;
    return EFI_DEVICE_ERROR;
}

/* Nothing outside the buffers is read, and nothing outside the frame's memory written; what waits
 * then is a frame there, not longer than its kind allows; and a call looks at no more than two laps
 * of buffers. */
void prove_gather(void)
{
    static struct net_device net;
    struct virtqueue *ring = &net.rx.queue.ring;
    bool takes_large = nondet_bool();
    uint32_t mtu = nondet_uint16();

    net.state = NET_UP_LARGE;
    net.mtu = mtu;
    net.rx.count = nondet_uint16();
    net.rx.stride_bytes = nondet_uint32();
    assume(net.rx.count > 0 && net.rx.count <= COUNT_MAX);
    assume(net.rx.stride_bytes >= VIRTIO_NET_HDR_LENGTH && net.rx.stride_bytes <= STRIDE_MAX);
    net.rx.pool.address = malloc((size_t)net.rx.count * net.rx.stride_bytes);
    assume(net.rx.pool.address != NULL);
    assume(net_large_init(&net) == EFI_SUCCESS);
    ring->slot_count = net.rx.count;
    ring->in_flight_count = nondet_uint16();
    ring->chains[0].writable_bytes = net.rx.stride_bytes;
    assume(ring->in_flight_count <= net.rx.count);

    if (net_large_find(&net, takes_large) == EFI_SUCCESS) {
        claim(net.has_waiting && net.waiting.bytes == net.large_frame, "the frame is private");
        claim(__CPROVER_r_ok(net.waiting.bytes, net.waiting.length_bytes), "and all of it");
        claim(net.waiting.length_bytes >= ETHERNET_HEADER_BYTES, "and has a header");
        claim(takes_large ||
                  net.waiting.length_bytes <= ETHERNET_HEADER_BYTES + ETHERNET_VLAN_BYTES + mtu,
              "who does not take large frames gets none");
    }
    claim(given_back <= 2 * COUNT_MAX, "one lap, and the frame that began in it");
}
