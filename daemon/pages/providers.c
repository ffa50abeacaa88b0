/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider page: one card for each provider, drawn from the fields that its plugin declares.
 */
#include <stdlib.h>
#include <string.h>

#include "pages/page.h"
#include "settings_change.h"

#define FIELD_LIMIT 128
#define SAVED_COOKIE "mergeloom_saved"

static int is_kind(const mloom_json *field, const char *kind) {
  return strcmp(mloom_json_member_string(field, "kind", ""), kind) == 0;
}

static int is_secret(const mloom_json *field) {
  return is_kind(field, "secret") || is_kind(field, "headers");
}

/* What the last form came to, shown once in the card that it belongs to. */
typedef struct outcome {
  const char *owner;        /* "" when there is none */
  const mloom_error *error; /* NULL when it was saved */
} outcome;

static int is_refused(const outcome *last, const char *owner) {
  return last->error != NULL && strcmp(last->owner, owner) == 0;
}

/* ---- Checks ---- */

static void draw_check(mloom_buffer *out, const mloom_json *check) {
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
static void draw_checks(mloom_buffer *out, const mloom_json *provider) {
  const mloom_json *checks = mloom_json_member(provider, "checks");
  size_t count = mloom_json_count(checks), quiet = 0;
  if (count == 0) {
    html_add(out, "<p class=\"help\">Not checked yet.</p>");
    return;
  }
  html_add(out, "<ul class=\"checks\">");
  for (size_t i = 0; i < count; i++) {
    if (needs_attention(mloom_json_at(checks, i))) {
      draw_check(out, mloom_json_at(checks, i));
    } else {
      quiet++;
    }
  }
  html_add(out, "</ul>");
  if (quiet == 0) {
    return;
  }
  html_add(out, "<details class=\"quiet-checks\"><summary>%d passed, %d skipped</summary><ul class=\"checks\">",
           count_state(checks, "pass"), count_state(checks, "skipped"));
  for (size_t i = 0; i < count; i++) {
    if (!needs_attention(mloom_json_at(checks, i))) {
      draw_check(out, mloom_json_at(checks, i));
    }
  }
  html_add(out, "</ul></details>");
}

/* ---- Fields ---- */

static void draw_choice(mloom_buffer *out, const char *value, const char *label, const char *current) {
  html_add(out, "<option value=\"%s\"", value);
  html_add(out, strcmp(value, current) == 0 ? " selected>" : ">");
  html_add(out, "%s</option>", label);
}

static void draw_select(mloom_buffer *out, const mloom_json *field, const char *id, const char *current,
                        const char *disabled) {
  static const char *const truths[] = {"true", "false", NULL};
  const mloom_json *choices = mloom_json_member(field, "choices");
  html_add(out, "<select id=\"%s\" name=\"%s\"", id, id);
  html_add(out, "%s>", disabled);
  /* data-default: what holds while nothing is chosen, for the script that hides fields. */
  const char *fallback = mloom_json_member_string(field, "default", "");
  html_add(out, "<option value=\"\" data-default=\"%s\">", fallback);
  html_add(out, fallback[0] == '\0' ? "(default)</option>" : "%s (default)</option>", fallback);
  for (size_t i = 0; i < mloom_json_count(choices); i++) {
    mloom_bytes choice = mloom_json_text(mloom_json_at(choices, i));
    draw_choice(out, choice.data, choice.data, current);
  }
  for (size_t i = 0; is_kind(field, "boolean") && truths[i] != NULL; i++) {
    draw_choice(out, truths[i], truths[i], current);
  }
  html_add(out, "</select>");
}

static void draw_secret(mloom_buffer *out, const mloom_json *field, const char *id, const char *name, int set,
                        const char *disabled) {
  const char *fingerprint = mloom_json_member_string(field, "fingerprint", "");
  int long_text = is_kind(field, "headers") || mloom_json_member_boolean(field, "multiline", 0);
  if (long_text) {
    html_add(out, "<textarea id=\"%s\" name=\"%s\" rows=\"3\" spellcheck=\"false\" autocomplete=\"off\" ", id, id);
  } else {
    html_add(out, "<input id=\"%s\" name=\"%s\" type=\"password\" autocomplete=\"new-password\" ", id, id);
  }
  if (set) {
    html_add(out, "placeholder=\"set · fingerprint %s\" ", fingerprint);
  } else {
    html_add(out, "placeholder=\"not set\" ");
  }
  html_add(out, "%s aria-describedby=\"%s-help\">", disabled, id);
  html_add(out, long_text ? "</textarea>" : "");
  if (set && disabled[0] == '\0') {
    html_add(out,
             "<label class=\"inline\"><input type=\"checkbox\" name=\"clear.%s\" value=\"1\"> Remove the stored value"
             "</label>",
             name);
  }
}

/* entered: what a form that was refused held, else NULL. */
static void draw_input(mloom_buffer *out, const mloom_json *field, const char *id, const char *name, int locked,
                       const char *entered) {
  const char *disabled = locked ? "disabled" : "";
  int from_store = strcmp(mloom_json_member_string(field, "origin", ""), "store") == 0;
  int set = mloom_json_member_boolean(field, "set", 0);
  const char *value = mloom_json_member_string(field, "value", "");
  if (is_secret(field)) {
    draw_secret(out, field, id, name, set, disabled);
    return;
  }
  const char *current = entered != NULL ? entered : locked || from_store ? value : "";
  if (is_kind(field, "choice") || is_kind(field, "boolean")) {
    draw_select(out, field, id, current, disabled);
    return;
  }
  const char *type = is_kind(field, "integer") ? "number" : is_kind(field, "url") ? "url" : "text";
  html_add(out, "<input id=\"%s\" name=\"%s\" type=\"%s\" value=\"%s\" placeholder=\"%s\" ", id, id, type, current,
           mloom_json_member_string(field, "default", ""));
  html_add(out, "%s aria-describedby=\"%s-help\">", disabled, id);
}

static void draw_origin(mloom_buffer *out, const mloom_json *field, int locked) {
  const char *origin = mloom_json_member_string(field, "origin_name", "");
  if (!mloom_json_member_boolean(field, "set", 0)) {
    html_add(out, "<span class=\"origin\">not set</span>");
  } else if (locked) {
    html_add(out, "<span class=\"origin locked\">locked · %s</span>", origin);
  } else {
    html_add(out, "<span class=\"origin\">%s</span>", origin);
  }
}

static void draw_field(app_call *call, const mloom_json *field, const char *owner, int writable, const outcome *last) {
  mloom_buffer *out = &call->answer->body;
  const char *name = mloom_json_member_string(field, "name", "");
  const mloom_json *shown = mloom_json_member(field, "shown_when");
  int locked = mloom_json_member_boolean(field, "locked", 0) || !writable;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  mloom_buffer_append_format(&id, "%s.%s", owner, name);
  const char *id_text = mloom_buffer_string(&id);
  html_add(out, "<div class=\"field\"");
  if (shown != NULL) {
    html_add(out, " data-shown-field=\"%s.%s\" data-shown-value=\"%s\"", owner,
             mloom_json_member_string(shown, "field", ""), mloom_json_member_string(shown, "value", ""));
  }
  html_add(out, "><div class=\"field-head\"><label for=\"%s\">%s</label>", id_text,
           mloom_json_member_string(field, "title", name));
  draw_origin(out, field, mloom_json_member_boolean(field, "locked", 0));
  html_add(out, "</div>");
  draw_input(out, field, id_text, name, locked,
             !locked && is_refused(last, owner) ? http_form(call->request, id_text) : NULL);
  mloom_bytes variable = mloom_json_text(mloom_json_at(mloom_json_member(field, "environment"), 0));
  html_add(out, "<p class=\"help\" id=\"%s-help\">%s <code>%s</code>", id_text,
           mloom_json_member_string(field, "help", ""), variable.data == NULL ? "" : variable.data);
  if (shown != NULL) {
    html_add(out, " <span class=\"when\">Used when %s is %s.</span>", mloom_json_member_string(shown, "field", ""),
             mloom_json_member_string(shown, "value", ""));
  }
  html_add(out, "</p></div>");
}

static void draw_problems(mloom_buffer *out, const mloom_json *settings) {
  const mloom_json *problems = mloom_json_member(settings, "problems");
  for (size_t i = 0; i < mloom_json_count(problems); i++) {
    const mloom_json *problem = mloom_json_at(problems, i);
    html_add(out, "<p class=\"problem\">");
    page_badge(out, mloom_json_member_string(problem, "state", ""));
    html_add(out, " %s; %s</p>", mloom_json_member_string(problem, "message", ""),
             mloom_json_member_string(problem, "remedy", ""));
  }
}

static void draw_fields(app_call *call, const mloom_json *settings, const char *owner, int writable, int advanced,
                        const outcome *last) {
  const mloom_json *fields = mloom_json_member(settings, "fields");
  for (size_t i = 0; i < mloom_json_count(fields); i++) {
    const mloom_json *field = mloom_json_at(fields, i);
    int is_switch = strcmp(mloom_json_member_string(field, "name", ""), "enabled") == 0;
    if (!is_switch && mloom_json_member_boolean(field, "advanced", 0) == advanced) {
      draw_field(call, field, owner, writable, last);
    }
  }
}

static void draw_outcome(mloom_buffer *out, const char *owner, const outcome *last) {
  if (strcmp(last->owner, owner) != 0) {
    return;
  }
  if (last->error == NULL) {
    html_add(out, "<p class=\"notice\" role=\"status\">Saved.</p>");
  } else {
    html_add(out, "<p class=\"problem\" role=\"alert\"><strong>Not saved:</strong> %s; %s</p>", last->error->message,
             last->error->remedy);
  }
}

static void draw_settings(app_call *call, const mloom_json *settings, const char *owner, int mode,
                          const outcome *last) {
  mloom_buffer *out = &call->answer->body;
  int writable = mode == DEPLOYMENT_MODE_UI;
  draw_problems(out, settings);
  html_add(out, "<form method=\"post\" action=\"/providers/%s/settings\" class=\"settings\" autocomplete=\"off\">",
           owner);
  page_csrf(call);
  if (!writable) {
    html_add(out, "<p class=\"help\">%s</p>",
             mode == DEPLOYMENT_MODE_GATEWAY ? "These settings come from the gateway; change them there."
                                             : "These settings are provisioned by the deployment; change them there.");
  }
  html_add(out, "<div class=\"fields\">");
  draw_fields(call, settings, owner, writable, 0, last);
  html_add(out, is_refused(last, owner) ? "</div><details open>" : "</div><details>");
  html_add(out, "<summary>More settings</summary><div class=\"fields\">");
  draw_fields(call, settings, owner, writable, 1, last);
  html_add(out, "</div></details>");
  if (writable) {
    html_add(out, "<div class=\"actions\"><button class=\"primary\">Save</button></div>");
  }
  html_add(out, "</form>");
}

/* ---- Cards ---- */

static void draw_action(app_call *call, const char *id, const char *action, const char *label) {
  mloom_buffer *out = &call->answer->body;
  html_add(out, "<form method=\"post\" action=\"/providers/%s/%s\">", id, action);
  page_csrf(call);
  html_add(out, "<button>%s</button></form>", label);
}

static void draw_provider(app_call *call, const mloom_json *provider, const outcome *last) {
  mloom_buffer *out = &call->answer->body;
  const char *id = mloom_json_member_string(provider, "id", "");
  int enabled = mloom_json_member_boolean(provider, "enabled", 1);
  html_add(out, "<article class=\"card provider\" id=\"%s\" aria-labelledby=\"%s-title\"><header class=\"card-head\">",
           id, id);
  html_add(out, "<div><h2 id=\"%s-title\">%s</h2><p class=\"meta\"><code>%s</code> · %s</p></div>", id,
           mloom_json_member_string(provider, "title", id), id, mloom_json_member_string(provider, "description", ""));
  html_add(out, "<div class=\"state\" aria-live=\"polite\" data-live=\"%s\">", id);
  page_badge(out, mloom_json_member_string(provider, "state", "not checked"));
  page_age(out, mloom_json_member_string(provider, "checked_at", ""));
  html_add(out, "</div></header>");
  if (mloom_json_member_boolean(provider, "quarantined", 0)) {
    html_add(out,
             "<p class=\"problem\">Its plugin %s crashed %n times and is left alone. Update or remove it; "
             "<em>Check now</em> tries it again.</p>",
             mloom_json_member_string(provider, "plugin", ""), mloom_json_member_integer(provider, "crashes", 0));
  }
  draw_outcome(out, id, last);
  html_add(out, "<div data-live=\"%s-checks\">", id);
  draw_checks(out, provider);
  html_add(out, "</div><div class=\"actions\">");
  draw_action(call, id, "check", "Check now");
  draw_action(call, id, "self-test", "Run self-test");
  draw_action(call, id, enabled ? "disable" : "enable", enabled ? "Disable" : "Enable");
  html_add(out, "</div><details class=\"card-settings\"");
  html_add(out, is_refused(last, id) ? " open data-refused=\"%s\">" : ">", id);
  html_add(out, "<summary>Settings</summary>");
  draw_settings(call, mloom_json_member(provider, "settings"), id, call->app->deployment.provider_mode, last);
  html_add(out, "</details></article>");
}

static void draw_page(app_call *call, const outcome *last) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  mloom_buffer *out = &call->answer->body;
  const mloom_json *providers = mloom_json_member(document, "providers");
  page_begin(call, "Providers", "/providers");
  if (mloom_json_count(providers) == 0) {
    html_add(out,
             "<section class=\"card\"><p class=\"lead\">No provider is loaded.</p><p>Install a provider plugin, or set "
             "<code>MERGELOOM_PLUGIN_PATH</code> to the folder that holds one.</p></section>");
  }
  html_add(out, "<div class=\"cards\">");
  for (size_t i = 0; i < mloom_json_count(providers); i++) {
    draw_provider(call, mloom_json_at(providers, i), last);
  }
  html_add(out, "</div><section class=\"card\" id=\"worker\"><h2>Runtime configuration</h2>"
                "<p class=\"help\">What jobs may do on this worker, whatever the provider.</p>");
  draw_outcome(out, "worker", last);
  draw_settings(call, mloom_json_member(mloom_json_member(document, "worker"), "settings"), "worker",
                call->app->deployment.runtime_mode, last);
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
  draw_page(call, &(outcome){owner, NULL});
}

/* ---- Forms ---- */

/* What the form changes: fields whose value is not what stands there already. */
static size_t collect(app_call *call, const mloom_json *settings, const char *owner, settings_entry *entries) {
  const mloom_json *fields = mloom_json_member(settings, "fields");
  size_t count = 0;
  for (size_t i = 0; i < mloom_json_count(fields) && count < FIELD_LIMIT; i++) {
    const mloom_json *field = mloom_json_at(fields, i);
    const char *name = mloom_json_member_string(field, "name", "");
    int from_store = strcmp(mloom_json_member_string(field, "origin", ""), "store") == 0;
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer key = MLOOM_BUFFER_INIT;
    mloom_buffer_append_format(&key, "%s.%s", owner, name);
    const char *value = http_form(call->request, mloom_buffer_string(&key));
    if (value == NULL) {
      continue;
    }
    if (is_secret(field)) {
      mloom_buffer_clear(&key);
      mloom_buffer_append_format(&key, "clear.%s", name);
      int clear = http_form(call->request, mloom_buffer_string(&key)) != NULL;
      if (value[0] != '\0' || clear) {
        entries[count++] = (settings_entry){name, clear ? NULL : value};
      }
    } else if (strcmp(value, from_store ? mloom_json_member_string(field, "value", "") : "") != 0) {
      entries[count++] = (settings_entry){name, value};
    }
  }
  return count;
}

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
  settings_entry entries[FIELD_LIMIT];
  mloom_error error = {.size = sizeof error};
  const mloom_json *settings = settings_of(document, call->name);
  size_t count = collect(call, settings, call->name, entries);
  int32_t code = settings_change(call->app, call->name, entries, count, &error);
  if (code == MLOOM_E_INVALID) {
    /* The same page with what was entered, so that it can be corrected. */
    draw_page(call, &(outcome){call->name, &error});
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
