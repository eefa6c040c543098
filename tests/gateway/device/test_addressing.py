"""Writing a primary address: into the meter that was read, and into no other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from gateway.device import addressing
from gateway.device.link import Link
from gateway.device.readout import Target
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.runtime.port import Fault, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators import population
from simulators.network import Network
from tests.gateway.device.test_search_on_line import meter
from tests.gateway.device.wire import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simulators.runtime import SimRuntime

NUMBER = "12345678"
BY_NUMBER = Target(Addressing.SECONDARY, 253, SecondaryMask(NUMBER))
BAUDRATE = 2400


def entry(name: str, number: str, medium: int, delay: tuple[float, float]) -> dict[str, Any]:
    """A meter LUG 2 at primary address 1, like the others but for its medium."""
    one = meter(name, number, random.Random(name), delay)
    return one | {"manufacturer": "LUG", "version": 2, "medium": medium, "primary_address": 1}


def on_line(
    entries: list[dict[str, Any]], conversation: Callable[[Link], Coroutine[Any, Any, None]]
) -> list[str]:
    """Hold a conversation with simulated meters; gives the telegrams that were sent."""
    env = simpy.Environment()
    network = Network(env, population.parse(entries, source="test"), seed=1, baudrate=BAUDRATE)

    async def main(rt: SimRuntime) -> None:
        form = LineFormat(baudrate=BAUDRATE)
        line = network.open_port(rt, form, received=Received, fault=Fault)
        await conversation(Link(rt, line, DEFAULTS))
        await line.close()

    rt = simulated_runtime(env, lines={})
    rt.run(main)
    return [fields["data"] for _, kind, fields in rt.trace if kind == "link.sent"]


def test_only_the_meter_that_was_read_is_changed() -> None:
    """Another one with its number comes onto the bus between the reading and the writing."""
    found: list[addressing.Identified] = []

    async def look(link: Link) -> None:
        one = await addressing.identify(link, BY_NUMBER)
        assert one is not None
        found.append(one)

    heat, water = entry("heat", NUMBER, 4, (11, 20)), entry("water", NUMBER, 7, (100, 120))
    on_line([heat], look)
    lug = found[0].address
    assert lug is not None
    assert (lug.identification_number, lug.version, lug.medium) == (NUMBER, 2, 4)

    async def change(link: Link) -> None:
        await addressing.write(link, addressing.by_full_address(BY_NUMBER, found[0]), 77)
        await addressing.verify(link, 77, found[0])
        other = SecondaryAddress(NUMBER, lug.manufacturer, 2, 7)
        target = Target(Addressing.SECONDARY, 253, other.to_mask())
        untouched = await addressing.identify(link, target)
        assert untouched == addressing.Identified(other, 1)

    sent = on_line([heat, water], change)
    selected = [data for data in sent if "fd52" in data]
    # The number, least significant byte first, LUG as A732, version 2 and medium 4.
    assert selected[0][14:30] == "78563412a7320204"


@pytest.mark.parametrize("late", [(11, 11), (14, 30), (200, 300)])
def test_two_meters_of_one_number_are_refused(late: tuple[float, float]) -> None:
    """Answers in phase, on top of each other, and one behind the other."""
    entries = [entry("heat", NUMBER, 4, (11, 11)), entry("water", NUMBER, 7, late)]

    async def both(link: Link) -> None:
        with pytest.raises(addressing.AddressingError, match="several meters"):
            await addressing.identify(link, BY_NUMBER)

    sent = on_line(entries, both)
    assert not any("51017a" in data for data in sent)


def test_nothing_is_written_where_two_acknowledge() -> None:
    """The mask is asked anew before it is written to: somebody may have come in between."""

    async def both(link: Link) -> None:
        with pytest.raises(addressing.AddressingError, match="several meters"):
            await addressing.write(link, BY_NUMBER, 77)

    entries = [entry("heat", NUMBER, 4, (11, 11)), entry("water", NUMBER, 7, (200, 300))]
    sent = on_line(entries, both)
    assert not any("51017a" in data for data in sent)


def test_a_meter_that_is_not_there() -> None:
    """Nobody answers: None, and writing is refused."""

    async def nobody(link: Link) -> None:
        assert await addressing.identify(link, BY_NUMBER) is None
        with pytest.raises(addressing.AddressingError, match="not selected"):
            await addressing.write(link, BY_NUMBER, 77)

    on_line([entry("heat", "87654321", 4, (11, 20))], nobody)


def test_a_primary_address_says_all_that_there_is() -> None:
    """No selection is made for a meter that was called by its primary address."""
    found = addressing.Identified(SecondaryAddress(NUMBER, 0x32A7, 2, 4), 1)
    assert addressing.by_full_address(addressing.primary(1), found) == addressing.primary(1)
