/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Another driver for virtio NICs: it has PciIo open BY_DRIVER and one child with SNP
 * and a path behind it, as the firmware's own driver and an option ROM's do.
 */
#ifndef FAKE_RIVAL_H
#define FAKE_RIVAL_H

#include "firmware.h"

struct fake_rival {
    EFI_DRIVER_BINDING_PROTOCOL binding; /* first; Version 0x10, the test's to change */
    EFI_COMPONENT_NAME2_PROTOCOL names;
    struct fake_firmware *firmware;
    CHAR16 *name;
    bool refuses_to_stop;
    void (*in_stop)(void *context); /* called in each Stop before it does anything; NULL: none */
    void *context;
    unsigned starts;
    unsigned stop_calls;
    unsigned stops; /* of controllers */
};

/* Lives as long as the firmware. NULL: it has no ComponentName2. */
struct fake_rival *fake_rival_new(struct fake_firmware *firmware, CHAR16 *name);

/* The child with SNP that it has on `controller`; NULL: none. */
EFI_HANDLE fake_rival_child(struct fake_rival *rival, EFI_HANDLE controller);

/* A handle without any protocol but a path: that of `parent` and one node more. */
EFI_HANDLE fake_rival_handle_below(struct fake_rival *rival, EFI_HANDLE parent);

#endif
