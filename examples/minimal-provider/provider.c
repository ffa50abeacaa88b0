/* SPDX-License-Identifier: Apache-2.0
 * A whole provider in one file; README.md describes the protocol that it speaks. */
#include <mergeloom/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct session {
  mloom_open_args opened;
  FILE *body, *answer; /* all that was said, as records; what comes now */
  char *body_data, *answer_data;
  size_t body_size, answer_size;
  mloom_bytes segment;
  mloom_header type;
  const mloom_header *headers[1];
  mloom_http_request request;
} session;

static int32_t fail(mloom_error *error, int32_t code, const char *message) {
  error->code = code;
  error->retryable = code == MLOOM_E_UNAVAILABLE || code == MLOOM_E_PROTOCOL;
  snprintf(error->message, sizeof(error->message), "minimal: %s", message);
  return code;
}

static int32_t add_record(session *s, const char *kind, const char *word, mloom_bytes bytes, mloom_error *error) {
  fprintf(s->body, "%s%s%s %zu\n", kind, word[0] == '\0' ? "" : " ", word, bytes.size);
  fwrite(bytes.data, 1, bytes.size, s->body);
  fputc('\n', s->body);
  return fflush(s->body) == 0 ? MLOOM_OK : fail(error, MLOOM_E_MEMORY, "out of memory");
}

static int32_t open_instance(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  mloom_open_args *opened = malloc(sizeof(*opened));
  if (opened == NULL) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  *opened = (mloom_open_args){.size = sizeof(*opened), .host = args->host, .settings = args->settings};
  *out_instance = opened;
  return MLOOM_OK;
}

static void session_free(void *opaque) {
  session *s = opaque;
  fclose(s->body), fclose(s->answer);
  free(s->body_data), free(s->answer_data);
  free(s);
}

static int32_t session_new(void *instance, const mloom_session_args *args, void **out_session, mloom_error *error) {
  session *s = calloc(1, sizeof(*s));
  if (s == NULL || !(s->body = open_memstream(&s->body_data, &s->body_size)) ||
      !(s->answer = open_memstream(&s->answer_data, &s->answer_size))) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  s->opened = *(mloom_open_args *)instance;
  *out_session = s;
  for (size_t i = 0; i < args->tool_count; i++) {
    const mloom_tool *tool = args->tools[i];
    mloom_bytes schema = tool->parameters;
    size_t size = strlen(tool->description) + 1 + schema.size;
    fprintf(s->body, "tool %s %zu\n%s\n%.*s\n", tool->name, size, tool->description, (int)schema.size, schema.data);
  }
  add_record(s, "model", "", (mloom_bytes){args->model, strlen(args->model)}, error);
  return add_record(s, "system", "", args->instructions, error);
}

static int32_t append(void *opaque, const mloom_message *message, mloom_error *error) {
  const char *result = (message->flags & MLOOM_MESSAGE_ERROR) != 0 ? "failed" : "result";
  const char *id = message->role == MLOOM_ROLE_TOOL_RESULT ? message->tool_call_id : NULL;
  return add_record(opaque, id == NULL ? "user" : result, id == NULL ? "" : id, message->text, error);
}

static int32_t prepare(void *opaque, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  session *s = opaque;
  mloom_setting url = {.size = sizeof(url)};
  (void)args, (void)error;
  s->opened.host->setting_get(s->opened.host->ctx, s->opened.settings, "base_url", &url); /* required, so it is set */
  rewind(s->answer);
  s->segment = (mloom_bytes){s->body_data, s->body_size};
  s->type = (mloom_header){sizeof(s->type), 0, "Content-Type", "text/plain; charset=utf-8", NULL};
  s->headers[0] = &s->type;
  s->request =
      (mloom_http_request){sizeof(s->request), 0, "POST", url.value, s->headers, 1, &s->segment, 1, 0, 0, 0, 0};
  out->http = &s->request; /* kind 0 is MLOOM_EXCHANGE_HTTP */
  return MLOOM_OK;
}

static int32_t feed(void *opaque, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error) {
  (void)sink;
  return fwrite(data, 1, size, ((session *)opaque)->answer) == size ? 0 : fail(error, MLOOM_E_MEMORY, "out of memory");
}

static int32_t finish(void *opaque, const mloom_exchange_end *end, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  session *s = opaque;
  char id[128], name[128];
  if (end->outcome != MLOOM_OK) {
    return end->outcome; /* the host knows why */
  }
  if (end->http_status != 200 || fflush(s->answer) != 0) {
    return fail(error, MLOOM_E_UNAVAILABLE, "the service did not answer 200");
  }
  const char *last = s->answer_data + s->answer_size; /* beyond it stands what an earlier answer left */
  for (const char *line = s->answer_data, *next; (next = memchr(line, '\n', last - line)) != NULL; line = next + 1) {
    mloom_event event = {.size = sizeof(event)};
    int at = 0, length = (int)(next - line);
    if (strncmp(line, "text ", 5) == 0) {
      event.kind = MLOOM_EVENT_TEXT;
      event.text = (mloom_bytes){line + 5, (size_t)length - 4}; /* with its newline */
      sink->event(&event, sink->userdata);
    } else if (sscanf(line, "call %127s %127s %n", id, name, &at) == 2) {
      event.kind = MLOOM_EVENT_TOOL_CALL;
      event.text = (mloom_bytes){line + at, at < length ? (size_t)(length - at) : 0};
      event.id = (mloom_bytes){id, strlen(id)}, event.name = (mloom_bytes){name, strlen(name)};
      sink->event(&event, sink->userdata);
      out->stop = MLOOM_STOP_TOOL_CALLS;
      out->tool_call_count++;
    } else if (sscanf(line, "usage %ju %ju", &event.input_tokens, &event.output_tokens) == 2) {
      event.kind = MLOOM_EVENT_USAGE;
      sink->event(&event, sink->userdata);
    } else if (strncmp(line, "error ", 6) == 0) {
      return fail(error, MLOOM_E_UNAVAILABLE, "the service answered with an error line");
    } else if (strncmp(line, "end\n", 4) == 0) {
      return add_record(s, "assistant", "", (mloom_bytes){s->answer_data, s->answer_size}, error);
    }
  }
  return fail(error, MLOOM_E_PROTOCOL, "the answer was cut before its end");
}

/* clang-format off */
static const mloom_field url = {.size = sizeof(url), .name = "base_url", .title = "Address", .kind = MLOOM_FIELD_URL,
    .flags = MLOOM_FIELD_REQUIRED, .help = "Address that is posted to"};
static const mloom_field model = {.size = sizeof(model), .name = "model", .title = "Model",
    .default_value = "minimal-1", .help = "Name of the model"};
static const mloom_provider provider = {.size = sizeof(provider), .id = "minimal", .title = "Minimal",
    .description = "Speaks a line protocol over HTTP", .shape = MLOOM_SHAPE_MODEL, .threads = MLOOM_THREADS_PARALLEL,
    .capabilities = MLOOM_CAPABILITY_TOOLS, .fields = (const mloom_field *const[]){&url, &model}, .field_count = 2,
    .open = open_instance, .close = free, .session_new = session_new, .session_free = session_free, .append = append,
    .prepare = prepare, .feed = feed, .finish = finish};
static const mloom_plugin plugin = {.size = sizeof(plugin), .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR, .name = "minimal", .version = "1.0", .description = "The smallest provider",
    .providers = (const mloom_provider *const[]){&provider}, .provider_count = 1};
/* clang-format on */

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  (void)host, (void)error_text, (void)error_size;
  return &plugin;
}
