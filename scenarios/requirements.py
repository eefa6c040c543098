"""The requirement catalogue: ids, manual sections and statements, read from ``requirements.yaml``.

The file is data for people as much as for programs, so it is checked as strictly as a scenario:
unknown keys, ids of a wrong form and ids given twice are errors with file, line and column.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from reports.record import REQUIREMENT_ID_PATTERN, Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SOURCE: Final = "requirements.yaml"
_WHOLE_ID: Final = re.compile(REQUIREMENT_ID_PATTERN)
_SECTION: Final = re.compile(r"^[1-9A][0-9.]*(-[0-9.]+)?(, [1-9A][0-9.]*(-[0-9.]+)?)*$")
_KEYS: Final = {"section", "text", "parts", "elsewhere"}


class CatalogueError(Exception):
    """A catalogue that cannot be used: ``source:line:column: what was expected, what came``."""


def load() -> dict[str, Requirement]:
    """Return the packaged catalogue in reading order: each id, followed by its parts."""
    return dict(_packaged())


@cache
def _packaged() -> Mapping[str, Requirement]:
    return parse(_text(), source=_SOURCE)


def _text() -> str:
    return resources.files("scenarios").joinpath(_SOURCE).read_text(encoding="utf-8")


def elsewhere() -> dict[str, str]:
    """Return where a statement shows that no case can decide, by id: a page, a service, a meter."""
    return dict(_packaged_elsewhere())


@cache
def _packaged_elsewhere() -> Mapping[str, str]:
    return parse_elsewhere(_text(), source=_SOURCE)


def parse_elsewhere(text: str, *, source: str) -> dict[str, str]:
    """Read the reasons of a catalogue; raises `CatalogueError` for the first mistake."""
    found = {}
    for id_, entry, place in _entries(text, source):
        reasons = entry.get("elsewhere", {}) if isinstance(entry, dict) else {}
        if isinstance(reasons, str):
            reasons = {None: reasons}
        parts = len(entry.get("parts", []))
        for number, reason in reasons.items():
            if (number is None) is bool(parts) or number not in (None, *range(1, parts + 1)):
                raise CatalogueError(f"{place}: {id_} has no part {number} that is elsewhere")
            found[id_ if number is None else f"{id_}.{number}"] = str(reason)
    return found


def parse(text: str, *, source: str) -> dict[str, Requirement]:
    """Read a catalogue from YAML text; raises `CatalogueError` for the first mistake."""
    found: dict[str, Requirement] = {}
    for id_, entry, place in _entries(text, source):
        for requirement in _expand(id_, entry, place):
            found[requirement.id] = requirement
    return found


def _entries(text: str, source: str) -> Iterator[tuple[str, Any, str]]:
    """Yield id, entry and place of every requirement."""
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = (error.problem or "not YAML").splitlines()[0]
        raise CatalogueError(f"{source}:{place}: {problem}") from error
    if not isinstance(document, CommentedMap):
        raise CatalogueError(f"{source}:1:1: expected a mapping of requirement ids")
    for id_, entry in document.items():
        line, column = document.lc.key(id_)
        yield str(id_), entry, f"{source}:{line + 1}:{column + 1}"


def _expand(id_: str, entry: Any, place: str) -> Iterator[Requirement]:
    """Yield the requirement and its parts."""
    if not _WHOLE_ID.match(id_) or "." in id_:
        raise CatalogueError(f"{place}: expected an id such as REG-M or MOD-05, got {id_!r}")
    if not isinstance(entry, dict):
        raise CatalogueError(f"{place}: expected section and text for {id_}")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise CatalogueError(f"{place}: {id_} has the unknown key {unknown[0]!r}")
    section, parts = entry.get("section"), entry.get("parts", [])
    if not isinstance(section, str) or not _SECTION.match(section):
        raise CatalogueError(
            f"{place}: expected a section of the manual for {id_}, got {section!r}"
        )
    if not isinstance(parts, list) or len(parts) == 1:
        raise CatalogueError(f"{place}: expected two or more parts for {id_}, or none")
    yield Requirement(id=id_, section=section, text=_statement(entry.get("text"), id_, place))
    for number, text in enumerate(parts, 1):
        part = f"{id_}.{number}"
        yield Requirement(id=part, section=section, text=_statement(text, part, place))


def _statement(text: Any, id_: str, place: str) -> str:
    """Return one sentence: text that begins with a capital or a digit and ends with a stop."""
    if not isinstance(text, str) or not text.endswith(".") or text[:1].islower():
        raise CatalogueError(f"{place}: expected one sentence as the text of {id_}, got {text!r}")
    return text


def whole(id_: str) -> str:
    """Return the id that a part belongs to; an id without a part is its own."""
    return id_.partition(".")[0]
