/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The register half of PciIo: configuration space, BARs, attributes, location.
 */
#include "pci_io.h"

#include <stdlib.h>
#include <string.h>

#include <uefi_ext/pci_bar.h>

#include "firmware_internal.h"

#define COMMAND_REGISTER 0x04u
#define MSIX_CAPABILITY_ID 0x11u
#define ACPI_END_TAG 0x79u

#define DEVICE_ENABLE                                                                              \
    (EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY | EFI_PCI_IO_ATTRIBUTE_BUS_MASTER)

struct pci_device_path {
    ACPI_HID_DEVICE_PATH root;
    PCI_DEVICE_PATH pci;
    EFI_DEVICE_PATH end;
} __attribute__((packed));

/* EFI_PCI_IO_PROTOCOL_WIDTH taken apart. */
struct access_width {
    unsigned bytes;
    unsigned buffer_step;
    unsigned register_step;
};

static struct fake_pci_function *function_of(EFI_PCI_IO_PROTOCOL *this, const char *method)
{
    struct fake_pci_function *function = (struct fake_pci_function *)this;

    fake_enter_at_exit(method, TPL_HIGH_LEVEL);
    return function;
}

static struct access_width decode_width(EFI_PCI_IO_PROTOCOL_WIDTH width)
{
    unsigned bytes = 1u << (width & 3u);
    bool is_fifo = width >= EfiPciIoWidthFifoUint8 && width <= EfiPciIoWidthFifoUint64;
    bool is_fill = width >= EfiPciIoWidthFillUint8;

    return (struct access_width){bytes, is_fill ? 0 : bytes, is_fifo ? 0 : bytes};
}

static unsigned config_register_at(const struct fake_pci_function *function, unsigned offset)
{
    unsigned capability = function->config[0x34] & 0xfcu;

    for (unsigned i = 0; capability && i < FAKE_PCI_CONFIG_SIZE / 4; i++) {
        if (offset >= capability && offset < capability + 12 &&
            function->config[capability] == MSIX_CAPABILITY_ID)
            return MSIX_CAPABILITY_ID;
        capability = function->config[capability + 1] & 0xfcu;
    }
    return 0;
}

static EFI_STATUS access_config(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width_code,
                                UINT32 offset, UINTN count, void *buffer, bool is_write)
{
    struct fake_pci_function *function = function_of(this, "PciIo.Pci");
    struct access_width width = decode_width(width_code);
    uint8_t *bytes = buffer;

    if (!buffer || width_code >= EfiPciIoWidthMaximum || width.bytes > 4 || offset % width.bytes) {
        fake_report("PciIo.Pci: width %u at %#x", (unsigned)width_code, offset);
        return EFI_INVALID_PARAMETER;
    }
    if (offset + count * width.register_step > FAKE_PCI_CONFIG_SIZE) {
        fake_report("PciIo.Pci: %u bytes at %#x, outside configuration space",
                    (unsigned)(count * width.bytes), offset);
        return EFI_INVALID_PARAMETER;
    }
    function->accesses[FAKE_ACCESS_CONFIG] += (unsigned)count;
    if (fake_call_fails(function->firmware, FAKE_CALL_PCI, "PciIo.Pci")) {
        function->lost_a_write |= is_write;
        return EFI_DEVICE_ERROR;
    }
    for (; count > 0; count--, offset += width.register_step, bytes += width.buffer_step) {
        if (!is_write && function->is_unplugged)
            memset(bytes, 0xff, width.bytes);
        else if (function->operations->access_config &&
                 function->operations->access_config(function->context, offset, width.bytes, bytes,
                                                     is_write))
            continue;
        else if (!is_write)
            memcpy(bytes, &function->config[offset], width.bytes);
        else if (config_register_at(function, offset) == MSIX_CAPABILITY_ID)
            memcpy(&function->config[offset], bytes, width.bytes);
        else
            fake_report("PciIo.Pci.Write at %#x, which drivers must not write", offset);
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI config_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, void *buffer)
{
    return access_config(this, width, offset, count, buffer, false);
}

static EFI_STATUS EFIAPI config_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                      UINT32 offset, UINTN count, void *buffer)
{
    return access_config(this, width, offset, count, buffer, true);
}

/* From PciIo's BarIndex to the BAR register; FAKE_PCI_BAR_COUNT: no such BAR. */
static unsigned bar_register(const struct fake_pci_function *function, unsigned bar_index)
{
    const struct fake_bar *bars = function->options.bars;
    unsigned bar = 0;

    if (!function->options.compressed_bar_index)
        return bar_index < FAKE_PCI_BAR_COUNT && bars[bar_index].size ? bar_index
                                                                      : FAKE_PCI_BAR_COUNT;
    for (; bar < FAKE_PCI_BAR_COUNT && bar_index > 0; bar_index--)
        bar += bars[bar].is_64bit ? 2 : 1;
    return bar < FAKE_PCI_BAR_COUNT && bars[bar].size ? bar : FAKE_PCI_BAR_COUNT;
}

static EFI_STATUS check_bar_access(struct fake_pci_function *function, bool is_io,
                                   EFI_PCI_IO_PROTOCOL_WIDTH width_code, unsigned bar,
                                   uint64_t offset, UINTN count)
{
    const char *method = is_io ? "PciIo.Io" : "PciIo.Mem";
    struct access_width width = decode_width(width_code);
    uint64_t needed = is_io ? EFI_PCI_IO_ATTRIBUTE_IO : EFI_PCI_IO_ATTRIBUTE_MEMORY;
    uint64_t length = width.register_step ? count * width.register_step : width.bytes;

    if (width_code >= EfiPciIoWidthMaximum || offset % width.bytes || (is_io && width.bytes == 8)) {
        fake_report("%s: width %u at %#llx", method, (unsigned)width_code,
                    (unsigned long long)offset);
        return EFI_INVALID_PARAMETER;
    }
    if (bar >= FAKE_PCI_BAR_COUNT || function->options.bars[bar].is_io != is_io) {
        fake_report("%s: that BAR is not there, or of the other kind", method);
        return EFI_UNSUPPORTED;
    }
    if (length > function->options.bars[bar].size ||
        offset > function->options.bars[bar].size - length) {
        fake_report("%s: %llu bytes at %#llx are outside BAR %u", method,
                    (unsigned long long)length, (unsigned long long)offset, bar);
        return EFI_INVALID_PARAMETER;
    }
    if (!(function->attributes & needed)) {
        fake_report("%s: the function does not decode this yet (PciIo.Attributes)", method);
        return EFI_DEVICE_ERROR;
    }
    if (function->options.bars[bar].way == FAKE_BAR_REFUSED ||
        function->options.bars[bar].way == FAKE_BAR_NO_LENGTH)
        fake_report("%s: BAR %u has no address", method, bar);
    return function->options.bars[bar].way == FAKE_BAR_REACHABLE ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

static EFI_STATUS access_bar(EFI_PCI_IO_PROTOCOL *this, bool is_io, bool is_write,
                             EFI_PCI_IO_PROTOCOL_WIDTH width_code, UINT8 bar_index, UINT64 offset,
                             UINTN count, void *buffer)
{
    struct fake_pci_function *function = function_of(this, is_io ? "PciIo.Io" : "PciIo.Mem");
    unsigned bar = bar_register(function, bar_index);
    struct access_width width = decode_width(width_code);
    uint8_t *bytes = buffer;
    EFI_STATUS status = check_bar_access(function, is_io, width_code, bar, offset, count);

    if (EFI_ERROR(status))
        return status;
    if (fake_call_fails(function->firmware, FAKE_CALL_PCI, is_io ? "PciIo.Io" : "PciIo.Mem")) {
        function->lost_a_write |= is_write;
        return EFI_DEVICE_ERROR;
    }
    for (; count > 0; count--, offset += width.register_step, bytes += width.buffer_step) {
        uint64_t value = 0;

        if (is_write) {
            memcpy(&value, bytes, width.bytes);
            function->operations->write(function->context, bar, offset, width.bytes, value);
        } else {
            value = function->operations->read(function->context, bar, offset, width.bytes);
            if (function->is_unplugged)
                value = UINT64_MAX;
            memcpy(bytes, &value, width.bytes);
        }
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI mem_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                  UINT8 bar, UINT64 offset, UINTN count, void *buffer)
{
    return access_bar(this, false, false, width, bar, offset, count, buffer);
}

static EFI_STATUS EFIAPI mem_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                   UINT8 bar, UINT64 offset, UINTN count, void *buffer)
{
    return access_bar(this, false, true, width, bar, offset, count, buffer);
}

static EFI_STATUS EFIAPI io_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                 UINT8 bar, UINT64 offset, UINTN count, void *buffer)
{
    return access_bar(this, true, false, width, bar, offset, count, buffer);
}

static EFI_STATUS EFIAPI io_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                  UINT8 bar, UINT64 offset, UINTN count, void *buffer)
{
    return access_bar(this, true, true, width, bar, offset, count, buffer);
}

static EFI_STATUS EFIAPI get_location(EFI_PCI_IO_PROTOCOL *this, UINTN *ret_segment, UINTN *ret_bus,
                                      UINTN *ret_device, UINTN *ret_function)
{
    struct fake_pci_function *function = function_of(this, "PciIo.GetLocation");

    if (fake_call_fails(function->firmware, FAKE_CALL_PCI, "PciIo.GetLocation"))
        return EFI_DEVICE_ERROR;
    *ret_segment = 0;
    *ret_bus = 0;
    *ret_device = function->options.device_number;
    *ret_function = 0;
    return EFI_SUCCESS;
}

static uint64_t supported_attributes(const struct fake_pci_function *function)
{
    return DEVICE_ENABLE |
           (function->options.no_dual_address_cycle ? 0 : EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE);
}

static void set_attributes(struct fake_pci_function *function, uint64_t attributes)
{
    function->attributes = attributes;
    function->config[COMMAND_REGISTER] =
        (uint8_t)(((attributes & EFI_PCI_IO_ATTRIBUTE_IO) != 0) |
                  ((attributes & EFI_PCI_IO_ATTRIBUTE_MEMORY) ? 2 : 0) |
                  ((attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER) ? 4 : 0));
}

static EFI_STATUS EFIAPI attributes(EFI_PCI_IO_PROTOCOL *this,
                                    EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation,
                                    UINT64 wanted, UINT64 *ret_attributes)
{
    struct fake_pci_function *function = function_of(this, "PciIo.Attributes");
    bool is_query = operation == EfiPciIoAttributeOperationGet ||
                    operation == EfiPciIoAttributeOperationSupported;

    if (is_query && !ret_attributes)
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(function->firmware, FAKE_CALL_PCI, "PciIo.Attributes")) {
        function->lost_attributes |= !is_query;
        return EFI_DEVICE_ERROR;
    }
    if (!is_query && (wanted & ~supported_attributes(function)))
        return EFI_UNSUPPORTED;

    switch (operation) {
    case EfiPciIoAttributeOperationGet:
        *ret_attributes = function->attributes;
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationSupported:
        *ret_attributes = supported_attributes(function);
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationSet:
        set_attributes(function, wanted);
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationEnable:
        set_attributes(function, function->attributes | wanted);
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationDisable:
        set_attributes(function, function->attributes & ~wanted);
        return EFI_SUCCESS;
    default:
        fake_report("PciIo.Attributes: operation %u", (unsigned)operation);
        return EFI_INVALID_PARAMETER;
    }
}

static EFI_STATUS EFIAPI get_bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT8 bar_index,
                                            UINT64 *ret_supports, void **ret_resources)
{
    struct fake_pci_function *function = function_of(this, "PciIo.GetBarAttributes");
    unsigned index = bar_register(function, bar_index);
    const struct fake_bar *bar = &function->options.bars[index];
    struct acpi_qword_address_space *descriptor;

    if (!ret_supports && !ret_resources)
        return EFI_INVALID_PARAMETER;
    if (fake_call_fails(function->firmware, FAKE_CALL_PCI, "PciIo.GetBarAttributes"))
        return EFI_OUT_OF_RESOURCES;
    if (index == FAKE_PCI_BAR_COUNT || bar->way == FAKE_BAR_REFUSED)
        return EFI_UNSUPPORTED;
    if (ret_supports)
        *ret_supports = 0;
    if (!ret_resources)
        return EFI_SUCCESS;

    descriptor =
        fake_pool_new(function->firmware, sizeof(*descriptor) + 2, __builtin_return_address(0));
    *descriptor = (struct acpi_qword_address_space){
        .tag = ACPI_QWORD_ADDRESS_SPACE_TAG,
        .length = sizeof(*descriptor) - 3,
        .resource_type = bar->is_io ? ACPI_ADDRESS_SPACE_IO : ACPI_ADDRESS_SPACE_MEMORY,
        .specific_flags = bar->is_prefetchable ? 0x06 : 0,
        .granularity = bar->is_64bit ? 64 : 32,
        .range_min = bar->base,
        .range_max = bar->base + bar->size - 1,
        .range_length = bar->way == FAKE_BAR_NO_LENGTH ? 0 : bar->size,
    };
    memcpy(descriptor + 1, (uint8_t[]){ACPI_END_TAG, 0}, 2);
    *ret_resources = descriptor;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI poll_unsupported(EFI_PCI_IO_PROTOCOL *this,
                                          EFI_PCI_IO_PROTOCOL_WIDTH width, UINT8 bar, UINT64 offset,
                                          UINT64 mask, UINT64 value, UINT64 delay,
                                          UINT64 *ret_result)
{
    (void)this, (void)width, (void)bar, (void)offset, (void)mask, (void)value, (void)delay;
    (void)ret_result;
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI copy_unsupported(EFI_PCI_IO_PROTOCOL *this,
                                          EFI_PCI_IO_PROTOCOL_WIDTH width, UINT8 to_bar,
                                          UINT64 to_offset, UINT8 from_bar, UINT64 from_offset,
                                          UINTN count)
{
    (void)this, (void)width, (void)to_bar, (void)to_offset, (void)from_bar, (void)from_offset;
    (void)count;
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI set_bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT64 wanted, UINT8 bar,
                                            UINT64 *offset, UINT64 *length)
{
    (void)this, (void)wanted, (void)bar, (void)offset, (void)length;
    return EFI_UNSUPPORTED;
}

static void write_bar_registers(struct fake_pci_function *function)
{
    for (unsigned i = 0; i < FAKE_PCI_BAR_COUNT; i++) {
        const struct fake_bar *bar = &function->options.bars[i];
        uint64_t value = bar->base;

        if (bar->size == 0)
            continue;
        value |= bar->is_io ? 0x1u : 0;
        value |= bar->is_64bit ? 0x4u : 0;
        value |= bar->is_prefetchable ? 0x8u : 0;
        memcpy(&function->config[FAKE_PCI_BAR_REGISTER(i)], &value, bar->is_64bit ? 8 : 4);
    }
}

static void *device_path_new(struct fake_firmware *firmware, unsigned device_number)
{
    struct pci_device_path *path = fake_owned_new(firmware, sizeof(*path));

    *path = (struct pci_device_path){
        .root = {{ACPI_DEVICE_PATH, ACPI_DP, {sizeof(path->root), 0}}, EISA_PNP_ID(0x0a03), 0},
        .pci = {{HARDWARE_DEVICE_PATH, HW_PCI_DP, {sizeof(path->pci), 0}}, 0, (UINT8)device_number},
        .end = {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(path->end), 0}},
    };
    return path;
}

static void note_baseline(void *context)
{
    struct fake_pci_function *function = context;

    function->baseline_attributes = function->attributes;
}

static void assert_restored(void *context)
{
    const struct fake_pci_function *function = context;

    if (function->attributes != function->baseline_attributes && !function->lost_attributes)
        fake_report("PCI attributes are %#llx, were %#llx",
                    (unsigned long long)function->attributes,
                    (unsigned long long)function->baseline_attributes);
}

static void boot_services_exited(void *context)
{
    struct fake_pci_function *function = context;

    if (function->operations->boot_services_exited)
        function->operations->boot_services_exited(function->context);
}

static void function_free(void *context)
{
    struct fake_pci_function *function = context;

    if (function->operations->free)
        function->operations->free(function->context);
    fake_pci_dma_free(function);
    free(function);
}

struct fake_pci_function *fake_pci_function_new(struct fake_firmware *firmware,
                                                const struct fake_pci_options *options,
                                                const struct fake_pci_operations *operations,
                                                void *context)
{
    struct fake_pci_function *function = calloc(1, sizeof(*function));

    *function = (struct fake_pci_function){
        .protocol =
            {
                .PollMem = poll_unsupported,
                .PollIo = poll_unsupported,
                .Mem = {mem_read, mem_write},
                .Io = {io_read, io_write},
                .Pci = {config_read, config_write},
                .CopyMem = copy_unsupported,
                .GetLocation = get_location,
                .Attributes = attributes,
                .GetBarAttributes = get_bar_attributes,
                .SetBarAttributes = set_bar_attributes,
            },
        .firmware = firmware,
        .options = *options,
        .operations = operations,
        .context = context,
    };
    fake_pci_dma_init(function);
    write_bar_registers(function);
    set_attributes(function, options->initial_attributes);
    note_baseline(function);
    function->device_path = device_path_new(firmware, options->device_number);
    function->handle =
        fake_firmware_new_handle(firmware, &gEfiPciIoProtocolGuid, &function->protocol);
    fake_firmware_install(firmware, function->handle, &gEfiDevicePathProtocolGuid,
                          function->device_path);
    fake_firmware_attach(firmware, &(struct fake_attachment){
                                       .context = function,
                                       .visit = fake_pci_visit_dma,
                                       .baseline = note_baseline,
                                       .assert_restored = assert_restored,
                                       .boot_services_exited = boot_services_exited,
                                       .free = function_free,
                                   });
    return function;
}

unsigned fake_pci_access_count(const struct fake_pci_function *function)
{
    unsigned count = 0;

    for (unsigned kind = 0; kind < FAKE_ACCESS_KINDS; kind++)
        count += function->accesses[kind];
    return count;
}

void fake_pci_clear_access_counts(struct fake_pci_function *function)
{
    memset(function->accesses, 0, sizeof(function->accesses));
}
