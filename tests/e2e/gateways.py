# SPDX-License-Identifier: Apache-2.0
"""Gateways that share a PostgreSQL database, and their executors, for tests."""
import atexit
import functools
import itertools

import harness
import postgresql_server
from daemon_server import api, daemon
from harness import check

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


def submit(head, name, files=None):
    repository = harness.repository(files or {"greeting.txt": "Hullo\n"}, f"repository-{name}")
    return ask(head, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "id": name, "repository": {"path": str(repository)},
        "ticket": {"key": "T-1", "title": "Mend the greeting", "description": harness.MARK}})


def ended(head, name):
    job = ask(head, f"/jobs/{name}")
    return job if job["state"] not in ("pending", "running") else None
