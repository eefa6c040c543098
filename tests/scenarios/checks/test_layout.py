"""The layout check passes the worked example and names every planted mistake where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.record import Run, RunRecord
from reports.verdict import Verdict
from scenarios.checks.expectation import ExpectedMeter, snapshot
from scenarios.checks.layout import FINDINGS_MAX, Clock, Comparison, ExpectedGateway, check, compare
from simulators.modbus import layout
from tests.simulators.modbus.worked_example import REGISTERS


@dataclass(frozen=True)
class Reading:
    """A reading as a population states it."""

    value_type: str
    unit: str
    integer: int | None
    scale: int
    kind: str = "number"
    text: str | None = None
    timestamp: int | None = None
    telegram: int = 0
    offset: int = 0


SENT_AT = 0x6B0035C8
READINGS_A = (
    Reading("Energy", "Wh", 267, 3, timestamp=SENT_AT),
    Reading("Flow temperature", "Degree C", -1234, -2, timestamp=SENT_AT),
    Reading("Volume", "m3", 12345678, -2, timestamp=SENT_AT),
)
READINGS_B = (
    Reading("Metrology (firmware) version", "None", None, 0, "text", text="D325-101"),
    Reading("Time point", "UTC", 0x6AE52F80, 0, "date"),
)
EPOCH = 1795176000
A = ExpectedMeter("a", "66600106", "LUG", 2, 4, (snapshot(READINGS_A, 3 * 10**9),))
B = ExpectedMeter("b", "00428670", "ABB", 6, 2, (snapshot(READINGS_B, 6 * 10**9),))
GATEWAY = ExpectedGateway(75907, 130, 1795176007)
CLOCK = Clock(EPOCH)


def judged(registers: list[int] | None = None, *meters: ExpectedMeter) -> Comparison:
    """Compare these registers (the worked example by default) with the worked population."""
    blocks = layout.read(REGISTERS if registers is None else registers)
    return compare(blocks, meters or (A, B), gateway=GATEWAY, clock=CLOCK)


def planted(address: int, *words: int) -> list[int]:
    """Return the worked example with registers replaced from `address` on."""
    registers = [*REGISTERS]
    registers[address : address + len(words)] = words
    return registers


def failures(comparison: Comparison) -> dict[str, str]:
    """Return the reasons of the failing cases by case id."""
    return {c.id: c.reason for c in comparison.cases if c.verdict is not Verdict.PASS}


def test_worked_example_passes() -> None:
    """Manual 6.2 register for register: every statement of REG-G, REG-M and REG-V is met."""
    comparison = judged()
    assert failures(comparison) == {}
    assert comparison.verdict is Verdict.PASS
    met = {id_ for case in comparison.cases for id_ in case.requirements}
    assert met == {
        *(f"REG-G.{n}" for n in range(1, 9)),
        *(f"REG-M.{n}" for n in range(1, 11)),
        *(f"REG-V.{n}" for n in range(1, 7)),
        "MET-09",
        "SCAN-01",
    }
    assert [table.address for table in comparison.meters] == [10, 50]


@pytest.mark.parametrize(
    ("address", "words", "case", "sentence"),
    [
        (0, [0, 1], "gateway/REG-G.1", "register 0-1, serial number: expected 75907, seen 1"),
        (2, [2], "gateway/REG-G.2", "register 2, protocol version: expected 1, seen 2"),
        (8, [0, 7], "gateway/REG-G.8", "register 8-9, reserved: expected 0, seen 7"),
        (12, [0x32A6], "a/REG-M.2", "register 12, manufacturer: expected LUG (32A7), seen LUF"),
        (13, [0x0304], "a/REG-M.3", "expected version 2, medium 4 (Heat (outlet)), seen version 3"),
        (15, [0x3653], "a/REG-M.4", "register 14-15, time stamp: expected 2026-11-20 12:00:03Z ±"),
        (16, [1], "a/REG-M.5", "register 16, reserved: expected 0, seen 1"),
        (17, [0x0201], "a/REG-M.6", "register 17, type: expected 0200, seen 0201"),
        (18, [1], "a/REG-M.7", "register 18, flag: could not be read: expected 0, seen 1"),
        (18, [2], "a/REG-M.8", "register 18, flag: not all updated: expected 0, seen 1"),
        (18, [0x8000], "a/REG-M.9", "register 18, flags, reserved: expected 0"),
        (19, [3], "a/REG-M.10", "register 19, reserved: expected 0, seen 3"),
        (23, [0x010C], "a/REG-V.1", "Energy, register 20-23, integer: expected 267, seen 268"),
        (25, [0x5F01], "a/REG-V.2", "register 24-25, float: expected 267000.0, seen 267000.03"),
        (26, [0xFFFD], "a/REG-V.3", "register 26, scale: expected 3, seen -3"),
        (27, [6], "a/REG-V.5", "register 27, unit: expected 5 (Wh), seen 6 (J)"),
        (28, [0, 0], "a/REG-V.6", "time stamp: expected 2026-11-20 11:58:00Z, seen 0 (none)"),
        (66, [1], "b/REG-V.3", "value 1, Metrology (firmware) version, register 66, scale"),
        (78, [0x6AE5, 0x2F80], "b/REG-V.6", "value 2, Time point, register 78-79, time stamp"),
    ],
)  # fmt: skip
def test_one_wrong_field(address: int, words: list[int], case: str, sentence: str) -> None:
    """A wrong field fails its own statement alone, with register, expected and seen."""
    comparison = judged(planted(address, *words))
    assert list(failures(comparison)) == [f"layout/{case}"]
    assert sentence in failures(comparison)[f"layout/{case}"]
    rows = [row for table in comparison.meters for row in table.rows]
    rows += comparison.gateway.rows if comparison.gateway else ()
    assert sum(row.verdict is Verdict.FAIL for row in rows) == 1


@pytest.mark.parametrize(
    ("address", "words", "hint"),
    [
        (30, [0xFB2E, 0xFFFF, 0xFFFF, 0xFFFF], "the registers are in reverse order"),
        (34, [0x70A4, 0xC145], "the registers are in reverse order"),
        (34, [0x45C1, 0xA470], "the bytes inside each register are exchanged"),
        (34, [0xA470, 0x45C1], "all bytes are in reverse order"),
    ],
)
def test_order_mistakes_are_named(address: int, words: list[int], hint: str) -> None:
    """A field that would be right in another word or byte order is reported as that."""
    (reason,) = failures(judged(planted(address, *words))).values()
    assert reason.endswith(hint)


def test_missing_meter() -> None:
    """A meter on the bus that is not in the map fails SCAN-01 and is shown without registers."""
    comparison = judged([*REGISTERS[:50]])
    (case,) = [c for c in comparison.cases if c.verdict is Verdict.FAIL]
    assert case.requirements == ("SCAN-01",)
    assert "meter b (00428670 ABB): expected an entry with serial number 428670" in case.reason
    assert comparison.meters[1].address is None
    assert comparison.meters[1].verdict is Verdict.FAIL


def test_unexpected_meter() -> None:
    """A meter entry for which there is no meter is a phantom."""
    comparison = judged(None, A)
    assert failures(comparison) == {
        "layout/register-50/unexpected": "registers 50-53: expected no further meter, "
        "seen 428670 ABB version 6 medium 2"
    }


def test_meter_with_other_version_is_still_that_meter() -> None:
    """A wrong version is one wrong field, not one meter missing and one too many."""
    comparison = judged(None, replace(A, version=9), B)
    assert list(failures(comparison)) == ["layout/a/REG-M.3"]


def test_twins_with_one_number() -> None:
    """Two meters that share a serial number are told apart by the rest of their identity."""
    twin = [*REGISTERS[10:50]]
    twin[2:4] = [0x0442, 0x0702]
    other = replace(A, id="twin", manufacturer="ABB", version=7, medium=2)
    assert failures(judged([*REGISTERS[:50], *twin], other, A)) == {}


def test_missing_and_surplus_values() -> None:
    """Too few and too many values break the order of the telegram, each by name."""
    short = judged([*REGISTERS[:70]])
    assert failures(short)["layout/b/order"] == (
        "meter b (00428670 ABB), value 2, Time point, register 70, entry: "
        f"expected integer {0x6AE52F80} × 10^0, seen no entry"
    )
    long = judged([*REGISTERS, *REGISTERS[20:30]])
    assert (
        "register 80-89, entry: expected no further value, seen integer 267"
        in (failures(long)["layout/b/order"])
    )


def test_exchanged_values() -> None:
    """Two values in each other's place are wrong fields and a wrong order."""
    swapped = [*REGISTERS[:20], *REGISTERS[40:50], *REGISTERS[30:40], *REGISTERS[20:30]]
    reasons = failures(judged([*swapped, *REGISTERS[50:]]))
    who, of = "meter a (66600106 LUG)", "of the telegram"
    assert reasons["layout/a/order"].splitlines() == [
        f"{who}, register 20: expected value 1 {of}, seen value 3 (Volume)",
        f"{who}, register 40: expected value 3 {of}, seen value 1 (Energy)",
    ]
    assert "layout/a/REG-V.1" in reasons


def test_value_that_moved() -> None:
    """The image may stem from the last read-out or the one before it."""
    newer = snapshot((replace(READINGS_A[0], integer=268), *READINGS_A[1:]), 60 * 10**9)
    moved = replace(A, snapshots=(*A.snapshots, newer))
    assert failures(judged(None, moved, B)) == {}
    undated = replace(A, snapshots=tuple(replace(s, at_ns=None) for s in moved.snapshots))
    blocks = layout.read(REGISTERS)
    assert failures(compare(blocks, (undated, B))) == {}


def test_values_of_two_readouts_are_torn() -> None:
    """All values must stem from one read-out: a mixture is a failure."""
    newer = tuple(replace(one, integer=(one.integer or 0) + 1) for one in READINGS_A)
    torn = replace(A, snapshots=(*A.snapshots, snapshot(newer)))
    registers = planted(43, 0x614F)
    assert "layout/a/REG-V.1" in failures(compare_untimed(registers, torn))


def compare_untimed(registers: list[int], meter: ExpectedMeter) -> Comparison:
    """Compare without a clock, so that only the values choose the snapshot."""
    return compare(layout.read(registers), (meter, B))


def test_without_clock_the_meter_time_is_not_judged() -> None:
    """What cannot be compared is NOT_APPLICABLE in the table and no case at all."""
    comparison = compare_untimed([*REGISTERS], A)
    assert all("REG-M.4" not in case.requirements for case in comparison.cases)
    (row,) = [r for r in comparison.meters[0].rows if r.requirement == "REG-M.4"]
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "layout/a/REG-M.4" in failures(compare_untimed(planted(14, 0, 0), A))


def test_dead_meter() -> None:
    """For a meter that could not be read the flags are due, and its time may be 0."""
    dead = replace(A, snapshots=(), flags=3)
    registers = [*REGISTERS[:10], *REGISTERS[10:20]]
    registers[14:16] = [0, 0]
    registers[18] = 3
    assert failures(compare(layout.read(registers), (dead,))) == {}
    registers[18] = 1
    assert list(failures(compare(layout.read(registers), (dead,)))) == ["layout/a/REG-M.8"]


def test_hexadecimal_serial_number() -> None:
    """A number with digits A-F has no decimal form: its registers are 0 (C-15)."""
    odd = replace(A, identification_number="6660010F")
    assert failures(judged(planted(10, 0, 0), odd, B)) == {}


def test_no_gateway_entry() -> None:
    """Registers that do not begin with the gateway's entry fail REG-G."""
    comparison = compare(layout.read(REGISTERS[10:], 10), (A, B))
    assert list(failures(comparison)) == ["layout/gateway/found"]
    assert comparison.gateway is None


def test_malformed_and_stray_entries() -> None:
    """An entry of no known type, and values that follow no meter, are cases of their own."""
    reasons = failures(judged(planted(17, 0x0500)))
    assert "register 17: expected type 2" in reasons["layout/register-10/entry"]
    assert reasons["layout/register-20/entry"].endswith(
        "expected a meter entry before the value entry"
    )


def test_unknown_unit_in_the_population() -> None:
    """A unit that the manual does not know cannot be met, and says so."""
    odd = replace(A, snapshots=(snapshot((replace(READINGS_A[0], unit="furlong"),)),))
    reasons = failures(compare(layout.read(REGISTERS[:30]), (odd,)))
    assert "expected (no unit of that name), seen 5 (Wh)" in reasons["layout/a/REG-V.5"]


def test_value_without_data() -> None:
    """A record that carries no data has integer and float 0, with its unit and scale."""
    nothing = Reading("Volume", "m3", None, -3, "no data", timestamp=SENT_AT)
    empty = replace(A, snapshots=(snapshot([nothing]),))
    registers = [*REGISTERS[:20], 0, 0, 0, 0, 0, 0, 0xFFFD, 7, 0x6B00, 0x35C8]
    assert failures(compare(layout.read(registers), (empty,))) == {}
    assert check(layout.read(registers), (empty,)) == list(
        compare(layout.read(registers), (empty,)).cases
    )


def test_a_difference_names_where_the_meter_sent_it() -> None:
    """Register and telegram stand side by side: in the reason, and in the row of the table."""
    sent = replace(READINGS_A[0], telegram=2, offset=31)
    traced = replace(A, snapshots=(snapshot([sent, *READINGS_A[1:]]),))
    comparison = compare(layout.read(planted(23, 0x010C)), (traced, B))
    reason = failures(comparison)["layout/a/REG-V.1"]
    assert "register 20-23, integer" in reason
    assert reason.endswith("sent in telegram 2, byte 31")
    [row] = [row for row in comparison.meters[0].rows if row.verdict is Verdict.FAIL]
    assert (row.address, row.source) == (20, "telegram 2, byte 31")


def test_reasons_are_bounded() -> None:
    """A map that is wrong throughout gives a bounded reason that counts the rest."""
    many = replace(A, snapshots=(snapshot([READINGS_A[0]] * 30),))
    registers = [*REGISTERS[:20], *([0] * 300)]
    reason = failures(compare(layout.read(registers), (many,)))["layout/a/REG-V.1"]
    assert len(reason.splitlines()) == FINDINGS_MAX + 1
    assert reason.endswith("and 10 more; the register table has them all")


@given(st.lists(st.integers(0, 0xFFFF), max_size=120))
def test_total_over_any_registers(registers: list[int]) -> None:
    """Whatever a gateway serves, the check gives cases that make a consistent record."""
    comparison = compare(layout.read(registers), (A, B), gateway=GATEWAY, clock=CLOCK)
    run = Run(title="t", tool_version="0", seed="1", backend="sim")
    record = RunRecord.assemble(
        run, comparison.cases, gateway=comparison.gateway, meters=comparison.meters
    )
    assert record.verdict is Verdict.FAIL
