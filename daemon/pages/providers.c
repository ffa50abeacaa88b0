/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider page: one card for each provider, drawn from the fields that its plugin declares.
 */
#include <stdlib.h>
#include <string.h>

#include "pages/settings_form.h"

#define SAVED_COOKIE "mergeloom_saved"

/* ---- Checks ---- */

/* Checks whose failure is mended in the form of the card. */
static int is_of_settings(const char *check) {
  return strcmp(check, "settings") == 0 || strcmp(check, "credential") == 0 || strcmp(check, "model") == 0;
}

/* form: the id of the form in which what is missing can be entered, or NULL. */
static void draw_check(mloom_buffer *out, const mloom_json *check, const char *form) {
  const char *remedy = mloom_json_member_string(check, "remedy", "");
  const char *state = mloom_json_member_string(check, "state", "");
  html_add(out, "<li class=\"check\"><div class=\"check-head\">");
  page_badge(out, state);
  html_add(out, "<span class=\"check-name\">%s</span><span class=\"meta\">",
           mloom_json_member_string(check, "name", ""));
  page_duration(out, mloom_json_member_integer(check, "duration_ms", 0));
  html_add(out, " · ");
  page_age(out, mloom_json_member_string(check, "checked_at", ""));
  html_add(out, "</span></div><p>%s</p>", mloom_json_member_string(check, "reason", ""));
  if (remedy[0] != '\0' && strcmp(state, "pass") != 0) {
    html_add(out, "<p class=\"remedy\"><strong>What to do:</strong> %s</p>", remedy);
  }
  if (form != NULL && strcmp(state, "fail") == 0 && is_of_settings(mloom_json_member_string(check, "name", ""))) {
    html_add(out, "<p><a href=\"#%s\">Open its settings</a></p>", form);
  }
  html_add(out, "</li>");
}

static int needs_attention(const mloom_json *check) {
  const char *state = mloom_json_member_string(check, "state", "");
  return strcmp(state, "fail") == 0 || strcmp(state, "warn") == 0;
}

static int count_state(const mloom_json *checks, const char *state) {
  int count = 0;
  for (size_t i = 0; i < mloom_json_count(checks); i++) {
    count += strcmp(mloom_json_member_string(mloom_json_at(checks, i), "state", ""), state) == 0;
  }
  return count;
}

/* Those that ask for something in the open, the others behind a line that counts them. */
static void draw_checks(app_call *call, const mloom_json *provider) {
  mloom_buffer *out = &call->answer->body;
  const mloom_json *checks = mloom_json_member(provider, "checks");
  size_t count = mloom_json_count(checks), quiet = 0;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer form = MLOOM_BUFFER_INIT;
  if (call->app->deployment.provider_mode == DEPLOYMENT_MODE_UI) {
    mloom_buffer_append_format(&form, "%s-form", mloom_json_member_string(provider, "id", ""));
  }
  if (count == 0) {
    html_add(out, "<p class=\"help\">Not checked yet.</p>");
    return;
  }
  for (size_t i = 0; i < count; i++) {
    quiet += (size_t)!needs_attention(mloom_json_at(checks, i));
  }
  html_add(out, quiet < count ? "<ul class=\"checks\">" : "");
  for (size_t i = 0; i < count; i++) {
    if (needs_attention(mloom_json_at(checks, i))) {
      draw_check(out, mloom_json_at(checks, i), form.data);
    }
  }
  html_add(out, quiet < count ? "</ul>" : "");
  if (quiet == 0) {
    return;
  }
  html_add(out, "<details class=\"quiet-checks\"><summary>%d passed, %d skipped</summary><ul class=\"checks\">",
           count_state(checks, "pass"), count_state(checks, "skipped"));
  for (size_t i = 0; i < count; i++) {
    if (!needs_attention(mloom_json_at(checks, i))) {
      draw_check(out, mloom_json_at(checks, i), form.data);
    }
  }
  html_add(out, "</ul></details>");
}

/* ---- Cards ---- */

static void draw_action(app_call *call, const char *id, const char *action, const char *style, const char *label) {
  mloom_buffer *out = &call->answer->body;
  html_add(out, "<form method=\"post\" action=\"/providers/%s/%s\">", id, action);
  page_csrf(call);
  html_add(out, "<button class=\"%s\">%s</button></form>", style, label);
}

/* What the self-test does now, or did at last. */
static void draw_progress(mloom_buffer *out, const mloom_json *provider) {
  const mloom_json *events = mloom_json_member(provider, "progress");
  size_t count = mloom_json_count(events);
  int running = mloom_json_member_boolean(provider, "self_testing", 0);
  if (count == 0 && !running) {
    return;
  }
  html_add(out, running ? "<details class=\"progress\" open><summary>Self-test "
                        : "<details class=\"progress\"><summary>Self-test ");
  page_badge(out, running ? "running" : "ended");
  html_add(out, "</summary><ol class=\"log\">");
  for (size_t i = 0; i < count; i++) {
    const mloom_json *event = mloom_json_at(events, i);
    html_add(out, "<li><span class=\"meta\">");
    page_duration(out, mloom_json_member_integer(event, "elapsed_ms", 0));
    html_add(out, "</span><span>");
    page_event(out, event);
    html_add(out, "</span></li>");
  }
  html_add(out, count == 0
                    ? "<li><span></span><span class=\"meta\">The checks before it run.</span></li></ol></details>"
                    : "</ol></details>");
}

/* Who it is, how it is, and what can be done. */
static void draw_side(app_call *call, const mloom_json *provider, const char *id) {
  mloom_buffer *out = &call->answer->body;
  int enabled = mloom_json_member_boolean(provider, "enabled", 1);
  html_add(
      out,
      "<div class=\"side\"><h2 id=\"%s-title\">%s</h2><p class=\"meta\"><code>%s</code></p><p class=\"help\">%s</p>",
      id, mloom_json_member_string(provider, "title", id), id, mloom_json_member_string(provider, "description", ""));
  html_add(out, "<div class=\"state\" data-live=\"%s\"><span aria-live=\"polite\">", id);
  page_badge(out, page_provider_state(provider));
  html_add(out, "</span>");
  page_age(out, mloom_json_member_string(provider, "checked_at", ""));
  html_add(out, "</div><div class=\"actions\">");
  draw_action(call, id, "check", "", "Check now");
  draw_action(call, id, "self-test", "", "Run self-test");
  if (call->app->deployment.provider_mode == DEPLOYMENT_MODE_UI) {
    draw_action(call, id, enabled ? "disable" : "enable", enabled ? "plain" : "", enabled ? "Disable" : "Enable");
  }
  html_add(out, "</div></div>");
}

static void draw_crashes(mloom_buffer *out, const mloom_json *provider) {
  const char *plugin = mloom_json_member_string(provider, "plugin", "");
  int64_t crashes = mloom_json_member_integer(provider, "crashes", 0);
  if (mloom_json_member_boolean(provider, "quarantined", 0)) {
    html_add(out,
             "<p class=\"problem\">Its plugin %s crashed %n times and is left alone. Update or remove it; "
             "<em>Check now</em> tries it again.</p>",
             plugin, crashes);
  } else if (crashes > 0) {
    html_add(out, "<p class=\"problem\">Its plugin %s crashed %s. After three times it is left alone.</p>", plugin,
             crashes == 1 ? "once" : "twice");
  }
}

static void draw_provider(app_call *call, const mloom_json *provider, const settings_outcome *last) {
  mloom_buffer *out = &call->answer->body;
  const char *id = mloom_json_member_string(provider, "id", "");
  html_add(out, "<article class=\"card provider\" id=\"%s\" aria-labelledby=\"%s-title\">", id, id);
  draw_side(call, provider, id);
  html_add(out, "<div class=\"main\">");
  settings_form_draw_outcome(out, id, last);
  html_add(out, "<div data-live=\"%s-checks\">", id);
  draw_crashes(out, provider);
  draw_checks(call, provider);
  html_add(out, "</div><div data-live=\"%s-progress\" aria-live=\"polite\">", id);
  draw_progress(out, provider);
  html_add(out, "</div>");
  page_login(call, provider);
  html_add(out, "<details class=\"card-settings\"");
  html_add(out, settings_form_is_refused(last, id) ? " open data-refused=\"%s\">" : ">", id);
  html_add(out, "<summary>Settings</summary>");
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *models = catalogue_read_models(call->app->catalogue, id);
  settings_form_draw(call, mloom_json_member(provider, "settings"), id, call->app->deployment.provider_mode, models,
                     last);
  html_add(out, "</details></div></article>");
}

/* All of them in one line, as there are many cards. */
static void draw_index(mloom_buffer *out, const mloom_json *providers) {
  html_add(out, "<nav class=\"index\" aria-label=\"Providers\"><ul data-live=\"index\">");
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    const mloom_json *provider = mloom_json_at(providers, i);
    const char *id = mloom_json_member_string(provider, "id", "");
    html_add(out, "<li><a class=\"chip\" href=\"#%s\">%s ", id, mloom_json_member_string(provider, "title", id));
    page_badge(out, page_provider_state(provider));
    html_add(out, "</a></li>");
  }
  html_add(out, "<li><a class=\"chip\" href=\"#worker\">Runtime configuration</a></li></ul></nav>");
}

/* Plugins that are left alone: those that crash while they are loaded have no card. */
static void draw_left_alone(app_call *call, const mloom_json *plugins) {
  mloom_buffer *out = &call->answer->body;
  html_add(out, "<div data-live=\"left-alone\">");
  for (size_t i = 0; i < mloom_json_count(plugins); i++) {
    const mloom_json *plugin = mloom_json_at(plugins, i);
    if (!mloom_json_member_boolean(plugin, "quarantined", 0)) {
      continue;
    }
    const char *path = mloom_json_member_string(plugin, "path", "");
    html_add(out,
             "<section class=\"card\"><h2>Plugin %s is left alone</h2><p class=\"meta\"><code>%s</code></p>"
             "<p class=\"problem\">It crashed %n times, at last so: %s.</p><p class=\"remedy\"><strong>What to "
             "do:</strong> update or remove it. A file that is replaced is tried again with the next change of "
             "settings, or at once:</p><form method=\"post\" action=\"/plugins/release\">",
             mloom_json_member_string(plugin, "name", ""), path, mloom_json_member_integer(plugin, "crashes", 0),
             mloom_json_member_string(plugin, "last_crash", ""));
    page_csrf(call);
    html_add(out, "<input type=\"hidden\" name=\"plugin\" value=\"%s\"><button>Try it again</button></form></section>",
             path);
  }
  html_add(out, "</div>");
}

static void draw_page(app_call *call, const settings_outcome *last) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  mloom_buffer *out = &call->answer->body;
  const mloom_json *providers = mloom_json_member(document, "providers");
  page_begin(call, "Providers", "/providers");
  draw_left_alone(call, mloom_json_member(document, "plugins"));
  if (document == NULL) {
    html_add(out,
             "<section class=\"card\"><p class=\"lead\">The providers are being described.</p><p>Load this page again "
             "in a moment. If it stays so, the log says why.</p></section>");
  } else if (mloom_json_count(providers) == 0) {
    html_add(out,
             "<section class=\"card\"><p class=\"lead\">No provider is loaded.</p><p>Install a provider plugin, or set "
             "<code>MERGELOOM_PLUGIN_PATH</code> to the folder that holds one.</p></section>");
  } else {
    draw_index(out, providers);
  }
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    draw_provider(call, mloom_json_at(providers, i), last);
  }
  html_add(out, "<section class=\"card\" id=\"worker\"><h2>Runtime configuration</h2>"
                "<p class=\"help\">What jobs may do on this worker, whatever the provider.</p>");
  settings_form_draw_outcome(out, "worker", last);
  settings_form_draw(call, mloom_json_member(mloom_json_member(document, "worker"), "settings"), "worker",
                     call->app->deployment.runtime_mode, NULL, last);
  html_add(out, "</section>");
  page_end(call);
}

/* The owner that the cookie of a saved form names; the answer takes the cookie away. */
static void take_saved(app_call *call, char *owner, size_t room) {
  const char *header = http_header(call->request, "Cookie");
  const char *found = header == NULL ? NULL : strstr(header, SAVED_COOKIE "=");
  owner[0] = '\0';
  if (found == NULL) {
    return;
  }
  found += sizeof SAVED_COOKIE;
  size_t size = strcspn(found, "; ");
  if (size > 0 && size < room) {
    memcpy(owner, found, size);
    owner[size] = '\0';
    http_answer_header(call->answer, "Set-Cookie", SAVED_COOKIE "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
  }
}

void page_providers(app_call *call) {
  char owner[128];
  take_saved(call, owner, sizeof owner);
  draw_page(call, &(settings_outcome){owner, NULL});
}

/* ---- Forms ---- */

static void back_to_card(app_call *call) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&path, "/providers#%s", call->name);
  app_redirect(call, mloom_buffer_string(&path));
}

static void finish(app_call *call, int32_t code, const mloom_error *error) {
  if (code == MLOOM_OK) {
    back_to_card(call);
  } else {
    app_fail(call, error);
  }
}

void form_provider_settings(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  settings_entry entries[SETTINGS_FORM_LIMIT];
  mloom_error error = {.size = sizeof error};
  const mloom_json *settings = settings_of(document, call->name);
  size_t count = settings_form_collect(call, settings, call->name, entries);
  int32_t code = settings_change(call->app, call->name, entries, count, &error);
  if (code == MLOOM_E_INVALID) {
    /* The same page with what was entered, so that it can be corrected. */
    draw_page(call, &(settings_outcome){call->name, &error});
    call->answer->status = 422;
    return;
  }
  if (code == MLOOM_OK && settings != NULL) {
    http_answer_header(call->answer, "Set-Cookie", SAVED_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=30",
                       call->name);
  }
  finish(call, code, &error);
}

static void start_check(app_call *call, int self_test) {
  mloom_error error = {.size = sizeof error};
  finish(call, catalogue_check(call->app->catalogue, call->name, self_test, &error), &error);
}

void form_provider_check(app_call *call) {
  start_check(call, 0);
}

void form_provider_self_test(app_call *call) {
  start_check(call, 1);
}

static void set_enabled(app_call *call, const char *value) {
  const settings_entry entry = {"enabled", value};
  mloom_error error = {.size = sizeof error};
  finish(call, settings_change(call->app, call->name, &entry, 1, &error), &error);
}

void form_provider_enable(app_call *call) {
  set_enabled(call, "true");
}

void form_provider_disable(app_call *call) {
  set_enabled(call, "false");
}

void form_plugin_release(app_call *call) {
  const char *path = http_form(call->request, "plugin");
  mloom_error error = {.size = sizeof error};
  if (app_release_plugin(call->app, path == NULL ? "" : path, &error) == MLOOM_OK) {
    app_redirect(call, "/providers");
  } else {
    app_fail(call, &error);
  }
}
