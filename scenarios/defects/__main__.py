"""``python -m scenarios.defects [ID COMMAND …]``: list the defects, or run a command with one.

The defect is planted before the gateway is loaded; what follows is the ordinary command line.
"""

from __future__ import annotations

import sys

from scenarios.defects.catalogue import DefectError, load
from scenarios.defects.planting import plant


def main(arguments: list[str]) -> int:
    """Return the exit code of the command; 2 for a defect that does not exist or does not fit."""
    try:
        defects = load()
        if not arguments:
            for defect in defects.values():
                sys.stdout.write(f"{defect.id:50}{defect.breaks:11}{defect.title}\n")
            return 0
        if arguments[0] not in defects:
            raise DefectError(f"{arguments[0]}: no such defect; without an argument all are listed")
        plant(defects[arguments[0]].sources())
    except DefectError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.argv = ["meterbench", *arguments[1:]]
    from scenarios.cli import main as meterbench

    meterbench()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
