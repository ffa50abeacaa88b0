/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in files, or where MERGELOOM_TEST_DATABASE_URL names a PostgreSQL database of the test's own, in that.
 */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "store/postgresql.h"
#include "store/sqlite.h"
#include "store/store.h"

#define SECRET "test-key-not-a-secret"
#define LONG_LEASE 600000

typedef struct bench {
  char folder[64];
  char paths[4][96];
  deployment where;
  store *store;
  const char *url; /* NULL: in files */
} bench;

static void name_paths(bench *self) {
  static const char *const names[] = {"providers.db", "runtime.db", "state.db", "secret.key"};
  char folder[sizeof self->folder];
  memcpy(folder, self->folder, sizeof folder);
  for (int i = 0; i < 4; i++) {
    snprintf(self->paths[i], sizeof self->paths[i], "%s/%s", folder, names[i]);
  }
  self->where = (deployment){.provider_store_path = self->paths[0],
                             .runtime_store_path = self->paths[1],
                             .state_store_path = self->paths[2],
                             .secret_key_path = self->paths[3],
                             .job_attempts = 3};
  for (int i = 0; self->url != NULL && i < DEPLOYMENT_STORES; i++) {
    self->where.database_urls[i] = (mloom_bytes){self->url, strlen(self->url)};
  }
}

/* Runs sql on the database, outside of a transaction. */
static void run_on_server(const char *url, const char *sql) {
  const schema_part *const parts[] = {&schema_common, NULL};
  database *server = NULL;
  database_rows *rows = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(postgresql_open(&server, url, parts, &error), MLOOM_OK, &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(server);
  UNIT_ASSERT_CODE(database_read(&rows, server, &error, sql, NULL), MLOOM_OK, &error);
  database_finish(rows);
  database_close(server);
}

static void reopen(bench *self) {
  mloom_error error = MLOOM_ERROR_INIT;
  store_close(self->store);
  self->store = NULL;
  UNIT_ASSERT_CODE(store_open(&self->store, &self->where, &error), MLOOM_OK, &error);
}

static void begin(bench *self) {
  *self = (bench){.folder = "/tmp/mergeloom-store-XXXXXX", .url = getenv("MERGELOOM_TEST_DATABASE_URL")};
  if (self->url != NULL) {
    run_on_server(self->url, "DROP SCHEMA mergeloomd CASCADE");
  }
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(self->folder));
  name_paths(self);
  reopen(self);
  CU_ASSERT_PTR_NOT_NULL_FATAL(self->store);
}

static int delete_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
  (void)info;
  (void)kind;
  (void)place;
  return remove(path);
}

static void finish(bench *self) {
  store_close(self->store);
  nftw(self->folder, delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- Settings ---- */

static void count_problem(const mloom_error *why, void *userdata) {
  CU_ASSERT_PTR_NULL(strstr(why->message, SECRET));
  ++*(int *)userdata;
}

static mloom_json *settings(bench *self, int *problems) {
  mloom_json *found = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  *problems = 0;
  UNIT_ASSERT_CODE(store_read_settings(self->store, 1, 1, &found, count_problem, problems, &error), MLOOM_OK, &error);
  return found;
}

static const char *value_of(const mloom_json *found, const char *provider, const char *field) {
  return mloom_json_member_string(mloom_json_member(mloom_json_member(found, "providers"), provider), field, NULL);
}

static int file_has(const char *path, const char *text) {
  char data[1 << 16];
  FILE *file = fopen(path, "rb");
  size_t size = file == NULL ? 0 : fread(data, 1, sizeof data, file);
  if (file != NULL) {
    fclose(file);
  }
  return memmem(data, size, text, strlen(text)) != NULL;
}

static void test_settings(void) {
  bench setup;
  int problems = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  const store_change both[] = {{"claude-api", "model", "m", 0}, {"claude-api", "api_key", SECRET, 1}};
  const store_change mixed[] = {{"claude-api", "model", "n", 0}, {"worker", "max_turns", "7", 0}};
  int64_t version = store_settings_version(setup.store);
  UNIT_ASSERT_CODE(store_write_settings(setup.store, both, 2, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(store_write_settings(setup.store, mixed + 1, 1, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(store_settings_version(setup.store), version + 2);
  if (setup.url == NULL) {
    UNIT_ASSERT_CODE(store_write_settings(setup.store, mixed, 2, &error), MLOOM_E_INVALID, &error);
  }
  reopen(&setup);
  mloom_json *found = settings(&setup, &problems);
  UNIT_ASSERT_STRING(value_of(found, "claude-api", "model"), "m");
  UNIT_ASSERT_STRING(value_of(found, "claude-api", "api_key"), SECRET);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(found, "worker"), "max_turns", NULL), "7");
  mloom_json_unref(found);
  store_close(setup.store);
  setup.store = NULL;
  struct stat info;
  for (int i = setup.url == NULL ? 0 : 3; i < 4; i++) {
    CU_ASSERT_EQUAL(stat(setup.paths[i], &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
    CU_ASSERT_FALSE(file_has(setup.paths[i], SECRET));
  }
  reopen(&setup);
  const store_change unset = {"claude-api", "api_key", NULL, 1};
  UNIT_ASSERT_CODE(store_write_settings(setup.store, &unset, 1, &error), MLOOM_OK, &error);
  found = settings(&setup, &problems);
  UNIT_ASSERT_STRING(value_of(found, "claude-api", "api_key"), NULL);
  CU_ASSERT_EQUAL(problems, 0);
  mloom_json_unref(found);
  finish(&setup);
}

static void run_sql(const char *path, const char *sql) {
  sqlite3 *file = NULL;
  CU_ASSERT_EQUAL(sqlite3_open(path, &file), SQLITE_OK);
  CU_ASSERT_EQUAL(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(file);
}

/* In the file of that number, or on the server. */
static void run_on(const bench *setup, int path, const char *sql) {
  if (setup->url != NULL) {
    run_on_server(setup->url, sql);
  } else {
    run_sql(setup->paths[path], sql);
  }
}

static void test_sealed(void) {
  bench setup;
  int problems = 0;
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  const store_change changes[] = {{"a", "api_key", SECRET, 1}, {"b", "api_key", "another-word", 1}};
  UNIT_ASSERT_CODE(store_write_settings(setup.store, changes, 2, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(store_rotate_key(setup.store, &error), MLOOM_OK, &error);
  reopen(&setup);
  mloom_json *found = settings(&setup, &problems);
  UNIT_ASSERT_STRING(value_of(found, "a", "api_key"), SECRET);
  UNIT_ASSERT_STRING(value_of(found, "b", "api_key"), "another-word");
  mloom_json_unref(found);
  store_close(setup.store);
  setup.store = NULL;
  /* A sealed value in another row does not open, and takes no other with it. */
  run_on(&setup, 0, "UPDATE setting SET value = (SELECT value FROM setting WHERE owner = 'a') WHERE owner = 'b'");
  reopen(&setup);
  found = settings(&setup, &problems);
  CU_ASSERT_EQUAL(problems, 1);
  UNIT_ASSERT_STRING(value_of(found, "a", "api_key"), SECRET);
  UNIT_ASSERT_STRING(value_of(found, "b", "api_key"), NULL);
  mloom_json_unref(found);
  finish(&setup);
}

static void write_secret(bench *setup, const char *value, int32_t expected) {
  mloom_error error = MLOOM_ERROR_INIT;
  const store_change change = {"a", "api_key", value, 1};
  UNIT_ASSERT_CODE(store_write_settings(setup->store, &change, 1, &error), expected, &error);
}

static void expect_secret(bench *setup, const char *value) {
  int problems = 0;
  mloom_json *found = settings(setup, &problems);
  UNIT_ASSERT_STRING(value_of(found, "a", "api_key"), value);
  CU_ASSERT_EQUAL(problems, 0);
  mloom_json_unref(found);
}

static void test_rotation_by_another(void) {
  bench setup;
  store *other = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  write_secret(&setup, SECRET, MLOOM_OK);
  UNIT_ASSERT_CODE(store_open(&other, &setup.where, &error), MLOOM_OK, &error);
  UNIT_ASSERT_CODE(store_rotate_key(other, &error), MLOOM_OK, &error);
  expect_secret(&setup, SECRET);
  UNIT_ASSERT_CODE(store_rotate_key(other, &error), MLOOM_OK, &error);
  write_secret(&setup, "another-word", MLOOM_OK);
  store_close(other);
  reopen(&setup);
  expect_secret(&setup, "another-word");
  /* Without the file nobody could open later what is sealed now. */
  unlink(setup.paths[3]);
  const store_change plain = {"a", "model", "m", 0};
  write_secret(&setup, SECRET, MLOOM_E_NOT_FOUND);
  UNIT_ASSERT_CODE(store_write_settings(setup.store, &plain, 1, &error), MLOOM_OK, &error);
  expect_secret(&setup, "another-word");
  finish(&setup);
}

static void test_one_rotation_at_a_time(void) {
  bench setup;
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  write_secret(&setup, SECRET, MLOOM_OK);
  int fd = open(setup.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0);
  UNIT_ASSERT_CODE(store_rotate_key(setup.store, &error), MLOOM_E_CONFLICT, &error);
  close(fd);
  UNIT_ASSERT_CODE(store_rotate_key(setup.store, &error), MLOOM_OK, &error);
  expect_secret(&setup, SECRET);
  finish(&setup);
}

/* ---- Files ---- */

static void test_versions(void) {
  bench setup;
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  store_close(setup.store);
  setup.store = NULL;
  run_on(&setup, 2,
         setup.url == NULL ? "PRAGMA user_version = 1000" : "UPDATE part SET version = 9 WHERE name = 'jobs'");
  UNIT_ASSERT_CODE(store_open(&setup.store, &setup.where, &error), MLOOM_E_UNSUPPORTED, &error);
  CU_ASSERT_PTR_NULL(setup.store);
  CU_ASSERT_PTR_NOT_NULL(strstr(error.message, setup.url == NULL ? setup.paths[2] : "127.0.0.1"));
  finish(&setup);
}

static int64_t number(database *file, const char *sql) {
  database_rows *row = NULL;
  int64_t found = -1;
  if (database_read(&row, file, NULL, sql, NULL) == MLOOM_OK && database_step(row, NULL) == 1) {
    found = database_integer(row, 0);
  }
  database_finish(row);
  return found;
}

static void test_migrations(void) {
  static const char *const first[] = {"CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)", NULL};
  const char *const second[] = {first[0], "INSERT INTO t VALUES (2)", NULL};
  const char *const broken[] = {first[0], second[1], "INSERT INTO t VALUES (3); INSERT INTO nowhere VALUES (1)", NULL};
  char path[] = "/tmp/mergeloom-migrations-XXXXXX";
  char side[64];
  database *file = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  close(mkstemp(path));
  for (int i = 0; i < 2; i++) {
    UNIT_ASSERT_CODE(sqlite_open(&file, path, first, &error), MLOOM_OK, &error);
    CU_ASSERT_EQUAL(number(file, "SELECT sum(n) FROM t"), 1);
    database_close(file);
  }
  UNIT_ASSERT_CODE(sqlite_open(&file, path, broken, &error), MLOOM_E_IO, &error);
  for (int i = 0; i < 2; i++) {
    UNIT_ASSERT_CODE(sqlite_open(&file, path, second, &error), MLOOM_OK, &error);
    CU_ASSERT_EQUAL(number(file, "SELECT sum(n) FROM t"), 3);
    database_close(file);
  }
  UNIT_ASSERT_CODE(sqlite_open(&file, path, first, &error), MLOOM_E_UNSUPPORTED, &error);
  unlink(path);
  snprintf(side, sizeof side, "%s-wal", path);
  unlink(side);
  snprintf(side, sizeof side, "%s-shm", path);
  unlink(side);
}

/* ---- Jobs ---- */

typedef struct seen {
  char id[65], state[16], provider[32], executor[32], reason[96], document[32];
  int64_t attempts, claim, ended_ms;
  int count;
} seen;

static void take(const store_job *job, void *userdata) {
  seen *out = userdata;
  int count = out->count + 1;
  *out = (seen){.attempts = job->attempts, .claim = job->claim, .ended_ms = job->ended_ms, .count = count};
  snprintf(out->id, sizeof out->id, "%s", job->id);
  snprintf(out->state, sizeof out->state, "%s", job->state);
  snprintf(out->provider, sizeof out->provider, "%s", job->provider);
  snprintf(out->executor, sizeof out->executor, "%s", job->executor);
  snprintf(out->reason, sizeof out->reason, "%s", job->reason);
  snprintf(out->document, sizeof out->document, "%s", job->document);
}

static void add(bench *self, const char *id, const char *provider) {
  const store_job job = {
      .id = id, .title = "t", .key = "k", .provider = provider, .model = "", .reason = "", .document = "{}"};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(store_add_job(self->store, &job, &error), MLOOM_OK, &error);
}

/* Leases with a lease of -1 ms have run out at once. */
static const char *claim(bench *self, const char *executor, const char *ready, int64_t lease_ms, seen *out) {
  mloom_error error = MLOOM_ERROR_INIT;
  *out = (seen){.count = 0};
  int would = store_has_job(self->store, ready);
  int32_t code = store_claim_job(self->store, executor, ready, lease_ms, take, out, &error);
  CU_ASSERT(code == MLOOM_OK || code == MLOOM_E_NOT_FOUND);
  CU_ASSERT_EQUAL(out->count, code == MLOOM_OK);
  CU_ASSERT(would || code == MLOOM_E_NOT_FOUND);
  return code == MLOOM_OK ? out->id : NULL;
}

static seen job_of(bench *self, const char *id) {
  seen found = {.count = 0};
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(store_get_job(self->store, id, take, &found, &error), MLOOM_OK, &error);
  return found;
}

/* Of executor, by the last claim of the job. */
static store_lease lease_of(bench *self, const char *id, const char *executor) {
  return (store_lease){id, executor, job_of(self, id).claim};
}

static int32_t renew(bench *self, const char *id, const char *executor, int64_t lease_ms, int *cancelled) {
  const store_lease lease = lease_of(self, id, executor);
  return store_renew_lease(self->store, &lease, lease_ms, cancelled, NULL);
}

static int32_t give_back(bench *self, const char *id, const char *executor) {
  const store_lease lease = lease_of(self, id, executor);
  return store_return_job(self->store, &lease, NULL);
}

static int32_t end(bench *self, const char *id, const char *executor, const char *state) {
  const store_lease lease = lease_of(self, id, executor);
  return store_end_job(self->store, &lease, state, "", "{}", "", NULL);
}

static void hear_end(const char *state, const char *result, void *userdata) {
  UNIT_ASSERT_STRING(state, "completed");
  UNIT_ASSERT_STRING(result, "{}");
  ++*(int *)userdata;
}

static void count_ends(const store_audit_entry *entry, void *userdata) {
  CU_ASSERT(entry->time_ms > 0);
  ++*(int *)userdata;
}

static int ends_of(bench *self, const char *id) {
  const store_audit_filter filter = {.kind = "job", .subject = id, .limit = 100};
  int count = 0;
  CU_ASSERT_EQUAL(store_each_audit(self->store, &filter, count_ends, &count, NULL), MLOOM_OK);
  return count;
}

static void test_claim(void) {
  bench setup;
  seen job;
  begin(&setup);
  UNIT_ASSERT_STRING(claim(&setup, "e", ",a,", LONG_LEASE, &job), NULL);
  add(&setup, "j1", "b");
  add(&setup, "j2", "a");
  add(&setup, "j3", "a");
  add(&setup, "j4", "");
  UNIT_ASSERT_STRING(claim(&setup, "e", ",aa,", LONG_LEASE, &job), "j4");
  UNIT_ASSERT_STRING(claim(&setup, "e", ",x,a,", LONG_LEASE, &job), "j2");
  UNIT_ASSERT_STRING(job.state, "running");
  UNIT_ASSERT_STRING(job.executor, "e");
  UNIT_ASSERT_STRING(job.document, "{}");
  CU_ASSERT_EQUAL(job.attempts, 1);
  UNIT_ASSERT_STRING(claim(&setup, "f", ",a,", LONG_LEASE, &job), "j3");
  UNIT_ASSERT_STRING(claim(&setup, "f", ",a,", LONG_LEASE, &job), NULL);
  UNIT_ASSERT_STRING(claim(&setup, "f", NULL, LONG_LEASE, &job), "j1");
  const store_job again = {
      .id = "j1", .title = "", .key = "", .provider = "", .model = "", .reason = "", .document = ""};
  CU_ASSERT_EQUAL(store_add_job(setup.store, &again, NULL), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(store_get_job(setup.store, "nope", take, &job, NULL), MLOOM_E_NOT_FOUND);
  finish(&setup);
}

static void test_lease(void) {
  bench setup;
  seen job;
  int cancelled = 0;
  begin(&setup);
  add(&setup, "j", "a");
  claim(&setup, "e", NULL, -1, &job);
  UNIT_ASSERT_STRING(claim(&setup, "f", NULL, LONG_LEASE, &job), "j");
  CU_ASSERT_EQUAL(job.attempts, 2);
  CU_ASSERT_EQUAL(renew(&setup, "j", "e", LONG_LEASE, &cancelled), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(end(&setup, "j", "e", "completed"), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(give_back(&setup, "j", "e"), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(renew(&setup, "j", "f", -1, &cancelled), MLOOM_OK);
  CU_ASSERT_EQUAL(cancelled, 0);
  int heard = 0;
  store_on_end(setup.store, hear_end, &heard);
  UNIT_ASSERT_STRING(claim(&setup, "e", NULL, LONG_LEASE, &job), "j");
  CU_ASSERT_EQUAL(end(&setup, "j", "e", "completed"), MLOOM_OK);
  CU_ASSERT_EQUAL(end(&setup, "j", "e", "completed"), MLOOM_OK);
  CU_ASSERT_EQUAL(end(&setup, "j", "e", "failed"), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(heard, 1);
  CU_ASSERT_EQUAL(ends_of(&setup, "j"), 1);
  UNIT_ASSERT_STRING(job_of(&setup, "j").state, "completed");
  UNIT_ASSERT_STRING(claim(&setup, "e", NULL, LONG_LEASE, &job), NULL);
  CU_ASSERT_EQUAL(renew(&setup, "j", "e", LONG_LEASE, &cancelled), MLOOM_E_CONFLICT);
  finish(&setup);
}

static void test_earlier_claim(void) {
  bench setup;
  seen job;
  int cancelled = 0;
  begin(&setup);
  add(&setup, "j", "a");
  claim(&setup, "e", NULL, -1, &job);
  const store_lease first = {"j", "e", job.claim};
  UNIT_ASSERT_STRING(claim(&setup, "e", NULL, LONG_LEASE, &job), "j");
  const store_lease second = {"j", "e", job.claim};
  CU_ASSERT(second.claim > first.claim);
  CU_ASSERT_EQUAL(store_renew_lease(setup.store, &first, LONG_LEASE, &cancelled, NULL), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(store_end_job(setup.store, &first, "failed", "", "{\"provider\":\"x\"}", "", NULL), MLOOM_E_CONFLICT);
  UNIT_ASSERT_STRING(job_of(&setup, "j").provider, "a");
  CU_ASSERT_EQUAL(store_return_job(setup.store, &first, NULL), MLOOM_E_CONFLICT);
  /* What is handed back counts as no attempt, but its claim stays behind all the same. */
  CU_ASSERT_EQUAL(store_return_job(setup.store, &second, NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(claim(&setup, "e", NULL, LONG_LEASE, &job), "j");
  CU_ASSERT_EQUAL(job.attempts, 2);
  CU_ASSERT_EQUAL(store_end_job(setup.store, &second, "failed", "", "{}", "", NULL), MLOOM_E_CONFLICT);
  const store_lease third = {"j", "e", job.claim};
  CU_ASSERT_EQUAL(store_end_job(setup.store, &third, "completed", "", "{\"provider\":\"b\"}", "", NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(job_of(&setup, "j").provider, "b");
  CU_ASSERT_EQUAL(store_end_job(setup.store, &second, "completed", "", "{}", "", NULL), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(ends_of(&setup, "j"), 1);
  finish(&setup);
}

static void test_extended_leases(void) {
  bench setup;
  seen job;
  begin(&setup);
  add(&setup, "own", "a");
  add(&setup, "elsewhere", "b");
  claim(&setup, "gateway", ",a,", -1, &job);
  claim(&setup, "e", ",b,", -1, &job);
  usleep(2000);
  CU_ASSERT_EQUAL(store_extend_leases(setup.store, "gateway", LONG_LEASE, NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(claim(&setup, "f", ",b,", LONG_LEASE, &job), NULL);
  UNIT_ASSERT_STRING(claim(&setup, "f", ",a,", LONG_LEASE, &job), "own");
  CU_ASSERT_EQUAL(end(&setup, "elsewhere", "e", "completed"), MLOOM_OK);
  finish(&setup);
}

static void test_attempts(void) {
  bench setup;
  seen job;
  begin(&setup);
  add(&setup, "j", "a");
  for (int i = 1; i <= 3; i++) {
    UNIT_ASSERT_STRING(claim(&setup, "e", NULL, -1, &job), "j");
    CU_ASSERT_EQUAL(job.attempts, i);
    if (i == 2) { /* what is handed back does not count */
      CU_ASSERT_EQUAL(give_back(&setup, "j", "e"), MLOOM_OK);
      UNIT_ASSERT_STRING(job_of(&setup, "j").state, "pending");
      UNIT_ASSERT_STRING(claim(&setup, "e", NULL, -1, &job), "j");
      CU_ASSERT_EQUAL(job.attempts, 2);
    }
  }
  usleep(2000);
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(store_claim_job(setup.store, "e", NULL, LONG_LEASE, take, &job, &error), MLOOM_E_NOT_FOUND, &error);
  job = job_of(&setup, "j");
  UNIT_ASSERT_STRING(job.state, "failed");
  UNIT_ASSERT_STRING(job.reason, "its executor was lost, in attempt 3 of 3; see JCA_WORKER_JOB_ATTEMPTS");
  CU_ASSERT(job.ended_ms > 0);
  CU_ASSERT_EQUAL(ends_of(&setup, "j"), 1);
  finish(&setup);
}

static void append_count(const char *state, int64_t count, void *userdata) {
  char *out = userdata;
  size_t used = strlen(out);
  snprintf(out + used, 64 - used, "%s=%d ", state, (int)count);
}

static void test_counts(void) {
  bench setup;
  seen job;
  char text[64] = "";
  begin(&setup);
  CU_ASSERT_EQUAL(store_count_jobs(setup.store, append_count, text, NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(text, "");
  add(&setup, "j1", "a");
  CU_ASSERT_EQUAL(store_cancel_job(setup.store, "j1", NULL), MLOOM_OK);
  add(&setup, "j2", "a");
  add(&setup, "j3", "a");
  add(&setup, "j4", "b");
  claim(&setup, "e", ",b,", LONG_LEASE, &job);
  CU_ASSERT_EQUAL(store_count_jobs(setup.store, append_count, text, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(strlen(text), strlen("cancelled=1 pending=2 running=1 "));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "cancelled=1 "));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "pending=2 "));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "running=1 "));
  finish(&setup);
}

static void test_cancel(void) {
  bench setup;
  seen job;
  int cancelled = 0;
  begin(&setup);
  add(&setup, "waits", "a");
  CU_ASSERT_EQUAL(store_cancel_job(setup.store, "waits", NULL), MLOOM_OK);
  UNIT_ASSERT_STRING(job_of(&setup, "waits").state, "cancelled");
  CU_ASSERT_EQUAL(store_cancel_job(setup.store, "waits", NULL), MLOOM_E_CONFLICT);
  CU_ASSERT_EQUAL(store_cancel_job(setup.store, "nope", NULL), MLOOM_E_NOT_FOUND);
  add(&setup, "told", "a");
  add(&setup, "lost", "a");
  add(&setup, "returned", "a");
  for (int i = 0; i < 3; i++) {
    claim(&setup, "e", NULL, LONG_LEASE, &job);
    CU_ASSERT_EQUAL(store_cancel_job(setup.store, job.id, NULL), MLOOM_OK);
  }
  UNIT_ASSERT_STRING(job_of(&setup, "told").state, "running");
  CU_ASSERT_EQUAL(renew(&setup, "told", "e", LONG_LEASE, &cancelled), MLOOM_OK);
  CU_ASSERT_EQUAL(cancelled, 1);
  CU_ASSERT_EQUAL(end(&setup, "told", "e", "cancelled"), MLOOM_OK);
  CU_ASSERT_EQUAL(give_back(&setup, "returned", "e"), MLOOM_OK);
  UNIT_ASSERT_STRING(job_of(&setup, "returned").state, "cancelled");
  CU_ASSERT_EQUAL(renew(&setup, "lost", "e", -1, &cancelled), MLOOM_OK);
  usleep(2000);
  UNIT_ASSERT_STRING(claim(&setup, "f", NULL, LONG_LEASE, &job), NULL);
  UNIT_ASSERT_STRING(job_of(&setup, "lost").state, "cancelled");
  CU_ASSERT_EQUAL(ends_of(&setup, "told"), 1);
  CU_ASSERT_EQUAL(ends_of(&setup, "lost"), 1);
  CU_ASSERT_EQUAL(ends_of(&setup, "returned"), 1);
  CU_ASSERT_EQUAL(ends_of(&setup, "waits"), 1);
  finish(&setup);
}

/* ---- Audit and events ---- */

typedef struct entries {
  char text[256];
  int64_t last;
} entries;

static void append_entry(const store_audit_entry *entry, void *userdata) {
  entries *out = userdata;
  size_t used = strlen(out->text);
  snprintf(out->text + used, sizeof out->text - used, "%s/%s ", entry->kind, entry->subject);
  out->last = entry->sequence;
}

static void test_audit(void) {
  bench setup;
  begin(&setup);
  CU_ASSERT_EQUAL(store_add_audit(setup.store, "setting", "claude-api", "model", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(store_add_audit(setup.store, "check", "claude-api", "ready", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(store_add_audit(setup.store, "setting", "100%_'x", "y", NULL), MLOOM_OK);
  static const struct {
    store_audit_filter filter;
    const char *expected;
  } cases[] = {{{.limit = 9}, "setting/100%_'x check/claude-api setting/claude-api "},
               {{.kind = "setting", .limit = 9}, "setting/100%_'x setting/claude-api "},
               {{.subject = "claude", .limit = 9}, "check/claude-api setting/claude-api "},
               {{.subject = "%_'", .limit = 9}, "setting/100%_'x "},
               {{.subject = "_", .limit = 9}, "setting/100%_'x "},
               {{.kind = "nope", .limit = 9}, ""},
               {{.limit = 1}, "setting/100%_'x "}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    entries found = {.last = 0};
    CU_ASSERT_EQUAL(store_each_audit(setup.store, &cases[i].filter, append_entry, &found, NULL), MLOOM_OK);
    UNIT_ASSERT_STRING(found.text, cases[i].expected);
  }
  entries page = {.last = 0}, rest = {.last = 0};
  const store_audit_filter newest = {.limit = 2};
  store_each_audit(setup.store, &newest, append_entry, &page, NULL);
  const store_audit_filter older = {.limit = 2, .before = page.last};
  store_each_audit(setup.store, &older, append_entry, &rest, NULL);
  UNIT_ASSERT_STRING(rest.text, "setting/claude-api ");
  finish(&setup);
}

/* A volume without room for the files: what is told can wait, and what is written is written when there is room. */
static void test_no_room(void) {
  bench setup;
  seen job;
  entries found = {.last = 0};
  struct rlimit usual, none;
  const store_audit_filter all = {.kind = "check", .limit = 9};
  begin(&setup);
  add(&setup, "j", "a");
  UNIT_ASSERT_STRING(claim(&setup, "e", NULL, LONG_LEASE, &job), "j");
  if (setup.url == NULL) {
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &usual), 0);
    none = (struct rlimit){0, usual.rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &none), 0);
    int32_t ended = end(&setup, "j", "e", "completed");
    int32_t told = store_add_audit(setup.store, "check", "claude-api", "ready", NULL);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &usual), 0);
    CU_ASSERT_EQUAL(ended, MLOOM_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(told, MLOOM_OK);
    CU_ASSERT_EQUAL(store_each_audit(setup.store, &all, append_entry, &found, NULL), MLOOM_OK);
    UNIT_ASSERT_STRING(found.text, "check/claude-api ");
  }
  CU_ASSERT_EQUAL(end(&setup, "j", "e", "completed"), MLOOM_OK);
  UNIT_ASSERT_STRING(job_of(&setup, "j").state, "completed");
  finish(&setup);
}

static void append_text(const store_audit_entry *entry, void *userdata) {
  strcat(userdata, entry->subject);
  strcat(userdata, ": ");
  strcat(userdata, entry->text);
  strcat(userdata, "; ");
}

static void test_settings_in_the_audit(void) {
  bench setup;
  char text[256] = "";
  begin(&setup);
  const store_change worker = {"worker", "max_turns", "7", 0};
  const store_change both[] = {{"claude-api", "model", NULL, 0}, {"claude-api", "api_key", SECRET, 1}};
  const store_audit_filter filter = {.kind = "setting", .limit = 9};
  CU_ASSERT_EQUAL(store_write_settings(setup.store, &worker, 1, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(store_write_settings(setup.store, both, 2, NULL), MLOOM_OK);
  /* Of a write that is undone there is no entry. */
  unlink(setup.paths[3]);
  CU_ASSERT_EQUAL(store_write_settings(setup.store, both, 2, NULL), MLOOM_E_NOT_FOUND);
  for (int i = 0; i < 2; i++) {
    text[0] = '\0';
    CU_ASSERT_EQUAL(store_each_audit(setup.store, &filter, append_text, text, NULL), MLOOM_OK);
    UNIT_ASSERT_STRING(text, "claude-api: model (unset), api_key; worker: max_turns; ");
  }
  finish(&setup);
}

static void append_event(int64_t sequence, const char *event, void *userdata) {
  entries *out = userdata;
  CU_ASSERT(sequence > out->last);
  out->last = sequence;
  strcat(out->text, event);
}

/* ---- Plugins that crash ---- */

static void note_crashes(const store_crashes *crashes, void *userdata) {
  mloom_buffer_append_format(userdata, "%s %s %s %d %d\n", crashes->plugin, crashes->digest, crashes->reason,
                             (int)crashes->crashes, crashes->loading);
}

static void expect_crashes(const bench *setup, const char *owner, const char *expected) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer found = MLOOM_BUFFER_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(store_each_crashes(setup->store, owner, note_crashes, &found, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(mloom_buffer_string(&found), expected);
}

static void test_crashes(void) {
  bench setup;
  mloom_error error = MLOOM_ERROR_INIT;
  store_crashes crashes = {.plugin = "/a.so", .digest = "d1", .reason = "signal 6", .crashes = 1, .loading = 1};
  begin(&setup);
  UNIT_ASSERT_CODE(store_write_crashes(setup.store, "one", &crashes, "a", "first", &error), MLOOM_OK, &error);
  crashes = (store_crashes){.plugin = "/a.so", .digest = "d2", .reason = "signal 11", .crashes = 3};
  UNIT_ASSERT_CODE(store_write_crashes(setup.store, "one", &crashes, "a", "third", &error), MLOOM_OK, &error);
  reopen(&setup);
  expect_crashes(&setup, "one", "/a.so d2 signal 11 3 0\n");
  /* A file belongs to one daemon under all its names, a database to several. */
  expect_crashes(&setup, "two", setup.url == NULL ? "/a.so d2 signal 11 3 0\n" : "");
  const store_crashes none = {.plugin = "/a.so"};
  UNIT_ASSERT_CODE(store_write_crashes(setup.store, "one", &none, "a", "forgotten", &error), MLOOM_OK, &error);
  expect_crashes(&setup, "one", "");
  const store_audit_filter filter = {.kind = "plugin", .subject = "a", .limit = 10};
  entries found = {.last = 0};
  UNIT_ASSERT_CODE(store_each_audit(setup.store, &filter, append_entry, &found, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(found.text, "plugin/a plugin/a plugin/a ");
  finish(&setup);
}

static void test_events(void) {
  bench setup;
  begin(&setup);
  add(&setup, "j", "a");
  add(&setup, "k", "a");
  CU_ASSERT_EQUAL(store_add_event(setup.store, "j", "", "1", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(store_add_event(setup.store, "k", "t 1", "x", NULL), MLOOM_OK);
  entries found = {.last = 0};
  store_each_event(setup.store, "j", 0, append_event, &found, NULL);
  UNIT_ASSERT_STRING(found.text, "1");
  CU_ASSERT_EQUAL(store_add_event(setup.store, "j", "t 1", "2", NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(store_add_event(setup.store, "j", "t 1", "2", NULL), MLOOM_OK);
  store_each_event(setup.store, "j", found.last, append_event, &found, NULL);
  UNIT_ASSERT_STRING(found.text, "12");
  CU_ASSERT_EQUAL(store_add_event(setup.store, "j", "", "1", NULL), MLOOM_OK);
  store_each_event(setup.store, "j", found.last, append_event, &found, NULL);
  UNIT_ASSERT_STRING(found.text, "121");
  CU_ASSERT_NOT_EQUAL(store_add_event(setup.store, "nope", "", "1", NULL), MLOOM_OK);
  finish(&setup);
}

/* ---- Several daemons ---- */

typedef struct heard {
  pthread_mutex_t lock;
  pthread_cond_t come;
  int work, settings, own; /* own: settings that were written here */
  char owner[64];
} heard;

#define OWN "aws-bedrock"

static void take_news(int settings, const char *owner, void *userdata) {
  heard *out = userdata;
  pthread_mutex_lock(&out->lock);
  out->settings += settings;
  out->work += !settings;
  out->own += owner != NULL && strcmp(owner, OWN) == 0;
  snprintf(out->owner, sizeof out->owner, "%s", settings && owner != NULL ? owner : "");
  pthread_cond_broadcast(&out->come);
  pthread_mutex_unlock(&out->lock);
}

static void await_news(heard *news, const int *count) {
  struct timespec limit;
  int waited = 0;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 60;
  pthread_mutex_lock(&news->lock);
  while (*count == 0 && waited == 0) {
    waited = pthread_cond_timedwait(&news->come, &news->lock, &limit);
  }
  CU_ASSERT_EQUAL(waited, 0);
  pthread_mutex_unlock(&news->lock);
}

/* Until it listens, word of whose settings were written cannot come: they are written again. */
static void await_owner(heard *news, store *writer, const char *owner) {
  const store_change change = {owner, "model", "m", 0};
  int is_heard = 0;
  for (int i = 0; i < 300 && !is_heard; i++) {
    CU_ASSERT_EQUAL(store_write_settings(writer, &change, 1, NULL), MLOOM_OK);
    usleep(50000);
    pthread_mutex_lock(&news->lock);
    is_heard = strcmp(news->owner, owner) == 0;
    pthread_mutex_unlock(&news->lock);
  }
  CU_ASSERT(is_heard);
}

static void test_watch(void) {
  bench setup;
  store *other = NULL;
  heard news = {.lock = PTHREAD_MUTEX_INITIALIZER, .come = PTHREAD_COND_INITIALIZER};
  mloom_error error = MLOOM_ERROR_INIT;
  begin(&setup);
  UNIT_ASSERT_CODE(store_watch(setup.store, take_news, &news, &error), MLOOM_OK, &error);
  if (setup.url != NULL) {
    UNIT_ASSERT_CODE(store_open(&other, &setup.where, &error), MLOOM_OK, &error);
    await_owner(&news, other, "claude-api");
    store_unwatch(setup.store);
    news.work = news.settings = 0;
    UNIT_ASSERT_CODE(store_watch(setup.store, take_news, &news, &error), MLOOM_OK, &error);
    await_owner(&news, other, "vertex-ai");
    /* Its own writes are no news to a daemon. */
    const store_change own = {OWN, "model", "m", 0};
    CU_ASSERT_EQUAL(store_write_settings(setup.store, &own, 1, NULL), MLOOM_OK);
    await_owner(&news, other, "codex-api");
    CU_ASSERT_EQUAL(news.own, 0);
    const store_job job = {
        .id = "k", .title = "", .key = "", .provider = "", .model = "", .reason = "", .document = ""};
    CU_ASSERT_EQUAL(store_add_job(other, &job, NULL), MLOOM_OK);
    await_news(&news, &news.work);
    store_close(other);
  }
  store_unwatch(setup.store);
  CU_ASSERT(setup.url != NULL || (news.work == 0 && news.settings == 0));
  finish(&setup);
}

static const unit_test tests[] = {
    {"settings are kept, whole and sealed", test_settings},
    {"sealed values survive a rotation and open in their row only", test_sealed},
    {"rotation by another", test_rotation_by_another},
    {"one rotation at a time", test_one_rotation_at_a_time},
    {"a file of a newer version is refused", test_versions},
    {"migrations run once, and whole or not at all", test_migrations},
    {"claims go by age and by what is ready", test_claim},
    {"a lease that runs out loses the job to another executor", test_lease},
    {"what an earlier claim says of a job does not count", test_earlier_claim},
    {"leases that ran out while nobody could renew them are kept", test_extended_leases},
    {"a job that loses its executors ends", test_attempts},
    {"jobs are counted by state", test_counts},
    {"cancelled jobs end, whatever becomes of their executor", test_cancel},
    {"the audit is filtered by kind and by part of the subject", test_audit},
    {"crashes of plugins are remembered until they are forgotten", test_crashes},
    {"files without room are as a database that is away", test_no_room},
    {"settings are written with their entry in the audit", test_settings_in_the_audit},
    {"events come once and in order", test_events},
    {"what other daemons write is heard, with whose settings it was", test_watch},
};
UNIT_MAIN("store", tests)
