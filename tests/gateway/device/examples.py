"""Bytes of worked examples 1 and 10, copied as they stand there: the oracle of these tests."""

from __future__ import annotations

from gateway.device.readout import Target
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryAddress

ACK = "E5"

#: The telegrams of the master by the names of worked examples 10.
TELEGRAMS = {
    "NKE-A": "10 40 05 45 16",
    "NKE-FD": "10 40 FD 3D 16",
    "NKE-FF": "10 40 FF 3F 16",
    "SELECT": "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16",
    "SELECT last try": "68 0B 0B 68 73 FD 52 06 01 60 66 A7 32 02 04 6E 16",
    "SELECT mask 4": "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 FF 04 4B 16",
    "SELECT all": "68 0B 0B 68 53 FD 52 FF FF FF FF FF FF FF FF 9A 16",
    "SELECT 0FFFFFFF": "68 0B 0B 68 53 FD 52 FF FF FF 0F FF FF FF FF AA 16",
    "SELECT FFFFFFF0": "68 0B 0B 68 53 FD 52 F0 FF FF FF FF FF FF FF 8B 16",
    "APPRESET-FD": "68 03 03 68 73 FD 50 C0 16",
    "GET1-A": "68 05 05 68 73 05 51 7F 7E C6 16",
    "GET1-FD": "68 05 05 68 73 FD 51 7F 7E BE 16",
    "GET1-A, FCB 0": "68 05 05 68 53 05 51 7F 7E A6 16",
    "GET1-FD, FCB 0": "68 05 05 68 53 FD 51 7F 7E 9E 16",
    "GET2-A": "68 04 04 68 73 05 51 7F 48 16",
    "GET2-FD": "68 04 04 68 73 FD 51 7F 40 16",
    "GET2-A, FCB 0": "68 04 04 68 53 05 51 7F 28 16",
    "GET2-FD, FCB 0": "68 04 04 68 53 FD 51 7F 20 16",
    "FREEZE-A": "68 06 06 68 73 05 51 00 FE 0B D2 16",
    "FREEZE-A 1": "68 06 06 68 73 05 51 40 FE 0B 12 16",
    "FREEZE-A 2": "68 07 07 68 73 05 51 80 01 FE 0B 53 16",
    "FREEZE-FD": "68 06 06 68 73 FD 51 00 FE 0B CA 16",
    "FREEZE-FD 1": "68 06 06 68 73 FD 51 40 FE 0B 0A 16",
    "REQ1-A": "10 7B 05 80 16",
    "REQ0-A": "10 5B 05 60 16",
    "REQ1-FD": "10 7B FD 78 16",
    "REQ0-FD": "10 5B FD 58 16",
}
NAMES = {telegram: name for name, telegram in TELEGRAMS.items()}

#: The answers of meters A and B (worked examples 1).
ANSWER_A = (
    "68 24 24 68 08 05 72 06 01 60 66 A7 32 02 04 2A 00 00 00 0B 06 67 02 00 02 59 2E FB 0C 14 "
    "78 56 34 12 04 6D 3A 0B 54 3B CC 16"
)
ANSWER_B = (
    "68 1F 1F 68 08 09 72 70 86 42 00 42 04 06 02 01 00 00 00 0D FD 0E 08 31 30 31 2D 35 32 33 44 "
    "42 6C 5F 3A 0E 16"
)
ADDRESS_A = SecondaryAddress("66600106", 0x32A7, 2, 4)
ADDRESS_B = SecondaryAddress("00428670", 0x0442, 6, 2)

PRIMARY = Target(Addressing.PRIMARY, 5, None)
SECONDARY = Target(Addressing.SECONDARY, 5, ADDRESS_A.to_mask())


def names(sent: list[str]) -> list[str]:
    """The names of telegrams; hex where there is none."""
    return [NAMES.get(telegram, telegram) for telegram in sent]


def page(records: str, *, access_number: int, c_field: int = 0x08, a_field: int = 5) -> str:
    """A page of meter A: header and records, framed."""
    header = f"06 01 60 66 A7 32 02 04 {access_number:02X} 00 00 00"
    return framed(c_field, a_field, 0x72, header + records)


def framed(c_field: int, a_field: int, ci_field: int, data: str) -> str:
    """A long frame around `data` (hex)."""
    counted = bytes((c_field, a_field, ci_field)) + bytes.fromhex(data)
    size = len(counted)
    frame = bytes((0x68, size, size, 0x68)) + counted + bytes((sum(counted) % 256, 0x16))
    return frame.hex(" ").upper()


def obliging(telegram: bytes) -> str | None:
    """A meter A that answers everything by the book, known only by its telegrams."""
    name = NAMES[telegram.hex(" ").upper()]
    if name == "NKE-FF":
        return None
    return ANSWER_A if name.startswith("REQ") else ACK
