#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages of mergeloomd in a browser that is not ours: Chromium, with axe-core looking for what keeps people out."""
import harness
from daemon_server import daemon, fake_programs, needs_browser, settled, simulated, tell_browser
from harness import check


def tell(story, server, sim, repository=None, control=None):
    tell_browser(story, server, sim=sim and sim.url, repository=repository, mark=harness.MARK, control=control)


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
