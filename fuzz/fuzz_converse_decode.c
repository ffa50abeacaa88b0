/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of Converse: the first byte chooses status, pieces and form, the rest is the answer: as it stands, or lines
 * of text made into messages with right checksums. A turn that was accepted must encode into a body that is JSON.
 * Without what it remembers of the event before, and fed byte by byte, the decoder must come to the same.
 */
#include "decoded.h"
#include "event_stream_frames.h"
#include "wire/converse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const mloom_converse_answer *answer) {
  static const mloom_tool tool = {.size = sizeof(tool), .name = "t"};
  static const mloom_tool *const tools[] = {&tool};
  mloom_converse_request request;
  mloom_converse_options options = {.cache = 1};
  mloom_session_args args = {
      .size = sizeof(args), .model = "m", .tools = tools, .tool_count = answer->blocks.count % 2};
  const mloom_bytes *segments = NULL;
  size_t count = 0;
  if (mloom_converse_request_init(&request, &options, &args) != MLOOM_OK ||
      mloom_converse_request_append_answer(&request, answer) != MLOOM_OK ||
      mloom_converse_request_segments(&request, &segments, &count) != MLOOM_OK) {
    abort();
  }
  decoded_check_body(segments, count);
  mloom_converse_request_free(&request);
}

static int32_t decode(mloom_buffer *seen, int32_t http_status, mloom_bytes answer, size_t step, int forget) {
  static const mloom_service_names service = {
      .model = "m", .base_url = "http://s", .models_url = "http://s/models", .environment_prefix = "JCA_X_"};
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = decoded_add};
  mloom_exchange_end end = {.size = sizeof(end), .http_status = http_status};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_converse_decoder decoder;
  int32_t code = MLOOM_OK;
  mloom_converse_decoder_init(&decoder);
  for (size_t at = 0; code >= 0 && at < answer.size; at += step) {
    size_t piece = answer.size - at < step ? answer.size - at : step;
    if (forget) {
      mloom_pieces_forget(&decoder.pieces);
    }
    code = mloom_converse_decoder_feed(&decoder, answer.data + at, piece, &sink, &error);
  }
  code = code >= 0 ? mloom_converse_decoder_finish(&decoder, &end, 1, &service, &sink, &result, &error) : code;
  if (code == MLOOM_OK) {
    check_body(&decoder.answer);
    mloom_buffer_append_format(seen, "%u %u", result.stop, result.tool_call_count);
  }
  mloom_converse_decoder_free(&decoder);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  mloom_buffer answer = MLOOM_BUFFER_INIT;
  size_t step = (data[0] & 2) != 0 ? 1 : (size_t)(data[0] >> 3) + 16;
  if ((data[0] & 4) != 0) {
    frames_from_text(&answer, (const char *)data + 1, size - 1);
  } else {
    mloom_buffer_append(&answer, (const char *)data + 1, size - 1);
  }
  decoded_twice(decode, (data[0] & 1) != 0 ? 200 : 400, (mloom_bytes){mloom_buffer_string(&answer), answer.size}, step);
  mloom_buffer_free(&answer);
  return 0;
}
