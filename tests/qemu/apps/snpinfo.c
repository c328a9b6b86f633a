/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * snpinfo: one block "SNP index" of "field: value" lines per NIC, in the order of the addresses.
 * snpinfo watch SECONDS [NIC]: takes the NIC from the firmware, initializes it and prints
 * "MEDIA present|absent after N ms" at the start and whenever GetStatus changes MediaPresent. A key
 * ends it early. */
#include "snp_app.h"

static void print_number(const CHAR16 *field, uint64_t value)
{
    Print(L"%s: %ld\n", field, value);
}

static void print_mac(const CHAR16 *field, const EFI_MAC_ADDRESS *mac, size_t size)
{
    Print(L"%s: ", field);
    for (size_t i = 0; i < size && i < sizeof mac->Addr; i++)
        Print(i == 0 ? L"%02x" : L":%02x", mac->Addr[i]);
    Print(L"\n");
}

static void print_nic(size_t index, const struct nic *nic)
{
    const EFI_SIMPLE_NETWORK_MODE *mode = nic->snp->Mode;
    CHAR16 *path = DevicePathToStr(DevicePathFromHandle(nic->handle));
    size_t mac_size = mode->HwAddressSize;

    Print(L"SNP %d\n", index);
    Print(L"DevicePath: %s\n", path == NULL ? L"" : path);
    FreePool(path);
    Print(L"Revision: 0x%lx\n", nic->snp->Revision);
    print_number(L"State", mode->State);
    print_number(L"HwAddressSize", mode->HwAddressSize);
    print_number(L"MediaHeaderSize", mode->MediaHeaderSize);
    print_number(L"MaxPacketSize", mode->MaxPacketSize);
    print_number(L"NvRamSize", mode->NvRamSize);
    print_number(L"NvRamAccessSize", mode->NvRamAccessSize);
    Print(L"ReceiveFilterMask: 0x%x\n", mode->ReceiveFilterMask);
    Print(L"ReceiveFilterSetting: 0x%x\n", mode->ReceiveFilterSetting);
    print_number(L"MaxMCastFilterCount", mode->MaxMCastFilterCount);
    print_number(L"MCastFilterCount", mode->MCastFilterCount);
    for (size_t i = 0; i < mode->MCastFilterCount && i < MAX_MCAST_FILTER_CNT; i++)
        print_mac(L"MCastFilter", &mode->MCastFilter[i], mac_size);
    print_mac(L"CurrentAddress", &mode->CurrentAddress, mac_size);
    print_mac(L"BroadcastAddress", &mode->BroadcastAddress, mac_size);
    print_mac(L"PermanentAddress", &mode->PermanentAddress, mac_size);
    print_number(L"IfType", mode->IfType);
    print_number(L"MacAddressChangeable", mode->MacAddressChangeable);
    print_number(L"MultipleTxSupported", mode->MultipleTxSupported);
    print_number(L"MediaPresentSupported", mode->MediaPresentSupported);
    print_number(L"MediaPresent", mode->MediaPresent);
}

static void print_all(void)
{
    struct nic nics[MAX_NICS];
    size_t count = find_nics(nics);

    for (size_t i = 0; i < count; i++)
        print_nic(i, &nics[i]);
    Print(L"SNPINFO %d NICs\n", count);
}

static void print_media(bool is_present, uint64_t after_ms)
{
    Print(L"MEDIA %s after %ld ms\n", is_present ? L"present" : L"absent", after_ms);
}

static EFI_STATUS watch(EFI_SIMPLE_NETWORK *snp, uint64_t limit_ms)
{
    EFI_STATUS status = snp->Start(snp);

    if (!EFI_ERROR(status))
        status = snp->Initialize(snp, 0, 0);
    if (EFI_ERROR(status))
        return status;
    uint64_t began_ms = clock_ms();
    bool is_present = snp->Mode->MediaPresent;
    print_media(is_present, 0);
    while (clock_ms() - began_ms < limit_ms && !is_key_pressed()) {
        UINT32 interrupts;
        status = snp->GetStatus(snp, &interrupts, NULL);
        if (EFI_ERROR(status))
            return status;
        if (snp->Mode->MediaPresent != is_present) {
            is_present = snp->Mode->MediaPresent;
            print_media(is_present, clock_ms() - began_ms);
        }
    }
    return EFI_SUCCESS;
}

static EFI_STATUS run(EFI_HANDLE image, CHAR16 *arguments[], size_t count)
{
    struct nic nic;
    EFI_STATUS status;

    (void)image;
    if (count < 3 || StrCmp(arguments[1], L"watch") != 0) {
        print_all();
        return EFI_SUCCESS;
    }
    status = take_nic(count > 3 ? Atoi(arguments[3]) : 0, &nic);
    if (!EFI_ERROR(status)) {
        status = watch(nic.snp, Atoi(arguments[2]) * UINT64_C(1000));
        give_nic_back(&nic);
    }
    Print(L"SNPINFO watch ended: %r\n", status);
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return app_run(image, table, run);
}
