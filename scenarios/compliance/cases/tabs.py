"""Fields of the tabs that are written and kept, and what is printed (manual 3.4, 4.2, 4.9, 7.2)."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Final

from gateway.device.edits import EditError
from gateway.device.keys import Tab
from scenarios.compliance.arrangement import MODBUS, WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.cases.meter_tab import COLUMNS, refused
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_CHIP_INI: Final = "app/chip.ini"


def _settings(trial: Trial) -> dict[str, str]:
    """What chip.ini holds, by section and key."""
    found_, section = {}, ""
    for line in trial.storage.read(_CHIP_INI).decode().splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found_[f"{section}.{name.strip()}"] = value.strip()
    return found_


@case(
    "network/factory",
    "A new device has the network settings of the manual, and its Modbus server answers there",
    ("NET-01.1", "NET-01.2", "NET-01.3"),
    Arrangement(WORKED_EXAMPLES[:1]),
)
async def factory_network(trial: Trial, verdicts: Verdicts) -> None:
    """In the file of the factory, and in force with DHCP off (C-16)."""
    settings, now = _settings(trial), trial.appliance.configuration()
    for requirement, key, value, in_force in (
        ("NET-01.1", "IP.ADDRESS", MODBUS[0], now.address),
        ("NET-01.2", "IP.NETMASK", "255.255.255.0", now.netmask),
        ("NET-01.3", "IP.GATEWAY", "192.168.1.254", now.gateway),
    ):
        verdicts.equal(requirement, f"{key} in the file", value, settings.get(key))
        verdicts.equal(requirement, f"{key} in force", value, in_force)
        verdicts.equal(requirement, "DHCP", "0", settings.get("IP.DHCP"))
    served = await trial.registers(last=9)
    verdicts.equal("NET-01.1", "registers at that address", list(range(10)), sorted(served))


#: Fields of the General tab: statement, key, a value to write.
_FIELDS: Final = (
    ("GEN-01.1", "DEVICE.NAME", "Cellar 3"),
    ("GEN-01.3", "IP.DHCP", "1"),
    ("GEN-01.4", "IP.ADDRESS", "10.10.13.131"),
    ("GEN-01.4", "IP.NETMASK", "255.255.0.0"),
    ("GEN-01.4", "IP.GATEWAY", "10.10.0.1"),
    ("GEN-01.4", "IP.DNS", "10.10.0.2"),
    ("GEN-01.7", "CONFIG.SNTPIP", "ntp.example"),
)


@case(
    "general/fields",
    "The fields of the General tab are written by a Save, kept by a restart, forgotten by Reload",
    ("GEN-01.1", "GEN-01.3", "GEN-01.4", "GEN-01.7", "WEB-07.2", "WEB-07.3", "FTP-03"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def fields(trial: Trial, verdicts: Verdicts) -> None:
    """Each first discarded, then saved; at the end a file that somebody has uploaded."""
    door = trial.appliance
    before = _settings(trial)
    for _, key, text in _FIELDS:
        door.set_key(key.removeprefix("CONFIG."), text)
    door.reload()
    await door.save([Tab.GENERAL])
    after = {key: value for key, value in _settings(trial).items() if key in before}
    verdicts.equal("WEB-07.2", "the file behind Reload and Save", before, after)
    for requirement, key, text in _FIELDS:
        words = refused(lambda k=key, t=text: door.set_key(k.removeprefix("CONFIG."), t))  # type: ignore[misc]
        verdicts.equal(requirement, f"refusal of {key}", None, words)
    await door.save([Tab.GENERAL])
    for when in ("behind a Save", "behind a restart"):
        settings = _settings(trial)
        for requirement, key, text in _FIELDS:
            for one in (requirement, "WEB-07.3"):
                verdicts.equal(one, f"{key} in the file {when}", text, settings.get(key))
        now = door.configuration()
        verdicts.equal("GEN-01.1", f"name in force {when}", "Cellar 3", now.name)
        verdicts.equal("GEN-01.3", f"DHCP in force {when}", 1, now.dhcp)
        seen = [now.address, now.netmask, now.gateway, now.dns]
        wanted = [text for one, _, text in _FIELDS if one == "GEN-01.4"]
        verdicts.equal("GEN-01.4", f"addresses in force {when}", wanted, seen)
        verdicts.equal("GEN-01.7", f"SNTP server in force {when}", "ntp.example", now.sntpip)
        door.reboot()
        await door.ready()
    text = trial.storage.read(_CHIP_INI).decode().replace("NAME=Cellar 3", "NAME=Uploaded")
    trial.storage.replace(_CHIP_INI, text.encode())
    await trial.wait_s(60)
    verdicts.equal("FTP-03", "name before the restart", "Cellar 3", door.configuration().name)
    door.reboot()
    await door.ready()
    verdicts.equal("FTP-03", "name behind the restart", "Uploaded", door.configuration().name)


@case(
    "settings/transparent-port",
    "Transparent mode is chosen with TCP or UDP and a port that no service has",
    ("TRANS-01.1", "TRANS-01.2", "TRANS-01.3", "SEC-03"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def transparent_port(trial: Trial, verdicts: Verdicts) -> None:
    """80, 21, 22, 443 and 502 are refused, in words with the number; 5000 is the default (C-21)."""
    door = trial.appliance
    verdicts.equal("TRANS-01.3", "default", 5000, door.configuration().mbus_transparentport)
    for port in (80, 21, 22, 443, 502, 0, 65536):
        words = refused(lambda p=port: door.set_key("MBUS_TRANSPARENTPORT", str(p)))  # type: ignore[misc]
        verdicts.check("TRANS-01.3", str(port) in (words or ""), f"port {port}: seen {words!r}")
    for port, mode in ((5001, "TRANSPARENTTCP"), (1, "TRANSPARENTUDP"), (65535, "TRANSPARENTTCP")):
        door.set_key("MBUS_SCANMODE", mode)
        door.set_key("MBUS_TRANSPARENTPORT", str(port))
        await door.save()
        door.reboot()
        await door.ready()
        now = door.configuration()
        for requirement in ("TRANS-01.1", "TRANS-01.2"):
            verdicts.equal(requirement, "mode behind a restart", mode, now.mbus_scanmode)
        verdicts.equal("TRANS-01.3", "port behind a restart", port, now.mbus_transparentport)
    door.set_key("MBUS_TRANSPARENTPORT", "1502")
    door.set_key("MODBUS_NWPORT", "1502")
    words = ""
    try:
        await door.save()
    except EditError as error:
        words = str(error)
    verdicts.check("TRANS-01.3", bool(words), "the port of the Modbus server was taken")
    door.reload()
    for name in ("TELNET.ENABLE", "TELNET_ENABLE"):
        words = refused(lambda key=name: door.set_key(key, "1")) or ""  # type: ignore[misc]
        verdicts.check("SEC-03", bool(words), f"{name} was switched on")
    try:
        await (await trial.connect(23)).close()
        answers = True
    except OSError:
        answers = False
    verdicts.equal("SEC-03", "whether port 23 answers", False, answers)


@case(
    "print/meters",
    "Print has the meters in the columns of the list, numbers as they are, texts with their text",
    ("PRINT-01.3", "PRINT-02"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def printed(trial: Trial, verdicts: Verdicts) -> None:
    """Fig. 14: meter B has a text among its values."""
    await trial.commission()
    rows = trial.appliance.printed_rows()
    verdicts.equal("PRINT-01.3", "columns", len(COLUMNS), len(astuple(rows[0])))
    serials = [row.serial for row in rows if row.serial]
    verdicts.equal("PRINT-01.3", "meters", ["66600106", "00428670"], serials)
    interfaces = {row.interface for row in rows if not row.serial}
    verdicts.equal("PRINT-01.3", "Interface on rows of values", {""}, interfaces)
    volume = next(row for row in rows if row.description == "Volume")
    verdicts.equal("PRINT-01.3", "a number of eight digits", "12345678", volume.value)
    text = next(row for row in rows if row.description == "Metrology (firmware) version")
    verdicts.equal("PRINT-02", "the text value", "D325-101", text.value)
