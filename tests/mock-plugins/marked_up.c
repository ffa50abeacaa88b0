/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for OpenAI-compatible servers with markup in every text that a plugin can supply: for the daemon, in
 * whose pages none of it may become markup.
 */
#include <mergeloom/plugin.h>
#include <stdio.h>
#include <string.h>

/* The last word tells the places apart. */
#define MARKUP(place) "\"'><img src=x onerror=alert(1)>&lt;" place

/* The real one, with its entry renamed. */
const mloom_plugin *harmed_plugin_init(const mloom_host *host, char *error_text, size_t error_size);

static const char *const choices[] = {MARKUP("choice"), "plain", NULL};
static const mloom_field choice = {.size = sizeof(choice),
                                   .name = "marked_up",
                                   .title = MARKUP("field-title"),
                                   .help = MARKUP("field-help"),
                                   .kind = MLOOM_FIELD_CHOICE,
                                   .choices = choices,
                                   .default_value = MARKUP("choice")};
static const mloom_field text = {.size = sizeof(text),
                                 .name = "shown",
                                 .title = "Shown",
                                 .help = "Shown",
                                 .kind = MLOOM_FIELD_STRING,
                                 .default_value = MARKUP("default"),
                                 .shown_when_field = "marked_up",
                                 .shown_when_value = MARKUP("choice")};

static mloom_plugin plugin;
static mloom_provider provider;
static const mloom_provider *providers[1];
static const mloom_field *fields[64];
static mloom_provider real;

static int32_t check(void *instance, const mloom_probe_sink *sink, mloom_error *error) {
  sink->check("<i>check-name", MLOOM_CHECK_WARN, MARKUP("check-reason"), MARKUP("check-remedy"), sink->userdata);
  return real.check(instance, sink, error);
}

static int32_t probe_result(void *instance, uint32_t kind, int32_t status, const char *body, size_t size,
                            const mloom_probe_sink *sink, mloom_error *error) {
  if (kind == MLOOM_PROBE_MODELS && sink->model != NULL) {
    sink->model(MARKUP("model-id"), MARKUP("model-title"), 0, sink->userdata);
  }
  return real.probe_result(instance, kind, status, body, size, sink, error);
}

/* Says all of that and waits to be cancelled. */
static int32_t login(void *instance, uint32_t kind, const mloom_secret *secret, mloom_exchange *out,
                     mloom_error *error) {
  static const char *const said =
      "Open javascript:alert(1) or data:text/html,<script>alert(1)</script>, or else\n"
      "https://login.example.test/?'onmouseover=alert(1)&lt;login-url\n" MARKUP("login-text") "\n";
  static const char *argv[] = {"/bin/sh", "-c", "printf %s \"$1\"; sleep 3600", "login", NULL, NULL};
  static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
  static mloom_process_request process;
  (void)instance;
  (void)secret;
  (void)error;
  if (kind != MLOOM_LOGIN_DEVICE) {
    return MLOOM_E_UNSUPPORTED;
  }
  argv[4] = said;
  process = (mloom_process_request){
      .size = sizeof(process), .argv = argv, .environment = environment, .working_directory = "/"};
  out->kind = MLOOM_EXCHANGE_PROCESS;
  out->process = &process;
  return MLOOM_OK;
}

MLOOM_PLUGIN_EXPORT const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text,
                                                                 size_t error_size) {
#ifdef MARKED_UP_DECLINES
  (void)host;
  snprintf(error_text, error_size, "%s", MARKUP("plugin-failure"));
  return NULL;
#endif
  const mloom_plugin *harmless = harmed_plugin_init(host, error_text, error_size);
  if (harmless == NULL || harmless->providers[0]->field_count + 2 > sizeof(fields) / sizeof(fields[0])) {
    return NULL;
  }
  plugin = *harmless;
  real = *harmless->providers[0];
  provider = real;
  memcpy(fields, real.fields, real.field_count * sizeof(fields[0]));
  fields[real.field_count] = &choice;
  fields[real.field_count + 1] = &text;
  provider.fields = fields;
  provider.field_count = real.field_count + 2;
  provider.id = "marked-up";
  provider.title = MARKUP("title");
  provider.description = MARKUP("description");
  provider.check = check;
  provider.probe_result = probe_result;
  provider.login = login;
  plugin.name = "marked-up";
  plugin.version = MARKUP("version");
  plugin.description = MARKUP("plugin-description");
  providers[0] = &provider;
  plugin.providers = providers;
  return &plugin;
}
