/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon remembers: settings that were written through page and API (secrets sealed), jobs, audit entries.
 * Thread-safe. Every write is one transaction: after a crash at any instant the old or the new state stands.
 */
#ifndef MERGELOOM_DAEMON_STORE_STORE_H
#define MERGELOOM_DAEMON_STORE_STORE_H

#include "base/json.h"
#include "deployment.h"
#include <mergeloom/seal.h>

typedef struct store store;

/* Opens, makes or migrates the files and databases of the deployment. MLOOM_E_UNSUPPORTED: they were written by a newer
 * version. MLOOM_E_UNAVAILABLE: a database is away, and may come. */
int32_t store_open(store **out, const deployment *where, mloom_error *error);
void store_close(store *store);

#define STORE_PROVIDERS 0
#define STORE_RUNTIME 1
#define STORE_JOBS 2
#define STORE_AUDIT 3
#define STORE_EVENTS 4
/* Where one of these lies: the path of a file, or "database at host". Borrowed. */
const char *store_place(const store *store, int part);
/* Reads from one of these. MLOOM_E_NOT_FOUND: its file is gone; MLOOM_E_UNAVAILABLE: its database is away. */
int32_t store_probe(store *store, int part, mloom_error *error);

/* ---- Other daemons ---- */

/* Another daemon has written to a database that both use. settings: to settings, those of owner ("worker" or a
 * provider's id; NULL: anybody's); else to jobs, events or the audit. Called from threads of the store's. */
typedef void (*store_changed_fn)(int settings, const char *owner, void *userdata);
/* Has fn called from now on, until store_unwatch. Nothing to do for files, which belong to one daemon. */
int32_t store_watch(store *store, store_changed_fn fn, void *userdata, mloom_error *error);
void store_unwatch(store *store);

/* ---- Settings ---- */

typedef struct store_change {
  const char *owner; /* a provider's id, or "worker" */
  const char *field;
  const char *value; /* NULL: back to what weaker layers say */
  int secret;
} store_change;

/* All of them, with an entry in the audit that names their fields, or none. */
int32_t store_write_settings(store *store, const store_change *changes, size_t count, mloom_error *error);
/* What there is of providers and of the worker, in the form of the configuration file, secrets opened: the caller wipes
 * it. Secrets that cannot be opened
 * are left out and told to problem. */
int32_t store_read_settings(store *store, int providers, int worker, mloom_json **out,
                            void (*problem)(const mloom_error *why, void *userdata), void *userdata,
                            mloom_error *error);
/* Grows with every write. */
int64_t store_settings_version(store *store);
/* mloom_seal_fingerprint_key of the key file. */
void store_fingerprint_key(store *store, char out[MLOOM_FINGERPRINT_KEY_SIZE]);
/* Seals every secret under a new key and drops the old one. Daemons that have the store open go on and follow.
 * MLOOM_E_CONFLICT: another program does so. */
int32_t store_rotate_key(store *store, mloom_error *error);

/* ---- Audit ---- */

typedef struct store_audit_entry {
  int64_t sequence;
  int64_t time_ms;
  const char *kind;    /* "setting", "check", "job", "login", "plugin", ... */
  const char *subject; /* a provider, a job, ... */
  const char *text;    /* one line */
} store_audit_entry;

typedef struct store_audit_filter {
  const char *kind;    /* NULL: all */
  const char *subject; /* NULL: all; part of it */
  int64_t before;      /* sequence; 0: from the newest */
  uint32_t limit;
} store_audit_filter;

/* While the database is away the entry waits for it. MLOOM_E_LIMIT: too many do. */
int32_t store_add_audit(store *store, const char *kind, const char *subject, const char *text, mloom_error *error);
/* How many entries and events wait now, and how many found no room since the start. */
void store_count_waiting(store *store, size_t *waiting, int64_t *lost);
/* Where it is said when they begin to wait, and what became of them. Borrowed. */
void store_set_log(store *store, const mloom_log *log);
/* Newest first. */
int32_t store_each_audit(store *store, const store_audit_filter *filter,
                         void (*fn)(const store_audit_entry *entry, void *userdata), void *userdata,
                         mloom_error *error);

/* ---- Plugins that crash ---- */

typedef struct store_crashes {
  const char *plugin; /* the path of its file */
  const char *digest; /* of the file */
  const char *reason; /* of the last crash */
  int64_t crashes;    /* 0: forget it */
  int loading;
} store_crashes;

/* They lie with the audit. owner: the daemon's name, which counts where several daemons write to one database. */
int32_t store_each_crashes(store *store, const char *owner, void (*fn)(const store_crashes *crashes, void *userdata),
                           void *userdata, mloom_error *error);
/* In one transaction with an entry in the audit, of kind "plugin". */
int32_t store_write_crashes(store *store, const char *owner, const store_crashes *crashes, const char *subject,
                            const char *text, mloom_error *error);

/* ---- Jobs ---- */

/* Every end of a job is in the audit exactly once.
 * "pending", "running", then "completed", "failed", "blocked", "not-ready" or "cancelled". */
typedef struct store_job {
  const char *id;
  const char *state;
  const char *title;    /* of the ticket */
  const char *key;      /* of the ticket */
  const char *provider; /* "" until resolved */
  const char *model;
  const char *executor; /* that has it, or had it last */
  const char *reason;   /* why it is pending, or ended as it did */
  const char *document; /* mergeloom.job.v1 */
  const char *result;   /* mergeloom.result.v1, "" before the end */
  const char *diff;
  int64_t created_ms;
  int64_t started_ms;
  int64_t ended_ms;
  int64_t attempts;
  int64_t claim; /* that it was claimed by, or last; each has another number */
  int cancel_requested;
} store_job;

/* Who speaks of a job that runs. Another claim of the same executor's is not the same: it may have been restarted, or
 * have stood still while its lease ran out. */
typedef struct store_lease {
  const char *id; /* of the job */
  const char *executor;
  int64_t claim;
} store_lease;

typedef void (*store_job_fn)(const store_job *job, void *userdata);

/* MLOOM_E_CONFLICT: there is a job of that id. */
int32_t store_add_job(store *store, const store_job *job, mloom_error *error);
/* MLOOM_E_NOT_FOUND. */
int32_t store_get_job(store *store, const char *id, store_job_fn fn, void *userdata, mloom_error *error);
/* Newest first; state NULL: all. document, result and diff are "" here. */
int32_t store_each_job(store *store, const char *state, int64_t before_ms, uint32_t limit, store_job_fn fn,
                       void *userdata, mloom_error *error);
/* How many jobs there are in each state that has any. */
int32_t store_count_jobs(store *store, void (*fn)(const char *state, int64_t count, void *userdata), void *userdata,
                         mloom_error *error);
/* Takes the oldest pending job, or one whose lease has run out, whose provider is in ready (a comma-separated list with
 * commas at both ends; NULL: any): it is running then, leased to executor until lease_ms from now, by the clock of the
 * database. MLOOM_E_NOT_FOUND: none. */
int32_t store_claim_job(store *store, const char *executor, const char *ready, int64_t lease_ms, store_job_fn fn,
                        void *userdata, mloom_error *error);
/* 1 when a claim with ready would find a job. */
int store_has_job(store *store, const char *ready);
/* Lengthens the lease. MLOOM_E_CONFLICT: the job was claimed again, or has ended. *cancelled is 1 when it shall end. */
int32_t store_renew_lease(store *store, const store_lease *lease, int64_t lease_ms, int *cancelled, mloom_error *error);
/* After a time in which nobody could renew leases: those that ran out in it last for lease_ms from now, so that their
 * executors can say what became of the jobs; but not those of executor, whose jobs ended with it. */
int32_t store_extend_leases(store *store, const char *executor, int64_t lease_ms, mloom_error *error);
/* The end of a job that is leased, with the provider and the model that its result names; the same end may be told
 * again. MLOOM_E_CONFLICT: it has ended in another way, or was claimed again. */
int32_t store_end_job(store *store, const store_lease *lease, const char *state, const char *reason, const char *result,
                      const char *diff, mloom_error *error);
/* Has fn called after each end that store_end_job brought about, once, from its thread. To be said before jobs end. */
typedef void (*store_ended_fn)(const char *state, const char *result, void *userdata);
void store_on_end(store *store, store_ended_fn fn, void *userdata);
/* Gives a running job back: it waits again, or ends when it was cancelled. This attempt does not count. */
int32_t store_return_job(store *store, const store_lease *lease, mloom_error *error);
/* A pending one is cancelled at once; of a running one its executor is told. MLOOM_E_NOT_FOUND, MLOOM_E_CONFLICT:
 * ended. */
int32_t store_cancel_job(store *store, const char *id, mloom_error *error);

/* Events of a job, each one line of JSON. One with the token of an earlier one of the job is that one, told again;
 * "": it has none. */
int32_t store_add_event(store *store, const char *job, const char *token, const char *event, mloom_error *error);
/* The same for what nobody would tell again: while the database is away the event waits for it, as store_add_audit. */
int32_t store_note_event(store *store, const char *job, const char *event, mloom_error *error);
int32_t store_each_event(store *store, const char *job, int64_t after,
                         void (*fn)(int64_t sequence, const char *event, void *userdata), void *userdata,
                         mloom_error *error);

#endif
