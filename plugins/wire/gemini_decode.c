/* SPDX-License-Identifier: Apache-2.0 */
#include "gemini_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define EVENT_LIMIT ((size_t)16 * 1024 * 1024)

void mloom_gemini_decoder_init(mloom_gemini_decoder *decoder) {
  memset(decoder, 0, sizeof(*decoder));
  mloom_answer_reader_init(&decoder->reader, EVENT_LIMIT);
}

void mloom_gemini_decoder_reset(mloom_gemini_decoder *decoder) {
  mloom_answer_reader_reset(&decoder->reader);
  mloom_pieces_forget(&decoder->pieces);
  mloom_gemini_answer_clear(&decoder->answer);
  memset(&decoder->failure, 0, sizeof(decoder->failure));
  decoder->has_failure = 0;
  decoder->has_candidate = 0;
  decoder->has_usage = 0;
  decoder->malformed = 0;
}

void mloom_gemini_decoder_free(mloom_gemini_decoder *decoder) {
  mloom_gemini_answer_clear(&decoder->answer);
  free(decoder->answer.parts);
  free(decoder->answer.calls.items);
  mloom_buffer_free(&decoder->text);
  mloom_buffer_free(&decoder->scratch);
  mloom_buffer_free(&decoder->repaired);
  mloom_pieces_free(&decoder->pieces);
  mloom_answer_reader_free(&decoder->reader);
}

static int32_t on_event(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_gemini_decoder *decoder = userdata;
  (void)event;
  data = mloom_text_trim(data);
  if (decoder->has_failure || decoder->malformed || data.size == 0 || data.data[0] != '{') {
    return MLOOM_OK;
  }
  return mloom_gemini_read_chunk(decoder, data);
}

static int32_t failed(int32_t status, mloom_error *error) {
  return mloom_answer_failed(status, "4096 parts, 128 tool calls and 4 MB of arguments of a call", error);
}

int32_t mloom_gemini_decoder_feed(mloom_gemini_decoder *decoder, const char *data, size_t size,
                                  const mloom_event_sink *sink, mloom_error *error) {
  decoder->sink = sink;
  int32_t status = mloom_answer_reader_feed(&decoder->reader, data, size, on_event, decoder);
  decoder->sink = NULL;
  if (status != MLOOM_OK) {
    return failed(status, error);
  }
  return decoder->answer.finish != MLOOM_GEMINI_FINISH_NONE && decoder->has_usage ? MLOOM_COMPLETE : MLOOM_OK;
}

/* ---- The end of an answer ---- */

static int32_t check_complete(const mloom_gemini_decoder *decoder, int32_t outcome, const mloom_service_names *names,
                              mloom_error *error) {
  if (decoder->answer.finish != MLOOM_GEMINI_FINISH_NONE && !decoder->malformed) {
    return MLOOM_OK;
  }
  mloom_answer_cut cut = {.has_begun = decoder->has_candidate,
                          .malformed = decoder->malformed,
                          .outcome = outcome,
                          .right_address = "the address of generateContent, without the path of a model",
                          .nothing = "gave an answer that holds no candidate",
                          .cut = "cut the stream before the end of its answer"};
  return mloom_answer_report_cut(&decoder->reader, &cut, names, error);
}

static int32_t ended(mloom_error *error, const mloom_gemini_answer *answer, const mloom_service_names *names,
                     int32_t code, const char *remedy) {
  const char *reason = answer->block_reason[0] != '\0' ? answer->block_reason : answer->finish_reason;
  mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER, remedy, "the service at %s %s: %s%s%s", names->base_url,
                  answer->block_reason[0] != '\0' ? "refused the prompt" : "stopped the answer", reason,
                  answer->finish_message[0] != '\0' ? ": " : "", answer->finish_message);
  if (error != NULL) {
    error->http_status = 200;
    error->retryable = code == MLOOM_E_PROTOCOL;
    memcpy(error->request_id, answer->response_id, sizeof(error->request_id));
  }
  return code;
}

/* Reasons to stop that leave nothing to go on with. */
static int32_t check_finish(const mloom_gemini_answer *answer, const mloom_service_names *names, mloom_error *error) {
  char remedy[200];
  switch (answer->finish) {
  case MLOOM_GEMINI_FINISH_REFUSED:
    return ended(error, answer, names, MLOOM_E_REFUSED, "change the ticket's wording, or choose another model");
  case MLOOM_GEMINI_FINISH_CALLS:
    snprintf(remedy, sizeof(remedy),
             "try again; if it stays so, set tool_mode (%sTOOL_MODE) to validated, or choose a model that calls tools "
             "better",
             names->environment_prefix);
    return ended(error, answer, names, MLOOM_E_PROTOCOL, remedy);
  case MLOOM_GEMINI_FINISH_FAILED:
    return ended(error, answer, names, MLOOM_E_PROTOCOL,
                 "try again; if it stays so, look the reason up in the service's documentation");
  default:
    return MLOOM_OK;
  }
}

static int id_is_taken(const mloom_gemini_calls *calls, size_t index) {
  const mloom_buffer *id = &calls->items[index].native_id;
  for (size_t i = 0; i < index; i++) {
    const mloom_buffer *other = &calls->items[i].id;
    if (other->size == id->size && memcmp(other->data, id->data, id->size) == 0) {
      return 1;
    }
  }
  return 0;
}

/* Every call gets an id for the host, the service's own where there is a usable one. */
static int32_t tidy_call(mloom_gemini_calls *calls, size_t index, uint64_t turn) {
  mloom_gemini_call *call = &calls->items[index];
  int32_t status = MLOOM_OK;
  mloom_answer_hide_controls(&call->name);
  mloom_buffer_clear(&call->id);
  if (call->name.size == 0) {
    status = mloom_buffer_append_string(&call->name, "unnamed");
  }
  if (status != MLOOM_OK) {
    return status;
  }
  if (call->native_id.size == 0 || call->native_id.size > 256 || mloom_answer_has_controls(&call->native_id) ||
      id_is_taken(calls, index)) {
    return mloom_buffer_append_format(&call->id, "call_%llu_%zu", (unsigned long long)turn, index + 1);
  }
  return mloom_buffer_append(&call->id, call->native_id.data, call->native_id.size);
}

static int32_t hand_over(mloom_gemini_answer *answer, uint64_t turn, const mloom_event_sink *sink,
                         mloom_turn_result *out) {
  int32_t status = MLOOM_OK;
  size_t count = answer->finish == MLOOM_GEMINI_FINISH_LENGTH ? 0 : answer->calls.count; /* the last may be cut */
  for (size_t i = 0; status == MLOOM_OK && i < count; i++) {
    status = tidy_call(&answer->calls, i, turn);
  }
  for (size_t i = 0; status == MLOOM_OK && i < count; i++) {
    const mloom_gemini_call *call = &answer->calls.items[i];
    mloom_answer_emit_call(sink, &call->id, &call->name, &call->arguments);
  }
  answer->stop = answer->finish == MLOOM_GEMINI_FINISH_LENGTH   ? MLOOM_STOP_LENGTH
                 : count > 0                                    ? MLOOM_STOP_TOOL_CALLS
                 : answer->finish == MLOOM_GEMINI_FINISH_PAUSED ? MLOOM_STOP_PAUSED
                                                                : MLOOM_STOP_END;
  out->stop = answer->stop;
  out->tool_call_count = (uint32_t)count;
  return status;
}

static int32_t report_failure(const mloom_gemini_decoder *decoder, const mloom_service_names *names,
                              mloom_error *error) {
  int32_t code = mloom_google_failure_report(&decoder->failure, 200, names, error);
  if (error != NULL && error->request_id[0] == '\0') {
    memcpy(error->request_id, decoder->answer.response_id, sizeof(error->request_id));
  }
  return code;
}

int32_t mloom_gemini_decoder_finish(mloom_gemini_decoder *decoder, const mloom_exchange_end *end, uint64_t turn,
                                    const mloom_service_names *names, const mloom_event_sink *sink,
                                    mloom_turn_result *out, mloom_error *error) {
  if (end->http_status == 0) {
    return end->outcome != MLOOM_OK ? end->outcome : mloom_answer_broken(error, names, NULL, "gave no answer");
  }
  mloom_bytes document = mloom_answer_reader_document(&decoder->reader);
  if (end->http_status < 200 || end->http_status > 299) {
    mloom_google_failure_read(&decoder->failure, document.data, document.size);
    return mloom_google_failure_report(&decoder->failure, end->http_status, names, error);
  }
  int32_t status = MLOOM_OK;
  if (decoder->reader.form == MLOOM_ANSWER_DOCUMENT) {
    decoder->sink = sink;
    status = mloom_gemini_read_whole(decoder, document);
    decoder->sink = NULL;
  } else if (decoder->reader.form == MLOOM_ANSWER_OTHER) {
    decoder->has_failure = 1;
    decoder->failure.error.html = 1;
  }
  if (status != MLOOM_OK) {
    return failed(status, error);
  }
  if (decoder->has_failure) {
    return report_failure(decoder, names, error);
  }
  if (decoder->answer.block_reason[0] != '\0') {
    return ended(error, &decoder->answer, names, MLOOM_E_REFUSED,
                 "change the ticket's wording, or choose another model");
  }
  status = check_complete(decoder, end->outcome, names, error);
  status = status == MLOOM_OK ? check_finish(&decoder->answer, names, error) : status;
  return status == MLOOM_OK ? failed(hand_over(&decoder->answer, turn, sink, out), error) : status;
}
