/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The fake firmware as a whole: its life cycle, the failing call, the ledger and the
 * stateless services. The other parts are in firmware_*.c.
 */
#include "firmware_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EFI_SYSTEM_TABLE *ST;
EFI_BOOT_SERVICES *BS;
EFI_RUNTIME_SERVICES *RT;

struct fake_owned {
    struct fake_owned *next;
    max_align_t memory[];
};

static struct fake_firmware *current;

static struct fake_firmware *enter(const char *service, EFI_TPL highest_tpl,
                                   enum fake_boot_phase last_phase)
{
    if (current->phase > last_phase)
        fake_report("%s called %s ExitBootServices", service,
                    current->phase == FAKE_PHASE_EXITING ? "during" : "after");
    if (current->tpl > highest_tpl)
        fake_report("%s called at TPL %u, allowed up to %u", service, (unsigned)current->tpl,
                    (unsigned)highest_tpl);
    return current;
}

struct fake_firmware *fake_enter(const char *service, EFI_TPL highest_tpl)
{
    return enter(service, highest_tpl, FAKE_PHASE_BOOT);
}

struct fake_firmware *fake_enter_at_exit(const char *service, EFI_TPL highest_tpl)
{
    return enter(service, highest_tpl, FAKE_PHASE_EXITING);
}

bool fake_call_fails(struct fake_firmware *firmware, enum fake_call_kind kind, const char *service)
{
    if (!(firmware->counted_kinds & kind))
        return false;
    firmware->call_count++;
    if (firmware->failing_call == 0 || firmware->call_count < firmware->failing_call)
        return false;
    if (firmware->call_count > firmware->failing_call && !firmware->fails_ever_after)
        return false;
    if (firmware->failed_call[0] == '\0')
        firmware->failed_call = service;
    return true;
}

static void EFIAPI copy_mem(void *destination, void *source, UINTN length)
{
    memmove(destination, source, length);
}

static void EFIAPI set_mem(void *buffer, UINTN size, UINT8 value)
{
    memset(buffer, value, size);
}

static EFI_STATUS EFIAPI calculate_crc32(void *data, UINTN size, UINT32 *ret_crc)
{
    const uint8_t *bytes = data;
    uint32_t crc = UINT32_MAX;

    for (UINTN i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
    }
    *ret_crc = ~crc;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_next_monotonic_count(UINT64 *ret_count)
{
    struct fake_firmware *firmware = fake_enter("GetNextMonotonicCount", TPL_HIGH_LEVEL);

    *ret_count = ++firmware->monotonic_count;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *this, CHAR16 *text)
{
    struct fake_firmware *firmware = fake_enter("OutputString", TPL_NOTIFY);

    (void)this;
    for (; *text && firmware->console_length < FAKE_CONSOLE_SIZE - 1; text++)
        firmware->console[firmware->console_length++] = (char)(*text < 0x80 ? *text : u'?');
    return EFI_SUCCESS;
}

const char *fake_firmware_console(const struct fake_firmware *firmware)
{
    return firmware->console;
}

static void fill_tables(struct fake_firmware *firmware)
{
    firmware->boot_services = (EFI_BOOT_SERVICES){
        .Hdr.Signature = EFI_BOOT_SERVICES_SIGNATURE,
        .CopyMem = copy_mem,
        .SetMem = set_mem,
        .CalculateCrc32 = calculate_crc32,
        .GetNextMonotonicCount = get_next_monotonic_count,
    };
    fake_memory_services(firmware);
    fake_event_services(firmware);
    fake_handle_services(firmware);
    fake_open_services(firmware);
    fake_driver_services(firmware);
    fake_runtime_services(firmware);
    firmware->console_out.OutputString = output_string;
    firmware->system_table = (EFI_SYSTEM_TABLE){
        .Hdr.Signature = EFI_SYSTEM_TABLE_SIGNATURE,
        .Hdr.Revision = (2u << 16) | 100u,
        .ConOut = &firmware->console_out,
        .StdErr = &firmware->console_out,
        .BootServices = &firmware->boot_services,
        .RuntimeServices = &firmware->runtime_services,
    };
}

struct fake_firmware *fake_firmware_new(unsigned nth)
{
    struct fake_firmware *firmware = calloc(1, sizeof(*firmware));

    fake_firmware_free(current);
    firmware->counted_kinds = FAKE_CALL_ALL;
    firmware->tpl = TPL_APPLICATION;
    fill_tables(firmware);
    fake_firmware_fail_nth(firmware, nth);

    current = firmware;
    ST = &firmware->system_table;
    BS = &firmware->boot_services;
    RT = &firmware->runtime_services;
    return firmware;
}

void fake_firmware_free(struct fake_firmware *firmware)
{
    if (!firmware)
        return;

    while (firmware->attachments) {
        struct fake_attachment *attachment = firmware->attachments;

        firmware->attachments = attachment->next;
        attachment->free(attachment->context);
        free(attachment);
    }
    fake_handles_free(firmware);
    fake_events_free(firmware);
    fake_memory_free(firmware);
    fake_runtime_free(firmware);
    while (firmware->owned) {
        struct fake_owned *owned = firmware->owned;

        firmware->owned = owned->next;
        free(owned);
    }
    if (current == firmware) {
        current = NULL;
        ST = NULL;
        BS = NULL;
        RT = NULL;
    }
    free(firmware);
}

void *fake_owned_new(struct fake_firmware *firmware, size_t size)
{
    struct fake_owned *owned = calloc(1, sizeof(*owned) + size);

    owned->next = firmware->owned;
    firmware->owned = owned;
    return owned->memory;
}

void fake_firmware_fail_nth(struct fake_firmware *firmware, unsigned nth)
{
    firmware->call_count = 0;
    firmware->failing_call = nth;
    firmware->fails_ever_after = false;
    firmware->failed_call = "";
}

void fake_firmware_fail_from(struct fake_firmware *firmware, unsigned nth)
{
    fake_firmware_fail_nth(firmware, nth);
    firmware->fails_ever_after = true;
}

void fake_firmware_count_only(struct fake_firmware *firmware, unsigned kinds)
{
    firmware->counted_kinds = kinds;
}

bool fake_firmware_has_failed(const struct fake_firmware *firmware)
{
    return firmware->failed_call[0] != '\0';
}

const char *fake_firmware_failed_call(const struct fake_firmware *firmware)
{
    return firmware->failed_call;
}

unsigned fake_firmware_call_count(const struct fake_firmware *firmware)
{
    return firmware->call_count;
}

void fake_firmware_attach(struct fake_firmware *firmware, const struct fake_attachment *attachment)
{
    struct fake_attachment *copy = malloc(sizeof(*copy));

    *copy = *attachment;
    copy->next = firmware->attachments;
    firmware->attachments = copy;
}

static void visit_resources(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                            void *argument)
{
    fake_memory_visit(firmware, visitor, argument);
    fake_events_visit(firmware, visitor, argument);
    fake_handles_visit(firmware, visitor, argument);
    for (struct fake_attachment *each = firmware->attachments; each; each = each->next)
        each->visit(each->context, visitor, argument);
}

static void accept_resource(struct fake_resource *resource, void *argument)
{
    (void)argument;
    resource->in_baseline = true;
}

void fake_firmware_baseline(struct fake_firmware *firmware)
{
    visit_resources(firmware, accept_resource, NULL);
    for (struct fake_attachment *each = firmware->attachments; each; each = each->next)
        each->baseline(each->context);
}

static void count_resource(struct fake_resource *resource, void *argument)
{
    size_t *count = argument;

    if (!resource->in_baseline)
        ++*count;
}

size_t fake_firmware_count_resources(struct fake_firmware *firmware)
{
    size_t count = 0;

    visit_resources(firmware, count_resource, &count);
    return count;
}

struct leak_text {
    char text[896];
    size_t length;
};

/* The sanitizers' run time can name the line; builds without them print the address. */
extern void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size)
    __attribute__((weak));

static void describe_leak(struct fake_resource *resource, void *argument)
{
    struct leak_text *leaks = argument;
    char place[128];
    int length;

    if (resource->in_baseline || leaks->length >= sizeof(leaks->text) - 1)
        return;

    snprintf(place, sizeof(place), "%p", resource->caller);
    if (__sanitizer_symbolize_pc)
        __sanitizer_symbolize_pc(resource->caller, "%f %S", place, sizeof(place));
    length =
        snprintf(leaks->text + leaks->length, sizeof(leaks->text) - leaks->length, "\n  %s%s%s",
                 resource->kind, resource->name ? " " : "", resource->name ? resource->name : "");
    leaks->length += (size_t)length;
    if (leaks->length >= sizeof(leaks->text) - 1)
        return;
    length = snprintf(leaks->text + leaks->length, sizeof(leaks->text) - leaks->length,
                      ", %zu bytes, from %s", resource->size, place);
    leaks->length += (size_t)length;
}

void fake_firmware_assert_nothing_leaked(struct fake_firmware *firmware)
{
    struct leak_text leaks = {.length = 0};

    visit_resources(firmware, describe_leak, &leaks);
    if (leaks.length > 0)
        fake_report("leaked:%s", leaks.text);
    for (struct fake_attachment *each = firmware->attachments; each; each = each->next)
        each->assert_restored(each->context);
    if (firmware->tpl != TPL_APPLICATION)
        fake_report("TPL left at %u", (unsigned)firmware->tpl);
}

void fake_firmware_exit_boot_services(struct fake_firmware *firmware)
{
    static const EFI_GUID before_exit_group = {
        0x8be0e274, 0x3970, 0x4b44, {0x80, 0xc5, 0x1a, 0xb9, 0x50, 0x2f, 0x3b, 0xfc}};

    fake_event_group_signal(firmware, &before_exit_group);
    fake_events_dispatch(firmware);
    firmware->phase = FAKE_PHASE_EXITING;
    fake_event_group_signal(firmware, &fake_exit_boot_services_group);
    fake_events_dispatch(firmware);
    firmware->phase = FAKE_PHASE_EXITED;
    for (struct fake_attachment *each = firmware->attachments; each; each = each->next)
        each->boot_services_exited(each->context);
}

void fake_firmware_fail_to_exit(struct fake_firmware *firmware)
{
    fake_event_group_signal(firmware, &fake_exit_boot_services_group);
    fake_events_dispatch(firmware);
}
