/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * QEMU plugin: how many instructions the guest executes in each 4 KiB of its address space. The
 * counts are in a file that another process can read at any time:
 *
 *     qemu-system-x86_64 -plugin page_counts.so,counts=PATH
 *
 * The file is SLOTS pairs of little-endian 64-bit numbers: the address of a page, with bit 0 set if
 * the pair is used, and a count. For guests of one processor; a block of code that crosses into the
 * next page counts for its first one.
 *
 * No package has QEMU's header for plugins, so what is used of it is declared here, after QEMU's
 * documentation of the interface.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 65536u
#define PAGE_BITS 12
#define USED 1u
#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void qemu_plugin_vcpu_tb_trans_cb_t(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void qemu_plugin_vcpu_udata_cb_t(unsigned processor, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t *cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                          qemu_plugin_vcpu_udata_cb_t *cb,
                                          enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

struct page {
    uint64_t address; /* | USED */
    uint64_t count;
};

/* Of a block, each time that it is translated: never freed, as QEMU does not say when it is gone.
 */
struct block {
    struct page *page;
    uint64_t instructions;
};

EXPORTED int qemu_plugin_version = PLUGIN_VERSION;

static struct page *pages;

static struct page *page_at(uint64_t address)
{
    uint64_t number = address >> PAGE_BITS;
    uint64_t key = number << PAGE_BITS | USED;

    for (uint64_t i = 0; i < SLOTS; i++) {
        struct page *page = &pages[(number + i) % SLOTS];

        if (page->address == key)
            return page;
        if (!page->address) {
            page->address = key;
            return page;
        }
    }
    fputs("page_counts: the guest executes code in more pages than there is room for\n", stderr);
    exit(1);
}

static void on_executed(unsigned processor, void *data)
{
    const struct block *block = data;

    (void)processor;
    block->page->count += block->instructions;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = malloc(sizeof(*block));

    (void)id;
    if (!block) {
        fputs("page_counts: no memory\n", stderr);
        exit(1);
    }
    *block = (struct block){page_at(qemu_plugin_tb_vaddr(tb)), qemu_plugin_tb_n_insns(tb)};
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **options)
{
    int file;

    (void)info;
    if (count != 1 || strncmp(options[0], "counts=", 7) != 0) {
        fputs("page_counts: the option counts=PATH is missing\n", stderr);
        return -1;
    }
    file = open(options[0] + 7, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, SLOTS * sizeof(*pages)) != 0) {
        perror("page_counts");
        return -1;
    }
    pages = mmap(NULL, SLOTS * sizeof(*pages), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    if (pages == MAP_FAILED) {
        perror("page_counts");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}
