/* SPDX-License-Identifier: Apache-2.0 */
#include "net/libcurl.h"

#include <dlfcn.h>
#include <string.h>

#include "base/error.h"

/* The name has been the same since 2006. */
#define FILE_NAME "libcurl.so.4"

int32_t mloom_libcurl_load(mloom_libcurl *out, mloom_error *error) {
  /* It registers things that live as long as the process, so it is never unloaded. */
  void *handle = dlopen(FILE_NAME, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  const char *missing = handle == NULL ? dlerror() : NULL;
#define LOAD(name)                                                  \
  if (missing == NULL) {                                            \
    void *address = dlsym(handle, "curl_" #name);                   \
    missing = address == NULL ? "curl_" #name " is missing" : NULL; \
    memcpy(&out->name, &address, sizeof(out->name));                \
  }
  MLOOM_LIBCURL_FUNCTIONS(LOAD)
#undef LOAD
  if (handle != NULL) {
    dlclose(handle);
  }
  if (missing == NULL && out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* thread-safe, and counted */
    missing = "it cannot be initialized";
  }
  return missing == NULL ? MLOOM_OK
                         : mloom_error_set(error, MLOOM_E_INTERNAL, MLOOM_DOMAIN_NETWORK,
                                           "install libcurl 7.84 or later", FILE_NAME " cannot be used: %s", missing);
}
