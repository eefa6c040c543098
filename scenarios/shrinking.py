"""``scenario shrink``: the smallest file that still fails in the same case.

A failing run of forty meters and a quarter of an hour says little; what is left after everything
that does not matter has been taken away often says it all. Judged items, faults, steps, clients,
meters and settings are taken away in ever smaller groups (delta debugging, Zeller and Hildebrandt
2002), counts and times are made smaller, until nothing can go any more. No chance is involved: the
same file and seed shrink to the same file.
"""

from __future__ import annotations

import copy
import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from reports.verdict import Verdict
from scenarios.language import durations
from scenarios.language.compile import compile_text
from scenarios.language.formatting import formatted
from scenarios.run import run_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scenarios.backends.base import Backend
    from scenarios.run import Result

#: Runs that a shrinking takes at most where nobody says otherwise.
RUNS_MAX: Final = 500
#: No wait is made shorter than this: below it nothing is gained for a reader.
SHORTEST_NS: Final = 1_000_000_000

#: Keys of lists of steps.
_STEPS: Final = ("do", "serial", "parallel", "one_of")
#: Keys whose value is a number of times or things.
_COUNTS: Final = ("count", "repeat", "times", "connections")
#: Keys whose value is a time that may be shorter.
_TIMES: Final = ("wait", "within", "for", "burst", "at", "after")
#: Keys of mappings whose entries may go one by one.
_OPTIONS: Final = ("config", "files", "gateway", "bus", "seeds", "limits", "world")

#: A place in a document: the container and the key or index inside it.
Spot = tuple[Any, Any]


class NothingToShrinkError(Exception):
    """The run does not fail; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left: the text of the file, the case that fails, and what it took."""

    text: str
    case: str
    runs: int
    exhausted: bool
    virtual_ns: tuple[int, int]


def shrink(
    text: str,
    name: str,
    backend: Backend,
    *,
    seed: int | None = None,
    folder: Path | None = None,
    runs_max: int = RUNS_MAX,
) -> Shrunk:
    """Return the smallest file that fails in the case in which `text` fails first.

    Raises ScenarioError for a file that does not check, NothingToShrinkError for a run without a
    FAIL.
    """
    scenario = compile_text(text, name, folder=folder).require()
    chosen = scenario.seed if seed is None else seed
    first = run_scenario(scenario, backend, chosen)
    failed = [case.id for case in first.judged.cases if case.verdict is Verdict.FAIL]
    if not failed or first.verdict is not Verdict.FAIL:
        reason = f": {first.judged.reason}" if first.judged.reason else ""
        raise NothingToShrinkError(f"{name}: seed {chosen} is {first.verdict.value}{reason}")
    document = _yaml().load(text)
    document.setdefault("seeds", {})["default"] = chosen
    shrinking = _Shrinking(name, failed[0], backend, folder, runs_max)
    shrinking.keep(document, first)
    shrinking.run()
    return Shrunk(
        text=formatted(_dumped(_without_empty(shrinking.document)), name),
        case=failed[0],
        runs=shrinking.runs,
        exhausted=shrinking.runs >= runs_max,
        virtual_ns=(first.virtual_ns, shrinking.virtual_ns),
    )


class _Shrinking:
    """One shrinking; `document` is the smallest that still fails."""

    def __init__(
        self, name: str, case: str, backend: Backend, folder: Path | None, runs_max: int
    ) -> None:
        self._name = name
        self._case = case
        self._backend = backend
        self._folder = folder
        self._runs_max = runs_max
        self._tried = set[str]()
        self.runs = 1
        self.document: Any = None
        self.virtual_ns = 0

    def keep(self, document: Any, result: Result) -> None:
        """Go on from here."""
        self.document = document
        self.virtual_ns = result.virtual_ns

    def run(self) -> None:
        """Take away until nothing can go."""
        passes = (_lists, _options, _unwrapped, _numbers, _times)
        changed = True
        while changed and self.runs < self._runs_max:
            changed = False
            for find in passes:
                changed |= find(self)

    def fails(self, candidate: Any) -> bool:
        """Try a smaller document; it is kept if the case still fails."""
        text = _dumped(candidate)
        if text in self._tried or self.runs >= self._runs_max:
            return False
        self._tried.add(text)
        compiled = compile_text(text, self._name, folder=self._folder)
        if compiled.scenario is None:
            return False
        self.runs += 1
        result = run_scenario(compiled.scenario, self._backend)
        verdicts = {case.id: case.verdict for case in result.judged.cases}
        if result.verdict is not Verdict.FAIL or verdicts.get(self._case) is not Verdict.FAIL:
            return False
        self.keep(candidate, result)
        return True

    def edited(self, path: list[Any], change: Callable[[Any, Any], None]) -> bool:
        """Try the document with one change at a path: `change` gets the container and the key."""
        candidate = copy.deepcopy(self.document)
        node = candidate
        for step in path[:-1]:
            node = node[step]
        change(node, path[-1])
        return self.fails(candidate)

    def at(self, path: list[Any]) -> Any:
        """Return what stands at a path now."""
        node = self.document
        for step in path:
            node = node[step]
        return node


# --- What can be made smaller -----------------------------------------------------------------


def _walk(node: Any, path: list[Any]) -> Iterator[tuple[list[Any], Any]]:
    """Yield every part of a document with its path, the outer before the inner."""
    yield path, node
    if isinstance(node, dict):
        for key in list(node):
            yield from _walk(node[key], [*path, key])
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _walk(item, [*path, number])


def _places(shrinking: _Shrinking, wanted: Callable[[list[Any], Any], bool]) -> list[list[Any]]:
    return [path for path, part in _walk(shrinking.document, []) if path and wanted(path, part)]


def _lists(shrinking: _Shrinking) -> bool:
    """Take items out of lists: judged items, faults, steps, clients, meters."""
    order = ("expect", "check", "assume", "faults", *_STEPS, "clients", "meters")
    changed = False
    for key in order:
        # Inner lists first: what is empty then goes with its step.
        for path in reversed(_places(shrinking, partial(_is_list_of, key))):
            changed |= _fewer(shrinking, path)
    return changed


def _is_list_of(key: str, path: list[Any], part: Any) -> bool:
    return path[-1] == key and isinstance(part, list) and len(part) > 0


def _fewer(shrinking: _Shrinking, path: list[Any]) -> bool:
    """Take groups of items out of one list, in halves, quarters … down to single ones."""
    changed, size = False, len(shrinking.at(path))
    while size >= 1:
        start = 0
        while start < len(shrinking.at(path)):
            stop = start + size

            def without(node: Any, key: Any, start: int = start, stop: int = stop) -> None:
                del node[key][start:stop]

            if shrinking.edited(path, without):
                changed = True
            else:
                start = stop
        size //= 2
    return changed


def _options(shrinking: _Shrinking) -> bool:
    """Take keys out of mappings that can do without them."""
    changed = False
    for path in reversed(_places(shrinking, lambda p, _: len(p) > 1 and p[-2] in _OPTIONS)):
        if path[-2:] == ["seeds", "default"] or path == ["world", "meters"]:
            continue

        def without(node: Any, key: Any) -> None:
            del node[key]

        changed |= shrinking.edited(path, without)
    return changed


def _unwrapped(shrinking: _Shrinking) -> bool:
    """Put the steps inside a composition in its place."""
    changed = False
    for path in reversed(_places(shrinking, _is_composition)):
        inner = next(key for key in _STEPS if key in shrinking.at(path))

        def unwrap(node: Any, key: Any, inner: str = inner) -> None:
            node[key : key + 1] = node[key][inner]

        changed |= shrinking.edited(path, unwrap)
    return changed


def _is_composition(path: list[Any], part: Any) -> bool:
    return isinstance(path[-1], int) and isinstance(part, dict) and any(k in part for k in _STEPS)


def _numbers(shrinking: _Shrinking) -> bool:
    """Make counts smaller: one, or half as much again and again."""
    changed = False
    for path in _places(shrinking, lambda p, part: p[-1] in _COUNTS and _is_count(part)):
        changed |= _smaller(shrinking, path, 1, int, int)
    return changed


def _is_count(part: Any) -> bool:
    return isinstance(part, int) and not isinstance(part, bool) and part > 1


def _times(shrinking: _Shrinking) -> bool:
    """Make times shorter, in the same way, down to a second."""
    changed = False
    for path in _places(shrinking, lambda p, part: p[-1] in _TIMES and _ns(part) > SHORTEST_NS):
        changed |= _smaller(shrinking, path, SHORTEST_NS, _ns, durations.show)
    return changed


def _smaller(
    shrinking: _Shrinking,
    path: list[Any],
    unit: int,
    read: Callable[[Any], int],
    write: Callable[[int], Any],
) -> bool:
    """Search the smallest number of whole units with which the case still fails, by halving."""
    changed, low, high = False, 1, -(-read(shrinking.at(path)) // unit)
    while low < high:
        # The least first, which often does; then the middle of what is left.
        value = 1 if low == 1 and not changed else (low + high) // 2

        def put(node: Any, key: Any, value: int = value) -> None:
            node[key] = write(value * unit)

        if shrinking.edited(path, put):
            changed, high = True, value
        else:
            low = value + 1
    return changed


def _ns(part: Any) -> int:
    try:
        return durations.parse(part) if isinstance(part, str) else 0
    except durations.DurationError:
        return 0


def _without_empty(document: Any) -> Any:
    """Return the document without sections in which nothing is left."""
    for key in [key for key, part in document.items() if part in ([], {}) and key != "do"]:
        del document[key]
    return document


# --- Files ------------------------------------------------------------------------------------


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 1 << 16
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(document: Any) -> str:
    written = io.StringIO()
    _yaml().dump(document, written)
    return written.getvalue()
