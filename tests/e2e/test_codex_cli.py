#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider codex-cli."""
import json
import re
import signal
import socket
import subprocess
import urllib.parse

import harness
import program_cases
from device_login import codex, issuer, token
from harness import check, contains, equal, lacks
from program_cases import *  # pylint: disable=wildcard-import,unused-wildcard-import


program_cases.subject.update(
    id="codex-cli", name="codex", program=codex, style="codex", prefix="JCA_CODEX_CLI_", version="0.169.0",
    login="JCA_WORKER_CLI_CONFIG_DIR", login_file="auth.json", tokens={"auth_mode": "chatgpt", "tokens": {"id_token": "x"}},
    model="gpt-5.5", model_variable="JCA_CODEX_CLI_MODEL", path="/v1", requests="/responses", variable="CODEX_API_KEY",
    sessions="sessions/**/rollout-*.jsonl", failing="git diff --stat && false",
    shell="exec_command", shell_arguments=lambda command: {"cmd": command},
    simulated_end=lambda result: {"text": json.dumps(result)},
    tools=[("command", "fail"), ("file", "pass")],
    home="CODEX_HOME", login_names=["JCA_CODEX_CLI_CONFIG_DIR", "JCA_WORKER_CLI_CONFIG_DIR", "CODEX_HOME"],
    held_by_the_worker={"JCA_CODEX_CLI_SANDBOX": "worker"}, confinement="codex confines its commands itself",
    begin="[{'type': 'thread.started', 'thread_id': 't-1'}, {'type': 'turn.started'}]",
    end="[{'type': 'item.completed', 'item': {'id': 'i', 'type': 'agent_message', 'text': RESULT}},\n"
        "       {'type': 'turn.completed', 'usage': {'input_tokens': 10, 'output_tokens': 2}}]")


def test_patches_outside():
    """patches, which codex applies itself, reach nothing outside of the repository, not its .git, and nothing through a link"""
    for sandbox in ("program", "worker"):
        outside = harness.scratch() / f"outside-{sandbox}"
        outside.mkdir()
        (outside / "there.txt").write_text("as it was\n", encoding="utf-8")
        repo = harness.repository(harness.FILES, name=f"patched-{sandbox}")
        (repo / "link").symlink_to(outside)
        harness.must(["git", "add", "."], cwd=repo)
        harness.must(["git", "commit", "-q", "-m", "Link"], cwd=repo)
        targets = [outside / "new.txt", f"../{outside.name}/new.txt", "link/new.txt", ".git/hooks/pre-commit", "inside.txt"]
        plan = [{"run": f"apply_patch <<'PATCH'\n*** Begin Patch\n*** Add File: {target}\n+x\n*** End Patch\nPATCH\n"}
                for target in targets]
        plan += [{"edit": {"path": "link/there.txt", "old": "as it was", "new": "changed"}},
                 {"result": {**RESULT, "files_changed": ["inside.txt"]}}]
        with serve(plan) as server:
            finished = run(server.url, repo, JCA_CODEX_CLI_SANDBOX=sandbox)
        equal(finished.status, 0, f"exit status of {finished!r}")
        equal({path.name: path.read_text(encoding="utf-8") for path in outside.iterdir()}, {"there.txt": "as it was\n"}, sandbox)
        equal((repo / ".git/hooks/pre-commit").exists(), False, f"a hook with {sandbox}")
        equal(harness.must(["git", "status", "--porcelain"], cwd=repo), "?? inside.txt\n", f"what changed with {sandbox}")


def test_attacks_in_the_workers_sandbox():
    """where the worker confines codex as a whole, files outside are still out of reach"""
    said = attacked(JCA_CODEX_CLI_SANDBOX="worker")
    for name in ("write", "secret file"):
        contains(said, f"held {name}", "attacks")


def test_list_in_the_workers_sandbox():
    """the list of commands holds where the worker confines codex as a whole, too"""
    test_command_off_the_list(JCA_CODEX_CLI_SANDBOX="worker")


SCRIPT = """const results = [];
for (const cmd of ["perl -e 'open(F, \\">made.txt\\")'", "git --version"]) {
  try { results.push(JSON.stringify(await tools.exec_command({cmd}))); } catch (error) { results.push(String(error)); }
}
text(results.join(" "));
"""


def test_list_in_scripts():
    """the list of commands holds for models that call their tools by scripts"""
    def answer(_method, path, _headers, body):
        if not path.endswith("/responses"):
            return 404, {}, b"{}"
        said = [item for item in json.loads(body)["input"] if item.get("type") == "custom_tool_call_output"]
        item = ({"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [
                    {"type": "output_text", "text": json.dumps({**RESULT, "notes": "", "files_changed": []}), "annotations": []}]}
                if said else {"type": "custom_tool_call", "id": "c", "call_id": "call-1", "name": "exec", "input": SCRIPT,
                              "status": "completed"})
        usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12, "input_tokens_details": {"cached_tokens": 0},
                 "output_tokens_details": {"reasoning_tokens": 0}}
        events = [{"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
                  {"type": "response.output_item.done", "output_index": 0, "item": item},
                  {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [item], "usage": usage}}]
        lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return 200, {"Content-Type": "text/event-stream"}, lines.encode()
    repo = harness.repository(harness.FILES)
    with Recorder(answer=answer) as server:
        finished = run(server.url, repo, **setting("MODEL", "gpt-6.1-sol"))
        told = server.bodies("/responses")[-1].decode()
    equal(finished.status, 0, f"exit status of {finished!r}")
    harness.must_be_untouched(repo)
    contains(told, "not on the worker's list of commands: perl", "what the model was told")
    contains(told, "git version", "what the model was told")


def test_list_that_is_not_kept():
    """codex that runs a command off the list all the same is ended"""
    breaks("events(*BEGIN, {'type': 'item.started', 'item': {'id': 'i', 'type': 'command_execution',\n"
           "    'command': '/bin/bash -c \"cat x && perl -e 1\"', 'status': 'in_progress'}})\ntime.sleep(4000)\n",
           "codex ran a command that was refused", "perl")


def test_hooks_of_others():
    """hooks in the login folder are warned of, and hold up jobs whose commands could have written them"""
    folder = harness.scratch() / "login"
    folder.mkdir()
    (folder / "hooks.json").write_text("{}", encoding="utf-8")
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test")
    equal(checks["login"]["state"], "warn", "login")
    contains(checks["login"]["reason"], "hooks.json", "login")
    breaks("events(*BEGIN, *END)\n", "hooks.json", JCA_CODEX_CLI_SANDBOX="worker")


def test_hooks_of_the_repository():
    """hooks that a repository brings are not run"""
    hook = {"hooks": {event: [{"hooks": [{"type": "command", "command": "touch hook-ran.txt"}]}]
                      for event in ("SessionStart", "PreToolUse", "PostToolUse", "Stop")}}
    repo = harness.repository({**harness.FILES, ".codex/hooks.json": json.dumps(hook), ".codex/config.toml":
                               '[[hooks.PreToolUse]]\n[[hooks.PreToolUse.hooks]]\ntype = "command"\n'
                               'command = "touch hook-ran.txt"\n'})
    with serve(steps()) as server:
        finished = run(server.url, repo)
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), " M hello.txt\n", "what changed")


def test_check_login_by_key():
    """a key that codex itself keeps"""
    login = harness.scratch() / "login"
    login.mkdir()
    key = "test-key-for-the-login-qqzzxx"
    subprocess.run([codex(), "login", "--with-api-key"], input=key, encoding="utf-8", check=True,
                   capture_output=True, env=harness.clean_environment(CODEX_HOME=login, TMPDIR="/var/tmp"))
    checks, finished = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
    equal(checks["login"]["state"], "pass", "login")
    contains(checks["login"]["reason"], "by an API key", "login")
    lacks(finished.everything(), key[-5:], "what is printed")


def test_check_sandbox():
    """a sandbox of codex that holds nothing, or has a hole, is found out whoever the worker runs as, and nothing is left behind"""
    version = "if '--version' in sys.argv:\n    print('codex-cli 0.169.0')\n    sys.exit()\n"
    login = harness.scratch() / "login"
    everything = {"change what is outside", "read the login", "have the network"}
    holes = {"read": {"read the login"}, "write": {"read the login", "change what is outside"}, None: everything}
    for hole, found in holes.items():
        if hole:  # in the permission profile of the real sandbox
            places = f'{json.dumps(str(login))}="{hole}",{json.dumps(str(codex().parents[5]))}="read"'
            body = (f"words = [word.replace({json.dumps(str(harness.scratch()))!r} + '=\"read\"', {places!r}) for word in sys.argv]\n"
                    f"os.execv({str(codex())!r}, words)\n")
        else:
            body = "words = sys.argv[sys.argv.index('--') + 1:] or ['/bin/true']\nos.execv(words[0], words)\n"
        program = fake(version + "if 'sandbox' not in sys.argv:\n    sys.exit()\n" + body)
        fails_check("confinement", *found, "JCA_CODEX_CLI_SANDBOX=worker", program=program)
        reason = checked("http://127.0.0.1:9", "--no-self-test", program=program)[0]["confinement"]["reason"]
        equal({one for one in everything if one in reason}, found, f"what was found: {reason}")
        equal([path.name for path in login.iterdir() if path.name != "tmp"], [], "files left behind")


def test_without_namespaces():
    """where codex can make no namespaces: said, no job begins, and where one is forced on no command runs unconfined"""
    repo = harness.repository({**harness.FILES, "mark.py": "open('ran.txt', 'w')\n"})
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    job = ["run", "--repo", repo, "--ticket", ticket]
    with serve([{"run": "python3 -B mark.py"}, {"result": {**RESULT, "files_changed": []}}]) as server:
        values = environment(server.url)
        told = harness.without_namespaces(["check", "codex-cli", "--json", "--no-self-test"], values)
        checks = {one["name"]: one for one in json.loads(told.out)["providers"][0]["checks"]}
        stopped = harness.without_namespaces(job, values)
        harness.without_namespaces([*job, "--no-readiness"], values)
    equal((checks["cli"]["state"], checks["confinement"]["state"]), ("pass", "fail"), f"checks {checks}")
    contains(checks["confinement"]["remedy"], "JCA_CODEX_CLI_SANDBOX=worker", "confinement")
    harness.must_complain(stopped, 4, "confine")
    harness.must_be_untouched(repo)
    with serve([{"run": "python3 -B mark.py"}, {"result": {**RESULT, "files_changed": ["ran.txt"]}}]) as server:
        held = harness.without_namespaces([*job, "--no-readiness"], environment(server.url, JCA_CODEX_CLI_SANDBOX="worker"))
    equal(held.status, 0, f"exit status of {held!r}")
    check((repo / "ran.txt").exists(), "the command did not run in the worker's sandbox")


def test_login_folder_below_temporary_files():
    """a login folder below the worker's folder of temporary files, where codex's sandbox could fail without a word"""
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server:
        finished = run(server.url, repo, TMPDIR=harness.scratch())
        checks, _ = checked(server.url, "--no-self-test", TMPDIR=harness.scratch())
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(checks["confinement"]["state"], "pass", "confinement")


def test_check_of_both():
    """one command checks both programs, each with its own reason"""
    finished = harness.mergeloom("check", "codex-cli", "claude-code-cli", "--json", "--no-self-test", environment=environment(
        "http://127.0.0.1:9", "/nonexistent/codex", JCA_CLAUDE_CODE_CLI_PROGRAM="/nonexistent/claude"))
    equal(finished.status, 4, f"exit status of {finished!r}")
    reasons = {one["id"]: check["reason"] for one in json.loads(finished.out)["providers"] for check in one["checks"]
               if check["name"] == "cli" and check["state"] == "fail"}
    equal(reasons, {"codex-cli": "there is no program /nonexistent/codex",
                    "claude-code-cli": "there is no program /nonexistent/claude"}, "reasons")


def test_check_workers_sandbox():
    """the worker's sandbox around codex is told, with what it leaves open"""
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", JCA_CODEX_CLI_SANDBOX="worker")
    equal(checks["confinement"]["state"], "warn", "confinement")
    contains(checks["confinement"]["reason"], "can use the network", "confinement")


def test_profile():
    """a profile is given to codex, and its own settings count then"""
    out = harness.scratch() / "login/words"
    for profile in ("careful", None):
        finished, _ = run_fake(f"open({str(out)!r}, 'w').write(json.dumps(sys.argv))\nevents(*BEGIN, *END)\n",
                               **setting("PROFILE", profile))
        equal(finished.status, 0, f"exit status of {finished!r}")
        words = json.loads(out.read_text(encoding="utf-8"))
        equal(("--ignore-user-config" in words, words[words.index("-p") + 1] if "-p" in words else None),
              (profile is None, profile), f"the arguments {words}")


def test_flood_of_errors():
    """a program that writes errors without end is ended, and what it did is said"""
    breaks("events(*BEGIN)\nwhile True:\n    sys.stderr.write('x' * 1_000_000)\n", "it wrote more than 64 MB")


def test_errors_that_are_not_the_end():
    """error events of a stream that was cut and is asked for again are told, and do not end the job"""
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server:
        def answer(method, path, headers, body):
            if len(recorder.bodies("/responses")) == 1:
                return 200, {"Content-Type": "text/event-stream"}, b'event: response.created\ndata: {"type": "response.created"}\n\n'
            return harness.request(server.url + path, method, body, {name: headers[name] for name in headers if name != "host"})
        with Recorder(answer=answer) as recorder:
            finished = run(recorder.url, repo, **setting("REQUEST_RETRIES", "1"))
    equal(finished.status, 0, f"exit status of {finished!r}")
    contains(finished.everything(), "Reconnecting... 1/1", "what is said")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")


def test_check_expired_login():
    """a login that has expired and cannot be renewed, of which codex says that it is one"""
    folder = harness.scratch() / "login"
    folder.mkdir()
    account = {"chatgpt_plan_type": "pro", "chatgpt_account_id": "account-1"}
    claims = {"email": "user@example.test", "https://api.openai.com/auth": account}
    for end, refresh, state in ((1000, "", "fail"), (1000, "refresh-1", "pass"), (4000000000, "", "pass")):
        (folder / "auth.json").write_text(json.dumps({"auth_mode": "chatgpt", "last_refresh": "2026-11-01T00:00:00Z", "tokens": {
            "id_token": token(exp=end, **claims), "access_token": token(exp=end), "refresh_token": refresh,
            "account_id": "account-1"}}), encoding="utf-8")
        checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
        equal(checks["login"]["state"], state, f"login: {checks['login']}")
        if state == "fail":
            contains(checks["login"]["reason"], "has expired", "login")
            contains(checks["login"]["remedy"], "mergeloom login codex-cli", "login")


def login(*options, **settings):
    return harness.mergeloom("login", "codex-cli", *options,
                             environment=environment("http://127.0.0.1:9", **setting("API_KEY", None), **settings))


def test_login_by_code():
    """the device flow of the real program: page and code are shown, the check passes, and logging out undoes it"""
    with issuer(polls=2) as service:
        finished = login(JCA_CODEX_CLI_LOGIN_ISSUER=service.url)
    equal(finished.status, 0, f"exit status of {finished!r}")
    contains(finished.out, f"Open this page:     {service.url}/codex/device", "the page")
    contains(finished.out, "Type in this code:  WXYZ-12345", "the code")
    lacks(finished.everything(), "refresh-1", "what is printed")
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
    equal(checks["login"]["state"], "pass", "login")
    contains(checks["login"]["reason"], "by an account", "login")
    equal(login("--out").status, 0, "logging out")
    fails_check("login", "not logged in", **setting("API_KEY", None))


def test_login_cancelled():
    """a login that nobody completes ends with its time-out, and leaves no process behind"""
    with issuer(polls=0) as service:
        finished = login("--timeout", "3", JCA_CODEX_CLI_LOGIN_ISSUER=service.url)
    equal(finished.status, 5, f"exit status of {finished!r}")
    contains(finished.out, "WXYZ-12345", "the code")
    equal(harness.processes_with(str(harness.scratch())), [], "processes left behind")


def callback(seen):
    """The address of codex's own page that its login leads to, and the state that belongs to it."""
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(re.search(r"https://auth\.openai\.com/\S+", seen).group()).query)
    return urllib.parse.urlsplit(asked["redirect_uri"][0]), asked["state"][0]


def test_login_in_a_browser_that_is_given_up():
    """the browser flow of the real program: its page is shown; cancel and time-out leave no process, no port and no login"""
    for options, act in (((), lambda process: process.send_signal(signal.SIGINT)), (("--timeout", "2"), lambda process: None)):
        def give_up(seen, process, _terminal, act=act):
            place = callback(seen)[0]
            with socket.create_connection((place.hostname, place.port)):
                places.append(place)
            equal(bool(harness.processes_with(str(harness.scratch()))), True, "codex runs")
            act(process)
        places = []
        seen, process = log_in(environment("http://127.0.0.1:9", **setting("API_KEY", None)),
                               "Open this page:     https://auth.openai.com/oauth/authorize?", give_up, *options)
        equal(process.returncode, 5, seen)
        equal(harness.processes_with(str(harness.scratch())), [], "processes left behind")
        try:
            socket.create_connection((places[0].hostname, places[0].port)).close()
            raise harness.Failure(f"somebody listens on {places[0].netloc} still")
        except ConnectionRefusedError:
            pass
    fails_check("login", "not logged in", **setting("API_KEY", None))


def test_login_in_a_browser():
    """the browser flow of the real program, completed: what the browser brings back to it becomes a login"""
    authority, pair = certificate("auth.openai.com")
    def come_back(seen, _process, _terminal):
        place, state = callback(seen)
        status, headers, body = harness.request(f"{place.scheme}://{place.netloc}{place.path}?code=code-1&state={state}")
        equal(status, 302, f"what codex answered: {headers} {body}")
        harness.request(headers.get("Location") or headers["location"])
    with issuer(polls=0, certificate=pair) as service, harness.Proxy(lead_to=service.server.server_address[1]) as proxy:
        seen, process = log_in(environment("http://127.0.0.1:9", HTTPS_PROXY=proxy.url, **setting("CA_FILE", authority),
                                           **setting("API_KEY", None)), "Open this page:     https://auth.openai.com/", come_back)
        asked = [(path, body.decode()) for _, path, _, body in service.requests]
    equal(process.returncode, 0, f"{seen}; it asked {asked}")
    contains(asked[0][1], "code=code-1", "what codex asked for")
    lacks(seen, "refresh-1", "what is printed")
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
    equal(checks["login"]["state"], "pass", f"login: {checks['login']}")
    contains(checks["login"]["reason"], "by an account", "login")


def test_login_refused():
    """a login that the service refuses"""
    with Recorder(answer=lambda *_: (500, {}, b"{}")) as service:
        finished = login("--device", JCA_CODEX_CLI_LOGIN_ISSUER=service.url)
    harness.must_complain(finished, 1, "the login of codex-cli ended with status 1")


def test_login_of_others():
    """a provider that is no program has no login"""
    harness.must_complain(harness.mergeloom("login", "codex-api"), 1, "no login of its own", "mergeloom providers")


def test_login_by_key():
    """a key is given to the program, which keeps it"""
    key = "test-key-for-the-login-qqzzxx"
    finished = harness.mergeloom("login", "codex", "--api-key", text=key + "\n",
                                 environment=environment("http://127.0.0.1:9", **setting("API_KEY", None)))
    equal(finished.status, 0, f"exit status of {finished!r}")
    lacks(finished.everything(), key, "what is printed")
    equal(json.loads((harness.scratch() / "login/auth.json").read_text(encoding="utf-8"))["OPENAI_API_KEY"], key, "the key")
    harness.must_complain(login("--api-key"), 2, "there is no API key")


def test_wrapper_of_the_package():
    """the script that npm puts into PATH leads to the real program"""
    folder = codex().parents[5] / ".bin"
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", program="codex",
                        PATH=f"{folder}:/usr/local/bin:/usr/bin:/bin")
    contains(checks["cli"]["reason"], str(codex()), "the program that was found")


harness.main(globals(), brief=["test_demo", "test_attacks", "test_check_sandbox", "test_login_by_code"])
