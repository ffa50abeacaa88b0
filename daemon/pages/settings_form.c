/* SPDX-License-Identifier: Apache-2.0 */
#include "pages/settings_form.h"

#include <string.h>

#define MODELS_SHOWN 300

/* What is drawn now. */
typedef struct form {
  app_call *call;
  const mloom_json *settings;
  const mloom_json *models;
  const char *owner;
  int writable;
  int is_worker;
  const settings_outcome *last;
} form;

static int is_kind(const mloom_json *field, const char *kind) {
  return strcmp(mloom_json_member_string(field, "kind", ""), kind) == 0;
}

static int is_secret(const mloom_json *field) {
  return is_kind(field, "secret") || is_kind(field, "headers");
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
  if (mloom_json_member(field, "minimum") != NULL) {
    html_add(out, "min=\"%n\" max=\"%n\" ", mloom_json_member_integer(field, "minimum", 0),
             mloom_json_member_integer(field, "maximum", 0));
  }
  if (strcmp(name, "model") == 0) {
    html_add(out, "list=\"%s-list\" ", id);
  }
  html_add(out, "%s aria-describedby=\"%s-help\">", disabled, id);
}

static void draw_origin(mloom_buffer *out, const mloom_json *field, int locked) {
  const char *origin = mloom_json_member_string(field, "origin_name", "");
  if (!mloom_json_member_boolean(field, "set", 0)) {
    html_add(out, mloom_json_member_boolean(field, "required", 0) ? "<span class=\"origin required\">required</span>"
                                                                  : "<span class=\"origin\">not set</span>");
  } else if (locked) {
    html_add(out, "<span class=\"origin locked\">locked · %s</span>", origin);
  } else {
    html_add(out, "<span class=\"origin\">%s</span>", origin);
  }
}

/* The models of the provider's service, for the field that names one; any other may be typed in. */
static void draw_models(mloom_buffer *out, const mloom_json *models, const char *owner) {
  const mloom_json *list = mloom_json_member(models, "models");
  const char *reason = mloom_json_member_string(models, "reason", "");
  size_t count = mloom_json_count(list);
  html_add(out, "<div data-live=\"%s-models\">", owner);
  if (count > 0) {
    html_add(out, "<datalist id=\"%s.model-list\">", owner);
    for (size_t i = 0; i < count && i < MODELS_SHOWN; i++) {
      const mloom_json *model = mloom_json_at(list, i);
      html_add(out, "<option value=\"%s\">%s</option>", mloom_json_member_string(model, "id", ""),
               mloom_json_member_string(model, "title", ""));
    }
    html_add(out, "</datalist><p class=\"help\">The service lists %n, ", (int64_t)count);
    html_add(out, count == 1 ? "read " : "read ");
    page_age(out, mloom_json_member_string(models, "listed_at", ""));
    html_add(out, "; any other name can be typed in.</p>");
  }
  if (reason[0] != '\0' && strcmp(mloom_json_member_string(models, "state", ""), "pass") != 0) {
    html_add(out, "<p class=\"help\">%s: %s</p>", count == 0 ? "No list of models yet" : "Last check", reason);
  }
  html_add(out, "</div>");
}

static void draw_field(const form *drawn, const mloom_json *field) {
  mloom_buffer *out = &drawn->call->answer->body;
  const char *owner = drawn->owner;
  const char *name = mloom_json_member_string(field, "name", "");
  const mloom_json *shown = mloom_json_member(field, "shown_when");
  int locked = mloom_json_member_boolean(field, "locked", 0) || !drawn->writable;
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
             !locked && settings_form_is_refused(drawn->last, owner) ? http_form(drawn->call->request, id_text) : NULL);
  mloom_bytes variable = mloom_json_text(mloom_json_at(mloom_json_member(field, "environment"), 0));
  html_add(out, "<p class=\"help\" id=\"%s-help\">%s <code>%s</code>", id_text,
           mloom_json_member_string(field, "help", ""), variable.data == NULL ? "" : variable.data);
  if (shown != NULL) {
    html_add(out, " <span class=\"when\">Used when %s is %s.</span>", mloom_json_member_string(shown, "field", ""),
             mloom_json_member_string(shown, "value", ""));
  }
  html_add(out, "</p>");
  if (drawn->models != NULL && strcmp(name, "model") == 0) {
    draw_models(out, drawn->models, owner);
  }
  html_add(out, "</div>");
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

/* ---- Groups ---- */

/* The worker's settings by what they are for; what stands in none comes last. */
#define GROUP_FIELDS 8
typedef struct field_group {
  const char *title;
  const char *names[GROUP_FIELDS];
} field_group;

static const field_group worker_groups[] = {
    {"Commands", {"allowed_commands", "command_timeout_seconds", "command_network", "command_output_bytes"}},
    {"Limits of a job", {"job_timeout_seconds", "max_repair_attempts", "max_turns", "max_tokens"}},
    {"Choice of provider and model", {"provider", "allowed_providers", "allowed_models", "model_labels"}},
    {"Confinement", {"sandbox", "sandbox_read_paths"}},
    {"Folders", {"audit_path", "scratch_path"}}};
#define WORKER_GROUPS (sizeof worker_groups / sizeof worker_groups[0])

static size_t worker_group_of(const mloom_json *field) {
  const char *name = mloom_json_member_string(field, "name", "");
  for (size_t i = 0; i < WORKER_GROUPS; i++) {
    for (size_t j = 0; j < GROUP_FIELDS && worker_groups[i].names[j] != NULL; j++) {
      if (strcmp(worker_groups[i].names[j], name) == 0) {
        return i;
      }
    }
  }
  return WORKER_GROUPS;
}

/* Of a provider the first group has what everybody sets, the second what few do. */
static size_t group_of(const form *drawn, const mloom_json *field) {
  return drawn->is_worker ? worker_group_of(field) : (size_t)mloom_json_member_boolean(field, "advanced", 0);
}

/* "3 of 5 set here or by the deployment", so that a folded group tells whether it holds anything. */
static size_t draw_group(const form *drawn, size_t group, mloom_buffer *summary) {
  const mloom_json *fields = mloom_json_member(drawn->settings, "fields");
  size_t count = 0, chosen = 0;
  for (size_t i = 0; i < mloom_json_count(fields); i++) {
    const mloom_json *field = mloom_json_at(fields, i);
    /* The switch is a button of the card. */
    if (strcmp(mloom_json_member_string(field, "name", ""), "enabled") == 0 || group_of(drawn, field) != group) {
      continue;
    }
    const char *origin = mloom_json_member_string(field, "origin", "");
    count++;
    chosen += mloom_json_member_boolean(field, "set", 0) && strcmp(origin, "default") != 0;
    if (summary == NULL) {
      draw_field(drawn, field);
    }
  }
  if (summary != NULL && chosen > 0) {
    html_add(summary, " <span class=\"meta\">%n of %n set</span>", (int64_t)chosen, (int64_t)count);
  } else if (summary != NULL) {
    html_add(summary,
             count == 1 ? " <span class=\"meta\">%n, by default</span>"
                        : " <span class=\"meta\">%n, all by default</span>",
             (int64_t)count);
  }
  return count;
}

static void draw_folded_group(const form *drawn, size_t group, const char *title, int open) {
  mloom_buffer *out = &drawn->call->answer->body;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer summary = MLOOM_BUFFER_INIT;
  if (draw_group(drawn, group, &summary) == 0) {
    return;
  }
  html_add(out, open ? "<details class=\"group\" open>" : "<details class=\"group\">");
  html_add(out, "<summary>%s", title);
  mloom_buffer_append(out, mloom_buffer_string(&summary), summary.size);
  html_add(out, "</summary><div class=\"fields\">");
  draw_group(drawn, group, NULL);
  html_add(out, "</div></details>");
}

static void draw_groups(const form *drawn) {
  mloom_buffer *out = &drawn->call->answer->body;
  int refused = settings_form_is_refused(drawn->last, drawn->owner);
  if (!drawn->is_worker) {
    html_add(out, "<div class=\"fields\">");
    draw_group(drawn, 0, NULL);
    html_add(out, "</div>");
    draw_folded_group(drawn, 1, "More settings", refused);
    return;
  }
  for (size_t i = 0; i < WORKER_GROUPS; i++) {
    draw_folded_group(drawn, i, worker_groups[i].title, refused || i == 0);
  }
  draw_folded_group(drawn, WORKER_GROUPS, "More settings", refused);
}

/* ---- The form ---- */

int settings_form_is_refused(const settings_outcome *last, const char *owner) {
  return last->error != NULL && strcmp(last->owner, owner) == 0;
}

void settings_form_draw_outcome(mloom_buffer *out, const char *owner, const settings_outcome *last) {
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

void settings_form_draw(app_call *call, const mloom_json *settings, const char *owner, int mode,
                        const mloom_json *models, const settings_outcome *last) {
  mloom_buffer *out = &call->answer->body;
  const form drawn = {.call = call,
                      .settings = settings,
                      .models = models,
                      .owner = owner,
                      .writable = mode == DEPLOYMENT_MODE_UI,
                      .is_worker = strcmp(owner, "worker") == 0,
                      .last = last};
  draw_problems(out, settings);
  html_add(
      out,
      "<form method=\"post\" action=\"/providers/%s/settings\" class=\"settings\" id=\"%s-form\" autocomplete=\"off\">",
      owner, owner);
  page_csrf(call);
  if (!drawn.writable) {
    html_add(out, "<p class=\"help\">%s</p>",
             mode == DEPLOYMENT_MODE_GATEWAY ? "These settings come from the gateway; change them there."
                                             : "These settings are provisioned by the deployment; change them there.");
  }
  draw_groups(&drawn);
  if (drawn.writable) {
    html_add(out, "<div class=\"actions\"><button class=\"primary\">Save</button></div>");
  }
  html_add(out, "</form>");
}

size_t settings_form_collect(app_call *call, const mloom_json *settings, const char *owner, settings_entry *entries) {
  const mloom_json *fields = mloom_json_member(settings, "fields");
  size_t count = 0;
  for (size_t i = 0; i < mloom_json_count(fields) && count < SETTINGS_FORM_LIMIT; i++) {
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
