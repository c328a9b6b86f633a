/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Registers through configuration space: VIRTIO 1.2, 4.1.4.9. The window reaches a BAR even
 * if the firmware does not.
 */
#include <string.h>

#include "virtio_net_internal.h"

#define HEADER_BYTES 0x40u
#define WINDOW(field) offsetof(struct virtio_pci_cfg_cap, field)

/* The register that the window selects. False: it selects none, which is reported. */
static bool find_register(struct fake_device *device, unsigned width,
                          struct virtio_pci_cap *ret_place)
{
    const struct fake_bar *bars = device->function->options.bars;
    struct virtio_pci_cap place;

    memcpy(&place, &device->function->config[device->window], sizeof(place));
    if (place.length != width || (width != 1 && width != 2 && width != 4))
        fake_referee(device, "window of %u bytes accessed with %u", place.length, width);
    else if (place.offset % width != 0)
        fake_referee(device, "window of %u bytes at %#x", width, place.offset);
    else if (place.bar >= FAKE_PCI_BAR_COUNT ||
             (uint64_t)place.offset + width > bars[place.bar].size)
        fake_referee(device, "window at %#x, outside BAR %u", place.offset, place.bar);
    else {
        *ret_place = place;
        return true;
    }
    return false;
}

static void access_data(struct fake_device *device, unsigned width, void *bytes, bool is_write)
{
    struct virtio_pci_cap place;
    uint64_t value = 0;

    if (device->misbehaviour == FAKE_WINDOW_DATA_READ_ONLY && is_write)
        return;
    if (!find_register(device, width, &place)) {
        if (!is_write)
            memset(bytes, 0xff, width);
        return;
    }
    if (is_write) {
        memcpy(&value, bytes, width);
        fake_device_operations.write(device, place.bar, place.offset, width, value);
        return;
    }
    value = fake_device_operations.read(device, place.bar, place.offset, width);
    if (device->misbehaviour == FAKE_WINDOW_DATA_ALL_ONES || device->function->is_unplugged)
        value = UINT64_MAX;
    memcpy(bytes, &value, width);
}

static void write_place(struct fake_device *device, unsigned offset, unsigned width,
                        const void *bytes)
{
    if ((offset != WINDOW(cap.bar) || width != 1) &&
        ((offset != WINDOW(cap.offset) && offset != WINDOW(cap.length)) || width != 4))
        fake_referee(device, "window written at %u with %u bytes", offset, width);
    else if (device->misbehaviour != FAKE_WINDOW_PLACE_READ_ONLY && !device->function->is_unplugged)
        memcpy(&device->function->config[device->window + offset], bytes, width);
}

bool fake_device_access_config(void *context, unsigned offset, unsigned width, void *bytes,
                               bool is_write)
{
    struct fake_device *device = context;
    bool is_in_window = device->window && offset >= device->window + WINDOW(cap.bar) &&
                        offset < device->window + sizeof(struct virtio_pci_cfg_cap);

    if (!is_in_window) /* the driver was told of an invalid window */
        return is_write && offset >= HEADER_BYTES &&
               (device->misbehaviour != FAKE_BEHAVES || device->is_tainted);
    offset -= device->window;
    if (offset == WINDOW(pci_cfg_data))
        access_data(device, width, bytes, is_write);
    else if (is_write)
        write_place(device, offset, width, bytes);
    else
        return false;
    return true;
}
