/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <string.h>

static int32_t append(mloom_buffer *out, const unsigned char *bytes, size_t size, const char *last, int padded) {
  static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  if (size > SIZE_MAX / 2 || mloom_buffer_reserve(out, size / 3 * 4 + 4) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  for (size_t i = 0; i < size; i += 3) {
    size_t rest = size - i;
    uint32_t group = (uint32_t)bytes[i] << 16;
    group |= rest > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
    group |= rest > 2 ? (uint32_t)bytes[i + 2] : 0;
    for (size_t digit = 0; digit < 4; digit++) {
      uint32_t value = group >> (18 - 6 * digit) & 63u;
      if (digit > rest) {
        if (padded) {
          (void)mloom_buffer_append_char(out, '=');
        }
      } else {
        (void)mloom_buffer_append_char(out, value < 62 ? common[value] : last[value - 62]);
      }
    }
  }
  return MLOOM_OK;
}

int32_t mloom_base64_append(mloom_buffer *out, const void *data, size_t size) {
  return append(out, data, size, "+/", 1);
}

int32_t mloom_base64_append_url(mloom_buffer *out, const void *data, size_t size) {
  return append(out, data, size, "-_", 0);
}

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

int32_t mloom_base64_decode(mloom_buffer *out, const char *text, size_t size) {
  if (size % 4 == 0) {
    for (size_t padding = 0; padding < 2 && size > 0 && text[size - 1] == '='; padding++) {
      size--;
    }
  }
  if (size % 4 == 1) {
    return MLOOM_E_INVALID;
  }
  size_t before = out->size;
  if (mloom_buffer_reserve(out, size / 4 * 3 + 3) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  uint32_t bits = 0;
  uint32_t count = 0;
  for (size_t i = 0; i < size; i++) {
    int value = value_of(text[i]);
    if (value < 0) {
      mloom_buffer_truncate(out, before);
      return MLOOM_E_INVALID;
    }
    bits = (bits << 6 | (uint32_t)value) & 0xffffu;
    count += 6;
    if (count >= 8) {
      count -= 8;
      (void)mloom_buffer_append_char(out, (char)(unsigned char)(bits >> count & 0xffu));
    }
  }
  if ((bits & ((1u << count) - 1)) != 0) { /* bits that stand for nothing */
    mloom_buffer_truncate(out, before);
    return MLOOM_E_INVALID;
  }
  return MLOOM_OK;
}
