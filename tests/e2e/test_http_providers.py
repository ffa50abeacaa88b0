#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What every provider that speaks HTTP has to stand, in one table: the demo with faults on its way, keys that expire,
private certificate authorities, proxies that ask for a login, models that are not there."""
import concurrent.futures
import hashlib
import itertools
import json
import pathlib
import re
import socket
import subprocess

import api_cases
import harness
from harness import BUILD, KEY, check, contains, equal, lacks

# What leads a provider to a server: the variables of its address, its key and its model.
PROVIDERS = {
    "aws-bedrock": {"JCA_BEDROCK_ENDPOINT_URL": "URL", "JCA_AWS_BEDROCK_CONTROL_ENDPOINT_URL": "URL",
                    "JCA_BEDROCK_REGION": "us-east-1", "JCA_BEDROCK_AUTH_METHOD": "bearer_token",
                    "AWS_BEARER_TOKEN_BEDROCK": KEY, "JCA_BEDROCK_MODEL_ID": "MODEL"},
    "azure-foundry": {"JCA_AZURE_FOUNDRY_ENDPOINT": "URL", "JCA_AZURE_FOUNDRY_API_KEY": KEY,
                      "JCA_AZURE_FOUNDRY_ROUTE": "v1", "JCA_AZURE_FOUNDRY_MODEL": "MODEL"},
    "claude-api": {"JCA_ANTHROPIC_BASE_URL": "URL", "JCA_ANTHROPIC_API_KEY": KEY, "JCA_ANTHROPIC_MODEL": "MODEL"},
    "codex-api": {"JCA_OPENAI_BASE_URL": "URL/v1", "JCA_OPENAI_API_KEY": KEY, "JCA_OPENAI_MODEL": "MODEL"},
    "openai-compatible": {"JCA_OPENAI_COMPATIBLE_BASE_URL": "URL/v1", "JCA_OPENAI_COMPATIBLE_API_KEY": KEY,
                          "JCA_OPENAI_COMPATIBLE_MODEL": "MODEL"},
    "vertex-ai": {"JCA_VERTEX_BASE_URL": "URL", "JCA_VERTEX_PROJECT_ID": "test-project",
                  "JCA_VERTEX_LOCATION": "us-central1", "JCA_VERTEX_AUTH_METHOD": "access_token",
                  "JCA_VERTEX_ACCESS_TOKEN": KEY, "JCA_VERTEX_MODEL": "MODEL"},
}
# Of the fields that each has, those that an operator fills in; the ones of every HTTP provider are told apart.
FIELDS = {
    "aws-bedrock": "auth_method region model access_key_id secret_access_key session_token profile bearer_token",
    "azure-foundry": "auth_method endpoint model api_key tenant_id client_id client_secret client_certificate_path "
                     "federated_token_file bearer_token token_scope",
    "claude-api": "api_key model base_url anthropic_version auth_header",
    "codex-api": "api_key model base_url organization project",
    "openai-compatible": "base_url api_key model",
    "vertex-ai": "auth_method credentials_path service_account_json access_token endpoint_mode endpoint_url project_id "
                 "location publisher model",
}
TRANSPORT = "connect_timeout first_byte_timeout idle_timeout total_timeout max_retries extra_headers ca_file proxy proxy_login"
LOGIN = "worker:p@ss:word/not-a-secret"
ESCAPED_LOGIN = "worker:p%40ss%3Aword%2Fnot-a-secret"


def variable(provider, field):
    return f"JCA_{provider.replace('-', '_').upper()}_{field.upper()}"


def everywhere(field, value):
    """The field of every provider."""
    return {variable(provider, field): value for provider in PROVIDERS}


def settings_of(provider, url, model="sim-1"):
    return {name: value.replace("URL", url) if value.startswith("URL") else model if value == "MODEL" else value
            for name, value in PROVIDERS[provider].items()}


def checked(url, model="sim-1", **more):
    """The checks of all of them by provider and name, from one run, in which no secret is shown."""
    settings = {"JCA_WORKER_SCRATCH_PATH": harness.scratch(), **everywhere("max_retries", "0")}
    for provider in PROVIDERS:
        settings.update(settings_of(provider, url, model))
    finished = harness.mergeloom("check", "--no-self-test", "--json", *PROVIDERS,
                                 environment=harness.clean_environment(**{**settings, **more}))
    for secret in (KEY, "p@ss", "p%40ss"):
        lacks(finished.everything(), secret, "what is printed")
    reports = json.loads(finished.out)["providers"]
    found = {report["id"]: {one["name"]: one for one in report["checks"]} for report in reports}
    equal(sorted(found), sorted(PROVIDERS), "providers that were checked")
    return found


def all_pass(found, *names):
    for provider, checks in found.items():
        for name in names or ("credential", "reach"):
            equal(checks[name]["state"], "pass", f"{name} of {provider}: {checks[name]}")


def all_fail(found, name, reason, *remedies):
    for provider, checks in found.items():
        equal(checks[name]["state"], "fail", f"{name} of {provider}: {checks[name]}")
        contains(checks[name]["reason"], reason, f"the reason of {provider}")
        for remedy in remedies:
            contains(checks[name]["remedy"], remedy, f"the remedy of {provider}")


def simulator():
    return harness.simulator({"models": ["sim-1"], "key": KEY, "conversations": []})


def certificate():
    """Of an authority of this test's own, for localhost."""
    path = harness.scratch()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", path / "tls.key", "-out", path / "tls.crt", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, stderr=subprocess.DEVNULL)
    return path / "tls.crt", path / "tls.key"


def test_listed_with_their_fields():
    """mergeloom providers lists every HTTP provider with its fields and the variables that set them"""
    document = json.loads(harness.must([BUILD / "mergeloom", "providers", "--json"],
                                       environment=harness.clean_environment()))
    listed = {provider["id"]: {field["name"]: field for field in provider["settings"]["fields"]}
              for provider in document["providers"]}
    text = harness.must([BUILD / "mergeloom", "providers"], environment=harness.clean_environment())
    for provider, fields in FIELDS.items():
        for name in f"{fields} {TRANSPORT}".split():
            check(name in listed[provider], f"{provider} has a field {name}")
            check(listed[provider][name]["help"], f"{name} of {provider} is explained")
            check(listed[provider][name]["environment"], f"{name} of {provider} has a variable")
        for name, field in listed[provider].items():
            if not field["advanced"] and field["origin"] == "unset":
                contains(text, field["environment"][0], f"the variable of {name} of {provider}")
        contains(text, provider, "the list for people")


def test_documented_with_their_fields():
    """each field of each provider stands in a table of its page, or in those of settings.md that the page refers to"""
    def named(text):
        rows = "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
        return set(re.findall("`([a-z_0-9]+)`", rows))
    folder = harness.SOURCE / "docs"
    common = (folder / "settings.md").read_text(encoding="utf-8")
    common = named(common.partition("## Fields of every provider")[2].partition("## Fields of the worker")[0])
    document = json.loads(harness.must([BUILD / "mergeloom", "providers", "--json"],
                                       environment=harness.clean_environment()))
    listed = {provider["id"] for provider in document["providers"]}
    equal({*PROVIDERS, "claude-code-cli", "codex-cli"} - listed, set(), "providers that are not listed")
    for provider in document["providers"]:
        page = (folder / f"providers/{provider['id']}.md").read_text(encoding="utf-8")
        contains(page, "(docs/settings.md)", f"the page of {provider['id']}")
        fields = {field["name"] for field in provider["settings"]["fields"]}
        equal(fields - named(page) - common, set(), f"fields that the page of {provider['id']} does not name")


# ---- Jobs ----

def for_each(function, providers=tuple(PROVIDERS)):
    """Calls it for each of them, several at once; all failures are told."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = {provider: pool.submit(function, provider) for provider in providers}
    problems = [f"{provider}: {outcome.exception()}" for provider, outcome in outcomes.items() if outcome.exception()]
    check(not problems, "\n".join(problems))


def run_demo(provider, url, options, repo, model="sim-1", **more):
    environment = {**settings_of(provider, url, model), "JCA_WORKER_SCRATCH_PATH": harness.scratch(),
                   "JCA_WORKER_ALLOWED_COMMANDS": "git,python3", **more}
    finished = harness.mergeloom("run", "--repo", repo, "--json", *options,
                                 environment=harness.clean_environment(**environment))
    equal(finished.status, 0, f"exit status of {finished!r}")
    harness.must(harness.DEMO_TESTS, cwd=repo)
    equal(harness.must(["git", "diff", "--name-only"], cwd=repo), "shelf/pages.py\n", "what changed")
    lacks(finished.everything(), KEY, "what is printed")
    return [json.loads(line) for line in finished.out.splitlines()]


def demo_script(*jobs):
    """For the simulator; a job is the title of its ticket and its steps."""
    conversations = [{"name": title, "when": {"user": title}, "steps": steps} for title, steps in jobs]
    return {"models": ["sim-1"], "key": KEY, "conversations": conversations}


# What comes on the way of the demo, each once, and what the event of its retry says; a token that has expired is told by
# the helper that is asked for another too.
FAULTS = {"429": "answered HTTP 429", "500": "answered HTTP 500", "529": "answered HTTP 529",
          "cut": "cut the answer|closed the connection", "stall": "sent nothing more|did not begin to answer",
          "expired token": "answered HTTP 401|ExpiredTokenException"}
# By the name of a row, its provider, its model and settings of its own.
AT_SIMULATOR = {provider: (provider, "sim-1", {}) for provider in PROVIDERS}
BEDROCK_AT_AIMOCK = {"JCA_BEDROCK_PROMPT_CACHING": "off", "JCA_AWS_BEDROCK_CONTROL_ENDPOINT_URL": None}
AT_AIMOCK = {
    **{provider: (provider, "gpt-4o", {}) for provider in PROVIDERS},
    "vertex-ai": ("vertex-ai", "gemini-2.5-pro", {}),
    "aws-bedrock": ("aws-bedrock", "us.anthropic.claude-x-v1:0", BEDROCK_AT_AIMOCK),
    "aws-bedrock-invoke": ("aws-bedrock", "us.anthropic.claude-x-v1:0", {**BEDROCK_AT_AIMOCK, "JCA_BEDROCK_API": "invoke"}),
}


def all_faults_at_simulator(demos):
    def steps(row):
        faults = [{"kind": "status", "status": status, "headers": {"Retry-After-Ms": "10"}} for status in (429, 500, 529)]
        faults += [{"kind": "cut", "after_events": 0}, {"kind": "stall", "after_events": 0}]
        faults += [{"kind": "status", "status": 403, "headers": {"x-amzn-ErrorType": "ExpiredTokenException"}}
                   if row == "aws-bedrock" else {"kind": "status", "status": 401}]
        return [{**step, "fault": {**fault, "times": 1}} if fault else step
                for step, fault in itertools.zip_longest(harness.demo_steps(), faults)]
    return harness.simulator(demo_script(*((demo[2], steps(row)) for row, demo in demos.items())))


def all_faults_at_aimock(demos):
    errors = [(429, "rate_limit_error"), (500, "server_error"), (529, "overloaded_error"), (401, "authentication_error")]

    def steps(row):
        found = api_cases.aimock_steps(reasoning="bedrock" not in row and "azure" not in row)
        for step, (status, kind) in zip(found, errors):
            step["first"] = [{"error": {"message": "not now", "type": kind}, "status": status, "retryAfter": 1}]
        first_only = {"streamingProfile": {"ttft": 0, "tps": 1e-6}}
        found[4]["interrupted"] = [{**first_only, "disconnectAfterMs": 200}]
        found[5]["interrupted"] = [first_only]
        if row == "vertex-ai":
            # Gemini's first event is a piece of the answer, after which nothing is sent again: none comes. libcurl itself
            # asks again where a connection that it has used before is closed.
            found[4]["interrupted"] = [{"latency": 10**9, "disconnectAfterMs": 1}] * 2
            found[5]["interrupted"] = [{"latency": 10**9}]
        return found
    return harness.aimock(jobs=[{"mark": demo[2], "steps": steps(row)} for row, demo in demos.items()])


def stand_all_faults(rows, serve):
    """The demo with its self-test and validation for each row at once; every cell of rows and FAULTS must have come."""
    demos = {row: harness.demo(provider, row) for row, (provider, _, _) in rows.items()}

    def run(row):
        provider, model, more = rows[row]
        repo, options, _, _ = demos[row]
        helper = harness.scratch() / f"helper-{row}"
        helper.write_text(f"#!/bin/sh\necho asked >>{helper}.log\necho {KEY}\n", encoding="utf-8")
        helper.chmod(0o755)
        times = {"idle_timeout": "4", "first_byte_timeout": "4", "max_retries": "4", "credential_command": str(helper)}
        events = run_demo(provider, server.url, options, repo, model=model,
                          **{variable(provider, name): value for name, value in times.items()}, **more)
        said = [event["text"] for event in events if event.get("event") == "retry"]
        equal([fault for fault, words in FAULTS.items() if not any(re.search(words, text) for text in said)], [],
              f"faults that have not come, of {said}")
        # By the check, by the job, and again in its middle.
        equal(pathlib.Path(f"{helper}.log").read_text(encoding="utf-8"), "asked\n" * 3, "how often the helper was asked")
        equal(events[-1]["validation"]["state"], "pass", f"the validation in {events[-1]}")
        contains(events[-1]["summary"], "It rounds up now; all tests pass.", "the summary of the result")
    with serve(demos) as server:
        for_each(run, rows)


def test_all_faults_at_simulator():
    """simulator: the demo of every provider goes on after 429, 500, 529, a cut, a silence and a token that has expired"""
    document = json.loads(harness.must([BUILD / "mergeloom", "providers", "--json"],
                                       environment=harness.clean_environment()))
    of_http = {provider["id"] for provider in document["providers"] if provider["shape"] == "model"}
    for rows in (AT_SIMULATOR, AT_AIMOCK):
        equal({provider for provider, _, _ in rows.values()}, of_http, "providers of the table")
    stand_all_faults(AT_SIMULATOR, all_faults_at_simulator)


def test_all_faults_at_aimock():
    """aimock: the demo of every provider goes on after the same faults"""
    stand_all_faults(AT_AIMOCK, all_faults_at_aimock)


def test_breaks_after_the_first_piece():
    """an answer that is cut, or falls silent, after its first piece: the job fails with the reason, its work is kept"""
    kinds = {"cut": "cut", "stall": "idle_timeout"}
    rows = {f"{provider}-{kind}": (provider, kind) for provider in PROVIDERS for kind in kinds}
    demos = {row: harness.demo(provider, row) for row, (provider, _) in rows.items()}

    def steps(kind):
        found = harness.demo_steps()
        edit = next(number for number, step in enumerate(found) if step["tool_calls"][0]["name"] == "edit_file")
        found[edit + 1] = {"text": "This breaks off in the middle. " * 20, "fault": {"kind": kind, "after_events": 8}}
        return found

    def run(row):
        provider, kind = rows[row]
        repo, options, _, _ = demos[row]
        environment = {**settings_of(provider, server.url), "JCA_WORKER_SCRATCH_PATH": harness.scratch(),
                       "JCA_WORKER_ALLOWED_COMMANDS": "git,python3", variable(provider, "idle_timeout"): "2"}
        finished = harness.mergeloom("run", "--repo", repo, *options, "--no-readiness",
                                     environment=harness.clean_environment(**environment))
        harness.must_complain(finished, 1, kinds[kind])
        harness.must(harness.DEMO_TESTS, cwd=repo)
        contains(finished.everything(), "shelf/pages.py", "what is said of the work that was kept")
    with harness.simulator(demo_script(*((demos[row][2], steps(kind)) for row, (_, kind) in rows.items()))) as server:
        for_each(run, rows)


def test_key_that_expires_in_the_middle_of_a_job():
    """a key that the service refuses in the middle of a job: its helper is asked for another once, and the job goes on"""
    refusals = {
        "vertex-ai": {"error": {"code": 401, "message": "The token has expired.", "status": "UNAUTHENTICATED"}},
        "aws-bedrock": {"message": "The provided bearer token has expired."},
        "claude-api": {"type": "error", "error": {"type": "authentication_error", "message": "expired"}},
    }
    other = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}

    def run(provider):
        repo, options, title, _ = harness.demo(provider)
        helper = harness.scratch() / f"helper-{provider}"
        helper.write_text(f"#!/bin/sh\necho asked >>{helper}.log\nif [ -e {helper}.over ]; then echo {KEY}-2; "
                          f"else echo {KEY}-1; fi\n", encoding="utf-8")
        helper.chmod(0o755)
        keys = []

        def serve(method, path, headers, body):
            text = json.dumps(headers)
            keys.append(1 if f"{KEY}-1" in text else 2 if f"{KEY}-2" in text else 0)
            if keys[-1] == 1 and len(keys) > 3:
                (harness.scratch() / f"helper-{provider}.over").touch()
                return 401 if provider != "aws-bedrock" else 403, \
                    {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}, \
                    json.dumps(refusals.get(provider, other)).encode()
            plain = {name: value.replace(f"{KEY}-{keys[-1]}", KEY) for name, value in headers.items()
                     if name.lower() != "host"}
            return harness.request(server.url + path, method, body or None, plain)
        with harness.simulator(demo_script((title, harness.demo_steps()))) as server, \
                harness.Recorder(answer=serve) as front:
            run_demo(provider, front.url, [*options, "--no-readiness"], repo,
                     **{variable(provider, "credential_command"): str(helper)})
        equal(keys, [1] * 4 + [2] * (len(harness.demo_steps()) - 3), "keys of the requests")
        equal((harness.scratch() / f"helper-{provider}.log").read_text(), "asked\n" * 2, "how often the helper was asked")
    for_each(run)


def test_request_ids():
    """an error of a job carries the id of the request under the name that the service has for it"""
    names = {"aws-bedrock": "x-amzn-RequestId", "azure-foundry": "apim-request-id", "claude-api": "request-id",
             "codex-api": "x-oai-request-id", "openai-compatible": "x-request-id", "vertex-ai": "x-request-id"}

    def failed(provider, repo, options, ids):
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ValidationException", **ids}
        with harness.Recorder(answer=lambda *_: (400, headers, b'{"message": "no"}')) as service:
            environment = {**settings_of(provider, service.url), "JCA_WORKER_SCRATCH_PATH": harness.scratch()}
            finished = harness.mergeloom("run", "--repo", repo, "--json", *options, "--no-readiness",
                                         environment=harness.clean_environment(**environment))
        equal(finished.status, 1, f"exit status of {finished!r}")
        return json.loads(finished.out.splitlines()[-1])["error"].get("request_id")

    def run(provider):
        repo, options, _, _ = harness.demo(provider)
        name = names[provider]
        cases = [({name: "own-1"}, "own-1")]
        if name != "x-request-id":
            cases += [({name: "own-1", "x-request-id": "common-1"}, "common-1"),
                      ({"x-request-id": "common-1", name: "own-1"}, "common-1")]
        for ids, expected in cases:
            equal(failed(provider, repo, options, ids), expected, f"the id of {ids}")
    for_each(run)


# ---- The prompt cache ----

class PromptCache:
    """As Anthropic's models keep prompts, of their own service and of Bedrock: at most four marks; what ends at a mark is
    kept, and is looked for at the mark and at the nineteen blocks before it."""

    def __init__(self):
        self.kept = set()

    def read(self, blocks, marks):
        """How many of the blocks are read from the cache."""
        check(len(marks) <= 4, f"marks: {marks}")
        prefixes, digest = [], hashlib.sha256()
        for block in blocks:
            digest.update(json.dumps(block).encode() + b"\n")
            prefixes.append(digest.hexdigest())
        found = max((place + 1 for mark in marks for place in range(max(mark - 19, 0), mark + 1)
                     if prefixes[place] in self.kept), default=0)
        self.kept |= {prefixes[mark] for mark in marks}
        return found


def prompt_of(body):
    """The blocks of a request of either form, and which of them are marked."""
    request = json.loads(body)
    tools = request.get("tools") or request["toolConfig"]["tools"]
    content = [(message["role"], block) for message in request["messages"] for block in message["content"]]
    blocks, marks = [], []
    for role, block in [("tools", tool) for tool in tools] + [("system", block) for block in request["system"]] + content:
        if "cachePoint" in block:
            marks.append(len(blocks) - 1)
            continue
        if "cache_control" in block:
            marks.append(len(blocks))
        blocks.append((role, {name: value for name, value in block.items() if name != "cache_control"}))
    return blocks, marks


def test_prompt_cache_in_a_long_loop_of_tools():
    """thirty turns of up to twelve calls: each reads all that the one before sent from the cache, with four marks at most"""
    models = {"claude-api": "sim-1", "aws-bedrock": "us.anthropic.claude-x-v1:0"}

    def run(provider):
        repo, options, title, edit = harness.demo(provider)
        loop = [{"reasoning": f"Part {turn}.", "text": "On I go.", "tool_calls": [
            {"name": "read_file", "arguments": {"path": edit["path"], "start_line": turn + call + 1}}
            for call in range(turn * 7 % 12 + 1)]} for turn in range(30)]
        script = demo_script((title, loop + harness.demo_steps()[3:]))
        script["models"] = [models[provider]]
        with harness.simulator(script) as server, harness.Recorder(server.url) as recorder:
            run_demo(provider, recorder.url, [*options, "--no-readiness"], repo, model=models[provider])
        prompts = [prompt_of(body) for method, _, _, body in recorder.requests if method == "POST"]
        equal(len(prompts), len(loop) + 4, "turns")
        cache, with_three, missed = PromptCache(), PromptCache(), 0
        before = []
        for number, (blocks, marks) in enumerate(prompts, 1):
            equal(cache.read(blocks, marks), len(before), f"blocks of turn {number} that are read from the cache")
            missed += with_three.read(blocks, marks[:2] + marks[-1:]) < len(before)
            before = blocks
        check(missed, "without the mark of the turn before some turns would not read it")
    for_each(run, models)


# ---- Checks ----

def test_private_authority():
    """a private certificate authority: each provider names ca_file, and with it the endpoint is reached"""
    paths = certificate()
    with simulator() as server, harness.Recorder(server.url, certificate=paths) as front:
        all_fail(checked(front.url), "reach", "unknown authority", "ca_file")
        all_pass(checked(front.url, **everywhere("ca_file", paths[0])), "credential", "reach")
        found = checked(front.url.replace("localhost", "127.0.0.1"), **everywhere("ca_file", paths[0]))
        all_fail(found, "reach", "another host name", "host name")


def test_proxy_that_asks_for_a_login():
    """a proxy that asks for a login: by the environment or by a setting, told apart when missing and when wrong"""
    paths = certificate()
    trusted = everywhere("ca_file", paths[0])
    with simulator() as server, harness.Recorder(server.url, certificate=paths) as front, \
            harness.Proxy(login=LOGIN) as proxy:
        address = proxy.url.removeprefix("http://")
        for url, name in ((front.url, "HTTPS_PROXY"), (server.url, "http_proxy")):
            ways = {
                "variable": {name: f"http://{ESCAPED_LOGIN}@{address}"},
                "variable and setting": {name: proxy.url, **everywhere("proxy_login", LOGIN)},
                "settings": {**everywhere("proxy", proxy.url), **everywhere("proxy_login", LOGIN)},
            }
            for what, more in ways.items():
                before = len(proxy.heads)
                all_pass(checked(url, **trusted, **more), "credential", "reach")
                check(len(proxy.heads) > before, f"the proxy was asked: {what}")
            all_fail(checked(url, **trusted, **{name: proxy.url}), "reach", "asks for a login (407)", "proxy_login",
                     "HTTPS_PROXY")
            wrong = {name: proxy.url, **everywhere("proxy_login", "worker:other-test-password")}
            all_fail(checked(url, **trusted, **wrong), "reach", "refused its user or password (407)", "proxy_login")
            wrong = {name: f"http://worker:other-test-password@{address}"}
            all_fail(checked(url, **trusted, **wrong), "reach", "refused its user or password (407)", "HTTPS_PROXY")
        check(not any(KEY in str(head) for head in proxy.heads if head[0].startswith("CONNECT")), "no key for the proxy")
    in_address = checked(server.url, **everywhere("proxy", f"http://{ESCAPED_LOGIN}@{address}"))
    all_fail(in_address, "settings", "carries a user name or password", "login")


def test_model_that_is_not_there():
    """a model that the service does not have: told by each provider, with the nearest name where there is a list"""
    told = {"azure-foundry": None, "vertex-ai": "JCA_VERTEX_MODEL"}  # the first lists none, the second thousands
    with simulator() as server:
        for provider, checks in checked(server.url, model="sim-2").items():
            part = told.get(provider, "did you mean sim-1?")
            equal(checks["model"]["state"], "fail" if part else "warn", f"{provider}: {checks}")
            contains(checks["model"]["reason"], "sim-2", f"the model that {provider} was to use")
            contains(checks["model"].get("remedy") or "", part or "", f"the remedy of {provider}")


# ---- What can be wrong, one thing at a time ----

LISTS = {"data": [{"id": "sim-1"}], "publisherModels": [{"name": "publishers/google/models/sim-1"}],
         "modelSummaries": [{"modelId": "sim-1", "inferenceTypesSupported": ["ON_DEMAND"]}], "inferenceProfileSummaries": []}


def refusing(status, body, kind=""):
    """A service whose lists are good, and that refuses everything else."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": kind}

    def answer(method, *_):
        return (200, headers, json.dumps(LISTS).encode()) if method == "GET" else (status, headers, json.dumps(body).encode())
    return harness.Recorder(answer=answer)


def first_failure(provider, url, **more):
    finished = harness.mergeloom("check", provider, "--json", environment=harness.clean_environment(**{
        **settings_of(provider, url), "JCA_WORKER_SCRATCH_PATH": harness.scratch(), variable(provider, "max_retries"): "0",
        "JCA_WORKER_ALLOWED_COMMANDS": "git,python3", **more}))
    equal(finished.status, 4, f"{provider} is not ready: {finished!r}")
    lacks(finished.everything(), KEY, "what is printed")
    failed = [one for one in json.loads(finished.out)["providers"][0]["checks"] if one["state"] == "fail"]
    check(failed, f"a check of {provider} fails: {finished!r}")
    return failed[0]


def openai_error(message, code=None, kind="invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def google_error(code, status, message):
    return {"error": {"code": code, "message": message, "status": status}}


COUNTRY = openai_error("Country, region, or territory not supported", "unsupported_country_region_territory",
                       "request_forbidden")
MISSING = "Publisher Model `projects/p/locations/us-central1/publishers/google/models/sim-1` was not found or your project " \
    "does not have access to it."
NOT_ALLOWED = "Project `1234` is not allowed to use Publisher Model `projects/p/locations/us-central1/publishers/google/" \
    "models/sim-1`"
MARKETPLACE = "Model access is denied due to IAM user or service role is not authorized to perform the required AWS " \
    "Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."
COUNTRIES = "Access to Anthropic models is not allowed from unsupported countries, regions, or territories."
PROFILE = "Invocation of model ID sim-1 with on-demand throughput isn't supported. Retry your request with the ID or ARN of " \
    "an inference profile that contains this model."
KEY_OF_A_PROXY = "key not allowed to access model. This key can only access models=['sim-2']. Tried to access sim-1"
KEY_OF_ANOTHER = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an " \
    "active subscription and use a correct regional API endpoint for your resource."
SUBDOMAIN = "Please provide a custom subdomain for token authentication, otherwise API key is required."
# What services say of the model, the deployment and the place: what it is about, provider, status, body, name of the
# exception, a part of the reason and one of the remedy.
REFUSALS = [
    ("wrong region", "aws-bedrock", 403, {"message": "Credential should be scoped to a valid region. "},
     "InvalidSignatureException", "valid region", "JCA_BEDROCK_REGION"),
    ("wrong region", "aws-bedrock", 400, {"message": COUNTRIES}, "ValidationException", "unsupported countries",
     "run the worker elsewhere"),
    ("access", "aws-bedrock", 403, {"message": "You don't have access to the model with the specified model ID."},
     "AccessDeniedException", "have access to the model", "ask for access to sim-1"),
    ("access", "aws-bedrock", 403, {"message": MARKETPLACE}, "AccessDeniedException", "aws-marketplace",
     "somebody who may aws-marketplace:Subscribe"),
    ("unknown model", "aws-bedrock", 400, {"message": "The provided model identifier is invalid."}, "ValidationException",
     "model identifier", "JCA_BEDROCK_MODEL_ID"),
    ("unknown model", "aws-bedrock", 400, {"message": PROFILE}, "ValidationException", "inference profile", "apac."),
    ("wrong region", "vertex-ai", 404, google_error(404, "NOT_FOUND", MISSING), "", "sim-1", "JCA_VERTEX_LOCATION"),
    ("access", "vertex-ai", 400, google_error(400, "FAILED_PRECONDITION", NOT_ALLOWED), "", "not allowed to use",
     "enable model sim-1 in Model Garden for project test-project"),
    ("unknown model", "vertex-ai", 400, google_error(
        400, "INVALID_ARGUMENT", "countTokens is infeasible for projects/p/locations/us-east5/publishers/google/models/sim-1"),
     "", "infeasible", "JCA_VERTEX_PUBLISHER"),
    ("unknown deployment", "azure-foundry", 404, openai_error("The API deployment for this resource does not exist.",
                                                              "DeploymentNotFound"), "", "deployment",
     "JCA_AZURE_FOUNDRY_MODEL"),
    ("unknown deployment", "azure-foundry", 400, openai_error("Unknown model: sim-1", "unknown_model"), "", "Unknown model",
     "JCA_AZURE_FOUNDRY_MODEL"),
    ("access", "azure-foundry", 403, openai_error("Public access is disabled. Please configure private endpoint.", "403"), "",
     "private endpoint", "this machine's network"),
    ("wrong region", "azure-foundry", 401, {"statusCode": 401, "message": KEY_OF_ANOTHER}, "", "regional API endpoint",
     "JCA_AZURE_FOUNDRY_ENDPOINT"),
    ("wrong region", "azure-foundry", 400, openai_error(SUBDOMAIN, "BadRequest"), "", "custom subdomain",
     "JCA_AZURE_FOUNDRY_ENDPOINT"),
    ("unknown model", "claude-api", 404, {"type": "error", "error": {"type": "not_found_error", "message": "model: sim-1"}},
     "", "sim-1", "correct the model sim-1, or let this key use it"),
    ("access", "claude-api", 403, {"type": "error", "error": {
        "type": "permission_error", "message": "Your API key does not have permission to use the specified resource."}}, "",
     "permission", "allow this key the model sim-1"),
    ("wrong region", "claude-api", 403, {"error": {"type": "forbidden", "message": "Request not allowed"}}, "",
     "Request not allowed", "run the worker elsewhere"),
    ("access", "codex-api", 403, openai_error("Project `proj_x` does not have access to model `sim-1`", "model_not_found"), "",
     "does not have access", "allow this key the model"),
    ("access", "codex-api", 401, openai_error("You have insufficient permissions for this operation. Missing scopes: "
                                              "api.responses.write.", "missing_scope"), "", "Missing scopes",
     "the permissions that the message names"),
    ("access", "codex-api", 404, openai_error("Your organization must be verified to use the model `sim-1`.",
                                              "model_not_found"), "", "must be verified", "verify the organization"),
    ("unknown model", "codex-api", 404, openai_error("The model `sim-1` does not exist or you do not have access to it.",
                                                     "model_not_found"), "", "does not exist", "or let this key use it"),
    ("wrong region", "codex-api", 401, openai_error("Attempted to access resource with incorrect regional hostname. Please "
                                                    "make your request to us.api.openai.com", "incorrect_hostname"), "",
     "us.api.openai.com", "JCA_OPENAI_BASE_URL"),
    ("wrong region", "codex-api", 403, COUNTRY, "", "not supported", "run the worker elsewhere"),
    ("unknown model", "openai-compatible", 404, {"object": "error", "type": "NotFoundError", "code": 404,
                                                 "message": "The model `sim-1` does not exist."}, "", "does not exist",
     "correct the model"),
    ("access", "openai-compatible", 401, openai_error(KEY_OF_A_PROXY, "401", "key_model_access_denied"), "", "sim-2",
     "allow this key the model sim-1"),
    ("wrong region", "openai-compatible", 403, COUNTRY, "", "not supported", "run the worker elsewhere"),
]


def test_what_the_service_refuses():
    """wrong region, model without access, unknown deployment: the check of each provider has a reason and a remedy of its own"""
    def run(number):
        _, provider, status, body, kind, reason, remedy = REFUSALS[number]
        with refusing(status, body, kind) as service:
            got = first_failure(provider, service.url)
        contains(got["reason"], reason, f"the reason of {provider}")
        contains(got["remedy"], remedy, f"the remedy of {provider}")
    equal({(what.replace("deployment", "model"), provider) for what, provider, *_ in REFUSALS},
          set(itertools.product(("wrong region", "access", "unknown model"), PROVIDERS)), "cases")
    for_each(run, range(len(REFUSALS)))


def test_what_the_settings_name():
    """a wrong location and key files that are missing, empty or malformed: the check has a reason and a remedy for each"""
    nothing = "http://127.0.0.1:1"
    folder = harness.scratch()
    (folder / "empty").touch()
    (folder / "bad").write_text("no key at all\n[", encoding="utf-8")
    file = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_BEARER_TOKEN_BEDROCK": None, "JCA_BEDROCK_AUTH_METHOD": "profile",
            "AWS_PROFILE": "default"}
    google = {"JCA_VERTEX_AUTH_METHOD": "adc", "JCA_VERTEX_ACCESS_TOKEN": None}
    azure = {"JCA_AZURE_FOUNDRY_AUTH_METHOD": "client_certificate", "AZURE_TENANT_ID": "contoso.example",
             "AZURE_CLIENT_ID": "test-client"}
    cases = [
        ("vertex-ai", {"JCA_VERTEX_LOCATION": "us-central1/x"}, "us-central1/x", "JCA_VERTEX_LOCATION"),
        ("aws-bedrock", {"JCA_BEDROCK_REGION": "us-eastern"}, "no region of AWS", "us-east-1"),
        ("aws-bedrock", {**file, "AWS_SHARED_CREDENTIALS_FILE": folder / "bad"}, "/bad, line 1",
         "correct this line"),
        ("aws-bedrock", {**file, "AWS_PROFILE": "nobody"}, "nobody", "AWS_PROFILE"),
        ("vertex-ai", {**google, "GOOGLE_APPLICATION_CREDENTIALS": folder / "missing"}, "missing",
         "correct the path"),
        ("vertex-ai", {**google, "GOOGLE_APPLICATION_CREDENTIALS": folder / "bad"}, "no JSON object", "download or create it again"),
        ("azure-foundry", {**azure, "AZURE_CLIENT_CERTIFICATE_PATH": folder / "bad"}, "holds no private key", "PKCS #12"),
        ("codex-api", {"JCA_OPENAI_API_KEY": None, "JCA_OPENAI_API_KEY_FILE": folder / "missing"}, "missing",
         "JCA_OPENAI_API_KEY_FILE"),
        ("claude-api", {"JCA_ANTHROPIC_API_KEY": None, "JCA_ANTHROPIC_API_KEY_FILE": folder / "bad"}, "line",
         "JCA_ANTHROPIC_API_KEY_FILE"),
    ]
    for provider, more, reason, remedy in cases:
        got = first_failure(provider, nothing, **more)
        contains(got["reason"], reason, f"the reason of {provider}, {more}")
        contains(got["remedy"], remedy, f"the remedy of {provider}, {more}")


def test_metadata_services_that_do_not_answer():
    """a machine in no cloud: each metadata service that is not there has its reason; all providers are checked at once"""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        settings = {"JCA_WORKER_SCRATCH_PATH": harness.scratch(),
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
                    "GCE_METADATA_HOST": f"127.0.0.1:{silent.getsockname()[1]}", "METADATA_SERVER_DETECTION": "ping-only",
                    "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
        for provider in ("aws-bedrock", "azure-foundry", "vertex-ai"):
            settings.update(settings_of(provider, "http://127.0.0.1:1"))
        settings.update({"JCA_BEDROCK_AUTH_METHOD": None, "AWS_BEARER_TOKEN_BEDROCK": None, "JCA_VERTEX_AUTH_METHOD": "adc",
                         "JCA_VERTEX_ACCESS_TOKEN": None, "JCA_AZURE_FOUNDRY_API_KEY": None,
                         "JCA_AZURE_FOUNDRY_AUTH_METHOD": "managed_identity"})
        finished = harness.mergeloom("check", "--no-self-test", "--json", environment=harness.clean_environment(**settings))
    report = json.loads(finished.out)
    found = {provider["id"]: {one["name"]: one for one in provider["checks"]} for provider in report["providers"]}
    # One after the other they would take the sum at least; two of them wait for a second and more.
    check(report["duration_ms"] < sum(provider["duration_ms"] for provider in report["providers"]), f"at once: {report}")
    for provider, reason in (("aws-bedrock", "the metadata service of EC2 does not answer"), ("azure-foundry", "no managed identity here"),
                             ("vertex-ai", "no metadata server of Google answers")):
        got = found[provider]["credential"]
        equal(got["state"], "fail", f"{provider}: {got}")
        contains(got["reason"], reason, f"the reason of {provider}")
        check(got["remedy"], f"the remedy of {provider}: {got}")


harness.main(globals())
