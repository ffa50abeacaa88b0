#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One trivial job (read, edit, submit) before one scripted model server, with all the processes that take part in it:
mergeloom run with a provider of its own, the bare programs codex and claude, and mergeloom run through them. They take
turns, so that each round is measured in the same state of the machine."""
import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ["top_builddir"])
SOURCE = pathlib.Path(os.environ["top_srcdir"])
ROUNDS = 7
GUARD = 120
KEY = "test-key-not-a-secret"
TEXT = "Correct the greeting"
RESULT = {"status": "completed", "summary": "Corrected the word.", "files_changed": ["hello.txt"], "notes": ""}
PATCH = """apply_patch <<'PATCH'
*** Begin Patch
*** Update File: hello.txt
@@
-helo, world
+hello, world
*** End Patch
PATCH
"""

# What one process took while it ran one program: CPU in ms; peak memory in MB without its share of what others use too, and
# with it; when it began and ended.
Process = collections.namedtuple("Process", "id parent cpu private memory began ended command")
# One run of a program with all its processes.
Run = collections.namedtuple("Run", "seconds processes")


def call(name, **arguments):
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def script(repository):
    """The same job for each: with mergeloom's tools, with codex's shell, with claude's tools for files."""
    def conversation(model, *steps, **when):
        return {"name": model, "when": {"user": TEXT, "model": model, **when}, "steps": list(steps)}
    file = str(repository / "hello.txt")
    claude = (call("Read", file_path=file), call("Edit", file_path=file, old_string="helo", new_string="hello"))
    end = {"text": json.dumps(RESULT)}
    return {"models": ["sim-1", "sim-codex", "sim-claude"], "conversations": [
        conversation("sim-1", call("read_file", path="hello.txt"),
                     call("edit_file", path="hello.txt", old_text="helo", new_text="hello"),
                     call("submit_result", **{name: RESULT[name] for name in ("status", "summary", "files_changed")})),
        conversation("sim-codex", call("exec_command", cmd="cat hello.txt"), call("exec_command", cmd=PATCH), end),
        conversation("sim-claude", *claude, call("StructuredOutput", **RESULT), tool="StructuredOutput"),
        conversation("sim-claude", *claude, end)]}


def installed():
    lock = (SOURCE / "tests/e2e/clis/package-lock.json").read_bytes()
    cache = os.environ.get("MERGELOOM_CLIS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mergeloom")
    return pathlib.Path(cache, f"clis-{hashlib.sha256(lock).hexdigest()[:16]}", "node_modules")


def programs(url, folder):
    """What it is called here, the real program, words and variables of the bare one, settings of mergeloom."""
    modules = installed()
    codex = modules / "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"
    claude = modules / "@anthropic-ai/claude-code-linux-x64/claude"
    provider = (f'model_providers.bench={{name="bench",base_url="{url}/v1",wire_api="responses",env_key="CODEX_API_KEY"}}')
    yield ("codex exec", codex,
           ["exec", "--json", "--skip-git-repo-check", "--ignore-user-config", "-m", "sim-codex", "-s", "workspace-write", "-c",
            provider, "-c", 'model_provider="bench"', "-c", "features.plugins=false", "-c", "analytics.enabled=false", TEXT],
           {"CODEX_API_KEY": KEY, "CODEX_HOME": str(folder / "login-codex")},
           {"JCA_WORKER_PROVIDER": "codex-cli", "JCA_CODEX_CLI_PROGRAM": str(codex), "JCA_CODEX_CLI_BASE_URL": f"{url}/v1",
            "JCA_CODEX_CLI_API_KEY": KEY, "JCA_CODEX_CLI_MODEL": "sim-codex", "CODEX_HOME": str(folder / "login-codex")})
    yield ("claude -p", claude,
           ["-p", "--output-format", "stream-json", "--verbose", "--model", "sim-claude", "--permission-mode", "acceptEdits", TEXT],
           {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "CLAUDE_CONFIG_DIR": str(folder / "login-claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
           {"JCA_WORKER_PROVIDER": "claude-code-cli", "JCA_CLAUDE_CODE_CLI_PROGRAM": str(claude),
            "JCA_CLAUDE_CODE_CLI_BASE_URL": url, "JCA_CLAUDE_CODE_CLI_API_KEY": KEY,
            "JCA_CLAUDE_CODE_CLI_MODEL": "sim-claude", "CLAUDE_CONFIG_DIR": str(folder / "login-claude")})


# ---- Runs ----

def make_repository(path):
    """Anew in the same place. The one before is kept: a file system that has just deleted much is slow to make files."""
    if path.exists():
        path.rename(tempfile.mkdtemp(dir=path.parent))
    path.mkdir()
    (path / "hello.txt").write_text("helo, world\n", encoding="utf-8")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com", *command], cwd=path,
                       check=True)


def read_process(line):
    *numbers, command = line.split("\t", 7)
    number, parent, cpu, peak, shared, began, ended = map(int, numbers)
    return Process(number, parent, cpu / 1000, (peak - shared) / 1024, peak / 1024, began, ended, command)


class Bench:
    """A folder with a repository that each run finds new, and the model server."""

    def __init__(self, folder):
        self.folder = folder
        self.repository = folder / "repository"
        for name in ("login-codex", "login-claude", "tmp"):
            (folder / name).mkdir()
        self.ticket = folder / "ticket.txt"
        self.ticket.write_text(f"{TEXT}\n\nhello.txt has a wrong word.\n", encoding="utf-8")
        path = folder / "script.json"
        path.write_text(json.dumps(script(self.repository)), encoding="utf-8")
        self.simulator = subprocess.Popen([BUILD / "mergeloom-sim", "--script", path], stdout=subprocess.PIPE, text=True)
        self.url = self.simulator.stdout.readline().split()[-1]

    def end(self):
        self.simulator.terminate()
        self.simulator.wait()

    def run(self, words, **variables):
        """A program in the new repository, with every process that it starts."""
        make_repository(self.repository)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp"),
                       "LANG": "C.UTF-8", **variables}
        report = self.folder / "processes"
        began = time.monotonic()
        done = subprocess.run([str(word) for word in (BUILD / "bench/process_tree", report, *words)], env=environment,
                              cwd=self.repository, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, timeout=GUARD)
        seconds = time.monotonic() - began
        output = done.stdout.decode(errors="replace")[-3000:]
        if done.returncode != 0:
            sys.exit(f"bench_job: {words[0]} ended with {done.returncode}:\n{output}")
        if (self.repository / "hello.txt").read_text(encoding="utf-8") != "hello, world\n":
            sys.exit(f"bench_job: {words[0]} has not done the job:\n{output}")
        lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
        return Run(seconds, [one for one in map(read_process, lines) if one.command])  # without process_tree's own

    def run_mergeloom(self, *more, **settings):
        program = BUILD / ".libs/mergeloom"
        return self.run([program if program.exists() else BUILD / "mergeloom", "run", "--repo", self.repository, "--ticket",
                         self.ticket, *more],
                        MERGELOOM_PLUGIN_PATH=os.environ["MERGELOOM_PLUGIN_PATH"], JCA_WORKER_AUDIT_PATH=str(self.folder),
                        MERGELOOM_SUPERVISE=os.environ["MERGELOOM_SUPERVISE"], LD_LIBRARY_PATH=str(BUILD / ".libs"), **settings)


# ---- Whose a process is ----

MERGELOOM, SUPERVISOR, JUDGE, CONFINED = "mergeloom", "supervisor of the program", "judge of commands", "sandbox of commands"
GIT, GIT_SANDBOX = "git for the diff", "the sandbox of git"
OURS = (MERGELOOM, SUPERVISOR, JUDGE, CONFINED)


def own_parts(run, program):
    """The processes that are not the program's, by what they are for."""
    parents = {one.id: one.parent for one in run.processes}

    def line(process):
        """From a process up to the tool."""
        return [process] + (line(parents[process]) if parents[process] in parents else [])
    of_program = {one.id for one in run.processes if one.command.startswith(str(program))}
    around = {one for process in of_program for one in line(process)}
    parts = collections.defaultdict(list)
    for process in run.processes:
        above = line(process.id)
        if "mergeloom-supervise --judge" in process.command or re.search(r"/judge( |$)", process.command):
            name = JUDGE
        elif "mergeloom-supervise --confine" in process.command or "/usr/bin/env -i" in process.command:
            name = CONFINED
        elif process.command.startswith(str(program)) or of_program.intersection(above[1:]):
            continue
        elif len(above) == 1:
            name = MERGELOOM
        elif above[-2] in around:
            name = SUPERVISOR
        else:
            name = GIT_SANDBOX if "mergeloom" in process.command.split(" ", 1)[0] else GIT
        parts[name].append(process)
    return parts


# ---- Telling ----

def report(what, value, unit, target=""):
    print(what, f"{value:.1f}", unit, target, sep="\t", flush=True)


def middle(runs, measure):
    return statistics.median(measure(run) for run in runs)


def all_cpu(run):
    return sum(process.cpu for process in run.processes)


def largest(run):
    return max(process.memory for process in run.processes)


def tell(name, runs, cpu_target="", memory_target=""):
    report(f"{name}: CPU of all its processes, median of {len(runs)}", middle(runs, all_cpu), "ms", cpu_target)
    report("  peak memory of the largest of them", middle(runs, largest), "MB", memory_target)
    report("  time", middle(runs, lambda run: run.seconds * 1000), "ms")


def at_one_time(processes):
    """The most that processes which live at the same time take, as if each had its peak all the time."""
    return max((sum(one.private for one in processes if one.began <= moment.began < one.ended) for moment in processes),
               default=0)


def tell_own(name, runs, program):
    """What is ours beside the program, and then git, which is a program of its own that the diff needs."""
    parts = [own_parts(run, program) for run in runs]

    def cpu(run, wanted):
        return sum(process.cpu for one in wanted for process in run[one])

    def tell_cpu(what, wanted):
        report(what, statistics.median(cpu(run, wanted) for run in parts), "ms")

    def tell_each(wanted):
        for one in wanted:
            count = statistics.median(len({process.id for process in run[one]}) for run in parts)
            if count > 0:
                tell_cpu(f"  {one} ({count:.0f} processes)", [one])

    def tell_memory(what, wanted, target=""):
        report(what, statistics.median(at_one_time([process for one in wanted for process in run[one]]) for run in parts), "MB",
               target)
    git = (GIT, GIT_SANDBOX)
    # What else the machine does only adds, and to so little it adds much.
    report(f"{name}: CPU of what is ours, best of {len(runs)}", min(cpu(run, OURS) for run in parts), "ms", "20")
    tell_cpu("  median", OURS)
    tell_each(OURS)
    tell_memory("  peak memory of that at one time", OURS, "10")
    tell_cpu("  git and its sandbox: CPU", git)
    tell_each(git)
    tell_memory("  git and its sandbox: peak memory at one time", git)
    tell_cpu("  ours and git together: CPU", (*OURS, *git))
    tell_memory("  ours and git together: peak memory at one time", (*OURS, *git))
    tell("  with the program", runs)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-bench-", dir=os.environ.get("TMPDIR", "/tmp")))
    bench = Bench(folder)
    plain = {"JCA_OPENAI_COMPATIBLE_BASE_URL": bench.url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "sim-1",
             "JCA_WORKER_PROVIDER": "openai-compatible"}
    runs = {"mergeloom run": lambda: bench.run_mergeloom("--no-readiness", **plain),
            "mergeloom run, with the readiness gate and its self-test": lambda: bench.run_mergeloom(**plain)}
    through = {}
    for name, program, words, variables, settings in programs(bench.url, folder):
        if program.exists():
            runs[name] = lambda words=(program, *words), variables=variables: bench.run(words, **variables)
            through[f"mergeloom run through {name.split()[0]}"] = program
            runs[f"mergeloom run through {name.split()[0]}"] = lambda settings=settings: bench.run_mergeloom(
                "--no-readiness", JCA_WORKER_ALLOWED_COMMANDS="git,cat", **settings)
        else:
            print(f"{name}: not installed; ./dev setup installs it")
    taken = {name: [] for name in runs}
    try:
        for number in range(ROUNDS + 1):
            for name, run in runs.items():
                sample = run()
                if number > 0:  # the first of each fills caches
                    taken[name].append(sample)
    finally:
        bench.end()
        shutil.rmtree(folder, ignore_errors=True)
    for name, found in taken.items():
        if name not in through:
            tell(name, found, *(("60", "15") if name == "mergeloom run" else ()))
    for name, program in through.items():
        tell_own(name, taken[name], program)


if __name__ == "__main__":
    main()
