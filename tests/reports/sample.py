"""A run record as a bench would make it, with passes, failures and gaps, for the renderers.

Built from the reports' own types only: three meters, one with a wrong field, one missing, a
timeline, measurements, a hostile text, and every verdict of the lattice.
"""

from __future__ import annotations

from typing import Final

from reports.record import (
    Case,
    Evidence,
    Lane,
    Measurement,
    RegisterRow,
    RegisterTable,
    Requirement,
    Run,
    RunRecord,
    Span,
    Timeline,
    Tone,
    Trace,
)
from reports.verdict import Verdict, join

S: Final = 1_000_000_000

#: What a meter might send as its text; it must never become markup.
HOSTILE: Final = '<script>alert("1")</script> & <b>'

CATALOGUE: Final = {
    id_: Requirement(id=id_, section=section, text=text)
    for id_, section, text in (
        ("MOD-02", "5.1", "Function code 0x03 reads the meter data."),
        ("REG-M.1", "6.2", "Registers +0 and +1 of a meter hold its serial number as an integer."),
        ("REG-M.7", "6.2", "Flag bit 0 is 1 while the meter could not be read, else 0."),
        ("REG-V.1", "6.2", "Registers +0 to +3 of a value hold the unscaled signed integer."),
        ("REG-V.2", "6.2", "Registers +4 and +5 of a value hold the scaled value as a float32."),
        ("SCAN-01", "6.1", "The secondary search finds every meter on the bus."),
        ("WDG-01", "9.4", "A scan longer than WATCHDOG_SCAN restarts the gateway."),
        ("WDG-02", "9.4", "The idle watchdog restarts a gateway whose main loop stands still."),
        ("WEB-05", "4.1", "One logged-in user at a time may write."),
        ("LED-02", "3.3", "ST flashes orange during a scan."),
    )
}


def row(
    address: int, entry: str, field: str, words: str, expected: str, seen: str, requirement: str
) -> RegisterRow:
    """Return a row whose verdict follows from expected and seen."""
    return RegisterRow(
        address=address,
        entry=entry,
        field=field,
        registers=tuple(int(word, 16) for word in words.split()),
        expected=expected,
        seen=seen,
        requirement=requirement,
        verdict=Verdict.PASS if seen.startswith(expected) else Verdict.FAIL,
    )


def table(id_: str, title: str, address: int | None, *rows: RegisterRow) -> RegisterTable:
    """Return a table with the verdict of its worst row, FAIL without an address."""
    worst = join(one.verdict for one in rows) if address is not None else Verdict.FAIL
    note = "" if address is not None else "The meter is on the bus and not in the register map."
    return RegisterTable(id=id_, title=title, address=address, rows=rows, verdict=worst, note=note)


def meter_rows(base: int, serial: str, number: int) -> tuple[RegisterRow, ...]:
    """Return a good meter entry with one value."""
    return (
        row(base, "meter", "serial number", serial, str(number), str(number), "REG-M.1"),
        row(base + 2, "meter", "manufacturer", "32A7", "LUG (32A7)", "LUG (32A7)", "REG-M.2"),
        row(base + 8, "meter", "flag: could not be read", "0000", "0", "0", "REG-M.7"),
        row(
            base + 10, "value 1, Energy", "integer", "0000 0000 0000 010B", "267", "267", "REG-V.1"
        ),
        row(base + 14, "value 1, Energy", "float", "4882 5F00", "267000.0", "267000.0", "REG-V.2"),
        row(base + 17, "value 1, Energy", "unit", "0005", "5 (Wh)", "5 (Wh)", "REG-V.5"),
    )


GOOD: Final = table("heat-1", "heat-1 (66600106 LUG)", 10, *meter_rows(10, "03F8 3CAA", 66600106))
WRONG: Final = table(
    "heat-2",
    "heat-2 (66600107 LUG)",
    30,
    *meter_rows(30, "03F8 3CAB", 66600107),
    row(50, "value 2, Flow temperature", "integer", "FB2E FFFF FFFF FFFF", "-1234",
        "-347058603396726785; the registers are in reverse order", "REG-V.1"),
    row(54, "value 2, Flow temperature", "float", "C145 70A4", "-12.34", "-12.34", "REG-V.2"),
)  # fmt: skip
MISSING: Final = table("water-1", f"water-1 (20000000 KAM) {HOSTILE}", None)
BLOCK: Final = table(
    "gateway", "Gateway", 0,
    row(0, "gateway", "serial number", "0001 2883", "75907", "75907", "REG-G.1"),
    row(2, "gateway", "protocol version", "0001", "1", "1", "REG-G.2"),
)  # fmt: skip

CASES: Final = (
    Case(
        id="modbus/read", title="A client reads every register", requirements=("MOD-02",),
        verdict=Verdict.PASS, at_ns=12 * S,
        evidence=(Evidence(kind="frame", where="modbus, server to client", at_ns=12 * S + 1_234_567,
                           content="00 01 00 00 00 07 FF 03 04 C1 45 70 A4"),),
        measurements=(Measurement(name="round trip", value=0.82, unit="ms", maximum=100,
                                  uncertainty=0.05),),
    ),
    Case(
        id="layout/heat-2/REG-V.1", title="Meter heat-2 (66600107 LUG): integer of each value",
        requirements=("REG-V.1",), verdict=Verdict.FAIL,
        reason="meter heat-2 (66600107 LUG), value 2, Flow temperature, register 50-53, integer: "
        "expected -1234, seen -347058603396726785 (FB2E FFFF FFFF FFFF); "
        "the registers are in reverse order",
        evidence=(Evidence(kind="register", where="registers 50-53",
                           content="FB2E FFFF FFFF FFFF"),),
    ),
    Case(
        id="layout/water-1/found", title=f"Meter water-1 is in the register map {HOSTILE}",
        requirements=("SCAN-01",), verdict=Verdict.FAIL,
        reason="meter water-1 (20000000 KAM): expected an entry with serial number 20000000, "
        "seen none in the whole map",
    ),
    *(Case(id=f"layout/heat-{n}/{requirement}", title=f"Meter heat-{n}: {field}",
           requirements=(requirement,), verdict=Verdict.PASS)
      for n in (1, 2)
      for requirement, field in (("REG-M.1", "serial number"), ("REG-M.7", "flag"),
                                 ("REG-V.2", "float of each value"))),
    Case(
        id="watchdog/scan", title="A scan beyond its limit restarts the gateway",
        requirements=("WDG-01",), verdict=Verdict.INCONCLUSIVE,
        reason="the scan ended after 96 s of 120 s: the trigger never fired",
    ),
    Case(
        id="leds/scan", title="ST flashes orange during a scan", requirements=("LED-02",),
        verdict=Verdict.NOT_RUN, reason="LEDs cannot be seen on backend hil",
    ),
    Case(
        id="web/lock", title="A second writer is refused", requirements=("WEB-05",),
        verdict=Verdict.NOT_APPLICABLE, reason="the device claims no web interface",
    ),
)  # fmt: skip

TIMELINE: Final = Timeline(
    end_ns=96 * S,
    lanes=(
        Lane(name="bus", spans=tuple(
            Span(start_ns=at * S // 4, end_ns=at * S // 4 + S // 9, label="telegram")
            for at in (*range(8, 60, 2), *range(120, 180), *range(280, 340)))),
        Lane(name="heat-1 (66600106 LUG)", spans=(
            Span(start_ns=15 * S, end_ns=96 * S, label="read", tone=Tone.GOOD),)),
        Lane(name="heat-2 (66600107 LUG)", spans=(
            Span(start_ns=18 * S, end_ns=60 * S, label="read", tone=Tone.GOOD),
            Span(start_ns=60 * S, end_ns=75 * S, label="late", tone=Tone.WARNING),
            Span(start_ns=75 * S, end_ns=96 * S, label="wrong", tone=Tone.FAILURE))),
        Lane(name="water-1 with a very long name indeed", spans=(
            Span(start_ns=40 * S, end_ns=40 * S, label="lost", tone=Tone.FAILURE),)),
    ),
)  # fmt: skip

RUN: Final = Run(
    title="Acceptance of a building gateway",
    command="meterbench demo --seconds 20 --report out",
    tool_version="0.1.0",
    commit="f0e7e19",
    seed="7",
    backend="sim",
    started="2026-11-20T12:00:00Z",
    virtual_duration_ns=96 * S,
    real_duration_ns=1_240_000_000,
    facts={"Baud rate": "2400", "Meters on the bus": "3"},
)


def record() -> RunRecord:
    """Return the sample record."""
    return RunRecord.assemble(
        RUN,
        CASES,
        catalogue=CATALOGUE,
        gateway=BLOCK,
        meters=(GOOD, WRONG, MISSING),
        timeline=TIMELINE,
        traces=(Trace(name="events.jsonl", kind="events", sha256="3f" * 32, size_bytes=48_213),),
    )
