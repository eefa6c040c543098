"""A bus without a line: meters as addresses, an answer for every mask, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import Outcome
from gateway.mbus.searching.coordinates import BYTES, byte_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

#: Seconds at 2400 Bd by the times of MBDOC48 p.25-26: an answer after 50 ms, RSP_UD of 100 bytes.
EMPTY_S: Final = 0.2654
SINGLE_S: Final = 0.691
COLLISION_S: Final = 0.338
DIGITS: Final = 8
#: Masks after which a search is taken to be endless.
MASKS_MAX: Final = 50_000


class Search(Protocol):
    """What every search offers."""

    def next_mask(self) -> SecondaryMask | None: ...

    def outcome(
        self, mask: SecondaryMask, outcome: Outcome, address: SecondaryAddress | None = None
    ) -> None: ...


@dataclass
class ModelBus:
    """Meters by their true address; `headers` says who calls himself otherwise."""

    meters: Sequence[SecondaryAddress]
    headers: dict[SecondaryAddress, SecondaryAddress] = field(default_factory=dict)
    empties: int = 0
    singles: int = 0
    collisions: int = 0
    masks: list[SecondaryMask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bits: dict[tuple[int, str | int], int] = {}
        for number, meter in enumerate(self.meters):
            for key in _keys(meter):
                self._bits[key] = self._bits.get(key, 0) | 1 << number

    def ask(self, mask: SecondaryMask) -> tuple[Outcome, SecondaryAddress | None]:
        """The outcome of a mask, and what the header of a single meter says."""
        self.masks.append(mask)
        bits = (1 << len(self.meters)) - 1
        for key in _keys(mask):
            if key[1] not in ("F", 0xFF):
                bits &= self._bits.get(key, 0)
        if not bits:
            self.empties += 1
            return Outcome.EMPTY, None
        if bits & (bits - 1):
            self.collisions += 1
            return Outcome.COLLISION, None
        self.singles += 1
        meter = self.meters[bits.bit_length() - 1]
        return Outcome.SINGLE, self.headers.get(meter, meter)

    @property
    def seconds(self) -> float:
        """Bus time at 2400 Bd."""
        return self.empties * EMPTY_S + self.singles * SINGLE_S + self.collisions * COLLISION_S


def _keys(address: SecondaryAddress | SecondaryMask) -> list[tuple[int, str | int]]:
    digits: list[tuple[int, str | int]] = list(enumerate(address.identification_number))
    return digits + [(place, byte_of(address, place)) for place in BYTES]


def run(search: Search, bus: ModelBus) -> list[SecondaryAddress]:
    """Hold the search; returns the headers of the single meters in the order of finding."""
    found = []
    while (mask := search.next_mask()) is not None:
        assert len(bus.masks) < MASKS_MAX, f"no end, last asked {mask}"
        outcome, address = bus.ask(mask)
        if address is not None:
            found.append(address)
        search.outcome(mask, outcome, address)
    return found


# --- Populations ------------------------------------------------------------------------------


def at_random(rng: random.Random, count: int) -> list[str]:
    """Numbers without any order."""
    return [f"{number:08d}" for number in rng.sample(range(10**DIGITS), count)]


def sequential(rng: random.Random, count: int) -> list[str]:
    """Number after number."""
    first = rng.randrange(10**DIGITS - count)
    return [f"{first + i:08d}" for i in range(count)]


def batches(rng: random.Random, count: int) -> list[str]:
    """Four deliveries with gaps of 1 to 5."""
    numbers: set[int] = set()
    while len(numbers) < count:
        numbers.clear()
        for part in range(4):
            number = rng.randrange(10**DIGITS - 6 * count)
            for _ in range(count // 4 + (part < count % 4)):
                numbers.add(number)
                number += rng.randint(1, 5)
    return [f"{number:08d}" for number in sorted(numbers)]


def same_prefix(rng: random.Random, count: int) -> list[str]:
    """The first four digits are equal."""
    prefix = rng.randrange(10**4)
    return [f"{prefix:04d}{number:04d}" for number in rng.sample(range(10**4), count)]


KINDS: Final[dict[str, Callable[[random.Random, int], list[str]]]] = {
    "random": at_random,
    "sequential": sequential,
    "batches": batches,
    "same prefix": same_prefix,
}


def meters(numbers: Iterable[str]) -> list[SecondaryAddress]:
    """Meters of one type."""
    return [SecondaryAddress(number, 0x32A7, 2, 4) for number in numbers]


ORDERS: Final = ("01234567", "76543210", "56743210", "67543210", "70615243", "45670123")


def best_order_s(numbers: Sequence[str]) -> float:
    """Bus seconds of the best of six fixed orders, chosen when all numbers are known."""
    return min(_fixed_order_s(numbers, [int(digit) for digit in order]) for order in ORDERS)


def _fixed_order_s(numbers: Sequence[str], order: Sequence[int]) -> float:
    seconds = 0.0
    cells = [list(numbers)]
    for place in order:
        crowded = []
        for cell in cells:
            children: dict[str, list[str]] = {}
            for number in cell:
                children.setdefault(number[place], []).append(number)
            seconds += (10 - len(children)) * EMPTY_S
            for child in children.values():
                seconds += SINGLE_S if len(child) == 1 else COLLISION_S
                if len(child) > 1:
                    crowded.append(child)
        cells = crowded
        if not cells:
            break
    return seconds
