#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every name that the public headers put into a program begins with our prefix, every function has a comment, and the
plugin ABI uses no type that differs between compilers or languages."""

import os
import re
import sys

INCLUDE = os.path.join(os.environ.get("top_srcdir", "."), "libmergeloom", "include", "mergeloom")
OURS = re.compile(r"^(mloom_|MLOOM_|mergeloom_|MERGELOOM_)")
problems = []


def code_of(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    return text


def check_name(path, name):
    if not OURS.match(name):
        problems.append(f"{os.path.basename(path)}: the name {name} has no prefix of ours")


def check_comments(path):
    """A comment, or another function of the same comment, stands right above each function."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for above, line in zip(lines, lines[1:]):
        if line.startswith("MLOOM_API ") and not above.endswith(("*/", ";")):
            problems.append(f"{os.path.basename(path)}: no comment above: {line}")


def without_braces(text):
    """File-scope text: the insides of structs are gone, extern "C" blocks are opened."""
    text = re.sub(r'extern\s+"C"\s*\{', " ", text)
    previous = None
    while previous != text:
        previous = text
        text = re.sub(r"\{[^{}]*\}", " ", text)
    return text.replace("}", " ")


def check_declarations(path, text):
    count = 0
    for statement in without_braces(text).split(";"):
        statement = " ".join(statement.split())
        if not statement:
            continue
        pointer = re.match(r"typedef .*?\(\s*\*\s*(\w+)\s*\)", statement)
        function = re.match(r"(?!typedef)[\w\s*]*?(\w+)\s*\(", statement)
        plain = re.match(r"typedef .*?(\w+)$", statement)
        found = pointer or function or plain
        if found is None:
            problems.append(f"{os.path.basename(path)}: cannot read: {statement[:80]}")
            continue
        check_name(path, found.group(1))
        count += 1
        for tag in re.findall(r"\b(?:struct|union|enum)\s+(\w+)", statement):
            check_name(path, tag)
    return count


def check_plugin_types(path, text):
    for word in ("enum", "bool", "_Bool", "long", "short", "float", "double", "time_t", "FILE", "va_list", "union"):
        if re.search(rf"\b{word}\b", text):
            problems.append(f"{os.path.basename(path)}: uses {word}")
    if re.search(r"\w+\s*:\s*\d+\s*;", text):
        problems.append(f"{os.path.basename(path)}: has a bit-field")
    if re.search(r"\.\.\.\s*\)", text):
        problems.append(f"{os.path.basename(path)}: has a function of variable arguments")
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\}\s*\w+;", text, flags=re.S):
        first = " ".join(body.split()[:4])
        if name != "mloom_bytes" and first != "uint32_t size; uint32_t flags;":
            problems.append(f"{os.path.basename(path)}: {name} does not begin with size and flags")


total = 0
for header in sorted(os.listdir(INCLUDE)):
    path = os.path.join(INCLUDE, header)
    check_comments(path)
    text = code_of(path)
    for macro in re.findall(r"^\s*#\s*define\s+(\w+)", text, flags=re.M):
        check_name(path, macro)
    text = re.sub(r"^\s*#.*$", " ", text, flags=re.M)
    total += check_declarations(path, text)
    if header in ("plugin.h", "types.h"):
        check_plugin_types(path, text)

if total < 60:
    problems.append(f"only {total} declarations were found in {INCLUDE}")
print("1..1")
for problem in problems:
    print(f"# {problem}")
print(f"{'not ok' if problems else 'ok'} 1 - names and types of {total} public declarations")
sys.exit(1 if problems else 0)
