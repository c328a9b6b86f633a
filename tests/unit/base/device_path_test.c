/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Who lies below whom in the tree of devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/device_path.h"

#define PCI(device) 1, 1, 6, 0, 0, device
#define MAC(first) 3, 11, 8, 0, first, 0, 0, 1
#define INSTANCE_END 0x7f, 1, 4, 0
#define END 0x7f, 0xff, 4, 0
#define PATH(...) ((const EFI_DEVICE_PATH *)(const uint8_t[]){__VA_ARGS__})

static void bytes_are_those_in_front_of_the_end_node(void **state)
{
    uint8_t longer[0x104 + 4] = {4, 3, 0x04, 0x01};

    (void)state;
    longer[0x104] = 0x7f;
    longer[0x105] = 0xff;
    longer[0x106] = 4;
    assert_int_equal(0, device_path_bytes(PATH(END)));
    assert_int_equal(6, device_path_bytes(PATH(PCI(2), END)));
    assert_int_equal(14, device_path_bytes(PATH(PCI(2), MAC(0x52), END)));
    assert_int_equal(0x104, device_path_bytes((const EFI_DEVICE_PATH *)longer));
}

static void an_instance_end_does_not_end_the_path(void **state)
{
    (void)state;
    assert_int_equal(16, device_path_bytes(PATH(PCI(2), INSTANCE_END, PCI(3), END)));
}

static void a_path_with_more_nodes_is_below(void **state)
{
    (void)state;
    assert_true(device_path_is_below(PATH(PCI(2), MAC(0x52), END), PATH(PCI(2), END)));
    assert_true(device_path_is_below(PATH(PCI(2), PCI(0), MAC(0x52), END), PATH(PCI(2), END)));
    assert_true(device_path_is_below(PATH(PCI(2), END), PATH(END)));
}

static void a_path_is_below_itself(void **state)
{
    (void)state;
    assert_true(device_path_is_below(PATH(PCI(2), END), PATH(PCI(2), END)));
}

static void a_parent_is_not_below_its_child(void **state)
{
    (void)state;
    assert_false(device_path_is_below(PATH(PCI(2), END), PATH(PCI(2), MAC(0x52), END)));
    assert_false(device_path_is_below(PATH(END), PATH(PCI(2), END)));
}

static void a_neighbour_is_not_below(void **state)
{
    (void)state;
    assert_false(device_path_is_below(PATH(PCI(3), MAC(0x52), END), PATH(PCI(2), END)));
    assert_false(device_path_is_below(PATH(PCI(2), MAC(0x52), END), PATH(PCI(2), MAC(0x54), END)));
}

static void a_node_shorter_than_its_header_ends_the_walk(void **state)
{
    (void)state;
    for (uint8_t length = 0; length < 4; length++) {
        const uint8_t bytes[] = {PCI(2), 1, 1, length, 0, END};
        const EFI_DEVICE_PATH *path = (const EFI_DEVICE_PATH *)bytes;

        assert_int_equal(0, device_path_bytes(path));
        assert_false(device_path_is_below(path, PATH(PCI(2), END)));
        assert_false(device_path_is_below(path, PATH(END)));
        assert_false(device_path_is_below(PATH(PCI(2), END), path));
        assert_false(device_path_is_below(path, path));
    }
}

/* AddressSanitizer sees a step beyond. */
static void a_path_without_an_end_is_followed_for_64_kib(void **state)
{
    static const uint8_t lengths[] = {4, 5, 6, 255};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths); i++) {
        uint8_t *bytes = malloc(DEVICE_PATH_BYTES_MAX);

        for (size_t at = 0; at < DEVICE_PATH_BYTES_MAX; at++)
            bytes[at] = (uint8_t[]){1, 1, lengths[i], 0}[at % lengths[i] % 4];
        assert_int_equal(0, device_path_bytes((const EFI_DEVICE_PATH *)bytes));
        assert_false(device_path_is_below((const EFI_DEVICE_PATH *)bytes, PATH(END)));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_in_front_of_the_end_node),
        cmocka_unit_test(an_instance_end_does_not_end_the_path),
        cmocka_unit_test(a_path_with_more_nodes_is_below),
        cmocka_unit_test(a_path_is_below_itself),
        cmocka_unit_test(a_parent_is_not_below_its_child),
        cmocka_unit_test(a_neighbour_is_not_below),
        cmocka_unit_test(a_node_shorter_than_its_header_ends_the_walk),
        cmocka_unit_test(a_path_without_an_end_is_followed_for_64_kib),
    };

    return cmocka_run_group_tests_name("device_path", tests, NULL, NULL);
}
