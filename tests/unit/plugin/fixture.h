/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder with chosen mock plugins, a registry of it and what the registry said.
 */
#ifndef MLOOM_TESTS_UNIT_PLUGIN_FIXTURE_H
#define MLOOM_TESTS_UNIT_PLUGIN_FIXTURE_H

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "harness.h"
#include "plugin/registry.h"

typedef struct fixture {
  char folder[64];
  mloom_buffer log;
  mloom_log log_object;
  mloom_host_services services;
  mloom_host host;
  mloom_registry *registry;
} fixture;

static inline void fixture_log(int32_t level, const char *component, const char *message, void *userdata) {
  mloom_buffer_append_format(userdata, "%d %s: %s\n", (int)level, component, message);
}

/* The host has a log and clocks; a test that needs more sets it. */
static inline void fixture_begin(fixture *self) {
  memset(self, 0, sizeof(*self));
  snprintf(self->folder, sizeof(self->folder), "/tmp/mergeloom-plugin-test-XXXXXX");
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(self->folder));
  self->log_object = (mloom_log){.write = fixture_log, .userdata = &self->log, .level = MLOOM_LOG_DEBUG};
  self->services = (mloom_host_services){.log = &self->log_object, .clock = mloom_clock_system()};
  mloom_host_init(&self->host, &self->services);
}

static inline void fixture_path(const fixture *self, char out[PATH_MAX], const char *name) {
  snprintf(out, PATH_MAX, "%s/%s", self->folder, name);
}

static inline void fixture_write(const fixture *self, const char *name, const char *data, size_t size, mode_t mode) {
  char path[PATH_MAX];
  fixture_path(self, path, name);
  FILE *file = fopen(path, "wb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  CU_ASSERT_EQUAL(fwrite(data, 1, size, file), size);
  fclose(file);
  CU_ASSERT_EQUAL(chmod(path, mode), 0);
}

static inline void fixture_read_mock(const char *mock, mloom_buffer *out) {
  const char *top = getenv("top_builddir");
  char path[PATH_MAX];
  snprintf(path, sizeof(path), "%s/tests/mock-plugins/.libs/mergeloom-mock-%s.so", top == NULL ? "." : top, mock);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_read(out, path, 64 * 1024 * 1024, MLOOM_DOMAIN_NONE, &error), MLOOM_OK, &error);
}

/* Copies a mock there as mergeloom-NAME.so. */
static inline void fixture_add(const fixture *self, const char *mock, const char *name) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  char file[128];
  fixture_read_mock(mock, &bytes);
  snprintf(file, sizeof(file), "mergeloom-%s.so", name);
  fixture_write(self, file, mloom_buffer_string(&bytes), bytes.size, 0755);
}

static inline void fixture_load(fixture *self) {
  const char *paths[] = {self->folder, NULL};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_registry_new(&self->registry, paths, NULL, &self->host, &self->log_object, &error), MLOOM_OK,
                   &error);
}

static inline void fixture_end(fixture *self) {
  mloom_registry_free(self->registry);
  self->registry = NULL;
  mloom_file_remove_tree(self->folder, NULL);
  mloom_buffer_free(&self->log);
}

/* "NAME loaded ROLES" or "NAME refused REASON", one line a plugin. */
static inline void fixture_tell(const mloom_plugin_info *info, void *userdata) {
  if (info->path[0] == '\0') {
    return; /* built-in ones are not what these tests are about */
  }
  mloom_buffer_append_format(userdata, "%s %s %s\n", info->name, info->failure == NULL ? "loaded" : "refused",
                             info->failure == NULL ? info->roles : info->failure);
}

static inline char *fixture_plugins(const fixture *self) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_registry_each_plugin(self->registry, fixture_tell, &text);
  return mloom_buffer_take(&text);
}

#endif
