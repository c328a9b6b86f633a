/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Another driver for virtio NICs. It has PciIo open BY_DRIVER and one child with SNP and a
 * path, like the firmware's own driver and an option ROM's.
 */
#ifndef FAKE_RIVAL_H
#define FAKE_RIVAL_H

#include "firmware.h"

struct fake_rival {
    EFI_DRIVER_BINDING_PROTOCOL binding; /* first; Version 0x10, which tests may change */
    EFI_COMPONENT_NAME2_PROTOCOL names;
    struct fake_firmware *firmware;
    CHAR16 *name;
    bool refuses_to_stop;
    void (*in_stop)(void *context); /* called first in each Stop; NULL: none */
    void *context;
    unsigned starts;
    unsigned stop_calls;
    unsigned stops; /* of controllers */
};

/* Lives as long as the firmware. NULL: it has no ComponentName2. */
struct fake_rival *fake_rival_new(struct fake_firmware *firmware, CHAR16 *name);

/* The child with SNP that it has on `controller`; NULL: none. */
EFI_HANDLE fake_rival_child(struct fake_rival *rival, EFI_HANDLE controller);

/* A handle whose only protocol is a path: that of `parent` and one more node. */
EFI_HANDLE fake_rival_handle_below(struct fake_rival *rival, EFI_HANDLE parent);

#endif
