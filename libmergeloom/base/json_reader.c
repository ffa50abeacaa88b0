/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_reader.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"
#include "base/text.h"

/* Where a part of a text should end that does not. */
#define MALFORMED SIZE_MAX

static int fail(mloom_json_reader *reader) {
  reader->status = MLOOM_E_INVALID;
  return 0;
}

static void fail_unless_failed(mloom_json_reader *reader) {
  if (reader->status == MLOOM_OK) {
    fail(reader);
  }
}

static int is_white(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static size_t white_run_end(const char *data, size_t position, size_t size) {
  while (position < size && is_white(data[position])) {
    position++;
  }
  return position;
}

/* Positions are handed from step to step in registers and written to the reader once a value: that makes half of the
 * speed. Machines write no white space, so that case is inline. */
static inline size_t white_end(const char *data, size_t position, size_t size) {
  return position < size && (unsigned char)data[position] <= ' ' ? white_run_end(data, position, size) : position;
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
  reader->position = white_end(reader->data, reader->position, reader->size);
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
  size_t position = white_end(reader->data, reader->position, reader->size);
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

/* Goes on with string_end at the first byte that is not plain. */
static size_t special_string_end(const mloom_json_reader *reader, size_t position, int *escaped) {
  const char *data = reader->data;
  size_t size = reader->size;
  for (; position < size; position = plain_end(data, position, size)) {
    unsigned char c = (unsigned char)data[position];
    if (c == '"') {
      return position + 1;
    }
    if (c == '\\') {
      *escaped = 1;
      char name = size - position < 2 ? '\0' : data[position + 1];
      if (name == '\0' || strchr("\"\\/bfnrtu", name) == NULL || (name == 'u' && hex_unit(reader, position + 2) < 0)) {
        return MALFORMED;
      }
      position += name == 'u' ? 6 : 2;
      continue;
    }
    size_t run = position;
    while (run < size && (unsigned char)data[run] >= 0x80) {
      run++;
    }
    if (run == position || !mloom_text_is_utf8(data + position, run - position)) {
      return MALFORMED;
    }
    position = run;
  }
  return MALFORMED;
}

/* The position behind the string whose opening quote is at position, or MALFORMED. *escaped tells whether it has
 * escapes. */
static inline size_t string_end(const mloom_json_reader *reader, size_t position, int *escaped) {
  size_t end = plain_end(reader->data, position + 1, reader->size);
  *escaped = 0;
  if (end < reader->size && reader->data[end] == '"') {
    return end + 1;
  }
  return special_string_end(reader, end, escaped);
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

/* raw was checked by string_end: every escape in it is complete. The code point of the \u escape at *position, which
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

static inline size_t digits_end(const char *data, size_t position, size_t size) {
  while (position < size && is_digit(data[position])) {
    position++;
  }
  return position;
}

/* The position behind the number that begins at position, or MALFORMED. */
static size_t number_end(const char *data, size_t position, size_t size) {
  if (position < size && data[position] == '-') {
    position++;
  }
  size_t start = position;
  position = digits_end(data, position, size);
  if (position == start || (data[start] == '0' && position - start > 1)) {
    return MALFORMED;
  }
  if (position < size && data[position] == '.') {
    start = position + 1;
    position = digits_end(data, start, size);
    if (position == start) {
      return MALFORMED;
    }
  }
  if (position < size && (data[position] | 0x20) == 'e') {
    start = position + 1;
    if (start < size && (data[start] == '+' || data[start] == '-')) {
      start++;
    }
    position = digits_end(data, start, size);
    if (position == start) {
      return MALFORMED;
    }
  }
  return position;
}

static inline size_t word_end(const mloom_json_reader *reader, size_t position, const char *word, size_t length) {
  int found = reader->size - position >= length && memcmp(reader->data + position, word, length) == 0;
  return found ? position + length : MALFORMED;
}

/* The position behind the value that begins with c at position and is no array or object, or MALFORMED. */
static inline size_t scalar_end(const mloom_json_reader *reader, char c, size_t position) {
  int escaped;
  switch (c) {
  case '"':
    return string_end(reader, position, &escaped);
  case 't':
    return word_end(reader, position, "true", 4);
  case 'f':
    return word_end(reader, position, "false", 5);
  case 'n':
    return word_end(reader, position, "null", 4);
  default:
    return number_end(reader->data, position, reader->size);
  }
}

/* Moves behind a value; 0 when it is malformed. */
static inline int move_to(mloom_json_reader *reader, size_t end) {
  if (end == MALFORMED) {
    return fail(reader);
  }
  reader->position = end;
  reader->began = 1;
  return 1;
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

/* Steps to the next part of the innermost level: its position, or MALFORMED when the level ended (and is left) or is
 * malformed. */
static inline size_t next_part(mloom_json_reader *reader, char close) {
  if (reader->status != MLOOM_OK || reader->depth == 0) {
    fail_unless_failed(reader);
    return MALFORMED;
  }
  size_t position = white_end(reader->data, reader->position, reader->size);
  if (position == reader->size) {
    reader->position = position;
    fail(reader);
    return MALFORMED;
  }
  char c = reader->data[position];
  uint8_t *first = &reader->first[reader->depth - 1];
  if (c == close) {
    reader->position = position + 1;
    reader->depth--;
    return MALFORMED;
  }
  if (*first) {
    *first = 0;
    return position;
  }
  if (c != ',') {
    reader->position = position;
    fail(reader);
    return MALFORMED;
  }
  return white_end(reader->data, position + 1, reader->size);
}

/* The position behind the colon of the member whose name should begin at position, or MALFORMED. */
static inline size_t name_end(const mloom_json_reader *reader, size_t position, mloom_bytes *key) {
  int escaped;
  if (position >= reader->size || reader->data[position] != '"') {
    return MALFORMED;
  }
  size_t end = string_end(reader, position, &escaped);
  if (end == MALFORMED) {
    return MALFORMED;
  }
  *key = (mloom_bytes){reader->data + position + 1, end - position - 2};
  end = white_end(reader->data, end, reader->size);
  return end < reader->size && reader->data[end] == ':' ? end + 1 : MALFORMED;
}

int mloom_json_reader_key(mloom_json_reader *reader, mloom_bytes *key) {
  *key = (mloom_bytes){NULL, 0};
  size_t position = next_part(reader, '}');
  if (position == MALFORMED) {
    return 0;
  }
  size_t end = name_end(reader, position, key);
  if (end == MALFORMED) {
    reader->position = position;
    return fail(reader);
  }
  reader->position = end;
  return 1;
}

int mloom_json_reader_element(mloom_json_reader *reader) {
  size_t position = next_part(reader, ']');
  if (position == MALFORMED) {
    return 0;
  }
  reader->position = position;
  return 1;
}

/* Reads the string that comes next; a value of another kind is skipped. */
static int read_raw_string(mloom_json_reader *reader, mloom_bytes *raw, int *escaped) {
  char c = begin_value(reader);
  if (c != '"') {
    mloom_json_reader_skip(reader);
    return 0;
  }
  size_t start = reader->position + 1;
  if (!move_to(reader, string_end(reader, reader->position, escaped))) {
    return 0;
  }
  *raw = (mloom_bytes){reader->data + start, reader->position - 1 - start};
  return 1;
}

size_t mloom_json_scalar_end(const char *data, size_t size, size_t position) {
  mloom_json_reader reader = {.data = data, .size = size};
  int escaped;
  size_t end = position < size && data[position] == '"' ? string_end(&reader, position, &escaped)
                                                        : number_end(data, position, size);
  return end == MALFORMED ? 0 : end;
}

int32_t mloom_json_unquote(mloom_bytes raw, mloom_buffer *scratch, mloom_bytes *out) {
  *out = (mloom_bytes){raw.data + 1, raw.size - 2};
  if (memchr(out->data, '\\', out->size) == NULL) {
    return MLOOM_OK;
  }
  mloom_buffer_clear(scratch);
  int32_t code = append_unescaped(scratch, *out);
  *out = code == MLOOM_OK ? (mloom_bytes){scratch->data, scratch->size} : (mloom_bytes){NULL, 0};
  return code;
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

/* text is a number that number_end accepted. */
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
  if (!move_to(reader, number_end(reader->data, start, reader->size))) {
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
  if (!move_to(reader, scalar_end(reader, c, reader->position))) {
    return 0;
  }
  *out = c == 't';
  return 1;
}

/* The position behind the array or object that begins at position, or MALFORMED. */
static size_t container_end(const mloom_json_reader *reader, size_t position) {
  const char *data = reader->data;
  size_t size = reader->size;
  uint32_t outside = reader->depth;
  uint32_t depth = outside;
  uint64_t objects = 0; /* one bit a level, the innermost lowest */
  mloom_bytes key;
  for (;;) {
    /* A value begins here. */
    int opened = position < size && (data[position] == '{' || data[position] == '[');
    if (opened) {
      if (depth++ == MLOOM_JSON_READER_DEPTH) {
        return MALFORMED;
      }
      objects = (objects << 1) | (data[position] == '{');
      position = white_end(data, position + 1, size);
    } else {
      position = position < size ? scalar_end(reader, data[position], position) : MALFORMED;
    }
    /* What ends here is closed, up to a comma or what stands behind an opening bracket. */
    for (;;) {
      if (position == MALFORMED || depth == outside) {
        return position;
      }
      position = white_end(data, position, size);
      if (position == size) {
        return MALFORMED;
      }
      if (data[position] == ((objects & 1) != 0 ? '}' : ']')) {
        position++;
        depth--;
        objects >>= 1;
        opened = 0;
        continue;
      }
      if (!opened && data[position] != ',') {
        return MALFORMED;
      }
      position = opened ? position : white_end(data, position + 1, size);
      break;
    }
    if ((objects & 1) != 0) {
      position = name_end(reader, position, &key);
      if (position == MALFORMED) {
        return MALFORMED;
      }
      position = white_end(data, position, size);
    }
  }
}

void mloom_json_reader_skip(mloom_json_reader *reader) {
  char c = begin_value(reader);
  if (reader->status != MLOOM_OK) {
    return;
  }
  size_t position = reader->position;
  move_to(reader, c == '{' || c == '[' ? container_end(reader, position) : scalar_end(reader, c, position));
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
  reader->position = white_end(reader->data, reader->position, reader->size);
  if (!reader->began || reader->depth != 0 || reader->position != reader->size) {
    fail(reader);
  }
  return reader->status;
}
