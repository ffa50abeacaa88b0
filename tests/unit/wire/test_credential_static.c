/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in settings, and those in files that change while they are used: mounted as Kubernetes and Docker do it, named
 * by NAME_FILE, replaced by a rename, written in place. The whole way from the settings to the headers of a request.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "credential/credential.h"
#include "plugin/host.h"
#include "secret/secret.h"

static char folder[] = "/tmp/mergeloom-static-XXXXXX";

static const mloom_field api_key = {.size = (uint32_t)sizeof(mloom_field),
                                    .name = "api_key",
                                    .title = "Key",
                                    .help = "The key.",
                                    .kind = MLOOM_FIELD_SECRET};
static const mloom_field bearer_token = {.size = (uint32_t)sizeof(mloom_field),
                                         .name = "bearer_token",
                                         .title = "Token",
                                         .help = "The token.",
                                         .kind = MLOOM_FIELD_SECRET};
static const mloom_field *const fields[] = {&api_key, &bearer_token};
static const char *const sources[] = {"static", NULL};
static const mloom_http_request request = {
    .size = (uint32_t)sizeof(request), .method = "POST", .url = "https://service.example/v1/x"};

typedef struct fixture {
  mloom_host_services services;
  mloom_host host;
  const mloom_plugin *plugin;
  mloom_settings *settings;
  mloom_credentials *credentials;
  mloom_authorization authorization;
  mloom_authorized_headers headers;
  mloom_call call;
  mloom_error error;
} fixture;

static fixture *current;
static mloom_credential_source_entry entries[8];

/* In the place of the registry: the plugin is linked in. */
const mloom_credential_source_entry *mloom_registry_find_credential_source(const mloom_registry *registry,
                                                                           const char *id) {
  (void)registry;
  for (size_t i = 0; i < current->plugin->credential_source_count; i++) {
    if (strcmp(current->plugin->credential_sources[i]->id, id) == 0) {
      entries[i].descriptor = *current->plugin->credential_sources[i];
      return &entries[i];
    }
  }
  return NULL;
}

static int32_t get_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  return mloom_settings_get(settings, name, out);
}

static void begin(fixture *self, const char *const *environment, const char *secrets_path) {
  memset(self, 0, sizeof(*self));
  current = self;
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  self->services = (mloom_host_services){.clock = mloom_clock_system(), .setting_get = get_setting};
  mloom_host_init(&self->host, &self->services);
  char text[200] = "";
  self->plugin = mergeloom_plugin_init_v1(&self->host, text, sizeof(text));
  CU_ASSERT_PTR_NOT_NULL_FATAL(self->plugin);
  const mloom_settings_sources from = {.environment = environment, .secrets_path = secrets_path};
  UNIT_ASSERT_CODE(mloom_settings_new(&self->settings, "demo", fields, 2, 0, &from, &self->error), MLOOM_OK,
                   &self->error);
  UNIT_ASSERT_CODE(mloom_credentials_new(&self->credentials, NULL, &self->host, self->settings, mloom_clock_system(),
                                         NULL, NULL, &self->error),
                   MLOOM_OK, &self->error);
  self->authorization = (mloom_authorization){.size = (uint32_t)sizeof(self->authorization),
                                              .sources = sources,
                                              .audience = "https://service.example",
                                              .header = "Authorization",
                                              .prefix = "Bearer "};
  mloom_call_init(&self->call, NULL, NULL, NULL, INT64_MAX);
}

static void end(fixture *self) {
  mloom_authorized_headers_free(&self->headers);
  mloom_credentials_free(self->credentials);
  mloom_settings_unref(self->settings);
}

static const char *authorize(fixture *self) {
  mloom_authorized_headers_free(&self->headers);
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  int32_t code = mloom_credentials_authorize(self->credentials, &self->call, &self->authorization, &request,
                                             &self->headers, &self->error);
  return code == MLOOM_OK && self->headers.count == 1 ? mloom_secret_bytes(self->headers.headers[0]->secret).data : "";
}

static void write_file(const char *path, const char *text) {
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_replace(path, text, strlen(text), 0600, MLOOM_DOMAIN_SETTINGS, &error), MLOOM_OK, &error);
}

static void write_in_place(const char *path, const char *text) {
  FILE *file = fopen(path, "we");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  fputs(text, file);
  fclose(file);
}

static void path_of(const char *name, char out[256]) {
  snprintf(out, 256, "%s/%s", folder, name);
}

/* As the kubelet does it: ..data is a link to a folder of this content, and is swapped in one step. */
static void mount_version(const char *volume, const char *version, const char *key) {
  char path[512];
  char link[512];
  char data[512];
  snprintf(path, sizeof(path), "%s/..%s", volume, version);
  CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
  snprintf(path, sizeof(path), "%s/..%s/JCA_DEMO_API_KEY", volume, version);
  write_in_place(path, key);
  snprintf(path, sizeof(path), "..%s", version);
  snprintf(link, sizeof(link), "%s/..data_tmp", volume);
  snprintf(data, sizeof(data), "%s/..data", volume);
  CU_ASSERT_EQUAL(symlink(path, link), 0);
  CU_ASSERT_EQUAL(rename(link, data), 0);
}

static void test_mounted_secret_of_kubernetes_is_rotated(void) {
  char volume[256];
  char link[512];
  path_of("volume", volume);
  CU_ASSERT_EQUAL(mkdir(volume, 0755), 0);
  mount_version(volume, "2026_01", "test-key-one");
  snprintf(link, sizeof(link), "%s/JCA_DEMO_API_KEY", volume);
  CU_ASSERT_EQUAL(symlink("..data/JCA_DEMO_API_KEY", link), 0);
  static const char *const environment[] = {NULL};
  fixture self;
  begin(&self, environment, volume);
  UNIT_ASSERT_STRING(authorize(&self), "test-key-one");
  CU_ASSERT_PTR_NOT_NULL(strstr(self.headers.description, link));
  UNIT_ASSERT_STRING(authorize(&self), "test-key-one");
  mount_version(volume, "2026_02", "test-key-two");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-two");
  /* A key of the same length, within the same second. */
  mount_version(volume, "2026_03", "test-key-six");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-six");
  /* Refused just as it is replaced: the request is worth another attempt, with the new one. */
  CU_ASSERT_EQUAL(mloom_credentials_refused(self.credentials, &self.headers), 0);
  mount_version(volume, "2026_04", "test-key-ten");
  CU_ASSERT_EQUAL(mloom_credentials_refused(self.credentials, &self.headers), 1);
  UNIT_ASSERT_STRING(authorize(&self), "test-key-ten");
  end(&self);
}

static void test_file_variable_is_followed(void) {
  char path[256];
  char assignment[300];
  path_of("key", path);
  snprintf(assignment, sizeof(assignment), "JCA_DEMO_API_KEY_FILE=%s", path);
  const char *const environment[] = {assignment, NULL};
  write_file(path, "test-key-one\n");
  fixture self;
  begin(&self, environment, "/nonexistent");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-one");
  write_file(path, "test-key-two\r\n");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-two");
  write_in_place(path, "test-key-three");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-three");
  /* Away, or empty: nobody has said that the old one does not hold any more. */
  CU_ASSERT_EQUAL(unlink(path), 0);
  UNIT_ASSERT_STRING(authorize(&self), "test-key-three");
  end(&self);
}

static void test_file_that_changed_before_its_first_use(void) {
  char path[256];
  char assignment[300];
  path_of("early", path);
  snprintf(assignment, sizeof(assignment), "JCA_DEMO_API_KEY_FILE=%s", path);
  const char *const environment[] = {assignment, NULL};
  write_file(path, "test-key-one");
  fixture self;
  begin(&self, environment, "/nonexistent");
  write_file(path, "test-key-two");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-two");
  end(&self);
}

static void test_files_that_hold_no_key(void) {
  static const struct {
    const char *text;
    int32_t code;
  } cases[] = {{"", MLOOM_E_INVALID}, {"\n\n", MLOOM_E_INVALID}, {"one\ntwo", MLOOM_E_INVALID}};
  char path[256];
  char assignment[300];
  path_of("bad", path);
  snprintf(assignment, sizeof(assignment), "JCA_DEMO_API_KEY_FILE=%s", path);
  const char *const environment[] = {assignment, NULL};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    fixture self;
    write_file(path, "test-key-one");
    begin(&self, environment, "/nonexistent");
    write_file(path, cases[i].text);
    UNIT_ASSERT_STRING(authorize(&self), "");
    CU_ASSERT_EQUAL(self.error.code, cases[i].code);
    CU_ASSERT(self.error.message[0] != '\0' && self.error.remedy[0] != '\0');
    end(&self);
  }
}

static void test_variable(void) {
  static const char *const environment[] = {"JCA_DEMO_API_KEY=test-key-one", "JCA_DEMO_BEARER_TOKEN=test-token", NULL};
  static const char *const token[] = {"static-bearer-token", NULL};
  fixture self;
  begin(&self, environment, "/nonexistent");
  UNIT_ASSERT_STRING(authorize(&self), "test-key-one");
  UNIT_ASSERT_STRING(self.headers.description, "api_key from JCA_DEMO_API_KEY");
  CU_ASSERT_EQUAL(mloom_credentials_refused(self.credentials, &self.headers), 0);
  self.authorization.sources = token;
  UNIT_ASSERT_STRING(authorize(&self), "test-token");
  end(&self);
}

static const unit_test tests[] = {
    {"a secret that Kubernetes mounted is rotated without a restart", test_mounted_secret_of_kubernetes_is_rotated},
    {"a file that NAME_FILE names is followed", test_file_variable_is_followed},
    {"a file that changed before its first use", test_file_that_changed_before_its_first_use},
    {"files that hold no key", test_files_that_hold_no_key},
    {"variables", test_variable},
};

int main(void) {
  if (mkdtemp(folder) == NULL) {
    perror("mkdtemp");
    return 2;
  }
  int status = unit_run("static credentials", tests, sizeof(tests) / sizeof(tests[0]));
  mloom_file_remove_tree(folder, NULL);
  return status;
}
