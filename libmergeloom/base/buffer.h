/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing run of bytes, always followed by a NUL that size does not count. Functions return MLOOM_OK or
 * MLOOM_E_MEMORY and leave the buffer as it was on failure.
 */
#ifndef MLOOM_BASE_BUFFER_H
#define MLOOM_BASE_BUFFER_H

#include <stdarg.h>

#include "base/cleanup.h"
#include <mergeloom/types.h>

typedef struct mloom_buffer {
  char *data; /* NULL while nothing was ever appended */
  size_t size;
  size_t capacity;
} mloom_buffer;

#define MLOOM_BUFFER_INIT \
  { NULL, 0, 0 }

int32_t mloom_buffer_reserve(mloom_buffer *buffer, size_t additional);
int32_t mloom_buffer_append(mloom_buffer *buffer, const char *data, size_t size);
int32_t mloom_buffer_append_string(mloom_buffer *buffer, const char *string);
int32_t mloom_buffer_append_char(mloom_buffer *buffer, char c);
__attribute__((format(printf, 2, 3))) int32_t mloom_buffer_append_format(mloom_buffer *buffer, const char *format, ...);
__attribute__((format(printf, 2, 0))) int32_t mloom_buffer_append_vformat(mloom_buffer *buffer, const char *format,
                                                                          va_list arguments);
/* Takes the place of what is there; data lies elsewhere. */
int32_t mloom_buffer_set(mloom_buffer *buffer, const char *data, size_t size);
int mloom_buffer_equal(const mloom_buffer *a, const mloom_buffer *b);
/* Removes size bytes from the front. */
void mloom_buffer_consume(mloom_buffer *buffer, size_t size);
/* Keeps the memory. */
void mloom_buffer_clear(mloom_buffer *buffer);
void mloom_buffer_truncate(mloom_buffer *buffer, size_t size);
/* "" while empty. Borrowed. */
const char *mloom_buffer_string(const mloom_buffer *buffer);
/* Gives the memory to the caller (free), an empty string when nothing was appended; NULL when out of memory. */
char *mloom_buffer_take(mloom_buffer *buffer);
void mloom_buffer_free(mloom_buffer *buffer);

/* For what may be secret: memory that is left behind when the buffer grows is overwritten before it is freed. */
int32_t mloom_buffer_append_wiping(mloom_buffer *buffer, const char *data, size_t size);
/* Overwrites and frees. */
void mloom_buffer_wipe(mloom_buffer *buffer);

#endif
