/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The names of a network device's feature bits. Source: VIRTIO 1.2, 5.1.3 and 6.
 */
#include "virtio/feature_names.h"

static const CHAR16 names[64][20] = {
    [0] = L"CSUM",
    [1] = L"GUEST_CSUM",
    [2] = L"CTRL_GUEST_OFFLOADS",
    [3] = L"MTU",
    [5] = L"MAC",
    [6] = L"GSO",
    [7] = L"GUEST_TSO4",
    [8] = L"GUEST_TSO6",
    [9] = L"GUEST_ECN",
    [10] = L"GUEST_UFO",
    [11] = L"HOST_TSO4",
    [12] = L"HOST_TSO6",
    [13] = L"HOST_ECN",
    [14] = L"HOST_UFO",
    [15] = L"MRG_RXBUF",
    [16] = L"STATUS",
    [17] = L"CTRL_VQ",
    [18] = L"CTRL_RX",
    [19] = L"CTRL_VLAN",
    [20] = L"CTRL_RX_EXTRA",
    [21] = L"GUEST_ANNOUNCE",
    [22] = L"MQ",
    [23] = L"CTRL_MAC_ADDR",
    [24] = L"NOTIFY_ON_EMPTY",
    [27] = L"ANY_LAYOUT",
    [28] = L"INDIRECT_DESC",
    [29] = L"EVENT_IDX",
    [32] = L"VERSION_1",
    [33] = L"ACCESS_PLATFORM",
    [34] = L"RING_PACKED",
    [35] = L"IN_ORDER",
    [36] = L"ORDER_PLATFORM",
    [37] = L"SR_IOV",
    [38] = L"NOTIFICATION_DATA",
    [39] = L"NOTIF_CONFIG_DATA",
    [40] = L"RING_RESET",
    [53] = L"NOTF_COAL",
    [54] = L"GUEST_USO4",
    [55] = L"GUEST_USO6",
    [56] = L"HOST_USO",
    [57] = L"HASH_REPORT",
    [59] = L"GUEST_HDRLEN",
    [60] = L"RSS",
    [61] = L"RSC_EXT",
    [62] = L"STANDBY",
    [63] = L"SPEED_DUPLEX",
};

void feature_names_append(struct text *text, uint64_t features)
{
    const CHAR16 *separator = L"";

    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(features >> bit & 1))
            continue;
        text_append(text, separator);
        separator = L" ";
        if (names[bit][0]) {
            text_append(text, names[bit]);
        } else {
            text_append(text, L"bit");
            text_append_decimal(text, bit);
        }
    }
    if (features == 0)
        text_append(text, L"none");
}
