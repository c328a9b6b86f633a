/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpcycle COUNT [NIC]: Initialize and Shutdown, COUNT times, while wire/peer.py floods: in each
 * round a frame has to arrive and one has to be answered. Then every page that was free at first is
 * free again. "CYCLE rounds=N received=N answered=N pages=N" with the pages lost, and "CYCLE PASS"
 * or "CYCLE FAIL". */
#include "snp_check.h"

#define MAP_BYTES (64 * 1024)
#define WARM_UP_ROUNDS 2 /* the firmware's own lists grow at first */

static uint8_t map[MAP_BYTES];

static uint64_t free_pages(void)
{
    UINTN map_bytes = sizeof map, entry_bytes, key;
    UINT32 version;
    uint64_t pages = 0;

    if (EFI_ERROR(BS->GetMemoryMap(&map_bytes, (void *)map, &key, &entry_bytes, &version)))
        return 0;
    for (UINTN at = 0; at < map_bytes; at += entry_bytes) {
        const EFI_MEMORY_DESCRIPTOR *entry = (const void *)(map + at);

        if (entry->Type == EfiConventionalMemory)
            pages += entry->NumberOfPages;
    }
    return pages;
}

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
    CHAR16 *arguments[MAX_ARGUMENTS];
    struct nic nic;
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    size_t count = split_arguments(image, arguments);
    uint32_t rounds = count > 1 ? (uint32_t)Atoi(arguments[1]) : 100;
    status = take_nic(count > 2 ? Atoi(arguments[2]) : 0, &nic);
    bool is_good = false;
    if (!EFI_ERROR(status)) {
        snp = nic.snp;
        mode = snp->Mode;
        is_good = run(rounds);
        give_nic_back(&nic);
    }
    app_end();
    Print(is_good ? L"CYCLE PASS\n" : L"CYCLE FAIL\n");
    return is_good ? EFI_SUCCESS : EFI_ABORTED;
}
