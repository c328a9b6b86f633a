/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Memory shared with a device: the pages, their mapping and their device address as
 * one object. Only the device address may ever be given to the device; behind a
 * vIOMMU it differs from the pointer.
 */
#ifndef DMA_H
#define DMA_H

#include <efi.h>
#include <efipciio.h>
#include <stddef.h>
#include <stdint.h>

struct dma {
    EFI_PCI_IO_PROTOCOL *pci_io;
    uint8_t *address; /* page-aligned, zeroed at init */
    uint64_t device_address;
    size_t pages; /* of EFI_PAGE_SIZE bytes; 0 if there is nothing to free */
    void *mapping;
};

/* Allocate and map `length_bytes` (at least 1) of common-buffer memory.
 * Errors: EFI_OUT_OF_RESOURCES, and those of PciIo; nothing is left behind.
 * Source: UEFI 2.10, 14.4 (AllocateBuffer, Map). */
EFI_STATUS dma_init(struct dma *dma, EFI_PCI_IO_PROTOCOL *pci_io, size_t length_bytes)
    __attribute__((warn_unused_result));

/* Unmap and free. The device must no longer use the memory. Accepts a zeroed object, and
 * leaves one behind. */
void dma_fini(struct dma *dma);

#endif
