/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables. Each list of steps ends with NULL and only ever grows: what a database has seen is never changed.
 */
#ifndef MERGELOOM_DAEMON_STORE_SCHEMA_H
#define MERGELOOM_DAEMON_STORE_SCHEMA_H

/* Of files: one each for settings of providers and of the worker, one for jobs, their events and the audit. */
extern const char *const schema_file_settings[];
extern const char *const schema_file_state[];

/* Of a server: parts that may lie in different databases. */
typedef struct schema_part {
  const char *name;
  const char *const *steps;
} schema_part;

extern const schema_part schema_common; /* needed by all others */
extern const schema_part schema_settings;
extern const schema_part schema_audit;
extern const schema_part schema_jobs; /* needs schema_audit beside it: the end of a job is noted with it */
extern const schema_part schema_live;

#endif
