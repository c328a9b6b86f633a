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
#define REST_US 15000u /* for the device's process to get its turn */
#define MISBEHAVE (REPLY + 1)

struct outcome {
    EFI_STATUS transmit, receive, status; /* the last that was neither SUCCESS nor NOT_READY */
    uint32_t odd;
};

static uint8_t tx_frames[ROUNDS][SMALLEST_FRAME];

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
    return !EFI_ERROR(status) && ask_patiently(HELLO, 0, 0) && ask_patiently(REPORT, 0, 0);
}

static bool suffer(uint32_t number)
{
    struct outcome outcome = {0};

    if (!ask_patiently(MISBEHAVE, number, 0)) {
        Print(L"HOSTILE %d not begun: no answer\n", number);
        return false;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_data_path(round, &outcome);
        if (round % 100 == 0) {
            call_the_rest(&outcome);
            BS->Stall(REST_US);
        }
    }
    bool is_answered = ask(REPORT, 0, 0);
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
