/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * What the status page answers to a form browser, and what it takes from one. The request has any
 * characters and is an object that ends with its terminator. The driver's file is included, because
 * all that is proven is static in it.
 *
 * What config_element.c, config_string.c and text.c prove is not proven again: these functions, and
 * the parser of options, are replaced here by any answer that they may give. An element is the same
 * whenever it is read, since nobody changes the request meanwhile; so there is a table of them, by
 * their place.
 *
 * Assumed: what UEFI says, that a string is terminated. The firmware is trusted: AllocatePool gives
 * as many bytes as asked for, or fails. Options that were parsed are in their ranges, as options.h
 * says; the fuzz target `options` checks that.
 */
#include "driver/status_page.c" /* NOLINT(bugprone-suspicious-include) */

#define REQUEST_MAX 36u
#define ELEMENT_MIN 17u /* "&OFFSET=0&WIDTH=1" */
#define VALUE_MIN 8u    /* "&VALUE=0" */
#define HEADER_MAX 0x1000u

struct place {
    bool is_element;
    size_t length; /* without the value */
    size_t value_length;
    uint16_t offset;
    uint16_t width;
};

static struct place places[REQUEST_MAX + 1];
static struct status_page *page;
static CHAR16 *request;
static size_t answer_capacity;
static size_t answer_length;
static bool is_saved;

static EFI_STATUS EFIAPI allocate(EFI_MEMORY_TYPE type, UINTN bytes, VOID **ret_memory)
{
    (void)type;
    if (nondet_bool())
        return EFI_OUT_OF_RESOURCES;
    *ret_memory = malloc(bytes);
    assume(*ret_memory != NULL);
    return EFI_SUCCESS;
}

static EFI_BOOT_SERVICES services = {.AllocatePool = allocate};
EFI_BOOT_SERVICES *BS = &services;

/* Contents are any, so only where they are counts. */
void *memcpy(void *to, const void *from, size_t size)
{
    claim(__CPROVER_r_ok(from, size) && __CPROVER_w_ok(to, size), "what is copied is in memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    claim(__CPROVER_r_ok(a, size) && __CPROVER_r_ok(b, size), "what is compared is in memory");
    return nondet_bool();
}

static bool is_list_sane(const struct pci_address_list *list)
{
    return list->count <= OPTIONS_ADDRESSES_MAX;
}

static bool is_sane(const struct options *options)
{
    return *(const uint8_t *)&options->takeover <= 1 && options->verbosity <= VERBOSITY_ALL &&
           options->stack <= STACK_FIRMWARE && is_list_sane(&options->only) &&
           is_list_sane(&options->skip);
}

void settings_load_variable(struct options *ret_options)
{
    __CPROVER_havoc_object(ret_options);
    assume(is_sane(ret_options));
}

EFI_STATUS settings_save(const struct options *options)
{
    claim(is_sane(options), "options that are saved are in their ranges");
    is_saved = true;
    return nondet_bool() ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

const CHAR16 *options_parse_addresses(struct pci_address_list *list, const CHAR16 *text,
                                      size_t length)
{
    claim(__CPROVER_r_ok(text, length * sizeof(*text)), "a list is read in its field");
    if (nondet_bool())
        return request; /* anything but NULL */
    list->count = nondet_uint32();
    assume(is_list_sane(list));
    return NULL;
}

void text_init(struct text *text, CHAR16 *buffer, size_t capacity)
{
    claim(capacity > 0 && __CPROVER_w_ok(buffer, capacity * sizeof(*buffer)),
          "a text has its room");
    *text = (struct text){.buffer = buffer, .capacity = capacity};
    buffer[0] = 0;
}

void options_append_addresses(const struct pci_address_list *list, struct text *text)
{
    claim(is_list_sane(list), "a list has as many addresses as places");
    text->length = nondet_size();
    assume(text->length < text->capacity);
}

/* config_header_text: the header has as many characters as were counted. */
void text_append(struct text *text, const CHAR16 *string)
{
    claim(string == page->header && text->length == 0, "an answer begins with the header");
    claim(page->header_chars <= text->capacity, "and has room for it");
    text->length = page->header_chars - 1;
    answer_capacity = text->capacity;
    answer_length = text->length;
}

const CHAR16 *config_header_skip(const CHAR16 *string, const CHAR16 *header)
{
    size_t length = nondet_size();

    claim(string == request && header == page->header, "the page's header is looked for");
    assume(length <= REQUEST_MAX && (request[length] == 0 || request[length] == L'&'));
    return nondet_bool() ? NULL : request + length;
}

bool config_element_next(const CHAR16 **at, size_t block_bytes, bool has_value,
                         struct config_element *ret_element)
{
    const CHAR16 *text = *at;
    size_t index = (size_t)__CPROVER_POINTER_OFFSET(text) / sizeof(*text);
    const struct place *place = &places[index];
    size_t length = place->length + (has_value ? place->value_length : 0);
    const CHAR16 *next;

    claim(__CPROVER_r_ok(text, sizeof(*text)) && index <= REQUEST_MAX, "it is read in the request");
    claim(block_bytes == STATUS_FIELDS_BYTES, "and belongs to the block");
    if (!place->is_element)
        return false;
    assume(place->length >= ELEMENT_MIN && place->length <= REQUEST_MAX);
    assume(place->value_length >= VALUE_MIN && place->value_length <= REQUEST_MAX);
    assume(length < __CPROVER_OBJECT_SIZE(text) / sizeof(*text) - index);
    assume(place->width > 0 && (size_t)place->offset + place->width <= block_bytes);
    next = text + length;
    assume(*next == 0 || *next == L'&');
    *ret_element = (struct config_element){
        .text = text, .length = place->length, .offset = place->offset, .width = place->width};
    *at = next;
    return true;
}

size_t config_element_chars(const struct config_element *element)
{
    return element->length + 7 + 2u * element->width;
}

void config_element_append(const struct config_element *element, const uint8_t *block,
                           struct text *text)
{
    claim(__CPROVER_r_ok(block + element->offset, element->width), "a part is in the block");
    claim(text->length == answer_length && text->capacity == answer_capacity, "the answer grows");
    claim(config_element_chars(element) < text->capacity - text->length, "and is not cut off");
    text->length += config_element_chars(element);
    answer_length = text->length;
}

void config_element_get(const struct config_element *element, uint8_t *block)
{
    claim(__CPROVER_w_ok(block + element->offset, element->width) &&
              (size_t)element->offset + element->width <= STATUS_FIELDS_BYTES,
          "a part is in the block");
    __CPROVER_havoc_object(block);
}

static void any_page(void)
{
    size_t header_chars = nondet_size();

    assume(header_chars > 0 && header_chars <= HEADER_MAX);
    page = malloc(sizeof(*page) + header_chars * sizeof(CHAR16));
    request = malloc((REQUEST_MAX + 1) * sizeof(CHAR16));
    assume(page != NULL && request != NULL);
    page->header_chars = header_chars;
    request[REQUEST_MAX] = 0;
    __CPROVER_havoc_object(places);
}

static bool is_in_request(const CHAR16 *at)
{
    return __CPROVER_same_object(at, request) && __CPROVER_r_ok(at, sizeof(*at));
}

/* An answer fills its memory exactly, with one terminator more, and nothing outside is written.
 * The place up to which a request was understood is in it. */
void prove_page_extract(void)
{
    EFI_STRING progress = NULL;
    EFI_STRING results = NULL;
    bool has_request = nondet_bool();
    EFI_STATUS status;

    any_page();
    status = extract_config(&page->protocol, has_request ? request : NULL, &progress, &results);
    claim(has_request ? is_in_request(progress) : progress == NULL, "progress is in the request");
    claim(EFI_ERROR(status) == (results == NULL), "an answer comes with success");
    if (EFI_ERROR(status))
        return;
    claim(!has_request || *progress == 0, "a request that is answered was understood to its end");
    claim(answer_length + 1 == answer_capacity, "the answer has as much room as it needs");
    claim(__CPROVER_r_ok(results, (answer_capacity + 1) * sizeof(*results)) &&
              results[answer_capacity] == 0,
          "and one terminator more");
}

/* What is taken is written into the block, and only options in their ranges are saved, of strings
 * that were understood to their end. */
void prove_page_route(void)
{
    EFI_STRING progress = NULL;
    EFI_STATUS status;

    any_page();
    status = route_config(&page->protocol, request, &progress);
    claim(is_in_request(progress), "progress is in the string");
    claim(EFI_ERROR(status) || *progress == 0, "what is accepted was understood to its end");
    claim(!is_saved || status != EFI_INVALID_PARAMETER, "what is malformed is not saved");
}
