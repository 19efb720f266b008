"""Prints what tools/test found: a line a stage, the tests that failed, the suites that were skipped and why.

    python3 tools/test_report.py LOGS SECONDS

LOGS holds `stages` ("name outcome seconds", a line each) and, for stages that ran tests, NAME.xml in JUnit's format as ctest
writes it. A suite says that it is skipped by printing "SKIPPED: suite: reason". Exit status 1 if anything failed, or if
anything was skipped under CI=true.
"""

import os
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

SKIPPED = re.compile(r"^SKIPPED: ([^:]+): (.*)$", re.MULTILINE)
# GoogleTest's own count of a binary's tests; a binary of another kind is one test.
PASSED_TESTS = re.compile(r"^\[  PASSED  \] (\d+) tests?\.", re.MULTILINE)
FAILED_TEST = re.compile(r"^\[  FAILED  \] .* \(\d+ ms\)$", re.MULTILINE)


class Stage:
    def __init__(self, name, outcome, seconds):
        self.name, self.outcome, self.seconds = name, outcome, int(seconds)
        self.suites = self.passed = self.failed = 0
        self.failures = []
        self.skipped = []  # (suite, reason)

    def read(self, path):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            output = case.findtext("system-out") or ""
            name = case.get("name")
            self.suites += 1
            self.skipped += SKIPPED.findall(output)
            status = case.get("status")
            if status in ("notrun", "disabled"):
                self.skipped.append((name, "not run: " + (case.find("skipped").get("message") if case.find("skipped") is not None else status)))
                continue
            passed = PASSED_TESTS.search(output)
            self.passed += int(passed.group(1)) if passed else int(status == "run")
            if status == "fail":
                self.failed += max(1, len(FAILED_TEST.findall(output)))
                self.failures.append(name)


def main():
    logs, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    stages = []
    for line in (logs / "stages").read_text().splitlines():
        stage = Stage(*line.split())
        if (logs / f"{stage.name}.xml").exists():
            stage.read(logs / f"{stage.name}.xml")
        stages.append(stage)

    print()
    print(f"{'stage':<12} {'outcome':<8} {'suites':>7} {'passed':>7} {'failed':>7} {'skipped':>8} {'time':>7}")
    for s in stages:
        counts = [s.suites, s.passed, s.failed, len(s.skipped)] if s.suites else ["-"] * 4
        print(f"{s.name:<12} {s.outcome:<8} {counts[0]:>7} {counts[1]:>7} {counts[2]:>7} {counts[3]:>8} {s.seconds:>5} s")
    skipped = sorted({(s.name, *entry) for s in stages for entry in s.skipped})
    for s in stages:
        for name in s.failures:
            print(f"FAILED: {s.name}: {name}")
    for stage, suite, reason in skipped:
        print(f"SKIPPED: {stage}: {suite}: {reason}")

    # A stage without tests of its own counts as one.
    passed = sum(s.passed or (s.outcome == "passed" and not s.suites) for s in stages)
    failed = sum(s.failed or s.outcome != "passed" for s in stages)
    print(f"took {seconds // 60} min {seconds % 60} s")
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    forbidden = skipped and os.environ.get("CI") == "true"
    if forbidden:
        print("CI=true: nothing may be skipped")
    return 1 if failed or forbidden else 0


if __name__ == "__main__":
    sys.exit(main())
