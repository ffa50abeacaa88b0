/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/shell_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct splitter {
  mloom_bytes text;
  size_t position;
  char *end; /* where the next byte of a word goes */
} splitter;

static int is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Within ' nothing is special; within " a backslash before " or \ takes its meaning away. 0: the end is missing. */
static int take_quoted(splitter *self, char quote) {
  while (self->position < self->text.size) {
    char c = self->text.data[self->position++];
    if (c == quote) {
      return 1;
    }
    if (c == '\\' && quote == '"' && self->position < self->text.size) {
      char next = self->text.data[self->position];
      if (next == '"' || next == '\\') {
        self->position++;
        c = next;
      }
    }
    *self->end++ = c;
  }
  return 0;
}

/* One word, from its first character to the blank behind it. */
static int take_word(splitter *self) {
  while (self->position < self->text.size && !is_blank(self->text.data[self->position])) {
    char c = self->text.data[self->position++];
    if (c == '\'' || c == '"') {
      if (!take_quoted(self, c)) {
        return 0;
      }
      continue;
    }
    if (c == '\\') {
      if (self->position == self->text.size) {
        return 0;
      }
      c = self->text.data[self->position++];
    }
    *self->end++ = c;
  }
  *self->end++ = '\0';
  return 1;
}

int32_t mloom_shell_words_split(mloom_shell_words *out, mloom_bytes text) {
  /* A word and its NUL need no more room than the word and the blank behind it did. */
  *out = (mloom_shell_words){.words = calloc(MLOOM_SHELL_WORDS_LIMIT + 1, sizeof(char *)),
                             .memory = calloc(1, text.size + 2),
                             .memory_size = text.size + 2};
  int32_t code = out->words == NULL || out->memory == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  splitter self = {.text = text, .end = out->memory};
  while (code == MLOOM_OK) {
    while (self.position < text.size && is_blank(text.data[self.position])) {
      self.position++;
    }
    if (self.position == text.size) {
      return MLOOM_OK;
    }
    if (out->count == MLOOM_SHELL_WORDS_LIMIT) {
      code = MLOOM_E_LIMIT;
    } else {
      out->words[out->count++] = self.end;
      code = take_word(&self) ? MLOOM_OK : MLOOM_E_INVALID;
    }
  }
  mloom_shell_words_free(out);
  return code;
}

void mloom_shell_words_free(mloom_shell_words *words) {
  if (words->memory != NULL) {
    explicit_bzero(words->memory, words->memory_size);
  }
  free(words->memory);
  free(words->words);
  *words = (mloom_shell_words){NULL, 0, NULL, 0};
}
