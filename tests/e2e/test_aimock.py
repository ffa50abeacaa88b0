#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs against a mock server that is not ours: the npm package @copilotkit/aimock."""
import json

import harness
from api_cases import aimock_steps, at_aimock, demo_completed
from harness import check, contains, equal


EDIT = next(number for number, step in enumerate(aimock_steps()) if step["toolCalls"][0]["name"] == "edit_file")


def run(*options, **more):
    # One of the models that its list names, as the readiness check looks there.
    return at_aimock(harness.run_job, "openai-compatible", *options, JCA_OPENAI_COMPATIBLE_MODEL="gpt-4o", **more)[:2]


def test_whole():
    """the demo job, not streamed"""
    demo_completed(*run(JCA_OPENAI_COMPATIBLE_STREAM="false"))


def test_small_chunks():
    """the demo job with one character in each event"""
    demo_completed(*run("--no-readiness", plan={"server": {"chunkSize": 1}}))


def test_result_document():
    """the events are JSON lines and the last tells the result"""
    finished, repo = run("--no-readiness", "--json")
    demo_completed(finished, repo)
    events = [json.loads(line) for line in finished.out.splitlines()]
    check(len(events) > 10, f"only {len(events)} events")
    contains(events[-1]["summary"], "It rounds up now; all tests pass.", "the summary in the result")


def failed_after_edit(finished, repo, *parts):
    """Failed in a turn after the edit: the error is said, the work is kept and said to be."""
    harness.must_complain(finished, 1, *parts)
    harness.must(harness.DEMO_TESTS, cwd=repo)
    contains(finished.everything(), "shelf/pages.py", "what is said of the work that was kept")


def fails_for_ever(chaos, *parts, **settings):
    finished, repo = run("--no-readiness", plan={"options": {EDIT + 1: {"chaos": chaos}}},
                         JCA_OPENAI_COMPATIBLE_MAX_RETRIES="1", **settings)
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
    for number, (chaos, *parts) in enumerate((({"dropRate": 1}, "500"), ({"malformedRate": 1},), ({"disconnectRate": 1},),
                                              ({"rateLimitRate": 1}, "429"))):
        fails_for_ever(chaos, *parts, name=f"whole-{number}", JCA_OPENAI_COMPATIBLE_STREAM="false")


def test_truncated():
    """a stream that is cut is an error, never the end of the answer"""
    steps = aimock_steps()
    steps[EDIT + 1] = {"content": "This is a longer text, which is cut in the middle of what it says, after a few pieces."}
    failed_after_edit(*run("--no-readiness", steps=steps,
                           plan={"options": {EDIT + 1: {"latency": 50, "truncateAfterChunks": 3}}}))


def test_only_talk():
    """a model that only talks: nothing is changed, the job fails"""
    steps = [{"content": "I would change the word."}] + [{"content": "As I said."}] * 8
    finished, repo = run("--no-readiness", steps=steps)
    equal(finished.status, 1, f"exit status of {finished!r}")
    harness.must_be_untouched(repo)


harness.main(globals())
