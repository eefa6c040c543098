"""The readable table of ``meterbench decode``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.telegram import decode
from gateway.mbus.textform import CELL_SIZE_MAX, to_text
from tests.gateway.mbus.building import HEADER, answer, long_frame
from tests.gateway.mbus.test_telegram import METER_A

TABLE = """\
RSP_UD C 08 A 05 (address 5) CI 72
66600106, LUG, version 2, Heat (outlet), access number 42, status 00
#                value  unit      description       time                 DIB VIB  data
0               267000  Wh        Energy            2026-11-20 11:58:00  0B 06    67 02 00
1               -12.34  Degree C  Flow temperature  2026-11-20 11:58:00  02 59    2E FB
2            123456.78  m³        Volume            2026-11-20 11:58:00  0C 14    78 56 34 12
3  2026-11-20T11:58:00  UTC       Timestamp                              04 6D    3A 0B 54 3B"""


def test_meter_a_as_a_table() -> None:
    """A header line and one row per record."""
    assert to_text(decode(METER_A)) == TABLE


def test_status_and_configuration_are_named_when_set() -> None:
    """Status bits in words, the configuration word only when it says something."""
    text = to_text(decode(answer("", header=HEADER[:9] + b"\x1d\x05\x85")))
    assert "status 1D (power low, permanent error, temporary error, application busy)" in text
    assert "configuration 8505" in text
    fixed = to_text(
        decode(long_frame(0x08, 5, 0x73, bytes.fromhex("7856341201 1f e96a") + bytes(8)))
    )
    assert "12345678, Water, access number 1, status 1F\n" in fixed


def test_kinds_of_frames_are_named() -> None:
    """Acknowledgement, calls, application errors and nonsense in one line each."""
    assert to_text(decode(b"\xe5")) == "E5, acknowledgement"
    assert to_text(decode(bytes.fromhex("107BFD7816"))).startswith(
        "REQ_UD2 C 7B A FD (address 253)\n"
    )
    busy = to_text(decode(long_frame(0x08, 1, 0x70, b"\x08")))
    assert "application error 8: application too busy" in busy
    assert to_text(decode(b"\x00")).startswith("no frame\nerror: at byte 0")


def test_errors_no_data_and_further_pages_are_said() -> None:
    """What a record lacks stands in its row, what the telegram lacks at the end."""
    text = to_text(decode(answer("055b 0000c07f 0013 8440 13 01000000 1f")))
    assert "real nan" in text
    assert "No Data" in text
    assert "subunit 1" in text
    assert text.endswith("more records follow in the next telegram")


@given(st.binary(max_size=252))
def test_any_telegram_is_shown_without_control_characters(data: bytes) -> None:
    """No byte of a meter moves the cursor, and no cell grows without limit."""
    text = to_text(decode(long_frame(0x08, 5, 0x72, data)))
    assert all(line.isprintable() for line in text.split("\n"))
    assert all(len(line) < 40 + 7 * CELL_SIZE_MAX for line in text.split("\n"))
