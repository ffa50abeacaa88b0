#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gateways that share a PostgreSQL database."""
import atexit
import functools
import itertools

import harness
import postgresql_server
from daemon_server import api, daemon, field, wait_for
from harness import check, contains, equal, lacks

KEY = harness.KEY
TOKEN = "cluster-word-for-tests"
_numbers = itertools.count()


@functools.lru_cache(maxsize=None)
def server():
    """One for all tests; each has a database of its own in it."""
    found = postgresql_server.Server()
    atexit.register(found.close)
    return found


def database(**more):
    name = f"test{next(_numbers)}"
    server().add_database(name)
    return server().url(name, **more)


def shared_key():
    return harness.scratch() / "shared" / "provider_secret.key"


def gateway(name, url, **more):
    values = {"XDG_STATE_HOME": harness.scratch() / name, "JCA_WORKER_NAME": name, "JCA_WORKER_ROLE": "gateway",
              "JCA_WORKER_CLUSTER_TOKEN": TOKEN, "JCA_WORKER_DATABASE_URL": url,
              "JCA_PROVIDER_SECRET_KEY_PATH": shared_key(), "JCA_WORKER_PROVIDER": "openai-compatible",
              "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "2"}
    return daemon(**{**values, **more})


def executor(name, head, **more):
    return daemon(**{
        "XDG_STATE_HOME": harness.scratch() / name, "JCA_WORKER_NAME": name, "JCA_WORKER_ROLE": "executor",
        "JCA_WORKER_CLUSTER_TOKEN": TOKEN, "JCA_WORKER_GATEWAY_URL": head.url, "JCA_PROVIDER_CONFIG_MODE": "gateway",
        "JCA_WORKER_RUNTIME_CONFIG_MODE": "gateway", "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "2", **more})


def ask(head, path, method="GET", body=None):
    status, _, answer = api(head, path, method, body)
    check(status < 300, f"{method} {path}: {status} {answer}")
    return answer


def submit(head, name):
    repository = harness.repository({"greeting.txt": "Hullo\n"}, f"repository-{name}")
    return ask(head, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "id": name, "repository": {"path": str(repository)},
        "ticket": {"key": "T-1", "title": "Mend the greeting", "description": harness.MARK}})


def ended(head, name):
    job = ask(head, f"/jobs/{name}")
    return job if job["state"] not in ("pending", "running") else None


def test_store():
    """the store does on PostgreSQL what it does in files"""
    program = harness.BUILD / "tests/unit/daemon/test_store"
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


harness.main(globals())
