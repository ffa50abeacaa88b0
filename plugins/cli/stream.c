/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stream.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define SHOWN_TEXT 400
#define KEPT_TEXT 2000

void mloom_cli_stream_init(mloom_cli_stream *stream, mloom_cli_stream_fn read) {
  memset(stream, 0, sizeof(*stream));
  stream->read = read;
}

void mloom_cli_stream_reset(mloom_cli_stream *stream) {
  mloom_cli_lines_reset(&stream->lines);
  mloom_buffer_clear(&stream->answer);
  mloom_buffer_clear(&stream->failure);
  mloom_buffer_clear(&stream->complaint);
  mloom_buffer_clear(&stream->garbage);
  stream->began = 0;
  stream->complete = 0;
  stream->failed = 0;
  stream->has_result = 0;
  stream->refused = 0;
  stream->status = 0;
  memset(&stream->usage, 0, sizeof(stream->usage));
}

void mloom_cli_stream_free(mloom_cli_stream *stream) {
  mloom_cli_lines_free(&stream->lines);
  mloom_buffer_free(&stream->conversation);
  mloom_buffer_free(&stream->answer);
  mloom_buffer_free(&stream->failure);
  mloom_buffer_free(&stream->complaint);
  mloom_buffer_free(&stream->garbage);
}

/* ---- Handing on ---- */

static void emit(const mloom_cli_stream *stream, const mloom_event *event) {
  if (stream->sink != NULL && stream->sink->event != NULL) {
    stream->sink->event(event, stream->sink->userdata);
  }
}

void mloom_cli_stream_say(mloom_cli_stream *stream, uint32_t kind, mloom_bytes text) {
  if (text.size > 0) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = kind, .text = text};
    emit(stream, &event);
    if (text.data[text.size - 1] != '\n') {
      event.text = (mloom_bytes){"\n", 1};
      emit(stream, &event);
    }
  }
}

void mloom_cli_stream_tell(mloom_cli_stream *stream, uint32_t kind, const char *name, mloom_bytes text) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  text = mloom_text_trim(text);
  size_t size = text.size > SHOWN_TEXT ? mloom_text_complete_prefix(text.data, SHOWN_TEXT) : text.size;
  if (mloom_text_append_printable(&line, text.data == NULL ? "" : text.data, size, 0) != MLOOM_OK) {
    return; /* for display only */
  }
  mloom_event event = {.size = (uint32_t)sizeof(event),
                       .kind = kind,
                       .name = mloom_text_bytes(name),
                       .text = {mloom_buffer_string(&line), line.size}};
  emit(stream, &event);
}

void mloom_cli_stream_result(mloom_cli_stream *stream, mloom_bytes json) {
  mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_RESULT, .text = json};
  stream->has_result = 1;
  emit(stream, &event);
}

void mloom_cli_stream_usage(mloom_cli_stream *stream) {
  const mloom_cli_usage *usage = &stream->usage;
  mloom_event event = {.size = (uint32_t)sizeof(event),
                       .kind = MLOOM_EVENT_USAGE,
                       .input_tokens = usage->input,
                       .cached_input_tokens = usage->cached,
                       .cache_write_tokens = usage->cache_write,
                       .output_tokens = usage->output,
                       .reasoning_tokens = usage->reasoning,
                       .cost_millionths = usage->cost};
  emit(stream, &event);
}

int32_t mloom_cli_stream_keep(mloom_buffer *out, mloom_bytes text, size_t limit) {
  mloom_buffer_clear(out);
  size_t size = text.size > limit ? mloom_text_complete_prefix(text.data, limit) : text.size;
  return size == 0 ? MLOOM_OK : mloom_buffer_append(out, text.data, size);
}

int32_t mloom_cli_stream_keep_conversation(mloom_cli_stream *stream, mloom_bytes id) {
  if (id.size == 0 || id.size > 80 || id.data[0] == '-') {
    return MLOOM_OK;
  }
  for (size_t i = 0; i < id.size; i++) {
    char c = id.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
      return MLOOM_OK;
    }
  }
  return mloom_cli_stream_keep(&stream->conversation, id, 80);
}

mloom_bytes mloom_cli_stream_object_in(mloom_bytes text) {
  static const mloom_bytes nothing = {NULL, 0};
  text = mloom_text_trim(text);
  if (text.size > 6 && memcmp(text.data, "```", 3) == 0 && memcmp(text.data + text.size - 3, "```", 3) == 0) {
    const char *line_end = memchr(text.data, '\n', text.size);
    if (line_end == NULL) {
      return nothing;
    }
    size_t skipped = (size_t)(line_end - text.data);
    text = mloom_text_trim((mloom_bytes){line_end, text.size - skipped - 3});
  }
  if (text.size == 0 || text.data[0] != '{') {
    return nothing;
  }
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  mloom_json_reader_skip(&reader);
  return mloom_json_reader_end(&reader) == MLOOM_OK ? text : nothing;
}

int32_t mloom_cli_stream_read(mloom_cli_stream *stream, mloom_bytes line, const mloom_cli_members *members, void *out,
                              int *is_event) {
  mloom_json_reader reader;
  mloom_cli_begin(&reader, line);
  int32_t code = mloom_cli_read_members(&reader, members, out) ? mloom_json_reader_end(&reader) : MLOOM_E_INVALID;
  *is_event = code == MLOOM_OK;
  if (code == MLOOM_OK || code == MLOOM_E_MEMORY) {
    return code;
  }
  return stream->garbage.size == 0 ? mloom_cli_stream_keep(&stream->garbage, line, 300) : MLOOM_OK;
}

/* ---- Reading ---- */

static int32_t on_line(mloom_bytes line, void *userdata) {
  mloom_cli_stream *stream = userdata;
  if (line.data[0] == '{' && !stream->complete) {
    return stream->read(stream, line);
  }
  return line.data[0] != '{' && stream->garbage.size == 0 ? mloom_cli_stream_keep(&stream->garbage, line, 300)
                                                          : MLOOM_OK;
}

int32_t mloom_cli_stream_feed(mloom_cli_stream *stream, const char *data, size_t size, const mloom_event_sink *sink,
                              mloom_error *error) {
  uint64_t dropped = stream->lines.dropped;
  stream->sink = sink;
  int32_t code = mloom_cli_lines_feed(&stream->lines, data, size, on_line, stream);
  if (stream->lines.dropped > dropped) {
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_line",
                          mloom_text_bytes("a line of the program's output was too long and was left out"));
  }
  stream->sink = NULL;
  if (code == MLOOM_E_DENIED) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                           "use a version of the program that this worker supports, and leave its hooks to the worker",
                           "%s", mloom_buffer_string(&stream->failure));
  }
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
  }
  return stream->complete ? MLOOM_COMPLETE : MLOOM_OK;
}

/* ---- The end ---- */

static int has_word(const mloom_buffer *text, const char *word) {
  return text->size > 0 && mloom_text_find_fold(text->data, word) != NULL;
}

/* The HTTP status that a message speaks of: "unexpected status 401 Unauthorized", "last status: 429". */
static int32_t status_in(const mloom_buffer *text) {
  const char *at = text->size == 0 ? NULL : mloom_text_find_fold(text->data, "status");
  while (at != NULL) {
    at += strlen("status");
    at += strspn(at, ": (");
    if (strspn(at, "0123456789") == 3 && at[0] >= '4' && at[0] <= '5') {
      return (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
    }
    at = mloom_text_find_fold(at, "status");
  }
  return 0;
}

/* Programs tell in words what services tell in codes. */
static int32_t code_of(const mloom_cli_stream *stream, int32_t status) {
  static const struct {
    const char *words;
    int32_t code;
  } known[] = {{"quota", MLOOM_E_QUOTA},
               {"credit balance", MLOOM_E_QUOTA},
               {"usage limit", MLOOM_E_QUOTA},
               {"billing", MLOOM_E_QUOTA},
               {"context window", MLOOM_E_CONTEXT_FULL},
               {"prompt is too long", MLOOM_E_CONTEXT_FULL},
               {"max_output_tokens", MLOOM_E_LIMIT},
               {"refresh token", MLOOM_E_NEEDS_INTERACTION},
               {"not logged in", MLOOM_E_NEEDS_INTERACTION},
               {"sign in again", MLOOM_E_NEEDS_INTERACTION},
               {"log in again", MLOOM_E_NEEDS_INTERACTION},
               {"/login", MLOOM_E_NEEDS_INTERACTION},
               {"missing environment variable", MLOOM_E_NOT_CONFIGURED},
               {"authenticat", MLOOM_E_UNAUTHENTICATED},
               {"api key", MLOOM_E_UNAUTHENTICATED},
               {"selected model", MLOOM_E_NOT_FOUND},
               {"model_not_found", MLOOM_E_NOT_FOUND},
               {"does not exist", MLOOM_E_NOT_FOUND},
               {"model is not supported", MLOOM_E_NOT_FOUND},
               {"usage policy", MLOOM_E_REFUSED},
               {"content_filter", MLOOM_E_REFUSED},
               {"flagged", MLOOM_E_REFUSED},
               {"rate limit", MLOOM_E_RATE_LIMITED},
               {"too many requests", MLOOM_E_RATE_LIMITED},
               {"timeout", MLOOM_E_TIMEOUT},
               {"timed out", MLOOM_E_TIMEOUT},
               {"invalid_request_error", MLOOM_E_INVALID}};
  if (stream->refused) {
    return MLOOM_E_REFUSED;
  }
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if (has_word(&stream->failure, known[i].words)) {
      return known[i].code;
    }
  }
  switch (status) {
  case 401:
    return MLOOM_E_UNAUTHENTICATED;
  case 403:
    return MLOOM_E_DENIED;
  case 404:
    return MLOOM_E_NOT_FOUND;
  case 429:
    return MLOOM_E_RATE_LIMITED;
  default:
    return status >= 400 && status < 500 ? MLOOM_E_INVALID : MLOOM_E_UNAVAILABLE;
  }
}

static void append_remedy(mloom_buffer *out, int32_t code, const mloom_cli_names *names) {
  switch (code) {
  case MLOOM_E_UNAUTHENTICATED:
  case MLOOM_E_NEEDS_INTERACTION:
  case MLOOM_E_NOT_CONFIGURED:
  case MLOOM_E_DENIED:
    (void)mloom_buffer_append_format(out, "log in again with \"%s\", or correct the API key", names->login);
    break;
  case MLOOM_E_NOT_FOUND:
    (void)mloom_buffer_append_format(out, "set %s to a model that this login may use", names->model_setting);
    break;
  case MLOOM_E_QUOTA:
    (void)mloom_buffer_append_string(out, "see the account's plan and billing");
    break;
  case MLOOM_E_RATE_LIMITED:
    (void)mloom_buffer_append_string(out, "run fewer jobs at once with this login, or try later");
    break;
  case MLOOM_E_CONTEXT_FULL:
    (void)mloom_buffer_append_string(out, "use a model with a larger context, or a smaller ticket");
    break;
  case MLOOM_E_REFUSED:
    (void)mloom_buffer_append_string(out, "change the ticket's wording, or choose another model");
    break;
  case MLOOM_E_LIMIT:
    (void)mloom_buffer_append_string(out, "split the ticket, or choose a model that may answer at more length");
    break;
  case MLOOM_E_INVALID:
    (void)mloom_buffer_append_format(out, "correct what the service names, for one in %s's own settings",
                                     names->program);
    break;
  default:
    (void)mloom_buffer_append_string(out, "try later; if it stays, look at the service that the program talks to");
    break;
  }
}

static int32_t report_failure(const mloom_cli_stream *stream, const mloom_cli_names *names, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer remedy = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer said = MLOOM_BUFFER_INIT;
  int32_t status = stream->status != 0 ? stream->status : status_in(&stream->failure);
  int32_t code = code_of(stream, status);
  append_remedy(&remedy, code, names);
  (void)mloom_text_append_printable(&said, mloom_buffer_string(&stream->failure),
                                    stream->failure.size > SHOWN_TEXT
                                        ? mloom_text_complete_prefix(stream->failure.data, SHOWN_TEXT)
                                        : stream->failure.size,
                                    0);
  mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, mloom_buffer_string(&remedy), "%s failed: %s%s%s%s",
                  names->program, said.size == 0 ? "it did not say why" : mloom_buffer_string(&said),
                  code == MLOOM_E_NOT_FOUND && names->model[0] != '\0' ? " (model " : "",
                  code == MLOOM_E_NOT_FOUND ? names->model : "",
                  code == MLOOM_E_NOT_FOUND && names->model[0] != '\0' ? ")" : "");
  if (error != NULL) {
    error->http_status = status;
  }
  return code;
}

/* The last event never came. What the host says of the end of the program is better than nothing, and what the program
 * said last is better still. */
static int32_t report_cut(const mloom_cli_stream *stream, const mloom_exchange_end *end, const mloom_cli_names *names,
                          mloom_error *error) {
  if (end->outcome != MLOOM_OK && end->outcome != MLOOM_E_TIMEOUT) {
    return end->outcome;
  }
  if (end->signal != 0) {
    return MLOOM_E_UNAVAILABLE; /* the host tells with which signal */
  }
  if (stream->complaint.size > 0) {
    int32_t code = end->outcome == MLOOM_E_TIMEOUT ? MLOOM_E_TIMEOUT : MLOOM_E_UNAVAILABLE;
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                           "check the address of the service and the network, and raise the provider's time-outs if it "
                           "is only slow",
                           "%s %s; the last it said was: %.300s", names->program,
                           code == MLOOM_E_TIMEOUT ? "was ended because it got nowhere" : "ended early",
                           stream->complaint.data);
  }
  if (end->outcome == MLOOM_E_TIMEOUT) {
    return MLOOM_E_TIMEOUT;
  }
  if (end->exit_code != 0 && (stream->began || stream->garbage.size == 0)) {
    return MLOOM_E_UNAVAILABLE; /* the host tells with which status, and the last line of its errors */
  }
  if (!stream->began && stream->garbage.size > 0) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer said = MLOOM_BUFFER_INIT;
    (void)mloom_text_append_printable(&said, stream->garbage.data, stream->garbage.size, 0);
    return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER,
                           "check that the setting program names the real program, in a version that is supported",
                           "%s did not tell events but: %s", names->program, mloom_buffer_string(&said));
  }
  return mloom_error_set(error, MLOOM_E_PROTOCOL, MLOOM_DOMAIN_PROVIDER,
                         "check that the program is the real one, in a version that is supported",
                         "%s ended without saying how its work ended", names->program);
}

int32_t mloom_cli_stream_finish(mloom_cli_stream *stream, const mloom_exchange_end *end, const mloom_cli_names *names,
                                const mloom_event_sink *sink, mloom_turn_result *out, mloom_error *error) {
  stream->sink = sink;
  int32_t code = mloom_cli_lines_end(&stream->lines, on_line, stream);
  if (code == MLOOM_OK && stream->complete && !stream->failed && (end->exit_code != 0 || end->signal != 0)) {
    char text[80];
    snprintf(text, sizeof(text), "it ended with %s %d after its result", end->signal != 0 ? "signal" : "status",
             (int)(end->signal != 0 ? end->signal : end->exit_code));
    mloom_cli_stream_tell(stream, MLOOM_EVENT_NOTICE, "cli_exit", mloom_text_bytes(text));
  }
  stream->sink = NULL;
  if (code != MLOOM_OK) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, NULL, "out of memory");
  }
  if (!stream->complete) {
    return report_cut(stream, end, names, error);
  }
  if (stream->failed) {
    return report_failure(stream, names, error);
  }
  out->stop = stream->refused ? MLOOM_STOP_REFUSED : MLOOM_STOP_END;
  return MLOOM_OK;
}
