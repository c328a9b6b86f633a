/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A range of device registers: part of one BAR, memory or I/O. It is accessed with the
 * registers' own widths and never outside its bounds.
 */
#ifndef PCI_REGION_H
#define PCI_REGION_H

#include <efi.h>
#include <efipciio.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_PORTS UINT32_C(0x10000)

/* The processor's I/O ports, if it has any. */
#if defined(__x86_64__) || defined(__i386__)
#define PCI_HAS_PORTS true
static inline uint8_t pci_port_read8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void pci_port_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void pci_port_write32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
#else
#define PCI_HAS_PORTS false
static inline uint8_t pci_port_read8(uint16_t port)
{
    (void)port;
    return UINT8_MAX;
}

static inline void pci_port_write16(uint16_t port, uint16_t value)
{
    (void)port;
    (void)value;
}

static inline void pci_port_write32(uint16_t port, uint32_t value)
{
    (void)port;
    (void)value;
}
#endif

struct pci_region {
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_PCI_IO_PROTOCOL_ACCESS *access; /* of pci_io: Mem or Io */
    uint8_t bar_index;                  /* as PciIo counts BARs */
    uint64_t offset;                    /* bytes from the start of the BAR */
    uint64_t length_bytes;
    uint64_t bar_address; /* of the whole BAR, as the CPU sees it; see pci_direct.h */
    uint64_t bar_bytes;
};

/* A register whose location is checked once, and which is then written without further
 * checks: a doorbell. `value` is what the device expects there. */
struct pci_register {
    volatile uint16_t *memory; /* its address, if the CPU reaches it without PciIo; else NULL */
    uint16_t port;             /* likewise its port; else 0 */
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_PCI_IO_PROTOCOL_IO_MEM write;
    uint64_t offset;
    uint16_t value;
    uint8_t bar_index;
};

/* The part of BAR `bar` (0 to 5, as configuration space counts them) that starts
 * at `offset` and is `length_bytes` long. PciIo's numbering may differ: some firmware
 * counts a 64-bit BAR once.
 * Errors: EFI_NO_MAPPING, the BAR is not implemented, has no address or an invalid one, or
 * the firmware does not reach it; EFI_UNSUPPORTED, the region is empty or not within the
 * BAR; those of PciIo. */
EFI_STATUS pci_region_init(struct pci_region *region, EFI_PCI_IO_PROTOCOL *pci_io, uint8_t bar,
                           uint64_t offset, uint64_t length_bytes)
    __attribute__((warn_unused_result));

/* All of BAR `bar`; same errors. */
EFI_STATUS pci_region_init_whole(struct pci_region *region, EFI_PCI_IO_PROTOCOL *pci_io,
                                 uint8_t bar) __attribute__((warn_unused_result));

bool pci_region_is_io(const struct pci_region *region);

/* The part of `region` after its first `offset` bytes. EFI_UNSUPPORTED if nothing is
 * left. */
EFI_STATUS pci_region_tail(const struct pci_region *region, uint64_t offset,
                           struct pci_region *ret_tail) __attribute__((warn_unused_result));

/* Access one register of 1, 2 or 4 bytes at `offset` from the region's start.
 * Errors: EFI_UNSUPPORTED, outside the region or misaligned; those of PciIo. */
EFI_STATUS pci_region_read8(const struct pci_region *region, uint64_t offset, uint8_t *ret_value)
    __attribute__((warn_unused_result));
EFI_STATUS pci_region_read16(const struct pci_region *region, uint64_t offset, uint16_t *ret_value)
    __attribute__((warn_unused_result));
EFI_STATUS pci_region_read32(const struct pci_region *region, uint64_t offset, uint32_t *ret_value)
    __attribute__((warn_unused_result));
EFI_STATUS pci_region_write8(const struct pci_region *region, uint64_t offset, uint8_t value)
    __attribute__((warn_unused_result));
EFI_STATUS pci_region_write16(const struct pci_region *region, uint64_t offset, uint16_t value)
    __attribute__((warn_unused_result));
EFI_STATUS pci_region_write32(const struct pci_region *region, uint64_t offset, uint32_t value)
    __attribute__((warn_unused_result));
/* A 64-bit register as two halves, low half first (VIRTIO 1.2, 4.1.3.1). */
EFI_STATUS pci_region_write64(const struct pci_region *region, uint64_t offset, uint64_t value)
    __attribute__((warn_unused_result));

/* Copy `length_bytes` starting at `offset`, in accesses of `width_bytes` (1, 2 or 4), which
 * must divide the length. Same errors. */
EFI_STATUS pci_region_read(const struct pci_region *region, uint64_t offset, uint32_t width_bytes,
                           uint32_t length_bytes, void *ret_bytes)
    __attribute__((warn_unused_result));

/* The reverse; same errors. */
EFI_STATUS pci_region_write(const struct pci_region *region, uint64_t offset, uint32_t width_bytes,
                            uint32_t length_bytes, const void *bytes)
    __attribute__((warn_unused_result));

/* Resolve the 16-bit register at `offset`, which will be written with `value`.
 * Errors: EFI_UNSUPPORTED, outside the region or misaligned. */
EFI_STATUS pci_region_register16(const struct pci_region *region, uint64_t offset, uint16_t value,
                                 struct pci_register *ret_register)
    __attribute__((warn_unused_result));

/* The same for a 32-bit register, whose lower half is `value`. Written with
 * pci_register_write32. */
EFI_STATUS pci_region_register32(const struct pci_region *region, uint64_t offset, uint16_t value,
                                 struct pci_register *ret_register)
    __attribute__((warn_unused_result));

/* True if a write calls no firmware. */
static inline bool pci_register_is_direct(const struct pci_register *reg)
{
    return reg->memory || reg->port;
}

/* One device access, nothing else. */
static inline void pci_register_write16(const struct pci_register *reg)
{
    uint16_t value = reg->value;

    if (reg->memory)
        *reg->memory = value;
    else if (PCI_HAS_PORTS && reg->port)
        pci_port_write16(reg->port, value);
    else /* a doorbell has no answer; the status shows if the device is gone */
        (void)reg->write(reg->pci_io, EfiPciIoWidthUint16, reg->bar_index, reg->offset, 1, &value);
}

/* One 32-bit access: `upper` in the upper half, the register's own value in the lower. */
void pci_register_write32(const struct pci_register *reg, uint16_t upper);

#endif
