#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gateways that share a PostgreSQL database."""
import contextlib
import pathlib

import harness
import postgresql_server
from daemon_server import api, field, wait_for
from gateways import TOKEN, ask, database, ended, executor, gateway, server, shared_key, submit
from harness import check, contains, equal, lacks

KEY = harness.KEY


def test_store():
    """the store does on PostgreSQL what it does in files"""
    program = harness.BUILD / "tests/unit/daemon/test_store"
    if not program.exists():
        raise harness.Skip("the unit tests were not built: CUnit is not there")
    for scheme in ("postgresql+psycopg", "postgresql"):
        environment = harness.clean_environment(MERGELOOM_TEST_DATABASE_URL=database(scheme=scheme))
        finished = harness.run([program], environment)
        equal(finished.status, 0, f"{finished!r}")


def test_two_gateways():
    """what is written at one gateway counts at the other at once: settings, jobs and their events"""
    url = database()
    script = harness.job_script([{"text": "That is it.", "tool_calls": [harness.SUBMIT]}])
    with harness.simulator(script) as sim, gateway("left", url) as left, gateway("right", url) as right:
        with executor("follower", right) as follower:
            ask(left, "/providers/openai-compatible/settings", "PATCH", {"fields": {
                "base_url": sim.url + "/v1", "model": "sim-1", "api_key": KEY}})
            ask(left, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "9"}})
            wait_for(lambda: field(right, "openai-compatible", "api_key")["set"], "the other gateway has the key")
            wait_for(lambda: field(follower, "worker", "max_turns").get("value") == "9", "the executor has it all")
            submit(left, "across")
            job = wait_for(lambda: ended(left, "across"), "the job ends")
            equal((job["state"], job["executor"], job["attempts"]), ("completed", "follower", 1), "the job")
            equal(ask(right, "/jobs/across"), job, "the job, seen from the other side")
            entries = ask(right, "/audit?kind=job&subject=across")["entries"]
            equal([entry["text"] for entry in entries], ["completed", "submitted"], "the audit")
            _, _, events = harness.request(left.url + "/api/v1/jobs/across/events")
            contains(events.decode(), "event: end", "the events")
            contains(events.decode(), '"submit_result"', "the events")
        for head in (left, right):
            for word in (KEY, TOKEN, postgresql_server.PASSWORD, "database-word"):
                lacks(head.text(), word, "the log")


# ---- What cannot go well ----

def refused(url, *parts, **more):
    finished = harness.run([harness.BUILD / "mergeloomd"], harness.clean_environment(**{
        "XDG_STATE_HOME": harness.scratch() / "refused", "JCA_WORKER_PORT": "0", "JCA_WORKER_DATABASE_URL": url,
        "JCA_PROVIDER_SECRET_KEY_PATH": shared_key(), **harness.worker_environment(), **more}))
    equal(finished.status, 1, f"{finished!r}")
    for part in parts:
        contains(finished.err, part, "what is said")
    for word in ("database-word", "word@for", "word%40"):
        lacks(finished.everything(), word, "what is said")


def test_refusals():
    """what will never go well is told with a remedy at once, and without the password"""
    url = database()
    name = url.rsplit("/", 1)[1]
    with gateway("first", url) as head:
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                check(b"database-word" not in path.read_bytes(), f"the password is in {path}")
        lacks(head.text(), "database-word", "the log")
    refused(url.replace("database-word", "database-word-of-others"), f"{name} at 127.0.0.1", "password authentication failed",
            "correct user and password in its URL")
    refused(url.replace(f":{url.split(':')[2].split('@')[0]}@", "@"), "asks for a password", "correct user and password")
    refused(server().url("nowhere"), "nowhere at 127.0.0.1", "does not exist", "create the database")
    refused(url.replace("%40", "%zz"), "makes no sense", "percent-encoded")
    refused(url + "?sslmode=verify-nothing", "sslmode")
    refused(url, "is not the one that secrets", "the same key file", JCA_PROVIDER_SECRET_KEY_PATH=harness.scratch() / "other.key")
    server().sql("UPDATE mergeloomd.part SET version = version + 1 WHERE name = 'live'", name)
    refused(url, "a newer version of this daemon has written", "use the newer version")
    server().sql(f"CREATE DATABASE closed_{name}", "postgres")
    refused(server().url(f"closed_{name}"), "permission denied", "make the user the owner of the database")


def test_url_in_a_file():
    """the URL may lie in a file, and --check-config shows of it a fingerprint only"""
    path = harness.scratch() / "url"
    path.write_text(database(scheme="postgres") + "\n", encoding="utf-8")
    with gateway("left", None, JCA_WORKER_DATABASE_URL_FILE=path) as head:
        equal(api(head, "/jobs")[0], 200, "the jobs")
        lacks(pathlib.Path(f"/proc/{head.process.pid}/environ").read_text(encoding="utf-8"), "database-word", "/proc")
    finished = harness.run([harness.BUILD / "mergeloomd", "--check-config"], harness.clean_environment(
        JCA_WORKER_DATABASE_URL_FILE=path, **harness.worker_environment()))
    equal(finished.status, 0, f"{finished!r}")
    contains(finished.out, "set, fingerprint", "the configuration")
    lacks(finished.out, "is not used", "the configuration")
    lacks(finished.everything(), "database-word", "the configuration")
    finished = harness.run([harness.BUILD / "mergeloomd", "--check-config"], harness.clean_environment(
        JCA_WORKER_DATABASE_URL_FILE=path, JCA_WORKER_TRACE_DB_URL_FILE=path, JCA_WORKER_ROLE="executor",
        JCA_WORKER_GATEWAY_URL="http://gateway.example:8010", JCA_WORKER_CLUSTER_TOKEN=TOKEN,
        **harness.worker_environment()))
    contains(finished.out, "note: the database is not used", "the configuration of an executor")
    contains(finished.out, "note: JCA_WORKER_TRACE_DB_URL_FILE", "the configuration of an executor")
    lacks(finished.everything(), "database-word", "the configuration of an executor")


harness.main(globals())
