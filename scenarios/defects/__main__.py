"""``python -m scenarios.defects [ID COMMAND …]``: list the defects, or run a command with one.

The defect is planted before the gateway is loaded; what follows is the ordinary command line. An
id ``mutant:SEED:NUMBER`` plants the mechanical mutant that `mutants.draw` gives for that seed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scenarios.defects.catalogue import DefectError, load, load_one
from scenarios.defects.mutants import draw
from scenarios.defects.planting import plant

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(arguments: list[str]) -> int:
    """Return the exit code of the command; 2 for a defect that does not exist or does not fit."""
    try:
        if not arguments:
            for defect in load().values():
                sys.stdout.write(f"{defect.id:50}{defect.breaks:11}{defect.title}\n")
            return 0
        plant(_sources(arguments[0]))
    except DefectError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.argv = ["meterbench", *arguments[1:]]
    from scenarios.cli import main as meterbench

    meterbench()
    return 0


def _sources(id_: str) -> Mapping[str, str]:
    """Return what is to be planted; raises DefectError for an id that is none."""
    defect = load_one(id_)
    if defect is not None:
        return defect.sources()
    word, _, rest = id_.partition(":")
    seed, _, number = rest.partition(":")
    if word == "mutant" and seed.isdecimal() and number.isdecimal():
        drawn = draw(int(number) + 1, int(seed))
        if int(number) < len(drawn):
            mutant = drawn[int(number)]
            return {mutant.module: mutant.source}
    raise DefectError(f"{id_}: no such defect; without an argument all are listed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
