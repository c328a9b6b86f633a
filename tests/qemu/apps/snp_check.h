/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Checks of the SNP contract, each with a line "PASS claim" or "FAIL claim: expected ..., got ...",
 * and frames to and from wire/peer.py, with a bound on every wait. Knows only the contract and no
 * driver. */
#ifndef SNP_CHECK_H
#define SNP_CHECK_H

#include "snp_app.h"

#define UNICAST EFI_SIMPLE_NETWORK_RECEIVE_UNICAST
#define MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_MULTICAST
#define BROADCAST EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST
#define PROMISCUOUS EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS
#define PROMISCUOUS_MULTICAST EFI_SIMPLE_NETWORK_RECEIVE_PROMISCUOUS_MULTICAST

#define WAIT_MS 30000 /* for events that must happen; only on a starved host they take long */
#define QUIET_MS 150  /* for events that must not happen */

static EFI_SIMPLE_NETWORK *snp;
static EFI_SIMPLE_NETWORK_MODE *mode;
static uint32_t passed, failed;
static uint8_t command_buffer[FRAME_BUFFER_SIZE];
static uint8_t rx_buffer[FRAME_BUFFER_SIZE];

static inline bool note(bool is_good, const CHAR16 *claim)
{
    if (is_good) {
        passed++;
        Print(L"PASS %s\n", claim);
    } else {
        failed++;
        Print(L"FAIL %s: ", claim);
    }
    return is_good;
}

static inline void check_status(const CHAR16 *claim, EFI_STATUS expected, EFI_STATUS got)
{
    if (!note(got == expected, claim))
        Print(L"expected %r, got %r\n", expected, got);
}

static inline void check_number(const CHAR16 *claim, uint64_t expected, uint64_t got)
{
    if (!note(got == expected, claim))
        Print(L"expected 0x%lx, got 0x%lx\n", expected, got);
}

static inline void check_true(const CHAR16 *claim, bool is_true)
{
    if (!note(is_true, claim))
        Print(L"expected true, got false\n");
}

static inline size_t first_difference(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t at = 0;

    while (at < size && a[at] == b[at])
        at++;
    return at;
}

static inline void check_bytes(const CHAR16 *claim, const void *expected, const void *got,
                               size_t size)
{
    const uint8_t *wanted = expected, *seen = got;
    size_t at = first_difference(wanted, seen, size);

    if (!note(at == size, claim))
        Print(L"expected 0x%02x, got 0x%02x at byte %d\n", wanted[at], seen[at], at);
}

static inline void check_state(const CHAR16 *claim, uint32_t expected)
{
    check_number(claim, expected, mode->State);
}

static inline EFI_STATUS get_status(void **ret_buffer)
{
    *ret_buffer = NULL;
    return snp->GetStatus(snp, NULL, ret_buffer);
}

/* Wait for a buffer to come back. NULL if none does. */
static inline void *await_buffer(void)
{
    uint64_t began_ms = clock_ms();
    void *buffer = NULL;

    while (buffer == NULL && clock_ms() - began_ms < WAIT_MS)
        if (EFI_ERROR(get_status(&buffer)))
            return NULL;
    return buffer;
}

static inline EFI_STATUS transmit(void *frame, size_t size)
{
    return snp->Transmit(snp, 0, size, frame, NULL, NULL, NULL);
}

/* Transmit, retrying while the ring is full, with a bound. */
static inline EFI_STATUS transmit_patiently(void *frame, size_t size)
{
    uint64_t began_ms = clock_ms();
    EFI_STATUS status;

    do
        status = transmit(frame, size);
    while (status == EFI_NOT_READY && clock_ms() - began_ms < WAIT_MS);
    return status;
}

/* Transmit a complete frame and wait until its buffer comes back. */
static inline EFI_STATUS send(void *frame, size_t size)
{
    EFI_STATUS status = transmit_patiently(frame, size);

    if (EFI_ERROR(status))
        return status;
    return await_buffer() == frame ? EFI_SUCCESS : EFI_TIMEOUT;
}

static inline EFI_STATUS send_command(enum operation operation, uint32_t first, uint32_t second)
{
    put_command(command_buffer, &mode->CurrentAddress, operation, first, second);
    return send(command_buffer, SMALLEST_FRAME);
}

static inline EFI_STATUS receive(size_t *ret_size)
{
    UINTN size = sizeof rx_buffer;
    EFI_STATUS status = snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL);

    if (!EFI_ERROR(status))
        *ret_size = size;
    return status;
}

/* Wait for a frame of ours in rx_buffer; 0 if none comes. */
static inline size_t await_frame(enum operation operation, uint64_t limit_ms)
{
    uint64_t began_ms = clock_ms();

    do {
        size_t size = 0;
        if (!EFI_ERROR(receive(&size)) && is_ours(rx_buffer, size, operation))
            return size;
    } while (clock_ms() - began_ms < limit_ms);
    return 0;
}

static inline void drain(void)
{
    size_t size;
    void *buffer;

    (void)await_frame(DATA, 20);
    while (!EFI_ERROR(receive(&size)))
        ;
    while (!EFI_ERROR(get_status(&buffer)) && buffer != NULL)
        ;
}

static inline bool ask(enum operation operation, uint32_t first, uint32_t second)
{
    return !EFI_ERROR(send_command(operation, first, second)) && await_frame(REPLY, WAIT_MS) != 0;
}

/* Ask the peer for the last frame that it saw: returns its size, 0 unless there was exactly one.
 * Its bytes are at rx_buffer + PAYLOAD_OFFSET. */
static inline size_t seen_by_peer(void)
{
    if (!ask(REPORT, 0, 0) || get_be32(rx_buffer + 16) != 1)
        return 0;
    return get_be32(rx_buffer + 20);
}

/* Make the peer send a 60-byte DATA frame with this number and destination. */
static inline EFI_STATUS inject(const void *destination, uint32_t number, uint32_t delay_ms)
{
    uint8_t *inner = command_buffer + PAYLOAD_OFFSET;

    put_command(command_buffer, &mode->CurrentAddress, INJECT, delay_ms, SMALLEST_FRAME);
    put_command(inner, peer_address, DATA, number, 0);
    CopyMem(inner, destination, MAC_SIZE);
    return send(command_buffer, PAYLOAD_OFFSET + SMALLEST_FRAME);
}

/* From stopped to initialized, with a peer that knows us. */
static inline bool start(void)
{
    return !EFI_ERROR(bring_up(snp)) && ask(HELLO, 0, 0);
}

static inline void stop(void)
{
    (void)snp->Shutdown(snp);
    (void)snp->Stop(snp);
}

/* Run `test` on the NIC named on the command line. The exit status says whether all passed. */
static inline EFI_STATUS run_checks(EFI_HANDLE image, EFI_SYSTEM_TABLE *table, const CHAR16 *name,
                                    void (*test)(void))
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    struct nic nic;
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    size_t count = split_arguments(image, arguments);
    status = take_nic(count > 1 ? Atoi(arguments[1]) : 0, &nic);
    if (EFI_ERROR(status)) {
        Print(L"FAIL nic_is_there: expected Success, got %r\n", status);
        failed++;
    } else {
        snp = nic.snp;
        mode = snp->Mode;
        test();
        give_nic_back(&nic);
    }
    app_end();
    Print(L"%s passed=%d failed=%d\n", name, passed, failed);
    return failed == 0 ? EFI_SUCCESS : EFI_ABORTED;
}

#endif
