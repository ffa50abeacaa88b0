/* SPDX-License-Identifier: Apache-2.0
 *
 * The forms in which a secret may turn up in text.
 */
#ifndef MLOOM_SECRET_FORMS_H
#define MLOOM_SECRET_FORMS_H

#include "base/buffer.h"

#define MLOOM_FORM_WHOLE_WORD 1u /* counts only where it stands as a word of its own */
#define MLOOM_FORM_RUN 2u        /* part of a base64 text: what stands round it belongs to it */

/* Told of each form; a negative return ends the listing. data is valid during the callback. */
typedef int32_t (*mloom_form_fn)(const char *data, size_t size, uint32_t flags, void *userdata);

/* Lists the forms of a secret. The scratch memory that it uses is wiped. */
int32_t mloom_forms_list(const char *data, size_t size, mloom_form_fn fn, void *userdata);

#endif
