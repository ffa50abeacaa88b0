#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages of mergeloomd in a browser that is not ours: Chromium, with axe-core looking for what keeps people out."""
import json
import os
import shutil

import harness
from daemon_server import daemon, fake_programs, settled, simulated
from harness import check, equal


def tell(story, server, sim, repository=None, control=None):
    node, modules = harness.node_modules()
    plan = {"url": server.url, "sim": sim and sim.url, "repository": str(repository), "mark": harness.MARK,
            "control": str(control),
            "screenshots": str(harness.BUILD / "tests/e2e/screenshots")}
    environment = harness.clean_environment(CHROMIUM=os.environ.get("CHROMIUM"))
    finished = harness.run([node, harness.SOURCE / "tests/e2e/daemon_browser.mjs", modules, story, json.dumps(plan)],
                           environment)
    equal(finished.status, 0, f"{story}: {finished!r}")


def needs_browser():
    harness.node_modules()
    if os.environ.get("CHROMIUM") or shutil.which("chromium", path="/usr/bin"):
        return
    reason = "Chromium is not installed: ./dev setup installs it"
    raise harness.Failure(reason) if os.environ.get("CI") == "true" else harness.Skip(reason)


def test_first_run():
    """from an empty store to a finished job, without loading a page again"""
    needs_browser()
    repository = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, \
            daemon(JCA_WORKER_PROVIDER="openai-compatible") as server:
        tell("first_run", server, sim, repository)
        check("hello, world" in harness.hello(repository), "the work tree")


def test_without_scripts():
    """the same without JavaScript"""
    needs_browser()
    repository = harness.repository(harness.FILES)
    with harness.simulator(harness.job_script(harness.job_steps())) as sim, \
            daemon(JCA_WORKER_PROVIDER="openai-compatible") as server:
        tell("without_scripts", server, sim, repository)


def test_keyboard():
    """a provider is set up with the keyboard alone"""
    needs_browser()
    with harness.simulator() as sim, daemon() as server:
        tell("keyboard", server, sim)


def test_locked_and_wrong():
    """a field of the deployment is locked; a failed check says what to do; a value that does not fit comes back"""
    needs_browser()
    with harness.simulator() as sim, daemon(JCA_OPENAI_COMPATIBLE_MODEL="sim-1") as server:
        settled(server, "openai-compatible")
        tell("locked_and_wrong", server, sim)


def test_login():
    """a program's own login: page and code, another look at them, and a card that goes on by itself"""
    needs_browser()
    control, programs = fake_programs()
    with daemon(**programs) as server:
        settled(server, "codex-cli")
        tell("login", server, None, control=control)


def test_conditional_fields():
    """fields that do not apply are hidden"""
    needs_browser()
    with harness.simulator() as sim, daemon() as server:
        tell("conditional", server, sim)


def test_looks():
    """every page fits a phone, light and dark, and axe finds nothing"""
    needs_browser()
    with harness.simulator() as sim, daemon(**simulated(sim.url)) as server:
        settled(server, "openai-compatible")
        tell("looks", server, sim)


harness.main(globals())
