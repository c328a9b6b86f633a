/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Frames for the driver: the filter, the header, and the buffers that a frame is spread over.
 * VIRTIO 1.2, 5.1.6.3.1 and 5.1.6.4.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_net_internal.h"

#define FRAME_MAX (VIRTIO_NET_RX_BUFFER_MIN_LARGE - VIRTIO_NET_HDR_LENGTH)
#define CHECKSUM_BYTES 2u

/* Of what a lie is about if the test says nothing: TCP over IPv4. */
#define TCP_START 34u
#define TCP_CHECKSUM_OFFSET 16u
#define TCP_DATA 54u
#define TCP_MSS 1460u

#define TYPE_UNKNOWN 2u
#define FRAME_TOO_LONG 65536u

/* A frame on its way. */
struct delivery {
    uint8_t *bytes; /* the header and the frame */
    size_t length;
    struct fake_chain *chains; /* the buffers that hold it */
    uint32_t *written_bytes;   /* into each */
    unsigned count;
};

/* The misbehaviour, if it can take effect. */
static enum fake_device_misbehaviour lie_of(const struct fake_device *device)
{
    uint64_t needed = fake_misbehaviour_needs(device->misbehaviour);

    return (device->accepted & needed) == needed ? device->misbehaviour : FAKE_BEHAVES;
}

static bool is_listed(const uint8_t (*list)[6], unsigned count, const uint8_t *mac)
{
    for (unsigned i = 0; i < count; i++)
        if (memcmp(list[i], mac, 6) == 0)
            return true;
    return false;
}

/* 5.1.6.5.1: promiscuous mode takes effect whatever the others say, and no… even if all… is on. */
bool fake_device_lets_pass(const struct fake_device *device, const uint8_t to[6])
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct fake_device_filter *filter = &device->filter;

    if (filter->promiscuous)
        return true;
    if (memcmp(to, broadcast, 6) == 0)
        return !filter->no_broadcast;
    if (to[0] & 1)
        return !filter->no_multicast &&
               (filter->all_multicast || is_listed(filter->multicast, filter->multicast_count, to));
    return !filter->no_unicast && (filter->all_unicast || memcmp(to, device->mac, 6) == 0 ||
                                   is_listed(filter->unicast, filter->unicast_count, to));
}

static void look_at_the_rings(struct fake_device *device)
{
    fake_device_change_num_buffers(device);
    for (unsigned i = 0; i < FAKE_DEVICE_QUEUES; i++)
        fake_queue_check_wakeup(device, i);
    fake_queue_observe(device, VIRTIO_NET_QUEUE_RX);
}

static void ask_for_buffers(struct fake_device *device)
{
    if (device->queues[VIRTIO_NET_QUEUE_RX].is_enabled && fake_device_is_live(device))
        fake_queue_ask_for_doorbell(device, VIRTIO_NET_QUEUE_RX, !device->polls);
}

/* Take as many buffers as the frame needs. False: there are too few, and none is taken. */
static bool gather(struct fake_device *device, struct delivery *delivery)
{
    struct fake_queue *queue = &device->queues[VIRTIO_NET_QUEUE_RX];
    bool merges = fake_device_has(device, VIRTIO_NET_F_MRG_RXBUF);
    uint16_t pending_before = queue->pending_count;
    size_t room = 0;

    do {
        delivery->chains =
            realloc(delivery->chains, (delivery->count + 1) * sizeof(delivery->chains[0]));
        if (!fake_queue_take(device, VIRTIO_NET_QUEUE_RX, &delivery->chains[delivery->count]))
            break;
        room += delivery->chains[delivery->count++].writable_bytes;
    } while (room < delivery->length && merges);
    if (room >= delivery->length)
        return true;
    fake_queue_put_back(queue, (uint16_t)(pending_before - queue->pending_count));
    return false;
}

static void fill(struct delivery *delivery)
{
    size_t done = 0;

    delivery->written_bytes = calloc(delivery->count, sizeof(delivery->written_bytes[0]));
    for (unsigned i = 0; i < delivery->count; i++) {
        size_t written = fake_chain_write(&delivery->chains[i], 0, delivery->bytes + done,
                                          delivery->length - done);

        delivery->written_bytes[i] = (uint32_t)written;
        done += written;
    }
}

static uint16_t num_buffers_of(const struct fake_device *device, const struct delivery *delivery)
{
    uint16_t count = (uint16_t)delivery->count;

    switch (lie_of(device)) {
    case FAKE_NUM_BUFFERS_ZERO:
        return 0;
    case FAKE_NUM_BUFFERS_ABOVE_USED:
        return (uint16_t)(count + 1);
    case FAKE_NUM_BUFFERS_BELOW_USED:
        return (uint16_t)(count - 1);
    case FAKE_NUM_BUFFERS_ABOVE_QUEUE:
        return (uint16_t)(device->queues[VIRTIO_NET_QUEUE_RX].size + 1);
    default:
        return count;
    }
}

static void write_num_buffers(const struct fake_device *device, const struct delivery *delivery)
{
    uint16_t count = num_buffers_of(device, delivery);

    if (fake_device_header_length(device) == VIRTIO_NET_HDR_LENGTH)
        memcpy(delivery->bytes + offsetof(struct virtio_net_hdr, num_buffers), &count,
               sizeof(count));
}

/* What the used entries say, and what is in the buffers. */
static void distort_buffers(struct fake_device *device, struct delivery *delivery)
{
    unsigned last = delivery->count - 1;
    uint32_t *middle = delivery->count > 2 ? &delivery->written_bytes[1] : NULL;
    const struct fake_segment *first = &delivery->chains[0].segments[0];

    switch (lie_of(device)) {
    case FAKE_NUM_BUFFERS_CHANGES:
        if (first->length >= VIRTIO_NET_HDR_LENGTH)
            device->changing_header = first->address;
        break;
    case FAKE_LAST_BUFFER_MISSING:
        if (delivery->count == 1)
            break;
        delivery->count--;
        fake_queue_put_back(&device->queues[VIRTIO_NET_QUEUE_RX], 1);
        break;
    case FAKE_LAST_LENGTH_ABOVE_BUFFER:
        delivery->written_bytes[last] = (uint32_t)delivery->chains[last].writable_bytes + 1;
        break;
    case FAKE_MIDDLE_LENGTH_ZERO:
        if (middle)
            *middle = 0;
        break;
    case FAKE_MIDDLE_LENGTH_SHORT:
        if (middle)
            --*middle;
        break;
    case FAKE_MIDDLE_LENGTH_ABOVE_BUFFER:
        if (middle)
            ++*middle;
        break;
    case FAKE_MIDDLE_HEADER:
        if (last > 0)
            fake_chain_write(&delivery->chains[1], 0, delivery->bytes, VIRTIO_NET_HDR_LENGTH);
        break;
    default:
        break;
    }
}

/* A used entry that lies about a buffer in the middle is that buffer's own. */
static bool has_each_its_own_entry(const struct fake_device *device)
{
    enum fake_device_misbehaviour lie = lie_of(device);

    return device->uses_one_by_one || lie == FAKE_MIDDLE_LENGTH_ZERO ||
           lie == FAKE_MIDDLE_LENGTH_SHORT || lie == FAKE_MIDDLE_LENGTH_ABOVE_BUFFER;
}

void fake_device_change_num_buffers(struct fake_device *device)
{
    const size_t offset = offsetof(struct virtio_net_hdr, num_buffers);
    uint8_t *num_buffers;

    if (device->changing_header == 0)
        return;
    num_buffers = fake_pci_find_dma(device->function, device->changing_header + offset, 2, true);
    device->changing_header = 0;
    if (num_buffers)
        memset(num_buffers, 0xff, 2);
}

/* The features of which one is needed for a type of segment; 0: there is no such type. */
static uint64_t features_of_type(unsigned type)
{
    switch (type) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return VIRTIO_NET_F_GUEST_TSO4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return VIRTIO_NET_F_GUEST_TSO6;
    case VIRTIO_NET_HDR_GSO_UDP:
        return VIRTIO_NET_F_GUEST_UFO;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        return VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;
    default:
        return 0;
    }
}

static uint8_t type_without_feature(const struct fake_device *device)
{
    static const uint8_t types[] = {VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
                                    VIRTIO_NET_HDR_GSO_UDP_L4};

    for (size_t i = 0; i < sizeof(types); i++)
        if (!fake_device_has(device, features_of_type(types[i])))
            return types[i];
    return VIRTIO_NET_HDR_GSO_UDP;
}

static void distort_checksum(const struct fake_device *device, struct virtio_net_hdr *header,
                             size_t length)
{
    header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    if (header->csum_start == 0) {
        header->csum_start = TCP_START;
        header->csum_offset = TCP_CHECKSUM_OFFSET;
    }
    switch (lie_of(device)) {
    case FAKE_CSUM_START_OUTSIDE:
        header->csum_start = (uint16_t)(length < UINT16_MAX ? length : UINT16_MAX);
        break;
    case FAKE_CSUM_OFFSET_OUTSIDE:
        header->csum_offset = (uint16_t)(length - header->csum_start - 1);
        break;
    case FAKE_CSUM_OFFSET_WRAPS:
        header->csum_offset = (uint16_t)(UINT16_MAX + 1u - header->csum_start / 2u);
        break;
    default:
        break;
    }
}

static void distort_segmentation(const struct fake_device *device, struct virtio_net_hdr *header)
{
    if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        header->hdr_len = TCP_DATA;
        header->gso_size = TCP_MSS;
    }
    switch (lie_of(device)) {
    case FAKE_GSO_TYPE_NOT_NEGOTIATED:
        header->gso_type = type_without_feature(device);
        break;
    case FAKE_GSO_TYPE_UNKNOWN:
        header->gso_type = TYPE_UNKNOWN;
        break;
    case FAKE_GSO_WITHOUT_CSUM:
        header->flags = 0;
        break;
    case FAKE_GSO_ECN_ALONE:
        header->gso_type = VIRTIO_NET_HDR_GSO_ECN;
        break;
    default:
        header->hdr_len = UINT16_MAX;
        header->gso_size = 0;
    }
}

/* The lies that the header tells about the work that is left. */
static void distort_header(const struct fake_device *device, struct virtio_net_hdr *header,
                           size_t length)
{
    enum fake_device_misbehaviour lie = lie_of(device);

    if (lie >= FAKE_CSUM_START_OUTSIDE && lie <= FAKE_GSO_HINTS_LIE)
        distort_checksum(device, header, length);
    if (lie >= FAKE_GSO_TYPE_NOT_NEGOTIATED && lie <= FAKE_GSO_HINTS_LIE)
        distort_segmentation(device, header);
}

static struct delivery prepare(const struct fake_device *device,
                               const struct virtio_net_hdr *header, const void *frame,
                               size_t length)
{
    size_t header_length = fake_device_header_length(device);
    bool is_too_long = lie_of(device) == FAKE_FRAME_TOO_LONG && length < FRAME_TOO_LONG;
    struct delivery delivery = {.length = header_length + (is_too_long ? FRAME_TOO_LONG : length)};

    delivery.bytes = calloc(1, delivery.length);
    memcpy(delivery.bytes, header, header_length);
    memcpy(delivery.bytes + header_length, frame, length);
    return delivery;
}

static void use(struct fake_device *device, struct delivery *delivery)
{
    write_num_buffers(device, delivery);
    fill(delivery);
    distort_buffers(device, delivery);
    fake_queue_complete_frame(device, VIRTIO_NET_QUEUE_RX, delivery->chains,
                              delivery->written_bytes, delivery->count,
                              has_each_its_own_entry(device));
}

/* Over as many buffers as it takes. */
static bool spread(struct fake_device *device, const struct virtio_net_hdr *header,
                   const void *frame, size_t length)
{
    struct delivery delivery = prepare(device, header, frame, length);
    bool fits = gather(device, &delivery);

    if (fits)
        use(device, &delivery);
    else
        ask_for_buffers(device);
    free(delivery.bytes);
    free(delivery.chains);
    free(delivery.written_bytes);
    return fits;
}

/* Without MRG_RXBUF: a buffer that is too small is used up. */
static bool deliver_in_one(struct fake_device *device, const struct virtio_net_hdr *header,
                           const void *frame, size_t length)
{
    size_t header_length = fake_device_header_length(device);
    struct fake_chain chain;

    if (!fake_queue_take(device, VIRTIO_NET_QUEUE_RX, &chain)) {
        ask_for_buffers(device);
        return false;
    }
    if (chain.writable_bytes < header_length + length) {
        fake_queue_complete(device, VIRTIO_NET_QUEUE_RX, &chain, 0);
        return false;
    }
    fake_chain_write(&chain, 0, header, header_length);
    fake_chain_write(&chain, header_length, frame, length);
    fake_queue_complete(device, VIRTIO_NET_QUEUE_RX, &chain, (uint32_t)(header_length + length));
    return true;
}

static bool is_withheld(const struct fake_device *device, const uint8_t *frame, size_t length)
{
    return device->filters_frames && length >= 6 && !fake_device_lets_pass(device, frame);
}

bool fake_device_deliver(struct fake_device *device, const void *frame, size_t length)
{
    struct virtio_net_hdr header = {.num_buffers = 1};

    look_at_the_rings(device);
    if (device->misbehaviour == FAKE_GSO_TYPE_SET)
        header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    if (device->misbehaviour == FAKE_NEEDS_CSUM_SET)
        header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    distort_header(device, &header, length);
    if (is_withheld(device, frame, length))
        return true;
    if (fake_device_has(device, VIRTIO_NET_F_MRG_RXBUF))
        return spread(device, &header, frame, length);
    return deliver_in_one(device, &header, frame, length);
}

/* 5.1.6.4.1: what a device that behaves may say about segments. */
static void check_segmentation(const struct fake_device *device, const struct fake_offload *offload)
{
    uint8_t type = offload->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    bool is_tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;

    if (!fake_device_has(device, features_of_type(type)))
        fake_referee(device, "a frame of type %u was not negotiated", type);
    if ((offload->gso_type & VIRTIO_NET_HDR_GSO_ECN) &&
        (!is_tcp || !fake_device_has(device, VIRTIO_NET_F_GUEST_ECN)))
        fake_referee(device, "a frame of type %u with ECN", type);
    if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
        fake_referee(device, "a frame of type %u without NEEDS_CSUM", type);
    if (offload->gso_size == 0)
        fake_referee(device, "a frame of type %u without a segment size", type);
}

static void check_offload(const struct fake_device *device, const struct fake_offload *offload,
                          size_t length)
{
    const unsigned known = VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;

    if (length > FRAME_MAX)
        fake_referee(device, "a frame of %zu bytes", length);
    if ((offload->flags & ~known) ||
        (offload->flags && !fake_device_has(device, VIRTIO_NET_F_GUEST_CSUM)))
        fake_referee(device, "flags %#x were not negotiated", offload->flags);
    if ((offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
        (size_t)offload->csum_start + offload->csum_offset + CHECKSUM_BYTES > length)
        fake_referee(device, "a checksum at %u + %u of %zu bytes", offload->csum_start,
                     offload->csum_offset, length);
    if (offload->gso_type != VIRTIO_NET_HDR_GSO_NONE)
        check_segmentation(device, offload);
}

bool fake_device_deliver_large(struct fake_device *device, const void *frame, size_t length,
                               const struct fake_offload *offload)
{
    struct virtio_net_hdr header = {
        .flags = offload->flags,
        .gso_type = offload->gso_type,
        .hdr_len = offload->hdr_len,
        .gso_size = offload->gso_size,
        .csum_start = offload->csum_start,
        .csum_offset = offload->csum_offset,
        .num_buffers = 1,
    };

    look_at_the_rings(device);
    check_offload(device, offload, length);
    distort_header(device, &header, length);
    if (is_withheld(device, frame, length))
        return true;
    return spread(device, &header, frame, length);
}
