/* SPDX-License-Identifier: Apache-2.0
 *
 * One log for a context. Every message goes through the filter (redaction) before it leaves.
 */
#ifndef MLOOM_BASE_LOG_H
#define MLOOM_BASE_LOG_H

#include "base/buffer.h"

typedef struct mloom_log {
  void (*write)(int32_t level, const char *component, const char *message, void *userdata); /* NULL: no log */
  void *userdata;
  int32_t level;
  /* Rewrites message in place; NULL until redaction is set up. */
  void (*filter)(mloom_buffer *message, void *userdata);
  void *filter_userdata;
} mloom_log;

/* log may be NULL. Thread-safe. */
__attribute__((format(printf, 4, 5))) void mloom_log_write(const mloom_log *log, int32_t level, const char *component,
                                                           const char *format, ...);

#endif
