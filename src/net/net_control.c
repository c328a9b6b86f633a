/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Commands over the control queue. The caller has checked the feature that a
 * command's class needs, where the header says so.
 */
#include "net/net_control.h"

#include <efilib.h>

#include "virtio_spec/net.h"

#define QUEUE_SIZE_MAX 16u
#define COMMAND_BYTES 2u /* class and command */
#define BUFFER_BYTES 512u
#define ANSWER_OFFSET (BUFFER_BYTES - 1u)
#define ANSWER_PENDING 0xffu /* neither OK nor ERR; stays until the device writes its answer */
#define DATA_BYTES_MAX (2u * sizeof(uint32_t) + NET_FILTER_MULTICAST_MAX * MAC_BYTES)

#define COMMAND_TIMEOUT_US 200000u
#define COMMAND_POLL_US 10u

_Static_assert(COMMAND_BYTES + DATA_BYTES_MAX <= ANSWER_OFFSET, "the longest command fits");

EFI_STATUS net_control_has_room(struct virtio_device *device, bool *ret_has_room)
{
    uint16_t size = VIRTQUEUE_SEGMENTS_MAX;
    EFI_STATUS status = EFI_SUCCESS;

    if (virtio_device_has(device, VIRTIO_NET_F_CTRL_VQ))
        status = virtio_queue_size(device, VIRTIO_NET_QUEUE_CTRL, QUEUE_SIZE_MAX, &size);
    if (!EFI_ERROR(status))
        *ret_has_room = size >= VIRTQUEUE_SEGMENTS_MAX;
    return status;
}

EFI_STATUS net_control_init(struct net_control *control, struct virtio_device *device)
{
    EFI_STATUS status;

    if (!virtio_device_has(device, VIRTIO_NET_F_CTRL_VQ))
        return EFI_SUCCESS;
    status = virtio_queue_init(&control->queue, device, VIRTIO_NET_QUEUE_CTRL, QUEUE_SIZE_MAX,
                               VIRTQUEUE_SEGMENTS_MAX);
    if (EFI_ERROR(status))
        return status;
    status = dma_init(&control->buffer, device->transport.pci_io, BUFFER_BYTES);
    if (EFI_ERROR(status)) {
        device->cause = L"no memory for the control queue";
        return status;
    }
    control->state = NET_CONTROL_READY;
    control->is_open = true;
    return EFI_SUCCESS;
}

EFI_STATUS net_control_restart(struct net_control *control, struct virtio_device *device)
{
    if (control->state != NET_CONTROL_READY)
        return EFI_SUCCESS;
    return virtio_queue_restart(&control->queue, device, VIRTIO_NET_QUEUE_CTRL);
}

void net_control_fini(struct net_control *control)
{
    virtio_queue_fini(&control->queue);
    dma_fini(&control->buffer);
    control->state = NET_CONTROL_ABSENT;
}

/* Returns the answer to the command under way, or ANSWER_PENDING if none came in time. A
 * device that is slow to answer may have missed the doorbell (see net_device_tend). */
static uint8_t wait_for_answer(struct net_control *control)
{
    for (unsigned waited_us = 0; waited_us <= COMMAND_TIMEOUT_US; waited_us += COMMAND_POLL_US) {
        struct virtqueue_completion completion;

        control->waited_us = waited_us;
        if (virtqueue_pop(&control->queue.ring, &completion)) {
            virtqueue_suppress_interrupts(&control->queue.ring);
            return *(volatile uint8_t *)(control->buffer.address + ANSWER_OFFSET);
        }
        if (control->queue.ring.is_broken)
            break;
        if (waited_us == COMMAND_TIMEOUT_US / 4)
            virtio_queue_ring(&control->queue);
        BS->Stall(COMMAND_POLL_US);
    }
    return ANSWER_PENDING;
}

/* Command, data and answer in a descriptor each. A legacy device without ANY_LAYOUT
 * requires that, and every device accepts it (5.1.6.5, 2.7.4.1). */
static void describe(struct net_control *control, uint32_t data_bytes)
{
    uint64_t start = control->buffer.device_address;
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS_MAX] = {
        {.device_address = start, .length_bytes = COMMAND_BYTES},
        {.device_address = start + COMMAND_BYTES, .length_bytes = data_bytes},
    };
    uint16_t count = data_bytes > 0 ? 2 : 1;

    segments[count++] = (struct virtqueue_segment){
        .device_address = start + ANSWER_OFFSET, .length_bytes = 1, .device_writable = true};
    virtqueue_set_slot(&control->queue.ring, 0, segments, count);
}

static EFI_STATUS command(struct net_control *control, uint8_t class, uint8_t code,
                          const void *data, uint32_t data_bytes)
{
    uint8_t answer;

    if (control->state != NET_CONTROL_READY)
        return EFI_DEVICE_ERROR;
    control->buffer.address[0] = class;
    control->buffer.address[1] = code;
    __builtin_memcpy(control->buffer.address + COMMAND_BYTES, data, data_bytes);
    control->buffer.address[ANSWER_OFFSET] = ANSWER_PENDING;

    describe(control, data_bytes);
    virtio_queue_send(&control->queue, 0, 1);
    control->commands++;

    answer = wait_for_answer(control);
    if (answer == VIRTIO_NET_OK)
        return EFI_SUCCESS;
    if (answer == ANSWER_PENDING) {
        control->overdue++;
        control->state = NET_CONTROL_OVERDUE;
    } else {
        control->refused++;
    }
    return EFI_DEVICE_ERROR;
}

static EFI_STATUS set_mode(struct net_control *control, uint8_t mode, bool is_on)
{
    uint8_t value = is_on;

    return command(control, VIRTIO_NET_CTRL_RX, mode, &value, sizeof(value));
}

/* The unicast table stays empty: a device passes its own address without an entry. */
static EFI_STATUS set_table(struct net_control *control, const struct net_filter *filter)
{
    uint32_t multicast_count = filter->multicast ? filter->multicast_count : 0;
    uint32_t list_bytes = multicast_count * MAC_BYTES;
    uint8_t table[DATA_BYTES_MAX] = {0};

    __builtin_memcpy(table + sizeof(uint32_t), &multicast_count, sizeof(multicast_count));
    __builtin_memcpy(table + 2 * sizeof(uint32_t), filter->multicast_list, list_bytes);
    return command(control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
                   (uint32_t)(2 * sizeof(uint32_t)) + list_bytes);
}

/* Set a mode that suppresses one kind of frame unless it is wanted. False: the device may
 * suppress frames that are wanted. A device that suppresses nothing is not a failure. */
static bool set_extra_mode(struct net_control *control, uint8_t mode, bool is_wanted)
{
    return !EFI_ERROR(set_mode(control, mode, !is_wanted)) || !is_wanted;
}

static bool set_extra_modes(struct net_control *control, const struct net_filter *filter)
{
    bool wants_multicast = filter->multicast || filter->all_multicast;

    return set_extra_mode(control, VIRTIO_NET_CTRL_RX_NOMULTI, wants_multicast) &&
           set_extra_mode(control, VIRTIO_NET_CTRL_RX_NOUNI, filter->unicast) &&
           set_extra_mode(control, VIRTIO_NET_CTRL_RX_NOBCAST, filter->broadcast);
}

static EFI_STATUS open_up(struct net_control *control)
{
    if (!EFI_ERROR(set_mode(control, VIRTIO_NET_CTRL_RX_PROMISC, true)))
        control->is_open = true;
    return control->is_open ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

/* Open first, then narrow. If a command is refused in between, the device passes too much
 * rather than too little. */
EFI_STATUS net_control_set_filter(struct net_control *control, const struct virtio_device *device,
                                  const struct net_filter *filter, bool is_own_address)
{
    bool all_multicast = filter->all_multicast;
    EFI_STATUS status;

    if (!virtio_device_has(device, VIRTIO_NET_F_CTRL_RX))
        return EFI_SUCCESS; /* a device without modes passes everything */
    status = open_up(control);
    if (EFI_ERROR(status) || filter->promiscuous || (filter->unicast && !is_own_address))
        return status;

    if (EFI_ERROR(set_table(control, filter)))
        all_multicast |= filter->multicast; /* the list did not fit into its table */
    if (EFI_ERROR(set_mode(control, VIRTIO_NET_CTRL_RX_ALLMULTI, all_multicast)))
        return EFI_SUCCESS;
    if (virtio_device_has(device, VIRTIO_NET_F_CTRL_RX_EXTRA) && !set_extra_modes(control, filter))
        return EFI_SUCCESS;
    if (control->state != NET_CONTROL_READY)
        return EFI_SUCCESS;
    if (!EFI_ERROR(set_mode(control, VIRTIO_NET_CTRL_RX_PROMISC, false)) ||
        control->state != NET_CONTROL_READY)
        control->is_open = false; /* narrowed, or in an unknown state */
    return EFI_SUCCESS;
}

EFI_STATUS net_control_set_mac(struct net_control *control, const uint8_t *mac)
{
    return command(control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, MAC_BYTES);
}

EFI_STATUS net_control_acknowledge_announce(struct net_control *control)
{
    uint8_t nothing = 0;

    return command(control, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, &nothing, 0);
}
