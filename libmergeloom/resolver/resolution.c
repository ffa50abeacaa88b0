/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define NOTES_LIMIT 64

struct mloom_resolution_chunk {
  mloom_resolution_chunk *next;
  char data[];
};

const char *mloom_resolution_keep(mloom_resolution *resolution, const char *data, size_t size) {
  char *copy = NULL;
  if (size + 1 <= MLOOM_RESOLUTION_FIRST_CHUNK - resolution->used) {
    copy = resolution->first + resolution->used;
    resolution->used += size + 1;
  } else {
    mloom_resolution_chunk *chunk = malloc(sizeof *chunk + size + 1);
    if (chunk == NULL) {
      return NULL;
    }
    chunk->next = resolution->chunks;
    resolution->chunks = chunk;
    copy = chunk->data;
  }
  memcpy(copy, data, size);
  copy[size] = '\0';
  return copy;
}

mloom_quote mloom_resolution_quote(const char *text) {
  mloom_quote out = {""};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer printable = MLOOM_BUFFER_INIT;
  size_t size = strlen(text), limit = 96;
  size_t kept = mloom_text_complete_prefix(text, size < limit ? size : limit);
  if (mloom_text_append_printable(&printable, text, kept, 0) == MLOOM_OK) {
    const char *shown = mloom_buffer_string(&printable);
    size_t room = sizeof out.text - 4;
    size_t fits = mloom_text_complete_prefix(shown, printable.size < room ? printable.size : room);
    snprintf(out.text, sizeof out.text, "%.*s%s", (int)fits, shown, fits < printable.size || kept < size ? "..." : "");
  }
  return out;
}

uint32_t mloom_resolution_line(const mloom_resolution *resolution, uint32_t line) {
  return resolution->description_line == 0 ? line : resolution->description_line - 1 + line;
}

mloom_quote mloom_resolution_place(const mloom_resolution *resolution, uint32_t line, uint32_t column) {
  mloom_quote out;
  snprintf(out.text, sizeof out.text, "%s line %u, column %u",
           resolution->description_line == 0 ? "description" : "ticket", mloom_resolution_line(resolution, line),
           column);
  return out;
}

int32_t mloom_resolution_note(mloom_resolution *resolution, int blocks, const char *remedy, const char *format, ...) {
  if (resolution->note_count >= NOTES_LIMIT && (!blocks || resolution->blocked)) {
    return MLOOM_OK;
  }
  resolution->blocked |= blocks ? 1 : 0;
  mloom_directive_note *grown = reallocarray(resolution->notes, resolution->note_count + 1, sizeof *grown);
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  resolution->notes = grown;
  mloom_directive_note *note = &grown[resolution->note_count++];
  memset(note, 0, sizeof *note);
  note->blocks = blocks ? 1 : 0;
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  snprintf(note->message, sizeof note->message, "%.*s",
           (int)mloom_text_complete_prefix(message, strnlen(message, sizeof note->message - 1)), message);
  snprintf(note->remedy, sizeof note->remedy, "%.*s",
           (int)mloom_text_complete_prefix(remedy, strnlen(remedy, sizeof note->remedy - 1)), remedy);
  return MLOOM_OK;
}

size_t mloom_resolution_note_count(const mloom_resolution *resolution) {
  return mloom_directives_note_count(resolution->directives) + resolution->note_count;
}

const mloom_directive_note *mloom_resolution_note_at(const mloom_resolution *resolution, size_t index) {
  size_t read = mloom_directives_note_count(resolution->directives);
  return index < read ? mloom_directives_note_at(resolution->directives, index) : &resolution->notes[index - read];
}

void mloom_resolution_free(mloom_resolution *resolution) {
  if (resolution == NULL) {
    return;
  }
  while (resolution->chunks != NULL) {
    mloom_resolution_chunk *chunk = resolution->chunks;
    resolution->chunks = chunk->next;
    free(chunk);
  }
  mloom_directives_free(resolution->directives);
  mloom_json_unref(resolution->tree);
  pthread_mutex_destroy(&resolution->lock);
  free(resolution->candidates);
  free(resolution->notes);
  free(resolution->text);
  free(resolution->json);
  free(resolution->refusal);
  free(resolution);
}

static const char *chosen(const mloom_resolution *resolution, uint32_t ladder) {
  const mloom_candidate *candidate = resolution->chosen[ladder];
  return resolution->blocked || candidate == NULL ? NULL : candidate->value;
}

const char *mloom_resolution_provider(const mloom_resolution *resolution) {
  return chosen(resolution, MLOOM_LADDER_PROVIDER);
}

const char *mloom_resolution_model(const mloom_resolution *resolution) {
  return chosen(resolution, MLOOM_LADDER_MODEL);
}

int32_t mloom_resolution_blocked(const mloom_resolution *resolution, mloom_error *error) {
  if (resolution->blocked && resolution->refusal != NULL) {
    mloom_error_copy(error, resolution->refusal);
    return (int32_t)resolution->blocked;
  }
  for (size_t i = 0; resolution->blocked && i < mloom_resolution_note_count(resolution); i++) {
    const mloom_directive_note *note = mloom_resolution_note_at(resolution, i);
    if (!note->blocks) {
      continue;
    }
    if (note->line > 0) {
      mloom_error_set(error, MLOOM_E_BLOCKED, MLOOM_DOMAIN_RESOLVER, note->remedy, "%s: %s",
                      mloom_resolution_place(resolution, note->line, note->column).text, note->message);
    } else {
      mloom_error_set(error, MLOOM_E_BLOCKED, MLOOM_DOMAIN_RESOLVER, note->remedy, "%s", note->message);
    }
    break;
  }
  return (int32_t)resolution->blocked;
}

const mloom_directives *mloom_resolution_directives(const mloom_resolution *resolution) {
  return resolution->directives;
}

/* What is made late is written once, under the lock, into an object that is constant to everybody else. */
static mloom_resolution *late(const mloom_resolution *resolution) {
  return (mloom_resolution *)(uintptr_t)resolution;
}

static void make_tree(mloom_resolution *resolution) {
  if (resolution->tree == NULL) {
    resolution->tree = mloom_resolution_build_tree(resolution);
  }
}

mloom_json *mloom_resolution_tree(const mloom_resolution *resolution) {
  mloom_resolution *made = late(resolution);
  pthread_mutex_lock(&made->lock);
  make_tree(made);
  pthread_mutex_unlock(&made->lock);
  return made->tree;
}

const char *mloom_resolution_json(const mloom_resolution *resolution) {
  mloom_resolution *made = late(resolution);
  pthread_mutex_lock(&made->lock);
  make_tree(made);
  if (made->json == NULL) {
    mloom_buffer out = MLOOM_BUFFER_INIT;
    if (mloom_json_serialize(&out, made->tree, 0) == MLOOM_OK) {
      made->json = mloom_buffer_take(&out);
    }
    mloom_buffer_free(&out);
  }
  pthread_mutex_unlock(&made->lock);
  return made->json == NULL ? "" : made->json;
}

const char *mloom_resolution_text(const mloom_resolution *resolution) {
  mloom_resolution *made = late(resolution);
  pthread_mutex_lock(&made->lock);
  if (made->text == NULL) {
    mloom_buffer out = MLOOM_BUFFER_INIT;
    if (mloom_resolution_explain(&out, resolution) == MLOOM_OK) {
      made->text = mloom_buffer_take(&out);
    }
    mloom_buffer_free(&out);
  }
  pthread_mutex_unlock(&made->lock);
  return made->text == NULL ? "" : made->text;
}

/* The tree has to say what the redacted text says. */
static int32_t redact_json(mloom_resolution *resolution, mloom_redactor *redactor, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *raw = mloom_resolution_build_tree(resolution);
  mloom_json *tree = NULL;
  if (raw == NULL || mloom_json_serialize(&out, raw, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_redactor_apply(redactor, &out);
  int32_t code = mloom_json_parse(&tree, mloom_buffer_string(&out), out.size, "the resolution", error);
  if (code == MLOOM_OK) {
    resolution->tree = tree;
    resolution->json = mloom_buffer_take(&out);
  }
  return code;
}

int32_t mloom_resolution_redact(mloom_resolution *resolution, mloom_redactor *redactor, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_error refusal = MLOOM_ERROR_INIT;
  if (mloom_resolution_explain(&text, resolution) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  mloom_redactor_apply(redactor, &text);
  resolution->text = mloom_buffer_take(&text);
  if (mloom_resolution_blocked(resolution, &refusal)) {
    mloom_redactor_apply_error(redactor, &refusal);
    resolution->refusal = malloc(sizeof refusal);
    if (resolution->refusal == NULL) {
      return mloom_error_memory(error);
    }
    *resolution->refusal = refusal;
  }
  return redact_json(resolution, redactor, error);
}
