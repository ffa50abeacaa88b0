/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof: what may not be reached is put up outside, an attacker is run inside, and then it is looked whether
 * anything of it was reached.
 */
#include "process/sandbox_proof.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "process/process.h"
#include "process/supervise_protocol.h"

#define ATTACK_TIMEOUT_MS 10000
#define OUTPUT_LIMIT 65536

int32_t mloom_sandbox_landlock_abi(void) {
  const uint32_t ask_for_version = 1;
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ask_for_version);
  return abi < 1 ? 0 : (int32_t)abi;
}

/* What is put up. */
typedef struct targets {
  char nonce[33];
  mloom_buffer folder;
  mloom_buffer outside;
  mloom_buffer inside;
  mloom_buffer secret;
  mloom_buffer untouched; /* a file that nobody may change */
  mloom_buffer socket_path;
  char abstract_name[48];
  int tcp;
  int udp;
  int local; /* Unix socket with a path; -1 where the path is too long for one */
  int abstract;
  uint16_t tcp_port;
  uint16_t udp_port;
  pid_t victim;
  int victim_input; /* its end is the victim's end */
} targets;

static void end_victim(targets *self) {
  if (self->victim > 0) {
    mloom_auto_close(&self->victim_input);
    self->victim_input = -1;
    kill(self->victim, SIGKILL);
    while (waitpid(self->victim, NULL, 0) < 0 && errno == EINTR) {
    }
    self->victim = 0;
  }
}

static void free_targets(targets *self) {
  end_victim(self);
  if (self->folder.size > 0) {
    mloom_file_remove_tree(self->folder.data, NULL);
  }
  mloom_buffer_free(&self->folder);
  mloom_buffer_free(&self->outside);
  mloom_buffer_free(&self->inside);
  mloom_buffer_free(&self->secret);
  mloom_buffer_free(&self->untouched);
  mloom_buffer_free(&self->socket_path);
  mloom_auto_close(&self->tcp);
  mloom_auto_close(&self->udp);
  mloom_auto_close(&self->local);
  mloom_auto_close(&self->abstract);
}

static int32_t fail(mloom_error *error, const char *remedy, const char *what) {
  return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_SANDBOX, remedy, "cannot try the sandbox: %s", what);
}

static int make_nonce(char out[33]) {
  unsigned char random[16];
  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
    return -1;
  }
  for (size_t i = 0; i < sizeof(random); i++) {
    snprintf(out + 2 * i, 3, "%02x", random[i]);
  }
  return 0;
}

static int write_new(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return -1;
  }
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  return written == (ssize_t)strlen(text) ? 0 : -1;
}

static int32_t make_files(targets *self, const char *scratch_path, mloom_error *error) {
  static const char remedy[] = "set JCA_WORKER_SCRATCH_PATH to a folder that this user can write to";
  if (make_nonce(self->nonce) != 0) {
    return fail(error, NULL, "no random numbers");
  }
  if (mloom_buffer_append_format(&self->folder, "%s/sandbox-proof-XXXXXX", scratch_path) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mkdtemp(self->folder.data) == NULL) {
    mloom_buffer_clear(&self->folder);
    return fail(error, remedy, scratch_path);
  }
  if (mloom_buffer_append_format(&self->outside, "%s/outside", self->folder.data) != MLOOM_OK ||
      mloom_buffer_append_format(&self->inside, "%s/inside", self->folder.data) != MLOOM_OK ||
      mloom_buffer_append_format(&self->secret, "%s/secret", self->outside.data) != MLOOM_OK ||
      mloom_buffer_append_format(&self->untouched, "%s/victim", self->outside.data) != MLOOM_OK ||
      mloom_buffer_append_format(&self->socket_path, "%s/socket", self->outside.data) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (mkdir(self->outside.data, 0700) != 0 || mkdir(self->inside.data, 0700) != 0 ||
      write_new(self->secret.data, self->nonce) != 0 || write_new(self->untouched.data, self->nonce) != 0) {
    return fail(error, remedy, self->folder.data);
  }
  return MLOOM_OK;
}

static int listen_on_loopback(int type, uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || (type == SOCK_STREAM && listen(fd, 4) != 0) ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    if (fd >= 0) {
      close(fd);
    }
    return -1;
  }
  *port = ntohs(address.sin_port);
  return fd;
}

static int listen_on_path(const char *path, size_t path_size, int is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path_size + 2 > sizeof(address.sun_path)) {
    return -1;
  }
  memcpy(address.sun_path + is_abstract, path, path_size);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_size + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4) != 0)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* A machine without loopback or Unix sockets has nothing to attack there: -1 stays. */
static void open_sockets(targets *self) {
  self->tcp = listen_on_loopback(SOCK_STREAM, &self->tcp_port);
  self->udp = listen_on_loopback(SOCK_DGRAM, &self->udp_port);
  self->local = listen_on_path(self->socket_path.data, self->socket_path.size, 0);
  snprintf(self->abstract_name, sizeof(self->abstract_name), "mergeloom-%s", self->nonce);
  self->abstract = listen_on_path(self->abstract_name, strlen(self->abstract_name), 1);
}

static int32_t start_victim(targets *self, const char *supervise_path, mloom_error *error) {
  int fds[2];
  char *const arguments[] = {(char[]){"mergeloom-supervise"}, (char[]){"--attack"}, (char[]){"victim"}, NULL};
  char *const environment[] = {NULL};
  posix_spawn_file_actions_t actions;
  if (pipe2(fds, O_CLOEXEC) != 0) {
    return fail(error, "raise the limit of open files", "no pipe");
  }
  int failed = posix_spawn_file_actions_init(&actions);
  if (failed == 0) {
    failed = posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
    failed = failed ? failed : posix_spawn(&self->victim, supervise_path, &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
  }
  close(fds[0]);
  if (failed != 0) {
    close(fds[1]);
    self->victim = 0;
    errno = failed;
    return fail(error, "install mergeloom-supervise, or name its path in MERGELOOM_SUPERVISE", supervise_path);
  }
  self->victim_input = fds[1];
  return MLOOM_OK;
}

static int32_t keep_output(const char *data, size_t size, void *userdata) {
  return mloom_buffer_append(userdata, data, size);
}

static int32_t attack(const mloom_call *call, const targets *self, const char *supervise_path, int confined,
                      mloom_buffer *output, mloom_process_report *report, mloom_error *error) {
  char tcp_port[8];
  char udp_port[8];
  char victim[16];
  snprintf(tcp_port, sizeof(tcp_port), "%u", self->tcp_port);
  snprintf(udp_port, sizeof(udp_port), "%u", self->udp_port);
  snprintf(victim, sizeof(victim), "%d", (int)self->victim);
  const char *const arguments[] = {supervise_path,      "--attack", "all",    self->outside.data,
                                   self->inside.data,   tcp_port,   udp_port, self->socket_path.data,
                                   self->abstract_name, victim,     NULL};
  const char *const environment[] = {NULL};
  const char *const read_paths[] = {supervise_path, NULL};
  const char *const write_paths[] = {self->inside.data, NULL};
  mloom_sandbox sandbox = {read_paths, write_paths, MLOOM_SANDBOX_BEST_EFFORT, 0};
  mloom_process_plan plan = {.supervise_path = supervise_path,
                             .argv = arguments,
                             .environment = environment,
                             .working_directory = self->inside.data,
                             .sandbox = confined ? &sandbox : NULL,
                             .limits = {.total_timeout_ms = ATTACK_TIMEOUT_MS, .output_bytes = OUTPUT_LIMIT}};
  mloom_process_sink sink = {sizeof(sink), 0, output, keep_output, NULL, NULL};
  return mloom_process_run(call, &plan, &sink, report, error);
}

/* ---- Judging ---- */

static int has_line(const mloom_buffer *output, const char *line) {
  size_t length = strlen(line);
  for (const char *at = mloom_buffer_string(output); (at = strstr(at, line)) != NULL; at += length) {
    if ((at == output->data || at[-1] == '\n') && at[length] == '\n') {
      return 1;
    }
  }
  return 0;
}

/* 1 when the file still holds the nonce and has one name. */
static int is_untouched(const char *path, const char *nonce) {
  char text[64] = "";
  struct stat status;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
  int same =
      size == (ssize_t)strlen(nonce) && strcmp(text, nonce) == 0 && fstat(fd, &status) == 0 && status.st_nlink == 1;
  if (fd >= 0) {
    close(fd);
  }
  return same;
}

static int exists(const targets *self, const char *name) {
  int folder = open(self->outside.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat status;
  int found = folder >= 0 && fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (folder >= 0) {
    close(folder);
  }
  return found;
}

static int files_held(const targets *self, const mloom_buffer *output) {
  return strstr(mloom_buffer_string(output), self->nonce) == NULL && is_untouched(self->secret.data, self->nonce) &&
         is_untouched(self->untouched.data, self->nonce) && !exists(self, "created") && !exists(self, "moved") &&
         !exists(self, "folder");
}

static int was_reached(int listener) {
  int accepted = listener < 0 ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (accepted >= 0) {
    close(accepted);
  }
  return accepted >= 0;
}

static int network_held(const targets *self) {
  char byte;
  return !was_reached(self->tcp) && !was_reached(self->local) && !was_reached(self->abstract) &&
         (self->udp < 0 || recv(self->udp, &byte, 1, MSG_DONTWAIT) < 0);
}

/* The victim would have died of the signal; whether it was read or traced only the attacker knows. In a process
 * namespace its number may belong to somebody within, which proves nothing against the sandbox. */
static int processes_held(targets *self, const mloom_buffer *output, uint32_t layers) {
  int alive = self->victim > 0 && waitpid(self->victim, NULL, WNOHANG) == 0;
  if (!alive) {
    self->victim = 0;
    mloom_auto_close(&self->victim_input);
    self->victim_input = -1;
    return 0;
  }
  if ((layers & SUPERVISE_PID_NAMESPACE) != 0) {
    return 1;
  }
  return !has_line(output, "environment done") && !has_line(output, "memory done") && !has_line(output, "copy done") &&
         !has_line(output, "trace done") && !has_line(output, "signal done");
}

/* The daemon locked the file as long as it lived. */
static int tree_held(const targets *self, const mloom_buffer *output) {
  int folder = open(self->inside.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = folder < 0 ? -1 : openat(folder, "alive", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int free_again = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (fd >= 0) {
    close(fd);
  }
  if (folder >= 0) {
    close(folder);
  }
  return has_line(output, "daemon done") && free_again;
}

static void describe(mloom_sandbox_proof *proof, const mloom_buffer *output, const mloom_process_report *report) {
  char landlock[32] = "no Landlock";
  if (report->landlock_abi > 0) {
    snprintf(landlock, sizeof(landlock), "Landlock ABI %d", (int)report->landlock_abi);
  }
  int used = snprintf(proof->detail, sizeof(proof->detail), "%s, %ssystem call filter, %s", landlock,
                      (report->layers & SUPERVISE_SYSCALL_FILTER) != 0 ? "" : "no ",
                      (report->layers & SUPERVISE_PID_NAMESPACE) != 0 ? "own namespaces" : "no namespaces");
  if (proof->files && proof->network && proof->processes && proof->tree) {
    const char *note = has_line(output, "mode done") ? "; modes of own files outside can be changed" : "";
    snprintf(proof->detail + used, sizeof(proof->detail) - (size_t)used,
             ": files, network, processes and the end of daemons hold%s", note);
    return;
  }
  snprintf(proof->detail + used, sizeof(proof->detail) - (size_t)used, ": does not hold:%s%s%s%s",
           proof->files ? "" : " files", proof->network ? "" : " network", proof->processes ? "" : " processes",
           proof->tree ? "" : " the end of daemons");
}

static int32_t put_up(targets *self, const char *supervise_path, const char *scratch_path, mloom_error *error) {
  int32_t code = make_files(self, scratch_path, error);
  if (code == MLOOM_OK) {
    open_sockets(self);
    code = start_victim(self, supervise_path, error);
  }
  return code;
}

int32_t mloom_sandbox_prove_as(const mloom_call *call, const char *supervise_path, const char *scratch_path,
                               int confined, mloom_sandbox_proof *proof, mloom_error *error) {
  *proof = (mloom_sandbox_proof){.landlock_abi = mloom_sandbox_landlock_abi()};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer output = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(free_targets) targets self = {.tcp = -1, .udp = -1, .local = -1, .abstract = -1, .victim_input = -1};
  mloom_process_report report;
  int32_t code = put_up(&self, supervise_path, scratch_path, error);
  if (code == MLOOM_OK) {
    code = attack(call, &self, supervise_path, confined, &output, &report, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  if (!has_line(&output, "own done") || !has_line(&output, "finished")) {
    return mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_SANDBOX, NULL,
                           "cannot try the sandbox: the attacker did not get to its end (exit code %d, signal %d)",
                           (int)report.exit_code, (int)report.signal);
  }
  proof->landlock_abi = report.landlock_abi;
  proof->files = (uint32_t)files_held(&self, &output);
  proof->network = (uint32_t)network_held(&self);
  proof->processes = (uint32_t)processes_held(&self, &output, report.layers);
  proof->tree = (uint32_t)tree_held(&self, &output);
  describe(proof, &output, &report);
  return MLOOM_OK;
}

int32_t mloom_sandbox_prove(const mloom_call *call, const char *supervise_path, const char *scratch_path,
                            mloom_sandbox_proof *proof, mloom_error *error) {
  return mloom_sandbox_prove_as(call, supervise_path, scratch_path, 1, proof, error);
}
