/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Sets the window to a register, then reads or writes its data field.
 */
#include "virtio/pci_config_window.h"

#include <stddef.h>

#include "pci/pci_capability.h"
#include "virtio_spec/pci.h"

#define OFFSET_LIMIT (UINT64_C(1) << 32) /* the window's offset field has 32 bits */

#define WINDOW(field) offsetof(struct virtio_pci_cfg_cap, field)

/* Where the window points; offset and length are adjacent. */
struct place {
    uint8_t bar;
    uint32_t offset_and_length[2];
};

/* `access` is Read or Write of configuration space. */
static EFI_STATUS access_place(const struct pci_config_window *window,
                               EFI_PCI_IO_PROTOCOL_CONFIG access, struct place *place)
{
    EFI_STATUS status;

    status = access(window->pci_io, EfiPciIoWidthUint8, window->position + WINDOW(cap.bar), 1,
                    &place->bar);
    if (EFI_ERROR(status))
        return status;
    return access(window->pci_io, EfiPciIoWidthUint32, window->position + WINDOW(cap.offset), 2,
                  place->offset_and_length);
}

/* pci_region.c has checked bounds and alignment. The width divides the offset, as the
 * device may require. */
static EFI_STATUS access_register(const struct pci_config_window *window,
                                  EFI_PCI_IO_PROTOCOL_CONFIG access,
                                  EFI_PCI_IO_PROTOCOL_WIDTH width, UINT8 bar, UINT64 offset,
                                  UINTN count, void *value)
{
    struct place place = {bar, {(uint32_t)offset, UINT32_C(1) << width}};
    EFI_STATUS status;

    if (width > EfiPciIoWidthUint32 || count != 1)
        return EFI_UNSUPPORTED;
    status = access_place(window, window->pci_io->Pci.Write, &place);
    if (EFI_ERROR(status))
        return status;
    return access(window->pci_io, width, window->position + WINDOW(pci_cfg_data), 1, value);
}

static EFI_STATUS EFIAPI window_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT8 bar, UINT64 offset, UINTN count, VOID *ret_value)
{
    const struct pci_config_window *window = (const void *)this;

    return access_register(window, window->pci_io->Pci.Read, width, bar, offset, count, ret_value);
}

static EFI_STATUS EFIAPI window_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                      UINT8 bar, UINT64 offset, UINTN count, VOID *value)
{
    const struct pci_config_window *window = (const void *)this;

    return access_register(window, window->pci_io->Pci.Write, width, bar, offset, count, value);
}

EFI_STATUS pci_config_window_init(struct pci_config_window *window, EFI_PCI_IO_PROTOCOL *pci_io,
                                  uint8_t position, uint8_t length_bytes)
{
    if (length_bytes < sizeof(struct virtio_pci_cfg_cap) ||
        position > PCI_CONFIG_SPACE_BYTES - sizeof(struct virtio_pci_cfg_cap))
        return EFI_UNSUPPORTED;
    *window = (struct pci_config_window){
        .protocol.Mem = {window_read, window_write},
        .pci_io = pci_io,
        .position = position,
    };
    return EFI_SUCCESS;
}

EFI_STATUS pci_config_window_region(struct pci_config_window *window, uint8_t bar, uint64_t offset,
                                    uint64_t length_bytes, struct pci_region *ret_region)
{
    struct place wanted = {bar, {(uint32_t)offset, sizeof(uint8_t)}};
    struct place kept = {0};
    EFI_STATUS status;

    if (length_bytes == 0 || length_bytes > OFFSET_LIMIT || offset > OFFSET_LIMIT - length_bytes)
        return EFI_UNSUPPORTED;
    status = access_place(window, window->pci_io->Pci.Write, &wanted);
    if (!EFI_ERROR(status))
        status = access_place(window, window->pci_io->Pci.Read, &kept);
    if (EFI_ERROR(status))
        return status;
    if (kept.bar != bar || kept.offset_and_length[0] != wanted.offset_and_length[0] ||
        kept.offset_and_length[1] != wanted.offset_and_length[1])
        return EFI_NO_MAPPING;

    *ret_region = (struct pci_region){
        .pci_io = &window->protocol,
        .access = &window->protocol.Mem,
        .bar_index = bar,
        .offset = offset,
        .length_bytes = length_bytes,
    };
    return EFI_SUCCESS;
}
