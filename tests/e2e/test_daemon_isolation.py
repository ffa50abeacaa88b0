#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plugin that crashes, hangs, leaks, corrupts memory or leaves costs one job, is named, and is left alone after three."""
import concurrent.futures
import json

import harness
from daemon_server import MOCKS, Browser, add_plugin, api, daemon, field, memory_kib, provider, settled, wait_for
from harness import check, contains, equal, lacks


def plugins(name="plugins"):
    """The harmful plugin and no other: the folder that it was built in has many."""
    folder = harness.scratch() / name
    (folder / ".libs").mkdir(parents=True)
    for file in ("mergeloom-harmful.la", ".libs/mergeloom-harmful.so"):
        check((MOCKS / file).exists(), f"{MOCKS / file} is not built")
        (folder / file).symlink_to(MOCKS / file)
    return folder


def harmful(**more):
    return daemon(**{"MERGELOOM_PLUGIN_PATH": plugins(), "JCA_WORKER_PROVIDER": "harmful", "JCA_WORKER_JOB_SLOTS": "2",
                     "JCA_WORKER_STOP_GRACE_SECONDS": "0", **more})


def set_up(server, sim):
    equal(api(server, "/providers/harmful/settings", "PATCH", {"fields": {
        "base_url": sim.url + "/v1", "model": "sim-1", "api_key": harness.KEY}})[0], 204, "the settings")
    equal(settled(server, "harmful")["state"], "authenticated", "the state")


def submit(server, name, harm, **more):
    repo = harness.repository(harness.FILES, f"repository-{name}")
    status, _, answer = api(server, "/jobs", "POST", {
        "schema": "mergeloom.job.v1", "id": name, "repository": {"path": str(repo)},
        "ticket": {"key": "T-1", "title": "Mend the greeting", "description": f"{harness.MARK}\nharm: {harm}"}, **more})
    equal(status, 201, f"{answer}")


def ended(server, name):
    job = api(server, f"/jobs/{name}")[2]
    return job if job["state"] not in ("pending", "running") else None


def must_cost_one_job(server, name, harm, reason, **more):
    """It fails with the reason, which the page and the audit say as well; a harmless job beside it is done."""
    submit(server, name, harm, **more)
    submit(server, f"{name}-beside", "none")
    job = wait_for(lambda: ended(server, name), f"{name} ends")
    equal((job["state"], job["attempts"]), ("failed", 1), f"{job}")
    contains(job["reason"], reason, f"the reason of {name}")
    contains(job["reason"], "provider harmful", f"the reason of {name}")
    contains(harness.request(f"{server.url}/live/{name}")[2].decode(), reason, "the page of the job")
    entries = api(server, "/audit?kind=plugin&subject=harmful")[2]["entries"]
    contains(entries[0]["text"], reason, "the audit")
    beside = wait_for(lambda: ended(server, f"{name}-beside"), "the job beside it ends")
    equal(beside["state"], "completed", f"{beside['reason']}")
    return len(entries)


def script():
    return harness.job_script([{"text": "That is it.", "tool_calls": [harness.SUBMIT]}])


def test_crash_on_executor():
    """a plugin that crashes on an executor is named at the gateway: in the job's reason and in the audit"""
    cluster = {"JCA_WORKER_CLUSTER_TOKEN": "cluster-test-token-not-a-secret",
               "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "1"}
    with harness.simulator(script()) as sim, \
            harmful(**cluster, JCA_WORKER_ROLE="gateway", JCA_WORKER_NAME="gateway") as gateway:
        set_up(gateway, sim)
        with daemon(**cluster, MERGELOOM_PLUGIN_PATH=harness.scratch() / "plugins", JCA_WORKER_ROLE="executor",
                    JCA_WORKER_NAME="one", JCA_WORKER_GATEWAY_URL=gateway.url, JCA_PROVIDER_CONFIG_MODE="gateway",
                    JCA_WORKER_RUNTIME_CONFIG_MODE="gateway", JCA_WORKER_STOP_GRACE_SECONDS="0",
                    XDG_STATE_HOME=harness.scratch() / "one"):
            submit(gateway, "crash", "crash")
            job = wait_for(lambda: ended(gateway, "crash"), "it ends")
        equal((job["state"], job["executor"]), ("failed", "one"), f"{job}")
        for part in ("provider harmful", "signal 11"):
            contains(job["reason"], part, "the reason")
        entries = api(gateway, "/audit?kind=plugin&subject=harmful")[2]["entries"]
        equal(len(entries), 1, f"{entries}")
        for part in ("signal 11", "executor one", "job crash"):
            contains(entries[0]["text"], part, "the audit")


def test_three_crashes():
    """crash, corrupted memory and a silent end: one job each, then quarantine until a check goes well"""
    with harness.simulator(script()) as sim, harmful() as server:
        set_up(server, sim)
        equal(must_cost_one_job(server, "crash", "crash", "signal 11"), 1, "crashes in the audit")
        contains(harness.request(server.url + "/providers")[2].decode(), "crashed once", "the card")
        equal(must_cost_one_job(server, "corrupt", "corrupt", "signal 6"), 2, "crashes in the audit")
        check(not provider(server, "harmful")["quarantined"], "two crashes are not three")
        submit(server, "leave", "leave")
        contains(wait_for(lambda: ended(server, "leave"), "it ends")["reason"], "ended with status 0", "the reason")
        check(provider(server, "harmful")["quarantined"], "three crashes")
        contains(harness.request(server.url + "/providers")[2].decode(), "crashed 3 times", "the card")
        for page in ("/", "/providers", "/health"):
            contains(harness.request(server.url + page)[2].decode(), ">left alone</span>", page)
        contains(harness.request(server.url + "/")[2].decode(), '<h2>Jobs failed</h2><p class="figure">3</p>', "the overview")
        contains(harness.request(server.url + "/metrics")[2].decode(), 'mergeloom_provider_ready{gen_ai_provider_name="harmful"} 0', "metrics")
        submit(server, "later", "none")
        api(server, "/providers/worker/settings", "PATCH", {"fields": {"max_turns": "9"}})
        equal(api(server, "/jobs/later")[2]["state"], "pending", "a job while the plugin is left alone")
        contains(server.text(), "now it happens", "the log has its last words")
        lacks(server.text(), harness.KEY, "the log")
        equal(api(server, "/providers/harmful/checks", "POST")[0], 202, "check now")
        equal(wait_for(lambda: ended(server, "later"), "the job ends")["state"], "completed", "after a good check")
        check(not provider(server, "harmful")["quarantined"], "it is used again")


def test_leak():
    """a plugin that takes memory without end is ended at the limit; the daemon never takes any of it"""
    with harness.simulator(script()) as sim, harmful(JCA_WORKER_MEMORY_MIB="256") as server:
        set_up(server, sim)
        before = memory_kib(server)
        must_cost_one_job(server, "leak", "leak", "more than 256 MiB")
        grown = memory_kib(server, "VmHWM") - before
        check(grown < 100 << 10, f"the daemon took {grown} KiB more than before")


def test_hang():
    """a plugin that hangs is ended soon after the time of its job; a check that hangs, after the time for a check"""
    with harness.simulator(script()) as sim, harmful() as server:
        set_up(server, sim)
        must_cost_one_job(server, "hang", "hang", "still busy after", limits={"seconds": 5})
    worker = harness.scratch() / "worker"
    worker.write_text(f"""#!/usr/bin/env python3
import os, signal, subprocess, sys, time
request = sys.stdin.buffer.read()
if b'"check"' in request:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep({harness.GUARD})
sys.exit(subprocess.run([{str(harness.PLAIN_BUILD / "mergeloom-worker")!r}], input=request).returncode)
""")
    worker.chmod(0o755)
    with daemon(MERGELOOM_PLUGIN_PATH=harness.scratch() / "plugins", MERGELOOM_WORKER=worker,
                JCA_WORKER_CHECK_SECONDS="1") as server:
        found = settled(server, "harmful")
        equal(found["state"], "not ready", f"{found}")
        contains(json.dumps(found["checks"]), "still busy after 1 s", "the reason")
        contains(json.dumps(api(server, "/audit?kind=plugin")[2]), "still busy after 1 s", "the audit")
        equal(field(server, "harmful", "enabled")["locked"], False, "the card is there")


def test_hang_while_asked():
    """a plugin that hangs while it is asked for a resolution holds nobody up but those who wait for that"""
    goes_on = harness.scratch() / "goes-on"
    worker = harness.scratch() / "worker"
    worker.write_text(f"""#!/usr/bin/python3 -I
import os, subprocess, sys, time
request = sys.stdin.buffer.read()
while b'"resolve"' in request and not os.path.exists({str(goes_on)!r}):
    time.sleep(0.05)
sys.exit(subprocess.run([{str(harness.PLAIN_BUILD / "mergeloom-worker")!r}], input=request).returncode)
""", encoding="utf-8")
    worker.chmod(0o755)
    ask = {"schema": "mergeloom.job.v1", "repository": {"path": str(harness.repository(harness.FILES))},
           "ticket": {"key": "T-1", "title": "Mend", "description": harness.MARK}}
    with daemon(MERGELOOM_PLUGIN_PATH=plugins(), MERGELOOM_WORKER=worker, JCA_WORKER_PROVIDER="harmful") as server, \
            concurrent.futures.ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(api, server, "/resolve", "POST", ask) for _ in range(12)]
        for _ in range(20):
            for path in ("/healthz", "/providers", "/api/v1/jobs"):
                equal(harness.request(server.url + path)[0], 200, path)
        check(not any(each.done() for each in asked), "the page was there before what hangs has ended")
        goes_on.touch()
        for each in asked:
            equal(each.result()[0], 200, "a resolution when it goes on")


def crashes(server, path):
    """What the daemon knows of the plugin of that file: how often it crashed, and what the audit has of it."""
    plugin = next(each for each in api(server, "/providers")[2]["plugins"] if each["path"] == str(path))
    entries = api(server, f"/audit?kind=plugin&subject={path.name}")[2]["entries"]
    return plugin, [entry["text"] for entry in entries]


def must_be_left_alone(server, path, reason):
    """It ended three workers, is named wherever one looks, and what was asked of them is done without it. Workers that
    run meanwhile may be ended as well."""
    plugin, entries = wait_for(lambda: (lambda found: found if found[0]["quarantined"] else None)(
        crashes(server, path)), f"{path} is left alone")
    check(plugin["crashes"] >= 3, f"crashes of {path}")
    contains(plugin["last_crash"], reason, "the last crash")
    contains(plugin["last_crash"], str(path), "the last crash")
    equal(len(entries), plugin["crashes"], f"{entries}")
    contains(entries[0], reason, "the audit")
    for page in ("/providers", "/health"):
        text = harness.request(server.url + page)[2].decode()
        contains(text, str(path), page)
        contains(text, reason, page)


def test_bad_start():
    """plugins that abort, crash, leave or grow while they are loaded, or leave when they are shut down, cost nothing"""
    folder = plugins()
    reasons = {"abort": "signal 6", "segfault": "signal 11", "leave": "ended with status 0",
               "grow": "more than 256 MiB", "late": "shut down"}
    paths = {name: add_plugin(folder, name) for name in reasons}
    settings = {"MERGELOOM_PLUGIN_PATH": folder, "JCA_WORKER_PROVIDER": "harmful", "JCA_WORKER_MEMORY_MIB": "256"}
    with harness.simulator(script()) as sim:
        with daemon(**settings) as server:
            set_up(server, sim)
            for name, reason in reasons.items():
                must_be_left_alone(server, paths[name], reason)
            submit(server, "one", "none")
            equal(wait_for(lambda: ended(server, "one"), "the job ends")["state"], "completed", "a job of another plugin")
            equal(provider(server, "harmful")["crashes"], 0, "crashes of the plugin that did nothing")
        with daemon(**settings) as server:
            for name, reason in reasons.items():
                must_be_left_alone(server, paths[name], reason)
            must_be_tried_again(server, folder, paths)


def must_be_tried_again(server, folder, paths):
    """When somebody asks for it, on the page or by the API, and when the file is another one."""
    add_plugin(folder, "abort", "mock-good")
    equal(api(server, "/plugins/release", "POST", {"path": str(paths["segfault"])})[0], 202, "the release by the API")
    _, entries = wait_for(lambda: (lambda found: found if len(found[1]) >= 7 else None)(
        crashes(server, paths["segfault"])), "it crashes three times more")
    contains("\n".join(entries), "somebody asked for it", "the audit")
    wait_for(lambda: provider(server, "mock").get("id"), "the provider of the file that was replaced")
    plugin, entries = crashes(server, paths["abort"])
    equal((plugin["crashes"], plugin["failure"]), (0, None), f"{plugin}")
    contains(entries[0], "its file is another one", "the audit")
    browser = Browser(server)
    equal(browser.submit("/plugins/release", plugin=str(paths["leave"]))[0], 303, "the release on the page")
    wait_for(lambda: len(crashes(server, paths["leave"])[1]) >= 7, "it crashes three times more")
    status, _, problem = api(server, "/plugins/release", "POST", {"path": "/nowhere"})
    equal(status, 404, f"{problem}")
    equal(browser.submit("/plugins/release", plugin="")[0], 404, "a form without a path")


def test_bad_layer():
    """a plugin that others ask and that crashes is named in the place of the provider, and left out after three times"""
    folder = plugins()
    path = add_plugin(folder, "veto")
    ask = {"schema": "mergeloom.job.v1", "repository": {"path": str(harness.repository(harness.FILES))},
           "ticket": {"key": "T-1", "title": "Mend", "description": harness.MARK}}
    with harness.simulator(script()) as sim, \
            daemon(MERGELOOM_PLUGIN_PATH=folder, JCA_WORKER_PROVIDER="harmful") as server:
        set_up(server, sim)
        for number in range(1, 4):
            status, _, problem = api(server, "/resolve", "POST", ask)
            equal(status, 500, f"{problem}")
            contains(problem["title"], f"signal 6 (Aborted) while {path} was used", "what went wrong")
            equal(crashes(server, path)[0]["crashes"], number, "crashes")
        must_be_left_alone(server, path, "signal 6")
        submit(server, "one", "none")
        equal(wait_for(lambda: ended(server, "one"), "the job ends")["state"], "completed", "a job without that layer")
        equal(provider(server, "harmful")["crashes"], 0, "crashes of the provider's plugin")


def test_hang_at_start():
    """a plugin that does not come back while it is loaded is left alone"""
    folder = plugins()
    path = add_plugin(folder, "hang")
    with daemon(MERGELOOM_PLUGIN_PATH=folder, JCA_WORKER_CHECK_SECONDS="1") as server:
        must_be_left_alone(server, path, "still busy with it after 1 s")
        equal(provider(server, "harmful")["title"], "Harmful", "the provider of the other plugin")


def test_bad_start_on_executor():
    """a plugin that crashes while an executor loads it is named at the gateway, with the executor"""
    cluster = {"JCA_WORKER_CLUSTER_TOKEN": "cluster-test-token-not-a-secret"}
    folder = plugins("of-executor")
    path = add_plugin(folder, "abort")
    add_plugin(plugins(), "good", "mock-good")
    with daemon(**cluster, MERGELOOM_PLUGIN_PATH=harness.scratch() / "plugins", JCA_WORKER_PROVIDER="mock",
                JCA_WORKER_ROLE="gateway", JCA_WORKER_NAME="gateway") as gateway, \
            daemon(**cluster, MERGELOOM_PLUGIN_PATH=folder, JCA_WORKER_ROLE="executor", JCA_WORKER_NAME="one",
                   JCA_WORKER_GATEWAY_URL=gateway.url, JCA_PROVIDER_CONFIG_MODE="gateway",
                   JCA_WORKER_RUNTIME_CONFIG_MODE="gateway", XDG_STATE_HOME=harness.scratch() / "one"):
        submit(gateway, "waiting", "none")
        found = wait_for(lambda: api(gateway, "/executors")[2]["executors"], "the executor comes")[0]
        equal(found["name"], "one", f"{found}")
        entry = api(gateway, "/audit?kind=plugin&subject=one")[2]["entries"][0]["text"]
        reason = api(gateway, "/jobs/waiting")[2]["reason"]
        page = harness.request(gateway.url + "/")[2].decode()
        for text in (found["crashing_plugins"], entry, reason, page):
            contains(text, str(path), "the plugin")
            contains(text, "signal 6", "how it crashed")
        contains(reason, "one: its plugin is not loaded", "the reason why the job waits")


harness.main(globals())
