/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Reset, negotiation and DRIVER_OK, the same for every transport.
 */
#include "virtio/virtio_device.h"

#include <efilib.h>

#include "base/log.h"
#include "pci/pci_direct.h"
#include "ring/barrier.h"
#include "virtio/virtio_pci.h"

/* How long a reset may take. Hardware sometimes needs seconds, but ExitBootServices cannot
 * wait that long. A device that has missed one time limit gets the short one until it
 * confirms a reset. */
#define RESET_TIMEOUT_US 5000000u
#define RESET_TIMEOUT_SHORT_US 500000u
#define RESET_NOTICE_US 1000000u /* when the console says what the wait is for */
#define RESET_POLL_US 100u
#define RESET_POLL_SLOW_US 10000u /* after RESET_POLLS_FAST_US: fewer accesses */
#define RESET_POLLS_FAST_US 100000u

#define STATUS_ALL_ONES 0xffu /* what reads from an unplugged device return */

EFI_STATUS virtio_device_access_fault(struct virtio_device *device, EFI_STATUS status)
{
    return virtio_device_fault(device, status, L"a register could not be accessed");
}

static EFI_STATUS read_status(struct virtio_device *device, uint8_t *ret_status)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status = transport->ops->read_status(transport, ret_status);

    return EFI_ERROR(status) ? virtio_device_access_fault(device, status) : EFI_SUCCESS;
}

static EFI_STATUS add_status(struct virtio_device *device, uint8_t bits)
{
    const struct virtio_transport *transport = &device->transport;
    uint8_t current;
    EFI_STATUS status;

    status = transport->ops->read_status(transport, &current);
    if (!EFI_ERROR(status))
        status = transport->ops->write_status(transport, current | bits);
    return EFI_ERROR(status) ? virtio_device_access_fault(device, status) : EFI_SUCCESS;
}

static EFI_STATUS wait_for_reset(struct virtio_device *device, unsigned timeout_us)
{
    unsigned poll_us = RESET_POLL_US;

    for (unsigned waited_us = 0; waited_us <= timeout_us; waited_us += poll_us) {
        uint8_t current;
        EFI_STATUS status = read_status(device, &current);

        if (EFI_ERROR(status))
            return status;
        if (current == 0)
            return EFI_SUCCESS;
        if (waited_us == RESET_NOTICE_US)
            log_nic(device->transport.pci_io, L"waiting for the device to confirm its reset", NULL);
        if (waited_us == RESET_POLLS_FAST_US)
            poll_us = RESET_POLL_SLOW_US;
        BS->Stall(poll_us);
    }
    return virtio_device_fault(device, EFI_TIMEOUT, L"the device does not confirm its reset");
}

/* The device may be in the middle of a reset, so nothing more is written to it. */
static void cut_off(struct virtio_device *device)
{
    EFI_STATUS status = virtio_pci_forbid_dma(&device->transport);

    device->state = EFI_ERROR(status) ? VIRTIO_DEVICE_OUT_OF_CONTROL : VIRTIO_DEVICE_CUT_OFF;
}

/* Ask for a reset and wait for it. A reset requested by an earlier call may still be under
 * way; its time limit has passed already. */
static EFI_STATUS request_reset(struct virtio_device *device, unsigned timeout_us)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status;

    if (virtio_device_is_reset_pending(device)) {
        timeout_us = RESET_TIMEOUT_SHORT_US;
        (void)wait_for_reset(device, timeout_us); /* the new one decides */
    }
    status = transport->ops->write_status(transport, 0);
    return EFI_ERROR(status) ? virtio_device_access_fault(device, status)
                             : wait_for_reset(device, timeout_us);
}

/* Reset the device, or cut it off from memory. */
static EFI_STATUS reset(struct virtio_device *device, unsigned timeout_us)
{
    EFI_STATUS status;

    device->negotiated = 0;
    status = request_reset(device, timeout_us);
    if (EFI_ERROR(status))
        cut_off(device);
    else
        device->state = VIRTIO_DEVICE_HALTED;
    return status;
}

EFI_STATUS virtio_device_init(struct virtio_device *device, EFI_PCI_IO_PROTOCOL *pci_io)
{
    EFI_STATUS status;

    *device = (struct virtio_device){0};
    status = virtio_pci_init(&device->transport, pci_io);
    if (EFI_ERROR(status))
        return virtio_device_fault(device, status,
                                   L"no usable virtio registers: capabilities or BARs malformed");
    return EFI_SUCCESS;
}

void virtio_device_fini(struct virtio_device *device)
{
    if (device->transport.ops)
        virtio_device_halt(device);
    virtio_pci_fini(&device->transport);
    device->negotiated = 0;
}

bool virtio_device_has_direct_doorbells(const struct virtio_device *device)
{
    const struct virtio_transport *transport = &device->transport;

    return device->is_direct && (virtio_device_is_legacy(device) ||
                                 (transport->notify.bar_index == transport->common.bar_index &&
                                  transport->notify.access == transport->common.access));
}

const CHAR16 *virtio_device_transport_name(const struct virtio_device *device)
{
    return device->transport.ops->name;
}

bool virtio_device_uses_window(const struct virtio_device *device)
{
    return virtio_pci_uses_window(&device->transport);
}

bool virtio_device_is_legacy(const struct virtio_device *device)
{
    return device->transport.ops->is_legacy;
}

EFI_STATUS virtio_device_read_offer(struct virtio_device *device, uint64_t *ret_offered)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status = transport->ops->read_features(transport, ret_offered);

    return EFI_ERROR(status) ? virtio_device_access_fault(device, status) : EFI_SUCCESS;
}

static uint64_t drop_unsupported(uint64_t features, const struct virtio_feature_need *needs,
                                 size_t need_count)
{
    for (size_t i = 0; i < need_count; i++) {
        if ((features & needs[i].needed) != needs[i].needed)
            features &= ~needs[i].feature;
    }
    return features;
}

/* VIRTIO 1.2, 2.2 and 6.1: accept the bits that both sides know, and VERSION_1 wherever it
 * is offered. */
static EFI_STATUS settle_features(struct virtio_device *device, uint64_t wanted,
                                  const struct virtio_feature_need *needs, size_t need_count)
{
    const struct virtio_transport *transport = &device->transport;
    uint64_t chosen;
    EFI_STATUS status;

    status = virtio_device_read_offer(device, &device->offered);
    if (EFI_ERROR(status))
        return status;
    if (!transport->ops->is_legacy && !(device->offered & VIRTIO_F_VERSION_1))
        return virtio_device_fault(device, EFI_UNSUPPORTED,
                                   L"a modern device does not offer VERSION_1");

    chosen = drop_unsupported(device->offered & wanted & ~transport->missing, needs, need_count);
    if (transport->ops->is_legacy)
        chosen &= UINT32_MAX;
    else
        chosen = (chosen | VIRTIO_F_VERSION_1) & ~VIRTIO_F_ANY_LAYOUT;
    status = transport->ops->write_features(transport, chosen);
    if (EFI_ERROR(status))
        return virtio_device_access_fault(device, status);
    device->negotiated = chosen;
    return EFI_SUCCESS;
}

static EFI_STATUS confirm_features(struct virtio_device *device)
{
    const struct virtio_transport *transport = &device->transport;
    uint8_t current;
    EFI_STATUS status;

    if (transport->ops->is_legacy)
        return EFI_SUCCESS;
    status = add_status(device, VIRTIO_STATUS_FEATURES_OK);
    if (EFI_ERROR(status))
        return status;
    status = read_status(device, &current);
    if (EFI_ERROR(status))
        return status;
    if (current == STATUS_ALL_ONES || !(current & VIRTIO_STATUS_FEATURES_OK))
        return virtio_device_fault(device, EFI_UNSUPPORTED,
                                   L"the device refuses the features it offered");
    return EFI_SUCCESS;
}

/* During the first negotiation the status reads `expected` through PciIo. Check that it
 * reads the same at the address where the registers appear to be, in this state and in
 * every other. */
static void compare_status(struct virtio_device *device, uint8_t expected)
{
    const struct virtio_transport *transport = &device->transport;

    if (device->is_negotiated_once)
        return;
    if (expected == 0)
        device->is_direct = pci_direct_is_mapped(&transport->common);
    device->is_direct =
        device->is_direct &&
        pci_direct_read8(&transport->common, transport->ops->status_offset) == expected;
}

static EFI_STATUS negotiate(struct virtio_device *device, uint64_t wanted,
                            const struct virtio_feature_need *needs, size_t need_count)
{
    EFI_STATUS status;

    status = reset(device, RESET_TIMEOUT_US);
    if (EFI_ERROR(status))
        return status;
    device->state = VIRTIO_DEVICE_LIVE;
    compare_status(device, 0);
    status = virtio_pci_allow_dma(&device->transport);
    if (EFI_ERROR(status))
        return virtio_device_fault(device, status, L"bus mastering could not be enabled");
    status = add_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    if (EFI_ERROR(status))
        return status;
    compare_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    status = add_status(device, VIRTIO_STATUS_DRIVER);
    if (EFI_ERROR(status))
        return status;
    compare_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    device->is_negotiated_once = true;
    status = settle_features(device, wanted, needs, need_count);
    if (EFI_ERROR(status))
        return status;
    return confirm_features(device);
}

EFI_STATUS virtio_device_negotiate(struct virtio_device *device, uint64_t wanted,
                                   const struct virtio_feature_need *needs, size_t need_count)
{
    EFI_STATUS status;

    device->cause = NULL;
    status = negotiate(device, wanted, needs, need_count);
    if (EFI_ERROR(status))
        virtio_device_fail(device);
    return status;
}

EFI_STATUS virtio_device_read_config(struct virtio_device *device, uint32_t offset,
                                     uint32_t width_bytes, uint32_t length_bytes, void *ret_field)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status;

    status = transport->ops->read_config(transport, offset, width_bytes, length_bytes, ret_field);
    if (EFI_ERROR(status))
        return virtio_device_fault(device, status,
                                   L"device configuration is missing or never settles");
    return EFI_SUCCESS;
}

EFI_STATUS virtio_device_write_config(struct virtio_device *device, uint32_t offset,
                                      uint32_t width_bytes, uint32_t length_bytes,
                                      const void *field)
{
    const struct virtio_transport *transport = &device->transport;
    EFI_STATUS status;

    if (!transport->ops->write_config)
        return EFI_UNSUPPORTED;
    status = transport->ops->write_config(transport, offset, width_bytes, length_bytes, field);
    return EFI_ERROR(status) ? virtio_device_access_fault(device, status) : EFI_SUCCESS;
}

EFI_STATUS virtio_device_ready(struct virtio_device *device)
{
    /* Pairs with the device, which looks at no ring before DRIVER_OK: the rings are in
     * memory first. */
    barrier_write();
    return add_status(device, VIRTIO_STATUS_DRIVER_OK);
}

void virtio_device_fail(struct virtio_device *device)
{
    const CHAR16 *cause = device->cause;

    if (device->state == VIRTIO_DEVICE_LIVE)
        (void)add_status(device, VIRTIO_STATUS_FAILED); /* a courtesy; the halt counts */
    virtio_device_halt(device);
    device->cause = cause; /* the first failure is the one to tell */
}

static void halt(struct virtio_device *device, unsigned timeout_us)
{
    if (device->state == VIRTIO_DEVICE_LIVE)
        (void)reset(device, timeout_us); /* on failure the device is cut off from memory */
}

void virtio_device_halt(struct virtio_device *device)
{
    halt(device, RESET_TIMEOUT_US);
}

void virtio_device_halt_quickly(struct virtio_device *device)
{
    halt(device, RESET_TIMEOUT_SHORT_US);
}

EFI_STATUS virtio_device_needs_reset(struct virtio_device *device, bool *ret_needs)
{
    uint8_t current;
    EFI_STATUS status;

    status = read_status(device, &current);
    if (EFI_ERROR(status))
        return status;
    *ret_needs = current & VIRTIO_STATUS_NEEDS_RESET; /* all ones, too */
    return EFI_SUCCESS;
}

EFI_STATUS virtio_device_is_ready(struct virtio_device *device, bool *ret_is_ready)
{
    uint8_t current;
    EFI_STATUS status;

    status = read_status(device, &current);
    if (EFI_ERROR(status))
        return status;
    *ret_is_ready =
        (current & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED)) ==
        VIRTIO_STATUS_DRIVER_OK;
    return EFI_SUCCESS;
}
