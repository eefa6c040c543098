"""Data records as a master sends them to a slave: commands, selections, enhanced masks.

Only their shape: where a record ends follows from its DIF alone, so no table of meanings is needed.
A meter compares DIB and VIB with its own, character by character.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Characters of data by the data field, the low four bits of the DIF; D is LVAR.
_LENGTHS: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, -1)
_VARIABLE: Final = 0xD
_SPECIAL: Final = 0xF
_EXTENSION: Final = 0x80
#: Extensions of a DIF or VIF at most; a record with more is none (MBDOC48 p.53).
EXTENSIONS_MAX: Final = 10
#: LVAR up to this one is the length of a text.
_TEXT_MAX: Final = 0xBF

#: Data field of a selection for readout (MBDOC48 p.48).
SELECTION: Final = 0x8
_BCD_FIELDS: Final = frozenset({0x9, 0xA, 0xB, 0xC, 0xE})

#: DIF of a global readout request, and VIF of any meaning (MBDOC48 p.48-50).
GLOBAL_READOUT: Final = 0x7F
ANY_VIF: Final = 0x7E

#: VIFE of an action: freeze; add to the readout list, delete from it (MBDOC48 p.48-50).
FREEZE: Final = 0x0B
ADD_TO_READOUT: Final = 0x0C
DELETE_FROM_READOUT: Final = 0x0D


class Command(NamedTuple):
    """One record as a master sent it."""

    dib: bytes
    vib: bytes
    data: bytes

    @property
    def selects(self) -> bool:
        """Whether it chooses records for readout and carries no value."""
        return self.dib[0] == GLOBAL_READOUT or self.dib[0] & 0x0F == SELECTION

    @property
    def action(self) -> int:
        """The VIFE that says what to do; 0, write, where there is none."""
        return self.vib[-1] if len(self.vib) > 1 else 0


def _chain(data: bytes, begin: int) -> int | None:
    """The end of a DIB or VIB that begins at `begin`; None if it has none or is too long."""
    for end in range(begin, min(len(data), begin + 1 + EXTENSIONS_MAX)):
        if not data[end] & _EXTENSION:
            return end + 1
    return None


def split(data: bytes) -> list[Command] | None:
    """The records of `data`; None if it does not consist of whole ones."""
    found, at = list[Command](), 0
    while at < len(data):
        dib_end = _chain(data, at)
        if dib_end is None:
            return None
        dib = data[at:dib_end]
        if dib[0] & 0x0F == _SPECIAL and dib[0] != GLOBAL_READOUT:
            return None
        vib_end = _chain(data, dib_end)
        if vib_end is None:
            # A global readout request may stand alone.
            if dib[0] == GLOBAL_READOUT and dib_end == len(data):
                found.append(Command(dib, b"", b""))
                return found
            return None
        length = 0 if dib[0] == GLOBAL_READOUT else _LENGTHS[dib[0] & 0x0F]
        if dib[0] & 0x0F == _VARIABLE:
            if vib_end >= len(data) or data[vib_end] > _TEXT_MAX:
                return None
            length = 1 + data[vib_end]
        if vib_end + length > len(data):
            return None
        found.append(Command(dib, data[dib_end:vib_end], data[vib_end : vib_end + length]))
        at = vib_end + length
    return found


def matches(mask: Command, dib: bytes, vib: bytes, data: bytes) -> bool:
    """Whether a record of a meter is one that an enhanced selection means (MBDOC48 p.69).

    DIB and VIB must agree; of the value, a digit F of BCD or a character FF of others is wild.
    """
    if (mask.dib, mask.vib) != (dib, vib) or len(mask.data) != len(data):
        return False
    if dib[0] & 0x0F in _BCD_FIELDS:
        wanted, have = mask.data.hex(), data.hex()
        return all(want in {"f", digit} for want, digit in zip(wanted, have, strict=True))
    return all(want in {0xFF, byte} for want, byte in zip(mask.data, data, strict=True))


def chooses(selection: Command, dib: bytes, vib: bytes) -> bool:
    """Whether a readout selection means the record with `dib` and `vib` (MBDOC48 p.48-50).

    Storage number, tariff and subunit must agree, where those of the selection are not all ones;
    the data field is not looked at. VIF 7E, and DIF 7F, mean any record.
    """
    if selection.dib[0] == GLOBAL_READOUT:
        return True
    wanted, have = _place(selection.dib), _place(dib)
    if not _all_ones(selection.dib) and wanted != have:
        return False
    wanted_vib = selection.vib
    if selection.action in {ADD_TO_READOUT, DELETE_FROM_READOUT}:
        wanted_vib = selection.vib[:-2] + bytes((selection.vib[-2] & ~_EXTENSION,))
    return wanted_vib == bytes((ANY_VIF,)) or wanted_vib == vib


def _all_ones(dib: bytes) -> bool:
    """Whether every place of a DIB with extensions is a wildcard."""
    return len(dib) > 1 and dib[0] & 0x40 != 0 and all(dife & 0x7F == 0x7F for dife in dib[1:])


def _place(dib: bytes) -> tuple[int, int, int]:
    """Storage number, tariff and subunit of a DIB, spread over its DIFEs."""
    storage, tariff, subunit = dib[0] >> 6 & 1, 0, 0
    for n, dife in enumerate(dib[1:]):
        storage |= (dife & 0x0F) << 1 + 4 * n
        tariff |= (dife >> 4 & 3) << 2 * n
        subunit |= (dife >> 6 & 1) << n
    return storage, tariff, subunit
