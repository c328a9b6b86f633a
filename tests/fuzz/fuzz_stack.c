/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Clients of the Managed Network service that do anything in any order, also from inside a token's
 * event or a DPC, while frames arrive. What they receive is what the network sent (stack_frames.c),
 * what the device sends is what they sent, and each token ends once. Tokens and fragments are
 * freed when they end, so that a later look at them is an error. At the end the device behaves
 * again, a frame must pass in each direction, the driver is removed, and nothing may be left.
 *
 * Input: 3 bytes that select the machine, 0x10 of the third one a device that joins segments; then
 * steps, each a byte with its arguments. Bit 7 of a step: at TPL_CALLBACK. Bit 6: frames arrive, or
 * a hostile device acts, during it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guids.h"
#include "driver/driver_binding.h"
#include "fake_mnp_client.h"
#include "hostile.h"
#include "stack_frames.h"
#include "uefi_ext/managed_network.h"
#include "uefi_ext/vlan_config.h"

#define PLAIN_FRAME_MAX 1518u /* that every buffer holds */
#define HEADER_BYTES 14u
#define VLAN_BYTES 4u
#define FRAME_MIN 60u
#define GOOD_MTU 1500u
#define CHILDREN 6u
#define SLOTS 96u
#define EPOCHS 48u
#define HELD 300u
#define HELD_BYTES_FEW 0x100000u
#define GROUPS 4u
#define FRAGMENTS 4u
#define SENDINGS 4096u
#define DEPTH_MAX 3u
#define NESTED_MAX 200u
#define AT_CALLBACK 0x80u
#define WITH_AMBUSH 0x40u
#define FOREVER UINT32_MAX
#define CONFIG_BYTES (offsetof(EFI_MANAGED_NETWORK_CONFIG_DATA, DisableBackgroundPolling) + 1)

static const uint8_t groups[GROUPS][6] = {{0x01, 0x00, 0x5e, 0, 0, 1},
                                          {0x33, 0x33, 0, 0, 0, 2},
                                          {0x01, 0x00, 0x5e, 0, 0, 3},
                                          {0x02, 0, 0, 0, 0, 9}}; /* the last one is none */

/* What a client wanted from `begin` until `end`. */
struct epoch {
    EFI_MANAGED_NETWORK_CONFIG_DATA config;
    unsigned groups;
    uint32_t begin;
    uint32_t end;
};

struct client {
    EFI_HANDLE handle; /* NULL: there is none */
    EFI_MANAGED_NETWORK_PROTOCOL *mnp;
    EFI_HANDLE service;
    uint16_t vlan;
    unsigned serial;
    bool is_configured;
    bool is_vague;    /* its Configure is under way, and may fail */
    unsigned changes; /* of its configuration */
    bool is_open;     /* its history does not fit: it may have wanted anything */
    EFI_MANAGED_NETWORK_CONFIG_DATA config;
    unsigned groups;
    struct epoch epochs[EPOCHS];
    unsigned epoch_count;
    struct stack_reader reader;
};

/* A frame that a Transmit must become. */
struct sending {
    uint8_t *bytes;
    size_t length;
};

struct slot {
    struct stack_fuzz *fuzz;
    EFI_EVENT event;
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token; /* NULL: free */
    unsigned serial;
    unsigned client;
    unsigned client_serial;
    uint32_t since;
    bool is_transmit;
    bool recycles;
    bool enters;
    bool can_expire;
    struct sending frame; /* without a tag */
    void *fragments[FRAGMENTS];
};

struct held {
    EFI_MANAGED_NETWORK_RECEIVE_DATA *data;
    EFI_MANAGED_NETWORK_RECEIVE_DATA copy;
    uint8_t *bytes;
    unsigned generation;
};

struct stack_fuzz {
    struct fuzz_input input;
    struct fake_firmware *firmware;
    struct fake_device *device;
    struct fake_dpc *dpc; /* NULL: none */
    EFI_HANDLE controller;
    EFI_HANDLE image;
    EFI_HANDLE agent;  /* of an application that takes SNP */
    EFI_HANDLE own[2]; /* handles of the caller, for children */
    EFI_HANDLE nic;    /* NULL: not connected */
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
    EFI_EVENT enter_event;
    struct wire wire;
    struct hostile hostile;
    unsigned ambush;
    bool is_hostile;
    bool may_lose; /* sent frames: the device stalled, or was reset */
    bool may_fail; /* a call of the firmware, in this step */
    bool is_ending;
    bool is_exclusive;
    bool must_hold; /* TPL_CALLBACK, while the device is accessed */
    bool link_was_down;
    bool tags_are_vague; /* a failure left their priority open */
    unsigned aborting;   /* calls under way that may abort tokens */
    unsigned depth;
    unsigned nested;
    unsigned generation; /* of the service */
    unsigned serial;
    unsigned changes; /* of services */
    uint32_t now;
    uint8_t priorities[4095];
    struct client clients[CHILDREN];
    struct slot slots[SLOTS];
    struct held held[HELD];
    unsigned held_count;
    struct sending sendings[SENDINGS];
    unsigned sending_first;
    unsigned sending_end;
    struct stack_frames frames;
};

typedef void step(struct stack_fuzz *fuzz);

/* ---- clients ---- */

static uint16_t vlan_of(struct stack_fuzz *fuzz, EFI_HANDLE service)
{
    const uint8_t *node = fake_firmware_interface(fuzz->firmware, service, &device_path_guid);

    if (service == fuzz->nic)
        return 0;
    for (; node && node[0] != END_DEVICE_PATH_TYPE; node += node[2] | node[3] << 8) {
        if (node[0] == MESSAGING_DEVICE_PATH && node[1] == MSG_VLAN_DP)
            return (uint16_t)(node[4] | node[5] << 8);
    }
    fuzz_fail("a service without a VLAN");
}

/* Forget the clients whose protocol is gone, and find SNP. */
static void look(struct stack_fuzz *fuzz)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct client *client = &fuzz->clients[i];

        if (client->handle && fake_firmware_interface(fuzz->firmware, client->handle,
                                                      &managed_network_guid) != client->mnp)
            client->handle = NULL;
    }
    fuzz->nic = fake_firmware_find_handle(fuzz->firmware, &snp_guid, 0);
    fuzz->snp = fuzz->nic ? fake_firmware_interface(fuzz->firmware, fuzz->nic, &snp_guid) : NULL;
}

static struct client *pick(struct stack_fuzz *fuzz)
{
    uint8_t which = fuzz_take8(&fuzz->input);

    for (unsigned i = 0; i < CHILDREN; i++) {
        struct client *client = &fuzz->clients[(which + i) % CHILDREN];

        if (client->handle)
            return client;
    }
    return NULL;
}

static void close_epoch(struct stack_fuzz *fuzz, struct client *client)
{
    if (client->epoch_count > 0 && client->epochs[client->epoch_count - 1].end == FOREVER)
        client->epochs[client->epoch_count - 1].end = fuzz->now;
}

static void open_epoch(struct stack_fuzz *fuzz, struct client *client)
{
    close_epoch(fuzz, client);
    if (client->epoch_count == EPOCHS) {
        client->is_open = true;
        client->epoch_count = 0;
    }
    client->epochs[client->epoch_count++] =
        (struct epoch){client->config, client->groups, fuzz->now, FOREVER};
}

/* Its queue was emptied. */
static void forget_epochs(struct client *client)
{
    client->epoch_count = 0;
    client->is_open = false;
}

struct question {
    struct stack_fuzz *fuzz;
    const struct client *client;
};

static bool epoch_wants(const struct stack_fuzz *fuzz, const struct epoch *epoch, uint16_t type,
                        const uint8_t *to)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const EFI_MANAGED_NETWORK_CONFIG_DATA *config = &epoch->config;

    if (config->ProtocolTypeFilter && config->ProtocolTypeFilter != type)
        return false;
    if (config->EnablePromiscuousReceive)
        return true;
    if (memcmp(to, fuzz->frames.station, 6) == 0)
        return config->EnableUnicastReceive;
    if (memcmp(to, broadcast, 6) == 0)
        return config->EnableBroadcastReceive;
    for (unsigned i = 0; i < GROUPS; i++) {
        if (epoch->groups >> i & 1 && memcmp(to, groups[i], 6) == 0)
            return config->EnableMulticastReceive;
    }
    return false;
}

static bool wants(void *context, const struct stack_frame *frame)
{
    const struct question *question = context;
    const struct client *client = question->client;
    uint8_t space[STACK_FRAME_SPACE];
    size_t length;
    const uint8_t *bytes = stack_frame_for(frame, client->vlan, space, &length);

    if (client->is_open)
        return true;
    for (unsigned i = 0; i < client->epoch_count; i++) {
        if (client->epochs[i].end >= frame->at && client->epochs[i].begin <= frame->gone_by &&
            epoch_wants(question->fuzz, &client->epochs[i], (uint16_t)(bytes[12] << 8 | bytes[13]),
                        bytes))
            return true;
    }
    return false;
}

/* ---- packets that clients hold ---- */

static void recycle(struct stack_fuzz *fuzz, unsigned index, bool twice)
{
    struct held *held = &fuzz->held[index];
    EFI_EVENT event = held->copy.RecycleEvent;

    fuzz_claim(memcmp(held->data, &held->copy, sizeof(held->copy)) == 0 &&
                   memcmp(held->copy.MediaHeader, held->bytes, held->copy.PacketLength) == 0,
               "a packet changes while the client holds it");
    /* The second time is allowed for as long as the service lives. */
    twice = twice && held->generation == fuzz->generation && !fuzz->is_ending;
    free(held->bytes);
    fuzz->held_count--;
    memmove(held, held + 1, (fuzz->held_count - index) * sizeof(*held));
    (void)BS->SignalEvent(event);
    if (twice)
        (void)BS->SignalEvent(event);
}

static void hold(struct stack_fuzz *fuzz, EFI_MANAGED_NETWORK_RECEIVE_DATA *data, bool recycles)
{
    struct held *held = &fuzz->held[fuzz->held_count++];

    *held = (struct held){data, *data, malloc(data->PacketLength), fuzz->generation};
    memcpy(held->bytes, data->MediaHeader, data->PacketLength);
    if (recycles)
        recycle(fuzz, fuzz->held_count - 1, false);
    else if (fuzz->held_count == HELD)
        recycle(fuzz, 0, false);
}

static void check_packet(struct stack_fuzz *fuzz, struct client *client,
                         const EFI_MANAGED_NETWORK_RECEIVE_DATA *data)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct question question = {fuzz, client};
    const uint8_t *frame = data->MediaHeader;
    bool is_station = memcmp(frame, fuzz->frames.station, 6) == 0;
    bool is_broadcast = memcmp(frame, broadcast, 6) == 0;

    fuzz_claim(data->HeaderLength == HEADER_BYTES && data->AddressLength == 6 &&
                   data->PacketLength == HEADER_BYTES + data->DataLength,
               "lengths of a packet");
    fuzz_claim(data->DestinationAddress == frame && data->SourceAddress == frame + 6 &&
                   data->PacketData == frame + HEADER_BYTES &&
                   data->ProtocolType == (frame[12] << 8 | frame[13]),
               "pointers of a packet");
    if (fuzz->is_hostile)
        return;
    fuzz_claim(data->BroadcastFlag == is_broadcast &&
                   (!data->MulticastFlag || (frame[0] & 1 && !is_broadcast)) &&
                   data->PromiscuousFlag == (!is_station && !is_broadcast && !data->MulticastFlag),
               "flags of a packet");
    stack_frames_claim(&fuzz->frames, &client->reader, frame, data->PacketLength, wants, &question);
}

/* ---- tokens ---- */

static void free_slot(struct slot *slot)
{
    free(slot->token);
    free(slot->frame.bytes);
    for (unsigned i = 0; i < FRAGMENTS; i++)
        free(slot->fragments[i]);
    memset(slot->fragments, 0, sizeof(slot->fragments));
    slot->frame.bytes = NULL;
    slot->token = NULL;
}

static struct slot *new_slot(struct stack_fuzz *fuzz, struct client *client, bool is_transmit)
{
    uint8_t choice = fuzz_take8(&fuzz->input);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &fuzz->slots[i];

        if (slot->token)
            continue;
        slot->token = calloc(1, sizeof(*slot->token));
        slot->token->Event = slot->event;
        slot->token->Status = EFI_PROTOCOL_ERROR;
        slot->serial = ++fuzz->serial;
        slot->client = (unsigned)(client - fuzz->clients);
        slot->client_serial = client->serial;
        slot->since = fuzz->now;
        slot->is_transmit = is_transmit;
        slot->recycles = !(choice & 1);
        slot->enters = choice & 2;
        slot->can_expire = client->config.TransmitQueueTimeoutValue > 0;
        return slot;
    }
    return NULL;
}

static struct client *client_of(struct stack_fuzz *fuzz, const struct slot *slot)
{
    struct client *client = &fuzz->clients[slot->client];

    return client->serial == slot->client_serial && client->handle ? client : NULL;
}

static bool has_tokens(struct stack_fuzz *fuzz, unsigned client_serial, uint32_t before)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (fuzz->slots[i].token && fuzz->slots[i].client_serial == client_serial &&
            fuzz->slots[i].since < before)
            return true;
    }
    return false;
}

static void expect_frame(struct stack_fuzz *fuzz, const struct client *client,
                         const struct sending *frame)
{
    struct sending *sending = &fuzz->sendings[fuzz->sending_end % SENDINGS];
    size_t tag_bytes = client->vlan ? VLAN_BYTES : 0;
    size_t length = frame->length + tag_bytes;

    fuzz_claim(fuzz->sending_end - fuzz->sending_first < SENDINGS,
               "too many frames for the target");
    fuzz->sending_end++;
    length = length < FRAME_MIN ? FRAME_MIN : length; /* padded with zeros */
    *sending = (struct sending){calloc(1, length), length};
    memcpy(sending->bytes, frame->bytes, 12);
    memcpy(sending->bytes + 12 + tag_bytes, frame->bytes + 12, frame->length - 12);
    if (client->vlan) {
        sending->bytes[12] = 0x81;
        sending->bytes[14] = (uint8_t)(fuzz->priorities[client->vlan] << 5 | client->vlan >> 8);
        sending->bytes[15] = (uint8_t)client->vlan;
    }
}

/* Tokens of one client and kind end in their order, unless they are cancelled. */
static void claim_turn(const struct stack_fuzz *fuzz, const struct slot *slot)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct slot *other = &fuzz->slots[i];

        fuzz_claim(!other->token || other->client_serial != slot->client_serial ||
                       other->is_transmit != slot->is_transmit || other->serial >= slot->serial,
                   "a token ends before an older one");
    }
}

static void end_transmit(struct stack_fuzz *fuzz, const struct slot *slot, struct client *client)
{
    EFI_STATUS status = slot->token->Status;

    if (status == EFI_SUCCESS) {
        fuzz_claim(client && client->is_configured, "a frame of a client that is not configured");
        claim_turn(fuzz, slot);
        expect_frame(fuzz, client, &slot->frame);
        return;
    }
    fuzz_claim(status == EFI_ABORTED || (status == EFI_TIMEOUT && slot->can_expire) ||
                   (status == EFI_NO_MEDIA && (fuzz->link_was_down || fuzz->is_hostile)) ||
                   status == EFI_DEVICE_ERROR,
               "a Transmit token ends with %#llx", (unsigned long long)status);
}

static void end_receive(struct stack_fuzz *fuzz, const struct slot *slot, struct client *client)
{
    EFI_STATUS status = slot->token->Status;

    if (status != EFI_SUCCESS) {
        fuzz_claim(status == EFI_ABORTED, "a Receive token ends with %#llx",
                   (unsigned long long)status);
        return;
    }
    fuzz_claim(client && client->is_configured, "a packet for a client that is not configured");
    claim_turn(fuzz, slot);
    check_packet(fuzz, client, slot->token->Packet.RxData);
    hold(fuzz, slot->token->Packet.RxData, slot->recycles);
}

static VOID EFIAPI enter(VOID *context);

/* At TPL_NOTIFY. */
static VOID EFIAPI on_token(EFI_EVENT event, VOID *context)
{
    struct slot *slot = context;
    struct stack_fuzz *fuzz = slot->fuzz;
    struct client *client;
    bool enters;

    (void)event;
    fuzz_claim(slot->token, "a token ends that does not wait");
    fuzz_claim(slot->token->Status != EFI_ABORTED || fuzz->aborting > 0 || fuzz->is_hostile ||
                   fuzz->may_fail,
               "a token is aborted without cause");
    client = client_of(fuzz, slot);
    if (slot->is_transmit)
        end_transmit(fuzz, slot, client);
    else
        end_receive(fuzz, slot, client);
    enters = slot->enters;
    free_slot(slot);
    if (!enters)
        return;
    if (fuzz->dpc)
        (void)fuzz->dpc->protocol.QueueDpc(&fuzz->dpc->protocol, TPL_CALLBACK, enter, fuzz);
    else
        (void)BS->SignalEvent(fuzz->enter_event);
}

/* The call returned. */
static void end_call(struct slot *slot, unsigned serial, EFI_STATUS status, const char *what)
{
    if (!EFI_ERROR(status))
        return;
    fuzz_claim(slot->token && slot->serial == serial, "%s fails, but ends its token", what);
    free_slot(slot);
}

/* ---- steps of a client ---- */

static void receive(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    struct slot *slot = client ? new_slot(fuzz, client, false) : NULL;
    bool was_configured;
    unsigned serial;
    EFI_STATUS status;

    if (!slot)
        return;
    serial = slot->serial;
    was_configured = client->is_configured;
    status = client->mnp->Receive(client->mnp, slot->token);
    fuzz_claim(client->is_vague ? true
               : was_configured ? !status || status == EFI_NOT_READY
                                : status == EFI_NOT_STARTED,
               "Receive answers %#llx", (unsigned long long)status);
    end_call(slot, serial, status, "Receive");
}

/* Cut the frame of the slot into fragments of its exact lengths. */
static EFI_MANAGED_NETWORK_TRANSMIT_DATA *cut(struct stack_fuzz *fuzz, struct slot *slot,
                                              size_t offset)
{
    unsigned count = 1 + fuzz_take_below(&fuzz->input, 3);
    size_t left = slot->frame.length - offset;
    EFI_MANAGED_NETWORK_TRANSMIT_DATA *data =
        calloc(1, sizeof(*data) + (count - 1) * sizeof(data->FragmentTable[0]));

    if (count > left)
        count = (unsigned)left;
    for (unsigned i = 0; i < count; i++) {
        size_t part =
            i + 1 < count ? 1 + fuzz_take16(&fuzz->input) % (left - (count - 1 - i)) : left;

        slot->fragments[i] = malloc(part);
        memcpy(slot->fragments[i], slot->frame.bytes + offset, part);
        data->FragmentTable[i] =
            (EFI_MANAGED_NETWORK_FRAGMENT_DATA){(UINT32)part, slot->fragments[i]};
        offset += part;
        left -= part;
    }
    data->FragmentCount = (UINT16)count;
    slot->fragments[FRAGMENTS - 1] = data;
    slot->token->Packet.TxData = data;
    return data;
}

/* True: one thing in the token is now wrong. */
static bool spoil(struct slot *slot, EFI_MANAGED_NETWORK_TRANSMIT_DATA *data, uint8_t how)
{
    EFI_MANAGED_NETWORK_FRAGMENT_DATA *last =
        data->FragmentCount ? &data->FragmentTable[data->FragmentCount - 1] : NULL;

    switch (how) {
    case 1:
        data->FragmentCount = 0;
        return true;
    case 2:
        data->DataLength++;
        return true;
    case 3:
        data->HeaderLength = data->HeaderLength ? 0 : HEADER_BYTES;
        return true;
    case 4:
        last->FragmentBuffer = NULL;
        return true;
    case 5:
        last->FragmentLength = 0;
        return true;
    case 6:
        slot->token->Packet.TxData = NULL;
        return true;
    case 7:
        slot->token->Event = NULL;
        return true;
    case 8:
        last->FragmentLength = UINT32_MAX;
        return true;
    case 9:
        data->HeaderLength = 13;
        return true;
    default:
        return false;
    }
}

static void transmit(struct stack_fuzz *fuzz)
{
    static EFI_MAC_ADDRESS to = {{2, 0, 0, 0, 0, 7}};
    static EFI_MAC_ADDRESS from = {{2, 0, 0, 0, 0, 8}};
    struct client *client = pick(fuzz);
    struct slot *slot = client ? new_slot(fuzz, client, true) : NULL;
    uint8_t choice = fuzz_take8(&fuzz->input);
    size_t length = HEADER_BYTES + 1 + fuzz_take16(&fuzz->input) % 1520;
    EFI_MANAGED_NETWORK_TRANSMIT_DATA *data;
    bool was_configured;
    bool is_bad;
    unsigned serial;
    EFI_STATUS status;

    if (!slot)
        return;
    if (!(choice & 1) && length < HEADER_BYTES + 1)
        length = HEADER_BYTES + 1;
    serial = slot->serial;
    slot->frame = (struct sending){malloc(length), length};
    for (size_t i = 0; i < length; i++)
        slot->frame.bytes[i] = (uint8_t)((i & 1 ? serial : serial >> 8) + i / 2);
    data = cut(fuzz, slot, choice & 1 ? HEADER_BYTES : 0);
    data->DataLength = (UINT32)(length - HEADER_BYTES);
    if (choice & 1) {
        data->DestinationAddress = &to;
        data->SourceAddress = choice & 2 ? &from : NULL;
        data->ProtocolType = 0x1234;
        memcpy(slot->frame.bytes, to.Addr, 6);
        memcpy(slot->frame.bytes + 6, choice & 2 ? from.Addr : fuzz->snp->Mode->CurrentAddress.Addr,
               6);
        slot->frame.bytes[12] = 0x12;
        slot->frame.bytes[13] = 0x34;
    } else {
        data->HeaderLength = HEADER_BYTES;
    }
    is_bad = choice & 4 ? spoil(slot, data, choice >> 3) : false;
    is_bad |= data->DataLength + (client->vlan ? VLAN_BYTES : 0) > fuzz->snp->Mode->MaxPacketSize;
    was_configured = client->is_configured;
    status = client->mnp->Transmit(client->mnp, slot->token);
    fuzz_claim(client->is_vague  ? true
               : !was_configured ? status == EFI_NOT_STARTED
               : is_bad          ? status == EFI_INVALID_PARAMETER
                                 : !status || status == EFI_NOT_READY,
               "Transmit answers %#llx", (unsigned long long)status);
    end_call(slot, serial, status, "Transmit");
}

static struct slot *waiting_slot(struct stack_fuzz *fuzz)
{
    uint8_t which = fuzz_take8(&fuzz->input);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &fuzz->slots[(which + i) % SLOTS];

        if (slot->token && slot->token->Event && client_of(fuzz, slot) && slot->since < fuzz->now)
            return slot;
    }
    return NULL;
}

/* A token that waits is passed again. */
static void pass_again(struct stack_fuzz *fuzz)
{
    struct slot *slot = waiting_slot(fuzz);
    struct client *client = slot ? client_of(fuzz, slot) : NULL;
    EFI_STATUS status;

    /* Inside a call of the same token it may not wait yet. */
    if (!client || fuzz->depth > 0)
        return;
    status = slot->is_transmit ? client->mnp->Transmit(client->mnp, slot->token)
                               : client->mnp->Receive(client->mnp, slot->token);
    fuzz_claim(status == EFI_ACCESS_DENIED, "a token that waits is accepted again: %#llx",
               (unsigned long long)status);
}

static void cancel(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    uint8_t choice = fuzz_take8(&fuzz->input);
    struct slot *slot = choice & 1 ? waiting_slot(fuzz) : NULL;
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN foreign = {0};
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token = slot ? slot->token : NULL;
    unsigned serial = slot ? slot->serial : 0;
    uint32_t before = fuzz->now;
    unsigned client_serial;
    bool was_configured;
    bool waits;
    EFI_STATUS status;

    if (slot)
        client = client_of(fuzz, slot);
    if (!client)
        return;
    if (choice & 2)
        token = &foreign;
    client_serial = client->serial;
    waits = token != &foreign;
    was_configured = client->is_configured;
    fuzz->aborting++;
    status = client->mnp->Cancel(client->mnp, token);
    fuzz->aborting--;
    fuzz_claim(client->is_vague  ? true
               : !was_configured ? status == EFI_NOT_STARTED
               : waits           ? !status || (status == EFI_NOT_FOUND && fuzz->depth > 0)
                                 : status == EFI_NOT_FOUND,
               "Cancel answers %#llx", (unsigned long long)status);
    if (status)
        return;
    if (token)
        fuzz_claim(slot->serial != serial || !slot->token, "a token waits that was cancelled");
    else
        fuzz_claim(fuzz->depth > 0 || !has_tokens(fuzz, client_serial, before),
                   "tokens wait that were cancelled");
}

/* Frames stay in the ring while there is no memory for them. */
static bool has_memory(const struct stack_fuzz *fuzz)
{
    size_t bytes = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < fuzz->held_count; i++)
        bytes += fuzz->held[i].copy.PacketLength;
    for (unsigned i = 0; i < CHILDREN; i++)
        count += fuzz->clients[i].handle != NULL;
    return !fuzz->may_fail && bytes < HELD_BYTES_FEW && count < 3;
}

/* A poll found nothing, so the first `count` frames were taken from the ring before. */
static void note_gone(struct stack_fuzz *fuzz, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fuzz->frames.all[i].gone_by == FOREVER)
            fuzz->frames.all[i].gone_by = fuzz->now;
    }
}

static void poll(struct stack_fuzz *fuzz)
{
    unsigned count = fuzz->frames.count;
    struct client *client = pick(fuzz);
    bool was_configured;
    EFI_STATUS status;

    if (!client)
        return;
    was_configured = client->is_configured;
    status = client->mnp->Poll(client->mnp);
    fuzz_claim(client->is_vague ? true
               : was_configured
                   ? !status || status == EFI_NOT_READY || status == EFI_DEVICE_ERROR ||
                         status == EFI_NOT_STARTED /* of SNP, which others stopped */
                   : status == EFI_NOT_STARTED,
               "Poll answers %#llx", (unsigned long long)status);
    if (status == EFI_NOT_READY && fuzz->depth == 0 && has_memory(fuzz))
        note_gone(fuzz, count);
}

static EFI_MANAGED_NETWORK_CONFIG_DATA take_config(struct stack_fuzz *fuzz)
{
    static const UINT16 types[] = {0, 0x0800, 0x86dd, 0x0806, 0x88b5, 0x8100, 0, 1500};
    static const UINT32 timeouts[] = {0, 10000000, 1, 50000};
    uint8_t flags = fuzz_take8(&fuzz->input);
    uint8_t choice = fuzz_take8(&fuzz->input);

    return (EFI_MANAGED_NETWORK_CONFIG_DATA){
        .ReceivedQueueTimeoutValue = timeouts[choice >> 3 & 3],
        .TransmitQueueTimeoutValue = timeouts[choice >> 5 & 3],
        .ProtocolTypeFilter = types[choice & 7],
        .EnableUnicastReceive = !(flags & 1),
        .EnableMulticastReceive = !(flags & 2),
        .EnableBroadcastReceive = !(flags & 4),
        .EnablePromiscuousReceive = !!(flags & 8),
        .FlushQueuesOnReset = !(flags & 0x10),
        .EnableReceiveTimestamps = flags >> 5 == 7,
        .DisableBackgroundPolling = !(flags & 0x20),
    };
}

static void configure(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = take_config(fuzz);
    EFI_MANAGED_NETWORK_CONFIG_DATA before;
    unsigned serial;
    unsigned change;
    bool was_vague;
    EFI_STATUS expected = EFI_SUCCESS;
    EFI_STATUS status;

    if (!client)
        return;
    if (config.ProtocolTypeFilter == 1500)
        expected = EFI_INVALID_PARAMETER;
    else if (config.EnableReceiveTimestamps)
        expected = EFI_UNSUPPORTED;
    serial = client->serial;
    was_vague = client->is_vague;
    before = client->config;
    if (!expected) {
        if (before.FlushQueuesOnReset)
            forget_epochs(client);
        client->is_configured = true;
        client->config = config;
        if (!config.EnableMulticastReceive)
            client->groups = 0;
        open_epoch(fuzz, client);
        client->changes++;
    }
    change = client->changes;
    client->is_vague |= fuzz->is_hostile || fuzz->may_fail || fuzz->may_lose;
    fuzz->aborting++;
    status = client->mnp->Configure(client->mnp, &config);
    fuzz->aborting--;
    fuzz_claim(status == expected ||
                   (!expected && (fuzz->is_hostile || fuzz->may_fail || fuzz->may_lose)),
               "Configure answers %#llx", (unsigned long long)status);
    if (client->serial != serial)
        return;
    client->is_vague = was_vague;
    if (expected || !status)
        return;
    if (client->changes != change)
        return; /* from inside */
    client->changes++;
    /* Back to the state after CreateChild. */
    client->is_configured = false;
    client->groups = 0;
    close_epoch(fuzz, client);
    if (config.FlushQueuesOnReset)
        forget_epochs(client);
    memset(&client->config, 0, sizeof(client->config));
}

static void unconfigure(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    uint32_t before = fuzz->now;
    unsigned serial;
    EFI_STATUS status;

    if (!client)
        return;
    serial = client->serial;
    if (client->is_configured) {
        close_epoch(fuzz, client);
        if (client->config.FlushQueuesOnReset)
            forget_epochs(client);
    }
    client->changes++;
    client->is_configured = false;
    client->groups = 0;
    memset(&client->config, 0, sizeof(client->config));
    fuzz->aborting++;
    status = client->mnp->Configure(client->mnp, NULL);
    fuzz->aborting--;
    fuzz_claim(!status, "Configure(NULL) answers %#llx", (unsigned long long)status);
    fuzz_claim(fuzz->depth > 0 || !has_tokens(fuzz, serial, before),
               "tokens wait in a client that is not configured");
}

static void change_groups(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    uint8_t choice = fuzz_take8(&fuzz->input);
    unsigned which = choice & 3;
    bool joins = !(choice & 4);
    bool is_all = choice & 8;
    EFI_STATUS expected = EFI_SUCCESS;
    EFI_MAC_ADDRESS address = {0};
    unsigned before;
    EFI_STATUS status;

    if (!client || client->is_vague)
        return;
    memcpy(address.Addr, groups[which], 6);
    before = client->groups;
    if (joins && is_all)
        expected = EFI_INVALID_PARAMETER;
    else if (!client->is_configured)
        expected = EFI_NOT_STARTED;
    else if (!client->config.EnableMulticastReceive || (!is_all && which == GROUPS - 1))
        expected = EFI_INVALID_PARAMETER;
    else if (joins && before >> which & 1)
        expected = EFI_ALREADY_STARTED;
    else if (!joins && !is_all && !(before >> which & 1))
        expected = EFI_NOT_FOUND;
    if (!expected) {
        client->groups = is_all ? 0 : joins ? before | 1u << which : before & ~(1u << which);
        open_epoch(fuzz, client);
    }
    status = client->mnp->Groups(client->mnp, joins, is_all ? NULL : &address);
    fuzz_claim(status == expected ||
                   (!expected && (fuzz->is_hostile || fuzz->may_fail || fuzz->may_lose)),
               "Groups answers %#llx", (unsigned long long)status);
    if (!expected && status && joins) {
        client->groups = before;
        open_epoch(fuzz, client);
    }
}

static void get_mode_data(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    EFI_MANAGED_NETWORK_CONFIG_DATA config;
    EFI_SIMPLE_NETWORK_MODE mode;
    EFI_STATUS status;

    if (!client)
        return;
    status = client->mnp->GetModeData(client->mnp, &config, &mode);
    if (client->is_vague)
        return;
    fuzz_claim(status == (client->is_configured ? EFI_SUCCESS : EFI_NOT_STARTED),
               "GetModeData answers %#llx", (unsigned long long)status);
    if (!status)
        fuzz_claim(memcmp(&config, &client->config, CONFIG_BYTES) == 0,
                   "GetModeData has another configuration");
}

static void mcast_ip_to_mac(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    EFI_IP_ADDRESS ip;
    EFI_MAC_ADDRESS mac;

    if (!client)
        return;
    fuzz_take_bytes(&fuzz->input, &ip, sizeof(ip));
    (void)client->mnp->McastIpToMac(client->mnp, ip.Addr[3] & 1, &ip, &mac);
}

static void call_with_null(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    EFI_MANAGED_NETWORK_PROTOCOL *mnp = client ? client->mnp : NULL;

    if (!mnp)
        return;
    fuzz_claim(mnp->Poll(NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Cancel(NULL, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Receive(NULL, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Receive(mnp, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Transmit(mnp, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Configure(NULL, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->Groups(NULL, FALSE, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->GetModeData(NULL, NULL, NULL) == EFI_INVALID_PARAMETER &&
                   mnp->McastIpToMac(mnp, FALSE, NULL, NULL) == EFI_INVALID_PARAMETER,
               "a call with NULL");
}

static void recycle_some(struct stack_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    unsigned count = 1 + (choice >> 1 & 0x1f);

    while (count-- > 0 && fuzz->held_count > 0)
        recycle(fuzz, choice % fuzz->held_count, choice & 0x40);
}

/* ---- children and services ---- */

static EFI_HANDLE pick_service(struct stack_fuzz *fuzz)
{
    unsigned count =
        fake_firmware_count_handles(fuzz->firmware, &managed_network_service_binding_guid);
    uint8_t which = fuzz_take8(&fuzz->input);

    if (count == 0)
        return NULL;
    return fake_firmware_find_handle(fuzz->firmware, &managed_network_service_binding_guid,
                                     which % count);
}

static void create(struct stack_fuzz *fuzz)
{
    EFI_HANDLE service = pick_service(fuzz);
    uint8_t choice = fuzz_take8(&fuzz->input);
    EFI_HANDLE handle = choice & 1 ? fuzz->own[choice >> 1 & 1] : NULL;
    struct client *client = fuzz->clients;
    EFI_SERVICE_BINDING *binding;
    bool is_taken;
    EFI_STATUS status;

    while (client < fuzz->clients + CHILDREN && client->handle)
        client++;
    if (!service || client == fuzz->clients + CHILDREN)
        return;
    binding =
        fake_firmware_interface(fuzz->firmware, service, &managed_network_service_binding_guid);
    is_taken = handle && fake_firmware_interface(fuzz->firmware, handle, &managed_network_guid);
    status = binding->CreateChild(binding, &handle);
    fuzz_claim(is_taken ? EFI_ERROR(status) : !status || fuzz->may_fail,
               "CreateChild answers %#llx", (unsigned long long)status);
    if (status)
        return;
    *client = (struct client){
        .handle = handle,
        .mnp = fake_firmware_interface(fuzz->firmware, handle, &managed_network_guid),
        .service = service,
        .vlan = vlan_of(fuzz, service),
        .serial = ++fuzz->serial,
        .reader.vlan = vlan_of(fuzz, service),
    };
    fuzz_claim(client->mnp, "CreateChild creates nothing");
}

static void destroy(struct stack_fuzz *fuzz)
{
    struct client *client = pick(fuzz);
    uint32_t before = fuzz->now;
    EFI_SERVICE_BINDING *binding;
    unsigned serial;
    EFI_STATUS status;

    if (!client)
        return;
    binding = fake_firmware_interface(fuzz->firmware, client->service,
                                      &managed_network_service_binding_guid);
    if (!binding)
        return; /* its service is about to go, and will take it along */
    serial = client->serial;
    client->is_configured = false;
    fuzz->aborting++;
    status = binding->DestroyChild(binding, client->handle);
    fuzz->aborting--;
    fuzz_claim(!status || fuzz->may_fail, "DestroyChild answers %#llx", (unsigned long long)status);
    fuzz_claim(status || fuzz->depth > 0 || !has_tokens(fuzz, serial, before),
               "tokens outlive their client");
    look(fuzz);
}

/* The services changed from inside the call that was to change them, or it is such a call. */
static bool is_disturbed(const struct stack_fuzz *fuzz, unsigned change)
{
    return fuzz->depth > 0 || fuzz->changes != change;
}

static uint16_t take_vlan(struct stack_fuzz *fuzz)
{
    static const uint16_t vlans[] = {5, 7, 4094, 0, 4095, 5, 7, 9};

    return vlans[fuzz_take8(&fuzz->input) & 7];
}

static EFI_VLAN_CONFIG_PROTOCOL *vlan_config(struct stack_fuzz *fuzz)
{
    return fuzz->nic ? fake_firmware_interface(fuzz->firmware, fuzz->nic, &vlan_config_guid) : NULL;
}

static void set_vlan(struct stack_fuzz *fuzz)
{
    EFI_VLAN_CONFIG_PROTOCOL *config = vlan_config(fuzz);
    uint16_t vlan = take_vlan(fuzz);
    uint8_t priority = fuzz_take8(&fuzz->input) % 9;
    bool is_bad = vlan > VLAN_ID_MAX || priority > VLAN_PRIORITY_MAX;
    uint8_t before;
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (!config)
        return;
    before = is_bad ? 0 : fuzz->priorities[vlan];
    if (!is_bad)
        fuzz->priorities[vlan] = priority;
    fuzz->aborting++;
    status = config->Set(config, vlan, priority);
    fuzz->aborting--;
    fuzz_claim(is_bad ? status == EFI_INVALID_PARAMETER
                      : !status || fuzz->may_fail || is_disturbed(fuzz, change),
               "Set answers %#llx", (unsigned long long)status);
    if (!is_bad && status) {
        fuzz->priorities[vlan] = before;
        fuzz->tags_are_vague = true;
    }
    look(fuzz);
}

static void remove_vlan(struct stack_fuzz *fuzz)
{
    EFI_VLAN_CONFIG_PROTOCOL *config = vlan_config(fuzz);
    uint16_t vlan = take_vlan(fuzz);
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (!config)
        return;
    fuzz->aborting++;
    status = config->Remove(config, vlan);
    fuzz->aborting--;
    fuzz_claim(vlan > VLAN_ID_MAX ? status == EFI_INVALID_PARAMETER
                                  : !status || status == EFI_NOT_FOUND || fuzz->may_fail ||
                                        is_disturbed(fuzz, change),
               "Remove answers %#llx", (unsigned long long)status);
    if (status && status != EFI_NOT_FOUND && status != EFI_INVALID_PARAMETER)
        fuzz->tags_are_vague = true;
    look(fuzz);
}

static void find_vlans(struct stack_fuzz *fuzz)
{
    EFI_VLAN_CONFIG_PROTOCOL *config = vlan_config(fuzz);
    uint16_t vlan = take_vlan(fuzz);
    bool is_one = fuzz_take8(&fuzz->input) & 1;
    EFI_VLAN_FIND_DATA *entries = NULL;
    UINT16 count = 0;
    EFI_STATUS status;

    if (!config)
        return;
    status = config->Find(config, is_one ? &vlan : NULL, &count, &entries);
    fuzz_claim(!status == !!entries, "Find answers %#llx", (unsigned long long)status);
    for (unsigned i = 0; entries && i < count; i++)
        fuzz_claim((!is_one || entries[i].VlanId == vlan) && entries[i].VlanId <= VLAN_ID_MAX &&
                       (fuzz->tags_are_vague ||
                        entries[i].Priority == fuzz->priorities[entries[i].VlanId]),
                   "Find finds VLAN %u with priority %u", entries[i].VlanId, entries[i].Priority);
    if (entries)
        (void)BS->FreePool(entries);
}

/* Stop the service, and start it again. */
static void restart_service(struct stack_fuzz *fuzz)
{
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (!fuzz->nic)
        return;
    if (fake_firmware_count_handles(fuzz->firmware, &managed_network_service_binding_guid) > 0) {
        fuzz->generation++;
        fuzz->aborting++;
        status = fake_firmware_disconnect(fuzz->firmware, fuzz->nic);
        fuzz->aborting--;
        fuzz_claim(!status || is_disturbed(fuzz, change), "the service does not stop: %#llx",
                   (unsigned long long)status);
    } else {
        (void)fake_firmware_connect(fuzz->firmware, fuzz->nic);
    }
    look(fuzz);
}

/* As GRUB, iPXE and shim do. */
static void take_snp(struct stack_fuzz *fuzz)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (!fuzz->nic)
        return;
    if (fuzz->is_exclusive) {
        (void)BS->CloseProtocol(fuzz->nic, &snp_guid, fuzz->agent, NULL);
        fuzz->is_exclusive = false;
        if (fuzz_take8(&fuzz->input) & 1)
            (void)fake_firmware_connect(fuzz->firmware, fuzz->nic);
    } else {
        fuzz->generation++;
        fuzz->aborting++;
        status = BS->OpenProtocol(fuzz->nic, &snp_guid, (void **)&snp, fuzz->agent, NULL,
                                  EFI_OPEN_PROTOCOL_EXCLUSIVE);
        fuzz->aborting--;
        fuzz->is_exclusive |= !status; /* one that came in between may have it */
        fuzz_claim(!status || is_disturbed(fuzz, change) || fuzz->is_hostile,
                   "SNP cannot be taken: %#llx", (unsigned long long)status);
    }
    look(fuzz);
}

/* Somebody uses SNP, whether it is theirs or not. */
static void use_snp(struct stack_fuzz *fuzz)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp = fuzz->snp;
    uint8_t buffer[1600];
    UINTN bytes = sizeof(buffer);

    if (!snp)
        return;
    fuzz->must_hold = false; /* Receive looks first */
    fuzz->may_lose = true;
    switch (fuzz_take8(&fuzz->input) & 7) {
    case 0:
        (void)snp->Start(snp);
        break;
    case 1:
        (void)snp->Initialize(snp, 0, 0);
        break;
    case 2:
        (void)snp->Shutdown(snp);
        break;
    case 3:
        (void)snp->Stop(snp);
        break;
    case 4:
        (void)snp->Reset(snp, FALSE);
        break;
    case 5:
        (void)snp->Receive(snp, NULL, &bytes, buffer, NULL, NULL, NULL);
        break;
    case 6:
        (void)snp->ReceiveFilters(snp, EFI_SIMPLE_NETWORK_RECEIVE_UNICAST,
                                  EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST, TRUE, 0, NULL);
        break;
    default:
        (void)snp->GetStatus(snp, NULL, NULL);
        break;
    }
}

static void reconnect_nic(struct stack_fuzz *fuzz)
{
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (fuzz->is_exclusive)
        return;
    fuzz->may_lose = true;
    if (fuzz->nic) {
        fuzz->generation++;
        fuzz->aborting++;
        status = fake_firmware_disconnect(fuzz->firmware, fuzz->controller);
        fuzz->aborting--;
        fuzz_claim(!status || is_disturbed(fuzz, change), "the NIC is not let go: %#llx",
                   (unsigned long long)status);
    } else {
        if (fuzz->is_hostile)
            hostile_connecting(&fuzz->hostile, true);
        (void)fake_firmware_connect(fuzz->firmware, fuzz->controller);
        if (fuzz->is_hostile)
            hostile_connecting(&fuzz->hostile, false);
    }
    look(fuzz);
}

static void install(struct stack_fuzz *fuzz)
{
    static const struct options options = {.takeover = true, .stack = STACK_OWN};

    fuzz->image = fake_firmware_load_image(fuzz->firmware, NULL);
    fuzz_claim(!EFI_ERROR(driver_binding_install(fuzz->image, &options)),
               "the driver cannot be installed");
}

/* It must not go while a client has a packet of a service that is gone. */
static void unload(struct stack_fuzz *fuzz)
{
    unsigned change = ++fuzz->changes;
    EFI_STATUS status;

    if (fuzz->is_exclusive)
        return;
    fuzz->may_lose = true;
    fuzz->generation++;
    fuzz->aborting++;
    status = driver_binding_uninstall();
    fuzz->aborting--;
    fuzz_claim(is_disturbed(fuzz, change) ||
                   (fuzz->held_count > 0 ? status == EFI_ACCESS_DENIED : !status),
               "with %u packets at clients, Unload answers %#llx", fuzz->held_count,
               (unsigned long long)status);
    look(fuzz);
    if (!status) {
        fuzz_claim(!fuzz->nic, "the driver is gone, its NIC is not");
        install(fuzz);
    }
}

/* ---- the network and the device ---- */

/* As the device and its driver have agreed to. False: not at all, or there is no buffer. */
static bool hand_over(struct stack_fuzz *fuzz, const struct stack_frame *frame)
{
    uint64_t features = fake_device_accepted_features(fuzz->device);
    bool is_large = stack_frame_is_large(frame);
    uint8_t space[STACK_FRAME_SPACE];
    struct fake_offload offload;

    if (is_large && (features & FAKE_LARGE_FEATURES) != FAKE_LARGE_FEATURES)
        return false;
    if (!frame->is_unfinished || !(features & VIRTIO_NET_F_GUEST_CSUM))
        return fake_device_deliver(fuzz->device, frame->bytes, frame->length);
    offload = stack_frame_unfinish(frame, space);
    return fake_device_deliver_large(fuzz->device, space, frame->length, &offload);
}

static bool deliver(struct stack_fuzz *fuzz, const struct stack_frame *frame)
{
    bool was_tainted = fuzz->device->is_tainted;
    bool is_there;

    if (!frame)
        return false;
    /* In the middle of a call the driver is not done with the doorbell yet. */
    fuzz->device->is_tainted |= fuzz->wire.is_in_call;
    is_there = hand_over(fuzz, frame);
    fuzz->device->is_tainted = was_tainted;
    /* The model uses a buffer that is too short with a length of 0, which breaks the ring. */
    fuzz->link_was_down |=
        !is_there && frame->length > PLAIN_FRAME_MAX && !stack_frame_is_large(frame);
    fuzz->frames.all[fuzz->frames.count].at = fuzz->now;
    fuzz->frames.all[fuzz->frames.count].gone_by = FOREVER;
    fuzz->frames.count += is_there;
    return is_there;
}

static void send_any(struct stack_fuzz *fuzz)
{
    (void)deliver(fuzz, stack_frames_take_any(&fuzz->frames, &fuzz->input));
}

static void send_plain(struct stack_fuzz *fuzz)
{
    (void)deliver(fuzz, stack_frames_take_plain(&fuzz->frames, &fuzz->input));
}

static void send_segment(struct stack_fuzz *fuzz)
{
    (void)deliver(fuzz, stack_frames_take_segment(&fuzz->frames, &fuzz->input));
}

/* Of one connection, or of two. */
static void send_many(struct stack_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    unsigned count = 2 + (choice >> 3) * 3;

    for (unsigned i = 0; i < count; i++) {
        unsigned connection = (choice & 3) + (choice & 4 ? i & 1 : 0);

        if (!deliver(fuzz, stack_frames_next_segment(&fuzz->frames, connection)))
            return;
    }
}

static void act(struct stack_fuzz *fuzz)
{
    struct fake_device *device = fuzz->device;
    uint8_t choice = fuzz_take8(&fuzz->input);

    fuzz->wire.is_in_call = false;
    fuzz->may_lose = true;
    if (fuzz->is_hostile) {
        fuzz->link_was_down = true;
        hostile_act(&fuzz->hostile);
        return;
    }
    switch (choice & 7) {
    case 0:
        fake_device_stall(device, choice & 8);
        break;
    case 1:
        fake_device_set_link(device, choice & 8);
        fuzz->link_was_down = true;
        break;
    case 2:
        fake_device_need_reset(device);
        fuzz->link_was_down = true; /* the link of a device that is down is down, too */
        break;
    case 3:
        fake_device_complete_in_reverse(device, choice & 8);
        break;
    case 4: /* a device that asks for doorbells also looks at its rings */
        fake_device_process(device);
        fake_device_poll_rings(device, choice & 8);
        break;
    case 5:
        fake_device_fail_command(device, choice >> 4,
                                 choice & 8 ? FAKE_CONTROL_REFUSES : FAKE_CONTROL_NEVER_ACKS);
        break;
    default:
        fake_device_process(device);
        break;
    }
}

/* In the middle of a call. */
static void before_access(void *context)
{
    struct stack_fuzz *fuzz = context;

    fuzz_claim(!fuzz->must_hold || fake_firmware_tpl(fuzz->firmware) >= TPL_CALLBACK,
               "an event could come in between");
    if (fuzz->ambush == 0 || --fuzz->ambush > 0)
        return;
    send_segment(fuzz);
    fuzz->ambush = fuzz_take8(&fuzz->input) & 0x3f;
}

static void let_time_pass(struct stack_fuzz *fuzz)
{
    fuzz->aborting++; /* whoever enters from here */
    fake_firmware_advance_us(fuzz->firmware, fuzz_take8(&fuzz->input) * UINT64_C(2000));
    fuzz->aborting--;
}

/* Where a step is allowed. An event can come in between the device accesses of a change. */
enum where { ANYWHERE, ANYWHERE_AS_CHANGE, OUTERMOST };

static const struct {
    step *run;
    const char *name;
    enum where where;
} steps[] = {
    {poll, "Poll", ANYWHERE},
    {receive, "Receive", ANYWHERE},
    {transmit, "Transmit", ANYWHERE},
    {send_segment, "a segment", ANYWHERE},
    {send_many, "segments", ANYWHERE},
    {send_plain, "a frame", ANYWHERE},
    {send_any, "any frame", ANYWHERE},
    {configure, "Configure", ANYWHERE},
    {create, "CreateChild", ANYWHERE},
    {receive, "Receive", ANYWHERE},
    {poll, "Poll", ANYWHERE},
    {recycle_some, "RecycleEvent", ANYWHERE},
    {cancel, "Cancel", ANYWHERE},
    {change_groups, "Groups", ANYWHERE},
    {unconfigure, "Configure(NULL)", ANYWHERE},
    {destroy, "DestroyChild", ANYWHERE},
    {let_time_pass, "the timer", OUTERMOST},
    {set_vlan, "Set", ANYWHERE_AS_CHANGE},
    {remove_vlan, "Remove", ANYWHERE_AS_CHANGE},
    {find_vlans, "Find", ANYWHERE},
    {restart_service, "the service", ANYWHERE_AS_CHANGE},
    {take_snp, "SNP", ANYWHERE_AS_CHANGE},
    {use_snp, "a call of SNP", ANYWHERE},
    {act, "the device", OUTERMOST},
    {get_mode_data, "GetModeData", ANYWHERE},
    {mcast_ip_to_mac, "McastIpToMac", ANYWHERE},
    {call_with_null, "a call with NULL", ANYWHERE},
    {pass_again, "a token again", ANYWHERE},
    {reconnect_nic, "the NIC", OUTERMOST},
    {unload, "Unload", OUTERMOST},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))
#define FAILURE 0x3fu /* a step in which the firmware fails */
#define FAILING_STEPS 20u

/* From inside a DPC, or an event at TPL_CALLBACK. */
static VOID EFIAPI enter(VOID *context)
{
    struct stack_fuzz *fuzz = context;
    unsigned count = fuzz_take8(&fuzz->input) % 3;

    if (fuzz->depth == DEPTH_MAX || fuzz->is_ending)
        return;
    fuzz->depth++;
    for (; count > 0 && fuzz->nested < NESTED_MAX; count--) {
        unsigned index = (fuzz_take8(&fuzz->input) & 0x3f) % STEPS;

        fuzz->nested++;
        fuzz->now++;
        fuzz->wire.accesses = 0;
        fuzz->wire.call_start_us = fake_firmware_now_us(fuzz->firmware);
        if (steps[index].where == OUTERMOST)
            continue;
        look(fuzz);
        steps[index].run(fuzz);
    }
    fuzz->depth--;
}

static VOID EFIAPI on_enter(EFI_EVENT event, VOID *context)
{
    (void)event;
    enter(context);
}

/* What the device sent since the last time is what clients have sent, in order. */
static void check_sent(struct stack_fuzz *fuzz)
{
    const struct fake_frame *frame;

    while ((frame = fake_device_take_frame(fuzz->device))) {
        bool is_found = fuzz->is_hostile;

        while (!is_found && fuzz->sending_first < fuzz->sending_end) {
            struct sending *sending = &fuzz->sendings[fuzz->sending_first++ % SENDINGS];

            if (fuzz->tags_are_vague && frame->length > 14 && sending->length == frame->length)
                sending->bytes[14] = frame->data[14];
            is_found = sending->length == frame->length &&
                       memcmp(sending->bytes, frame->data, frame->length) == 0;
            free(sending->bytes);
            fuzz_claim(is_found || fuzz->may_lose, "another frame is sent than the next one");
        }
        fuzz_claim(is_found, "a frame is sent that nobody sent");
    }
    fuzz_claim(fuzz->may_lose || fuzz->sending_first == fuzz->sending_end,
               "a frame is not sent whose token says so");
}

static void forget_sendings(struct stack_fuzz *fuzz)
{
    while (fuzz->sending_first < fuzz->sending_end)
        free(fuzz->sendings[fuzz->sending_first++ % SENDINGS].bytes);
}

static void check_tokens(struct stack_fuzz *fuzz)
{
    for (unsigned i = 0; i < SLOTS; i++)
        fuzz_claim(!fuzz->slots[i].token || client_of(fuzz, &fuzz->slots[i]),
                   "a token outlives its client");
}

static void run(struct stack_fuzz *fuzz, unsigned index, bool is_at_callback)
{
    EFI_TPL tpl = TPL_APPLICATION;

    fuzz->now++;
    fuzz->nested = 0;
    if (is_at_callback)
        tpl = BS->RaiseTPL(TPL_CALLBACK);
    fuzz->must_hold = steps[index].where == ANYWHERE;
    wire_begin(&fuzz->wire);
    steps[index].run(fuzz);
    wire_end(&fuzz->wire, steps[index].name);
    if (is_at_callback) {
        fuzz->aborting++; /* the events of this step */
        BS->RestoreTPL(tpl);
        fuzz->aborting--;
    }
    look(fuzz);
    if (fuzz->is_hostile)
        forget_sendings(fuzz);
    check_sent(fuzz);
    check_tokens(fuzz);
}

/* The nth call of the firmware fails, or all from there on, and the step is one that must bear it.
 */
static unsigned begin_failure(struct stack_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);

    fake_firmware_count_only(fuzz->firmware, FAKE_CALL_MEMORY | FAKE_CALL_EVENT |
                                                 FAKE_CALL_PROTOCOL | FAKE_CALL_RUNTIME);
    if (choice & 8)
        fake_firmware_fail_from(fuzz->firmware, 1u + (choice & 7));
    else
        fake_firmware_fail_nth(fuzz->firmware, 1u + (choice & 7));
    fuzz->may_fail = true;
    fuzz->may_lose = true;
    return (fuzz_take8(&fuzz->input) & 0x3fu) % FAILING_STEPS;
}

static void run_next(struct stack_fuzz *fuzz)
{
    uint8_t byte = fuzz_take8(&fuzz->input);
    unsigned index = byte & 0x3fu;

    if (index == FAILURE && !fuzz->is_hostile)
        index = begin_failure(fuzz);
    index %= STEPS;
    if (byte & WITH_AMBUSH) {
        if (fuzz->is_hostile)
            hostile_arm(&fuzz->hostile);
        else
            fuzz->ambush = fuzz_take8(&fuzz->input);
    }
    run(fuzz, index, (byte & AT_CALLBACK) && steps[index].where != OUTERMOST);
    fake_firmware_fail_nth(fuzz->firmware, 0);
    fuzz->may_fail = false;
    fuzz->ambush = 0;
}

/* ---- the machine ---- */

static struct fake_device_options choose_device(struct fuzz_input *input)
{
    static const uint16_t sizes[] = {256, 64, 16, 4};
    static const uint16_t mtus[] = {1500, 1500, 9000, 1496};
    uint8_t choice = fuzz_take8(input);
    uint8_t more = fuzz_take8(input);

    return (struct fake_device_options){
        .transport = (enum fake_transport)((choice & 3) % 3),
        .features = FAKE_DEVICE_FEATURES | (choice & 4 ? VIRTIO_F_RING_PACKED : 0) |
                    (choice & 8 ? VIRTIO_F_IN_ORDER : 0),
        .removed_features = (choice & 0x10 ? VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX : 0) |
                            (choice & 0x20 ? VIRTIO_F_EVENT_IDX : 0),
        .queue_size = {sizes[more & 3], sizes[more >> 2 & 3], 64},
        .mtu = mtus[more >> 4 & 3],
        .mac_table_max = more & 0x40 ? 2 : 0,
    };
}

static void create_events(struct stack_fuzz *fuzz)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        fuzz->slots[i].fuzz = fuzz;
        (void)BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, on_token, &fuzz->slots[i],
                              &fuzz->slots[i].event);
    }
    (void)BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, on_enter, fuzz, &fuzz->enter_event);
}

static void begin(struct stack_fuzz *fuzz)
{
    static EFI_GUID own_guid = {0x12345678, 1, 2, {3}};
    struct fake_device_options options = choose_device(&fuzz->input);
    uint8_t choice = fuzz_take8(&fuzz->input);

    if (choice & 0x10)
        options.features |= FAKE_LARGE_FEATURES | VIRTIO_F_ANY_LAYOUT;
    fuzz->firmware = fake_firmware_new(0);
    fuzz->device = fake_device_new(fuzz->firmware, &options);
    fuzz->controller = fake_device_handle(fuzz->device);
    fuzz->dpc = choice & 1 ? NULL : fake_dpc_new(fuzz->firmware, NULL);
    fuzz->is_hostile = (choice & 0x0e) == 0x0e;
    if (choice & 0x20)
        (void)fake_mnp_client_new(fuzz->firmware, fuzz->dpc, 0x0800);
    fake_device_filter_frames(fuzz->device, choice & 0x40);
    fuzz->agent = fake_firmware_load_image(fuzz->firmware, NULL);
    for (unsigned i = 0; i < 2; i++)
        fuzz->own[i] = fake_firmware_new_handle(fuzz->firmware, &own_guid, fuzz);
    create_events(fuzz);
    memcpy(fuzz->frames.station, fake_device_mac(fuzz->device), 6);
    for (unsigned i = 0; i < STACK_CONNECTIONS; i++)
        fuzz->frames.next_sequence[i] = 0u - 3000 * i;
    fake_firmware_baseline(fuzz->firmware);
    install(fuzz);
    wire_init(&fuzz->wire, fuzz->device);
    fuzz->wire.calls_max =
        2; /* Start, and in it the Configure of a client that comes with the NIC */
    if (fuzz->is_hostile) {
        hostile_init(&fuzz->hostile, &fuzz->input, fuzz->device, &fuzz->wire);
    } else {
        fuzz->wire.before = before_access;
        fuzz->wire.context = fuzz;
    }
    (void)fake_firmware_connect(fuzz->firmware, fuzz->controller);
    look(fuzz);
    fuzz_claim(fuzz->nic, "the driver does not start");
}

static void become_good(struct stack_fuzz *fuzz)
{
    struct hostile hostile = {.device = fuzz->device};

    fuzz->is_ending = true;
    fuzz->wire.is_in_call = false;
    hostile_become_good(fuzz->is_hostile ? &fuzz->hostile : &hostile);
    fake_device_set_link(fuzz->device, true);
    fake_device_set_mtu(fuzz->device, GOOD_MTU);
    fake_device_filter_frames(fuzz->device, false);
    if (fuzz->is_exclusive)
        (void)BS->CloseProtocol(fuzz->nic, &snp_guid, fuzz->agent, NULL);
    fuzz->is_exclusive = false;
    fuzz->generation++;
    fuzz->aborting++;
    fuzz_claim(!fake_firmware_disconnect(fuzz->firmware, fuzz->controller) || !fuzz->nic,
               "the driver does not let go of its NIC");
    look(fuzz);
    fuzz_claim(!fuzz->nic, "the NIC remains");
    check_tokens(fuzz);
    (void)fake_firmware_connect(fuzz->firmware, fuzz->controller);
    look(fuzz);
    fuzz_claim(fuzz->nic, "the driver does not start on a good device");
    memcpy(fuzz->frames.station, fuzz->snp->Mode->CurrentAddress.Addr, 6);
    fuzz->is_hostile = false;
    fuzz->may_lose = true;
    while (fake_device_take_frame(fuzz->device))
        ;
    forget_sendings(fuzz);
}

/* With whatever VLANs there are. */
static void claim_traffic_flows(struct stack_fuzz *fuzz)
{
    static const uint8_t nothing;
    struct client *client;
    unsigned serial;

    fuzz->input = (struct fuzz_input){&nothing, &nothing};
    create(fuzz);
    client = pick(fuzz);
    fuzz_claim(client, "a service that works has no children");
    run(fuzz, 7, false); /* Configure: everything to us, untagged or not */
    fuzz_claim(client->is_configured, "Configure fails on a good device");
    fuzz->may_lose = false;
    run(fuzz, 2, false);
    fuzz_claim(fuzz->sending_end > 0, "a frame is not sent");
    serial = fuzz->serial;
    run(fuzz, 1, false);
    fuzz_claim(fuzz->serial > serial, "Receive");
    for (unsigned tag = 0; tag < STACK_TAGS; tag++) {
        const uint8_t bytes[] = {4, (uint8_t)tag, 100, 0};

        if (stack_tags[tag] != client->vlan)
            continue;
        fuzz->frames.count -= fuzz->frames.count == STACK_FRAMES_MAX;
        fuzz->input = (struct fuzz_input){bytes, bytes + sizeof(bytes)};
        fuzz_claim(deliver(fuzz, stack_frames_take_plain(&fuzz->frames, &fuzz->input)),
                   "no receive buffer");
        run(fuzz, 0, false);
        fuzz_claim(!has_tokens(fuzz, client->serial, FOREVER), "a frame is not received");
        break;
    }
    destroy(fuzz);
}

static void end(struct stack_fuzz *fuzz)
{
    fake_firmware_fail_nth(fuzz->firmware, 0);
    become_good(fuzz);
    claim_traffic_flows(fuzz);
    if (fuzz->held_count > 0)
        fuzz_claim(driver_binding_uninstall() == EFI_ACCESS_DENIED,
                   "the driver goes although clients hold packets");
    while (fuzz->held_count > 0)
        recycle(fuzz, 0, false);
    fuzz_claim(!EFI_ERROR(driver_binding_uninstall()), "the driver does not let go");
    look(fuzz);
    check_tokens(fuzz);
    fake_firmware_assert_nothing_leaked(fuzz->firmware);
    forget_sendings(fuzz);
    wire_fini();
    fake_firmware_free(fuzz->firmware);
    for (unsigned i = 0; i < SLOTS; i++)
        fuzz_claim(!fuzz->slots[i].token, "a token waits for ever");
    stack_frames_free(&fuzz->frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stack_fuzz *fuzz = calloc(1, sizeof(*fuzz));

    fuzz_begin(&fuzz->input, data, size);
    begin(fuzz);
    while (fuzz_left(&fuzz->input) > 0)
        run_next(fuzz);
    end(fuzz);
    free(fuzz);
    return 0;
}
