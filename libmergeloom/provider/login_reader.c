/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/login_reader.h"

#include <string.h>

#include "base/text.h"
#include <mergeloom/login.h>

#define LINE_LIMIT 8192u
#define CODE_LIMIT 24u

/* Where the reader is in the sequences that terminals know. */
#define STATE_TEXT 0
#define STATE_ESCAPE 1  /* after ESC */
#define STATE_CONTROL 2 /* ESC [ ... a letter */
#define STATE_STRING 3  /* ESC ] ... BEL or ESC \ */
#define STATE_STRING_ESCAPE 4

void mloom_login_reader_free(mloom_login_reader *reader) {
  mloom_buffer_free(&reader->line);
}

/* ---- What is in a line ---- */

static int is_url_byte(char c) {
  return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
}

/* "http://localhost:1455": where the program itself waits for the browser, which it tells before the page. */
static int is_listener(const char *url) {
  return strncmp(url, "http://", 7) == 0 && strpbrk(url + 7, "/?#") == NULL;
}

static int tell_url(const char *line, mloom_login_event_fn event, void *userdata) {
  const char *at = strstr(line, "https://");
  at = at != NULL ? at : strstr(line, "http://");
  if (at == NULL) {
    return 0;
  }
  size_t size = 0;
  while (is_url_byte(at[size])) {
    size++;
  }
  while (size > 0 && strchr(".,;:!?)]'", at[size - 1]) != NULL) {
    size--;
  }
  char *url = mloom_text_dup((mloom_bytes){at, size});
  if (url == NULL || size < 12 || is_listener(url)) {
    mloom_auto_free(&url);
    return 0;
  }
  event(MLOOM_LOGIN_EVENT_URL, url, userdata);
  mloom_auto_free(&url);
  return 1;
}

static int is_code_byte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* "ABCD-12345": two groups of 3 to 8 capitals and digits, as a word of its own. 0 when there is none at text. */
static size_t code_size(const char *text) {
  size_t first = 0;
  size_t second = 0;
  while (is_code_byte(text[first])) {
    first++;
  }
  if (first < 3 || first > 8 || text[first] != '-') {
    return 0;
  }
  while (is_code_byte(text[first + 1 + second])) {
    second++;
  }
  char after = text[first + 1 + second];
  return second < 3 || second > 8 || after == '-' || after == '_' || (after >= 'a' && after <= 'z')
             ? 0
             : first + 1 + second;
}

static int tell_code(const char *line, mloom_login_event_fn event, void *userdata) {
  char code[CODE_LIMIT];
  for (const char *at = line; *at != '\0'; at++) {
    int begins_word = at == line || at[-1] == ' ' || at[-1] == ':' || at[-1] == '(' || at[-1] == '"';
    size_t size = begins_word ? code_size(at) : 0;
    if (size > 0 && size < sizeof(code)) {
      memcpy(code, at, size);
      code[size] = '\0';
      event(MLOOM_LOGIN_EVENT_CODE, code, userdata);
      return 1;
    }
  }
  return 0;
}

static int32_t end_line(mloom_login_reader *reader, mloom_login_event_fn event, void *userdata) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_bytes line = mloom_text_trim((mloom_bytes){mloom_buffer_string(&reader->line), reader->line.size});
  int32_t code = line.size == 0 ? MLOOM_OK : mloom_text_append_printable(&text, line.data, line.size, 0);
  mloom_buffer_clear(&reader->line);
  if (code != MLOOM_OK || text.size == 0) {
    return code;
  }
  if (!reader->has_url) {
    reader->has_url = tell_url(text.data, event, userdata);
  }
  if (!reader->has_code) {
    reader->has_code = tell_code(text.data, event, userdata);
  }
  event(MLOOM_LOGIN_EVENT_TEXT, text.data, userdata);
  return MLOOM_OK;
}

/* ---- Bytes ---- */

/* 1 when c belongs to a sequence and is no text. */
static int skip_sequence(mloom_login_reader *reader, char c) {
  switch (reader->state) {
  case STATE_ESCAPE:
    reader->state = c == '[' ? STATE_CONTROL : c == ']' || c == 'P' || c == '_' ? STATE_STRING : STATE_TEXT;
    return 1;
  case STATE_CONTROL:
    reader->state = c >= 0x40 && c <= 0x7e ? STATE_TEXT : STATE_CONTROL;
    return 1;
  case STATE_STRING:
    reader->state = c == '\a' ? STATE_TEXT : c == 0x1b ? STATE_STRING_ESCAPE : STATE_STRING;
    return 1;
  case STATE_STRING_ESCAPE:
    reader->state = c == '\\' ? STATE_TEXT : STATE_STRING;
    return 1;
  default:
    reader->state = c == 0x1b ? STATE_ESCAPE : STATE_TEXT;
    return c == 0x1b;
  }
}

int32_t mloom_login_reader_feed(mloom_login_reader *reader, const char *data, size_t size, mloom_login_event_fn event,
                                void *userdata) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < size && code == MLOOM_OK; i++) {
    char c = data[i];
    if (skip_sequence(reader, c)) {
      continue;
    }
    if (c == '\n' || c == '\r') {
      code = end_line(reader, event, userdata);
    } else if (reader->line.size < LINE_LIMIT) {
      code = mloom_buffer_append_char(&reader->line, c);
    } /* the rest of a line that no person would read is left out */
  }
  return code;
}

int32_t mloom_login_reader_flush(mloom_login_reader *reader, mloom_login_event_fn event, void *userdata) {
  return end_line(reader, event, userdata);
}
