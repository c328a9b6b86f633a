/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Common to all virtio devices: status bits, and the feature bits that do not belong to
 * a device class. Source: VIRTIO 1.2, sections 2.1, 2.2 and 6.
 */
#ifndef VIRTIO_SPEC_CORE_H
#define VIRTIO_SPEC_CORE_H

#include <stdint.h>

/* Device status (2.1). The driver only ever adds bits; writing 0 resets. */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01u
#define VIRTIO_STATUS_DRIVER 0x02u
#define VIRTIO_STATUS_DRIVER_OK 0x04u
#define VIRTIO_STATUS_FEATURES_OK 0x08u
#define VIRTIO_STATUS_NEEDS_RESET 0x40u
#define VIRTIO_STATUS_FAILED 0x80u

/* Feature masks (6). Bits 0 to 23 and 50 to 127 belong to the device class. */
#define VIRTIO_F_ANY_LAYOUT (UINT64_C(1) << 27)    /* legacy only */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28) /* not requested: docs/DECISIONS.md */
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM (UINT64_C(1) << 33)
#define VIRTIO_F_RING_PACKED (UINT64_C(1) << 34)
#define VIRTIO_F_IN_ORDER (UINT64_C(1) << 35)
#define VIRTIO_F_ORDER_PLATFORM (UINT64_C(1) << 36)
#define VIRTIO_F_SR_IOV (UINT64_C(1) << 37)
#define VIRTIO_F_NOTIFICATION_DATA (UINT64_C(1) << 38)
#define VIRTIO_F_NOTIF_CONFIG_DATA (UINT64_C(1) << 39)
#define VIRTIO_F_RING_RESET (UINT64_C(1) << 40)

#endif
