/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The failure loop through the VLANs' life.
 */
#include "mnp_failures.h"

static EFI_STATUS set_vlan(struct bench *bench, UINT16 id, UINT8 priority)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);

    return vlans->Set(vlans, id, priority);
}

/* What Find says of the VLAN; -1: there is none. */
static int priority_of(struct bench *bench, UINT16 id)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);
    EFI_VLAN_FIND_DATA *entries;
    UINT16 count;
    int priority;

    if (EFI_ERROR(vlans->Find(vlans, &id, &count, &entries)))
        return -1;
    priority = entries->Priority;
    assert_success(BS->FreePool(entries));
    return priority;
}

/* How many tags the variable holds; 0: there is none. */
static unsigned tags_count(const struct bench *bench)
{
    const uint8_t *mac = fake_device_mac(bench->fixture->device);
    UINT16 tags[16];
    UINTN bytes = sizeof(tags);
    char text[13];
    CHAR16 name[13];

    snprintf(text, sizeof(text), "%02X%02X%02X%02X%02X%02X", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    for (unsigned i = 0; i < ARRAY_LENGTH(name); i++)
        name[i] = (CHAR16)text[i];
    if (RT->GetVariable(name, &vlan_config_guid, NULL, &bytes, tags) == EFI_NOT_FOUND)
        return 0;
    return (unsigned)(bytes / sizeof(tags[0]));
}

/* Firmware from which nothing is to be had does not put the variable back either. */
static void assert_tags_are_as_before(const struct bench *bench, unsigned count)
{
    if (!bench->setting->ever_after)
        assert_int_equal(count, tags_count(bench));
}

static EFI_STATUS run_set_first(struct bench *bench)
{
    return set_vlan(bench, 9, 2);
}

static void check_first_not_set(struct bench *bench)
{
    assert_tags_are_as_before(bench, 0);
    assert_int_equal(1, services_count(bench));
    assert_int_equal(-1, priority_of(bench, 9));
    assert_works(bench);
}

static void check_first_set(struct bench *bench)
{
    assert_int_equal(1, tags_count(bench));
    assert_null(services(bench->fixture));
    assert_int_equal(1, services_count(bench));
    assert_int_equal(2, priority_of(bench, 9));
}

static void check_another_not_set(struct bench *bench)
{
    assert_tags_are_as_before(bench, 2);
    assert_int_equal(2, services_count(bench));
    assert_int_equal(-1, priority_of(bench, 9));
    assert_works(bench);
}

static void check_another_set(struct bench *bench)
{
    assert_int_equal(3, tags_count(bench));
    assert_int_equal(3, services_count(bench));
    assert_int_equal(2, priority_of(bench, 9));
    assert_works(bench);
}

static EFI_STATUS run_set_again(struct bench *bench)
{
    return set_vlan(bench, 5, 7);
}

static void check_not_set_again(struct bench *bench)
{
    assert_int_equal(1, priority_of(bench, 5));
    assert_works(bench);
}

static void check_set_again(struct bench *bench)
{
    assert_int_equal(7, priority_of(bench, 5));
    assert_int_equal(2, services_count(bench));
}

static EFI_STATUS run_find(struct bench *bench)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);
    EFI_VLAN_FIND_DATA *entries;
    UINT16 count;
    EFI_STATUS status = vlans->Find(vlans, NULL, &count, &entries);

    if (!EFI_ERROR(status))
        assert_success(BS->FreePool(entries));
    return status;
}

static EFI_STATUS run_remove(struct bench *bench)
{
    EFI_VLAN_CONFIG_PROTOCOL *vlans = vlan_config(bench->fixture);

    return vlans->Remove(vlans, 5);
}

static void check_not_removed(struct bench *bench)
{
    assert_tags_are_as_before(bench, 2);
    assert_int_equal(1, priority_of(bench, 5));
    assert_int_equal(2, services_count(bench));
    assert_works(bench);
}

static void check_removed(struct bench *bench)
{
    assert_int_equal(-1, priority_of(bench, 5));
    assert_int_equal(1, services_count(bench));
    assert_works(bench);
}

static void check_one_left(struct bench *bench)
{
    assert_int_equal(1, tags_count(bench));
    check_removed(bench);
}

static void check_none_left(struct bench *bench)
{
    assert_int_equal(0, tags_count(bench));
    check_removed(bench);
}

static void prepare_one_vlan(struct bench *bench)
{
    assert_success(set_vlan(bench, 5, 1));
}

static void check_last_not_removed(struct bench *bench)
{
    assert_tags_are_as_before(bench, 1);
    assert_int_equal(1, priority_of(bench, 5));
    assert_int_equal(1, services_count(bench));
    assert_null(services(bench->fixture));
}

static const struct operation operations[] = {
    {"the first VLAN", check_nothing, run_set_first, check_first_not_set, check_first_set, false},
    {"another VLAN", prepare_vlans, run_set_first, check_another_not_set, check_another_set, false},
    {"Set again", prepare_vlans, run_set_again, check_not_set_again, check_set_again, false},
    {"Find", prepare_vlans, run_find, check_nothing, check_nothing, false},
    {"Remove", prepare_vlans, run_remove, check_not_removed, check_one_left, false},
    {"Remove of the last VLAN", prepare_one_vlan, run_remove, check_last_not_removed,
     check_none_left, false},
};

/* holds: mnp.binding.failures */
static void operation_survives_the_failure_of_each_call(void **state)
{
    fail_each_call(*state);
}

int main(void)
{
    return run_failure_loops("mnp_vlan_failures", operations, ARRAY_LENGTH(operations), settings,
                             ARRAY_LENGTH(settings), operation_survives_the_failure_of_each_call);
}
