/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void fuzz_fail(const char *format, ...)
{
    va_list arguments;

    fputs("fuzz: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static void report(const char *message)
{
    fuzz_fail("%s", message);
}

void fuzz_begin(struct fuzz_input *input, const uint8_t *data, size_t size)
{
    *input = (struct fuzz_input){data, data + size};
    fake_report_to(report);
}

void fuzz_take_bytes(struct fuzz_input *input, void *bytes, size_t count)
{
    size_t there = count < fuzz_left(input) ? count : fuzz_left(input);

    memset(bytes, 0, count);
    if (there > 0)
        memcpy(bytes, input->at, there);
    input->at += there;
}

uint8_t fuzz_take8(struct fuzz_input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

uint16_t fuzz_take16(struct fuzz_input *input)
{
    uint16_t value;

    fuzz_take_bytes(input, &value, sizeof(value));
    return value;
}

uint32_t fuzz_take32(struct fuzz_input *input)
{
    uint32_t value;

    fuzz_take_bytes(input, &value, sizeof(value));
    return value;
}

uint32_t fuzz_take_below(struct fuzz_input *input, uint32_t limit)
{
    return (limit <= 256 ? fuzz_take8(input) : fuzz_take32(input)) % limit;
}
