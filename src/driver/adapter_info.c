/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Three kinds of information, each a small block that the caller frees.
 */
#include "driver/adapter_info.h"

#include <efilib.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/guids.h"

union block {
    EFI_ADAPTER_INFO_MEDIA_STATE media;
    EFI_ADAPTER_INFO_NETWORK_BOOT boot;
    EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT ipv6;
};

struct kind {
    EFI_GUID guid;
    UINTN bytes;
    void (*fill)(struct snp *snp, union block *ret_block);
};

static void fill_media(struct snp *snp, union block *ret_block)
{
    ret_block->media.MediaState = snp_has_media(snp) ? EFI_SUCCESS : EFI_NO_MEDIA;
}

/* The NIC moves frames and nothing more. What boots over it is the firmware's business. */
static void fill_boot(struct snp *snp, union block *ret_block)
{
    (void)snp;
    ret_block->boot = (EFI_ADAPTER_INFO_NETWORK_BOOT){FALSE};
}

static void fill_ipv6(struct snp *snp, union block *ret_block)
{
    (void)snp;
    ret_block->ipv6.Ipv6Support = TRUE;
}

static const struct kind kinds[] = {
    {EFI_ADAPTER_INFO_MEDIA_STATE_GUID, sizeof(EFI_ADAPTER_INFO_MEDIA_STATE), fill_media},
    {EFI_ADAPTER_INFO_NETWORK_BOOT_GUID, sizeof(EFI_ADAPTER_INFO_NETWORK_BOOT), fill_boot},
    {EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT_GUID, sizeof(EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT),
     fill_ipv6},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *find_kind(const EFI_GUID *guid)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (__builtin_memcmp(&kinds[i].guid, guid, sizeof(*guid)) == 0)
            return &kinds[i];
    }
    return NULL;
}

static struct snp *snp_of(EFI_ADAPTER_INFORMATION_PROTOCOL *protocol)
{
    return container_of(protocol, struct adapter_info, protocol)->snp;
}

static EFI_STATUS EFIAPI get_information(EFI_ADAPTER_INFORMATION_PROTOCOL *this, EFI_GUID *type,
                                         VOID **ret_block, UINTN *ret_bytes)
{
    const struct kind *kind;
    union block *block;
    EFI_STATUS status;

    if (!this || !type || !ret_block || !ret_bytes)
        return EFI_INVALID_PARAMETER;
    kind = find_kind(type);
    if (!kind)
        return EFI_UNSUPPORTED;
    if (snp_of(this)->has_exited)
        return EFI_DEVICE_ERROR; /* no allocation after ExitBootServices */
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*block), (void **)&block);
    if (EFI_ERROR(status))
        return status;
    kind->fill(snp_of(this), block);
    *ret_block = block;
    *ret_bytes = kind->bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_information(EFI_ADAPTER_INFORMATION_PROTOCOL *this, EFI_GUID *type,
                                         VOID *block, UINTN bytes)
{
    (void)bytes;
    if (!this || !type || !block)
        return EFI_INVALID_PARAMETER;
    return find_kind(type) ? EFI_WRITE_PROTECTED : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI get_supported_types(EFI_ADAPTER_INFORMATION_PROTOCOL *this,
                                             EFI_GUID **ret_types, UINTN *ret_count)
{
    EFI_GUID *types;
    EFI_STATUS status;

    if (!this || !ret_types || !ret_count)
        return EFI_INVALID_PARAMETER;
    if (snp_of(this)->has_exited)
        return EFI_DEVICE_ERROR;
    status = BS->AllocatePool(EfiBootServicesData, KIND_COUNT * sizeof(*types), (void **)&types);
    if (EFI_ERROR(status))
        return status;
    for (size_t i = 0; i < KIND_COUNT; i++)
        types[i] = kinds[i].guid;
    *ret_types = types;
    *ret_count = KIND_COUNT;
    return EFI_SUCCESS;
}

void adapter_info_init(struct adapter_info *info, struct snp *snp)
{
    *info = (struct adapter_info){
        .protocol = {get_information, set_information, get_supported_types},
        .snp = snp,
    };
}
