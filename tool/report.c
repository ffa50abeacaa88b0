/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

#define LABEL_COLUMNS 11
#define FILE_LIMIT 40
#define AUDIT_COLUMNS 160

static void add_label(tool_text *out, const char *label) {
  tool_text_format(out, "  %-*s", LABEL_COLUMNS, label);
}

static int state_style(const char *state) {
  if (strcmp(state, "completed") == 0) {
    return TOOL_STYLE_GREEN;
  }
  return strcmp(state, "cancelled") == 0 ? TOOL_STYLE_YELLOW : TOOL_STYLE_RED;
}

static void add_files(tool_text *out, const json_value *files, int color) {
  size_t shown = 0;
  for (const json_value *file = json_first(files); file != NULL && shown < FILE_LIMIT; file = file->next, shown++) {
    const char *path = json_string(file, "path", "");
    const char *status = json_string(file, "status", "");
    tool_text counts = {NULL, 0, 0};
    add_label(out, shown == 0 ? "changed" : "");
    tool_text_add_safe(out, path, strlen(path), 0);
    if (json_truth(file, "binary", 0)) {
      tool_text_format(&counts, "  %s, binary", status);
    } else {
      tool_text_format(&counts, "  %s, +%lld -%lld", status, json_integer(file, "added", 0),
                       json_integer(file, "removed", 0));
    }
    tool_append_styled(out, color, TOOL_STYLE_DIM, tool_text_get(&counts));
    tool_text_add(out, "\n");
    tool_text_free(&counts);
  }
  size_t count = json_count(files);
  if (count > shown) {
    add_label(out, "");
    tool_text_format(out, "and %zu more files\n", count - shown);
  }
}

static void add_validation(tool_text *out, const json_value *validation, int color) {
  const char *label = "validation";
  for (const json_value *c = json_first(json_get(validation, "commands")); c != NULL; c = c->next) {
    unsigned state = tool_check_state(json_string(c, "state", "fail"));
    tool_text duration = {NULL, 0, 0};
    add_label(out, label);
    tool_append_styled(out, color, tool_check_style(state), tool_check_mark(state));
    tool_text_add(out, " ");
    tool_append_styled(out, 0, TOOL_STYLE_PLAIN, json_string(c, "command", ""));
    tool_text_add(&duration, "  ");
    tool_text_add(&duration, json_string(c, "outcome", ""));
    tool_text_add(&duration, ", ");
    tool_append_duration(&duration, json_integer(c, "duration_ms", 0));
    tool_append_styled(out, color, TOOL_STYLE_DIM, tool_text_get(&duration));
    tool_text_add(out, "\n");
    tool_text_free(&duration);
    label = "";
  }
}

static void add_notes(tool_text *out, const json_value *notes, const char *label, int color) {
  for (const json_value *note = json_first(notes); note != NULL; note = note->next) {
    if (note->kind == JSON_STRING) {
      tool_text_add(out, "  ");
      tool_text padded = {NULL, 0, 0};
      tool_text_format(&padded, "%-*s", LABEL_COLUMNS, label);
      tool_append_styled(out, color, TOOL_STYLE_YELLOW, tool_text_get(&padded));
      tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, note->text, LABEL_COLUMNS + 2);
      tool_text_free(&padded);
    }
  }
}

static void add_numbers(tool_text *out, const json_value *result) {
  const json_value *usage = json_get(result, "usage");
  const char *provider = json_string(result, "provider", NULL);
  long long cached = json_integer(usage, "cached_input_tokens", 0);
  if (provider != NULL) {
    add_label(out, "provider");
    tool_append_styled(out, 0, TOOL_STYLE_PLAIN, provider);
    tool_text_add(out, ", model ");
    tool_append_styled(out, 0, TOOL_STYLE_PLAIN, json_string(result, "model", "-"));
    tool_text_add(out, "\n");
  }
  if (usage != NULL) {
    add_label(out, "used");
    tool_text_format(out, "%lld turns, %lld tool calls, ", json_integer(result, "turns", 0),
                     json_integer(result, "tool_calls", 0));
    tool_append_count(out, (unsigned long long)json_integer(usage, "input_tokens", 0));
    tool_text_add(out, " tokens in");
    if (cached > 0) {
      tool_text_add(out, " (");
      tool_append_count(out, (unsigned long long)cached);
      tool_text_add(out, " cached)");
    }
    tool_text_add(out, ", ");
    tool_append_count(out, (unsigned long long)json_integer(usage, "output_tokens", 0));
    tool_text_add(out, " out, ");
    tool_append_duration(out, json_integer(json_get(result, "timings"), "duration_ms", 0));
    if (json_string(usage, "cost_estimate", NULL) != NULL) {
      tool_text_add(out, ", cost about ");
      tool_append_styled(out, 0, TOOL_STYLE_PLAIN, json_string(usage, "cost_estimate", ""));
    }
    tool_text_add(out, "\n");
  }
}

static void add_diff(tool_text *out, const char *diff, int color) {
  while (*diff != '\0') {
    size_t size = strcspn(diff, "\n");
    int style = TOOL_STYLE_PLAIN;
    if (strncmp(diff, "+++", 3) == 0 || strncmp(diff, "---", 3) == 0 || strncmp(diff, "diff ", 5) == 0) {
      style = TOOL_STYLE_BOLD;
    } else if (diff[0] == '@') {
      style = TOOL_STYLE_CYAN;
    } else if (diff[0] == '+') {
      style = TOOL_STYLE_GREEN;
    } else if (diff[0] == '-') {
      style = TOOL_STYLE_RED;
    }
    tool_text line = {NULL, 0, 0};
    tool_text_append(&line, diff, size);
    tool_append_styled(out, color, style, tool_text_get(&line));
    tool_text_add(out, "\n");
    tool_text_free(&line);
    diff += size + (diff[size] == '\n');
  }
}

static void add_result(tool_text *out, const json_value *result, int color) {
  const char *state = json_string(result, "state", "");
  const char *summary = json_string(result, "summary", "");
  const char *audit = json_string(result, "audit", NULL);
  tool_append_styled(out, color, TOOL_STYLE_BOLD, json_string(result, "id", "job"));
  tool_text_add(out, ": ");
  tool_append_styled(out, color, state_style(state), state);
  tool_text_add(out, "\n");
  if (summary[0] != '\0') {
    add_label(out, "summary");
    tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, summary, LABEL_COLUMNS + 2);
  }
  add_files(out, json_get(result, "files_changed"), color);
  add_validation(out, json_get(result, "validation"), color);
  add_notes(out, json_get(result, "discrepancies"), "flagged", color);
  add_notes(out, json_get(result, "tampered"), "tampered", color);
  add_notes(out, json_get(result, "warnings"), "warning", color);
  add_numbers(out, result);
  if (audit != NULL) {
    add_label(out, "audit");
    tool_append_styled(out, 0, TOOL_STYLE_PLAIN, audit);
    tool_text_add(out, "\n");
  }
}

/* The reason of a job that did not complete; for stored results, since a live one is complained about. */
static void add_error(tool_text *out, const json_value *result) {
  const json_value *error = json_get(result, "error");
  const char *remedy = json_string(error, "remedy", "");
  if (json_string(error, "message", NULL) != NULL) {
    add_label(out, "reason");
    tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, json_string(error, "message", ""), LABEL_COLUMNS + 2);
    if (remedy[0] != '\0') {
      add_label(out, "");
      tool_text_add(out, "try: ");
      tool_add_wrapped(out, 0, TOOL_STYLE_PLAIN, remedy, LABEL_COLUMNS + 7);
    }
  }
}

static int is_result(const json_value *value) {
  return strcmp(json_string(value, "schema", ""), "mergeloom.result.v1") == 0;
}

int report_result(const tool_options *options, const char *json, const char *diff, int with_reason) {
  json_document *document = json_parse(json, strlen(json));
  const json_value *result = json_root(document);
  tool_text out = {NULL, 0, 0};
  int known = is_result(result);
  if (known) {
    if (diff != NULL && diff[0] != '\0') {
      add_diff(&out, diff, options->color_on);
      tool_text_add(&out, "\n");
    }
    add_result(&out, result, options->color_on);
    if (with_reason) {
      add_error(&out, result);
    }
    fputs(tool_text_get(&out), stdout);
  }
  tool_text_free(&out);
  json_free(document);
  return known ? 0 : -1;
}

/* "12:34:56  tool        name=read_file state=pass ...": the scalar members of one fact. */
static void add_fact(tool_text *out, const json_value *fact, int color) {
  const char *time = json_string(fact, "time", "");
  tool_text rest = {NULL, 0, 0};
  tool_text safe = {NULL, 0, 0};
  for (const json_value *member = json_first(fact); member != NULL; member = member->next) {
    if (strcmp(member->name, "time") == 0 || strcmp(member->name, "fact") == 0) {
      continue;
    }
    if (member->kind == JSON_STRING || member->kind == JSON_NUMBER) {
      tool_text_format(&rest, "%s%s=", rest.size > 0 ? " " : "", member->name);
      tool_text_append(&rest, member->text, member->text_size);
    }
  }
  tool_text_add_safe(&safe, tool_text_get(&rest), rest.size, 0);
  tool_append_styled(out, color, TOOL_STYLE_DIM, strlen(time) > 19 ? time + 11 : time);
  tool_text_format(out, "  ");
  tool_text name = {NULL, 0, 0};
  tool_text_format(&name, "%-11s", json_string(fact, "fact", ""));
  tool_append_styled(out, 0, TOOL_STYLE_PLAIN, tool_text_get(&name));
  tool_text_add_cut(out, tool_text_get(&safe), safe.size, AUDIT_COLUMNS);
  tool_text_add(out, "\n");
  tool_text_free(&name);
  tool_text_free(&rest);
  tool_text_free(&safe);
}

int report_audit(const tool_options *options, const char *text, size_t size) {
  tool_text out = {NULL, 0, 0};
  size_t facts = 0;
  while (size > 0) {
    const char *end = memchr(text, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - text);
    json_document *document = json_parse(text, length);
    const json_value *fact = json_root(document);
    if (json_string(fact, "fact", NULL) != NULL) {
      facts++;
      if (is_result(fact)) {
        add_result(&out, fact, options->color_on);
        add_error(&out, fact);
      } else {
        add_fact(&out, fact, options->color_on);
      }
      if (options->show_diff && strcmp(json_string(fact, "fact", ""), "diff") == 0) {
        add_diff(&out, json_string(fact, "patch", ""), options->color_on);
      }
    }
    json_free(document);
    length += end != NULL;
    text += length;
    size -= length;
  }
  fputs(tool_text_get(&out), stdout);
  tool_text_free(&out);
  return facts > 0 ? 0 : -1;
}

static int is_json(const char *text, size_t size) {
  json_document *document = json_parse(text, size);
  json_free(document);
  return document != NULL;
}

int report_json(const char *text, size_t size) {
  int valid = is_json(text, size);
  if (!valid) {
    const char *line = text;
    const char *end = text + size;
    valid = size > 0;
    while (valid && line < end) {
      const char *newline = memchr(line, '\n', (size_t)(end - line));
      size_t length = newline == NULL ? (size_t)(end - line) : (size_t)(newline - line);
      valid = is_json(line, length);
      line += length + (newline != NULL);
    }
  }
  if (valid) {
    fwrite(text, 1, size, stdout);
  }
  return valid ? 0 : -1;
}
