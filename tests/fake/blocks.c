/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Memory of the firmware. Large blocks stay here when they are freed: AddressSanitizer's allocator
 * gets each from the kernel and gives it back, and a test that makes thousands of drivers would
 * spend its time in page faults.
 */
#include "blocks.h"

#include <assert.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "firmware_internal.h"

#define LARGE_BYTES ((size_t)64 << 10) /* from here on; AddressSanitizer's own limit is 256 KiB */
#define BLOCKS_MAX 256u
#define ROOM_MAX ((size_t)256 << 20) /* of all of them, as fuzzers run for hours */
#define REST 4u /* blocks of a size that stay freed, so that a late access meets poison */

struct block {
    uint8_t *address;
    size_t room; /* bytes; a page that nobody may access follows */
    bool is_used;
    uint64_t freed; /* when, by the order of frees */
};

static struct block blocks[BLOCKS_MAX];
static size_t room_sum;
static uint64_t frees;

static size_t whole_pages(size_t size)
{
    return (size + FAKE_PAGE_SIZE - 1) & ~(size_t)(FAKE_PAGE_SIZE - 1);
}

/* The block that was freed first, if enough others of its size are free as well. */
static struct block *used_again(size_t room)
{
    struct block *oldest = NULL;
    unsigned int count = 0;

    for (struct block *each = blocks; each < &blocks[BLOCKS_MAX]; each++) {
        if (each->is_used || !each->address || each->room != room)
            continue;
        count++;
        if (!oldest || each->freed < oldest->freed)
            oldest = each;
    }
    return count > REST ? oldest : NULL;
}

/* NULL: there are enough. */
static struct block *block_new(size_t room)
{
    if (room > ROOM_MAX - room_sum)
        return NULL;
    for (struct block *each = blocks; each < &blocks[BLOCKS_MAX]; each++)
        if (!each->address) {
            *each = (struct block){.address = aligned_alloc(FAKE_PAGE_SIZE, room + FAKE_PAGE_SIZE),
                                   .room = room};
            assert(each->address);
            room_sum += room;
            return each;
        }
    return NULL;
}

void *fake_block_new(size_t size, uint8_t fill)
{
    size_t room = whole_pages(size);
    struct block *block = NULL;
    void *memory;

    if (size >= LARGE_BYTES && !(block = used_again(room)))
        block = block_new(room);
    if (block) {
        memory = block->address;
        block->is_used = true;
        ASAN_POISON_MEMORY_REGION(memory, room + FAKE_PAGE_SIZE);
        ASAN_UNPOISON_MEMORY_REGION(memory, size);
    } else {
        memory = size == room && size > 0 ? aligned_alloc(FAKE_PAGE_SIZE, size) : malloc(size);
        assert(memory);
    }
    memset(memory, fill, size);
    return memory;
}

void fake_block_free(void *memory)
{
    for (struct block *each = blocks; each < &blocks[BLOCKS_MAX]; each++)
        if (each->is_used && each->address == memory) {
            each->is_used = false;
            each->freed = ++frees;
            ASAN_POISON_MEMORY_REGION(memory, each->room);
            return;
        }
    free(memory);
}
