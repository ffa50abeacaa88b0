#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in malformed: one error that says what to change, the right exit status, no secret, nothing broken."""
import json
import socket

import harness
from harness import check, contains, equal, lacks

SHORT = {"JCA_OPENAI_COMPATIBLE_CONNECT_TIMEOUT": "5", "JCA_OPENAI_COMPATIBLE_FIRST_BYTE_TIMEOUT": "1",
         "JCA_OPENAI_COMPATIBLE_IDLE_TIMEOUT": "1", "JCA_OPENAI_COMPATIBLE_MAX_RETRIES": "0"}
ONCE = {"JCA_OPENAI_COMPATIBLE_MAX_RETRIES": "0"}


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
    """401: the credential was refused, and is not printed though the answer repeats it"""
    body = {"error": {"message": f"no such key: {harness.KEY}"}}
    fails({"kind": "status", "status": 401, "body": body}, "HTTP 401: no such key: [redacted]",
          "set api_key (JCA_OPENAI_COMPATIBLE_API_KEY)")


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
    fails({"kind": "status", "status": 200, "body": "<html><body>Please log in</body></html>"},
          "a web page instead of an API answer", "set it to the address of the API")


def test_error_inside():
    """status 200 with an error inside, streamed and not"""
    fails({"kind": "error", "message": "the engine has stopped"}, "the engine has stopped")
    harness.shutil.rmtree(harness.scratch() / "repository")
    fails({"kind": "error", "message": "the engine has stopped"}, "the engine has stopped",
          JCA_OPENAI_COMPATIBLE_STREAM="false")


def test_malformed():
    """bytes that are not JSON"""
    fails({"kind": "malformed"}, "sent an event that is malformed JSON", "try again")
    harness.shutil.rmtree(harness.scratch() / "repository")
    fails({"kind": "malformed"}, "gave an answer that is malformed or cut JSON", "try again",
          JCA_OPENAI_COMPATIBLE_STREAM="false")


def event(text):
    return b"data: " + text + b"\n\n"


BYTES = (
    (b"\0\1\2 this is no stream\n\n\n: \n", "holds no chat completion"),
    (event(b"[]"), "holds no chat completion"),
    (event(b"[" * 100000), "holds no chat completion"),
    (event(b'{"choices":[{"delta":{"content":"a\0b"}}]}'), "malformed JSON"))


def test_bytes():
    """what is no stream of events, and events that are none of chat completions: said by name, after one request"""
    for number, (data, part) in enumerate(BYTES):
        repo = harness.repository(harness.FILES, f"repository-{number}")
        with harness.Recorder(answer=lambda *_, data=data: (200, {"Content-Type": "text/event-stream"}, data)) as server:
            finished = harness.run_job(server.url, repo, "--no-readiness", **ONCE)
        harness.must_complain(finished, 1, part)
        equal(len(server.requests), 1, f"requests, at {part}")
        harness.must_be_untouched(repo)


def test_text_that_is_not_utf8():
    """a stream whose texts are not UTF-8: what is broken is replaced, in what is printed and in what is written"""
    call = (rb'{"choices":[{"delta":{"content":"a' + b"\xff" + rb'b","tool_calls":[{"index":0,"id":"1","function":'
            rb'{"name":"write_file","arguments":"{\"path\": \"new.txt\", \"content\": \"c' + b"\xc3" + rb'd\"}"}}]}}]}')
    end = b'{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}'
    repo = harness.repository(harness.FILES)
    with harness.Recorder(answer=lambda *_: (200, {"Content-Type": "text/event-stream"}, event(call) + event(end))) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness", **ONCE, JCA_WORKER_MAX_TURNS="1")
    harness.must_complain(finished, 1, "limit of turns")
    contains(finished.out, "a\ufffdb\n", "what the model said")
    equal((repo / "new.txt").read_text(encoding="utf-8"), "c\ufffdd", "the file")


def test_cut():
    """a connection that is closed within the stream, also within a call"""
    for after in (0, 1, 3, 6):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        fails({"kind": "cut", "after_events": after}, "cut the answer after", "try again")


def test_hang_up():
    """a connection that is closed without an answer"""
    fails({"kind": "hang-up"}, "closed the connection without an answer", "try again")


def test_failure_after_work():
    """the same failures after an edit: the work is kept, and said to be"""
    for fault, part in (({"kind": "status", "status": 500}, "HTTP 500"), ({"kind": "cut", "after_events": 3}, "cut the answer"),
                        ({"kind": "malformed"}, "malformed JSON"), ({"kind": "stall", "after_events": 3}, "raise idle_timeout")):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        repo = harness.repository(harness.FILES)
        steps = harness.job_steps()
        steps[3]["fault"] = fault
        with harness.simulator(harness.job_script(steps)) as server:
            finished = harness.run_job(server.url, repo, "--no-readiness", **ONCE, JCA_OPENAI_COMPATIBLE_IDLE_TIMEOUT="2")
        harness.must_complain(finished, 1, part)
        harness.must_be_kept(finished, repo)


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
    harness.must_complain(finished, 4, "is not ready: reach: TCP connection", "refused the connection", "start the server")
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
        harness.must_complain(finished, 1, "HTTP 302", f"a redirect to {elsewhere.url}/v1/chat/completions; it is not followed")
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
    harness.must_complain(finished, 4, "is not ready: tools: self-test stopped at step 1", "tool calls arrive as text")
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
    for option, text, part in (
            ("--ticket", '{"title": "x", ', "the ticket: line 1, column 16: an unexpected end"),
            ("--ticket", '{"title": 7}', "the ticket: member title must be a string"),
            ("--ticket", "", "the ticket: it is empty"), ("--ticket", "\xff\xfe", "the ticket: it is not UTF-8"),
            ("--job", "{", "the job: line 1, column 2: an unexpected end"),
            ("--job", "\xff\xfe", "the job: "),
            ("--job", '{"schema": "other"}', 'the job: member schema is not "mergeloom.job.v1"'),
            ("--job", '{"schema":"mergeloom.job.v1","ticket":{"title":"x"},"mode":"dance"}',
             'the job: mode must be implement, investigate or review, not "dance"'),
            ("--job", '{"schema":"mergeloom.job.v1","a":1,"a":2}', "the job: line 1, column 37: a duplicate member")):
        path.write_bytes(text.encode("latin-1"))
        complains_of(2, ["run", "--repo", repo, option, path], part)
    complains_of(2, ["run", "--repo", repo, "--ticket", harness.scratch() / "absent"], "/absent: No such file or directory")
    complains_of(2, ["run", "--repo", repo], "no ticket was given")
    complains_of(2, ["dance"], 'unknown command "dance"')
    complains_of(2, ["run", "--dance"], "unknown option --dance")
    harness.must_be_untouched(repo)


def test_repository():
    """a repository that is not there, or is a file; a plain folder is one that a job can work in"""
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    plain = harness.scratch() / "plain"
    plain.mkdir()
    arguments = ["run", "--no-readiness", "--ticket", ticket, "--repo"]
    complains_of(2, [*arguments, harness.scratch() / "absent"], "/absent: No such file or directory", "check the path")
    complains_of(2, [*arguments, ticket], "/ticket.txt: Not a directory", "check the path")
    finished = complains_of(1, [*arguments, plain], "refused the connection",
                            environment=harness.provider_environment("http://127.0.0.1:9", **ONCE))
    contains(finished.out, "the folder is no git repository; the diff is against its content when the job began", "the note")
    equal(list(plain.iterdir()), [], "what is left in the plain folder")


def test_blocked():
    """directives that cannot be followed block the job"""
    repo = harness.repository(harness.FILES)
    for block, part in (
            ("provider=nobody-knows-it\n[/JCA]", "ticket line 6, column 10: no provider nobody-knows-it is loaded"),
            ("provider=\n[/JCA]", "ticket line 6, column 1: provider has no value"),
            ("provider=openai-compatible\nprovider=openai-compatible\n[/JCA]",
             "ticket line 7, column 1: provider is given a second time"),
            ("provider=openai-compatible\nmodel=\n[/JCA]", "ticket line 7, column 1: model has no value"),
            ("provider=openai-compatible", "ticket line 5, column 1: this [JCA] has no closing [/JCA]")):
        finished = harness.run_job("http://127.0.0.1:9", repo, ticket=f"{harness.TICKET}\n[JCA]\n{block}\n")
        harness.must_complain(finished, 3, part)
    harness.must_be_untouched(repo)


def test_configuration():
    """malformed configuration: the line is named"""
    config = harness.scratch() / "config.json"
    environment = harness.provider_environment("http://127.0.0.1:9", MERGELOOM_CONFIG=config)
    for text, part in (('{"worker": \n{,}}', "config.json: line 2, column 2: malformed JSON"), ("[]", "is not a JSON object"),
                       (f'{{"providers": {{"openai-compatible": {{"api_key": "{harness.KEY}"', "an unexpected end"),
                       ('"\xff"', "config.json: ")):
        config.write_bytes(text.encode("latin-1"))
        config.chmod(0o600)
        complains_of(2, ["providers"], "the configuration file", part, environment=environment)


def test_settings():
    """settings that are malformed or missing: not ready, the setting is named"""
    repo = harness.repository(harness.FILES)
    finished = harness.run_job("ftp://127.0.0.1", repo)
    said = "base_url from JCA_OPENAI_COMPATIBLE_BASE_URL: it is no http or https URL"
    remedy = "begin it with https:// or http:// in JCA_OPENAI_COMPATIBLE_BASE_URL"
    equal([finished.status, finished.err],
          [4, f"mergeloom: warning: settings: openai-compatible: {said}; {remedy}\n"
              f"mergeloom: openai-compatible is not ready: settings: {said}\n  try: {remedy}\n"], "status and what is said")
    ticket = harness.scratch() / "ticket.txt"
    finished = harness.mergeloom("run", "--repo", repo, "--ticket", ticket,
                                 environment=harness.clean_environment(JCA_WORKER_PROVIDER="openai-compatible"))
    harness.must_complain(finished, 4, "is not ready: settings: base_url has no value", "set JCA_OPENAI_COMPATIBLE_BASE_URL")
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
    for name, reason, remedy in (("text", no_object, "remove it"), ("empty", no_object, "remove it"),
                                 ("writable", "can be changed by others", "chmod go-w")):
        entry = text.out.split(f"\u2717 {name}\n", 1)[-1].splitlines()
        check(entry[0].startswith("    refused  ") and entry[0].endswith(reason), f"the refusal of {name} in {text.out}")
        check(entry[1].startswith("    try      ") and remedy in entry[1], f"the remedy of {name} in {text.out}")
        equal(entry[2], f"    file     {folder}/mergeloom-{name}.so", f"the file of {name}")
    version = harness.mergeloom("--version").out.split()[1]
    contains(text.out, f"\u2713 openai-compatible {version}, ABI 1.0\n    offers   provider openai-compatible\n    file     ",
             "the list of plugins")
    finished = harness.mergeloom("plugins", "--json", environment=environment)
    plugins = {plugin["name"]: plugin for plugin in json.loads(finished.out)["plugins"]}
    check(plugins["text"]["failure"].endswith(no_object), f"why text is refused: {plugins['text']}")
    contains(plugins["writable"]["remedy"], "chmod go-w", "what to change")
    good = plugins["openai-compatible"]
    equal([good["version"], good["abi"], good["roles"], good["failure"], good["remedy"]],
          [version, "1.0", "provider openai-compatible", None, None],
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
