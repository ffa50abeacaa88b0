/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];

static const char *at(const char *name) {
  static char path[512];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static void make_folder(void) {
  strcpy(folder, "/tmp/mergeloom-test-file-XXXXXX");
  if (mkdtemp(folder) == NULL) {
    abort();
  }
}

static void remove_folder(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_file_remove_tree(folder, &error), MLOOM_OK, &error);
  CU_ASSERT_NOT_EQUAL(access(folder, F_OK), 0);
}

static int32_t write_file(const char *name, const char *text) {
  return mloom_file_replace(at(name), text, strlen(text), 0600, MLOOM_DOMAIN_SYSTEM, NULL);
}

static void test_read(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  make_folder();
  mloom_buffer_append_string(&out, "before ");
  CU_ASSERT_EQUAL(write_file("a", "0123456789"), MLOOM_OK);
  UNIT_ASSERT_CODE(mloom_file_read(&out, at("a"), 10, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "before 0123456789");
  UNIT_ASSERT_CODE(mloom_file_read(&out, at("a"), 9, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_LIMIT, &error);
  UNIT_ASSERT_CODE(mloom_file_read(&out, at("none"), 9, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_NOT_FOUND, &error);
  CU_ASSERT_EQUAL(mkfifo(at("fifo"), 0600), 0);
  UNIT_ASSERT_CODE(mloom_file_read(&out, at("fifo"), 9, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(mloom_file_read(&out, folder, 9, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(mloom_file_read(&out, "/dev/zero", 9, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_INVALID, &error);
  /* A file whose size is not known beforehand. */
  UNIT_ASSERT_CODE(mloom_file_read(&out, "/proc/self/status", 8, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_LIMIT, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "before 0123456789");
  remove_folder();
}

static void test_replace(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  struct stat status;
  make_folder();
  mode_t old_mask = umask(0077);
  CU_ASSERT_EQUAL(write_file("a", "first"), MLOOM_OK);
  int reader = open(at("a"), O_RDONLY | O_CLOEXEC);
  UNIT_ASSERT_CODE(mloom_file_replace(at("a"), "second", 6, 0644, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK, &error);
  umask(old_mask);
  CU_ASSERT_EQUAL(mloom_file_read(&out, at("a"), 100, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&out), "second");
  CU_ASSERT_EQUAL(stat(at("a"), &status), 0);
  CU_ASSERT_EQUAL(status.st_mode & 07777, 0644);
  /* Who had it open still sees the old content, whole. */
  char old[8] = "";
  CU_ASSERT_EQUAL(read(reader, old, sizeof(old) - 1), 5);
  UNIT_ASSERT_STRING(old, "first");
  close(reader);
  UNIT_ASSERT_CODE(mloom_file_replace(at("none/a"), "x", 1, 0600, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_E_NOT_FOUND,
                   &error);
  /* A failed replacement leaves nothing behind: the folder holds a name of its own. */
  CU_ASSERT_EQUAL(mkdir(at("b"), 0700), 0);
  CU_ASSERT_NOT_EQUAL(mloom_file_replace(at("b"), "x", 1, 0600, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(rmdir(at("b")), 0);
  CU_ASSERT_EQUAL(unlink(at("a")), 0);
  CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_trust(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  make_folder();
  CU_ASSERT_EQUAL(mkdir(at("sub"), 0755), 0);
  CU_ASSERT_EQUAL(write_file("sub/plugin", "x"), MLOOM_OK);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("./sub//../sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(chmod(at("sub/plugin"), 0620), 0);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_DENIED, &error);
  CU_ASSERT_EQUAL(chmod(at("sub/plugin"), 0602), 0);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_DENIED, &error);
  CU_ASSERT_EQUAL(chmod(at("sub/plugin"), 0600), 0);
  CU_ASSERT_EQUAL(chmod(at("sub"), 0777), 0);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_DENIED, &error);
  CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "/sub can be changed by others"));
  CU_ASSERT_EQUAL(symlink("sub/plugin", at("link")), 0);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("link"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_DENIED, &error);
  CU_ASSERT_EQUAL(chmod(at("sub"), 0755), 0);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("link"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(symlink("loop", at("loop")), 0);
  CU_ASSERT_NOT_EQUAL(mloom_file_check_trusted(at("loop"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_OK);
  UNIT_ASSERT_CODE(mloom_file_check_trusted("relative", MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_INVALID, &error);
  UNIT_ASSERT_CODE(mloom_file_check_trusted(at("none"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_NOT_FOUND, &error);
  if (geteuid() == 0) {
    CU_ASSERT_EQUAL(chown(at("sub/plugin"), 65534, 65534), 0);
    UNIT_ASSERT_CODE(mloom_file_check_trusted(at("sub/plugin"), MLOOM_DOMAIN_PLUGIN, &error), MLOOM_E_DENIED, &error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "belongs to another user"));
  }
  remove_folder();
}

static void test_remove_tree(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  make_folder();
  char outside[] = "/tmp/mergeloom-test-outside-XXXXXX";
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(outside));
  char kept[128];
  snprintf(kept, sizeof(kept), "%s/kept", outside);
  CU_ASSERT_EQUAL(mloom_file_replace(kept, "x", 1, 0600, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(symlink(outside, at("link")), 0);
  CU_ASSERT_EQUAL(symlink("nowhere", at("dangling")), 0);
  CU_ASSERT_EQUAL(mkfifo(at("fifo"), 0600), 0);
  CU_ASSERT_EQUAL(mkdir(at("a"), 0700), 0);
  CU_ASSERT_EQUAL(mkdir(at("a/b"), 0700), 0);
  CU_ASSERT_EQUAL(mkdir(at("a/b/c"), 0700), 0);
  CU_ASSERT_EQUAL(mkdir(at("a/b/c/d"), 0700), 0);
  CU_ASSERT_EQUAL(write_file("a/b/c/d/e", "x"), MLOOM_OK);
  CU_ASSERT_EQUAL(mkdir(at(".mergeloom-remove-0"), 0700), 0);
  CU_ASSERT_EQUAL(write_file(".mergeloom-remove-0/x", "x"), MLOOM_OK);
  CU_ASSERT_EQUAL(chmod(at("a/b"), 0500), 0);
  CU_ASSERT_EQUAL(chmod(at("a"), 0), 0);
  remove_folder();
  CU_ASSERT_EQUAL(mloom_file_read(&out, kept, 10, MLOOM_DOMAIN_SYSTEM, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(symlink(outside, folder), 0);
  CU_ASSERT_NOT_EQUAL(mloom_file_remove_tree(folder, &error), MLOOM_OK);
  CU_ASSERT_EQUAL(access(kept, F_OK), 0);
  CU_ASSERT_EQUAL(unlink(folder), 0);
  UNIT_ASSERT_CODE(mloom_file_remove_tree(outside, &error), MLOOM_OK, &error);
}

/* Deeper than a path may be long and than there are file descriptors. */
static void test_remove_deep_tree(void) {
  make_folder();
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 3000; i++) {
    CU_ASSERT_EQUAL_FATAL(mkdirat(fd, "deeper", 0700), 0);
    int next = openat(fd, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    fd = next;
  }
  close(fd);
  remove_folder();
}

static const unit_test tests[] = {
    {"regular files are read up to a limit", test_read},
    {"a file is replaced as a whole", test_replace},
    {"what others can change is not trusted", test_trust},
    {"a tree is removed, what links point to is not", test_remove_tree},
    {"a very deep tree is removed", test_remove_deep_tree},
};

UNIT_MAIN("file", tests)
