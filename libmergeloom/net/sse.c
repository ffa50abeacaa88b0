/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sse.h"

#include <string.h>

#include "base/text.h"

/* State: how much of a byte order mark was seen at the start of the stream, and whether the last byte was a CR whose LF
 * may follow. */
#define STATE_MARK_BYTES 3u /* a mask */
#define STATE_STARTED 4u
#define STATE_AFTER_CR 8u

static const char byte_order_mark[] = "\xEF\xBB\xBF";

/* The values of the event at hand that lie in the fed chunk; copied only when the event outlives it. */
typedef struct event_view {
  mloom_bytes data;
  mloom_bytes event;
} event_view;

void mloom_sse_init(mloom_sse *sse, size_t limit) {
  memset(sse, 0, sizeof(*sse));
  sse->limit = limit;
}

static void clear_event(mloom_sse *sse, event_view *view) {
  mloom_buffer_clear(&sse->data);
  mloom_buffer_clear(&sse->event);
  sse->has_data = 0;
  memset(view, 0, sizeof(*view));
}

static int32_t keep_view(mloom_sse *sse, event_view *view) {
  int32_t code = mloom_buffer_append(&sse->data, view->data.data, view->data.size);
  if (code == MLOOM_OK) {
    code = mloom_buffer_append(&sse->event, view->event.data, view->event.size);
  }
  memset(view, 0, sizeof(*view));
  return code;
}

static int32_t dispatch(mloom_sse *sse, event_view *view, mloom_sse_fn fn, void *userdata) {
  int32_t code = MLOOM_OK;
  if (sse->has_data) {
    mloom_bytes data =
        view->data.size > 0 ? view->data : (mloom_bytes){mloom_buffer_string(&sse->data), sse->data.size};
    mloom_bytes event =
        view->event.size > 0 ? view->event : (mloom_bytes){mloom_buffer_string(&sse->event), sse->event.size};
    code = fn(event, data, userdata);
  }
  clear_event(sse, view);
  return code < 0 ? code : MLOOM_OK;
}

static int32_t add_data(mloom_sse *sse, event_view *view, mloom_bytes value, int borrowed) {
  if (!sse->has_data && borrowed) {
    sse->has_data = 1;
    view->data = value;
    return MLOOM_OK;
  }
  int32_t code = mloom_buffer_append(&sse->data, view->data.data, view->data.size);
  view->data = (mloom_bytes){NULL, 0};
  if (code == MLOOM_OK && sse->has_data) {
    code = mloom_buffer_append_char(&sse->data, '\n');
  }
  sse->has_data = 1;
  return code == MLOOM_OK ? mloom_buffer_append(&sse->data, value.data, value.size) : code;
}

static int32_t set_event(mloom_sse *sse, event_view *view, mloom_bytes value, int borrowed) {
  mloom_buffer_clear(&sse->event);
  view->event = borrowed ? value : (mloom_bytes){NULL, 0};
  return borrowed ? MLOOM_OK : mloom_buffer_append(&sse->event, value.data, value.size);
}

/* borrowed: the line lies in the fed chunk and not in sse->line. */
static int32_t take_line(mloom_sse *sse, event_view *view, mloom_bytes line, int borrowed, mloom_sse_fn fn,
                         void *userdata) {
  if (line.size == 0) {
    return dispatch(sse, view, fn, userdata);
  }
  /* Most lines are of this field: no search for the colon then. */
  int is_data = line.size > 4 && memcmp(line.data, "data:", 5) == 0;
  const char *colon = is_data ? line.data + 4 : memchr(line.data, ':', line.size);
  size_t name = colon == NULL ? line.size : (size_t)(colon - line.data);
  size_t skip = colon == NULL ? name : name + 1;
  if (skip < line.size && line.data[skip] == ' ') {
    skip++;
  }
  mloom_bytes value = {line.data + skip, line.size - skip};
  size_t held = sse->data.size + view->data.size + sse->event.size + view->event.size;
  is_data = is_data || (name == 4 && memcmp(line.data, "data", 4) == 0);
  int is_event = name == 5 && memcmp(line.data, "event", 5) == 0;
  if ((is_data || is_event) && (value.size > sse->limit || held > sse->limit - value.size)) {
    return MLOOM_E_LIMIT;
  }
  if (is_data) {
    return add_data(sse, view, value, borrowed);
  }
  return is_event ? set_event(sse, view, value, borrowed) : MLOOM_OK;
}

/* Drops a byte order mark at the start of the stream, however it is cut. */
static int32_t skip_mark(mloom_sse *sse, const char **data, size_t *size) {
  while (*size > 0 && (sse->state & STATE_STARTED) == 0) {
    uint32_t seen = sse->state & STATE_MARK_BYTES;
    if (**data != byte_order_mark[seen]) {
      sse->state |= STATE_STARTED;
      return mloom_buffer_append(&sse->line, byte_order_mark, seen);
    }
    sse->state++;
    (*data)++;
    (*size)--;
    if (seen == 2) {
      sse->state |= STATE_STARTED;
    }
  }
  return MLOOM_OK;
}

static int32_t keep_rest(mloom_sse *sse, const char *data, size_t size) {
  if (size > sse->limit || sse->line.size > sse->limit - size) {
    return MLOOM_E_LIMIT;
  }
  return mloom_buffer_append(&sse->line, data, size);
}

static const char *find(const char *data, const char *end, char c) {
  return data < end ? memchr(data, c, (size_t)(end - data)) : NULL;
}

static int32_t feed_lines(mloom_sse *sse, event_view *view, const char *data, size_t size, mloom_sse_fn fn,
                          void *userdata) {
  const char *end = data + size;
  /* Each is searched anew only once it is passed: a stream has carriage returns in all of its lines or in none. */
  const char *line_feed = find(data, end, '\n');
  const char *carriage_return = find(data, end, '\r');
  while (data < end) {
    if ((sse->state & STATE_AFTER_CR) != 0) {
      sse->state &= ~STATE_AFTER_CR;
      if (*data == '\n') {
        data++;
        line_feed = find(data, end, '\n');
        continue;
      }
    }
    const char *stop = line_feed == NULL ? end : line_feed;
    int is_return = carriage_return != NULL && carriage_return < stop;
    const char *line_end = is_return ? carriage_return : stop;
    if (line_end == end) {
      return keep_rest(sse, data, (size_t)(end - data));
    }
    mloom_bytes line = {data, (size_t)(line_end - data)};
    int borrowed = sse->line.size == 0;
    if (!borrowed) {
      int32_t code = keep_rest(sse, line.data, line.size);
      if (code != MLOOM_OK) {
        return code;
      }
      line = (mloom_bytes){sse->line.data, sse->line.size};
    }
    int32_t code = take_line(sse, view, line, borrowed, fn, userdata);
    mloom_buffer_clear(&sse->line);
    data = line_end + 1;
    if (is_return) {
      sse->state |= STATE_AFTER_CR;
      carriage_return = find(data, end, '\r');
    } else {
      line_feed = find(data, end, '\n');
    }
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

int32_t mloom_sse_feed(mloom_sse *sse, const char *data, size_t size, mloom_sse_fn fn, void *userdata) {
  event_view view = {{NULL, 0}, {NULL, 0}};
  int32_t code = skip_mark(sse, &data, &size);
  if (code != MLOOM_OK || size == 0) {
    return code;
  }
  code = feed_lines(sse, &view, data, size, fn, userdata);
  int32_t kept = keep_view(sse, &view);
  return code == MLOOM_OK ? kept : code;
}

int mloom_sse_is_partial(const mloom_sse *sse) {
  int comment = sse->line.size > 0 && sse->line.data[0] == ':';
  return sse->has_data || sse->event.size > 0 || (sse->line.size > 0 && !comment);
}

void mloom_sse_reset(mloom_sse *sse) {
  mloom_buffer_clear(&sse->line);
  mloom_buffer_clear(&sse->data);
  mloom_buffer_clear(&sse->event);
  sse->state = 0;
  sse->has_data = 0;
}

void mloom_sse_free(mloom_sse *sse) {
  mloom_buffer_free(&sse->line);
  mloom_buffer_free(&sse->data);
  mloom_buffer_free(&sse->event);
  mloom_sse_reset(sse);
}
