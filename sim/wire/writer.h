/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing an answer, event by event. code remembers the first append that did not work, and nothing is written after
 * it, so that one check at the end suffices.
 */
#ifndef SIM_WIRE_WRITER_H
#define SIM_WIRE_WRITER_H

#include "../answer.h"
#include "../conversation.h"

typedef struct sim_writer {
  sim_events *events;
  const sim_conversation *conversation;
  const sim_answer *answer;
  mloom_buffer *event; /* what is being written */
  int32_t code;
  size_t count; /* of blocks or events so far, for wires that number them */
} sim_writer;

/* A new last event is what is written from now on. */
void sim_add_event(sim_writer *w);
void sim_put(sim_writer *w, const char *text);
__attribute__((format(printf, 2, 3))) void sim_put_format(sim_writer *w, const char *format, ...);
/* As a JSON string. */
void sim_put_string(sim_writer *w, const char *data, size_t size);
void sim_put_buffer(sim_writer *w, const mloom_buffer *text);
/* The piece of text from *at on, which moves behind it: piece_bytes of the answer, longer where a character would be
 * cut. Returns 0 at the end of text, and after a failure. */
int sim_next_piece(const sim_writer *w, const mloom_buffer *text, size_t *at, mloom_bytes *piece);
int sim_has_quirk(const sim_writer *w, uint32_t quirk);

#endif
