/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "wire/aws_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/shell_words.h"

#define FILE_LIMIT ((size_t)1024 * 1024)
#define SERVICE_LIMIT 64u

/* ---- Reading ---- */

/* A path with ~ for the home folder; NULL without an error when there is no home. */
static int32_t find_path(char **out, const mloom_host *host, const char *variable, const char *usual,
                         mloom_error *error) {
  const char *path = host->environment_get(host->ctx, variable);
  const char *home = host->environment_get(host->ctx, "HOME");
  path = path == NULL ? usual : path;
  int under_home = path[0] == '~' && (path[1] == '/' || path[1] == '\0');
  *out = NULL;
  if (under_home && home == NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer whole = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&whole, "%s%s", under_home ? home : "", under_home ? path + 1 : path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  *out = mloom_buffer_take(&whole);
  return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t read_ini(mloom_aws_ini *out, const char *path, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_error reason = MLOOM_ERROR_INIT;
  if (path == NULL) {
    return MLOOM_OK;
  }
  /* Room from the start: keys are in it, and a growing buffer would leave copies of them. */
  if (mloom_buffer_reserve(&text, (size_t)64 * 1024) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_file_read(&text, path, FILE_LIMIT, MLOOM_DOMAIN_CREDENTIAL, &reason);
  if (code == MLOOM_E_NOT_FOUND || code == MLOOM_E_INVALID) {
    return MLOOM_OK; /* as for AWS programs: no file, or none that is regular, as with /dev/null */
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
    return code;
  }
  return mloom_aws_ini_parse(out, (mloom_bytes){mloom_buffer_string(&text), text.size}, path, error);
}

/* The second word of a section's name that begins with kind, to be freed. NULL when there are not two words. */
static int32_t second_word(char **out, const char *section, const char *kind) {
  *out = NULL;
  if (strncmp(section, kind, strlen(kind)) != 0) {
    return MLOOM_OK;
  }
  mloom_shell_words words;
  int32_t code = mloom_shell_words_split(&words, mloom_text_bytes(section));
  if (code == MLOOM_OK && words.count == 2) {
    *out = strdup(words.words[1]);
    code = *out == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  mloom_shell_words_free(&words);
  return code == MLOOM_E_MEMORY ? code : MLOOM_OK;
}

static int32_t find_profile_names(mloom_aws_files *files) {
  files->profile_names = calloc(files->config.count + 1, sizeof(*files->profile_names));
  int32_t code = files->profile_names == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < files->config.count; i++) {
    const char *name = files->config.sections[i].name;
    if (strcmp(name, "default") == 0) {
      files->profile_names[i] = strdup(name);
      code = files->profile_names[i] == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
    } else {
      code = second_word(&files->profile_names[i], name, "profile");
    }
  }
  return code;
}

int32_t mloom_aws_files_read(mloom_aws_files *out, const mloom_host *host, mloom_error *error) {
  memset(out, 0, sizeof(*out));
  int32_t code = find_path(&out->config_path, host, "AWS_CONFIG_FILE", "~/.aws/config", error);
  if (code == MLOOM_OK) {
    code = find_path(&out->credentials_path, host, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", error);
  }
  if (code == MLOOM_OK) {
    code = read_ini(&out->config, out->config_path, error);
  }
  if (code == MLOOM_OK) {
    code = read_ini(&out->credentials, out->credentials_path, error);
  }
  if (code == MLOOM_OK && find_profile_names(out) != MLOOM_OK) {
    code = mloom_error_memory(error);
  }
  return code;
}

void mloom_aws_files_free(mloom_aws_files *files) {
  for (size_t i = 0; files->profile_names != NULL && i < files->config.count; i++) {
    free(files->profile_names[i]);
  }
  free(files->profile_names);
  mloom_aws_ini_free(&files->config);
  mloom_aws_ini_free(&files->credentials);
  free(files->config_path);
  free(files->credentials_path);
  memset(files, 0, sizeof(*files));
}

/* ---- Looking up ---- */

const mloom_aws_section *mloom_aws_files_config_profile(const mloom_aws_files *files, const char *profile) {
  /* The last one counts, when one is written in two ways. */
  for (size_t i = files->profile_names == NULL ? 0 : files->config.count; i > 0; i--) {
    if (files->profile_names[i - 1] != NULL && strcmp(files->profile_names[i - 1], profile) == 0) {
      return &files->config.sections[i - 1];
    }
  }
  return NULL;
}

int mloom_aws_files_has_profile(const mloom_aws_files *files, const char *profile) {
  return mloom_aws_files_config_profile(files, profile) != NULL ||
         mloom_aws_ini_section(&files->credentials, profile) != NULL;
}

const char *mloom_aws_files_get(const mloom_aws_files *files, const char *profile, const char *name) {
  const char *value = mloom_aws_section_get(mloom_aws_ini_section(&files->credentials, profile), name);
  return value != NULL ? value : mloom_aws_section_get(mloom_aws_files_config_profile(files, profile), name);
}

const mloom_aws_section *mloom_aws_files_block(const mloom_aws_files *files, const char *kind, const char *name) {
  const mloom_aws_section *found = NULL;
  for (size_t i = 0; i < files->config.count; i++) {
    MLOOM_AUTO(mloom_auto_free) char *word = NULL;
    if (second_word(&word, files->config.sections[i].name, kind) == MLOOM_OK && word != NULL &&
        strcmp(word, name) == 0) {
      found = &files->config.sections[i];
    }
  }
  return found;
}

const char *mloom_aws_profile_name(const mloom_host *host, const char *given) {
  static const char *const variables[] = {"AWS_DEFAULT_PROFILE", "AWS_PROFILE"};
  const char *name = given;
  for (size_t i = 0; (name == NULL || name[0] == '\0') && i < sizeof(variables) / sizeof(variables[0]); i++) {
    name = host->environment_get(host->ctx, variables[i]);
  }
  return name == NULL || name[0] == '\0' ? "default" : name;
}

int mloom_aws_boolean(const mloom_host *host, const mloom_aws_files *files, const char *profile, const char *variable,
                      const char *name) {
  const char *value = host->environment_get(host->ctx, variable);
  value = value == NULL ? mloom_aws_files_get(files, profile, name) : value;
  return value != NULL && mloom_text_compare_fold(value, "true") == 0;
}

/* ---- Regions ---- */

int mloom_aws_is_region(const char *text) {
  size_t size = strnlen(text, SERVICE_LIMIT);
  int dashes = 0;
  for (size_t i = 0; i < size; i++) {
    int is_word = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');
    int is_dash = text[i] == '-' && i > 0 && text[i - 1] != '-' && i + 1 < size;
    if (!is_word && !is_dash) {
      return 0;
    }
    dashes += is_dash;
  }
  return size > 0 && size < SERVICE_LIMIT && dashes >= 1 && text[0] >= 'a' && text[0] <= 'z' && text[size - 1] >= '0' &&
         text[size - 1] <= '9';
}

int32_t mloom_aws_region(const char **out, const mloom_host *host, const mloom_aws_files *files, const char *profile,
                         mloom_error *error) {
  static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
  const char *origin = NULL;
  *out = NULL;
  for (size_t i = 0; *out == NULL && i < sizeof(variables) / sizeof(variables[0]); i++) {
    *out = host->environment_get(host->ctx, variables[i]);
    origin = variables[i];
  }
  if (*out == NULL) {
    *out = mloom_aws_files_get(files, profile, "region");
    origin = "the profile's region";
  }
  *out = *out != NULL && **out == '\0' ? NULL : *out;
  if (*out != NULL && !mloom_aws_is_region(*out)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_SETTINGS, "name a region, as in us-east-1",
                           "%s is \"%.64s\", which is no region of AWS", origin, *out);
  }
  return MLOOM_OK;
}

const char *mloom_aws_dns_suffix(const char *region, int dual_stack) {
  static const struct {
    const char *prefix;
    const char *suffix;
    const char *dual_stack;
  } partitions[] = {
      {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
      {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
      {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
      {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
      {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
      {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
  };
  for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
    if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0) {
      return dual_stack ? partitions[i].dual_stack : partitions[i].suffix;
    }
  }
  return dual_stack ? "api.aws" : "amazonaws.com";
}

/* ---- Addresses ---- */

static int32_t from_services(mloom_bytes *out, const mloom_aws_files *files, const char *profile, const char *service,
                             mloom_error *error) {
  const char *name = mloom_aws_files_get(files, profile, "services");
  const mloom_aws_section *block = name == NULL ? NULL : mloom_aws_files_block(files, "services", name);
  const char *nested = mloom_aws_section_get(block, service);
  *out = (mloom_bytes){NULL, 0};
  if (nested == NULL || nested[0] != '\n') {
    return MLOOM_OK;
  }
  if (mloom_aws_ini_nested(out, nested, "endpoint_url") != MLOOM_OK) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL, "write each line of it as NAME = VALUE",
                           "%s: %s of the services %s is malformed", files->config_path, service, name);
  }
  return MLOOM_OK;
}

int32_t mloom_aws_endpoint_url(mloom_buffer *out, const char **origin, const mloom_host *host,
                               const mloom_aws_files *files, const char *profile, const char *service,
                               mloom_error *error) {
  char variable[sizeof("AWS_ENDPOINT_URL_") + SERVICE_LIMIT];
  int size = snprintf(variable, sizeof(variable), "AWS_ENDPOINT_URL_%s", service);
  for (int i = 0; i < size && i < (int)sizeof(variable); i++) {
    variable[i] = (char)(variable[i] >= 'a' && variable[i] <= 'z' ? variable[i] - ('a' - 'A') : variable[i]);
  }
  if (mloom_aws_boolean(host, files, profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                        "ignore_configured_endpoint_urls")) {
    return MLOOM_OK;
  }
  *origin = "AWS_ENDPOINT_URL_...";
  mloom_bytes url = mloom_text_bytes(host->environment_get(host->ctx, variable));
  if (url.size == 0) {
    *origin = "AWS_ENDPOINT_URL";
    url = mloom_text_bytes(host->environment_get(host->ctx, "AWS_ENDPOINT_URL"));
  }
  if (url.size == 0) {
    *origin = "the services of the profile";
    int32_t code = from_services(&url, files, profile, service, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  if (url.size == 0) {
    *origin = "endpoint_url of the profile";
    url = mloom_text_bytes(mloom_aws_files_get(files, profile, "endpoint_url"));
  }
  return mloom_buffer_append(out, url.data, url.size) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}
