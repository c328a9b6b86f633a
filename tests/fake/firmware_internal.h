/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Shared by the parts of the fake firmware and by fake protocols with resources of their
 * own. Tests include firmware.h instead.
 */
#ifndef FAKE_FIRMWARE_INTERNAL_H
#define FAKE_FIRMWARE_INTERNAL_H

#include "firmware.h"
#include "report.h"

#define FAKE_TICKS_PER_US 10u /* the clock counts units of 100 ns, as SetTimer does */
#define FAKE_TPL_DEPTH_MAX 16u
#define FAKE_CONSOLE_SIZE 65536u
#define FAKE_PAGE_SIZE 4096u

/* One entry of the ledger, embedded in everything that can leak. */
struct fake_resource {
    const char *kind;
    const char *name; /* more about it, or NULL */
    size_t size;      /* in bytes; 0 if it has none */
    void *caller;     /* where the driver obtained it */
    bool in_baseline;
};

typedef void fake_resource_visitor(struct fake_resource *resource, void *argument);

/* A fake protocol with resources of its own, for example PciIo. */
struct fake_attachment {
    struct fake_attachment *next;
    void *context;
    void (*visit)(void *context, fake_resource_visitor *visitor, void *argument);
    void (*baseline)(void *context);
    void (*assert_restored)(void *context);
    void (*boot_services_exited)(void *context);
    void (*free)(void *context);
};

struct fake_allocation {
    struct fake_allocation *next;
    struct fake_resource resource;
    void *address;
    bool is_pages;
};

struct fake_event {
    struct fake_event *next;
    struct fake_resource resource;
    UINT32 type;
    EFI_TPL notify_tpl;
    EFI_EVENT_NOTIFY notify;
    void *context;
    EFI_GUID group;
    bool has_group;
    bool is_open;
    bool is_signaled;
    uint64_t queued_at; /* place in the queue of notifications, 0: not queued */
    uint64_t due;       /* in ticks, UINT64_MAX: no timer */
    uint64_t period;    /* 0: fires once */
};

struct fake_open {
    struct fake_open *next;
    struct fake_resource resource;
    EFI_HANDLE agent;
    EFI_HANDLE controller;
    UINT32 attributes;
    UINT32 count;
};

struct fake_protocol {
    struct fake_protocol *next;
    struct fake_resource resource;
    EFI_GUID guid;
    void *interface;
    struct fake_open *opens;
};

/* Ceases to exist with its last protocol; its memory stays until the firmware is freed. */
struct fake_handle {
    struct fake_handle *next;
    struct fake_protocol *protocols;
};

struct fake_variable;
struct fake_owned;

enum fake_boot_phase { FAKE_PHASE_BOOT, FAKE_PHASE_EXITING, FAKE_PHASE_EXITED };

struct fake_firmware {
    EFI_SYSTEM_TABLE system_table;
    EFI_BOOT_SERVICES boot_services;
    EFI_RUNTIME_SERVICES runtime_services;
    SIMPLE_TEXT_OUTPUT_INTERFACE console_out;
    char console[FAKE_CONSOLE_SIZE];
    size_t console_length;
    enum fake_boot_phase phase;

    unsigned counted_kinds;
    unsigned call_count;
    unsigned failing_call;
    bool fails_ever_after;
    const char *failed_call;

    EFI_TPL tpl;
    EFI_TPL raised_from[FAKE_TPL_DEPTH_MAX];
    unsigned raise_depth;
    unsigned raise_count;
    uint64_t now;
    uint64_t notifications_queued;
    uint64_t monotonic_count;
    unsigned connect_depth;

    struct fake_allocation *allocations;
    struct fake_event *events;
    struct fake_handle *handles;
    struct fake_attachment *attachments;
    struct fake_variable *variables;
    struct fake_owned *owned;
};

/* Every service starts here: reports a call above `highest_tpl`, and one that the boot phase
 * forbids. */
struct fake_firmware *fake_enter(const char *service, EFI_TPL highest_tpl);

/* As above, for a service that is allowed while ExitBootServices notifies. */
struct fake_firmware *fake_enter_at_exit(const char *service, EFI_TPL highest_tpl);

/* Counts a fallible call. True: it must fail. */
bool fake_call_fails(struct fake_firmware *firmware, enum fake_call_kind kind, const char *service);

void fake_firmware_attach(struct fake_firmware *firmware, const struct fake_attachment *attachment);

/* Resources that the driver holds and must release. */
size_t fake_firmware_count_resources(struct fake_firmware *firmware);

/* Memory that the driver will free with FreePool. */
void *fake_pool_new(struct fake_firmware *firmware, size_t size, void *caller);

/* Zeroed memory that lives as long as the firmware. */
void *fake_owned_new(struct fake_firmware *firmware, size_t size);

extern const EFI_GUID fake_exit_boot_services_group;

bool fake_guids_equal(const EFI_GUID *left, const EFI_GUID *right);
const char *fake_guid_name(const EFI_GUID *guid);

struct fake_protocol *fake_protocol_find(struct fake_firmware *firmware, EFI_HANDLE handle,
                                         const EFI_GUID *guid);

/* NULL: no such handle. fake_handle_check reports the driver, under `service`. */
struct fake_handle *fake_handle_find(struct fake_firmware *firmware, EFI_HANDLE handle);
struct fake_handle *fake_handle_check(struct fake_firmware *firmware, EFI_HANDLE handle,
                                      const char *service);

/* Opens according to the rules, on behalf of a driver that is part of the fake. */
EFI_STATUS fake_open_add(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                         const struct fake_open *wanted);

/* False: was not open. */
bool fake_open_remove(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                      EFI_HANDLE agent, EFI_HANDLE controller);

EFI_STATUS fake_connect(struct fake_firmware *firmware, EFI_HANDLE controller,
                        const EFI_HANDLE *driver_images, bool is_recursive);
EFI_STATUS fake_disconnect(struct fake_firmware *firmware, EFI_HANDLE controller, EFI_HANDLE driver,
                           EFI_HANDLE child);

/* Runs the notifications that the current TPL admits. */
void fake_events_dispatch(struct fake_firmware *firmware);
void fake_clock_advance(struct fake_firmware *firmware, uint64_t ticks);
void fake_event_group_signal(struct fake_firmware *firmware, const EFI_GUID *group);

/* DMA buffers and mappings of a struct fake_pci_function. */
void fake_pci_visit_dma(void *context, fake_resource_visitor *visitor, void *argument);

/* Each part: fill the service tables, list its resources, free its memory. */
void fake_memory_services(struct fake_firmware *firmware);
void fake_memory_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                       void *argument);
void fake_memory_free(struct fake_firmware *firmware);
void fake_event_services(struct fake_firmware *firmware);
void fake_events_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                       void *argument);
void fake_events_free(struct fake_firmware *firmware);
void fake_handle_services(struct fake_firmware *firmware);
void fake_open_services(struct fake_firmware *firmware);
void fake_handles_visit(struct fake_firmware *firmware, fake_resource_visitor *visitor,
                        void *argument);
void fake_handles_free(struct fake_firmware *firmware);
void fake_driver_services(struct fake_firmware *firmware);
void fake_runtime_services(struct fake_firmware *firmware);
void fake_runtime_free(struct fake_firmware *firmware);

#endif
