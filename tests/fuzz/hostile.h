/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A device of the fuzzer's: one act at a time, chosen by the input. An act either is
 * what a device may do, or writes anywhere into the memory that the device can reach,
 * or makes registers lie; the model's referee is silent then until the next reset.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "fuzz.h"
#include "virtio_net_internal.h"
#include "wire.h"

struct hostile {
    struct fuzz_input *input;
    struct fake_device *device;
    struct wire *wire;
    unsigned ambush;  /* moments until the next act within a call; 0: none */
    bool is_unjudged; /* an access may fail, or the driver connected to lies: no referee */
    bool is_connecting;
    bool has_tainted;     /* by the last act */
    bool has_gone_back;   /* maybe, a used index; or far ahead. Said of IN_ORDER alone */
    unsigned truths;      /* readings until the lies begin */
    unsigned lies;        /* readings that are replaced then */
    uint8_t lie_value[4]; /* by this */
};

/* Acts from here on also within the driver's calls, where hostile_arm asks for it. */
void hostile_init(struct hostile *hostile, struct fuzz_input *input, struct fake_device *device,
                  struct wire *wire);

void hostile_act(struct hostile *hostile);

/* Take from the input after how many moments an act is due in the calls to come. Each act
 * within a call says when the next is. */
void hostile_arm(struct hostile *hostile);

/* Around a connect. A device that lies within it is good again only for the next. */
void hostile_connecting(struct hostile *hostile, bool is_connecting);

/* From the next reset on the device does as the specification says. */
void hostile_become_good(struct hostile *hostile);

#endif
