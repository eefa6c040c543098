"""``meterbench profile``: a captured telegram becomes a profile of a simulated meter.

This is the one place where the gateway's decoder writes something that the simulators read, so it
lives where both may be used. What it takes from the capture is literal (DIB, VIB, data); what it
takes from the decoder is the expectation, and that is a *proposal*: a mistake of the decoder would
be in it. The file says so, and a person reviews every `expect` against the meter's documentation.

What is printed is checked before: the profile must parse and its records must be the captured
characters again.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from gateway.mbus.address import manufacturer_letters
from gateway.mbus.coding import Function
from gateway.mbus.decode import decode_line
from gateway.mbus.frames import LongFrame
from gateway.mbus.header import CI_LONG_HEADER
from gateway.mbus.timestamps import assign_timestamps, serves_a_value
from simulators import encoding, names, profile
from simulators.document import PopulationError
from simulators.meter import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.mbus.data_record import DataRecord
    from gateway.mbus.telegram import Telegram

EXIT_FLAGGED: Final = 1
EXIT_USAGE: Final = 2
#: Telegrams of one meter that are taken together.
TELEGRAMS_MAX: Final = 100

#: Data field of the DIF -> coding of a number (MBDOC48 p.38).
_CODINGS: Final = {
    0x1: "int8", 0x2: "int16", 0x3: "int24", 0x4: "int32", 0x5: "real32", 0x6: "int48",
    0x7: "int64", 0x9: "bcd2", 0xA: "bcd4", 0xB: "bcd6", 0xC: "bcd8", 0xE: "bcd12",
}  # fmt: skip
_LVAR: Final = 0xD
_DATE_CODINGS: Final = {2: "date_g", 4: "date_f"}

_HEAD: Final = """\
# Made from a captured telegram. DIB, VIB and data are those of the wire; every `expect` is what the
# gateway's decoder made of them: a proposal. Review each one against the meter's documentation,
# then let the values move (see docs/populations.md).
"""


class ProfileError(ValueError):
    """A telegram of which no profile can be made."""


def profile_command(
    telegram: Annotated[
        str,
        typer.Argument(
            metavar="HEX|-",
            help="A telegram of the meter, or - for one a line from stdin: those of one read-out.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the profile; by default maker and medium.")
    ] = None,
) -> None:
    """Turn a captured RSP_UD into a profile for simulated meters, printed as YAML.

    The expectations in it are proposals of the decoder and have to be reviewed. Exit code 1: the
    telegram is broken; 2: nothing that could be a profile.
    """
    lines = sys.stdin.read().splitlines() if telegram == "-" else [telegram]
    telegrams = [decode_line(line) for line in lines if line.strip()]
    for number, one in enumerate(telegrams, 1):
        if one.error is not None:
            typer.echo(f"error: telegram {number}: {one.error}", err=True)
            raise typer.Exit(EXIT_FLAGGED)
    try:
        text = profile_text(telegrams, name)
    except ProfileError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from error
    typer.echo(text, nl=False)


def profile_text(telegrams: Sequence[Telegram], name: str | None = None) -> str:
    """The profile as YAML; ProfileError unless the telegrams are one meter's read-out."""
    if not telegrams:
        raise ProfileError("expected a telegram in hexadecimal, got nothing")
    if len(telegrams) > TELEGRAMS_MAX:
        raise ProfileError(
            f"a read-out has at most {TELEGRAMS_MAX} telegrams, got {len(telegrams)}"
        )
    pages = [_values(one) for one in telegrams]
    everything = [record for page in pages for record in page]
    if not everything:
        raise ProfileError("the telegram has no data records")
    assign_timestamps(everything)
    listed = [record for record in everything if record.function in _LISTED]
    times = {id(item): f"time-{n}" for n, item in enumerate(_hidden(listed), 1)}
    text = "".join([_HEAD, *_head(telegrams, name), *_body(pages, times)])
    _check(text, pages)
    return text


_LISTED: Final = frozenset(
    {Function.INSTANTANEOUS, Function.MAXIMUM, Function.MINIMUM, Function.ERROR_STATE}
)


def _values(telegram: Telegram) -> list[DataRecord]:
    """The records of a telegram without the mark that more follow."""
    frame, header = telegram.frame, telegram.header
    if not isinstance(frame, LongFrame) or header is None or header.address is None:
        raise ProfileError("want an answer of a meter with its header (RSP_UD with CI 72)")
    if frame.ci_field != CI_LONG_HEADER:
        raise ProfileError(
            f"want the variable data structure of CI 72, got CI {frame.ci_field:02X}"
        )
    records = list(telegram.records)
    if records and records[-1].function is Function.MORE_RECORDS_FOLLOW:
        last = records.pop()
        if last.data:
            raise ProfileError("a profile cannot say manufacturer data behind 1F")
    return records


def _hidden(listed: Sequence[DataRecord]) -> list[DataRecord]:
    """The time points that a gateway gives to other values and hides (C-58)."""
    return [item for item in listed if item.gives_time and serves_a_value(item, listed)]


def _head(telegrams: Sequence[Telegram], name: str | None) -> list[str]:
    """Everything before the records."""
    header = telegrams[0].header
    assert header is not None, "looked at with the records"
    address = header.address
    assert address is not None, "looked at with the records"
    if any(one.header is None or one.header.address != address for one in telegrams):
        raise ProfileError("the telegrams are of different meters")
    letters = manufacturer_letters(address.manufacturer)
    shown = name or f"{letters.lower()}-{address.medium}-{address.version}"
    return [
        f"profile: {_quoted(shown)}\n",
        f"title: {_quoted(f'{letters} {address.identification_number}, as captured')}\n",
        f"manufacturer: {letters}\n",
        f"version: 0x{address.version:02X}\n",
        f"medium: {address.medium}\n",
        f"status: 0x{header.status:02X}\n" if header.status else "",
    ]


def _body(pages: Sequence[Sequence[DataRecord]], times: dict[int, str]) -> list[str]:
    """The records, one telegram under `records` or several under `pages`."""
    if len(pages) == 1:
        return ["records:\n", *(_record(item, times, "  ") for item in pages[0])]
    lines = ["pages:\n"]
    for page in pages:
        lines.append("  - records:\n")
        lines += [_record(item, times, "      ") for item in page]
    return lines


def _record(record: DataRecord, times: dict[int, str], indent: str) -> str:
    """One record, in two lines."""
    parts = []
    own = times.get(id(record))
    if own is not None:
        parts.append(f"id: {own}")
    parts.append(f'dib: "{record.dib.hex(" ").upper()}"')
    if record.vib:
        parts.append(f'vib: "{record.vib.hex(" ").upper()}"')
    said = _said(record)
    parts += said.parts
    if record.time_record is not None and id(record.time_record) in times:
        parts.append(f"timestamp_from: {times[id(record.time_record)]}")
    hidden = own is not None or record.function not in _LISTED
    last = "hidden: true" if hidden else f"expect: {_expectation(record, said)}"
    note = f"  # {record.error}" if record.error is not None else ""
    return f"{indent}- {{{', '.join(parts)},\n{indent}   {last}}}{note}\n"


class _Said(NamedTuple):
    """How the data stand in the profile: its keys, and the coding, None for literal data."""

    parts: list[str]
    coding: str | None


def _said(record: DataRecord) -> _Said:
    """The value in a coding, if encoding it again gives the captured data; else the data."""
    coding, value = _coded(record)
    if coding is not None and _encodes(record, coding, value):
        shown = value if isinstance(value, int | float) else _quoted(value)
        return _Said([f"coding: {coding}", f"value: {shown}"], coding)
    return _Said([f'data: "{record.data.hex(" ").upper()}"'], None)


def _coded(record: DataRecord) -> tuple[str | None, int | float | str]:
    """A coding for the data, and the value in it; None where there is none."""
    field = record.dib[0] & 0x0F
    if record.error is not None or record.value is None or record.function not in _LISTED:
        return None, ""
    if record.unit.symbol == "UTC":
        return _DATE_CODINGS.get(len(record.data)), record.value
    if field == _LVAR:
        return "text", record.value
    coding = _CODINGS.get(field)
    if coding is None or record.integer is None:
        return None, ""
    if coding == "real32":
        number = encoding.shortest_decimal(record.data)
        return coding, float(f"{number.integer}e{number.scale}")
    return coding, _raw(record, coding)


def _raw(record: DataRecord, coding: str) -> int:
    """The whole number in the register, read by the simulators' own rules of BCD and integers."""
    if not coding.startswith("bcd"):
        return int.from_bytes(record.data, "little", signed=True)
    digits = record.data[::-1].hex()
    sign, rest = (-1, digits[1:]) if digits[0] == "f" else (1, digits)
    return sign * int(rest) if rest.isdecimal() else 0


def _encodes(record: DataRecord, coding: str, value: int | float | str) -> bool:
    """Whether the simulator would send the captured data for `value`."""
    spec = {"dib": record.dib, "vib": record.vib, "coding": coding, "value": value, "hidden": True}
    try:
        made = profile.Record.model_validate(spec)
    except ValueError:
        return False
    compiled = profile.CompiledRecord(made, 0, "", EPOCH)
    return compiled.encode(0) == record.to_bytes()


def _expectation(record: DataRecord, said: _Said) -> str:
    """The decoder's reading, in the words of manual 6.2."""
    unit = record.unit.symbol.replace("³", "3")
    parts = [f"value_type: {_quoted(_known_type(record))}", f"unit: {_quoted(unit)}"]
    is_date, is_text = unit == "UTC", record.integer is None and record.value is not None
    if record.value is None:
        parts.append("kind: no data")
    elif is_text:
        parts = [
            parts[0],
            *([] if said.coding else ["kind: text", f"text: {_quoted(record.value)}"]),
        ]
    elif is_date:
        parts += [] if said.coding else ["kind: date", f"integer: {record.integer or 0}"]
    elif said.coding == "real32":
        parts.append(f"scale: {record.scale - encoding.shortest_decimal(record.data).scale}")
    else:
        parts.append(f"scale: {record.scale}")
        if said.coding is None:
            parts.append("kind: number")
        if said.coding is None or record.integer != _raw(record, said.coding):
            parts.append(f"integer: {record.integer}")
    return f"{{{', '.join(parts)}}}"


def _known_type(record: DataRecord) -> str:
    """The manual's word; a type that it reserves has none and becomes "None"."""
    label = record.value_type.label
    return label if label in names.VALUE_TYPES else "None"


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes, whatever a meter may have said."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printable = (c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)
    return '"' + "".join(printable) + '"'


def _check(text: str, pages: Sequence[Sequence[DataRecord]]) -> None:
    """Refuse a profile that does not parse, or would send something else than was captured."""
    try:
        made = profile.parse(text, "profile")
    except PopulationError as error:
        raise ProfileError(f"no profile can say this telegram:\n{error}") from error
    sent = [
        [profile.CompiledRecord(item, 0, "", EPOCH).encode(0) for item in page]
        for page in made.telegrams
    ]
    if sent != [[record.to_bytes() for record in page] for page in pages]:
        raise ProfileError("the profile would not send the captured records again")
