/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_ADAPTER_INFORMATION_PROTOCOL on the child handle: media state, network boot,
 * IPv6 support. Read-only. Source: UEFI 2.10, 11.12.
 */
#ifndef ADAPTER_INFO_H
#define ADAPTER_INFO_H

#include "snp/snp.h"
#include "uefi_ext/adapter_information.h"

struct adapter_info {
    EFI_ADAPTER_INFORMATION_PROTOCOL protocol;
    struct snp *snp;
};

/* Prepare `info->protocol` for installation next to the protocol of `snp`. */
void adapter_info_init(struct adapter_info *info, struct snp *snp);

#endif
