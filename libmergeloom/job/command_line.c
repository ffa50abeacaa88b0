/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of a command, without a shell.
 */
#include "job/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define WORD_LIMIT 1024u

int32_t mloom_text_list_add(mloom_text_list *list, const char *data, size_t size) {
  char **items = realloc(list->items, (list->count + 2) * sizeof *items);
  if (items == NULL) {
    return MLOOM_E_MEMORY;
  }
  list->items = items;
  items[list->count] = mloom_text_dup((mloom_bytes){data, size});
  if (items[list->count] == NULL) {
    return MLOOM_E_MEMORY;
  }
  items[++list->count] = NULL;
  return MLOOM_OK;
}

void mloom_text_list_free(mloom_text_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i]);
  }
  free(list->items);
  *list = (mloom_text_list){NULL, 0};
}

static int compare_items(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void mloom_text_list_sort(mloom_text_list *list) {
  if (list->count > 1) {
    qsort(list->items, list->count, sizeof *list->items, compare_items);
  }
}

int mloom_text_list_contains(const mloom_text_list *list, const char *text) {
  return list->count > 0 && bsearch(&text, list->items, list->count, sizeof *list->items, compare_items) != NULL;
}

void mloom_command_line_free(mloom_command_line *line) {
  for (size_t i = 0; i < line->count; i++) {
    free(line->argv[i]);
  }
  free(line->argv);
  free(line->text);
  *line = (mloom_command_line){NULL, 0, NULL};
}

static int needs_quotes(const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";
  return *word == '\0' || word[strspn(word, plain)] != '\0';
}

int32_t mloom_command_line_format(mloom_buffer *out, char *const *argv, size_t count) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
    if (i > 0) {
      code = mloom_buffer_append_char(out, ' ');
    }
    if (code != MLOOM_OK || !needs_quotes(argv[i])) {
      code = code == MLOOM_OK ? mloom_buffer_append_string(out, argv[i]) : code;
      continue;
    }
    code = mloom_buffer_append_char(out, '\'');
    for (const char *at = argv[i]; *at != '\0' && code == MLOOM_OK; at++) {
      code = *at == '\'' ? mloom_buffer_append_string(out, "'\\''") : mloom_buffer_append_char(out, *at);
    }
    code = code == MLOOM_OK ? mloom_buffer_append_char(out, '\'') : code;
  }
  return code;
}

static int32_t finish(mloom_command_line *out, mloom_text_list *words, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_command_line_format(&text, words->items, words->count) != MLOOM_OK ||
      (out->text = mloom_buffer_take(&text)) == NULL) {
    return mloom_error_memory(error);
  }
  out->argv = words->items;
  out->count = words->count;
  *words = (mloom_text_list){NULL, 0};
  return MLOOM_OK;
}

int32_t mloom_command_line_copy(mloom_command_line *out, const char *const *argv, size_t count, mloom_error *error) {
  *out = (mloom_command_line){NULL, 0, NULL};
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list words = {NULL, 0};
  for (size_t i = 0; i < count; i++) {
    if (mloom_text_list_add(&words, argv[i], strlen(argv[i])) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
  }
  return finish(out, &words, error);
}

/* Reads one word from *at; 1 when there was one, 0 at the end, negative on error. */
static int read_word(const char *text, size_t size, size_t *at, mloom_buffer *word, mloom_error *error) {
  static const char remedy[] = "write each command as a list of words, and give several commands one by one: no shell "
                               "runs them";
  char quote = '\0';
  int any = 0;
  while (*at < size && (text[*at] == ' ' || text[*at] == '\t')) {
    (*at)++;
  }
  for (; *at < size; (*at)++) {
    char c = text[*at];
    if (quote == '\0' && (c == ' ' || c == '\t')) {
      break;
    }
    any = 1;
    if (c == '\0' || c == '\n' || c == '\r') {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, remedy, "a control character at byte %zu",
                             *at + 1);
    }
    if (quote == '\0' && strchr("|&;<>$`*?()[]{}#!~", c) != NULL) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, remedy,
                             "'%c' at byte %zu means something to a "
                             "shell only",
                             c, *at + 1);
    }
    if (quote == '"' && (c == '$' || c == '`')) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, remedy,
                             "'%c' at byte %zu is expanded by a "
                             "shell only",
                             c, *at + 1);
    }
    if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
      continue;
    }
    if (quote != '\0' && c == quote) {
      quote = '\0';
      continue;
    }
    if (c == '\\' && quote != '\'' && *at + 1 < size && (quote == '\0' || strchr("\"\\", text[*at + 1]) != NULL)) {
      c = text[++(*at)];
    }
    if (c == '\0' || mloom_buffer_append_char(word, c) != MLOOM_OK) {
      return mloom_error_set(error, c == '\0' ? MLOOM_E_INVALID : MLOOM_E_MEMORY, MLOOM_DOMAIN_JOB, remedy,
                             "the command cannot be split");
    }
  }
  if (quote != '\0') {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "close it", "the quote %c is not closed", quote);
  }
  return any;
}

int32_t mloom_command_line_split(mloom_command_line *out, const char *text, size_t size, mloom_error *error) {
  *out = (mloom_command_line){NULL, 0, NULL};
  MLOOM_AUTO(mloom_text_list_free) mloom_text_list words = {NULL, 0};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer word = MLOOM_BUFFER_INIT;
  size_t at = 0;
  for (;;) {
    mloom_buffer_clear(&word);
    int got = read_word(text, size, &at, &word, error);
    if (got < 0) {
      return got;
    }
    if (got == 0) {
      break;
    }
    if (words.count == WORD_LIMIT) {
      return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "put the steps into a script of the repository",
                             "more than %u words", WORD_LIMIT);
    }
    if (mloom_text_list_add(&words, mloom_buffer_string(&word), word.size) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
  }
  if (words.count == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "name a command or leave the element out",
                           "the command is empty");
  }
  return finish(out, &words, error);
}
