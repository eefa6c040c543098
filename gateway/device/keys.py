"""chip.ini, the system configuration file (manual 9.4), as one typed table.

A row of `Configuration` is a key: section, values taken, default of a missing key, what it does
and where the manual says so. Reading, writing, the page and the documentation all go by the rows.

The factory file differs from the defaults (C-16): it sets explicitly what the manual's screens
show, so that a fresh device and an emptied file behave as the manual says of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final

from gateway.device.kinds import (
    UINT32_MAX,
    Address,
    Choice,
    FilePath,
    HexMask,
    Integer,
    Numbers,
    OptionalInteger,
    Text,
)

if TYPE_CHECKING:
    from gateway.device.kinds import Kind

#: Rates of the line (C-40).
BAUDRATES: Final = (300, 600, 1200, 2400, 4800, 9600, 19200)
#: Ports that transparent mode must not take, because services have them (manual 7.2.1).
RESERVED_PORTS: Final = (21, 22, 80, 443, 502)

#: Files that the meter list must not be.
RESERVED_FILES: Final = ("/app/chip.ini", "/app/webcom.ini")


@unique
class Tab(Enum):
    """The page that writes a key, which decides what a Save initialises again (C-51)."""

    GENERAL = "General"
    METER = "Meter"
    CONFIGURATION = "Configuration"
    SERVER = "Server"
    SECURITY = "Security"
    FILE_ONLY = "file only"


@unique
class Applies(Enum):
    """When a changed key counts: a page re-initialises at Save, a file is read at start (C-51)."""

    SAVE = "re-initialise"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of chip.ini: where it stands, what it takes and what it does.

    `own` marks keys that the manual does not have (C-20, C-21, C-22, C-32, C-46, C-49, C-74),
    `idle` those that are read and kept without any effect (C-45), `secret` those whose value no
    message may show. `former` are other spellings that are read (C-24). `awaits` names the part of
    the device that will obey the key and is not built yet; until then it has no effect.
    """

    attribute: str
    section: str
    name: str
    kind: Kind
    default: Any
    effect: str
    manual: str
    tab: Tab
    own: bool
    idle: bool
    secret: bool
    former: tuple[str, ...]
    masked: tuple[int, int] | None
    awaits: str

    @property
    def place(self) -> str:
        """Section and name as a message quotes them."""
        return f"[{self.section}] {self.name}"

    @property
    def applies(self) -> Applies:
        """When a changed value counts."""
        return Applies.RESTART if self.tab is Tab.FILE_ONLY else Applies.SAVE


def _key(
    section: str,
    kind: Kind,
    default: Any,
    effect: str,
    *,
    manual: str = "9.4",
    tab: Tab = Tab.FILE_ONLY,
    name: str = "",
    own: bool = False,
    idle: bool = False,
    secret: bool = False,
    former: tuple[str, ...] = (),
    masked: tuple[int, int] | None = None,
    awaits: str = "",
) -> Any:
    """Make a row; the key's name is the attribute in capitals unless `name` says otherwise.

    `masked` = (value, replacement): a value in the manual's range that means nothing (C-09).
    """
    columns = {
        "section": section,
        "name": name,
        "kind": kind,
        "effect": effect,
        "manual": manual,
        "tab": tab,
        "own": own,
        "idle": idle,
        "secret": secret,
        "former": former,
        "masked": masked,
        "awaits": awaits,
    }
    return field(default=default, metadata=columns)


_SWITCH: Final = Integer(0, 1)
_UINT16: Final = Integer(0, 65535)
_MS: Final = Integer(0, 65535, "ms")
_SECONDS: Final = Integer(1, UINT32_MAX, "s")
# Lengths that a certificate can hold (X.520 upper bounds).
_CERTIFICATE_TEXT: Final = Text(64)
_PLACE_TEXT: Final = Text(128)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Every key of chip.ini with its value in force; immutable, so a reader never sees half.

    Numbers are ints, words and masks are text in capitals, "" is an address that is not set.
    """

    # Section IP.
    address: str = _key(
        "IP",
        Address(),
        "",
        "IP address of the device",
        manual="3.4, 4.2",
        tab=Tab.GENERAL,
        awaits="network settings",
    )
    netmask: str = _key(
        "IP",
        Address(),
        "",
        "subnet mask",
        manual="3.4, 4.2",
        tab=Tab.GENERAL,
        awaits="network settings",
    )
    gateway: str = _key(
        "IP",
        Address(),
        "",
        "IP address of the router (C-24)",
        manual="3.4, 4.2",
        tab=Tab.GENERAL,
        awaits="network settings",
    )
    dhcp: int = _key(
        "IP",
        _SWITCH,
        1,
        "network settings by DHCP",
        manual="3.4, 4.2",
        tab=Tab.GENERAL,
        awaits="network settings",
    )
    dns: str = _key(
        "IP",
        Address(),
        "",
        "name server (C-22)",
        manual="4.2",
        tab=Tab.GENERAL,
        own=True,
        awaits="network settings",
    )
    tcpipmem: int = _key(
        "IP", Integer(60, 1000, "kB"), 280, "size of meter list that the page can show (C-33)"
    )
    # Section DEVICE.
    name: str = _key(
        "DEVICE",
        Text(20),
        "Anybus M-Bus/MTCP 80",
        "name shown in discovery",
        tab=Tab.GENERAL,
        awaits="discovery",
    )
    # Section CONFIG: the bus.
    mbus_baudrate: int = _key(
        "CONFIG",
        Numbers(BAUDRATES, "Bd"),
        2400,
        "speed of the line (C-40)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_databits: int = _key("CONFIG", Numbers((7, 8)), 8, "data bits of a character")
    mbus_debugout: int = _key("CONFIG", _SWITCH, 0, "telegrams to the event log")
    mbus_enable: int = _key(
        "CONFIG", _SWITCH, 1, "0 = bus disabled (C-20)", manual="8.3, 9.4", tab=Tab.CONFIGURATION
    )
    mbus_freezestorageum: int = _key(
        "CONFIG",
        Integer(0, UINT32_MAX),
        0,
        "storage number of the freeze request (C-19)",
        former=("MBUS_FREEZESTORAGENUM",),
    )
    mbus_fulltimeout: int = _key(
        "CONFIG",
        _MS,
        10000,
        "longest telegram, from its first character (C-70)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_idletimeout: int = _key(
        "CONFIG",
        _MS,
        100,
        "silence that ends an incomplete telegram",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_maxmultipage: int = _key(
        "CONFIG",
        Integer(0, 255),
        10,
        "telegrams per read-out, the first included (C-61)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_maxprimaryaddress: int = _key(
        "CONFIG",
        Integer(0, 250),
        250,
        "last address of a primary scan",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_maxretry: int = _key(
        "CONFIG", Integer(0, 255), 3, "extra sends of a request (C-39)", manual="8.3, 9.4"
    )
    mbus_minprimaryaddress: int = _key(
        "CONFIG",
        Integer(0, 250),
        0,
        "first address of a primary scan",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_parity: int = _key("CONFIG", Integer(0, 4), 2, "0 none, 1 odd, 2 even, 3 mark, 4 space")
    mbus_rawlogenable: int = _key(
        "CONFIG",
        _SWITCH,
        0,
        "raw data log",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_requestmode: str = _key(
        "CONFIG",
        Choice(("DEFAULT", "EXT", "EXT2", "ONLY", "FREEZE")),
        "DEFAULT",
        "request part of a read-out (C-19; EXT2 is our own)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_resetdisable: int = _key("CONFIG", _SWITCH, 0, "no reset at all (C-18)")
    mbus_resetmode: int = _key(
        "CONFIG",
        Integer(0, 3),
        0,
        "0 standard, 1 extended 1, 2 none, 3 extended 2 (C-18; 3 is our own)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_scanmode: str = _key(
        "CONFIG",
        Choice(
            (
                "PRIMARYSCAN",
                "SECONDARYSCAN",
                "SECONDARYSCANALLOC",
                "SECONDARYSCANREVERSE",
                "SECONDARYSCANALLOCREVERSE",
                "TRANSPARENTTCP",
                "TRANSPARENTUDP",
            )
        ),
        "SECONDARYSCAN",
        "kind of scan (C-20); TRANSPARENT…, our own, wait for transparent mode",
        manual="4.4, 6.1, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_searchhexadecimal: int = _key(
        "CONFIG",
        _SWITCH,
        0,
        "1: a secondary search looks for digits A to E without any sign of them",
        own=True,
    )
    mbus_searchtiming: str = _key(
        "CONFIG",
        Choice(("LITERAL", "ADAPTIVE")),
        "LITERAL",
        "waits and retries of a secondary search (C-74)",
        own=True,
    )
    mbus_secmaskmanufacturer: str = _key(
        "CONFIG", HexMask(4), "FFFF", "manufacturer of a secondary scan (C-41)"
    )
    mbus_secmaskmedium: str = _key(
        "CONFIG", HexMask(2, ("FFFF",)), "FF", "medium of a secondary scan (C-41)"
    )
    mbus_secmaskserial: str = _key(
        "CONFIG",
        HexMask(8),
        "FFFFFFFF",
        "identification number of a secondary scan (C-41)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_secmaskversion: str = _key(
        "CONFIG", HexMask(2, ("FFFF",)), "FF", "version of a secondary scan (C-41)"
    )
    mbus_selectmask: int = _key(
        "CONFIG",
        Integer(0, 15),
        0,
        "wildcards when selecting: 1 serial, 2 manufacturer, 4 version, 8 medium",
        manual="8.3, 9.4",
    )
    mbus_stopbits: int = _key("CONFIG", Numbers((1, 2)), 1, "stop bits of a character")
    mbus_timeout: int = _key(
        "CONFIG",
        _MS,
        2000,
        "wait for the first character of an answer",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    mbus_transparentport: int = _key(
        "CONFIG",
        Integer(1, 65535, never=RESERVED_PORTS),
        5000,
        "port of transparent mode (C-21)",
        manual="7.2",
        tab=Tab.CONFIGURATION,
        own=True,
        awaits="transparent mode",
    )
    mbus_wakeupenable: int = _key("CONFIG", _SWITCH, 0, "wake-up before each reset part (C-62)")
    # Section CONFIG: the meters.
    meter_maxallvaluecount: int = _key(
        "CONFIG", _UINT16, 0, "values over all meters, 0 = no limit (C-71)"
    )
    meter_maxdevicecount: int = _key(
        "CONFIG",
        _UINT16,
        0,
        "meters that a scan may list, 0 = no limit (C-71)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    meter_maxvaluecount: int = _key(
        "CONFIG",
        _UINT16,
        0,
        "values per meter, 0 = no limit (C-71)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    meter_stat_config: str = _key(
        "CONFIG", FilePath(40, RESERVED_FILES), "/app/Device_Handle.cfg", "path of the meter list"
    )
    meter_time: int = _key(
        "CONFIG",
        Integer(10, UINT32_MAX, "s"),
        900,
        "read-out interval",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
    )
    # Section CONFIG: the Modbus server.
    modbus_address: int = _key("CONFIG", Integer(0, 255), 0, "unit identifier, 0 = any (C-38)")
    modbus_connectiontimeout: int = _key(
        "CONFIG",
        Integer(0, 65535, "s"),
        60,
        "time to finish a request, 0 = no limit (C-36)",
    )
    modbus_debugout: int = _key("CONFIG", _SWITCH, 0, "requests and answers to the event log")
    modbus_disconnecttimeout: int = _key(
        "CONFIG", Integer(1, 1000, "s"), 60, "time from one request to the next (C-36)"
    )
    modbus_enable: int = _key("CONFIG", _SWITCH, 0, "the Modbus server (C-16)")
    modbus_maxconnections: int = _key(
        "CONFIG", Integer(0, 80), 5, "TCP connections at one time (C-37)", manual="4.5, 9.4"
    )
    modbus_mode: str = _key(
        "CONFIG",
        Choice(("TCP", "UDP")),
        "TCP",
        "transport of the Modbus server (C-22)",
        manual="4.5",
        tab=Tab.SERVER,
        own=True,
    )
    modbus_nwport: int = _key(
        "CONFIG",
        Integer(1, 65535),
        502,
        "port of the Modbus server; 0 is refused (C-39)",
        manual="4.5, 9.4",
        tab=Tab.SERVER,
    )
    modbus_swap: int = _key(
        "CONFIG",
        _SWITCH,
        0,
        "1 = least significant register first (C-08)",
        manual="4.5, 5.2, 9.4",
        tab=Tab.SERVER,
    )
    modbusmeter_protocolversion: int = _key(
        "CONFIG",
        Integer(0, 15),
        0,
        "bit 0 float-only, 1 multi-slave, 2 swap of 32-bit fields, 3 dummy image (C-09)",
        manual="4.5, 9.4",
        tab=Tab.SERVER,
        masked=(16, 0),
    )
    # Section CONFIG: the rest.
    muc_config_ver: int = _key("CONFIG", Numbers((1, 2)), 2, "version of this file", idle=True)
    muc_log: str = _key(
        "CONFIG",
        Choice(("DEFAULT", "NONE", "ERRORONLY", "ALL")),
        "DEFAULT",
        "what the event log takes",
    )
    muc_meterdescription_enableflags: int = _key(
        "CONFIG",
        Integer(0, 15),
        1,
        "bit 0 description, 1 storage/tariff/type, 2 DIF/VIF, 3 raw data (C-35)",
        manual="4.4, 9.4",
        tab=Tab.CONFIGURATION,
        masked=(16, 0),
    )
    muc_setdevices: str = _key(
        "CONFIG", Choice(("S0", "ALL", "NONE")), "S0", "writing to S0 meters (C-45)", idle=True
    )
    muc_protocol_ver: int = _key(
        "CONFIG",
        Integer(0, 3, also=(30,)),
        30,
        "version of CSV and XML data, 30 = 3 (C-17)",
        awaits="other versions of the CSV and XML export",
    )
    muc_showtimestampentries: int = _key(
        "CONFIG", _SWITCH, 0, "list time stamps as values of their own", manual="4.3, 9.4"
    )
    muc_use_freeze: int = _key("CONFIG", _SWITCH, 0, "freeze before each read-out (C-19)")
    sntp_enable: int = _key("CONFIG", _SWITCH, 1, "system time by SNTP", awaits="SNTP")
    sntp_maxtimeout: int = _key(
        "CONFIG", _SECONDS, 93600, "longest time between two requests (C-43)", awaits="SNTP"
    )
    sntp_mintimeout: int = _key(
        "CONFIG", _SECONDS, 79200, "shortest time between two requests (C-43)", awaits="SNTP"
    )
    sntp_reqtimeout: int = _key(
        "CONFIG", Integer(1, 65535, "ms"), 30000, "wait for the server's answer", awaits="SNTP"
    )
    sntpip: str = _key(
        "CONFIG",
        Text(40),
        "ptbtime1.ptb.de",
        "time server, address or name (C-43)",
        manual="4.2, 9.4",
        tab=Tab.GENERAL,
        awaits="SNTP",
    )
    watchdog_idle: int = _key("CONFIG", _SECONDS, 120, "limit of the idle state (C-55)")
    watchdog_process: int = _key("CONFIG", _SECONDS, 900, "limit of the busy state (C-55)")
    watchdog_readout: int | None = _key(
        "CONFIG",
        OptionalInteger(_SECONDS, "4 times METER_TIME, at least WATCHDOG_PROCESS"),
        None,
        "limit of a read-out pass (C-55)",
    )
    watchdog_scan: int = _key("CONFIG", _SECONDS, 1800, "limit of a scan (C-55)", manual="8.3, 9.4")
    mbus_faultreboot: int = _key(
        "CONFIG",
        Integer(0, 65535, "s"),
        0,
        "restart when the bus has failed for so long, 0 = never (C-46, MBUS-03)",
        own=True,
    )
    valuelog: str = _key(
        "CONFIG",
        Choice(("NONE", "CSV", "XML", "BOTH")),
        "NONE",
        "readings as files on the log drive (C-49)",
        own=True,
        name="VALUELOG",
    )
    webcom_timeout: int = _key(
        "CONFIG",
        Integer(1, UINT32_MAX, "ms"),
        30000,
        "a session without requests ends (C-32)",
    )
    webcom_maxsession: int = _key(
        "CONFIG",
        _SECONDS,
        28800,
        "a session ends in any case (C-32)",
        own=True,
    )
    # Sections FTP, SSH and UDPCFG.
    cert_country: str = _key(
        "FTP", Text(2), "SE", "certificate: country (C-24)", awaits="device certificate"
    )
    cert_state: str = _key(
        "FTP", _PLACE_TEXT, "Halland", "certificate: state", awaits="device certificate"
    )
    cert_location: str = _key(
        "FTP", _PLACE_TEXT, "Halmstad", "certificate: location", awaits="device certificate"
    )
    cert_organisation: str = _key(
        "FTP",
        _CERTIFICATE_TEXT,
        "HMS Industrial Networks",
        "certificate: organisation",
        awaits="device certificate",
    )
    cert_organisation_unit: str = _key(
        "FTP",
        _CERTIFICATE_TEXT,
        "BU Anybus",
        "certificate: organisational unit",
        awaits="device certificate",
    )
    cert_common_name: str = _key(
        "FTP",
        _CERTIFICATE_TEXT,
        "www.hms-networks.com",
        "certificate: common name",
        awaits="device certificate",
    )
    ftp_enable: int = _key(
        "FTP",
        _SWITCH,
        1,
        "the FTP server (C-22)",
        name="ENABLE",
        manual="4.6",
        tab=Tab.SECURITY,
        own=True,
        awaits="FTP server",
    )
    ssh_enable: int = _key(
        "SSH",
        _SWITCH,
        1,
        "the SSH server (C-22)",
        name="ENABLE",
        manual="4.6",
        tab=Tab.SECURITY,
        own=True,
        awaits="SSH server",
    )
    ipcfg_password: str = _key(
        "UDPCFG",
        Text(64),
        "admin",
        "password of IP configuration by discovery",
        secret=True,
        awaits="discovery",
    )

    @property
    def watchdog_readout_limit(self) -> int:
        """WATCHDOG_READOUT in force, s: the key, or 4 x METER_TIME, at least WATCHDOG_PROCESS."""
        if self.watchdog_readout is not None:
            return self.watchdog_readout
        return min(max(4 * self.meter_time, self.watchdog_process), UINT32_MAX)


#: The rows of the table, in the order of the manual's sections.
KEYS: Final = tuple(
    Key(
        attribute=column.name,
        default=column.default,
        **{**column.metadata, "name": column.metadata["name"] or column.name.upper()},
    )
    for column in fields(Configuration)
)

_BY_NAME: Final[dict[str, Key]] = {}
for _row in KEYS:
    _BY_NAME[_row.attribute] = _BY_NAME[f"{_row.section}.{_row.name}"] = _row
    _BY_NAME[_row.place] = _row
    if sum(other.name == _row.name for other in KEYS) == 1:
        _BY_NAME[_row.name] = _row


def find_key(name: str) -> Key:
    """The row of a key: "MBUS_TIMEOUT", "FTP.ENABLE", "[FTP] ENABLE", or its attribute.

    Raises KeyError for a name that is none, or that two sections have.
    """
    return _BY_NAME[name]


def contradictions(configuration: Configuration) -> list[str]:
    """What is wrong with a configuration although every key is in its range; empty = nothing."""
    texts = []
    if configuration.mbus_minprimaryaddress > configuration.mbus_maxprimaryaddress:
        texts.append(
            "MBUS_MINPRIMARYADDRESS is above MBUS_MAXPRIMARYADDRESS: no address is scanned"
        )
    if configuration.sntp_mintimeout > configuration.sntp_maxtimeout:
        texts.append("SNTP_MINTIMEOUT is above SNTP_MAXTIMEOUT")
    if configuration.mbus_transparentport == configuration.modbus_nwport:
        texts.append("MBUS_TRANSPARENTPORT is the port of the Modbus server (C-21)")
    return texts
