#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole jobs with identities of AWS, and what the check says of those that do not work."""
import datetime
import email.utils
import hashlib
import json
import re
import time
import urllib.parse

import api_cases
import harness
from harness import check, contains, equal, lacks

ROLE = "arn:aws:iam::123456789012:role/coding-worker"
NOWHERE = "http://127.0.0.1:1"
START_URL = "https://corp.awsapps.com/start"


def moment(seconds):
    return datetime.datetime.fromtimestamp(time.time() + seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def role_answer(form, number, life=3600):
    action = form["Action"]
    return 200, {"Content-Type": "text/xml"}, f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <{action}Result><Credentials><AccessKeyId>key-{number}</AccessKeyId>
      <SecretAccessKey>test-secret-{number}</SecretAccessKey><SessionToken>test-token-{number}</SessionToken>
      <Expiration>{moment(life)}</Expiration></Credentials></{action}Result></{action}Response>""".encode()


def refusal(code, message="because", status=403, **headers):
    return status, {"Content-Type": "text/xml", **headers}, f"""<ErrorResponse><Error><Type>Sender</Type>
      <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>""".encode()


class Sts(harness.Recorder):
    """Gives key-1, key-2, ...; or what answer(form) gives."""

    def __init__(self, answer=None, certificate=None):
        self.forms = []
        self.other = answer
        super().__init__(answer=self.reply, certificate=certificate)

    def reply(self, _method, _path, _headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.forms.append(form)
        mine = self.other(form) if self.other else None
        return mine or role_answer(form, len(self.forms))


def settings(url, sts_url=NOWHERE, **more):
    return {"JCA_BEDROCK_ENDPOINT_URL": url, "JCA_BEDROCK_REGION": "us-east-1", "JCA_BEDROCK_MODEL_ID": "sim-1",
            "AWS_ENDPOINT_URL_STS": sts_url, "AWS_EC2_METADATA_DISABLED": "true", "JCA_WORKER_PROVIDER": "aws-bedrock",
            "JCA_OPENAI_COMPATIBLE_BASE_URL": None, "JCA_OPENAI_COMPATIBLE_MODEL": None,
            "JCA_OPENAI_COMPATIBLE_API_KEY": None, **more}


def web_identity(token="test-jwt-1"):
    path = harness.scratch() / "jwt"
    path.write_text(token + "\n", encoding="utf-8")
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ROLE_ARN": ROLE}


def key_of(headers):
    value = {name.lower(): value for name, value in headers.items()}["authorization"]
    return re.search("Credential=([^/]*)/", value).group(1)


def test_role_that_expires_in_the_middle_of_a_job():
    """a role of a service account: when AWS says that its key has expired, another is fetched once, with the token that is
    mounted by then, and the job goes on"""
    environment = web_identity()
    repo = harness.repository(harness.FILES)

    with harness.simulator(harness.job_script(harness.job_steps())) as server, Sts() as sts:
        def expire(method, path, headers, body):
            asked = [request for request in service.requests if request[1] == path]
            if key_of(headers) == "key-1" and len(asked) >= 3:
                environment["AWS_WEB_IDENTITY_TOKEN_FILE"].write_text("test-jwt-2", encoding="utf-8")
                return 403, {"Content-Type": "application/json", "x-amzn-ErrorType": "ExpiredTokenException"}, \
                    b'{"message":"The security token included in the request is expired"}'
            return api_cases.pass_on(server.url + path, method, headers, body)
        with harness.Recorder(answer=expire) as service:
            finished = harness.run_job(service.url, repo, "--no-readiness", **settings(
                service.url, sts.url, **environment, JCA_ANTHROPIC_API_KEY="other-key-not-a-secret"))
            used = [key_of(headers) for _, _, headers, _ in service.requests]
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(used, ["key-1"] * 3 + ["key-2"] * 3, "keys that signed")
    equal([form["WebIdentityToken"] for form in sts.forms], ["test-jwt-1", "test-jwt-2"], "tokens")
    equal({form["RoleArn"] for form in sts.forms}, {ROLE}, "role")
    for text in ("test-jwt", "test-secret", "test-token"):
        lacks(finished.everything(), text, "what is printed")
    for _, _, headers, body in sts.requests + service.requests:
        lacks(str(headers) + body.decode("latin-1"), "other-key", "another vendor's key")


def test_short_lived_role_is_renewed_before_it_ends():
    """a key that lives for minutes serves a whole job; checks and jobs of one process share it"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server, Sts() as sts:
        finished = harness.run_job(server.url, repo, **settings(server.url, sts.url, **web_identity()))
    equal(finished.status, 0, f"exit status of {finished!r}")
    check(len(sts.forms) <= 3, f"{len(sts.forms)} exchanges")


def test_web_identity_is_not_skipped_for_the_role_of_the_node():
    """a role that is denied is the end: neither the container nor the instance is asked for another one"""
    repo = harness.repository(harness.FILES)
    with Sts(lambda _: refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")) as sts, \
            harness.Recorder(answer=lambda *_: (500, {}, b"")) as node:
        finished = harness.run_job(NOWHERE, repo, **settings(
            NOWHERE, sts.url, **web_identity(), AWS_EC2_METADATA_DISABLED=None,
            AWS_EC2_METADATA_SERVICE_ENDPOINT=node.url, AWS_CONTAINER_CREDENTIALS_FULL_URI=node.url + "/creds"))
        equal(node.requests, [], "requests to the node")
    equal(finished.status, 4, f"exit status of {finished!r}")
    contains(finished.everything(), "AccessDenied: Not authorized", "reason")
    contains(finished.everything(), "trust policy", "remedy")
    harness.must_be_untouched(repo)


# ---- Beside the AWS SDK for JavaScript ----

class Services(Sts):
    """STS, a container's agent and a metadata service in one."""

    def reply(self, method, path, headers, body):
        keys = {"AccessKeyId": "key-of-" + path.strip("/").split("/")[0], "SecretAccessKey": "test-secret",
                "Token": "test-token", "Expiration": self.expiration}
        plain = {"/creds": json.dumps(keys), "/latest/api/token": "test-imds-token",
                 "/latest/meta-data/iam/security-credentials/": "node-role",
                 "/latest/meta-data/iam/security-credentials/node-role": json.dumps({**keys, "Code": "Success"})}
        if path in plain:
            return 200, {"Content-Type": "text/plain"}, plain[path].encode()
        return super().reply(method, path, headers, body)

    expiration = moment(7200)


def essence(request):
    """What both have to send. The SDK says the usual duration, too, and each names its session in its own way."""
    method, path, headers, body = request
    kept = {name.lower(): value.split(";")[0] for name, value in headers.items() if name.lower() in (
        "content-type", "x-amz-security-token", "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds")}
    authorization = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
    signed = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]*)/\d{8}/([^,]*),", authorization)
    kept["authorization"] = signed.groups() if signed else authorization
    form = dict(urllib.parse.parse_qsl(body.decode()))
    if form.get("DurationSeconds") in ("900", "3600"):
        form.pop("DurationSeconds")
    if re.fullmatch(r"(aws-sdk-js-session|aws-sdk-js|mergeloom)-\d+", form.get("RoleSessionName", "")):
        form["RoleSessionName"] = "made up"
    if not form:
        kept.pop("content-type", None)
    return method, path, kept, form


def test_sdk():
    """the AWS SDK for JavaScript finds the same keys by the same requests"""
    node, modules = harness.node_modules()
    program = harness.BUILD / "tests/unit/wire/aws_identity"
    folder = harness.scratch() / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile r]\nregion = eu-west-1\nrole_arn = {ROLE}\nsource_profile = base\n"
                                   "external_id = a b&c\nrole_session_name = mine\n", encoding="utf-8")
    (folder / "credentials").write_text("[base]\naws_access_key_id = file.key\naws_secret_access_key = test-secret\n"
                                        "aws_session_token = test-token\n", encoding="utf-8")
    token = harness.scratch() / "jwt"
    token.write_text("test-jwt", encoding="utf-8")
    (harness.scratch() / "agent").write_text("test-agent-token", encoding="utf-8")
    cases = {
        "web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": ROLE, "AWS_ROLE_SESSION_NAME": "pod"},
        "a role of a profile": {"AWS_PROFILE": "r"},
        "a container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/creds",
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": harness.scratch() / "agent"},
        "an instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}"},
    }
    for name, more in cases.items():
        seen = []
        for arguments in ([node, harness.SOURCE / "tests/e2e/aws_identity_client.mjs", modules],
                          [program, "fetch", "aws-default-chain", "bedrock/eu-west-1"]):
            with Services(lambda form: role_answer(form, 1, 3600)) as services:
                environment = {key: str(value).replace("{url}", services.url) for key, value in more.items()}
                got = json.loads(harness.must(arguments, environment=harness.clean_environment(
                    AWS_REGION="eu-west-1", AWS_ENDPOINT_URL_STS=services.url, **environment)))
                seen.append((got, [essence(request) for request in services.requests]))
        (theirs, their_requests), (ours, our_requests) = seen
        check("error" not in theirs, f"{name}: the SDK gives {theirs}")
        equal(ours["code"], 0, f"{name}: {ours}")
        contains(ours["Authorization"], f"Credential={theirs['id']}/", f"{name}: key")
        equal((ours["secret"], ours.get("X-Amz-Security-Token")), (theirs["secret"], theirs["token"]), f"{name}: secrets")
        equal(our_requests, their_requests, f"{name}: requests")


# ---- A clock that is wrong ----

def sent_at(headers):
    """When a request was signed, in seconds since 1970."""
    date = {name.lower(): value for name, value in headers.items()}["x-amz-date"]
    return datetime.datetime.strptime(date + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()


def too_late(headers, ahead):
    """Is a signature minutes from the time of a service whose clock is ahead by so many seconds?"""
    return abs(sent_at(headers) - time.time() - ahead) > 300


def test_wrong_clock():
    """a clock that is an hour wrong: signatures are made again by the service's, once, for a whole job and by the check"""
    hour = 3600
    date = {"Date": email.utils.formatdate(time.time() + hour, usegmt=True)}
    keys = {"AWS_ACCESS_KEY_ID": "test-id", "AWS_SECRET_ACCESS_KEY": harness.KEY}
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        def judge(method, path, headers, body):
            late.append(too_late(headers, hour))
            if late[-1]:
                return 403, {**date, "Content-Type": "application/json", "x-amzn-ErrorType": "InvalidSignatureException"}, \
                    b'{"message":"Signature expired: 20260102T030405Z is now earlier than 20260102T035905Z"}'
            return api_cases.pass_on(server.url + path, method, headers, body)
        late = []
        with harness.Recorder(answer=judge) as service:
            finished = harness.run_job(service.url, repo, "--no-readiness", **settings(service.url, **keys))
            equal(finished.status, 0, f"exit status of {finished!r}")
            equal(harness.hello(repo), "hello, world\n", "hello.txt")
            equal((late[0], sum(late)), (True, 1), "signatures of the wrong time")
            contains(finished.err, "s behind the service's", "the warning")
            late.clear()
            finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", "--json", environment=harness.
                                         clean_environment(**settings(service.url, **keys)))
    got = next(one for one in find_checks(json.loads(finished.out)) if one["name"] == "credential")
    equal(got["state"], "warn", f"{got}")
    contains(got["reason"], "that of this machine is 3", "the reason")
    contains(got["reason"], "s behind it", "the reason")
    contains(got["remedy"], "time server", "the remedy")


def test_wrong_clock_and_sts():
    """STS refuses a signature for its time: the next one is made by the clock of STS"""
    hour = 3600
    folder = harness.scratch() / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile r]\nrole_arn = {ROLE}\nsource_profile = default\n", encoding="utf-8")
    (folder / "credentials").write_text("[default]\naws_access_key_id = file.key\naws_secret_access_key = test-secret\n",
                                        encoding="utf-8")

    class Judge(Sts):
        def reply(self, method, path, headers, body):
            late.append(too_late(headers, -hour))
            if late[-1]:
                return refusal("SignatureDoesNotMatch", "Signature not yet current: 20260102T040405Z is still later than ...",
                               Date=email.utils.formatdate(time.time() - hour, usegmt=True))
            return super().reply(method, path, headers, body)
    late = []
    with harness.simulator(harness.job_script(harness.job_steps())) as server, Judge() as sts:
        finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", environment=harness.clean_environment(
            **settings(server.url, sts.url, AWS_PROFILE="r")))
    equal(late, [True, False], "signatures of the wrong time")
    contains(finished.everything(), f"accepted by the service: {ROLE}", "what is said")


# ---- What the check says ----

def credential_check(name, sts=NOWHERE, config="", credentials="", **more):
    """What fails in the check of aws-bedrock: the credential, or the settings when a file cannot be read."""
    folder = harness.scratch() / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(config, encoding="utf-8")
    (folder / "credentials").write_text(credentials, encoding="utf-8")
    finished = harness.mergeloom("check", "aws-bedrock", "--json", environment=harness.clean_environment(
        **settings(NOWHERE, sts, **more)))
    lacks(finished.everything(), "test-", f"{name}: a secret in what is printed")
    report = json.loads(finished.out)
    failed = [one for one in find_checks(report) if one["state"] == "fail"]
    equal(len(failed), 1, f"{name}: {failed}")
    check(failed[0]["name"] in ("credential", "settings"), f"{name}: {failed}")
    check(failed[0]["remedy"], f"{name}: no remedy: {failed}")
    return failed[0]


def find_checks(value):
    if isinstance(value, dict):
        if "state" in value and "name" in value:
            yield value
        for inner in value.values():
            yield from find_checks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from find_checks(inner)


def test_reasons():
    """each thing that can be wrong has its own reason and remedy"""
    sso = ("[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
           f"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = {START_URL}\n")
    got = credential_check("no login", config=sso, AWS_PROFILE="dev")
    contains(got["reason"], "the SSO login for corp has not been made here", "reason")
    contains(got["remedy"], "aws sso login --profile dev", "remedy")
    cache = harness.scratch() / ".aws/sso/cache"
    cache.mkdir(parents=True)
    (cache / (hashlib.sha1(b"corp").hexdigest() + ".json")).write_text(json.dumps(
        {"accessToken": "test-sso-token", "expiresAt": moment(-60), "startUrl": START_URL, "region": "eu-west-1"}))
    got = credential_check("expired login", config=sso, AWS_PROFILE="dev")
    contains(got["reason"], "has expired", "reason")

    got = credential_check("malformed file", config="[default]\nregion us-east-1\n")
    contains(got["reason"], "/.aws/config, line 2", "reason")
    got = credential_check("no such profile", AWS_PROFILE="nobody")
    contains(got["reason"], "the AWS profile nobody is neither in", "reason")
    got = credential_check("nothing")
    contains(got["reason"], "there are no AWS credentials", "reason")
    contains(got["remedy"], "AWS_PROFILE", "remedy")
    got = credential_check("unreachable metadata", AWS_EC2_METADATA_DISABLED=None,
                           AWS_EC2_METADATA_SERVICE_ENDPOINT=NOWHERE)
    contains(got["reason"], "the metadata service of EC2 does not answer", "reason")

    with Sts(lambda _: refusal("AccessDenied")) as sts:
        got = credential_check("denied role", sts.url, **web_identity())
        contains(got["reason"], f"role {ROLE}", "reason")
        contains(got["remedy"], "trust policy", "remedy")
    role = f"[profile r]\nrole_arn = {ROLE}\nsource_profile = default\n"
    keys = "[default]\naws_access_key_id = file.key\naws_secret_access_key = test-secret\n"
    with Sts(lambda _: refusal("SignatureDoesNotMatch", "Signature expired: 20200101T000000Z is now earlier than ...",
                               Date="Wed, 01 Jan 2020 00:00:00 GMT")) as sts:
        got = credential_check("wrong clock", sts.url, role, keys, AWS_PROFILE="r")
        contains(got["reason"], "the clock of this machine is wrong", "reason")
        contains(got["reason"], "s ahead", "reason")
        contains(got["remedy"], "time server", "remedy")
    got = credential_check("unreachable STS", NOWHERE, **web_identity())
    contains(got["reason"], "127.0.0.1:1", "reason")
    got = credential_check("a device", NOWHERE, role + "mfa_serial = arn:aws:iam::1:mfa/u\n", keys, AWS_PROFILE="r")
    contains(got["reason"], "mfa_serial", "reason")
    got = credential_check("aws login", NOWHERE, "[default]\nlogin_session = x\n")
    contains(got["reason"], "not supported", "reason")
    got = credential_check("a program that fails", NOWHERE, "[default]\ncredential_process = /bin/false\n")
    contains(got["reason"], "/bin/false ended with status 1", "reason")


def test_proxy_with_login_and_private_authority():
    """on the way to STS, a proxy with a login and a private authority have a reason each, and work when they are set"""
    folder = harness.scratch()
    harness.must(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout",
                  folder / "tls.key", "-out", folder / "tls.crt", "-addext", "subjectAltName=DNS:localhost"])

    def credential(**way):
        finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", "--json", environment=harness.
                                     clean_environment(**settings(server.url, sts.url, **web_identity(), **way)))
        lacks(finished.everything(), "test-", "what is printed")
        return next(one for one in find_checks(json.loads(finished.out)) if one["name"] == "credential")
    with harness.simulator(harness.job_script(harness.job_steps())) as server, \
            Sts(certificate=(folder / "tls.crt", folder / "tls.key")) as sts:
        harness.must_find_the_way("JCA_AWS_BEDROCK", folder / "tls.crt", credential)


def test_identity_that_was_used_is_named():
    """the check names the identity that the service accepted"""
    with harness.simulator(harness.job_script(harness.job_steps())) as server, Sts() as sts:
        finished = harness.mergeloom("check", "aws-bedrock", "--no-self-test", environment=harness.clean_environment(
            **settings(server.url, sts.url, **web_identity())))
    contains(finished.everything(), f"accepted by the service: {ROLE} by web identity", "what is said")


if __name__ == "__main__":
    harness.main(globals())
