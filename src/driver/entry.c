/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the image starts: gnu-efi's start-up code has relocated it.
 */
#include <efi.h>
#include <efilib.h>
#include <stddef.h>

#include "driver/driver_binding.h"
#include "driver/settings.h"
#include "driver/takeover.h"

#if defined(__x86_64__) && !defined(GNU_EFI_USE_MS_ABI)
#error "without GNU_EFI_USE_MS_ABI EFIAPI is empty, and the firmware's calls go astray"
#endif
/* UEFI 2.10, 2.3.1: every type is aligned by its size, on ia32 too. */
_Static_assert(offsetof(EFI_LOADED_IMAGE, ImageSize) % sizeof(UINT64) == 0,
               "-malign-double is missing: structures are not the firmware's");

/* Called by image_start with the compiler's own convention, so never EFIAPI. Returning an
 * error unloads the image. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    struct options options;
    EFI_STATUS status;

    ST = system_table;
    BS = system_table->BootServices;
    RT = system_table->RuntimeServices;

    settings_load(image, &options);
    status = driver_binding_install(image, &options);
    if (EFI_ERROR(status))
        return status;
    takeover_run(image, &options);
    return EFI_SUCCESS;
}
