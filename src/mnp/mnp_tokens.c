/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Completion tokens: those that wait, and how they end.
 */
#include <efi.h>
#include <efilib.h>

#include "base/tpl.h"
#include "mnp/mnp_parts.h"

bool mnp_tokens_contain(const struct mnp_tokens *tokens,
                        const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token)
{
    for (unsigned i = 0; i < tokens->count; i++) {
        if (tokens->waiting[i].token == token || tokens->waiting[i].token->Event == token->Event)
            return true;
    }
    return false;
}

bool mnp_tokens_append(struct mnp_tokens *tokens, EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token,
                       uint32_t now, uint32_t timeout_us)
{
    if (tokens->count == MNP_TOKENS_MAX)
        return false;
    tokens->waiting[tokens->count++] = (struct mnp_waiting){
        .token = token,
        .expires_at = now + mnp_ticks_of_us(timeout_us),
        .expires = timeout_us > 0,
    };
    return true;
}

EFI_MANAGED_NETWORK_COMPLETION_TOKEN *mnp_tokens_remove(struct mnp_tokens *tokens, unsigned index)
{
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token = tokens->waiting[index].token;

    tokens->count--;
    for (unsigned i = index; i < tokens->count; i++)
        tokens->waiting[i] = tokens->waiting[i + 1];
    return token;
}

void mnp_signal(EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token, EFI_STATUS status)
{
    token->Status = status;
    (void)BS->SignalEvent(token->Event); /* the client's; an event that is none is its mistake */
}

void mnp_abort(EFI_MANAGED_NETWORK_COMPLETION_TOKEN **tokens, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        mnp_signal(tokens[i], EFI_ABORTED);
    if (count > 0)
        mnp_dispatch_dpcs();
}

/* Move what waits to the end of `aborted`; `only` unless NULL. */
static unsigned take(struct mnp_tokens *tokens, const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *only,
                     EFI_MANAGED_NETWORK_COMPLETION_TOKEN **aborted)
{
    unsigned count = 0;
    unsigned i = 0;

    while (i < tokens->count) {
        if (only && tokens->waiting[i].token != only)
            i++;
        else
            aborted[count++] = mnp_tokens_remove(tokens, i);
    }
    return count;
}

unsigned mnp_child_take_tokens(struct mnp_child *child,
                               const EFI_MANAGED_NETWORK_COMPLETION_TOKEN *only,
                               EFI_MANAGED_NETWORK_COMPLETION_TOKEN **aborted)
{
    unsigned count = take(&child->receives, only, aborted);

    return count + take(&child->transmits, only, aborted + count);
}

EFI_STATUS EFIAPI mnp_cancel(EFI_MANAGED_NETWORK_PROTOCOL *this,
                             EFI_MANAGED_NETWORK_COMPLETION_TOKEN *token)
{
    EFI_MANAGED_NETWORK_COMPLETION_TOKEN *aborted[MNP_ABORTED_MAX];
    struct mnp_child *child;
    unsigned count;

    if (!this)
        return EFI_INVALID_PARAMETER;
    HOLD_TPL_CALLBACK();
    child = mnp_child_of(this);
    if (!child->is_configured)
        return EFI_NOT_STARTED;
    count = mnp_child_take_tokens(child, token, aborted);
    if (token && count == 0)
        return EFI_NOT_FOUND;
    mnp_abort(aborted, count);
    return EFI_SUCCESS;
}
