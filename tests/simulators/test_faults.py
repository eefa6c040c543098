"""Every named fault of a meter, by what the master hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulators import faults
from simulators.characters import Fault
from simulators.line_faults import LINE_FAULTS
from tests.simulators.slaves import (
    ADDRESS,
    NKE,
    REQ0,
    REQ1,
    REQ_UD1,
    SND1,
    WILD,
    Bench,
    meter,
    record,
)

SOUND = bytes.fromhex("68141468080572785634 12A7320204 00 00 0000 0B06670200 EC16".replace(" ", ""))
RECORD = slice(19, -2)


def faulty(name: str, parameters: dict[str, Any] | bool = True, **keys: Any) -> Bench:
    """A bus with one meter that has one fault."""
    return Bench(meter(faults=[{name: parameters}], **keys))


def checksum_fits(frame: bytes) -> bool:
    """Whether the checksum of a long frame is right."""
    return sum(frame[4:-2]) & 0xFF == frame[-2]


def test_a_meter_without_faults_answers_by_the_book() -> None:
    """The telegram that all faults are compared with."""
    assert Bench(meter()).read() == SOUND
    assert checksum_fits(SOUND)


@pytest.mark.parametrize(
    ("parameters", "place", "shown"),
    [
        ({"version": 9}, slice(13, 14), b"\x09"),
        ({"medium": 7}, slice(14, 15), b"\x07"),
        ({"manufacturer": "KAM"}, slice(11, 13), b"\x2d\x2c"),
        ({"identification_number": 87654321}, slice(7, 11), b"\x21\x43\x65\x87"),
    ],
)
def test_header(parameters: dict[str, Any], place: slice, shown: bytes) -> None:
    """The header says something else; the meter is still selected by its own address."""
    bench = faulty("header", parameters)
    frame = bench.read()
    assert frame[place] == shown
    assert checksum_fits(frame)
    assert bench.select(ADDRESS) == b"\xe5"


def test_ghost_in_a_search() -> None:
    """It answers masks with wildcards, and nobody by its full address."""
    bench = faulty("ghost")
    assert bench.select(WILD) == b"\xe5"
    assert bench.short(REQ1, 253) != b""
    assert bench.select(ADDRESS) == b""
    assert bench.short(REQ1, 253) == b""


def test_ghost_that_acknowledges() -> None:
    """It lets itself be selected and then says nothing under 253."""
    bench = faulty("ghost", {"answers": "selection"})
    assert bench.select(ADDRESS) == b"\xe5"
    assert bench.short(REQ1, 253) == b""
    assert bench.read() == SOUND


def test_duplicate_number() -> None:
    """Two meters answer one selection: in one phase a single E5, then garbled telegrams."""
    twin = meter(
        id="n",
        primary_address=6,
        identification_number=1,
        answer_delay_bits=[11, 11],
        faults=[{"duplicate_number": {"identification_number": 12345678}}],
    )
    bench = Bench(meter(answer_delay_bits=[11, 11]), twin)
    assert bench.select(ADDRESS) == b"\xe5"
    assert bench.values("bus.collision") == [["m", "n"]]
    assert bench.short(REQ1, 253) != SOUND
    bench.network.meters["n"].fault("duplicate_number", False)
    assert bench.select(ADDRESS) == b"\xe5"


def test_duplicate_primary_address() -> None:
    """Two meters answer one request."""
    fault = {"duplicate_primary_address": {"primary_address": 5}}
    bench = Bench(meter(), meter(id="n", primary_address=6, faults=[fault]))
    bench.read()
    assert bench.values("bus.collision") == [["m", "n"]]


def test_wrong_a_field() -> None:
    """RSP_UD says another address."""
    frame = faulty("wrong_a_field", {"a_field": 253}).read()
    assert frame[5] == 253
    assert checksum_fits(frame)


def test_forgets_address() -> None:
    """After power loss it answers at 0."""
    bench = faulty("forgets_address")
    bench.meter.power(False)
    bench.meter.power(True)
    assert bench.read() == b""
    assert bench.short(REQ1, 0)[5] == 0


@pytest.mark.parametrize(
    ("name", "parameters", "frame"),
    [
        ("bad_checksum", {"by": 2}, SOUND[:-2] + b"\xee\x16"),
        ("bad_length", {"by": 3}, b"\x68\x17\x17" + SOUND[3:]),
        ("bad_length", {"by": 3, "both": False}, b"\x68\x17\x14" + SOUND[3:]),
        ("bad_start", True, b"\x69" + SOUND[1:]),
        ("bad_stop", True, SOUND[:-1] + b"\x17"),
        ("stray_byte", {"byte": 0xA5}, b"\xa5" + SOUND),
        ("truncated", {"characters": 9}, SOUND[:9]),
    ],
)
def test_damaged_frames(name: str, parameters: dict[str, Any] | bool, frame: bytes) -> None:
    """The frame is wrong in exactly one way, and an E5 has nothing to be wrong in."""
    bench = faulty(name, parameters)
    assert bench.read() == frame
    if name not in {"stray_byte", "truncated"}:
        assert bench.short(NKE) == b"\xe5"


def test_bad_parity() -> None:
    """The receiver reports it for each character, or for the one; the characters are right."""
    answer = faulty("bad_parity").send(bytes.fromhex("107B058016"))
    assert answer.data == SOUND
    assert answer.faults == [(n, Fault.PARITY) for n in range(len(SOUND))]
    answer = faulty("bad_parity", {"index": 4}).send(bytes.fromhex("107B058016"))
    assert answer.faults == [(4, Fault.PARITY)]


def test_a_share_of_the_answers() -> None:
    """A fault with a share shows now and then, with `times` so often and no more."""
    bench = faulty("bad_checksum", {"share": 0.5})
    fits = [checksum_fits(bench.read()) for _ in range(40)]
    assert 8 < sum(fits) < 32
    bench = faulty("bad_checksum", {"times": 2})
    assert [checksum_fits(bench.read()) for _ in range(4)] == [False, False, True, True]


# --- Pages ------------------------------------------------------------------------------------


def paged(name: str, parameters: dict[str, Any] | bool, tmp_path: Any, count: int = 3) -> Bench:
    """A meter with `count` telegrams, each of which shows its number."""
    lines = ["profile: paged", "title: t", "manufacturer: LUG", "version: 2", "medium: 4", "pages:"]
    for page in range(1, count + 1):
        expect = "{value_type: Energy, unit: Wh}"
        one = f'{{dib: "01", vib: "03", coding: int8, value: {page}, expect: {expect}}}'
        lines.append(f"  - records: [{one}]")
    (tmp_path / "paged.yaml").write_text("\n".join(lines), encoding="utf-8")
    subject = meter(profile="paged", faults=[{name: parameters}])
    del subject["records"]
    return Bench(subject, folder=tmp_path)


def pages(bench: Bench, count: int) -> list[tuple[int | None, bool]]:
    """Ask with toggling FCB, a repeated time after silence; page and whether more follow."""
    bench.short(NKE)
    found, c_field = list[tuple[int | None, bool]](), REQ1
    for _ in range(count):
        frame = bench.short(c_field)
        if frame:
            found.append((frame[21], frame[-3] == 0x1F))
            c_field ^= 0x20
        else:
            found.append((None, False))
    return found


def test_drop_page(tmp_path: Any) -> None:
    """Page 2 is silent twice, then comes; without a number of times it never comes."""
    bench = paged("drop_page", {"page": 2, "times": 2}, tmp_path)
    assert [page for page, _ in pages(bench, 5)] == [1, None, None, 2, 3]
    assert bench.values("meter(m).answering") == [False, True]
    bench = paged("drop_page", {"page": 2}, tmp_path)
    assert [page for page, _ in pages(bench, 4)] == [1, None, None, None]


def test_repeat_page(tmp_path: Any) -> None:
    """Page 2 comes twice, though the FCB has been toggled."""
    bench = paged("repeat_page", {"page": 2, "times": 1}, tmp_path)
    assert [page for page, _ in pages(bench, 4)] == [1, 2, 2, 3]


def test_endless_pages(tmp_path: Any) -> None:
    """Every telegram says that another follows; no read-out is ever complete."""
    bench = paged("endless_pages", True, tmp_path)
    assert pages(bench, 7) == [(n % 3 + 1, True) for n in range(7)]
    assert bench.meter.expected == []
    assert sorted(bench.meter.answered_pages) == [0]


# --- Times ------------------------------------------------------------------------------------


def test_babble() -> None:
    """It talks without being asked, at drawn times, until the fault ends."""
    bench = faulty("babble", {"every": "1 s", "characters": 4})
    bench.wait(20_000_000_000)
    noise = bench.heard().data
    assert 4 * 10 <= len(noise) <= 4 * 45
    bench.meter.fault("babble", False)
    bench.wait(5_000_000_000)
    bench.heard()
    bench.wait(20_000_000_000)
    assert bench.heard().data == b""


def first_ns(bench: Bench) -> int:
    """When the answer to REQ_UD2 had its first character, from the end of the request."""
    start = int(bench.env.now) + bench.form.bits * 5 * 10**9 // bench.form.baudrate
    answer = bench.send(bytes.fromhex("107B058016"))
    assert answer.first_ns is not None
    return answer.first_ns - start


def test_late_and_after_the_timeout() -> None:
    """The same answer later: by so much, or behind the end of the answer window."""
    usual = first_ns(Bench(meter()))
    assert first_ns(faulty("late", {"by": "100 ms"})) - usual == 100_000_000
    window = 330 * 10**9 // 2400 + 50_000_000
    assert first_ns(faulty("after_timeout", {"by": "20 ms"})) >= window + 20_000_000


def test_twice() -> None:
    """The answer comes again, exactly, after a pause."""
    answer = faulty("twice", {"after": "30 ms"}).send(bytes.fromhex("107B058016"))
    assert answer.data == SOUND * 2
    assert answer.first_ns is not None
    assert answer.last_ns is not None
    length = len(SOUND) * 11 * 10**9 // 2400
    assert answer.last_ns - answer.first_ns == pytest.approx(2 * length + 30_000_000, abs=3)


def test_silent() -> None:
    """It hears and acts, and says nothing."""
    bench = faulty("silent")
    assert bench.long(SND1, 0x51, bytes.fromhex("017A07")) == b""
    assert bench.meter.primary_address == 7


# --- Values -----------------------------------------------------------------------------------


def clocked(**fault: Any) -> Bench:
    """A meter whose second record is its clock."""
    clock = {
        "dib": "04",
        "vib": "6D",
        "coding": "date_f",
        "value": "clock",
        "expect": {"value_type": "Timestamp"},
    }
    return Bench(meter(records=[record(), clock], faults=[{"clock": fault}]))


def test_clock() -> None:
    """The clock is off, or drifts; what is expected is what it says."""
    assert clocked().read()[-6:-2] == bytes.fromhex("000C543B")
    bench = clocked(offset="-2 h")
    assert bench.read()[-6:-2] == bytes.fromhex("000A543B")
    assert bench.meter.expected[1].integer == 1_795_168_800
    bench = clocked(drift_ppm=100_000)
    bench.wait(3_600_000_000_000)
    assert bench.read()[-6:-2] == bytes.fromhex("060D543B")


def test_backwards() -> None:
    """The register runs down from the moment at which the fault begins."""
    bench = Bench(meter(records=[record("1000 + t / 1 s")]))
    bench.wait(100_000_000_000)
    first = int(bench.read()[RECORD][4:1:-1].hex())
    bench.meter.fault("backwards", True)
    bench.wait(50_000_000_000)
    second = int(bench.read()[RECORD][4:1:-1].hex())
    assert first >= 1100
    assert 1000 < second < first
    assert bench.meter.expected[0].integer == second


def test_overflow() -> None:
    """A hexadecimal digit on top, the largest number, or only the last digit."""
    bench = faulty("overflow")
    assert bench.read()[RECORD] == bytes.fromhex("0B06 6702A0")
    assert (bench.meter.expected[0].kind, bench.meter.expected[0].integer) == ("no data", None)
    bench = faulty("overflow", {"how": "rolled"})
    assert bench.read()[RECORD] == bytes.fromhex("0B06 070000")
    assert bench.meter.expected[0].integer == 7
    bench = faulty("overflow", records=[record(5, dib="02", coding="int16")])
    assert bench.read()[RECORD] == bytes.fromhex("0206 FF7F")
    assert bench.meter.expected[0].integer == 32767


def test_not_a_number() -> None:
    """A float32 is the quiet NaN; other codings stay."""
    bench = faulty("not_a_number", records=[record(1.5, dib="05", coding="real32"), record()])
    assert bench.read()[RECORD] == bytes.fromhex("0506 0000C07F 0B06 670200")
    assert [item.kind for item in bench.meter.expected] == ["no data", "number"]


def text_meter(text: str, *, room: int = 0) -> Bench:
    """A meter with a text, and other records of so many characters."""
    label = {
        "dib": "0D",
        "vib": "FD0C",
        "coding": "text",
        "value": "x",
        "expect": {"value_type": "Model / Version"},
    }
    filler = {"dib": "0D", "vib": "FD0B", "coding": "text", "value": "y" * room, "hidden": True}
    fault: dict[str, Any] = {"markup": {"text": text, "record": 0}}
    return Bench(meter(records=[label, filler], faults=[fault]))


def test_markup() -> None:
    """A text has control characters and markup, reversed as every text; cut where it must be."""
    text = "\x1b<b>\x00\n"
    bench = text_meter(text)
    assert bench.read()[19:29] == b"\x0d\xfd\x0c\x06" + text.encode()[::-1]
    assert bench.meter.expected[0].text == text
    long_text = "<" * 150
    bench = text_meter(long_text, room=150)
    frame = bench.read()
    assert checksum_fits(frame)
    assert len(frame) <= 261
    assert 1 < frame[22] < 150


# --- The application --------------------------------------------------------------------------


def test_status() -> None:
    """Bits are added to the meter's own."""
    assert faulty("status", {"bits": 0x04}, status=0x08).read()[16] == 0x0C


def test_busy() -> None:
    """CI 70 with code 8, or the status bits; then the telegram as ever."""
    bench = faulty("busy", {"times": 1})
    assert bench.read() == bytes.fromhex("68040468080570088516")
    assert bench.read() == SOUND
    assert faulty("busy", {"how": "status"}).read()[16] == 0x01


def test_application_error() -> None:
    """CI 70 with a code, or without one."""
    assert faulty("application_error", {"code": 5}).read()[6:8] == b"\x70\x05"
    assert faulty("application_error", {"code": None}).read() == bytes.fromhex(
        "68030368080570 7D16"
    )


def test_alarm() -> None:
    """REQ_UD1 is answered by CI 71, and ACD says that there is something."""
    bench = faulty("alarm", {"byte": 0x42})
    assert bench.short(REQ_UD1) == bytes.fromhex("6804046808057142C016")
    assert bench.read()[4] == 0x28


def test_load() -> None:
    """It draws more in mark."""
    bench = faulty("load", {"unit_loads": 3})
    bench.wait(1)
    assert bench.values("bus.current") == [6.0]


# --- All of them ------------------------------------------------------------------------------


def test_every_fault_has_a_name_a_test_and_a_limit() -> None:
    """The table is complete, each docstring says how real the fault is, each is tested here."""
    tested = Path(__file__).read_text(encoding="utf-8")
    for name, kind in faults.FAULTS.items():
        assert "Realism" in (kind.__doc__ or ""), name
        assert f'"{name}"' in tested, name
        assert faults.kind(name) is kind
        assert name in faults.FaultSpec.model_fields
    assert len(set(faults.FAULTS.values())) == len(faults.FAULTS)


def test_faults_come_and_go() -> None:
    """A fault can be bounded in time, and switched; names and parameters are checked."""
    bench = Bench(meter(faults=[{"wrong_a_field": {"a_field": 9}, "at": "5 s", "until": "10 s"}]))
    shown = []
    for _ in range(4):
        shown.append(bench.read()[5])
        bench.wait(500_000_000)
    assert shown == [5, 5, 9, 5]
    bench.meter.fault("bad_stop", True, byte=0)
    assert bench.meter.faults.names() == ["bad_stop"]
    bench.meter.fault("bad_stop", False)
    assert bench.read()[-1] == 0x16
    with pytest.raises(KeyError, match="bad_checksum"):
        bench.meter.fault("bad_chexum", True)
    with pytest.raises(ValueError, match="byte"):
        bench.meter.fault("bad_stop", True, byte=256)


def test_a_fault_shifts_nothing_else() -> None:
    """Answer times and access numbers of a meter are the same with and without a fault."""

    def times(*found: dict[str, Any]) -> list[int]:
        bench = Bench(meter(faults=list(found)))
        return [first_ns(bench) for _ in range(10)]

    assert times() == times({"bad_checksum": {"share": 0.5}})


def test_repetition_is_not_a_new_telegram() -> None:
    """With several telegrams an unchanged FCB repeats, faults of the frame included or not."""
    bench = Bench(meter(behaviour={"fcb": "by the book"}))
    bench.short(NKE)
    first = bench.short(REQ1)
    assert bench.short(REQ1) == first
    assert bench.short(REQ0) != first


def test_the_page_shows_every_fault_as_its_docstring_has_it() -> None:
    """docs/bus.md has a row for each fault of meters and of the line, word for word."""
    page = (Path(__file__).parents[2] / "docs" / "bus.md").read_text(encoding="utf-8")
    for name, kind in {**faults.FAULTS, **LINE_FAULTS}.items():
        what, realism = faults.described(kind)
        assert realism, name
        assert f"| `{name}` | {what} | {realism} |" in page
