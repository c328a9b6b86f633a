/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * httpv6 URL: downloads a file over the firmware's HTTP and IPv6; the shell's `http` knows IPv4
 * only. "HTTPV6 bytes=N crc32=HEX", or "HTTPV6 FAIL step: status". The protocol is UEFI 2.10, 29.6,
 * of which gnu-efi has nothing. */
#include "snp_app.h"

#define BODY_MAX (16u << 20)
#define HOST_MAX 64
#define STEP_TIMEOUT_MS 20000
#define STATUS_200 3

struct http_config {
    UINT32 version; /* 1: HTTP/1.1 */
    UINT32 timeout_ms;
    BOOLEAN is_ipv6;
    struct http_v6_point {
        EFI_IPv6_ADDRESS address; /* zero: the stack chooses */
        UINT16 port;
    } * point;
};

struct http_header {
    CHAR8 *name;
    CHAR8 *value;
};

struct http_request {
    UINT32 method; /* 0: GET */
    CHAR16 *url;
};

struct http_message {
    void *data; /* a struct http_request, or the UINT32 that becomes the response's status */
    UINTN header_count;
    struct http_header *headers;
    UINTN body_length;
    void *body;
};

struct http_token {
    EFI_EVENT event;
    EFI_STATUS status;
    struct http_message *message;
};

struct http {
    void *get_mode_data;
    EFI_STATUS(EFIAPI *configure)(struct http *, struct http_config *);
    EFI_STATUS(EFIAPI *request)(struct http *, struct http_token *);
    EFI_STATUS(EFIAPI *cancel)(struct http *, struct http_token *);
    EFI_STATUS(EFIAPI *response)(struct http *, struct http_token *);
    EFI_STATUS(EFIAPI *poll)(struct http *);
};

struct service_binding {
    EFI_STATUS(EFIAPI *create_child)(struct service_binding *, EFI_HANDLE *);
    EFI_STATUS(EFIAPI *destroy_child)(struct service_binding *, EFI_HANDLE);
};

static EFI_GUID binding_guid = {
    0xbdc8e6af, 0xd9bc, 0x4379, {0xa7, 0x2a, 0xe0, 0xc4, 0xe7, 0x5d, 0xae, 0x1c}};
static EFI_GUID http_guid = {
    0x7a59b29b, 0x910b, 0x4171, {0x82, 0x42, 0xa8, 0x5a, 0x0d, 0xf2, 0x5b, 0x5b}};

static const CHAR16 *step; /* what was tried last, for the message of failure */
static volatile bool is_done;

static void EFIAPI note_done(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
    is_done = true;
}

/* Give the token to `method` and wait for its end, or for the time to pass. */
static EFI_STATUS perform(struct http *http, struct http_message *message,
                          EFI_STATUS(EFIAPI *method)(struct http *, struct http_token *))
{
    struct http_token token = {.status = EFI_NOT_READY, .message = message};
    uint64_t began_ms = clock_ms();
    EFI_STATUS status;

    is_done = false;
    status = BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, note_done, NULL, &token.event);
    if (EFI_ERROR(status))
        return status;
    status = method(http, &token);
    while (!EFI_ERROR(status) && !is_done) {
        (void)http->poll(http);
        if (clock_ms() - began_ms > STEP_TIMEOUT_MS) {
            (void)http->cancel(http, &token);
            status = EFI_TIMEOUT;
        }
    }
    (void)BS->CloseEvent(token.event);
    return EFI_ERROR(status) ? status : token.status;
}

/* The URL's part between the slashes. */
static void copy_host(const CHAR16 *url, CHAR8 host[HOST_MAX])
{
    size_t length = 0;

    while (*url != 0 && *url != L'/')
        url++;
    while (*url == L'/')
        url++;
    while (url[length] != 0 && url[length] != L'/' && length < HOST_MAX - 1) {
        host[length] = (CHAR8)url[length];
        length++;
    }
    host[length] = 0;
}

static size_t content_length(const struct http_message *message)
{
    for (UINTN i = 0; i < message->header_count; i++)
        if (strcmpa(message->headers[i].name, (const CHAR8 *)"Content-Length") == 0) {
            size_t length = 0;
            for (const CHAR8 *at = message->headers[i].value; *at >= '0' && *at <= '9'; at++)
                length = length * 10 + (size_t)(*at - '0');
            return length;
        }
    return 0;
}

static EFI_STATUS download(struct http *http, CHAR16 *url, uint8_t *body, size_t *ret_size)
{
    CHAR8 host[HOST_MAX];
    struct http_header header = {(CHAR8 *)"Host", host};
    struct http_request request = {.url = url};
    struct http_message message = {.data = &request, .header_count = 1, .headers = &header};
    UINT32 code = 0;
    size_t size = 0, wanted;
    EFI_STATUS status;

    copy_host(url, host);
    step = L"request";
    status = perform(http, &message, http->request);
    if (EFI_ERROR(status))
        return status;
    step = L"response";
    message = (struct http_message){.data = &code, .body_length = BODY_MAX, .body = body};
    status = perform(http, &message, http->response);
    if (EFI_ERROR(status))
        return status;
    if (code != STATUS_200)
        return EFI_NOT_FOUND;
    wanted = content_length(&message);
    step = L"body";
    for (size = message.body_length; size < wanted && size < BODY_MAX;
         size += message.body_length) {
        message = (struct http_message){.body_length = BODY_MAX - size, .body = body + size};
        status = perform(http, &message, http->response);
        if (EFI_ERROR(status))
            return status;
    }
    *ret_size = size;
    return EFI_SUCCESS;
}

static EFI_STATUS create(struct service_binding **ret_binding, EFI_HANDLE *ret_child,
                         struct http **ret_http)
{
    EFI_STATUS status;

    step = L"service binding";
    status = LibLocateProtocol(&binding_guid, (void **)ret_binding);
    if (EFI_ERROR(status))
        return status;
    step = L"child";
    status = (*ret_binding)->create_child(*ret_binding, ret_child);
    if (EFI_ERROR(status))
        return status;
    return BS->HandleProtocol(*ret_child, &http_guid, (void **)ret_http);
}

static EFI_STATUS run(CHAR16 *url)
{
    struct http_v6_point point = {.port = 0};
    struct http_config config = {
        .version = 1, .timeout_ms = STEP_TIMEOUT_MS, .is_ipv6 = TRUE, .point = &point};
    uint8_t *body = AllocatePool(BODY_MAX);
    struct service_binding *binding;
    EFI_HANDLE child = NULL;
    struct http *http;
    size_t size = 0;
    UINT32 crc = 0;
    EFI_STATUS status;

    if (body == NULL)
        return EFI_OUT_OF_RESOURCES;
    status = create(&binding, &child, &http);
    if (!EFI_ERROR(status)) {
        step = L"configure";
        status = http->configure(http, &config);
    }
    if (!EFI_ERROR(status))
        status = download(http, url, body, &size);
    if (!EFI_ERROR(status))
        status = BS->CalculateCrc32(body, size, &crc);
    if (child != NULL)
        (void)binding->destroy_child(binding, child);
    FreePool(body);
    if (!EFI_ERROR(status))
        Print(L"HTTPV6 bytes=%d crc32=%08x\n", size, crc);
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    CHAR16 *arguments[MAX_ARGUMENTS];
    EFI_STATUS status = app_begin(image, table);

    if (EFI_ERROR(status))
        return status;
    step = L"URL";
    status = split_arguments(image, arguments) > 1 ? run(arguments[1]) : EFI_INVALID_PARAMETER;
    if (EFI_ERROR(status))
        Print(L"HTTPV6 FAIL %s: %r\n", step, status);
    app_end();
    return status;
}
