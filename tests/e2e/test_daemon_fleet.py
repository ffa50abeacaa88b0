#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A gateway and its executors while processes are lost: every job ends exactly once, no setting is lost."""
import json
import random
import signal
import socket
import time

import harness
from harness import check, equal

KEY = harness.KEY
TOKEN = "cluster-word-for-tests"
EXECUTORS = ("one", "two", "three")
JOBS = 40
KILLS = 6
ENDS = ("completed", "failed", "blocked", "not-ready", "cancelled")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon(harness.Server):
    """mergeloomd with a state folder of its own, under the name that it had before when it starts again."""

    def __init__(self, name, **more):
        super().__init__([harness.BUILD / "mergeloomd"], "mergeloomd: ", harness.clean_environment(**{
            "XDG_STATE_HOME": harness.scratch() / name, "JCA_WORKER_NAME": name, "JCA_WORKER_PORT": "0",
            "JCA_WORKER_CLUSTER_TOKEN": TOKEN, **harness.worker_environment(),
            "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1", **more}))
        self.url = self.url.removesuffix("/providers")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def api(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body)
        status, _, answer = harness.request(self.url + "/api/v1" + path, method, data)
        while status == 429:
            time.sleep(0.2)
            status, _, answer = harness.request(self.url + "/api/v1" + path, method, data)
        check(status < 300, f"{method} {path}: {status} {answer[:500]!r}")
        return json.loads(answer) if answer else None


def gateway(port):
    found = Daemon("gateway", JCA_WORKER_ROLE="gateway", JCA_WORKER_PORT=port, JCA_WORKER_PROVIDER="openai-compatible")
    wait_for(lambda: harness.request(found.url + "/readyz")[0] == 200, "the gateway is ready")
    return found


def executor(name, port):
    return Daemon(name, JCA_WORKER_ROLE="executor", JCA_WORKER_GATEWAY_URL=f"http://127.0.0.1:{port}",
                  JCA_PROVIDER_CONFIG_MODE="gateway", JCA_WORKER_RUNTIME_CONFIG_MODE="gateway", JCA_WORKER_JOB_SLOTS="2")


def wait_for(condition, what):
    end = time.monotonic() + harness.GUARD
    while not condition():
        check(time.monotonic() < end, f"{what}: did not come")
        time.sleep(0.1)


def submit(server, number):
    repo = harness.repository({"greeting.txt": f"Hullo {number}\n"}, f"repository-{number}")
    server.api("/jobs", "POST", {
        "schema": "mergeloom.job.v1", "id": f"job-{number}", "repository": {"path": str(repo)},
        "ticket": {"key": f"T-{number}", "title": "Mend the greeting", "description": harness.MARK}})


def states(server):
    found = server.api("/jobs?limit=100")["jobs"]
    return {job["id"]: job["state"] for job in found}


def ended(server):
    return sum(state in ENDS for state in states(server).values())


def settings_of(server):
    fields = server.api("/providers/openai-compatible")["settings"]["fields"]
    return {field["name"]: (field["set"], field.get("value")) for field in fields}


def check_jobs(server):
    for number in range(JOBS):
        job = server.api(f"/jobs/job-{number}")
        check(job["attempts"] >= 1, f"job-{number}: {job['attempts']} attempts")
        check(job["state"] == "completed" or job["attempts"] == 3, f"job-{number}: {job['state']}, {job['reason']}")
        entries = server.api(f"/audit?kind=job&subject=job-{number}&limit=100")["entries"]
        ends = [entry for entry in entries if entry["subject"] == f"job-{number}" and entry["text"] in ENDS]
        equal([entry["text"] for entry in ends], [job["state"]], f"the ends of job-{number} in the audit")


def disturb(choose, members, port):
    """Kills an executor and starts it again."""
    name = choose.choice(EXECUTORS)
    members[name].kill()
    time.sleep(choose.uniform(0, 0.3))
    members[name] = executor(name, port)


def test_fleet():
    """executors that are killed and a gateway that restarts: every job ends exactly once, no setting is lost"""
    choose = random.Random(20240229)
    port = free_port()
    members = {}
    with harness.simulator(harness.job_script([{"text": "That is it.", "tool_calls": [harness.SUBMIT]}])) as sim:
        head = gateway(port)
        try:
            head.api("/providers/openai-compatible/settings", "PATCH", {"fields": {
                "base_url": sim.url + "/v1", "model": "sim-1", "api_key": KEY}})
            head.api("/providers/worker/settings", "PATCH", {"fields": {"max_turns": "9"}})
            before = settings_of(head)
            for number in range(JOBS):
                submit(head, number)
            for name in EXECUTORS:
                members[name] = executor(name, port)
            for kill in range(KILLS):
                goal = (kill + 1) * JOBS // (KILLS + 3)
                wait_for(lambda: ended(head) >= goal, f"{goal} jobs end")
                if kill == KILLS // 2:
                    head.kill()
                    head = gateway(port)
                disturb(choose, members, port)
            wait_for(lambda: ended(head) == JOBS, "all jobs end")
            check_jobs(head)
            equal(settings_of(head), before, "the settings")
            check(before["api_key"][0] and before["model"] == (True, "sim-1"), f"{before}")
            for path in harness.scratch().rglob("server-*.log"):
                text = path.read_text(encoding="utf-8", errors="replace")
                check(KEY not in text and TOKEN not in text, f"a secret in {path}")
        finally:
            for member in [*members.values(), head]:
                if member.process.poll() is None:
                    member.kill()


harness.main(globals())
