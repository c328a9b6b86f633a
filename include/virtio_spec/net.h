/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The network device: feature bits, configuration, frame header.
 * Source: VIRTIO 1.2, section 5.1. The comments say whether this driver requests a bit;
 * net_device.c has the resulting mask.
 */
#ifndef VIRTIO_SPEC_NET_H
#define VIRTIO_SPEC_NET_H

#include <stddef.h>
#include <stdint.h>

/* Not requested: checksum and segmentation offloads. UEFI's stack passes and expects whole
 * frames with their checksums done. Without the features, a frame that needs finishing is a
 * frame to drop. */
#define VIRTIO_NET_F_CSUM (UINT64_C(1) << 0)
#define VIRTIO_NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS (UINT64_C(1) << 2)
#define VIRTIO_NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define VIRTIO_NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define VIRTIO_NET_F_GUEST_ECN (UINT64_C(1) << 9)
#define VIRTIO_NET_F_GUEST_UFO (UINT64_C(1) << 10)
#define VIRTIO_NET_F_HOST_TSO4 (UINT64_C(1) << 11)
#define VIRTIO_NET_F_HOST_TSO6 (UINT64_C(1) << 12)
#define VIRTIO_NET_F_HOST_ECN (UINT64_C(1) << 13)
#define VIRTIO_NET_F_HOST_UFO (UINT64_C(1) << 14)
#define VIRTIO_NET_F_GUEST_USO4 (UINT64_C(1) << 54)
#define VIRTIO_NET_F_GUEST_USO6 (UINT64_C(1) << 55)
#define VIRTIO_NET_F_HOST_USO (UINT64_C(1) << 56)

/* Requested: they describe the device and cost nothing. */
#define VIRTIO_NET_F_MTU (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC (UINT64_C(1) << 5)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)
#define VIRTIO_NET_F_SPEED_DUPLEX (UINT64_C(1) << 63)

/* Not requested: every buffer holds a whole frame of the negotiated MTU. */
#define VIRTIO_NET_F_MRG_RXBUF (UINT64_C(1) << 15)

/* The control queue and its command classes. */
#define VIRTIO_NET_F_CTRL_VQ (UINT64_C(1) << 17)
#define VIRTIO_NET_F_CTRL_RX (UINT64_C(1) << 18)
#define VIRTIO_NET_F_CTRL_VLAN                                                                     \
    (UINT64_C(1) << 19) /* not requested: QEMU would drop tagged frames */
#define VIRTIO_NET_F_CTRL_RX_EXTRA (UINT64_C(1) << 20)
#define VIRTIO_NET_F_GUEST_ANNOUNCE (UINT64_C(1) << 21)
#define VIRTIO_NET_F_MQ                                                                            \
    (UINT64_C(1) << 22) /* not requested: one queue pair is enough for firmware */
#define VIRTIO_NET_F_CTRL_MAC_ADDR (UINT64_C(1) << 23)

/* Not requested: STANDBY needs a failover partner, which UEFI's stack does not have. */
#define VIRTIO_NET_F_STANDBY (UINT64_C(1) << 62)

/* Queue indices without MQ (5.1.2). */
#define VIRTIO_NET_QUEUE_RX 0u
#define VIRTIO_NET_QUEUE_TX 1u
#define VIRTIO_NET_QUEUE_CTRL 2u

/* Device configuration (5.1.4). Each field exists only with its feature. */
struct virtio_net_config {
    uint8_t mac[6];               /* MAC */
    uint16_t status;              /* STATUS */
    uint16_t max_virtqueue_pairs; /* MQ or RSS */
    uint16_t mtu;                 /* MTU */
    uint32_t speed;               /* SPEED_DUPLEX, Mbit/s, 0xffffffff unknown */
    uint8_t duplex;               /* SPEED_DUPLEX, 1 full, 0 half, 0xff unknown */
} __attribute__((packed));

#define VIRTIO_NET_S_LINK_UP 0x0001u
#define VIRTIO_NET_S_ANNOUNCE 0x0002u

/* Control queue commands (5.1.6.5): class, command, data, then a one-byte answer. */
#define VIRTIO_NET_CTRL_RX 0u
#define VIRTIO_NET_CTRL_RX_PROMISC 0u
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1u
#define VIRTIO_NET_CTRL_RX_ALLUNI 2u /* this and the following: CTRL_RX_EXTRA */
#define VIRTIO_NET_CTRL_RX_NOMULTI 3u
#define VIRTIO_NET_CTRL_RX_NOUNI 4u
#define VIRTIO_NET_CTRL_RX_NOBCAST 5u
#define VIRTIO_NET_CTRL_MAC 1u
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0u
#define VIRTIO_NET_CTRL_MAC_ADDR_SET 1u
#define VIRTIO_NET_CTRL_ANNOUNCE 3u
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK 0u

#define VIRTIO_NET_OK 0u
#define VIRTIO_NET_ERR 1u

/* The smallest MTU that a device may offer, in bytes after the Ethernet header (5.1.4.1). */
#define VIRTIO_NET_MTU_MIN 68u

/* Precedes every frame in both directions (5.1.6). A legacy device without
 * MRG_RXBUF omits num_buffers. */
struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};

#define VIRTIO_NET_HDR_LENGTH 12u
#define VIRTIO_NET_HDR_LENGTH_LEGACY 10u

/* `flags` */
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 0x01u
#define VIRTIO_NET_HDR_F_DATA_VALID 0x02u

/* `gso_type`: one type, and GSO_ECN if the segment has CWR set */
#define VIRTIO_NET_HDR_GSO_NONE 0u
#define VIRTIO_NET_HDR_GSO_TCPV4 1u
#define VIRTIO_NET_HDR_GSO_UDP 3u
#define VIRTIO_NET_HDR_GSO_TCPV6 4u
#define VIRTIO_NET_HDR_GSO_UDP_L4 5u
#define VIRTIO_NET_HDR_GSO_ECN 0x80u

/* Smallest receive buffer without MRG_RXBUF, header included (5.1.6.3.1): without and with a
 * feature that lets the device hand over large frames. With MRG_RXBUF a buffer only has to be
 * larger than the header. */
#define VIRTIO_NET_RX_BUFFER_MIN 1526u
#define VIRTIO_NET_RX_BUFFER_MIN_LARGE 65562u

_Static_assert(offsetof(struct virtio_net_config, status) == 6, "VIRTIO 1.2, 5.1.4");
_Static_assert(offsetof(struct virtio_net_config, mtu) == 10, "VIRTIO 1.2, 5.1.4");
_Static_assert(offsetof(struct virtio_net_config, duplex) == 16, "VIRTIO 1.2, 5.1.4");
_Static_assert(sizeof(struct virtio_net_hdr) == VIRTIO_NET_HDR_LENGTH, "VIRTIO 1.2, 5.1.6");
_Static_assert(offsetof(struct virtio_net_hdr, num_buffers) == VIRTIO_NET_HDR_LENGTH_LEGACY,
               "VIRTIO 1.2, 5.1.6");

#endif
