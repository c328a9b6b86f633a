/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * EFI_HII_CONFIG_ACCESS_PROTOCOL: between the form's fields and the variable.
 */
#include "driver/status_page.h"

#include <efilib.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/guids.h"
#include "base/text.h"
#include "driver/config_string.h"
#include "driver/settings.h"
#include "driver/status_form.h"

struct status_page {
    EFI_HII_CONFIG_ACCESS_PROTOCOL protocol;
    struct adapter *adapter;
    EFI_HII_DATABASE_PROTOCOL *database;
    EFI_HII_STRING_PROTOCOL *strings;
    EFI_HII_HANDLE packages;
    size_t header_chars;
    CHAR16 header[]; /* prefix of the configuration strings meant for this page */
};

static const struct status_page *page_of(const EFI_HII_CONFIG_ACCESS_PROTOCOL *protocol)
{
    return container_of(protocol, const struct status_page, protocol);
}

static void list_to_field(const struct pci_address_list *list, CHAR16 *field)
{
    CHAR16 buffer[STATUS_FIELD_CHARS + 1];
    struct text text;

    text_init(&text, buffer, STATUS_FIELD_CHARS + 1);
    options_append_addresses(list, &text);
    __builtin_memcpy(field, buffer, text.length * sizeof(*buffer));
}

static void options_to_fields(const struct options *options, struct status_fields *ret_fields)
{
    *ret_fields = (struct status_fields){
        .takeover = options->takeover,
        .verbosity = (uint8_t)options->verbosity,
        .stack = (uint8_t)options->stack,
    };
    list_to_field(&options->only, ret_fields->only);
    list_to_field(&options->skip, ret_fields->skip);
}

static bool field_to_list(const CHAR16 *field, struct pci_address_list *list)
{
    size_t length = 0;

    while (length < STATUS_FIELD_CHARS && field[length])
        length++;
    return !options_parse_addresses(list, field, length);
}

/* Change `options` where `fields` differ from `shown`, so that a list too long to be shown
 * in full is kept whole. False: a field is not a valid option. */
static bool fields_to_options(const struct status_fields *fields, const struct status_fields *shown,
                              struct options *options)
{
    if (fields->takeover > 1 || fields->verbosity > VERBOSITY_ALL || fields->stack > STACK_FIRMWARE)
        return false;
    options->takeover = fields->takeover;
    options->verbosity = fields->verbosity;
    options->stack = fields->stack;
    if (__builtin_memcmp(fields->only, shown->only, sizeof(fields->only)) != 0 &&
        !field_to_list(fields->only, &options->only))
        return false;
    return __builtin_memcmp(fields->skip, shown->skip, sizeof(fields->skip)) == 0 ||
           field_to_list(fields->skip, &options->skip);
}

/* Append the answer to `elements`, which are well-formed. */
static void append_answer(struct text *text, const CHAR16 *elements)
{
    struct options options;
    struct status_fields fields;
    struct config_element element;

    settings_load_variable(&options);
    options_to_fields(&options, &fields);
    while (config_element_next(&elements, STATUS_FIELDS_BYTES, false, &element))
        config_element_append(&element, (const uint8_t *)&fields, text);
}

static EFI_STATUS EFIAPI extract_config(const EFI_HII_CONFIG_ACCESS_PROTOCOL *this,
                                        EFI_STRING request, EFI_STRING *ret_progress,
                                        EFI_STRING *ret_results)
{
    static const CHAR16 all[] = L"&OFFSET=0000&WIDTH=03FF";
    const struct status_page *page = page_of(this);
    struct config_element element;
    const CHAR16 *elements = all;
    const CHAR16 *at = NULL;
    size_t chars = page->header_chars;
    CHAR16 *results;
    struct text text;
    EFI_STATUS status;

    _Static_assert(STATUS_FIELDS_BYTES == 0x3ff, "is what `all` says");
    if (!ret_progress || !ret_results)
        return EFI_INVALID_PARAMETER;
    *ret_progress = request;
    if (request) {
        at = config_header_skip(request, page->header);
        if (!at)
            return EFI_NOT_FOUND;
        elements = *at ? at : all; /* a bare header, like no request at all, asks for everything */
    }

    for (at = elements; config_element_next(&at, STATUS_FIELDS_BYTES, false, &element);)
        chars += config_element_chars(&element);
    if (*at) {
        *ret_progress = at == elements ? request : request + (at - request);
        return EFI_INVALID_PARAMETER;
    }

    /* Two terminators: a widespread test tool skips the '&' after each value, also after
     * the last one, where the terminator is, and reads on. */
    status =
        BS->AllocatePool(EfiBootServicesData, (chars + 1) * sizeof(*results), (void **)&results);
    if (EFI_ERROR(status))
        return status;
    results[chars] = 0;
    text_init(&text, results, chars);
    text_append(&text, page->header);
    append_answer(&text, elements);
    while (*ret_progress && **ret_progress)
        ++*ret_progress;
    *ret_results = results;
    return EFI_SUCCESS;
}

/* Apply the elements at *at to `options`. False: the element at *at is malformed, or leaves
 * a field that is not a valid option. */
static bool apply(const CHAR16 **at, struct options *options, bool *ret_is_changed)
{
    struct config_element element;
    struct status_fields shown;
    struct status_fields fields;

    options_to_fields(options, &shown);
    fields = shown;
    while (**at) {
        const CHAR16 *next = *at;

        if (!config_element_next(&next, STATUS_FIELDS_BYTES, true, &element))
            return false;
        config_element_get(&element, (uint8_t *)&fields);
        if (!fields_to_options(&fields, &shown, options))
            return false;
        *at = next;
    }
    *ret_is_changed = __builtin_memcmp(&fields, &shown, STATUS_FIELDS_BYTES) != 0;
    return true;
}

static EFI_STATUS EFIAPI route_config(const EFI_HII_CONFIG_ACCESS_PROTOCOL *this,
                                      EFI_STRING configuration, EFI_STRING *ret_progress)
{
    struct options options;
    const CHAR16 *elements;
    const CHAR16 *at;
    bool is_changed;

    if (!configuration || !ret_progress)
        return EFI_INVALID_PARAMETER;
    *ret_progress = configuration;
    elements = config_header_skip(configuration, page_of(this)->header);
    if (!elements)
        return EFI_NOT_FOUND;

    settings_load_variable(&options);
    at = elements;
    if (!*at || !apply(&at, &options, &is_changed)) {
        if (at != elements)
            *ret_progress = configuration + (at - configuration);
        return EFI_INVALID_PARAMETER;
    }
    if (is_changed) {
        EFI_STATUS status = settings_save(&options);

        if (EFI_ERROR(status))
            return status;
    }
    *ret_progress = configuration + (at - configuration);
    return EFI_SUCCESS;
}

static EFI_TPL present_tpl(void)
{
    EFI_TPL tpl = BS->RaiseTPL(TPL_HIGH_LEVEL);

    BS->RestoreTPL(tpl);
    return tpl;
}

/* The link is read from the device if it runs; everything else is in memory. */
static EFI_STATUS EFIAPI callback(const EFI_HII_CONFIG_ACCESS_PROTOCOL *this,
                                  EFI_BROWSER_ACTION action, EFI_QUESTION_ID question, UINT8 type,
                                  VOID *value, EFI_BROWSER_ACTION_REQUEST *ret_request)
{
    const struct status_page *page = page_of(this);

    (void)type;
    (void)value;
    if (question != QUESTION_REFRESH || present_tpl() > TPL_CALLBACK ||
        (action != EFI_BROWSER_ACTION_FORM_OPEN && action != EFI_BROWSER_ACTION_CHANGED))
        return EFI_UNSUPPORTED;
    (void)snp_has_media(&page->adapter->snp); /* called for its side effect: it reads the link */
    status_form_refresh(page->adapter, page->strings, page->packages);
    if (ret_request)
        *ret_request = EFI_BROWSER_ACTION_REQUEST_NONE;
    return EFI_SUCCESS;
}

/* Create a page that is not published yet. */
static EFI_STATUS build(struct adapter *adapter, struct status_page **ret_page)
{
    static const CHAR16 name[] = SETTINGS_VARIABLE;
    size_t header_chars = config_header_chars(name, adapter->device_path);
    EFI_HII_DATABASE_PROTOCOL *database;
    EFI_HII_STRING_PROTOCOL *strings;
    struct status_page *page;
    struct text text;
    EFI_STATUS status;

    status = BS->LocateProtocol(&hii_database_guid, NULL, (void **)&database);
    if (EFI_ERROR(status))
        return status;
    status = BS->LocateProtocol(&hii_string_guid, NULL, (void **)&strings);
    if (EFI_ERROR(status))
        return status;
    status = BS->AllocatePool(EfiBootServicesData, sizeof(*page) + header_chars * sizeof(CHAR16),
                              (void **)&page);
    if (EFI_ERROR(status))
        return status;
    *page = (struct status_page){
        .protocol = {extract_config, route_config, callback},
        .adapter = adapter,
        .database = database,
        .strings = strings,
        .header_chars = header_chars,
    };
    text_init(&text, page->header, header_chars);
    config_header_append(&text, &variable_guid, name, adapter->device_path);
    *ret_page = page;
    return EFI_SUCCESS;
}

/* The database copies the packages. */
static EFI_STATUS publish(struct status_page *page)
{
    EFI_HII_PACKAGE_LIST_HEADER *packages;
    EFI_STATUS status;

    status = status_form_create(page->adapter, &packages);
    if (EFI_ERROR(status))
        return status;
    status = page->database->NewPackageList(page->database, packages, page->adapter->child,
                                            &page->packages);
    (void)BS->FreePool(packages); /* ours: cannot fail */
    return status;
}

static EFI_STATUS uninstall(struct status_page *page)
{
    return BS->UninstallMultipleProtocolInterfaces(page->adapter->child, &hii_config_access_guid,
                                                   &page->protocol, NULL);
}

void status_page_create(struct adapter *adapter)
{
    struct status_page *page;
    EFI_STATUS status;

    if (EFI_ERROR(build(adapter, &page)))
        return;
    status = BS->InstallMultipleProtocolInterfaces(&adapter->child, &hii_config_access_guid,
                                                   &page->protocol, NULL);
    /* A page that was published only in part stays, for status_page_destroy to remove. */
    if (!EFI_ERROR(status) && (!EFI_ERROR(publish(page)) || EFI_ERROR(uninstall(page))))
        adapter->page = page;
    else
        (void)BS->FreePool(page); /* ours: cannot fail */
}

EFI_STATUS status_page_destroy(struct adapter *adapter)
{
    struct status_page *page = adapter->page;
    EFI_STATUS status;

    if (!page)
        return EFI_SUCCESS;
    status = uninstall(page);
    if (EFI_ERROR(status))
        return status;
    if (page->packages)
        (void)page->database->RemovePackageList(page->database, page->packages); /* it is there */
    (void)BS->FreePool(page);                                                    /* ours */
    adapter->page = NULL;
    return EFI_SUCCESS;
}
