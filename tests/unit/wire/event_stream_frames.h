/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of application/vnd.amazon.eventstream from text, for tests and fuzzing. Each line is one message: "NAME JSON"
 * an event, "!NAME JSON" an exception, "?CODE TEXT" an error. A line "~" damages the message before it.
 */
#ifndef MLOOM_TESTS_EVENT_STREAM_FRAMES_H
#define MLOOM_TESTS_EVENT_STREAM_FRAMES_H

#include <string.h>

#include "base/buffer.h"

static inline uint32_t frames_checksum(const char *data, size_t size) {
  uint32_t sum = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    sum ^= (unsigned char)data[i];
    for (int bit = 0; bit < 8; bit++) {
      sum = (sum & 1) != 0 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
    }
  }
  return ~sum;
}

static inline void frames_number(mloom_buffer *out, size_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; i--) {
    mloom_buffer_append_char(out, (char)(number >> 8 * i & 0xff));
  }
}

static inline void frames_header(mloom_buffer *out, const char *name, const char *value, size_t value_size) {
  frames_number(out, strlen(name), 1);
  mloom_buffer_append_string(out, name);
  frames_number(out, 7, 1);
  frames_number(out, value_size, 2);
  mloom_buffer_append(out, value, value_size);
}

/* kind is the first byte of a line. */
static inline void frames_add(mloom_buffer *out, char kind, const char *name, size_t name_size, const char *payload,
                              size_t payload_size) {
  mloom_buffer headers = MLOOM_BUFFER_INIT;
  size_t start = out->size;
  if (kind == '?') {
    frames_header(&headers, ":message-type", "error", 5);
    frames_header(&headers, ":error-code", name, name_size);
    frames_header(&headers, ":error-message", payload, payload_size);
    payload_size = 0;
  } else {
    frames_header(&headers, kind == '!' ? ":exception-type" : ":event-type", name, name_size);
    frames_header(&headers, ":content-type", "application/json", 16);
    frames_header(&headers, ":message-type", kind == '!' ? "exception" : "event", kind == '!' ? 9 : 5);
  }
  frames_number(out, headers.size + payload_size + 16, 4);
  frames_number(out, headers.size, 4);
  frames_number(out, frames_checksum(out->data + start, 8), 4);
  mloom_buffer_append(out, headers.data, headers.size);
  mloom_buffer_append(out, payload, payload_size);
  frames_number(out, frames_checksum(out->data + start, out->size - start), 4);
  mloom_buffer_free(&headers);
}

static inline void frames_from_text(mloom_buffer *out, const char *text, size_t size) {
  for (size_t at = 0; at < size;) {
    const char *line = text + at;
    const char *end = memchr(line, '\n', size - at);
    size_t length = end == NULL ? size - at : (size_t)(end - line);
    at += length + 1;
    if (length == 1 && line[0] == '~') {
      if (out->size > 0) {
        out->data[out->size - 5] ^= 1;
      }
      continue;
    }
    size_t mark = length > 0 && (line[0] == '!' || line[0] == '?') ? 1 : 0;
    const char *space = memchr(line + mark, ' ', length - mark);
    size_t name_size = space == NULL ? length - mark : (size_t)(space - line) - mark;
    const char *payload = space == NULL ? "" : space + 1;
    size_t payload_size = space == NULL ? 0 : length - mark - name_size - 1;
    if (name_size <= 200 && payload_size <= 60000) {
      frames_add(out, mark ? line[0] : '-', line + mark, name_size, payload, payload_size);
    }
  }
}

#endif
