"""The text of a scenario file, its YAML tree, and where each part of it stands.

ruamel.yaml's round-trip loader keeps the line and column of every key and value. `Source` turns a
location (the keys and indices that lead to a part) into a `Place`, and an offset inside a text
value into the place of that character, so that a mistake in the middle of a property is marked
under the very word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from scenarios.language import quick_yaml
from scenarios.language.diagnostics import Diagnostic, Place, ScenarioError, Severity

if TYPE_CHECKING:
    from pathlib import Path

#: Keys and indices that lead from the top of the document to a part of it.
Location = Sequence[str | int]

#: A scenario larger than this is refused unread: a hand-written file never comes near it.
FILE_BYTES_MAX: Final = 4_000_000


class Source:
    """One file: its name in messages, its text and its tree."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.lines = text.splitlines()
        self.tree: Any = None

    @classmethod
    def parse(cls, name: str, text: str) -> Source:
        """Read YAML 1.2; raises ScenarioError with the place of a mistake."""
        source = cls(name, text)
        if len(text) >= quick_yaml.WORTHWHILE:
            source.tree = quick_yaml.load(text)
            if source.tree is not None:
                return source
        try:
            source.tree = YAML(typ="rt").load(text)
        except DuplicateKeyError as error:
            raise source._broken("SCN003", "this key stands here twice", error) from error
        except MarkedYAMLError as error:
            problem = str(error.problem or error.context)
            raise source._broken("SCN002", f"not YAML: {problem}", error) from error
        except (YAMLError, ValueError) as error:
            message = f"not YAML: {str(error).splitlines()[0]}"
            raise ScenarioError([source.complain("SCN002", message, Place(name, 1, 1))]) from error
        return source

    @classmethod
    def read(cls, path: Path, *, name: str | None = None) -> Source:
        """Read and parse a file; raises ScenarioError where it cannot be read or parsed.

        `name` is what messages call the file, by default its path.
        """
        name = name or str(path)
        try:
            data = path.read_bytes()
            if len(data) > FILE_BYTES_MAX:
                raise ValueError(f"want at most {FILE_BYTES_MAX} bytes, got {len(data)}")
            text = data.decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            place = Place(name, 1, 1)
            message = f"cannot read this file: {reason}"
            raise ScenarioError([Diagnostic("SCN001", message, place, "")]) from error
        return cls.parse(name, text)

    def _broken(self, code: str, message: str, error: MarkedYAMLError) -> ScenarioError:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return ScenarioError([self.complain(code, message, Place(self.name, line, column))])

    # --- Places -------------------------------------------------------------------------------

    def line(self, number: int) -> str:
        """Return the text of line `number` (from 1); empty beyond the file."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def complain(
        self,
        code: str,
        message: str,
        place: Place,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> Diagnostic:
        """Build a complaint at `place`, with its source line."""
        return Diagnostic(code, message, place, self.line(place.line), hint, severity)

    def at(self, location: Location) -> Any:
        """Return the part of the tree at `location`; None where there is none."""
        part = self.tree
        for key in location:
            if not _holds(part, key):
                return None
            part = part[key]
        return part

    def key(self, location: Location) -> Place:
        """Return the place of the key at the end of `location`, or of the nearest part above."""
        parent, last = self._walk(location)
        if isinstance(parent, CommentedMap) and last in parent.lc.data:
            line, column = parent.lc.key(last)
            return self._place(line, column, len(str(last)))
        return self.value(location)

    def value(self, location: Location) -> Place:
        """Return the place of the value at `location`, or of the nearest part that exists."""
        for depth in range(len(location), 0, -1):
            parent, last = self._walk(location[:depth])
            start = _start(parent, last)
            if start is not None:
                flow = bool(parent.fa.flow_style())
                return self._place(*start, self._length(*start, parent[last], flow=flow))
        if isinstance(self.tree, CommentedMap | CommentedSeq):
            return self._place(self.tree.lc.line or 0, self.tree.lc.col or 0, 1)
        return Place(self.name, 1, 1)

    def inside(self, location: Location, offset: int, length: int) -> Place:
        """Return the place of ``value[offset : offset + length]`` of the text at `location`.

        The text in the file may be quoted or folded over lines: characters other than blanks are
        counted off against the file. Where the two do not match (an escape), the whole value is
        marked.
        """
        parent, last = self._walk(location)
        start = _start(parent, last)
        if start is None:
            return self.value(location)
        text = str(parent[last])
        line, column = start
        if self.line(line + 1)[column : column + 1] in ("|", ">"):
            line, column = line + 1, 0
        elif self.line(line + 1)[column : column + 1] in ('"', "'"):
            column += 1
        found = self._count_off(text, offset, line, column)
        return self.value(location) if found is None else self._place(*found, max(1, length))

    def _count_off(self, text: str, offset: int, line: int, column: int) -> tuple[int, int] | None:
        """Walk the file beside `text` up to `offset`; None where they differ."""
        for wanted in text[:offset]:
            if wanted.isspace():
                continue
            line, column = self._skip_blanks(line, column)
            if self.line(line + 1)[column : column + 1] != wanted:
                return None
            column += 1
        if offset < len(text):
            line, column = self._skip_blanks(line, column)
        return line, column

    def _skip_blanks(self, line: int, column: int) -> tuple[int, int]:
        while line < len(self.lines):
            rest = self.lines[line][column:]
            if rest.strip():
                return line, column + len(rest) - len(rest.lstrip())
            line, column = line + 1, 0
        return line, column

    def _place(self, line: int, column: int, length: int) -> Place:
        """Build a place from ruamel's line and column, which count from 0."""
        return Place(self.name, line + 1, column + 1, max(1, length))

    def _walk(self, location: Location) -> tuple[Any, Any]:
        """Return the innermost container on the way, and the part of `location` inside it."""
        node = self.tree
        parent, last = None, None
        for part in location:
            if not _holds(node, part):
                # Names of branches that pydantic puts into a location lead nowhere.
                continue
            parent, last, node = node, part, node[part]
        return parent, last

    def _length(self, line: int, column: int, value: Any, *, flow: bool) -> int:
        """Return how many columns a scalar takes in the file; 1 for a list or a mapping."""
        if isinstance(value, Mapping | list):
            return 1
        text = self.line(line + 1)[column:]
        if text[:1] in ('"', "'"):
            end = text.find(text[0], 1)
            return end + 1 if end > 0 else len(text)
        stops = [" #"] + ([",", "}", "]"] if flow else [])
        ends = [text.find(stop) for stop in stops if stop in text]
        return len(text[: min(ends, default=len(text))].rstrip())


def _holds(node: Any, part: Any) -> bool:
    if isinstance(node, Mapping):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and 0 <= part < len(node)


def _start(parent: Any, last: Any) -> tuple[int, int] | None:
    """Return where a value starts, from 0; None where the tree does not say (a merged key)."""
    if isinstance(parent, CommentedMap) and last in parent.lc.data:
        line, column = parent.lc.value(last)
        return line, column
    if isinstance(parent, CommentedSeq) and last in parent.lc.data:
        line, column = parent.lc.item(last)
        return line, column
    return None


def plain(node: Any) -> Any:
    """Return the same tree in Python's own types, as a validator wants it."""
    if isinstance(node, Mapping):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(item) for item in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
