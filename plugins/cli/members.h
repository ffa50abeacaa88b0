/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of JSON objects by a table: where in a struct the value of each goes. What is not in the table, or of another
 * kind than the table says, is passed over.
 */
#ifndef MLOOM_CLI_MEMBERS_H
#define MLOOM_CLI_MEMBERS_H

#include "base/json_reader.h"

#define MLOOM_CLI_TEXT 0u    /* mloom_buffer: a string in the place of what it holds; empty where it is none */
#define MLOOM_CLI_RAW 1u     /* mloom_bytes: the JSON text, within that of the object */
#define MLOOM_CLI_INTEGER 2u /* int64_t */
#define MLOOM_CLI_BOOLEAN 3u /* int */
#define MLOOM_CLI_COUNT 4u   /* uint64_t: a number that is no less than 0, else 0 */
#define MLOOM_CLI_IS_TEXT 5u /* int: whether it is a string */
#define MLOOM_CLI_OBJECT 6u  /* a struct with a table of its own */

typedef struct mloom_cli_members mloom_cli_members;

typedef struct mloom_cli_member {
  const char *key;
  uint32_t kind;
  size_t offset;
  const mloom_cli_members *inside; /* of MLOOM_CLI_OBJECT; a string in its place is its first member */
} mloom_cli_member;

struct mloom_cli_members {
  const mloom_cli_member *items;
  size_t count;
};

/* Defines the table name; what follows are initializers of mloom_cli_member. */
#define MLOOM_CLI_MEMBERS(name, ...)                          \
  static const mloom_cli_member name##_items[] = __VA_ARGS__; \
  static const mloom_cli_members name = {name##_items, sizeof(name##_items) / sizeof(name##_items[0])}

/* Reads the object that comes next; 0 when it is none. */
int mloom_cli_read_members(mloom_json_reader *reader, const mloom_cli_members *members, void *out);
/* The same with the JSON text of an object, which may be {NULL, 0}. */
int mloom_cli_read_object(mloom_bytes json, const mloom_cli_members *members, void *out);

/* Reads a string in the place of what out holds; what is none leaves it empty. */
void mloom_cli_take_text(mloom_json_reader *reader, mloom_buffer *out);
/* The reader of json, which may be {NULL, 0}. */
void mloom_cli_begin(mloom_json_reader *reader, mloom_bytes json);
mloom_bytes mloom_cli_bytes(const mloom_buffer *buffer);
int mloom_cli_is(const mloom_buffer *buffer, const char *text);

#endif
