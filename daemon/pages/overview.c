/* SPDX-License-Identifier: Apache-2.0
 *
 * The first page and audit.
 */
#include <string.h>

#include "base/error.h"
#include "pages/page.h"
#include "running.h"

static void draw_worker(mloom_buffer *out, const application *app) {
  static const char *const names[] = {"gateway and executor", "gateway", "executor"};
  const deployment *where = &app->deployment;
  const char *workspace = deployment_string(where, "tenant_slug");
  const char *idle = where->role == DEPLOYMENT_GATEWAY || deployment_takes_jobs(where) ? "" : ", takes no jobs";
  html_add(out,
           "<section class=\"card\"><h2>This worker</h2><table><tbody><tr><th scope=\"row\">Name</th><td>%s</td></tr>",
           where->name);
  if (workspace != NULL) {
    html_add(out, "<tr><th scope=\"row\">Workspace</th><td>%s</td></tr>", workspace);
  }
  html_add(out, "<tr><th scope=\"row\">Role</th><td>%s%s</td></tr><tr><th scope=\"row\">Started</th><td>",
           names[where->role], idle);
  page_age_ms(out, app->started_ms);
  html_add(out, "</td></tr></tbody></table></section>");
}

typedef struct counts {
  int64_t pending, running, completed, cancelled, failed;
} counts;

/* Blocked and not ready are failures as well: nothing was done, and somebody has to look. */
static void take_count(const char *state, int64_t count, void *userdata) {
  counts *counted = userdata;
  int64_t *which = strcmp(state, "pending") == 0     ? &counted->pending
                   : strcmp(state, "running") == 0   ? &counted->running
                   : strcmp(state, "completed") == 0 ? &counted->completed
                   : strcmp(state, "cancelled") == 0 ? &counted->cancelled
                                                     : &counted->failed;
  *which += count;
}

static void draw_figure(mloom_buffer *out, const char *title, int64_t value, const char *link, const char *text) {
  html_add(out,
           "<section class=\"card tile\"><h2>%s</h2><p class=\"figure\">%n</p><p class=\"meta\"><a "
           "href=\"%s\">%s</a></p></section>",
           title, value, link, text);
}

static void draw_job_figures(mloom_buffer *out, const counts *counted) {
  draw_figure(out, "Jobs waiting", counted->pending, "/runs?state=pending", "See what waits");
  draw_figure(out, "Jobs running", counted->running, "/runs?state=running", "See what runs");
  draw_figure(out, "Jobs completed", counted->completed, "/runs?state=completed", "See what is done");
  if (counted->failed > 0) {
    draw_figure(out, "Jobs failed", counted->failed, "/runs", "See runs");
  }
}

typedef struct member_rows {
  mloom_buffer text;
  const mloom_json *running;
} member_rows;

static void draw_member(const fleet_member *member, void *userdata) {
  member_rows *rows = userdata;
  mloom_buffer *out = &rows->text;
  const mloom_json *jobs = mloom_json_member(rows->running, member->name);
  html_add(out, "<tr><td>%s</td><td data-label=\"Seen\">", member->name);
  page_age_ms(out, member->seen_ms);
  html_add(out, "</td><td data-label=\"Can work there\">");
  for (const char *provider = member->ready; *provider != '\0';) {
    size_t size = strcspn(provider, ",");
    html_text(out, provider, size);
    html_add(out, size > 0 ? " " : "");
    provider += size + (provider[size] != '\0');
  }
  const char *left_alone = mloom_json_member_string(member->obstacles, "", "");
  html_add(out, left_alone[0] == '\0' ? "" : "<p class=\"problem\">%s</p>", left_alone);
  html_add(out, mloom_json_count(jobs) == 0 ? "</td><td>" : "</td><td data-label=\"Jobs\">");
  for (size_t i = 0; i < mloom_json_count(jobs); i++) {
    const char *job = mloom_json_text(mloom_json_at(jobs, i)).data;
    html_add(out, "<a href=\"/live/%s\">%s</a> ", job, job);
  }
  html_add(out, "</td></tr>");
}

void page_fleet(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *running = running_jobs(call->app->store);
  member_rows rows = {MLOOM_BUFFER_INIT, running};
  int64_t since_ms = 0;
  gateway_client *gateway = app_gateway(call->app);
  if (gateway != NULL) {
    int reached = gateway_client_is_reached(gateway, &since_ms);
    html_add(out, "<section class=\"card\"><h2>Gateway</h2><p>");
    page_badge(out, reached ? "pass" : "fail");
    html_add(out, reached ? " answers, last " : " is away; this executor goes on with what it has. Last answer: ");
    page_age_ms(out, since_ms);
    html_add(out, "</p></section>");
  }
  if (call->app->fleet != NULL) {
    fleet_each(call->app->fleet, draw_member, &rows);
  }
  if (rows.text.size > 0) {
    html_add(out, "<section class=\"card\"><h2>Executors</h2><table "
                  "class=\"stacks\"><thead><tr><th>Name</th><th>Seen</th><th>Providers that can "
                  "work there</th><th>Jobs</th></tr></thead><tbody>");
    mloom_buffer_append(out, rows.text.data, rows.text.size);
    html_add(out, "</tbody></table></section>");
  }
  mloom_buffer_free(&rows.text);
}

static void draw_step(mloom_buffer *out, int done, const char *text) {
  html_add(out, done ? "<li class=\"done\"><span class=\"step\">" : "<li><span class=\"step\">");
  mloom_buffer_append_string(out, text);
  html_add(out, done ? "</span><span class=\"badge good\">done</span></li>" : "</span></li>");
}

/* What to do first, until a job has been done. */
static void draw_first_steps(mloom_buffer *out, int able, int ready, const counts *counted) {
  html_add(out, "<section class=\"card\"><h2>First steps</h2><ol class=\"steps\">");
  draw_step(out, able,
            "<a href=\"/providers\">Set up a provider</a>: a key, an identity or a login, and a default model.");
  draw_step(out, ready,
            "<a href=\"/providers\">Run its self-test</a>: a small job that proves that it can work with tools.");
  draw_step(out, counted->pending + counted->running + counted->cancelled + counted->failed > 0,
            "<a href=\"/runs#submit\">Submit a job</a>: a repository on this machine, and what is to change in it.");
  html_add(out, "</ol></section>");
}

void page_home(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  const mloom_json *providers = mloom_json_member(document, "providers");
  counts counted = {0};
  int64_t ready = 0, proved = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_count_jobs(call->app->store, take_count, &counted, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    const char *state = page_provider_state(mloom_json_at(providers, i));
    proved += strcmp(state, "ready") == 0;
    ready += strcmp(state, "ready") == 0 || strcmp(state, "authenticated") == 0;
  }
  page_begin(call, "Overview", "/");
  html_add(out, "<div data-live=\"overview\"><div class=\"grid\">");
  draw_figure(out, "Usable providers", ready, "/providers", ready == 0 ? "Set one up" : "See all providers");
  if (call->app->deployment.role != DEPLOYMENT_EXECUTOR) {
    draw_job_figures(out, &counted);
  }
  html_add(out, "</div>");
  if (call->app->deployment.role != DEPLOYMENT_EXECUTOR && counted.completed == 0) {
    draw_first_steps(out, ready > 0, proved > 0, &counted);
  }
  draw_worker(out, call->app);
  page_fleet(call);
  html_add(out, "<section "
                "class=\"card\"><h2>Providers</h2><table class=\"stacks\"><thead><tr><th>Provider</th>"
                "<th>State</th><th>Checked</th></tr></thead><tbody>");
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    const mloom_json *provider = mloom_json_at(providers, i);
    const char *id = mloom_json_member_string(provider, "id", "");
    html_add(out, "<tr><td><a href=\"/providers#%s\">%s</a></td><td>", id,
             mloom_json_member_string(provider, "title", id));
    page_badge(out, page_provider_state(provider));
    html_add(out, "</td><td data-label=\"Checked\">");
    page_age(out, mloom_json_member_string(provider, "checked_at", ""));
    html_add(out, "</td></tr>");
  }
  html_add(out, "</tbody></table></section></div>");
  page_end(call);
}

#define ENTRIES_SHOWN 500

typedef struct audit_rows {
  mloom_buffer text;
  size_t count;
  int64_t oldest; /* its sequence */
} audit_rows;

static void audit_rows_free(audit_rows *rows) {
  mloom_buffer_free(&rows->text);
}

static void draw_entry(const store_audit_entry *entry, void *userdata) {
  audit_rows *rows = userdata;
  mloom_buffer *out = &rows->text;
  rows->count++;
  rows->oldest = entry->sequence;
  html_add(out, "<tr id=\"entry-%n\"><td>", entry->sequence);
  page_age_ms(out, entry->time_ms);
  html_add(out, "</td><td>%s</td><td>", entry->kind);
  if (strcmp(entry->kind, "job") == 0) {
    html_add(out, "<a href=\"/live/%s\">%s</a>", entry->subject, entry->subject);
  } else {
    html_add(out, "%s", entry->subject);
  }
  html_add(out, strcmp(entry->kind, "setting") == 0 ? "</td><td>changed: %s</td></tr>" : "</td><td>%s</td></tr>",
           entry->text);
}

void page_audit(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  const store_audit_filter filter = app_audit_filter(call, ENTRIES_SHOWN);
  static const char *const kinds[] = {"setting", "check", "job", "login", "plugin", "daemon"};
  MLOOM_AUTO(audit_rows_free) audit_rows rows = {MLOOM_BUFFER_INIT, 0, 0};
  mloom_error error = MLOOM_ERROR_INIT;
  if (store_each_audit(call->app->store, &filter, draw_entry, &rows, &error) != MLOOM_OK) {
    app_fail(call, &error);
    return;
  }
  page_begin(call, "Audit", "/audit");
  html_add(out, "<form id=\"filter\" class=\"filter\" method=\"get\"><div><label for=\"kind\">Kind</label><select "
                "id=\"kind\" name=\"kind\">"
                "<option value=\"\">all</option>");
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    html_add(out, filter.kind != NULL && strcmp(filter.kind, kinds[i]) == 0 ? "<option selected>" : "<option>");
    html_add(out, "%s</option>", kinds[i]);
  }
  html_add(out,
           "</select></div><div><label for=\"subject\">About</label><input id=\"subject\" name=\"subject\" "
           "value=\"%s\"></div>"
           "<button>Filter</button><button formaction=\"/api/v1/audit\">Export JSON</button>"
           "<button formaction=\"/api/v1/audit\" name=\"format\" value=\"csv\">Export CSV</button></form><section "
           "class=\"card\" data-live=\"audit\">",
           filter.subject == NULL ? "" : filter.subject);
  if (rows.count == 0) {
    html_add(out, filter.kind == NULL && filter.subject == NULL && filter.before == 0
                      ? "<p class=\"lead\">Nothing has happened yet.</p>"
                      : "<p class=\"lead\">There is no such entry.</p>");
  } else {
    html_add(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Audit\"><table class=\"stacks "
                  "brief\"><thead><tr><th>Time</th><th>Kind</th><th>About</th><th>What</th></tr></thead><tbody>");
    mloom_buffer_append(out, rows.text.data, rows.text.size);
    html_add(out, "</tbody></table></div>");
  }
  if (rows.count == ENTRIES_SHOWN) {
    html_add(out, "<p><button form=\"filter\" name=\"before\" value=\"%n\">Older entries</button></p>", rows.oldest);
  }
  html_add(out, "</section>");
  page_end(call);
}
