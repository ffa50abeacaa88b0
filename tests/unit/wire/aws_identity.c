/* SPDX-License-Identifier: Apache-2.0
 *
 * The AWS sources on the real host table, for tests that compare with other programs.
 *   aws_identity fetch SOURCE AUDIENCE [NAME=VALUE]...   prints the credential or the error
 *   aws_identity watch SOURCE AUDIENCE [NAME=VALUE]...   does so for each line of its input
 *   aws_identity region [PROFILE]                        prints the region of the variables and files
 *   aws_identity endpoint SERVICE                        prints the address configured for a service
 *   aws_identity ini                                     prints sections and settings of each text
 *   aws_identity words                                   prints the words of each command line
 * Texts are read from the input, a line of hexadecimal digits each.
 * NAME=VALUE are settings of a provider. Requests go to TEST_SERVER, with the address they were meant for in
 * X-Original-Url; without that variable they go where they want.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"
#include "wire/aws_files.h"
#include "wire/shell_words.h"

extern char **environ;

struct mloom_settings {
  char **pairs;
  int count;
};

static int32_t get_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  for (int i = 0; i < settings->count; i++) {
    size_t size = strlen(name);
    if (strncmp(settings->pairs[i], name, size) == 0 && settings->pairs[i][size] == '=') {
      out->value = settings->pairs[i] + size + 1;
      out->origin_name = "a test";
      return MLOOM_OK;
    }
  }
  return MLOOM_E_NOT_FOUND;
}

/* ---- Requests that go elsewhere ---- */

static int32_t (*real_http)(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                            mloom_error *error);

static int32_t redirected_http(void *ctx, mloom_call *call, const mloom_http_request *request,
                               const mloom_http_sink *sink, mloom_error *error) {
  const char *authority = strstr(request->url, "://");
  const char *path = authority == NULL ? NULL : strpbrk(authority + 3, "/?");
  mloom_buffer url = MLOOM_BUFFER_INIT;
  const mloom_header *headers[16];
  mloom_header original = {.size = (uint32_t)sizeof(original), .name = "X-Original-Url", .value = request->url};
  mloom_http_request changed = *request;
  (void)mloom_buffer_append_format(&url, "%s%s", getenv("TEST_SERVER"), path == NULL ? "/" : path);
  memcpy(headers, request->headers, request->header_count * sizeof(headers[0]));
  headers[request->header_count] = &original;
  changed.url = mloom_buffer_string(&url);
  changed.headers = headers;
  changed.header_count = request->header_count + 1;
  int32_t code = real_http(ctx, call, &changed, sink, error);
  mloom_buffer_free(&url);
  return code;
}

/* ---- Printing ---- */

static void print(mloom_buffer *out) {
  printf("%s\n", mloom_buffer_string(out));
  mloom_buffer_free(out);
}

static void member(mloom_buffer *out, const char *name, mloom_bytes value) {
  (void)mloom_json_write_member(out, name, value.data, value.size);
}

static int print_error(int32_t code, const mloom_error *error) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  (void)mloom_buffer_append_format(&out, "{\"code\":%d,\"error_code\":%d", (int)code, (int)error->code);
  member(&out, "message", mloom_text_bytes(error->message));
  member(&out, "remedy", mloom_text_bytes(error->remedy));
  (void)mloom_buffer_append_char(&out, '}');
  print(&out);
  return 0;
}

/* ---- fetch, sign ---- */

static int32_t add_header(const mloom_header *header, void *userdata) {
  mloom_buffer *out = userdata;
  mloom_buffer value = MLOOM_BUFFER_INIT;
  (void)mloom_buffer_append_string(&value, header->value);
  if (header->secret != NULL) {
    mloom_bytes secret = mloom_secret_bytes(header->secret);
    (void)mloom_buffer_append(&value, secret.data, secret.size);
  }
  member(out, header->name, (mloom_bytes){mloom_buffer_string(&value), value.size});
  mloom_buffer_free(&value);
  return MLOOM_OK;
}

static void fetch_once(const mloom_credential_source *source, void *instance, const mloom_settings *settings,
                       const char *audience) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_credential_args args = {.size = (uint32_t)sizeof(args), .settings = settings, .audience = audience};
  mloom_credential credential = {.size = (uint32_t)sizeof(credential), .expires_wall_ms = -1};
  mloom_call call;
  mloom_call_init(&call, NULL, NULL, NULL, INT64_MAX);
  int32_t code = source->probe(instance, &args, &error);
  code = code == MLOOM_OK ? source->fetch(instance, &call, &args, &credential, &error) : code;
  mloom_buffer out = MLOOM_BUFFER_INIT;
  if (code == MLOOM_OK) {
    const mloom_header type = {.size = (uint32_t)sizeof(type), .name = "Content-Type", .value = "application/json"};
    const mloom_header *const headers[] = {&type};
    const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                        .method = "GET",
                                        .url = "https://service.example/path",
                                        .headers = headers,
                                        .header_count = 1};
    mloom_header_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = &out, .header = add_header};
    (void)mloom_buffer_append_format(&out, "{\"code\":0,\"expires\":%lld", (long long)credential.expires_wall_ms);
    member(&out, "secret", mloom_secret_bytes(credential.secret));
    member(&out, "description", mloom_text_bytes(credential.description));
    code = source->authorize(instance, &args, &credential, &request, &sink, &error);
    (void)mloom_buffer_append_char(&out, '}');
  }
  if (code == MLOOM_OK) {
    print(&out);
  } else {
    print_error(code, &error);
  }
  mloom_buffer_free(&out);
  mloom_secret_unref(credential.secret);
}

static int fetch_with(const mloom_credential_source *source, mloom_host *host, const mloom_settings *settings,
                      const char *audience, int watch) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_open_args open = {.size = (uint32_t)sizeof(open), .host = host, .settings = settings};
  void *instance = NULL;
  int32_t code = source->open(&open, &instance, &error);
  if (code != MLOOM_OK) {
    return print_error(code, &error);
  }
  char line[16];
  do {
    fetch_once(source, instance, settings, audience);
    (void)fflush(stdout);
  } while (watch && fgets(line, sizeof(line), stdin) != NULL);
  source->close(instance);
  return 0;
}

static int fetch(const char *id, const char *audience, const mloom_settings *settings, int watch) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_crypto_engine *engine = NULL;
  mloom_http_client *http = NULL;
  mloom_redactor *redactor = NULL;
  mloom_host host;
  mloom_http_options options = {.user_agent = "test"};
  if (mloom_crypto_engine_new(&engine, &error) != MLOOM_OK || mloom_redactor_new(&redactor, &error) != MLOOM_OK ||
      mloom_http_client_new(&http, &options, NULL, &error) != MLOOM_OK) {
    return 2;
  }
  mloom_host_services services = {.clock = mloom_clock_system(),
                                  .redactor = redactor,
                                  .http = http,
                                  .crypto = mloom_crypto_engine_table(engine),
                                  .supervise_path = getenv("MERGELOOM_SUPERVISE"),
                                  .environment = (const char *const *)environ,
                                  .setting_get = get_setting};
  mloom_host_init(&host, &services);
  real_http = host.http;
  host.http = getenv("TEST_SERVER") == NULL ? real_http : redirected_http;
  char text[200] = "";
  const mloom_plugin *plugin = mergeloom_plugin_init_v1(&host, text, sizeof(text));
  int status = 2;
  for (size_t i = 0; plugin != NULL && i < plugin->credential_source_count; i++) {
    if (strcmp(plugin->credential_sources[i]->id, id) == 0) {
      status = fetch_with(plugin->credential_sources[i], &host, settings, audience, watch);
    }
  }
  mloom_http_client_free(http);
  mloom_redactor_free(redactor);
  mloom_crypto_engine_free(engine);
  return status;
}

/* ---- The rest ---- */

static int configured(const char *what, const char *name) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_host_services services = {.clock = mloom_clock_system(), .environment = (const char *const *)environ};
  mloom_host host;
  mloom_aws_files files;
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_host_init(&host, &services);
  const char *profile = mloom_aws_profile_name(&host, strcmp(what, "region") == 0 ? name : NULL);
  int32_t code = mloom_aws_files_read(&files, &host, &error);
  const char *found = NULL;
  const char *origin = NULL;
  if (code == MLOOM_OK && strcmp(what, "region") == 0) {
    code = mloom_aws_region(&found, &host, &files, profile, &error);
  } else if (code == MLOOM_OK) {
    code = mloom_aws_endpoint_url(&out, &origin, &host, &files, profile, name, &error);
    found = out.size == 0 ? NULL : mloom_buffer_string(&out);
  }
  if (code == MLOOM_OK) {
    printf("%s\n", found == NULL ? "-" : found);
  } else {
    print_error(code, &error);
  }
  mloom_buffer_free(&out);
  mloom_aws_files_free(&files);
  return 0;
}

static int ini(mloom_bytes text) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_aws_ini parsed = {NULL, 0};
  int32_t code = mloom_aws_ini_parse(&parsed, text, "text", &error);
  if (code != MLOOM_OK) {
    mloom_aws_ini_free(&parsed);
    return print_error(code, &error);
  }
  mloom_buffer out = MLOOM_BUFFER_INIT;
  (void)mloom_buffer_append_char(&out, '{');
  for (size_t i = 0; i < parsed.count; i++) {
    (void)mloom_json_write_name(&out, parsed.sections[i].name);
    (void)mloom_buffer_append_char(&out, '{');
    for (size_t j = 0; j < parsed.sections[i].count; j++) {
      member(&out, parsed.sections[i].options[j].name, mloom_text_bytes(parsed.sections[i].options[j].value));
    }
    (void)mloom_buffer_append_char(&out, '}');
  }
  (void)mloom_buffer_append_char(&out, '}');
  print(&out);
  mloom_aws_ini_free(&parsed);
  return 0;
}

static int words(mloom_bytes text) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_shell_words split;
  int32_t code = mloom_shell_words_split(&split, text);
  if (code != MLOOM_OK) {
    return print_error(code, &error);
  }
  mloom_buffer out = MLOOM_BUFFER_INIT;
  (void)mloom_buffer_append_char(&out, '[');
  for (size_t i = 0; i < split.count; i++) {
    (void)mloom_buffer_append_string(&out, i == 0 ? "" : ",");
    (void)mloom_json_write_string(&out, split.words[i], strlen(split.words[i]));
  }
  (void)mloom_buffer_append_char(&out, ']');
  print(&out);
  mloom_shell_words_free(&split);
  return 0;
}

static int each_line(int (*judge)(mloom_bytes text)) {
  static char line[65536];
  static char bytes[sizeof(line) / 2];
  while (fgets(line, sizeof(line), stdin) != NULL) {
    size_t size = strcspn(line, "\n") / 2;
    for (size_t i = 0; i < size; i++) {
      unsigned int byte = 0;
      sscanf(line + 2 * i, "%2x", &byte);
      bytes[i] = (char)byte;
    }
    judge((mloom_bytes){bytes, size});
  }
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc < 2 ? "" : argv[1];
  int watch = strcmp(what, "watch") == 0;
  if ((watch || strcmp(what, "fetch") == 0) && argc >= 4) {
    const mloom_settings settings = {argv + 4, argc - 4};
    return fetch(argv[2], argv[3], &settings, watch);
  }
  if (strcmp(what, "region") == 0 || (strcmp(what, "endpoint") == 0 && argc == 3)) {
    return configured(what, argc > 2 ? argv[2] : NULL);
  }
  if (strcmp(what, "ini") == 0 || strcmp(what, "words") == 0) {
    return each_line(strcmp(what, "ini") == 0 ? ini : words);
  }
  fprintf(stderr, "usage: see the beginning of aws_identity.c\n");
  return 2;
}
