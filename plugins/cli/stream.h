/* SPDX-License-Identifier: Apache-2.0
 *
 * What the decoders of programs share: one run of a program, told as one JSON object a line, and how it ended.
 *
 * A decoder for another program is one function that reads one object (mloom_cli_stream_fn): it hands on normal events
 * through the functions below and fills the members that say how the run ended.
 */
#ifndef MLOOM_CLI_STREAM_H
#define MLOOM_CLI_STREAM_H

#include "cli/lines.h"
#include "cli/members.h"
#include <mergeloom/plugin.h>

typedef struct mloom_cli_stream mloom_cli_stream;

/* Reads one line that begins with '{'. MLOOM_OK also when it is no event: then unknown is set. MLOOM_E_MEMORY. */
typedef int32_t (*mloom_cli_stream_fn)(mloom_cli_stream *stream, mloom_bytes line);

/* Tokens of a run, and millionths of a dollar. */
typedef struct mloom_cli_usage {
  uint64_t input;
  uint64_t cached;
  uint64_t cache_write;
  uint64_t output;
  uint64_t reasoning;
  uint64_t cost;
} mloom_cli_usage;

struct mloom_cli_stream {
  mloom_cli_stream_fn read;
  const mloom_event_sink *sink; /* during feed and finish */
  const char *const *allowed;   /* programs that commands may run, ends with NULL; NULL: whatever the program lets */
  mloom_cli_lines lines;
  mloom_buffer conversation; /* id to go on with; kept over reset */
  mloom_buffer answer;       /* the last thing that was said */
  mloom_buffer failure;      /* why the program says that it failed */
  mloom_buffer complaint;    /* the last error that was none of the end */
  mloom_buffer garbage;      /* the beginning of the first line that is no event */
  int began;                 /* an event came */
  int complete;              /* the last event came */
  int failed;                /* it says that the run failed */
  int has_result;            /* a result was handed on */
  int refused;               /* the model would not */
  int32_t status;            /* HTTP status that the program names; 0: none */
  mloom_cli_usage usage;     /* of this run */
  mloom_cli_usage before;    /* of the whole conversation before it, for programs that count on; kept over reset */
};

void mloom_cli_stream_init(mloom_cli_stream *stream, mloom_cli_stream_fn read);
/* Before the next run of the same conversation. */
void mloom_cli_stream_reset(mloom_cli_stream *stream);
void mloom_cli_stream_free(mloom_cli_stream *stream);
/* MLOOM_OK, MLOOM_COMPLETE once the last event came, MLOOM_E_MEMORY. */
int32_t mloom_cli_stream_feed(mloom_cli_stream *stream, const char *data, size_t size, const mloom_event_sink *sink,
                              mloom_error *error);

/* Whom messages and remedies speak of. */
typedef struct mloom_cli_names {
  const char *program; /* "codex" */
  const char *login;   /* "mergeloom login codex-cli" */
  const char *model;   /* "" when the program chose it */
  const char *model_setting;
} mloom_cli_names;

/* Judges the run, as mloom_provider.finish does. The exit status alone is never a result. */
int32_t mloom_cli_stream_finish(mloom_cli_stream *stream, const mloom_exchange_end *end, const mloom_cli_names *names,
                                const mloom_event_sink *sink, mloom_turn_result *out, mloom_error *error);

/* ---- For the functions that read an event ---- */

/* text ends with a line end, so that what is said next begins on a line of its own. */
void mloom_cli_stream_say(mloom_cli_stream *stream, uint32_t kind, mloom_bytes text);
/* ACTIVITY or NOTICE; name is a literal. The text is cut to a line of some hundred characters. */
void mloom_cli_stream_tell(mloom_cli_stream *stream, uint32_t kind, const char *name, mloom_bytes text);
/* The JSON text of a result. */
void mloom_cli_stream_result(mloom_cli_stream *stream, mloom_bytes json);
void mloom_cli_stream_usage(mloom_cli_stream *stream);
/* Puts text in the place of what out holds; at most limit bytes, whole characters. */
int32_t mloom_cli_stream_keep(mloom_buffer *out, mloom_bytes text, size_t limit);
/* The conversation's id, if it is made of letters, digits, '-' and '_' and so can stand on a command line. */
int32_t mloom_cli_stream_keep_conversation(mloom_cli_stream *stream, mloom_bytes id);
/* The object inside text, if text is one JSON object, perhaps in a fence of backquotes; else {NULL, 0}. */
mloom_bytes mloom_cli_stream_object_in(mloom_bytes text);
/* Reads the event of a line by a table. What is none is kept as garbage. MLOOM_E_MEMORY. */
int32_t mloom_cli_stream_read(mloom_cli_stream *stream, mloom_bytes line, const mloom_cli_members *members, void *out,
                              int *is_event);

#endif
