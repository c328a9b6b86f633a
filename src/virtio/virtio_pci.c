/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * PCI identity and attributes; which transport a device has.
 */
#include "virtio/virtio_pci.h"

#include <pci22.h>
#include <stddef.h>

#include "virtio_spec/pci.h"

EFI_STATUS virtio_pci_is_net(EFI_PCI_IO_PROTOCOL *pci_io, bool *ret_is_net)
{
    uint16_t id[2];
    uint16_t subsystem_id;
    EFI_STATUS status;

    status =
        pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, offsetof(PCI_TYPE00, Hdr.VendorId), 2, id);
    if (EFI_ERROR(status))
        return status;

    if (id[0] != VIRTIO_PCI_VENDOR_ID || id[1] != VIRTIO_PCI_DEVICE_ID_NET_TRANSITIONAL) {
        *ret_is_net = id[0] == VIRTIO_PCI_VENDOR_ID && id[1] == VIRTIO_PCI_DEVICE_ID_NET_MODERN;
        return EFI_SUCCESS;
    }

    status = pci_io->Pci.Read(pci_io, EfiPciIoWidthUint16, offsetof(PCI_TYPE00, Device.SubsystemID),
                              1, &subsystem_id);
    if (EFI_ERROR(status))
        return status;
    *ret_is_net = subsystem_id == VIRTIO_PCI_SUBSYSTEM_ID_NET;
    return EFI_SUCCESS;
}

static EFI_STATUS find_transport(struct virtio_transport *transport)
{
    EFI_STATUS status = virtio_pci_modern_init(transport);

    if (status == EFI_NOT_FOUND || status == EFI_NO_MAPPING)
        status = virtio_pci_legacy_init(transport);
    return status == EFI_NOT_FOUND ? EFI_UNSUPPORTED : status;
}

/* The attributes needed to reach the registers, as far as the function supports them. Bus
 * mastering waits for the reset. DUAL_ADDRESS_CYCLE lets PciIo map memory above 4 GiB,
 * which a legacy device may be unable to address. */
static EFI_STATUS enable(struct virtio_transport *transport)
{
    EFI_PCI_IO_PROTOCOL *pci_io = transport->pci_io;
    uint64_t wanted = EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY |
                      EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE;
    uint64_t supported;
    EFI_STATUS status;

    status = pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSupported, 0, &supported);
    if (EFI_ERROR(status))
        return status;
    return pci_io->Attributes(pci_io, EfiPciIoAttributeOperationEnable, wanted & supported, NULL);
}

/* An attribute that the function does not support need not be disabled, and must not be
 * (UEFI 2.10, 14.4). */
static EFI_STATUS forbid_dual_address_cycle(EFI_PCI_IO_PROTOCOL *pci_io)
{
    uint64_t supported;
    EFI_STATUS status;

    status = pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSupported, 0, &supported);
    if (EFI_ERROR(status) || !(supported & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE))
        return status;
    return pci_io->Attributes(pci_io, EfiPciIoAttributeOperationDisable,
                              EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE, NULL);
}

static EFI_STATUS set_bus_mastering(const struct virtio_transport *transport,
                                    EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation)
{
    return transport->pci_io->Attributes(transport->pci_io, operation,
                                         EFI_PCI_IO_ATTRIBUTE_BUS_MASTER, NULL);
}

EFI_STATUS virtio_pci_init(struct virtio_transport *transport, EFI_PCI_IO_PROTOCOL *pci_io)
{
    uint64_t attributes;
    EFI_STATUS status;

    *transport = (struct virtio_transport){0};
    status = pci_io->Attributes(pci_io, EfiPciIoAttributeOperationGet, 0, &attributes);
    if (EFI_ERROR(status))
        return status;
    transport->pci_io = pci_io;
    transport->saved_attributes = attributes;

    status = enable(transport);
    if (EFI_ERROR(status))
        goto fail;
    status = find_transport(transport);
    if (EFI_ERROR(status))
        goto fail;
    if (transport->ops->is_legacy) {
        status = forbid_dual_address_cycle(pci_io);
        if (EFI_ERROR(status))
            goto fail;
    }
    /* The previous owner may have left it running. A refusal is no reason to stop: the
     * reset comes next. */
    if (attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER)
        (void)set_bus_mastering(transport, EfiPciIoAttributeOperationDisable);
    return EFI_SUCCESS;

fail:
    virtio_pci_fini(transport);
    return status;
}

void virtio_pci_fini(struct virtio_transport *transport)
{
    EFI_PCI_IO_PROTOCOL *pci_io = transport->pci_io;
    uint64_t attributes = transport->saved_attributes;

    if (transport->is_cut_off)
        attributes &= ~(uint64_t)EFI_PCI_IO_ATTRIBUTE_BUS_MASTER;
    /* These attributes were set before, so no failure here is one that we could repair. */
    if (pci_io)
        (void)pci_io->Attributes(pci_io, EfiPciIoAttributeOperationSet, attributes, NULL);
    *transport = (struct virtio_transport){0};
}

bool virtio_pci_uses_window(const struct virtio_transport *transport)
{
    const struct pci_config_window *window = &transport->window;

    return pci_config_window_serves(window, &transport->common) ||
           pci_config_window_serves(window, &transport->notify) ||
           pci_config_window_serves(window, &transport->config);
}

EFI_STATUS virtio_pci_allow_dma(struct virtio_transport *transport)
{
    transport->is_cut_off = false;
    return set_bus_mastering(transport, EfiPciIoAttributeOperationEnable);
}

EFI_STATUS virtio_pci_forbid_dma(struct virtio_transport *transport)
{
    transport->is_cut_off = true;
    return set_bus_mastering(transport, EfiPciIoAttributeOperationDisable);
}
