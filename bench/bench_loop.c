/* SPDX-License-Identifier: Apache-2.0
 *
 * What a late turn costs in a whole job: mloom_job_run, through the public API alone, against the simulator. Each turn
 * is an exchange over HTTP, one call of read_file and its result, with events and the audit record. The CPU is that of
 * the whole process from one turn's beginning to the next one's. The body grows with each turn: the time within
 * send(), which is the kernel's and differs with what the other end is just doing, and what libcurl alone takes beside
 * it for so many bytes, beyond those of an empty request, are measured in the same process and taken off.
 */
#include <curl/curl.h>
#include <mergeloom/mergeloom.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS 15
#define TURNS 305
#define LINES 40
#define EARLY 10
#define LATE 300
#define AROUND 11 /* turns, the one in the middle and those beside it */
#define POSTS 16  /* after each job */
#define BODIES 8

typedef struct turn_cost {
  double own_us;  /* CPU outside send() */
  double send_us; /* within it */
  double bytes;   /* sent */
} turn_cost;

static turn_cost total; /* of the whole process; one thread sends */

static double cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* In the place of libc's, for libcurl. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *data, size_t size, int flags) {
  double before = cpu_us();
  ssize_t sent = syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
  total.send_us += cpu_us() - before;
  total.bytes += sent > 0 ? (double)sent : 0;
  return sent;
}

static turn_cost since(const turn_cost *before) {
  return (turn_cost){cpu_us() - total.send_us - before->own_us, total.send_us - before->send_us,
                     total.bytes - before->bytes};
}

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench_loop: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

/* ---- Files and the simulator ---- */

static char folder[] = "/tmp/mergeloom-bench-XXXXXX";

static void write_file(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    give_up("cannot write %s", path);
  }
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status;
  (void)kind;
  (void)place;
  return remove(path);
}

static void remove_folder(void) {
  nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Its address goes to url. */
static pid_t start_simulator(char *url, size_t url_size) {
  char program[512];
  char script[256];
  char line[128] = "";
  int ends[2];
  snprintf(program, sizeof(program), "%s/mergeloom-sim", getenv("top_builddir") == NULL ? "." : getenv("top_builddir"));
  snprintf(script, sizeof(script), "%s/script.json", folder);
  if (pipe(ends) != 0) {
    give_up("pipe: %s", strerror(errno));
  }
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program, program, "--script", script, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  FILE *output = fdopen(ends[0], "r");
  const char *address = output != NULL && fgets(line, sizeof(line), output) != NULL ? strstr(line, "http://") : NULL;
  if (pid < 0 || address == NULL) {
    give_up("%s does not start", program);
  }
  snprintf(url, url_size, "%.*s", (int)strcspn(address, "\n"), address);
  fclose(output);
  return pid;
}

static void write_files(void) {
  char script[1024];
  char data[LINES * 64] = "";
  snprintf(
      script, sizeof(script),
      "{\"models\": [\"sim-1\"], \"conversations\": [{\"name\": \"long\", \"when\": {\"user\": \"Read it often\"}, "
      "\"steps\": [{\"when\": {\"turn\": [0, %d]}, \"text\": \"I read it again.\", \"tool_calls\": [{\"name\": "
      "\"read_file\", \"arguments\": {\"path\": \"data.txt\"}}]}, {\"when\": {\"turn\": %d}, \"tool_calls\": "
      "[{\"name\": \"submit_result\", \"arguments\": {\"status\": \"completed\", \"summary\": \"Read it.\", "
      "\"files_changed\": []}}]}]}]}",
      TURNS - 1, TURNS);
  for (int i = 0; i < LINES; i++) {
    snprintf(data + strlen(data), sizeof(data) - strlen(data), "line %d says what a line of a program would\n", i);
  }
  write_file("script.json", script);
  char path[256];
  snprintf(path, sizeof(path), "%s/repository", folder);
  if (mkdir(path, 0700) != 0) {
    give_up("cannot make %s", path);
  }
  write_file("repository/data.txt", data);
}

/* ---- Measuring ---- */

typedef struct measured_job {
  turn_cost turns[TURNS + 2];
  turn_cost before; /* sums at the beginning of the turn */
} measured_job;

static void on_event(const mloom_job_event *event, void *userdata) {
  measured_job *job = userdata;
  if (event->kind != MLOOM_JOB_EVENT_TURN_BEGIN) {
    return;
  }
  if (event->turn >= 2 && event->turn <= TURNS + 1) {
    job->turns[event->turn - 1] = since(&job->before);
  }
  job->before = since(&(turn_cost){0});
}

static void run_job(measured_job *measured, const char *url) {
  char job[512];
  char address[256];
  char audit[256];
  snprintf(job, sizeof(job),
           "{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \"Read it often\"}, \"repository\": {\"path\": "
           "\"%s/repository\"}}",
           folder);
  snprintf(address, sizeof(address), "JCA_OPENAI_COMPATIBLE_BASE_URL=%s/v1", url);
  snprintf(audit, sizeof(audit), "JCA_WORKER_AUDIT_PATH=%s", folder);
  const char *const environment[] = {"PATH=/usr/bin:/bin",
                                     "JCA_WORKER_PROVIDER=openai-compatible",
                                     "JCA_OPENAI_COMPATIBLE_MODEL=sim-1",
                                     "JCA_WORKER_MAX_TURNS=1000",
                                     address,
                                     audit,
                                     NULL};
  mloom_context_options options = {.size = sizeof(options), .environment = environment};
  mloom_job_options job_options = {
      .size = sizeof(job_options), .flags = MLOOM_JOB_WITHOUT_READINESS, .event = on_event, .userdata = measured};
  const char *const plugins[] = {getenv("MERGELOOM_PLUGIN_PATH"), NULL};
  options.plugin_paths = plugins;
  options.supervise_path = getenv("MERGELOOM_SUPERVISE");
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = NULL;
  mloom_result *result = NULL;
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK ||
      mloom_job_run(&result, context, job, strlen(job), &job_options, &error) != MLOOM_OK ||
      mloom_result_state(result, &error) != MLOOM_JOB_COMPLETED) {
    give_up("%s", error.message);
  }
  mloom_result_free(result);
  mloom_context_free(context);
  if (measured->turns[TURNS].bytes < LINES * 40.0 * TURNS) {
    give_up("turn %d sent only %.0f bytes", TURNS, measured->turns[TURNS].bytes);
  }
}

static double smaller(double a, double b) {
  return a < b ? a : b;
}

/* The best of AROUND turns from first on in all jobs: a turn takes no less than it must, whatever else runs here. */
static turn_cost best(const measured_job *jobs, int first) {
  turn_cost found = jobs[0].turns[first];
  for (int i = 1; i < JOBS * AROUND; i++) {
    const turn_cost *turn = &jobs[i / AROUND].turns[first + i % AROUND];
    found.own_us = smaller(found.own_us, turn->own_us);
    found.send_us = smaller(found.send_us, turn->send_us);
    found.bytes = smaller(found.bytes, turn->bytes);
  }
  return found;
}

static size_t drop(char *data, size_t size, size_t count, void *userdata) {
  (void)data;
  (void)userdata;
  return size * count;
}

/* What libcurl alone takes, outside send(), to send so many bytes in pieces as large as a job's and get a short answer.
 * The bodies take turns: one that was sent just before is still in the processor's cache, and a job's is not. */
static double post_us(CURL *easy, const char *url, size_t size) {
  double best_us = 1e9;
  char *bodies = malloc(size * BODIES);
  if (bodies == NULL) {
    give_up("out of memory");
  }
  memset(bodies, 'x', size * BODIES);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 262144L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)size);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
  for (int i = 0; i < POSTS; i++) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bodies + size * (size_t)(i % BODIES));
    turn_cost before = since(&(turn_cost){0});
    CURLcode code = curl_easy_perform(easy);
    best_us = smaller(best_us, since(&before).own_us);
    if (code != CURLE_OK) {
      give_up("libcurl: %s", curl_easy_strerror(code));
    }
  }
  free(bodies);
  return best_us;
}

/* What libcurl alone takes, best of all so far. */
typedef struct libcurl_cost {
  double empty_us;
  double early_us;
  double late_us;
} libcurl_cost;

/* After each job, so that both are measured in the same state of the machine. */
static void measure_libcurl(libcurl_cost *found, CURL *easy, const char *url, const measured_job *job) {
  found->empty_us = smaller(found->empty_us, post_us(easy, url, 2));
  found->early_us = smaller(found->early_us, post_us(easy, url, (size_t)job->turns[EARLY].bytes));
  found->late_us = smaller(found->late_us, post_us(easy, url, (size_t)job->turns[LATE].bytes));
}

/* Takes the sending off, and tells all parts. */
static double tell(int number, const turn_cost *turn, double libcurl_us) {
  libcurl_us = libcurl_us > 0 ? libcurl_us : 0;
  printf("turn %d of a whole job, best of %d\t%.0f\tus CPU\t\n", number, JOBS * AROUND, turn->own_us + turn->send_us);
  printf("  of that the kernel for sending its %.0f KB\t%.0f\tus CPU\t\n", turn->bytes / 1e3, turn->send_us);
  printf("  of that libcurl alone beside it, best of %d\t%.0f\tus CPU\t\n", JOBS * POSTS, libcurl_us);
  return turn->own_us - libcurl_us;
}

int main(void) {
  static measured_job jobs[JOBS];
  char url[160];
  if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0) {
    give_up("mkdtemp: %s", strerror(errno));
  }
  write_files();
  pid_t simulator = start_simulator(url, sizeof(url));
  CURL *easy = curl_easy_init();
  libcurl_cost libcurl = {1e9, 1e9, 1e9};
  for (int i = 0; i < JOBS; i++) {
    run_job(&jobs[i], url);
    measure_libcurl(&libcurl, easy, url, &jobs[i]);
  }
  turn_cost early = best(jobs, EARLY - AROUND / 2);
  turn_cost late = best(jobs, LATE - AROUND / 2);
  double early_us = tell(EARLY, &early, libcurl.early_us - libcurl.empty_us);
  double late_us = tell(LATE, &late, libcurl.late_us - libcurl.empty_us);
  printf("turn 300 against turn 10, beyond sending\t%.2f\tx\t1.5\n", late_us / early_us);
  curl_easy_cleanup(easy);
  kill(simulator, SIGTERM);
  waitpid(simulator, NULL, 0);
  return 0;
}
