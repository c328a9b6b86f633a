/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the network has sent to a NIC, and whether a packet that a client of the Managed Network
 * service received is that: a frame as it came, or the data of consecutive TCP segments. It reads
 * frames on its own, and knows nothing of src/mnp.
 */
#ifndef STACK_FRAMES_H
#define STACK_FRAMES_H

#include "fuzz.h"
#include "virtio_net_device.h"

#define STACK_FRAMES_MAX 1024u
#define STACK_FRAME_SPACE 66000u /* for any frame */
#define STACK_CONNECTIONS 6u     /* odd ones are IPv6 */
#define STACK_TAGS 5u
#define STACK_FLOWS ((STACK_CONNECTIONS + 1) * STACK_TAGS)
#define STACK_NO_FLOW STACK_FLOWS /* no claim about the order */

/* The ids of tags, by their number. The first one means no tag, the second one a priority alone. */
static const uint16_t stack_tags[STACK_TAGS] = {0, 0, 5, 7, 4094};

struct stack_frame {
    uint8_t *bytes;
    size_t length;
    uint32_t at;      /* the caller's time */
    uint32_t gone_by; /* the caller's: when it was out of the ring */
    unsigned flow;
    bool is_tagged;
    bool is_segment; /* of a connection, undamaged */
    bool is_pushed;
    bool is_unfinished; /* a host may leave its checksum to the driver */
    uint16_t vlan;
    uint32_t sequence;
    size_t data_offset; /* without the tag */
    size_t data_length;
};

struct stack_frames {
    uint8_t station[6];
    unsigned count;
    struct stack_frame all[STACK_FRAMES_MAX];
    uint32_t next_sequence[STACK_CONNECTIONS];
};

/* A client of the service of a VLAN; 0: untagged. */
struct stack_reader {
    uint16_t vlan;
    unsigned next[STACK_FLOWS];
    bool has[STACK_FRAMES_MAX];
};

void stack_frames_free(struct stack_frames *frames);

/* Make a frame from the input. It counts only if the caller adds one to `count`. NULL: there are
 * too many. */
struct stack_frame *stack_frames_take_any(struct stack_frames *frames, struct fuzz_input *input);
struct stack_frame *stack_frames_take_plain(struct stack_frames *frames, struct fuzz_input *input);
struct stack_frame *stack_frames_take_segment(struct stack_frames *frames,
                                              struct fuzz_input *input);

/* The next one of a connection, untagged, with 1,448 bytes. */
struct stack_frame *stack_frames_next_segment(struct stack_frames *frames, unsigned connection);

/* True: it does not fit the MTU, and only a device with the features for it may hand it over. */
bool stack_frame_is_large(const struct stack_frame *frame);

/* As a host leaves a frame that is_unfinished: the field has the sum of the pseudo header alone.
 * `space` has room for the frame. */
struct fake_offload stack_frame_unfinish(const struct stack_frame *frame, uint8_t *space);

/* As the client of a VLAN sees it. NULL: it must not see it. `space` has room for the frame. */
const uint8_t *stack_frame_for(const struct stack_frame *frame, uint16_t vlan, uint8_t *space,
                               size_t *ret_length);

/* Claims that the packet is what was sent, after all that the reader has of the same flow, and that
 * `wants` is true of each frame in it. */
void stack_frames_claim(const struct stack_frames *frames, struct stack_reader *reader,
                        const uint8_t *packet, size_t length,
                        bool (*wants)(void *context, const struct stack_frame *frame),
                        void *context);

#endif
