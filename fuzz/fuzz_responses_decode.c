/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a Responses service: the first byte chooses status and pieces, the rest is the answer. A turn that was
 * accepted must encode into a body that is JSON.
 */
#include <stdlib.h>

#include "base/json_reader.h"
#include "wire/responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(const mloom_event *event, void *userdata) {
  volatile char *last = userdata;
  mloom_bytes texts[] = {event->text, event->id, event->name};
  for (size_t i = 0; i < 3; i++) {
    if (texts[i].size > 0) {
      *last = texts[i].data[texts[i].size - 1];
    }
  }
}

/* The items lie as deep in the body as they lay in the answer, less than the reader's limit. */
static void check_body(const mloom_responses_answer *answer) {
  mloom_responses_request request;
  mloom_responses_options options = {.stream = 1, .parallel_tool_calls = -1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  mloom_buffer list = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  if (mloom_responses_request_init(&request, &options, "m", &args) != MLOOM_OK ||
      mloom_responses_request_append_answer(&request, answer) != MLOOM_OK) {
    abort();
  }
  mloom_buffer_append_string(&list, "[");
  mloom_buffer_append(&list, mloom_buffer_string(&request.items), request.items.size);
  mloom_buffer_append_string(&list, "]");
  mloom_json_reader_init(&reader, list.data, list.size);
  mloom_json_reader_skip(&reader);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    abort();
  }
  mloom_buffer_free(&list);
  mloom_responses_request_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "http://s/models", .environment_prefix = "JCA_X_"};
  if (size == 0) {
    return 0;
  }
  char last = 0;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &last, .event = on_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = (data[0] & 1) != 0 ? 200 : 400};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_responses_decoder decoder;
  size_t step = (data[0] & 2) != 0 ? 1 : (size_t)(data[0] >> 2) + 16;
  const char *answer = (const char *)data + 1;
  int32_t code = MLOOM_OK;
  mloom_responses_decoder_init(&decoder);
  for (size_t at = 0; code == MLOOM_OK && at < size - 1; at += step) {
    size_t piece = size - 1 - at < step ? size - 1 - at : step;
    code = mloom_responses_decoder_feed(&decoder, answer + at, piece, &sink, &error);
  }
  if (code == MLOOM_OK &&
      mloom_responses_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error) == MLOOM_OK) {
    check_body(&decoder.answer);
  }
  mloom_responses_decoder_free(&decoder);
  return 0;
}
