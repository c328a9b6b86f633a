/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A function whose configuration space, capabilities, BARs and registers the fuzzer controls,
 * also between two readings: Supported, Start, the SNP methods, Stop. Everything else behaves like
 * the device model, so that the driver gets far.
 *
 * Input: 8 bytes that select the device; then three lists, each preceded by its count: changes of
 * BARs (including whether the firmware reaches them), changed bytes of configuration space, and, to
 * the end of the input, lies. A byte below 0x80 lets that many readings pass. Any other replaces
 * the next reading with the bytes that follow it; from 0xf0 on permanently, until the place is lied
 * about again; from 0xf8 on counting up by one each time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guids.h"
#include "driver/driver_binding.h"
#include "virtio_net_internal.h"
#include "wire.h"

#define LIE 0x80u
#define LIE_FOR_GOOD 0xf0u
#define LIE_THAT_COUNTS 0xf8u
#define STUCK_MAX 4u
#define FRAME_BYTES 1514u

/* A place that lies permanently. */
struct stuck {
    uint64_t place;
    uint8_t value[8];
    uint8_t step; /* added from one reading to the next */
    bool is_used;
};

struct config_fuzz {
    struct fuzz_input input;
    struct fake_firmware *firmware;
    struct fake_device *device;
    EFI_HANDLE controller;
    EFI_HANDLE image;
    EFI_DRIVER_BINDING_PROTOCOL *binding;
    struct wire wire;
    unsigned truths; /* readings until the next byte of the input is used */
    struct stuck stuck[STUCK_MAX];
    unsigned stuck_count; /* so far; the oldest is replaced */
};

/* The driver is not judged by what it does to a lying device. */
static void before_access(void *context)
{
    struct config_fuzz *fuzz = context;

    fuzz->device->is_tainted = true;
}

static struct stuck *find_stuck(struct config_fuzz *fuzz, uint64_t place)
{
    for (unsigned i = 0; i < STUCK_MAX; i++) {
        if (fuzz->stuck[i].is_used && fuzz->stuck[i].place == place)
            return &fuzz->stuck[i];
    }
    return NULL;
}

static void lie(struct config_fuzz *fuzz, uint8_t kind, uint64_t place, void *value, size_t bytes)
{
    struct stuck *stuck = find_stuck(fuzz, place);
    bool is_for_good = kind >= LIE_FOR_GOOD;

    fuzz_take_bytes(&fuzz->input, value, bytes);
    if (!stuck && is_for_good)
        stuck = &fuzz->stuck[fuzz->stuck_count++ % STUCK_MAX];
    if (!stuck)
        return;
    *stuck =
        (struct stuck){.place = place, .step = kind >= LIE_THAT_COUNTS, .is_used = is_for_good};
    memcpy(stuck->value, value, bytes < sizeof(stuck->value) ? bytes : sizeof(stuck->value));
}

static void after_read(void *context, uint64_t place, void *value, size_t bytes)
{
    struct config_fuzz *fuzz = context;
    struct stuck *stuck = find_stuck(fuzz, place);
    uint8_t next;

    if (stuck) {
        stuck->value[0] = (uint8_t)(stuck->value[0] + stuck->step);
        memcpy(value, stuck->value, bytes < sizeof(stuck->value) ? bytes : sizeof(stuck->value));
    }
    if (fuzz->truths > 0) {
        fuzz->truths--;
        return;
    }
    if (fuzz_left(&fuzz->input) == 0)
        return;
    next = fuzz_take8(&fuzz->input);
    if (next < LIE)
        fuzz->truths = next;
    else
        lie(fuzz, next, place, value, bytes);
}

/* Further feature offers, from the remaining bits of the queues' sizes. */
static uint64_t choose_features(uint16_t queues)
{
    return FAKE_DEVICE_FEATURES | (queues & 0x200 ? VIRTIO_F_NOTIFICATION_DATA : 0) |
           (queues & 0x400 ? VIRTIO_F_NOTIF_CONFIG_DATA : 0) |
           (queues & 0x800 ? VIRTIO_F_RING_RESET : 0);
}

static struct fake_device_options choose_device(struct fuzz_input *input)
{
    static const uint16_t sizes[] = {8, 256, 4, 100, 1, 1024, 32768, 2};
    uint8_t flags = fuzz_take8(input);
    uint8_t more = fuzz_take8(input);
    uint16_t queues = fuzz_take16(input);
    uint32_t removed = fuzz_take32(input);

    return (struct fake_device_options){
        .transport = (enum fake_transport)((flags & 3) % 3),
        .features = choose_features(queues),
        .removed_features = removed & FAKE_DEVICE_FEATURES,
        .modern_bar_is_io = flags & 4,
        .modern_bar_is_32bit = flags & 8,
        .notify_in_own_bar = flags & 0x10,
        .single_doorbell = flags & 0x20,
        .odd_capabilities = flags & 0x40,
        .no_device_cfg = flags & 0x80,
        .common_bytes = queues & 0x1000 ? 58 : 0,
        .msix_is_enabled = more & 1,
        .notify_multiplier = more & 2 ? UINT32_MAX >> (more >> 4) : 0,
        .mtu = more & 4 ? (uint16_t)(removed >> 16) : 0,
        .pci.compressed_bar_index = more & 8,
        .queue_size = {sizes[queues & 7], sizes[queues >> 3 & 7], sizes[queues >> 6 & 7]},
    };
}

/* Sizes that the firmware found by writing to the BARs, hence powers of two. */
static void change_bar(struct config_fuzz *fuzz)
{
    struct fake_pci_function *function = fake_device_pci(fuzz->device);
    uint8_t choice = fuzz_take8(&fuzz->input);
    uint8_t size = fuzz_take8(&fuzz->input);
    unsigned index = (choice & 7) % FAKE_PCI_BAR_COUNT;
    struct fake_bar *bar = &function->options.bars[index];
    uint64_t value;

    bar->is_io = choice & 8;
    bar->is_64bit = (choice & 0x10) && !bar->is_io;
    bar->size = size & 0x80 ? 0 : UINT64_C(1) << (size & 0x1f);
    if (choice & 0x80)
        bar->way = FAKE_BAR_REFUSED + (enum fake_bar_way)((size >> 5 & 3) % 3);
    if (choice & 0x20)
        bar->base = fuzz_take32(&fuzz->input) & ~(uint64_t)0xf;
    value = bar->base | bar->is_io | (bar->is_64bit ? 4u : 0);
    if (choice & 0x40)
        memcpy(&function->config[FAKE_PCI_BAR_REGISTER(index)], &value,
               bar->is_64bit && index < 5 ? 8 : 4);
}

static void choose_config(struct config_fuzz *fuzz)
{
    struct fuzz_input *input = &fuzz->input;
    uint8_t *config = fake_device_pci(fuzz->device)->config;

    for (uint8_t count = fuzz_take8(input) % 16; count > 0; count--)
        change_bar(fuzz);
    for (uint8_t count = fuzz_take8(input); count > 0; count--) {
        uint8_t offset = fuzz_take8(input);

        config[offset] = fuzz_take8(input);
    }
}

static void begin(struct config_fuzz *fuzz)
{
    struct fake_device_options options = choose_device(&fuzz->input);
    struct options driver_options = {.takeover = true};

    fuzz->firmware = fake_firmware_new(0);
    fuzz->device = fake_device_new(fuzz->firmware, &options);
    fuzz->controller = fake_device_handle(fuzz->device);
    choose_config(fuzz);
    fake_firmware_baseline(fuzz->firmware);
    fuzz->image = fake_firmware_load_image(fuzz->firmware, NULL);
    fuzz_claim(!EFI_ERROR(driver_binding_install(fuzz->image, &driver_options)),
               "the driver cannot be installed");
    fuzz->binding = fake_firmware_interface(fuzz->firmware, fuzz->image, &driver_binding_guid);
    wire_init(&fuzz->wire, fuzz->device);
    fuzz->wire.before = before_access;
    fuzz->wire.after_read = after_read;
    fuzz->wire.context = fuzz;
}

#define CALL(call)                                                                                 \
    do {                                                                                           \
        wire_begin(&fuzz->wire);                                                                   \
        (void)(call);                                                                              \
        wire_end(&fuzz->wire, #call);                                                              \
    } while (0)

static void use_network(struct config_fuzz *fuzz, EFI_SIMPLE_NETWORK_PROTOCOL *network)
{
    EFI_MAC_ADDRESS multicast = {{0x01, 0x00, 0x5e, 0, 0, 1}};
    EFI_MAC_ADDRESS station = {{0x02, 0, 0, 0, 0, 1}};
    EFI_NETWORK_STATISTICS table;
    UINTN table_bytes = sizeof(table);
    uint8_t *frame = calloc(1, FRAME_BYTES);
    UINTN frame_bytes = FRAME_BYTES;
    UINT32 interrupts;
    void *returned;

    CALL(network->Start(network));
    CALL(network->Initialize(network, 0, 0));
    CALL(network->Statistics(network, TRUE, &table_bytes, &table));
    CALL(network->StationAddress(network, FALSE, &station));
    CALL(network->ReceiveFilters(network, 2, 0, FALSE, 1, &multicast));
    CALL(network->Transmit(network, 0, 60, frame, NULL, NULL, NULL));
    (void)fake_device_deliver(fuzz->device, frame, 60);
    fake_firmware_advance_us(fuzz->firmware, 100000);
    CALL(network->GetStatus(network, &interrupts, &returned));
    CALL(network->Receive(network, NULL, &frame_bytes, frame, NULL, NULL, NULL));
    CALL(network->Reset(network, FALSE));
    CALL(network->Transmit(network, 0, 60, frame, NULL, NULL, NULL));
    CALL(network->Shutdown(network));
    CALL(network->Initialize(network, 0, 0));
    free(frame);
}

static void end(struct config_fuzz *fuzz)
{
    wire_begin(&fuzz->wire);
    fuzz_claim(!EFI_ERROR(driver_binding_uninstall()), "the driver does not let go");
    wire_end(&fuzz->wire, "uninstall");
    fake_firmware_assert_nothing_leaked(fuzz->firmware);
    wire_fini();
    fake_firmware_free(fuzz->firmware);
}

/* The way ConnectController does it. */
static bool start(struct config_fuzz *fuzz)
{
    EFI_STATUS status;

    wire_begin(&fuzz->wire);
    status = fuzz->binding->Supported(fuzz->binding, fuzz->controller, NULL);
    wire_end(&fuzz->wire, "Supported");
    if (EFI_ERROR(status))
        return false;
    wire_begin(&fuzz->wire);
    status = fuzz->binding->Start(fuzz->binding, fuzz->controller, NULL);
    wire_end(&fuzz->wire, "Start");
    return !EFI_ERROR(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_fuzz *fuzz = calloc(1, sizeof(*fuzz));

    fuzz_begin(&fuzz->input, data, size);
    begin(fuzz);
    if (start(fuzz)) {
        EFI_HANDLE child = fake_firmware_find_handle(fuzz->firmware, &snp_guid, 0);

        fuzz_claim(child, "Start succeeds, but there is no child");
        use_network(fuzz, fake_firmware_interface(fuzz->firmware, child, &snp_guid));
        CALL(fuzz->binding->Stop(fuzz->binding, fuzz->controller, 0, NULL));
    }
    end(fuzz);
    free(fuzz);
    return 0;
}
