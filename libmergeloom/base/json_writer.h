/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_BASE_JSON_WRITER_H
#define MLOOM_BASE_JSON_WRITER_H

#include "base/buffer.h"

/* Appends "text" with quotes and escapes; malformed UTF-8 becomes U+FFFD. */
int32_t mloom_json_write_string(mloom_buffer *out, const char *data, size_t size);
/* Appends "name":"text", with a comma before it unless the last byte is '{' or '['. */
int32_t mloom_json_write_member(mloom_buffer *out, const char *name, const char *data, size_t size);
/* Appends "name": with the comma rule above; the caller appends the value. */
int32_t mloom_json_write_name(mloom_buffer *out, const char *name);

#endif
