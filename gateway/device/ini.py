"""INI files of the device as text that is changed in place: chip.ini and webcom.ini (`FILE-01`).

`parse` says what is wrong with a file as a whole; comments, order, case, unknown keys and line ends
survive a rewrite. What the keys mean is decided elsewhere.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from configupdater import ConfigUpdater

from gateway.device.complaint import Complaint, quoted

if TYPE_CHECKING:
    from configupdater import Option, Section

#: A chip.ini with every key set has about 3 kB; nothing beyond this is parsed.
FILE_SIZE_MAX: Final = 64 * 1024
COMMENT_MARKS: Final = ("#", ";")

_BYTE_ORDER_MARK: Final = "\ufeff"
_SECTION_LINE: Final = re.compile(r"\[(.+)\]")
_FILE: Final = "the file"
_NOT_USED: Final = "the settings in force stand"


class Unusable(Exception):  # noqa: N818 - not an error: it carries the complaint out
    """The file as a whole cannot be used."""

    def __init__(self, expected: str, got: str, line: int | None = None) -> None:
        super().__init__(expected)
        self.complaint = Complaint(_FILE, expected, got, _NOT_USED, line, fatal=True)


class _CaseKeepingUpdater(ConfigUpdater):
    """Tells keys apart by case: the known ones are in capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@dataclass(slots=True)
class Document:
    """A parsed file: the updater for its text, the lines of its keys, what was odd about it."""

    updater: ConfigUpdater
    lines: dict[tuple[str, str], int]
    crlf: bool
    complaints: list[Complaint]
    # The keys of each section that was looked into: the updater goes through its lines each time,
    # and a start-up asks for two hundred keys.
    _known: dict[str, dict[str, Option]] = field(default_factory=dict, init=False, repr=False)

    def find(self, section: str, *names: str) -> tuple[str, str] | None:
        """Give name and text of a key as the file has them; the first of several names counts."""
        known = self._keys(section)
        if known is not None:
            for name in names:
                option = known.get(name)
                if option is not None:
                    return name, option.value or ""
        return None

    def put(self, section: str, name: str, text: str) -> None:
        """Change a key, or add it behind the others of its section, which is made if need be."""
        known = self._keys(section)
        if known is None:
            _add_section(self.updater, section)
        elif name in known:
            known[name].value = text
            return
        _append(self.updater[section], name, text)
        self._known.pop(section, None)

    def remove(self, section: str, *names: str) -> None:
        """Take keys away."""
        if self._keys(section) is not None:
            for name in names:
                self.updater[section].pop(name, None)
            del self._known[section]

    def remove_section(self, section: str) -> None:
        """Take a section away with all its keys."""
        self.updater.remove_section(section)
        self._known.pop(section, None)

    def _keys(self, section: str) -> dict[str, Option] | None:
        """The keys of a section; None where there is none of this name."""
        known = self._known.get(section)
        if known is None and self.updater.has_section(section):
            blocks = self.updater[section].option_blocks()
            known = self._known[section] = {option.key: option for option in blocks}
        return known

    def to_bytes(self) -> bytes:
        """The file with its own line ends."""
        text = str(self.updater)
        return (text.replace("\n", "\r\n") if self.crlf else text).encode()


def parse(data: bytes) -> Document:
    """Split the file into sections and keys; raises `Unusable`."""
    if len(data) > FILE_SIZE_MAX:
        raise Unusable(f"at most {FILE_SIZE_MAX} bytes", f"{len(data)} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unusable("text in UTF-8", f"byte {data[error.start]:02X}", line) from None
    complaints = []
    if text.startswith(_BYTE_ORDER_MARK):
        text = text[1:]
        action = "it is ignored, and gone after the next Save"
        complaints.append(Complaint(_FILE, "UTF-8 without a byte order mark", "one", action, 1))
    if "\x00" in text:
        raise Unusable("text", "a zero byte", text.count("\n", 0, text.index("\x00")) + 1)
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
        raise Unusable("every section once", got, error.lineno) from None
    except configparser.DuplicateOptionError as error:
        got = f"{quoted(error.option)} twice in [{error.section}]"
        raise Unusable("every key once", got, error.lineno) from None
    except configparser.MissingSectionHeaderError as error:
        raise Unusable("a [SECTION] first", quoted(error.line.strip()), error.lineno) from None
    except configparser.ParsingError as error:
        line, got = error.errors[0]
        raise Unusable("KEY=value", got, line) from None
    return Document(updater, lines, crlf, complaints)


def _key_lines(text: str) -> dict[tuple[str, str], int]:
    """Find the line of every key, for messages; the parser does not tell."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        header = _SECTION_LINE.match(line)
        if header:
            section = header.group(1)
        elif line.strip() and not line.startswith(COMMENT_MARKS):
            lines.setdefault((section, line.partition("=")[0].strip()), number)
    return lines


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
