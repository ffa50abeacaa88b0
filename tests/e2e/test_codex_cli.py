#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider codex-cli: the real program against a mock server, and small programs for what it cannot be made to do."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import harness
from harness import Recorder, check, contains, equal, lacks

RESULT = {"status": "completed", "summary": "Corrected the greeting in hello.txt.", "files_changed": ["hello.txt"]}
EDIT = {"path": "hello.txt", "old": "helo, world", "new": "hello, world"}
DEMO = harness.SOURCE / "examples/demo"


def codex():
    return harness.real_program("@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
                                "@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex")


def steps():
    return [{"say": "I will look first. Grüße!", "run": "cat hello.txt && git --version"},
            {"edit": EDIT},
            {"run": "git diff --stat && false"},
            {"result": RESULT}]


def environment(url, program=None, **more):
    """The worker's environment: a login folder outside of TMPDIR, a key of codex and one of another provider."""
    login = harness.scratch() / "login"
    login.mkdir(exist_ok=True)
    settings = {
        "JCA_WORKER_PROVIDER": "codex-cli", "JCA_CODEX_CLI_PROGRAM": program or codex(),
        "JCA_CODEX_CLI_BASE_URL": f"{url}/v1", "JCA_CODEX_CLI_MODEL": "gpt-5.5", "JCA_CODEX_CLI_API_KEY": harness.KEY,
        "JCA_CODEX_CLI_REQUEST_RETRIES": "0", "JCA_WORKER_CLI_CONFIG_DIR": login,
        "JCA_ANTHROPIC_API_KEY": "other-test-key", "JCA_WORKER_SCRATCH_PATH": harness.scratch(),
        "JCA_WORKER_ALLOWED_COMMANDS": "git,python3",
    }
    settings.update(more)
    return harness.clean_environment(**{name: value for name, value in settings.items() if value is not None})


def run(url, repo, *options, program=None, ticket=harness.TICKET, **settings):
    path = harness.scratch() / "ticket.txt"
    path.write_text(ticket, encoding="utf-8")
    return harness.mergeloom("run", "--repo", repo, "--ticket", path, "--no-readiness", *options,
                             environment=environment(url, program, **settings))


def check_codex(url, *options, program=None, **settings):
    """The checks by name, and how mergeloom check ended."""
    finished = harness.mergeloom("check", "codex-cli", "--json", *options,
                                 environment=environment(url, program, **settings))
    provider = json.loads(finished.out)["providers"][0]
    return {one["name"]: one for one in provider["checks"]}, finished


def fake(body):
    """A program of Python in the place of codex; events(...) prints them."""
    path = harness.scratch() / f"codex-{time.monotonic_ns()}"
    path.write_text("#!/usr/bin/python3 -B\nimport json, os, signal, subprocess, sys, time\n"
                    "def events(*all):\n    for one in all:\n        print(json.dumps(one), flush=True)\n"
                    "BEGIN = [{'type': 'thread.started', 'thread_id': 't-1'}, {'type': 'turn.started'}]\n"
                    f"RESULT = json.dumps({json.dumps({'notes': '', **RESULT, 'files_changed': []})})\n"
                    "END = [{'type': 'item.completed', 'item': {'id': 'i', 'type': 'agent_message', 'text': RESULT}},\n"
                    "       {'type': 'turn.completed', 'usage': {'input_tokens': 10, 'output_tokens': 2}}]\n" + body,
                    encoding="utf-8")
    path.chmod(0o700)
    return path


def run_fake(body, *options, **settings):
    repo = harness.repository(harness.FILES, name=f"fake-{time.monotonic_ns()}")
    return run("http://127.0.0.1:9", repo, *options, program=fake(body), **settings), repo


# ---- The real program ----

def test_job():
    """a whole job: reads, edits, runs a command that fails, and ends"""
    repo = harness.repository(harness.FILES)
    with harness.cli_server("codex", steps()) as server:
        finished = run(server.url, repo, "--json")
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), " M hello.txt\n", "what changed")
    lacks(finished.everything(), harness.KEY, "what is printed")
    events = [json.loads(line) for line in finished.out.splitlines()]
    result = events[-1]
    equal(result["summary"], RESULT["summary"], "summary")
    equal(result["discrepancies"], [], "discrepancies")
    equal((result["usage"]["input_tokens"], result["usage"]["output_tokens"]), (4000, 40), "tokens")
    tools = [(event.get("name"), event.get("state")) for event in events if event.get("event") == "tool_end"]
    contains(str(tools), "'command', 'fail'", "the command that failed")
    contains(str(tools), "'file', 'pass'", "the file that changed")


def test_demo():
    """the demo job, with validation, through the gate with its self-test"""
    repo = harness.scratch() / "shelf"
    shutil.copytree(DEMO / "repository", repo)
    harness.must(["git", "init", "-q", "-b", "main"], cwd=repo)
    harness.must(["git", "add", "-A"], cwd=repo)
    harness.must(["git", "commit", "-q", "-m", "First"], cwd=repo)
    ticket = json.loads((DEMO / "ticket.json").read_text(encoding="utf-8"))
    ticket["labels"] = []
    ticket["description"] = ticket["description"].replace("provider = openai-compatible", "provider = codex-cli")
    path = harness.scratch() / "ticket.json"
    path.write_text(json.dumps(ticket), encoding="utf-8")
    mend = next(line for line in (repo / "shelf/pages.py").read_text(encoding="utf-8").splitlines() if "//" in line)
    plan = [{"run": "python3 -B -m unittest discover -s tests"},
            {"edit": {"path": "shelf/pages.py", "old": mend, "new": "    return -(-items // page_size)"}},
            {"run": "python3 -B -m unittest discover -s tests"},
            {"result": {**RESULT, "files_changed": ["shelf/pages.py"]}}]
    with harness.cli_server("codex", plan, mark=ticket["title"]) as server:
        finished = harness.mergeloom("run", "--repo", repo, "--ticket", path, "--job", DEMO / "job.json",
                                     environment=environment(server.url))
    equal(finished.status, 0, f"exit status of {finished!r}")
    harness.must(["python3", "-B", "-m", "unittest", "discover", "-s", "tests"], cwd=repo)


def job_file(*command):
    path = harness.scratch() / "job.json"
    path.write_text(json.dumps({"schema": "mergeloom.job.v1", "validation": {"mode": "required", "commands": [command]}}),
                    encoding="utf-8")
    return path


def test_repair():
    """a failed validation goes back into the same conversation, and no token counts twice"""
    repo = harness.repository({**harness.FILES, "check.py": "assert 'hello' in open('hello.txt').read()\n"})
    plan = [{"result": RESULT}, {"edit": EDIT}, {"result": RESULT}]
    with harness.cli_server("codex", plan) as server:
        finished = run(server.url, repo, "--json", "--job", job_file("python3", "check.py"))
    equal(finished.status, 0, f"exit status of {finished!r}")
    result = json.loads(finished.out.splitlines()[-1])
    equal((result["validation"]["repairs"], result["turns"]), (1, 2), "repairs and turns")
    equal((result["usage"]["input_tokens"], result["usage"]["output_tokens"]), (3000, 30), "tokens of three requests")
    equal(len(list((harness.scratch() / "login").glob("sessions/**/rollout-*.jsonl"))), 1, "conversations")


def failed(finished, repo, *parts, status=1):
    harness.must_complain(finished, status, *parts)
    lacks(finished.everything(), harness.KEY, "what is printed")
    left = harness.processes_with(str(harness.scratch()))
    equal(left, [], "processes left behind")
    if repo:
        harness.must_be_untouched(repo)


def fails(plan, *parts, options=None, **settings):
    repo = harness.repository(harness.FILES)
    with harness.cli_server("codex", plan, options=options or {}) as server:
        finished = run(server.url, repo, **settings)
    harness.must_complain(finished, 1, *parts)
    lacks(finished.everything(), harness.KEY, "what is printed")
    harness.must_be_untouched(repo)


def refusal(status, message, kind="error"):
    return [{"response": {"error": {"message": message, "type": kind}, "status": status}}]


def test_refused_key():
    """a key that the service refuses: said, with what to do"""
    fails(refusal(401, "Incorrect API key provided", "invalid_api_key"), "401", "mergeloom login codex-cli")


def test_wrong_model():
    """a model that the service does not have"""
    fails([{"response": {"error": {"message": "The model gpt-5.5 does not exist", "type": "invalid_request_error",
                                   "code": "model_not_found"}, "status": 404}}], "gpt-5.5", "JCA_CODEX_CLI_MODEL")


def test_server_error():
    """a server that answers 500"""
    fails(refusal(500, "broken"), "codex failed")


def test_dropped_stream():
    """a stream that is cut"""
    fails([{"say": "This is a longer text, which is cut in the middle of what it says, after a few pieces."}],
          "codex failed", options={"0": {"latency": 50, "truncateAfterChunks": 3}})


def test_refused_connection():
    """nobody listens: codex would wait for ever"""
    repo = harness.repository(harness.FILES)
    failed(run("http://127.0.0.1:9", repo), repo, "codex failed")


def test_silent_server():
    """a server that never answers: ended by the idle time-out"""
    repo = harness.repository(harness.FILES)
    with socket.create_server(("127.0.0.1", 0)) as server:
        finished = run(f"http://127.0.0.1:{server.getsockname()[1]}", repo, JCA_CODEX_CLI_IDLE_TIMEOUT_SECONDS=2)
    failed(finished, repo, "silent for too long")


def test_no_edit_is_no_success():
    """exit status 0 without a result is a failure"""
    repo = harness.repository(harness.FILES)
    with harness.cli_server("codex", [{"say": "All done!"}] * 4) as server:
        finished = run(server.url, repo)
    failed(finished, repo, "without submitting a result")


def test_cancel():
    """a job cancelled in the middle of a command leaves no process of it behind"""
    repo = harness.repository(harness.FILES)
    path = harness.scratch() / "ticket.txt"
    path.write_text(harness.TICKET, encoding="utf-8")
    mark = f"4321.{os.getpid()}"
    plan = [{"run": f"touch begun; (setsid sleep {mark} &); sleep {mark}"}, {"result": RESULT}]
    with harness.cli_server("codex", plan) as server, harness.started(
            [harness.BUILD / "mergeloom", "run", "--repo", repo, "--ticket", path, "--no-readiness"],
            environment(server.url)) as process:
        while not (repo / "begun").exists():
            check(process.poll() is None, "the job ended before its command began")
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=harness.GUARD)
    equal(process.returncode, 5, f"exit status; {text}")
    equal(harness.processes_with(mark), [], "processes left behind")


# ---- What commands and codex itself can reach ----

ATTACK = """
import os, socket
def attempt(name, function):
    try:
        function()
        print("BROKE", name)
    except OSError as error:
        print("held", name, error.errno)
open("ran.txt", "w").write("ran")
attempt("write", lambda: open(%(secret)r, "r+"))
attempt("login", lambda: open(%(login)r).read())
try:
    open(%(outside)r, "w")  # may seem to work where all but the repository is a memory of its own
except OSError:
    pass
attempt("network", lambda: socket.create_connection(("127.0.0.1", %(port)d), 2))
attempt("secret file", lambda: open(%(secret)r).read())
attempt("git hook", lambda: open(".git/hooks/pre-commit", "w").write("x"))
for folder in os.listdir("/proc"):
    if folder.isdigit():
        try:
            if b"test-key" in open(f"/proc/{folder}/environ", "rb").read():
                print("BROKE environment of", folder)
        except OSError:
            pass
print("BROKE environment" if "test-key" in str(os.environ) else "held environment")
print("end of attacks")
"""


def attacked(**settings):
    """What the attacks said that a command of the model ran."""
    secret = harness.scratch() / "secret.txt"
    secret.write_text("a secret", encoding="utf-8")
    login = harness.scratch() / "login"
    login.mkdir(exist_ok=True)
    (login / "auth.json").write_text('{"OPENAI_API_KEY": "x"}', encoding="utf-8")
    outside = harness.scratch() / "outside.txt"
    repo = harness.repository({**harness.FILES})
    with harness.cli_server("codex", [{"run": "python3 -B attack.py"}, {"result": {**RESULT, "files_changed": []}}]) as server:
        (repo / "attack.py").write_text(ATTACK % {"outside": str(outside), "login": str(login / "auth.json"),
                                                  "secret": str(secret), "port": int(server.url.rsplit(":", 1)[1])},
                                        encoding="utf-8")
        with Recorder(upstream=server.url) as recorder:
            finished = run(recorder.url, repo, **settings)
            bodies = b"".join(recorder.bodies("/responses")).decode()
    equal(finished.status, 0, f"exit status of {finished!r}")
    check((repo / "ran.txt").exists(), "the attack did not run")
    contains(bodies, "end of attacks", "what the command said")
    check(not outside.exists(), "a file outside was written")
    return bodies


def test_attacks():
    """a command under codex has no network, no login, no key and nothing outside of the repository"""
    said = attacked()
    equal(re.findall("BROKE [a-z0-9 ]*", said), [], "attacks")
    for name in ("write", "login", "network", "secret file", "git hook", "environment"):
        contains(said, f"held {name}", "attacks")


def test_attacks_in_the_workers_sandbox():
    """where the worker confines codex as a whole, files outside are still out of reach"""
    said = attacked(JCA_CODEX_CLI_SANDBOX="worker")
    for name in ("write", "secret file"):
        contains(said, f"held {name}", "attacks")


def test_environment():
    """codex gets an environment that was made for it, with its own key and no other"""
    out = harness.scratch() / "environment"
    finished, _ = run_fake(f"open({str(out)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
                           f"open({str(out)!r} + '.words', 'w').write(' '.join(sys.argv) + sys.stdin.read())\n"
                           "events(*BEGIN, *END)\n", SOMETHING_ELSE="x")
    equal(finished.status, 0, f"exit status of {finished!r}")
    variables = json.loads(out.read_text())
    equal(variables["CODEX_API_KEY"], harness.KEY, "the key")
    lacks(str(variables), "other-test-key", "the environment")
    lacks(str(variables), "SOMETHING_ELSE", "the environment")
    words = out.with_suffix(".words").read_text()
    lacks(words, harness.KEY, "the arguments")
    contains(words, harness.MARK, "the prompt on standard input")


# ---- Programs that misbehave ----

def completes(body, *parts):
    finished, repo = run_fake(body)
    equal(finished.status, 0, f"exit status of {finished!r}")
    for part in parts:
        contains(finished.everything(), part, "what is said")
    equal(harness.processes_with(str(harness.scratch())), [], "processes left behind")
    harness.must_be_untouched(repo)


def breaks(body, *parts, status=1, **settings):
    finished, repo = run_fake(body, **settings)
    failed(finished, repo, *parts, status=status)


def test_never_exits():
    """a program that never exits is ended after its last event"""
    completes("events(*BEGIN, *END)\nsubprocess.Popen(['sleep', '4000'])\ntime.sleep(4000)\n")


def test_exit_status_after_success():
    """an exit status after the result is told, and the result counts"""
    completes("events(*BEGIN, *END)\nsys.exit(3)\n", "ended with status 3")


def test_errors_that_are_not_the_end():
    """error events and failed attempts before the end are told, and do not end the job"""
    completes("events(*BEGIN, {'type': 'error', 'message': 'Reconnecting... 1/5'}, *END)\n", "Reconnecting... 1/5")


def test_long_line():
    """a line of 50 MB is left out"""
    completes("events(*BEGIN)\nsys.stdout.write('{\"x\": \"' + 'y' * 50_000_000 + '\"}\\n')\nevents(*END)\n", "too long")


def test_garbage_between():
    """lines that are no events are passed over"""
    completes("events(*BEGIN)\nsys.stdout.buffer.write(b'\\xff\\xfe garbage\\n{not json}\\n[1,2]\\n')\nsys.stdout.flush()\n"
              "events(*END)\n")


def test_only_garbage():
    """a program that is another one"""
    breaks("print('Usage: something else')\n", "Usage: something else", "program")


def test_no_end():
    """exit status 0 without a last event is a failure"""
    breaks("events(*BEGIN)\n", "without saying how its work ended")


def test_exit_status():
    """a program that ends with an error before its work: the last line of its errors is said"""
    breaks("print('first', file=sys.stderr)\nprint('error: no such thread', file=sys.stderr)\nsys.exit(2)\n",
           "status 2", "no such thread")


def test_killed():
    """a program that is killed, as by the kernel when memory is short"""
    breaks("events(*BEGIN)\nos.kill(os.getpid(), signal.SIGKILL)\n", "signal 9")


def test_hangs():
    """a program that hangs: ended by the time-out of the provider"""
    breaks("events(*BEGIN)\nsubprocess.Popen(['sleep', '4000'], start_new_session=True)\ntime.sleep(4000)\n",
           "too long", JCA_CODEX_CLI_TIMEOUT_SECONDS=1)


def test_waits_for_input():
    """a program that reads its input to the end gets there"""
    completes("sys.stdin.read()\nevents(*BEGIN, *END)\n")


# ---- Checks ----

def test_checks():
    """ready: found, logged in by a key, confined, and proved by the self-test"""
    with harness.cli_server("codex", []) as server:
        checks, finished = check_codex(server.url)
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal({name: one["state"] for name, one in checks.items() if name in ("cli", "login", "confinement", "tools")},
          {"cli": "pass", "login": "pass", "confinement": "pass", "tools": "pass"}, "checks")
    contains(checks["cli"]["reason"], "0.169.0", "the version")
    contains(checks["confinement"]["reason"], "codex confines its commands itself", "which sandbox is on")


def test_self_test_without_work():
    """a model that claims to have run the command fails the self-test"""
    with harness.cli_server("codex", [], guess="0" * 40) as server:
        checks, finished = check_codex(server.url)
    equal((finished.status, checks["tools"]["state"]), (4, "fail"), "self-test")


def fails_check(name, *parts, program=None, **settings):
    checks, finished = check_codex("http://127.0.0.1:9", "--no-self-test", program=program, **settings)
    equal(finished.status, 4, f"exit status of {finished!r}")
    equal(checks[name]["state"], "fail", f"{name}: {checks[name]}")
    for part in parts:
        contains(checks[name]["reason"] + checks[name]["remedy"], part, name)
    equal(checks["tools"]["state"], "skipped", "tools")


def test_check_program_missing():
    """a program that is not there"""
    fails_check("cli", "/nonexistent/codex", "install", program="/nonexistent/codex")


def test_check_program_old():
    """a program that is too old"""
    fails_check("cli", "0.9.1", "too old", "install codex", program=fake("print('codex-cli 0.9.1')\n"))


def test_check_another_program():
    """a program of that name that is another one"""
    fails_check("cli", "another program", program=fake("print('hello')\n"))


def test_check_wrong_architecture():
    """a program for another machine"""
    path = harness.scratch() / "codex"
    header = bytearray(pathlib.Path("/bin/true").read_bytes()[:4096])
    header[18:20] = b"\x16\x00"  # e_machine: S/390
    path.write_bytes(header)
    path.chmod(0o700)
    fails_check("cli", "format error", program=path)


def test_check_not_logged_in():
    """without a key and without a login"""
    fails_check("login", "not logged in", "mergeloom login codex-cli", JCA_CODEX_CLI_API_KEY=None)


def test_check_login_folder():
    """a login folder that is none"""
    path = harness.scratch() / "file"
    path.write_text("", encoding="utf-8")
    fails_check("login", "no folder", JCA_WORKER_CLI_CONFIG_DIR=path)


def test_check_login_by_key():
    """a key that codex itself keeps"""
    login = harness.scratch() / "login"
    login.mkdir()
    key = "test-key-for-the-login-qqzzxx"
    subprocess.run([codex(), "login", "--with-api-key"], input=key, encoding="utf-8", check=True,
                   capture_output=True, env=harness.clean_environment(CODEX_HOME=login, TMPDIR="/var/tmp"))
    checks, finished = check_codex("http://127.0.0.1:9", "--no-self-test", JCA_CODEX_CLI_API_KEY=None)
    equal(checks["login"]["state"], "pass", "login")
    contains(checks["login"]["reason"], "by an API key", "login")
    lacks(finished.everything(), key[-5:], "what is printed")


def test_check_sandbox():
    """a sandbox of codex that does not hold is said to"""
    program = fake("print('codex-cli 0.169.0' if '--version' in sys.argv else 'inside\\nbroke-network\\ndone')\n")
    fails_check("confinement", "they have the network", "JCA_CODEX_CLI_SANDBOX=worker", program=program)


def test_check_workers_sandbox():
    """the worker's sandbox around codex is told, with what it leaves open"""
    checks, _ = check_codex("http://127.0.0.1:9", "--no-self-test", JCA_CODEX_CLI_SANDBOX="worker")
    equal(checks["confinement"]["state"], "warn", "confinement")
    contains(checks["confinement"]["reason"], "can use the network", "confinement")


def test_check_timeout():
    """a time-out that no job can keep"""
    checks, _ = check_codex("http://127.0.0.1:9", "--no-self-test", JCA_CODEX_CLI_TIMEOUT_SECONDS=20)
    equal(checks["timeout"]["state"], "warn", "timeout")


def test_one_login_one_program():
    """two jobs with one login of an account wait for each other"""
    login = harness.scratch() / "login"
    login.mkdir()
    (login / "auth.json").write_text(json.dumps({"auth_mode": "chatgpt", "tokens": {"id_token": "x"}}), encoding="utf-8")
    log = harness.scratch() / "log"
    program = fake(f"log = open({str(log)!r}, 'a')\n"
                   "print('begin', file=log, flush=True)\ntime.sleep(0.3)\nprint('end', file=log, flush=True)\n"
                   "events(*BEGIN, *END)\n")
    path = harness.scratch() / "ticket.txt"
    path.write_text(harness.TICKET, encoding="utf-8")
    repos = [harness.repository(harness.FILES, name=name) for name in ("one", "two")]
    with contextlib.ExitStack() as stack:
        jobs = [stack.enter_context(harness.started(
            [harness.BUILD / "mergeloom", "run", "--repo", repo, "--ticket", path, "--no-readiness"],
            environment("http://127.0.0.1:9", program, JCA_CODEX_CLI_API_KEY=None))) for repo in repos]
        for job in jobs:
            text, _ = job.communicate(timeout=harness.GUARD)
            equal(job.returncode, 0, text)
    equal(log.read_text().split(), ["begin", "end"] * 2, "the order of things")


harness.main(globals())
