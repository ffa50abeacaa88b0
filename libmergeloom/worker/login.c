/* SPDX-License-Identifier: Apache-2.0 */
#include <mergeloom/login.h>

#include <string.h>

#include "base/error.h"
#include "worker/context.h"

#define DEFAULT_LOGIN_MS 900000

static int32_t run_login(mloom_provider_instance *instance, const mloom_call *call, const mloom_login_options *options,
                         mloom_error *error) {
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *key = NULL;
  if (options->kind == MLOOM_LOGIN_API_KEY) {
    if (options->api_key == NULL || options->api_key_size == 0) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "give the key", "there is no API key");
    }
    int32_t code = mloom_secret_new(&key, options->api_key, options->api_key_size, error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  if (options->kind != 0) {
    return mloom_provider_login(instance, call, options->kind, key, options->typed, options->event, options->userdata,
                                error);
  }
  int32_t code = mloom_provider_login(instance, call, MLOOM_LOGIN_DEVICE, NULL, options->typed, options->event,
                                      options->userdata, error);
  return code != MLOOM_E_UNSUPPORTED ? code
                                     : mloom_provider_login(instance, call, MLOOM_LOGIN_BROWSER, NULL, options->typed,
                                                            options->event, options->userdata, error);
}

int32_t mloom_login(mloom_context *context, const char *provider, const mloom_login_options *options,
                    mloom_error *error) {
  mloom_login_options known = {0};
  if (options != NULL) {
    memcpy(&known, options, options->size < sizeof(known) ? options->size : sizeof(known));
  }
  long index = mloom_context_find_provider(context, provider);
  if (index < 0) {
    return mloom_context_unknown_provider(context, provider, error);
  }
  const mloom_provider_entry *entry = mloom_registry_provider_at(context->registry, (size_t)index);
  if (entry->descriptor.login == NULL) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_PROVIDER,
                           "set its key or identity instead; mergeloom providers shows its settings",
                           "provider %s has no login of its own", entry->descriptor.id);
  }
  const mloom_clock *clock = mloom_clock_system();
  int64_t now_ms = clock->monotonic_ms(clock);
  int64_t allowed_ms = known.timeout_ms > 0 ? known.timeout_ms : DEFAULT_LOGIN_MS;
  mloom_call call;
  mloom_call_init(&call, known.cancel, clock, &context->log,
                  allowed_ms < INT64_MAX - now_ms ? now_ms + allowed_ms : INT64_MAX);
  mloom_provider_instance *instance = NULL;
  int32_t code =
      mloom_provider_open(&instance, entry, context->provider_settings[index], &context->provider_services, error);
  if (code == MLOOM_OK) {
    code = run_login(instance, &call, &known, error);
    mloom_provider_close(instance);
  }
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(context->redactor, error);
  }
  return code;
}
