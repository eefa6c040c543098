"""``scenario fmt``: one way to lay a scenario file out, which changes nothing that it says.

Sections stand in the order of the reference, lists are indented by two, a duration has one blank
between number and unit. Comments, quotes, and the choice between ``{…}`` and lines stay the
author's. What comes out is read again and compared with what went in.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import ScalarString

from scenarios.language.document import Document
from scenarios.language.source import Source, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Lines are never folded: a property stays on its line.
_WIDTH: Final = 1 << 16

#: Keys whose value is a duration wherever they stand.
_TIMES: Final = frozenset(
    {"wait", "within", "every", "for", "after", "at", "until", "burst", "time", "by", "jitter",
     "length", "off_at", "on_at", "offset", "sim", "pty", "hil"}
)  # fmt: skip
_DURATION: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*(d|h|min|s|ms|us|µs|ns)")
_SECTION: Final = re.compile(r"[A-Za-z_]")


class FormattingError(Exception):
    """The layout of a file cannot be changed without changing what it says."""


def formatted(text: str, name: str) -> str:
    """Return the text in its layout; raises ScenarioError for text that is not YAML.

    Formatting twice gives the same as once. A document that is no mapping comes back as it is.
    """
    before = Source.parse(name, text)
    if not isinstance(before.tree, CommentedMap):
        return text
    yaml = YAML(typ="rt")
    yaml.width = _WIDTH
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(_in_order(text))
    _even_durations(tree)
    written = io.StringIO()
    yaml.dump(tree, written)
    result = _tidy(written.getvalue())
    if _meaning(Source.parse(name, result).tree) != _meaning(before.tree):
        raise FormattingError(f"{name}: its layout cannot be changed without changing what it says")
    return result


def _meaning(node: Any) -> Any:
    """Return what a file says, whatever its layout."""
    tree = plain(node)
    _even_durations(tree)
    return tree


# --- Order ------------------------------------------------------------------------------------


def _in_order(text: str) -> str:
    """Return the text with its sections in the order of the models, comments with the next one."""
    order = {
        field.alias or name: n for n, (name, field) in enumerate(Document.model_fields.items())
    }
    head, sections = _sections(text)
    last = len(order)
    sections.sort(key=lambda section: order.get(section[0], last))
    return head + "".join(body for _, body in sections)


def _sections(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what stands above the first section, and each section with its key."""
    head: list[str] = []
    sections: list[tuple[str, list[str]]] = []
    waiting: list[str] = []
    for line in _whole_lines(text):
        if _SECTION.match(line) and ":" in line:
            if not sections:
                head, waiting = waiting, []
            sections.append((line.partition(":")[0].strip(), [*waiting, line]))
            waiting = []
        elif not line.strip() or line.startswith("#"):
            waiting.append(line)
        elif sections:
            sections[-1][1].extend([*waiting, line])
            waiting = []
        else:
            waiting.append(line)
    if sections:
        sections[-1][1].extend(waiting)
    else:
        head += waiting
    return "".join(head), [(key, "".join(lines)) for key, lines in sections]


def _whole_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield line + "\n"


# --- Details ----------------------------------------------------------------------------------


def _even_durations(node: Any) -> None:
    """Put one blank between the number and the unit of every duration, in place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if str(key) in _TIMES and isinstance(value, str):
                _put_even(node, key, value)
            else:
                _even_durations(value)
    elif isinstance(node, list | CommentedSeq):
        for item in node:
            _even_durations(item)


def _put_even(node: dict[Any, Any], key: Any, value: str) -> None:
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        return
    even = f"{match[1]} {match[2]}"
    if even != value:
        node[key] = type(value)(even) if isinstance(value, ScalarString) else even


def _tidy(text: str) -> str:
    """Return the text without blanks at line ends, and with one line feed at its own."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"
