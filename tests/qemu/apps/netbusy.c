/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * netbusy stack PORT FILE: downloads http://10.0.2.2:PORT/FILE over the firmware's TCP; halfway
 * through it loads and starts virtio-net.efi from its own disk, and continues if it can.
 * netbusy snp: opens SNP EXCLUSIVE, as boot loaders do, and repeatedly asks 10.0.2.2 for its
 * address by ARP; halfway through it does the same. */
#include "snp_app.h"

#include <efitcp.h>

#define WAIT_LIMIT_MS UINT64_C(8000)
#define LOAD_AT_BYTES 0x40000u
#define ARP_ROUNDS 100u
#define ARP_SIZE 42u

static EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;
static EFI_GUID snp_guid = EFI_SIMPLE_NETWORK_PROTOCOL_GUID;
static EFI_GUID binding_guid = EFI_TCP4_SERVICE_BINDING_PROTOCOL;
static EFI_GUID tcp_guid = EFI_TCP4_PROTOCOL;

static EFI_STATUS load_driver(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *loaded;
    EFI_HANDLE driver;
    EFI_STATUS status;

    status = BS->HandleProtocol(image, &loaded_image_guid, (void **)&loaded);
    if (EFI_ERROR(status))
        return status;
    status = BS->LoadImage(FALSE, image, FileDevicePath(loaded->DeviceHandle, L"\\virtio-net.efi"),
                           NULL, 0, &driver);
    return EFI_ERROR(status) ? status : BS->StartImage(driver, NULL, NULL);
}

/* The stack */

struct download {
    EFI_HANDLE image;
    EFI_SERVICE_BINDING *binding;
    EFI_HANDLE child;
    EFI_TCP4 *tcp;
    EFI_EVENT event;
    uint64_t received;
    bool is_driver_loaded;
};

static EFI_STATUS wait_for(struct download *download, const EFI_TCP4_COMPLETION_TOKEN *token)
{
    uint64_t began_ms = clock_ms();

    while (token->Status == EFI_NOT_READY) {
        if (clock_ms() - began_ms > WAIT_LIMIT_MS)
            return EFI_TIMEOUT;
        (void)download->tcp->Poll(download->tcp);
    }
    return token->Status;
}

static EFI_STATUS connect(struct download *download, uint16_t port)
{
    EFI_TCP4_CONFIG_DATA config = {
        .TimeToLive = 64,
        .AccessPoint = {.UseDefaultAddress = TRUE,
                        .RemoteAddress = {{10, 0, 2, 2}},
                        .RemotePort = port,
                        .ActiveFlag = TRUE},
    };
    EFI_TCP4_CONNECTION_TOKEN token = {{download->event, EFI_NOT_READY}};
    EFI_STATUS status = download->tcp->Configure(download->tcp, &config);

    if (!EFI_ERROR(status))
        status = download->tcp->Connect(download->tcp, &token);
    return EFI_ERROR(status) ? status : wait_for(download, &token.CompletionToken);
}

static EFI_STATUS request(struct download *download, const CHAR16 *file)
{
    CHAR8 text[128];
    size_t length = 0;
    EFI_TCP4_TRANSMIT_DATA data = {.Push = TRUE, .FragmentCount = 1};
    EFI_TCP4_IO_TOKEN token = {.CompletionToken = {download->event, EFI_NOT_READY},
                               .Packet.TxData = &data};
    EFI_STATUS status;

    for (const char *at = "GET /"; *at; at++)
        text[length++] = (CHAR8)*at;
    for (; *file && length < 100; file++)
        text[length++] = (CHAR8)*file;
    for (const char *at = " HTTP/1.0\r\n\r\n"; *at; at++)
        text[length++] = (CHAR8)*at;
    data.DataLength = (UINT32)length;
    data.FragmentTable[0] = (EFI_TCP4_FRAGMENT_DATA){(UINT32)length, text};
    status = download->tcp->Transmit(download->tcp, &token);
    return EFI_ERROR(status) ? status : wait_for(download, &token.CompletionToken);
}

/* Until the server closes the connection. */
static EFI_STATUS receive(struct download *download)
{
    static uint8_t buffer[8192];
    EFI_TCP4_RECEIVE_DATA data = {.FragmentCount = 1};
    EFI_TCP4_IO_TOKEN token = {.Packet.RxData = &data};
    EFI_STATUS status;

    do {
        if (download->received >= LOAD_AT_BYTES && !download->is_driver_loaded) {
            Print(L"NETBUSY loaded: %r\n", load_driver(download->image));
            download->is_driver_loaded = true;
            /* The stack may be gone, and with it the protocols of users that do not hold it. */
            if (EFI_ERROR(BS->HandleProtocol(download->child, &tcp_guid, (void **)&download->tcp)))
                return EFI_ABORTED;
        }
        data.DataLength = sizeof buffer;
        data.FragmentTable[0] = (EFI_TCP4_FRAGMENT_DATA){sizeof buffer, buffer};
        token.CompletionToken = (EFI_TCP4_COMPLETION_TOKEN){download->event, EFI_NOT_READY};
        status = download->tcp->Receive(download->tcp, &token);
        if (!EFI_ERROR(status))
            status = wait_for(download, &token.CompletionToken);
        if (!EFI_ERROR(status))
            download->received += data.DataLength;
    } while (!EFI_ERROR(status));
    return status;
}

static EFI_STATUS run_download(EFI_HANDLE image, uint16_t port, const CHAR16 *file)
{
    struct download download = {.image = image};
    EFI_STATUS status;

    status = LibLocateProtocol(&binding_guid, (void **)&download.binding);
    if (!EFI_ERROR(status))
        status = download.binding->CreateChild(download.binding, &download.child);
    if (EFI_ERROR(status))
        return status;
    status = BS->HandleProtocol(download.child, &tcp_guid, (void **)&download.tcp);
    if (!EFI_ERROR(status))
        status = BS->CreateEvent(0, 0, NULL, NULL, &download.event);
    if (!EFI_ERROR(status))
        status = connect(&download, port);
    if (!EFI_ERROR(status))
        status = request(&download, file);
    if (!EFI_ERROR(status))
        status = receive(&download);
    Print(L"NETBUSY received %ld bytes\n", download.received);
    return status;
}

/* SNP alone */

static EFI_STATUS ask_once(EFI_SIMPLE_NETWORK *snp)
{
    static uint8_t frame[SMALLEST_FRAME];
    static uint8_t answer[FRAME_BUFFER_SIZE];
    static const uint8_t arp[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
    static const uint8_t addresses[] = {10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
    uint64_t began_ms = clock_ms();
    void *sent = NULL; /* ours again when GetStatus gives it back */
    bool has_answer = false;
    EFI_STATUS status;

    SetMem(frame, MAC_SIZE, 0xff);
    CopyMem(frame + MAC_SIZE, &snp->Mode->CurrentAddress, MAC_SIZE);
    CopyMem(frame + 12, arp, sizeof arp);
    CopyMem(frame + 22, &snp->Mode->CurrentAddress, MAC_SIZE);
    CopyMem(frame + 28, addresses, sizeof addresses);
    status = snp->Transmit(snp, 0, sizeof frame, frame, NULL, NULL, NULL);
    while (!EFI_ERROR(status) && !(sent && has_answer)) {
        UINTN size = sizeof answer;

        if (!sent)
            (void)snp->GetStatus(snp, NULL, &sent);
        status = snp->Receive(snp, NULL, &size, answer, NULL, NULL, NULL);
        if (!EFI_ERROR(status))
            has_answer |=
                size >= ARP_SIZE && answer[12] == 0x08 && answer[13] == 0x06 && answer[21] == 2;
        if (status == EFI_NOT_READY)
            status = clock_ms() - began_ms > WAIT_LIMIT_MS ? EFI_TIMEOUT : EFI_SUCCESS;
    }
    return status;
}

static EFI_STATUS ask_around_loading(EFI_HANDLE image, EFI_SIMPLE_NETWORK *snp)
{
    EFI_STATUS status = EFI_SUCCESS;
    unsigned answers;

    for (answers = 0; answers < ARP_ROUNDS && !EFI_ERROR(status); answers++) {
        if (answers == ARP_ROUNDS / 2)
            Print(L"NETBUSY loaded: %r\n", load_driver(image));
        status = ask_once(snp);
    }
    Print(L"NETBUSY received %d answers\n", answers);
    return status;
}

static EFI_STATUS run_snp(EFI_HANDLE image)
{
    EFI_SIMPLE_NETWORK *snp;
    struct nic nic;
    EFI_STATUS status = take_nic(0, &nic);

    if (!EFI_ERROR(status))
        status = BS->OpenProtocol(nic.handle, &snp_guid, (void **)&snp, image, NULL,
                                  EFI_OPEN_PROTOCOL_EXCLUSIVE);
    if (EFI_ERROR(status))
        return status;
    status = bring_up(snp);
    if (!EFI_ERROR(status))
        status = ask_around_loading(image, snp);
    (void)BS->CloseProtocol(nic.handle, &snp_guid, image, NULL);
    give_nic_back(&nic);
    return status;
}

static EFI_STATUS run(EFI_HANDLE image, CHAR16 *arguments[], size_t count)
{
    EFI_STATUS status;

    if (count == 4)
        status = run_download(image, (uint16_t)Atoi(arguments[2]), arguments[3]);
    else
        status = run_snp(image);
    Print(L"NETBUSY ended: %r\n", status);
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    return app_run(image, table, run);
}
