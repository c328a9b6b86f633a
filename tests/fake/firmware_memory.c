/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Pool and pages. Real allocations of the exact size, so that AddressSanitizer sees
 * accesses beyond them. Their initial contents are never zero.
 */
#include "blocks.h"
#include "firmware_internal.h"

#include <stdlib.h>

#define FRESH_MEMORY 0xaf

static void *allocate(struct fake_firmware *firmware, size_t size, bool is_pages, void *caller)
{
    struct fake_allocation *allocation = calloc(1, sizeof(*allocation));

    allocation->resource =
        (struct fake_resource){.kind = is_pages ? "pages" : "pool", .size = size, .caller = caller};
    allocation->is_pages = is_pages;
    allocation->address = fake_block_new(size, FRESH_MEMORY);
    allocation->next = firmware->allocations;
    firmware->allocations = allocation;
    return allocation->address;
}

void *fake_pool_new(struct fake_firmware *firmware, size_t size, void *caller)
{
    return allocate(firmware, size, false, caller);
}

static struct fake_allocation **find(struct fake_firmware *firmware, const void *address)
{
    struct fake_allocation **link = &firmware->allocations;

    while (*link && (*link)->address != address)
        link = &(*link)->next;
    return link;
}

static void release(struct fake_allocation **link)
{
    struct fake_allocation *allocation = *link;

    *link = allocation->next;
    fake_block_free(allocation->address);
    free(allocation);
}

static EFI_STATUS EFIAPI allocate_pool(EFI_MEMORY_TYPE type, UINTN size, void **ret_buffer)
{
    struct fake_firmware *firmware = fake_enter("AllocatePool", TPL_NOTIFY);

    if (!ret_buffer || type >= EfiMaxMemoryType) {
        fake_report("AllocatePool: bad type or no place for the result");
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_MEMORY, "AllocatePool"))
        return EFI_OUT_OF_RESOURCES;

    *ret_buffer = fake_pool_new(firmware, size, __builtin_return_address(0));
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(void *buffer)
{
    struct fake_firmware *firmware = fake_enter("FreePool", TPL_NOTIFY);
    struct fake_allocation **link = find(firmware, buffer);

    if (!*link || (*link)->is_pages) {
        fake_report("FreePool(%p): not allocated, or freed before", buffer);
        return EFI_INVALID_PARAMETER;
    }
    release(link);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE memory_type,
                                        UINTN pages, EFI_PHYSICAL_ADDRESS *ret_memory)
{
    struct fake_firmware *firmware = fake_enter("AllocatePages", TPL_NOTIFY);

    if (type > AllocateMaxAddress || memory_type >= EfiMaxMemoryType || pages == 0 || !ret_memory) {
        fake_report("AllocatePages: type %u, %u pages", (unsigned)type, (unsigned)pages);
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_MEMORY, "AllocatePages"))
        return EFI_OUT_OF_RESOURCES;

    *ret_memory = (EFI_PHYSICAL_ADDRESS)(uintptr_t)allocate(firmware, pages * FAKE_PAGE_SIZE, true,
                                                            __builtin_return_address(0));
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS memory, UINTN pages)
{
    struct fake_firmware *firmware = fake_enter("FreePages", TPL_NOTIFY);
    struct fake_allocation **link = find(firmware, (void *)(uintptr_t)memory);

    if (!*link || !(*link)->is_pages || (*link)->resource.size != pages * FAKE_PAGE_SIZE) {
        fake_report("FreePages(%#llx, %u): never allocated like this", (unsigned long long)memory,
                    (unsigned)pages);
        return EFI_NOT_FOUND;
    }
    release(link);
    return EFI_SUCCESS;
}

void fake_memory_services(struct fake_firmware *firmware)
{
    firmware->boot_services.AllocatePool = allocate_pool;
    firmware->boot_services.FreePool = free_pool;
    firmware->boot_services.AllocatePages = allocate_pages;
    firmware->boot_services.FreePages = free_pages;
}

void fake_memory_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                       void *argument)
{
    for (struct fake_allocation *each = firmware->allocations; each; each = each->next)
        visitor(&each->resource, argument);
}

void fake_memory_free(struct fake_firmware *firmware)
{
    while (firmware->allocations)
        release(&firmware->allocations);
}
