/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * A NIC's page in the firmware's setup: its state, its counters, and the options of the
 * NV variable as fields. It is installed on the child handle, which has the device path
 * by which the firmware's browser finds the driver. Source: UEFI 2.10, 33
 * to 35.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include "driver/adapter.h"

/* Create the page of `adapter`, whose child is installed. Without a setup in the firmware, or
 * without memory, there is no page, and nothing is left behind. */
void status_page_create(struct adapter *adapter);

/* Remove the page, if there is one. Errors: those of UninstallMultipleProtocolInterfaces if a
 * client does not let go; the page is then unchanged. */
EFI_STATUS status_page_destroy(struct adapter *adapter) __attribute__((warn_unused_result));

#endif
