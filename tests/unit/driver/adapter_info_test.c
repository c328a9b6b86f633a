/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_ADAPTER_INFORMATION_PROTOCOL: which kinds there are, what they say, who frees them.
 */
#include "driver/adapter_info.h"
#include "snp_fixture.h"

static EFI_GUID media_guid = EFI_ADAPTER_INFO_MEDIA_STATE_GUID;
static EFI_GUID boot_guid = EFI_ADAPTER_INFO_NETWORK_BOOT_GUID;
static EFI_GUID ipv6_guid = EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT_GUID;
static EFI_GUID unknown_guid = {0x12345678, 0x1234, 0x1234, {1, 2, 3, 4, 5, 6, 7, 8}};

static EFI_GUID *const kinds[] = {&media_guid, &boot_guid, &ipv6_guid};

static struct adapter_info info_of(const struct snp_fixture *fixture)
{
    struct adapter_info info;

    adapter_info_init(&info, fixture->snp);
    return info;
}

/* The caller frees it. */
static void *get(struct adapter_info *info, EFI_GUID *type, UINTN expected_bytes)
{
    void *block = NULL;
    UINTN bytes = 0;

    assert_success(info->protocol.GetInformation(&info->protocol, type, &block, &bytes));
    assert_non_null(block);
    assert_int_equal(expected_bytes, bytes);
    return block;
}

static EFI_STATUS media_state(struct adapter_info *info)
{
    EFI_ADAPTER_INFO_MEDIA_STATE *media = get(info, &media_guid, sizeof(*media));
    EFI_STATUS state = media->MediaState;

    assert_success(BS->FreePool(media));
    return state;
}

static void the_three_kinds_are_listed(void **state)
{
    struct adapter_info info = info_of(*state);
    EFI_GUID *types = NULL;
    UINTN count = 0;

    assert_success(info.protocol.GetSupportedTypes(&info.protocol, &types, &count));
    assert_int_equal(ARRAY_LENGTH(kinds), count);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        unsigned found = 0;

        for (size_t j = 0; j < count; j++)
            found += memcmp(kinds[i], &types[j], sizeof(types[j])) == 0;
        assert_int_equal(1, found);
    }
    assert_success(BS->FreePool(types));
}

static void every_listed_kind_can_be_read(void **state)
{
    struct adapter_info info = info_of(*state);

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        void *block = NULL;
        UINTN bytes = 0;

        assert_success(info.protocol.GetInformation(&info.protocol, kinds[i], &block, &bytes));
        assert_true(bytes > 0);
        assert_success(BS->FreePool(block));
    }
}

static void media_state_follows_the_link_at_once(void **state)
{
    struct snp_fixture *fixture = *state;
    struct adapter_info info = info_of(fixture);

    assert_status(EFI_SUCCESS, media_state(&info));
    fake_device_set_link(fixture->device, false);
    assert_status(EFI_NO_MEDIA, media_state(&info));
    assert_false(fixture->mode->MediaPresent);
    fake_device_set_link(fixture->device, true);
    assert_status(EFI_SUCCESS, media_state(&info));
    assert_true(fixture->mode->MediaPresent);
}

static void media_state_is_the_last_known_where_the_device_is_halted(void **state)
{
    struct fake_device_options options = {.is_link_down = true};

    (void)state;
    for (unsigned snp_state = EfiSimpleNetworkStopped; snp_state <= EfiSimpleNetworkStarted;
         snp_state++) {
        struct snp_fixture *fixture =
            snp_fixture_new(&options, (EFI_SIMPLE_NETWORK_STATE)snp_state);
        struct adapter_info info = info_of(fixture);

        fake_device_clear_access_counts(fixture->device);
        assert_status(EFI_NO_MEDIA, media_state(&info));
        assert_int_equal(0, fake_device_access_count(fixture->device));
        snp_fixture_free(fixture);
    }
}

static void device_that_is_gone_has_no_media(void **state)
{
    struct snp_fixture *fixture = *state;
    struct adapter_info info = info_of(fixture);

    fake_device_unplug(fixture->device);
    assert_status(EFI_NO_MEDIA, media_state(&info));
}

static void nothing_boots_from_the_adapter_itself(void **state)
{
    struct adapter_info info = info_of(*state);
    EFI_ADAPTER_INFO_NETWORK_BOOT *boot = get(&info, &boot_guid, sizeof(*boot));

    assert_true(is_zero(boot, sizeof(*boot)));
    assert_success(BS->FreePool(boot));
}

static void ipv6_is_supported(void **state)
{
    struct adapter_info info = info_of(*state);
    EFI_ADAPTER_INFO_UNDI_IPV6_SUPPORT *ipv6 = get(&info, &ipv6_guid, sizeof(*ipv6));

    assert_true(ipv6->Ipv6Support);
    assert_success(BS->FreePool(ipv6));
}

static void unknown_kind_is_unsupported(void **state)
{
    struct adapter_info info = info_of(*state);
    void *block = &info;
    UINTN bytes = 77;

    assert_status(EFI_UNSUPPORTED,
                  info.protocol.GetInformation(&info.protocol, &unknown_guid, &block, &bytes));
    assert_ptr_equal(&info, block);
    assert_int_equal(77, bytes);
    assert_status(EFI_UNSUPPORTED,
                  info.protocol.SetInformation(&info.protocol, &unknown_guid, block, sizeof(info)));
}

static void known_kinds_are_write_protected(void **state)
{
    struct adapter_info info = info_of(*state);
    uint8_t block[64] = {0};

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        assert_status(EFI_WRITE_PROTECTED,
                      info.protocol.SetInformation(&info.protocol, kinds[i], block, sizeof(block)));
}

static void null_arguments_are_invalid(void **state)
{
    struct adapter_info info = info_of(*state);
    EFI_ADAPTER_INFORMATION_PROTOCOL *this = &info.protocol;
    EFI_GUID *types;
    void *block;
    UINTN bytes;
    UINTN count;

    assert_status(EFI_INVALID_PARAMETER, this->GetInformation(NULL, &media_guid, &block, &bytes));
    assert_status(EFI_INVALID_PARAMETER, this->GetInformation(this, NULL, &block, &bytes));
    assert_status(EFI_INVALID_PARAMETER, this->GetInformation(this, &media_guid, NULL, &bytes));
    assert_status(EFI_INVALID_PARAMETER, this->GetInformation(this, &media_guid, &block, NULL));
    assert_status(EFI_INVALID_PARAMETER, this->SetInformation(NULL, &media_guid, &info, 1));
    assert_status(EFI_INVALID_PARAMETER, this->SetInformation(this, NULL, &info, 1));
    assert_status(EFI_INVALID_PARAMETER, this->SetInformation(this, &media_guid, NULL, 1));
    assert_status(EFI_INVALID_PARAMETER, this->GetSupportedTypes(NULL, &types, &count));
    assert_status(EFI_INVALID_PARAMETER, this->GetSupportedTypes(this, NULL, &count));
    assert_status(EFI_INVALID_PARAMETER, this->GetSupportedTypes(this, &types, NULL));
}

static void without_memory_the_outputs_stay_as_they_were(void **state)
{
    struct snp_fixture *fixture = *state;
    struct adapter_info info = info_of(fixture);
    EFI_GUID *types = &unknown_guid;
    void *block = &info;
    UINTN bytes = 77;

    fake_firmware_count_only(fixture->firmware, FAKE_CALL_MEMORY);
    fake_firmware_fail_from(fixture->firmware, 1);
    assert_status(EFI_OUT_OF_RESOURCES,
                  info.protocol.GetInformation(&info.protocol, &media_guid, &block, &bytes));
    assert_status(EFI_OUT_OF_RESOURCES,
                  info.protocol.GetSupportedTypes(&info.protocol, &types, &bytes));
    assert_ptr_equal(&info, block);
    assert_ptr_equal(&unknown_guid, types);
    assert_int_equal(77, bytes);
    fake_firmware_fail_nth(fixture->firmware, 0);
}

static void nothing_is_allocated_after_exit(void **state)
{
    struct snp_fixture *fixture = *state;
    struct adapter_info info = info_of(fixture);
    VOID *block = NULL;
    EFI_GUID *types = NULL;
    UINTN size = 0;

    fake_firmware_fail_to_exit(fixture->firmware); /* or the fake would report the call itself */
    fake_device_clear_access_counts(fixture->device);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        assert_status(EFI_DEVICE_ERROR,
                      info.protocol.GetInformation(&info.protocol, kinds[i], &block, &size));
    assert_status(EFI_DEVICE_ERROR, info.protocol.GetSupportedTypes(&info.protocol, &types, &size));
    assert_null(block);
    assert_null(types);
    assert_int_equal(0, fake_device_access_count(fixture->device));
}

static void works_at_tpl_callback(void **state)
{
    struct adapter_info info = info_of(*state);
    EFI_TPL tpl = BS->RaiseTPL(TPL_CALLBACK);

    assert_status(EFI_SUCCESS, media_state(&info));
    BS->RestoreTPL(tpl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNP_TEST(the_three_kinds_are_listed),
        SNP_TEST(every_listed_kind_can_be_read),
        SNP_TEST(media_state_follows_the_link_at_once),
        cmocka_unit_test(media_state_is_the_last_known_where_the_device_is_halted),
        SNP_TEST(device_that_is_gone_has_no_media),
        SNP_TEST(nothing_boots_from_the_adapter_itself),
        SNP_TEST(ipv6_is_supported),
        SNP_TEST(unknown_kind_is_unsupported),
        SNP_TEST(known_kinds_are_write_protected),
        SNP_TEST(null_arguments_are_invalid),
        SNP_TEST(without_memory_the_outputs_stay_as_they_were),
        SNP_TEST(nothing_is_allocated_after_exit),
        SNP_TEST(works_at_tpl_callback),
    };

    return cmocka_run_group_tests_name("adapter_info", tests, NULL, NULL);
}
