#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: usage, resolution, the steps of the self-test, stored results, the screen, signals."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unicodedata
from decimal import Decimal

import harness
from harness import check, contains, equal, lacks

NOWHERE = "http://127.0.0.1:9"


def test_usage():
    """help, version, and every kind of wrong use"""
    equal(harness.mergeloom("--help").status, 0, "--help")
    contains(harness.mergeloom("--version").out, "mergeloom ", "--version")
    for command in ("run", "resolve", "check", "login", "providers", "plugins", "result"):
        finished = harness.mergeloom(command, "--help")
        equal(finished.status, 0, f"{command} --help")
        contains(finished.out, f"Usage: mergeloom {command}", "help")
        equal(harness.mergeloom("help", command).out, finished.out, f"help {command}")
        harness.must_complain(harness.mergeloom(command, "--no-such-option"), 2, "--no-such-option")
        harness.must_complain(harness.mergeloom(command, "-x"), 2, "-x")
    for arguments, part in (([], "command"), (["dance"], "dance"), (["plugins", "more"], "too many"),
                            (["run", "--repo"], "--repo needs a value"), (["run", "--json=1"], "takes no value"),
                            (["check", "--timeout", "soon"], "--timeout"), (["plugins", "--color", "blue"], "--color"),
                            (["plugins", "--plugins", "/no/such/folder"], "/no/such/folder"), (["result"], "no result"), (["login"], "no provider"),
                            (["run", "--ticket", "x"], "repository"), (["run", "--output", "/no/such/folder/x"], "--output"),
                            (["run", "--output", "/tmp"], "directory"),
                            (["run", "--ticket", "x", "--repo", "/etc/passwd"], "not a directory"), (["providers", "nobody"], "nobody"),
                            (["resolve", "--ticket", "/tmp"], "/tmp")):
        harness.must_complain(harness.mergeloom(*arguments), 2, part)


RESOLVE = (
    # ticket, settings, status, provider, layer, model, layer: written by hand from the two ladders
    ("One\n\n[JCA]\nprovider=openai-compatible\nmodel=m1\n[/JCA]\n", {}, 0, "openai-compatible", "directive", "m1", "directive"),
    ("One\r\n\r\n[jca]\r\nPROVIDER = OPENAI-compatible \r\n[/jca]\r\n", {}, 0, "openai-compatible", "directive", "sim-1", "worker"),
    ('{"title": "One", "labels": ["model:m2"]}', {}, 0, "openai-compatible", "worker", "m2", "label"),
    ('{"title": "One", "labels": ["model:m2"]}', {"JCA_WORKER_MODEL_LABELS": "false"}, 0, "openai-compatible", "worker",
     "sim-1", "worker"),
    ('{"title": "One", "labels": ["model:m2", "MODEL:m3"]}', {}, 3, None, None, None, None),
    ("One\n\n[JCA]\nprovider=nobody\n[/JCA]\n", {}, 3, None, None, None, None),
    ("One\n\n[JCA]\nmodel=\n[/JCA]\n", {}, 3, None, None, None, None),
    ("One\n\n[JCA]\nmodel=m1\n", {}, 3, None, None, None, None),
    ("One\n\n[JCA]\nmodel=m1\nmodel=m2\n[/JCA]\n", {}, 3, None, None, None, None),
    ("One\n\n[JCA]\nmodel=m1\n[/JCA]\n", {"JCA_WORKER_ALLOWED_MODELS": "x*"}, 3, None, None, None, None),
    ("One\n\n[JCA]\nmodel=x7\n[/JCA]\n", {"JCA_WORKER_ALLOWED_MODELS": "x*"}, 0, "openai-compatible", "worker", "x7", "directive"),
    ("One\n", {"JCA_WORKER_PROVIDER": None}, 3, None, None, None, None),
)


def test_resolve():
    """resolve: golden cases, as JSON and as text"""
    path = harness.scratch() / "ticket"
    for ticket, settings, status, *expected in RESOLVE:
        path.write_bytes(ticket.encode())
        environment = harness.provider_environment(NOWHERE, **settings)
        finished = harness.mergeloom("resolve", "--ticket", path, "--json", environment=environment)
        equal(finished.status, status, f"{ticket!r}: {finished!r}")
        document = json.loads(finished.out)
        equal(document["blocked"], status == 3, f"blocked of {ticket!r}")
        if status == 0:
            equal([document["provider"]["value"], document["provider"]["layer"], document["model"]["value"],
                   document["model"]["layer"]], expected, repr(ticket))
        else:
            check(document["blockers"], f"blockers of {ticket!r}")
        text = harness.mergeloom("resolve", "--ticket", path, environment=environment)
        equal(text.status, status, f"{ticket!r} as text")
        contains(text.out, "provider", "the explanation")


ASKS = {"title": "Use the mock"}
VETO = "vetoed by mock-layer: the mock layer forbids this model"
PLUGIN_LAYER = (
    # ticket, repository workflow, layer of provider mock, model and its layer (None: blocked), what else became of models
    (ASKS, {}, "mock-layer", ["mock-model", "mock-layer"], {"other-model": ["lost", "the mock-layer decides"]}),
    ({"title": "One"}, {}, "workspace", ["mock-model", "mock-layer"], {"other-model": ["lost", "the mock-layer decides"]}),
    (ASKS, {"model": "own-model"}, "mock-layer", ["own-model", "repository"],
     {"mock-model": ["lost", "the repository workflow decides"], "other-model": ["lost", "the repository workflow decides"]}),
    (ASKS, {"model": "forbidden-model"}, None, [None, None],
     {"forbidden-model": ["refused", VETO], "mock-model": ["lost", "the repository workflow decides"],
      "other-model": ["lost", "the repository workflow decides"]}),
    ({**ASKS, "labels": ["model:forbidden-model"]}, {}, "mock-layer", ["mock-model", "mock-layer"],
     {"forbidden-model": ["refused", VETO], "other-model": ["lost", "the mock-layer decides"]}))


def test_resolve_with_the_layer_of_a_plugin():
    """resolve: what the layer of a plugin proposes and forbids, among the layers of the job"""
    plugins = harness.scratch() / "plugins"
    plugins.mkdir()
    shutil.copy(harness.BUILD / "tests/mock-plugins/.libs/mergeloom-mock-good.so", plugins)
    path = harness.scratch() / "job.json"
    environment = harness.clean_environment()
    for ticket, workflow, provider_layer, model, others in PLUGIN_LAYER:
        path.write_text(json.dumps({
            "schema": "mergeloom.job.v1", "ticket": ticket, "repository": {"path": "/", "workflow": workflow},
            "workspace": {"provider": "mock", "model": "other-model"}}), encoding="utf-8")
        arguments = ["resolve", "--plugins", plugins, "--job", path]
        finished = harness.mergeloom(*arguments, "--json", environment=environment)
        equal(finished.status, 0 if provider_layer else 3, f"{ticket}, {workflow}: {finished!r}")
        document = json.loads(finished.out)
        equal([document["provider"]["layer"], document["model"]["value"], document["model"]["layer"]],
              [provider_layer, *model], f"{ticket}, {workflow}")
        equal({candidate["value"]: [candidate["outcome"], candidate["reason"]]
               for candidate in document["model"]["candidates"] if candidate["outcome"] != "chosen"}, others,
              f"what became of other models: {ticket}, {workflow}")
        text = harness.mergeloom(*arguments, environment=environment)
        if provider_layer is None:
            harness.must_complain(text, 3, "repository.workflow.model: model forbidden-model is " + VETO)
        elif provider_layer == "mock-layer":
            contains(text.out, "provider  mock\n          from the mock-layer, the words of the job\n", "the explanation")


def test_a_plugin_that_crashes_is_named():
    """a plugin that ends the program while it is loaded, or asked, is named"""
    for name in ("abort", "veto"):
        plugins = harness.scratch() / name
        plugins.mkdir()
        shutil.copy(harness.BUILD / "tests/mock-plugins/.libs/mergeloom-mock-good.so", plugins)
        shutil.copy(harness.BUILD / "tests/mock-plugins/.libs/mergeloom-bad-start.so", plugins / f"mergeloom-{name}.so")
        ticket = harness.scratch() / "ticket"
        ticket.write_text("One\n\n[JCA]\nprovider=mock\nmodel=m\n[/JCA]\n", encoding="utf-8")
        finished = harness.mergeloom("resolve", "--plugins", plugins, "--ticket", ticket,
                                     environment=harness.clean_environment())
        harness.must_complain(finished, -signal.SIGABRT, f"a plugin crashed: {plugins}/mergeloom-{name}.so")


def test_resolve_hides_secrets():
    """resolve: a key that stands in a ticket is not printed, whichever part of the explanation quotes it"""
    path = harness.scratch() / "ticket"
    environment = harness.provider_environment(NOWHERE)
    for line, status in ((f"model={harness.KEY}", 0), (f"provider={harness.KEY}", 3), (f"{harness.KEY}=x", 0),
                         (f"context_files={harness.KEY}.txt", 0), (harness.KEY, 3)):
        path.write_text(f"Title\n\n[JCA]\n{line}\n[/JCA]\n", encoding="utf-8")
        for options in ((), ("--json",)):
            finished = harness.mergeloom("resolve", "--ticket", path, *options, environment=environment)
            equal(finished.status, status, f"{line} {options}: {finished!r}")
            lacks(finished.everything(), harness.KEY, f"what is printed for {line} {options}")
            if options or not line.startswith("context_"):
                contains(finished.out, "[redacted]", f"what is printed for {line} {options}")
            if options:
                json.loads(finished.out)


def test_ticket_from_pipe():
    """a ticket from standard input, from a slow pipe, and from a FIFO that nobody writes to"""
    environment = harness.provider_environment(NOWHERE)
    program = f"'{harness.BUILD}/mergeloom' resolve --ticket"
    for command in (f"(sleep 0.3; echo One) | {program} -", f"{program} <(sleep 0.3; echo One)"):
        finished = harness.run(["bash", "-c", command], environment=environment)
        equal(finished.status, 0, f"{command}: {finished!r}")
    fifo = harness.scratch() / "fifo"
    os.mkfifo(fifo)
    harness.must_complain(harness.mergeloom("resolve", "--ticket", fifo, environment=environment), 2, "empty")


# What the model does in the self-test, step by step; each list stops it at the step named.
CALLS = [{"name": "read_file", "arguments": {"path": "code.txt"}},
         {"name": "edit_file", "arguments": {"path": "target.txt", "old_text": "unset", "new_text": "${code}"}},
         {"name": "run_command", "arguments": {"argv": ["git", "--version"]}},
         {"name": "exchange_code", "arguments": {"code": "${code}"}},
         {"name": "inspect_diff", "arguments": {}},
         {"name": "submit_result", "arguments": {"status": "completed", "files_changed": ["target.txt"],
                                                 "summary": "Done, ${confirmation}."}}]


def self_test_script(calls):
    steps = [{"tool_calls": [call]} for call in calls] + [{"when": {"turn": [0, 99]}, "text": "I have done all of it."}]
    return {"models": ["sim-1"], "conversations": [{
        "name": "self-test", "when": {"tool": "exchange_code"}, "steps": steps,
        "capture": {"code": {"from": "tool", "after": "code: ", "otherwise": "ML-guess"},
                    "confirmation": {"from": "tool", "after": "confirmation: ", "otherwise": "MC-guess"}}}]}


def run_self_test(calls):
    with harness.simulator(self_test_script(calls)) as server:
        finished = harness.mergeloom("check", "openai-compatible", "--json",
                                     environment=harness.provider_environment(server.url))
    document = json.loads(finished.out)["providers"][0]
    tools = [one for one in document["checks"] if one["name"] == "tools"][0]
    return finished.status, document["state"], tools


def test_self_test_steps():
    """the self-test names the step at which a model stopped; it cannot be passed by talking or guessing"""
    status, state, tools = run_self_test(CALLS)
    equal((status, state, tools["state"]), (0, "ready", "pass"), repr(tools))
    names = ["call a tool", "edit a file", "run a command", "hand a code to a tool", "inspect the diff", "submit a result"]
    for stop, name in enumerate(names):
        status, state, tools = run_self_test(CALLS[:stop])
        equal((status, state, tools["state"]), (4, "not ready", "fail"), f"after {stop} calls: {tools!r}")
        contains(tools["reason"], name, f"after {stop} calls")
        check(tools["remedy"], "a remedy")
    contains(run_self_test([])[2]["reason"], "only talks", "a model that only talks")
    guessed = [dict(CALLS[5], arguments=dict(CALLS[5]["arguments"], summary="Done, MC-000000000000."))]
    contains(run_self_test(CALLS[:5] + guessed)[2]["reason"], "submit a result", "a guessed confirmation")
    guessed = [dict(CALLS[3], arguments={"code": "ML-000000000000"})]
    contains(run_self_test(CALLS[:3] + guessed + CALLS[4:])[2]["reason"], "hand a code to a tool", "a guessed code")
    vandal = dict(CALLS[1], arguments={"path": "target.txt", "old_text": "value = unset", "new_text": "${code}"})
    contains(run_self_test([CALLS[0], vandal] + CALLS[2:])[2]["reason"], "edit a file", "more was changed than asked")


def checks_of(url, *options, **settings):
    finished = harness.mergeloom("check", "openai-compatible", "--no-self-test", "--json", *options,
                                 environment=harness.provider_environment(url, **settings))
    document, = [one for one in json.loads(finished.out)["providers"] if one["id"] == "openai-compatible"]
    return finished.status, document["state"], {one["name"]: one for one in document["checks"]}


def test_check_reasons():
    """each check fails for its own reason, and those that depend on it are skipped"""
    with harness.simulator(harness.job_script(harness.job_steps(), key=harness.KEY)) as server:
        status, state, checks = checks_of(server.url)
        equal((status, state, checks["credential"]["state"]), (0, "authenticated", "pass"), repr(checks))
        equal(checks["tools"]["state"], "skipped", "tools without the self-test")
        contains(checks["credential"]["reason"], "JCA_OPENAI_COMPATIBLE_API_KEY", "where the key came from")
        status, state, checks = checks_of(server.url, JCA_OPENAI_COMPATIBLE_API_KEY="another-test-key")
        equal((status, checks["credential"]["state"], checks["reach"]["state"]), (4, "fail", "pass"), repr(checks))
        equal(checks["model"]["state"], "skipped", "model without a credential")
        contains(checks["model"]["reason"], "credential failed", "model")
        lacks(json.dumps(checks), "another-test-key", "the report")
        status, state, checks = checks_of(server.url, "--model", "sim-2")
        equal((status, checks["model"]["state"]), (4, "fail"), repr(checks))
        contains(checks["model"]["remedy"], "sim-1", "the nearest model")
        status, state, checks = checks_of(server.url, JCA_OPENAI_COMPATIBLE_ENABLED="false")
        equal((status, state), (4, "disabled"), "a disabled provider")
        url = server.url
    for address, part in ((url, "TCP"), ("http://no-such-host.invalid", "name lookup")):
        status, state, checks = checks_of(address)
        equal((status, checks["reach"]["state"]), (4, "fail"), repr(checks))
        contains(checks["reach"]["reason"], part, "the stage")
        equal(checks["credential"]["state"], "skipped", "credential while nothing is reached")
    status, state, checks = checks_of(url, JCA_WORKER_ALLOWED_COMMANDS="no-such-command")
    equal(checks["commands"]["state"], "warn", repr(checks["commands"]))


def test_without_libcurl():
    """libcurl is loaded with the first request: one that is missing, too old or not one at all is told with what to do"""
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    old = harness.BUILD / "tests/unit/net/.libs/old_libcurl.so"
    for content, problem in ((b"no library", "libcurl.so.4: file too short"), (b"no library" * 1000, "invalid ELF header"),
                             (harness.BUILD / "tests/mock-plugins/.libs/mergeloom-mock-good.so", "curl_easy_cleanup is missing"),
                             (old, "it is version 7.83.1")):
        environment = harness.provider_environment(NOWHERE, LD_LIBRARY_PATH=harness.instead_of_libcurl(content))
        plugins = harness.mergeloom("plugins", environment=environment)
        equal(plugins.status, 0, f"plugins: {plugins!r}")
        finished = harness.mergeloom("run", "--no-readiness", "--repo", repo, "--ticket", ticket, environment=environment)
        harness.must_complain(finished, 1, problem, "install libcurl 7.84 or later (Debian: libcurl4)")


def test_json_lines():
    """run --json: each line is one JSON document, the result the last; --output holds the same result"""
    repo = harness.repository(harness.FILES)
    stored = harness.scratch() / "result.json"
    link = harness.scratch() / "link.json"
    stored.write_text("an older one", encoding="utf-8")
    link.symlink_to(stored.name)
    audit = harness.scratch() / "audit"
    audit.mkdir()
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = harness.run_job(server.url, repo, "--json", "--output", link, JCA_WORKER_AUDIT_PATH=audit)
    equal(finished.status, 0, f"{finished!r}")
    check(link.is_symlink(), "the link was replaced")
    equal(finished.err, "", "stderr")
    documents = [json.loads(line) for line in finished.out.splitlines()]
    equal({one["schema"] for one in documents[:-1]}, {"mergeloom.event.v1"}, "schemas of the events")
    equal(documents[-1]["schema"], "mergeloom.result.v1", "the last line")
    kinds = [one["event"] for one in documents[:-1]]
    for kind in ("state", "resolution", "check", "turn_begin", "turn_end", "tool_begin", "tool_end"):
        contains(kinds, kind, "kinds of event")
    check(kinds.index("resolution") < kinds.index("check") < kinds.index("turn_begin"), "the order")
    equal(json.loads(stored.read_text(encoding="utf-8")), documents[-1], "--output")
    equal(stored.stat().st_mode & 0o111, 0, "mode of the result")
    for name in (stored, documents[-1]["id"]):
        shown = harness.mergeloom("result", name, environment=harness.provider_environment(
            NOWHERE, JCA_WORKER_AUDIT_PATH=audit))
        equal(shown.status, 0, f"{shown!r}")
        contains(shown.out, "Corrected the greeting in hello.txt.", f"result {name}")
    contains(harness.mergeloom("result", documents[-1]["id"], "--diff", environment=harness.provider_environment(
        NOWHERE, JCA_WORKER_AUDIT_PATH=audit)).out, "+hello, world", "the stored diff")
    (harness.scratch() / "other").write_text("[1, 2", encoding="utf-8")
    harness.must_complain(harness.mergeloom("result", harness.scratch() / "other"), 2, "neither")
    harness.must_complain(harness.mergeloom("result", harness.scratch() / "other", "--json"), 2, "neither")
    equal(json.loads(harness.mergeloom("result", stored, "--json").out), documents[-1], "result --json")
    harness.must_complain(harness.mergeloom("result", "job-absent", environment=harness.provider_environment(
        NOWHERE, JCA_WORKER_AUDIT_PATH=audit)), 2, "job-absent")


def test_record_of_every_job():
    """a job leaves its record in the state folder even when no audit folder is set, and result finds it by the id"""
    home = harness.scratch() / "home"
    home.mkdir()
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        for index, (state, kept) in enumerate(((None, home / ".local/state"), (harness.scratch() / "state",) * 2)):
            repo = harness.repository(harness.FILES, f"repository{index}")
            places = {"HOME": home, "XDG_STATE_HOME": state}
            finished = harness.run_job(server.url, repo, "--json", **places)
            equal(finished.status, 0, f"{finished!r}")
            job = json.loads(finished.out.splitlines()[-1])["id"]
            record = kept / "mergeloom/audit" / f"{job}.jsonl"
            check(record.is_file(), f"{record} is there")
            equal(record.stat().st_mode & 0o777, 0o600, "mode of the record")
            equal(record.parent.stat().st_mode & 0o777, 0o700, "mode of its folder")
            shown = harness.mergeloom("result", job, environment=harness.provider_environment(NOWHERE, **places))
            equal(shown.status, 0, f"{shown!r}")
            contains(shown.out, "Corrected the greeting in hello.txt.", "result by id")


def test_cost_estimate():
    """prices of the settings give the result an estimate of its cost; something else than a price is said"""
    prices = {"INPUT": "2.50", "CACHED_INPUT": "0.25", "OUTPUT": "10"}
    settings = {f"JCA_OPENAI_COMPATIBLE_{name}_PRICE": value for name, value in prices.items()}
    steps = harness.job_steps()
    for step in steps:
        step["usage"] = {"input": 1234, "cached": 1000, "output": 56}
    with harness.simulator(harness.job_script(steps)) as server:
        for index, given in enumerate((settings, {})):
            repo = harness.repository(harness.FILES, f"repository{index}")
            finished = harness.run_job(server.url, repo, "--json", "--no-self-test", **given)
            equal(finished.status, 0, f"{finished!r}")
            usage = json.loads(finished.out.splitlines()[-1])["usage"]
            check(usage["cached_input_tokens"] > 0 or not given, "cached tokens are told apart")
            fresh = usage["input_tokens"] - usage["cached_input_tokens"]
            cost = (fresh * Decimal("2.50") + usage["cached_input_tokens"] * Decimal("0.25")
                    + usage["output_tokens"] * 10) / 1000000
            equal(usage["cost_estimate"], f"{cost:.6f}" if given else None, "the estimate")
        repo = harness.repository(harness.FILES, "repository-refused")
        settings["JCA_OPENAI_COMPATIBLE_INPUT_PRICE"] = "2,50 USD"
        finished = harness.run_job(server.url, repo, **settings)
        equal(finished.status, 4, f"{finished!r}")
        contains(finished.out + finished.err, "input_price", "the setting that is no price")


def test_model_of_the_job_alone():
    """a job that names its model needs no stored default; one that names none is not ready"""
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        repo = harness.repository(harness.FILES)
        finished = harness.run_job(server.url, repo, ticket=harness.TICKET + "\n[JCA]\nmodel=sim-1\n[/JCA]\n",
                                   JCA_OPENAI_COMPATIBLE_MODEL=None)
        equal(finished.status, 0, f"{finished!r}")
        finished = harness.run_job(server.url, repo, JCA_OPENAI_COMPATIBLE_MODEL=None)
        equal(finished.status, 4, f"{finished!r}")
        contains(finished.out + finished.err, "no model", "the reason")


def test_directive_context():
    """files and text that a ticket's directives name reach the model"""
    repo = harness.repository({**harness.FILES, "notes.txt": "the greeting has five letters\n"})
    ticket = harness.TICKET + "\n[JCA]\ncontext_files=notes.txt\ninline_context=mind the gap\n[/JCA]\n"
    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(server.url) as proxy:
        finished = harness.run_job(proxy.url, repo, "--no-readiness", ticket=ticket)
        first = proxy.bodies()[0].decode()
    equal(finished.status, 0, f"{finished!r}")
    messages = json.dumps([one["content"] for one in json.loads(first)["messages"]])
    equal(messages.count("- notes.txt"), 1, f"the file among the places to look at in {messages}")
    contains(messages, "mind the gap", "what the model is told")


def test_hostile_text():
    """what a model and a ticket say cannot command the terminal"""
    repo = harness.repository(harness.FILES)
    steps = harness.job_steps()
    steps[0]["text"] = "\u001b[2J\u001b]0;owned\u0007look \u202ehere\u009b31m"
    steps[4]["tool_calls"][0] = {**harness.SUBMIT, "arguments": {**harness.SUBMIT["arguments"],
                                                                 "summary": "\u001b[31mred\u001b[0m\nsecond"}}
    with harness.simulator(harness.job_script(steps)) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness")
    equal(finished.status, 0, f"{finished!r}")
    for part in ("\u001b", "\u0007", "\u202e", "\u009b", "owned"):
        lacks(finished.everything(), part, "what is printed")
    contains(finished.out, "look here", "the text itself")


def arguments_of(repo, *options):
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    return [str(harness.BUILD / "mergeloom"), "run", "--repo", str(repo), "--ticket", str(ticket), *options]


def test_output_lost():
    """a full disk is said; a reader that went away cancels the job, and nothing stays behind"""
    finished = harness.run(["sh", "-c", f"'{harness.BUILD}/mergeloom' plugins >/dev/full"])
    equal(finished.status, 1, f"{finished!r}")
    contains(finished.err, "could not be written", "stderr")
    finished = harness.run(["sh", "-c", f"'{harness.BUILD}/mergeloom' plugins >&-"])
    equal(finished.status, 1, f"{finished!r}")
    repo = harness.repository(harness.FILES)
    steps = harness.job_steps()
    steps[0]["deliver"] = {"first_byte_delay_ms": 300}
    steps[1]["deliver"] = {"first_byte_delay_ms": 300}
    with harness.simulator(harness.job_script(steps)) as server:
        process = subprocess.Popen(arguments_of(repo, "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=harness.provider_environment(server.url))
        process.stdout.readline()
        process.stdout.close()
        status = process.wait(timeout=harness.GUARD)
    equal(status, 5, "exit status when the reader went away")
    equal(harness.hello(repo), harness.FILES["hello.txt"], "hello.txt")


def test_second_signal():
    """a second signal ends the program at once, and its commands with it"""
    repo = harness.repository(harness.FILES)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('started', 'w'); time.sleep(1000)"
    steps = [{"tool_calls": [{"name": "run_command", "arguments": {"argv": ["python3", "-c", code]}}]}]
    with harness.simulator(harness.job_script(steps)) as server:
        environment = harness.provider_environment(server.url)
        with harness.started(arguments_of(repo, "--no-readiness"), environment) as process:
            until(lambda: (repo / "started").exists())
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=harness.GUARD)
            check(process.returncode in (-signal.SIGTERM, -signal.SIGINT, 5), f"status {process.returncode}")
        until(lambda: not harness.processes_with(str(repo)))


def until(condition):
    end = time.monotonic() + harness.GUARD
    while not condition():
        check(time.monotonic() < end, "it did not come")
        time.sleep(0.02)


# ---- The screen ----

class Screen:
    """As much of a terminal as the progress view uses; anything else is a failure."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [""]
        self.column = 0
        self.cursor = True
        self.widest = 0
        self.status_lines = set()

    def put(self, text):
        for part in re.finditer(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+|\x1b", text):
            token = part.group(0)
            if token == "\r":
                self.status_lines.add(self.lines[-1].strip())
                self.column = 0
            elif token == "\n":
                self.lines.append("")
                self.column = 0
            elif token.startswith("\x1b"):
                self.command(token, part.group(1), part.group(2))
            else:
                line = self.lines[-1][:self.column].ljust(self.column)
                self.lines[-1] = line + token + self.lines[-1][self.column + len(token):]
                self.column += len(token)
                wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in self.lines[-1].rstrip())
                self.widest = max(self.widest, wide)

    def command(self, token, numbers, letter):
        if letter == "K" and numbers in ("", "0"):
            self.lines[-1] = self.lines[-1][:self.column]
        elif letter in "hl" and numbers == "?25":
            self.cursor = letter == "h"
        else:
            check(letter == "m", f"unexpected sequence {token!r}")


def on_terminal(arguments, environment, columns, act=None):
    """Runs a program on a terminal of its own; its screen and exit status."""
    screen = Screen(columns)
    pid, master = pty.fork()
    if pid == 0:
        os.execve(arguments[0], arguments, environment)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    data = b""
    end = time.monotonic() + harness.GUARD
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if act is not None and act(screen):
            os.write(master, b"\x03")
            act = None
        if not ready:
            continue
        try:
            got = os.read(master, 65536)
        except OSError:
            break
        if not got:
            break
        data += got
        whole = data.decode(errors="ignore")
        # A sequence that is still arriving waits for its rest.
        cut = re.search(r"\x1b(\[[?0-9;]*)?$", whole)
        usable = whole[:cut.start()] if cut else whole
        screen.put(usable)
        data = data[len(usable.encode()):]
    os.close(master)
    return screen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_screen():
    """the progress view: finished steps stay, the status line goes, no line is wider than the terminal"""
    repo = harness.repository(harness.FILES)
    steps = harness.job_steps()
    pause = ["python3", "-c", "import time; time.sleep(1)"]
    steps[2] = {"tool_calls": [{"name": "run_command", "arguments": {"argv": pause}}]}
    for step in steps:
        step["deliver"] = {"first_byte_delay_ms": 250}
    with harness.simulator(harness.job_script(steps)) as server:
        environment = harness.provider_environment(server.url, TERM="xterm")
        screen, status = on_terminal(arguments_of(repo), environment, 60)
    text = "\n".join(screen.lines)
    equal(status, 0, text)
    contains(text, "\u2713 tools", "the checks")
    contains(text, "\u2713 edit_file", "the steps")
    contains(text, "completed", "the end")
    check(any(re.match(r"[\u2800-\u28ff] turn \d+ \u00b7 ", line) for line in screen.status_lines),
          f"status lines: {screen.status_lines}")
    # The tool at work, for how long, and the tokens so far.
    at_work = r"[\u2800-\u28ff] turn 3 \u00b7 run_command .+ \u00b7 [0-9.]+ m?s \u00b7 [0-9.]+k? in, [0-9.]+k? out"
    check(any(re.fullmatch(at_work, line.rstrip()) for line in screen.status_lines), f"status lines: {screen.status_lines}")
    check(not re.search(r"[\u2800-\u28ff]", text), f"a status line is left: {text}")
    check(screen.cursor, "the cursor is shown again")
    for line in screen.lines[:[line.endswith(": completed") for line in screen.lines].index(True)]:
        check(len(line) < 60, f"too wide: {line!r}")


def test_screen_cancel():
    """Ctrl-C on a terminal leaves a clean screen and exit status 5"""
    repo = harness.repository(harness.FILES)
    steps = [{"text": "A long story. " * 500, "deliver": {"delay_ms": 20}}]
    with harness.simulator(harness.job_script(steps)) as server:
        environment = harness.provider_environment(server.url, TERM="xterm", NO_COLOR="1")
        screen, status = on_terminal(arguments_of(repo, "--no-readiness"), environment, 80,
                                     lambda screen: any("turn 1" in line for line in screen.status_lines))
    text = "\n".join(screen.lines)
    equal(status, 5, text)
    check(not re.search(r"[\u2800-\u28ff]", text), f"a status line is left: {text}")
    check(screen.cursor, "the cursor is shown again")
    contains(text, "cancelled", "the end")
    harness.must_be_untouched(repo)


def test_plain():
    """no terminal, or a dumb one: no control characters at all; ASCII where the locale asks for it"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        environment = harness.provider_environment(server.url, TERM="dumb", LC_ALL="C")
        screen, status = on_terminal(arguments_of(repo, "--no-readiness"), environment, 80)
    text = "\n".join(screen.lines)
    equal(status, 0, text)
    check(text.isascii(), f"ASCII only: {text!r}")
    contains(text, "Gr??e", "what cannot be shown")


def test_completion():
    """bash completion: commands, options, providers"""
    if not shutil.which("bash"):
        raise harness.Skip("bash is not installed")
    script = harness.SOURCE / "tool/bash-completion/mergeloom"
    program = harness.BUILD / "mergeloom"
    for words, expected in ((["r"], ["run", "resolve", "result"]), (["run", "--no"], ["--no-self-test", "--no-readiness"]),
                            (["check", "open"], ["openai-compatible"]), (["plugins", "--color", "n"], ["never"])):
        line = " ".join(f"'{word}'" for word in [program, *words])
        code = (f"source '{script}'; compopt() {{ :; }}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _mergeloom; "
                'printf "%s\\n" "${COMPREPLY[@]}"')
        finished = harness.run(["bash", "-c", code], environment=harness.provider_environment(NOWHERE))
        equal(sorted(finished.out.split()), sorted(expected), f"{words}: {finished!r}")


def test_manual():
    """the manual page has no warnings and knows every option"""
    page = harness.BUILD / "tool/mergeloom.1"
    text = page.read_text(encoding="utf-8").replace("\\-", "-")
    for command in ("run", "resolve", "check", "providers", "plugins", "result"):
        for option in re.findall(r"(--[a-z-]+)", harness.mergeloom(command, "--help").out):
            contains(text, option[1:], f"the manual, for {command}")
    lacks(text, "@", "the manual")
    if not shutil.which("groff"):
        raise harness.Skip("groff is not installed")
    finished = harness.run(["groff", "-man", "-ww", "-z", "-Tutf8", "-mandoc", page])
    equal(finished.everything().strip(), "", "warnings of groff")


harness.main(globals())
