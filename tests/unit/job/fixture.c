/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "job/document.h"

/* ---- The repository ---- */

int fixture_shell(const fixture *f, const char *format, ...) {
  char command[4096];
  char full[4400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  snprintf(full, sizeof full, "cd '%s' && %s", f->repository, command);
  return system(full);
}

const char *fixture_output(const fixture *f, const char *command) {
  static char text[65536];
  char full[4400];
  snprintf(full, sizeof full, "cd '%s' && %s", f->repository, command);
  FILE *pipe = popen(full, "r");
  size_t size = pipe == NULL ? 0 : fread(text, 1, sizeof text - 1, pipe);
  text[size] = '\0';
  if (pipe != NULL) {
    pclose(pipe);
  }
  return text;
}

const char *fixture_file(const fixture *f, const char *path) {
  static char text[65536];
  char full[PATH_MAX];
  snprintf(full, sizeof full, "%s/%s", f->repository, path);
  FILE *file = fopen(full, "r");
  if (file == NULL) {
    return NULL;
  }
  size_t size = fread(text, 1, sizeof text - 1, file);
  text[size] = '\0';
  fclose(file);
  return text;
}

void fixture_open(fixture *f) {
  static const char *allowed[] = {"git", "python3", "sh", "cat", "true", "false", "sleep", "make", NULL};
  memset(f, 0, sizeof *f);
  strcpy(f->base, "/tmp/mergeloom-test-XXXXXX");
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->base));
  snprintf(f->repository, sizeof f->repository, "%s/repository", f->base);
  snprintf(f->scratch, sizeof f->scratch, "%s/scratch", f->base);
  snprintf(f->audit, sizeof f->audit, "%s/audit", f->base);
  CU_ASSERT_EQUAL_FATAL(mkdir(f->repository, 0755), 0);
  CU_ASSERT_EQUAL_FATAL(mkdir(f->scratch, 0700), 0);
  CU_ASSERT_EQUAL_FATAL(
      fixture_shell(f,
                    "git init -q -b main . && mkdir docs && printf 'int main(void) {\\n  return 1;\\n}\\n' > main.c && "
                    "printf '# Guide\\n\\nRead me.\\n' > docs/guide.md && printf 'print(\"hello\")\\n' > script.py && "
                    "git add . && git -c user.name=Test -c user.email=test@localhost commit -qm Begin"),
      0);
  f->allowed = allowed;
  f->rules = (mloom_job_rules){.allowed_commands = allowed,
                               .supervise_path = getenv("MERGELOOM_SUPERVISE"),
                               .scratch_path = f->scratch,
                               .audit_path = f->audit,
                               .sandbox_mode = MLOOM_SANDBOX_REQUIRE,
                               .command_timeout_ms = 60000,
                               .job_timeout_ms = 300000,
                               .command_output_bytes = 65536,
                               .max_turns = 50,
                               .max_repair_attempts = 2};
  CU_ASSERT_EQUAL_FATAL(mloom_cancel_new(&f->cancel, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL_FATAL(mloom_redactor_new(&f->redactor, NULL), MLOOM_OK);
  mloom_call_init(&f->call, f->cancel, mloom_clock_system(), NULL, INT64_MAX);
}

static void forget_run(fixture *f) {
  mloom_result_free(f->result);
  f->result = NULL;
  f->error = (mloom_error)MLOOM_ERROR_INIT;
  mloom_buffer_clear(&f->events);
  mloom_buffer_clear(&f->told);
  mloom_buffer_clear(&f->declared);
}

void fixture_close(fixture *f) {
  forget_run(f);
  mloom_buffer_free(&f->events);
  mloom_buffer_free(&f->told);
  mloom_buffer_free(&f->declared);
  mloom_redactor_free(f->redactor);
  mloom_cancel_unref(f->cancel);
  mloom_file_remove_tree(f->base, NULL);
}

/* ---- The scripted provider ---- */

typedef struct script {
  fixture *fixture;
  const char *const *turns;
  size_t next;
} script;

typedef struct scripted_session {
  script *script;
  const char *turn;
  mloom_buffer answer;
  mloom_bytes input;
  mloom_process_request request;
  uint32_t calls;
} scripted_session;

/* One run at a time: the open function of a descriptor has no userdata. */
static script *current;

static int32_t scripted_open(const mloom_open_args *args, void **out, mloom_error *error) {
  (void)args;
  (void)error;
  *out = current;
  return MLOOM_OK;
}

static void scripted_close(void *instance) {
  (void)instance;
}

static int32_t scripted_session_new(void *instance, const mloom_session_args *args, void **out, mloom_error *error) {
  scripted_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return mloom_error_memory(error);
  }
  session->script = instance;
  fixture *f = session->script->fixture;
  for (size_t i = 0; i < args->tool_count; i++) {
    mloom_buffer_append_format(&f->declared, "%s\n", args->tools[i]->name);
  }
  mloom_buffer_append_format(&f->told, "[instructions]\n%.*s\n", (int)args->instructions.size, args->instructions.data);
  *out = session;
  return MLOOM_OK;
}

static void scripted_session_free(void *userdata) {
  scripted_session *session = userdata;
  mloom_buffer_free(&session->answer);
  free(session);
}

static int32_t scripted_append(void *userdata, const mloom_message *message, mloom_error *error) {
  fixture *f = ((scripted_session *)userdata)->script->fixture;
  (void)error;
  const char *kind = message->role == MLOOM_ROLE_USER              ? "user"
                     : (message->flags & MLOOM_MESSAGE_ERROR) != 0 ? "error"
                                                                   : "result";
  return mloom_buffer_append_format(&f->told, "[%s %s]\n%.*s\n", kind,
                                    message->tool_call_id == NULL ? "" : message->tool_call_id, (int)message->text.size,
                                    message->text.data);
}

static int32_t scripted_prepare(void *userdata, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  static const char *const argv[] = {"/bin/cat", NULL};
  static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
  scripted_session *session = userdata;
  (void)args;
  session->turn = session->script->turns[session->script->next];
  if (session->turn == NULL) {
    return mloom_error_set(error, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_PROVIDER, NULL, "the script has no more turns");
  }
  mloom_buffer_clear(&session->answer);
  session->input = mloom_text_bytes(session->turn);
  session->request = (mloom_process_request){.size = sizeof session->request,
                                             .argv = argv,
                                             .environment = environment,
                                             .working_directory = "/",
                                             .input = &session->input};
  *out = (mloom_exchange){.size = sizeof *out, .kind = MLOOM_EXCHANGE_PROCESS, .process = &session->request};
  return MLOOM_OK;
}

static int32_t scripted_feed(void *userdata, const char *data, size_t size, const mloom_event_sink *sink,
                             mloom_error *error) {
  (void)sink;
  (void)error;
  return mloom_buffer_append(&((scripted_session *)userdata)->answer, data, size);
}

static mloom_bytes take_word(const char **at) {
  mloom_bytes word = {*at, strcspn(*at, " \n")};
  *at += word.size + ((*at)[word.size] == ' ');
  return word;
}

static int32_t play(scripted_session *session, const char *line, const mloom_event_sink *sink, mloom_turn_result *out,
                    mloom_error *error) {
  static const char *const stops[] = {"end", "calls", "length", "refused", "paused"};
  mloom_event event = {.size = sizeof event};
  char id[32];
  mloom_bytes verb = take_word(&line);
  if (mloom_text_equal(verb, "stop")) {
    mloom_bytes why = take_word(&line);
    for (uint32_t i = 0; i < 5; i++) {
      out->stop = mloom_text_equal(why, stops[i]) ? i : out->stop;
    }
    return MLOOM_OK;
  }
  if (mloom_text_equal(verb, "fail")) {
    int64_t code = MLOOM_E_INTERNAL;
    mloom_text_parse_int64(take_word(&line), &code);
    return mloom_error_set(error, (int32_t)code, MLOOM_DOMAIN_PROVIDER, "see the service", "%.*s",
                           (int)strcspn(line, "\n"), line);
  }
  if (mloom_text_equal(verb, "call")) {
    event.kind = MLOOM_EVENT_TOOL_CALL;
    event.name = take_word(&line);
    snprintf(id, sizeof id, "call_%zu_%u", session->script->next, ++session->calls);
    event.id = mloom_text_bytes(id);
    out->stop = MLOOM_STOP_TOOL_CALLS;
    out->tool_call_count++;
  } else if (mloom_text_equal(verb, "notice")) {
    event.kind = MLOOM_EVENT_NOTICE;
    event.name = take_word(&line);
  } else {
    event.kind = mloom_text_equal(verb, "text")        ? MLOOM_EVENT_TEXT
                 : mloom_text_equal(verb, "reasoning") ? MLOOM_EVENT_REASONING
                                                       : MLOOM_EVENT_RESULT;
  }
  event.text = (mloom_bytes){line, strcspn(line, "\n")};
  sink->event(&event, sink->userdata);
  return MLOOM_OK;
}

static int32_t scripted_finish(void *userdata, const mloom_exchange_end *end, const mloom_event_sink *sink,
                               mloom_turn_result *out, mloom_error *error) {
  scripted_session *session = userdata;
  if (end->outcome != MLOOM_OK) {
    return mloom_error_set(error, end->outcome, MLOOM_DOMAIN_PROVIDER, NULL, "the exchange failed");
  }
  session->calls = 0;
  out->stop = MLOOM_STOP_END;
  for (const char *line = mloom_buffer_string(&session->answer); *line != '\0';) {
    int32_t code = play(session, line, sink, out, error);
    if (code != MLOOM_OK) {
      return code;
    }
    line += strcspn(line, "\n");
    line += *line == '\n';
  }
  mloom_event usage = {.size = sizeof usage,
                       .kind = MLOOM_EVENT_USAGE,
                       .input_tokens = 100,
                       .cached_input_tokens = 40,
                       .output_tokens = 10};
  sink->event(&usage, sink->userdata);
  session->script->next++;
  return MLOOM_OK;
}

static const mloom_provider scripted_provider = {.size = sizeof scripted_provider,
                                                 .id = "scripted",
                                                 .title = "Scripted",
                                                 .description = "Plays turns of a test.",
                                                 .shape = MLOOM_SHAPE_MODEL,
                                                 .threads = MLOOM_THREADS_PARALLEL,
                                                 .capabilities = MLOOM_CAPABILITY_TOOLS,
                                                 .open = scripted_open,
                                                 .close = scripted_close,
                                                 .session_new = scripted_session_new,
                                                 .session_free = scripted_session_free,
                                                 .append = scripted_append,
                                                 .prepare = scripted_prepare,
                                                 .feed = scripted_feed,
                                                 .finish = scripted_finish};

/* ---- Running ---- */

static void listen_to(const mloom_job_event *event, void *userdata) {
  fixture *f = userdata;
  mloom_buffer_append_format(&f->events, "%s\n", event->json);
  if (f->shell_at != NULL && strstr(event->json, f->shell_at) != NULL) {
    fixture_shell(f, "%s", f->shell_command);
  }
  if (f->cancel_at != NULL && strstr(event->json, f->cancel_at) != NULL) {
    mloom_cancel_trigger(f->cancel);
  }
}

static mloom_job *make_job(fixture *f, const char *extra) {
  static unsigned number;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_job *job = NULL;
  mloom_buffer_append_format(&text,
                             "{\"schema\": \"mergeloom.job.v1\", \"id\": \"test-%u\", \"ticket\": {\"key\": \"T-1\", "
                             "\"title\": \"Mend it\", \"description\": \"main returns 1, it must return 0.\"}, "
                             "\"repository\": {\"path\": \"%s\"}%s%s}",
                             ++number, f->repository, extra == NULL ? "" : ", ", extra == NULL ? "" : extra);
  UNIT_ASSERT_CODE(mloom_job_parse(&job, text.data, text.size, &f->error), MLOOM_OK, &f->error);
  return job;
}

int32_t fixture_run(fixture *f, const char *extra, const char *const *turns, int agent) {
  static const char *const no_paths[] = {NULL};
  forget_run(f);
  script played = {f, turns, 0};
  current = &played;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  mloom_host_services host_services = {.clock = mloom_clock_system(), .redactor = f->redactor};
  mloom_host host;
  mloom_host_init(&host, &host_services);
  mloom_registry *registry = NULL;
  mloom_settings *settings = NULL;
  mloom_provider_instance *instance = NULL;
  mloom_settings_sources sources = {.environment = no_paths};
  mloom_provider_entry entry = {.descriptor = scripted_provider, .plugin_name = "test", .plugin_lock = &lock};
  entry.descriptor.shape = agent ? MLOOM_SHAPE_AGENT : MLOOM_SHAPE_MODEL;
  mloom_job *job = make_job(f, extra);
  int32_t code = job == NULL ? MLOOM_E_INVALID : mloom_registry_new(&registry, no_paths, NULL, &host, NULL, &f->error);
  if (code == MLOOM_OK) {
    code = mloom_settings_new(&settings, "scripted", NULL, 0, 1, &sources, &f->error);
  }
  mloom_provider_services services = {.registry = registry,
                                      .host = &host,
                                      .clock = mloom_clock_system(),
                                      .redactor = f->redactor,
                                      .supervise_path = f->rules.supervise_path,
                                      .environment = no_paths};
  code = code == MLOOM_OK ? mloom_provider_open(&instance, &entry, settings, &services, &f->error) : code;
  mloom_job_listener listener = {.event = listen_to, .userdata = f};
  mloom_job_run_args args = {.job = job,
                             .provider = instance,
                             .model = "scripted-1",
                             .repository_path = f->repository,
                             .rules = &f->rules,
                             .listener = &listener,
                             .redactor = f->redactor,
                             .call = &f->call};
  code = code == MLOOM_OK ? mloom_job_execute(&f->result, &args, &f->error) : code;
  mloom_provider_close(instance);
  mloom_settings_unref(settings);
  mloom_registry_free(registry);
  mloom_job_free(job);
  if (code == MLOOM_OK) {
    mloom_result_state(f->result, &f->error);
  }
  return code;
}

const char *fixture_result(const fixture *f, const char *path) {
  static char text[8192];
  const mloom_json *at = f->result == NULL ? NULL : mloom_result_document(f->result);
  while (at != NULL && *path != '\0') {
    char part[64];
    size_t size = strcspn(path, ".");
    snprintf(part, sizeof part, "%.*s", (int)size, path);
    path += size + (path[size] == '.');
    at = mloom_json_kind(at) == MLOOM_JSON_ARRAY ? mloom_json_at(at, strtoul(part, NULL, 10))
                                                 : mloom_json_member(at, part);
  }
  mloom_bytes string = mloom_json_text(at);
  if (string.data != NULL) {
    snprintf(text, sizeof text, "%.*s", (int)string.size, string.data);
    return text;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer json = MLOOM_BUFFER_INIT;
  if (at == NULL || mloom_json_serialize(&json, at, 0) != MLOOM_OK) {
    return "null";
  }
  snprintf(text, sizeof text, "%s", json.data);
  return text;
}

int fixture_was_told(const fixture *f, const char *part) {
  return strstr(mloom_buffer_string(&f->told), part) != NULL;
}

/* ---- Single tools ---- */

void bench_open(bench *b, fixture *f, int read_only) {
  memset(b, 0, sizeof *b);
  b->error = (mloom_error)MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_workspace_open(&b->workspace, f->repository, &b->error), MLOOM_OK, &b->error);
  UNIT_ASSERT_CODE(mloom_git_metadata_load(&b->metadata, &b->workspace, &b->error), MLOOM_OK, &b->error);
  UNIT_ASSERT_CODE(mloom_command_runner_open(&b->runner, &f->rules, &b->workspace, &b->metadata, &b->error), MLOOM_OK,
                   &b->error);
  UNIT_ASSERT_CODE(mloom_changes_begin(&b->changes, &b->runner, &f->call, &b->error), MLOOM_OK, &b->error);
  b->runner.read_only = read_only != 0;
  b->tools = (mloom_tool_context){.workspace = &b->workspace,
                                  .runner = &b->runner,
                                  .changes = &b->changes,
                                  .call = &f->call,
                                  .read_only = read_only != 0,
                                  .commands = mloom_json_new_array()};
}

void bench_close(bench *b) {
  mloom_json_unref(b->tools.commands);
  mloom_json_unref(b->tools.submission);
  mloom_text_list_free(&b->tools.tampered);
  mloom_changes_free(&b->changes);
  mloom_command_runner_close(&b->runner);
  mloom_git_metadata_free(&b->metadata);
  mloom_workspace_close(&b->workspace);
  mloom_buffer_free(&b->out);
}

int32_t bench_tool(bench *b, const char *name, const char *arguments) {
  mloom_json *parsed = NULL;
  b->error = (mloom_error)MLOOM_ERROR_INIT;
  mloom_buffer_clear(&b->out);
  int32_t code = mloom_tool_parse_arguments(&parsed, name, arguments, strlen(arguments), &b->error);
  if (code == MLOOM_OK) {
    code = mloom_tool_run(&b->tools, name, parsed, &b->out, &b->error);
  }
  mloom_json_unref(parsed);
  return code;
}
