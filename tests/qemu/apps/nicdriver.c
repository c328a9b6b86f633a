/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * nicdriver: for machines without a shell, as under Secure Boot. Prints which driver has each
 * virtio NIC; loads and starts each file of \try\, prints the statuses and, once the NICs are
 * connected again, their drivers; powers off. Run as the boot file of a disk or by PXE. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver_names.h"

#define VIRTIO_NET_TRANSITIONAL 0x10001af4
#define VIRTIO_NET_MODERN 0x10411af4

/* What src/driver/start.c calls, by the compiler's own convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* UEFI 2.10, 32.5.3.1 */
struct execution_info {
    UINT32 action;
    UINT32 info_size;
    CHAR16 name[];
};
struct execution_info_table {
    UINTN count;
    uint8_t entries[];
};
static EFI_GUID image_security_database_guid = {
    0xd719b2cb, 0x3d3a, 0x4596, {0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}};
static bool is_virtio_nic(EFI_HANDLE handle)
{
    EFI_PCI_IO_PROTOCOL *pci_io;
    uint32_t id = 0;

    return !EFI_ERROR(BS->HandleProtocol(handle, &gEfiPciIoProtocolGuid, (void **)&pci_io)) &&
           !EFI_ERROR(pci_io->Pci.Read(pci_io, EfiPciIoWidthUint32, 0, 1, &id)) &&
           (id == VIRTIO_NET_TRANSITIONAL || id == VIRTIO_NET_MODERN);
}

static void for_each_nic(void (*visit)(EFI_HANDLE nic))
{
    EFI_HANDLE *handles;
    UINTN count;

    if (EFI_ERROR(
            BS->LocateHandleBuffer(ByProtocol, &gEfiPciIoProtocolGuid, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; i++) {
        if (is_virtio_nic(handles[i]))
            visit(handles[i]);
    }
    (void)BS->FreePool(handles);
}

static void print_manager(EFI_HANDLE nic)
{
    CHAR16 *path = DevicePathToStr(DevicePathFromHandle(nic));
    const CHAR16 *name = driver_of(nic);

    Print(L"NIC %s: %s\n", path, name == NULL ? L"nobody" : name);
    FreePool(path);
}

static void reconnect(EFI_HANDLE nic)
{
    /* Fails if nothing was connected; print_manager() shows the result. */
    (void)BS->DisconnectController(nic, NULL, NULL);
    (void)BS->ConnectController(nic, NULL, NULL, TRUE);
}

/* The firmware's own drivers do not release a NIC while its SNP is in use. */
static void disconnect_network_stack(void)
{
    EFI_GUID guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
    EFI_HANDLE *handles;
    UINTN count;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; i++)
        (void)BS->DisconnectController(handles[i], NULL, NULL); /* as above */
    (void)BS->FreePool(handles);
}

/* The firmware's record of the images that it refused, by path. */
static void print_refused(void)
{
    struct execution_info_table *table;
    uint8_t *at;

    if (EFI_ERROR(LibGetSystemConfigurationTable(&image_security_database_guid, (void **)&table)))
        return;
    at = table->entries;
    for (UINTN i = 0; i < table->count; i++) {
        struct execution_info *info = (struct execution_info *)at;

        Print(L"REFUSED %s\n", info->name);
        at += info->info_size;
    }
}

static void try_file(EFI_HANDLE parent, EFI_HANDLE volume, const CHAR16 *name)
{
    CHAR16 *path = PoolPrint(L"\\try\\%s", name);
    EFI_HANDLE image = NULL;
    EFI_STATUS status;

    status = BS->LoadImage(FALSE, parent, FileDevicePath(volume, path), NULL, 0, &image);
    Print(L"LOAD %s: %r\n", name, status);
    if (!EFI_ERROR(status))
        Print(L"START %s: %r\n", name, BS->StartImage(image, NULL, NULL));
    FreePool(path);
}

static void try_files(EFI_HANDLE parent, EFI_HANDLE volume)
{
    EFI_FILE_HANDLE root = LibOpenRoot(volume);
    EFI_FILE_HANDLE folder;
    EFI_FILE_INFO *info = AllocatePool(SIZE_OF_EFI_FILE_INFO + 512);

    if (root == NULL || info == NULL ||
        EFI_ERROR(root->Open(root, &folder, L"\\try", EFI_FILE_MODE_READ, 0)))
        return;
    for (;;) {
        UINTN size = SIZE_OF_EFI_FILE_INFO + 512;

        if (EFI_ERROR(folder->Read(folder, &size, info)) || size == 0)
            break;
        if (!(info->Attribute & EFI_FILE_DIRECTORY))
            try_file(parent, volume, info->FileName);
    }
    (void)folder->Close(folder);
    (void)root->Close(root);
    FreePool(info);
    print_refused();
    disconnect_network_stack();
    for_each_nic(reconnect);
    for_each_nic(print_manager);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded;
    uint8_t secure_boot = 0;
    UINTN size = sizeof secure_boot;

    InitializeLib(image, table);
    (void)RT->GetVariable(L"SecureBoot", &gEfiGlobalVariableGuid, NULL, &size, &secure_boot);
    Print(L"NICDRIVER begins\nSECURE BOOT %s\n", secure_boot ? L"on" : L"off");
    for_each_nic(print_manager);
    if (!EFI_ERROR(BS->HandleProtocol(image, &guid, (void **)&loaded)) && loaded->DeviceHandle)
        try_files(image, loaded->DeviceHandle);
    Print(L"NICDRIVER ends\n");
    RT->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    return EFI_SUCCESS;
}
