"""Reading and writing chip.ini (manual 9.4, FILE-01 to FILE-04).

Reading never fails: a value that its key does not take gives the default and a `Complaint` (C-23);
a file that cannot be used at all leaves the settings that were in force. Writing changes only what
differs and keeps comments, order, case, unknown keys and line ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gateway.device.complaint import SECRET, Complaint, quoted
from gateway.device.ini import (
    COMMENT_MARKS,
    FILE_SIZE_MAX,
    Document,
    Unusable,
    parse,
)
from gateway.device.keys import KEYS, Configuration, Key, Tab
from gateway.device.kinds import KindError

if TYPE_CHECKING:
    from collections.abc import Collection

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

_DEFAULT_USED: Final = "the default {} is used"


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
        document = parse(data)
    except Unusable as error:
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
        document = parse(old)
    except Unusable:
        old = factory_chip_ini(unit_loads).encode()
        document = parse(old)
    defaults = replace(Configuration(), name=_device_name(unit_loads))
    before = str(document.updater)
    for key in KEYS:
        value = getattr(configuration, key.attribute)
        default = getattr(defaults, key.attribute)
        if value != _value(document, key, default, []) or key.attribute in explicit:
            _write(document, key, value, default)
    if str(document.updater) == before and not document.complaints:
        return old
    return document.to_bytes()


# --- Values -----------------------------------------------------------------------------------


def _value(document: Document, key: Key, default: Any, complaints: list[Complaint]) -> Any:
    """The value in force of one key; adds a complaint where the file's is not taken (C-23)."""
    found = document.find(key.section, key.name, *key.former)
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


def _unknown_keys(document: Document) -> list[Complaint]:
    """Tell lines without a value, and keys that are spelled like a known one but for case.

    Other unknown keys belong to somebody else and are kept without a word (C-23).
    """
    known = {(key.section, name) for key in KEYS for name in (key.name, *key.former)}
    spelled = {(section.upper(), name.upper()): (section, name) for section, name in known}
    complaints = []
    for section in document.updater.sections():
        for name, option in document.updater[section].items():
            line = document.lines.get((section, name))
            if option.value is None and not name.startswith(COMMENT_MARKS):
                complaints.append(
                    Complaint(f"[{section}]", "KEY=value", quoted(name), "it is not read", line)
                )
            meant = spelled.get((section.strip().upper(), name.upper()))
            if meant is not None and (section, name) not in known:
                expected, got = f"[{meant[0]}] {meant[1]}", f"[{section}] {name}"
                complaints.append(Complaint(expected, expected, got, "it is not read", line))
    return complaints


def _write(document: Document, key: Key, value: Any, default: Any) -> None:
    """Put one value into the text; "not set" takes the key away."""
    try:
        text = key.kind.format(value)
    except KindError as error:
        raise KindError(f"{key.place}: expected {error}, got {_got(key, str(value))}") from None
    if text == "" and default in ("", None):
        document.remove(key.section, key.name, *key.former)
    else:
        document.put(key.section, key.name, text)


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
