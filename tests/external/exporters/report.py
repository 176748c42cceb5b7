"""Counts what passed and failed for `tests/external/run`, and prints it as it happens."""

import os
import time
import traceback

TESTS = []


def test(name):
    """Registers a test, which takes the running Quillon."""

    def register(body):
        TESTS.append((name, body))
        return body

    return register


def run_all(*arguments):
    """Runs every test; a failure does not end the others. Gives an exit code."""
    failures = 0
    for name, body in TESTS:
        started = time.monotonic()
        try:
            body(*arguments)
        except Exception as error:  # whatever goes wrong is the test's
            failures += 1
            _note("failed", name)
            where = traceback.extract_tb(error.__traceback__)[-3:]
            at = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(where))
            text = str(error) or type(error).__name__
            print(f"FAILED  {name}\n        {text[:4000]}\n        at {at}", flush=True)
        else:
            _note("passed", name)
            print(f"ok      {name} ({(time.monotonic() - started) * 1000:.0f} ms)", flush=True)
    return 1 if failures else 0


def _note(outcome, name):
    if path := os.environ.get("QUILLON_RESULTS"):
        with open(path, "a") as lines:
            lines.write(f"{outcome} exporters: {name}\n")
