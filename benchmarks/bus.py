"""A gateway on a simulated bus in virtual time, as M2, M3 and M5 need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import simpy

from benchmarks import corpus
from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.mbus import telegram
from gateway.mbus.address import manufacturer_letters
from gateway.runtime.kernel import Kernel
from gateway.runtime.port import Fault, LineError, Received
from hil.reference import prepare
from simulators import population
from simulators.memory_storage import MemoryStorage
from simulators.network import Network
from simulators.runtime import SimRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from gateway.runtime.port import Runtime, SessionFactory
    from simulators.memory_network import SimServer
    from simulators.population import Population

BUS_URL: Final = "sim:"
MODBUS_PORT: Final = 1502
#: CI 72 with a whole header.
_HEADER_END: Final = 19


class DirectRuntime(SimRuntime):
    """A simulated runtime that remembers whom a listening server lets decide.

    A client in the same program can then hand its bytes to a session without a network between.
    """

    sessions: SessionFactory

    async def serve_stream(self, address: tuple[str, int], sessions: SessionFactory) -> SimServer:
        """Listen, and remember `sessions`."""
        self.sessions = sessions
        return await super().serve_stream(address, sessions)


@dataclass(slots=True)
class World:
    """A population on a line, and a gateway that is not switched on yet."""

    network: Network
    rt: DirectRuntime
    appliance: Appliance = field(init=False)

    def run(self, procedure: Callable[[Runtime, Appliance], Coroutine[Any, Any, None]]) -> None:
        """Switch the gateway on, hold `procedure`, switch it off."""

        async def main(rt: Runtime) -> None:
            self.appliance = Appliance(rt, Wiring(BUS_URL, modbus_port=MODBUS_PORT))
            async with rt.nursery() as nursery:
                nursery.spawn(self.appliance.run(), name="appliance")
                await self.appliance.ready()
                await procedure(rt, self.appliance)
                self.appliance.stop()

        self.rt.run(main)


def world(
    meters: Population,
    baudrate: int,
    *,
    seed: int | str = 1,
    keys: Mapping[str, object] | None = None,
    log: Callable[[int, str, dict[str, Any]], None] | None = None,
) -> World:
    """A gateway with `keys` in its chip.ini on a line with `meters`."""
    env = simpy.Environment()
    network = Network(env, meters, seed=seed, baudrate=baudrate)
    storage = MemoryStorage()
    prepare(storage, {"MBUS_BAUDRATE": baudrate, **(keys or {})})

    def opener(rt: SimRuntime, line_format: Any) -> Any:
        return network.open_port(rt, line_format, received=Received, fault=Fault)

    rt = DirectRuntime(
        env,
        kernel=Kernel,
        seed=seed,
        storage=storage,
        lines={BUS_URL: opener},
        log=log,
        line_error=LineError,
    )
    return World(network, rt)


def sized(length: int) -> list[dict[str, Any]]:
    """Records that make RSP_UD `length` bytes long: a meter of no make in particular."""
    # 9 bytes of frame and 12 of header; a record of 8 BCD digits has 6 bytes, the rest is text.
    left = length - 21
    records: list[dict[str, Any]] = []
    storage_number = 0
    while left >= 16:
        dib = bytes((0x8C | (storage_number & 1) << 6, storage_number >> 1))
        value = {"start": 1000 + storage_number, "add": 1, "every": "1 min"}
        expect = {"value_type": "Energy", "unit": "Wh", "scale": 3}
        records.append(
            {"dib": dib.hex(), "vib": "06", "coding": "bcd8", "value": value, "expect": expect}
        )
        storage_number += 1
        left -= 7
    expect = {"value_type": "Model / Version"}
    text = {"dib": "0d", "vib": "fd0c", "coding": "text", "value": "x" * (left - 4)}
    return [*records, {**text, "expect": expect}]


def entry(name: str, number: int | str, length: int, delay_bits: tuple[float, float]) -> Any:
    """One meter of a population document, with an answer of `length` bytes."""
    return {
        "id": name,
        "identification_number": number,
        "manufacturer": "LUG",
        "version": 2,
        "medium": 4,
        "answer_delay_bits": list(delay_bits),
        "records": sized(length),
    }


def parse(entries: Iterable[Any]) -> Population:
    """A population from entries."""
    return population.parse({"meters": list(entries)}, source="benchmark")


def of_corpus(count: int, delay_bits: tuple[float, float] = (11.0, 60.0)) -> Population:
    """`count` meters that send the records of real telegrams, byte for byte, in turn.

    Without a corpus they send the sample. Each has a number of its own, spread over all digits.
    """
    frames = corpus.telegrams() or [corpus.SAMPLE]
    kinds = [kind for frame in frames if (kind := _kind(frame)) is not None]
    entries = []
    for i in range(count):
        own = {
            "id": f"m{i}",
            "identification_number": f"{(i * 7_919_321 + 13) % 100_000_000:08d}",
            "answer_delay_bits": list(delay_bits),
        }
        entries.append({**kinds[i % len(kinds)], **own})
    return parse(entries)


def _kind(frame: bytes) -> dict[str, Any] | None:
    """The records of a telegram as a population writes them; None for one with no long header."""
    decoded = telegram.decode(frame)
    address = decoded.header.address if decoded.header is not None else None
    if frame[6] != 0x72 or address is None or decoded.more_records_follow:
        return None
    letters = manufacturer_letters(address.manufacturer)
    if not (letters.isalpha() and letters.isupper()):
        letters = "LUG"
    records = [
        {"dib": record.dib.hex(), "vib": record.vib.hex(), "data": record.data.hex()}
        for record in decoded.records
    ]
    if b"".join(record.to_bytes() for record in decoded.records) != frame[_HEADER_END:-2]:
        return None
    return {
        "manufacturer": letters,
        "version": address.version,
        "medium": address.medium,
        "records": [{**record, "hidden": True} for record in records],
    }
