/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends the process that loads or asks it in the way that the name of its file says: copied to mergeloom-abort.so it
 * aborts.
 */
#include <dlfcn.h>
#include <mergeloom/plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_named(const char *name) {
  Dl_info own;
  return dladdr(__func__, &own) != 0 && strstr(own.dli_fname, name) != NULL;
}

__attribute__((constructor)) static void begin(void) {
  if (is_named("-abort.so")) {
    abort();
  }
}

static void hang(void) {
  for (;;) {
    usleep(1000);
  }
}

static void grow(void) {
  for (;;) {
    char *volatile block = malloc(1 << 20);
    memset(block, 1, 1 << 20);
    usleep(500);
  }
}

/* A plugin needs a role to be loaded. */
static int32_t veto(const mloom_layer_query *query, const char *candidate, mloom_error *error) {
  if (is_named("-veto.so")) {
    abort();
  }
  (void)query;
  (void)candidate;
  (void)error;
  return MLOOM_OK;
}

static void leave_late(void) {
  _exit(3);
}

MLOOM_PLUGIN_EXPORT const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text,
                                                                 size_t error_size) {
  static const mloom_resolver_layer layer = {
      .size = sizeof(layer), .id = "late", .title = "Late", .rank = 500, .veto = veto};
  static const mloom_resolver_layer *const layers[] = {&layer};
  static const mloom_plugin late = {.size = sizeof(late),
                                    .abi_major = MLOOM_ABI_MAJOR,
                                    .abi_minor = MLOOM_ABI_MINOR,
                                    .name = "late",
                                    .version = "1",
                                    .description = "Leaves when it is shut down.",
                                    .resolver_layers = layers,
                                    .resolver_layer_count = 1,
                                    .shutdown = leave_late};
  static const mloom_plugin vetoing = {.size = sizeof(vetoing),
                                       .abi_major = MLOOM_ABI_MAJOR,
                                       .abi_minor = MLOOM_ABI_MINOR,
                                       .name = "veto",
                                       .version = "1",
                                       .description = "Aborts when it is asked.",
                                       .resolver_layers = layers,
                                       .resolver_layer_count = 1};
  (void)host;
  if (is_named("-segfault.so")) {
    raise(SIGSEGV);
  } else if (is_named("-hang.so")) {
    hang();
  } else if (is_named("-leave.so")) {
    exit(0);
  } else if (is_named("-grow.so")) {
    grow();
  } else if (is_named("-late.so")) {
    return &late;
  } else if (is_named("-veto.so")) {
    return &vetoing;
  }

  snprintf(error_text, error_size, "it does nothing under this name");
  return NULL;
}
