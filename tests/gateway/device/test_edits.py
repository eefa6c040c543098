"""Changes of the page before they are saved: list operations, labels, registers, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.book import ListedMeter, MeterBook
from gateway.device.edits import (
    LABEL_MARKS,
    METER_SHOWN_ONLY,
    VALUE_SHOWN_ONLY,
    EditError,
    Edits,
)
from gateway.device.keys import KEYS, Tab, find_key
from gateway.device.meter_list import Meter, Value
from gateway.registers.layout import STANDARD, Layout

FLOAT_ONLY = Layout(float_only=True)
MULTI_SLAVE = Layout(multi_slave=True)
BOTH = Layout(float_only=True, multi_slave=True)
NOW, CYCLE_S = 5_000_000_000, 900


def page(*value_counts: int, **fields: Any) -> tuple[MeterBook, Edits, list[ListedMeter]]:
    """A list of meters 00000001, 00000002 ... with so many values each, and the page over it."""
    book = MeterBook()
    entries = [
        Meter(serial=f"{number:08}", values=[Value() for _ in range(count)], **fields)
        for number, count in enumerate(value_counts, 1)
    ]
    book.load(entries, 0)
    return book, Edits(book), list(book.meters)


def registers(edits: Edits) -> list[list[int]]:
    """The registers of every meter and its values, as the page shows them."""
    return [[e.register, *(value.register for value in e.values)] for e in edits.entries()]


def activity(edits: Edits) -> list[list[int]]:
    """The active flags of every meter and its values."""
    return [[e.active, *(value.active for value in e.values)] for e in edits.entries()]


# --- E, Save and Reload ---------------------------------------------------------------------------


def test_an_edit_is_seen_on_the_page_and_nowhere_else() -> None:
    """C-47: the row is marked, the list in force is as it was, Reload forgets."""
    book, edits, (meter,) = page(2)
    edits.set_meter(meter, "user", "cellar")
    edits.set_value(meter, 1, "user", "heat")
    (row,) = edits.rows()
    assert (row.entry.user, row.entry.values[1].user) == ("cellar", "heat")
    assert (row.is_edited, row.edited_values) == (True, frozenset({1}))
    assert (book.meters[0].entry.user, book.meters[0].entry.values[1].user) == ("", "")
    assert edits.tabs() == {Tab.METER}
    edits.discard({Tab.METER})
    (row,) = edits.rows()
    assert (row.is_edited, row.edited_values, edits.tabs()) == (False, frozenset(), set[Tab]())


def test_what_is_set_back_is_no_change() -> None:
    """C-47: an edit that ends where it began leaves no E behind."""
    _, edits, (meter,) = page(1, user="old")
    edits.set_meter(meter, "user", "new")
    edits.set_meter(meter, "user", "old")
    edits.set_value(meter, 0, "user", "x")
    edits.set_value(meter, 0, "user", "")
    (row,) = edits.rows()
    assert (row.is_edited, row.edited_values, edits.tabs()) == (False, frozenset(), set[Tab]())


def test_commit_brings_edits_into_the_list() -> None:
    """C-51: what was edited, added and deleted is in force afterwards, and nothing is edited."""
    book, edits, (first, second) = page(1, 1)
    edits.set_meter(first, "user", "cellar")
    edits.delete(second)
    (new,) = edits.add("12345678")
    edits.commit(NOW, CYCLE_S)
    assert [meter.entry.serial for meter in book.meters] == ["00000001", "12345678"]
    assert book.meters[0] is first
    assert first.entry.user == "cellar"
    assert new.due_ns == NOW
    assert not edits.tabs()


def test_edits_lie_over_a_list_that_grows() -> None:
    """A scan and a first read-out underneath are not undone by a Save."""
    book, edits, (meter,) = page(1)
    edits.set_meter(meter, "user", "cellar")
    meter.entry.values.append(Value(description="Volume"))
    book.load([meter.entry, Meter(serial="99999999")], 0)
    edits = Edits(book)
    edits.set_meter(book.meters[0], "user", "cellar")
    book.add(book.make(Meter(serial="88888888")), NOW)
    edits.commit(NOW, CYCLE_S)
    assert [m.entry.serial for m in book.meters] == ["00000001", "99999999", "88888888"]
    assert len(book.meters[0].entry.values) == 2
    assert book.meters[0].entry.user == "cellar"


def test_other_elements_stay_when_one_is_changed() -> None:
    """FILE-03: unknown elements, keys and marks of an entry survive an edit."""
    book, edits, (meter,) = page(1, kept=["<userscale>1e3</userscale>"], encryptionkey=b"k" * 16)
    edits.set_meter(meter, "user", "cellar")
    edits.commit(NOW, CYCLE_S)
    assert book.meters[0].entry.kept == ["<userscale>1e3</userscale>"]
    assert book.meters[0].entry.encryptionkey == b"k" * 16


# --- Labels and cycles ----------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["OG-1-Re", "Flat 12 (left), 3/4?", "x" * 50, "", "a_b:c"])
def test_labels_taken(label: str) -> None:
    """MET-12, C-27: letters, digits, blanks and the listed marks, up to 50 characters."""
    _, edits, (meter,) = page(1)
    edits.set_meter(meter, "user", label)
    edits.set_value(meter, 0, "user", label)
    assert edits.entries()[0].user == edits.entries()[0].values[0].user == label


@pytest.mark.parametrize("culprit", list("<>\"'\n\x00\x7f;#@{}[]|\\~^`äß²€"))
def test_labels_refused(culprit: str) -> None:
    """C-27: anything else is refused, with the character named; nothing is changed."""
    _, edits, (meter,) = page(1)
    with pytest.raises(EditError) as caught:
        edits.set_meter(meter, "user", f"cellar {culprit}")
    assert repr(culprit) in str(caught.value) or f"'{culprit}'" in str(caught.value)
    assert not edits.tabs()


def test_a_label_too_long_is_refused() -> None:
    """MET-12: at most 50 characters."""
    _, edits, (meter,) = page(0)
    with pytest.raises(EditError, match="at most 50 characters, got 51"):
        edits.set_meter(meter, "user", "x" * 51)


@given(st.text(max_size=60))
def test_the_alphabet_is_the_whole_rule(label: str) -> None:
    """MET-12: a label is taken exactly if it is short enough and of the alphabet."""
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + LABEL_MARKS)
    _, edits, (meter,) = page(0)
    good = len(label) <= 50 and set(label) <= allowed
    try:
        edits.set_meter(meter, "user", label)
    except EditError:
        assert not good
    else:
        assert good


def test_an_empty_cycle_is_the_general_one() -> None:
    """MET-12: no value, or 0, means METER_TIME."""
    _, edits, (meter,) = page(0, readoutcycle=60)
    edits.set_meter(meter, "readoutcycle", "")
    assert edits.entries()[0].readoutcycle == 0
    with pytest.raises(EditError, match="readoutcycle: expected 0 to 4294967295"):
        edits.set_meter(meter, "readoutcycle", "-1")
    with pytest.raises(EditError, match="expected one of interface, serial"):
        edits.set_meter(meter, "cycle", "1")


@pytest.mark.parametrize("name", sorted(METER_SHOWN_ONLY))
def test_what_a_column_of_a_meter_only_shows(name: str) -> None:
    """MET-01: Interface, Serial, MAN, Medium, Version and Link are refused, and nothing changes."""
    _, edits, (meter,) = page(1)
    with pytest.raises(EditError, match=f"{name} is shown only"):
        edits.set_meter(meter, name, "1")
    assert edits.tabs() == set[Tab]()


@pytest.mark.parametrize("name", sorted(VALUE_SHOWN_ONLY))
def test_what_a_column_of_a_value_only_shows(name: str) -> None:
    """MET-01: Scale, Unit and Description are refused, and nothing changes."""
    _, edits, (meter,) = page(1)
    with pytest.raises(EditError, match=f"{name} is shown only"):
        edits.set_value(meter, 0, name, "1e3")
    assert edits.tabs() == set[Tab]()


def test_a_single_value_is_not_deleted() -> None:
    """MET-03: Delete on the row of a value is refused, and its meter stays."""
    _, edits, (meter,) = page(2)
    with pytest.raises(EditError, match="single values cannot be deleted"):
        edits.delete(meter, 0)
    assert len(edits.rows()) == 1


def test_a_value_that_there_is_not() -> None:
    """A position beyond the list of values is refused."""
    _, edits, (meter,) = page(2)
    for number in (2, -1):
        with pytest.raises(EditError, match="has 2 values"):
            edits.set_value(meter, number, "user", "x")


# --- Activity -------------------------------------------------------------------------------------


def test_a_meter_takes_its_values_along() -> None:
    """MET-07: activating or deactivating a meter does so for all its values."""
    _, edits, (first, _) = page(2, 1)
    edits.set_value_active(first, 1, on=False)
    edits.set_active(first, on=False)
    assert activity(edits) == [[0, 0, 0], [1, 1]]
    edits.set_meter(first, "active", "1")
    assert activity(edits) == [[1, 1, 1], [1, 1]]


def test_a_value_activates_its_meter_and_nothing_else() -> None:
    """MET-07: enabling one value activates an inactive meter; its other values stay off."""
    _, edits, (meter,) = page(3)
    edits.set_active(meter, on=False)
    edits.set_value(meter, 1, "active", "1")
    assert activity(edits) == [[1, 0, 1, 0]]
    edits.set_value_active(meter, 1, on=False)
    assert activity(edits) == [[1, 0, 0, 0]]


# --- Add and Delete -------------------------------------------------------------------------------


def test_add_by_number() -> None:
    """C-66: without a Link a meter is called by its number, the rest of the address is wild."""
    _, edits, _ = page(1)
    (meter,) = edits.add("12345678", cycle=60, label="new", register=200)
    entry = meter.entry
    assert (entry.serial, entry.addressmode, entry.primaryaddress) == ("12345678", 0, 0)
    assert (entry.manufacturer, entry.version, entry.medium) == (None, None, None)
    assert (entry.readoutcycle, entry.user, entry.register) == (60, "new", 200)
    assert meter.is_vague
    assert edits.rows()[-1].is_edited


def test_add_several() -> None:
    """MET-16, C-66: serial, Link and register count up, register by 10."""
    _, edits, _ = page()
    edits.add("00000009", link=7, register=10, count=3)
    assert [(e.serial, e.primaryaddress, e.addressmode, e.register) for e in edits.entries()] == [
        ("00000009", 7, 1, 10),
        ("00000010", 8, 1, 20),
        ("00000011", 9, 1, 30),
    ]
    edits.add("20000000", count=2)
    assert [(e.primaryaddress, e.register) for e in edits.entries()[3:]] == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"serial": "1234567"}, "serial: expected 8 digits"),
        ({"serial": "1234567A"}, "serial: expected 8 digits"),
        ({"serial": "١٢٣٤٥٦٧٨"}, "serial: expected 8 digits"),
        ({"serial": "99999999", "count": 2}, "serial: expected 2 numbers"),
        ({"serial": "12345678", "link": 251}, "link: expected 1 to 250"),
        ({"serial": "12345678", "link": -1}, "link: expected 1 to 250"),
        ({"serial": "12345678", "link": 250, "count": 2}, "link: expected 1 to 250"),
        ({"serial": "12345678", "count": 0}, "number of meters: expected 1 to 250"),
        ({"serial": "12345678", "count": 251}, "number of meters: expected 1 to 250"),
        ({"serial": "12345678", "register": 65530, "count": 2}, "register: expected"),
        ({"serial": "12345678", "label": "<b>"}, "user label"),
        ({"serial": "12345678", "cycle": -1}, "readoutcycle"),
        ({"serial": "00000001"}, "meter 00000001 is in the list already"),
        ({"serial": "00000000", "count": 3}, "meter 00000001 is in the list already"),
    ],
)
def test_add_refused(arguments: dict[str, Any], text: str) -> None:
    """MET-16: what one of the meters cannot have adds none of them."""
    _, edits, _ = page(0)
    with pytest.raises(EditError, match=text):
        edits.add(**arguments)
    assert len(edits.entries()) == 1


def test_a_link_is_taken_once() -> None:
    """Two meters behind one primary address would be the same one."""
    _, edits, _ = page()
    edits.add("00000001", link=5)
    with pytest.raises(EditError, match=r"already, as meter 00000001 \(link 5\)"):
        edits.add("00000002", link=5)
    edits.add("00000001", link=6)


def test_what_was_added_can_be_changed_and_deleted() -> None:
    """An entry that is not saved yet is edited like any other."""
    book, edits, _ = page()
    (meter,) = edits.add("12345678")
    edits.set_meter(meter, "user", "new")
    assert edits.entries()[0].user == "new"
    edits.delete(meter)
    assert edits.entries() == []
    edits.commit(NOW, CYCLE_S)
    assert book.meters == []


# --- Registers ------------------------------------------------------------------------------------


def test_allocate_all_and_one() -> None:
    """C-67: all from 10 on, meter then values; one in the lowest gap; inactive ones included."""
    _, edits, (first, second) = page(3, 2)
    edits.set_active(second, on=False)
    assert edits.allocate(STANDARD) == []
    assert registers(edits) == [[10, 20, 30, 40], [50, 60, 70]]
    edits.deallocate(first)
    assert registers(edits) == [[0, 0, 0, 0], [50, 60, 70]]
    assert edits.allocate(STANDARD, first) == []
    assert registers(edits) == [[10, 20, 30, 40], [50, 60, 70]]
    edits.deallocate()
    assert registers(edits) == [[0, 0, 0, 0], [0, 0, 0]]


def test_allocate_one_skips_a_gap_that_is_too_small() -> None:
    """C-67: the gap holds the meter with all its values, or is left."""
    _, edits, (first, second, _) = page(1, 3, 0)
    edits.allocate(STANDARD)
    edits.deallocate(first)
    edits.deallocate(second)
    edits.allocate(STANDARD, second)
    edits.allocate(STANDARD, first)
    # The third holds 70-79; 10-69 is long enough for both.
    assert registers(edits) == [[50, 60], [10, 20, 30, 40], [70]]


def test_what_does_not_fit_is_told() -> None:
    """C-75: past 65535 an entry stays 0, and a message names it."""
    _, edits, meters = page(*([0] * 6553))
    texts = edits.allocate(STANDARD)
    assert len(texts) == 1
    assert "meter 00006553: no register left" in texts[0]
    assert registers(edits)[-1] == [0]
    assert "meter 00006553" in edits.allocate(STANDARD, meters[-1])[0]


@pytest.mark.parametrize(
    ("layout", "second", "clash"),
    [
        (STANDARD, 20, True),
        (STANDARD, 30, False),
        (STANDARD, 0, False),
        (FLOAT_ONLY, 20, True),
        (FLOAT_ONLY, 22, False),
        (MULTI_SLAVE, 20, True),
        (MULTI_SLAVE, 30, False),
        (BOTH, 22, False),
        (BOTH, 21, True),
    ],
)
def test_duplicates_by_extent_in_every_layout(layout: Layout, second: int, clash: bool) -> None:
    """MET-13, C-10, C-67: a meter at 10 with a value at 20, and another meter behind it."""
    _, edits, (first, other) = page(1, 0)
    edits.set_meter(first, "register", "10")
    edits.set_value(first, 0, "register", "20")
    edits.set_meter(other, "register", str(second))
    edits.give_units(layout)
    texts = edits.conflicts(layout)
    assert bool(texts) is clash
    if clash:
        assert "meter 00000002" in texts[0]


def test_a_conflict_names_both_entries() -> None:
    """MET-13: the message says which register, and who has it."""
    _, edits, (first, other) = page(1, 0)
    edits.set_meter(first, "register", "10")
    edits.set_value(first, 0, "register", "20")
    edits.set_meter(other, "register", "20")
    (text,) = edits.conflicts(STANDARD)
    assert text.startswith("meter 00000002, register 20: its registers overlap those of another")
    assert text.endswith("(meter 00000001 value 1)")
    edits.set_meter(other, "register", "5")
    (text,) = edits.conflicts(STANDARD)
    assert text == "meter 00000002, register 5: not a valid register address in this layout"


def test_units_are_given_and_taken_back() -> None:
    """C-11: Allocate gives the lowest free unit, Deallocate and Delete free it."""
    _, edits, (first, _) = page(0, 0)
    edits.allocate(Layout(multi_slave=True, modbus_address=1))
    assert [entry.slaveaddress for entry in edits.entries()] == [2, 3]
    edits.deallocate(first)
    assert [entry.slaveaddress for entry in edits.entries()] == [0, 3]
    edits.allocate(MULTI_SLAVE, first)
    assert [entry.slaveaddress for entry in edits.entries()] == [1, 3]
    edits.delete(first)
    edits.add("12345678", register=10)
    edits.give_units(MULTI_SLAVE)
    assert [entry.slaveaddress for entry in edits.entries()] == [3, 1]


# --- Settings -------------------------------------------------------------------------------------


def test_every_key_can_be_set_by_its_name() -> None:
    """Any key of chip.ini, by name where it is unique, else with its section."""
    _, edits, _ = page()
    for key in KEYS:
        text = key.kind.format(key.default)
        assert edits.set_key(f"{key.section}.{key.name}", text) is key
        assert edits.settings[key.attribute] == key.default
        assert find_key(key.place) is key
    assert edits.set_key("MBUS_TIMEOUT", "500").attribute == "mbus_timeout"
    assert edits.settings["mbus_timeout"] == 500
    assert edits.tabs() == {key.tab for key in KEYS}
    edits.discard({Tab.CONFIGURATION})
    assert "mbus_timeout" not in edits.settings
    assert "modbus_swap" in edits.settings


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MBUS_TIMEOUT", "70000", r"\[CONFIG\] MBUS_TIMEOUT: expected 0 to 65535 ms, got '70000'"),
        ("MODBUS_NWPORT", "0", r"MODBUS_NWPORT: expected 1 to 65535"),
        ("ENABLE", "1", "chip.ini has no key 'ENABLE'"),
        ("mbus_tiemout", "1", "chip.ini has no key"),
        ("IPCFG_PASSWORD", "x" * 70, "got a value that is not shown"),
    ],
)
def test_a_key_refused(name: str, text: str, message: str) -> None:
    """C-39: the message says what the key takes; secrets are not quoted; nothing is changed."""
    _, edits, _ = page()
    with pytest.raises(EditError, match=message):
        edits.set_key(name, text)
    assert edits.settings == {}


def test_a_short_search_mask_is_filled_with_zeros() -> None:
    """CFG-09, C-41: missing characters of the page's mask are leading zeros."""
    _, edits, _ = page()
    for text, mask in (("123F", "0000123F"), ("FFFFFFFF", "FFFFFFFF"), ("0x1234FFFF", "1234FFFF")):
        edits.set_key("MBUS_SECMASKSERIAL", text)
        assert edits.settings["mbus_secmaskserial"] == mask
    with pytest.raises(EditError, match="MBUS_SECMASKSERIAL"):
        edits.set_key("MBUS_SECMASKSERIAL", "123456789")


def test_more_meters_than_unit_identifiers() -> None:
    """C-75: past unit 247 an entry stays without, a message names it, Save is possible."""
    _, edits, meters = page(*([0] * 249))
    texts = edits.allocate(MULTI_SLAVE)
    assert [text.split(":")[0] for text in texts] == ["meter 00000248", "meter 00000249"]
    assert registers(edits)[246:] == [[2470], [0], [0]]
    assert edits.conflicts(MULTI_SLAVE) == []
    assert "no unit identifier" in edits.allocate(MULTI_SLAVE, meters[-1])[0]
