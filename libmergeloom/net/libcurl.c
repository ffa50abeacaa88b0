/* SPDX-License-Identifier: Apache-2.0 */
#include "net/libcurl.h"

#include <dlfcn.h>
#include <string.h>

#include "base/error.h"

/* The name has been the same since 2006. */
#define FILE_NAME "libcurl.so.4"
#define LEAST_VERSION 0x075400u

/* What is loaded at run time is not among the libraries that the linker notes; tools that make packages look here. */
#define DLOPEN_NOTE                                                                                             \
  "[{\\\"feature\\\":\\\"http\\\",\\\"description\\\":\\\"HTTP requests\\\",\\\"priority\\\":\\\"required\\\"," \
  "\\\"soname\\\":[\\\"" FILE_NAME "\\\"]}]"
__asm__(".pushsection .note.dlopen, \"a\", %note\n"
        ".balign 4\n.long 4, 2f - 1f, 0x407c0c0a\n.asciz \"FDO\"\n"
        "1: .asciz \"" DLOPEN_NOTE "\"\n2: .balign 4\n.popsection");

/* The first function that is missing. */
static const char *find_functions(mloom_libcurl *out, void *handle) {
  void *address = NULL;
#define FIND(name)                        \
  address = dlsym(handle, "curl_" #name); \
  if (address == NULL) {                  \
    return "curl_" #name " is missing";   \
  }                                       \
  memcpy(&out->name, &address, sizeof(out->name));
  MLOOM_LIBCURL_FUNCTIONS(FIND)
#undef FIND
  return NULL;
}

int32_t mloom_libcurl_load(mloom_libcurl *out, mloom_error *error) {
  /* Never unloaded: it and the libraries that it brings along register things that live as long as the process. A
   * program that links it as well, or another client, gets the same one. */
  void *handle = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  const char *problem = handle == NULL ? dlerror() : find_functions(out, handle);
  const char *version = "";
  if (problem == NULL && out->version_info(CURLVERSION_NOW)->version_num < LEAST_VERSION) {
    problem = "it is version ";
    version = out->version_info(CURLVERSION_NOW)->version;
  }
  if (problem == NULL && out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* thread-safe, and counted */
    problem = "it cannot be initialized";
  }
  return problem == NULL ? MLOOM_OK
                         : mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_NETWORK,
                                           "install libcurl 7.84 or later (Debian: libcurl4)",
                                           FILE_NAME " cannot be used: %s%s", problem, version);
}
