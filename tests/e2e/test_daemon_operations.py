#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does to a mergeloomd: new keys, backups, service managers; and that its secrets stay where they are."""
import threading

import harness
from daemon_server import api, daemon, environment, wait_for
from harness import check, contains, equal, lacks

KEY = harness.KEY
CLUSTER = "cluster-test-token-not-a-secret"


def mergeloomd(*arguments, **more):
    return harness.run([harness.BUILD / "mergeloomd", *arguments], environment(**more))


def exported(server):
    """The settings as executors get them, with secrets in the open."""
    def get():
        status, _, answer = api(server, "/gateway/settings", headers={"Authorization": f"Bearer {CLUSTER}"})
        return answer if status == 200 else None
    return wait_for(get, "the settings")


# ---- Keys ----

def test_rotation_beside_a_daemon():
    """keys are rotated while a daemon goes on writing secrets: none is lost, and a restart opens all"""
    with daemon(JCA_WORKER_CLUSTER_TOKEN=CLUSTER) as server:
        written = {}
        rotated = threading.Event()

        def write(owner):
            number = 0
            while not rotated.is_set() or number < 3:
                value = f"{KEY}-{owner}-{number}"
                if api(server, f"/providers/{owner}/settings", "PATCH", {"fields": {"api_key": value}})[0] == 204:
                    written[owner] = value
                    number += 1

        writers = [threading.Thread(target=write, args=[owner]) for owner in ("claude-api", "codex-api")]
        for writer in writers:
            writer.start()
        for number in range(4):
            seen = dict(written)
            finished = mergeloomd("rotate-key")
            equal(finished.status, 0, f"{finished!r}")
            wait_for(lambda seen=seen: all(written.get(owner) != seen.get(owner) for owner in ("claude-api", "codex-api")),
                     f"writes after rotation {number}")
        rotated.set()
        for writer in writers:
            writer.join()
        for problem in ("damaged", "does not have"):
            lacks(server.text(), problem, "the log")
    key_file = harness.scratch() / "state/mergeloom/provider_secret.key"
    equal(len(key_file.read_text().splitlines()), 2, "old keys are dropped")
    with daemon(JCA_WORKER_CLUSTER_TOKEN=CLUSTER) as server:
        providers = exported(server)["providers"]
        equal({owner: providers[owner]["api_key"] for owner in written}, written, "what is opened after a restart")
        lacks(server.text(), "does not have", "the log")


harness.main(globals())
