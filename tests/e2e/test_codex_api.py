#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs of codex-api over the Responses wire, against aimock, which is not ours, and the simulator."""
import json
import os

import harness
from harness import check, contains, equal, lacks

PATH = "/responses"
ECHOED = ("message", "reasoning", "function_call")


def settings(url, **more):
    return {"JCA_OPENAI_BASE_URL": url + "/v1", "JCA_OPENAI_API_KEY": harness.KEY, "JCA_OPENAI_MODEL": "sim-1",
            "JCA_WORKER_PROVIDER": "codex-api", "JCA_OPENAI_COMPATIBLE_BASE_URL": None,
            "JCA_OPENAI_COMPATIBLE_MODEL": None, "JCA_OPENAI_COMPATIBLE_API_KEY": None, **more}


def run_job(url, repo, *options, **more):
    return harness.run_job(url, repo, *options, **settings(url, **more))


def completed(finished, repo):
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), " M hello.txt\n", "what changed")
    lacks(finished.everything(), harness.KEY, "what is printed")


# ---- aimock ----

def mock_steps():
    """The job's turns in aimock's form."""
    def calls(number, *tools):
        return [{"id": f"call_{number}_{index}", **tool} for index, tool in enumerate(tools)]
    return [{"content": "I will look first. Grüße!",
             "toolCalls": calls(0, harness.READ, {"name": "list_files", "arguments": {"path": "."}})},
            {"reasoning": "One word is wrong.", "content": "Now I mend it.", "toolCalls": calls(1, harness.EDIT)},
            {"toolCalls": calls(2, harness.RUN)},
            {"toolCalls": calls(3, harness.DIFF)},
            {"content": "That is it.", "toolCalls": calls(4, harness.SUBMIT)}]


def run_mock(plan_steps, *options, more=None, **plan):
    repo = harness.repository(harness.FILES)
    with harness.aimock(plan_steps, harness.MARK, **plan) as server:
        finished = run_job(server.url, repo, *options, JCA_OPENAI_MODEL="gpt-4o", **(more or {}))
    return finished, repo


def test_mock_streamed():
    """aimock: a whole job, streamed, with the self-test before it"""
    completed(*run_mock(mock_steps()))


def test_mock_whole():
    """aimock: a whole job, not streamed"""
    completed(*run_mock(mock_steps(), more={"JCA_OPENAI_STREAM": "false"}))


def test_mock_small_chunks():
    """aimock: a whole job with one character in each event"""
    completed(*run_mock(mock_steps(), server={"chunkSize": 1}))


def test_mock_errors():
    """aimock: a single 500 and a single 429 with a wait are tried again"""
    plan = mock_steps()
    plan[1]["first"] = [{"error": {"message": "try again", "type": "server_error"}, "status": 500}]
    plan[2]["first"] = [{"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1}]
    completed(*run_mock(plan))


def test_mock_truncated():
    """aimock: a stream that is cut is an error, never the end of the answer"""
    plan = mock_steps()
    plan[2] = {"content": "This is a longer text, which is cut in the middle of what it says, after a few pieces."}
    finished, repo = run_mock(plan, options={"2": {"latency": 50, "truncateAfterChunks": 6}})
    harness.must_complain(finished, 1)
    equal(harness.hello(repo), "hello, world\n", "the work that was done before")


harness.main(globals())
