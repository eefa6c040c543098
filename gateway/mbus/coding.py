"""DIB and VIB put together: what a record means, worked out once per coding and remembered.

A meter sends the same few codings every time, and meters of one kind send the same ones, so a
`Coding` is kept by its bytes. A record is then a coding and its data, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Final

from gateway.mbus.data_types import FRACTIONS, Scaled, read_text
from gateway.mbus.structure import (
    DATA_FIELD,
    DATA_FIELD_LVAR,
    DATA_SIZES,
    DIF_MORE_RECORDS,
    VIF_PLAIN_TEXT,
    is_plain_text,
    text_of,
)
from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.tables.vif import FB, FD, FD_FD, PRIMARY, Vif
from gateway.mbus.tables.vife import COMBINED_UNITS, CONDUCTORS, VIFES, Effect, Per

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mbus.data_record import DataRecord

    #: Coding, telegram, where the data begin, where they end -> the record.
    Reader = Callable[["Coding", bytes, int, int], DataRecord]

VIF_FB: Final = 0xFB
VIF_FD: Final = 0xFD
_EXTENSION_TABLES: Final = {VIF_FB: FB, VIF_FD: FD}
_CODE: Final = 0x7F
_VIF_VENDOR: Final = 0x7F
_DATE_PRIMARY: Final = (0x6C, 0x6D)
_DATA_FIELD_REAL: Final = 0x05
_DATA_FIELD_BCD: Final = (0x9, 0xA, 0xB, 0xC, 0xE)
#: F stands in 7F, the request for global readout, which brings no data either.
_DATA_FIELD_EMPTY: Final = (0x0, 0x8, 0xF)
#: Integers of 2, 3, 4 and 6 bytes: type G, J, F and I.
_DATA_FIELD_INSTANT: Final = (0x2, 0x3, 0x4, 0x6)
_TIME_OF_DAY_SIZE: Final = 3
_PLAIN_SIZE_MAX: Final = 6


@unique
class Function(IntEnum):
    """The function field of the DIF, in the words of MBDOC48, and the two special records."""

    label: str

    INSTANTANEOUS = 0, "Instantaneous value"
    MAXIMUM = 1, "Maximum value"
    MINIMUM = 2, "Minimum value"
    ERROR_STATE = 3, "Value during error state"
    MANUFACTURER_SPECIFIC = 4, "Manufacturer specific"
    MORE_RECORDS_FOLLOW = 5, "More records follow"

    def __new__(cls, index: int, label: str = "") -> Function:
        """Make a member that carries its label."""
        member = int.__new__(cls, index)
        member._value_ = index
        member.label = label
        return member


@unique
class Form(IntEnum):
    """How the data of a record are written; the numbers index the readers in `record`."""

    EMPTY = 0
    INTEGER = 1
    BCD = 2
    REAL = 3
    INSTANT = 4
    #: A VIF that names a point in time before data that cannot hold one.
    NO_INSTANT = 5
    LVAR = 6
    BYTES = 7


@dataclass(slots=True)
class Coding:
    """Everything that DIB and VIB say; the data add only a number, a text or a time.

    The value is raw x 10^`scale` + `addend`, in `unit`. `size` is the number of data bytes, -1 for
    LVAR. `record_error` is what a VIFE of the codes 01-1C complains of, "" if nothing. `gives_time`
    marks the plain time point whose time belongs to the values of its storage number (C-58),
    `takes_time` the values that may get one. `qualifiers` are words of the VIFEs for the
    description. `msb_first` = mode 2, the most significant byte of data and text comes first.

    `power` is 10^|`scale`| of a plain number and 0 where a value takes more; `fractions` are what
    stands behind the point of a plain number, by its last digits. `head` are DIB and VIB together,
    the name in the memory of codings (`head_size` bytes; 0 where the data behind a plain text
    decide where it stands). `reader` reads the data, once that memory has chosen it. `follower` is
    what stood behind this coding the last time, a guess to be checked by its `head`.
    `text_is_last` tells where the plain text stands (`gateway.mbus.structure`).

    All records of the same bytes share one coding, so nobody may change it. It is not frozen only
    because a frozen one takes four times as long to make, and a cold start makes hundreds.
    """

    dib: bytes
    vib: bytes
    size: int
    form: Form
    function: Function
    storage_number: int = 0
    tariff: int = 0
    subunit: int = 0
    value_type: ValueType = ValueType.NONE
    unit: Unit = Unit.NONE
    scale: int = 0
    addend: Scaled | None = None
    record_error: str = ""
    gives_time: bool = False
    takes_time: bool = False
    qualifiers: tuple[str, ...] = ()
    plain_text: bytes | None = None
    msb_first: bool = False
    text_is_last: bool = False
    power: int = 0
    fractions: tuple[str, ...] | None = None
    reader: Reader | None = field(default=None, compare=False, repr=False)
    head: bytes = b""
    head_size: int = 0
    follower: Coding | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class _Meaning:
    """What the VIB says, while its VIFEs are worked through from left to right.

    `vif_scale` is the power of ten of the VIF alone: what "in units of the VIF" means.
    """

    value_type: ValueType
    unit: Unit
    scale: int
    vif_scale: int
    is_date: bool = False
    addend: Scaled | None = None
    record_error: str = ""
    qualifiers: list[str] = field(default_factory=list)


def build_coding(
    dib: bytes, vib: bytes, *, text_is_last: bool = False, msb_first: bool = False
) -> Coding:
    """Work out one coding; `vib` may be empty (global readout without a VIF)."""
    # Most codings by far: a VIF, perhaps of an extension table, and nothing that could change it.
    if len(vib) == 1 and vib[0] != VIF_PLAIN_TEXT:
        value_type, unit, scale, is_date = PRIMARY[vib[0]]
    elif len(vib) == 2 and vib[0] in _EXTENSION_TABLES:
        value_type, unit, scale, is_date = _EXTENSION_TABLES[vib[0]][vib[1]]
    else:
        return _build_long(dib, vib, text_is_last=text_is_last, msb_first=msb_first)
    dif = dib[0]
    storage_number, tariff, subunit = dif >> 6, 0, 0
    if len(dib) == 2:
        storage_number, tariff, subunit = _ONE_DIFE[dif >> 6 & 0x01][dib[1]]
    elif len(dib) > 2:
        storage_number, tariff, subunit = _dife_numbers(dib)
    size, form, date_form, can_be_plain = _DATA_FIELDS[dif & DATA_FIELD]
    coding = Coding(
        dib,
        vib,
        size,
        date_form if is_date else form,
        _FUNCTIONS[dif >> 4 & 0x03],
        storage_number,
        tariff,
        subunit,
        value_type,
        unit,
        scale,
    )
    coding.msb_first = msb_first
    if is_date:
        coding.gives_time = vib[0] in _DATE_PRIMARY
        coding.takes_time = not coding.gives_time
        _settle_time_of_day(coding)
    else:
        coding.takes_time = True
        if can_be_plain:
            coding.power, coding.fractions = _PLAIN_SCALES.get(scale, _NOT_PLAIN)
    return coding


def _build_long(
    dib: bytes,
    vib: bytes,
    *,
    text_is_last: bool,
    msb_first: bool,
) -> Coding:
    """Work out a coding with VIFEs, with a plain text, or without any VIF."""
    meaning = _read_vib(vib, text_is_last=text_is_last)
    size, form, date_form, can_be_plain = _DATA_FIELDS[dib[0] & DATA_FIELD]
    function = _FUNCTIONS[dib[0] >> 4 & 0x03]
    coding = Coding(
        dib,
        vib,
        size,
        date_form if meaning.is_date else form,
        function,
        *_dife_numbers(dib),
        meaning.value_type,
        meaning.unit,
        meaning.scale,
        meaning.addend,
        meaning.record_error,
    )
    coding.takes_time = bool(vib)
    coding.msb_first = msb_first
    if meaning.qualifiers:
        coding.qualifiers = tuple(meaning.qualifiers)
    if is_plain_text(vib):
        coding.plain_text = text_of(vib, 0, text_is_last=text_is_last)
        coding.text_is_last = text_is_last
    if meaning.is_date:
        _settle_time_of_day(coding)
    elif can_be_plain and meaning.addend is None and not meaning.record_error:
        coding.power, coding.fractions = _PLAIN_SCALES.get(meaning.scale, _NOT_PLAIN)
    return coding


def _settle_time_of_day(coding: Coding) -> None:
    """Let the three bytes of type J be what they are: a time, not a date."""
    if coding.form is Form.INSTANT and coding.size == _TIME_OF_DAY_SIZE and not coding.record_error:
        coding.value_type, coding.unit = ValueType.TIME, Unit.SECOND


def special_coding(dif: int) -> Coding:
    """Give the coding of the records 0F and 1F: manufacturer data to the end of the telegram."""
    more = dif == DIF_MORE_RECORDS
    return Coding(
        dib=bytes((dif,)),
        vib=b"",
        size=-1,
        form=Form.BYTES,
        function=Function.MORE_RECORDS_FOLLOW if more else Function.MANUFACTURER_SPECIFIC,
        value_type=ValueType.VENDOR_SPECIFIC,
    )


def _dife_numbers(dib: bytes) -> tuple[int, int, int]:
    """Collect storage number, tariff and subunit, least significant part first (MBDOC48).

    One bit of the storage number stands in the DIF, four more in every DIFE: up to 41 bits. A DIFE
    of 00 adds nothing and does no harm.
    """
    storage_number, tariff, subunit = dib[0] >> 6 & 0x01, 0, 0
    for position, dife in enumerate(dib[1:]):
        storage_number |= (dife & 0x0F) << (4 * position + 1)
        tariff |= (dife >> 4 & 0x03) << (2 * position)
        subunit |= (dife >> 6 & 0x01) << position
    return storage_number, tariff, subunit


#: The same for a single DIFE, by bit 6 of the DIF.
_ONE_DIFE: Final = tuple(
    tuple(_dife_numbers(bytes((dif, dife))) for dife in range(0x80)) for dif in (0x00, 0x40)
)


def _form(data_field: int, *, is_date: bool) -> Form:
    if data_field in _DATA_FIELD_EMPTY:
        return Form.EMPTY
    if data_field == DATA_FIELD_LVAR:
        return Form.LVAR
    if is_date:
        return Form.INSTANT if data_field in _DATA_FIELD_INSTANT else Form.NO_INSTANT
    if data_field == _DATA_FIELD_REAL:
        return Form.REAL
    return Form.BCD if data_field in _DATA_FIELD_BCD else Form.INTEGER


#: By data field: size, form, form behind a VIF of a point in time, and whether it can be a plain
#: number (`Coding.power`).
_DATA_FIELDS: Final = tuple(
    (
        size,
        _form(data_field, is_date=False),
        _form(data_field, is_date=True),
        _form(data_field, is_date=False) in (Form.INTEGER, Form.BCD) and size <= _PLAIN_SIZE_MAX,
    )
    for data_field, size in enumerate(DATA_SIZES)
)
_FUNCTIONS: Final = tuple(Function)[:4]

#: `Coding.power` and `Coding.fractions` for the scales that meters use.
_PLAIN_SCALES: Final[dict[int, tuple[int, tuple[str, ...] | None]]] = {
    **{scale: (10**scale, None) for scale in range(19)},
    **{scale: (10**-scale, fractions) for scale, fractions in FRACTIONS.items()},
}
_NOT_PLAIN: Final[tuple[int, tuple[str, ...] | None]] = (0, None)


# --- VIF and VIFEs --------------------------------------------------------------------------------


def _read_vib(vib: bytes, *, text_is_last: bool) -> _Meaning:
    if not vib:
        return _Meaning(ValueType.NONE, Unit.NONE, 0, 0)
    vif, chain = _look_up(vib, text_is_last=text_is_last)
    meaning = _Meaning(vif.value_type, vif.unit, vif.exponent, vif.exponent, vif.is_date)
    if vib[0] & _CODE == _VIF_VENDOR:
        return meaning
    _apply_chain(meaning, chain)
    return meaning


def _look_up(vib: bytes, *, text_is_last: bool) -> tuple[Vif, bytes]:
    """Find the true VIF and the VIFEs that follow it; FD and FB have it in the next byte."""
    if vib[0] == VIF_FB:
        return FB[vib[1] & _CODE], vib[2:]
    if vib[0] == VIF_FD and vib[1] == VIF_FD and len(vib) > 2:
        return FD_FD[vib[2] & _CODE], vib[3:]
    if vib[0] == VIF_FD:
        return FD[vib[1] & _CODE], vib[2:]
    chain = vib[1:]
    if is_plain_text(vib):
        text = text_of(vib, 0, text_is_last=text_is_last)
        chain = vib[1 : len(vib) - len(text) - 1] if text_is_last else vib[2 + len(text) :]
    return PRIMARY[vib[0] & _CODE], chain


def _apply_chain(meaning: _Meaning, chain: bytes) -> None:
    """Let each VIFE act; behind 7F nothing is ours to read, behind 7C another table counts."""
    position = 0
    while position < len(chain):
        effect, text, argument = VIFES[chain[position] & _CODE]
        position += 1
        if text:
            meaning.qualifiers.append(text)
        if effect is _NO_EFFECT:
            continue
        if effect is Effect.VENDOR:
            return
        if effect is Effect.EXTENSION:
            conductor = CONDUCTORS.get(chain[position] & _CODE) if position < len(chain) else None
            meaning.qualifiers.extend([conductor] if conductor else [])
            position += 1
            continue
        _apply(meaning, effect, argument, text)


def _apply(meaning: _Meaning, effect: Effect, argument: int, text: str) -> None:
    if effect is Effect.MULTIPLY:
        _multiply(meaning, argument)
    elif effect is Effect.ADD:
        _add(meaning, argument)
    elif effect is Effect.RECORD_ERROR:
        meaning.record_error = meaning.record_error or text
    elif effect is Effect.COMBINE:
        meaning.unit = COMBINED_UNITS.get((meaning.unit, Per(argument)), Unit.NONE)
    elif effect is Effect.UNKNOWN_UNIT:
        meaning.unit = Unit.NONE
    elif effect in _REPLACEMENTS:
        _replace(meaning, effect, argument)


_NO_EFFECT: Final = Effect.NONE
#: VIFEs behind which the data are no longer the quantity of the VIF, but a time or a count of it.
_REPLACEMENTS: Final = {
    Effect.DATE: ValueType.TIMESTAMP,
    Effect.DURATION: ValueType.TIME,
    Effect.COUNT: ValueType.NONE,
}


def _replace(meaning: _Meaning, effect: Effect, argument: int) -> None:
    """Turn "power" into "date of a power": type and unit change, the scale of the power is gone."""
    if not (effect is Effect.DATE and meaning.is_date):
        meaning.qualifiers.append(meaning.value_type.label)
    meaning.value_type = _REPLACEMENTS[effect]
    meaning.scale, meaning.vif_scale, meaning.addend = 0, 0, None
    meaning.is_date = effect is Effect.DATE
    if effect is Effect.DATE:
        meaning.unit = Unit.UTC
    else:
        meaning.unit = Unit(argument) if effect is Effect.DURATION else Unit.DIMENSIONLESS


def _multiply(meaning: _Meaning, exponent: int) -> None:
    meaning.scale += exponent
    if meaning.addend is not None:
        meaning.addend = Scaled(meaning.addend.integer, meaning.addend.scale + exponent)


def _add(meaning: _Meaning, exponent: int) -> None:
    """Add 10^exponent, counted in units of the VIF: 10^-3 m3 plus 1 is one litre more, not 1 m3."""
    new = Scaled(1, meaning.vif_scale + exponent)
    meaning.addend = new if meaning.addend is None else add(meaning.addend, new)


def add(one: Scaled, other: Scaled) -> Scaled:
    """Add two exact decimals."""
    scale = min(one.scale, other.scale)
    total = one.integer * 10 ** (one.scale - scale) + other.integer * 10 ** (other.scale - scale)
    return Scaled(total, scale)


def text_of_coding(coding: Coding) -> str | None:
    """Read the plain text of a coding; in mode 2 it is sent first character first."""
    if coding.plain_text is None:
        return None
    return read_text(coding.plain_text[::-1] if coding.msb_first else coding.plain_text)
