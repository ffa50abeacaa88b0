/* SPDX-License-Identifier: Apache-2.0
 *
 * Cleanup at the end of scope: MLOOM_AUTO(mloom_buffer_free) mloom_buffer body = MLOOM_BUFFER_INIT; The function gets
 * a pointer to the variable. MLOOM_STEAL hands a pointer out of the scope.
 */
#ifndef MLOOM_BASE_CLEANUP_H
#define MLOOM_BASE_CLEANUP_H

#include <dirent.h>

#define MLOOM_AUTO(function) __attribute__((cleanup(function)))

/* Defines function##_auto, which takes a pointer to the pointer, for MLOOM_AUTO. */
#define MLOOM_DEFINE_AUTO(type, function)                                      \
  __attribute__((unused)) static inline void function##_auto(type **pointer) { \
    if (*pointer != NULL) {                                                    \
      function(*pointer);                                                      \
    }                                                                          \
  }

#define MLOOM_STEAL(pointer)                 \
  ({                                         \
    __typeof__(pointer) stolen_ = (pointer); \
    (pointer) = NULL;                        \
    stolen_;                                 \
  })

/* MLOOM_AUTO(mloom_auto_free) char *text: freed; MLOOM_AUTO(mloom_auto_close) int fd: closed unless negative;
 * MLOOM_AUTO(mloom_auto_close_folder) DIR *folder: closed unless NULL. */
void mloom_auto_free(void *pointer_to_pointer);
void mloom_auto_close(int *fd);
void mloom_auto_close_folder(DIR **folder);

#endif
