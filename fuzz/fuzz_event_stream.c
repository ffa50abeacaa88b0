/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages fed whole and the same bytes cut at random must give the same messages.
 */
#include "cuts.h"
#include "wire/event_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096

static int32_t record(const mloom_event_stream_message *message, void *userdata) {
  mloom_buffer *log = userdata;
  for (size_t i = 0; i < message->header_count; i++) {
    const mloom_event_stream_header *header = &message->headers[i];
    mloom_buffer_append_format(log, "%zu %u %lld ", header->name.size, header->type, (long long)header->number);
    mloom_buffer_append(log, header->name.data, header->name.size);
    mloom_buffer_append(log, header->value.data, header->value.size);
  }
  mloom_buffer_append(log, message->payload.data, message->payload.size);
  return MLOOM_OK;
}

static int32_t feed(void *parser, const char *data, size_t size, mloom_buffer *log) {
  return mloom_event_stream_feed(parser, data, size, record, log);
}

static void run(mloom_bytes text, mloom_bytes cuts, mloom_buffer *log) {
  mloom_event_stream stream;
  mloom_event_stream_init(&stream, LIMIT);
  int32_t code = cuts_feed(feed, &stream, text, cuts, log);
  mloom_buffer_append_format(log, "%d %d", (int)code, code == MLOOM_OK && mloom_event_stream_is_partial(&stream));
  mloom_event_stream_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cuts_compare(run, SIZE_MAX, data, size);
  return 0;
}
