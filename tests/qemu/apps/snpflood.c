/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpflood FRAMES [NIC]: floods FRAMES numbered frames of all sizes up to the largest that Mode
 * allows out of a NIC, as many in, and a quarter as many in both directions at once. Each is
 * checked here or by wire/peer.py for loss, order and content. One byte more than the largest must
 * be refused. A transmit buffer is ours again only when GetStatus returns it, and is then
 * overwritten at once. One line "FLOOD ..." per direction, then "FLOOD PASS" or "FLOOD FAIL". */
#include "snp_app.h"

#define TX_BUFFERS 300 /* more than QEMU's default ring has entries */
#define STALL_MS 10000 /* the longest pause without progress */

struct counts {
    uint32_t frames, lost, out_of_order, corrupt;
};

static EFI_SIMPLE_NETWORK *snp;
static size_t buffer_size;
static uint8_t *tx_buffers; /* TX_BUFFERS of that size */
static bool in_flight[TX_BUFFERS];
static size_t tx_next, tx_oldest, tx_in_flight;
static uint32_t tx_returned_wrongly;
static uint8_t *rx_buffer;
static uint32_t rx_unasked; /* DATA frames after the last expected one */
static uint64_t last_progress_ms;

static bool is_stalled(void)
{
    return clock_ms() - last_progress_ms > STALL_MS;
}

static void note_progress(void)
{
    last_progress_ms = clock_ms();
}

static uint8_t *tx_buffer(size_t index)
{
    return tx_buffers + index * buffer_size;
}

/* Take one buffer back. Buffers come back in the order of their Transmit. */
static bool take_back_buffer(void)
{
    void *returned = NULL;
    EFI_STATUS status = snp->GetStatus(snp, NULL, &returned);

    if (EFI_ERROR(status) || returned == NULL)
        return false;
    note_progress();
    if (tx_in_flight == 0 || returned != tx_buffer(tx_oldest)) {
        if (tx_returned_wrongly++ == 0)
            Print(L"FLOOD GetStatus returned %lx, %d in flight, oldest %lx\n",
                  (uint64_t)(uintptr_t)returned, tx_in_flight,
                  (uint64_t)(uintptr_t)tx_buffer(tx_oldest));
        return true;
    }
    SetMem(returned, PAYLOAD_OFFSET + 8, 0xdd);
    in_flight[tx_oldest] = false;
    tx_oldest = (tx_oldest + 1) % TX_BUFFERS;
    tx_in_flight--;
    return true;
}

/* Pass tx_buffer(tx_next) to the driver. False if it has no room now. */
static bool transmit(size_t size, EFI_STATUS *ret_status)
{
    EFI_STATUS status = snp->Transmit(snp, 0, size, tx_buffer(tx_next), NULL, NULL, NULL);

    if (EFI_ERROR(status)) {
        if (status != EFI_NOT_READY)
            *ret_status = status;
        return false;
    }
    note_progress();
    in_flight[tx_next] = true;
    tx_next = (tx_next + 1) % TX_BUFFERS;
    tx_in_flight++;
    return true;
}

static bool send_data(uint32_t number, EFI_STATUS *ret_status)
{
    uint8_t *frame = tx_buffer(tx_next);

    if (in_flight[tx_next])
        return false;
    put_command(frame, &snp->Mode->CurrentAddress, DATA, number, data_size(number));
    CopyMem(frame + PAYLOAD_OFFSET, data_payload(number), data_size(number) - PAYLOAD_OFFSET);
    return transmit(data_size(number), ret_status);
}

/* Send a command frame, waiting for room. */
static EFI_STATUS send_command(enum operation operation, uint32_t first, uint32_t second)
{
    EFI_STATUS status = EFI_SUCCESS;

    note_progress();
    while (!is_stalled() && !EFI_ERROR(status)) {
        if (!in_flight[tx_next]) {
            put_command(tx_buffer(tx_next), &snp->Mode->CurrentAddress, operation, first, second);
            if (transmit(SMALLEST_FRAME, &status))
                return EFI_SUCCESS;
        }
        (void)take_back_buffer();
    }
    return EFI_ERROR(status) ? status : EFI_TIMEOUT;
}

/* The size of the next frame, 0 if none is waiting. */
static size_t receive(void)
{
    UINTN size = buffer_size;
    EFI_STATUS status = snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL);

    if (EFI_ERROR(status))
        return 0;
    note_progress();
    return size;
}

/* Check a received DATA frame against the expected number. */
static bool receive_data(uint32_t *due, struct counts *counts)
{
    size_t size = receive();

    if (!is_ours(rx_buffer, size, DATA))
        return false;
    uint32_t number = get_be32(rx_buffer + 16);
    counts->frames++;
    if (number < *due) {
        counts->out_of_order++;
    } else {
        counts->lost += number - *due;
        *due = number + 1;
    }
    if (!is_data_intact(rx_buffer, size, &snp->Mode->CurrentAddress, number)) {
        if (counts->corrupt++ == 0)
            Print(L"FLOOD first corrupt frame: number %d, %d bytes\n", number, size);
    }
    return true;
}

static EFI_STATUS await_reply(void)
{
    note_progress();
    while (!is_stalled()) {
        size_t size = receive();
        if (is_ours(rx_buffer, size, REPLY))
            return EFI_SUCCESS;
        rx_unasked += is_ours(rx_buffer, size, DATA);
        (void)take_back_buffer();
    }
    return EFI_TIMEOUT;
}

static EFI_STATUS ask(enum operation operation, uint32_t first)
{
    EFI_STATUS status = send_command(operation, first, 0);

    return EFI_ERROR(status) ? status : await_reply();
}

static bool is_clean(const struct counts *counts, uint32_t frames)
{
    return counts->frames == frames && counts->lost == 0 && counts->out_of_order == 0 &&
           counts->corrupt == 0;
}

static uint32_t per_second(uint32_t frames, uint64_t began_ms)
{
    uint32_t elapsed_ms = (uint32_t)(clock_ms() - began_ms);

    return frames * 1000 / (elapsed_ms == 0 ? 1 : elapsed_ms);
}

/* Flood `sent` frames out while `wanted` come in; either may be 0. */
static bool flood(const CHAR16 *name, uint32_t sent, uint32_t wanted)
{
    struct counts rx = {0}, peer = {0};
    uint32_t number = 0, due = 0, wrong_before = tx_returned_wrongly;
    EFI_STATUS status = ask(RESET, 0);

    if (!EFI_ERROR(status) && wanted != 0)
        status = send_command(FLOOD, wanted, 0);
    uint64_t began_ms = clock_ms();
    while (!EFI_ERROR(status) && (number < sent || due < wanted || tx_in_flight != 0)) {
        if (number < sent && send_data(number, &status))
            number++;
        if (due < wanted)
            (void)receive_data(&due, &rx);
        (void)take_back_buffer();
        if (is_stalled())
            status = EFI_TIMEOUT;
    }
    uint32_t rate = per_second(number + due, began_ms);
    if (due < wanted)
        rx.lost += wanted - due;
    if (EFI_ERROR(status))
        Print(L"FLOOD %s stopped: %r, %d sent, %d in flight, %d received\n", name, status, number,
              tx_in_flight, rx.frames);

    bool is_answered = !EFI_ERROR(status) && !EFI_ERROR(ask(COUNT, number));
    if (is_answered)
        peer = (struct counts){.frames = get_be32(rx_buffer + PAYLOAD_OFFSET),
                               .lost = get_be32(rx_buffer + PAYLOAD_OFFSET + 4),
                               .out_of_order = get_be32(rx_buffer + PAYLOAD_OFFSET + 8),
                               .corrupt = get_be32(rx_buffer + PAYLOAD_OFFSET + 12)};
    rx.out_of_order += rx_unasked;
    rx_unasked = 0;
    uint32_t returned_wrongly = tx_returned_wrongly - wrong_before;
    if (sent != 0)
        Print(L"FLOOD %s tx sent=%d acknowledged=%d lost=%d out_of_order=%d corrupt=%d "
              L"returned_wrongly=%d\n",
              name, number, peer.frames, peer.lost, peer.out_of_order, peer.corrupt,
              returned_wrongly);
    if (wanted != 0)
        Print(L"FLOOD %s rx received=%d lost=%d out_of_order=%d corrupt=%d\n", name, rx.frames,
              rx.lost, rx.out_of_order, rx.corrupt);
    Print(L"FLOOD %s %d frames a second\n", name, rate);
    return is_answered && returned_wrongly == 0 && is_clean(&peer, sent) && is_clean(&rx, wanted);
}

/* A frame above the largest size must not reach the wire. The peer checks as well. */
static bool is_more_refused(void)
{
    EFI_STATUS status = EFI_SUCCESS;

    put_command(tx_buffer(tx_next), &snp->Mode->CurrentAddress, DATA, 0, 0);
    if (transmit(largest_frame + 1, &status))
        status = EFI_SUCCESS;
    Print(L"FLOOD largest=%d above=%r\n", largest_frame, status);
    return status == EFI_INVALID_PARAMETER;
}

static bool allocate_buffers(void)
{
    largest_frame = snp->Mode->MaxPacketSize + snp->Mode->MediaHeaderSize;
    buffer_size = largest_frame + SMALLEST_FRAME;
    tx_buffers = AllocateZeroPool(TX_BUFFERS * buffer_size);
    rx_buffer = AllocateZeroPool(buffer_size);
    return tx_buffers != NULL && rx_buffer != NULL;
}

static void free_buffers(void)
{
    if (tx_buffers != NULL)
        FreePool(tx_buffers);
    if (rx_buffer != NULL)
        FreePool(rx_buffer);
}

static bool run(uint32_t frames)
{
    EFI_STATUS status = bring_up(snp);

    if (EFI_ERROR(status)) {
        Print(L"FLOOD no start: %r\n", status);
        return false;
    }
    if (!allocate_buffers()) {
        Print(L"FLOOD no memory for buffers of %d bytes\n", buffer_size);
        return false;
    }
    status = ask(HELLO, largest_frame);
    if (EFI_ERROR(status)) {
        Print(L"FLOOD no answer from the peer: %r\n", status);
        return false;
    }
    bool is_tx_clean = flood(L"out", frames, 0);
    bool is_rx_clean = flood(L"in", 0, frames);
    bool is_both_clean = flood(L"both", frames / 4, frames / 4);
    return is_tx_clean && is_rx_clean && is_both_clean && is_more_refused();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    uint32_t frames = 20000;
    struct nic nic;
    EFI_STATUS status = app_begin_on_nic(image, table, &frames, &nic);

    if (EFI_ERROR(status)) {
        Print(L"FLOOD FAIL no such NIC: %r\n", status);
    } else {
        snp = nic.snp;
        fill_payload_table();
        bool is_clean_run = run(frames);
        give_nic_back(&nic);
        free_buffers();
        Print(is_clean_run ? L"FLOOD PASS\n" : L"FLOOD FAIL\n");
        status = is_clean_run ? EFI_SUCCESS : EFI_ABORTED;
    }
    app_end();
    return status;
}
