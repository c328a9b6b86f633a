/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Memory layout of a split virtqueue and of a packed one. Source: VIRTIO 1.2,
 * sections 2.7 and 2.8.
 *
 * All fields are little-endian on a modern device and guest-endian on a legacy
 * one; every UEFI architecture is little-endian, so no access is swapped.
 */
#ifndef VIRTIO_SPEC_RING_H
#define VIRTIO_SPEC_RING_H

#include <stddef.h>
#include <stdint.h>

#define VIRTQ_DESC_F_NEXT 0x0001u
#define VIRTQ_DESC_F_WRITE 0x0002u /* device-writable; otherwise device-readable */
#define VIRTQ_DESC_F_INDIRECT 0x0004u

#define VIRTQ_AVAIL_F_NO_INTERRUPT 0x0001u
#define VIRTQ_USED_F_NO_NOTIFY 0x0001u

/* Alignment of the three parts in bytes (2.7). A legacy device expects the used ring on the
 * next page boundary after the available ring (2.7.2). */
#define VIRTQ_DESC_ALIGN 16u
#define VIRTQ_AVAIL_ALIGN 2u
#define VIRTQ_USED_ALIGN 4u
#define VIRTQ_LEGACY_ALIGN 4096u

#define VIRTQ_SIZE_MAX 32768u

struct virtq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

/* Followed by `uint16_t used_event`, right after the last entry. */
struct virtq_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};

struct virtq_used_elem {
    uint32_t id;
    uint32_t len;
};

/* Followed by `uint16_t avail_event`, right after the last entry. */
struct virtq_used {
    uint16_t flags;
    uint16_t idx;
    struct virtq_used_elem ring[];
};

/* Packed (2.8). A descriptor is available if AVAIL equals the driver's wrap counter and USED
 * does not. It is used if both equal the device's. */
#define VIRTQ_PACKED_DESC_F_AVAIL 0x0080u
#define VIRTQ_PACKED_DESC_F_USED 0x8000u
#define VIRTQ_PACKED_DESC_F_BOTH (VIRTQ_PACKED_DESC_F_AVAIL | VIRTQ_PACKED_DESC_F_USED)

#define VIRTQ_PACKED_EVENT_F_ENABLE 0u
#define VIRTQ_PACKED_EVENT_F_DISABLE 1u
#define VIRTQ_PACKED_EVENT_F_DESC 2u /* at one descriptor; with EVENT_IDX */
#define VIRTQ_PACKED_EVENT_F_MASK 3u
#define VIRTQ_PACKED_EVENT_WRAP 0x8000u /* in `off_wrap`, above the offset */

/* Alignment of the driver's and the device's event structure in bytes. */
#define VIRTQ_PACKED_EVENT_ALIGN 4u

struct virtq_packed_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags;
};

struct virtq_packed_event {
    uint16_t off_wrap;
    uint16_t flags;
};

_Static_assert(sizeof(struct virtq_desc) == 16, "VIRTIO 1.2, 2.7.5");
_Static_assert(offsetof(struct virtq_desc, next) == 14, "VIRTIO 1.2, 2.7.5");
_Static_assert(offsetof(struct virtq_avail, ring) == 4, "VIRTIO 1.2, 2.7.6");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "VIRTIO 1.2, 2.7.8");
_Static_assert(offsetof(struct virtq_used, ring) == 4, "VIRTIO 1.2, 2.7.8");
_Static_assert(sizeof(struct virtq_packed_desc) == 16, "VIRTIO 1.2, 2.8.13");
_Static_assert(offsetof(struct virtq_packed_desc, flags) == 14, "VIRTIO 1.2, 2.8.13");
_Static_assert(sizeof(struct virtq_packed_event) == 4, "VIRTIO 1.2, 2.8.14");

#endif
