"""What one test uses of a bench: a bus, a gateway and their switches, under one lease.

A test may ask for a place by name or by tags; several places with the same tags are a pool, and the
first one that is free is taken. When the lease is lost, every switch of the claim is put into its
safe position, from the heartbeat's thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from hil import leases
from hil.drivers import open_switch
from hil.leases import LeaseHeldError, Leases, LostLeaseError
from hil.protocols import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hil.bench import Bench
    from hil.leases import Lease
    from hil.protocols import Switchable

#: Pause between two rounds through a pool of places that are all taken, in seconds.
LOOK_S: Final = 0.1


class Claim:
    """One bus and one gateway (names, or None) with what switches them; `close` gives all back."""

    def __init__(self, bench: Bench, bus: str | None, gateway: str | None, lease: Lease) -> None:
        self.bus = bus
        self.gateway = gateway
        self.lease = lease
        names = _switch_names(bench, bus, gateway)
        self._switches = {name: open_switch(name, bench.switches[name]) for name in names}
        #: What went wrong while the bench was made safe.
        self.complaints: list[str] = []
        lease.watch(self.make_safe)

    @property
    def switches(self) -> list[Switchable]:
        """The switches of the bus, its meters and the gateway."""
        return list(self._switches.values())

    def switch(self, name: str | None) -> Switchable | None:
        """Return a switch of the claim by its name."""
        return self._switches[name] if name is not None else None

    def make_safe(self) -> None:
        """Put every switch into its safe position; one that fails does not stop the others."""
        for switch in self._switches.values():
            try:
                switch.make_safe()
            except UnavailableError as error:
                self.complaints.append(str(error))

    def lost(self) -> str:
        """Return how the lease was lost; "" while it is ours."""
        try:
            self.lease.check()
        except LostLeaseError as error:
            return "; ".join([str(error), *self.complaints])
        return ""

    def close(self) -> None:
        """Give the lease back."""
        self.lease.release()


def claim(
    bench: Bench,
    *,
    place: str | None,
    tags: Iterable[str],
    bus: str | None,
    gateway: str | None,
    uses_gateway: bool,
    purpose: str,
    wait_s: float,
) -> Claim:
    """Take what a test asks for: names of bus and gateway go before those of the place.

    Raises LookupError for what the bench has not, `LeaseHeldError` when the time is over.
    """
    choices = [
        _chosen(bench, one, bus, gateway, uses_gateway) for one in _places(bench, place, tags)
    ]
    deadline = time.monotonic() + wait_s
    while True:
        held: list[str] = []
        for chosen in choices:
            resources = leases.resources_for(bench, *chosen)
            try:
                lease = Leases().acquire(resources, purpose, token=leases.joined_token())
            except LeaseHeldError as error:
                held.append(str(error))
            else:
                return Claim(bench, *chosen, lease)
        if time.monotonic() >= deadline:
            raise LeaseHeldError("; ".join(held))
        time.sleep(LOOK_S)


def _places(bench: Bench, place: str | None, tags: Iterable[str]) -> list[str]:
    wanted = set(tags)
    first = bench.place_name(place, wanted)
    if place is not None or not wanted:
        return [first]
    return [
        name for name, entry in bench.places.items() if wanted <= {*entry.tags, *bench.features}
    ]


def _chosen(
    bench: Bench, place: str, bus: str | None, gateway: str | None, uses_gateway: bool
) -> tuple[str | None, str | None]:
    """Return bus and gateway: a gateway that is named brings its bus, a bus alone no gateway."""
    entry = bench.places[place]
    if gateway is None and uses_gateway:
        gateway = entry.gateway
    if gateway is not None:
        gateway = bench.gateway_name(gateway)
        return bus or getattr(bench.gateways[gateway], "bus", None) or entry.bus, gateway
    return bench.bus_name(bus) if bus is not None else entry.bus, None


def _switch_names(bench: Bench, bus: str | None, gateway: str | None) -> list[str]:
    names: list[str | None] = []
    if bus is not None:
        names.append(getattr(bench.buses[bus], "relay", None))
        names += [meter.relay for meter in bench.meters_of(bus).values()]
    if gateway is not None:
        names.append(getattr(bench.gateways[gateway], "power", None))
    return sorted({name for name in names if name is not None})
