/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Packets are taken and put at TPL_CALLBACK, but a client recycles them at TPL_NOTIFY. What it
 * returns goes onto a list of its own, which is emptied under TPL_NOTIFY when a size runs out.
 */
#include "mnp/mnp_packet.h"

#include <efilib.h>

#include "base/container_of.h"

#define SMALLEST_BYTES 2048u
#define LARGEST_BYTES (65536u + 512u)
#define FRAME_OFFSET 2u                    /* 14 bytes of Ethernet header end at a multiple of 16 */
#define FRAME_BYTES_MAX (UINT16_MAX + 18u) /* header, VLAN tag, and an MTU of 65,535 */

_Static_assert(sizeof(struct mnp_packet) + FRAME_OFFSET + FRAME_BYTES_MAX <= LARGEST_BYTES,
               "the largest frame fits no packet");
_Static_assert(SMALLEST_BYTES << (MNP_PACKET_SIZES - 1) <= LARGEST_BYTES, "sizes grow");

struct mnp_store {
    struct list idle[MNP_PACKET_SIZES];
    struct mnp_packet *returned; /* written at TPL_NOTIFY */
    size_t bytes;                /* of all packets, wherever they are */
    uint32_t given;              /* counts up, at TPL_CALLBACK; given - recycled: clients have */
    uint32_t recycled;           /* counts up, at TPL_NOTIFY */
    bool is_destroyed;
};

/* Destroyed stores of which clients have packets. */
static unsigned orphaned_stores;

static size_t bytes_of_size(unsigned size)
{
    return size == MNP_PACKET_SIZES - 1 ? LARGEST_BYTES : (size_t)SMALLEST_BYTES << size;
}

static struct mnp_packet *packet_of(struct list *link)
{
    return container_of(link, struct mnp_packet, link);
}

/* The caller has taken it out of every list. */
static void free_packet(struct mnp_packet *packet)
{
    packet->store->bytes -= bytes_of_size(packet->size);
    (void)BS->CloseEvent(packet->data.RecycleEvent); /* ours: cannot fail */
    (void)BS->FreePool(packet);                      /* likewise */
}

/* A client signals twice at its own risk, but not at ours: the second time changes nothing, as
 * long as the packet has not been given again. */
static VOID EFIAPI on_recycle(EFI_EVENT event, VOID *context)
{
    struct mnp_packet *packet = context;
    struct mnp_store *store = packet->store;

    (void)event;
    if (!packet->is_given)
        return;
    packet->is_given = false;
    store->recycled++;
    if (!store->is_destroyed) {
        packet->returned_before = store->returned;
        store->returned = packet;
        return;
    }
    free_packet(packet);
    if (store->given == store->recycled) {
        (void)BS->FreePool(store); /* ours: cannot fail */
        orphaned_stores--;
    }
}

EFI_STATUS mnp_store_create(struct mnp_store **ret_store)
{
    struct mnp_store *store;
    EFI_STATUS status;

    status = BS->AllocatePool(EfiBootServicesData, sizeof(*store), (void **)&store);
    if (EFI_ERROR(status))
        return status;
    __builtin_memset(store, 0, sizeof(*store));
    for (unsigned size = 0; size < MNP_PACKET_SIZES; size++)
        list_init(&store->idle[size]);
    *ret_store = store;
    return EFI_SUCCESS;
}

static void collect_returned(struct mnp_store *store)
{
    EFI_TPL before = BS->RaiseTPL(TPL_NOTIFY);
    struct mnp_packet *packet = store->returned;

    store->returned = NULL;
    BS->RestoreTPL(before);
    while (packet) {
        struct mnp_packet *next = packet->returned_before;

        mnp_packet_put(packet);
        packet = next;
    }
}

static void free_idle(struct mnp_store *store)
{
    struct list *link;

    for (unsigned size = 0; size < MNP_PACKET_SIZES; size++) {
        while ((link = list_pop(&store->idle[size])))
            free_packet(packet_of(link));
    }
}

void mnp_store_destroy(struct mnp_store *store)
{
    EFI_TPL before = BS->RaiseTPL(TPL_NOTIFY); /* no client recycles meanwhile */

    collect_returned(store);
    free_idle(store);
    store->is_destroyed = true;
    if (store->given == store->recycled)
        (void)BS->FreePool(store); /* ours: cannot fail */
    else
        orphaned_stores++;
    BS->RestoreTPL(before);
}

bool mnp_packets_are_held(void)
{
    return orphaned_stores > 0;
}

/* NULL: no memory, or beyond the limit even without the idle packets of other sizes. */
static struct mnp_packet *create(struct mnp_store *store, unsigned size)
{
    size_t bytes = bytes_of_size(size);
    struct mnp_packet *packet;
    EFI_STATUS status;

    if (store->bytes + bytes > MNP_STORE_BYTES_MAX)
        free_idle(store);
    if (store->bytes + bytes > MNP_STORE_BYTES_MAX ||
        EFI_ERROR(BS->AllocatePool(EfiBootServicesData, bytes, (void **)&packet)))
        return NULL;
    __builtin_memset(packet, 0, sizeof(*packet));
    list_init(&packet->link);
    packet->store = store;
    packet->size = (uint8_t)size;
    packet->frame = (uint8_t *)(packet + 1) + FRAME_OFFSET;
    status = BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_NOTIFY, on_recycle, packet,
                             &packet->data.RecycleEvent);
    if (EFI_ERROR(status)) {
        (void)BS->FreePool(packet); /* ours: cannot fail */
        return NULL;
    }
    store->bytes += bytes;
    return packet;
}

struct mnp_packet *mnp_packet_take(struct mnp_store *store, size_t frame_bytes)
{
    size_t needed = sizeof(struct mnp_packet) + FRAME_OFFSET + frame_bytes;
    struct list *link;
    unsigned size = 0;

    while (size < MNP_PACKET_SIZES - 1 && bytes_of_size(size) < needed)
        size++;
    if (bytes_of_size(size) < needed)
        return NULL;
    if (list_is_empty(&store->idle[size]))
        collect_returned(store);
    link = list_pop(&store->idle[size]);
    return link ? packet_of(link) : create(store, size);
}

void mnp_packet_put(struct mnp_packet *packet)
{
    list_append(&packet->store->idle[packet->size], &packet->link);
}

EFI_MANAGED_NETWORK_RECEIVE_DATA *mnp_packet_give(struct mnp_packet *packet)
{
    packet->store->given++;
    packet->is_given = true;
    return &packet->data;
}
