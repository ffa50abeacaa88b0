/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of a Messages service: the first byte chooses status and pieces, the rest is the answer. A turn that was
 * accepted must encode into a body that is JSON.
 */
#include <stdlib.h>

#include "base/json_reader.h"
#include "wire/messages.h"

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

static void check_body(const mloom_messages_answer *answer) {
  mloom_messages_request request;
  mloom_messages_options options = {.send_model = 1, .stream = 1, .cache = 1};
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  mloom_buffer body = MLOOM_BUFFER_INIT;
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  if (mloom_messages_request_init(&request, &options, "m", &args) != MLOOM_OK ||
      mloom_messages_request_append_answer(&request, answer) != MLOOM_OK ||
      mloom_messages_request_segments(&request, &segments, &count) != MLOOM_OK) {
    abort();
  }
  for (size_t i = 0; i < count; i++) {
    mloom_buffer_append(&body, segments[i].data, segments[i].size);
  }
  /* Not the strict parser: members that a service sends twice go back to it as they came. */
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, body.data, body.size);
  mloom_json_reader_skip(&reader);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    abort();
  }
  mloom_buffer_free(&body);
  mloom_messages_request_free(&request);
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
  mloom_messages_decoder decoder;
  size_t step = (data[0] & 2) != 0 ? 1 : (size_t)(data[0] >> 2) + 16;
  const char *answer = (const char *)data + 1;
  int32_t code = MLOOM_OK;
  mloom_messages_decoder_init(&decoder);
  for (size_t at = 0; code == MLOOM_OK && at < size - 1; at += step) {
    size_t piece = size - 1 - at < step ? size - 1 - at : step;
    code = mloom_messages_decoder_feed(&decoder, answer + at, piece, &sink, &error);
  }
  if (code == MLOOM_OK &&
      mloom_messages_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error) == MLOOM_OK) {
    check_body(&decoder.answer);
  }
  mloom_messages_decoder_free(&decoder);
  return 0;
}
