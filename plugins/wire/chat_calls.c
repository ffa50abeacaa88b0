/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts tool calls together from pieces. Servers leave out or repeat ids, names and indexes in every way there is, so
 * that the rules go by what a piece adds.
 */
#include "chat_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int same(const mloom_buffer *buffer, mloom_bytes text) {
  return buffer->size == text.size && (text.size == 0 || memcmp(buffer->data, text.data, text.size) == 0);
}

static int is_tool_name(const mloom_chat_decoder *decoder, const char *name, size_t size) {
  mloom_bytes text = {name, size};
  for (size_t i = 0; decoder->tool_names != NULL && decoder->tool_names[i] != NULL; i++) {
    if (mloom_text_equal(text, decoder->tool_names[i])) {
      return 1;
    }
  }
  return 0;
}

static mloom_chat_call *find_by_id(mloom_chat_answer *answer, mloom_bytes id) {
  for (size_t i = answer->call_count; i > 0; i--) {
    if (same(&answer->calls[i - 1].id, id)) {
      return &answer->calls[i - 1];
    }
  }
  return NULL;
}

/* The latest one: an index that is always 0 means the call that was begun last. */
static mloom_chat_call *find_by_index(mloom_chat_answer *answer, int64_t index) {
  for (size_t i = answer->call_count; i > 0; i--) {
    if (answer->calls[i - 1].index == index) {
      return &answer->calls[i - 1];
    }
  }
  return NULL;
}

/* Could the piece, which has a name, go on with call? Else it begins another. */
static int continues(const mloom_chat_decoder *decoder, const mloom_chat_call *call,
                     const mloom_chat_call_piece *piece) {
  if (call->complete) {
    /* A name that only repeats itself begins nothing; with new arguments it does. */
    return same(&call->name, piece->name) && (piece->arguments.size == 0 || same(&call->arguments, piece->arguments));
  }
  if (call->name.size == 0 || same(&call->name, piece->name)) {
    return 1;
  }
  /* Another name: the rest of one that comes in pieces, or another call. */
  return call->arguments.size == 0 && !is_tool_name(decoder, call->name.data, call->name.size);
}

static mloom_chat_call *choose(mloom_chat_decoder *decoder, const mloom_chat_call_piece *piece) {
  mloom_chat_answer *answer = &decoder->answer;
  mloom_chat_call *call = piece->index >= 0 ? find_by_index(answer, piece->index) : NULL;
  mloom_chat_call *last = answer->call_count > 0 ? &answer->calls[answer->call_count - 1] : NULL;
  if (piece->id.size > 0) {
    mloom_chat_call *named = find_by_id(answer, piece->id);
    if (named != NULL) {
      int elsewhere = piece->index >= 0 && named->index >= 0 && piece->index != named->index;
      return elsewhere && piece->name.size > 0 ? NULL : named;
    }
    if (piece->name.size > 0) {
      mloom_chat_call *other = call != NULL ? call : (piece->index < 0 ? last : NULL);
      int goes_on = other != NULL && (other->id.size == 0 || (other->arguments.size > 0 && !other->complete)) &&
                    continues(decoder, other, piece);
      return goes_on ? other : NULL;
    }
    return call != NULL ? call : (piece->index < 0 ? last : NULL);
  }
  if (call == NULL && (piece->index < 0 || (piece->name.size == 0 && last != NULL && last->index < 0))) {
    call = last;
  }
  if (call != NULL && piece->name.size > 0 && !continues(decoder, call, piece)) {
    return NULL;
  }
  return call;
}

static int32_t begin_call(mloom_chat_answer *answer, int64_t index, mloom_chat_call **out) {
  if (answer->call_count >= MLOOM_CHAT_CALLS_LIMIT) {
    return MLOOM_E_LIMIT;
  }
  if (answer->call_count == answer->call_capacity) {
    size_t capacity = answer->call_capacity == 0 ? 4 : answer->call_capacity * 2;
    mloom_chat_call *calls = realloc(answer->calls, capacity * sizeof(*calls));
    if (calls == NULL) {
      return MLOOM_E_MEMORY;
    }
    answer->calls = calls;
    answer->call_capacity = capacity;
  }
  *out = &answer->calls[answer->call_count++];
  memset(*out, 0, sizeof(**out));
  (*out)->index = index;
  return MLOOM_OK;
}

/* Follows brackets and strings, so that the end of the arguments is known without reading them again. */
static void follow(mloom_chat_call *call, const char *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char c = data[i];
    if (call->in_string) {
      if (call->escaped) {
        call->escaped = 0;
      } else if (c == '\\') {
        call->escaped = 1;
      } else if (c == '"') {
        call->in_string = 0;
      }
    } else if (c == '"') {
      call->in_string = 1;
    } else if (c == '{' || c == '[') {
      call->depth++;
      call->complete = 0;
    } else if ((c == '}' || c == ']') && call->depth > 0) {
      call->depth--;
      call->complete = call->depth == 0;
    }
  }
}

static int32_t set_arguments(mloom_chat_call *call, const mloom_chat_call_piece *piece) {
  if (piece->arguments.size == 0) {
    return MLOOM_OK;
  }
  if (piece->whole) {
    mloom_buffer_clear(&call->arguments);
    call->depth = 0;
    call->in_string = 0;
    call->escaped = 0;
  } else if (call->complete && same(&call->arguments, piece->arguments)) {
    return MLOOM_OK; /* some servers send everything once more at the end */
  }
  if (piece->arguments.size > MLOOM_CHAT_ARGUMENTS_LIMIT - call->arguments.size) {
    return MLOOM_E_LIMIT;
  }
  follow(call, piece->arguments.data, piece->arguments.size);
  return mloom_buffer_append(&call->arguments, piece->arguments.data, piece->arguments.size);
}

int32_t mloom_chat_add_call_piece(mloom_chat_decoder *decoder, const mloom_chat_call_piece *piece) {
  mloom_chat_call *call = choose(decoder, piece);
  int32_t status = MLOOM_OK;
  if (call == NULL) {
    status = begin_call(&decoder->answer, piece->index, &call);
  }
  if (status == MLOOM_OK && call->id.size == 0 && piece->id.size > 0 && piece->id.size <= 512) {
    status = mloom_buffer_append(&call->id, piece->id.data, piece->id.size);
  }
  if (status == MLOOM_OK && piece->name.size > 0 && !same(&call->name, piece->name) &&
      call->name.size + piece->name.size <= 512) {
    status = mloom_buffer_append(&call->name, piece->name.data, piece->name.size);
  }
  if (status == MLOOM_OK && piece->extra.size > 0) {
    status = mloom_buffer_set(&call->extra, piece->extra.data, piece->extra.size);
  }
  if (status == MLOOM_OK) {
    status = set_arguments(call, piece);
  }
  if (status == MLOOM_OK && decoder->sink != NULL && decoder->sink->event != NULL) {
    mloom_event event = {.size = (uint32_t)sizeof(event), .kind = MLOOM_EVENT_TOOL_DELTA};
    event.name = (mloom_bytes){mloom_buffer_string(&call->name), call->name.size};
    event.id = (mloom_bytes){mloom_buffer_string(&call->id), call->id.size};
    decoder->sink->event(&event, decoder->sink->userdata);
  }
  return status;
}
