#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets in files that change while a worker uses them: what is sent next is the new one."""
import json
import re
import subprocess
import urllib.parse

import harness
from harness import BUILD, KEY, Recorder, check, clean_environment, equal, mergeloom

FETCH = BUILD / "tests/e2e/credential_fetch"


class Volume:
    """A Secret as Kubernetes mounts it: links to ..data, a link to a folder that is swapped in one step."""

    def __init__(self, **values):
        self.path = harness.scratch() / "volume"
        self.path.mkdir()
        self.version = 0
        self.write(**values)
        for name in values:
            (self.path / name).symlink_to(f"..data/{name}")

    def write(self, **values):
        self.version += 1
        folder = self.path / f"..version_{self.version}"
        folder.mkdir()
        for name, value in values.items():
            (folder / name).write_text(value + "\n")
        (self.path / "..data_tmp").symlink_to(folder.name)
        (self.path / "..data_tmp").rename(self.path / "..data")


def twice(source, audience, change, *options, **environment):
    """What a source gives before and after a change, in one and the same process."""
    with subprocess.Popen([str(part) for part in (FETCH, source, audience, "--times", "2", *options)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment(**environment),
                          text=True) as process:
        first = json.loads(process.stdout.readline())
        change()
        process.stdin.write("\n")
        process.stdin.flush()
        second = json.loads(process.stdout.readline())
        process.stdin.close()
    return first, second


def test_static_sources():
    """keys and tokens of the static sources"""
    for source, field in (("static", "api_key"), ("static-bearer-token", "bearer_token"),
                          ("static-access-token", "access_token"), ("google-access-token", "access_token")):
        path = harness.scratch() / source
        path.write_text(f"{KEY}-one\n")
        first, second = twice(source, "https://service.example", lambda path=path: path.write_text(f"{KEY}-two\n"),
                              "--secret", f"{field}=", **{f"JCA_TEST_{field.upper()}_FILE": path})
        equal((first.get("secret"), second.get("secret")), (f"{KEY}-one", f"{KEY}-two"), f"{source}: {first} {second}")


def test_client_secret_of_azure():
    """the client secret of an Azure application"""
    volume = Volume(secret=f"{KEY}-one")
    sent = []

    def answer(_method, _path, _headers, body):
        sent.append(dict(urllib.parse.parse_qsl(body.decode()))["client_secret"])
        return 200, {"Content-Type": "application/json"}, b'{"access_token":"test-token","expires_in":3599}'

    with Recorder(answer=answer) as server:
        twice("azure-client-secret", "https://ai.azure.com/.default", lambda: volume.write(secret=f"{KEY}-two"),
              "--secret", "client_secret=", JCA_TEST_CLIENT_SECRET_FILE=volume.path / "secret",
              AZURE_TENANT_ID="tenant", AZURE_CLIENT_ID="client", AZURE_AUTHORITY_HOST=server.url)
    equal(sent, [f"{KEY}-one", f"{KEY}-two"], "what was sent")


def test_access_key_of_aws():
    """both halves of an AWS access key change together"""
    volume = Volume(id="KEYIDONE", secret=f"{KEY}-one")
    first, second = twice("aws-static", "bedrock/us-east-1", lambda: volume.write(id="KEYIDTWO", secret=f"{KEY}-two"),
                          "--authorize", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
                          "--field", "access_key_id=", "--secret", "secret_access_key=",
                          JCA_TEST_ACCESS_KEY_ID_FILE=volume.path / "id",
                          JCA_TEST_SECRET_ACCESS_KEY_FILE=volume.path / "secret")
    equal((first.get("secret"), second.get("secret")), (f"{KEY}-one", f"{KEY}-two"), f"{first} {second}")
    ids = [re.search(r"Credential=(\w+)/", got["headers"]["Authorization"]).group(1) for got in (first, second)]
    equal(ids, ["KEYIDONE", "KEYIDTWO"], "the ids in the signatures")


def test_key_that_changes_in_the_middle_of_a_job():
    """a job whose key is replaced in its middle goes on with the new one"""
    volume = Volume(openai=f"{KEY}-one")
    repo = harness.repository({"a.txt": "hello\n"})
    ticket = harness.scratch() / "ticket.md"
    ticket.write_text("Say hello\n\nSay hello.\n")
    seen = []

    def answer(_method, path, headers, _body):
        if not path.endswith("/chat/completions"):
            return 404, {}, b"{}"
        seen.append(headers.get("Authorization"))
        turn = len(seen)
        if seen[-1] != f"Bearer {KEY}-{'one' if turn == 1 else 'two'}":
            return 401, {}, b'{"error":{"message":"no","code":"invalid_api_key"}}'
        if turn == 1:
            volume.write(openai=f"{KEY}-two")
        name, arguments = [("read_file", {"path": "a.txt"}), ("submit_result", {
            "status": "completed", "summary": "Said hello.", "changed_files": []})][min(turn, 2) - 1]
        call = {"id": f"c{turn}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        return 200, {"Content-Type": "application/json"}, json.dumps(
            {"id": "x", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": {
                "role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}).encode()

    with Recorder(answer=answer) as server:
        finished = mergeloom("run", "--repo", repo, "--ticket", ticket, environment=clean_environment(
            JCA_OPENAI_COMPATIBLE_BASE_URL=server.url + "/v1", JCA_OPENAI_COMPATIBLE_MODEL="m",
            JCA_OPENAI_COMPATIBLE_STREAM="false", JCA_WORKER_PROVIDER="openai-compatible",
            JCA_OPENAI_COMPATIBLE_API_KEY_FILE=volume.path / "openai"), cwd=harness.scratch())
    check(len(seen) >= 2, f"turns: {seen} {finished!r}")
    equal(seen[:2], [f"Bearer {KEY}-one", f"Bearer {KEY}-two"], f"{finished!r}")
    harness.lacks(finished.everything(), KEY, "what is printed")


if __name__ == "__main__":
    harness.main(globals())
