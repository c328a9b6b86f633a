/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Receive tokens: arguments, which token is whose, Cancel, and what Poll answers; and children,
 * which CreateChild and DestroyChild make and end.
 */
#include "mnp_fixture.h"

#define TOKENS 64u

/* holds: mnp.receive.arguments */
static void receive_checks_its_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN without_event = {0};
    struct mnp_token token;

    token_init(&token);
    for (unsigned i = 0; i < 2; i++) {
        assert_status(EFI_INVALID_PARAMETER, child.mnp->Receive(NULL, &token.token));
        assert_status(EFI_INVALID_PARAMETER, child.mnp->Receive(child.mnp, NULL));
        assert_status(EFI_INVALID_PARAMETER, child.mnp->Receive(child.mnp, &without_event));
        assert_status(i == 0 ? EFI_NOT_STARTED : EFI_SUCCESS, receive(&child, &token));
        assert_success(configure(&child, &plain_config));
    }
    assert_int_equal(0, token.signals);
    child_destroy(fixture, &child);
    assert_int_equal(1, token.signals);
    assert_status(EFI_ABORTED, token.token.Status);
    token_fini(&token);
}

/* holds: mnp.receive.twice */
static void token_or_event_that_waits_is_denied(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_child another = child_for(fixture, 0);
    struct mnp_token token;
    struct mnp_token same_event = {0};

    token_init(&token);
    same_event.token.Event = token.token.Event;
    assert_success(receive(&child, &token));
    assert_status(EFI_ACCESS_DENIED, receive(&child, &token));
    assert_status(EFI_ACCESS_DENIED, receive(&child, &same_event));
    assert_int_equal(0, token.signals);

    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    assert_frame(&token, fake_device_mac(fixture->device), IPV4, 100, 1);
    recycle(&token);
    assert_success(receive(&child, &token)); /* free again */
    assert_success(cancel(&child, &token));
    token_fini(&token);
    child_destroy(fixture, &another);
    child_destroy(fixture, &child);
}

/* holds: mnp.receive.full */
static void so_many_tokens_wait_and_no_more(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_token tokens[TOKENS + 1];

    for (unsigned i = 0; i <= TOKENS; i++) {
        token_init(&tokens[i]);
        assert_status(i < TOKENS ? EFI_SUCCESS : EFI_NOT_READY, receive(&child, &tokens[i]));
    }
    for (unsigned i = 0; i < TOKENS; i++)
        deliver(fixture, IPV4, i);
    assert_success(poll(&child));
    for (unsigned i = 0; i < TOKENS; i++) {
        assert_frame(&tokens[i], fake_device_mac(fixture->device), IPV4, 100, i);
        recycle(&tokens[i]);
        token_fini(&tokens[i]);
    }
    assert_int_equal(0, tokens[TOKENS].signals);
    assert_success(receive(&child, &tokens[TOKENS])); /* there is room again */
    assert_success(cancel(&child, NULL));
    token_fini(&tokens[TOKENS]);
    child_destroy(fixture, &child);
}

/* holds: mnp.cancel.arguments */
static void cancel_checks_its_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    struct mnp_token token;

    token_init(&token);
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Cancel(NULL, &token.token));
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Cancel(NULL, NULL));
    assert_status(EFI_NOT_STARTED, cancel(&child, &token));
    assert_status(EFI_NOT_STARTED, cancel(&child, NULL));
    assert_success(configure(&child, &plain_config));
    assert_status(EFI_NOT_FOUND, cancel(&child, &token));
    assert_success(cancel(&child, NULL));
    assert_int_equal(0, token.signals);
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.cancel.one */
static void one_token_is_cancelled_and_the_others_wait_on(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, 0);
    struct mnp_child another = child_for(fixture, 0);
    struct mnp_token tokens[3];

    for (unsigned i = 0; i < 3; i++) {
        token_init(&tokens[i]);
        assert_success(receive(&child, &tokens[i]));
    }
    assert_status(EFI_NOT_FOUND, cancel(&another, &tokens[1]));
    assert_success(cancel(&child, &tokens[1]));
    assert_int_equal(1, tokens[1].signals);
    assert_status(EFI_ABORTED, tokens[1].token.Status);
    assert_status(EFI_NOT_FOUND, cancel(&child, &tokens[1]));
    assert_int_equal(1, tokens[1].signals);

    deliver(fixture, IPV4, 1);
    deliver(fixture, IPV4, 2);
    assert_success(poll(&child));
    assert_frame(&tokens[0], fake_device_mac(fixture->device), IPV4, 100, 1);
    assert_frame(&tokens[2], fake_device_mac(fixture->device), IPV4, 100, 2);
    assert_status(EFI_NOT_FOUND, cancel(&child, &tokens[0]));
    recycle(&tokens[0]);
    recycle(&tokens[2]);
    for (unsigned i = 0; i < 3; i++)
        token_fini(&tokens[i]);
    child_destroy(fixture, &another);
    child_destroy(fixture, &child);
}

/* holds: mnp.cancel.all, mnp.configure.aborts */
static void all_tokens_are_aborted_by_cancel_configure_and_destroy(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child another = child_for(fixture, 0);
    struct mnp_token foreign;
    struct mnp_token tokens[5];

    token_init(&foreign);
    assert_success(receive(&another, &foreign));
    for (unsigned way = 0; way < 3; way++) {
        struct mnp_child child = child_for(fixture, 0);

        for (unsigned i = 0; i < 5; i++) {
            token_init(&tokens[i]);
            assert_success(receive(&child, &tokens[i]));
        }
        if (way == 0)
            assert_success(cancel(&child, NULL));
        if (way == 1)
            assert_success(configure(&child, NULL));
        child_destroy(fixture, &child);
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(1, tokens[i].signals);
            assert_status(EFI_ABORTED, tokens[i].token.Status);
            token_fini(&tokens[i]);
        }
    }
    assert_int_equal(0, foreign.signals);
    assert_success(cancel(&another, NULL));
    token_fini(&foreign);
    child_destroy(fixture, &another);
}

/* holds: mnp.configure.tokens */
static void tokens_outlast_a_new_configuration(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_for(fixture, ARP);
    struct mnp_token token;

    token_init(&token);
    assert_success(receive(&child, &token));
    assert_success(configure(&child, &plain_config)); /* any Ethertype now */
    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    assert_frame(&token, fake_device_mac(fixture->device), IPV4, 100, 1);
    recycle(&token);
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.poll.status */
static void poll_says_whether_there_was_anything(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child child = child_new(fixture);
    struct mnp_token token;

    token_init(&token);
    assert_status(EFI_INVALID_PARAMETER, child.mnp->Poll(NULL));
    assert_status(EFI_NOT_STARTED, poll(&child));
    assert_success(configure(&child, &plain_config));
    assert_status(EFI_NOT_READY, poll(&child));
    assert_success(receive(&child, &token));
    assert_status(EFI_NOT_READY, poll(&child));
    deliver(fixture, IPV4, 1);
    assert_success(poll(&child));
    assert_status(EFI_NOT_READY, poll(&child));
    recycle(&token);
    assert_success(configure(&child, NULL));
    assert_status(EFI_NOT_STARTED, poll(&child));
    token_fini(&token);
    child_destroy(fixture, &child);
}

/* holds: mnp.child.arguments */
static void service_binding_checks_its_arguments(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_SERVICE_BINDING *binding = services(fixture);
    EFI_HANDLE other = fake_firmware_load_image(fixture->firmware, NULL);
    struct mnp_child child = child_for(fixture, 0);
    EFI_HANDLE handle = NULL;

    assert_status(EFI_INVALID_PARAMETER, binding->CreateChild(NULL, &handle));
    assert_status(EFI_INVALID_PARAMETER, binding->CreateChild(binding, NULL));
    assert_null(handle);
    assert_status(EFI_INVALID_PARAMETER, binding->DestroyChild(NULL, child.handle));
    assert_status(EFI_INVALID_PARAMETER, binding->DestroyChild(binding, NULL));
    assert_status(EFI_UNSUPPORTED, binding->DestroyChild(binding, other));
    assert_status(EFI_UNSUPPORTED, binding->DestroyChild(binding, fixture->nic));
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
}

/* holds: mnp.child.open */
static void child_opens_the_service_binding_while_it_lives(void **state)
{
    struct mnp_fixture *fixture = *state;
    struct mnp_child children[3];

    for (unsigned i = 0; i < 3; i++) {
        children[i] = child_new(fixture);
        assert_int_equal(i + 1, fake_firmware_count_opens(fixture->firmware, fixture->nic,
                                                          &mnp_service_guid,
                                                          EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    }
    assert_ptr_not_equal(children[0].handle, children[1].handle);
    for (unsigned i = 0; i < 3; i++)
        child_destroy(fixture, &children[i]);
    assert_int_equal(0, fake_firmware_count_opens(fixture->firmware, fixture->nic,
                                                  &mnp_service_guid, UINT32_MAX));
    assert_int_equal(0, fake_firmware_count_handles(fixture->firmware, &mnp_guid));
}

/* holds: mnp.child.handle */
static void child_can_be_on_a_handle_of_the_callers(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_SERVICE_BINDING *binding = services(fixture);
    EFI_HANDLE handle = fake_firmware_load_image(fixture->firmware, NULL);
    EFI_HANDLE same = handle;

    assert_success(binding->CreateChild(binding, &same));
    assert_ptr_equal(handle, same);
    assert_non_null(fake_firmware_interface(fixture->firmware, handle, &mnp_guid));
    assert_true(EFI_ERROR(binding->CreateChild(binding, &same))); /* it has the protocol */
    assert_ptr_equal(handle, same);
    assert_success(binding->DestroyChild(binding, handle));
    assert_null(fake_firmware_interface(fixture->firmware, handle, &mnp_guid));
    assert_non_null(fake_firmware_loaded_image(fixture->firmware, handle));
}

/* holds: mnp.child.used */
static void child_whose_client_does_not_let_go_stays(void **state)
{
    struct mnp_fixture *fixture = *state;
    EFI_SERVICE_BINDING *binding = services(fixture);
    struct mnp_child child = child_for(fixture, 0);
    struct fake_consumer *client =
        fake_firmware_hold_protocol(fixture->firmware, child.handle, &mnp_guid, true);
    struct mnp_token token;

    token_init(&token);
    assert_success(receive(&child, &token));
    assert_true(EFI_ERROR(binding->DestroyChild(binding, child.handle)));
    assert_int_equal(0, token.signals);
    assert_success(cancel(&child, NULL));
    assert_traffic_flows(fixture, &child);
    assert_int_equal(1,
                     fake_firmware_count_opens(fixture->firmware, fixture->nic, &mnp_service_guid,
                                               EFI_OPEN_PROTOCOL_BY_CHILD_CONTROLLER));
    client->refuses_to_stop = false;
    child_destroy(fixture, &child);
    token_fini(&token);
}

/* holds: mnp.child.alike */
static void nics_do_not_destroy_each_others_children(void **state)
{
    struct mnp_fixture *fixture = mnp_fixture_new(2, NULL, false);
    EFI_SERVICE_BINDING *second = services_of(fixture, nic_at(fixture, 1));
    struct mnp_child child = child_for(fixture, 0);

    (void)state;
    assert_true(EFI_ERROR(second->DestroyChild(second, child.handle)));
    assert_traffic_flows(fixture, &child);
    child_destroy(fixture, &child);
    mnp_fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MNP_TEST(receive_checks_its_arguments),
        MNP_TEST(token_or_event_that_waits_is_denied),
        MNP_TEST(so_many_tokens_wait_and_no_more),
        MNP_TEST(cancel_checks_its_arguments),
        MNP_TEST(one_token_is_cancelled_and_the_others_wait_on),
        MNP_TEST(all_tokens_are_aborted_by_cancel_configure_and_destroy),
        MNP_TEST(tokens_outlast_a_new_configuration),
        MNP_TEST(poll_says_whether_there_was_anything),
        MNP_TEST(service_binding_checks_its_arguments),
        MNP_TEST(child_opens_the_service_binding_while_it_lives),
        MNP_TEST(child_can_be_on_a_handle_of_the_callers),
        MNP_TEST(child_whose_client_does_not_let_go_stays),
        cmocka_unit_test(nics_do_not_destroy_each_others_children),
    };

    return cmocka_run_group_tests_name("mnp_tokens", tests, NULL, NULL);
}
