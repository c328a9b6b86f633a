/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Feature bits by their names in the VIRTIO specification.
 */
#ifndef FEATURE_NAMES_H
#define FEATURE_NAMES_H

#include "base/text.h"

/* "MAC STATUS VERSION_1", in the order of the bits; one without a name as "bit57". */
void feature_names_append(struct text *text, uint64_t features);

#endif
