/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Boot and runtime services for host tests: real memory, a handle database with the
 * rules of UEFI 2.10, section 7.3, events on a fake clock, and a ledger of everything
 * that the driver obtained. Misuse of a service is reported (report.h).
 *
 * Life cycle: fake_firmware_new() points ST, BS and RT at the new firmware; the
 * test adds devices and runs the driver; fake_firmware_assert_nothing_leaked();
 * fake_firmware_free(). One firmware at a time: fake_firmware_new() frees what a failed
 * test left behind.
 *
 * The functions declared here are for tests. Unlike the services that the driver calls
 * they are never counted, never fail, and may be called at any TPL.
 */
#ifndef FAKE_FIRMWARE_H
#define FAKE_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efi.h>
#include <efilib.h>

struct fake_firmware;

/* Kinds of fallible calls, as masks, with the status that a failure returns. */
enum fake_call_kind {
    FAKE_CALL_MEMORY = 0x01,   /* pool and pages: OUT_OF_RESOURCES */
    FAKE_CALL_EVENT = 0x02,    /* CreateEvent, SetTimer: OUT_OF_RESOURCES */
    FAKE_CALL_PROTOCOL = 0x04, /* open, install, locate, connect: OUT_OF_RESOURCES */
    FAKE_CALL_PCI = 0x08,      /* PciIo registers, attributes: DEVICE_ERROR */
    FAKE_CALL_DMA = 0x10,      /* PciIo AllocateBuffer, Map: OUT_OF_RESOURCES */
    FAKE_CALL_RUNTIME = 0x20,  /* variables, time: DEVICE_ERROR */
    FAKE_CALL_ALL = 0x3f,
};

/* The nth fallible call fails, counted from 1; 0: none. */
struct fake_firmware *fake_firmware_new(unsigned nth);

/* Also frees what leaked. Accepts NULL. */
void fake_firmware_free(struct fake_firmware *firmware);

/* Restart the count, so that the nth call from here on fails. */
void fake_firmware_fail_nth(struct fake_firmware *firmware, unsigned nth);

/* The same, and each later call fails too. */
void fake_firmware_fail_from(struct fake_firmware *firmware, unsigned nth);

/* Count only calls of these kinds, a mask of enum fake_call_kind. */
void fake_firmware_count_only(struct fake_firmware *firmware, unsigned kinds);

bool fake_firmware_has_failed(const struct fake_firmware *firmware);

/* Such as "AllocatePool"; "" if none failed. For messages. */
const char *fake_firmware_failed_call(const struct fake_firmware *firmware);

unsigned fake_firmware_call_count(const struct fake_firmware *firmware);

/* Everything that exists now belongs to the test and is no leak. Nothing that a test
 * creates through this interface ever counts. */
void fake_firmware_baseline(struct fake_firmware *firmware);

/* Reports pool, pages, events, protocols, opens, DMA buffers and mappings beyond the baseline,
 * PCI attributes that differ from it, and a TPL left raised. */
void fake_firmware_assert_nothing_leaked(struct fake_firmware *firmware);

/* Time and priority */
void fake_firmware_advance_us(struct fake_firmware *firmware, uint64_t microseconds);
uint64_t fake_firmware_now_us(const struct fake_firmware *firmware);
EFI_TPL fake_firmware_tpl(const struct fake_firmware *firmware);
unsigned fake_firmware_tpl_raise_count(const struct fake_firmware *firmware);

/* Handles. The interface must live as long as the firmware. */
EFI_HANDLE fake_firmware_new_handle(struct fake_firmware *firmware, const EFI_GUID *guid,
                                    void *interface);
void fake_firmware_install(struct fake_firmware *firmware, EFI_HANDLE handle, const EFI_GUID *guid,
                           void *interface);

/* NULL: the handle does not exist or does not carry the protocol. */
void *fake_firmware_interface(struct fake_firmware *firmware, EFI_HANDLE handle,
                              const EFI_GUID *guid);

/* The index-th handle that carries the protocol, oldest first; NULL: there is none. */
EFI_HANDLE fake_firmware_find_handle(struct fake_firmware *firmware, const EFI_GUID *guid,
                                     unsigned index);
unsigned fake_firmware_count_handles(struct fake_firmware *firmware, const EFI_GUID *guid);

/* The number of opens with one of these attributes, for example BY_DRIVER. */
unsigned fake_firmware_count_opens(struct fake_firmware *firmware, EFI_HANDLE handle,
                                   const EFI_GUID *guid, UINT32 attributes);

/* An image handle as LoadImage leaves it. The image was read from `device`, which may be NULL. */
EFI_HANDLE fake_firmware_load_image(struct fake_firmware *firmware, EFI_HANDLE device);
EFI_LOADED_IMAGE *fake_firmware_loaded_image(struct fake_firmware *firmware, EFI_HANDLE image);

/* ConnectController and DisconnectController for all drivers. */
EFI_STATUS fake_firmware_connect(struct fake_firmware *firmware, EFI_HANDLE controller);
EFI_STATUS fake_firmware_disconnect(struct fake_firmware *firmware, EFI_HANDLE controller);

/* A driver that opens a protocol BY_DRIVER and does nothing else, as MNP holds SNP. It has
 * Version 0x10 and binds whenever it is connected. Tests may read and change it. */
struct fake_consumer {
    EFI_DRIVER_BINDING_PROTOCOL binding;
    bool refuses_to_stop;
    bool is_retired; /* no longer starts */
    unsigned starts;
    unsigned stops;
    unsigned refusals;
};

/* Adds a consumer and starts it on `handle`. NULL: it starts on any handle that is connected. */
struct fake_consumer *fake_firmware_hold_protocol(struct fake_firmware *firmware, EFI_HANDLE handle,
                                                  const EFI_GUID *guid, bool refuses_to_stop);

/* Signals the event groups as ExitBootServices does. While their functions run, only services that
 * neither allocate nor free may be called; afterwards, none. */
void fake_firmware_exit_boot_services(struct fake_firmware *firmware);

/* Signals the group like an ExitBootServices that fails afterwards: boot services go on. */
void fake_firmware_fail_to_exit(struct fake_firmware *firmware);

/* Everything written to ConOut and StdErr, as ASCII, other characters as '?'. */
const char *fake_firmware_console(const struct fake_firmware *firmware);

/* The effect of a machine reset on the variable store. */
void fake_firmware_forget_volatile_variables(struct fake_firmware *firmware);

#endif
