/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the firmware enters a test program on loongarch64. Debian's libefi for it is compiled with
 * 128-bit vector instructions, which firmware leaves switched off: switch them on. The driver, which
 * links nothing of libefi, does without.
 */
    .globl app_start
app_start:
    li.w    $t0, 2          /* EUEN.SXE, LoongArch Reference Manual 1.10, 7.4.3 */
    csrxchg $t0, $t0, 0x2
    b       image_start
