/* SPDX-License-Identifier: Apache-2.0 */
#include "last_words.h"

#include <string.h>

#include "secret/redactor.h"

typedef struct search {
  mloom_redactor *redactor;
  int32_t code;
} search;

static void add(search *found, const char *data, size_t size) {
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *secret = NULL;
  if (size == 0 || found->code != MLOOM_OK) {
    return;
  }
  found->code = mloom_secret_new(&secret, data, size, NULL);
  found->code = found->code != MLOOM_OK ? found->code : mloom_redactor_add(found->redactor, secret);
}

/* What a setting is, only its plugin knows: all texts count but those that every provider has and that are none. */
static int add_setting(const char *name, mloom_json *value, void *userdata) {
  mloom_bytes text = mloom_json_text(value);
  if (text.data != NULL && strcmp(name, "model") != 0 && strcmp(name, "enabled") != 0) {
    add(userdata, text.data, text.size);
  }
  return 0;
}

static int add_section(const char *name, mloom_json *value, void *userdata) {
  (void)name;
  mloom_json_each_member(value, add_setting, userdata);
  return 0;
}

static int speaks_of_secrets(const char *name, size_t size) {
  static const char *const words[] = {"KEY",        "TOKEN", "SECRET",   "PASSWORD",
                                      "CREDENTIAL", "_JSON", "DATABASE", "DB_URL"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (memmem(name, size, words[i], strlen(words[i])) != NULL) {
      return 1;
    }
  }
  return 0;
}

void last_words_redact(mloom_buffer *text, const mloom_json *request, const char *const *environment) {
  static const char *const documents[] = {"stored_settings", "gateway_settings"};
  search found = {NULL, MLOOM_OK};
  found.code = mloom_redactor_new(&found.redactor, NULL);
  for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
    mloom_json_each_member(mloom_json_member(mloom_json_member(request, documents[i]), "providers"), add_section,
                           &found);
  }
  for (const char *const *variable = environment; variable != NULL && *variable != NULL; variable++) {
    size_t size = strcspn(*variable, "=");
    if ((*variable)[size] == '=' && speaks_of_secrets(*variable, size)) {
      add(&found, *variable + size + 1, strlen(*variable + size + 1));
    }
  }
  if (found.code == MLOOM_OK) {
    mloom_redactor_apply(found.redactor, text);
  } else {
    mloom_buffer_clear(text);
  }
  mloom_redactor_free(found.redactor);
}
