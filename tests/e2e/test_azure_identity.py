#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Identities of Azure: the requests that @azure/identity sends and those of ours, against one and the same fake."""
import base64
import email.utils
import functools
import hashlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

import harness
from harness import BUILD, Recorder, check, clean_environment, contains, equal, lacks, node_modules, run

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SCOPE = "https://cognitiveservices.azure.com/.default"
SECRET = harness.KEY
TOKEN = "test-token-not-a-secret"
FETCH = BUILD / "tests/e2e/credential_fetch"

# The ways to an identity, and those that both clients have gone so far.
PLATFORMS = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "IMDS", "IDENTITY_ENDPOINT": "App Service and Container Apps",
             "MSI_ENDPOINT": "Machine Learning"}
WAYS = {"client secret", "client certificate", "client certificate with its chain", "encrypted client certificate",
        "workload identity", "Machine Learning by clientId"} | {
            f"{platform} by {identity}" for platform in ("IMDS", "App Service and Container Apps")
            for identity in ("itself", "clientId", "objectId", "resourceId")}
JUDGED = set()


# ---- The fake: what Entra and the metadata services answer ----

def entra(base, path):
    """The discovery documents that the vendor's client asks for before it asks for a token."""
    tenant = path.split("/")[1]
    return {"token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token", "issuer": f"{base}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize", "jwks_uri": f"{base}/{tenant}/keys"}


def as_json(value, status=200, **headers):
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


class Fake(Recorder):
    """Answers every method of identity; refusal(path, number of the request) may answer instead."""

    def __init__(self, certificate=None, refusal=None):
        self.refusal = refusal
        self.asked = 0
        super().__init__(answer=self.reply, certificate=certificate)

    def reply(self, method, path, headers, _body):
        plain = path.split("?")[0]
        if plain.endswith("/.well-known/openid-configuration"):
            return as_json(entra(self.url, plain))
        self.asked += 1
        refused = self.refusal(path, self.asked) if self.refusal else None
        if refused:
            return refused
        if method == "POST" and plain.endswith("/oauth2/v2.0/token"):
            return as_json({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": TOKEN})
        names = {name.lower() for name in headers}
        if "metadata" not in names and "x-identity-header" not in names:
            return as_json({"error": "invalid_request"}, 400)
        return as_json({"access_token": TOKEN, "expires_on": str(int(time.time()) + 7200), "token_type": "Bearer",
                        "resource": "r", "client_id": "c"})

    def asked_for_tokens(self):
        return [(method, path, headers, body) for method, path, headers, body in self.requests
                if ".well-known" not in path and "Metadata" in headers or "X-IDENTITY-HEADER" in
                {name.upper() for name in headers} or method == "POST" or "metadata" in headers]


@functools.cache
def keys():
    """A certificate for localhost, and one of an application with its key; made once for the run."""
    folder = pathlib.Path(run(["mktemp", "-d", "/tmp/mergeloom-azure-XXXXXX"]).out.strip())
    for name, subject, more in (("tls", "/CN=localhost", ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]),
                                ("app", "/CN=application", [])):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
                        "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt", *more],
                       check=True, stderr=subprocess.DEVNULL)
    (folder / "app.pem").write_text((folder / "app.key").read_text() + (folder / "app.crt").read_text())
    return folder


def tls():
    return keys() / "tls.crt", keys() / "tls.key"


# ---- The two clients ----

def vendor(kind, arguments, **environment):
    node, modules = node_modules()
    case = json.dumps({"kind": kind, "arguments": arguments, "scope": SCOPE})
    finished = run([node, harness.SOURCE / "tests/e2e/azure_client.mjs", modules, case],
                   environment=clean_environment(NODE_EXTRA_CA_CERTS=keys() / "tls.crt", **environment))
    check(finished.status == 0, f"the vendor's client: {finished!r}")
    return json.loads(finished.out)


def ours(source, *options, scope=SCOPE, status=0, **environment):
    finished = run([FETCH, source, scope, "--ca", keys() / "tls.crt", *options],
                   environment=clean_environment(**environment))
    check(finished.status == status, f"{source}: {finished!r}")
    lacks(finished.err, TOKEN, "what is printed")
    return json.loads(finished.out.splitlines()[-1])


def options(fake):
    return {"authorityHost": fake.url, "disableInstanceDiscovery": True, "retryOptions": {"maxRetries": 0}}


def application(fake, **more):
    return {"AZURE_AUTHORITY_HOST": fake.url, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, **more}


# ---- Comparing ----

OPTIONAL = {"client-request-id", "x-client-sku", "x-client-ver", "x-client-os", "x-client-cpu", "x-ms-lib-capability",
            "x-client-current-telemetry", "x-client-last-telemetry", "x-app-name", "x-app-ver", "client_info", "claims",
            "x-anchormailbox"}


def form(request):
    method, path, headers, body = request
    equal(method, "POST", "method")
    check({name.lower(): value for name, value in headers.items()}["content-type"].startswith(
        "application/x-www-form-urlencoded"), "the body is a form")
    fields = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
    # What the vendor's client tells of itself.
    path, _, more = path.partition("?")
    fields.update(urllib.parse.parse_qsl(more))
    return path, {name: value for name, value in fields.items() if name.lower() not in OPTIONAL}


def query(request):
    method, path, headers, _ = request
    equal(method, "GET", "method")
    address = urllib.parse.urlsplit(path)
    names = {name.lower(): value for name, value in headers.items()}
    kept = {name: names[name] for name in ("metadata", "x-identity-header", "secret", "authorization") if name in names}
    # The documented path has no slash at its end; the vendor's client adds one to an address that a variable gives.
    return address.path.rstrip("/"), dict(urllib.parse.parse_qsl(address.query)), kept


def both(kind, arguments, source, environment, read, *options_of_ours, fake):
    """The token requests of the vendor's client and of ours; each must have got the token."""
    theirs = vendor(kind, arguments, **environment)
    equal(theirs.get("token"), TOKEN, f"what the vendor's client got: {theirs}")
    mine = ours(source, *options_of_ours, **environment)
    equal(mine.get("secret"), TOKEN, f"what ours got: {mine}")
    asked = fake.asked_for_tokens()
    equal(len(asked), 2, "requests for a token")
    return read(asked[0]), read(asked[1]), theirs, mine


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify_assertion(token):
    """By the openssl program, under the application's certificate."""
    folder = harness.scratch()
    head, claims, signature = token.split(".")
    (folder / "signed").write_text(f"{head}.{claims}")
    (folder / "signature").write_bytes(decoded(signature))
    harness.must(["openssl", "x509", "-in", keys() / "app.crt", "-pubkey", "-noout", "-out", folder / "public"])
    out = harness.must(["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                        "rsa_pss_saltlen:32", "-verify", folder / "public", "-signature", folder / "signature",
                        folder / "signed"])
    contains(out, "Verified OK", "the signature")
    return json.loads(decoded(head)), json.loads(decoded(claims))


# ---- Tests ----

def test_client_secret():
    """a client secret: the exchange is the vendor's"""
    with Fake(tls()) as fake:
        theirs, mine, vendors, got = both("ClientSecretCredential", [TENANT, CLIENT, SECRET, options(fake)],
                                          "azure-client-secret", application(fake, AZURE_CLIENT_SECRET=SECRET), form,
                                          fake=fake)
        equal(mine, theirs, "the request")
        JUDGED.add("client secret")
        equal(mine[1]["client_secret"], SECRET, "the secret")
        check(abs(got["expires_wall_ms"] - vendors["expires"]) < 30000, "both expire at the same time")
        contains(got["description"], CLIENT, "the description")
        lacks(json.dumps({**got, "secret": ""}), SECRET, "what may be shown")


def test_client_secret_in_fields_of_the_provider():
    """a client secret in the provider's fields, and a tenant that is a domain"""
    with Fake(tls()) as fake:
        got = ours("azure-client-secret", "--field", "tenant_id=contoso.example", "--field", f"client_id={CLIENT}",
                   "--secret", f"client_secret={SECRET}", "--field", f"authority_host={fake.url}/",
                   AZURE_CLIENT_ID="not-this-one", AZURE_CLIENT_SECRET="nor-this")
        equal(got.get("secret"), TOKEN, f"{got}")
        path, fields = form(fake.asked_for_tokens()[0])
        equal(path, "/contoso.example/oauth2/v2.0/token", "the address")
        equal(fields["client_id"], CLIENT, "the application")
        equal(fields["client_secret"], SECRET, "the secret")


def certificate_case(with_chain):
    with Fake(tls()) as fake:
        given = {**options(fake), "sendCertificateChain": with_chain}
        environment = application(fake, AZURE_CLIENT_CERTIFICATE_PATH=keys() / "app.pem",
                                  AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=str(with_chain).lower())
        theirs, mine, _, _ = both("ClientCertificateCredential",
                                  [TENANT, CLIENT, {"certificatePath": str(keys() / "app.pem")}, given],
                                  "azure-client-certificate", environment, form, fake=fake)
        assertions = [request[1].pop("client_assertion") for request in (theirs, mine)]
        equal(mine, theirs, "the request but for the assertion")
        heads, claims = zip(*(verify_assertion(assertion) for assertion in assertions))
        equal(heads[1], heads[0], "the header of the assertion")
        equal(sorted(claims[1]), sorted(claims[0]), "the claims that there are")
        for name in ("aud", "iss", "sub"):
            equal(claims[1][name], claims[0][name], name)
        equal(claims[1]["exp"] - claims[1]["nbf"], claims[0]["exp"] - claims[0]["nbf"], "the life of the assertion")
        equal(len(claims[1]["jti"]), len(claims[0]["jti"]), "the form of its id")
        check(claims[1]["jti"] != claims[0]["jti"], "the id differs each time")
        der = subprocess.run(["openssl", "x509", "-in", keys() / "app.crt", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        equal(decoded(heads[1]["x5t#S256"]), hashlib.sha256(der).digest(), "the thumbprint")
        JUDGED.add("client certificate" + " with its chain" * with_chain)
        if with_chain:
            equal([base64.b64decode(entry) for entry in heads[1]["x5c"]], [der], "the certificates")


def test_client_certificate():
    """a client certificate: the assertion says what the vendor's says, and openssl verifies both"""
    certificate_case(False)


def test_client_certificate_chain():
    """a client certificate with its chain, as subject and issuer names need it"""
    certificate_case(True)


def test_client_certificate_files():
    """certificate files that cannot be used have a reason each"""
    folder = harness.scratch()
    (folder / "empty.pem").write_text("")
    (folder / "key-only.pem").write_text((keys() / "app.key").read_text())
    (folder / "certificate-only.pem").write_text((keys() / "app.crt").read_text())
    harness.must(["openssl", "pkey", "-in", keys() / "app.key", "-aes128", "-passout", "pass:test", "-out",
                  folder / "encrypted.key"])
    (folder / "encrypted.pem").write_text((folder / "encrypted.key").read_text() + (keys() / "app.crt").read_text())
    with Fake(tls()) as fake:
        for name, reason in (("empty.pem", "holds no private key"), ("key-only.pem", "holds no certificate"),
                             ("certificate-only.pem", "holds no private key"),
                             ("encrypted.pem", "is encrypted"), ("absent.pem", "cannot open")):
            got = ours("azure-client-certificate",
                       **application(fake, AZURE_CLIENT_CERTIFICATE_PATH=folder / name))
            contains(got["message"], reason, name)
            check(got["remedy"], f"{name} has a remedy")
        equal(fake.asked_for_tokens(), [], "requests without an assertion")


def test_encrypted_certificate_files():
    """a certificate whose key is encrypted, as PEM and as PKCS #12: the vendor's request, and a reason for a wrong password"""
    folder, word = harness.scratch(), "test-word-not-a-secret"
    harness.must(["openssl", "pkey", "-in", keys() / "app.key", "-aes256", "-passout", f"pass:{word}", "-out",
                  folder / "app.key"])
    (folder / "app.pem").write_text((folder / "app.key").read_text() + (keys() / "app.crt").read_text())
    harness.must(["openssl", "pkcs12", "-export", "-inkey", keys() / "app.key", "-in", keys() / "app.crt", "-passout",
                  f"pass:{word}", "-out", folder / "app.pfx"])
    with Fake(tls()) as fake:
        given = application(fake, AZURE_CLIENT_CERTIFICATE_PATH=folder / "app.pem", AZURE_CLIENT_CERTIFICATE_PASSWORD=word)
        theirs, mine, _, _ = both("ClientCertificateCredential", [TENANT, CLIENT, {
            "certificatePath": str(folder / "app.pem"), "certificatePassword": word}, options(fake)],
                                  "azure-client-certificate", given, form, fake=fake)
        assertions = [request[1].pop("client_assertion") for request in (theirs, mine)]
        equal(mine, theirs, "the request but for the assertion")
        heads = [verify_assertion(assertion)[0] for assertion in assertions]
        equal(heads[1], heads[0], "the header of the assertion")
        JUDGED.add("encrypted client certificate")
        # The vendor's client for Node.js reads no PKCS #12; its others do.
        got = ours("azure-client-certificate", "--secret", f"client_certificate_password={word}", "--field",
                   f"client_certificate_path={folder / 'app.pfx'}", **application(fake))
        equal(got.get("secret"), TOKEN, f"{got}")
        equal(verify_assertion(form(fake.asked_for_tokens()[-1])[1]["client_assertion"])[0], heads[0], "the header")
        for password, reason in (("other-test-word", "does not open with the password"), (None, "is encrypted")):
            got = ours("azure-client-certificate", **{**given, "AZURE_CLIENT_CERTIFICATE_PASSWORD": password})
            equal(got["code"], "invalid", f"{got}")
            contains(got["message"], reason, "the reason")
            contains(got["remedy"], "AZURE_CLIENT_CERTIFICATE_PASSWORD", "the remedy")
            lacks(json.dumps(got), word, "what may be shown")


def test_wrong_clock():
    """a certificate on a machine whose clock is wrong: the assertion is made again with Entra's time"""
    hour = 3600

    def judge(_path, _number):
        claims = verify_assertion(form(fake.requests[-1])[1]["client_assertion"])[1]
        begun.append(claims["nbf"])
        if abs(claims["nbf"] - time.time() - hour) > 300:
            return as_json({"error": "invalid_client", "error_codes": [700024], "error_description":
                            "AADSTS700024: Client assertion is not within its valid time range."}, 401,
                           Date=email.utils.formatdate(time.time() + hour, usegmt=True))
        return None
    begun = []
    with Fake(tls(), refusal=judge) as fake:
        got = ours("azure-client-certificate", **application(fake, AZURE_CLIENT_CERTIFICATE_PATH=keys() / "app.pem"))
    equal(got.get("secret"), TOKEN, f"{got}")
    equal(len(begun), 2, "requests")
    check(abs(begun[1] - begun[0] - hour) < 60, f"times of the assertions: {begun}")


def checked(fake, **environment):
    """mergeloom check of azure-foundry at an endpoint that answers everything: what it says of the credential."""
    with Recorder(answer=lambda *_: as_json({"data": []})) as service:
        settings = {"JCA_AZURE_FOUNDRY_ENDPOINT": service.url, "JCA_AZURE_FOUNDRY_MODEL": "m",
                    "JCA_AZURE_FOUNDRY_CA_FILE": keys() / "tls.crt", "JCA_WORKER_SCRATCH_PATH": harness.scratch(),
                    **application(fake), **environment}
        finished = harness.mergeloom("check", "azure-foundry", "--no-self-test", "--json",
                                     environment=clean_environment(**settings))
    lacks(finished.everything(), TOKEN, "what is printed")
    return next(one for one in json.loads(finished.out)["providers"][0]["checks"] if one["name"] == "credential")


def test_readiness_with_a_wrong_clock():
    """mergeloom check: a clock that is wrong is a warning when Entra's was used instead, and else the reason"""
    def judge(_path, _number):
        claims = json.loads(decoded(form(fake.requests[-1])[1]["client_assertion"].split(".")[1]))
        late = abs(claims["nbf"] - time.time() + 3600) > 300
        return as_json({"error": "invalid_client", "error_codes": [number], "error_description": f"AADSTS{number}: Client "
                        "assertion is not within its valid time range."}, 401,
                       Date=email.utils.formatdate(time.time() - 3600, usegmt=True)) if late or forever else None
    with Fake(tls(), refusal=judge) as fake:
        for number, forever, state, reason in ((700024, False, "warn", "s ahead of it (Entra token"),
                                               (700024, True, "fail", "s ahead of Entra's"),
                                               (500133, True, "fail", "s ahead of Entra's")):
            got = checked(fake, JCA_AZURE_FOUNDRY_AUTH_METHOD="client_certificate",
                          AZURE_CLIENT_CERTIFICATE_PATH=keys() / "app.pem")
            equal(got["state"], state, f"{got}")
            contains(got["reason"], reason, "the reason")
            contains(got["remedy"], "time server", "the remedy")


def test_proxy_with_login_and_private_authority():
    """on the way to Entra, a proxy with a login and a private authority have a reason each, and work when they are set"""
    with Fake(tls()) as fake:
        harness.must_find_the_way("JCA_AZURE_FOUNDRY", keys() / "tls.crt", lambda **way: checked(
            fake, JCA_AZURE_FOUNDRY_AUTH_METHOD="client_secret", AZURE_CLIENT_SECRET=SECRET, **way))


def test_workload_identity():
    """workload identity: the exchange is the vendor's"""
    token = harness.scratch() / "token"
    token.write_text("header.payload.signature\n")
    with Fake(tls()) as fake:
        given = {**options(fake), "tenantId": TENANT, "clientId": CLIENT, "tokenFilePath": str(token)}
        theirs, mine, _, _ = both("WorkloadIdentityCredential", [given], "azure-workload-identity",
                                  application(fake, AZURE_FEDERATED_TOKEN_FILE=token), form, fake=fake)
        # The vendor's client sends the line break at the end of the file along.
        theirs[1]["client_assertion"] = theirs[1]["client_assertion"].strip()
        equal(mine, theirs, "the request")
        JUDGED.add("workload identity")


def test_federated_token_read_once_fails_a_day_later():
    """a federated token that was renewed since is the one that is sent"""
    token = harness.scratch() / "token"
    token.write_text("first.token.x")
    with Fake(tls()) as fake:
        environment = clean_environment(**application(fake, AZURE_FEDERATED_TOKEN_FILE=token))
        with subprocess.Popen([str(part) for part in (FETCH, "azure-workload-identity", SCOPE, "--ca",
                                                      keys() / "tls.crt", "--times", "2")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as process:
            equal(json.loads(process.stdout.readline())["secret"], TOKEN, "the first time")
            token.write_text("second.token.x")
            process.stdin.write("\n")
            process.stdin.flush()
            equal(json.loads(process.stdout.readline())["secret"], TOKEN, "the second time")
            process.stdin.close()
        sent = [form(request)[1]["client_assertion"] for request in fake.asked_for_tokens()]
        equal(sent, ["first.token.x", "second.token.x"], "the assertions")


def test_blank_federated_token_file_of_the_chart():
    """a blank AZURE_FEDERATED_TOKEN_FILE is told as what it is"""
    with Fake(tls()) as fake:
        got = ours("azure-workload-identity", "--field", "auth_method=workload_identity",
                   **application(fake, AZURE_FEDERATED_TOKEN_FILE=""))
        equal(got["code"], "not-configured", f"{got}")
        contains(got["message"], "AZURE_FEDERATED_TOKEN_FILE is unset or blank", "the reason")
        contains(got["remedy"], "AKS does not fill in a variable that the pod already has", "the remedy")
        got = ours("azure-workload-identity", **application(fake, AZURE_FEDERATED_TOKEN_FILE=""))
        equal(got["code"], "not-applicable", "where nobody asked for it")


def managed(selector, source_environment, vendor_options, *options_of_ours):
    with Fake() as fake:
        environment = {name: value.replace("FAKE", fake.url) for name, value in source_environment.items()}
        theirs, mine, vendors, got = both("ManagedIdentityCredential", [vendor_options], "azure-managed-identity",
                                          environment, query, *options_of_ours, fake=fake)
        equal(mine, theirs, "the request")
        for name, value in selector.items():
            equal(mine[1].get(name), value, name)
        check(abs(got["expires_wall_ms"] - vendors["expires"]) < 30000, "both expire at the same time")
        JUDGED.add(f"{PLATFORMS[next(iter(source_environment))]} by {next(iter(vendor_options), 'itself')}")


IMDS = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "FAKE"}
APP_SERVICE = {"IDENTITY_ENDPOINT": "FAKE/msi/token", "IDENTITY_HEADER": "test-header-not-a-secret"}
RESOURCE_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


def test_managed_identity_of_a_machine():
    """managed identity by IMDS: the machine's own"""
    managed({"client_id": None}, IMDS, {})


def test_managed_identity_by_client_id():
    """managed identity by IMDS: an assigned one by client id"""
    managed({"client_id": CLIENT}, IMDS, {"clientId": CLIENT}, "--field", f"client_id={CLIENT}")


def test_managed_identity_by_object_id():
    """managed identity by IMDS: an assigned one by object id"""
    managed({"object_id": CLIENT}, IMDS, {"objectId": CLIENT}, "--field", f"managed_identity_object_id={CLIENT}")


def test_managed_identity_by_resource_id():
    """managed identity by IMDS: an assigned one by resource id"""
    managed({"msi_res_id": RESOURCE_ID}, IMDS, {"resourceId": RESOURCE_ID}, "--field",
            f"managed_identity_resource_id={RESOURCE_ID}")


def test_app_service():
    """managed identity of App Service and Container Apps: the app's own"""
    managed({"client_id": None}, APP_SERVICE, {})


def test_app_service_by_client_id():
    """managed identity of App Service and Container Apps: an assigned one by client id"""
    managed({"client_id": CLIENT}, APP_SERVICE, {"clientId": CLIENT}, "--field", f"client_id={CLIENT}")


def test_app_service_by_object_id():
    """managed identity of App Service and Container Apps: an assigned one by object id"""
    managed({"object_id": CLIENT}, APP_SERVICE, {"objectId": CLIENT}, "--field", f"managed_identity_object_id={CLIENT}")


def test_app_service_by_resource_id():
    """managed identity of App Service and Container Apps: an assigned one by resource id"""
    managed({"mi_res_id": RESOURCE_ID}, APP_SERVICE, {"resourceId": RESOURCE_ID}, "--field",
            f"managed_identity_resource_id={RESOURCE_ID}")


def test_machine_learning():
    """managed identity of Azure Machine Learning: an assigned one by client id"""
    managed({"clientid": CLIENT}, {"MSI_ENDPOINT": "FAKE/ml/token", "MSI_SECRET": "test-header-not-a-secret"},
            {"clientId": CLIENT}, "--field", f"client_id={CLIENT}")


def test_every_way_is_judged():
    """every way to an identity was gone by @azure/identity too, with the same requests"""
    if not JUDGED:
        raise harness.Skip("no other client was asked")
    equal(sorted(WAYS - JUDGED), [], "ways that nobody judged")


def test_metadata_goes_past_the_proxy():
    """the metadata service is asked past the proxy"""
    with Fake() as fake, Recorder(answer=lambda *_: (502, {}, b"")) as proxy:
        got = ours("azure-managed-identity", "--proxy", proxy.url, AZURE_POD_IDENTITY_AUTHORITY_HOST=fake.url)
        equal(got.get("secret"), TOKEN, f"{got}")
        equal(proxy.requests, [], "what the proxy saw")


def test_silent_metadata_service():
    """a server in the place of IMDS that accepts connections and says nothing does not stall a laptop"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Without bounds it would take twenty seconds, and end with the time of the call.
        got = ours("azure-managed-identity", "--seconds", "15",
                   AZURE_POD_IDENTITY_AUTHORITY_HOST=f"http://127.0.0.1:{silent.getsockname()[1]}")
    equal(got["code"], "unavailable", f"{got}")
    contains(got["message"], "there is no managed identity here", "the reason")


def test_refusals():
    """what Entra refuses has a reason and a remedy, and the id of the request"""
    def answer(number):
        return lambda *_: as_json({"error": "invalid_client", "error_codes": [number], "correlation_id": "corr-1",
                                   "error_description": f"AADSTS{number}: Words. Trace ID: x\r\nCorrelation ID: y"}, 401)
    for number, code, reason, remedy in (
            (7000215, "unauthenticated", "not one of the application's", "not its id"),
            (7000222, "unauthenticated", "has expired", "new secret"),
            (700016, "unauthenticated", "no such application", "AZURE_TENANT_ID"),
            (90002, "unauthenticated", "no such tenant", "AZURE_TENANT_ID"),
            (700024, "unauthenticated", "not valid now", "clock"),
            (700213, "unauthenticated", "subject", "system:serviceaccount"),
            (500011, "invalid", "does not know the service", "token_scope"),
            (65001, "denied", "consented", "consent"),
            (50076, "unauthenticated", "Words.", "microsoftonline.com/error")):
        with Fake(tls(), refusal=answer(number)) as fake:
            got = ours("azure-client-secret", **application(fake, AZURE_CLIENT_SECRET=SECRET))
            equal(got["code"], code, f"{number}: {got}")
            contains(got["message"], reason, str(number))
            contains(got["message"], f"AADSTS{number}", str(number))
            contains(got["remedy"], remedy, str(number))
            equal(got["request_id"], "corr-1", "the id of the request")
            equal(len(fake.asked_for_tokens()), 1, "a final refusal is not asked again")
    federated = harness.scratch() / "federated"
    federated.write_text("test-federated-token\n")
    with Fake(tls(), refusal=lambda *_: as_json({"error": "invalid_client", "error_codes": [50027], "error_description":
                                                 "AADSTS50027: Bad test-federated-token."}, 400)) as fake:
        got = ours("azure-workload-identity", **application(fake, AZURE_FEDERATED_TOKEN_FILE=federated))
        contains(got["message"], "AADSTS50027: Bad [redacted].", "a federated token is a secret too")


def test_what_is_not_entra():
    """a web page in the place of Entra is named as one"""
    with Fake(tls(), refusal=lambda *_: (200, {"Content-Type": "text/html"}, b"<html>login</html>")) as fake:
        got = ours("azure-client-secret", **application(fake, AZURE_CLIENT_SECRET=SECRET))
        equal(got["code"], "protocol", f"{got}")
    got = ours("azure-client-secret", AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT, AZURE_CLIENT_SECRET=SECRET,
               AZURE_AUTHORITY_HOST="http://login.example")
    equal(got["code"], "invalid", f"a secret goes over https only: {got}")
    got = ours("azure-client-secret", AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT, AZURE_CLIENT_SECRET=SECRET,
               AZURE_AUTHORITY_HOST="https://127.0.0.1:1")
    equal(got["code"], "unavailable", f"{got}")
    contains(got["message"], "Entra cannot be reached", "the reason")


def test_token_that_expires_in_the_middle_of_a_job():
    """a token that the service refuses in the middle of a job is exchanged for a new one, once"""
    repo = harness.repository(harness.FILES)
    federated = harness.scratch() / "federated"
    federated.write_text("first.token.x")
    given, assertions = [], []

    def issue(_method, _path, _headers, body):
        assertions.append(dict(urllib.parse.parse_qsl(body.decode()))["client_assertion"])
        return as_json({"token_type": "Bearer", "expires_in": 3599, "access_token": f"{TOKEN}-{len(assertions)}"})

    def serve(method, path, headers, body):
        given.append(headers["Authorization"].removeprefix("Bearer "))
        if len(given) >= 3 and given[-1] == f"{TOKEN}-1":
            federated.write_text("second.token.x")
            return as_json({"error": {"code": "401", "message": "The access token has expired."}}, 401)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "authorization")}
        return harness.request(server.url + path, method, body or None, {**kept, "api-key": harness.KEY})

    with harness.simulator(harness.job_script(harness.job_steps(), harness.KEY)) as server, \
            Recorder(answer=issue) as authority, Recorder(answer=serve) as service:
        finished = harness.run_job(
            service.url, repo, "--no-readiness", JCA_WORKER_PROVIDER="azure-foundry",
            JCA_AZURE_FOUNDRY_ENDPOINT=service.url, JCA_AZURE_FOUNDRY_MODEL="sim-1", JCA_AZURE_FOUNDRY_ROUTE="v1",
            JCA_AZURE_FOUNDRY_AUTH_METHOD="workload_identity", AZURE_FEDERATED_TOKEN_FILE=federated,
            **application(authority))
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(assertions, ["first.token.x", "second.token.x"], "exchanges")
    equal(given[:4], [f"{TOKEN}-1", f"{TOKEN}-1", f"{TOKEN}-1", f"{TOKEN}-2"], "tokens of the first requests")
    lacks(finished.everything(), TOKEN, "what is printed")


if __name__ == "__main__":
    try:
        harness.main(globals())
    finally:
        if keys.cache_info().currsize:
            run(["rm", "-rf", keys()], environment={"PATH": "/usr/bin:/bin"})
