/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Numbered frames that a child sends, and what the device has of them.
 */
#ifndef MNP_TRANSMIT_H
#define MNP_TRANSMIT_H

#include "mnp_fixture.h"

static inline const struct fake_frame *sent_frame(const struct mnp_fixture *fixture)
{
    const struct fake_frame *sent = fake_device_take_frame(fixture->device);

    assert_non_null(sent);
    return sent;
}

static inline void assert_sent(const struct mnp_fixture *fixture, uint32_t seed)
{
    const struct fake_frame *sent = sent_frame(fixture);
    uint8_t expected[FRAME_MIN];

    frame_write(expected, sizeof(expected), other_mac, IPV4, seed);
    assert_int_equal(sizeof(expected), sent->length);
    assert_memory_equal(expected, sent->data, sizeof(expected));
}

/* A frame of the shortest length with number `seed`, out of memory that is overwritten at once. */
static inline EFI_STATUS send(const struct mnp_child *child, struct mnp_token *token, uint32_t seed)
{
    static uint8_t frames[2 * RING_FRAMES][FRAME_MIN];
    uint8_t *frame = frames[seed % (2 * RING_FRAMES)];
    EFI_STATUS status;

    frame_write(frame, FRAME_MIN, other_mac, IPV4, seed);
    token_for_frame(token, frame, FRAME_MIN);
    status = transmit(child, token);
    if (token->signals > 0)
        memset(frame, 0xee, FRAME_MIN);
    return status;
}

#endif
