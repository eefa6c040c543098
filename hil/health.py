"""Is the bench fit for a run? Asked before it, so that a broken bench is not a failing gateway.

Every meter of the file is selected and read by the number on its label; the gateway is asked for
its first registers; the load of the meters is compared with what the converter drives. Nothing is
switched and nothing is written. A finding is about the bench, never about the gateway under test.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.runtime.port import NS_PER_MS
from hil import drivers, families
from hil.gateways import offers_of
from hil.modbus_client import ModbusClient
from hil.protocols import Offer, UnavailableError
from hil.resources import NetworkGateway, VirtualBus
from simulators import frames
from simulators.frames import CiField, Function

if TYPE_CHECKING:
    from gateway.runtime.port import LineFormat
    from hil.bench import Bench
    from hil.buses import Converter
    from hil.protocols import Wire
    from hil.resources import Meter

#: What a meter and the way to it may take to begin its answer.
ANSWER_NS_MAX: Final = 600 * NS_PER_MS

#: Attempts to hear a meter: a first telegram after power-up may be lost.
TRIES: Final = 3

_SND_UD: Final = frames.CALLING | frames.FCV | Function.SND_UD
_REQ_UD2: Final = frames.CALLING | frames.FCV | frames.FCB | Function.REQ_UD2
#: Where the identification number stands in RSP_UD with a long header (MBDOC48 p.37).
_NUMBER: Final = slice(7, 11)
#: A selection by the number alone: F and FF are wildcards (MBDOC48 p.63).
_ANY: Final = bytes.fromhex("FFFF FF FF")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fit` is None where it cannot be told."""

    resource: str
    fit: bool | None
    text: str


def examine(bench: Bench, place: str, bus: Converter | None) -> list[Finding]:
    """Look at everything of a place; `bus` is its opened bus, None where it has none."""
    entry = bench.places[place]
    findings = []
    if entry.bus is not None and bus is not None:
        findings += _bus(bench, entry.bus, bus)
    if entry.gateway is not None:
        findings += _gateway(bench, entry.gateway)
    return findings


def _bus(bench: Bench, name: str, bus: Converter) -> list[Finding]:
    resource = bench.buses[name]
    try:
        wire = drivers.open_url(bus.url, bus.line_format)
    except UnavailableError as error:
        return [Finding(f"bus {name}", False, str(error))]
    try:
        found = [Finding(f"bus {name}", True, f"{resource.where} is open")]
        meters = bench.meters_of(name)
        found += [_meter(wire, bus.line_format, one, meters[one]) for one in meters]
        if not meters and not isinstance(resource, VirtualBus):
            found.append(Finding(f"bus {name}", None, "the file names no meters to look for"))
    except OSError as error:
        found = [Finding(f"bus {name}", False, str(error))]
    finally:
        wire.close()
    return [*found, *_loads(bench, name)]


def _loads(bench: Bench, name: str) -> list[Finding]:
    """Compare the load of the meters with what the converter's maker says that it drives."""
    family_name = getattr(bench.buses[name], "family", None)
    if family_name is None:
        return []
    family = families.load(family_name)
    if family.unit_loads is None:
        return [Finding(f"bus {name}", None, f"unit loads of {family_name}: not published")]
    loads = sum(meter.unit_loads for meter in bench.meters_of(name).values())
    text = f"{loads} of {family.unit_loads} unit loads [{family_name}: {family.unit_loads_source}]"
    return [Finding(f"bus {name}", loads <= family.unit_loads, text)]


def _meter(wire: Wire, line_format: LineFormat, name: str, meter: Meter) -> Finding:
    """Select a meter by the number on its label, read it, and compare what it says."""
    number = meter.identification_number
    select = frames.long_frame(
        _SND_UD,
        frames.NETWORK_LAYER,
        CiField.SELECT,
        frames.identification_bytes(number) + _ANY,
    )
    read = frames.short_frame(_REQ_UD2, frames.NETWORK_LAYER)
    for _ in range(TRIES):
        if ask(wire, line_format, select).endswith(frames.ACK):
            answer = ask(wire, line_format, read)
            start = answer.find(bytes((frames.LONG_START,)), _echo_length(answer, read))
            seen = frames.manufacturer_letters(
                int.from_bytes(answer[start + 11 : start + 13], "little")
            )
            if answer[start:][_NUMBER][::-1].hex().upper() != number:
                continue
            if meter.manufacturer is not None and seen != meter.manufacturer:
                text = f"{number} is of {seen}, its label says {meter.manufacturer}"
                return Finding(f"meter {name}", False, text)
            return Finding(f"meter {name}", True, f"{number} {seen} answers")
    return Finding(f"meter {name}", False, f"{number} does not answer to its number")


def _echo_length(answer: bytes, request: bytes) -> int:
    return len(request) if answer.startswith(request) else 0


def ask(wire: Wire, line_format: LineFormat, frame: bytes) -> bytes:
    """Send a frame; return what was heard until silence, an echo of it included."""
    sent_at = wire.send(frame)
    end = sent_at + line_format.characters_ns(len(frame)) + ANSWER_NS_MAX
    heard = b""
    while True:
        chunks = wire.receive(max(0, end - time.monotonic_ns()), bool)
        if not chunks:
            return heard
        heard += b"".join(data for _, data in chunks)
        answer = heard[_echo_length(heard, frame) :]
        length = frames.frame_length(answer)
        if answer == frames.ACK or (length and len(answer) >= length):
            return heard


def _gateway(bench: Bench, name: str) -> list[Finding]:
    entry = bench.gateways[name]
    if not isinstance(entry, NetworkGateway):
        return [Finding(f"gateway {name}", True, f"{entry.where}: started for each run")]
    found = []
    try:
        with ModbusClient(entry.host, entry.port, unit_identifier=entry.unit_identifier) as client:
            answer = client.read(0, 10)
        found.append(Finding(f"gateway {name}", True, f"{entry.where} answers: {answer}"))
    except OSError as error:
        text = f"{entry.where} does not answer: {error.strerror or error}"
        found.append(Finding(f"gateway {name}", False, text))
    if Offer.FILES in offers_of(entry) or Offer.PAGE in offers_of(entry):
        try:
            entry.credentials()
        except LookupError as error:
            found.append(Finding(f"gateway {name}", False, str(error.args[0])))
    return found
