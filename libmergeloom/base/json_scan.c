/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include "base/json_reader.h"
#include "base/text.h"

/* ---- Strings ---- */

static int hex_value(char c) {
  if (mloom_json_is_digit(c)) {
    return c - '0';
  }
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits at position, or -1. */
static int32_t hex_unit(const char *data, size_t size, size_t position) {
  if (size - position < 4) {
    return -1;
  }
  int32_t unit = 0;
  for (size_t i = 0; i < 4; i++) {
    int value = hex_value(data[position + i]);
    if (value < 0) {
      return -1;
    }
    unit = unit * 16 + value;
  }
  return unit;
}

size_t mloom_json_special_string_end(const char *data, size_t size, size_t position, int *escaped) {
  for (; position < size; position = mloom_json_plain_end(data, position, size)) {
    unsigned char c = (unsigned char)data[position];
    if (c == '"') {
      return position + 1;
    }
    if (c == '\\') {
      *escaped = 1;
      char name = size - position < 2 ? '\0' : data[position + 1];
      if (name == '\0' || strchr("\"\\/bfnrtu", name) == NULL ||
          (name == 'u' && hex_unit(data, size, position + 2) < 0)) {
        return MLOOM_JSON_MALFORMED;
      }
      position += name == 'u' ? 6 : 2;
      continue;
    }
    size_t run = position;
    while (run < size && (unsigned char)data[run] >= 0x80) {
      run++;
    }
    if (run == position || !mloom_text_is_utf8(data + position, run - position)) {
      return MLOOM_JSON_MALFORMED;
    }
    position = run;
  }
  return MLOOM_JSON_MALFORMED;
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

/* raw was checked by mloom_json_string_end: every escape in it is complete. The code point of the \u escape at
 * *position, which moves behind it and, for a pair of surrogates, behind the second one. */
static uint32_t unescape_unit(mloom_bytes raw, size_t *position) {
  uint32_t unit = (uint32_t)hex_unit(raw.data, raw.size, *position + 2);
  *position += 6;
  if (unit < 0xD800 || unit > 0xDFFF) {
    return unit;
  }
  if (unit < 0xDC00 && raw.size - *position >= 6 && raw.data[*position] == '\\' && raw.data[*position + 1] == 'u') {
    uint32_t second = (uint32_t)hex_unit(raw.data, raw.size, *position + 2);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      *position += 6;
      return 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
    }
  }
  return 0xFFFD;
}

int32_t mloom_json_append_unescaped(mloom_buffer *out, mloom_bytes raw) {
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

void mloom_json_mend_surrogates(char *text, size_t size) {
  for (size_t position = 0; size - position >= 2;) {
    char *escape = memchr(text + position, '\\', size - position);
    if (escape == NULL) {
      return;
    }
    position = (size_t)(escape - text);
    if (size - position < 6 || escape[1] != 'u' || hex_unit(text, size, position + 2) < 0) {
      position += size - position < 2 ? 1 : 2;
    } else if (unescape_unit((mloom_bytes){text, size}, &position) == 0xFFFD) {
      memcpy(escape, "\\ufffd", 6);
    }
  }
}

/* ---- Numbers ---- */

static inline size_t digits_end(const char *data, size_t position, size_t size) {
  while (position < size && mloom_json_is_digit(data[position])) {
    position++;
  }
  return position;
}

size_t mloom_json_number_end(const char *data, size_t size, size_t position) {
  if (position < size && data[position] == '-') {
    position++;
  }
  size_t start = position;
  position = digits_end(data, position, size);
  if (position == start || (data[start] == '0' && position - start > 1)) {
    return MLOOM_JSON_MALFORMED;
  }
  if (position < size && data[position] == '.') {
    start = position + 1;
    position = digits_end(data, start, size);
    if (position == start) {
      return MLOOM_JSON_MALFORMED;
    }
  }
  if (position < size && (data[position] | 0x20) == 'e') {
    start = position + 1;
    if (start < size && (data[start] == '+' || data[start] == '-')) {
      start++;
    }
    position = digits_end(data, start, size);
    if (position == start) {
      return MLOOM_JSON_MALFORMED;
    }
  }
  return position;
}

/* The decimal exponent that text begins with, within -limit to limit. */
static int64_t exponent_value(mloom_bytes text, int64_t limit) {
  int negative = text.size > 0 && text.data[0] == '-';
  int64_t value = 0;
  for (size_t i = text.size > 0 && !mloom_json_is_digit(text.data[0]) ? 1 : 0; i < text.size; i++) {
    value = value * 10 + (text.data[i] - '0');
    value = value > limit ? limit : value;
  }
  return negative ? -value : value;
}

int64_t mloom_json_integer_value(mloom_bytes text) {
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
