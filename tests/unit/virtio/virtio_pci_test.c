/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Finding a device's registers, and the exact accesses of both transports. The
 * function here is plain memory with a log; where the device has to be one, it is
 * the device model.
 */
#include "access_log.h"
#include "assert_status.h"
#include "fixture.h"
#include "pci/pci_capability.h"
#include "virtio/virtio_pci.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOG_LENGTH 256u
#define BAR_BYTES 0x4000u
#define MODERN_BAR 4u
#define ENOUGH_CALLS 5000u /* more firmware calls than any list of capabilities is worth */

/* Where the board has its modern regions. */
#define COMMON 0x100u
#define CONFIG 0x2000u
#define NOTIFY 0x3000u
#define GENERATION (COMMON + 21)

struct board {
    struct fake_firmware *firmware;
    struct fake_pci_function *function;
    EFI_PCI_IO_PROTOCOL *pci_io;
    uint8_t registers[FAKE_PCI_BAR_COUNT][BAR_BYTES];
    uint64_t features;
    uint64_t config_bar;    /* where the device configuration is */
    uint64_t config_offset; /* and from which offset on */
    unsigned changes_left;  /* the configuration changes at so many of its readings */
    struct access log[LOG_LENGTH];
    unsigned count;
};

static void note(struct board *board, struct access access)
{
    assert_true(board->count < LOG_LENGTH);
    board->log[board->count++] = access;
}

static void change_config(struct board *board)
{
    if (board->changes_left == 0)
        return;
    board->changes_left--;
    for (unsigned i = 0; i < 8; i++)
        board->registers[board->config_bar][board->config_offset + i]++;
    board->registers[MODERN_BAR][GENERATION]++;
}

static uint64_t read_register(void *context, unsigned bar, uint64_t offset, unsigned width)
{
    struct board *board = context;
    uint64_t value = 0;

    memcpy(&value, &board->registers[bar][offset], width);
    if (bar == MODERN_BAR && offset == COMMON + 4)
        value = (uint32_t)(board->features >> (32 * board->registers[bar][COMMON]));
    if (bar == board->config_bar && offset == board->config_offset)
        change_config(board);
    note(board, (struct access){'r', bar, offset, width, value});
    return value;
}

static void write_register(void *context, unsigned bar, uint64_t offset, unsigned width,
                           uint64_t value)
{
    struct board *board = context;

    memcpy(&board->registers[bar][offset], &value, width);
    note(board, (struct access){'w', bar, offset, width, value});
}

static const struct fake_pci_operations operations = {
    .read = read_register,
    .write = write_register,
};

static void put(struct board *board, unsigned offset, const void *bytes, size_t length)
{
    memcpy(&board->function->config[offset], bytes, length);
}

static void put16(struct board *board, unsigned offset, uint16_t value)
{
    put(board, offset, &value, sizeof(value));
}

static int board_setup(void **state)
{
    static struct board board;
    const struct fake_pci_options options = {
        .bars = {{.base = 0x6000, .size = 0x40, .is_io = true},
                 {.base = 0x80000000, .size = 0x1000},
                 [4] = {.base = 0x800000000, .size = BAR_BYTES, .is_64bit = true}},
    };

    memset(&board, 0, sizeof(board));
    board.firmware = fake_firmware_new(0);
    board.function = fake_pci_function_new(board.firmware, &options, &operations, &board);
    board.pci_io = &board.function->protocol;
    board.config_bar = MODERN_BAR;
    board.config_offset = CONFIG;
    put16(&board, 0x00, 0x1af4);
    put16(&board, 0x02, 0x1000);
    put16(&board, 0x06, 0x0010); /* has a capability list */
    put16(&board, 0x2e, 1);
    fake_firmware_baseline(board.firmware);
    *state = &board;
    return 0;
}

static int board_teardown(void **state)
{
    struct board *board = *state;

    fake_firmware_free(board->firmware);
    return 0;
}

/* ---- capability lists ---- */

struct capability {
    uint8_t id;
    uint8_t cap_len;
    uint8_t type;
    uint8_t bar;
    uint32_t offset;
    uint32_t length_bytes;
    uint32_t multiplier;
};

#define CAPABILITY_START 0x40u
#define CAPABILITY_STRIDE 0x18u
#define CAPABILITIES_MAX 8u

#define COMMON_CAP                                                                                 \
    {                                                                                              \
        9, 16, 1, 4, COMMON, 64, 0                                                                 \
    }
#define NOTIFY_CAP                                                                                 \
    {                                                                                              \
        9, 20, 2, 4, NOTIFY, 0x1000, 4                                                             \
    }
#define ISR_CAP                                                                                    \
    {                                                                                              \
        9, 16, 3, 4, 0x1000, 4, 0                                                                  \
    }
#define CONFIG_CAP                                                                                 \
    {                                                                                              \
        9, 16, 4, 4, CONFIG, 24, 0                                                                 \
    }
#define PCI_CFG_CAP                                                                                \
    {                                                                                              \
        9, 20, 5, 0, 0, 0, 0                                                                       \
    }

static const struct capability usual_capabilities[CAPABILITIES_MAX] = {
    COMMON_CAP, NOTIFY_CAP, ISR_CAP, CONFIG_CAP, PCI_CFG_CAP};

/* Up to the first with id 0. */
static void put_capabilities(struct board *board, const struct capability *capabilities)
{
    uint8_t link = 0x34;

    for (unsigned i = 0; i < CAPABILITIES_MAX && capabilities[i].id; i++) {
        const struct capability *each = &capabilities[i];
        uint8_t place = (uint8_t)(CAPABILITY_START + i * CAPABILITY_STRIDE);

        put(board, link, &place, 1);
        put(board, place, (uint8_t[]){each->id, 0, each->cap_len, each->type, each->bar}, 5);
        put(board, place + 8u, &each->offset, 4);
        put(board, place + 12u, &each->length_bytes, 4);
        put(board, place + 16u, &each->multiplier, 4);
        link = (uint8_t)(place + 1);
    }
}

/* ---- identity ---- */

/* holds: virtio.discovery.ids */
static void a_network_device_is_known_by_its_pci_identity_alone(void **state)
{
    static const struct {
        uint16_t vendor;
        uint16_t device;
        uint8_t revision;
        uint16_t subsystem;
        bool is_net;
    } cases[] = {
        {0x1af4, 0x1041, 1, 0x1100, true}, {0x1af4, 0x1041, 0, 1, true},
        {0x1af4, 0x1041, 0xff, 0, true},   {0x1af4, 0x1041, 1, 2, true},
        {0x1af4, 0x1000, 0, 1, true},      {0x1af4, 0x1000, 1, 1, true},
        {0x1af4, 0x1000, 0, 2, false},     {0x1af4, 0x1000, 0, 0, false},
        {0x1af4, 0x1000, 0, 0x101, false}, {0x1af4, 0x1001, 0, 1, false},
        {0x1af4, 0x1042, 1, 1, false},     {0x1af4, 0x1040, 1, 1, false},
        {0x1af5, 0x1041, 1, 1, false},     {0x8086, 0x1000, 0, 1, false},
        {0x8086, 0x1041, 0, 1, false},     {0xffff, 0xffff, 0xff, 0xffff, false},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        bool is_net = !cases[i].is_net;

        put16(board, 0x00, cases[i].vendor);
        put16(board, 0x02, cases[i].device);
        put(board, 0x08, &cases[i].revision, 1);
        put16(board, 0x2e, cases[i].subsystem);
        assert_int_equal(virtio_pci_is_net(board->pci_io, &is_net), EFI_SUCCESS);
        assert_int_equal(is_net, cases[i].is_net);
    }
    assert_int_equal(board->count, 0); /* no BAR was touched */
    fake_firmware_assert_nothing_leaked(board->firmware);
}

static void an_identity_that_cannot_be_read_is_no_answer(void **state)
{
    struct board *board = *state;
    bool is_net = true;

    for (unsigned nth = 1; nth <= 2; nth++) {
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(virtio_pci_is_net(board->pci_io, &is_net), EFI_DEVICE_ERROR);
        assert_true(is_net);
    }
}

/* ---- walking the list ---- */

static void the_walk_finds_each_capability_of_its_id_in_order(void **state)
{
    static const struct capability capabilities[CAPABILITIES_MAX] = {
        {.id = 1}, {.id = 9}, {.id = 0x11}, {.id = 9}, {.id = 9}, {.id = 5}};
    static const uint8_t expected[] = {0x58, 0x88, 0xa0, 0};
    struct board *board = *state;
    struct pci_capability_walk walk = {0};

    put_capabilities(board, capabilities);
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(pci_capability_next(board->pci_io, 9, &walk), EFI_SUCCESS);
        assert_int_equal(walk.position, expected[i]);
    }
}

static void the_walk_ends_where_it_has_to(void **state)
{
    static const struct {
        const char *name;
        uint16_t pci_status;
        uint8_t pointer;
        uint8_t at_40[2]; /* id, link */
        uint8_t at_fc[2];
        EFI_STATUS status;
        uint8_t position;
    } cases[] = {
        {"no list", 0x0000, 0x40, {9, 0}, {0}, EFI_SUCCESS, 0},
        {"no list, other bits", 0xffef, 0x40, {9, 0}, {0}, EFI_SUCCESS, 0},
        {"empty list", 0x0010, 0x00, {9, 0}, {0}, EFI_SUCCESS, 0},
        {"first", 0x0010, 0x40, {9, 0}, {0}, EFI_SUCCESS, 0x40},
        {"reserved bits of the pointer", 0x0010, 0x43, {9, 0}, {0}, EFI_SUCCESS, 0x40},
        {"reserved bits of a null pointer", 0x0010, 0x03, {9, 0}, {0}, EFI_SUCCESS, 0},
        {"reserved bits of a link", 0x0010, 0x40, {1, 0xff}, {9, 0}, EFI_SUCCESS, 0xfc},
        {"not found", 0x0010, 0x40, {1, 0}, {9, 0}, EFI_SUCCESS, 0},
        {"last place", 0x0010, 0x40, {1, 0xfc}, {9, 0}, EFI_SUCCESS, 0xfc},
        {"into the header", 0x0010, 0x3c, {9, 0}, {0}, EFI_UNSUPPORTED, 0},
        {"into the header's start", 0x0010, 0x04, {9, 0}, {0}, EFI_UNSUPPORTED, 0},
        {"back into the header", 0x0010, 0x40, {1, 0x34}, {0}, EFI_UNSUPPORTED, 0},
        {"onto itself", 0x0010, 0x40, {1, 0x40}, {0}, EFI_UNSUPPORTED, 0},
        {"in a circle", 0x0010, 0x40, {1, 0xfc}, {1, 0x40}, EFI_UNSUPPORTED, 0},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pci_capability_walk walk = {0};
        EFI_STATUS status;

        put16(board, 0x06, cases[i].pci_status);
        put(board, 0x34, &cases[i].pointer, 1);
        put(board, 0x40, cases[i].at_40, 2);
        put(board, 0xfc, cases[i].at_fc, 2);
        fake_firmware_fail_from(board->firmware, ENOUGH_CALLS);
        status = pci_capability_next(board->pci_io, 9, &walk);
        if (status != cases[i].status || walk.position != cases[i].position)
            fail_msg("%s: status %#llx, position %#x", cases[i].name, (unsigned long long)status,
                     walk.position);
    }
}

static void the_longest_list_that_fits_is_no_loop(void **state)
{
    struct board *board = *state;
    struct pci_capability_walk walk = {0};

    put(board, 0x34, (uint8_t[]){0x40}, 1);
    for (unsigned place = 0x40; place < 0xfc; place += 4)
        put(board, place, (uint8_t[]){1, (uint8_t)(place + 4)}, 2);
    put(board, 0xfc, (uint8_t[]){9, 0}, 2);
    assert_int_equal(pci_capability_next(board->pci_io, 9, &walk), EFI_SUCCESS);
    assert_int_equal(walk.position, 0xfc);
    assert_int_equal(pci_capability_next(board->pci_io, 9, &walk), EFI_SUCCESS);
    assert_int_equal(walk.position, 0);
}

static void a_walk_that_cannot_read_says_so(void **state)
{
    struct board *board = *state;

    put_capabilities(board, usual_capabilities);
    for (unsigned nth = 1; nth <= 3; nth++) { /* status, pointer, header */
        struct pci_capability_walk walk = {0};

        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(pci_capability_next(board->pci_io, 9, &walk), EFI_DEVICE_ERROR);
        assert_int_equal(walk.position, 0);
    }
}

/* ---- which transport, which regions ---- */

struct region_place {
    uint64_t offset;
    uint64_t length_bytes;
};

#define USUAL_PLACES                                                                               \
    {COMMON, 64}, {NOTIFY, 0x1000},                                                                \
    {                                                                                              \
        CONFIG, 24                                                                                 \
    }

/* Whether the common configuration can be reached, `count` times, and nothing else. */
static void assert_only_looks(const struct board *board, size_t count)
{
    assert_int_equal(board->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(board->log[i].kind, 'r');
        assert_int_equal(board->log[i].bar, MODERN_BAR);
        assert_int_equal(board->log[i].offset, COMMON + 20);
        assert_int_equal(board->log[i].width, 1);
    }
}

/* holds: virtio.discovery.capabilities */
static void the_first_usable_capability_of_each_kind_counts(void **state)
{
    static const struct {
        const char *name;
        struct capability capabilities[CAPABILITIES_MAX];
        struct region_place common;
        struct region_place notify;
        struct region_place config;
    } cases[] = {
        {"usual", {COMMON_CAP, NOTIFY_CAP, ISR_CAP, CONFIG_CAP, PCI_CFG_CAP}, USUAL_PLACES},
        {"backwards", {PCI_CFG_CAP, CONFIG_CAP, ISR_CAP, NOTIFY_CAP, COMMON_CAP}, USUAL_PLACES},
        {"no ISR", {COMMON_CAP, NOTIFY_CAP, CONFIG_CAP}, USUAL_PLACES},
        {"no device configuration", {COMMON_CAP, NOTIFY_CAP}, {COMMON, 64}, {NOTIFY, 0x1000}, {0}},
        {"the second of each kind",
         {COMMON_CAP,
          {9, 16, 1, 4, 0x800, 64, 0},
          NOTIFY_CAP,
          {9, 20, 2, 4, 0x1800, 0x400, 8},
          CONFIG_CAP,
          {9, 16, 4, 4, 0x1400, 24, 0}},
         USUAL_PLACES},
        {"reserved types",
         {{9, 16, 0, 4, COMMON, 64, 0},
          {9, 16, 6, 9, 0xfffffff0, 64, 0},
          COMMON_CAP,
          {9, 16, 8, 4, 0, 0, 0},
          {9, 16, 0xff, 4, 0xffffffff, 0xffffffff, 0},
          NOTIFY_CAP,
          CONFIG_CAP},
         USUAL_PLACES},
        {"reserved BARs",
         {{9, 16, 1, 6, 0x800, 64, 0},
          {9, 20, 2, 7, 0x800, 0x1000, 8},
          {9, 16, 4, 0xff, 0x800, 24, 0},
          COMMON_CAP,
          NOTIFY_CAP,
          CONFIG_CAP},
         USUAL_PLACES},
        {"longer capabilities",
         {{9, 20, 1, 4, COMMON, 64, 0}, {9, 24, 2, 4, NOTIFY, 0x1000, 4}, CONFIG_CAP},
         USUAL_PLACES},
        {"the shortest common configuration",
         {{9, 16, 1, 4, COMMON, 56, 0}, NOTIFY_CAP, CONFIG_CAP},
         {COMMON, 56},
         {NOTIFY, 0x1000},
         {CONFIG, 24}},
        {"up to the end of the BAR",
         {COMMON_CAP, {9, 20, 2, 4, 0x3ffe, 2, 4}, CONFIG_CAP},
         {COMMON, 64},
         {0x3ffe, 2},
         {CONFIG, 24}},
        {"vendor data of 8 bytes (VIRTIO 1.2, 4.1.4.8)",
         {COMMON_CAP, {9, 8, 9, 0xf4, 0, 0, 0}, NOTIFY_CAP, {9, 4, 0x77, 0, 0, 0, 0}, CONFIG_CAP},
         USUAL_PLACES},
        {"other ids",
         {{0x11, 12, 1, 4, 0x800, 64, 0},
          {1, 16, 2, 4, 0x800, 64, 8},
          COMMON_CAP,
          NOTIFY_CAP,
          CONFIG_CAP},
         USUAL_PLACES},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtio_transport transport;

        put_capabilities(board, cases[i].capabilities);
        if (virtio_pci_init(&transport, board->pci_io) != EFI_SUCCESS || transport.ops->is_legacy ||
            transport.notify_multiplier != 4 || transport.common.offset != cases[i].common.offset ||
            transport.common.length_bytes != cases[i].common.length_bytes ||
            transport.notify.offset != cases[i].notify.offset ||
            transport.notify.length_bytes != cases[i].notify.length_bytes ||
            transport.config.offset != cases[i].config.offset ||
            transport.config.length_bytes != cases[i].config.length_bytes)
            fail_msg("%s", cases[i].name);
        virtio_pci_fini(&transport);
    }
    assert_only_looks(board, COUNT(cases));
}

/* holds: virtio.discovery.malformed */
static void malformed_capabilities_are_refused_and_leave_no_trace(void **state)
{
    static const struct {
        const char *name;
        struct capability capabilities[CAPABILITIES_MAX];
    } cases[] = {
        {"common outside its BAR", {{9, 16, 1, 4, 0x3fc8, 64, 0}, NOTIFY_CAP, CONFIG_CAP}},
        {"notify outside its BAR", {COMMON_CAP, {9, 20, 2, 4, 0x4000, 2, 4}, CONFIG_CAP}},
        {"config outside its BAR", {COMMON_CAP, NOTIFY_CAP, {9, 16, 4, 4, 0x3ff0, 24, 0}}},
        {"offset and length overflow", {{9, 16, 1, 4, 0xfffff000, 0x2000, 0}, NOTIFY_CAP}},
        {"empty region", {COMMON_CAP, {9, 20, 2, 4, NOTIFY, 0, 4}, CONFIG_CAP}},
        {"common too short", {{9, 16, 1, 4, COMMON, 55, 0}, NOTIFY_CAP, CONFIG_CAP}},
        {"no common", {NOTIFY_CAP, ISR_CAP, CONFIG_CAP}},
        {"no notify", {COMMON_CAP, ISR_CAP, CONFIG_CAP}},
        {"common in a reserved BAR", {{9, 16, 1, 6, COMMON, 64, 0}, NOTIFY_CAP, CONFIG_CAP}},
        {"capability too short", {{9, 15, 1, 4, COMMON, 64, 0}, NOTIFY_CAP, CONFIG_CAP}},
        {"notify without multiplier", {COMMON_CAP, {9, 16, 2, 4, NOTIFY, 0x1000, 4}}},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtio_transport transport;

        put_capabilities(board, cases[i].capabilities);
        if (virtio_pci_init(&transport, board->pci_io) != EFI_UNSUPPORTED)
            fail_msg("%s", cases[i].name);
        assert_null(transport.pci_io);
        fake_firmware_assert_nothing_leaked(board->firmware);
    }
    assert_only_looks(board, 3); /* where the common configuration is not what is malformed */
}

/* A BAR that is not implemented is one without an address. */
/* holds: virtio.discovery.legacy */
static void registers_without_a_bar_leave_a_transitional_device_its_legacy_ones(void **state)
{
    static const struct capability cases[][CAPABILITIES_MAX] = {
        {{9, 16, 1, 2, COMMON, 64, 0}, NOTIFY_CAP, CONFIG_CAP},
        {{9, 16, 1, 5, COMMON, 64, 0}, NOTIFY_CAP, CONFIG_CAP}, /* an upper half */
        {COMMON_CAP, {9, 20, 2, 2, NOTIFY, 0x1000, 4}, CONFIG_CAP},
        {COMMON_CAP, NOTIFY_CAP, {9, 16, 4, 2, CONFIG, 24, 0}},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtio_transport transport;

        put_capabilities(board, cases[i]);
        put16(board, 0x02, 0x1000);
        assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
        assert_true(transport.ops->is_legacy);
        assert_int_equal(transport.common.bar_index, 0);
        assert_int_equal(transport.config.bar_index, 0);
        assert_int_equal(transport.notify.length_bytes, 0);
        virtio_pci_fini(&transport);
        put16(board, 0x02, 0x1041);
        assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
        assert_null(transport.pci_io);
        fake_firmware_assert_nothing_leaked(board->firmware);
    }
}

/* holds: virtio.discovery.legacy */
static void a_device_of_the_modern_id_is_never_driven_as_legacy(void **state)
{
    struct board *board = *state; /* with legacy registers, and without capabilities */
    struct virtio_transport transport;

    put16(board, 0x02, 0x1041);
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
    put16(board, 0x02, 0x1000);
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
    virtio_pci_fini(&transport);
    assert_int_equal(board->count, 0);
}

/* Only a refused access shows that the BAR is out of reach. */
/* holds: virtio.discovery.legacy */
static void a_firmware_call_that_fails_is_no_reason_for_legacy_registers(void **state)
{
    static const struct capability capabilities[CAPABILITIES_MAX] = {COMMON_CAP, NOTIFY_CAP,
                                                                     CONFIG_CAP};
    struct board *board = *state;
    bool has_failed = true;

    put_capabilities(board, capabilities);
    for (unsigned nth = 1; has_failed; nth++) {
        struct virtio_transport transport;
        EFI_STATUS status;

        fake_firmware_fail_nth(board->firmware, nth);
        status = virtio_pci_init(&transport, board->pci_io);
        has_failed = fake_firmware_has_failed(board->firmware);
        if (has_failed && strcmp(fake_firmware_failed_call(board->firmware), "PciIo.Mem") != 0)
            assert_true(EFI_ERROR(status));
        else
            assert_int_equal(transport.ops->is_legacy, has_failed);
        virtio_pci_fini(&transport);
    }
}

static void a_capability_beyond_configuration_space_is_refused(void **state)
{
    static const uint8_t capability[] = {9, 0, 16, 1, 4, 0, 0, 0};
    static const uint8_t notify[] = {9, 0, 20, 2, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0};
    struct board *board = *state;
    struct virtio_transport transport;

    put(board, 0x34, (uint8_t[]){0xf8}, 1);
    put(board, 0xf8, capability, sizeof(capability));
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
    put(board, 0x34, (uint8_t[]){0xf0}, 1);
    put(board, 0xf0, notify, sizeof(notify));
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
}

static void a_capability_may_end_where_configuration_space_does(void **state)
{
    static const uint8_t config[16] = {9, 0, 16, 4, 4, [9] = 0x20, [12] = 24};
    static const uint8_t notify[20] = {9, 0, 20, 2, 4, [9] = 0x30, [12] = 0, 0x10, [16] = 4};
    static const struct {
        struct capability capabilities[CAPABILITIES_MAX];
        const uint8_t *last;
        size_t length;
    } cases[] = {
        {{COMMON_CAP, NOTIFY_CAP}, config, sizeof(config)},
        {{COMMON_CAP, CONFIG_CAP}, notify, sizeof(notify)},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned place = FAKE_PCI_CONFIG_SIZE - (unsigned)cases[i].length;
        struct virtio_transport transport;

        put_capabilities(board, cases[i].capabilities);
        put(board, CAPABILITY_START + CAPABILITY_STRIDE + 1, (uint8_t[]){(uint8_t)place}, 1);
        put(board, place, cases[i].last, cases[i].length);
        assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
        assert_int_equal(transport.notify.offset, NOTIFY);
        assert_int_equal(transport.notify_multiplier, 4);
        assert_int_equal(transport.config.offset, CONFIG);
        virtio_pci_fini(&transport);
    }
}

static void vendor_data_may_end_where_configuration_space_does(void **state)
{
    static const struct capability capabilities[CAPABILITIES_MAX] = {COMMON_CAP, NOTIFY_CAP};
    struct board *board = *state;
    struct virtio_transport transport;

    put_capabilities(board, capabilities);
    put(board, CAPABILITY_START + CAPABILITY_STRIDE + 1, (uint8_t[]){0xf8}, 1);
    put(board, 0xf8, (uint8_t[]){9, 0, 8, 9, 0xf4, 0x1a, 0, 0}, 8);
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
    virtio_pci_fini(&transport);
}

/* holds: virtio.discovery.malformed */
static void a_loop_of_virtio_capabilities_is_refused(void **state)
{
    struct board *board = *state;
    struct virtio_transport transport;

    put_capabilities(board, usual_capabilities);
    put(board, CAPABILITY_START + 4 * CAPABILITY_STRIDE + 1, (uint8_t[]){CAPABILITY_START}, 1);
    fake_firmware_fail_from(board->firmware, ENOUGH_CALLS); /* else this would run for ever */
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
}

/* ---- the device model's ways to be found ---- */

/* holds: virtio.discovery.transitional */
static void each_kind_of_device_is_driven_by_its_best_transport(void **state)
{
    static const struct {
        struct fake_device_options options;
        bool is_legacy;
    } cases[] = {
        {{.transport = FAKE_TRANSITIONAL}, false},
        {{.transport = FAKE_MODERN}, false},
        {{.transport = FAKE_LEGACY}, true},
        {{.transport = FAKE_LEGACY, .msix_is_enabled = true}, true},
        {{.transport = FAKE_TRANSITIONAL, .modern_bar_is_32bit = true}, false},
        {{.transport = FAKE_MODERN, .modern_bar_is_io = true}, false},
        {{.transport = FAKE_MODERN, .modern_bar = 2}, false},
        {{.transport = FAKE_MODERN, .modern_bar = 5, .modern_bar_is_32bit = true}, false},
        {{.transport = FAKE_TRANSITIONAL, .notify_in_own_bar = true}, false},
        {{.transport = FAKE_TRANSITIONAL, .odd_capabilities = true}, false},
        {{.transport = FAKE_TRANSITIONAL, .no_device_cfg = true}, false},
        {{.transport = FAKE_TRANSITIONAL, .pci.compressed_bar_index = true}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtio_transport transport;
        struct fake_fixture fixture;

        fake_fixture_init(&fixture, 1, &cases[i].options);
        assert_int_equal(virtio_pci_init(&transport, &fake_device_pci(fixture.device)->protocol),
                         EFI_SUCCESS);
        assert_int_equal(transport.ops->is_legacy, cases[i].is_legacy);
        assert_false(virtio_pci_uses_window(&transport));
        assert_memory_equal(transport.ops->name, cases[i].is_legacy ? L"legacy" : L"modern", 14);
        virtio_pci_fini(&transport);
        fake_fixture_fini(&fixture);
    }
}

static void every_malformed_configuration_space_is_refused(void **state)
{
    static const enum fake_device_misbehaviour misbehaviours[] = {
        FAKE_CAPABILITY_LIST_LOOPS,  FAKE_CAPABILITY_OUTSIDE_CONFIG,   FAKE_CAPABILITY_BAR_6,
        FAKE_CAPABILITY_OUTSIDE_BAR, FAKE_CAPABILITY_OFFSET_OVERFLOWS, FAKE_ALL_ONES,
    };
    const struct fake_device_options options = {.no_window = true};
    struct fake_fixture windowless;
    struct fake_fixture *fixture = &windowless;

    (void)state;
    fake_fixture_init(fixture, 1, &options);
    for (size_t i = 0; i < COUNT(misbehaviours); i++) {
        struct virtio_transport transport;
        EFI_STATUS status;

        fake_device_misbehave(fixture->device, misbehaviours[i]);
        fake_firmware_fail_from(fixture->firmware, ENOUGH_CALLS);
        status = virtio_pci_init(&transport, &fake_device_pci(fixture->device)->protocol);
        if (status != EFI_UNSUPPORTED)
            fail_msg("%s: status %#llx", fake_misbehaviour_name(misbehaviours[i]),
                     (unsigned long long)status);
        fake_firmware_fail_nth(fixture->firmware, 0);
        fake_firmware_assert_nothing_leaked(fixture->firmware);
    }
    fake_fixture_fini(fixture);
}

static void a_function_with_neither_transport_is_unsupported(void **state)
{
    struct board *board = *state;
    struct virtio_transport transport;

    board->function->options.bars[0] = (struct fake_bar){.base = 0x6000, .size = 0x40};
    put(board, 0x10, (uint8_t[]){0, 0x60, 0, 0}, 4); /* BAR 0 is memory: not legacy */
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
    board->function->options.bars[0] = (struct fake_bar){0};
    put(board, 0x10, (uint8_t[4]){0}, 4);
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
    fake_firmware_assert_nothing_leaked(board->firmware);
}

static void legacy_registers_without_room_for_configuration_are_unsupported(void **state)
{
    struct board *board = *state;
    struct virtio_transport transport;

    board->function->options.bars[0].size = 0x14;
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_UNSUPPORTED);
    board->function->options.bars[0].size = 0x15;
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
    virtio_pci_fini(&transport);
}

/* ---- attributes ---- */

#define DECODE (EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY)
#define DAC EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE
#define MASTER EFI_PCI_IO_ATTRIBUTE_BUS_MASTER

static void attributes_are_what_is_needed_then_as_they_were(void **state)
{
    static const struct {
        enum fake_transport transport;
        struct fake_pci_options pci;
        uint64_t expected;
    } cases[] = {
        {FAKE_TRANSITIONAL, {0}, DECODE | DAC},
        {FAKE_MODERN, {0}, DECODE | DAC},
        {FAKE_MODERN, {.no_dual_address_cycle = true}, DECODE},
        {FAKE_MODERN, {.initial_attributes = EFI_PCI_IO_ATTRIBUTE_IO}, DECODE | DAC},
        {FAKE_MODERN, {.initial_attributes = DECODE | DAC}, DECODE | DAC},
        {FAKE_LEGACY, {0}, DECODE},
        {FAKE_LEGACY, {.initial_attributes = DECODE | DAC}, DECODE},
        {FAKE_LEGACY, {.no_dual_address_cycle = true}, DECODE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fake_device_options options = {.transport = cases[i].transport,
                                                    .pci = cases[i].pci};
        struct virtio_transport transport;
        struct fake_fixture fixture;
        struct fake_pci_function *function;

        fake_fixture_init(&fixture, 1, &options);
        function = fake_device_pci(fixture.device);
        assert_int_equal(virtio_pci_init(&transport, &function->protocol), EFI_SUCCESS);
        assert_int_equal(function->attributes, cases[i].expected);
        assert_int_equal(virtio_pci_allow_dma(&transport), EFI_SUCCESS);
        assert_int_equal(function->attributes, cases[i].expected | MASTER);
        virtio_pci_forbid_dma(&transport);
        assert_int_equal(function->attributes, cases[i].expected);
        virtio_pci_fini(&transport);
        fake_firmware_assert_nothing_leaked(fixture.firmware);
        assert_null(transport.pci_io);
        fake_fixture_fini(&fixture);
    }
}

static void a_failure_at_any_step_leaves_the_attributes_as_they_were(void **state)
{
    static const enum fake_transport transports[] = {FAKE_TRANSITIONAL, FAKE_LEGACY};

    (void)state;
    for (size_t i = 0; i < COUNT(transports); i++) {
        const struct fake_device_options options = {.transport = transports[i]};
        struct fake_fixture fixture;

        fake_fixture_init(&fixture, 1, &options);
        for (unsigned nth = 1;; nth++) {
            struct virtio_transport transport;
            EFI_STATUS status;

            fake_firmware_fail_nth(fixture.firmware, nth);
            status = virtio_pci_init(&transport, &fake_device_pci(fixture.device)->protocol);
            if (!fake_firmware_has_failed(fixture.firmware)) {
                assert_true(nth > 10);
                virtio_pci_fini(&transport);
                break;
            }
            /* A register that the firmware does not let be reached: there is another way. */
            if (strcmp(fake_firmware_failed_call(fixture.firmware), "PciIo.Mem") == 0) {
                assert_int_equal(status, EFI_SUCCESS);
                assert_true(virtio_pci_uses_window(&transport));
                virtio_pci_fini(&transport);
                continue;
            }
            assert_true(EFI_ERROR(status));
            if (strcmp(fake_firmware_failed_call(fixture.firmware), "PciIo.GetBarAttributes") != 0)
                assert_int_equal(status, EFI_DEVICE_ERROR);
            assert_null(transport.pci_io);
            fake_firmware_assert_nothing_leaked(fixture.firmware);
        }
        fake_fixture_fini(&fixture);
    }
}

static void fini_accepts_what_was_never_there(void **state)
{
    struct virtio_transport transport = {0};

    (void)state;
    virtio_pci_fini(&transport);
}

static void bus_mastering_that_cannot_be_allowed_is_an_error(void **state)
{
    struct fake_fixture *fixture = *state;
    struct virtio_transport transport;

    assert_int_equal(virtio_pci_init(&transport, &fake_device_pci(fixture->device)->protocol),
                     EFI_SUCCESS);
    fake_firmware_fail_nth(fixture->firmware, 1);
    assert_int_equal(virtio_pci_allow_dma(&transport), EFI_DEVICE_ERROR);
    virtio_pci_fini(&transport);
}

/* ---- modern operations ---- */

static struct virtio_transport modern_of(struct board *board)
{
    struct virtio_transport transport;

    put_capabilities(board, usual_capabilities);
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
    assert_false(transport.ops->is_legacy);
    board->count = 0;
    return transport;
}

static void modern_status_is_one_byte(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint8_t status;

    assert_int_equal(modern.ops->write_status(&modern, 0x0b), EFI_SUCCESS);
    assert_int_equal(modern.ops->read_status(&modern, &status), EFI_SUCCESS);
    assert_int_equal(status, 0x0b);
    ASSERT_LOG(board, {'w', 4, COMMON + 20, 1, 0x0b}, {'r', 4, COMMON + 20, 1, 0x0b});
}

static void modern_features_are_read_in_two_halves(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint64_t features;

    board->features = 0x1122334455667788;
    assert_int_equal(modern.ops->read_features(&modern, &features), EFI_SUCCESS);
    assert_int_equal(features, 0x1122334455667788);
    ASSERT_LOG(board, {'w', 4, COMMON + 0, 4, 0}, {'r', 4, COMMON + 4, 4, 0x55667788},
               {'w', 4, COMMON + 0, 4, 1}, {'r', 4, COMMON + 4, 4, 0x11223344});
}

static void modern_features_are_written_in_two_halves(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    assert_int_equal(modern.ops->write_features(&modern, 0x1122334455667788), EFI_SUCCESS);
    ASSERT_LOG(board, {'w', 4, COMMON + 8, 4, 0}, {'w', 4, COMMON + 12, 4, 0x55667788},
               {'w', 4, COMMON + 8, 4, 1}, {'w', 4, COMMON + 12, 4, 0x11223344});
}

static void modern_queue_is_selected_before_its_size_is_read(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint16_t size;

    board->registers[4][COMMON + 25] = 0x04;
    assert_int_equal(modern.ops->select_queue(&modern, 2, &size), EFI_SUCCESS);
    assert_int_equal(size, 1024);
    ASSERT_LOG(board, {'w', 4, COMMON + 22, 2, 2}, {'r', 4, COMMON + 24, 2, 1024});
}

static const struct virtio_queue_addresses addresses = {
    .desc = 0x1111111122222000, .driver = 0x3333333344444002, .device = 0x5555555566666004};

/* holds: virtio.registers.enable */
static void modern_queue_is_enabled_last(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    struct pci_register doorbell;

    board->registers[4][COMMON + 30] = 7;
    assert_int_equal(modern.ops->enable_queue(&modern, 0, 1, 64, &addresses, &doorbell),
                     EFI_SUCCESS);
    ASSERT_LOG(board, {'r', 4, COMMON + 30, 2, 7}, {'w', 4, COMMON + 24, 2, 64},
               {'r', 4, COMMON + 24, 2, 64}, {'w', 4, COMMON + 32, 4, 0x22222000},
               {'w', 4, COMMON + 36, 4, 0x11111111}, {'w', 4, COMMON + 40, 4, 0x44444002},
               {'w', 4, COMMON + 44, 4, 0x33333333}, {'w', 4, COMMON + 48, 4, 0x66666004},
               {'w', 4, COMMON + 52, 4, 0x55555555}, {'w', 4, COMMON + 28, 2, 1});
    board->count = 0;
    pci_register_write16(&doorbell);
    ASSERT_LOG(board, {'w', 4, NOTIFY + 7 * 4, 2, 1});
}

/* holds: virtio.registers.doorbell */
static void modern_doorbell_is_at_offset_times_multiplier(void **state)
{
    static const struct {
        uint32_t multiplier;
        uint16_t notify_off;
        bool is_accepted;
        uint64_t offset; /* in the notify region of 0x1000 bytes */
    } cases[] = {
        {0, 0, true, 0},
        {0, 0xffff, true, 0},
        {2, 3, true, 6},
        {4, 0x3ff, true, 0xffc},
        {4, 0x400, false, 0},
        {0x1000, 0, true, 0},
        {0x1000, 1, false, 0},
        {2, 0x7ff, true, 0xffe},
        {1, 3, false, 0}, /* misaligned */
        {0x10000, 0xffff, false, 0},
        {0x80000000, 2, false, 0}, /* 2^32 */
        {0xffffffff, 0xffff, false, 0},
    };
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pci_register doorbell = {.value = 0x1234};
        EFI_STATUS status;

        modern.notify_multiplier = cases[i].multiplier;
        memcpy(&board->registers[4][COMMON + 30], &cases[i].notify_off, 2);
        board->count = 0;
        status = modern.ops->enable_queue(&modern, 0, 2, 8, &addresses, &doorbell);
        assert_int_equal(status, cases[i].is_accepted ? EFI_SUCCESS : EFI_UNSUPPORTED);
        assert_int_equal(doorbell.value, cases[i].is_accepted ? 2 : 0x1234);
        if (cases[i].is_accepted)
            assert_int_equal(doorbell.offset, NOTIFY + cases[i].offset);
        else
            assert_int_equal(board->count, 1); /* notify_off was read, nothing written */
    }
}

/* 4.1.4.4.1: a device that wants 32 bits has to give them room. */
/* holds: virtio.registers.data */
static void modern_doorbell_with_notification_data_has_32_bits(void **state)
{
    static const struct {
        uint32_t multiplier;
        uint16_t notify_off;
        bool is_accepted;
    } cases[] = {
        {0, 3, true},      {4, 3, true},      {4, 0x3ff, true},
        {4, 0x400, false}, {2, 0x7ff, false}, /* half a doorbell is inside */
        {2, 3, false},                        /* misaligned */
        {2, 4, true},
    };
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t offset = NOTIFY + (uint64_t)cases[i].multiplier * cases[i].notify_off;
        struct pci_register doorbell;

        modern.notify_multiplier = cases[i].multiplier;
        memcpy(&board->registers[4][COMMON + 30], &cases[i].notify_off, 2);
        assert_int_equal(modern.ops->enable_queue(&modern, VIRTIO_F_NOTIFICATION_DATA, 2, 8,
                                                  &addresses, &doorbell),
                         cases[i].is_accepted ? EFI_SUCCESS : EFI_UNSUPPORTED);
        if (!cases[i].is_accepted)
            continue;
        board->count = 0;
        pci_register_write32(&doorbell, 0xfedc);
        ASSERT_LOG(board, {'w', 4, offset, 4, 0xfedc0002});
    }
}

/* holds: virtio.registers.config_data */
static void modern_doorbell_says_what_the_device_wants_to_read(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    struct pci_register doorbell;

    board->registers[4][COMMON + 56] = 0x34;
    board->registers[4][COMMON + 57] = 0x12;
    assert_int_equal(
        modern.ops->enable_queue(&modern, VIRTIO_F_NOTIF_CONFIG_DATA, 2, 8, &addresses, &doorbell),
        EFI_SUCCESS);
    board->count = 0;
    pci_register_write16(&doorbell);
    ASSERT_LOG(board, {'w', 4, NOTIFY, 2, 0x1234});
    assert_int_equal(
        modern.ops->enable_queue(&modern, VIRTIO_F_NOTIF_CONFIG_DATA | VIRTIO_F_NOTIFICATION_DATA,
                                 2, 8, &addresses, &doorbell),
        EFI_SUCCESS);
    board->count = 0;
    pci_register_write32(&doorbell, 0xfedc);
    ASSERT_LOG(board, {'w', 4, NOTIFY, 4, 0xfedc1234});
}

/* holds: virtio.ring_reset.empty */
static void modern_queue_is_reset_and_enabled_again(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    assert_int_equal(modern.ops->begin_queue_reset(&modern, 2), EFI_SUCCESS);
    ASSERT_LOG(board, {'w', 4, COMMON + 22, 2, 2}, {'w', 4, COMMON + 58, 2, 1});
    board->count = 0;
    assert_int_equal(modern.ops->reenable_queue(&modern, 2, 64, &addresses), EFI_SUCCESS);
    ASSERT_LOG(board, {'w', 4, COMMON + 22, 2, 2}, {'w', 4, COMMON + 24, 2, 64},
               {'r', 4, COMMON + 24, 2, 64}, {'w', 4, COMMON + 32, 4, 0x22222000},
               {'w', 4, COMMON + 36, 4, 0x11111111}, {'w', 4, COMMON + 40, 4, 0x44444002},
               {'w', 4, COMMON + 44, 4, 0x33333333}, {'w', 4, COMMON + 48, 4, 0x66666004},
               {'w', 4, COMMON + 52, 4, 0x55555555}, {'w', 4, COMMON + 28, 2, 1});
    for (unsigned nth = 1; nth <= 10; nth++) {
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(modern.ops->reenable_queue(&modern, 0, 8, &addresses), EFI_DEVICE_ERROR);
    }
    for (unsigned nth = 1; nth <= 2; nth++) {
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(modern.ops->begin_queue_reset(&modern, 0), EFI_DEVICE_ERROR);
    }
}

/* 4.1.4.3.1: both registers have to read 0, and neither may read anything but 0 or 1. */
/* holds: virtio.ring_reset.end */
static void modern_queue_reset_has_ended_when_both_registers_say_so(void **state)
{
    static const struct {
        uint8_t reset[2];
        uint8_t enable;
        EFI_STATUS status;
        bool is_reset;
    } cases[] = {
        {{0, 0}, 0, EFI_SUCCESS, true},       {{1, 0}, 0, EFI_SUCCESS, false},
        {{1, 0}, 1, EFI_SUCCESS, false},      {{0, 0}, 1, EFI_DEVICE_ERROR, false},
        {{2, 0}, 0, EFI_DEVICE_ERROR, false}, {{0xff, 0xff}, 0xff, EFI_DEVICE_ERROR, false},
    };
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (size_t i = 0; i < COUNT(cases); i++) {
        bool is_reset = false;

        memcpy(&board->registers[4][COMMON + 58], cases[i].reset, 2);
        board->registers[4][COMMON + 28] = cases[i].enable;
        assert_int_equal(modern.ops->is_queue_reset(&modern, &is_reset), cases[i].status);
        assert_int_equal(is_reset, cases[i].is_reset);
    }
}

static void modern_queue_stays_off_when_any_access_before_fails(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (unsigned nth = 1; nth <= 10; nth++) {
        struct pci_register doorbell = {.value = 0x1234};

        board->count = 0;
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(modern.ops->enable_queue(&modern, VIRTIO_F_NOTIF_CONFIG_DATA, 0, 8,
                                                  &addresses, &doorbell),
                         EFI_DEVICE_ERROR);
        assert_int_equal(board->count, nth - 1);
        assert_int_equal(doorbell.value, 0x1234);
    }
}

/* holds: virtio.config.generation */
static void modern_configuration_is_read_under_one_generation(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint8_t mac[6];

    memcpy(&board->registers[4][CONFIG], "\x52\x54\x00\x12\x34\x56", 6);
    assert_int_equal(modern.ops->read_config(&modern, 0, 1, 6, mac), EFI_SUCCESS);
    assert_memory_equal(mac, "\x52\x54\x00\x12\x34\x56", 6);
    ASSERT_LOG(board, {'r', 4, GENERATION, 1, 0}, {'r', 4, CONFIG + 0, 1, 0x52},
               {'r', 4, CONFIG + 1, 1, 0x54}, {'r', 4, CONFIG + 2, 1, 0x00},
               {'r', 4, CONFIG + 3, 1, 0x12}, {'r', 4, CONFIG + 4, 1, 0x34},
               {'r', 4, CONFIG + 5, 1, 0x56}, {'r', 4, GENERATION, 1, 0});
}

/* holds: virtio.registers.width */
static void modern_configuration_fields_are_read_with_their_own_width(void **state)
{
    static const struct {
        uint32_t offset;
        uint32_t width_bytes;
    } cases[] = {{6, 2}, {10, 2}, {12, 4}, {16, 1}};
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t field;

        board->count = 0;
        assert_int_equal(modern.ops->read_config(&modern, cases[i].offset, cases[i].width_bytes,
                                                 cases[i].width_bytes, &field),
                         EFI_SUCCESS);
        assert_int_equal(board->count, 3);
        assert_int_equal(board->log[1].offset, CONFIG + cases[i].offset);
        assert_int_equal(board->log[1].width, cases[i].width_bytes);
    }
}

/* holds: virtio.config.generation */
static void modern_configuration_that_changes_is_read_again(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint8_t field[6];

    board->changes_left = 3;
    assert_int_equal(modern.ops->read_config(&modern, 0, 1, 6, field), EFI_SUCCESS);
    assert_int_equal(board->count, 4 * 8);
    assert_memory_equal(field, "\3\3\3\3\3\3", 6);
}

/* holds: virtio.config.generation */
static void modern_configuration_that_never_settles_is_given_up_untouched(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);
    uint16_t field = 0x1234;

    board->changes_left = UINT32_MAX;
    assert_int_equal(modern.ops->read_config(&modern, 0, 2, 2, &field), EFI_TIMEOUT);
    assert_between(board->count, 3 * 4, 3 * 64);
    assert_int_equal(field, 0x1234);
}

static void modern_configuration_that_is_not_there_is_unsupported(void **state)
{
    static const struct capability capabilities[CAPABILITIES_MAX] = {COMMON_CAP, NOTIFY_CAP};
    struct board *board = *state;
    struct virtio_transport modern;
    uint16_t field = 0x1234;

    put_capabilities(board, capabilities);
    assert_int_equal(virtio_pci_init(&modern, board->pci_io), EFI_SUCCESS);
    assert_int_equal(modern.ops->read_config(&modern, 6, 2, 2, &field), EFI_UNSUPPORTED);
    assert_int_equal(field, 0x1234);
}

static void modern_operations_pass_failed_accesses_on(void **state)
{
    struct board *board = *state;
    struct virtio_transport modern = modern_of(board);

    for (unsigned nth = 1; nth <= 4; nth++) {
        uint64_t features = 0x1234;
        uint16_t word = 0x1234;
        uint8_t byte = 0x12;

        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(modern.ops->read_features(&modern, &features), EFI_DEVICE_ERROR);
        assert_int_equal(features, 0x1234);
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(modern.ops->write_features(&modern, 0), EFI_DEVICE_ERROR);
        if (nth <= 3) {
            fake_firmware_fail_nth(board->firmware, nth);
            assert_int_equal(modern.ops->read_config(&modern, 6, 2, 2, &word), EFI_DEVICE_ERROR);
        }
        if (nth <= 2) {
            word = 0x1234;
            fake_firmware_fail_nth(board->firmware, nth);
            assert_int_equal(modern.ops->select_queue(&modern, 0, &word), EFI_DEVICE_ERROR);
            assert_int_equal(word, 0x1234);
        }
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(modern.ops->read_status(&modern, &byte), EFI_DEVICE_ERROR);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(modern.ops->write_status(&modern, 0), EFI_DEVICE_ERROR);
    }
}

/* ---- legacy operations ---- */

static struct virtio_transport legacy_of(struct board *board)
{
    struct virtio_transport transport;

    board->config_bar = 0;
    board->config_offset = 0x14;
    assert_int_equal(virtio_pci_init(&transport, board->pci_io), EFI_SUCCESS);
    assert_true(transport.ops->is_legacy);
    return transport;
}

static void legacy_status_is_one_byte(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint8_t status;

    assert_int_equal(legacy.ops->write_status(&legacy, 7), EFI_SUCCESS);
    assert_int_equal(legacy.ops->read_status(&legacy, &status), EFI_SUCCESS);
    assert_int_equal(status, 7);
    ASSERT_LOG(board, {'w', 0, 0x12, 1, 7}, {'r', 0, 0x12, 1, 7});
}

static void legacy_features_are_32_bits(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint64_t features = UINT64_MAX;

    memcpy(board->registers[0], "\x88\x77\x66\x85", 4);
    assert_int_equal(legacy.ops->read_features(&legacy, &features), EFI_SUCCESS);
    assert_int_equal(features, 0x85667788);
    assert_int_equal(legacy.ops->write_features(&legacy, 0x1122334455667788), EFI_SUCCESS);
    ASSERT_LOG(board, {'r', 0, 0, 4, 0x85667788}, {'w', 0, 4, 4, 0x55667788});
}

static void legacy_queue_is_selected_before_its_size_is_read(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint16_t size;

    board->registers[0][0x0d] = 0x01;
    assert_int_equal(legacy.ops->select_queue(&legacy, 1, &size), EFI_SUCCESS);
    assert_int_equal(size, 256);
    ASSERT_LOG(board, {'w', 0, 0x0e, 2, 1}, {'r', 0, 0x0c, 2, 256});
}

/* holds: virtio.split.legacy */
static void legacy_queue_is_given_as_a_page_number(void **state)
{
    static const struct {
        uint64_t desc;
        bool is_accepted;
        uint32_t page;
    } cases[] = {
        {0x1000, true, 1},          {0x30005000, true, 0x30005},
        {0x123456789000, false, 0}, {0xffffffff000, true, 0xffffffff},
        {0x100000000000, false, 0}, {0xfffffffffffff000, false, 0},
        {0x30005800, false, 0},     {0x30005001, false, 0},
    };
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct virtio_queue_addresses each = {.desc = cases[i].desc};
        struct pci_register doorbell = {.value = 0x1234};

        board->count = 0;
        assert_int_equal(legacy.ops->enable_queue(&legacy, 0, 1, 256, &each, &doorbell),
                         cases[i].is_accepted ? EFI_SUCCESS : EFI_UNSUPPORTED);
        if (!cases[i].is_accepted) {
            assert_int_equal(board->count, 0);
            assert_int_equal(doorbell.value, 0x1234);
            continue;
        }
        pci_register_write16(&doorbell);
        ASSERT_LOG(board, {'w', 0, 0x08, 4, cases[i].page}, {'w', 0, 0x10, 2, 1});
    }
}

static void legacy_configuration_is_read_twice_with_the_fields_width(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint16_t field;

    memcpy(&board->registers[0][0x1a], "\x34\x12", 2);
    assert_int_equal(legacy.ops->read_config(&legacy, 6, 2, 2, &field), EFI_SUCCESS);
    assert_int_equal(field, 0x1234);
    ASSERT_LOG(board, {'r', 0, 0x1a, 2, 0x1234}, {'r', 0, 0x1a, 2, 0x1234});
}

/* holds: virtio.config.legacy */
static void legacy_configuration_is_read_until_two_readings_agree(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint8_t field[6];

    board->changes_left = 3; /* each reading is torn behind its first byte */
    assert_int_equal(legacy.ops->read_config(&legacy, 0, 1, 6, field), EFI_SUCCESS);
    assert_int_equal(board->count, 5 * 6);
    assert_memory_equal(field, "\3\3\3\3\3\3", 6);
}

/* holds: virtio.config.legacy */
static void legacy_configuration_that_never_settles_is_given_up_untouched(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint16_t field = 0x1234;

    board->changes_left = UINT32_MAX;
    assert_int_equal(legacy.ops->read_config(&legacy, 0, 2, 2, &field), EFI_TIMEOUT);
    assert_between(board->count, 4, 64);
    assert_int_equal(field, 0x1234);
}

static void legacy_configuration_has_bounds(void **state)
{
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);
    uint8_t field[16];

    assert_int_equal(legacy.ops->read_config(&legacy, 0x2b, 1, 1, field), EFI_SUCCESS);
    assert_int_equal(legacy.ops->read_config(&legacy, 0x2c, 1, 1, field), EFI_UNSUPPORTED);
    assert_int_equal(legacy.ops->read_config(&legacy, 0, 4, 8, field), EFI_SUCCESS);
    assert_int_equal(legacy.ops->read_config(&legacy, 0, 1, 9, field), EFI_UNSUPPORTED);
}

/* holds: virtio.legacy.config */
static void legacy_configuration_moves_while_msix_is_enabled(void **state)
{
    static const struct {
        uint8_t id;
        uint16_t control;
        uint64_t offset;
    } cases[] = {
        {0x11, 0x8002, 24}, {0x11, 0x8000, 24}, {0x11, 0x0002, 20},
        {0x11, 0x7fff, 20}, {0x05, 0x8002, 20}, {0x11, 0xc002, 24},
    };
    struct board *board = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct virtio_transport legacy;
        uint8_t byte;

        put(board, 0x34, (uint8_t[]){0x40}, 1);
        put(board, 0x40, (uint8_t[]){1, 0x98}, 2);
        put(board, 0x98, (uint8_t[]){cases[i].id, 0}, 2);
        put16(board, 0x9a, cases[i].control);
        board->count = 0;
        legacy = legacy_of(board);
        assert_int_equal(legacy.ops->read_config(&legacy, 0, 1, 1, &byte), EFI_SUCCESS);
        assert_int_equal(board->log[0].offset, cases[i].offset);
        virtio_pci_fini(&legacy);
    }
}

/* A capability at 0 would have its control word where the device id is. The first reading gives
 * the id; a later one would say that MSI-X is enabled. */
static bool give_id_once(void *context, unsigned offset, unsigned width, void *bytes, bool is_write)
{
    const struct board *board = context;

    if (!is_write && offset == 0x02) {
        memcpy(bytes, &board->function->config[offset], width);
        memset(&board->function->config[offset], 0xff, width);
    }
    return !is_write && offset == 0x02;
}

static void legacy_configuration_stays_without_an_msix_capability(void **state)
{
    struct fake_pci_operations with_config = operations;
    struct board *board = *state;
    struct virtio_transport legacy;

    with_config.access_config = give_id_once;
    board->function->operations = &with_config;
    legacy = legacy_of(board);
    assert_int_equal(legacy.config.offset, 20);
    board->function->operations = &operations;
}

static void legacy_operations_pass_failed_accesses_on(void **state)
{
    const struct virtio_queue_addresses low = {.desc = 0x1000};
    struct board *board = *state;
    struct virtio_transport legacy = legacy_of(board);

    for (unsigned nth = 1; nth <= 2; nth++) {
        struct pci_register doorbell = {.value = 0x1234};
        uint64_t features = 0x1234;
        uint16_t word = 0x1234;
        uint8_t byte;

        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(legacy.ops->select_queue(&legacy, 0, &word), EFI_DEVICE_ERROR);
        fake_firmware_fail_nth(board->firmware, nth);
        assert_int_equal(legacy.ops->read_config(&legacy, 0, 2, 2, &word), EFI_DEVICE_ERROR);
        assert_int_equal(word, 0x1234);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(legacy.ops->read_features(&legacy, &features), EFI_DEVICE_ERROR);
        assert_int_equal(features, 0x1234);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(legacy.ops->write_features(&legacy, 0), EFI_DEVICE_ERROR);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(legacy.ops->read_status(&legacy, &byte), EFI_DEVICE_ERROR);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(legacy.ops->write_status(&legacy, 0), EFI_DEVICE_ERROR);
        fake_firmware_fail_nth(board->firmware, 1);
        assert_int_equal(legacy.ops->enable_queue(&legacy, 0, 0, 8, &low, &doorbell),
                         EFI_DEVICE_ERROR);
        assert_int_equal(doorbell.value, 0x1234);
    }
}

#define ON_BOARD(test) cmocka_unit_test_setup_teardown(test, board_setup, board_teardown)
#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOARD(a_network_device_is_known_by_its_pci_identity_alone),
        ON_BOARD(an_identity_that_cannot_be_read_is_no_answer),
        ON_BOARD(the_walk_finds_each_capability_of_its_id_in_order),
        ON_BOARD(the_walk_ends_where_it_has_to),
        ON_BOARD(the_longest_list_that_fits_is_no_loop),
        ON_BOARD(a_walk_that_cannot_read_says_so),
        ON_BOARD(the_first_usable_capability_of_each_kind_counts),
        ON_BOARD(malformed_capabilities_are_refused_and_leave_no_trace),
        ON_BOARD(registers_without_a_bar_leave_a_transitional_device_its_legacy_ones),
        ON_BOARD(a_device_of_the_modern_id_is_never_driven_as_legacy),
        ON_BOARD(a_firmware_call_that_fails_is_no_reason_for_legacy_registers),
        ON_BOARD(a_capability_beyond_configuration_space_is_refused),
        ON_BOARD(a_capability_may_end_where_configuration_space_does),
        ON_BOARD(vendor_data_may_end_where_configuration_space_does),
        ON_BOARD(a_loop_of_virtio_capabilities_is_refused),
        cmocka_unit_test(each_kind_of_device_is_driven_by_its_best_transport),
        cmocka_unit_test(every_malformed_configuration_space_is_refused),
        ON_BOARD(a_function_with_neither_transport_is_unsupported),
        ON_BOARD(legacy_registers_without_room_for_configuration_are_unsupported),
        cmocka_unit_test(attributes_are_what_is_needed_then_as_they_were),
        cmocka_unit_test(a_failure_at_any_step_leaves_the_attributes_as_they_were),
        cmocka_unit_test(fini_accepts_what_was_never_there),
        WITH_DEVICE(bus_mastering_that_cannot_be_allowed_is_an_error),
        ON_BOARD(modern_status_is_one_byte),
        ON_BOARD(modern_features_are_read_in_two_halves),
        ON_BOARD(modern_features_are_written_in_two_halves),
        ON_BOARD(modern_queue_is_selected_before_its_size_is_read),
        ON_BOARD(modern_queue_is_enabled_last),
        ON_BOARD(modern_doorbell_is_at_offset_times_multiplier),
        ON_BOARD(modern_doorbell_with_notification_data_has_32_bits),
        ON_BOARD(modern_doorbell_says_what_the_device_wants_to_read),
        ON_BOARD(modern_queue_is_reset_and_enabled_again),
        ON_BOARD(modern_queue_reset_has_ended_when_both_registers_say_so),
        ON_BOARD(modern_queue_stays_off_when_any_access_before_fails),
        ON_BOARD(modern_configuration_is_read_under_one_generation),
        ON_BOARD(modern_configuration_fields_are_read_with_their_own_width),
        ON_BOARD(modern_configuration_that_changes_is_read_again),
        ON_BOARD(modern_configuration_that_never_settles_is_given_up_untouched),
        ON_BOARD(modern_configuration_that_is_not_there_is_unsupported),
        ON_BOARD(modern_operations_pass_failed_accesses_on),
        ON_BOARD(legacy_status_is_one_byte),
        ON_BOARD(legacy_features_are_32_bits),
        ON_BOARD(legacy_queue_is_selected_before_its_size_is_read),
        ON_BOARD(legacy_queue_is_given_as_a_page_number),
        ON_BOARD(legacy_configuration_is_read_twice_with_the_fields_width),
        ON_BOARD(legacy_configuration_is_read_until_two_readings_agree),
        ON_BOARD(legacy_configuration_that_never_settles_is_given_up_untouched),
        ON_BOARD(legacy_configuration_has_bounds),
        ON_BOARD(legacy_configuration_moves_while_msix_is_enabled),
        ON_BOARD(legacy_configuration_stays_without_an_msix_capability),
        ON_BOARD(legacy_operations_pass_failed_accesses_on),
    };

    return cmocka_run_group_tests_name("virtio_pci", tests, NULL, NULL);
}
