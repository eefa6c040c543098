"""A live gateway's map is the map of its files, in every layout that the manual allows."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.registers.image import build
from gateway.registers.layout import Layout, WordOrder
from scenarios.register_map import listed, live
from scenarios.register_map.differences import differences
from scenarios.register_map.model import Order
from simulators.modbus.wire import Prober
from tests.scenarios.checks.conformance import servers
from tests.scenarios.register_map import lists

if TYPE_CHECKING:
    from gateway.registers.image import RegisterImage

LAYOUTS = [
    Layout(float_only=float_only, multi_slave=multi_slave, word_order=order)
    for float_only, multi_slave, order in itertools.product((False, True), (False, True), WordOrder)
]


def served(image: RegisterImage) -> live.Served:
    """What is found on a gateway that serves an image."""

    async def look() -> live.Served:
        async with servers.ours(lambda: image) as (host, port):
            prober = Prober(host, port)
            found = await live.served(prober)
            prober.hang_up()
            return found

    return asyncio.run(look())


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_map_of_a_live_gateway_is_that_of_its_list(layout: Layout) -> None:
    """Standard, float-only, multi-slave, in every order of registers."""
    meters = lists.meters(layout)
    found = served(lists.image(meters, layout))
    assert found.is_gateway
    assert (found.float_only, found.multi_slave) == (layout.float_only, layout.multi_slave)
    expected = listed.of_list(meters, layout)
    seen = live.of_served(found)
    assert [one.message for one in differences(expected, seen)] == []
    assert sum(row.meter != "" for row in seen.rows) == (17 if layout.float_only else 37)


def test_a_value_of_zeros_is_mapped_and_an_inactive_one_is_not() -> None:
    """Only a request for the two registers alone tells them apart (C-12)."""
    layout = Layout(float_only=True)
    meters = lists.meters(layout)
    whole = lists.image(meters, layout)
    first, second = whole.meters
    hidden = first.values[1]._replace(active=False)
    changed = replace(first, values=(first.values[0], hidden, first.values[2]))
    meters[0].values[1].active = 0
    seen = live.of_served(served(build(whole.gateway, (changed, second), layout=layout)))
    assert [one.message for one in differences(listed.of_list(meters, layout), seen)] == []


@pytest.mark.parametrize("order", WordOrder)
@pytest.mark.parametrize("multi_slave", [False, True])
def test_a_gateway_that_has_read_nothing_yet(order: WordOrder, multi_slave: bool) -> None:
    """Values of 0 with units and scales are the standard layout, in the order of the numbers.

    Nothing but an integer tells the two swaps apart: the order of integers is then not known.
    """
    layout = Layout(multi_slave=multi_slave, word_order=order)
    meters = lists.meters(layout)
    whole = lists.image(meters, layout)
    unread = tuple(
        replace(m, time=0, flags=3, values=tuple(v._replace(integer=0, time=0) for v in m.values))
        for m in whole.meters
    )
    found = served(build(replace(whole.gateway, last_readout=0), unread, layout=layout))
    assert not found.float_only
    is_plain = order is WordOrder.MSB_FIRST
    assert (found.word_order.name == "MSB_FIRST") == is_plain
    orders = {row.word_order for row in live.of_served(found).rows if row.field == "integer"}
    assert orders == ({Order.MSB} if is_plain else {None})
    expected = listed.of_list(meters, layout)
    assert [one.message for one in differences(expected, live.of_served(found))] == []


@pytest.mark.parametrize("wrong", ["floats", "types"])
def test_a_wrong_gateway_is_not_another_layout(wrong: str) -> None:
    """Floats in another order than the integers, or a wrong type in every value entry."""
    image = lists.image(lists.meters(Layout()), Layout())
    words = [int.from_bytes(image.read(255, at, 1), "big") for at in range(80)]
    for address in (20, 30, 40, 60, 70):
        if wrong == "floats":
            words[address + 4 : address + 6] = words[address + 5], words[address + 4]
        else:
            words[address + 7] |= 0x0300

    async def look() -> live.Served:
        async with servers.stock_pymodbus(words=words) as (host, port):
            prober = Prober(host, port)
            found = await live.served(prober)
            prober.hang_up()
            return found

    assert not asyncio.run(look()).float_only
