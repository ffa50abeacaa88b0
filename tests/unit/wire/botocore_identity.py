#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What botocore makes of the same files and variables. Reads cases as JSON, prints one line of JSON for each."""
import json
import os
import pathlib
import shlex
import sys

import botocore
import botocore.configloader
import botocore.credentials
import botocore.httpsession
import botocore.session
import botocore.tokens

REAL_SEND = botocore.httpsession.URLLib3Session.send
ENVIRONMENT = dict(os.environ)
case_number = 0


def send(self, request):
    """Every request goes to the test's server, which is told where it was meant to go."""
    original = request.url
    path = original.split("://", 1)[1]
    path = path[path.index("/"):] if "/" in path else "/"
    request.url = ENVIRONMENT["TEST_SERVER"] + path
    request.headers["X-Original-Url"] = original
    request.headers["X-Case"] = str(case_number)
    return REAL_SEND(self, request)


def identity(case):
    home = pathlib.Path(case["environment"]["HOME"])
    os.environ.clear()
    os.environ.update(case["environment"])
    cache = str(home / ".aws/sso/cache")
    botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR = cache
    botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR = cache
    try:
        credentials = botocore.session.Session(profile=case.get("profile")).get_credentials()
        if credentials is None:
            return {"error": "none", "message": ""}
        frozen = credentials.get_frozen_credentials()
        expiry = getattr(credentials, "_expiry_time", None)
        return {"id": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token,
                "expires": int(expiry.timestamp() * 1000) if expiry else -1, "method": credentials.method}
    except Exception as problem:  # pylint: disable=broad-except
        return {"error": type(problem).__name__, "message": str(problem)}


def ini(text):
    path = pathlib.Path(ENVIRONMENT["SCRATCH"]) / "case.ini"
    path.write_bytes(text.encode("latin-1"))
    try:
        return {"value": botocore.configloader.raw_config_parse(str(path), parse_subsections=False)}
    except Exception as problem:  # pylint: disable=broad-except
        return {"error": type(problem).__name__}


def words(text):
    try:
        return {"value": shlex.split(text)}
    except ValueError as problem:
        return {"error": str(problem)}


def main():
    global case_number
    botocore.httpsession.URLLib3Session.send = send
    print(json.dumps(botocore.__version__))
    for case_number, case in enumerate(json.load(sys.stdin)):
        kind, value = case
        print(json.dumps({"identity": identity, "ini": ini, "words": words}[kind](value)), flush=True)


main()
