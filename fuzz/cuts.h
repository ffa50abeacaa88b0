/* SPDX-License-Identifier: Apache-2.0
 *
 * The same bytes whole and cut at random, for parsers that must not care.
 */
#ifndef MLOOM_FUZZ_CUTS_H
#define MLOOM_FUZZ_CUTS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

/* Feeds a piece to parser and logs what comes of it. */
typedef int32_t (*cuts_feed_fn)(void *parser, const char *data, size_t size, mloom_buffer *log);
/* Each byte of cuts is the length of the next piece; NULL: one piece. */
static inline int32_t cuts_feed(cuts_feed_fn feed, void *parser, mloom_bytes text, mloom_bytes cuts,
                                mloom_buffer *log) {
  int32_t code = MLOOM_OK;
  size_t offset = 0;
  for (size_t i = 0; code == MLOOM_OK && offset < text.size; i++) {
    size_t piece = cuts.size == 0 ? text.size : ((unsigned char)cuts.data[i % cuts.size] % 16u) + 1u;
    piece = piece < text.size - offset ? piece : text.size - offset;
    /* An allocation of its own shows every read beyond the piece. */
    char *copy = malloc(piece);
    memcpy(copy, text.data + offset, piece);
    code = feed(parser, copy, piece, log);
    free(copy);
    offset += piece;
  }
  return code;
}

/* Runs both ways over an input that begins with the cuts. Where a limit is hit may depend on how much is held back, so
 * that longer texts may differ. */
static inline void cuts_compare(void (*run)(mloom_bytes text, mloom_bytes cuts, mloom_buffer *log), size_t limit,
                                const uint8_t *data, size_t size) {
  size_t cut_count = size > 0 ? data[0] % 8u : 0;
  if (size < cut_count + 1) {
    return;
  }
  mloom_bytes text = {(const char *)data + 1 + cut_count, size - 1 - cut_count};
  mloom_buffer whole = MLOOM_BUFFER_INIT;
  mloom_buffer cut = MLOOM_BUFFER_INIT;
  run(text, (mloom_bytes){NULL, 0}, &whole);
  run(text, (mloom_bytes){(const char *)data + 1, cut_count}, &cut);
  if (text.size <= limit && !mloom_buffer_equal(&whole, &cut)) {
    fprintf(stderr, "whole: %s\ncut:   %s\n", mloom_buffer_string(&whole), mloom_buffer_string(&cut));
    abort();
  }
  mloom_buffer_free(&whole);
  mloom_buffer_free(&cut);
}

#endif
