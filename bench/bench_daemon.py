#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mergeloomd: its start, its idle memory, unchanged settings beside nginx, a sweep of slow providers, viewers of events."""
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import pwd
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BUILD = pathlib.Path(os.environ["top_builddir"])
TOKEN = "cluster-test-token-not-a-secret"
KEY = "test-key-not-a-secret"
GUARD = 120
STARTS = 16
PROVIDERS = {"aws-bedrock", "azure-foundry", "claude-api", "claude-code-cli", "codex-api", "codex-cli", "openai-compatible",
             "vertex-ai"}
NGINX_WORKERS = 2  # the daemon answers with two threads
LOAD_ROUNDS = 3
LOAD_SECONDS = 2
LOAD_CONNECTIONS = 16
SLOW_SECONDS = 1.5
LOGINS = (".claude", ".codex")  # below HOME
VIEWERS = 1000
VIEWER_ADDRESSES = 40


def report(what, value, unit, target=""):
    print(what, f"{value:.2f}" if value < 10 else f"{value:.1f}", unit, target, sep="\t", flush=True)


def wait_for(condition, what):
    end = time.monotonic() + GUARD
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"bench_daemon: {what}: did not come")
        time.sleep(0.1)


class Daemon:
    """mergeloomd with a state folder of its own."""

    def __init__(self, state, **more):
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(state), "XDG_STATE_HOME": str(state), "JCA_WORKER_PORT": "0",
            "MERGELOOM_WORKER": str(BUILD / "mergeloom-worker"), "MERGELOOM_SUPERVISE": os.environ["MERGELOOM_SUPERVISE"],
            "MERGELOOM_PLUGIN_PATH": os.environ["MERGELOOM_PLUGIN_PATH"], **more}
        self.process = subprocess.Popen([BUILD / "mergeloomd"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline()
        found = re.search(rb":(\d+)/", line)
        if not found:
            sys.exit("bench_daemon: mergeloomd does not start")
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, path, method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GUARD)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers, text

    def providers(self):
        status, _, text = self.ask("/api/v1/providers")
        return json.loads(text)["providers"] if status == 200 else []

    def checked(self, names=None):
        """Those providers, once no check of them runs."""
        found = [one for one in self.providers() if names is None or one["id"] in names]
        return found if found and all(one["checked_at"] and not one["checking"] for one in found) else None

    def memory(self):
        """MB: resident, and its share when what other programs use too is divided among them."""
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="utf-8")
        return [int(re.search(rf"^{name}:\s+(\d+)", rollup, re.MULTILINE)[1]) / 1024 for name in ("Rss", "Pss")]

    def cpu_ms(self):
        return cpu_ms(self.process.pid)


def cpu_ms(pid):
    """Of all threads."""
    return sum(int(path.read_text(encoding="utf-8").split()[0])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def every_provider(daemon):
    """The ids of all eight, once the checks that the daemon begins with have ended."""
    names = {one["id"] for one in wait_for(daemon.checked, "the first checks end")}
    if names != PROVIDERS:
        sys.exit(f"bench_daemon: these providers are loaded: {sorted(names)}")
    return sorted(names)


# ---- Start and idle ----

def start(state, path):
    """Milliseconds from starting the program to its answer, and of its CPU until then."""
    began = time.monotonic()
    with Daemon(state) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = connection.recv(65536)
        seconds = time.monotonic() - began
        if not answer.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"bench_daemon: {path}: {answer[:100]!r}")
        return seconds * 1000, daemon.cpu_ms()


def measure_start(folder):
    def column(path, empty):
        states = [tempfile.mkdtemp(dir=folder) for _ in range(STARTS if empty else 1)]
        return [start(states[number % len(states)], path) for number in range(STARTS)]
    # Of a start with stores at hand the first one is not counted: it fills the page cache.
    for name, path, empty in (("/healthz", "/healthz", False), ("/providers", "/providers", False),
                              ("/healthz, with stores to be made", "/healthz", True)):
        found, cpu = zip(*column(path, empty)[0 if empty else 1:])
        report(f"start to the first answer, {name}: median of {len(found)}", statistics.median(found), "ms", "30")
        report("  best", min(found), "ms")
        report("  CPU until then", statistics.median(cpu), "ms")


def measure_idle(folder):
    with Daemon(folder) as daemon:
        names = every_provider(daemon)
        for name in ("/providers", "/runs", "/health"):
            daemon.ask(name)
        time.sleep(3)
        resident, share = daemon.memory()
        report(f"idle memory, {len(names)} providers described and checked", resident, "MB", "15")
        report("  with its share only of what others use too", share, "MB")


# ---- Unchanged settings ----

@contextlib.contextmanager
def nginx(folder, content):
    """nginx with as many workers as the daemon has threads that answer, and settings for speed, serving content as a file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (root / "settings.json").write_bytes(content)
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""  # who may read this folder
    configuration = root / "nginx.conf"
    configuration.write_text(f"""daemon off; {user} worker_processes {NGINX_WORKERS}; pid {root}/pid; error_log {root}/log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=16;
  client_body_temp_path {root}/1; proxy_temp_path {root}/2; fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
""", encoding="utf-8")
    process = subprocess.Popen([find("nginx"), "-p", root, "-c", configuration], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def children():
            return pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
        yield f"http://127.0.0.1:{port}/settings.json", [int(pid) for pid in wait_for(
            lambda: (lambda found: found if len(found) == NGINX_WORKERS else None)(children()), "nginx starts")]
    finally:
        process.terminate()
        process.wait()


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def load(pids, url, *headers):
    """Requests a second, and microseconds of the server's CPU for each."""
    words = [word for header in headers for word in ("-H", header)]
    before = sum(map(cpu_ms, pids))
    done = subprocess.run([find("wrk"), "-t1", f"-c{LOAD_CONNECTIONS}", f"-d{LOAD_SECONDS}s", *words, url],
                          capture_output=True, text=True, check=True)
    spent = sum(map(cpu_ms, pids)) - before
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    count = int(re.search(r"(\d+) requests in", done.stdout)[1])
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        sys.exit(f"bench_daemon: {url}:\n{done.stdout}")
    return rate, spent * 1000 / count


def measure_settings(folder):
    if not find("nginx") or not find("wrk"):
        print("unchanged settings: nginx-light or wrk is missing; ./dev bench installs them")
        return
    with Daemon(folder, JCA_WORKER_ROLE="gateway", JCA_WORKER_CLUSTER_TOKEN=TOKEN, JCA_ANTHROPIC_API_KEY=KEY) as daemon:
        token = {"Authorization": f"Bearer {TOKEN}"}
        path = "/api/v1/gateway/settings"
        _, headers, settings = wait_for(lambda: (lambda got: got if got[0] == 200 else None)(
            daemon.ask(path, headers=token)), "the settings are there")
        known = f"If-None-Match: {headers['ETag']}"
        if daemon.ask(path, headers={**token, "If-None-Match": headers["ETag"]})[0] != 304:
            sys.exit("bench_daemon: the settings have changed by themselves")
        wait_for(daemon.checked, "the first checks end")
        with nginx(pathlib.Path(tempfile.mkdtemp(dir=folder)), settings) as (url, workers):
            pairs = []
            for _ in range(LOAD_ROUNDS):
                peer = load(workers, url)
                own = load([daemon.process.pid], f"http://127.0.0.1:{daemon.port}{path}", f"Authorization: Bearer {TOKEN}", known)
                pairs.append((peer, own))
    report(f"nginx, {NGINX_WORKERS} workers, a static file of {len(settings)} bytes", max(peer[0] for peer, _ in pairs) / 1000, "k/s")
    report("  CPU of one answer", min(peer[1] for peer, _ in pairs), "us")
    report("unchanged settings (If-None-Match, cluster token)", max(own[0] for _, own in pairs) / 1000, "k/s")
    report("  CPU of one answer", min(own[1] for _, own in pairs), "us")
    beside = statistics.median(peer[0] / own[0] for peer, own in pairs)
    report("  how often nginx answers in the time of one answer", beside, "times", "2")


# ---- Slow providers ----

class Slow(http.server.BaseHTTPRequestHandler):
    """Answers everything, late, that the key is wrong."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(self.path)
        time.sleep(SLOW_SECONDS)
        self.send_response(401)
        self.send_header("Content-Length", "2")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_HEAD = do_PUT = answer

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def slow_environment(folder, url):
    """Settings that have each of the eight providers ask something slow."""
    program = folder / "slow-program"
    # Its login folder is all that the worker's sandbox lets it write.
    program.write_text(f"#!/bin/sh\necho \"$*\" >>\"$HOME/asked\"\nsleep {SLOW_SECONDS}\necho 1.0.0\n", encoding="utf-8")
    program.chmod(0o755)
    for login in LOGINS:
        (folder / login).mkdir()
    return {
        "JCA_OPENAI_COMPATIBLE_BASE_URL": url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "m",
        "JCA_OPENAI_API_KEY": KEY, "JCA_OPENAI_MODEL": "m", "JCA_CODEX_API_BASE_URL": url + "/v1",
        "JCA_ANTHROPIC_API_KEY": KEY, "JCA_ANTHROPIC_MODEL": "m", "JCA_CLAUDE_API_BASE_URL": url,
        "JCA_VERTEX_AUTH_METHOD": "access_token", "JCA_VERTEX_ACCESS_TOKEN": KEY, "JCA_VERTEX_ENDPOINT_MODE": "raw-endpoint",
        "JCA_VERTEX_ENDPOINT_URL": url + "/v1/projects/p/locations/l/publishers/google/models/m:generateContent",
        "JCA_VERTEX_MODEL": "m", "JCA_VERTEX_PROJECT_ID": "p", "JCA_VERTEX_LOCATION": "global",
        "JCA_BEDROCK_AUTH_METHOD": "static_keys", "AWS_ACCESS_KEY_ID": "test-id", "AWS_SECRET_ACCESS_KEY": KEY,
        "JCA_BEDROCK_REGION": "us-east-1", "JCA_BEDROCK_MODEL_ID": "m", "JCA_BEDROCK_ENDPOINT_URL": url,
        "JCA_AZURE_FOUNDRY_AUTH_METHOD": "api_key", "JCA_AZURE_FOUNDRY_API_KEY": KEY, "JCA_AZURE_FOUNDRY_ENDPOINT": url,
        "JCA_AZURE_FOUNDRY_MODEL": "m",
        "JCA_CODEX_CLI_PROGRAM": str(program), "JCA_CLAUDE_CODE_CLI_PROGRAM": str(program)}


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Slow)
        self.asked = []


def measure_sweep(folder):
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def questions():
        return len(server.asked) + sum(len((folder / login / "asked").read_text(encoding="utf-8").splitlines()) for login in LOGINS)
    with Daemon(folder, **slow_environment(folder, f"http://127.0.0.1:{server.server_port}")) as daemon:
        def timed(names):
            """Seconds until those providers are checked, and how many slow questions that took."""
            before = questions()
            began = time.monotonic()
            for name in names:
                status, _, text = daemon.ask(f"/api/v1/providers/{name}/checks", "POST")
                if status not in (200, 202):
                    sys.exit(f"bench_daemon: the check of {name} does not begin: {status} {text!r}")
            wait_for(lambda: daemon.checked(names), "a check ends")
            return time.monotonic() - began, questions() - before
        names = every_provider(daemon)
        alone = {name: timed([name]) for name in names}
        together, asked = min(timed(names) for _ in range(2))
    server.shutdown()
    server.server_close()
    for name, (seconds, count) in alone.items():
        if seconds < SLOW_SECONDS or count == 0:
            sys.exit(f"bench_daemon: the check of {name} was not slow: {seconds:.2f} s, {count} questions")
    if asked < sum(count for _, count in alone.values()):
        sys.exit(f"bench_daemon: all at once asked {asked} questions, one after the other {alone}")
    alone = {name: seconds for name, (seconds, _) in alone.items()}
    report(f"checks of {len(names)} slow providers ({asked} slow questions), one after the other", sum(alone.values()), "s")
    report(f"  the slowest of them ({max(alone, key=alone.get)}) alone", max(alone.values()), "s")
    report(f"  the quickest of them ({min(alone, key=alone.get)}) alone", min(alone.values()), "s")
    report("  all at once", together, "s")
    report("  all at once beside the slowest alone, better of 2", together / max(alone.values()), "x", "1.25")


# ---- Viewers ----

def viewer(port, number):
    """A stream of events that is read to its first line."""
    connection = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.1.{1 + number % VIEWER_ADDRESSES}", 0))
    connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(4096)
        if not part:
            sys.exit(f"bench_daemon: viewer {number}: {answer!r}")
        answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"bench_daemon: viewer {number}: {answer[:100]!r}")
    connection.setblocking(False)
    return connection


def read_events(viewers, quiet):
    """How many events all viewers get until none has come for a while; seconds until the last of the first ones."""
    selector = selectors.DefaultSelector()
    for connection in viewers:
        selector.register(connection, selectors.EVENT_READ)
    began = last = time.monotonic()
    first, events = set(), 0
    while time.monotonic() - last < quiet:
        for key, _ in selector.select(0.1):
            events += key.fileobj.recv(65536).count(b"event: change")
            if key.fileobj not in first:
                first.add(key.fileobj)
                all_seen = time.monotonic() - began
            last = time.monotonic()
    selector.close()
    if len(first) < len(viewers):
        sys.exit(f"bench_daemon: only {len(first)} of {len(viewers)} viewers saw a change")
    return events, all_seen


def measure_viewers(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, VIEWERS + 200), hard), hard))
    with Daemon(folder) as daemon:
        wait_for(daemon.checked, "the first checks end")
        viewers = [viewer(daemon.port, number) for number in range(VIEWERS)]
        read_all = lambda: read_events(viewers, 1.5)  # pylint: disable=unnecessary-lambda-assignment
        daemon.ask("/api/v1/providers/openai-compatible/checks", "POST")
        read_all()
        resident, share = daemon.memory()
        idle = daemon.cpu_ms()
        time.sleep(2)
        idle = (daemon.cpu_ms() - idle) / 2
        before = daemon.cpu_ms()
        daemon.ask("/api/v1/providers/openai-compatible/checks", "POST")
        events, seconds = read_all()
        spent = daemon.cpu_ms() - before
        for connection in viewers:
            connection.close()
    report(f"memory with {VIEWERS} viewers of events, resident", resident, "MB", "100")
    report("  with its share only of what others use too", share, "MB")
    report("  CPU of a second in which nothing happens", idle, "ms")
    report("  until all have seen a change", seconds * 1000, "ms")
    report("  CPU of one event to one viewer", spent * 1000 / events, "us")


def main():
    if not (BUILD / "mergeloomd").exists():
        print("mergeloomd is not built")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-bench-", dir=os.environ.get("TMPDIR", "/tmp")))
    try:
        for number, measure in enumerate((measure_start, measure_idle, measure_settings, measure_sweep, measure_viewers)):
            if len(sys.argv) > 1 and measure.__name__ not in sys.argv[1:]:
                continue
            own = folder / str(number)
            own.mkdir()
            measure(own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
