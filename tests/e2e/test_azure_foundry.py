#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs of azure-foundry over its three routes, against aimock, which is not ours, and the simulator; what is sent
compared with what the vendors' clients send."""
import json
import urllib.parse

import api_cases
import harness
from api_cases import with_fault
from harness import check, contains, equal, lacks

TOKEN = "test-token-not-a-secret"


def settings(url, **more):
    return {"JCA_AZURE_FOUNDRY_ENDPOINT": url, "JCA_AZURE_FOUNDRY_API_KEY": harness.KEY,
            "JCA_AZURE_FOUNDRY_MODEL": "sim-1", "JCA_WORKER_PROVIDER": "azure-foundry", **more}


ROUTES = {
    "v1": {"JCA_AZURE_FOUNDRY_ROUTE": "v1"},
    "v1 with the Responses API": {"JCA_AZURE_FOUNDRY_ROUTE": "v1", "JCA_AZURE_FOUNDRY_API": "responses"},
    "deployments": {"JCA_AZURE_FOUNDRY_API_VERSION": "2024-10-21"},
    "deployments with the Responses API": {"JCA_AZURE_FOUNDRY_ROUTE": "deployments",
                                           "JCA_AZURE_FOUNDRY_API": "responses"},
    "anthropic": {"JCA_AZURE_FOUNDRY_ROUTE": "anthropic"},
}
PATHS = {
    "v1": "/openai/v1/chat/completions",
    "v1 with the Responses API": "/openai/v1/responses",
    "deployments": "/openai/deployments/sim-1/chat/completions?api-version=2024-10-21",
    "deployments with the Responses API": "/openai/responses?api-version=2025-04-01-preview",
    "anthropic": "/anthropic/v1/messages",
}


def run_job(url, repo, *options, **more):
    return api_cases.run_job(url, repo, *options, **settings(url, **more))


def completed(finished, repo):
    api_cases.completed(finished, repo, TOKEN)


def new_repository(name):
    return harness.repository(harness.FILES, name.replace(" ", "-"))


# ---- aimock ----

def below_root(upstream):
    """aimock knows the Messages API at the root only; all else is passed on as it is."""
    def answer(method, path, headers, body):
        return api_cases.pass_on(upstream + path.removeprefix("/anthropic"), method, headers, body)
    return answer


def at_aimock(route, *options, **more):
    return api_cases.at_aimock(run_job, "azure-foundry", *options, steps=api_cases.aimock_steps(reasoning=False),
                               through=below_root, name=route.replace(" ", "-"), JCA_AZURE_FOUNDRY_MODEL="gpt-4o",
                               **ROUTES[route], **more)


def test_mock():
    """aimock: the demo job on each route, streamed, with the self-test before it"""
    for route, path in PATHS.items():
        finished, repo, requests = at_aimock(route)
        api_cases.demo_completed(finished, repo)
        asked = {path for method, path, _, _ in requests if method == "POST"}
        equal(asked, {path.replace("sim-1", "gpt-4o")}, f"addresses of {route}")


def test_mock_whole():
    """aimock: the demo job on each route, not streamed"""
    for route in ("v1", "deployments", "deployments with the Responses API", "anthropic"):
        finished, repo, _ = at_aimock(route, "--no-readiness", JCA_AZURE_FOUNDRY_STREAM="false")
        api_cases.demo_completed(finished, repo)


# ---- The simulator ----

def run_simulated(route, steps, *options, recorded=False, name="repository", **more):
    repo = new_repository(name)
    with harness.simulator(harness.job_script(steps, harness.KEY)) as server:
        if not recorded:
            return run_job(server.url, repo, *options, **ROUTES[route], **more), repo
        with harness.Recorder(server.url) as proxy:
            finished = run_job(proxy.url, repo, *options, **ROUTES[route], **more)
            return finished, repo, proxy


def test_simulated():
    """simulator: a whole job on each route, with the self-test before it and bytes one by one"""
    steps = [{**step, "deliver": {"chunk_bytes": 1}} for step in harness.job_steps()]
    for route in ROUTES:
        completed(*run_simulated(route, steps, name=route))


def test_reasoning_is_sent_back_encrypted_and_without_its_id():
    """Responses: nothing is stored there, so reasoning goes back with its encrypted content and without an id"""
    for route in ("v1 with the Responses API", "deployments with the Responses API"):
        finished, repo, proxy = run_simulated(route, harness.job_steps(), "--no-readiness", recorded=True, name=route)
        completed(finished, repo)
        last = json.loads(proxy.bodies(PATHS[route])[-1])
        equal((last["store"], last["include"]), (False, ["reasoning.encrypted_content"]), f"storing, {route}")
        reasoning = [sorted(item) for item in last["input"] if item["type"] == "reasoning"]
        equal(reasoning, [["encrypted_content", "summary", "type"]], f"members of reasoning, {route}")


def test_keys_of_other_vendors_stay_here():
    """the keys of OpenAI and Anthropic themselves are sent on no route"""
    other = "other-key-not-a-secret"
    for route in ROUTES:
        finished, repo, proxy = run_simulated(route, harness.job_steps(), "--no-self-test", recorded=True, name=route,
                                              JCA_ANTHROPIC_API_KEY=other, JCA_OPENAI_API_KEY=other)
        completed(finished, repo)
        lacks(repr(proxy.requests), other, f"what was sent, {route}")


def test_failures_mended():
    """simulator: 429 with a wait, and 500, are tried again"""
    wait = {"error": {"message": "Rate limit is exceeded. Please retry after 1 second.", "code": "429"}}
    for number, (route, steps) in enumerate((
            ("v1", with_fault(2, "status", status=429, body=wait, times=1)),
            ("deployments", with_fault(2, "status", status=429, headers={"retry-after-ms": "20"}, times=1)),
            ("anthropic", with_fault(2, "status", status=500, times=1)))):
        completed(*run_simulated(route, steps, "--no-readiness", name=f"mended-{number}"))


# ---- What the service says when it cannot answer ----

def refused(body, status, route="v1", /, **more):
    """A job whose first request is answered so."""
    repo = new_repository(f"refused-{len(list(harness.scratch().iterdir()))}")
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(method, path, headers, body):
        return status, {"Content-Type": "application/json"}, data
    with harness.Recorder(answer=answer) as proxy:
        finished = run_job(proxy.url, repo, "--no-readiness", **{**ROUTES[route], **more})
    harness.must_be_untouched(repo)
    return finished, proxy


def test_unknown_deployment():
    """a deployment that is not there: the remedy names the setting and the name, and nothing is tried again"""
    body = {"error": {"code": "DeploymentNotFound",
                      "message": "The API deployment for this resource does not exist. If you created the deployment "
                                 "within the last 5 minutes, please wait a moment and try again."}}
    for route in ("v1", "deployments", "anthropic"):
        finished, proxy = refused(body, 404, route)
        harness.must_complain(finished, 1, "JCA_AZURE_FOUNDRY_MODEL", "now sim-1", "DeploymentNotFound")
        equal(len(proxy.requests), 1, "requests")


def test_content_filter():
    """a blocked prompt: the content filter is named"""
    body = {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management "
                                 "policy.", "type": None, "param": "prompt", "code": "content_filter", "status": 400,
                      "innererror": {"code": "ResponsibleAIPolicyViolation",
                                     "content_filter_result": {"jailbreak": {"filtered": True, "detected": True}}}}}
    finished, _ = refused(body, 400)
    harness.must_complain(finished, 1, "content filter", "change the ticket")


def test_other_refusals():
    """each other refusal has its own remedy"""
    for body, status, more, parts in (
            ({"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
              "(https://cognitiveservices.azure.com), or have expired."}, 401,
             {"JCA_AZURE_FOUNDRY_AUTH_METHOD": "bearer_token", "JCA_AZURE_FOUNDRY_BEARER_TOKEN": TOKEN},
             ("audience", "JCA_AZURE_FOUNDRY_BEARER_TOKEN")),
            ({"error": {"code": "PermissionDenied", "message": "The principal lacks the required data action"}}, 401, {},
             ("Cognitive Services OpenAI User",)),
            ({"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API "
                        "endpoint."}}, 401, {}, ("JCA_AZURE_FOUNDRY_API_KEY", "of the resource")),
            ({"error": {"code": "403", "message": "Public access is disabled. Please configure private endpoint."}}, 403,
             {}, ("private endpoint", "network")),
            ({"error": {"code": "404", "message": "Resource not found"}}, 404, {}, ("JCA_AZURE_FOUNDRY_ENDPOINT",)),
            ({"error": {"code": "BadRequest", "message": "API version not supported"}}, 400, {},
             ("JCA_AZURE_FOUNDRY_API_VERSION",)),
            ({"error": {"code": "OperationNotSupported", "message": "The chatCompletion operation does not work with the "
                        "specified model, codex."}}, 400, {}, ("JCA_AZURE_FOUNDRY_API)",))):
        finished, proxy = refused(body, status, **more)
        harness.must_complain(finished, 1, *parts)
        equal(len(proxy.requests), 1, f"requests for {body}")


def check_provider(**more):
    return harness.mergeloom("check", "azure-foundry",
                             environment=harness.provider_environment("http://127.0.0.1:9", **more))


def test_missing_settings():
    """each method of authentication names what it lacks; an empty token file counts as unset"""
    endpoint = {"JCA_AZURE_FOUNDRY_ENDPOINT": "https://example.openai.azure.com", "JCA_AZURE_FOUNDRY_MODEL": "m"}
    application = {"AZURE_TENANT_ID": "example.onmicrosoft.com", "AZURE_CLIENT_ID": "application-id"}
    for method, more, part in (
            ("api_key", {}, "JCA_AZURE_FOUNDRY_API_KEY"),
            ("bearer_token", {}, "JCA_AZURE_FOUNDRY_BEARER_TOKEN"),
            ("client_secret", {}, "AZURE_TENANT_ID"),
            ("client_certificate", application, "AZURE_CLIENT_CERTIFICATE_PATH"),
            ("workload_identity", {**application, "AZURE_FEDERATED_TOKEN_FILE": ""}, "AZURE_FEDERATED_TOKEN_FILE is unset or blank")):
        finished = check_provider(**endpoint, **more, JCA_AZURE_FOUNDRY_AUTH_METHOD=method)
        equal(finished.status, 4, f"exit status of {finished!r}")
        contains(finished.out, part, f"what {method} lacks")
    finished = check_provider(JCA_AZURE_FOUNDRY_ENDPOINT="https://example.openai.azure.com/?sv=1",
                              JCA_AZURE_FOUNDRY_MODEL="m", JCA_AZURE_FOUNDRY_API_KEY=harness.KEY)
    contains(finished.everything(), "has a query that is no api-version", "a wrong endpoint")


def test_routes_of_auto():
    """what the endpoint says goes before what the name of the model suggests; neither says: v1 and chat completions"""
    version = {"JCA_AZURE_FOUNDRY_API_VERSION": "2024-10-21"}
    for number, (end, model, more, path) in enumerate((
            ("", "gpt-x", {}, "/openai/v1/chat/completions"),
            ("", "Claude-x", {}, "/anthropic/v1/messages"),
            ("", "my-codex-x", {}, "/openai/v1/responses"),
            ("", "gpt-x-pro", {}, "/openai/v1/responses"),
            ("", "gpt-pro-x", {}, "/openai/v1/chat/completions"),
            ("", "gpt-x", version, "/openai/deployments/gpt-x/chat/completions?api-version=2024-10-21"),
            ("", "claude-x", version, "/anthropic/v1/messages"),
            ("/anthropic", "fable", {}, "/anthropic/v1/messages"),
            ("/openai/deployments/d", "claude-x", {}, "/openai/deployments/claude-x/chat/completions?api-version=2024-10-21"),
            ("/openai/v1", "claude-x", {}, "/openai/v1/chat/completions"))):
        with harness.Recorder(answer=lambda *_: (400, {"Content-Type": "application/json"}, b"{}")) as service:
            run_job(service.url + end, new_repository(f"auto-{number}"), "--no-readiness",
                    JCA_AZURE_FOUNDRY_MODEL=model, **more)
        equal([request[1] for request in service.requests][:1], [path], f"the route of {end} and {model}")
        key = "x-api-key" if path.startswith("/anthropic") else "api-key"
        sent = {name.lower() for name in service.requests[0][2]}
        equal(sent & {"x-api-key", "api-key", "authorization"}, {key}, f"the header of the key, {path}")


def test_hosts_of_tokens():
    """tokens of an identity go to Azure's own services over https, or where the deployment says so; keys may go further"""
    identity = {"JCA_AZURE_FOUNDRY_MODEL": "m", "JCA_AZURE_FOUNDRY_AUTH_METHOD": "client_secret",
                "AZURE_TENANT_ID": "example.onmicrosoft.com", "AZURE_CLIENT_ID": "application-id",
                "AZURE_CLIENT_SECRET": harness.KEY, "AZURE_AUTHORITY_HOST": "http://127.0.0.1:9"}
    trust = {"JCA_AZURE_FOUNDRY_TRUST_ENDPOINT": "true"}
    for url, more, part in (
            ("https://name.invalid", {}, "TRUST_ENDPOINT"),
            ("https://name.azure-api.net.invalid", {}, "TRUST_ENDPOINT"),
            ("https://name.cloudapp.azure.com", {}, "TRUST_ENDPOINT"),
            ("https://openai.azure.com.invalid", {}, "TRUST_ENDPOINT"),
            ("http://name.invalid", trust, "unencrypted"),
            ("http://name.openai.azure.com", {}, "unencrypted"),
            ("https://name.invalid", trust, None),
            ("http://127.0.0.1:9", {}, None)):
        text = check_provider(**identity, **more, JCA_AZURE_FOUNDRY_ENDPOINT=url).everything()
        equal("tokens of an identity" in text, part is not None, f"a refusal of {url}: {text}")
        contains(text, part or "", f"why {url} is refused")


# ---- Identities ----

def run_with_identity(accepted, *options, **more):
    """A job whose service takes tokens of the scope accepted only; says which scopes were asked for."""
    repo = new_repository(f"identity-{len(list(harness.scratch().iterdir()))}")
    scopes = []

    def issue(method, path, headers, body):
        form = urllib.parse.parse_qs(body.decode())
        equal((path, form["client_secret"]), ("/example.onmicrosoft.com/oauth2/v2.0/token", [harness.KEY]), "the exchange")
        scopes.append(form["scope"][0])
        token = {"token_type": "Bearer", "expires_in": 3599, "access_token": f"{TOKEN}-{len(scopes)}"}
        return 200, {"Content-Type": "application/json"}, json.dumps(token).encode()

    def serve(upstream):
        def answer(method, path, headers, body):
            number = headers["Authorization"].removeprefix(f"Bearer {TOKEN}-")
            if scopes[int(number) - 1] != accepted:
                refusal = {"error": {"code": "401", "message": f"The token audience is incorrect ({accepted})."}}
                return 401, {"Content-Type": "application/json"}, json.dumps(refusal).encode()
            headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "authorization")}
            return harness.request(upstream + path, method, body or None, {**headers, "api-key": harness.KEY})
        return answer

    with harness.simulator(harness.job_script(harness.job_steps(), harness.KEY)) as server, \
            harness.Recorder(answer=issue) as entra, harness.Recorder(answer=serve(server.url)) as service:
        finished = run_job(service.url, repo, *options, JCA_AZURE_FOUNDRY_API_KEY=None,
                           AZURE_AUTHORITY_HOST=entra.url, AZURE_TENANT_ID="example.onmicrosoft.com",
                           AZURE_CLIENT_ID="application-id", AZURE_CLIENT_SECRET=harness.KEY,
                           JCA_AZURE_FOUNDRY_AUTH_METHOD="client_secret", **more)
    return finished, repo, scopes


COGNITIVE = "https://cognitiveservices.azure.com/.default"
FOUNDRY = "https://ai.azure.com/.default"


def test_audience():
    """a token of the wrong audience: the other scope is asked for once, and kept"""
    finished, repo, scopes = run_with_identity(FOUNDRY, "--no-readiness")
    completed(finished, repo)
    equal(scopes, [COGNITIVE, FOUNDRY], "scopes")
    finished, repo, scopes = run_with_identity(FOUNDRY)
    completed(finished, repo)
    equal(set(scopes), {COGNITIVE, FOUNDRY}, "scopes")
    contains(finished.out, "credential    accepted by the service", "the check of the credential")
    finished, repo, scopes = run_with_identity(FOUNDRY, "--no-readiness", JCA_AZURE_FOUNDRY_TOKEN_SCOPE=FOUNDRY)
    completed(finished, repo)
    equal(scopes, [FOUNDRY], "scopes")


def test_audience_of_neither():
    """a token scope that is neither: one more attempt, then the remedy; a scope that is set is not replaced"""
    finished, repo, scopes = run_with_identity("https://example.com/.default", "--no-readiness")
    equal(finished.status, 1, f"exit status of {finished!r}")
    for part in ("JCA_AZURE_FOUNDRY_TOKEN_SCOPE", "https://example.com", "the other usual scope is tried"):
        contains(finished.err, part, "what is said")
    equal(scopes, [COGNITIVE, FOUNDRY], "scopes")
    finished, repo, scopes = run_with_identity(FOUNDRY, "--no-readiness", JCA_AZURE_FOUNDRY_TOKEN_SCOPE=COGNITIVE)
    harness.must_complain(finished, 1, "JCA_AZURE_FOUNDRY_TOKEN_SCOPE")
    equal(set(scopes), {COGNITIVE}, "scopes")
    check(len(scopes) <= 2, f"one more attempt: {scopes}")


# ---- The vendors' own clients ----

def test_deployments_of_a_project():
    """a project lists its deployments page by page, as Azure does; a page elsewhere is not asked for"""
    pages = {
        "/api/projects/p/deployments?api-version=v1": ["one", "two"],
        "/api/projects/p/deployments?api-version=v1&skip=2": ["three"],
    }
    asked = []

    def serve(method, path, headers, _body):
        asked.append((method, path, headers.get("Authorization")))
        names = pages.get(path)
        if names is None:
            return 404, {"Content-Type": "application/json"}, b'{"error":{"code":"404","message":"Resource not found"}}'
        answer = {"value": [{"type": "ModelDeployment", "name": name, "modelName": "gpt-" + name,
                             "sku": {"name": "GlobalStandard"}} for name in names]}
        if path.endswith("v1"):
            answer["nextLink"] = next_page
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
    for model, part in (("three", "three is in the service's list of 3"), ("thre", "did you mean three?")):
        with harness.Recorder(answer=serve) as service, harness.Recorder(answer=serve) as other:
            next_page = service.url + "/api/projects/p/deployments?api-version=v1&skip=2"
            given = settings(service.url + "/api/projects/p", JCA_AZURE_FOUNDRY_API_KEY=None, JCA_AZURE_FOUNDRY_MODEL=model,
                             JCA_AZURE_FOUNDRY_AUTH_METHOD="bearer_token", JCA_AZURE_FOUNDRY_BEARER_TOKEN=TOKEN)
            finished = harness.mergeloom("check", "azure-foundry", "--no-self-test",
                                         environment=harness.clean_environment(**given))
            contains(finished.everything(), part, f"what is said of {model}")
            equal(asked, [("GET", path, "Bearer " + TOKEN) for path in [list(pages)[0], *pages]], "what was asked")
            asked.clear()
            next_page = other.url + "/api/projects/p/deployments?api-version=v1&skip=2"
            harness.mergeloom("check", "azure-foundry", "--no-self-test", environment=harness.clean_environment(**given))
            equal(other.requests, [], "what was asked elsewhere")
            asked.clear()


def test_vendor_clients():
    """what is sent goes to the addresses, with the headers, that the vendors' clients use"""
    node, modules = harness.node_modules()
    with harness.Recorder(answer=lambda *_: (400, {"Content-Type": "application/json"}, b"{}")) as recorder:
        harness.must([node, harness.SOURCE / "tests/e2e/foundry_client.mjs", modules, recorder.url, harness.KEY, TOKEN])
        theirs = [(path, credential_of(headers)) for _, path, headers, _ in recorder.requests]
    key = {"JCA_AZURE_FOUNDRY_API_VERSION": "2024-10-21"}
    token = {"JCA_AZURE_FOUNDRY_AUTH_METHOD": "bearer_token", "JCA_AZURE_FOUNDRY_BEARER_TOKEN": TOKEN}
    ours = []
    for route, more in (("deployments", key), ("deployments with the Responses API", key), ("anthropic", {}),
                        ("deployments", token), ("v1", token), ("anthropic", token)):
        _, proxy = refused({"error": {"message": "no"}}, 400, route, **more)
        ours.append((proxy.requests[0][1], credential_of(proxy.requests[0][2])))
    equal(ours, theirs, "addresses and credentials")


def credential_of(headers):
    found = {name.lower(): value for name, value in headers.items()
             if name.lower() in ("api-key", "x-api-key", "authorization")}
    equal(len(found), 1, f"number of credentials in {found}")
    return found


harness.main(globals())
