/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A firmware with one or more NICs for a unit test:
 *
 *     struct fake_fixture fixture;
 *
 *     fake_fixture_init(&fixture, 1, NULL);
 *     ...
 *     fake_fixture_fini(&fixture);
 *
 * or as a cmocka setup and teardown: cmocka_unit_test_setup_teardown(test, fake_setup,
 * fake_teardown), with *state a struct fake_fixture of one transitional device.
 */
#ifndef FAKE_FIXTURE_H
#define FAKE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "firmware.h"
#include "pci_io.h"
#include "report.h"
#include "virtio_net_device.h"

#define FAKE_FIXTURE_DEVICES_MAX 32u

struct fake_fixture {
    struct fake_firmware *firmware;
    struct fake_device *device; /* the first */
    struct fake_device *devices[FAKE_FIXTURE_DEVICES_MAX];
    unsigned device_count;
};

/* All devices have the same options (NULL: the defaults), each with its own MAC and slot. The
 * nth fallible firmware call fails. */
static inline void fake_fixture_init_failing(struct fake_fixture *fixture, unsigned nth,
                                             unsigned device_count,
                                             const struct fake_device_options *options)
{
    *fixture =
        (struct fake_fixture){.firmware = fake_firmware_new(nth), .device_count = device_count};
    for (unsigned i = 0; i < device_count; i++)
        fixture->devices[i] = fake_device_new(fixture->firmware, options);
    fixture->device = fixture->devices[0];
    fake_firmware_baseline(fixture->firmware);
}

static inline void fake_fixture_init(struct fake_fixture *fixture, unsigned device_count,
                                     const struct fake_device_options *options)
{
    fake_fixture_init_failing(fixture, 0, device_count, options);
}

static inline void fake_fixture_fini(struct fake_fixture *fixture)
{
    fake_firmware_free(fixture->firmware);
    *fixture = (struct fake_fixture){0};
}

static inline int fake_setup(void **state)
{
    struct fake_fixture *fixture = malloc(sizeof(*fixture));

    fake_fixture_init(fixture, 1, NULL);
    *state = fixture;
    return 0;
}

static inline int fake_teardown(void **state)
{
    struct fake_fixture *fixture = *state;

    fake_fixture_fini(fixture);
    free(fixture);
    return 0;
}

#endif
