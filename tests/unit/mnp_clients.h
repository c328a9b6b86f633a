/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Clients of the service that are attached, what they hold, and what that costs.
 */
#ifndef MNP_CLIENTS_H
#define MNP_CLIENTS_H

#include "mnp_fixture.h"

#define STORE_BYTES (8u << 20)
#define WINDOW_BYTES (2u << 20) /* edk2's TCP: what a reader may leave with us */

static inline struct fake_mnp_client *client_new(const struct mnp_fixture *fixture,
                                                 unsigned ethertype)
{
    struct fake_mnp_client *client =
        fake_mnp_client_new(fixture->firmware, fixture->dpc, (UINT16)ethertype);

    assert_success(fake_mnp_client_attach(client, fixture->nic));
    return client;
}

static inline EFI_STATUS poll_client(const struct fake_mnp_client *client)
{
    return client->mnp->Poll(client->mnp);
}

static inline void deliver_long(const struct mnp_fixture *fixture, uint32_t seed)
{
    assert_true(try_deliver(fixture, fake_device_mac(fixture->device), IPV4, FRAME_MAX, seed));
}

static inline unsigned calls(struct fake_firmware *firmware)
{
    return fake_firmware_call_count(firmware);
}

static inline void count_calls(struct fake_firmware *firmware)
{
    fake_firmware_fail_nth(firmware, 0);
}

/* Let the client hold as many frames as there is memory for. Returns how many it has got. */
static inline unsigned hold_all(const struct mnp_fixture *fixture, struct fake_mnp_client *client,
                                uint32_t *sent)
{
    unsigned held;

    do {
        held = client->held_count;
        while (*sent < 2 * STORE_BYTES / FRAME_MAX &&
               try_deliver(fixture, fake_device_mac(fixture->device), IPV4, FRAME_MAX, *sent))
            ++*sent;
        (void)poll_client(client);
    } while (client->held_count > held);
    return held;
}

#endif
