/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_reader.h"

#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"

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
    return c == '-' || mloom_json_is_digit(c) ? MLOOM_JSON_NUMBER : -1;
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

static inline size_t word_end(const mloom_json_reader *reader, size_t position, const char *word, size_t length) {
  int found = reader->size - position >= length && memcmp(reader->data + position, word, length) == 0;
  return found ? position + length : MLOOM_JSON_MALFORMED;
}

/* The position behind the value that begins with c at position and is no array or object, or MLOOM_JSON_MALFORMED. */
static inline size_t scalar_end(const mloom_json_reader *reader, char c, size_t position) {
  int escaped;
  switch (c) {
  case '"':
    return mloom_json_string_end(reader->data, reader->size, position, &escaped);
  case 't':
    return word_end(reader, position, "true", 4);
  case 'f':
    return word_end(reader, position, "false", 5);
  case 'n':
    return word_end(reader, position, "null", 4);
  default:
    return mloom_json_number_end(reader->data, reader->size, position);
  }
}

/* Moves behind a value; 0 when it is malformed. */
static inline int move_to(mloom_json_reader *reader, size_t end) {
  if (end == MLOOM_JSON_MALFORMED) {
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

/* Steps to the next part of the innermost level: its position, or MLOOM_JSON_MALFORMED when the level ended (and is
 * left) or is malformed. */
static inline size_t next_part(mloom_json_reader *reader, char close) {
  if (reader->status != MLOOM_OK || reader->depth == 0) {
    fail_unless_failed(reader);
    return MLOOM_JSON_MALFORMED;
  }
  size_t position = white_end(reader->data, reader->position, reader->size);
  if (position == reader->size) {
    reader->position = position;
    fail(reader);
    return MLOOM_JSON_MALFORMED;
  }
  char c = reader->data[position];
  uint8_t *first = &reader->first[reader->depth - 1];
  if (c == close) {
    reader->position = position + 1;
    reader->depth--;
    return MLOOM_JSON_MALFORMED;
  }
  if (*first) {
    *first = 0;
    return position;
  }
  if (c != ',') {
    reader->position = position;
    fail(reader);
    return MLOOM_JSON_MALFORMED;
  }
  return white_end(reader->data, position + 1, reader->size);
}

/* The position behind the colon of the member whose name should begin at position, or MLOOM_JSON_MALFORMED. */
static inline size_t name_end(const mloom_json_reader *reader, size_t position, mloom_bytes *key) {
  int escaped;
  if (position >= reader->size || reader->data[position] != '"') {
    return MLOOM_JSON_MALFORMED;
  }
  size_t end = mloom_json_string_end(reader->data, reader->size, position, &escaped);
  if (end == MLOOM_JSON_MALFORMED) {
    return MLOOM_JSON_MALFORMED;
  }
  *key = (mloom_bytes){reader->data + position + 1, end - position - 2};
  end = white_end(reader->data, end, reader->size);
  return end < reader->size && reader->data[end] == ':' ? end + 1 : MLOOM_JSON_MALFORMED;
}

int mloom_json_reader_key(mloom_json_reader *reader, mloom_bytes *key) {
  *key = (mloom_bytes){NULL, 0};
  size_t position = next_part(reader, '}');
  if (position == MLOOM_JSON_MALFORMED) {
    return 0;
  }
  size_t end = name_end(reader, position, key);
  if (end == MLOOM_JSON_MALFORMED) {
    reader->position = position;
    return fail(reader);
  }
  reader->position = end;
  return 1;
}

int mloom_json_reader_element(mloom_json_reader *reader) {
  size_t position = next_part(reader, ']');
  if (position == MLOOM_JSON_MALFORMED) {
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
  if (!move_to(reader, mloom_json_string_end(reader->data, reader->size, reader->position, escaped))) {
    return 0;
  }
  *raw = (mloom_bytes){reader->data + start, reader->position - 1 - start};
  return 1;
}

size_t mloom_json_scalar_end(const char *data, size_t size, size_t position) {
  int escaped;
  size_t end = position < size && data[position] == '"' ? mloom_json_string_end(data, size, position, &escaped)
                                                        : mloom_json_number_end(data, size, position);
  return end == MLOOM_JSON_MALFORMED ? 0 : end;
}

int32_t mloom_json_unquote(mloom_bytes raw, mloom_buffer *scratch, mloom_bytes *out) {
  *out = (mloom_bytes){raw.data + 1, raw.size - 2};
  if (memchr(out->data, '\\', out->size) == NULL) {
    return MLOOM_OK;
  }
  mloom_buffer_clear(scratch);
  int32_t code = mloom_json_append_unescaped(scratch, *out);
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
    if (mloom_json_append_unescaped(scratch, raw) != MLOOM_OK) {
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
  int32_t code = escaped ? mloom_json_append_unescaped(out, raw) : mloom_buffer_append(out, raw.data, raw.size);
  if (code != MLOOM_OK) {
    mloom_buffer_truncate(out, before);
    reader->status = MLOOM_E_MEMORY;
    return 0;
  }
  return 1;
}

int mloom_json_reader_integer(mloom_json_reader *reader, int64_t *out) {
  *out = 0;
  char c = begin_value(reader);
  if (kind_of(c) != MLOOM_JSON_NUMBER) {
    mloom_json_reader_skip(reader);
    return 0;
  }
  size_t start = reader->position;
  if (!move_to(reader, mloom_json_number_end(reader->data, reader->size, start))) {
    return 0;
  }
  *out = mloom_json_integer_value((mloom_bytes){reader->data + start, reader->position - start});
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

/* The position behind the array or object that begins at position, or MLOOM_JSON_MALFORMED. */
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
        return MLOOM_JSON_MALFORMED;
      }
      objects = (objects << 1) | (data[position] == '{');
      position = white_end(data, position + 1, size);
    } else {
      position = position < size ? scalar_end(reader, data[position], position) : MLOOM_JSON_MALFORMED;
    }
    /* What ends here is closed, up to a comma or what stands behind an opening bracket. */
    for (;;) {
      if (position == MLOOM_JSON_MALFORMED || depth == outside) {
        return position;
      }
      position = white_end(data, position, size);
      if (position == size) {
        return MLOOM_JSON_MALFORMED;
      }
      if (data[position] == ((objects & 1) != 0 ? '}' : ']')) {
        position++;
        depth--;
        objects >>= 1;
        opened = 0;
        continue;
      }
      if (!opened && data[position] != ',') {
        return MLOOM_JSON_MALFORMED;
      }
      position = opened ? position : white_end(data, position + 1, size);
      break;
    }
    if ((objects & 1) != 0) {
      position = name_end(reader, position, &key);
      if (position == MLOOM_JSON_MALFORMED) {
        return MLOOM_JSON_MALFORMED;
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
