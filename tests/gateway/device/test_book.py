"""The meter list in use: who is known, how lists of values are made, when a meter is due."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.device.book import ListedMeter, MeterBook
from gateway.device.configuration import Configuration, load
from gateway.device.meter_list import Meter, Value
from gateway.device.readout import Readout
from gateway.device.scan import Found
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryAddress
from gateway.mbus.telegram import decode
from gateway.registers.layout import STANDARD
from tests.gateway.device.examples import ADDRESS_A, ADDRESS_B, ANSWER_A, ANSWER_B, framed, page

SECOND = 1_000_000_000
P, S = Addressing.PRIMARY, Addressing.SECONDARY


def keys(**values: Any) -> Configuration:
    """A chip.ini with some keys set, the others missing."""
    text = "[CONFIG]\n" + "".join(f"{name}={value}\n" for name, value in values.items())
    configuration, complaints = load(text.encode())
    assert complaints == []
    return configuration


def found(
    address: SecondaryAddress = ADDRESS_A, link: int = 5, addressing: Addressing = S
) -> Found:
    """What a scan reports of a meter."""
    return Found(address, link, addressing, decode(bytes.fromhex(ANSWER_A)))


def readout(*pages: str, complete: bool = True) -> Readout:
    """A read-out of these pages (hex)."""
    telegrams = tuple(decode(bytes.fromhex(telegram)) for telegram in pages)
    return Readout(telegrams, complete=complete, limited=False, failure="")


def listed(entry: Meter) -> MeterBook:
    """A book with one entry."""
    book = MeterBook()
    book.load([entry], 0)
    return book


def labels(meter: ListedMeter) -> list[str]:
    """Descriptions of the listed values."""
    return [value.description for value in meter.entry.values]


# --- Who is known ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "meter", "known"),
    [
        (found(), found(), True),
        (found(), found(link=17), True),
        (found(), found(ADDRESS_B), False),
        # First found by primary address, found again by secondary search: the same (SCAN-03).
        (found(addressing=P), found(), True),
        # First found by secondary search, found again at its primary address.
        (found(), found(addressing=P), True),
        # Another meter behind the same primary address is the swapped one (SCAN-04).
        (found(addressing=P), found(ADDRESS_B, addressing=P), True),
        # The same number twice behind two primary addresses: two meters.
        (found(addressing=P), found(link=6, addressing=P), False),
    ],
)
def test_known_meters_are_not_listed_twice(entry: Found, meter: Found, *, known: bool) -> None:
    """SCAN-02: a scan appends what is new and leaves what is known as it is."""
    book = MeterBook()
    listed_meter = book.append(entry, 0)
    assert book.find(meter) is (listed_meter if known else None)


def test_an_entry_added_by_hand_is_known_by_its_number() -> None:
    """C-66: manufacturer, version and medium that the list does not know match anything."""
    book = listed(Meter(serial="66600106"))
    assert book.find(found()) is book.meters[0]
    assert book.find(found(ADDRESS_B)) is None


def test_an_entry_without_a_number_is_known_by_its_link_alone() -> None:
    """An entry with a Link and nothing else does not swallow every meter found."""
    book = listed(Meter(primaryaddress=5, addressmode=1))
    assert book.find(found()) is None
    assert book.find(found(addressing=P)) is book.meters[0]


def test_bit_15_of_the_manufacturer_does_not_make_another_meter() -> None:
    """Three letters cannot hold it, so a second scan must not append the meter again."""
    address = SecondaryAddress("66600106", 0xB2A7, 2, 4)
    book = MeterBook()
    meter = book.append(found(address), 0)
    assert meter.entry.manufacturer == "LUG"
    assert book.find(found(address)) is meter


def test_a_meter_that_answers_as_253_has_no_link() -> None:
    """253 is no primary address of anybody; the list holds 0 to 250."""
    assert MeterBook().append(found(link=253), 0).entry.primaryaddress == 0


# --- Lists of values ------------------------------------------------------------------------------


def test_the_first_read_out_makes_the_list() -> None:
    """MET-09, MET-11: values in the order of the wire, the time hidden."""
    book = MeterBook()
    meter = book.append(found(), 0)
    assert book.fill(meter, readout(ANSWER_A), keys())
    assert labels(meter) == ["Energy", "Flow temperature", "Volume"]
    assert [(value.unit, value.scale) for value in meter.entry.values] == [
        ("Wh", 3),
        ("Degree C", -2),
        ("m³", -2),
    ]
    assert not book.fill(meter, readout(ANSWER_A), keys())


def test_times_are_listed_where_they_are_asked_for() -> None:
    """MUC_SHOWTIMESTAMPENTRIES=1 shows all (MET-11)."""
    book = MeterBook()
    meter = book.append(found(), 0)
    book.fill(meter, readout(ANSWER_A), keys(MUC_SHOWTIMESTAMPENTRIES=1))
    assert len(meter.entry.values) == 4


@pytest.mark.parametrize(
    ("own", "general", "count"), [(0, 0, 3), (0, 2, 2), (1, 2, 1), (5, 2, 3), (2, 0, 2)]
)
def test_value_count(own: int, general: int, count: int) -> None:
    """C-71: the first n values; the meter's own maxvaluecount goes before the general one."""
    book = listed(Meter(serial="66600106", maxvaluecount=own))
    book.fill(book.meters[0], readout(ANSWER_A), keys(METER_MAXVALUECOUNT=general))
    assert len(book.meters[0].entry.values) == count


def test_value_count_over_all_meters() -> None:
    """C-71: METER_MAXALLVALUECOUNT runs through all meters in the order of the list."""
    book = MeterBook()
    for address, answer in ((ADDRESS_A, ANSWER_A), (ADDRESS_B, ANSWER_B), (ADDRESS_A, ANSWER_A)):
        meter = book.append(found(address), 0)
        book.fill(meter, readout(answer), keys(METER_MAXALLVALUECOUNT=4))
    assert [len(meter.entry.values) for meter in book.meters] == [3, 1, 0]


def test_a_list_cut_by_its_limit_shows_it() -> None:
    """Flags row 7: everything listed was taken, and "*" says that there is more."""
    book = MeterBook()
    meter = book.append(found(), 0)
    configuration = keys(METER_MAXVALUECOUNT=2)
    book.fill(meter, readout(ANSWER_A), configuration)
    book.take(meter, readout(ANSWER_A), 1, configuration)
    assert (meter.reading.flags, meter.reading.limited) == (0, True)


def test_a_list_made_without_the_last_page_grows() -> None:
    """A first read-out that lost a page lists what came; the next whole one adds the rest."""
    first = page("0B 06 67 02 00 1F", access_number=1)
    second = page("02 59 2E FB", access_number=2)
    book = MeterBook()
    meter = book.append(found(), 0)
    assert book.fill(meter, readout(first, complete=False), keys())
    meter.entry.values[0].register = 20
    book.take(meter, readout(first, complete=False), 1, keys())
    assert meter.reading.flags == 2
    assert not book.fill(meter, readout(first, complete=False), keys())
    assert book.fill(meter, readout(first, second), keys())
    assert [value.register for value in meter.entry.values] == [20, 0]
    book.take(meter, readout(first, second), 2, keys())
    assert meter.reading.flags == 0
    assert not book.fill(meter, readout(first, second), keys())


def test_an_unread_meter_shows_unit_and_scale_of_the_list() -> None:
    """Flags row 1: integer 0, time 0; unit and scale from the list."""
    book = MeterBook()
    meter = book.append(found(), 0)
    book.fill(meter, readout(ANSWER_A), keys())
    again = MeterBook()
    again.load(book.entries(), 0)
    reading = again.meters[0].reading
    assert (reading.flags, reading.time) == (3, 0)
    assert [(value.integer, value.scale, int(value.unit)) for value in reading.values] == [
        (0, 3, 5),
        (0, -2, 19),
        (0, -2, 7),
    ]


def test_the_first_good_read_fills_the_address() -> None:
    """C-66: what an entry added by hand does not know is learnt, also when it has values."""
    book = listed(Meter(serial="66600106"))
    meter = book.meters[0]
    book.fill(meter, readout(ANSWER_A), keys())
    assert meter.address == ADDRESS_A
    meter.entry.version = None
    book.take(meter, readout(ANSWER_A), 1, keys())
    assert meter.address == ADDRESS_A


@pytest.mark.parametrize(("addressmode", "number"), [(1, "00428670"), (0, "66600106")])
def test_a_swapped_meter_is_taken_over_behind_a_primary_address(
    addressmode: int, number: str
) -> None:
    """SCAN-04, C-63: the header replaces serial, manufacturer, version and medium."""
    book = listed(Meter("M-Bus", "66600106", "LUG", 2, 4, 5, addressmode))
    book.take(book.meters[0], readout(ANSWER_B), 1, keys())
    assert book.meters[0].entry.serial == number


# --- Schedule -------------------------------------------------------------------------------------


def test_missed_cycles_are_skipped() -> None:
    """After a delay the plan goes on in its own rhythm, without catching up."""
    book = listed(Meter())
    meter = book.meters[0]
    for now, due in ((0, 10), (4, 20), (20, 30), (45, 50), (59, 60), (600, 610)):
        book.schedule(meter, now * SECOND, 10)
        assert meter.due_ns == due * SECOND


def test_a_meter_may_have_its_own_cycle() -> None:
    """MET-10: readoutcycle of the meter goes before METER_TIME; 0 means the general one."""
    book = MeterBook()
    book.load([Meter(readoutcycle=60), Meter()], 0)
    for meter in book.meters:
        book.schedule(meter, 0, 900)
    assert [meter.due_ns // SECOND for meter in book.meters] == [60, 900]
    assert book.next_due() == 60 * SECOND
    assert book.due(60 * SECOND) == [book.meters[0]]


def test_inactive_meters_are_never_due() -> None:
    """C-53: an inactive meter is not read."""
    book = MeterBook()
    book.load([Meter(active=0)], 0)
    assert book.due(10**18) == []
    assert book.next_due() > 10**18


# --- Registers ------------------------------------------------------------------------------------


def filled() -> MeterBook:
    """Meters A and B with their values."""
    book = MeterBook()
    for address, answer in ((ADDRESS_A, ANSWER_A), (ADDRESS_B, ANSWER_B)):
        book.fill(book.append(found(address), 0), readout(answer), keys())
    return book


def registers(book: MeterBook) -> list[list[int]]:
    """Meter and value registers of each meter."""
    return [
        [meter.entry.register, *(value.register for value in meter.entry.values)]
        for meter in book.meters
    ]


def test_allocate_after_a_scan_moves_nobody() -> None:
    """C-20, SCAN-02: registers go to new meters, in the lowest gap; known ones stay."""
    book = filled()
    book.meters[1].entry.register = 100
    for number, value in enumerate(book.meters[1].entry.values):
        value.register = 110 + 10 * number
    assert book.allocate_new(STANDARD) == []
    assert registers(book) == [[10, 20, 30, 40], [100, 110, 120]]
    before = book.published()
    assert book.allocate_new(STANDARD) == []
    assert all(new is old for new, old in zip(book.published(), before, strict=True))


def test_what_finds_no_registers_is_told() -> None:
    """C-75: past 65535 an entry stays without, and a message names it."""
    book = MeterBook()
    long = Meter(serial="00000001", values=[Value() for _ in range(6551)])
    book.load([long, Meter(serial="00000002")], 0)
    texts = book.allocate_new(STANDARD)
    assert len(texts) == 1
    assert "meter 00000002: no register left" in texts[0]


def test_a_partial_list_that_no_longer_fits_is_left_alone() -> None:
    """Entries that stand in the list keep their place, whatever the meter sends later."""
    book = MeterBook()
    meter = book.append(found(), 0)
    first = page("0B 06 67 02 00 1F", access_number=1)
    book.fill(meter, readout(first, complete=False), keys())
    other = page("02 59 2E FB", access_number=2)
    assert not book.fill(meter, readout(other), keys())
    assert labels(meter) == ["Energy"]


def test_a_header_without_an_address_teaches_nothing() -> None:
    """CI 7A has a short header: values are read, the identity of the list stays."""
    book = listed(Meter("M-Bus", "66600106", "LUG", 2, 4, 5, 1))
    short = framed(8, 5, 0x7A, "01 00 00 00 0B 06 67 02 00")
    assert book.fill(book.meters[0], readout(short), keys())
    assert book.meters[0].address == ADDRESS_A
