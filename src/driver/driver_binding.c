/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Supported, Start and Stop, and what goes onto the image handle.
 */
#include "driver/driver_binding.h"

#include <efilib.h>
#include <efipciio.h>
#include <stddef.h>

#include "base/guids.h"
#include "base/log.h"
#include "base/pci_address.h"
#include "driver/adapter.h"
#include "driver/component_name.h"
#include "driver/diagnostics.h"
#include "driver/nic_record.h"
#include "driver/pci_opener.h"
#include "driver/stack_binding.h"
#include "driver/status_page.h"
#include "net/net_report.h"
#include "uefi_ext/driver_supported_efi_version.h"
#include "virtio/virtio_pci.h"

#define UEFI_2_10 0x00020064u

/* A Start or a Stop that has not returned yet. Opening EXCLUSIVE can make the firmware connect the
 * controller once more before it returns: the nested call must not start it a second time. A client
 * that is stopped can disconnect the controller once more: the nested call would find no child on
 * record, and take it for gone. */
struct call_under_way {
    EFI_HANDLE controller;
    const struct call_under_way *outer; /* the call that this one is nested in */
};

struct driver {
    EFI_DRIVER_BINDING_PROTOCOL binding;
    EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL family_override;
    EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL supported_version;
    struct component_name names;
    struct diagnostics diagnostics;
    struct options options;
    bool is_paused;
    EFI_HANDLE taken_controller; /* of the takeover that goes on, NULL: none */
    const CHAR16 *taken_from;
    const struct call_under_way *innermost_start;
    const struct call_under_way *innermost_stop;
};

static EFI_STATUS EFIAPI driver_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                          EFI_DEVICE_PATH *remaining_path);
static EFI_STATUS EFIAPI driver_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                      EFI_DEVICE_PATH *remaining_path);
static EFI_STATUS EFIAPI driver_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     UINTN child_count, EFI_HANDLE *children);

static UINT32 EFIAPI family_version(EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL *this);

static CHAR16 driver_name[] =
    L"Virtio Network Driver (virtio-net.efi " VIRTIO_NET_VERSION_STRING L")";

static struct driver driver = {
    .binding =
        {
            .Supported = driver_supported,
            .Start = driver_start,
            .Stop = driver_stop,
            .Version = DRIVER_BINDING_VERSION,
        },
    .family_override = {.GetVersion = family_version},
    .supported_version = {sizeof(EFI_DRIVER_SUPPORTED_EFI_VERSION_PROTOCOL), UEFI_2_10},
};

/* UEFI 2.10, 11.6: consulted before a driver from the NIC's own option ROM. */
static UINT32 EFIAPI family_version(EFI_DRIVER_FAMILY_OVERRIDE_PROTOCOL *this)
{
    (void)this;
    return DRIVER_BINDING_VERSION;
}

static EFI_STATUS open_pci_io(EFI_HANDLE agent, EFI_HANDLE controller, UINT32 attributes,
                              EFI_PCI_IO_PROTOCOL **ret_pci_io)
{
    return BS->OpenProtocol(controller, &pci_io_guid, (void **)ret_pci_io, agent, controller,
                            attributes);
}

static void close_pci_io(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE by)
{
    /* Fails only if it was not open, and then there is nothing to close. */
    (void)BS->CloseProtocol(controller, &pci_io_guid, agent, by);
}

/* What the user chose for this function. A function without a location cannot be named in
 * an option. */
static bool is_admitted(EFI_PCI_IO_PROTOCOL *pci_io)
{
    struct pci_address address;

    return EFI_ERROR(pci_address_get(pci_io, &address)) || options_admit(&driver.options, &address);
}

static bool is_under_way(const struct call_under_way *call, EFI_HANDLE controller)
{
    while (call && call->controller != controller)
        call = call->outer;
    return call;
}

/* Also true of a controller whose child is already gone. */
static EFI_STATUS is_ours(EFI_HANDLE agent, EFI_HANDLE controller, bool *ret_is_ours)
{
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY unused;
    EFI_STATUS status;

    status = pci_opener_find(controller, agent, EFI_OPEN_PROTOCOL_BY_DRIVER, &unused);
    if (EFI_ERROR(status) && status != EFI_NOT_FOUND)
        return status;
    *ret_is_ours = status == EFI_SUCCESS;
    return EFI_SUCCESS;
}

/* Decided by the PCI identity alone: a question must not evict another driver. The
 * remaining path does not matter, because a NIC has one child and it is always created. */
static EFI_STATUS EFIAPI driver_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                          EFI_DEVICE_PATH *remaining_path)
{
    EFI_HANDLE agent = this->DriverBindingHandle;
    EFI_PCI_IO_PROTOCOL *pci_io;
    bool is_net = false;
    bool is_held = false;
    EFI_STATUS status;

    (void)remaining_path;
    if (driver.is_paused || is_under_way(driver.innermost_start, controller))
        return EFI_ALREADY_STARTED;
    status = open_pci_io(agent, controller, EFI_OPEN_PROTOCOL_BY_DRIVER, &pci_io);
    /* The firmware answers the same for our own open, which is EXCLUSIVE too. */
    if (status == EFI_ACCESS_DENIED && !EFI_ERROR(is_ours(agent, controller, &is_held)) && is_held)
        return EFI_ALREADY_STARTED;
    if (EFI_ERROR(status))
        return status;
    status = virtio_pci_is_net(pci_io, &is_net);
    is_net = is_net && is_admitted(pci_io);
    close_pci_io(agent, controller, controller);
    if (EFI_ERROR(status))
        return status;
    return is_net ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

/* Create the child and record it as the parent's. */
static EFI_STATUS start_child(EFI_HANDLE agent, EFI_HANDLE controller, EFI_PCI_IO_PROTOCOL *pci_io,
                              const CHAR16 **ret_cause)
{
    EFI_DEVICE_PATH *path;
    EFI_PCI_IO_PROTOCOL *unused;
    struct adapter *adapter;
    EFI_STATUS status;

    *ret_cause = L"the controller has no device path";
    status = BS->OpenProtocol(controller, &device_path_guid, (void **)&path, agent, controller,
                              EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    if (EFI_ERROR(status))
        return status;
    status = adapter_create(pci_io, path, &adapter, ret_cause);
    if (EFI_ERROR(status))
        return status;

    *ret_cause = L"the firmware refuses the child handle";
    status = BS->OpenProtocol(controller, &pci_io_guid, (void **)&unused, agent, adapter->child,
                              EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
    if (EFI_ERROR(status)) {
        (void)adapter_destroy(adapter); /* nobody has seen it yet, so nobody holds it */
        return status;
    }
    status_page_create(adapter);
    nic_record_write(adapter, controller == driver.taken_controller ? driver.taken_from : NULL);
    if (driver.options.verbosity >= VERBOSITY_ALL && net_report_uses_window(&adapter->snp.net))
        log_nic(pci_io, L"registers are reached through configuration space", NULL);
    return EFI_SUCCESS;
}

static EFI_STATUS start(EFI_HANDLE agent, EFI_HANDLE controller)
{
    const CHAR16 *cause = NULL;
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_STATUS status;

    status = open_pci_io(agent, controller,
                         EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE, &pci_io);
    if (EFI_ERROR(status))
        return status;
    status = start_child(agent, controller, pci_io, &cause);
    if (EFI_ERROR(status)) {
        log_failure(pci_io, L"not started", cause, status);
        close_pci_io(agent, controller, controller);
    }
    return status;
}

static EFI_STATUS EFIAPI driver_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                      EFI_DEVICE_PATH *remaining_path)
{
    struct call_under_way under_way = {controller, driver.innermost_start};
    EFI_STATUS status;

    (void)remaining_path;
    if (driver.is_paused || is_under_way(driver.innermost_start, controller))
        return EFI_ALREADY_STARTED;
    driver.innermost_start = &under_way;
    status = start(this->DriverBindingHandle, controller);
    driver.innermost_start = under_way.outer;
    return status;
}

/* The child's open is closed first: closing it needs the handle, which ends with its last
 * protocol. If a client holds on to that protocol, the open is restored. */
static EFI_STATUS stop_child(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child)
{
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_PCI_IO_PROTOCOL *unused;
    struct adapter *adapter;
    EFI_STATUS status;

    status = adapter_of_child(agent, child, &adapter);
    if (EFI_ERROR(status))
        return status;
    status = status_page_destroy(adapter);
    if (EFI_ERROR(status))
        return status;
    close_pci_io(agent, controller, child);
    pci_io = adapter->pci_io;
    status = adapter_destroy(adapter);
    if (EFI_ERROR(status)) {
        (void)BS->OpenProtocol(controller, &pci_io_guid, (void **)&unused, agent, child,
                               EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER); /* was open until now */
        status_page_create(adapter);
        return status;
    }
    nic_record_delete(pci_io);
    return EFI_SUCCESS;
}

static EFI_STATUS stop(EFI_HANDLE agent, EFI_HANDLE controller, UINTN child_count,
                       EFI_HANDLE *children)
{
    struct adapter *adapter;

    for (UINTN i = 0; i < child_count; i++) {
        if (EFI_ERROR(stop_child(agent, controller, children[i])))
            return EFI_DEVICE_ERROR;
    }
    if (child_count > 0)
        return EFI_SUCCESS;

    if (adapter_of_controller(agent, controller, &adapter) != EFI_NOT_FOUND)
        return EFI_DEVICE_ERROR; /* the child goes first */
    close_pci_io(agent, controller, controller);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI driver_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     UINTN child_count, EFI_HANDLE *children)
{
    struct call_under_way under_way = {controller, driver.innermost_stop};
    EFI_STATUS status;

    if (is_under_way(driver.innermost_stop, controller))
        return EFI_DEVICE_ERROR;
    driver.innermost_stop = &under_way;
    status = stop(this->DriverBindingHandle, controller, child_count, children);
    driver.innermost_stop = under_way.outer;
    return status;
}

static EFI_STATUS EFIAPI unload(EFI_HANDLE image)
{
    (void)image;
    return driver_binding_uninstall();
}

void driver_binding_pause(bool is_paused)
{
    driver.is_paused = is_paused;
}

void driver_binding_take(EFI_HANDLE controller, const CHAR16 *from)
{
    driver.taken_controller = controller;
    driver.taken_from = from;
}

EFI_HANDLE driver_binding_agent(void)
{
    return driver.binding.DriverBindingHandle;
}

bool driver_binding_holds(EFI_HANDLE controller)
{
    bool is_held;

    return !EFI_ERROR(is_ours(driver_binding_agent(), controller, &is_held)) && is_held;
}

/* A controller and its child have one name: they are one NIC. */
static EFI_STATUS find_name(EFI_HANDLE agent, EFI_HANDLE controller, EFI_HANDLE child,
                            CHAR16 **ret_name)
{
    struct adapter *adapter;
    EFI_STATUS status;

    status = adapter_of_handles(agent, controller, child, &adapter);
    if (EFI_ERROR(status))
        return status;
    *ret_name = adapter->name;
    return EFI_SUCCESS;
}

/* What the driver's handle carries, to install and to uninstall. */
#define DRIVER_PROTOCOLS                                                                           \
    &driver_binding_guid, &driver.binding, &driver_family_override_guid, &driver.family_override,  \
        &driver_supported_efi_version_guid, &driver.supported_version, &driver_diagnostics2_guid,  \
        &driver.diagnostics.protocol, &component_name2_guid, &driver.names.rfc4646,                \
        &component_name_guid, &driver.names.iso639

static EFI_STATUS uninstall_protocols(void)
{
    return BS->UninstallMultipleProtocolInterfaces(driver.binding.DriverBindingHandle,
                                                   DRIVER_PROTOCOLS, NULL);
}

static EFI_STATUS install_stack(EFI_HANDLE image)
{
    return driver.options.stack == STACK_OWN ? stack_binding_install(image) : EFI_SUCCESS;
}

EFI_STATUS driver_binding_install(EFI_HANDLE image, const struct options *options)
{
    EFI_LOADED_IMAGE *loaded;
    EFI_STATUS status;

    status = BS->OpenProtocol(image, &loaded_image_guid, (void **)&loaded, image, NULL,
                              EFI_OPEN_PROTOCOL_GET_PROTOCOL);
    if (EFI_ERROR(status))
        return status;
    driver.binding.ImageHandle = image;
    driver.binding.DriverBindingHandle = image;
    driver.options = *options;
    component_name_init(&driver.names, &driver.binding.DriverBindingHandle, driver_name, find_name);
    diagnostics_init(&driver.diagnostics, image);
    status = BS->InstallMultipleProtocolInterfaces(&driver.binding.DriverBindingHandle,
                                                   DRIVER_PROTOCOLS, NULL);
    if (EFI_ERROR(status))
        return status;
    status = install_stack(image);
    if (EFI_ERROR(status)) {
        (void)uninstall_protocols(); /* nobody has them yet */
        return status;
    }
    loaded->Unload = unload;
    return EFI_SUCCESS;
}

/* Disconnect those of `handles` that are ours and move them to the front. *ret_count
 * becomes their number. */
static EFI_STATUS disconnect_ours(EFI_HANDLE *handles, UINTN count, UINTN *ret_count)
{
    EFI_HANDLE agent = driver_binding_agent();

    for (UINTN i = 0; i < count; i++) {
        bool is_held = false;
        EFI_STATUS status = is_ours(agent, handles[i], &is_held);

        if (is_held)
            status = BS->DisconnectController(handles[i], agent, NULL);
        if (EFI_ERROR(status))
            return status;
        if (is_held)
            handles[(*ret_count)++] = handles[i];
    }
    return EFI_SUCCESS;
}

/* Both bindings, or none. */
static EFI_STATUS uninstall_bindings(void)
{
    EFI_STATUS status;

    status = stack_binding_uninstall();
    if (EFI_ERROR(status))
        return status;
    status = uninstall_protocols();
    if (EFI_ERROR(status))
        (void)install_stack(
            driver.binding.ImageHandle); /* without it the stack is the firmware's */
    return status;
}

EFI_STATUS driver_binding_uninstall(void)
{
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    UINTN ours = 0;
    EFI_STATUS status;

    status = BS->LocateHandleBuffer(ByProtocol, &pci_io_guid, NULL, &count, &handles);
    if (EFI_ERROR(status) && status != EFI_NOT_FOUND)
        return status;

    status = disconnect_ours(handles, count, &ours);
    if (!EFI_ERROR(status))
        status = uninstall_bindings();
    /* Each NIC now goes to any driver that wants it, another or ours. It is not a failure
     * if none does. */
    for (UINTN i = 0; i < ours; i++)
        (void)BS->ConnectController(handles[i], NULL, NULL, TRUE);
    if (handles)
        (void)BS->FreePool(handles); /* was allocated for us a moment ago */
    return status;
}
