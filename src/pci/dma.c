/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Common-buffer memory through EFI_PCI_IO_PROTOCOL.
 */
#include "pci/dma.h"

#include <efilib.h>

EFI_STATUS dma_init(struct dma *dma, EFI_PCI_IO_PROTOCOL *pci_io, size_t length_bytes)
{
    size_t pages = EFI_SIZE_TO_PAGES(length_bytes);
    UINTN mapped_bytes = pages * EFI_PAGE_SIZE;
    EFI_PHYSICAL_ADDRESS device_address;
    void *address;
    void *mapping;
    EFI_STATUS status;

    *dma = (struct dma){.pci_io = pci_io};

    status =
        pci_io->AllocateBuffer(pci_io, AllocateAnyPages, EfiBootServicesData, pages, &address, 0);
    if (EFI_ERROR(status))
        return status;
    dma->address = address;
    dma->pages = pages;
    /* Cleared before Map, because the old contents are not for the device to read, and
     * again after it, because Map may change what the CPU sees, as when it decrypts the
     * pages of a confidential guest. */
    BS->SetMem(address, mapped_bytes, 0);

    status = pci_io->Map(pci_io, EfiPciIoOperationBusMasterCommonBuffer, address, &mapped_bytes,
                         &device_address, &mapping);
    if (EFI_ERROR(status))
        goto fail;
    dma->mapping = mapping;
    dma->device_address = device_address;

    /* A common buffer in pieces is useless (UEFI 2.10, 14.4, Map). */
    if (mapped_bytes < pages * EFI_PAGE_SIZE) {
        status = EFI_OUT_OF_RESOURCES;
        goto fail;
    }
    BS->SetMem(address, mapped_bytes, 0);
    return EFI_SUCCESS;

fail:
    dma_fini(dma);
    return status;
}

void dma_fini(struct dma *dma)
{
    /* Neither call can fail for what dma_init was given. If one did, there would be nobody
     * to tell and nothing left to try. */
    if (dma->mapping)
        (void)dma->pci_io->Unmap(dma->pci_io, dma->mapping);
    if (dma->pages)
        (void)dma->pci_io->FreeBuffer(dma->pci_io, dma->pages, dma->address);
    *dma = (struct dma){0};
}
