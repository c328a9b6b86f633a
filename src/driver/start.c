/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Where the firmware enters an image: relocate it, then efi_main. In place of gnu-efi's crt0, of
 * which each release calls something else. Nothing here may need a relocation itself.
 */
#include <efi.h>

/* Defined by the linker script. Hidden, so that the compiler reaches them without a table. */
extern char image_base[] __attribute__((visibility("hidden")));
extern char image_dynamic[] __attribute__((visibility("hidden")));

/* libgnuefi's, by the C compiler's own convention, never EFIAPI: applies the relocations of an
 * image at `base` whose dynamic section is `dynamic`; ignores the other two. */
EFI_STATUS relocate(long base, void *dynamic, EFI_HANDLE image,
                    EFI_SYSTEM_TABLE *system_table) __asm__("_relocate");

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);
EFI_STATUS EFIAPI image_start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS EFIAPI image_start(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    EFI_STATUS status = relocate((long)image_base, image_dynamic, image, system_table);

    return EFI_ERROR(status) ? status : efi_main(image, system_table);
}
