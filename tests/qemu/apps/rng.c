/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * rng: a resident driver that gives the firmware random numbers at once, on machines whose CPU has
 * none. It is started from the option ROM of a device (rng.rom), before the firmware's network
 * stack asks. The firmware's own driver, for virtio-rng, may wait for ever; docs/TESTING.md says
 * why. The numbers are good enough for ports and transaction ids on a test's network, not for keys.
 */
#include <efi.h>
#include <efilib.h>
#include <stdint.h>

static EFI_GUID rng_guid = EFI_RNG_PROTOCOL_GUID;
static EFI_RNG_ALGORITHM raw = EFI_RNG_ALGORITHM_RAW;
static uint64_t state;

/* What src/driver/start.c calls, by the compiler's own convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_STATUS EFIAPI get_info(EFI_RNG_PROTOCOL *this, UINTN *list_size, EFI_RNG_ALGORITHM *list)
{
    UINTN room = *list_size;

    (void)this;
    *list_size = sizeof raw;
    if (room < sizeof raw)
        return EFI_BUFFER_TOO_SMALL;
    *list = raw;
    return EFI_SUCCESS;
}

/* Marsaglia's xorshift64, "Xorshift RNGs", 2003. */
static EFI_STATUS EFIAPI get_rng(EFI_RNG_PROTOCOL *this, EFI_RNG_ALGORITHM *algorithm, UINTN size,
                                 UINT8 *value)
{
    (void)this;
    if (algorithm != NULL && CompareMem(algorithm, &raw, sizeof raw) != 0)
        return EFI_UNSUPPORTED;
    for (UINTN i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value[i] = (UINT8)(state >> 56);
    }
    return EFI_SUCCESS;
}

static EFI_RNG_PROTOCOL rng = {.GetInfo = get_info, .GetRNG = get_rng};

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_TIME now;
    EFI_HANDLE handle = NULL;

    InitializeLib(image, table);
    state = 1;
    if (!EFI_ERROR(RT->GetTime(&now, NULL))) /* another seed after each reset */
        state += ((uint64_t)now.Minute * 60 + now.Second) * 1000000000 + now.Nanosecond;
    return BS->InstallProtocolInterface(&handle, &rng_guid, EFI_NATIVE_INTERFACE, &rng);
}
