/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings and numbers in a JSON text: where they end, whether they are well formed, what they say. For json_reader.c.
 */
#ifndef MLOOM_BASE_JSON_SCAN_H
#define MLOOM_BASE_JSON_SCAN_H

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/buffer.h"

/* Where a part of a text should end that does not. */
#define MLOOM_JSON_MALFORMED SIZE_MAX

static inline int mloom_json_is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline int mloom_json_is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The position of the first byte at or after position that is no plain character of a string, or size. */
#ifdef __SSE2__
static inline size_t mloom_json_plain_end(const char *data, size_t position, size_t size) {
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i blank = _mm_set1_epi8(0x20);
  for (; size - position >= 16; position += 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(data + position));
    /* The comparison is a signed one: bytes that are not ASCII are less than a blank too. */
    __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)),
                                   _mm_cmplt_epi8(block, blank));
    unsigned marks = (unsigned)_mm_movemask_epi8(special);
    if (marks != 0) {
      return position + (size_t)__builtin_ctz(marks);
    }
  }
  while (position < size && mloom_json_is_plain((unsigned char)data[position])) {
    position++;
  }
  return position;
}
#else
/* Eight bytes at a time: a byte of marks has its high bit set when it ends the plain run. Bytes above the first such
 * byte may be marked wrongly, so that the last step is byte by byte. */
static inline size_t mloom_json_plain_end(const char *data, size_t position, size_t size) {
  const uint64_t ones = 0x0101010101010101u;
  for (; size - position >= 8; position += 8) {
    uint64_t word;
    memcpy(&word, data + position, sizeof(word));
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    if ((((quote - ones) | (backslash - ones) | (word - ones * 0x20) | word) & (ones * 0x80)) != 0) {
      break;
    }
  }
  while (position < size && mloom_json_is_plain((unsigned char)data[position])) {
    position++;
  }
  return position;
}
#endif

/* Goes on with mloom_json_string_end at the first byte that is not plain. */
size_t mloom_json_special_string_end(const char *data, size_t size, size_t position, int *escaped);

/* The position behind the string whose opening quote is at position, or MLOOM_JSON_MALFORMED. *escaped tells whether it
 * has escapes. */
static inline size_t mloom_json_string_end(const char *data, size_t size, size_t position, int *escaped) {
  size_t end = mloom_json_plain_end(data, position + 1, size);
  *escaped = 0;
  if (end < size && data[end] == '"') {
    return end + 1;
  }
  return mloom_json_special_string_end(data, size, end, escaped);
}

/* Appends what a string says: raw is well formed and stands between its quotes. MLOOM_E_MEMORY. */
int32_t mloom_json_append_unescaped(mloom_buffer *out, mloom_bytes raw);
/* The position behind the number that begins at position, or MLOOM_JSON_MALFORMED. */
size_t mloom_json_number_end(const char *data, size_t size, size_t position);
/* The number as an integer: truncates fractions, saturates. text is well formed. */
int64_t mloom_json_integer_value(mloom_bytes text);

#endif
