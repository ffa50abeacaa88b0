/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/google_adc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

#define LARGEST_DOCUMENT ((size_t)64 * 1024)

static int find_setting(const mloom_host *host, const mloom_settings *settings, const char *name, mloom_setting *out) {
  memset(out, 0, sizeof(*out));
  out->size = (uint32_t)sizeof(*out);
  return settings != NULL && host->setting_get(host->ctx, settings, name, out) == MLOOM_OK;
}

int32_t mloom_google_adc_path(mloom_buffer *out, char origin[96], const mloom_host *host,
                              const mloom_settings *settings) {
  mloom_setting setting;
  if (find_setting(host, settings, "credentials_path", &setting) && setting.value != NULL && setting.value[0] != '\0') {
    snprintf(origin, 96, "%s", setting.origin_name == NULL ? "credentials_path" : setting.origin_name);
    return mloom_buffer_append_string(out, setting.value);
  }
  const char *named = host->environment_get(host->ctx, "GOOGLE_APPLICATION_CREDENTIALS");
  if (named != NULL) {
    snprintf(origin, 96, "GOOGLE_APPLICATION_CREDENTIALS");
    return mloom_buffer_append_string(out, named);
  }
  snprintf(origin, 96, "gcloud");
  const char *folder = host->environment_get(host->ctx, "CLOUDSDK_CONFIG");
  const char *home = host->environment_get(host->ctx, "HOME");
  if (folder == NULL && home == NULL) {
    return MLOOM_E_NOT_FOUND;
  }
  int32_t code = mloom_buffer_append_format(out, "%s%s/application_default_credentials.json",
                                            folder == NULL ? home : folder, folder == NULL ? "/.config/gcloud" : "");
  if (code != MLOOM_OK) {
    return code;
  }
  /* One that is there and cannot be read is an error for who reads it. */
  return access(out->data, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR) ? MLOOM_OK : MLOOM_E_NOT_FOUND;
}

/* The project that a document of credentials names: its own, else the one that pays for a person's. */
static int32_t read_project(mloom_buffer *out, const char *text, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer own = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer quota = MLOOM_BUFFER_INIT;
  mloom_json_reader json;
  mloom_bytes name;
  mloom_json_reader_init(&json, text, size);
  if (mloom_json_reader_peek(&json) != MLOOM_JSON_OBJECT) {
    return MLOOM_E_NOT_FOUND;
  }
  mloom_json_reader_object(&json);
  while (mloom_json_reader_key(&json, &name)) {
    mloom_buffer *kept = mloom_text_equal(name, "project_id")         ? &own
                         : mloom_text_equal(name, "quota_project_id") ? &quota
                                                                      : NULL;
    if (kept != NULL) {
      mloom_buffer_clear(kept);
      mloom_json_reader_append_string(&json, kept);
    } else {
      mloom_json_reader_skip(&json);
    }
  }
  if (mloom_json_reader_end(&json) != MLOOM_OK || own.size + quota.size == 0) {
    return MLOOM_E_NOT_FOUND;
  }
  return mloom_buffer_append_string(out, mloom_buffer_string(own.size > 0 ? &own : &quota));
}

int32_t mloom_google_project(mloom_buffer *out, const mloom_host *host, const mloom_settings *settings) {
  static const char *const names[] = {"GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    const char *value = host->environment_get(host->ctx, names[i]);
    if (value != NULL) {
      return mloom_buffer_append_string(out, value);
    }
  }
  mloom_setting setting;
  mloom_bytes inlined;
  if (find_setting(host, settings, "service_account_json", &setting) && setting.secret != NULL) {
    int32_t code = host->secret_borrow(host->ctx, setting.secret, &inlined, NULL);
    return code == MLOOM_OK ? read_project(out, inlined.data, inlined.size) : code;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  char origin[96];
  int32_t code = mloom_google_adc_path(&path, origin, host, settings);
  if (code == MLOOM_OK) {
    code = mloom_buffer_reserve(&text, 2 * LARGEST_DOCUMENT); /* growing would leave a key in freed memory */
  }
  if (code == MLOOM_OK &&
      mloom_file_read(&text, path.data, LARGEST_DOCUMENT, MLOOM_DOMAIN_CREDENTIAL, NULL) != MLOOM_OK) {
    code = MLOOM_E_NOT_FOUND;
  }
  return code == MLOOM_OK ? read_project(out, mloom_buffer_string(&text), text.size) : code;
}
