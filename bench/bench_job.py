#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU and memory of one trivial job against the simulator, and of the vendors' programs where they are installed."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ["top_builddir"])
RUNS = 9

STEPS = [
    {"tool_calls": [{"name": "read_file", "arguments": {"path": "hello.txt"}}]},
    {"tool_calls": [{"name": "edit_file", "arguments": {
        "path": "hello.txt", "old_text": "helo", "new_text": "hello"}}]},
    {"tool_calls": [{"name": "submit_result", "arguments": {
        "status": "completed", "summary": "Corrected the word.", "files_changed": ["hello.txt"]}}]},
]


def run(arguments, environment, cwd):
    """CPU of the first thread, CPU of everything with all children, peak memory of the largest process; all of one finished program."""
    process = subprocess.Popen(arguments, env=environment, cwd=cwd, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    own = int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, own, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024, output


def repository(folder):
    path = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (path / "hello.txt").write_text("helo, world\n", encoding="utf-8")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com", *command], cwd=path,
                       check=True)
    return path


def report(what, value, unit, target=""):
    print(what, f"{value:.1f}", unit, target, sep="\t", flush=True)


def vendor(name):
    if not shutil.which(name):
        print(f"{name}: not installed, nothing to show beside")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-bench-"))
    script = folder / "script.json"
    script.write_text(json.dumps({"models": ["sim-1"], "conversations": [{
        "name": "trivial", "when": {"user": "Correct the greeting"}, "steps": STEPS}]}), encoding="utf-8")
    ticket = folder / "ticket.txt"
    ticket.write_text("Correct the greeting\n\nhello.txt has a wrong word.\n", encoding="utf-8")
    simulator = subprocess.Popen([BUILD / "mergeloom-sim", "--script", script], stdout=subprocess.PIPE, text=True)
    try:
        url = simulator.stdout.readline().split()[-1]
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder),
            "MERGELOOM_PLUGIN_PATH": os.environ["MERGELOOM_PLUGIN_PATH"],
            "MERGELOOM_SUPERVISE": os.environ["MERGELOOM_SUPERVISE"],
            "JCA_OPENAI_COMPATIBLE_BASE_URL": url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "sim-1",
            "JCA_WORKER_PROVIDER": "openai-compatible", "JCA_WORKER_AUDIT_PATH": str(folder),
        }
        program = BUILD / ".libs/mergeloom"
        program = program if program.exists() else BUILD / "mergeloom"
        environment["LD_LIBRARY_PATH"] = str(BUILD / ".libs")
        results = {}
        for name, more in (("without the readiness gate", ["--no-readiness"]), ("with the readiness gate and its self-test", [])):
            results[name] = []
            for _ in range(RUNS):
                result = run([program, "run", "--repo", repository(folder), "--ticket", ticket, *more], environment, folder)
                if result[0] != 0:
                    sys.exit(f"bench_job: mergeloom run ended with {result[0]}:\n{result[4].decode(errors='replace')}")
                results[name].append(result[1:4])
        for name, samples in results.items():
            own, whole, memory = (statistics.median(column) for column in zip(*samples))
            gated = name.startswith("with the")
            report(f"mergeloom run, {name}: CPU" + (" of its first thread" if gated else ""), own, "ms")
            report("  with the processes it starts (git, helper): CPU", whole, "ms", "" if gated else "60")
            report("  peak memory", memory, "MB", "15")
    finally:
        simulator.terminate()
        simulator.wait()
        shutil.rmtree(folder, ignore_errors=True)
    vendor("codex")
    vendor("claude")


main()
