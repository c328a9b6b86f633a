/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The takeover on a machine that the fuzzer controls: who holds which NIC, who refuses, foreign
 * handles with false device paths, where the image came from, and the firmware's answer to each
 * call that the takeover makes.
 *
 * Input: 8 bytes that select the machine; a count of foreign handles, and for each the length and
 * the bytes of its path; then a byte for each call of the takeover, to the end of the input.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guids.h"
#include "driver/driver_binding.h"
#include "driver/takeover.h"
#include "fixture.h"
#include "fuzz.h"
#include "report.h"
#include "rival.h"

#define NICS_MAX 3u
#define FOREIGN_MAX 4u
#define PATH_BYTES_MAX 64u
#define CALLS_MAX 10000u /* of the takeover; with more it would not end */

/* The effect of a byte on a call. Most have none. */
#define REFUSED 0xf0u             /* from here on: not carried out, and answered with an error */
#define CARRIED_OUT_REFUSED 0xe0u /* from here on: carried out, and answered with an error */

struct takeover_fuzz {
    struct fuzz_input input;
    struct fake_fixture fake;
    EFI_HANDLE image;
    struct fake_rival *rival;
    struct fake_consumer *client;
    unsigned nics;
    EFI_BOOT_SERVICES real;
    unsigned depth; /* of calls that call drivers, whose own calls get true answers */
    unsigned calls;
    bool was_refused_a_connect;
    bool was_refused_a_look; /* at a protocol, or at its openers */
    uint8_t *paths[FOREIGN_MAX];
};

static struct takeover_fuzz *fuzz; /* boot services have no context */

/* The next byte's effect on a call that the takeover itself makes. */
static uint8_t say(void)
{
    if (fuzz->depth > 0)
        return 0;
    fuzz_claim(++fuzz->calls <= CALLS_MAX, "the takeover makes call after call");
    return fuzz_take8(&fuzz->input);
}

static EFI_STATUS an_error(uint8_t byte)
{
    static const EFI_STATUS errors[] = {
        EFI_DEVICE_ERROR,  EFI_NOT_FOUND,       EFI_INVALID_PARAMETER, EFI_UNSUPPORTED,
        EFI_ACCESS_DENIED, EFI_ALREADY_STARTED, EFI_OUT_OF_RESOURCES,  EFI_SECURITY_VIOLATION};

    return errors[byte % (sizeof(errors) / sizeof(errors[0]))];
}

static EFI_STATUS EFIAPI connect(EFI_HANDLE controller, EFI_HANDLE *images, EFI_DEVICE_PATH *path,
                                 BOOLEAN is_recursive)
{
    uint8_t byte = say();
    EFI_STATUS status;

    /* The call with all drivers is meant to give the NIC back. */
    fuzz->was_refused_a_connect |= byte >= REFUSED && !images;
    if (byte >= REFUSED)
        return an_error(byte);
    fuzz->depth++;
    status = fuzz->real.ConnectController(controller, images, path, is_recursive);
    fuzz->depth--;
    return byte >= CARRIED_OUT_REFUSED ? an_error(byte) : status;
}

static EFI_STATUS EFIAPI disconnect(EFI_HANDLE controller, EFI_HANDLE driver, EFI_HANDLE child)
{
    uint8_t byte = say();
    EFI_STATUS status;

    if (byte >= REFUSED)
        return an_error(byte);
    fuzz->depth++;
    status = fuzz->real.DisconnectController(controller, driver, child);
    fuzz->depth--;
    return byte >= CARRIED_OUT_REFUSED ? an_error(byte) : status;
}

static EFI_STATUS EFIAPI open(EFI_HANDLE handle, EFI_GUID *guid, VOID **ret_interface,
                              EFI_HANDLE agent, EFI_HANDLE controller, UINT32 attributes)
{
    uint8_t byte = say();

    fuzz->was_refused_a_look |= byte >= REFUSED;
    if (byte >= REFUSED)
        return an_error(byte);
    return fuzz->real.OpenProtocol(handle, guid, ret_interface, agent, controller, attributes);
}

static EFI_STATUS EFIAPI openers(EFI_HANDLE handle, EFI_GUID *guid,
                                 EFI_OPEN_PROTOCOL_INFORMATION_ENTRY **ret_openers,
                                 UINTN *ret_count)
{
    uint8_t byte = say();

    fuzz->was_refused_a_look |= byte >= REFUSED;
    if (byte >= REFUSED)
        return an_error(byte);
    return fuzz->real.OpenProtocolInformation(handle, guid, ret_openers, ret_count);
}

static EFI_STATUS EFIAPI locate(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *guid, VOID *key,
                                UINTN *ret_count, EFI_HANDLE **ret_handles)
{
    uint8_t byte = say();

    fuzz->was_refused_a_look |= byte >= REFUSED;
    if (byte >= REFUSED)
        return an_error(byte);
    return fuzz->real.LocateHandleBuffer(type, guid, key, ret_count, ret_handles);
}

static EFI_HANDLE nic(unsigned index)
{
    return fake_device_handle(fuzz->fake.devices[index]);
}

/* A handle with SNP and a path of the input's bytes. The block is exactly as large as a path may be
 * followed, so that a read past it is detected. */
static void add_foreign_handle(unsigned index)
{
    static EFI_SIMPLE_NETWORK_PROTOCOL network;
    size_t bytes = fuzz_take_below(&fuzz->input, PATH_BYTES_MAX);
    EFI_HANDLE handle = fake_firmware_new_handle(fuzz->fake.firmware, &snp_guid, &network);

    fuzz->paths[index] = calloc(1, 0x10000);
    fuzz_take_bytes(&fuzz->input, fuzz->paths[index], bytes);
    fake_firmware_install(fuzz->fake.firmware, handle, &device_path_guid, fuzz->paths[index]);
}

/* Returns the NIC below which the image's device lies, or `nics`. */
static unsigned load_image(uint8_t choice)
{
    unsigned index = choice % 4;
    EFI_HANDLE device = NULL;

    if (index >= fuzz->nics)
        index = fuzz->nics;
    else
        device = choice & 0x80 ? nic(index) : fake_rival_handle_below(fuzz->rival, nic(index));
    fuzz->image = fake_firmware_load_image(fuzz->fake.firmware, device);
    return choice & 0x80 ? fuzz->nics : index;
}

static void lie(void)
{
    fuzz->real = *BS;
    BS->ConnectController = connect;
    BS->DisconnectController = disconnect;
    BS->OpenProtocol = open;
    BS->OpenProtocolInformation = openers;
    BS->LocateHandleBuffer = locate;
}

static void stop_lying(void)
{
    *BS = fuzz->real;
}

static void check(unsigned loaded_through)
{
    fuzz_claim(fake_firmware_tpl(fuzz->fake.firmware) == TPL_APPLICATION, "TPL left raised");
    for (unsigned i = 0; i < fuzz->nics; i++) {
        bool is_ours = driver_binding_holds(nic(i));
        bool is_rivals = fake_rival_child(fuzz->rival, nic(i)) != NULL;

        fuzz_claim(!is_ours || !is_rivals, "two drivers on NIC %u", i);
        fuzz_claim(is_ours || is_rivals || fuzz->was_refused_a_connect || fuzz->was_refused_a_look,
                   "NIC %u has no driver", i);
        fuzz_claim(i != loaded_through || !is_ours || fuzz->was_refused_a_look,
                   "NIC %u, through which the image was loaded, is taken", i);
    }
}

/* A driver that is still paused would reject the NIC. */
static void check_not_paused(void)
{
    EFI_DRIVER_BINDING_PROTOCOL *binding =
        fake_firmware_interface(fuzz->fake.firmware, fuzz->image, &driver_binding_guid);

    for (unsigned i = 0; i < fuzz->nics; i++) {
        (void)fake_firmware_disconnect(fuzz->fake.firmware, nic(i));
        fuzz_claim(binding->Supported(binding, nic(i), NULL) == EFI_SUCCESS,
                   "NIC %u is turned away", i);
    }
}

static void end(void)
{
    fuzz->rival->refuses_to_stop = false;
    fuzz->client->refuses_to_stop = false;
    check_not_paused();
    fuzz_claim(!EFI_ERROR(driver_binding_uninstall()), "the driver does not let go");
    fake_firmware_assert_nothing_leaked(fuzz->fake.firmware);
    fake_fixture_fini(&fuzz->fake);
    for (unsigned i = 0; i < FOREIGN_MAX; i++)
        free(fuzz->paths[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static CHAR16 name[] = L"Rival";
    struct options options = {.takeover = true};
    uint8_t choices[8];
    unsigned loaded_through;

    fuzz = calloc(1, sizeof(*fuzz));
    fuzz_begin(&fuzz->input, data, size);
    fuzz_take_bytes(&fuzz->input, choices, sizeof(choices));
    fuzz->nics = 1 + choices[0] % NICS_MAX;
    fake_fixture_init(&fuzz->fake, fuzz->nics, NULL);
    fuzz->rival = fake_rival_new(fuzz->fake.firmware, choices[1] & 1 ? NULL : name);
    fuzz->client = fake_firmware_hold_protocol(fuzz->fake.firmware, NULL, &snp_guid, false);
    for (unsigned i = 0; i < fuzz->nics; i++) /* some may have no driver */
        (void)fake_firmware_connect(fuzz->fake.firmware, nic(i));
    loaded_through = load_image(choices[2]);
    fuzz_claim(!EFI_ERROR(driver_binding_install(fuzz->image, &options)), "not installed");
    for (unsigned count = choices[3] % (FOREIGN_MAX + 1), i = 0; i < count; i++)
        add_foreign_handle(i);
    options.takeover = choices[4] % 8 != 0;
    options.verbosity = choices[5] % (VERBOSITY_ALL + 1);
    fuzz->rival->refuses_to_stop = choices[6] & 1;
    fuzz->client->refuses_to_stop = choices[6] & 2;
    fake_firmware_baseline(fuzz->fake.firmware);

    lie();
    takeover_run(fuzz->image, &options);
    stop_lying();
    check(loaded_through);
    end();
    free(fuzz);
    return 0;
}
