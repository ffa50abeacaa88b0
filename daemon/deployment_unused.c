/* SPDX-License-Identifier: Apache-2.0
 *
 * What a deployment sets and this daemon has no use for: said plainly, so that nobody waits for an effect.
 */
#include "deployment.h"

#include <stdio.h>
#include <string.h>

#define CONTROLLER "jobs are submitted to this daemon or its gateway, and no controller is asked"
#define CONTEXT_ENGINE "there is no context engine"

/* Variables of the public chart for what this daemon is no part of; a name that ends with '*' stands for all that begin
 * like it. */
static const struct {
  const char *name, *reason;
} foreign[] = {{"JCA_WORKER_ENROLLMENT_TOKEN", CONTROLLER},
               {"JCA_WORKER_CONTROL_PLANE_URL", CONTROLLER},
               {"JCA_WORKER_CONTROL_PLANE_REQUEST_TIMEOUT_SECONDS", CONTROLLER},
               {"JCA_CONTEXT_ENGINE_*", CONTEXT_ENGINE}};

/* 1 when the variable of size bytes is name, or name with _FILE. */
static int is_named(const char *variable, size_t size, const char *name) {
  size_t length = strcspn(name, "*");
  size_t rest = size - length;
  return size >= length && memcmp(variable, name, length) == 0 &&
         (name[length] == '*' || rest == 0 || (rest == 5 && memcmp(variable + length, "_FILE", 5) == 0));
}

typedef struct telling {
  void (*fn)(const char *note, void *userdata);
  void *userdata;
} telling;

static void tell(const telling *to, const char *name, size_t size, const char *reason) {
  char note[256];
  snprintf(note, sizeof note, "%.*s is set, but has no meaning here: %s", (int)size, name, reason);
  to->fn(note, to->userdata);
}

static void each_variable(const deployment *self, const telling *to) {
  for (size_t i = 0; self->environment[i] != NULL; i++) {
    const char *entry = self->environment[i];
    size_t size = strcspn(entry, "=");
    if (entry[size] == '\0' || entry[size + 1] == '\0') {
      continue; /* empty counts as unset */
    }
    for (size_t j = 0; j < sizeof foreign / sizeof foreign[0]; j++) {
      if (is_named(entry, size, foreign[j].name)) {
        tell(to, entry, size, foreign[j].reason);
      }
    }
  }
}

void deployment_each_unused(const deployment *self, void (*fn)(const char *note, void *userdata), void *userdata) {
  static const char *const urls[] = {"code_audit_db_url", "trace_db_url"};
  const telling to = {fn, userdata};
  each_variable(self, &to);
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    mloom_setting setting = {.size = sizeof setting};
    if (mloom_settings_get(self->settings, urls[i], &setting) == MLOOM_OK && setting.secret != NULL) {
      tell(&to, setting.origin_name, strlen(setting.origin_name), "mergeloomd keeps no such store apart");
    }
  }
  if (self->role == DEPLOYMENT_EXECUTOR && deployment_secret(self, "database_url").size > 0) {
    fn("the database is not used: an executor asks its gateway, and keeps its own audit in a file", userdata);
  }
  if (self->role == DEPLOYMENT_GATEWAY && mloom_settings_boolean(self->settings, "poll_enabled", 0)) {
    fn("JCA_WORKER_POLL_ENABLED=true has no effect: a gateway takes no jobs", userdata);
  }
}
