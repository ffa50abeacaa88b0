/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wire/wire.h"

const sim_wire *const sim_wires[] = {
    &sim_wire_converse, &sim_wire_converse_profiles, &sim_wire_messages,  &sim_wire_gemini,
    &sim_wire_chat,     &sim_wire_minimal,           &sim_wire_responses, NULL};

static int32_t respond(sim_response *response, int32_t status, const char *content_type, const mloom_buffer *body) {
  response->status = status;
  int32_t code = sim_response_add_header(response, "Content-Type", content_type);
  mloom_buffer *piece = code == MLOOM_OK ? sim_response_add_piece(response, 0) : NULL;
  if (piece == NULL) {
    return code == MLOOM_OK ? MLOOM_E_MEMORY : code;
  }
  return mloom_buffer_append(piece, body->data, body->size);
}

static int32_t respond_error(sim_response *response, const sim_wire *wire, int32_t status, const char *message) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  int32_t code = wire->write_error(&body, status, message);
  return code == MLOOM_OK ? respond(response, status, "application/json", &body) : code;
}

static int add_fault_header(const char *name, mloom_json *value, void *userdata) {
  mloom_bytes text = mloom_json_text(value);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer copy = MLOOM_BUFFER_INIT;
  return mloom_buffer_append(&copy, text.data, text.size) != MLOOM_OK ||
         sim_response_add_header(userdata, name, mloom_buffer_string(&copy)) != MLOOM_OK;
}

static int32_t respond_status(sim_response *response, const sim_wire *wire, const sim_fault *fault) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
  const char *content_type = "application/json";
  int32_t code;
  if (fault->body == NULL) {
    code = wire->write_error(&body, fault->status, fault->message);
  } else if (mloom_json_kind(fault->body) == MLOOM_JSON_STRING) {
    mloom_bytes text = mloom_json_text(fault->body);
    content_type = text.size > 0 && text.data[0] == '<' ? "text/html" : "text/plain";
    code = mloom_buffer_append(&body, text.data, text.size);
  } else {
    code = mloom_json_serialize(&body, fault->body, 0);
  }
  if (code == MLOOM_OK && mloom_json_each_member(fault->headers, add_fault_header, response) != 0) {
    code = MLOOM_E_MEMORY;
  }
  return code == MLOOM_OK ? respond(response, fault->status, content_type, &body) : code;
}

/* Shortens the events to those before the fault, and adds what comes instead of the others. */
static int32_t apply_fault(sim_events *events, sim_response *response, const sim_wire *wire,
                           const sim_conversation *conversation, const sim_fault *fault) {
  if (fault->kind == SIM_FAULT_NONE) {
    return MLOOM_OK;
  }
  while (events->count > fault->after_events) {
    mloom_buffer_free(&events->items[--events->count]);
  }
  response->end = fault->kind == SIM_FAULT_CUT     ? SIM_END_CUT
                  : fault->kind == SIM_FAULT_STALL ? SIM_END_STALL
                                                   : SIM_END_KEEP;
  if (fault->kind != SIM_FAULT_ERROR && fault->kind != SIM_FAULT_MALFORMED) {
    return MLOOM_OK;
  }
  mloom_buffer *event = sim_events_add(events);
  if (event == NULL) {
    return MLOOM_E_MEMORY;
  }
  if (fault->kind == SIM_FAULT_MALFORMED) {
    return mloom_buffer_append_string(event, conversation->streamed ? "data: {\"choices\":[{\n\n" : "{\"choices\":[{");
  }
  return conversation->streamed ? wire->write_error_event(event, fault->message)
                                : wire->write_error(event, 200, fault->message);
}

/* One piece for each event, or pieces of chunk_bytes whatever they cut. */
static int32_t deliver(sim_response *response, const sim_events *events, const sim_delivery *delivery) {
  int64_t delay_ms = delivery->first_byte_delay_ms;
  mloom_buffer *piece = NULL;
  for (size_t i = 0; i < events->count; i++) {
    const mloom_buffer *event = &events->items[i];
    size_t chunk = delivery->chunk_bytes == 0 ? event->size : delivery->chunk_bytes;
    for (size_t at = 0; at < event->size;) {
      if (piece == NULL || delivery->chunk_bytes == 0 || piece->size >= chunk) {
        piece = sim_response_add_piece(response, delay_ms);
        delay_ms = delivery->delay_ms;
      }
      if (piece == NULL) {
        return MLOOM_E_MEMORY;
      }
      size_t room = chunk - piece->size;
      size_t size = event->size - at < room ? event->size - at : room;
      if (mloom_buffer_append(piece, event->data + at, size) != MLOOM_OK) {
        return MLOOM_E_MEMORY;
      }
      at += size;
    }
  }
  return MLOOM_OK;
}

static int32_t respond_play(sim_response *response, const sim_wire *wire, const sim_conversation *conversation,
                            const sim_play *play) {
  if (play->fault.kind == SIM_FAULT_HANG_UP) {
    response->status = 0;
    return MLOOM_OK;
  }
  if (play->fault.kind == SIM_FAULT_STATUS) {
    return respond_status(response, wire, &play->fault);
  }
  sim_events events = {0};
  int32_t code = wire->write(&events, conversation, &play->answer);
  if (code == MLOOM_OK) {
    code = apply_fault(&events, response, wire, conversation, &play->fault);
  }
  response->status = 200;
  response->chunked = conversation->streamed;
  code = code == MLOOM_OK ? sim_response_add_header(response, "Content-Type", wire->content_type(conversation)) : code;
  code = code == MLOOM_OK ? deliver(response, &events, &play->delivery) : code;
  sim_events_free(&events);
  return code;
}

/* Does the request carry the script's key, if it has one? */
static int is_authorized(const sim_service *service, const sim_request *request) {
  const char *key = sim_script_key(service->script);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer header = MLOOM_BUFFER_INIT;
  if (key == NULL) {
    return 1;
  }
  if (sim_request_header(request, "x-api-key", &header) || sim_request_header(request, "api-key", &header)) {
    return strcmp(mloom_buffer_string(&header), key) == 0;
  }
  return sim_request_header(request, "Authorization", &header) &&
         strncmp(mloom_buffer_string(&header), "Bearer ", 7) == 0 && strcmp(mloom_buffer_string(&header) + 7, key) == 0;
}

static int32_t converse(sim_service *service, sim_response *response, const sim_request *request,
                        const sim_wire *wire) {
  sim_conversation conversation = {0};
  sim_play play = {0};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = wire->read(&conversation, request, &error);
  if (code == MLOOM_OK) {
    code = sim_script_play(&play, service->script, &conversation, &error);
  }
  if (service->is_verbose) {
    fprintf(stderr, "%zu %s %s turn %zu: %s step %zu%s%s\n", service->requests, wire->name, request->path,
            conversation.turn, play.conversation == NULL ? "-" : play.conversation, play.step,
            code == MLOOM_OK ? "" : ": ", error.message);
  }
  if (code == MLOOM_OK) {
    code = respond_play(response, wire, &conversation, &play);
  } else if (code != MLOOM_E_MEMORY) {
    code = respond_error(response, wire, 400, error.message);
  }
  sim_play_free(&play);
  sim_conversation_free(&conversation);
  return code;
}

int32_t sim_service_handle(sim_response *response, const sim_request *request, void *userdata) {
  sim_service *service = userdata;
  service->requests++;
  for (size_t i = 0; sim_wires[i] != NULL; i++) {
    const sim_wire *wire = sim_wires[i];
    int models = wire->serves_models(request);
    if (!models && !wire->serves(request)) {
      continue;
    }
    if (!is_authorized(service, request)) {
      return respond_error(response, wire, 401, "Incorrect API key provided.");
    }
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT;
    int32_t status = models ? 200 : 0;
    int32_t code = MLOOM_OK;
    if (models) {
      code = wire->write_models(&body, sim_script_models(service->script));
    } else if (wire->write_direct != NULL) {
      code = wire->write_direct(&body, request, sim_script_models(service->script), &status);
    }
    if (code == MLOOM_OK && status == 0) {
      return converse(service, response, request, wire);
    }
    return code == MLOOM_OK ? respond(response, status, "application/json", &body) : code;
  }
  return respond_error(response, &sim_wire_chat, 404, "there is nothing at this address");
}
