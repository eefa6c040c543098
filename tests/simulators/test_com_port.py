"""The server's half of RFC 2217: options, settings and errors, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.characters import Fault, Format
from simulators.com_port import ComPort, Received

WILL_COM_PORT, DO_COM_PORT = b"\xff\xfb\x2c", b"\xff\xfd\x2c"
FORM = Format(2400)


def request(code: int, value: bytes) -> bytes:
    """A subnegotiation of the client."""
    return b"\xff\xfa\x2c" + bytes((code,)) + value.replace(b"\xff", b"\xff\xff") + b"\xff\xf0"


def told(code: int, value: bytes) -> bytes:
    """What the server says in reply."""
    return request(code + 100, value)


def test_characters_pass_and_ff_is_doubled() -> None:
    """An FF is a character only where it stands twice."""
    port = ComPort(FORM)
    assert port.receive(b"\x10\xff\xff\x16") == [Received(b"\x10\xff\x16")]
    assert port.carry(b"\x68\xff\x16", ()) == b"\x68\xff\xff\x16"
    assert port.answer() == b""


def test_options_are_agreed_once() -> None:
    """A wish that is fulfilled already gets no second word, or the two would never end."""
    port = ComPort(FORM)
    assert port.receive(WILL_COM_PORT + DO_COM_PORT) == []
    assert port.answer() == DO_COM_PORT + told(7, b"\xb0") + WILL_COM_PORT
    port.receive(WILL_COM_PORT + DO_COM_PORT)
    assert port.answer() == b""
    # An option that nobody here has is refused; one that is given up is let go, once.
    port.receive(b"\xff\xfd\x18\xff\xfe\x2c\xff\xfe\x2c")
    assert port.answer() == b"\xff\xfc\x18\xff\xfc\x2c"


@pytest.mark.parametrize(
    ("code", "value", "answer", "form"),
    [
        (1, b"\x00\x00\x25\x80", b"\x00\x00\x25\x80", Format(9600)),
        (1, b"\x00\x00\x00\x00", b"\x00\x00\x09\x60", None),
        (1, b"\x00\x00\x03\xe8", b"\x00\x00\x09\x60", None),
        (2, b"\x07", b"\x08", None),
        (3, b"\x01", b"\x01", Format(2400, "N")),
        (3, b"\x00", b"\x03", None),
        (3, b"\x05", b"\x03", None),
        (4, b"\x02", b"\x02", Format(2400, "E", 2)),
        (4, b"\x03", b"\x01", None),
        (5, b"\x00", b"\x01", None),
        (5, b"\x08", b"\x08", None),
        (5, b"\x03", b"\x01", None),
        (10, b"\xff", b"\xff", None),
        (11, b"\x00", b"\x00", None),
        (12, b"\x03", b"\x03", None),
        (0, b"", b"meterbench simulated line", None),
    ],
)
def test_a_setting_is_answered_with_what_is_in_force(
    code: int, value: bytes, answer: bytes, form: Format | None
) -> None:
    """What the line cannot do is answered with the setting that stays."""
    port = ComPort(FORM)
    assert port.receive(request(code, value)) == ([Received(form=form)] if form else [])
    assert port.answer() == told(code, answer)
    assert port.form == (form or FORM)


def test_settings_and_characters_keep_their_order() -> None:
    """A character before a setting is still sent in the old format, one behind it in the new."""
    port = ComPort(FORM)
    found = port.receive(b"a" + request(1, b"\x00\x00\x01\x2c") + b"b" + request(5, b"\x05") + b"c")
    assert found == [
        Received(b"a"),
        Received(form=Format(300)),
        Received(b"b"),
        Received(is_break=True),
        Received(b"c"),
    ]


def test_errors_are_told_behind_their_character() -> None:
    """Only those that the client's mask asks for; without one a broken character looks plain."""
    port = ComPort(FORM)
    faults = [(0, Fault.PARITY), (2, Fault.FRAMING)]
    assert port.carry(b"\xa5\x01\xff", faults) == b"\xa5\x01\xff\xff"
    port.receive(request(10, b"\x0c"))
    assert port.carry(b"\xa5\x01\xff", faults) == (
        b"\xa5" + told(6, b"\x04") + b"\x01\xff\xff" + told(6, b"\x08")
    )
    port.receive(request(10, b"\x04"))
    assert port.carry(b"\xa5\x01\xff", faults) == b"\xa5" + told(6, b"\x04") + b"\x01\xff\xff"


@given(st.binary(max_size=60), st.integers(0, 60))
def test_it_takes_anything_in_any_pieces(chunk: bytes, cut: int) -> None:
    """Whatever comes, however it is cut: the same characters, settings and answers."""
    whole, pieces = ComPort(FORM), ComPort(FORM)
    at_once = whole.receive(chunk)
    in_two = pieces.receive(chunk[:cut]) + pieces.receive(chunk[cut:])
    assert b"".join(item.data for item in at_once) == b"".join(item.data for item in in_two)
    assert [item.form for item in at_once if item.form] == [i.form for i in in_two if i.form]
    assert whole.answer() == pieces.answer()
