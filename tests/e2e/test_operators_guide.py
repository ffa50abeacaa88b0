#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The operator's guide as a stranger follows it: its commands, run as they stand, and the files of deploy/."""
import os
import re
import signal
import subprocess
import tempfile

import harness
from daemon_server import environment
from harness import check, contains, lacks
from postgresql_server import free_port

GUIDE = (harness.SOURCE / "docs/operators-guide.md").read_text(encoding="utf-8")
STEPS = [{"tool_calls": [harness.READ]}, {"tool_calls": [harness.EDIT]}, {"tool_calls": [harness.SUBMIT]}]
MODEL = {"models": ["the-name-of-a-model"],
         "conversations": [{"name": "job", "when": {"user": "Correct the greeting"}, "steps": STEPS}]}


def commands(*sections):
    """The blocks of these sections that are meant to be run by anybody."""
    found = []
    for name in sections:
        section = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
        check(section, f"the guide has no section {name}")
        blocks = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
        check(blocks, f"{name} has no commands")
        found += blocks
    return "".join(found)


def follow(*sections):
    """What the commands print, one after the other in one shell."""
    with harness.simulator(MODEL) as model:
        script = commands("Before you begin", *sections)
        for written, here in (("http://127.0.0.1:11434", model.url), ("127.0.0.1:8010", f"127.0.0.1:{free_port()}"),
                              ("127.0.0.1:8011", "127.0.0.1:$JCA_EXECUTOR_PORT"), ("PORT=8011", "PORT=$JCA_EXECUTOR_PORT")):
            contains(GUIDE, written, "the guide")
            script = script.replace(written, here)
        port = re.search(r"^page=http://127\.0\.0\.1:(\d+)$", script, re.MULTILINE)[1]
        folder = tempfile.mkdtemp(dir=harness.scratch())
        values = environment(JCA_WORKER_PORT=port, JCA_EXECUTOR_PORT=free_port(), XDG_STATE_HOME=None, HOME=folder,
                             JCA_WORKER_ALLOWED_COMMANDS=None)
        values["PATH"] = f"{harness.BUILD}:{values['PATH']}"
        # A shell with jobs, as on a terminal; what it has started ends with it.
        script = "set -meu -o pipefail\ntrap 'jobs -p | xargs -r kill; wait' EXIT\n" + script
        shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=values, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            output, _ = shell.communicate(timeout=harness.GUARD)
        except subprocess.TimeoutExpired:
            os.kill(shell.pid, signal.SIGTERM)
            output, _ = shell.communicate()
        check(shell.returncode == 0, f"{sections}: status {shell.returncode}\n{output}")
        return output


def test_ui_managed():
    """UI-managed settings: from an empty folder to a job's diff, a backup, its restore and a new key"""
    output = follow("UI-managed", "Backup and restore", "New keys")
    for part in ('"openai-compatible"} 1', "completed", "-helo, world\n+hello, world", "manifest.json", "new key"):
        contains(output, part, "what is printed")


def test_provisioned():
    """provisioned settings: what is in effect is shown before the start, and nothing can be written after it"""
    output = follow("Provisioned")
    for part in ("provider_config_mode       provisioned", "[JCA_OPENAI_COMPATIBLE_MODEL]", '"openai-compatible"} 1',
                 '"status":409', "JCA_OPENAI_COMPATIBLE_MODEL"):
        contains(output, part, "what is printed")
    lacks(output, harness.KEY, "what is printed")


def test_gateway():
    """gateway and executor: settings are followed, locked on the executor, and a job is done there"""
    output = follow("Gateway and executors")
    for part in ('",openai-compatible,', '"status":409', "completed", '"executor-1"'):
        contains(output, part, "what is printed")


def test_deployed_files():
    """every variable of the files in deploy/ is known, and what they set together is accepted"""
    manifest = (harness.SOURCE / "deploy/kubernetes.yaml").read_text(encoding="utf-8")
    secret = dict(re.findall(r"^  (JCA_\w+): \"()\"", manifest, re.MULTILINE))
    check(len(secret) >= 3, f"{secret}")
    for role in ("gateway", "executor"):
        part = manifest.split(f"name: mergeloom-{role}\nspec:\n  replicas")[1].split("\n---\n")[0]
        values = dict(re.findall(r"- name: (JCA_\w+)\n +value: \"?([^\"\n]*)", part))
        check(len(values) >= 9 and values["JCA_WORKER_ROLE"] == role, f"{values}")
        accepted({**secret, **values, "JCA_WORKER_CLUSTER_TOKEN": "cluster-test-token-not-a-secret"})
    listed = dict(re.findall(r"^#(JCA_\w+)=(.+)$", (harness.SOURCE / "deploy/mergeloomd.env").read_text(encoding="utf-8"),
                             re.MULTILINE))
    check(len(listed) >= 15, f"{listed}")
    for name, value in listed.items():
        if name.endswith("_FILE"):
            path = harness.scratch() / os.path.basename(value)
            path.write_text(harness.KEY, encoding="utf-8")
            listed[name] = path
    accepted(listed)


def accepted(values):
    finished = harness.run([harness.BUILD / "mergeloomd", "--check-config"], environment(**values))
    check(finished.status == 0, f"{finished!r}")
    for part in ("is known to no", "did you mean"):
        lacks(finished.everything(), part, "the configuration")
    for name in values:
        if values[name] != "":
            contains(finished.out, f"[{name.removesuffix('_FILE')}", f"{name} has an effect")


harness.main(globals())
