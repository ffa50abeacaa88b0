/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/providers/ID/logins: the login of a provider that is a program.
 */
#include <string.h>

#include "app.h"
#include "base/error.h"
#include "settings_change.h"

int32_t login_start(app_call *call, const login_wish *wish, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = catalogue_read(call->app->catalogue);
  const mloom_json *provider = provider_of(document, call->name);
  if (provider == NULL) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "see the list of providers",
                           "no such provider is loaded");
  }
  if (mloom_json_count(mloom_json_member(provider, "logins")) == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "set its key or identity instead",
                           "provider %.80s has no login of its own", call->name);
  }
  int32_t code = settings_may_change(call->app, call->name, error);
  return code != MLOOM_OK ? code : logins_start(call->app->logins, call->name, wish, error);
}

static void answer(app_call *call, int32_t code, const mloom_error *error) {
  if (code == MLOOM_OK) {
    call->answer->status = 202;
  } else {
    app_fail(call, error);
  }
}

void api_login_start(app_call *call) {
  mloom_bytes body = http_body(call->request);
  mloom_json *options = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (body.size > 0 && (options = app_read_body(call)) == NULL) {
    return;
  }
  mloom_bytes key = mloom_json_text(mloom_json_member(options, "api_key"));
  int64_t seconds = mloom_json_member_integer(options, "timeout_seconds", 0);
  const login_wish wish = {.kind = mloom_json_member_string(options, "kind", ""),
                           .api_key = key.data,
                           .timeout_ms = seconds < 0 || seconds > INT32_MAX ? 0 : seconds * 1000};
  int32_t code = key.size > 0 && memchr(key.data, '\0', key.size) != NULL
                     ? mloom_error_set(&error, MLOOM_E_INVALID, MLOOM_DOMAIN_USAGE, "enter the key as it was given",
                                       "the API key is no text")
                     : login_start(call, &wish, &error);
  mloom_json_wipe(options);
  mloom_json_unref(options);
  answer(call, code, &error);
}

void api_login(app_call *call) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *login = logins_read(call->app->logins, call->name);
  mloom_error error = MLOOM_ERROR_INIT;
  if (login == NULL) {
    mloom_error_set(&error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_USAGE, "start one", "there was no login of this provider");
    app_fail(call, &error);
    return;
  }
  app_json(call, 200, login);
}

void api_login_input(app_call *call) {
  mloom_json *body = app_read_body(call);
  mloom_error error = MLOOM_ERROR_INIT;
  if (body != NULL) {
    int32_t code = logins_type(call->app->logins, call->name, mloom_json_member_string(body, "text", ""), &error);
    mloom_json_wipe(body);
    mloom_json_unref(body);
    answer(call, code, &error);
  }
}

void api_login_cancel(app_call *call) {
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = logins_cancel(call->app->logins, call->name, &error);
  answer(call, code, &error);
}
