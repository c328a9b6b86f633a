/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What there is of the service and on which handles: a NIC, its services, their children.
 */
#include "mnp/mnp.h"

#include <efilib.h>

#include "base/container_of.h"
#include "base/guids.h"
#include "base/tpl.h"
#include "mnp/mnp_parts.h"
#include "uefi_ext/dpc.h"

/* NULL: the firmware has none, and clients do their work in their events. */
static EFI_DPC_PROTOCOL *dpc;

void mnp_dispatch_dpcs(void)
{
    if (dpc)
        (void)dpc->DispatchDpc(dpc); /* NOT_FOUND: there was none */
}

uint32_t mnp_ticks_of_us(uint32_t microseconds)
{
    return microseconds / MNP_TICK_US + (microseconds % MNP_TICK_US != 0);
}

struct mnp_service *mnp_service_of_link(struct list *link)
{
    return container_of(link, struct mnp_service, link);
}

struct mnp_child *mnp_child_of_link(struct list *link)
{
    return container_of(link, struct mnp_child, link);
}

struct mnp_child *mnp_child_of(EFI_MANAGED_NETWORK_PROTOCOL *protocol)
{
    return container_of(protocol, struct mnp_child, protocol);
}

struct mnp_service *mnp_service_find(struct mnp *mnp, UINT16 vlan)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        if (service->vlan == vlan)
            return service;
    }
    return NULL;
}

static struct mnp_child *find_child(struct mnp_service *service, EFI_HANDLE handle)
{
    MNP_FOR_EACH_CHILD (child, service) {
        if (child->handle == handle)
            return child;
    }
    return NULL;
}

/* A handle of a child, or of a VLAN, is recorded as a child of the handle above it. */
static EFI_STATUS open_by_child(struct mnp *mnp, EFI_HANDLE parent, EFI_GUID *guid,
                                EFI_HANDLE child)
{
    void *unused;

    return BS->OpenProtocol(parent, guid, &unused, mnp->agent, child,
                            EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER);
}

static void close_by_child(struct mnp *mnp, EFI_HANDLE parent, EFI_GUID *guid, EFI_HANDLE child)
{
    (void)BS->CloseProtocol(parent, guid, mnp->agent, child); /* fails only if it was not open */
}

/* The timer walks these lists. */
static void append(struct list *list, struct list *element)
{
    HOLD_TPL_CALLBACK();
    list_append(list, element);
}

static EFI_STATUS EFIAPI create_child(EFI_SERVICE_BINDING *this, EFI_HANDLE *handle)
{
    struct mnp_service *service;
    struct mnp_child *child;
    EFI_HANDLE before;
    EFI_STATUS status;

    if (!this || !handle)
        return EFI_INVALID_PARAMETER;
    before = *handle;
    service = container_of(this, struct mnp_service, binding);
    if (service->is_going)
        return EFI_ACCESS_DENIED; /* a client that is stopped and comes back would never end */
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*child), (void **)&child);
    if (EFI_ERROR(status))
        return status;
    mnp_child_init(child, service);
    status = BS->InstallMultipleProtocolInterfaces(handle, &managed_network_guid, &child->protocol,
                                                   NULL);
    if (EFI_ERROR(status))
        goto fail;
    child->handle = *handle;
    status = open_by_child(service->mnp, service->handle, &managed_network_service_binding_guid,
                           *handle);
    if (EFI_ERROR(status)) {
        (void)BS->UninstallMultipleProtocolInterfaces(*handle, &managed_network_guid,
                                                      &child->protocol, NULL); /* nobody has it */
        goto fail;
    }
    append(&service->children, &child->link);
    return EFI_SUCCESS;

fail:
    *handle = before;
    (void)BS->FreePool(child); /* ours: cannot fail */
    return status;
}

/* Uninstalling the protocol stops the driver that has it open, which destroys the child in turn:
 * that inner call finds is_going, and leaves the work to the outer one. The child goes onto the
 * list `dead`, where nobody else finds it. */
static EFI_STATUS destroy_child(struct mnp_child *child, struct list *dead)
{
    struct mnp_service *service = child->service;
    EFI_HANDLE handle = child->handle;
    EFI_STATUS status;

    if (child->is_going)
        return EFI_SUCCESS;
    child->is_going = true;
    close_by_child(service->mnp, service->handle, &managed_network_service_binding_guid, handle);
    status = BS->UninstallMultipleProtocolInterfaces(handle, &managed_network_guid,
                                                     &child->protocol, NULL);
    if (EFI_ERROR(status)) {
        child->is_going = false;
        (void)open_by_child(service->mnp, service->handle, &managed_network_service_binding_guid,
                            handle); /* was open until now */
        return status;
    }

    HOLD_TPL_CALLBACK();
    mnp_child_flush(child);
    mnp_child_unconfigure(child);
    list_remove(&child->link);
    list_append(dead, &child->link);
    return EFI_SUCCESS;
}

void mnp_bury(struct list *dead)
{
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *aborted[MNP_ABORTED_MAX];
    struct list *link;

    HOLD_TPL_CALLBACK();
    while ((link = list_pop(dead))) {
        struct mnp_child *child = mnp_child_of_link(link);
        unsigned count = mnp_child_take_tokens(child, NULL, aborted);

        (void)BS->FreePool(child); /* ours: cannot fail */
        mnp_abort(aborted, count);
    }
}

static EFI_STATUS EFIAPI service_destroy_child(EFI_SERVICE_BINDING *this, EFI_HANDLE handle)
{
    struct mnp_child *child;
    struct list dead;
    EFI_STATUS status;

    if (!this || !handle)
        return EFI_INVALID_PARAMETER;
    child = find_child(container_of(this, struct mnp_service, binding), handle);
    if (!child)
        return EFI_UNSUPPORTED;
    list_init(&dead);
    status = destroy_child(child, &dead);
    mnp_bury(&dead);
    return status;
}

/* Each destruction may take others with it, so the list is looked at anew. */
static EFI_STATUS destroy_children(struct mnp_service *service, struct list *dead)
{
    while (!list_is_empty(&service->children)) {
        struct mnp_child *child = mnp_child_of_link(service->children.next);
        EFI_STATUS status;

        if (child->is_going)
            return EFI_ACCESS_DENIED; /* an outer call is at it: let that one finish first */
        status = destroy_child(child, dead);
        if (EFI_ERROR(status))
            return status;
    }
    return EFI_SUCCESS;
}

/* The VLAN's own handle, with its device path. */
static EFI_STATUS create_handle(struct mnp *mnp, struct mnp_service *service)
{
    EFI_STATUS status;

    service->device_path = mnp_vlan_path(mnp, service->vlan);
    if (!service->device_path)
        return EFI_OUT_OF_RESOURCES;
    status = BS->InstallMultipleProtocolInterfaces(&service->handle, &device_path_guid,
                                                   service->device_path, NULL);
    if (EFI_ERROR(status))
        return status;
    status = open_by_child(mnp, mnp->controller, &vlan_config_guid, service->handle);
    if (EFI_ERROR(status))
        (void)BS->UninstallMultipleProtocolInterfaces(
            service->handle, &device_path_guid, service->device_path, NULL); /* nobody has it */
    return status;
}

/* The service binding is gone. Error: somebody has the device path. */
static EFI_STATUS destroy_handle(struct mnp *mnp, struct mnp_service *service)
{
    EFI_STATUS status;

    close_by_child(mnp, mnp->controller, &vlan_config_guid, service->handle);
    status = BS->UninstallMultipleProtocolInterfaces(service->handle, &device_path_guid,
                                                     service->device_path, NULL);
    if (EFI_ERROR(status))
        (void)open_by_child(mnp, mnp->controller, &vlan_config_guid,
                            service->handle); /* was open until now */
    return status;
}

static void free_service(struct mnp_service *service)
{
    if (service->device_path)
        (void)BS->FreePool(service->device_path); /* ours: cannot fail */
    (void)BS->FreePool(service);                  /* likewise */
}

EFI_STATUS mnp_service_create(struct mnp *mnp, UINT16 vlan, UINT8 priority,
                              struct mnp_service **ret_service)
{
    struct mnp_service *service;
    EFI_STATUS status;

    status = BS->AllocatePool(EfiBootServicesData, sizeof(*service), (void **)&service);
    if (EFI_ERROR(status))
        return status;
    *service = (struct mnp_service){
        .binding = {create_child, service_destroy_child},
        .mnp = mnp,
        .handle = vlan ? NULL : mnp->controller,
        .vlan = vlan,
        .priority = priority,
    };
    list_init(&service->link);
    list_init(&service->children);
    if (vlan) {
        status = create_handle(mnp, service);
        if (EFI_ERROR(status))
            goto fail;
    }
    status = BS->InstallMultipleProtocolInterfaces(
        &service->handle, &managed_network_service_binding_guid, &service->binding, NULL);
    if (EFI_ERROR(status)) {
        if (vlan)
            (void)destroy_handle(mnp, service); /* nobody has it */
        goto fail;
    }
    append(&mnp->services, &service->link);
    *ret_service = service;
    return EFI_SUCCESS;

fail:
    free_service(service);
    return status;
}

/* Everything but the structure itself. */
static EFI_STATUS withdraw(struct mnp_service *service, struct list *dead)
{
    EFI_STATUS status;

    status = destroy_children(service, dead);
    if (EFI_ERROR(status))
        return status;
    status = BS->UninstallMultipleProtocolInterfaces(
        service->handle, &managed_network_service_binding_guid, &service->binding, NULL);
    if (EFI_ERROR(status) || !service->vlan)
        return status;
    status = destroy_handle(service->mnp, service);
    if (EFI_ERROR(status))
        (void)BS->InstallMultipleProtocolInterfaces(
            &service->handle, &managed_network_service_binding_guid, &service->binding,
            NULL); /* as before, or without it: nothing better can be done */
    return status;
}

EFI_STATUS mnp_service_destroy(struct mnp_service *service, struct list *dead)
{
    EFI_STATUS status;

    service->is_going = true;
    status = withdraw(service, dead);
    service->is_going = false;
    if (EFI_ERROR(status))
        return status;
    HOLD_TPL_CALLBACK();
    list_remove(&service->link);
    free_service(service);
    return EFI_SUCCESS;
}

bool mnp_begin_change(struct mnp *mnp)
{
    if (mnp->is_changing)
        return false;
    mnp->is_changing = true;
    return true;
}

/* A handle that has neither child nor service any more went with another one. */
static EFI_STATUS destroy_on(struct mnp *mnp, EFI_HANDLE handle, struct list *dead)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        struct mnp_child *child = find_child(service, handle);

        if (child)
            return destroy_child(child, dead);
        if (service->handle == handle && service->vlan)
            return mnp_service_destroy(service, dead);
    }
    return EFI_SUCCESS;
}

EFI_STATUS mnp_destroy_children(struct mnp *mnp, UINTN count, const EFI_HANDLE *handles)
{
    const CHAR16 *unused;
    EFI_STATUS status = EFI_SUCCESS;
    struct list dead;

    if (!mnp_begin_change(mnp))
        return EFI_ACCESS_DENIED;
    list_init(&dead);
    for (UINTN i = 0; i < count && !EFI_ERROR(status); i++)
        status = destroy_on(mnp, handles[i], &dead);
    if (EFI_ERROR(status))
        (void)mnp_vlan_create_services(mnp, &unused); /* those that are gone already */
    mnp->is_changing = false;
    mnp_bury(&dead);
    return status;
}

static EFI_STATUS uninstall(struct mnp *mnp, struct list *dead)
{
    EFI_STATUS status;

    while (!list_is_empty(&mnp->services)) {
        status = mnp_service_destroy(mnp_service_of_link(mnp->services.next), dead);
        if (EFI_ERROR(status))
            return status;
    }
    if (!mnp->has_vlan_config)
        return EFI_SUCCESS;
    return BS->UninstallMultipleProtocolInterfaces(mnp->controller, &vlan_config_guid,
                                                   &mnp->vlan_config, NULL);
}

EFI_STATUS mnp_destroy(struct mnp *mnp, struct list *dead)
{
    const CHAR16 *unused;
    EFI_STATUS status;

    list_init(dead);
    if (!mnp_begin_change(mnp))
        return EFI_ACCESS_DENIED;
    status = uninstall(mnp, dead);
    if (EFI_ERROR(status)) {
        (void)mnp_vlan_create_services(mnp, &unused); /* those that are gone already */
        mnp->is_changing = false;
        return status;
    }

    HOLD_TPL_CALLBACK();
    if (mnp->timer)
        (void)BS->CloseEvent(mnp->timer); /* ours: cannot fail */
    if (mnp->store)
        mnp_store_destroy(mnp->store);
    if (mnp->gone)
        *mnp->gone = true;
    (void)BS->FreePool(mnp); /* ours: cannot fail */
    return EFI_SUCCESS;
}

static EFI_STATUS install(struct mnp *mnp, const CHAR16 **ret_cause)
{
    EFI_STATUS status;

    *ret_cause = L"no memory for packets";
    status = mnp_store_create(&mnp->store);
    if (EFI_ERROR(status))
        return status;
    *ret_cause = L"an event could not be created";
    status = BS->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, mnp_on_timer, mnp,
                             &mnp->timer);
    if (EFI_ERROR(status))
        return status;
    *ret_cause = L"the firmware refuses the VLAN protocol";
    mnp_vlan_init(mnp);
    status = BS->InstallMultipleProtocolInterfaces(&mnp->controller, &vlan_config_guid,
                                                   &mnp->vlan_config, NULL);
    if (EFI_ERROR(status))
        return status;
    mnp->has_vlan_config = true;
    return mnp_vlan_create_services(mnp, ret_cause);
}

EFI_STATUS mnp_create(struct snp *snp, EFI_HANDLE agent, EFI_HANDLE controller,
                      EFI_DEVICE_PATH *path, mnp_complaint *complain, void *context,
                      struct mnp **ret_mnp, const CHAR16 **ret_cause)
{
    struct list dead; /* stays empty */
    struct mnp *mnp;
    EFI_STATUS status;

    *ret_cause = L"no memory";
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*mnp), (void **)&mnp);
    if (EFI_ERROR(status))
        return status;
    BS->SetMem(mnp, sizeof(*mnp), 0);
    mnp->snp = snp;
    mnp->agent = agent;
    mnp->controller = controller;
    mnp->path = path;
    mnp->complain = complain;
    mnp->context = context;
    list_init(&mnp->services);
    tcp_join_init(&mnp->join, snp->net.station_mac, mnp_deliver_frame, mnp);
    if (EFI_ERROR(BS->LocateProtocol(&dpc_guid, NULL, (void **)&dpc)))
        dpc = NULL;

    status = install(mnp, ret_cause);
    if (EFI_ERROR(status)) {
        (void)mnp_destroy(mnp, &dead); /* nobody has seen it yet, so nobody holds it */
        return status;
    }
    *ret_mnp = mnp;
    return EFI_SUCCESS;
}

const struct tcp_join_counters *mnp_joined(const struct mnp *mnp)
{
    return &mnp->join.counters;
}

bool mnp_has_child(struct mnp *mnp, EFI_HANDLE handle)
{
    MNP_FOR_EACH_SERVICE (service, mnp) {
        if (find_child(service, handle) || (service->vlan && service->handle == handle))
            return true;
    }
    return false;
}
