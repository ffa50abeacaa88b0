/* SPDX-License-Identifier: Apache-2.0 */
#include "job/events.h"

#include <string.h>

#include "base/json_writer.h"

const char *mloom_job_event_name(uint32_t kind) {
  static const char *const names[] = {"event",      "state", "resolution", "check",      "turn_begin",
                                      "turn_end",   "text",  "reasoning",  "tool_begin", "tool_end",
                                      "validation", "retry", "notice",     "diff",       "rate_limit"};
  return kind <= MLOOM_JOB_EVENT_RATE_LIMIT ? names[kind] : names[0];
}

/* The state of an event of this kind in words; NULL when the kind has none. */
static const char *state_word(uint32_t kind, uint32_t state) {
  static const char *const words[] = {"pass", "warn", "fail", "skipped"};
  int has = kind == MLOOM_JOB_EVENT_CHECK || kind == MLOOM_JOB_EVENT_TOOL_END || kind == MLOOM_JOB_EVENT_VALIDATION;
  return has && state <= MLOOM_CHECK_SKIPPED ? words[state] : NULL;
}

static int32_t append_number(mloom_buffer *json, const char *name, int64_t value) {
  int32_t code = mloom_json_write_name(json, name);
  return code == MLOOM_OK ? mloom_buffer_append_format(json, "%lld", (long long)value) : code;
}

static int32_t append_json(mloom_buffer *json, const mloom_job_event *event) {
  const char *kind = mloom_job_event_name(event->kind);
  const char *word = state_word(event->kind, event->state);
  int32_t code = mloom_buffer_append_string(json, "{\"schema\":\"mergeloom.event.v1\"");
  code = code == MLOOM_OK ? mloom_json_write_member(json, "event", kind, strlen(kind)) : code;
  code = code == MLOOM_OK ? append_number(json, "elapsed_ms", event->elapsed_ms) : code;
  if (code == MLOOM_OK && event->turn > 0) {
    code = append_number(json, "turn", event->turn);
  }
  if (code == MLOOM_OK && *event->name != '\0') {
    code = mloom_json_write_member(json, "name", event->name, strlen(event->name));
  }
  if (code == MLOOM_OK && word != NULL) {
    code = mloom_json_write_member(json, "state", word, strlen(word));
  }
  if (code == MLOOM_OK && event->text.size > 0) {
    code = mloom_json_write_member(json, "text", event->text.data, event->text.size);
  }
  if (code == MLOOM_OK && event->duration_ms >= 0) {
    code = append_number(json, "duration_ms", event->duration_ms);
  }
  if (code == MLOOM_OK && (event->kind == MLOOM_JOB_EVENT_TURN_END || event->kind == MLOOM_JOB_EVENT_STATE)) {
    code = append_number(json, "input_tokens", (int64_t)event->input_tokens);
    code = code == MLOOM_OK ? append_number(json, "cached_input_tokens", (int64_t)event->cached_input_tokens) : code;
    code = code == MLOOM_OK ? append_number(json, "output_tokens", (int64_t)event->output_tokens) : code;
  }
  return code == MLOOM_OK ? mloom_buffer_append_char(json, '}') : code;
}

void mloom_emitter_emit(const mloom_emitter *emitter, uint32_t kind, uint32_t state, const char *name, mloom_bytes text,
                        int64_t duration_ms) {
  if (emitter->listener == NULL || emitter->listener->event == NULL) {
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer json = MLOOM_BUFFER_INIT;
  if (text.size > 0) {
    if (mloom_buffer_append(&shown, text.data, text.size) != MLOOM_OK) {
      return;
    }
    mloom_redactor_apply(emitter->redactor, &shown);
  }
  mloom_job_event event = {.size = sizeof event,
                           .kind = kind,
                           .turn = emitter->turn,
                           .state = state,
                           .name = name == NULL ? "" : name,
                           .text = {mloom_buffer_string(&shown), shown.size},
                           .elapsed_ms = emitter->clock->monotonic_ms(emitter->clock) - emitter->listener->begin_ms,
                           .duration_ms = duration_ms,
                           .input_tokens = emitter->input_tokens,
                           .cached_input_tokens = emitter->cached_input_tokens,
                           .output_tokens = emitter->output_tokens};
  if (append_json(&json, &event) != MLOOM_OK) {
    return;
  }
  event.json = mloom_buffer_string(&json);
  event.duration_ms = duration_ms < 0 ? 0 : duration_ms;
  emitter->listener->event(&event, emitter->listener->userdata);
}

void mloom_job_emit(const mloom_job_listener *listener, mloom_redactor *redactor, uint32_t kind, uint32_t state,
                    const char *name, const char *text, int64_t duration_ms) {
  mloom_emitter emitter = {.listener = listener, .redactor = redactor, .clock = mloom_clock_system()};
  mloom_emitter_emit(&emitter, kind, state, name, (mloom_bytes){text, text == NULL ? 0 : strlen(text)}, duration_ms);
}
