"""The decoding pitfalls of wired M-Bus, one named test each.

Nearly all of them occur in frames of real meters; the records here are made for the test, with the
reading worked out by hand.
"""

from __future__ import annotations

import struct

import pytest

from gateway.mbus.coding import Function
from gateway.mbus.record import read_records
from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.telegram import decode
from tests.gateway.mbus.building import HEADER, answer, long_frame, one

# --- Header and CI --------------------------------------------------------------------------------


def test_pitfall_identification_with_hex_nibbles() -> None:
    """An identification number with A-F keeps its digits and its records."""
    header = bytes.fromhex("BC1A00FB") + HEADER[4:]
    telegram = decode(answer("0413 01000000", header=header))
    assert telegram.error is None
    assert telegram.header is not None
    assert telegram.header.identification_number == "FB001ABC"
    assert len(telegram.records) == 1


def test_pitfall_configuration_word_is_not_encryption() -> None:
    """A non-zero signature word is shown and the records are read all the same."""
    telegram = decode(answer("0413 01000000", header=HEADER[:10] + b"\x05\x85"))
    assert telegram.header is not None
    assert telegram.header.configuration == 0x8505
    assert [record.value for record in telegram.records] == ["0.001"]


def test_pitfall_manufacturer_top_bit() -> None:
    """Bit 15 of the manufacturer stays in the address."""
    telegram = decode(answer("", header=HEADER[:4] + b"\xa7\xb2" + HEADER[6:]))
    assert telegram.header is not None
    assert telegram.header.address is not None
    assert telegram.header.address.manufacturer == 0xB2A7


def test_pitfall_mode_2_sends_the_most_significant_byte_first() -> None:
    """CI 76: header fields, integers, BCD, reals, dates and texts are turned round."""
    header = bytes.fromhex("66600106 32A7 02 04 2A 00 1234")
    real = struct.pack(">f", -1.5).hex()
    records = f"0b06 000267 0259 fb2e 052b {real} 046d 3b540b3a 0dfd0e 03414243 027c03 255248 000a"
    telegram = decode(long_frame(0x08, 5, 0x76, header + bytes.fromhex(records)))
    assert telegram.error is None
    assert telegram.header is not None
    assert telegram.header.identification_number == "66600106"
    assert (telegram.header.manufacturer, telegram.header.configuration) == (0x32A7, 0x1234)
    assert (telegram.header.access_number, telegram.header.version) == (0x2A, 2)
    values = [record.value for record in telegram.records]
    assert values == ["267000", "-12.34", "-1.5", "2026-11-20T11:58:00", "ABC", "10"]
    assert telegram.records[5].plain_text == "%RH"


def test_pitfall_short_headers() -> None:
    """CI 78 has no header, 7A four bytes: access number, status, configuration."""
    none = decode(long_frame(0x08, 5, 0x78, bytes.fromhex("041301000000")))
    assert (none.header, none.records[0].value, none.error) == (None, "0.001", None)
    short = decode(long_frame(0x08, 5, 0x7A, bytes.fromhex("2a10 0500 041301000000")))
    assert short.header is not None
    assert (short.header.access_number, short.header.status, short.header.configuration) == (
        42,
        16,
        5,
    )
    assert (short.header.address, short.records[0].value) == (None, "0.001")


def test_pitfall_vendor_ci() -> None:
    """CI B7 and other CI fields that no source explains are named in the error, not guessed."""
    telegram = decode(long_frame(0x08, 5, 0xB7, bytes(20)))
    assert telegram.error is not None
    assert (telegram.error.offset, telegram.error.got) == (6, "B7")


# --- DIF and DIFE ---------------------------------------------------------------------------------


def test_pitfall_fillers_anywhere() -> None:
    """2F before, between and behind records is skipped."""
    records, error = read_records(bytes.fromhex("2f2f 041301000000 2f 041302000000 2f2f2f"))
    assert error is None
    assert [record.value for record in records] == ["0.001", "0.002"]


def test_pitfall_manufacturer_data_to_the_end() -> None:
    """0F takes everything that follows, in wire order, even what looks like records."""
    records, error = read_records(bytes.fromhex("041301000000 0f 0413 010000002f"))
    assert error is None
    assert records[1].value == "0413010000002F"
    assert records[1].function is Function.MANUFACTURER_SPECIFIC


@pytest.mark.parametrize("data", ["", "0102"])
def test_pitfall_1f_with_and_without_data(data: str) -> None:
    """1F says that more records follow; it may carry no byte at all."""
    telegram = decode(answer("0413 01000000 1f" + data))
    assert telegram.more_records_follow is True
    assert telegram.records[-1].function is Function.MORE_RECORDS_FOLLOW
    assert telegram.records[-1].value == data
    assert decode(answer("0413 01000000")).more_records_follow is False


@pytest.mark.parametrize("dif", ["3f", "4f", "5f", "6f", "8f", "ff"])
def test_pitfall_reserved_dif_keeps_what_came_before(dif: str) -> None:
    """A reserved DIF has no known length: what came before stands, the error names its place."""
    telegram = decode(answer("0413 01000000" + dif + "0102"))
    assert [record.value for record in telegram.records] == ["0.001"]
    assert telegram.error is not None
    assert (telegram.error.offset, telegram.error.got) == (25, dif.upper())


@pytest.mark.parametrize(("record", "vib"), [("7f", ""), ("7f7e", "7e")])
def test_pitfall_global_readout(record: str, vib: str) -> None:
    """7F is a request for everything, with or without a VIF, and has no data."""
    read = one(record)
    assert (read.dib.hex(), read.vib.hex(), read.value, read.error) == ("7f", vib, None, None)


def test_pitfall_selection_has_no_data() -> None:
    """Data field 8 selects for read-out; the next record starts right behind its VIB."""
    records, error = read_records(bytes.fromhex("0813 c80106 041301000000"))
    assert error is None
    assert [(record.data, record.value) for record in records[:2]] == [(b"", None), (b"", None)]
    assert records[2].value == "0.001"


@pytest.mark.parametrize("dib", ["8400", "84c000", "8480808000"])
def test_pitfall_superfluous_difes(dib: str) -> None:
    """DIFEs of zero (berg 8E B0 00, Sontex C4 00) change nothing but what their bits say."""
    record = one(dib + "13 01000000")
    assert (record.storage_number, record.tariff, record.value) == (0, 0, "0.001")
    assert record.subunit == (1 if dib == "84c000" else 0)


def test_pitfall_storage_numbers_of_41_bits() -> None:
    """Ten DIFEs: 41 bits of storage number, 20 of tariff, 10 of subunit."""
    record = one("c4" + "ff" * 9 + "7f" + "13 01000000")
    assert record.storage_number == 2**41 - 1
    assert (record.tariff, record.subunit) == (2**20 - 1, 2**10 - 1)
    assert one("848080808080808080800113 01000000").storage_number == 1 << 37


def test_pitfall_more_than_ten_extensions_are_rejected() -> None:
    """The eleventh DIFE or VIFE stops the reading; what came before stands."""
    for bad in ("84" + "80" * 10 + "0013 01000000", "0493" + "80" * 10 + "00 01000000"):
        telegram = decode(answer("0413 01000000" + bad))
        assert len(telegram.records) == 1
        assert telegram.error is not None
        assert telegram.error.expected.startswith("at most 10")


# --- LVAR and texts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "value", "integer"),
    [
        ("03434241", "ABC", None),
        ("00", "", None),
        ("c2 3412", "1234", 1234),
        ("d2 3412", "-1234", -1234),
        ("e3 ffffff", "-1", -1),
        ("e8 ffffffffffffff7f", str(2**63 - 1), 2**63 - 1),
        ("e9 010000000000000000", "000000000000000001", None),
        ("f0" + "01" + "00" * 15, "00" * 15 + "01", None),
        ("c0", None, None),
        ("e0", None, None),
    ],
)
def test_pitfall_every_kind_of_lvar(data: str, value: str | None, integer: int | None) -> None:
    """Text reversed, BCD of either sign counted in bytes, binary numbers, long ones as bytes."""
    record = one("0dfd10" + data)
    assert (record.value, record.integer, record.error) == (value, integer, None)


def test_pitfall_long_binary_lvar_sizes() -> None:
    """F0-F4 = 16 to 32 bytes, F5 = 48, F6 = 64: the record behind is found."""
    for lvar, size in ((0xF0, 16), (0xF4, 32), (0xF5, 48), (0xF6, 64)):
        records, error = read_records(bytes((0x0D, 0x13, lvar)) + bytes(size) + b"\x01\x13\x05")
        assert error is None
        assert records[1].value == "0.005"


@pytest.mark.parametrize("vib", ["fc0348522574", "fc7403485225"])
def test_pitfall_plain_text_in_both_orders(vib: str) -> None:
    """Text behind the VIF (Elvaco, Itron) and behind the VIFEs (newer standard): %RH x 10^-2."""
    for following in ("", "041301000000", "0f0102"):
        records, error = read_records(bytes.fromhex("02" + vib + "2215" + following))
        assert error is None
        assert (records[0].plain_text, records[0].value) == ("%RH", "54.10")
        assert records[0].value_type is ValueType.METER_SPECIFIC
        assert (records[0].vib.hex(), records[0].data.hex()) == (vib, "2215")


# --- VIF and VIFE ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "value", "unit"),
    [
        ("02fd48 0a00", "1.0", Unit.VOLT),
        ("02fdc873 0a00", "0.0010", Unit.VOLT),
        ("02fdba73 0a00", "0.010", Unit.DIMENSIONLESS),
        ("02fdd97d 0a00", "10", Unit.AMPERE),
        ("02fb9474 0a00", "0.00010", Unit.KILOVAR),
        ("02fb820a 0a00", None, Unit.KILOVAR_HOUR),
    ],
)
def test_pitfall_fd_and_fb_with_scaling_vifes(record: str, value: str | None, unit: Unit) -> None:
    """Behind FD and FB the true VIF is the next byte, and VIFEs still follow it."""
    read = one(record)
    assert (read.value, read.unit) == (value, unit)


@pytest.mark.parametrize(
    ("record", "value", "unit", "value_type"),
    [
        ("02fb1b 3200", "50", Unit.PERCENT, ValueType.RELATIVE_HUMIDITY),
        ("02fb1a f501", "50.1", Unit.PERCENT, ValueType.RELATIVE_HUMIDITY),
        ("02fb2d 8813", "50.00", Unit.HERTZ, ValueType.FREQUENCY),
        ("04fb02 15cd5b07", "123456789", Unit.KILOVAR_HOUR, ValueType.REACTIVE_ENERGY),
        ("04fb14 ff000000", "0.255", Unit.KILOVAR, ValueType.REACTIVE_POWER),
        ("02fb37 0100", "1000", Unit.NONE, ValueType.POWER),
    ],
)
def test_pitfall_fb_needs_the_newer_table(
    record: str, value: str, unit: Unit, value_type: ValueType
) -> None:
    """RH, Hz, kvarh, kvar and kVA behind FB; the manual has no unit for kVA, so None, in VA."""
    read = one(record)
    assert (read.value, read.unit, read.value_type) == (value, unit, value_type)


@pytest.mark.parametrize(
    ("vifes", "value"),
    [
        ("9370", "0.000000010"),
        ("9376", "0.010"),
        ("9377", "0.10"),
        ("937d", "10"),
        ("9378", "0.010001"),
        ("937a", "0.0101"),
        ("937b", "0.011"),
        ("93fb73", "0.000011"),
        ("93f37b", "0.001010"),
    ],
)
def test_pitfall_corrections_multiply_and_add_in_units_of_the_vif(vifes: str, value: str) -> None:
    """10 l: times 10^(n-6), times 1000, plus 10^(n-3) litres (not m³), in the order sent."""
    assert one("02" + vifes + "0a00").value == value


def test_pitfall_additive_constant_of_a_real() -> None:
    """The constant is added exactly to a real too, and to its short form."""
    record = one("05937a" + struct.pack("<f", 0.5).hex())
    assert (record.value, record.integer, record.scale) == ("0.0006", 6, -4)


def test_pitfall_additive_constants_beyond_64_bits() -> None:
    """The value stays exact, the integer for the registers is rounded to what they hold."""
    whole = one("07937b ffffffffffffff7f")
    assert (whole.value, whole.integer) == ("9223372036854775.808", 922337203685477581)
    real = one("059778" + struct.pack("<f", 1e38).hex())
    assert real.integer is not None
    assert abs(real.integer) < 2**63


def test_pitfall_second_combinable_table() -> None:
    """FC xx names the conductor and touches nothing else."""
    for code, name in (("01", "L1"), ("02", "L2"), ("03", "L3"), ("04", "neutral"), ("10", None)):
        record = one("02fdc8fc" + code + "fb08")
        assert (record.value, record.unit, record.error) == ("229.9", Unit.VOLT, None)
        assert record.coding.qualifiers == ((name,) if name else ())


@pytest.mark.parametrize(
    "vife", ["28", "29", "2a", "2b", "3b", "3c", "3a", "3e", "7e", "40", "48", "68", "69"]
)
def test_pitfall_vifes_that_leave_value_and_unit_alone(vife: str) -> None:
    """Per pulse, accumulation by sign, limits and future values keep the unit of the VIF."""
    record = one("0293" + vife + "0a00")
    assert (record.value, record.unit, record.value_type) == (
        "0.010",
        Unit.CUBIC_METRE,
        ValueType.VOLUME,
    )


@pytest.mark.parametrize(
    ("record", "unit"),
    [
        ("029322 0a00", Unit.CUBIC_METRE_PER_HOUR),
        ("029321 0a00", Unit.CUBIC_METRE_PER_MINUTE),
        ("029320 0a00", Unit.CUBIC_METRE_PER_SECOND),
        ("029b22 0a00", Unit.KILOGRAM_PER_HOUR),
        ("028b22 0a00", Unit.JOULE_PER_HOUR),
        ("028322 0a00", Unit.WATT),
        ("02ab36 0a00", Unit.JOULE),
        ("029323 0a00", Unit.NONE),
        ("02933d 0a00", Unit.NONE),
        ("02ab34 0a00", Unit.NONE),
    ],
)
def test_pitfall_per_and_times_change_the_unit(record: str, unit: Unit) -> None:
    """m³ per hour is m³/h; where the manual has no unit for the result it is None, never wrong."""
    assert one(record).unit is unit


@pytest.mark.parametrize(
    "vife", ["42", "43", "46", "47", "4a", "4b", "4e", "4f", "6a", "6b", "6e", "6f", "39"]
)
def test_pitfall_date_type_vifes_change_type_and_unit(vife: str) -> None:
    """Date/time of …: the data are type F or G, not a power of 41065374.6."""
    record = one("04ad" + vife + "32147a18")
    assert (record.value, record.unit) == ("2011-08-26T20:50:00", Unit.UTC)
    assert (record.value_type, record.scale) == (ValueType.TIMESTAMP, 0)
    assert one("02da" + vife + "bc19").value == "2013-09-28"


@pytest.mark.parametrize(
    ("vife", "unit"),
    [
        ("50", Unit.SECOND),
        ("59", Unit.MINUTE),
        ("5e", Unit.HOUR),
        ("63", Unit.DAY),
        ("64", Unit.SECOND),
    ],
)
def test_pitfall_duration_vifes_change_type_and_unit(vife: str, unit: Unit) -> None:
    """Duration of limit exceed: seconds to days from the low two bits; the scale is gone."""
    record = one("04be" + vife + "71bbb000")
    assert (record.value, record.unit, record.value_type) == ("11582321", unit, ValueType.TIME)


@pytest.mark.parametrize("vife", ["41", "49"])
def test_pitfall_number_of_exceeds_is_a_count(vife: str) -> None:
    """How often a limit was exceeded is a plain number, not a flow."""
    record = one("02bb" + vife + "0700")
    assert (record.value, record.scale, record.unit) == ("7", 0, Unit.DIMENSIONLESS)


@pytest.mark.parametrize(
    ("vife", "reason"),
    [("15", "no data"), ("16", "overflow"), ("17", "underflow"), ("18", "data error")],
)
def test_pitfall_record_error_vifes(vife: str, reason: str) -> None:
    """The number beside a record error is a dummy: no value, the reason, neighbours unharmed."""
    records, error = read_records(
        bytes.fromhex("0413 01000000 0493" + vife + "ffffffff 0413 02000000")
    )
    assert error is None
    assert [record.value for record in records] == ["0.001", None, "0.002"]
    assert records[1].error is not None
    assert reason in records[1].error.got
    assert one("0493 00 01000000").value == "0.001"


def test_pitfall_vendor_tail_keeps_the_base_vif() -> None:
    """Behind VIFE 7F or FF nothing is interpreted, neither scaling nor record errors."""
    for tail in ("7f", "ff01", "ff15", "fff370", "fdff73"):
        record = one("0293" + tail + "0a00")
        scale = -3 if tail[:2] != "fd" else 0
        assert (record.integer, record.unit, record.scale) == (10, Unit.CUBIC_METRE, scale)


@pytest.mark.parametrize("vib", ["7f", "ff00", "ff73", "ffe1ff01", "ff15"])
def test_pitfall_vendor_vif_is_not_scaled(vib: str) -> None:
    """VIF 7F and FF: the raw number, no unit, whatever follows."""
    record = one("02" + vib + "10b5")
    assert (record.value, record.unit, record.error) == ("-19184", Unit.NONE, None)
    assert record.value_type is ValueType.VENDOR_SPECIFIC


def test_pitfall_second_level_of_fd() -> None:
    """FD FD: one table further; its code is no VIFE, let alone a record error."""
    record = one("01fdfd02 18")
    assert (record.value, record.unit, record.value_type) == (
        "24",
        Unit.MONTH,
        ValueType.BATTERY_REMAINING,
    )


# --- Data -----------------------------------------------------------------------------------------


def test_pitfall_bcd_with_hex_digits_never_drops_its_neighbours() -> None:
    """F in front is a minus sign; other letters give an error with the raw digits kept."""
    records, error = read_records(
        bytes.fromhex("0b62 020 0f0".replace(" ", "") + "3c2a ddb4ebdd 0c13 01000000")
    )
    assert error is None
    assert [record.value for record in records] == ["-0.2", None, "0.001"]
    assert records[1].error is not None
    assert "DDEBB4DD" in records[1].error.got
    assert records[1].data.hex() == "ddb4ebdd"


@pytest.mark.parametrize(
    ("record", "integer"),
    [
        ("0113 ff", -1),
        ("0213 2efb", -1234),
        ("0313 beffff", -66),
        ("0413 00000080", -(2**31)),
        ("0613 fffffffffeff", -(2**32) - 1),
        ("0713 ffffffffffffff7f", 2**63 - 1),
        ("0713 0000000000000080", -(2**63)),
    ],
)
def test_pitfall_integers_are_signed_in_every_size(record: str, integer: int) -> None:
    """8, 16, 24, 32, 48 and 64 bit two's complement, exact beyond what a double holds."""
    read = one(record)
    assert (read.integer, read.scale) == (integer, -3)


def test_pitfall_exponent_applies_to_reals() -> None:
    """A float32 of 10^3 W is kilowatts; value exact, integer and scale the shortest decimal."""
    record = one("052e" + struct.pack("<f", 13426.15625).hex())
    assert record.value == "13426156.25"
    tenth = one("052b" + struct.pack("<f", 0.1).hex())
    assert (tenth.integer, tenth.scale) == (1, -1)
    assert tenth.value == "0.100000001490116119384765625"


@pytest.mark.parametrize("real", ["0000c07f", "0000807f", "000080ff"])
def test_pitfall_nan_and_infinity(real: str) -> None:
    """NaN is no value and no exception."""
    record = one("055b" + real)
    assert (record.value, record.integer) == (None, None)
    assert record.error is not None
    assert record.unit is Unit.DEGREE_CELSIUS


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("426c bc19", "2013-09-28"),
        ("046d 32371f15", "2008-05-31T23:50:00"),
        ("466d 000008162700", "2016-07-22T08:00:00"),
        ("036d 3b3a17", "23:58:59"),
        ("04fd70 32371f15", "2008-05-31T23:50:00"),
        ("02fd30 bc19", "2013-09-28"),
    ],
)
def test_pitfall_points_in_time_of_every_size(record: str, value: str) -> None:
    """2 bytes type G, 3 type J, 4 type F, 6 type I, wherever a VIF asks for a point in time."""
    read = one(record)
    assert (read.value, read.error) == (value, None)


@pytest.mark.parametrize(
    "record", ["426c 0000", "426c ffff", "046d 0000e1f1", "046d 8a0ccd13", "846d00 00000000"]
)
def test_pitfall_no_instant_is_invented(record: str) -> None:
    """Invalid forms give no value, the error says what came, flags stay readable."""
    if record.startswith("846d"):
        record = "84006d 00000000"
    read = one(record)
    assert (read.value, read.integer) == (None, None)
    assert read.error is not None
    assert read.instant is not None


@pytest.mark.parametrize(
    "record", ["016c 01", "0c6d 12345678", "056d 00000000", "076d 0000000000000000", "0d6d c101"]
)
def test_pitfall_points_in_time_in_other_clothes(record: str) -> None:
    """A time point in BCD, real, 1, 8 or LVAR bytes is named as such and not misread."""
    read = one(record)
    assert (read.value, read.integer) == (None, None)
    assert read.error is not None
    assert "type F, G, I or J" in read.error.expected


def test_pitfall_record_that_ends_mid_field() -> None:
    """Premature end: the records before it stand, the error says what lacks."""
    whole = answer("0413 01000000 0c13 02000000")
    for cut in range(1, 6):
        body = whole[7:-2][: -cut if cut else None]
        telegram = decode(long_frame(0x08, 5, 0x72, body))
        assert [record.value for record in telegram.records] == ["0.001"]
        assert telegram.error is not None
        assert telegram.error.offset <= len(whole)
