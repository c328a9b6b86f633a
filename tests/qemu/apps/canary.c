/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * canary [NIC]: does a device write to memory after ExitBootServices? Initializes SNP, waits until
 * frames flow, leaves boot services and computes the checksum of every free page. Then it waits for
 * a key on the serial port while frames keep arriving, and computes them again. The NIC is not shut
 * down; the driver must do that at ExitBootServices. Output on the serial port:
 *
 *     CANARY flowing          at least FLOWING frames were received; slow down and press a key
 *     CANARY exited           out of boot services, first sums taken; press a key
 *     CANARY pages=N changed=N
 *     CANARY page ADDRESS     of the first few that changed
 *
 * Then the machine is switched off. */
#include "snp_app.h"

#define FLOWING 300 /* more than a ring has entries */
#define PAGE_BYTES 4096
#define MAP_BYTES (64 * 1024)
#define STACK_BYTES (64 * 1024) /* ours, below and above where we are */
#define CHANGED_SHOWN 8
#define EXIT_TRIES 4
#define FLOW_LIMIT_MS 20000

#define SERIAL_PORT 0x3f8
#define SERIAL_STATUS (SERIAL_PORT + 5)
#define SERIAL_HAS_INPUT 0x01
#define SERIAL_HAS_ROOM 0x20

static uint8_t map[MAP_BYTES];
static UINTN map_bytes, entry_bytes;
static uint64_t *sums; /* one a page */
static size_t sum_count;
static uint8_t frame[FRAME_BUFFER_SIZE];

static void port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t port_read(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void say(const char *text)
{
    for (; *text != 0; text++) {
        while (!(port_read(SERIAL_STATUS) & SERIAL_HAS_ROOM))
            ;
        port_write(SERIAL_PORT, (uint8_t)*text);
    }
}

static void say_number(uint64_t number)
{
    char digits[17];
    size_t at = sizeof digits - 1;

    digits[at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[number % 16];
        number /= 16;
    } while (number != 0);
    say(digits + at);
}

static void await_key(void)
{
    while (port_read(SERIAL_STATUS) & SERIAL_HAS_INPUT)
        (void)port_read(SERIAL_PORT);
    say("CANARY exited\r\n");
    while (!(port_read(SERIAL_STATUS) & SERIAL_HAS_INPUT))
        ;
}

static uint64_t sum_of_page(uint64_t address)
{
    const uint64_t *word = (const uint64_t *)(uintptr_t)address;
    uint64_t sum = 0;

    for (size_t i = 0; i < PAGE_BYTES / sizeof *word; i++)
        sum = (sum << 7 | sum >> 57) ^ word[i];
    return sum;
}

/* Memory for the operating system's use: nothing in it changes unless somebody writes. */
static bool is_free_after_exit(uint32_t type)
{
    return type == EfiConventionalMemory || type == EfiBootServicesCode ||
           type == EfiBootServicesData;
}

static bool is_our_stack(uint64_t page)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    return page + STACK_BYTES > here && page < here + STACK_BYTES;
}

static void note_page(uint64_t page, size_t index, bool is_second, size_t *changed)
{
    uint64_t sum = sum_of_page(page);

    if (!is_second) {
        sums[index] = sum;
    } else if (sums[index] != sum && (*changed)++ < CHANGED_SHOWN) {
        say("CANARY page ");
        say_number(page);
        say("\r\n");
    }
}

/* Compute the checksums, or compare with them. Returns the number of pages. */
static size_t walk(bool is_second, size_t *changed)
{
    size_t index = 0;

    for (UINTN at = 0; at < map_bytes; at += entry_bytes) {
        const EFI_MEMORY_DESCRIPTOR *entry = (const void *)(map + at);

        for (uint64_t i = 0; is_free_after_exit(entry->Type) && i < entry->NumberOfPages; i++) {
            uint64_t page = entry->PhysicalStart + i * PAGE_BYTES;

            if (!is_our_stack(page) && page != 0 && index < sum_count)
                note_page(page, index++, is_second, changed);
        }
    }
    return index;
}

static EFI_STATUS allocate_sums(void)
{
    UINTN key;
    UINT32 version;
    uint64_t pages = 0;
    EFI_STATUS status;

    map_bytes = sizeof map;
    status = BS->GetMemoryMap(&map_bytes, (void *)map, &key, &entry_bytes, &version);
    for (UINTN at = 0; !EFI_ERROR(status) && at < map_bytes; at += entry_bytes)
        pages += ((const EFI_MEMORY_DESCRIPTOR *)(const void *)(map + at))->NumberOfPages;
    if (EFI_ERROR(status))
        return status;
    sum_count = (size_t)pages;
    return BS->AllocatePool(EfiLoaderData, sum_count * sizeof *sums, (void **)&sums);
}

static EFI_STATUS exit_boot_services(EFI_HANDLE image)
{
    EFI_STATUS status = EFI_ABORTED;
    UINT32 version;
    UINTN key;

    for (unsigned i = 0; i < EXIT_TRIES && EFI_ERROR(status); i++) {
        map_bytes = sizeof map;
        status = BS->GetMemoryMap(&map_bytes, (void *)map, &key, &entry_bytes, &version);
        if (!EFI_ERROR(status))
            status = BS->ExitBootServices(image, key);
    }
    return status;
}

static bool receive_data(EFI_SIMPLE_NETWORK *snp)
{
    UINTN size = sizeof frame;

    return !EFI_ERROR(snp->Receive(snp, NULL, &size, frame, NULL, NULL, NULL)) &&
           is_ours(frame, size, DATA);
}

static bool see_frames_flow(EFI_SIMPLE_NETWORK *snp)
{
    uint64_t began_ms = clock_ms();
    uint32_t seen = 0;

    while (seen < FLOWING && clock_ms() - began_ms < FLOW_LIMIT_MS)
        seen += receive_data(snp);
    return seen >= FLOWING;
}

/* Until the far end has slowed down and said so. The device then has a ring full of empty buffers,
 * which it would fill if it were alive after the exit. */
static void drain_until_key(EFI_SIMPLE_NETWORK *snp)
{
    while (!is_key_pressed())
        (void)receive_data(snp);
    while (receive_data(snp))
        ;
}

static EFI_STATUS start(size_t index)
{
    struct nic nic;
    EFI_STATUS status = take_nic(index, &nic);

    if (!EFI_ERROR(status))
        status = nic.snp->Start(nic.snp);
    if (!EFI_ERROR(status))
        status = nic.snp->Initialize(nic.snp, 0, 0);
    if (EFI_ERROR(status))
        return status;
    if (!see_frames_flow(nic.snp))
        return EFI_TIMEOUT;
    Print(L"CANARY flowing\n");
    drain_until_key(nic.snp);
    return EFI_SUCCESS;
}

/* Does not return. */
static void watch(void)
{
    size_t changed = 0;

    __asm__ volatile("cli");
    (void)walk(false, &changed);
    await_key();
    size_t pages = walk(true, &changed);
    say("CANARY pages=");
    say_number(pages);
    say(" changed=");
    say_number(changed);
    say("\r\n");
    RT->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    size_t count = split_arguments(image, arguments);
    status = start(count > 1 ? Atoi(arguments[1]) : 0);
    app_end();
    if (!EFI_ERROR(status))
        status = allocate_sums();
    if (!EFI_ERROR(status))
        status = exit_boot_services(image);
    if (EFI_ERROR(status)) {
        Print(L"CANARY FAIL %r\n", status);
        return status;
    }
    watch();
    return EFI_ABORTED;
}
