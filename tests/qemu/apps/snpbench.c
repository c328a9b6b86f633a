/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpbench exact FRAMES [NICS]   cost per call, FRAMES in each phase, on this many NICs at once
 * snpbench rate FRAMES           floods and round trips by the clock, without timing single calls
 * snpbench long FRAMES BLOCK     blocks of BLOCK frames in each direction, FRAMES in total
 * snpbench memory                pages and images of the NIC's driver
 *
 * Measures the SNP driver that has the NIC, with tests/bench/bench_peer.py on the wire. Counts
 * ticks of the TSC, which under QEMU's -icount are guest instructions times a power of two. Each
 * phase is announced on PHASE_PORT, so that a trace of the device's registers can be split. Lines:
 * "BENCH phase name value...", with calls and ticks for a call; "BENCH DONE" at the end. */
#include "snp_app.h"

#define PHASE_PORT 0x403 /* an isa-debugcon of the guest; unused on other machines */
#define TX_BUFFERS 64
#define STATUS_EVERY 16 /* frames sent between two rounds of GetStatus */
#define RX_BURST 64     /* frames that wait at once; every ring has room for them */
#define STALL_TICKS UINT64_C(8000000000) /* the longest pause without progress */
#define ROUNDS 3                         /* of each phase; the reader takes the lowest */
#define FLOOD_FACTOR 4                   /* for floods, as many frames as in a phase of calls */
#define TRIPS 16
#define SETTLE_TICKS 2000000
#define PAGE_KIB 4

enum call { TRANSMIT, RECEIVE, RECEIVE_EMPTY, GET_STATUS_BUFFER, GET_STATUS_NONE, CALLS };

static const CHAR16 *const call_names[CALLS] = {L"transmit", L"receive", L"receive_empty",
                                                L"get_status_buffer", L"get_status_none"};

struct tally {
    uint64_t calls, ticks;
};

static EFI_SIMPLE_NETWORK *snp;
static const CHAR16 *phase;
static struct tally tallies[CALLS];
static uint64_t timer_ticks; /* the cost of reading the clock */
static bool is_timed;
static uint8_t tx_buffers[TX_BUFFERS][FRAME_BUFFER_SIZE];
static void *tx_free[TX_BUFFERS];
static size_t tx_free_count;
static uint8_t rx_buffer[FRAME_BUFFER_SIZE];
static uint64_t last_progress; /* in ticks: a driver can stop the clock */
static EFI_STATUS failure;     /* the first one, which ends everything */

static void mark(char letter)
{
    __asm__ volatile("outb %0, %1" : : "a"(letter), "Nd"((uint16_t)PHASE_PORT));
}

/* The fence keeps the measured code in place on a real CPU. */
static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t ticks_if_timed(void)
{
    return is_timed ? ticks() : 0;
}

static uint64_t measure_timer(void)
{
    uint64_t least = UINT64_MAX;

    is_timed = true;
    for (int i = 0; i < 100; i++) {
        uint64_t began = ticks_if_timed();
        uint64_t elapsed = ticks_if_timed() - began;
        least = elapsed < least ? elapsed : least;
    }
    is_timed = false;
    return least;
}

static uint64_t ticks_per_second(void)
{
    uint64_t began = ticks();

    (void)BS->Stall(200000);
    return (ticks() - began) * 5;
}

/* Count a call that began at `clock`. A call that the clock interrupted is left out, because it
 * includes the firmware's timer. */
static void tally(enum call call, uint64_t elapsed, uint64_t clock)
{
    if (!is_timed || clock != clock_ticks)
        return;
    tallies[call].calls++;
    tallies[call].ticks += elapsed - timer_ticks;
}

static void report(const CHAR16 *name, uint64_t value)
{
    Print(L"BENCH %s %s %ld\n", phase, name, value);
}

static void fail(const CHAR16 *what, EFI_STATUS status)
{
    if (EFI_ERROR(failure))
        return;
    failure = status;
    Print(L"BENCH FAILED %s: %s: %r\n", phase, what, status);
}

static void note_progress(void)
{
    last_progress = ticks();
}

static bool is_going_on(const CHAR16 *what)
{
    if (!EFI_ERROR(failure) && ticks() - last_progress > STALL_TICKS)
        fail(what, EFI_TIMEOUT);
    return !EFI_ERROR(failure);
}

/* GetStatus once; true if it returned a buffer. */
static bool get_status(void)
{
    void *buffer = NULL;
    uint64_t clock = clock_ticks, began = ticks_if_timed();
    EFI_STATUS status = snp->GetStatus(snp, NULL, &buffer);
    uint64_t elapsed = ticks_if_timed() - began;

    tally(buffer != NULL ? GET_STATUS_BUFFER : GET_STATUS_NONE, elapsed, clock);
    if (EFI_ERROR(status)) {
        fail(L"GetStatus", status);
        return false;
    }
    if (buffer == NULL)
        return false;
    if (tx_free_count == TX_BUFFERS) {
        fail(L"GetStatus gave a buffer that was not sent", EFI_DEVICE_ERROR);
        return false;
    }
    tx_free[tx_free_count++] = buffer;
    note_progress();
    return true;
}

/* Wait for a buffer to fill. NULL if none comes back. */
static uint8_t *take_buffer(void)
{
    while (tx_free_count == 0 && is_going_on(L"buffers never came back"))
        (void)get_status();
    return EFI_ERROR(failure) ? NULL : tx_free[--tx_free_count];
}

/* Send a buffer, waiting for room. */
static void transmit(uint8_t *buffer, size_t size)
{
    while (is_going_on(L"Transmit never had room")) {
        uint64_t clock = clock_ticks, began = ticks_if_timed();
        EFI_STATUS status = snp->Transmit(snp, 0, size, buffer, NULL, NULL, NULL);
        uint64_t elapsed = ticks_if_timed() - began;

        if (!EFI_ERROR(status)) {
            tally(TRANSMIT, elapsed, clock);
            note_progress();
            return;
        }
        if (status != EFI_NOT_READY && status != EFI_OUT_OF_RESOURCES)
            fail(L"Transmit", status);
        else
            (void)get_status();
    }
}

static void send(enum operation operation, uint32_t first, uint32_t second, size_t size)
{
    uint8_t *frame = take_buffer();

    if (frame == NULL)
        return;
    put_command(frame, &snp->Mode->CurrentAddress, operation, first, second);
    transmit(frame, size);
}

static void collect(void)
{
    while (get_status())
        ;
}

/* Wait for all buffers. iPXE completes only in the next Receive or GetStatus. */
static void collect_all(void)
{
    while (tx_free_count < TX_BUFFERS && is_going_on(L"buffers never came back"))
        (void)get_status();
}

/* The size of the next frame, 0 if none is waiting. */
static size_t receive(void)
{
    UINTN size = sizeof rx_buffer;
    uint64_t clock = clock_ticks, began = ticks_if_timed();
    EFI_STATUS status = snp->Receive(snp, NULL, &size, rx_buffer, NULL, NULL, NULL);
    uint64_t elapsed = ticks_if_timed() - began;

    tally(status == EFI_NOT_READY ? RECEIVE_EMPTY : RECEIVE, elapsed, clock);
    if (!EFI_ERROR(status))
        return size;
    if (status != EFI_NOT_READY)
        fail(L"Receive", status);
    return 0;
}

static bool await(enum operation operation, const CHAR16 *what)
{
    note_progress();
    while (is_going_on(what)) {
        if (is_ours(rx_buffer, receive(), operation))
            return true;
    }
    return false;
}

/* Discard frames of an earlier phase. */
static void drain(void)
{
    uint32_t late = 0;

    while (receive() != 0)
        late++;
    if (late != 0)
        report(L"late", late);
}

static void begin(const CHAR16 *name, char letter)
{
    phase = name;
    drain();
    (void)get_status(); /* periodic work is done before */
    SetMem(tallies, sizeof tallies, 0);
    note_progress();
    mark(letter);
}

static void end(void)
{
    mark('-');
    for (enum call call = 0; call < CALLS; call++) {
        if (tallies[call].calls != 0)
            Print(L"BENCH %s %s %ld %ld\n", phase, call_names[call], tallies[call].calls,
                  tallies[call].ticks);
    }
}

/* Ask for frames and take them. */
static void take_flood(uint32_t frames, size_t size)
{
    uint32_t taken = 0, misplaced = 0, wrong_size = 0;

    send(FLOOD, frames, (uint32_t)size, SMALLEST_FRAME);
    note_progress();
    while (taken < frames && is_going_on(L"frames of a flood never came")) {
        size_t received = receive();

        if (!is_ours(rx_buffer, received, DATA))
            continue;
        misplaced += get_be32(rx_buffer + 16) != taken;
        wrong_size += received != size;
        taken++;
        note_progress();
    }
    if (taken != frames)
        report(L"lost", frames - taken);
    if (wrong_size != 0)
        report(L"of_wrong_size", wrong_size);
    if (misplaced != 0)
        report(L"out_of_place", misplaced);
}

static void send_flood(uint32_t frames, size_t size)
{
    for (uint32_t number = 0; number < frames && !EFI_ERROR(failure); number++) {
        send(DATA, number, (uint32_t)size, size);
        if (number % STATUS_EVERY == STATUS_EVERY - 1)
            collect();
    }
}

/* How much of a flood arrived, by the peer's count. */
static void check_delivery(uint32_t frames)
{
    send(COUNT, frames, 0, SMALLEST_FRAME);
    if (!await(REPLY, L"the peer's count never came"))
        return;
    uint32_t arrived = get_be32(rx_buffer + PAYLOAD_OFFSET);
    uint32_t misplaced = get_be32(rx_buffer + PAYLOAD_OFFSET + 4);
    if (arrived != frames)
        report(L"lost", frames - arrived);
    if (misplaced != 0)
        report(L"out_of_place", misplaced);
    collect_all();
}

/* Let all frames wait before the first is taken. */
static void receive_bursts(const CHAR16 *name, uint32_t frames, size_t size)
{
    begin(name, 'b');
    for (uint32_t taken = 0; taken < frames && !EFI_ERROR(failure); taken += RX_BURST) {
        is_timed = false;
        send(FLOOD, RX_BURST, (uint32_t)size, SMALLEST_FRAME);
        /* The first frame means that the burst has arrived, or nearly so. */
        while (!is_ours(rx_buffer, receive(), DATA) && is_going_on(L"a burst never came"))
            ;
        for (uint64_t began = ticks(); ticks() - began < SETTLE_TICKS;)
            ;
        is_timed = true;
        for (uint32_t due = 1; due < RX_BURST && is_going_on(L"a burst never came");) {
            if (is_ours(rx_buffer, receive(), DATA)) {
                due++;
                note_progress();
            }
        }
        is_timed = false;
        collect_all();
    }
    is_timed = true;
    end();
}

static void round_trips(uint32_t count)
{
    for (uint32_t i = 0; i < count && !EFI_ERROR(failure); i++) {
        send(HELLO, i, 0, SMALLEST_FRAME);
        if (!await(REPLY, L"a round trip never ended"))
            return;
        collect();
    }
}

static void poll_idle(uint32_t count)
{
    begin(L"get_status", 'g');
    for (uint32_t i = 0; i < count; i++)
        (void)get_status();
    end();
    begin(L"receive_empty", 'e');
    for (uint32_t i = 0; i < count; i++)
        (void)receive();
    end();
}

static void start(void)
{
    EFI_STATUS status = bring_up(snp);

    phase = L"start";
    for (tx_free_count = 0; tx_free_count < TX_BUFFERS; tx_free_count++)
        tx_free[tx_free_count] = tx_buffers[tx_free_count];
    if (EFI_ERROR(status))
        fail(L"Start, Initialize or ReceiveFilters", status);
    note_progress();
    send(HELLO, 0, 0, SMALLEST_FRAME);
    (void)await(REPLY, L"the peer never answered");
}

static void measure_calls(uint32_t frames)
{
    is_timed = true;
    receive_bursts(L"receive_64", frames, 64);
    receive_bursts(L"receive_1514", frames, LARGEST_FRAME);
    poll_idle(frames);
    begin(L"tx_flood", 't');
    send_flood(frames * FLOOD_FACTOR, 64);
    end();
    check_delivery(frames * FLOOD_FACTOR);
    begin(L"tx_1514_flood", 'T');
    send_flood(frames * FLOOD_FACTOR, LARGEST_FRAME);
    end();
    check_delivery(frames * FLOOD_FACTOR);
    begin(L"rx_flood", 'r');
    take_flood(frames * FLOOD_FACTOR, 64);
    end();
    collect_all();
    /* Few at a time, so that some batches end before any periodic work. */
    for (uint32_t i = 0; i < frames / 4; i += TRIPS) {
        begin(L"round_trip", 'p');
        round_trips(TRIPS);
        end();
    }
    is_timed = false;
}

static void measure_rate(const CHAR16 *name, uint32_t frames, size_t size, bool is_sent)
{
    phase = name;
    note_progress();
    uint64_t began = ticks();
    if (is_sent) {
        send_flood(frames, size);
        check_delivery(frames);
    } else {
        take_flood(frames, size);
    }
    if (!EFI_ERROR(failure))
        Print(L"BENCH %s frames %ld %ld\n", phase, (uint64_t)frames, ticks() - began);
    collect_all();
}

static void measure_rates(uint32_t frames)
{
    measure_rate(L"rx_64", frames, 64, false);
    measure_rate(L"rx_1514", frames, LARGEST_FRAME, false);
    phase = L"round_trips";
    note_progress();
    uint64_t began = ticks();
    round_trips(frames / 8);
    if (!EFI_ERROR(failure))
        Print(L"BENCH %s frames %ld %ld\n", phase, (uint64_t)(frames / 8), ticks() - began);
    collect_all();
    measure_rate(L"tx_64", frames, 64, true);
    measure_rate(L"tx_1514", frames, LARGEST_FRAME, true);
}

/* One after the other: a NIC that is up at the end of a block is still up in the next. */
static void measure_blocks(uint32_t frames, uint32_t block)
{
    is_timed = true;
    for (uint32_t gone = 0; gone < frames && !EFI_ERROR(failure); gone += 2 * block) {
        begin(L"block", 'l');
        take_flood(block, 64);
        collect_all();
        send_flood(block, 64);
        end();
        report(L"free_pages", free_pages());
        check_delivery(block);
    }
}

static size_t images_of(EFI_HANDLE controller, const EFI_GUID *protocol, EFI_HANDLE *agents,
                        size_t count)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *entries = NULL;
    UINTN entry_count = 0;
    EFI_GUID guid = *protocol;

    if (EFI_ERROR(BS->OpenProtocolInformation(controller, &guid, &entries, &entry_count)))
        return count;
    for (UINTN i = 0; i < entry_count && count < MAX_NICS; i++) {
        size_t known = 0;
        while (known < count && agents[known] != entries[i].AgentHandle)
            known++;
        if ((entries[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER) && known == count)
            agents[count++] = entries[i].AgentHandle;
    }
    (void)BS->FreePool(entries);
    return count;
}

/* Size in memory of the images that drive a controller, over all their layers. */
static uint64_t image_bytes(EFI_HANDLE controller)
{
    EFI_GUID **protocols = NULL, loaded_guid = LOADED_IMAGE_PROTOCOL;
    EFI_HANDLE agents[MAX_NICS];
    UINTN protocol_count = 0;
    size_t count = 0;
    uint64_t bytes = 0;

    if (EFI_ERROR(BS->ProtocolsPerHandle(controller, &protocols, &protocol_count)))
        return 0;
    for (UINTN i = 0; i < protocol_count; i++)
        count = images_of(controller, protocols[i], agents, count);
    (void)BS->FreePool(protocols);
    for (size_t i = 0; i < count; i++) {
        EFI_LOADED_IMAGE *image;
        if (!EFI_ERROR(BS->HandleProtocol(agents[i], &loaded_guid, (void **)&image)))
            bytes += image->ImageSize;
    }
    report(L"images", count);
    return bytes;
}

/* The pages used between a controller without a driver and an initialized NIC. */
static void measure_memory(struct nic *nic)
{
    EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;
    EFI_DEVICE_PATH *path = DevicePathFromHandle(nic->handle);
    EFI_HANDLE controller;
    EFI_STATUS status = BS->LocateDevicePath(&pci_io_guid, &path, &controller);

    phase = L"memory";
    if (EFI_ERROR(status)) {
        fail(L"no PCI device above the NIC", status);
        return;
    }
    report(L"image_bytes", image_bytes(controller));
    /* Only the final state counts. */
    (void)BS->DisconnectController(controller, NULL, NULL);
    struct nic nics[MAX_NICS];
    if (find_nics(nics) != 0) {
        fail(L"the driver does not let go of the NIC", EFI_ACCESS_DENIED);
        return;
    }
    uint64_t before = free_pages();
    (void)BS->ConnectController(controller, NULL, NULL, FALSE);
    if (find_nics(nics) == 0) {
        fail(L"no NIC after ConnectController", EFI_NOT_FOUND);
        return;
    }
    *nic = nics[0];
    snp = nic->snp;
    status = snp->Start(snp);
    if (!EFI_ERROR(status))
        status = snp->Initialize(snp, 0, 0);
    if (EFI_ERROR(status))
        fail(L"Start or Initialize", status);
    report(L"kib", (before - free_pages()) * PAGE_KIB);
}

static void run_rates(uint32_t frames)
{
    uint64_t frequency = ticks_per_second();
    uint64_t began = ticks();

    start();
    report(L"ticks", ticks() - began);
    report(L"ticks_per_second", frequency);
    for (unsigned round = 0; round < ROUNDS && !EFI_ERROR(failure); round++)
        measure_rates(frames);
}

/* All NICs are up while each is measured. */
static void run_calls(struct nic *nics, size_t count, uint32_t frames)
{
    for (size_t i = 0; i < count && !EFI_ERROR(failure); i++) {
        snp = nics[i].snp;
        start();
        collect_all();
    }
    for (size_t i = 0; i < count && !EFI_ERROR(failure); i++) {
        snp = nics[i].snp;
        for (unsigned round = 0; round < ROUNDS && !EFI_ERROR(failure); round++)
            measure_calls(frames);
    }
}

static void run(CHAR16 *arguments[], size_t count, struct nic *nics, size_t nic_count)
{
    uint32_t frames = count > 2 ? (uint32_t)Atoi(arguments[2]) : 1024;

    timer_ticks = measure_timer();
    snp = nics[0].snp;
    if (StrCmp(arguments[1], L"exact") == 0) {
        run_calls(nics, nic_count, frames);
    } else if (StrCmp(arguments[1], L"rate") == 0) {
        run_rates(frames);
    } else if (StrCmp(arguments[1], L"long") == 0) {
        start();
        measure_blocks(frames, count > 3 ? (uint32_t)Atoi(arguments[3]) : frames);
    } else if (StrCmp(arguments[1], L"memory") == 0) {
        measure_memory(&nics[0]);
    } else {
        fail(L"no such measurement", EFI_INVALID_PARAMETER);
    }
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    struct nic nics[MAX_NICS];
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    size_t count = split_arguments(image, arguments);
    bool has_nics = count > 3 && StrCmp(arguments[1], L"exact") == 0;
    size_t nic_count = has_nics ? Atoi(arguments[3]) : 1;
    size_t taken = 0;

    phase = L"begin";
    if (count < 2 || nic_count == 0 || nic_count > MAX_NICS)
        fail(L"usage: snpbench exact|rate|long|memory [FRAMES] [NICS|BLOCK]",
             EFI_INVALID_PARAMETER);
    for (; taken < nic_count && !EFI_ERROR(failure); taken++) {
        status = take_nic(taken, &nics[taken]);
        if (EFI_ERROR(status)) {
            fail(L"no such NIC", status);
            break;
        }
    }
    if (!EFI_ERROR(failure))
        run(arguments, count, nics, nic_count);
    Print(L"BENCH DONE\n");
    while (taken > 0)
        give_nic_back(&nics[--taken]);
    app_end();
    return failure;
}
