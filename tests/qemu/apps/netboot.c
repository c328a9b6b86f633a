/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * netboot, booted over the network: prints where it came from and which driver has that NIC, and
 * starts the firmware's shell.
 * netboot load, in the shell: like the firmware's boot manager, loads and starts what PXE offers on
 * the first NIC, and returns. */
#include "driver_names.h"
#include "snp_app.h"

#define MAX_OPTIONS 64u

static EFI_GUID load_file = LOAD_FILE_PROTOCOL;

/* The driver that has the PCI function on the way to `path`. */
static const CHAR16 *driver_below(EFI_DEVICE_PATH *path)
{
    EFI_HANDLE function;
    const CHAR16 *name;

    if (EFI_ERROR(BS->LocateDevicePath(&gEfiPciIoProtocolGuid, &path, &function)))
        return L"no PCI function";
    name = driver_of(function);
    return name == NULL ? L"no driver" : name;
}

static void print_origin(EFI_HANDLE image)
{
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded;
    EFI_DEVICE_PATH *path;

    if (EFI_ERROR(BS->HandleProtocol(image, &guid, (void **)&loaded)))
        return;
    path = DevicePathFromHandle(loaded->DeviceHandle);
    if (path == NULL)
        return;
    Print(L"NETBOOT from %s\n", DevicePathToStr(path));
    Print(L"NETBOOT over %s\n", driver_below(path));
}

/* PXE's LoadFile handle is …/MAC(…)/IPv4(…); that of HTTP boot has a URI after it. */
static bool is_pxe(EFI_DEVICE_PATH *node)
{
    bool is_ipv4 = false;

    for (; node != NULL && !IsDevicePathEnd(node); node = NextDevicePathNode(node))
        is_ipv4 =
            DevicePathType(node) == MESSAGING_DEVICE_PATH && DevicePathSubType(node) == MSG_IPv4_DP;
    return is_ipv4;
}

static EFI_STATUS load_by_pxe(EFI_HANDLE image)
{
    EFI_HANDLE *handles;
    EFI_HANDLE loaded;
    UINTN count;
    EFI_STATUS status;

    status = BS->LocateHandleBuffer(ByProtocol, &load_file, NULL, &count, &handles);
    if (EFI_ERROR(status))
        return status;
    status = EFI_NOT_FOUND;
    for (UINTN i = 0; i < count && status == EFI_NOT_FOUND; i++) {
        EFI_DEVICE_PATH *path = DevicePathFromHandle(handles[i]);

        if (is_pxe(path))
            status = BS->LoadImage(TRUE, image, path, NULL, 0, &loaded);
    }
    (void)BS->FreePool(handles);
    return EFI_ERROR(status) ? status : BS->StartImage(loaded, NULL, NULL);
}

/* The path in a Boot#### variable whose description is `wanted`, or NULL. UEFI 2.10, 3.1.3. */
static EFI_DEVICE_PATH *path_of_option(uint8_t *option, size_t size, const CHAR16 *wanted)
{
    size_t wanted_bytes = StrSize(wanted);
    size_t path_offset = sizeof(uint32_t) + sizeof(uint16_t) + wanted_bytes;

    if (size <= path_offset || CompareMem(option + 6, wanted, wanted_bytes) != 0)
        return NULL;
    return (EFI_DEVICE_PATH *)(option + path_offset);
}

static EFI_STATUS start_shell(EFI_HANDLE image)
{
    EFI_GUID guid = EFI_GLOBAL_VARIABLE;
    EFI_DEVICE_PATH *path = NULL;
    EFI_HANDLE shell;
    EFI_STATUS status;

    for (unsigned i = 0; i < MAX_OPTIONS && path == NULL; i++) {
        CHAR16 name[9];
        UINTN size = 0;
        uint8_t *option;

        SPrint(name, sizeof name, L"Boot%04x", i);
        option = LibGetVariableAndSize(name, &guid, &size);
        if (option != NULL)
            path = path_of_option(option, size, L"EFI Internal Shell");
    }
    if (path == NULL)
        return EFI_NOT_FOUND;
    status = BS->LoadImage(FALSE, image, path, NULL, 0, &shell);
    return EFI_ERROR(status) ? status : BS->StartImage(shell, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    EFI_STATUS status;

    InitializeLib(image, table);
    if (split_arguments(image, arguments) < 2 || StrCmp(arguments[1], L"load") != 0) {
        print_origin(image);
        return start_shell(image);
    }
    status = load_by_pxe(image);
    Print(L"NETBOOT loaded: %r\n", status);
    return status;
}
