/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static void need(int holds, const char *what) {
  if (!holds) {
    perror(what);
    abort();
  }
}

/* The whole program runs without namespaces when it is built so: the sandbox must hold without them, too. */
int namespaces_refused(void) {
#ifdef WITHOUT_NAMESPACES
  return 1;
#else
  return 0;
#endif
}

__attribute__((constructor)) static void refuse_namespaces(void) {
  if (namespaces_refused()) {
    refuse_call(SYS_unshare, EPERM);
  }
}

#ifdef LANDLOCK_ABI
/* Answers the question for the Landlock ABI as an older kernel would. The rights and scopes that newer ABIs have are
 * then not asked for, which is what an older kernel amounts to. */
static void *answer_for_older_kernel(void *userdata) {
  int listener = *(int *)userdata;
  for (;;) {
    struct seccomp_notif notification;
    memset(&notification, 0, sizeof(notification));
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0) {
      struct seccomp_notif_resp response = {.id = notification.id, .val = LANDLOCK_ABI};
      ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
  }
  return NULL;
}

__attribute__((constructor)) static void be_older_kernel(void) {
  static int listener;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  need(listener >= 0, "seccomp");
  pthread_t thread;
  need(pthread_create(&thread, NULL, answer_for_older_kernel, &listener) == 0, "pthread_create");
  pthread_detach(thread);
}
#endif

void refuse_call(long call, int error_number) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error_number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  need(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "seccomp");
}

void fixture_new(fixture *self) {
  strcpy(self->root, "/tmp/mergeloom-process-XXXXXX");
  need(mkdtemp(self->root) != NULL, "mkdtemp");
  snprintf(self->workspace, sizeof(self->workspace), "%s/workspace", self->root);
  snprintf(self->outside, sizeof(self->outside), "%s/outside", self->root);
  snprintf(self->secret, sizeof(self->secret), "%s/secret", self->outside);
  need(mkdir(self->workspace, 0700) == 0 && mkdir(self->outside, 0700) == 0, "mkdir");
  FILE *file = fopen(self->secret, "w");
  need(file != NULL && fputs("not-a-real-secret", file) >= 0 && fclose(file) == 0, "secret");
}

void fixture_free(fixture *self) {
  mloom_file_remove_tree(self->root, NULL);
}

void outcome_free(outcome *self) {
  mloom_buffer_free(&self->output);
  mloom_buffer_free(&self->error_output);
}

static const char *const clean_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};

mloom_process_plan fixture_plan(const fixture *self, const char *const *argv, const mloom_sandbox *sandbox) {
  const char *supervise = getenv("MERGELOOM_SUPERVISE");
  need(supervise != NULL, "MERGELOOM_SUPERVISE");
  return (mloom_process_plan){.supervise_path = supervise,
                              .argv = argv,
                              .environment = clean_environment,
                              .working_directory = self->workspace,
                              .sandbox = sandbox,
                              .limits = {.total_timeout_ms = GUARD_MS, .grace_ms = 200}};
}

mloom_sandbox fixture_sandbox(const fixture *self) {
  /* One sandbox at a time in these tests. */
  static const char *write_paths[2];
  write_paths[0] = self->workspace;
  return (mloom_sandbox){NULL, write_paths, MLOOM_SANDBOX_REQUIRE, 0};
}

static int32_t keep_output(const char *data, size_t size, void *userdata) {
  return mloom_buffer_append(&((outcome *)userdata)->output, data, size);
}

static int32_t keep_error_output(const char *data, size_t size, void *userdata) {
  return mloom_buffer_append(&((outcome *)userdata)->error_output, data, size);
}

void fixture_run_plan(const mloom_call *call, const mloom_process_plan *plan, outcome *out) {
  *out = (outcome){.error = MLOOM_ERROR_INIT};
  mloom_process_sink sink = {sizeof(sink), 0, out, keep_output, keep_error_output, NULL};
  out->code = mloom_process_run(call, plan, &sink, &out->report, &out->error);
  if (out->error_output.size > 0) {
    fprintf(stderr, "[%s: %s]\n", plan->argv[0], mloom_buffer_string(&out->error_output));
  }
}

void fixture_shell(const fixture *self, int confined, const char *script, outcome *out) {
  const char *const argv[] = {"/bin/sh", "-c", script, NULL};
  mloom_sandbox sandbox = fixture_sandbox(self);
  mloom_process_plan plan = fixture_plan(self, argv, confined ? &sandbox : NULL);
  fixture_run_plan(NULL, &plan, out);
}

void fixture_python(const fixture *self, int confined, const char *script, const char *const *arguments, outcome *out) {
  const char *argv[16] = {"/usr/bin/python3", "-c", script};
  for (size_t i = 0; arguments != NULL && arguments[i] != NULL && i + 4 < 16; i++) {
    argv[i + 3] = arguments[i];
  }
  mloom_sandbox sandbox = fixture_sandbox(self);
  mloom_process_plan plan = fixture_plan(self, argv, confined ? &sandbox : NULL);
  fixture_run_plan(NULL, &plan, out);
}

static int holds_marker(const char *pid, const char *marker) {
  char path[64];
  char text[8192];
  snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
  if (fd >= 0) {
    close(fd);
  }
  return size > 0 && memmem(text, (size_t)size, marker, strlen(marker)) != NULL;
}

static int visit_processes_with(const char *marker, int signal_number) {
  DIR *folder = opendir("/proc");
  need(folder != NULL, "/proc");
  int count = 0;
  struct dirent *item;
  while ((item = readdir(folder)) != NULL) {
    pid_t pid = (pid_t)strtol(item->d_name, NULL, 10);
    if (pid > 0 && pid != getpid() && holds_marker(item->d_name, marker)) {
      count++;
      if (signal_number != 0) {
        kill(pid, signal_number);
      }
    }
  }
  closedir(folder);
  return count;
}

int count_processes_with(const char *marker) {
  return visit_processes_with(marker, 0);
}

int kill_processes_with(const char *marker) {
  return visit_processes_with(marker, SIGKILL);
}
