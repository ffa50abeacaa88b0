#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gateways and their executors while processes are lost: every job ends exactly once, no setting is lost.
"""
import collections
import json
import random
import shutil
import signal
import time

import harness
import postgresql_server
from daemon_server import Killable, marking_worker, only_plugins, runs_of, wait_for
from harness import check, equal

KEY = harness.KEY
TOKEN = "cluster-word-for-tests"
EXECUTORS = ("one", "two", "three")
JOBS = 200
KILLS = 12
ENDS = ("completed", "failed", "blocked", "not-ready", "cancelled")
ATTEMPTS = 2


class Daemon(Killable):
    def api(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body)
        status, _, answer = harness.request(self.url + path, method, data)
        end = time.monotonic() + harness.GUARD
        # Too much was asked, or the database has only just come back.
        while status in (429, 503) and time.monotonic() < end:
            time.sleep(0.2)
            status, _, answer = harness.request(self.url + path, method, data)
        check(status < 300, f"{method} {path}: {status} {answer[:500]!r}")
        return answer.decode()

    def read(self, path):
        return json.loads(self.api("/api/v1" + path))

    def write_settings(self, owner, **fields):
        self.api(f"/api/v1/providers/{owner}/settings", "PATCH", {"fields": fields})

    def settings(self, owner):
        found = self.read("/providers") if owner == "worker" else {owner: self.read("/providers/" + owner)}
        return {field["name"]: (field["set"], field.get("value")) for field in found[owner]["settings"]["fields"]}


class Fleet:
    """Gateways at ports that they keep, and the executors that ask one of them each."""

    def __init__(self, sim, gateways, **store):
        self.choose = random.Random(20240229)
        self.store = store
        self.ports = {name: postgresql_server.free_port() for name in gateways}
        self.members = {}
        self.max_turns = "9"
        self.prepare()
        for name in gateways:
            self.start(name)
        head = self.gateway()
        head.write_settings("openai-compatible", base_url=sim.url + "/v1", model="sim-1", api_key=KEY)
        self.change_settings()
        for name in EXECUTORS:
            self.start(name)

    def prepare(self):
        self.worker = marking_worker()
        harness.repository({"greeting.txt": "Hullo\n"})

    def start(self, name):
        values = {"JCA_WORKER_CLUSTER_TOKEN": TOKEN, "MERGELOOM_WORKER": self.worker,
                  "MERGELOOM_PLUGIN_PATH": only_plugins("openai-compatible"),
                  "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1"}
        if name in self.ports:
            found = Daemon(name, **values, JCA_WORKER_ROLE="gateway", JCA_WORKER_PORT=self.ports[name],
                           JCA_WORKER_PROVIDER="openai-compatible", **self.store)
            wait_for(lambda: harness.request(found.url + "/readyz")[0] == 200, f"{name} is ready")
        else:
            ports = list(self.ports.values())
            found = Daemon(name, **values, JCA_WORKER_ROLE="executor", JCA_PROVIDER_CONFIG_MODE="gateway",
                           JCA_WORKER_RUNTIME_CONFIG_MODE="gateway", JCA_WORKER_JOB_SLOTS="2",
                           JCA_WORKER_GATEWAY_URL=f"http://127.0.0.1:{ports[EXECUTORS.index(name) % len(ports)]}")
        self.members[name] = found

    def restart(self, name):
        self.members[name].kill()
        time.sleep(self.choose.uniform(0, 0.3))
        self.start(name)

    def gateway(self):
        """Any of them: they say the same."""
        return self.members[self.choose.choice(list(self.ports))]

    def change_settings(self):
        self.max_turns = str(int(self.max_turns) + 1)
        self.gateway().write_settings("worker", max_turns=self.max_turns)

    def submit(self, number):
        folder = harness.scratch() / f"repository-{number}"
        shutil.copytree(harness.scratch() / "repository", folder)
        self.gateway().api("/api/v1/jobs", "POST", {
            "schema": "mergeloom.job.v1", "id": f"job-{number}", "repository": {"path": str(folder)},
            "ticket": {"key": f"T-{number}", "title": "Mend the greeting", "description": harness.MARK}})

    def counts(self):
        found = {}
        for line in self.gateway().api("/metrics").splitlines():
            if line.startswith("mergeloom_jobs{"):
                found[line.split('"')[1]] = int(line.split()[1])
        return found

    def ended(self):
        return sum(count for state, count in self.counts().items() if state in ENDS)

    def busy_executors(self):
        """Those that run a job; all of them when none is left."""
        running = self.gateway().read("/jobs?state=running")["jobs"]
        return sorted({job["executor"] for job in running}) or (EXECUTORS if self.ended() == JOBS else None)

    def jobs(self):
        return {f"job-{number}": self.gateway().read(f"/jobs/job-{number}") for number in range(JOBS)}

    def stop(self):
        for member in self.members.values():
            if member.process.poll() is None:
                member.kill()


def check_jobs(fleet):
    jobs = fleet.jobs()
    ends = collections.defaultdict(list)
    for entry in fleet.gateway().read("/audit?kind=job")["entries"]:
        if entry["text"] in ENDS:
            ends[entry["subject"]].append(entry["text"])
    for name, job in jobs.items():
        check(job["state"] == "completed" or job["attempts"] == ATTEMPTS, f"{name}: {job['state']}, {job['reason']}")
        equal(ends[name], [job["state"]], f"the ends of {name} in the audit")
        runs_of(name)
    equal(sorted(ends), sorted(jobs), "the jobs in the audit")
    check(any(job["attempts"] > 1 for job in jobs.values()), "no job was lost: nothing was shown")


def check_settings(fleet, before):
    for name in fleet.ports:
        equal(fleet.members[name].settings("openai-compatible"), before, f"the settings of {name}")
    check(before["api_key"][0] and before["model"] == (True, "sim-1"), f"{before}")
    for name, member in fleet.members.items():
        wait_for(lambda m=member: m.settings("worker")["max_turns"] == (True, fleet.max_turns),
                 f"{name} has the last change of the settings")
    for path in harness.scratch().glob("server-*.log"):
        text = path.read_text(encoding="utf-8", errors="replace")
        check(KEY not in text and TOKEN not in text, f"a secret in {path}")


def run_fleet(gateways, upset, **store):
    """Executors that run jobs are killed at random times while JOBS jobs are done; upset(fleet) is called in the middle."""
    # Long enough that an executor seen with a job still has it when it is killed.
    step = {"text": "That is it.", "tool_calls": [harness.SUBMIT], "deliver": {"first_byte_delay_ms": 250}}
    with harness.simulator(harness.job_script([step])) as sim:
        fleet = Fleet(sim, gateways, **store)
        try:
            before = fleet.gateway().settings("openai-compatible")
            for number in range(JOBS):
                fleet.submit(number)
            goals = sorted(fleet.choose.sample(range(1, JOBS * 19 // 20), KILLS))
            for kill, goal in enumerate(goals):
                wait_for(lambda g=goal: fleet.ended() >= g, f"{goal} jobs end")
                if kill == KILLS // 2:
                    upset(fleet)
                    fleet.change_settings()
                busy = wait_for(fleet.busy_executors, "an executor runs a job")
                fleet.restart(fleet.choose.choice(busy))
            wait_for(lambda: fleet.ended() == JOBS, "all jobs end")
            check_jobs(fleet)
            check_settings(fleet, before)
        finally:
            fleet.stop()


def test_one_gateway():
    """SQLite and one gateway that is killed: every job ends exactly once, no setting is lost"""
    run_fleet(["gateway"], lambda fleet: fleet.restart("gateway"))


def test_two_gateways():
    """PostgreSQL and two gateways: the server is restarted, a gateway is killed; every job ends exactly once"""
    def upset(fleet):
        database.restart(signal.SIGQUIT)
        fleet.restart("left")
        database.restart()

    with postgresql_server.Server() as database:
        run_fleet(["left", "right"], upset, JCA_WORKER_DATABASE_URL=database.url(),
                  JCA_PROVIDER_SECRET_KEY_PATH=harness.scratch() / "provider_secret.key")


harness.main(globals())
