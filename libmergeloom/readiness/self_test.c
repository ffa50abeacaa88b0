/* SPDX-License-Identifier: Apache-2.0 */
#include "readiness/self_test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "job/command.h"

#define EXCHANGE_TOOL "exchange_code"
#define CODE_FILE "code.txt"
#define TARGET_FILE "target.txt"
#define TARGET_FORMAT "# Settings of the example\nname = example\nvalue = %s\ncolour = green\n"
/* Enough for a model that takes each step in a turn of its own and errs now and then. */
#define MAX_TURNS 20
#define MAX_TOKENS 300000
#define CODE_SIZE 16 /* "ML-", 12 digits, NUL */

/* Commands whose output on a file no model can guess. */
#define DIGEST_LIMIT 80
typedef struct digest_command {
  const char *name;
  const char *arguments[3];
  const char *shown; /* as one types it */
} digest_command;

static const digest_command digest_commands[] = {
    {"git", {"hash-object", CODE_FILE, NULL}, "git hash-object " CODE_FILE},
    {"python3",
     {"-c", "import hashlib; print(hashlib.sha1(open('" CODE_FILE "', 'rb').read()).hexdigest())", NULL},
     "python3 -c \"import hashlib; print(hashlib.sha1(open('" CODE_FILE "', 'rb').read()).hexdigest())\""}};

typedef struct self_test {
  const mloom_readiness_args *args;
  const digest_command *digest; /* of a program with its own tools; NULL: none can be run */
  int is_agent;
  char folder[PATH_MAX];
  char code[CODE_SIZE];
  char confirmation[DIGEST_LIMIT];
  char command[256]; /* "" when there is none */
  uint32_t done[MLOOM_SELF_TEST_STEPS];
  uint32_t calls_as_text;
  uint64_t turns;
  uint64_t input_tokens;
  uint64_t output_tokens;
} self_test;

const char *mloom_self_test_step_name(uint32_t step) {
  static const char *const names[] = {"call a tool",           "read a file",      "edit a file",    "run a command",
                                      "hand a code to a tool", "inspect the diff", "submit a result"};
  return step < sizeof(names) / sizeof(names[0]) ? names[step] : "finish";
}

static int32_t make_code(char out[CODE_SIZE], const char *prefix, mloom_error *error) {
  unsigned char random[6];
  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SYSTEM, NULL, "no random numbers for the self-test");
  }
  snprintf(out, CODE_SIZE, "%s%02x%02x%02x%02x%02x%02x", prefix, random[0], random[1], random[2], random[3], random[4],
           random[5]);
  return MLOOM_OK;
}

static int32_t write_file(const self_test *test, const char *name, const char *content, mloom_error *error) {
  char path[PATH_MAX + 32];
  snprintf(path, sizeof(path), "%s/%s", test->folder, name);
  return mloom_file_put(path, content, strlen(content), 0600, MLOOM_DOMAIN_READINESS, error);
}

/* The least that git takes for a repository. Programs with a sandbox of their own guard .git; codex 0.169.0 stands one
 * in where there is none, and processes of one codex now and then take it away from each other. */
static int32_t make_repository(const self_test *test, mloom_error *error) {
  static const char *const folders[] = {".git", ".git/objects", ".git/refs"};
  char path[PATH_MAX + 32];
  for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
    snprintf(path, sizeof(path), "%s/%s", test->folder, folders[i]);
    if (mkdir(path, 0700) != 0) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_READINESS, "free space on the scratch volume",
                                   "the folder %s could not be made", path);
    }
  }
  return write_file(test, ".git/HEAD", "ref: refs/heads/main\n", error);
}

/* A plain folder for tools of ours: the engine keeps its own record of changes either way. */
static int32_t make_folder(const self_test *test, mloom_error *error) {
  char code_text[64];
  char target_text[160];
  int32_t made = test->is_agent ? make_repository(test, error) : MLOOM_OK;
  if (made != MLOOM_OK) {
    return made;
  }
  snprintf(code_text, sizeof(code_text), "code: %s\n", test->code);
  snprintf(target_text, sizeof(target_text), TARGET_FORMAT, "unset");
  int32_t code = write_file(test, CODE_FILE, code_text, error);
  return code == MLOOM_OK ? write_file(test, TARGET_FILE, target_text, error) : code;
}

/* A harmless command out of those that are allowed and installed. */
static void choose_command(self_test *test) {
  const char *const *allowed = test->args->rules->allowed_commands;
  for (size_t i = 0; allowed != NULL && allowed[i] != NULL; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
    if (strlen(allowed[i]) < 200 && mloom_process_find(&path, allowed[i], MLOOM_COMMAND_PATH, NULL) == MLOOM_OK) {
      snprintf(test->command, sizeof(test->command), "%s --version", allowed[i]);
      return;
    }
  }
}

/* ---- For a program that works by its own tools ---- */

static int is_allowed(const self_test *test, const char *name) {
  const char *const *allowed = test->args->rules->allowed_commands;
  for (size_t i = 0; allowed != NULL && allowed[i] != NULL; i++) {
    if (strcmp(allowed[i], name) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t keep_digest(const char *data, size_t size, void *userdata) {
  return mloom_buffer_append(userdata, data, size);
}

/* What the command says of the file here; "" when it cannot be run. */
static int32_t run_digest(self_test *test, const digest_command *command, mloom_error *error) {
  static const char *const environment[] = {("PATH=" MLOOM_COMMAND_PATH), "LANG=C.UTF-8", NULL};
  static const char *const nothing[] = {NULL};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer output = MLOOM_BUFFER_INIT;
  if (!is_allowed(test, command->name) ||
      mloom_process_find(&program, command->name, MLOOM_COMMAND_PATH, NULL) != MLOOM_OK) {
    return MLOOM_OK;
  }
  const char *const argv[] = {program.data, command->arguments[0], command->arguments[1], NULL};
  const char *const readable[] = {test->folder, NULL};
  const mloom_sandbox sandbox = {
      .read_paths = readable, .write_paths = nothing, .mode = test->args->rules->sandbox_mode};
  const mloom_process_plan plan = {.supervise_path = test->args->rules->supervise_path,
                                   .argv = argv,
                                   .environment = environment,
                                   .working_directory = test->folder,
                                   .sandbox = &sandbox,
                                   .limits = {.total_timeout_ms = 10000, .output_bytes = 4096, .processes = 64}};
  const mloom_process_sink sink = {.size = sizeof(sink), .userdata = &output, .output = keep_digest};
  mloom_process_report report;
  int32_t code = mloom_process_run(test->args->call, &plan, &sink, &report, error);
  mloom_bytes said = mloom_text_trim((mloom_bytes){mloom_buffer_string(&output), output.size});
  if (code == MLOOM_OK && report.ended == MLOOM_PROCESS_EXITED && report.exit_code == 0 && said.size >= 20 &&
      said.size < sizeof(test->confirmation)) {
    memcpy(test->confirmation, said.data, said.size);
    test->confirmation[said.size] = '\0';
    test->digest = command;
  }
  return code;
}

static int32_t choose_digest(self_test *test, mloom_error *error) {
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < sizeof(digest_commands) / sizeof(digest_commands[0]) && code == MLOOM_OK; i++) {
    code = test->digest == NULL ? run_digest(test, &digest_commands[i], error) : MLOOM_OK;
  }
  return code;
}

static int32_t describe_agent_ticket(const self_test *test, mloom_buffer *out) {
  mloom_buffer_append_string(out,
                             "This is a short check of your tools in a scratch folder. Please take these steps and do "
                             "nothing else.\n\n"
                             "1. Read the file " CODE_FILE ". It holds a code that begins with ML-.\n"
                             "2. Edit the file " TARGET_FILE
                             ": in the line \"value = unset\" put the code in the place of the word unset. Leave "
                             "everything else as it is.\n");
  if (test->digest == NULL) {
    return mloom_buffer_append_string(out, "3. End with the result. Its summary must be one sentence.\n");
  }
  return mloom_buffer_append_format(out,
                                    "3. Run this command: %s\n"
                                    "4. End with the result. Its summary must be one sentence that contains the whole "
                                    "output of the command.\n",
                                    test->digest->shown);
}

/* What the folder and the result show of the steps; those that such a program does not have count as done. */
static void judge_agent(self_test *test, int completed, const char *summary) {
  int has_output = test->digest == NULL || strstr(summary, test->confirmation) != NULL;
  test->done[MLOOM_SELF_TEST_CALL] |= test->done[MLOOM_SELF_TEST_EDIT];
  test->done[MLOOM_SELF_TEST_READ] = test->done[MLOOM_SELF_TEST_EDIT];
  test->done[MLOOM_SELF_TEST_COMMAND] = completed && has_output;
  test->done[MLOOM_SELF_TEST_EXCHANGE] = 1;
  test->done[MLOOM_SELF_TEST_DIFF] = 1;
  test->done[MLOOM_SELF_TEST_SUBMIT] = completed != 0;
}

static int32_t describe_ticket(const self_test *test, mloom_buffer *out) {
  if (test->is_agent) {
    return describe_agent_ticket(test, out);
  }
  int step = 1;
  mloom_buffer_append_string(out, "This is a short check of your tools in a scratch folder. Please take these steps "
                                  "in this order, each with a tool, and do nothing else.\n\n");
  mloom_buffer_append_format(out, "%d. Read the file " CODE_FILE ". It holds a code that begins with ML-.\n", step++);
  mloom_buffer_append_format(out,
                             "%d. Edit the file " TARGET_FILE ": in the line \"value = unset\" put the code in the "
                             "place of the word unset. Leave everything else as it is.\n",
                             step++);
  if (test->command[0] != '\0') {
    mloom_buffer_append_format(out, "%d. Run this command: %s\n", step++, test->command);
  }
  mloom_buffer_append_format(out,
                             "%d. Call the tool " EXCHANGE_TOOL " with the code. It answers with a confirmation that "
                             "begins with MC-.\n",
                             step++);
  mloom_buffer_append_format(out, "%d. Inspect the diff.\n", step++);
  return mloom_buffer_append_format(
      out, "%d. Submit the result. Its summary must be one sentence that contains the confirmation.\n", step);
}

static int32_t make_job(const self_test *test, mloom_job **out, mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer description = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (describe_ticket(test, &description) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *job = mloom_json_new_object();
  mloom_json *ticket = mloom_json_new_object();
  mloom_json *repository = mloom_json_new_object();
  mloom_json_set_string(ticket, "key", "SELF-TEST");
  mloom_json_set_string(ticket, "title", "Put the code into " TARGET_FILE);
  mloom_json_set_string(ticket, "description", mloom_buffer_string(&description));
  mloom_json_set_string(repository, "path", test->folder);
  mloom_json_set_string(job, "schema", "mergeloom.job.v1");
  mloom_json_set_string(job, "id", "self-test");
  mloom_json_set(job, "ticket", ticket);
  mloom_json_set(job, "repository", repository);
  if (mloom_json_serialize(&text, job, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return mloom_job_parse(out, text.data, text.size, error);
}

static int32_t exchange_code(const char *name, const mloom_json *arguments, mloom_buffer *out, void *userdata,
                             mloom_error *error) {
  self_test *test = userdata;
  if (strcmp(name, EXCHANGE_TOOL) != 0) {
    return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_READINESS, NULL, "no tool %s", name);
  }
  mloom_bytes code = mloom_text_trim(mloom_json_text(mloom_json_member(arguments, "code")));
  if (!mloom_text_equal(code, test->code)) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_READINESS,
                           "read " CODE_FILE " and give its code as it stands there", "this is not the code");
  }
  test->done[MLOOM_SELF_TEST_EXCHANGE] = 1;
  return mloom_buffer_append_format(out, "confirmation: %s\n", test->confirmation);
}

static void watch(const mloom_job_event *event, void *userdata) {
  self_test *test = userdata;
  static const struct {
    const char *tool;
    uint32_t step;
  } steps[] = {{"read_file", MLOOM_SELF_TEST_READ},
               {"run_command", MLOOM_SELF_TEST_COMMAND},
               {"inspect_diff", MLOOM_SELF_TEST_DIFF}};
  if (test->args->event != NULL) {
    test->args->event(test->args->entry->descriptor.id, event, test->args->userdata);
  }
  test->input_tokens = event->input_tokens > test->input_tokens ? event->input_tokens : test->input_tokens;
  test->output_tokens = event->output_tokens > test->output_tokens ? event->output_tokens : test->output_tokens;
  test->turns = event->turn > test->turns ? event->turn : test->turns;
  if (event->kind == MLOOM_JOB_EVENT_TOOL_BEGIN) {
    test->done[MLOOM_SELF_TEST_CALL] = 1;
  }
  if (event->kind == MLOOM_JOB_EVENT_NOTICE && strcmp(event->name, "tool_call_as_text") == 0) {
    test->calls_as_text = 1;
  }
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    if (event->kind == MLOOM_JOB_EVENT_TOOL_END && event->state == MLOOM_CHECK_PASS &&
        strcmp(event->name, steps[i].tool) == 0) {
      test->done[steps[i].step] = 1;
    }
  }
}

static int target_is_edited(const self_test *test) {
  char path[PATH_MAX + 32];
  char expected[160];
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer content = MLOOM_BUFFER_INIT;
  snprintf(path, sizeof(path), "%s/" TARGET_FILE, test->folder);
  snprintf(expected, sizeof(expected), TARGET_FORMAT, test->code);
  return mloom_file_read(&content, path, 4096, MLOOM_DOMAIN_READINESS, NULL) == MLOOM_OK &&
         strcmp(mloom_buffer_string(&content), expected) == 0;
}

static void judge(self_test *test, const mloom_result *result, mloom_self_test_outcome *out) {
  mloom_error reason = MLOOM_ERROR_INIT;
  uint32_t state = mloom_result_state(result, &reason);
  const char *summary = mloom_json_member_string(mloom_result_document(result), "summary", "");
  test->done[MLOOM_SELF_TEST_EDIT] = target_is_edited(test) != 0;
  test->done[MLOOM_SELF_TEST_SUBMIT] = state == MLOOM_JOB_COMPLETED && strstr(summary, test->confirmation) != NULL;
  if (test->is_agent) {
    judge_agent(test, state == MLOOM_JOB_COMPLETED, summary);
  } else if (test->command[0] == '\0') {
    test->done[MLOOM_SELF_TEST_COMMAND] = 1;
  }
  out->step = 0;
  while (out->step < MLOOM_SELF_TEST_STEPS && test->done[out->step]) {
    out->step++;
  }
  out->passed = out->step == MLOOM_SELF_TEST_STEPS;
  out->calls_as_text = test->calls_as_text;
  out->without_command = test->is_agent ? test->digest == NULL : test->command[0] == '\0';
  out->turns = test->turns;
  out->input_tokens = test->input_tokens;
  out->output_tokens = test->output_tokens;
  out->error = (mloom_error)MLOOM_ERROR_INIT;
  if (state != MLOOM_JOB_COMPLETED) {
    out->error = reason;
  }
}

static int32_t execute(self_test *test, mloom_provider_instance *instance, const char *model,
                       mloom_self_test_outcome *out, mloom_error *error) {
  static const char parameters[] =
      "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\",\"description\":\"The code that was "
      "read.\"}},\"required\":[\"code\"],\"additionalProperties\":false}";
  static const mloom_tool tool = {.size = sizeof(tool),
                                  .name = EXCHANGE_TOOL,
                                  .description = "Exchanges the code of a check for its confirmation.",
                                  .parameters = {parameters, sizeof(parameters) - 1}};
  static const mloom_tool *const tools[] = {&tool};
  mloom_job_rules rules = *test->args->rules;
  rules.audit_path = NULL;
  rules.max_turns = MAX_TURNS;
  rules.max_tokens = MAX_TOKENS;
  rules.max_repair_attempts = 0;
  mloom_job *job = NULL;
  int32_t code = make_job(test, &job, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_clock *clock = test->args->call->clock;
  mloom_job_listener listener = {.event = watch, .userdata = test, .begin_ms = clock->monotonic_ms(clock)};
  mloom_job_run_args run = {.job = job,
                            .provider = instance,
                            .model = model,
                            .repository_path = test->folder,
                            .rules = &rules,
                            .listener = &listener,
                            .redactor = test->args->services->redactor,
                            .call = test->args->call,
                            .extra_tools = tools,
                            .extra_tool_count = 1,
                            .extra_tool = exchange_code,
                            .extra_tool_userdata = test};
  mloom_result *result = NULL;
  code = mloom_job_execute(&result, &run, error);
  if (code == MLOOM_OK) {
    judge(test, result, out);
    mloom_result_free(result);
  }
  mloom_job_free(job);
  return code;
}

int32_t mloom_self_test_run(mloom_self_test_outcome *out, const mloom_readiness_args *args,
                            mloom_provider_instance *instance, const char *model, mloom_error *error) {
  self_test test = {.args = args, .is_agent = args->entry->descriptor.shape == MLOOM_SHAPE_AGENT};
  int32_t code = make_code(test.code, "ML-", error);
  if (code == MLOOM_OK) {
    code = make_code(test.confirmation, "MC-", error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  snprintf(test.folder, sizeof(test.folder), "%s/mergeloom-self-test-XXXXXX", args->rules->scratch_path);
  if (mkdtemp(test.folder) == NULL) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_READINESS,
                                 "set JCA_WORKER_SCRATCH_PATH to a folder that this user can write to",
                                 "no scratch folder could be made in %s", args->rules->scratch_path);
  }
  choose_command(&test);
  code = make_folder(&test, error);
  if (code == MLOOM_OK && test.is_agent) {
    code = choose_digest(&test, error);
  }
  if (code == MLOOM_OK) {
    code = execute(&test, instance, model, out, error);
  }
  mloom_file_remove_tree(test.folder, NULL);
  return code;
}
