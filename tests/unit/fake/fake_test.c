/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Do the fakes see what they claim to see? A mini driver, written here, does
 * everything right; each test of the referee makes one thing wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "assert_reported.h"
#include "fixture.h"

#define QUEUE_PAGES 4u
#define BUFFER_BYTES 2048u
#define MODERN_BAR 4u
#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
#define ISR_OFFSET 0x1000u
#define CONFIG_OFFSET 0x2000u
#define NOTIFY_OFFSET 0x3000u

static EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;
static EFI_GUID colour_guid = {0x11111111, 2, 3, {4}};
static EFI_GUID shape_guid = {0x22222222, 2, 3, {4}};
static int colour;
static int shape;

/* ---- the mini driver ---- */

struct mini_queue {
    uint8_t *memory;
    uint64_t device_address;
    void *mapping;
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_used *used;
    uint16_t size;
};

struct mini_driver {
    struct fake_fixture fixture;
    EFI_PCI_IO_PROTOCOL *pci;
    bool is_legacy;
    uint64_t features;
    struct mini_queue queues[3];
    uint8_t *buffers;
    uint64_t buffers_address;
    void *buffers_mapping;
};

static void reg_write(struct mini_driver *mini, uint64_t offset, unsigned width, uint64_t value)
{
    EFI_PCI_IO_PROTOCOL_WIDTH code = (EFI_PCI_IO_PROTOCOL_WIDTH)__builtin_ctz(width);

    if (mini->is_legacy)
        mini->pci->Io.Write(mini->pci, code, 0, offset, 1, &value);
    else
        mini->pci->Mem.Write(mini->pci, code, MODERN_BAR, offset, 1, &value);
}

static uint64_t reg_read(struct mini_driver *mini, uint64_t offset, unsigned width)
{
    EFI_PCI_IO_PROTOCOL_WIDTH code = (EFI_PCI_IO_PROTOCOL_WIDTH)__builtin_ctz(width);
    uint64_t value = 0;

    if (mini->is_legacy)
        mini->pci->Io.Read(mini->pci, code, 0, offset, 1, &value);
    else
        mini->pci->Mem.Read(mini->pci, code, MODERN_BAR, offset, 1, &value);
    return value;
}

static void set_status(struct mini_driver *mini, unsigned status)
{
    reg_write(mini, mini->is_legacy ? VIRTIO_PCI_LEGACY_DEVICE_STATUS : COMMON(device_status), 1,
              status);
}

static unsigned get_status(struct mini_driver *mini)
{
    return (unsigned)reg_read(
        mini, mini->is_legacy ? VIRTIO_PCI_LEGACY_DEVICE_STATUS : COMMON(device_status), 1);
}

static void mini_new(struct mini_driver *mini, const struct fake_device_options *options)
{
    *mini = (struct mini_driver){.is_legacy = options && options->transport == FAKE_LEGACY};
    fake_fixture_init(&mini->fixture, 1, options);
    mini->pci = fake_firmware_interface(mini->fixture.firmware,
                                        fake_device_handle(mini->fixture.device), &pci_io_guid);
    mini->features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ |
                     VIRTIO_NET_F_CTRL_RX | VIRTIO_F_EVENT_IDX |
                     (mini->is_legacy ? 0 : VIRTIO_F_VERSION_1);
    mini->pci->Attributes(mini->pci, EfiPciIoAttributeOperationEnable,
                          EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY |
                              EFI_PCI_IO_ATTRIBUTE_BUS_MASTER,
                          NULL);
}

static void mini_map(struct mini_driver *mini, UINTN pages, uint8_t **ret_memory,
                     uint64_t *ret_address, void **ret_mapping)
{
    UINTN bytes = pages * 4096;

    assert_int_equal(mini->pci->AllocateBuffer(mini->pci, AllocateAnyPages, EfiBootServicesData,
                                               pages, (void **)ret_memory, 0),
                     EFI_SUCCESS);
    memset(*ret_memory, 0, bytes);
    assert_int_equal(mini->pci->Map(mini->pci, EfiPciIoOperationBusMasterCommonBuffer, *ret_memory,
                                    &bytes, ret_address, ret_mapping),
                     EFI_SUCCESS);
}

static void mini_write_features(struct mini_driver *mini)
{
    if (mini->is_legacy) {
        reg_write(mini, VIRTIO_PCI_LEGACY_DRIVER_FEATURES, 4, mini->features);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        reg_write(mini, COMMON(driver_feature_select), 4, i);
        reg_write(mini, COMMON(driver_feature), 4, (uint32_t)(mini->features >> (32 * i)));
    }
}

static void mini_negotiate(struct mini_driver *mini)
{
    set_status(mini, 0);
    while (get_status(mini) != 0)
        ;
    set_status(mini, VIRTIO_STATUS_ACKNOWLEDGE);
    set_status(mini, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    mini_write_features(mini);
    if (mini->is_legacy)
        return;
    set_status(mini, get_status(mini) | VIRTIO_STATUS_FEATURES_OK);
    (void)get_status(mini);
}

static void mini_set_up_queue(struct mini_driver *mini, unsigned index)
{
    struct mini_queue *queue = &mini->queues[index];
    uint64_t avail_offset;
    uint64_t used_offset;

    reg_write(mini, mini->is_legacy ? VIRTIO_PCI_LEGACY_QUEUE_SELECT : COMMON(queue_select), 2,
              index);
    queue->size = (uint16_t)reg_read(
        mini, mini->is_legacy ? VIRTIO_PCI_LEGACY_QUEUE_SIZE : COMMON(queue_size), 2);
    mini_map(mini, QUEUE_PAGES, &queue->memory, &queue->device_address, &queue->mapping);
    avail_offset = queue->size * sizeof(struct virtq_desc);
    used_offset = (avail_offset + 6 + 2u * queue->size + 4095) & ~UINT64_C(4095);
    queue->desc = (struct virtq_desc *)queue->memory;
    queue->avail = (struct virtq_avail *)(queue->memory + avail_offset);
    queue->used = (struct virtq_used *)(queue->memory + used_offset);
    if (mini->is_legacy) {
        reg_write(mini, VIRTIO_PCI_LEGACY_QUEUE_ADDRESS, 4, queue->device_address >> 12);
        return;
    }
    for (unsigned half = 0; half < 2; half++) {
        reg_write(mini, COMMON(queue_desc) + 4 * half, 4, queue->device_address >> (32 * half));
        reg_write(mini, COMMON(queue_driver) + 4 * half, 4,
                  (queue->device_address + avail_offset) >> (32 * half));
        reg_write(mini, COMMON(queue_device) + 4 * half, 4,
                  (queue->device_address + used_offset) >> (32 * half));
    }
    reg_write(mini, COMMON(queue_enable), 2, 1);
}

static void mini_start(struct mini_driver *mini)
{
    mini_negotiate(mini);
    for (unsigned i = 0; i < 3; i++)
        mini_set_up_queue(mini, i);
    mini_map(mini, 16, &mini->buffers, &mini->buffers_address, &mini->buffers_mapping);
    set_status(mini, get_status(mini) | VIRTIO_STATUS_DRIVER_OK);
}

static void mini_notify(struct mini_driver *mini, unsigned index)
{
    if (mini->is_legacy)
        reg_write(mini, VIRTIO_PCI_LEGACY_QUEUE_NOTIFY, 2, index);
    else
        reg_write(mini, NOTIFY_OFFSET + 4 * index, 2, index);
}

static void mini_publish(struct mini_driver *mini, unsigned index, uint16_t head)
{
    struct virtq_avail *avail = mini->queues[index].avail;

    avail->ring[avail->idx % mini->queues[index].size] = head;
    avail->idx++;
}

/* Buffer n lies at n * BUFFER_BYTES; the header has its own descriptor where that is needed. */
static void mini_describe(struct mini_driver *mini, unsigned index, uint16_t head, unsigned buffer,
                          uint32_t length, uint16_t flags)
{
    struct virtq_desc *desc = mini->queues[index].desc;
    uint64_t address = mini->buffers_address + buffer * BUFFER_BYTES;
    const uint32_t header = VIRTIO_NET_HDR_LENGTH_LEGACY;

    if (!mini->is_legacy) {
        desc[head] = (struct virtq_desc){address, length, flags, 0};
        return;
    }
    desc[head] = (struct virtq_desc){address, header, (uint16_t)(flags | VIRTQ_DESC_F_NEXT),
                                     (uint16_t)(head + 1)};
    desc[head + 1] = (struct virtq_desc){address + header, length - header, flags, 0};
}

static void mini_offer_receive_buffer(struct mini_driver *mini)
{
    mini_describe(mini, VIRTIO_NET_QUEUE_RX, 0, 0, BUFFER_BYTES, VIRTQ_DESC_F_WRITE);
    mini_publish(mini, VIRTIO_NET_QUEUE_RX, 0);
}

static void mini_queue_frame(struct mini_driver *mini)
{
    mini_describe(mini, VIRTIO_NET_QUEUE_TX, 0, 4,
                  60 + (mini->is_legacy ? VIRTIO_NET_HDR_LENGTH_LEGACY : VIRTIO_NET_HDR_LENGTH), 0);
    mini_publish(mini, VIRTIO_NET_QUEUE_TX, 0);
}

static uint8_t *mini_transmit_buffer(struct mini_driver *mini)
{
    return mini->buffers + 4 * BUFFER_BYTES;
}

static void mini_free(struct mini_driver *mini)
{
    fake_fixture_fini(&mini->fixture);
}

/* ---- the ledger and the failing call ---- */

static void nth_fallible_call_fails_and_no_other(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(2);
    void *first;
    void *second;

    (void)state;
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &first), EFI_SUCCESS);
    assert_false(fake_firmware_has_failed(firmware));
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &second), EFI_OUT_OF_RESOURCES);
    assert_true(fake_firmware_has_failed(firmware));
    assert_string_equal(fake_firmware_failed_call(firmware), "AllocatePool");
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &second), EFI_SUCCESS);
    fake_firmware_fail_from(firmware, 1);
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &first), EFI_OUT_OF_RESOURCES);
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &first), EFI_OUT_OF_RESOURCES);
    fake_firmware_free(firmware);
}

static void calls_of_other_kinds_are_not_counted(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(1);
    EFI_EVENT event;
    void *memory;

    (void)state;
    fake_firmware_count_only(firmware, FAKE_CALL_EVENT);
    assert_int_equal(BS->AllocatePool(EfiBootServicesData, 8, &memory), EFI_SUCCESS);
    assert_int_equal(BS->CreateEvent(EVT_TIMER, TPL_CALLBACK, NULL, NULL, &event),
                     EFI_OUT_OF_RESOURCES);
    fake_firmware_free(firmware);
}

static void ledger_names_each_kind_of_leak(void **state)
{
    struct mini_driver mini;
    EFI_PHYSICAL_ADDRESS pages;
    EFI_HANDLE handle = NULL;
    EFI_EVENT event;
    void *memory;

    (void)state;
    mini_new(&mini, NULL);
    assert_reported("PCI attributes", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    fake_firmware_baseline(mini.fixture.firmware);
    fake_firmware_assert_nothing_leaked(mini.fixture.firmware);

    BS->AllocatePool(EfiBootServicesData, 24, &memory);
    assert_reported("pool, 24 bytes", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    BS->FreePool(memory);
    BS->AllocatePages(AllocateAnyPages, EfiBootServicesData, 1, &pages);
    assert_reported("pages", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    BS->FreePages(pages, 1);
    BS->CreateEvent(EVT_TIMER, TPL_CALLBACK, NULL, NULL, &event);
    assert_reported("event", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    BS->CloseEvent(event);
    BS->InstallProtocolInterface(&handle, &colour_guid, EFI_NATIVE_INTERFACE, &colour);
    assert_reported("protocol", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    BS->OpenProtocol(handle, &colour_guid, &memory, handle, handle, EFI_OPEN_PROTOCOL_BY_DRIVER);
    assert_reported("open protocol", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    BS->CloseProtocol(handle, &colour_guid, handle, handle);
    BS->UninstallProtocolInterface(handle, &colour_guid, &colour);
    fake_firmware_assert_nothing_leaked(mini.fixture.firmware);

    mini_map(&mini, 1, &mini.buffers, &mini.buffers_address, &mini.buffers_mapping);
    assert_reported("DMA buffer", fake_firmware_assert_nothing_leaked(mini.fixture.firmware));
    assert_reported("still mapped", mini.pci->FreeBuffer(mini.pci, 1, mini.buffers));
    mini.pci->Unmap(mini.pci, mini.buffers_mapping);
    fake_firmware_assert_nothing_leaked(mini.fixture.firmware);
    mini_free(&mini);
}

static void freeing_twice_is_reported(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_EVENT event;
    void *memory;

    (void)state;
    BS->AllocatePool(EfiBootServicesData, 8, &memory);
    BS->FreePool(memory);
    assert_reported("freed before", BS->FreePool(memory));
    BS->CreateEvent(EVT_TIMER, TPL_CALLBACK, NULL, NULL, &event);
    BS->CloseEvent(event);
    assert_reported("closed before", BS->SignalEvent(event));
    fake_firmware_free(firmware);
}

/* ---- priority, events, time ---- */

static void EFIAPI count_notification(EFI_EVENT event, void *context)
{
    (void)event;
    ++*(int *)context;
}

static void tpl_has_to_nest_and_bounds_the_services(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_TPL old;
    void *memory;

    (void)state;
    old = BS->RaiseTPL(TPL_NOTIFY);
    assert_int_equal(old, TPL_APPLICATION);
    assert_reported("RaiseTPL(8) at 16", BS->RaiseTPL(TPL_CALLBACK));
    assert_reported("raised from 4", BS->RestoreTPL(TPL_CALLBACK));
    assert_reported("without RaiseTPL", BS->RestoreTPL(TPL_APPLICATION));
    BS->RaiseTPL(TPL_HIGH_LEVEL);
    assert_reported("AllocatePool called at TPL 31",
                    BS->AllocatePool(EfiBootServicesData, 8, &memory));
    fake_firmware_free(firmware);
}

static void notification_waits_until_the_tpl_allows_it(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_EVENT event;
    int calls = 0;

    (void)state;
    BS->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, count_notification, &calls,
                    &event);
    BS->SetTimer(event, TimerPeriodic, 1000);
    fake_firmware_advance_us(firmware, 350);
    assert_int_equal(calls, 3);
    BS->RaiseTPL(TPL_CALLBACK);
    BS->Stall(500);
    assert_int_equal(calls, 3);
    BS->RestoreTPL(TPL_APPLICATION);
    assert_int_equal(calls, 4);
    BS->SetTimer(event, TimerCancel, 0);
    fake_firmware_advance_us(firmware, 1000);
    assert_int_equal(calls, 4);
    assert_int_equal(fake_firmware_now_us(firmware), 1850);
    fake_firmware_free(firmware);
}

static void EFIAPI signal_itself(EFI_EVENT event, void *context)
{
    if (*(int *)context)
        BS->SignalEvent(event);
}

static void wait_event_asks_its_function(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    int has_packet = 0;
    EFI_EVENT event;

    (void)state;
    BS->CreateEvent(EVT_NOTIFY_WAIT, TPL_CALLBACK, signal_itself, &has_packet, &event);
    assert_int_equal(BS->CheckEvent(event), EFI_NOT_READY);
    has_packet = 1;
    assert_int_equal(BS->CheckEvent(event), EFI_SUCCESS);
    has_packet = 0;
    assert_int_equal(BS->CheckEvent(event), EFI_NOT_READY);
    fake_firmware_free(firmware);
}

static void EFIAPI allocate_at_exit(EFI_EVENT event, void *context)
{
    (void)event;
    (void)BS->AllocatePool(EfiBootServicesData, 8, context);
}

/* holds: snp.exit.quiet */
static void allocation_during_and_after_exit_is_reported(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_EVENT event;
    void *memory;

    (void)state;
    BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_NOTIFY, allocate_at_exit, &memory, &event);
    assert_reported("AllocatePool called during ExitBootServices",
                    fake_firmware_exit_boot_services(firmware));
    assert_reported("FreePool called after ExitBootServices", BS->FreePool(memory));
    fake_firmware_free(firmware);
}

/* ---- protocols ---- */

static void second_driver_is_denied_and_the_same_one_already_started(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE controller = fake_firmware_new_handle(firmware, &colour_guid, &colour);
    EFI_HANDLE agent = fake_firmware_load_image(firmware, NULL);
    EFI_HANDLE other = fake_firmware_load_image(firmware, NULL);
    void *interface = NULL;

    (void)state;
    assert_int_equal(BS->OpenProtocol(controller, &shape_guid, &interface, agent, controller,
                                      EFI_OPEN_PROTOCOL_BY_DRIVER),
                     EFI_UNSUPPORTED);
    assert_int_equal(BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller,
                                      EFI_OPEN_PROTOCOL_BY_DRIVER),
                     EFI_SUCCESS);
    assert_ptr_equal(interface, &colour);
    assert_int_equal(BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller,
                                      EFI_OPEN_PROTOCOL_BY_DRIVER),
                     EFI_ALREADY_STARTED);
    assert_int_equal(BS->OpenProtocol(controller, &colour_guid, &interface, other, controller,
                                      EFI_OPEN_PROTOCOL_BY_DRIVER),
                     EFI_ACCESS_DENIED);
    assert_int_equal(BS->OpenProtocol(controller, &colour_guid, &interface, other, controller,
                                      EFI_OPEN_PROTOCOL_GET_PROTOCOL),
                     EFI_SUCCESS);
    assert_reported("do not fit",
                    BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller,
                                     EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    fake_firmware_free(firmware);
}

static void exclusive_open_evicts_a_driver_that_agrees(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE controller = fake_firmware_new_handle(firmware, &colour_guid, &colour);
    EFI_HANDLE agent = fake_firmware_load_image(firmware, NULL);
    struct fake_consumer *consumer =
        fake_firmware_hold_protocol(firmware, controller, &colour_guid, true);
    const UINT32 attributes = EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE;
    void *interface;

    (void)state;
    assert_int_equal(consumer->starts, 1);
    assert_int_equal(
        BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller, attributes),
        EFI_ACCESS_DENIED);
    assert_int_equal(consumer->refusals, 1);
    consumer->refuses_to_stop = false;
    assert_int_equal(
        BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller, attributes),
        EFI_SUCCESS);
    assert_int_equal(consumer->stops, 1);
    assert_int_equal(BS->OpenProtocol(controller, &colour_guid, &interface, agent, controller,
                                      EFI_OPEN_PROTOCOL_BY_DRIVER),
                     EFI_ACCESS_DENIED);
    fake_firmware_free(firmware);
}

static void uninstall_is_refused_while_a_driver_holds_on(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    struct fake_consumer *consumer;
    EFI_HANDLE handle = NULL;

    (void)state;
    assert_int_equal(BS->InstallMultipleProtocolInterfaces(&handle, &colour_guid, &colour,
                                                           &shape_guid, &shape, NULL),
                     EFI_SUCCESS);
    consumer = fake_firmware_hold_protocol(firmware, handle, &shape_guid, true);
    assert_int_equal(BS->UninstallMultipleProtocolInterfaces(handle, &colour_guid, &colour,
                                                             &shape_guid, &shape, NULL),
                     EFI_INVALID_PARAMETER);
    assert_non_null(fake_firmware_interface(firmware, handle, &colour_guid));
    assert_int_equal(BS->UninstallProtocolInterface(handle, &shape_guid, &shape),
                     EFI_ACCESS_DENIED);
    consumer->refuses_to_stop = false;
    assert_int_equal(BS->UninstallMultipleProtocolInterfaces(handle, &colour_guid, &colour,
                                                             &shape_guid, &shape, NULL),
                     EFI_SUCCESS);
    fake_firmware_assert_nothing_leaked(firmware);
    fake_firmware_free(firmware);
}

static void failed_install_of_several_is_rolled_back(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE handle = NULL;

    (void)state;
    assert_int_equal(BS->InstallMultipleProtocolInterfaces(&handle, &colour_guid, &colour,
                                                           &colour_guid, &colour, NULL),
                     EFI_INVALID_PARAMETER);
    assert_null(handle);
    fake_firmware_assert_nothing_leaked(firmware);
    fake_firmware_free(firmware);
}

static void highest_version_is_connected_first(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE controller = fake_firmware_new_handle(firmware, &colour_guid, &colour);
    struct fake_consumer *old = fake_firmware_hold_protocol(firmware, NULL, &colour_guid, false);
    struct fake_consumer *new = fake_firmware_hold_protocol(firmware, NULL, &colour_guid, false);

    (void)state;
    new->binding.Version = 0x20;
    assert_int_equal(fake_firmware_connect(firmware, controller), EFI_SUCCESS);
    assert_int_equal(new->starts, 1);
    assert_int_equal(old->starts, 0);
    new->is_retired = true;
    assert_int_equal(fake_firmware_disconnect(firmware, controller), EFI_SUCCESS);
    assert_int_equal(fake_firmware_connect(firmware, controller), EFI_SUCCESS);
    assert_int_equal(old->starts, 1);
    fake_firmware_free(firmware);
}

static EFI_STATUS EFIAPI leaky_supported(EFI_DRIVER_BINDING_PROTOCOL *this, EFI_HANDLE controller,
                                         EFI_DEVICE_PATH *remaining)
{
    void *memory;

    (void)controller, (void)remaining;
    BS->AllocatePool(EfiBootServicesData, 8, &memory);
    return this->Version ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

static void supported_that_leaves_a_trace_is_reported(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    EFI_HANDLE controller = fake_firmware_new_handle(firmware, &colour_guid, &colour);
    EFI_DRIVER_BINDING_PROTOCOL binding = {.Supported = leaky_supported, .Version = 1};

    (void)state;
    fake_firmware_new_handle(firmware, &DriverBindingProtocol, &binding);
    assert_reported("left something behind", fake_firmware_connect(firmware, controller));
    fake_firmware_free(firmware);
}

static void volatile_variable_does_not_outlive_a_reset(void **state)
{
    struct fake_firmware *firmware = fake_firmware_new(0);
    CHAR16 kept[] = u"Kept";
    CHAR16 lost[] = u"Lost";
    UINTN size = 4;
    uint32_t value = 7;

    (void)state;
    RT->SetVariable(kept, &colour_guid, EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS,
                    4, &value);
    RT->SetVariable(lost, &colour_guid, EFI_VARIABLE_BOOTSERVICE_ACCESS, 4, &value);
    fake_firmware_forget_volatile_variables(firmware);
    value = 0;
    assert_int_equal(RT->GetVariable(kept, &colour_guid, NULL, &size, &value), EFI_SUCCESS);
    assert_int_equal(value, 7);
    assert_int_equal(RT->GetVariable(lost, &colour_guid, NULL, &size, &value), EFI_NOT_FOUND);
    fake_firmware_free(firmware);
}

/* ---- PciIo ---- */

static void register_access_needs_its_attribute(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    mini.pci->Attributes(mini.pci, EfiPciIoAttributeOperationDisable, EFI_PCI_IO_ATTRIBUTE_MEMORY,
                         NULL);
    assert_reported("does not decode", get_status(&mini));
    mini_free(&mini);
}

static void access_outside_its_space_is_reported(void **state)
{
    struct mini_driver mini;
    uint32_t value;

    (void)state;
    mini_new(&mini, NULL);
    assert_reported("outside configuration",
                    mini.pci->Pci.Read(mini.pci, EfiPciIoWidthUint8, 0xf8, 16, &value));
    assert_reported("outside BAR", mini.pci->Mem.Read(mini.pci, EfiPciIoWidthUint32, MODERN_BAR,
                                                      0x4000, 1, &value));
    assert_reported("of the other kind",
                    mini.pci->Mem.Read(mini.pci, EfiPciIoWidthUint32, 0, 0, 1, &value));
    assert_reported("width",
                    mini.pci->Mem.Read(mini.pci, EfiPciIoWidthUint32, MODERN_BAR, 2, 1, &value));
    mini_free(&mini);
}

static void compressed_bar_index_counts_wide_bars_once(void **state)
{
    const struct fake_device_options options = {
        .transport = FAKE_MODERN, .modern_bar = 2, .pci.compressed_bar_index = true};
    struct mini_driver mini;
    void *resources;

    (void)state;
    mini_new(&mini, &options);
    fake_device_pci(mini.fixture.device)->options.bars[4] =
        (struct fake_bar){.base = 0xc0000000, .size = 0x1000};
    assert_int_equal(mini.pci->GetBarAttributes(mini.pci, 2, NULL, &resources), EFI_SUCCESS);
    BS->FreePool(resources);
    assert_int_equal(mini.pci->GetBarAttributes(mini.pci, 3, NULL, &resources), EFI_SUCCESS);
    BS->FreePool(resources);
    assert_int_equal(mini.pci->GetBarAttributes(mini.pci, 4, NULL, &resources), EFI_UNSUPPORTED);
    mini_free(&mini);
}

static void device_address_is_no_pointer_and_ends_with_the_mapping(void **state)
{
    const struct fake_device_options options = {.pci.dma_above_4gib = true};
    struct mini_driver mini;
    struct fake_pci_function *function;

    (void)state;
    mini_new(&mini, &options);
    function = fake_device_pci(mini.fixture.device);
    mini_map(&mini, 1, &mini.buffers, &mini.buffers_address, &mini.buffers_mapping);
    assert_true(mini.buffers_address <= UINT32_MAX);
    assert_ptr_equal(fake_pci_dma(function, mini.buffers_address + 8, 8, true), mini.buffers + 8);
    assert_reported("not mapped", fake_pci_dma(function, mini.buffers_address + 4090, 8, true));
    mini.pci->Unmap(mini.pci, mini.buffers_mapping);
    assert_reported("not mapped", fake_pci_dma(function, mini.buffers_address, 8, true));
    assert_reported("unmapped before", mini.pci->Unmap(mini.pci, mini.buffers_mapping));
    mini.pci->Attributes(mini.pci, EfiPciIoAttributeOperationEnable,
                         EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE, NULL);
    mini_map(&mini, 1, &mini.buffers, &mini.buffers_address, &mini.buffers_mapping);
    assert_true(mini.buffers_address > UINT32_MAX);
    mini_free(&mini);
}

/* ---- the device, driven well ---- */

static void frames_pass(const struct fake_device_options *options)
{
    const uint8_t frame[60] = {1, 2, 3};
    const struct fake_frame *sent;
    struct mini_driver mini;
    size_t header;

    mini_new(&mini, options);
    mini_start(&mini);
    header = mini.is_legacy ? VIRTIO_NET_HDR_LENGTH_LEGACY : VIRTIO_NET_HDR_LENGTH;
    mini_offer_receive_buffer(&mini);
    mini_notify(&mini, VIRTIO_NET_QUEUE_RX);
    assert_true(fake_device_deliver(mini.fixture.device, frame, sizeof(frame)));
    assert_int_equal(mini.queues[0].used->idx, 1);
    assert_int_equal(mini.queues[0].used->ring[0].len, header + sizeof(frame));
    assert_memory_equal(mini.buffers + header, frame, sizeof(frame));
    assert_false(fake_device_deliver(mini.fixture.device, frame, sizeof(frame)));

    mini_transmit_buffer(&mini)[header] = 0x77;
    mini_queue_frame(&mini);
    mini_notify(&mini, VIRTIO_NET_QUEUE_TX);
    sent = fake_device_take_frame(mini.fixture.device);
    assert_int_equal(sent->length, 60);
    assert_int_equal(sent->data[0], 0x77);
    assert_null(fake_device_take_frame(mini.fixture.device));
    assert_int_equal(fake_device_needless_notification_count(mini.fixture.device, 1), 0);
    mini_free(&mini);
}

static void transitional_device_passes_frames(void **state)
{
    (void)state;
    frames_pass(NULL);
}

static void modern_device_passes_frames_through_small_queues(void **state)
{
    (void)state;
    frames_pass(&(struct fake_device_options){
        .transport = FAKE_MODERN, .odd_capabilities = true, .queue_size = {4, 4, 4}});
}

static void legacy_device_passes_frames(void **state)
{
    (void)state;
    frames_pass(&(struct fake_device_options){.transport = FAKE_LEGACY});
}

static void control_command_is_acked_and_recorded(void **state)
{
    struct mini_driver mini;
    struct virtq_desc *desc;
    uint8_t *command;

    (void)state;
    mini_new(&mini, NULL);
    mini_start(&mini);
    desc = mini.queues[VIRTIO_NET_QUEUE_CTRL].desc;
    command = mini.buffers;
    memcpy(command, (uint8_t[]){0, 1, 1, 0xff}, 4);
    desc[0] = (struct virtq_desc){mini.buffers_address, 3, VIRTQ_DESC_F_NEXT, 1};
    desc[1] = (struct virtq_desc){mini.buffers_address + 3, 1, VIRTQ_DESC_F_WRITE, 0};
    mini_publish(&mini, VIRTIO_NET_QUEUE_CTRL, 0);
    mini_notify(&mini, VIRTIO_NET_QUEUE_CTRL);
    assert_int_equal(command[3], 0);
    assert_true(fake_device_filter(mini.fixture.device)->all_multicast);
    assert_int_equal(fake_device_command_count(mini.fixture.device), 1);
    assert_int_equal(fake_device_command(mini.fixture.device, 0)->command, 1);
    mini_free(&mini);
}

static void stalled_device_works_when_told(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    mini_start(&mini);
    fake_device_stall(mini.fixture.device, true);
    mini_queue_frame(&mini);
    mini_notify(&mini, VIRTIO_NET_QUEUE_TX);
    assert_null(fake_device_take_frame(mini.fixture.device));
    assert_int_equal(fake_device_pending_count(mini.fixture.device, VIRTIO_NET_QUEUE_TX), 1);
    fake_device_process(mini.fixture.device);
    assert_non_null(fake_device_take_frame(mini.fixture.device));
    mini_free(&mini);
}

static void polling_device_needs_no_doorbell(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    mini_start(&mini);
    fake_device_poll_rings(mini.fixture.device, true);
    mini_queue_frame(&mini);
    fake_device_process(mini.fixture.device);
    assert_non_null(fake_device_take_frame(mini.fixture.device));
    mini_queue_frame(&mini);
    mini_notify(&mini, VIRTIO_NET_QUEUE_TX);
    assert_int_equal(fake_device_needless_notification_count(mini.fixture.device, 1), 1);
    mini_free(&mini);
}

static void mac_that_changes_in_a_reading_has_a_new_generation(void **state)
{
    const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
    uint8_t mac[6];
    uint64_t generation;
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    fake_device_change_mac_while_read(mini.fixture.device, other);
    mini_negotiate(&mini);
    generation = reg_read(&mini, COMMON(config_generation), 1);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)reg_read(&mini, CONFIG_OFFSET + i, 1);
    assert_int_not_equal(mac[0], other[0]);
    assert_int_equal(mac[5], other[5]);
    assert_int_not_equal(reg_read(&mini, COMMON(config_generation), 1), generation);
    mini_free(&mini);
}

/* ---- the referee ---- */

static void accepts_what_was_not_offered(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_RING_PACKED;
    mini_negotiate(mini);
}

static void leaves_version_1_out(struct mini_driver *mini)
{
    mini->features &= ~VIRTIO_F_VERSION_1;
    mini_negotiate(mini);
}

static void accepts_without_dependency(struct mini_driver *mini)
{
    mini->features &= ~VIRTIO_NET_F_CTRL_VQ;
    mini_negotiate(mini);
}

static void skips_the_reset(struct mini_driver *mini)
{
    set_status(mini, VIRTIO_STATUS_ACKNOWLEDGE);
}

static void does_not_wait_for_the_reset(struct mini_driver *mini)
{
    set_status(mini, 0);
    set_status(mini, VIRTIO_STATUS_ACKNOWLEDGE);
}

static void sets_driver_first(struct mini_driver *mini)
{
    set_status(mini, 0);
    get_status(mini);
    set_status(mini, VIRTIO_STATUS_DRIVER);
}

static void clears_a_bit(struct mini_driver *mini)
{
    mini_start(mini);
    set_status(mini, get_status(mini) & ~VIRTIO_STATUS_FEATURES_OK);
}

static void trusts_features_ok(struct mini_driver *mini)
{
    set_status(mini, 0);
    get_status(mini);
    set_status(mini, 1);
    set_status(mini, 3);
    mini_write_features(mini);
    set_status(mini, 0xb);
    set_status(mini, 0xf);
}

static void rings_before_driver_ok(struct mini_driver *mini)
{
    mini_negotiate(mini);
    mini_set_up_queue(mini, 0);
    mini_notify(mini, 0);
}

static void enables_with_zero(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_enable), 2, 0);
}

static void sets_size_of_three(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_size), 2, 3);
}

static void sets_size_above_the_devices(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_size), 2, 512);
}

static void misaligns_a_queue(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_desc), 4, 8);
    reg_write(mini, COMMON(queue_enable), 2, 1);
}

static void enables_unmapped_rings(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_desc), 4, 0x1000);
    reg_write(mini, COMMON(queue_enable), 2, 1);
}

static void sets_up_queues_before_features_ok(struct mini_driver *mini)
{
    mini_set_up_queue(mini, 0);
}

static void reads_status_with_two_bytes(struct mini_driver *mini)
{
    reg_read(mini, COMMON(device_status), 2);
}

static void writes_an_address_at_once(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_write(mini, COMMON(queue_desc), 8, 0x1000);
}

static void reads_a_doorbell_with_one_byte(struct mini_driver *mini)
{
    reg_read(mini, NOTIFY_OFFSET, 1);
}

static void reads_a_doorbell_of_32_bits_with_two_bytes(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_NOTIFICATION_DATA;
    mini_negotiate(mini);
    reg_read(mini, NOTIFY_OFFSET, 2);
}

static void reads_isr_status_with_two_bytes(struct mini_driver *mini)
{
    reg_read(mini, ISR_OFFSET, 2);
}

static void reads_link_status_with_one_byte(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_read(mini, CONFIG_OFFSET + 6, 1);
}

static void reads_mtu_without_its_feature(struct mini_driver *mini)
{
    mini_negotiate(mini);
    reg_read(mini, CONFIG_OFFSET + 10, 2);
}

static void forgets_the_doorbell(struct mini_driver *mini)
{
    mini_start(mini);
    mini_queue_frame(mini);
    fake_device_take_frame(mini->fixture.device);
}

static void rings_the_wrong_address(struct mini_driver *mini)
{
    mini_start(mini);
    reg_write(mini, NOTIFY_OFFSET + 4, 2, 0);
}

static void rings_without_notification_data(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_NOTIFICATION_DATA;
    mini_start(mini);
    mini_queue_frame(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void rings_with_data_that_was_not_negotiated(struct mini_driver *mini)
{
    mini_start(mini);
    mini_queue_frame(mini);
    reg_write(mini, NOTIFY_OFFSET + 4 * VIRTIO_NET_QUEUE_TX, 4, 1u << 16 | VIRTIO_NET_QUEUE_TX);
}

static void tells_an_offset_that_is_behind(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_NOTIFICATION_DATA;
    mini_start(mini);
    mini_queue_frame(mini);
    reg_write(mini, NOTIFY_OFFSET + 4 * VIRTIO_NET_QUEUE_TX, 4, VIRTIO_NET_QUEUE_TX);
}

static void rings_with_a_number_instead_of_the_notify_data(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_NOTIF_CONFIG_DATA;
    mini_start(mini);
    mini_queue_frame(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void reads_notify_data_without_its_feature(struct mini_driver *mini)
{
    mini_start(mini);
    reg_read(mini, COMMON(queue_notify_data), 2);
}

static void mini_reset_queue(struct mini_driver *mini, unsigned index)
{
    reg_write(mini, COMMON(queue_select), 2, index);
    reg_write(mini, COMMON(queue_reset), 2, 1);
}

static void start_with_ring_reset(struct mini_driver *mini)
{
    mini->features |= VIRTIO_F_RING_RESET;
    mini_start(mini);
}

static void resets_a_queue_without_the_feature(struct mini_driver *mini)
{
    mini_start(mini);
    mini_reset_queue(mini, VIRTIO_NET_QUEUE_TX);
}

static void resets_a_queue_with_zero(struct mini_driver *mini)
{
    start_with_ring_reset(mini);
    reg_write(mini, COMMON(queue_reset), 2, 0);
}

static void rings_a_queue_that_was_reset(struct mini_driver *mini)
{
    start_with_ring_reset(mini);
    mini_reset_queue(mini, VIRTIO_NET_QUEUE_TX);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void does_not_wait_for_a_queues_reset(struct mini_driver *mini)
{
    start_with_ring_reset(mini);
    fake_device_delay_queue_reset(mini->fixture.device, 2);
    mini_reset_queue(mini, VIRTIO_NET_QUEUE_TX);
    reg_read(mini, COMMON(queue_reset), 2);
    reg_write(mini, COMMON(queue_size), 2, 256);
}

static void enables_a_queue_that_is_not_empty(struct mini_driver *mini)
{
    start_with_ring_reset(mini);
    mini_queue_frame(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
    mini_reset_queue(mini, VIRTIO_NET_QUEUE_TX);
    reg_read(mini, COMMON(queue_reset), 2);
    for (unsigned half = 0; half < 2; half++) {
        const struct mini_queue *queue = &mini->queues[VIRTIO_NET_QUEUE_TX];
        uint64_t driver =
            queue->device_address + (uint64_t)((uint8_t *)queue->avail - queue->memory);
        uint64_t device =
            queue->device_address + (uint64_t)((uint8_t *)queue->used - queue->memory);

        reg_write(mini, COMMON(queue_desc) + 4 * half, 4, queue->device_address >> (32 * half));
        reg_write(mini, COMMON(queue_driver) + 4 * half, 4, driver >> (32 * half));
        reg_write(mini, COMMON(queue_device) + 4 * half, 4, device >> (32 * half));
    }
    reg_write(mini, COMMON(queue_enable), 2, 1);
}

static void sends_writable_memory(struct mini_driver *mini)
{
    mini_start(mini);
    mini_describe(mini, VIRTIO_NET_QUEUE_TX, 0, 4, 80, VIRTQ_DESC_F_WRITE);
    mini_publish(mini, VIRTIO_NET_QUEUE_TX, 0);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void offers_a_small_buffer(struct mini_driver *mini)
{
    mini_start(mini);
    mini_describe(mini, VIRTIO_NET_QUEUE_RX, 0, 0, VIRTIO_NET_RX_BUFFER_MIN - 1,
                  VIRTQ_DESC_F_WRITE);
    mini_publish(mini, VIRTIO_NET_QUEUE_RX, 0);
    mini_notify(mini, VIRTIO_NET_QUEUE_RX);
}

static void orders_writable_before_readable(struct mini_driver *mini)
{
    struct virtq_desc *desc;

    mini_start(mini);
    desc = mini->queues[VIRTIO_NET_QUEUE_CTRL].desc;
    desc[0] =
        (struct virtq_desc){mini->buffers_address, 1, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1};
    desc[1] = (struct virtq_desc){mini->buffers_address + 8, 3, 0, 0};
    mini_publish(mini, VIRTIO_NET_QUEUE_CTRL, 0);
    mini_notify(mini, VIRTIO_NET_QUEUE_CTRL);
}

static void leaves_the_header_dirty(struct mini_driver *mini)
{
    mini_start(mini);
    mini_transmit_buffer(mini)[3] = 1;
    mini_queue_frame(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void reuses_a_descriptor(struct mini_driver *mini)
{
    mini_start(mini);
    mini_offer_receive_buffer(mini);
    mini_offer_receive_buffer(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_RX);
}

static void rewrites_a_descriptor(struct mini_driver *mini)
{
    mini_start(mini);
    mini_offer_receive_buffer(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_RX);
    mini->queues[0].desc[0].len--;
    fake_device_deliver(mini->fixture.device, "frame", 5);
}

static void jumps_the_available_index(struct mini_driver *mini)
{
    mini_start(mini);
    mini->queues[VIRTIO_NET_QUEUE_TX].avail->idx = 300;
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void publishes_an_unmapped_buffer(struct mini_driver *mini)
{
    mini_start(mini);
    mini->queues[0].desc[0] =
        (struct virtq_desc){(uintptr_t)mini->buffers, 2048, VIRTQ_DESC_F_WRITE, 0};
    mini_publish(mini, 0, 0);
    mini_notify(mini, 0);
}

static void unmaps_a_live_queue(struct mini_driver *mini)
{
    mini_start(mini);
    mini->pci->Unmap(mini->pci, mini->queues[0].mapping);
}

static void unmaps_buffers_in_flight(struct mini_driver *mini)
{
    mini_start(mini);
    mini_offer_receive_buffer(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_RX);
    mini->pci->Unmap(mini->pci, mini->buffers_mapping);
}

static void leaves_the_device_live_at_exit(struct mini_driver *mini)
{
    mini_start(mini);
    fake_firmware_exit_boot_services(mini->fixture.firmware);
}

static void masters_no_bus(struct mini_driver *mini)
{
    mini_start(mini);
    mini_queue_frame(mini);
    mini->pci->Attributes(mini->pci, EfiPciIoAttributeOperationDisable,
                          EFI_PCI_IO_ATTRIBUTE_BUS_MASTER, NULL);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void mixes_both_interfaces(struct mini_driver *mini)
{
    uint32_t value;

    mini_negotiate(mini);
    mini->pci->Io.Read(mini->pci, EfiPciIoWidthUint32, 0, 0, 1, &value);
}

/* holds: virtio.order.doorbell, virtio.registers.width, virtio.registers.enable */
static void referee_reports_each_broken_rule(void **state)
{
    static const struct {
        void (*breaks)(struct mini_driver *mini);
        const char *report;
    } rules[] = {
        {accepts_what_was_not_offered, "were not offered"},
        {leaves_version_1_out, "VERSION_1 was offered"},
        {accepts_without_dependency, "without the one it needs"},
        {skips_the_reset, "without a reset"},
        {does_not_wait_for_the_reset, "before the reset was seen"},
        {sets_driver_first, "DRIVER before ACKNOWLEDGE"},
        {clears_a_bit, "clears bits"},
        {trusts_features_ok, "not set and read back"},
        {rings_before_driver_ok, "doorbell of queue 0 with status"},
        {enables_with_zero, "queue_enable written as 0"},
        {sets_size_of_three, "queue size 3"},
        {sets_size_above_the_devices, "queue size 512"},
        {misaligns_a_queue, "not aligned"},
        {enables_unmapped_rings, "not mapped"},
        {sets_up_queues_before_features_ok, "queue set up with status"},
        {reads_status_with_two_bytes, "accessed with 2 bytes"},
        {writes_an_address_at_once, "accessed with 8 bytes"},
        {reads_a_doorbell_with_one_byte, "doorbell read with 1 bytes"},
        {reads_a_doorbell_of_32_bits_with_two_bytes, "doorbell read with 2 bytes"},
        {reads_isr_status_with_two_bytes, "ISR status read with 2 bytes"},
        {reads_link_status_with_one_byte, "accessed with 1 bytes"},
        {reads_mtu_without_its_feature, "read without its feature"},
        {forgets_the_doorbell, "lost wakeup"},
        {rings_the_wrong_address, "doorbell at"},
        {rings_without_notification_data, "2 bytes"},
        {rings_with_data_that_was_not_negotiated, "4 bytes"},
        {tells_an_offset_that_is_behind, "the wrong offset 0"},
        {rings_with_a_number_instead_of_the_notify_data, "value 0x1"},
        {reads_notify_data_without_its_feature, "read without its feature"},
        {resets_a_queue_without_the_feature, "written without its feature"},
        {resets_a_queue_with_zero, "queue_reset written as 0"},
        {rings_a_queue_that_was_reset, "doorbell of queue 1 with status"},
        {does_not_wait_for_a_queues_reset, "before its reset was seen"},
        {enables_a_queue_that_is_not_empty, "not empty"},
        {sends_writable_memory, "device-writable part"},
        {offers_a_small_buffer, "a receive buffer of 1525 bytes"},
        {orders_writable_before_readable, "after a device-writable"},
        {leaves_the_header_dirty, "is not zero"},
        {reuses_a_descriptor, "used again while in flight"},
        {rewrites_a_descriptor, "changed while in flight"},
        {jumps_the_available_index, "jumps from 0 to 300"},
        {publishes_an_unmapped_buffer, "not mapped"},
        {unmaps_a_live_queue, "unmapped while the device uses it"},
        {unmaps_buffers_in_flight, "unmapped while in flight"},
        {leaves_the_device_live_at_exit, "after ExitBootServices"},
        {masters_no_bus, "bus mastering is off"},
        {mixes_both_interfaces, "used together"},
    };
    const struct fake_device_options options = {
        .features = FAKE_DEVICE_FEATURES | VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_NOTIF_CONFIG_DATA |
                    VIRTIO_F_RING_RESET,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct mini_driver mini;

        mini_new(&mini, &options);
        assert_reported(rules[i].report, rules[i].breaks(&mini));
        mini_free(&mini);
    }
}

static void joins_header_and_frame(struct mini_driver *mini)
{
    mini_start(mini);
    mini->queues[1].desc[0] = (struct virtq_desc){mini->buffers_address, 80, 0, 0};
    mini_publish(mini, VIRTIO_NET_QUEUE_TX, 0);
    mini_notify(mini, VIRTIO_NET_QUEUE_TX);
}

static void reads_legacy_status_with_four_bytes(struct mini_driver *mini)
{
    uint32_t value;

    mini->pci->Io.Read(mini->pci, EfiPciIoWidthUint32, 0, 16, 1, &value);
}

static void referee_knows_legacy_rules(void **state)
{
    const struct fake_device_options options = {.transport = FAKE_LEGACY};
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, &options);
    assert_reported("alone in its descriptor", joins_header_and_frame(&mini));
    mini_free(&mini);
    mini_new(&mini, &options);
    mini_negotiate(&mini);
    assert_reported("FEATURES_OK on a legacy", set_status(&mini, 0xb));
    mini_free(&mini);
    mini_new(&mini, &options);
    assert_reported("accessed with 4 bytes", reads_legacy_status_with_four_bytes(&mini));
    mini_free(&mini);
}

/* ---- misbehaviours ---- */

static void deliver_one(struct mini_driver *mini, enum fake_device_misbehaviour which)
{
    mini_new(mini, NULL);
    mini_start(mini);
    mini_offer_receive_buffer(mini);
    mini_notify(mini, VIRTIO_NET_QUEUE_RX);
    fake_device_misbehave(mini->fixture.device, which);
    fake_device_deliver(mini->fixture.device, "frame", 5);
}

static void used_ring_misbehaves_as_named(void **state)
{
    struct mini_driver mini;

    (void)state;
    deliver_one(&mini, FAKE_USED_ID_OUT_OF_RANGE);
    assert_int_equal(mini.queues[0].used->ring[0].id, 256);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_ID_NOT_IN_FLIGHT);
    assert_int_equal(mini.queues[0].used->ring[0].id, 1);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_ID_TWICE);
    assert_int_equal(mini.queues[0].used->idx, 2);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_LENGTH_BELOW_HEADER);
    assert_int_equal(mini.queues[0].used->ring[0].len, 11);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_LENGTH_ABOVE_BUFFER);
    assert_int_equal(mini.queues[0].used->ring[0].len, BUFFER_BYTES + 1);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_INDEX_JUMPS);
    assert_int_equal(mini.queues[0].used->idx, 257);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_INDEX_RUNS_BACKWARDS);
    assert_int_equal(mini.queues[0].used->idx, 0xffff);
    mini_free(&mini);
    deliver_one(&mini, FAKE_USED_INDEX_WRAPS);
    assert_int_equal(mini.queues[0].used->idx, 0);
    mini_free(&mini);
    deliver_one(&mini, FAKE_AVAILABLE_RING_REWRITTEN);
    assert_int_equal(mini.queues[0].avail->idx, 0xffff);
    assert_int_equal(mini.queues[0].avail->ring[255], 0xffff);
    mini_free(&mini);
    deliver_one(&mini, FAKE_GSO_TYPE_SET);
    assert_int_equal(((struct virtio_net_hdr *)mini.buffers)->gso_type, 1);
    mini_free(&mini);
}

static void driver_is_judged_again_only_after_the_next_reset(void **state)
{
    struct mini_driver mini;

    (void)state;
    deliver_one(&mini, FAKE_DESCRIPTORS_REWRITTEN);
    mini_publish(&mini, VIRTIO_NET_QUEUE_RX, 0);
    mini_notify(&mini, VIRTIO_NET_QUEUE_RX);
    fake_device_misbehave(mini.fixture.device, FAKE_BEHAVES);
    mini_notify(&mini, VIRTIO_NET_QUEUE_RX);
    mini_negotiate(&mini);
    assert_reported("doorbell", mini_notify(&mini, VIRTIO_NET_QUEUE_RX));
    mini_free(&mini);
}

static void reset_settles_late_or_never(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    fake_device_delay_reset(mini.fixture.device, 3);
    set_status(&mini, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(get_status(&mini), 0);
    assert_int_equal(get_status(&mini), 0);
    fake_device_misbehave(mini.fixture.device, FAKE_RESET_NEVER_SETTLES);
    set_status(&mini, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_not_equal(get_status(&mini), 0);
    mini_free(&mini);
}

static void misbehaviour_begins_with_the_access_that_was_named(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    mini_negotiate(&mini);
    fake_device_misbehave_from(mini.fixture.device, FAKE_NEEDS_RESET, 3);
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(i >= 3, (get_status(&mini) & VIRTIO_STATUS_NEEDS_RESET) != 0);
        assert_int_equal(i >= 3, fake_device_misbehaves(mini.fixture.device));
    }
    mini_free(&mini);
}

static void features_ok_is_seen_once_before_it_is_revoked(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    fake_device_misbehave(mini.fixture.device, FAKE_FEATURES_OK_REVOKED);
    mini_negotiate(&mini);
    assert_int_equal(0, get_status(&mini) & VIRTIO_STATUS_FEATURES_OK);
    mini_free(&mini);
}

static uint32_t offered_low_half(struct mini_driver *mini)
{
    reg_write(mini, COMMON(device_feature_select), 4, 0);
    return (uint32_t)reg_read(mini, COMMON(device_feature), 4);
}

static void features_change_from_each_reading_to_the_next(void **state)
{
    struct mini_driver mini;

    (void)state;
    mini_new(&mini, NULL);
    mini_negotiate(&mini);
    fake_device_misbehave(mini.fixture.device, FAKE_FEATURES_CHANGE);
    assert_int_not_equal(offered_low_half(&mini), offered_low_half(&mini));
    fake_device_misbehave(mini.fixture.device, FAKE_FEATURES_NONE);
    assert_int_equal(0, offered_low_half(&mini));
    fake_device_misbehave(mini.fixture.device, FAKE_FEATURES_ALL);
    assert_int_equal(UINT32_MAX, offered_low_half(&mini));
    mini_free(&mini);
}

static void unplugged_device_reads_all_ones(void **state)
{
    struct mini_driver mini;
    uint16_t vendor;

    (void)state;
    mini_new(&mini, NULL);
    mini_start(&mini);
    fake_device_unplug(mini.fixture.device);
    assert_int_equal(get_status(&mini), 0xff);
    mini.pci->Pci.Read(mini.pci, EfiPciIoWidthUint16, 0, 1, &vendor);
    assert_int_equal(vendor, 0xffff);
    mini_free(&mini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nth_fallible_call_fails_and_no_other),
        cmocka_unit_test(calls_of_other_kinds_are_not_counted),
        cmocka_unit_test(ledger_names_each_kind_of_leak),
        cmocka_unit_test(freeing_twice_is_reported),
        cmocka_unit_test(tpl_has_to_nest_and_bounds_the_services),
        cmocka_unit_test(notification_waits_until_the_tpl_allows_it),
        cmocka_unit_test(wait_event_asks_its_function),
        cmocka_unit_test(allocation_during_and_after_exit_is_reported),
        cmocka_unit_test(second_driver_is_denied_and_the_same_one_already_started),
        cmocka_unit_test(exclusive_open_evicts_a_driver_that_agrees),
        cmocka_unit_test(uninstall_is_refused_while_a_driver_holds_on),
        cmocka_unit_test(failed_install_of_several_is_rolled_back),
        cmocka_unit_test(highest_version_is_connected_first),
        cmocka_unit_test(supported_that_leaves_a_trace_is_reported),
        cmocka_unit_test(volatile_variable_does_not_outlive_a_reset),
        cmocka_unit_test(register_access_needs_its_attribute),
        cmocka_unit_test(access_outside_its_space_is_reported),
        cmocka_unit_test(compressed_bar_index_counts_wide_bars_once),
        cmocka_unit_test(device_address_is_no_pointer_and_ends_with_the_mapping),
        cmocka_unit_test(transitional_device_passes_frames),
        cmocka_unit_test(modern_device_passes_frames_through_small_queues),
        cmocka_unit_test(legacy_device_passes_frames),
        cmocka_unit_test(control_command_is_acked_and_recorded),
        cmocka_unit_test(stalled_device_works_when_told),
        cmocka_unit_test(polling_device_needs_no_doorbell),
        cmocka_unit_test(mac_that_changes_in_a_reading_has_a_new_generation),
        cmocka_unit_test(referee_reports_each_broken_rule),
        cmocka_unit_test(referee_knows_legacy_rules),
        cmocka_unit_test(used_ring_misbehaves_as_named),
        cmocka_unit_test(misbehaviour_begins_with_the_access_that_was_named),
        cmocka_unit_test(features_ok_is_seen_once_before_it_is_revoked),
        cmocka_unit_test(features_change_from_each_reading_to_the_next),
        cmocka_unit_test(driver_is_judged_again_only_after_the_next_reset),
        cmocka_unit_test(reset_settles_late_or_never),
        cmocka_unit_test(unplugged_device_reads_all_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
