/* SPDX-License-Identifier: Apache-2.0
 *
 * Performs an exchange that is a program: its environment, its files, its lock, its sandbox.
 */
#include "provider/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "plugin/abi.h"
#include "process/process.h"

#define ERROR_OUTPUT_LIMIT 4096u
#define PROCESS_CEILING 1024u
#define LIST_LIMIT 256u
#define LOCK_FILE ".mergeloom-lock"
#define LOCK_POLL_MS 50
#define DEFAULT_COMPLETE_GRACE_MS 1000u

/* What one program needs, until it has ended. */
typedef struct program {
  mloom_process_request request;
  const char **environment; /* borrowed strings, then those of secrets */
  mloom_buffer *secrets;    /* one for each variable */
  const char **written;     /* paths of files, borrowed */
  size_t written_count;
  const char **read_paths;
  char *folder; /* of the program itself */
  int lock;
} program;

static void free_program(program *self) {
  for (size_t i = 0; self->secrets != NULL && i < self->request.variable_count; i++) {
    mloom_buffer_wipe(&self->secrets[i]);
  }
  for (size_t i = 0; i < self->written_count; i++) {
    unlink(self->written[i]);
  }
  free(self->secrets);
  free(self->environment);
  free(self->written);
  free(self->read_paths);
  free(self->folder);
  mloom_auto_close(&self->lock); /* which gives the lock up */
}

static int32_t refuse(const mloom_exchange_run *run, mloom_error *error, const char *what) {
  return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_PROVIDER, "report it to the author of the plugin",
                         "provider %s asks for %s", run->instance->entry->descriptor.id, what);
}

static size_t count_strings(const char *const *strings) {
  size_t count = 0;
  while (strings != NULL && strings[count] != NULL) {
    count++;
  }
  return count;
}

/* ---- Environment ---- */

static int has_variable(const char *const *list, const char *assignment) {
  size_t size = strcspn(assignment, "=") + 1;
  for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
    if (mloom_text_compare_start_fold(list[i], assignment, size) == 0) {
      return 1;
    }
  }
  return 0;
}

/* The plugin's environment and the proxy variables that it says nothing of. */
static int32_t set_environment(program *self, const char *const *outer, mloom_error *error) {
  static const char *const names[] = {"http_proxy=", "https_proxy=", "all_proxy=", "no_proxy="};
  const char *const *own = self->request.environment;
  size_t count = count_strings(own);
  size_t used = 0;
  self->environment = calloc(count + count_strings(outer) + self->request.variable_count + 1, sizeof(char *));
  if (self->environment == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count; i++) {
    self->environment[used++] = own[i];
  }
  for (size_t i = 0; outer != NULL && outer[i] != NULL; i++) {
    for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
      if (mloom_text_compare_start_fold(outer[i], names[j], strlen(names[j])) == 0 && !has_variable(own, outer[i])) {
        self->environment[used++] = outer[i];
      }
    }
  }
  for (size_t i = 0; i < self->request.variable_count; i++) {
    self->environment[used++] = mloom_buffer_string(&self->secrets[i]);
  }
  return MLOOM_OK;
}

static int32_t add_secret(const mloom_exchange_run *run, mloom_buffer *out, const mloom_header *from,
                          mloom_error *error) {
  mloom_header variable;
  int32_t code = mloom_abi_import(&variable, sizeof(variable), from, "a variable of the program", error);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_bytes value = variable.secret != NULL ? mloom_secret_bytes(variable.secret) : (mloom_bytes){"", 0};
  if (variable.name == NULL || variable.name[0] == '\0' || strchr(variable.name, '=') != NULL) {
    return refuse(run, error, "a variable without a name");
  }
  if (memchr(value.data, '\0', value.size) != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROVIDER, "correct the secret",
                           "the secret for %s has a zero byte inside", variable.name);
  }
  const char *prefix = variable.value == NULL ? "" : variable.value;
  if (mloom_buffer_append_wiping(out, variable.name, strlen(variable.name)) != MLOOM_OK ||
      mloom_buffer_append_wiping(out, "=", 1) != MLOOM_OK ||
      mloom_buffer_append_wiping(out, prefix, strlen(prefix)) != MLOOM_OK ||
      mloom_buffer_append_wiping(out, value.data, value.size) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}

static int32_t set_secrets(program *self, const mloom_exchange_run *run, mloom_error *error) {
  size_t count = self->request.variable_count;
  if (count > LIST_LIMIT || (count > 0 && self->request.variables == NULL)) {
    self->request.variable_count = 0;
    return refuse(run, error, "variables that it does not give");
  }
  self->secrets = calloc(count + 1, sizeof(*self->secrets));
  if (self->secrets == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
    code = add_secret(run, &self->secrets[i], self->request.variables[i], error);
  }
  return code;
}

/* ---- Files ---- */

static int32_t write_files(program *self, const mloom_exchange_run *run, mloom_error *error) {
  size_t count = self->request.file_count;
  if (count > LIST_LIMIT || (count > 0 && self->request.files == NULL)) {
    return refuse(run, error, "files that it does not give");
  }
  self->written = calloc(count + 1, sizeof(*self->written));
  if (self->written == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
    mloom_process_file file;
    code = mloom_abi_import(&file, sizeof(file), self->request.files[i], "a file of the program", error);
    if (code == MLOOM_OK && (file.path == NULL || file.path[0] != '/')) {
      code = refuse(run, error, "a file without an absolute path");
    }
    if (code == MLOOM_OK) {
      code = mloom_file_put(file.path, file.content.data == NULL ? "" : file.content.data, file.content.size, 0700,
                            MLOOM_DOMAIN_PROVIDER, error);
    }
    if (code == MLOOM_OK) {
      self->written[self->written_count++] = file.path;
    }
  }
  return code;
}

/* ---- Lock ---- */

static int32_t take_lock(program *self, const mloom_call *call, mloom_error *error) {
  const char *folder = self->request.lock_directory;
  if (folder == NULL) {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_format(&path, "%s/" LOCK_FILE, folder) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  (void)mkdir(folder, 0700); /* the first login makes it */
  self->lock = open(mloom_buffer_string(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->lock < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_PROVIDER,
                                 "give the worker a folder for the login that it can write to",
                                 "the login folder %s cannot be locked", folder);
  }
  while (flock(self->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_PROVIDER,
                                   "keep the login folder on a file system that has locks",
                                   "the login folder %s cannot be locked", folder);
    }
    int32_t code = mloom_call_sleep_until(call, call->clock->monotonic_ms(call->clock) + LOCK_POLL_MS, error);
    if (code == MLOOM_E_TIMEOUT) {
      return mloom_error_set(error, code, MLOOM_DOMAIN_PROVIDER,
                             "give each worker a login of its own, or let them work one after the other",
                             "another process uses the login in %s all the time", folder);
    }
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

/* ---- Sandbox ---- */

/* The package that a program belongs to: the folder with all that was installed along with it. */
static int32_t find_folder(program *self, mloom_error *error) {
  char resolved[PATH_MAX];
  if (realpath(self->request.argv[0], resolved) == NULL) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_PROVIDER, "install it, or correct its path",
                                 "cannot run %s", self->request.argv[0]);
  }
  char *modules = strstr(resolved, "/node_modules/");
  char *end = modules != NULL ? modules + strlen("/node_modules") : strrchr(resolved, '/');
  *end = '\0';
  self->folder = mloom_text_dup(mloom_text_bytes(resolved[0] == '\0' ? "/" : resolved));
  return self->folder == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static int32_t set_sandbox(program *self, const mloom_exchange_run *run, mloom_sandbox *sandbox, mloom_error *error) {
  static const char *const nothing[] = {NULL};
  const mloom_provider_services *services = run->instance->services;
  size_t count = count_strings(self->request.read_paths);
  if (mloom_sandbox_landlock_abi() < 1) {
    /* Whatever the setting sandbox allows for commands: this one has the network and a login. */
    return mloom_error_set(error, MLOOM_E_UNSUPPORTED, MLOOM_DOMAIN_SANDBOX,
                           "run the worker on a kernel that has Landlock (5.13 or later), or use a program that "
                           "confines its commands itself",
                           "%s is held by the worker's sandbox alone, and that holds no files here: this kernel has no "
                           "Landlock",
                           self->request.argv[0]);
  }
  if (count > LIST_LIMIT || count_strings(self->request.write_paths) > LIST_LIMIT) {
    return refuse(run, error, "too many paths");
  }
  int32_t code = find_folder(self, error);
  if (code != MLOOM_OK) {
    return code;
  }
  self->read_paths = calloc(count + 3, sizeof(*self->read_paths));
  if (self->read_paths == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count; i++) {
    self->read_paths[i] = self->request.read_paths[i];
  }
  self->read_paths[count] = self->folder;
  self->read_paths[count + 1] = services->supervise_path; /* which the wrapper for commands calls */
  *sandbox = (mloom_sandbox){.read_paths = self->read_paths,
                             .write_paths = self->request.write_paths == NULL ? nothing : self->request.write_paths,
                             .mode = services->sandbox_mode,
                             .allow_network = 1};
  return MLOOM_OK;
}

/* ---- Running ---- */

static int32_t on_output(const char *data, size_t size, void *userdata) {
  return mloom_exchange_take_body(userdata, data, size);
}

static int32_t on_error_output(const char *data, size_t size, void *userdata) {
  mloom_exchange_run *run = userdata;
  if (size > ERROR_OUTPUT_LIMIT) {
    data += size - ERROR_OUTPUT_LIMIT;
    size = ERROR_OUTPUT_LIMIT;
  }
  if (mloom_buffer_append(&run->error_output, data, size) != MLOOM_OK) {
    return MLOOM_E_MEMORY;
  }
  if (run->error_output.size > ERROR_OUTPUT_LIMIT) {
    mloom_buffer_consume(&run->error_output, run->error_output.size - ERROR_OUTPUT_LIMIT);
  }
  return MLOOM_OK;
}

/* The last line of a program's stderr, for the error's message. */
static void last_line(const mloom_buffer *output, mloom_buffer *out) {
  mloom_bytes text = mloom_text_trim((mloom_bytes){mloom_buffer_string(output), output->size});
  size_t start = text.size;
  while (start > 0 && text.data[start - 1] != '\n') {
    start--;
  }
  size_t size = text.size - start > 300 ? 300 : text.size - start;
  (void)mloom_text_append_printable(out, text.data + start, size, 0);
}

static void judge_program(mloom_exchange_run *run, const mloom_process_report *report, const char *path) {
  run->end.exit_code = report->exit_code;
  run->end.signal = report->ended == MLOOM_PROCESS_SIGNALLED ? report->signal : 0;
  if (report->ended == MLOOM_PROCESS_TIMED_OUT || report->ended == MLOOM_PROCESS_IDLE) {
    run->end.outcome = mloom_error_set(
        &run->reason, MLOOM_E_TIMEOUT, MLOOM_DOMAIN_PROVIDER,
        "raise the provider's time-outs, or look why the program does not get on", "%s was ended: %s", path,
        report->ended == MLOOM_PROCESS_IDLE ? "it was silent for too long" : "it ran for too long");
  } else if (report->ended == MLOOM_PROCESS_OUTPUT_LIMIT) {
    run->end.outcome = mloom_error_set(
        &run->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER, "look at what the program writes, or split the ticket",
        "%s was ended: it wrote more than %llu MB", path, (unsigned long long)(MLOOM_ANSWER_LIMIT >> 20));
  } else if (report->ended == MLOOM_PROCESS_TOO_MANY) {
    run->end.outcome =
        mloom_error_set(&run->reason, MLOOM_E_LIMIT, MLOOM_DOMAIN_PROVIDER, "look at what the program starts",
                        "%s was ended: it had more than %u processes", path, PROCESS_CEILING);
  } else if (report->ended == MLOOM_PROCESS_SIGNALLED && report->signal == SIGKILL) {
    /* Nobody here has sent it. Who did is told by the kernel's log only. */
    mloom_error_set(
        &run->reason, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_PROVIDER,
        "give the worker more memory, or let it run fewer jobs at once; the kernel's log (dmesg) and "
        "memory.events of its control group tell whether memory was short",
        "%s was killed with signal 9, as the kernel does when memory runs out; the largest of its processes "
        "had used %lld MB",
        path, (long long)(report->max_rss_kib / 1024));
  } else if (report->ended == MLOOM_PROCESS_SIGNALLED ||
             (report->ended == MLOOM_PROCESS_EXITED && report->exit_code != 0)) {
    /* Not an outcome of the exchange: the plugin judges the exit status. Kept in case it has nothing to say. */
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    last_line(&run->error_output, &line);
    mloom_error_set(&run->reason, MLOOM_E_UNAVAILABLE, MLOOM_DOMAIN_PROVIDER,
                    "run the program by hand with the same settings", "%s ended with %s %d%s%s", path,
                    report->ended == MLOOM_PROCESS_SIGNALLED ? "signal" : "status",
                    (int)(report->ended == MLOOM_PROCESS_SIGNALLED ? report->signal : report->exit_code),
                    line.size == 0 ? "" : ": ", mloom_buffer_string(&line));
  }
}

static void run_program(mloom_exchange_run *run, program *self, const mloom_sandbox *sandbox) {
  const mloom_process_request *request = &self->request;
  uint64_t grace = request->complete_grace_ms != 0 ? request->complete_grace_ms : DEFAULT_COMPLETE_GRACE_MS;
  mloom_process_plan plan = {.supervise_path = run->instance->services->supervise_path,
                             .argv = request->argv,
                             .environment = self->environment,
                             .working_directory = request->working_directory,
                             .input = request->input,
                             .sandbox = sandbox,
                             .limits = {.total_timeout_ms = request->total_timeout_ms,
                                        .idle_timeout_ms = request->idle_timeout_ms,
                                        .grace_ms = 1000,
                                        .output_bytes = MLOOM_ANSWER_LIMIT,
                                        .processes = PROCESS_CEILING,
                                        .complete_grace_ms = grace},
                             .terminal = (request->flags & MLOOM_PROCESS_TERMINAL) != 0,
                             .typed = run->typed};
  mloom_process_sink sink = {
      .size = (uint32_t)sizeof(sink), .userdata = run, .output = on_output, .error_output = on_error_output};
  mloom_process_report report;
  memset(&report, 0, sizeof(report));
  mloom_error reason = MLOOM_ERROR_INIT;
  run->end.outcome = mloom_process_run(run->call, &plan, &sink, &report, &reason);
  if (run->end.outcome == MLOOM_OK) {
    judge_program(run, &report, request->argv[0]);
  } else if (run->reason.message[0] == '\0') {
    mloom_error_copy(&run->reason, &reason);
  }
}

int32_t mloom_exchange_perform_program(mloom_exchange_run *run, mloom_error *error) {
  MLOOM_AUTO(free_program) program self = {.lock = -1};
  mloom_sandbox sandbox;
  int32_t code = mloom_abi_import(&self.request, sizeof(self.request), run->exchange->process,
                                  "the program of the exchange", error);
  if (code != MLOOM_OK) {
    self.request.variable_count = 0;
    return code;
  }
  if (self.request.argv == NULL || self.request.argv[0] == NULL) {
    self.request.variable_count = 0;
    return refuse(run, error, "a program without a name");
  }
  int confined = (self.request.flags & MLOOM_PROCESS_CONFINED) != 0;
  code = set_secrets(&self, run, error);
  code = code == MLOOM_OK ? set_environment(&self, run->instance->services->environment, error) : code;
  code = code == MLOOM_OK && confined ? set_sandbox(&self, run, &sandbox, error) : code;
  code = code == MLOOM_OK ? take_lock(&self, run->call, error) : code;
  code = code == MLOOM_OK ? write_files(&self, run, error) : code;
  if (code == MLOOM_OK) {
    run_program(run, &self, confined ? &sandbox : NULL);
  }
  return code;
}
