/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The wire between the driver and the fake. It hooks PciIo and Stall, counts accesses, and before
 * each access, wait and load of shared memory asks the fuzzer what the device does at that moment.
 * Loads are seen because src/ is built with -fsanitize-coverage=trace-loads, so a device can act
 * between two loads of the same word.
 */
#ifndef WIRE_H
#define WIRE_H

#include "fixture.h"
#include "fuzz.h"

/* No call of the driver may take longer on the fake's clock, or access more registers. The longest
 * is the extended diagnostics: three resets of just under 5 s each, a second for the slots, and
 * commands of just under 200 ms each (the first that is late is the last). */
#define WIRE_CALL_US_MAX 22000000u
#define WIRE_CALL_ACCESSES_MAX 40000u

#define WIRE_SHARED_MAX 16u

/* The location of a reading: in a BAR, or in configuration space. */
#define WIRE_CONFIG 0xffu
#define WIRE_PLACE(space, offset) ((uint64_t)(space) << 32 | (uint32_t)(offset))

/* Memory that the device can reach. */
struct wire_memory {
    void *token;
    uint8_t *bytes;
    size_t length;
};

struct wire {
    struct fake_firmware *firmware;
    struct fake_pci_function *function;
    EFI_PCI_IO_PROTOCOL real;
    EFI_STALL real_stall;
    struct wire_memory shared[WIRE_SHARED_MAX];
    unsigned shared_count;
    unsigned accesses; /* of the current call */
    uint64_t call_start_us;
    unsigned calls_max; /* that are made between begin and end; 1, unless it is set */
    bool is_in_call;
    bool is_in_hook;

    /* Called only during the driver's calls, and never recursively. */
    void (*before)(void *context);
    void (*after_read)(void *context, uint64_t place, void *value, size_t bytes);
    void *context;
};

/* One at a time. Lasts until the firmware is freed, and wire_fini. */
void wire_init(struct wire *wire, struct fake_device *device);
void wire_fini(void);

/* Around each call of the driver. Each access and each wait claims that the bounds are kept; the
 * end also claims that the TPL is unchanged. */
void wire_begin(struct wire *wire);
void wire_end(struct wire *wire, const char *what);

#endif
