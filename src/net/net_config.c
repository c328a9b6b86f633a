/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The device's configuration: MAC address, MTU, link and speed. VIRTIO 1.2, 5.1.4.
 */
#include "net/net_config.h"

#include "net/random_mac.h"
#include "virtio_spec/core.h"
#include "virtio_spec/net.h"

#define SPEED_UNKNOWN UINT32_MAX

#define CONFIG(field) offsetof(struct virtio_net_config, field)

EFI_STATUS net_config_read_mac(struct net_device *net)
{
    uint8_t mac[MAC_BYTES] = {0}; /* not a valid station address */
    EFI_STATUS status;

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC)) {
        status = virtio_device_read_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac);
        if (EFI_ERROR(status))
            return status;
    }
    net->is_mac_made_up = !mac_is_station(mac);
    if (net->is_mac_made_up) {
        status = random_mac(net->virtio.transport.pci_io, mac);
        if (EFI_ERROR(status)) {
            net->virtio.cause = L"the device has no MAC address, and none could be made up";
            return status;
        }
    }
    __builtin_memcpy(net->permanent_mac, mac, MAC_BYTES);
    __builtin_memcpy(net->station_mac, mac, MAC_BYTES);
    return EFI_SUCCESS;
}

EFI_STATUS net_config_read_mtu(struct net_device *net, uint16_t *ret_mtu)
{
    *ret_mtu = ETHERNET_MTU;
    if (!virtio_device_has(&net->virtio, VIRTIO_NET_F_MTU))
        return EFI_SUCCESS;
    return virtio_device_read_config(&net->virtio, CONFIG(mtu), sizeof(*ret_mtu), sizeof(*ret_mtu),
                                     ret_mtu);
}

/* Read the status field. A device without one has a link that is always up. */
EFI_STATUS net_config_read_link(struct net_device *net, bool *ret_wants_announcement)
{
    uint16_t link = VIRTIO_NET_S_LINK_UP;

    net->has_link_status = virtio_device_has(&net->virtio, VIRTIO_NET_F_STATUS);
    if (net->has_link_status) {
        EFI_STATUS status = virtio_device_read_config(&net->virtio, CONFIG(status), sizeof(link),
                                                      sizeof(link), &link);
        if (EFI_ERROR(status))
            return status;
    }
    net->is_link_up = link & VIRTIO_NET_S_LINK_UP;
    *ret_wants_announcement = (link & VIRTIO_NET_S_ANNOUNCE) &&
                              virtio_device_has(&net->virtio, VIRTIO_NET_F_GUEST_ANNOUNCE);
    return EFI_SUCCESS;
}

EFI_STATUS net_config_read_speed(struct net_device *net)
{
    uint32_t speed = SPEED_UNKNOWN;

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_SPEED_DUPLEX)) {
        EFI_STATUS status = virtio_device_read_config(&net->virtio, CONFIG(speed), sizeof(speed),
                                                      sizeof(speed), &speed);
        if (EFI_ERROR(status))
            return status;
    }
    net->speed_mbps = speed > INT32_MAX ? 0 : speed; /* 5.1.4: larger values mean unknown */
    return EFI_SUCCESS;
}

/* A device that cannot be told its address is made promiscuous instead, by the filter.
 * Without CTRL_RX it passes every frame anyway. */
EFI_STATUS net_config_program_mac(struct net_device *net, const uint8_t *mac)
{
    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
        net->was_told_mac = true;
        return net_control_set_mac(&net->control, mac);
    }
    if (virtio_device_is_legacy(&net->virtio))
        return virtio_device_write_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac);
    return EFI_SUCCESS;
}

/* True when the station's address is the one the device came with. */
bool net_config_is_native_address(const struct net_device *net)
{
    return !net->is_mac_made_up && mac_is_equal(net->station_mac, net->permanent_mac);
}

/* True when the device filters by the station's address. A legacy device is told by a
 * register write, which it may ignore, so the address is read back. Without the MAC feature
 * there is nothing to read. */
bool net_config_knows_address(struct net_device *net)
{
    uint8_t mac[MAC_BYTES];

    if (virtio_device_has(&net->virtio, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
        net_config_is_native_address(net))
        return true;
    return virtio_device_is_legacy(&net->virtio) &&
           virtio_device_has(&net->virtio, VIRTIO_NET_F_MAC) &&
           !EFI_ERROR(virtio_device_read_config(&net->virtio, CONFIG(mac), 1, MAC_BYTES, mac)) &&
           mac_is_equal(mac, net->station_mac);
}
