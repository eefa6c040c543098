"""Register entries are paired with meters by what they say, also where a header lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import simpy

from scenarios.language.events import EventLog
from scenarios.polling import RegisterSignals, pair
from simulators import population
from simulators.modbus import layout
from simulators.network import Network

if TYPE_CHECKING:
    from simulators.meter import Meter

#: Manufacturer codes of LUG and KAM (manual 6.2).
_LUG, _KAM = 0x32A7, 0x2C2D


def _meters() -> list[Meter]:
    entries = [
        {"id": "twin_a", "profile": "water-cold", "identification_number": 20000000,
         "manufacturer": "KAM", "version": 1, "medium": 7},
        {"id": "twin_b", "profile": "water-cold", "identification_number": 20000000,
         "manufacturer": "LUG", "version": 1, "medium": 7},
        {"id": "liar", "profile": "water-cold", "identification_number": 30000000,
         "manufacturer": "LUG", "version": 1, "medium": 7},
    ]  # fmt: skip
    read = population.parse(entries, source="test")
    return list(Network(simpy.Environment(), read, seed=1).meters.values())


def _entry(address: int, serial: int, manufacturer: int, version: int = 1) -> layout.MeterGroup:
    words = (serial >> 16, serial & 0xFFFF, manufacturer, version << 8 | 7, 0, 0, 0, 0x0200, 0, 0)
    return layout.MeterGroup(layout.MeterBlock(address, words), ())


def _paired(*groups: layout.MeterGroup) -> dict[str, int]:
    return {meter.id: group.meter.address for meter, group in pair(_meters(), groups)}


def test_meters_of_one_number_are_told_apart() -> None:
    """Two meters that share a number are paired by their manufacturer, in any order."""
    first, second = _entry(10, 20000000, _LUG), _entry(20, 20000000, _KAM)
    assert _paired(first, second) == {"twin_a": 20, "twin_b": 10}


def test_a_meter_whose_header_lies_is_found_by_its_number() -> None:
    """An entry with another version than the meter has is still that meter's."""
    assert _paired(_entry(10, 30000000, _LUG, version=0x99)) == {"liar": 10}


def test_an_entry_of_nobody_is_nobodys() -> None:
    """An entry whose number no meter has is paired with none."""
    assert _paired(_entry(10, 12345678, _LUG)) == {}


@pytest.mark.parametrize("everything", [True, False])
def test_a_partial_read_adds_to_what_is_known(everything: bool) -> None:
    """A read of some registers leaves the others as they were; a read of all forgets them."""
    log = EventLog()
    signals = RegisterSignals(log, lambda: 5, _meters())
    for group in (_entry(10, 20000000, _LUG), _entry(20, 30000000, _LUG)):
        block = group.meter
        signals.took(dict(enumerate(block.registers, block.address)), everything=everything)
    assert log.last("meter(liar).registers.address") == 20
    assert sorted(signals.words) == list(range(20 if everything else 10, 30))


def test_time_does_not_go_back_in_a_log() -> None:
    """A change before the last one is a mistake of the harness and is refused."""
    log = EventLog()
    log.add(5, "a.x", 1)
    with pytest.raises(ValueError, match="lies before"):
        log.add(4, "a.x", 2)
