/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The page of a NIC in the firmware's setup: its state, its counters, and the
 * options of the NV variable as fields. The child handle carries it, since that has
 * the device path by which the firmware's browser finds us. Source: UEFI 2.10, 33
 * to 35.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include "driver/adapter.h"

/* Give `adapter`, whose child is installed, a page. If the firmware has no setup or there
 * is no memory, it gets none, and nothing is left behind. */
void status_page_create(struct adapter *adapter);

/* Remove the page, if there is one. Error: what UninstallMultipleProtocolInterfaces answers
 * when a client does not let go; the page is then unchanged. */
EFI_STATUS status_page_destroy(struct adapter *adapter) __attribute__((warn_unused_result));

#endif
