/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_reader.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"
#include "base/text.h"

static int fail(mloom_json_reader *reader) {
  reader->status = MLOOM_E_INVALID;
  return 0;
}

static int is_white(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static void skip_white_run(mloom_json_reader *reader) {
  size_t position = reader->position;
  while (position < reader->size && is_white(reader->data[position])) {
    position++;
  }
  reader->position = position;
}

/* Machines write no white space: that case is inline. */
static inline void skip_white(mloom_json_reader *reader) {
  if (reader->position < reader->size && (unsigned char)reader->data[reader->position] <= ' ') {
    skip_white_run(reader);
  }
}

/* The first byte of the value that comes next, or 0 when there is none. Outside of all levels there is one value. */
static inline char begin_value(mloom_json_reader *reader) {
  if (reader->status != MLOOM_OK) {
    return 0;
  }
  if (reader->depth == 0 && reader->began) {
    fail(reader);
    return 0;
  }
  skip_white(reader);
  if (reader->position == reader->size) {
    fail(reader);
    return 0;
  }
  return reader->data[reader->position];
}

static int kind_of(char c) {
  switch (c) {
  case '{':
    return MLOOM_JSON_OBJECT;
  case '[':
    return MLOOM_JSON_ARRAY;
  case '"':
    return MLOOM_JSON_STRING;
  case 't':
  case 'f':
    return MLOOM_JSON_BOOLEAN;
  case 'n':
    return MLOOM_JSON_NULL;
  default:
    return c == '-' || is_digit(c) ? MLOOM_JSON_NUMBER : -1;
  }
}

void mloom_json_reader_init(mloom_json_reader *reader, const char *data, size_t size) {
  reader->data = data;
  reader->size = size;
  reader->position = 0;
  reader->depth = 0;
  reader->began = 0;
  reader->status = MLOOM_OK;
}

int mloom_json_reader_peek(const mloom_json_reader *reader) {
  if (reader->status != MLOOM_OK || (reader->depth == 0 && reader->began)) {
    return -1;
  }
  size_t position = reader->position;
  while (position < reader->size && is_white(reader->data[position])) {
    position++;
  }
  return position == reader->size ? -1 : kind_of(reader->data[position]);
}

/* ---- Strings ---- */

static inline int is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The position of the first byte at or after position that is no plain character of a string, or size. */
#ifdef __SSE2__
static inline size_t plain_end(const char *data, size_t position, size_t size) {
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
  while (position < size && is_plain((unsigned char)data[position])) {
    position++;
  }
  return position;
}
#else
/* Eight bytes at a time: a byte of marks has its high bit set when it ends the plain run. Bytes above the first such
 * byte may be marked wrongly, so that the last step is byte by byte. */
static inline size_t plain_end(const char *data, size_t position, size_t size) {
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
  while (position < size && is_plain((unsigned char)data[position])) {
    position++;
  }
  return position;
}
#endif

static int hex_value(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits at position, or -1. */
static int32_t hex_unit(const mloom_json_reader *reader, size_t position) {
  if (reader->size - position < 4) {
    return -1;
  }
  int32_t unit = 0;
  for (size_t i = 0; i < 4; i++) {
    int value = hex_value(reader->data[position + i]);
    if (value < 0) {
      return -1;
    }
    unit = unit * 16 + value;
  }
  return unit;
}

/* Goes on with scan_string at the first byte that is not plain. */
static int scan_special_string(mloom_json_reader *reader, size_t position, mloom_bytes *raw, int *escaped) {
  const char *data = reader->data;
  size_t size = reader->size;
  size_t start = reader->position + 1;
  for (; position < size; position = plain_end(data, position, size)) {
    unsigned char c = (unsigned char)data[position];
    if (c == '"') {
      *raw = (mloom_bytes){data + start, position - start};
      reader->position = position + 1;
      return 1;
    }
    if (c == '\\') {
      *escaped = 1;
      char name = size - position < 2 ? '\0' : data[position + 1];
      if (name == '\0' || strchr("\"\\/bfnrtu", name) == NULL || (name == 'u' && hex_unit(reader, position + 2) < 0)) {
        return fail(reader);
      }
      position += name == 'u' ? 6 : 2;
      continue;
    }
    size_t run = position;
    while (run < size && (unsigned char)data[run] >= 0x80) {
      run++;
    }
    if (run == position || !mloom_text_is_utf8(data + position, run - position)) {
      return fail(reader);
    }
    position = run;
  }
  return fail(reader);
}

/* Reads a string whose opening quote is at the position. *raw is what stands between the quotes; *escaped tells whether
 * it has escapes. */
static inline int scan_string(mloom_json_reader *reader, mloom_bytes *raw, int *escaped) {
  size_t start = reader->position + 1;
  size_t end = plain_end(reader->data, start, reader->size);
  *escaped = 0;
  reader->began = 1;
  if (end < reader->size && reader->data[end] == '"') {
    *raw = (mloom_bytes){reader->data + start, end - start};
    reader->position = end + 1;
    return 1;
  }
  return scan_special_string(reader, end, raw, escaped);
}

static int32_t append_code_point(mloom_buffer *out, uint32_t value) {
  char bytes[4];
  size_t size;
  if (value < 0x80) {
    bytes[0] = (char)value;
    size = 1;
  } else if (value < 0x800) {
    bytes[0] = (char)(0xC0 | (value >> 6));
    bytes[1] = (char)(0x80 | (value & 0x3F));
    size = 2;
  } else if (value < 0x10000) {
    bytes[0] = (char)(0xE0 | (value >> 12));
    bytes[1] = (char)(0x80 | ((value >> 6) & 0x3F));
    bytes[2] = (char)(0x80 | (value & 0x3F));
    size = 3;
  } else {
    bytes[0] = (char)(0xF0 | (value >> 18));
    bytes[1] = (char)(0x80 | ((value >> 12) & 0x3F));
    bytes[2] = (char)(0x80 | ((value >> 6) & 0x3F));
    bytes[3] = (char)(0x80 | (value & 0x3F));
    size = 4;
  }
  return mloom_buffer_append(out, bytes, size);
}

/* raw was checked by scan_string: every escape in it is complete. The code point of the \u escape at *position, which
 * moves behind it and, for a pair of surrogates, behind the second one. */
static uint32_t unescape_unit(mloom_bytes raw, size_t *position) {
  mloom_json_reader units = {.data = raw.data, .size = raw.size};
  uint32_t unit = (uint32_t)hex_unit(&units, *position + 2);
  *position += 6;
  if (unit < 0xD800 || unit > 0xDFFF) {
    return unit;
  }
  if (unit < 0xDC00 && raw.size - *position >= 6 && raw.data[*position] == '\\' && raw.data[*position + 1] == 'u') {
    uint32_t second = (uint32_t)hex_unit(&units, *position + 2);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      *position += 6;
      return 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
    }
  }
  return 0xFFFD;
}

static int32_t append_unescaped(mloom_buffer *out, mloom_bytes raw) {
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  size_t position = 0;
  /* No escape is shorter than what it stands for. */
  int32_t code = mloom_buffer_reserve(out, raw.size);
  while (code == MLOOM_OK && position < raw.size) {
    const char *escape = memchr(raw.data + position, '\\', raw.size - position);
    size_t end = escape == NULL ? raw.size : (size_t)(escape - raw.data);
    code = mloom_buffer_append(out, raw.data + position, end - position);
    position = end;
    if (code == MLOOM_OK && position < raw.size) {
      char name = raw.data[position + 1];
      if (name == 'u') {
        code = append_code_point(out, unescape_unit(raw, &position));
      } else {
        code = mloom_buffer_append_char(out, values[strchr(names, name) - names]);
        position += 2;
      }
    }
  }
  return code;
}

/* ---- Values ---- */

/* Reads a number whose first byte is at the position. */
static int scan_number(mloom_json_reader *reader) {
  const char *data = reader->data;
  size_t size = reader->size;
  size_t position = reader->position;
  if (data[position] == '-') {
    position++;
  }
  if (position < size && data[position] == '0') {
    position++;
  } else if (position < size && is_digit(data[position])) {
    while (position < size && is_digit(data[position])) {
      position++;
    }
  } else {
    return fail(reader);
  }
  if (position < size && data[position] == '.') {
    size_t start = ++position;
    while (position < size && is_digit(data[position])) {
      position++;
    }
    if (position == start) {
      return fail(reader);
    }
  }
  if (position < size && (data[position] | 0x20) == 'e') {
    position++;
    if (position < size && (data[position] == '+' || data[position] == '-')) {
      position++;
    }
    size_t start = position;
    while (position < size && is_digit(data[position])) {
      position++;
    }
    if (position == start) {
      return fail(reader);
    }
  }
  reader->position = position;
  reader->began = 1;
  return 1;
}

static inline int scan_word(mloom_json_reader *reader, const char *word, size_t length) {
  if (reader->size - reader->position < length || memcmp(reader->data + reader->position, word, length) != 0) {
    return fail(reader);
  }
  reader->position += length;
  reader->began = 1;
  return 1;
}

static inline int scan_scalar(mloom_json_reader *reader, char c) {
  mloom_bytes raw;
  int escaped;
  switch (c) {
  case '"':
    return scan_string(reader, &raw, &escaped);
  case 't':
    return scan_word(reader, "true", 4);
  case 'f':
    return scan_word(reader, "false", 5);
  case 'n':
    return scan_word(reader, "null", 4);
  default:
    return scan_number(reader);
  }
}

static int enter(mloom_json_reader *reader) {
  if (reader->depth == MLOOM_JSON_READER_DEPTH) {
    return fail(reader);
  }
  reader->position++;
  reader->began = 1;
  reader->first[reader->depth++] = 1;
  return 1;
}

int mloom_json_reader_object(mloom_json_reader *reader) {
  char c = begin_value(reader);
  if (c == '{') {
    return enter(reader);
  }
  mloom_json_reader_skip(reader);
  return 0;
}

int mloom_json_reader_array(mloom_json_reader *reader) {
  char c = begin_value(reader);
  if (c == '[') {
    return enter(reader);
  }
  mloom_json_reader_skip(reader);
  return 0;
}

/* Steps to the next part of the innermost level; 0 when it ended (and is left) or is malformed. */
static inline int next_part(mloom_json_reader *reader, char close) {
  if (reader->status != MLOOM_OK) {
    return 0;
  }
  if (reader->depth == 0) {
    return fail(reader);
  }
  skip_white(reader);
  if (reader->position == reader->size) {
    return fail(reader);
  }
  char c = reader->data[reader->position];
  uint8_t *first = &reader->first[reader->depth - 1];
  if (c == close) {
    reader->position++;
    reader->depth--;
    return 0;
  }
  if (*first) {
    *first = 0;
    return 1;
  }
  if (c != ',') {
    return fail(reader);
  }
  reader->position++;
  skip_white(reader);
  return 1;
}

int mloom_json_reader_key(mloom_json_reader *reader, mloom_bytes *key) {
  int escaped;
  *key = (mloom_bytes){NULL, 0};
  if (!next_part(reader, '}')) {
    return 0;
  }
  if (reader->position == reader->size || reader->data[reader->position] != '"') {
    return fail(reader);
  }
  if (!scan_string(reader, key, &escaped)) {
    return 0;
  }
  skip_white(reader);
  if (reader->position == reader->size || reader->data[reader->position] != ':') {
    return fail(reader);
  }
  reader->position++;
  return 1;
}

int mloom_json_reader_element(mloom_json_reader *reader) {
  return next_part(reader, ']');
}

/* Reads the string that comes next; a value of another kind is skipped. */
static int read_raw_string(mloom_json_reader *reader, mloom_bytes *raw, int *escaped) {
  char c = begin_value(reader);
  if (c == '"') {
    return scan_string(reader, raw, escaped);
  }
  mloom_json_reader_skip(reader);
  return 0;
}

int mloom_json_reader_string(mloom_json_reader *reader, mloom_buffer *scratch, mloom_bytes *out) {
  mloom_bytes raw;
  int escaped;
  *out = (mloom_bytes){NULL, 0};
  if (!read_raw_string(reader, &raw, &escaped)) {
    return 0;
  }
  if (escaped) {
    mloom_buffer_clear(scratch);
    if (append_unescaped(scratch, raw) != MLOOM_OK) {
      reader->status = MLOOM_E_MEMORY;
      return 0;
    }
    raw = (mloom_bytes){scratch->data, scratch->size};
  }
  *out = raw;
  return 1;
}

int mloom_json_reader_append_string(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_bytes raw;
  int escaped;
  if (!read_raw_string(reader, &raw, &escaped)) {
    return 0;
  }
  size_t before = out->size;
  int32_t code = escaped ? append_unescaped(out, raw) : mloom_buffer_append(out, raw.data, raw.size);
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
    reader->status = MLOOM_E_MEMORY;
    return 0;
  }
  return 1;
}

/* The decimal exponent that text begins with, within -limit to limit. */
static int64_t exponent_value(mloom_bytes text, int64_t limit) {
  int negative = text.size > 0 && text.data[0] == '-';
  int64_t value = 0;
  for (size_t i = text.size > 0 && !is_digit(text.data[0]) ? 1 : 0; i < text.size; i++) {
    value = value * 10 + (text.data[i] - '0');
    value = value > limit ? limit : value;
  }
  return negative ? -value : value;
}

/* text is a number that scan_number accepted. */
static int64_t integer_value(mloom_bytes text) {
  int negative = text.data[0] == '-';
  size_t start = negative ? 1 : 0;
  size_t mantissa_end = start;
  while (mantissa_end < text.size && (text.data[mantissa_end] | 0x20) != 'e') {
    mantissa_end++;
  }
  size_t point = start;
  while (point < mantissa_end && text.data[point] != '.') {
    point++;
  }
  int64_t exponent = 0;
  if (mantissa_end < text.size) {
    mloom_bytes rest = {text.data + mantissa_end + 1, text.size - mantissa_end - 1};
    exponent = exponent_value(rest, INT32_MAX);
  }
  int64_t wanted = (int64_t)(point - start) + exponent; /* digits before the point once it has moved */
  int64_t value = 0;
  size_t i = start;
  for (int64_t taken = 0; taken < wanted; taken++, i++) {
    i += i == point ? 1 : 0;
    if (i >= mantissa_end && value == 0) {
      return 0;
    }
    int digit = i < mantissa_end ? text.data[i] - '0' : 0;
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) {
      return negative ? INT64_MIN : INT64_MAX;
    }
  }
  return negative ? value : value == INT64_MIN ? INT64_MAX : -value;
}

int mloom_json_reader_integer(mloom_json_reader *reader, int64_t *out) {
  *out = 0;
  char c = begin_value(reader);
  if (kind_of(c) != MLOOM_JSON_NUMBER) {
    mloom_json_reader_skip(reader);
    return 0;
  }
  size_t start = reader->position;
  if (!scan_number(reader)) {
    return 0;
  }
  *out = integer_value((mloom_bytes){reader->data + start, reader->position - start});
  return 1;
}

int mloom_json_reader_boolean(mloom_json_reader *reader, int *out) {
  *out = 0;
  char c = begin_value(reader);
  if (kind_of(c) != MLOOM_JSON_BOOLEAN) {
    mloom_json_reader_skip(reader);
    return 0;
  }
  if (!scan_scalar(reader, c)) {
    return 0;
  }
  *out = c == 't';
  return 1;
}

void mloom_json_reader_skip(mloom_json_reader *reader) {
  char c = begin_value(reader);
  if (c != '{' && c != '[') {
    if (reader->status == MLOOM_OK) {
      scan_scalar(reader, c);
    }
    return;
  }
  uint32_t outside = reader->depth;
  uint64_t objects = 0; /* one bit a level, the innermost lowest */
  for (;;) {
    if (reader->status != MLOOM_OK) {
      return;
    }
    if (c == '{' || c == '[') {
      if (!enter(reader)) {
        return;
      }
      objects = (objects << 1) | (c == '{');
    } else if (!scan_scalar(reader, c)) {
      return;
    }
    /* Closes what ends here and steps to the next value. */
    for (;;) {
      mloom_bytes key;
      if (reader->depth == outside) {
        return;
      }
      if ((objects & 1) != 0 ? mloom_json_reader_key(reader, &key) : mloom_json_reader_element(reader)) {
        break;
      }
      if (reader->status != MLOOM_OK) {
        return;
      }
      objects >>= 1;
    }
    c = begin_value(reader);
  }
}

int mloom_json_reader_raw(mloom_json_reader *reader, mloom_bytes *out) {
  *out = (mloom_bytes){NULL, 0};
  begin_value(reader);
  size_t start = reader->position;
  mloom_json_reader_skip(reader);
  if (reader->status != MLOOM_OK) {
    return 0;
  }
  *out = (mloom_bytes){reader->data + start, reader->position - start};
  return 1;
}

int32_t mloom_json_reader_end(mloom_json_reader *reader) {
  if (reader->status != MLOOM_OK) {
    return reader->status;
  }
  skip_white(reader);
  if (!reader->began || reader->depth != 0 || reader->position != reader->size) {
    fail(reader);
  }
  return reader->status;
}
