/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a job waits.
 */
#ifndef MERGELOOM_DAEMON_PENDING_H
#define MERGELOOM_DAEMON_PENDING_H

#include "app.h"

/* The reason of a job as it is shown. Of one that is pending: its provider, and where that is ready, or why it is not
 * on each executor and what to do. The caller frees; NULL: no memory. */
char *pending_reason(application *app, const store_job *job);

#endif
