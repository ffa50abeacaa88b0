/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what a program writes on a terminal while a person logs in: plain lines, and in them the page to open and the
 * code to type in there.
 */
#ifndef MLOOM_PROVIDER_LOGIN_READER_H
#define MLOOM_PROVIDER_LOGIN_READER_H

#include "base/buffer.h"

typedef struct mloom_login_reader {
  mloom_buffer line;
  int state;   /* inside of an escape sequence */
  int has_url; /* told already: a program may draw it again and again */
  int has_code;
} mloom_login_reader;

/* Receives MLOOM_LOGIN_EVENT_...; text is UTF-8 without control characters. */
typedef void (*mloom_login_event_fn)(uint32_t event, const char *text, void *userdata);

/* MLOOM_OK or MLOOM_E_MEMORY. */
int32_t mloom_login_reader_feed(mloom_login_reader *reader, const char *data, size_t size, mloom_login_event_fn event,
                                void *userdata);
/* A question waits without a line end: tells what is there. */
int32_t mloom_login_reader_flush(mloom_login_reader *reader, mloom_login_event_fn event, void *userdata);
void mloom_login_reader_free(mloom_login_reader *reader);

#endif
