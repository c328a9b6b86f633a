/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Shared by the SNP test applications: arguments, a clock, finding a NIC and taking it away from
 * the firmware's network stack, and the frames that tests/qemu/wire/ understands (their layout is
 * described in stream.py, the operations in peer.py). An application is one source file, hence
 * static inline. */
#ifndef SNP_APP_H
#define SNP_APP_H

#include <efi.h>
#include <efilib.h>
#include <efinet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ARGUMENTS 8
#define MAX_NICS 32
#define CLOCK_PERIOD_MS 10
#define MEMORY_MAP_BYTES (64 * 1024)

#define ETHERTYPE 0x88b5 /* IEEE 802, local experimental */
#define HEADER_SIZE 14
#define PAYLOAD_OFFSET 24
#define SMALLEST_FRAME 60
#define LARGEST_FRAME 1514 /* on a NIC without an MTU of its own */
#define FRAME_BUFFER_SIZE 2048
#define MAC_SIZE 6

enum operation { HELLO = 1, FLOOD, DATA, RESET, COUNT, INJECT, REPORT, REPLY };

/* What src/driver/start.c calls, by the compiler's own convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

struct nic {
    EFI_HANDLE handle;
    EFI_SIMPLE_NETWORK *snp;
};

static const uint8_t peer_address[MAC_SIZE] = {0x02, 0x00, 0x5e, 0x10, 0x00, 0x01};

static volatile uint64_t clock_ticks;
static EFI_EVENT clock_event;

static inline void EFIAPI count_clock_tick(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
    clock_ticks++;
}

static inline uint64_t clock_ms(void)
{
    return clock_ticks * CLOCK_PERIOD_MS;
}

/* First call of every application; app_end() is the last. */
static inline EFI_STATUS app_begin(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    InitializeLib(image, table);
    status = BS->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_NOTIFY, count_clock_tick, NULL,
                             &clock_event);
    if (EFI_ERROR(status))
        return status;
    return BS->SetTimer(clock_event, TimerPeriodic, CLOCK_PERIOD_MS * 10000);
}

static inline void app_end(void)
{
    (void)BS->CloseEvent(clock_event);
}

/* Split the shell's command line in place; arguments[0] is the program. Returns their number. */
static inline size_t split_arguments(EFI_HANDLE image, CHAR16 *arguments[MAX_ARGUMENTS])
{
    EFI_LOADED_IMAGE *loaded;
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    size_t count = 0;

    if (EFI_ERROR(BS->HandleProtocol(image, &guid, (void **)&loaded)))
        return 0;
    CHAR16 *at = loaded->LoadOptions;
    CHAR16 *end = at + loaded->LoadOptionsSize / sizeof *at;
    while (at < end && *at != 0 && count < MAX_ARGUMENTS) {
        while (at < end && *at == L' ')
            at++;
        if (at == end || *at == 0)
            break;
        arguments[count++] = at;
        while (at < end && *at != 0 && *at != L' ')
            at++;
        if (at < end && *at != 0)
            *at++ = 0;
    }
    return count;
}

/* A whole application: `run` between app_begin() and app_end(), on the shell's arguments. */
static inline EFI_STATUS app_run(EFI_HANDLE image, EFI_SYSTEM_TABLE *table,
                                 EFI_STATUS (*run)(EFI_HANDLE image, CHAR16 *arguments[],
                                                   size_t count))
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    status = run(image, arguments, split_arguments(image, arguments));
    app_end();
    return status;
}

/* The NIC's own handle ends in a MAC node; PXE and HTTP boot put the same SNP on handles below. */
static inline bool ends_in_mac_node(EFI_HANDLE handle)
{
    EFI_DEVICE_PATH *node = DevicePathFromHandle(handle);
    bool is_mac = false;

    for (; node != NULL && !IsDevicePathEnd(node); node = NextDevicePathNode(node))
        is_mac = DevicePathType(node) == MESSAGING_DEVICE_PATH &&
                 DevicePathSubType(node) == MSG_MAC_ADDR_DP;
    return is_mac;
}

static inline bool is_before(const struct nic *a, const struct nic *b)
{
    return CompareMem(&a->snp->Mode->PermanentAddress, &b->snp->Mode->PermanentAddress, MAC_SIZE) <
           0;
}

/* All NICs with SNP, in the order of their MAC addresses. Returns their number. */
static inline size_t find_nics(struct nic nics[MAX_NICS])
{
    EFI_GUID guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
    EFI_HANDLE *handles = NULL;
    UINTN handle_count = 0;
    size_t count = 0;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &guid, NULL, &handle_count, &handles)))
        return 0;
    for (UINTN i = 0; i < handle_count && count < MAX_NICS; i++) {
        struct nic nic = {.handle = handles[i]};
        size_t place;

        if (!ends_in_mac_node(nic.handle) ||
            EFI_ERROR(BS->HandleProtocol(nic.handle, &guid, (void **)&nic.snp)))
            continue;
        for (place = count++; place > 0 && is_before(&nic, &nics[place - 1]); place--)
            nics[place] = nics[place - 1];
        nics[place] = nic;
    }
    (void)BS->FreePool(handles);
    return count;
}

/* Take the firmware's network stack off NIC `index` and leave its SNP stopped. */
static inline EFI_STATUS take_nic(size_t index, struct nic *ret_nic)
{
    EFI_GUID guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
    struct nic nics[MAX_NICS];
    EFI_STATUS status;

    if (index >= find_nics(nics))
        return EFI_NOT_FOUND;
    struct nic nic = nics[index];
    /* Fails if nothing was connected; only the final state matters. */
    (void)BS->DisconnectController(nic.handle, NULL, NULL);
    status = BS->HandleProtocol(nic.handle, &guid, (void **)&nic.snp);
    if (EFI_ERROR(status))
        return status;
    if (nic.snp->Mode->State == EfiSimpleNetworkInitialized)
        status = nic.snp->Shutdown(nic.snp);
    if (!EFI_ERROR(status) && nic.snp->Mode->State == EfiSimpleNetworkStarted)
        status = nic.snp->Stop(nic.snp);
    if (EFI_ERROR(status))
        return status;
    *ret_nic = nic;
    return EFI_SUCCESS;
}

/* app_begin() for an application called as NAME NUMBER [NIC]: returns its number, unchanged if none
 * is given, and takes its NIC, by default the first. */
static inline EFI_STATUS app_begin_on_nic(EFI_HANDLE image, EFI_SYSTEM_TABLE *table,
                                          uint32_t *number, struct nic *ret_nic)
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    size_t count = split_arguments(image, arguments);
    if (count > 1)
        *number = (uint32_t)Atoi(arguments[1]);
    return take_nic(count > 2 ? Atoi(arguments[2]) : 0, ret_nic);
}

/* From stopped to initialized, receiving unicast and broadcast. */
static inline EFI_STATUS bring_up(EFI_SIMPLE_NETWORK *snp)
{
    uint32_t filters = EFI_SIMPLE_NETWORK_RECEIVE_UNICAST | EFI_SIMPLE_NETWORK_RECEIVE_BROADCAST;
    EFI_STATUS status = snp->Start(snp);

    if (!EFI_ERROR(status))
        status = snp->Initialize(snp, 0, 0);
    if (!EFI_ERROR(status))
        status = snp->ReceiveFilters(snp, filters, 0, FALSE, 0, NULL);
    return status;
}

/* 0 if the firmware does not tell. */
static inline uint64_t free_pages(void)
{
    static uint8_t map[MEMORY_MAP_BYTES];
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

/* The keyboard is slow to poll, so poll at most once per tick of the clock. */
static inline bool is_key_pressed(void)
{
    static uint64_t asked_at;
    EFI_INPUT_KEY key;

    if (asked_at == clock_ticks)
        return false;
    asked_at = clock_ticks;
    return !EFI_ERROR(ST->ConIn->ReadKeyStroke(ST->ConIn, &key));
}

/* Stop the NIC and connect the firmware's network stack again. */
static inline void give_nic_back(struct nic *nic)
{
    if (nic->snp->Mode->State == EfiSimpleNetworkInitialized)
        (void)nic->snp->Shutdown(nic->snp);
    if (nic->snp->Mode->State == EfiSimpleNetworkStarted)
        (void)nic->snp->Stop(nic->snp);
    (void)BS->ConnectController(nic->handle, NULL, NULL, TRUE);
}

static inline void put_be32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static inline uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_header(uint8_t *frame, const void *destination, const void *source)
{
    CopyMem(frame, destination, MAC_SIZE);
    CopyMem(frame + MAC_SIZE, source, MAC_SIZE);
    frame[12] = ETHERTYPE >> 8;
    frame[13] = ETHERTYPE & 0xff;
}

/* Write our header: PAYLOAD_OFFSET bytes, then zeros up to SMALLEST_FRAME. */
static inline void put_command(uint8_t *frame, const void *source, enum operation operation,
                               uint32_t first, uint32_t second)
{
    ZeroMem(frame, SMALLEST_FRAME);
    put_header(frame, peer_address, source);
    frame[14] = (uint8_t)operation;
    put_be32(frame + 16, first);
    put_be32(frame + 20, second);
}

static inline bool is_ours(const uint8_t *frame, size_t size, enum operation operation)
{
    return size >= PAYLOAD_OFFSET && frame[12] == ETHERTYPE >> 8 &&
           frame[13] == (ETHERTYPE & 0xff) && frame[14] == operation;
}

#define TABLE_WORDS 32768 /* more than the largest frame and 4 KiB */
static uint32_t payload_table[TABLE_WORDS];
static uint32_t largest_frame = LARGEST_FRAME; /* of DATA; the peer learns it by HELLO */

static inline void fill_payload_table(void)
{
    uint32_t state = 0x2545f491;

    for (size_t i = 0; i < TABLE_WORDS; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        payload_table[i] = state;
    }
}

/* All sizes in turn; every 16th frame has the largest. */
static inline uint32_t data_size(uint32_t number)
{
    uint32_t count = largest_frame - SMALLEST_FRAME + 1;

    if (number % 16 == 15)
        return largest_frame;
    return SMALLEST_FRAME + number % count * 397 % count; /* no overflow; ia32 has no 64-bit % */
}

/* The payload of DATA frame `number`, data_size() - PAYLOAD_OFFSET bytes. */
static inline const uint8_t *data_payload(uint32_t number)
{
    return (const uint8_t *)payload_table + number * 8 % 4096;
}

static inline bool is_data_intact(const uint8_t *frame, size_t size, const void *destination,
                                  uint32_t number)
{
    uint8_t header[SMALLEST_FRAME];

    put_command(header, peer_address, DATA, number, data_size(number));
    CopyMem(header, destination, MAC_SIZE);
    return size == data_size(number) && CompareMem(frame, header, PAYLOAD_OFFSET) == 0 &&
           CompareMem(frame + PAYLOAD_OFFSET, data_payload(number), size - PAYLOAD_OFFSET) == 0;
}

#endif
