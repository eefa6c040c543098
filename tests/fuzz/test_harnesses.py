"""The fuzzing harnesses, run without atheris over a fixed set of inputs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.fuzz import fuzz_decode, fuzz_frames, fuzz_modbus

if TYPE_CHECKING:
    from collections.abc import Iterator

HARNESSES = [fuzz_decode, fuzz_frames, fuzz_modbus]
#: Inputs made of each seed, and inputs that are pure noise.
CHANGED = 5
NOISE = 300


def inputs(harness: Any) -> Iterator[bytes]:
    """Seeds, seeds with changed bytes, and noise; the same in every run."""
    rng = random.Random(harness.__name__)
    for seed in harness.seeds():
        yield seed
        for _ in range(CHANGED):
            changed = bytearray(seed)
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield bytes(changed[: rng.randint(1, len(changed))])
    for _ in range(NOISE):
        yield rng.randbytes(rng.randrange(300))


@pytest.mark.parametrize("harness", HARNESSES, ids=lambda harness: harness.__name__)
def test_a_harness_holds_over_fixed_inputs(harness: Any) -> None:
    """No promise of the harness is broken by its seeds, their neighbours and noise."""
    count = 0
    for data in inputs(harness):
        harness.check(data)
        count += 1
    assert count > NOISE


def test_no_bytes_at_all() -> None:
    """The empty input is the first that a fuzzer tries."""
    for harness in HARNESSES:
        harness.check(b"")
    assert all(harness.seeds() for harness in HARNESSES)
