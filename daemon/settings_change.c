/* SPDX-License-Identifier: Apache-2.0 */
#include "settings_change.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define ENTRY_LIMIT 128
#define TRIAL_TIMEOUT_MS 30000

const mloom_json *provider_of(const mloom_json *document, const char *id) {
  const mloom_json *list = mloom_json_member(document, "providers");
  for (size_t i = 0; i < mloom_json_count(list); i++) {
    if (strcmp(mloom_json_member_string(mloom_json_at(list, i), "id", ""), id) == 0) {
      return mloom_json_at(list, i);
    }
  }
  return NULL;
}

const mloom_json *settings_of(const mloom_json *document, const char *owner) {
  const mloom_json *holder =
      strcmp(owner, "worker") == 0 ? mloom_json_member(document, "worker") : provider_of(document, owner);
  return mloom_json_member(holder, "settings");
}

static const mloom_json *field_of(const mloom_json *settings, const char *name) {
  const mloom_json *fields = mloom_json_member(settings, "fields");
  for (size_t i = 0; i < mloom_json_count(fields); i++) {
    if (strcmp(mloom_json_member_string(mloom_json_at(fields, i), "name", ""), name) == 0) {
      return mloom_json_at(fields, i);
    }
  }
  return NULL;
}

static int is_secret(const mloom_json *field) {
  const char *kind = mloom_json_member_string(field, "kind", "");
  return strcmp(kind, "secret") == 0 || strcmp(kind, "headers") == 0;
}

/* ---- May it be written? ---- */

int32_t settings_may_change(const application *app, const char *owner, mloom_error *error) {
  int mode = strcmp(owner, "worker") == 0 ? app->deployment.runtime_mode : app->deployment.provider_mode;
  if (mode == DEPLOYMENT_MODE_UI) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_SETTINGS,
                         mode == DEPLOYMENT_MODE_GATEWAY ? "change it on the gateway" : "change it in the deployment",
                         "the settings of this worker are %s",
                         mode == DEPLOYMENT_MODE_GATEWAY ? "given by its gateway" : "provisioned by its deployment");
}

static int32_t check_entry(const mloom_json *settings, const char *owner, const settings_entry *entry,
                           mloom_error *error) {
  const mloom_json *field = field_of(settings, entry->field);
  if (field == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_SETTINGS, "see the list of its fields",
                           "%s has no setting %.80s", owner, entry->field);
  }
  if (mloom_json_member_boolean(field, "locked", 0)) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_SETTINGS, "change it there, or remove it there first",
                           "%s of %s is locked: it comes from %s", entry->field, owner,
                           mloom_json_member_string(field, "origin_name", "the deployment"));
  }
  return MLOOM_OK;
}

/* ---- Does it fit? ---- */

typedef struct trial {
  const char *owner;
  const settings_entry *entries;
  size_t count;
  mloom_error *error;
  int32_t code;
} trial;

static void take_trial(const char *type, const mloom_json *fact, void *userdata) {
  trial *tried = userdata;
  if (strcmp(type, "providers") != 0) {
    return;
  }
  const mloom_json *problems =
      mloom_json_member(settings_of(mloom_json_member(fact, "providers"), tried->owner), "problems");
  for (size_t i = 0; i < mloom_json_count(problems); i++) {
    const mloom_json *problem = mloom_json_at(problems, i);
    const char *field = mloom_json_member_string(problem, "field", "");
    if (strcmp(mloom_json_member_string(problem, "state", ""), "fail") != 0 ||
        mloom_json_member_boolean(problem, "missing", 0)) {
      continue;
    }
    for (size_t j = 0; j < tried->count && tried->code == MLOOM_OK; j++) {
      if (strcmp(tried->entries[j].field, field) == 0) {
        tried->code = mloom_error_set(tried->error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS,
                                      mloom_json_member_string(problem, "remedy", ""), "%s",
                                      mloom_json_member_string(problem, "message", ""));
      }
    }
  }
}

static mloom_json *section_of(mloom_json *stored, const char *owner) {
  mloom_json *parent = strcmp(owner, "worker") == 0 ? stored : mloom_json_member(stored, "providers");
  mloom_json *section = mloom_json_member(parent, owner);
  if (section == NULL) {
    section = mloom_json_new_object();
    mloom_json_set(parent, owner, section);
  }
  return section;
}

/* Has a child read the settings as they would be: the plugin's own schema judges them. */
static int32_t try_entries(application *app, const char *owner, const settings_entry *entries, size_t count,
                           mloom_error *error) {
  mloom_json *request = NULL;
  int32_t code = catalogue_new_request(app->catalogue, "describe", &request, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_json *section = section_of(mloom_json_member(request, "stored_settings"), owner);
  for (size_t i = 0; i < count; i++) {
    mloom_json_set_string(section, entries[i].field, entries[i].value == NULL ? "" : entries[i].value);
  }
  trial tried = {owner, entries, count, error, MLOOM_OK};
  child_outcome outcome;
  code = child_process_run(&app->programs, request, NULL, TRIAL_TIMEOUT_MS, take_trial, &tried, &outcome, error);
  catalogue_drop_request(request);
  return code != MLOOM_OK ? code : tried.code;
}

/* ---- Writing ---- */

static int32_t write_entries(application *app, const mloom_json *settings, const char *owner,
                             const settings_entry *entries, size_t count, mloom_error *error) {
  store_change changes[ENTRY_LIMIT];
  for (size_t i = 0; i < count; i++) {
    int unset = entries[i].value == NULL || entries[i].value[0] == '\0';
    changes[i] = (store_change){owner, entries[i].field, unset ? NULL : entries[i].value,
                                is_secret(field_of(settings, entries[i].field))};
  }
  return store_write_settings(app->store, changes, count, error);
}

int32_t settings_change(application *app, const char *owner, const settings_entry *entries, size_t count,
                        mloom_error *error) {
  if (count == 0) {
    return MLOOM_OK;
  }
  if (count > ENTRY_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_SETTINGS, "write fewer at once", "too many settings");
  }
  mloom_json *document = catalogue_read(app->catalogue);
  const mloom_json *settings = settings_of(document, owner);
  int32_t code = MLOOM_OK;
  if (settings == NULL) {
    code = mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_SETTINGS, "see the list of providers",
                           "no provider %.80s is loaded", owner);
  }
  code = code != MLOOM_OK ? code : settings_may_change(app, owner, error);
  for (size_t i = 0; code == MLOOM_OK && i < count; i++) {
    code = check_entry(settings, owner, &entries[i], error);
  }
  code = code != MLOOM_OK ? code : try_entries(app, owner, entries, count, error);
  code = code != MLOOM_OK ? code : write_entries(app, settings, owner, entries, count, error);
  mloom_json_unref(document);
  if (code != MLOOM_OK) {
    return code;
  }
  code = catalogue_refresh(app->catalogue, error);
  if (code == MLOOM_OK && app->exports != NULL) {
    code = exports_refresh(app->exports, error);
    http_server_wake(app->server);
  }
  return code != MLOOM_OK ? code
                          : catalogue_check(app->catalogue, strcmp(owner, "worker") == 0 ? NULL : owner, 0, error);
}
