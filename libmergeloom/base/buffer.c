/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 64

int32_t mloom_buffer_reserve(mloom_buffer *buffer, size_t additional) {
  if (buffer->capacity > buffer->size && additional < buffer->capacity - buffer->size) {
    return MLOOM_OK;
  }
  if (additional >= SIZE_MAX / 2 - buffer->size) {
    return MLOOM_E_MEMORY;
  }
  size_t needed = buffer->size + additional + 1;
  size_t capacity = buffer->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buffer->capacity;
  while (capacity < needed) {
    capacity += capacity / 2;
  }
  char *data = realloc(buffer->data, capacity);
  if (data == NULL) {
    return MLOOM_E_MEMORY;
  }
  if (buffer->data == NULL) {
    data[0] = '\0';
  }
  buffer->data = data;
  buffer->capacity = capacity;
  return MLOOM_OK;
}

int32_t mloom_buffer_append(mloom_buffer *buffer, const char *data, size_t size) {
  if (size == 0) {
    return MLOOM_OK;
  }
  int32_t code = mloom_buffer_reserve(buffer, size);
  if (code != MLOOM_OK) {
    return code;
  }
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  buffer->data[buffer->size] = '\0';
  return MLOOM_OK;
}

int32_t mloom_buffer_set(mloom_buffer *buffer, const char *data, size_t size) {
  size_t before = buffer->size;
  if (size == 0) {
    mloom_buffer_clear(buffer);
    return MLOOM_OK;
  }
  buffer->size = 0;
  int32_t code = mloom_buffer_append(buffer, data, size);
  if (code != MLOOM_OK) {
    buffer->size = before;
  }
  return code;
}

int mloom_buffer_equal(const mloom_buffer *a, const mloom_buffer *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

int32_t mloom_buffer_append_string(mloom_buffer *buffer, const char *string) {
  return mloom_buffer_append(buffer, string, strlen(string));
}

int32_t mloom_buffer_append_char(mloom_buffer *buffer, char c) {
  return mloom_buffer_append(buffer, &c, 1);
}

int32_t mloom_buffer_append_vformat(mloom_buffer *buffer, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (size < 0 || mloom_buffer_reserve(buffer, (size_t)size) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, arguments);
  buffer->size += (size_t)size;
  return MLOOM_OK;
}

int32_t mloom_buffer_append_format(mloom_buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(buffer, format, arguments);
  va_end(arguments);
  return code;
}

void mloom_buffer_consume(mloom_buffer *buffer, size_t size) {
  if (size == 0 || buffer->size == 0) {
    return;
  }
  if (size >= buffer->size) {
    mloom_buffer_clear(buffer);
    return;
  }
  memmove(buffer->data, buffer->data + size, buffer->size - size + 1);
  buffer->size -= size;
}

void mloom_buffer_clear(mloom_buffer *buffer) {
  mloom_buffer_truncate(buffer, 0);
}

void mloom_buffer_truncate(mloom_buffer *buffer, size_t size) {
  if (buffer->data != NULL && size <= buffer->size) {
    buffer->size = size;
    buffer->data[size] = '\0';
  }
}

const char *mloom_buffer_string(const mloom_buffer *buffer) {
  return buffer->data == NULL ? "" : buffer->data;
}

char *mloom_buffer_take(mloom_buffer *buffer) {
  if (buffer->data == NULL && mloom_buffer_reserve(buffer, 0) != MLOOM_OK) {
    return NULL;
  }
  char *data = buffer->data;
  *buffer = (mloom_buffer)MLOOM_BUFFER_INIT;
  return data;
}

int32_t mloom_buffer_append_wiping(mloom_buffer *buffer, const char *data, size_t size) {
  if (buffer->capacity > buffer->size && size < buffer->capacity - buffer->size) {
    return mloom_buffer_append(buffer, data, size);
  }
  mloom_buffer grown = MLOOM_BUFFER_INIT;
  if (buffer->size >= SIZE_MAX / 4 || size >= SIZE_MAX / 4 ||
      mloom_buffer_reserve(&grown, 2 * (buffer->size + size)) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  (void)mloom_buffer_append(&grown, buffer->data, buffer->size);
  (void)mloom_buffer_append(&grown, data, size);
  mloom_buffer_wipe(buffer);
  *buffer = grown;
  return MLOOM_OK;
}

void mloom_buffer_wipe(mloom_buffer *buffer) {
  if (buffer->data != NULL) {
    explicit_bzero(buffer->data, buffer->capacity);
  }
  mloom_buffer_free(buffer);
}

void mloom_buffer_free(mloom_buffer *buffer) {
  free(buffer->data);
  *buffer = (mloom_buffer)MLOOM_BUFFER_INIT;
}
