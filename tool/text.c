/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static int is_utf8;

void *tool_allocate(size_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) {
    fputs("mergeloom: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

static void reserve(tool_text *text, size_t additional) {
  if (text->capacity - text->size > additional) {
    return;
  }
  size_t capacity = (text->size + additional + 1) * 2;
  char *data = realloc(text->data, capacity);
  if (data == NULL) {
    fputs("mergeloom: out of memory\n", stderr);
    exit(1);
  }
  text->data = data;
  text->capacity = capacity;
}

void tool_text_append(tool_text *text, const char *data, size_t size) {
  reserve(text, size);
  if (size > 0) {
    memcpy(text->data + text->size, data, size);
  }
  text->size += size;
  text->data[text->size] = '\0';
}

void tool_text_add(tool_text *text, const char *string) {
  tool_text_append(text, string, strlen(string));
}

void tool_text_format(tool_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (size < 0) {
    return;
  }
  reserve(text, (size_t)size);
  va_start(arguments, format);
  vsnprintf(text->data + text->size, (size_t)size + 1, format, arguments);
  va_end(arguments);
  text->size += (size_t)size;
}

const char *tool_text_get(const tool_text *text) {
  return text->data == NULL ? "" : text->data;
}

void tool_text_clear(tool_text *text) {
  text->size = 0;
  if (text->data != NULL) {
    text->data[0] = '\0';
  }
}

void tool_text_free(tool_text *text) {
  free(text->data);
  *text = (tool_text){NULL, 0, 0};
}

void tool_text_pad(tool_text *text, size_t count) {
  while (count-- > 0) {
    tool_text_append(text, " ", 1);
  }
}

static int is_set(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0';
}

int tool_text_init(void) {
  setlocale(LC_CTYPE, "");
  is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  /* A container often says nothing at all, while the terminal behind it is a modern one. */
  if (!is_utf8 && !is_set("LC_ALL") && !is_set("LC_CTYPE") && !is_set("LANG")) {
    is_utf8 = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
  }
  return is_utf8;
}

int tool_text_is_utf8(void) {
  return is_utf8;
}

/* Decodes one character; returns its bytes, 0 at the end. Malformed bytes count as one byte each. */
static size_t decode(const unsigned char *data, size_t size, uint32_t *out) {
  if (size == 0) {
    return 0;
  }
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = data[0] < 0x80 ? 1 : data[0] >= 0xF0 ? 4 : data[0] >= 0xE0 ? 3 : data[0] >= 0xC0 ? 2 : 0;
  *out = 0xFFFD;
  if (length == 0 || length > size || data[0] > 0xF4) {
    return 1;
  }
  uint32_t character = length == 1 ? data[0] : data[0] & (0x7Fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((data[i] & 0xC0) != 0x80) {
      return 1;
    }
    character = (character << 6) | (data[i] & 0x3F);
  }
  if (character < smallest[length] || character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) {
    return 1;
  }
  *out = character;
  return length;
}

/* Characters that change how others are shown. */
static int is_deceiving(uint32_t c) {
  return c == 0x061C || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

/* Skips an escape sequence so that its letters are not left behind; position is behind the ESC. */
static size_t skip_escape(const unsigned char *data, size_t size, size_t position) {
  if (position == size) {
    return position;
  }
  unsigned char kind = data[position];
  if (kind == ']' || kind == 'P' || kind == '_' || kind == '^') {
    /* A string, up to BEL or to the ESC of its terminator, which is skipped next. */
    while (position < size && data[position] != 0x07 && data[position] != 0x1B && data[position] != '\n') {
      position++;
    }
    return position < size && data[position] == 0x07 ? position + 1 : position;
  }
  position += kind == '[';
  while (position < size && data[position] >= 0x20 && data[position] <= (kind == '[' ? 0x3F : 0x2F)) {
    position++;
  }
  return position < size && data[position] >= 0x30 && data[position] <= 0x7E ? position + 1 : position;
}

void tool_text_add_safe(tool_text *text, const char *data, size_t size, int keep_newlines) {
  const unsigned char *bytes = (const unsigned char *)data;
  size_t position = 0;
  while (position < size) {
    uint32_t character = 0;
    size_t length = decode(bytes + position, size - position, &character);
    size_t begin = position;
    position += length;
    if (character == 0x1B) {
      position = skip_escape(bytes, size, position);
    } else if (character == '\n' && keep_newlines) {
      tool_text_append(text, "\n", 1);
    } else if (character == '\n' || character == '\t') {
      tool_text_append(text, " ", 1);
    } else if (character < 0x20 || (character >= 0x7F && character < 0xA0) || is_deceiving(character)) {
      continue;
    } else if (character < 0x80) {
      tool_text_append(text, data + begin, 1);
    } else if (!is_utf8) {
      tool_text_append(text, "?", 1);
    } else if (character == 0xFFFD) {
      tool_text_add(text, "\xEF\xBF\xBD");
    } else {
      tool_text_append(text, data + begin, length);
    }
  }
}

static size_t columns_of(uint32_t character) {
  if (character >= 0x20 && character < 0x7F) {
    return 1;
  }
  int columns = wcwidth((wchar_t)character);
  return columns < 0 ? 1 : (size_t)columns;
}

size_t tool_text_columns(const char *data, size_t size) {
  size_t columns = 0;
  for (size_t position = 0; position < size;) {
    uint32_t character = 0;
    position += decode((const unsigned char *)data + position, size - position, &character);
    columns += columns_of(character);
  }
  return columns;
}

size_t tool_text_add_cut(tool_text *text, const char *data, size_t size, size_t columns) {
  size_t whole = tool_text_columns(data, size);
  if (whole <= columns) {
    tool_text_append(text, data, size);
    return whole;
  }
  const char *ellipsis = is_utf8 ? "\xE2\x80\xA6" : ">";
  size_t used = 0;
  for (size_t position = 0; position < size && columns > 0;) {
    uint32_t character = 0;
    size_t length = decode((const unsigned char *)data + position, size - position, &character);
    size_t wide = columns_of(character);
    if (used + wide > columns - 1) {
      tool_text_add(text, ellipsis);
      return used + 1;
    }
    tool_text_append(text, data + position, length);
    used += wide;
    position += length;
  }
  return used;
}

size_t tool_text_break(const char *data, size_t size, size_t columns, size_t *next) {
  size_t used = 0;
  size_t space = 0; /* the last one on this line */
  size_t position = 0;
  while (position < size) {
    uint32_t character = 0;
    size_t length = decode((const unsigned char *)data + position, size - position, &character);
    used += columns_of(character);
    if (used > columns && position > 0) {
      size_t end = space > 0 && character != ' ' ? space : position;
      *next = end;
      while (*next < size && data[*next] == ' ') {
        ++*next;
      }
      return end;
    }
    if (character == ' ') {
      space = position;
    }
    position += length;
  }
  *next = size;
  return size;
}
