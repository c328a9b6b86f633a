/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The takeover: network stack off, other driver off, ours on. Anything else than
 * this order was tried and ends with the old driver back in its place, or worse.
 */
#include "driver/takeover.h"

#include <efilib.h>
#include <efipciio.h>

#include "base/device_path.h"
#include "base/guids.h"
#include "base/log.h"
#include "base/pci_address.h"
#include "driver/driver_binding.h"
#include "driver/pci_opener.h"
#include "virtio/virtio_pci.h"

struct nic {
    EFI_HANDLE handle;
    EFI_PCI_IO_PROTOCOL *pci_io;
    EFI_DEVICE_PATH *path;
    EFI_HANDLE holder;         /* the agent that has PciIo open BY_DRIVER */
    const CHAR16 *holder_name; /* valid while the holder is loaded, which it stays */
};

static void *get_protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    EFI_HANDLE agent = driver_binding_agent();
    void *protocol;

    if (EFI_ERROR(BS->OpenProtocol(handle, guid, &protocol, agent, handle,
                                   EFI_OPEN_PROTOCOL_GET_PROTOCOL)))
        return NULL;
    return protocol;
}

static const CHAR16 *name_of(EFI_HANDLE agent)
{
    static CHAR8 english[] = "en";
    EFI_COMPONENT_NAME2_PROTOCOL *names = get_protocol(agent, &component_name2_guid);
    CHAR16 *name;

    if (names && !EFI_ERROR(names->GetDriverName(names, english, &name)))
        return name;
    return L"a driver without a name";
}

static bool is_nic(EFI_HANDLE handle, struct nic *ret_nic)
{
    EFI_PCI_IO_PROTOCOL *pci_io = get_protocol(handle, &pci_io_guid);
    EFI_DEVICE_PATH *path = get_protocol(handle, &device_path_guid);
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY opener;
    bool is_net;

    if (!pci_io || !path || EFI_ERROR(virtio_pci_is_net(pci_io, &is_net)) || !is_net)
        return false;
    *ret_nic = (struct nic){.handle = handle, .pci_io = pci_io, .path = path};
    if (!EFI_ERROR(pci_opener_find(handle, NULL, EFI_OPEN_PROTOCOL_BY_DRIVER, &opener))) {
        ret_nic->holder = opener.AgentHandle;
        ret_nic->holder_name = name_of(ret_nic->holder);
    }
    return true;
}

/* A driver loaded by PXE or HTTP boot must not disconnect the NIC it came through: the
 * image's device is then below the NIC. A driver from the NIC's own ROM has the NIC itself
 * as its device and loses nothing. */
static bool is_loaded_through(EFI_HANDLE image, const struct nic *nic)
{
    EFI_LOADED_IMAGE *loaded = get_protocol(image, &loaded_image_guid);
    EFI_DEVICE_PATH *path = NULL;

    if (loaded && loaded->DeviceHandle)
        path = get_protocol(loaded->DeviceHandle, &device_path_guid);
    return path && device_path_is_below(path, nic->path) && !device_path_is_below(nic->path, path);
}

/* An application that has SNP open EXCLUSIVE, as boot loaders do, is not a driver that
 * could be stopped, and some drivers would free the NIC while it is in use. */
static void look_for_application(EFI_HANDLE handle, bool *is_used)
{
    const UINT32 exclusive = EFI_OPEN_PROTOCOL_BY_DRIVER | EFI_OPEN_PROTOCOL_EXCLUSIVE;
    EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *openers;
    UINTN count;

    if (EFI_ERROR(BS->OpenProtocolInformation(handle, &snp_guid, &openers, &count)))
        return;
    for (UINTN i = 0; i < count; i++) {
        if ((openers[i].Attributes & exclusive) &&
            !get_protocol(openers[i].AgentHandle, &driver_binding_guid))
            *is_used = true;
    }
    (void)BS->FreePool(openers); /* was allocated for us a moment ago */
}

/* Disconnect the network stack. If it refuses, the NIC's holder shows that later. */
static void disconnect_stack(EFI_HANDLE handle, bool *is_used)
{
    (void)is_used;
    (void)BS->DisconnectController(handle, NULL, NULL);
}

/* Call `visit` for each SNP below the NIC. Each path is read when its turn comes: a visit
 * before may have removed the handle. */
static void visit_snps(const struct nic *nic, void (*visit)(EFI_HANDLE handle, bool *is_used),
                       bool *is_used)
{
    EFI_HANDLE *handles;
    UINTN count;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &snp_guid, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; i++) {
        EFI_DEVICE_PATH *path = get_protocol(handles[i], &device_path_guid);

        if (path && device_path_is_below(path, nic->path))
            visit(handles[i], is_used);
    }
    (void)BS->FreePool(handles); /* was allocated for us a moment ago */
}

static bool is_used_by_application(const struct nic *nic)
{
    bool is_used = false;

    visit_snps(nic, look_for_application, &is_used);
    return is_used;
}

static bool take(const struct nic *nic)
{
    EFI_HANDLE ours[] = {driver_binding_agent(), NULL};
    bool is_taken;

    driver_binding_pause(true);
    visit_snps(nic, disconnect_stack, NULL);
    /* The status says little: some drivers report failure and have let go all the same. */
    (void)BS->DisconnectController(nic->handle, NULL, NULL);
    driver_binding_pause(false);

    driver_binding_take(nic->handle, nic->holder_name);
    (void)BS->ConnectController(nic->handle, ours, NULL, TRUE); /* judged by who holds it */
    is_taken = driver_binding_holds(nic->handle);
    if (!is_taken) {
        (void)BS->ConnectController(nic->handle, NULL, NULL, TRUE); /* back to its old driver */
        is_taken = driver_binding_holds(nic->handle);
    }
    driver_binding_take(NULL, NULL);
    return is_taken;
}

static void say(const struct options *options, enum verbosity least, const struct nic *nic,
                const CHAR16 *what, const CHAR16 *name)
{
    if (options->verbosity >= least)
        log_nic(nic->pci_io, what, name);
}

static void take_over(EFI_HANDLE image, const struct options *options, const struct nic *nic)
{
    struct pci_address address;

    if (!EFI_ERROR(pci_address_get(nic->pci_io, &address)) && !options_admit(options, &address))
        say(options, VERBOSITY_ALL, nic, L"left alone, as the options say", NULL);
    else if (!nic->holder)
        say(options, VERBOSITY_ALL, nic, L"held by no driver; waits to be connected", NULL);
    else if (!options->takeover)
        say(options, VERBOSITY_TAKEOVERS, nic, L"takeover is off, so it stays with ",
            nic->holder_name);
    else if (is_loaded_through(image, nic))
        say(options, VERBOSITY_TAKEOVERS, nic,
            L"this driver was loaded through it, so it stays with ", nic->holder_name);
    else if (!is_used_by_application(nic) && take(nic))
        say(options, VERBOSITY_TAKEOVERS, nic, L"taken over from ", nic->holder_name);
    else
        say(options, VERBOSITY_ERRORS, nic, L"in use, so it stays with ", nic->holder_name);
}

void takeover_run(EFI_HANDLE image, const struct options *options)
{
    EFI_HANDLE *handles;
    UINTN count;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &pci_io_guid, NULL, &count, &handles)))
        return; /* no PCI function at all */
    for (UINTN i = 0; i < count; i++) {
        struct nic nic;

        if (is_nic(handles[i], &nic) && nic.holder != driver_binding_agent())
            take_over(image, options, &nic);
    }
    (void)BS->FreePool(handles); /* was allocated for us a moment ago */
}
