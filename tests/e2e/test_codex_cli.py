#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The provider codex-cli."""
import subprocess

import harness
import program_cases
from harness import contains, equal, lacks
from program_cases import *  # pylint: disable=wildcard-import,unused-wildcard-import


def codex():
    return harness.real_program("@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
                                "@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex")


program_cases.subject.update(
    id="codex-cli", name="codex", program=codex, style="codex", prefix="JCA_CODEX_CLI_", version="0.169.0",
    login="JCA_WORKER_CLI_CONFIG_DIR", login_file="auth.json", tokens={"auth_mode": "chatgpt", "tokens": {"id_token": "x"}},
    model="gpt-5.5", model_variable="JCA_CODEX_CLI_MODEL", path="/v1", requests="/responses", variable="CODEX_API_KEY",
    sessions="sessions/**/rollout-*.jsonl", failing="git diff --stat && false",
    tools=[("command", "fail"), ("file", "pass")],
    confinement="codex confines its commands itself",
    begin="[{'type': 'thread.started', 'thread_id': 't-1'}, {'type': 'turn.started'}]",
    end="[{'type': 'item.completed', 'item': {'id': 'i', 'type': 'agent_message', 'text': RESULT}},\n"
        "       {'type': 'turn.completed', 'usage': {'input_tokens': 10, 'output_tokens': 2}}]")


def test_attacks_in_the_workers_sandbox():
    """where the worker confines codex as a whole, files outside are still out of reach"""
    said = attacked(JCA_CODEX_CLI_SANDBOX="worker")
    for name in ("write", "secret file"):
        contains(said, f"held {name}", "attacks")


def test_check_login_by_key():
    """a key that codex itself keeps"""
    login = harness.scratch() / "login"
    login.mkdir()
    key = "test-key-for-the-login-qqzzxx"
    subprocess.run([codex(), "login", "--with-api-key"], input=key, encoding="utf-8", check=True,
                   capture_output=True, env=harness.clean_environment(CODEX_HOME=login, TMPDIR="/var/tmp"))
    checks, finished = checked("http://127.0.0.1:9", "--no-self-test", **setting("API_KEY", None))
    equal(checks["login"]["state"], "pass", "login")
    contains(checks["login"]["reason"], "by an API key", "login")
    lacks(finished.everything(), key[-5:], "what is printed")


def test_check_sandbox():
    """a sandbox of codex that does not hold is said to"""
    program = fake("print('codex-cli 0.169.0' if '--version' in sys.argv else 'inside\\nbroke-network\\ndone')\n")
    fails_check("confinement", "they have the network", "JCA_CODEX_CLI_SANDBOX=worker", program=program)


def test_check_workers_sandbox():
    """the worker's sandbox around codex is told, with what it leaves open"""
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", JCA_CODEX_CLI_SANDBOX="worker")
    equal(checks["confinement"]["state"], "warn", "confinement")
    contains(checks["confinement"]["reason"], "can use the network", "confinement")


def test_errors_that_are_not_the_end():
    """error events and failed attempts before the end are told, and do not end the job"""
    completes("events(*BEGIN, {'type': 'error', 'message': 'Reconnecting... 1/5'}, *END)\n", "Reconnecting... 1/5")


def test_wrapper_of_the_package():
    """the script that npm puts into PATH leads to the real program"""
    folder = codex().parents[5] / ".bin"
    checks, _ = checked("http://127.0.0.1:9", "--no-self-test", program="codex",
                        PATH=f"{folder}:/usr/local/bin:/usr/bin:/bin")
    contains(checks["cli"]["reason"], str(codex()), "the program that was found")


harness.main(globals())
