"""Whatever stands in a file, the compiler gives a scenario or complaints, never a traceback."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from scenarios.language.compile import compile_text
from tests.scenarios.language.test_compile import TEXT

_LINES = TEXT.splitlines()
_SCRAPS = st.one_of(
    st.sampled_from(
        ["", "- ", "  ", "{", "]", "'", '"', ":", "null", "3", "on", "&a", "*a", "<<:"]
    ),
    st.sampled_from(_LINES),
    st.text(alphabet="abc:-{}[]'\"#&*!|>% \t09", max_size=12),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(_LINES) - 1), _SCRAPS), min_size=1, max_size=4))
def test_a_file_with_lines_replaced_is_told_or_runs(changes: list[tuple[int, str]]) -> None:
    """A file that was damaged line by line compiles or says why not, at a place inside it."""
    lines = list(_LINES)
    for number, scrap in changes:
        lines[number] = scrap
    compiled = compile_text("\n".join(lines), "f.scn.yaml")
    assert (compiled.scenario is None) == bool(compiled.diagnostics)
    for one in compiled.diagnostics:
        assert 1 <= one.place.line <= len(lines) + 1
        assert one.to_text().startswith("error[SCN")


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(), st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    for key in keys:
        if isinstance(node[key], dict | list):
            found += _places(node[key])
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_anywhere_is_told_or_runs(data: st.DataObject) -> None:
    """A value of any kind in any place of a right file compiles or is complained about."""
    document = YAML(typ="safe").load(TEXT)
    container, key = data.draw(st.sampled_from(_places(document)))
    container[key] = data.draw(_VALUES)
    compiled = compile_text(_dumped(document), "f.scn.yaml")
    assert (compiled.scenario is None) == bool(compiled.diagnostics)


def _dumped(document: Any) -> str:
    written = io.StringIO()
    YAML(typ="safe").dump(document, written)
    return written.getvalue()
