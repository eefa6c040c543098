"""Verbs that do something to the world, from their models to the intermediate form.

What names something (a meter, a client, a fault, a key of chip.ini) is looked up here, and what a
fault or a value takes is checked by the simulator's own models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from gateway.device.elements import METER_ELEMENTS, VALUE_ELEMENTS
from gateway.device.keys import KEYS
from gateway.device.kinds import KindError
from scenarios.language import verbs
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.ir import (
    Add,
    Allocate,
    Configure,
    Deallocate,
    Delete,
    Hang,
    Identify,
    LineFault,
    ListEdit,
    Malformed,
    MeterFault,
    Need,
    Poll,
    Power,
    PowerGateway,
    Readout,
    Reboot,
    Registers,
    Reload,
    Request,
    Save,
    Scan,
    Serial,
    SetValue,
    Start,
    Stop,
    Write,
)
from scenarios.language.resolve import Names, is_wildcard, matching
from scenarios.language.vocabulary import Capability
from simulators import faults as meter_faults
from simulators import line_faults, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.device.elements import Element
    from scenarios.language.diagnostics import Diagnostic, Place
    from scenarios.language.fields import Strict
    from scenarios.language.ir import Step
    from scenarios.language.source import Location, Source

#: What each verb needs of a backend; `power` and `fault` also go by what they are about.
_NEEDS: Final = {
    "scan": Capability.GATEWAY_COMMANDS,
    "readout": Capability.GATEWAY_COMMANDS,
    "allocate": Capability.GATEWAY_COMMANDS,
    "save": Capability.GATEWAY_COMMANDS,
    "reboot": Capability.GATEWAY_COMMANDS,
    "configure": Capability.GATEWAY_COMMANDS,
    "reload": Capability.GATEWAY_COMMANDS,
    "add": Capability.GATEWAY_COMMANDS,
    "delete": Capability.GATEWAY_COMMANDS,
    "deallocate": Capability.GATEWAY_COMMANDS,
    "write": Capability.GATEWAY_FILES,
    "hang": Capability.GATEWAY_HANG,
    "poll": Capability.MODBUS,
    "start": Capability.MODBUS,
    "stop": Capability.MODBUS,
    "read": Capability.MODBUS,
    "identify": Capability.MODBUS,
    "malformed": Capability.MODBUS,
    "set": Capability.METER_VALUES,
    "noise": Capability.LINE_FAULTS,
    "echo": Capability.LINE_FAULTS,
    "cut": Capability.LINE_FAULTS,
    "mend": Capability.LINE_FAULTS,
}

#: Verbs that take nothing.
_PLAIN: Final[Mapping[type[Strict], Callable[[Place], Step]]] = {
    verbs.ScanStep: Scan,
    verbs.AllocateStep: Allocate,
    verbs.ReloadStep: Reload,
    verbs.DeallocateStep: Deallocate,
    verbs.RebootStep: Reboot,
}

_VALUE: Final = TypeAdapter[Any](values.ValueSpec)

#: What each place of `cut` does to the way between gateway and meters.
_CUTS: Final[Mapping[str, type[line_faults.LineFault]]] = {
    "bus": line_faults.ConverterMute,
    "converter": line_faults.ConverterGone,
}


class DeedLowering:
    """Lowers the verbs of one file that are no composition; complaints go to `found`."""

    def __init__(self, source: Source, names: Names, found: list[Diagnostic]) -> None:
        self._source = source
        self._names = names
        self._found = found
        self.needs: list[Need] = []

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self._found.append(self._source.complain(code, message, place, hint))

    def need(self, verb: str, content: Strict | None, place: Place) -> None:
        """Note what a verb needs, as far as its content could be read."""
        capability = _NEEDS.get(verb)
        if isinstance(content, verbs.PowerStep):
            of_meter = content.power.device is None
            capability = Capability.METER_POWER if of_meter else Capability.GATEWAY_POWER
        elif isinstance(content, verbs.FaultStep):
            of_line = content.fault.meter is None
            capability = Capability.LINE_FAULTS if of_line else Capability.METER_FAULTS
        if capability is not None:
            self.needs.append(Need(capability, f"'{verb}'", place))

    def lower(self, content: Strict, location: Location, place: Place) -> Step | None:
        """Return the deed, None where it has mistakes."""
        plain = _PLAIN.get(type(content))
        if plain is not None:
            return plain(place)
        match content:
            case verbs.ReadoutStep(readout=whom):
                if whom.meter is not None:
                    self._one_meter(whom.meter, [*location, "readout", "meter"])
                return Readout(place, whom.meter)
            case verbs.SaveStep(save=saved):
                return Save(place, saved.refused)
            case verbs.ConfigureStep(configure=settings):
                where = [*location, "configure"]
                config = self.config(settings.config, [*where, "config"])
                edits = tuple(self._edits(settings.meters, [*where, "meters"]))
                return Configure(place, config, edits, settings.refused)
            case verbs.WriteStep(write=file):
                return Write(place, file.file, file.text)
            case verbs.HangStep(hang=hang):
                return Hang(place, hang.lasting)
            case verbs.MendStep():
                return Serial(place, tuple(LineFault(place, cut) for cut in _CUTS.values()))
            case _:
                return self._to_world(content, location, place)

    def _to_world(self, content: Strict, location: Location, place: Place) -> Step | None:
        match content:
            case verbs.AddStep(add=one):
                given = (one.serial, one.link, one.cycle, one.label, one.register_, one.count)
                return Add(place, *given)
            case verbs.DeleteStep(delete=whose):
                return Delete(place, self.meters(whose.meter, [*location, "delete", "meter"]))
            case verbs.PowerStep(power=power):
                return self._power(power, [*location, "power"], place)
            case verbs.FaultStep(fault=fault):
                return self._fault(fault, [*location, "fault"], place)
            case verbs.NoiseStep(noise=noise):
                return LineFault(place, line_faults.BitErrors(rate=noise.flip), noise.burst)
            case verbs.EchoStep(echo=echo):
                on = echo.to == "on"
                return LineFault(place, line_faults.Echo() if on else line_faults.Echo)
            case verbs.CutStep(cut=cut):
                return LineFault(place, _CUTS[cut.at](), cut.lasting)
            case verbs.SetStep(set=change):
                return self._set(change, [*location, "set"], place)
            case _:
                return self._of_client(content, location, place)

    def _of_client(self, content: Strict, location: Location, place: Place) -> Step | None:
        match content:
            case verbs.PollStep(poll=poll):
                return Poll(place, self._registers(poll, [*location, "poll"]))
            case verbs.StartStep(start=name):
                self._client(name.client, [*location, "start", "client"])
                return Start(place, name.client)
            case verbs.StopStep(stop=name):
                self._client(name.client, [*location, "stop", "client"])
                return Stop(place, name.client)
            case verbs.ReadStep(read=ask):
                self._client(ask.client, [*location, "read", "client"])
                return Request(place, ask.client, ask.unit, ask.function, ask.start, ask.count)
            case verbs.IdentifyStep(identify=ask):
                self._client(ask.client, [*location, "identify", "client"])
                return Identify(place, ask.client, ask.unit, ask.code, ask.object)
            case verbs.MalformedStep(malformed=sent):
                self._client(sent.client, [*location, "malformed", "client"])
                return Malformed(place, sent.client, bytes.fromhex(sent.octets), sent.wait)
            case _:
                raise AssertionError(f"no lowering for {type(content).__name__}")

    # --- Names --------------------------------------------------------------------------------

    def meters(self, selector: str, location: Location, *, key: bool = False) -> tuple[str, ...]:
        """Return the meters that an id or a pattern means; none is a mistake.

        The selector stands at `location`, as a value or as a `key`.
        """
        found = tuple(matching(selector, self._names.meters))
        if not found and self._names.known:
            hint = did_you_mean(selector, self._names.meters)
            place = (self._source.key if key else self._source.value)(location)
            self._complain("SCN025", f"unknown meter '{selector}'", place, hint)
        return found

    def _one_meter(self, selector: str, location: Location) -> None:
        if is_wildcard(selector):
            place = self._source.value(location)
            self._complain("SCN037", "this is about one meter, not a group", place)
        else:
            self.meters(selector, location)

    def _client(self, name: str, location: Location) -> None:
        if name not in self._names.clients and self._names.known:
            hint = did_you_mean(name, self._names.clients)
            self._complain("SCN024", f"unknown client '{name}'", self._source.value(location), hint)

    def config(self, config: Mapping[Any, Any], location: Location) -> dict[str, str]:
        """Check keys of chip.ini; a value goes through the device's own reader."""
        keys = {key.name: key for key in KEYS}
        texts = {}
        for name, value in config.items():
            key = keys.get(str(name))
            if key is None:
                hint = did_you_mean(str(name), keys)
                place = self._source.key([*location, name])
                self._complain("SCN011", f"unknown key '{name}' of chip.ini", place, hint)
                continue
            texts[key.name] = str(value)
            try:
                key.kind.parse(texts[key.name])
            except KindError as error:
                place = self._source.value([*location, name])
                self._complain("SCN015", f"{key.name} wants {error}", place)
        return texts

    def _edits(self, rows: Mapping[str, Any], location: Location) -> Iterator[ListEdit]:
        """Yield every element that is changed; names and texts go through the device's table."""
        for selector, elements in rows.items():
            here = [*location, selector]
            for meter in self.meters(selector, here, key=True):
                for name, value in elements.items():
                    if name == "values" and isinstance(value, Mapping):
                        yield from self._value_edits(meter, value, [*here, "values"])
                    elif self._element(METER_ELEMENTS, name, [*here, name]):
                        yield ListEdit(meter, None, name, _text(value))

    def _value_edits(
        self, meter: str, values_: Mapping[Any, Any], location: Location
    ) -> Iterator[ListEdit]:
        for number, elements in values_.items():
            here = [*location, number]
            if not isinstance(number, int) or not isinstance(elements, Mapping):
                message = "want a mapping such as {0: {register: 100}}"
                self._complain("SCN014", message, self._source.key(here))
                continue
            for name, value in elements.items():
                if self._element(VALUE_ELEMENTS, name, [*here, name]):
                    yield ListEdit(meter, number, name, _text(value))

    def _element(self, known: Mapping[str, Element], name: str, location: Location) -> bool:
        if name in known:
            # What it takes, and what it refuses, is the device's to say when it runs.
            return True
        hint = did_you_mean(str(name), known)
        self._complain("SCN011", f"unknown element '{name}'", self._source.key(location), hint)
        return False

    # --- The world ----------------------------------------------------------------------------

    def _power(self, power: verbs.PowerModel, location: Location, place: Place) -> Step | None:
        on = power.to == "on"
        if (power.meter is None) == (power.device is None):
            self._complain("SCN012", "want either 'meter' or 'device'", place)
            return None
        if power.meter is None:
            return PowerGateway(place, on)
        meters = self.meters(power.meter, [*location, "meter"])
        return Power(place, meters, on) if meters else None

    def _fault(self, fault: verbs.FaultModel, location: Location, place: Place) -> Step | None:
        if (fault.on is None) == (fault.off is None):
            self._complain("SCN012", "want either 'on' or 'off'", place)
            return None
        if fault.off is not None and fault.lasting is not None:
            where = self._source.key([*location, "for"])
            self._complain("SCN011", "what is switched off has no end: no 'for' here", where)
        named = {str(fault.off): None} if fault.on is None else fault.on
        name, parameters = next(iter(named.items()))
        kind = self._kinds(fault.meter).get(name)
        if kind is None:
            self._unknown_fault(name, fault, location)
            return None
        made = kind
        if fault.on is not None:
            made = self._made(kind, parameters, [*location, "on", name])
        if made is None:
            return None
        if fault.meter is None:
            return LineFault(place, made, fault.lasting)
        meters = self.meters(fault.meter, [*location, "meter"])
        return MeterFault(place, meters, made, fault.lasting) if meters else None

    def _kinds(self, meter: str | None) -> Mapping[str, Any]:
        return line_faults.LINE_FAULTS if meter is None else meter_faults.FAULTS

    def _unknown_fault(self, name: str, fault: verbs.FaultModel, location: Location) -> None:
        if fault.on is None:
            place = self._source.value([*location, "off"])
        else:
            place = self._source.key([*location, "on", name])
        hint = did_you_mean(name, self._kinds(fault.meter))
        if not hint and name in self._kinds(None if fault.meter else ""):
            hint = "a fault of the line has no 'meter'" if fault.meter else "say which 'meter'"
        whose = "the line" if fault.meter is None else "a meter"
        self._complain("SCN027", f"no fault of {whose} is called '{name}'", place, hint)

    def _made(self, kind: Any, parameters: Any, location: Location) -> Any:
        """Return the fault with its parameters; every mistake in them is told at its place."""
        given = {} if parameters in (None, True) else parameters
        try:
            return kind.model_validate(given)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                at = [*location, *detail["loc"]]
                message = detail["msg"].removeprefix("Value error, ")
                if detail["type"] == "extra_forbidden":
                    hint = did_you_mean(str(at[-1]), kind.model_fields)
                    place = self._source.key(at)
                    self._complain("SCN011", f"unknown key '{at[-1]}'", place, hint)
                else:
                    message = message[0].lower() + message[1:]
                    self._complain("SCN028", message, self._source.value(at))
            return None

    def _set(self, change: verbs.SetModel, location: Location, place: Place) -> Step | None:
        meters = self.meters(change.meter, [*location, "meter"])
        try:
            value = _VALUE.validate_python(change.value)
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            where = self._source.value([*location, "value"])
            self._complain("SCN028", message[0].lower() + message[1:], where)
            return None
        return SetValue(place, meters, change.record, value) if meters else None

    def _registers(self, poll: verbs.PollModel, location: Location) -> Registers | None:
        if (poll.start is None) != (poll.count is None):
            message = "want both 'from' and 'count', or neither"
            self._complain("SCN012", message, self._source.key(location))
        if poll.start is None or poll.count is None:
            return None
        return Registers(poll.start, poll.count)


def _text(value: Any) -> str:
    """Return a YAML value as the device's files would write it."""
    return str(int(value)) if isinstance(value, bool) else str(value)
