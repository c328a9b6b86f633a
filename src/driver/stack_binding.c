/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Supported, Start and Stop of the Managed Network service.
 */
#include "driver/stack_binding.h"

#include <efilib.h>
#include <stddef.h>

#include "base/guids.h"
#include "base/log.h"
#include "driver/adapter.h"
#include "driver/component_name.h"
#include "driver/driver_binding.h"
#include "mnp/mnp.h"
#include "mnp/mnp_packet.h"
#include "virtio/virtio_pci.h"

static EFI_STATUS EFIAPI stack_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                         EFI_DEVICE_PATH *remaining_path);
static EFI_STATUS EFIAPI stack_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     EFI_DEVICE_PATH *remaining_path);
static EFI_STATUS EFIAPI stack_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                    UINTN child_count, EFI_HANDLE *children);

static CHAR16 child_name[] = L"Virtio Network Stack's client";
static CHAR16 stack_name[] =
    L"Virtio Network Stack (virtio-net.efi " VIRTIO_NET_VERSION_STRING L")";

static struct {
    EFI_DRIVER_BINDING_PROTOCOL binding;
    struct component_name names;
    bool is_installed;
} stack = {
    .binding =
        {
            .Supported = stack_supported,
            .Start = stack_start,
            .Stop = stack_stop,
            .Version = DRIVER_BINDING_VERSION,
        },
};

static EFI_STATUS open_snp(EFI_HANDLE controller, EFI_SIMPLE_NETWORK_PROTOCOL **ret_snp)
{
    return BS->OpenProtocol(controller, &snp_guid, (void **)ret_snp,
                            stack.binding.DriverBindingHandle, controller,
                            EFI_OPEN_PROTOCOL_BY_DRIVER);
}

static void close_snp(EFI_HANDLE controller)
{
    /* Fails only if it was not open, and then there is nothing to close. */
    (void)BS->CloseProtocol(controller, &snp_guid, stack.binding.DriverBindingHandle, controller);
}

/* Other drivers' NICs are left to the firmware's service. So are handles to which somebody else
 * gave our SNP too. */
static EFI_STATUS EFIAPI stack_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                         EFI_DEVICE_PATH *remaining_path)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
    EFI_STATUS status;

    (void)this;
    (void)remaining_path;
    status = open_snp(controller, &snp);
    if (EFI_ERROR(status))
        return status;
    close_snp(controller);
    return adapter_of_snp(snp, controller) ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

static void complain(void *context, const CHAR16 *what, const CHAR16 *cause, EFI_STATUS status)
{
    const struct adapter *adapter = context;

    log_failure(adapter->pci_io, what, cause, status);
}

/* EDK2's IP6 forgets the child that it made when a dead device keeps it from starting. Nobody could
 * take that child away from us any more, and so not the NIC either. */
static EFI_STATUS check_present(const struct adapter *adapter)
{
    bool is_net = false;
    EFI_STATUS status;

    status = virtio_pci_is_net(adapter->pci_io, &is_net);
    if (EFI_ERROR(status))
        return status;
    return is_net ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

static EFI_STATUS EFIAPI stack_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     EFI_DEVICE_PATH *remaining_path)
{
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
    struct adapter *adapter;
    const CHAR16 *cause;
    EFI_STATUS status;

    (void)remaining_path;
    status = open_snp(controller, &snp);
    if (EFI_ERROR(status))
        return status;
    adapter = adapter_of_snp(snp, controller);
    if (!adapter) {
        close_snp(controller);
        return EFI_UNSUPPORTED;
    }
    cause = L"the device is gone";
    status = check_present(adapter);
    if (!EFI_ERROR(status))
        status = mnp_create(&adapter->snp, this->DriverBindingHandle, controller,
                            adapter->device_path, complain, adapter, &adapter->mnp, &cause);
    if (EFI_ERROR(status)) {
        close_snp(controller);
        log_failure(adapter->pci_io, L"the network stack is left to the firmware", cause, status);
    }
    return status;
}

static EFI_STATUS EFIAPI stack_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                    UINTN child_count, EFI_HANDLE *children)
{
    struct adapter *adapter;
    struct list dead;
    EFI_STATUS status;

    if (EFI_ERROR(adapter_of_child(this->DriverBindingHandle, controller, &adapter)) ||
        !adapter->mnp)
        return EFI_DEVICE_ERROR;
    if (child_count > 0) {
        status = mnp_destroy_children(adapter->mnp, child_count, children);
        return EFI_ERROR(status) ? EFI_DEVICE_ERROR : EFI_SUCCESS;
    }
    status = mnp_destroy(adapter->mnp, &dead);
    if (!EFI_ERROR(status)) {
        adapter->mnp = NULL;
        close_snp(controller);
    }
    mnp_bury(&dead);
    return EFI_ERROR(status) ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

/* The service's handle is named after the NIC; those below it say what they are. */
static EFI_STATUS find_name(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                            CHAR16 **ret_name)
{
    struct adapter *adapter;
    EFI_STATUS status;

    status = adapter_of_child(agent, controller, &adapter);
    if (EFI_ERROR(status))
        return status;
    if (!adapter->mnp || (child && !mnp_has_child(adapter->mnp, child)))
        return EFI_UNSUPPORTED;
    *ret_name = child ? child_name : adapter->name;
    return EFI_SUCCESS;
}

/* What the binding's handle carries, to install and to uninstall. */
#define STACK_PROTOCOLS                                                                            \
    &driver_binding_guid, &stack.binding, &component_name2_guid, &stack.names.rfc4646,             \
        &component_name_guid, &stack.names.iso639

EFI_STATUS stack_binding_install(EFI_HANDLE image)
{
    EFI_STATUS status;

    stack.binding.ImageHandle = image;
    stack.binding.DriverBindingHandle = NULL;
    component_name_init(&stack.names, &stack.binding.DriverBindingHandle, stack_name, find_name);
    status = BS->InstallMultipleProtocolInterfaces(&stack.binding.DriverBindingHandle,
                                                   STACK_PROTOCOLS, NULL);
    stack.is_installed = !EFI_ERROR(status);
    return status;
}

EFI_STATUS stack_binding_uninstall(void)
{
    EFI_STATUS status;

    if (!stack.is_installed)
        return EFI_SUCCESS;
    if (mnp_packets_are_held())
        return EFI_ACCESS_DENIED;
    status = BS->UninstallMultipleProtocolInterfaces(stack.binding.DriverBindingHandle,
                                                     STACK_PROTOCOLS, NULL);
    stack.is_installed = EFI_ERROR(status);
    return status;
}
