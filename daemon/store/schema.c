/* SPDX-License-Identifier: Apache-2.0 */
#include "store/schema.h"

#include <stddef.h>

/* ---- Files ---- */

const char *const schema_file_settings[] = {
    "CREATE TABLE setting (owner TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, sealed INTEGER NOT NULL,"
    " changed_ms INTEGER NOT NULL, PRIMARY KEY (owner, field)) WITHOUT ROWID;"
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO counter VALUES ('version', 1)",
    /* A change and its entry in the audit are one transaction; from here it is brought into the audit, once. */
    "CREATE TABLE audit (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    " subject TEXT NOT NULL, text TEXT NOT NULL, token TEXT NOT NULL);"
    "CREATE UNIQUE INDEX audit_by_token ON audit (token) WHERE token <> ''",
    NULL};

const char *const schema_file_state[] = {
    "CREATE TABLE job (id TEXT PRIMARY KEY, state TEXT NOT NULL, title TEXT NOT NULL, key TEXT NOT NULL,"
    " provider TEXT NOT NULL, model TEXT NOT NULL, executor TEXT NOT NULL, reason TEXT NOT NULL,"
    " document TEXT NOT NULL, result TEXT NOT NULL, diff TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " cancel_requested INTEGER NOT NULL, lease_until_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX job_by_state ON job (state, created_ms);"
    "CREATE INDEX job_by_time ON job (created_ms);"
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES job (id),"
    " text TEXT NOT NULL);"
    "CREATE INDEX event_by_job ON event (job, sequence);"
    "CREATE TABLE audit (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    " subject TEXT NOT NULL, text TEXT NOT NULL)",
    /* The end of a job and its entry in the audit are one transaction. */
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job WHEN old.state IN ('pending', 'running') AND new.state NOT "
    "IN"
    " ('pending', 'running') BEGIN INSERT INTO audit (time_ms, kind, subject, text) VALUES (new.ended_ms, 'job', "
    "new.id,"
    " new.state); END",
    /* Such an entry has a token, by which it is brought into an audit elsewhere once only. */
    "ALTER TABLE audit ADD COLUMN token TEXT NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX audit_by_token ON audit (token) WHERE token <> '';"
    "DROP TRIGGER job_ended;"
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job WHEN old.state IN ('pending', 'running') AND new.state NOT "
    "IN ('pending', 'running') BEGIN INSERT INTO audit (time_ms, kind, subject, text, token) VALUES (new.ended_ms, "
    "'job', new.id, new.state, lower(hex(randomblob(16)))); END",
    /* An event that is told again, as nobody knows whether it was heard, is there once. */
    "ALTER TABLE event ADD COLUMN token TEXT NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX event_by_token ON event (job, token) WHERE token <> ''",
    /* Which claim of a job has it: what an earlier one says of it counts no more. */
    "ALTER TABLE job ADD COLUMN claims INTEGER NOT NULL DEFAULT 0",
    /* Plugins that ended a worker of the daemon owner. */
    "CREATE TABLE crashes (owner TEXT NOT NULL, plugin TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,"
    " crashes INTEGER NOT NULL, loading INTEGER NOT NULL, PRIMARY KEY (owner, plugin)) WITHOUT ROWID",
    NULL};

/* ---- Server ---- */

static const char *const common_steps[] = {
    "CREATE FUNCTION now_ms() RETURNS bigint STABLE LANGUAGE sql AS"
    " 'SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint';"
    "CREATE FUNCTION instr(text, text) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS 'SELECT strpos($1, $2)';"
    /* Tells the daemons that listen what has changed; a transaction tells the same thing once. */
    "CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM pg_notify('mergeloomd', TG_ARGV[0]); RETURN NULL; END $$;"
    /* Transactions that have committed, for those who lost the connection before they heard of it. */
    "CREATE TABLE outcome (token text PRIMARY KEY, time_ms bigint NOT NULL)",
    NULL};

static const char *const settings_steps[] = {
    "CREATE TABLE setting (owner text NOT NULL, field text NOT NULL, value text NOT NULL, sealed bigint NOT NULL,"
    " changed_ms bigint NOT NULL, PRIMARY KEY (owner, field));"
    "CREATE TABLE counter (name text PRIMARY KEY, value bigint NOT NULL);"
    "INSERT INTO counter VALUES ('version', 1);"
    "CREATE TABLE mark (name text PRIMARY KEY, value text NOT NULL);"
    "CREATE FUNCTION announce_setting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM pg_notify('mergeloomd', 'settings ' || CASE TG_OP WHEN 'DELETE' THEN old.owner ELSE new.owner END);"
    " RETURN NULL; END $$;"
    "CREATE TRIGGER announced AFTER INSERT OR UPDATE OR DELETE ON setting FOR EACH ROW"
    " EXECUTE FUNCTION announce_setting()",
    NULL};

static const char *const audit_steps[] = {
    "CREATE TABLE audit (sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, time_ms bigint NOT NULL,"
    " kind text NOT NULL, subject text NOT NULL, text text NOT NULL, token text NOT NULL DEFAULT '');"
    "CREATE UNIQUE INDEX audit_by_token ON audit (token) WHERE token <> '';"
    "CREATE TRIGGER announced AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION announce('audit')",
    "CREATE TABLE crashes (owner text NOT NULL, plugin text NOT NULL, digest text NOT NULL, reason text NOT NULL,"
    " crashes bigint NOT NULL, loading bigint NOT NULL, PRIMARY KEY (owner, plugin))",
    NULL};

static const char *const jobs_steps[] = {
    "CREATE TABLE job (id text PRIMARY KEY, state text NOT NULL, title text NOT NULL, key text NOT NULL,"
    " provider text NOT NULL, model text NOT NULL, executor text NOT NULL, reason text NOT NULL,"
    " document text NOT NULL, result text NOT NULL, diff text NOT NULL, created_ms bigint NOT NULL,"
    " started_ms bigint NOT NULL, ended_ms bigint NOT NULL, attempts bigint NOT NULL,"
    " cancel_requested bigint NOT NULL, lease_until_ms bigint NOT NULL);"
    "CREATE INDEX job_by_state ON job (state, created_ms);"
    "CREATE INDEX job_by_time ON job (created_ms);"
    "CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO audit (time_ms, kind, subject, text, token)"
    " VALUES (new.ended_ms, 'job', new.id, new.state, gen_random_uuid()::text); RETURN NULL; END $$;"
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job FOR EACH ROW WHEN (old.state IN ('pending', 'running')"
    " AND new.state NOT IN ('pending', 'running')) EXECUTE FUNCTION note_end();"
    /* Not for leases that are lengthened: nobody waits for these. */
    "CREATE TRIGGER announced AFTER INSERT OR UPDATE OF state, cancel_requested ON job FOR EACH ROW"
    " EXECUTE FUNCTION announce('jobs')",
    "ALTER TABLE job ADD COLUMN claims bigint NOT NULL DEFAULT 0", NULL};

static const char *const live_steps[] = {
    "CREATE TABLE event (sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job text NOT NULL,"
    " text text NOT NULL);"
    "CREATE INDEX event_by_job ON event (job, sequence);"
    "CREATE TRIGGER announced AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION announce('events')",
    "ALTER TABLE event ADD COLUMN token text NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX event_by_token ON event (job, token) WHERE token <> ''",
    NULL};

const schema_part schema_common = {"common", common_steps};
const schema_part schema_settings = {"settings", settings_steps};
const schema_part schema_audit = {"audit", audit_steps};
const schema_part schema_jobs = {"jobs", jobs_steps};
const schema_part schema_live = {"live", live_steps};
