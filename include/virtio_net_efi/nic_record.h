/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * For readers outside this tree: the UEFI variable that says which driver has a NIC. The driver
 * writes one for each NIC when it binds it, and deletes it when it lets go of it. Nobody does at
 * ExitBootServices, so the OS finds the variables of the NICs that the driver had at the end.
 * scripts/report.sh prints them. Includes nothing.
 */
#ifndef NIC_RECORD_H
#define NIC_RECORD_H

/* Vendor GUID, as efivarfs and the UEFI shell write it. */
#define NIC_RECORD_GUID "6e3a2b54-3a3c-4f6c-9d0e-5c1f0f7b8a61"

/* The name: this, and the PCI location as in `pci=` below. One name belongs to one PCI function,
 * whatever the device says of itself and however often it is bound. */
#define NIC_RECORD_PREFIX "VirtioNetNic-"

/* BOOTSERVICE_ACCESS | RUNTIME_ACCESS. A volatile variable is gone after a reset, and an OS cannot
 * make one (UEFI 2.10, 8.2). With other attributes it is not the driver's. */
#define NIC_RECORD_ATTRIBUTES 0x00000006u

/* The contents: one line of printable ASCII, ended by a line feed, not by a zero. It is a list of
 * NAME=VALUE in this order, with one space between:
 *   format=1             the version of this format
 *   driver=VERSION       of virtio-net.efi: 0.2.0
 *   pci=LOCATION         segment:bus:device.function in hexadecimal: 0000:00:03.0
 *   mac=ADDRESS          permanent, in lower case: 52:54:00:12:34:56
 *   transport=NAME       of the registers that the driver uses: modern or legacy. Those of a
 *                        transitional device are either
 *   ring=NAME            split or packed, whichever the device offers
 *   from=NAME            the driver from which it was taken over, up to the end of the line;
 *                        nothing: from none. Has spaces; what is not printable ASCII is '?'
 * A later version of the driver may add items in front of `from=` without a new format. Readers
 * ignore names that they do not know, and lines of a format that they do not know. */
#define NIC_RECORD_FORMAT "1"

#define NIC_RECORD_BYTES_MAX 256u /* the line feed included */
#define NIC_RECORD_FROM_MAX 64u   /* characters of from=; a longer name is truncated */

#endif
