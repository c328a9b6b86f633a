/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * The names of the driver, of a controller and of its child. A controller and its
 * child have one name: they are one NIC.
 */
#include "driver/component_name.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/text.h"
#include "driver/adapter.h"

#define DRIVER_NAME L"Virtio Network Driver (virtio-net.efi " VIRTIO_NET_VERSION_STRING L")"

static CHAR16 driver_name[] = DRIVER_NAME;
static CHAR8 english_rfc4646[] = "en";
static CHAR8 english_iso639[] = "eng";

static EFI_STATUS name_of_driver(const CHAR8 *english, const CHAR8 *language, CHAR16 **ret_name)
{
    if (!language || !ret_name)
        return EFI_INVALID_PARAMETER;
    if (!text_is_language(english, language))
        return EFI_UNSUPPORTED;
    *ret_name = driver_name;
    return EFI_SUCCESS;
}

static EFI_STATUS name_of_controller(const struct component_name *names, const CHAR8 *english,
                                     const CHAR8 *language, EFI_HANDLE controller, EFI_HANDLE child,
                                     CHAR16 **ret_name)
{
    struct adapter *adapter;
    EFI_STATUS status;

    if (!controller || !language || !ret_name)
        return EFI_INVALID_PARAMETER;
    if (!text_is_language(english, language))
        return EFI_UNSUPPORTED;
    status = adapter_of_handles(names->agent, controller, child, &adapter);
    if (EFI_ERROR(status))
        return status;
    *ret_name = adapter->name;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_driver_name2(EFI_COMPONENT_NAME2_PROTOCOL *this, CHAR8 *language,
                                          CHAR16 **ret_name)
{
    return name_of_driver(this->SupportedLanguages, language, ret_name);
}

static EFI_STATUS EFIAPI get_driver_name(EFI_COMPONENT_NAME_PROTOCOL *this, CHAR8 *language,
                                         CHAR16 **ret_name)
{
    return name_of_driver(this->SupportedLanguages, language, ret_name);
}

static EFI_STATUS EFIAPI get_controller_name2(EFI_COMPONENT_NAME2_PROTOCOL *this,
                                              EFI_HANDLE controller, EFI_HANDLE child,
                                              CHAR8 *language, CHAR16 **ret_name)
{
    return name_of_controller(container_of(this, struct component_name, rfc4646),
                              this->SupportedLanguages, language, controller, child, ret_name);
}

static EFI_STATUS EFIAPI get_controller_name(EFI_COMPONENT_NAME_PROTOCOL *this,
                                             EFI_HANDLE controller, EFI_HANDLE child,
                                             CHAR8 *language, CHAR16 **ret_name)
{
    return name_of_controller(container_of(this, struct component_name, iso639),
                              this->SupportedLanguages, language, controller, child, ret_name);
}

void component_name_init(struct component_name *names, EFI_HANDLE agent)
{
    *names = (struct component_name){
        .rfc4646 = {get_driver_name2, get_controller_name2, english_rfc4646},
        .iso639 = {get_driver_name, get_controller_name, english_iso639},
        .agent = agent,
    };
}
