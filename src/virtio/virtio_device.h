/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A virtio device of any class and transport. Life cycle, in this order
 * (VIRTIO 1.2, 3.1.1):
 *
 *   virtio_device_init        find the transport, enable the function
 *   virtio_device_negotiate   reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK
 *   virtio_queue_init         each queue; fill it with virtqueue_push
 *   virtio_device_ready       DRIVER_OK; from here on doorbells may be rung
 *   virtio_queue_reset        each queue, with RING_RESET: no more DMA, but the
 *   virtio_queue_restart      device is as it was, and each queue may come back
 *   virtio_device_halt        no more DMA
 *   virtio_queue_fini         each queue
 *   virtio_device_fini        attributes as they were
 *
 * The steps from negotiate to virtio_queue_fini may be repeated. Bus mastering is off
 * until the first reset is confirmed, and again after a reset that is never confirmed.
 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include <stddef.h>

#include "virtio/virtio_transport.h"
#include "virtio_spec/core.h"

/* A feature of a device class that makes no sense without others. */
struct virtio_feature_need {
    uint64_t feature;
    uint64_t needed;
};

/* What the device may do to memory:
 *
 *             halt: the reset is confirmed
 *     LIVE ------------------------------------------> HALTED
 *      ^ |                                                |
 *      | | halt, negotiate: the reset is not confirmed    |
 *      | +---> CUT_OFF         DMA is forbidden           |
 *      | +---> OUT_OF_CONTROL  and that failed, too       |
 *      |           |                                      |
 *      +-----------+--------------------------------------+
 *        negotiate: a reset is confirmed
 *
 * A reset that is not confirmed may still be under way, so nothing is written to the device
 * but another reset. */
enum virtio_device_state {
    VIRTIO_DEVICE_LIVE, /* it may access what it was given; a zeroed object is in it */
    VIRTIO_DEVICE_HALTED,
    VIRTIO_DEVICE_CUT_OFF,
    VIRTIO_DEVICE_OUT_OF_CONTROL, /* its memory must never be used for anything else */
};

/* The features of VIRTIO 1.2, chapter 6, that this layer and the rings implement for every class
 * of device. */
#define VIRTIO_DEVICE_FEATURES                                                                     \
    (VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM |                     \
     VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_NOTIFICATION_DATA |                       \
     VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_RING_RESET)

struct virtio_device {
    struct virtio_transport transport;
    uint64_t offered;    /* as read at the last negotiation */
    uint64_t negotiated; /* 0 until a negotiation succeeds */
    enum virtio_device_state state;
    bool is_negotiated_once;
    bool is_direct; /* the CPU reaches the registers in `common` without PciIo */

    /* Why the last call failed, for people; NULL when nothing did. Static text. */
    const CHAR16 *cause;
};

/* Find the registers and enable the function. Errors: EFI_UNSUPPORTED, no usable transport;
 * those of PciIo. After a failure only virtio_device_fini is allowed, and it is not needed. */
EFI_STATUS virtio_device_init(struct virtio_device *device, EFI_PCI_IO_PROTOCOL *pci_io)
    __attribute__((warn_unused_result));

/* Halt and let go. A zeroed object is accepted. */
void virtio_device_fini(struct virtio_device *device);

/* Reset the device and negotiate what it offers of `wanted`, and VERSION_1 if it offers
 * that. A feature is left out if `needs`, `need_count` entries, says that it needs another
 * that is missing.
 * Errors: EFI_TIMEOUT, the reset was not confirmed; EFI_UNSUPPORTED, the device refused the
 * features; those of PciIo. The device is then marked FAILED. */
EFI_STATUS virtio_device_negotiate(struct virtio_device *device, uint64_t wanted,
                                   const struct virtio_feature_need *needs, size_t need_count)
    __attribute__((warn_unused_result));

static inline bool virtio_device_has(const struct virtio_device *device, uint64_t feature)
{
    return device->negotiated & feature;
}

bool virtio_device_is_legacy(const struct virtio_device *device);

/* True when the last reset was never confirmed: the device is cut off, or out of control. */
static inline bool virtio_device_is_reset_pending(const struct virtio_device *device)
{
    return device->state >= VIRTIO_DEVICE_CUT_OFF;
}

/* For people: the transport's name, and whether some registers are reached through PCI
 * configuration space. */
const CHAR16 *virtio_device_transport_name(const struct virtio_device *device);
bool virtio_device_uses_window(const struct virtio_device *device);

/* True when no doorbell of the device ever goes through the firmware. Known after the first
 * negotiation. */
bool virtio_device_has_direct_doorbells(const struct virtio_device *device);

/* Copy a field of device configuration, `length_bytes` in accesses of
 * `width_bytes`. The caller has checked the feature that the field needs. */
EFI_STATUS virtio_device_read_config(struct virtio_device *device, uint32_t offset,
                                     uint32_t width_bytes, uint32_t length_bytes, void *ret_field)
    __attribute__((warn_unused_result));

/* Write such a field. EFI_UNSUPPORTED: the transport has no way to write one. */
EFI_STATUS virtio_device_write_config(struct virtio_device *device, uint32_t offset,
                                      uint32_t width_bytes, uint32_t length_bytes,
                                      const void *field) __attribute__((warn_unused_result));

/* Read what the device offers now. Errors: those of PciIo. */
EFI_STATUS virtio_device_read_offer(struct virtio_device *device, uint64_t *ret_offered)
    __attribute__((warn_unused_result));

/* Say DRIVER_OK. */
EFI_STATUS virtio_device_ready(struct virtio_device *device) __attribute__((warn_unused_result));

/* Give up on the device after a failed set-up: set FAILED, then halt it. The cause stays. */
void virtio_device_fail(struct virtio_device *device);

/* Stop the device for good: reset it, and if it does not confirm that within
 * RESET_TIMEOUT_US, cut it off from memory. If the firmware refuses that as well, the device
 * is out of control. A line on the console says what a long wait is for. Does nothing to a
 * device that is not live. The cause stays, unless the reset is not confirmed. */
void virtio_device_halt(struct virtio_device *device);

/* The same for ExitBootServices: it waits RESET_TIMEOUT_SHORT_US at most, and allocates, frees
 * and prints nothing. */
void virtio_device_halt_quickly(struct virtio_device *device);

/* *ret_needs: whether the device asks for a reset, or is gone (reads as all ones). */
EFI_STATUS virtio_device_needs_reset(struct virtio_device *device, bool *ret_needs)
    __attribute__((warn_unused_result));

/* *ret_is_ready: whether the device is as virtio_device_ready left it. It is not if it asks
 * for a reset, was reset by somebody else, or is gone. */
EFI_STATUS virtio_device_is_ready(struct virtio_device *device, bool *ret_is_ready)
    __attribute__((warn_unused_result));

/* Record why a call failed, for people, and return `status`. */
static inline EFI_STATUS virtio_device_fault(struct virtio_device *device, EFI_STATUS status,
                                             const CHAR16 *cause)
{
    device->cause = cause;
    return status;
}

/* The same for an access to a register that failed with `status`. */
EFI_STATUS virtio_device_access_fault(struct virtio_device *device, EFI_STATUS status);

#endif
