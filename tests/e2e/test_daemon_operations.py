#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does to a mergeloomd: new keys, backups, service managers; and that its secrets stay where they are."""
import base64
import contextlib
import hashlib
import hmac
import io
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import tarfile
import threading
import urllib.parse

import harness
from daemon_server import api, daemon, environment, field, settled, simulated, wait_for
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


# ---- Metrics ----

# Debian's, which knows Debian's packages, as the python3 of the tests may not.
PYTHON = "/usr/bin/python3"
PARSER = """import json, sys
from prometheus_client.openmetrics import parser
families = parser.text_string_to_metric_families(sys.stdin.buffer.read().decode())
print(json.dumps([[sample.name, sample.labels, sample.value] for family in families for sample in family.samples]))
"""


def metrics(server):
    """{name: {labels: value}} of all samples, by a strict parser, which is Prometheus' own."""
    if subprocess.run([PYTHON, "-I", "-c", "import prometheus_client"], check=False, capture_output=True).returncode != 0:
        kind = harness.Failure if os.environ.get("CI") == "true" else harness.Skip
        raise kind("prometheus_client is not installed: ./dev setup installs it")
    status, headers, body = harness.request(server.url + "/metrics")
    equal((status, headers["Content-Type"].split(";")[0]), (200, "application/openmetrics-text"), "the metrics")
    parsed = subprocess.run([PYTHON, "-I", "-c", PARSER], input=body, check=False, capture_output=True)
    equal((parsed.returncode, parsed.stderr), (0, b""), "the parser")
    found = {}
    for name, labels, value in json.loads(parsed.stdout):
        found.setdefault(name, {})[frozenset(labels.items())] = value
    return found


def of(provider, model, **more):
    return frozenset({"gen_ai_operation_name": "invoke_agent", "gen_ai_provider_name": provider,
                      "gen_ai_request_model": model, **more}.items())


def result(provider, model, tokens, milliseconds):
    return json.dumps({"provider": provider, "model": model, "turns": 3, "tool_calls": 5, "failed_tool_calls": 1,
                       "usage": {"input_tokens": tokens, "output_tokens": 70, "cached_input_tokens": 10},
                       "timings": {"duration_ms": milliseconds}})


def test_metrics_of_results():
    """what executors tell of ended jobs is counted once, in buckets, by provider, model and end, whatever the names"""
    odd = 'a "model"\\with\nall of it é'
    repo = harness.repository(harness.FILES)
    head = {"Authorization": f"Bearer {CLUSTER}"}
    with daemon(JCA_WORKER_CLUSTER_TOKEN=CLUSTER, JCA_WORKER_ROLE="gateway", JCA_WORKER_PROVIDER="openai-compatible",
                JCA_OPENAI_COMPATIBLE_BASE_URL="http://127.0.0.1:9/v1", JCA_OPENAI_COMPATIBLE_MODEL="m") as server:
        check(not metrics(server).get("gen_ai_client_token_usage_count"), "no job has ended")
        for state, text in (("completed", result("p", "m", 200, 20)), ("completed", result("p", "m", 1024, 81921)),
                            ("failed", result("p", "m", 10 ** 15, -1)), ("completed", result("p", odd, 0, 5)),
                            ("blocked", '{"state": "blocked"}'), ("completed", "")):
            status, _, job = api(server, "/jobs", "POST", {
                "schema": "mergeloom.job.v1", "repository": {"path": str(repo)},
                "ticket": {"title": "Count", "description": harness.MARK}})
            equal(status, 201, f"{job}")
            told = {"executor": "one", "claim": 1, "state": state, "result": text}
            equal(api(server, "/gateway/claim", "POST", {"executor": "one", "ready": ",openai-compatible,"}, head)[0], 200,
                  "a claim")
            for _ in range(2):  # as when the answer was lost
                equal(api(server, f"/gateway/jobs/{job['id']}/end", "POST", told, head)[0], 204, "the end")
        found = metrics(server)
        usage = found["gen_ai_client_token_usage_bucket"]
        equal([usage[of("p", "m", gen_ai_token_type="input", le=bound)] for bound in ("64.0", "256.0", "1024.0", "+Inf")],
              [0, 1, 2, 3], "the buckets of tokens")
        equal(found["gen_ai_client_token_usage_sum"][of("p", "m", gen_ai_token_type="output")], 210, "tokens out")
        equal(found["gen_ai_client_token_usage_count"][of("p", odd, gen_ai_token_type="input")], 1, "a job of an odd model")
        took = found["gen_ai_client_operation_duration_seconds_bucket"]
        equal([took[of("p", "m", le=bound)] for bound in ("0.01", "0.02", "81.92", "163.84", "+Inf")], [0, 1, 1, 2, 2],
              "the buckets of durations")
        sums = found["gen_ai_client_operation_duration_seconds_sum"]
        equal((sums[of("p", "m")], sums[of("p", "m", error_type="failed")]), (81.941, 0), "the durations")
        equal(found["gen_ai_invoke_agent_inference_calls_sum"][of("p", "m")], 9, "turns")
        equal(found["gen_ai_invoke_agent_tool_calls_sum"][of("p", "m")], 15, "tool calls")
        equal(found["mergeloom_failed_tool_calls_total"], {of("p", "m"): 3, of("p", odd): 1}, "failed tool calls")
        equal(found["mergeloom_cached_input_tokens_total"], {of("p", "m"): 30, of("p", odd): 10}, "cached tokens")
        equal(found["mergeloom_jobs"][frozenset({("state", "completed")})], 4, "jobs by state")


def test_metrics_of_a_job():
    """a job that a daemon runs itself is counted as its result says"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, \
            daemon(**simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible")) as server:
        settled(server, "openai-compatible")
        name = api(server, "/jobs", "POST", {"schema": "mergeloom.job.v1", "repository": {"path": str(repo)},
                                             "ticket": {"title": "Count", "description": harness.MARK}})[2]["id"]
        ended = wait_for(lambda: (lambda job: job if job["state"] not in ("pending", "running") else None)(
            api(server, f"/jobs/{name}")[2]), "the job ends")["result"]
        wanted = of("openai-compatible", "sim-1")
        found = wait_for(lambda: (lambda now: now if "gen_ai_invoke_agent_tool_calls_sum" in now else None)(
            metrics(server)), "the job is counted")
        check(ended["tool_calls"] > 0 and ended["usage"]["input_tokens"] > 0, f"{ended}")
        equal(found["gen_ai_invoke_agent_tool_calls_sum"], {wanted: ended["tool_calls"]}, "tool calls")
        equal(found["gen_ai_invoke_agent_inference_calls_sum"], {wanted: ended["turns"]}, "turns")
        equal(found["gen_ai_client_token_usage_sum"], {
            of("openai-compatible", "sim-1", gen_ai_token_type=kind): ended["usage"][f"{kind}_tokens"]
            for kind in ("input", "output")}, "tokens")
        equal(found["gen_ai_client_operation_duration_seconds_sum"], {wanted: ended["timings"]["duration_ms"] / 1000},
              "the duration")


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
    equal(len(key_file.read_text().splitlines()), 3, "old keys are dropped: a form, a key, that of fingerprints")
    with daemon(JCA_WORKER_CLUSTER_TOKEN=CLUSTER) as server:
        providers = exported(server)["providers"]
        equal({owner: providers[owner]["api_key"] for owner in written}, written, "what is opened after a restart")
        lacks(server.text(), "does not have", "the log")


def test_fingerprints():
    """the fingerprint of a secret is the same after a restart and a rotation, another elsewhere, and no plain hash"""
    def shown(**more):
        values = {"JCA_ANTHROPIC_API_KEY": KEY, **more}
        with daemon(**values) as server:
            page = harness.request(server.url + "/providers")[2].decode()
            found = field(server, "claude-api", "api_key")["fingerprint"]
            contains(page, f"fingerprint {found}", "the page")
            return found

    first = shown()
    key_file = harness.scratch() / "state/mergeloom/provider_secret.key"
    oldest = base64.b64decode(key_file.read_text().splitlines()[-1].split()[1])
    derived = hmac.new(oldest, b"fingerprints of mergeloom", "sha256").hexdigest()
    equal(first, hmac.new(derived.encode(), KEY.encode(), "sha256").hexdigest()[:8], "what it is")
    equal(shown(), first, "after a restart")
    equal(mergeloomd("rotate-key").status, 0, "a rotation")
    equal(mergeloomd("rotate-key").status, 0, "another one")
    equal(shown(), first, "after rotations")
    finished = mergeloomd("--check-config", JCA_WORKER_CLUSTER_TOKEN=KEY, JCA_ANTHROPIC_API_KEY=KEY)
    equal(re.findall(r"fingerprint (\w+)", finished.out), [first, first], f"--check-config: {finished!r}")
    check(shown(XDG_STATE_HOME=harness.scratch() / "another") != first, "another daemon")


# ---- Backup and restore ----

def told(server):
    """What the daemon answers about everything that it keeps."""
    def answer(path):
        return wait_for(lambda: (lambda found: found[2] if found[0] == 200 else None)(api(server, path)), path)
    jobs = answer("/jobs")
    kept = {"settings": exported(server), "jobs": jobs, "details": [answer(f"/jobs/{job['id']}") for job in jobs["jobs"]]}
    entries = [entry for entry in answer("/audit?limit=1000")["entries"] if entry["kind"] != "daemon"]
    return {**kept, "audit": [entry for entry in entries if entry["kind"] in ("setting", "job")]}


def filled(server, repo):
    """Settings, a secret, and a job that has ended."""
    equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"api_key": KEY, "model": "kept"}})[0], 204, "a write")
    equal(api(server, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "7"}})[0], 204, "a runtime setting")
    status, _, answer = api(server, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "ticket": {"title": "Kept"}, "repository": {"path": str(repo)}})
    equal(status, 201, f"{answer}")
    equal(api(server, f"/jobs/{answer['id']}/cancel", "POST")[0], 202, "its end")


VALUES = {"JCA_WORKER_CLUSTER_TOKEN": CLUSTER, "JCA_WORKER_PROVIDER": "claude-api", "JCA_WORKER_ROLE": "gateway"}


def elsewhere(**more):
    return {**VALUES, "XDG_STATE_HOME": harness.scratch() / "another", **more}


def test_backup_and_restore():
    """a backup that is made while settings are written restores, elsewhere and in place, to the same answers"""
    file = harness.scratch() / "backup.tar"
    with daemon(**VALUES) as server:
        filled(server, harness.repository(harness.FILES))
        before = told(server)
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                api(server, "/providers/codex-api/settings", "PATCH", {"fields": {"model": f"m{number}", "api_key": f"{KEY}-m{number}"}})

        writer = threading.Thread(target=write)
        writer.start()
        wait_for(lambda: field(server, "codex-api", "model")["set"], "a write")
        try:
            finished = mergeloomd("backup", file)
        finally:
            stop.set()
            writer.join()
        equal(finished.status, 0, f"{finished!r}")
        contains(finished.out, "provider_secret.key in another place", "what is said of the key")
        equal(file.stat().st_mode & 0o777, 0o600, "its mode")
        lacks(file.read_bytes(), KEY.encode(), "the backup")
        finished = mergeloomd("backup", file)
        equal(finished.status, 1, f"a second one: {finished!r}")
        contains(finished.err, "--force", "the remedy")
        other = harness.scratch() / "other.tar"
        other.write_bytes(b"old")
        equal(mergeloomd("backup", "--force", other).status, 0, "replacing one")
        check(other.stat().st_size > 10000, "it is another one now")
        finished = mergeloomd("restore", file)
        equal(finished.status, 1, f"beside a daemon: {finished!r}")
        contains(finished.err, "stop mergeloomd first", "the remedy")
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "later"}})[0], 204, "it goes on")
        with_key = harness.scratch() / "with-key.tar"
        equal(mergeloomd("backup", "--with-key", with_key).status, 0, "with the key")
    with tarfile.open(file) as archive:  # a program that is not ours reads it
        equal(sorted(archive.getnames()), ["manifest.json", "provider_config.db", "runtime_config.db", "worker_state.db"], "parts")
    finished = mergeloomd("restore", file)
    equal(finished.status, 0, f"{finished!r}")
    kept = list((harness.scratch() / "state/mergeloom").glob("provider_config.db.before-*"))
    equal(len(kept), 1, f"the former store is kept: {finished!r}")
    equal([row[0] for row in sqlite3.connect(kept[0]).execute(
        "SELECT value FROM setting WHERE owner = 'claude-api' AND field = 'model'")], ["later"], "what it has")
    with daemon(**VALUES) as server:
        after = told(server)
        codex = after["settings"]["providers"].pop("codex-api")
        equal(codex["api_key"], f"{KEY}-{codex['model']}", "a write is in the backup whole")
        before["settings"]["providers"].pop("codex-api", None)
        shorter = [entry for entry in after["audit"] if entry["subject"] != "codex-api"]
        equal({**after, "audit": shorter}, before, "the answers")
        contains(json.dumps(api(server, "/audit?kind=daemon")[2]), "restored from a backup", "the audit")
    # On another machine: without the key nothing is done, unless that is what is wanted; with it, all is there.
    finished = mergeloomd("restore", file, **elsewhere())
    equal(finished.status, 1, f"without the key: {finished!r}")
    contains(finished.err, "--without-secrets", "the remedy")
    equal([path.name for path in (harness.scratch() / "another/mergeloom").iterdir()], [], "what it leaves")
    equal(mergeloomd("restore", with_key, **elsewhere()).status, 0, "with the key")
    with daemon(**elsewhere()) as server:
        equal(exported(server)["providers"]["claude-api"], {"model": "later", "api_key": KEY}, "what is there")
    third = harness.scratch() / "third/mergeloom"
    third.mkdir(parents=True)
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(third, owner, -1)
    finished = mergeloomd("restore", "--without-secrets", file, **elsewhere(XDG_STATE_HOME=third.parent))
    equal(finished.status, 0, f"without secrets: {finished!r}")
    contains(finished.out, "2 secrets do not open", "what is said")
    equal({path.stat().st_uid for path in third.iterdir()}, {owner}, "what root restores belongs to the daemon's user")


def test_bad_backups():
    """what is no whole backup is refused with a remedy, and what is there stays"""
    good, bad = harness.scratch() / "good.tar", harness.scratch() / "bad.tar"
    with daemon() as server:
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "kept"}})[0], 204, "a write")
    equal(mergeloomd("backup", good).status, 0, "the good one")
    whole = good.read_bytes()
    middle = whole.index(b"setting") + 20
    foreign = io.BytesIO()
    with tarfile.open(fileobj=foreign, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../escaped"), io.BytesIO())
    newer = harness.scratch() / "newer"
    for name, content in (("empty", b""), ("text", b"hello " * 1000), ("cut in a store", whole[:5000]),
                          ("without its manifest", whole[:-3000]), ("without its end", whole[:-1024]),
                          ("changed", whole[:middle] + b"?" + whole[middle + 1:]), ("another tar", foreign.getvalue()),
                          ("a database", (harness.scratch() / "state/mergeloom/worker_state.db").read_bytes())):
        bad.write_bytes(content)
        finished = mergeloomd("restore", bad)
        equal(finished.status, 1, f"{name}: {finished!r}")
        contains(finished.err, "name another backup", f"{name}: the remedy")
    check(not newer.exists() and not (harness.scratch() / "escaped").exists(), "nothing is written elsewhere")
    # One of a newer daemon, with digests that fit.
    newer.mkdir()
    with tarfile.open(good) as archive:
        archive.extractall(newer)
    with contextlib.closing(sqlite3.connect(newer / "worker_state.db")) as store:
        store.execute("PRAGMA user_version = 1000")
    manifest = json.loads((newer / "manifest.json").read_text())
    manifest["sha256"]["worker_state.db"] = hashlib.sha256((newer / "worker_state.db").read_bytes()).hexdigest()
    (newer / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(bad, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(newer.iterdir(), reverse=True):
            archive.add(path, path.name)
    finished = mergeloomd("restore", bad)
    equal(finished.status, 1, f"{finished!r}")
    contains(finished.err, "newer version", "the reason")
    for words in (("restore",), ("backup",), ("restore", "--force", good), ("backup", good, good), ("backup", "--nope", good)):
        equal(mergeloomd(*words).status, 2, f"{words}")
    finished = mergeloomd("backup", harness.scratch() / "nowhere/x.tar")
    equal(finished.status, 1, f"{finished!r}")
    finished = mergeloomd("backup", bad, **{"XDG_STATE_HOME": harness.scratch() / "empty"})
    equal(finished.status, 1, f"{finished!r}")
    for words in (("backup", bad, "--force"), ("restore", good)):
        finished = mergeloomd(*words, JCA_WORKER_DATABASE_URL=f"postgresql+psycopg://worker:{KEY}@db.example/mergeloom")
        equal(finished.status, 1, f"with a database server: {finished!r}")
        contains(finished.err, {"backup": "pg_dump", "restore": "pg_restore"}[words[0]], "the remedy")
        lacks(finished.everything(), KEY, "what is said")
    state = harness.scratch() / "state/mergeloom"
    equal([path.name for path in state.iterdir() if "restoring" in path.name or "before" in path.name], [], "what is left")
    equal(sorted(path.name for path in harness.scratch().glob("*.tar*")), ["bad.tar", "good.tar"], "what is left of backups")
    # A store that is damaged beyond reading is no reason not to restore.
    (state / "worker_state.db").write_bytes(b"damaged" * 1000)
    equal(mergeloomd("restore", good).status, 0, "over a damaged store")
    with daemon() as server:
        equal(field(server, "claude-api", "model")["value"], "kept", "the model")


# ---- Service managers ----

@contextlib.contextmanager
def activated(listener, **more):
    """A daemon that gets its socket as systemd gives it: as descriptor 3, for this process and no other."""
    command = ["sh", "-c", f'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" 3<&{listener.fileno()}', harness.BUILD / "mergeloomd"]
    with (harness.scratch() / "activated.log").open("w+", encoding="utf-8") as log, subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(**more),
            pass_fds=[listener.fileno()]) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def test_service_manager():
    """a service manager is told of the start, of readiness and of the end"""
    path = harness.scratch() / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told_to:
        told_to.bind(str(path))
        told_to.settimeout(harness.GUARD)
        with daemon(NOTIFY_SOCKET=path) as server:
            equal(told_to.recv(4096), b"READY=1\nSTATUS=describing providers", "ready")
            equal(told_to.recv(4096), b"STATUS=running", "running")
            server.process.terminate()
            equal(told_to.recv(4096), b"STOPPING=1", "the end")
            equal(server.process.wait(harness.GUARD), 0, "its status")


def test_socket_activation():
    """a socket that a service manager opened is taken, TCP or Unix; an open one without a token is refused"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with activated(listener):
            equal(harness.request(url + "/healthz")[0], 200, "TCP")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(harness.scratch() / "http"))
        listener.listen()
        with activated(listener):
            client.settimeout(harness.GUARD)
            client.connect(str(harness.scratch() / "http"))
            client.sendall(b"GET /providers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            contains(client.recv(4096), b"HTTP/1.1 200 ", "Unix")
    with socket.create_server(("0.0.0.0", 0)) as listener, activated(listener) as process:
        equal(process.wait(harness.GUARD), 1, "an open socket")
        contains((harness.scratch() / "activated.log").read_text(), "JCA_WORKER_ACCESS_TOKEN", "the remedy")
    # A socket that is meant for another process is none of ours.
    with daemon(LISTEN_FDS="1", LISTEN_PID="1") as server:
        equal(harness.request(server.url + "/healthz")[0], 200, "its own socket")


# ---- Where secrets may not be ----

def dumped(process):
    """Ends a process as a crash would, with all limits lifted: 1 when the system made a core of it."""
    with contextlib.suppress(PermissionError):  # of others only root with all its rights may lift them
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.kill(process.pid, signal.SIGABRT)
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = -signal.SIGABRT
    check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT, f"how it ended: {status}")
    return os.WCOREDUMP(status)


def lift_limits():
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


@contextlib.contextmanager
def begun(arguments, folder, **more):
    folder.mkdir()
    with subprocess.Popen([str(word) for word in arguments], cwd=folder, env=environment(**more), preexec_fn=lift_limits,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


def test_no_core():
    """daemon, worker and command line leave no core when they crash in the middle of their work, whatever the limits"""
    request = json.dumps({"command": "check", "provider": "openai-compatible"}).encode()
    programs = {"daemon": [harness.BUILD / "mergeloomd"], "worker": [harness.PLAIN_BUILD / "mergeloom-worker"],
                "tool": [harness.BUILD / "mergeloom", "check", "openai-compatible"]}
    for name, arguments in programs.items():
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(harness.GUARD)
            settings = {"JCA_OPENAI_COMPATIBLE_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}/v1",
                        "JCA_OPENAI_COMPATIBLE_MODEL": "m", "JCA_OPENAI_COMPATIBLE_API_KEY": KEY}
            if name == "tool":
                settings["MERGELOOM_PLUGIN_PATH"] = harness.BUILD
            with begun(arguments, harness.scratch() / name, **settings) as process:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(request)
                    process.stdin.close()
                with server.accept()[0]:  # it has the key and waits for an answer
                    equal(resource.prlimit(process.pid, resource.RLIMIT_CORE), (0, 0), f"{name}: its limit")
                    # Where the system makes no cores at all, only what would keep it from making one can be seen.
                    if os.geteuid() != 0:
                        check(os.stat(f"/proc/{process.pid}/mem").st_uid != os.geteuid(), f"{name}: the memory is open to its user")
                    check(not dumped(process), f"{name}: there is a core")
        equal([path.name for path in (harness.scratch() / name).glob("core*")], [], name)


def test_secrets_stay():
    """no page, answer, metric, event, audit entry or log has a secret, not even one that a server sends back"""
    forms = [KEY, base64.b64encode(KEY.encode()).decode(), urllib.parse.quote(KEY.replace("-", "/"), safe="")]

    def answer(_method, path, headers, _body):
        """An error that repeats what it was given, as some servers do."""
        given = headers.get("Authorization", "")
        text = f"invalid key {given}, that is {base64.b64encode(given.removeprefix('Bearer ').encode()).decode()}, at {path}"
        return 401, {"Content-Type": "application/json", "X-Request-Id": given}, json.dumps(
            {"error": {"message": text, "code": given}}).encode()

    repo = harness.repository(harness.FILES)
    tokens = {"JCA_WORKER_CLUSTER_TOKEN": CLUSTER, "JCA_WORKER_ACCESS_TOKEN": "access-test-token-not-a-secret"}
    head = {"Authorization": f"Bearer {tokens['JCA_WORKER_ACCESS_TOKEN']}"}
    forms += tokens.values()
    with harness.Recorder(answer=answer) as echo, daemon(**tokens, JCA_WORKER_PROVIDER="openai-compatible") as server:
        equal(api(server, "/providers/openai-compatible/settings", "PATCH", {"fields": {
            "base_url": echo.url + "/v1", "model": "m", "api_key": KEY}}, head)[0], 204, "the key")
        wait_for(lambda: echo.requests, "a check asks")
        equal(api(server, "/providers/openai-compatible/checks", "POST", {"self_test": True}, head)[0], 202, "a self-test")
        wait_for(lambda: not api(server, "/providers/openai-compatible", headers=head)[2]["checking"], "the check")
        status, _, job = api(server, "/jobs", "POST", {
            "schema": "mergeloom.job.v1", "repository": {"path": str(repo)},
            "ticket": {"title": "Secret", "description": harness.MARK}}, head)
        equal(status, 201, f"{job}")
        paths = ["/", "/providers", "/runs", "/audit", "/health", f"/live/{job['id']}", "/metrics", "/readyz", "/healthz",
                 "/api/v1/providers", "/api/v1/providers/openai-compatible", "/api/v1/jobs", f"/api/v1/jobs/{job['id']}",
                 "/api/v1/audit", "/api/v1/audit?format=csv", "/api/v1/executors", "/api/v1/openapi.json", "/nowhere"]
        for path in paths:
            _, headers, body = harness.request(server.url + path, headers=head)
            text = body.decode() + json.dumps(headers)
            for form in forms:
                lacks(text, form, path)
        contains(json.dumps(api(server, "/providers/openai-compatible", headers=head)[2]), "[redacted]", "what the server said")
        for form in forms:
            lacks(server.text(), form, "the log")
    for path in (harness.scratch() / "state").rglob("*"):
        for form in forms if path.is_file() else ():
            lacks(path.read_bytes(), form.encode(), str(path))


harness.main(globals())
