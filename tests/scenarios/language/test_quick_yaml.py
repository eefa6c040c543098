"""The quick reader gives the very tree, lines and columns of the slow one, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from scenarios.language import quick_yaml
from scenarios.language.compile import compile_text
from scenarios.language.source import plain
from scenarios.run import select
from tests.scenarios.language.test_compile import TEXT
from tests.scenarios.language.test_diagnostics import BASE
from tests.scenarios.language.test_formatting import UGLY

FILES = [one.path.read_text("utf-8") for one in select(["@library"])]


def _places(node: Any) -> Any:
    """Every place that a container knows, all the way down.

    An empty container has no style, and where a value that is not there begins nobody can say.
    """
    if not isinstance(node, CommentedMap | CommentedSeq):
        return None
    keys = node if isinstance(node, CommentedMap) else range(len(node))
    inner = [(str(key), _places(node[key])) for key in keys]
    style = bool(node.fa.flow_style()) if len(node) else None
    data = node.lc.data or {}
    places = [(str(key), data[key][: 2 if node[key] is None else 4]) for key in keys]
    return node.lc.line, node.lc.col, style, places, inner


def _same(text: str) -> bool:
    """Compare with the slow way; False where the quick one leaves it to that."""
    quick = quick_yaml.load(text)
    if quick is None:
        return False
    slow = YAML(typ="rt").load(text)
    assert plain(quick) == plain(slow)
    assert _places(quick) == _places(slow)
    return True


@pytest.mark.parametrize("text", [TEXT, BASE, UGLY, *FILES], ids=lambda text: text[:20])
def test_a_file_is_read_the_same(text: str) -> None:
    """Each file of the library, and those of the tests, go the quick way."""
    assert _same(text)


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\nb: *x\n", "a: !x 1\n", "a: {<<: {b: 1}}\n", "a: 1\na: 2\n", "a: [\n", ""],
)
def test_what_is_unusual_is_left_to_the_slow_way(text: str) -> None:
    """Anchors, tags, merged and doubled keys, mistakes."""
    assert quick_yaml.load(text) is None


SCRAPS = [
    "", "# a comment", "  deep: {a: [1, 2.5, 0x1F, off, null, ~, 2026-11-20]}", "- x", "&b c", "*a",
    "t: |\n  text\n  more", "u: 'it''s'", 'v: "a\\tb"', "w: >-\n  folded\n  text", "x: 1_000",
    "y: 010", "z: 0o17", "s: !!str 1",
]  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 25), st.sampled_from(SCRAPS)), max_size=4))
def test_whatever_is_inserted_is_read_the_same(changes: list[tuple[int, str]]) -> None:
    """No file is read in two ways: what the slow reader refuses, the quick one never takes."""
    lines = TEXT.splitlines()
    for place, scrap in changes:
        lines.insert(min(place, len(lines)), scrap)
    text = "\n".join(lines) + "\n"
    try:
        YAML(typ="rt").load(text)
    except (YAMLError, ValueError):
        assert quick_yaml.load(text) is None
        return
    _same(text)


def test_a_long_file_is_told_as_a_short_one() -> None:
    """The places of complaints are the same behind twenty thousand characters."""
    long = BASE.replace("every: 1 s", "evry: 1 s") + "\n" + "# x\n" * 6000
    short = BASE.replace("every: 1 s", "evry: 1 s")
    assert len(long) > quick_yaml.WORTHWHILE
    told = [compile_text(text, "f.scn.yaml").diagnostics for text in (long, short)]
    assert told[0] == told[1] != ()
