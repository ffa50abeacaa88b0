/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream fed whole and the same stream cut at random must give the same events.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096

static int32_t record(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_buffer *log = userdata;
  mloom_buffer_append_format(log, "%zu %zu ", event.size, data.size);
  mloom_buffer_append(log, event.data, event.size);
  mloom_buffer_append(log, data.data, data.size);
  return MLOOM_OK;
}

/* Each byte of cuts is the length of the next piece; NULL: one piece. */
static int32_t run(const char *text, size_t size, const uint8_t *cuts, size_t cut_count, mloom_buffer *log) {
  mloom_sse sse;
  mloom_sse_init(&sse, LIMIT);
  int32_t code = MLOOM_OK;
  size_t offset = 0;
  for (size_t i = 0; code == MLOOM_OK && offset < size; i++) {
    size_t piece = cuts == NULL || cut_count == 0 ? size : (size_t)(cuts[i % cut_count] % 16) + 1;
    piece = piece < size - offset ? piece : size - offset;
    /* An allocation of its own shows every read beyond the piece. */
    char *copy = malloc(piece);
    memcpy(copy, text + offset, piece);
    code = mloom_sse_feed(&sse, copy, piece, record, log);
    free(copy);
    offset += piece;
  }
  mloom_buffer_append_format(log, "%d %d", (int)code, code == MLOOM_OK && mloom_sse_is_partial(&sse));
  mloom_sse_free(&sse);
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
  /* Where a limit is hit may depend on how much is held back; below it nothing may differ. */
  if (text_size <= LIMIT && strcmp(mloom_buffer_string(&whole), mloom_buffer_string(&cut)) != 0) {
    fprintf(stderr, "whole: %s\ncut:   %s\n", mloom_buffer_string(&whole), mloom_buffer_string(&cut));
    abort();
  }
  mloom_buffer_free(&whole);
  mloom_buffer_free(&cut);
  return 0;
}
