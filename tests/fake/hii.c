/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "hii.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware_internal.h"

#define STRINGS_MAX 256u
#define SCOPES_MAX 8u
#define OP_HEADER_BYTES 2u
#define QUESTION_END 13u /* of the opcode's and the question's header */

struct fake_list {
    struct fake_form form; /* first: a form is its list */
    struct fake_list *next;
    struct fake_resource resource;
    char language[16];
    char *strings[STRINGS_MAX + 1];
};

struct fake_hii {
    EFI_HII_DATABASE_PROTOCOL database;
    EFI_HII_STRING_PROTOCOL string;
    struct fake_list *lists;
    unsigned set_count;
};

/* The properties of an opcode. Opcodes without an entry are not expected here. */
struct opcode {
    uint8_t code;
    uint8_t length; /* the minimum */
    bool is_longer; /* may be followed by more */
    bool is_question;
    uint8_t parent; /* opcode of the scope that contains it; 0: any question */
    int prompt;     /* offset of the statement header; -1: none */
};

static const struct opcode opcodes[] = {
    {EFI_IFR_FORM_SET_OP, 23, true, false, 0, -1},
    {EFI_IFR_VARSTORE_OP, 22, true, false, EFI_IFR_FORM_SET_OP, -1},
    {EFI_IFR_DEFAULTSTORE_OP, 6, false, false, EFI_IFR_FORM_SET_OP, -1},
    {EFI_IFR_FORM_OP, 6, false, false, EFI_IFR_FORM_SET_OP, -1},
    {EFI_IFR_SUBTITLE_OP, 7, false, false, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_TEXT_OP, 8, false, false, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_ACTION_OP, 15, false, true, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_CHECKBOX_OP, 14, false, true, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_ONE_OF_OP, 17, false, true, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_STRING_OP, 16, false, true, EFI_IFR_FORM_OP, 2},
    {EFI_IFR_ONE_OF_OPTION_OP, 7, false, false, EFI_IFR_ONE_OF_OP, -1},
    {EFI_IFR_DEFAULT_OP, 7, false, false, 0, -1},
    {EFI_IFR_END_OP, 2, false, false, 0, -1},
};

struct parser {
    struct fake_list *list;
    uint8_t scopes[SCOPES_MAX];
    unsigned depth;
    unsigned form_sets;
    unsigned forms;
    uint8_t min; /* of the open one-of */
    uint8_t max;
    unsigned defaults;
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static void check_string(const struct fake_list *list, EFI_STRING_ID id, const char *what)
{
    if (id == 0 || id > list->form.string_count)
        fake_report("HII: %s is string %u, there are %u", what, id, list->form.string_count);
}

static const struct opcode *find_opcode(uint8_t code)
{
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
        if (opcodes[i].code == code)
            return &opcodes[i];
    return NULL;
}

static void parse_form_set(struct parser *parser, const uint8_t *op, uint8_t length)
{
    struct fake_form *form = &parser->list->form;

    if (parser->form_sets++ > 0 || parser->depth != 0)
        fake_report("HII: a form set that is not alone");
    if (op[22] != 1 || length != 23 + 16)
        fake_report("HII: a form set of %u bytes with %u classes", length, op[22]);
    memcpy(&form->guid, op + 2, 16);
    memcpy(&form->class, op + 23, 16);
    form->title = get16(op + 18);
    check_string(parser->list, form->title, "the form set's title");
    check_string(parser->list, get16(op + 20), "the form set's help");
}

static void parse_store(struct parser *parser, const uint8_t *op, uint8_t length)
{
    struct fake_form *form = &parser->list->form;

    if (form->store != 0 || parser->forms > 0)
        fake_report("HII: a second store, or one after the form");
    memcpy(&form->store_guid, op + 2, 16);
    form->store = get16(op + 18);
    form->store_size = get16(op + 20);
    snprintf(form->store_name, sizeof(form->store_name), "%.*s", length - 22, op + 22);
    if (form->store == 0 || form->store_size == 0 || op[length - 1] != '\0' ||
        strlen(form->store_name) != length - 23u || form->store_name[0] == '\0')
        fake_report("HII: store %u of %u bytes, name of %u", form->store, form->store_size,
                    length - 22);
}

static uint16_t width_of(const uint8_t *op)
{
    switch (op[0]) {
    case EFI_IFR_CHECKBOX_OP:
        return 1;
    case EFI_IFR_ONE_OF_OP:
        return (uint16_t)(1u << (op[13] & 3));
    case EFI_IFR_STRING_OP:
        return (uint16_t)(2 * op[14]);
    default:
        return 0;
    }
}

static void check_question(const struct parser *parser, const struct fake_statement *question)
{
    const struct fake_form *form = &parser->list->form;

    if (question->question == 0)
        fake_report("HII: a question without an id");
    if (question->store != 0 &&
        (question->store != form->store || question->offset + question->width > form->store_size))
        fake_report("HII: question %u: %u bytes at %u of store %u", question->question,
                    question->width, question->offset, question->store);
    if ((question->store == 0) != (question->opcode == EFI_IFR_ACTION_OP))
        fake_report("HII: question %u with store %u", question->question, question->store);
    for (unsigned i = 0; i < form->statement_count; i++) {
        const struct fake_statement *other = &form->statements[i];

        if (other->question == 0)
            continue;
        if (other->question == question->question)
            fake_report("HII: two questions %u", question->question);
        if (other->store != 0 && other->store == question->store &&
            other->offset < question->offset + question->width &&
            question->offset < other->offset + other->width)
            fake_report("HII: questions %u and %u overlap", other->question, question->question);
    }
}

static void parse_statement(struct parser *parser, const struct opcode *opcode, const uint8_t *op)
{
    struct fake_form *form = &parser->list->form;
    struct fake_statement statement = {
        .opcode = op[0], .prompt = get16(op + 2), .help = get16(op + 4)};

    check_string(parser->list, statement.prompt, "a prompt");
    check_string(parser->list, statement.help, "a help");
    if (op[0] == EFI_IFR_TEXT_OP) {
        statement.value = get16(op + 6);
        check_string(parser->list, statement.value, "a text's second column");
    }
    if (opcode->is_question) {
        statement.question = get16(op + 6);
        statement.store = get16(op + 8);
        statement.offset = get16(op + 10);
        statement.flags = op[12];
        statement.width = width_of(op);
        check_question(parser, &statement);
    }
    if (op[0] == EFI_IFR_STRING_OP && (op[13] > op[14] || op[14] == 0))
        fake_report("HII: a string of %u to %u characters", op[13], op[14]);
    if (op[0] == EFI_IFR_CHECKBOX_OP)
        statement.standard = (op[13] & EFI_IFR_CHECKBOX_DEFAULT) != 0;
    if (op[0] == EFI_IFR_ONE_OF_OP) {
        if ((op[13] & 3) != 0)
            fake_report("HII: a one-of of 17 bytes with wide values");
        parser->min = op[14];
        parser->max = op[15];
        parser->defaults = 0;
    }
    if (form->statement_count == FAKE_STATEMENTS_MAX)
        fake_report("HII: more than %u statements", FAKE_STATEMENTS_MAX);
    else
        form->statements[form->statement_count++] = statement;
}

static void parse_option(struct parser *parser, const uint8_t *op)
{
    struct fake_form *form = &parser->list->form;
    struct fake_statement *one_of = &form->statements[form->statement_count - 1];

    check_string(parser->list, get16(op + 2), "an option");
    if (op[5] != EFI_IFR_TYPE_NUM_SIZE_8 || op[6] < parser->min || op[6] > parser->max ||
        op[6] >= FAKE_CHOICES_MAX || one_of->choices[op[6]] != 0) {
        fake_report("HII: option %u of type %u", op[6], op[5]);
        return;
    }
    one_of->choices[op[6]] = get16(op + 2);
    if (op[4] & EFI_IFR_OPTION_DEFAULT) {
        one_of->standard = op[6];
        parser->defaults++;
    }
}

static void parse_default(const struct parser *parser, const uint8_t *op)
{
    const struct opcode *scope = find_opcode(parser->scopes[parser->depth - 1]);

    if (!scope->is_question || op[4] != EFI_IFR_TYPE_STRING || scope->code != EFI_IFR_STRING_OP)
        fake_report("HII: a default of type %u in opcode %#x", op[4], scope->code);
    check_string(parser->list, get16(op + 5), "a default");
}

static void end_scope(struct parser *parser)
{
    uint8_t scope;

    if (parser->depth == 0) {
        fake_report("HII: END without a scope");
        return;
    }
    scope = parser->scopes[--parser->depth];
    if (scope == EFI_IFR_ONE_OF_OP && parser->defaults != 1)
        fake_report("HII: a one-of with %u defaults", parser->defaults);
}

static void check_place(const struct parser *parser, const struct opcode *opcode)
{
    uint8_t scope = parser->depth > 0 ? parser->scopes[parser->depth - 1] : 0;

    if (opcode->parent != 0 && scope != opcode->parent)
        fake_report("HII: opcode %#x inside opcode %#x", opcode->code, scope);
    if (scope == 0 && opcode->code != EFI_IFR_FORM_SET_OP)
        fake_report("HII: opcode %#x outside the form set", opcode->code);
}

static bool parse_op(struct parser *parser, const uint8_t *op, size_t left)
{
    const struct opcode *opcode = find_opcode(op[0]);
    uint8_t length = left >= OP_HEADER_BYTES ? op[1] & 0x7f : 0;

    if (!opcode || length < opcode->length || length > left ||
        (!opcode->is_longer && length != opcode->length)) {
        fake_report("HII: opcode %#x of %u bytes, %zu are left", op[0], length, left);
        return false;
    }
    check_place(parser, opcode);
    if (op[0] == EFI_IFR_END_OP)
        end_scope(parser);
    else if (op[0] == EFI_IFR_FORM_SET_OP)
        parse_form_set(parser, op, length);
    else if (op[0] == EFI_IFR_VARSTORE_OP)
        parse_store(parser, op, length);
    else if (op[0] == EFI_IFR_DEFAULTSTORE_OP)
        check_string(parser->list, get16(op + 2), "a default store's name");
    else if (op[0] == EFI_IFR_ONE_OF_OPTION_OP)
        parse_option(parser, op);
    else if (op[0] == EFI_IFR_DEFAULT_OP)
        parse_default(parser, op);
    else if (opcode->prompt >= 0)
        parse_statement(parser, opcode, op);
    if (op[0] == EFI_IFR_FORM_OP) {
        parser->forms++;
        check_string(parser->list, get16(op + 4), "a form's title");
        if (get16(op + 2) == 0)
            fake_report("HII: a form without an id");
    }
    if (op[1] & 0x80) {
        if (parser->depth == SCOPES_MAX) {
            fake_report("HII: more than %u scopes", SCOPES_MAX);
            return false;
        }
        parser->scopes[parser->depth++] = op[0];
    } else if (op[0] == EFI_IFR_FORM_SET_OP || op[0] == EFI_IFR_FORM_OP ||
               op[0] == EFI_IFR_ONE_OF_OP) {
        fake_report("HII: opcode %#x opens no scope", op[0]);
    }
    return true;
}

static void parse_form_package(struct fake_list *list, const uint8_t *package, size_t length)
{
    struct parser parser = {.list = list};
    size_t at = 4;

    while (at < length) {
        if (!parse_op(&parser, package + at, length - at))
            return;
        at += package[at + 1] & 0x7f;
        if (parser.depth == 0 && at < length) {
            fake_report("HII: %zu bytes after the form set", length - at);
            return;
        }
    }
    if (parser.depth != 0 || parser.form_sets != 1 || parser.forms != 1)
        fake_report("HII: %u scopes left open, %u form sets, %u forms", parser.depth,
                    parser.form_sets, parser.forms);
}

static char *narrow(const uint8_t *text, size_t count)
{
    char *copy = calloc(1, count + 1);

    for (size_t i = 0; i < count; i++) {
        uint16_t character = get16(text + 2 * i);

        copy[i] = (char)(character < 0x80 ? character : '?');
    }
    return copy;
}

/* The length of the text at `text` in characters; -1: it does not end before `end`. */
static long text_length(const uint8_t *text, const uint8_t *end)
{
    long count = 0;

    for (; text + 2 <= end; text += 2, count++)
        if (get16(text) == 0)
            return count;
    return -1;
}

static void parse_string_package(struct fake_list *list, const uint8_t *package, size_t length)
{
    size_t language_end = 46 + strnlen((const char *)package + 46, length - 46) + 1;
    const uint8_t *end = package + length;
    const uint8_t *at = package + language_end;

    snprintf(list->language, sizeof(list->language), "%s", (const char *)package + 46);
    if (get32(package + 4) != language_end || get32(package + 8) != language_end) {
        fake_report("HII: string header of %u bytes, texts at %u, the language ends at %zu",
                    get32(package + 4), get32(package + 8), language_end);
        return;
    }
    while (at < end && *at == EFI_HII_SIBT_STRING_UCS2) {
        long count = text_length(at + 1, end);

        if (count < 0 || list->form.string_count == STRINGS_MAX) {
            fake_report("HII: string %u does not end, or is surplus", list->form.string_count + 1);
            return;
        }
        list->strings[++list->form.string_count] = narrow(at + 1, (size_t)count);
        at += 1 + 2 * (count + 1);
    }
    if (at != end - 1 || *at != EFI_HII_SIBT_END)
        fake_report("HII: the texts end %td bytes before their package", end - at);
    check_string(list, get16(package + 44), "the language's name");
    if (fake_hii_string(&list->form, get16(package + 44))[0] == '\0')
        fake_report("HII: the language has no name");
}

static const uint8_t *find_package(const uint8_t *packages, uint8_t type, size_t *ret_length)
{
    size_t length = get32(packages + 16);
    const uint8_t *found = NULL;
    size_t at = 20;

    while (at + 4 <= length) {
        size_t package = get32(packages + at) & 0xffffff;

        if (package < 4 || package > length - at) {
            fake_report("HII: a package of %zu bytes at %zu of %zu", package, at, length);
            return NULL;
        }
        if (packages[at + 3] == EFI_HII_PACKAGE_END && at + package != length)
            fake_report("HII: %zu bytes after the end", length - at - package);
        if (packages[at + 3] == type) {
            if (found)
                fake_report("HII: two packages of type %#x", type);
            found = packages + at;
            *ret_length = package;
        }
        at += package;
    }
    if (at != length || !found)
        fake_report("HII: no package of type %#x", type);
    return found;
}

static void parse_list(struct fake_list *list, const uint8_t *packages)
{
    size_t length = 0;
    const uint8_t *package;

    package = find_package(packages, EFI_HII_PACKAGE_STRINGS, &length);
    if (package)
        parse_string_package(list, package, length);
    package = find_package(packages, EFI_HII_PACKAGE_FORMS, &length);
    if (package)
        parse_form_package(list, package, length);
    package = find_package(packages, EFI_HII_PACKAGE_END, &length);
    if (package && length != 4)
        fake_report("HII: an end of %zu bytes", length);
}

static void list_free(struct fake_list *list)
{
    for (unsigned id = 0; id <= STRINGS_MAX; id++)
        free(list->strings[id]);
    free(list);
}

void fake_hii_check(const void *packages)
{
    struct fake_list *list = calloc(1, sizeof(*list));

    parse_list(list, packages);
    list_free(list);
}

static struct fake_hii *hii_of(const EFI_HII_DATABASE_PROTOCOL *database)
{
    return (struct fake_hii *)((uintptr_t)database - offsetof(struct fake_hii, database));
}

static EFI_STATUS EFIAPI new_package_list(const EFI_HII_DATABASE_PROTOCOL *this,
                                          const EFI_HII_PACKAGE_LIST_HEADER *packages,
                                          EFI_HANDLE driver, EFI_HII_HANDLE *ret_handle)
{
    struct fake_firmware *firmware = fake_enter("NewPackageList", TPL_NOTIFY);
    struct fake_hii *hii = hii_of(this);
    struct fake_list *list;

    if (!packages || !ret_handle || !fake_handle_check(firmware, driver, "NewPackageList") ||
        !fake_protocol_find(firmware, driver, &gEfiDevicePathProtocolGuid)) {
        fake_report("NewPackageList: bad argument, or the handle has no device path");
        return EFI_INVALID_PARAMETER;
    }
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "NewPackageList"))
        return EFI_OUT_OF_RESOURCES;
    if (fake_hii_find_form(hii, driver))
        return EFI_INVALID_PARAMETER;

    list = calloc(1, sizeof(*list));
    list->form.driver = driver;
    list->resource = (struct fake_resource){.kind = "HII package list",
                                            .size = packages->PackageLength,
                                            .caller = __builtin_return_address(0)};
    parse_list(list, (const uint8_t *)packages);
    list->next = hii->lists;
    hii->lists = list;
    *ret_handle = list;
    return EFI_SUCCESS;
}

static struct fake_list **find_list(struct fake_hii *hii, const void *handle)
{
    struct fake_list **link = &hii->lists;

    while (*link && *link != handle)
        link = &(*link)->next;
    return link;
}

static EFI_STATUS EFIAPI remove_package_list(const EFI_HII_DATABASE_PROTOCOL *this,
                                             EFI_HII_HANDLE handle)
{
    struct fake_list **link = find_list(hii_of(this), handle);
    struct fake_list *list = *link;

    (void)fake_enter("RemovePackageList", TPL_NOTIFY);
    if (!list) {
        fake_report("RemovePackageList: no such list");
        return EFI_NOT_FOUND;
    }
    *link = list->next;
    list_free(list);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_string(const EFI_HII_STRING_PROTOCOL *this, EFI_HII_HANDLE handle,
                                    EFI_STRING_ID id, const CHAR8 *language, EFI_STRING text,
                                    const VOID *font)
{
    struct fake_firmware *firmware = fake_enter("SetString", TPL_NOTIFY);
    struct fake_hii *hii = (struct fake_hii *)((uintptr_t)this - offsetof(struct fake_hii, string));
    struct fake_list *list = *find_list(hii, handle);
    size_t length = 0;

    (void)font;
    if (!list || id == 0 || id > list->form.string_count || !text ||
        strcmp((const char *)language, list->language) != 0) {
        fake_report("SetString: no string %u in %s", id, (const char *)language);
        return EFI_NOT_FOUND;
    }
    if (fake_call_fails(firmware, FAKE_CALL_PROTOCOL, "SetString"))
        return EFI_OUT_OF_RESOURCES;
    while (text[length])
        length++;
    free(list->strings[id]);
    list->strings[id] = narrow((const uint8_t *)text, length);
    hii->set_count++;
    return EFI_SUCCESS;
}

static void visit(void *context, fake_resource_visitor *visitor, void *argument)
{
    for (struct fake_list *each = ((struct fake_hii *)context)->lists; each; each = each->next)
        visitor(&each->resource, argument);
}

static void ignore(void *context)
{
    (void)context;
}

static void hii_free(void *context)
{
    struct fake_hii *hii = context;

    while (hii->lists) {
        struct fake_list *list = hii->lists;

        hii->lists = list->next;
        list_free(list);
    }
    free(hii);
}

struct fake_hii *fake_hii_new(struct fake_firmware *firmware)
{
    static const EFI_GUID database_guid = EFI_HII_DATABASE_PROTOCOL_GUID;
    static const EFI_GUID string_guid = EFI_HII_STRING_PROTOCOL_GUID;
    struct fake_hii *hii = calloc(1, sizeof(*hii));
    EFI_HANDLE handle;

    hii->database.NewPackageList = new_package_list;
    hii->database.RemovePackageList = remove_package_list;
    hii->string.SetString = set_string;
    handle = fake_firmware_new_handle(firmware, &database_guid, &hii->database);
    fake_firmware_install(firmware, handle, &string_guid, &hii->string);
    fake_firmware_attach(firmware, &(struct fake_attachment){
                                       .context = hii,
                                       .visit = visit,
                                       .baseline = ignore,
                                       .assert_restored = ignore,
                                       .boot_services_exited = ignore,
                                       .free = hii_free,
                                   });
    return hii;
}

unsigned fake_hii_form_count(const struct fake_hii *hii)
{
    unsigned count = 0;

    for (const struct fake_list *each = hii->lists; each; each = each->next)
        count++;
    return count;
}

const struct fake_form *fake_hii_find_form(const struct fake_hii *hii, EFI_HANDLE driver)
{
    for (const struct fake_list *each = hii->lists; each; each = each->next)
        if (each->form.driver == driver)
            return &each->form;
    return NULL;
}

const char *fake_hii_string(const struct fake_form *form, EFI_STRING_ID id)
{
    return id > 0 && id <= form->string_count ? ((const struct fake_list *)form)->strings[id] : "";
}

const struct fake_statement *fake_hii_find_statement(const struct fake_form *form,
                                                     const char *prompt)
{
    for (unsigned i = 0; i < form->statement_count; i++)
        if (strcmp(fake_hii_string(form, form->statements[i].prompt), prompt) == 0)
            return &form->statements[i];
    return NULL;
}

unsigned fake_hii_set_count(const struct fake_hii *hii)
{
    return hii->set_count;
}
