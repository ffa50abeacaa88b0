#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs of codex-api over the Responses wire, against aimock, which is not ours, and the simulator."""
import json
import os

import api_cases
import harness
from api_cases import completed, with_fault
from harness import check, equal

PATH = "/responses"
ECHOED = ("message", "reasoning", "function_call")


def settings(url, **more):
    return {"JCA_OPENAI_BASE_URL": url + "/v1", "JCA_OPENAI_API_KEY": harness.KEY, "JCA_OPENAI_MODEL": "sim-1",
            "JCA_WORKER_PROVIDER": "codex-api", **more}


def run_job(url, repo, *options, **more):
    return api_cases.run_job(url, repo, *options, **settings(url, **more))


# ---- aimock ----

def at_aimock(*options, **more):
    return api_cases.at_aimock(run_job, "codex-api", *options, JCA_OPENAI_MODEL="gpt-4o", **more)


def test_mock_whole():
    """aimock: the demo job, not streamed"""
    finished, repo, _ = at_aimock(JCA_OPENAI_STREAM="false")
    api_cases.demo_completed(finished, repo)


def test_mock_small_chunks():
    """aimock: the demo job with one character in each event"""
    finished, repo, _ = at_aimock("--no-readiness", plan={"server": {"chunkSize": 1}})
    api_cases.demo_completed(finished, repo)


# ---- The simulator ----

def run_simulated(steps, *options, more=None, recorded=False):
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(steps, harness.KEY)) as server:
        if not recorded:
            return run_job(server.url, repo, *options, **(more or {})), repo
        with harness.Recorder(server.url) as proxy:
            finished = run_job(proxy.url, repo, *options, **(more or {}))
            return finished, repo, proxy


def test_simulated():
    """simulator: a whole job with the self-test before it"""
    completed(*run_simulated(harness.job_steps()))


def test_simulated_whole():
    """simulator: a whole job, not streamed"""
    completed(*run_simulated(harness.job_steps(), more={"JCA_OPENAI_STREAM": "false"}))


def test_simulated_bytes():
    """simulator: a stream cut into single bytes"""
    steps = [{**step, "deliver": {"chunk_bytes": 1}} for step in harness.job_steps()]
    completed(*run_simulated(steps, "--no-readiness"))


def test_requests():
    """what is sent: nothing stored, items in order, reasoning encrypted and without id, each body a prefix"""
    finished, repo, proxy = run_simulated(harness.job_steps(), "--no-readiness", recorded=True)
    completed(finished, repo)
    bodies = proxy.bodies(PATH)
    equal(len(bodies), len(harness.job_steps()), "turns")
    for earlier, later in zip(bodies, bodies[1:]):
        common = len(os.path.commonprefix([earlier, later]))
        equal(earlier[common:], b"]}", "the closing part")
    last = json.loads(bodies[-1])
    equal((last["store"], last["include"]), (False, ["reasoning.encrypted_content"]), "storing")
    check(last["prompt_cache_key"], "a key for the prompt cache")
    equal([item["type"] for item in last["input"]],
          ["message", "message", "function_call", "function_call", "function_call_output", "function_call_output",
           "reasoning", "function_call", "function_call_output", "function_call", "function_call_output",
           "function_call", "function_call_output"], "items")
    reasoning = last["input"][6]
    equal(sorted(reasoning), ["encrypted_content", "summary", "type"], "members of reasoning")
    equal(last["input"][1]["phase"], "commentary", "phase")


def test_failures_mended():
    """simulator: 429, 500 and an error before the first piece are tried again"""
    wait = {"error": {"message": "Rate limit reached. Please try again in 20ms.", "code": "rate_limit_exceeded"}}
    for steps in (with_fault(2, "status", status=500, times=1), with_fault(2, "status", status=429, body=wait, times=1),
                  with_fault(2, "error", after_events=1, message="went wrong", times=1)):
        repo = harness.repository(harness.FILES, f"repository-{id(steps)}")
        with harness.simulator(harness.job_script(steps)) as server:
            completed(run_job(server.url, repo, "--no-readiness"), repo)


def test_quota():
    """simulator: a quota that is used up is not tried again"""
    body = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
    finished, repo, proxy = run_simulated(with_fault(2, "status", status=429, body=body), "--no-readiness", recorded=True)
    harness.must_complain(finished, 1, "quota")
    equal(len(proxy.bodies(PATH)), 3, "requests")
    equal(harness.hello(repo), "hello, world\n", "the work that was done before")


def test_held():
    """simulator: a server that keeps the connection after response.completed holds up nothing"""
    completed(*run_simulated(harness.held_steps(), "--no-readiness",
                             more={"JCA_CODEX_API_IDLE_TIMEOUT": "600", **harness.HELD}))


def with_limits(upstream, **limits):
    """What upstream answers, with headers of limits."""
    def answer(method, path, headers, body):
        status, received, data = api_cases.pass_on(upstream + path, method, headers, body)
        return status, {**received, **{f"x-ratelimit-{name.replace('_', '-')}": value for name, value in limits.items()}}, data
    return answer


def test_limits():
    """what the service says of its limits is an event of each turn, and told to people when little is left"""
    steps = harness.job_steps()
    for left, told in (("149984", False), ("900", True)):
        with harness.simulator(harness.job_script(steps)) as server, harness.Recorder(answer=with_limits(
                server.url, limit_tokens="150000", remaining_tokens=left, reset_tokens="6m0s")) as proxy:
            repo = harness.repository(harness.FILES, f"events-{left}")
            finished = run_job(proxy.url, repo, "--no-readiness", "--json")
            repo = harness.repository(harness.FILES, f"people-{left}")
            shown = run_job(proxy.url, repo, "--no-readiness")
        events = [json.loads(line) for line in finished.out.splitlines() if '"rate_limit"' in line]
        text = f"tokens {left} of 150000 left, reset 6m0s"
        equal([(event["text"], event.get("name")) for event in events], [(text, "low" if told else None)] * len(steps),
              "events")
        completed(shown, repo)
        equal("little is left of a limit" in shown.out, told, "a note for people")


def test_same_conversation():
    """the vendor's client, having the same conversation by itself, sends the same bodies"""
    node, modules = harness.node_modules()
    finished, repo, proxy = run_simulated(harness.job_steps(), "--no-readiness", recorded=True)
    completed(finished, repo)
    ours = [request for request in proxy.requests if request[1].endswith(PATH)]
    path = harness.scratch() / "request.json"
    path.write_bytes(ours[-1][3])
    with harness.simulator(harness.job_script(harness.job_steps(), harness.KEY)) as server, \
            harness.Recorder(server.url) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/responses_client.mjs", modules, recorder.url + "/v1", path])
        theirs = recorder.requests
    equal(len(ours), len(theirs), "turns")
    for number, (mine, other) in enumerate(zip(ours, theirs), 1):
        equal(mine[:2], other[:2], "method and address")
        equal(json.loads(mine[3]), json.loads(other[3]), f"body of turn {number}")
        for name in ("Authorization", "Content-Type"):
            equal(header(mine[2], name), header(other[2], name), name)


def header(headers, name):
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def test_vendor_client():
    """the vendor's own client decodes the simulator's Responses, streamed and not"""
    node, modules = harness.node_modules()
    script = {"conversations": [
        {"when": {"user": "two calls"}, "capture": {"token": {"from": "tool", "after": "token: "}}, "steps": [
            {"reasoning": "Hm.", "text": "Grüße, 世界!", "usage": {"input": 12, "cached": 4, "output": 9, "reasoning": 3},
             "tool_calls": [{"name": "weather", "arguments": {"city": "Zürich"}},
                            {"name": "weather", "arguments": {"city": "Oslo"}}]},
            {"text": "The token is ${token}."}]},
        {"when": {"user": "limited"}, "steps": [{"fault": {"kind": "status", "status": 429}}]}]}
    with harness.simulator(script) as server:
        got = json.loads(harness.must([node, harness.SOURCE / "tests/e2e/responses_client.mjs", modules,
                                       server.url + "/v1"]))
    for form in ("streamed", "whole"):
        items = got[form]["output"]
        equal([item["type"] for item in items], ["reasoning", "message", "function_call", "function_call"], form)
        equal(items[1]["content"][0]["text"], "Grüße, 世界!", "text")
        equal(json.loads(items[2]["arguments"]), {"city": "Zürich"}, "arguments")
        equal(got[form]["usage"]["input_tokens_details"]["cached_tokens"], 4, "cached tokens")
    equal((got["second"], got["limited"]), ("The token is blue.", 429), "second turn and 429")


harness.main(globals())
