/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: the list, and one of them with its events and its diff.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "pages/page.h"
#include "runner.h"

#define RUNS_SHOWN 200

static void draw_row(const store_job *job, void *userdata) {
  mloom_buffer *out = userdata;
  html_add(out, "<tr><td><a href=\"/live/%s\">%s</a></td><td>%s %s</td><td>", job->id, job->id, job->key, job->title);
  page_badge(out, job->state);
  html_add(out, "</td><td>%s<br><span class=\"meta\">%s</span></td><td>%s</td><td>", job->provider, job->model,
           job->executor);
  page_age_ms(out, job->created_ms);
  html_add(out, "</td><td>%s</td></tr>", job->reason);
}

void page_runs(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer rows = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_each_job(call->app->store, NULL, 0, RUNS_SHOWN, draw_row, &rows, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  page_begin(call, "Runs", "/runs");
  html_add(out, "<section class=\"card\" data-live=\"runs\">");
  if (rows.size == 0) {
    html_add(out, "<p class=\"lead\">No job has been submitted yet.</p><p>Submit one below, or with "
                  "<code>POST /api/v1/jobs</code>.</p>");
  } else {
    html_add(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
        "aria-label=\"Jobs\"><table><thead><tr><th>Job</th><th>Ticket"
        "</th><th>State</th><th>Provider</th><th>Executor</th><th>Submitted</th><th>Reason</th></tr></thead><tbody>");
    mloom_buffer_append(out, rows.data, rows.size);
    html_add(out, "</tbody></table></div>");
  }
  html_add(out, "</section><section class=\"card\"><h2>Submit a job</h2><form method=\"post\" action=\"/runs\" "
                "class=\"settings\">");
  page_csrf(call);
  html_add(
      out,
      "<div class=\"fields\"><div class=\"field\"><label for=\"repository\">Repository</label><input id=\"repository\" "
      "name=\"repository\" required placeholder=\"/srv/project\"><p class=\"help\">Absolute path of a checked-out git "
      "repository on this machine.</p></div><div class=\"field\"><label for=\"title\">Title</label><input id=\"title\" "
      "name=\"title\" required></div><div class=\"field\"><label for=\"description\">Description</label><textarea "
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
  size_t count;
} event_drawing;

static void begin_line(event_drawing *drawing, int64_t elapsed_ms) {
  html_add(&drawing->lines, "<li><span class=\"meta\">");
  page_duration(&drawing->lines, elapsed_ms);
  html_add(&drawing->lines, "</span><span>");
}

static void flush_said(event_drawing *drawing) {
  if (drawing->said.size > 0) {
    begin_line(drawing, drawing->said_at_ms);
    html_add(&drawing->lines, "<span class=\"said\">%s</span></span></li>", mloom_buffer_string(&drawing->said));
    mloom_buffer_clear(&drawing->said);
  }
}

static void draw_kind(event_drawing *drawing, const mloom_json *event, const char *kind) {
  mloom_buffer *out = &drawing->lines;
  const char *name = mloom_json_member_string(event, "name", "");
  const char *text = mloom_json_member_string(event, "text", "");
  const char *state = mloom_json_member_string(event, "state", "");
  begin_line(drawing, mloom_json_member_integer(event, "elapsed_ms", 0));
  if (strcmp(kind, "turn_begin") == 0) {
    html_add(out, "<strong>Turn %n</strong>", mloom_json_member_integer(event, "turn", 0));
  } else if (strcmp(kind, "turn_end") == 0) {
    html_add(out, "<span class=\"meta\">%n tokens in, %n out so far</span>",
             mloom_json_member_integer(event, "input_tokens", 0), mloom_json_member_integer(event, "output_tokens", 0));
  } else if (strcmp(kind, "tool_begin") == 0) {
    html_add(out, "<code>%s</code> %s", name, text);
  } else {
    if (state[0] != '\0') {
      page_badge(out, state);
    }
    html_add(out, " <strong>%s</strong> %s", name[0] != '\0' ? name : kind, text);
  }
  html_add(out, "</span></li>");
}

static void draw_event(int64_t sequence, const char *text, void *userdata) {
  event_drawing *drawing = userdata;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *event = NULL;
  drawing->last = sequence;
  drawing->count++;
  if (mloom_json_parse(&event, text, strlen(text), "an event", NULL) != MLOOM_OK) {
    return;
  }
  const char *kind = mloom_json_member_string(event, "event", "");
  if (strcmp(kind, "text") == 0) {
    if (drawing->said.size == 0) {
      drawing->said_at_ms = mloom_json_member_integer(event, "elapsed_ms", 0);
    }
    mloom_buffer_append_string(&drawing->said, mloom_json_member_string(event, "text", ""));
  } else if (strcmp(kind, "diff") == 0) {
    mloom_buffer_clear(&drawing->diff);
    mloom_buffer_append_string(&drawing->diff, mloom_json_member_string(event, "text", ""));
  } else if (strcmp(kind, "reasoning") != 0) {
    flush_said(drawing);
    draw_kind(drawing, event, kind);
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
      "<code>%s</code> · %s %s · %s</p></div><div class=\"state\">",
      job->key, job->title, job->id, job->provider, job->model, job->executor);
  page_badge(out, job->state);
  page_age_ms(out, job->created_ms);
  html_add(out, "</div></header>");
  if (job->reason[0] != '\0') {
    html_add(out, "<p>%s</p>", job->reason);
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
  flush_said(&drawing);
  page_begin(call, "Run", "/runs");
  error = (mloom_error)MLOOM_ERROR_INIT;
  if (store_get_job(call->app->store, call->name, draw_job, &(job_drawing){call, &drawing}, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  html_add(out, "<section class=\"card\"><h2>Progress</h2><ul class=\"log\" data-live=\"log\" aria-live=\"polite\">");
  mloom_buffer_append(out, mloom_buffer_string(&drawing.lines), drawing.lines.size);
  html_add(out, "</ul></section>");
  page_end(call);
}
