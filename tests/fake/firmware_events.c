/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Task priority, events, timers and the clock. Time passes only in Stall, in
 * WaitForEvent and by fake_firmware_advance_us().
 */
#include "firmware_internal.h"

#include <stdlib.h>

#define NO_TIMER UINT64_MAX
#define SYSTEM_TICK (10000u * FAKE_TICKS_PER_US)
#define WAIT_LIMIT_TICKS (60u * 1000000u * FAKE_TICKS_PER_US)

EFI_TPL fake_firmware_tpl(const struct fake_firmware *firmware)
{
    return firmware->tpl;
}

unsigned fake_firmware_tpl_raise_count(const struct fake_firmware *firmware)
{
    return firmware->raise_count;
}

static EFI_TPL EFIAPI raise_tpl(EFI_TPL new_tpl)
{
    struct fake_firmware *firmware = fake_enter_at_exit("RaiseTPL", TPL_HIGH_LEVEL);
    EFI_TPL old_tpl = firmware->tpl;

    if (new_tpl < old_tpl || new_tpl > TPL_HIGH_LEVEL) {
        fake_report("RaiseTPL(%u) at %u", (unsigned)new_tpl, (unsigned)old_tpl);
        return old_tpl;
    }
    if (firmware->raise_depth == FAKE_TPL_DEPTH_MAX) {
        fake_report("RaiseTPL: never restored");
        return old_tpl;
    }
    firmware->raised_from[firmware->raise_depth++] = old_tpl;
    firmware->raise_count++;
    firmware->tpl = new_tpl;
    return old_tpl;
}

static void EFIAPI restore_tpl(EFI_TPL old_tpl)
{
    struct fake_firmware *firmware = fake_enter_at_exit("RestoreTPL", TPL_HIGH_LEVEL);

    if (firmware->raise_depth == 0) {
        fake_report("RestoreTPL(%u) without RaiseTPL", (unsigned)old_tpl);
        return;
    }
    if (firmware->raised_from[--firmware->raise_depth] != old_tpl)
        fake_report("RestoreTPL(%u), but it was raised from %u", (unsigned)old_tpl,
                    (unsigned)firmware->raised_from[firmware->raise_depth]);
    firmware->tpl = firmware->raised_from[firmware->raise_depth];
    fake_events_dispatch(firmware);
}

static struct fake_event *next_notification(struct fake_firmware *firmware)
{
    struct fake_event *best = NULL;

    for (struct fake_event *each = firmware->events; each; each = each->next) {
        if (each->queued_at == 0 || each->notify_tpl <= firmware->tpl)
            continue;
        if (!best || each->notify_tpl > best->notify_tpl ||
            (each->notify_tpl == best->notify_tpl && each->queued_at < best->queued_at))
            best = each;
    }
    return best;
}

void fake_events_dispatch(struct fake_firmware *firmware)
{
    struct fake_event *event;

    while ((event = next_notification(firmware))) {
        EFI_TPL tpl = firmware->tpl;
        unsigned depth = firmware->raise_depth;

        event->queued_at = 0;
        if (event->type & EVT_NOTIFY_SIGNAL)
            event->is_signaled = false;
        firmware->tpl = event->notify_tpl;
        event->notify(event, event->context);
        if (firmware->tpl != event->notify_tpl || firmware->raise_depth != depth)
            fake_report("a notification function returned with TPL %u", (unsigned)firmware->tpl);
        firmware->tpl = tpl;
        firmware->raise_depth = depth;
    }
}

static void queue_notification(struct fake_firmware *firmware, struct fake_event *event)
{
    if (event->queued_at == 0)
        event->queued_at = ++firmware->notifications_queued;
}

static void signal_one(struct fake_firmware *firmware, struct fake_event *event)
{
    if (event->is_signaled)
        return;
    event->is_signaled = true;
    if (event->type & EVT_NOTIFY_SIGNAL)
        queue_notification(firmware, event);
}

void fake_event_group_signal(struct fake_firmware *firmware, const EFI_GUID *group)
{
    for (struct fake_event *each = firmware->events; each; each = each->next)
        if (each->is_open && each->has_group && fake_guids_equal(&each->group, group))
            signal_one(firmware, each);
}

static void fire_due_timers(struct fake_firmware *firmware)
{
    for (struct fake_event *each = firmware->events; each; each = each->next) {
        if (!each->is_open || each->due > firmware->now)
            continue;
        each->due = each->period ? each->due + each->period : NO_TIMER;
        signal_one(firmware, each);
    }
}

static uint64_t earliest_timer(const struct fake_firmware *firmware)
{
    uint64_t due = NO_TIMER;

    for (const struct fake_event *each = firmware->events; each; each = each->next)
        if (each->is_open && each->due < due)
            due = each->due;
    return due;
}

/* Timers stop when boot services end; the clock itself does not. */
void fake_clock_advance(struct fake_firmware *firmware, uint64_t ticks)
{
    uint64_t end = firmware->now + ticks;

    while (firmware->phase == FAKE_PHASE_BOOT) {
        uint64_t due = earliest_timer(firmware);

        if (due > end)
            break;
        if (due > firmware->now)
            firmware->now = due;
        fire_due_timers(firmware);
        fake_events_dispatch(firmware);
    }
    if (firmware->now < end)
        firmware->now = end;
}

void fake_firmware_advance_us(struct fake_firmware *firmware, uint64_t microseconds)
{
    fake_clock_advance(firmware, microseconds * FAKE_TICKS_PER_US);
}

uint64_t fake_firmware_now_us(const struct fake_firmware *firmware)
{
    return firmware->now / FAKE_TICKS_PER_US;
}

static EFI_STATUS EFIAPI stall(UINTN microseconds)
{
    struct fake_firmware *firmware = fake_enter_at_exit("Stall", TPL_HIGH_LEVEL);

    fake_firmware_advance_us(firmware, microseconds);
    return EFI_SUCCESS;
}

static EFI_STATUS event_new(UINT32 type, EFI_TPL notify_tpl, EFI_EVENT_NOTIFY notify,
                            const void *context, const EFI_GUID *group, EFI_EVENT *ret_event,
                            void *caller)
{
    struct fake_firmware *firmware = fake_enter("CreateEvent", TPL_NOTIFY);
    bool notifies = type & (EVT_NOTIFY_SIGNAL | EVT_NOTIFY_WAIT);
    struct fake_event **end = &firmware->events;
    struct fake_event *event;

    if (!ret_event ||
        (notifies && (!notify || notify_tpl <= TPL_APPLICATION || notify_tpl >= TPL_HIGH_LEVEL))) {
        fake_report("CreateEvent: type %#x, notification TPL %u", type, (unsigned)notify_tpl);
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_EVENT, "CreateEvent"))
        return EFI_OUT_OF_RESOURCES;

    event = calloc(1, sizeof(*event));
    *event = (struct fake_event){
        .resource = {.kind = "event", .caller = caller},
        .type = type,
        .notify_tpl = notify_tpl,
        .notify = notify,
        .context = (void *)(uintptr_t)context,
        .has_group = group != NULL,
        .is_open = true,
        .due = NO_TIMER,
    };
    if (group)
        event->group = *group;
    while (*end)
        end = &(*end)->next;
    *end = event;
    *ret_event = event;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI create_event(UINT32 type, EFI_TPL notify_tpl, EFI_EVENT_NOTIFY notify,
                                      void *context, EFI_EVENT *ret_event)
{
    const EFI_GUID *group =
        type == EVT_SIGNAL_EXIT_BOOT_SERVICES ? &fake_exit_boot_services_group : NULL;

    return event_new(type, notify_tpl, notify, context, group, ret_event,
                     __builtin_return_address(0));
}

static EFI_STATUS EFIAPI create_event_ex(UINT32 type, EFI_TPL notify_tpl, EFI_EVENT_NOTIFY notify,
                                         const void *context, const EFI_GUID *group,
                                         EFI_EVENT *ret_event)
{
    return event_new(type, notify_tpl, notify, context, group, ret_event,
                     __builtin_return_address(0));
}

static struct fake_event *check_event_handle(struct fake_firmware *firmware, EFI_EVENT handle,
                                             const char *service)
{
    struct fake_event *event = firmware->events;

    while (event && event != handle)
        event = event->next;
    if (event && event->is_open)
        return event;
    fake_report("%s(%p): %s", service, handle, event ? "closed before" : "no such event");
    return NULL;
}

static EFI_STATUS EFIAPI set_timer(EFI_EVENT handle, EFI_TIMER_DELAY type, UINT64 delay)
{
    struct fake_firmware *firmware = fake_enter("SetTimer", TPL_NOTIFY);
    struct fake_event *event = check_event_handle(firmware, handle, "SetTimer");

    if (!event || !(event->type & EVT_TIMER) || type >= TimerTypeMax) {
        fake_report("SetTimer: not a timer event, or type %u", (unsigned)type);
        return EFI_INVALID_PARAMETER;
    }
    if (type == TimerCancel) {
        event->due = NO_TIMER;
        return EFI_SUCCESS;
    }
    if (fake_call_fails(firmware, FAKE_CALL_EVENT, "SetTimer"))
        return EFI_OUT_OF_RESOURCES;

    if (delay == 0)
        delay = SYSTEM_TICK;
    event->due = firmware->now + delay;
    event->period = type == TimerPeriodic ? delay : 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI signal_event(EFI_EVENT handle)
{
    struct fake_firmware *firmware = fake_enter_at_exit("SignalEvent", TPL_HIGH_LEVEL);
    struct fake_event *event = check_event_handle(firmware, handle, "SignalEvent");

    if (!event)
        return EFI_INVALID_PARAMETER;
    if (event->has_group)
        fake_event_group_signal(firmware, &event->group);
    else
        signal_one(firmware, event);
    fake_events_dispatch(firmware);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI close_event(EFI_EVENT handle)
{
    struct fake_firmware *firmware = fake_enter("CloseEvent", TPL_NOTIFY);
    struct fake_event *event = check_event_handle(firmware, handle, "CloseEvent");

    if (!event)
        return EFI_INVALID_PARAMETER;
    event->is_open = false;
    event->queued_at = 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI check_event(EFI_EVENT handle)
{
    struct fake_firmware *firmware = fake_enter_at_exit("CheckEvent", TPL_NOTIFY);
    struct fake_event *event = check_event_handle(firmware, handle, "CheckEvent");

    if (!event || (event->type & EVT_NOTIFY_SIGNAL))
        return EFI_INVALID_PARAMETER;
    if (!event->is_signaled && (event->type & EVT_NOTIFY_WAIT)) {
        queue_notification(firmware, event);
        fake_events_dispatch(firmware);
    }
    if (!event->is_signaled)
        return EFI_NOT_READY;
    event->is_signaled = false;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI wait_for_event(UINTN count, EFI_EVENT *events, UINTN *ret_index)
{
    struct fake_firmware *firmware = fake_enter("WaitForEvent", TPL_APPLICATION);
    uint64_t limit = firmware->now + WAIT_LIMIT_TICKS;

    if (count == 0 || firmware->tpl != TPL_APPLICATION)
        return count == 0 ? EFI_INVALID_PARAMETER : EFI_UNSUPPORTED;
    while (firmware->now < limit) {
        for (UINTN i = 0; i < count; i++) {
            EFI_STATUS status = check_event(events[i]);

            if (status == EFI_NOT_READY)
                continue;
            *ret_index = i;
            return status;
        }
        fake_clock_advance(firmware, SYSTEM_TICK);
    }
    fake_report("WaitForEvent: nothing was signalled within a minute");
    return EFI_TIMEOUT;
}

void fake_event_services(struct fake_firmware *firmware)
{
    EFI_BOOT_SERVICES *services = &firmware->boot_services;

    services->RaiseTPL = raise_tpl;
    services->RestoreTPL = restore_tpl;
    services->Stall = stall;
    services->CreateEvent = create_event;
    services->CreateEventEx = create_event_ex;
    services->SetTimer = set_timer;
    services->SignalEvent = signal_event;
    services->CloseEvent = close_event;
    services->CheckEvent = check_event;
    services->WaitForEvent = wait_for_event;
}

void fake_events_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                       void *argument)
{
    for (struct fake_event *each = firmware->events; each; each = each->next)
        if (each->is_open)
            visitor(&each->resource, argument);
}

void fake_events_free(struct fake_firmware *firmware)
{
    while (firmware->events) {
        struct fake_event *event = firmware->events;

        firmware->events = event->next;
        free(event);
    }
}
