/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Memory barriers between the CPU and a device that reads and writes RAM.
 *
 * They are always the ones that a physical device needs, so that accepting
 * ORDER_PLATFORM changes nothing and forgetting it harms nobody. On x86 stores
 * and loads keep their order by themselves, and only a store that must be seen
 * before a later load costs an instruction.
 */
#ifndef BARRIER_H
#define BARRIER_H

#if defined(__x86_64__) || defined(__i386__)
#define BARRIER_READ "" /* only the compiler must be told */
#define BARRIER_WRITE ""
#define BARRIER_FULL "lock; orl $0, (%%" BARRIER_STACK ")"
#ifdef __x86_64__
#define BARRIER_STACK "rsp"
#else
#define BARRIER_STACK "esp"
#endif
#elif defined(__aarch64__)
#define BARRIER_READ "dmb oshld"
#define BARRIER_WRITE "dmb oshst"
#define BARRIER_FULL "dmb osh"
#elif defined(__riscv) /* Unprivileged ISA, 2.7: i and o are device memory, r and w RAM */
#define BARRIER_READ "fence ir, ir"
#define BARRIER_WRITE "fence ow, ow"
#define BARRIER_FULL "fence iorw, iorw"
#elif defined(__loongarch64)
/* LoongArch Reference Manual 1.10, 2.2.8.1. From bit 3 down a set bit lets earlier loads, earlier
 * stores, later loads and later stores pass; older processors take any hint for 0. */
#define BARRIER_READ "dbar 0x05"
#define BARRIER_WRITE "dbar 0x0a"
#define BARRIER_FULL "dbar 0x00"
#else
#error "barrier.h does not know this architecture"
#endif

/* Orders earlier loads before later loads. */
static inline void barrier_read(void)
{
    __asm__ volatile(BARRIER_READ ::: "memory");
}

/* Orders earlier stores before later stores, for the device as well. */
static inline void barrier_write(void)
{
    __asm__ volatile(BARRIER_WRITE ::: "memory");
}

/* Orders everything before it before everything after it. */
static inline void barrier_full(void)
{
    __asm__ volatile(BARRIER_FULL ::: "memory", "cc");
}

#endif
