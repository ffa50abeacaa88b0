#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider aws-bedrock: whole jobs over Converse and its other APIs, judged by clients that are not ours."""
import json

import harness
from harness import check, contains, equal

SCRIPT = {
    "models": ["sim-1", "sim-2"],
    "conversations": [
        {"name": "hello", "when": {"user": "hello"}, "steps": [
            {"reasoning": "A greeting.", "text": "Grüße, 世界! This is streamed in pieces.",
             "usage": {"input": 12, "cached": 4, "output": 9}}]},
        {"name": "calls", "when": {"user": "two calls"},
         "capture": {"token": {"from": "tool", "after": "token: "}},
         "steps": [
             {"reasoning": "Two cities.", "text": "Looking.",
              "tool_calls": [{"name": "weather", "arguments": {"city": "Zürich"}},
                             {"name": "weather", "arguments": {"city": "Oslo \"N\""}}]},
             {"text": "The token is ${token}."}]},
        {"name": "limited", "when": {"user": "limited"}, "steps": [
            {"fault": {"kind": "status", "status": 429, "message": "slow down"}}]},
        {"name": "broken", "when": {"user": "broken"}, "steps": [
            {"fault": {"kind": "status", "status": 500}}]},
        {"name": "inside", "when": {"user": "inside"}, "steps": [
            {"text": "Some text first.", "fault": {"kind": "error", "after_events": 2, "message": "went wrong"}}]},
        {"name": "cut", "when": {"user": "cut"}, "steps": [
            {"text": "Some text first, and more of it.", "fault": {"kind": "cut", "after_events": 2}}]},
    ],
}


def test_vendor_client():
    """the vendor's own client decodes the simulator's answers, streams, calls and errors"""
    node, modules = harness.node_modules()
    with harness.simulator(SCRIPT) as server:
        out = harness.must([node, harness.SOURCE / "tests/e2e/bedrock_client.mjs", modules, server.url])
    got = json.loads(out)
    for form in ("whole", "streamed"):
        thought, said = got[form]["content"]
        check(thought["reasoningContent"]["reasoningText"]["signature"], f"a signature, {form}")
        equal(said["text"], "Grüße, 世界! This is streamed in pieces.", f"text, {form}")
        equal(got[form]["stopReason"], "end_turn", f"stop reason, {form}")
        usage = got[form]["usage"]
        equal((usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]), (8, 4, 9), f"usage, {form}")
    check(got["streamed"]["pieces"] > 3, "the stream has several pieces")
    for form in ("calls", "streamedCalls"):
        calls = [block["toolUse"] for block in got[form]["content"] if "toolUse" in block]
        equal([call["input"]["city"] for call in calls], ["Zürich", 'Oslo "N"'], form)
        check(calls[0]["toolUseId"] != calls[1]["toolUseId"], "ids differ")
        equal(got[form]["stopReason"], "tool_use", f"stop reason, {form}")
    for form in ("conversation", "streamedConversation"):
        contains(got[form][0]["text"], "The token is Oslo", f"a value taken from a tool result, {form}")
    equal((got["limited"]["error"], got["limited"]["status"]), ("ThrottlingException", 429), "429")
    equal((got["broken"]["error"], got["broken"]["status"]), ("InternalServerException", 500), "500")
    equal((got["inside"]["error"], got["inside"]["message"]), ("ServiceUnavailableException", "went wrong"),
          "an exception inside a stream")
    check("error" in got["cut"], f"a cut stream is an error to the client: {got['cut']}")


harness.main(globals())
