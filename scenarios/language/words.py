"""What each deed is called in plain English, for ``explain`` and for the steps of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scenarios.language.durations import show
from scenarios.language.ir import (
    Add,
    Allocate,
    Configure,
    Deallocate,
    Delete,
    Hang,
    Identify,
    LineFault,
    Malformed,
    MeterFault,
    Poll,
    Power,
    PowerGateway,
    Readout,
    Reboot,
    Reload,
    Request,
    Save,
    Scan,
    SetValue,
    Start,
    Stop,
    Wait,
    WaitUntil,
    Write,
)
from scenarios.language.monitor import show_value
from simulators import faults as meter_faults
from simulators import line_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scenarios.language.ir import Step

#: Meters that are named one by one; more are counted.
_NAMED_MAX: Final = 3


_PLAIN: Final[Mapping[type, str]] = {
    Scan: "the gateway is told to search the bus",
    Allocate: "the gateway gives registers to all that it has listed",
    Reload: "the gateway forgets what was not saved",
    Deallocate: "the gateway takes all registers back",
    Reboot: "the gateway restarts",
}


def deed(step: Step) -> str:
    """Return what a step does, as half a sentence."""
    match step:
        case Wait(ns=ns):
            return f"{show(ns)} pass"
        case WaitUntil(wanted=wanted, within_ns=within):
            return f"until {values(wanted)}, for up to {show(within)} (later is a FAIL)"
        case Hang(ns=ns):
            return f"the gateway's main task hangs{_lasting(ns)}"
        case PowerGateway(on=on):
            return f"the gateway {'has power again' if on else 'loses its power'}"
        case Power(meters=meters, on=on):
            several = len(meters) > 1
            again = "have power again" if several else "has power again"
            loses = "lose their power" if several else "loses its power"
            return f"{_meters(meters)} {again if on else loses}"
        case MeterFault(meters=meters, fault=fault, ns=ns):
            return f"{_meters(meters)}: {_fault(fault, meter_faults.FAULTS)}{_lasting(ns)}"
        case LineFault(fault=fault, ns=ns):
            return f"the line: {_fault(fault, line_faults.LINE_FAULTS)}{_lasting(ns)}"
        case SetValue(meters=meters, record=record):
            return f"{_meters(meters)}: record {record} has another value"
        case _:
            return _of_gateway(step)


def _of_gateway(step: Step) -> str:
    plain = _PLAIN.get(type(step))
    if plain is not None:
        return plain
    match step:
        case Readout(meter=None):
            return "the gateway is told to read its meters"
        case Readout(meter=meter):
            return f"the gateway is told to read meter '{meter}'"
        case Configure(config=config, edits=edits, refused=refused):
            settings = [f"{name}={value}" for name, value in config.items()]
            settings += [f"{edit.element} of {edit.meter} = {edit.text}" for edit in edits]
            will = "is to be refused" if refused else "is changed"
            return f"on the gateway's page {will}: {', '.join(settings)}"
        case Add(serial=serial, count=count):
            return f"{count} meter{'s' if count > 1 else ''} from {serial} on is listed by hand"
        case Delete(meters=meters):
            return f"{_meters(meters)} is taken off the gateway's list"
        case Write(file=file):
            return f"the gateway's file {file} is replaced"
        case Save(refused=refused):
            return f"the gateway {'has to refuse to save' if refused else 'saves'}"
        case _:
            return _of_client(step)


def _of_client(step: Step) -> str:
    match step:
        case Poll(registers=None):
            return "all registers are read over Modbus"
        case Poll(registers=registers) if registers is not None:
            last = registers.start + registers.count - 1
            return f"registers {registers.start}-{last} are read over Modbus"
        case Start(client=client):
            return f"client '{client}' begins to read"
        case Stop(client=client):
            return f"client '{client}' ends"
        case Request(client=client, function=function, start=start, count=count, unit=unit):
            what = f"function {function:02X}, address {start}, count {count}"
            return f"client '{client}' asks unit {unit} for {what}"
        case Identify(client=client, code=code):
            return f"client '{client}' asks for the device identification, code {code:02X}"
        case Malformed(client=client, octets=octets):
            return f"client '{client}' sends {len(octets)} octets as they are"
        case _:
            raise AssertionError(f"no words for {type(step).__name__}")


def values(wanted: Sequence[tuple[str, Any]]) -> str:
    """Return what paths are to be."""
    return " and ".join(f"{path} = {show_value(value)}" for path, value in wanted)


def _lasting(ns: int | None) -> str:
    return "" if ns is None else f" for {show(ns)}"


def _meters(meters: Sequence[str]) -> str:
    if len(meters) > _NAMED_MAX:
        return f"{len(meters)} meters ('{meters[0]}' …)"
    return f"meter{'s' if len(meters) > 1 else ''} {', '.join(map(repr, meters))}"


def _fault(fault: Any, kinds: Any) -> str:
    ends = isinstance(fault, type)
    kind = fault if ends else type(fault)
    name = next(name for name, one in kinds.items() if one is kind)
    given = {} if ends else fault.model_dump(exclude_unset=True)
    shown = ", ".join(f"{key} {value}" for key, value in given.items())
    return f"fault {name}{f' ({shown})' if shown else ''} {'ends' if ends else 'begins'}"
