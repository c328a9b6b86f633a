/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The memory of received frames, from the ring to the client and back. A packet is one pool
 * block with the frame, its EFI_MANAGED_NETWORK_RECEIVE_DATA and its RecycleEvent, all made once
 * and used again and again, so that in steady state a frame costs no allocation and no event.
 *
 *   mnp_packet_take     from the store
 *   mnp_packet_give     to a client, which signals RecycleEvent when it is done with it
 *   mnp_packet_put      back, of one that no client has
 *
 * Blocks come in sizes, each about twice the one before: what a client holds pins at most
 * about twice as much memory. A store holds at most MNP_STORE_BYTES_MAX.
 */
#ifndef MNP_PACKET_H
#define MNP_PACKET_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "uefi_ext/managed_network.h"

#define MNP_STORE_BYTES_MAX (8u << 20)
#define MNP_PACKET_SIZES 6u /* 2, 4, 8, 16, 32, 64 KiB and the headers */

struct mnp_child;
struct mnp_store;

struct mnp_packet {
    struct list link; /* in a child's queue, or in the store; at a client's, in neither */
    struct mnp_store *store;
    struct mnp_child *child; /* whose queue it is in, or about to be in */
    struct mnp_packet *returned_before;
    EFI_MANAGED_NETWORK_RECEIVE_DATA data;
    uint64_t number;     /* packets are numbered as they arrive */
    uint32_t expires_at; /* in the service's ticks */
    bool expires;
    bool is_given;
    uint8_t size;   /* index */
    uint8_t *frame; /* after this structure; what follows its Ethernet header is aligned */
};

/* An empty store in pool memory. Errors: EFI_OUT_OF_RESOURCES. */
EFI_STATUS mnp_store_create(struct mnp_store **ret_store) __attribute__((warn_unused_result));

/* Free the store. Packets that a client still has stay valid, and are freed one by one as the
 * client recycles them. The others are in the store. At any TPL up to TPL_CALLBACK. */
void mnp_store_destroy(struct mnp_store *store);

/* True while a client has a packet of a store that was destroyed: its RecycleEvent calls code of
 * this image. */
bool mnp_packets_are_held(void);

/* A packet with room for `frame_bytes`. NULL: no memory, or the store's limit is reached. */
struct mnp_packet *mnp_packet_take(struct mnp_store *store, size_t frame_bytes);

void mnp_packet_put(struct mnp_packet *packet);

/* From here on the client has it. It is in no list. */
EFI_MANAGED_NETWORK_RECEIVE_DATA *mnp_packet_give(struct mnp_packet *packet);

#endif
