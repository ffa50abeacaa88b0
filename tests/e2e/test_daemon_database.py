#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gateways whose database goes away, or that want the same thing at once."""
import concurrent.futures
import contextlib
import http.client
import json
import re
import socket
import threading

import harness
from daemon_server import (api, environment, field, is_running, marking_worker, only_plugins, provider, runs_of, settled,
                           simulated, wait_for)
from gateways import TOKEN, ask, database, ended, executor, gateway, server, submit
from harness import check, contains, equal, lacks

KEY = harness.KEY


# ---- A database that goes away ----

def problem(head, path, method="GET", body=None):
    """What is answered while the database is away."""
    status, headers, answer = api(head, path, method, body)
    equal((status, headers["Content-Type"]), (503, "application/problem+json"), f"{method} {path}: {answer}")
    contains(answer["title"], "the database test", "what is said")
    contains(answer["title"], f" at 127.0.0.1:{server().port}", "what is said")
    check(answer["detail"], "there is no remedy")


def test_restart():
    """a database that is restarted costs waiting only: answers with the reason, streams that go on, nothing lost"""
    url = database()
    script = harness.job_script([{"text": "That is it.", "tool_calls": [harness.SUBMIT]}])
    with harness.simulator(script) as sim, gateway("left", url) as left, gateway("right", url) as right:
        ask(left, "/providers/openai-compatible/settings", "PATCH", {"fields": {
            "base_url": sim.url + "/v1", "model": "sim-1", "api_key": KEY}})
        wait_for(lambda: field(right, "openai-compatible", "api_key")["set"], "the other gateway has the key")
        submit(left, "waiting")
        host, port = left.url.removeprefix("http://").split(":")
        viewer = http.client.HTTPConnection(host, int(port), timeout=harness.GUARD)
        viewer.request("GET", "/api/v1/jobs/waiting/events")
        stream = viewer.getresponse()
        equal(stream.status, 200, "the stream")
        server().stop()
        for head in (left, right):
            for path in ("/jobs", "/jobs/waiting", "/audit"):
                problem(head, path)
            problem(head, "/providers/openai-compatible/settings", "PATCH", {"fields": {"model": "lost"}})
            equal(harness.request(head.url + "/healthz")[0], 200, "the probe")
            equal(harness.request(head.url + "/runs")[0], 503, "the page")
            status, _, body = harness.request(head.url + "/health")
            jobs = body.decode().split('>Jobs</th>')[1].split("</tr>")[0]
            equal((status, jobs.count(">fail<"), jobs.count(">pass<")), (200, 1, 0), f"its health: {jobs}")
        server().start()
        with executor("follower", right):
            wait_for(lambda: api(left, "/jobs/waiting")[0] == 200, "the database is found again")
            contains(stream.read().decode(), "event: end", "the stream that was open all the time")
            equal(ask(right, "/jobs/waiting")["state"], "completed", "the job")
            equal(field(left, "openai-compatible", "model")["value"], "sim-1", "the setting")
            ask(left, "/providers/openai-compatible/settings", "PATCH", {"fields": {"model": "sim-2"}})
            wait_for(lambda: field(right, "openai-compatible", "model")["value"] == "sim-2", "the other gateway listens")
        viewer.close()


def test_pause():
    """a database that stands still keeps waiting who asks for what it has; probes are answered, and all goes on"""
    with gateway("paused", database(), MERGELOOM_PLUGIN_PATH=only_plugins("openai-compatible")) as head, \
            concurrent.futures.ThreadPoolExecutor(12) as pool:
        with server().paused():
            asked = [pool.submit(harness.request, head.url + "/runs") for _ in range(12)]
            for _ in range(30):
                for path in ("/healthz", "/readyz", "/sign-in"):
                    equal(harness.request(head.url + path)[0], 200, path)
            check(not any(each.done() for each in asked), "a probe waited for the database")
        for each in asked:
            check(each.result()[0] in (200, 503), f"{each.result()}")
        wait_for(lambda: api(head, "/jobs")[0] == 200, "the database is found again")


def events_of(head, name):
    """What happened in a job, without the pieces of text, which come as they come."""
    text = harness.request(f"{head.url}/api/v1/jobs/{name}/events")[2].decode()
    found = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {\"")]
    return [event["event"] for event in found if event["event"] not in ("text", "usage")]


def test_what_waits():
    """a daemon's own job, and a self-test, go on while the database is away; nothing of what they tell is lost"""
    steps = harness.job_steps()
    steps[0]["deliver"] = {"first_byte_delay_ms": 500}
    worker = marking_worker()
    with harness.simulator(harness.job_script(steps)) as sim:
        values = {"JCA_WORKER_ROLE": "", "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "15",
                  "MERGELOOM_WORKER": worker, **simulated(sim.url)}
        with gateway("one", database(), **values) as head:
            settled(head, "openai-compatible")
            submit(head, "job-1", harness.FILES)
            wait_for(lambda: ended(head, "job-1"), "a job ends")
            submit(head, "job-2", harness.FILES)
            wait_for(lambda: runs_of("job-2") == 1, "another begins")
            server().stop()
            equal(api(head, "/providers/claude-api/checks", "POST", {"self_test": True})[0], 202, "a self-test")
            wait_for(lambda: not is_running("job-2"), "the job's processes end")
            page = wait_for(lambda: (lambda text: text if "wait for their database; 0 found" in text else None)(
                harness.request(head.url + "/health")[2].decode()), "the page says what waits")
            contains(page, "Entries of audit and events", "the page")
            wait_for(lambda: not provider(head, "claude-api")["checking"], "the check ends")
            server().start()
            wait_for(lambda: api(head, "/jobs/job-2")[0] == 200, "the database is found again")
            equal(wait_for(lambda: ended(head, "job-2"), "it ends")["state"], "completed", "the job")
            equal(events_of(head, "job-2"), events_of(head, "job-1"), "the events")
            checks = ask(head, "/audit?kind=check&subject=claude-api")["entries"]
            equal(len(checks), 1, f"the self-tests in the audit: {checks}")
            contains(head.text(), "entries that waited for", "the log")
            lacks(harness.request(head.url + "/health")[2].decode(), "wait for their database", "the page")


def test_backup():
    """backup and restore refuse a database and name commands that do it, which is shown"""
    def run_named(command, url):
        finished = harness.run([harness.BUILD / "mergeloomd", command, harness.scratch() / "x.tar"],
                               environment(JCA_WORKER_DATABASE_URL=url))
        equal(finished.status, 1, f"{finished!r}")
        contains(finished.err, "settings, jobs, audit, events", "what lies there")
        lacks(finished.everything(), "database-word", "what is said")
        words = re.search(r"run (pg_\w+ [^,]*),", finished.err).group(1).replace("URL", url).replace(
            "FILE", str(harness.scratch() / "dump")).split()
        harness.must([server().programs / words[0], *words[1:]])

    url = database(scheme="postgresql")
    with gateway("one", url) as head:
        ask(head, "/providers/openai-compatible/settings", "PATCH", {"fields": {"api_key": KEY, "model": "before"}})
        submit(head, "kept")
        run_named("backup", url)
        ask(head, "/providers/openai-compatible/settings", "PATCH", {"fields": {"api_key": None, "model": "after"}})
        submit(head, "gone")
    run_named("restore", url)
    with gateway("one", url) as head:
        equal(field(head, "openai-compatible", "model")["value"], "before", "a setting")
        check(field(head, "openai-compatible", "api_key")["set"], "there is no secret")
        equal([job["id"] for job in ask(head, "/jobs")["jobs"]], ["kept"], "the jobs")
        ask(head, "/jobs/kept/cancel", "POST")
        ask(head, "/providers/openai-compatible/settings", "PATCH", {"fields": {"model": "later"}})
        entries = ask(head, "/audit?subject=openai-compatible")["entries"]
        equal([entry["text"] for entry in entries], ["model", "api_key, model"], "the audit")


def test_late_database():
    """a daemon waits for a database that starts after it"""
    url = database()
    server().stop()
    started = threading.Timer(1, server().start)
    started.start()
    try:
        with gateway("early", url) as head:
            equal(api(head, "/jobs")[0], 200, "the jobs")
            contains(head.text(), "waiting for it", "the log")
            lacks(head.text(), "database-word", "the log")
    finally:
        started.join()


class Proxy:
    """Between a daemon and the database; drops a connection when it commits: before the server hears of it, or before
    the daemon hears of that."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.cut = None
        self.cuts = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                upstream = socket.create_connection(("127.0.0.1", server().port))
                deaf = threading.Event()
                for pair in ((client, upstream, True), (upstream, client, False)):
                    threading.Thread(target=self._pump, args=(*pair, deaf), daemon=True).start()

    def _pump(self, source, target, is_client, deaf):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if deaf.is_set() and not is_client:
                    break
                cut = self.cut if is_client and b"COMMIT\0" in data else None
                if cut:
                    self.cut = None
                    self.cuts.append(cut)
                if cut == "before":
                    break
                if cut == "after":
                    # Its answer ends the connection instead of reaching the daemon.
                    deaf.set()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_lost_answers():
    """a commit whose answer is lost is neither lost nor done twice"""
    proxy = Proxy()
    try:
        url = database().replace(f":{server().port}/", f":{proxy.port}/")
        with gateway("left", url) as head:
            for cut in ("before", "after"):
                repository = harness.repository({"a.txt": "a\n"}, f"repository-{cut}")
                proxy.cut = cut
                status, _, answer = api(head, "/jobs", "POST", {
                    "schema": "mergeloom.job.v1", "id": f"job-{cut}", "repository": {"path": str(repository)},
                    "ticket": {"key": "T-1", "title": "T", "description": "D"}})
                equal((status, proxy.cuts[-1:]), (201, [cut]), f"{answer}")
                proxy.cut = cut
                status, _, answer = api(head, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "9"}})
                equal((status, proxy.cuts[-1:]), (204, [cut]), f"{answer}")
                proxy.cut = cut
                equal(api(head, f"/jobs/job-{cut}/cancel", "POST")[0], 202, "cancelling")
                equal(proxy.cuts, [cut] * 3, "the connections that were cut")
                proxy.cuts.clear()
            for job in ("job-before", "job-after"):
                entries = ask(head, f"/audit?kind=job&subject={job}")["entries"]
                equal(sorted(entry["text"] for entry in entries), ["cancel requested", "cancelled", "submitted"], job)
    finally:
        proxy.close()


# ---- Several gateways ----

def test_claims():
    """executors that claim at two gateways at once get each job once"""
    url = database()
    name = url.rsplit("/", 1)[1]
    count = 60
    with gateway("left", url) as left, gateway("right", url) as right:
        server().sql("INSERT INTO mergeloomd.job SELECT 'job-' || n, 'pending', '', '', '', '', '', '', '{}', '', '', n, 0, "
                     f"0, 0, 0, 0 FROM generate_series(1, {count}) n", name)
        claimed = []

        def claim_all(number):
            head = (left, right)[number % 2]
            while True:
                status, _, answer = api(head, "/gateway/claim", "POST", {"executor": f"e{number}", "ready": ","},
                                        {"Authorization": f"Bearer {TOKEN}"})
                if status == 204:
                    return
                equal(status, 200, f"{answer}")
                claimed.append((answer["id"], f"e{number}"))

        threads = [threading.Thread(target=claim_all, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(sorted(job for job, _ in claimed), sorted(f"job-{n}" for n in range(1, count + 1)), "what was claimed")
        owners = dict(line.split("|") for line in server().sql("SELECT id, executor FROM mergeloomd.job", name).split())
        equal(owners, dict(claimed), "who has which job")


def test_single_stores():
    """settings, jobs, audit and events in databases of their own; ends of jobs reach the audit once"""
    urls = {part: database() for part in ("config", "gateway", "audit", "live")}
    variables = {f"JCA_WORKER_{part.upper()}_DB_URL": url for part, url in urls.items()}
    with gateway("left", None, **variables) as left, gateway("right", None, **variables) as right:
        ask(left, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "9"}})
        wait_for(lambda: field(right, "worker", "max_turns").get("value") == "9", "the other gateway has the setting")
        submit(left, "one")
        ask(right, "/jobs/one/cancel", "POST")
        for head in (left, right, left):
            texts = sorted(entry["text"] for entry in ask(head, "/audit?kind=job&subject=one")["entries"])
            equal(texts, ["cancel requested", "cancelled", "submitted"], "the audit")
    for part, table in (("config", "setting"), ("gateway", "job"), ("audit", "audit")):
        check(server().sql(f"SELECT 1 FROM mergeloomd.{table} LIMIT 1", urls[part].rsplit("/", 1)[1]) == "1", part)
    check(not (harness.scratch() / "left/mergeloom/worker_state.db").exists(), "there is a file besides")


harness.main(globals())
