#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API of mergeloomd against its own OpenAPI description, and mergeloomd in the environment of the public chart."""
import contextlib
import json
import re

import harness
from chart import EMPTY, TOKEN, chart, check_providers, pod
from daemon_server import add_plugin, api, daemon, environment, fake_programs, provider, settled, simulated, wait_for
from harness import check, contains, equal, lacks

try:
    import jsonschema
except ImportError:
    jsonschema = None

KEY = harness.KEY
TOKEN = "cluster-test-token-not-a-secret"
EXECUTOR = {"Authorization": f"Bearer {TOKEN}"}


# ---- The description ----

def description():
    return json.loads((harness.SOURCE / "daemon/api/openapi.json").read_text(encoding="utf-8"))


def routes_of_source():
    """Method and path of every route of the API as the daemon's table has them."""
    text = (harness.SOURCE / "daemon/app.c").read_text(encoding="utf-8")
    return {(method, path, kind) for method, path, kind in re.findall(r'\{"([A-Z]+)", "(/api/[^"]*)", (GUARD_\w+),', text)}


def operations(document):
    return {(method.upper(), path): operation for path, item in document["paths"].items()
            for method, operation in item.items() if method != "parameters"}


def test_every_route_is_described():
    """every route of the API is in the description, and nothing else is"""
    found = operations(description())
    routes = {(method, path.replace("*", "{id}")): kind for method, path, kind in routes_of_source()}
    check(len(routes) > 15, f"routes in the source: {routes}")
    equal(set(found), set(routes), "what is described")
    for route, kind in routes.items():
        wanted = [{"clusterToken": []}] if kind == "GUARD_EXECUTOR" else None
        equal(found[route].get("security"), wanted, f"the token of {route}")


def test_description_is_whole():
    """the description is OpenAPI 3.1, its references lead somewhere, its schemas are JSON Schema 2020-12"""
    document = description()
    check(document["openapi"].startswith("3.1."), "the version")
    text = json.dumps(document)
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        check(name in document["components"]["schemas"], f"the schema {name}")
    names = [operation["operationId"] for operation in operations(document).values()]
    equal(len(set(names)), len(names), "operationIds that differ")
    for path, item in document["paths"].items():
        named = {parameter["name"] for parameter in item.get("parameters", []) if parameter["in"] == "path"}
        equal(named, set(re.findall(r"{(\w+)}", path)), f"parameters of {path}")
    if jsonschema is None:
        raise harness.Skip("python3-jsonschema is not installed: ./dev setup installs it")
    for name, schema in document["components"]["schemas"].items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise harness.Failure(f"the schema {name}: {error}") from error


class Client:
    """Asks, and holds every answer against the description."""

    def __init__(self, server):
        if jsonschema is None:
            raise harness.Skip("python3-jsonschema is not installed: ./dev setup installs it")
        self.server = server
        self.document = description()
        self.operations = operations(self.document)
        self.seen = set()

    def route(self, method, path):
        plain = path.split("?")[0]
        exact = (method, plain)
        if exact in self.operations:
            return exact
        for key in self.operations:
            pattern = re.escape(key[1]).replace(re.escape("{id}"), "[^/]+")
            if key[0] == method and re.fullmatch(pattern, plain):
                return key
        raise harness.Failure(f"{method} {path} is not described")

    def must_fit(self, value, schema, what):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema,
                 "components": self.document["components"]}
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        check(not errors, f"{what}: " + "; ".join(f"{list(e.absolute_path)}: {e.message}" for e in errors[:5])[:2000])

    def ask(self, method, path, expected, body=None, headers=None):
        key = self.route(method, path)
        operation = self.operations[key]
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        if body is not None and expected < 400:
            self.must_fit(body, operation["requestBody"]["content"]["application/json"]["schema"], f"body of {key}")
        status, answered, answer = harness.request(self.server.url + path, method, data, headers)
        what = f"{method} {path}: {answer[:1000]!r}"
        equal(status, expected, what)
        described = operation["responses"].get(str(status), operation["responses"]["default"] if status >= 400 else None)
        check(described is not None, f"status {status} is not described: {what}")
        for name in described.get("headers", {}):
            check(name in answered, f"the header {name}: {what}")
        content = described.get("content", {})
        if not content:
            equal(answer, b"", f"an answer without a body: {what}")
            self.seen.add((*key, str(status)))
            return None
        kind = answered["Content-Type"].split(";")[0]
        check(kind in content, f"{kind} is not among {list(content)}: {what}")
        value = json.loads(answer) if kind.endswith("json") else answer.decode()
        self.must_fit(value, content[kind]["schema"], what)
        if status >= 400:
            equal(kind, "application/problem+json", what)
            equal(value["status"], status, what)
            self.seen.add((*key, "default"))
        else:
            self.seen.add((*key, str(status)))
        return value

    def stream(self, path):
        """The first bytes of a stream that may not end."""
        key = self.route("GET", path)
        connection = harness.http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=harness.GUARD)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            equal(answer.status, 200, path)
            check(answer.getheader("Content-Type") in self.operations[key]["responses"]["200"]["content"], path)
        self.seen.add((*key, "200"))


def job(repo, **more):
    return {"schema": "mergeloom.job.v1", "ticket": {"key": "T-1", "title": "Mend", "description": harness.MARK},
            "repository": {"path": str(repo)}, **more}


def ask_as_person(client, repo):
    equal(client.ask("GET", "/api/v1/openapi.json", 200), client.document, "the description that is served")
    found = client.ask("GET", "/api/v1/providers", 200)
    check(len(found["providers"]) >= 3, "providers")
    for item in found["providers"]:
        client.ask("GET", f"/api/v1/providers/{item['id']}", 200)
    client.ask("GET", "/api/v1/providers/none", 404)
    client.ask("PATCH", "/api/v1/providers/claude-api/settings", 204, {"fields": {"api_key": KEY, "model": "m", "effort": None}})
    client.ask("PATCH", "/api/v1/providers/claude-api/settings", 422, {"fields": {"base_url": "nonsense"}})
    client.ask("PATCH", "/api/v1/providers/openai-compatible/settings", 409, {"fields": {"model": "x"}})
    client.ask("POST", "/api/v1/providers/claude-api/checks", 202, {"self_test": False})
    client.ask("POST", "/api/v1/providers/none/checks", 404)
    client.ask("GET", "/api/v1/providers/openai-compatible/models", 200)
    client.ask("GET", "/api/v1/providers/none/models", 404)
    client.ask("POST", "/api/v1/resolve", 200, job(repo))
    client.ask("POST", "/api/v1/resolve", 422, "{")
    name = client.ask("POST", "/api/v1/jobs", 201, job(repo))["id"]
    client.ask("POST", "/api/v1/jobs", 422, {"schema": "nonsense"})
    client.ask("GET", "/api/v1/jobs?state=pending", 200)
    client.ask("GET", f"/api/v1/jobs/{name}", 200)
    client.ask("GET", "/api/v1/jobs/none", 404)
    client.ask("GET", "/api/v1/jobs/none/events", 404)
    client.ask("POST", "/api/v1/jobs/none/cancel", 404)
    for kind in ("", "?format=csv", "?kind=setting&subject=claude"):
        client.ask("GET", "/api/v1/audit" + kind, 200)
    return name


def ask_for_logins(client):
    path = "/api/v1/providers/claude-code-cli/logins"
    client.ask("GET", path, 404)
    client.ask("POST", path + "/input", 409, {"text": "early"})
    client.ask("POST", "/api/v1/providers/claude-api/logins", 422)
    client.ask("POST", path, 202, {"kind": "browser", "timeout_seconds": 600})
    wait_for(lambda: client.ask("GET", path, 200)["asks"], "the program asks")
    client.ask("POST", path, 409, {})
    client.ask("POST", path + "/input", 202, {"text": "wrong-code"})
    wait_for(lambda: client.ask("GET", path, 200)["state"] == "failed", "the program refuses the code")
    client.ask("POST", path, 202)
    client.ask("POST", path + "/cancel", 202)
    wait_for(lambda: client.ask("GET", path, 200)["state"] == "cancelled", "the login is cancelled")
    client.ask("POST", path + "/cancel", 409)


def ask_as_executor(client, repo, first):
    equal(client.ask("GET", "/api/v1/gateway/settings", 401)["status"], 401, "without the token")
    etag = harness.request(client.server.url + "/api/v1/gateway/settings", headers=EXECUTOR)[1]["ETag"]
    client.ask("GET", "/api/v1/gateway/settings", 200, None, EXECUTOR)
    client.ask("GET", "/api/v1/gateway/settings", 304, None, {**EXECUTOR, "If-None-Match": etag})
    claim = {"executor": "one", "ready": ",openai-compatible,"}
    claimed = client.ask("POST", "/api/v1/gateway/claim", 200, claim, EXECUTOR)
    equal(claimed["id"], first, "the job")
    one = {"executor": "one", "claim": claimed["claim"]}
    client.ask("POST", "/api/v1/gateway/claim", 204, claim, EXECUTOR)
    client.ask("POST", "/api/v1/gateway/claim", 422, {}, EXECUTOR)
    path = f"/api/v1/gateway/jobs/{first}"
    equal(client.ask("POST", path + "/lease", 200, one, EXECUTOR)["lease_ms"], claimed["lease_ms"], "how long it is kept")
    another = client.ask("POST", "/api/v1/jobs", 201, job(repo))["id"]
    of_another = client.ask("POST", "/api/v1/gateway/claim", 200, claim, EXECUTOR)["claim"]
    known = client.ask("GET", "/api/v1/executors", 200)["executors"]
    equal([(each["name"], sorted(each["jobs"])) for each in known], [("one", sorted([first, another]))], "what runs where")
    page = harness.request(client.server.url + "/")[2].decode()
    for name in (first, another):
        contains(page, f'href="/live/{name}"', "the overview")
    client.ask("POST", f"/api/v1/gateway/jobs/{another}/end", 204,
               {"executor": "one", "claim": of_another, "state": "failed"}, EXECUTOR)
    client.ask("POST", path + "/lease", 409, {**one, "executor": "two"}, EXECUTOR)
    client.ask("POST", path + "/events", 204, {**one, "events": [{"event": "turn_begin"}]}, EXECUTOR)
    told = {**one, "source": "a-run", "first": 0, "events": [{"text": "once"}, {"text": "after"}]}
    for _ in range(3):  # as when the answers are lost
        client.ask("POST", path + "/events", 204, told, EXECUTOR)
    client.ask("POST", path + "/events", 204, {**told, "first": 1, "events": told["events"][::-1]}, EXECUTOR)
    client.ask("POST", path + "/return", 204, one, EXECUTOR)
    client.ask("POST", path + "/return", 409, one, EXECUTOR)
    again = {**one, "claim": client.ask("POST", "/api/v1/gateway/claim", 200, claim, EXECUTOR)["claim"]}
    done = {"state": "completed", "result": "{}", "diff": "+"}
    for late in ({"executor": "one"}, one):  # what was said by no claim, or by the one before, counts no more
        for action, more in (("lease", {}), ("events", {"events": [{"text": "late"}]}), ("end", done), ("return", {})):
            client.ask("POST", f"{path}/{action}", 409, {**late, **more}, EXECUTOR)
    client.ask("POST", path + "/end", 422, {**again, "state": "running"}, EXECUTOR)
    client.ask("POST", path + "/end", 204, {**again, **done}, EXECUTOR)
    equal(client.ask("GET", f"/api/v1/jobs/{first}", 200)["state"], "completed", "the state")
    events = harness.request(client.server.url + f"/api/v1/jobs/{first}/events")[2].decode()
    equal(re.findall(r'"text": *"(\w+)"', events), ["once", "after", "once"], "the events, each told as often as it happened")
    client.ask("POST", f"/api/v1/jobs/{first}/cancel", 409)
    check(client.ask("GET", "/api/v1/executors", 200)["executors"], "executors")
    second = client.ask("POST", "/api/v1/jobs", 201, job(repo))["id"]
    client.ask("POST", f"/api/v1/jobs/{second}/cancel", 202)
    return second


def test_answers_fit_the_description():
    """a run through every operation: each answer is what the description says, each error problem+json"""
    repo = harness.repository(harness.FILES)
    crashing = add_plugin(harness.scratch(), "abort")
    with harness.simulator() as sim, daemon(**simulated(
            sim.url, JCA_WORKER_PROVIDER="openai-compatible", JCA_WORKER_ROLE="gateway",
            JCA_WORKER_CLUSTER_TOKEN=TOKEN, MERGELOOM_PLUGIN_PATH=f"{harness.PLAIN_BUILD}:{harness.scratch()}",
            **fake_programs()[1])) as server:
        client = Client(server)
        settled(server, "openai-compatible")
        wait_for(lambda: harness.request(server.url + "/api/v1/gateway/settings", headers=EXECUTOR)[0] == 200, "settings")
        first = ask_as_person(client, repo)
        ask_for_logins(client)
        second = ask_as_executor(client, repo, first)
        client.stream(f"/api/v1/jobs/{second}/events")
        client.stream("/api/v1/events")
        client.ask("POST", "/api/v1/plugins/release", 202, {"path": str(crashing)})
        client.ask("POST", "/api/v1/plugins/release", 404, {"path": "/nowhere"})
        wanted = {(*key, status) for key, operation in client.operations.items() for status in operation["responses"]
                  if status != "default"}
        equal(wanted - client.seen, set(), "answers that were described and never seen")
        for method, path in (("DELETE", "/api/v1/jobs"), ("PUT", "/api/v1/providers"), ("GET", "/api/v1/resolve")):
            status, headers, problem = api(server, path.removeprefix("/api/v1"), method)
            equal((status, headers["Content-Type"]), (405, "application/problem+json"), f"{method} {path}")
            client.must_fit(problem, {"$ref": "#/components/schemas/Problem"}, f"{method} {path}")
            known = {other for other, found in client.operations if found == path}
            equal(set(headers["Allow"].split(", ")), known, f"{method} {path}: Allow")
        lacks(server.text(), KEY, "the log")


def test_jobs_that_ran_fit_the_description():
    """a job with events, result and diff fits the description too"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, \
            daemon(**simulated(sim.url, JCA_WORKER_PROVIDER="openai-compatible")) as server:
        client = Client(server)
        settled(server, "openai-compatible")
        name = client.ask("POST", "/api/v1/jobs", 201, job(repo))["id"]
        client.ask("GET", f"/api/v1/jobs/{name}/events", 200)
        found = client.ask("GET", f"/api/v1/jobs/{name}", 200)
        equal(found["state"], "completed", f"{found}")
        check(found["diff"] and found["result"]["schema"] == "mergeloom.result.v1", f"{found}")
        equal([item["id"] for item in client.ask("GET", "/api/v1/jobs?state=completed", 200)["jobs"]], [name], "the list")
        equal(client.ask("GET", "/api/v1/gateway/settings", 403, None, EXECUTOR)["type"], "urn:mergeloom:error:denied",
              "executors without a cluster token")


# ---- The environment of the public chart ----

DATABASES = [name for name in EMPTY if name.endswith(("_DATABASE_URL", "_DB_URL"))]


def test_chart():
    """gateway and executor come up with what the public chart sets, and every provider says what is missing"""
    with daemon(**chart("gateway")) as gateway, daemon(**chart("executor", JCA_WORKER_GATEWAY_URL=gateway.url)) as executor:
        for server in (gateway, executor):
            equal(harness.request(server.url + "/healthz")[0], 200, "the probe")
            check_providers(server, 3)
            contains(json.dumps(provider(server, "claude-api")["checks"]), "JCA_ANTHROPIC_API_KEY", "the remedy")
            lacks(server.text(), "is known to no loaded provider", "the log")
            lacks(server.text(), TOKEN, "the log")
            contains(server.text(), "JCA_WORKER_CONTROL_PLANE_URL is set, but has no meaning here", "the log")
        wait_for(lambda: api(gateway, "/executors")[2]["executors"], "the executor is known")
        for path in ("provider_config.db", "provider_secret.key", "runtime_config.db"):
            check((harness.scratch() / "gateway/data/gateway" / path).is_file(), path)


def check_config(**more):
    return harness.run([harness.BUILD / "mergeloomd", "--check-config"], environment(**more))


def test_chart_listens_only_with_a_token():
    """0.0.0.0, as the chart has it, is accepted with the cluster token and refused without one"""
    finished = check_config(**chart("gateway", JCA_WORKER_HOST="0.0.0.0"))
    equal(finished.status, 0, f"{finished!r}")
    finished = check_config(**chart("gateway", JCA_WORKER_HOST="0.0.0.0", JCA_WORKER_CLUSTER_TOKEN=""))
    equal(finished.status, 2, f"{finished!r}")
    contains(finished.err, "JCA_WORKER_ACCESS_TOKEN", "the remedy")


def test_chart_is_honoured():
    """every variable of the chart, once it is set, is shown as the origin of a setting or named as one without meaning here"""
    kinds = {"_AUTH_METHOD": "api_key", "_ENDPOINT_MODE": "structured", "_URL": "https://service.example", "_ENDPOINT": "https://service.example",
             "_CREDENTIALS": "/run/key.json", "_FILE": "/run/token"}
    special = {"JCA_VERTEX_AUTH_METHOD": "adc", "JCA_BEDROCK_AUTH_METHOD": "default_chain",
               **dict.fromkeys(DATABASES, "postgresql://worker:password@db.example/mergeloom")}
    for role in ("gateway", "executor"):
        filled = {name: special.get(name) or next((text for end, text in kinds.items() if name.endswith(end)), "filled-in")
                  for name, value in chart(role).items() if not value and name in pod(role)}
        finished = check_config(**chart(role, **filled))
        equal(finished.status, 0, f"{finished!r}")
        foreign = {name for name in pod(role) if f"note: {name} is set, but has no meaning here: " in finished.out}
        equal({name for name in pod(role) if f"[{name}]" not in finished.out} - foreign, set(), f"{role}: not shown")
        equal({name for name in foreign if not name.startswith("JCA_CONTEXT_ENGINE_")}, {
            "JCA_WORKER_ENROLLMENT_TOKEN", "JCA_WORKER_CONTROL_PLANE_URL", "JCA_WORKER_CONTROL_PLANE_REQUEST_TIMEOUT_SECONDS",
            "JCA_WORKER_CODE_AUDIT_DB_URL", "JCA_WORKER_TRACE_DB_URL"}, f"{role}: without meaning")


def test_polling():
    """JCA_WORKER_POLL_ENABLED=false: no job is run, and the page, which names the workspace, and the job say so"""
    repo = harness.repository(harness.FILES)
    with daemon(JCA_WORKER_POLL_ENABLED="false", JCA_WORKER_TENANT_SLUG="slug-of-the-workspace",
                JCA_WORKER_PROVIDER="claude-api") as server:
        text = harness.request(server.url + "/")[2].decode()
        for part in ("gateway and executor, takes no jobs", "slug-of-the-workspace"):
            contains(text, part, "the first page")
        status, _, job = api(server, "/jobs", "POST", {"schema": "mergeloom.job.v1", "repository": {"path": str(repo)},
                                                       "ticket": {"title": "Wait", "description": harness.MARK}})
        equal(status, 201, f"{job}")
        contains(api(server, f"/jobs/{job['id']}")[2]["reason"], "there is no executor yet", "the reason")
    contains(check_config(JCA_WORKER_ROLE="gateway", JCA_WORKER_POLL_ENABLED="true").out, "a gateway takes no jobs", "what is said")


def test_check_config():
    """--check-config shows settings of daemon, worker and providers, and names what nothing reads, with what was meant"""
    finished = check_config(**chart("gateway", JCA_ANTHROPIC_API_KEY=KEY, JCA_ANTHROPIC_MODEL="from-the-chart"))
    equal(finished.status, 0, f"{finished!r}")
    lacks(finished.everything(), KEY, "the configuration")
    lacks(finished.everything(), TOKEN, "the configuration")
    lacks(finished.out, "warning:", "the configuration")
    for part in ("claude-api.api_key", "claude-api.model           from-the-chart  [JCA_ANTHROPIC_MODEL]",
                 "[JCA_WORKER_ALLOWED_COMMANDS]", "[JCA_WORKER_CLUSTER_TOKEN]"):
        contains(finished.out, part, "the configuration")
    check(not (harness.scratch() / "gateway").exists(), "no store is made")
    finished = check_config(JCA_ANTHROPIC_MODLE="x", JCA_WORKER_PORTS="1", JCA_NOTHING_LIKE_ANY_OTHER_NAME="y")
    equal(finished.status, 0, f"{finished!r}")
    for name, meant in (("JCA_ANTHROPIC_MODLE", "JCA_ANTHROPIC_MODEL"), ("JCA_WORKER_PORTS", "JCA_WORKER_PORT")):
        check(re.search(rf"warning: the variable {name} is known to no.*did you mean {meant}\?", finished.out), finished.out)
    contains(finished.out, "note: the variable JCA_NOTHING_LIKE_ANY_OTHER_NAME is known to no", "the configuration")
    contains(finished.out, "note: claude-api: api_key has no value; set JCA_ANTHROPIC_API_KEY", "what is missing")


def test_database_servers():
    """what is no URL of a PostgreSQL server is refused at the start, by its name and without its password; files are not used instead"""
    for url in (f"mysql://worker:{KEY}@db.example/mergeloom", f"postgresql+://worker:{KEY}@db.example/mergeloom", KEY):
        for name in DATABASES:
            finished = check_config(**chart("gateway", **{name: url}))
            equal(finished.status, 2, f"{name}: {finished!r}")
            contains(finished.err, f"mergeloomd: {name}: it is not the URL of a PostgreSQL database", "what is said")
            contains(finished.err, "postgresql://user:password@host:5432/database", "what is said")
            lacks(finished.everything(), KEY, "what is said")
    finished = harness.run([harness.BUILD / "mergeloomd"],
                           environment(**chart("gateway", JCA_WORKER_DATABASE_URL=f"mysql://worker:{KEY}@db.example/x")))
    equal(finished.status, 2, f"{finished!r}")
    check(not (harness.scratch() / "gateway").exists(), "no store is made")


harness.main(globals())
