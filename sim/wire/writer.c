/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include "base/json_writer.h"

void sim_add_event(sim_writer *w) {
  w->event = w->code == MLOOM_OK ? sim_events_add(w->events) : NULL;
  w->code = w->code == MLOOM_OK && w->event == NULL ? MLOOM_E_MEMORY : w->code;
}

void sim_put(sim_writer *w, const char *text) {
  w->code = w->code == MLOOM_OK ? mloom_buffer_append_string(w->event, text) : w->code;
}

void sim_put_format(sim_writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  w->code = w->code == MLOOM_OK ? mloom_buffer_append_vformat(w->event, format, arguments) : w->code;
  va_end(arguments);
}

void sim_put_string(sim_writer *w, const char *data, size_t size) {
  w->code = w->code == MLOOM_OK ? mloom_json_write_string(w->event, data, size) : w->code;
}

void sim_put_buffer(sim_writer *w, const mloom_buffer *text) {
  sim_put_string(w, mloom_buffer_string(text), text->size);
}

int sim_next_piece(const sim_writer *w, const mloom_buffer *text, size_t *at, mloom_bytes *piece) {
  if (w->code != MLOOM_OK || *at >= text->size) {
    return 0;
  }
  size_t size = text->size - *at < w->answer->piece_bytes ? text->size - *at : w->answer->piece_bytes;
  while (*at + size < text->size && ((unsigned char)text->data[*at + size] & 0xC0) == 0x80) {
    size++;
  }
  *piece = (mloom_bytes){text->data + *at, size};
  *at += size;
  return 1;
}

int sim_has_quirk(const sim_writer *w, uint32_t quirk) {
  return (w->answer->quirks & quirk) != 0;
}
