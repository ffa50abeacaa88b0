/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct mloom_output_capture {
  mloom_buffer head;
  size_t head_limit;
  char *tail; /* a ring; NULL while the head has room */
  size_t tail_limit;
  size_t tail_next; /* where the next byte goes */
  size_t tail_size;
  uint64_t total;
};

int32_t mloom_output_capture_new(mloom_output_capture **out, size_t head_bytes, size_t tail_bytes) {
  *out = NULL;
  mloom_output_capture *capture = calloc(1, sizeof(*capture));
  if (capture == NULL) {
    return MLOOM_E_MEMORY;
  }
  capture->head_limit = head_bytes;
  capture->tail_limit = tail_bytes;
  *out = capture;
  return MLOOM_OK;
}

static void add_to_tail(mloom_output_capture *capture, const char *data, size_t size) {
  if (size >= capture->tail_limit) {
    memcpy(capture->tail, data + (size - capture->tail_limit), capture->tail_limit);
    capture->tail_next = 0;
    capture->tail_size = capture->tail_limit;
    return;
  }
  size_t until_wrap = capture->tail_limit - capture->tail_next;
  size_t first = size < until_wrap ? size : until_wrap;
  memcpy(capture->tail + capture->tail_next, data, first);
  memcpy(capture->tail, data + first, size - first);
  capture->tail_next = (capture->tail_next + size) % capture->tail_limit;
  capture->tail_size =
      capture->tail_size + size < capture->tail_limit ? capture->tail_size + size : capture->tail_limit;
}

int32_t mloom_output_capture_add(mloom_output_capture *capture, const char *data, size_t size) {
  size_t room = capture->head_limit - capture->head.size;
  size_t to_head = size < room ? size : room;
  size_t to_tail = capture->tail_limit > 0 ? size - to_head : 0;
  if (to_tail > 0 && capture->tail == NULL) {
    capture->tail = malloc(capture->tail_limit);
    if (capture->tail == NULL) {
      return MLOOM_E_MEMORY;
    }
  }
  if (to_head > 0 && mloom_buffer_append(&capture->head, data, to_head) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  if (to_tail > 0) {
    add_to_tail(capture, data + to_head, to_tail);
  }
  capture->total += size;
  return MLOOM_OK;
}

/* The tail in order. */
static int32_t unroll_tail(const mloom_output_capture *capture, mloom_buffer *out) {
  if (capture->tail_size == 0) {
    return MLOOM_OK;
  }
  size_t start = (capture->tail_next + capture->tail_limit - capture->tail_size) % capture->tail_limit;
  size_t until_wrap = capture->tail_limit - start;
  size_t first = capture->tail_size < until_wrap ? capture->tail_size : until_wrap;
  int32_t code = mloom_buffer_append(out, capture->tail + start, first);
  return code != MLOOM_OK ? code : mloom_buffer_append(out, capture->tail, capture->tail_size - first);
}

/* Bytes at the front that continue a character whose start was left out. */
static size_t count_continuation(const char *data, size_t size) {
  size_t count = 0;
  while (count < size && count < 3 && ((unsigned char)data[count] & 0xc0) == 0x80) {
    count++;
  }
  return count;
}

static int32_t append_with_gap(const mloom_output_capture *capture, const mloom_buffer *tail, mloom_buffer *out) {
  size_t head_size = mloom_text_complete_prefix(capture->head.data, capture->head.size);
  size_t skipped = count_continuation(tail->data, tail->size);
  uint64_t left_out = capture->total - head_size - (tail->size - skipped);
  int32_t code = mloom_text_append_utf8(out, mloom_buffer_string(&capture->head), head_size);
  if (code == MLOOM_OK) {
    code = mloom_buffer_append_format(out, "%s[... %llu bytes left out ...]\n",
                                      out->size > 0 && out->data[out->size - 1] != '\n' ? "\n" : "",
                                      (unsigned long long)left_out);
  }
  return code != MLOOM_OK ? code
                          : mloom_text_append_utf8(out, mloom_buffer_string(tail) + skipped, tail->size - skipped);
}

int32_t mloom_output_capture_append_to(const mloom_output_capture *capture, mloom_buffer *out) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer tail = MLOOM_BUFFER_INIT;
  int32_t code = unroll_tail(capture, &tail);
  if (code != MLOOM_OK) {
    return code;
  }
  if (capture->total > capture->head.size + tail.size) {
    return append_with_gap(capture, &tail, out);
  }
  /* Nothing is missing: one text, which may have been split within a character. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer whole = MLOOM_BUFFER_INIT;
  code = mloom_buffer_append(&whole, mloom_buffer_string(&capture->head), capture->head.size);
  if (code == MLOOM_OK) {
    code = mloom_buffer_append(&whole, mloom_buffer_string(&tail), tail.size);
  }
  return code != MLOOM_OK ? code : mloom_text_append_utf8(out, mloom_buffer_string(&whole), whole.size);
}

uint64_t mloom_output_capture_total(const mloom_output_capture *capture) {
  return capture->total;
}

void mloom_output_capture_free(mloom_output_capture *capture) {
  if (capture == NULL) {
    return;
  }
  mloom_buffer_free(&capture->head);
  free(capture->tail);
  free(capture);
}
