/* SPDX-License-Identifier: Apache-2.0
 *
 * One wire behind one face: a conversation that is encoded and whose answers are decoded, whatever the format. What a
 * service is called by (address, headers, credentials) is none of its business.
 */
#ifndef MLOOM_WIRE_DIALECT_H
#define MLOOM_WIRE_DIALECT_H

#include "service_error.h"
#include <mergeloom/plugin.h>

typedef struct mloom_dialect {
  size_t state_size;
  /* Begins a conversation in state, which is zeroed. options are of the wire's own type; their strings outlive the
   * state. args names the model and may lower the limit of output tokens. MLOOM_E_MEMORY; end is called in any case. */
  int32_t (*begin)(void *state, const void *options, const mloom_session_args *args);
  void (*end)(void *state);
  /* MLOOM_E_MEMORY, or another code for a role that is not known. */
  int32_t (*append)(void *state, const mloom_message *message);
  /* Drops what was decoded, and gives the body of the next request, valid until the next append. MLOOM_E_MEMORY. */
  int32_t (*prepare)(void *state, const mloom_bytes **body, size_t *body_count);
  /* One header of the answer, for formats that say what went wrong in one. Optional. */
  void (*header)(void *state, const char *name, const char *value);
  /* As mloom_provider.feed. */
  int32_t (*feed)(void *state, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error);
  /* As mloom_provider.finish; on success the answer has been appended to the conversation. */
  int32_t (*finish)(void *state, const mloom_exchange_end *end, uint64_t turn, const mloom_service_names *names,
                    const mloom_event_sink *sink, mloom_turn_result *out, mloom_error *error);
  /* Fills error from the body of an error answer to a probe, and returns its code. http_status is 200 for a page that
   * came instead of an answer. */
  int32_t (*report)(const char *body, size_t size, int32_t http_status, const mloom_service_names *names,
                    mloom_error *error);
} mloom_dialect;

/* For begin: the lower of what is configured and what the session allows, of which 0 is no limit. */
static inline uint64_t mloom_dialect_output_tokens(uint64_t configured, const mloom_session_args *args) {
  int allows_less = args->max_output_tokens > 0 && (configured == 0 || args->max_output_tokens < configured);
  return allows_less ? args->max_output_tokens : configured;
}

/* options: mloom_chat_options, mloom_converse_options, mloom_gemini_options, mloom_messages_options,
 * mloom_responses_options. */
const mloom_dialect *mloom_chat_dialect(void);
const mloom_dialect *mloom_converse_dialect(void);
const mloom_dialect *mloom_gemini_dialect(void);
const mloom_dialect *mloom_messages_dialect(void);
const mloom_dialect *mloom_responses_dialect(void);

#endif
