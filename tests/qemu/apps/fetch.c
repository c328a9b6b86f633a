/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * fetch URL [FILE [NIC]]: downloads http://HOST[:PORT]/PATH, also from an IPv6 address in brackets,
 * or tftp://HOST/PATH from an IPv4 address, over the firmware's stack: like the shell's `http` and
 * `tftp`, which not every shell has; `http` is limited to IPv4. The body goes to FILE on this
 * program's volume. NIC counts from 0, in the order of the MAC addresses; its VLAN will do. Prints
 * "FETCH bytes=N crc32=HEX", or "FETCH FAIL step: status".
 *
 * The protocols are UEFI 2.10, 29.6 (HTTP) and 30.3 (MTFTP4), which gnu-efi does not declare. */
#include "snp_app.h"

#define BODY_MAX (16u << 20)
#define HOST_MAX 64
#define STEP_TIMEOUT_MS 20000
#define STATUS_200 3

struct http_config {
    UINT32 version; /* 1: HTTP/1.1 */
    UINT32 timeout_ms;
    BOOLEAN is_ipv6;
    union http_point *point;
};

union http_point {
    struct {
        BOOLEAN uses_default_address;
        EFI_IPv4_ADDRESS address;
        EFI_IPv4_ADDRESS subnet;
        UINT16 port;
    } v4;
    struct {
        EFI_IPv6_ADDRESS address; /* zero: the stack chooses */
        UINT16 port;
    } v6;
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

struct mtftp4_config {
    BOOLEAN uses_default_address;
    EFI_IPv4_ADDRESS station;
    EFI_IPv4_ADDRESS subnet;
    UINT16 local_port;
    EFI_IPv4_ADDRESS gateway;
    EFI_IPv4_ADDRESS server;
    UINT16 server_port;
    UINT16 try_count;
    UINT16 timeout_s;
};

struct mtftp4_token {
    EFI_STATUS status;
    EFI_EVENT event; /* NULL: ReadFile returns when it is done */
    void *overriding;
    CHAR8 *file_name;
    CHAR8 *mode;
    UINT32 option_count;
    void *options;
    UINT64 buffer_bytes; /* then the file's */
    void *buffer;
    void *context;
    void *callbacks[3];
};

struct mtftp4 {
    void *get_mode_data;
    EFI_STATUS(EFIAPI *configure)(struct mtftp4 *, struct mtftp4_config *);
    void *get_info;
    void *parse_options;
    EFI_STATUS(EFIAPI *read_file)(struct mtftp4 *, struct mtftp4_token *);
};

struct service_binding {
    EFI_STATUS(EFIAPI *create_child)(struct service_binding *, EFI_HANDLE *);
    EFI_STATUS(EFIAPI *destroy_child)(struct service_binding *, EFI_HANDLE);
};

static EFI_GUID http_binding_guid = {
    0xbdc8e6af, 0xd9bc, 0x4379, {0xa7, 0x2a, 0xe0, 0xc4, 0xe7, 0x5d, 0xae, 0x1c}};
static EFI_GUID http_guid = {
    0x7a59b29b, 0x910b, 0x4171, {0x82, 0x42, 0xa8, 0x5a, 0x0d, 0xf2, 0x5b, 0x5b}};
static EFI_GUID mtftp4_binding_guid = {
    0x2fe800be, 0x8f01, 0x4aa6, {0x94, 0x6b, 0xd7, 0x13, 0x88, 0xe1, 0x83, 0x3f}};
static EFI_GUID mtftp4_guid = {
    0x78247c57, 0x63db, 0x4708, {0x99, 0xc2, 0xa8, 0xb4, 0xa9, 0xa6, 0x1f, 0x6b}};

static const CHAR16 *step; /* the last step tried, for the error message */
static volatile bool is_done;

static void EFIAPI note_done(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
    is_done = true;
}

/* Pass the token to `method` and wait until it completes or the time is over. */
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

/* The part of the URL between the slashes. */
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

/* The service on the NIC's handle or, when its only network is a VLAN, on a handle below. */
static EFI_STATUS find_service(EFI_HANDLE nic, EFI_GUID *guid, struct service_binding **ret_binding)
{
    EFI_DEVICE_PATH *path = DevicePathFromHandle(nic);
    size_t size = DevicePathSize(path) - sizeof *path; /* without the end node */
    EFI_STATUS found = EFI_UNSUPPORTED;
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    EFI_STATUS status = BS->LocateHandleBuffer(ByProtocol, guid, NULL, &count, &handles);

    if (EFI_ERROR(status))
        return status;
    for (UINTN i = 0; i < count && EFI_ERROR(found); i++) {
        EFI_DEVICE_PATH *other = DevicePathFromHandle(handles[i]);

        if (other != NULL && DevicePathSize(other) > size && CompareMem(other, path, size) == 0)
            found = BS->HandleProtocol(handles[i], guid, (void **)ret_binding);
    }
    (void)BS->FreePool(handles); /* was allocated for us a moment ago */
    return found;
}

/* A child of the service that NIC `index` has; the caller destroys it when *ret_child is not NULL.
 */
static EFI_STATUS create(size_t index, EFI_GUID *binding_guid, EFI_GUID *guid,
                         struct service_binding **ret_binding, EFI_HANDLE *ret_child,
                         void **ret_protocol)
{
    struct nic nics[MAX_NICS];
    EFI_STATUS status;

    step = L"NIC";
    if (index >= find_nics(nics))
        return EFI_NOT_FOUND;
    step = L"service binding";
    status = find_service(nics[index].handle, binding_guid, ret_binding);
    if (EFI_ERROR(status))
        return status;
    step = L"child";
    status = (*ret_binding)->create_child(*ret_binding, ret_child);
    if (EFI_ERROR(status))
        return status;
    return BS->HandleProtocol(*ret_child, guid, ret_protocol);
}

static EFI_STATUS fetch_by_http(size_t index, CHAR16 *url, uint8_t *body, size_t *ret_size)
{
    union http_point point = {.v4 = {.uses_default_address = TRUE}};
    struct http_config config = {.version = 1, .timeout_ms = STEP_TIMEOUT_MS, .point = &point};
    struct service_binding *binding;
    EFI_HANDLE child = NULL;
    struct http *http;
    EFI_STATUS status;

    if (url[StrLen(L"http://")] == L'[') {
        config.is_ipv6 = TRUE;
        ZeroMem(&point, sizeof point);
    }
    status = create(index, &http_binding_guid, &http_guid, &binding, &child, (void **)&http);
    if (!EFI_ERROR(status)) {
        step = L"configure";
        status = http->configure(http, &config);
    }
    if (!EFI_ERROR(status))
        status = download(http, url, body, ret_size);
    if (child != NULL)
        (void)binding->destroy_child(binding, child);
    return status;
}

/* "A.B.C.D/PATH"; returns the path, or NULL. */
static const CHAR16 *split_address(const CHAR16 *at, EFI_IPv4_ADDRESS *ret_address)
{
    for (size_t i = 0; i < sizeof ret_address->Addr; i++, at++) {
        unsigned value = 0;

        for (; *at >= L'0' && *at <= L'9'; at++)
            value = value * 10 + (unsigned)(*at - L'0');
        if (*at != (i < 3 ? L'.' : L'/'))
            return NULL;
        ret_address->Addr[i] = (UINT8)value;
    }
    return at;
}

static EFI_STATUS fetch_by_tftp(size_t index, const CHAR16 *rest, uint8_t *body, size_t *ret_size)
{
    struct mtftp4_config config = {.uses_default_address = TRUE, .try_count = 5, .timeout_s = 4};
    CHAR8 name[HOST_MAX] = "";
    struct mtftp4_token token = {.file_name = name, .buffer_bytes = BODY_MAX, .buffer = body};
    struct service_binding *binding;
    EFI_HANDLE child = NULL;
    struct mtftp4 *mtftp4;
    EFI_STATUS status;

    rest = split_address(rest, &config.server);
    if (rest == NULL || StrLen(rest) >= sizeof name)
        return EFI_INVALID_PARAMETER;
    for (size_t i = 0; rest[i] != 0; i++)
        name[i] = (CHAR8)rest[i];
    status = create(index, &mtftp4_binding_guid, &mtftp4_guid, &binding, &child, (void **)&mtftp4);
    if (!EFI_ERROR(status)) {
        step = L"configure";
        status = mtftp4->configure(mtftp4, &config);
    }
    if (!EFI_ERROR(status)) {
        step = L"read";
        status = mtftp4->read_file(mtftp4, &token);
    }
    if (!EFI_ERROR(status))
        *ret_size = (size_t)token.buffer_bytes;
    if (child != NULL)
        (void)binding->destroy_child(binding, child);
    return status;
}

/* Replaces an existing file. */
static EFI_STATUS write_file(EFI_HANDLE image, CHAR16 *name, uint8_t *body, size_t size)
{
    EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE *volume, *file;
    UINTN written = size;
    UINT64 mode = EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE;
    EFI_STATUS status;

    step = L"write";
    status = BS->HandleProtocol(image, &guid, (void **)&loaded);
    if (EFI_ERROR(status))
        return status;
    volume = LibOpenRoot(loaded->DeviceHandle);
    if (volume == NULL)
        return EFI_NOT_FOUND;
    if (!EFI_ERROR(volume->Open(volume, &file, name, mode, 0)))
        (void)file->Delete(file);
    status = volume->Open(volume, &file, name, mode, 0);
    if (!EFI_ERROR(status)) {
        status = file->Write(file, &written, body);
        if (!EFI_ERROR(status))
            status = file->Close(file);
    }
    (void)volume->Close(volume);
    return status;
}

static EFI_STATUS fetch(EFI_HANDLE image, CHAR16 *arguments[], size_t count)
{
    CHAR16 *url = arguments[1];
    size_t index = count > 3 ? Atoi(arguments[3]) : 0;
    uint8_t *body;
    size_t size = 0;
    UINT32 crc = 0;
    EFI_STATUS status;

    body = AllocatePool(BODY_MAX);
    if (body == NULL)
        return EFI_OUT_OF_RESOURCES;
    if (StrnCmp(url, L"http://", 7) == 0)
        status = fetch_by_http(index, url, body, &size);
    else if (StrnCmp(url, L"tftp://", 7) == 0)
        status = fetch_by_tftp(index, url + 7, body, &size);
    else
        status = EFI_UNSUPPORTED;
    if (!EFI_ERROR(status))
        status = BS->CalculateCrc32(body, size, &crc);
    if (!EFI_ERROR(status) && count > 2)
        status = write_file(image, arguments[2], body, size);
    FreePool(body);
    if (!EFI_ERROR(status))
        Print(L"FETCH bytes=%d crc32=%08x\n", size, crc);
    return status;
}

static EFI_STATUS run(EFI_HANDLE image, CHAR16 *arguments[], size_t count)
{
    EFI_STATUS status = EFI_INVALID_PARAMETER;

    step = L"URL";
    if (count > 1)
        status = fetch(image, arguments, count);
    if (EFI_ERROR(status))
        Print(L"FETCH FAIL %s: %r\n", step, status);
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return app_run(image, table, run);
}
