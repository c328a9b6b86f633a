/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The resource descriptor that EFI_PCI_IO_PROTOCOL.GetBarAttributes returns: an
 * ACPI QWORD address space descriptor, followed by an end tag.
 * Source: UEFI 2.10, 14.4 (GetBarAttributes) and ACPI 6.4, 6.4.3.5.1.
 */
#ifndef UEFI_EXT_PCI_BAR_H
#define UEFI_EXT_PCI_BAR_H

#include <stddef.h>
#include <stdint.h>

#define ACPI_QWORD_ADDRESS_SPACE_TAG 0x8au
#define ACPI_QWORD_ADDRESS_SPACE_LENGTH 0x2bu /* without tag and length */
#define ACPI_ADDRESS_SPACE_MEMORY 0u
#define ACPI_ADDRESS_SPACE_IO 1u

struct acpi_qword_address_space {
    uint8_t tag;
    uint16_t length;
    uint8_t resource_type;
    uint8_t general_flags;
    uint8_t specific_flags;
    uint64_t granularity;
    uint64_t range_min; /* as the CPU sees it */
    uint64_t range_max;
    uint64_t translation_offset; /* range_min plus this is the address on the bus */
    uint64_t range_length;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_qword_address_space) == 46, "ACPI 6.4, 6.4.3.5.1");
_Static_assert(offsetof(struct acpi_qword_address_space, range_length) == 38,
               "ACPI 6.4, 6.4.3.5.1");

#endif
