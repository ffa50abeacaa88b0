/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages fed whole and the same bytes cut at random must give the same messages.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Each byte of cuts is the length of the next piece; NULL: one piece. */
static int32_t run(const char *text, size_t size, const uint8_t *cuts, size_t cut_count, mloom_buffer *log) {
  mloom_event_stream stream;
  mloom_event_stream_init(&stream, LIMIT);
  int32_t code = MLOOM_OK;
  size_t offset = 0;
  for (size_t i = 0; code == MLOOM_OK && offset < size; i++) {
    size_t piece = cuts == NULL || cut_count == 0 ? size : (size_t)(cuts[i % cut_count] % 16) + 1;
    piece = piece < size - offset ? piece : size - offset;
    /* An allocation of its own shows every read beyond the piece. */
    char *copy = malloc(piece);
    memcpy(copy, text + offset, piece);
    code = mloom_event_stream_feed(&stream, copy, piece, record, log);
    free(copy);
    offset += piece;
  }
  mloom_buffer_append_format(log, "%d %d", (int)code, code == MLOOM_OK && mloom_event_stream_is_partial(&stream));
  mloom_event_stream_free(&stream);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t cut_count = size > 0 ? data[0] % 8u : 0;
  if (size < cut_count + 1) {
    return 0;
  }
  const char *text = (const char *)data + 1 + cut_count;
  size_t text_size = size - 1 - cut_count;
  mloom_buffer whole = MLOOM_BUFFER_INIT;
  mloom_buffer cut = MLOOM_BUFFER_INIT;
  run(text, text_size, NULL, 0, &whole);
  run(text, text_size, data + 1, cut_count, &cut);
  if (whole.size != cut.size || memcmp(mloom_buffer_string(&whole), mloom_buffer_string(&cut), whole.size) != 0) {
    fprintf(stderr, "whole: %s\ncut:   %s\n", mloom_buffer_string(&whole), mloom_buffer_string(&cut));
    abort();
  }
  mloom_buffer_free(&whole);
  mloom_buffer_free(&cut);
  return 0;
}
