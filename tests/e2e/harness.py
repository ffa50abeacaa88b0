# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: TAP output, scratch folders, programs to start and stop, a recording proxy.

A test script defines functions whose names begin with test_ and ends with harness.main(globals()). Each function is
one point of the TAP output; its docstring's first line names it.
"""
import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("top_srcdir", ".")).resolve()
# A build without sanitizers, if there is one: what a sanitized daemon starts over and over comes from there, as its
# programs are tested by themselves.
PLAIN_BUILD = pathlib.Path(os.environ.get("MERGELOOM_PLAIN_BUILD") or BUILD).resolve()
# Obviously no real key; tests look for it in everything that is printed.
KEY = "test-key-not-a-secret"
# A guard against hanging, never an expectation: far above what anything here takes.
GUARD = int(os.environ.get("MERGELOOM_TEST_GUARD", "300"))


class Skip(Exception):
    """Raised by a test that cannot run here; its text is the reason."""


class Failure(Exception):
    """A check that did not hold."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: got {actual!r}, expected {expected!r}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in {text!r}")


def lacks(text, part, what):
    if part in text:
        raise Failure(f"{what}: {part!r} is in {text!r}")


# Every test runs with a scratch folder of its own, removed afterwards.
_scratch = None


def scratch():
    return _scratch


def main(namespace, brief=()):
    """Runs the cases of a script, or those named. Where MERGELOOM_TEST_BRIEF is set, the cases brief, if there are any, have
    to do: make distcheck shows that the archive has all that a test needs, after every case has run in two builds."""
    global _scratch
    tests = [value for name, value in namespace.items() if name.startswith("test_") and callable(value)]
    only = sys.argv[1:] or (brief if os.environ.get("MERGELOOM_TEST_BRIEF") else ())
    tests = [test for test in tests if not only or test.__name__ in only]
    print(f"1..{len(tests)}", flush=True)
    failures = 0
    for number, test in enumerate(tests, 1):
        name = (test.__doc__ or test.__name__).strip().splitlines()[0].replace("#", "")
        _scratch = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-e2e-")).resolve()
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as skip:
            print(f"ok {number} - {name} # SKIP {skip}", flush=True)
        except Exception as problem:  # pylint: disable=broad-except
            failures += 1
            print(f"not ok {number} - {name}")
            text = str(problem) if isinstance(problem, Failure) else traceback.format_exc()
            for line in text.splitlines():
                print(f"# {line[:2000]}")
            sys.stdout.flush()
        finally:
            shutil.rmtree(_scratch, ignore_errors=True)
    sys.exit(1 if failures else 0)


# Starts a program under a filter of system calls: (code, jump if true, jump if false, value) for each instruction.
FILTERED = """
import ctypes, json, os, struct, sys
code = json.loads(sys.argv[1])
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter, 0, 0) != 0:
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""
NUMBER, ARGUMENT, EQUALS, ANY_OF, END = (0x20, 0, 0, 0), (0x20, 0, 0, 16), 0x15, 0x45, 0x06
PASSES, FAILS = (END, 0, 0, 0x7fff0000), 0x00050000
EPERM, ENOSYS = 1, 38


def filtered(code, arguments, environment):
    return run([sys.executable, "-c", FILTERED, json.dumps(code), BUILD / "mergeloom", *arguments], environment=environment)


def without_landlock(arguments, environment):
    """Runs mergeloom where the kernel knows no Landlock: its first call of it is answered with ENOSYS."""
    return filtered([NUMBER, (EQUALS, 0, 1, 444), (END, 0, 0, FAILS | ENOSYS), PASSES], arguments, environment)


def without_namespaces(arguments, environment):
    """Runs mergeloom where no namespaces can be made, as in many containers."""
    clone, unshare = (220, 97) if os.uname().machine == "aarch64" else (56, 272)
    new_ones = 0x7e020000  # CLONE_NEW...
    return filtered([NUMBER, (EQUALS, 0, 1, 435), (END, 0, 0, FAILS | ENOSYS),  # clone3, whose flags no filter sees
                     (EQUALS, 3, 0, unshare), (EQUALS, 0, 3, clone), ARGUMENT, (ANY_OF, 0, 1, new_ones),
                     (END, 0, 0, FAILS | EPERM), PASSES], arguments, environment)


@contextlib.contextmanager
def memory_group(megabytes):
    """A control group with so much memory: the file that takes processes into it, or None where none can be made."""
    folder = pathlib.Path(f"/sys/fs/cgroup/memory/mergeloom-test-{os.getpid()}")
    limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    if not folder.parent.is_dir():
        folder = pathlib.Path(f"/sys/fs/cgroup/{folder.name}")
        limits = ("memory.max", "memory.swap.max")
    made = False
    try:
        folder.mkdir()
        made = True
        (folder / limits[0]).write_text(str(megabytes << 20), encoding="ascii")
        for name in limits[1:]:
            with contextlib.suppress(OSError):  # without swap there is no limit of it
                (folder / name).write_text(str(megabytes << 20), encoding="ascii")
        usable = (folder / "cgroup.procs").is_file()
    except OSError:
        usable = False
    try:
        yield folder / "cgroup.procs" if usable else None
    finally:
        end = time.monotonic() + GUARD
        while made and time.monotonic() < end:
            try:
                folder.rmdir()
                made = False
            except OSError:  # a process that has ended may be in it for a while
                time.sleep(0.02)


# ---- Node.js and its packages ----

def node_modules():
    """The folder of npm packages and the node to run them with; skips, or fails where nothing may be skipped."""
    modules = pathlib.Path(os.environ.get("MERGELOOM_NODE_MODULES", SOURCE / "tests/e2e/node_modules"))
    node = os.environ.get("MERGELOOM_NODE") or shutil.which("node")
    reason = None
    if not node:
        reason = "Node.js is not installed: ./dev setup installs it"
    elif not all((modules / name).is_dir() for name in (
            "@anthropic-ai/bedrock-sdk", "@anthropic-ai/foundry-sdk", "@anthropic-ai/sdk", "@anthropic-ai/vertex-sdk",
            "@aws-sdk/client-bedrock-runtime", "@azure/identity", "@copilotkit/aimock", "@google/genai",
            "axe-core", "google-auth-library", "openai", "playwright-core")):
        reason = f"npm packages are not in {modules}: ./dev setup installs them"
    if reason and os.environ.get("CI") == "true":
        raise Failure(reason)
    if reason:
        raise Skip(reason)
    return node, modules


def real_program(*names):
    """The path of a command-line program that a provider drives, installed from npm into a cache; skips or fails."""
    folder = os.environ.get("MERGELOOM_CLIS")
    if not folder:
        lock = (SOURCE / "tests/e2e/clis/package-lock.json").read_bytes()
        cache = os.environ.get("MERGELOOM_CLIS_CACHE") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mergeloom")
        folder = os.path.join(cache, f"clis-{hashlib.sha256(lock).hexdigest()[:16]}", "node_modules")
    for name in names:
        path = pathlib.Path(folder, name)
        if os.access(path, os.X_OK):
            return path
    reason = f"{names[0]} is not in {folder}: ./dev setup installs it"
    if os.environ.get("CI") == "true":
        raise Failure(reason)
    raise Skip(reason)


# ---- Programs ----

def worker_environment():
    """What mergeloomd needs to find what it starts."""
    found = {"MERGELOOM_WORKER": PLAIN_BUILD / "mergeloom-worker"}
    if PLAIN_BUILD != BUILD:
        found["MERGELOOM_PLUGIN_PATH"] = PLAIN_BUILD
        found["MERGELOOM_SUPERVISE"] = PLAIN_BUILD / "mergeloom-supervise"
    return found


def clean_environment(**more):
    """The environment of everything that is started: nothing of the caller's but what programs need to run."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(_scratch),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(_scratch),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.com",
        "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.com",
    }
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "MERGELOOM_PLUGIN_PATH",
                 "MERGELOOM_SUPERVISE"):
        if name in os.environ:
            environment[name] = os.environ[name]
    environment.update({name: str(value) for name, value in more.items() if value is not None})
    return environment


class Finished:
    """How a program ended."""

    def __init__(self, process, seconds):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr
        self.seconds = seconds

    def everything(self):
        return self.out + self.err

    def __repr__(self):
        return f"status {self.status}\nstdout:\n{self.out}\nstderr:\n{self.err}"


def instead_of_libcurl(content):
    """The value of LD_LIBRARY_PATH with which what needs libcurl finds this: bytes, or another library."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=_scratch))
    if isinstance(content, bytes):
        (folder / "libcurl.so.4").write_bytes(content)
    else:
        (folder / "libcurl.so.4").symlink_to(content)
    return folder


def run(arguments, environment=None, cwd=None, text=None):
    began = time.monotonic()
    process = subprocess.run([str(argument) for argument in arguments], cwd=cwd, env=environment or clean_environment(),
                             input=text, stdin=subprocess.DEVNULL if text is None else None, capture_output=True,
                             encoding="utf-8", errors="replace", timeout=GUARD, check=False)
    return Finished(process, time.monotonic() - began)


def must(arguments, **more):
    finished = run(arguments, **more)
    check(finished.status == 0, f"{arguments}: {finished!r}")
    return finished.out


class Server:
    """A program that prints where it listens."""

    def __init__(self, arguments, announcement="listening on ", environment=None):
        self.log = open(_scratch / f"server-{time.monotonic_ns()}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([str(argument) for argument in arguments], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT,
                                        env=environment or clean_environment())
        self.url = self._wait(announcement)

    def text(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def _wait(self, announcement):
        end = time.monotonic() + GUARD
        while time.monotonic() < end:
            for line in self.text().splitlines(keepends=True):
                if announcement in line and line.endswith("\n"):
                    return line.split(announcement, 1)[1].split()[0].rstrip("/")
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.stop()
        raise Failure(f"the server did not start: {self.text()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        # A sanitizer that finds something at the end says so with its exit status.
        if kind is None and self.process.returncode != 0:
            raise Failure(f"the server ended with {self.process.returncode}: {self.text()}")


def simulator(*scripts, options=()):
    """mergeloom-sim with scripts given as Python values or paths."""
    arguments = [BUILD / "mergeloom-sim", "--verbose", *options]
    for number, script in enumerate(scripts):
        if not isinstance(script, (str, pathlib.Path)):
            path = _scratch / f"script-{time.monotonic_ns()}-{number}.json"
            path.write_text(json.dumps(script), encoding="utf-8")
            script = path
        arguments += ["--script", script]
    return Server(arguments)


def aimock(steps=None, mark=None, **more):
    """The mock server of the npm package @copilotkit/aimock: answers of a job by turn, and the self-test."""
    node, modules = node_modules()
    path = _scratch / f"plan-{time.monotonic_ns()}.json"
    path.write_text(json.dumps({"mark": mark, "steps": steps, **more}), encoding="utf-8")
    return Server([node, SOURCE / "tests/e2e/aimock_server.mjs", modules, path])


def cli_server(style, steps, mark=None, **more):
    """As aimock, for the real programs: steps say what the model does in the tools of the program of that style."""
    node, modules = node_modules()
    path = _scratch / f"plan-{time.monotonic_ns()}.json"
    path.write_text(json.dumps({"style": style, "mark": mark or MARK, "steps": steps, **more}), encoding="utf-8")
    return Server([node, SOURCE / "tests/e2e/cli_server.mjs", modules, path])


# ---- Requests, and a proxy that records them ----

def request(url, method="GET", body=None, headers=None):
    """Status, headers and body of an answer; what came of a cut one is in the exception's partial."""
    host, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=GUARD)
    try:
        connection.request(method, "/" + path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


class _Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class _ThreadedTcp(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Recorder:
    """Passes requests on to upstream, or answers by itself, and keeps their heads and exact bodies.

    answer(method, path, headers, body) gives (status, headers, body) instead of asking upstream. certificate: the paths
    of a PEM certificate for localhost and its key; it then speaks https.
    """

    def __init__(self, upstream=None, answer=None, certificate=None):
        recorder = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                recorder.requests.append((self.command, self.path, dict(self.headers), body))
                if answer:
                    status, headers, data = answer(self.command, self.path, dict(self.headers), body)
                else:
                    status, headers, data = self.ask(body)
                self.date = headers.get("Date")
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def ask(self, body):
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                return request(upstream + self.path, self.command, body or None, headers)

            do_GET = do_POST = do_PUT = serve

            def date_time_string(self, timestamp=None):
                return self.date or super().date_time_string(timestamp)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = _Threaded(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://localhost:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def bodies(self, path_end="/chat/completions"):
        return [body for _, path, _, body in self.requests if path.endswith(path_end)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Proxy:
    """A proxy of the kind that companies have: CONNECT, and requests with an absolute address.

    lead_to: the port of this machine that every connection leads to. login: "user:password" that it asks for. heads are
    the requests that it was sent, as (first line, headers).
    """

    def __init__(self, lead_to=None, login=None):
        proxy = self
        self.heads = []
        wanted = login and "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                line = self.rfile.readline().decode()
                headers = http.client.parse_headers(self.rfile)
                proxy.heads.append((line.strip(), dict(headers)))
                if wanted and headers["Proxy-Authorization"] != wanted:
                    self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic "
                                     b'realm="test"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
                    return
                method, address, _ = line.split()
                place = urllib.parse.urlsplit(address if "://" in address else "//" + address)
                with socket.create_connection(("127.0.0.1", int(lead_to or place.port))) as target:
                    if method == "CONNECT":
                        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                        back = threading.Thread(target=self.copy, args=(target, self.connection), daemon=True)
                        back.start()
                        self.copy(self.connection, target)
                        back.join()
                    else:
                        self.pass_on(target, f"{method} {place.path}{place.query and '?' + place.query}", headers)

            def pass_on(self, target, start, headers):
                kept = [f"{name}: {value}\r\n" for name, value in headers.items()
                        if not name.lower().startswith(("proxy-", "connection"))]
                target.sendall(f"{start} HTTP/1.1\r\nConnection: close\r\n{''.join(kept)}\r\n".encode())
                target.sendall(self.rfile.read(int(headers["Content-Length"] or 0)))
                self.copy(target, self.connection)

            @staticmethod
            def copy(source, target):
                with contextlib.suppress(OSError):
                    while data := source.recv(65536):
                        target.sendall(data)
                    target.shutdown(socket.SHUT_WR)

        self.server = _ThreadedTcp(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def must_find_the_way(prefix, certificate, credential, lead_to=None):
    """Between a provider's identity and where its tokens come from, which has this certificate, stands a proxy that asks for a
    login: each of proxy_login and ca_file that is missing or wrong has its reason and remedy, and together they work.

    prefix: of the variables of these fields. credential(**environment): what the check says of the credential."""
    with Proxy(lead_to, login="user:test-word") as proxy:
        way = {prefix + "_PROXY": proxy.url, prefix + "_PROXY_LOGIN": "user:test-word", prefix + "_CA_FILE": certificate}
        for field, value, reason, remedy in (
                ("_PROXY_LOGIN", None, "the proxy asks for a login (407)", "set proxy_login"),
                ("_PROXY_LOGIN", "user:other-word", "the proxy refused its user or password", "correct proxy_login"),
                ("_CA_FILE", None, "was issued by an unknown authority", "ca_file")):
            got = credential(**{**way, prefix + field: value})
            equal(got["state"], "fail", f"{field} {value}: {got}")
            contains(got["reason"], reason, f"the reason for {field} {value}")
            contains(got["remedy"], remedy, f"the remedy for {field} {value}")
            lacks(str(got), "-word", "what may be shown")
        got = credential(**way)
        equal(got["state"], "pass", f"with both: {got}")
        check(any(line.startswith("CONNECT") for line, _ in proxy.heads), f"the proxy was used: {proxy.heads}")


# ---- Repositories and jobs ----

def repository(files, name="repository"):
    """A git repository with one commit of files {path: text}."""
    path = _scratch / name
    path.mkdir()
    for file, text in files.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text, encoding="utf-8")
    must(["git", "init", "-q", "-b", "main"], cwd=path)
    must(["git", "add", "-A"], cwd=path)
    must(["git", "commit", "-q", "-m", "First"], cwd=path)
    return path


def mergeloom(*arguments, environment=None, **more):
    return run([BUILD / "mergeloom", *arguments], environment=environment, **more)


@contextlib.contextmanager
def started(arguments, environment, stdin=subprocess.DEVNULL):
    """A program that runs while the test does something; killed at the end if it is still there."""
    process = subprocess.Popen([str(argument) for argument in arguments], stdin=stdin,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, encoding="utf-8",
                               errors="replace", start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processes_with(mark):
    """Ids of processes whose environment or command line has mark: what a job left behind."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            text = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in text:
            found.append(int(folder.name))
    return found


DEMO = SOURCE / "examples/demo"
DEMO_TESTS = ["python3", "-B", "-m", "unittest", "discover", "-s", "tests"]


def demo(provider, name=None):
    """The demo for a provider: its repository, the paths of ticket and job, the ticket's title, and what mends it. The name
    tells several of one provider apart."""
    name = name or provider
    repo = _scratch / f"shelf-{name}"
    shutil.copytree(DEMO / "repository", repo)
    for place in [repo, *repo.rglob("*")]:
        place.chmod(place.stat().st_mode | 0o200)  # a source tree may be read-only
    must(["git", "init", "-q", "-b", "main"], cwd=repo)
    must(["git", "add", "-A"], cwd=repo)
    must(["git", "commit", "-q", "-m", "First"], cwd=repo)
    ticket = json.loads((DEMO / "ticket.json").read_text(encoding="utf-8"))
    ticket["labels"] = []
    ticket["title"] += f" ({name})"
    ticket["description"] = ticket["description"].replace("provider = openai-compatible", f"provider = {provider}")
    path = _scratch / f"ticket-{name}.json"
    path.write_text(json.dumps(ticket), encoding="utf-8")
    wrong = next(line for line in (repo / "shelf/pages.py").read_text(encoding="utf-8").splitlines() if "//" in line)
    edit = {"path": "shelf/pages.py", "old": wrong, "new": "    return -(-items // page_size)"}
    return repo, ["--ticket", path, "--job", DEMO / "job.json"], ticket["title"], edit


def demo_steps():
    """What the model does in the demo."""
    script = json.loads((DEMO / "script.json").read_text(encoding="utf-8"))
    return script["conversations"][0]["steps"]


# ---- One job that every test can use ----

MARK = "Correct the greeting"
TICKET = f"{MARK}\n\nhello.txt says helo. It should say hello.\n"
FILES = {"hello.txt": "helo, world\n", "notes.txt": "one\ntwo\n"}
READ = {"name": "read_file", "arguments": {"path": "hello.txt"}}
EDIT = {"name": "edit_file", "arguments": {"path": "hello.txt", "old_text": "helo", "new_text": "hello"}}
RUN = {"name": "run_command", "arguments": {"argv": ["git", "--version"]}}
DIFF = {"name": "inspect_diff", "arguments": {}}
SUBMIT = {"name": "submit_result", "arguments": {
    "status": "completed", "summary": "Corrected the greeting in hello.txt.", "files_changed": ["hello.txt"]}}


# What is said of a job that did not complete after EDIT.
KEPT = "the work so far is kept in the working tree: 1 file changed"


def job_steps():
    """What a capable model does with the ticket: several turns, two calls in the first."""
    return [{"text": "I will look first. Grüße!", "tool_calls": [READ, {"name": "list_files", "arguments": {"path": "."}}]},
            {"reasoning": "One word is wrong.", "tool_calls": [EDIT]},
            {"tool_calls": [RUN]},
            {"tool_calls": [DIFF]},
            {"text": "That is it.", "tool_calls": [SUBMIT]}]


def held_steps():
    """The same, and the server keeps each connection after the last byte of its answer."""
    return [{**step, "fault": {"kind": "stall", "after_events": 1000000}} for step in job_steps()]


# For held answers: who waited for the end of one would run into the limit of the job.
HELD = {"JCA_WORKER_JOB_TIMEOUT_SECONDS": "60"}


def job_script(steps, key=None):
    script = {"models": ["sim-1"], "conversations": [{"name": "job", "when": {"user": MARK}, "steps": steps}]}
    if key:
        script["key"] = key
    return script


def provider_environment(url, **more):
    """The environment of mergeloom with the provider at url; settings by their environment names in more."""
    settings = {
        "JCA_OPENAI_COMPATIBLE_BASE_URL": url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "sim-1",
        "JCA_OPENAI_COMPATIBLE_API_KEY": KEY, "JCA_WORKER_PROVIDER": "openai-compatible",
        "JCA_WORKER_SCRATCH_PATH": _scratch, "JCA_WORKER_ALLOWED_COMMANDS": "git,python3",
    }
    settings.update(more)
    return clean_environment(**settings)


def run_job(url, repo, *options, ticket=TICKET, **settings):
    """mergeloom run on a repository; the ticket is a text or a path."""
    if isinstance(ticket, str):
        path = _scratch / "ticket.txt"
        path.write_text(ticket, encoding="utf-8")
        ticket = path
    return mergeloom("run", "--repo", repo, "--ticket", ticket, *options,
                     environment=provider_environment(url, **settings))


def hello(repo):
    return (repo / "hello.txt").read_text(encoding="utf-8")


def must_be_untouched(repo):
    equal(must(["git", "status", "--porcelain"], cwd=repo), "", "what changed in the repository")
    equal(must(["git", "rev-list", "--count", "HEAD"], cwd=repo).strip(), "1", "commits")


def must_be_kept(finished, repo):
    """The work of EDIT is there, and said to be."""
    equal(hello(repo), "hello, world\n", "the work that was done before")
    contains(finished.everything(), KEPT, "what is said of the work that was kept")


def must_complain(finished, status, *parts):
    """The right exit status, one error with a remedy, and no secret anywhere."""
    equal(finished.status, status, f"exit status of {finished!r}")
    errors = [line for line in finished.err.splitlines() if line.startswith("mergeloom: ")]
    equal(len(errors), 1, f"error lines in {finished.err!r}")
    contains(finished.err, errors[0] + "\n  try: ", "the error and its remedy")
    for part in parts:
        contains(finished.err.lower(), part.lower(), "what is said")
    lacks(finished.everything(), KEY, "what is printed")
