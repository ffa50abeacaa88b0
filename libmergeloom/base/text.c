/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* Looks at the character that data begins with. Its length when it is well formed; else 0, and *bad_size tells how
 * many bytes belong together as one malformed piece: the longest start of a character, at least 1. *cut is 1 when those
 * are all there is and more bytes could complete it. */
static size_t character_size(const unsigned char *data, size_t size, size_t *bad_size, int *cut) {
  unsigned char lead = data[0];
  *bad_size = 1;
  *cut = 0;
  if (lead < 0x80) {
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return 0;
  }
  size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  /* The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; i++) {
    if (i == size) {
      *cut = 1;
      return 0;
    }
    if (data[i] < low || data[i] > high) {
      return 0;
    }
    low = 0x80;
    high = 0xBF;
    *bad_size = i + 1;
  }
  return length;
}

static size_t ascii_prefix(const char *data, size_t size) {
  size_t i = 0;
  for (; size - i >= 32; i += 32) {
    uint64_t words[4];
    memcpy(words, data + i, sizeof(words));
    if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) != 0) {
      break;
    }
  }
  for (; size - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, data + i, sizeof(word));
    if ((word & 0x8080808080808080u) != 0) {
      break;
    }
  }
  while (i < size && (unsigned char)data[i] < 0x80) {
    i++;
  }
  return i;
}

/* The length of the well-formed start of data. */
static size_t well_formed_prefix(const char *data, size_t size, size_t *bad_size, int *cut) {
  size_t i = 0;
  *bad_size = 0;
  *cut = 0;
  for (;;) {
    i += ascii_prefix(data + i, size - i);
    if (i == size) {
      return i;
    }
    size_t length = character_size((const unsigned char *)data + i, size - i, bad_size, cut);
    if (length == 0) {
      return i;
    }
    i += length;
  }
}

int32_t mloom_text_is_utf8(const char *data, size_t size) {
  size_t bad_size;
  int cut;
  return size == 0 || well_formed_prefix(data, size, &bad_size, &cut) == size;
}

size_t mloom_text_complete_prefix(const char *data, size_t size) {
  size_t back = size < 3 ? size : 3;
  for (size_t i = 1; i <= back; i++) {
    size_t bad_size;
    int cut;
    if (((unsigned char)data[size - i] & 0xC0) == 0x80) {
      continue;
    }
    character_size((const unsigned char *)data + size - i, i, &bad_size, &cut);
    return cut ? size - i : size;
  }
  return size;
}

int32_t mloom_text_append_utf8(mloom_buffer *out, const char *data, size_t size) {
  size_t before = out->size;
  while (size > 0) {
    size_t bad_size;
    int cut;
    size_t good = well_formed_prefix(data, size, &bad_size, &cut);
    int32_t code = mloom_buffer_append(out, data, good);
    if (code == MLOOM_OK && good < size) {
      code = mloom_buffer_append_string(out, REPLACEMENT);
      good += bad_size;
    }
    if (code != MLOOM_OK) {
      mloom_buffer_truncate(out, before);
      return code;
    }
    data += good;
    size -= good;
  }
  return MLOOM_OK;
}

static uint32_t decode_character(const unsigned char *data, size_t length) {
  static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t value = data[0] & masks[length];
  for (size_t i = 1; i < length; i++) {
    value = (value << 6) | (data[i] & 0x3Fu);
  }
  return value;
}

/* Characters that nobody sees but that change what a reader takes the text for. */
static int is_hidden(uint32_t c) {
  return (c >= 0x80 && c <= 0x9F) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F && c != 0x200D) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

static int32_t append_visible(mloom_buffer *out, const char *data, size_t length, int keep_newlines) {
  unsigned char c = (unsigned char)data[0];
  if (length == 1) {
    if (c == '\t' || (c == '\n' && keep_newlines) || (c >= 0x20 && c != 0x7F)) {
      return mloom_buffer_append_char(out, data[0]);
    }
    if (c == '\n') {
      return mloom_buffer_append_char(out, ' ');
    }
    return c == '\r' ? MLOOM_OK : mloom_buffer_append_format(out, "<%02X>", c);
  }
  uint32_t value = decode_character((const unsigned char *)data, length);
  if (is_hidden(value)) {
    return mloom_buffer_append_format(out, "<U+%04X>", (unsigned)value);
  }
  return mloom_buffer_append(out, data, length);
}

int32_t mloom_text_append_printable(mloom_buffer *out, const char *data, size_t size, int keep_newlines) {
  size_t before = out->size;
  while (size > 0) {
    size_t plain = 0;
    while (plain < size && (unsigned char)data[plain] >= 0x20 && (unsigned char)data[plain] < 0x7F) {
      plain++;
    }
    int32_t code = mloom_buffer_append(out, data, plain);
    if (code == MLOOM_OK && plain < size) {
      size_t bad_size;
      int cut;
      size_t length = character_size((const unsigned char *)data + plain, size - plain, &bad_size, &cut);
      code = length == 0 ? mloom_buffer_append_string(out, REPLACEMENT)
                         : append_visible(out, data + plain, length, keep_newlines);
      plain += length == 0 ? bad_size : length;
    }
    if (code != MLOOM_OK) {
      mloom_buffer_truncate(out, before);
      return code;
    }
    data += plain;
    size -= plain;
  }
  return MLOOM_OK;
}

static int is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

mloom_bytes mloom_text_trim(mloom_bytes text) {
  while (text.size > 0 && is_space(text.data[0])) {
    text.data++;
    text.size--;
  }
  while (text.size > 0 && is_space(text.data[text.size - 1])) {
    text.size--;
  }
  return text;
}

static unsigned char fold(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int mloom_text_equal_fold(mloom_bytes a, const char *b) {
  size_t i = 0;
  for (; i < a.size && b[i] != '\0'; i++) {
    if (fold(a.data[i]) != fold(b[i])) {
      return 0;
    }
  }
  return i == a.size && b[i] == '\0';
}

int mloom_text_compare_fold(const char *a, const char *b) {
  return mloom_text_compare_start_fold(a, b, SIZE_MAX);
}

int mloom_text_compare_start_fold(const char *a, const char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    int difference = fold(a[i]) - fold(b[i]);
    if (difference != 0 || a[i] == '\0') {
      return difference;
    }
  }
  return 0;
}

const char *mloom_text_find_fold(const char *text, const char *part) {
  size_t size = strlen(part);
  for (; *text != '\0' || size == 0; text++) {
    if (mloom_text_compare_start_fold(text, part, size) == 0) {
      return text;
    }
  }
  return NULL;
}

mloom_bytes mloom_text_bytes(const char *string) {
  return (mloom_bytes){string, string == NULL ? 0 : strlen(string)};
}

char *mloom_text_dup(mloom_bytes text) {
  if (text.size == SIZE_MAX) {
    return NULL;
  }
  char *copy = malloc(text.size + 1);
  if (copy == NULL) {
    return NULL;
  }
  if (text.size > 0) {
    memcpy(copy, text.data, text.size);
  }
  copy[text.size] = '\0';
  return copy;
}

void mloom_text_copy(char *out, size_t out_size, mloom_bytes text) {
  size_t size = text.size < out_size - 1 ? text.size : out_size - 1;
  size = size == 0 ? 0 : mloom_text_complete_prefix(text.data, size);
  if (size > 0) {
    memcpy(out, text.data, size);
  }
  out[size] = '\0';
}

int32_t mloom_text_parse_int64(mloom_bytes text, int64_t *out) {
  size_t i = 0;
  int negative = text.size > 0 && text.data[0] == '-';
  if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
    i++;
  }
  if (i == text.size) {
    return MLOOM_E_INVALID;
  }
  /* Counts downwards: the negative range is the larger one. */
  int64_t value = 0;
  for (; i < text.size; i++) {
    char c = text.data[i];
    if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
        __builtin_sub_overflow(value, c - '0', &value)) {
      return MLOOM_E_INVALID;
    }
  }
  if (!negative && value == INT64_MIN) {
    return MLOOM_E_INVALID;
  }
  *out = negative ? value : -value;
  return MLOOM_OK;
}

int64_t mloom_text_parse_thousandths(mloom_bytes text) {
  int64_t value = 0;
  int64_t scale = 1000;
  int digits = 0;
  int in_fraction = 0;
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    if (c == '.' && !in_fraction) {
      in_fraction = 1;
      continue;
    }
    if (c < '0' || c > '9') {
      return -1;
    }
    digits++;
    if (in_fraction) {
      scale /= 10;
      value += (c - '0') * scale;
    } else if (value <= INT64_MAX / 10 - 10000) {
      value = value * 10 + (int64_t)(c - '0') * 1000;
    }
  }
  return digits == 0 ? -1 : value;
}
