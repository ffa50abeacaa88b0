#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider claude-code-cli."""
import contextlib
import json
import os
import subprocess

import harness
import program_cases
from harness import check, contains, equal, lacks
from program_cases import *  # pylint: disable=wildcard-import,unused-wildcard-import


def claude():
    return harness.real_program("@anthropic-ai/claude-code-linux-x64/claude",
                                "@anthropic-ai/claude-code-linux-arm64/claude")


program_cases.subject.update(
    id="claude-code-cli", name="claude", program=claude, style="claude", prefix="JCA_CLAUDE_CODE_CLI_", version="2.1.330",
    login="CLAUDE_CONFIG_DIR", login_file=".credentials.json", tokens={"claudeAiOauth": {"accessToken": "x"}},
    model="claude-sonnet-4-6", model_variable="JCA_WORKER_CLAUDE_CODE_MODEL", path="", requests="/v1/messages?beta=true",
    variable="ANTHROPIC_API_KEY", sessions="projects/*/*.jsonl", failing="git rev-parse nothing-like-that",
    shell="Bash", shell_arguments=lambda command: {"command": command, "description": "Run it"},
    simulated_end=lambda result: {"tool_calls": [{"name": "StructuredOutput", "arguments": result}]},
    tools=[("tool", "fail"), ("tool", "pass")],
    home="CLAUDE_CONFIG_DIR", login_names=["JCA_CLAUDE_CODE_CLI_CONFIG_DIR", "CLAUDE_CONFIG_DIR"],
    held_by_the_worker={}, confinement="the worker's sandbox holds claude",
    begin="[{'type': 'system', 'subtype': 'init', 'session_id': 's-1'}]",
    end="[{'type': 'result', 'subtype': 'success', 'is_error': False, 'session_id': 's-1', 'result': RESULT,\n"
        "        'structured_output': json.loads(RESULT), 'total_cost_usd': 0.5,\n"
        "        'usage': {'input_tokens': 10, 'output_tokens': 2}}]")


def test_success_that_is_none():
    """a result that says success and an error is a failure"""
    breaks("events(*BEGIN, {'type': 'result', 'subtype': 'success', 'is_error': True, 'api_error_status': 401,\n"
           "    'result': 'Invalid API key'})\n", "Invalid API key", "mergeloom login claude-code-cli")


def test_interrupted():
    """a program that was interrupted and exits with 0"""
    breaks("events(*BEGIN, {'type': 'result', 'subtype': 'error_during_execution', 'is_error': True, 'result': None})\n",
           "error_during_execution")


def test_check_refuses_root_in_its_own_words():
    """what the program itself says where it refuses to run as root is known, and is a check with what to do"""
    if os.geteuid() != 0:
        words = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"
    else:
        words = subprocess.run([claude(), "-p", "--dangerously-skip-permissions", "x"], stdin=subprocess.DEVNULL, check=False,
                               capture_output=True, encoding="utf-8", env=harness.clean_environment()).stderr.strip()
    fails_check("cli", "--dangerously-skip-permissions", "run the worker as a user of its own", program=fake(f"sys.exit({words!r})\n"))


def test_cost():
    """what the program says the job cost is in the result"""
    finished, _ = run_fake("events(*BEGIN, *END)\n", "--json")
    equal(json.loads(finished.out.splitlines()[-1])["usage"]["cost_estimate"], "0.500000", "cost")


def test_reads_of_the_program_itself():
    """its own tool for files gives the model neither its login nor its environment"""
    login = harness.scratch() / "login"
    login.mkdir()
    (login / ".credentials.json").write_text('{"note": "login-file-content"}', encoding="utf-8")
    repo = harness.repository(harness.FILES)
    (repo / "link").symlink_to(login)

    def call(number, name, **arguments):
        return {"response": {"toolCalls": [{"id": f"call_r{number}", "name": name, "arguments": json.dumps(arguments)}]}}
    plan = [call(1, "Read", file_path=str(login / ".credentials.json")), call(2, "Read", file_path="/proc/self/environ"),
            call(3, "Read", file_path="/etc/shadow"), call(4, "Read", file_path=str(repo / "link/.credentials.json")),
            call(5, "Grep", pattern="content", path=str(login), output_mode="content"),
            call(6, "Grep", pattern="content", path=str(repo / "link"), output_mode="content"),
            call(7, "Grep", pattern="test-key", path="/proc/self/environ", output_mode="content"),
            call(8, "Write", file_path=str(login / "settings.json"), content="{}"),
            call(9, "Write", file_path=str(repo / ".git/hooks/post-commit"), content="x"),
            {"result": {**RESULT, "files_changed": []}}]
    with serve(plan) as server, Recorder(upstream=server.url) as recorder:
        finished = run(recorder.url, repo)
        bodies = b"".join(recorder.bodies("/v1/messages?beta=true")).decode()
    equal(finished.status, 0, f"exit status of {finished!r}")
    contains(bodies, "call_r9", "the attempts")
    lacks(bodies, "login-file-content", "what the model was told")
    lacks(bodies, harness.KEY, "what the model was told")
    lacks(bodies, "root:", "what the model was told")
    check(not (login / "settings.json").exists(), "settings of the program were written")
    check(not (repo / ".git/hooks/post-commit").exists(), "a hook was written")


def test_check_expired_login():
    """a login that has expired and cannot be renewed, or could be only until some time ago"""
    login = harness.scratch() / "login"
    login.mkdir()
    tokens = {"accessToken": "test-token", "expiresAt": 1000, "scopes": ["user:inference"]}
    for more in ({}, {"refreshToken": "test-refresh-token", "refreshTokenExpiresAt": 2000}):
        (login / ".credentials.json").write_text(json.dumps({"claudeAiOauth": {**tokens, **more}}), encoding="utf-8")
        fails_check("login", "mergeloom login claude-code-cli", "expired" if more else "", **setting("API_KEY", None))


@contextlib.contextmanager
def login_service():
    """A proxy behind which the addresses of the vendor's login are ours; gives its URL, the CA's file and what was asked."""
    authority, pair = certificate("platform.claude.com", "api.anthropic.com")
    account = {"uuid": "11111111-1111-4111-8111-111111111111"}
    organization = {"uuid": "22222222-2222-4222-8222-222222222222", "name": "Example"}

    def answer(_method, path, _headers, _body):
        if path == "/v1/oauth/token":
            value = {"token_type": "Bearer", "access_token": "test-access-token", "refresh_token": "test-refresh-token",
                     "expires_in": 28800, "scope": "user:inference user:profile", "organization": organization,
                     "account": {**account, "email_address": "user@example.test"}}
        else:
            value = {"account": {**account, "email": "user@example.test", "full_name": "User"},
                     "organization": {**organization, "organization_type": "claude_pro", "rate_limit_tier": "default"}}
        return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()

    with Recorder(answer=answer, certificate=pair) as service, harness.Proxy(lead_to=service.server.server_address[1]) as proxy:
        yield proxy.url, authority, service


def test_login_completed():
    """a login of the real program, completed: page, code, tokens; the check passes, a job works with it, logging out undoes it"""
    with login_service() as (proxy, authority, service):
        settings = {**setting("API_KEY", None), **setting("CA_FILE", authority), "HTTPS_PROXY": proxy}
        seen, process = log_in(environment("http://127.0.0.1:9", **settings, **setting("BASE_URL", None)),
                               "Open this page:     https://claude.ai/oauth/authorize?", typing(b"code-1#state-1"))
        asked = [(path, body) for _, path, _, body in service.requests]
    equal(process.returncode, 0, seen)
    lacks(seen, "test-access-token", "what is printed")
    contains(json.loads(asked[0][1])["code"], "code-1", f"the code that was typed in, of {asked}")
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
    equal(checks["login"]["state"], "pass", f"login: {checks['login']}")
    repo = harness.repository(harness.FILES)
    with serve(steps()) as server, Recorder(upstream=server.url) as recorder:
        finished = run(recorder.url, repo, **setting("API_KEY", None))
        sent = [headers.get("Authorization") or headers.get("authorization") for _, path, headers, _ in recorder.requests
                if path == subject["requests"]]
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(set(sent), {"Bearer test-access-token"}, "what the service was sent")
    equal(harness.mergeloom("login", "claude-code-cli", "--out", environment=environment(
        "http://127.0.0.1:9", **setting("API_KEY", None))).status, 0, "logging out")
    fails_check("login", "not logged in", **setting("API_KEY", None))


harness.main(globals(), brief=["test_demo", "test_attacks", "test_checks", "test_login_completed"])
