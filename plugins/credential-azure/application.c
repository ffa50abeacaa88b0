/* SPDX-License-Identifier: Apache-2.0
 *
 * An application of Entra that proves itself with a secret, a certificate or the token of another issuer.
 */
#include "config.h"

#include "azure.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/setting_secret.h"
#include <mergeloom/crypto.h>

#define FILE_LIMIT ((size_t)64 * 1024)

static int32_t not_set(const char *field, const char *variable, mloom_error *error) {
  char remedy[160];
  snprintf(remedy, sizeof(remedy), "set %s (%s)", field, variable);
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL, remedy,
                         "the chosen identity needs %s, which has no value", field);
}

/* The form and the address of an exchange, and who asks. */
typedef struct exchange {
  mloom_azure_application application;
  mloom_buffer url;
  mloom_buffer form;
} exchange;

static void exchange_free(exchange *self) {
  mloom_buffer_free(&self->url);
  mloom_buffer_wipe(&self->form);
}

static int32_t begin(exchange *self, const mloom_azure_fetch *fetch, mloom_error *error) {
  int32_t code = mloom_azure_find_application(fetch->source, fetch->settings, &self->application, error);
  if (code == MLOOM_OK) {
    code = mloom_azure_token_url(&self->url, fetch->source, fetch->settings, self->application.tenant, error);
  }
  return code == MLOOM_OK ? mloom_azure_begin_form(&self->form, fetch, self->application.client, error) : code;
}

static int32_t finish(exchange *self, const mloom_azure_fetch *fetch, const char *proof, const char *origin,
                      int64_t *clock_offset_ms, mloom_credential *out, mloom_error *error) {
  int32_t code = mloom_azure_exchange(fetch, mloom_buffer_string(&self->url), &self->form, clock_offset_ms, out, error);
  if (code == MLOOM_OK) {
    snprintf(out->description, sizeof(out->description), "Entra token of application %.40s by %s from %s",
             self->application.client, proof, origin);
  }
  return code;
}

/* Reads a file that is renewed by others, so anew at each exchange. Room is made at once, for growing leaves copies. */
static int32_t read_file(mloom_buffer *out, const char *path, mloom_error *error) {
  if (mloom_buffer_reserve(out, FILE_LIMIT + 32768) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_file_read(out, path, FILE_LIMIT, MLOOM_DOMAIN_CREDENTIAL, error);
}

/* ---- Client secret ---- */

/* The secret of the settings, as it is now, or that of the variable; the caller owns the reference. */
static int32_t take_secret(const mloom_azure_source *source, const mloom_azure_value *value, const mloom_secret **out,
                           mloom_error *error) {
  const mloom_host *host = source->host;
  if (value->setting.secret != NULL) {
    return mloom_setting_secret(host, &value->setting, out, error);
  }
  if (value->declared || value->text == NULL) {
    return not_set("client_secret", "AZURE_CLIENT_SECRET", error);
  }
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer copy = MLOOM_BUFFER_INIT;
  mloom_secret *made = NULL;
  if (mloom_buffer_append_string(&copy, value->text) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  int32_t code = host->secret_new(host->ctx, copy.data, copy.size, &made, error);
  *out = made;
  return code;
}

int32_t mloom_azure_secret_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error) {
  mloom_azure_value secret = mloom_azure_get(source, settings, "client_secret", "AZURE_CLIENT_SECRET");
  mloom_azure_application application;
  if (secret.setting.secret != NULL || (!secret.declared && secret.text != NULL)) {
    return mloom_azure_find_application(source, settings, &application, error);
  }
  mloom_azure_value certificate =
      mloom_azure_get(source, settings, "client_certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH");
  if (mloom_azure_is_method(source, settings, "client_secret") && certificate.text == NULL) {
    return not_set("client_secret", "AZURE_CLIENT_SECRET", error);
  }
  return MLOOM_E_NOT_APPLICABLE;
}

int32_t mloom_azure_secret_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  MLOOM_AUTO(exchange_free) exchange self = {.url = MLOOM_BUFFER_INIT, .form = MLOOM_BUFFER_INIT};
  int32_t code = begin(&self, fetch, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_azure_value value = mloom_azure_get(fetch->source, fetch->settings, "client_secret", "AZURE_CLIENT_SECRET");
  const mloom_secret *secret = NULL;
  mloom_bytes bytes = {NULL, 0};
  int64_t unused = 0; /* nothing in the request tells the time */
  code = take_secret(fetch->source, &value, &secret, error);
  code = code != MLOOM_OK ? code : host->secret_borrow(host->ctx, secret, &bytes, error);
  code = code != MLOOM_OK ? code : mloom_azure_add_field(&self.form, "client_secret", bytes, error);
  code = code != MLOOM_OK ? code : finish(&self, fetch, "client secret", value.origin, &unused, out, error);
  if (secret != NULL) {
    host->secret_unref(host->ctx, secret);
  }
  return code;
}

/* ---- Client certificate ---- */

static mloom_azure_value certificate_path(const mloom_azure_source *source, const mloom_settings *settings) {
  return mloom_azure_get(source, settings, "client_certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH");
}

int32_t mloom_azure_certificate_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error) {
  mloom_azure_application application;
  if (certificate_path(source, settings).text != NULL) {
    return mloom_azure_find_application(source, settings, &application, error);
  }
  if (mloom_azure_is_method(source, settings, "client_certificate")) {
    return not_set("client_certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH", error);
  }
  return MLOOM_E_NOT_APPLICABLE;
}

static int is_yes(const char *text) {
  return text != NULL && (mloom_text_compare_fold(text, "true") == 0 || strcmp(text, "1") == 0 ||
                          mloom_text_compare_fold(text, "yes") == 0);
}

#define FIX_FILE                                                                                     \
  "put the private key and the certificate into one file, PEM or PKCS #12 (PFX), and name it in "    \
  "client_certificate_path (AZURE_CLIENT_CERTIFICATE_PATH); its password, if it has one, goes into " \
  "client_certificate_password (AZURE_CLIENT_CERTIFICATE_PASSWORD)"

/* The key and the certificates of the file, as PEM that is not encrypted; the caller owns the reference. */
static int32_t read_identity(mloom_secret **out, const mloom_azure_fetch *fetch, const char *path, mloom_error *error) {
  const mloom_azure_source *source = fetch->source;
  const mloom_host *host = source->host;
  const mloom_crypto *crypto = host->get_interface(host->ctx, MLOOM_CRYPTO_INTERFACE);
  mloom_azure_value value =
      mloom_azure_get(source, fetch->settings, "client_certificate_password", "AZURE_CLIENT_CERTIFICATE_PASSWORD");
  const mloom_secret *password = NULL;
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer file = MLOOM_BUFFER_INIT;
  *out = NULL;
  if (crypto == NULL || !MLOOM_HAS(crypto, mloom_crypto, read_identity)) {
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_CREDENTIAL, "use a client secret",
                           "the host offers no cryptography to sign with a certificate's key");
  }
  int32_t code = read_file(&file, path, error);
  if (code == MLOOM_OK && (value.setting.secret != NULL || (!value.declared && value.text != NULL))) {
    code = take_secret(source, &value, &password, error);
  }
  if (code == MLOOM_OK) {
    mloom_error reason = MLOOM_ERROR_INIT;
    code = crypto->read_identity(crypto->ctx, file.data, file.size, password, out, &reason);
    if (code == MLOOM_E_INVALID) {
      mloom_error_set(error, code, MLOOM_DOMAIN_CREDENTIAL, FIX_FILE, "the certificate file %s: %s", path,
                      reason.message);
    } else if (code != MLOOM_OK) {
      mloom_error_copy(error, &reason);
    }
  }
  if (password != NULL) {
    host->secret_unref(host->ctx, password);
  }
  return code;
}

/* *clock_offset_ms is what Entra's clock is ahead of ours: as far as known, and then by what it says in refusing. */
static int32_t prove_by_certificate(const mloom_azure_fetch *fetch, const mloom_secret *identity, const char *path,
                                    int64_t *clock_offset_ms, mloom_credential *out, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  MLOOM_AUTO(exchange_free) exchange self = {.url = MLOOM_BUFFER_INIT, .form = MLOOM_BUFFER_INIT};
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer assertion = MLOOM_BUFFER_INIT;
  mloom_azure_value chain =
      mloom_azure_get(fetch->source, fetch->settings, "send_certificate_chain", "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
  int64_t now_s = (host->clock_wall_ms(host->ctx) + *clock_offset_ms) / 1000;
  int32_t code = begin(&self, fetch, error);
  code = code != MLOOM_OK
             ? code
             : mloom_azure_sign_assertion(&assertion, host, identity, self.application.client,
                                          mloom_buffer_string(&self.url), is_yes(chain.text), now_s, error);
  code = code != MLOOM_OK ? code
                          : mloom_azure_add_assertion(&self.form, (mloom_bytes){assertion.data, assertion.size}, error);
  return code == MLOOM_OK ? finish(&self, fetch, "certificate", path, clock_offset_ms, out, error) : code;
}

int32_t mloom_azure_certificate_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error) {
  const mloom_host *host = fetch->source->host;
  mloom_azure_value path = certificate_path(fetch->source, fetch->settings);
  mloom_secret *identity = NULL;
  mloom_error reason = MLOOM_ERROR_INIT;
  int64_t clock_offset_ms = 0;
  if (path.text == NULL) {
    return not_set("client_certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH", error);
  }
  int32_t code = mloom_azure_check_authority(fetch, "what the client certificate signs", error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = read_identity(&identity, fetch, path.text, &reason);
  if (code == MLOOM_OK) {
    code = prove_by_certificate(fetch, identity, path.text, &clock_offset_ms, out, &reason);
    if (code == MLOOM_E_UNAUTHENTICATED && clock_offset_ms != 0) {
      host->log(host->ctx, MLOOM_LOG_WARNING, "credential-azure",
                "Entra's clock is minutes from this machine's: the assertion is made again by Entra's");
      reason = (mloom_error)MLOOM_ERROR_INIT;
      int64_t offset_ms = clock_offset_ms;
      code = prove_by_certificate(fetch, identity, path.text, &clock_offset_ms, out, &reason);
      if (code == MLOOM_OK && MLOOM_HAS(out, mloom_credential, clock_offset_ms)) {
        out->clock_offset_ms = offset_ms;
      }
    }
    host->secret_unref(host->ctx, identity);
  }
  mloom_error_copy(error, &reason);
  return code;
}

/* ---- Workload identity ---- */

/* Where the admission webhook of Azure Workload Identity mounts the token. */
static const char *const known_token_files[] = {
    "/var/run/secrets/azure/tokens/azure-identity-token",
    "/var/run/secrets/azure/wi/token/azure-identity-token",
};

/* Appends the path of the token's file: the setting, or a known place that has one. Nothing when there is none. */
static int32_t find_token_file(mloom_buffer *out, const mloom_azure_source *source, const mloom_settings *settings,
                               mloom_error *error) {
  mloom_azure_value value = mloom_azure_get(source, settings, "federated_token_file", "AZURE_FEDERATED_TOKEN_FILE");
  int32_t code = MLOOM_OK;
  if (value.text != NULL) {
    code = mloom_buffer_append_string(out, value.text);
    return code == MLOOM_OK ? code : mloom_error_memory(error);
  }
  for (size_t i = 0; i < sizeof(known_token_files) / sizeof(known_token_files[0]); i++) {
    mloom_buffer_clear(out);
    code = mloom_buffer_append_format(out, "%s%s", source->root, known_token_files[i]);
    if (code != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    if (access(out->data, F_OK) == 0) {
      return MLOOM_OK;
    }
  }
  mloom_buffer_clear(out);
  return MLOOM_OK;
}

/* The webhook sets the variable only where the pod's specification does not name it, and the public chart names it. */
static int32_t no_token_file(mloom_error *error) {
  return mloom_error_set(
      error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_CREDENTIAL,
      "label the pod azure.workload.identity/use: \"true\" and set AZURE_FEDERATED_TOKEN_FILE to "
      "/var/run/secrets/azure/tokens/azure-identity-token: AKS does not fill in a variable that the pod already has, "
      "even blank, as the MergeLoom chart leaves it",
      "workload identity has no token: AZURE_FEDERATED_TOKEN_FILE is unset or blank, and no token is mounted");
}

int32_t mloom_azure_workload_probe(mloom_azure_source *source, const mloom_settings *settings, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = find_token_file(&path, source, settings, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_azure_application application;
  if (path.size > 0) {
    return mloom_azure_find_application(source, settings, &application, error);
  }
  return mloom_azure_is_method(source, settings, "workload_identity") ? no_token_file(error) : MLOOM_E_NOT_APPLICABLE;
}

int32_t mloom_azure_workload_fetch(const mloom_azure_fetch *fetch, mloom_credential *out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(exchange_free) exchange self = {.url = MLOOM_BUFFER_INIT, .form = MLOOM_BUFFER_INIT};
  int32_t code = mloom_azure_check_authority(fetch, "the federated token", error);
  code = code != MLOOM_OK ? code : begin(&self, fetch, error);
  code = code != MLOOM_OK ? code : find_token_file(&path, fetch->source, fetch->settings, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (path.size == 0) {
    return no_token_file(error);
  }
  MLOOM_AUTO(mloom_buffer_wipe) mloom_buffer text = MLOOM_BUFFER_INIT;
  code = read_file(&text, path.data, error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes token = mloom_text_trim((mloom_bytes){mloom_buffer_string(&text), text.size});
  for (size_t i = 0; i < token.size; i++) {
    if (token.data[i] <= 0x20 || token.data[i] >= 0x7f) {
      token.size = 0;
    }
  }
  if (token.size == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_CREDENTIAL,
                           "name the file of the projected service account token in AZURE_FEDERATED_TOKEN_FILE",
                           "the file %s holds no token", path.data);
  }
  int64_t unused = 0;         /* the times in the token are its issuer's */
  mloom_secret *known = NULL; /* so that nothing lets the token through from here on */
  const mloom_host *host = fetch->source->host;
  code = mloom_azure_add_assertion(&self.form, token, error);
  code = code != MLOOM_OK
             ? code
             : host->secret_new(host->ctx, text.data + (token.data - text.data), token.size, &known, error);
  code = code != MLOOM_OK ? code : finish(&self, fetch, "the token", path.data, &unused, out, error);
  if (known != NULL) {
    host->secret_unref(host->ctx, known);
  }
  return code;
}
