#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Executors that live but do not answer, and a gateway that is away: a job never runs twice at the same time, and what
became of it is told once.
"""
import contextlib
import json
import signal
import socket
import sqlite3
import threading

import harness
import postgresql_server
from daemon_server import (Killable, api, environment, is_running, marking_worker, only_plugins, runs_of, simulated,
                           wait_for)
from harness import check, contains, equal

TOKEN = "cluster-word-for-tests"

# The first run of a job lasts until it is killed; the second waits for the test.
HOLD = """
if os.fstat(mark).st_size == len(b"begins\\n"):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
while not os.path.exists(path + "-go"):
    time.sleep(0.02)
"""
# Every run waits for the test.
WAIT = """
while not os.path.exists(path + "-go"):
    time.sleep(0.02)
"""


class Cable:
    """A way to a port of this machine that can be cut: nothing is answered then, and nothing refused."""

    def __init__(self, port):
        self.port = port
        self.is_whole = threading.Event()
        self.is_whole.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.is_whole.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_whole.set()
        self.listener.close()


def common(worker):
    return {"JCA_WORKER_CLUSTER_TOKEN": TOKEN, "MERGELOOM_WORKER": worker, "JCA_WORKER_STOP_GRACE_SECONDS": "0",
            "MERGELOOM_PLUGIN_PATH": only_plugins("openai-compatible"),
            "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1"}


def gateway(sim, worker, **more):
    return Killable("gateway", **{**common(worker), "JCA_WORKER_ROLE": "gateway",
                                  "JCA_WORKER_PROVIDER": "openai-compatible", **simulated(sim.url), **more})


def executor(name, url, worker, **more):
    return Killable(name, **{**common(worker), "JCA_WORKER_ROLE": "executor", "JCA_WORKER_GATEWAY_URL": url,
                             "JCA_PROVIDER_CONFIG_MODE": "gateway", "JCA_WORKER_RUNTIME_CONFIG_MODE": "gateway", **more})


def submit(head, name):
    folder = harness.repository({"greeting.txt": "Hullo\n"}, f"repository-{name}")
    status, _, answer = api(head, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "id": name, "repository": {"path": str(folder)},
        "ticket": {"title": "Mend the greeting", "description": harness.MARK}})
    equal(status, 201, f"{answer}")


def job_of(head, name):
    return api(head, f"/jobs/{name}")[2]


def allow(name):
    (harness.scratch() / "marks" / f"{name}-go").touch()


def ended(head, name):
    found = wait_for(lambda: (lambda job: job if job["state"] not in ("pending", "running") else None)(
        job_of(head, name)), f"{name} ends")
    told = json.dumps(api(head, f"/audit?kind=job&subject={name}")[2])
    equal(told.count(f'"{found["state"]}"'), 1, f"ends of {name} in the audit")
    return found


def short_job():
    return harness.simulator(harness.job_script([{"text": "That is it.", "tool_calls": [harness.SUBMIT]}]))


def test_silent_executors():
    """executors that are cut off or stopped: their processes end with the lease, and what they say later does not count"""
    worker = marking_worker(HOLD)
    names = ("job-1", "job-2")
    with short_job() as sim, gateway(sim, worker) as head, Cable(int(head.url.rsplit(":", 1)[1])) as cable, \
            executor("one", cable.url, worker) as cut, executor("two", head.url, worker) as stopped:
        for name in names:
            submit(head, name)
        wait_for(lambda: [runs_of(name) for name in names] == [1, 1], "both run a job")
        equal(sorted(job_of(head, name)["executor"] for name in names), ["one", "two"], "the executors")
        cable.is_whole.clear()
        stopped.process.send_signal(signal.SIGSTOP)
        # Both names are there again, as after a restart.
        more = {"XDG_STATE_HOME": harness.scratch() / "again", "JCA_WORKER_NAME": "two", "JCA_WORKER_JOB_SLOTS": "2"}
        with executor("again", head.url, worker, **more):
            wait_for(lambda: [runs_of(name) for name in names] == [2, 2], "both are run again")
            cable.is_whole.set()
            stopped.process.send_signal(signal.SIGCONT)
            for late in (cut, stopped):
                wait_for(lambda server=late: "was claimed again" in server.text(), "what it says counts no more")
            for name in names:
                check(is_running(name), f"{name} goes on")
                allow(name)
            for name in names:
                job = ended(head, name)
                equal((job["state"], job["executor"], job["attempts"]), ("completed", "two", 2), f"{job['reason']}")
                equal(runs_of(name), 2, f"runs of {name}")


def test_gateway_away():
    """a job that ends while the gateway is away counts when it is back, though the lease ran out; nobody runs it again"""
    worker = marking_worker(WAIT)
    port = str(postgresql_server.free_port())
    with short_job() as sim, gateway(sim, worker, JCA_WORKER_PORT=port) as head, \
            executor("one", head.url, worker) as one:
        submit(head, "job-1")
        wait_for(lambda: runs_of("job-1") == 1, "it runs")
        head.kill()
        wait_for(lambda: "the gateway is away" in one.text(), "the gateway is missed")
        check(is_running("job-1"), "the job goes on")
        allow("job-1")
        wait_for(lambda: not is_running("job-1"), "it ends")
        let_leases_run_out()
        # Another asks first.
        one.process.send_signal(signal.SIGSTOP)
        with gateway(sim, worker, JCA_WORKER_PORT=port, JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS="60") as back:
            equal(claim(back, "two"), 204, "a claim of another")
            one.process.send_signal(signal.SIGCONT)
            job = ended(back, "job-1")
            equal((job["state"], job["executor"], job["attempts"]), ("completed", "one", 1), f"{job['reason']}")
            equal(runs_of("job-1"), 1, "runs")


def test_address_taken():
    """a daemon that cannot listen, as another one has its address, keeps nobody from a job whose executor is lost"""
    worker = marking_worker(WAIT)
    with short_job() as sim, gateway(sim, worker) as head:
        submit(head, "job-1")
        equal(claim(head, "lost"), 200, "a claim")
        equal(claim(head, "two"), 204, "a claim of another")
        let_leases_run_out()
        second = harness.run([harness.BUILD / "mergeloomd"], environment(**{
            **common(worker), "XDG_STATE_HOME": harness.scratch() / "gateway", "JCA_WORKER_NAME": "second",
            "JCA_WORKER_ROLE": "gateway", "JCA_WORKER_PORT": head.url.rsplit(":", 1)[1]}))
        equal(second.status, 1, f"{second!r}")
        contains(second.err, "cannot listen", "what it says")
        equal(claim(head, "two"), 200, "a claim when the lease has run out")


def claim(head, executor_name):
    return api(head, "/gateway/claim", "POST", {"executor": executor_name, "ready": ",openai-compatible,"},
               {"Authorization": f"Bearer {TOKEN}"})[0]


def let_leases_run_out():
    [path] = [path for path in (harness.scratch() / "gateway").rglob("*.db") if has_jobs(path)]
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE job SET lease_until_ms = 1")
        database.commit()


def has_jobs(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job'").fetchone()[0] == 1


harness.main(globals())
