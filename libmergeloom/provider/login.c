/* SPDX-License-Identifier: Apache-2.0
 *
 * A login: the provider says which program to run, and what that writes is read for the person in front of it.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "provider/internal.h"
#include "provider/login_reader.h"
#include <mergeloom/login.h>

typedef struct login_run {
  mloom_login_reader reader;
  mloom_login_event_fn event;
  void *userdata;
  mloom_redactor *redactor;
  mloom_buffer last; /* line that was told */
} login_run;

static void free_run(login_run *run) {
  mloom_login_reader_free(&run->reader);
  mloom_buffer_free(&run->last);
}

static void on_event(uint32_t event, const char *text, void *userdata) {
  login_run *run = userdata;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer safe = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(&safe, text) != MLOOM_OK) {
    return;
  }
  mloom_redactor_apply_known(run->redactor, &safe);
  if (event == MLOOM_LOGIN_EVENT_TEXT) {
    mloom_buffer_clear(&run->last);
    (void)mloom_buffer_append(&run->last, mloom_buffer_string(&safe), safe.size);
  }
  if (run->event != NULL) {
    run->event(event, mloom_buffer_string(&safe), run->userdata);
  }
}

/* Questions end with one of these and no line end. */
static int is_question(const mloom_buffer *line) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(line), line->size});
  return text.size > 0 && text.size < line->size && strchr(":>?", text.data[text.size - 1]) != NULL;
}

static int32_t on_output(const char *data, size_t size, void *userdata, mloom_error *error) {
  login_run *run = userdata;
  int32_t code = mloom_login_reader_feed(&run->reader, data, size, on_event, run);
  if (code == MLOOM_OK && is_question(&run->reader.line)) {
    code = mloom_login_reader_flush(&run->reader, on_event, run);
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

static int32_t judge(const login_run *run, const mloom_exchange_run *exchange, mloom_error *error) {
  if (exchange->end.outcome != MLOOM_OK) {
    mloom_error_copy(error, &exchange->reason);
    return exchange->end.outcome;
  }
  if (exchange->end.exit_code == 0 && exchange->end.signal == 0) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer said = MLOOM_BUFFER_INIT;
  mloom_bytes errors =
      mloom_text_trim((mloom_bytes){mloom_buffer_string(&exchange->error_output), exchange->error_output.size});
  if (errors.size > 0) {
    size_t skipped = errors.size > 300 ? errors.size - 300 : 0;
    (void)mloom_text_append_printable(&said, errors.data + skipped, errors.size - skipped, 0);
  }
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_PROVIDER, "see what the program says, and try again",
                         "the login of %s ended with status %d: %s", exchange->instance->entry->descriptor.id,
                         (int)exchange->end.exit_code, said.size > 0 ? said.data : mloom_buffer_string(&run->last));
}

int32_t mloom_provider_login(mloom_provider_instance *instance, const mloom_call *call, uint32_t kind,
                             const mloom_secret *secret, const int *typed, mloom_login_event_fn event, void *userdata,
                             mloom_error *error) {
  const mloom_provider *descriptor = &instance->entry->descriptor;
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_exchange exchange = {.size = (uint32_t)sizeof(exchange)};
  if (descriptor->login == NULL) {
    return MLOOM_E_UNSUPPORTED;
  }
  mloom_provider_enter(instance);
  int32_t code = descriptor->login(instance->plugin, kind, secret, &exchange, &reason);
  mloom_provider_leave(instance);
  if (code < 0) {
    mloom_provider_complete_error(instance, code, "cannot log in", &reason);
    mloom_error_copy(error, &reason);
    return code;
  }
  MLOOM_AUTO(free_run)
  login_run run = {.event = event, .userdata = userdata, .redactor = instance->services->redactor};
  mloom_exchange_run performed = {.instance = instance,
                                  .call = call,
                                  .exchange = &exchange,
                                  .body = on_output,
                                  .userdata = &run,
                                  .typed = typed,
                                  .reason = MLOOM_ERROR_INIT};
  code = mloom_exchange_perform(&performed, &reason);
  if (code == MLOOM_OK) {
    (void)mloom_login_reader_flush(&run.reader, on_event, &run);
    code = judge(&run, &performed, &reason);
  }
  mloom_exchange_run_free(&performed);
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(instance->services->redactor, &reason);
    mloom_error_copy(error, &reason);
  }
  return code;
}

uint32_t mloom_provider_login_kinds(mloom_provider_instance *instance) {
  static const char no_key[] = "none";
  const mloom_provider *descriptor = &instance->entry->descriptor;
  MLOOM_AUTO(mloom_secret_unref_auto) mloom_secret *secret = NULL;
  uint32_t found = 0;
  if (descriptor->login == NULL || mloom_secret_new(&secret, no_key, sizeof(no_key) - 1, NULL) != MLOOM_OK) {
    return 0;
  }
  mloom_provider_enter(instance);
  for (uint32_t kind = MLOOM_LOGIN_DEVICE; kind <= MLOOM_LOGIN_OUT; kind++) {
    mloom_exchange exchange = {.size = (uint32_t)sizeof(exchange)};
    mloom_error reason = MLOOM_ERROR_INIT;
    if (descriptor->login(instance->plugin, kind, kind == MLOOM_LOGIN_API_KEY ? secret : NULL, &exchange, &reason) >=
        0) {
      found |= 1u << kind;
    }
  }
  mloom_provider_leave(instance);
  return found;
}
