/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/directives.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "resolver/scan.h"
#include "settings/nearest.h"

#define DESCRIPTION_LIMIT ((size_t)1024 * 1024)
#define LINES_LIMIT 200
#define VALUE_LIMIT 4096
#define NAME_LIMIT 255
#define NOTES_LIMIT 64

/* What a key's value is. */
enum value_kind { VALUE_NAME, VALUE_NAMES, VALUE_PATHS, VALUE_TEXT };

static const struct {
  const char *name;
  enum value_kind kind;
} keys[] = {
    {"provider", VALUE_NAME},       {"model", VALUE_NAME},          {"work_repos", VALUE_NAMES},
    {"context_repos", VALUE_NAMES}, {"context_files", VALUE_PATHS}, {"context_folders", VALUE_PATHS},
    {"inline_context", VALUE_TEXT},
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])

typedef struct directive_entry {
  char *value; /* NULL while absent */
  char **list;
  size_t list_count;
  uint32_t line; /* of the value */
  uint32_t column;
  uint32_t key_line;
  uint32_t reserved;
} directive_entry;

struct mloom_directives {
  directive_entry entries[KEY_COUNT];
  mloom_directive_note *notes;
  size_t note_count;
  uint32_t blocked; /* 1: one of the notes blocks */
  uint32_t reserved;
};

/* One reading. */
typedef struct directive_parser {
  mloom_directives *directives;
  mloom_bytes text;
  mloom_scan_place place;
} directive_parser;

/* ---- Notes ---- */

static void fill(char *out, size_t size, const char *text, size_t text_size) {
  size_t kept = mloom_text_complete_prefix(text, text_size < size ? text_size : size - 1);
  memcpy(out, text, kept);
  out[kept] = '\0';
}

static int32_t note(directive_parser *parser, size_t offset, int blocks, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static int32_t note(directive_parser *parser, size_t offset, int blocks, const char *remedy, const char *format, ...) {
  mloom_directives *directives = parser->directives;
  /* However many warnings there are, what blocks is among the notes. */
  if (directives->note_count >= NOTES_LIMIT && (!blocks || directives->blocked)) {
    return MLOOM_OK;
  }
  directives->blocked |= blocks != 0;
  mloom_directive_note *grown = reallocarray(directives->notes, directives->note_count + 1, sizeof *grown);
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  directives->notes = grown;
  mloom_directive_note *added = &grown[directives->note_count++];
  memset(added, 0, sizeof *added);
  /* Notes of later parts of the reading may go back. */
  if (offset < parser->place.line_start) {
    mloom_scan_place_init(&parser->place, parser->text);
  }
  added->column = mloom_scan_place_move(&parser->place, offset);
  added->line = parser->place.line;
  added->blocks = blocks ? 1 : 0;
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  size_t written = size < 0 ? 0 : (size_t)size < sizeof message ? (size_t)size : sizeof message - 1;
  fill(added->message, sizeof added->message, message, written);
  fill(added->remedy, sizeof added->remedy, remedy, strlen(remedy));
  return MLOOM_OK;
}

/* A piece of the ticket for a message: short, whole characters. */
typedef struct quote {
  char text[84];
} quote;

static quote quoted(mloom_bytes text) {
  quote out;
  size_t kept = mloom_text_complete_prefix(text.data, text.size < 72 ? text.size : 72);
  snprintf(out.text, sizeof out.text, "'%.*s%s'", (int)kept, text.data, kept < text.size ? "..." : "");
  return out;
}

static size_t offset_of(const directive_parser *parser, const char *at) {
  return (size_t)(at - parser->text.data);
}

/* ---- Values ---- */

/* The first character of text that a value of this kind may not hold, or NULL. */
static const char *find_junk(mloom_bytes text, int free_text, uint32_t *code) {
  for (size_t i = 0; i < text.size;) {
    size_t size = mloom_scan_character(text.data + i, text.size - i, code);
    /* Scripts and emoji need joiners, and East Asian prose its full-width forms. */
    int prose = free_text && (*code == 0x200c || *code == 0x200d || mloom_scan_is_full_width(*code) ||
                              (*code >= 0xfe00 && *code <= 0xfe0f));
    if (mloom_scan_junk_name(*code) != NULL && !prose) {
      return text.data + i;
    }
    i += size;
  }
  return NULL;
}

static int32_t note_junk(directive_parser *parser, const char *at, uint32_t code, int blocks) {
  const char *name = mloom_scan_junk_name(code);
  if (code == MLOOM_SCAN_MALFORMED) {
    return note(parser, offset_of(parser, at), blocks, "type the line anew", "%s in the [JCA] block", name);
  }
  return note(parser, offset_of(parser, at), blocks, "type the line anew in plain characters",
              "U+%04X (%s) in the [JCA] block", (unsigned)code, name);
}

/* "&amp;" and the like. */
static const char *find_entity(mloom_bytes text) {
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] != '&') {
      continue;
    }
    size_t j = i + 1;
    while (j < text.size && j - i < 10 &&
           (text.data[j] == '#' || (text.data[j] >= '0' && text.data[j] <= '9') ||
            (text.data[j] >= 'a' && text.data[j] <= 'z') || (text.data[j] >= 'A' && text.data[j] <= 'Z'))) {
      j++;
    }
    if (j > i + 1 && j < text.size && text.data[j] == ';') {
      return text.data + i;
    }
  }
  return NULL;
}

static int is_quote(uint32_t code) {
  return code == '"' || code == '\'' || code == '`' || code == 0xab || code == 0xbb ||
         (code >= 0x2018 && code <= 0x201f) || code == 0x2039 || code == 0x203a;
}

/* Names and paths: what trackers make of plain text is refused rather than guessed at. */
static int32_t check_plain(directive_parser *parser, mloom_bytes value, enum value_kind kind, int *valid) {
  const char *entity = find_entity(value);
  *valid = 0;
  if (entity != NULL) {
    return note(parser, offset_of(parser, entity), 1, "write the character itself", "HTML-escaped text in %s",
                quoted(value).text);
  }
  for (size_t i = 0; i < value.size;) {
    uint32_t code = 0;
    size_t size = mloom_scan_character(value.data + i, value.size - i, &code);
    size_t at = offset_of(parser, value.data + i);
    if (is_quote(code)) {
      return note(parser, at, 1, "write the value without quotes", "quotation mark in %s", quoted(value).text);
    }
    if (code == '<' || code == '>' || code == '\\') {
      return note(parser, at, 1, "write plain text, without markup", "markup in %s", quoted(value).text);
    }
    if (kind == VALUE_NAME && (mloom_scan_is_blank(code) || code == ',' || code == '=')) {
      return note(parser, at, 1, "give one name, and each key=value a line of its own", "%s is not one name",
                  quoted(value).text);
    }
    if (kind != VALUE_PATHS && code >= 0x80) {
      return note(parser, at, 1, "type the name in ASCII letters", "U+%04X in the name %s", (unsigned)code,
                  quoted(value).text);
    }
    i += size;
  }
  *valid = 1;
  return MLOOM_OK;
}

/* The path of "alias:path" or "path" stays inside its repository. */
static int path_is_inside(mloom_bytes element) {
  const char *colon = memchr(element.data, ':', element.size);
  const char *path = colon == NULL ? element.data : colon + 1;
  const char *end = element.data + element.size;
  if (path == end || *path == '/') {
    return 0;
  }
  while (path < end) {
    const char *slash = memchr(path, '/', (size_t)(end - path));
    size_t size = (size_t)((slash == NULL ? end : slash) - path);
    if (size == 2 && path[0] == '.' && path[1] == '.') {
      return 0;
    }
    path += size + 1;
  }
  return 1;
}

static int32_t store_list(directive_parser *parser, directive_entry *entry, mloom_bytes value, enum value_kind kind) {
  size_t most = 1;
  for (size_t i = 0; i < value.size; i++) {
    most += value.data[i] == ',';
  }
  entry->list = calloc(most, sizeof *entry->list);
  if (entry->list == NULL) {
    return MLOOM_E_MEMORY;
  }
  for (size_t position = 0; position <= value.size;) {
    const char *comma = position < value.size ? memchr(value.data + position, ',', value.size - position) : NULL;
    size_t end = comma == NULL ? value.size : (size_t)(comma - value.data);
    mloom_bytes element = mloom_scan_trim((mloom_bytes){value.data + position, end - position});
    size_t at = offset_of(parser, element.data);
    position = end + 1;
    int32_t code = MLOOM_OK;
    if (element.size == 0) {
      code = note(parser, at, 0, "remove the comma", "an empty element of the list is skipped");
    } else if (kind == VALUE_PATHS && !path_is_inside(element)) {
      code = note(parser, at, 1, "write alias:path with a path inside that repository", "%s leads out of a repository",
                  quoted(element).text);
    } else if ((entry->list[entry->list_count] = mloom_text_dup(element)) == NULL) {
      code = MLOOM_E_MEMORY;
    } else {
      entry->list_count++;
    }
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

static int32_t store_value(directive_parser *parser, size_t key, mloom_bytes value) {
  directive_entry *entry = &parser->directives->entries[key];
  enum value_kind kind = keys[key].kind;
  if (kind != VALUE_TEXT) {
    int valid = 0;
    int32_t code = check_plain(parser, value, kind, &valid);
    if (code != MLOOM_OK || !valid) {
      return code;
    }
  } else if (find_entity(value) != NULL &&
             note(parser, offset_of(parser, find_entity(value)), 0, "write the character itself",
                  "the text looks HTML-escaped and is passed on as it is") != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  entry->value = mloom_text_dup(value);
  if (entry->value == NULL) {
    return MLOOM_E_MEMORY;
  }
  return kind == VALUE_NAMES || kind == VALUE_PATHS ? store_list(parser, entry, value, kind) : MLOOM_OK;
}

/* ---- Lines ---- */

static int is_key(mloom_bytes key) {
  for (size_t i = 0; i < key.size; i++) {
    char c = key.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) {
      return 0;
    }
  }
  return key.size > 0;
}

static int32_t note_unknown_key(directive_parser *parser, mloom_bytes key) {
  char name[65], remedy[128] = "remove the line; docs/resolution.md has the keys";
  mloom_nearest nearest;
  fill(name, sizeof name, key.data, key.size);
  mloom_nearest_init(&nearest, name);
  for (size_t i = 0; i < KEY_COUNT; i++) {
    mloom_nearest_offer(&nearest, keys[i].name, keys[i].name);
  }
  if (nearest.best != NULL) {
    snprintf(remedy, sizeof remedy, "did you mean %s?", nearest.best);
  }
  return note(parser, offset_of(parser, key.data), 0, remedy, "unknown key %s is ignored", quoted(key).text);
}

static int32_t read_pair(directive_parser *parser, mloom_bytes key, mloom_bytes value) {
  size_t at = offset_of(parser, key.data), index = 0;
  while (index < KEY_COUNT && !mloom_text_equal_fold(key, keys[index].name)) {
    index++;
  }
  if (index == KEY_COUNT) {
    return note_unknown_key(parser, key);
  }
  directive_entry *entry = &parser->directives->entries[index];
  if (entry->key_line != 0) {
    return note(parser, at, 1, "keep one of the two lines", "%s is given a second time", keys[index].name);
  }
  entry->column = mloom_scan_place_move(&parser->place, offset_of(parser, value.data));
  entry->line = entry->key_line = parser->place.line;
  if (value.size == 0) {
    return note(parser, at, 1, "give it a value or remove the line", "%s has no value", keys[index].name);
  }
  size_t limit = keys[index].kind == VALUE_NAME ? NAME_LIMIT : VALUE_LIMIT;
  if (value.size > limit) {
    return note(parser, at, 1, "shorten it", "the value of %s is longer than %zu bytes", keys[index].name, limit);
  }
  uint32_t code = 0;
  const char *junk = find_junk(value, keys[index].kind == VALUE_TEXT, &code);
  return junk != NULL ? note_junk(parser, junk, code, 1) : store_value(parser, index, value);
}

static int is_fence(mloom_bytes line) {
  return line.size >= 3 && (memcmp(line.data, "```", 3) == 0 || memcmp(line.data, "~~~", 3) == 0);
}

static mloom_bytes strip_line(mloom_bytes line) {
  line = mloom_scan_trim(line);
  while (line.size > 0 && line.data[0] == '>') {
    line = mloom_scan_trim((mloom_bytes){line.data + 1, line.size - 1});
  }
  return line;
}

static int32_t read_line(directive_parser *parser, mloom_bytes raw) {
  mloom_bytes line = strip_line(raw);
  uint32_t code = 0;
  if (line.size == 0 || line.data[0] == '#' || is_fence(line)) {
    return MLOOM_OK;
  }
  if (mloom_scan_is_decoration(line)) {
    const char *junk = find_junk(line, 0, &code);
    return junk == NULL ? MLOOM_OK : note_junk(parser, junk, code, 0);
  }
  const char *equals = memchr(line.data, '=', line.size);
  mloom_bytes front = {line.data, equals == NULL ? line.size : (size_t)(equals - line.data)};
  const char *junk = find_junk(front, 0, &code);
  if (junk != NULL) {
    return note_junk(parser, junk, code, 1);
  }
  size_t at = offset_of(parser, line.data);
  if (equals == NULL) {
    return note(parser, at, 1, "write key=value, or # in front of a comment", "%s is no key=value", quoted(line).text);
  }
  mloom_bytes key = mloom_scan_trim(front);
  if (!is_key(key)) {
    return note(parser, at, 1, "begin the line with one of the keys, without markup", "%s is no key", quoted(key).text);
  }
  mloom_bytes value = mloom_scan_trim((mloom_bytes){equals + 1, line.size - front.size - 1});
  return read_pair(parser, key, value);
}

static int32_t read_block(directive_parser *parser, size_t start, size_t end) {
  mloom_bytes text = {parser->text.data, end};
  size_t lines = 0;
  for (size_t position = start; position < end;) {
    size_t next = 0, line_end = mloom_scan_line_end(text, position, &next);
    if (++lines > LINES_LIMIT) {
      return note(parser, position, 1, "shorten the block", "the [JCA] block has more than %d lines", LINES_LIMIT);
    }
    int32_t code = read_line(parser, (mloom_bytes){text.data + position, line_end - position});
    if (code != MLOOM_OK) {
      return code;
    }
    position = next;
  }
  return MLOOM_OK;
}

/* ---- Finding the block ---- */

static int32_t note_look_alike(directive_parser *parser, const mloom_tag *tag, int blocks) {
  const char *remedy = "type the tag anew as [JCA] or [/JCA]";
  for (size_t i = tag->start; i < tag->end;) {
    uint32_t code = 0;
    i += mloom_scan_character(parser->text.data + i, parser->text.size - i, &code);
    if (code >= 0x80) {
      const char *name = mloom_scan_junk_name(code);
      return note(parser, tag->start, blocks, remedy, "this looks like a %s tag but has U+%04X%s%s%s in it",
                  tag->kind == MLOOM_TAG_LIKE_OPEN ? "[JCA]" : "[/JCA]", (unsigned)code, name == NULL ? "" : " (",
                  name == NULL ? "" : name, name == NULL ? "" : ")");
    }
  }
  return note(parser, tag->start, blocks, remedy, "this looks like a %s tag but has escapes or blanks in it",
              tag->kind == MLOOM_TAG_LIKE_OPEN ? "[JCA]" : "[/JCA]");
}

/* There is no closed block: what was meant as one blocks the job, what only speaks of one does not. */
static int32_t note_incomplete(directive_parser *parser, const mloom_tag_block *found) {
  int32_t code = MLOOM_OK;
  if (found->look_alike.kind != MLOOM_TAG_NONE) {
    code = note_look_alike(parser, &found->look_alike, 1);
  }
  if (code == MLOOM_OK && found->open.kind == MLOOM_TAG_OPEN) {
    int meant = mloom_tag_begins_line(parser->text, &found->open);
    code = note(parser, found->open.start, meant, "add a line [/JCA] after the last directive",
                "this [JCA] has no closing [/JCA]%s", meant ? "" : " and is not read");
  }
  if (code == MLOOM_OK && found->stray.kind != MLOOM_TAG_NONE && found->open.kind == MLOOM_TAG_NONE) {
    code = note(parser, found->stray.start, 1, "add a line [JCA] before the first directive",
                "this [/JCA] has no [JCA] before it");
  }
  return code;
}

static int32_t note_rest(directive_parser *parser, mloom_tag_search *search, const mloom_tag_block *found) {
  mloom_bytes text = parser->text;
  size_t next = 0, end = mloom_scan_line_end(text, found->close.end, &next);
  int32_t code = MLOOM_OK;
  if (found->look_alike.kind != MLOOM_TAG_NONE && found->look_alike.start < found->open.start) {
    code = note_look_alike(parser, &found->look_alike, 0);
  }
  mloom_tag tag = mloom_tag_search_next(search);
  int another = tag.kind != MLOOM_TAG_NONE && tag.start < end;
  if (code == MLOOM_OK && !another &&
      !mloom_scan_is_decoration((mloom_bytes){text.data + found->close.end, end - found->close.end})) {
    code = note(parser, found->close.end, 0, "put it on a line of its own", "text after [/JCA] is not a directive");
  }
  for (; code == MLOOM_OK && tag.kind != MLOOM_TAG_NONE; tag = mloom_tag_search_next(search)) {
    if (tag.kind == MLOOM_TAG_OPEN || tag.kind == MLOOM_TAG_LIKE_OPEN) {
      return note(parser, tag.start, 0, "move its lines to the first block", "only the first [JCA] block is read");
    }
  }
  return code;
}

static int32_t read_description(directive_parser *parser) {
  mloom_tag_search search;
  mloom_tag_block found;
  mloom_tag_search_init(&search, parser->text);
  mloom_tag_search_block(&search, &found);
  if (found.open.kind == MLOOM_TAG_NONE || found.close.kind == MLOOM_TAG_NONE) {
    return note_incomplete(parser, &found);
  }
  if (found.look_alike.kind == MLOOM_TAG_LIKE_CLOSE && found.look_alike.start > found.open.start) {
    return note_look_alike(parser, &found.look_alike, 1);
  }
  int32_t code = read_block(parser, found.open.end, found.close.start);
  return code != MLOOM_OK ? code : note_rest(parser, &search, &found);
}

/* ---- Interface ---- */

int32_t mloom_directives_parse(mloom_directives **out, const char *description, size_t size, mloom_error *error) {
  *out = NULL;
  mloom_directives *directives = calloc(1, sizeof *directives);
  if (directives == NULL) {
    return mloom_error_memory(error);
  }
  directive_parser parser = {.directives = directives, .text = {description, size}};
  int32_t code = MLOOM_OK;
  if (size > DESCRIPTION_LIMIT) {
    parser.text.size = 0;
    mloom_scan_place_init(&parser.place, parser.text);
    code = note(&parser, 0, 1, "shorten it, or attach the long parts to the ticket",
                "the description is longer than 1 MiB");
  } else if (size > 0) {
    mloom_scan_place_init(&parser.place, parser.text);
    code = read_description(&parser);
  }
  if (code != MLOOM_OK) {
    mloom_directives_free(directives);
    return mloom_error_memory(error);
  }
  *out = directives;
  return MLOOM_OK;
}

void mloom_directives_free(mloom_directives *directives) {
  if (directives == NULL) {
    return;
  }
  for (size_t i = 0; i < KEY_COUNT; i++) {
    directive_entry *entry = &directives->entries[i];
    for (size_t j = 0; j < entry->list_count; j++) {
      free(entry->list[j]);
    }
    free(entry->list);
    free(entry->value);
  }
  free(directives->notes);
  free(directives);
}

static const directive_entry *find_entry(const mloom_directives *directives, const char *key) {
  for (size_t i = 0; i < KEY_COUNT; i++) {
    if (strcmp(keys[i].name, key) == 0) {
      return &directives->entries[i];
    }
  }
  return NULL;
}

const char *mloom_directives_value(const mloom_directives *directives, const char *key, uint32_t *line,
                                   uint32_t *column) {
  const directive_entry *entry = find_entry(directives, key);
  if (entry == NULL || entry->value == NULL) {
    return NULL;
  }
  if (line != NULL) {
    *line = entry->line;
  }
  if (column != NULL) {
    *column = entry->column;
  }
  return entry->value;
}

size_t mloom_directives_list_count(const mloom_directives *directives, const char *key) {
  const directive_entry *entry = find_entry(directives, key);
  return entry == NULL ? 0 : entry->list_count;
}

const char *mloom_directives_list_at(const mloom_directives *directives, const char *key, size_t index) {
  const directive_entry *entry = find_entry(directives, key);
  return entry == NULL || index >= entry->list_count ? NULL : entry->list[index];
}

size_t mloom_directives_note_count(const mloom_directives *directives) {
  return directives->note_count;
}

const mloom_directive_note *mloom_directives_note_at(const mloom_directives *directives, size_t index) {
  return index < directives->note_count ? &directives->notes[index] : NULL;
}
