/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs and their events. A job is claimed, renewed and ended in single statements that name who has it, so that two
 * executors never both have one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/internal.h"

#define HEAD                                                                                               \
  "id, state, title, key, provider, model, executor, reason, created_ms, started_ms, ended_ms, attempts, " \
  "cancel_requested"
/* ?2 is now, ?4 the list of providers. */
#define CLAIMABLE                                                                                                   \
  "(state = 'pending' OR (state = 'running' AND lease_until_ms < ?2)) AND cancel_requested = 0 AND (?4 IS NULL OR " \
  "provider = '' OR instr(?4, ',' || provider || ',') > 0)"
#define ATTEMPT_LIMIT 3
#define WHOLE HEAD ", document, result, diff"

static int32_t conflict(const char *id, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_JOB, "read the job again",
                         "job %s has ended, or belongs to another executor", id);
}

static int32_t unknown(const char *id, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "check the id", "there is no job %.80s", id);
}

static void hand_over(sqlite_statement *row, int whole, store_job_fn fn, void *userdata) {
  const store_job job = {.id = sqlite_text(row, 0),
                         .state = sqlite_text(row, 1),
                         .title = sqlite_text(row, 2),
                         .key = sqlite_text(row, 3),
                         .provider = sqlite_text(row, 4),
                         .model = sqlite_text(row, 5),
                         .executor = sqlite_text(row, 6),
                         .reason = sqlite_text(row, 7),
                         .created_ms = sqlite_integer(row, 8),
                         .started_ms = sqlite_integer(row, 9),
                         .ended_ms = sqlite_integer(row, 10),
                         .attempts = sqlite_integer(row, 11),
                         .cancel_requested = sqlite_integer(row, 12) != 0,
                         .document = whole ? sqlite_text(row, 13) : "",
                         .result = whole ? sqlite_text(row, 14) : "",
                         .diff = whole ? sqlite_text(row, 15) : ""};
  fn(&job, userdata);
}

int32_t store_add_job(store *self, const store_job *job, mloom_error *error) {
  STORE_HOLD(self);
  mloom_error why = MLOOM_ERROR_INIT;
  int32_t code = sqlite_run(
      self->state, &why,
      "INSERT INTO job (id, state, title, key, provider, model, executor, reason, document, "
      "result, diff, created_ms, started_ms, ended_ms, attempts, cancel_requested, lease_until_ms) "
      "VALUES (?, 'pending', ?, ?, ?, ?, '', ?, ?, '', '', ?, 0, 0, 0, 0, 0)",
      "ttttttti", job->id, job->title, job->key, job->provider, job->model, job->reason, job->document, store_now_ms());
  if (code != MLOOM_OK && sqlite_is_duplicate(self->state)) {
    return mloom_error_set(error, MLOOM_E_CONFLICT, MLOOM_DOMAIN_JOB, "choose another id, or leave it out",
                           "there is a job %s already", job->id);
  }
  mloom_error_copy(error, &why);
  return code;
}

int32_t store_get_job(store *self, const char *id, store_job_fn fn, void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code = sqlite_prepare(&row, self->state, error, "SELECT " WHOLE " FROM job WHERE id = ?", "t", id);
  int32_t step = code == MLOOM_OK ? sqlite_step(row, error) : code;
  if (step == 1) {
    hand_over(row, 1, fn, userdata);
  }
  sqlite_finish(row);
  return step == 1 ? MLOOM_OK : step == 0 ? unknown(id, error) : step;
}

int32_t store_each_job(store *self, const char *state, int64_t before_ms, uint32_t limit, store_job_fn fn,
                       void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code = sqlite_prepare(&row, self->state, error,
                                "SELECT " HEAD " FROM job WHERE (?1 IS NULL OR state = ?1) AND (?2 = 0 OR created_ms < "
                                "?2) ORDER BY created_ms DESC, id DESC LIMIT ?3",
                                "tii", state, before_ms, (int64_t)limit);
  int32_t step = code;
  while (code == MLOOM_OK && (step = sqlite_step(row, error)) == 1) {
    hand_over(row, 0, fn, userdata);
  }
  sqlite_finish(row);
  return step < 0 ? step : MLOOM_OK;
}

/* Ends those whose executor is lost and that nobody takes over: a job that ends its executor again and again must not
 * do so for ever, and one that was cancelled has no one else to end it. */
static int32_t end_lost_jobs(store *self, int64_t now, mloom_error *error) {
  int32_t code = sqlite_run(self->state, error,
                            "UPDATE job SET state = 'cancelled', reason = 'cancelled; its executor was lost', ended_ms "
                            "= ?1 WHERE state = 'running' AND lease_until_ms < ?1 AND cancel_requested = 1",
                            "i", now);
  return code != MLOOM_OK
             ? code
             : sqlite_run(self->state, error,
                          "UPDATE job SET state = 'failed', reason = 'its executor was lost ' || attempts || ' times', "
                          "ended_ms = ?1 WHERE state = 'running' AND lease_until_ms < ?1 AND attempts >= ?2",
                          "ii", now, (int64_t)ATTEMPT_LIMIT);
}

int32_t store_claim_job(store *self, const char *executor, const char *ready, int64_t lease_ms, store_job_fn fn,
                        void *userdata, mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int64_t now = store_now_ms();
  int32_t code = end_lost_jobs(self, now, error);
  if (code != MLOOM_OK) {
    return code;
  }
  code = sqlite_prepare(
      &row, self->state, error,
      "UPDATE job SET state = 'running', executor = ?1, reason = '', started_ms = ?2, attempts = attempts + 1, "
      "lease_until_ms = ?2 + ?3 WHERE id = (SELECT id FROM job WHERE " CLAIMABLE " ORDER BY created_ms, id LIMIT 1) "
      "RETURNING " WHOLE,
      "tiit", executor, now, lease_ms, ready);
  int32_t step = code == MLOOM_OK ? sqlite_step(row, error) : code;
  if (step == 1) {
    hand_over(row, 1, fn, userdata);
    step = sqlite_step(row, error) < 0 ? MLOOM_E_IO : 1;
  }
  sqlite_finish(row);
  return step == 1 ? MLOOM_OK
         : step == 0
             ? mloom_error_set(error, MLOOM_E_NOT_FOUND, MLOOM_DOMAIN_JOB, "ask again later", "no job is waiting")
             : step;
}

int store_has_job(store *self, const char *ready) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code = sqlite_prepare(&row, self->state, NULL, "SELECT ?1, ?3 FROM job WHERE " CLAIMABLE " LIMIT 1", "iiit",
                                (int64_t)0, store_now_ms(), (int64_t)0, ready);
  int32_t step = code == MLOOM_OK ? sqlite_step(row, NULL) : code;
  sqlite_finish(row);
  return step == 1;
}

int32_t store_renew_lease(store *self, const char *id, const char *executor, int64_t lease_ms, int *cancelled,
                          mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code = sqlite_prepare(&row, self->state, error,
                                "UPDATE job SET lease_until_ms = ? WHERE id = ? AND executor = ? AND state = 'running' "
                                "RETURNING cancel_requested",
                                "itt", store_now_ms() + lease_ms, id, executor);
  int32_t step = code == MLOOM_OK ? sqlite_step(row, error) : code;
  *cancelled = step == 1 && sqlite_integer(row, 0) != 0;
  if (step == 1) {
    step = sqlite_step(row, error) < 0 ? MLOOM_E_IO : 1;
  }
  sqlite_finish(row);
  return step == 1 ? MLOOM_OK : step == 0 ? conflict(id, error) : step;
}

int32_t store_end_job(store *self, const char *id, const char *executor, const char *state, const char *reason,
                      const char *result, const char *diff, mloom_error *error) {
  STORE_HOLD(self);
  int32_t code =
      sqlite_run(self->state, error,
                 "UPDATE job SET state = ?, reason = ?, result = ?, diff = ?, ended_ms = ?, lease_until_ms = "
                 "0 WHERE id = ? AND executor = ? AND state = 'running'",
                 "ttttitt", state, reason, result, diff, store_now_ms(), id, executor);
  return code == MLOOM_OK && sqlite_changes(self->state) == 0 ? conflict(id, error) : code;
}

int32_t store_return_job(store *self, const char *id, const char *executor, mloom_error *error) {
  STORE_HOLD(self);
  int32_t code = sqlite_run(self->state, error,
                            "UPDATE job SET state = iif(cancel_requested, 'cancelled', 'pending'), executor = '', "
                            "reason = 'handed back by ' || ?1, ended_ms = iif(cancel_requested, ?3, 0), attempts = "
                            "attempts - 1, lease_until_ms = 0 WHERE id = ?2 AND executor = ?1 AND state = 'running'",
                            "tti", executor, id, store_now_ms());
  return code == MLOOM_OK && sqlite_changes(self->state) == 0 ? conflict(id, error) : code;
}

int32_t store_note_job(store *self, const char *id, const char *provider, const char *model, const char *reason,
                       mloom_error *error) {
  STORE_HOLD(self);
  return sqlite_run(
      self->state, error,
      "UPDATE job SET provider = ifnull(?, provider), model = ifnull(?, model), reason = ifnull(?, reason) "
      "WHERE id = ?",
      "tttt", provider, model, reason, id);
}

int32_t store_cancel_job(store *self, const char *id, mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code = sqlite_run(self->state, error,
                            "UPDATE job SET state = 'cancelled', reason = 'cancelled before it began', ended_ms = ?, "
                            "cancel_requested = 1 WHERE id = ? AND state = 'pending'",
                            "it", store_now_ms(), id);
  if (code != MLOOM_OK || sqlite_changes(self->state) > 0) {
    return code;
  }
  code =
      sqlite_run(self->state, error, "UPDATE job SET cancel_requested = 1 WHERE id = ? AND state = 'running'", "t", id);
  if (code != MLOOM_OK || sqlite_changes(self->state) > 0) {
    return code;
  }
  code = sqlite_prepare(&row, self->state, error, "SELECT 1 FROM job WHERE id = ?", "t", id);
  int32_t step = code == MLOOM_OK ? sqlite_step(row, error) : code;
  sqlite_finish(row);
  return step == 1 ? conflict(id, error) : step == 0 ? unknown(id, error) : step;
}

int32_t store_add_event(store *self, const char *job, const char *event, mloom_error *error) {
  STORE_HOLD(self);
  return sqlite_run(self->state, error, "INSERT INTO event (job, text) VALUES (?, ?)", "tt", job, event);
}

int32_t store_each_event(store *self, const char *job, int64_t after,
                         void (*fn)(int64_t sequence, const char *event, void *userdata), void *userdata,
                         mloom_error *error) {
  STORE_HOLD(self);
  sqlite_statement *row = NULL;
  int32_t code =
      sqlite_prepare(&row, self->state, error,
                     "SELECT sequence, text FROM event WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT "
                     "500",
                     "ti", job, after);
  int32_t step = code;
  while (code == MLOOM_OK && (step = sqlite_step(row, error)) == 1) {
    fn(sqlite_integer(row, 0), sqlite_text(row, 1), userdata);
  }
  sqlite_finish(row);
  return step < 0 ? step : MLOOM_OK;
}
