"""Commands of a scenario to the reference gateway, as JSON documents, and how it carries them out.

The same documents are carried out in this process and in that of a gateway of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.device.edits import EditError
from scenarios.language.ir import Add, Configure, Deallocate, Delete, Reload
from scenarios.stage import DeedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.device.appliance import Appliance
    from simulators.meter import Meter

#: One command: ``do`` names it, the rest are its arguments.
Command = dict[str, Any]


def edit(
    deed: Configure | Add | Delete | Deallocate | Reload, meters: Mapping[str, Meter]
) -> Command:
    """Return the command for a change as a page makes it."""
    match deed:
        case Configure(config=config, edits=edits):
            rows = [
                [*_identity(meters[one.meter]), one.number, one.element, one.text] for one in edits
            ]
            return {"do": "configure", "config": dict(config), "edits": rows}
        case Add():
            names = ("serial", "link", "cycle", "label", "register", "count")
            return {"do": "add", **{name: getattr(deed, name) for name in names}}
        case Delete(meters=whose):
            return {"do": "delete", "meters": [_identity(meters[name]) for name in whose]}
        case Deallocate():
            return {"do": "deallocate"}
        case Reload():
            return {"do": "reload"}


def _identity(meter: Meter) -> list[str]:
    return [meter.identification_number, meter.manufacturer]


async def carry_out(appliance: Appliance, command: Command) -> None:
    """Do what a command says; raises DeedError where the gateway refuses it.

    A bus that fails is no refusal: it shows in the signals of the gateway.
    """
    try:
        if not await _on_bus(appliance, command):
            _on_page(appliance, command)
    except EditError as error:
        raise DeedError(f"the gateway refused: {error}") from error


async def _on_bus(appliance: Appliance, command: Command) -> bool:
    """Do what takes a turn of the device; False for another command."""
    match command["do"]:
        case "scan":
            await _despite_the_bus(appliance.scan())
        case "readout":
            try:
                await _despite_the_bus(appliance.readout(command["number"]))
            except KeyError:
                reason = f"the gateway has no meter {command['number']} in its list"
                raise DeedError(reason) from None
        case "allocate":
            await appliance.allocate()
        case "save":
            try:
                await appliance.save()
            except OSError as error:
                raise DeedError(f"the gateway did not save: {error}") from error
        case "reboot":
            appliance.reboot()
            await appliance.ready()
        case "ready":
            await appliance.ready()
        case _:
            return False
    return True


async def _despite_the_bus(doing: Any) -> None:
    try:
        await doing
    except OSError:
        return


def _on_page(appliance: Appliance, command: Command) -> None:
    match command["do"]:
        case "configure":
            for name, text in command["config"].items():
                appliance.set_key(name, text)
            for number, manufacturer, value, element, text in command["edits"]:
                handle = _handle(appliance, number, manufacturer)
                if value is None:
                    appliance.set_meter(handle, element, text)
                else:
                    appliance.set_value(handle, value, element, text)
        case "add":
            given = {key: value for key, value in command.items() if key not in ("do", "serial")}
            appliance.add_meters(command["serial"], **given)
        case "delete":
            for number, manufacturer in command["meters"]:
                appliance.delete(_handle(appliance, number, manufacturer))
        case "deallocate":
            appliance.deallocate_registers()
        case "reload":
            appliance.reload()
        case other:
            raise AssertionError(f"no command {other!r}")


def _handle(appliance: Appliance, number: str, manufacturer: str) -> int:
    """Return what the gateway calls a meter of the population."""
    for view in appliance.meters():
        if (view.identification_number, view.entry.manufacturer) == (number, manufacturer):
            return view.handle
    raise DeedError(f"the gateway has no meter {number} in its list")
