/* SPDX-License-Identifier: Apache-2.0
 * A provider whose work a program does, one run for each turn; README.md describes what the two say to each other. */
#include <inttypes.h>
#include <mergeloom/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct session {
  mloom_open_args opened;
  FILE *body, *answer; /* all that was said, as records; what comes now */
  char *body_data, *answer_data;
  size_t body_size, answer_size, lines_end; /* lines before lines_end were read */
  int ended;
  mloom_turn_result result;
  mloom_bytes input;
  char *url_variable;
  const char *argv[2], *environment[5], *read_paths[1];
  mloom_header key;
  const mloom_header *variables[1];
  mloom_process_request request;
} session;

static int32_t fail(mloom_error *error, int32_t code, const char *message) {
  error->code = code;
  snprintf(error->message, sizeof(error->message), "helper: %s", message);
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
  free(s->body_data), free(s->answer_data), free(s->url_variable);
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
    size_t size = strlen(tool->description) + 1 + tool->parameters.size;
    fprintf(s->body, "tool %s %zu\n%s\n%.*s\n", tool->name, size, tool->description, (int)tool->parameters.size,
            tool->parameters.data);
  }
  add_record(s, "model", "", (mloom_bytes){args->model, strlen(args->model)}, error);
  return add_record(s, "system", "", args->instructions, error);
}

static int32_t append(void *opaque, const mloom_message *message, mloom_error *error) {
  const char *result = (message->flags & MLOOM_MESSAGE_ERROR) != 0 ? "failed" : "result";
  const char *id = message->role == MLOOM_ROLE_TOOL_RESULT ? message->tool_call_id : NULL;
  return add_record(opaque, id == NULL ? "user" : result, id == NULL ? "" : id, message->text, error);
}

static mloom_setting get_setting(const mloom_open_args *opened, const char *name) {
  mloom_setting setting = {.size = sizeof(setting)};
  opened->host->setting_get(opened->host->ctx, opened->settings, name, &setting);
  return setting;
}

/* The key goes by a variable that the host sets and wipes: an argument could be seen by every user of the machine. */
static int32_t prepare(void *opaque, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  session *s = opaque;
  const char *url = get_setting(&s->opened, "base_url").value; /* required, so it is set */
  size_t size = strlen("HELPER_BASE_URL=") + strlen(url) + 1;
  (void)args;
  free(s->url_variable);
  s->url_variable = malloc(size);
  if (s->url_variable == NULL) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  snprintf(s->url_variable, size, "HELPER_BASE_URL=%s", url);
  rewind(s->answer);
  s->lines_end = 0, s->ended = 0, s->result = (mloom_turn_result){.size = sizeof(s->result)};
  s->argv[0] = get_setting(&s->opened, "program").value;
  const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", s->url_variable, NULL};
  memcpy(s->environment, environment, sizeof(environment));
  s->key = (mloom_header){
      .size = sizeof(s->key), .name = "HELPER_API_KEY", .secret = get_setting(&s->opened, "api_key").secret};
  s->variables[0] = &s->key;
  s->input = (mloom_bytes){s->body_data, s->body_size};
  s->request = (mloom_process_request){.size = sizeof(s->request),
                                       .flags = MLOOM_PROCESS_CONFINED,
                                       .argv = s->argv,
                                       .environment = s->environment,
                                       .working_directory = "/",
                                       .input = &s->input,
                                       .variables = s->variables,
                                       .variable_count = s->key.secret != NULL,
                                       .read_paths = s->read_paths};
  out->kind = MLOOM_EXCHANGE_PROCESS;
  out->process = &s->request;
  return MLOOM_OK;
}

static void read_line(session *s, const char *line, size_t size, const mloom_event_sink *sink) {
  mloom_event event = {.size = sizeof(event)};
  char id[128], name[128];
  int at = 0;
  if (strncmp(line, "text ", 5) == 0) {
    event.kind = MLOOM_EVENT_TEXT;
    event.text = (mloom_bytes){line + 5, size - 4}; /* with its newline */
  } else if (sscanf(line, "call %127s %127s %n", id, name, &at) == 2) {
    event.kind = MLOOM_EVENT_TOOL_CALL;
    event.text = (mloom_bytes){line + at, (size_t)at < size ? size - (size_t)at : 0};
    event.id = (mloom_bytes){id, strlen(id)};
    event.name = (mloom_bytes){name, strlen(name)};
    s->result.stop = MLOOM_STOP_TOOL_CALLS;
    s->result.tool_call_count++;
  } else if (sscanf(line, "usage %" SCNu64 " %" SCNu64, &event.input_tokens, &event.output_tokens) == 2) {
    event.kind = MLOOM_EVENT_USAGE;
  } else if (strncmp(line, "end\n", 4) == 0) {
    s->ended = 1;
  }
  if (event.kind != 0) {
    sink->event(&event, sink->userdata);
  }
}

static int32_t feed(void *opaque, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error) {
  session *s = opaque;
  if (fwrite(data, 1, size, s->answer) != size || fflush(s->answer) != 0) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  for (char *line, *end; !s->ended; s->lines_end = (size_t)(end + 1 - s->answer_data)) {
    line = s->answer_data + s->lines_end;
    end = memchr(line, '\n', s->answer_size - s->lines_end); /* beyond stands what an earlier answer left */
    if (end == NULL) {
      break;
    }
    read_line(s, line, (size_t)(end - line), sink);
  }
  return s->ended ? MLOOM_COMPLETE : MLOOM_OK;
}

static int32_t finish(void *opaque, const mloom_exchange_end *end, const mloom_event_sink *sink, mloom_turn_result *out,
                      mloom_error *error) {
  session *s = opaque;
  (void)sink;
  if (end->outcome != MLOOM_OK) {
    return end->outcome; /* the host knows why */
  }
  if (end->exit_code != 0 || end->signal != 0) {
    return MLOOM_E_UNAVAILABLE; /* the host tells the last line of its errors */
  }
  if (!s->ended) {
    return fail(error, MLOOM_E_PROTOCOL, "the answer was cut before its end");
  }
  out->stop = s->result.stop, out->tool_call_count = s->result.tool_call_count;
  return add_record(s, "assistant", "", (mloom_bytes){s->answer_data, s->lines_end}, error);
}

/* clang-format off */
static const mloom_field program = {.size = sizeof(program), .name = "program", .title = "Program", .kind = MLOOM_FIELD_PATH,
    .flags = MLOOM_FIELD_REQUIRED, .help = "The helper, an executable file"};
static const mloom_field url = {.size = sizeof(url), .name = "base_url", .title = "Address", .kind = MLOOM_FIELD_URL,
    .flags = MLOOM_FIELD_REQUIRED, .help = "Address that the helper works with"};
static const mloom_field key = {.size = sizeof(key), .name = "api_key", .title = "Key", .kind = MLOOM_FIELD_SECRET,
    .help = "Key that the helper uses; leave it empty where none is wanted"};
static const mloom_field model = {.size = sizeof(model), .name = "model", .title = "Model", .help = "Name of the model"};
static const mloom_provider provider = {.size = sizeof(provider), .id = "helper", .title = "Helper program",
    .description = "Runs a program for each turn", .shape = MLOOM_SHAPE_MODEL, .threads = MLOOM_THREADS_PARALLEL,
    .capabilities = MLOOM_CAPABILITY_TOOLS, .fields = (const mloom_field *const[]){&program, &url, &key, &model},
    .field_count = 4, .open = open_instance, .close = free, .session_new = session_new, .session_free = session_free,
    .append = append, .prepare = prepare, .feed = feed, .finish = finish};
static const mloom_plugin plugin = {.size = sizeof(plugin), .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR, .name = "helper", .version = "1.0", .description = "A provider in another language",
    .providers = (const mloom_provider *const[]){&provider}, .provider_count = 1};
/* clang-format on */

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  (void)host, (void)error_text, (void)error_size;
  return &plugin;
}
