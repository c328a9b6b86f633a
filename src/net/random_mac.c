/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * One random seed per boot, one address per PCI location out of it.
 */
#include "net/random_mac.h"

#include <efilib.h>

#include "base/guids.h"
#include "base/mac.h"
#include "base/pci_address.h"

#define SEED_ATTRIBUTES EFI_VARIABLE_BOOTSERVICE_ACCESS /* gone after a reset */

static CHAR16 seed_name[] = L"VirtioNetMacSeed";

/* A finalizer with full avalanche: multiply, fold, repeat. */
static uint64_t mix(uint64_t value)
{
    for (unsigned round = 0; round < 3; round++) {
        value *= UINT64_C(0xd1342543de82ef95);
        value ^= value >> 32;
    }
    return value;
}

/* A fast counter of the CPU that EFI code may read; 0 where none is known. */
static uint64_t read_cycles(void)
{
    uint64_t cycles = 0;

#if defined(__x86_64__) || defined(__i386__)
    cycles = __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
#elif defined(__riscv)
    __asm__ volatile("rdtime %0" : "=r"(cycles));
#elif defined(__loongarch64)
    __asm__ volatile("rdtime.d %0, $zero" : "=r"(cycles));
#endif
    return cycles;
}

/* Without a random number generator: mix what differs between two boots. */
static uint64_t gather_entropy(void)
{
    uint64_t entropy = (uintptr_t)&entropy;
    UINT64 count = 0;
    EFI_TIME time = {0};

    if (!EFI_ERROR(BS->GetNextMonotonicCount(&count)))
        entropy = mix(entropy ^ count);
    if (!EFI_ERROR(RT->GetTime(&time, NULL)))
        entropy = mix(entropy ^ ((uint64_t)time.Second << 40 | (uint64_t)time.Minute << 48 |
                                 (uint64_t)time.Hour << 56 | time.Nanosecond));
    entropy = mix(entropy ^ read_cycles());
    return entropy;
}

static uint64_t make_seed(void)
{
    EFI_RNG_PROTOCOL *rng;
    uint64_t seed;

    if (!EFI_ERROR(BS->LocateProtocol(&rng_guid, NULL, (void **)&rng)) &&
        !EFI_ERROR(rng->GetRNG(rng, NULL, sizeof(seed), (UINT8 *)&seed)))
        return seed;
    return gather_entropy();
}

/* Anybody may have written the variable. If it is not what this driver writes, it is
 * deleted first, because other attributes cannot be overwritten. If the new seed cannot be
 * stored, the address changes with the next Start, which is better than no NIC. */
static uint64_t get_seed(void)
{
    uint64_t seed;
    UINTN size = sizeof(seed);
    UINT32 attributes = 0;
    EFI_STATUS status;

    status = RT->GetVariable(seed_name, &variable_guid, &attributes, &size, &seed);
    if (!EFI_ERROR(status) && size == sizeof(seed) && attributes == SEED_ATTRIBUTES)
        return seed;
    if (!EFI_ERROR(status) || status == EFI_BUFFER_TOO_SMALL)
        (void)RT->SetVariable(seed_name, &variable_guid, attributes, 0, NULL);

    seed = make_seed();
    /* If the store fails now, it may still hold a good seed at the next Start. */
    if (!EFI_ERROR(status) || status == EFI_BUFFER_TOO_SMALL || status == EFI_NOT_FOUND)
        (void)RT->SetVariable(seed_name, &variable_guid, SEED_ATTRIBUTES, sizeof(seed), &seed);
    return seed;
}

EFI_STATUS random_mac(EFI_PCI_IO_PROTOCOL *pci_io, uint8_t *ret_mac)
{
    struct pci_address at;
    uint64_t value;
    EFI_STATUS status;

    status = pci_address_get(pci_io, &at);
    if (EFI_ERROR(status))
        return status;
    value = mix(get_seed() ^ mix((uint64_t)at.segment << 24 | (uint64_t)at.bus << 16 |
                                 (uint64_t)at.device << 8 | at.function));
    for (unsigned i = 0; i < MAC_BYTES; i++)
        ret_mac[i] = (uint8_t)(value >> (8 * i));
    ret_mac[0] = (uint8_t)((ret_mac[0] & ~MAC_GROUP_BIT) | MAC_LOCAL_BIT);
    return EFI_SUCCESS;
}
