/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * barless: a resident driver that takes the memory BARs of each virtio NIC away, like firmware that
 * found no address for them, or one that no bridge forwards. On NICs in even PCI slots
 * GetBarAttributes refuses them; on the others it reports them, and each access fails. Load it with
 * `load -nc`. */
#include <efi.h>
#include <efilib.h>
#include <efipciio.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_NET_TRANSITIONAL 0x10001af4
#define VIRTIO_NET_MODERN 0x10411af4

/* What src/driver/start.c calls, by the compiler's own convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_STATUS EFIAPI refuse_access(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                       UINT8 bar, UINT64 offset, UINTN count, VOID *buffer)
{
    (void)this, (void)width, (void)bar, (void)offset, (void)count, (void)buffer;
    return EFI_INVALID_PARAMETER; /* as EDK2 does outside the apertures of its bridges */
}

static EFI_STATUS EFIAPI refuse_bar(EFI_PCI_IO_PROTOCOL *this, UINT8 bar, UINT64 *ret_supports,
                                    VOID **ret_resources)
{
    (void)this, (void)bar, (void)ret_supports, (void)ret_resources;
    return EFI_UNSUPPORTED;
}

static bool is_virtio_nic(EFI_PCI_IO_PROTOCOL *pci_io)
{
    uint32_t id = 0;

    return !EFI_ERROR(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint32, 0, 1, &id)) &&
           (id == VIRTIO_NET_TRANSITIONAL || id == VIRTIO_NET_MODERN);
}

/* Each handle has its own instance of the protocol. */
static void take_bars(EFI_PCI_IO_PROTOCOL *pci_io)
{
    UINTN segment = 0;
    UINTN bus = 0;
    UINTN slot = 0;
    UINTN function = 0;

    if (EFI_ERROR(pci_io->GetLocation(pci_io, &segment, &bus, &slot, &function)))
        return;
    pci_io->Mem.Read = refuse_access;
    pci_io->Mem.Write = refuse_access;
    if (slot % 2 == 0)
        pci_io->GetBarAttributes = refuse_bar;
    Print(L"BARLESS slot %d %s\n", slot, slot % 2 == 0 ? L"refused" : L"fails");
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_HANDLE *handles;
    EFI_STATUS status;
    UINTN count;

    InitializeLib(image, table);
    status = BS->LocateHandleBuffer(ByProtocol, &gEfiPciIoProtocolGuid, NULL, &count, &handles);
    if (EFI_ERROR(status))
        return status;
    for (UINTN i = 0; i < count; i++) {
        EFI_PCI_IO_PROTOCOL *pci_io;

        status = BS->HandleProtocol(handles[i], &gEfiPciIoProtocolGuid, (void **)&pci_io);
        if (!EFI_ERROR(status) && is_virtio_nic(pci_io))
            take_bars(pci_io);
    }
    (void)BS->FreePool(handles); /* was allocated for us a moment ago */
    return EFI_SUCCESS;
}
