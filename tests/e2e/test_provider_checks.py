#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What mergeloom check and mergeloom providers say of every provider that speaks HTTP, in one table: private certificate
authorities, proxies that ask for a login, models that are not there."""
import json
import subprocess

import harness
from harness import BUILD, KEY, check, contains, equal, lacks

# What leads a provider to a server: the variables of its address, its key and its model.
PROVIDERS = {
    "aws-bedrock": {"JCA_BEDROCK_ENDPOINT_URL": "URL", "JCA_AWS_BEDROCK_CONTROL_ENDPOINT_URL": "URL",
                    "JCA_BEDROCK_REGION": "us-east-1", "JCA_BEDROCK_AUTH_METHOD": "bearer_token",
                    "AWS_BEARER_TOKEN_BEDROCK": KEY, "JCA_BEDROCK_MODEL_ID": "MODEL"},
    "azure-foundry": {"JCA_AZURE_FOUNDRY_ENDPOINT": "URL", "JCA_AZURE_FOUNDRY_API_KEY": KEY,
                      "JCA_AZURE_FOUNDRY_ROUTE": "v1", "JCA_AZURE_FOUNDRY_MODEL": "MODEL"},
    "claude-api": {"JCA_ANTHROPIC_BASE_URL": "URL", "JCA_ANTHROPIC_API_KEY": KEY, "JCA_ANTHROPIC_MODEL": "MODEL"},
    "codex-api": {"JCA_OPENAI_BASE_URL": "URL/v1", "JCA_OPENAI_API_KEY": KEY, "JCA_OPENAI_MODEL": "MODEL"},
    "openai-compatible": {"JCA_OPENAI_COMPATIBLE_BASE_URL": "URL/v1", "JCA_OPENAI_COMPATIBLE_API_KEY": KEY,
                          "JCA_OPENAI_COMPATIBLE_MODEL": "MODEL"},
    "vertex-ai": {"JCA_VERTEX_BASE_URL": "URL", "JCA_VERTEX_PROJECT_ID": "test-project",
                  "JCA_VERTEX_LOCATION": "us-central1", "JCA_VERTEX_AUTH_METHOD": "access_token",
                  "JCA_VERTEX_ACCESS_TOKEN": KEY, "JCA_VERTEX_MODEL": "MODEL"},
}
# Of the fields that each has, those that an operator fills in; the ones of every HTTP provider are told apart.
FIELDS = {
    "aws-bedrock": "auth_method region model access_key_id secret_access_key session_token profile bearer_token",
    "azure-foundry": "auth_method endpoint model api_key tenant_id client_id client_secret client_certificate_path "
                     "federated_token_file bearer_token token_scope",
    "claude-api": "api_key model base_url anthropic_version auth_header",
    "codex-api": "api_key model base_url organization project",
    "openai-compatible": "base_url api_key model",
    "vertex-ai": "auth_method credentials_path service_account_json access_token endpoint_mode endpoint_url project_id "
                 "location publisher model",
}
TRANSPORT = "connect_timeout first_byte_timeout idle_timeout total_timeout max_retries extra_headers ca_file proxy proxy_login"
LOGIN = "worker:p@ss:word/not-a-secret"
ESCAPED_LOGIN = "worker:p%40ss%3Aword%2Fnot-a-secret"


def variable(provider, field):
    return f"JCA_{provider.replace('-', '_').upper()}_{field.upper()}"


def everywhere(field, value):
    """The field of every provider."""
    return {variable(provider, field): value for provider in PROVIDERS}


def checked(url, model="sim-1", **more):
    """The checks of all of them by provider and name, from one run, in which no secret is shown."""
    settings = {"JCA_WORKER_SCRATCH_PATH": harness.scratch(), **everywhere("max_retries", "0")}
    for values in PROVIDERS.values():
        settings.update({name: value.replace("URL", url) if value.startswith("URL") else
                         model if value == "MODEL" else value for name, value in values.items()})
    finished = harness.mergeloom("check", "--no-self-test", "--json", *PROVIDERS,
                                 environment=harness.clean_environment(**{**settings, **more}))
    for secret in (KEY, "p@ss", "p%40ss"):
        lacks(finished.everything(), secret, "what is printed")
    reports = [json.loads(line)["providers"][0] for line in finished.out.splitlines()]  # one for each that was named
    found = {report["id"]: {one["name"]: one for one in report["checks"]} for report in reports}
    equal(sorted(found), sorted(PROVIDERS), "providers that were checked")
    return found


def all_pass(found, *names):
    for provider, checks in found.items():
        for name in names or ("credential", "reach"):
            equal(checks[name]["state"], "pass", f"{name} of {provider}: {checks[name]}")


def all_fail(found, name, reason, *remedies):
    for provider, checks in found.items():
        equal(checks[name]["state"], "fail", f"{name} of {provider}: {checks[name]}")
        contains(checks[name]["reason"], reason, f"the reason of {provider}")
        for remedy in remedies:
            contains(checks[name]["remedy"], remedy, f"the remedy of {provider}")


def simulator():
    return harness.simulator({"models": ["sim-1"], "key": KEY, "conversations": []})


def certificate():
    """Of an authority of this test's own, for localhost."""
    path = harness.scratch()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", path / "tls.key", "-out", path / "tls.crt", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, stderr=subprocess.DEVNULL)
    return path / "tls.crt", path / "tls.key"


def test_listed_with_their_fields():
    """mergeloom providers lists every HTTP provider with its fields and the variables that set them"""
    document = json.loads(harness.must([BUILD / "mergeloom", "providers", "--json"],
                                       environment=harness.clean_environment()))
    listed = {provider["id"]: {field["name"]: field for field in provider["settings"]["fields"]}
              for provider in document["providers"]}
    text = harness.must([BUILD / "mergeloom", "providers"], environment=harness.clean_environment())
    for provider, fields in FIELDS.items():
        for name in f"{fields} {TRANSPORT}".split():
            check(name in listed[provider], f"{provider} has a field {name}")
            check(listed[provider][name]["help"], f"{name} of {provider} is explained")
            check(listed[provider][name]["environment"], f"{name} of {provider} has a variable")
        for name, field in listed[provider].items():
            if not field["advanced"] and field["origin"] == "unset":
                contains(text, field["environment"][0], f"the variable of {name} of {provider}")
        contains(text, provider, "the list for people")


def test_private_authority():
    """a private certificate authority: each provider names ca_file, and with it the endpoint is reached"""
    paths = certificate()
    with simulator() as server, harness.Recorder(server.url, certificate=paths) as front:
        all_fail(checked(front.url), "reach", "unknown authority", "ca_file")
        all_pass(checked(front.url, **everywhere("ca_file", paths[0])), "credential", "reach")
        found = checked(front.url.replace("localhost", "127.0.0.1"), **everywhere("ca_file", paths[0]))
        all_fail(found, "reach", "another host name", "host name")


def test_proxy_that_asks_for_a_login():
    """a proxy that asks for a login: by the environment or by a setting, told apart when missing and when wrong"""
    paths = certificate()
    trusted = everywhere("ca_file", paths[0])
    with simulator() as server, harness.Recorder(server.url, certificate=paths) as front, \
            harness.Proxy(login=LOGIN) as proxy:
        address = proxy.url.removeprefix("http://")
        for url, name in ((front.url, "HTTPS_PROXY"), (server.url, "http_proxy")):
            ways = {
                "variable": {name: f"http://{ESCAPED_LOGIN}@{address}"},
                "variable and setting": {name: proxy.url, **everywhere("proxy_login", LOGIN)},
                "settings": {**everywhere("proxy", proxy.url), **everywhere("proxy_login", LOGIN)},
            }
            for what, more in ways.items():
                before = len(proxy.heads)
                all_pass(checked(url, **trusted, **more), "credential", "reach")
                check(len(proxy.heads) > before, f"the proxy was asked: {what}")
            all_fail(checked(url, **trusted, **{name: proxy.url}), "reach", "asks for a login (407)", "proxy_login",
                     "HTTPS_PROXY")
            wrong = {name: proxy.url, **everywhere("proxy_login", "worker:other-test-password")}
            all_fail(checked(url, **trusted, **wrong), "reach", "refused its user or password (407)", "proxy_login")
            wrong = {name: f"http://worker:other-test-password@{address}"}
            all_fail(checked(url, **trusted, **wrong), "reach", "refused its user or password (407)", "HTTPS_PROXY")
        check(not any(KEY in str(head) for head in proxy.heads if head[0].startswith("CONNECT")), "no key for the proxy")
    in_address = checked(server.url, **everywhere("proxy", f"http://{ESCAPED_LOGIN}@{address}"))
    all_fail(in_address, "settings", "carries a user name or password", "login")


def test_model_that_is_not_there():
    """a model that the service does not have: told by each provider, with the nearest name where there is a list"""
    told = {"azure-foundry": None, "vertex-ai": "JCA_VERTEX_MODEL"}  # the first lists none, the second thousands
    with simulator() as server:
        for provider, checks in checked(server.url, model="sim-2").items():
            part = told.get(provider, "did you mean sim-1?")
            equal(checks["model"]["state"], "fail" if part else "warn", f"{provider}: {checks}")
            contains(checks["model"]["reason"], "sim-2", f"the model that {provider} was to use")
            contains(checks["model"].get("remedy") or "", part or "", f"the remedy of {provider}")


harness.main(globals())
