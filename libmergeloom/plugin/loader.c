/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <ltdl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "plugin/elf.h"

#define DOMAIN MLOOM_DOMAIN_PLUGIN
#define ENTRY "mergeloom_plugin_init_v1"
#define ENTRY_STEM "mergeloom_plugin_init_v"
#define FILE_PREFIX "mergeloom-"

/* libltdl keeps process-wide lists without a lock of its own, and plugins have variables, so one lock for the process
 * guards both: the library's only variable. Recursive, because a log callback may start another context. */
static pthread_mutex_t loader_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

struct mloom_module {
  mloom_plugin_init_fn init;
  lt_dlhandle handle;
};

void mloom_loader_lock(void) {
  pthread_mutex_lock(&loader_lock);
}

void mloom_loader_unlock(void) {
  pthread_mutex_unlock(&loader_lock);
}

static const char *linker_message(const char *fallback) {
  const char *message = dlerror();
  return message == NULL ? fallback : message;
}

/* Opens once without libltdl: libltdl binds lazily and turns every failure into "file not found". NODELETE is what
 * keeps the code mapped when libltdl closes its own handle; its "resident" advice would do the same but loses the
 * handle. */
static int32_t probe(void **out, const char *path, mloom_error *error) {
  *out = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (*out == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN,
                           "install what is missing, or build the plugin again with -Wl,-z,defs", "%s",
                           linker_message("the dynamic linker gives no reason"));
  }
  return MLOOM_OK;
}

/* Is address in the object of handle itself, not in a library that it brings along? */
static int is_defined_by(void *handle, const void *address) {
  struct link_map *own = NULL;
  struct link_map *found = NULL;
  Dl_info info;
  return dlinfo(handle, RTLD_DI_LINKMAP, &own) == 0 && dladdr1(address, &info, (void **)&found, RTLD_DL_LINKMAP) != 0 &&
         own == found;
}

static int32_t explain_missing_entry(void *handle, const char *path, mloom_error *error) {
  for (unsigned major = 2; major < 10; major++) {
    char name[sizeof(ENTRY_STEM) + 8];
    snprintf(name, sizeof(name), ENTRY_STEM "%u", major);
    void *address = dlsym(handle, name);
    if (address != NULL && is_defined_by(handle, address)) {
      return mloom_error_set(error, MLOOM_E_UNSUPPORTED, DOMAIN, "use a newer mergeloom, or a plugin for ABI 1",
                             "%s is a plugin for ABI %u; this host offers ABI %u", path, major, MLOOM_ABI_MAJOR);
    }
  }
  return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN,
                         "export " ENTRY " from the plugin itself (check -fvisibility and export lists)",
                         "%s does not define " ENTRY, path);
}

static int32_t open_with_libltdl(lt_dlhandle *out, const char *path, mloom_error *error) {
  lt_dladvise advise = NULL;
  *out = NULL;
  if (lt_dladvise_init(&advise) == 0 && lt_dladvise_local(&advise) == 0) {
    *out = lt_dlopenadvise(path, advise);
  }
  if (*out == NULL) {
    const char *message = lt_dlerror();
    mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "build the plugin again", "cannot open %s: %s", path,
                    message == NULL ? "libltdl gives no reason" : message);
  }
  lt_dladvise_destroy(&advise);
  return *out == NULL ? MLOOM_E_INVALID : MLOOM_OK;
}

static int32_t find_entry(mloom_module *module, void *probe_handle, const char *path, mloom_error *error) {
  int32_t code = open_with_libltdl(&module->handle, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  void *address = lt_dlsym(module->handle, ENTRY);
  if (address == NULL || !is_defined_by(probe_handle, address)) {
    lt_dlclose(module->handle);
    return explain_missing_entry(probe_handle, path, error);
  }
  memcpy(&module->init, &address, sizeof(module->init));
  return MLOOM_OK;
}

static int32_t open_locked(mloom_module *module, const char *path, mloom_error *error) {
  void *probe_handle;
  int32_t code = probe(&probe_handle, path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (lt_dlinit() != 0) {
    dlclose(probe_handle);
    return mloom_error_set(error, MLOOM_E_INTERNAL, DOMAIN, NULL, "libltdl cannot be initialised");
  }
  code = find_entry(module, probe_handle, path, error);
  dlclose(probe_handle);
  if (code != MLOOM_OK) {
    lt_dlexit();
  }
  return code;
}

int32_t mloom_loader_open(mloom_module **out, const char *path, mloom_error *error) {
  *out = NULL;
  if (path[0] != '/') {
    return mloom_error_set(error, MLOOM_E_INVALID, DOMAIN, "give an absolute path", "the plugin path %s is relative",
                           path);
  }
  /* What is checked must be what is opened: links are followed once, here. */
  MLOOM_AUTO(mloom_auto_free) char *real = realpath(path, NULL);
  if (real == NULL) {
    return mloom_error_set_errno(error, errno, DOMAIN, "correct the path or the link", "cannot find %s", path);
  }
  int32_t code = mloom_file_check_trusted(real, DOMAIN, error);
  if (code == MLOOM_OK) {
    code = mloom_elf_check(real, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_module *module = calloc(1, sizeof(*module));
  if (module == NULL) {
    return mloom_error_memory(error);
  }
  mloom_loader_lock();
  code = open_locked(module, real, error);
  mloom_loader_unlock();
  if (code != MLOOM_OK) {
    free(module);
    return code;
  }
  *out = module;
  return MLOOM_OK;
}

mloom_plugin_init_fn mloom_module_init(const mloom_module *module) {
  return module->init;
}

void mloom_module_close(mloom_module *module) {
  if (module == NULL) {
    return;
  }
  mloom_loader_lock();
  lt_dlclose(module->handle);
  lt_dlexit();
  mloom_loader_unlock();
  free(module);
}

/* ---- Finding files ---- */

void mloom_plugin_files_free(mloom_plugin_file *files, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(files[i].name);
    free(files[i].path);
  }
  free(files);
}

/* The length of "x" in mergeloom-x.EXTENSION, 0 when name is not of that form. */
static size_t stem_length(const char *name, const char *extension) {
  size_t prefix = strlen(FILE_PREFIX);
  size_t length = strlen(name);
  size_t suffix = strlen(extension);
  if (length <= prefix + suffix || strncmp(name, FILE_PREFIX, prefix) != 0 ||
      strcmp(name + length - suffix, extension) != 0) {
    return 0;
  }
  return length - prefix - suffix;
}

static int32_t file_path(char **out, const char *folder, const char *file, size_t stem, int from_libtool) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = from_libtool ? mloom_buffer_append_format(&path, "%s/.libs/" FILE_PREFIX "%.*s.so", folder, (int)stem,
                                                           file + strlen(FILE_PREFIX))
                              : mloom_buffer_append_format(&path, "%s/%s", folder, file);
  *out = code == MLOOM_OK ? mloom_buffer_take(&path) : NULL;
  return *out == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
}

static int stands_beside(const char *folder, const char *file, size_t stem) {
  char path[PATH_MAX];
  int length = snprintf(path, sizeof(path), "%s/" FILE_PREFIX "%.*s.so", folder, (int)stem, file + strlen(FILE_PREFIX));
  struct stat status;
  return length > 0 && (size_t)length < sizeof(path) && lstat(path, &status) == 0;
}

static int32_t add_file(mloom_plugin_file **files, size_t *count, const char *folder, const char *file,
                        mloom_error *error) {
  size_t stem = stem_length(file, ".so");
  int from_libtool = 0;
  if (stem == 0) {
    stem = stem_length(file, ".la");
    from_libtool = 1;
    if (stem == 0 || stands_beside(folder, file, stem)) {
      return MLOOM_OK;
    }
  }
  mloom_plugin_file *grown = realloc(*files, (*count + 1) * sizeof(**files));
  if (grown == NULL) {
    return mloom_error_memory(error);
  }
  *files = grown;
  mloom_plugin_file *added = &grown[*count];
  added->name = strndup(file + strlen(FILE_PREFIX), stem);
  if (added->name == NULL || file_path(&added->path, folder, file, stem, from_libtool) != MLOOM_OK) {
    free(added->name);
    return mloom_error_memory(error);
  }
  (*count)++;
  return MLOOM_OK;
}

static int compare_files(const void *a, const void *b) {
  return strcmp(((const mloom_plugin_file *)a)->name, ((const mloom_plugin_file *)b)->name);
}

static int32_t read_folder(mloom_plugin_file **files, size_t *count, const char *folder, mloom_error *error) {
  DIR *stream = opendir(folder);
  if (stream == NULL) {
    return errno == ENOENT ? MLOOM_OK
                           : mloom_error_set_errno(error, errno, DOMAIN, "correct its mode or its owner",
                                                   "cannot list the plugin folder %s", folder);
  }
  int32_t code = MLOOM_OK;
  const struct dirent *entry;
  while (code == MLOOM_OK && (entry = readdir(stream)) != NULL) {
    code = add_file(files, count, folder, entry->d_name, error);
  }
  closedir(stream);
  return code;
}

int32_t mloom_loader_list(mloom_plugin_file **out, size_t *out_count, const char *folder, mloom_error *error) {
  *out = NULL;
  *out_count = 0;
  MLOOM_AUTO(mloom_auto_free) char *real = realpath(folder, NULL);
  if (real == NULL) {
    return errno == ENOENT ? MLOOM_OK
                           : mloom_error_set_errno(error, errno, DOMAIN, "correct the path",
                                                   "cannot find the plugin folder %s", folder);
  }
  mloom_plugin_file *files = NULL;
  size_t count = 0;
  int32_t code = mloom_file_check_trusted(folder, DOMAIN, error); /* the links that lead there, too */
  if (code == MLOOM_OK) {
    code = read_folder(&files, &count, real, error);
  }
  if (code != MLOOM_OK) {
    mloom_plugin_files_free(files, count);
    return code;
  }
  if (count > 1) {
    qsort(files, count, sizeof(*files), compare_files);
  }
  *out = files;
  *out_count = count;
  return MLOOM_OK;
}
