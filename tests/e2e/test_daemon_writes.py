#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points during 500 settings writes: the old or the new state, never neither, and with the new one its
entry in the audit.
"""
import contextlib
import http.client
import random
import threading
import time

import harness
import postgresql_server
from daemon_server import Killable, api, only_plugins, wait_for
from harness import check, equal

TOKEN = "cluster-word-for-tests"
OWNER = "openai-compatible"


def fields_of(number):
    """What write number says: a secret and plain fields, every one of them with the number."""
    return {"base_url": f"http://127.0.0.1:9/{number}", "api_key": f"{harness.KEY}-{number}", "model": f"m{number}",
            "total_timeout": str(1000 + number)}


def number_of(server):
    """Which write the daemon has; fails when it has parts of several."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    wait_for(lambda: api(server, "/gateway/settings", headers=headers)[0] == 200, "the settings are read")
    found = api(server, "/gateway/settings", headers=headers)[2]["providers"].get(OWNER, {})
    number = int(found.get("model", "m0")[1:])
    equal({name: found.get(name) for name in fields_of(number)},
          fields_of(number) if number else dict.fromkeys(fields_of(0)), f"the state of write {number} is whole")
    entries = api(server, f"/audit?kind=setting&subject={OWNER}")[2]["entries"]
    equal([entry["text"] for entry in entries], [", ".join(fields_of(0))] * number, "the entries of the writes that stand")
    return number


def write(server, first, last, acknowledged):
    """Writes one after the other until the daemon is gone or has them all."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(first, last + 1):
            status = api(server, f"/providers/{OWNER}/settings", "PATCH", {"fields": fields_of(number)})[0]
            while status == 429:
                time.sleep(0.1)
                status = api(server, f"/providers/{OWNER}/settings", "PATCH", {"fields": fields_of(number)})[0]
            acknowledged.append((number, status))


def run_writes(writes, kills, **store):
    choose = random.Random(20240301)
    goals = [*sorted(choose.sample(range(1, writes), kills)), writes]
    values = {"JCA_WORKER_CLUSTER_TOKEN": TOKEN, "MERGELOOM_PLUGIN_PATH": only_plugins(OWNER), **store}
    last = 0
    cut = 0  # kills between the write and its answer
    for goal in goals:
        with Killable("writes", **values) as server:
            found = number_of(server)
            check(found in (last, last + 1), f"write {last} was acknowledged; after the kill there is {found}")
            cut += found == last + 1
            acknowledged = []
            began = time.monotonic()
            writer = threading.Thread(target=write, args=(server, found + 1, writes, acknowledged))
            writer.start()
            wait_for(lambda: found + len(acknowledged) >= goal, f"write {goal}")  # pylint: disable=cell-var-from-loop
            if goal < writes:
                time.sleep(choose.uniform(0, 1.2) * (time.monotonic() - began) / max(1, len(acknowledged)))
                server.kill()
            writer.join()
            equal({status for _, status in acknowledged} - {204}, set(), "the answers")
            last = found + len(acknowledged)
    with Killable("writes", **values) as server:
        equal(number_of(server), writes, "the last write")
    check(cut > 0, "no kill came between a write and its answer")


def test_writes():
    """kill -9 at 20 random points of 500 writes of four fields: what was acknowledged is there, and whole"""
    run_writes(500, 20)


def test_writes_to_postgresql():
    """the same with PostgreSQL, 100 writes and 5 kills"""
    with postgresql_server.Server() as database:
        run_writes(100, 5, JCA_WORKER_DATABASE_URL=database.url())


harness.main(globals())
