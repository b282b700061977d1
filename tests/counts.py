#!/usr/bin/env python3
"""Counts what a report of tests says.

Usage: counts.py meson TESTLOG.JSON | junit REPORT.XML

Prints "PASSED FAILED" and then the names of those that failed, a line each; on standard error, what
the programs that failed said. A program that speaks TAP counts by its test points; one that ends badly
without a failed point counts as one failure.
"""
import json
import re
import sys
import xml.etree.ElementTree

GOOD_RESULTS = {"OK", "EXPECTEDFAIL"}
POINT = re.compile(r"^(not )?ok\b(?: +\d+)?(?: +-)? *(.*)$", re.M)


def count_meson(path):
    passed, failures = 0, []
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            if test["result"] == "SKIP":
                continue
            points = POINT.findall(test.get("stdout", ""))
            bad = [f"{test['name']}: {name}" for is_not, name in points if is_not]
            good = sum(1 for is_not, name in points if not is_not and "# SKIP" not in name)
            is_good = test["result"] in GOOD_RESULTS
            if not is_good and not bad:
                bad = [f"{test['name']}: {test['result'].lower()}"]
            passed += good if good or bad else int(is_good)
            failures += bad
            if bad:
                said = [text for text in test.get("stdout", "").splitlines() if not text.startswith("ok ")]
                print(f"{test['name']}:", *said[-30:], *test.get("stderr", "").splitlines()[-30:], sep="\n  ", file=sys.stderr)
    return passed, failures


def count_junit(path):
    passed, failures = 0, []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" not in outcomes:
            passed += 1
    return passed, failures


def main():
    kind, path = sys.argv[1:]
    passed, failures = {"meson": count_meson, "junit": count_junit}[kind](path)
    print(passed, len(failures))
    for name in failures:
        print(name)


if __name__ == "__main__":
    main()
