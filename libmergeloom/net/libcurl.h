/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl, loaded when the first request is made: with all that it brings along it takes five milliseconds and four
 * megabytes, and jobs of command-line programs make no request.
 */
#ifndef MLOOM_NET_LIBCURL_H
#define MLOOM_NET_LIBCURL_H

#include <curl/curl.h>

#include <mergeloom/types.h>

#define MLOOM_LIBCURL_FUNCTIONS(X) \
  X(easy_cleanup)                  \
  X(easy_getinfo)                  \
  X(easy_init)                     \
  X(easy_reset)                    \
  X(easy_setopt)                   \
  X(easy_strerror)                 \
  X(global_cleanup)                \
  X(global_init)                   \
  X(multi_add_handle)              \
  X(multi_cleanup)                 \
  X(multi_info_read)               \
  X(multi_init)                    \
  X(multi_perform)                 \
  X(multi_poll)                    \
  X(multi_remove_handle)           \
  X(multi_setopt)                  \
  X(multi_strerror)                \
  X(slist_append)                  \
  X(slist_free_all)                \
  X(version_info)

/* Each function under its name without "curl_". */
typedef struct mloom_libcurl {
#define MLOOM_LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
  MLOOM_LIBCURL_FUNCTIONS(MLOOM_LIBCURL_MEMBER)
#undef MLOOM_LIBCURL_MEMBER
} mloom_libcurl;

/* curl.h holds the type of a value to its option where a program calls the function by its name, so here the name is
 * given to what was loaded. */
#define MLOOM_LIBCURL_CHECKED(curl, name, handle, option, value)                                            \
  __extension__({                                                                                           \
    _Pragma("GCC diagnostic push")                                                                          \
        _Pragma("GCC diagnostic ignored \"-Wshadow\"") __typeof__(curl_##name) *curl_##name = (curl)->name; \
    _Pragma("GCC diagnostic pop") curl_##name(handle, option, value);                                       \
  })
#define mloom_libcurl_setopt(curl, easy, option, value) MLOOM_LIBCURL_CHECKED(curl, easy_setopt, easy, option, value)
#define mloom_libcurl_getinfo(curl, easy, info, out) MLOOM_LIBCURL_CHECKED(curl, easy_getinfo, easy, info, out)

/* Loads and initializes it; it stays loaded. Once for each call that succeeds, global_cleanup has to be called. */
int32_t mloom_libcurl_load(mloom_libcurl *out, mloom_error *error);

#endif
