/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A device that the fuzzer controls: one act at a time, selected by the input. An act is something
 * that a device may do, or writes anywhere in the memory that the device can reach, or makes
 * registers lie. After the latter two the model's referee is silent until the next reset.
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
    unsigned ambush;  /* moments until the next act during a call; 0: none */
    bool is_unjudged; /* an access may fail, or the driver connected during lies: no referee */
    bool is_connecting;
    bool has_tainted;     /* by the last act */
    bool has_gone_back;   /* a used index may have, or it is far ahead; set under IN_ORDER only */
    unsigned truths;      /* readings until the lies begin */
    unsigned lies;        /* readings that are then replaced */
    uint8_t lie_value[4]; /* by this */
};

/* From here on the device also acts during the driver's calls, if hostile_arm asks for it. */
void hostile_init(struct hostile *hostile, struct fuzz_input *input, struct fake_device *device,
                  struct wire *wire);

void hostile_act(struct hostile *hostile);

/* Read from the input after how many moments an act is due in the calls to come. Each act during a
 * call says when the next is due. */
void hostile_arm(struct hostile *hostile);

/* Around a connect. A device that lies during it behaves again only from the next one on. */
void hostile_connecting(struct hostile *hostile, bool is_connecting);

/* From the next reset on the device follows the specification. */
void hostile_become_good(struct hostile *hostile);

#endif
