#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the test results that automake left below a build folder.

First line: passed, failed, skipped. Then one line for each skipped test with its reason. A CUnit program counts
as the tests it ran, a TAP script as its points, anything else as one.
"""
import pathlib
import re
import sys

CUNIT_TESTS = re.compile(r"^\s+tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$", re.MULTILINE)
TAP_SKIP = re.compile(r"^ok \d+ -? ?(.*?) # SKIP ?(.*)$", re.MULTILINE | re.IGNORECASE)
RESULT = re.compile(r"^:test-result: (\S+)", re.MULTILINE)


def main():
    build = pathlib.Path(sys.argv[1])
    passed = failed = skipped = 0
    reasons = []
    for trs in sorted(build.rglob("*.trs")):
        if any((parent / "configured-with").exists() for parent in trs.parents if parent != build and build in parent.parents):
            continue  # of another build below this one
        results = RESULT.findall(trs.read_text(errors="replace"))
        log_path = trs.with_suffix(".log")
        log = log_path.read_text(errors="replace") if log_path.exists() else ""
        name = str(trs.relative_to(build).with_suffix(""))
        cunit = CUNIT_TESTS.search(log)
        if cunit and results in (["PASS"], ["FAIL"]):
            total, ran, _, ran_failed, _ = map(int, cunit.groups())
            passed += ran - ran_failed
            failed += ran_failed + (total - ran)
            if results == ["FAIL"] and ran_failed == 0 and total == ran:
                failed += 1
            continue
        for result in results:
            if result in ("PASS", "XFAIL"):
                passed += 1
            elif result == "SKIP":
                skipped += 1
            else:
                failed += 1
        if results == ["SKIP"] and not TAP_SKIP.search(log):
            lines = [line for line in log.splitlines() if line.strip() and not line.startswith("SKIP ")]
            reasons.append(f"{name}: {lines[-1].strip() if lines else 'no reason given'}")
        reasons += [f"{name}: {point}: {why}" for point, why in TAP_SKIP.findall(log)]
    print(passed, failed, skipped)
    print("\n".join(reasons))


main()
