/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One interface over one fake device, brought to a state, for the tests of snp.c:
 *
 *     struct snp_fixture *fixture = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
 *     ...
 *     snp_fixture_free(fixture);
 *
 * or through SNP_TEST(test), with *state the fixture. The end of a test checks that nothing leaked.
 */
#ifndef SNP_FIXTURE_H
#define SNP_FIXTURE_H

#include "assert_status.h"
#include "fixture.h"
#include "snp/snp.h"

#define SNP_TEST(test) cmocka_unit_test_setup_teardown(test, snp_setup, snp_teardown)

#define FRAME_HEADER_BYTES 14u
#define FRAME_MIN_BYTES 60u
#define FRAME_MAX_BYTES 1514u
#define FRAME_SPACE_BYTES 65600u

#define PROTOCOL_IPV4 0x0800u

#define RX VIRTIO_NET_QUEUE_RX
#define TX VIRTIO_NET_QUEUE_TX

static const uint8_t peer_mac[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct snp_fixture {
    struct fake_fixture fake;
    struct fake_firmware *firmware;
    struct fake_device *device;
    struct snp *snp;
    EFI_SIMPLE_NETWORK_PROTOCOL *protocol;
    EFI_SIMPLE_NETWORK_MODE *mode;
};

static inline EFI_STATUS snp_initialize(const struct snp_fixture *fixture)
{
    return fixture->protocol->Initialize(fixture->protocol, 0, 0);
}

static inline EFI_STATUS snp_reset(const struct snp_fixture *fixture)
{
    return fixture->protocol->Reset(fixture->protocol, FALSE);
}

static inline EFI_STATUS snp_shutdown(const struct snp_fixture *fixture)
{
    return fixture->protocol->Shutdown(fixture->protocol);
}

static inline struct snp_fixture *snp_fixture_new(const struct fake_device_options *options,
                                                  EFI_SIMPLE_NETWORK_STATE state)
{
    struct snp_fixture *fixture = calloc(1, sizeof(*fixture));
    const CHAR16 *cause = NULL;

    fake_fixture_init(&fixture->fake, 1, options);
    fixture->firmware = fixture->fake.firmware;
    fixture->device = fixture->fake.device;
    fixture->snp = malloc(sizeof(*fixture->snp));
    memset(fixture->snp, 0xa5, sizeof(*fixture->snp)); /* it must not count on zeros */
    fixture->protocol = &fixture->snp->protocol;
    assert_success(snp_init(fixture->snp, &fake_device_pci(fixture->device)->protocol, &cause));
    fixture->mode = fixture->protocol->Mode;
    if (state != EfiSimpleNetworkStopped)
        assert_success(fixture->protocol->Start(fixture->protocol));
    if (state == EfiSimpleNetworkInitialized)
        assert_success(snp_initialize(fixture));
    return fixture;
}

static inline void snp_fixture_free(struct snp_fixture *fixture)
{
    snp_fini(fixture->snp);
    fake_firmware_assert_nothing_leaked(fixture->firmware);
    fake_fixture_fini(&fixture->fake);
    free(fixture->snp);
    free(fixture);
}

static inline int snp_setup(void **state)
{
    *state = snp_fixture_new(NULL, EfiSimpleNetworkInitialized);
    return 0;
}

static inline int snp_teardown(void **state)
{
    snp_fixture_free(*state);
    return 0;
}

/* A whole Ethernet frame to `destination` whose payload follows from `seed`. */
static inline void frame_write(uint8_t *frame, size_t length_bytes, const uint8_t *destination,
                               uint32_t seed)
{
    const uint8_t ethertype[2] = {PROTOCOL_IPV4 >> 8, PROTOCOL_IPV4 & 0xff};

    memcpy(frame, destination, 6);
    memcpy(frame + 6, peer_mac, 6);
    memcpy(frame + 12, ethertype, 2);
    for (size_t i = FRAME_HEADER_BYTES; i < length_bytes; i++)
        frame[i] = (uint8_t)(seed >> (8 * (i % 4))) ^ (uint8_t)(i / 4);
}

/* The same, sent to the interface. */
static inline bool deliver(const struct snp_fixture *fixture, size_t length_bytes, uint32_t seed)
{
    uint8_t frame[FRAME_SPACE_BYTES];

    frame_write(frame, length_bytes, fake_device_mac(fixture->device), seed);
    return fake_device_deliver(fixture->device, frame, length_bytes);
}

static inline EFI_STATUS receive(const struct snp_fixture *fixture, uint8_t *buffer, UINTN *bytes)
{
    return fixture->protocol->Receive(fixture->protocol, NULL, bytes, buffer, NULL, NULL, NULL);
}

/* Receive a frame and forget it. */
static inline EFI_STATUS receive_any(const struct snp_fixture *fixture)
{
    uint8_t buffer[FRAME_SPACE_BYTES];
    UINTN bytes = sizeof(buffer);

    return receive(fixture, buffer, &bytes);
}

static inline void assert_receives(const struct snp_fixture *fixture, size_t length_bytes,
                                   uint32_t seed)
{
    uint8_t expected[FRAME_SPACE_BYTES];
    uint8_t buffer[FRAME_SPACE_BYTES];
    UINTN bytes = sizeof(buffer);

    frame_write(expected, length_bytes, fake_device_mac(fixture->device), seed);
    assert_success(receive(fixture, buffer, &bytes));
    assert_int_equal(length_bytes, bytes);
    assert_memory_equal(expected, buffer, length_bytes);
}

/* Send a frame that is complete. */
static inline EFI_STATUS transmit(const struct snp_fixture *fixture, void *frame,
                                  size_t length_bytes)
{
    return fixture->protocol->Transmit(fixture->protocol, 0, length_bytes, frame, NULL, NULL, NULL);
}

/* Send frame number `seed` of the shortest length out of a buffer of no importance. */
static inline EFI_STATUS transmit_any(const struct snp_fixture *fixture, uint32_t seed)
{
    static uint8_t frame[FRAME_MIN_BYTES];

    frame_write(frame, sizeof(frame), peer_mac, seed);
    return transmit(fixture, frame, sizeof(frame));
}

static inline void assert_sent(const struct snp_fixture *fixture, size_t length_bytes,
                               uint32_t seed)
{
    const struct fake_frame *sent = fake_device_take_frame(fixture->device);
    uint8_t expected[FRAME_SPACE_BYTES];

    frame_write(expected, length_bytes, peer_mac, seed);
    assert_non_null(sent);
    assert_int_equal(length_bytes, sent->length);
    assert_memory_equal(expected, sent->data, length_bytes);
}

/* A frame each way. */
static inline void assert_traffic_flows(const struct snp_fixture *fixture)
{
    assert_success(transmit_any(fixture, 0x1234));
    assert_sent(fixture, FRAME_MIN_BYTES, 0x1234);
    assert_true(deliver(fixture, 100, 0x5678));
    assert_receives(fixture, 100, 0x5678);
}

/* The buffer that GetStatus gives back. */
static inline void *collect(const struct snp_fixture *fixture)
{
    void *buffer = &buffer; /* neither NULL nor a buffer that was sent */

    assert_success(fixture->protocol->GetStatus(fixture->protocol, NULL, &buffer));
    return buffer;
}

static inline UINT32 interrupts(const struct snp_fixture *fixture)
{
    UINT32 status = UINT32_MAX;

    assert_success(fixture->protocol->GetStatus(fixture->protocol, &status, NULL));
    return status;
}

/* Let the interval pass after which GetStatus asks the device again. */
static inline void pass_link_interval(const struct snp_fixture *fixture)
{
    fake_firmware_advance_us(fixture->firmware, 100000);
}

static inline unsigned count_mappings(const struct snp_fixture *fixture)
{
    return fake_pci_mapping_count(fake_device_pci(fixture->device));
}

static inline bool is_zero(const void *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (((const uint8_t *)memory)[i] != 0)
            return false;
    }
    return true;
}

#endif
