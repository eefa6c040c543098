"""``meterbench decode``: telegrams in hexadecimal in, a table or JSON out.

Pure: lines in, text and exit code out; the command line only feeds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus.errors import FrameError
from gateway.mbus.jsonform import to_json
from gateway.mbus.telegram import Telegram, decode
from gateway.mbus.textform import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXIT_PASS: Final = 0
EXIT_FLAGGED: Final = 1


class Decoded(NamedTuple):
    """One line of input, decoded: what to print, and whether its telegram is flagged."""

    text: str
    is_flagged: bool


def decode_line(line: str) -> Telegram:
    """Decode one telegram in hexadecimal, upper or lower case, with or without blanks.

    Text that is no hexadecimal gives a flagged telegram, whose offset counts characters.
    """
    try:
        data = bytes.fromhex(line)
    except ValueError:
        return Telegram(None, error=_not_hexadecimal(line))
    return decode(data)


def _not_hexadecimal(line: str) -> FrameError:
    for offset, character in enumerate(line):
        if not character.isspace() and character not in "0123456789abcdefABCDEF":
            got = f"{character!a} as character {offset + 1}"
            return FrameError(offset, "hexadecimal digits", got)
    return FrameError(len(line), "two hexadecimal digits for each byte", "an odd digit")


def decode_lines(lines: Iterable[str], *, json: bool) -> Iterator[Decoded]:
    """Decode one telegram a line as the lines come; blank lines are passed over."""
    for line in lines:
        if line.strip():
            telegram = decode_line(line.strip())
            text = to_json(telegram) if json else to_text(telegram)
            yield Decoded(text, telegram.error is not None)


def decode_main(lines: Iterable[str], json: bool) -> tuple[str, int]:
    """Decode all lines; returns what to print and the exit code.

    JSON: one document a line. Text: one table a telegram, a blank line between them. The exit code
    is 0 when no telegram is flagged, else 1.
    """
    decoded = list(decode_lines(lines, json=json))
    separator = "\n" if json else "\n\n"
    text = separator.join(one.text for one in decoded)
    is_flagged = any(one.is_flagged for one in decoded)
    return f"{text}\n" if text else "", EXIT_FLAGGED if is_flagged else EXIT_PASS
