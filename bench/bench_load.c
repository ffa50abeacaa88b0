/* SPDX-License-Identifier: Apache-2.0
 *
 * What it takes to load and describe eight plugins: bench_load PLUGIN_FILE. Every sample is a process of its own, as
 * plugins are never unloaded.
 */
#include <fcntl.h>
#include <mergeloom/mergeloom.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLUGINS 8
#define SAMPLES 41
#define MARK "bench-mark-0"

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

static char *read_all(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    return NULL;
  }
  long length = ftell(file);
  char *data = length > 0 ? malloc((size_t)length) : NULL;
  rewind(file);
  *size = data == NULL ? 0 : fread(data, 1, (size_t)length, file);
  fclose(file);
  return data;
}

/* Copies the plugin with the mark's digit changed. */
static int write_copies(const char *folder, const char *plugin) {
  size_t size = 0;
  char *data = read_all(plugin, &size);
  if (data == NULL) {
    return -1;
  }
  for (int i = 0; i < PLUGINS; i++) {
    for (char *at = data; (at = memmem(at, size - (size_t)(at - data), MARK, strlen(MARK) - 1)) != NULL; at++) {
      at[strlen(MARK) - 1] = (char)('1' + i);
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/mergeloom-bench%d.so", folder, i + 1);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0) {
      free(data);
      return -1;
    }
  }
  free(data);
  return 0;
}

static void count_plugin(const mloom_plugin_info *info, void *userdata) {
  *(size_t *)userdata += info->failure == NULL;
}

/* Loads and describes; wall and CPU milliseconds. */
static int sample(const char *folder, double out[2]) {
  const char *const paths[] = {folder, NULL};
  const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
  mloom_context_options options = {.size = sizeof(options), .plugin_paths = paths, .environment = environment};
  mloom_error error = MLOOM_ERROR_INIT;
  double wall = milliseconds(CLOCK_MONOTONIC);
  double cpu = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
  mloom_context *context = NULL;
  char *description = NULL;
  size_t loaded = 0;
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK ||
      mloom_context_describe_providers(context, &description, &error) != MLOOM_OK) {
    fprintf(stderr, "bench_load: %s\n", error.message);
    return 1;
  }
  out[0] = milliseconds(CLOCK_MONOTONIC) - wall;
  out[1] = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  mloom_context_each_plugin(context, count_plugin, &loaded);
  mloom_string_free(description);
  mloom_context_free(context);
  if (loaded != PLUGINS) {
    fprintf(stderr, "bench_load: %zu of %d plugins were loaded\n", loaded, PLUGINS);
    return 1;
  }
  return 0;
}

static int sample_in_process(const char *folder, double out[2]) {
  int ends[2];
  if (pipe(ends) != 0) {
    return 1;
  }
  pid_t pid = fork();
  if (pid == 0) {
    int failed = sample(folder, out);
    failed |= write(ends[1], out, 2 * sizeof(*out)) != 2 * sizeof(*out);
    _exit(failed);
  }
  int status = 1;
  ssize_t size = pid < 0 ? -1 : (close(ends[1]), read(ends[0], out, 2 * sizeof(*out)));
  close(ends[0]);
  waitpid(pid, &status, 0);
  return size != 2 * sizeof(*out) || status != 0;
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/mergeloom-bench-XXXXXX";
  double wall[SAMPLES];
  double cpu[SAMPLES];
  int failed = argc != 2 || mkdtemp(folder) == NULL || write_copies(folder, argv[1]) != 0;
  for (int i = 0; i < SAMPLES && !failed; i++) {
    double both[2] = {0, 0};
    failed = sample_in_process(folder, both);
    wall[i] = both[0];
    cpu[i] = both[1];
  }
  for (int i = 1; i <= PLUGINS; i++) {
    char path[64];
    snprintf(path, sizeof(path), "%s/mergeloom-bench%d.so", folder, i);
    unlink(path);
  }
  rmdir(folder);
  if (failed) {
    fprintf(stderr, "bench_load: failed; usage: bench_load PLUGIN_FILE\n");
    return 1;
  }
  qsort(wall, SAMPLES, sizeof(*wall), compare);
  qsort(cpu, SAMPLES, sizeof(*cpu), compare);
  printf("load and describe %d plugins: CPU, median of %d\t%.2f\tms\t20\n", PLUGINS, SAMPLES, cpu[SAMPLES / 2]);
  printf("  until it is done: median\t%.2f\tms\t\n", wall[SAMPLES / 2]);
  printf("  until it is done: best, with little else running\t%.2f\tms\t20\n", wall[0]);
  return 0;
}
