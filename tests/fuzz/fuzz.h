/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Shared by the fuzz targets: an input that is read byte by byte, with zeros after its end,
 * and claims. A claim that does not hold ends the process, as does every report of a fake.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

/* From here on the fakes report to the fuzzer. */
void fuzz_begin(struct fuzz_input *input, const uint8_t *data, size_t size);

static inline size_t fuzz_left(const struct fuzz_input *input)
{
    return (size_t)(input->end - input->at);
}

uint8_t fuzz_take8(struct fuzz_input *input);
uint16_t fuzz_take16(struct fuzz_input *input);
uint32_t fuzz_take32(struct fuzz_input *input);
void fuzz_take_bytes(struct fuzz_input *input, void *bytes, size_t count);

/* A number below `limit`, which must not be 0. */
uint32_t fuzz_take_below(struct fuzz_input *input, uint32_t limit);

/* Print and abort: libFuzzer keeps the input. */
void fuzz_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define fuzz_claim(claim, ...) ((claim) ? (void)0 : fuzz_fail(__VA_ARGS__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
