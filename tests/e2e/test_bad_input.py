#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in malformed: one error that says what to change, the right exit status, no secret, nothing broken."""
import json
import socket

import harness
from harness import check, contains, equal, lacks

SHORT = {"JCA_OPENAI_COMPATIBLE_CONNECT_TIMEOUT": "5", "JCA_OPENAI_COMPATIBLE_FIRST_BYTE_TIMEOUT": "1",
         "JCA_OPENAI_COMPATIBLE_IDLE_TIMEOUT": "1", "JCA_OPENAI_COMPATIBLE_MAX_RETRIES": "0"}


def run_with_fault(fault, *options, step=None, **settings):
    """A job whose first turn has the fault, without the self-test, which would find it before."""
    steps = harness.job_steps()
    steps[0] = {**(step or steps[0]), "fault": fault}
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(steps)) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness", *options, **{**SHORT, **settings})
    return finished, repo


def fails(fault, *parts, **settings):
    finished, repo = run_with_fault(fault, **settings)
    harness.must_complain(finished, 1, *parts)
    harness.must_be_untouched(repo)


def test_status_401():
    """401: the credential was refused"""
    fails({"kind": "status", "status": 401}, "401")


def test_status_429():
    """429 without and with retry-after"""
    fails({"kind": "status", "status": 429}, "429")
    harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
    fails({"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}, "429")


def test_status_429_long_wait():
    """429 that asks for a wait of an hour is not waited for"""
    fails({"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}}, "429",
          JCA_OPENAI_COMPATIBLE_MAX_RETRIES="2")


def test_status_500():
    """500 with each kind of error body"""
    for body in (None, "plain words", {"detail": "went wrong"}, {"message": "went wrong"},
                 {"error": "went wrong"}, {"error": {"message": "went wrong"}}, "<html><body>Bad gateway</body></html>",
                 "", "\u001b[31mred\u0007"):
        fault = {"kind": "status", "status": 500}
        if body is not None:
            fault["body"] = body
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        finished, repo = run_with_fault(fault)
        harness.must_complain(finished, 1, "500")
        lacks(finished.everything(), "\u001b[31m", "a control sequence of the server")
        if isinstance(body, dict):
            contains(finished.err, "went wrong", "the server's own words")
        harness.must_be_untouched(repo)


def test_status_529():
    """529: overloaded"""
    fails({"kind": "status", "status": 529}, "529")


def test_html():
    """a page instead of an answer, with status 200"""
    fails({"kind": "status", "status": 200, "body": "<html><body>Please log in</body></html>"})


def test_error_inside():
    """status 200 with an error inside, streamed and not"""
    fails({"kind": "error", "message": "the engine has stopped"}, "the engine has stopped")
    harness.shutil.rmtree(harness.scratch() / "repository")
    fails({"kind": "error", "message": "the engine has stopped"}, "the engine has stopped",
          JCA_OPENAI_COMPATIBLE_STREAM="false")


def test_malformed():
    """bytes that are not JSON"""
    fails({"kind": "malformed"})
    harness.shutil.rmtree(harness.scratch() / "repository")
    fails({"kind": "malformed"}, JCA_OPENAI_COMPATIBLE_STREAM="false")


def test_cut():
    """a connection that is closed within the stream, also within a call"""
    for after in (0, 1, 3, 6):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        fails({"kind": "cut", "after_events": after})


def test_hang_up():
    """a connection that is closed without an answer"""
    fails({"kind": "hang-up"})


def test_stall():
    """a server that falls silent: before the first byte, and within the stream"""
    for after in (0, 3):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        fails({"kind": "stall", "after_events": after}, "raise idle_timeout")
    harness.shutil.rmtree(harness.scratch() / "repository")
    repo = harness.repository(harness.FILES)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        finished = harness.run_job(f"http://127.0.0.1:{silent.getsockname()[1]}", repo, "--no-readiness", **SHORT)
    harness.must_complain(finished, 1, "did not begin to answer", "raise first_byte_timeout")
    harness.must_be_untouched(repo)


def test_nobody_listens():
    """nobody listens at the address: not ready, and the reach check says so"""
    repo = harness.repository(harness.FILES)
    with harness.simulator() as server:
        url = server.url
    finished = harness.run_job(url, repo, **SHORT)
    harness.must_complain(finished, 4)
    contains(finished.everything(), "reach", "the check that fails")
    harness.must_be_untouched(repo)


def test_redirect():
    """a redirect to another host is not followed, and no key goes there"""
    repo = harness.repository(harness.FILES)
    with harness.Recorder(answer=lambda *_: (200, {}, b"{}")) as elsewhere:
        steps = harness.job_steps()
        steps[0] = {"fault": {"kind": "status", "status": 302, "body": "",
                              "headers": {"Location": elsewhere.url + "/v1/chat/completions"}}}
        with harness.simulator(harness.job_script(steps)) as server:
            finished = harness.run_job(server.url, repo, "--no-readiness", **SHORT)
        harness.must_complain(finished, 1, "302")
        equal(elsewhere.requests, [], "requests that followed the redirect")
    harness.must_be_untouched(repo)


def test_self_test_catches_talk():
    """calls that arrive as text: the readiness gate says so, the job does not start"""
    repo = harness.repository(harness.FILES)
    script = {"models": ["sim-1"], "conversations": [{"name": "text", "when": {"tool": "exchange_code"}, "steps": [
        {"when": {"turn": [0, 99]}, "quirks": ["text-calls"],
         "tool_calls": [{"name": "read_file", "arguments": {"path": "code.txt"}}]}]}]}
    with harness.simulator(script) as server:
        finished = harness.run_job(server.url, repo, **SHORT)
    harness.must_complain(finished, 4, "text")
    harness.must_be_untouched(repo)


def test_quirks():
    """every weakness of servers that is known is lived with"""
    for quirks in (["null-names"], ["repeated-names"], ["no-index"], ["zero-index"], ["whole-arguments"], ["no-done"],
                   ["stop-with-calls"], ["no-usage"], ["comments", "crlf"], ["empty-choices", "other-reasoning"],
                   ["null-names", "zero-index", "no-done", "stop-with-calls"]):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        repo = harness.repository(harness.FILES)
        steps = [{**step, "quirks": quirks} for step in harness.job_steps()]
        with harness.simulator(harness.job_script(steps)) as server:
            finished = harness.run_job(server.url, repo, "--no-readiness", **SHORT)
        equal(finished.status, 0, f"{quirks}: {finished!r}")
        equal(harness.hello(repo), "hello, world\n", str(quirks))


def complains_of(status, arguments, *parts, environment=None):
    finished = harness.mergeloom(*arguments, environment=environment or harness.provider_environment("http://127.0.0.1:9"))
    harness.must_complain(finished, status, *parts)
    return finished


def test_tickets():
    """malformed tickets and jobs: usage, with the place"""
    repo = harness.repository(harness.FILES)
    path = harness.scratch() / "input"
    for option, text, part in (("--ticket", '{"title": "x", ', "line"), ("--ticket", '{"title": 7}', "title"),
                               ("--ticket", "", ""), ("--ticket", "\xff\xfe", "utf-8"),
                               ("--job", "{", "line"), ("--job", '{"schema": "other"}', "schema"),
                               ("--job", '{"schema":"mergeloom.job.v1","ticket":{"title":"x"},"mode":"dance"}', "mode"),
                               ("--job", '{"schema":"mergeloom.job.v1","a":1,"a":2}', "")):
        path.write_bytes(text.encode("latin-1"))
        complains_of(2, ["run", "--repo", repo, option, path], part)
    complains_of(2, ["run", "--repo", repo, "--ticket", harness.scratch() / "absent"], "absent")
    complains_of(2, ["run", "--repo", repo], "ticket")
    complains_of(2, ["dance"], "dance")
    complains_of(2, ["run", "--dance"], "dance")
    harness.must_be_untouched(repo)


def test_repository():
    """a folder that is no repository, or is not there"""
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    (harness.scratch() / "plain").mkdir()
    for folder in ("plain", "absent"):
        finished = harness.mergeloom("run", "--no-readiness", "--repo", harness.scratch() / folder, "--ticket", ticket,
                                     environment=harness.provider_environment("http://127.0.0.1:9"))
        check(finished.status in (1, 2), f"{folder}: {finished!r}")
        contains(finished.err, "mergeloom: ", folder)


def test_blocked():
    """directives that cannot be followed block the job"""
    repo = harness.repository(harness.FILES)
    for block in ("provider=nobody-knows-it", "provider=", "provider=openai-compatible\nprovider=openai-compatible",
                  "provider=openai-compatible\nmodel="):
        finished = harness.run_job("http://127.0.0.1:9", repo, ticket=f"{harness.TICKET}\n[JCA]\n{block}\n[/JCA]\n")
        harness.must_complain(finished, 3)
    finished = harness.run_job("http://127.0.0.1:9", repo, ticket=f"{harness.TICKET}\n[JCA]\nprovider=openai-compatible\n")
    harness.must_complain(finished, 3)
    harness.must_be_untouched(repo)


def test_configuration():
    """malformed configuration: the line is named"""
    config = harness.scratch() / "config.json"
    config.write_text('{"worker": \n{,}}', encoding="utf-8")
    environment = harness.provider_environment("http://127.0.0.1:9", MERGELOOM_CONFIG=config)
    complains_of(2, ["providers"], "line 2", environment=environment)


def test_settings():
    """settings that are malformed or missing: not ready, the setting is named"""
    repo = harness.repository(harness.FILES)
    finished = harness.run_job("ftp://127.0.0.1", repo)
    equal(finished.status, 4, f"{finished!r}")
    contains(finished.everything(), "JCA_OPENAI_COMPATIBLE_BASE_URL", "the variable to change")
    ticket = harness.scratch() / "ticket.txt"
    finished = harness.mergeloom("run", "--repo", repo, "--ticket", ticket,
                                 environment=harness.clean_environment(JCA_WORKER_PROVIDER="openai-compatible"))
    equal(finished.status, 4, f"{finished!r}")
    contains(finished.everything(), "JCA_OPENAI_COMPATIBLE_BASE_URL", "the variable to set")
    harness.must_be_untouched(repo)


def test_plugin_files():
    """files that are no plugins are listed with the reason, and the others work"""
    folder = harness.scratch() / "plugins"
    folder.mkdir()
    (folder / "mergeloom-text.so").write_text("not a shared object\n", encoding="utf-8")
    (folder / "mergeloom-empty.so").write_bytes(b"")
    (folder / "mergeloom-writable.so").write_bytes(b"\x7fELF")
    (folder / "mergeloom-writable.so").chmod(0o666)
    environment = harness.clean_environment()
    environment["MERGELOOM_PLUGIN_PATH"] = f"{folder}:{environment.get('MERGELOOM_PLUGIN_PATH', '')}"
    text = harness.mergeloom("plugins", environment=environment)
    equal(text.status, 0, f"{text!r}")
    no_object = "is no shared object: it does not begin as an ELF file does"
    for name, reason in (("text", no_object), ("empty", no_object), ("writable", "can be changed by others")):
        entry = text.out.split(f"\u2717 {name}\n", 1)[-1].splitlines()
        check(entry[0].startswith("    refused  ") and entry[0].endswith(reason), f"the refusal of {name} in {text.out}")
        equal(entry[1], f"    file     {folder}/mergeloom-{name}.so", f"the file of {name}")
    version = harness.mergeloom("--version").out.split()[1]
    contains(text.out, f"\u2713 openai-compatible {version}, ABI 1.0\n    offers   provider openai-compatible\n    file     ",
             "the list of plugins")
    finished = harness.mergeloom("plugins", "--json", environment=environment)
    plugins = {plugin["name"]: plugin for plugin in json.loads(finished.out)["plugins"]}
    check(plugins["text"]["failure"].endswith(no_object), f"why text is refused: {plugins['text']}")
    good = plugins["openai-compatible"]
    equal([good["version"], good["abi"], good["roles"], good["failure"]], [version, "1.0", "provider openai-compatible", None],
          "a good plugin")
    equal(harness.pathlib.Path(good["path"]).name, "mergeloom-openai-compatible.so", "its file")


def test_secret_is_nowhere():
    """the key reaches the server and nothing else: not the output, not the audit record, not a command"""
    steps = harness.job_steps()
    code = "import os; print(sorted(os.environ.items()))"
    steps[2] = {"tool_calls": [{"name": "run_command", "arguments": {"argv": ["python3", "-c", code]}}]}
    steps[4] = {"text": f"The key may be {harness.KEY}.", "tool_calls": [harness.SUBMIT]}
    repo = harness.repository(harness.FILES)
    audit = harness.scratch() / "audit"
    audit.mkdir()
    with harness.simulator(harness.job_script(steps, key=harness.KEY)) as server, harness.Recorder(server.url) as proxy:
        finished = harness.run_job(proxy.url, repo, "--json", JCA_WORKER_AUDIT_PATH=audit)
        equal(finished.status, 0, f"{finished!r}")
        check(all(head.get("Authorization") == "Bearer " + harness.KEY for _, _, head, _ in proxy.requests), "the key")
        for body in proxy.bodies():
            sent = [message for message in json.loads(body)["messages"] if message["role"] == "tool"]
            lacks(json.dumps(sent), harness.KEY, "what commands gave")
    lacks(finished.everything(), harness.KEY, "what is printed")
    records = list(audit.rglob("*"))
    check(any(record.is_file() for record in records), "there is an audit record")
    for record in records:
        if record.is_file():
            lacks(record.read_text(encoding="utf-8"), harness.KEY, "the audit record")


harness.main(globals())
