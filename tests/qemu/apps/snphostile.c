/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snphostile COUNT [NIC]: makes wire/hostile.py misbehave in each of COUNT ways, and meanwhile
 * calls all of SNP, more often than a ring has entries. Then the device behaves again: after Reset,
 * or, every second time, after Shutdown and Initialize. A line each
 *
 *     HOSTILE number transmit=worst receive=worst status=worst odd=N answered=N recovered=N
 *
 * and "HOSTILE end". odd counts statuses that no method may return. */
#include "snp_check.h"

#define ROUNDS 700
#define TURNS_FOR_A_LIE 2     /* one may have begun before */
#define TURNS_FOR_AN_ANSWER 4 /* to take the frame and to deliver the reply, likewise */
#define MISBEHAVE (REPLY + 1)

struct outcome {
    EFI_STATUS transmit, receive, status; /* the last that was neither SUCCESS nor NOT_READY */
    uint32_t odd;
};

static uint8_t tx_frames[ROUNDS][SMALLEST_FRAME];
/* 0 until the device's process may misbehave, which then counts its turns here. */
static volatile uint32_t turns;

static void note_status(EFI_STATUS status, EFI_STATUS *worst, struct outcome *outcome)
{
    if (!EFI_ERROR(status) || status == EFI_NOT_READY)
        return;
    *worst = status;
    outcome->odd += status != EFI_DEVICE_ERROR;
}

static void call_data_path(uint32_t round, struct outcome *outcome)
{
    UINT32 interrupts;
    size_t size;
    void *buffer;

    put_command(tx_frames[round], &mode->CurrentAddress, DATA, round, 0);
    note_status(transmit(tx_frames[round], SMALLEST_FRAME), &outcome->transmit, outcome);
    note_status(receive(&size), &outcome->receive, outcome);
    buffer = NULL;
    note_status(snp->GetStatus(snp, &interrupts, &buffer), &outcome->status, outcome);
    (void)BS->CheckEvent(snp->WaitForPacket);
}

static void call_the_rest(struct outcome *outcome)
{
    EFI_NETWORK_STATISTICS table;
    UINTN size = sizeof table;
    EFI_STATUS ignored;

    note_status(snp->Statistics(snp, FALSE, &size, &table), &ignored, outcome);
    note_status(snp->ReceiveFilters(snp, UNICAST | BROADCAST, 0, FALSE, 0, NULL), &ignored,
                outcome);
    note_status(snp->StationAddress(snp, TRUE, NULL), &ignored, outcome);
}

/* How long a turn takes depends on how busy the host is. */
static void await_turns(uint32_t wanted)
{
    uint32_t first = turns;
    uint64_t began_ms = clock_ms();

    while (turns - first < wanted && clock_ms() - began_ms < WAIT_MS)
        BS->Stall(1000);
}

static bool is_report_answered(void)
{
    bool is_sent = false;
    bool is_answered = false;
    void *buffer;

    put_command(command_buffer, &mode->CurrentAddress, REPORT, 0, 0);
    for (uint32_t turn = 0; turn < TURNS_FOR_AN_ANSWER && !is_answered; turn++) {
        (void)get_status(&buffer); /* makes room */
        if (!is_sent)
            is_sent = !EFI_ERROR(transmit(command_buffer, SMALLEST_FRAME));
        await_turns(1);
        is_answered = await_frame(REPLY, 0) != 0;
    }
    return is_answered;
}

static bool recover(uint32_t number)
{
    EFI_STATUS status;

    if (number % 2 == 0) {
        status = snp->Reset(snp, FALSE);
    } else {
        status = snp->Shutdown(snp);
        if (!EFI_ERROR(status))
            status = snp->Initialize(snp, 0, 0);
    }
    if (EFI_ERROR(status))
        Print(L"HOSTILE %d not back: %r\n", number, status);
    return !EFI_ERROR(status) && ask(HELLO, 0, 0) && ask(REPORT, 0, 0);
}

static bool suffer(uint32_t number)
{
    struct outcome outcome = {0};

    turns = 0;
    if (!ask(MISBEHAVE, number, (uint32_t)(uintptr_t)&turns)) {
        Print(L"HOSTILE %d not begun: no answer\n", number);
        return false;
    }
    turns = 1; /* it begins */
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_data_path(round, &outcome);
        if (round % 100 == 0) {
            call_the_rest(&outcome);
            await_turns(TURNS_FOR_A_LIE);
        }
    }
    bool is_answered = is_report_answered();
    call_data_path(0, &outcome);
    bool is_back = recover(number);
    Print(L"HOSTILE %d transmit=%r receive=%r status=%r odd=%d answered=%d recovered=%d\n", number,
          outcome.transmit, outcome.receive, outcome.status, outcome.odd, is_answered, is_back);
    return is_back;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    uint32_t ways = 0;
    struct nic nic;
    EFI_STATUS status = app_begin_on_nic(image, table, &ways, &nic);

    if (!EFI_ERROR(status)) {
        snp = nic.snp;
        mode = snp->Mode;
        bool is_going = start();
        for (uint32_t number = 0; number < ways && is_going; number++)
            is_going = suffer(number);
        give_nic_back(&nic);
        status = is_going ? EFI_SUCCESS : EFI_ABORTED;
    }
    app_end();
    Print(L"HOSTILE end: %r\n", status);
    return status;
}
