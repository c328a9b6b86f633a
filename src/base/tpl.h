/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#ifndef TPL_H
#define TPL_H

#include <efi.h>
#include <efilib.h>

static inline void tpl_restore(const EFI_TPL *before)
{
    BS->RestoreTPL(*before);
}

/* From here to the end of the block nothing that runs at TPL_CALLBACK or below comes in between:
 * no event, and no method that an event calls. The caller is at TPL_CALLBACK at most. No `goto`
 * jumps over this: the end of the block would restore a TPL that was never read. */
#define HOLD_TPL_CALLBACK()                                                                        \
    __attribute__((cleanup(tpl_restore), unused)) const EFI_TPL tpl_before =                       \
        BS->RaiseTPL(TPL_CALLBACK)

#endif
