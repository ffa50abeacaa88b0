#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mergeloom-sim by itself: that the simulator speaks what it claims, judged by clients that are not ours."""
import http.client
import json
import socket

import harness
from harness import Failure, check, contains, equal

SCRIPT = {
    "models": ["sim-1", "sim-2"],
    "conversations": [
        {"name": "hello", "when": {"user": "hello"}, "steps": [
            {"reasoning": "A greeting.", "text": "Grüße, 世界! This is streamed in pieces.",
             "usage": {"input": 12, "cached": 4, "output": 9, "reasoning": 3}}]},
        {"name": "calls", "when": {"user": "two calls"},
         "capture": {"token": {"from": "tool", "after": "token: "}},
         "steps": [
             {"text": "Looking.", "tool_calls": [{"name": "weather", "arguments": {"city": "Zürich"}},
                                                 {"name": "weather", "arguments": {"city": "Oslo \"N\""}}]},
             {"text": "The token is ${token}."}]},
        {"name": "limited", "when": {"user": "limited"}, "steps": [
            {"fault": {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}, "message": "slow down"}}]},
        {"name": "broken", "when": {"user": "broken"}, "steps": [{"fault": {"kind": "status", "status": 500}}]},
        {"name": "inside", "when": {"user": "inside"}, "steps": [
            {"text": "Some text first.", "fault": {"kind": "error", "after_events": 2, "message": "went wrong"}}]},
        {"name": "cut", "when": {"user": "cut"}, "steps": [
            {"text": "Some text first, and more of it.", "fault": {"kind": "cut", "after_events": 2}}]},
        {"name": "quirks", "when": {"user": "quirks"}, "steps": [
            {"tool_calls": [{"name": "weather", "arguments": {"city": "Rome"}}],
             "quirks": ["null-names", "no-index", "no-done", "stop-with-calls", "crlf", "comments"]}]},
        {"name": "once", "when": {"user": "once"}, "steps": [
            {"text": "Now it works.", "fault": {"kind": "status", "status": 500, "times": 1}}]},
        {"name": "bytes", "when": {"user": "bytes"}, "steps": [{"text": "Grüße", "deliver": {"chunk_bytes": 1}}]},
        {"name": "page", "when": {"user": "page"}, "steps": [
            {"fault": {"kind": "status", "status": 200, "body": "<html>no model here</html>"}}]},
        {"name": "hang up", "when": {"user": "hang up"}, "steps": [{"fault": {"kind": "hang-up"}}]},
    ],
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def ask(url, text, **more):
    body = {"model": "sim-1", "messages": [{"role": "user", "content": text}], "tools": TOOLS, **more}
    return harness.request(url + "/v1/chat/completions", "POST", json.dumps(body),
                           {"Content-Type": "application/json"})


def test_vendor_client():
    """the vendor's own client decodes models, answers, streams, calls and errors"""
    node, modules = harness.node_modules()
    with harness.simulator(SCRIPT) as server:
        out = harness.must([node, harness.SOURCE / "tests/e2e/openai_client.mjs", modules, server.url + "/v1"])
    got = json.loads(out)
    equal(got["models"], ["sim-1", "sim-2"], "models")
    equal(got["whole"]["message"]["content"], "Grüße, 世界! This is streamed in pieces.", "text")
    equal(got["whole"]["finish"], "stop", "finish reason")
    equal(got["whole"]["usage"]["prompt_tokens_details"]["cached_tokens"], 4, "cached tokens")
    equal(got["streamed"]["message"]["content"], "Grüße, 世界! This is streamed in pieces.", "streamed text")
    equal(got["streamed"]["usage"]["total_tokens"], 21, "streamed usage")
    check(got["streamed"]["pieces"] > 3, "the stream has several pieces")
    for form in ("calls", "streamedCalls"):
        calls = got[form]["message"]["tool_calls"]
        equal([json.loads(call["function"]["arguments"])["city"] for call in calls], ["Zürich", 'Oslo "N"'], form)
        check(calls[0]["id"] != calls[1]["id"], "ids differ")
    equal(got["streamedCalls"]["finish"], "tool_calls", "finish reason of calls")
    equal(got["conversation"], "The token is Oslo.", "a value taken from a tool result")
    equal((got["limited"]["error"], got["limited"]["status"]), ("RateLimitError", 429), "429")
    contains(got["limited"]["message"], "slow down", "the message of the 429")
    equal((got["broken"]["error"], got["broken"]["status"]), ("InternalServerError", 500), "500")
    contains(got["inside"]["message"], "went wrong", "an error inside a stream")
    check("error" in got["cut"], f"a cut stream is an error to the client: {got['cut']}")


def test_quirks():
    """quirks of weak servers appear on the wire as asked"""
    with harness.simulator(SCRIPT) as server:
        status, headers, body = ask(server.url, "quirks", stream=True)
    equal(status, 200, "status")
    contains(headers["Content-Type"], "text/event-stream", "content type")
    text = body.decode()
    contains(text, "\r\n\r\n", "CRLF")
    contains(text, ": keep-alive\n\n", "comments")
    check("[DONE]" not in text, "no closing marker")
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    check(len(calls) > 1, "arguments in several pieces")
    check(all("index" not in call for call in calls), "no index")
    equal(calls[1]["function"]["name"], None, "null name in the second piece")
    equal(json.loads("".join(call["function"]["arguments"] for call in calls)), {"city": "Rome"}, "arguments")
    equal(chunks[-1]["choices"][0]["finish_reason"], "stop", "finish reason")


def test_faults():
    """faults: a status once, a page instead of JSON, a connection that is closed"""
    with harness.simulator(SCRIPT) as server:
        equal(ask(server.url, "once")[0], 500, "first attempt")
        equal(ask(server.url, "once")[0], 200, "second attempt")
        status, headers, body = ask(server.url, "page")
        equal((status, headers["Content-Type"], body), (200, "text/html", b"<html>no model here</html>"), "page")
        status, headers, body = ask(server.url, "limited")
        equal((status, headers["Retry-After"]), (429, "7"), "retry-after")
        try:
            ask(server.url, "hang up")
            raise Failure("hang up: an answer came")
        except (http.client.RemoteDisconnected, ConnectionResetError):
            pass
        try:
            ask(server.url, "cut", stream=True)
            raise Failure("cut: the answer is complete")
        except http.client.IncompleteRead as cut:
            equal(cut.partial.count(b"data: "), 2, "events before the cut")


def test_chunks():
    """a stream cut into single bytes is the same stream"""
    with harness.simulator(SCRIPT) as server:
        _, _, body = ask(server.url, "bytes", stream=True)
        contains(body.decode(), "Grüße", "text")
        with socket.create_connection(tuple(server.url.removeprefix("http://").split(":")), timeout=60) as raw:
            data = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "bytes"}]})
            raw.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        f"Content-Length: {len(data)}\r\n\r\n{data}".encode())
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
    check(b"\r\n1\r\nd\r\n1\r\na\r\n" in answer, "chunks of one byte")


def test_request_checks():
    """malformed requests are refused as a vendor would"""
    with harness.simulator({"key": harness.KEY, **SCRIPT}) as server:
        equal(ask(server.url, "hello")[0], 401, "no key")
        headers = {"Authorization": "Bearer " + harness.KEY}
        url = server.url + "/v1/chat/completions"
        for body in ("{", "[]", "{}", '{"model":"m","messages":[]}',
                     '{"model":"m","messages":[{"role":"tool","tool_call_id":"x","content":"y"}]}',
                     json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}, {
                         "role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {
                             "name": "n", "arguments": "{}"}}]}, {"role": "user", "content": "and?"}]})):
            status, _, answer = harness.request(url, "POST", body, headers)
            equal(status, 400, body)
            check(json.loads(answer)["error"]["message"], "a message")
        equal(harness.request(server.url + "/nothing", headers=headers)[0], 404, "unknown address")


def test_minimal_wire():
    """the line protocol of the minimal provider example"""
    def record(head, text):
        data = text.encode()
        return f"{head} {len(data)}\n".encode() + data + b"\n"
    body = (record("model", "minimal-1") + record("system", "Be brief.") + record("tool weather", "Tells\n{}") +
            record("user", "two calls"))
    with harness.simulator(SCRIPT) as server:
        status, _, answer = harness.request(server.url + "/minimal", "POST", body)
        equal(status, 200, "status")
        lines = answer.decode().splitlines()
        equal(lines[0], "text Looking.", "text")
        equal(lines[1], 'call call_1_1 weather {"city":"Zürich"}', "call")
        check(lines[-2].startswith("usage "), "usage")
        equal(lines[-1], "end", "end")
        body += record("assistant", answer.decode()) + record("result call_1_1", "token: blue")
        _, _, answer = harness.request(server.url + "/minimal", "POST", body)
        contains(answer.decode(), "text The token is blue.\n", "second turn")
        equal(harness.request(server.url + "/minimal", "POST", b"user 99\nhello\n")[0], 400, "malformed record")


def test_script_errors():
    """a malformed script is refused in one line with its place"""
    for script, part in (('{"conversations": [', "line 1"), ('{"conversation": []}', '"conversation"'),
                         ('{"conversations": [{"steps": []}]}', "no steps"),
                         ('{"conversations": [{"steps": [{"quirks": ["odd"]}]}]}', '"odd"'),
                         ('{"conversations": [{"steps": [{"fault": {"kind": "odd"}}]}]}', '"odd"')):
        path = harness.scratch() / "script.json"
        path.write_text(script, encoding="utf-8")
        finished = harness.run([harness.BUILD / "mergeloom-sim", "--script", path])
        equal(finished.status, 2, script)
        equal(len(finished.err.splitlines()), 1, "lines of the error")
        contains(finished.err, part, script)


harness.main(globals())
