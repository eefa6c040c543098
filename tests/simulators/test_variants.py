"""The variants of meters' behaviour, by what the master hears of them."""

from __future__ import annotations

from typing import Any

import pytest

from simulators import frames
from simulators.characters import Format
from simulators.document import PopulationError
from tests.simulators.slaves import (
    ADDRESS,
    NKE,
    REQ0,
    REQ1,
    REQ_UD1,
    SND0,
    SND1,
    WILD,
    Bench,
    meter,
    record,
)

NETWORK = frames.NETWORK_LAYER
ACK = b"\xe5"
RECORD = slice(19, -2)


def behaving(**behaviour: Any) -> Bench:
    """A bus with one meter that behaves like this."""
    return Bench(meter(behaviour=behaviour))


def paged(tmp_path: Any, count: int, **behaviour: Any) -> Bench:
    """A meter with `count` telegrams, each with its number as the value."""
    lines = ["profile: p", "title: t", "manufacturer: LUG", "version: 2", "medium: 4", "pages:"]
    for page in range(1, count + 1):
        expect = "{value_type: Energy, unit: Wh}"
        one = f'{{dib: "01", vib: "03", coding: int8, value: {page}, expect: {expect}}}'
        lines.append(f"  - records: [{one}]")
    (tmp_path / "p.yaml").write_text("\n".join(lines), encoding="utf-8")
    subject = meter(profile="p", behaviour=behaviour)
    del subject["records"]
    return Bench(subject, folder=tmp_path)


def page(frame: bytes) -> int:
    """Which telegram it is."""
    return frame[21]


# --- FCB --------------------------------------------------------------------------------------


def test_fcb_shared(tmp_path: Any) -> None:
    """One bit for all addresses: reading at 253 moves what comes at the primary address."""
    bench = paged(tmp_path, 3, fcb="shared")
    bench.select()
    assert page(bench.short(REQ1, NETWORK)) == 1
    first = bench.short(REQ0)
    assert page(first) == 2
    again = bench.short(REQ0)
    assert (page(again), again[15]) == (2, first[15] + 1)
    assert bench.short(NKE) == ACK
    assert page(bench.short(REQ1, NETWORK)) == 1


def test_fcb_ignored(tmp_path: Any) -> None:
    """The same request again gets the next telegram."""
    bench = paged(tmp_path, 3, fcb="ignored")
    assert [page(bench.short(REQ1)) for _ in range(4)] == [1, 2, 3, 1]


def test_fcb_of_two_telegrams(tmp_path: Any) -> None:
    """The bit itself picks: 1 the first, 0 the second, in any order."""
    bench = paged(tmp_path, 2, fcb="two telegrams")
    assert [page(bench.short(c)) for c in (REQ0, REQ0, REQ1, REQ0)] == [2, 2, 1, 2]


def test_fcb_by_the_book_with_one_telegram() -> None:
    """An unchanged bit repeats the old telegram, access number and all."""
    bench = behaving(fcb="by the book")
    first = bench.short(REQ1)
    assert bench.short(REQ1) == first
    assert bench.short(REQ0)[15] == 1


# --- Telegrams --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "c_fields", "ends"),
    [
        ("1F", [0x08, 0x08, 0x08], [0x1F, 0x1F, 3]),
        ("dfc", [0x18, 0x18, 0x08], [0x1F, 0x1F, 0x0F]),
        ("none", [0x08, 0x08, 0x08], [1, 2, 3]),
    ],
)
def test_how_more_is_announced(
    more: str, c_fields: list[int], ends: list[int], tmp_path: Any
) -> None:
    """1F alone, 1F with DFC and 0F at the end, or not at all."""
    bench = paged(tmp_path, 3, more=more)
    found = [bench.short(c) for c in (REQ1, REQ0, REQ1)]
    assert [frame[4] for frame in found] == c_fields
    assert [frame[-3] for frame in found] == ends


def test_many_telegrams(tmp_path: Any) -> None:
    """A read-out may have any number of telegrams, and is complete with the last one."""
    bench = paged(tmp_path, 40)
    bench.short(NKE)
    found = [page(bench.short(REQ1 if n % 2 == 0 else REQ0)) for n in range(40)]
    assert found == list(range(1, 41))
    assert [item.integer for item in bench.meter.expected] == found


def test_subcodes_choose_telegrams(tmp_path: Any) -> None:
    """An application reset with a subcode chooses telegrams, its low nibble one of them."""
    bench = paged(tmp_path, 4, subcodes={2: [3, 4]})

    def after(subcode: bytes) -> list[int]:
        assert bench.long(SND0, 0x50, subcode) == ACK
        bench.short(NKE)
        return [page(bench.short(c)) for c in (REQ1, REQ0, REQ1)]

    assert after(b"\x20") == [3, 4, 3]
    assert after(b"\x22") == [4, 4, 4]
    assert after(b"\x00") == after(b"") == after(b"\x70") == [1, 2, 3]


def test_fixed_data_structure() -> None:
    """CI 73: number, access number, status, medium and unit, two counters."""
    counters = [
        record(12345678, dib="", vib="", coding="bcd8"),
        record(1, dib="", vib="", coding="bcd8"),
    ]
    behaviour = {"structure": "fixed", "medium_unit": "E97E"}
    bench = Bench(meter(records=counters, behaviour=behaviour))
    frame = bench.read()
    assert frame[6:-2] == bytes.fromhex("73 78563412 00 00 E97E 78563412 01000000")
    assert [item.integer for item in bench.meter.expected] == [12345678, 1]


def test_short_and_no_header() -> None:
    """CI 7A has access number, status and configuration, CI 78 nothing before the records."""
    frame = behaving(structure="short header", configuration="0102").read()
    assert frame[6:-2] == bytes.fromhex("7A 00 00 0102 0B06670200")
    assert behaving(structure="no header").read()[6:-2] == bytes.fromhex("78 0B06670200")


def test_mode_2() -> None:
    """CI 76: numbers most significant character first, texts as they are read; select by CI 56."""
    text = {
        "dib": "0D",
        "vib": "FD0C",
        "coding": "text",
        "value": "AB1",
        "expect": {"value_type": "Model / Version"},
    }
    bench = Bench(meter(records=[record(), text], behaviour={"mode": 2}))
    assert bench.read()[6:-2] == bytes.fromhex(
        "76 12345678 32A7 02 04 00 00 0000 0B06 000267 0DFD0C 03 414231"
    )
    mode_2 = bytes.fromhex("12345678 32A7 02 04")
    assert bench.select(ADDRESS) == b""
    assert bench.select(mode_2, ci_field=0x56) == ACK
    assert bench.select(bytes.fromhex("1FFFFFFF FFFF FF FF"), ci_field=0x56) == ACK
    assert bench.select(WILD) == b""
    assert bench.short(REQ1, NETWORK) == b""


@pytest.mark.parametrize(
    "vib", ["FC 03 68 25 52 74", "FC 74 03 68 25 52"], ids=["manual order", "EN order"]
)
def test_plain_text_vif(vib: str) -> None:
    """A unit as text stands where the profile puts it: behind the VIF, or behind its VIFEs."""
    expect = {"value_type": "Vendor specific data", "unit": "None"}
    subject = record(5, dib="02", vib=vib, coding="int16", expect=expect)
    assert Bench(meter(records=[subject])).read()[RECORD] == bytes.fromhex("02" + vib + "0500")


def test_vendor_data() -> None:
    """Everything behind 0F is the maker's, and is sent as it stands."""
    vendor = {"dib": "0F", "data": "DEADBEEF", "hidden": True}
    bench = Bench(meter(records=[record(), vendor]))
    assert bench.read()[RECORD] == bytes.fromhex("0B06670200 0FDEADBEEF")


# --- Commands ---------------------------------------------------------------------------------


def test_addresses_are_set() -> None:
    """Primary, number and complete secondary address; each in force at once."""
    bench = Bench(meter())
    assert bench.long(SND1, 0x51, bytes.fromhex("017A09")) == ACK
    assert bench.short(NKE, 9) == ACK
    assert bench.long(SND1, 0x51, bytes.fromhex("0C7904030201"), 9) == ACK
    assert bench.select(bytes.fromhex("04030201 A732 02 04")) == ACK
    assert bench.short(NKE, 9) == ACK
    assert bench.long(SND1, 0x51, bytes.fromhex("0779 11223344 2D2C 05 07"), 9) == ACK
    assert bench.select(bytes.fromhex("11223344 2D2C 05 07")) == ACK
    assert (bench.meter.manufacturer, bench.meter.identification_number) == ("KAM", "44332211")


def test_addresses_may_be_locked() -> None:
    """A locked meter acknowledges and keeps its address."""
    bench = behaving(accepts_addresses=False)
    assert bench.long(SND1, 0x51, bytes.fromhex("017A09")) == ACK
    assert bench.short(NKE) == ACK


def test_readout_selection() -> None:
    """Selected records alone, deleted ones not, and all of them again after a reset."""
    volume = record(7, dib="0C", vib="14", coding="bcd8")
    stored = record(9, dib="4B", vib="06")
    subject = meter(records=[record(), volume, stored], behaviour={"readout_selection": True})
    energy = bytes.fromhex("0B06670200")
    rest = bytes.fromhex("0C1407000000 4B06090000")

    def after(data: str) -> bytes:
        bench = Bench(subject)
        assert bench.long(SND1, 0x51, bytes.fromhex(data)) == ACK
        return bench.read()[RECORD]

    assert after("0806") == energy
    assert after("0814") == rest[:6]
    assert after("C8 7F 06") == energy + rest[6:]
    assert after("08 86 0D") == rest
    assert after("7F") == after("7F 7E") == energy + rest
    bench = Bench(subject)
    bench.long(SND1, 0x51, bytes.fromhex("0814"))
    bench.read()
    assert [item.record for item in bench.meter.expected] == [0]
    assert bench.long(SND0, 0x50) == ACK
    assert bench.read()[RECORD] == energy + rest


def test_freeze_and_synchronise() -> None:
    """A frozen value is that of the last CI 54, also by broadcast, or of action 0B."""
    bench = Bench(meter(records=[record("0 + t / 1 s", frozen=True), record("0 + t / 1 s")]))

    def shown() -> tuple[int, int]:
        body = bench.read()[RECORD]
        return int(body[4:1:-1].hex()), int(body[9:6:-1].hex())

    bench.wait(100_000_000_000)
    assert shown()[0] == 0
    assert bench.long(SND0, 0x54, b"", frames.BROADCAST) == b""
    bench.wait(10_000_000_000)
    frozen, running = shown()
    assert 100 <= frozen < running
    assert bench.long(SND1, 0x51, bytes.fromhex("00860B")) == ACK
    assert shown()[0] >= running


def test_errors_are_reported() -> None:
    """What is not understood is acknowledged, and CI 70 at the next request says why."""
    bench = behaving(reports_errors=True)
    assert bench.long(SND0, 0x5F) == ACK
    assert bench.read()[6:8] == b"\x70\x01"
    assert bench.read()[6] == 0x72
    assert bench.long(SND1, 0x51, bytes.fromhex("0C7904")) == ACK
    assert bench.read()[6:8] == b"\x70\x04"


def test_limited_readouts() -> None:
    """So many a day, by the meter's clock; then code 9, or silence."""
    bench = behaving(readouts_per_day=2)
    assert [bench.read()[6] for _ in range(3)] == [0x72, 0x72, 0x70]
    assert bench.read()[7] == 9
    bench.wait(12 * 3_600_000_000_000)
    assert bench.read()[6] == 0x72
    bench = behaving(readouts_per_day=1, exhausted="silent")
    assert [bool(bench.read()) for _ in range(3)] == [True, False, False]


def test_no_alarm() -> None:
    """Without an alarm REQ_UD1 is one character."""
    assert Bench(meter()).short(REQ_UD1) == ACK


def test_answers_to_253_may_say_253() -> None:
    """The A field is the own address, or 253 where the meter knows no other."""
    bench = behaving(a_field="253")
    bench.select()
    assert bench.short(REQ1, NETWORK)[5] == 253
    assert bench.read()[5] == 5


# --- Selection --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "c_field", "mask", "found"),
    [
        ("by the book", SND0, WILD, True),
        ("by the book", SND1, ADDRESS, True),
        ("only 53", SND0, ADDRESS, True),
        ("only 53", SND1, ADDRESS, False),
        ("only 73", SND0, ADDRESS, False),
        ("only 73", SND1, ADDRESS, True),
        ("full mask", SND1, ADDRESS, True),
        ("full mask", SND1, WILD, False),
        ("full mask", SND1, b"\xff" + ADDRESS[1:], False),
        ("short mask", SND1, b"", True),
        ("short mask", SND1, ADDRESS[:4], True),
        ("short mask", SND1, ADDRESS[:5], False),
        ("short mask", SND1, ADDRESS[:7] + b"\x00", True),
        ("by the book", SND1, ADDRESS[:7] + b"\x00", False),
        ("by the book", SND1, ADDRESS[:4], False),
        ("none", SND1, WILD, False),
    ],
)
def test_select_rules(rule: str, c_field: int, mask: bytes, found: bool) -> None:
    """Who takes which selection."""
    bench = behaving(select=rule)
    assert bench.select(mask, c_field=c_field) == (ACK if found else b"")
    assert bool(bench.short(REQ1, NETWORK)) == found


def test_enhanced_selection() -> None:
    """The fabrication number, or any record, divides what the address does not."""
    known = {"enhanced_selection": True, "fabrication_number": "00001111"}
    other = {"enhanced_selection": True, "fabrication_number": "00002222"}
    bench = Bench(meter(behaviour=known), meter(id="n", primary_address=6, behaviour=other))

    def matched(data: str) -> list[str]:
        bench.select(ADDRESS + bytes.fromhex(data))
        return [one.id for one in bench.network.selected]

    assert matched("0C78 11110000") == ["m"]
    assert matched("0C78 2222FFFF") == ["n"]
    assert matched("0C78 FFFFFFFF") == ["m", "n"]
    assert matched("0B06 6702FF") == ["m", "n"]
    assert matched("0B06 680200") == []
    assert matched("0C78 1111") == []


def test_deselection() -> None:
    """By the book only SND_NKE to 253 and another selection end it; rules may differ."""
    ends = {}
    for rule in ("by the book", "snd_nke", "power"):
        found = []
        for address in (5, frames.TEST, NETWORK):
            bench = behaving(deselect=rule)
            bench.select()
            bench.short(NKE, address)
            found.append(bench.network.selected == [])
        ends[rule] = found
    assert ends == {
        "by the book": [False, False, True],
        "snd_nke": [True, True, True],
        "power": [False, False, False],
    }


def test_primary_address_may_be_silent_while_selected() -> None:
    """Selected, such a meter answers 253 only."""
    bench = behaving(primary_while_selected=False)
    assert bench.read() != b""
    bench.select()
    assert bench.read() == b""
    bench.short(NKE, NETWORK)
    assert bench.read() != b""


# --- Line -------------------------------------------------------------------------------------


def test_the_baud_rate_is_set_and_falls_back() -> None:
    """E5 at the old rate, then the new one; without a valid frame for so long the old again."""
    bench = behaving(baudrates=[2400, 9600], baudrate_fallback="30 s")
    assert bench.long(SND1, 0xBD) == ACK
    assert bench.read() == b""
    slow, bench.form = bench.form, Format(9600)
    bench.receiver.set_format(bench.form, int(bench.env.now))
    assert bench.short(REQ1) != b""
    bench.wait(26_000_000_000)
    assert bench.short(REQ1) != b""
    bench.wait(31_000_000_000)
    assert bench.short(REQ1) == b""
    bench.form = slow
    bench.receiver.set_format(slow, int(bench.env.now))
    assert bench.read() != b""


def test_a_break_sends_a_meter_back_to_300_bd() -> None:
    """Who has the rate is deaf at 2400 Bd after a break and answers at 300; others stay."""
    other = meter(id="other", primary_address=6)
    bench = Bench(meter(behaviour={"break_baudrate": 300}), other)
    bench.network.line_fault("master_break", True)
    bench.wait(1_000_000_000)
    assert bench.read() == b""
    assert bench.short(REQ1, 6) != b""
    bench.form = Format(300)
    bench.receiver.set_format(bench.form, int(bench.env.now))
    assert bench.short(REQ1, patience_ns=20_000_000_000)[:1] == b"\x68"


def test_a_collision_is_broken_off_and_all_begin_anew_at_300_bd() -> None:
    """What a converter with double current detection does to a bus by the book."""
    ends = {"behaviour": {"break_baudrate": 300}}
    document = {"bus": {"model": "80", "collision_break": True}}
    bench = Bench(meter(**ends), meter(id="n", primary_address=6, **ends), document=document)
    bench.short(REQ1, 254)
    assert {one.format for one in bench.network.meters.values()} == {Format(300)}


def test_a_rate_that_it_does_not_have_is_ignored() -> None:
    """No acknowledgement, no change."""
    bench = behaving(baudrates=[300])
    assert bench.long(SND1, 0xBD) == b""
    assert bench.read() != b""


@pytest.mark.parametrize("rate", [300, 2400, 9600])
def test_a_meter_may_detect_the_rate(rate: int) -> None:
    """It answers as it is asked."""
    subject = meter(behaviour={"detects_baudrate": True, "baudrates": [300, 2400, 9600]})
    bench = Bench(subject, form=Format(rate))
    assert bench.send(frames.short_frame(REQ1, 5), 5_000_000_000).data[:1] == b"\x68"


def test_a_meter_of_another_rate_does_not_hear() -> None:
    """At 2400 Bd a meter of 9600 Bd makes nothing of a request, and the other way round."""
    bench = Bench(
        meter(behaviour={"baudrate": 9600}),
        meter(id="n", primary_address=6, behaviour={"parity": "N"}),
    )
    assert bench.read() == b""
    assert bench.short(REQ1, 6) == b""
    bench.form = Format(9600)
    bench.receiver.set_format(bench.form, int(bench.env.now))
    assert bench.read()[:1] == b"\x68"
    bench.form = Format(2400, "N")
    bench.receiver.set_format(bench.form, int(bench.env.now))
    assert bench.short(REQ1, 6)[:1] == b"\x68"


def delays(count: int = 60, **keys: Any) -> list[float]:
    """Bit times between requests and answers."""
    bench = Bench(meter(answer_delay_bits=[20, 120], **keys))
    found = []
    for _ in range(count):
        start = int(bench.env.now)
        answer = bench.send(frames.short_frame(NKE, 5))
        assert answer.first_ns is not None
        found.append((answer.first_ns - start) * 2400 / 10**9 - 55)
    return found


def test_answer_times_have_a_shape() -> None:
    """Evenly, about the middle, or mostly early; always between the ends."""
    shapes = {shape: delays(behaviour={"answer_shape": shape}) for shape in
              ("uniform", "normal", "early")}  # fmt: skip
    assert all(min(found) >= 19.9 and max(found) <= 120.1 for found in shapes.values())
    middle = {
        shape: sum(45 < bits < 95 for bits in found) / len(found) for shape, found in shapes.items()
    }
    assert middle["normal"] > 0.75 > middle["uniform"] > 0.3
    assert sum(bits < 45 for bits in shapes["early"]) / 60 > 0.55


def test_some_answers_are_slow() -> None:
    """A share of the answers takes far longer."""
    found = delays(behaviour={"slow_share": 0.3, "slow_bits": 1000})
    slow = [bits for bits in found if bits > 500]
    assert 8 <= len(slow) <= 30
    assert all(999 < bits < 1001 for bits in slow)


def test_sleep_and_start_up() -> None:
    """The first frame after a pause is lost, and so is what comes before it is awake."""
    bench = behaving(sleeps_after="60 s", wakes_in="5 s")
    assert [bool(bench.read()) for _ in range(4)] == [False, False, True, True]
    bench.wait(61_000_000_000)
    assert bench.select() == b""
    bench = behaving(boots_for="10 s")
    assert bench.read() != b""
    bench.meter.power(False)
    bench.meter.power(True)
    assert [bool(bench.read()) for _ in range(5)] == [False, False, False, False, True]


def test_a_battery_keeps_the_state(tmp_path: Any) -> None:
    """Without bus power a meter with a battery remembers its page and its selection."""
    found = []
    for battery in (True, False):
        bench = paged(tmp_path, 3, battery=battery)
        bench.select()
        bench.short(REQ1)
        bench.meter.power(False)
        bench.meter.power(True)
        found.append((page(bench.short(REQ0)), [one.id for one in bench.network.selected]))
    assert found == [(2, ["m"]), (1, [])]


# --- Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"fcb": "two telegrams"}, "wants exactly 2"),
        ({"structure": "fixed"}, "two counters"),
        ({"subcodes": {1: [2]}}, "telegrams from 1 to 1"),
        ({"subcodes": {16: [1]}}, "high nibbles"),
        ({"baudrates": [1000]}, "9600"),
        ({"detects_baudrate": True}, "baudrates"),
        ({"fcb_rule": "shared"}, "fcb_rule"),
    ],
)
def test_wrong_behaviour_is_refused(behaviour: dict[str, Any], words: str) -> None:
    """A variant that the meter cannot have is named."""
    with pytest.raises(PopulationError, match=words):
        behaving(**behaviour)


def test_an_entry_goes_before_its_profile(tmp_path: Any) -> None:
    """Keys of the entry alter those of the profile one by one."""
    (tmp_path / "q.yaml").write_text(
        "profile: q\ntitle: t\nmanufacturer: LUG\nversion: 2\nmedium: 4\n"
        "behaviour: {deselect: snd_nke, unit_loads: 2}\n"
        'records: [{dib: "0F", data: "00", hidden: true}]\n',
        encoding="utf-8",
    )
    subject = meter(profile="q", behaviour={"unit_loads": 4})
    del subject["records"]
    behaviour = Bench(subject, folder=tmp_path).meter.behaviour
    assert (behaviour.deselect, behaviour.unit_loads) == ("snd_nke", 4)


def test_records_that_are_sent_only_when_asked_for() -> None:
    """`unasked`: the first record alone, all after a Get-All, the first again after a reset.

    A selection of single records is no Get-All, and changes nothing; power loss is a reset.
    """
    volume = record(7, dib="0C", vib="14", coding="bcd8")
    bench = Bench(meter(records=[record(), volume], behaviour={"unasked": 1}))
    energy = bytes.fromhex("0B06670200")
    both = energy + bytes.fromhex("0C1407000000")

    def after(data: str) -> bytes:
        assert bench.short(NKE) == ACK
        assert bench.long(SND1, 0x51, bytes.fromhex(data)) == ACK
        return bench.read()[RECORD]

    assert bench.read()[RECORD] == energy
    assert after("0814") == energy
    assert after("7F7E") == after("7F") == both
    assert bench.long(SND0, 0x50) == ACK
    assert bench.read()[RECORD] == energy
    assert after("7F7E") == both
    bench.meter.power(False)
    bench.meter.power(True)
    assert bench.read()[RECORD] == energy
