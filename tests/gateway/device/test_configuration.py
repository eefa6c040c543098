"""chip.ini: every key with range and default, tolerant reading, rewriting without loss."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.configuration import (
    FACTORY_CHIP_INI,
    FILE_SIZE_MAX,
    KEYS,
    Complaint,
    Configuration,
    Key,
    KindError,
    factory_chip_ini,
    load,
    save,
)
from gateway.device.kinds import Choice, Integer

BY_PLACE = {(key.section, key.name): key for key in KEYS}
FACTORY = FACTORY_CHIP_INI.encode()

# The table of manual 9.4 (and of the decisions), written down once more by hand: section, key,
# default of a missing key, texts that are taken, texts that are not.
# fmt: off
TABLE: list[tuple[str, str, Any, list[str], list[str]]] = [
    ("IP", "ADDRESS", "", ["0.0.0.0", "255.255.255.255"], ["256.0.0.1", "1.2.3", "1.2.3.04"]),
    ("IP", "NETMASK", "", ["255.255.0.0"], ["x"]),
    ("IP", "GATEWAY", "", ["10.0.0.1"], ["10.0.0.1/8"]),
    ("IP", "DHCP", 1, ["0", "1"], ["2", "-1", "yes"]),
    ("IP", "DNS", "", ["8.8.8.8"], ["dns"]),
    ("IP", "TCPIPMEM", 280, ["60", "1000"], ["59", "1001"]),
    ("DEVICE", "NAME", "Anybus M-Bus/MTCP 80", ["", "x" * 20, "Größe"], ["x" * 21]),
    ("CONFIG", "MBUS_BAUDRATE", 2400,
     ["300", "600", "1200", "2400", "4800", "9600", "19200"], ["0", "2401", "38400"]),
    ("CONFIG", "MBUS_DATABITS", 8, ["7", "8"], ["6", "9", "x"]),
    ("CONFIG", "MBUS_DEBUGOUT", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MBUS_ENABLE", 1, ["0", "1"], ["2"]),
    ("CONFIG", "MBUS_FREEZESTORAGEUM", 0, ["0", "4294967295"], ["4294967296", "0x1"]),
    ("CONFIG", "MBUS_FULLTIMEOUT", 10000, ["0", "65535"], ["65536"]),
    ("CONFIG", "MBUS_IDLETIMEOUT", 100, ["0", "65535"], ["65536"]),
    ("CONFIG", "MBUS_MAXMULTIPAGE", 10, ["0", "255"], ["256"]),
    ("CONFIG", "MBUS_MAXPRIMARYADDRESS", 250, ["0", "250"], ["251"]),
    ("CONFIG", "MBUS_MAXRETRY", 3, ["0", "255"], ["256"]),
    ("CONFIG", "MBUS_MINPRIMARYADDRESS", 0, ["0", "250"], ["251"]),
    ("CONFIG", "MBUS_PARITY", 2, ["0", "4"], ["5"]),
    ("CONFIG", "MBUS_RAWLOGENABLE", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MBUS_REQUESTMODE", "DEFAULT",
     ["DEFAULT", "EXT", "ONLY", "FREEZE", "EXT2"], ["EXT3", "0"]),
    ("CONFIG", "MBUS_RESETDISABLE", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MBUS_RESETMODE", 0, ["0", "1", "2", "3"], ["4"]),
    ("CONFIG", "MBUS_SCANMODE", "SECONDARYSCAN",
     ["PRIMARYSCAN", "SECONDARYSCAN", "SECONDARYSCANALLOC", "SECONDARYSCANREVERSE",
      "SECONDARYSCANALLOCREVERSE", "TRANSPARENTTCP", "TRANSPARENTUDP"], ["SCAN", ""]),
    ("CONFIG", "MBUS_SEARCHHEXADECIMAL", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MBUS_SEARCHTIMING", "LITERAL", ["LITERAL", "ADAPTIVE"], ["FAST"]),
    ("CONFIG", "MBUS_SECMASKMANUFACTURER", "FFFF", ["1234", "0xFFFF", "32A7"], ["123", "12345"]),
    ("CONFIG", "MBUS_SECMASKMEDIUM", "FF", ["04", "0xFF", "0xFFFF"], ["4", "123"]),
    ("CONFIG", "MBUS_SECMASKSERIAL", "FFFFFFFF", ["0xFFFFFFFF", "1234FFFF"], ["123", "G" * 8]),
    ("CONFIG", "MBUS_SECMASKVERSION", "FF", ["01", "0xFFFF"], ["1"]),
    ("CONFIG", "MBUS_SELECTMASK", 0, ["0", "15"], ["16"]),
    ("CONFIG", "MBUS_STOPBITS", 1, ["1", "2"], ["0", "3"]),
    ("CONFIG", "MBUS_TIMEOUT", 2000, ["0", "65535"], ["65536"]),
    ("CONFIG", "MBUS_TRANSPARENTPORT", 5000, ["1", "65535"], ["0", "21", "22", "80", "443", "502"]),
    ("CONFIG", "MBUS_WAKEUPENABLE", 0, ["0", "1"], ["2"]),
    ("CONFIG", "METER_MAXALLVALUECOUNT", 0, ["0", "65535"], ["65536"]),
    ("CONFIG", "METER_MAXDEVICECOUNT", 0, ["0", "65535"], ["65536"]),
    ("CONFIG", "METER_MAXVALUECOUNT", 0, ["0", "65535"], ["65536"]),
    ("CONFIG", "METER_STAT_CONFIG", "/app/Device_Handle.cfg",
     ["/app/list.xml"],
     ["/app/../etc/passwd", "/app/chip.ini", "/app/webcom.ini.bak", "list.xml", "/app//x", "/app/",
      "/" + "x" * 40]),
    ("CONFIG", "METER_TIME", 900, ["10", "4294967295"], ["9", "0", "4294967296"]),
    ("CONFIG", "MODBUS_ADDRESS", 0, ["0", "255"], ["256"]),
    ("CONFIG", "MODBUS_CONNECTIONTIMEOUT", 60, ["0", "65535"], ["65536"]),
    ("CONFIG", "MODBUS_DEBUGOUT", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MODBUS_DISCONNECTTIMEOUT", 60, ["1", "1000"], ["0", "1001"]),
    ("CONFIG", "MODBUS_ENABLE", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MODBUS_MAXCONNECTIONS", 5, ["0", "80"], ["81"]),
    ("CONFIG", "MODBUS_MODE", "TCP", ["TCP", "UDP"], ["SCTP"]),
    ("CONFIG", "MODBUS_NWPORT", 502, ["1", "65535"], ["0", "65536"]),
    ("CONFIG", "MODBUS_SWAP", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MODBUSMETER_PROTOCOLVERSION", 0, ["0", "15"], ["17"]),
    ("CONFIG", "MUC_CONFIG_VER", 2, ["1", "2"], ["0", "3"]),
    ("CONFIG", "MUC_LOG", "DEFAULT", ["DEFAULT", "NONE", "ERRORONLY", "ALL"], ["SOME"]),
    ("CONFIG", "MUC_METERDESCRIPTION_ENABLEFLAGS", 1, ["0", "15"], ["17"]),
    ("CONFIG", "MUC_SETDEVICES", "S0", ["S0", "ALL", "NONE"], ["S1"]),
    ("CONFIG", "MUC_PROTOCOL_VER", 30, ["0", "1", "2", "3", "30"], ["4", "29", "31"]),
    ("CONFIG", "MUC_SHOWTIMESTAMPENTRIES", 0, ["0", "1"], ["2"]),
    ("CONFIG", "MUC_USE_FREEZE", 0, ["0", "1"], ["2"]),
    ("CONFIG", "SNTP_ENABLE", 1, ["0", "1"], ["2"]),
    ("CONFIG", "SNTP_MAXTIMEOUT", 93600, ["1", "4294967295"], ["0"]),
    ("CONFIG", "SNTP_MINTIMEOUT", 79200, ["1", "4294967295"], ["0"]),
    ("CONFIG", "SNTP_REQTIMEOUT", 30000, ["1", "65535"], ["0", "65536"]),
    ("CONFIG", "SNTPIP", "ptbtime1.ptb.de", ["", "x" * 40], ["x" * 41]),
    ("CONFIG", "WATCHDOG_IDLE", 120, ["1", "4294967295"], ["0"]),
    ("CONFIG", "WATCHDOG_PROCESS", 900, ["1", "4294967295"], ["0"]),
    ("CONFIG", "WATCHDOG_READOUT", None, ["1", "4294967295"], ["0"]),
    ("CONFIG", "WATCHDOG_SCAN", 1800, ["1", "4294967295"], ["0"]),
    ("CONFIG", "WEBCOM_TIMEOUT", 30000, ["1", "4294967295"], ["0"]),
    ("CONFIG", "MBUS_FAULTREBOOT", 0, ["0", "65535"], ["-1", "65536"]),
    ("CONFIG", "VALUELOG", "NONE", ["CSV", "XML", "BOTH"], ["JSON"]),
    ("CONFIG", "WEBCOM_MAXSESSION", 28800, ["1"], ["0"]),
    ("FTP", "CERT_COUNTRY", "SE", ["DE"], ["DEU"]),
    ("FTP", "CERT_STATE", "Halland", ["x"], ["x" * 129]),
    ("FTP", "CERT_LOCATION", "Halmstad", ["x"], ["x" * 129]),
    ("FTP", "CERT_ORGANISATION", "HMS Industrial Networks", ["x"], ["x" * 65]),
    ("FTP", "CERT_ORGANISATION_UNIT", "BU Anybus", ["x"], ["x" * 65]),
    ("FTP", "CERT_COMMON_NAME", "www.hms-networks.com", ["x"], ["x" * 65]),
    ("FTP", "ENABLE", 1, ["0", "1"], ["2"]),
    ("SSH", "ENABLE", 1, ["0", "1"], ["2"]),
    ("UDPCFG", "IPCFG_PASSWORD", "admin", ["secret"], ["x" * 65]),
]
# fmt: on


def one(section: str, name: str, text: str) -> tuple[Any, list[Complaint]]:
    """Read a file with one key and give that key's value."""
    configuration, complaints = load(f"[{section}]\n{name}={text}\n".encode())
    return getattr(configuration, BY_PLACE[section, name].attribute), complaints


def test_the_table_is_complete() -> None:
    """FILE-02: every key of manual 9.4 and every own key is in the model, and no other."""
    assert {(section, name) for section, name, *_ in TABLE} == set(BY_PLACE)
    assert len(BY_PLACE) == len(KEYS) == len(fields(Configuration))


@pytest.mark.parametrize(("section", "name", "default", "good", "bad"), TABLE)
def test_a_key(section: str, name: str, default: Any, good: list[str], bad: list[str]) -> None:
    """C-23: the default of a missing key, both ends of its range, and what is refused."""
    attribute = BY_PLACE[section, name].attribute
    assert getattr(load(b"")[0], attribute) == default
    for text in good:
        value, complaints = one(section, name, text)
        assert complaints == []
        written = BY_PLACE[section, name].kind.format(value)
        assert one(section, name, written) == (value, [])
    for text in bad:
        value, complaints = one(section, name, text)
        assert value == default
        assert [complaint.key for complaint in complaints] == [f"[{section}] {name}"]
        assert complaints[0].line == 2
        assert not complaints[0].fatal


def test_every_key_says_what_it_does() -> None:
    """Page and documentation go by the rows: effect, manual section and expectation are there."""
    for key in KEYS:
        assert key.effect
        assert key.manual
        assert key.kind.expected
        assert key.attribute == key.name.lower() or key.name == "ENABLE"
    own = {key.name for key in KEYS if key.own}
    assert own == {
        "DNS",
        "ENABLE",
        "MBUS_FAULTREBOOT",
        "MBUS_SEARCHHEXADECIMAL",
        "MBUS_SEARCHTIMING",
        "MBUS_TRANSPARENTPORT",
        "MODBUS_MODE",
        "VALUELOG",
        "WEBCOM_MAXSESSION",
    }


def test_defaults_are_valid() -> None:
    """Every default is a value that its own kind takes."""
    for key in KEYS:
        text = key.kind.format(key.default)
        assert text == "" or key.kind.parse(text) == key.default


def test_a_complaint_names_place_rule_and_culprit() -> None:
    """C-23: the message says where, what was expected, what came and what holds instead."""
    _, complaints = load(b"# x\n[CONFIG]\n\nMBUS_TIMEOUT=70000\n")
    assert len(complaints) == 1
    assert str(complaints[0]) == (
        "line 4: [CONFIG] MBUS_TIMEOUT: expected 0 to 65535 ms, got '70000'; "
        "the default 2000 is used"
    )


def test_passwords_are_never_shown() -> None:
    """A message about a password quotes neither the one that came nor the default."""
    data = b"[UDPCFG]\nIPCFG_PASSWORD=" + b"secret" * 20
    _, complaints = load(data)
    assert len(complaints) == 1
    assert "secret" not in str(complaints[0])
    assert "admin" not in str(complaints[0])
    with pytest.raises(KindError) as caught:
        save(FACTORY, replace(Configuration(), ipcfg_password="secret" * 20))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["+1", " 1_0", "١", "1e1", "1 ; comment", "9" * 5000, "0x10"])
def test_numbers_are_decimal_digits(text: str) -> None:
    """A number is decimal ASCII digits: nothing is guessed, nothing is cut off."""
    value, complaints = one("CONFIG", "MBUS_TIMEOUT", text)
    assert value == 2000
    assert len(complaints) == 1
    assert len(str(complaints[0])) < 300


@pytest.mark.parametrize(
    "name", ["MODBUSMETER_PROTOCOLVERSION", "MUC_METERDESCRIPTION_ENABLEFLAGS"]
)
def test_sixteen_is_masked(name: str) -> None:
    """C-09: 16 is in the manual's range and has no meaning: a warning, and the bits are masked."""
    value, complaints = one("CONFIG", name, "16")
    assert value == 0
    assert "ignored" in str(complaints[0])


def test_freeze_storage_in_both_spellings() -> None:
    """C-24: the manual's literal key is read and written, the likely spelling is read too."""
    assert load(b"[CONFIG]\nMBUS_FREEZESTORAGENUM=3\n")[0].mbus_freezestorageum == 3
    both = b"[CONFIG]\nMBUS_FREEZESTORAGENUM=3\nMBUS_FREEZESTORAGEUM=4\n"
    configuration, complaints = load(both)
    assert (configuration.mbus_freezestorageum, complaints) == (4, [])
    written = save(b"[CONFIG]\nMBUS_FREEZESTORAGENUM=3\n", configuration)
    assert load(written)[0].mbus_freezestorageum == 4
    assert b"MBUS_FREEZESTORAGEUM=4" in written


@pytest.mark.parametrize(
    ("meter_time", "process", "own", "limit"),
    [
        (10, 900, None, 900),
        (225, 900, None, 900),
        (226, 900, None, 904),
        (900, 900, None, 3600),
        (86400, 900, None, 345600),
        (4294967295, 900, None, 4294967295),
        (900, 900, 7, 7),
    ],
)
def test_readout_watchdog(meter_time: int, process: int, own: int | None, limit: int) -> None:
    """C-55: WATCHDOG_READOUT is its key, or four cycles, at least WATCHDOG_PROCESS, clamped."""
    configuration = replace(
        Configuration(), meter_time=meter_time, watchdog_process=process, watchdog_readout=own
    )
    assert configuration.watchdog_readout_limit == limit


@pytest.mark.parametrize(("unit_loads", "devices"), [(20, 20), (80, 80), (0, 0)])
def test_factory_file(unit_loads: int, devices: int) -> None:
    """C-16, C-74, NET-01: a fresh device shows what the manual's screens show."""
    configuration, complaints = load(factory_chip_ini(unit_loads).encode(), unit_loads=unit_loads)
    assert complaints == []
    expected = replace(
        Configuration(),
        address="192.168.1.101",
        netmask="255.255.255.0",
        gateway="192.168.1.254",
        dhcp=0,
        name=load(b"", unit_loads=unit_loads)[0].name,
        mbus_maxmultipage=3,
        mbus_searchtiming="ADAPTIVE",
        meter_maxdevicecount=devices,
        meter_maxvaluecount=25,
        modbus_enable=1,
        muc_config_ver=2,
    )
    assert configuration == expected


def test_factory_file_has_the_size_of_the_figure() -> None:
    """FTP-02: chip.ini of a new device has 422 bytes (Fig. 22), on both models."""
    assert len(FACTORY) == len(factory_chip_ini(20).encode()) == 422


def test_emptied_file() -> None:
    """C-16: an emptied file falls back to the table, which differs from the factory file."""
    configuration, complaints = load(b"")
    assert complaints == []
    assert (configuration.mbus_maxmultipage, configuration.modbus_enable) == (10, 0)
    assert (configuration.meter_maxdevicecount, configuration.dhcp) == (0, 1)


FATAL = [
    (b"MBUS_TIMEOUT=5\n", 1, "a [SECTION] first"),
    (b"[CONFIG]\nMBUS_TIMEOUT=5\n\nMBUS_TIMEOUT=6\n", 4, "every key once"),
    (b"[CONFIG]\nX=1\n[CONFIG]\n", 3, "every section once"),
    (b"[CONFIG]\n# \xe9\nX=1\n", 2, "UTF-8"),
    ("[CONFIG]\nX=1\n".encode("utf-16"), 1, "UTF-8"),
    (b"[CONFIG]\nNAME=a\x00b\n", 2, "text"),
    (b"[CONFIG]\n=5\n", 2, "KEY=value"),
    (b"[CONFIG]\n" + b"#" * FILE_SIZE_MAX, None, f"at most {FILE_SIZE_MAX} bytes"),
    (b"\x00" * 10_000_000, None, f"at most {FILE_SIZE_MAX} bytes"),
]


@pytest.mark.parametrize(("data", "line", "expected"), FATAL, ids=range(len(FATAL)))
def test_a_file_that_cannot_be_used(data: bytes, line: int | None, expected: str) -> None:
    """FILE-01: duplicates, wrong encoding, size, no INI: one complaint, the old settings stand."""
    old = replace(Configuration(), mbus_timeout=1234)
    configuration, complaints = load(data, previous=old)
    assert configuration is old
    assert [complaint.fatal for complaint in complaints] == [True]
    assert complaints[0].line == line
    assert expected in complaints[0].expected
    assert load(data)[0] == Configuration()


def test_byte_order_mark() -> None:
    """FILE-01: a byte order mark is told, the settings behind it count, a Save removes it."""
    data = b"\xef\xbb\xbf[CONFIG]\nMBUS_TIMEOUT=5\n"
    configuration, complaints = load(data)
    assert configuration.mbus_timeout == 5
    assert "byte order mark" in str(complaints[0])
    assert save(data, configuration) == data[3:]


def test_case_and_lines_without_value_are_told() -> None:
    """C-23: a key that differs from a known one in case only, or has no value, is not read."""
    data = b"[CONFIG]\nmbus_timeout=5\njunk\n[config]\nMBUS_IDLETIMEOUT=7\nFOREIGN=1\n"
    configuration, complaints = load(data)
    assert configuration == Configuration()
    assert [complaint.line for complaint in complaints] == [2, 3, 5]
    assert save(data, configuration) == data


KEPT = b"""\
; written by hand
[CONFIG]
MBUS_TIMEOUT=3000
   ; below its key
# why: slow meters
  ; indented comment
FOREIGN_KEY = Some Value
MBUS_IDLETIMEOUT = 200

[VENDOR]
x=y

[FTP]
CERT_COUNTRY=DE
"""


def test_nothing_changes_without_a_change() -> None:
    """FILE-04: saving what was read gives the same bytes, comments, order and blanks included."""
    for data in (KEPT, KEPT.replace(b"\n", b"\r\n"), FACTORY, b"", b"# only a comment\n"):
        assert save(data, load(data)[0]) == data


def test_one_change_changes_one_line() -> None:
    """FILE-04: comments, order, case and unknown keys survive a rewrite."""
    configuration = replace(load(KEPT)[0], mbus_timeout=500, mbus_maxretry=1, ssh_enable=0)
    # Indentation means nothing in this file and goes with the first change.
    expected = (
        KEPT.replace(b"   ;", b";")
        .replace(b"  ;", b";")
        .replace(b"MBUS_TIMEOUT=3000", b"MBUS_TIMEOUT=500")
        .replace(b"MBUS_IDLETIMEOUT = 200\n", b"MBUS_IDLETIMEOUT = 200\nMBUS_MAXRETRY=1\n")
    )
    written = save(KEPT, configuration)
    assert written == expected + b"\n[SSH]\nENABLE=0\n"
    assert load(written) == (configuration, [])
    crlf = save(KEPT.replace(b"\n", b"\r\n"), configuration)
    assert crlf == written.replace(b"\n", b"\r\n")


def test_indentation_means_nothing() -> None:
    """An indented line is a line of its own, never the continuation of the one above."""
    data = b"  [CONFIG]\n MBUS_TIMEOUT=5\n\tMBUS_IDLETIMEOUT=7\n   junk\n"
    configuration, complaints = load(data)
    assert (configuration.mbus_timeout, configuration.mbus_idletimeout) == (5, 7)
    assert [complaint.line for complaint in complaints] == [4]


def test_an_address_is_taken_away() -> None:
    """A setting that becomes "not set" leaves the file."""
    empty = FACTORY.replace(b"ADDRESS=192.168.1.101", b"ADDRESS=")
    assert load(empty)[0].address == ""
    assert save(empty, load(empty)[0]) == empty
    explicit = save(b"", Configuration(), explicit=["address", "watchdog_readout"])
    assert explicit == b""
    written = save(FACTORY, replace(load(FACTORY)[0], address="", watchdog_readout=None))
    assert b"ADDRESS" not in written
    assert load(written)[0].address == ""


def test_a_bad_value_stays_until_it_is_set() -> None:
    """C-23: the file is not rewritten because of a bad value; setting the key mends it."""
    data = b"[CONFIG]\nMBUS_TIMEOUT=70000\n"
    configuration, _ = load(data)
    assert save(data, configuration) == data
    assert save(data, configuration, explicit=["mbus_timeout"]) == (
        b"[CONFIG]\nMBUS_TIMEOUT=2000\n"
    )


def test_the_page_writes_its_fields_explicitly() -> None:
    """C-16: a Save of the page writes the value even where it is the default."""
    written = save(b"", Configuration(), explicit=["mbus_maxmultipage"])
    assert written == b"[CONFIG]\nMBUS_MAXMULTIPAGE=10\n"


def test_what_cannot_be_read_back_is_not_written() -> None:
    """A value outside its range is refused by name before anything is written."""
    with pytest.raises(KindError, match=r"\[CONFIG\] MBUS_TIMEOUT: expected 0 to 65535"):
        save(FACTORY, replace(Configuration(), mbus_timeout=70000))
    with pytest.raises(KindError, match="NAME"):
        save(FACTORY, replace(Configuration(), name="a\n[CONFIG]\nMBUS_ENABLE=0"))


def test_an_unusable_file_is_replaced() -> None:
    """A Save over a file that is no INI starts from the factory text."""
    written = save(b"garbage", replace(Configuration(), mbus_timeout=500))
    assert load(written) == (replace(Configuration(), mbus_timeout=500), [])


def value_of(key: Key) -> st.SearchStrategy[Any]:
    """Make any value that a key takes."""
    if isinstance(key.kind, Integer):
        never = key.kind.never
        numbers = st.integers(key.kind.minimum, key.kind.maximum)
        return numbers.map(lambda number: key.default if number in never else number)
    if isinstance(key.kind, Choice):
        return st.sampled_from(key.kind.words)
    samples = next(row[3] for row in TABLE if row[:2] == (key.section, key.name))
    return st.sampled_from([key.kind.parse(text) for text in samples])


changes = st.sampled_from(KEYS).flatmap(
    lambda key: st.tuples(st.just(key.attribute), value_of(key))
)
configurations = st.lists(changes, max_size=8).map(
    lambda pairs: replace(Configuration(), **dict(pairs))
)
texts = st.lists(
    st.sampled_from(
        [
            "[CONFIG]",
            "[IP]",
            "[X]",
            "# c",
            "; c",
            "",
            " MORE",
            "A=1",
            "B = 2",
            "MBUS_TIMEOUT=5",
            "MBUS_TIMEOUT=x",
            "DHCP=0",
            "junk",
            "=",
            "METER_TIME",
        ]
    )
    | st.text(max_size=20)
).map("\n".join)


@given(configurations, st.sampled_from([b"", FACTORY, KEPT, KEPT.replace(b"\n", b"\r\n")]))
def test_any_configuration_survives_the_file(configuration: Configuration, old: bytes) -> None:
    """FILE-04: what is written into any file is read back the same, without a complaint."""
    written = save(old, configuration)
    assert load(written) == (configuration, [])
    assert save(written, configuration) == written


@given(texts, configurations)
def test_any_text_is_read_and_can_be_saved_over(text: str, configuration: Configuration) -> None:
    """C-23: no text makes reading or writing fail, and a Save over it holds what it wrote."""
    data = text.encode()
    read, complaints = load(data)
    assert all(str(complaint) for complaint in complaints)
    assert load(save(data, configuration))[0] == configuration
    assert isinstance(read, Configuration)


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    """C-23: whatever the file holds, there is a configuration."""
    configuration, _ = load(data)
    assert isinstance(configuration, Configuration)
