"""Complaints about a scenario file: code, place, source line, caret and, if known, the fix.

All complaints of a file are given at once, in the order of the file. The text form is made for a
terminal, ``json`` for editors, ``github`` for annotations of a pull request.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A source line longer than this is cut round the place that matters.
SOURCE_COLUMNS_MAX: Final = 110

#: Columns kept in front of the caret where a line has to be cut on its left.
_LEAD: Final = 40

#: What each code means; the reference of the language is made from this table.
# fmt: off
CODES: Final[dict[str, str]] = {
    "SCN001": "the file cannot be read",
    "SCN002": "the file is not YAML",
    "SCN003": "a key stands twice",
    "SCN010": "a duration is malformed",
    "SCN011": "a key is not known here",
    "SCN012": "a key is missing",
    "SCN013": "a value is not one of those allowed",
    "SCN014": "a value is of the wrong kind",
    "SCN015": "a value is outside its range",
    "SCN016": "a text has the wrong form",
    "SCN021": "a step is not known",
    "SCN022": "a step holds no verb, or more than one",
    "SCN023": "a name is used twice",
    "SCN024": "a client is not known",
    "SCN025": "a meter is not known",
    "SCN026": "a requirement is not in the catalogue",
    "SCN027": "a fault is not known",
    "SCN028": "a fault or a value does not take this",
    "SCN029": "a condition on the device is none",
    "SCN030": "a property does not parse",
    "SCN031": "a property names an unknown meter",
    "SCN032": "a property names an unknown signal",
    "SCN033": "a property compares with a value that the signal never has",
    "SCN034": "a property compares or combines things of different kinds",
    "SCN035": "a property's bounds are the wrong way round",
    "SCN036": "a property stands where it cannot be judged",
    "SCN037": "a property watches two different groups of meters",
    "SCN038": "nothing in the file ever reads the registers that a property watches",
    "SCN040": "a wait is longer than the whole run may last",
    "SCN050": "the population does not check",
    "SCN101": "a backend cannot do this; the case will be NOT_RUN there",
}
# fmt: on


@unique
class Severity(Enum):
    """An error keeps the file from running, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line of a file; line and column count from 1."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint. `hint` is printed behind the carets ("did you mean 'scan'?")."""

    code: str
    message: str
    place: Place
    source_line: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def to_text(self) -> str:
        """Return the three or four lines that a terminal shows."""
        head = f"{self.severity.value}[{self.code}]: {self.message}\n  --> {self.place}"
        if not self.source_line:
            return head
        shown, column = _window(self.source_line, self.place.column)
        number = str(self.place.line)
        length = max(1, min(self.place.length, len(shown) - column + 1))
        carets = " " * (column - 1) + "^" * length
        tail = f" {self.hint}" if self.hint else ""
        return f"{head}\n{number}| {shown}\n{' ' * len(number)}| {carets}{tail}"

    def to_document(self) -> dict[str, object]:
        """Return the complaint with JSON types."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "length": self.place.length,
        }

    def to_annotation(self) -> str:
        """Return the workflow command that GitHub shows beside the line."""
        text = self.message + (f" ({self.hint})" if self.hint else "")
        place = self.place
        return (
            f"::{self.severity.value} file={_escape_property(place.file)},line={place.line},"
            f"col={place.column},endColumn={place.column + place.length},"
            f"title={self.code}::{_escape(text)}"
        )


def _window(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line round `column`, and the column inside that part."""
    line = line.replace("\t", " ").rstrip()
    start = 0
    if column > SOURCE_COLUMNS_MAX - 10:
        start = column - 1 - _LEAD
    shown = line[start : start + SOURCE_COLUMNS_MAX]
    if start + SOURCE_COLUMNS_MAX < len(line):
        shown = shown[:-1] + "…"
    if start:
        shown = "…" + shown[1:]
    return shown, column - start


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" with the known word nearest to `word`, or nothing."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean '{folded[close[0]]}'?" if close else ""


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return each complaint once, in the order in which a reader meets them."""
    return sorted(
        dict.fromkeys(diagnostics),
        key=lambda one: (one.place.file, one.place.line, one.place.column, one.code),
    )


def errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return those that keep the file from running."""
    return [one for one in diagnostics if one.severity is Severity.ERROR]


def to_text(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all complaints as a terminal shows them, one below the other."""
    return "\n".join(one.to_text() for one in diagnostics)


def to_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all complaints as one JSON list."""
    return json.dumps([one.to_document() for one in diagnostics], indent=2, ensure_ascii=False)


def to_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Return all complaints as workflow commands, one a line."""
    return "\n".join(one.to_annotation() for one in diagnostics)


class ScenarioError(Exception):
    """A scenario file cannot be used; `diagnostics` says why, all reasons at once."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(to_text(diagnostics))
        self.diagnostics = tuple(diagnostics)
