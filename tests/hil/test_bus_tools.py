"""Addressing and diagnosis on a simulated bus, in virtual time (they meet on the wire only)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from gateway.device import addressing, diagnosis
from gateway.device.diagnosis import Heard
from gateway.device.link import Link, LinkSettings
from gateway.device.readout import Target, selection_mask
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryAddress
from gateway.runtime.port import NS_PER_MS, Fault, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators import population
from simulators.network import Network

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SETTINGS = LinkSettings(300 * NS_PER_MS, 100 * NS_PER_MS, 10_000 * NS_PER_MS, tries=2)
METERS = (
    {"id": "a", "profile": "heat-basic", "identification_number": 11111111, "primary_address": 5},
    {"id": "b", "profile": "water-cold", "identification_number": 22222222, "primary_address": 9},
)


def on_bus(
    procedure: Callable[[Any, Any, Link], Awaitable[Any]],
    meters: tuple[dict[str, Any], ...] = METERS,
    baudrate: int = 2400,
    **bus: Any,
) -> tuple[Any, Network]:
    """Run a procedure that gets runtime, line and link on a simulated bus."""
    env = simpy.Environment()
    document = {"meters": [dict(one) for one in meters], "bus": bus}
    network = Network(env, population.parse(document, source="test"), baudrate=baudrate)
    opener = partial(network.open_port, received=Received, fault=Fault)
    rt = simulated_runtime(env, lines={"sim:": opener})

    async def main(rt: Any) -> Any:
        line = await rt.open_line("sim:", LineFormat(baudrate=2400))
        return await procedure(rt, line, Link(rt, line, SETTINGS))

    return rt.run(main), network


def by_number(number: str) -> Target:
    """Call a meter by its identification number."""
    address = SecondaryAddress(number, 0xFFFF, 0xFF, 0xFF)
    return Target(Addressing.SECONDARY, 0, selection_mask(address, 0))


# --- set-address ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [addressing.primary(9), by_number("22222222")])
def test_an_address_is_written_and_verified(target: Target) -> None:
    """Read, write by CI 51 with 01 7A, read at the new address; the other meter keeps its own."""

    async def procedure(_rt: Any, _line: Any, link: Link) -> addressing.Identified:
        found = await addressing.identify(link, target)
        assert found is not None
        assert not await addressing.is_taken(link, 17)
        await addressing.write(link, target, 17)
        await addressing.verify(link, 17, found)
        return found

    found, network = on_bus(procedure)
    assert found.a_field == 9
    assert network.meters["b"].primary_address == 17
    assert network.meters["a"].primary_address == 5
    frames = [one.value for one in network.observations if one.path == "bus.frame"]
    assert any("51017a11" in frame for frame in frames)


def test_a_taken_address_is_noticed() -> None:
    """Two meters of one address are the mistake that takes longest to find."""

    async def procedure(_rt: Any, _line: Any, link: Link) -> bool:
        return await addressing.is_taken(link, 5)

    taken, _ = on_bus(procedure)
    assert taken


def test_a_meter_that_is_not_there_is_not_written_to() -> None:
    """Nobody acknowledges: the message says how far it came."""

    async def procedure(_rt: Any, _line: Any, link: Link) -> None:
        assert await addressing.identify(link, by_number("33333333")) is None
        with pytest.raises(addressing.AddressingError, match="not selected: silence"):
            await addressing.write(link, by_number("33333333"), 7)
        with pytest.raises(ValueError, match="0 to 250"):
            await addressing.write(link, by_number("22222222"), 251)

    on_bus(procedure)


def test_another_meter_at_the_new_address_is_told() -> None:
    """Verification reads who answers, not only that somebody does."""

    async def procedure(_rt: Any, _line: Any, link: Link) -> None:
        found = await addressing.identify(link, addressing.primary(9))
        assert found is not None
        with pytest.raises(addressing.AddressingError, match="another meter answers at address 5"):
            await addressing.verify(link, 5, found)
        with pytest.raises(addressing.AddressingError, match="nobody answers at address 77"):
            await addressing.verify(link, 77, found)

    on_bus(procedure)


# --- scan --diagnose --------------------------------------------------------------------------


def diagnosed(
    *baudrates: int, meters: tuple[dict[str, Any], ...] = METERS, baudrate: int = 2400, **bus: Any
) -> tuple[list[diagnosis.AtBaudrate], list[diagnosis.Remedy]]:
    """Sweep over some baud rates; the device is set to 2400 Bd."""

    async def procedure(rt: Any, line: Any, _link: Link) -> list[diagnosis.AtBaudrate]:
        form, settings = LineFormat(), replace(SETTINGS, tries=1)
        return [one async for one in diagnosis.sweep(rt, line, form, settings, baudrates)]

    found, _ = on_bus(procedure, meters, baudrate, **bus)
    return found, diagnosis.remedies(found, 2400)


def test_meters_of_another_baud_rate_are_found() -> None:
    """Remedy 7: a different M-Bus baud rate."""
    found, remedies = diagnosed(2400, 300, 9600, baudrate=300)
    assert [one.anybody for one in found] == [False, True, False]
    assert remedies[0].finding == "meters answer at 300 Bd and not at 2400 Bd"
    assert "MBUS_BAUDRATE=300" in remedies[0].advice


def test_a_healthy_bus_needs_nothing() -> None:
    """One meter, at the rate that is set."""
    _, remedies = diagnosed(2400, meters=METERS[:1])
    assert remedies == [
        diagnosis.Remedy("meters answer at 2400 Bd", "nothing to mend: scan the bus")
    ]


def test_several_meters_are_told_apart_from_one() -> None:
    """A collision is no fault; a scan that takes long has its own remedies."""
    meters = tuple({**one, "answer_delay_bits": [11 + 3 * n, 11 + 3 * n]}
                   for n, one in enumerate(METERS))  # fmt: skip
    found, remedies = diagnosed(2400, meters=meters)
    assert found[0].selected is Heard.SEVERAL
    assert "SECONDARYSCANREVERSE" in remedies[0].advice


def test_an_empty_bus_gets_the_whole_list() -> None:
    """Nobody anywhere: cable, mode, time-out, tries, modes, one by one."""
    found, remedies = diagnosed(2400, 300, meters=({**METERS[0], "faults": [{"dead": True}]},))
    assert not any(one.anybody for one in found)
    assert remedies[0].finding == "nobody answers at any baud rate"
    for word in ("36 V", "MBUS_TIMEOUT", "MBUS_MAXRETRY", "one by one"):
        assert word in remedies[0].advice


def test_a_babbling_meter_is_named() -> None:
    """Characters that nobody asked for: disconnect the meters one by one."""
    meters = ({**METERS[0], "faults": [{"babble": {"every": "200 ms", "characters": 12}}]},)
    found, remedies = diagnosed(2400, meters=meters)
    assert found[0].unasked
    assert "talks without being asked" in remedies[0].finding
    assert "one by one" in remedies[0].advice


def test_noise_is_told_from_a_talker() -> None:
    """Few characters in a second are a disturbance."""
    form = diagnosis.AtBaudrate(2400, Heard.ONE_OR_MORE, Heard.ONE_OR_MORE, b"\xfd", False, None)
    [remedy] = diagnosis.remedies([form], 2400)
    assert remedy.finding.startswith("noise: 1 characters")


def test_an_echo_is_found() -> None:
    """A converter that sends everything back needs no remedy, and is named."""
    found, remedies = diagnosed(2400, meters=METERS[:1], faults=[{"echo": True}])
    assert found[0].echoes
    assert "sends back" in remedies[0].finding


def test_meters_without_secondary_addresses_want_a_primary_scan() -> None:
    """Some answer the test address and no selection: scan as a primary scan as well."""
    found, remedies = diagnosed(2400, meters=({**METERS[0], "behaviour": {"select": "none"}},))
    assert (found[0].selected, found[0].tested) == (Heard.NOTHING, Heard.ONE_OR_MORE)
    [remedy] = remedies
    assert "PRIMARYSCAN" in remedy.advice


def test_a_meter_that_answers_late_wants_a_higher_time_out() -> None:
    """Remedy 7: the answer comes, but MBUS_TIMEOUT (300 ms here) is over."""
    found, remedies = diagnosed(2400, meters=({**METERS[0], "faults": [{"late": {"by": "2 s"}}]},))
    assert found[0].late
    assert found[0].anybody
    assert remedies[0].finding.startswith("somebody answers at 2400 Bd when MBUS_TIMEOUT is over")
    timeout = int(remedies[0].advice.split("MBUS_TIMEOUT=")[1].split(",")[0])
    assert 2500 < timeout < 5000


def test_a_meter_that_does_not_answer_every_request_wants_more_tries() -> None:
    """Remedy 10: the first call stays unanswered, the second does not."""
    meters = ({**METERS[0], "faults": [{"silent": {"times": 1}}]},)
    found, remedies = diagnosed(2400, meters=meters)
    assert found[0].at_second_call
    assert "MBUS_MAXRETRY" in remedies[0].advice


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ({"version": 0x99}, "MBUS_SELECTMASK=4 reads it (any version)"),
        ({"medium": 3}, "MBUS_SELECTMASK=8 reads it (any medium)"),
        ({"manufacturer": "ZRI"}, "MBUS_SELECTMASK=2 reads it (any manufacturer)"),
    ],
)
def test_a_meter_alone_that_is_wrongly_declared_wants_a_select_mask(
    header: dict[str, Any], advice: str
) -> None:
    """Manual 8.3, detected but no data: which part of the address is to be wild."""
    found, remedies = diagnosed(2400, meters=({**METERS[0], "faults": [{"header": header}]},))
    assert found[0].misdeclared is not None
    [remedy] = remedies
    assert "11111111" in remedy.finding
    assert remedy.advice.startswith(advice)


def test_a_meter_whose_data_are_garbled_is_not_called_wrongly_declared() -> None:
    """Without an address there is nothing to say about it."""
    found, _ = diagnosed(2400, meters=({**METERS[0], "faults": [{"bad_checksum": {}}]},))
    assert found[0].selected is Heard.ONE_OR_MORE
    assert found[0].misdeclared is None


DEAD = {**METERS[0], "faults": [{"dead": True}]}
TWO = tuple({**one, "answer_delay_bits": [11 + 3 * n, 11 + 3 * n]} for n, one in enumerate(METERS))
#: Every step of manual 8.3 about meters, the bus on which it is named, and the words of the advice.
STEPS: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "none detected 1: cable": ((DEAD,), "cable"),
    "none detected 2: voltage": ((DEAD,), "36 V"),
    "none detected 3: M-Bus mode": ((DEAD,), "M-Bus mode is on"),
    "none detected 4: search mode": ((DEAD,), "primary scan"),
    "none detected 5: narrower": ((DEAD,), "narrower"),
    "none detected 6: request and reset mode": ((DEAD,), "request and reset modes"),
    "none detected 7: timeout": (
        ({**METERS[0], "faults": [{"late": {"by": "2 s"}}]},),
        "MBUS_TIMEOUT=",
    ),
    "none detected 8: one by one": ((DEAD,), "one by one"),
    "none detected 9: another meter": ((DEAD,), "connect another one"),
    "none detected 10: more tries": (
        ({**METERS[0], "faults": [{"silent": {"times": 1}}]},),
        "MBUS_MAXRETRY",
    ),
    "some not detected 1: both scans": (
        ({**METERS[0], "behaviour": {"select": "none"}},),
        "MBUS_SCANMODE=PRIMARYSCAN",
    ),
    "some not detected 3: one by one": (
        ({**METERS[0], "faults": [{"babble": {"every": "200 ms", "characters": 12}}]},),
        "one by one",
    ),
    "no data: MBUS_SELECTMASK": (
        ({**METERS[0], "faults": [{"header": {"version": 99}}]},),
        "MBUS_SELECTMASK=4",
    ),
    "too long 1: narrower": (TWO, "start address or mask"),
    "too long 2: fewer tries": (TWO, "lower MBUS_MAXRETRY"),
    "too long 3: another mode": (TWO, "SECONDARYSCANREVERSE"),
    "restarts 1: WATCHDOG_SCAN": (TWO, "WATCHDOG_SCAN"),
    "restarts 3: split the bus": (TWO, "split the bus"),
}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_manual_is_advised_where_it_fits(step: str) -> None:
    """Manual 8.3, step by step, each on a bus that calls for it."""
    meters, words = STEPS[step]
    _, remedies = diagnosed(2400, meters=meters)
    assert any(words in remedy.advice for remedy in remedies), remedies


@pytest.mark.parametrize("step", ["cable", "SELECTMASK", "PRIMARYSCAN", "one by one"])
def test_a_healthy_bus_is_not_advised(step: str) -> None:
    """Where nothing is wrong, nothing is to be done."""
    _, [remedy] = diagnosed(2400, meters=METERS[:1])
    assert step not in remedy.advice
