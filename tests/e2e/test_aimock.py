#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs against a mock server that is not ours: the npm package @copilotkit/aimock."""
import json

import harness
from api_cases import aimock_steps, completed
from harness import check, contains, equal


def run(plan_steps, *options, settings=None, **plan):
    repo = harness.repository(harness.FILES)
    with harness.aimock(plan_steps, harness.MARK, **plan) as server:
        # One of the models that its list names, as the readiness check looks there.
        finished = harness.run_job(server.url, repo, *options, JCA_OPENAI_COMPATIBLE_MODEL="gpt-4o", **(settings or {}))
    return finished, repo


def test_streamed():
    """a whole job, streamed, with the self-test before it"""
    finished, repo = run(aimock_steps())
    completed(finished, repo)


def test_whole():
    """a whole job, not streamed"""
    finished, repo = run(aimock_steps(), settings={"JCA_OPENAI_COMPATIBLE_STREAM": "false"})
    completed(finished, repo)


def test_small_chunks():
    """a whole job with one character in each event"""
    finished, repo = run(aimock_steps(), server={"chunkSize": 1})
    completed(finished, repo)


def test_result_document():
    """the events are JSON lines and the last tells the result"""
    finished, repo = run(aimock_steps(), "--json")
    completed(finished, repo)
    events = [json.loads(line) for line in finished.out.splitlines()]
    check(len(events) > 10, f"only {len(events)} events")
    contains(finished.out, "Corrected the greeting in hello.txt.", "the summary in the events")


def test_one_server_error():
    """a single 500 is tried again"""
    plan = aimock_steps()
    plan[1]["first"] = [{"error": {"message": "try again", "type": "server_error"}, "status": 500}]
    finished, repo = run(plan)
    completed(finished, repo)


def test_rate_limit_with_wait():
    """a 429 with Retry-After is waited for"""
    plan = aimock_steps()
    plan[2]["first"] = [{"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1}]
    finished, repo = run(plan)
    completed(finished, repo)


def failed_after_edit(finished, repo, *parts):
    """Failed in a turn after the edit: the error is said, the work is kept and said to be."""
    harness.must_complain(finished, 1, *parts)
    harness.must_be_kept(finished, repo)


def fails_for_ever(chaos, *parts, **settings):
    finished, repo = run(aimock_steps(), options={"2": {"chaos": chaos}},
                         settings={"JCA_OPENAI_COMPATIBLE_MAX_RETRIES": "1", **settings})
    failed_after_edit(finished, repo, *parts)


def test_dropped():
    """500 for ever: the job fails, its work so far is kept"""
    fails_for_ever({"dropRate": 1}, "500")


def test_malformed():
    """answers that are no JSON: the job fails, its work so far is kept"""
    fails_for_ever({"malformedRate": 1})


def test_disconnected():
    """connections that are closed without an answer: the job fails, its work so far is kept"""
    fails_for_ever({"disconnectRate": 1})


def test_rate_limited():
    """429 for ever: the job fails, its work so far is kept"""
    fails_for_ever({"rateLimitRate": 1}, "429")


def test_failures_of_whole_answers():
    """the same failures where answers are not streamed"""
    for chaos, *parts in (({"dropRate": 1}, "500"), ({"malformedRate": 1},), ({"disconnectRate": 1},),
                          ({"rateLimitRate": 1}, "429")):
        harness.shutil.rmtree(harness.scratch() / "repository", ignore_errors=True)
        fails_for_ever(chaos, *parts, JCA_OPENAI_COMPATIBLE_STREAM="false")


def test_truncated():
    """a stream that is cut is an error, never the end of the answer"""
    plan = aimock_steps()
    plan[2] = {"content": "This is a longer text, which is cut in the middle of what it says, after a few pieces."}
    finished, repo = run(plan, options={"2": {"latency": 50, "truncateAfterChunks": 3}})
    failed_after_edit(finished, repo)


def test_only_talk():
    """a model that only talks: nothing is changed, the job fails"""
    finished, repo = run([{"content": "I would change the word."}] + [{"content": "As I said."}] * 8)
    equal(finished.status, 1, f"exit status of {finished!r}")
    harness.must_be_untouched(repo)


harness.main(globals())
