"""A recorded session: the reference gateway on a place of the bench, and what passed.

The files of a session are evidence together: ``record.json`` names each with its sha256 and says on
which bench it was made.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.io.storage import FileStorage
from hil import buses
from hil.gateways import RunningReference
from hil.modbus_client import ModbusClient
from hil.probe import clock_uncertainty_ns
from hil.protocols import UnavailableError
from hil.recorder import ModbusTap
from hil.recording import Recording
from hil.resources import ReferenceGateway
from simulators.modbus import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hil.bench import Bench
    from hil.host import Host

#: Registers of an entry of gateway or meter that hold a time of the gateway's own clock.
_TIMES: Final = (4, 5)


def record(bench: Bench, place: str, host: Host, passes: int) -> dict[str, bytes]:
    """Find the meters of a place, read them `passes` times; return the files of the session.

    Raises `UnavailableError` where the bus is not there or the place has no gateway of ours.
    """
    entry = bench.places[place]
    gateway = bench.gateways[entry.gateway] if entry.gateway is not None else None
    if not isinstance(gateway, ReferenceGateway) or entry.bus is None:
        raise UnavailableError(f"place {place!r} has no reference gateway to listen at its bus")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
        bus = stack.enter_context(closing(buses.open_bus(host, bench, entry.bus, folder)))
        recording = Recording(entry.bus, bus.line_format, 0, facts=bench.report_facts())
        recording.clock_ns = clock_uncertainty_ns()
        recording.settings = {key: str(value) for key, value in gateway.chip_ini.items()}
        recording.unit_loads = gateway.unit_loads
        name = entry.gateway or ""
        running = stack.enter_context(
            closing(RunningReference(host, name, gateway, bus, folder / "data", recording))
        )
        running.scan()
        for _ in range(passes):
            running.readout()
        running.allocate()
        tap = host.call(ModbusTap.open(running.address), what="the Modbus tap")
        with ModbusClient(*tap.address) as client:
            words = {
                block.address + index: word
                for block in client.survey()
                for index, word in enumerate(block.registers)
            }
        host.call(tap.close(), what="closing the Modbus tap")
        registers = {str(address): word for address, word in sorted(words.items())}
        return {
            "bus.jsonl": recording.to_jsonl().encode(),
            "bus.pcapng": recording.to_pcapng(),
            "modbus.pcapng": tap.to_pcapng(),
            "registers.json": (json.dumps(registers, indent=1) + "\n").encode(),
        }


def write(folder: Path, files: Mapping[str, bytes], facts: Mapping[str, str]) -> list[str]:
    """Write the files of a session and what binds them; return their names."""
    storage = FileStorage(folder)
    traces = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        for name, data in files.items()
    }
    record = json.dumps({"bench": dict(facts), "traces": traces}, indent=1, sort_keys=True)
    for name, data in files.items():
        storage.replace(name, data)
    storage.replace("record.json", f"{record}\n".encode())
    return [*files, "record.json"]


def differences(registers: Mapping[int, int], path: Path) -> list[str]:
    """Say in which registers, times of the gateway's clock aside, a run differs from a file.

    Raises OSError and ValueError for a file that holds no registers.
    """
    then = {int(key): int(word) for key, word in json.loads(path.read_text("utf-8")).items()}
    found = []
    for address in sorted(then.keys() | registers.keys()):
        if address % layout.BLOCK_LENGTH in _TIMES and _has_clock(registers or then, address):
            continue
        before, now = then.get(address), registers.get(address)
        if before != now:
            words = [f"{word:04X}" if word is not None else "absent" for word in (before, now)]
            found.append(f"register {address}: {words[0]} then, {words[1]} now")
    return found


def _has_clock(registers: Mapping[int, int], address: int) -> bool:
    """Whether an address belongs to an entry of gateway or meter, not of a value."""
    start = address - address % layout.BLOCK_LENGTH
    kind = registers.get(start + layout.TYPE_OFFSET, 0) >> 8
    return kind in (layout.BlockType.GATEWAY, layout.BlockType.METER)
