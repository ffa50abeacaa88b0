/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/members.h"

#include "base/json.h"
#include "base/text.h"

mloom_bytes mloom_cli_bytes(const mloom_buffer *buffer) {
  return (mloom_bytes){mloom_buffer_string(buffer), buffer->size};
}

int mloom_cli_is(const mloom_buffer *buffer, const char *text) {
  return mloom_text_equal(mloom_cli_bytes(buffer), text);
}

void mloom_cli_take_text(mloom_json_reader *reader, mloom_buffer *out) {
  mloom_buffer_clear(out);
  mloom_json_reader_append_string(reader, out);
}

void mloom_cli_begin(mloom_json_reader *reader, mloom_bytes json) {
  mloom_json_reader_init(reader, json.data == NULL ? "" : json.data, json.size);
}

static void take_count(mloom_json_reader *reader, uint64_t *out) {
  int64_t number = 0;
  *out = mloom_json_reader_integer(reader, &number) && number > 0 ? (uint64_t)number : 0;
}

static void take(mloom_json_reader *reader, const mloom_cli_member *member, void *out);

static void take_object(mloom_json_reader *reader, const mloom_cli_member *member, void *out) {
  if (mloom_json_reader_peek(reader) == MLOOM_JSON_STRING) {
    take(reader, &member->inside->items[0], out);
  } else {
    mloom_cli_read_members(reader, member->inside, out);
  }
}

/* A table may hold itself only through MLOOM_CLI_RAW, so this is no deeper than the tables are. */
static void take(mloom_json_reader *reader, const mloom_cli_member *member, void *out) {
  void *place = (char *)out + member->offset;
  switch (member->kind) {
  case MLOOM_CLI_TEXT:
    mloom_cli_take_text(reader, place);
    break;
  case MLOOM_CLI_RAW:
    mloom_json_reader_raw(reader, place);
    break;
  case MLOOM_CLI_INTEGER:
    mloom_json_reader_integer(reader, place);
    break;
  case MLOOM_CLI_BOOLEAN:
    mloom_json_reader_boolean(reader, place);
    break;
  case MLOOM_CLI_COUNT:
    take_count(reader, place);
    break;
  case MLOOM_CLI_IS_TEXT:
    *(int *)place = mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
    mloom_json_reader_skip(reader);
    break;
  default:
    take_object(reader, member, place);
    break;
  }
}

int mloom_cli_read_members(mloom_json_reader *reader, const mloom_cli_members *members, void *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return 0;
  }
  while (mloom_json_reader_key(reader, &key)) {
    size_t i = 0;
    while (i < members->count && !mloom_text_equal(key, members->items[i].key)) {
      i++;
    }
    if (i < members->count) {
      take(reader, &members->items[i], out);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  return 1;
}

int mloom_cli_read_object(mloom_bytes json, const mloom_cli_members *members, void *out) {
  mloom_json_reader reader;
  mloom_cli_begin(&reader, json);
  return mloom_cli_read_members(&reader, members, out);
}
