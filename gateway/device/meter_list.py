"""Device_Handle.cfg, the meter list as XML (manual 9.4).

Reading keeps what it can: a bad element gives a `Complaint` and the default, a meter that nobody
could address is passed over, its neighbours stay. What this version does not understand is written
back as it was. A file that is no meter list at all raises `MeterListError`; the list in force then
stands. Writing omits defaults, but for the version (FILE-03), so the empty list has 78 bytes.

Documents come from strangers: no DTD, no entities, no network, limits on size, depth and counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from gateway.device.complaint import SECRET, Complaint, quoted
from gateway.device.elements import METER_ELEMENTS, VALUE_ELEMENTS, Element, ElementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Limits of a file: 250 meters with 25 values each, every label full, need 2 MB.
FILE_SIZE_MAX: Final = 8 * 1024 * 1024
METERS_MAX: Final = 10_000
VALUES_MAX: Final = 32_768

#: Version of the format that is written (manual 9.4).
FORMAT_VERSION: Final = 0x08
#: "Not set" in the identification number: every digit is a wildcard.
SERIAL_NOT_SET: Final = "FFFFFFFF"

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_HEADER: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
#: Characters that XML 1.0 has no way to write; a meter's text may hold them.
_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MeterListError(Exception):
    """The file cannot be used as a meter list; `line` and `column` count from 1 where known."""

    def __init__(
        self, expected: str, got: str, line: int | None = None, column: int | None = None
    ) -> None:
        place = "" if line is None else f"line {line}: "
        if line is not None and column is not None:
            place = f"line {line}, column {column}: "
        super().__init__(f"{place}expected {expected}, got {got}; the list in force stands")
        self.expected = expected
        self.got = got
        self.line = line
        self.column = column


@dataclass(slots=True)
class Value:
    """One value of a meter, by the element names of manual 9.4.

    `scale` is the power of ten, `unit` and `description` the manual's words, `confdata` the bytes
    of an OBIS code. `kept` has the XML of elements that were not understood.
    """

    description: str = "None"
    unit: str = "None"
    encodetype: str = "NODATA"
    scale: int = 0
    valuetype: str = "instantaneous"
    storagenum: int = 0
    tariff: int = 0
    confdata: bytes = b""
    active: int = 1
    register: int = 0
    user: str = ""
    kept: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Meter:
    """One meter, by the element names of manual 9.4.

    `serial` is the identification number as 8 hexadecimal digits (C-15), `manufacturer` three
    letters, `version` and `medium` numbers; None is "not set" and selects by wildcard (C-66).
    `slaveaddress` is ours (C-11), `kept` as in `Value`.
    """

    interface: str = "M-Bus"
    serial: str = SERIAL_NOT_SET
    manufacturer: str | None = None
    version: int | None = None
    medium: int | None = None
    primaryaddress: int = 0
    addressmode: int = 0
    readoutcycle: int = 0
    maxvaluecount: int = 0
    encryptionkey: bytes = b""
    active: int = 1
    rssi: int = 0
    register: int = 0
    slaveaddress: int = 0
    user: str = ""
    values: list[Value] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def load(data: bytes) -> tuple[list[Meter], list[Complaint]]:
    """Read a meter list; the complaints name line, element, expectation and finding.

    Raises `MeterListError` where the file is too long, not UTF-8, not well-formed, carries a DTD or
    is not a meter list.
    """
    root, complaints = _parse(data)
    meters = []
    value_count = 0
    for number, node in enumerate(root.iterchildren("meter"), start=1):
        if number > METERS_MAX:
            raise MeterListError(f"at most {METERS_MAX} meters", "more", _line(node))
        meter, is_usable = _meter(node, number, complaints)
        value_count += len(meter.values)
        if value_count > VALUES_MAX:
            raise MeterListError(f"at most {VALUES_MAX} values", "more", _line(node))
        if is_usable:
            meters.append(meter)
    return meters, complaints


def save(meters: Sequence[Meter], *, old: bytes = b"") -> bytes:
    """Write a meter list.

    From `old`, the file so far, what no `Meter` holds is kept: unknown elements beside the meters,
    and meters that were passed over as unusable. Raises `MeterListError` for a list beyond the
    limits of `load`, so that what is written can always be read.
    """
    _check_counts(meters)
    parts = [_HEADER, "<root>\n", f"<version>0x{FORMAT_VERSION:02X}</version>\n"]
    parts += _kept_beside_meters(old)
    for meter in meters:
        parts.append("<meter>\n")
        parts += _elements(meter, METER_ELEMENTS)
        for value in meter.values:
            parts += ["<value>\n", *_elements(value, VALUE_ELEMENTS), "</value>\n"]
        parts.append("</meter>\n")
    parts.append("</root>\n")
    data = "".join(parts).encode()
    if len(data) > FILE_SIZE_MAX:
        raise MeterListError(f"a list of at most {FILE_SIZE_MAX} bytes", f"{len(data)} bytes")
    return data


# --- Reading ----------------------------------------------------------------------------------


def _parse(data: bytes) -> tuple[etree._Element, list[Complaint]]:
    """The root element of a document that is safe to walk; raises `MeterListError`."""
    if len(data) > FILE_SIZE_MAX:
        raise MeterListError(f"at most {FILE_SIZE_MAX} bytes", f"{len(data)} bytes")
    complaints = []
    if data.startswith(_BYTE_ORDER_MARK):
        data = data[len(_BYTE_ORDER_MARK) :]
        action = "it is ignored, and gone after the next Save"
        complaints.append(
            Complaint("the file", "UTF-8 without a byte order mark", "one", action, 1)
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise MeterListError(
            "text in UTF-8", f"byte {data[error.start]:02X}", line, column
        ) from None
    # What the header claims does not count: the file is UTF-8 (FILE-01).
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        got = quoted(error.msg or "something else")
        raise MeterListError("well-formed XML", got, max(line, 1), max(column, 1)) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise MeterListError("no document type", "a DOCTYPE", 1)
    if root.tag != "root":
        raise MeterListError("the element <root>", f"<{quoted(str(root.tag))}>", _line(root), 1)
    return root, complaints


def _meter(node: etree._Element, number: int, complaints: list[Complaint]) -> tuple[Meter, bool]:
    """One meter, and whether it can be addressed at all."""
    meter = Meter()
    place = f"meter {number}"
    is_usable = _fill(meter, node, METER_ELEMENTS, place, complaints)
    for position, child in enumerate(node.iterchildren("value"), start=1):
        value = Value()
        _fill(value, child, VALUE_ELEMENTS, f"{place} value {position}", complaints)
        meter.values.append(value)
    if not is_usable:
        complaints.append(
            Complaint(
                place,
                "serial, address and mode by which it can be read",
                "none",
                "the meter is passed over and stays in the file",
                _line(node),
            )
        )
    return meter, is_usable


def _fill(
    entry: Meter | Value,
    node: etree._Element,
    elements: dict[str, Element],
    place: str,
    complaints: list[Complaint],
) -> bool:
    """Read the children of `node` into `entry`; False if one that identifies it is bad."""
    is_usable = True
    seen: set[str] = set()
    for child in node.iterchildren():
        name = child.tag if isinstance(child.tag, str) else ""
        if name == "value" and isinstance(entry, Meter):
            continue
        element = elements.get(name)
        if element is None or element.attribute in seen or len(child):
            _keep(entry, child)
            if element is not None:
                what = "the element once, with text only"
                complaints.append(_complaint(place, name, what, "something else", child))
            continue
        seen.add(element.attribute)
        try:
            setattr(entry, element.attribute, element.parse(child.text or ""))
        except ElementError as error:
            _keep(entry, child)
            got = SECRET if element.secret else quoted(child.text or "")
            complaints.append(_complaint(place, name, str(error), got, child))
            is_usable = is_usable and not element.identifies
    return is_usable


def _complaint(place: str, name: str, expected: str, got: str, node: etree._Element) -> Complaint:
    return Complaint(
        f"{place} <{name}>", expected, got, "the default holds, the text stays", _line(node)
    )


def _keep(entry: Meter | Value, node: etree._Element) -> None:
    """Remember an element that was not understood, to write it back."""
    entry.kept.append(etree.tostring(node, encoding="unicode", with_tail=False))


def _line(node: etree._Element) -> int | None:
    line: Any = node.sourceline
    return line if isinstance(line, int) else None


# --- Writing ----------------------------------------------------------------------------------


def _elements(entry: Meter | Value, elements: dict[str, Element]) -> Iterable[str]:
    """The lines of one entry, defaults omitted, then what was kept.

    A kept element that the device has set since is dropped in favour of the new value.
    """
    written = set()
    for name, element in elements.items():
        value: Any = getattr(entry, element.attribute)
        if element.is_written and (value != element.default or element.always):
            written.add(element.attribute)
            text = _UNWRITABLE.sub("\ufffd", element.format(value))
            yield f"<{name}>{_escaped(text)}</{name}>\n"
    for kept in entry.kept:
        former = elements.get(_tag(kept))
        if former is None or former.attribute not in written:
            yield kept + "\n"


def _tag(kept: str) -> str:
    """Name of a serialised element; "" for comments and processing instructions."""
    match = re.match(r"<([^\s/>!?]+)", kept)
    return match.group(1) if match else ""


def _escaped(text: str) -> str:
    """Escape for element content; a carriage return would be lost by the next reader."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def _kept_beside_meters(old: bytes) -> list[str]:
    """What the old file has that no `Meter` holds; nothing if it cannot be read."""
    try:
        root, _ = _parse(old)
    except MeterListError:
        return []
    kept = []
    for number, node in enumerate(root.iterchildren()):
        if node.tag == "version":
            continue
        if node.tag != "meter" or not _meter(node, number, [])[1]:
            kept.append(etree.tostring(node, encoding="unicode", with_tail=False) + "\n")
    return kept


def _check_counts(meters: Sequence[Meter]) -> None:
    value_count = sum(len(meter.values) for meter in meters)
    if len(meters) > METERS_MAX:
        raise MeterListError(f"at most {METERS_MAX} meters", str(len(meters)))
    if value_count > VALUES_MAX:
        raise MeterListError(f"at most {VALUES_MAX} values", str(value_count))
