"""The Meter tab as rows of text: columns, status letters, description modes, capacity."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.device import meter_list
from gateway.device.book import MeterBook
from gateway.device.configuration import Configuration, load
from gateway.device.edits import Edits
from gateway.device.meter_list import Meter, Value
from gateway.device.readout import Readout
from gateway.device.rows import (
    CAPACITY_EXCEEDED,
    COLUMNS,
    LIST_TOO_LONG,
    MORE_VALUES,
    NO_DATA,
    Row,
    rows_of,
    serialised,
)
from gateway.device.saving import CapacityError
from gateway.mbus.telegram import decode
from tests.gateway.device import examples
from tests.gateway.device.examples import ANSWER_A, ANSWER_B
from tests.gateway.device.plant import LIST, Plant

A, B = "66600106", "00428670"


def keys(**values: Any) -> Configuration:
    """A chip.ini with some keys set, the others missing."""
    text = "[CONFIG]\n" + "".join(f"{name}={value}\n" for name, value in values.items())
    return load(text.encode())[0]


def page(body: str, access_number: int = 42) -> str:
    """One telegram of meter A."""
    return examples.page(body, access_number=access_number)


def read(meter: str = A, *pages: str, complete: bool = True, **settings: Any) -> MeterBook:
    """A list with one meter that was read once."""
    book = MeterBook()
    book.load([Meter("M-Bus", meter, "LUG", 2, 4, 5)], 0)
    again(book, *(pages or (ANSWER_A,)), complete=complete, **settings)
    return book


def again(book: MeterBook, *pages: str, complete: bool = True, **settings: Any) -> None:
    """One more read-out of the meter; without pages it fails."""
    telegrams = tuple(decode(bytes.fromhex(telegram)) for telegram in pages)
    failure = "" if telegrams else "silence"
    readout = Readout(telegrams, complete=complete and bool(pages), limited=False, failure=failure)
    configuration = keys(**settings)
    book.fill(book.meters[0], readout, configuration)
    book.take(book.meters[0], readout, 1_795_176_003, configuration)


def rows(book: MeterBook, edits: Edits | None = None, **settings: Any) -> list[Row]:
    """The rows as the page shows them."""
    edited = (edits or Edits(book)).rows()
    return [placed.row for placed in rows_of(edited, keys(**settings))]


def letters(book: MeterBook, edits: Edits | None = None) -> list[str]:
    """The column S."""
    return [row.status for row in rows(book, edits)]


# --- Columns --------------------------------------------------------------------------------------


def test_columns() -> None:
    """MET-01: the 14 columns of Fig. 6, in order."""
    assert ", ".join(COLUMNS.values()) == (
        "Interface, S, Serial, MAN, Medium, Version, Link, Value, Scale, Unit, Cycle, User label, "
        "Description, Register"
    )


def test_rows_of_the_worked_example() -> None:
    """MET-01, MET-10: words and forms of Fig. 6: numbers unscaled, thousands set off by blanks."""
    book = read()
    book.meters[0].entry.register = 10
    book.meters[0].entry.user = "cellar"
    meter, energy, temperature, volume = rows(book)
    assert meter == Row(
        *("M-Bus", "", A, "LUG", "Heat (outlet)", "2", "5"),
        *("", "", "", "0", "cellar", "", "10"),
    )
    assert energy == Row(
        *("---", "", "", "", "", "", "", "267", "1E+3", "Wh", "", "", "Energy", "0")
    )
    assert (temperature.value, temperature.scale, temperature.unit) == (
        "-1 234",
        "1E-2",
        "Degree C",
    )
    assert (volume.value, volume.scale, volume.unit) == ("12 345 678", "1E-2", "m³")


def test_print_has_no_blanks_and_no_dashes() -> None:
    """Fig. 14: the value is a plain number, the interface of a value row is empty."""
    book = read()
    printed = [p.row for p in rows_of(Edits(book).rows(), keys(), printed=True)]
    assert [row.interface for row in printed] == ["M-Bus", "", "", ""]
    assert printed[3].value == "12345678"


def test_texts_dates_and_no_data() -> None:
    """MET-10, PRINT-02: a text is shown, a date too; a record without data says "No Data"."""
    book = read(B, ANSWER_B)
    assert [row.value for row in rows(book)[1:]] == ["D325-101", "2026-10-31"]
    book = read(A, page("00 06"))
    assert rows(book)[1].value == NO_DATA
    book = read(A, page("0B 06 00 00 00"))
    assert rows(book)[1].value == "0"
    again(book)
    assert rows(book)[1].value == "0"


def test_what_was_never_read_says_so() -> None:
    """Row 1: "No Data", unit and scale of the list."""
    book = MeterBook()
    value = Value(description="Energy", unit="Wh", scale=3, storagenum=2)
    book.load([Meter(serial="12345678", values=[value])], 0)
    meter, row = rows(book)
    assert (meter.manufacturer, meter.medium, meter.version) == ("", "", "")
    assert (row.value, row.scale, row.unit, row.description) == (NO_DATA, "1E+3", "Wh", "Energy")


def test_a_meters_text_cannot_command_a_terminal() -> None:
    """Control characters that a meter sends are shown by number."""
    book = read(A, page("0D FD 0E 04 41 1B 5B 42"))
    assert "\x1b" not in rows(book)[1].value
    assert "\\x1b" in rows(book)[1].value


# --- S --------------------------------------------------------------------------------------------


def test_letters_follow_the_truth_table() -> None:
    """MET-02, worked examples 9: blank, "!" on the meter and on what did not come, "*"."""
    book = MeterBook()
    book.load([Meter("M-Bus", A, "LUG", 2, 4, 5, values=[Value(), Value()])], 0)
    assert letters(book) == ["", "", ""]  # row 1
    book = read()
    assert letters(book) == ["", "", "", ""]  # row 2
    again(book)
    assert letters(book) == ["!", "!", "!", "!"]  # row 3
    again(book, ANSWER_A)
    assert letters(book) == ["", "", "", ""]
    again(book, page("0B 06 67 02 00 02 59 2E FB"), complete=False)
    assert letters(book) == ["!", "", "", "!"]  # row 4
    again(book, page("0B 06 67 02 00 0C 14 78 56 34 12"))
    assert letters(book) == ["!", "", "!", ""]  # row 5


def test_a_limited_list_shows_a_star_and_a_last_row() -> None:
    """Row 7, C-44: "*" on the meter row, and a row that says that there is more."""
    book = read(METER_MAXVALUECOUNT=2)
    assert letters(book) == ["*", "", "", ""]
    assert rows(book)[-1].description == MORE_VALUES
    again(book)
    assert letters(book)[:3] == ["*!", "!", "!"]  # row 8: the letters join


def test_inactive_rows_have_no_exclamation_mark() -> None:
    """Values that are inactive do not count, and neither does an inactive meter."""
    book = read()
    again(book)
    book.meters[0].entry.values[1].active = 0
    assert letters(book) == ["!", "!", "", "!"]
    book.meters[0].entry.active = 0
    assert letters(book) == ["", "", "", ""]


def test_edited_rows_show_an_e_before_the_others() -> None:
    """C-47: E for what this page changed and did not save; the order is E * !."""
    book = read(METER_MAXVALUECOUNT=2)
    again(book)
    edits = Edits(book)
    edits.set_meter(book.meters[0], "user", "x")
    edits.set_value(book.meters[0], 1, "user", "y")
    assert letters(book, edits)[:3] == ["E*!", "!", "E!"]
    edits.commit(0, 900)
    assert letters(book)[:3] == ["*!", "!", "!"]


# --- Description modes ----------------------------------------------------------------------------

RECORD = "8C 11 04 96 47 06 00"
MODES = {
    0: "",
    1: "Energy",
    3: "Energy [2] <1>",
    7: "Energy [2] <1> # 8C 11 04",
    11: "Energy [2] <1> # 8C 11 04 96 47 06 00",
    15: "Energy [2] <1> # 8C 11 04 96 47 06 00",
    4: "8C 11 04",
    8: "8C 11 04 96 47 06 00",
    5: "Energy # 8C 11 04",
    2: "[2] <1>",
}


@pytest.mark.parametrize(("flags", "text"), MODES.items())
def test_description_modes(flags: int, text: str) -> None:
    """CFG-17, worked examples 14, C-35: every mode, and other flags by their parts."""
    book = read(A, page(RECORD))
    assert rows(book, MUC_METERDESCRIPTION_ENABLEFLAGS=flags)[1].description == text


@pytest.mark.parametrize(("flags", "text"), MODES.items())
def test_descriptions_before_the_first_read_out(flags: int, text: str) -> None:
    """C-35: every mode acts at once; raw parts wait for a read-out."""
    value = Value(description="Energy", unit="Wh", scale=1, storagenum=2, tariff=1)
    book = MeterBook()
    book.load([Meter(serial=A, values=[value])], 0)
    shown = rows(book, MUC_METERDESCRIPTION_ENABLEFLAGS=flags)[1].description
    assert shown == text.split("8C")[0].removesuffix("# ").strip()


def test_a_maximum_is_marked() -> None:
    """Worked examples 14: DIF 9C is a maximum."""
    book = read(A, page("9C 11 04 96 47 06 00"))
    assert rows(book, MUC_METERDESCRIPTION_ENABLEFLAGS=3)[1].description == "Energy [2] <1> {max}"
    value = Value(description="Energy", storagenum=2, tariff=1, valuetype="maximum")
    book.load([Meter(serial=A, values=[value])], 0)
    assert rows(book, MUC_METERDESCRIPTION_ENABLEFLAGS=3)[1].description == "Energy [2] <1> {max}"


def test_raw_data_stay_while_a_page_is_lost() -> None:
    """A value that did not come keeps the raw data of the read-out that it comes from."""
    first, second = page("0B 06 67 02 00 1F", access_number=1), page("02 59 2E FB", access_number=2)
    book = read(A, first, second)
    again(book, page("0B 06 68 02 00 1F", access_number=3), complete=False)
    texts = [row.description for row in rows(book, MUC_METERDESCRIPTION_ENABLEFLAGS=8)[1:]]
    assert texts == ["0B 06 68 02 00", "02 59 2E FB"]


def test_the_mode_acts_at_save() -> None:
    """C-35, MET-18: the description mode is the one parameter that acts directly after Save."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        plant.appliance.set_key("MUC_METERDESCRIPTION_ENABLEFLAGS", "4")
        await plant.appliance.save()
        rows = [placed.row for placed in plant.appliance.page_list().rows]
        assert [row.description for row in rows if row.value == "267"] == ["0B 06"]

    plant.run(story)


# --- Capacity -------------------------------------------------------------------------------------


def many(count: int) -> bytes:
    """A list file of so many meters with a long label each."""
    return meter_list.save(
        [Meter(serial=f"{n:08}", user="x" * 50, register=10 * (n + 1)) for n in range(count)]
    )


def test_the_size_is_that_of_what_the_page_is_sent() -> None:
    """C-33: UTF-8 bytes of the list, descriptions included."""
    book = read()
    edited = rows_of(Edits(book).rows(), keys())
    data = serialised(edited)
    assert json.loads(data)[3][7:10] == ["12 345 678", "1E-2", "m³"]
    assert len(data) == len(data.decode()) + 1
    longer = serialised(rows_of(Edits(book).rows(), keys(MUC_METERDESCRIPTION_ENABLEFLAGS=11)))
    assert len(longer) > len(data)


def test_a_list_over_the_capacity_is_served_and_not_shown() -> None:
    """MET-17: the text of 8.3 in place of the list, after a reboot too; registers are served."""
    plant = Plant(files={LIST: many(600)}, MBUS_ENABLE=0, TCPIPMEM=60)
    plant.storage.replace("app/chip.ini", b"[IP]\nTCPIPMEM=60\n[CONFIG]\nMBUS_ENABLE=0\n")

    async def story(plant: Plant) -> None:
        for _ in range(2):
            shown = plant.appliance.page_list()
            assert (shown.rows, shown.text) == ((), LIST_TOO_LONG)
            assert shown.capacity.limit == 61440 < shown.capacity.size
            assert plant.registers(6000)[1] == 599
            await plant.reboot()

    plant.run(story)


def test_saving_it_deletes_the_list_and_loses_nothing() -> None:
    """MET-17, C-34: the message, the empty list, the old one in the backup, Restore."""
    old = many(600)
    plant = Plant(files={LIST: old})
    plant.storage.replace("app/chip.ini", b"[IP]\nTCPIPMEM=60\n[CONFIG]\nMBUS_ENABLE=0\n")

    async def story(plant: Plant) -> None:
        door = plant.appliance
        door.set_meter(door.meters()[0].handle, "user", "edited")
        with pytest.raises(CapacityError, match=CAPACITY_EXCEEDED):
            await door.save()
        assert door.meters() == []
        assert len(plant.storage.read(LIST)) == 78
        assert plant.storage.read(LIST + ".bak") == old
        assert b"<user>edited</user>" in plant.storage.read(LIST + ".bad")
        # An empty list is not worth the backup of a full one.
        door.add_meters("12345678")
        await door.save()
        assert plant.storage.read(LIST + ".bak") == old
        await door.restore_list()
        assert len(door.meters()) == 600
        assert plant.storage.read(LIST) == old

    plant.run(story)


def test_a_scan_beyond_the_capacity_ends_with_its_text() -> None:
    """MET-17: the scan says so, and every meter found is listed, kept and read."""
    meters = [
        {
            "id": "heat",
            "count": 60,
            "profile": "heat-monthly",
            "identification_number": "10000000 + i",
            "primary_address": "i + 1",
        }
    ]
    plant = Plant(meters)
    plant.storage.replace(
        "app/chip.ini",
        b"[IP]\nTCPIPMEM=60\n[CONFIG]\nMBUS_BAUDRATE=9600\nMBUS_SEARCHTIMING=ADAPTIVE\n",
    )

    async def story(plant: Plant) -> None:
        report = await plant.appliance.scan()
        assert report.message == CAPACITY_EXCEEDED
        assert plant.appliance.page_list().text == LIST_TOO_LONG
        await plant.seconds(30)
        assert len(meter_list.load(plant.storage.read(LIST))[0]) == 60
        assert {view.reading.flags for view in plant.appliance.meters()} == {0}

    plant.run(story)
    (_, event), *more = plant.logged("list.capacity")
    assert (event["value"], event["limit"], more) == (True, 61440, [])


def test_the_lab_model_has_no_capacity() -> None:
    """C-75: the model without limits shows any list."""
    plant = Plant(files={LIST: many(600)}, unit_loads=0)
    plant.storage.replace("app/chip.ini", b"[IP]\nTCPIPMEM=60\n[CONFIG]\nMBUS_ENABLE=0\n")

    async def story(plant: Plant) -> None:
        shown = plant.appliance.page_list()
        assert (len(shown.rows), shown.text, shown.capacity.limit) == (600, "", None)
        await plant.appliance.save()

    plant.run(story)
