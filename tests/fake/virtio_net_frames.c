/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the queues of a network device carry, except for the frames that it delivers: VIRTIO 1.2,
 * 5.1.6.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_net_internal.h"

#define ETHERNET_HEADER 14u
#define VLAN_TAG 4u

/* Control queue, 5.1.6.5. */
#define CONTROL_HEADER 2u
#define CLASS_RX 0u
#define CLASS_MAC 1u
#define CLASS_ANNOUNCE 3u
#define RX_COMMANDS 6u
#define RX_EXTRA_FIRST 2u
#define MAC_TABLE_SET 0u
#define TABLE_MAX 64u
#define MAC_ADDR_SET 1u
#define ACK_OK 0u
#define ACK_ERROR 1u
#define ACK_GARBAGE 0x5au
#define ACK_UNANSWERED 0xffu

size_t fake_device_header_length(const struct fake_device *device)
{
    return fake_device_has(device, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF)
               ? VIRTIO_NET_HDR_LENGTH
               : VIRTIO_NET_HDR_LENGTH_LEGACY;
}

static bool wants_separate_header(const struct fake_device *device)
{
    return device->uses_legacy && !fake_device_has(device, VIRTIO_F_ANY_LAYOUT);
}

/* 5.1.6.3.1: a frame that is not spread over several buffers has to fit into one. */
static size_t receive_buffer_min(const struct fake_device *device)
{
    size_t header_length = fake_device_header_length(device);
    size_t needed = fake_device_has(device, FAKE_SEGMENTED_FEATURES)
                        ? VIRTIO_NET_RX_BUFFER_MIN_LARGE
                        : VIRTIO_NET_RX_BUFFER_MIN;

    if (fake_device_has(device, VIRTIO_NET_F_MRG_RXBUF))
        return header_length + 1;
    if (fake_device_has(device, VIRTIO_NET_F_MTU) && device->mtu >= VIRTIO_NET_MTU_MIN &&
        needed < header_length + ETHERNET_HEADER + device->mtu)
        needed = header_length + ETHERNET_HEADER + device->mtu;
    return needed;
}

static void check_receive_buffer(struct fake_device *device, const struct fake_chain *chain)
{
    size_t needed = receive_buffer_min(device);

    if (chain->readable_bytes > 0)
        fake_referee(device, "a receive buffer with a device-readable part");
    if (chain->writable_bytes < needed)
        fake_referee(device, "a receive buffer of %zu bytes, %zu are needed", chain->writable_bytes,
                     needed);
}

static void check_transmit_buffer(struct fake_device *device, const struct fake_chain *chain)
{
    uint8_t header[VIRTIO_NET_HDR_LENGTH] = {0};
    const uint8_t zeros[VIRTIO_NET_HDR_LENGTH] = {0};
    size_t header_length = fake_device_header_length(device);
    size_t longest = header_length + device->mtu + ETHERNET_HEADER + VLAN_TAG;

    if (chain->writable_bytes > 0)
        fake_referee(device, "a transmit buffer with a device-writable part");
    if (chain->readable_bytes < header_length + ETHERNET_HEADER)
        fake_referee(device, "a transmit buffer of %zu bytes", chain->readable_bytes);
    fake_chain_read(chain, 0, header, header_length);
    if (memcmp(header, zeros, header_length) != 0)
        fake_referee(device, "the header of a frame to send is not zero");
    if (fake_device_has(device, VIRTIO_NET_F_MTU) && chain->readable_bytes > longest)
        fake_referee(device, "a frame of %zu bytes, above the MTU, which allows %zu",
                     chain->readable_bytes, longest);
}

static void check_control_buffer(struct fake_device *device, const struct fake_chain *chain)
{
    const struct fake_segment *last = &chain->segments[chain->count - 1];

    if (chain->readable_bytes < CONTROL_HEADER || chain->writable_bytes != 1)
        fake_referee(device, "a command with %zu readable and %zu writable bytes",
                     chain->readable_bytes, chain->writable_bytes);
    else if (last->data[0] != ACK_UNANSWERED)
        fake_referee(device, "the ack of a command starts as %#x", last->data[0]);
    if (wants_separate_header(device) && chain->segments[0].length != CONTROL_HEADER)
        fake_referee(device, "class and command are not alone in their descriptor");
}

void fake_device_check_buffer(struct fake_device *device, unsigned queue,
                              const struct fake_chain *chain)
{
    if (queue == VIRTIO_NET_QUEUE_CTRL) {
        check_control_buffer(device, chain);
        return;
    }
    if (queue == VIRTIO_NET_QUEUE_RX)
        check_receive_buffer(device, chain);
    else
        check_transmit_buffer(device, chain);
    if (wants_separate_header(device) &&
        (chain->segments[0].length != fake_device_header_length(device) || chain->count < 2))
        fake_referee(device, "the header is not alone in its descriptor");
}

static void collect_frame(struct fake_device *device, const struct fake_chain *chain)
{
    size_t header_length = fake_device_header_length(device);
    size_t length =
        chain->readable_bytes > header_length ? chain->readable_bytes - header_length : 0;
    struct fake_frame *frame = calloc(1, sizeof(*frame) + length);
    struct fake_frame **end = &device->frames;

    frame->length = fake_chain_read(chain, header_length, frame->data, length);
    while (*end)
        end = &(*end)->next;
    *end = frame;
}

static void transmit(struct fake_device *device)
{
    unsigned count = device->queues[VIRTIO_NET_QUEUE_TX].pending_count;
    struct fake_chain *chains = calloc(count + 1u, sizeof(*chains));
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++)
        if (fake_queue_take(device, VIRTIO_NET_QUEUE_TX, &chains[taken]))
            collect_frame(device, &chains[taken++]);
    fake_queue_complete_batch(device, VIRTIO_NET_QUEUE_TX, chains, taken);
    free(chains);
}

void fake_device_work(struct fake_device *device, unsigned queue)
{
    struct fake_chain chain;

    if (queue == VIRTIO_NET_QUEUE_TX)
        transmit(device);
    while (queue == VIRTIO_NET_QUEUE_CTRL && fake_queue_take(device, queue, &chain))
        fake_device_take_command(device, &chain);
}

const struct fake_frame *fake_device_take_frame(struct fake_device *device)
{
    fake_queue_check_wakeup(device, VIRTIO_NET_QUEUE_TX);
    free(device->taken);
    device->taken = device->frames;
    if (device->taken)
        device->frames = device->taken->next;
    return device->taken;
}

void fake_device_free_frames(struct fake_device *device)
{
    while (fake_device_take_frame(device))
        ;
}

static bool read_mac_list(const uint8_t *data, size_t length, size_t *offset, unsigned *ret_count,
                          uint8_t (*ret_list)[6], unsigned list_max)
{
    uint32_t count;

    if (length - *offset < sizeof(count))
        return false;
    memcpy(&count, data + *offset, sizeof(count));
    *offset += sizeof(count);
    if (count > (length - *offset) / 6)
        return false;
    *ret_count = count < list_max ? count : list_max;
    memcpy(ret_list, data + *offset, (size_t)*ret_count * 6);
    *offset += (size_t)count * 6;
    return true;
}

/* A refused table leaves the old one unchanged. */
static bool set_mac_table(struct fake_device *device, const struct fake_control_command *command)
{
    unsigned multicast_max =
        device->options.mac_table_max ? device->options.mac_table_max : TABLE_MAX;
    struct fake_device_filter filter = device->filter;
    size_t offset = 0;

    if (!read_mac_list(command->data, command->length, &offset, &filter.unicast_count,
                       filter.unicast, 16) ||
        !read_mac_list(command->data, command->length, &offset, &filter.multicast_count,
                       filter.multicast, TABLE_MAX) ||
        offset != command->length || filter.multicast_count > multicast_max)
        return false;
    device->filter = filter;
    return true;
}

static bool set_receive_mode(struct fake_device *device, const struct fake_control_command *command)
{
    struct fake_device_filter *filter = &device->filter;
    bool *const modes[RX_COMMANDS] = {
        &filter->promiscuous,  &filter->all_multicast, &filter->all_unicast,
        &filter->no_multicast, &filter->no_unicast,    &filter->no_broadcast,
    };

    if (command->command >= RX_COMMANDS || command->length != 1)
        return false;
    if (command->command >= RX_EXTRA_FIRST && !fake_device_has(device, VIRTIO_NET_F_CTRL_RX_EXTRA))
        fake_referee(device, "an extra receive mode without CTRL_RX_EXTRA");
    *modes[command->command] = command->data[0] != 0;
    return true;
}

static bool execute(struct fake_device *device, const struct fake_control_command *command)
{
    uint64_t needed = command->class == CLASS_RX         ? VIRTIO_NET_F_CTRL_RX
                      : command->class == CLASS_ANNOUNCE ? VIRTIO_NET_F_GUEST_ANNOUNCE
                      : command->command == MAC_ADDR_SET ? VIRTIO_NET_F_CTRL_MAC_ADDR
                                                         : VIRTIO_NET_F_CTRL_RX;

    if (command->class > CLASS_MAC && command->class != CLASS_ANNOUNCE)
        return false;
    if (!fake_device_has(device, needed))
        fake_referee(device, "command %u of class %u was not negotiated", command->command,
                     command->class);
    if (command->class == CLASS_RX)
        return set_receive_mode(device, command);
    if (command->class == CLASS_ANNOUNCE) {
        device->link_status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
        return command->length == 0;
    }
    if (command->command == MAC_TABLE_SET)
        return set_mac_table(device, command);
    if (command->command != MAC_ADDR_SET || command->length != 6)
        return false;
    if (!device->mac_was_commanded)
        memcpy(device->burned_mac, device->mac, 6);
    device->mac_was_commanded = true;
    memcpy(device->mac, command->data, 6);
    return true;
}

static struct fake_control_command read_command(const struct fake_chain *chain)
{
    struct fake_control_command command = {.descriptor_count = chain->count};
    uint8_t header[CONTROL_HEADER] = {0};

    fake_chain_read(chain, 0, header, CONTROL_HEADER);
    command.class = header[0];
    command.command = header[1];
    command.length = fake_chain_read(chain, CONTROL_HEADER, command.data, sizeof(command.data));
    for (size_t i = 0; i < chain->count && i < 4; i++)
        command.descriptor_bytes[i] = chain->segments[i].length;
    return command;
}

static void answer(struct fake_device *device, const struct fake_chain *chain, unsigned ack)
{
    uint8_t byte = (uint8_t)ack;

    fake_chain_write(chain, 0, &byte, 1);
    fake_queue_complete(device, VIRTIO_NET_QUEUE_CTRL, chain, 1);
}

/* How the device treats this command. */
static enum fake_device_misbehaviour next_command_failure(struct fake_device *device)
{
    if (device->failing_command > 0 && --device->failing_command == 0)
        return device->command_failure;
    return device->misbehaviour;
}

void fake_device_take_command(struct fake_device *device, const struct fake_chain *chain)
{
    struct fake_control_command command = read_command(chain);

    if (device->command_count < FAKE_COMMANDS_MAX)
        device->commands[device->command_count++] = command;
    switch (next_command_failure(device)) {
    case FAKE_CONTROL_NEVER_ACKS:
    case FAKE_CONTROL_ACKS_LATE:
        device->unanswered = *chain;
        device->has_unanswered = true;
        device->unanswered_since_us = fake_firmware_now_us(device->function->firmware);
        break;
    case FAKE_CONTROL_ACKS_GARBAGE:
        answer(device, chain, ACK_GARBAGE);
        break;
    case FAKE_CONTROL_REFUSES:
        answer(device, chain, ACK_ERROR);
        break;
    default:
        answer(device, chain, execute(device, &command) ? ACK_OK : ACK_ERROR);
    }
}

void fake_device_answer_late(struct fake_device *device)
{
    struct fake_control_command command;

    if (!device->has_unanswered)
        return;
    command = read_command(&device->unanswered);
    device->has_unanswered = false;
    answer(device, &device->unanswered, execute(device, &command) ? ACK_OK : ACK_ERROR);
}
