/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

void text_add(text *to, const char *data, size_t size) {
  to->data = realloc(to->data, to->size + size + 1);
  if (to->data == NULL) {
    abort();
  }
  if (size > 0) {
    memcpy(to->data + to->size, data, size);
  }
  to->size += size;
  to->data[to->size] = '\0';
}

void text_clear(text *of) {
  free(of->data);
  *of = (text){NULL, 0};
}

int text_same(const text *a, const text *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* ---- Problems ---- */

const char *error_problem(int32_t code, const mloom_error *error) {
  if (code > 0) {
    return "a function returned a positive code";
  }
  if (memchr(error->message, '\0', sizeof(error->message)) == NULL ||
      memchr(error->remedy, '\0', sizeof(error->remedy)) == NULL) {
    return "an error's text does not end within its member";
  }
  if (strpbrk(error->message, "\r\n") != NULL || strpbrk(error->remedy, "\r\n") != NULL) {
    return "an error's text is not one line";
  }
  if (strstr(error->message, TEST_KEY) != NULL || strstr(error->remedy, TEST_KEY) != NULL) {
    return "an error's text holds a secret";
  }
  return NULL;
}

static int holds_secret(const char *data, size_t size) {
  return size >= strlen(TEST_KEY) && memmem(data, size, TEST_KEY, strlen(TEST_KEY)) != NULL;
}

static const char *http_problem(const mloom_http_request *request) {
  if (request == NULL || request->size < sizeof(*request) || request->method == NULL || request->url == NULL) {
    return "the HTTP request is incomplete";
  }
  if (strncmp(request->url, "http://", 7) != 0 && strncmp(request->url, "https://", 8) != 0) {
    return "the URL is not absolute";
  }
  if (holds_secret(request->url, strlen(request->url))) {
    return "the URL holds a secret";
  }
  for (size_t i = 0; i < request->header_count; i++) {
    const mloom_header *header = request->headers[i];
    if (header == NULL || header->size < sizeof(*header) || header->name == NULL || header->value == NULL) {
      return "a header is incomplete";
    }
    if (header->name[strcspn(header->name, "\r\n: ")] != '\0' ||
        header->value[strcspn(header->value, "\r\n")] != '\0') {
      return "a header holds a line break, or its name a blank or colon";
    }
    if (holds_secret(header->value, strlen(header->value))) {
      return "a secret stands in a header's value instead of its member secret";
    }
  }
  for (size_t i = 0; i < request->body_count; i++) {
    if (request->body[i].data == NULL && request->body[i].size > 0) {
      return "a segment of the body is NULL";
    }
    if (holds_secret(request->body[i].data, request->body[i].size)) {
      return "the body holds a secret";
    }
  }
  return NULL;
}

static const char *process_problem(const mloom_process_request *request) {
  if (request == NULL || request->size < sizeof(*request) || request->argv == NULL || request->argv[0] == NULL ||
      request->argv[0][0] != '/') {
    return "the process request has no absolute argv[0]";
  }
  for (const char *const *argument = request->argv; *argument != NULL; argument++) {
    if (holds_secret(*argument, strlen(*argument))) {
      return "an argument holds a secret";
    }
  }
  return NULL;
}

const char *exchange_problem(const mloom_exchange *exchange) {
  const mloom_authorization *authorization = exchange->authorization;
  if (authorization != NULL && (authorization->size < sizeof(*authorization) || authorization->sources == NULL ||
                                authorization->audience == NULL)) {
    return "the authorization is incomplete";
  }
  switch (exchange->kind) {
  case MLOOM_EXCHANGE_HTTP:
    return http_problem(exchange->http);
  case MLOOM_EXCHANGE_PROCESS:
    return process_problem(exchange->process);
  default:
    return "the exchange is of an unknown kind";
  }
}

/* ---- Driving a session ---- */

static const mloom_tool tool_read = {sizeof(tool_read),
                                     0,
                                     "read_file",
                                     "Reads a file",
                                     {"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}", 57}};
static const mloom_tool tool_list = {sizeof(tool_list), 0, "list_files", "", {"{\"type\":\"object\"}", 17}};
static const mloom_tool *const tools[] = {&tool_read, &tool_list};

int32_t session_start(const provider_run *in, void **session, mloom_error *error) {
  static const char *const words[] = {"A=\"b\" c", NULL};
  mloom_session_args args = {.size = sizeof(args),
                             .session_id = "check-1",
                             .model = "test-model",
                             .instructions = {"Be \"brief\".\n\xc3\xa4", 15},
                             .tools = tools,
                             .tool_count = 2};
  if (in->provider->shape == MLOOM_SHAPE_AGENT) {
    args.working_directory = "/";
    args.scratch_directory = "/tmp";
    args.command_wrapper = "/bin/sh";
    args.command_environment = words;
    args.allowed_commands = words;
    args.read_paths = words;
    args.command_judge = "/bin/true";
  }
  args.instructions.size = strlen(args.instructions.data);
  mloom_message said = {.size = sizeof(said), .role = MLOOM_ROLE_USER, .text = {"Hello \x01 \"\\\"", 0}};
  said.text.size = strlen(said.text.data);
  *session = NULL;
  int32_t code = in->provider->session_new(in->instance, &args, session, error);
  return code == MLOOM_OK ? in->provider->append(*session, &said, error) : code;
}

void session_take_event(const mloom_event *event, void *userdata) {
  events *seen = userdata;
  if (event == NULL || event->size < sizeof(*event)) {
    seen->problem = "an event has no size";
    return;
  }
  switch (event->kind) {
  case MLOOM_EVENT_TEXT:
    text_add(&seen->answer, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_REASONING:
    text_add(&seen->reasoning, event->text.data, event->text.size);
    break;
  case MLOOM_EVENT_TOOL_CALL:
    text_add(&seen->calls, event->id.data, event->id.size);
    text_add(&seen->calls, "|", 1);
    text_add(&seen->calls, event->name.data, event->name.size);
    text_add(&seen->calls, "|", 1);
    text_add(&seen->calls, event->text.data, event->text.size);
    text_add(&seen->calls, "\n", 1);
    seen->call_count++;
    break;
  default:
    break;
  }
}

void events_clear(events *seen) {
  text_clear(&seen->answer);
  text_clear(&seen->reasoning);
  text_clear(&seen->calls);
}

int events_same(const events *a, const events *b) {
  return text_same(&a->answer, &b->answer) && text_same(&a->reasoning, &b->reasoning) &&
         text_same(&a->calls, &b->calls);
}

const char *session_take_body(const provider_run *in, void *session, uint64_t turn, uint64_t attempt, text *out) {
  mloom_turn_args args = {.size = sizeof(args), .turn = turn, .attempt = attempt};
  mloom_exchange exchange = {.size = sizeof(exchange)};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = in->provider->prepare(session, &args, &exchange, &error);
  if (code != MLOOM_OK) {
    return error.message[0] == '\0' ? "prepare failed without a message" : "prepare failed";
  }
  const char *problem = exchange_problem(&exchange);
  if (problem == NULL && exchange.kind == MLOOM_EXCHANGE_HTTP) {
    for (size_t i = 0; i < exchange.http->body_count; i++) {
      text_add(out, exchange.http->body[i].data, exchange.http->body[i].size);
    }
  }
  if (problem == NULL && exchange.kind == MLOOM_EXCHANGE_PROCESS) {
    for (const char *const *argument = exchange.process->argv; *argument != NULL; argument++) {
      text_add(out, *argument, strlen(*argument) + 1);
    }
    if (exchange.process->input != NULL) {
      text_add(out, exchange.process->input->data, exchange.process->input->size);
    }
  }
  return problem;
}

int32_t session_give_answer(const provider_run *in, void *session, const text *answer, size_t piece, int32_t status,
                            int32_t outcome, events *seen, mloom_turn_result *result, mloom_error *error) {
  mloom_event_sink sink = {.size = sizeof(sink), .userdata = seen, .event = session_take_event};
  mloom_exchange_end end = {.size = sizeof(end), .outcome = outcome, .http_status = status};
  if (in->provider->header != NULL) {
    int32_t code = in->provider->header(session, status, "content-type", "application/json", error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  for (size_t at = 0; at < answer->size; at += piece) {
    size_t left = answer->size - at;
    int32_t code = in->provider->feed(session, answer->data + at, left < piece ? left : piece, &sink, error);
    if (code < 0) {
      end.outcome = code;
      break;
    }
  }
  return in->provider->finish(session, &end, &sink, result, error);
}
