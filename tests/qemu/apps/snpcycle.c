/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpcycle COUNT [NIC]: Initialize and Shutdown, COUNT times, while wire/peer.py floods: in each
 * round a frame must arrive and one must be answered. At the end every page that was free at first
 * must be free again. "CYCLE rounds=N received=N answered=N pages=N" with the pages lost, and
 * "CYCLE PASS" or "CYCLE FAIL". */
#include "snp_check.h"

#define WARM_UP_ROUNDS 2 /* the firmware's own lists grow at first */

static bool run(uint32_t rounds)
{
    uint32_t done = 0, received = 0, answered = 0;
    uint64_t free_before = 0;
    EFI_STATUS status = snp->Start(snp);

    while (!EFI_ERROR(status) && done < rounds) {
        if (done++ == WARM_UP_ROUNDS)
            free_before = free_pages();
        status = snp->Initialize(snp, 0, 0);
        if (EFI_ERROR(status))
            break;
        received += await_frame(DATA, WAIT_MS) != 0;
        answered += ask(HELLO, 0, 0);
        status = snp->Shutdown(snp);
    }
    uint64_t lost = free_before - free_pages();
    Print(L"CYCLE rounds=%d received=%d answered=%d pages=%ld last=%r\n", done, received, answered,
          lost, status);
    return !EFI_ERROR(status) && received == rounds && answered == rounds && lost == 0;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    uint32_t rounds = 100;
    bool is_good = false;
    struct nic nic;

    if (!EFI_ERROR(app_begin_on_nic(image, table, &rounds, &nic))) {
        snp = nic.snp;
        mode = snp->Mode;
        is_good = run(rounds);
        give_nic_back(&nic);
    }
    app_end();
    Print(is_good ? L"CYCLE PASS\n" : L"CYCLE FAIL\n");
    return is_good ? EFI_SUCCESS : EFI_ABORTED;
}
