"""``check gateway`` finds the layout in force by itself, and holds it against a register map."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.registers.layout import Layout, WordOrder
from reports.verdict import Verdict
from scenarios.checks import gateway
from scenarios.register_map import listed
from tests.scenarios.checks.conformance import servers
from tests.scenarios.register_map import lists

if TYPE_CHECKING:
    from gateway.registers.image import RegisterImage
    from reports.record import Case
    from scenarios.register_map.model import RegisterMap


def checked(image: RegisterImage, register_map: RegisterMap | None) -> gateway.Result:
    """The result of a check that disturbs nothing."""

    async def look() -> gateway.Result:
        async with servers.ours(lambda: image) as (host, port):
            settings = gateway.Settings(host, port, register_map=register_map)
            return await gateway.check(settings, tool_version="test")

    return asyncio.run(look())


def layout_cases(result: gateway.Result) -> dict[str, Case]:
    """The cases about the layout."""
    return {case.id: case for case in result.record.cases if case.id.startswith("layout/")}


@pytest.mark.parametrize(
    "layout",
    [
        Layout(float_only=True),
        Layout(multi_slave=True, word_order=WordOrder.LSB_FIRST_32),
        Layout(float_only=True, multi_slave=True, word_order=WordOrder.LSB_FIRST),
    ],
    ids=str,
)
def test_every_layout_passes_with_its_own_map(layout: Layout) -> None:
    """The values of the worked examples are read in each of them."""
    meters = lists.meters(layout)
    result = checked(lists.image(meters, layout), listed.of_list(meters, layout))
    cases = layout_cases(result)
    assert {case.id: case.reason for case in cases.values() if case.verdict > Verdict.PASS} == {}
    assert "layout/map" in cases
    assert result.served is not None
    assert result.served.float_only == layout.float_only
    if layout.float_only:
        assert next(value for _, value in result.served.floats[0].values) == 267000.0


def test_a_field_that_is_not_where_the_map_says_is_named() -> None:
    """Checked against the map of another list."""
    layout = Layout()
    meters = lists.meters(layout)
    image = lists.image(meters, layout)
    meters[0].values[0].scale = 2
    meters[1].register = 1000
    case = layout_cases(checked(image, listed.of_list(meters, layout)))["layout/map"]
    assert case.verdict is Verdict.FAIL
    assert "66600106 LUG 2 4, value 1, integer: scale 2 became 3" in case.reason
    assert "moved from unit 255, register 1000 to unit 255, register 50" in case.reason
