/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/registry.h"

#include <elf.h>
#include <pthread.h>
#include <unistd.h>

#include "fixture.h"

/* Loads one mock and expects it to be refused for a reason that holds each of the words. */
static void expect_refusal(const char *mock, const char *const *words) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, mock, mock);
  fixture_load(&self);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, " refused "));
  for (; *words != NULL; words++) {
    if (strstr(plugins, *words) == NULL) {
      fprintf(stderr, "%s: \"%s\" is missing in: %s", mock, *words, plugins);
      CU_FAIL("the reason is another one");
    }
  }
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&self.log), "1 plugin: "));
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, mock));
  fixture_end(&self);
}

#define EXPECT_REFUSAL(mock, ...) expect_refusal(mock, (const char *const[]){__VA_ARGS__, NULL})

static void test_good_plugin(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "good", "anything");
  fixture_load(&self);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  UNIT_ASSERT_STRING(plugins,
                     "mock-good loaded provider mock, credential source mock-expiring, resolver layer mock-layer\n");
  const mloom_provider_entry *entry = mloom_registry_find_provider(self.registry, "mock");
  CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
  UNIT_ASSERT_STRING(entry->descriptor.title, "Mock");
  UNIT_ASSERT_STRING(entry->plugin_name, "mock-good");
  CU_ASSERT_EQUAL(entry->descriptor.threads, MLOOM_THREADS_SERIALIZE_INSTANCE);
  CU_ASSERT_PTR_NULL(entry->descriptor.probe);
  CU_ASSERT_PTR_NOT_NULL(entry->plugin_lock);
  CU_ASSERT_PTR_EQUAL(mloom_registry_find_provider(self.registry, "MOCK-Alias"), entry);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock-"));
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, ""));
  CU_ASSERT_EQUAL_FATAL(entry->field_count, 3);
  UNIT_ASSERT_STRING(entry->fields[0]->environment_names[0], "MOCK_KEY");
  UNIT_ASSERT_STRING(entry->fields[0]->help, "");
  UNIT_ASSERT_STRING(entry->fields[1]->choices[1], "slow");
  UNIT_ASSERT_STRING(entry->fields[2]->shown_when_field, "mode");
  CU_ASSERT_EQUAL(entry->fields[2]->maximum, 9);
  CU_ASSERT_PTR_NOT_NULL(mloom_registry_find_credential_source(self.registry, "mock-expiring"));
  CU_ASSERT_PTR_NULL(mloom_registry_find_credential_source(self.registry, "mock"));
  CU_ASSERT_EQUAL(mloom_registry_resolver_layer_count(self.registry), 1);
  CU_ASSERT_EQUAL(mloom_registry_resolver_layer_at(self.registry, 0)->descriptor.rank, 350);
  CU_ASSERT_PTR_NULL(mloom_registry_resolver_layer_at(self.registry, 1));
  fixture_end(&self);
}

/* The descriptors are the plugin's only until it has been read: the registry answers with texts of its own. */
static void test_texts_are_copies(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "good", "good");
  fixture_load(&self);
  const mloom_provider_entry *entry = mloom_registry_find_provider(self.registry, "mock");
  CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
  /* The code of the mock tells where its own texts are. */
  fixture other;
  fixture_begin(&other);
  const char *paths[] = {self.folder, NULL};
  CU_ASSERT_EQUAL(mloom_registry_new(&other.registry, paths, NULL, &other.host, NULL, NULL), MLOOM_OK);
  const mloom_provider_entry *again = mloom_registry_find_provider(other.registry, "mock");
  CU_ASSERT_PTR_NOT_NULL_FATAL(again);
  CU_ASSERT(entry->descriptor.open == again->descriptor.open); /* the same code ... */
  CU_ASSERT(entry->descriptor.id != again->descriptor.id);     /* ... two copies */
  CU_ASSERT(entry->fields[0]->name != again->fields[0]->name);
  CU_ASSERT(entry->descriptor.aliases[0] != again->descriptor.aliases[0]);
  fixture_end(&other);
  UNIT_ASSERT_STRING(entry->descriptor.id, "mock");
  fixture_end(&self);
}

static void test_refusals(void) {
  EXPECT_REFUSAL("no-entry", "no-entry refused", "does not define mergeloom_plugin_init_v1");
  EXPECT_REFUSAL("borrowed-entry", "does not define mergeloom_plugin_init_v1");
  EXPECT_REFUSAL("next-entry", "ABI 2", "offers ABI 1");
  EXPECT_REFUSAL("wrong-major", "ABI 2", "offers ABI 1");
  EXPECT_REFUSAL("declines", "the plugin declined: needs a newer moon");
  EXPECT_REFUSAL("undefined", "undefined symbol: mock_symbol_that_nobody_defines");
  EXPECT_REFUSAL("missing-member", "provider lacks the mandatory member feed");
  EXPECT_REFUSAL("bad-id", "malformed id");
  EXPECT_REFUSAL("absurd-size", "size is 1073741824 bytes");
  EXPECT_REFUSAL("unknown-threads", "unknown thread rule 9");
  EXPECT_REFUSAL("bad-default", "field \"mode\"", "default that is no choice");
  EXPECT_REFUSAL("duplicate-field", "field \"mode\"", "declared twice");
}

static void test_older_plugin(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "older", "older");
  fixture_load(&self);
  const mloom_provider_entry *entry = mloom_registry_find_provider(self.registry, "mock-older");
  CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
  CU_ASSERT_EQUAL(entry->descriptor.size, offsetof(mloom_provider, check));
  CU_ASSERT(!MLOOM_HAS(&entry->descriptor, mloom_provider, check));
  CU_ASSERT(MLOOM_HAS(&entry->descriptor, mloom_provider, finish));
  CU_ASSERT_PTR_NULL(entry->descriptor.check);
  CU_ASSERT_PTR_NOT_NULL(entry->descriptor.finish);
  fixture_end(&self);
}

static void test_newer_plugin(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "newer", "newer");
  fixture_load(&self);
  const mloom_provider_entry *entry = mloom_registry_find_provider(self.registry, "mock-newer");
  CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
  CU_ASSERT_EQUAL(entry->descriptor.size, sizeof(mloom_provider));
  CU_ASSERT_EQUAL(entry->descriptor.threads, MLOOM_THREADS_SERIALIZE_ALL); /* the safe rule for an unknown one */
  CU_ASSERT_EQUAL(entry->fields[1]->kind, MLOOM_FIELD_STRING);
  CU_ASSERT_PTR_NOT_NULL(strstr(mloom_buffer_string(&self.log), "(ABI 1.7)"));
  fixture_end(&self);
}

static void test_duplicates(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "good", "a");
  fixture_add(&self, "same-name", "b");
  fixture_add(&self, "duplicate-id", "c");
  fixture_add(&self, "older", "d");
  fixture_load(&self);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  char expected[1024];
  snprintf(expected, sizeof(expected),
           "mock-good loaded provider mock, credential source mock-expiring, resolver layer mock-layer\n"
           "mock-good refused the plugin \"mock-good\" is loaded already, from %s/mergeloom-a.so\n"
           "mock-duplicate-id refused the provider name \"mock\" is already taken by the plugin \"mock-good\" from "
           "%s/mergeloom-a.so\n"
           "mock-older loaded provider mock-older, credential source mock-older-expiring, resolver layer "
           "mock-older-layer\n",
           self.folder, self.folder);
  UNIT_ASSERT_STRING(plugins, expected);
  CU_ASSERT_EQUAL(mloom_registry_resolver_layer_count(self.registry), 2);
  fixture_end(&self);
}

static void test_broken_files(void) {
  fixture self;
  fixture_begin(&self);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  fixture_read_mock("good", &bytes);
  fixture_write(&self, "README.so", "text", 4, 0644);
  fixture_write(&self, "mergeloom-.so", "text", 4, 0644);
  fixture_write(&self, "mergeloom-a.txt", "text", 4, 0644);
  fixture_write(&self, "mergeloom-empty.so", "", 0, 0644);
  fixture_write(&self, "mergeloom-text.so", "#!/bin/sh\n", 10, 0755);
  fixture_write(&self, "mergeloom-cut-header.so", bytes.data, 20, 0755);
  fixture_write(&self, "mergeloom-cut-middle.so", bytes.data, bytes.size / 3, 0755);
  MLOOM_AUTO(mloom_auto_free) char *foreign = malloc(bytes.size);
  memcpy(foreign, bytes.data, bytes.size);
  ((Elf64_Ehdr *)(void *)foreign)->e_machine = EM_S390;
  fixture_write(&self, "mergeloom-foreign.so", foreign, bytes.size, 0755);
  char path[PATH_MAX];
  fixture_path(&self, path, "mergeloom-pipe.so");
  CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
  fixture_path(&self, path, "mergeloom-folder.so");
  CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
  fixture_path(&self, path, "mergeloom-nowhere.so");
  CU_ASSERT_EQUAL(symlink("/nowhere/at/all.so", path), 0);
  fixture_load(&self);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  char expected[2048];
  snprintf(
      expected, sizeof(expected),
      "cut-header refused %s/mergeloom-cut-header.so is cut off: the file has 20 bytes, its headers promise more\n"
      "cut-middle refused %s/mergeloom-cut-middle.so is cut off: the file has %zu bytes, its headers promise more\n"
      "empty refused %s/mergeloom-empty.so is no shared object: it does not begin as an ELF file does\n"
      "folder refused %s/mergeloom-folder.so is no regular file\n"
      "foreign refused %s/mergeloom-foreign.so was built for another machine (ELF machine 22, this is %u)\n"
      "nowhere refused cannot find %s/mergeloom-nowhere.so: No such file or directory\n"
      "pipe refused %s/mergeloom-pipe.so is no regular file\n"
      "text refused %s/mergeloom-text.so is no shared object: it does not begin as an ELF file does\n",
      self.folder, self.folder, bytes.size / 3, self.folder, self.folder, self.folder,
      (unsigned)((Elf64_Ehdr *)(void *)bytes.data)->e_machine, self.folder, self.folder, self.folder);
  UNIT_ASSERT_STRING(plugins, expected);
  fixture_end(&self);
}

/* The name of the library it needs is changed in the file itself: the true reason names it. */
static void test_missing_dependency(void) {
  fixture self;
  fixture_begin(&self);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  fixture_read_mock("borrowed-entry", &bytes);
  char *name = memmem(bytes.data, bytes.size, "libmockentry", 12);
  CU_ASSERT_PTR_NOT_NULL_FATAL(name);
  memcpy(name, "libmockabsen", 12);
  fixture_write(&self, "mergeloom-needy.so", bytes.data, bytes.size, 0755);
  fixture_load(&self);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "needy refused libmockabsen"));
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "cannot open shared object file"));
  fixture_end(&self);
}

static void test_writable_by_others(void) {
  fixture self;
  char path[PATH_MAX];
  fixture_begin(&self);
  fixture_add(&self, "good", "world");
  fixture_path(&self, path, "mergeloom-world.so");
  CU_ASSERT_EQUAL(chmod(path, 0777), 0);
  fixture_add(&self, "older", "group");
  fixture_path(&self, path, "mergeloom-group.so");
  CU_ASSERT_EQUAL(chmod(path, 0775), 0);
  fixture_load(&self);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock"));
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock-older"));
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "world refused "));
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "group refused "));
  mloom_registry_free(self.registry);

  /* A good file in a folder that others may change is as bad. */
  fixture_path(&self, path, "mergeloom-world.so");
  CU_ASSERT_EQUAL(chmod(path, 0755), 0);
  CU_ASSERT_EQUAL(chmod(self.folder, 0777), 0);
  fixture_load(&self);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock"));
  MLOOM_AUTO(mloom_auto_free) char *folder = fixture_plugins(&self);
  CU_ASSERT(strncmp(folder, self.folder, strlen(self.folder)) == 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(folder, " refused "));
  CU_ASSERT_EQUAL(chmod(self.folder, 0700), 0);
  fixture_end(&self);
}

static void test_link_to_a_file_that_others_may_change(void) {
  fixture self;
  fixture other;
  char from[PATH_MAX];
  char to[PATH_MAX];
  fixture_begin(&self);
  fixture_begin(&other);
  fixture_add(&other, "good", "target");
  fixture_path(&other, to, "mergeloom-target.so");
  fixture_path(&self, from, "mergeloom-link.so");
  CU_ASSERT_EQUAL(symlink(to, from), 0);
  fixture_load(&self);
  CU_ASSERT_PTR_NOT_NULL(mloom_registry_find_provider(self.registry, "mock"));
  mloom_registry_free(self.registry);
  CU_ASSERT_EQUAL(chmod(other.folder, 0777), 0);
  fixture_load(&self);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock"));
  fixture_end(&other);
  fixture_end(&self);
}

/* Whoever may change the link decides which folder it is. */
static void test_link_to_a_folder(void) {
  fixture self;
  fixture other;
  char link[PATH_MAX];
  fixture_begin(&self);
  fixture_begin(&other);
  fixture_add(&other, "good", "good");
  fixture_path(&self, link, "current");
  CU_ASSERT_EQUAL(symlink(other.folder, link), 0);
  const char *paths[] = {link, NULL};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_registry_new(&self.registry, paths, NULL, &self.host, NULL, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NOT_NULL(mloom_registry_find_provider(self.registry, "mock"));
  mloom_registry_free(self.registry);
  CU_ASSERT_EQUAL(chmod(self.folder, 0777), 0);
  UNIT_ASSERT_CODE(mloom_registry_new(&self.registry, paths, NULL, &self.host, NULL, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock"));
  fixture_end(&other);
  fixture_end(&self);
}

static void test_folders(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "good", "good");
  char twice[PATH_MAX];
  snprintf(twice, sizeof(twice), "%s/../%s", self.folder, strrchr(self.folder, '/') + 1);
  const char *paths[] = {"relative/folder", "/nowhere/at/all", self.folder, twice, NULL};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_registry_new(&self.registry, paths, NULL, &self.host, &self.log_object, &error), MLOOM_OK,
                   &error);
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  UNIT_ASSERT_STRING(plugins,
                     "relative/folder refused the plugin folder relative/folder is relative\n"
                     "mock-good loaded provider mock, credential source mock-expiring, resolver layer mock-layer\n");
  mloom_registry_free(self.registry);
  CU_ASSERT_EQUAL(mloom_registry_new(&self.registry, NULL, NULL, &self.host, NULL, NULL), MLOOM_OK);
  fixture_end(&self);
}

static void note_entering(const char *path, void *userdata) {
  mloom_buffer_append_format(userdata, "%s ", path == NULL ? "-" : strrchr(path, '/') + 1);
}

/* Who asks is told whose code runs, when it is loaded and when it is shut down; what is left out is not touched. */
static void test_rules(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "good", "good");
  fixture_add(&self, "older", "older");
  char path[PATH_MAX];
  fixture_path(&self, path, "mergeloom-older.so");
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer entered = MLOOM_BUFFER_INIT;
  const char *const left_out[] = {"/nowhere.so", path, NULL};
  const char *paths[] = {self.folder, NULL};
  const mloom_registry_rules rules = {left_out, note_entering, &entered};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_registry_new(&self.registry, paths, &rules, &self.host, &self.log_object, &error), MLOOM_OK,
                   &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&entered), "mergeloom-good.so - ");
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "older refused it is left out"));
  mloom_registry_free(self.registry);
  self.registry = NULL;
  UNIT_ASSERT_STRING(mloom_buffer_string(&entered), "mergeloom-good.so - mergeloom-good.so - ");
  fixture_end(&self);
}

/* In a build tree libtool keeps the shared object in .libs, beside the .la. */
static void test_build_tree(void) {
  fixture self;
  char path[PATH_MAX];
  fixture_begin(&self);
  fixture_write(&self, "mergeloom-mock.la", "# a libtool library file\n", 25, 0644);
  fixture_write(&self, "mergeloom-unbuilt.la", "# a libtool library file\n", 25, 0644);
  fixture_path(&self, path, ".libs");
  CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
  fixture_add(&self, "good", "tmp");
  char from[PATH_MAX];
  fixture_path(&self, from, "mergeloom-tmp.so");
  fixture_path(&self, path, ".libs/mergeloom-mock.so");
  CU_ASSERT_EQUAL(rename(from, path), 0);
  fixture_load(&self);
  CU_ASSERT_PTR_NOT_NULL(mloom_registry_find_provider(self.registry, "mock"));
  MLOOM_AUTO(mloom_auto_free) char *plugins = fixture_plugins(&self);
  CU_ASSERT_PTR_NOT_NULL(strstr(plugins, "unbuilt refused cannot find "));
  mloom_registry_free(self.registry);
  /* With a .so beside it the .la says nothing. */
  fixture_add(&self, "older", "mock");
  fixture_load(&self);
  CU_ASSERT_PTR_NULL(mloom_registry_find_provider(self.registry, "mock"));
  CU_ASSERT_PTR_NOT_NULL(mloom_registry_find_provider(self.registry, "mock-older"));
  fixture_end(&self);
}

static void *load_and_free(void *folder) {
  const char *paths[] = {folder, NULL};
  for (int i = 0; i < 20; i++) {
    mloom_host_services services = {.clock = mloom_clock_system()};
    mloom_host host;
    mloom_host_init(&host, &services);
    mloom_registry *registry = NULL;
    if (mloom_registry_new(&registry, paths, NULL, &host, NULL, NULL) != MLOOM_OK ||
        mloom_registry_find_provider(registry, "mock-older") == NULL) {
      abort();
    }
    mloom_registry_free(registry);
  }
  return NULL;
}

/* Contexts come and go on several threads at once; libltdl has no lock of its own. */
static void test_threads(void) {
  fixture self;
  fixture_begin(&self);
  fixture_add(&self, "older", "older");
  fixture_add(&self, "undefined", "undefined");
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, load_and_free, self.folder), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
  fixture_end(&self);
}

static const unit_test tests[] = {
    {"good plugin", test_good_plugin},
    {"texts are copies", test_texts_are_copies},
    {"refusals", test_refusals},
    {"older plugin", test_older_plugin},
    {"newer plugin", test_newer_plugin},
    {"duplicates", test_duplicates},
    {"broken files", test_broken_files},
    {"missing dependency", test_missing_dependency},
    {"writable by others", test_writable_by_others},
    {"a link to a file that others may change", test_link_to_a_file_that_others_may_change},
    {"a link to a folder", test_link_to_a_folder},
    {"folders", test_folders},
    {"rules of who asks", test_rules},
    {"build tree", test_build_tree},
    {"threads", test_threads},
};
UNIT_MAIN("registry", tests)
