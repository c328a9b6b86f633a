/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The whole driver, loaded as the firmware loads it and connected to fake NICs, and clients of the
 * Managed Network service that it offers there. The service is seen through UEFI's interfaces
 * alone.
 */
#ifndef MNP_FIXTURE_H
#define MNP_FIXTURE_H

#include <efi.h>
#include <efinet.h>
#include <efiprot.h>

#include "assert_status.h"
#include "fake_dpc.h"
#include "fake_mnp_client.h"
#include "fixture.h"
#include "uefi_ext/managed_network.h"
#include "uefi_ext/vlan_config.h"

#define MNP_TEST(test) cmocka_unit_test_setup_teardown(test, mnp_setup, mnp_teardown)
#define MNP_TEST_DPC(test) cmocka_unit_test_setup_teardown(test, mnp_setup_dpc, mnp_teardown)

#define HEADER_BYTES 14u
#define FRAME_MIN 60u
#define FRAME_MAX 1514u
#define FRAME_SPACE 65600u
#define IPV4 0x0800u
#define ARP 0x0806u
#define IPV6 0x86ddu
#define RING_FRAMES 256u /* what the fake device's rings hold */
#define QUEUE_FRAMES 256u
#define POLL_US 10000u

static EFI_GUID mnp_guid = EFI_MANAGED_NETWORK_PROTOCOL_GUID;
static EFI_GUID mnp_service_guid = EFI_MANAGED_NETWORK_SERVICE_BINDING_PROTOCOL_GUID;
static EFI_GUID vlan_config_guid = EFI_VLAN_CONFIG_PROTOCOL_GUID;

static const uint8_t peer_mac[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
static const uint8_t other_mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
static const uint8_t group_mac[6] = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* For children that poll themselves and want all that can be wanted but everything. */
static const EFI_MANAGED_NETWORK_CONFIG_DATA plain_config = {
    .EnableUnicastReceive = TRUE,
    .EnableMulticastReceive = TRUE,
    .EnableBroadcastReceive = TRUE,
    .FlushQueuesOnReset = TRUE,
    .DisableBackgroundPolling = TRUE,
};

struct mnp_fixture {
    struct fake_fixture fake;
    struct fake_firmware *firmware;
    struct fake_device *device; /* the first */
    struct fake_dpc *dpc;       /* NULL: none */
    EFI_HANDLE image;
    EFI_HANDLE nic; /* the first: our child with SNP */
    EFI_SIMPLE_NETWORK_PROTOCOL *snp;
};

struct mnp_child {
    EFI_HANDLE handle;
    EFI_MANAGED_NETWORK_PROTOCOL *mnp;
};

struct mnp_token {
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN token;
    unsigned signals;
    unsigned order;                            /* of the last signal, among all tokens */
    EFI_MANAGED_NETWORK_TRANSMIT_DATA tx_data; /* with one fragment */
};

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

static inline EFI_HANDLE nic_at(const struct mnp_fixture *fixture, unsigned index)
{
    return fake_firmware_find_handle(fixture->firmware, &gEfiSimpleNetworkProtocolGuid, index);
}

/* NULL: there is none. */
static inline EFI_SERVICE_BINDING *services_of(const struct mnp_fixture *fixture, EFI_HANDLE handle)
{
    return fake_firmware_interface(fixture->firmware, handle, &mnp_service_guid);
}

static inline EFI_SERVICE_BINDING *services(const struct mnp_fixture *fixture)
{
    return services_of(fixture, fixture->nic);
}

static inline EFI_VLAN_CONFIG_PROTOCOL *vlan_config(const struct mnp_fixture *fixture)
{
    return fake_firmware_interface(fixture->firmware, fixture->nic, &vlan_config_guid);
}

/* The driver binding of the service: of our image, and not on its handle. */
static inline EFI_DRIVER_BINDING_PROTOCOL *service_driver(const struct mnp_fixture *fixture)
{
    EFI_HANDLE handle;

    for (unsigned i = 0;
         (handle = fake_firmware_find_handle(fixture->firmware, &gEfiDriverBindingProtocolGuid, i));
         i++) {
        EFI_DRIVER_BINDING_PROTOCOL *binding =
            fake_firmware_interface(fixture->firmware, handle, &gEfiDriverBindingProtocolGuid);

        if (handle != fixture->image && binding->ImageHandle == fixture->image)
            return binding;
    }
    fail_msg("there is no driver binding for the service");
    return NULL;
}

/* The driver is loaded, and its NICs are not connected yet. */
static inline struct mnp_fixture *
mnp_fixture_load(unsigned device_count, const struct fake_device_options *options, bool has_dpc)
{
    struct mnp_fixture *fixture = calloc(1, sizeof(*fixture));

    fake_fixture_init(&fixture->fake, device_count, options);
    fixture->firmware = fixture->fake.firmware;
    fixture->device = fixture->fake.device;
    fixture->dpc = has_dpc ? fake_dpc_new(fixture->firmware, NULL) : NULL;
    fixture->image = fake_firmware_load_image(fixture->firmware, NULL);
    assert_success(efi_main(fixture->image, ST));
    return fixture;
}

static inline void connect_all(struct mnp_fixture *fixture)
{
    for (unsigned i = 0; i < fixture->fake.device_count; i++)
        (void)fake_firmware_connect(fixture->firmware,
                                    fake_device_handle(fixture->fake.devices[i]));
    fixture->nic = nic_at(fixture, 0);
    fixture->snp =
        fake_firmware_interface(fixture->firmware, fixture->nic, &gEfiSimpleNetworkProtocolGuid);
}

static inline struct mnp_fixture *
mnp_fixture_new(unsigned device_count, const struct fake_device_options *options, bool has_dpc)
{
    struct mnp_fixture *fixture = mnp_fixture_load(device_count, options, has_dpc);

    connect_all(fixture);
    assert_non_null(services(fixture));
    return fixture;
}

static inline EFI_STATUS unload(const struct mnp_fixture *fixture)
{
    return fake_firmware_loaded_image(fixture->firmware, fixture->image)->Unload(fixture->image);
}

/* For a driver that is unloaded. */
static inline void mnp_fixture_end(struct mnp_fixture *fixture)
{
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture);
}

static inline void mnp_fixture_free(struct mnp_fixture *fixture)
{
    assert_success(unload(fixture));
    mnp_fixture_end(fixture);
}

static inline int mnp_setup(void **state)
{
    *state = mnp_fixture_new(1, NULL, false);
    return 0;
}

static inline int mnp_setup_dpc(void **state)
{
    *state = mnp_fixture_new(1, NULL, true);
    return 0;
}

static inline int mnp_teardown(void **state)
{
    mnp_fixture_free(*state);
    return 0;
}

/* A child of the service on `handle`, not configured. */
static inline struct mnp_child child_on(const struct mnp_fixture *fixture, EFI_HANDLE handle)
{
    EFI_SERVICE_BINDING *binding = services_of(fixture, handle);
    struct mnp_child child = {0};

    assert_non_null(binding);
    assert_success(binding->CreateChild(binding, &child.handle));
    child.mnp = fake_firmware_interface(fixture->firmware, child.handle, &mnp_guid);
    assert_non_null(child.mnp);
    return child;
}

static inline struct mnp_child child_new(const struct mnp_fixture *fixture)
{
    return child_on(fixture, fixture->nic);
}

static inline EFI_STATUS configure(const struct mnp_child *child,
                                   const EFI_MANAGED_NETWORK_CONFIG_DATA *config)
{
    EFI_MANAGED_NETWORK_CONFIG_DATA copy;

    if (!config)
        return child->mnp->Configure(child->mnp, NULL);
    copy = *config;
    return child->mnp->Configure(child->mnp, &copy);
}

/* Configured for an Ethertype; 0: all. */
static inline struct mnp_child child_for(const struct mnp_fixture *fixture, unsigned ethertype)
{
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_CONFIG_DATA config = plain_config;

    config.ProtocolTypeFilter = (UINT16)ethertype;
    assert_success(configure(&child, &config));
    return child;
}

static inline void child_destroy_on(const struct mnp_fixture *fixture, EFI_HANDLE handle,
                                    const struct mnp_child *child)
{
    EFI_SERVICE_BINDING *binding = services_of(fixture, handle);

    assert_non_null(binding);
    assert_success(binding->DestroyChild(binding, child->handle));
}

static inline void child_destroy(const struct mnp_fixture *fixture, const struct mnp_child *child)
{
    child_destroy_on(fixture, fixture->nic, child);
}

static inline EFI_STATUS poll(const struct mnp_child *child)
{
    return child->mnp->Poll(child->mnp);
}

static inline EFI_STATUS state_of(const struct mnp_child *child)
{
    return child->mnp->GetModeData(child->mnp, NULL, NULL);
}

static inline VOID EFIAPI count_signal(EFI_EVENT event, VOID *context)
{
    static unsigned signals;
    struct mnp_token *token = context;

    (void)event;
    token->signals++;
    token->order = ++signals;
}

static inline void token_init(struct mnp_token *token)
{
    *token = (struct mnp_token){.token.Status = EFI_PROTOCOL_ERROR};
    assert_success(
        BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, count_signal, token, &token->token.Event));
}

static inline void token_fini(struct mnp_token *token)
{
    assert_success(BS->CloseEvent(token->token.Event));
}

static inline EFI_STATUS receive(const struct mnp_child *child, struct mnp_token *token)
{
    return child->mnp->Receive(child->mnp, &token->token);
}

static inline EFI_STATUS cancel(const struct mnp_child *child, struct mnp_token *token)
{
    return child->mnp->Cancel(child->mnp, token ? &token->token : NULL);
}

static inline void recycle(struct mnp_token *token)
{
    EFI_EVENT event = token->token.Packet.RxData->RecycleEvent;

    token->token.Packet.RxData = NULL;
    assert_success(BS->SignalEvent(event));
}

/* `length` bytes of a frame, of which everything after the header follows from `seed`. */
static inline void frame_write(uint8_t *frame, size_t length, const uint8_t *destination,
                               unsigned ethertype, uint32_t seed)
{
    memcpy(frame, destination, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[12] = (uint8_t)(ethertype >> 8);
    frame[13] = (uint8_t)ethertype;
    for (size_t i = HEADER_BYTES; i < length; i++)
        frame[i] = (uint8_t)((seed >> (8 * (i % 4))) ^ (i / 4));
}

static inline bool try_deliver(const struct mnp_fixture *fixture, const uint8_t *destination,
                               unsigned ethertype, size_t length, uint32_t seed)
{
    uint8_t frame[FRAME_SPACE];

    frame_write(frame, length, destination, ethertype, seed);
    return fake_device_deliver(fixture->device, frame, length);
}

/* A frame of 100 bytes to us. */
static inline void deliver(const struct mnp_fixture *fixture, unsigned ethertype, uint32_t seed)
{
    assert_true(try_deliver(fixture, fake_device_mac(fixture->device), ethertype, 100, seed));
}

static inline void deliver_to(const struct mnp_fixture *fixture, const uint8_t *destination,
                              unsigned ethertype, uint32_t seed)
{
    assert_true(try_deliver(fixture, destination, ethertype, 100, seed));
}

/* The token has this frame, once. */
static inline void assert_frame(const struct mnp_token *token, const uint8_t *destination,
                                unsigned ethertype, size_t length, uint32_t seed)
{
    const EFI_MANAGED_NETWORK_RECEIVE_DATA *rx_data = token->token.Packet.RxData;
    uint8_t frame[FRAME_SPACE];

    assert_int_equal(1, token->signals);
    assert_success(token->token.Status);
    assert_non_null(rx_data);
    frame_write(frame, length, destination, ethertype, seed);
    assert_int_equal(length, rx_data->PacketLength);
    assert_int_equal(HEADER_BYTES, rx_data->HeaderLength);
    assert_int_equal(6, rx_data->AddressLength);
    assert_int_equal(length - HEADER_BYTES, rx_data->DataLength);
    assert_int_equal(ethertype, rx_data->ProtocolType);
    assert_memory_equal(frame, rx_data->MediaHeader, HEADER_BYTES);
    assert_memory_equal(frame, rx_data->DestinationAddress, 6);
    assert_memory_equal(frame + 6, rx_data->SourceAddress, 6);
    assert_memory_equal(frame + HEADER_BYTES, rx_data->PacketData, length - HEADER_BYTES);
    assert_int_equal(0, (uintptr_t)rx_data->PacketData % 4);
}

/* The child, which has no token outstanding, gets this frame now: a frame of deliver(). */
static inline void assert_gets(const struct mnp_fixture *fixture, const struct mnp_child *child,
                               const uint8_t *destination, unsigned ethertype, uint32_t seed)
{
    struct mnp_token token;

    (void)fixture;
    token_init(&token);
    assert_success(receive(child, &token));
    if (token.signals == 0)
        (void)poll(child);
    assert_frame(&token, destination, ethertype, 100, seed);
    recycle(&token);
    token_fini(&token);
}

/* The child, which has no token outstanding, has no frame. */
static inline void assert_gets_nothing(const struct mnp_child *child)
{
    struct mnp_token token;

    token_init(&token);
    assert_success(receive(child, &token));
    (void)poll(child);
    assert_int_equal(0, token.signals);
    assert_success(cancel(child, &token));
    token_fini(&token);
}

/* A transmit token for a whole frame of `length` bytes in `frame`. */
static inline void token_for_frame(struct mnp_token *token, void *frame, size_t length)
{
    token->tx_data = (EFI_MANAGED_NETWORK_TRANSMIT_DATA){
        .HeaderLength = HEADER_BYTES,
        .DataLength = (UINT32)(length - HEADER_BYTES),
        .FragmentCount = 1,
        .FragmentTable = {{(UINT32)length, frame}},
    };
    token->token.Packet.TxData = &token->tx_data;
}

static inline EFI_STATUS transmit(const struct mnp_child *child, struct mnp_token *token)
{
    return child->mnp->Transmit(child->mnp, &token->token);
}

/* A frame each way through a child that is configured for everything. */
static inline void assert_traffic_flows(const struct mnp_fixture *fixture,
                                        const struct mnp_child *child)
{
    const struct fake_frame *sent;
    struct mnp_token token;
    uint8_t frame[100];

    token_init(&token);
    frame_write(frame, sizeof(frame), peer_mac, IPV4, 77);
    token_for_frame(&token, frame, sizeof(frame));
    assert_success(transmit(child, &token));
    (void)poll(child);
    assert_int_equal(1, token.signals);
    assert_success(token.token.Status);
    sent = fake_device_take_frame(fixture->device);
    assert_non_null(sent);
    assert_int_equal(sizeof(frame), sent->length);
    assert_memory_equal(frame, sent->data, sizeof(frame));
    token_fini(&token);

    deliver(fixture, IPV4, 78);
    assert_gets(fixture, child, fake_device_mac(fixture->device), IPV4, 78);
}

#endif
