/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Arguments and languages, for both protocols. Who has which name is the binding's.
 */
#include "driver/component_name.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/container_of.h"
#include "base/text.h"

static CHAR8 english_rfc4646[] = "en";
static CHAR8 english_iso639[] = "eng";

static EFI_STATUS name_of_driver(const struct component_name *names, const CHAR8 *english,
                                 const CHAR8 *language, CHAR16 **ret_name)
{
    if (!language || !ret_name)
        return EFI_INVALID_PARAMETER;
    if (!text_is_language(english, language))
        return EFI_UNSUPPORTED;
    *ret_name = names->driver;
    return EFI_SUCCESS;
}

static EFI_STATUS name_of_controller(const struct component_name *names, const CHAR8 *english,
                                     const CHAR8 *language, EFI_HANDLE controller, EFI_HANDLE child,
                                     CHAR16 **ret_name)
{
    if (!controller || !language || !ret_name)
        return EFI_INVALID_PARAMETER;
    if (!text_is_language(english, language))
        return EFI_UNSUPPORTED;
    return names->find(*names->agent, controller, child, ret_name);
}

static EFI_STATUS EFIAPI get_driver_name2(EFI_COMPONENT_NAME2_PROTOCOL *this, CHAR8 *language,
                                          CHAR16 **ret_name)
{
    return name_of_driver(container_of(this, struct component_name, rfc4646),
                          this->SupportedLanguages, language, ret_name);
}

static EFI_STATUS EFIAPI get_driver_name(EFI_COMPONENT_NAME_PROTOCOL *this, CHAR8 *language,
                                         CHAR16 **ret_name)
{
    return name_of_driver(container_of(this, struct component_name, iso639),
                          this->SupportedLanguages, language, ret_name);
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

void component_name_init(struct component_name *names, const EFI_HANDLE *agent, CHAR16 *driver,
                         component_name_finder *find)
{
    *names = (struct component_name){
        .rfc4646 = {get_driver_name2, get_controller_name2, english_rfc4646},
        .iso639 = {get_driver_name, get_controller_name, english_iso639},
        .agent = agent,
        .driver = driver,
        .find = find,
    };
}
