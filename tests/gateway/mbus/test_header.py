"""Headers of variable answers."""

from __future__ import annotations

from gateway.mbus.address import SecondaryAddress
from gateway.mbus.header import parse_long_header, parse_short_header
from tests.gateway.mbus.building import HEADER


def test_the_long_header_of_meter_a() -> None:
    """Worked-examples 1: 66600106 / LUG / version 2 / medium 4, access number 2A."""
    header = parse_long_header(HEADER, msb_first=False)
    assert header.address == SecondaryAddress("66600106", 0x32A7, 2, 4)
    assert (header.access_number, header.status, header.configuration) == (0x2A, 0, 0)


def test_mode_2_turns_only_the_fields_of_several_bytes() -> None:
    """Identification, manufacturer and configuration come first byte first; single bytes stay."""
    turned = bytes.fromhex("66600106 32A7 02 04 2A 10 1234")
    header = parse_long_header(turned, msb_first=True)
    assert header.address == SecondaryAddress("66600106", 0x32A7, 2, 4)
    assert (header.access_number, header.status, header.configuration) == (0x2A, 0x10, 0x1234)


def test_the_short_header_has_no_address() -> None:
    """Four bytes: access number, status, configuration."""
    header = parse_short_header(bytes.fromhex("2a043412"))
    assert (header.access_number, header.status, header.configuration) == (0x2A, 4, 0x1234)
    assert header.address is None
