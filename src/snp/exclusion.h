/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Mutual exclusion between a method and the events that may interrupt it: a timer's
 * function at TPL_CALLBACK may call any method while an application is inside another.
 *
 * There are two ways. UEFI's is to raise the TPL, which costs two calls into the firmware.
 * The other is to mask interrupts, which costs four instructions: events are dispatched
 * from the timer interrupt, there is one processor, and nothing else preempts. This is
 * sound only for code that is short and calls no firmware, which could unmask them. It also
 * needs a privilege level that may mask interrupts, as UEFI's handoff state has (UEFI 2.10,
 * 2.3).
 */
#ifndef EXCLUSION_H
#define EXCLUSION_H

#include <efi.h>
#include <efilib.h>
#include <stdbool.h>

#if defined(__x86_64__) || defined(__i386__)

/* False in a sandbox that runs drivers unprivileged, and in a unit test. */
static inline bool interrupts_are_maskable(void)
{
    uint16_t code_segment;

    __asm__("mov %%cs, %0" : "=r"(code_segment));
    return (code_segment & 3u) == 0; /* the current privilege level */
}

static inline UINTN interrupts_mask(void)
{
    UINTN flags;

    __asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory", "cc");
    return flags;
}

static inline void interrupts_restore(UINTN flags)
{
    __asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}

#elif defined(__aarch64__)

/* UEFI runs at EL1 or EL2 (UEFI 2.10, 2.3.6); a unit test does not. */
static inline bool interrupts_are_maskable(void)
{
    return !__STDC_HOSTED__;
}

static inline UINTN interrupts_mask(void)
{
    UINTN flags;

    __asm__ volatile("mrs %0, daif; msr daifset, #3" : "=r"(flags) : : "memory");
    return flags;
}

static inline void interrupts_restore(UINTN flags)
{
    __asm__ volatile("msr daif, %0" : : "r"(flags) : "memory");
}

#elif defined(__riscv)

#define SSTATUS_SIE 2u /* Privileged ISA 1.12, 4.1.1: supervisor interrupts are enabled */

static inline UINTN interrupts_enabled(void)
{
    UINTN status;

    __asm__ volatile("csrr %0, sstatus" : "=r"(status) : : "memory");
    return status & SSTATUS_SIE;
}

/* UEFI 2.10, 2.3.7 puts firmware into machine mode, where SIE masks nothing. Today's firmware runs
 * in supervisor mode, and code cannot read its own mode. So look at the firmware: if it clears SIE
 * at TPL_HIGH_LEVEL, then SIE is what holds its timer back. */
static inline bool interrupts_are_maskable(void)
{
    EFI_TPL before = BS->RaiseTPL(TPL_HIGH_LEVEL);
    bool is_off = !interrupts_enabled();

    BS->RestoreTPL(before);
    return is_off && interrupts_enabled();
}

static inline UINTN interrupts_mask(void)
{
    UINTN status;

    __asm__ volatile("csrrci %0, sstatus, %1" : "=r"(status) : "i"(SSTATUS_SIE) : "memory");
    return status & SSTATUS_SIE;
}

static inline void interrupts_restore(UINTN enabled)
{
    __asm__ volatile("csrs sstatus, %0" : : "r"(enabled) : "memory");
}

#elif defined(__loongarch64)

#define CRMD 0x0u  /* LoongArch Reference Manual 1.10, 7.4.1: current mode */
#define CRMD_IE 4u /* interrupts are enabled */

/* UEFI runs at privilege level 0 (UEFI 2.10, 2.3.8). */
static inline bool interrupts_are_maskable(void)
{
    return true;
}

static inline void interrupts_restore(UINTN mode)
{
    __asm__ volatile("csrxchg %0, %1, %2" : "+r"(mode) : "r"((UINTN)CRMD_IE), "i"(CRMD) : "memory");
}

static inline UINTN interrupts_mask(void)
{
    UINTN mode = 0;

    __asm__ volatile("csrxchg %0, %1, %2" : "+r"(mode) : "r"((UINTN)CRMD_IE), "i"(CRMD) : "memory");
    return mode;
}

#else /* not examined on this architecture: use TPL_CALLBACK */

static inline bool interrupts_are_maskable(void)
{
    return false;
}

static inline UINTN interrupts_mask(void)
{
    return 0;
}

static inline void interrupts_restore(UINTN flags)
{
    (void)flags;
}

#endif

/* Enter and leave. Both calls of a pair get the same `masks_interrupts`, and leave gets what
 * enter returned. The caller is at TPL_CALLBACK at most. */
static inline UINTN exclusion_enter(bool masks_interrupts)
{
    return masks_interrupts ? interrupts_mask() : BS->RaiseTPL(TPL_CALLBACK);
}

static inline void exclusion_leave(bool masks_interrupts, UINTN before)
{
    if (masks_interrupts)
        interrupts_restore(before);
    else
        BS->RestoreTPL(before);
}

#endif
