/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A client of a Managed Network service.
 */
#include "fake_mnp_client.h"

#include "firmware_internal.h"

#include <string.h>

static EFI_GUID mnp_guid = EFI_MANAGED_NETWORK_PROTOCOL_GUID;
static EFI_GUID service_guid = EFI_MANAGED_NETWORK_SERVICE_BINDING_PROTOCOL_GUID;

static void record(struct fake_mnp_client *client, const EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data)
{
    size_t header = rx_data->HeaderLength;
    size_t length = header + rx_data->DataLength;
    struct fake_mnp_frame *frame = fake_owned_new(client->firmware, sizeof(*frame) + length);

    frame->rx_data = *rx_data;
    frame->length = length;
    memcpy(frame->bytes, rx_data->MediaHeader, header);
    memcpy(frame->bytes + header, rx_data->PacketData, rx_data->DataLength);
    if (client->last)
        client->last->next = frame;
    else
        client->first = frame;
    client->last = frame;
}

static void release(struct fake_mnp_client *client, EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data)
{
    if (!client->holds) {
        (void)BS->SignalEvent(rx_data->RecycleEvent);
        return;
    }
    if (client->held_count == FAKE_MNP_HELD_MAX)
        fake_report("the client holds too many frames");
    else
        client->held[client->held_count++] = rx_data;
}

/* The DPC, or the event itself. */
static VOID EFIAPI process(VOID *context)
{
    struct fake_mnp_client *client = context;
    EFI_STATUS status = client->token.Status;

    if (!client->is_armed || status == EFI_NOT_READY)
        return; /* detached meanwhile, and perhaps attached again */
    client->is_armed = false;
    if (++client->depth > client->depth_max)
        client->depth_max = client->depth;
    if (status == EFI_ABORTED) {
        client->aborted++;
        if (client->on_abort)
            client->on_abort(client, client->context);
    } else if (EFI_ERROR(status)) {
        fake_report("a Receive token ends with %#llx", (unsigned long long)status);
    } else {
        client->frames++;
        record(client, client->token.Packet.RxData);
        release(client, client->token.Packet.RxData);
        if (client->hook)
            client->hook(client, client->context);
        if (client->mnp && !client->stays_silent && !client->is_armed)
            (void)fake_mnp_client_arm(client);
    }
    client->depth--;
}

static VOID EFIAPI on_token(EFI_EVENT event, VOID *context)
{
    struct fake_mnp_client *client = context;

    (void)event;
    if (client->dpc)
        (void)client->dpc->protocol.QueueDpc(&client->dpc->protocol, TPL_CALLBACK, process, client);
    else
        process(client);
}

EFI_STATUS fake_mnp_client_arm(struct fake_mnp_client *client)
{
    client->is_armed = true;
    client->token.Status = EFI_NOT_READY;
    client->token.Packet.RxData = NULL;
    client->armed_status = client->mnp->Receive(client->mnp, &client->token);
    if (EFI_ERROR(client->armed_status))
        client->is_armed = false;
    return client->armed_status;
}

static EFI_SERVICE_BINDING *binding_of(const struct fake_mnp_client *client)
{
    return fake_firmware_interface(client->firmware, client->service, &service_guid);
}

/* A frame that came and was not looked at. */
static void forget_frame(struct fake_mnp_client *client)
{
    if (client->is_armed && client->token.Packet.RxData)
        (void)BS->SignalEvent(client->token.Packet.RxData->RecycleEvent);
    client->is_armed = false;
}

/* What was not made is left out. */
static EFI_STATUS let_go(struct fake_mnp_client *client)
{
    EFI_HANDLE agent = client->binding.DriverBindingHandle;
    EFI_SERVICE_BINDING *services;
    EFI_HANDLE child = client->child;
    EFI_STATUS status = EFI_SUCCESS;

    client->is_leaving = true;
    if (client->mnp)
        (void)client->mnp->Configure(client->mnp, NULL);
    services = binding_of(client);
    forget_frame(client);
    if (client->token.Event)
        (void)BS->CloseEvent(client->token.Event);
    if (client->mnp)
        (void)BS->CloseProtocol(child, &mnp_guid, agent, client->service);
    client->mnp = NULL;
    client->child = NULL;
    client->service = NULL;
    client->token = (EFI_MANAGED_NETWORK_COMPLETION_TOKEN){0};
    client->is_leaving = false;
    if (child && services)
        status = services->DestroyChild(services, child);
    return status;
}

static EFI_STATUS set_up(struct fake_mnp_client *client)
{
    EFI_SERVICE_BINDING *services = binding_of(client);
    EFI_MANAGED_NETWORK_PROTOCOL *mnp;
    EFI_STATUS status;

    status = services->CreateChild(services, &client->child);
    if (EFI_ERROR(status))
        return status;
    status = BS->OpenProtocol(client->child, &mnp_guid, (void **)&mnp,
                              client->binding.DriverBindingHandle, client->service,
                              EFI_OPEN_PROTOCOL_BY_DRIVER);
    if (EFI_ERROR(status))
        return status;
    client->mnp = mnp;
    status = BS->CreateEvent(EVT_NOTIFY_SIGNAL, client->dpc ? TPL_NOTIFY : TPL_CALLBACK, on_token,
                             client, &client->token.Event);
    if (EFI_ERROR(status))
        return status;
    status = mnp->Configure(mnp, &client->config);
    if (EFI_ERROR(status))
        return status;
    return client->stays_silent ? EFI_SUCCESS : fake_mnp_client_arm(client);
}

EFI_STATUS fake_mnp_client_attach(struct fake_mnp_client *client, EFI_HANDLE service)
{
    EFI_STATUS status;

    client->service = service;
    if (!binding_of(client)) {
        client->service = NULL;
        return EFI_UNSUPPORTED;
    }
    status = set_up(client);
    if (EFI_ERROR(status))
        (void)let_go(client);
    return status;
}

EFI_STATUS fake_mnp_client_detach(struct fake_mnp_client *client)
{
    return client->service && !client->is_leaving ? let_go(client) : EFI_NOT_STARTED;
}

static EFI_STATUS EFIAPI client_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                          EFI_DEVICE_PATH *remaining)
{
    struct fake_mnp_client *client = (struct fake_mnp_client *)this;

    (void)remaining;
    if (client->service == controller)
        return EFI_ALREADY_STARTED;
    if (client->service || client->is_retired)
        return EFI_UNSUPPORTED;
    return fake_firmware_interface(client->firmware, controller, &service_guid) ? EFI_SUCCESS
                                                                                : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI client_start(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                      EFI_DEVICE_PATH *remaining)
{
    struct fake_mnp_client *client = (struct fake_mnp_client *)this;
    EFI_STATUS status = fake_mnp_client_attach(client, controller);

    (void)remaining;
    if (!EFI_ERROR(status))
        client->starts++;
    return status;
}

/* As for edk2's drivers, `controller` is the handle of the child whose protocol goes away. */
static EFI_STATUS EFIAPI client_stop(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                     UINTN child_count, EFI_HANDLE *children)
{
    struct fake_mnp_client *client = (struct fake_mnp_client *)this;
    EFI_STATUS status;

    (void)child_count;
    (void)children;
    if (!client->service || client->is_leaving ||
        (controller != client->child && controller != client->service))
        return EFI_DEVICE_ERROR;
    status = fake_mnp_client_detach(client);
    if (!EFI_ERROR(status))
        client->stops++;
    return status;
}

struct fake_mnp_client *fake_mnp_client_new(struct fake_firmware *firmware, struct fake_dpc *dpc,
                                            UINT16 ethertype)
{
    struct fake_mnp_client *client = fake_owned_new(firmware, sizeof(*client));
    EFI_DRIVER_BINDING_PROTOCOL *binding = &client->binding;

    *client = (struct fake_mnp_client){
        .binding = {client_supported, client_start, client_stop, .Version = 0xa},
        .firmware = firmware,
        .dpc = dpc,
        .config = {.ProtocolTypeFilter = ethertype,
                   .EnableUnicastReceive = TRUE,
                   .EnableBroadcastReceive = TRUE,
                   .FlushQueuesOnReset = TRUE,
                   .DisableBackgroundPolling = TRUE},
        .held = fake_owned_new(firmware, FAKE_MNP_HELD_MAX * sizeof(void *)),
    };
    binding->DriverBindingHandle =
        fake_firmware_new_handle(firmware, &gEfiDriverBindingProtocolGuid, binding);
    binding->ImageHandle = binding->DriverBindingHandle;
    return client;
}

const struct fake_mnp_frame *fake_mnp_client_take(struct fake_mnp_client *client)
{
    const struct fake_mnp_frame *frame = client->first;

    if (!frame)
        return NULL;
    client->first = frame->next;
    if (!client->first)
        client->last = NULL;
    return frame;
}

void fake_mnp_client_recycle(struct fake_mnp_client *client, unsigned count)
{
    if (count > client->held_count)
        count = client->held_count;
    for (unsigned i = 0; i < count; i++)
        (void)BS->SignalEvent(client->held[i]->RecycleEvent);
    client->held_count -= count;
    memmove(client->held, client->held + count, client->held_count * sizeof(client->held[0]));
}
