#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider vertex-ai: whole jobs with Gemini and Claude, judged by servers and clients that are not ours."""
import json

import api_cases
import harness
from api_cases import aimock_steps, completed, with_fault
from harness import check, contains, equal, lacks

SCRIPT = api_cases.client_script(after_events=1)
PROJECT = {"JCA_VERTEX_PROJECT_ID": "test-project", "JCA_VERTEX_LOCATION": "us-central1"}
TOKEN = {"JCA_VERTEX_AUTH_METHOD": "access_token", "JCA_VERTEX_ACCESS_TOKEN": harness.KEY}
CLAUDE = {"JCA_VERTEX_PUBLISHER": "anthropic"}
MODELS_PATH = "/projects/test-project/locations/us-central1/publishers/google/models/"


def environment_of(url, **settings):
    return harness.clean_environment(**{
        "JCA_VERTEX_BASE_URL": url, "JCA_VERTEX_MODEL": "sim-1", "JCA_WORKER_PROVIDER": "vertex-ai",
        "JCA_WORKER_SCRATCH_PATH": harness.scratch(), "JCA_WORKER_ALLOWED_COMMANDS": "git,python3",
        **PROJECT, **TOKEN, **settings})


def run_job(url, repo, *options, ticket=None, **settings):
    if not ticket:
        ticket = harness.scratch() / "ticket.txt"
        ticket.write_text(harness.TICKET, encoding="utf-8")
    return harness.mergeloom("run", "--repo", repo, "--ticket", ticket, *options,
                             environment=environment_of(url, **settings))


def check_provider(url, **settings):
    return harness.mergeloom("check", "vertex-ai", environment=environment_of(url, **settings))


def simulated(steps, *options, **settings):
    return api_cases.simulated(run_job, steps, *options, **settings)


# ---- The simulator, judged by the vendors' clients ----

def test_vendor_client():
    """Google's own client holds conversations with the simulator, streamed and not, and decodes its errors"""
    node, modules = harness.node_modules()
    with harness.simulator(SCRIPT) as server:
        got = json.loads(harness.must([node, harness.SOURCE / "tests/e2e/gemini_client.mjs", modules, server.url + "/"]))
    equal(got["models"], ["publishers/google/models/sim-1", "publishers/google/models/sim-2"], "models")
    equal(got["count"]["totalTokens"], 1, "count of tokens")
    equal(got["missing"]["status"], 404, "count of a model that is not there")
    for form in ("whole", "streamed"):
        parts = got[form]["parts"]
        equal("".join(part["text"] for part in parts if part.get("thought")), "A greeting.", f"thoughts, {form}")
        equal("".join(part["text"] for part in parts if not part.get("thought")),
              "Grüße, 世界! This is streamed in pieces.", f"text, {form}")
        equal(got[form]["finish"], "STOP", f"finish reason, {form}")
        equal(got[form]["usage"], {"promptTokenCount": 12, "cachedContentTokenCount": 4, "candidatesTokenCount": 6,
                                   "thoughtsTokenCount": 3, "totalTokenCount": 21}, f"usage, {form}")
    check(got["streamed"]["pieces"] > 2, "the stream has several pieces")
    for form in ("calls", "streamedCalls"):
        calls = [part for part in got[form]["parts"] if "functionCall" in part]
        equal([call["functionCall"]["args"]["city"] for call in calls], ["Zürich", 'Oslo "N"'], form)
        equal(["thoughtSignature" in call for call in calls], [True, False], f"signatures, {form}")
    for form in ("conversation", "streamedConversation"):
        contains(got[form]["parts"][0]["text"], "The token is Oslo", f"a value taken from a tool result, {form}")
    equal(got["unsigned"]["status"], 400, "a call that comes back without its signature")
    equal((got["limited"]["error"], got["limited"]["status"]), ("ApiError", 429), "429")
    equal(got["inside"]["status"], 503, "an error inside a stream")
    check("error" in got["cut"], f"a cut stream is an error to the client: {got['cut']}")


def test_vendor_client_of_claude():
    """Anthropic's own client for Vertex holds conversations with the simulator"""
    node, modules = harness.node_modules()
    with harness.simulator(SCRIPT) as server:
        got = json.loads(harness.must([node, harness.SOURCE / "tests/e2e/vertex_claude_client.mjs", modules,
                                       server.url + "/v1"]))
    for form in ("whole", "streamed"):
        equal(got[form]["content"][1]["text"], "Grüße, 世界! This is streamed in pieces.", f"text, {form}")
    equal([block["input"]["city"] for block in got["calls"]["content"] if block["type"] == "tool_use"],
          ["Zürich", 'Oslo "N"'], "calls")
    equal(got["count"]["input_tokens"], 8, "count of tokens")


# ---- Jobs ----

def test_aimock_whole():
    """aimock: the demo job, not streamed, with schemas in Google's own words"""
    finished, repo, _ = api_cases.at_aimock(run_job, "vertex-ai", steps=aimock_steps("fc"), JCA_VERTEX_MODEL="gemini-2.5-pro",
                                            JCA_VERTEX_STREAM="false", JCA_VERTEX_TOOL_SCHEMA="openapi")
    api_cases.demo_completed(finished, repo)


def test_job():
    """simulator: a whole job with the self-test, signatures echoed, token checked"""
    finished, repo = simulated(harness.job_steps(), key=harness.KEY)
    completed(finished, repo)
    contains(finished.out, "sim-1 is in the service's list of 1", "the check of the model")


def test_job_whole():
    """simulator: a whole job, not streamed, with schemas in Google's own words"""
    finished, repo = simulated(harness.job_steps(), JCA_VERTEX_STREAM="false", JCA_VERTEX_TOOL_SCHEMA="openapi")
    completed(finished, repo)


def test_job_with_claude():
    """simulator: a whole job with Claude, streamed and not"""
    for stream in ("true", "false"):
        repo = harness.repository(harness.FILES, f"repository-{stream}")
        with harness.simulator(harness.job_script(harness.job_steps(), harness.KEY)) as server:
            finished = run_job(server.url, repo, JCA_VERTEX_STREAM=stream, **CLAUDE)
        completed(finished, repo)


def test_raw_endpoint():
    """simulator: a raw address, whatever operation it ends with"""
    for number, (publisher, end) in enumerate((("google", ""), ("google", ":generateContent"),
                                               ("google", ":streamGenerateContent?alt=sse"),
                                               ("anthropic", ":rawPredict"))):
        repo = harness.repository(harness.FILES, f"repository-{number}")
        with harness.simulator(harness.job_script(harness.job_steps())) as server:
            finished = run_job(server.url, repo, JCA_VERTEX_ENDPOINT_MODE="raw-endpoint", JCA_VERTEX_PROJECT_ID="",
                               JCA_VERTEX_ENDPOINT_URL=f"{server.url}/v1/projects/p/locations/global/publishers/"
                                                       f"{publisher}/models/sim-1{end}")
        completed(finished, repo)


def test_retried():
    """simulator: one 429, one 500 and one 503 are tried again"""
    steps = harness.job_steps()
    for number, status in ((1, 429), (2, 500), (3, 503)):
        steps[number]["fault"] = {"kind": "status", "status": status, "times": 1, "headers": {"Retry-After-Ms": "10"}}
    finished, repo = simulated(steps)
    completed(finished, repo)


def service_account(token_url):
    key = harness.must(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
    return json.dumps({"type": "service_account", "project_id": "test-project", "private_key_id": "test-key-id",
                       "private_key": key, "client_email": "worker@test-project.iam.gserviceaccount.com",
                       "token_uri": token_url})


def test_token_expires_in_the_middle_of_a_job():
    """simulator: a token of a service account that expires in the middle of a job is renewed once, and the job goes on"""
    repo = harness.repository(harness.FILES)
    given = []
    seen = []

    def answer(method, path, headers, body):
        if path == "/token":
            given.append(f"test-token-{len(given) + 1}-not-a-secret")
            return 200, {"Content-Type": "application/json"}, json.dumps(
                {"access_token": given[-1], "expires_in": 3599, "token_type": "Bearer"}).encode()
        seen.append(headers["Authorization"])
        if headers["Authorization"] != f"Bearer {given[-1]}" or (len(seen) > 3 and len(given) == 1):
            return 401, {"Content-Type": "application/json"}, json.dumps({"error": {
                "code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED",
                             "domain": "googleapis.com"}]}}).encode()
        return api_cases.pass_on(server.url + path, method, headers, body)

    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(answer=answer) as front:
        # Neither method nor project is set: the document is there, and names its project.
        finished = run_job(front.url, repo, "--no-self-test", JCA_VERTEX_AUTH_METHOD="", JCA_VERTEX_ACCESS_TOKEN="",
                           JCA_VERTEX_PROJECT_ID="",
                           JCA_VERTEX_SERVICE_ACCOUNT_JSON=service_account(front.url + "/token"))
    completed(finished, repo)
    equal(len(given), 2, "tokens that were fetched")
    equal(len(set(seen)), 2, "tokens that were used")
    for token in given:
        lacks(finished.everything(), token, "what is printed")


# ---- Requests, compared with what the vendors' clients send ----

def recorded_job(**settings):
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(server.url) as recorder:
        completed(run_job(recorder.url, repo, "--no-self-test", **settings), repo)
        return [request for request in recorder.requests
                if request[1].split(":")[-1].split("?")[0] in ("streamGenerateContent", "streamRawPredict")]


def sent_by_client(script, request):
    node, modules = harness.node_modules()
    path = harness.scratch() / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    with harness.Recorder(answer=lambda *_: (200, {"Content-Type": "text/event-stream"}, b"")) as recorder:
        base = recorder.url + ("/v1" if "claude" in script else "/")
        harness.must([node, harness.SOURCE / "tests/e2e" / script, modules, base, path])
        return recorder.requests[0]


def same_request(ours, theirs):
    equal((ours[0], ours[1]), (theirs[0], theirs[1]), "method and address")
    equal(json.loads(ours[3]), json.loads(theirs[3]), "the body that the vendor's client sends for the same conversation")
    mine, others = ({name.lower(): value for name, value in request[2].items()} for request in (ours, theirs))
    for name in ("authorization", "content-type", "anthropic-version", "anthropic-beta", "x-api-key"):
        equal(mine.get(name), others.get(name), name)


def test_requests():
    """recorder: the bytes of a turn go on with those of the one before; Google's client sends the same request"""
    ours = recorded_job(JCA_VERTEX_THINKING_LEVEL="low", JCA_VERTEX_MAX_OUTPUT_TOKENS="4000",
                        JCA_VERTEX_TOOL_MODE="validated", JCA_VERTEX_API_VERSION="v1beta1")
    bodies = [body for *_, body in ours]
    equal(len(bodies), 5, "turns")
    for number, (body, following) in enumerate(zip(bodies, bodies[1:])):
        check(following.startswith(body[:-len("]}]}")]), f"turn {number + 2} does not begin with turn {number + 1}")
    last = json.loads(bodies[-1])
    equal([content["role"] for content in last["contents"]], ["user"] + ["model", "user"] * 4, "roles")
    equal([list(part) for part in last["contents"][2]["parts"]], [["functionResponse"]] * 2, "results of one turn")
    config = {"systemInstruction": last["systemInstruction"], "tools": last["tools"], "toolConfig": last["toolConfig"],
              "maxOutputTokens": 4000, "thinkingConfig": {"thinkingLevel": "LOW"}}
    theirs = sent_by_client("gemini_client.mjs", {
        "model": "sim-1", "location": "us-central1", "version": "v1beta1", "stream": True,
        "params": {"contents": last["contents"], "config": config}})
    same_request(ours[-1], theirs)


def with_numbers(value):
    """Limits of schemas are strings or numbers to the service, which has them as 64-bit integers."""
    if isinstance(value, dict):
        return {name: int(one) if name[:3] in ("min", "max") and isinstance(one, str) else with_numbers(one)
                for name, one in value.items()}
    return [with_numbers(one) for one in value] if isinstance(value, list) else value


def test_requests_in_googles_words():
    """recorder: schemas of tools as OpenAPI are those that Google's client makes of the same JSON Schemas"""
    asked = json.loads(recorded_job_in("r-1", JCA_VERTEX_MAX_OUTPUT_TOKENS="4000")[-1][3])
    ours = json.loads(recorded_job_in("r-2", JCA_VERTEX_TOOL_SCHEMA="openapi", JCA_VERTEX_MAX_OUTPUT_TOKENS="4000")[-1][3])
    for declaration in asked["tools"][0]["functionDeclarations"]:
        schema = declaration.pop("parametersJsonSchema")
        if schema["properties"]:
            declaration["parameters"] = schema
    theirs = json.loads(sent_by_client("gemini_client.mjs", {
        "model": "sim-1", "location": "us-central1", "version": "v1", "stream": True,
        "params": {"contents": asked["contents"], "config": {"tools": asked["tools"]}}})[3])
    check(len(ours["tools"][0]["functionDeclarations"]) > 5, "several tools")
    equal(with_numbers(ours["tools"]), with_numbers(theirs["tools"]), "the declarations")


def test_requests_of_claude():
    """recorder: Anthropic's client for Vertex sends the same request"""
    ours = recorded_job(JCA_VERTEX_ANTHROPIC_VERSION="2026-10-21", JCA_VERTEX_MODEL="claude-sonnet-4-5@20250929",
                        **CLAUDE)
    contains(ours[-1][1], "/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict", "the address")
    body = json.loads(ours[-1][3])
    check("model" not in body, "the address names the model, not the body")
    params = {name: value for name, value in body.items() if name != "anthropic_version"}
    theirs = sent_by_client("vertex_claude_client.mjs", {
        "location": "us-central1", "params": {"model": "claude-sonnet-4-5@20250929", **params}})
    same_request(ours[-1], theirs)


def test_quota_project():
    """recorder: the project that is to pay goes with every request, and only when one is set"""
    for project in (None, "paying-project"):
        ours = recorded_job_in(f"r-{project}", JCA_VERTEX_QUOTA_PROJECT=project)
        for _, _, headers, _ in ours:
            equal(headers.get("x-goog-user-project"), project, "x-goog-user-project")


def recorded_job_in(name, **settings):
    repo = harness.repository(harness.FILES, name)
    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(server.url) as recorder:
        completed(run_job(recorder.url, repo, "--no-self-test", **settings), repo)
        return recorder.requests


# ---- What goes wrong elsewhere ----

def test_malformed_function_call_counted_as_success():
    """MALFORMED_FUNCTION_CALL with status 200 is tried again, and then is a failure with its reason"""
    steps = harness.job_steps()
    steps[2] = {"text": "", "stop": "MALFORMED_FUNCTION_CALL"}
    finished, repo = simulated(steps, JCA_VERTEX_AI_MAX_RETRIES="1")
    harness.must_complain(finished, 1, "MALFORMED_FUNCTION_CALL", "JCA_VERTEX_TOOL_MODE")
    equal(harness.hello(repo), "hello, world\n", "the work that was done before")


def test_safety_stop_counted_as_success():
    """an answer that a filter stopped is a refusal with its reason, and is not tried again"""
    steps = harness.job_steps()
    steps[2] = {"text": "I will", "stop": "SAFETY"}
    finished, _ = simulated(steps)
    harness.must_complain(finished, 1, "SAFETY", "another model")


def test_error_inside_a_stream_treated_as_success():
    """an error inside a stream of status 200, before any text, is tried again"""
    finished, repo = simulated(with_fault(2, "error", after_events=0, message="The model is overloaded.", times=1))
    completed(finished, repo)


def test_error_body_as_an_array_not_understood():
    """an error body that is an array, as streams have it, is told with its reason"""
    body = [{"error": {"code": 403, "message": "Vertex AI API has not been used in project test-project before",
                       "status": "PERMISSION_DENIED",
                       "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]}}]
    finished, _ = simulated(with_fault(2, "status", status=403, body=body))
    harness.must_complain(finished, 1, "SERVICE_DISABLED", "gcloud services enable aiplatform.googleapis.com")


def test_regional_endpoint_of_a_global_model_not_told():
    """a model that is not in the location fails the check of the model with the location and what to set"""
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = check_provider(server.url, JCA_VERTEX_MODEL="gemini-9")
    equal(finished.status, 4, f"exit status of {finished!r}")
    for part in ("gemini-9", "was not found or your project does not have access", "JCA_VERTEX_LOCATION", "us-central1"):
        contains(finished.everything(), part, "what is said")


def test_raw_endpoint_of_a_model_that_is_elsewhere():
    """a raw address of a model that is not there is told with the setting that holds the address"""
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = check_provider(server.url, JCA_VERTEX_ENDPOINT_MODE="raw-endpoint", JCA_VERTEX_MODEL="gemini-9",
                                  JCA_VERTEX_ENDPOINT_URL=server.url + "/v1/projects/p/locations/eu/publishers/google/"
                                                                       "models/gemini-9")
    equal(finished.status, 4, f"exit status of {finished!r}")
    contains(finished.everything(), "JCA_VERTEX_ENDPOINT_URL), which asks in eu", "the remedy")


def test_beta_flags_that_only_the_first_party_api_knows():
    """Claude gets no beta flag unless one is set, and a refusal of one names the setting"""
    for flags in (None, "context-1m-2025-08-07"):
        ours = recorded_job_in(f"r-{flags}", JCA_VERTEX_BETA_HEADERS=flags, **CLAUDE)
        for _, path, headers, body in ours:
            if "streamRawPredict" in path:
                equal(headers.get("anthropic-beta"), flags, "anthropic-beta")
                lacks(body, b"anthropic_beta", "the body")
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message":
                                          "Unexpected value(s) `x` for the `anthropic-beta` header."}}
    finished, _ = simulated(with_fault(2, "status", status=400, body=refusal), **CLAUDE)
    harness.must_complain(finished, 1, "JCA_VERTEX_BETA_HEADERS")


def answering(status, reason, message, **more):
    body = {"error": {"code": status, "message": message, "status": more.pop("name", "PERMISSION_DENIED"), "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", **more}]}}
    return lambda *_: (status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def test_checks():
    """check: API not enabled, missing permission, refused token, no quota: each with reason and remedy"""
    cases = (
        (answering(403, "SERVICE_DISABLED", "Vertex AI API has not been used"), "credential",
         "gcloud services enable aiplatform.googleapis.com --project test-project"),
        (answering(403, "IAM_PERMISSION_DENIED", "Permission denied", metadata={
            "permission": "aiplatform.endpoints.predict"}), "credential", "roles/aiplatform.user"),
        (answering(401, "ACCESS_TOKEN_EXPIRED", "invalid authentication credentials", name="UNAUTHENTICATED"), "credential",
         "JCA_VERTEX_AUTH_METHOD"),
        (answering(429, "RATE_LIMIT_EXCEEDED", "Quota exceeded", name="RESOURCE_EXHAUSTED", metadata={
            "quota_limit_value": "0"}), "reach", "has no quota for model sim-1 in location us-central1"),
    )
    for answer, failing, remedy in cases:
        with harness.Recorder(answer=answer) as recorder:
            finished = check_provider(recorder.url)
        equal(finished.status, 4, f"exit status of {finished!r}")
        contains(finished.everything(), remedy, "the remedy")
        contains([line for line in finished.out.splitlines() if "✗" in line][0], failing, "the check that fails")


def test_claude_where_tokens_are_not_counted():
    """check: Claude in a location that counts no tokens is proved by the self-test, with a warning"""
    def answer(method, path, headers, body):
        if "count-tokens" in path:
            return answering(404, "", "Publisher Model was not found", name="NOT_FOUND")()
        return harness.request(server.url + path, method, body or None, {"Authorization": headers["Authorization"]})
    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(answer=answer) as front:
        finished = check_provider(front.url, **CLAUDE)
    equal(finished.status, 0, f"exit status of {finished!r}")
    contains([line for line in finished.out.splitlines() if " model " in line][1], "!", "the check of the model")


def test_refusals_of_google_in_front_of_claude():
    """an error of Google itself, in its own shape, is understood where Claude is asked"""
    body = json.loads(answering(403, "SERVICE_DISABLED", "Vertex AI API has not been used")()[2])
    finished, _ = simulated(with_fault(2, "status", status=403, body=body), **CLAUDE)
    harness.must_complain(finished, 1, "gcloud services enable aiplatform.googleapis.com --project test-project")


def test_list_not_allowed():
    """check: an identity that may use the model but not read the list is ready"""
    def answer(method, path, headers, body):
        if method == "GET":
            return answering(403, "IAM_PERMISSION_DENIED", "Permission denied")()
        return harness.request(server.url + path, method, body, {"Authorization": headers["Authorization"]})
    with harness.simulator(harness.job_script(harness.job_steps())) as server, harness.Recorder(answer=answer) as front:
        finished = check_provider(front.url)
    equal(finished.status, 0, f"exit status of {finished!r}")


def test_list_with_pages():
    """check: a model on the second page of the list is found there"""
    asked = []

    def answer(method, path, _headers, _body):
        if method == "POST":
            return 404, {"Content-Type": "application/json"}, b'{"error":{"message":"no such thing here"}}'
        asked.append(path)
        number = len(asked)
        return 200, {"Content-Type": "application/json"}, json.dumps({
            "publisherModels": [{"name": f"publishers/google/models/sim-{number}"}],
            **({"nextPageToken": "a/b="} if number == 1 else {})}).encode()

    with harness.Recorder(answer=answer) as front:
        finished = check_provider(front.url, JCA_VERTEX_MODEL="sim-2")
    contains(finished.out, "sim-2 is in the service's list of 2", "the check of the model")
    equal(asked, ["/v1beta1/publishers/google/models?pageSize=300",
                  "/v1beta1/publishers/google/models?pageSize=300&pageToken=a%2Fb%3D"], "pages")


def test_settings():
    """check: what is missing or wrong in the settings is said, and no token goes to a foreign host"""
    cases = (({"JCA_VERTEX_PROJECT_ID": ""}, "JCA_VERTEX_PROJECT_ID"),
             ({"JCA_VERTEX_PROJECT_ID": "My Project"}, "no id of a project"),
             ({"JCA_VERTEX_LOCATION": "us-central1/../x"}, "is no location"),
             ({"JCA_VERTEX_LOCATION": "us-cental1"}, "does not know the location"),
             ({"JCA_VERTEX_MODEL": "a?b"}, "is no name of a model"),
             ({"JCA_VERTEX_BASE_URL": "https://aiplatform.example.com"}, "JCA_VERTEX_TRUST_ENDPOINT"),
             ({"JCA_VERTEX_BASE_URL": "https://googleapis.com.example.com"}, "JCA_VERTEX_TRUST_ENDPOINT"),
             ({"JCA_VERTEX_BASE_URL": "http://aiplatform.googleapis.com"}, "JCA_VERTEX_TRUST_ENDPOINT"),
             ({"JCA_VERTEX_ENDPOINT_MODE": "raw-endpoint"}, "JCA_VERTEX_ENDPOINT_URL"),
             ({"JCA_VERTEX_ENDPOINT_MODE": "raw-endpoint",
               "JCA_VERTEX_ENDPOINT_URL": "https://aiplatform.googleapis.com/v1/x/models/y:predict"}, "no conversation"))
    for settings, part in cases:
        finished = check_provider("http://127.0.0.1:9", **settings)
        equal(finished.status, 4, f"exit status of {finished!r} with {settings}")
        contains(finished.everything(), part, f"what is said of {settings}")


harness.main(globals())
