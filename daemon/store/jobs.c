/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs and their events. A job is claimed, renewed and ended in single statements that name the claim by which somebody
 * has it, so that two never both have one.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "store/internal.h"

#define HEAD                                                                                               \
  "id, state, title, key, provider, model, executor, reason, created_ms, started_ms, ended_ms, attempts, " \
  "cancel_requested, claims"
/* ?1 is the list of providers. */
#define CLAIMABLE                                                                                                 \
  "(state = 'pending' OR (state = 'running' AND lease_until_ms < now_ms())) AND cancel_requested = 0 AND (?1 IS " \
  "NULL OR provider = '' OR instr(?1, ',' || provider || ',') > 0)"
/* lock: where several may look for a job at the same time, nobody waits for one that another is about to take. */
#define CLAIM(lock)                                                                                                \
  "UPDATE job SET state = 'running', executor = ?2, reason = '', started_ms = now_ms(), attempts = attempts + 1, " \
  "claims = claims + 1, lease_until_ms = now_ms() + ?3 WHERE id = (SELECT id FROM job WHERE " CLAIMABLE            \
  " ORDER BY created_ms, id LIMIT 1" lock ") RETURNING id"
#define JOB_ID_ROOM 65
/* The parameters are those of a store_lease. */
#define IS_HELD "id = ? AND executor = ? AND claims = ? AND state = 'running'"
#define WHOLE HEAD ", document, result, diff"

static int32_t conflict(const char *id, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_JOB, "read the job again",
                         "job %s has ended, or was claimed again", id);
}

static int32_t unknown(const char *id, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "check the id", "there is no job %.80s", id);
}

static void hand_over(database_rows *row, int whole, store_job_fn fn, void *userdata) {
  const store_job job = {.id = database_text(row, 0),
                         .state = database_text(row, 1),
                         .title = database_text(row, 2),
                         .key = database_text(row, 3),
                         .provider = database_text(row, 4),
                         .model = database_text(row, 5),
                         .executor = database_text(row, 6),
                         .reason = database_text(row, 7),
                         .created_ms = database_integer(row, 8),
                         .started_ms = database_integer(row, 9),
                         .ended_ms = database_integer(row, 10),
                         .attempts = database_integer(row, 11),
                         .cancel_requested = database_integer(row, 12) != 0,
                         .claim = database_integer(row, 13),
                         .document = whole ? database_text(row, 14) : "",
                         .result = whole ? database_text(row, 15) : "",
                         .diff = whole ? database_text(row, 16) : ""};
  fn(&job, userdata);
}

/* 1 when there is a job of that id. */
static int32_t find(store *self, const char *id, mloom_error *error) {
  database_rows *row = NULL;
  int32_t code = database_read(&row, self->jobs, error, "SELECT 1 FROM job WHERE id = ?", "t", id);
  int32_t step = code == MLOOM_OK ? database_step(row, error) : code;
  database_finish(row);
  return step;
}

int32_t store_add_job(store *self, const store_job *job, mloom_error *error) {
  STORE_HOLD(self);
  int64_t added = 0;
  int32_t code = database_run(
      &added, self->jobs, error,
      "INSERT INTO job (id, state, title, key, provider, model, executor, reason, document, result, diff, created_ms, "
      "started_ms, ended_ms, attempts, cancel_requested, lease_until_ms) VALUES (?, 'pending', ?, ?, ?, ?, '', ?, ?, "
      "'', '', now_ms(), 0, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
      "ttttttt", job->id, job->title, job->key, job->provider, job->model, job->reason, job->document);
  return code != MLOOM_OK || added > 0
             ? code
             : mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_JOB, "choose another id, or leave it out",
                               "there is a job %s already", job->id);
}

int32_t store_get_job(store *self, const char *id, store_job_fn fn, void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  database_rows *row = NULL;
  int32_t code = database_read(&row, self->jobs, error, "SELECT " WHOLE " FROM job WHERE id = ?", "t", id);
  int32_t step = code == MLOOM_OK ? database_step(row, error) : code;
  if (step == 1) {
    hand_over(row, 1, fn, userdata);
  }
  database_finish(row);
  return step == 1 ? MLOOM_OK : step == 0 ? unknown(id, error) : step;
}

int32_t store_each_job(store *self, const char *state, int64_t before_ms, uint32_t limit, store_job_fn fn,
                       void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  database_rows *row = NULL;
  int32_t code = database_read(&row, self->jobs, error,
                               "SELECT " HEAD " FROM job WHERE (?1 IS NULL OR state = ?1) AND (?2 = 0 OR created_ms < "
                               "?2) ORDER BY created_ms DESC, id DESC LIMIT ?3",
                               "tii", state, before_ms, (int64_t)limit);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(row, error)) == 1) {
    hand_over(row, 0, fn, userdata);
  }
  database_finish(row);
  return step < 0 ? step : MLOOM_OK;
}

int32_t store_count_jobs(store *self, void (*fn)(const char *state, int64_t count, void *userdata), void *userdata,
                         mloom_error *error) {
  STORE_HOLD(self);
  database_rows *row = NULL;
  int32_t code = database_read(&row, self->jobs, error, "SELECT state, count(*) FROM job GROUP BY state", NULL);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(row, error)) == 1) {
    fn(database_text(row, 0), database_integer(row, 1), userdata);
  }
  database_finish(row);
  return step < 0 ? step : MLOOM_OK;
}

/* ---- Claims ---- */

typedef struct claiming {
  const char *executor, *ready;
  int64_t lease_ms, attempt_limit;
  database_rows *row; /* of the job that was found */
} claiming;

/* Ends those whose executor is lost and that nobody takes over: a job that ends its executor again and again must not
 * do so for ever, and one that was cancelled has no one else to end it. */
static int32_t end_lost_jobs(database *jobs, int64_t attempt_limit, mloom_error *error) {
  int32_t code = database_write(NULL, jobs, error,
                                "UPDATE job SET state = 'cancelled', reason = 'cancelled; its executor was lost', "
                                "ended_ms = now_ms() WHERE state = 'running' AND lease_until_ms < now_ms() AND "
                                "cancel_requested = 1",
                                NULL);
  return code != MLOOM_OK
             ? code
             : database_write(NULL, jobs, error,
                              "UPDATE job SET state = 'failed', reason = 'its executor was lost, in attempt ' || "
                              "attempts || ' of ' || ?1 || '; see JCA_WORKER_JOB_ATTEMPTS', ended_ms = now_ms() WHERE "
                              "state = 'running' AND lease_until_ms < now_ms() AND attempts >= ?1",
                              "i", attempt_limit);
}

static int32_t claim(database *jobs, void *userdata, mloom_error *error) {
  claiming *told = userdata;
  database_rows *row = NULL;
  char id[JOB_ID_ROOM] = "";
  database_finish(told->row);
  told->row = NULL;
  int32_t code = end_lost_jobs(jobs, told->attempt_limit, error);
  code = code != MLOOM_OK
             ? code
             : database_read(&row, jobs, error, database_is_shared(jobs) ? CLAIM(" FOR UPDATE SKIP LOCKED") : CLAIM(""),
                             "tti", told->ready, told->executor, told->lease_ms);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(row, error)) == 1) {
    snprintf(id, sizeof id, "%s", database_text(row, 0));
  }
  database_finish(row);
  if (step < 0 || id[0] == '\0') {
    return step;
  }
  code = database_read(&told->row, jobs, error, "SELECT " WHOLE " FROM job WHERE id = ?", "t", id);
  return code != MLOOM_OK ? code : database_step(told->row, error) == 1 ? MLOOM_OK : unknown(id, error);
}

int32_t store_claim_job(store *self, const char *executor, const char *ready, int64_t lease_ms, store_job_fn fn,
                        void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  claiming told = {executor, ready, lease_ms, self->attempt_limit, NULL};
  int32_t code = database_transact(self->jobs, claim, &told, error);
  if (code == MLOOM_OK && told.row == NULL) {
    code = mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "ask again later", "no job is waiting");
  } else if (code == MLOOM_OK) {
    hand_over(told.row, 1, fn, userdata);
  }
  database_finish(told.row);
  store_bring_entries(self, self->jobs);
  return code;
}

int store_has_job(store *self, const char *ready) {
  STORE_HOLD(self);
  database_rows *row = NULL;
  int32_t code = database_read(&row, self->jobs, NULL, "SELECT 1 FROM job WHERE " CLAIMABLE " LIMIT 1", "t", ready);
  int32_t step = code == MLOOM_OK ? database_step(row, NULL) : code;
  database_finish(row);
  return step == 1;
}

typedef struct renewing {
  const store_lease *lease;
  int64_t lease_ms;
  int is_there, is_cancelled;
} renewing;

static int32_t renew(database *jobs, void *userdata, mloom_error *error) {
  renewing *told = userdata;
  database_rows *row = NULL;
  int32_t code = database_read(
      &row, jobs, error, "UPDATE job SET lease_until_ms = now_ms() + ? WHERE " IS_HELD " RETURNING cancel_requested",
      "itti", told->lease_ms, told->lease->id, told->lease->executor, told->lease->claim);
  int32_t step = code == MLOOM_OK ? database_step(row, error) : code;
  told->is_there = step == 1;
  told->is_cancelled = step == 1 && database_integer(row, 0) != 0;
  step = step == 1 ? database_step(row, error) : step;
  database_finish(row);
  return step;
}

int32_t store_renew_lease(store *self, const store_lease *lease, int64_t lease_ms, int *cancelled, mloom_error *error) {
  STORE_HOLD(self);
  renewing told = {.lease = lease, .lease_ms = lease_ms};
  int32_t code = database_transact(self->jobs, renew, &told, error);
  *cancelled = code == MLOOM_OK && told.is_cancelled;
  return code == MLOOM_OK && !told.is_there ? conflict(lease->id, error) : code;
}

int32_t store_extend_leases(store *self, const char *executor, int64_t lease_ms, mloom_error *error) {
  STORE_HOLD(self);
  return database_run(NULL, self->jobs, error,
                      "UPDATE job SET lease_until_ms = now_ms() + ? WHERE state = 'running' AND lease_until_ms < "
                      "now_ms() AND executor <> ?",
                      "it", lease_ms, executor);
}

/* ---- Ends ---- */

typedef struct ending {
  const store_lease *lease;
  const char *state, *reason, *result, *diff;
  const char *provider, *model; /* that the result names; NULL: those that are known */
  int is_new;
} ending;

/* An executor that did not hear the answer says it again. */
static int32_t is_told_again(database *jobs, const ending *told, mloom_error *error) {
  database_rows *row = NULL;
  int32_t code = database_read(
      &row, jobs, error,
      "SELECT 1 FROM job WHERE id = ? AND executor = ? AND claims = ? AND state = ? AND result "
      "= ? AND diff = ?",
      "ttittt", told->lease->id, told->lease->executor, told->lease->claim, told->state, told->result, told->diff);
  int32_t step = code == MLOOM_OK ? database_step(row, error) : code;
  database_finish(row);
  return step == 1 ? MLOOM_OK : step == 0 ? conflict(told->lease->id, error) : step;
}

static int32_t end(database *jobs, void *userdata, mloom_error *error) {
  ending *told = userdata;
  int64_t ended = 0;
  int32_t code =
      database_write(&ended, jobs, error,
                     "UPDATE job SET state = ?, reason = ?, result = ?, diff = ?, provider = coalesce(?, "
                     "provider), model = coalesce(?, model), ended_ms = now_ms(), lease_until_ms = 0 WHERE " IS_HELD,
                     "tttttttti", told->state, told->reason, told->result, told->diff, told->provider, told->model,
                     told->lease->id, told->lease->executor, told->lease->claim);
  told->is_new = code == MLOOM_OK && ended > 0;
  return code == MLOOM_OK && ended == 0 ? is_told_again(jobs, told, error) : code;
}

static int32_t end_job(store *self, ending *told, mloom_error *error) {
  STORE_HOLD(self);
  store_write_backlog(self); /* who reads events up to the end shall find them */
  int32_t code = database_transact(self->jobs, end, told, error);
  store_bring_entries(self, self->jobs);
  return code;
}

void store_on_end(store *self, store_ended_fn fn, void *userdata) {
  self->ended = fn;
  self->ended_userdata = userdata;
}

int32_t store_end_job(store *self, const store_lease *lease, const char *state, const char *reason, const char *result,
                      const char *diff, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *said = NULL;
  (void)mloom_json_parse(&said, result, strlen(result), "the result", NULL); /* "" when it came to none */
  ending told = {.lease = lease,
                 .state = state,
                 .reason = reason,
                 .result = result,
                 .diff = diff,
                 .provider = mloom_json_member_string(said, "provider", NULL),
                 .model = mloom_json_member_string(said, "model", NULL)};
  int32_t code = end_job(self, &told, error);
  if (code == MLOOM_OK && told.is_new && self->ended != NULL) {
    self->ended(state, result, self->ended_userdata);
  }
  return code;
}

int32_t store_return_job(store *self, const store_lease *lease, mloom_error *error) {
  STORE_HOLD(self);
  int64_t returned = 0;
  int32_t code = database_run(&returned, self->jobs, error,
                              "UPDATE job SET state = CASE cancel_requested WHEN 0 THEN 'pending' ELSE 'cancelled' "
                              "END, executor = '', reason = 'handed back by ' || executor, ended_ms = CASE "
                              "cancel_requested WHEN 0 THEN 0 ELSE now_ms() END, attempts = attempts - 1, "
                              "lease_until_ms = 0 WHERE " IS_HELD,
                              "tti", lease->id, lease->executor, lease->claim);
  store_bring_entries(self, self->jobs);
  return code == MLOOM_OK && returned == 0 ? conflict(lease->id, error) : code;
}

int32_t store_cancel_job(store *self, const char *id, mloom_error *error) {
  STORE_HOLD(self);
  int64_t changed = 0;
  int32_t code = database_run(&changed, self->jobs, error,
                              "UPDATE job SET reason = CASE state WHEN 'pending' THEN 'cancelled before it began' ELSE "
                              "reason END, ended_ms = CASE state WHEN 'pending' THEN now_ms() ELSE ended_ms END, state "
                              "= CASE state WHEN 'pending' THEN 'cancelled' ELSE state END, cancel_requested = 1 WHERE "
                              "id = ? AND state IN ('pending', 'running')",
                              "t", id);
  store_bring_entries(self, self->jobs);
  if (code != MLOOM_OK || changed > 0) {
    return code;
  }
  int32_t found = find(self, id, error);
  return found == 1 ? conflict(id, error) : found == 0 ? unknown(id, error) : found;
}

/* ---- Events ---- */

int32_t store_add_event(store *self, const char *job, const char *token, const char *event, mloom_error *error) {
  STORE_HOLD(self);
  int32_t found = find(self, job, error);
  return found == 1   ? database_run(NULL, self->live, error,
                                     "INSERT INTO event (job, text, token) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                                     "ttt", job, event, token)
         : found == 0 ? unknown(job, error)
                      : found;
}

int32_t store_each_event(store *self, const char *job, int64_t after,
                         void (*fn)(int64_t sequence, const char *event, void *userdata), void *userdata,
                         mloom_error *error) {
  STORE_HOLD(self);
  database_rows *row = NULL;
  int32_t code = database_read(
      &row, self->live, error,
      "SELECT sequence, text FROM event WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT 500", "ti", job, after);
  int32_t step = code;
  while (code == MLOOM_OK && (step = database_step(row, error)) == 1) {
    fn(database_integer(row, 0), database_text(row, 1), userdata);
  }
  database_finish(row);
  return step < 0 ? step : MLOOM_OK;
}
