"""Requests and answers of worked examples 3 and 4, byte for byte, and an independent witness."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadHoldingRegistersResponse

from gateway.modbus import mbap
from gateway.modbus.identification import LAB, UL_20, UL_80, Identification
from gateway.modbus.pdu import PDU_SIZE_MAX, ExceptionCode, FunctionCode, exception
from gateway.modbus.server import answer
from gateway.registers.layout import Layout
from tests.gateway.worked_examples import image

if TYPE_CHECKING:
    from gateway.registers.image import RegisterImage

STANDARD = image()
MULTI_SLAVE = image(Layout(multi_slave=True))

BASIC = (
    "2B 0E 01 02 00 00 03 00 1A 48 4D 53 20 49 6E 64 75 73 74 72 69 61 6C 20 4E 65 74 77 6F 72 "
    "6B 73 20 41 42 01 01 32 02 03 30 30 31"
)


def ask(pdu: str, identification: Identification = UL_80, unit: int = 0xFF) -> str:
    """Answer a request written in hexadecimal."""
    response = answer(STANDARD, unit, bytes.fromhex(pdu), identification)
    return response.hex(" ").upper()


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        ("03 00 1E 00 0A", "03 14 FF FF FF FF FF FF FB 2E C1 45 70 A4 FF FE 00 13 6B 00 35 C8"),
        ("03 00 22 00 02", "03 04 C1 45 70 A4"),
        ("03 00 4E 00 04", "03 08 00 00 00 00 00 00 00 00"),
        ("03 00 50 00 01", "83 02"),
        ("03 FF FF 00 01", "83 02"),
        ("03 FF FF 00 02", "83 02"),
        ("03 00 00 00 00", "83 03"),
        ("03 00 00 00 7E", "83 03"),
        ("03 FF FF 00 7E", "83 03"),
        ("03 00 00 FF FF", "83 03"),
        ("03 00 00 00", "83 03"),
        ("03 00 00 00 01 00", "83 03"),
        ("03", "83 03"),
    ],
)
def test_read_holding_registers(request_pdu: str, expected: str) -> None:
    """MOD-02, C-12, FC3-01..06: exact answers; 03 goes before 02, nothing wraps at 65535."""
    assert ask(request_pdu) == expected


@pytest.mark.parametrize("quantity", [1, 124, 125])
def test_longest_reads(quantity: int) -> None:
    """FC3-01: 1 to 125 registers are answered with their byte count."""
    response = answer(STANDARD, 0, bytes((3, 0, 0, 0, quantity)), UL_80)
    assert len(response) == 2 + 2 * quantity
    assert response[1] == 2 * quantity


@pytest.mark.parametrize("body", ["", "00", "00 00 00 01", "FF" * 252])
@pytest.mark.parametrize("function_code", [0x01, 0x05, 0x06, 0x0F, 0x10])
def test_not_used_function_codes(function_code: int, body: str) -> None:
    """MOD-03, C-03, FC-01: "not used" codes get ILLEGAL DATA ADDRESS, whatever the body."""
    assert ask(f"{function_code:02X} {body}") == f"{function_code | 0x80:02X} 02"


OTHER_CODES = sorted(set(range(256)) - {0x01, 0x03, 0x05, 0x06, 0x0F, 0x10, 0x2B})


@pytest.mark.parametrize("function_code", OTHER_CODES)
def test_other_function_codes(function_code: int) -> None:
    """MOD-04, FC-02..04: every other code from 0 to FF is ILLEGAL FUNCTION, the bit ORed in."""
    for body in ("", "00 00 00 01"):
        assert ask(f"{function_code:02X} {body}") == f"{function_code | 0x80:02X} 01"


@pytest.mark.parametrize("pdu", ["03 00 00 00 01", "2B 0E 01 00", "01", "41", "83"])
def test_unknown_unit_identifier(pdu: str) -> None:
    """C-11, C-38: any function to an unknown unit identifier gets exception 0B."""
    function_code = int(pdu[:2], 16) | 0x80
    request = bytes.fromhex(pdu)
    assert answer(MULTI_SLAVE, 3, request, UL_80) == bytes((function_code, 0x0B))
    one_unit = image(Layout(modbus_address=7))
    assert answer(one_unit, 8, request, UL_80) == bytes((function_code, 0x0B))


@pytest.mark.parametrize("unit", [0, 1, 2, 255])
def test_identification_of_every_known_unit(unit: int) -> None:
    """C-11: 2B is answered by 0, 255 and every known unit."""
    assert answer(MULTI_SLAVE, unit, bytes.fromhex("2B 0E 01 00"), UL_80).hex(" ").upper() == BASIC


def test_basic_identification() -> None:
    """MOD-05: the basic category has 43 bytes (worked example 4); the models differ in one."""
    assert ask("2B 0E 01 00") == BASIC
    assert ask("2B 0E 01 00", UL_20) == BASIC.replace("01 01 32", "01 01 31")


@pytest.mark.parametrize(("identification", "checksum"), [(UL_80, 0x223E2C30), (UL_20, 0x1C0FC0BD)])
def test_regular_identification(identification: Identification, checksum: int) -> None:
    """MOD-05: the regular category is one PDU of 136 bytes, known by its CRC-32 per model."""
    response = answer(STANDARD, 255, bytes.fromhex("2B 0E 02 00"), identification)
    assert len(response) == 136
    assert crc32(response) == checksum
    assert response.hex(" ").upper().startswith("2B 0E 02 02 00 00 07 00 1A")


def test_extended_identification_is_the_regular_one() -> None:
    """C-02, DID-09: code 03 is answered at the actual level, the code echoed."""
    regular = answer(STANDARD, 255, bytes.fromhex("2B 0E 02 00"), UL_80)
    assert answer(STANDARD, 255, bytes.fromhex("2B 0E 03 00"), UL_80) == (
        regular[:2] + b"\x03" + regular[3:]
    )


def test_identification_from_an_object_on() -> None:
    """C-02, DID-05: a known start object gives that one and those behind it."""
    response = ask("2B 0E 02 05")
    assert response.startswith("2B 0E 02 02 00 00 02 05 08")
    assert ask("2B 0E 01 02") == "2B 0E 01 02 00 00 01 02 03 30 30 31"


@pytest.mark.parametrize(
    ("request_pdu", "same_as"),
    [
        ("2B 0E 01 03", "2B 0E 01 00"),
        ("2B 0E 01 80", "2B 0E 01 00"),
        ("2B 0E 02 80", "2B 0E 02 00"),
        ("2B 0E 02 07", "2B 0E 02 00"),
        ("2B 0E 03 FF", "2B 0E 03 00"),
    ],
)
def test_unknown_start_object(request_pdu: str, same_as: str) -> None:
    """C-02, DID-04: an object outside the category asked for counts as unknown: from 0 again."""
    assert ask(request_pdu) == ask(same_as)


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        ("2B 0E 04 00", "AB 03"),
        ("2B 0E 04 80", "AB 03"),
        ("2B 0E 00 00", "AB 03"),
        ("2B 0E 05 00", "AB 03"),
        ("2B 0E FF 00", "AB 03"),
        ("2B 0D 01 00", "AB 01"),
        ("2B 0D", "AB 01"),
        ("2B 00 01 00 00", "AB 01"),
        ("2B", "AB 03"),
        ("2B 0E", "AB 03"),
        ("2B 0E 01", "AB 03"),
        ("2B 0E 01 00 00", "AB 03"),
    ],
)
def test_identification_refused(request_pdu: str, expected: str) -> None:
    """C-01, C-02, DID-06..08, DID-12: the MEI type is checked before length and code."""
    assert ask(request_pdu) == expected


@pytest.mark.parametrize("code", ["01", "02", "03"])
def test_mei_type_of_the_manual(code: str) -> None:
    """C-01: MEI 03 is an alias of 0E and is echoed."""
    assert ask(f"2B 03 {code} 00") == ask(f"2B 0E {code} 00").replace("2B 0E", "2B 03", 1)


def test_the_lab_model_does_not_pose_as_a_product() -> None:
    """C-75: the model without limits names itself in both objects that name a model."""
    assert (LAB.objects[1], LAB.objects[6]) == ("lab", "Anybus M-Bus to Modbus-TCP lab")


@pytest.mark.parametrize(
    "objects",
    [("a",) * 6, ("ä", *["a"] * 6), ("x" * 245, *["a"] * 6), ("x" * 40,) * 7],
)
def test_identification_must_fit_one_pdu(objects: tuple[str, ...]) -> None:
    """DID-11: texts that would need more than one PDU, or are not ASCII, are refused at once."""
    with pytest.raises(ValueError, match="identification objects"):
        Identification(objects)


def test_exception_is_two_bytes() -> None:
    """FC-05: function code with the bit, exception code."""
    assert exception(0x83, ExceptionCode.ILLEGAL_FUNCTION) == b"\x83\x01"
    assert FunctionCode(0x2B).name == "ENCAPSULATED_INTERFACE_TRANSPORT"


@given(
    st.sampled_from([STANDARD, MULTI_SLAVE]), st.integers(0, 255), st.binary(max_size=PDU_SIZE_MAX)
)
def test_every_request_has_one_answer(seen: RegisterImage, unit: int, pdu: bytes) -> None:
    """ROB-01: any bytes get a whole PDU that echoes the function code or is its exception."""
    response = answer(seen, unit, pdu, UL_80)
    function_code = pdu[0] if pdu else 0
    assert 2 <= len(response) <= PDU_SIZE_MAX
    assert response[0] in (function_code, function_code | 0x80)
    if response[0] & 0x80:
        assert len(response) == 2
        assert response[1] in (0x01, 0x02, 0x03, 0x0B)


CLIENT = FramerSocket(DecodePDU(is_server=False))


def by_pymodbus(request: ReadHoldingRegistersRequest | ReadDeviceInformationRequest) -> object:
    """Send a request that pymodbus encoded and decode the answer with pymodbus."""
    request.dev_id, request.transaction_id = 255, 7
    adu = CLIENT.buildFrame(request)
    _, _, length = mbap.PREFIX.unpack_from(adu)
    assert length == len(adu) - mbap.PREFIX_SIZE
    response = answer(STANDARD, adu[6], adu[7:], UL_80)
    used, decoded = CLIENT.handleFrame(mbap.adu(7, 255, response), 255, 7)
    assert used == 7 + len(response)
    return decoded


@given(st.integers(0, 79), st.integers(1, 125))
def test_pymodbus_reads_the_same_registers(address: int, count: int) -> None:
    """MOD-06: a third party's client sees the registers of the image, most significant first."""
    decoded = by_pymodbus(ReadHoldingRegistersRequest(address=address, count=count))
    assert isinstance(decoded, ReadHoldingRegistersResponse)
    expected = STANDARD.read(255, address, count)
    assert b"".join(r.to_bytes(2, "big") for r in decoded.registers) == expected


def test_pymodbus_reads_the_identification() -> None:
    """MOD-05: a third party's client decodes all seven objects."""
    decoded = by_pymodbus(ReadDeviceInformationRequest(read_code=2, object_id=0))
    assert isinstance(decoded, ReadDeviceInformationResponse)
    texts = [decoded.information[number].decode("ascii") for number in range(7)]
    assert texts == list(UL_80.objects)
    assert decoded.conformity == 0x02
