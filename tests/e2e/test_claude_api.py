#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider claude-api: whole jobs over the Messages wire, judged by servers and a client that are not ours."""
import json
import urllib.parse

import api_cases
import harness
from api_cases import aimock_steps, completed, with_fault
from harness import check, contains, equal

OVERLOADED = {"name": "overloaded", "when": {"user": "overloaded"},
              "steps": [{"fault": {"kind": "status", "status": 529}}]}
SCRIPT = api_cases.client_script(4, OVERLOADED)


def run_job(url, repo, *options, **settings):
    return api_cases.run_job(url, repo, *options, **{
        "JCA_ANTHROPIC_BASE_URL": url, "JCA_ANTHROPIC_MODEL": "sim-1", "JCA_ANTHROPIC_API_KEY": harness.KEY,
        "JCA_WORKER_PROVIDER": "claude-api", **settings})


def simulated(steps, *options, **settings):
    return api_cases.simulated(run_job, steps, *options, **settings)


def test_vendor_client():
    """the vendor's own client decodes the simulator's models, answers, streams, calls and errors"""
    node, modules = harness.node_modules()
    with harness.simulator(SCRIPT) as server:
        out = harness.must([node, harness.SOURCE / "tests/e2e/anthropic_client.mjs", modules, server.url])
    got = json.loads(out)
    equal(got["models"], ["sim-1", "sim-2"], "models")
    for form in ("whole", "streamed"):
        equal([block["type"] for block in got[form]["content"]], ["thinking", "text"], f"blocks, {form}")
        equal(got[form]["content"][1]["text"], "Grüße, 世界! This is streamed in pieces.", f"text, {form}")
        check(got[form]["content"][0]["signature"], f"a signature, {form}")
        equal(got[form]["stop_reason"], "end_turn", f"stop reason, {form}")
        equal((got[form]["usage"]["input_tokens"], got[form]["usage"]["cache_read_input_tokens"],
               got[form]["usage"]["output_tokens"]), (8, 4, 9), f"usage, {form}")
    check(got["streamed"]["pieces"] > 3, "the stream has several pieces")
    for form in ("calls", "streamedCalls"):
        calls = [block for block in got[form]["content"] if block["type"] == "tool_use"]
        equal([call["input"]["city"] for call in calls], ["Zürich", 'Oslo "N"'], form)
        check(calls[0]["id"] != calls[1]["id"], "ids differ")
        equal(got[form]["stop_reason"], "tool_use", f"stop reason, {form}")
    contains(got["conversation"][0]["text"], "The token is Oslo", "a value taken from a tool result")
    equal((got["limited"]["error"], got["limited"]["status"]), ("RateLimitError", 429), "429")
    equal(got["overloaded"]["status"], 529, "529")
    contains(got["inside"]["message"], "went wrong", "an error inside a stream")
    check("error" in got["cut"], f"a cut stream is an error to the client: {got['cut']}")


def test_aimock_whole():
    """aimock: the demo job, not streamed"""
    finished, repo, _ = api_cases.at_aimock(run_job, "claude-api", steps=aimock_steps("toolu"), JCA_ANTHROPIC_MODEL="gpt-4o",
                                            JCA_ANTHROPIC_STREAM="false")
    api_cases.demo_completed(finished, repo)


def test_job():
    """simulator: a whole job with the self-test, thinking echoed with its signature, key checked"""
    finished, repo = simulated(harness.job_steps(), key=harness.KEY)
    completed(finished, repo)


def test_job_whole():
    """simulator: a whole job, not streamed"""
    finished, repo = simulated(harness.job_steps(), JCA_ANTHROPIC_STREAM="false")
    completed(finished, repo)


def test_job_bearer():
    """simulator: the key as a bearer token"""
    finished, repo = simulated(harness.job_steps(), key=harness.KEY, JCA_ANTHROPIC_AUTH_HEADER="bearer")
    completed(finished, repo)


def test_retried():
    """simulator: one 429, one 529 and one 500 are tried again"""
    steps = harness.job_steps()
    for number, status in ((1, 429), (2, 529), (3, 500)):
        steps[number]["fault"] = {"kind": "status", "status": status, "times": 1, "headers": {"Retry-After-Ms": "10"}}
    finished, repo = simulated(steps)
    completed(finished, repo)


def test_paused():
    """simulator: after pause_turn the conversation is sent again as it is, with the paused answer at its end"""
    steps = harness.job_steps()
    steps.insert(-1, {"text": "I am looking it up.", "stop": "pause_turn"})
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(steps)) as server, harness.Recorder(server.url) as recorder:
        finished = run_job(recorder.url, repo, "--no-readiness")
    completed(finished, repo)
    turns = [json.loads(body)["messages"] for method, _, _, body in recorder.requests if method == "POST"]
    equal(len(turns), len(steps), "requests")
    equal(turns[-1][-1]["role"], "assistant", "who spoke last")
    equal([block["text"] for block in turns[-1][-1]["content"]], ["I am looking it up."], "the paused answer")


def test_overload_inside_stream():
    """simulator: an overload error inside a stream of status 200 is tried again before the first delta"""
    finished, repo = simulated(with_fault(2, "error", after_events=1, message="Overloaded", times=1))
    completed(finished, repo)


def test_refused_key():
    """simulator: a wrong key is told as such, with what to set"""
    finished, repo = simulated(harness.job_steps(), key="another-key-not-a-secret")
    equal(finished.status, 4, f"exit status of {finished!r}")
    contains(finished.everything(), "JCA_ANTHROPIC_API_KEY", "the remedy")
    harness.must_be_untouched(repo)


def test_held():
    """simulator: a server that keeps the connection after message_stop holds up nothing"""
    finished, repo = simulated(harness.held_steps(), "--no-readiness", JCA_CLAUDE_API_IDLE_TIMEOUT="600", **harness.HELD)
    completed(finished, repo)


def paged(method, path, headers, body):
    """Five models, two a part whatever limit says."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    names = [f"model-{number}" for number in range(1, 6)]
    after = query.get("after_id", [None])[0]
    begin = names.index(after) + 1 if after else 0
    part = names[begin:begin + 2]
    answer = {"data": [{"type": "model", "id": name, "display_name": name} for name in part], "first_id": part[0],
              "last_id": part[-1], "has_more": begin + 2 < len(names)}
    status = 200 if method == "GET" else 400
    return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def test_list_in_parts():
    """a list of models that comes in parts is read to its end, as the vendor's client does"""
    node, modules = harness.node_modules()

    def asked(requests):
        return [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("after_id") for method, path, _, _ in requests
                if method == "GET" and path.startswith("/v1/models")]
    with harness.Recorder(answer=paged) as recorder:
        environment = {"JCA_ANTHROPIC_BASE_URL": recorder.url, "JCA_ANTHROPIC_API_KEY": harness.KEY}
        found = harness.mergeloom("check", "claude-api", environment=harness.clean_environment(
            **environment, JCA_ANTHROPIC_MODEL="model-5"))
        ours = asked(recorder.requests)
        missing = harness.mergeloom("check", "claude-api", environment=harness.clean_environment(
            **environment, JCA_ANTHROPIC_MODEL="model-6"))
    contains(found.out, "model-5 is in the service's list of 5", "a model of the last part")
    contains(missing.out, 'the service has no model "model-6"', "a model that is in no part")
    with harness.Recorder(answer=paged) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/anthropic_client.mjs", modules, recorder.url])
        theirs = asked(recorder.requests)
    equal([part for part in ours if part], [part for part in theirs if part], "what is asked for after the first part")


def test_requests():
    """recorder: the bytes of a turn go on with those of the one before, marks move, the vendor's client sends the same"""
    node, modules = harness.node_modules()
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        with harness.Recorder(server.url) as recorder:
            # The settings that make ours equal the client's choice of header and version.
            completed(run_job(recorder.url, repo, "--no-self-test", JCA_ANTHROPIC_AUTH_HEADER="bearer",
                              JCA_ANTHROPIC_VERSION="2026-10-21"), repo)
            ours = [request for request in recorder.requests if request[1] == "/v1/messages"]
    bodies = [body for *_, body in ours]
    equal(len(bodies), 5, "turns")
    api_cases.share_their_prefix(bodies, b',"cache_control":{"type":"ephemeral"}')
    last = json.loads(bodies[-1])
    equal([message["role"] for message in last["messages"]], ["user"] + ["assistant", "user"] * 4, "roles")
    equal([block["type"] for block in last["messages"][2]["content"]], ["tool_result"] * 2, "results of one turn")
    thought = last["messages"][3]["content"][0]
    equal((thought["type"], thought["thinking"]), ("thinking", "One word is wrong."), "the thinking that comes back")
    path = harness.scratch() / "request.json"
    path.write_bytes(bodies[-1])
    with harness.Recorder(answer=lambda *_: (200, {"Content-Type": "text/event-stream"}, b"")) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/anthropic_client.mjs", modules, recorder.url, path])
        method, address, headers, body = recorder.requests[0]
    equal((ours[-1][0], ours[-1][1]), (method, address), "method and address")
    equal(last, json.loads(body), "the body that the vendor's client sends for the same conversation")
    theirs = {name.lower(): value for name, value in headers.items()}
    mine = {name.lower(): value for name, value in ours[-1][2].items()}
    for name in ("authorization", "x-api-key", "content-type", "anthropic-version"):
        equal(mine.get(name), theirs.get(name), name)


harness.main(globals())
