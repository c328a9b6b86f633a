/* SPDX-License-Identifier: BSD-2-Clause-Patent
 *
 * Feature bits by their names in the VIRTIO specification.
 */
#ifndef FEATURE_NAMES_H
#define FEATURE_NAMES_H

#include "base/text.h"

/* Append names such as "MAC STATUS VERSION_1", lowest bit first. A bit without a name is "bit57".
 */
void feature_names_append(struct text *text, uint64_t features);

#endif
