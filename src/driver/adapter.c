/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Builds and takes down a bound NIC, and finds it again by handle.
 */
#include "driver/adapter.h"

#include <efilib.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/device_path.h"
#include "base/guids.h"
#include "base/text.h"
#include "driver/pci_opener.h"
#include "net/net_report.h"

_Static_assert(sizeof(MAC_ADDR_DEVICE_PATH) == 37, "UEFI 2.10, 10.3.4.10: 32 address bytes");

/* …/MAC(x,1): the firmware's network boot options identify the NIC by this path. */
static EFI_STATUS create_path(const EFI_DEVICE_PATH *parent, const EFI_SIMPLE_NETWORK_MODE *mode,
                              EFI_DEVICE_PATH **ret_path)
{
    MAC_ADDR_DEVICE_PATH node = {
        .Header = {MESSAGING_DEVICE_PATH, MSG_MAC_ADDR_DP, {sizeof(node), 0}},
        .MacAddress = mode->PermanentAddress,
        .IfType = mode->IfType,
    };

    return device_path_append(parent, &node.Header, ret_path);
}

static void write_name(struct adapter *adapter)
{
    struct text text;

    text_init(&text, adapter->name, ADAPTER_NAME_MAX);
    text_append(&text, L"Virtio Network Adapter (");
    text_append(&text, net_report_transport(&adapter->snp.net));
    text_append(&text, L", ");
    text_append_mac(&text, adapter->snp.net.permanent_mac);
    text_append(&text, L")");
}

/* What the child handle carries, to install and to uninstall. */
#define CHILD_PROTOCOLS(adapter)                                                                   \
    &snp_guid, &(adapter)->snp.protocol, &adapter_information_guid, &(adapter)->info.protocol,     \
        &device_path_guid, (adapter)->device_path

static void free_adapter(struct adapter *adapter)
{
    snp_fini(&adapter->snp);
    if (adapter->device_path)
        (void)BS->FreePool(adapter->device_path); /* ours: cannot fail */
    (void)BS->FreePool(adapter);                  /* likewise */
}

EFI_STATUS adapter_create(EFI_PCI_IO_PROTOCOL *pci_io, const EFI_DEVICE_PATH *parent_path,
                          struct adapter **ret_adapter, const CHAR16 **ret_cause)
{
    struct adapter *adapter;
    EFI_STATUS status;

    *ret_cause = L"no memory";
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*adapter), (void **)&adapter);
    if (EFI_ERROR(status))
        return status;
    BS->SetMem(adapter, sizeof(*adapter), 0);
    adapter->pci_io = pci_io;

    status = snp_init(&adapter->snp, pci_io, ret_cause);
    if (EFI_ERROR(status))
        goto fail;
    status = create_path(parent_path, &adapter->snp.mode, &adapter->device_path);
    if (status == EFI_UNSUPPORTED)
        *ret_cause = L"the device path of the controller is malformed";
    if (EFI_ERROR(status))
        goto fail;
    adapter_info_init(&adapter->info, &adapter->snp);
    write_name(adapter);
    *ret_cause = L"the firmware refuses a handle for the NIC";
    status = BS->InstallMultipleProtocolInterfaces(&adapter->child, CHILD_PROTOCOLS(adapter), NULL);
    if (EFI_ERROR(status))
        goto fail;

    *ret_adapter = adapter;
    return EFI_SUCCESS;

fail:
    free_adapter(adapter);
    return status;
}

EFI_STATUS adapter_destroy(struct adapter *adapter)
{
    EFI_STATUS status;

    status =
        BS->UninstallMultipleProtocolInterfaces(adapter->child, CHILD_PROTOCOLS(adapter), NULL);
    if (EFI_ERROR(status))
        return status;
    free_adapter(adapter);
    return EFI_SUCCESS;
}

struct adapter *adapter_of_snp(EFI_SIMPLE_NETWORK_PROTOCOL *protocol, EFI_HANDLE handle)
{
    struct adapter *adapter;

    if (!snp_is_ours(protocol))
        return NULL;
    adapter = container_of(protocol, struct adapter, snp.protocol);
    return adapter->child == handle ? adapter : NULL;
}

EFI_STATUS adapter_of_child(EFI_HANDLE agent, EFI_HANDLE child, struct adapter **ret_adapter)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol;
    EFI_STATUS status;

    status = BS->OpenProtocol(child, &snp_guid, (void **)&protocol, agent, child,
                              EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    if (EFI_ERROR(status))
        return status;
    *ret_adapter = adapter_of_snp(protocol, child);
    return *ret_adapter ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

/* OpenProtocol distinguishes a handle without the protocol from a pointer that is no handle. */
static bool is_handle(EFI_HANDLE agent, EFI_HANDLE handle)
{
    return BS->OpenProtocol(handle, &device_path_guid, NULL, agent, NULL,
                            EFI_OPEN_PROTOCOL_TEST_PROTOCOL) != EFI_INVALID_PARAMETER;
}

EFI_STATUS adapter_of_handles(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                              struct adapter **ret_adapter)
{
    struct adapter *adapter;

    if (!is_handle(agent, controller) || (child && !is_handle(agent, child)))
        return EFI_INVALID_PARAMETER;
    if (EFI_ERROR(adapter_of_controller(agent, controller, &adapter)) ||
        (child && child != adapter->child))
        return EFI_UNSUPPORTED;
    *ret_adapter = adapter;
    return EFI_SUCCESS;
}

/* The list of PciIo's openers tells: our child opened it BY_CHILD_CONTROLLER. */
EFI_STATUS adapter_of_controller(EFI_HANDLE agent, EFI_HANDLE controller,
                                 struct adapter **ret_adapter)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;
    EFI_STATUS status;

    status = pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER, &opener);
    if (EFI_ERROR(status))
        return status;
    return adapter_of_child(agent, opener.ControllerHandle, ret_adapter);
}
