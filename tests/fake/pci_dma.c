/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The memory half of PciIo: buffers, mappings, and the device's view of them.
 *
 * A device address shares only the offset in the page with the pointer, as behind an
 * IOMMU. An unmapped page separates any two mappings.
 */
#include "pci_io.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "firmware_internal.h"

#define FRESH_BUFFER 0xa5
#define STALE_BUFFER 0x5a
#define LOW_ADDRESS UINT64_C(0x30000000)
#define HIGH_ADDRESS UINT64_C(0x1c0000000)

struct fake_dma_buffer {
    struct fake_dma_buffer *next;
    struct fake_resource resource;
    uint8_t *address;
};

struct fake_dma_mapping {
    struct fake_dma_mapping *next;
    struct fake_resource resource;
    EFI_PCI_IO_PROTOCOL_OPERATION operation;
    uint8_t *host;
    uint8_t *bounce; /* NULL: a common buffer, the device sees `host` itself */
    uint64_t device_address;
};

static bool ranges_overlap(const uint8_t *left, size_t left_size, const uint8_t *right,
                           size_t right_size)
{
    return left < right + right_size && right < left + left_size;
}

static EFI_STATUS EFIAPI allocate_buffer(EFI_PCI_IO_PROTOCOL *this, EFI_ALLOCATE_TYPE type,
                                         EFI_MEMORY_TYPE memory_type, UINTN pages, void **ret_host,
                                         UINT64 attributes)
{
    struct fake_pci_function *function = (struct fake_pci_function *)this;
    struct fake_firmware *firmware = fake_enter("PciIo.AllocateBuffer", TPL_NOTIFY);
    const uint64_t valid = EFI_PCI_ATTRIBUTE_MEMORY_WRITE_COMBINE | EFI_PCI_ATTRIBUTE_MEMORY_CACHED;
    struct fake_dma_buffer *buffer;

    (void)type;
    if (!ret_host || pages == 0 ||
        (memory_type != EfiBootServicesData && memory_type != EfiRuntimeServicesData)) {
        fake_report("PciIo.AllocateBuffer: %u pages of memory type %u", (unsigned)pages,
                    (unsigned)memory_type);
        return EFI_INVALID_PARAMETER;
    }
    if (attributes & ~valid)
        return EFI_UNSUPPORTED; /* edk2 refuses even DUAL_ADDRESS_CYCLE */
    if (fake_call_fails(firmware, FAKE_CALL_DMA, "PciIo.AllocateBuffer"))
        return EFI_OUT_OF_RESOURCES;

    buffer = calloc(1, sizeof(*buffer));
    buffer->resource = (struct fake_resource){.kind = "DMA buffer",
                                              .size = pages * FAKE_PAGE_SIZE,
                                              .caller = __builtin_return_address(0)};
    buffer->address = fake_block_new(buffer->resource.size, FRESH_BUFFER);
    buffer->next = function->buffers;
    function->buffers = buffer;
    *ret_host = buffer->address;
    return EFI_SUCCESS;
}

static void release_buffer(struct fake_dma_buffer **link)
{
    struct fake_dma_buffer *buffer = *link;

    *link = buffer->next;
    fake_block_free(buffer->address);
    free(buffer);
}

static EFI_STATUS EFIAPI free_buffer(EFI_PCI_IO_PROTOCOL *this, UINTN pages, void *host)
{
    struct fake_pci_function *function = (struct fake_pci_function *)this;
    struct fake_dma_buffer **link = &function->buffers;

    fake_enter("PciIo.FreeBuffer", TPL_NOTIFY);
    while (*link && (*link)->address != host)
        link = &(*link)->next;
    if (!*link || (*link)->resource.size != pages * FAKE_PAGE_SIZE) {
        fake_report("PciIo.FreeBuffer(%p, %u pages): never allocated like this", host,
                    (unsigned)pages);
        return EFI_INVALID_PARAMETER;
    }
    for (struct fake_dma_mapping *each = function->mappings; each; each = each->next)
        if (ranges_overlap(each->host, each->resource.size, host, pages * FAKE_PAGE_SIZE))
            fake_report("PciIo.FreeBuffer(%p): still mapped", host);
    release_buffer(link);
    return EFI_SUCCESS;
}

static bool is_common_buffer(const struct fake_pci_function *function, const uint8_t *host,
                             size_t length)
{
    for (const struct fake_dma_buffer *each = function->buffers; each; each = each->next)
        if (host >= each->address && length <= each->resource.size &&
            host - each->address <= (ptrdiff_t)(each->resource.size - length))
            return true;
    return false;
}

static uint64_t take_device_address(struct fake_pci_function *function, const uint8_t *host,
                                    size_t length)
{
    bool is_high = function->options.dma_above_4gib &&
                   (function->attributes & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE);
    uint64_t *next = is_high ? &function->next_high_address : &function->next_low_address;
    uint64_t address = *next + (uintptr_t)host % FAKE_PAGE_SIZE;

    *next = (address + length + 2 * FAKE_PAGE_SIZE - 1) & ~(uint64_t)(FAKE_PAGE_SIZE - 1);
    return address;
}

static EFI_STATUS EFIAPI map(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_OPERATION operation,
                             void *host, UINTN *length, EFI_PHYSICAL_ADDRESS *ret_device_address,
                             void **ret_mapping)
{
    struct fake_pci_function *function = (struct fake_pci_function *)this;
    struct fake_firmware *firmware = fake_enter("PciIo.Map", TPL_NOTIFY);
    bool is_common = operation == EfiPciIoOperationBusMasterCommonBuffer;
    size_t limit = function->options.map_limit_bytes;
    struct fake_dma_mapping *mapping;

    if (!host || !length || *length == 0 || !ret_device_address || !ret_mapping ||
        operation >= EfiPciIoOperationMaximum) {
        fake_report("PciIo.Map: bad arguments");
        return EFI_INVALID_PARAMETER;
    }
    if (is_common && !is_common_buffer(function, host, *length)) {
        fake_report("PciIo.Map: a common buffer must come from AllocateBuffer");
        return EFI_UNSUPPORTED;
    }
    if (fake_call_fails(firmware, FAKE_CALL_DMA, "PciIo.Map"))
        return EFI_OUT_OF_RESOURCES;

    if (limit && *length > limit)
        *length = limit;
    mapping = calloc(1, sizeof(*mapping));
    mapping->resource = (struct fake_resource){
        .kind = "DMA mapping", .size = *length, .caller = __builtin_return_address(0)};
    mapping->operation = operation;
    mapping->host = host;
    mapping->device_address = take_device_address(function, host, *length);
    mapping->bounce = is_common ? NULL : malloc(*length);
    if (mapping->bounce && operation == EfiPciIoOperationBusMasterRead)
        memcpy(mapping->bounce, host, *length);
    else if (mapping->bounce)
        memset(mapping->bounce, FRESH_BUFFER, *length);
    if (is_common && function->options.bounces_common_buffers)
        memset(host, FRESH_BUFFER, *length);
    mapping->next = function->mappings;
    function->mappings = mapping;
    *ret_device_address = mapping->device_address;
    *ret_mapping = mapping;
    return EFI_SUCCESS;
}

static void release_mapping(struct fake_dma_mapping **link)
{
    struct fake_dma_mapping *mapping = *link;

    *link = mapping->next;
    free(mapping->bounce);
    free(mapping);
}

static EFI_STATUS EFIAPI unmap(EFI_PCI_IO_PROTOCOL *this, void *token)
{
    struct fake_pci_function *function = (struct fake_pci_function *)this;
    struct fake_dma_mapping **link = &function->mappings;
    struct fake_dma_mapping *mapping;

    fake_enter("PciIo.Unmap", TPL_NOTIFY);
    while (*link && *link != token)
        link = &(*link)->next;
    mapping = *link;
    if (!mapping) {
        fake_report("PciIo.Unmap(%p): not mapped, or unmapped before", token);
        return EFI_INVALID_PARAMETER;
    }
    if (function->operations->unmapping)
        function->operations->unmapping(function->context, mapping->device_address,
                                        mapping->resource.size);
    if (mapping->operation == EfiPciIoOperationBusMasterWrite)
        memcpy(mapping->host, mapping->bounce, mapping->resource.size);
    if (mapping->operation == EfiPciIoOperationBusMasterCommonBuffer &&
        function->options.bounces_common_buffers)
        memset(mapping->host, STALE_BUFFER, mapping->resource.size);
    release_mapping(link);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI flush(EFI_PCI_IO_PROTOCOL *this)
{
    (void)this;
    fake_enter_at_exit("PciIo.Flush", TPL_HIGH_LEVEL);
    return EFI_SUCCESS;
}

void *fake_pci_find_dma(struct fake_pci_function *function, uint64_t device_address,
                        uint64_t length, bool device_writes)
{
    EFI_PCI_IO_PROTOCOL_OPERATION forbidden =
        device_writes ? EfiPciIoOperationBusMasterRead : EfiPciIoOperationBusMasterWrite;
    struct fake_dma_mapping *mapping = function->mappings;

    if (!(function->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER))
        return NULL;
    while (mapping &&
           (device_address < mapping->device_address || length > mapping->resource.size ||
            device_address - mapping->device_address > mapping->resource.size - length))
        mapping = mapping->next;
    if (!mapping || mapping->operation == forbidden)
        return NULL;
    return (mapping->bounce ? mapping->bounce : mapping->host) +
           (device_address - mapping->device_address);
}

void *fake_pci_dma(struct fake_pci_function *function, uint64_t device_address, uint64_t length,
                   bool device_writes)
{
    void *memory = fake_pci_find_dma(function, device_address, length, device_writes);

    if (!memory)
        fake_report("the device %s %llu bytes at %#llx: %s", device_writes ? "writes" : "reads",
                    (unsigned long long)length, (unsigned long long)device_address,
                    function->attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER
                        ? "not mapped for this"
                        : "bus mastering is off");
    return memory;
}

unsigned fake_pci_mapping_count(const struct fake_pci_function *function)
{
    unsigned count = 0;

    for (const struct fake_dma_mapping *each = function->mappings; each; each = each->next)
        count++;
    return count;
}

bool fake_pci_maps_within(const struct fake_pci_function *function, uint64_t start, uint64_t end)
{
    for (const struct fake_dma_mapping *each = function->mappings; each; each = each->next)
        if (each->device_address < start || each->device_address > end ||
            each->resource.size > end - each->device_address)
            return false;
    return true;
}

void fake_pci_visit_dma(void *context, fake_resource_visitor *visitor, void *argument)
{
    struct fake_pci_function *function = context;

    for (struct fake_dma_buffer *each = function->buffers; each; each = each->next)
        visitor(&each->resource, argument);
    for (struct fake_dma_mapping *each = function->mappings; each; each = each->next)
        visitor(&each->resource, argument);
}

void fake_pci_dma_init(struct fake_pci_function *function)
{
    function->protocol.AllocateBuffer = allocate_buffer;
    function->protocol.FreeBuffer = free_buffer;
    function->protocol.Map = map;
    function->protocol.Unmap = unmap;
    function->protocol.Flush = flush;
    function->next_low_address = LOW_ADDRESS;
    function->next_high_address = HIGH_ADDRESS;
}

void fake_pci_dma_free(struct fake_pci_function *function)
{
    while (function->mappings)
        release_mapping(&function->mappings);
    while (function->buffers)
        release_buffer(&function->buffers);
}
