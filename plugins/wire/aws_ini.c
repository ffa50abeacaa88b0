/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/aws_ini.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"

/* This section's settings count for all others. */
#define DEFAULT_SECTION "DEFAULT"

typedef struct parser {
  mloom_aws_ini *ini;
  const char *path;
  mloom_error *error;
  size_t line; /* 1, 2, ... */
  mloom_aws_section defaults;
  mloom_aws_section *section; /* what settings go to; NULL before the first */
  mloom_aws_option *option;   /* what deeper lines go to; NULL behind a section's line */
  mloom_buffer value;         /* of option, as far as it has come */
  size_t indent;              /* of option's line */
} parser;

/* ---- Memory ---- */

static void wipe_string(char *string) {
  if (string != NULL) {
    explicit_bzero(string, strlen(string));
  }
  free(string);
}

static void section_free(mloom_aws_section *section) {
  for (size_t i = 0; i < section->count; i++) {
    free(section->options[i].name);
    wipe_string(section->options[i].value);
  }
  free(section->options);
  free(section->name);
}

void mloom_aws_ini_free(mloom_aws_ini *ini) {
  for (size_t i = 0; i < ini->count; i++) {
    section_free(&ini->sections[i]);
  }
  free(ini->sections);
  *ini = (mloom_aws_ini){NULL, 0};
}

/* Room for one more of count things of the given size, doubled at powers of two. NULL when out of memory. */
static void *grow(void *list, size_t count, size_t size) {
  return count != 0 && (count & (count - 1)) != 0 ? list : realloc(list, (count == 0 ? 1 : 2 * count) * size);
}

/* ---- Lines ---- */

static int32_t malformed(const parser *self, const char *what) {
  return mloom_error_set(self->error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "correct this line of the file",
                         "%s, line %zu: %s", self->path, self->line, what);
}

static int32_t too_much(const parser *self, const char *what) {
  return mloom_error_set(self->error, MLOOM_E_LIMIT, MLOOM_DOMAIN_CREDENTIAL, "use a smaller file",
                         "%s, line %zu: there are too many %s", self->path, self->line, what);
}

/* The option's value is whole: another one begins, or the file ends. */
static int32_t end_value(parser *self) {
  if (self->option == NULL) {
    return MLOOM_OK;
  }
  size_t size = self->value.size;
  while (size > 0 && strchr(" \t\n\r\f\v", self->value.data[size - 1]) != NULL) {
    size--;
  }
  self->option->value = mloom_text_dup((mloom_bytes){mloom_buffer_string(&self->value), size});
  int memory = self->option->value != NULL;
  self->option = NULL;
  mloom_buffer_wipe(&self->value);
  return memory ? MLOOM_OK : mloom_error_memory(self->error);
}

static int32_t begin_section(parser *self, mloom_bytes name) {
  int32_t code = end_value(self);
  if (code != MLOOM_OK) {
    return code;
  }
  if (memchr(name.data, '\0', name.size) != NULL) {
    return malformed(self, "a section's name holds a NUL");
  }
  if (mloom_text_equal(name, DEFAULT_SECTION)) {
    self->section = &self->defaults;
    return MLOOM_OK;
  }
  for (size_t i = 0; i < self->ini->count; i++) {
    if (mloom_text_equal(name, self->ini->sections[i].name)) {
      return malformed(self, "a section of this name stands further up already");
    }
  }
  if (self->ini->count == MLOOM_AWS_INI_SECTIONS) {
    return too_much(self, "sections");
  }
  mloom_aws_section *grown = grow(self->ini->sections, self->ini->count, sizeof(*grown));
  char *copy = mloom_text_dup(name);
  if (grown != NULL) {
    self->ini->sections = grown;
  }
  if (grown == NULL || copy == NULL) {
    free(copy);
    return mloom_error_memory(self->error);
  }
  self->section = &grown[self->ini->count++];
  *self->section = (mloom_aws_section){.name = copy};
  return MLOOM_OK;
}

static int32_t begin_option(parser *self, mloom_bytes line) {
  int32_t code = end_value(self);
  size_t end = 0;
  while (end < line.size && line.data[end] != '=' && line.data[end] != ':') {
    end++;
  }
  mloom_bytes name = mloom_text_trim((mloom_bytes){line.data, end});
  if (code != MLOOM_OK) {
    return code;
  }
  if (end == line.size || name.size == 0 || memchr(line.data, '\0', line.size) != NULL) {
    return malformed(self, end == line.size ? "there is no = in it" : "it is no NAME = VALUE");
  }
  if (self->section->count == MLOOM_AWS_INI_OPTIONS) {
    return too_much(self, "settings");
  }
  for (size_t i = 0; i < self->section->count; i++) {
    if (mloom_text_equal_fold(name, self->section->options[i].name)) {
      return malformed(self, "its section has a setting of this name already");
    }
  }
  mloom_aws_option *grown = grow(self->section->options, self->section->count, sizeof(*grown));
  char *copy = mloom_text_dup(name);
  if (grown != NULL) {
    self->section->options = grown;
  }
  if (grown == NULL || copy == NULL) {
    free(copy);
    return mloom_error_memory(self->error);
  }
  for (char *c = copy; *c != '\0'; c++) {
    *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
  }
  self->option = &grown[self->section->count++];
  *self->option = (mloom_aws_option){.name = copy};
  mloom_bytes value = mloom_text_trim((mloom_bytes){line.data + end + 1, line.size - end - 1});
  return mloom_buffer_append_wiping(&self->value, value.data, value.size) == MLOOM_OK ? MLOOM_OK
                                                                                      : mloom_error_memory(self->error);
}

static int32_t continue_value(parser *self, mloom_bytes line) {
  if (line.size > 0 && memchr(line.data, '\0', line.size) != NULL) {
    return malformed(self, "it holds a NUL");
  }
  if (mloom_buffer_append_wiping(&self->value, "\n", 1) != MLOOM_OK ||
      mloom_buffer_append_wiping(&self->value, line.data, line.size) != MLOOM_OK) {
    return mloom_error_memory(self->error);
  }
  return MLOOM_OK;
}

static int32_t parse_line(parser *self, mloom_bytes line) {
  mloom_bytes text = mloom_text_trim(line);
  if (text.size > 0 && (text.data[0] == '#' || text.data[0] == ';')) {
    return MLOOM_OK;
  }
  if (text.size == 0) {
    return self->option == NULL ? MLOOM_OK : continue_value(self, text);
  }
  size_t indent = (size_t)(text.data - line.data);
  if (self->option != NULL && indent > self->indent) {
    return continue_value(self, text);
  }
  self->indent = indent;
  size_t bracket = text.size;
  while (bracket > 0 && text.data[bracket - 1] != ']') {
    bracket--;
  }
  if (text.data[0] == '[' && bracket > 2) {
    return begin_section(self, (mloom_bytes){text.data + 1, bracket - 2});
  }
  if (self->section == NULL) {
    return malformed(self, "a [section] has to stand before it");
  }
  return begin_option(self, text);
}

/* ---- The whole ---- */

/* Adds what only the default section says. */
static int32_t add_defaults(parser *self, mloom_aws_section *section) {
  for (size_t i = 0; i < self->defaults.count; i++) {
    const mloom_aws_option *option = &self->defaults.options[i];
    if (mloom_aws_section_get(section, option->name) != NULL) {
      continue;
    }
    mloom_aws_option *grown = grow(section->options, section->count, sizeof(*grown));
    if (grown != NULL) {
      section->options = grown;
    }
    mloom_aws_option copy = {strdup(option->name), strdup(option->value)};
    if (grown == NULL || copy.name == NULL || copy.value == NULL) {
      free(copy.name);
      wipe_string(copy.value);
      return mloom_error_memory(self->error);
    }
    section->options[section->count++] = copy;
  }
  return MLOOM_OK;
}

static int32_t parse_lines(parser *self, mloom_bytes text) {
  int32_t code = MLOOM_OK;
  for (size_t start = 0; code == MLOOM_OK && start < text.size;) {
    size_t end = start;
    while (end < text.size && text.data[end] != '\n' && text.data[end] != '\r') {
      end++;
    }
    self->line++;
    code = parse_line(self, (mloom_bytes){text.data + start, end - start});
    start = end + 1 < text.size && text.data[end] == '\r' && text.data[end + 1] == '\n' ? end + 2 : end + 1;
  }
  return code == MLOOM_OK ? end_value(self) : code;
}

int32_t mloom_aws_ini_parse(mloom_aws_ini *out, mloom_bytes text, const char *path, mloom_error *error) {
  *out = (mloom_aws_ini){NULL, 0};
  parser self = {.ini = out, .path = path, .error = error, .value = MLOOM_BUFFER_INIT};
  if (!mloom_text_is_utf8(text.data, text.size)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "store the file as UTF-8",
                           "%s is not UTF-8 text", path);
  }
  int32_t code = parse_lines(&self, text);
  for (size_t i = 0; code == MLOOM_OK && i < out->count; i++) {
    code = add_defaults(&self, &out->sections[i]);
  }
  mloom_buffer_wipe(&self.value);
  section_free(&self.defaults);
  return code;
}

const mloom_aws_section *mloom_aws_ini_section(const mloom_aws_ini *ini, const char *name) {
  for (size_t i = 0; i < ini->count; i++) {
    if (strcmp(ini->sections[i].name, name) == 0) {
      return &ini->sections[i];
    }
  }
  return NULL;
}

const char *mloom_aws_section_get(const mloom_aws_section *section, const char *name) {
  for (size_t i = 0; section != NULL && i < section->count; i++) {
    if (strcmp(section->options[i].name, name) == 0) {
      return section->options[i].value;
    }
  }
  return NULL;
}

int32_t mloom_aws_ini_nested(mloom_bytes *found, const char *block, const char *name) {
  *found = (mloom_bytes){NULL, 0};
  for (const char *rest = block; *rest != '\0';) {
    size_t size = strcspn(rest, "\n");
    mloom_bytes line = mloom_text_trim((mloom_bytes){rest, size});
    rest += size + (rest[size] == '\n');
    const char *equal = line.size == 0 ? NULL : memchr(line.data, '=', line.size);
    if (line.size == 0) {
      continue;
    }
    if (equal == NULL) {
      return MLOOM_E_INVALID;
    }
    if (mloom_text_equal(mloom_text_trim((mloom_bytes){line.data, (size_t)(equal - line.data)}), name)) {
      *found = mloom_text_trim((mloom_bytes){equal + 1, line.size - (size_t)(equal - line.data) - 1});
    }
  }
  return MLOOM_OK;
}
