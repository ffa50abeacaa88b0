/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the programs' output share: the first byte chooses the pieces and how the program ended, the
 * rest is what it wrote.
 */
#ifndef MLOOM_FUZZ_CLI_OUTPUT_H
#define MLOOM_FUZZ_CLI_OUTPUT_H

#include <stdlib.h>

#include "base/error.h"
#include "cli/stream.h"

static inline void cli_output_event(const mloom_event *event, void *userdata) {
  volatile char *last = userdata;
  mloom_bytes texts[] = {event->text, event->id, event->name};
  for (size_t i = 0; i < 3; i++) {
    if (texts[i].size > 0) {
      *last = texts[i].data[texts[i].size - 1];
    }
  }
}

/* keep is called after a run that went well. */
static inline void cli_output_read(mloom_cli_stream_fn read_event, void (*keep)(mloom_cli_stream *stream),
                                   const mloom_cli_names *names, const uint8_t *data, size_t size) {
  if (size == 0) {
    return;
  }
  char last = 0;
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = &last, .event = cli_output_event};
  mloom_exchange_end end = {
      .size = sizeof(end), .exit_code = data[0] >> 7, .outcome = (data[0] & 64) != 0 ? MLOOM_E_TIMEOUT : MLOOM_OK};
  mloom_turn_result result = {.size = sizeof(result)};
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_cli_stream stream;
  size_t step = (data[0] & 1) != 0 ? 1 : (size_t)(data[0] & 62) + 16;
  mloom_cli_stream_init(&stream, read_event);
  for (int run = 0; run < 2; run++) {
    int32_t code = MLOOM_OK;
    for (size_t at = 1; code >= 0 && at < size; at += step) {
      size_t piece = size - at < step ? size - at : step;
      code = mloom_cli_stream_feed(&stream, (const char *)data + at, piece, &sink, &error);
    }
    code = mloom_cli_stream_finish(&stream, &end, names, &sink, &result, &error);
    if (code == MLOOM_OK) {
      keep(&stream);
    } else if (code > 0) {
      abort();
    }
    mloom_cli_stream_reset(&stream);
  }
  mloom_cli_stream_free(&stream);
}

#endif
