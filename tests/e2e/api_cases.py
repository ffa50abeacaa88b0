# SPDX-License-Identifier: Apache-2.0
"""What the tests of providers that ask a service over HTTP share: the one job against aimock and the simulator, and the
conversations that the vendors' own clients hold with the simulator."""
import harness
from harness import check, equal, lacks

# No setting of the provider that the harness takes where none is named.
_OTHERS = {"JCA_OPENAI_COMPATIBLE_BASE_URL": None, "JCA_OPENAI_COMPATIBLE_MODEL": None,
           "JCA_OPENAI_COMPATIBLE_API_KEY": None}


def run_job(url, repo, *options, **settings):
    return harness.run_job(url, repo, *options, **_OTHERS, **settings)


def completed(finished, repo, *secrets):
    """The job did its work and nothing else, and no secret was printed."""
    equal(finished.status, 0, f"exit status of {finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    equal(harness.must(["git", "status", "--porcelain"], cwd=repo), " M hello.txt\n", "what changed")
    for secret in (harness.KEY, *secrets):
        lacks(finished.everything(), secret, "what is printed")


def aimock_steps(prefix="call", reasoning=True):
    """The demo's turns in aimock's form; ids of calls begin with prefix."""
    steps = []
    for number, step in enumerate(harness.demo_steps()):
        turn = {"toolCalls": [{"id": f"{prefix}_{number}_{index}", **tool}
                              for index, tool in enumerate(step["tool_calls"])]}
        turn.update({"content": step["text"]} if "text" in step else {})
        steps.append({**turn, "reasoning": step["reasoning"]} if reasoning and "reasoning" in step else turn)
    return steps


def at_aimock(run, provider, *options, steps=None, plan=None, through=None, name=None, **settings):
    """The demo job by run, the test's own run_job, against aimock; the program, its repository and the requests. The answer
    through(url) passes requests on."""
    repo, (_, ticket, *job), title, _ = harness.demo(provider, name)
    with harness.aimock(steps or aimock_steps(), title, **(plan or {})) as server:
        if not through:
            return run(server.url, repo, *job, *options, ticket=ticket, **settings), repo, []
        with harness.Recorder(answer=through(server.url)) as front:
            return run(front.url, repo, *job, *options, ticket=ticket, **settings), repo, front.requests


def demo_completed(finished, repo):
    """The demo did its work and nothing else, and no secret was printed."""
    equal(finished.status, 0, f"exit status of {finished!r}")
    harness.must(harness.DEMO_TESTS, cwd=repo)
    equal(harness.must(["git", "diff", "--name-only"], cwd=repo), "shelf/pages.py\n", "what changed")
    lacks(finished.everything(), harness.KEY, "what is printed")


def simulated(run, steps, *options, key=None, **settings):
    """A job of run, the test's own run_job, against the simulator; the program and its repository."""
    repo = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(steps, key)) as server:
        finished = run(server.url, repo, *options, **settings)
    return finished, repo


def with_fault(number, kind, **more):
    """The steps of the job with a fault in one."""
    steps = harness.job_steps()
    steps[number]["fault"] = {"kind": kind, **more}
    return steps


def pass_on(url, method, headers, body):
    """For a Recorder's answer: what url answers."""
    return harness.request(url, method, body or None,
                           {name: value for name, value in headers.items() if name.lower() != "host"})


def share_their_prefix(bodies, mark):
    """But for marks of the cache, the body of a turn up to the newest of them is how the next one begins."""
    for number, (body, following) in enumerate(zip(bodies, bodies[1:]), 1):
        equal(body.count(mark), 3 if number == 1 else 4, f"cache marks of turn {number}")
        opened = body[:body.rindex(mark)].replace(mark, b"")
        check(following.replace(mark, b"").startswith(opened), f"turn {number + 1} does not begin as turn {number} does")


def client_script(after_events, *more):
    """The conversations of the vendors' clients; faults inside a stream come after so many events."""
    return {"models": ["sim-1", "sim-2"], "conversations": [
        {"name": "hello", "when": {"user": "hello"}, "steps": [
            {"reasoning": "A greeting.", "text": "Grüße, 世界! This is streamed in pieces.",
             "usage": {"input": 12, "cached": 4, "output": 9, "reasoning": 3}}]},
        {"name": "calls", "when": {"user": "two calls"},
         "capture": {"token": {"from": "tool", "after": "token: "}},
         "steps": [
             {"reasoning": "Two cities.", "text": "Looking.",
              "tool_calls": [{"name": "weather", "arguments": {"city": "Zürich"}},
                             {"name": "weather", "arguments": {"city": "Oslo \"N\""}}]},
             {"text": "The token is ${token}."}]},
        {"name": "limited", "when": {"user": "limited"}, "steps": [
            {"fault": {"kind": "status", "status": 429, "message": "slow down"}}]},
        {"name": "inside", "when": {"user": "inside"}, "steps": [
            {"text": "Some text first.",
             "fault": {"kind": "error", "after_events": after_events, "message": "went wrong"}}]},
        {"name": "cut", "when": {"user": "cut"}, "steps": [
            {"text": "Some text first, and more of it.", "fault": {"kind": "cut", "after_events": after_events}}]},
        *more]}
