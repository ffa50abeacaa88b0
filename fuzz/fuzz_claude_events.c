/* SPDX-License-Identifier: Apache-2.0
 *
 * Output of claude: the first byte chooses the pieces and how the program ended, the rest is what it wrote.
 */
#include <stdlib.h>

#include "base/error.h"
#include "claude-code-cli/claude_events.h"

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
  static const mloom_cli_names names = {.program = "claude", .login = "l", .model = "m", .model_setting = "s"};
  if (size == 0) {
    return 0;
  }
  char last = 0;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &last, .event = on_event};
  mloom_exchange_end end = {
      .size = sizeof(end), .exit_code = data[0] >> 7, .outcome = (data[0] & 64) != 0 ? MLOOM_E_TIMEOUT : MLOOM_OK};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_cli_stream stream;
  size_t step = (data[0] & 1) != 0 ? 1 : (size_t)(data[0] & 62) + 16;
  mloom_cli_stream_init(&stream, mloom_claude_read_event);
  for (int run = 0; run < 2; run++) {
    int32_t code = MLOOM_OK;
    for (size_t at = 1; code >= 0 && at < size; at += step) {
      size_t piece = size - at < step ? size - at : step;
      code = mloom_cli_stream_feed(&stream, (const char *)data + at, piece, &sink, &error);
    }
    code = mloom_cli_stream_finish(&stream, &end, &names, &sink, &result, &error);
    if (code == MLOOM_OK) {
      mloom_claude_keep_cost(&stream);
    } else if (code > 0) {
      abort();
    }
    mloom_cli_stream_reset(&stream);
  }
  mloom_cli_stream_free(&stream);
  return 0;
}
