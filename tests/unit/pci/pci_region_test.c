/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Regions of a BAR: found by address, kept within bounds, accessed with the
 * register's own width. Every access is logged; the fake PciIo reports one that
 * leaves its BAR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "access_log.h"
#include "firmware.h"
#include "pci/pci_region.h"
#include "pci_io.h"
#include "uefi_ext/pci_bar.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOG_LENGTH 16u

/* A function whose bytes tell their offset and forget what is written. */
struct board {
    struct fake_firmware *firmware;
    struct fake_pci_function *function;
    EFI_PCI_IO_PROTOCOL *pci_io;
    struct access log[LOG_LENGTH];
    unsigned count;
};

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset ^ 0x5a);
}

static uint64_t value_at(uint64_t offset, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = width; i-- > 0;)
        value = value << 8 | byte_at(offset + i);
    return value;
}

static void note(struct board *board, struct access access)
{
    assert_true(board->count < LOG_LENGTH);
    board->log[board->count++] = access;
}

static uint64_t read_register(void *context, unsigned bar, uint64_t offset, unsigned width)
{
    note(context, (struct access){'r', bar, offset, width, 0});
    return value_at(offset, width);
}

static void write_register(void *context, unsigned bar, uint64_t offset, unsigned width,
                           uint64_t value)
{
    note(context, (struct access){'w', bar, offset, width, value});
}

static const struct fake_pci_operations operations = {
    .read = read_register,
    .write = write_register,
};

static const struct fake_bar io_bar = {.base = 0x6000, .size = 0x40, .is_io = true};
static const struct fake_bar memory_bar = {.base = 0x80000000, .size = 0x1000};
static const struct fake_bar wide_bar = {
    .base = 0x12345678000, .size = 0x4000, .is_64bit = true, .is_prefetchable = true};

static void board_init(struct board *board, const struct fake_pci_options *options)
{
    struct fake_pci_options decoding = *options;

    decoding.initial_attributes = EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY;
    *board = (struct board){.firmware = fake_firmware_new(0)};
    board->function = fake_pci_function_new(board->firmware, &decoding, &operations, board);
    board->pci_io = &board->function->protocol;
    fake_firmware_baseline(board->firmware);
}

static void board_fini(struct board *board)
{
    fake_firmware_assert_nothing_leaked(board->firmware);
    fake_firmware_free(board->firmware);
}

/* QEMU's transitional device. */
static const struct fake_pci_options usual = {.bars = {io_bar, memory_bar, [4] = wide_bar}};

static int setup(void **state)
{
    static struct board board;

    board_init(&board, &usual);
    *state = &board;
    return 0;
}

static int teardown(void **state)
{
    board_fini(*state);
    return 0;
}

static struct pci_region region_of(struct board *board, uint8_t bar, uint64_t offset,
                                   uint64_t length_bytes)
{
    struct pci_region region;

    assert_int_equal(pci_region_init(&region, board->pci_io, bar, offset, length_bytes),
                     EFI_SUCCESS);
    return region;
}

/* ---- one register ---- */

static EFI_STATUS read_width(const struct pci_region *region, unsigned width, uint64_t offset,
                             uint64_t *ret_value)
{
    uint8_t narrow = 0;
    uint16_t middle = 0;
    uint32_t wide = 0;
    EFI_STATUS status = width == 1   ? pci_region_read8(region, offset, &narrow)
                        : width == 2 ? pci_region_read16(region, offset, &middle)
                                     : pci_region_read32(region, offset, &wide);

    *ret_value = width == 1 ? narrow : width == 2 ? middle : wide;
    return status;
}

static EFI_STATUS write_width(const struct pci_region *region, unsigned width, uint64_t offset,
                              uint64_t value)
{
    return width == 1   ? pci_region_write8(region, offset, (uint8_t)value)
           : width == 2 ? pci_region_write16(region, offset, (uint16_t)value)
                        : pci_region_write32(region, offset, (uint32_t)value);
}

/* holds: virtio.registers.width */
static void a_register_is_read_in_one_access_of_its_width(void **state)
{
    static const uint8_t bars[] = {0, 1, 4};
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(bars); i++) {
        struct pci_region region = region_of(board, bars[i], 0x10, 0x30);

        for (unsigned width = 1; width <= 4; width *= 2) {
            uint64_t value;

            board->count = 0;
            assert_int_equal(read_width(&region, width, 8, &value), EFI_SUCCESS);
            assert_int_equal(value, value_at(0x18, width));
            ASSERT_LOG(board, {'r', bars[i], 0x18, width, 0});
        }
    }
}

static void a_register_is_written_in_one_access_of_its_width(void **state)
{
    static const uint8_t bars[] = {0, 1, 4};
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(bars); i++) {
        struct pci_region region = region_of(board, bars[i], 0x10, 0x30);

        for (unsigned width = 1; width <= 4; width *= 2) {
            uint64_t value = value_at(0x77, width);

            board->count = 0;
            assert_int_equal(write_width(&region, width, 8, value), EFI_SUCCESS);
            ASSERT_LOG(board, {'w', bars[i], 0x18, width, value});
        }
    }
}

static void no_access_leaves_its_region_or_is_misaligned(void **state)
{
    static const struct {
        uint64_t region_offset; /* in BAR 1 of 0x1000 bytes */
        uint64_t length_bytes;
        uint64_t offset;
        unsigned width;
        bool is_allowed;
    } cases[] = {
        {0x10, 8, 7, 1, true},
        {0x10, 8, 8, 1, false},
        {0x10, 8, 6, 2, true},
        {0x10, 8, 7, 2, false},
        {0x10, 8, 8, 2, false},
        {0x10, 8, 4, 4, true},
        {0x10, 8, 5, 4, false},
        {0x10, 8, 6, 4, false},
        {0x10, 8, 8, 4, false},
        {0x10, 8, 2, 4, false},
        {0x10, 7, 6, 2, false},
        {0x10, 3, 0, 4, false},
        {0x10, 1, 0, 2, false},
        {0x11, 8, 0, 1, true},
        {0x11, 8, 0, 2, false}, /* what counts is the place in the BAR */
        {0x11, 8, 1, 2, true},
        {0x11, 8, 3, 4, true},
        {0x12, 8, 0, 4, false},
        {0xff8, 8, 4, 4, true},
        {0xff8, 8, 8, 4, false},
        {0x10, 8, UINT64_MAX, 1, false},
        {0x10, 8, UINT64_MAX - 1, 2, false},
        {0x10, 8, UINT64_MAX - 3, 4, false},
        {0x10, 8, UINT64_MAX - 0xf, 4, false}, /* wraps to the start of the BAR */
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pci_region region =
            region_of(board, 1, cases[i].region_offset, cases[i].length_bytes);
        EFI_STATUS expected = cases[i].is_allowed ? EFI_SUCCESS : EFI_UNSUPPORTED;
        struct pci_register doorbell;
        uint64_t value;

        board->count = 0;
        assert_int_equal(read_width(&region, cases[i].width, cases[i].offset, &value), expected);
        assert_int_equal(write_width(&region, cases[i].width, cases[i].offset, 0), expected);
        assert_int_equal(board->count, cases[i].is_allowed ? 2 : 0);
        if (cases[i].width == 2)
            assert_int_equal(pci_region_register16(&region, cases[i].offset, 0, &doorbell),
                             expected);
        if (cases[i].width == 4)
            assert_int_equal(pci_region_register32(&region, cases[i].offset, 0, &doorbell),
                             expected);
    }
}

/* holds: virtio.registers.halves */
static void a_64_bit_register_is_written_low_half_first(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x20, 0x20);

    assert_int_equal(pci_region_write64(&region, 8, 0x1122334455667788), EFI_SUCCESS);
    ASSERT_LOG(board, {'w', 4, 0x28, 4, 0x55667788}, {'w', 4, 0x2c, 4, 0x11223344});
}

static void a_failed_low_half_is_the_end_of_a_64_bit_write(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x20, 0x20);

    fake_firmware_fail_nth(board->firmware, 1);
    assert_int_equal(pci_region_write64(&region, 8, 1), EFI_DEVICE_ERROR);
    assert_int_equal(board->count, 0);
}

static void a_failed_access_is_passed_on(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 1, 0, 0x10);
    uint8_t bytes[8];

    fake_firmware_fail_from(board->firmware, 1);
    for (unsigned width = 1; width <= 4; width *= 2) {
        uint64_t value;

        assert_int_equal(read_width(&region, width, 0, &value), EFI_DEVICE_ERROR);
        assert_int_equal(write_width(&region, width, 0, 0), EFI_DEVICE_ERROR);
    }
    assert_int_equal(pci_region_read(&region, 0, 1, 8, bytes), EFI_DEVICE_ERROR);
    fake_firmware_fail_nth(board->firmware, 2);
    assert_int_equal(pci_region_write64(&region, 0, 0), EFI_DEVICE_ERROR);
}

static void a_resolved_register_is_written_with_its_value_and_nothing_else(void **state)
{
    static const uint8_t bars[] = {0, 1, 4};
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(bars); i++) {
        struct pci_region region = region_of(board, bars[i], 0x20, 0x10);
        struct pci_register doorbell;

        board->count = 0;
        assert_int_equal(pci_region_register16(&region, 6, 0xabcd, &doorbell), EFI_SUCCESS);
        assert_int_equal(board->count, 0);
        pci_register_write16(&doorbell);
        ASSERT_LOG(board, {'w', bars[i], 0x26, 2, 0xabcd});
    }
}

/* holds: virtio.registers.data */
static void a_resolved_pair_is_written_in_one_access_of_32_bits(void **state)
{
    static const uint8_t bars[] = {0, 1, 4};
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(bars); i++) {
        struct pci_region region = region_of(board, bars[i], 0x20, 0x10);
        struct pci_register doorbell;

        board->count = 0;
        assert_int_equal(pci_region_register32(&region, 8, 0xabcd, &doorbell), EFI_SUCCESS);
        assert_int_equal(board->count, 0);
        pci_register_write32(&doorbell, 0x1234);
        ASSERT_LOG(board, {'w', bars[i], 0x28, 4, 0x1234abcd});
    }
}

/* ---- many registers ---- */

static void a_field_is_read_in_accesses_of_the_width_asked_for(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x2000, 0x20);

    for (unsigned width = 1; width <= 4; width *= 2) {
        uint8_t bytes[9] = {[8] = 0xee};

        board->count = 0;
        assert_int_equal(pci_region_read(&region, 4, width, 8, bytes), EFI_SUCCESS);
        assert_int_equal(board->count, 8 / width);
        for (unsigned i = 0; i < board->count; i++) {
            assert_int_equal(board->log[i].width, width);
            assert_int_equal(board->log[i].offset, 0x2004 + i * width);
        }
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(bytes[i], byte_at(0x2004 + i));
        assert_int_equal(bytes[8], 0xee);
    }
}

static void a_field_that_crosses_the_end_is_refused(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 4, 0x2000, 6);
    uint8_t bytes[8];

    assert_int_equal(pci_region_read(&region, 0, 1, 6, bytes), EFI_SUCCESS);
    assert_int_equal(pci_region_read(&region, 1, 1, 6, bytes), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_read(&region, 6, 2, 2, bytes), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_read(&region, 4, 4, 4, bytes), EFI_UNSUPPORTED);
}

static void an_empty_region_has_no_register(void **state)
{
    struct pci_region region = {0};
    struct pci_register doorbell;
    uint8_t byte;

    (void)state;
    assert_int_equal(pci_region_read8(&region, 0, &byte), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_write8(&region, 0, 0), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_read(&region, 0, 1, 1, &byte), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_register16(&region, 0, 0, &doorbell), EFI_UNSUPPORTED);
}

/* ---- finding a BAR ---- */

static void a_bar_is_found_however_pci_io_counts(void **state)
{
    static const struct {
        struct fake_pci_options options;
        uint8_t bar;
        uint8_t index; /* PciIo's */
        bool is_io;
        uint64_t length_bytes;
    } cases[] = {
        {{.bars = {io_bar, memory_bar, [4] = wide_bar}}, 0, 0, true, 0x40},
        {{.bars = {io_bar, memory_bar, [4] = wide_bar}}, 1, 1, false, 0x1000},
        {{.bars = {io_bar, memory_bar, [4] = wide_bar}}, 4, 4, false, 0x4000},
        {{.bars = {wide_bar, [2] = memory_bar, io_bar}, .compressed_bar_index = true},
         0,
         0,
         false,
         0x4000},
        {{.bars = {wide_bar, [2] = memory_bar, io_bar}, .compressed_bar_index = true},
         2,
         1,
         false,
         0x1000},
        {{.bars = {wide_bar, [2] = memory_bar, io_bar}, .compressed_bar_index = true},
         3,
         2,
         true,
         0x40},
        {{.bars = {wide_bar, [2] = {.base = 0x900000000, .size = 0x2000, .is_64bit = true},
                   [4] = memory_bar, io_bar},
          .compressed_bar_index = true},
         5,
         3,
         true,
         0x40},
        /* Equal numbers in the two address spaces */
        {{.bars = {{.base = 0x6000, .size = 0x80}, io_bar}}, 1, 1, true, 0x40},
        {{.bars = {io_bar, {.base = 0x6000, .size = 0x80}}}, 1, 1, false, 0x80},
        {{.bars = {[5] = memory_bar}}, 5, 5, false, 0x1000},
        /* Equal low halves */
        {{.bars = {{.base = 0x80000000, .size = 0x10},
                   [2] = {.base = 0x180000000, .size = 0x20, .is_64bit = true}}},
         2,
         2,
         false,
         0x20},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pci_region region;
        struct board board;
        uint8_t byte;

        board_init(&board, &cases[i].options);
        assert_int_equal(pci_region_init_whole(&region, board.pci_io, cases[i].bar), EFI_SUCCESS);
        assert_int_equal(region.bar_index, cases[i].index);
        assert_int_equal(region.offset, 0);
        assert_int_equal(region.length_bytes, cases[i].length_bytes);
        assert_int_equal(pci_region_is_io(&region), cases[i].is_io);
        assert_int_equal(pci_region_read8(&region, 3, &byte), EFI_SUCCESS);
        ASSERT_LOG(&board, {'r', cases[i].bar, 3, 1, 0});
        board_fini(&board);
    }
}

static void a_bar_that_is_not_implemented_is_refused(void **state)
{
    static const uint8_t bars[] = {2, 3, 5}; /* 5 is the upper half of 4 */
    struct board *board = *state;
    struct pci_region region = {.length_bytes = 0x1234};

    for (size_t i = 0; i < COUNT(bars); i++) {
        assert_int_equal(pci_region_init(&region, board->pci_io, bars[i], 0, 1), EFI_NO_MAPPING);
        assert_int_equal(pci_region_init_whole(&region, board->pci_io, bars[i]), EFI_NO_MAPPING);
        assert_int_equal(region.length_bytes, 0x1234);
    }
}

/* holds: virtio.discovery.no_address */
static void a_bar_whose_address_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct fake_bar bar;
        EFI_STATUS status;
    } cases[] = {
        {"ports at 0", {.base = 0, .size = 0x40, .is_io = true}, EFI_NO_MAPPING},
        {"memory at 0", {.base = 0, .size = 0x1000}, EFI_NO_MAPPING},
        {"64 bits at 0", {.base = 0, .size = 0x1000, .is_64bit = true}, EFI_NO_MAPPING},
        {"all ones", {.base = 0xfffffffc, .size = 4, .is_io = true}, EFI_NO_MAPPING},
        {"ports, being sized", {.base = 0xffffffc0, .size = 0x40, .is_io = true}, EFI_NO_MAPPING},
        {"memory, being sized", {.base = 0xfffff000, .size = 0x1000}, EFI_NO_MAPPING},
        {"64 bits, being sized",
         {.base = UINT64_MAX - 0xfff, .size = 0x1000, .is_64bit = true},
         EFI_NO_MAPPING},
        {"no such ports", {.base = 0x10000, .size = 0x40, .is_io = true}, EFI_NO_MAPPING},
        {"beyond the ports", {.base = 0xffe0, .size = 0x40, .is_io = true}, EFI_NO_MAPPING},
        {"the last ports", {.base = 0xffc0, .size = 0x40, .is_io = true}, EFI_SUCCESS},
        {"the first ports", {.base = 0x40, .size = 0x40, .is_io = true}, EFI_SUCCESS},
        {"beyond 32 bits", {.base = 0xffffe000, .size = 0x4000}, EFI_NO_MAPPING},
        {"the end of 32 bits", {.base = 0xffffe000, .size = 0x1000}, EFI_SUCCESS},
        {"longer than 32 bits", {.base = 0x80000000, .size = 0x100000000}, EFI_NO_MAPPING},
        {"longer than 64 bits",
         {.base = 0x800000000, .size = UINT64_MAX - 0xf, .is_64bit = true},
         EFI_NO_MAPPING},
        {"over 4 GiB", {.base = 0xffffe000, .size = 0x4000, .is_64bit = true}, EFI_SUCCESS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fake_pci_options options = {.bars = {cases[i].bar}};
        struct pci_region region;
        struct board board;

        board_init(&board, &options);
        if (pci_region_init(&region, board.pci_io, 0, 0, 4) != cases[i].status ||
            pci_region_init_whole(&region, board.pci_io, 0) != cases[i].status)
            fail_msg("%s", cases[i].name);
        board_fini(&board);
    }
}

/* holds: virtio.discovery.malformed */
static void a_region_has_to_lie_within_its_bar(void **state)
{
    static const struct {
        uint64_t offset; /* in BAR 4 of 0x4000 bytes */
        uint64_t length_bytes;
        bool is_allowed;
    } cases[] = {
        {0, 0x4000, true},
        {0x3fff, 1, true},
        {0x1000, 0x3000, true},
        {0, 0, false},
        {0x1000, 0, false},
        {0, 0x4001, false},
        {0x1000, 0x3001, false},
        {0x4000, 0, false},
        {0x4000, 1, false},
        {0x4001, 1, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX, 2, false},
        {1, UINT64_MAX, false},
        {0x1000, UINT64_MAX - 0xfff, false},
        {UINT64_MAX - 0xfff, 0x1000, false},
        {0xfffff000, 0x2000, false},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pci_region region = {.length_bytes = 0x1234};
        EFI_STATUS status =
            pci_region_init(&region, board->pci_io, 4, cases[i].offset, cases[i].length_bytes);

        assert_int_equal(status, cases[i].is_allowed ? EFI_SUCCESS : EFI_UNSUPPORTED);
        assert_int_equal(region.length_bytes, cases[i].is_allowed ? cases[i].length_bytes : 0x1234);
        if (cases[i].is_allowed)
            assert_int_equal(region.offset, cases[i].offset);
    }
}

/* What GetBarAttributes answers instead; NULL: the fake's own answer. */
static struct acpi_qword_address_space *told_descriptor;

static EFI_STATUS EFIAPI tell_descriptor(EFI_PCI_IO_PROTOCOL *this, UINT8 index,
                                         UINT64 *ret_supports, void **ret_resources)
{
    (void)this, (void)index, (void)ret_supports;
    *ret_resources = NULL;
    if (told_descriptor) {
        EFI_STATUS status =
            BS->AllocatePool(EfiBootServicesData, sizeof(*told_descriptor), ret_resources);

        if (EFI_ERROR(status))
            return status;
        memcpy(*ret_resources, told_descriptor, sizeof(*told_descriptor));
    }
    return EFI_SUCCESS;
}

/* UEFI 2.10, 14.4: tag and length as ACPI has them. No end tag follows: nothing looks there. */
#define DESCRIPTOR .tag = ACPI_QWORD_ADDRESS_SPACE_TAG, .length = 0x2b

static void the_address_is_translated_to_the_bus(void **state)
{
    struct acpi_qword_address_space descriptor = {
        DESCRIPTOR,
        .resource_type = ACPI_ADDRESS_SPACE_MEMORY,
        .range_min = memory_bar.base + 0x500000000, /* as the CPU sees it */
        .translation_offset = (uint64_t)-0x500000000,
        .range_length = 0x1000,
    };
    struct board *board = *state;
    struct pci_region region;

    board->pci_io->GetBarAttributes = tell_descriptor;
    told_descriptor = &descriptor;
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 1), EFI_SUCCESS);
    assert_int_equal(region.length_bytes, 0x1000);
}

/* The BAR reads as 0, so it has no address, even if the CPU would use another one. */
/* holds: virtio.discovery.no_address */
static void a_bar_at_bus_address_0_is_none_behind_a_translation(void **state)
{
    struct acpi_qword_address_space descriptor = {DESCRIPTOR, .range_min = 0x80000000,
                                                  .translation_offset = (uint64_t)-0x80000000ll,
                                                  .range_length = 0x1000};
    struct board *board = *state;
    struct pci_region region;

    board->pci_io->GetBarAttributes = tell_descriptor;
    told_descriptor = &descriptor;
    memset(&board->function->config[FAKE_PCI_BAR_REGISTER(1)], 0, 4);
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 1), EFI_NO_MAPPING);
}

/* holds: virtio.discovery.no_address */
static void a_descriptor_of_another_kind_is_refused_and_freed(void **state)
{
    static struct acpi_qword_address_space descriptors[] = {
        {.tag = 0x87, .length = 0x2b, .range_min = 0x80000000, .range_length = 0x1000}, /* DWORD */
        {.tag = 0x79, .length = 0x2b, .range_min = 0x80000000, .range_length = 0x1000}, /* end */
        {DESCRIPTOR, .range_min = 0x80000000},                                          /* empty */
        {DESCRIPTOR, .range_min = 0x80000010, .range_length = 0x1000},
        {DESCRIPTOR, .resource_type = ACPI_ADDRESS_SPACE_IO, .range_min = 0x80000000,
         .range_length = 0x1000},
        {DESCRIPTOR, .resource_type = 2, .range_min = 0x80000000, .range_length = 0x1000}, /* bus */
        {.tag = 0x8a, .length = 0x2a, .range_min = 0x80000000, .range_length = 0x1000},
        {.tag = 0x8a, .length = 0, .range_min = 0x80000000, .range_length = 0x1000},
        /* The CPU would find RAM there. */
        {DESCRIPTOR, .translation_offset = 0x80000000, .range_length = 0x1000},
        {DESCRIPTOR, .range_min = 0x80000000, .range_length = UINT64_MAX},
    };
    struct board *board = *state;
    struct pci_region region;

    board->pci_io->GetBarAttributes = tell_descriptor;
    for (size_t i = 0; i < COUNT(descriptors); i++) {
        told_descriptor = &descriptors[i];
        if (pci_region_init_whole(&region, board->pci_io, 1) != EFI_NO_MAPPING)
            fail_msg("descriptor %zu", i);
    }
}

static void no_descriptor_at_all_is_refused(void **state)
{
    struct acpi_qword_address_space descriptor = {DESCRIPTOR, .range_min = 0x80000000,
                                                  .range_length = 0x1000};
    struct board *board = *state;
    struct pci_region region;

    board->pci_io->GetBarAttributes = tell_descriptor;
    told_descriptor = &descriptor;
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 1), EFI_SUCCESS);
    told_descriptor = NULL; /* and what was told before does not count any more */
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 1), EFI_NO_MAPPING);
}

/* There is no register for its upper half, and half an address is no address. */
static void the_last_bar_register_has_no_upper_half(void **state)
{
    const uint32_t claims_64_bits = 0x80000004;
    struct acpi_qword_address_space descriptor = {DESCRIPTOR, .range_min = 0x80000000,
                                                  .range_length = 0x1000};
    struct board *board = *state;
    struct pci_region region;

    board->pci_io->GetBarAttributes = tell_descriptor;
    told_descriptor = &descriptor;
    memcpy(&board->function->config[FAKE_PCI_BAR_REGISTER(5)], &memory_bar.base, 4);
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 5), EFI_SUCCESS);
    memcpy(&board->function->config[FAKE_PCI_BAR_REGISTER(5)], &claims_64_bits, 4);
    assert_int_equal(pci_region_init_whole(&region, board->pci_io, 5), EFI_NO_MAPPING);
}

static void a_failed_look_at_configuration_space_is_passed_on(void **state)
{
    struct board *board = *state;
    struct pci_region region;

    fake_firmware_fail_nth(board->firmware, 1);
    assert_int_equal(pci_region_init(&region, board->pci_io, 4, 0, 1), EFI_DEVICE_ERROR);
}

/* ---- tail ---- */

static void a_tail_starts_behind_what_is_left_away_and_ends_where_the_region_does(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 0, 0x4, 0x3c);
    struct pci_region tail;
    uint8_t byte;

    assert_int_equal(pci_region_tail(&region, 0x10, &tail), EFI_SUCCESS);
    assert_int_equal(pci_region_read8(&tail, 0, &byte), EFI_SUCCESS);
    ASSERT_LOG(board, {'r', 0, 0x14, 1, 0});
    assert_int_equal(pci_region_read8(&tail, 0x2b, &byte), EFI_SUCCESS);
    assert_int_equal(pci_region_read8(&tail, 0x2c, &byte), EFI_UNSUPPORTED);
}

static void a_tail_of_nothing_is_refused(void **state)
{
    struct board *board = *state;
    struct pci_region region = region_of(board, 0, 0, 0x14);
    struct pci_region tail = {.length_bytes = 0x1234};

    assert_int_equal(pci_region_tail(&region, 0x14, &tail), EFI_UNSUPPORTED);
    assert_int_equal(pci_region_tail(&region, 0x18, &tail), EFI_UNSUPPORTED);
    assert_int_equal(tail.length_bytes, 0x1234);
    assert_int_equal(pci_region_tail(&region, 0x13, &tail), EFI_SUCCESS);
    assert_int_equal(tail.length_bytes, 1);
}

#define WITH_BOARD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOARD(a_register_is_read_in_one_access_of_its_width),
        WITH_BOARD(a_register_is_written_in_one_access_of_its_width),
        WITH_BOARD(no_access_leaves_its_region_or_is_misaligned),
        WITH_BOARD(a_64_bit_register_is_written_low_half_first),
        WITH_BOARD(a_failed_low_half_is_the_end_of_a_64_bit_write),
        WITH_BOARD(a_failed_access_is_passed_on),
        WITH_BOARD(a_resolved_register_is_written_with_its_value_and_nothing_else),
        WITH_BOARD(a_resolved_pair_is_written_in_one_access_of_32_bits),
        WITH_BOARD(a_field_is_read_in_accesses_of_the_width_asked_for),
        WITH_BOARD(a_field_that_crosses_the_end_is_refused),
        cmocka_unit_test(an_empty_region_has_no_register),
        cmocka_unit_test(a_bar_is_found_however_pci_io_counts),
        WITH_BOARD(a_bar_that_is_not_implemented_is_refused),
        cmocka_unit_test(a_bar_whose_address_makes_no_sense_is_refused),
        WITH_BOARD(a_region_has_to_lie_within_its_bar),
        WITH_BOARD(the_address_is_translated_to_the_bus),
        WITH_BOARD(a_bar_at_bus_address_0_is_none_behind_a_translation),
        WITH_BOARD(a_descriptor_of_another_kind_is_refused_and_freed),
        WITH_BOARD(no_descriptor_at_all_is_refused),
        WITH_BOARD(the_last_bar_register_has_no_upper_half),
        WITH_BOARD(a_failed_look_at_configuration_space_is_passed_on),
        WITH_BOARD(a_tail_starts_behind_what_is_left_away_and_ends_where_the_region_does),
        WITH_BOARD(a_tail_of_nothing_is_refused),
    };

    return cmocka_run_group_tests_name("pci_region", tests, NULL, NULL);
}
