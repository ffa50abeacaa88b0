/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of InvokeModel: the first byte chooses status, pieces and form, the rest is the answer: as it stands, or
 * lines of text made into messages with right checksums.
 */
#include <stdlib.h>

#include "aws-bedrock/aws_bedrock.h"
#include "event_stream_frames.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "http://s/models", .environment_prefix = "JCA_X_"};
  static const mloom_messages_options options = {.stream = -1, .max_output_tokens = 9};
  const mloom_dialect *dialect = bedrock_invoke_dialect();
  mloom_session_args args = {.size = sizeof(args), .model = "m"};
  if (size == 0) {
    return 0;
  }
  char last = 0;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &last, .event = on_event};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = (data[0] & 1) != 0 ? 200 : 400};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_buffer answer = MLOOM_BUFFER_INIT;
  if ((data[0] & 4) != 0) {
    frames_from_text(&answer, (const char *)data + 1, size - 1);
  } else {
    mloom_buffer_append(&answer, (const char *)data + 1, size - 1);
  }
  size_t step = (data[0] & 2) != 0 ? 1 : (size_t)(data[0] >> 3) + 16;
  int32_t code = MLOOM_OK;
  void *state = calloc(1, dialect->state_size);
  if (state == NULL || dialect->begin(state, &options, &args) != MLOOM_OK) {
    abort();
  }
  for (size_t at = 0; code >= 0 && at < answer.size; at += step) {
    size_t piece = answer.size - at < step ? answer.size - at : step;
    code = dialect->feed(state, answer.data + at, piece, &sink, &error);
  }
  if (code >= 0) {
    (void)dialect->finish(state, &end, 1, &service, &sink, &result, &error);
  }
  dialect->end(state);
  free(state);
  mloom_buffer_free(&answer);
  return 0;
}
