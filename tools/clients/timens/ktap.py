# SPDX-License-Identifier: GPL-2.0-only
"""Runs unittest cases and prints their results as KTAP, a suite for each class."""

import time
import traceback
import unittest


class KtapResult(unittest.TestResult):
    """A line for each case as it ends, the reason of a failure before it."""

    def __init__(self, indent="    "):
        super().__init__()
        self.indent = indent
        self.number = 0

    def put(self, text):
        print(self.indent + text, flush=True)

    def put_result(self, test, word, suffix=""):
        self.number += 1
        # What fails in setUpClass() comes under a name of its own making.
        name = test.id().rpartition(".")[2].removeprefix("test_") if isinstance(test, unittest.TestCase) else "set_up"
        self.put(f"{word} {self.number} {name}{suffix}")

    def put_reason(self, test, error):
        kind, value, trace = error
        where = traceback.extract_tb(trace)
        ours = [frame for frame in where if "unittest" not in frame.filename]
        # What a case says of itself is what to know when it fails.
        about = test.shortDescription()
        for line in [*([about] if about else []), *(str(value).splitlines() or [kind.__name__])]:
            self.put("# " + line)
        if ours:
            self.put(f"# at {ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}: {ours[-1].line}")

    def addSuccess(self, test):
        self.put_result(test, "ok")

    def addSkip(self, test, reason):
        self.put_result(test, "ok", " # SKIP " + reason)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.put_reason(test, error)
        self.put_result(test, "not ok")

    addError = addFailure


class Suite:
    """The cases of one class, under a name of its own, in the order in which they are written."""

    def __init__(self, name, case, **attributes):
        self.name = name
        self.case = type(name, (case,), {**attributes, "__module__": case.__module__})
        self.methods = [
            method for kind in reversed(case.__mro__) for method in vars(kind) if method.startswith("test_")
        ]

    def run(self, number):
        result = KtapResult()
        result.put("KTAP version 1")
        result.put("# Subtest: " + self.name)
        result.put(f"1..{len(self.methods)}")
        started = time.monotonic()
        suite = unittest.TestSuite(self.case(method) for method in self.methods)
        suite.run(result)
        good = result.wasSuccessful() and result.number == len(self.methods)
        result.put(f"# {time.monotonic() - started:.0f} s")
        print(("ok" if good else "not ok") + f" {number} {self.name}", flush=True)
        return good


def run_suites(suites):
    """Print the whole document; True if all is well."""
    print("KTAP version 1")
    print(f"1..{len(suites)}", flush=True)
    return all([suite.run(number) for number, suite in enumerate(suites, 1)])
