/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloomd: the provider page, the API and the jobs of one worker.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"
#include "backup_command.h"
#include "base/error.h"
#include "check_config.h"
#include "heap.h"
#include "listener.h"
#include "runner.h"

#define EXIT_USAGE 2
#define FIRST_SOCKET 3
#define FILES_WANTED 4096
#define DATABASE_WAIT_SECONDS 30
#define ENTER_SECONDS 10

extern char **environ;

static void write_log(int32_t level, const char *component, const char *message, void *userdata) {
  /* Levels as the journal reads them. */
  static const int priorities[] = {3, 4, 6, 7};
  (void)userdata;
  if (getenv("JOURNAL_STREAM") != NULL) {
    fprintf(stderr, "<%d>", priorities[level & 3]);
  }
  fprintf(stderr, "%s: %s\n", component, message);
}

static void redact(mloom_buffer *text, void *userdata) {
  mloom_redactor_apply(userdata, text);
}

static int complain(const mloom_error *error) {
  fprintf(stderr, "mergeloomd: %s%s%s\n", error->message, error->remedy[0] == '\0' ? "" : "; ", error->remedy);
  return 1;
}

/* ---- Service manager ---- */

/* Tells a service manager, if one listens. */
static void notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) {
    return;
  }
  strcpy(address.sun_path, path);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  if (path[0] == '@') {
    address.sun_path[0] = '\0';
  }
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    close(fd);
  }
}

/* The socket that a service manager has opened for us, or -1. */
static int activated_socket(void) {
  const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
  if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid() || strtol(count, NULL, 10) < 1) {
    return -1;
  }
  (void)fcntl(FIRST_SOCKET, F_SETFD, FD_CLOEXEC);
  return FIRST_SOCKET;
}

/* What a service manager has opened is held to the same rules as an address of the settings. */
static int32_t check_activated_socket(const application *self, int fd, int *is_local, mloom_error *error) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  char host[INET6_ADDRSTRLEN] = "";
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 || address.ss_family == AF_UNIX) {
    *is_local = 1;
    return MLOOM_OK;
  }
  const void *bytes = address.ss_family == AF_INET ? (const void *)&((struct sockaddr_in *)&address)->sin_addr
                                                   : (const void *)&((struct sockaddr_in6 *)&address)->sin6_addr;
  (void)inet_ntop(address.ss_family, bytes, host, sizeof host);
  *is_local = deployment_is_loopback(host);
  return deployment_check_address(&self->deployment, host, error);
}

/* ---- Parts ---- */

static void wake(void *userdata) {
  app_wake(userdata);
}

static const char *program_path(const char *variable, const char *installed) {
  const char *given = getenv(variable);
  return given != NULL && given[0] == '/' ? given : installed;
}

/* Before anything else is done: a daemon whose address another one has, and that is started again and again, must not
 * lengthen leases each time. */
static int32_t open_listener(application *self, mloom_error *error) {
  const char *host = mloom_settings_string(self->deployment.settings, "host", "127.0.0.1");
  uint16_t port = (uint16_t)mloom_settings_integer(self->deployment.settings, "port", 8010);
  self->listen_fd = activated_socket();
  self->is_local = deployment_is_loopback(host);
  return self->listen_fd >= 0 ? check_activated_socket(self, self->listen_fd, &self->is_local, error)
                              : listener_open(&self->listen_fd, host, port, error);
}

static int32_t start_server(application *self, mloom_error *error) {
  http_options options = {.listen_fd = self->listen_fd,
                          .threads = 3,
                          .connection_limit = 2000,
                          .connections_of_one_address = self->is_local ? 0 : 200,
                          .idle_seconds = 60,
                          .request_seconds =
                              (unsigned)mloom_settings_integer(self->deployment.settings, "request_seconds", 30),
                          .admit = app_admit,
                          .handler = app_handle,
                          .userdata = self,
                          .log = &self->log};
  return http_server_new(&self->server, &options, error);
}

static void refresh_providers(application *self) {
  mloom_error why = MLOOM_ERROR_INIT;
  if (catalogue_refresh(self->catalogue, &why) != MLOOM_OK ||
      (self->exports != NULL && exports_refresh(self->exports, &why) != MLOOM_OK)) {
    mloom_log_write(&self->log, MLOOM_LOG_ERROR, "providers", "%s; %s", why.message, why.remedy);
  }
}

static void refresh(application *self) {
  refresh_providers(self);
  (void)catalogue_check(self->catalogue, NULL, 0, NULL);
  app_wake(self);
}

/* Another daemon has written to the database that we share. */
static void follow_store(int settings, const char *owner, void *userdata) {
  application *self = userdata;
  if (settings) {
    refresh_providers(self);
    (void)catalogue_check(self->catalogue, owner != NULL && strcmp(owner, "worker") == 0 ? NULL : owner, 0, NULL);
  }
  app_wake(self);
}

static void count_end(const char *state, const char *result, void *userdata) {
  job_metrics_note(userdata, state, result);
}

/* The gateway's settings changed. */
static void follow_gateway(void *userdata) {
  refresh(userdata);
}

static int32_t start_gateway_side(application *self, mloom_error *error) {
  self->fleet = fleet_new();
  int32_t code = self->fleet == NULL ? mloom_error_memory(error)
                                     : exports_new(&self->exports, self->catalogue, &self->programs,
                                                   deployment_secret(&self->deployment, "cluster_token"), error);
  return code != MLOOM_OK ? code : store_extend_leases(self->store, self->deployment.name, app_lease_ms(self), error);
}

static int32_t start_executor_side(application *self, mloom_error *error) {
  const gateway_options options = {.deployment = &self->deployment,
                                   .catalogue = self->catalogue,
                                   .log = &self->log,
                                   .follow_settings = self->deployment.provider_mode == DEPLOYMENT_MODE_GATEWAY ||
                                                      self->deployment.runtime_mode == DEPLOYMENT_MODE_GATEWAY,
                                   .changed = follow_gateway,
                                   .userdata = self};
  gateway_client *gateway = NULL;
  int32_t code = gateway_client_new(&gateway, &options, error);
  pthread_mutex_lock(&self->lock);
  self->gateway = gateway;
  pthread_mutex_unlock(&self->lock);
  return code;
}

static int32_t start_runner(application *self, mloom_error *error) {
  self->local_jobs = (local_jobs){self->store, self->deployment.name, app_lease_ms(self), 0};
  const job_source jobs =
      self->gateway != NULL ? gateway_client_jobs(self->gateway) : job_source_of_store(&self->local_jobs);
  struct runner *started = NULL;
  int32_t code = runner_new(&started, self, &jobs, error);
  pthread_mutex_lock(&self->lock);
  self->runner = started;
  pthread_mutex_unlock(&self->lock);
  return code;
}

static int32_t start(application *self, mloom_error *error) {
  int32_t code = open_listener(self, error);
  code = code != MLOOM_OK
             ? code
             : quarantine_new(&self->programs.quarantine, self->store, self->deployment.name, &self->log, error);
  const catalogue_options catalogue_settings = {
      .programs = &self->programs,
      .store = self->store,
      .log = &self->log,
      .use_stored_providers = self->deployment.provider_mode == DEPLOYMENT_MODE_UI,
      .check_timeout_ms = mloom_settings_integer(self->deployment.settings, "check_seconds", 300) * 1000,
      .use_stored_worker = self->deployment.runtime_mode == DEPLOYMENT_MODE_UI,
      .changed = wake,
      .userdata = self};
  code = code != MLOOM_OK ? code : catalogue_new(&self->catalogue, &catalogue_settings, error);
  const logins_options login_settings = {.programs = &self->programs,
                                         .catalogue = self->catalogue,
                                         .store = self->store,
                                         .changed = wake,
                                         .userdata = self};
  code = code != MLOOM_OK ? code : logins_new(&self->logins, &login_settings, error);
  int is_executor = self->deployment.role == DEPLOYMENT_EXECUTOR;
  store_set_log(self->store, &self->log);
  self->job_metrics = job_metrics_new();
  code = code == MLOOM_OK && self->job_metrics == NULL ? mloom_error_memory(error) : code;
  store_on_end(self->store, count_end, self->job_metrics);
  code = code != MLOOM_OK ? code : guard_new(&self->guard, &self->deployment, 0, error);
  code = code == MLOOM_OK && !is_executor ? start_gateway_side(self, error) : code;
  code = code != MLOOM_OK ? code : start_server(self, error);
  code = code != MLOOM_OK ? code : store_watch(self->store, follow_store, self, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (http_server_port(self->server) == 0) {
    puts("mergeloomd: listening on the service manager's socket");
  } else {
    printf("mergeloomd: http://%s:%u/providers\n",
           mloom_settings_string(self->deployment.settings, "host", "127.0.0.1"), http_server_port(self->server));
  }
  fflush(stdout);
  notify("READY=1\nSTATUS=describing providers");
  refresh(self);
  notify("STATUS=running");
  code = is_executor ? start_executor_side(self, error) : MLOOM_OK;
  return code != MLOOM_OK || !deployment_takes_jobs(&self->deployment) ? code : start_runner(self, error);
}

static void stop(application *self) {
  notify("STOPPING=1");
  if (self->server != NULL) {
    http_server_quiesce(self->server);
  }
  atomic_store(&self->local_jobs.hurried, 1);
  if (self->gateway != NULL) {
    gateway_client_hurry(self->gateway);
  }
  if (self->runner != NULL) {
    runner_stop(self->runner, mloom_settings_integer(self->deployment.settings, "stop_grace_seconds", 20) * 1000);
  }
  pthread_mutex_lock(&self->lock);
  struct runner *ended = self->runner;
  self->runner = NULL;
  pthread_mutex_unlock(&self->lock);
  runner_free(ended);
  if (self->store != NULL) {
    store_unwatch(self->store);
  }
  /* Handlers use all that is freed here, and checks that end wake the server. */
  http_server_stop(self->server);
  catalogue_stop(self->catalogue);
  logins_free(self->logins);
  gateway_client_free(self->gateway);
  catalogue_free(self->catalogue);
  http_server_free(self->server);
  exports_free(self->exports);
  quarantine_free(self->programs.quarantine);
  fleet_free(self->fleet);
  job_metrics_free(self->job_metrics);
  guard_free(self->guard);
}

static int wait_for_signal(const sigset_t *signals) {
  int number = 0;
  while (sigwait(signals, &number) != 0) {
  }
  return number;
}

/* A database that is away may be starting as we are. */
static int32_t open_store(application *self, const sigset_t *signals, mloom_error *error) {
  const struct timespec pause = {.tv_sec = 1};
  int32_t code = MLOOM_OK;
  for (int i = 0; i <= DATABASE_WAIT_SECONDS; i++) {
    code = store_open(&self->store, &self->deployment, error);
    if (code != MLOOM_E_UNAVAILABLE) {
      break;
    }
    if (i == 0) {
      mloom_log_write(&self->log, MLOOM_LOG_WARNING, "store", "%s; waiting for it", error->message);
      notify("STATUS=waiting for the database");
    }
    if (sigtimedwait(signals, NULL, &pause) > 0) {
      break;
    }
  }
  return code;
}

static void log_unused(const char *note, void *userdata) {
  mloom_log_write(userdata, MLOOM_LOG_INFO, "settings", "%s", note);
}

static int serve(application *self) {
  mloom_error error = MLOOM_ERROR_INIT;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  deployment_each_unused(&self->deployment, log_unused, &self->log);
  int status = open_store(self, &signals, &error) == MLOOM_OK && start(self, &error) == MLOOM_OK ? 0 : complain(&error);
  if (status == 0) {
    (void)store_add_audit(self->store, "daemon", self->deployment.name, "started", NULL);
    int number = wait_for_signal(&signals);
    while (number == SIGHUP) {
      refresh(self);
      number = wait_for_signal(&signals);
    }
  }
  stop(self);
  store_close(self->store);
  return status;
}

static int rotate_key(application *self) {
  mloom_error error = MLOOM_ERROR_INIT;
  int status = store_open(&self->store, &self->deployment, &error) == MLOOM_OK &&
                       store_rotate_key(self->store, &error) == MLOOM_OK
                   ? 0
                   : complain(&error);
  if (status == 0) {
    printf("mergeloomd: stored secrets are sealed with a new key in %s\n", self->deployment.secret_key_path);
  }
  store_close(self->store);
  return status;
}

static int usage(FILE *out, int status) {
  fputs("usage: mergeloomd [--check-config | --help | --version]\n"
        "       mergeloomd backup [--with-key] [--force] FILE\n"
        "       mergeloomd restore [--without-secrets] FILE\n"
        "       mergeloomd rotate-key\n\n"
        "Serves the provider page and the API of this worker. Everything is set by environment variables, mounted\n"
        "secrets and the configuration file; --check-config shows what is in effect and where it comes from.\n\n"
        "backup writes settings, jobs and audit to FILE while the daemon runs, without the key of the secrets unless\n"
        "--with-key is given; --force replaces FILE. restore puts them back: stop the daemon first. Secrets whose key "
        "is\n"
        "not there are given up with --without-secrets only. rotate-key seals the stored secrets under a new key; a\n"
        "running daemon follows.\n",
        out);
  return status;
}

static int back_up_or_restore(application *self, int count, char **words) {
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = backup_command_run(&self->deployment, words[0], count - 1, words + 1, &error);
  return code == MLOOM_OK ? 0 : code == BACKUP_USAGE ? usage(stderr, EXIT_USAGE) : complain(&error);
}

static int run(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  mloom_error error = MLOOM_ERROR_INIT;
  application self = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .log = {.write = write_log, .level = MLOOM_LOG_INFO},
                      .started_ms = mloom_clock_system()->wall_ms(mloom_clock_system())};
  if (!backup_command_is(word) &&
      (argc > 2 || (argc == 2 && strcmp(word, "--check-config") != 0 && strcmp(word, "rotate-key") != 0))) {
    return usage(stderr, EXIT_USAGE);
  }
  self.programs =
      (child_programs){.worker_path = program_path("MERGELOOM_WORKER", MLOOM_LIBEXEC_DIR "/mergeloom-worker"),
                       .supervise_path = program_path("MERGELOOM_SUPERVISE", MLOOM_LIBEXEC_DIR "/mergeloom-supervise"),
                       .environment = (const char *const *)environ,
                       .log = &self.log};
  int status = deployment_read(&self.deployment, (const char *const *)environ, &error) == MLOOM_OK ? 0 : EXIT_USAGE;
  self.log.filter = redact;
  self.log.filter_userdata = self.deployment.redactor;
  self.programs.memory_mib = mloom_settings_integer(self.deployment.settings, "worker_memory_mib", 4096);
  int64_t check_seconds = mloom_settings_integer(self.deployment.settings, "check_seconds", 300);
  self.programs.enter_ms = (check_seconds < ENTER_SECONDS ? check_seconds : ENTER_SECONDS) * 1000;
  if (self.deployment.settings != NULL && strcmp(word, "--check-config") == 0) {
    mloom_error why = MLOOM_ERROR_INIT;
    if (check_config_print(&self.deployment, &self.programs, &why) != MLOOM_OK) {
      complain(&why);
      status = status == 0 ? 1 : status;
    }
  }
  if (error.code != MLOOM_OK) {
    complain(&error);
  } else if (strcmp(word, "rotate-key") == 0) {
    status = rotate_key(&self);
  } else if (backup_command_is(word)) {
    status = back_up_or_restore(&self, argc - 1, argv + 1);
  } else if (word[0] == '\0') {
    status = serve(&self);
  }
  deployment_free(&self.deployment);
  return status;
}

/* Every viewer of a live page is an open connection; the usual limit is for programs that use select. */
static void allow_connections(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
    files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int main(int argc, char **argv) {
  const struct rlimit no_core = {0, 0};
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    return usage(stdout, 0);
  }
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    printf("mergeloomd %s\n", mloom_version());
    return 0;
  }
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
  heap_configure();
  allow_connections();
  return run(argc, argv);
}
