/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_RUNNING_H
#define MERGELOOM_DAEMON_RUNNING_H

#include "store/store.h"

/* {executor: [id, ...]} of the jobs that run, oldest last. The caller releases; NULL when there is no memory. */
mloom_json *running_jobs(store *from);

#endif
