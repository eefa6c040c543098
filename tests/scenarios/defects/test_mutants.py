"""Mechanical mutants: every one is another program, readable as a change of one place."""

from __future__ import annotations

import ast

import pytest

from scenarios.defects.catalogue import source_of
from scenarios.defects.mutants import MODULES, draw, mutants_of


@pytest.mark.parametrize("module", MODULES)
def test_a_mutant_differs_in_one_place(module: str) -> None:
    """Taking the change back gives the text again, and the tree is another one."""
    text = source_of(module)
    tree = ast.dump(ast.parse(text))
    found = mutants_of(module)
    assert found
    for mutant in found:
        assert mutant.source != text
        assert ast.dump(ast.parse(mutant.source)) != tree, mutant.name
        assert mutant.source.count("\n") == text.count("\n")


def test_a_draw_depends_on_the_seed_and_grows_at_its_end() -> None:
    """The same seed gives the same mutants, and a longer draw begins with the shorter one."""
    short, long = draw(5, 7), draw(20, 7)
    assert long[:5] == short
    assert draw(20, 8) != long
    assert len({mutant.name for mutant in draw(10_000, 1)}) <= len(draw(10_000, 1))


def test_texts_of_errors_and_docstrings_are_left_alone() -> None:
    """Nothing that only a reader sees counts as behaviour."""
    for mutant in mutants_of("gateway.registers.blocks"):
        line = source_of("gateway.registers.blocks").splitlines()[mutant.line - 1]
        assert "raise" not in line
        assert '"""' not in line
