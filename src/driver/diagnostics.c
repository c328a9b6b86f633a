/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Tests on one NIC, and the report that a person reads.
 */
#include "driver/diagnostics.h"

#include <efilib.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/guids.h"
#include "base/text.h"
#include "base/tpl.h"
#include "driver/adapter.h"
#include "net/net_report.h"
#include "virtio/feature_names.h"

#define REPORT_CHARS_MAX 4096u
#define SEND_TIMEOUT_US 1000000u
#define SEND_POLL_US 100u
#define TEST_ETHERTYPE_HIGH 0x88u /* IEEE 802, local experimental ethertype 1 */
#define TEST_ETHERTYPE_LOW 0xb5u

struct report {
    struct text text;
    bool is_failed;
};

static CHAR8 english[] = "en";

static void row(struct report *report, const CHAR16 *name)
{
    text_append(&report->text, L"  ");
    text_append_padded(&report->text, name, 22);
}

static void number_row(struct report *report, const CHAR16 *name, uint64_t value)
{
    row(report, name);
    text_append_decimal(&report->text, value);
    text_append(&report->text, L"\r\n");
}

static void text_row(struct report *report, const CHAR16 *name, const CHAR16 *value)
{
    row(report, name);
    text_append(&report->text, value);
    text_append(&report->text, L"\r\n");
}

static void check(struct report *report, const CHAR16 *claim, bool holds)
{
    text_append(&report->text, holds ? L"  pass  " : L"  FAIL  ");
    text_append(&report->text, claim);
    text_append(&report->text, L"\r\n");
    report->is_failed |= !holds;
}

static void features_row(struct report *report, const CHAR16 *name, uint64_t features)
{
    row(report, name);
    feature_names_append(&report->text, features);
    text_append(&report->text, L"\r\n");
}

static void queue_row(struct report *report, const CHAR16 *name, const struct net_queue *queue)
{
    struct net_queue_report facts = net_report_queue(queue);

    row(report, name);
    text_append_decimal(&report->text, facts.entries);
    text_append(&report->text, L" entries, ");
    text_append_decimal(&report->text, facts.buffers);
    text_append(&report->text, L" buffers of ");
    text_append_decimal(&report->text, facts.buffer_bytes);
    text_append(&report->text, L" bytes, ");
    text_append_decimal(&report->text, facts.in_flight);
    text_append(&report->text, L" with the device\r\n");
}

static void traffic_rows(struct report *report, const CHAR16 *direction,
                         const struct net_traffic *traffic)
{
    text_append(&report->text, direction);
    number_row(report, L"bytes", traffic->good_bytes);
    number_row(report, L"unicast frames", traffic->unicast);
    number_row(report, L"multicast frames", traffic->multicast);
    number_row(report, L"broadcast frames", traffic->broadcast);
    number_row(report, L"too short", traffic->undersize);
    number_row(report, L"too long", traffic->oversize);
    number_row(report, L"dropped", traffic->dropped);
}

static void describe(struct report *report, const struct adapter *adapter)
{
    const struct net_device *net = &adapter->snp.net;

    text_append(&report->text, adapter->name);
    text_append(&report->text, L"\r\n");
    text_row(report, L"registers",
             net_report_uses_window(net) ? L"through configuration space" : L"in BARs");
    features_row(report, L"features offered", net_report_features_offered(net));
    features_row(report, L"features negotiated", net_report_features_negotiated(net));
    number_row(report, L"MTU, bytes", net->mtu);
    if (net->speed_mbps)
        number_row(report, L"speed, Mbit/s", net->speed_mbps);
    text_row(report, L"link", net->is_link_up ? L"up" : L"down");
    text_row(report, L"frames flow", net_device_is_down(net) ? L"no" : L"yes");
    if (net_device_has_queues(net)) {
        queue_row(report, L"receive ring", &net->rx);
        queue_row(report, L"transmit ring", &net->tx);
    }
    traffic_rows(report, L"Received\r\n", &net->counters.rx);
    number_row(report, L"for others", net->counters.rx_filtered);
    number_row(report, L"joined by device", net->counters.rx_large);
    traffic_rows(report, L"Sent\r\n", &net->counters.tx);
    text_append(&report->text, L"Errors by cause\r\n");
    number_row(report, L"ring broken by device", net->counters.ring_errors);
    number_row(report, L"commands refused", net->control.refused);
    number_row(report, L"commands unanswered", net->control.overdue);
    if (net_report_last_failure(net))
        text_row(report, L"last failure", net_report_last_failure(net));
}

/* Reads registers and memory, and changes nothing. */
static void test_standard(struct report *report, struct net_device *net)
{
    check(report, L"the device answers and asks for no reset", net_report_is_well(net));
    if (!net_report_has_confirmed_reset(net)) { /* asking would take a write */
        check(report, L"the device has confirmed its reset", false);
        return;
    }
    check(report, L"the device offers what it offered at the start",
          net_report_offers_the_same(net));
    if (!net_device_has_queues(net))
        return;
    check(report, L"frames can flow", !net_device_is_down(net));
    check(report, L"the receive ring is sound", net_report_queue(&net->rx).is_sound);
    check(report, L"the transmit ring is sound", net_report_queue(&net->tx).is_sound);
    check(report, L"the control queue answers", net->control.state != NET_CONTROL_OVERDUE);
}

static bool send_one(struct net_device *net)
{
    uint8_t frame[ETHERNET_FRAME_MIN_BYTES] = {0};

    __builtin_memcpy(frame, net->station_mac, MAC_BYTES);
    __builtin_memcpy(frame + MAC_BYTES, net->station_mac, MAC_BYTES);
    frame[2 * MAC_BYTES] = TEST_ETHERTYPE_HIGH;
    frame[2 * MAC_BYTES + 1] = TEST_ETHERTYPE_LOW;
    return !EFI_ERROR(net_device_transmit(net, frame, sizeof(frame)));
}

static bool use_every_slot(struct net_device *net)
{
    for (unsigned i = 0; i < net->tx.count; i++) {
        if (!send_one(net))
            return false;
    }
    for (unsigned waited_us = 0; net_report_is_sending(net); waited_us += SEND_POLL_US) {
        if (waited_us >= SEND_TIMEOUT_US)
            return false;
        BS->Stall(SEND_POLL_US);
    }
    return true;
}

static void test_running(struct report *report, struct net_device *net)
{
    struct net_filter filter = net->filter;
    struct net_traffic sent = net->counters.tx;

    test_standard(report, net);
    check(report, L"every receive buffer is with the device",
          net_report_queue(&net->rx).in_flight == net->rx.count);
    check(report, L"every transmit slot sends a frame", use_every_slot(net));
    net->counters.tx = sent; /* the statistics count what SNP's client sends */
    check(report, L"the filter can be programmed", !EFI_ERROR(net_device_set_filter(net, &filter)));
    test_standard(report, net);
}

static void test_extended(struct report *report, struct adapter *adapter)
{
    struct net_device *net = &adapter->snp.net;
    bool was_initialized = adapter->snp.mode.State == EfiSimpleNetworkInitialized;
    bool is_started;

    if (was_initialized) {
        is_started = !EFI_ERROR(adapter->snp.protocol.Reset(&adapter->snp.protocol, TRUE));
    } else {
        is_started = net_device_stop(net) && !EFI_ERROR(net_device_start(net, false));
    }
    check(report, L"the device starts after a reset", is_started);
    if (is_started)
        test_running(report, net);
    if (!was_initialized)
        net_device_stop(net);
}

static EFI_STATUS run(struct adapter *adapter, EFI_DRIVER_DIAGNOSTIC_TYPE type,
                      struct report *report)
{
    HOLD_TPL_CALLBACK();

    text_append(&report->text, type == EfiDriverDiagnosticTypeExtended ? L"Extended test\r\n"
                                                                       : L"Standard test\r\n");
    if (type == EfiDriverDiagnosticTypeExtended)
        test_extended(report, adapter);
    else
        test_standard(report, &adapter->snp.net);
    describe(report, adapter);
    return report->is_failed ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI run_diagnostics(EFI_DRIVER_DIAGNOSTICS2_PROTOCOL *this,
                                         EFI_HANDLE controller, EFI_HANDLE child,
                                         EFI_DRIVER_DIAGNOSTIC_TYPE type, CHAR8 *language,
                                         EFI_GUID **ret_error_type, UINTN *ret_bytes,
                                         CHAR16 **ret_report)
{
    const struct diagnostics *diagnostics;
    struct report report = {0};
    struct adapter *adapter;
    CHAR16 *buffer;
    EFI_GUID *format;
    EFI_STATUS status;

    if (!this || !controller || !language || !ret_error_type || !ret_bytes || !ret_report)
        return EFI_INVALID_PARAMETER;
    if (!text_is_language(english, language) ||
        (type != EfiDriverDiagnosticTypeStandard && type != EfiDriverDiagnosticTypeExtended))
        return EFI_UNSUPPORTED;
    diagnostics = container_of(this, struct diagnostics, protocol);
    status = adapter_of_handles(diagnostics->agent, controller, child, &adapter);
    if (EFI_ERROR(status))
        return status;
    if (adapter->snp.has_exited)
        return EFI_DEVICE_ERROR; /* the device and its memory are the OS's */
    status =
        BS->AllocatePool(EfiBootServicesData, REPORT_CHARS_MAX * sizeof(*buffer), (void **)&buffer);
    if (EFI_ERROR(status))
        return status;
    /* The specification does not say who owns it. The shell's drvdiag frees it. */
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*format), (void **)&format);
    if (EFI_ERROR(status)) {
        BS->FreePool(buffer);
        return status;
    }
    *format = variable_guid; /* marks the report as this driver's text */

    text_init(&report.text, buffer, REPORT_CHARS_MAX);
    status = run(adapter, type, &report);
    /* The shell's drvdiag asks for a report and does not print it, so print it here. */
    if (ST->ConOut)
        (void)ST->ConOut->OutputString(ST->ConOut, buffer);
    *ret_error_type = format;
    *ret_bytes = (report.text.length + 1) * sizeof(*buffer);
    *ret_report = buffer;
    return status;
}

void diagnostics_init(struct diagnostics *diagnostics, EFI_HANDLE agent)
{
    *diagnostics = (struct diagnostics){
        .protocol = {run_diagnostics, english},
        .agent = agent,
    };
}
