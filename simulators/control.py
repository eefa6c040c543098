"""The control of a running simulation over HTTP: look at meters, break them, change what they say.

    GET    /                               what runs
    GET    /meters                         all meters, in short
    GET    /meters/ID                      one meter, with its records and what it sent last
    PUT    /meters/ID/power                {"on": false}
    PUT    /meters/ID/faults/NAME          the fault's parameters, {} for all defaults
    DELETE /meters/ID/faults/NAME
    PUT    /meters/ID/records/N/value      {"value": ...}, as in a population
    GET    /faults                         names and parameters of all faults of meters
    GET    /line                           line and converter, and the faults that they have
    PUT    /line/faults/NAME               the fault's parameters, {} for all defaults
    DELETE /line/faults/NAME
    GET    /line/faults                    names and parameters of all faults of the line

`Control.answer` is pure but for the network it is about; `http_server` brings the requests. Every
change happens at the present moment of the simulation. An error names what was expected; a request
that fails changes nothing.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from simulators import faults as kinds
from simulators import line_faults, values
from simulators.document import did_you_mean
from simulators.http_server import HttpError, HttpServer, Request
from simulators.line import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from simulators.meter import Meter
    from simulators.network import Network
    from simulators.profile import CompiledRecord

#: Address where nobody says otherwise: nothing outside this host can reach it.
LOOPBACK: Final = "127.0.0.1"

_VALUE: Final = TypeAdapter[Any](values.ValueSpec)


def place(text: str) -> tuple[str, int]:
    """Host and port of ``PORT`` (on loopback), ``HOST:PORT`` or ``[HOST]:PORT``; ValueError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        msg = f"want PORT or HOST:PORT for the control, got {text!r}"
        raise ValueError(msg)
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


async def serve(network: Network, where: str) -> HttpServer:
    """Open the control of a network that follows the running loop; OSError, ValueError."""
    server = HttpServer(Control(network).answer)
    host, port = place(where)
    try:
        await server.listen(host, port)
    except OSError as error:
        msg = f"cannot listen on {host}:{port} for the control: {error.strerror or error}"
        raise OSError(msg) from error
    return server


class Control:
    """Answers requests about one network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._changes = 0

    def answer(self, request: Request) -> Any:
        """A document for JSON; HttpError where there is none."""
        path = [unquote(part) for part in request.path.partition("?")[0].split("/") if part]
        if self._network.clock is not None:
            self._network.clock.advance()
        try:
            return self._answer(request, path)
        finally:
            if self._network.clock is not None:
                self._network.clock.arm()

    def _answer(self, request: Request, path: list[str]) -> Any:
        match path:
            case []:
                return self._read(request, self._overview)
            case ["faults"]:
                return self._read(request, partial(_faults, kinds.FAULTS))
            case ["line"]:
                return self._read(request, self._line)
            case ["line", "faults"]:
                return self._read(request, partial(_faults, line_faults.LINE_FAULTS))
            case ["line", "faults", name]:
                self._line_fault(request, name)
                return self._line()
            case ["meters"]:
                meters = self._network.meters.values()
                return self._read(request, lambda: [_brief(meter) for meter in meters])
            case ["meters", name, *rest]:
                return self._meter(request, self._named(name), rest)
            case _:
                raise HttpError(HTTPStatus.NOT_FOUND, f"nothing at {request.path[:100]!r}")

    def _meter(self, request: Request, meter: Meter, rest: list[str]) -> Any:
        match rest:
            case []:
                return self._read(request, lambda: self._whole(meter))
            case ["power"]:
                _allow(request, "PUT")
                meter.power(_key(request, "on", bool))
            case ["faults", name]:
                self._fault(request, meter, name)
            case ["records", index, "value"]:
                _allow(request, "PUT")
                self._change(meter, _record(meter, index), request)
            case _:
                raise HttpError(HTTPStatus.NOT_FOUND, f"nothing at {request.path[:100]!r}")
        return self._whole(meter)

    def _named(self, name: str) -> Meter:
        meter = self._network.meters.get(name)
        if meter is None:
            guess = did_you_mean(name, self._network.meters)
            raise HttpError(HTTPStatus.NOT_FOUND, f"no meter is called {name[:100]!r}{guess}")
        return meter

    def _read(self, request: Request, document: Callable[[], Any]) -> Any:
        _allow(request, "GET")
        return document()

    def _fault(self, request: Request, meter: Meter, name: str) -> None:
        """Switch a fault of a meter on or off."""
        self._switch(request, lambda on, parameters: meter.fault(name, on, **parameters))

    def _line_fault(self, request: Request, name: str) -> None:
        """Switch a fault of the line or of its converter on or off."""
        line_fault = self._network.line_fault
        self._switch(request, lambda on, parameters: line_fault(name, on, **parameters))

    def _switch(self, request: Request, switch: Callable[[bool, dict[str, Any]], None]) -> None:
        """PUT switches something on with the parameters of the body, DELETE switches it off."""
        _allow(request, "PUT", "DELETE")
        try:
            if request.method == "DELETE":
                switch(False, {})
                return
            parameters = {} if request.body is None else request.body
            if not isinstance(parameters, dict):
                raise HttpError(HTTPStatus.BAD_REQUEST, "want the parameters as a JSON object")
            switch(True, parameters)
        except KeyError as error:
            raise HttpError(HTTPStatus.NOT_FOUND, str(error.args[0])) from error
        except ValidationError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, _told(error)) from error

    def _change(self, meter: Meter, record: CompiledRecord, request: Request) -> None:
        """Give a record another value from now on."""
        if not isinstance(request.body, dict) or set(request.body) != {"value"}:
            raise HttpError(HTTPStatus.BAD_REQUEST, "want a JSON object with the key 'value' alone")
        self._changes += 1
        key = f"control/{meter.id}/record({record.index})/{self._changes}"
        try:
            spec = _VALUE.validate_python(request.body["value"])
            record.change(spec, self._now(), key, self._network.epoch)
        except ValidationError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, _told(error)) from error
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from error

    def _now(self) -> int:
        return now_ns(self._network.env)

    def _overview(self) -> dict[str, Any]:
        network = self._network
        return {
            "population": network.population.name,
            "meters": len(network.meters),
            "baudrate": network.bus.format.baudrate,
            "now_ns": self._now(),
            "speed": network.clock.speed if network.clock is not None else None,
            "selected": [meter.id for meter in network.selected],
        }

    def _line(self) -> dict[str, Any]:
        network = self._network
        return {
            "baudrate": network.bus.format.baudrate,
            "converter": network.bus.converter.state.value,
            "mark_ma": network.supply.mark_ma,
            "overloaded": network.supply.overloaded,
            "faults": {
                name: fault.model_dump(mode="json") for name, fault in network.line_faults.items()
            },
        }

    def _whole(self, meter: Meter) -> dict[str, Any]:
        """One meter with its records as they stand, and its last complete read-out."""
        records = [
            {
                "index": record.index,
                "dib": record.record.dib.hex(" ").upper(),
                "vib": record.record.vib.hex(" ").upper(),
                "coding": record.record.coding,
                "data": record.characters(self._now()).hex(" ").upper(),
                "hidden": record.record.hidden,
            }
            for record in meter.application.records
        ]
        last = [reading._asdict() for reading in meter.expected]
        return _brief(meter) | {"records": records, "last_read_out": last}


def _brief(meter: Meter) -> dict[str, Any]:
    """What a list of meters says of each."""
    return {
        "id": meter.id,
        "identification_number": meter.identification_number,
        "manufacturer": meter.manufacturer,
        "version": meter.version,
        "medium": meter.medium,
        "primary_address": meter.primary_address,
        "powered": meter.powered,
        "answering": meter.answering,
        "faults": meter.faults.names(),
        "read_outs": len(meter.read_outs),
    }


def _faults(known: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Every fault with the schema of its parameters, whose description says how real it is."""
    return {name: fault.model_json_schema() for name, fault in known.items()}


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        message = f"want {' or '.join(methods)} here, got {request.method}"
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, message)


def _key(request: Request, name: str, kind: type) -> Any:
    """The only key of a body, of the right type."""
    if not isinstance(request.body, dict) or set(request.body) != {name}:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"want a JSON object with the key {name!r} alone")
    value = request.body[name]
    if not isinstance(value, kind):
        message = f"{name}: want true or false, got {value!r}"
        raise HttpError(HTTPStatus.BAD_REQUEST, message)
    return value


def _record(meter: Meter, index: str) -> CompiledRecord:
    records = meter.application.records
    if not (index.isascii() and index.isdigit()) or int(index[:6]) >= len(records):
        message = f"records are counted from 0 to {len(records) - 1}, got {index[:20]!r}"
        raise HttpError(HTTPStatus.NOT_FOUND, message)
    return records[int(index)]


def _told(error: ValidationError) -> str:
    """What is wrong with parameters, all of it in one line."""
    parts = []
    for detail in error.errors():
        where = ".".join(map(str, detail["loc"]))
        parts.append(
            f"{where}: {detail['msg'].removeprefix('Value error, ')}"
            if where
            else detail["msg"].removeprefix("Value error, ")
        )
    return "; ".join(parts)
