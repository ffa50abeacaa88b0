# SPDX-License-Identifier: Apache-2.0
"""mergeloomd for tests: started on a free port with stores of its own, and asked through its API."""
import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import textwrap
import time
import urllib.parse

import harness
from harness import check

MOCKS = harness.PLAIN_BUILD / "tests/mock-plugins"


def environment(**more):
    state = harness.scratch() / "state"
    values = {"XDG_STATE_HOME": state, "JCA_WORKER_PORT": "0", **harness.worker_environment(),
              "JCA_WORKER_ALLOWED_COMMANDS": "git,grep"}
    return harness.clean_environment(**{**values, **more})


@contextlib.contextmanager
def daemon(**more):
    with harness.Server([harness.BUILD / "mergeloomd"], "mergeloomd: ", environment(**more)) as server:
        server.url = server.url.removesuffix("/providers")
        wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "the providers are described")
        yield server


class Killable(harness.Server):
    """mergeloomd with a state folder of its own, under the name that it had before when it starts again."""

    def __init__(self, name, **more):
        super().__init__([harness.BUILD / "mergeloomd"], "mergeloomd: ",
                         environment(**{"XDG_STATE_HOME": harness.scratch() / name, "JCA_WORKER_NAME": name, **more}))
        self.url = self.url.removesuffix("/providers")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


class Browser:
    """Cookies and forms as a browser has them."""

    def __init__(self, server):
        self.server = server
        self.cookies = {}

    def request(self, method, path, body=None, **headers):
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            headers.setdefault("Origin", self.server.url)
            body = urllib.parse.urlencode(body)
        if not headers["Cookie"]:
            del headers["Cookie"]
        host, port = self.server.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=harness.GUARD)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                check("HttpOnly" in value and "SameSite=Strict" in value, f"cookie {value}")
                key, rest = value.split("=", 1)
                self.cookies[key] = rest.split(";")[0]
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def csrf(self, path="/providers"):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.request("GET", path)[2]).group(1)

    def submit(self, path, csrf=None, **fields):
        return self.request("POST", path, {"csrf": csrf or self.csrf(), **fields})


def only_plugins(*names, build=harness.PLAIN_BUILD):
    """A folder with these plugins and no others: what starts over and over starts sooner."""
    folder = harness.scratch() / "plugins"
    (folder / ".libs").mkdir(parents=True, exist_ok=True)
    for name in names:
        for file in (f"mergeloom-{name}.la", f".libs/mergeloom-{name}.so"):
            check((build / file).exists(), f"{build / file} is not built")
            if not (folder / file).exists():
                (folder / file).symlink_to(build / file)
    return folder


# Holds a lock of its job for as long as it or anything that it started lives, so that two of them at the same time are
# noticed whatever the store says.
MARKING_WORKER = '''#!/usr/bin/python3 -IS
import fcntl, os, re, sys, time
request = os.pread(0, 1 << 24, 0)
job = re.search(rb'"id": *"(job-[0-9a-z]+)"', request)
if re.search(rb'"command": *"job"', request):
    path = os.path.join({marks!r}, job.group(1).decode())
    mark = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(mark, b"begins\\n")
    except OSError:
        os.write(mark, b"runs already\\n")
    os.set_inheritable(mark, True)
{then}
os.execv({real!r}, [{real!r}])
'''


def marking_worker(then=""):
    """A worker that marks the runs of jobs; then: more of its program, after it has marked one."""
    marks = harness.scratch() / "marks"
    marks.mkdir()
    worker = harness.scratch() / "worker"
    worker.write_text(MARKING_WORKER.format(marks=str(marks), then=textwrap.indent(then, "    "),
                                            real=str(harness.PLAIN_BUILD / "mergeloom-worker")), encoding="utf-8")
    worker.chmod(0o755)
    return worker


def runs_of(job):
    """How often the job was begun; fails when it ever ran twice at the same time."""
    path = harness.scratch() / "marks" / job
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    check(set(lines) <= {"begins"}, f"{job} ran twice at the same time: {lines}")
    return len(lines)


def is_running(job):
    """Whether a process of the job lives."""
    with open(harness.scratch() / "marks" / job, "rb") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True


def add_plugin(folder, name, mock="bad-start"):
    """A copy of a mock under another name; with bad-start the name says how it ends who loads it."""
    path = folder / f"mergeloom-{name}.so"
    shutil.copy(MOCKS / f".libs/mergeloom-{mock}.so", folder / "new")
    (folder / "new").rename(path)
    return path


def memory_kib(server, what="VmRSS"):
    """What the daemon takes, without its children; VmHWM: what it took at most."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(rf"{what}:\s+(\d+)", status.read()).group(1))


def wait_for(condition, what):
    end = time.monotonic() + harness.GUARD
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < end, f"{what}: did not come")
        time.sleep(0.05)


def api(server, path, method="GET", body=None, headers=None):
    data = None if body is None else json.dumps(body)
    status, answer_headers, answer = harness.request(server.url + "/api/v1" + path, method, data, headers)
    return status, answer_headers, json.loads(answer) if answer else None


def provider(server, name):
    return api(server, "/providers/" + name)[2]


def field(server, owner, name):
    document = api(server, "/providers")[2]
    settings = document["worker"]["settings"] if owner == "worker" else provider(server, owner)["settings"]
    return next(item for item in settings["fields"] if item["name"] == name)


def settled(server, name):
    return wait_for(lambda: (lambda found: found if not found["checking"] and found["checked_at"] else None)(
        provider(server, name)), f"{name} is checked")


def simulated(url, **more):
    return {"JCA_OPENAI_COMPATIBLE_BASE_URL": url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "sim-1", **more}


# ---- Chromium ----

def needs_browser():
    harness.node_modules()
    if os.environ.get("CHROMIUM") or shutil.which("chromium", path="/usr/bin"):
        return
    reason = "Chromium is not installed: ./dev setup installs it"
    raise harness.Failure(reason) if os.environ.get("CI") == "true" else harness.Skip(reason)


def tell_browser(story, server, **plan):
    """A story of daemon_browser.mjs."""
    node, modules = harness.node_modules()
    plan = {"url": server.url, "screenshots": harness.BUILD / "tests/e2e/screenshots", **plan}
    environment = harness.clean_environment(CHROMIUM=os.environ.get("CHROMIUM"))
    finished = harness.run([node, harness.SOURCE / "tests/e2e/daemon_browser.mjs", modules, story, json.dumps(plan, default=str)],
                           environment)
    harness.equal(finished.status, 0, f"{story}: {finished!r}")


# ---- Programs that log in ----

# A program in the place of codex or claude that logs in as they do: it shows a page, and a code or the question for one,
# and goes on when the page is done with (a file) or the answer is there.
FAKE_PROGRAM = """#!/usr/bin/python3 -I
import json, os, pathlib, sys, time
control = pathlib.Path({control!r})
words = sys.argv[1:]
home = pathlib.Path(os.environ.get("CODEX_HOME") or os.environ.get("CLAUDE_CONFIG_DIR") or "/nowhere")
kept = home / "auth.json"
if "--version" in words:
    print("codex-cli 0.999.0" if sys.argv[0].endswith("codex") else "2.999.0 (Claude Code)")
elif "status" in words:
    print(json.dumps({{"loggedIn": kept.exists()}}))
    sys.exit(0 if kept.exists() else 1)
elif "logout" in words:
    kept.unlink(missing_ok=True)
elif "--with-api-key" in words:
    key = sys.stdin.read().strip()
    if not key.startswith("test-key"):
        sys.exit("this key is not accepted")
    kept.write_text(json.dumps({{"OPENAI_API_KEY": key}}))
elif "login" in words:
    by_code = "--device-auth" in words
    print("Welcome. Open this link: https://login.example.test/device?one=1&two=2", flush=True)
    if by_code:
        print("and enter this one-time code: WXYZ-12345", flush=True)
        while not (control / "approved").exists():
            if (control / "denied").exists():
                sys.exit("the login was refused")
            time.sleep(0.05)
    else:
        print("Paste code here if prompted > ", end="", flush=True)
        if sys.stdin.readline().strip() != "pasted-code":
            sys.exit("Invalid code")
    home.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({{"tokens": {{}}}}))
    print("Successfully logged in", flush=True)
"""


def fake_programs():
    """Settings with which codex-cli and claude-code-cli run that program, and the folder that controls it."""
    control = harness.scratch() / "control"
    control.mkdir()
    programs = {name: harness.scratch() / name for name in ("codex", "claude")}
    for program in programs.values():
        program.write_text(FAKE_PROGRAM.format(control=str(control)), encoding="utf-8")
        program.chmod(0o755)
    return control, {"JCA_CODEX_CLI_PROGRAM": programs["codex"], "JCA_CLAUDE_CODE_CLI_PROGRAM": programs["claude"],
                     "JCA_WORKER_CLI_CONFIG_DIR": harness.scratch() / "codex-login",
                     "CLAUDE_CONFIG_DIR": harness.scratch() / "claude-login"}
