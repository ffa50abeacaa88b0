/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of decoders of answers share: what a decoder handed on, as bytes, so that two runs can be
 * compared, and the check of the body that goes back.
 */
#ifndef MLOOM_FUZZ_DECODED_H
#define MLOOM_FUZZ_DECODED_H

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json_reader.h"
#include <mergeloom/plugin.h>

static inline void decoded_add(const mloom_event *event, void *userdata) {
  mloom_buffer *seen = userdata;
  mloom_bytes texts[] = {event->text, event->id, event->name};
  mloom_buffer_append_format(seen, "%u", event->kind);
  if (event->kind == MLOOM_EVENT_USAGE) {
    mloom_buffer_append_format(seen, " %llu %llu %llu %llu", (unsigned long long)event->input_tokens,
                               (unsigned long long)event->cached_input_tokens, (unsigned long long)event->output_tokens,
                               (unsigned long long)event->reasoning_tokens);
  }
  for (size_t i = 0; i < 3; i++) {
    mloom_buffer_append_format(seen, ":%zu:", texts[i].size);
    mloom_buffer_append(seen, texts[i].data, texts[i].size);
  }
}

/* Decodes answer in pieces of step bytes, and adds to seen what was handed on. forget: what the decoder remembers of
 * the event before is dropped before each piece. Returns the code. */
typedef int32_t (*decoded_fn)(mloom_buffer *seen, int32_t http_status, mloom_bytes answer, size_t step, int forget);

/* However the answer is cut, and without what is remembered, the same must come of it. */
static inline void decoded_twice(decoded_fn decode, int32_t http_status, mloom_bytes answer, size_t step) {
  mloom_buffer one = MLOOM_BUFFER_INIT;
  mloom_buffer other = MLOOM_BUFFER_INIT;
  if (decode(&one, http_status, answer, step, 0) != decode(&other, http_status, answer, 1, 1) ||
      !mloom_buffer_equal(&one, &other)) {
    abort();
  }
  mloom_buffer_free(&one);
  mloom_buffer_free(&other);
}

/* As above for an input whose first byte chooses status and pieces. */
static inline void decoded_input(decoded_fn decode, const uint8_t *data, size_t size) {
  if (size > 0) {
    decoded_twice(decode, (data[0] & 1) != 0 ? 200 : 400, (mloom_bytes){(const char *)data + 1, size - 1},
                  (data[0] & 2) != 0 ? 1 : (size_t)(data[0] >> 2) + 16);
  }
}

/* The body must be JSON. Not the strict parser: members that a service sends twice go back to it as they came. */
static inline void decoded_check_body(const mloom_bytes *segments, size_t count) {
  mloom_buffer body = MLOOM_BUFFER_INIT;
  mloom_json_reader reader;
  for (size_t i = 0; i < count; i++) {
    mloom_buffer_append(&body, segments[i].data, segments[i].size);
  }
  mloom_json_reader_init(&reader, body.data, body.size);
  mloom_json_reader_skip(&reader);
  if (mloom_json_reader_end(&reader) != MLOOM_OK) {
    abort();
  }
  mloom_buffer_free(&body);
}

#endif
