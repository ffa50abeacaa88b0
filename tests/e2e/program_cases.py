# SPDX-License-Identifier: Apache-2.0
"""What every provider that is a program has to stand: the real program against a mock server, and small programs for what
a real one cannot be made to do. A test script makes a Subject, takes the cases into its names and adds its own:

    subject.update(...)
    from program_cases import *
"""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import time

import harness
from harness import Recorder, check, contains, equal, lacks

RESULT = {"status": "completed", "summary": "Corrected the greeting in hello.txt.", "files_changed": ["hello.txt"]}
EDIT = {"path": "hello.txt", "old": "helo, world", "new": "hello, world"}

# id, program (a function that gives the real one's path), style (of tests/e2e/cli_server.mjs), prefix (of settings), name
# (of the program), login (the variable of its folder), model, path (of base_url), variable (of the key), begin and end (of
# a run's events, in Python), home (the program's own variable of its folder), login_names (of the setting), held_by_the_worker (settings with which the worker's sandbox holds it), version (a line that it may say), sessions (where its conversations are).
subject = {}


def setting(name, value):
    return {f"{subject['prefix']}{name}": value}


def environment(url, program=None, **more):
    """The worker's environment: a login folder, a key of the program and one of another provider."""
    login = harness.scratch() / "login"
    login.mkdir(exist_ok=True)
    settings = {
        "JCA_WORKER_PROVIDER": subject["id"], subject["login"]: login, **setting("PROGRAM", program or subject["program"]()),
        **setting("BASE_URL", url + subject["path"]), **setting("MODEL", subject["model"]),
        **setting("API_KEY", harness.KEY), **setting("REQUEST_RETRIES", "0"),
        "JCA_AZURE_FOUNDRY_API_KEY": "other-test-key", "JCA_WORKER_SCRATCH_PATH": harness.scratch(),
        "JCA_WORKER_ALLOWED_COMMANDS": "git,python3,cat",
    }
    settings.update(more)
    return harness.clean_environment(**{name: value for name, value in settings.items() if value is not None})


def run(url, repo, *options, program=None, ticket=harness.TICKET, **settings):
    path = harness.scratch() / "ticket.txt"
    path.write_text(ticket, encoding="utf-8")
    return harness.mergeloom("run", "--repo", repo, "--ticket", path, "--no-readiness", *options,
                             environment=environment(url, program, **settings))


def serve(steps, **more):
    return harness.cli_server(subject["style"], steps, **more)


def checked(url, *options, program=None, **settings):
    """The checks by name, and how mergeloom check ended."""
    finished = harness.mergeloom("check", subject["id"], "--json", *options,
                                 environment=environment(url, program, **settings))
    provider = json.loads(finished.out)["providers"][0]
    return {one["name"]: one for one in provider["checks"]}, finished


def fake(body):
    """A program of Python in the place of the real one; events(...) prints them."""
    path = harness.scratch() / f"program-{time.monotonic_ns()}"
    result = json.dumps({"notes": "", **RESULT, "files_changed": []})
    path.write_text("#!/usr/bin/python3 -B\nimport json, os, signal, subprocess, sys, time\n"
                    "def events(*all):\n    for one in all:\n        print(json.dumps(one), flush=True)\n"
                    f"RESULT = {result!r}\nBEGIN = {subject['begin']}\nEND = {subject['end']}\n" + body, encoding="utf-8")
    path.chmod(0o700)
    return path


def run_fake(body, *options, **settings):
    repo = harness.repository(harness.FILES, name=f"fake-{time.monotonic_ns()}")
    return run("http://127.0.0.1:9", repo, *options, program=fake(body), **settings), repo


def steps():
    return [{"say": "I will look first. Grüße!", "run": "cat hello.txt && git --version"},
            {"edit": EDIT},
            {"run": subject["failing"]},
            {"result": RESULT}]


# ---- The real program ----

def test_job():
    """a whole job: reads, edits, runs a command that fails, and ends"""
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server:
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
    for tool in subject["tools"]:
        check(tool in tools, f"{tool} is not in {tools}")


def test_job_with_the_simulator():
    """a whole job against mergeloom-sim, which is strict about what it is sent"""
    repo = harness.repository({**harness.FILES, "mend.py": "open('hello.txt', 'w').write('hello, world\\n')\n"})
    run_it = {"name": subject["shell"], "arguments": subject["shell_arguments"]("python3 -B mend.py")}
    end = subject["simulated_end"]({"notes": "", **RESULT})
    script = {"models": [subject["model"]], "conversations": [
        {"name": "job", "when": {"user": harness.MARK}, "steps": [{"text": "I mend it.", "tool_calls": [run_it]}, end]}]}
    with harness.simulator(script) as server:
        finished = run(server.url, repo)
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), " M hello.txt\n", "what changed")


def certificate(*names, folder=None):
    """The CA of the test, and certificate and key for the names."""
    folder = folder or harness.scratch()
    for words in (["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out",
                   "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE"],
                  ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout", "server.key", "-out", "server.csr"],
                  ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                   "-extfile", "names", "-out", "server.pem"]):
        (folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names), encoding="utf-8")
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem", (folder / "server.pem", folder / "server.key")


def test_private_authority():
    """a gateway with a certificate of its own: refused, and trusted when the authority is named"""
    authority, pair = certificate("localhost")
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server, Recorder(upstream=server.url, certificate=pair) as recorder:
        refused = run(recorder.url, repo)
        finished = run(recorder.url, repo, **setting("CA_FILE", authority))
    equal((refused.status, finished.status), (1, 0), f"exit statuses of {refused!r} and {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")


def test_demo():
    """the demo job, with validation, through the gate with its self-test"""
    repo, options, title, edit = harness.demo(subject["id"])
    plan = [{"run": "python3 -B -m unittest discover -s tests"}, {"edit": edit},
            {"run": "python3 -B -m unittest discover -s tests"},
            {"result": {**RESULT, "files_changed": ["shelf/pages.py"]}}]
    with serve(plan, mark=title) as server:
        finished = harness.mergeloom("run", "--repo", repo, *options, environment=environment(server.url))
    equal(finished.status, 0, f"exit status of {finished!r}")
    harness.must(harness.DEMO_TESTS, cwd=repo)


def job_file(*command):
    path = harness.scratch() / "job.json"
    path.write_text(json.dumps({"schema": "mergeloom.job.v1", "validation": {"mode": "required", "commands": [command]}}),
                    encoding="utf-8")
    return path


def test_repair():
    """a failed validation goes back into the same conversation, and no token counts twice"""
    repo = harness.repository({**harness.FILES, "check.py": "assert 'hello' in open('hello.txt').read()\n"})
    plan = [{"result": RESULT}, {"edit": EDIT}, {"result": RESULT}]
    with serve(plan) as server:
        finished = run(server.url, repo, "--json", "--job", job_file("python3", "check.py"))
    equal(finished.status, 0, f"exit status of {finished!r}")
    result = json.loads(finished.out.splitlines()[-1])
    equal((result["validation"]["repairs"], result["turns"]), (1, 2), "repairs and turns")
    equal((result["usage"]["input_tokens"], result["usage"]["output_tokens"]), (3000, 30), "tokens of three requests")
    equal(len(list((harness.scratch() / "login").glob(subject["sessions"]))), 1, "conversations")


def test_investigation():
    """a job that may change nothing changes nothing, by patches or by commands"""
    repo = harness.repository({**harness.FILES, "write.py": "open('made.txt', 'w')\n"})
    job = harness.scratch() / "job.json"
    job.write_text(json.dumps({"schema": "mergeloom.job.v1", "mode": "investigate"}), encoding="utf-8")
    plan = [{"run": "cat hello.txt"}, {"edit": EDIT}, {"run": "python3 -B write.py"},
            {"result": {**RESULT, "summary": "It says helo.", "files_changed": []}}]
    with serve(plan) as server:
        finished = run(server.url, repo, "--job", job)
    equal(finished.status, 0, f"exit status of {finished!r}")
    contains(finished.out, "It says helo.", "the report")
    harness.must_be_untouched(repo)


def failed(finished, repo, *parts, status=1):
    harness.must_complain(finished, status, *parts)
    lacks(finished.everything(), harness.KEY, "what is printed")
    left = harness.processes_with(str(harness.scratch()))
    equal(left, [], "processes left behind")
    if repo:
        harness.must_be_untouched(repo)


def fails(plan, *parts, options=None, **settings):
    repo = harness.repository(harness.FILES)
    with serve(plan, options=options or {}) as server:
        finished = run(server.url, repo, **settings)
    harness.must_complain(finished, 1, *parts)
    lacks(finished.everything(), harness.KEY, "what is printed")
    harness.must_be_untouched(repo)


def refusal(status, message, kind="error"):
    return [{"response": {"error": {"message": message, "type": kind}, "status": status}}]


def test_refused_key():
    """a key that the service refuses: said, with what to do"""
    fails(refusal(401, "Incorrect API key provided", "invalid_api_key"), "401", f"mergeloom login {subject['id']}")


def test_attempts():
    """a key that is refused is not tried for minutes, but as often as the setting says"""
    repo = harness.repository(harness.FILES)
    body = {"type": "error", "error": {"type": "authentication_error", "message": "Incorrect API key provided"}}
    with Recorder(answer=lambda *_: (401, {"Content-Type": "application/json"}, json.dumps(body).encode())) as server:
        finished = run(server.url, repo, **setting("REQUEST_RETRIES", "1"))
        count = len(server.bodies(subject["requests"]))
    equal((finished.status, count), (1, 2), f"exit status and requests; {finished!r}")


def test_wrong_model():
    """a model that the service does not have"""
    fails([{"response": {"error": {"message": "The model gpt-5.5 does not exist", "type": "invalid_request_error",
                                   "code": "model_not_found"}, "status": 404}}], subject["model"], subject["model_variable"])


def test_server_error():
    """a server that answers 500"""
    fails(refusal(500, "broken"), f"{subject['name']} failed")


def test_dropped_stream():
    """a stream that is cut"""
    fails([{"say": "This is a longer text, which is cut in the middle of what it says, after a few pieces."}],
          f"{subject['name']} failed", options={"0": {"latency": 50, "truncateAfterChunks": 3}})


def test_refused_connection():
    """nobody listens"""
    repo = harness.repository(harness.FILES)
    failed(run("http://127.0.0.1:9", repo), repo, f"{subject['name']} failed")


def test_silent_server():
    """a server that never answers: ended by the idle time-out"""
    repo = harness.repository(harness.FILES)
    with socket.create_server(("127.0.0.1", 0)) as server:
        finished = run(f"http://127.0.0.1:{server.getsockname()[1]}", repo, **setting("IDLE_TIMEOUT_SECONDS", 2))
    failed(finished, repo, "silent for too long")


def test_no_edit_is_no_success():
    """exit status 0 without a result is a failure"""
    repo = harness.repository(harness.FILES)
    with serve([{"say": "All done!"}] * 40) as server:
        finished = run(server.url, repo)
    failed(finished, repo, "without submitting a result")


WAIT = """import subprocess
subprocess.Popen(["sleep", "%(mark)s"], start_new_session=True)
open("begun", "w").close()
subprocess.run(["sleep", "%(mark)s"])
"""


def test_cancel():
    """a job cancelled in the middle of a command leaves no process of it behind"""
    mark = f"4321.{os.getpid()}"
    repo = harness.repository({**harness.FILES, "wait.py": WAIT % {"mark": mark}})
    path = harness.scratch() / "ticket.txt"
    path.write_text(harness.TICKET, encoding="utf-8")
    plan = [{"run": "python3 -B wait.py"}, {"result": RESULT}]
    with serve(plan) as server, harness.started(
            [harness.BUILD / "mergeloom", "run", "--repo", repo, "--ticket", path, "--no-readiness"],
            environment(server.url)) as process:
        while not (repo / "begun").exists():
            check(process.poll() is None, "the job ended before its command began")
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=harness.GUARD)
    equal(process.returncode, 5, f"exit status; {text}")
    equal(harness.processes_with(mark) + harness.processes_with(str(harness.scratch())), [], "processes left behind")


def test_signals():
    """the real program is interrupted, and killed, in the middle of a command: the job fails, and nothing of it is left"""
    path = harness.scratch() / "ticket.txt"
    path.write_text(harness.TICKET, encoding="utf-8")
    for number in (signal.SIGINT, signal.SIGKILL):
        mark = f"4322.{number.value}{os.getpid()}"
        repo = harness.repository({**harness.FILES, "wait.py": WAIT % {"mark": mark}}, name=number.name)
        with serve([{"run": "python3 -B wait.py"}, {"result": {**RESULT, "files_changed": []}}]) as server, harness.started(
                [harness.BUILD / "mergeloom", "run", "--repo", repo, "--ticket", path, "--no-readiness"],
                environment(server.url)) as process:
            while not (repo / "begun").exists():
                check(process.poll() is None, "the job ended before its command began")
                time.sleep(0.02)
            programs = [one for one in harness.processes_with(str(harness.scratch()))
                        if os.path.basename(os.readlink(f"/proc/{one}/exe")) == subject["name"]
                        and (pathlib.Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")[1:2] or [b""])[0] in (b"exec", b"-p")]
            equal(len(programs), 1, f"processes of {subject['name']}")
            os.kill(programs[0], number)
            text, _ = process.communicate(timeout=harness.GUARD)
        equal(process.returncode, 1, f"exit status after {number.name}; {text}")
        equal(harness.processes_with(mark), [], f"processes left behind after {number.name}")
        equal(harness.processes_with(str(harness.scratch())), [], f"processes of the program left behind after {number.name}")


# ---- What commands and the program itself can reach ----

def test_kernel_without_landlock():
    """where only the worker's sandbox would hold the program and the kernel has none: said, and nothing runs, best-effort or not"""
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    program = fake(f"if '--version' in sys.argv:\n    print('version {subject['version']}')\nelif sys.argv[1] in ('exec', '-p'):\n"
                   f"    open({str(harness.scratch() / 'login/ran')!r}, 'w')\n    events(*BEGIN, *END)\n")
    settings = environment("http://127.0.0.1:9", program, JCA_WORKER_SANDBOX="best-effort", **subject["held_by_the_worker"])
    checked_so = harness.without_landlock(["check", subject["id"], "--json", "--no-self-test"], settings)
    checks = {one["name"]: one for one in json.loads(checked_so.out)["providers"][0]["checks"]}
    equal((checked_so.status, checks["sandbox"]["state"], checks["confinement"]["state"]), (4, "warn", "fail"), f"{checks}")
    contains(checks["confinement"]["remedy"], "Landlock", "confinement")
    for options, status in (([], 4), (["--no-readiness"], 1)):
        (harness.scratch() / "login/ran").unlink(missing_ok=True)
        finished = harness.without_landlock(["run", "--repo", repo, "--ticket", ticket, *options], settings)
        harness.must_complain(finished, status, "holds no files here", "Landlock")
        check(not (harness.scratch() / "login/ran").exists(), f"the program ran; {finished!r}")
    harness.must_be_untouched(repo)


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
for path in (%(outside)r, ".git/hooks/pre-commit"):
    try:
        open(path, "w").write("x")  # may seem to work: in a memory of its own, or until it is put back
    except OSError:
        pass
attempt("network", lambda: socket.create_connection(("127.0.0.1", %(port)d), 2))
attempt("secret file", lambda: open(%(secret)r).read())
try:
    folders = os.listdir("/proc")
except OSError:  # not even that, where there are no namespaces
    folders = [str(number) for number in range(1, 1000)] + [str(os.getppid())]
for folder in folders:
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
    (login / subject["login_file"]).write_text("{}", encoding="utf-8")
    outside = harness.scratch() / "outside.txt"
    repo = harness.repository({**harness.FILES})
    with serve([{"run": "python3 -B attack.py"}, {"result": {**RESULT, "files_changed": []}}]) as server:
        (repo / "attack.py").write_text(ATTACK % {"outside": str(outside), "login": str(login / subject["login_file"]),
                                                  "secret": str(secret), "port": int(server.url.rsplit(":", 1)[1])},
                                        encoding="utf-8")
        with Recorder(upstream=server.url) as recorder:
            finished = run(recorder.url, repo, **settings)
            bodies = b"".join(recorder.bodies(subject["requests"])).decode()
    equal(finished.status, 0, f"exit status of {finished!r}")
    check((repo / "ran.txt").exists(), "the attack did not run")
    contains(bodies, "end of attacks", "what the command said")
    check(not outside.exists(), "a file outside was written")
    check(not (repo / ".git/hooks/pre-commit").exists(), "a hook was left in .git")
    return bodies


def test_attacks():
    """a command of the model has no network, no login, no key and nothing outside of the repository"""
    said = attacked()
    equal(re.findall("BROKE [a-z0-9 ]*", said), [], "attacks")
    for name in ("write", "login", "network", "secret file", "environment"):
        contains(said, f"held {name}", "attacks")


def test_command_off_the_list(**settings):
    """a command that the worker does not allow is not run, and that is told"""
    repo = harness.repository(harness.FILES)
    with serve([{"result": {**RESULT, "files_changed": []}}]) as server:
        run(server.url, repo, **settings)  # a login folder that was used before: programs trust what they see first
    with serve([{"run": "perl -e 'open(my $file, \">\", \"made.txt\")'"}, {"run": "cat hello.txt && sh -c 'touch made.txt'"},
                {"run": "touch made.txt"}, {"run": "sed -i d hello.txt"}, {"run": "git --version && rm hello.txt"},
                {"run": "python3 -B -c 'open(\"allowed.txt\", \"w\")'"},
                {"result": {**RESULT, "files_changed": ["allowed.txt"]}}]) as server:
        finished = run(server.url, repo, "--json", **settings)
    equal(finished.status, 0, f"exit status of {finished!r}")
    check((repo / "allowed.txt").exists(), "the command on the list was not run")
    check(not (repo / "made.txt").exists(), "a command off the list was run")
    notices = [event for event in map(json.loads, finished.out.splitlines()) if event.get("name") == "tool_denied"]
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), "?? allowed.txt\n", "what changed")
    equal(len(notices), 5, f"refusals in {finished.out}")


def test_environment():
    """the program gets an environment that was made for it, with its own key and no other"""
    out = harness.scratch() / "login/environment"  # which the program may change wherever it is confined
    finished, _ = run_fake(f"open({str(out)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
                           f"open({str(out)!r} + '.words', 'w').write(' '.join(sys.argv) + sys.stdin.read())\n"
                           "events(*BEGIN, *END)\n", SOMETHING_ELSE="x")
    equal(finished.status, 0, f"exit status of {finished!r}")
    variables = json.loads(out.read_text())
    equal(variables[subject["variable"]], harness.KEY, "the key")
    lacks(str(variables), "other-test-key", "the environment")
    lacks(str(variables), "SOMETHING_ELSE", "the environment")
    words = out.with_suffix(".words").read_text()
    lacks(words, harness.KEY, "the arguments")
    contains(words, harness.MARK, "the prompt on standard input")


def test_model_of_the_program():
    """without a model of ours the program chooses"""
    out = harness.scratch() / "login/words"
    finished, _ = run_fake(f"open({str(out)!r}, 'w').write(' '.join(sys.argv))\nevents(*BEGIN, *END)\n",
                           **setting("MODEL", None))
    equal(finished.status, 0, f"exit status of {finished!r}")
    lacks(out.read_text(), subject["model"], "the arguments")
    lacks(out.read_text() + " ", "--model ", "the arguments")
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("MODEL", None))
    equal(checks["model"]["state"], "pass", "model")


# ---- Programs that misbehave ----

def completes(body, *parts, **settings):
    finished, repo = run_fake(body, **settings)
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


def test_no_libcurl():
    """a job of a program does not even load libcurl"""
    completes("events(*BEGIN, *END)\n", LD_LIBRARY_PATH=harness.instead_of_libcurl(b"no library"))


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
    """a program that the kernel kills because memory is short"""
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    with harness.memory_group(400) as group:  # where no such group can be made, the program does it to itself
        body = "taken = [b'x' * (1 << 24) for _ in range(60)]\n" if group else "os.kill(os.getpid(), signal.SIGKILL)\n"
        program = fake("events(*BEGIN, {'type': 'error', 'message': 'it tries again'})\n" + body + "events(*END)\n")
        finished = harness.run(
            ["sh", "-c", 'echo $$ >"$0" && exec "$@"', group or "/dev/null", harness.BUILD / "mergeloom", "run", "--repo", repo,
             "--ticket", ticket, "--no-readiness"], environment=environment("http://127.0.0.1:9", program))
    failed(finished, repo, "killed with signal 9", "memory runs out", "more memory")


def test_hangs():
    """a program that hangs: ended by the time-out of the provider"""
    breaks("events(*BEGIN)\nsubprocess.Popen(['sleep', '4000'], start_new_session=True)\ntime.sleep(4000)\n",
           "too long", **setting("TIMEOUT_SECONDS", 1))


def test_deadline_of_the_job():
    """the job's own time limit ends a program that had longer, and all that it started"""
    breaks("events(*BEGIN)\nsubprocess.Popen(['sleep', '4000'], start_new_session=True)\ntime.sleep(4000)\n",
           "the job's time limit", status=5, JCA_WORKER_JOB_TIMEOUT_SECONDS="2")


def test_names_of_the_login_folder():
    """each name of the setting is read, the provider's own first"""
    body = f"print(json.dumps({{'x': 1}}))\nopen(os.environ[{subject['home']!r}] + '/used', 'w')\nevents(*BEGIN, *END)\n"
    names = subject["login_names"]
    for number, name in enumerate(names):
        folders = {one: harness.scratch() / f"{number}-{one}" for one in names[number:]}
        for folder in folders.values():
            folder.mkdir()
        finished, _ = run_fake(body, **{subject["login"]: None, **folders})
        equal(finished.status, 0, f"exit status of {finished!r}")
        equal([one for one in folders if (folders[one] / "used").exists()], [name], "the folder that was used")


def log_in(values, page, act, *options):
    """mergeloom login --browser at a terminal: once page is shown, act is called with what was seen, the process and the
    terminal. What was seen, and the process."""
    main, side = pty.openpty()
    with harness.started([harness.BUILD / "mergeloom", "login", subject["id"], "--browser", *options], values,
                         stdin=side) as process:
        os.close(side)
        seen = ""
        while page not in seen:
            line = process.stdout.readline()
            check(line, f"it ended early: {seen}")
            seen += line
        act(seen, process, main)
        seen += process.stdout.read()
        process.wait(harness.GUARD)
    os.close(main)
    return seen, process


def typing(text):
    return lambda _seen, _process, terminal: os.write(terminal, text + b"\n")


def test_waits_for_input():
    """a program that reads its input to the end gets there"""
    completes("sys.stdin.read()\nevents(*BEGIN, *END)\n")


# ---- Login ----

def test_login_with_a_question():
    """a program that shows a page and waits for a code that a person types in"""
    program = fake("assert os.isatty(0) and os.isatty(1)\n"
                   "sys.stdout.write('\\x1b]0;title\\x07\\x1b[1mOpen \\x1b[4mhttps://login.example.test/a?b=c&d=e\\x1b[0m now.\\r\\n')\n"
                   "sys.stdout.write('Paste code here: ')\nsys.stdout.flush()\n"
                   "code = sys.stdin.readline().strip()\nsys.exit(0 if code == 'typed-code' else 3)\n")
    seen, process = log_in(environment("http://127.0.0.1:9", program), "login.example.test", typing(b"typed-code"))
    equal(process.returncode, 0, seen)
    contains(seen, "Open this page:     https://login.example.test/a?b=c&d=e\n", "the page")


# ---- Checks ----

def test_checks():
    """ready: found, logged in by a key, confined, and proved by the self-test"""
    with serve([]) as server:
        checks, finished = checked(server.url)
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal({name: one["state"] for name, one in checks.items() if name in ("cli", "login", "confinement", "model", "tools")},
          {"cli": "pass", "login": "pass", "confinement": "pass", "model": "pass", "tools": "pass"}, "checks")
    contains(checks["model"]["reason"], subject["model"], "the model")
    contains(checks["cli"]["reason"], subject["version"], "the version")
    contains(checks["confinement"]["reason"], subject["confinement"], "which sandbox is on")


def test_check_commands_with_the_network():
    """commands that have the network are not said to have none"""
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", JCA_WORKER_COMMAND_NETWORK="allow",
                        **subject["held_by_the_worker"])
    equal(checks["confinement"]["state"], "warn", "confinement")
    contains(checks["confinement"]["reason"], "the network", "confinement")
    lacks(checks["confinement"]["reason"], "no network", "confinement")


def test_check_wrong_model():
    """a model that the service does not have fails a check of its own"""
    body = {"type": "error", "error": {"type": "not_found_error", "code": "model_not_found", "message":
                                       f"The model {subject['model']} does not exist"}}
    with Recorder(answer=lambda *_: (404, {"Content-Type": "application/json"}, json.dumps(body).encode())) as server:
        checks, finished = checked(server.url)
    equal(finished.status, 4, f"exit status of {finished!r}")
    equal(checks["model"]["state"], "fail", "model")
    contains(checks["model"]["reason"], subject["model"], "model")
    contains(checks["model"]["remedy"], subject["model_variable"], "model")
    equal({name: checks[name]["state"] for name in ("cli", "login", "confinement")},
          {"cli": "pass", "login": "pass", "confinement": "pass"}, "the other checks")


def test_check_refused_key():
    """a key that the service refuses, which the program's word on its login does not test, fails the self-test, and leaves
    the model unjudged"""
    body = {"type": "error", "error": {"type": "authentication_error", "code": "invalid_api_key", "message": "Incorrect API key"}}
    with Recorder(answer=lambda *_: (401, {"Content-Type": "application/json"}, json.dumps(body).encode())) as server:
        checks, finished = checked(server.url)
    equal((finished.status, checks["tools"]["state"], checks["model"]["state"]), (4, "fail", "skipped"), "checks")
    equal(checks["login"]["state"], "pass", "login")
    contains(checks["login"]["reason"], "the self-test shows whether", "login")
    contains(checks["tools"]["remedy"], f"mergeloom login {subject['id']}", "tools")
    lacks(finished.everything(), harness.KEY, "what is printed")


def test_self_test_without_work():
    """a model that claims to have run the command fails the self-test"""
    with serve([], guess="0" * 40) as server:
        checks, finished = checked(server.url)
    equal((finished.status, checks["tools"]["state"]), (4, "fail"), "self-test")


def fails_check(name, *parts, program=None, **settings):
    checks, finished = checked("http://127.0.0.1:9", "--no-self-test", program=program, **settings)
    equal(finished.status, 4, f"exit status of {finished!r}")
    equal(checks[name]["state"], "fail", f"{name}: {checks[name]}")
    check(checks[name]["remedy"], f"{name} says nothing of what to do: {checks[name]}")
    for part in parts:
        contains(checks[name]["reason"] + checks[name]["remedy"], part, name)
    equal(checks["tools"]["state"], "skipped", "tools")


def test_check_program_missing():
    """a program that is not there"""
    fails_check("cli", "/nonexistent/program", "install", program="/nonexistent/program")


def test_check_program_old():
    """a program that is too old"""
    fails_check("cli", "0.9.1", "too old", f"install {subject['name']}", program=fake("print('version 0.9.1')\n"))


def test_check_another_program():
    """a program of that name that is another one"""
    fails_check("cli", "another program", program=fake("print('hello')\n"))


def test_check_wrong_architecture():
    """a program for another machine"""
    path = harness.scratch() / "program"
    header = bytearray(pathlib.Path("/bin/true").read_bytes()[:4096])
    header[18:20] = b"\x16\x00"  # e_machine: S/390
    path.write_bytes(header)
    path.chmod(0o700)
    fails_check("cli", "format error", f"built for this machine ({os.uname().machine})", program=path)


def test_check_starts_as_in_a_job():
    """a program that starts for the operator and not in a job, for want of PATH or of a file, fails the check"""
    helper = harness.scratch() / "tools/version-helper"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\necho version {subject['version']}\n", encoding="utf-8")
    helper.chmod(0o700)
    path = f"{helper.parent}:/usr/local/bin:/usr/bin:/bin"
    fails_check("cli", "version-helper", "run it by hand", PATH=path,
                program=fake("sys.exit(subprocess.run('version-helper', shell=True).returncode)\n"))
    body = f"print('version {subject['version']}')\nsys.exit(subprocess.run(['cat', {str(harness.SOURCE / 'NEWS.md')!r}]).returncode)\n"
    fails_check("cli", "NEWS.md", program=fake(body), **subject["held_by_the_worker"])


def test_check_refuses_root():
    """a program that refuses to run as root"""
    program = fake("sys.exit('cannot be used with root/sudo privileges for security reasons')\n")
    fails_check("cli", "root/sudo", "run the worker as a user of its own", program=program)
    program = fake("sys.exit('cannot open /root/.config/settings: no such file')\n")
    fails_check("cli", "/root/.config/settings", "run it by hand", program=program)
    breaks("events(*BEGIN)\nprint('cannot be used with root/sudo privileges for security reasons', file=sys.stderr)\nsys.exit(1)\n",
           "root/sudo")


def test_check_not_logged_in():
    """without a key and without a login"""
    fails_check("login", "not logged in", f"mergeloom login {subject['id']}", **setting("API_KEY", None))


def test_check_login_folder():
    """a login folder that is none"""
    path = harness.scratch() / "file"
    path.write_text("", encoding="utf-8")
    fails_check("login", "no folder", **{subject["login"]: path})


def test_key_without_a_login_folder():
    """a key is instead of a login: the folder that nobody logged in with is made, by the check and by a job"""
    folders = {name: harness.scratch() / name / "deep" for name in ("check", "job")}
    checks, finished = checked("http://127.0.0.1:9", "--no-self-test", **{subject["login"]: folders["check"]})
    equal((finished.status, checks["login"]["state"]), (0, "pass"), f"the check: {checks}")
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server:
        finished = run(server.url, repo, **{subject["login"]: folders["job"]})
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal([oct(folder.stat().st_mode & 0o777) for folder in folders.values()], ["0o700"] * 2, "modes of the folders")
    fails_check("login", "is not there", "log in", **{subject["login"]: harness.scratch() / "none"}, **setting("API_KEY", None))
    fails_check("login", "cannot be made", **{subject["login"]: "/proc/none"})


def test_check_login_folder_read_only():
    """a login folder on a volume that cannot be written"""
    login = harness.scratch() / "login"
    login.mkdir()
    command = [harness.BUILD / "mergeloom", "check", subject["id"], "--json", "--no-self-test"]
    if os.geteuid() == 0:  # whom modes do not hold
        command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"', login,
                   *command]
    else:
        login.chmod(0o500)
    finished = harness.run(command, environment=environment("http://127.0.0.1:9", fake(f"print('version {subject['version']}')\n")))
    check(finished.out, f"{finished!r}")
    checks = {one["name"]: one for one in json.loads(finished.out)["providers"][0]["checks"]}
    equal(checks["login"]["state"], "fail", "login")
    contains(checks["login"]["reason"], "cannot be written", "login")
    contains(checks["login"]["remedy"], "read-write", "login")


def test_check_login_in_use():
    """a login that another worker is using"""
    login = harness.scratch() / "login"
    login.mkdir()
    with open(login / ".mergeloom-lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with_key, _ = checked("http://127.0.0.1:9", "--no-self-test")
        checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None),
                            program=fake("print('{\"loggedIn\": true}' if 'status' in sys.argv else 'version 9.9.9')\n"))
    equal((checks["login"]["state"], with_key["login"]["state"]), ("warn", "pass"), "login, and with a key, which waits for none")
    contains(checks["login"]["reason"], "another process is using this login", "login")


def test_check_timeout():
    """a time-out that no job can keep"""
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("TIMEOUT_SECONDS", 20))
    equal(checks["timeout"]["state"], "warn", "timeout")


def test_one_login_one_program():
    """two jobs with one login of an account wait for each other"""
    login = harness.scratch() / "login"
    login.mkdir()
    (login / subject["login_file"]).write_text(json.dumps(subject["tokens"]), encoding="utf-8")
    log = login / "log"
    program = fake(f"log = open({str(log)!r}, 'a')\n"
                   "print('begin', file=log, flush=True)\ntime.sleep(0.3)\nprint('end', file=log, flush=True)\n"
                   "events(*BEGIN, *END)\n")
    path = harness.scratch() / "ticket.txt"
    path.write_text(harness.TICKET, encoding="utf-8")
    repos = [harness.repository(harness.FILES, name=name) for name in ("one", "two")]
    with contextlib.ExitStack() as stack:
        jobs = [stack.enter_context(harness.started(
            [harness.BUILD / "mergeloom", "run", "--repo", repo, "--ticket", path, "--no-readiness"],
            environment("http://127.0.0.1:9", program, **setting("API_KEY", None)))) for repo in repos]
        for job in jobs:
            text, _ = job.communicate(timeout=harness.GUARD)
            equal(job.returncode, 0, text)
    equal(log.read_text().split(), ["begin", "end"] * 2, "the order of things")
