/* SPDX-License-Identifier: Apache-2.0 */
#include "process/supervisor_arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAXIMUM_GRACE_MS 1500

static size_t count_strings(const char *const *strings) {
  size_t count = 0;
  while (strings != NULL && strings[count] != NULL) {
    count++;
  }
  return count;
}

static void add_pair(mloom_supervisor_arguments *arguments, const char *name, const char *value) {
  arguments->values[arguments->count++] = name;
  arguments->values[arguments->count++] = value;
}

static void add_number(mloom_supervisor_arguments *arguments, size_t index, const char *name, uint64_t value) {
  snprintf(arguments->numbers[index], sizeof(arguments->numbers[index]), "%" PRIu64, value);
  add_pair(arguments, name, arguments->numbers[index]);
}

static void add_sandbox(mloom_supervisor_arguments *arguments, const mloom_sandbox *sandbox) {
  if (sandbox == NULL) {
    add_pair(arguments, "--sandbox", "none");
    return;
  }
  add_pair(arguments, "--sandbox", sandbox->mode == MLOOM_SANDBOX_BEST_EFFORT ? "best-effort" : "require");
  add_pair(arguments, "--network", sandbox->allow_network ? "allow" : "deny");
  for (size_t i = 0; i < count_strings(sandbox->read_paths); i++) {
    add_pair(arguments, "--read", sandbox->read_paths[i]);
  }
  for (size_t i = 0; i < count_strings(sandbox->write_paths); i++) {
    add_pair(arguments, "--write", sandbox->write_paths[i]);
  }
}

uint64_t mloom_supervisor_grace_ms(const mloom_process_plan *plan) {
  return plan->limits.grace_ms < MAXIMUM_GRACE_MS ? plan->limits.grace_ms : MAXIMUM_GRACE_MS;
}

int32_t mloom_supervisor_arguments_make(mloom_supervisor_arguments *arguments, const mloom_process_plan *plan) {
  size_t paths =
      plan->sandbox == NULL ? 0 : count_strings(plan->sandbox->read_paths) + count_strings(plan->sandbox->write_paths);
  size_t command = count_strings(plan->argv);
  arguments->values = calloc(2 * (paths + 10) + command + 2, sizeof(*arguments->values));
  if (arguments->values == NULL) {
    return MLOOM_E_MEMORY;
  }
  arguments->values[arguments->count++] = "mergeloom-supervise";
  add_sandbox(arguments, plan->sandbox);
  add_number(arguments, 0, "--grace", mloom_supervisor_grace_ms(plan));
  add_number(arguments, 1, "--processes", plan->limits.processes);
  add_number(arguments, 2, "--memory", plan->limits.memory_bytes);
  add_number(arguments, 3, "--file-size", plan->limits.file_bytes);
  add_number(arguments, 4, "--open-files", plan->limits.open_files);
  if (plan->terminal) {
    add_pair(arguments, "--terminal", "yes");
  }
  add_pair(arguments, "--directory", plan->working_directory != NULL ? plan->working_directory : "/");
  arguments->values[arguments->count++] = "--";
  memcpy(arguments->values + arguments->count, plan->argv, command * sizeof(*plan->argv));
  return MLOOM_OK;
}
