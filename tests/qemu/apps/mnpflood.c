/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * mnpflood FRAMES [NIC]: what snpflood does, as a client of the NIC's Managed Network service, next
 * to those of the firmware's stack: FRAMES numbered frames of all sizes out, as many in, and a
 * quarter as many in both directions at once, each checked here or by wire/peer.py. Frames go out
 * whole or in fragments, by turns. One line "MNPFLOOD ..." per direction, then "MNPFLOOD PASS" or
 * "MNPFLOOD FAIL". */
#include "snp_app.h"
#include "uefi_ext/managed_network.h"

#define RECEIVES 64 /* tokens that wait at the same time */
#define TRANSMITS 32
#define FRAGMENTS 3
#define STALL_MS 10000 /* the longest pause without progress */

struct counts {
    uint32_t frames, lost, out_of_order, corrupt;
};

struct receive {
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN token;
    bool is_done;
};

struct transmit {
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN token;
    bool is_done;
    EFI_MANAGED_NETWORK_TRANSMIT_DATA data;
    EFI_MANAGED_NETWORK_FRAGMENT_DATA more[FRAGMENTS - 1]; /* extend the table of `data` */
    uint8_t *frame;
};

static EFI_GUID service_guid = EFI_MANAGED_NETWORK_SERVICE_BINDING_PROTOCOL_GUID;
static EFI_GUID mnp_guid = EFI_MANAGED_NETWORK_PROTOCOL_GUID;

static EFI_MANAGED_NETWORK_PROTOCOL *mnp;
static EFI_MAC_ADDRESS own_address;
static struct receive receives[RECEIVES];
static struct transmit transmits[TRANSMITS];
static size_t rx_next, tx_next;
static uint64_t last_progress_ms;
static EFI_STATUS failure; /* of a call, or of a token */

/* What comes in. */
static struct counts rx;
static uint32_t rx_due;
static bool has_reply;
static uint32_t reply[4];

static void EFIAPI note_done(EFI_EVENT event, void *is_done)
{
    (void)event;
    *(bool *)is_done = true;
    last_progress_ms = clock_ms();
}

static void note(EFI_STATUS status)
{
    if (EFI_ERROR(status) && !EFI_ERROR(failure))
        failure = status;
}

static bool is_over(void)
{
    if (clock_ms() - last_progress_ms > STALL_MS)
        note(EFI_TIMEOUT);
    return EFI_ERROR(failure);
}

static void look_at(const uint8_t *frame, size_t size)
{
    uint32_t number;

    if (is_ours(frame, size, REPLY)) {
        has_reply = true;
        for (size_t i = 0; i < 4; i++)
            reply[i] = get_be32(frame + PAYLOAD_OFFSET + 4 * i);
        return;
    }
    if (!is_ours(frame, size, DATA))
        return;
    number = get_be32(frame + 16);
    rx.frames++;
    if (number < rx_due) {
        rx.out_of_order++;
    } else {
        rx.lost += number - rx_due;
        rx_due = number + 1;
    }
    if (!is_data_intact(frame, size, &own_address, number) && rx.corrupt++ == 0)
        Print(L"MNPFLOOD first corrupt frame: number %d, %d bytes\n", number, size);
}

/* Take what was received, until nothing waits in the service. */
static void drain(void)
{
    for (;;) {
        struct receive *receive = &receives[rx_next];
        const EFI_MANAGED_NETWORK_RECEIVE_DATA *data = receive->token.Packet.RxData;

        if (!receive->is_done)
            return;
        note(receive->token.Status);
        if (EFI_ERROR(receive->token.Status))
            return;
        look_at(data->MediaHeader, data->PacketLength);
        (void)BS->SignalEvent(data->RecycleEvent);
        receive->is_done = false;
        note(mnp->Receive(mnp, &receive->token));
        rx_next = (rx_next + 1) % RECEIVES;
    }
}

static void poll(void)
{
    EFI_STATUS status = mnp->Poll(mnp);

    if (status != EFI_NOT_READY)
        note(status);
    drain();
}

/* The token of the next frame, once it is ours again. NULL: not now. */
static struct transmit *next_transmit(void)
{
    struct transmit *transmit = &transmits[tx_next];

    if (!transmit->is_done)
        return NULL;
    note(transmit->token.Status);
    SetMem(transmit->frame, PAYLOAD_OFFSET + 8, 0xdd);
    return transmit;
}

/* Odd frames are sent in fragments, with an address instead of a header. */
static void send(struct transmit *transmit, uint32_t number, size_t size)
{
    EFI_MANAGED_NETWORK_TRANSMIT_DATA *data = &transmit->data;
    EFI_MANAGED_NETWORK_FRAGMENT_DATA *table = data->FragmentTable;
    size_t parts[FRAGMENTS] = {1, PAYLOAD_OFFSET - HEADER_SIZE, 0};
    uint8_t *at = transmit->frame;

    data->DataLength = (UINT32)(size - HEADER_SIZE);
    data->HeaderLength = number % 2 ? 0 : HEADER_SIZE;
    data->DestinationAddress = number % 2 ? (EFI_MAC_ADDRESS *)(void *)at : NULL;
    data->ProtocolType = ETHERTYPE;
    data->FragmentCount = number % 2 ? FRAGMENTS : 1;
    table[0] = (EFI_MANAGED_NETWORK_FRAGMENT_DATA){(UINT32)size, at};
    if (number % 2) {
        parts[2] = size - HEADER_SIZE - parts[0] - parts[1];
        at += HEADER_SIZE;
        for (size_t i = 0; i < FRAGMENTS; i++) {
            table[i] = (EFI_MANAGED_NETWORK_FRAGMENT_DATA){(UINT32)parts[i], at};
            at += parts[i];
        }
    }
    transmit->is_done = false;
    tx_next = (tx_next + 1) % TRANSMITS;
    note(mnp->Transmit(mnp, &transmit->token));
}

/* False: not now. */
static bool send_data(uint32_t number)
{
    struct transmit *transmit = next_transmit();
    size_t size = data_size(number);

    if (transmit == NULL)
        return false;
    put_command(transmit->frame, &own_address, DATA, number, data_size(number));
    CopyMem(transmit->frame + PAYLOAD_OFFSET, data_payload(number), size - PAYLOAD_OFFSET);
    send(transmit, number, size);
    return true;
}

static void send_command(enum operation operation, uint32_t first)
{
    struct transmit *transmit;

    last_progress_ms = clock_ms();
    while ((transmit = next_transmit()) == NULL && !is_over())
        poll();
    if (transmit == NULL)
        return;
    put_command(transmit->frame, &own_address, operation, first, 0);
    send(transmit, 0, SMALLEST_FRAME);
}

static void ask(enum operation operation, uint32_t first)
{
    has_reply = false;
    send_command(operation, first);
    while (!has_reply && !is_over())
        poll();
}

static bool is_clean(const struct counts *counts, uint32_t frames)
{
    return counts->frames == frames && counts->lost == 0 && counts->out_of_order == 0 &&
           counts->corrupt == 0;
}

/* Flood `sent` frames out while `wanted` come in; either may be 0. */
static bool flood(const CHAR16 *name, uint32_t sent, uint32_t wanted)
{
    struct counts peer;
    uint32_t number = 0;

    ask(RESET, 0);
    rx = (struct counts){0};
    rx_due = 0;
    if (wanted != 0)
        send_command(FLOOD, wanted);
    uint64_t began_ms = clock_ms();
    while ((number < sent || rx_due < wanted) && !is_over()) {
        if (number < sent && send_data(number))
            number++;
        poll();
    }
    uint32_t elapsed_ms = (uint32_t)(clock_ms() - began_ms);
    struct counts came = rx;
    if (rx_due < wanted)
        came.lost += wanted - rx_due;
    ask(COUNT, number);
    peer = (struct counts){reply[0], reply[1], reply[2], reply[3]};
    came.out_of_order += rx.frames - came.frames; /* after the last one */
    if (sent != 0)
        Print(L"MNPFLOOD %s tx sent=%d acknowledged=%d lost=%d out_of_order=%d corrupt=%d\n", name,
              number, peer.frames, peer.lost, peer.out_of_order, peer.corrupt);
    if (wanted != 0)
        Print(L"MNPFLOOD %s rx received=%d lost=%d out_of_order=%d corrupt=%d\n", name, came.frames,
              came.lost, came.out_of_order, came.corrupt);
    Print(L"MNPFLOOD %s took %d ms: %r\n", name, elapsed_ms, failure);
    return !EFI_ERROR(failure) && is_clean(&peer, sent) && is_clean(&came, wanted);
}

static EFI_STATUS make_token(EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token, bool *is_done)
{
    return BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, note_done, is_done, &token->Event);
}

static EFI_STATUS begin(const EFI_SIMPLE_NETWORK_MODE *mode)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA config = {
        .ProtocolTypeFilter = ETHERTYPE,
        .EnableUnicastReceive = TRUE,
        .FlushQueuesOnReset = TRUE,
        .DisableBackgroundPolling = TRUE,
    };
    EFI_STATUS status = mnp->Configure(mnp, &config);

    own_address = mode->CurrentAddress;
    largest_frame = mode->MaxPacketSize + mode->MediaHeaderSize;
    for (size_t i = 0; i < TRANSMITS && !EFI_ERROR(status); i++) {
        transmits[i].frame = AllocateZeroPool(largest_frame);
        if (transmits[i].frame == NULL)
            return EFI_OUT_OF_RESOURCES;
        transmits[i].is_done = true;
        transmits[i].token.Packet.TxData = &transmits[i].data;
        status = make_token(&transmits[i].token, &transmits[i].is_done);
    }
    for (size_t i = 0; i < RECEIVES && !EFI_ERROR(status); i++) {
        status = make_token(&receives[i].token, &receives[i].is_done);
        if (!EFI_ERROR(status))
            status = mnp->Receive(mnp, &receives[i].token);
    }
    return status;
}

/* Tokens that wait are aborted, and packets that came meanwhile recycled. */
static void end(void)
{
    (void)mnp->Configure(mnp, NULL);
    for (size_t i = 0; i < RECEIVES; i++) {
        if (receives[i].is_done && receives[i].token.Status == EFI_SUCCESS)
            (void)BS->SignalEvent(receives[i].token.Packet.RxData->RecycleEvent);
        if (receives[i].token.Event != NULL)
            (void)BS->CloseEvent(receives[i].token.Event);
    }
    for (size_t i = 0; i < TRANSMITS; i++) {
        if (transmits[i].token.Event != NULL)
            (void)BS->CloseEvent(transmits[i].token.Event);
        if (transmits[i].frame != NULL)
            FreePool(transmits[i].frame);
    }
}

/* At TPL_CALLBACK: the service polls in the background for the firmware's clients, and its queues
 * are bounded, so two polls in a row could lose frames of a client that is slower than they are. */
static bool run_on_child(const struct nic *nic, uint32_t frames)
{
    EFI_TPL before = BS->RaiseTPL(TPL_CALLBACK);
    bool is_clean_run = false;

    note(begin(nic->snp->Mode));
    last_progress_ms = clock_ms();
    if (!EFI_ERROR(failure))
        ask(HELLO, largest_frame);
    if (EFI_ERROR(failure)) {
        Print(L"MNPFLOOD no start: %r\n", failure);
    } else {
        bool is_tx_clean = flood(L"out", frames, 0);
        bool is_rx_clean = flood(L"in", 0, frames);
        bool is_both_clean = flood(L"both", frames / 4, frames / 4);
        is_clean_run = is_tx_clean && is_rx_clean && is_both_clean;
    }
    end();
    BS->RestoreTPL(before);
    return is_clean_run;
}

static EFI_STATUS run(EFI_HANDLE image, CHAR16 *arguments[], size_t count)
{
    uint32_t frames = count > 1 ? (uint32_t)Atoi(arguments[1]) : 20000;
    size_t index = count > 2 ? Atoi(arguments[2]) : 0;
    struct nic nics[MAX_NICS];
    EFI_SERVICE_BINDING *services;
    EFI_HANDLE child = NULL;
    bool is_clean_run = false;
    EFI_STATUS status = EFI_NOT_FOUND;

    (void)image;
    fill_payload_table();
    if (index < find_nics(nics))
        status = BS->HandleProtocol(nics[index].handle, &service_guid, (void **)&services);
    if (!EFI_ERROR(status))
        status = services->CreateChild(services, &child);
    if (!EFI_ERROR(status))
        status = BS->HandleProtocol(child, &mnp_guid, (void **)&mnp);
    if (EFI_ERROR(status))
        Print(L"MNPFLOOD no child of a service: %r\n", status);
    else
        is_clean_run = run_on_child(&nics[index], frames);
    if (child != NULL && EFI_ERROR(services->DestroyChild(services, child))) {
        Print(L"MNPFLOOD the child cannot be destroyed\n");
        is_clean_run = false;
    }
    Print(is_clean_run ? L"MNPFLOOD PASS\n" : L"MNPFLOOD FAIL\n");
    return is_clean_run ? EFI_SUCCESS : EFI_ABORTED;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return app_run(image, table, run);
}
