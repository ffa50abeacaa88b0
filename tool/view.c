/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MS 120
#define NAME_COLUMNS 14
/* Lines of what the model says that are shown of one turn; all of them with --verbose. */
#define SPEECH_LINES 4

struct view {
  int mode;
  int color;
  int verbose;
  mloom_cancel *cancel;
  pthread_mutex_t lock; /* between the job's thread and the one that turns the spinner */
  pthread_cond_t wake;
  pthread_t thread;
  int has_thread;
  int ended;
  int drawn; /* the status line stands on the screen */
  unsigned frame;
  struct timespec begin;
  struct timespec step_begin;
  tool_text step;   /* what is being done now; safe text */
  tool_text asked;  /* what the running tool was asked to do; safe text */
  tool_text speech; /* what the model has said in this turn */
  tool_text line;
  unsigned turn;
  unsigned long long input_tokens;
  unsigned long long output_tokens;
  int width;
};

/* The view that owns the screen now; warnings may come from any thread. */
static pthread_mutex_t screen_lock = PTHREAD_MUTEX_INITIALIZER;
static view *screen_view;

static long long since_ms(const struct timespec *begin) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)(now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
}

static const char *separator(void) {
  return tool_text_is_utf8() ? " \xC2\xB7 " : " - ";
}

static const char *spinner(unsigned frame) {
  static const char *const fine[] = {"\xE2\xA0\x8B", "\xE2\xA0\x99", "\xE2\xA0\xB9", "\xE2\xA0\xB8", "\xE2\xA0\xBC",
                                     "\xE2\xA0\xB4", "\xE2\xA0\xA6", "\xE2\xA0\xA7", "\xE2\xA0\x87", "\xE2\xA0\x8F"};
  static const char *const plain[] = {"|", "/", "-", "\\"};
  return tool_text_is_utf8() ? fine[frame % 10] : plain[frame % 4];
}

/* One write for one change of the screen, so that it never shows a half. */
static void put(view *v, const tool_text *text) {
  if (text->size > 0 && (fwrite(text->data, 1, text->size, stdout) != text->size || fflush(stdout) != 0)) {
    mloom_cancel_trigger(v->cancel);
  }
}

static void append_tokens(tool_text *out, unsigned long long input, unsigned long long output) {
  tool_append_count(out, input);
  tool_text_add(out, " in, ");
  tool_append_count(out, output);
  tool_text_add(out, " out");
}

/* Draws the status line in place. The last column stays free, so that no terminal wraps. */
static void draw(view *v) {
  if (v->mode != VIEW_LIVE || v->ended) {
    return;
  }
  tool_text status = {NULL, 0, 0};
  tool_text tail = {NULL, 0, 0};
  size_t width = (size_t)tool_terminal_width() - 1;
  tool_text_add(&tail, separator());
  tool_append_duration(&tail, since_ms(&v->step_begin) / 100 * 100);
  if (v->input_tokens + v->output_tokens > 0) {
    tool_text_add(&tail, separator());
    append_tokens(&tail, v->input_tokens, v->output_tokens);
  }
  size_t tail_columns = tool_text_columns(tool_text_get(&tail), tail.size);
  size_t room = width > tail_columns + 12 ? width - tail_columns - 2 : width - 2;
  tool_text_add(&status, v->drawn ? "\r" : "\r\033[?25l");
  tool_append_styled(&status, v->color, TOOL_STYLE_CYAN, spinner(v->frame++));
  tool_text_add(&status, " ");
  tool_text_add_cut(&status, tool_text_get(&v->step), v->step.size, room);
  if (room < width - 2) {
    tool_append_styled(&status, v->color, TOOL_STYLE_DIM, tool_text_get(&tail));
  }
  tool_text_add(&status, "\033[K");
  put(v, &status);
  v->drawn = 1;
  tool_text_free(&status);
  tool_text_free(&tail);
}

static void erase(view *v) {
  if (v->drawn) {
    static const char codes[] = "\r\033[K";
    const tool_text text = {(char *)codes, sizeof(codes) - 1, 0};
    put(v, &text);
  }
}

static void *turn_spinner(void *userdata) {
  view *v = userdata;
  pthread_mutex_lock(&v->lock);
  while (!v->ended) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FRAME_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&v->wake, &v->lock, &until);
    draw(v);
  }
  pthread_mutex_unlock(&v->lock);
  return NULL;
}

static void own_screen(view *v) {
  pthread_mutex_lock(&screen_lock);
  screen_view = v;
  pthread_mutex_unlock(&screen_lock);
}

void view_print_error(const char *line) {
  pthread_mutex_lock(&screen_lock);
  view *v = screen_view;
  if (v != NULL) {
    pthread_mutex_lock(&v->lock);
    erase(v);
  }
  fputs(line, stderr);
  if (v != NULL) {
    draw(v);
    pthread_mutex_unlock(&v->lock);
  }
  pthread_mutex_unlock(&screen_lock);
}

view *view_new(int mode, const tool_options *options, mloom_cancel *cancel) {
  view *v = tool_allocate(sizeof(*v));
  pthread_condattr_t attributes;
  v->mode = mode;
  v->color = options->color_on;
  v->verbose = options->verbose;
  v->cancel = cancel;
  clock_gettime(CLOCK_MONOTONIC, &v->begin);
  v->step_begin = v->begin;
  tool_text_add(&v->step, "starting");
  pthread_mutex_init(&v->lock, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&v->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  if (mode == VIEW_LIVE) {
    own_screen(v);
  }
  /* Without the thread the line is still drawn, at each event. */
  v->has_thread = mode == VIEW_LIVE && pthread_create(&v->thread, NULL, turn_spinner, v) == 0;
  return v;
}

/* Ends the line that was built, cut to the terminal's width, and prints it above the status line. */
static void put_line(view *v) {
  tool_text_add(&v->line, "\n");
  erase(v);
  put(v, &v->line);
  tool_text_clear(&v->line);
}

static size_t line_width(const view *v) {
  return v->mode == VIEW_LIVE ? (size_t)tool_terminal_width() - 1 : 4096;
}

static void set_step(view *v, const char *step) {
  tool_text_clear(&v->step);
  tool_text_add(&v->step, step);
  clock_gettime(CLOCK_MONOTONIC, &v->step_begin);
}

/* "  mark name          first - second   12 ms": the two texts share what the width leaves. */
static void put_step(view *v, unsigned state, const char *name, const tool_text *first, const tool_text *second,
                     long long duration_ms) {
  size_t width = line_width(v);
  tool_text duration = {NULL, 0, 0};
  if (duration_ms > 0) {
    tool_text_add(&duration, "  ");
    tool_append_duration(&duration, duration_ms);
  }
  size_t name_columns = tool_text_columns(name, strlen(name));
  size_t padding = name_columns < NAME_COLUMNS ? NAME_COLUMNS - name_columns : 1;
  size_t used = 4 + name_columns + padding + duration.size;
  size_t room = width > used ? width - used : 0;
  tool_text_add(&v->line, "  ");
  tool_append_styled(&v->line, v->color, tool_check_style(state), tool_check_mark(state));
  tool_text_format(&v->line, " %s", name);
  tool_text_pad(&v->line, padding);
  if (first->size > 0) {
    size_t wanted = second->size > 0 ? room * 2 / 3 : room;
    size_t got = tool_text_add_cut(&v->line, tool_text_get(first), first->size, wanted);
    room -= got < room ? got : room;
  }
  if (second->size > 0 && room > 6) {
    tool_text cut = {NULL, 0, 0};
    tool_text_add(&v->line, first->size > 0 ? separator() : "");
    tool_text_add_cut(&cut, tool_text_get(second), second->size, first->size > 0 ? room - 3 : room);
    tool_append_styled(&v->line, v->color, TOOL_STYLE_DIM, tool_text_get(&cut));
    tool_text_free(&cut);
  }
  tool_append_styled(&v->line, v->color, TOOL_STYLE_DIM, tool_text_get(&duration));
  put_line(v);
  tool_text_free(&duration);
}

/* Prints one line of safe text, wrapped, as far as limit lines go. */
static void put_wrapped(view *v, const tool_text *safe, int style, size_t limit, size_t *lines) {
  size_t position = 0;
  while (position < safe->size && (*lines)++ < limit) {
    tool_text part = {NULL, 0, 0};
    size_t next = 0;
    size_t size = tool_text_break(safe->data + position, safe->size - position, line_width(v) - 2, &next);
    tool_text_append(&part, safe->data + position, size);
    tool_text_add(&v->line, "  ");
    tool_append_styled(&v->line, v->color, style, tool_text_get(&part));
    put_line(v);
    tool_text_free(&part);
    position += next;
  }
}

static void put_paragraph(view *v, const char *text, size_t size, int style, size_t limit) {
  size_t lines = 0;
  while (size > 0) {
    const char *end = memchr(text, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - text);
    tool_text safe = {NULL, 0, 0};
    tool_text_add_safe(&safe, text, length, 0);
    put_wrapped(v, &safe, style, limit, &lines);
    tool_text_free(&safe);
    length += end != NULL;
    text += length;
    size -= length;
  }
  if (lines > limit) {
    tool_text_add(&v->line, "  ");
    tool_append_styled(&v->line, v->color, TOOL_STYLE_DIM, tool_text_is_utf8() ? "\xE2\x80\xA6" : "...");
    put_line(v);
  }
}

static void put_speech(view *v) {
  put_paragraph(v, tool_text_get(&v->speech), v->speech.size, TOOL_STYLE_PLAIN, v->verbose ? (size_t)-1 : SPEECH_LINES);
  tool_text_clear(&v->speech);
}

static void on_turn_begin(view *v, const mloom_job_event *event) {
  tool_text step = {NULL, 0, 0};
  v->turn = event->turn;
  tool_text_format(&step, "turn %u%swaiting for the model", event->turn, separator());
  set_step(v, tool_text_get(&step));
  tool_text_free(&step);
}

static void on_turn_end(view *v, const mloom_job_event *event) {
  put_speech(v);
  if (v->mode == VIEW_PLAIN || v->verbose) {
    tool_text text = {NULL, 0, 0};
    tool_text_format(&text, "turn %u: ", event->turn);
    append_tokens(&text, event->input_tokens, event->output_tokens);
    tool_text_add(&text, " so far, ");
    tool_append_duration(&text, event->duration_ms);
    put_paragraph(v, tool_text_get(&text), text.size, TOOL_STYLE_DIM, 1);
    tool_text_free(&text);
  }
}

static void on_tool_begin(view *v, const mloom_job_event *event, const char *name) {
  tool_text step = {NULL, 0, 0};
  put_speech(v);
  tool_text_clear(&v->asked);
  tool_text_add_safe(&v->asked, event->text.data, event->text.size, 0);
  tool_text_format(&step, "turn %u%s%s %s", v->turn, separator(), name, tool_text_get(&v->asked));
  set_step(v, tool_text_get(&step));
  tool_text_free(&step);
}

static void on_step_end(view *v, const mloom_job_event *event, const char *name, const tool_text *asked) {
  tool_text outcome = {NULL, 0, 0};
  tool_text_add_safe(&outcome, event->text.data, event->text.size, 0);
  /* A command's outcome says by itself how long it took. */
  put_step(v, event->state, name, asked, &outcome, strcmp(name, "run_command") == 0 ? 0 : event->duration_ms);
  tool_text_free(&outcome);
}

/* The reason of a check that is no pass is shown whole. */
static void on_check(view *v, const mloom_job_event *event, const char *name) {
  static const tool_text nothing = {NULL, 0, 0};
  tool_text reason = {NULL, 0, 0};
  tool_text_add_safe(&reason, event->text.data, event->text.size, 0);
  int fits = tool_text_columns(tool_text_get(&reason), reason.size) + NAME_COLUMNS + 4 + 10 <= line_width(v);
  if (fits || event->state == MLOOM_CHECK_PASS || event->state == MLOOM_CHECK_SKIPPED) {
    put_step(v, event->state, name, &nothing, &reason, event->duration_ms);
  } else {
    put_step(v, event->state, name, &nothing, &nothing, event->duration_ms);
    put_paragraph(v, tool_text_get(&reason), reason.size, TOOL_STYLE_PLAIN, (size_t)-1);
  }
  tool_text_free(&reason);
}

static void on_note(view *v, const mloom_job_event *event, const char *word, int style) {
  tool_text text = {NULL, 0, 0};
  tool_text_add(&text, word);
  tool_text_append(&text, event->text.data, event->text.size);
  put_paragraph(v, tool_text_get(&text), text.size, style, SPEECH_LINES);
  tool_text_free(&text);
}

static void show(view *v, const mloom_job_event *event, const char *name) {
  tool_text step = {NULL, 0, 0};
  switch (event->kind) {
  case MLOOM_JOB_EVENT_STATE:
    set_step(v, name);
    break;
  case MLOOM_JOB_EVENT_RESOLUTION:
    put_paragraph(v, event->text.data, event->text.size, TOOL_STYLE_PLAIN, (size_t)-1);
    set_step(v, "checking that the provider is ready");
    break;
  case MLOOM_JOB_EVENT_CHECK:
    on_check(v, event, name);
    tool_text_format(&step, "checking that the provider is ready%s%s done", separator(), name);
    set_step(v, tool_text_get(&step));
    break;
  case MLOOM_JOB_EVENT_TURN_BEGIN:
    on_turn_begin(v, event);
    break;
  case MLOOM_JOB_EVENT_TURN_END:
    on_turn_end(v, event);
    break;
  case MLOOM_JOB_EVENT_TEXT:
    tool_text_append(&v->speech, event->text.data, event->text.size);
    break;
  case MLOOM_JOB_EVENT_TOOL_BEGIN:
    on_tool_begin(v, event, name);
    break;
  case MLOOM_JOB_EVENT_TOOL_END:
    on_step_end(v, event, name, &v->asked);
    on_turn_begin(v, event);
    break;
  case MLOOM_JOB_EVENT_VALIDATION:
    tool_text_add(&step, name);
    on_step_end(v, event, "validation", &step);
    break;
  case MLOOM_JOB_EVENT_RETRY:
    on_note(v, event, "retry: ", TOOL_STYLE_YELLOW);
    break;
  case MLOOM_JOB_EVENT_NOTICE:
    on_note(v, event, "note: ", TOOL_STYLE_YELLOW);
    break;
  case MLOOM_JOB_EVENT_RATE_LIMIT:
    if (strcmp(name, "low") == 0) {
      on_note(v, event, "little is left of a limit: ", TOOL_STYLE_YELLOW);
    }
    break;
  default:
    break;
  }
  tool_text_free(&step);
}

void view_event(const mloom_job_event *event, void *userdata) {
  view *v = userdata;
  if (v->mode == VIEW_JSON) {
    if (fputs(event->json, stdout) == EOF || putc('\n', stdout) == EOF || fflush(stdout) != 0) {
      mloom_cancel_trigger(v->cancel);
    }
    return;
  }
  tool_text name = {NULL, 0, 0};
  tool_text_add_safe(&name, event->name, strlen(event->name), 0);
  pthread_mutex_lock(&v->lock);
  v->input_tokens = event->input_tokens > v->input_tokens ? event->input_tokens : v->input_tokens;
  v->output_tokens = event->output_tokens > v->output_tokens ? event->output_tokens : v->output_tokens;
  show(v, event, tool_text_get(&name));
  if (event->kind != MLOOM_JOB_EVENT_TEXT && event->kind != MLOOM_JOB_EVENT_REASONING) {
    draw(v);
  }
  pthread_mutex_unlock(&v->lock);
  tool_text_free(&name);
}

void view_end(view *v) {
  if (v->mode == VIEW_LIVE) {
    own_screen(NULL);
  }
  pthread_mutex_lock(&v->lock);
  if (!v->ended) {
    put_speech(v);
    v->ended = 1;
    if (v->drawn) {
      static const char codes[] = "\r\033[K\033[?25h";
      const tool_text text = {(char *)codes, sizeof(codes) - 1, 0};
      put(v, &text);
    }
  }
  pthread_cond_signal(&v->wake);
  pthread_mutex_unlock(&v->lock);
  if (v->has_thread) {
    pthread_join(v->thread, NULL);
    v->has_thread = 0;
  }
}

void view_free(view *v) {
  view_end(v);
  pthread_cond_destroy(&v->wake);
  pthread_mutex_destroy(&v->lock);
  tool_text_free(&v->step);
  tool_text_free(&v->asked);
  tool_text_free(&v->speech);
  tool_text_free(&v->line);
  free(v);
}
