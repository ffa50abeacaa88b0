# SPDX-License-Identifier: Apache-2.0
"""The real codex, and a login service for its device flow."""
import base64
import json

import harness
from harness import Recorder


def codex():
    return harness.real_program("@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
                                "@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex")


def token(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.{part('signature')}"


def issuer(polls, **more):
    """A login service that lets a person in at the poll of that number; never when it is 0. more: for the Recorder."""
    asked = []

    def answer(_method, path, _headers, _body):
        def reply(status, value):
            return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
        if path.endswith("/deviceauth/usercode"):
            return reply(200, {"device_auth_id": "device-1", "user_code": "WXYZ-12345", "interval": "1"})
        if path.endswith("/deviceauth/token"):
            asked.append(path)
            done = len(asked) == polls
            return reply(200 if done else 403, {"authorization_code": "code-1", "code_challenge": "x", "code_verifier": "v"})
        if path.endswith("/oauth/token"):
            account = {"chatgpt_plan_type": "pro", "chatgpt_account_id": "account-1", "chatgpt_user_id": "user-1"}
            return reply(200, {"id_token": token(email="user@example.test", exp=4000000000,
                                                 **{"https://api.openai.com/auth": account}),
                               "access_token": token(exp=4000000000), "refresh_token": "refresh-1"})
        return reply(404, {})
    return Recorder(answer=answer, **more)
