/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The Managed Network service of a NIC: what ARP, IP4 and IP6 of the firmware's stack stand on.
 * It takes frames from the net_device's ring, joins TCP segments, and hands them to its children;
 * SNP is not in between. Sources: UEFI 2.10, 25.1 and 27.1; EDK2's MnpDxe for what the firmware's
 * clients rely on.
 *
 * A service is untagged, or there is one for each VLAN, on a handle of its own below the NIC's.
 */
#ifndef MNP_H
#define MNP_H

#include <efi.h>

#include "base/list.h"
#include "mnp/tcp_join.h"
#include "snp/snp.h"

struct mnp;

/* Why something that the user asked for was not done; about the NIC of `context`. */
typedef void mnp_complaint(void *context, const CHAR16 *what, const CHAR16 *cause,
                           EFI_STATUS status);

/* Install the service on `controller`, which carries `snp` and the device path `path`, and a
 * service for each VLAN that the firmware's variable has. The caller has SNP open BY_DRIVER as
 * `agent`. Errors: EFI_OUT_OF_RESOURCES and those of the firmware. Nothing is left behind then, and
 * *ret_cause says why, for people. At any TPL up to TPL_CALLBACK, as all of these. */
EFI_STATUS mnp_create(struct snp *snp, EFI_HANDLE agent, EFI_HANDLE controller,
                      EFI_DEVICE_PATH *path, mnp_complaint *complain, void *context,
                      struct mnp **ret_mnp, const CHAR16 **ret_cause)
    __attribute__((warn_unused_result));

/* Destroy what is on child handles: a child of a service, or the service of a VLAN with its
 * children. A handle that has neither any more is accepted. Clients run at the end, and `mnp` may
 * be gone then. Error: a client does not let go; a VLAN that went before it is made again. */
EFI_STATUS mnp_destroy_children(struct mnp *mnp, UINTN count, const EFI_HANDLE *handles)
    __attribute__((warn_unused_result));

/* Uninstall all services and free everything. Whatever it returns, the caller passes `dead` to
 * mnp_bury, last. Error: a client does not let go; the services are then there as before, but
 * clients have to come back. */
EFI_STATUS mnp_destroy(struct mnp *mnp, struct list *dead) __attribute__((warn_unused_result));

/* Abort the tokens of the children in `dead`. The clients run, and may do anything. */
void mnp_bury(struct list *dead);

/* What was joined since mnp_create. */
const struct tcp_join_counters *mnp_joined(const struct mnp *mnp);

/* True for the handle of a child of a service, or of a VLAN. */
bool mnp_has_child(struct mnp *mnp, EFI_HANDLE handle);

#endif
