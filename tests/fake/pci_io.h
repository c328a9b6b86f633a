/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One PCI function with EFI_PCI_IO_PROTOCOL: configuration space, BARs, attributes, and
 * DMA through device addresses that differ from every pointer. The device model that owns
 * the function implements the BARs. Source: UEFI 2.10, 14.4.
 */
#ifndef FAKE_PCI_IO_H
#define FAKE_PCI_IO_H

#include "firmware.h"

#include <efipciio.h>

#define FAKE_PCI_BAR_COUNT 6u
#define FAKE_PCI_CONFIG_SIZE 256u
#define FAKE_PCI_BAR_REGISTER(bar) (0x10u + 4u * (bar))

enum fake_access_kind {
    FAKE_ACCESS_CONFIG,     /* configuration space */
    FAKE_ACCESS_COMMON_CFG, /* the regions of a modern device */
    FAKE_ACCESS_DEVICE_CFG,
    FAKE_ACCESS_NOTIFY,
    FAKE_ACCESS_ISR,
    FAKE_ACCESS_LEGACY, /* any register of a legacy device except its doorbell */
    FAKE_ACCESS_OTHER,  /* BAR space without a register */
    FAKE_ACCESS_KINDS,
};

/* What the firmware knows about a BAR. */
enum fake_bar_way {
    FAKE_BAR_REACHABLE,
    FAKE_BAR_REFUSED,   /* GetBarAttributes returns UNSUPPORTED */
    FAKE_BAR_NO_LENGTH, /* GetBarAttributes reports 0 bytes */
    FAKE_BAR_FAILS,     /* GetBarAttributes reports it, but each access fails */
};

/* A BAR of size 0 is not implemented. A 64-bit BAR also takes the next register. */
struct fake_bar {
    uint64_t base; /* the address on the bus */
    uint64_t size;
    bool is_io;
    bool is_64bit;
    bool is_prefetchable;
    enum fake_bar_way way;
};

/* The device model's side. `bar` is the number of the register; `width` is in bytes. */
struct fake_pci_operations {
    uint64_t (*read)(void *context, unsigned bar, uint64_t offset, unsigned width);
    void (*write)(void *context, unsigned bar, uint64_t offset, unsigned width, uint64_t value);
    /* Configuration space that is more than memory: an access of `width` bytes, with the bytes
     * written, or room for the bytes read. False: it is memory. May be NULL. */
    bool (*access_config)(void *context, unsigned offset, unsigned width, void *bytes,
                          bool is_write);
    /* The driver takes back memory that the device could reach. */
    void (*unmapping)(void *context, uint64_t device_address, uint64_t length);
    void (*boot_services_exited)(void *context);
    void (*free)(void *context);
};

struct fake_pci_options {
    unsigned device_number;      /* PciRoot(0)/Pci(device_number,0) */
    bool dma_above_4gib;         /* while DUAL_ADDRESS_CYCLE is enabled */
    bool no_dual_address_cycle;  /* this attribute is not supported */
    bool bounces_common_buffers; /* Map and Unmap move them; their contents are lost each time */
    bool compressed_bar_index;   /* edk2's: BarIndex counts a 64-bit BAR once */
    uint64_t initial_attributes; /* enabled before the driver starts */
    size_t map_limit_bytes;      /* Map covers no more than this; 0: everything */
    struct fake_bar bars[FAKE_PCI_BAR_COUNT];
};

struct fake_dma_buffer;
struct fake_dma_mapping;

struct fake_pci_function {
    EFI_PCI_IO_PROTOCOL protocol; /* first: PciIo's This is the function */
    struct fake_firmware *firmware;
    EFI_HANDLE handle;
    struct fake_pci_options options;
    const struct fake_pci_operations *operations;
    void *context;
    uint8_t config[FAKE_PCI_CONFIG_SIZE];
    uint64_t attributes;
    uint64_t baseline_attributes;
    bool is_unplugged;    /* reads give all ones, writes are lost */
    bool lost_attributes; /* a call that had to fail: they may stay unchanged */
    bool lost_a_write;    /* a call that had to fail; the device model clears this */
    unsigned accesses[FAKE_ACCESS_KINDS];
    struct fake_dma_buffer *buffers;
    struct fake_dma_mapping *mappings;
    uint64_t next_low_address;
    uint64_t next_high_address;
    void *device_path;
};

/* Lives as long as the firmware, which frees it. The caller fills config[], except for the BARs. */
struct fake_pci_function *fake_pci_function_new(struct fake_firmware *firmware,
                                                const struct fake_pci_options *options,
                                                const struct fake_pci_operations *operations,
                                                void *context);

/* All accesses of the driver to the device, configuration space included. */
unsigned fake_pci_access_count(const struct fake_pci_function *function);
void fake_pci_clear_access_counts(struct fake_pci_function *function);

/* What the device model sees at a device address, for a DMA of `length` bytes. Reports, and
 * returns NULL, if the driver mapped no such memory, mapped it for the other direction, or bus
 * mastering is off. */
void *fake_pci_dma(struct fake_pci_function *function, uint64_t device_address, uint64_t length,
                   bool device_writes);

/* The same without a report. */
void *fake_pci_find_dma(struct fake_pci_function *function, uint64_t device_address,
                        uint64_t length, bool device_writes);

unsigned fake_pci_mapping_count(const struct fake_pci_function *function);

/* Whether every mapping lies at device addresses from `start` up to, not including, `end`. */
bool fake_pci_maps_within(const struct fake_pci_function *function, uint64_t start, uint64_t end);

/* pci_dma.c's part of the protocol. */
void fake_pci_dma_init(struct fake_pci_function *function);
void fake_pci_dma_free(struct fake_pci_function *function);

#endif
