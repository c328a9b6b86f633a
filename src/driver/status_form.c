/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The form as a constant, and the texts, of which some tell the NIC's state.
 */
#include "driver/status_form.h"

#include <efilib.h>

#include "base/guids.h"
#include "driver/adapter.h"
#include "mnp/mnp.h"
#include "net/net_report.h"
#include "virtio/feature_names.h"

#define VALUE_CHARS_MAX 640u
#define CONSTANT_CHARS_MAX 80u
#define STORE 1u

/* Texts that show the NIC's state, and the name of each. They are rewritten when the form opens. */
#define VALUES(X)                                                                                  \
    X(DRIVER, "Driver")                                                                            \
    X(LOCATION, "PCI address")                                                                     \
    X(TRANSPORT, "Transport")                                                                      \
    X(MAC, "MAC address")                                                                          \
    X(LINK, "Link")                                                                                \
    X(SPEED, "Speed")                                                                              \
    X(MTU, "MTU")                                                                                  \
    X(STACK_IN_USE, "Network stack")                                                               \
    X(FEATURES, "Features negotiated")                                                             \
    X(RECEIVED, "Received")                                                                        \
    X(RECEIVE_ERRORS, "Receive errors")                                                            \
    X(SENT, "Sent")                                                                                \
    X(SEND_ERRORS, "Send errors")                                                                  \
    X(DEVICE_ERRORS, "Device errors")

/* All others. */
#define TEXTS(X)                                                                                   \
    X(EMPTY, "")                                                                                   \
    X(FORM_HELP, "State, counters and options of this NIC")                                        \
    X(REFRESH_LABEL, "Refresh")                                                                    \
    X(REFRESH_HELP, "Read the state and the counters again")                                       \
    X(OPTIONS_LABEL, "Driver options, in effect from its next start")                              \
    X(TAKEOVER_LABEL, "Take over NICs")                                                            \
    X(TAKEOVER_HELP, "Take over NICs that another driver holds when this one starts")              \
    X(VERBOSITY_LABEL, "Console messages")                                                         \
    X(VERBOSITY_HELP, "What the driver prints when it starts")                                     \
    X(ERRORS, "Errors")                                                                            \
    X(TAKEOVERS, "Errors and takeovers")                                                           \
    X(ALL, "Everything")                                                                           \
    X(STACK_LABEL, "Use network stack of")                                                         \
    X(STACK_HELP, "Whose Managed Network service clients use on NICs of this driver")              \
    X(OWN, "This driver")                                                                          \
    X(FIRMWARE, "The firmware")                                                                    \
    X(ONLY_LABEL, "Use only")                                                                      \
    X(ONLY_HELP, "PCI addresses such as 00:03.0,00:04.0; empty: use all NICs")                     \
    X(SKIP_LABEL, "Leave alone")                                                                   \
    X(SKIP_HELP, "PCI addresses of NICs not to use, such as 00:03.0,00:04.0")

#define AS_VALUE(name, label) STRING_##name,
#define AS_LABEL(name, label) STRING_##name##_LABEL,
#define AS_TEXT_ID(name, text) STRING_##name,
#define AS_TEXT(name, text) text "\0"
#define CHECK_LENGTH(name, text)                                                                   \
    _Static_assert(sizeof(text) <= CONSTANT_CHARS_MAX, "the text of " #name);
#define AS_ROW(name, label) TEXT_ROW(name),

enum string_id {
    STRING_LANGUAGE = 1,
    STRING_TITLE,
    VALUES(AS_VALUE) VALUES(AS_LABEL) TEXTS(AS_TEXT_ID) STRING_END,
    STRING_FIRST_VALUE = STRING_TITLE,
    STRING_FIRST_CONSTANT = STRING_DRIVER_LABEL,
};

static const CHAR16 language_name[] = L"English";
/* One after the other, in ASCII to save space. */
static const char constants[] = VALUES(AS_TEXT) TEXTS(AS_TEXT);

VALUES(CHECK_LENGTH)
TEXTS(CHECK_LENGTH)

#define ROW_COUNT (STRING_FIRST_CONSTANT - STRING_DRIVER)
#define HEADER(op, type, scope)                                                                    \
    {                                                                                              \
        op, sizeof(type), scope                                                                    \
    }
#define END                                                                                        \
    {                                                                                              \
        HEADER(EFI_IFR_END_OP, EFI_IFR_END, 0)                                                     \
    }
#define TEXT_ROW(name)                                                                             \
    {                                                                                              \
        HEADER(EFI_IFR_TEXT_OP, EFI_IFR_TEXT, 0), {STRING_##name##_LABEL, STRING_EMPTY},           \
            STRING_##name                                                                          \
    }
#define QUESTION(name, field)                                                                      \
    {                                                                                              \
        {STRING_##name##_LABEL, STRING_##name##_HELP}, QUESTION_##name, STORE,                     \
            offsetof(struct status_fields, field), 0                                               \
    }
#define CHOICE(list, name, flags)                                                                  \
    {                                                                                              \
        HEADER(EFI_IFR_ONE_OF_OPTION_OP, EFI_IFR_ONE_OF_OPTION_8, 0), STRING_##name, flags,        \
            EFI_IFR_TYPE_NUM_SIZE_8, list##_##name                                                 \
    }
#define ADDRESS_FIELD(name, field)                                                                 \
    {                                                                                              \
        {HEADER(EFI_IFR_STRING_OP, EFI_IFR_STRING, 1), QUESTION(name, field), 0,                   \
         STATUS_FIELD_CHARS, 0},                                                                   \
            {HEADER(EFI_IFR_DEFAULT_OP, EFI_IFR_DEFAULT_STRING, 0),                                \
             EFI_HII_DEFAULT_CLASS_STANDARD, EFI_IFR_TYPE_STRING, STRING_EMPTY},                   \
            END                                                                                    \
    }

struct address_field {
    EFI_IFR_STRING string;
    EFI_IFR_DEFAULT_STRING none;
    EFI_IFR_END end;
} __attribute__((packed));

struct form_set {
    EFI_IFR_FORM_SET set;
    EFI_GUID class;
} __attribute__((packed));

struct block_store {
    EFI_IFR_VARSTORE store;
    CHAR8 name[sizeof(STATUS_FORM_BLOCK)];
} __attribute__((packed));

/* UEFI 2.10, 33.3.8: the form as the browser reads it. */
static const struct {
    EFI_HII_PACKAGE_HEADER header;
    struct form_set set;
    struct block_store store;
    EFI_IFR_DEFAULTSTORE defaults;
    EFI_IFR_FORM form;
    EFI_IFR_TEXT rows[ROW_COUNT];
    EFI_IFR_ACTION refresh;
    EFI_IFR_SUBTITLE space;
    EFI_IFR_SUBTITLE options;
    EFI_IFR_CHECKBOX takeover;
    EFI_IFR_ONE_OF_8 verbosity;
    EFI_IFR_ONE_OF_OPTION_8 levels[VERBOSITY_ALL + 1];
    EFI_IFR_END end_of_verbosity;
    EFI_IFR_ONE_OF_8 stack;
    EFI_IFR_ONE_OF_OPTION_8 stacks[STACK_FIRMWARE + 1];
    EFI_IFR_END end_of_stack;
    struct address_field only;
    struct address_field skip;
    EFI_IFR_END end_of_form;
    EFI_IFR_END end_of_set;
} __attribute__((packed)) form_package = {
    .header = {sizeof(form_package), EFI_HII_PACKAGE_FORMS},
    .set = {{HEADER(EFI_IFR_FORM_SET_OP, struct form_set, 1), VARIABLE_GUID, STRING_TITLE,
             STRING_FORM_HELP, 1},
            EFI_HII_PLATFORM_SETUP_FORMSET_GUID},
    .store = {{HEADER(EFI_IFR_VARSTORE_OP, struct block_store, 0), VARIABLE_GUID, STORE,
               STATUS_FIELDS_BYTES},
              STATUS_FORM_BLOCK},
    .defaults = {HEADER(EFI_IFR_DEFAULTSTORE_OP, EFI_IFR_DEFAULTSTORE, 0), STRING_EMPTY,
                 EFI_HII_DEFAULT_CLASS_STANDARD},
    .form = {HEADER(EFI_IFR_FORM_OP, EFI_IFR_FORM, 1), 1, STRING_TITLE},
    .rows = {VALUES(AS_ROW)},
    .refresh = {HEADER(EFI_IFR_ACTION_OP, EFI_IFR_ACTION, 0),
                {{STRING_REFRESH_LABEL, STRING_REFRESH_HELP},
                 QUESTION_REFRESH,
                 0,
                 0,
                 EFI_IFR_FLAG_CALLBACK},
                0},
    .space = {HEADER(EFI_IFR_SUBTITLE_OP, EFI_IFR_SUBTITLE, 0), {STRING_EMPTY, STRING_EMPTY}, 0},
    .options = {HEADER(EFI_IFR_SUBTITLE_OP, EFI_IFR_SUBTITLE, 0),
                {STRING_OPTIONS_LABEL, STRING_EMPTY},
                0},
    .takeover = {HEADER(EFI_IFR_CHECKBOX_OP, EFI_IFR_CHECKBOX, 0), QUESTION(TAKEOVER, takeover),
                 EFI_IFR_CHECKBOX_DEFAULT},
    .verbosity = {HEADER(EFI_IFR_ONE_OF_OP, EFI_IFR_ONE_OF_8, 1), QUESTION(VERBOSITY, verbosity),
                  EFI_IFR_NUMERIC_SIZE_1 | EFI_IFR_DISPLAY_UINT_DEC, 0, VERBOSITY_ALL, 0},
    .levels = {CHOICE(VERBOSITY, ERRORS, 0), CHOICE(VERBOSITY, TAKEOVERS, EFI_IFR_OPTION_DEFAULT),
               CHOICE(VERBOSITY, ALL, 0)},
    .end_of_verbosity = END,
    .stack = {HEADER(EFI_IFR_ONE_OF_OP, EFI_IFR_ONE_OF_8, 1), QUESTION(STACK, stack),
              EFI_IFR_NUMERIC_SIZE_1 | EFI_IFR_DISPLAY_UINT_DEC, 0, STACK_FIRMWARE, 0},
    .stacks = {CHOICE(STACK, OWN, EFI_IFR_OPTION_DEFAULT), CHOICE(STACK, FIRMWARE, 0)},
    .end_of_stack = END,
    .only = ADDRESS_FIELD(ONLY, only),
    .skip = ADDRESS_FIELD(SKIP, skip),
    .end_of_form = END,
    .end_of_set = END,
};

static const EFI_HII_PACKAGE_HEADER end_package = {sizeof(end_package), EFI_HII_PACKAGE_END};
static const CHAR8 language[] = STATUS_FORM_LANGUAGE;

/* Constant texts have their final length; every other text has its longest. */
#define STRINGS_BYTES_MAX                                                                          \
    (sizeof(EFI_HII_STRING_PACKAGE_HDR) + sizeof(language) + STRING_END + sizeof(language_name) +  \
     sizeof(constants) +                                                                           \
     (STRING_FIRST_CONSTANT - STRING_FIRST_VALUE) * VALUE_CHARS_MAX * sizeof(CHAR16))
#define LIST_BYTES_MAX                                                                             \
    (sizeof(EFI_HII_PACKAGE_LIST_HEADER) + sizeof(form_package) + STRINGS_BYTES_MAX +              \
     sizeof(end_package))

static void append_traffic(struct text *text, const struct net_traffic *traffic)
{
    text_append_decimal(text, traffic->unicast + traffic->multicast + traffic->broadcast);
    text_append(text, L" frames, ");
    text_append_decimal(text, traffic->good_bytes);
    text_append(text, L" bytes");
}

static void append_errors(struct text *text, const struct net_traffic *traffic)
{
    text_append_decimal(text, traffic->undersize + traffic->oversize + traffic->dropped);
    text_append(text, L" frames, ");
    text_append_decimal(text, traffic->bad_bytes);
    text_append(text, L" bytes");
}

static void append_speed(struct text *text, uint32_t speed_mbps)
{
    if (!speed_mbps) {
        text_append(text, L"unknown");
        return;
    }
    text_append_decimal(text, speed_mbps);
    text_append(text, L" Mbit/s");
}

/* Whose Managed Network service clients find on the child of `adapter`. */
static void append_stack(struct text *text, const struct adapter *adapter)
{
    const struct tcp_join_counters *joined;

    if (!adapter->mnp) {
        text_append(text, L"the firmware's");
        return;
    }
    joined = mnp_joined(adapter->mnp);
    text_append(text, L"this driver's; ");
    text_append_decimal(text, joined->segments);
    text_append(text, L" segments joined into ");
    text_append_decimal(text, joined->joined);
}

/* While no client wants frames the device is halted and has forgotten them. */
static void append_features(struct text *text, const struct net_device *net)
{
    if (net_device_has_queues(net))
        feature_names_append(text, net_report_features_negotiated(net));
    else
        text_append(text, L"none: the NIC is not in use");
}

static void append_state(struct text *text, const struct adapter *adapter, enum string_id id)
{
    const struct net_device *net = &adapter->snp.net;

    switch (id) {
    case STRING_TITLE:
        text_append(text, adapter->name);
        break;
    case STRING_DRIVER:
        text_append(text, L"virtio-net.efi " VIRTIO_NET_VERSION_STRING);
        break;
    case STRING_LOCATION:
        text_append_pci_location(text, adapter->pci_io);
        break;
    case STRING_TRANSPORT:
        text_append(text, net_report_transport(net));
        if (net_report_uses_window(net))
            text_append(text, L", through configuration space");
        break;
    case STRING_MAC:
        text_append_mac(text, net->station_mac);
        break;
    case STRING_LINK:
        text_append(text, net->is_link_up ? L"up" : L"down");
        break;
    case STRING_SPEED:
        append_speed(text, net->speed_mbps);
        break;
    case STRING_MTU:
        text_append_decimal(text, net->mtu);
        text_append(text, L" bytes");
        break;
    case STRING_STACK_IN_USE:
        append_stack(text, adapter);
        break;
    default:
        append_features(text, net);
        break;
    }
}

static void append_counter(struct text *text, const struct net_device *net, enum string_id id)
{
    switch (id) {
    case STRING_RECEIVED:
        append_traffic(text, &net->counters.rx);
        break;
    case STRING_RECEIVE_ERRORS:
        append_errors(text, &net->counters.rx);
        break;
    case STRING_SENT:
        append_traffic(text, &net->counters.tx);
        break;
    case STRING_SEND_ERRORS:
        append_errors(text, &net->counters.tx);
        break;
    default:
        text_append_decimal(text, net->counters.ring_errors + net->control.refused +
                                      net->control.overdue);
        break;
    }
}

static void write_value(CHAR16 *buffer, const struct adapter *adapter, enum string_id id)
{
    struct text text;

    text_init(&text, buffer, VALUE_CHARS_MAX);
    if (id < STRING_RECEIVED)
        append_state(&text, adapter, id);
    else
        append_counter(&text, &adapter->snp.net, id);
}

/* A package list that grows at its end. The caller knows that what it adds fits. */
struct package_list {
    uint8_t *end;
};

static void put(struct package_list *list, const void *bytes, size_t count)
{
    __builtin_memcpy(list->end, bytes, count);
    list->end += count;
}

/* UEFI 2.10, 33.3.6.2: each text gets the next string id. */
static void put_string(struct package_list *list, const CHAR16 *string)
{
    static const UINT8 block_type = EFI_HII_SIBT_STRING_UCS2;
    size_t length = 0;

    while (string[length])
        length++;
    put(list, &block_type, sizeof(block_type));
    put(list, string, (length + 1) * sizeof(*string));
}

static void put_constants(struct package_list *list)
{
    const char *at = constants;
    CHAR16 wide[CONSTANT_CHARS_MAX];

    for (unsigned id = STRING_FIRST_CONSTANT; id < STRING_END; id++) {
        size_t length = 0;

        do {
            wide[length] = (CHAR16)*at++;
        } while (wide[length++]);
        put_string(list, wide);
    }
}

static void put_strings(struct package_list *list, const struct adapter *adapter)
{
    static const UINT8 end_block = EFI_HII_SIBT_END;
    CHAR16 value[VALUE_CHARS_MAX];
    EFI_HII_STRING_PACKAGE_HDR header = {
        .Header.Type = EFI_HII_PACKAGE_STRINGS,
        .HdrSize = sizeof(header) + sizeof(language),
        .StringInfoOffset = sizeof(header) + sizeof(language),
        .LanguageName = STRING_LANGUAGE,
    };
    uint8_t *start = list->end;

    put(list, &header, sizeof(header));
    put(list, language, sizeof(language));
    put_string(list, language_name);
    for (unsigned id = STRING_FIRST_VALUE; id < STRING_FIRST_CONSTANT; id++) {
        write_value(value, adapter, id);
        put_string(list, value);
    }
    put_constants(list);
    put(list, &end_block, sizeof(end_block));
    header.Header.Length = (UINT32)(list->end - start) & 0xffffffu;
    __builtin_memcpy(start, &header, sizeof(header));
}

EFI_STATUS status_form_create(const struct adapter *adapter,
                              EFI_HII_PACKAGE_LIST_HEADER **ret_packages)
{
    EFI_HII_PACKAGE_LIST_HEADER header = {.PackageListGuid = VARIABLE_GUID};
    struct package_list list;
    uint8_t *start;
    EFI_STATUS status;

    status = BS->AllocatePool(EfiBootServicesData, LIST_BYTES_MAX, (void **)&start);
    if (EFI_ERROR(status))
        return status;
    list.end = start + sizeof(header);
    put(&list, &form_package, sizeof(form_package));
    put_strings(&list, adapter);
    put(&list, &end_package, sizeof(end_package));
    header.PackageLength = (UINT32)(list.end - start);
    __builtin_memcpy(start, &header, sizeof(header));
    *ret_packages = (EFI_HII_PACKAGE_LIST_HEADER *)start;
    return EFI_SUCCESS;
}

void status_form_refresh(const struct adapter *adapter, const EFI_HII_STRING_PROTOCOL *strings,
                         EFI_HII_HANDLE packages)
{
    CHAR16 value[VALUE_CHARS_MAX];

    for (unsigned id = STRING_FIRST_VALUE; id < STRING_FIRST_CONSTANT; id++) {
        write_value(value, adapter, id);
        /* If it fails, the row keeps its old text. */
        (void)strings->SetString(strings, packages, (EFI_STRING_ID)id, language, value, NULL);
    }
}
