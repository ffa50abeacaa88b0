#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What cards of mergeloomd do besides settings and checks: logins of programs, lists of models, self-tests as they run."""
import html
import json
import re
import urllib.parse

import harness
from daemon_server import Killable, api, daemon, fake_programs, provider, settled, simulated, wait_for
from device_login import codex, issuer
from harness import check, contains, equal, lacks

KEY = "test-key-of-a-login-qqzzxx"
CODEX = "/providers/codex-cli/logins"
CLAUDE = "/providers/claude-code-cli/logins"


def must(server, path, status, body=None, method="POST"):
    found, _, answer = api(server, path, method, body)
    equal(found, status, f"{method} {path} {answer}")
    return answer


def login(server, path):
    return must(server, path, 200, method="GET")


def login_with(server, path, **wanted):
    """The login as soon as it is so; never when it has ended otherwise."""
    def found():
        now = login(server, path)
        check(now["state"] in ("running", wanted.get("state")), f"{now}")
        return now if all(now[name] == value for name, value in wanted.items()) else None
    return wait_for(found, f"a login with {wanted}")


def state_of(server, name, check_name):
    return {one["name"]: one for one in settled(server, name)["checks"]}.get(check_name, {}).get("state")


def page(server):
    status, _, body = harness.request(server.url + "/providers")
    equal(status, 200, "the page")
    return body.decode()


def audit(server):
    return [(entry["subject"], entry["text"]) for entry in reversed(api(server, "/audit?kind=login")[2]["entries"])]


def submit(server, action, **fields):
    """As a browser without scripts does: the page is asked for its token first, and the address it leads to is returned."""
    status, headers, body = harness.request(server.url + "/providers")
    token = body.decode().split('name="csrf" value="')[1].split('"')[0]
    cookie = headers["Set-Cookie"].split(";")[0]
    status, headers, body = harness.request(
        server.url + action, "POST", urllib.parse.urlencode({"csrf": token, **fields}),
        {"Cookie": cookie, "Origin": server.url, "Content-Type": "application/x-www-form-urlencoded"})
    return status, headers.get("Location"), body.decode()


# ---- Before there are cards ----

def test_being_described():
    """until the providers are described the page says so, and asks nobody to install one"""
    go = harness.scratch() / "go"
    waiting = harness.scratch() / "waiting-worker"
    waiting.write_text(f"#!/bin/sh\nuntil [ -e '{go}' ]; do sleep 0.05; done\n"
                       f"exec '{harness.PLAIN_BUILD / 'mergeloom-worker'}' \"$@\"\n", encoding="utf-8")
    waiting.chmod(0o755)
    with Killable("early", MERGELOOM_WORKER=waiting) as server:
        equal(harness.request(server.url + "/readyz")[0], 503, "nothing is described")
        contains(page(server), "The providers are being described", "the page")
        lacks(page(server), "No provider is loaded", "the page")
        go.touch()
        wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "the providers are described")
        lacks(page(server), "being described", "the page")


# ---- Health ----

def health(server):
    """{what: (state, the whole row as text)} of the rows that begin with a name."""
    status, _, body = harness.request(server.url + "/health")
    equal(status, 200, "the page")
    rows = re.findall(r'<tr><th scope="row">(?:<a [^>]*>)?([^<]*)<(.*?)</tr>', body.decode())
    return {name: (re.search(r'class="badge [a-z]*">([^<]*)<', rest)[1], html.unescape(re.sub(r"<[^>]*>", " ", rest)))
            for name, rest in rows}


def test_health():
    """the health page reads the stores, looks for key and programs, and says of each provider what is wrong"""
    worker = harness.scratch() / "worker"
    worker.symlink_to(harness.PLAIN_BUILD / "mergeloom-worker")
    state = harness.scratch() / "well/mergeloom"
    with Killable("well", MERGELOOM_WORKER=worker, JCA_ANTHROPIC_API_KEY="") as server:
        wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "the providers are described")
        settled(server, "claude-api")
        found = health(server)
        for name in ("Provider settings", "Runtime settings", "Jobs", "Audit", "Events", "Key of stored secrets", "Worker",
                     "Supervisor"):
            equal(found[name][0], "pass", f"{name}: {found[name][1]}")
        contains(found["Worker"][1], str(worker), "the path")
        contains(found["Free space"][1], "MiB", "the space")
        claude = provider(server, "claude-api")
        failed = next(check["reason"] for check in claude["checks"] if check["state"] == "fail")
        equal(found[claude["title"]][0], "not ready", "the provider")
        contains(found[claude["title"]][1], failed, "the provider")
        worker.unlink()
        keys = [path for path in state.iterdir() if path.suffix == ".key"]
        for path in keys:
            path.unlink()
        for path in state.glob("provider_config.db*"):
            path.unlink()
        found = health(server)
        for name in ("Provider settings", "Key of stored secrets", "Worker"):
            equal(found[name][0], "fail", f"{name}: {found[name][1]}")
        contains(found["Provider settings"][1], "is gone", "the reason")
        contains(found["Worker"][1], "No such file", "the reason")
        equal(found["Jobs"][0], "pass", "what is still there")


# ---- Logins ----

def test_login_by_code():
    """page and code are shown to whoever looks, one login runs at a time, and its end is found without being asked for"""
    control, programs = fake_programs()
    with daemon(**programs) as server:
        equal(provider(server, "codex-cli")["logins"], ["device", "browser", "api-key", "out"], "the kinds of codex")
        equal(provider(server, "claude-code-cli")["logins"], ["browser", "out"], "the kinds of claude")
        equal(provider(server, "codex-api")["logins"], [], "the kinds of a service")
        equal(state_of(server, "codex-cli", "login"), "fail", "the check before")
        must(server, CODEX, 202)
        found = login_with(server, CODEX, code="WXYZ-12345", url="https://login.example.test/device?one=1&two=2")
        check(found["started_at"] < found["ends_at"] and found["ended_at"] == "", f"{found}")
        for _ in range(2):
            contains(page(server), '<code class="code">WXYZ-12345</code>', "the page, loaded again")
        contains(page(server), 'href="https://login.example.test/device?one=1&amp;two=2"', "the page")
        contains(must(server, CODEX, 409)["title"], "runs already", "a second login")
        (control / "approved").touch()
        found = login_with(server, CODEX, state="completed")
        equal((found["url"], found["code"], found["text"], found["reason"]), ("", "", "", "logged in"), f"{found}")
        wait_for(lambda: state_of(server, "codex-cli", "login") == "pass", "the check after")
        lacks(page(server), "WXYZ-12345", "the page after")
        must(server, CODEX, 202, {"kind": "out"})
        login_with(server, CODEX, state="completed", reason="logged out")
        wait_for(lambda: state_of(server, "codex-cli", "login") == "fail", "the check after logging out")
        equal(audit(server), [("codex-cli", "started"), ("codex-cli", "completed: logged in"), ("codex-cli", "logging out"),
                              ("codex-cli", "completed: logged out")], "the audit")


def test_login_by_the_real_program():
    """the device flow of the real codex, whose page and code the fake one imitates"""
    with issuer(polls=3) as service, daemon(
            JCA_CODEX_CLI_PROGRAM=codex(), JCA_WORKER_CLI_CONFIG_DIR=harness.scratch() / "login",
            JCA_CODEX_CLI_LOGIN_ISSUER=service.url) as server:
        must(server, CODEX, 202, {"kind": "device"})
        login_with(server, CODEX, url=f"{service.url}/codex/device", code="WXYZ-12345")
        login_with(server, CODEX, state="completed")
        wait_for(lambda: state_of(server, "codex-cli", "login") == "pass", "the check after")
        lacks(json.dumps(api(server, "/audit")[2]) + server.text() + page(server), "refresh-1", "what is shown and kept")


def test_login_by_pasted_code():
    """what a person types reaches the program, wrong and right, and is kept nowhere"""
    _, programs = fake_programs()
    with daemon(**programs) as server:
        for text, state, reason in (("wrong-code", "failed", "Invalid code"), ("pasted-code", "completed", "logged in")):
            equal(submit(server, "/providers/claude-code-cli/login")[:2], (303, "/providers#claude-code-cli"), "the form")
            login_with(server, CLAUDE, asks=True, text="Paste code here if prompted >")
            equal(submit(server, "/providers/claude-code-cli/login/input", text=text)[0], 303, "the form")
            contains(login_with(server, CLAUDE, state=state)["reason"], reason, "the end")
        wait_for(lambda: state_of(server, "claude-code-cli", "login") == "pass", "the check after")
        everything = json.dumps(api(server, "/audit")[2]) + server.text() + page(server) + json.dumps(login(server, CLAUDE))
        lacks(everything, "pasted-code", "what is shown and kept")
        for text in ("", "one\ntwo", "x" * 5000):
            must(server, CLAUDE + "/input", 422, {"text": text})
        contains(must(server, CLAUDE + "/input", 409, {"text": "late"})["title"], "waits for an input", "after the end")


def test_login_by_key():
    """an API key goes to the program and nowhere else; one that it refuses is no login"""
    _, programs = fake_programs()
    with daemon(**programs) as server:
        must(server, CODEX, 422, {"kind": "api-key"})
        must(server, CODEX, 422, {"kind": "device", "api_key": KEY})
        must(server, CODEX, 422, {"kind": "nonsense"})
        must(server, CODEX, 202, {"kind": "api-key", "api_key": "refused"})
        contains(login_with(server, CODEX, state="failed")["reason"], "this key is not accepted", "the reason")
        equal(submit(server, "/providers/codex-cli/login", kind="api-key", api_key=KEY)[0], 303, "the form")
        login_with(server, CODEX, state="completed")
        kept = json.loads((harness.scratch() / "codex-login/auth.json").read_text(encoding="utf-8"))
        equal(kept, {"OPENAI_API_KEY": KEY}, "what the program keeps")
        everything = json.dumps(api(server, "/audit")[2]) + server.text() + page(server) + json.dumps(login(server, CODEX))
        lacks(everything, KEY, "what is shown and kept")
        for file in (harness.scratch() / "state").rglob("*"):
            check(not file.is_file() or KEY.encode() not in file.read_bytes(), f"{file} holds the key")


def test_login_ends():
    """by a time-out, by being cancelled, by the program's refusal, and with the daemon; no process is left"""
    control, programs = fake_programs()
    with daemon(**programs) as server:
        must(server, CODEX, 202, {"timeout_seconds": 1})
        found = login_with(server, CODEX, state="failed")
        contains(found["reason"], "in time", f"{found}")
        check(found["remedy"], f"{found}")
        must(server, CODEX + "/cancel", 409)
        must(server, CODEX, 202, {"timeout_seconds": 2**61 + 1})  # in milliseconds, that is one second more than 2**64
        found = login_with(server, CODEX, code="WXYZ-12345")
        check(found["ends_at"][:16] != found["started_at"][:16], f"a time that is too long: {found}")
        equal(submit(server, "/providers/codex-cli/login/cancel")[0], 303, "the form")
        login_with(server, CODEX, state="cancelled")
        (control / "denied").touch()
        must(server, CODEX, 202, {})
        contains(login_with(server, CODEX, state="failed")["reason"], "the login was refused", "the reason")
        (control / "denied").unlink()
        must(server, CODEX, 202, {})
        login_with(server, CODEX, code="WXYZ-12345")
    equal(harness.processes_with(str(harness.scratch())), [], "processes left behind")


def test_login_of_others():
    """no login where there is none, and none where the deployment owns the settings"""
    _, programs = fake_programs()
    with daemon(**programs) as server:
        contains(must(server, "/providers/codex-api/logins", 422)["title"], "no login of its own", "a service")
        must(server, "/providers/none/logins", 404)
        must(server, CODEX, 404, method="GET")
        must(server, CODEX + "/cancel", 409)
    with daemon(**programs, JCA_PROVIDER_CONFIG_MODE="provisioned") as server:
        contains(must(server, CODEX, 409)["title"], "provisioned by its deployment", "the refusal")
        equal(submit(server, "/providers/codex-cli/login")[0], 409, "the form")
        lacks(page(server), "Authenticate in browser", "the page")


def test_missing_program():
    """a program that is not there is named, with what to do"""
    with daemon(JCA_CODEX_CLI_PROGRAM=harness.scratch() / "nothing") as server:
        equal(provider(server, "codex-cli")["logins"], ["browser"], "the kinds")
        must(server, CODEX, 202)
        found = login_with(server, CODEX, state="failed")
        contains(found["reason"], str(harness.scratch() / "nothing"), "the reason")
        check(found["remedy"], f"{found}")


# ---- Models and self-tests ----

def test_models():
    """the list that the service gave, with its age; it stays while the service is away, and the reason is told"""
    with harness.simulator() as sim, daemon(JCA_OPENAI_COMPATIBLE_MODEL="sim-1") as server:
        path = "/providers/openai-compatible/models"
        settled(server, "openai-compatible")
        found = must(server, path, 200, method="GET")
        equal((found["models"], found["listed_at"], found["state"]), ([], "", "skipped"), f"{found}")
        contains(page(server), "No list of models yet: not run, because settings failed", "the page")
        must(server, "/providers/openai-compatible/settings", 204, {"fields": {"base_url": sim.url + "/v1"}}, "PATCH")
        found = wait_for(lambda: (lambda now: now if now["models"] else None)(must(server, path, 200, method="GET")), "a list")
        equal([one["id"] for one in found["models"]], ["sim-1"], f"{found}")
        settled(server, "openai-compatible")
        contains(page(server), '<datalist id="openai-compatible.model-list"><option value="sim-1">', "the page")
        sim.stop()
        must(server, "/providers/openai-compatible/checks", 202)
        found = wait_for(lambda: (lambda now: now if now["state"] == "skipped" else None)(
            must(server, path, 200, method="GET")), "the failing list")
        equal([one["id"] for one in found["models"]], ["sim-1"], f"{found}")
        contains(found["reason"], "reach failed", f"{found}")
        must(server, "/providers/none/models", 404, method="GET")


def test_self_test_progress():
    """a self-test is told turn by turn and tool by tool, and stays to be read"""
    with harness.simulator() as sim, daemon(**simulated(sim.url)) as server:
        equal(settled(server, "openai-compatible")["progress"], [], "before")
        must(server, "/providers/openai-compatible/checks", 202, {"self_test": True})
        found = wait_for(lambda: (lambda now: now if now["state"] == "ready" else None)(
            provider(server, "openai-compatible")), "ready")
        done = [one["name"] for one in found["progress"] if one["event"] == "tool_end"]
        for tool in ("read_file", "edit_file", "run_command", "inspect_diff", "submit_result"):
            check(tool in done, f"{tool} is not among {done}")
        check(any(one["event"] == "turn_begin" and one["turn"] == 2 for one in found["progress"]), f"{found['progress']}")
        contains(page(server), ">Turn 2</strong>", "the page")
        entries = wait_for(lambda: api(server, "/audit?kind=check")[2]["entries"], "the audit")
        equal([(one["subject"], one["text"]) for one in entries], [("openai-compatible", "self-test: ready")], "the audit")


# ---- Jobs as they run ----

def parts(server, path, headers=None):
    """Event, id and data of each event of a stream that ends."""
    text = harness.request(server.url + path, headers=headers)[2].decode()
    found = []
    for part in text.split("\n\n"):
        lines = [line.partition(": ") for line in part.split("\n") if line]
        values = {name: value for name, _, value in lines if name != "data"}
        if "event" in values:
            data = "\n".join(value for name, _, value in lines if name == "data")
            found.append((values["event"], values.get("id"), data))
    return found


def test_live_lines():
    """a job's lines come as they will stand on its page, what the model says piece by piece, and go on after the last one"""
    evil = "<img src=x onerror=alert(1)>\nevent: end"
    first, *rest = harness.job_steps()
    first = {"text": evil, "tool_calls": [{"name": "read_file", "arguments": {"path": evil}}, *first["tool_calls"]]}
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script([first, *rest])) as sim, \
            daemon(**simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible")) as server:
        settled(server, "openai-compatible")
        name = must(server, "/jobs", 201, {"schema": "mergeloom.job.v1", "repository": {"path": str(repo)}, "ticket": {
            "key": "T-1", "title": "Mend", "description": harness.MARK}})["id"]
        found = parts(server, f"/live/{name}/events")
        equal(found[-1][0], "end", f"{found}")
        lines = [data for event, _, data in found if event == "line"]
        lacks("".join(lines), "<img", "the lines")
        contains("".join(lines), "&lt;img src=x onerror=alert(1)&gt;", "the lines")
        said = "".join(data for event, _, data in found if event == "said")
        contains(said, evil, "what the model said, which is text and no markup")
        check(all(line.startswith("<li>") and line.endswith("</li>") for line in lines), f"{lines}")
        text = harness.request(f"{server.url}/live/{name}")[2].decode()
        for line in lines:
            if 'class="said"' not in line:
                contains(text, line, "the page, loaded again")
        middle = [number for event, number, _ in found if event == "line"][10]
        later = parts(server, f"/live/{name}/events", {"Last-Event-ID": middle})
        equal([one for one in later if one[0] in ("line", "said")],
              [one for one in found if one[0] in ("line", "said") and int(one[1]) > int(middle)], "after the tenth line")
        equal(harness.request(server.url + "/live/none/events")[0], 404, "no such job")


harness.main(globals())
