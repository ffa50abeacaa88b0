#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider aws-bedrock: whole jobs over Converse and its other APIs, judged by clients that are not ours."""
import base64
import json
import os
import struct
import time
import urllib.parse
import zlib

import api_cases
import harness
from api_cases import with_fault
from harness import check, contains, equal, lacks

ID = "test-id"
SECRET = harness.KEY
TOKEN = "test-token-not-a-secret"
BEARER = "test-bearer-not-a-secret"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
# Where nothing listens, so that no test looks for a metadata server on the network.
NOWHERE = "http://127.0.0.1:1"

BROKEN = {"name": "broken", "when": {"user": "broken"}, "steps": [{"fault": {"kind": "status", "status": 500}}]}
SCRIPT = api_cases.client_script(2, BROKEN)


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


# ---- Jobs ----

def run_job(url, repo, *options, **more):
    return api_cases.run_job(url, repo, *options, **{
        "JCA_BEDROCK_ENDPOINT_URL": url, "JCA_BEDROCK_REGION": "us-east-1", "JCA_BEDROCK_MODEL_ID": "sim-1",
        "AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_SERVICE_ENDPOINT": NOWHERE,
        "JCA_WORKER_PROVIDER": "aws-bedrock", **more})


def completed(finished, repo):
    api_cases.completed(finished, repo, TOKEN, BEARER)


def simulated(steps, *options, **more):
    return api_cases.simulated(run_job, steps, *options, **more)


def recorded(steps, answer=None, options=("--no-readiness",), **more):
    """A job against the simulator; what was sent. answer may answer instead of it, or give None."""
    repo = harness.repository(harness.FILES, f"repository-{time.monotonic_ns()}")
    with harness.simulator(harness.job_script(steps)) as server:
        def pass_on(method, path, headers, body):
            mine = answer(method, path, headers, body) if answer else None
            if mine:
                return mine
            return api_cases.pass_on(server.url + path, method, headers, body)
        with harness.Recorder(answer=pass_on) as recorder:
            finished = run_job(recorder.url, repo, *options, **more)
    return finished, repo, recorder.requests


def failure(status, exception, message, **headers):
    return status, {"Content-Type": "application/json", "x-amzn-ErrorType": f"{exception}:http://internal/", **headers}, \
        json.dumps({"message": message}).encode()


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


# ---- aimock ----

def test_aimock_whole():
    """aimock, which does not know cache points: the demo job over Converse and over InvokeModel, not streamed"""
    for api in ("converse", "invoke"):
        finished, repo, _ = api_cases.at_aimock(
            run_job, "aws-bedrock", "--no-self-test", name=f"shelf-{api}", steps=api_cases.aimock_steps("tooluse", reasoning=False),
            JCA_BEDROCK_MODEL_ID="us.anthropic.claude-x-v1:0", JCA_BEDROCK_PROMPT_CACHING="off", JCA_BEDROCK_API=api,
            JCA_BEDROCK_STREAM="false")
        api_cases.demo_completed(finished, repo)


# ---- The simulator ----

def test_job():
    """simulator: a whole job with the self-test, reasoning echoed with its signature"""
    finished, repo = simulated(harness.job_steps())
    completed(finished, repo)


def test_job_whole():
    """simulator: a whole job, not streamed"""
    finished, repo = simulated(harness.job_steps(), JCA_BEDROCK_STREAM="false")
    completed(finished, repo)


def test_job_mantle():
    """simulator: a whole job over mantle's Messages, with a Bedrock API key"""
    finished, repo = simulated(harness.job_steps(), key=BEARER, JCA_BEDROCK_API="mantle",
                               AWS_BEARER_TOKEN_BEDROCK=BEARER)
    completed(finished, repo)


def test_retried():
    """simulator: one 429, one 503 and one 500 are tried again"""
    steps = harness.job_steps()
    for number, status in ((1, 429), (2, 503), (3, 500)):
        steps[number]["fault"] = {"kind": "status", "status": status, "times": 1, "headers": {"x-amz-retry-after": "10"}}
    finished, repo = simulated(steps)
    completed(finished, repo)


def test_exception_frame_inside_stream():
    """simulator: an exception inside a stream of status 200 is tried again before the first delta"""
    finished, repo = simulated(with_fault(2, "error", after_events=1, message="Overloaded", times=1))
    completed(finished, repo)


def test_exception_frame_after_the_first_delta():
    """simulator: an exception after the first delta is an error, never the end of the answer"""
    finished, repo = simulated(with_fault(1, "error", after_events=3, message="went wrong"), "--no-self-test")
    equal(finished.status, 1, f"exit status of {finished!r}")
    contains(finished.everything(), "went wrong", "what is said")
    equal(harness.hello(repo), "helo, world\n", "nothing of the turn was done")


def test_damaged_frame():
    """simulator: bytes that are no message are an error"""
    finished, repo = simulated(with_fault(2, "malformed", after_events=2), JCA_AWS_BEDROCK_MAX_RETRIES="0")
    equal(finished.status, 1, f"exit status of {finished!r}")
    contains(finished.everything(), "checksum", "what is said")
    equal(harness.hello(repo), "hello, world\n", "the work that was done before")


# ---- What is sent ----

def botocore_signature(method, path, headers, body, service="bedrock"):
    """The signature that botocore makes for what was received."""
    try:
        import botocore.auth  # pylint: disable=import-outside-toplevel
        import botocore.awsrequest  # pylint: disable=import-outside-toplevel
        import botocore.credentials  # pylint: disable=import-outside-toplevel
    except ImportError as problem:
        if os.environ.get("CI") == "true":
            raise harness.Failure("botocore is missing: ./dev setup installs it") from problem
        raise harness.Skip("botocore is not installed: ./dev setup installs it") from problem
    sent = lower(headers)
    parts = dict(part.strip().split("=", 1) for part in sent["authorization"].split(" ", 1)[1].split(","))
    signed = parts["SignedHeaders"].split(";")
    request = botocore.awsrequest.AWSRequest(
        method=method, url=f"http://{sent['host']}{path}", data=body,
        headers={name: sent[name] for name in signed if name != "host"})
    request.context["timestamp"] = sent["x-amz-date"]
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(ID, SECRET, sent.get("x-amz-security-token")),
                                   service, "us-east-1")
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    return parts, auth.signature(to_sign, request)


def test_signature():
    """botocore computes the same signature for every request, of a model with a colon and of an ARN too"""
    for number, (model, service, more) in enumerate((
            ("sim-1", "bedrock", {}),
            ("us.sim:0", "bedrock", {"AWS_SESSION_TOKEN": TOKEN}),
            (ARN, "bedrock", {"JCA_BEDROCK_STREAM": "false"}),
            ("sim-1", "bedrock-mantle", {"JCA_BEDROCK_API": "mantle"}))):
        with harness.simulator(harness.job_script(harness.job_steps())) as server:
            with harness.Recorder(server.url) as recorder:
                repo = harness.repository(harness.FILES, f"repository-{number}")
                completed(run_job(recorder.url, repo, "--no-readiness", JCA_BEDROCK_MODEL_ID=model, **more), repo)
        equal(len(recorder.requests), 5, "requests")
        for request in recorder.requests:
            parts, expected = botocore_signature(*request, service=service)
            equal(parts["Signature"], expected, f"signature of {request[1]}")
            contains(parts["Credential"], f"{ID}/", "whose key")
            signed = parts["SignedHeaders"].split(";")
            for name in ["content-type", "host", "x-amz-date"] + (["x-amz-security-token"] if "AWS_SESSION_TOKEN" in more else []):
                check(name in signed, f"{name} is signed: {signed}")


def test_requests():
    """recorder: the bytes of a turn go on with those of the one before, and the AWS SDK sends the same"""
    node, modules = harness.node_modules()
    model = "anthropic.claude-x-v1:0"
    finished, repo, requests = recorded(harness.job_steps(), JCA_BEDROCK_MODEL_ID=model)
    completed(finished, repo)
    bodies = [body for *_, body in requests]
    equal(len(bodies), 5, "turns")
    api_cases.share_their_prefix(bodies, b',{"cachePoint":{"type":"default"}}')
    last = json.loads(bodies[-1])
    equal([message["role"] for message in last["messages"]], ["user"] + ["assistant", "user"] * 4, "roles")
    equal([list(block) for block in last["messages"][2]["content"]], [["toolResult"]] * 2, "results of one turn")
    thought = last["messages"][3]["content"][0]["reasoningContent"]["reasoningText"]
    equal(thought["text"], "One word is wrong.", "the reasoning that comes back")
    path = harness.scratch() / "request.json"
    path.write_text(json.dumps({"modelId": model, "streamed": True, "body": last}), encoding="utf-8")
    with harness.Recorder(answer=lambda *_: (500, {}, b"{}")) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/bedrock_client.mjs", modules, recorder.url, path])
    theirs, ours = recorder.requests[0], requests[-1]
    equal(ours[:2], theirs[:2], "method and path")
    equal(last, json.loads(theirs[3]), "the body that the vendor's client sends for the same conversation")
    for name in ("content-type",):
        equal(lower(ours[2])[name], lower(theirs[2])[name], name)


def test_every_option_is_the_clients():
    """recorder: the AWS SDK, which leaves out what it does not know, sends every option that ours sends"""
    node, modules = harness.node_modules()
    finished, repo, requests = recorded(
        harness.job_steps(), JCA_BEDROCK_MODEL_ID="anthropic.claude-x-v1:0", JCA_BEDROCK_THINKING="enabled",
        JCA_BEDROCK_THINKING_BUDGET="2048", JCA_BEDROCK_EFFORT="high", JCA_BEDROCK_LATENCY="optimized",
        JCA_BEDROCK_MAX_OUTPUT_TOKENS="9000", JCA_BEDROCK_CACHE_TTL="1h", JCA_BEDROCK_STREAM="false",
        JCA_BEDROCK_ADDITIONAL_FIELDS='{"top_k": 50, "nested": {"list": [1, 2.5, null]}}')
    completed(finished, repo)
    sent = json.loads(requests[-1][3])
    equal((sent["inferenceConfig"], sent["outputConfig"], sent["performanceConfig"]),
          ({"maxTokens": 9000}, {"effort": "high"}, {"latency": "optimized"}), "options")
    equal(sent["additionalModelRequestFields"]["thinking"], {"type": "enabled", "budget_tokens": 2048}, "thinking")
    path = harness.scratch() / "options.json"
    path.write_text(json.dumps({"modelId": "anthropic.claude-x-v1:0", "streamed": False, "body": sent}), encoding="utf-8")
    with harness.Recorder(answer=lambda *_: (500, {}, b"{}")) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/bedrock_client.mjs", modules, recorder.url, path])
    equal(requests[-1][:2], recorder.requests[0][:2], "method and path")
    equal(sent, json.loads(recorder.requests[0][3]), "the body that the vendor's client sends")


def claude_client(kind, url, body):
    """What Anthropic's client makes of the answer to a body of ours."""
    node, modules = harness.node_modules()
    path = harness.scratch() / f"{kind}.json"
    path.write_bytes(body)
    out = harness.must([node, harness.SOURCE / "tests/e2e/bedrock_claude_client.mjs", modules, kind, url, path])
    return [json.loads(line) for line in out.splitlines()]


def test_requests_of_claude():
    """recorder: invoke and mantle send what Anthropic's clients send"""
    for api, kind in (("invoke", "bedrock"), ("mantle", "mantle")):
        finished, repo, requests = recorded(harness.job_steps()[:1], lambda *_: failure(400, "ValidationException", "no"),
                                            JCA_BEDROCK_API=api, JCA_BEDROCK_ANTHROPIC_VERSION="2026-10-21")
        equal(finished.status, 1, f"exit status of {finished!r}")
        harness.must_be_untouched(repo)
        ours = requests[-1]
        with harness.Recorder(answer=lambda *_: failure(400, "ValidationException", "no")) as recorder:
            claude_client(kind, recorder.url, ours[3])
        theirs = recorder.requests[0]
        equal(ours[:2], theirs[:2], f"method and path, {api}")
        equal(json.loads(ours[3]), json.loads(theirs[3]), f"body, {api}")
        equal(lower(ours[2]).get("anthropic-version"), lower(theirs[2]).get("anthropic-version"), f"version, {api}")


def frame(payload, **headers):
    """A message of application/vnd.amazon.eventstream."""
    head = b"".join(struct.pack(">B", len(name) + 1) + b":" + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
                    for name, value in ((name.replace("_", "-"), value) for name, value in headers.items()))
    start = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    message = start + struct.pack(">I", zlib.crc32(start)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def invoke_server(upstream):
    """InvokeModelWithResponseStream in front of the simulator's Messages, each event wrapped as Bedrock does it."""
    def answer(method, path, headers, body):  # pylint: disable=unused-argument
        if not path.endswith("/invoke-with-response-stream") or b"messages" not in body:
            return failure(400, "ValidationException", "messages: field required")
        request = {**json.loads(body), "model": "sim-1", "stream": True}
        request.pop("anthropic_version")
        _, _, events = harness.request(upstream + "/v1/messages", method, json.dumps(request).encode(),
                                       {"anthropic-version": "2023-06-01", "Content-Type": "application/json"})
        lines = [line[5:].strip() for line in events.split(b"\n") if line.startswith(b"data:")]
        return 200, {"Content-Type": "application/vnd.amazon.eventstream"}, b"".join(
            frame(json.dumps({"bytes": base64.b64encode(line).decode(), "p": "abcd"}).encode(), event_type="chunk",
                  content_type="application/json", message_type="event") for line in lines)
    return answer


def test_invoke_wrapped():
    """invoke: a whole job with the self-test over wrapped events, which Anthropic's client decodes as well"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        with harness.Recorder(answer=invoke_server(server.url)) as recorder:
            completed(run_job(recorder.url, repo, JCA_BEDROCK_API="invoke"), repo)
            last = [body for _, path, _, body in recorder.requests if b"messages" in body][-1]
            events = claude_client("bedrock", recorder.url, last)
    equal((events[0]["type"], events[-1]["type"]), ("message_start", "message_stop"), "first and last event")
    check(any(event.get("content_block", {}).get("name") == "submit_result" for event in events), "the last call")


# ---- Pitfalls that others fell into ----

def test_slash_of_an_arn_is_encoded():
    """an ARN is one segment of the path: a slash in it leads nowhere, and the answer to that has status 200"""
    finished, repo, requests = recorded(harness.job_steps(), JCA_BEDROCK_MODEL_ID=ARN)
    completed(finished, repo)
    equal(requests[-1][1], f"/model/{urllib.parse.quote(ARN, safe='')}/converse-stream", "path")


def test_unknown_operation_with_status_200_is_an_error():
    """an answer of status 200 without output is an error, not an empty answer"""
    def nowhere(*_):
        return 200, {"Content-Type": "application/json"}, \
            b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}'
    for api in ("converse", "invoke"):
        repo = harness.repository(harness.FILES, api)
        with harness.Recorder(answer=nowhere) as recorder:
            finished = run_job(recorder.url, repo, "--no-self-test", JCA_BEDROCK_API=api)
        check(finished.status not in (0, 5), f"exit status of {finished!r}")
        contains(finished.everything(), "UnknownOperationException", "what is said")
        harness.must_be_untouched(repo)


def test_parallel_results_are_not_split():
    """the results of parallel calls stand in one message"""
    finished, repo, requests = recorded(harness.job_steps())
    completed(finished, repo)
    messages = json.loads(requests[1][3])["messages"]
    equal([message["role"] for message in messages], ["user", "assistant", "user"], "roles")
    equal(len([block for block in messages[-1]["content"] if "toolResult" in block]), 2, "results in one message")


def test_history_of_calls_has_tool_config():
    """every request whose history has calls has toolConfig"""
    finished, repo, requests = recorded(harness.job_steps())
    completed(finished, repo)
    for _, _, _, body in requests:
        check(json.loads(body)["toolConfig"]["tools"], "toolConfig is there")


def test_failed_tool_result_is_not_empty():
    """a call that fails is answered with a text and the status error"""
    steps = [{"tool_calls": [{"name": "read_file", "arguments": {"path": "missing.txt"}}]}] + harness.job_steps()
    finished, repo, requests = recorded(steps)
    completed(finished, repo)
    result = json.loads(requests[1][3])["messages"][-1]["content"][0]["toolResult"]
    equal(result["status"], "error", "status")
    check(result["content"][0]["text"].strip(), "a text")


def test_on_demand_throughput_names_the_profile():
    """a model that wants an inference profile is told as such, with what to set, before a job starts"""
    message = "Invocation of model ID sim-1 with on-demand throughput isn’t supported. Retry your request with the ID " \
        "or ARN of an inference profile that contains this model."
    finished, repo, _ = recorded(harness.job_steps(), lambda *_: failure(400, "ValidationException", message), options=())
    equal(finished.status, 4, f"exit status of {finished!r}")
    contains(finished.everything(), "JCA_BEDROCK_MODEL_ID", "the remedy")
    contains(finished.everything(), "us.", "the remedy")
    harness.must_be_untouched(repo)


def test_web_identity_that_fails_stops_the_chain():
    """a token file that is missing is the error; the container's identity is not taken instead"""
    asked = []

    def container(*request):
        asked.append(request)
        return 200, {"Content-Type": "application/json"}, b"{}"
    repo = harness.repository(harness.FILES)
    with harness.Recorder(answer=container) as recorder, harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = run_job(server.url, repo, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                           AWS_WEB_IDENTITY_TOKEN_FILE=harness.scratch() / "missing", AWS_ROLE_ARN="arn:aws:iam::1:role/r",
                           AWS_CONTAINER_CREDENTIALS_FULL_URI=recorder.url + "/creds")
    equal(finished.status, 4, f"exit status of {finished!r}")
    contains(finished.everything(), "AWS_WEB_IDENTITY_TOKEN_FILE", "what is said")
    equal(asked, [], "requests to the container endpoint")


def test_bearer_key_does_not_touch_the_chain():
    """with a Bedrock API key nothing is signed, no file of profiles read and no other identity asked"""
    asked = []

    def container(*request):
        asked.append(request)
        return 500, {}, b""
    broken = harness.scratch() / "config"
    broken.write_text("[broken\n", encoding="utf-8")
    with harness.Recorder(answer=container) as endpoint:
        finished, repo, requests = recorded(
            harness.job_steps(), options=(), AWS_BEARER_TOKEN_BEDROCK=BEARER, AWS_CONFIG_FILE=broken,
            AWS_SHARED_CREDENTIALS_FILE=broken, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=endpoint.url + "/creds", AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    completed(finished, repo)
    equal(asked, [], "requests to other identities")
    for _, path, headers, _ in requests:
        sent = lower(headers)
        equal(sent["authorization"], f"Bearer {BEARER}", f"authorization of {path}")
        check("x-amz-date" not in sent and "x-amz-security-token" not in sent, "nothing is signed")


def test_explicit_keys_are_not_mixed_with_a_bearer_key():
    """static_keys signs, although a Bedrock API key is in the environment"""
    finished, repo, requests = recorded(harness.job_steps(), AWS_BEARER_TOKEN_BEDROCK=BEARER,
                                        JCA_BEDROCK_AUTH_METHOD="static_keys")
    completed(finished, repo)
    for _, _, headers, _ in requests:
        check(lower(headers)["authorization"].startswith("AWS4-HMAC-SHA256 "), "it is signed")
        lacks(str(headers), BEARER, "headers")


def test_beta_flags_are_sent_to_no_api_that_does_not_know_them():
    """no flag and no field of Anthropic's own service is sent unless it is set"""
    for number, api in enumerate(("converse", "invoke", "mantle")):
        requests = []

        def refuse(*request):
            requests.append(request)
            return failure(400, "ValidationException", "no")
        repo = harness.repository(harness.FILES, f"repository-{number}")
        with harness.Recorder(answer=refuse) as recorder:
            run_job(recorder.url, repo, "--no-self-test", JCA_BEDROCK_API=api, JCA_ANTHROPIC_BETA_HEADERS="x-2026-01-01",
                    JCA_ANTHROPIC_API_KEY="other-key-not-a-secret")
        check(any(method == "POST" for method, _, _, _ in requests), f"a turn was sent, {api}: {requests}")
        for _, _, headers, body in requests:
            check("anthropic-beta" not in lower(headers) and "x-api-key" not in lower(headers), f"headers, {api}")
            for member in (b"anthropic_beta", b"context_management", b"additionalModelRequestFields"):
                lacks(body, member, f"body, {api}")


# ---- Identities and errors ----

def expiring(finished_turns):
    """A container endpoint whose first key is refused as expired after some turns; keys are numbered."""
    given = []

    def container(method, path, headers, body):  # pylint: disable=unused-argument
        given.append(f"test-id-{len(given) + 1}")
        return 200, {"Content-Type": "application/json"}, json.dumps(
            {"AccessKeyId": given[-1], "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2099-01-01T00:00:00Z"}
        ).encode()
    turns = []

    def service(method, path, headers, body):  # pylint: disable=unused-argument
        key = lower(headers)["authorization"].split("Credential=")[1].split("/")[0]
        if key == "test-id-1" and len(turns) >= finished_turns:
            return failure(403, "ExpiredTokenException", "The security token included in the request is expired")
        turns.append(key)
        return None
    return container, service, given, turns


def test_expired_token_in_the_middle_of_a_job():
    """a session token that expires in the middle of a job is fetched again, once, and the job goes on"""
    container, service, given, turns = expiring(2)
    with harness.Recorder(answer=container) as endpoint:
        finished, repo, _ = recorded(harness.job_steps(), service, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                                     AWS_CONTAINER_CREDENTIALS_FULL_URI=endpoint.url + "/creds")
    completed(finished, repo)
    equal(given, ["test-id-1", "test-id-2"], "keys that were fetched")
    equal(turns, ["test-id-1"] * 2 + ["test-id-2"] * 3, "the key of each turn")


def check_fails(answer, *parts, status=4, **more):
    repo = harness.repository(harness.FILES, f"repository-{time.monotonic_ns()}")
    with harness.Recorder(answer=lambda *_: answer) as recorder:
        finished = run_job(recorder.url, repo, **more)
    equal(finished.status, status, f"exit status of {finished!r}")
    for part in parts:
        contains(finished.everything(), part, "what is said")
    for secret in (SECRET, BEARER):
        lacks(finished.everything(), secret, "what is printed")
    harness.must_be_untouched(repo)


def test_refusals():
    """each refusal of the service has its own remedy"""
    check_fails(failure(403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
                "ask for access to sim-1")
    check_fails(failure(403, "AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized to perform: "
                        "bedrock:InvokeModelWithResponseStream on resource: x"), "bedrock:InvokeModelWithResponseStream")
    check_fails(failure(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
                "AWS does not know these credentials")
    check_fails(failure(403, "InvalidSignatureException", "Credential should be scoped to a valid region."),
                "JCA_BEDROCK_REGION")
    check_fails(failure(400, "ValidationException", "The provided model identifier is invalid."), "JCA_BEDROCK_MODEL_ID")
    check_fails(failure(403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."),
                "AWS_BEARER_TOKEN_BEDROCK", AWS_BEARER_TOKEN_BEDROCK=BEARER)


def test_refusals_of_a_turn():
    """errors of a turn tell what the headers of the answer tell: exception, date, request id"""
    def answer(status, exception, message, **headers):
        turns = []

        def service(method, path, *_):
            turns.append(path)
            return failure(status, exception, message, **headers) if method == "POST" else None
        return service
    date = "Mon, 23 Nov 2026 01:55:00 GMT"
    for exception, message, headers, part in (
            ("InvalidSignatureException", "Signature expired: 20261123T010000Z is now earlier than 20261123T015500Z",
             {"X-Service-Date": date}, "set the clock"),
            ("ThrottlingException", "Too many tokens per day, please wait before trying again.", {}, "Service Quotas")):
        finished, _, _ = recorded(harness.job_steps(), answer(403, exception, message, **headers, **{"x-amzn-RequestId": "r-1"}),
                                  ("--no-readiness", "--json"))
        check(finished.status not in (0, 5), f"exit status of {finished!r}")
        contains(finished.everything(), exception, "what is said")
        contains(finished.everything(), part, "the remedy")
        equal(json.loads(finished.out.splitlines()[-1])["error"]["request_id"], "r-1", "the request's id")


def test_missing_region():
    """without a region nothing is asked, and the setting is named"""
    check_fails((500, {}, b""), "JCA_BEDROCK_REGION", JCA_BEDROCK_REGION=None)


def test_region_of_the_arn():
    """an ARN names the region where nothing else does"""
    finished, repo, requests = recorded(harness.job_steps(), JCA_BEDROCK_REGION=None, JCA_BEDROCK_MODEL_ID=ARN)
    completed(finished, repo)
    contains(lower(requests[0][2])["authorization"], "/us-east-1/bedrock/aws4_request", "scope of the signature")


def test_address_of_the_environment():
    """the variables and profiles that the programs of AWS read name the address too"""
    profiles = harness.scratch() / "profiles"
    for number, (key, variable) in enumerate(((None, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), (BEARER, "AWS_ENDPOINT_URL"),
                                              (None, None))):
        repo = harness.repository(harness.FILES, f"repository-{number}")
        with harness.simulator(harness.job_script(harness.job_steps(), key)) as server:
            profiles.write_text("[default]\nregion = us-west-2\nservices = s\n[services s]\nbedrock_runtime =\n"
                                f"  endpoint_url = {server.url}\n", encoding="utf-8")
            more = {variable: server.url} if variable else {"AWS_CONFIG_FILE": profiles, "JCA_BEDROCK_REGION": None}
            completed(run_job(NOWHERE, repo, "--no-readiness", **{"JCA_BEDROCK_ENDPOINT_URL": None,
                                                                  "AWS_BEARER_TOKEN_BEDROCK": key, **more}), repo)


def test_contradicting_regions():
    """a region that the ARN or the address contradicts is told before anything is sent"""
    check_fails((500, {}, b""), "the ARN in model is of another region", JCA_BEDROCK_REGION="eu-west-1",
                JCA_BEDROCK_MODEL_ID=ARN)
    check_fails((500, {}, b""), "endpoint_url is of another region",
                JCA_BEDROCK_ENDPOINT_URL="https://bedrock-runtime.eu-west-1.amazonaws.com")


def test_slip_in_the_region():
    """check: a region whose name has a slip is named, before its address leads nowhere"""
    def told(region):
        finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", "--json", environment=harness.clean_environment(
            JCA_BEDROCK_REGION=region, JCA_BEDROCK_ENDPOINT_URL=NOWHERE, JCA_BEDROCK_MODEL_ID="sim-1",
            AWS_ACCESS_KEY_ID=ID, AWS_SECRET_ACCESS_KEY=SECRET))
        return next(one for one in json.loads(finished.out)["providers"][0]["checks"] if one["name"] == "settings")
    for region in ("us-east-1", "ap-southeast-2", "us-gov-west-1", "eu-isoe-west-1", "eusc-de-east-1", "il-central-1"):
        equal(told(region)["state"], "pass", region)
    for region in ("us-eastt-1", "eu-centrl-1", "us-east-12"):
        equal(told(region)["state"], "warn", region)
        contains(told(region)["reason"], region, "the reason")
        contains(told(region)["remedy"], "JCA_BEDROCK_REGION", "the remedy")


def test_model_of_another_region():
    """a ticket that names a model of another region, or a path, is refused before anything is sent"""
    for number, (model, part) in enumerate(((ARN.replace("us-east-1", "eu-west-1"), "JCA_BEDROCK_REGION"),
                                            ("..", "is no model"))):
        repo = harness.repository(harness.FILES, f"repository-{number}")
        with harness.Recorder(answer=lambda *_: (500, {}, b"")) as recorder:
            finished = run_job(recorder.url, repo, "--no-readiness",
                               ticket=f"{harness.TICKET}\n[JCA]\nmodel={model}\n[/JCA]\n")
        check(finished.status not in (0, 5), f"exit status of {finished!r}")
        contains(finished.everything(), part, "what is said")
        equal(recorder.requests, [], "requests")


def test_short_term_key():
    """a short-term key tells that it has expired, or is for another region, without being sent"""
    def key(date, region):
        address = ("bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                   f"test-id%2F{date[:8]}%2F{region}%2Fbedrock%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=43200"
                   "&X-Amz-Signature=test-not-a-secret&X-Amz-SignedHeaders=host&Version=1")
        return "bedrock-api-key-" + base64.b64encode(address.encode()).decode()
    check_fails((500, {}, b""), "has expired", AWS_BEARER_TOKEN_BEDROCK=key("20260102T030405Z", "us-east-1"))
    check_fails((500, {}, b""), "is for region eu-west-1", AWS_BEARER_TOKEN_BEDROCK=key("20990102T030405Z", "eu-west-1"))


def test_model_list_has_pages():
    """the model is looked for on every page of models and inference profiles, each with its token"""
    pages = {
        "/foundation-models?byOutputModality=TEXT": {"modelSummaries": [
            {"modelId": "maker.model-x-v1:0", "inferenceTypesSupported": ["INFERENCE_PROFILE"]}]},
        "/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED": {"inferenceProfileSummaries": [
            {"inferenceProfileId": "us.other"}], "nextToken": "a/b+c"},
        "/inference-profiles?maxResults=1000&nextToken=a%2Fb%2Bc&type=SYSTEM_DEFINED": {"inferenceProfileSummaries": [
            {"inferenceProfileId": "us.maker.model-x-v1:0"}]},
        "/inference-profiles?maxResults=1000&type=APPLICATION": {"inferenceProfileSummaries": []},
    }
    asked = []

    def service(method, path, headers, body):  # pylint: disable=unused-argument
        if method != "GET":
            return failure(400, "ValidationException", "messages is empty")
        asked.append(path)
        return 200, {"Content-Type": "application/json"}, json.dumps(pages[path]).encode()
    outputs = {}
    for model in ("us.maker.model-x-v1:0", "maker.model-x-v1:0"):
        asked.clear()
        with harness.Recorder(answer=service) as recorder:
            finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", environment=harness.clean_environment(
                JCA_BEDROCK_ENDPOINT_URL=recorder.url, JCA_BEDROCK_REGION="us-east-1", JCA_BEDROCK_MODEL_ID=model,
                AWS_ACCESS_KEY_ID=ID, AWS_SECRET_ACCESS_KEY=SECRET))
        outputs[model] = finished.everything()
        equal(asked, list(pages), "what was asked")
        for request in recorder.requests:
            parts, expected = botocore_signature(*request)
            equal(parts["Signature"], expected, f"signature of {request[1]}")
    contains(outputs["us.maker.model-x-v1:0"], "is in the service's list", "what is said of the profile")
    contains(outputs["maker.model-x-v1:0"], "did you mean us.maker.model-x-v1:0?", "what is said of an id without one")


harness.main(globals())
