"""The page of keys is current, every setting has its proof, and proofs can fail."""

from __future__ import annotations

import ast

import pytest

from gateway.device.keys import KEYS
from tests.gateway.keys.mutation import Outcome, ask, settings
from tests.gateway.keys.page import PAGE, page

#: Asked in every run of the tests; ``tox -e keys`` asks all.
SAMPLES = ["[CONFIG] MBUS_SELECTMASK", "meter <readoutcycle>", "value <scale>"]


def test_the_page_is_current() -> None:
    """docs/keys.md is what the model says; write it with ``python -m tests.gateway.keys.page``."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_with_an_effect_has_its_proof() -> None:
    """A key is proved, or without effect by decision, or names what it waits for."""
    tests: dict[str, set[str]] = {}
    for setting in settings():
        if str(setting.file) not in tests:
            tree = ast.parse(setting.file.read_text(encoding="utf-8"))
            names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            tests[str(setting.file)] = names
        assert setting.test in tests[str(setting.file)], f"{setting.name} has no {setting.test}"
    assert all(not (key.idle and key.awaits) for key in KEYS)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_proof_fails_without_its_effect(name: str) -> None:
    """What ``tox -e keys`` does, for a few."""
    (setting,) = (setting for setting in settings() if setting.name == name)
    assert ask([setting.node], setting) is Outcome.FAILED


def test_a_proof_passes_with_its_effect() -> None:
    """The child of the mutation runs tests as they are when nothing is planted."""
    (setting,) = (setting for setting in settings() if setting.name == SAMPLES[0])
    assert ask([setting.node]) is Outcome.PASSED
