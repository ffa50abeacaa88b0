/* SPDX-License-Identifier: Apache-2.0 */
#include "check_config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "secret/secret.h"
#include <mergeloom/seal.h>

#define TIMEOUT_MS 30000

static void print_field(const char *owner, const mloom_json *field) {
  const char *origin = mloom_json_member_string(field, "origin", "");
  const char *fingerprint = mloom_json_member_string(field, "fingerprint", NULL);
  char name[160];
  if (!mloom_json_member_boolean(field, "set", 0) || strcmp(origin, "default") == 0) {
    return;
  }
  snprintf(name, sizeof name, "%s.%s", owner, mloom_json_member_string(field, "name", ""));
  printf("%-26s %s%s  [%s]\n", name, fingerprint != NULL ? "set, fingerprint " : "",
         fingerprint != NULL ? fingerprint : mloom_json_member_string(field, "value", "-"),
         mloom_json_member_string(field, "origin_name", origin));
}

static void print_settings(const mloom_json *settings) {
  const mloom_json *fields = mloom_json_member(settings, "fields");
  for (size_t i = 0; i < mloom_json_count(fields); i++) {
    print_field(mloom_json_member_string(settings, "owner", ""), mloom_json_at(fields, i));
  }
}

static void print_fact(const char *type, const mloom_json *fact, void *userdata) {
  (void)userdata;
  if (strcmp(type, "providers") == 0) {
    const mloom_json *document = mloom_json_member(fact, "providers");
    const mloom_json *list = mloom_json_member(document, "providers");
    print_settings(mloom_json_member(mloom_json_member(document, "worker"), "settings"));
    for (size_t i = 0; i < mloom_json_count(list); i++) {
      print_settings(mloom_json_member(mloom_json_at(list, i), "settings"));
    }
  } else if (strcmp(type, "log") == 0 && strcmp(mloom_json_member_string(fact, "component", ""), "settings") == 0) {
    /* What is missing, and names that are like none that is known, need not be mistakes. */
    int64_t level = mloom_json_member_integer(fact, "level", MLOOM_LOG_WARNING);
    printf("%s: %s\n", level <= MLOOM_LOG_WARNING ? "warning" : "note", mloom_json_member_string(fact, "message", ""));
  }
}

/* Nothing is made here: without a key file fingerprints are those of this process and of no other. */
static mloom_secret *find_fingerprint_key(const deployment *where) {
  mloom_seal *seal = NULL;
  mloom_secret *key = NULL;
  char text[MLOOM_FINGERPRINT_KEY_SIZE];
  if (access(where->secret_key_path, F_OK) == 0 && mloom_seal_open(&seal, where->secret_key_path, NULL) == MLOOM_OK) {
    mloom_seal_fingerprint_key(seal, text);
    (void)mloom_secret_new(&key, text, strlen(text), NULL);
    mloom_secret_wipe(text, sizeof text);
  }
  mloom_seal_free(seal);
  return key;
}

int32_t check_config_print(const deployment *where, const child_programs *given, mloom_error *error) {
  child_outcome outcome = {0};
  child_programs programs = *given;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *key = find_fingerprint_key(where);
  deployment_print(where, key);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *request = mloom_json_new_object();
  mloom_json_set_string(request, "command", "describe");
  mloom_json_set_integer(request, "log_level", MLOOM_LOG_INFO);
  if (key != NULL) {
    mloom_json_set_string(request, "fingerprint_key", mloom_secret_bytes(key).data);
  }
  /* A plugin that crashes is told in the log, and keeps nothing of the others from being shown. */
  int32_t code = quarantine_new(&programs.quarantine, NULL, where->name, programs.log, error);
  code = code != MLOOM_OK ? code
                          : child_process_run(&programs, request, NULL, TIMEOUT_MS, print_fact, NULL, &outcome, error);
  quarantine_free(programs.quarantine);
  return code;
}
