/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "plugin/abi.h"

void mloom_turn_collector_init(mloom_turn_collector *collector, mloom_turn *turn, const mloom_turn_observer *observer,
                               const mloom_clock *clock, uint64_t number) {
  memset(collector, 0, sizeof(*collector));
  collector->turn = turn;
  collector->observer = observer;
  collector->clock = clock;
  collector->number = number;
  collector->began_ms = clock->monotonic_ms(clock);
}

void mloom_turn_collector_free(mloom_turn_collector *collector) {
  mloom_buffer_free(&collector->joined);
  mloom_buffer_free(&collector->repaired);
}

void mloom_turn_clear(mloom_turn *turn) {
  for (size_t i = 0; i < turn->tool_call_count; i++) {
    free(turn->tool_calls[i].id);
    free(turn->tool_calls[i].name);
    free(turn->tool_calls[i].arguments);
  }
  turn->tool_call_count = 0;
  mloom_buffer_clear(&turn->text);
  mloom_buffer_clear(&turn->result);
  turn->input_tokens = 0;
  turn->cached_input_tokens = 0;
  turn->cache_write_tokens = 0;
  turn->output_tokens = 0;
  turn->reasoning_tokens = 0;
  turn->cost_millionths = 0;
  turn->stop = MLOOM_STOP_END;
}

void mloom_turn_free(mloom_turn *turn) {
  mloom_turn_clear(turn);
  free(turn->tool_calls);
  mloom_buffer_free(&turn->text);
  mloom_buffer_free(&turn->result);
  memset(turn, 0, sizeof(*turn));
}

static void fail(mloom_turn_collector *collector, int32_t code) {
  if (collector->failure == MLOOM_OK) {
    collector->failure = code;
  }
}

static void hand_on(mloom_turn_collector *collector, const mloom_event *event) {
  switch (event->kind) {
  case MLOOM_EVENT_TEXT:
  case MLOOM_EVENT_REASONING:
  case MLOOM_EVENT_TOOL_CALL:
  case MLOOM_EVENT_TOOL_DELTA:
  case MLOOM_EVENT_ACTIVITY:
  case MLOOM_EVENT_RESULT:
    if (!collector->delivered) {
      collector->delivered = 1;
      collector->turn->first_delta_ms = collector->clock->monotonic_ms(collector->clock) - collector->began_ms;
    }
    break;
  default:
    break;
  }
  if (collector->observer != NULL && collector->observer->event != NULL) {
    collector->observer->event(event, collector->observer->userdata);
  }
}

/* text as well-formed UTF-8: itself, or a repaired copy that is valid until the next call. */
static mloom_bytes repair(mloom_turn_collector *collector, mloom_buffer *copy, mloom_bytes text) {
  if (text.data == NULL) {
    return (mloom_bytes){"", 0};
  }
  if (mloom_text_is_utf8(text.data, text.size)) {
    return text;
  }
  mloom_buffer_clear(copy);
  if (mloom_text_append_utf8(copy, text.data, text.size) != MLOOM_OK) {
    fail(collector, MLOOM_E_MEMORY);
    return (mloom_bytes){"", 0};
  }
  return (mloom_bytes){copy->data, copy->size};
}

/* Text may end inside a character; its beginning waits for the rest. */
static void take_text(mloom_turn_collector *collector, const mloom_event *event) {
  size_t which = event->kind == MLOOM_EVENT_TEXT ? 0 : 1;
  mloom_bytes text = event->text;
  if (text.data == NULL || text.size == 0) {
    return;
  }
  if (collector->held_size[which] > 0) {
    mloom_buffer_clear(&collector->joined);
    if (mloom_buffer_append(&collector->joined, collector->held[which], collector->held_size[which]) != MLOOM_OK ||
        mloom_buffer_append(&collector->joined, text.data, text.size) != MLOOM_OK) {
      fail(collector, MLOOM_E_MEMORY);
      return;
    }
    text = (mloom_bytes){collector->joined.data, collector->joined.size};
  }
  size_t whole = mloom_text_complete_prefix(text.data, text.size);
  collector->held_size[which] = text.size - whole;
  memcpy(collector->held[which], text.data + whole, text.size - whole);
  text.size = whole;
  if (whole == 0) {
    return;
  }
  mloom_event whole_event = *event;
  whole_event.text = repair(collector, &collector->repaired, text);
  if (which == 0 &&
      mloom_buffer_append(&collector->turn->text, whole_event.text.data, whole_event.text.size) != MLOOM_OK) {
    fail(collector, MLOOM_E_MEMORY);
    return;
  }
  hand_on(collector, &whole_event);
}

void mloom_turn_collector_flush(mloom_turn_collector *collector) {
  for (size_t which = 0; which < 2; which++) {
    if (collector->held_size[which] > 0) {
      collector->held_size[which] = 0;
      mloom_event event = {.size = (uint32_t)sizeof(event),
                           .kind = which == 0 ? MLOOM_EVENT_TEXT : MLOOM_EVENT_REASONING,
                           .text = {"\xef\xbf\xbd", 3}};
      if (which == 0 && mloom_buffer_append(&collector->turn->text, event.text.data, event.text.size) != MLOOM_OK) {
        fail(collector, MLOOM_E_MEMORY);
      }
      hand_on(collector, &event);
    }
  }
}

/* A string without NUL inside, as C strings need it. */
static char *dup_name(mloom_bytes text) {
  char *copy = mloom_text_dup(text);
  for (size_t i = 0; copy != NULL && i < text.size; i++) {
    copy[i] = copy[i] == '\0' ? '_' : copy[i];
  }
  return copy;
}

static int32_t keep_call(mloom_turn *turn, uint64_t number, mloom_bytes id, mloom_bytes name, mloom_bytes arguments) {
  if (turn->tool_call_count >= MLOOM_TOOL_CALLS_LIMIT || arguments.size > MLOOM_ARGUMENTS_LIMIT || id.size > 4096 ||
      name.size > 4096) {
    return MLOOM_E_LIMIT;
  }
  mloom_tool_call *calls = realloc(turn->tool_calls, (turn->tool_call_count + 1) * sizeof(*calls));
  if (calls == NULL) {
    return MLOOM_E_MEMORY;
  }
  turn->tool_calls = calls;
  mloom_tool_call *call = &calls[turn->tool_call_count];
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer made = MLOOM_BUFFER_INIT;
  if (id.size == 0) {
    int32_t code =
        mloom_buffer_append_format(&made, "call_%llu_%zu", (unsigned long long)number, turn->tool_call_count + 1);
    if (code != MLOOM_OK) {
      return code;
    }
    id = (mloom_bytes){made.data, made.size};
  }
  call->id = dup_name(id);
  call->name = dup_name(name);
  call->arguments = mloom_text_dup(arguments);
  call->arguments_size = arguments.size;
  if (call->id == NULL || call->name == NULL || call->arguments == NULL) {
    free(call->id);
    free(call->name);
    free(call->arguments);
    return MLOOM_E_MEMORY;
  }
  turn->tool_call_count++;
  return MLOOM_OK;
}

static void take_call(mloom_turn_collector *collector, const mloom_event *event) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer name = MLOOM_BUFFER_INIT;
  mloom_turn *turn = collector->turn;
  mloom_event whole = *event;
  whole.id = repair(collector, &id, event->id);
  whole.name = repair(collector, &name, event->name);
  whole.text = repair(collector, &collector->repaired, event->text);
  int32_t code = keep_call(turn, collector->number, whole.id, whole.name, whole.text);
  if (code != MLOOM_OK) {
    fail(collector, code);
    return;
  }
  whole.id = mloom_text_bytes(turn->tool_calls[turn->tool_call_count - 1].id);
  hand_on(collector, &whole);
}

static void take_other(mloom_turn_collector *collector, const mloom_event *event) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer name = MLOOM_BUFFER_INIT;
  mloom_turn *turn = collector->turn;
  mloom_event whole = *event;
  whole.id = repair(collector, &id, event->id);
  whole.name = repair(collector, &name, event->name);
  whole.text = repair(collector, &collector->repaired, event->text);
  if (event->kind == MLOOM_EVENT_USAGE) {
    turn->input_tokens = event->input_tokens;
    turn->cached_input_tokens = event->cached_input_tokens;
    turn->cache_write_tokens = event->cache_write_tokens;
    turn->output_tokens = event->output_tokens;
    turn->reasoning_tokens = event->reasoning_tokens;
    turn->cost_millionths = event->cost_millionths;
  } else if (event->kind == MLOOM_EVENT_RESULT) {
    mloom_buffer_clear(&turn->result);
    if (mloom_buffer_append(&turn->result, whole.text.data, whole.text.size) != MLOOM_OK) {
      fail(collector, MLOOM_E_MEMORY);
      return;
    }
  }
  hand_on(collector, &whole);
}

void mloom_turn_collector_event(const mloom_event *event, void *userdata) {
  mloom_turn_collector *collector = userdata;
  mloom_event known;
  if (collector->failure != MLOOM_OK) {
    return;
  }
  if (event->size < sizeof(known)) { /* built against an older header */
    if (mloom_abi_import(&known, sizeof(known), event, "an event", NULL) != MLOOM_OK) {
      fail(collector, MLOOM_E_INTERNAL);
      return;
    }
    event = &known;
  }
  if (event->kind == MLOOM_EVENT_TEXT || event->kind == MLOOM_EVENT_REASONING) {
    take_text(collector, event);
  } else if (event->kind == MLOOM_EVENT_TOOL_CALL) {
    take_call(collector, event);
  } else {
    take_other(collector, event);
  }
}
