/* SPDX-License-Identifier: Apache-2.0
 *
 * Plays recorded output of a program through its decoder, in pieces of any size, and writes down what came of it.
 */
#ifndef MLOOM_TESTS_CLI_REPLAY_H
#define MLOOM_TESTS_CLI_REPLAY_H

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/stream.h"
#include "harness.h"

typedef struct replay {
  mloom_cli_stream stream;
  mloom_buffer said; /* one line for each event; TEXT and REASONING run together */
  mloom_event usage;
  mloom_turn_result result;
  mloom_error error;
  uint32_t last_kind;
} replay;

static inline void replay_event(const mloom_event *event, void *userdata) {
  static const char *const kinds[] = {"",      "text",       "reasoning", "call",     "delta",
                                      "usage", "rate limit", "notice",    "activity", "result"};
  replay *self = userdata;
  int runs_on = event->kind == MLOOM_EVENT_TEXT || event->kind == MLOOM_EVENT_REASONING;
  if (!runs_on || event->kind != self->last_kind) {
    mloom_buffer_append_format(&self->said, "[%s]", kinds[event->kind]);
  }
  if (event->name.size > 0) {
    mloom_buffer_append_format(&self->said, "%.*s: ", (int)event->name.size, event->name.data);
  }
  mloom_buffer_append(&self->said, event->text.size > 0 ? event->text.data : "", event->text.size);
  if (!runs_on) {
    mloom_buffer_append_char(&self->said, '\n');
  }
  if (event->kind == MLOOM_EVENT_USAGE) {
    self->usage = *event;
  }
  self->last_kind = event->kind;
}

static inline void replay_open(replay *self, mloom_cli_stream_fn read) {
  memset(self, 0, sizeof(*self));
  mloom_cli_stream_init(&self->stream, read);
}

static inline void replay_close(replay *self) {
  mloom_cli_stream_free(&self->stream);
  mloom_buffer_free(&self->said);
}

/* One run of the program, with what it wrote. */
static inline int32_t replay_text(replay *self, const char *data, size_t size, size_t piece,
                                  const mloom_exchange_end *how) {
  static const mloom_cli_names names = {
      .program = "program", .login = "mergeloom login x", .model = "m-1", .model_setting = "JCA_X_MODEL"};
  const mloom_event_sink sink = {.size = sizeof(sink), .userdata = self, .event = replay_event};
  mloom_exchange_end end = {.size = sizeof(end)};
  int32_t code = MLOOM_OK;
  mloom_buffer_clear(&self->said);
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  self->result = (mloom_turn_result){.size = sizeof(self->result)};
  self->last_kind = 0;
  mloom_cli_stream_reset(&self->stream);
  for (size_t at = 0; at < size && code >= 0; at += piece) {
    /* A copy of its own size, so that a sanitizer sees every look beyond it. */
    size_t left = size - at < piece ? size - at : piece;
    char *part = malloc(left);
    memcpy(part, data + at, left);
    code = mloom_cli_stream_feed(&self->stream, part, left, &sink, &self->error);
    free(part);
  }
  return mloom_cli_stream_finish(&self->stream, how != NULL ? how : &end, &names, &sink, &self->result, &self->error);
}

static inline int32_t replay_file(replay *self, const char *name, size_t piece, const mloom_exchange_end *how) {
  mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_buffer text = MLOOM_BUFFER_INIT;
  const char *source = getenv("top_srcdir");
  mloom_buffer_append_format(&path, "%s/tests/data/%s", source == NULL ? "." : source, name);
  CU_ASSERT_EQUAL(mloom_file_read(&text, path.data, 1 << 20, MLOOM_DOMAIN_SYSTEM, NULL), MLOOM_OK);
  int32_t code = replay_text(self, mloom_buffer_string(&text), text.size, piece, how);
  mloom_buffer_free(&path);
  mloom_buffer_free(&text);
  return code;
}

/* The same in every way of cutting it: as one, byte by byte and in between. */
static inline void replay_pieces(mloom_cli_stream_fn read, const char *name) {
  replay whole;
  replay_open(&whole, read);
  int32_t code = replay_file(&whole, name, SIZE_MAX / 2, NULL);
  for (size_t piece = 1; piece < 40; piece += 6) {
    replay cut;
    replay_open(&cut, read);
    CU_ASSERT_EQUAL(replay_file(&cut, name, piece, NULL), code);
    UNIT_ASSERT_STRING(mloom_buffer_string(&cut.said), mloom_buffer_string(&whole.said));
    UNIT_ASSERT_STRING(cut.error.message, whole.error.message);
    replay_close(&cut);
  }
  replay_close(&whole);
}

#endif
