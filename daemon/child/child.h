/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_CHILD_CHILD_H
#define MERGELOOM_DAEMON_CHILD_CHILD_H

#include "base/json.h"
#include <mergeloom/mergeloom.h>

/* A new fact with its member type. NULL when out of memory, which child_tell accepts. */
mloom_json *child_fact(const char *type);
/* Writes one line and releases fact. Thread-safe. */
void child_tell(mloom_json *fact);
void child_tell_error(const mloom_error *error);

/* Ends this process with the fact "overgrown" when it takes more memory than limit_mib, and with "stuck" when a plugin
 * that was entered is not left after enter_ms. 0: no limit. */
typedef struct child_watch child_watch;
int32_t child_watch_new(child_watch **out, int64_t limit_mib, int64_t enter_ms, mloom_error *error);
void child_watch_note(child_watch *watch, int entered);
/* NULL is allowed. */
void child_watch_end(child_watch *watch);

typedef int32_t (*child_command_fn)(mloom_context *context, const mloom_json *request, mloom_cancel *cancel,
                                    mloom_error *error);
int32_t child_describe(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);
int32_t child_export(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);
int32_t child_check(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);
int32_t child_login(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);
int32_t child_job(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);
int32_t child_resolve(mloom_context *context, const mloom_json *request, mloom_cancel *cancel, mloom_error *error);

#endif
