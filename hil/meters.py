"""One meter on the bench, simulated or made of metal, as far as a test may touch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.drivers import open_switch
from hil.protocols import UnavailableError
from simulators.document import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.bench import Bench
    from hil.buses import Converter


@dataclass(frozen=True, slots=True)
class BenchMeter:
    """A meter by its name in the bench file or the population, and by its label."""

    name: str
    identification_number: str
    manufacturer: str | None
    _power: Callable[[bool], None]

    def power(self, *, on: bool) -> None:
        """Switch it, or its relay; raises `UnavailableError` where there is none."""
        self._power(on)


def find(bench: Bench, converter: Converter, name: str | None) -> BenchMeter:
    """Return a meter of an opened bus, the first where `name` is None; LookupError without."""
    simulated = converter.virtual
    known = list(simulated.meters if simulated else bench.meters_of(converter.name))
    if name is None and known:
        name = known[0]
    if name is None or name not in known:
        has = ", ".join(known) or "none"
        guess = did_you_mean(name or "", known)
        wanted = f"no meter {name!r}" if name else "no meter"
        raise LookupError(f"bus {converter.name!r} has {wanted} ({has}){guess}")
    if simulated is not None:
        number, maker = simulated.ask(
            lambda network: (
                network.meters[name].identification_number,
                network.meters[name].manufacturer,
            )
        )
        return BenchMeter(name, number, maker, lambda on: simulated.power(name, on=on))
    entry = bench.meters[name]

    def switch(on: bool) -> None:
        if entry.relay is None:
            raise UnavailableError(f"meter {name!r} has no relay that could cut it")
        open_switch(entry.relay, bench.switches[entry.relay]).switch(on=on)

    return BenchMeter(name, entry.identification_number, entry.manufacturer, switch)
