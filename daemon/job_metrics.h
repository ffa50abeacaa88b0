/* SPDX-License-Identifier: Apache-2.0
 *
 * What ended jobs took, counted since the start, as metrics under the names of OpenTelemetry's conventions for
 * generative AI. A job is an operation "invoke_agent" of these.
 */
#ifndef MERGELOOM_DAEMON_JOB_METRICS_H
#define MERGELOOM_DAEMON_JOB_METRICS_H

#include "base/buffer.h"

typedef struct job_metrics job_metrics;

/* NULL without memory. */
job_metrics *job_metrics_new(void);
void job_metrics_free(job_metrics *metrics);
/* Counts a job that ended in state with that mergeloom.result.v1; one that never ran does not count. Thread-safe. */
void job_metrics_note(job_metrics *metrics, const char *state, const char *result);
/* Appends them as OpenMetrics, without the end of the exposition. Thread-safe. */
void job_metrics_write(job_metrics *metrics, mloom_buffer *out);

#endif
