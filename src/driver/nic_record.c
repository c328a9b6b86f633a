/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The variable that tells the OS which driver has a NIC.
 */
#include "driver/nic_record.h"

#include <efilib.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/guids.h"
#include "base/log.h"
#include "base/pci_address.h"
#include "base/text.h"
#include "driver/adapter.h"
#include "net/net_report.h"
#include "virtio_net_efi/nic_record.h"

#define WIDE(string) L"" string
#define NAME_CHARS_MAX 40u
#define PREFIX_CHARS (sizeof(NIC_RECORD_PREFIX) - 1)
#define LOCATION_CHARS (sizeof("0000:00:03.0") - 1)

_Static_assert(PREFIX_CHARS + LOCATION_CHARS < NAME_CHARS_MAX, "a name is never truncated");

static bool make_name(EFI_PCI_IO_PROTOCOL *pci_io, CHAR16 *name)
{
    struct pci_address unused;
    struct text text;

    if (EFI_ERROR(pci_address_get(pci_io, &unused)))
        return false;
    text_init(&text, name, NAME_CHARS_MAX);
    text_append(&text, WIDE(NIC_RECORD_PREFIX));
    text_append_pci_location(&text, pci_io);
    return true;
}

static size_t length_up_to(const CHAR16 *string, size_t length_max)
{
    size_t length = 0;

    while (length < length_max && string[length])
        length++;
    return length;
}

static void describe(struct text *text, const struct adapter *adapter, const CHAR16 *taken_from)
{
    const struct net_device *net = &adapter->snp.net;

    text_append(text, WIDE("format=" NIC_RECORD_FORMAT));
    text_append(text, L" driver=" VIRTIO_NET_VERSION_STRING);
    text_append(text, L" pci=");
    text_append_pci_location(text, adapter->pci_io);
    text_append(text, L" mac=");
    text_append_mac(text, net->permanent_mac);
    text_append(text, L" transport=");
    text_append(text, net_report_transport(net));
    text_append(text, net_report_is_packed(net) ? L" ring=packed" : L" ring=split");
    text_append(text, L" from=");
    if (taken_from)
        text_append_part(text, taken_from, length_up_to(taken_from, NIC_RECORD_FROM_MAX));
}

/* The firmware refuses to change attributes, so a variable that somebody else left is deleted. */
static EFI_STATUS replace(CHAR16 *name, const struct text *line)
{
    UINT8 bytes[NIC_RECORD_BYTES_MAX];
    EFI_STATUS status;

    for (size_t i = 0; i < line->length; i++) {
        CHAR16 character = line->buffer[i];

        bytes[i] = character < L' ' || character > L'~' ? '?' : (UINT8)character;
    }
    bytes[line->length] = '\n';
    status = RT->SetVariable(name, &variable_guid, NIC_RECORD_ATTRIBUTES, line->length + 1, bytes);
    if (status != EFI_INVALID_PARAMETER)
        return status;
    (void)RT->SetVariable(name, &variable_guid, 0, 0, NULL); /* the next status tells */
    return RT->SetVariable(name, &variable_guid, NIC_RECORD_ATTRIBUTES, line->length + 1, bytes);
}

void nic_record_write(const struct adapter *adapter, const CHAR16 *taken_from)
{
    CHAR16 name[NAME_CHARS_MAX];
    CHAR16 buffer[NIC_RECORD_BYTES_MAX];
    struct text line;
    EFI_STATUS status;

    if (!make_name(adapter->pci_io, name))
        return;
    text_init(&line, buffer, NIC_RECORD_BYTES_MAX);
    describe(&line, adapter, taken_from);
    status = replace(name, &line);
    if (EFI_ERROR(status))
        log_failure(adapter->pci_io, L"not recorded for the OS", L"no variable can be written",
                    status);
}

void nic_record_delete(EFI_PCI_IO_PROTOCOL *pci_io)
{
    CHAR16 name[NAME_CHARS_MAX];
    EFI_STATUS status;

    if (!make_name(pci_io, name))
        return;
    status = RT->SetVariable(name, &variable_guid, NIC_RECORD_ATTRIBUTES, 0, NULL);
    if (EFI_ERROR(status) && status != EFI_NOT_FOUND)
        log_failure(pci_io, L"still recorded for the OS", L"the variable cannot be deleted",
                    status);
}
