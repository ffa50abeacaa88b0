#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Helper programs that print a key: what they may print, what they see, and what becomes of those that misbehave."""
import datetime
import json
import os
import stat
import time

import harness
from harness import BUILD, KEY, Recorder, check, clean_environment, contains, equal, lacks, mergeloom, run

FETCH = BUILD / "tests/e2e/credential_fetch"


def program(text, name="helper", mode=0o755):
    path = harness.scratch() / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)
    return path


def ask(line, *options, **environment):
    finished = run([FETCH, "command", "https://service.example", "--field", f"credential_command={line}", *options],
                   environment=clean_environment(**environment))
    equal(finished.status, 0, f"{line}: {finished!r}")
    return json.loads(finished.out)


def expiry(got):
    return got["expires_wall_ms"] / 1000 - time.time()


def test_raw_output():
    """a key alone, with or without a line break"""
    for text in (f"printf {KEY}", f"echo {KEY}", f"printf ' {KEY}\\r\\n'"):
        got = ask(program(text))
        equal(got.get("secret"), KEY, f"{text}: {got}")
        check(250 < expiry(got) <= 300, f"it is asked for again within five minutes: {expiry(got)}")
    got = ask(program(f"echo {KEY}"), "--field", "credential_command_ttl=3600")
    check(3550 < expiry(got) <= 3600, f"or as the setting says: {expiry(got)}")


def test_json_output():
    """a key in JSON, with the moment at which it expires"""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1000)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    epoch = int(moment.timestamp())
    for value, life in (({"token": KEY}, 300),
                        ({"access_token": KEY, "expires_in": 1000}, 1000),
                        ({"access_token": KEY, "expires_in": "1000"}, 1000),
                        ({"accessToken": KEY, "expiresOn": "2026-01-01 10:00:00.000000", "expires_on": epoch}, 1000),
                        ({"api_key": KEY, "expires_at": stamp, "more": [1, {"token": "another"}]}, 1000),
                        ({"token": KEY, "expiry": stamp}, 1000),
                        ({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                          "status": {"token": KEY, "expirationTimestamp": stamp}}, 1000)):
        (harness.scratch() / "printed").write_text(json.dumps(value, indent=1))
        got = ask(f"/bin/cat {harness.scratch()}/printed")
        equal(got.get("secret"), KEY, f"{value}: {got}")
        check(life - 50 < expiry(got) <= life + 1, f"{value} lives {expiry(got)} s")


def test_output_that_is_no_key():
    """output that is no key is refused without repeating it"""
    for text, reason in (("", "holds no key"), ("echo", "holds no key"), ("echo {}", "holds no key"),
                         (f"echo one-{KEY}; echo two", "more than one line"), (f"echo '{{\"token\": \"{KEY}'", "is none"),
                         (f"echo '{{\"token\": \"{KEY} x\"}}'", "a byte that no key has"),
                         (f"echo '{{\"token\": \"{KEY}\", \"expiry\": \"soon\"}}'", "neither RFC 3339 nor a number"),
                         (f"printf '{KEY}\\0'", "a byte that no key has"),
                         ("head -c 70000 /dev/zero | tr '\\0' a", "more than 65536 bytes")):
        got = ask(program(text))
        contains(got.get("message", ""), reason, text)
        check(got["remedy"], f"{text} has a remedy")
        lacks(json.dumps(got), KEY, text)


def test_helper_that_fails():
    """a helper that fails is quoted with its last line, and without what it printed"""
    got = ask(program("echo first >&2; echo 'log in with: vault login' >&2; exit 7"))
    equal(got["code"], "unauthenticated", f"{got}")
    contains(got["message"], "ended with status 7: log in with: vault login", "the message")
    lacks(got["message"], "first", "the message")
    got = ask(program(f"echo {KEY}; echo 'the key is {KEY}' >&2; exit 1"))
    lacks(json.dumps(got), KEY, "a key that it printed before it failed")
    got = ask(program("kill -9 $$"))
    contains(got["message"], "ended with signal 9", "the message")
    got = ask(program("printf 'bad \\033[31mred\\n' >&2; exit 1"))
    lacks(got["message"], "\033", "an escape sequence")


def test_helper_that_hangs():
    """a helper that waits for something is ended with all that it started"""
    mark = harness.scratch() / "pid"
    got = ask(program(f"sleep 300 & echo $! > {mark}; wait"), "--field", "credential_command_timeout=1")
    equal(got["code"], "unavailable", f"{got}")
    contains(got["message"], "did not end within 1 s", "the message")
    pid = int(mark.read_text())
    end = time.monotonic() + harness.GUARD
    while time.monotonic() < end and os.path.exists(f"/proc/{pid}"):
        if open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.02)
    check(time.monotonic() < end, "the child of the helper is still there")


def test_what_the_helper_sees():
    """a helper sees no keys of the worker, and the variables that it is to be given"""
    path = program("env > \"$HOME/seen\"; pwd >> \"$HOME/seen\"; cat; echo " + KEY)
    secrets = {"JCA_OPENAI_API_KEY": "other-" + KEY, "AWS_SECRET_ACCESS_KEY": "other-" + KEY, "VAULT_ADDR": "https://v"}
    got = ask(path, "--field", "credential_command_variables=VAULT_ADDR, ABSENT", **secrets)
    equal(got.get("secret"), KEY, f"{got}")
    seen = (harness.scratch() / "seen").read_text()
    lacks(seen, "other-" + KEY, "the environment")
    contains(seen, "VAULT_ADDR=https://v", "the environment")
    contains(seen, f"HOME={harness.scratch()}", "the environment")
    equal(seen.splitlines()[-1], str(harness.scratch()), "the folder it runs in")


def test_command_lines():
    """a command line is cut into words as a shell does it, and nothing else of a shell happens"""
    path = program('for i in "$@"; do printf "%s|" "$i"; done')
    got = ask(f"{path} a 'b  c' \"d e\" f\\ g $HOME `id` *")
    contains(got.get("message", ""), "holds a byte", "blanks in the words")
    got = ask(f"{path} a 'b_c' \"d_e\" $HOME `id` * ;")
    equal(got.get("secret"), "a|b_c|d_e|$HOME|`id`|*|;|", f"{got}")
    for line, reason in (("/nonexistent/helper", "there is no program /nonexistent/helper"),
                         ("relative/helper", "there is no program"), ("'/bin/echo x", "cannot be cut into words"),
                         ("''", "there is no program")):
        contains(ask(line)["message"], reason, line)


def test_program_that_others_could_change():
    """a program that others could change is not run"""
    path = program(f"echo {KEY}", mode=0o757)
    got = ask(path)
    equal(got["code"], "denied", f"{got}")
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)
    equal(ask(path).get("secret"), KEY, "once it is trusted")


def test_no_command():
    """without a command the source does not apply"""
    equal(ask("")["code"], "not-applicable", "no command")


def test_job_with_a_helper():
    """requests carry the key that the helper printed; a key that is refused is asked for again, once"""
    count = harness.scratch() / "count"
    path = program(f"echo x >> {count}; echo key-number-$(wc -l < {count})-not-a-secret")
    seen = []

    def answer(_method, _path, headers, _body):
        seen.append(headers.get("Authorization"))
        if seen[-1] != "Bearer key-number-2-not-a-secret":
            return 401, {}, b'{"error":{"message":"expired","code":"invalid_api_key"}}'
        return 200, {"Content-Type": "application/json"}, b'{"object":"list","data":[{"id":"m-1","object":"model"}]}'

    with Recorder(answer=answer) as server:
        finished = mergeloom("check", "openai-compatible", "--json", environment=clean_environment(
            JCA_OPENAI_COMPATIBLE_BASE_URL=server.url + "/v1", JCA_OPENAI_COMPATIBLE_MODEL="m-1",
            JCA_OPENAI_COMPATIBLE_CREDENTIAL_COMMAND=path, JCA_OPENAI_COMPATIBLE_API_KEY="not-this-one"))
    lacks(finished.everything(), "not-a-secret", "what is printed")
    equal(seen[:2], ["Bearer key-number-1-not-a-secret", "Bearer key-number-2-not-a-secret"], f"{finished!r}")
    check(all(value == seen[1] for value in seen[2:]), f"the second key is used on: {seen}")
    equal(len(count.read_text().split()), 2, "runs of the helper")
    contains(finished.out, "credential_command", "where the credential came from")


def test_every_provider_with_a_key():
    """each provider that takes a key takes it from a helper, and sends it as that key is sent"""
    path = program(f"echo {KEY}")
    bearer = ("Authorization", f"Bearer {KEY}")
    for provider, header, environment in (
            ("codex-api", bearer, {"JCA_OPENAI_BASE_URL": "URL/v1"}),
            ("claude-api", ("x-api-key", KEY), {"JCA_ANTHROPIC_BASE_URL": "URL"}),
            ("openai-compatible", bearer, {"JCA_OPENAI_COMPATIBLE_BASE_URL": "URL/v1"}),
            ("azure-foundry", ("api-key", KEY), {"JCA_AZURE_FOUNDRY_ENDPOINT": "URL"}),
            ("azure-foundry", bearer, {"JCA_AZURE_FOUNDRY_ENDPOINT": "URL",
                                       "JCA_AZURE_FOUNDRY_AUTH_METHOD": "bearer_token"}),
            ("aws-bedrock", bearer, {"JCA_BEDROCK_ENDPOINT_URL": "URL", "JCA_BEDROCK_REGION": "us-east-1",
                                     "JCA_BEDROCK_CONTROL_ENDPOINT_URL": "URL"}),
            ("vertex-ai", bearer, {"JCA_VERTEX_BASE_URL": "URL", "JCA_VERTEX_AUTH_METHOD": "access_token",
                                   "JCA_VERTEX_TRUST_ENDPOINT": "true",
                                   "JCA_VERTEX_PROJECT_ID": "p", "JCA_VERTEX_LOCATION": "global"})):
        with Recorder(answer=lambda *_: (200, {"Content-Type": "application/json"}, b"{}")) as server:
            given = {name: value.replace("URL", server.url) for name, value in environment.items()}
            model = next(iter(given)).split("_")[1]
            given[f"JCA_{model}_MODEL" if model not in ("AZURE", "BEDROCK") else
                  {"AZURE": "JCA_AZURE_FOUNDRY_MODEL", "BEDROCK": "JCA_BEDROCK_MODEL_ID"}[model]] = "m"
            given["JCA_" + provider.upper().replace("-", "_") + "_CREDENTIAL_COMMAND"] = path
            finished = mergeloom("check", provider, environment=clean_environment(**given))
            check(server.requests, f"{provider} asked for nothing: {finished!r}")
            seen = {name.lower(): value for name, value in server.requests[0][2].items()}
        equal(seen.get(header[0].lower()), header[1], f"{provider}: {finished!r}")
        lacks(finished.everything(), KEY, provider)


if __name__ == "__main__":
    harness.main(globals())
