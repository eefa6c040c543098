"""Leases: who may use which piece of hardware now, across processes and users of one host.

A lease names the resources of a place, all of them or none, so that two runs cannot hold half of a
bench each. It is a record in a folder that all users share, written under a file lock. A lease of
a process ends with the process, however that ends; one of ``meterbench hil acquire`` lasts until it
is released or its time is over. Somebody else may break it (``hil release --force``): then the
holder finds out at its next heartbeat, the case that was running is INCONCLUSIVE, and the bench
goes into its safe state.

Virtual resources need no lease: every process makes its own.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil import labgrid
from hil.protocols import UnavailableError
from hil.resources import NetworkGateway, VirtualBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hil.bench import Bench

#: Environment variables: the shared folder, and the token of a lease that was acquired before.
FOLDER_VARIABLE: Final = "METERBENCH_LEASES"
TOKEN_VARIABLE: Final = "METERBENCH_LEASE"

#: How often a holder looks whether its lease is still its own, and a waiter whether it is free.
BEAT_S: Final = 0.5
LOOK_S: Final = 0.1

#: How long a lease of the command line lasts where nobody says, in seconds.
HOURS_DEFAULT: Final = 8.0

#: How long a lease is waited for where nobody says, in seconds.
WAIT_S_DEFAULT: Final = 600.0


class LeaseHeldError(UnavailableError):
    """Somebody else has it; the message says who, since when and what for."""


class LostLeaseError(Exception):
    """The lease is not ours any more; whatever was seen since proves nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """One lease as it stands in the folder; times are unix seconds.

    `pid` is None for a lease that outlives the command which took it; `until` is its end.
    """

    resource: str
    token: str
    user: str
    host: str
    pid: int | None
    born: str
    purpose: str
    since: float
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether it still means anything: its process lives, or its time is not over."""
        if self.until is not None and now > self.until:
            return False
        if self.pid is None or self.host != socket.gethostname():
            return True
        return _born(self.pid) == self.born

    def told(self, now: float) -> str:
        """Say who has it, since when and what for."""
        who = f"{self.user}@{self.host}"
        process = f", process {self.pid}" if self.pid is not None else ""
        return f"{who}{process}, for {now - self.since:.0f} s, {self.purpose}"


class Leases:
    """The leases of one host (or of all that share `folder`)."""

    def __init__(self, folder: Path | None = None) -> None:
        given = os.environ.get(FOLDER_VARIABLE)
        default = Path(tempfile.gettempdir()) / "meterbench-leases"
        self.folder = folder or (Path(given) if given else default)

    def acquire(
        self,
        resources: Sequence[str],
        purpose: str,
        *,
        wait_s: float = 0.0,
        lasting_s: float | None = None,
        token: str | None = None,
    ) -> Lease:
        """Take all `resources`, waiting up to `wait_s` for those who have them.

        `lasting_s` makes a lease that outlives this process. `token` joins one that was taken
        before. Raises `LeaseHeldError` when the time is over.
        """
        deadline = time.monotonic() + wait_s
        while True:
            texts = ""
            with self._guard():
                held = self._held(resources, token)
                lease = None if held else self._take(resources, purpose, lasting_s, token)
            if lease is None:
                now = time.time()
                texts = "; ".join(f"{one.resource} is held by {one.told(now)}" for one in held)
            else:
                texts = self._acquire_elsewhere(lease)
                if not texts:
                    return lease
            if time.monotonic() >= deadline:
                raise LeaseHeldError(texts)
            time.sleep(LOOK_S)

    @staticmethod
    def _acquire_elsewhere(lease: Lease) -> str:
        """Acquire what a coordinator has; return why that failed, and then nothing is held."""
        if lease.joined:
            return ""
        taken: list[str] = []
        for place in labgrid.places(lease.resources):
            try:
                labgrid.acquire(place)
            except UnavailableError as error:
                for one in taken:
                    labgrid.release(one)
                lease.forget()
                return str(error)
            taken.append(place)
        return ""

    def all(self) -> list[Record]:
        """Return every lease that holds now."""
        with self._guard():
            records = [self._read(path.name) for path in sorted(self.folder.glob("*.lease"))]
        now = time.time()
        return [one for one in records if one is not None and one.holds(now)]

    def release(self, resources: Sequence[str], token: str | None) -> list[Record]:
        """Give back what `token` holds of `resources`; None breaks whatever lease there is.

        Returns what was released.
        """
        released = []
        with self._guard():
            for resource in resources:
                record = self._read(_file(resource))
                if record is not None and token in (None, record.token):
                    (self.folder / _file(resource)).unlink()
                    self._note("released" if token else "broken", record)
                    released.append(record)
        for place in labgrid.places(record.resource for record in released):
            with suppress(UnavailableError):
                # Whoever was kicked out there has nothing to give back.
                labgrid.release(place, force=token is None)
        return released

    def forget(self, resources: Sequence[str], token: str) -> None:
        """Drop the records of a lease that could not be had everywhere."""
        with self._guard():
            for resource in resources:
                record = self._read(_file(resource))
                if record is not None and record.token == token:
                    (self.folder / _file(resource)).unlink()

    def owned(self, resources: Sequence[str], token: str) -> bool:
        """Whether `token` holds all `resources`."""
        with self._guard():
            return all(
                (record := self._read(_file(one))) is not None and record.token == token
                for one in resources
            )

    # --- Inside -----------------------------------------------------------------------------

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Let one process at a time look and write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.folder.stat().st_uid == os.getuid():
            self.folder.chmod(0o1777)
        guard = os.open(self.folder / "guard.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            os.close(guard)

    def _held(self, resources: Sequence[str], token: str | None) -> list[Record]:
        """Return the leases of others that are in the way."""
        now = time.time()
        found = (self._read(_file(one)) for one in resources)
        return [one for one in found if one is not None and one.holds(now) and one.token != token]

    def _take(
        self, resources: Sequence[str], purpose: str, lasting_s: float | None, token: str | None
    ) -> Lease:
        now = time.time()
        joined = token is not None and any(self._read(_file(one)) for one in resources)
        mine = token if joined and token is not None else secrets.token_hex(8)
        pid = None if lasting_s is not None else os.getpid()
        for resource in resources:
            if joined and self._read(_file(resource)) is not None:
                continue
            record = Record(
                resource=resource,
                token=mine,
                user=getpass.getuser(),
                host=socket.gethostname(),
                pid=pid,
                born=_born(pid) if pid is not None else "",
                purpose=purpose,
                since=now,
                until=now + lasting_s if lasting_s is not None else None,
            )
            self._write(_file(resource), json.dumps(asdict(record)))
            self._note("acquired", record)
        return Lease(self, tuple(resources), mine, joined=joined, since=now)

    def _write(self, name: str, text: str) -> None:
        """Replace a record as a whole; the guard keeps every other writer away."""
        temporary = self.folder / f"{name}.new"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.folder / name)

    def _read(self, name: str) -> Record | None:
        try:
            return Record(**json.loads((self.folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _note(self, what: str, record: Record) -> None:
        """Keep who used what for how long (a log that only grows; one line an event)."""
        line = {"what": what, "at": time.time(), **asdict(record)}
        del line["token"]
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


class Lease:
    """What was acquired; a context manager that gives it back.

    A thread looks at it every `BEAT_S`; when it is lost, `on_lost` is called once, from that
    thread, and `check` raises from then on.
    """

    def __init__(
        self, leases: Leases, resources: tuple[str, ...], token: str, *, joined: bool, since: float
    ) -> None:
        self.resources = resources
        self.token = token
        self.since = since
        self._leases = leases
        #: Whether it was acquired before, by somebody who will release it.
        self.joined = joined
        self._asked = 0.0
        self._lost: str | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, on_lost: Callable[[], None]) -> None:
        """Begin the heartbeat."""

        def beat() -> None:
            while not self._ended.wait(BEAT_S):
                if not self._look():
                    on_lost()
                    return

        if self.resources:
            self._thread = threading.Thread(target=beat, name="lease", daemon=True)
            self._thread.start()

    def _look(self) -> bool:
        if self._lost is None and not self._leases.owned(self.resources, self.token):
            now = time.time()
            others = [one for one in self._leases.all() if one.resource in self.resources]
            taken = "; ".join(f"{one.resource}: {one.told(now)}" for one in others)
            self._lost = f"the lease was taken away{f' ({taken})' if taken else ''}"
        if self._lost is None and time.monotonic() - self._asked > labgrid.BEAT_S:
            self._lost = self._lost_elsewhere()
            self._asked = time.monotonic()
        return self._lost is None

    def _lost_elsewhere(self) -> str | None:
        """Ask the coordinator whether its places are still ours."""
        for place in labgrid.places(self.resources):
            try:
                holder = labgrid.holder(place)
            except UnavailableError as error:
                return str(error)
            if holder != labgrid.identity():
                return f"the labgrid place {place!r} was taken away ({holder or 'nobody has it'})"
        return None

    def forget(self) -> None:
        """Drop it before anything was done with it."""
        self._leases.forget(self.resources, self.token)

    def check(self) -> None:
        """Raise `LostLeaseError` unless everything is still ours."""
        if self.resources and not self._look():
            raise LostLeaseError(str(self._lost))

    @property
    def told(self) -> str:
        """Who holds what since when, for a report."""
        if not self.resources:
            return "none needed: every resource is virtual"
        seconds = time.time() - self.since
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        return f"{who} held {', '.join(self.resources)} for {seconds:.0f} s"

    def release(self) -> None:
        """Give it back, unless it belongs to whoever acquired it before us."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self.resources and not self.joined:
            self._leases.release(self.resources, self.token)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


def joined_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token of the lease that this process shall use, where one was acquired."""
    return environment.get(TOKEN_VARIABLE)


def resources_of(bench: Bench, place: str) -> list[str]:
    """Return what a place has that only one may use at a time, named so that all mean the same."""
    entry = bench.places[place]
    return resources_for(bench, entry.bus, entry.gateway)


def resources_for(bench: Bench, bus_name: str | None, gateway_name: str | None) -> list[str]:
    """Return the same for a bus and a gateway; nothing that is virtual is among it."""
    found: list[str] = []
    switches: set[str] = set()
    if bus_name is not None:
        bus = bench.buses[bus_name]
        if not isinstance(bus, VirtualBus):
            found.append(f"bus {_real(bus.where)}")
            relays = [meter.relay for meter in bench.meters_of(bus_name).values()]
            switches |= {one for one in [getattr(bus, "relay", None), *relays] if one}
    if gateway_name is not None:
        gateway = bench.gateways[gateway_name]
        if isinstance(gateway, NetworkGateway):
            found.append(f"gateway {gateway.where}")
            switches |= {gateway.power} if gateway.power is not None else set()
    found += [f"switch {bench.switches[name].where}" for name in sorted(switches)]
    for place in bench.places.values():
        is_meant = place.bus == bus_name if bus_name is not None else False
        is_meant |= gateway_name is not None and place.gateway == gateway_name
        if place.labgrid is not None and is_meant:
            found.append(f"{labgrid.PREFIX}{place.labgrid}")
    return sorted(set(found))


def _real(where: str) -> str:
    """Return the device behind a link: two names of one adapter are one resource."""
    return str(Path(where).resolve()) if where.startswith("/") else where


def _file(resource: str) -> str:
    return f"{hashlib.sha256(resource.encode()).hexdigest()[:24]}.lease"


def _born(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks; "" when there is none such."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
