/* SPDX-License-Identifier: Apache-2.0
 *
 * credential_fetch SOURCE AUDIENCE [--ca FILE] [--proxy URL] [--field NAME=VALUE] [--secret NAME=VALUE]
 *                  [--written NAME=VALUE] [--written-secret NAME=VALUE] [--seconds N] [--times N] [--authorize URL]
 *
 * Asks one credential source, loaded as a plugin, for a credential of a provider that has these fields, in this
 * program's environment. What is written stands on the provider's card, the rest in its file. Prints one line of JSON
 * for each time it asked; a new line on stdin comes before each but the first.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/call.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "net/http.h"
#include "plugin/registry.h"
#include "secret/crypto.h"
#include "secret/secret.h"
#include "settings/settings.h"

#define FIELD_LIMIT 32

extern char **environ;

typedef struct options {
  const char *source;
  const char *audience;
  const char *ca_file;
  const char *proxy;
  const char *authorize; /* a request for this address; NULL: none */
  int64_t seconds;
  int64_t times;
  mloom_field fields[FIELD_LIMIT];
  const mloom_field *list[FIELD_LIMIT];
  size_t count;
  mloom_json *section;
  mloom_json *written;
} options;

typedef struct asker {
  mloom_log log;
  mloom_redactor *redactor;
  mloom_http_client *http;
  mloom_crypto_engine *crypto;
  mloom_host_services services;
  mloom_host host;
  mloom_registry *registry;
  mloom_settings *settings;
  const mloom_credential_source *source;
  void *instance;
} asker;

/* Every provider has these. */
static int is_shared(const char *name) {
  return strcmp(name, "proxy") == 0 || strcmp(name, "ca_file") == 0;
}

static int add_field(options *self, mloom_json *section, uint32_t kind, char *assignment) {
  char *value = strchr(assignment, '=');
  if (value == NULL || self->count == FIELD_LIMIT) {
    return 0;
  }
  *value++ = '\0';
  self->fields[self->count] = (mloom_field){.size = (uint32_t)sizeof(mloom_field),
                                            .name = assignment,
                                            .title = assignment,
                                            .help = assignment,
                                            .kind = kind,
                                            .flags = kind == MLOOM_FIELD_SECRET ? MLOOM_FIELD_MULTILINE : 0};
  self->list[self->count] = &self->fields[self->count];
  self->count += is_shared(assignment) ? 0 : 1;
  /* Without a value it is a field that nobody set. */
  return value[0] == '\0' || mloom_json_set_string(section, assignment, value) == MLOOM_OK;
}

static int read_options(options *self, int argc, char **argv) {
  if (argc < 3 || argc % 2 == 0) {
    return 0;
  }
  self->source = argv[1];
  self->audience = argv[2];
  self->seconds = 60;
  self->times = 1;
  for (int i = 3; i < argc; i += 2) {
    int good = 1;
    if (strcmp(argv[i], "--ca") == 0) {
      self->ca_file = argv[i + 1];
    } else if (strcmp(argv[i], "--proxy") == 0) {
      self->proxy = argv[i + 1];
    } else if (strcmp(argv[i], "--authorize") == 0) {
      self->authorize = argv[i + 1];
    } else if (strcmp(argv[i], "--field") == 0) {
      good = add_field(self, self->section, MLOOM_FIELD_STRING, argv[i + 1]);
    } else if (strcmp(argv[i], "--secret") == 0) {
      good = add_field(self, self->section, MLOOM_FIELD_SECRET, argv[i + 1]);
    } else if (strcmp(argv[i], "--written") == 0) {
      good = add_field(self, self->written, MLOOM_FIELD_STRING, argv[i + 1]);
    } else if (strcmp(argv[i], "--written-secret") == 0) {
      good = add_field(self, self->written, MLOOM_FIELD_SECRET, argv[i + 1]);
    } else if (strcmp(argv[i], "--seconds") == 0) {
      good = mloom_text_parse_int64(mloom_text_bytes(argv[i + 1]), &self->seconds) == MLOOM_OK;
    } else if (strcmp(argv[i], "--times") == 0) {
      good = mloom_text_parse_int64(mloom_text_bytes(argv[i + 1]), &self->times) == MLOOM_OK;
    } else {
      good = 0;
    }
    if (!good) {
      return 0;
    }
  }
  return 1;
}

static int32_t get_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  return mloom_settings_get(settings, name, out);
}

/* {"providers": {"test": section}}, which the caller owns. */
static mloom_json *document_of(mloom_json *section) {
  mloom_json *document = mloom_json_new_object();
  mloom_json *providers = mloom_json_new_object();
  mloom_json_set(providers, "test", mloom_json_ref(section));
  mloom_json_set(document, "providers", providers);
  return document;
}

static int32_t build_settings(asker *self, const options *given, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *config = document_of(given->section);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *stored = document_of(given->written);
  const mloom_settings_sources sources = {.environment = (const char *const *)environ,
                                          .secrets_path = "/nonexistent",
                                          .config = config,
                                          .config_path = "the test",
                                          .stored = stored,
                                          .redactor = self->redactor};
  return mloom_settings_new(&self->settings, "test", given->list, given->count, 1, &sources, error);
}

static int32_t build(asker *self, const options *given, mloom_error *error) {
  const mloom_http_options http = {.ca_file = given->ca_file, .proxy = given->proxy};
  const char *path = getenv("MERGELOOM_PLUGIN_PATH");
  const char *const paths[] = {path == NULL ? "/nonexistent" : path, NULL};
  int32_t code = mloom_redactor_new(&self->redactor, error);
  code = code != MLOOM_OK ? code : mloom_http_client_new(&self->http, &http, &self->log, error);
  code = code != MLOOM_OK ? code : mloom_crypto_engine_new(&self->crypto, error);
  if (code != MLOOM_OK) {
    return code;
  }
  self->services = (mloom_host_services){.log = &self->log,
                                         .clock = mloom_clock_system(),
                                         .redactor = self->redactor,
                                         .http = self->http,
                                         .crypto = mloom_crypto_engine_table(self->crypto),
                                         .supervise_path = getenv("MERGELOOM_SUPERVISE"),
                                         .environment = (const char *const *)environ,
                                         .setting_get = get_setting};
  mloom_host_init(&self->host, &self->services);
  code = mloom_registry_new(&self->registry, paths, NULL, &self->host, &self->log, error);
  code = code != MLOOM_OK ? code : build_settings(self, given, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_credential_source_entry *entry = mloom_registry_find_credential_source(self->registry, given->source);
  if (entry == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_CREDENTIAL, NULL, "no plugin has the source %s",
                           given->source);
  }
  self->source = &entry->descriptor;
  const mloom_open_args args = {.size = (uint32_t)sizeof(args), .host = &self->host, .settings = self->settings};
  return self->source->open(&args, &self->instance, error);
}

static void release(asker *self) {
  if (self->source != NULL && self->instance != NULL) {
    self->source->close(self->instance);
  }
  mloom_settings_unref(self->settings);
  if (self->registry != NULL) {
    mloom_registry_free(self->registry);
  }
  mloom_crypto_engine_free(self->crypto);
  mloom_http_client_free(self->http);
  mloom_redactor_free(self->redactor);
}

static int32_t add_header(const mloom_header *header, void *userdata) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer value = MLOOM_BUFFER_INIT;
  mloom_bytes secret = header->secret == NULL ? (mloom_bytes){"", 0} : mloom_secret_bytes(header->secret);
  mloom_buffer_append_string(&value, header->value);
  mloom_buffer_append(&value, secret.data, secret.size);
  return mloom_json_set(userdata, header->name, mloom_json_new_string(mloom_buffer_string(&value), value.size));
}

/* The headers that a request with this credential gets. */
static int32_t authorize(const asker *self, const options *given, const mloom_credential_args *args,
                         const mloom_credential *credential, mloom_json *headers, mloom_error *error) {
  const mloom_http_request request = {.size = (uint32_t)sizeof(request), .method = "POST", .url = given->authorize};
  const mloom_header_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = headers, .header = add_header};
  if (given->authorize == NULL || credential->kind != MLOOM_CREDENTIAL_SIGNS) {
    return MLOOM_OK;
  }
  return self->source->authorize(self->instance, args, credential, &request, &sink, error);
}

static void print(const asker *self, int32_t code, const mloom_credential *credential, mloom_json *headers,
                  mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *line = mloom_json_new_object();
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_redactor_apply_error(self->redactor, error);
  mloom_json_set_string(line, "code", mloom_code_name(code));
  if (code == MLOOM_OK) {
    mloom_bytes bytes = credential->secret == NULL ? (mloom_bytes){"", 0} : mloom_secret_bytes(credential->secret);
    mloom_json_set(line, "secret", mloom_json_new_string(bytes.data, bytes.size));
    mloom_json_set_integer(line, "expires_wall_ms", credential->expires_wall_ms);
    mloom_json_set_string(line, "description", credential->description);
    mloom_json_set(line, "headers", mloom_json_ref(headers));
  } else {
    mloom_json_set_string(line, "message", error->message);
    mloom_json_set_string(line, "remedy", error->remedy);
    mloom_json_set_string(line, "request_id", error->request_id);
    mloom_json_set_integer(line, "http_status", error->http_status);
    mloom_json_set_integer(line, "retryable", error->retryable);
    mloom_json_set_integer(line, "retry_after_ms", error->retry_after_ms);
  }
  mloom_json_serialize(&text, line, 0);
  puts(mloom_buffer_string(&text));
  fflush(stdout);
}

static void ask(const asker *self, const options *given) {
  mloom_call call;
  const mloom_clock *clock = mloom_clock_system();
  mloom_call_init(&call, NULL, clock, &self->log, clock->monotonic_ms(clock) + given->seconds * 1000);
  const mloom_credential_args args = {
      .size = (uint32_t)sizeof(args), .settings = self->settings, .audience = given->audience};
  mloom_credential credential = {.size = (uint32_t)sizeof(credential), .expires_wall_ms = -1};
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *headers = mloom_json_new_object();
  int32_t code = self->source->probe(self->instance, &args, &error);
  if (code >= 0) {
    code = self->source->fetch(self->instance, &call, &args, &credential, &error);
  }
  if (code == MLOOM_OK) {
    code = authorize(self, given, &args, &credential, headers, &error);
  }
  print(self, code, &credential, headers, &error);
  mloom_secret_unref(credential.secret);
}

int main(int argc, char **argv) {
  mloom_error error = MLOOM_ERROR_INIT;
  options given = {.section = mloom_json_new_object(), .written = mloom_json_new_object()};
  asker self = {.log = {.level = MLOOM_LOG_ERROR}};
  int status = 2;
  if (!read_options(&given, argc, argv)) {
    fprintf(stderr, "usage: credential_fetch SOURCE AUDIENCE [--OPTION VALUE]...\n");
  } else if (build(&self, &given, &error) != MLOOM_OK) {
    fprintf(stderr, "%s\n", error.message);
  } else {
    status = 0;
    for (int64_t i = 0; i < given.times && (i == 0 || getchar() != EOF); i++) {
      ask(&self, &given);
    }
  }
  release(&self);
  mloom_json_unref(given.section);
  mloom_json_unref(given.written);
  return status;
}
