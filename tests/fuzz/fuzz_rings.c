/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * SNP calls in any order with any arguments, on a device that does anything at any time, also
 * during a call. Each byte of the input is an operation, followed by its arguments. At the end the
 * device behaves again, and after a reset a frame must pass in each direction. Then the driver is
 * removed, and nothing may be left behind.
 *
 * Input: 5 bytes that select the device, 0x20 of the second one a device that joins segments, whose
 * owner may then take large frames; then operations. Bit 7 of an operation: at TPL_CALLBACK.
 * Bit 6: the device acts during it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guids.h"
#include "driver/diagnostics.h"
#include "driver/driver_binding.h"
#include "hostile.h"
#include "snp/snp.h"
#include "uefi_ext/adapter_information.h"

#define HEADER_BYTES 14u
#define VLAN_BYTES 4u
#define FRAME_BYTES 60u
#define SENT_MAX 1024u
#define AT_CALLBACK 0x80u
#define WITH_AMBUSH 0x40u
#define NEWER_FEATURES 10u /* header bits from here on add features, those below remove them */
#define UNTOUCHED 0xee
#define BUFFER_BYTES_MAX 0x200000u /* of all receive buffers, which may hold one frame */

struct rings_fuzz {
    struct fuzz_input input;
    struct fake_firmware *firmware;
    struct fake_device *device;
    EFI_HANDLE controller;
    EFI_HANDLE image;
    EFI_HANDLE child;                     /* NULL: not connected */
    EFI_SIMPLE_NETWORK_PROTOCOL *network; /* likewise */
    struct wire wire;
    struct hostile hostile;
    UINT32 state; /* that Mode must show */
    bool has_exited;
    bool is_deceived;     /* about the device, when it was connected */
    bool joins_segments;  /* what the device offers */
    bool is_collected;    /* GetStatus was asked for a buffer since the device's start */
    void *sent[SENT_MAX]; /* the driver's, oldest first */
    unsigned sent_count;
};

typedef void operation(struct rings_fuzz *fuzz);

/* Common to all methods but Start, Stop and Initialize. True if the call passed the state check. */
static bool passes_gate(const struct rings_fuzz *fuzz, EFI_STATUS status, const char *what)
{
    if (fuzz->state == EfiSimpleNetworkInitialized)
        return true;
    fuzz_claim(status ==
                   (fuzz->state == EfiSimpleNetworkStopped ? EFI_NOT_STARTED : EFI_DEVICE_ERROR),
               "%s answers %#llx in state %u", what, (unsigned long long)status, fuzz->state);
    return false;
}

static uint8_t *new_buffer(size_t bytes)
{
    uint8_t *buffer = malloc(bytes);

    memset(buffer, UNTOUCHED, bytes);
    return buffer;
}

static bool is_untouched(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != UNTOUCHED)
            return false;
    }
    return true;
}

static void forget_sent(struct rings_fuzz *fuzz, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(fuzz->sent[i]);
    fuzz->sent_count -= count;
    memmove(fuzz->sent, fuzz->sent + count, fuzz->sent_count * sizeof(fuzz->sent[0]));
}

static void forget_all_sent(struct rings_fuzz *fuzz)
{
    forget_sent(fuzz, fuzz->sent_count);
    fuzz->is_collected = false;
}

static void check_mode(const struct rings_fuzz *fuzz)
{
    const EFI_SIMPLE_NETWORK_MODE *mode = fuzz->network->Mode;

    fuzz_claim(mode->State == fuzz->state, "state %u, not %u", mode->State, fuzz->state);
    fuzz_claim(mode->HwAddressSize == 6 && mode->MediaHeaderSize == HEADER_BYTES &&
                   mode->NvRamSize == 0 && mode->IfType == 1,
               "a constant of Mode changed");
    fuzz_claim(mode->MaxPacketSize >= 68 && mode->MaxPacketSize <= 65535, "MaxPacketSize is %u",
               mode->MaxPacketSize);
    fuzz_claim(mode->MCastFilterCount <= mode->MaxMCastFilterCount &&
                   mode->MaxMCastFilterCount <= MAX_MCAST_FILTER_CNT,
               "%u multicast addresses", mode->MCastFilterCount);
    fuzz_claim(!(mode->ReceiveFilterSetting & ~mode->ReceiveFilterMask), "filters %#x",
               mode->ReceiveFilterSetting);
    fuzz_claim(!(mode->CurrentAddress.Addr[0] & 1) && !(mode->PermanentAddress.Addr[0] & 1),
               "the station has a group's address");
}

static const struct virtqueue_chain *turn_of(const struct virtqueue *ring, unsigned nth)
{
    unsigned turn = (ring->turn_popped + nth) % VIRTQUEUE_SLOTS_MAX;

    return &ring->chains[ring->turns[turn].slot * ring->segments_per_slot];
}

/* IN_ORDER: the buffers in flight, in order, and the batch among them. */
static void check_turns(const struct virtqueue *ring)
{
    unsigned turns = (uint16_t)(ring->turn_pushed - ring->turn_popped);

    fuzz_claim(turns == ring->in_flight_count, "%u turns of %u slots", turns,
               ring->in_flight_count);
    fuzz_claim(ring->batch_left <= turns, "%u of %u turns are a batch", ring->batch_left, turns);
    for (unsigned i = 0; i < turns; i++)
        fuzz_claim(turn_of(ring, i)->is_in_flight, "turn %u is of no slot in flight", i);
}

/* The positions of the next buffer and of the next used descriptor differ by the number in flight.
 */
static void check_packed(const struct virtqueue *ring, unsigned in_flight_descriptors)
{
    unsigned apart = (uint16_t)(ring->avail_next - ring->used_next);

    fuzz_claim(apart == in_flight_descriptors && apart <= ring->size,
               "%u descriptors are in flight, the ring says %u", in_flight_descriptors, apart);
    fuzz_claim(ring->watch.word == &ring->packed.ring[ring->used_next % ring->size].flags,
               "news are looked for elsewhere");
}

/* The driver's own records, since it does not trust the ring. */
static void check_ring(const struct virtqueue *ring)
{
    unsigned in_flight = 0;
    unsigned descriptors = 0;

    for (unsigned i = 0; i < ring->chained_count; i++) {
        in_flight += ring->chains[i].is_in_flight;
        descriptors += ring->chains[i].is_in_flight ? ring->chains[i].segment_count : 0;
    }
    fuzz_claim(in_flight == ring->in_flight_count, "%u slots are in flight, %u are counted",
               in_flight, ring->in_flight_count);
    if (ring->format.is_in_order)
        check_turns(ring);
    if (ring->format.is_packed)
        check_packed(ring, descriptors);
    else
        fuzz_claim((uint16_t)(ring->avail_next - ring->used_next) == in_flight,
                   "%u slots are in flight, the ring says %u", in_flight,
                   (uint16_t)(ring->avail_next - ring->used_next));
}

/* If a device's index only ever advanced, no buffer is taken that it has not used. */
static void check_taken(const struct virtqueue *ring, const struct hostile *hostile)
{
    if (ring->format.is_packed || !ring->format.is_in_order || hostile->has_gone_back)
        return;
    fuzz_claim((int16_t)(ring->used->idx - ring->used_next) >= 0,
               "%u buffers are taken that the device did not use",
               (uint16_t)(ring->used_next - ring->used->idx));
}

static void check_rings(const struct rings_fuzz *fuzz)
{
    const struct net_device *net = &((const struct snp *)fuzz->network)->net;

    if (net_device_has_queues(net) && !fuzz->has_exited) {
        check_taken(&net->rx.queue.ring, &fuzz->hostile);
        check_taken(&net->tx.queue.ring, &fuzz->hostile);
    }
    if (net_device_is_down(net))
        return;
    check_ring(&net->rx.queue.ring);
    check_ring(&net->tx.queue.ring);
    fuzz_claim(net->tx_free_count + net->tx.queue.ring.in_flight_count == net->tx.count,
               "a transmit slot is lost, or there twice");
    fuzz_claim(net->rx_kept_count + net->has_waiting + net->rx.queue.ring.in_flight_count ==
                   net->rx.count,
               "a receive buffer is lost, or there twice");
}

/* A buffer's size bounds its bytes. A length above it, or below the header's, counts as none. */
static void check_counters(const struct rings_fuzz *fuzz)
{
    const struct net_traffic *rx = &((const struct snp *)fuzz->network)->net.counters.rx;

    fuzz_claim(rx->bad_bytes <= (rx->undersize + rx->oversize + rx->dropped) * BUFFER_BYTES_MAX,
               "%llu bytes are counted that no buffer held", (unsigned long long)rx->bad_bytes);
}

static void start(struct rings_fuzz *fuzz)
{
    EFI_STATUS status = fuzz->network->Start(fuzz->network);

    fuzz_claim(status ==
                   (fuzz->state == EfiSimpleNetworkStopped ? EFI_SUCCESS : EFI_ALREADY_STARTED),
               "Start answers %#llx", (unsigned long long)status);
    if (!EFI_ERROR(status))
        fuzz->state = EfiSimpleNetworkStarted;
}

static void stop(struct rings_fuzz *fuzz)
{
    EFI_STATUS status = fuzz->network->Stop(fuzz->network);

    fuzz_claim(status == (fuzz->state == EfiSimpleNetworkStopped       ? EFI_NOT_STARTED
                          : fuzz->state == EfiSimpleNetworkInitialized ? EFI_DEVICE_ERROR
                                                                       : EFI_SUCCESS),
               "Stop answers %#llx", (unsigned long long)status);
    fuzz->state = EFI_ERROR(status) ? fuzz->state : EfiSimpleNetworkStopped;
}

static void initialize(struct rings_fuzz *fuzz)
{
    UINTN extra = fuzz_take8(&fuzz->input);
    EFI_STATUS status = fuzz->joins_segments && extra & 1
                            ? snp_initialize_large((struct snp *)fuzz->network)
                            : fuzz->network->Initialize(fuzz->network, extra, extra);

    if (fuzz->state != EfiSimpleNetworkStarted) {
        fuzz_claim(
            status == (fuzz->state == EfiSimpleNetworkStopped ? EFI_NOT_STARTED : EFI_DEVICE_ERROR),
            "Initialize answers %#llx", (unsigned long long)status);
        return;
    }
    forget_all_sent(fuzz);
    if (!EFI_ERROR(status))
        fuzz->state = EfiSimpleNetworkInitialized;
}

static void reset(struct rings_fuzz *fuzz)
{
    EFI_STATUS status = fuzz->network->Reset(fuzz->network, fuzz_take8(&fuzz->input) & 1);

    if (!passes_gate(fuzz, status, "Reset"))
        return;
    fuzz_claim(!status || status == EFI_DEVICE_ERROR, "Reset answers %#llx",
               (unsigned long long)status);
    forget_all_sent(fuzz);
}

static void shutdown(struct rings_fuzz *fuzz)
{
    EFI_STATUS status = fuzz->network->Shutdown(fuzz->network);

    if (!passes_gate(fuzz, status, "Shutdown"))
        return;
    fuzz_claim(!status, "Shutdown answers %#llx", (unsigned long long)status);
    forget_all_sent(fuzz);
    fuzz->state = EfiSimpleNetworkStarted;
    fuzz_claim(fuzz->network->Mode->ReceiveFilterSetting == 0, "Shutdown leaves filters");
}

/* A list with exactly as many addresses as may be read. */
static void receive_filters(struct rings_fuzz *fuzz)
{
    struct fuzz_input *input = &fuzz->input;
    uint8_t choice = fuzz_take8(input);
    uint32_t enable = fuzz_take8(input) | (choice & 0x80 ? 0x10000u : 0);
    uint32_t disable = fuzz_take8(input);
    UINTN claimed = choice & 0x40 ? fuzz_take32(input) : fuzz_take8(input) % 20;
    size_t count = claimed < MAX_MCAST_FILTER_CNT ? claimed : MAX_MCAST_FILTER_CNT;
    EFI_MAC_ADDRESS *list = malloc(count * sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        fuzz_take_bytes(input, &list[i], 6);
        list[i].Addr[0] |= choice & 1;
    }
    (void)passes_gate(fuzz,
                      fuzz->network->ReceiveFilters(fuzz->network, enable, disable, choice >> 1 & 1,
                                                    claimed, choice & 4 ? NULL : list),
                      "ReceiveFilters");
    free(list);
}

static void station_address(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    EFI_MAC_ADDRESS *address = malloc(sizeof(*address));
    EFI_STATUS status;

    fuzz_take_bytes(&fuzz->input, address, 8);
    status = fuzz->network->StationAddress(fuzz->network, choice & 1, choice & 2 ? NULL : address);
    if (passes_gate(fuzz, status, "StationAddress") && !status && !(choice & 1))
        fuzz_claim(!memcmp(&fuzz->network->Mode->CurrentAddress, address, 6),
                   "Mode has another address than StationAddress set");
    free(address);
}

static void statistics(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    UINTN room = fuzz_take8(&fuzz->input);
    UINTN bytes = room;
    uint8_t *table = new_buffer(room);
    EFI_STATUS status =
        fuzz->network->Statistics(fuzz->network, choice & 1, choice & 2 ? NULL : &bytes,
                                  choice & 4 ? NULL : (EFI_NETWORK_STATISTICS *)(void *)table);

    if (passes_gate(fuzz, status, "Statistics") && !status && !(choice & 6))
        fuzz_claim(bytes == sizeof(EFI_NETWORK_STATISTICS) && bytes <= room &&
                       is_untouched(table + bytes, room - bytes),
                   "Statistics writes behind its table");
    free(table);
}

static void mcast_ip_to_mac(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    EFI_IP_ADDRESS *ip = malloc(sizeof(*ip));
    EFI_MAC_ADDRESS *mac = malloc(sizeof(*mac));
    EFI_STATUS status;

    fuzz_take_bytes(&fuzz->input, ip, choice & 1 ? 16 : 4);
    status = fuzz->network->MCastIpToMac(fuzz->network, choice & 1, choice & 2 ? NULL : ip,
                                         choice & 4 ? NULL : mac);
    if (passes_gate(fuzz, status, "MCastIpToMac") && !status)
        fuzz_claim(mac->Addr[0] & 1, "a multicast address that is none");
    free(ip);
    free(mac);
}

static void nv_data(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    uint8_t *buffer = new_buffer(choice);

    (void)passes_gate(fuzz,
                      fuzz->network->NvData(fuzz->network, choice & 1, choice, choice,
                                            choice & 2 ? NULL : buffer),
                      "NvData");
    fuzz_claim(is_untouched(buffer, choice), "NvData writes");
    free(buffer);
}

static void get_status(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);
    UINT32 interrupts = 0;
    void *buffer = NULL;
    EFI_STATUS status = fuzz->network->GetStatus(fuzz->network, choice & 1 ? NULL : &interrupts,
                                                 choice & 2 ? NULL : &buffer);

    if (!passes_gate(fuzz, status, "GetStatus"))
        return;
    fuzz_claim(!(interrupts & ~0xfu), "interrupts %#x", interrupts);
    if (EFI_ERROR(status) || (choice & 2))
        return;
    fuzz->is_collected = true;
    fuzz_claim(buffer == (fuzz->sent_count > 0 ? fuzz->sent[0] : NULL),
               "GetStatus returns %p, not the oldest buffer", buffer);
    if (buffer)
        forget_sent(fuzz, 1);
}

static void send(struct rings_fuzz *fuzz, uint8_t choice, uint16_t bytes)
{
    EFI_MAC_ADDRESS to = {{0x02, 1, 2, 3, 4, 5}};
    UINT16 protocol = 0x0800;
    UINTN header = choice & 1 ? HEADER_BYTES : choice & 2 ? bytes & 0x1f : 0;
    uint8_t *frame = new_buffer(bytes);
    EFI_STATUS status = fuzz->network->Transmit(
        fuzz->network, header, bytes, choice & 4 ? NULL : frame, choice & 8 ? NULL : &to,
        choice & 0x10 ? NULL : &to, choice & 0x20 ? NULL : &protocol);

    if (!passes_gate(fuzz, status, "Transmit") || EFI_ERROR(status)) {
        free(frame);
        return;
    }
    fuzz_claim(!(choice & 4) && bytes >= HEADER_BYTES &&
                   bytes <= HEADER_BYTES + fuzz->network->Mode->MaxPacketSize,
               "Transmit accepts %u bytes", bytes);
    if (fuzz->sent_count == SENT_MAX) {
        fuzz_claim(!fuzz->is_collected, "Transmit forgets a buffer of a client that collects");
        forget_sent(fuzz, 1);
    }
    fuzz->sent[fuzz->sent_count++] = frame;
}

static void transmit(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);

    send(fuzz, choice, fuzz_take16(&fuzz->input) & (choice & 0x40 ? 0xffff : 0x7ff));
}

static void transmit_many(struct rings_fuzz *fuzz)
{
    for (unsigned count = fuzz_take8(&fuzz->input); count > 0; count--)
        send(fuzz, 0, FRAME_BYTES);
}

/* As the service does. */
static void receive_large(struct rings_fuzz *fuzz)
{
    struct snp *snp = (struct snp *)fuzz->network;
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);
    const uint8_t *frame;
    size_t length;
    uint8_t *copy;

    if (!EFI_ERROR(snp_attend_large(snp)) &&
        !EFI_ERROR(net_device_peek_large(&snp->net, &frame, &length))) {
        fuzz_claim(length >= HEADER_BYTES && length <= UINT16_MAX, "a frame of %zu bytes", length);
        copy = malloc(length);
        memcpy(copy, frame, length);
        fuzz_claim(!net_device_shows_copies(&snp->net) || memcmp(copy, frame, length) == 0,
                   "a copy changes");
        free(copy);
        net_device_take(&snp->net);
    }
    BS->RestoreTPL(tpl);
}

static void receive_frame_of_snp(struct rings_fuzz *fuzz, uint8_t choice)
{
    UINTN room = fuzz_take16(&fuzz->input) & (choice & 0x40 ? 0xffff : 0x7ff);
    UINTN bytes = room;
    UINTN header_bytes = 0;
    UINT16 protocol = 0;
    EFI_MAC_ADDRESS from;
    EFI_MAC_ADDRESS to;
    uint8_t *buffer = new_buffer(room);
    EFI_STATUS status = fuzz->network->Receive(
        fuzz->network, choice & 1 ? NULL : &header_bytes, choice & 2 ? NULL : &bytes,
        choice & 4 ? NULL : buffer, choice & 8 ? NULL : &from, choice & 0x10 ? NULL : &to,
        choice & 0x20 ? NULL : &protocol);

    if (!passes_gate(fuzz, status, "Receive")) {
        fuzz_claim(bytes == room && is_untouched(buffer, room), "Receive writes all the same");
    } else if (EFI_ERROR(status)) {
        fuzz_claim(is_untouched(buffer, room), "Receive fails and writes");
        fuzz_claim(status == EFI_BUFFER_TOO_SMALL ? bytes > room : bytes == room,
                   "Receive answers %#llx with %llu bytes", (unsigned long long)status,
                   (unsigned long long)bytes);
    } else {
        fuzz_claim(bytes >= HEADER_BYTES && bytes <= room &&
                       bytes <= HEADER_BYTES + VLAN_BYTES + fuzz->network->Mode->MaxPacketSize,
                   "Receive gives %llu bytes", (unsigned long long)bytes);
        fuzz_claim(is_untouched(buffer + bytes, room - bytes), "Receive writes behind the frame");
        fuzz_claim((choice & 0x20) || protocol == (buffer[12] << 8 | buffer[13]),
                   "Receive's protocol is not the frame's");
    }
    free(buffer);
}

static void receive(struct rings_fuzz *fuzz)
{
    uint8_t choice = fuzz_take8(&fuzz->input);

    if (fuzz->joins_segments && choice & 0x80)
        receive_large(fuzz);
    else
        receive_frame_of_snp(fuzz, choice);
}

static void wait_for_packet(struct rings_fuzz *fuzz)
{
    EFI_STATUS status = BS->CheckEvent(fuzz->network->WaitForPacket);

    fuzz_claim(status == EFI_NOT_READY || fuzz->state == EfiSimpleNetworkInitialized,
               "WaitForPacket is signalled in state %u", fuzz->state);
}

static void call_with_null(struct rings_fuzz *fuzz)
{
    const EFI_SIMPLE_NETWORK_PROTOCOL *network = fuzz->network;

    fuzz_claim(network->Start(NULL) == EFI_INVALID_PARAMETER &&
                   network->Stop(NULL) == EFI_INVALID_PARAMETER &&
                   network->Initialize(NULL, 0, 0) == EFI_INVALID_PARAMETER &&
                   network->Reset(NULL, FALSE) == EFI_INVALID_PARAMETER &&
                   network->Shutdown(NULL) == EFI_INVALID_PARAMETER &&
                   network->GetStatus(NULL, NULL, NULL) == EFI_INVALID_PARAMETER &&
                   network->Receive(NULL, NULL, NULL, NULL, NULL, NULL, NULL) ==
                       EFI_INVALID_PARAMETER,
               "a method works without an interface");
}

static void diagnose(struct rings_fuzz *fuzz)
{
    EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *diagnostics =
        fake_firmware_interface(fuzz->firmware, fuzz->image, &driver_diagnostics2_guid);
    uint8_t choice = fuzz_take8(&fuzz->input);
    CHAR8 language[] = "en";
    EFI_GUID *type;
    UINTN bytes = 0;
    CHAR16 *report = NULL;
    EFI_STATUS status = diagnostics->RunDiagnostics(
        diagnostics, fuzz->controller, choice & 1 ? fuzz->child : NULL,
        choice & 2 ? EfiDriverDiagnosticTypeExtended : EfiDriverDiagnosticTypeStandard, language,
        &type, &bytes, &report);

    if (!report)
        return;
    if (choice & 2)
        forget_all_sent(fuzz);
    fuzz_claim(!status || status == EFI_DEVICE_ERROR, "diagnostics answer %#llx",
               (unsigned long long)status);
    fuzz_claim(bytes >= sizeof(CHAR16) && !report[bytes / sizeof(CHAR16) - 1],
               "a report that does not end");
    (void)BS->FreePool(report);
    (void)BS->FreePool(type);
}

static void ask_for_media(struct rings_fuzz *fuzz)
{
    EFI_ADAPTER_INFORMATION_PROTOCOL *information =
        fake_firmware_interface(fuzz->firmware, fuzz->child, &adapter_information_guid);
    EFI_GUID type = EFI_ADAPTER_INFO_MEDIA_STATE_GUID;
    void *block = NULL;
    UINTN bytes;

    if (!EFI_ERROR(information->GetInformation(information, &type, &block, &bytes)))
        (void)BS->FreePool(block);
}

static void act(struct rings_fuzz *fuzz)
{
    fuzz->wire.is_in_call = false; /* between the calls */
    hostile_act(&fuzz->hostile);
}

static void let_time_pass(struct rings_fuzz *fuzz)
{
    fake_firmware_advance_us(fuzz->firmware, fuzz_take8(&fuzz->input) * UINT64_C(2000));
}

/* The nth fallible call of the firmware fails. */
static void fail_firmware(struct rings_fuzz *fuzz)
{
    fake_firmware_fail_nth(fuzz->firmware, fuzz_take8(&fuzz->input));
    fuzz->hostile.is_unjudged = true;
}

/* The driver was connected or disconnected: find its interface. */
static void look(struct rings_fuzz *fuzz)
{
    EFI_HANDLE before = fuzz->child;

    fuzz->child = fake_firmware_find_handle(fuzz->firmware, &snp_guid, 0);
    if (fuzz->child && fuzz->child == before)
        return;
    forget_all_sent(fuzz);
    fuzz->state = EfiSimpleNetworkStopped;
    fuzz->network =
        fuzz->child ? fake_firmware_interface(fuzz->firmware, fuzz->child, &snp_guid) : NULL;
}

static void reconnect(struct rings_fuzz *fuzz)
{
    if (fuzz->child) {
        (void)fake_firmware_disconnect(fuzz->firmware, fuzz->controller);
    } else {
        hostile_connecting(&fuzz->hostile, true);
        (void)fake_firmware_connect(fuzz->firmware, fuzz->controller);
        hostile_connecting(&fuzz->hostile, false);
    }
    look(fuzz);
}

static void exit_boot_services(struct rings_fuzz *fuzz)
{
    fuzz->hostile.ambush = 0;
    fake_firmware_exit_boot_services(fuzz->firmware);
    fuzz->has_exited = true;
}

/* Operations that need an interface come first. Those after RECONNECT run at TPL_APPLICATION. */
static const struct {
    operation *run;
    const char *name;
} operations[] = {
    {receive, "Receive"},
    {transmit, "Transmit"},
    {get_status, "GetStatus"},
    {initialize, "Initialize"},
    {start, "Start"},
    {reset, "Reset"},
    {shutdown, "Shutdown"},
    {stop, "Stop"},
    {receive_filters, "ReceiveFilters"},
    {station_address, "StationAddress"},
    {statistics, "Statistics"},
    {mcast_ip_to_mac, "MCastIpToMac"},
    {nv_data, "NvData"},
    {transmit_many, "many Transmits"},
    {wait_for_packet, "WaitForPacket"},
    {call_with_null, "a call with NULL"},
    {ask_for_media, "GetInformation"},
    {diagnose, "RunDiagnostics"},
    {let_time_pass, "the timer"},
    {act, "the device"},
    {act, "the device"},
    {act, "the device"},
    {fail_firmware, "the firmware"},
    {reconnect, "connect or disconnect"},
    {exit_boot_services, "ExitBootServices"},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))
#define FIRST_FREE 18u
#define RECONNECT 23u
#define EXIT 24u

static void run(struct rings_fuzz *fuzz, unsigned index, bool is_at_callback)
{
    EFI_TPL tpl = TPL_APPLICATION;

    if (index < FIRST_FREE && !fuzz->network)
        return;
    if (is_at_callback)
        tpl = BS->RaiseTPL(TPL_CALLBACK);
    wire_begin(&fuzz->wire);
    operations[index].run(fuzz);
    if (!fuzz->has_exited)
        wire_end(&fuzz->wire, operations[index].name);
    if (is_at_callback)
        BS->RestoreTPL(tpl);
    if (fuzz->network) {
        check_mode(fuzz);
        check_rings(fuzz);
        check_counters(fuzz);
    }
}

static void run_next(struct rings_fuzz *fuzz)
{
    uint8_t byte = fuzz_take8(&fuzz->input);
    unsigned index = (byte & 0x3fu) % OPERATIONS;

    /* Rarely, because nothing can follow it. */
    if (index == EXIT && fuzz_take8(&fuzz->input) != 0xff)
        return;
    if (byte & WITH_AMBUSH)
        hostile_arm(&fuzz->hostile);
    run(fuzz, index, (byte & AT_CALLBACK) && index < RECONNECT);
}

/* From its next reset on the device behaves, and the driver must work. */
static void recover(struct rings_fuzz *fuzz)
{
    bool was_unjudged = fuzz->hostile.is_unjudged;
    EFI_SIMPLE_NETWORK_PROTOCOL *network;

    fake_firmware_fail_nth(fuzz->firmware, 0);
    hostile_become_good(&fuzz->hostile);
    /* A device that lied about the location of its registers must be examined anew. If the firmware
     * failed between child and controller, there is no child, but the controller is held. */
    if (!fuzz->network || was_unjudged) {
        (void)fake_firmware_disconnect(fuzz->firmware, fuzz->controller);
        look(fuzz);
        fuzz_claim(!fuzz->network, "the driver does not let go of its NIC");
        fuzz->device->is_tainted |= was_unjudged;
        run(fuzz, RECONNECT, false);
    }
    network = fuzz->network;
    fuzz_claim(network, "the driver does not start on a good device");
    if (fuzz->state == EfiSimpleNetworkStopped)
        fuzz_claim(!network->Start(network), "Start");
    if (fuzz->state == EfiSimpleNetworkInitialized)
        fuzz_claim(!network->Reset(network, FALSE), "Reset fails on a good device");
    else
        fuzz_claim(!network->Initialize(network, 0, 0), "Initialize fails on a good device");
    fuzz_claim(
        !network->ReceiveFilters(network, EFI_SIMPLE_NETWORK_RECEIVE_UNICAST, 0, FALSE, 0, NULL),
        "ReceiveFilters fails on a good device");
    fuzz->state = EfiSimpleNetworkInitialized;
    forget_all_sent(fuzz);
    check_mode(fuzz);
}

static void claim_traffic_flows(struct rings_fuzz *fuzz)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *network = fuzz->network;
    uint8_t frame[FRAME_BYTES];
    uint8_t received[FRAME_BYTES];
    UINTN bytes = sizeof(received);
    const struct fake_frame *sent;

    memset(frame, 0x42, sizeof(frame));
    memcpy(frame, network->Mode->CurrentAddress.Addr, 6);
    while (fake_device_take_frame(fuzz->device))
        ;
    fuzz_claim(!network->Transmit(network, 0, sizeof(frame), frame, NULL, NULL, NULL),
               "Transmit fails on a good device");
    sent = fake_device_take_frame(fuzz->device);
    fuzz_claim(sent && sent->length == sizeof(frame) && !memcmp(sent->data, frame, sizeof(frame)),
               "the frame does not arrive");
    fuzz_claim(!fake_device_take_frame(fuzz->device), "the frame arrives twice");
    fuzz_claim(fake_device_deliver(fuzz->device, frame, sizeof(frame)), "no receive buffer");
    fuzz_claim(!network->Receive(network, NULL, &bytes, received, NULL, NULL, NULL) &&
                   bytes == sizeof(frame) && !memcmp(received, frame, sizeof(frame)),
               "the frame is not received");
}

static struct fake_device_options choose_device(struct fuzz_input *input)
{
    static const uint16_t sizes[] = {4, 16, 64, 256};
    static const uint16_t mtus[] = {1500, 68, 2000, 9000};
    uint8_t flags = fuzz_take8(input);
    uint8_t more = fuzz_take8(input);
    uint8_t queues = fuzz_take8(input);
    uint16_t features = fuzz_take16(input);
    uint64_t removed = 0;
    uint64_t added = 0;
    static const uint64_t known[] = {
        VIRTIO_NET_F_MTU,         VIRTIO_NET_F_MAC,           VIRTIO_NET_F_STATUS,
        VIRTIO_NET_F_CTRL_VQ,     VIRTIO_NET_F_CTRL_RX,       VIRTIO_NET_F_CTRL_RX_EXTRA,
        VIRTIO_F_EVENT_IDX,       VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_GUEST_ANNOUNCE,
        VIRTIO_NET_F_SPEED_DUPLEX};
    static const uint64_t newer[] = {VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
                                     VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_NOTIF_CONFIG_DATA,
                                     VIRTIO_F_RING_RESET};

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        removed |= features >> i & 1 ? known[i] : 0;
    for (unsigned i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
        added |= features >> (NEWER_FEATURES + i) & 1 ? newer[i] : 0;
    return (struct fake_device_options){
        .transport = (enum fake_transport)((flags & 3) % 3),
        .features = FAKE_DEVICE_FEATURES | added | (more & 1 ? VIRTIO_F_ANY_LAYOUT : 0) |
                    (more & 2 ? VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM : 0) |
                    (more & 0x20 ? FAKE_LARGE_FEATURES : 0),
        .removed_features = removed,
        .queue_size = {sizes[queues & 3], sizes[queues >> 2 & 3], sizes[queues >> 4 & 3]},
        .mtu = mtus[queues >> 6],
        .is_link_down = flags & 4,
        .modern_bar_is_io = flags & 8,
        .notify_in_own_bar = flags & 0x10,
        .single_doorbell = flags & 0x20,
        .odd_capabilities = flags & 0x40,
        .msix_is_enabled = flags & 0x80,
        .mac_table_max = more & 4 ? 4 : 0,
        .pci.dma_above_4gib = more & 8,
        .pci.compressed_bar_index = more & 0x10,
    };
}

static void begin(struct rings_fuzz *fuzz)
{
    struct fake_device_options options = choose_device(&fuzz->input);
    struct options driver_options = {.takeover = true};

    fuzz->joins_segments = options.features & VIRTIO_NET_F_MRG_RXBUF;
    fuzz->firmware = fake_firmware_new(0);
    fuzz->device = fake_device_new(fuzz->firmware, &options);
    fuzz->controller = fake_device_handle(fuzz->device);
    fake_firmware_baseline(fuzz->firmware);
    fuzz->image = fake_firmware_load_image(fuzz->firmware, NULL);
    fuzz_claim(!EFI_ERROR(driver_binding_install(fuzz->image, &driver_options)),
               "the driver cannot be installed");
    wire_init(&fuzz->wire, fuzz->device);
    hostile_init(&fuzz->hostile, &fuzz->input, fuzz->device, &fuzz->wire);
    run(fuzz, RECONNECT, false);
    fuzz_claim(fuzz->network, "the driver does not start");
}

static void end(struct rings_fuzz *fuzz)
{
    if (!fuzz->has_exited) {
        recover(fuzz);
        claim_traffic_flows(fuzz);
        fuzz_claim(!EFI_ERROR(driver_binding_uninstall()), "the driver does not let go");
        fake_firmware_assert_nothing_leaked(fuzz->firmware);
    }
    forget_all_sent(fuzz);
    wire_fini();
    fake_firmware_free(fuzz->firmware);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rings_fuzz *fuzz = calloc(1, sizeof(*fuzz));

    fuzz_begin(&fuzz->input, data, size);
    begin(fuzz);
    while (fuzz_left(&fuzz->input) > 0 && !fuzz->has_exited)
        run_next(fuzz);
    end(fuzz);
    free(fuzz);
    return 0;
}
