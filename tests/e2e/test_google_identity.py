#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Identities of Google: the requests that google-auth-library sends and those of ours, against one and the same fake.

Both believe that they talk to Google: the vendor's client is led to the fake by its own process, ours by a proxy.
"""
import base64
import contextlib
import email.utils
import functools
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.parse

import harness
from harness import BUILD, KEY, Recorder, check, clean_environment, contains, equal, lacks, node_modules, run, scratch

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
API = "https://us-central1-aiplatform.googleapis.com/v1/x"
TOKEN = "test-token-not-a-secret"
OTHER_TOKEN = "other-token-not-a-secret"
SUBJECT = "test-subject-token"
ACCOUNT = "sa@p.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/w/providers/k"
IAM = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
HOSTS = ("oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com", "localhost",
         "us-central1-aiplatform.googleapis.com", "subject.example", "evil.example", "tokens.private.example")
FETCH = BUILD / "tests/e2e/credential_fetch"
# The ways to an identity, and those that both clients have gone so far.
WAYS = {"service_account", "service_account that signs its token", "authorized_user", "external_account with file",
        "external_account with url", "external_account with environment_id", "external_account with executable",
        "external_account that impersonates", "external_account_authorized_user", "impersonated_service_account",
        "metadata server"}
JUDGED = set()
# Where nothing listens, so that no test looks for a metadata server on the network.
NOWHERE = "127.0.0.1:1"


# ---- The fake ----

def as_json(value, status=200, **headers):
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


def metadata(path):
    if path.endswith("/email"):
        return 200, {"Metadata-Flavor": "Google", "Content-Type": "application/text"}, ACCOUNT.encode()
    if "/token" in path:
        return as_json({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}, **{"Metadata-Flavor": "Google"})
    if path.endswith("universe-domain") or path.endswith("universe_domain"):
        return 200, {"Metadata-Flavor": "Google"}, b"googleapis.com"
    return 200, {"Metadata-Flavor": "Google"}, b"ok"


class Fake(Recorder):
    """Answers every endpoint; refusal(path, number of the request) may answer instead."""

    def __init__(self, certificate=None, refusal=None):
        self.refusal = refusal
        super().__init__(answer=self.reply, certificate=certificate)

    def reply(self, _method, path, headers, _body):
        refused = self.refusal(path, len(self.requests)) if self.refusal else None
        if refused:
            return refused
        if "Google" in (headers.get("Metadata-Flavor"), headers.get("metadata-flavor")):
            return metadata(path)
        if path.endswith(":generateAccessToken"):
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            return as_json({"accessToken": OTHER_TOKEN, "expireTime": moment})
        if path.startswith("/subject"):
            return as_json({"id_token": SUBJECT})
        return as_json({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer",
                        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})

    def port(self):
        return self.url.rsplit(":", 1)[1]

    def take(self):
        taken, self.requests[:] = list(self.requests), []
        return taken


_folders = []


@functools.cache
def keys():
    """A certificate for the hosts, and the key of a service account; made once for the run."""
    _folders.append(tempfile.TemporaryDirectory(prefix="mergeloom-google-"))  # removed at the end
    folder = pathlib.Path(_folders[0].name)
    names = ",".join(f"DNS:{host}" for host in HOSTS) + ",IP:127.0.0.1"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-addext", f"subjectAltName={names}"],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                    folder / "sa.pem"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "pkey", "-in", folder / "sa.pem", "-pubout", "-out", folder / "sa.pub"], check=True)
    return folder


@contextlib.contextmanager
def google(refusal=None):
    """The fake as Google's hosts, and the way to it."""
    with Fake((keys() / "tls.crt", keys() / "tls.key"), refusal) as fake, harness.Proxy(lead_to=fake.port()) as proxy:
        fake.proxy = proxy.url
        yield fake


# ---- Documents ----

def service_account(**more):
    return {"type": "service_account", "project_id": "p", "private_key_id": "kid1", "client_id": "1",
            "private_key": (keys() / "sa.pem").read_text(), "client_email": ACCOUNT,
            "token_uri": "https://oauth2.googleapis.com/token", **more}


def user(**more):
    return {"type": "authorized_user", "client_id": "client", "client_secret": KEY, "refresh_token": "test-refresh-token",
            **more}


def external(source, **more):
    return {"type": "external_account", "audience": POOL, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token", "credential_source": source, **more}


def impersonated(source, **more):
    return {"type": "impersonated_service_account", "service_account_impersonation_url": IAM,
            "source_credentials": source, **more}


def saved(document, name="credentials.json"):
    path = scratch() / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def subject_file(text=SUBJECT, name="subject"):
    return str(saved(text, name))


# ---- The two clients ----

def vendor(fake, key=None, **environment):
    node, modules = node_modules()
    case = json.dumps({"scope": SCOPE, "url": API, "key": key and str(key)})
    settings = {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_TLS_PORT": fake and fake.port(),
                "NODE_EXTRA_CA_CERTS": keys() / "tls.crt", **environment}
    finished = run([node, harness.SOURCE / "tests/e2e/google_client.mjs", modules, case],
                   environment=clean_environment(**settings))
    check(finished.status == 0, f"the vendor's client: {finished!r}")
    return json.loads(finished.out)


def ours(*options, source="google-adc", fake=None, scope=SCOPE, **environment):
    way = ["--ca", keys() / "tls.crt", "--proxy", fake.proxy] if fake else []
    finished = run([FETCH, source, scope, *way, "--authorize", API, *options],
                   environment=clean_environment(**environment))
    check(finished.status == 0, f"{source}: {finished!r}")
    lines = [json.loads(line) for line in finished.out.splitlines()]
    for line in lines:
        shown = json.dumps({**line, "secret": "", "headers": {}}) + finished.err
        for secret in (TOKEN, OTHER_TOKEN, KEY, SUBJECT, "test-refresh-token", "BEGIN PRIVATE"):
            lacks(shown, secret, "what may be shown")
    return lines[-1]


def refused(code, *parts, options=(), **more):
    """What ours says of a failure: the code, and parts of the message and the remedy."""
    got = ours(*options, **more)
    equal(got["code"], code, f"the outcome {got}")
    for part in parts:
        contains((got["message"] + " | " + got["remedy"]).lower(), part.lower(), "what is said")
    check(got["remedy"], f"there is a remedy: {got}")
    return got


# ---- Comparing ----

def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token):
    """Of a signed token whose signature is right, with times that fit."""
    folder = scratch()
    head, claims, signature = token.split(".")
    (folder / "signed").write_text(f"{head}.{claims}")
    (folder / "signature").write_bytes(decoded(signature))
    out = harness.must(["openssl", "dgst", "-sha256", "-verify", keys() / "sa.pub", "-signature", folder / "signature",
                        folder / "signed"])
    contains(out, "Verified OK", "the signature")
    values = json.loads(decoded(claims))
    equal(values["exp"] - values["iat"], 3600, "the life of the token")
    check(abs(values.pop("iat") - time.time()) < 60, "it is of now")
    del values["exp"]
    return json.loads(decoded(head)), values


def seen(request):
    """What counts of a request: where it goes, who asks, and what for."""
    method, path, headers, body = request
    names = {name.lower(): value for name, value in headers.items()}
    content = body.decode()
    if names.get("content-type", "").startswith("application/json"):
        content = json.loads(content)
    elif content:
        contains(names["content-type"], "application/x-www-form-urlencoded", "the type of the body")
        content = dict(urllib.parse.parse_qsl(content, strict_parsing=True))
        if "assertion" in content:
            head, content["assertion"] = claims_of(content["assertion"])
            equal(head["alg"], "RS256", "the algorithm")
    kept = {name: names[name] for name in ("host", "authorization", "x-goog-user-project", "metadata-flavor", "x-h")
            if name in names}
    return method, path, kept, content


def ways_of(document):
    """What a document stands for among the ways to an identity."""
    kind = document["type"]
    if kind != "external_account":
        return {kind}
    impersonates = {f"{kind} that impersonates"} if "service_account_impersonation_url" in document else set()
    return {f"{kind} with {name}" for name in document["credential_source"]} | impersonates


def same_exchange(fake, document, **environment):
    """Both clients with one document of credentials: the same requests, and the same headers in the end."""
    path = saved(document)
    theirs = vendor(fake, GOOGLE_APPLICATION_CREDENTIALS=path, **environment)
    check("headers" in theirs, f"what the vendor's client got: {theirs}")
    their_requests = [seen(request) for request in fake.take()]
    mine = ours(fake=fake, GOOGLE_APPLICATION_CREDENTIALS=path, **environment)
    equal(mine["code"], "ok", f"what ours got: {mine}")
    my_requests = [seen(request) for request in fake.take()]
    equal(my_requests, their_requests, "the requests")
    compared = {name: theirs["headers"][name] for name in ("authorization", "x-goog-user-project")
                if name in theirs["headers"]}
    equal({name.lower(): value for name, value in mine["headers"].items()}, compared, "the headers of a call")
    JUDGED.update(ways_of(document))
    return my_requests, mine


# ---- The same as the vendor ----

def test_service_account():
    """a service account: a signed assertion, the vendor's exchange"""
    with google() as fake:
        requests, got = same_exchange(fake, service_account())
        equal(len(requests), 1, "requests")
        equal(requests[0][3]["assertion"], {"iss": ACCOUNT, "scope": SCOPE, "aud": "https://oauth2.googleapis.com/token"},
              "the claims")
        check(3500000 < got["expires_wall_ms"] - time.time() * 1000 <= 3600000, "it expires in an hour")
        contains(got["description"], ACCOUNT, "the description")


def test_service_account_self_signed():
    """a service account whose token it signs itself: the vendor's claims, and nobody is asked"""
    path = saved(service_account())
    theirs = vendor(None, key=path)
    mine = ours("--field", "self_signed_jwt=true", GOOGLE_APPLICATION_CREDENTIALS=path)
    equal(mine["code"], "ok", f"{mine}")
    their_head, their_claims = claims_of(theirs["headers"]["authorization"].removeprefix("Bearer "))
    my_head, my_claims = claims_of(mine["headers"]["Authorization"].removeprefix("Bearer "))
    equal(my_claims, their_claims, "the claims")
    equal((my_head["kid"], my_head["alg"]), (their_head["kid"], their_head["alg"]), "the header")
    JUDGED.add("service_account that signs its token")


def test_service_account_of_another_universe():
    """a service account of another universe signs its token itself: there is no token endpoint for it"""
    mine = ours(GOOGLE_APPLICATION_CREDENTIALS=saved(service_account(universe_domain="sovereign.example")))
    equal(mine["code"], "ok", f"{mine}")
    equal(claims_of(mine["secret"])[1], {"iss": ACCOUNT, "sub": ACCOUNT, "scope": SCOPE}, "the claims")
    for length in (60, 61):
        mine = ours(GOOGLE_APPLICATION_CREDENTIALS=saved(service_account(universe_domain="sovereign.example",
                                                                         client_email="x" * length + "ä" * 100)))
        lacks(mine["description"], "\ufffd", "a name that is cut")


def test_authorized_user():
    """a person's login: the vendor's exchange, and the project that pays"""
    with google() as fake:
        requests, got = same_exchange(fake, user(quota_project_id="payer"))
        equal(requests[0][3]["grant_type"], "refresh_token", "the grant")
        equal(got["headers"]["x-goog-user-project"], "payer", "who pays")


def test_quota_project_of_the_environment():
    """GOOGLE_CLOUD_QUOTA_PROJECT wins over the document, and the provider's field over both"""
    with google() as fake:
        _, got = same_exchange(fake, user(quota_project_id="payer"), GOOGLE_CLOUD_QUOTA_PROJECT="other")
        equal(got["headers"]["x-goog-user-project"], "other", "who pays")
        got = ours("--field", "quota_project=third", fake=fake, GOOGLE_CLOUD_QUOTA_PROJECT="other",
                   GOOGLE_APPLICATION_CREDENTIALS=saved(user(quota_project_id="payer")))
        equal(got["headers"]["x-goog-user-project"], "third", "who pays")


def test_quota_projects_of_nested_documents():
    """who pays where one identity acts as another: the vendor's headers"""
    cases = [(impersonated(user(quota_project_id="payer")), {"GOOGLE_CLOUD_QUOTA_PROJECT": "other"}),
             (impersonated(user(quota_project_id="payer"), quota_project_id="outer"), {}),
             (impersonated(service_account(), quota_project_id="outer"), {}),
             (external({"file": subject_file()}, quota_project_id="q", service_account_impersonation_url=IAM), {}),
             (service_account(quota_project_id="q"), {})]
    for document, environment in cases:
        with google() as fake:
            same_exchange(fake, document, **environment)


def test_external_account_file():
    """workload identity with a token in a file: the vendor's exchange"""
    with google() as fake:
        requests, _ = same_exchange(fake, external({"file": subject_file()}))
        equal(len(requests), 1, "requests")
        equal(requests[0][3]["subject_token"], SUBJECT, "the subject token")


def test_external_account_json_file_and_client():
    """workload identity with a token in a JSON file and a client of its own: the vendor's exchange"""
    with google() as fake:
        source = {"file": subject_file(json.dumps({"a": 1, "id_token": SUBJECT})),
                  "format": {"type": "json", "subject_token_field_name": "id_token"}}
        requests, _ = same_exchange(fake, external(source, client_id="client", client_secret=KEY))
        equal(requests[0][2]["authorization"], "Basic " + base64.b64encode(f"client:{KEY}".encode()).decode(), "who asks")


def test_external_account_url_and_impersonation():
    """workload identity with a token from an address, acting as a service account: the vendor's exchange"""
    with google() as fake:
        source = {"url": "https://subject.example/subject?a=b", "headers": {"X-H": "1"},
                  "format": {"type": "json", "subject_token_field_name": "id_token"}}
        requests, got = same_exchange(fake, external(source, service_account_impersonation_url=IAM,
                                                     service_account_impersonation={"token_lifetime_seconds": 1800}))
        equal([request[2]["host"] for request in requests],
              ["subject.example", "sts.googleapis.com", "iamcredentials.googleapis.com"], "who is asked")
        equal(requests[2][3], {"scope": [SCOPE], "lifetime": "1800s"}, "what is asked for")
        equal(got["secret"], OTHER_TOKEN, "the token")
        contains(got["description"], ACCOUNT, "the description")


def test_external_account_of_a_workforce():
    """a workforce pool with the project that pays: the vendor's exchange"""
    with google() as fake:
        requests, _ = same_exchange(fake, external(
            {"file": subject_file()}, workforce_pool_user_project="payer",
            audience="//iam.googleapis.com/locations/global/workforcePools/w/providers/k"))
        equal(json.loads(requests[0][3]["options"]), {"userProject": "payer"}, "options")


def signed_by_aws(region, key_id, key, request):
    """What the signature of a request must be (Signature Version 4), made here from its headers."""
    headers = {header["key"]: header["value"] for header in request["headers"]}
    stated = headers.pop("authorization")
    names = stated.split("SignedHeaders=")[1].split(",")[0].split(";")
    canonical = "\n".join(["POST", "/", request["url"].split("?")[1], *(f"{name}:{headers[name]}" for name in names), "",
                           ";".join(names), hashlib.sha256(b"").hexdigest()])
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/sts/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    derived = ("AWS4" + key).encode()
    for part in (*scope.split("/"), text):
        derived = hmac.new(derived, part.encode(), "sha256").digest()
    equal(stated, f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={';'.join(names)}, "
          f"Signature={derived.hex()}", "the signature")
    return names


def test_external_account_on_aws():
    """a workload on AWS: the vendor's request to be sent by Google, signed by AWS's rules, its pool signed as well"""
    key = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEY, "AWS_SESSION_TOKEN": "test-session-token",
           "AWS_REGION": "eu-west-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    address = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    source = {"environment_id": "aws1", "regional_cred_verification_url": address}
    document = external(source, subject_token_type="urn:ietf:params:aws:token-type:aws4_request")
    requests = []
    with google() as fake:
        path = saved(document)
        equal(vendor(fake, GOOGLE_APPLICATION_CREDENTIALS=path, **key)["headers"]["authorization"], f"Bearer {TOKEN}",
              "what the vendor's client got")
        equal(ours(fake=fake, GOOGLE_APPLICATION_CREDENTIALS=path, **key)["secret"], TOKEN, "what ours got")
        for request in fake.take():
            method, target, kept, form = seen(request)
            subject = json.loads(urllib.parse.unquote(form.pop("subject_token")))
            names = signed_by_aws("eu-west-1", "AKIDEXAMPLE", KEY, subject)
            told = [(header["key"], header["value"] if header["key"] not in ("authorization", "x-amz-date") else "")
                    for header in subject["headers"]]
            requests.append((method, target, kept, form, subject["url"], subject["method"], told))
        equal(requests[1], requests[0], "the requests, apart from time and signature")
        JUDGED.update(ways_of(document))
        equal(names, ["host", "x-amz-date", "x-amz-security-token", "x-goog-cloud-target-resource"], "what is signed")
        for bad in ("https://sts.{region}.evil.example" + address[34:], address.replace("GetCallerIdentity", "AssumeRole"),
                    "https://sts.evil.example/amazonaws.com" + address[34:], address + "&a=b",
                    address.replace("https", "http"), address.replace("sts.", "iam.")):
            refused("denied", "regional_cred_verification_url", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(
                external({**source, "regional_cred_verification_url": bad})), **key)
        equal(fake.requests, [], "requests")
        refused("unsupported", "aws1", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(
            external({**source, "environment_id": "aws2"})), **key)


def executable(answer, name="get-token"):
    """A program that writes down what it is told, and answers."""
    path, told = scratch() / name, scratch() / "told"
    path.write_text(f"#!/bin/sh\nenv | grep ^GOOGLE_EXTERNAL | sort >>{told}\nprintf '%s|' \"$@\" >>{told}\n"
                    f"cat <<'END'\n{answer if isinstance(answer, str) else json.dumps(answer)}\nEND\n", encoding="utf-8")
    path.chmod(0o700)
    return path, told


ALLOWED = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


def test_external_account_with_executable():
    """a token that a program prints: it is told what the vendor tells it, the exchange is the vendor's"""
    path, told = executable({"version": 1, "success": True, "token_type": JWT_TYPE, "id_token": SUBJECT,
                             "expiration_time": int(time.time()) + 600})
    source = {"executable": {"command": f"{path} a \"b c\"", "timeout_millis": 20000}}
    with google() as fake:
        requests, _ = same_exchange(fake, external(source, service_account_impersonation_url=IAM), **ALLOWED)
        equal(requests[0][3]["subject_token"], SUBJECT, "the subject token")
        lines = told.read_text(encoding="utf-8").split("a|b c|")
        equal(len(lines), 3, "runs")
        equal(lines[1], lines[0], "what it was told")
        contains(lines[1], f"GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL={ACCOUNT}", "what it was told")
        saved_output = saved({"version": 1, "success": True, "token_type": JWT_TYPE, "id_token": "test-saved-token",
                              "expiration_time": int(time.time()) + 600}, "output")
        document = external({"executable": {**source["executable"], "output_file": str(saved_output)}})
        requests, _ = same_exchange(fake, document, **ALLOWED)
        equal(requests[0][3]["subject_token"], "test-saved-token", "the token that was saved")
        saved({"version": 1, "success": True, "token_type": JWT_TYPE, "id_token": "test-saved-token",
               "expiration_time": int(time.time()) - 600}, "output")
        requests, _ = same_exchange(fake, document, **ALLOWED)
        equal(requests[0][3]["subject_token"], SUBJECT, "the saved token has expired")


def test_executables_that_fail():
    """a program that is not allowed, fails, or prints something else"""
    good = {"version": 1, "success": True, "token_type": JWT_TYPE, "id_token": SUBJECT}
    path, told = executable(good)
    document = saved(external({"executable": {"command": str(path)}}))
    refused("denied", "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1", GOOGLE_APPLICATION_CREDENTIALS=document)
    check(not told.exists(), "it was not run")
    cases = [
        ({"version": 1, "success": False, "code": "401", "message": "please log in"}, "unauthenticated", "please log in"),
        ({**good, "version": 2}, "protocol", "version"), ({"version": 1}, "protocol", "success"),
        ({**good, "id_token": None}, "protocol", "id_token"), ("no json", "protocol", "no JSON object"),
        ({**good, "expiration_time": 1000}, "expired", "expired"),
        ({**good, "token_type": "urn:ietf:params:oauth:token-type:saml2"}, "protocol", "saml_response"),
    ]
    for answer, code, part in cases:
        executable(answer)
        refused(code, part, GOOGLE_APPLICATION_CREDENTIALS=document, **ALLOWED)
    refused("invalid", "timeout_millis", GOOGLE_APPLICATION_CREDENTIALS=saved(
        external({"executable": {"command": str(path), "timeout_millis": 1}}), "other.json"), **ALLOWED)
    refused("not-found", "there is no program", GOOGLE_APPLICATION_CREDENTIALS=saved(
        external({"executable": {"command": str(scratch() / "missing")}}), "other.json"), **ALLOWED)
    path.write_text("#!/bin/sh\necho 'not today' >&2\nexit 3\n", encoding="utf-8")
    refused("unauthenticated", "status 3", "not today", GOOGLE_APPLICATION_CREDENTIALS=document, **ALLOWED)


def test_external_account_authorized_user():
    """a person of a workforce pool: the vendor's exchange"""
    with google() as fake:
        same_exchange(fake, {"type": "external_account_authorized_user", "client_id": "client", "client_secret": KEY,
                             "audience": "//iam.googleapis.com/locations/global/workforcePools/w/providers/k",
                             "refresh_token": "test-refresh-token", "token_url": "https://sts.googleapis.com/v1/oauthtoken",
                             "token_info_url": "https://sts.googleapis.com/v1/introspect"})


def test_impersonated_service_account():
    """a person who acts as a service account by way of delegates: the vendor's exchange"""
    with google() as fake:
        requests, got = same_exchange(fake, impersonated(user(quota_project_id="payer"),
                                                         delegates=["projects/-/serviceAccounts/d@p.example"]))
        equal(requests[1][3]["delegates"], ["projects/-/serviceAccounts/d@p.example"], "delegates")
        equal(requests[1][2]["authorization"], f"Bearer {TOKEN}", "who asks")
        equal(got["secret"], OTHER_TOKEN, "the token")


def test_impersonation_by_a_service_account():
    """a service account that acts as another: the vendor's exchange"""
    with google() as fake:
        requests, _ = same_exchange(fake, impersonated(service_account()))
        equal(len(requests), 2, "requests")


def test_metadata_server():
    """the metadata server: the vendor's request for a token, with the header both ways"""
    with Fake() as fake:
        server = {"GCE_METADATA_HOST": fake.url.removeprefix("http://")}
        theirs = vendor(fake, **server)
        equal(theirs["headers"]["authorization"], f"Bearer {TOKEN}", f"what the vendor's client got: {theirs}")
        their_requests = [seen(request) for request in fake.take() if "/token" in request[1]]
        mine = ours(**server)
        equal(mine["headers"], {"Authorization": f"Bearer {TOKEN}"}, f"what ours got: {mine}")
        my_requests = [seen(request) for request in fake.take() if "/token" in request[1]]
        equal(my_requests, their_requests, "the requests")
        JUDGED.add("metadata server")
        contains(mine["description"], ACCOUNT, "the description")
        check(mine["expires_wall_ms"] > time.time() * 1000, "it expires")


def test_every_way_is_judged():
    """every way to an identity was gone by google-auth-library too, with the same requests"""
    if not JUDGED:
        raise harness.Skip("no other client was asked")
    equal(sorted(WAYS - JUDGED), [], "ways that nobody judged")


# ---- Where credentials come from ----

def test_search_order():
    """the search: the variable, then gcloud's file where CLOUDSDK_CONFIG or HOME says, then the metadata server"""
    with google() as fake, Fake() as server:
        settings = {"GCE_METADATA_HOST": server.url.removeprefix("http://")}
        equal(ours(fake=fake, **settings)["description"].split()[0], "service", "nothing but the metadata server")
        home = scratch() / ".config/gcloud"
        home.mkdir(parents=True)
        (home / "application_default_credentials.json").write_text(json.dumps(user()))
        contains(ours(fake=fake, **settings)["description"], "login of a person", "gcloud's file")
        moved = scratch() / "moved"
        moved.mkdir()
        settings["CLOUDSDK_CONFIG"] = moved
        contains(ours(fake=fake, **settings)["description"], "metadata", "an empty folder of gcloud")
        (moved / "application_default_credentials.json").write_text(json.dumps(impersonated(user())))
        contains(ours(fake=fake, **settings)["description"], "impersonated", "gcloud's file in another folder")
        settings["GOOGLE_APPLICATION_CREDENTIALS"] = saved(service_account())
        contains(ours(fake=fake, **settings)["description"], f"service account {ACCOUNT}", "the variable")
        got = ours("--field", f"credentials_path={saved(user(), 'other.json')}", fake=fake, **settings)
        contains(got["description"], "login of a person", "the field of the provider")


def test_source_that_fails_ends_the_search():
    """a source that is set and fails ends the search: the machine's own account is never used instead"""
    with google(lambda path, number: as_json({"error": "invalid_grant"}, 400)) as fake, Fake() as server:
        settings = {"GCE_METADATA_HOST": server.url.removeprefix("http://"), "fake": fake}
        missing = scratch() / "missing.json"
        refused("not-found", "missing.json", "GOOGLE_APPLICATION_CREDENTIALS",
                GOOGLE_APPLICATION_CREDENTIALS=missing, **settings)
        refused("needs-interaction", "login", GOOGLE_APPLICATION_CREDENTIALS=saved(user()), **settings)
        refused("invalid", "no JSON object", GOOGLE_APPLICATION_CREDENTIALS=saved("nonsense"), **settings)
        home = scratch() / ".config/gcloud"
        home.mkdir(parents=True)
        (home / "application_default_credentials.json").write_text("{}")
        refused("invalid", "type is missing", **settings)
        equal(server.requests, [], "requests to the metadata server")


def test_settings_of_the_provider():
    """the document and the token in the provider's fields"""
    with google() as fake:
        got = ours("--secret", f"service_account_json={json.dumps(service_account())}",
                   source="google-service-account", fake=fake)
        equal(got["headers"]["Authorization"], f"Bearer {TOKEN}", f"{got}")
        got = ours("--secret", f"access_token={KEY}", source="google-access-token", GOOGLE_CLOUD_QUOTA_PROJECT="payer")
        equal(got["headers"], {"Authorization": f"Bearer {KEY}", "x-goog-user-project": "payer"}, f"{got}")
        equal(got["expires_wall_ms"], -1, "nobody knows when it expires")
        for source in ("google-service-account", "google-access-token"):
            equal(ours(source=source)["code"], "not-applicable", f"{source} without settings")


def test_rotated_files_are_followed():
    """a subject token and a document that change are read anew at the next exchange, without a restart"""
    with google() as fake:
        token = pathlib.Path(subject_file())
        path = saved(external({"file": str(token)}))
        with subprocess.Popen([FETCH, "google-adc", SCOPE, "--ca", keys() / "tls.crt", "--proxy", fake.proxy, "--times",
                               "3"], env=clean_environment(GOOGLE_APPLICATION_CREDENTIALS=path), encoding="utf-8",
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            token.write_text(SUBJECT + "-renewed\n", encoding="utf-8")
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            saved(user())
            process.communicate("\n", timeout=harness.GUARD)
        bodies = [seen(request)[3] for request in fake.take()]
        equal([body.get("subject_token") for body in bodies], [SUBJECT, SUBJECT + "-renewed", None],
              "subject tokens, without the line break")
        equal(bodies[2]["grant_type"], "refresh_token", "what the new document is for")


# ---- What goes wrong ----

def test_refusals():
    """each refusal has its own reason and remedy"""
    late = email.utils.formatdate(time.time() + 900, usegmt=True)
    cases = [
        (service_account(), {"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived "
                             "token (60 minutes) and in a reasonable timeframe. Check your iat and exp values"}, 400,
         "unauthenticated", ("clock", " s behind google")),
        (service_account(), {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400,
         "unauthenticated", ("deleted", "create a new key")),
        (service_account(), {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400,
         "unauthenticated", ("does not exist",)),
        (user(), {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, 400,
         "needs-interaction", ("revoked", "gcloud auth application-default login")),
        (user(), {"error": "invalid_grant", "error_description": "reauth related error (invalid_rapt)",
                  "error_subtype": "invalid_rapt"}, 400, "needs-interaction", ("session", "login")),
        (user(), {"error": "invalid_client", "error_description": "The OAuth client was not found."}, 401,
         "unauthenticated", ("client",)),
        (external({"file": "subject"}), {"error": "invalid_target", "error_description": "The target service "
                                         "indicated by the \"audience\" parameters is invalid."}, 400,
         "unauthenticated", ("pool", "audience")),
        (external({"file": "subject"}), {"error": "invalid_grant", "error_description": "ID Token is expired"}, 400,
         "unauthenticated", ("subject token", "expired")),
        (external({"file": "subject"}), {"error": "unauthorized_client", "error_description": "The given credential is "
                                         "rejected by the attribute condition."}, 400, "denied", ("condition",)),
    ]
    for document, body, status, code, parts in cases:
        if "credential_source" in document:
            document["credential_source"]["file"] = subject_file()
        with google(lambda path, number: as_json(body, status, Date=late)) as fake:
            got = refused(code, *parts, fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(document))
            equal((got["http_status"], got["retryable"]), (status, 0), f"{got}")
            again = "clock" in parts
            equal(len(fake.requests), 2 if again else 1, "requests: with another time at most, it is not asked again")


def test_wrong_clock():
    """a service account on a machine whose clock is wrong: the assertion is made again with Google's time"""
    hour = 3600

    def judge(_path, number):
        form = dict(urllib.parse.parse_qsl(fake.requests[number - 1][3].decode()))
        claims = json.loads(decoded(form["assertion"].split(".")[1]))
        issued.append(claims["iat"])
        date = email.utils.formatdate(time.time() + hour, usegmt=True)
        if abs(claims["iat"] - time.time() - hour) > 300:
            return as_json({"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token "
                            "(60 minutes) and in a reasonable timeframe. Check your iat and exp values."}, 400, Date=date)
        return None
    issued = []
    with google(judge) as fake:
        got = ours(fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(service_account()))
    equal((got["code"], got["secret"]), ("ok", TOKEN), f"{got}")
    equal(len(issued), 2, "requests")
    check(abs(issued[1] - issued[0] - hour) < 60, f"times of the assertions: {issued}")


def test_refused_impersonation():
    """impersonation without the right, of no account, with the API off"""
    cases = [({"status": "PERMISSION_DENIED", "message": "Permission 'iam.serviceAccounts.getAccessToken' denied"}, 403,
              "denied", ("serviceAccountTokenCreator", "getAccessToken")),
             ({"status": "NOT_FOUND", "message": "Unknown service account"}, 404, "not-found", ("does not exist",)),
             ({"status": "PERMISSION_DENIED", "message": "IAM Service Account Credentials API has not been used in "
               "project 1 before or it is disabled."}, 403, "denied", ("enable iamcredentials",))]
    for problem, status, code, parts in cases:
        def refusal(path, _number, problem=problem, status=status):
            return as_json({"error": {"code": status, **problem}}, status) if "generate" in path else None
        with google(refusal) as fake:
            refused(code, *parts, fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(impersonated(user())))


def test_busy_endpoint():
    """a token endpoint that is busy is asked again, by status or by its own word"""
    for body, status in (({"error": "internal_failure"}, 400), ({}, 503)):
        with google(lambda path, number, body=body, status=status: as_json(body, status) if number == 1 else None) as fake:
            got = ours(fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(user()))
            equal((got["code"], len(fake.requests)), ("ok", 2), f"{got}")


def test_unreachable_endpoint():
    """a token endpoint that nobody answers at is told apart from a refusal"""
    document = user(token_uri=f"http://{NOWHERE}/token")
    got = refused("unavailable", "127.0.0.1:1", GOOGLE_APPLICATION_CREDENTIALS=saved(document))
    equal(got["retryable"], 1, f"{got}")


def test_hostile_document():
    """a document that sends keys, tokens or a service account's assertion elsewhere is refused; nothing is sent"""
    evil = "https://evil.example/token"
    with google() as fake:
        for document in (service_account(token_uri=evil), user(token_uri=evil),
                         external({"file": subject_file()}, token_url=evil),
                         external({"file": subject_file()}, token_url="https://evil.example/sts.googleapis.com"),
                         external({"file": subject_file()}, token_url="https://xgoogleapis.com/token"),
                         external({"file": subject_file()}, token_url="https://sts.googleapis.com.evil.example/")):
            refused("denied", "not a host of googleapis.com", "token_hosts", fake=fake,
                    GOOGLE_APPLICATION_CREDENTIALS=saved(document))
        for url in ("http://sts.googleapis.com/v1/token", "https://sts.googleapis.com@evil.example/", "file:///etc/x",
                    "https://evil.example\\@sts.googleapis.com/"):
            refused("invalid", "token_url", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(
                external({"file": subject_file()}, token_url=url)))
        equal(fake.requests, [], "requests")
        got = refused("denied", "evil.example", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(impersonated(
            user(), service_account_impersonation_url="https://evil.example/v1:generateAccessToken")))
        check(not any("evil" in str(request) for request in fake.requests), f"{got}")
        for url in ("http://subject.example/subject", "http://169.254.1.1.example/subject", "http://169.254.1.x1/subject"):
            refused("denied", "not https", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(external({"url": url})))
        for hosts in ("tokens.private.example", "a.example, .private.example"):
            got = ours("--field", f"token_hosts={hosts}", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(
                external({"file": subject_file()}, token_url="https://tokens.private.example/token")))
            equal(got["code"], "ok", f"a host that the operator names: {got}")


def test_machine_of_a_card_writer():
    """what files and services of this machine give goes to Google, or where the deployment says: never where a card says"""
    loan, url = external({"file": subject_file()}), "https://tokens.private.example/token"
    evil = ("--written", "token_hosts=tokens.private.example", "--written", "base_url=http://127.0.0.1:1")
    with google() as fake:
        card = lambda document: ("--written-secret", "service_account_json=" + json.dumps(document))
        for document in (external({"file": subject_file()}, token_url=url), impersonated(
                external({"file": subject_file()}, token_url=url)), external({"file": subject_file()},
                                                                             token_url=fake.url + "/token")):
            refused("denied", "lends the identity of this machine", "deployment's own settings", fake=fake,
                    source="google-service-account", options=card(document) + evil[:2])
        refused("denied", "lends the identity of this machine", fake=fake, source="google-service-account",
                options=card(loan) + evil[2:])
        way = ("--written", f"proxy={fake.proxy}", "--written", f"ca_file={keys() / 'tls.crt'}")
        for document in (loan, user(), service_account()):
            refused("denied", "the identity of this machine is not sent through the proxy", "settings store", fake=fake,
                    options=way, GOOGLE_APPLICATION_CREDENTIALS=saved(document))
        refused("denied", "not sent through the proxy", fake=fake, source="google-service-account", options=card(loan) + way)
        refused("denied", "not sent through the proxy", options=way, GCE_METADATA_HOST=NOWHERE)
        equal(fake.requests, [], "requests")
        # A loan to Google, a key of the card's own, and what the deployment itself chose.
        for source, given, environment in (
                ("google-service-account", card(loan), {}),
                ("google-service-account", card(service_account(token_uri=url)) + evil, {}),
                ("google-adc", evil, {"GOOGLE_APPLICATION_CREDENTIALS": saved(external({"file": subject_file()}, token_url=url))}),
                ("google-adc", way[:2], {"GOOGLE_APPLICATION_CREDENTIALS": saved(loan)})):
            got = ours(*given, source=source, fake=fake, **environment)
            equal(got["code"], "ok", f"{got}")


def test_malformed_documents():
    """malformed documents: each says what is wrong with it"""
    whole = service_account()
    text = json.dumps(whole)
    cases = [
        ("", "are empty"), (text[:-10], "not well-formed"), ("[]", "no JSON object"), (text + "x", "not well-formed"),
        (base64.b64encode(text.encode()).decode(), "base64"), (whole["private_key"], "bare private key"),
        (json.dumps({"installed": {"client_id": "x"}}), "OAuth client"), ("{}", "type is missing"),
        (json.dumps({**whole, "type": "gdch_service_account"}), "gdch_service_account"),
        (json.dumps({**whole, "type": "\x1b[31mred"}), "control character"),
        (json.dumps({**whole, "private_key": None}), "private_key is missing"),
        (json.dumps({**whole, "private_key": "abc"}), "no key in PEM"),
        (json.dumps({**whole, "client_email": ""}), "client_email is missing"),
        (json.dumps({**whole, "client_email": "a\r\nb"}), "control character"),
        (json.dumps({**whole, "private_key": whole["private_key"][:200]}), "cannot be used"),
        (json.dumps(user(refresh_token="")), "refresh_token is missing"),
        (json.dumps(external({})), "credential_source is missing"),
        (json.dumps(external({"file": "x", "url": "https://y.example"})), "more than one source"),
        (json.dumps(external({"file": "x", "format": {"type": "json"}})), "subject_token_field_name is missing"),
        (json.dumps(external({"certificate": {"use_default_certificate_config": True}})), "a certificate"),
        (json.dumps(impersonated(impersonated(impersonated(user())))), "nested too deeply"),
        ("{\"a\":\"" + "x" * 70000 + "\"}", "larger than"),
    ]
    for document, part in cases:
        got = ours(GOOGLE_APPLICATION_CREDENTIALS=saved(document))
        check(got["code"] in ("invalid", "unsupported", "limit"), f"{part}: {got}")
        contains(got["message"], part, "what is said")
        check(got["remedy"], f"there is a remedy: {got}")
    got = ours("--secret", "service_account_json=nonsense", source="google-service-account")
    contains(got["message"], "the test", "where it came from")


def test_subject_tokens_that_are_none():
    """a subject token that is missing, empty, or not where the format says"""
    field = {"type": "json", "subject_token_field_name": "id_token"}
    cases = [({"file": str(scratch() / "missing")}, "missing"), ({"file": subject_file(" \n")}, "empty"),
             ({"file": subject_file("a\nb", "lines")}, "byte that no token has"),
             ({"file": subject_file(json.dumps({"id_token": 1}), "number"), "format": field}, "id_token"),
             ({"file": subject_file("no json", "plain"), "format": field}, "no JSON object")]
    for source, part in cases:
        got = ours(GOOGLE_APPLICATION_CREDENTIALS=saved(external(source)))
        contains(got["message"], part, "what is said")
        check(got["remedy"], f"there is a remedy: {got}")
    with google(lambda path, number: as_json({}, 404)) as fake:
        refused("unauthenticated", "credential_source.url", "404", fake=fake, GOOGLE_APPLICATION_CREDENTIALS=saved(
            external({"url": "https://subject.example/subject"})))


# ---- The metadata server ----

def test_metadata_server_that_is_not_ready_at_first():
    """a GKE metadata server that comes up after the pod is waited for"""
    busy = lambda path, number: (503, {"Metadata-Flavor": "Google"}, b"") if number == 1 else None
    with Fake(refusal=busy) as server:
        got = ours(GCE_METADATA_HOST=server.url.removeprefix("http://"))
        equal(got["code"], "ok", f"{got}")
        equal(len([1 for request in server.requests if "/token" in request[1]]), 2, "requests for a token")


def test_metadata_server_that_is_not_googles():
    """an answer without Metadata-Flavor: Google is not believed"""
    with Fake(refusal=lambda path, number: as_json({"access_token": TOKEN, "expires_in": 9})) as server:
        refused("denied", "Google's", GCE_METADATA_HOST=server.url.removeprefix("http://"))


def test_metadata_server_without_account():
    """a pod whose account is bound to nothing, and one that may not act as its account"""
    for status, code, part in ((404, "unauthenticated", "Kubernetes service account"),
                               (403, "denied", "workloadIdentityUser")):
        with Fake(refusal=lambda path, number, status=status: (status, {"Metadata-Flavor": "Google"}, b"no")) as server:
            refused(code, part, GCE_METADATA_HOST=server.url.removeprefix("http://"))


def test_metadata_server_past_the_proxy():
    """the metadata server is asked directly, whatever proxy there is"""
    with Fake() as server:
        got = ours("--proxy", f"http://{NOWHERE}", GCE_METADATA_HOST=server.url.removeprefix("http://"))
        equal(got["code"], "ok", f"{got}")


def test_no_credentials_anywhere():
    """no credentials at all: what was looked for and what to do"""
    for switch in ({"NO_GCE_CHECK": "true"}, {"METADATA_SERVER_DETECTION": "none"}):
        got = refused("not-configured", "GOOGLE_APPLICATION_CREDENTIALS is not set", "metadata server",
                      "gcloud auth application-default login", **switch)
        contains(got["message"], ".config/gcloud/application_default_credentials.json", "the file that was looked for")


def test_metadata_search_is_bounded():
    """a laptop waits seconds at most for a metadata server that is not there, or that never answers"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for address in (f"127.0.0.1:{silent.getsockname()[1]}", NOWHERE):
            finished = run([FETCH, "google-adc", SCOPE, "--seconds", "60", "--times", "3"], text="\n\n",
                           environment=clean_environment(GCE_METADATA_HOST=address,
                                                         METADATA_SERVER_DETECTION="ping-only"))
            lines = [json.loads(line) for line in finished.out.splitlines()]
            # A search without bounds would end with the call's own time.
            equal([line["code"] for line in lines], ["not-configured"] * 3, f"{finished!r}")
            contains(lines[2]["message"], "no metadata server of Google answers", "what is said")


# ---- What an operator sees ----

def checked(fake, **environment):
    """mergeloom check of vertex-ai, whose own settings lead to the fake: exit status, and the check of the credential."""
    settings = {"JCA_VERTEX_PROJECT_ID": "p", "JCA_VERTEX_LOCATION": "us-central1", "JCA_VERTEX_MODEL": "gemini-2.5-pro",
                "JCA_VERTEX_AI_PROXY": fake.proxy, "JCA_VERTEX_AI_CA_FILE": keys() / "tls.crt",
                "METADATA_SERVER_DETECTION": "none", "JCA_WORKER_SCRATCH_PATH": scratch(), **environment}
    finished = harness.mergeloom("check", "vertex-ai", "--no-self-test", "--json",
                                 environment=clean_environment(**settings))
    for secret in (TOKEN, KEY, "test-refresh-token", "BEGIN PRIVATE"):
        lacks(finished.everything(), secret, "what is printed")
    checks = json.loads(finished.out)["providers"][0]["checks"]
    return next(check for check in checks if check["name"] == "credential")


def test_proxy_with_login_and_private_authority():
    """on the way to Google's tokens, a proxy with a login and a private authority have a reason each, and work when they are set"""
    with google() as fake:
        path = saved(service_account())
        harness.must_find_the_way("JCA_VERTEX_AI", keys() / "tls.crt", lead_to=fake.port(), credential=lambda **way: checked(
            fake, GOOGLE_APPLICATION_CREDENTIALS=path, **way))


def test_readiness_with_a_wrong_clock():
    """mergeloom check: a clock that is wrong is a warning when Google's was used instead, and else the reason"""
    def judge(_path, number):
        form = dict(urllib.parse.parse_qsl(fake.requests[number - 1][3].decode()))
        if "assertion" not in form:
            return None
        late = abs(json.loads(decoded(form["assertion"].split(".")[1]))["iat"] - time.time() - 3600) > 300
        return as_json({"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token (60 "
                        "minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."}, 400,
                       Date=email.utils.formatdate(time.time() + 3600, usegmt=True)) if late or forever else None
    with google(judge) as fake:
        for forever, state, reason in ((False, "warn", "s behind it (service account"), (True, "fail", "s behind Google's")):
            got = checked(fake, GOOGLE_APPLICATION_CREDENTIALS=saved(service_account()))
            equal(got["state"], state, f"{got}")
            contains(got["reason"], reason, "the reason")
            contains(got["reason"], "machine", "the reason")
            contains(got["remedy"], "clock", "the remedy")


def test_readiness():
    """mergeloom check: the proxy and authority of the provider lead to Google's tokens too; each failure has its place"""
    with google() as fake:
        got = checked(fake, GOOGLE_APPLICATION_CREDENTIALS=saved(service_account()))
        equal(got["state"], "pass", f"{got}")
        hosts = [seen(request)[2]["host"] for request in fake.take()]
        equal(hosts[:2], ["oauth2.googleapis.com", "us-central1-aiplatform.googleapis.com"], "who was asked")
        got = checked(fake, JCA_VERTEX_AUTH_METHOD="service_account_json",
                      JCA_VERTEX_SERVICE_ACCOUNT_JSON=json.dumps(service_account()))
        equal(got["state"], "pass", f"{got}")
        # Where no setting names the project, it is that of the credentials.
        for document, project in ((service_account(project_id="own-project"), "own-project"),
                                  (user(quota_project_id="paying-project"), "paying-project")):
            fake.take()
            got = checked(fake, JCA_VERTEX_PROJECT_ID=None, GOOGLE_APPLICATION_CREDENTIALS=saved(document))
            equal(got["state"], "pass", f"{got}")
            check(any(f"/projects/{project}/" in request[1] for request in fake.take()), f"{project} is asked for")
        cases = [
            ({}, "no Google credentials"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": scratch() / "missing"}, "missing"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": saved("nonsense", "bad.json")}, "no JSON object"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": saved(user()), "JCA_VERTEX_AI_CA_FILE": None}, "certificate"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": saved(user()), "JCA_VERTEX_AI_PROXY": f"http://{NOWHERE}"}, "proxy"),
            ({"METADATA_SERVER_DETECTION": "assume-present", "GCE_METADATA_HOST": NOWHERE}, "cannot be reached"),
        ]
        for environment, part in cases:
            got = checked(fake, **environment)
            equal(got["state"], "fail", f"{part}: {got}")
            contains(got["reason"], part, "the reason")
            check(got["remedy"], f"there is a remedy: {got}")


if __name__ == "__main__":
    os.umask(0o077)
    harness.main(globals())
