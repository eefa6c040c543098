"""``python -m scenarios.compliance.seeds N``: false alarms over N seeds of the good gateway.

A suite that fails a good gateway now and then is worth nothing: every seed must pass every case.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from reports.verdict import Verdict
from scenarios.compliance import suite


def alarms(seed: int) -> list[str]:
    """What came out above PASS with one seed, in words."""
    found = suite.run(suite.select_cases(), seed=seed)
    return [
        f"seed {seed}: {case.verdict.value} {case.id}: {case.reason.splitlines()[0]}"
        for case in found.cases
        if case.verdict > Verdict.PASS
    ]


def main(arguments: list[str]) -> int:
    """Return 0 where no seed of 1 to N gave an alarm, 1 where one did, 2 for wrong usage."""
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.stderr.write("usage: python -m scenarios.compliance.seeds N\n")
        return 2
    count = int(arguments[0])
    false = 0
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        for found in pool.map(alarms, range(1, count + 1)):
            false += bool(found)
            for line in found:
                sys.stdout.write(line + "\n")
    sys.stdout.write(f"{false} of {count} seeds of the good gateway raised an alarm\n")
    return 1 if false else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
