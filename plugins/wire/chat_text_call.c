/* SPDX-License-Identifier: Apache-2.0
 *
 * Recognises a tool call that a weak server left in the text. It is reported and never run.
 */
#include "chat.h"

#include "config.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

static int is_tool(mloom_bytes name, const char *const *tool_names) {
  for (size_t i = 0; tool_names != NULL && tool_names[i] != NULL; i++) {
    if (mloom_text_equal(name, tool_names[i])) {
      return 1;
    }
  }
  return 0;
}

static const char *find(mloom_bytes text, const char *word) {
  return text.size == 0 ? NULL : memmem(text.data, text.size, word, strlen(word));
}

/* Is text one JSON object (or an array of them) that names a tool and has arguments? */
static int is_call_object(mloom_bytes text, const char *const *tool_names, mloom_bytes *name) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY) {
    mloom_json_reader_array(&reader);
    if (!mloom_json_reader_element(&reader)) {
      return 0;
    }
  }
  if (mloom_json_reader_peek(&reader) != MLOOM_JSON_OBJECT) {
    return 0;
  }
  mloom_bytes key;
  int named = 0;
  int has_arguments = 0;
  for (int depth = 0; depth < 2; depth++) {
    int nested = 0;
    mloom_json_reader_object(&reader);
    while (!nested && mloom_json_reader_key(&reader, &key)) {
      int kind = mloom_json_reader_peek(&reader);
      mloom_bytes raw = {NULL, 0};
      if (mloom_text_equal(key, "function") && kind == MLOOM_JSON_OBJECT) {
        nested = 1; /* {"type":"function","function":{"name":...}} */
      } else if ((mloom_text_equal(key, "name") || mloom_text_equal(key, "function") || mloom_text_equal(key, "tool") ||
                  mloom_text_equal(key, "tool_name")) &&
                 kind == MLOOM_JSON_STRING) {
        /* Without the quotes. */
        if (mloom_json_reader_raw(&reader, &raw) && raw.size >= 2 && !named) {
          mloom_bytes inner = {raw.data + 1, raw.size - 2};
          named = is_tool(inner, tool_names);
          *name = named ? inner : *name;
        }
      } else {
        has_arguments |= mloom_text_equal(key, "arguments") || mloom_text_equal(key, "parameters") ||
                         mloom_text_equal(key, "args") || mloom_text_equal(key, "input");
        mloom_json_reader_skip(&reader);
      }
    }
    if (!nested) {
      break;
    }
  }
  return named && has_arguments;
}

/* <function=NAME>, <function name="NAME">, <invoke name="NAME"> */
static int find_tag(mloom_bytes text, const char *opening, const char *const *tool_names, mloom_bytes *name) {
  const char *end = text.data + text.size;
  mloom_bytes rest = text;
  for (const char *at = find(rest, opening); at != NULL; at = find(rest, opening)) {
    const char *begin = at + strlen(opening);
    const char *stop = begin;
    while (stop < end && *stop != '>' && *stop != '"' && *stop != '\'' && *stop != ' ' && *stop != '\n') {
      stop++;
    }
    mloom_bytes candidate = {begin, (size_t)(stop - begin)};
    if (is_tool(candidate, tool_names)) {
      *name = candidate;
      return 1;
    }
    rest.data = begin;
    rest.size = (size_t)(end - begin);
  }
  return 0;
}

static int find_fenced(mloom_bytes text, const char *const *tool_names, mloom_bytes *name) {
  const char *end = text.data + text.size;
  mloom_bytes rest = text;
  for (const char *at = find(rest, "```"); at != NULL; at = find(rest, "```")) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    if (line_end == NULL) {
      return 0;
    }
    rest.data = line_end + 1;
    rest.size = (size_t)(end - rest.data);
    const char *close = find(rest, "```");
    mloom_bytes inside = {rest.data, close == NULL ? rest.size : (size_t)(close - rest.data)};
    if (is_call_object(mloom_text_trim(inside), tool_names, name)) {
      return 1;
    }
    if (close == NULL) {
      return 0;
    }
    rest.data = close + 3;
    rest.size = (size_t)(end - rest.data);
  }
  return 0;
}

const char *mloom_chat_find_text_call(mloom_bytes text, const char *const *tool_names, mloom_bytes *name) {
  static const char *const markers[] = {"<tool_call>",
                                        "[TOOL_CALLS]",
                                        "<|python_tag|>",
                                        "<function_call>",
                                        "<|tool_call|>",
                                        "<|tool_calls_section_begin|>",
                                        "functools[",
                                        "<|tool_call_begin|>",
                                        "<\xef\xbd\x9ctool\xe2\x96\x81"
                                        "calls\xe2\x96\x81"
                                        "begin\xef\xbd\x9c>",
                                        "[TOOL_REQUEST]",
                                        "<|start|>assistant<|channel|>commentary to=functions."};
  static const char *const tags[] = {"<function=", "<function name=\"", "<invoke name=\"", "<tool name=\""};
  *name = (mloom_bytes){"", 0};
  if (text.size == 0 || tool_names == NULL || tool_names[0] == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
    if (find_tag(text, tags[i], tool_names, name)) {
      return tags[i][1] == 'i' ? "<invoke name=...>" : "<function=...>";
    }
  }
  for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
    const char *at = find(text, markers[i]);
    if (at != NULL) {
      const char *begin = at + strlen(markers[i]);
      mloom_bytes inside = {begin, (size_t)(text.data + text.size - begin)};
      (void)is_call_object(mloom_text_trim(inside), tool_names, name);
      return markers[i];
    }
  }
  mloom_bytes whole = mloom_text_trim(text);
  if (whole.size > 0 && (whole.data[0] == '{' || whole.data[0] == '[') && is_call_object(whole, tool_names, name)) {
    return "a bare JSON object";
  }
  if (find_fenced(text, tool_names, name)) {
    return "a JSON object in a code fence";
  }
  return NULL;
}
