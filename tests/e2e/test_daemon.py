#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mergeloomd from the outside: pages, forms, API, jobs, and who may do what."""
import contextlib
import http.client
import html.parser
import json
import re
import signal
import socket
import sqlite3
import threading
import time
import urllib.parse

import harness
from daemon_server import Browser, api, daemon, environment, field, provider, settled, simulated, wait_for
from harness import check, contains, equal, lacks

KEY = harness.KEY
TOKEN = "test-token-not-a-secret"


# ---- Pages ----

def test_pages():
    """every page answers, is whole HTML, forbids what it does not need, and names no secret"""
    with daemon(JCA_ANTHROPIC_API_KEY=KEY) as server:
        for path in ("/", "/providers", "/runs", "/audit", "/health"):
            status, headers, body = harness.request(server.url + path)
            equal(status, 200, path)
            text = body.decode()
            contains(text, "</html>", path)
            lacks(text, KEY, path)
            contains(headers["Content-Security-Policy"], "default-src 'none'", path)
            lacks(headers["Content-Security-Policy"], "unsafe", path)
            check(not re.search(r"<script(?![^>]*src=)|\son\w+=|style=\"", text), f"{path}: inline script or style")
            check(not re.search(r'(?:src|href|action)="(?:https?:)?//', text), f"{path}: something from outside")
        for path in ("/assets/style.css", "/assets/live.js", "/healthz", "/metrics"):
            equal(harness.request(server.url + path)[0], 200, path)
        status, _, body = harness.request(server.url + "/nowhere")
        equal(status, 404, "an unknown page")
        contains(body.decode(), "there is nothing at this address", "an unknown page")
        equal(api(server, "/nowhere")[0], 404, "an unknown route")
        status, headers, problem = api(server, "/jobs", "DELETE")
        equal((status, headers["Content-Type"]), (405, "application/problem+json"), "a wrong method")
        check(problem["status"] == 405 and problem["type"].startswith("urn:mergeloom:error:"), f"{problem}")


def test_third_party_card():
    """a third-party provider has a full card with the fields that it declares"""
    with daemon() as server:
        names = {item["id"] for item in api(server, "/providers")[2]["providers"]}
        check({"openai-compatible", "claude-api", "codex-api"} <= names, f"{names}")
        text = harness.request(server.url + "/providers")[2].decode()
        for name in names:
            for item in provider(server, name)["settings"]["fields"]:
                if item["name"] != "enabled":
                    contains(text, f'id="{name}.{item["name"]}"', f"the card of {name}")


# ---- Settings ----

def test_settings_by_form():
    """a form without scripts writes settings: secrets write-only and sealed, unset again by an empty field"""
    with harness.simulator() as sim, daemon() as server:
        browser = Browser(server)
        status, headers, _ = browser.submit("/providers/openai-compatible/settings", **{
            "openai-compatible.base_url": sim.url + "/v1", "openai-compatible.model": "sim-1",
            "openai-compatible.api_key": KEY})
        equal((status, headers["Location"]), (303, "/providers#openai-compatible"), "the answer")
        equal(field(server, "openai-compatible", "model")["value"], "sim-1", "the model")
        key = field(server, "openai-compatible", "api_key")
        check(key["set"] and key.get("value") is None and key["origin"] == "store" and not key["locked"], f"{key}")
        page = browser.request("GET", "/providers")[2]
        lacks(page, KEY, "the page")
        contains(page, "fingerprint", "the page")
        equal(settled(server, "openai-compatible")["state"], "authenticated", "the state")
        for path in (harness.scratch() / "state/mergeloom").iterdir():
            lacks(path.read_bytes().decode("latin-1"), KEY, str(path))
            equal(path.stat().st_mode & 0o077, 0, f"mode of {path}")
        equal(browser.submit("/providers/openai-compatible/settings",
                             **{"openai-compatible.model": "", "openai-compatible.api_key": ""})[0], 303, "unset")
        check(not field(server, "openai-compatible", "model")["set"], "the model is unset")
        check(field(server, "openai-compatible", "api_key")["set"], "an empty secret changes nothing")
        equal(browser.submit("/providers/openai-compatible/settings",
                             **{"openai-compatible.api_key": "", "clear.api_key": "1"})[0], 303, "clear")
        check(not field(server, "openai-compatible", "api_key")["set"], "the key is removed")
        audit = json.dumps(api(server, "/audit")[2])
        contains(audit, "api_key (unset)", "the audit")
        lacks(audit, KEY, "the audit")
        lacks(server.text(), KEY, "the log")


def test_settings_survive_a_restart():
    """what was written is there after kill -9 and a new start, and after the key was rotated"""
    values = {"fields": {"api_key": KEY, "model": "kept"}}
    server = harness.Server([harness.BUILD / "mergeloomd"], "mergeloomd: ", environment())
    server.url = server.url.removesuffix("/providers")
    wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "it is ready")
    equal(api(server, "/providers/claude-api/settings", "PATCH", values)[0], 204, "the write")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    sealed = (harness.scratch() / "state/mergeloom/provider_secret.key").read_text()
    finished = harness.run([harness.BUILD / "mergeloomd", "rotate-key"], environment())
    equal(finished.status, 0, f"{finished!r}")
    check((harness.scratch() / "state/mergeloom/provider_secret.key").read_text() != sealed, "the key is another one")
    with daemon() as again:
        equal(field(again, "claude-api", "model")["value"], "kept", "the model")
        check(field(again, "claude-api", "api_key")["set"], "the key")
        lacks(again.text(), "damaged", "the log")


def test_locked_and_wrong_settings():
    """409 for what the deployment owns, with its origin; 422 for what does not fit; 404 for what is not there"""
    with daemon(JCA_ANTHROPIC_MODEL="from-the-deployment") as server:
        item = field(server, "claude-api", "model")
        check(item["locked"] and item["value"] == "from-the-deployment", f"{item}")
        status, _, problem = api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "other"}})
        equal(status, 409, "a locked write")
        contains(problem["title"], "JCA_ANTHROPIC_MODEL", "the origin")
        status, _, problem = api(server, "/providers/claude-api/settings", "PATCH",
                                 {"fields": {"base_url": "not a url", "api_key": KEY}})
        equal(status, 422, f"a wrong value: {problem}")
        check(not field(server, "claude-api", "api_key")["set"], "nothing of a refused write is kept")
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"nope": "x"}})[0], 404, "no such field")
        equal(api(server, "/providers/nope/settings", "PATCH", {"fields": {"model": "x"}})[0], 404, "no such provider")
        for body in ("", "[]", "{", '{"fields": 1}', '{"fields": {"model": 1}}'):
            status = harness.request(server.url + "/api/v1/providers/claude-api/settings", "PATCH", body)[0]
            equal(status, 422, f"the body {body!r}")
        page = harness.request(server.url + "/providers")[2].decode()
        contains(page, "locked · JCA_ANTHROPIC_MODEL", "the card")
        check(re.search(r'id="claude-api.model"[^>]*disabled', page), "the field is disabled")


def test_key_and_address():
    """a key of the deployment is sent to no address that a card has: such a write is refused, an older one has no effect"""
    with harness.Recorder(answer=lambda *_: (200, {}, b"{}")) as elsewhere:
        path, write = "/providers/codex-api/settings", {"fields": {"base_url": elsewhere.url + "/v1"}}
        with daemon(JCA_OPENAI_API_KEY=KEY) as server:
            status, _, problem = api(server, path, "PATCH", write)
            equal(status, 422, f"the write: {problem}")
            contains(json.dumps(problem), "api_key from JCA_OPENAI_API_KEY is not sent to the base_url", "the reason")
            lacks(json.dumps(problem), KEY, "the reason")
        with daemon() as server:
            equal(api(server, path, "PATCH", {"fields": {**write["fields"], "model": "m"}})[0], 204, "a card of its own")
            settled(server, "codex-api")
        elsewhere.requests.clear()
        with daemon(JCA_OPENAI_API_KEY=KEY) as server:
            found = settled(server, "codex-api")
            equal(found["state"], "not ready", f"{found}")
            contains(json.dumps(found["checks"]), "remove base_url from the settings store", "the remedy")
            equal(elsewhere.requests, [], "what the server of the card was asked")
            equal(Browser(server).submit("/providers/codex-api/settings", **{"codex-api.base_url": ""})[0], 303, "the emptied field")
            check(field(server, "codex-api", "base_url")["origin"] == "default", "it is removed")


def test_identity_and_address():
    """tokens of the deployment's identity are sent to no address that a card has, even one that the card trusts"""
    def answer(_method, path, _headers, _body):
        granted = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        return 200, {"Content-Type": "application/json"}, json.dumps(granted if "token" in path else {}).encode()
    folder = harness.scratch()
    (folder / "federated").write_text("header.payload.signature", encoding="utf-8")
    with harness.Recorder(answer=answer) as issuer, harness.Recorder(answer=answer) as elsewhere:
        (folder / "google.json").write_text(json.dumps({
            "type": "authorized_user", "client_id": "c", "client_secret": KEY, "refresh_token": "test-refresh-token",
            "token_uri": issuer.url + "/token"}), encoding="utf-8")
        identities = {
            "azure-foundry": ("endpoint", "JCA_AZURE_FOUNDRY_ENDPOINT", "model", {
                "JCA_AZURE_FOUNDRY_AUTH_METHOD": "workload_identity", "AZURE_AUTHORITY_HOST": issuer.url,
                "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client",
                "AZURE_FEDERATED_TOKEN_FILE": folder / "federated"}),
            "vertex-ai": ("base_url", "JCA_VERTEX_BASE_URL", "project_id", {
                "GOOGLE_APPLICATION_CREDENTIALS": folder / "google.json"})}
        every = {name: value for _, _, _, more in identities.values() for name, value in more.items()}
        with daemon(**every) as server:
            for name, (address, _, other, _) in identities.items():
                for url in (elsewhere.url, "https://elsewhere.invalid"):
                    equal(api(server, f"/providers/{name}/settings", "PATCH", {"fields": {
                        address: url, "trust_endpoint": "true", other: "p"}})[0], 204, f"the card of {name}")
                    found = wait_for(lambda name=name, url=url: (lambda found: found if url in json.dumps(found[
                        "checks"]) else None)(settled(server, name)), f"the new address of {name} is looked at")
                    equal(found["state"], "not ready", f"{found}")
                    contains(json.dumps(found["checks"]), "is not to send", f"the reason of {name}")
                    contains(json.dumps(found["checks"]), "in the deployment", f"the remedy of {name}")
        equal(elsewhere.requests, [], "what the server of the cards was asked")
        with daemon(**every, **{variable: elsewhere.url for _, variable, _, _ in identities.values()}) as server:
            for name in identities:
                settled(server, name)
        tokens = [headers.get("Authorization") for _, _, headers, _ in elsewhere.requests]
        check(tokens and set(tokens) == {"Bearer " + TOKEN}, f"what the server of the deployment was asked with: {tokens}")
        check(len({path.split("/")[1] for _, path, _, _ in elsewhere.requests}) > 1, "it was asked by both")


def test_provisioned():
    """in provisioned mode nothing is written, and what a store holds does not count"""
    with daemon() as server:
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "stored"}})[0], 204, "ui")
    with daemon(JCA_PROVIDER_CONFIG_MODE="provisioned") as server:
        check(not field(server, "claude-api", "model")["set"], "the stored model does not count")
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "x"}})[0], 409, "a write")
        equal(api(server, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "7"}})[0], 204,
              "runtime settings have a mode of their own")
        equal(field(server, "worker", "max_turns")["value"], "7", "the runtime setting")


def test_writes_are_whole():
    """kill -9 in the middle of writes leaves the old or the new state, never neither"""
    state = harness.scratch() / "state/mergeloom/provider_config.db"
    for round_number in range(3):
        server = harness.Server([harness.BUILD / "mergeloomd"], "mergeloomd: ", environment())
        server.url = server.url.removesuffix("/providers")
        wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "it is ready")
        written = []

        def write():
            with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                for number in range(1000):
                    body = {"fields": {"model": f"m{number}", "effort": "low" if number % 2 else "high"}}
                    written.append(api(server, "/providers/claude-api/settings", "PATCH", body)[0])

        writer = threading.Thread(target=write)
        writer.start()
        wait_for(lambda: written, "a write")
        time.sleep(0.13 * round_number)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        writer.join()
        rows = dict(sqlite3.connect(state).execute("SELECT field, value FROM setting WHERE owner = 'claude-api'"))
        check(rows, "something was written")
        equal(rows["effort"], "low" if int(rows["model"][1:]) % 2 else "high", f"both halves of one write: {rows}")


# ---- Checks ----

def test_checks():
    """check now, self-test, disable and enable by form; the state is in words"""
    with harness.simulator() as sim, daemon(**simulated(sim.url)) as server:
        browser = Browser(server)
        equal(settled(server, "openai-compatible")["state"], "authenticated", "without the self-test")
        equal(browser.submit("/providers/openai-compatible/self-test")[0], 303, "the self-test")
        wait_for(lambda: provider(server, "openai-compatible")["state"] == "ready", "ready")
        contains(browser.request("GET", "/")[2], ">ready<", "the overview")
        equal(browser.submit("/providers/openai-compatible/disable")[0], 303, "disable")
        equal(provider(server, "openai-compatible")["state"], "disabled", "disabled")
        equal(browser.submit("/providers/openai-compatible/enable")[0], 303, "enable")
        sim.stop()
        equal(api(server, "/providers/openai-compatible/checks", "POST")[0], 202, "check now")
        found = wait_for(lambda: (lambda p: p if p["state"] == "not ready" else None)(
            provider(server, "openai-compatible")), "not ready")
        failed = [item for item in found["checks"] if item["state"] == "fail"]
        check(failed and all(item["remedy"] for item in failed), f"{found['checks']}")
        sim.process.returncode = 0


def test_changed_while_checked():
    """settings that change while a check runs are checked again; the outdated check does not hold that up"""
    worker = harness.scratch() / "worker"
    real = harness.PLAIN_BUILD / "mergeloom-worker"
    worker.write_text(f"""#!/usr/bin/env python3
import subprocess, sys, time
request = sys.stdin.buffer.read()
if b'"check"' in request and b'"openai-compatible"' in request and b'"sim-1"' not in request:
    time.sleep({harness.GUARD})
sys.exit(subprocess.run([{str(real)!r}], input=request).returncode)
""")
    worker.chmod(0o755)
    with harness.simulator() as sim, daemon(MERGELOOM_WORKER=worker) as server:
        wait_for(lambda: provider(server, "openai-compatible")["checking"], "the first check")
        equal(api(server, "/providers/openai-compatible/settings", "PATCH", {"fields": {
            "base_url": sim.url + "/v1", "model": "sim-1", "api_key": KEY}})[0], 204, "the change")
        equal(settled(server, "openai-compatible")["state"], "authenticated", "the state")


# ---- Jobs ----

def submit_job(server, repo, **more):
    status, _, answer = api(server, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "ticket": {"key": "T-1", "title": "Mend the greeting", "description": harness.MARK},
        "repository": {"path": str(repo)}, **more})
    equal(status, 201, f"{answer}")
    return answer["id"]


def test_job():
    """a job runs in a process of its own to its diff, with events as they come"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, \
            daemon(**simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible")) as server:
        equal(settled(server, "openai-compatible")["state"], "authenticated", "the state")
        name = submit_job(server, repo)
        with contextlib.closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)) as stream:
            stream.request("GET", f"/api/v1/jobs/{name}/events")
            answer = stream.getresponse()
            equal(answer.getheader("Content-Type"), "text/event-stream", "the stream")
            text = answer.read().decode()
        events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {\"")]
        check({"turn_begin", "tool_begin", "tool_end", "diff"} <= {event.get("event") for event in events}, text[:2000])
        contains(text, "event: end", "the end of the stream")
        job = api(server, f"/jobs/{name}")[2]
        equal(job["state"], "completed", f"{job}")
        contains(job["diff"], "+", "the diff")
        contains(harness.must(["git", "diff", "--stat"], cwd=repo), "1 file changed", "the work tree")
        page = harness.request(server.url + f"/live/{name}")[2].decode()
        contains(page, "completed", "the page")
        contains(page, "class=\"diff\"", "the page")
        equal(harness.request(server.url + "/live/none")[0], 404, "a page of no job")


def test_workspace_root():
    """repositories lie below the workspaces, by their names and by what links lead to, when they are given and when run"""
    outside = harness.repository(harness.FILES, "outside")
    root = harness.scratch() / "workspaces"
    root.mkdir()
    inside = harness.repository(harness.FILES, "workspaces/inside")
    (harness.scratch() / "way").symlink_to(root)
    (root / "link").symlink_to(outside)
    (root / "swapped").symlink_to(inside)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, daemon(**simulated(
            sim.url, JCA_WORKER_PROVIDER="openai-compatible",
            JCA_WORKER_WORKSPACE_ROOT=harness.scratch() / "way")) as server:
        settled(server, "openai-compatible")
        for path in (outside, root / "link", harness.scratch() / "way/link", harness.scratch() / "way/../outside",
                     harness.scratch() / "way"):
            status, _, problem = api(server, "/jobs", "POST", {
                "schema": "mergeloom.job.v1", "ticket": {"title": "x"}, "repository": {"path": str(path)}})
            equal(status, 403, f"{path}: {problem}")
            contains(problem["title"], "JCA_WORKER_WORKSPACE_ROOT", "the reason")
        equal(api(server, "/providers/openai-compatible/settings", "PATCH", {"fields": {"enabled": "false"}})[0], 204,
              "no job runs now")
        wait_for(lambda: provider(server, "openai-compatible")["state"] == "disabled", "no job runs now")
        name = submit_job(server, harness.scratch() / "way/swapped")
        (root / "swapped").unlink()
        (root / "swapped").symlink_to(outside)
        good = submit_job(server, harness.scratch() / "way/inside")
        equal(api(server, "/providers/openai-compatible/settings", "PATCH", {"fields": {"enabled": "true"}})[0], 204,
              "jobs run again")
        for each, expected in ((name, "failed"), (good, "completed")):
            wait_for(lambda: api(server, f"/jobs/{each}")[2]["state"] not in ("pending", "running"), "it ends")
            job = api(server, f"/jobs/{each}")[2]
            equal(job["state"], expected, f"{job['reason']}")
        contains(api(server, f"/jobs/{name}")[2]["reason"], "JCA_WORKER_WORKSPACE_ROOT", "the reason")
        equal(harness.must(["git", "status", "--porcelain"], cwd=outside), "", "the tree outside")


def test_pending_job():
    """a job whose provider is not ready waits, says why, and is cancelled"""
    repo = harness.repository(harness.FILES)
    with daemon(JCA_WORKER_PROVIDER="claude-api") as server:
        settled(server, "claude-api")
        name = submit_job(server, repo)
        time.sleep(0.3)
        job = api(server, f"/jobs/{name}")[2]
        equal((job["state"], job["provider"]), ("pending", "claude-api"), f"{job}")
        failing = next(each for each in provider(server, "claude-api")["checks"] if each["state"] == "fail")
        for part in ("claude-api", f"check {failing['name']}: {failing['reason']}", failing["remedy"]):
            check(part, f"{failing}")
            contains(job["reason"], part, "the reason")
            contains(html.unescape(harness.request(server.url + "/runs")[2].decode()), part, "the list of runs")
            contains(html.unescape(harness.request(f"{server.url}/live/{name}")[2].decode()), part, "its page")
        equal([each["reason"] for each in api(server, "/jobs?state=pending")[2]["jobs"]], [job["reason"]], "the list")
        for state, found in (("pending", [name]), ("running", [])):
            page = harness.request(f"{server.url}/runs?state={state}")[2].decode()
            equal(re.findall(r'href="/live/([^"]+)"', page), found, f"the list of what is {state}")
        equal(api(server, f"/jobs/{name}/cancel", "POST")[0], 202, "cancel")
        equal(api(server, f"/jobs/{name}")[2]["state"], "cancelled", "the state")
        equal(api(server, f"/jobs/{name}/cancel", "POST")[0], 409, "cancel again")
        status, _, problem = api(server, "/jobs", "POST", {
            "schema": "mergeloom.job.v1", "ticket": {"title": "x", "description": "[JCA]\nprovider=nobody\n[/JCA]"}, "repository": {"path": str(repo)}})
        equal(status, 422, f"a job that is blocked: {problem}")
        contains(problem["title"], "nobody", "the reason")


def test_service_comes_back():
    """a service that was away is found again without being asked for, and the job that waited is done"""
    repo = harness.repository(harness.FILES)
    with harness.simulator() as sim:
        url = sim.url
    with daemon(**simulated(url, JCA_WORKER_PROVIDER="openai-compatible",
                            JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS="1")) as server:
        equal(settled(server, "openai-compatible")["state"], "not ready", "while it is away")
        name = submit_job(server, repo)
        with harness.simulator(harness.job_script(harness.job_steps()), options=["--port", url.rsplit(":", 1)[1]]):
            wait_for(lambda: api(server, f"/jobs/{name}")[2]["state"] not in ("pending", "running"), "the job ends")
            equal(api(server, f"/jobs/{name}")[2]["state"], "completed", "the job")


def test_cancel_and_stop():
    """a running job is cancelled; stopping the daemon hands a running one back"""
    repo = harness.repository(harness.FILES)
    steps = [{"text": "wait", "deliver": {"first_byte_delay_ms": 120000}}]
    with harness.simulator(harness.job_script(steps)) as sim:
        values = simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible",
                           JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS="1", JCA_WORKER_STOP_GRACE_SECONDS="0")
        with daemon(**values) as server:
            settled(server, "openai-compatible")
            first = submit_job(server, repo)
            wait_for(lambda: api(server, f"/jobs/{first}")[2]["state"] == "running", "it runs")
            equal(api(server, f"/jobs/{first}/cancel", "POST")[0], 202, "cancel")
            wait_for(lambda: api(server, f"/jobs/{first}")[2]["state"] == "cancelled", "it is cancelled")
            second = submit_job(server, repo)
            wait_for(lambda: api(server, f"/jobs/{second}")[2]["state"] == "running", "the second runs")
        rows = dict(sqlite3.connect(harness.scratch() / "state/mergeloom/worker_state.db").execute(
            "SELECT id, state FROM job"))
        equal(rows, {first: "cancelled", second: "pending"}, "what is left")
        equal(harness.must(["git", "status", "--porcelain"], cwd=repo), "", "the work tree")


def test_clean_stop():
    """a daemon that is stopped lets its running job finish and takes no other"""
    asked, go_on = threading.Event(), threading.Event()

    def answer(method, path, headers, body):
        """The simulator's, but that of a job only when the daemon is stopping."""
        if harness.MARK.encode() in body:
            asked.set()
            go_on.wait(harness.GUARD)
        return harness.request(sim.url + path, method, body or None,
                               {name: value for name, value in headers.items() if name.lower() != "host"})

    def is_stopping():
        try:
            harness.request(server.url + "/healthz")
        except OSError:
            return True
        return False

    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, harness.Recorder(answer=answer) as gate:
        with daemon(**simulated(gate.url, JCA_WORKER_PROVIDER="openai-compatible", JCA_WORKER_JOB_SLOTS="1",
                                JCA_WORKER_STOP_GRACE_SECONDS="600")) as server:
            settled(server, "openai-compatible")
            first = submit_job(server, repo)
            check(asked.wait(harness.GUARD), "the job asks the model")
            second = submit_job(server, repo)
            server.process.terminate()
            wait_for(is_stopping, "it stops")
            go_on.set()
            equal(server.process.wait(harness.GUARD), 0, "how it ends")
        rows = sqlite3.connect(harness.scratch() / "state/mergeloom/worker_state.db").execute(
            "SELECT id, state, attempts, diff <> '' FROM job")
        equal({name: rest for name, *rest in rows}, {first: ["completed", 1, 1], second: ["pending", 0, 0]},
              "what is left")


# ---- Who may ----

def test_guard():
    """other hosts' names, other sites' pages, forms without their token, wrong tokens: refused"""
    with daemon() as server:
        port = server.url.rsplit(":", 1)[1]
        for host, expected in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), (f"[::1]:{port}", 200),
                               (f"attacker.example:{port}", 403), ("127.0.0.1.attacker.example", 403),
                               ("localhost:abc", 403)):
            equal(harness.request(server.url + "/providers", headers={"Host": host})[0], expected, f"Host {host}")
        browser = Browser(server)
        token = browser.csrf()
        fields = {"claude-api.model": "x"}
        path = "/providers/claude-api/settings"
        for origin in ("http://attacker.example", "null", f"https://127.0.0.1:{port}.attacker.example"):
            equal(browser.request("POST", path, {"csrf": token, **fields}, Origin=origin)[0], 403, f"Origin {origin}")
        equal(browser.request("POST", path, {"csrf": token, **fields}, **{"Sec-Fetch-Site": "cross-site"})[0], 403,
              "a cross-site form")
        equal(browser.request("POST", path, fields)[0], 403, "a form without its token")
        equal(browser.request("POST", path, {"csrf": "0" * 64, **fields})[0], 403, "a form with another token")
        equal(Browser(server).request("POST", path, {"csrf": token, **fields})[0], 403, "another browser's token")
        check(not field(server, "claude-api", "model")["set"], "nothing was written")
        equal(browser.request("POST", path, {"csrf": token, **fields})[0], 303, "the form itself")
        equal(api(server, "/jobs", "POST", {}, {"Origin": "http://attacker.example"})[0], 403, "the API from a page")
        for path in ("/../../etc/passwd", "/assets/../../../etc/passwd", "/live/..%2f..%2fetc%2fpasswd", "/%2e%2e/"):
            check(harness.request(server.url + path)[0] in (400, 404), path)
        with socket.create_connection(("127.0.0.1", int(port))) as raw:
            raw.sendall(f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {5 << 20}\r\n\r\n".encode())
            contains(raw.recv(4096).decode(), " 413 ", "a body that is too large")


def test_access_token():
    """with an access token nothing is shown without it; signing in makes a cookie"""
    with daemon(JCA_WORKER_ACCESS_TOKEN="access-test-token-not-a-secret") as server:
        equal(harness.request(server.url + "/providers")[0], 401, "a page")
        equal(api(server, "/providers")[0], 401, "the API")
        equal(api(server, "/providers", headers={"Authorization": "Bearer wrong"})[0], 401, "a wrong token")
        good = {"Authorization": "Bearer access-test-token-not-a-secret"}
        equal(api(server, "/providers", headers=good)[0], 200, "the token")
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "x"}}, good)[0], 204, "a write")
        browser = Browser(server)
        equal(browser.request("POST", "/sign-in", {"token": "wrong"})[0], 401, "a wrong sign-in")
        equal(browser.request("POST", "/sign-in", {"token": "access-test-token-not-a-secret"})[0], 303, "signing in")
        equal(browser.request("GET", "/providers")[0], 200, "the page")
        equal(harness.request(server.url + "/healthz")[0], 200, "the probe of a supervisor")


def test_refuses_to_listen():
    """no open listener without a token or TLS termination; --check-config says what is in effect"""
    binary = harness.BUILD / "mergeloomd"
    finished = harness.run([binary], environment(JCA_WORKER_HOST="0.0.0.0"))
    equal(finished.status, 2, f"{finished!r}")
    contains(finished.err, "JCA_WORKER_ACCESS_TOKEN", "the remedy")
    finished = harness.run([binary, "--check-config"], environment(JCA_WORKER_CLUSTER_TOKEN=KEY))
    equal(finished.status, 0, f"{finished!r}")
    lacks(finished.everything(), KEY, "the configuration")
    contains(finished.out, "[JCA_WORKER_CLUSTER_TOKEN]", "the origin")
    contains(finished.out, "[default]", "a default")
    equal(harness.run([binary, "--check-config"], environment(JCA_WORKER_PORT="x")).status, 2, "a wrong port")
    equal(harness.run([binary, "--nope"], environment()).status, 2, "a wrong option")


def test_markup_in_texts():
    """text of tickets, models and settings stays text"""
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    repo = harness.repository(harness.FILES)
    with daemon(JCA_WORKER_NAME=evil, JCA_ANTHROPIC_MODEL="m<b>", JCA_WORKER_PROVIDER="claude-api") as server:
        settled(server, "claude-api")
        name = submit_job(server, repo, ticket={"key": evil, "title": evil, "description": evil})
        for path in ("/", "/providers", "/runs", f"/live/{name}", "/audit?subject=" + urllib.parse.quote(evil)):
            text = harness.request(server.url + path)[2].decode()
            lacks(text, "<script>alert", path)
            lacks(text, "<img", path)
            parser = html.parser.HTMLParser()
            parser.feed(text)
        contains(harness.request(server.url + "/runs")[2].decode(), "&lt;script&gt;", "the list of runs")
        csv = harness.request(server.url + "/api/v1/audit?format=csv")[2].decode()
        contains(csv, "time,kind,subject,text", "the export")


def test_audit_in_parts():
    """a long audit is shown in parts, each with the filter"""
    with daemon() as server:
        path = harness.scratch() / "state/mergeloom/worker_state.db"
        with contextlib.closing(sqlite3.connect(path, timeout=harness.GUARD)) as database, database:
            database.executemany("INSERT INTO audit (time_ms, kind, subject, text) VALUES (1, 'daemon', 'long', ?)",
                                 [(f"line {number}",) for number in range(510)])
        first = harness.request(server.url + "/audit?subject=long")[2].decode()
        equal(len(re.findall("<tr id=\"entry-", first)), 500, "the first part")
        contains(first, ">line 509<", "the newest")
        oldest = re.search('name="before" value="([0-9]+)"', first)[1]
        second = harness.request(server.url + f"/audit?subject=long&kind=&before={oldest}")[2].decode()
        equal(re.findall(">(line [0-9]+)<", second), [f"line {number}" for number in range(9, -1, -1)], "the second part")
        lacks(second, "name=\"before\"", "the second part")


# ---- Gateway and executors ----

TOKEN = "cluster-test-token-not-a-secret"


def gateway_values(**more):
    return {"JCA_WORKER_ROLE": "gateway", "JCA_WORKER_NAME": "gateway", "JCA_WORKER_CLUSTER_TOKEN": TOKEN,
            "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1", **more}


def executor_values(gateway, name, **more):
    return {"JCA_WORKER_ROLE": "executor", "JCA_WORKER_NAME": name, "JCA_WORKER_CLUSTER_TOKEN": TOKEN,
            "JCA_WORKER_GATEWAY_URL": gateway.url, "JCA_PROVIDER_CONFIG_MODE": "gateway",
            "JCA_WORKER_RUNTIME_CONFIG_MODE": "gateway", "XDG_STATE_HOME": harness.scratch() / name,
            "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1", "JCA_WORKER_STOP_GRACE_SECONDS": "0", **more}


def can_work(server, name):
    return wait_for(lambda: provider(server, name)["state"] in ("authenticated", "ready"), f"{name} can work")


def test_cluster_token():
    """executor routes open with the cluster token only, and it opens nothing else"""
    good, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer wrong"}
    with daemon(**gateway_values()) as server:
        wait_for(lambda: api(server, "/gateway/settings", headers=good)[0] == 200, "the settings")
        for headers in ({}, wrong):
            equal(api(server, "/gateway/settings", headers=headers)[0], 401, f"settings with {headers}")
            equal(api(server, "/gateway/claim", "POST", {"executor": "x"}, headers)[0], 401, f"a claim with {headers}")
        equal(api(server, "/providers", headers=good)[0], 401, "the cluster token for the API")
        equal(api(server, "/gateway/jobs/none/lease", "POST", {"executor": "x"}, good)[0], 409, "a lease of no job")
        equal(api(server, "/gateway/claim", "POST", {}, good)[0], 422, "a claim without a name")
        equal(api(server, "/gateway/claim", "POST", {"executor": "x", "ready": ","}, good)[0], 204, "no job")
    with daemon() as server:
        equal(api(server, "/gateway/settings", headers=good)[0], 403, "a daemon without a cluster token")


def test_executors_follow():
    """an executor takes its settings from the gateway, follows changes, cannot write, and goes on alone"""
    with harness.simulator() as sim, daemon(**gateway_values()) as gateway:
        equal(api(gateway, "/providers/openai-compatible/settings", "PATCH", {"fields": {
            "base_url": sim.url + "/v1", "model": "first", "api_key": KEY}})[0], 204, "a write on the gateway")
        with daemon(**executor_values(gateway, "one")) as executor:
            item = wait_for(lambda: (lambda f: f if f["value"] == "first" else None)(
                field(executor, "openai-compatible", "model")), "the settings")
            check(item["locked"] and item["origin"] == "gateway", f"{item}")
            check(field(executor, "openai-compatible", "api_key")["set"], "the secret")
            equal(api(executor, "/providers/openai-compatible/settings", "PATCH", {"fields": {"model": "x"}})[0], 409,
                  "a write on the executor")
            status, _, answer = api(executor, "/jobs", "POST", {"schema": "mergeloom.job.v1", "ticket": {"title": "x"},
                                                                "repository": {"path": str(harness.repository(harness.FILES))}})
            equal(status, 409, f"a job submitted to an executor: {answer}")
            contains(harness.request(executor.url + "/runs")[2].decode(), "Jobs are on the gateway", "its list of runs")
            lacks(harness.request(executor.url + "/providers")[2].decode(), "/disable", "its cards")
            equal(api(gateway, "/providers/openai-compatible/settings", "PATCH", {"fields": {"model": "sim-1"}})[0], 204,
                  "a change")
            wait_for(lambda: field(executor, "openai-compatible", "model")["value"] == "sim-1", "the change")
            can_work(executor, "openai-compatible")
            wait_for(lambda: any(item["name"] == "one" and ",openai-compatible," in item["ready"]
                                 for item in api(gateway, "/executors")[2]["executors"]), "the gateway knows it")
            contains(harness.request(gateway.url + "/")[2].decode(), "<td>one</td>", "the overview")
            gateway.stop()
            gateway.process.returncode = 0
            equal(harness.request(executor.url + "/readyz")[0], 200, "it goes on")
            equal(field(executor, "openai-compatible", "model")["value"], "sim-1", "with the last good copy")
            for path in (harness.scratch() / "one").rglob("*"):
                if path.is_file():
                    lacks(path.read_bytes().decode("latin-1"), KEY, str(path))


def test_pending_on_executors():
    """a job that no executor can take says of each why, and what to do; then where it will run"""
    def reason():
        return api(gateway, f"/jobs/{name}")[2]["reason"]

    repo = harness.repository(harness.FILES)
    with daemon(**gateway_values(JCA_WORKER_PROVIDER="claude-api")) as gateway:
        name = submit_job(gateway, repo)
        contains(reason(), "claude-api is ready; there is no executor yet", "the reason")
        with daemon(**executor_values(gateway, "one")) as one, daemon(**executor_values(gateway, "two")):
            failing = next(each for each in settled(one, "claude-api")["checks"] if each["state"] == "fail")
            text = f"check {failing['name']}: {failing['reason']}; {failing['remedy']}"
            for executor in ("one", "two"):
                wait_for(lambda: f"; {executor}: {text}" in reason(), f"{executor} in the reason: {reason()}")
            equal(api(gateway, "/providers/claude-api/settings", "PATCH", {"fields": {"enabled": "false"}})[0], 204,
                  "it is disabled")
            wait_for(lambda: "; one: it is disabled; two: it is disabled" in reason(), f"the change: {reason()}")
        good = {"Authorization": f"Bearer {TOKEN}"}
        equal(api(gateway, "/gateway/claim", "POST", {"executor": "ready", "ready": ",claude-api,", "only_wait": True},
                  good)[0], 204, "an executor that is ready")
        contains(reason(), "claude-api is ready on ready", "the reason")
        another = submit_job(gateway, repo)
        listed = {item["id"]: item["reason"] for item in api(gateway, "/jobs?state=pending")[2]["jobs"]}
        equal(listed, dict.fromkeys((name, another), reason()), "the reasons in the list")


def test_lost_executor():
    """a job goes to an executor; one that is killed loses it to another, and the job ends once"""
    repo = harness.repository(harness.FILES)
    steps = harness.job_steps()
    steps[0]["deliver"] = {"first_byte_delay_ms": 1500}
    with harness.simulator(harness.job_script(steps)) as sim, \
            daemon(**gateway_values(**simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible"))) as gateway:
        name = submit_job(gateway, repo)
        binary = harness.BUILD / "mergeloomd"
        first = harness.Server([binary], "mergeloomd: ", environment(**executor_values(gateway, "first")))
        try:
            wait_for(lambda: api(gateway, f"/jobs/{name}")[2]["state"] == "running", "it runs")
            equal(api(gateway, f"/jobs/{name}")[2]["executor"], "first", "the executor")
        finally:
            first.process.kill()
            first.process.wait()
            first.log.close()
        with daemon(**executor_values(gateway, "second")):
            wait_for(lambda: api(gateway, f"/jobs/{name}")[2]["state"] not in ("pending", "running"), "it ends")
            job = api(gateway, f"/jobs/{name}")[2]
            equal((job["state"], job["executor"], job["attempts"]), ("completed", "second", 2), f"{job['reason']}")
            equal(json.dumps(api(gateway, f"/audit?subject={name}")[2]).count('"completed"'), 1, "ends in the audit")
            good = {"Authorization": f"Bearer {TOKEN}"}
            equal(api(gateway, f"/gateway/jobs/{name}/end", "POST",
                      {"executor": "first", "claim": 1, "state": "failed"}, good)[0], 409, "a late word of the first")


# ---- Crashes ----

def test_crash():
    """a child that dies costs its check and is named; the daemon goes on"""
    worker = harness.scratch() / "worker"
    real = harness.PLAIN_BUILD / "mergeloom-worker"
    worker.write_text(f"""#!/usr/bin/env python3
import os, signal, subprocess, sys
request = sys.stdin.buffer.read()
if b'"check"' in request and b'"claude-api"' in request:
    os.kill(os.getpid(), signal.SIGSEGV)
sys.exit(subprocess.run([{str(real)!r}], input=request).returncode)
""")
    worker.chmod(0o755)
    with daemon(MERGELOOM_WORKER=worker) as server:
        found = settled(server, "claude-api")
        equal(found["state"], "not ready", f"{found}")
        contains(json.dumps(found["checks"]), "signal 11", "the reason")
        for _ in range(2):
            api(server, "/providers/claude-api/checks", "POST")
            wait_for(lambda: not provider(server, "claude-api")["checking"], "the check ends")
        check(provider(server, "claude-api")["quarantined"], "three crashes")
        contains(harness.request(server.url + "/providers")[2].decode(), "crashed 3 times", "the card")
        contains(json.dumps(api(server, "/audit?kind=plugin")[2]), "claude-api", "the audit")
        check(settled(server, "openai-compatible")["checks"], "others are checked")


harness.main(globals())
