"""Reading and writing chip.ini (manual 9.4, FILE-01 to FILE-04).

Reading never fails: a value that its key does not take gives the default and a `Complaint` (C-23);
a file that cannot be used at all leaves the settings that were in force. Writing changes only what
differs and keeps comments, order, case, unknown keys and line ends.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from configupdater import ConfigUpdater

from gateway.device.complaint import SECRET, Complaint, quoted
from gateway.device.keys import KEYS, Configuration, Key, Tab
from gateway.device.kinds import KindError

if TYPE_CHECKING:
    from collections.abc import Collection

    from configupdater import Section

__all__ = [
    "FACTORY_CHIP_INI",
    "FILE_SIZE_MAX",
    "KEYS",
    "Complaint",
    "Configuration",
    "Key",
    "KindError",
    "Tab",
    "factory_chip_ini",
    "load",
    "save",
]

#: A chip.ini with every key set has about 3 kB; nothing beyond this is parsed.
FILE_SIZE_MAX: Final = 64 * 1024

_BYTE_ORDER_MARK: Final = "\ufeff"
_COMMENT_MARKS: Final = ("#", ";")
_SECTION_LINE: Final = re.compile(r"\[(.+)\]")
_DEFAULT_USED: Final = "the default {} is used"
_FILE: Final = "the file"
_NOT_USED: Final = "the settings in force stand"


def load(
    data: bytes, *, previous: Configuration | None = None, unit_loads: int = 80
) -> tuple[Configuration, list[Complaint]]:
    """Read chip.ini; the complaints say what was not taken and what holds instead.

    Where the file as a whole cannot be used (too long, not UTF-8, not INI, a key twice) the result
    is `previous`, or the defaults, with one complaint that is fatal. `unit_loads` (20, 80, 0 = lab)
    chooses the default of NAME.
    """
    defaults = replace(Configuration(), name=_device_name(unit_loads))
    try:
        document = _parse(data)
    except _Unusable as error:
        return (defaults if previous is None else previous), [error.complaint]
    complaints = list(document.complaints)
    values: dict[str, Any] = {}
    for key in KEYS:
        default = getattr(defaults, key.attribute)
        values[key.attribute] = _value(document, key, default, complaints)
    complaints += _unknown_keys(document)
    complaints.sort(key=lambda complaint: complaint.line or 0)
    return Configuration(**values), complaints


def save(
    old: bytes,
    configuration: Configuration,
    *,
    explicit: Collection[str] = (),
    unit_loads: int = 80,
) -> bytes:
    """Write `configuration` into the text of `old`, changing only the keys that differ.

    Where none differs, `old` comes back byte for byte; otherwise blanks at both ends of lines go.
    Missing keys stay away while they have their default, but for the attributes in `explicit`: a
    Save of the page writes its fields in any case (C-16). A file that cannot be used is replaced by
    the factory text; the caller keeps a copy. Raises `KindError` naming the key for a value that it
    does not take, so that what is written can always be read.
    """
    try:
        document = _parse(old)
    except _Unusable:
        old = factory_chip_ini(unit_loads).encode()
        document = _parse(old)
    defaults = replace(Configuration(), name=_device_name(unit_loads))
    before = str(document.updater)
    for key in KEYS:
        value = getattr(configuration, key.attribute)
        default = getattr(defaults, key.attribute)
        if value != _value(document, key, default, []) or key.attribute in explicit:
            _write(document.updater, key, value, default)
    if str(document.updater) == before and not document.complaints:
        return old
    text = str(document.updater)
    return (text.replace("\n", "\r\n") if document.crlf else text).encode()


# --- The file as text -------------------------------------------------------------------------


class _Unusable(Exception):  # noqa: N818 - not an error: it carries the complaint out
    """The file as a whole is not a chip.ini."""

    def __init__(self, expected: str, got: str, line: int | None = None) -> None:
        super().__init__(expected)
        self.complaint = Complaint(_FILE, expected, got, _NOT_USED, line, fatal=True)


class _CaseKeepingUpdater(ConfigUpdater):
    """Tells keys apart by case: those of chip.ini are in capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@dataclass(slots=True)
class _Document:
    """A parsed file: the updater for its text, the lines of its keys, what was odd about it."""

    updater: ConfigUpdater
    lines: dict[tuple[str, str], int]
    crlf: bool
    complaints: list[Complaint]

    def find(self, key: Key) -> tuple[str, str] | None:
        """Give name and text of a key as the file has them; its proper name goes before others."""
        if not self.updater.has_section(key.section):
            return None
        section = self.updater[key.section]
        for name in (key.name, *key.former):
            if name in section:
                return name, section[name].value or ""
        return None


def _parse(data: bytes) -> _Document:
    """Split the file into sections and keys; raises `_Unusable`."""
    if len(data) > FILE_SIZE_MAX:
        raise _Unusable(f"at most {FILE_SIZE_MAX} bytes", f"{len(data)} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unusable("text in UTF-8", f"byte {data[error.start]:02X}", line) from None
    complaints = []
    if text.startswith(_BYTE_ORDER_MARK):
        text = text[1:]
        action = "it is ignored, and gone after the next Save"
        complaints.append(Complaint(_FILE, "UTF-8 without a byte order mark", "one", action, 1))
    if "\x00" in text:
        raise _Unusable("text", "a zero byte", text.count("\n", 0, text.index("\x00")) + 1)
    crlf = "\n" in text and text.count("\r\n") == text.count("\n")
    if crlf:
        text = text.replace("\r\n", "\n")
    # No value of chip.ini has more than one line: what is indented is a line of its own, not the
    # continuation that general INI rules make of it.
    rows = text.removesuffix("\n").split("\n") if text else []
    text = "".join(line.strip() + "\n" for line in rows)
    lines = _key_lines(text)
    updater = _CaseKeepingUpdater(
        allow_no_value=True,
        delimiters=("=",),
        space_around_delimiters=False,
        empty_lines_in_values=False,
    )
    try:
        updater.read_string(text)
    except configparser.DuplicateSectionError as error:
        got = f"[{quoted(error.section)}] twice"
        raise _Unusable("every section once", got, error.lineno) from None
    except configparser.DuplicateOptionError as error:
        got = f"{quoted(error.option)} twice in [{error.section}]"
        raise _Unusable("every key once", got, error.lineno) from None
    except configparser.MissingSectionHeaderError as error:
        raise _Unusable("a [SECTION] first", quoted(error.line.strip()), error.lineno) from None
    except configparser.ParsingError as error:
        line, got = error.errors[0]
        raise _Unusable("KEY=value", got, line) from None
    return _Document(updater, lines, crlf, complaints)


def _key_lines(text: str) -> dict[tuple[str, str], int]:
    """Find the line of every key, for messages; the parser does not tell."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        header = _SECTION_LINE.match(line)
        if header:
            section = header.group(1)
        elif line.strip() and not line.startswith(_COMMENT_MARKS):
            lines.setdefault((section, line.partition("=")[0].strip()), number)
    return lines


# --- Values -----------------------------------------------------------------------------------


def _value(document: _Document, key: Key, default: Any, complaints: list[Complaint]) -> Any:
    """The value in force of one key; adds a complaint where the file's is not taken (C-23)."""
    found = document.find(key)
    if found is None:
        return default
    name, text = found
    if text == "" and default in ("", None):
        return default
    try:
        return key.kind.parse(text)
    except KindError as error:
        value = default
        action = "the default is used" if key.secret else _DEFAULT_USED.format(_shown(key, default))
        if key.masked is not None and text == str(key.masked[0]):
            value = key.masked[1]
            action = f"its bits beyond the last are ignored, {value} is used"
        line = document.lines.get((key.section, name))
        complaints.append(Complaint(key.place, str(error), _got(key, text), action, line))
        return value


def _got(key: Key, text: str) -> str:
    """Quote what came, unless it is a secret."""
    return SECRET if key.secret else quoted(text)


def _shown(key: Key, value: Any) -> str:
    """Write a default for a message."""
    return key.kind.format(value) or "(not set)"


def _unknown_keys(document: _Document) -> list[Complaint]:
    """Tell lines without a value, and keys that are spelled like a known one but for case.

    Other unknown keys belong to somebody else and are kept without a word (C-23).
    """
    known = {(key.section, name) for key in KEYS for name in (key.name, *key.former)}
    spelled = {(section.upper(), name.upper()): (section, name) for section, name in known}
    complaints = []
    for section in document.updater.sections():
        for name, option in document.updater[section].items():
            line = document.lines.get((section, name))
            if option.value is None and not name.startswith(_COMMENT_MARKS):
                complaints.append(
                    Complaint(f"[{section}]", "KEY=value", quoted(name), "it is not read", line)
                )
            meant = spelled.get((section.strip().upper(), name.upper()))
            if meant is not None and (section, name) not in known:
                expected, got = f"[{meant[0]}] {meant[1]}", f"[{section}] {name}"
                complaints.append(Complaint(expected, expected, got, "it is not read", line))
    return complaints


def _write(updater: ConfigUpdater, key: Key, value: Any, default: Any) -> None:
    """Put one value into the text; "not set" takes the key away."""
    try:
        text = key.kind.format(value)
    except KindError as error:
        raise KindError(f"{key.place}: expected {error}, got {_got(key, str(value))}") from None
    if text == "" and default in ("", None):
        if updater.has_section(key.section):
            for name in (key.name, *key.former):
                updater[key.section].pop(name, None)
        return
    if not updater.has_section(key.section):
        _add_section(updater, key.section)
    section = updater[key.section]
    if key.name in section:
        section[key.name].value = text
    else:
        _append(section, key.name, text)


def _add_section(updater: ConfigUpdater, name: str) -> None:
    """Add a section at the end, a blank line before it."""
    sections = updater.section_blocks()
    if sections:
        sections[-1].add_after.space(1).section(name)
    else:
        updater.add_section(name)


def _append(section: Section, name: str, text: str) -> None:
    """Add a key behind the last one of its section, before the blank lines that end it."""
    options = section.option_blocks()
    if options:
        options[-1].add_after.option(name, text)
    else:
        section[name] = text


# --- The factory file -------------------------------------------------------------------------


def _device_name(unit_loads: int) -> str:
    """Name of a device of 20 or 80 unit loads (manual 9.4); the lab model has its own (C-75)."""
    return f"Anybus M-Bus/MTCP {unit_loads}" if unit_loads else "meterbench lab"


def factory_chip_ini(unit_loads: int) -> str:
    """The chip.ini of a new device: what the manual's screens show, set explicitly (C-16, C-74).

    `unit_loads` is 20, 80 or, for the lab model, 0, which also means no limit of meters (C-75).
    Both models' files have the 422 bytes of Fig. 22; that is arithmetic, not knowledge of the
    vendor's file.
    """
    return f"""\
# Anybus M-Bus to Modbus-TCP gateway: system configuration, UTF-8 without BOM.
# A key that is missing here has the default of manual section 9.4. Read at start-up only.

[IP]
ADDRESS=192.168.1.101
NETMASK=255.255.255.0
GATEWAY=192.168.1.254
DHCP=0

[DEVICE]
NAME={_device_name(unit_loads)}

[CONFIG]
MBUS_MAXMULTIPAGE=3
MBUS_SEARCHTIMING=ADAPTIVE
METER_MAXDEVICECOUNT={unit_loads}
METER_MAXVALUECOUNT=25
MODBUS_ENABLE=1
MUC_CONFIG_VER=2
"""


#: The factory file of the 80 UL model.
FACTORY_CHIP_INI: Final = factory_chip_ini(80)
