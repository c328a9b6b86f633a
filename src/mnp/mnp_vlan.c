/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_VLAN_CONFIG_PROTOCOL: which VLANs a NIC has. The firmware's own service keeps them in a
 * variable named after the MAC; so does this one, and each finds what the other has left.
 *
 * Without VLANs there is an untagged service. The first VLAN replaces it, and the last one to be
 * removed brings it back. VLAN 0 means the untagged service beside VLANs.
 */
#include <efi.h>
#include <efilib.h>

#include "base/container_of.h"
#include "base/device_path.h"
#include "base/guids.h"
#include "base/tpl.h"
#include "mnp/mnp_parts.h"

#define VLANS_MAX (VLAN_ID_MAX + 1u)
#define NAME_CHARS (2 * MAC_BYTES + 1)
#define ATTRIBUTES (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS)

/* "525400123456" */
static void make_name(const struct mnp *mnp, CHAR16 *name)
{
    static const char digits[] = "0123456789ABCDEF";

    for (unsigned i = 0; i < MAC_BYTES; i++) {
        uint8_t byte = mnp->snp->mode.CurrentAddress.Addr[i];

        name[2 * i] = (CHAR16)digits[byte >> 4];
        name[2 * i + 1] = (CHAR16)digits[byte & 0xfu];
    }
    name[NAME_CHARS - 1] = 0;
}

static unsigned count_vlans(const struct mnp *mnp)
{
    unsigned count = 0;

    if (!mnp->has_vlans)
        return 0;
    MNP_FOR_EACH_SERVICE (service, mnp)
        count++;
    return count;
}

/* Write the variable for the services as they are, but without `left_out`, and with `added` unless
 * it is NULL. No VLAN: the variable is deleted. */
static EFI_STATUS write_variable(struct mnp *mnp, const struct mnp_service *left_out,
                                 const UINT16 *added)
{
    CHAR16 name[NAME_CHARS];
    UINT16 *tags = NULL;
    UINTN count = 0;
    EFI_STATUS status;

    make_name(mnp, name);
    status = BS->AllocatePool(EfiBootServicesData, (count_vlans(mnp) + 1) * sizeof(*tags),
                              (void **)&tags);
    if (EFI_ERROR(status))
        return status;
    MNP_FOR_EACH_SERVICE (service, mnp) {
        if (mnp->has_vlans && service != left_out)
            tags[count++] = VLAN_TAG(service->vlan, service->priority);
    }
    if (added)
        tags[count++] = *added;
    status = RT->SetVariable(name, &vlan_config_guid, ATTRIBUTES, count * sizeof(*tags), tags);
    if (count == 0 && status == EFI_NOT_FOUND)
        status = EFI_SUCCESS; /* it was not there */
    (void)BS->FreePool(tags); /* ours: cannot fail */
    return status;
}

/* The variable in pool memory. Errors: EFI_NOT_FOUND and those of the firmware. */
static EFI_STATUS read_variable(const struct mnp *mnp, UINT16 **ret_tags, UINTN *ret_count)
{
    CHAR16 name[NAME_CHARS];
    UINTN bytes = 0;
    UINT16 *tags;
    EFI_STATUS status;

    make_name(mnp, name);
    status = RT->GetVariable(name, &vlan_config_guid, NULL, &bytes, NULL);
    if (status != EFI_BUFFER_TOO_SMALL)
        return EFI_ERROR(status) ? status : EFI_NOT_FOUND;
    status = BS->AllocatePool(EfiBootServicesData, bytes, (void **)&tags);
    if (EFI_ERROR(status))
        return status;
    status = RT->GetVariable(name, &vlan_config_guid, NULL, &bytes, tags);
    if (EFI_ERROR(status)) {
        (void)BS->FreePool(tags); /* ours: cannot fail */
        return status;
    }
    *ret_tags = tags;
    *ret_count = bytes / sizeof(*tags);
    return EFI_SUCCESS;
}

/* A VLAN that cannot be had is left out: the others are of more use than none. */
static void create_vlans(struct mnp *mnp, const UINT16 *tags, UINTN count)
{
    for (UINTN i = 0; i < count; i++) {
        UINT16 vlan = VLAN_TAG_ID(tags[i]);
        struct mnp_service *unused;
        EFI_STATUS status;

        if (vlan > VLAN_ID_MAX || mnp_service_find(mnp, vlan))
            continue;
        status = mnp_service_create(mnp, vlan, VLAN_TAG_PRIORITY(tags[i]), &unused);
        if (EFI_ERROR(status))
            mnp->complain(mnp->context, L"a VLAN is left out", L"no service for it", status);
    }
    mnp->has_vlans = !list_is_empty(&mnp->services);
}

EFI_STATUS mnp_vlan_create_services(struct mnp *mnp, const CHAR16 **ret_cause)
{
    struct mnp_service *unused;
    UINT16 *tags;
    UINTN count;
    EFI_STATUS status;

    status = read_variable(mnp, &tags, &count);
    if (!EFI_ERROR(status)) {
        create_vlans(mnp, tags, count);
        (void)BS->FreePool(tags); /* ours: cannot fail */
    } else if (status != EFI_NOT_FOUND) {
        mnp->complain(mnp->context, L"no VLANs", L"the variable cannot be read", status);
    }
    if (mnp->has_vlans || mnp_service_find(mnp, 0))
        return EFI_SUCCESS;
    *ret_cause = L"the firmware refuses the service";
    return mnp_service_create(mnp, 0, 0, &unused);
}

EFI_DEVICE_PATH *mnp_vlan_path(const struct mnp *mnp, UINT16 vlan)
{
    VLAN_DEVICE_PATH node = {{MESSAGING_DEVICE_PATH, MSG_VLAN_DP, {sizeof(node), 0}}, vlan};
    EFI_DEVICE_PATH *path;

    return EFI_ERROR(device_path_append(mnp->path, &node.Header, &path)) ? NULL : path;
}

/* ---- the protocol ---- */

static struct mnp *mnp_of(EFI_VLAN_CONFIG_PROTOCOL *protocol)
{
    return container_of(protocol, struct mnp, vlan_config);
}

static EFI_STATUS complain(struct mnp *mnp, const CHAR16 *cause, EFI_STATUS status)
{
    mnp->complain(mnp->context, L"the VLANs stay as they are", cause, status);
    return status;
}

/* The variable has the new VLAN already. */
static EFI_STATUS add_service(struct mnp *mnp, UINT16 vlan, UINT8 priority, struct list *dead)
{
    struct mnp_service *untagged = mnp_service_find(mnp, 0);
    struct mnp_service *added;
    EFI_STATUS status;

    if (vlan == 0 && !mnp->has_vlans) {
        untagged->priority = priority;
        return EFI_SUCCESS;
    }
    status = mnp_service_create(mnp, vlan, priority, &added);
    if (EFI_ERROR(status) || mnp->has_vlans)
        return status;
    status = mnp_service_destroy(untagged, dead);
    if (EFI_ERROR(status))
        (void)mnp_service_destroy(added, dead); /* nobody has seen it yet */
    return status;
}

static EFI_STATUS add(struct mnp *mnp, UINT16 vlan, UINT8 priority, struct list *dead)
{
    UINT16 tag = VLAN_TAG(vlan, priority);
    EFI_STATUS status;

    status = write_variable(mnp, NULL, &tag);
    if (EFI_ERROR(status))
        return complain(mnp, L"the variable cannot be written", status);
    status = add_service(mnp, vlan, priority, dead);
    if (EFI_ERROR(status)) {
        (void)write_variable(mnp, mnp_service_find(mnp, vlan), NULL); /* as before */
        return complain(mnp, L"no service for the new one", status);
    }
    mnp->has_vlans = true;
    return EFI_SUCCESS;
}

static EFI_STATUS change_priority(struct mnp_service *service, UINT8 priority)
{
    UINT8 before = service->priority;
    EFI_STATUS status;

    service->priority = priority;
    status = write_variable(service->mnp, NULL, NULL);
    if (EFI_ERROR(status)) {
        service->priority = before;
        return complain(service->mnp, L"the variable cannot be written", status);
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI vlan_set(EFI_VLAN_CONFIG_PROTOCOL *this, UINT16 vlan, UINT8 priority)
{
    struct mnp_service *service;
    struct list dead;
    struct mnp *mnp;
    EFI_STATUS status;

    if (!this || vlan > VLAN_ID_MAX || priority > VLAN_PRIORITY_MAX)
        return EFI_INVALID_PARAMETER;
    mnp = mnp_of(this);
    if (!mnp_begin_change(mnp))
        return EFI_ACCESS_DENIED;
    list_init(&dead);
    service = mnp->has_vlans ? mnp_service_find(mnp, vlan) : NULL;
    status = service ? change_priority(service, priority) : add(mnp, vlan, priority, &dead);
    mnp->is_changing = false;
    mnp_bury(&dead);
    return status;
}

static EFI_STATUS EFIAPI vlan_find(EFI_VLAN_CONFIG_PROTOCOL *this, UINT16 *vlan, UINT16 *ret_count,
                                   EFI_VLAN_FIND_DATA **ret_entries)
{
    EFI_VLAN_FIND_DATA *entries;
    struct mnp *mnp;
    UINTN count = 0;
    EFI_STATUS status;

    if (!this || (vlan && *vlan > VLAN_ID_MAX) || !ret_count || !ret_entries)
        return EFI_INVALID_PARAMETER;
    *ret_count = 0;
    *ret_entries = NULL;
    mnp = mnp_of(this);
    if (!mnp->has_vlans || (vlan && !mnp_service_find(mnp, *vlan)))
        return EFI_NOT_FOUND;
    status = BS->AllocatePool(EfiBootServicesData, count_vlans(mnp) * sizeof(*entries),
                              (void **)&entries);
    if (EFI_ERROR(status))
        return status;
    MNP_FOR_EACH_SERVICE (service, mnp) {
        if (!vlan || service->vlan == *vlan)
            entries[count++] = (EFI_VLAN_FIND_DATA){service->vlan, service->priority};
    }
    *ret_count = (UINT16)count;
    *ret_entries = entries;
    return EFI_SUCCESS;
}

/* The last VLAN goes, and the untagged service comes back. */
static EFI_STATUS remove_last(struct mnp *mnp, struct mnp_service *last, struct list *dead)
{
    struct mnp_service *untagged;
    EFI_STATUS status;

    if (last->vlan == 0)
        return EFI_SUCCESS; /* it is the untagged one */
    status = mnp_service_create(mnp, 0, 0, &untagged);
    if (EFI_ERROR(status))
        return status;
    status = mnp_service_destroy(last, dead);
    if (EFI_ERROR(status))
        (void)mnp_service_destroy(untagged, dead); /* nobody has seen it yet */
    return status;
}

static EFI_STATUS remove_vlan(struct mnp *mnp, UINT16 vlan, struct list *dead)
{
    struct mnp_service *service = mnp->has_vlans ? mnp_service_find(mnp, vlan) : NULL;
    EFI_STATUS status;
    bool is_last;

    if (!service)
        return EFI_NOT_FOUND;
    status = write_variable(mnp, service, NULL);
    if (EFI_ERROR(status))
        return complain(mnp, L"the variable cannot be written", status);
    is_last = count_vlans(mnp) == 1;
    status = is_last ? remove_last(mnp, service, dead) : mnp_service_destroy(service, dead);
    if (EFI_ERROR(status)) {
        (void)write_variable(mnp, NULL, NULL); /* as before */
        return complain(mnp, L"a client does not let go", status);
    }
    mnp->has_vlans = !is_last;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI vlan_remove(EFI_VLAN_CONFIG_PROTOCOL *this, UINT16 vlan)
{
    struct list dead;
    struct mnp *mnp;
    EFI_STATUS status;

    if (!this || vlan > VLAN_ID_MAX)
        return EFI_INVALID_PARAMETER;
    mnp = mnp_of(this);
    if (!mnp_begin_change(mnp))
        return EFI_ACCESS_DENIED;
    list_init(&dead);
    status = remove_vlan(mnp, vlan, &dead);
    mnp->is_changing = false;
    mnp_bury(&dead);
    return status;
}

void mnp_vlan_init(struct mnp *mnp)
{
    mnp->vlan_config = (EFI_VLAN_CONFIG_PROTOCOL){vlan_set, vlan_find, vlan_remove};
}
