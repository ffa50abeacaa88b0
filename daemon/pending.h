/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a job waits.
 */
#ifndef MERGELOOM_DAEMON_PENDING_H
#define MERGELOOM_DAEMON_PENDING_H

#include "app.h"

/* The reason of a job as it is shown. Of one that is pending: its provider, and where that is ready, or why it is not
 * on each executor and what to do. waits: an object that keeps this by provider while a list is made, as each has many
 * jobs, or NULL. The caller frees; NULL: no memory. */
char *pending_reason(application *app, mloom_json *waits, const store_job *job);

#endif
