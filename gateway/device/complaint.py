"""What was wrong in a configuration file, in words that name the place, the rule and the culprit.

Bad input never stops the device and never vanishes: it becomes a `Complaint`, and what the file
says elsewhere still counts (C-23).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What a message says in place of a value that is nobody's business.
SECRET: Final = "a value that is not shown"
#: Characters of a culprit that are quoted; a hostile file must not fill the log.
QUOTED_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Complaint:
    """One finding in one file.

    `line` counts from 1 and is None where no line is to blame; `key` is the key or element with
    its section or parent; `action` says what the device does instead. `fatal` = the file as a
    whole was not used.
    """

    key: str
    expected: str
    got: str
    action: str
    line: int | None = None
    fatal: bool = False

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return f"{place}{self.key}: expected {self.expected}, got {self.got}; {self.action}"


def quoted(text: str) -> str:
    """Quote a culprit, escaped and shortened."""
    shown = text if len(text) <= QUOTED_MAX else text[:QUOTED_MAX] + "…"
    return ascii(shown) if not shown.isprintable() else f"'{shown}'"
