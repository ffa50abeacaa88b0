#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signature Version 4 against Amazon's published test suite and against botocore."""
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import harness  # pylint: disable=wrong-import-position

DATA = harness.SOURCE / "tests/data/aws-sigv4"
RAW_PATH, BODY_HEADER, UNSIGNED_TOKEN = 1, 2, 4
# The well-known example of Amazon's documentation.
ACCESS = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)
EPOCH = datetime.datetime(1970, 1, 1)


def sign(requests):
    """What our signer answers to each request: a dict of fields, with lists for headers and body."""
    lines = []
    for request in requests:
        for name, value in request.items():
            for one in value if isinstance(value, list) else [value]:
                data = one if isinstance(one, bytes) else str(one).encode()
                lines.append(f"{name} {data.hex()}")
        lines.append("sign")
    process = subprocess.run([harness.BUILD / "tests/unit/wire/sigv4_sign"], input="\n".join(lines) + "\n",
                             capture_output=True, text=True, timeout=harness.GUARD, check=False)
    harness.equal(process.returncode, 0, f"exit status, {process.stderr}")
    answers = process.stdout.splitlines()
    harness.equal(len(answers), len(requests), "number of answers")
    return answers


def milliseconds(moment):
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)


def read_vector(folder):
    """The request of a vector, and the Authorization header it must get."""
    context = json.loads((folder / "context.json").read_text())
    head, _, body = (folder / "request.txt").read_bytes().decode().partition("\n\n")
    lines = []
    for line in head.rstrip("\n").split("\n"):
        if line[:1] in " \t":
            lines[-1] += " " + line
        else:
            lines.append(line)
    method, target = lines[0].removesuffix(" HTTP/1.1").split(" ", 1)
    names, values = [], []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        names.append(name)
        values.append(value)
    keys = context["credentials"]
    options = (0 if context["normalize"] else RAW_PATH) | (BODY_HEADER if context["sign_body"] else 0)
    options |= UNSIGNED_TOKEN if context.get("omit_session_token") else 0
    request = {"access": keys["access_key_id"], "secret": keys["secret_access_key"], "token": keys.get("token", ""),
               "region": context["region"], "service": context["service"], "options": options,
               "time": milliseconds(datetime.datetime.strptime(context["timestamp"], "%Y-%m-%dT%H:%M:%SZ")),
               "method": method, "url": f"https://{values[names.index('Host')]}{target}",
               "header": names, "value": values, "body": [body]}
    signed = (folder / "header-signed-request.txt").read_text()
    expected = [line.split(":", 1)[1] for line in signed.splitlines() if line.startswith("Authorization:")][0]
    return request, expected


def test_vectors():
    """All vectors of the published test suite"""
    folders = sorted(path for path in DATA.iterdir() if path.is_dir())
    harness.equal(len(folders), 38, "number of vectors")
    vectors = [read_vector(folder) for folder in folders]
    for folder, (_, expected), answer in zip(folders, vectors, sign([request for request, _ in vectors])):
        harness.equal(answer, expected, folder.name)


def base_request(**more):
    request = {"access": ACCESS, "secret": SECRET, "region": "us-east-1", "service": "bedrock",
               "time": milliseconds(NOW), "method": "POST", "url": "https://bedrock-runtime.us-east-1.amazonaws.com/",
               "header": ["Content-Type"], "value": ["application/json"]}
    request.update(more)
    return request


def test_model_paths():
    """Model ids with colons and slashes, against signatures that botocore and the JavaScript SDK agree on"""
    body = b'{"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 16}}'
    host = "https://bedrock-runtime.us-east-1.amazonaws.com"
    profile = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123def456"
    cases = [
        ("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", "",
         "84fa76ae5afcd24a61f4bd185f8262cf52b639a7cefd9e2a826841d9fc6c2a0c"),
        ("/model/anthropic.claude-3-haiku-20240307-v1:0/converse", "",
         "1209f2a8e229464e64390c86b317f3a241212315dced62a2137b5f864eee9b79"),
        (f"/model/{profile}/converse-stream", "SESSIONTOKEN",
         "69c9a53a26a325ae86408a654f9d6d44fbb56664cf9e2f4e224df6d4602b209a"),
    ]
    for cut in (0, 1, 50):
        requests = [base_request(url=host + path, token=token, body=[body[:cut], body[cut:]]) for path, token, _ in cases]
        for (path, _, expected), answer in zip(cases, sign(requests)):
            harness.equal(answer.rpartition("Signature=")[2], expected, path)


def test_refusals():
    """What cannot be signed is refused with a reason"""
    requests = [
        base_request(header=["X-Amz-Date"], value=["20260102T030405Z"]),
        base_request(header=["authorization"], value=["Bearer x"]),
        base_request(url="ftp://example.com/"),
        base_request(url="https://user@example.com/"),
        base_request(url="https://"),
        base_request(region=""),
        base_request(region="us-east-1/s3"),
        base_request(secret="k" * 257),
        base_request(access="AKID,EXAMPLE"),
        base_request(token="two words"),
        base_request(header=[f"X-H{i}" for i in range(65)], value=["v"] * 65),
        base_request(url="https://example.com/?" + "&".join(["a=b"] * 257)),
        base_request(time=-1),
    ]
    for request, answer in zip(requests, sign(requests)):
        harness.equal(answer.split(" ")[:2], ["code", "-1"], f"answer to {request}")
        harness.lacks(answer, request["secret"], "the reason")
    harness.contains(sign([base_request(secret="k" * 256, header=[f"X-H{i}" for i in range(64)],
                                        value=["v"] * 64)])[0], "Signature=", "at the limits")


def random_moment(chance):
    """One of a few days, or any second of some centuries."""
    if chance.random() < 0.5:
        return NOW + datetime.timedelta(hours=chance.randrange(72))
    return EPOCH + datetime.timedelta(seconds=chance.randrange(300 * 365 * 86400))


def random_request(chance):
    """A request in the form it is sent in: everything escaped once, upper-case digits."""
    escaped = ["%3A", "%2F", "%20", "%C3%A9", "%25", "%2B", "~", "-", ".", "_", "a", "Z", "0", "model", ":", "@", "$",
               "(", ")", ",", ";", "="]
    plain = [item for item in escaped if item not in (":", "@", "$", "(", ")", ",", ";", "=")]
    segments = ["".join(chance.choices(escaped, k=chance.randint(1, 6))) for _ in range(chance.randint(0, 5))]
    segments += chance.choices(["", ".", "..", "x"], k=chance.randint(0, 3))
    chance.shuffle(segments)
    query = "&".join("".join(chance.choices(plain, k=chance.randint(1, 4))) + chance.choice(["=", "=v", "=%3D", "=1"])
                     for _ in range(chance.randint(0, 6)))
    host = chance.choice(["sts.eu-west-1.amazonaws.com", "127.0.0.1:8443", "Bedrock.example.COM:443", "example.com:80", "example.com"])
    names = chance.sample(["Content-Type", "Accept", "X-Amz-Target", "x-custom", "X-Amz-Meta", "User-Agent", "Expect"],
                          chance.randint(0, 6))
    values = [chance.choice(["a", " a  b ", "text/plain; charset=utf-8", "", "\ttab\t\tbed", "A=b,c"]) for _ in names]
    body = [chance.randbytes(chance.choice([0, 1, 63, 64, 1000])) for _ in range(chance.randint(0, 3))]
    return {"access": chance.choice([ACCESS, "ASIAEXAMPLE"]), "secret": chance.choice([SECRET, "test-key-not-a-secret"]),
            "token": chance.choice(["", "SESSIONTOKEN//+=="]), "region": chance.choice(["us-east-1", "eu-central-1"]),
            "service": chance.choice(["bedrock", "sts", "bedrock-mantle"]), "time": milliseconds(random_moment(chance)),
            "method": chance.choice(["GET", "POST", "PUT"]),
            "url": chance.choice(["http", "https"]) + f"://{host}/" + "/".join(segments) + ("?" + query if query else ""),
            "header": names, "value": values, "body": body}


def botocore_signer():
    try:
        import botocore.auth  # pylint: disable=import-outside-toplevel
        import botocore.awsrequest  # pylint: disable=import-outside-toplevel
        import botocore.credentials  # pylint: disable=import-outside-toplevel
    except ImportError as problem:
        if os.environ.get("CI") == "true":
            raise harness.Failure("botocore is missing: ./dev setup installs it") from problem
        raise harness.Skip("botocore is not installed: ./dev setup installs it") from problem
    moment = [NOW]
    if hasattr(botocore.auth, "get_current_datetime"):
        botocore.auth.get_current_datetime = lambda *_, **__: moment[0]
    else:
        clock = type("Clock", (datetime.datetime,), {"utcnow": classmethod(lambda _: moment[0])})
        botocore.auth.datetime = type("Module", (), {"datetime": clock})

    def answer(request):
        moment[0] = EPOCH + datetime.timedelta(milliseconds=request["time"])
        headers = dict(zip(request["header"], request["value"]))
        made = botocore.awsrequest.AWSRequest(method=request["method"], url=request["url"], headers=headers,
                                              data=b"".join(request["body"]))
        keys = botocore.credentials.Credentials(request["access"], request["secret"], request["token"] or None)
        botocore.auth.SigV4Auth(keys, request["service"], request["region"]).add_auth(made)
        return made.headers["Authorization"]
    return answer


def test_botocore():
    """A thousand random requests get the header that botocore gives them"""
    expected = botocore_signer()
    chance = random.Random(20260102)
    requests = [random_request(chance) for _ in range(1000)]
    for request, answer in zip(requests, sign(requests)):
        harness.equal(answer, expected(request), f"header of {request}")


def test_keys_are_kept_apart():
    """A key that is kept serves its secret, day, region and service only"""
    variants = [base_request(secret=secret, region=region, service=service, time=milliseconds(moment))
                for secret in ("test-key-not-a-secret", "test-key-not-a-secrey", "test-key")
                for region in ("us-east-1", "us-east-2") for service in ("bedrock", "sts")
                for moment in (NOW, NOW + datetime.timedelta(days=1))]
    expected = [sign([variant])[0] for variant in variants]
    harness.equal(len(set(expected)), len(variants), "number of signatures")
    order = list(range(len(variants))) * 4
    random.Random(1).shuffle(order)
    for index, answer in zip(order, sign([variants[index] for index in order])):
        harness.equal(answer, expected[index], f"header of {variants[index]}")


if __name__ == "__main__":
    harness.main(globals())
