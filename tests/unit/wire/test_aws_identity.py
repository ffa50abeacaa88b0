#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""AWS identities: the same files and variables give us and botocore the same key, by the same requests."""
import datetime
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import harness  # pylint: disable=wrong-import-position
from harness import check, contains, equal, lacks

NOW = int(time.time())
PROGRAM = harness.BUILD / "tests/unit/wire/aws_identity"
ORACLE = harness.SOURCE / "tests/unit/wire/botocore_identity.py"
INVALID, NOT_FOUND, DENIED, UNSUPPORTED, UNAVAILABLE, PROTOCOL = -1, -4, -5, -6, -9, -10
UNAUTHENTICATED, RATE_LIMITED, NOT_CONFIGURED, NEEDS_INTERACTION, EXPIRED = -11, -12, -19, -20, -21


def moment(seconds):
    return datetime.datetime.fromtimestamp(NOW + seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- A server for everything that is asked ----

class Recorder(http.server.ThreadingHTTPServer):
    """Answers as AWS does. A case may replace the answer to an address: (status, body)."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen = []
        self.answers = {}
        self.case_answers = []  # by the number of the case that a request names
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen


STS = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result>
    <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{id}</AccessKeyId>
      <SecretAccessKey>test-secret&#47;of&amp;{id}</SecretAccessKey>
      <SessionToken>test-token-of-{id}</SessionToken>
      <Expiration>{expiration}</Expiration>
    </Credentials>
  </{action}Result>
  <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>
</{action}Response>"""

STS_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
  <RequestId>11111111-2222-3333-4444-555555555555</RequestId>
</ErrorResponse>"""


def sts_error(status, code, message="because"):
    return status, STS_ERROR.format(code=code, message=message)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    def answer(self, original, body):
        url = urllib.parse.urlsplit(original)
        place = f"{self.command} {url.scheme}://{url.netloc}{url.path}"
        answers = self.server.answers
        if self.server.case_answers:
            answers = self.server.case_answers[int(self.headers["X-Case"])]
        for pattern, answer in answers.items():
            if re.fullmatch(pattern, place):
                answer = answer(self) if callable(answer) else answer
                if answer is not None:
                    return answer
        form = dict(urllib.parse.parse_qsl(body))
        if "Action" in form:
            signer = re.search("Credential=([^/]*)/", self.headers.get("Authorization", "="))
            by = signer.group(1) if signer else "token." + form["WebIdentityToken"]
            key = f"{form['RoleArn'].rsplit('/', 1)[-1]}.by.{by}"
            return 200, STS.format(action=form["Action"], id=key, expiration=moment(3600))
        if url.path == "/latest/api/token":
            return 200, "test-imds-token"
        if url.path == "/latest/meta-data/iam/security-credentials/":
            return 200, "node-role"
        if url.path == "/latest/meta-data/iam/security-credentials/node-role":
            return 200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "of.instance",
                                    "SecretAccessKey": "test-secret-i", "Token": "test-token-i",
                                    "Expiration": moment(20000)})
        if url.path in ("/creds", "/v2/credentials/x"):
            return 200, json.dumps({"AccessKeyId": "of.container", "SecretAccessKey": "test-secret-c",
                                    "Token": "test-token-c", "Expiration": moment(3600)})
        if url.path == "/federation/credentials":
            query = dict(urllib.parse.parse_qsl(url.query))
            return 200, json.dumps({"roleCredentials": {
                "accessKeyId": f"sso.{query['role_name']}.{query['account_id']}", "secretAccessKey": "test-secret-s",
                "sessionToken": "test-token-s", "expiration": (NOW + 3600) * 1000}})
        if url.path == "/token":
            return 200, json.dumps({"accessToken": "test-renewed", "expiresIn": 28800, "tokenType": "Bearer",
                                    "refreshToken": "test-refresh-2"})
        return 404, "nothing is here"

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        original = self.headers.get("X-Original-Url", f"http://{self.headers['Host']}{self.path}")
        with self.server.lock:
            self.server.seen.append((self.headers.get("X-Case"), self.command, original, self.headers, body))
        status, text = self.answer(original, body)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do


COMPARED = ("Content-Type", "X-Amz-Security-Token", "x-amz-sso_bearer_token", "x-aws-ec2-metadata-token",
            "x-aws-ec2-metadata-token-ttl-seconds")


def essence(request):
    """What has to be equal in a request of ours and one of botocore's."""
    _, method, original, headers, body = request
    url = urllib.parse.urlsplit(original)
    kept = {name.lower(): headers[name] for name in COMPARED if name in headers}
    if "amazonaws.com/federation" in original:
        kept.pop("content-type", None)
    signed = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]*)/\d{8}/([^,]*), SignedHeaders=([^,]*),",
                      headers.get("Authorization", ""))
    if signed:
        kept["signed"] = signed.groups()
    elif "Authorization" in headers:
        kept["authorization"] = headers["Authorization"]
    if kept.get("content-type", "").startswith("application/x-www-form"):
        said = dict(urllib.parse.parse_qsl(body))
        if re.fullmatch(r"(botocore-session|mergeloom)-\d+", said.get("RoleSessionName", "")):
            said["RoleSessionName"] = "made up"
    else:
        said = json.loads(body) if body else None
    return method, url._replace(query="").geturl(), sorted(urllib.parse.parse_qsl(url.query)), kept, said


# ---- Cases ----

STATIC = "[default]\naws_access_key_id = file.key\naws_secret_access_key = test-secret-f\n"
ROLE = "arn:aws:iam::123456789012:role/team/"
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/jwt", "AWS_ROLE_ARN": ROLE + "irsa"}
ENV = {"AWS_ACCESS_KEY_ID": "env.key", "AWS_SECRET_ACCESS_KEY": "test-secret-e"}
SSO_SESSION = ("[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
               "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n"
               "sso_registration_scopes = sso:account:access\n")
SSO_LEGACY = ("[profile sso]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n"
              "sso_account_id = 123456789012\nsso_role_name = Dev\n")
START_URL = "https://corp.awsapps.com/start"


def sso_cache(name, expires, **more):
    token = {"startUrl": START_URL, "region": "eu-west-1", "accessToken": "test-sso-access",
             "expiresAt": moment(expires), **more}
    return {f".aws/sso/cache/{hashlib.sha1(name.encode()).hexdigest()}.json": json.dumps(token)}


RENEWABLE = {"refreshToken": "test-refresh-1", "clientId": "test-client", "clientSecret": "test-client-secret",
             "registrationExpiresAt": moment(100000)}


def printing(**values):
    return "#!/bin/sh\ncat <<'END'\n" + json.dumps({"Version": 1, **values}) + "\nEND\n"


PROCESS = {"helper.sh": printing(AccessKeyId="of.process", SecretAccessKey="test-secret-p", SessionToken="test-token-p",
                                 Expiration=moment(3000))}


def case(name, key=None, *, code=None, says=None, config="", credentials="", files=None, environment=None, profile=None,
         ours=None, answers=None, method=None):
    """key: the access key id that comes out; code and says: of the error. ours: why botocore does otherwise."""
    return {"name": name, "key": key, "code": code, "says": says, "config": config, "credentials": credentials,
            "files": files or {}, "environment": environment or {}, "profile": profile, "ours": ours,
            "answers": answers or {}, "method": method}


CASES = [
    # Order.
    case("variables come before everything", "env.key", credentials=STATIC, environment={**ENV, **WEB}),
    case("variables come before a profile that is named by a variable", "env.key",
         credentials="[other]\naws_access_key_id = k\naws_secret_access_key = s\n",
         environment={**ENV, "AWS_PROFILE": "other"}),
    case("a profile that is named for the provider comes before variables", "file.key", credentials=STATIC,
         environment=ENV, profile="default"),
    case("a role of the profile comes before web identity", "r.by.file.key", files={"jwt": "test"},
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = base\n",
         credentials=STATIC.replace("default", "base"), environment={**WEB, "AWS_DEFAULT_REGION": "eu-west-1"}),
    case("web identity comes before keys in files", "irsa.by.token.test", files={"jwt": "test"}, credentials=STATIC,
         environment={**WEB, "AWS_DEFAULT_REGION": "eu-central-1"}),
    case("web identity comes before the container", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"}),
    case("SSO comes before keys in the credentials file", "sso.Dev.123456789012", config=SSO_SESSION,
         credentials="[sso]\naws_access_key_id = k\naws_secret_access_key = s\n", files=sso_cache("corp", 7200),
         environment={"AWS_PROFILE": "sso"}),
    case("keys in the credentials file come before a program", "file.key", credentials=STATIC, files=PROCESS,
         config="[default]\ncredential_process = {home}/helper.sh\n"),
    case("a program comes before keys in the config file", "of.process", files=PROCESS,
         config=STATIC + "credential_process = {home}/helper.sh\n"),
    case("keys in the config file come before the container", "file.key", config=STATIC,
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"}),
    case("the container comes before the instance", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"}),
    case("the instance comes last", "of.instance"),
    case("nothing at all", code=NOT_CONFIGURED, says="there are no AWS credentials", environment=OFF),
    case("keys of the credentials file win over those of the config file", "file.key", credentials=STATIC,
         config=STATIC.replace("file.key", "config.key")),
    # Variables.
    case("a session token in a variable", "env.key", environment={**ENV, "AWS_SESSION_TOKEN": "test-token-e"}),
    case("the old name of the session token wins", "env.key",
         environment={**ENV, "AWS_SESSION_TOKEN": "test-token-e", "AWS_SECURITY_TOKEN": "test-token-old"}),
    case("keys in variables with their time", "env.key", environment={**ENV, "AWS_CREDENTIAL_EXPIRATION": moment(5000)}),
    case("half a key in variables", code=NOT_CONFIGURED, says="AWS_SECRET_ACCESS_KEY is not set",
         environment={"AWS_ACCESS_KEY_ID": "env.key"}),
    case("the other half of a key in variables", code=NOT_CONFIGURED, says="AWS_ACCESS_KEY_ID is not set",
         environment={"AWS_SECRET_ACCESS_KEY": "test-secret-e"}, ours="goes on to the node's role"),
    case("empty variables are unset", "file.key", credentials=STATIC,
         environment={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
                      "AWS_WEB_IDENTITY_TOKEN_FILE": ""},
         ours="takes an empty AWS_PROFILE for a name"),
    case("a malformed time of a key in variables", code=INVALID, says="AWS_CREDENTIAL_EXPIRATION",
         environment={**ENV, "AWS_CREDENTIAL_EXPIRATION": "soon"}),
    # Profiles.
    case("a profile by variable", "b.key", environment={"AWS_PROFILE": "b"},
         config="[profile b]\naws_access_key_id = b.key\naws_secret_access_key = s\n"),
    case("a profile by two variables", "b.key", environment={"AWS_DEFAULT_PROFILE": "b", "AWS_PROFILE": "c"},
         credentials="[b]\naws_access_key_id = b.key\naws_secret_access_key = s\n[c]\nregion = eu-west-1\n"),
    case("a profile with a quoted name", "b.key", environment={"AWS_PROFILE": "b c"},
         config="[profile \"b c\"]\naws_access_key_id = b.key\naws_secret_access_key = s\n"),
    case("a profile that does not exist", code=NOT_CONFIGURED, says="profile nobody is neither in",
         credentials=STATIC, environment={"AWS_PROFILE": "nobody"}),
    case("a profile that does not exist, beside variables", code=NOT_CONFIGURED, says="profile nobody is neither in",
         environment={**ENV, "AWS_PROFILE": "nobody"}),
    case("a profile with a region only goes on to the instance", "of.instance", environment={"AWS_PROFILE": "b"},
         config="[profile b]\nregion = eu-west-1\n"),
    case("a profile named for the provider never goes on to the instance", code=NOT_CONFIGURED,
         says="profile b holds no credentials", config="[profile b]\nregion = eu-west-1\n", profile="b",
         ours="goes on to the node's role"),
    case("half a key in a file", code=NOT_CONFIGURED, says="it has no aws_secret_access_key",
         credentials="[default]\naws_access_key_id = k\n"),
    case("a malformed file", code=INVALID, says="line 2", config="[default]\nno equals sign here\n"),
    case("a malformed file, beside variables", code=INVALID, says="line 1", environment=ENV,
         credentials="aws_access_key_id = k\n"),
    case("a file with a section twice", code=INVALID, says="line 4", credentials=STATIC + "[default]\n"),
    case("a profile of aws login", code=UNSUPPORTED, says="aws login",
         config="[default]\nlogin_session = arn:aws:iam::123456789012:user/u\n", ours="needs an extra package"),
    # Roles.
    case("a role with everything", "r.by.file.key", files={},
         config=f"[default]\nregion = us-west-2\nrole_arn = {ROLE}r\nsource_profile = base\nexternal_id = a&b=c d\n"
                "duration_seconds = 1800\nrole_session_name = my-session\n",
         credentials=STATIC.replace("default", "base")),
    case("a role whose source has a session token", "r.by.k",
         config=f"[default]\nregion = eu-west-3\nsts_regional_endpoints = legacy\nrole_arn = {ROLE}r\n"
                "source_profile = base\n",
         credentials="[base]\naws_access_key_id = k\naws_secret_access_key = s\naws_session_token = test-token-k\n",
         environment={"AWS_STS_REGIONAL_ENDPOINTS": None}),
    case("a role of a role of a role", "c.by.b.by.a.by.k",
         config=f"[profile c]\nrole_arn = {ROLE}c\nsource_profile = b\n[profile b]\nrole_arn = {ROLE}b\n"
                f"source_profile = a\n[profile a]\nrole_arn = {ROLE}a\nsource_profile = base\n",
         credentials="[base]\naws_access_key_id = k\naws_secret_access_key = s\n",
         environment={"AWS_PROFILE": "c", "AWS_DEFAULT_REGION": "us-east-1"}),
    case("a role with keys in its own profile", "r.by.file.key",
         config=STATIC + f"role_arn = {ROLE}r\nsource_profile = default\n",
         environment={"AWS_DEFAULT_REGION": "us-east-1"}),
    case("a role with keys of variables", "r.by.env.key", profile="r",
         config=f"[profile r]\nregion = us-east-1\nrole_arn = {ROLE}r\ncredential_source = Environment\n",
         environment=ENV),
    case("a role with keys of the container", "r.by.of.container", profile="r",
         config=f"[profile r]\nregion = us-east-1\nrole_arn = {ROLE}r\ncredential_source = EcsContainer\n",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost/creds"}),
    case("a role with keys of the instance", "r.by.of.instance", profile="r",
         config=f"[profile r]\nregion = us-east-1\nrole_arn = {ROLE}r\ncredential_source = Ec2InstanceMetadata\n"),
    case("a role with keys of a program", "r.by.of.process", files=PROCESS,
         config=f"[default]\nregion = us-east-1\nrole_arn = {ROLE}r\nsource_profile = p\n"
                "[profile p]\ncredential_process = {home}/helper.sh\n"),
    case("a role with keys of SSO", "r.by.sso.Dev.123456789012", files=sso_cache("corp", 7200),
         config=f"[default]\nregion = us-east-1\nrole_arn = {ROLE}r\nsource_profile = sso\n" + SSO_SESSION),
    case("a role with keys of another role by web identity", "r.by.w.by.token.test", files={"jwt": "test"},
         config=f"[default]\nregion = us-east-1\nrole_arn = {ROLE}r\nsource_profile = w\n"
                f"[profile w]\nrole_arn = {ROLE}w\nweb_identity_token_file = {{home}}/jwt\n"),
    case("a role that leads in a circle", code=INVALID, says="leads back",
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = b\n[profile b]\nrole_arn = {ROLE}b\n"
                "source_profile = default\n"),
    case("a role that names itself without keys", code=INVALID, says="leads back",
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = default\n"),
    case("a role without a source", code=INVALID, says="neither source_profile nor",
         config=f"[default]\nrole_arn = {ROLE}r\n"),
    case("a role with two sources", code=INVALID, says="both source_profile and",
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = default\ncredential_source = Environment\n"),
    case("a role with an unknown source", code=INVALID, says="unknown credential_source",
         config=f"[default]\nrole_arn = {ROLE}r\ncredential_source = Magic\n"),
    case("a role whose source does not exist", code=INVALID, says="does not exist: base",
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = base\n"),
    case("a role whose source is empty", code=INVALID, says="without credentials",
         config=f"[default]\nrole_arn = {ROLE}r\nsource_profile = base\n[profile base]\nregion = us-east-1\n"),
    case("a role whose credential_source has nothing", code=NOT_CONFIGURED, says="from Environment",
         config=f"[default]\nrole_arn = {ROLE}r\ncredential_source = Environment\n", profile="default"),
    case("a role that wants a device", code=NEEDS_INTERACTION, says="mfa_serial", credentials=STATIC,
         config=f"[profile r]\nrole_arn = {ROLE}r\nsource_profile = default\nmfa_serial = arn:aws:iam::1:mfa/u\n",
         profile="r", ours="asks at the terminal"),
    case("a malformed duration", code=INVALID, says="duration_seconds", credentials=STATIC, profile="r",
         config=f"[profile r]\nrole_arn = {ROLE}r\nsource_profile = default\nduration_seconds = long\n",
         ours="leaves it out"),
    # Web identity.
    case("web identity with a name of the session", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_ROLE_SESSION_NAME": "pod-1", "AWS_DEFAULT_REGION": "us-east-1"}),
    case("web identity of a profile", "w.by.token.test", files={"jwt": "test"}, profile="w",
         config=f"[profile w]\nregion = us-east-1\nrole_arn = {ROLE}w\nrole_session_name = xy\n"
                "web_identity_token_file = {home}/jwt\n"),
    case("web identity by variables does not count for a profile that is named", "file.key", credentials=STATIC,
         profile="default", environment=WEB, files={"jwt": "test"}),
    case("web identity without a region", "irsa.by.token.test", files={"jwt": "test"}, environment=WEB),
    case("web identity in China", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "cn-north-1"}),
    case("web identity in a government region", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"}),
    case("web identity with approved cryptography", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_USE_FIPS_ENDPOINT": "true"}),
    case("web identity over both protocols of the internet", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_USE_DUALSTACK_ENDPOINT": "true"}),
    case("web identity at the old global address", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}),
    case("web identity at the region's address when nothing is said", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "eu-central-1", "AWS_STS_REGIONAL_ENDPOINTS": None}),
    case("a newer region has no old global address", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "af-south-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}),
    case("web identity at an address of the variables", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1/"}),
    case("web identity at an address for all services", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_ENDPOINT_URL": "http://127.0.0.1:1/"}),
    case("web identity at an address of the profile's services", "irsa.by.token.test", files={"jwt": "test"},
         config="[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = http://127.0.0.1:3/\n"
                "sts =\n  endpoint_url = http://127.0.0.1:2/\n",
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2"}),
    case("configured addresses are ignored when told so", "irsa.by.token.test", files={"jwt": "test"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-west-2", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1/",
                      "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
    case("a token does not go to an address without TLS", code=INVALID, says="is not https", files={"jwt": "test"},
         environment={**WEB, "AWS_ENDPOINT_URL_STS": "http://sts.example/"}, ours="sends it"),
    case("web identity without a role", code=NOT_CONFIGURED, says="no role is named", files={"jwt": "test"},
         environment={"AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/jwt"}),
    case("a token with a line break at its end", "irsa.by.token.test", files={"jwt": "test\n"},
         environment={**WEB, "AWS_DEFAULT_REGION": "us-east-1"}, ours="sends the line break"),
    # SSO.
    case("SSO by a session", "sso.Dev.123456789012", config=SSO_SESSION, files=sso_cache("corp", 7200), profile="sso"),
    case("SSO in the older form", "sso.Dev.123456789012", config=SSO_LEGACY,
         files=sso_cache(START_URL, 7200), profile="sso"),
    case("SSO with a token that is renewed", "sso.Dev.123456789012", config=SSO_SESSION, profile="sso",
         files=sso_cache("corp", 300, **RENEWABLE)),
    case("SSO with a token that has expired and is renewed", "sso.Dev.123456789012", config=SSO_SESSION, profile="sso",
         files=sso_cache("corp", -300, **RENEWABLE)),
    case("SSO whose renewal is refused while the token lives", "sso.Dev.123456789012", config=SSO_SESSION,
         profile="sso", files=sso_cache("corp", 300, **RENEWABLE),
         answers={"POST .*/token": (400, '{"error":"invalid_grant","error_description":"no"}')}),
    case("SSO whose renewal is refused", code=NEEDS_INTERACTION, says="has expired", config=SSO_SESSION, profile="sso",
         files=sso_cache("corp", -300, **RENEWABLE),
         answers={"POST .*/token": (400, '{"error":"invalid_grant","error_description":"no"}')}),
    case("SSO whose registration has expired", code=NEEDS_INTERACTION, says="has expired", config=SSO_SESSION,
         profile="sso", files=sso_cache("corp", -300, **{**RENEWABLE, "registrationExpiresAt": moment(-1)})),
    case("an expired SSO login", code=NEEDS_INTERACTION, says="has expired", config=SSO_LEGACY, profile="sso",
         files=sso_cache(START_URL, -1)),
    case("no SSO login", code=NEEDS_INTERACTION, says="has not been made here", config=SSO_LEGACY, profile="sso"),
    case("an SSO login that is revoked", code=NEEDS_INTERACTION, says="no longer accepted", config=SSO_SESSION,
         profile="sso", files=sso_cache("corp", 7200),
         answers={"GET .*/federation/credentials": (401, '{"message":"Session token not found or invalid"}')}),
    case("a role that SSO denies", code=DENIED, says="SSO gives no credentials for role Dev", config=SSO_SESSION,
         profile="sso", files=sso_cache("corp", 7200),
         answers={"GET .*/federation/credentials": (403, '{"message":"No access"}')}),
    case("SSO without its region", code=NOT_CONFIGURED, says="no sso_region", profile="sso",
         config=SSO_LEGACY.replace("sso_region = us-east-1\n", ""), files=sso_cache(START_URL, 7200)),
    case("SSO with a session that does not exist", code=NOT_CONFIGURED, says="does not exist", profile="sso",
         config=SSO_SESSION.replace("[sso-session corp]", "[sso-session other]")),
    case("SSO whose session says otherwise", code=INVALID, says="differs from", profile="sso",
         config=SSO_SESSION.replace("[profile sso]", "[profile sso]\nsso_region = us-east-1"),
         files=sso_cache("corp", 7200)),
    # Programs.
    case("a program", "of.process", files=PROCESS, config="[default]\ncredential_process = {home}/helper.sh\n"),
    case("a program with words in quotes", "two.words", files={
        "my helper": "#!/bin/sh\n[ \"$#.$1.$2\" = '2.a b.c\"d' ] && printf '{\"Version\":1,\"AccessKeyId\":\"two.words\","
                     "\"SecretAccessKey\":\"s\"}'\n"},
         config="[default]\ncredential_process = \"{home}/my helper\" 'a b' c\\\"d\n"),
    case("a program that is found by its name", "of.process", files={"bin/helper": PROCESS["helper.sh"]},
         config="[default]\ncredential_process = helper\n", environment={"PATH": "{home}/bin:/usr/bin:/bin"}),
    case("a program without a time", "k", config="[default]\ncredential_process = {home}/helper.sh\n",
         files={"helper.sh": printing(AccessKeyId="k", SecretAccessKey="s")}),
    case("a program that says null for what there is not", "k",
         config="[default]\ncredential_process = {home}/helper.sh\n",
         files={"helper.sh": printing(AccessKeyId="k", SecretAccessKey="s", SessionToken=None, Expiration=None)}),
    case("a program that fails", code=UNAUTHENTICATED, says="status 3: please log in",
         config="[default]\ncredential_process = {home}/helper.sh\n",
         files={"helper.sh": "#!/bin/sh\necho first >&2\necho please log in >&2\nexit 3\n"}),
    case("a program that prints no JSON", code=PROTOCOL, says="printed no JSON",
         config="[default]\ncredential_process = {home}/helper.sh\n", files={"helper.sh": "#!/bin/sh\necho hello\n"}),
    case("a program of another version", code=UNSUPPORTED, says="unknown Version",
         config="[default]\ncredential_process = {home}/helper.sh\n",
         files={"helper.sh": printing(AccessKeyId="k", SecretAccessKey="s", Version=2)}),
    case("a program that forgets the secret", code=PROTOCOL, says="no SecretAccessKey",
         config="[default]\ncredential_process = {home}/helper.sh\n", files={"helper.sh": printing(AccessKeyId="k")}),
    case("a program that is not there", code=NOT_FOUND, says="there is no program nowhere",
         config="[default]\ncredential_process = nowhere\n"),
    case("a program with an open quotation", code=INVALID, says="cannot be cut into words",
         config="[default]\ncredential_process = '/bin/true\n"),
    # Containers.
    case("a container with a token", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.5/creds?a=b",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic test-authorization"}),
    case("a container with a path", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}),
    case("a path wins over an address", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x",
                      "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"}),
    case("EKS Pod Identity", "of.container", files={"token": "test-pod-token"},
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/creds",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN": "unused",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"}),
    case("EKS Pod Identity by IPv6", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]/creds"}),
    case("a container by https", "of.container",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://agent.example/creds"}),
    case("a container at a foreign host", code=DENIED, says="names the host 192.0.2.1",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/creds"}),
    case("a container at a name", code=DENIED, says="names the host agent.example",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://agent.example/creds"}),
    case("a path that would change the host", code=INVALID, says="no path",
         environment={"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ".example/creds"}, ours="asks that host"),
    case("a token of two lines", code=INVALID, says="line break",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\nX: b"}),
    case("a container that is denied", code=DENIED, says="HTTP 403", ours="asks three times",
         environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"},
         answers={"GET .*/creds": (403, '{"message":"no association"}')}),
    # Instances.
    case("an instance without a role", code=NOT_CONFIGURED, says="has no role",
         answers={"GET .*/security-credentials/": (404, "")}),
    case("an instance whose role cannot be assumed", code=DENIED, says="AssumeRoleUnauthorizedAccess",
         answers={"GET .*/node-role": (200, '{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot"}')}),
    case("an instance by IPv6", "of.instance", environment={"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}),
    case("an instance at another address", "of.instance",
         environment={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:7/x"},
         answers={"PUT http://127.0.0.1:7/x/latest/api/token": (200, "test-imds-token"),
                  "GET http://127.0.0.1:7/x/latest/meta-data/iam/security-credentials/": (200, "r"),
                  "GET http://127.0.0.1:7/x/latest/meta-data/iam/security-credentials/r": (200, json.dumps(
                      {"AccessKeyId": "of.instance", "SecretAccessKey": "test-secret-i", "Token": "test-token-i",
                       "Expiration": moment(20000)}))}),
    case("the metadata service at a foreign host", code=DENIED, says="no loopback or link-local",
         environment={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://192.0.2.1/"}, ours="asks there"),
    case("an instance with the first version only", code=NOT_CONFIGURED, says="gives no token", ours="goes back to it",
         answers={"PUT .*/latest/api/token": (403, "")}),
    # A configured source that fails stops the chain.
    case("a denied role stops the chain", code=DENIED, says="AccessDenied: because", credentials=STATIC,
         files={"jwt": "test"}, environment=WEB, answers={"POST https://sts.*": sts_error(403, "AccessDenied")}),
    case("a missing token file stops the chain", code=NOT_FOUND, says="AWS_WEB_IDENTITY_TOKEN_FILE", credentials=STATIC,
         environment=WEB),
    case("an empty token file stops the chain", code=INVALID, says="is empty", credentials=STATIC, environment=WEB,
         files={"jwt": "\n"}, ours="sends the empty token"),
    case("a token that has expired", code=EXPIRED, says="ExpiredTokenException", files={"jwt": "test"}, environment=WEB,
         answers={"POST https://sts.*": sts_error(400, "ExpiredTokenException")}),
    case("a token that nobody knows", code=UNAUTHENTICATED, says="InvalidIdentityToken", files={"jwt": "test"},
         environment=WEB, answers={"POST https://sts.*": sts_error(400, "InvalidIdentityToken", "No OpenIDConnect")}),
    case("a wrong clock", code=UNAUTHENTICATED, says="the clock of this machine is wrong", credentials=STATIC,
         config=f"[profile r]\nrole_arn = {ROLE}r\nsource_profile = default\n", profile="r",
         answers={"POST https://sts.*": sts_error(403, "SignatureDoesNotMatch", "Signature expired: 2020 is now earlier")}),
    case("a wrong secret", code=UNAUTHENTICATED, says="SignatureDoesNotMatch", credentials=STATIC, profile="r",
         config=f"[profile r]\nrole_arn = {ROLE}r\nsource_profile = default\n",
         answers={"POST https://sts.*": sts_error(403, "SignatureDoesNotMatch", "The request signature we calculated")}),
    case("a disabled region", code=NOT_CONFIGURED, says="RegionDisabledException", files={"jwt": "test"}, environment=WEB,
         answers={"POST https://sts.*": sts_error(403, "RegionDisabledException")}),
    case("an answer that is no XML", code=PROTOCOL, says="no XML", files={"jwt": "test"}, environment=WEB,
         answers={"POST https://sts.*": (200, "<html><body>Welcome")}),
    case("an answer without a key", code=PROTOCOL, says="not whole", files={"jwt": "test"}, environment=WEB,
         answers={"POST https://sts.*": (200, "<AssumeRoleResponse/>")}),
]


# Cases that the botocore of Debian 12, 1.29, cannot judge: the version that can, and what the older one does. The AWS SDK
# for JavaScript is asked all of them.
NEWER = {
    "a role with keys of SSO": ((1, 31), "fails with an AttributeError"),
    "web identity at the region's address when nothing is said": ((1, 40), "goes to the old global address"),
    "web identity at an address of the variables": ((1, 31), "knows no AWS_ENDPOINT_URL_STS"),
    "web identity at an address for all services": ((1, 31), "knows no AWS_ENDPOINT_URL"),
    "web identity at an address of the profile's services": ((1, 31), "knows no services sections"),
    "configured addresses are ignored when told so": ((1, 31), "knows no such addresses, and has nothing to ignore"),
    "an expired SSO login": ((1, 31), "sends the expired token all the same"),
    "a container with a token": ((1, 33), "allows no loopback address but 127.0.0.1"),
    "EKS Pod Identity": ((1, 33), "allows no address of EKS"),
    "EKS Pod Identity by IPv6": ((1, 33), "allows no address of EKS"),
    "a container by https": ((1, 33), "allows no other host, even by https"),
}

# Every way to an identity, and the cases that stand for it.
WAYS = {
    "variables": ["variables come before everything", "a session token in a variable"],
    "web identity (IRSA)": ["web identity with a name of the session", "web identity of a profile"],
    "role_arn": ["a role with everything", "a role of a role of a role"],
    "source_profile": ["a role whose source has a session token", "a role with keys of a program"],
    "credential_source": ["a role with keys of variables", "a role with keys of the container",
                          "a role with keys of the instance"],
    "SSO cache": ["SSO by a session", "SSO in the older form", "SSO with a token that is renewed"],
    "credential_process": ["a program", "a program with words in quotes"],
    "ECS": ["a container with a path", "a path wins over an address"],
    "EKS Pod Identity": ["EKS Pod Identity", "EKS Pod Identity by IPv6"],
    "IMDSv2": ["the instance comes last", "an instance without a role"],
}

JUDGED = {}  # by the name of the case: those that gave the same


def prepare(number, one):
    """Writes the files of a case; its environment."""
    home = harness.scratch() / f"home-{number}"
    for name, text in {**one["files"], ".aws/config": one["config"], ".aws/credentials": one["credentials"]}.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{home}", str(home)), encoding="utf-8")
        path.chmod(0o755 if text.startswith("#!") else 0o600)
    # Older versions of botocore go to the old global address where nothing is said.
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "AWS_STS_REGIONAL_ENDPOINTS": "regional",
                   **one["environment"]}
    return home, {name: value.replace("{home}", str(home)) for name, value in environment.items() if value is not None}


def run_ours(server, environment, *arguments):
    supervise = os.environ.get("MERGELOOM_SUPERVISE", harness.BUILD / "mergeloom-supervise")
    more = {name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")}
    finished = harness.run([PROGRAM, *arguments], environment={
        **more, **environment, "TEST_SERVER": server.url, "MERGELOOM_SUPERVISE": str(supervise)})
    equal(finished.status, 0, f"exit status of {finished!r}")
    return json.loads(finished.out)


def fetch_ours(server, environment, profile=None):
    if profile is None:
        return run_ours(server, environment, "fetch", "aws-default-chain", "bedrock/unknown")
    return run_ours(server, environment, "fetch", "aws-profile", "bedrock/unknown", f"profile={profile}")


def interpreters():
    """Those that have botocore: Debian's, and that of the one who runs this."""
    found = []
    for candidate in ("/usr/bin/python3", sys.executable):
        if candidate not in found and shutil.which(candidate) and harness.run(
                [candidate, "-c", "import botocore"]).status == 0:
            found.append(candidate)
    if not found and os.environ.get("CI") == "true":
        raise harness.Failure("botocore is missing: ./dev setup installs it")
    return found


def run_oracle(interpreter, cases, server=None):
    environment = harness.clean_environment(TEST_SERVER=server.url if server else "", SCRATCH=harness.scratch())
    finished = harness.run([interpreter, ORACLE], environment=environment, text=json.dumps(cases))
    lines = finished.out.splitlines()
    check(finished.status == 0 and len(lines) == len(cases) + 1, f"the oracle failed: {finished!r}")
    version = tuple(int(part) for part in json.loads(lines[0]).split(".")[:2])
    return version, [json.loads(line) for line in lines[1:]]


def judge(one, got):
    name = one["name"]
    if one["code"] is None:
        equal(got["code"], 0, f"{name}: {got}")
        contains(got["Authorization"], f"Credential={one['key']}/", name)
        check(got["expires"] == -1 or got["expires"] > NOW * 1000, f"{name}: it has expired: {got['expires']}")
        return
    equal(got["code"], one["code"], f"{name}: {got}")
    equal(got["error_code"], one["code"], f"{name}: code in the error")
    contains(got["message"], one["says"], name)
    check(got["remedy"], f"{name}: there is no remedy")
    lacks(got["message"] + got["remedy"], "test-", f"{name}: a secret in the message")


def test_cases():
    """Each case gives the key or the reason that it should"""
    server = Recorder()
    for number, one in enumerate(CASES):
        server.answers = one["answers"]
        judge(one, fetch_ours(server, prepare(number, one)[1], one["profile"]))
    server.shutdown()


def compare(one, ours, our_requests, theirs, their_requests, judge_name):
    name = f"{one['name']} ({judge_name})"
    if one["code"] is None:
        check("error" not in theirs, f"{name}: it gives {theirs}")
        contains(ours["Authorization"], f"Credential={theirs['id']}/", f"{name}: key")
        equal(ours["secret"], theirs["secret"], f"{name}: secret")
        equal(ours.get("X-Amz-Security-Token"), theirs["token"], f"{name}: token")
        if theirs["expires"] >= 0:
            equal(ours["expires"], theirs["expires"], f"{name}: time")
    else:
        check("error" in theirs, f"{name}: it finds a key, {theirs}")
    equal(our_requests, their_requests, f"{name}: requests")


def compare_all(judge_name, chosen, ask, essence_of):
    """Has a vendor's client judge the cases. ask(cases, server) gives its version and what it made of each of them."""
    server = Recorder()
    wanted, homes = [], []
    for number, one in enumerate(chosen):
        home, environment = prepare(number, one)
        homes.append(home)
        wanted.append({"environment": environment, "profile": one["profile"]})
    server.case_answers = [one["answers"] for one in chosen]
    version, theirs = ask(wanted, server)
    their_requests = server.take()
    server.case_answers = []
    problems = []
    for number, one in enumerate(chosen):
        since = NEWER.get(one["name"], ((0, 0), ""))[0]
        if version is not None and version < since:
            continue
        shutil.rmtree(homes[number])
        server.answers = one["answers"]
        ours = fetch_ours(server, prepare(number, one)[1], one["profile"])
        try:
            compare(one, ours, [essence_of(request) for request in server.take()], theirs[number],
                    [essence_of(request) for request in their_requests if request[0] == str(number)], judge_name)
            JUDGED.setdefault(one["name"], []).append(judge_name)
        except harness.Failure as problem:
            problems.append(str(problem))
    server.shutdown()
    check(not problems, "\n".join(problems))


def test_botocore():
    """botocore gives the same keys and makes the same requests"""
    found = interpreters()
    if not found:
        raise harness.Skip("botocore is not installed: ./dev setup installs it")
    chosen = [one for one in CASES if one["ours"] is None]
    for interpreter in found:
        compare_all(f"botocore of {interpreter}", chosen, lambda cases, server, interpreter=interpreter: run_oracle(
            interpreter, [["identity", one] for one in cases], server), essence)


def sdk_essence(request):
    """The SDK says the usual duration, too, names the session in its own way, and signs what it tells of itself."""
    method, url, query, kept, said = essence(request)
    if "content-type" in kept:
        kept["content-type"] = kept["content-type"].split(";")[0]
    if "signed" in kept:
        kept["signed"] = kept["signed"][:2]
    if isinstance(said, dict) and "Action" in said:
        if said.get("DurationSeconds") in ("900", "3600"):
            said.pop("DurationSeconds")
        if said["RoleSessionName"].startswith("aws-sdk-js-"):
            said["RoleSessionName"] = "made up"
    return method, url, query, kept, said


def test_sdk():
    """the AWS SDK for JavaScript gives the same keys and makes the same requests, where Debian's botocore is too old to judge"""
    node, modules = harness.node_modules()

    def ask(cases, server):
        out = harness.must([node, harness.SOURCE / "tests/unit/wire/aws_sdk_identity.mjs", modules], text=json.dumps(cases),
                           environment=harness.clean_environment(TEST_SERVER=server.url))
        return None, [json.loads(line) for line in out.splitlines()]
    compare_all("the AWS SDK for JavaScript", [one for one in CASES if one["name"] in NEWER], ask, sdk_essence)


def test_every_case_is_judged():
    """every case was judged by botocore or the AWS SDK, but for those where ours does otherwise on purpose"""
    if not JUDGED:
        raise harness.Skip("no other client was asked")
    names = {one["name"] for one in CASES}
    equal(sorted(set(NEWER) - names), [], "names in NEWER of no case")
    equal(sorted(one["name"] for one in CASES if one["ours"] is None and one["name"] not in JUDGED), [], "not judged")
    for way, standing in WAYS.items():
        equal([name for name in standing if name not in JUDGED], [], f"cases of {way} that nobody judged")


def find_oracle():
    found = interpreters()
    if not found:
        raise harness.Skip("botocore is not installed: ./dev setup installs it")
    return found[-1]


# ---- Files ----

def random_ini(source):
    """Text that is nearly what such files hold."""
    pieces = ["[default]", "[profile x]", "[profile \"a b\"]", "[DEFAULT]", "[]", "[a]b]", "[broken", "key = value",
              "Key=V", "key : v = w", "k:v", "= v", "key", "  nested = 1", "\tdeeper = 2", "    more", "# comment",
              "  ; comment", "key = # no comment", "empty =", "", "   ", "x = y ; z", "a = \u00e9", "[ s ]", "\x0b", "k ==v"]
    end = source.choice(["\n", "\r\n", "\r"])
    lines = [source.choice(["", "", "", " ", "  ", "\t"]) + source.choice(pieces) for _ in range(source.randint(0, 9))]
    return source.choice(["", "[default]" + end]) + end.join(lines) + source.choice(["", end])


def each(what, texts):
    out = harness.must([PROGRAM, what], text="".join(text.encode().hex() + "\n" for text in texts))
    return [json.loads(line) for line in out.splitlines()]


def test_ini():
    """2,000 random files mean what they mean to botocore"""
    source = random.Random(7)
    texts = [random_ini(source) for _ in range(2000)]
    _, theirs = run_oracle(find_oracle(), [["ini", text.encode().decode("latin-1")] for text in texts])
    for text, expected, got in zip(texts, theirs, each("ini", texts)):
        if "error" in expected:
            equal(got.get("code"), INVALID, f"{text!r}: botocore says {expected}, we {got}")
            contains(got["message"], "line", f"{text!r}")
        else:
            equal(got, expected["value"], f"{text!r}")
    check(sum("error" in one for one in theirs) > 200 and sum("value" in one for one in theirs) > 200, "both kinds")


def test_words():
    """2,000 random command lines are cut as Python's shlex cuts them"""
    source = random.Random(8)
    texts = ["".join(source.choice("ab '\"\\\t=-/\u00e9") for _ in range(source.randint(0, 12))) for _ in range(2000)]
    _, theirs = run_oracle(find_oracle(), [["words", text] for text in texts])
    for text, expected, got in zip(texts, theirs, each("words", texts)):
        if "error" in expected:
            equal(got["code"] if isinstance(got, dict) else got, INVALID, f"{text!r}: {expected}")
        else:
            equal(got, expected["value"], f"{text!r}")


def test_region():
    """the region of variables and files, in order"""
    files = {"config": "[default]\nregion = eu-west-1\n[profile b]\nregion = eu-west-2\n[profile c]\n", "credentials": ""}
    cases = [({}, "eu-west-1"), ({"AWS_PROFILE": "b"}, "eu-west-2"), ({"AWS_PROFILE": "c"}, "-"),
             ({"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"), ({"AWS_DEFAULT_REGION": ""}, "eu-west-1"),
             ({"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-west-2"}, "us-west-2")]
    for number, (environment, expected) in enumerate(cases):
        _, environment = prepare(f"region-{number}", {"files": {}, **files, "environment": environment})
        equal(harness.must([PROGRAM, "region"], environment=environment).strip(), expected, str(environment))
    for wrong in ("us-east-1/x", "example.com", "US-EAST-1", "useast1", "us-east-1.evil", "-", "us--east-1"):
        _, environment = prepare("region-x", {"files": {}, **files, "environment": {"AWS_REGION": wrong}})
        got = json.loads(harness.must([PROGRAM, "region"], environment=environment))
        equal(got["code"], INVALID, wrong)
        contains(got["message"], "AWS_REGION", wrong)


# ---- What changes while we run ----

class Watched:
    """Our program, asked again and again."""

    def __init__(self, server, environment, profile=None):
        source = ["aws-default-chain", "bedrock/eu-west-1"] if profile is None else \
            ["aws-profile", "bedrock/eu-west-1", f"profile={profile}"]
        supervise = os.environ.get("MERGELOOM_SUPERVISE", harness.BUILD / "mergeloom-supervise")
        more = {name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")}
        self.process = subprocess.Popen(
            [PROGRAM, "watch", *source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env={**more, **environment, "TEST_SERVER": server.url, "MERGELOOM_SUPERVISE": str(supervise)})
        self.first = True

    def fetch(self):
        if not self.first:
            self.process.stdin.write("again\n")
            self.process.stdin.flush()
        self.first = False
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(harness.GUARD)
        self.process.stdout.close()


def test_rotation():
    """a token file is read for each exchange, keys in files are read again: a change needs no restart"""
    server = Recorder()
    home, environment = prepare("rotation", case("", files={"jwt": "first"}, environment=WEB))
    with Watched(server, environment) as watched:
        contains(watched.fetch()["Authorization"], "irsa.by.token.first/", "the first token")
        (home / "jwt.new").write_text("second")
        (home / "jwt.new").rename(home / "jwt")
        contains(watched.fetch()["Authorization"], "irsa.by.token.second/", "the second token")
        (home / "jwt").unlink()
        equal(watched.fetch()["code"], NOT_FOUND, "no token")
        (home / "jwt").write_text("third")
        contains(watched.fetch()["Authorization"], "irsa.by.token.third/", "the third token")
    home, environment = prepare("keys", case("", credentials=STATIC, environment=OFF))
    with Watched(server, environment) as watched:
        got = watched.fetch()
        contains(got["Authorization"], "file.key/", "the first key")
        check(0 < got["expires"] / 1000 - time.time() < 600, "the host is told to look again")
        (home / ".aws/credentials").write_text(STATIC.replace("file.key", "new.key"))
        contains(watched.fetch()["Authorization"], "new.key/", "the second key")
    environment = {**environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds",
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(home / "agent")}
    (home / ".aws/credentials").write_text("")
    (home / "agent").write_text("one\n")
    with Watched(server, environment) as watched:
        watched.fetch()
        (home / "agent").write_text("two\n")
        watched.fetch()
    equal([request[3]["Authorization"] for request in server.take() if request[2].endswith("/creds")], ["one", "two"],
          "authorization of the container")
    server.shutdown()


def test_sso_cache():
    """a renewed SSO token is stored for other programs, which go on with it"""
    server = Recorder()
    one = case("", config=SSO_SESSION, files=sso_cache("corp", 300, **RENEWABLE))
    home, environment = prepare("sso", one)
    with Watched(server, environment, "sso") as watched:
        equal(watched.fetch()["code"], 0, "with the renewed token")
        equal(watched.fetch()["code"], 0, "with the stored token")
    asked = [request for request in server.take() if request[2].endswith("/token")]
    equal(len(asked), 1, "renewals")
    path = home / next(iter(one["files"]))
    equal(path.stat().st_mode & 0o777, 0o600, "mode of the cache")
    stored = json.loads(path.read_text())
    equal((stored["accessToken"], stored["refreshToken"]), ("test-renewed", "test-refresh-2"), "tokens")
    for interpreter in interpreters():
        _, theirs = run_oracle(interpreter, [["identity", {"environment": environment, "profile": "sso"}]], server)
        equal(theirs[0].get("id"), "sso.Dev.123456789012", f"{interpreter}: {theirs[0]}")
        equal([request[3]["x-amz-sso_bearer_token"] for request in server.take()], ["test-renewed"], interpreter)
    server.shutdown()


# ---- A network that behaves badly ----

def test_silent_metadata():
    """a metadata service that accepts and says nothing costs one short attempt and has its reason"""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    _, environment = prepare("silent", case("", environment={
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/"}))
    got = json.loads(harness.must([PROGRAM, "fetch", "aws-default-chain", "bedrock/us-east-1"], environment=environment))
    silent.setblocking(False)
    connections = 0
    try:
        while True:
            silent.accept()[0].close()
            connections += 1
    except BlockingIOError:
        pass
    silent.close()
    equal(connections, 1, "attempts")
    equal(got["code"], NOT_CONFIGURED, str(got))
    contains(got["message"], "the metadata service of EC2 does not answer", "reason")
    # Nobody listens.
    got = json.loads(harness.must([PROGRAM, "fetch", "aws-default-chain", "bedrock/us-east-1"], environment=environment))
    equal(got["code"], NOT_CONFIGURED, str(got))


def test_trouble():
    """busy services are asked again, with a new signature; redirects are not followed; tokens of the metadata service
    are renewed"""
    server = Recorder()
    attempts = []

    def busy_then_well(*answers):
        left = list(answers)
        return lambda handler: (attempts.append(handler.headers.get("X-Amz-Date")), left.pop(0) if left else None)[1]

    role = case("", credentials=STATIC, config=f"[profile r]\nrole_arn = {ROLE}r\nsource_profile = default\n")
    _, environment = prepare("busy", role)
    server.answers = {"POST https://sts.*": busy_then_well((503, "busy"), sts_error(400, "Throttling"))}
    contains(fetch_ours(server, environment, "r")["Authorization"], "r.by.file.key/", "after two failures")
    equal(len(attempts), 3, "attempts")
    check(attempts[0] != attempts[2], "each attempt is signed anew")
    server.answers = {"POST https://sts.*": (503, "busy")}
    server.take()
    equal(fetch_ours(server, environment, "r")["code"], UNAVAILABLE, "busy for too long")
    equal(len(server.take()), 3, "attempts")
    _, environment = prepare("redirect", case("", environment={
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "test-authorization"}))
    server.answers = {"GET .*/creds": (302, "")}
    equal(fetch_ours(server, environment)["code"], UNAVAILABLE, "a redirect")
    equal(len(server.take()), 1, "requests")
    _, environment = prepare("imds", case(""))
    tokens = []
    server.answers = {"PUT .*/api/token": lambda _: (tokens.append(1), (200, f"token-{len(tokens)}"))[1],
                      "GET .*/security-credentials/": lambda handler: None if
                      handler.headers["x-aws-ec2-metadata-token"] == "token-2" else (401, "")}
    contains(fetch_ours(server, environment)["Authorization"], "of.instance/", "with the second token")
    equal(len(tokens), 2, "tokens")
    # Credentials that the service still gives past their time are in order.
    server.answers = {"GET .*/node-role": (200, json.dumps({
        "Code": "Success", "AccessKeyId": "late", "SecretAccessKey": "s", "Token": "t", "Expiration": moment(-60)}))}
    late = fetch_ours(server, environment)
    check(900 <= late["expires"] / 1000 - time.time() + 30 <= 1800, f"extended: {late}")
    server.shutdown()


if __name__ == "__main__":
    harness.main(globals())
