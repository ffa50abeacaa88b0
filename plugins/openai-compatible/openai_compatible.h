/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_PLUGINS_OPENAI_COMPATIBLE_H
#define MLOOM_PLUGINS_OPENAI_COMPATIBLE_H

#include "wire/chat.h"

typedef struct mloom_openai_instance {
  const mloom_host *host;
  const mloom_settings *settings;
  mloom_chat_options options;
  const char *default_model;
  char *base_url; /* without a slash at its end */
  char *chat_url;
  char *models_url;
  char *audience; /* scheme and authority of base_url: the key goes nowhere else */
  int has_key;
  /* The probe's exchange. */
  mloom_authorization authorization;
  mloom_http_request request;
  mloom_header accept;
  const mloom_header *headers[1];
} mloom_openai_instance;

/* Whom errors and remedies speak of. */
mloom_service_names mloom_openai_names(const mloom_openai_instance *instance, const char *model);

/* The session's part of the provider role. */
int32_t mloom_openai_session_new(void *instance, const mloom_session_args *args, void **out_session,
                                 mloom_error *error);
void mloom_openai_session_free(void *session);
int32_t mloom_openai_session_append(void *session, const mloom_message *message, mloom_error *error);
int32_t mloom_openai_session_prepare(void *session, const mloom_turn_args *args, mloom_exchange *out,
                                     mloom_error *error);
int32_t mloom_openai_session_header(void *session, int32_t http_status, const char *name, const char *value,
                                    mloom_error *error);
int32_t mloom_openai_session_feed(void *session, const char *data, size_t size, const mloom_event_sink *sink,
                                  mloom_error *error);
int32_t mloom_openai_session_finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                                    mloom_turn_result *out, mloom_error *error);

#endif
