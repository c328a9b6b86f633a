/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "wire.h"

/* Called by the compiler's instrumentation, before the load. */
void __sanitizer_cov_load1(const uint8_t *address);
void __sanitizer_cov_load2(const uint16_t *address);
void __sanitizer_cov_load4(const uint32_t *address);
void __sanitizer_cov_load8(const uint64_t *address);
void __sanitizer_cov_load16(const void *address);

static struct wire *current;
static EFI_TPL tpl_before;

static void ask(void)
{
    if (!current->is_in_call || current->is_in_hook || !current->before)
        return;
    current->is_in_hook = true;
    current->before(current->context);
    current->is_in_hook = false;
}

static void on_load(const void *address)
{
    if (!current || !current->is_in_call || current->is_in_hook)
        return;
    for (unsigned i = 0; i < current->shared_count; i++) {
        const struct wire_memory *memory = &current->shared[i];

        if ((uintptr_t)address - (uintptr_t)memory->bytes < memory->length) {
            ask();
            return;
        }
    }
}

void __sanitizer_cov_load1(const uint8_t *address)
{
    on_load(address);
}

void __sanitizer_cov_load2(const uint16_t *address)
{
    on_load(address);
}

void __sanitizer_cov_load4(const uint32_t *address)
{
    on_load(address);
}

void __sanitizer_cov_load8(const uint64_t *address)
{
    on_load(address);
}

void __sanitizer_cov_load16(const void *address)
{
    on_load(address);
}

static void count(UINTN accesses)
{
    current->accesses += (unsigned)accesses;
    fuzz_claim(!current->is_in_call ||
                   current->accesses <= current->calls_max * WIRE_CALL_ACCESSES_MAX,
               "a call makes more than %u register accesses", WIRE_CALL_ACCESSES_MAX);
    ask();
}

/* Checked during the call as well: a call that waits forever has no end. */
static void check_time(const char *what)
{
    uint64_t took_us = fake_firmware_now_us(current->firmware) - current->call_start_us;

    fuzz_claim(took_us <= (uint64_t)current->calls_max * WIRE_CALL_US_MAX, "%s lasts %llu us", what,
               (unsigned long long)took_us);
}

static EFI_STATUS finish_read(EFI_STATUS status, uint64_t place, void *buffer, UINTN bytes)
{
    if (!EFI_ERROR(status) && current->after_read && current->is_in_call && !current->is_in_hook)
        current->after_read(current->context, place, buffer, bytes);
    return status;
}

static EFI_STATUS EFIAPI mem_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                  UINT8 bar, UINT64 offset, UINTN times, VOID *buffer)
{
    count(times);
    return finish_read(current->real.Mem.Read(this, width, bar, offset, times, buffer),
                       WIRE_PLACE(bar, offset), buffer, times << (width & 3u));
}

static EFI_STATUS EFIAPI mem_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                   UINT8 bar, UINT64 offset, UINTN times, VOID *buffer)
{
    count(times);
    return current->real.Mem.Write(this, width, bar, offset, times, buffer);
}

static EFI_STATUS EFIAPI io_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                 UINT8 bar, UINT64 offset, UINTN times, VOID *buffer)
{
    count(times);
    return finish_read(current->real.Io.Read(this, width, bar, offset, times, buffer),
                       WIRE_PLACE(bar, offset), buffer, times << (width & 3u));
}

static EFI_STATUS EFIAPI io_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                  UINT8 bar, UINT64 offset, UINTN times, VOID *buffer)
{
    count(times);
    return current->real.Io.Write(this, width, bar, offset, times, buffer);
}

static EFI_STATUS EFIAPI config_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN times, VOID *buffer)
{
    count(times);
    return finish_read(current->real.Pci.Read(this, width, offset, times, buffer),
                       WIRE_PLACE(WIRE_CONFIG, offset), buffer, times << (width & 3u));
}

/* Sets the window to a register, or writes there. Only reads through it count. */
static EFI_STATUS EFIAPI config_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                      UINT32 offset, UINTN times, VOID *buffer)
{
    ask();
    return current->real.Pci.Write(this, width, offset, times, buffer);
}

static EFI_STATUS EFIAPI map(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_OPERATION operation,
                             VOID *host, UINTN *bytes, EFI_PHYSICAL_ADDRESS *ret_address,
                             VOID **ret_token)
{
    EFI_STATUS status = current->real.Map(this, operation, host, bytes, ret_address, ret_token);

    if (EFI_ERROR(status))
        return status;
    fuzz_claim(current->shared_count < WIRE_SHARED_MAX, "more than %u mappings", WIRE_SHARED_MAX);
    current->shared[current->shared_count++] = (struct wire_memory){*ret_token, host, *bytes};
    return status;
}

static EFI_STATUS EFIAPI unmap(EFI_PCI_IO_PROTOCOL *this, VOID *token)
{
    for (unsigned i = 0; i < current->shared_count; i++) {
        if (current->shared[i].token == token) {
            current->shared[i] = current->shared[--current->shared_count];
            break;
        }
    }
    return current->real.Unmap(this, token);
}

static EFI_STATUS EFIAPI stall(UINTN microseconds)
{
    EFI_STATUS status;

    ask();
    status = current->real_stall(microseconds);
    if (current->is_in_call)
        check_time("a call that waits");
    return status;
}

void wire_init(struct wire *wire, struct fake_device *device)
{
    struct fake_pci_function *function = fake_device_pci(device);
    EFI_PCI_IO_PROTOCOL *protocol = &function->protocol;

    *wire = (struct wire){
        .firmware = function->firmware,
        .function = function,
        .real = *protocol,
        .real_stall = BS->Stall,
        .calls_max = 1,
    };
    protocol->Mem.Read = mem_read;
    protocol->Mem.Write = mem_write;
    protocol->Io.Read = io_read;
    protocol->Io.Write = io_write;
    protocol->Pci.Read = config_read;
    protocol->Pci.Write = config_write;
    protocol->Map = map;
    protocol->Unmap = unmap;
    BS->Stall = stall;
    current = wire;
}

void wire_fini(void)
{
    current = NULL;
}

void wire_begin(struct wire *wire)
{
    wire->accesses = 0;
    wire->call_start_us = fake_firmware_now_us(wire->firmware);
    tpl_before = fake_firmware_tpl(wire->firmware);
    wire->is_in_call = true;
}

void wire_end(struct wire *wire, const char *what)
{
    wire->is_in_call = false;
    check_time(what);
    fuzz_claim(fake_firmware_tpl(wire->firmware) == tpl_before, "%s changes the TPL", what);
}
