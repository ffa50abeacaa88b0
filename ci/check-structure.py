#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what compilers do not: who may include what, licence lines, leftovers, links and the list of pages. Prints "lint: FILE:LINE: what"."""
import pathlib
import re
import subprocess
import sys

FLOORS = {
    "base": 1, "net": 2, "process": 2, "secret": 2, "plugin": 3, "settings": 4, "credential": 5, "resolver": 5,
    "provider": 6, "job": 7, "readiness": 8, "worker": 9,
}
# A library's headers, and where alone they may be included.
OWNERS = {
    r"json-c/|json\.h$": ["libmergeloom/base/json.c"],
    r"curl/": ["libmergeloom/net/libcurl.h"],
    r"ltdl\.h": ["libmergeloom/plugin/loader.c"],
    r"openssl/": ["libmergeloom/secret/"],
    r"microhttpd\.h": ["daemon/http.c"],
    r"sqlite3\.h": ["daemon/store/sqlite.c", "daemon/store/snapshot.c"],
    r"libpq": ["daemon/store/postgresql.c", "daemon/store/postgresql_connection.c", "daemon/store/postgresql_connection.h"],
}
# What plugins may take from the library's inside: files that depend on libc only; of json.h the names of kinds, as
# nothing else of it could be linked.
PORTABLE = {
    "base/buffer.h", "base/cleanup.h", "base/json.h", "base/text.h", "base/json_reader.h", "base/json_writer.h", "base/error.h",
    "base/base64.h", "base/file.h", "base/timestamp.h",
    "base/json_template.h", "base/shell_line.h", "net/sse.h", "net/url.h",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Written so that this file does not find itself.
LEFTOVERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
CODE = (".c", ".h")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LICENSED = (".c", ".h", ".py", ".sh", ".mjs", ".rs")

problems = []


def report(path, line, what):
    problems.append(f"lint: {path}:{line}: {what}")


def check_include(path, line, kind, name):
    for pattern, owners in OWNERS.items():
        if kind == "<" and re.match(pattern, name) and not path.startswith(("tests/", "bench/", "fuzz/")):
            if not any(path == owner or (owner.endswith("/") and path.startswith(owner)) for owner in owners):
                report(path, line, f"<{name}> belongs in {owners[0]} only")
    if kind != '"':
        return
    parts = path.split("/")
    folder = name.split("/")[0]
    if parts[0] == "libmergeloom" and parts[1] in FLOORS and folder in FLOORS:
        if FLOORS[folder] > FLOORS[parts[1]]:
            report(path, line, f'"{name}" is of a higher floor than {parts[1]}')
    if parts[0] == "plugins" and folder in FLOORS and name not in PORTABLE:
        report(path, line, f'"{name}" is not for plugins: they see mergeloom/plugin.h and the portable files')
    if parts[0] in ("tool", "examples") and folder in FLOORS:
        report(path, line, f'"{name}" is private: {parts[0]}/ uses the public headers')


def check_process(path, number, line):
    if path.startswith("libmergeloom/") and not path.startswith("libmergeloom/process/"):
        if re.search(r"\b(fork|vfork|execve|execvp|execv|posix_spawn|posix_spawnp|popen|system)\s*\(", line):
            report(path, number, "processes are started in libmergeloom/process only")
    if path.startswith("libmergeloom/") and re.search(r"\b(exit|abort|setenv|putenv|chdir|signal|sigaction)\s*\(", line):
        if not path.startswith("libmergeloom/process/supervise"):
            report(path, number, "the library never exits, changes directory or environment, or handles signals")
    if path.startswith("libmergeloom/") and re.search(r"(?<![\w])printf\s*\(", line):
        report(path, number, "the library never prints")


def check_locale(path, number, line):
    """The program that loads the library chooses the locale: a decimal comma, a Turkish dotless i."""
    follows = r"\b(strn?casecmp|strcasestr|strtod|strtof|strtold|atof|tolower|toupper|is(alpha|alnum|digit|space|lower|upper|print|punct))\s*\("
    if path.startswith(("libmergeloom/", "plugins/")) and "process/supervise" not in path and re.search(follows, line):
        report(path, number, "this follows the locale of the program: base/text.h has what does not")


def check_links(root, path, number, line):
    for target in LINK.findall(line):
        name = target.split("#")[0]
        if name and not re.match(r"[a-z]+:", name) and not (root / path).parent.joinpath(name).exists():
            report(path, number, f"the link leads nowhere: {target}")


def check_pages(root, paths):
    """Every page is in the release archive and in the index."""
    archive = (root / "docs/local.mk").read_text(encoding="utf-8").split()
    index = LINK.findall((root / "docs/README.md").read_text(encoding="utf-8"))
    for path in paths:
        if path.startswith("docs/") and path.endswith(".md"):
            if path not in archive:
                report(path, 1, "the page is missing in docs/local.mk")
            if path != "docs/README.md" and path.removeprefix("docs/") not in index:
                report(path, 1, "the page is missing in docs/README.md")


def main():
    root = pathlib.Path(sys.argv[1])
    listed = subprocess.run(["git", "-C", str(root), "ls-files"], check=True, capture_output=True, text=True).stdout
    check_pages(root, listed.splitlines())
    for path in listed.splitlines():
        file = root / path
        if file.is_symlink() or not file.is_file():
            continue
        is_licensed = path.endswith(LICENSED) and not path.startswith("fuzz/seeds/")
        if not is_licensed and not path.endswith((".md", ".mk", ".am", ".ac")):
            continue
        text = file.read_text(encoding="utf-8")
        if text and is_licensed and "SPDX-License-Identifier: Apache-2.0" not in text[:400]:
            report(path, 1, "the licence line is missing")
        comment = False
        for number, line in enumerate(text.splitlines(), 1):
            if LEFTOVERS.search(line):
                report(path, number, "unfinished work is marked")
            if path.endswith(".md"):
                check_links(root, path, number, line)
            if not path.endswith(CODE):
                continue
            match = INCLUDE.match(line)
            if match:
                check_include(path, number, match.group(1), match.group(2))
            code = line.strip()
            in_comment = comment or code.startswith(("/*", "*", "//"))
            comment = (comment or "/*" in code) and "*/" not in code.rsplit("/*", 1)[-1]
            if not in_comment:
                code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
                check_process(path, number, code)
                check_locale(path, number, code)
    print("\n".join(problems))
    return 1 if problems else 0


sys.exit(main())
