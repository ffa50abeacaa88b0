/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: the list, and one of them with its events and its diff.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "pages/page.h"
#include "pending.h"
#include "runner.h"

#define RUNS_SHOWN 200

typedef struct job_rows {
  application *app;
  mloom_buffer text;
  mloom_json *waits; /* see pending_reason */
  uint32_t count;
} job_rows;

static void job_rows_free(job_rows *self) {
  mloom_buffer_free(&self->text);
  mloom_json_unref(self->waits);
}

static void draw_row(const store_job *job, void *userdata) {
  job_rows *rows = userdata;
  mloom_buffer *out = &rows->text;
  MLOOM_AUTO(mloom_auto_free) char *reason = pending_reason(rows->app, rows->waits, job);
  html_add(out, "<tr id=\"run-%s\"><td><a href=\"/live/%s\">%s %s</a><br><code class=\"meta\">%s</code></td><td>",
           job->id, job->id, job->key, job->key[0] == '\0' && job->title[0] == '\0' ? "without a title" : job->title,
           job->id);
  page_badge(out, job->state);
  html_add(out, "</td><td>%s<br><span class=\"meta\">%s</span></td><td data-label=\"Executor\">%s</td>", job->provider,
           job->model, job->executor);
  html_add(out, "<td data-label=\"Submitted\">");
  page_age_ms(out, job->created_ms);
  html_add(out, "</td><td>%s</td></tr>", reason == NULL ? job->reason : reason);
  rows->count++;
}

/* All of them, or those of one state: what waits may be older than the newest that are shown. */
static void draw_states(mloom_buffer *out, const char *chosen) {
  static const char *const states[] = {"pending", "running",   "completed", "failed",
                                       "blocked", "not-ready", "cancelled"};
  html_add(out, "<form class=\"filter\" method=\"get\"><div><label for=\"state\">State</label><select id=\"state\" "
                "name=\"state\"><option value=\"\">all</option>");
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    html_add(out, chosen != NULL && strcmp(chosen, states[i]) == 0 ? "<option selected>" : "<option>");
    html_add(out, "%s</option>", states[i]);
  }
  html_add(out, "</select></div><button>Filter</button></form>");
}

static void draw_rows(mloom_buffer *out, const job_rows *rows, const char *state) {
  html_add(out, "<section class=\"card\" data-live=\"runs\">");
  if (rows->count == 0 && state != NULL) {
    html_add(out, "<p class=\"lead\">There is no job in the state %s.</p>", state);
  } else if (rows->count == 0) {
    html_add(out, "<p class=\"lead\">No job has been submitted yet.</p><p>Submit one below, or with "
                  "<code>POST /api/v1/jobs</code>.</p>");
  } else {
    html_add(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Jobs\"><table class=\"stacks\">"
                  "<thead><tr><th>Job</th><th>State</th><th>Provider</th><th>Executor</th><th>Submitted</th>"
                  "<th>Reason</th></tr></thead><tbody>");
    mloom_buffer_append(out, rows->text.data, rows->text.size);
    html_add(out, "</tbody></table></div>");
  }
  if (rows->count == RUNS_SHOWN) {
    html_add(out, "<p class=\"help\">The newest %d of them. <code>GET /api/v1/jobs</code> has the older ones.</p>",
             RUNS_SHOWN);
  }
  html_add(out, "</section>");
}

void page_runs(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(job_rows_free) job_rows rows = {.app = call->app, .waits = mloom_json_new_object()};
  mloom_error error = MLOOM_ERROR_INIT;
  if (call->app->deployment.role == DEPLOYMENT_EXECUTOR) {
    page_begin(call, "Runs", "/runs");
    html_add(out,
             "<section class=\"card\"><p class=\"lead\">Jobs are on the gateway.</p><p>This executor takes them from "
             "there; submit them there, and see there how they go.</p></section>");
    page_end(call);
    return;
  }
  const char *state = app_query(call, "state");
  if (store_each_job(call->app->store, state, 0, RUNS_SHOWN, draw_row, &rows, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  page_begin(call, "Runs", "/runs");
  draw_states(out, state);
  draw_rows(out, &rows, state);
  html_add(out, "<section class=\"card\" id=\"submit\"><h2>Submit a job</h2><form method=\"post\" action=\"/runs\" "
                "class=\"settings\">");
  page_csrf(call);
  html_add(
      out,
      "<div class=\"fields\"><div class=\"field\"><label for=\"repository\">Repository</label><input id=\"repository\" "
      "name=\"repository\" required placeholder=\"/srv/project\"><p class=\"help\">Absolute path of a checked-out git "
      "repository on this machine.</p></div><div class=\"field\"><label for=\"title\">Title</label><input id=\"title\" "
      "name=\"title\" required></div><div class=\"field wide\"><label for=\"description\">Description</label><textarea "
      "id=\"description\" name=\"description\" rows=\"6\"></textarea><p class=\"help\">May hold a [JCA] block with "
      "directives.</p></div></div><div class=\"actions\"><button "
      "class=\"primary\">Submit</button></div></form></section>");
  page_end(call);
}

void form_job_submit(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  mloom_json *ticket = mloom_json_new_object(), *repository = mloom_json_new_object();
  const char *path = http_form(call->request, "repository");
  const char *title = http_form(call->request, "title");
  const char *description = http_form(call->request, "description");
  char id[65] = "";
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_json_set_string(document, "schema", "mergeloom.job.v1");
  mloom_json_set_string(ticket, "title", title == NULL ? "" : title);
  mloom_json_set_string(ticket, "description", description == NULL ? "" : description);
  mloom_json_set_string(repository, "path", path == NULL ? "" : path);
  mloom_json_set(document, "ticket", ticket);
  mloom_json_set(document, "repository", repository);
  if (runner_submit(call->app, document, id, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer live = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&live, "/live/%s", id);
  app_redirect(call, mloom_buffer_string(&live));
}

void form_job_cancel(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  if (runner_cancel(call->app, call->name, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer live = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&live, "/live/%s", call->name);
  app_redirect(call, mloom_buffer_string(&live));
}

/* ---- One job ---- */

typedef struct event_drawing {
  mloom_buffer lines;
  mloom_buffer said; /* text of the model, which comes in pieces */
  mloom_buffer diff;
  int64_t said_at_ms;
  int64_t last;
  int64_t before_said; /* the last event before what is said now */
  size_t count;
} event_drawing;

static void begin_line(event_drawing *drawing, int64_t elapsed_ms, int open) {
  html_add(&drawing->lines, open ? "<li class=\"open\"><span class=\"meta\">" : "<li><span class=\"meta\">");
  page_duration(&drawing->lines, elapsed_ms);
  html_add(&drawing->lines, "</span><span>");
}

/* open: it may go on. */
static void flush_said(event_drawing *drawing, int open) {
  if (drawing->said.size > 0) {
    begin_line(drawing, drawing->said_at_ms, open);
    html_add(&drawing->lines, "<span class=\"said\">%s</span></span></li>", mloom_buffer_string(&drawing->said));
    mloom_buffer_clear(&drawing->said);
  }
}

static void draw_line(event_drawing *drawing, const mloom_json *event) {
  begin_line(drawing, mloom_json_member_integer(event, "elapsed_ms", 0), 0);
  page_event(&drawing->lines, event);
  html_add(&drawing->lines, "</span></li>");
}

static void draw_event(int64_t sequence, const char *text, void *userdata) {
  event_drawing *drawing = userdata;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *event = NULL;
  int64_t previous = drawing->last;
  drawing->last = sequence;
  drawing->count++;
  if (mloom_json_parse(&event, text, strlen(text), "an event", NULL) != MLOOM_OK) {
    return;
  }
  const char *kind = mloom_json_member_string(event, "event", "");
  if (strcmp(kind, "text") == 0) {
    if (drawing->said.size == 0) {
      drawing->said_at_ms = mloom_json_member_integer(event, "elapsed_ms", 0);
      drawing->before_said = previous;
    }
    mloom_buffer_append_string(&drawing->said, mloom_json_member_string(event, "text", ""));
  } else if (strcmp(kind, "diff") == 0) {
    mloom_buffer_clear(&drawing->diff);
    mloom_buffer_append_string(&drawing->diff, mloom_json_member_string(event, "text", ""));
  } else if (strcmp(kind, "reasoning") != 0) {
    flush_said(drawing, 0);
    draw_line(drawing, event);
  }
}

static void draw_diff(mloom_buffer *out, const char *diff) {
  html_add(out, "<pre class=\"diff\" tabindex=\"0\" role=\"region\" aria-label=\"Diff\">");
  while (*diff != '\0') {
    size_t size = strcspn(diff, "\n");
    const char *style = diff[0] == '+' ? "add" : diff[0] == '-' ? "remove" : diff[0] == '@' ? "hunk" : NULL;
    if (style != NULL) {
      html_add(out, "<span class=\"%s\">", style);
    }
    html_text(out, diff, size);
    html_add(out, style != NULL ? "</span>\n" : "\n");
    diff += size + (diff[size] != '\0');
  }
  html_add(out, "</pre>");
}

typedef struct job_drawing {
  app_call *call;
  const event_drawing *events;
} job_drawing;

static void draw_job(const store_job *job, void *userdata) {
  const job_drawing *drawn = userdata;
  app_call *call = drawn->call;
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *result = NULL;
  int active = strcmp(job->state, "running") == 0 || strcmp(job->state, "pending") == 0;
  html_add(
      out,
      "<section class=\"card\" data-live=\"head\"><header class=\"card-head\"><div><h2>%s %s</h2><p class=\"meta\">"
      "<code>%s</code>",
      job->key, job->title, job->id);
  html_add(out, job->provider[0] == '\0' ? "" : " · %s %s", job->provider, job->model);
  html_add(out, job->executor[0] == '\0' ? "" : " · %s", job->executor);
  html_add(out, "</p></div><div class=\"state\">");
  page_badge(out, job->state);
  html_add(out, "<span>submitted ");
  page_age_ms(out, job->created_ms);
  if (job->started_ms > 0 && job->ended_ms >= job->started_ms) {
    html_add(out, ", took ");
    page_duration(out, job->ended_ms - job->started_ms);
  }
  html_add(out, "</span></div></header>");
  MLOOM_AUTO(mloom_auto_free) char *reason = pending_reason(call->app, NULL, job);
  if (reason != NULL && reason[0] != '\0') {
    html_add(out, "<p>%s</p>", reason);
  }
  if (mloom_json_parse(&result, job->result, strlen(job->result), "the result", NULL) == MLOOM_OK) {
    const mloom_json *usage = mloom_json_member(result, "usage");
    html_add(out, "<p>%s</p>", mloom_json_member_string(result, "summary", ""));
    html_add(out, "<p class=\"meta\">%n turns · %n tokens in (%n cached), %n out</p>",
             mloom_json_member_integer(result, "turns", 0), mloom_json_member_integer(usage, "input_tokens", 0),
             mloom_json_member_integer(usage, "cached_input_tokens", 0),
             mloom_json_member_integer(usage, "output_tokens", 0));
  }
  if (active) {
    html_add(out, "<div class=\"actions\"><form method=\"post\" action=\"/runs/%s/cancel\">", job->id);
    page_csrf(call);
    html_add(out, "<button>%s</button></form></div>", job->cancel_requested ? "Cancelling…" : "Cancel");
  }
  html_add(out, "</section><div data-live=\"diff\">");
  if (job->diff[0] != '\0') {
    html_add(out, "<section class=\"card\"><h2>Diff</h2>");
    draw_diff(out, job->diff);
    html_add(out, "</section>");
  } else if (drawn->events->diff.size > 0) {
    html_add(out, "<section class=\"card\"><h2>Diff so far</h2>");
    draw_diff(out, mloom_buffer_string(&drawn->events->diff));
    html_add(out, "</section>");
  }
  html_add(out, "</div>");
}

static void drawing_free(event_drawing *drawing) {
  mloom_buffer_free(&drawing->lines);
  mloom_buffer_free(&drawing->said);
  mloom_buffer_free(&drawing->diff);
}

void page_live(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(drawing_free) event_drawing drawing = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  size_t before;
  do {
    before = drawing.count;
    if (store_each_event(call->app->store, call->name, drawing.last, draw_event, &drawing, &error) != MLOOM_OK) {
      break;
    }
  } while (drawing.count > before);
  int64_t after = drawing.said.size > 0 ? drawing.before_said : drawing.last;
  flush_said(&drawing, 1);
  page_begin(call, "Run", "/runs");
  error = (mloom_error)MLOOM_ERROR_INIT;
  if (store_get_job(call->app->store, call->name, draw_job, &(job_drawing){call, &drawing}, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  /* The script asks for the rest alone, and gets lines from the stream. */
  if (http_query(call->request, "part") == NULL) {
    html_add(out,
             "<section class=\"card\"><h2>Progress</h2><ul class=\"log\" data-lines=\"/live/%s/events?after=%n\" "
             "aria-live=\"polite\">",
             call->name, after);
    mloom_buffer_append(out, mloom_buffer_string(&drawing.lines), drawing.lines.size);
    html_add(out, "</ul></section>");
  }
  page_end(call);
}

/* ---- Its lines as they come ---- */

typedef struct line_stream {
  application *app;
  char job[65];
  int64_t last;
  int saying; /* the last line is open for more of what the model says */
  int changed;
  int ended;
  char head[1024]; /* what the page shows of the job besides its events */
  mloom_buffer *out;
} line_stream;

/* An event of many lines is many lines of data. */
static void send_part(line_stream *stream, const char *event, const char *data, size_t size) {
  mloom_buffer_append_format(stream->out, "id: %" PRId64 "\nevent: %s\ndata: ", stream->last, event);
  for (size_t i = 0; i < size; i++) {
    if (data[i] == '\n') {
      mloom_buffer_append_string(stream->out, "\ndata: ");
    } else {
      mloom_buffer_append_char(stream->out, data[i]);
    }
  }
  mloom_buffer_append_string(stream->out, "\n\n");
}

static void send_said(line_stream *stream, const mloom_json *event) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  const char *said = mloom_json_member_string(event, "text", "");
  if (!stream->saying) {
    MLOOM_AUTO(drawing_free) event_drawing drawing = {0};
    begin_line(&drawing, mloom_json_member_integer(event, "elapsed_ms", 0), 0);
    html_add(&drawing.lines, "<span class=\"said\"></span></span></li>");
    send_part(stream, "line", mloom_buffer_string(&drawing.lines), drawing.lines.size);
    stream->saying = 1;
  }
  if (mloom_text_append_printable(&text, said, strlen(said), 1) == MLOOM_OK) {
    send_part(stream, "said", mloom_buffer_string(&text), text.size);
  }
}

static void send_event(int64_t sequence, const char *text, void *userdata) {
  line_stream *stream = userdata;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *event = NULL;
  stream->last = sequence;
  if (mloom_json_parse(&event, text, strlen(text), "an event", NULL) != MLOOM_OK) {
    return;
  }
  const char *kind = mloom_json_member_string(event, "event", "");
  if (strcmp(kind, "text") == 0) {
    send_said(stream, event);
  } else if (strcmp(kind, "diff") == 0) {
    stream->changed = 1;
  } else if (strcmp(kind, "reasoning") != 0) {
    MLOOM_AUTO(drawing_free) event_drawing drawing = {0};
    draw_line(&drawing, event);
    send_part(stream, "line", mloom_buffer_string(&drawing.lines), drawing.lines.size);
    stream->saying = 0;
  }
}

static void note_head(const store_job *job, void *userdata) {
  line_stream *stream = userdata;
  char head[sizeof stream->head];
  MLOOM_AUTO(mloom_auto_free) char *reason = pending_reason(stream->app, NULL, job);
  snprintf(head, sizeof head, "%s %d %s %s %s", job->state, job->cancel_requested, job->provider, job->model,
           reason == NULL ? "" : reason);
  stream->changed |= strcmp(head, stream->head) != 0;
  memcpy(stream->head, head, sizeof head);
  stream->ended = strcmp(job->state, "pending") != 0 && strcmp(job->state, "running") != 0;
}

static int next_lines(mloom_buffer *out, int idle, void *userdata) {
  line_stream *stream = userdata;
  stream->out = out;
  /* The state first: events that came before the end are then all there. */
  if (store_get_job(stream->app->store, stream->job, note_head, stream, NULL) != MLOOM_OK ||
      store_each_event(stream->app->store, stream->job, stream->last, send_event, stream, NULL) != MLOOM_OK) {
    return 1;
  }
  int more = out->size > 0;
  if (stream->changed) {
    stream->changed = 0;
    mloom_buffer_append_string(out, "event: change\ndata: {}\n\n");
  }
  if (!more && stream->ended) {
    mloom_buffer_append_string(out, "event: end\ndata: {}\n\n");
    return 1;
  }
  if (out->size == 0 && idle) {
    mloom_buffer_append_string(out, ": still here\n\n");
  }
  return 0;
}

void page_live_events(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  line_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    mloom_error_memory(&error);
    app_fail(call, &error);
    return;
  }
  stream->app = call->app;
  if (store_get_job(call->app->store, call->name, note_head, stream, &error) != MLOOM_OK) {
    free(stream);
    app_fail(call, &error);
    return;
  }
  const char *last = http_header(call->request, "Last-Event-ID");
  last = last != NULL ? last : http_query(call->request, "after");
  stream->last = last == NULL ? 0 : strtoll(last, NULL, 10);
  snprintf(stream->job, sizeof stream->job, "%s", call->name);
  http_answer_header(call->answer, "Content-Type", "text/event-stream");
  http_answer_header(call->answer, "Cache-Control", "no-store");
  call->answer->stream = (http_stream){next_lines, free, stream};
}
