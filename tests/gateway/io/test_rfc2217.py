"""The RFC 2217 client: options, settings, line states, and characters between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.io.rfc2217 import ComPort
from gateway.runtime.port import Fault, LineFormat, Parity

IAC, SB, SE, WILL, WONT, DO, DONT = 255, 250, 240, 251, 252, 253, 254
COM_PORT = 44

FORMAT = LineFormat(2400, 8, Parity.EVEN, 1)

CONFIRMATION = (
    bytes((IAC, SB, COM_PORT, 101, 0, 0, 0x09, 0x60, IAC, SE))
    + bytes((IAC, SB, COM_PORT, 102, 8, IAC, SE))
    + bytes((IAC, SB, COM_PORT, 103, 3, IAC, SE))
    + bytes((IAC, SB, COM_PORT, 104, 1, IAC, SE))
    + bytes((IAC, SB, COM_PORT, 110, 12, IAC, SE))
)


def test_settings_are_asked_for_and_confirmed() -> None:
    """2400 Bd 8E1 as the converter reads it; agreed only once all four are confirmed."""
    port = ComPort()
    asked = port.settings(FORMAT)
    assert bytes((IAC, SB, COM_PORT, 1, 0, 0, 0x09, 0x60, IAC, SE)) in asked
    assert bytes((IAC, SB, COM_PORT, 3, 3, IAC, SE)) in asked
    for end in range(len(CONFIRMATION)):
        half = ComPort()
        half.feed(CONFIRMATION[:end])
        assert not half.notifies_faults
    assert not port.agreed(FORMAT)
    assert port.feed(CONFIRMATION).data == b""
    assert port.agreed(FORMAT)
    assert port.notifies_faults


def test_a_number_that_holds_ff_is_doubled() -> None:
    """Inside a subnegotiation an FF is sent and read twice."""
    fast = LineFormat(0x0000FF00 | 0x10)
    asked = ComPort().settings(fast)
    assert bytes((IAC, SB, COM_PORT, 1, 0, 0, 0xFF, 0xFF, 0x10, IAC, SE)) in asked
    port = ComPort()
    port.feed(bytes((IAC, SB, COM_PORT, 101, 0, 0, 0xFF, 0xFF, 0x10, IAC, SE)))
    assert port.confirmed[1] == bytes((0, 0, 0xFF, 0x10))


def test_options_are_answered_once() -> None:
    """What we offered needs no second word; what we do not know is declined."""
    port = ComPort()
    port.opening()
    assert port.feed(bytes((IAC, DO, COM_PORT, IAC, WILL, COM_PORT))).replies == b""
    assert port.feed(bytes((IAC, DO, 24))).replies == bytes((IAC, WONT, 24))
    assert port.feed(bytes((IAC, DO, 24))).replies == b""
    assert port.feed(bytes((IAC, WILL, 1))).replies == bytes((IAC, DONT, 1))


@pytest.mark.parametrize(("verb", "refused"), [(WONT, False), (DONT, True)])
def test_a_converter_without_com_port_control_is_noticed(verb: int, refused: bool) -> None:
    """DONT 44 means that the settings will never be confirmed; ser2net says DO and WONT."""
    port = ComPort()
    port.feed(bytes((IAC, verb, COM_PORT)))
    assert port.refused is refused


def test_a_line_state_names_the_character_beside_it() -> None:
    """Told behind a character it is that one's; told before any it is the next one's."""
    port = ComPort()
    parity = bytes((IAC, SB, COM_PORT, 106, 4, IAC, SE))
    framing = bytes((IAC, SB, COM_PORT, 106, 8, IAC, SE))
    arrived = port.feed(b"\x10\x5b" + parity + b"\x01")
    assert (arrived.data, arrived.faults) == (b"\x10\x5b\x01", [(1, Fault.PARITY)])
    assert port.feed(framing).faults == []
    arrived = port.feed(b"\x5c\x16")
    assert (arrived.data, arrived.faults) == (b"\x5c\x16", [(0, Fault.FRAMING)])
    quiet = bytes((IAC, SB, COM_PORT, 106, 0x61, IAC, SE))
    assert port.feed(b"\x16" + quiet).faults == []


@given(data=st.binary(max_size=80), cut=st.integers(0, 160))
def test_characters_survive_escaping_and_any_split(data: bytes, cut: int) -> None:
    """FF is doubled on the way and single again, wherever the chunk ends."""
    wire = ComPort.escaped(data)
    port = ComPort()
    assert port.feed(wire[:cut]).data + port.feed(wire[cut:]).data == data


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_client(data: bytes) -> None:
    """Whatever a peer sends is characters, replies or nothing, never an error."""
    arrived = ComPort().feed(data)
    assert len(arrived.data) <= len(data)
