#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a job through a command-line program costs beyond the program itself: the bare program and mergeloom run, by turns,
before the same scripted model server."""
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ["top_builddir"])
SOURCE = pathlib.Path(os.environ["top_srcdir"])
RUNS = 5
KEY = "test-key-not-a-secret"
TEXT = "Correct the greeting"
RESULT = {"status": "completed", "summary": "Corrected the word.", "files_changed": ["hello.txt"], "notes": ""}
COMMAND = "python3 -c \"open('hello.txt', 'w').write('hello, world')\""


def installed():
    lock = (SOURCE / "tests/e2e/clis/package-lock.json").read_bytes()
    cache = os.environ.get("MERGELOOM_CLIS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mergeloom")
    return pathlib.Path(cache, f"clis-{hashlib.sha256(lock).hexdigest()[:16]}", "node_modules")


def programs(url, folder):
    """Name, path, steps of the model, words and variables of the bare program, settings of mergeloom."""
    modules = installed()
    codex = modules / "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"
    claude = modules / "@anthropic-ai/claude-code-linux-x64/claude"
    provider = (f'model_providers.bench={{name="bench",base_url="{url}/v1",wire_api="responses",env_key="CODEX_API_KEY"}}')
    yield ("codex", codex, "sim-codex",
           ["exec", "--json", "--skip-git-repo-check", "--ignore-user-config", "-m", "sim-codex", "-s", "workspace-write", "-c",
            provider, "-c", 'model_provider="bench"', "-c", "features.plugins=false", "-c", "analytics.enabled=false", TEXT],
           {"CODEX_API_KEY": KEY, "CODEX_HOME": str(folder / "login-codex")},
           {"JCA_WORKER_PROVIDER": "codex-cli", "JCA_CODEX_CLI_PROGRAM": str(codex), "JCA_CODEX_CLI_BASE_URL": f"{url}/v1",
            "JCA_CODEX_CLI_API_KEY": KEY, "JCA_CODEX_CLI_MODEL": "sim-codex", "CODEX_HOME": str(folder / "login-codex")})
    yield ("claude", claude, "sim-claude",
           ["-p", "--output-format", "stream-json", "--verbose", "--model", "sim-claude", "--permission-mode", "acceptEdits",
            "--allowedTools=Bash(python3:*)", TEXT],
           {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "CLAUDE_CONFIG_DIR": str(folder / "login-claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
           {"JCA_WORKER_PROVIDER": "claude-code-cli", "JCA_CLAUDE_CODE_CLI_PROGRAM": str(claude),
            "JCA_CLAUDE_CODE_CLI_BASE_URL": url, "JCA_CLAUDE_CODE_CLI_API_KEY": KEY,
            "JCA_CLAUDE_CODE_CLI_MODEL": "sim-claude", "CLAUDE_CONFIG_DIR": str(folder / "login-claude")})


def script():
    """A command and the result; each program has its own tools."""
    def conversation(model, call, end, **when):
        return {"name": model, "when": {"user": TEXT, "model": model, **when}, "steps": [{"tool_calls": [call]}, end]}
    shell = {"name": "exec_command", "arguments": {"cmd": COMMAND}}
    bash = {"name": "Bash", "arguments": {"command": COMMAND, "description": "Write"}}
    text = {"text": json.dumps(RESULT)}
    structured = {"tool_calls": [{"name": "StructuredOutput", "arguments": RESULT}]}
    return {"models": ["sim-codex", "sim-claude"], "conversations": [
        conversation("sim-codex", shell, text), conversation("sim-claude", bash, structured, tool="StructuredOutput"),
        conversation("sim-claude", bash, text)]}


def run(arguments, environment, cwd):
    """CPU of the program itself and of all it started, in ms; its own peak memory in MB, resident and not shared with other
    programs; seconds; its output."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(one) for one in arguments], env=environment, cwd=cwd, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT)
        peak = own_peak = 0
        threads = {}
        looks = 0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            time.sleep(0.005)
            looks += 1
            if looks % 4 != 0:  # looking at its memory holds it up
                continue
            try:
                for line in pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
                    peak = max(peak, int(line.split()[1])) if line.startswith("VmHWM") else peak
                rollup = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
                own_peak = max(own_peak, sum(int(line.split()[1]) for line in rollup if line.startswith("Private_")))
                for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
                    threads[task.name] = int((task / "schedstat").read_text(encoding="ascii").split()[0])
            except OSError:
                pass
        threads[str(process.pid)] = int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0])
        own = sum(threads.values()) / 1e6
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return (process.returncode, own, (usage.ru_utime + usage.ru_stime) * 1000, peak / 1024, own_peak / 1024,
                time.monotonic() - began, output.read().decode(errors="replace"))


def repository(folder):
    path = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (path / "hello.txt").write_text("helo, world\n", encoding="utf-8")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com", *command], cwd=path,
                       check=True)
    return path


def report(what, value, unit, target=""):
    print(what, f"{value:.1f}", unit, target, sep="\t", flush=True)


def measure(name, path, words, variables, settings, folder):
    if not path.exists():
        print(f"{name}: not installed; ./dev setup installs it")
        return
    common = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8"}
    program = BUILD / ".libs/mergeloom"
    worker = {**common, **settings, "MERGELOOM_PLUGIN_PATH": os.environ["MERGELOOM_PLUGIN_PATH"],
              "MERGELOOM_SUPERVISE": os.environ["MERGELOOM_SUPERVISE"], "LD_LIBRARY_PATH": str(BUILD / ".libs"),
              "JCA_WORKER_AUDIT_PATH": str(folder), "JCA_WORKER_ALLOWED_COMMANDS": "git,python3"}
    ticket = folder / "ticket.txt"
    ticket.write_text(f"{TEXT}\n\nhello.txt has a wrong word.\n", encoding="utf-8")
    for login in ("login-codex", "login-claude", "tmp"):
        (folder / login).mkdir(exist_ok=True)
    bare, through = [], []
    for number in range(RUNS + 1):
        repo = repository(folder)
        samples = [(bare, run([path, *words], {**common, **variables}, repo)),
                   (through, run([program if program.exists() else BUILD / "mergeloom", "run", "--repo", repository(folder),
                                  "--ticket", ticket, "--no-readiness"], worker, folder))]
        for kept, sample in samples:
            if sample[0] != 0:
                sys.exit(f"bench_programs: {name} ended with {sample[0]}:\n{sample[6][-3000:]}")
            if number > 0:  # the first of each fills caches
                kept.append(sample[1:6])
    _, bare_cpu, _, _, bare_time = (statistics.median(column) for column in zip(*bare))
    own, whole, resident, memory, seconds = (statistics.median(column) for column in zip(*through))
    report(f"{name}, bare: CPU", bare_cpu, "ms")
    report(f"{name}, bare: time", bare_time * 1000, "ms")
    report(f"mergeloom run through {name}: its own CPU", own, "ms", "20")
    if memory > 0:  # the kernel tells it to root only: mergeloom keeps its memory from others
        report("  its own peak memory, not shared with other programs", memory, "MB", "10")
    report("  the same with libraries that others share", resident, "MB")
    report("  CPU with the program, git and the sandbox", whole, "ms")
    report("  time", seconds * 1000, "ms")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-bench-", dir=os.environ.get("TMPDIR", "/tmp")))
    path = folder / "script.json"
    path.write_text(json.dumps(script()), encoding="utf-8")
    simulator = subprocess.Popen([BUILD / "mergeloom-sim", "--script", path], stdout=subprocess.PIPE, text=True)
    try:
        url = simulator.stdout.readline().split()[-1]
        for name, program, _, words, variables, settings in programs(url, folder):
            measure(name, program, words, variables, settings, folder)
    finally:
        simulator.terminate()
        simulator.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
