"""The notation that the tables share: eight characters stand for one coding of a byte.

``E000 0nnn`` is the standard's own way to write it: ``E`` the extension bit, which no table looks
at, ``0`` and ``1`` fixed bits, lower-case letters the bits that count within the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

RowT = TypeVar("RowT")
EntryT = TypeVar("EntryT")

#: Seven bits: the extension bit is not part of a code.
TABLE_SIZE: Final = 128


def codes(coding: str) -> Iterator[tuple[int, int]]:
    """Yield every code of a coding with the number that its lower-case bits form.

    ``E110 1f1b`` gives (0x6A, 0), (0x6B, 1), (0x6E, 2), (0x6F, 3). Raises ValueError for a coding
    that is not E and seven of 0, 1, a-z: a slip in a table, found at import.
    """
    bits = coding.replace(" ", "")
    if len(bits) != 8 or bits[0] != "E" or any(not (b in "01" or b.islower()) for b in bits[1:]):
        raise ValueError(f"not a coding: {coding!r}")
    width = sum(bit.islower() for bit in bits)
    for number in range(1 << width):
        digits = iter(f"{number:0{width}b}" if width else "")
        yield int("".join(next(digits) if bit.islower() else bit for bit in bits[1:]), 2), number


def expand(
    rows: Iterable[RowT], coding: Callable[[RowT], str], entry: Callable[[RowT, int], EntryT]
) -> Sequence[EntryT]:
    """Turn rows into a table of 128 entries; raises ValueError for a gap or an overlap."""
    table: dict[int, EntryT] = {}
    for row in rows:
        for code, number in codes(coding(row)):
            if code in table:
                raise ValueError(f"code {code:02X} twice, again in {coding(row)}")
            table[code] = entry(row, number)
    gaps = [f"{code:02X}" for code in range(TABLE_SIZE) if code not in table]
    if gaps:
        raise ValueError(f"codes without a row: {' '.join(gaps)}")
    return tuple(table[code] for code in range(TABLE_SIZE))
