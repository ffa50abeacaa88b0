/* SPDX-License-Identifier: Apache-2.0
 *
 * What it takes to load all plugins of the build and to describe its eight providers: bench_load PLUGIN_FOLDER. Every
 * sample is a process of its own, as plugins are never unloaded.
 */
#include <mergeloom/mergeloom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 41

static const char *const provider_ids[] = {"aws-bedrock", "azure-foundry", "claude-api",        "claude-code-cli",
                                           "codex-api",   "codex-cli",     "openai-compatible", "vertex-ai"};

typedef struct measurement {
  double wall_ms;
  double cpu_ms;
  size_t plugins;
} measurement;

static double milliseconds(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

static void count_plugin(const mloom_plugin_info *info, void *userdata) {
  if (info->failure == NULL) {
    ++*(size_t *)userdata;
  } else {
    fprintf(stderr, "bench_load: %s: %s\n", info->path, info->failure);
  }
}

static int describes_all(const char *description) {
  for (size_t i = 0; i < sizeof(provider_ids) / sizeof(provider_ids[0]); i++) {
    char member[64];
    snprintf(member, sizeof(member), "\"id\":\"%s\"", provider_ids[i]);
    if (strstr(description, member) == NULL) {
      fprintf(stderr, "bench_load: provider %s is not described\n", provider_ids[i]);
      return 0;
    }
  }
  return 1;
}

/* Loads and describes; 0 when it fails. */
static int sample(const char *folder, measurement *out) {
  const char *const paths[] = {folder, NULL};
  const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
  mloom_context_options options = {.size = sizeof(options), .plugin_paths = paths, .environment = environment};
  mloom_error error = MLOOM_ERROR_INIT;
  double wall = milliseconds(CLOCK_MONOTONIC);
  double cpu = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
  mloom_context *context = NULL;
  char *description = NULL;
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK ||
      mloom_context_describe_providers(context, &description, &error) != MLOOM_OK) {
    fprintf(stderr, "bench_load: %s\n", error.message);
    return 0;
  }
  out->wall_ms = milliseconds(CLOCK_MONOTONIC) - wall;
  out->cpu_ms = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  mloom_context_each_plugin(context, count_plugin, &out->plugins);
  int good = describes_all(description);
  mloom_string_free(description);
  mloom_context_free(context);
  return good;
}

static int sample_in_process(const char *folder, measurement *out) {
  int ends[2];
  if (pipe(ends) != 0) {
    return 0;
  }
  pid_t pid = fork();
  if (pid == 0) {
    measurement taken = {0};
    int good = sample(folder, &taken) && write(ends[1], &taken, sizeof(taken)) == sizeof(taken);
    _exit(!good);
  }
  int status = 1;
  ssize_t size = pid < 0 ? -1 : (close(ends[1]), read(ends[0], out, sizeof(*out)));
  close(ends[0]);
  waitpid(pid, &status, 0);
  return size == sizeof(*out) && status == 0;
}

int main(int argc, char **argv) {
  double wall[SAMPLES];
  double cpu[SAMPLES];
  measurement taken = {0};
  for (int i = 0; i < SAMPLES; i++) {
    if (argc != 2 || !sample_in_process(argv[1], &taken)) {
      fprintf(stderr, "bench_load: failed; usage: bench_load PLUGIN_FOLDER\n");
      return 1;
    }
    wall[i] = taken.wall_ms;
    cpu[i] = taken.cpu_ms;
  }
  qsort(wall, SAMPLES, sizeof(*wall), compare);
  qsort(cpu, SAMPLES, sizeof(*cpu), compare);
  printf("load %zu plugins and describe %zu providers: CPU, median of %d\t%.2f\tms\t20\n", taken.plugins,
         sizeof(provider_ids) / sizeof(provider_ids[0]), SAMPLES, cpu[SAMPLES / 2]);
  printf("  until it is done: median\t%.2f\tms\t20\n", wall[SAMPLES / 2]);
  printf("  until it is done: best\t%.2f\tms\t\n", wall[0]);
  return 0;
}
