/* SPDX-License-Identifier: Apache-2.0
 *
 * The health page: what this daemon needs and whether it is there now.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "pages/page.h"

#define LOW_MEBIBYTES 100

static void begin_table(mloom_buffer *out, const char *id, const char *title) {
  html_add(out,
           "<section class=\"card\" data-live=\"%s\"><h2>%s</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
           "aria-label=\"%s\"><table class=\"stacks\"><tbody>",
           id, title, title);
}

static void end_table(mloom_buffer *out) {
  html_add(out, "</tbody></table></div></section>");
}

/* detail: what is wrong, or NULL. */
static void draw_row(mloom_buffer *out, const char *what, const char *place, const char *state, const char *detail) {
  html_add(out, "<tr><th scope=\"row\">%s</th><td><code>%s</code></td><td>", what, place);
  page_badge(out, state);
  html_add(out, " %s</td></tr>", detail == NULL ? "" : detail);
}

static void draw_file(mloom_buffer *out, const char *what, const char *path, int mode) {
  const int is_there = access(path, mode) == 0;
  const char *detail = is_there ? NULL : strerror(errno);
  draw_row(out, what, path, is_there ? "pass" : "fail", detail);
}

/* Of the folder that path lies in. */
static void draw_space(mloom_buffer *out, const char *path) {
  MLOOM_AUTO(mloom_auto_free) char *folder = strdup(path);
  char *slash = folder == NULL ? NULL : strrchr(folder, '/');
  struct statvfs found;
  char text[64];
  if (slash == NULL || slash == folder) {
    return;
  }
  *slash = '\0';
  if (statvfs(folder, &found) != 0) {
    draw_row(out, "Free space", folder, "fail", strerror(errno));
    return;
  }
  const uint64_t free_mebibytes = (uint64_t)found.f_bavail * found.f_frsize >> 20;
  snprintf(text, sizeof text, "%" PRIu64 " MiB", free_mebibytes);
  draw_row(out, "Free space", folder, free_mebibytes < LOW_MEBIBYTES ? "warn" : "pass", text);
}

/* What could not be written yet. */
static void draw_waiting(app_call *call) {
  size_t waiting = 0;
  int64_t lost = 0;
  char text[96];
  store_count_waiting(call->app->store, &waiting, &lost);
  snprintf(text, sizeof text, "%zu wait for their database; %" PRId64 " found no room and are lost", waiting, lost);
  if (waiting > 0 || lost > 0) {
    draw_row(&call->answer->body, "Entries of audit and events", "memory", lost > 0 ? "fail" : "warn", text);
  }
}

static void draw_stores(app_call *call) {
  static const struct {
    int part;
    const char *title;
  } parts[] = {{STORE_PROVIDERS, "Provider settings"},
               {STORE_RUNTIME, "Runtime settings"},
               {STORE_JOBS, "Jobs"},
               {STORE_AUDIT, "Audit"},
               {STORE_EVENTS, "Events"}};
  mloom_buffer *out = &call->answer->body;
  begin_table(out, "stores", "Stores");
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    const int works = store_probe(call->app->store, parts[i].part, &error) == MLOOM_OK;
    draw_row(out, parts[i].title, store_place(call->app->store, parts[i].part), works ? "pass" : "fail",
             works ? NULL : error.message);
  }
  draw_waiting(call);
  draw_file(out, "Key of stored secrets", call->app->deployment.secret_key_path, R_OK);
  draw_space(out, call->app->deployment.state_store_path);
  end_table(out);
}

static void draw_programs(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  begin_table(out, "programs", "Programs");
  draw_file(out, "Worker", call->app->programs.worker_path, X_OK);
  draw_file(out, "Supervisor", call->app->programs.supervise_path, X_OK);
  end_table(out);
}

/* Why a provider is as it is: the first check that failed. */
static const char *reason_of(const mloom_json *provider) {
  const mloom_json *checks = mloom_json_member(provider, "checks");
  for (size_t i = 0; i < mloom_json_count(checks); i++) {
    const mloom_json *check = mloom_json_at(checks, i);
    if (strcmp(mloom_json_member_string(check, "state", ""), "fail") == 0) {
      return mloom_json_member_string(check, "reason", "");
    }
  }
  return "";
}

static void draw_providers(mloom_buffer *out, const mloom_json *document) {
  const mloom_json *providers = mloom_json_member(document, "providers");
  begin_table(out, "providers", "Providers");
  if (document == NULL) {
    html_add(out, "<tr><td>They are being described.</td></tr>");
  }
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    const mloom_json *provider = mloom_json_at(providers, i);
    const char *id = mloom_json_member_string(provider, "id", "");
    html_add(out, "<tr><th scope=\"row\"><a href=\"/providers#%s\">%s</a></th><td>", id,
             mloom_json_member_string(provider, "title", id));
    page_badge(out, page_provider_state(provider));
    html_add(out, " <span class=\"meta\">");
    page_age(out, mloom_json_member_string(provider, "checked_at", ""));
    html_add(out, "</span> %s</td></tr>", reason_of(provider));
  }
  end_table(out);
}

static void draw_plugins(mloom_buffer *out, const mloom_json *document) {
  const mloom_json *plugins = mloom_json_member(document, "plugins");
  html_add(out, "<section class=\"card\" data-live=\"plugins\"><h2>Plugins</h2><div class=\"scroll\" tabindex=\"0\" "
                "role=\"region\" "
                "aria-label=\"Plugins\"><table "
                "class=\"stacks\"><thead><tr><th class=\"wide\">Plugin</th><th>Version</th><th>Offers</th><th>State</"
                "th></tr></thead><tbody>");
  for (size_t i = 0; i < mloom_json_count(plugins); i++) {
    const mloom_json *plugin = mloom_json_at(plugins, i);
    const char *failure = mloom_json_member_string(plugin, "failure", NULL);
    int64_t crashes = mloom_json_member_integer(plugin, "crashes", 0);
    int works = failure == NULL && !mloom_json_member_boolean(plugin, "quarantined", 0);
    html_add(out, "<tr><td>%s<br><span class=\"meta\"><code>%s</code></span></td><td>%s</td><td>%s</td><td>",
             mloom_json_member_string(plugin, "name", ""), mloom_json_member_string(plugin, "path", ""),
             mloom_json_member_string(plugin, "version", ""), mloom_json_member_string(plugin, "roles", ""));
    page_badge(out, works ? "pass" : "fail");
    if (crashes > 0) {
      html_add(out, " crashes: %n, at last so: %s</td></tr>", crashes,
               mloom_json_member_string(plugin, "last_crash", ""));
    } else {
      html_add(out, " %s</td></tr>", failure == NULL ? "loaded" : failure);
    }
  }
  html_add(out, "</tbody></table></div></section>");
}

void page_health(app_call *call) {
  mloom_buffer *out = &call->answer->body;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  page_begin(call, "Health", "/health");
  draw_stores(call);
  draw_programs(call);
  html_add(out, "<div data-live=\"fleet\">");
  page_fleet(call);
  html_add(out, "</div>");
  draw_providers(out, document);
  draw_plugins(out, document);
  page_end(call);
}
