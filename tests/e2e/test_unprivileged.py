#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The providers that are programs, driven by a worker that is not root: cases of their own tests, by a user of its own."""
import os
import pathlib
import re
import shlex
import subprocess

import harness
from device_login import codex
from harness import equal

USER = 61234  # whom no account names
BOTH = ["test_demo", "test_attacks", "test_checks", "test_check_login_folder_read_only"]


def blocking(path):
    """The highest folder above path that others may not enter; None when there is none."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


def opened(paths):
    """Lines of a shell that show paths at their own places to everybody, in a mount namespace of its own."""
    paths = [path for path in paths if blocking(path)]
    kept = {path: harness.scratch() / f"kept-{number}" for number, path in enumerate(paths)}
    lines = [f"mkdir {kept[path]} && mount --bind {shlex.quote(str(path))} {kept[path]}" for path in paths]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}" for folder in sorted({blocking(path) for path in paths})]
    return lines + [f"mkdir -p {shlex.quote(str(path))} && mount --bind {kept[path]} {shlex.quote(str(path))}" for path in paths]


def must_pass(script, cases):
    """The cases of a test script pass, run by such a user."""
    node, modules = harness.node_modules()
    clis = next(folder for folder in codex().parents if folder.name == "node_modules")
    command = ["python3", "-B", harness.SOURCE / "tests/e2e" / script, *cases]
    home = harness.scratch() / "home"
    home.mkdir()
    variables = {**os.environ, "TMPDIR": home, "HOME": home, "top_builddir": harness.BUILD, "top_srcdir": harness.SOURCE,
                 "MERGELOOM_CLIS": clis, "MERGELOOM_NODE_MODULES": modules, "MERGELOOM_NODE": node}
    if os.geteuid() == 0:
        harness.scratch().chmod(0o711)
        os.chown(home, USER, USER)
        places = [harness.SOURCE, harness.BUILD, clis, pathlib.Path(modules), pathlib.Path(node).resolve().parent]
        words = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
        lines = [*opened(places), "exec " + shlex.join(map(str, words))]
        command = ["unshare", "--mount", "sh", "-ec", "\n".join(lines)]
    done = subprocess.run([str(word) for word in command], env={name: str(value) for name, value in variables.items()}, check=False,
                          cwd=home, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=4 * harness.GUARD)
    equal(done.returncode, 0, f"exit status of {script}: {done.stdout}{done.stderr}")
    passed = [line for line in done.stdout.splitlines() if re.match(r"ok \d+ - ", line) and "# SKIP" not in line]
    equal(len(passed), len(cases), f"cases of {script} that passed: {done.stdout}{done.stderr}")


def test_claude():
    """claude, held by the worker's sandbox: the demo, the attacks and the checks"""
    must_pass("test_claude_code_cli.py", [*BOTH, "test_reads_of_the_program_itself"])


def test_codex():
    """codex, held by its own sandbox and by the worker's: the demo, the attacks and the checks"""
    must_pass("test_codex_cli.py", [*BOTH, "test_attacks_in_the_workers_sandbox", "test_check_sandbox"])


harness.main(globals())
