"""Taking the effect of one setting away at the typed model, and asking the test that proves it.

With a key of chip.ini planted, every `Configuration` has the key's default, whatever file or page
say; with an element of Device_Handle.cfg planted, the element reads as its default. A proof that
still passes then proves nothing.
"""

from __future__ import annotations

import functools
import os
import signal
from dataclasses import dataclass, replace
from enum import Enum, unique
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.device.elements import METER_ELEMENTS, VALUE_ELEMENTS
from gateway.device.keys import KEYS, Configuration

if TYPE_CHECKING:
    from gateway.device.elements import Element
    from gateway.device.keys import Key

HERE: Final = Path(__file__).parent
CHIP_INI_PROOFS: Final = HERE / "test_chip_ini_effects.py"
DEVICE_HANDLE_PROOFS: Final = HERE / "test_device_handle_effects.py"
#: Seconds that a proof, or all of them, may take; one that hangs proves nothing.
PROOF_SECONDS_MAX: Final = 60
#: The packages are imported already, as a planted setting must be: pytest warns of that.
_ARGUMENTS: Final = (
    *("-x", "-q", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


@dataclass(frozen=True)
class Setting:
    """A key or an element that has an effect, with the test that proves it."""

    name: str
    file: Path
    test: str
    subject: Key | Element

    @property
    def node(self) -> str:
        """The proof as pytest names it."""
        return f"{self.file}::{self.test}"

    def plant(self) -> None:
        """Take the effect away, in this process."""
        if isinstance(self.subject, type(KEYS[0])):
            plant_key(self.subject)
        else:
            elements = METER_ELEMENTS if self.test.startswith("test_meter") else VALUE_ELEMENTS
            plant_element(elements, self.subject.name)


def settings() -> list[Setting]:
    """Every key and every element that has an effect."""
    found = [
        Setting(key.place, CHIP_INI_PROOFS, f"test_{key.attribute}", key)
        for key in KEYS
        if not key.idle and not key.awaits
    ]
    for parent, elements in (("meter", METER_ELEMENTS), ("value", VALUE_ELEMENTS)):
        found += [
            Setting(f"{parent} <{name}>", DEVICE_HANDLE_PROOFS, f"test_{parent}_{name}", element)
            for name, element in elements.items()
            if element.effect
        ]
    return found


def plant_key(key: Key) -> None:
    """Let every configuration have the default of `key`."""
    make = Configuration.__init__

    @functools.wraps(make)
    def with_default(self: Configuration, *values: Any, **named: Any) -> None:
        make(self, *values, **named)
        object.__setattr__(self, key.attribute, key.default)

    Configuration.__init__ = with_default  # type: ignore[method-assign]


def plant_element(elements: dict[str, Element], name: str) -> None:
    """Let an element read as its default."""
    default = elements[name].default
    elements[name] = replace(elements[name], parse=lambda _: default)


@unique
class Outcome(Enum):
    """What became of a proof."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "could not be run"


def ask(nodes: list[str], planted: Setting | None = None) -> Outcome:
    """Run proofs in a child of this process, with the effect of one setting taken away or none."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            signal.alarm(PROOF_SECONDS_MAX)
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            if planted is not None:
                planted.plant()
            code = int(pytest.main([*nodes, *_ARGUMENTS]))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return {0: Outcome.PASSED, 1: Outcome.FAILED}.get(code, Outcome.BROKEN)
