#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs from the outside: the command line, an embedding program, cancelling, what goes over the wire."""
import concurrent.futures
import json
import os
import signal
import sys
import time

import harness
from harness import check, contains, equal, lacks


def test_job():
    """a job through readiness, tools and result; the diff is in the work tree"""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = harness.run_job(server.url, repo)
    equal(finished.status, 0, f"{finished!r}")
    equal(harness.must(["git", "diff", "--stat"], cwd=repo).splitlines()[-1].strip(),
          "1 file changed, 1 insertion(+), 1 deletion(-)", "the diff")
    equal(harness.hello(repo), "hello, world\n", "the file")
    contains(finished.out, "  summary    Corrected the greeting in hello.txt.\n  changed    hello.txt  modified, +1 -1\n",
             "what is told of the result")


def without_landlock(url, *arguments, **settings):
    return harness.without_landlock(arguments, harness.provider_environment(url, **settings))


def test_kernel_without_landlock():
    """without Landlock a job is refused before it begins, by name and remedy; best-effort runs it and says what is missing"""
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET)
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = without_landlock(server.url, "run", "--repo", repo, "--ticket", ticket)
        equal(finished.status, 4, f"{finished!r}")
        contains(finished.everything(), "no Landlock", "the reason")
        contains(finished.everything(), "JCA_WORKER_SANDBOX=best-effort", "the remedy")
        harness.must_be_untouched(repo)
        record = harness.scratch() / "result.json"
        weak = {"JCA_WORKER_SANDBOX": "best-effort"}
        finished = without_landlock(server.url, "run", "--repo", repo, "--ticket", ticket, "--output", record, **weak)
        equal(finished.status, 0, f"{finished!r}")
        contains(finished.everything(), "no Landlock", "the warning")
        equal(harness.hello(repo), "hello, world\n", "the file")
        contains(record.read_text(), "no Landlock", "the result")
        finished = without_landlock(server.url, "check", "openai-compatible", "--json", **weak)
        checks = json.loads(finished.out)["providers"][0]["checks"]
        sandbox = next(item for item in checks if item["name"] == "sandbox")
        equal(sandbox["state"], "warn", f"{sandbox}")
        contains(sandbox["reason"], "no Landlock", "the check")


def test_plugin_from_the_build_tree():
    """the minimal provider is built against the tree that nobody installed, with pkg-config, and loads"""
    folder = harness.scratch() / "my-provider"
    folder.mkdir()
    for name in ("Makefile", "provider.c"):
        (folder / name).write_bytes((harness.SOURCE / "examples/minimal-provider" / name).read_bytes())
    variables = {"PKG_CONFIG_PATH": harness.BUILD / "pkgconfig", "MERGELOOM_PLUGIN_PATH": folder}
    harness.must(["make", "-C", folder], environment=harness.clean_environment(**variables))
    finished = harness.mergeloom("plugins", environment=harness.clean_environment(**variables))
    equal(finished.out, f"\u2713 minimal 1.0, ABI 1.0\n    offers   provider minimal\n"
          f"    file     {folder}/mergeloom-minimal.so\n", "the list of plugins")


def test_check():
    """check: every named check and the state, as text and as JSON"""
    names = ["settings", "storage", "timeout", "commands", "sandbox", "credential", "reach", "model", "tools"]
    with harness.simulator() as server:
        environment = harness.provider_environment(server.url)
        finished = harness.mergeloom("check", environment=environment)
        equal(finished.status, 0, f"{finished!r}")
        document = json.loads(harness.mergeloom("check", "openai-compatible", "--json", environment=environment).out)
    title, *lines = finished.out[finished.out.index("openai-compatible: "):].splitlines()[:len(names) + 1]
    equal(title, "openai-compatible: ready, model sim-1", "the state")
    equal([line.split()[:2] for line in lines], [["\u2713", name] for name in names], "the checks")
    everything, ready = finished.out.split("\n\n")
    equal(ready, "1 of 8 ready: openai-compatible\n", "the last line")
    equal([line.split(":")[0] for line in everything.splitlines() if not line.startswith(" ")],
          ["aws-bedrock", "azure-foundry", "claude-api", "claude-code-cli", "codex-api", "codex-cli", "openai-compatible",
           "vertex-ai"], "the providers")
    equal(document["schema"], "mergeloom.check.v1", "the report")
    provider, = document["providers"]
    equal([provider["id"], provider["state"], provider["model"]], ["openai-compatible", "ready", "sim-1"], "the provider")
    equal([[item["name"], item["state"]] for item in provider["checks"]], [[name, "pass"] for name in names], "its checks")
    check(all(item["reason"] and item["duration_ms"] >= 0 for item in provider["checks"]), f"reasons and times: {provider}")


def test_prefix():
    """the body of a turn begins with the body of the turn before, up to the closing part"""
    repo = harness.repository(harness.FILES)
    steps = harness.job_steps()
    steps[2:2] = [{"text": f"Turn {number}.", "tool_calls": [
        {"name": "read_file", "arguments": {"path": "notes.txt"}}, harness.READ]} for number in range(12)]
    with harness.simulator(harness.job_script(steps)) as server, harness.Recorder(server.url) as proxy:
        finished = harness.run_job(proxy.url, repo, "--no-readiness")
        equal(finished.status, 0, f"{finished!r}")
        bodies = proxy.bodies()
    equal(len(bodies), len(steps), "turns")
    for number, (earlier, later) in enumerate(zip(bodies, bodies[1:])):
        common = len(os.path.commonprefix([earlier, later]))
        closing = earlier[common:]
        check(len(closing) <= 1024, f"turn {number}: {len(closing)} bytes of {len(earlier)} are not a prefix of the next")
        lacks(closing.decode(errors="replace"), '"role"', f"the closing part of turn {number}")


def wait_for(condition, what):
    end = time.monotonic() + harness.GUARD
    while not condition():
        check(time.monotonic() < end, f"{what}: did not come")
        time.sleep(0.02)


def cancelled(steps, ready):
    """Starts a job, sends SIGINT once ready() holds, and looks for what is left of it."""
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    mark = f"JCA_E2E_MARK_{os.getpid()}_{time.monotonic_ns()}"
    with harness.simulator(harness.job_script(steps)) as server:
        environment = harness.provider_environment(server.url, **{mark: "1"})
        arguments = [harness.BUILD / "mergeloom", "run", "--no-readiness", "--repo", repo, "--ticket", ticket]
        with harness.started(arguments, environment) as process:
            wait_for(lambda: ready(repo, server), "the moment to cancel")
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=harness.GUARD)
            equal(process.returncode, 5, f"exit status after SIGINT; output: {output}")
            contains(output, "mergeloom: the call was cancelled\n", "what is said")
        wait_for(lambda: not harness.processes_with(str(repo)), "the end of every process of the job")
        equal(harness.processes_with(mark), [], "processes of the job")
    leftovers = [path.name for path in harness.scratch().iterdir()
                 if path.name not in ("repository", "ticket.txt") and not path.name.startswith(("server-", "script-"))]
    lacks(" ".join(leftovers), "mergeloom-", "temporary folders")
    return repo, output


def test_cancel_command():
    """SIGINT while a command runs: nothing of it is left"""
    code = ("import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            "signal.signal(signal.SIGINT, signal.SIG_IGN); open('started', 'w').close(); "
            "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], start_new_session=True); "
            "time.sleep(1000)")
    steps = [{"tool_calls": [{"name": "run_command", "arguments": {"argv": ["python3", "-c", code]}}]}]
    repo, output = cancelled(steps, lambda repo, server: (repo / "started").exists())
    check((repo / "started").exists(), "the work is kept")
    contains(output, harness.KEPT, "what is said of it")


def test_cancel_stream():
    """SIGINT while the model speaks"""
    steps = [{"text": "A very long story. " * 2000, "deliver": {"delay_ms": 50}}]
    repo, _ = cancelled(steps, lambda repo, server: "step 0" in server.text())
    harness.must_be_untouched(repo)


PRINT = {"name": "run_command", "arguments": {"argv": ["python3", "-c", "print('x' * 5000)"]}}
SLEEP = {"name": "run_command", "arguments": {"argv": ["python3", "-c", "import time; time.sleep(1000)"]}}


LIMITS = (
    # of what, the step that is repeated after the edit, limits of the job, settings; exit status, turns, state, code, words
    ("time, in a command", {"tool_calls": [SLEEP]}, {}, {"JCA_WORKER_JOB_TIMEOUT_SECONDS": "3"}, 5, 2, "cancelled", "timeout",
     "the job's time limit passed", "allow the job more time"),
    ("time, in an answer", {"text": "Well.", "fault": {"kind": "stall", "after_events": 2}}, {},
     {"JCA_WORKER_JOB_TIMEOUT_SECONDS": "3"}, 5, 2, "cancelled", "timeout", "the job's time limit passed",
     "allow the job more time"),
    ("turns", {"tool_calls": [harness.READ]}, {}, {"JCA_WORKER_MAX_TURNS": "3"}, 1, 3, "failed", "limit",
     "the job's limit of turns is reached", "allow the job more turns"),
    ("tokens", {"tool_calls": [harness.READ]}, {}, {"JCA_WORKER_MAX_TOKENS": "3000"}, 1, 3, "failed", "limit",
     "the job's limit of tokens is reached", "allow the job more tokens"),
    ("output", {"tool_calls": [PRINT]}, {"output_bytes": 9000}, {}, 1, 3, "failed", "limit",
     "the commands of the job have written more than its limit", "raise limits.output_bytes"))


def reach_limit(case):
    name, step, limits, settings, status, turns, state, code, *said = case
    repo = harness.repository(harness.FILES, name.replace(", ", "-").replace(" ", "-"))
    job = harness.scratch() / f"{repo.name}-job.json"
    record = harness.scratch() / f"{repo.name}-result.json"
    job.write_text(json.dumps({"schema": "mergeloom.job.v1", "limits": limits}), encoding="utf-8")
    steps = [{"tool_calls": [harness.EDIT]}, *[{**step, "usage": {"input": 1000, "output": 500}}] * 6]
    with harness.simulator(harness.job_script(steps)) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness", "--job", job, "--output", record,
                                   ticket=harness.scratch() / "ticket.txt", **settings)
    harness.must_complain(finished, status, *said)
    harness.must_be_kept(finished, repo)
    result = json.loads(record.read_text(encoding="utf-8"))
    equal([result["turns"], result["state"], result["error"]["code"]], [turns, state, code], f"the result, limit of {name}")
    equal(harness.processes_with(str(repo)), [], f"processes after the limit of {name}")


def test_limits():
    """a limit that is reached ends the job: exit status, one error with a remedy, the work kept and said to be"""
    (harness.scratch() / "ticket.txt").write_text(harness.TICKET, encoding="utf-8")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(reach_limit, LIMITS))


def test_validation():
    """validation that fails goes back to the model, which repairs"""
    repo = harness.repository({**harness.FILES, "check.py": "import sys\nsys.exit('helo' in open('hello.txt').read())\n"})
    wrong = {"name": "edit_file", "arguments": {"path": "notes.txt", "old_text": "one", "new_text": "zero"}}
    steps = [{"tool_calls": [wrong]}, {"tool_calls": [harness.SUBMIT]}, {"tool_calls": [harness.EDIT]},
             {"tool_calls": [harness.SUBMIT]}]
    job = harness.scratch() / "job.json"
    job.write_text(json.dumps({"schema": "mergeloom.job.v1", "validation": {
        "mode": "required", "commands": [["python3", "check.py"]]}}), encoding="utf-8")
    with harness.simulator(harness.job_script(steps)) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness", "--job", job)
        equal(finished.status, 0, f"{finished!r}")
        contains(server.text(), "turn 3", "the turns after the failure")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")


def test_claims():
    """a result that claims what the tree does not show is flagged"""
    repo = harness.repository(harness.FILES)
    steps = [{"tool_calls": [{"name": "submit_result", "arguments": {
        "status": "completed", "summary": "Corrected the greeting in hello.txt.", "files_changed": ["hello.txt"]}}]}] * 6
    steps = [{"when": {"turn": [0, 20]}, **steps[0]}]
    with harness.simulator(harness.job_script(steps)) as server:
        finished = harness.run_job(server.url, repo, "--no-readiness", "--json")
    result = json.loads(finished.out.splitlines()[-1])
    equal([result["claims"]["status"], result["claims"]["files_changed"]], ["completed", ["hello.txt"]],
          "what is claimed")
    equal(result["discrepancies"], [
        "hello.txt is claimed to be changed, but the tree shows no change there that git would see",
        "the work is claimed to be completed, but nothing was changed"], "the discrepancies")
    harness.must_be_untouched(repo)


def test_embedding():
    """the embedding example runs a job"""
    program = harness.BUILD / "examples/embed"
    repo = harness.repository(harness.FILES)
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        finished = harness.run([program, repo, ticket], environment=harness.provider_environment(server.url))
    equal(finished.status, 0, f"{finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")


harness.main(globals())
