"""LEDs, read-out cycles and start-up, as events and the wire show them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from reports.record import Evidence, Measurement
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

PRIMARY: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 9,
    "MBUS_TIMEOUT": 500,
    "MBUS_MAXRETRY": 0,
}
NS_PER_S: Final = 1_000_000_000


def leds(trial: Trial, at_ns: int) -> tuple[str, str]:
    """ACT and ST at a moment, from the events; both are off before the first."""
    act = st = "off"
    for event in trial.events:
        if event.at_ns > at_ns:
            break
        if event.kind == "gateway.led.act":
            act = event.fields["value"]
        elif event.kind == "gateway.led.st":
            st = event.fields["value"]
    return act, st


def spans(trial: Trial, kind: str) -> list[tuple[int, int]]:
    """From "running" to the end of each job of a kind, in ns."""
    found, start = [], None
    for event in trial.events:
        if event.kind != kind:
            continue
        if event.fields["value"] == "running":
            start = event.at_ns
        elif start is not None:
            found.append((start, event.at_ns))
            start = None
    return found


def _led_evidence(name: str, seen: str, at_ns: int) -> Evidence:
    return Evidence(kind="event", where=f"gateway.led.{name}", content=seen, at_ns=at_ns)


@case(
    "leds/life",
    "ACT and ST through start-up, idle, scan, read-out, a dead port and power-off",
    ("LED-01.1", "LED-01.2", "LED-02.1", "LED-02.2", "LED-02.3", "LED-02.4"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def life(trial: Trial, verdicts: Verdicts) -> None:
    """The rows of the LED table (C-56), at the middle of each state."""
    first = next((e for e in trial.events if e.kind == "gateway.led.st"), None)
    verdicts.equal(
        "LED-02.3", "first colour of ST, at start-up", "orange",
        first.fields["value"] if first else "none",
    )  # fmt: skip
    await trial.wait_s(5)
    act, st = leds(trial, trial.rt.now())
    verdicts.equal("LED-02.2", "ST while idle", "green", st)
    verdicts.equal("LED-01.1", "ACT while idle", "off", act)
    await trial.appliance.scan()
    await trial.appliance.readout()
    scans, passes = spans(trial, "gateway.scan"), spans(trial, "gateway.readout")
    verdicts.check("LED-02.4", bool(scans), "expected a scan in the events")
    verdicts.check("LED-01.2", bool(passes), "expected a read-out in the events")
    for start, end in scans:
        at = (start + end) // 2
        act, st = leds(trial, at)
        verdicts.equal(
            "LED-02.4", "ST during a scan", "orange_flashing", st, _led_evidence("st", st, at)
        )
        verdicts.equal("LED-01.1", "ACT during a scan", "off", act, _led_evidence("act", act, at))
    for start, end in passes:
        at = (start + end) // 2
        act, st = leds(trial, at)
        verdicts.equal(
            "LED-01.2", "ACT during a read-out", "green", act, _led_evidence("act", act, at)
        )
        verdicts.equal("LED-02.2", "ST during a read-out", "green", st, _led_evidence("st", st, at))
    began = trial.rt.now()
    trial.appliance.reboot()
    await trial.appliance.ready()
    colours = [
        event.fields["value"]
        for event in trial.events
        if event.kind == "gateway.led.st" and event.at_ns >= began
    ]
    verdicts.equal("LED-02.1", "ST at a restart, first", "off", (colours or ["none"])[0])
    verdicts.equal("LED-02.3", "ST at a restart, then", "orange", [*colours, "none", "none"][1])


def _cycle(name: str, title: str, ids: tuple[str, ...], seconds: int | None, cycle: int) -> None:
    config = {**PRIMARY} if seconds is None else {**PRIMARY, "METER_TIME": seconds}

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        await trial.wait_s(3.5 * cycle)
        starts = [start for start, _ in spans(trial, "gateway.readout")]
        verdicts.check(ids[0], len(starts) >= 3, f"expected three read-outs, seen {len(starts)}")
        for before, after in itertools.pairwise(starts):
            for requirement in ids:
                verdicts.measured(
                    requirement,
                    Measurement(
                        name="from read-out to read-out",
                        value=(after - before) / NS_PER_S,
                        unit="s",
                        minimum=cycle - 1,
                        maximum=cycle + 1,
                    ),
                )

    add(SuiteCase(f"cycle/{name}", title, ids, Arrangement(WORKED_EXAMPLES, config), procedure))


_cycle("default", "Meters are read every 900 s by default", ("CFG-01", "NET-10.2"), None, 900)
_cycle("10", "Meters are read every 10 s with METER_TIME=10", ("CFG-01", "NET-10.2"), 10, 10)
_cycle("hour", "Meters are read every hour with METER_TIME=3600", ("CFG-01",), 3600, 3600)


@case(
    "cycle/forced",
    "A commanded read-out refreshes all values at once and leaves the cycle as it is",
    ("MET-04.2", "MET-04.3"),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 100}),
)
async def forced(trial: Trial, verdicts: Verdicts) -> None:
    """The third start is the commanded one; the cycle goes on as if nothing had been."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.wait_s(250)
    began = trial.rt.now()
    await trial.appliance.readout()
    registers = await trial.registers(last=19)
    time = registers[14] << 16 | registers[15]
    now = 1795176000 + began // NS_PER_S
    verdicts.check(
        "MET-04.2", abs(time - now) <= 5, f"time of the meter: expected {now} ± 5, seen {time}"
    )
    await trial.wait_s(200)
    starts = [start for start, _ in spans(trial, "gateway.readout")]
    own = [start for start in starts if not began <= start < began + 2 * NS_PER_S]
    distances = [(b - a) / NS_PER_S for a, b in itertools.pairwise(own)]
    verdicts.check("MET-04.3", len(distances) >= 2, "expected the cycle to go on")
    for distance in distances:
        verdicts.measured(
            "MET-04.3",
            Measurement(
                name="cycle across a commanded read-out",
                value=distance,
                unit="s",
                minimum=99,
                maximum=101,
            ),
        )


LISTED: Final = """<?xml version="1.0" encoding="utf-8"?>
<root>
<version>0x08</version>
<meter>
<interface>M-Bus</interface><serial>0x66600106</serial><manufacturer>LUG</manufacturer>
<version>0x02</version><medium>Heat (outlet)</medium><primaryaddress>0x05</primaryaddress>
<addressmode>1</addressmode>{cycle}<register>10</register>
<value><description>Energy</description><unit>Wh</unit><encodetype>INT32</encodetype>
<scale>1e3</scale><register>20</register></value>
<value><description>Flow temperature</description><unit>Degree C</unit>
<encodetype>INT16</encodetype><scale>1e-2</scale>{active}<register>30</register></value>
<value><description>Volume</description><unit>m3</unit><encodetype>INT32</encodetype>
<scale>1e-2</scale><register>{third}</register></value>
</meter>
</root>
"""


def listed(*, cycle: str = "", active: str = "", third: int = 40) -> dict[str, bytes]:
    """A meter list with meter A of the worked examples, as it would be written by hand."""
    text = LISTED.format(cycle=cycle, active=active, third=third)
    return {"app/Device_Handle.cfg": text.encode()}


@case(
    "cycle/own",
    "A meter may have an interval of its own, and 0 stands for the common one",
    ("NET-10.2", "MET-12.2", "MET-16.3"),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {**PRIMARY, "METER_TIME": 300},
        listed(cycle="<readoutcycle>50</readoutcycle>"),
    ),
)
async def own_cycle(trial: Trial, verdicts: Verdicts) -> None:
    """The list is changed by hand from 50 to 0 and the device restarted."""
    await trial.wait_s(260)
    for limits, file in (((49, 51), None), ((299, 301), "<readoutcycle>0</readoutcycle>")):
        if file is not None:
            files = listed(cycle=file)
            trial.storage.replace("app/Device_Handle.cfg", files["app/Device_Handle.cfg"])
            trial.appliance.reboot()
            await trial.appliance.ready()
            before = trial.rt.now()
            await trial.wait_s(1000)
        else:
            before = 0
        starts = [start for start, _ in spans(trial, "gateway.readout") if start >= before]
        ids = ("MET-12.2", "MET-16.3") if file else ("NET-10.2",)
        for requirement in ids:
            verdicts.check(requirement, len(starts) >= 3, f"read-outs: seen {len(starts)}")
        for a, b in itertools.pairwise(starts):
            for requirement in ids:
                verdicts.measured(
                    requirement,
                    Measurement(
                        name="from read-out to read-out",
                        value=(b - a) / NS_PER_S,
                        unit="s",
                        minimum=limits[0],
                        maximum=limits[1],
                    ),
                )


@case(
    "list/file",
    "A list that was written by hand is served at its registers, an inactive value is not",
    ("MET-14.2", "REG-00.1", "FILE-03.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, listed(active="<active>0</active>")),
)
async def from_file(trial: Trial, verdicts: Verdicts) -> None:
    """C-53: an inactive value keeps its register, which counts as unmapped."""
    await trial.appliance.readout()
    registers = await trial.registers(last=59)
    mapped = sorted({address // 10 * 10 for address in registers})
    for requirement in ("REG-00.1", "FILE-03.1"):
        verdicts.equal(requirement, "entries served", [0, 10, 20, 40], mapped)
    files = listed(third=0)
    trial.storage.replace("app/Device_Handle.cfg", files["app/Device_Handle.cfg"])
    trial.appliance.reboot()
    await trial.appliance.ready()
    registers = await trial.registers(last=59)
    mapped = sorted({address // 10 * 10 for address in registers})
    for requirement in ("MET-14.2", "REG-00.1"):
        verdicts.equal(requirement, "entries served with register 0", [0, 10, 20, 30], mapped)


@case(
    "list/overlap",
    "Of two entries with one register only the first is served",
    ("REG-00.1",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, listed(third=30)),
)
async def overlap(trial: Trial, verdicts: Verdicts) -> None:
    """C-67: from a file the first in the order of the list wins."""
    await trial.appliance.readout()
    registers = await trial.registers(last=59)
    mapped = sorted({address // 10 * 10 for address in registers})
    verdicts.equal("REG-00.1", "entries served", [0, 10, 20, 30], mapped)
    words = tuple(registers.get(30 + i) for i in range(4))
    verdicts.equal("REG-00.1", "register 30", (0xFFFF, 0xFFFF, 0xFFFF, 0xFB2E), words)


@case(
    "list/kept",
    "The list is a file as soon as it is filled, holds only what is no default, and survives",
    ("FILE-03.1", "FILE-03.2", "MET-03.1", "FILE-01", "MET-05.1"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def kept(trial: Trial, verdicts: Verdicts) -> None:
    """Defaults such as addressmode 0 or active 1 are left out; the version stands always."""
    path = "app/Device_Handle.cfg"
    verdicts.equal(
        "FILE-03.1", "the file of an empty list exists", False, trial.storage.exists(path)
    )
    verdicts.equal("MET-03.1", "meters at first", 0, len(trial.appliance.meters()))
    await trial.appliance.scan()
    data = trial.storage.read(path)
    text = data.decode()
    verdicts.check("FILE-03.1", "0x66600106" in text, "expected the meter in the file")
    verdicts.check("FILE-03.2", "<version>0x08</version>" in text, "expected the version")
    for default in ("<active>1</active>", "<register>0</register>", "<tariff>0</tariff>",
                    "<storagenum>0</storagenum>", "<readoutcycle>0</readoutcycle>"):  # fmt: skip
        verdicts.check("FILE-03.2", default not in text, f"expected no {default} in the file")
    for name in (path, "app/chip.ini"):
        head = trial.storage.read(name)[:3]
        verdicts.check("FILE-01", head != b"\xef\xbb\xbf", f"{name}: expected no byte order mark")
    trial.appliance.reboot()
    await trial.appliance.ready()
    numbers = [meter.identification_number for meter in trial.appliance.meters()]
    verdicts.equal("MET-05.1", "the list after a restart", ["66600106", "00428670"], numbers)


@case(
    "settings/empty-file",
    "What chip.ini does not hold has the default of the table",
    ("FILE-02", "CFG-11", "CFG-10.1"),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {},
        {"app/chip.ini": b"[CONFIG]\r\nMODBUS_ENABLE=1\r\n", **listed()},
        baudrate=2400,
    ),
)
async def empty_file(trial: Trial, verdicts: Verdicts) -> None:
    """2400 Bd, four tries of 2000 ms, DHCP on (manual 9.4)."""
    await trial.wait_s(30)
    trial.meters["a"].power(False)
    before = len(trial.frames)
    await trial.appliance.readout()
    requests = [
        frame
        for frame in trial.frames[before:]
        if frame.meter is None and frame.data[1:2] in (b"\x7b", b"\x5b")
    ]
    for requirement in ("FILE-02", "CFG-11"):
        verdicts.equal(requirement, "requests to a silent meter", 4, len(requests))
    for a, b in itertools.pairwise(requests):
        distance = (b.first_ns - 11 * 1e9 / 2400 - a.at_ns) / 1e6
        for requirement in ("FILE-02", "CFG-11"):
            verdicts.measured(
                requirement,
                Measurement(
                    name="silence before the next try",
                    value=distance,
                    unit="ms",
                    minimum=1999.999,
                    maximum=2014,
                ),
            )
    last = requests[-1]
    bits = (last.at_ns - last.first_ns) * 2400 / 1e9
    verdicts.check("CFG-10.1", abs(bits - 44) < 0.01, f"expected 44 bits of 2400 Bd, seen {bits}")


def _baud(baudrate: int) -> None:
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        numbers = [meter.identification_number for meter in trial.appliance.meters()]
        for requirement in ("CFG-10.2", "TROUBLE-01.2"):
            verdicts.equal(requirement, f"found at {baudrate} Bd", ["66600106"], numbers)

    add(
        SuiteCase(
            f"settings/baud-{baudrate}",
            f"Meters of {baudrate} Bd are found with MBUS_BAUDRATE={baudrate}",
            ("CFG-10.2", "TROUBLE-01.2"),
            Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "MBUS_TIMEOUT": 3000}, baudrate=baudrate),
            procedure,
        )
    )


for _baudrate in (300, 600, 1200, 2400, 4800, 9600, 19200):
    _baud(_baudrate)


@case(
    "settings/wrong-baud",
    "Meters of another baud rate are not found",
    ("TROUBLE-01.2",),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {**PRIMARY, "MBUS_BAUDRATE": 9600},
        baudrate=2400,
    ),
)
async def wrong_baud(trial: Trial, verdicts: Verdicts) -> None:
    """The symptom without the remedy: the master talks at 9600 Bd, the meter listens at 2400."""
    await trial.appliance.scan()
    numbers = [meter.identification_number for meter in trial.appliance.meters()]
    verdicts.equal("TROUBLE-01.2", "found at the wrong baud rate", [], numbers)


@case(
    "settings/limits-later",
    "Limits that are set later leave what is listed as it is",
    ("CFG-03.3", "CFG-04.3"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def limits_later(trial: Trial, verdicts: Verdicts) -> None:
    """C-71: the list was made before; one meter and one value would be the limit now."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.set_chip_ini(METER_MAXDEVICECOUNT=1, METER_MAXVALUECOUNT=1)
    await trial.appliance.scan()
    meters = trial.appliance.meters()
    verdicts.equal("CFG-03.3", "meters", 2, len(meters))
    verdicts.equal("CFG-04.3", "values", [3, 2], [len(meter.entry.values) for meter in meters])


def _devices(unit_loads: int) -> None:
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        limit = trial.appliance.configuration().meter_maxdevicecount
        verdicts.equal("CFG-03.1", "the factory's device count", unit_loads, limit)
        count = trial.appliance.configuration().meter_maxvaluecount
        verdicts.equal("CFG-04.1", "the factory's value count", 25, count)

    add(
        SuiteCase(
            f"settings/factory-{unit_loads}",
            f"The {unit_loads} UL model lists {unit_loads} meters of 25 values by default",
            ("CFG-03.1", "CFG-04.1"),
            Arrangement(unit_loads=unit_loads),
            procedure,
        )
    )


_devices(20)
_devices(80)


@case(
    "settings/no-value-limit",
    "A value count of 0 is no limit",
    ("CFG-04.2",),
    Arrangement(
        (
            {
                "id": "big",
                "profile": "electricity-multipage",
                "identification_number": 40000001,
                "primary_address": 5,
            },
        ),
        {**PRIMARY, "METER_MAXVALUECOUNT": 0},
    ),
)
async def no_value_limit(trial: Trial, verdicts: Verdicts) -> None:
    """All 30 values of three telegrams."""
    await trial.appliance.scan()
    counts = [len(meter.entry.values) for meter in trial.appliance.meters()]
    verdicts.equal("CFG-04.2", "values", [30], counts)
