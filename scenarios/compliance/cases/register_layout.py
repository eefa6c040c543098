"""Every field of every entry in every layout of the manual (6.2, C-08, C-10, C-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scenarios.checks.expectation import expected_meter
from scenarios.compliance.arrangement import CLOCK, Arrangement
from scenarios.compliance.registry import SuiteCase, add
from scenarios.compliance.verdicts import register_evidence, words_shown
from simulators.modbus.expected_image import (
    Field,
    GatewayTruth,
    Layout,
    MeterTruth,
    ValueTruth,
    fields,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scenarios.checks.expectation import ExpectedMeter, ValueNumbers
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

#: Software version 1.30 as an integer (C-07).
SOFTWARE_VERSION: Final = 130


def _record(dib: str, vib: str, coding: str, value: Any, **expect: Any) -> dict[str, Any]:
    return {"dib": dib, "vib": vib, "coding": coding, "value": value, "expect": expect}


#: Numbers at the edges of every field: both signs, both limits, every width, scales of both signs.
EDGES: Final = (
    _record("07", "03", "int64", 2**63 - 1, value_type="Energy", unit="Wh", scale=0),
    _record("07", "03", "int64", -(2**63), value_type="Energy", unit="Wh", scale=0),
    _record("07", "00", "int64", 0x0102030405060708, value_type="Energy", unit="Wh", scale=-3),
    _record("04", "07", "int32", 0x7FFFFFFF, value_type="Energy", unit="Wh", scale=4),
    _record("04", "10", "int32", -1, value_type="Volume", unit="m3", scale=-6),
    _record("02", "59", "int16", -1234, value_type="Flow temperature", unit="Degree C", scale=-2),
    _record("01", "5B", "int8", 0, value_type="Flow temperature", unit="Degree C", scale=0),
    _record("0C", "14", "bcd8", 12345678, value_type="Volume", unit="m3", scale=-2),
    _record("0E", "06", "bcd12", 999999999999, value_type="Energy", unit="Wh", scale=3),
    _record("05", "2B", "real32", 1234.5, value_type="Power", unit="W"),
    _record("05", "5B", "real32", -0.15625, value_type="Flow temperature", unit="Degree C"),
)
METERS: Final = (
    {"id": "edges", "records": list(EDGES), "manufacturer": "LUG", "version": 2, "medium": 4,
     "identification_number": 66600106, "primary_address": 5},
    {"id": "zeros", "records": [EDGES[6]], "manufacturer": "AAA", "version": 0, "medium": 0,
     "identification_number": 1, "primary_address": 6},
    {"id": "nines", "records": [EDGES[1], EDGES[7]], "manufacturer": "ZZZ", "version": 255,
     "medium": 55, "identification_number": 99999999, "primary_address": 7},
)  # fmt: skip

#: A primary scan lists the meters in the order of their addresses.
CONFIG: Final[Mapping[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 7,
    "MBUS_TIMEOUT": 500,
    "MBUS_MAXRETRY": 0,
}

#: Name of the case, what it says, the settings, the layout, and the option that it needs.
VARIANTS: Final[tuple[tuple[str, str, dict[str, Any], Layout, str | None], ...]] = (
    ("standard", "the standard layout", {}, Layout(), None),
    ("swapped", "MODBUS_SWAP", {"MODBUS_SWAP": 1}, Layout(swap=True), "swap"),
    ("swapped-32", "bit 2 of the protocol version",
     {"MODBUSMETER_PROTOCOLVERSION": 4}, Layout(swap_32=True), "swap"),
    ("swapped-twice", "both swaps, which do not cancel",
     {"MODBUS_SWAP": 1, "MODBUSMETER_PROTOCOLVERSION": 4}, Layout(swap=True, swap_32=True), "swap"),
    ("float-only", "the float-only layout",
     {"MODBUSMETER_PROTOCOLVERSION": 1}, Layout(float_only=True), "float_only"),
    ("float-only-swapped", "the float-only layout with MODBUS_SWAP",
     {"MODBUSMETER_PROTOCOLVERSION": 1, "MODBUS_SWAP": 1},
     Layout(float_only=True, swap=True), "float_only"),
    ("multi-slave", "the multi-slave layout",
     {"MODBUSMETER_PROTOCOLVERSION": 2, "MODBUS_ADDRESS": 2},
     Layout(multi_slave=True, modbus_address=2), "multi_slave"),
    ("multi-slave-float-only", "the multi-slave and float-only layout",
     {"MODBUSMETER_PROTOCOLVERSION": 3}, Layout(multi_slave=True, float_only=True), "multi_slave"),
)  # fmt: skip

GATEWAY_PARTS: Final = tuple(f"REG-G.{n}" for n in (1, 2, 3, 4, 5, 6, 8))
METER_PARTS: Final = tuple(f"REG-M.{n}" for n in (1, 2, 3, 4, 5, 6, 9, 10))
VALUE_PARTS: Final = tuple(f"REG-V.{n}" for n in (1, 2, 3, 5, 6))


def _requirements(layout: Layout) -> tuple[str, ...]:
    """What a layout decides: its fields, and the statement that it is about."""
    values = ("REG-V.2",) if layout.float_only else VALUE_PARTS
    parts = [*GATEWAY_PARTS, *METER_PARTS, *values, "MET-15", "MOD-07"]
    parts += ["SRV-05"] if layout.float_only else []
    parts += ["SRV-06"] if layout.multi_slave else []
    parts += ["MOD-08", "SRV-04.2"] if layout.swap else []
    parts += ["MOD-06.2", "SRV-04.1"] if not layout.swap and not layout.swap_32 else []
    return tuple(parts)


def truth(meter: ExpectedMeter, time: int) -> MeterTruth:
    """Return the entries of a simulated meter as they were sent last."""
    values = meter.snapshots[-1].values if meter.snapshots else ()
    return MeterTruth(
        label=meter.name,
        serial_number=meter.serial_number,
        manufacturer=meter.manufacturer,
        version=meter.version,
        medium=meter.medium,
        time=time,
        flags=meter.flags,
        values=tuple(
            ValueTruth(
                _sent(one), one.integer, one.float_bits, one.scale, one.units, one.time_stamp
            )
            for one in values
        ),
    )


def _sent(value: ValueNumbers) -> str:
    """What a value is, and where the meter sent it."""
    return f"{value.label}, {value.source}" if value.source else value.label


def expected(trial: Trial, layout: Layout) -> list[Field]:
    """Return every field that must be served now."""
    meters = [truth(expected_meter(meter), CLOCK) for meter in trial.meters.values()]
    gateway = GatewayTruth(75907, SOFTWARE_VERSION, CLOCK)
    return list(fields(gateway, meters, layout))


async def compare(trial: Trial, verdicts: Verdicts, layout: Layout) -> None:
    """Compare every field of every unit, and that nothing else is served."""
    wanted = expected(trial, layout)
    about = set(_requirements(layout))
    for unit in dict.fromkeys(field.unit for field in wanted):
        own = [field for field in wanted if field.unit == unit]
        last = max(field.address + field.length for field in own) + 29
        served = await trial.registers(unit, last=last)
        for field in own:
            _compare_one(verdicts, field, served, about)
        mapped = {field.address + i for field in own for i in range(field.length)}
        surplus = sorted(served.keys() - mapped)
        verdicts.check(
            "MET-15",
            not surplus,
            f"unit {unit}: expected nothing behind register {max(mapped)}, seen {surplus[:8]}",
        )
        verdicts.equal("MOD-07", f"unit {unit}: first register", 0, min(served, default=None))


def _compare_one(
    verdicts: Verdicts, field: Field, served: Mapping[int, int], about: set[str]
) -> None:
    seen = [served.get(field.address + i) for i in range(field.length)]
    where = f"unit {field.unit}, register {field.address}, {field.entry}, {field.name}"
    want = " ".join("...." if word is None else f"{word:04X}" for word in field.words)
    got = words_shown(seen)
    evidence = register_evidence(field.address, seen, field.entry)
    finding = f"{where}: expected {want}, seen {got}"
    for requirement in _decided(field, about):
        verdicts.check(requirement, field.fits(seen), finding, evidence)


def _decided(field: Field, about: set[str]) -> Iterator[str]:
    """The statements that a field speaks about: its own, and that about the order of registers."""
    yield field.part
    if field.length > 1 and len(set(field.words)) > 1:
        for order in ("MOD-08", "MOD-06.2", "SRV-04.1", "SRV-04.2"):
            if order in about:
                yield order
    for layout in ("SRV-05", "SRV-06"):
        if layout in about and field.entry != "gateway":
            yield layout


def _register(
    name: str, title: str, config: dict[str, Any], layout: Layout, claims: str | None
) -> None:
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        await trial.appliance.allocate()
        await trial.appliance.readout()
        await compare(trial, verdicts, layout)

    add(
        SuiteCase(
            id=f"layout/{name}",
            title=f"Every field of every entry in {title}",
            requirements=_requirements(layout),
            arrangement=Arrangement(METERS, {**CONFIG, **config}),
            procedure=procedure,
            claims=claims,
        )
    )


for _name, _title, _config, _layout, _claims in VARIANTS:
    _register(_name, _title, _config, _layout, _claims)
