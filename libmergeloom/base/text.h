/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_BASE_TEXT_H
#define MLOOM_BASE_TEXT_H

#include <string.h>

#include "base/buffer.h"

/* 1 when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
int32_t mloom_text_is_utf8(const char *data, size_t size);
/* Length of the longest prefix that does not cut a character. */
size_t mloom_text_complete_prefix(const char *data, size_t size);
/* Appends data with malformed bytes as U+FFFD. */
int32_t mloom_text_append_utf8(mloom_buffer *out, const char *data, size_t size);
/* As above, and control characters (escape sequences, bidirectional overrides, newlines unless keep_newlines) are made
 * visible or dropped: safe to print on a terminal. */
int32_t mloom_text_append_printable(mloom_buffer *out, const char *data, size_t size, int keep_newlines);
/* Narrows the range to exclude ASCII white space at both ends. */
mloom_bytes mloom_text_trim(mloom_bytes text);
/* ASCII case-insensitive. */
int mloom_text_equal_fold(mloom_bytes a, const char *b);
/* Inline, so that comparing with a literal costs a comparison of sizes in most cases. */
static inline int mloom_text_equal(mloom_bytes a, const char *b) {
  size_t size = strlen(b);
  return a.size == size && (size == 0 || memcmp(a.data, b, size) == 0);
}
/* As strcasecmp, strncasecmp and strcasestr are in the C locale. What those do follows the locale of the program: in
 * Turkish "I" and "i" are two letters. */
int mloom_text_compare_fold(const char *a, const char *b);
int mloom_text_compare_start_fold(const char *a, const char *b, size_t size);
const char *mloom_text_find_fold(const char *text, const char *part);
mloom_bytes mloom_text_bytes(const char *string);
/* A copy ending in NUL, owned by the caller; NULL when out of memory. */
char *mloom_text_dup(mloom_bytes text);
/* Copies what fits, cut at the end of a character, and a NUL. out_size is not 0. */
void mloom_text_copy(char *out, size_t out_size, mloom_bytes text);
/* Decimal digits with an optional sign, nothing else. MLOOM_OK or MLOOM_E_INVALID, also when it does not fit. */
int32_t mloom_text_parse_int64(mloom_bytes text, int64_t *out);
/* Decimal digits with an optional fraction, in thousandths, the rest of it cut off; -1 for anything else. Not strtod,
 * whose point is that of the locale. */
int64_t mloom_text_parse_thousandths(mloom_bytes text);

#endif
