#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What "make install" left behind, used as a stranger would; run by "make installcheck".

installed_bindir and installed_libdir name the folders of the installed tree.
"""
import os
import pathlib
import re
import shlex
import shutil

import harness
from harness import check, contains, equal, lacks

BIN = pathlib.Path(os.environ["installed_bindir"])
LIB = pathlib.Path(os.environ["installed_libdir"])
CC = shlex.split(os.environ.get("CC", "cc"))
# Sanitizers of the tree that is tested come along.
FLAGS = shlex.split(os.environ.get("installed_cflags", ""))


def environment(**more):
    result = harness.clean_environment(PKG_CONFIG_PATH=LIB / "pkgconfig", **more)
    # Everything is to be found where it was installed.
    result.pop("MERGELOOM_PLUGIN_PATH", None)
    result.pop("MERGELOOM_SUPERVISE", None)
    result.update({name: str(value) for name, value in more.items()})
    return result


def pkg_config(*arguments):
    return shlex.split(harness.must(["pkg-config", *arguments], environment=environment()))


def repository_and_ticket():
    ticket = harness.scratch() / "ticket.txt"
    ticket.write_text(harness.TICKET, encoding="utf-8")
    return harness.repository(harness.FILES), ticket


def build_example(name):
    """Builds the example in a folder of its own, with what is installed; the folder."""
    folder = harness.scratch() / name
    shutil.copytree(harness.SOURCE / "examples" / name, folder)
    harness.must(["chmod", "-R", "u+w,go-w", folder])
    built = harness.run(["make", f"CC={' '.join(CC)}"], cwd=folder, environment=environment())
    equal(built.status, 0, f"make of {name}: {built!r}")
    contains(built.out, "-Wl,-z,defs", "how it is linked")
    return folder


def check_linking(folder):
    """The plugin links no library of ours and exports the entry alone."""
    objects = list(folder.glob("mergeloom-*.so"))
    equal(len(objects), 1, f"shared objects: {objects}")
    needed = harness.must(["readelf", "-d", objects[0]])
    check(not re.search(r"NEEDED.*mergeloom", needed), f"it links a library of ours: {needed}")
    symbols = harness.must(["nm", "-D", "--defined-only", objects[0]]).split()
    equal([name for name in symbols if "mergeloom" in name or "mloom" in name], ["mergeloom_plugin_init_v1"],
          "exported symbols")


def run_job(folder, provider, script=None, **settings):
    """A job through the plugin in folder; what the simulator saw of it. "SERVER" in a setting is its address."""
    repo, ticket = repository_and_ticket()
    with harness.simulator(script or harness.job_script(harness.job_steps())) as server:
        settings = {name: str(value).replace("SERVER", server.url) for name, value in settings.items()}
        finished = harness.run([BIN / "mergeloom", "run", "--repo", repo, "--ticket", ticket],
                               environment=environment(MERGELOOM_PLUGIN_PATH=folder, JCA_WORKER_PROVIDER=provider,
                                                       JCA_WORKER_SCRATCH_PATH=harness.scratch(), **settings))
        seen = server.text()
    equal(finished.status, 0, f"{finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")
    return seen


def test_programs():
    """the programs run and find their plugins"""
    contains(harness.must([BIN / "mergeloom", "--version"], environment=environment()), "mergeloom", "version")
    contains(harness.must([BIN / "mergeloom-sim", "--version"], environment=environment()), "mergeloom-sim", "version")
    listed = harness.must([BIN / "mergeloom", "plugins"], environment=environment())
    contains(listed, "openai-compatible", "installed plugins")
    contains(listed, str(LIB / "mergeloom/plugins"), "where they are")
    check(not list((LIB / "mergeloom/plugins").glob("*.la")), "no .la files are beside the plugins")


def test_headers_alone():
    """every public header compiles alone, as C99 and as C++"""
    folder = pathlib.Path(harness.must(["pkg-config", "--variable=prefix", "mergeloom"],
                                       environment=environment()).strip()) / "include/mergeloom"
    flags = pkg_config("--cflags", "mergeloom-plugin")
    for header in sorted(folder.glob("*.h")):
        source = harness.scratch() / "one.c"
        source.write_text(f"#include <mergeloom/{header.name}>\n", encoding="utf-8")
        for language in (["-x", "c", "-std=c99", "-pedantic"], ["-x", "c++", "-std=c++11"]):
            if "c++" in language and not harness.shutil.which("g++"):
                continue
            compiler = "g++" if "c++" in language else CC[0]
            harness.must([compiler, *language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *flags, source],
                         environment=environment())


def test_minimal_provider():
    """a provider built out of tree with pkg-config mergeloom-plugin alone carries a whole job"""
    equal(pkg_config("--libs", "mergeloom-plugin"), [], "libraries that a plugin links")
    folder = build_example("minimal-provider")
    check_linking(folder)
    lines = (folder / "provider.c").read_text(encoding="utf-8").splitlines()
    check(len(lines) < 150, f"it has {len(lines)} lines")
    contains(run_job(folder, "minimal", JCA_MINIMAL_BASE_URL="SERVER/minimal"), "minimal /minimal turn 4",
             "the turns of the job")


def test_rust_provider():
    """a provider written in Rust carries a whole job, and the conformance checker has nothing against it"""
    folder = build_example("rust-provider")
    check_linking(folder)
    answer = harness.SOURCE / "tests/conformance/answers/minimal.txt"
    checked = harness.run([BIN / "mergeloom-plugin-check", "--answer", answer, folder / "mergeloom-minimal-rust.so"],
                          environment=environment())
    equal(checked.status, 0, f"{checked!r}")
    contains(run_job(folder, "minimal-rust", JCA_MINIMAL_RUST_BASE_URL="SERVER/minimal"), "minimal /minimal turn 4",
             "the turns of the job")


def test_helper_provider():
    """a provider whose turns a Python program does carries a whole job, with a key that no argument shows"""
    folder = build_example("helper-provider")
    check_linking(folder)
    seen = run_job(folder, "helper", script=harness.job_script(harness.job_steps(), key="test-key-not-a-secret"),
                   JCA_HELPER_PROGRAM=folder / "helper.py", JCA_HELPER_BASE_URL="SERVER/v1",
                   JCA_HELPER_API_KEY="test-key-not-a-secret", JCA_HELPER_MODEL="sim-1")
    contains(seen, "turn 4", "the turns of the job")


def test_helper_errors():
    """what a helper program writes last to its standard error output is told as the reason, and its key is not"""
    folder = build_example("helper-provider")
    repo, ticket = repository_and_ticket()
    settings = environment(MERGELOOM_PLUGIN_PATH=folder, JCA_WORKER_PROVIDER="helper",
                           JCA_WORKER_SCRATCH_PATH=harness.scratch(), JCA_HELPER_PROGRAM=folder / "helper.py",
                           JCA_HELPER_BASE_URL="http://127.0.0.1:1/v1", JCA_HELPER_API_KEY="test-key-not-a-secret",
                           JCA_HELPER_MODEL="sim-1")
    finished = harness.run([BIN / "mergeloom", "run", "--no-readiness", "--repo", repo, "--ticket", ticket],
                           environment=settings)
    equal(finished.status, 1, f"{finished!r}")
    contains(finished.everything(), "URLError", "the program's own reason")
    lacks(finished.everything(), "test-key-not-a-secret", "what is told")


def test_embedding():
    """the embedding example, built with pkg-config mergeloom alone, runs a job"""
    source = harness.SOURCE / "examples/embed.c"
    check(len(source.read_text(encoding="utf-8").splitlines()) < 100, "it has under 100 lines")
    program = harness.scratch() / "embed"
    harness.must([*CC, *FLAGS, "-Wall", "-Wextra", "-Werror", source, "-o", program,
                  *pkg_config("--cflags", "--libs", "mergeloom"), f"-Wl,-rpath,{LIB}"], environment=environment())
    repo, ticket = repository_and_ticket()
    with harness.simulator(harness.job_script(harness.job_steps())) as server:
        settings = harness.provider_environment(server.url)
        settings.pop("MERGELOOM_PLUGIN_PATH", None)
        settings.pop("MERGELOOM_SUPERVISE", None)
        finished = harness.run([program, repo, ticket], environment=settings)
    equal(finished.status, 0, f"{finished!r}")
    equal(harness.hello(repo), "hello, world\n", "hello.txt")


harness.main(globals())
