"""Probes of the MBAP header and of unit identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulators.modbus.wire import Observation

if TYPE_CHECKING:
    from simulators.modbus.wire import Prober

TRANSACTION_IDENTIFIERS: Final = (0x0000, 0x0001, 0x1234, 0xFFFF)
#: Length fields that no frame can have: it counts the unit identifier and a PDU of 1 to 253.
BAD_LENGTHS: Final = (0, 1, 255, 300, 0xFFFF)
FOREIGN_PROTOCOL: Final = 1
#: Units looked at for images of their own (C-11), and where an unknown one is looked for.
UNITS_LOOKED_AT: Final = tuple(range(1, 17))
UNITS_PROBABLY_UNKNOWN: Final = (247, 246, 200, 129, 100, 64, 33, 17)
#: Registers compared between units.
COMPARED_REGISTERS: Final = 10


async def transaction_identifiers(prober: Prober) -> Observation:
    """Ask with the corners of the range (MBAP-01)."""
    steps = []
    for identifier in TRANSACTION_IDENTIFIERS:
        pdu = prober.read()[7:]
        data = prober.adu(pdu, transaction_identifier=identifier)
        steps.append(await prober.ask(f"transaction identifier {identifier:04X}", data))
    return Observation(tuple(steps))


async def headers(prober: Prober) -> Observation:
    """Collect answers of three kinds and sizes, for what their headers say (MBAP-02, 04, 07)."""
    return Observation(
        (
            await prober.ask("one register", prober.read()),
            await prober.ask("125 registers", prober.read(125)),
            await prober.ask("exception", prober.read(0)),
            await prober.ask("identification", prober.adu(bytes((0x2B, 0x0E, 0x01, 0x00)))),
        )
    )


async def foreign_protocol(prober: Prober) -> Observation:
    """Send a frame of another protocol, then a good request on the same connection (MBAP-03)."""
    foreign = bytearray(prober.read())
    foreign[2:4] = FOREIGN_PROTOCOL.to_bytes(2, "big")
    await prober.settle()
    link = await prober.connect()
    prober.count(2)
    silent = await link.exchange("protocol identifier 1", bytes(foreign), expect=0)
    good = await link.exchange("good request behind it", prober.read())
    prober.hang_up(link)
    return Observation((silent, good))


async def bad_lengths(prober: Prober) -> Observation:
    """Send headers whose length field cannot be true, each on its own connection (MBAP-05)."""
    steps = []
    for length in BAD_LENGTHS:
        frame = bytearray(prober.read())
        frame[4:6] = length.to_bytes(2, "big")
        steps.append(await prober.lone(f"length {length}", bytes(frame), expect=0))
        steps.append(await prober.lone(f"alive after length {length}", prober.read()))
    return Observation(tuple(steps))


async def ill_fitting_lengths(prober: Prober) -> Observation:
    """Send requests whose PDU is longer or shorter than its function needs (MBAP-06)."""
    pdu = prober.read()[7:]
    return Observation(
        tuple(
            [
                await prober.lone(label, prober.adu(body), linger_s=prober.limits.silence_s / 2)
                for label, body in (
                    ("two bytes too many", pdu + b"\x00\x01"),
                    ("two bytes too few", pdu[:-2]),
                )
            ]
        )
    )


async def unit_echo(prober: Prober) -> Observation:
    """Ask for a normal answer and for a refused one (UID-01)."""
    return Observation(
        (
            await prober.ask("normal", prober.read()),
            await prober.ask("exception", prober.read(0)),
        )
    )


async def own_units(prober: Prober) -> Observation:
    """Ask the unit identifiers that mean the device itself (UID-02, UID-05)."""
    return Observation(
        tuple(
            [
                await prober.ask(f"unit {unit}", prober.read(unit_identifier=unit))
                for unit in (0, 255)
            ]
        )
    )


async def units(prober: Prober) -> Observation:
    """Read the same registers in several units: own images, unknown units (UID-03, UID-04)."""
    steps = []
    for unit in (prober.unit_identifier, *UNITS_LOOKED_AT, *UNITS_PROBABLY_UNKNOWN):
        data = prober.read(unit_identifier=unit)
        step = await prober.ask(f"unit {unit}", data, wait_s=prober.limits.silence_s)
        steps.append(step)
        if step.only is not None and step.refusal is None:
            # Where each meter has a unit of its own, its entry begins at register 10.
            data = prober.read(COMPARED_REGISTERS, 10, unit_identifier=unit)
            steps.append(await prober.ask(f"entry of unit {unit}", data))
    return Observation(tuple(steps))
