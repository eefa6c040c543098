"""Device_Handle.cfg: every element, hostile documents, nothing lost on a rewrite."""

from __future__ import annotations

from dataclasses import fields, replace
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.elements import METER_ELEMENTS, VALUE_ELEMENTS, Element
from gateway.device.meter_list import (
    FILE_SIZE_MAX,
    METERS_MAX,
    VALUES_MAX,
    Meter,
    MeterListError,
    Value,
    load,
    save,
)

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<root>\n<version>0x08</version>\n'


def document(body: str) -> bytes:
    """Make a file around some meters."""
    return f"{HEAD}{body}</root>\n".encode()


def one_meter(body: str) -> Meter:
    """Read a file with one meter that must be beyond complaint."""
    meters, complaints = load(document(f"<meter>{body}</meter>"))
    assert complaints == []
    return meters[0]


def test_empty_list_has_78_bytes() -> None:
    """FILE-03, FTP-02: the file of an empty list is exactly the 78 bytes of Fig. 22."""
    assert save([]) == document("")
    assert len(save([])) == 78
    assert load(save([])) == ([], [])


def test_example_of_the_manual() -> None:
    """Manual 9.4: every element with the example that the manual gives, read and written."""
    key = "0x82 0xB0 0x55 0x11 0x91 0xF5 0x1D 0x66 0xEF 0xCD 0xAB 0x89 0x67 0x45 0x23 0x01"
    body = f"""\
<meter>
<interface>M-Bus</interface>
<serial>0x30101198</serial>
<manufacturer>SLV</manufacturer>
<version>0x01</version>
<medium>Electricity</medium>
<primaryaddress>0x03</primaryaddress>
<readoutcycle>900</readoutcycle>
<maxvaluecount>12</maxvaluecount>
<encryptionkey>{key}</encryptionkey>
<rssi>123</rssi>
<register>20</register>
<value>
<description>Energy</description>
<unit>Wh</unit>
<encodetype>INT32</encodetype>
<scale>1e-3</scale>
<storagenum>2</storagenum>
<tariff>3</tariff>
<confdata>0x01 0x00 0x01 0x08 0x00 0xFF</confdata>
<register>30</register>
<user>OG-1-Re</user>
</value>
</meter>
"""
    meters, complaints = load(document(body))
    assert complaints == []
    assert meters == [
        Meter(
            serial="30101198",
            manufacturer="SLV",
            version=1,
            medium=2,
            primaryaddress=3,
            readoutcycle=900,
            maxvaluecount=12,
            encryptionkey=bytes.fromhex(key.replace("0x", "")),
            rssi=123,
            register=20,
            values=[
                Value(
                    description="Energy",
                    unit="Wh",
                    encodetype="INT32",
                    scale=-3,
                    storagenum=2,
                    tariff=3,
                    confdata=bytes((1, 0, 1, 8, 0, 255)),
                    register=30,
                    user="OG-1-Re",
                )
            ],
        )
    ]
    assert save(meters) == document(body)


def test_defaults_are_omitted() -> None:
    """FILE-03: only what differs from the default is stored, but for the version."""
    assert save([Meter(values=[Value()])]) == document(
        "<meter>\n<interface>M-Bus</interface>\n<value>\n</value>\n</meter>\n"
    )
    assert load(save([Meter(values=[Value()])])) == ([Meter(values=[Value()])], [])


# fmt: off
FORMS: list[tuple[str, str, Any]] = [
    ("serial",         "0x30101198", "30101198"),
    ("serial",         "22047987", "22047987"),
    ("serial",         "42", "00000042"),
    ("serial",         "0xff", "000000FF"),
    ("manufacturer",   "slv", "SLV"),
    ("manufacturer",   "", None),
    ("version",        "0x01", 1),
    ("version",        "25", 25),
    ("medium",         "Electricity", 2),
    ("medium",         "valve (gas or water)", 33),
    ("medium",         "0x10", 16),
    ("medium",         "16", 16),
    ("primaryaddress", "0x03", 3),
    ("primaryaddress", "250", 250),
    ("addressmode",    "1", 1),
    ("readoutcycle",   "4294967295", 4294967295),
    ("encryptionkey",  "0", b""),
    ("active",         "0", 0),
    ("rsi",            "123", 123),
    ("rssi",           "-70", -70),
    ("register",       "65535", 65535),
    ("register",       "0x14", 20),
    ("slaveaddress",   "247", 247),
    ("user",           " Größe <&> ", " Größe <&> "),
]
VALUE_FORMS: list[tuple[str, str, Any]] = [
    ("scale",          "1e-3", -3),
    ("scale",          "1E+3", 3),
    ("scale",          "1e0", 0),
    ("scale",          "1", 0),
    ("scale",          "0.001", -3),
    ("scale",          "1000", 3),
    ("scale",          "1.0e5", 5),
    ("valuetype",      "Maximum", "maximum"),
    ("valuetype",      "errorstate", "errorstate"),
    ("storagenum",     str(2**41 - 1), 2**41 - 1),
    ("tariff",         "3", 3),
    ("confdata",       "0x01 0x00 0x01 0x08 0x00 0xFF", bytes((1, 0, 1, 8, 0, 255))),
    ("unit",           "m³", "m³"),
    ("description",    "", ""),
    ("active",         "0", 0),
]
# fmt: on


def escaped(text: str) -> str:
    """Write a text as element content."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


@pytest.mark.parametrize(("name", "text", "value"), FORMS)
def test_forms_of_meter_elements(name: str, text: str, value: Any) -> None:
    """C-15, C-25, C-26, C-27: hexadecimal and decimal forms, both spellings, any label."""
    meter = one_meter(f"<{name}>{escaped(text)}</{name}>")
    assert getattr(meter, METER_ELEMENTS[name].attribute) == value
    assert load(save([meter])) == ([meter], [])


@pytest.mark.parametrize(("name", "text", "value"), VALUE_FORMS)
def test_forms_of_value_elements(name: str, text: str, value: Any) -> None:
    """Manual 9.4: forms of the elements of a value."""
    meter = one_meter(f"<value><{name}>{text}</{name}></value>")
    assert getattr(meter.values[0], name) == value
    assert load(save([meter])) == ([meter], [])


def test_rssi_is_written_by_its_right_name() -> None:
    """C-25: rsi of the table is a misprint: rssi is written, both are read."""
    assert b"<rssi>123</rssi>" in save([one_meter("<rsi>123</rsi>")])
    assert b"rsi>" not in save([one_meter("<rsi>123</rsi>")]).replace(b"rssi", b"")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("readoutcycle", "-1"),
        ("readoutcycle", "4294967296"),
        ("maxvaluecount", "65536"),
        ("encryptionkey", "0x82"),
        ("encryptionkey", " ".join(["0x100"] * 16)),
        ("active", "2"),
        ("active", ""),
        ("rssi", "strong"),
        ("register", "65536"),
        ("register", "1_0"),
        ("register", "١"),
        ("slaveaddress", "248"),
        ("user", "x" * 51),
    ],
)
def test_a_bad_element_costs_only_itself(name: str, text: str) -> None:
    """A bad element is told by line and name, its default holds, the file keeps its text."""
    body = f"<meter>\n<serial>0x1</serial>\n<{name}>{text}</{name}>\n<user>u</user>\n</meter>\n"
    meters, complaints = load(document(body))
    default = METER_ELEMENTS[name].default
    assert len(meters) == 1
    assert meters[0].serial == "00000001"
    if name != "user":
        assert getattr(meters[0], name) == default
        assert meters[0].user == "u"
    assert complaints[0].line == 6
    assert complaints[0].key == f"meter 1 <{name}>"
    assert f"<{name}>{text}</{name}>" in save(meters).decode() or text == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scale", "2e3"),
        ("scale", "1.1e3"),
        ("scale", "1e99999"),
        ("scale", "1.2.3"),
        ("scale", "ten"),
        ("scale", "0"),
        ("valuetype", "average"),
        ("storagenum", str(2**41)),
        ("tariff", str(2**20)),
        ("confdata", "0x01"),
        ("description", "x" * 256),
    ],
)
def test_a_bad_element_of_a_value_costs_only_itself(name: str, text: str) -> None:
    """A bad element of a value is told with meter and value; its default holds."""
    body = f"<meter><value/><value><{name}>{text}</{name}><register>20</register></value></meter>"
    meters, complaints = load(document(body))
    assert getattr(meters[0].values[1], name) == VALUE_ELEMENTS[name].default
    assert meters[0].values[1].register == 20
    assert [complaint.key for complaint in complaints] == [f"meter 1 value 2 <{name}>"]


def test_keys_are_never_shown() -> None:
    """A message about an encryption key does not quote it."""
    body = "<meter><encryptionkey>0x82 0xB0</encryptionkey></meter>"
    _, complaints = load(document(body))
    assert "0x82" not in str(complaints[0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("serial", "0x3010119Z"),
        ("serial", "123456789"),
        ("serial", ""),
        ("manufacturer", "SL"),
        ("version", "256"),
        ("medium", "Phlogiston"),
        ("primaryaddress", "251"),
        ("addressmode", "2"),
    ],
)
def test_a_meter_that_cannot_be_addressed_is_passed_over(name: str, text: str) -> None:
    """A meter with a bad address is told and passed over; neighbours and its text stay."""
    bad = f"<meter>\n<{name}>{text}</{name}>\n</meter>\n"
    good = "<meter><serial>0x1</serial></meter>\n"
    data = document(good + bad + good)
    meters, complaints = load(data)
    assert [meter.serial for meter in meters] == ["00000001", "00000001"]
    assert [complaint.line for complaint in complaints] == [6, 5]
    assert "meter 2" in str(complaints[1])
    assert f"<{name}>{text}</{name}>" in save(meters, old=data).decode() or text == ""


def test_unknown_elements_survive_a_rewrite() -> None:
    """C-26: what we do not know is written back where it was: list, meter and value."""
    body = """\
<vendor a="1"><x>&amp;</x></vendor>
<!-- a note -->
<meter>
<interface>M-Bus</interface>
<serial>0x00000001</serial>
<userscale>3</userscale>
<value>
<register>20</register>
<userscale>1e2</userscale>
</value>
</meter>
"""
    data = document(body)
    meters, complaints = load(data)
    assert complaints == []
    assert save(meters, old=data) == data


def test_a_bad_text_gives_way_to_a_value_that_is_set() -> None:
    """The kept text of a bad element goes once the device has written that element itself."""
    meters, _ = load(document("<meter><register>x</register></meter>"))
    assert b"<register>x</register>" in save(meters)
    meters[0].register = 10
    written = save(meters)
    assert b"<register>10</register>" in written
    assert b"<register>x" not in written


def test_repeated_and_nested_elements() -> None:
    """The first of two elements of one name counts; the second is told and kept till a rewrite."""
    body = "<meter><serial>0x1</serial><serial>0x2</serial><user><b>x</b></user></meter>"
    meters, complaints = load(document(body))
    assert (meters[0].serial, meters[0].user) == ("00000001", "")
    assert len(complaints) == 2
    assert meters[0].kept == ["<serial>0x2</serial>", "<user><b>x</b></user>"]


def test_text_that_xml_cannot_write() -> None:
    """A meter's text with control characters is written with replacement characters."""
    meter = Meter(values=[Value(description="a\x00b\ud800c\r\n]]>")])
    meters, complaints = load(save([meter]))
    assert complaints == []
    assert meters[0].values[0].description == "a\ufffdb\ufffdc\r\n]]>"


REFUSED = [
    (b"", 1),
    (b"\x00" * 10_000_000, None),
    (b"<root", 1),
    (b"<root>\n<a></b>\n</root>", 2),
    (b"<list/>", 1),
    (b"<root>\n\xff</root>", 2),
    (HEAD.encode("utf-16"), 1),
    (b'<?xml version="1.0"?><!DOCTYPE root><root/>', 1),
    # Billion laughs, quadratic blow-up, an external entity, too deep.
    (
        b'<!DOCTYPE r [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><root>&b;</root>',
        1,
    ),
    (b'<!DOCTYPE r [<!ENTITY a "' + b"x" * 50_000 + b'">]><root>' + b"&a;" * 5000 + b"</root>", 1),
    (b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><root>&a;</root>', 1),
    (b"<root>" + b"<a>" * 200_000, 1),
    (b"<root>" + b"<meter/>\n" * 100_000 + b"</root>", METERS_MAX + 1),
    (b"<root><meter>" + b"<value/>\n" * (VALUES_MAX + 1) + b"</meter></root>", 1),
]


@pytest.mark.parametrize(("data", "line"), REFUSED, ids=range(len(REFUSED)))
def test_hostile_documents(data: bytes, line: int | None) -> None:
    """Bombs, entities, depth, size, counts, encodings: refused with the line, and quickly."""
    began = perf_counter()
    with pytest.raises(MeterListError) as caught:
        load(data)
    # A bomb takes minutes or gigabytes; the limit only tells it from a slow machine.
    assert perf_counter() - began < 20
    assert caught.value.line == line
    assert len(str(caught.value)) < 400


def test_a_list_beyond_the_limits_is_not_written() -> None:
    """What could not be read again is not written; the file so far stands."""
    with pytest.raises(MeterListError, match="meters"):
        save([Meter()] * (METERS_MAX + 1))
    with pytest.raises(MeterListError, match="values"):
        save([Meter(values=[Value()] * (VALUES_MAX + 1))])
    with pytest.raises(MeterListError, match="bytes"):
        save([Meter(values=[Value(description="x" * 255, user="&" * 50)] * VALUES_MAX)])


def test_a_full_list_fits() -> None:
    """250 meters with 25 values, every label full of characters to escape, can be written."""
    value = Value("Meter specific description", "US gal/min", "INT32", -3, user="&" * 50)
    data = save([Meter(user="<" * 50, values=[value] * 25) for _ in range(250)])
    assert len(data) < FILE_SIZE_MAX / 2
    assert len(load(data)[0]) == 250


def test_byte_order_mark_and_false_header() -> None:
    """FILE-01: the file is UTF-8 whatever its header claims; a byte order mark is told."""
    meters, complaints = load(b"\xef\xbb\xbf" + document("<meter/>"))
    assert len(meters) == 1
    assert "byte order mark" in str(complaints[0])
    latin = '<?xml version="1.0" encoding="iso-8859-1"?><root><meter><user>ö</user></meter></root>'
    assert load(latin.encode())[0][0].user == "ö"


def attributes(kind: type[Meter] | type[Value]) -> set[str]:
    """Name the attributes that are elements."""
    return {column.name for column in fields(kind)} - {"values", "kept"}


def test_table_and_entries_agree() -> None:
    """Every attribute has one element that is written, and the same default in both places."""
    tables: list[tuple[dict[str, Element], Meter | Value]] = [
        (METER_ELEMENTS, Meter()),
        (VALUE_ELEMENTS, Value()),
    ]
    for table, entry in tables:
        written = [element.attribute for element in table.values() if element.is_written]
        assert sorted(written) == sorted(attributes(type(entry)))
        for element in table.values():
            assert getattr(entry, element.attribute) == element.default


# XML has no way to carry control characters and surrogates; a lone carriage return is escaped.
writable = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=50
)
values = st.builds(
    Value,
    description=writable,
    unit=writable,
    encodetype=writable,
    scale=st.integers(-50, 50),
    valuetype=st.sampled_from(["instantaneous", "maximum", "minimum", "errorstate"]),
    storagenum=st.integers(0, 2**41 - 1),
    tariff=st.integers(0, 2**20 - 1),
    confdata=st.just(b"") | st.binary(min_size=6, max_size=6),
    active=st.integers(0, 1),
    register=st.integers(0, 65535),
    user=writable,
    kept=st.just([]),
)
meters_strategy = st.builds(
    Meter,
    interface=writable,
    serial=st.from_regex(r"[0-9A-F]{8}", fullmatch=True),
    manufacturer=st.none() | st.from_regex(r"[@-_]{3}", fullmatch=True),
    version=st.none() | st.integers(0, 255),
    medium=st.none() | st.integers(0, 255),
    primaryaddress=st.integers(0, 250),
    addressmode=st.integers(0, 1),
    readoutcycle=st.integers(0, 2**32 - 1),
    maxvaluecount=st.integers(0, 65535),
    encryptionkey=st.just(b"") | st.binary(min_size=16, max_size=16),
    active=st.integers(0, 1),
    rssi=st.integers(-32768, 32767),
    register=st.integers(0, 65535),
    slaveaddress=st.integers(0, 247),
    user=writable,
    values=st.lists(values, max_size=3),
    kept=st.just([]),
)


@given(st.lists(meters_strategy, max_size=3))
def test_any_list_survives_the_file(meters: list[Meter]) -> None:
    """FILE-04: what is written is read back the same, without a complaint."""
    written = save(meters)
    assert load(written) == (meters, [])
    assert save(meters, old=written) == written


pieces = st.lists(
    st.sampled_from(
        [
            "<meter>",
            "</meter>",
            "<value>",
            "</value>",
            "<serial>0x12</serial>",
            "<serial>?</serial>",
            "<register>10</register>",
            "<register>ten</register>",
            "<user>a</user>",
            "<unknown/>",
            "<!-- c -->",
            "<?pi x?>",
            "<![CDATA[x]]>",
            "&amp;",
            "\n",
        ]
    )
    | st.text(max_size=5).map(escaped),
    max_size=25,
).map("".join)


def bare(meter: Meter) -> Meter:
    """Copy a meter without the texts that were not understood."""
    values = [replace(value, kept=[]) for value in meter.values]
    return replace(meter, values=values, kept=[])


@given(pieces)
def test_any_document_is_read_or_refused(body: str) -> None:
    """Whatever the file holds, the answer is a list with complaints or one clear error."""
    data = document(body.encode(errors="replace").decode())
    try:
        meters, complaints = load(data)
    except MeterListError:
        return
    assert all(str(complaint) for complaint in complaints)
    again, _ = load(save(meters, old=data))
    # A second element of one name goes once the first is written; all else is the same.
    assert [bare(meter) for meter in again] == [bare(meter) for meter in meters]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No bytes make reading raise anything but its own error."""
    try:
        meters, _ = load(data)
    except MeterListError:
        return
    assert isinstance(meters, list)
