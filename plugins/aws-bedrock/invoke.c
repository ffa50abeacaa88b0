/* SPDX-License-Identifier: Apache-2.0
 *
 * InvokeModel: Anthropic's Messages as body, its events wrapped one by one in messages of an event stream as
 * {"bytes": "<base64>"}.
 */
#include <string.h>

#include "aws_bedrock.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"

#define FRAME_LIMIT ((size_t)16 * 1024 * 1024)

typedef struct invoke_state {
  mloom_messages_request request;
  mloom_messages_decoder decoder;
  mloom_event_stream frames;
  mloom_converse_failure failure; /* headers of the answer, and an exception inside it */
  mloom_buffer event;
  mloom_buffer scratch;
  mloom_buffer beginning; /* of an answer with an error status */
  int has_failure;
  int binary;
  int begun;
  int damaged;
  /* During a call only. */
  const mloom_event_sink *sink;
  mloom_error *error;
} invoke_state;

static void end(void *state_pointer) {
  invoke_state *state = state_pointer;
  mloom_messages_request_free(&state->request);
  mloom_messages_decoder_free(&state->decoder);
  mloom_event_stream_free(&state->frames);
  mloom_buffer_free(&state->event);
  mloom_buffer_free(&state->scratch);
  mloom_buffer_free(&state->beginning);
}

static int32_t begin(void *state_pointer, const void *options_pointer, const mloom_session_args *args) {
  invoke_state *state = state_pointer;
  mloom_messages_options options = *(const mloom_messages_options *)options_pointer;
  options.max_output_tokens = mloom_dialect_output_tokens(options.max_output_tokens, args);
  mloom_messages_decoder_init(&state->decoder);
  mloom_event_stream_init(&state->frames, FRAME_LIMIT);
  mloom_converse_failure_init(&state->failure);
  return mloom_messages_request_init(&state->request, &options, args->model, args);
}

static int32_t append(void *state_pointer, const mloom_message *message) {
  invoke_state *state = state_pointer;
  return mloom_messages_request_append(&state->request, message);
}

static int32_t prepare(void *state_pointer, const mloom_bytes **body, size_t *body_count) {
  invoke_state *state = state_pointer;
  mloom_messages_decoder_reset(&state->decoder);
  mloom_event_stream_reset(&state->frames);
  mloom_converse_failure_init(&state->failure);
  mloom_buffer_clear(&state->beginning);
  state->has_failure = 0;
  state->binary = 0;
  state->begun = 0;
  state->damaged = 0;
  return mloom_messages_request_segments(&state->request, body, body_count);
}

static void header(void *state_pointer, const char *name, const char *value) {
  invoke_state *state = state_pointer;
  mloom_converse_failure_header(&state->failure, name, value);
}

/* The event in {"bytes":"...","p":"..."}; imitations of the service leave the wrapping away. */
static int32_t unwrap(invoke_state *state, mloom_bytes payload) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_bytes text = {NULL, 0};
  int is_wrapped = 0;
  mloom_buffer_clear(&state->event);
  mloom_json_reader_init(&reader, payload.data, payload.size);
  if (!mloom_json_reader_object(&reader)) {
    return MLOOM_E_INVALID;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "bytes") && mloom_json_reader_string(&reader, &state->scratch, &text)) {
      int32_t code = mloom_base64_decode(&state->event, text.data, text.size);
      is_wrapped = 1;
      if (code != MLOOM_OK) {
        return code;
      }
    } else if (!mloom_text_equal(key, "bytes")) {
      mloom_json_reader_skip(&reader);
    }
  }
  int32_t code = mloom_json_reader_end(&reader);
  return code != MLOOM_OK || is_wrapped ? code : mloom_buffer_append(&state->event, payload.data, payload.size);
}

static int32_t on_message(const mloom_event_stream_message *message, void *userdata) {
  invoke_state *state = userdata;
  if (state->has_failure || state->damaged) {
    return MLOOM_OK;
  }
  if (mloom_converse_failure_read_message(&state->failure, message)) {
    state->has_failure = 1;
    return MLOOM_OK;
  }
  if (!mloom_text_equal(mloom_event_stream_string(message, ":event-type"), "chunk")) {
    return MLOOM_OK;
  }
  int32_t code = unwrap(state, message->payload);
  if (code == MLOOM_E_INVALID) {
    state->damaged = 1;
    return MLOOM_OK;
  }
  return code != MLOOM_OK ? code
                          : mloom_messages_decoder_feed_event(&state->decoder, mloom_buffer_string(&state->event),
                                                              state->event.size, state->sink, state->error);
}

static int32_t feed(void *state_pointer, const char *data, size_t size, const mloom_event_sink *sink,
                    mloom_error *error) {
  invoke_state *state = state_pointer;
  if (size == 0) {
    return MLOOM_OK;
  }
  /* A message begins with its length, which is below 16 MB; no text begins with NUL. */
  state->binary |= !state->begun && data[0] == '\0';
  state->begun = 1;
  if (!state->binary) {
    int32_t code = MLOOM_OK;
    if (state->beginning.size < FRAME_LIMIT / 1024) {
      code = mloom_buffer_append(&state->beginning, data, size < FRAME_LIMIT / 1024 ? size : FRAME_LIMIT / 1024);
    }
    return code == MLOOM_OK ? mloom_messages_decoder_feed(&state->decoder, data, size, sink, error)
                            : mloom_error_memory(error);
  }
  state->sink = sink;
  state->error = error;
  int32_t code = mloom_event_stream_feed(&state->frames, data, size, on_message, state);
  state->sink = NULL;
  state->error = NULL;
  if (code == MLOOM_E_PROTOCOL) {
    state->damaged = 1;
    return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                           "try again; if it stays so, look at the proxies before the service",
                           "the service sent a message that was damaged on its way: its checksum is wrong");
  }
  return code == MLOOM_OK && state->decoder.done ? MLOOM_COMPLETE
                                                 : mloom_answer_failed(code, MLOOM_BLOCKS_LIMITS, error);
}

static int32_t finish(void *state_pointer, const mloom_exchange_end *exchange_end, uint64_t turn,
                      const mloom_service_names *names, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  invoke_state *state = state_pointer;
  int good = exchange_end->http_status >= 200 && exchange_end->http_status <= 299;
  if (exchange_end->http_status != 0 && !good) {
    mloom_converse_failure_read(&state->failure, mloom_buffer_string(&state->beginning), state->beginning.size);
    return mloom_converse_failure_report(&state->failure, exchange_end->http_status, names, error);
  }
  if (good && state->has_failure) {
    return mloom_converse_failure_report(&state->failure, 200, names, error);
  }
  if (good && state->damaged) {
    return mloom_answer_broken(error, names, "try again; if it stays so, look at the proxies before the service",
                               "sent a message that was damaged on its way");
  }
  if (good && !state->binary && state->beginning.size > 0) {
    /* A path that is no operation is answered so, with status 200. */
    mloom_converse_failure_read(&state->failure, state->beginning.data, state->beginning.size);
    if (mloom_text_compare_fold(state->failure.error.type, "UnknownOperationException") == 0) {
      return mloom_converse_failure_report(&state->failure, 200, names, error);
    }
  }
  int32_t status = mloom_messages_decoder_finish(&state->decoder, exchange_end, turn, names, sink, out, error);
  if (status == MLOOM_OK && mloom_messages_request_append_answer(&state->request, &state->decoder.answer) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return status;
}

static int32_t report(const char *body, size_t size, int32_t http_status, const mloom_service_names *names,
                      mloom_error *error) {
  return mloom_converse_dialect()->report(body, size, http_status, names, error);
}

const mloom_dialect *bedrock_invoke_dialect(void) {
  static const mloom_dialect dialect = {
      .state_size = sizeof(invoke_state),
      .begin = begin,
      .end = end,
      .append = append,
      .prepare = prepare,
      .header = header,
      .feed = feed,
      .finish = finish,
      .report = report,
  };
  return &dialect;
}
