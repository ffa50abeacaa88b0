#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Markup in every text that a plugin, a model, a ticket, a repository, a service or an executor can supply: mergeloomd
shows all of it, as text."""
import contextlib
import csv
import html.parser
import io
import json
import urllib.parse

import harness
from daemon_server import MOCKS, Browser, api, daemon, needs_browser, only_plugins, settled, tell_browser, wait_for
from harness import check, contains, equal

CLUSTER = "cluster-test-token-not-a-secret"
EXECUTOR = {"Authorization": f"Bearer {CLUSTER}"}
FORMULA = "=cmd|'/c calc'!A1"


def evil(place):
    """As in tests/mock-plugins/marked_up.c; the last word tells the places apart. Names of checks are short."""
    if place == "check-name":
        return "\"<i>check-name"
    return f"\"'><img src=x onerror=alert(1)>&lt;{place}"


# Where each of them has to be read: words are its places, of the last page all that begin with it.
SHOWN = {
    "/": "worker workspace title executor",
    "/providers": "worker title description field-title field-help choice default check-name check-reason check-remedy "
                  "model-id model-title login-text service-error",
    "/runs": "key ticket model executor obstacle end-reason",
    "/audit": "crash",
    "/health": "version plugin-failure title executor",
    "ran": "key ticket model said argument command validation summary file content",
    "told": "executor end-reason result-summary diff event-name event-state event-text event-kind event-said",
    "failed": "service-error",
}


class Reader(html.parser.HTMLParser):
    """A page as a browser has it: its texts, and complaints about what must not be in it."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.wrong, self.at = [], [], ""
        self.feed(page)
        self.close()
        self.text = "\n".join(self.texts)

    def handle_starttag(self, tag, attrs):
        self.texts.append(self.at)
        self.at = ""
        for name, value in attrs:
            self.texts.append(value or "")
            if name.startswith("on") or name == "style" or (name in ("href", "src", "action", "formaction") and
                                                            not (value or "").startswith(("/", "#", "https://login.example.test/"))):
                self.wrong.append(f"<{tag} {name}={value!r}>")
        if tag in ("img", "iframe", "object", "embed", "base", "svg", "i") or (tag == "script" and dict(attrs).get("src") != "/assets/live.js"):
            self.wrong.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.texts.append(self.at)
        self.at = ""

    def handle_data(self, data):
        self.at += data


def read(page, what):
    reader = Reader(page)
    equal(reader.wrong, [], what)
    return reader.text


# ---- What is set up ----

def steps():
    return [{"text": evil("said"), "tool_calls": [{"name": "read_file", "arguments": {"path": evil("argument")}},
                                                  {"name": "run_command", "arguments": {"argv": ["git", evil("command")]}}]},
            {"tool_calls": [{"name": "write_file", "arguments": {"path": evil("file")[1:], "content": evil("content") + "\n"}}]},
            {"tool_calls": [{"name": "submit_result", "arguments": {"status": "completed", "summary": evil("summary"), "files_changed": [evil("file")[1:]]}}]}]


# git repeats in its output what it was given.
VALIDATION = {"mode": "advisory", "commands": [["git", evil("validation")]]}


def submit(server, repo, provider, **more):
    status, _, answer = api(server, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "repository": {"path": str(repo)}, **more, "ticket": {
            "key": evil("key"), "title": evil("ticket"),
            "description": f"{harness.MARK}\n[JCA]\nprovider={provider}\n[/JCA]\n{evil('description')}"}})
    equal(status, 201, f"{answer}")
    return answer["id"]


def told(name):
    """What the executor tells of its job, in the order in which it does; what the model says comes in two parts."""
    said = evil("event-said")
    parts = [[{"event": "tool_end", "name": evil("event-name"), "text": evil("event-text"), "state": evil("event-state")},
              {"event": evil("event-kind")}, {"event": "text", "text": said[:9]}], [{"event": "text", "text": said[9:]}]]
    return [*((f"/api/v1/gateway/jobs/{name}/events", {
                "executor": evil("executor"), "claim": 1, "events": events, "source": "one", "first": first})
              for events, first in zip(parts, (0, len(parts[0])))),
            (f"/api/v1/gateway/jobs/{name}/end", {
                "executor": evil("executor"), "claim": 1, "state": "failed", "reason": evil("end-reason"), "crash": FORMULA + evil("crash"), "diff": "+" + evil("diff"),
                "result": json.dumps({"summary": evil("result-summary"), "provider": "claude-api", "model": "m"})})]


@contextlib.contextmanager
def hostile():
    """A daemon to which all of them have come; jobs: the one that ran, that of the executor, and one that waits."""
    def answer(*_):
        return 500, {"Content-Type": "application/json"}, json.dumps({"error": {"message": evil("service-error")}}).encode()

    repo = harness.repository({**harness.FILES, evil("file")[1:] + "-old": "old\n"})
    script = harness.job_script(steps())
    script["models"] = [evil("model")]
    only_plugins("openai-compatible", "claude-api")
    plugins = only_plugins("marked-up", "marked-up-declines", build=MOCKS)
    with harness.simulator(script) as sim, harness.Recorder(answer=answer) as broken, daemon(
            MERGELOOM_PLUGIN_PATH=plugins, JCA_WORKER_NAME=evil("worker"), JCA_WORKER_TENANT_SLUG=evil("workspace"),
            JCA_WORKER_CLUSTER_TOKEN=CLUSTER, JCA_MARKED_UP_BASE_URL=sim.url + "/v1", JCA_MARKED_UP_MODEL=evil("model"),
            JCA_OPENAI_COMPATIBLE_BASE_URL=broken.url + "/v1", JCA_OPENAI_COMPATIBLE_MODEL="m") as server:
        for name in ("marked-up", "openai-compatible"):
            settled(server, name)
        server.jobs = {"ran": submit(server, repo, "marked-up", validation=VALIDATION), "told": submit(server, repo, "claude-api")}
        status, _, answer = api(server, "/gateway/claim", "POST", {
            "executor": evil("executor"), "ready": ",claude-api,",
            "obstacles": {"openai-compatible": evil("obstacle")}}, EXECUTOR)
        equal((status, answer["id"]), (200, server.jobs["told"]), "the claim")
        server.jobs["failed"] = submit(server, repo, "openai-compatible")
        equal(api(server, "/providers/marked-up/logins", "POST", {"kind": "device"})[0], 202, "a login")
        wait_for(lambda: "login-text" in api(server, "/providers/marked-up/logins")[2]["text"], "what the program says")
        job = wait_for(lambda: (lambda found: found if found["ended_ms"] else None)(
            api(server, f"/jobs/{server.jobs['ran']}")[2]), "the job")
        equal(job["state"], "completed", f"{job}")
        server.pages = {shown: f"/live/{server.jobs[shown]}" if shown in server.jobs else shown for shown in SHOWN}
        yield server


def wanting(text, shown):
    return [place for place in SHOWN[shown].split() if evil(place)[1:] not in text]


# ---- Pages, answers, streams ----

def get(server, path):
    status, headers, body = harness.request(server.url + path)
    equal(headers["X-Content-Type-Options"], "nosniff", path)
    return status, headers["Content-Type"].split(";")[0], body.decode()


def must_be_text(server, name):
    """Every line of a job's streams, as they come."""
    status, kind, stream = get(server, f"/live/{name}/events")
    equal((status, kind), (200, "text/event-stream"), "the stream of lines")
    for part in stream.split("\n\n"):
        if "\nevent: line\n" in part:
            read("\n".join(line.removeprefix("data: ") for line in part.split("\n") if line.startswith("data: ")), "a line")
    status, kind, stream = get(server, f"/api/v1/jobs/{name}/events")
    equal((status, kind), (200, "text/event-stream"), "the stream of events")
    for line in stream.splitlines():
        check(line.split(":")[0] in ("", "id", "event", "data"), f"{line!r} is no field of an event")
        if line.startswith("data: "):
            json.loads(line.removeprefix("data: "))


def must_keep_cells(server):
    """The audit as a table: whole cells, and none that a spreadsheet takes for a formula."""
    status, kind, text = get(server, "/api/v1/audit?format=csv")
    equal((status, kind), (200, "text/csv"), "the table")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    check(all(len(row) == 4 for row in rows), f"{rows}")
    equal([cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))], [], "cells")
    check([row for row in rows if row[3].startswith("'" + FORMULA + evil("crash"))], f"{rows}")


def must_be_json(server):
    """All that the API answers."""
    description = json.loads(get(server, "/api/v1/openapi.json")[2])
    routes = [path for path, item in description["paths"].items() if "get" in item and "/events" not in path and "/gateway/" not in path]
    check(len(routes) >= 8, f"{routes}")
    for route in routes:
        for name in server.jobs.values() if "/jobs/" in route else ["marked-up"]:
            path = route.replace("{id}", name)
            status, kind, text = get(server, path)
            equal((status, kind), (200, "application/json"), path)
            json.loads(text)
    for path in ("/nowhere", "/jobs/" + urllib.parse.quote(evil("id")), "/providers/" + urllib.parse.quote(evil("id"))):
        status, kind, text = get(server, "/api/v1" + path)
        equal((status, kind, json.loads(text)["status"]), (404, "application/problem+json", 404), path)


def test_text():
    """every page shows all of it, and none of it is markup; answers are JSON, streams keep to their fields, tables to their cells"""
    with hostile() as server:
        for path, body in told(server.jobs["told"]):
            equal(harness.request(server.url + path, "POST", json.dumps(body), EXECUTOR)[0], 204, path)
        for shown, path in server.pages.items():
            status, kind, page = get(server, path)
            equal((status, kind), (200, "text/html"), path)
            equal(wanting(read(page, path), shown), [], f"what {shown} does not show")
        for path in ("/nowhere/" + urllib.parse.quote(evil("path")), "/live/" + urllib.parse.quote(evil("path")), "/sign-in"):
            read(get(server, path)[2], path)
        contains(read(get(server, "/audit?subject=" + urllib.parse.quote(evil("query")))[2], "a filter"), evil("query"), "a filter")
        status, _, page = Browser(server).submit("/providers/marked-up/settings", **{"marked-up.max_output_tokens": evil("entered")})
        equal(status, 422, "a form that is refused")
        contains(read(page, "a form that is refused"), evil("entered"), "a form that is refused")
        must_be_json(server)
        must_keep_cells(server)
        for name in ("ran", "told"):
            must_be_text(server, server.jobs[name])


def test_browser():
    """Chromium shows all of it, also what comes while one looks, runs none of it and asks for nothing else"""
    needs_browser()
    with hostile() as server:
        tell_browser("markup", server, pages=[(shown.strip("/") or "overview", path, [evil(place)[1:] for place in SHOWN[shown].split()])
                                              for shown, path in server.pages.items()],
                     live=server.pages["told"], told=told(server.jobs["told"]), headers=EXECUTOR)


harness.main(globals())
