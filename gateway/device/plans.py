"""From the settings to what procedures and servers are told: chip.ini in, plans out.

Every function reads the configuration of the moment, so a changed key counts from the next scan,
read-out or image on. Nothing here remembers anything.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gateway.device.link import Echo, LinkSettings
from gateway.device.readout import ReadoutPlan, Target, selection_mask
from gateway.device.scan import ScanPlan, SearchTiming
from gateway.device.sequences import Addressing, RequestMode, ResetMode
from gateway.mbus.address import SecondaryMask
from gateway.mbus.search import Direction
from gateway.modbus.identification import LAB, UL_20, UL_80
from gateway.modbus.session import Limits
from gateway.registers.entries import GatewayEntry
from gateway.registers.layout import Layout
from gateway.runtime.port import NS_PER_MS, NS_PER_S, LineFormat, Parity

if TYPE_CHECKING:
    from gateway.device.configuration import Configuration
    from gateway.mbus.address import SecondaryAddress
    from gateway.modbus.identification import Identification

#: Software version 1.30 as the integer of register 3 (manual 4.8, `C-07`).
SOFTWARE_VERSION: Final = 130
#: MBUS_PARITY (manual 9.4).
PARITIES: Final = (Parity.NONE, Parity.ODD, Parity.EVEN, Parity.MARK, Parity.SPACE)
#: A search asks for values that nothing points to until this part of WATCHDOG_SCAN is over; what
#: follows is dull, and a restart in the midst of it would lose the list.
SWEEP_PART_OF_WATCHDOG: Final = 3
#: Scan modes that allocate registers after the scan (`C-20`).
ALLOCATING_SCAN_MODES: Final = frozenset({"SECONDARYSCANALLOC", "SECONDARYSCANALLOCREVERSE"})
#: M-Bus modes that are no kind of scan: the line is a client's (`C-20`, `C-21`).
TRANSPARENT_MODES: Final = frozenset({"TRANSPARENTTCP", "TRANSPARENTUDP"})
_REVERSE_SCAN_MODES: Final = frozenset({"SECONDARYSCANREVERSE", "SECONDARYSCANALLOCREVERSE"})
#: Identification by unit loads; 0 is the lab model, which has no limit (`C-75`).
_IDENTIFICATIONS: Final = {20: UL_20, 80: UL_80, 0: LAB}


def line_format(configuration: Configuration) -> LineFormat:
    """Speed and character format of the line."""
    return LineFormat(
        baudrate=configuration.mbus_baudrate,
        data_bits=configuration.mbus_databits,
        parity=PARITIES[configuration.mbus_parity],
        stop_bits=configuration.mbus_stopbits,
    )


def link_settings(
    configuration: Configuration, transport_delay_ns: int, echo: Echo = Echo.AUTO
) -> LinkSettings:
    """Timeouts and sends of the link; delay and echo are the converter's, not the device's."""
    return LinkSettings(
        first_byte_ns=configuration.mbus_timeout * NS_PER_MS,
        idle_ns=configuration.mbus_idletimeout * NS_PER_MS,
        full_ns=configuration.mbus_fulltimeout * NS_PER_MS,
        tries=1 + configuration.mbus_maxretry,
        transport_delay_ns=transport_delay_ns,
        echo=echo,
    )


def readout_plan(configuration: Configuration) -> ReadoutPlan:
    """Resets and requests of every read-out (`CFG-14`, `CFG-15`, `C-18`, `C-19`)."""
    return _readout_plan(
        ResetMode.NONE.value if configuration.mbus_resetdisable else configuration.mbus_resetmode,
        configuration.mbus_requestmode,
        bool(configuration.muc_use_freeze),
        configuration.mbus_freezestorageum,
        bool(configuration.mbus_wakeupenable),
        configuration.mbus_maxmultipage,
    )


@lru_cache(maxsize=4)
def _readout_plan(
    reset_mode: int,
    request_mode: int,
    freeze_first: bool,
    freeze_storage_number: int,
    wakeup: bool,
    multipage_max: int,
) -> ReadoutPlan:
    """One object for one plan: it is asked for with every meter that is read."""
    return ReadoutPlan(
        reset_mode=ResetMode(reset_mode),
        request_mode=RequestMode(request_mode),
        freeze_first=freeze_first,
        freeze_storage_number=freeze_storage_number,
        wakeup=wakeup,
        multipage_max=multipage_max,
    )


def scan_plan(configuration: Configuration) -> ScanPlan:
    """Kind, range and timing of a scan (`SCAN-01`, `C-20`, `C-41`, `C-74`)."""
    reverse = configuration.mbus_scanmode in _REVERSE_SCAN_MODES
    return ScanPlan(
        primary=configuration.mbus_scanmode == "PRIMARYSCAN",
        direction=Direction.REVERSE if reverse else Direction.FORWARD,
        mask=SecondaryMask(
            configuration.mbus_secmaskserial,
            int(configuration.mbus_secmaskmanufacturer, 16),
            int(configuration.mbus_secmaskversion, 16) & 0xFF,
            int(configuration.mbus_secmaskmedium, 16) & 0xFF,
        ),
        timing=SearchTiming(configuration.mbus_searchtiming),
        hexadecimal=bool(configuration.mbus_searchhexadecimal),
        primary_start=configuration.mbus_minprimaryaddress,
        primary_final=configuration.mbus_maxprimaryaddress,
        sweep_ns=configuration.watchdog_scan * NS_PER_S // SWEEP_PART_OF_WATCHDOG,
        readout=readout_plan(configuration),
    )


def target(
    configuration: Configuration,
    addressing: Addressing,
    primary_address: int,
    address: SecondaryAddress,
) -> Target:
    """How to call a listed meter: as it was first found (`SCAN-03`, `SCAN-07`)."""
    if addressing is Addressing.PRIMARY:
        return Target(addressing, primary_address, None)
    mask = selection_mask(address, configuration.mbus_selectmask)
    return Target(addressing, primary_address, mask)


def limits(configuration: Configuration) -> Limits:
    """What bounds Modbus connections (`C-36`, `C-37`)."""
    return Limits(
        connections_max=configuration.modbus_maxconnections,
        disconnect_timeout=configuration.modbus_disconnecttimeout * NS_PER_S,
        connection_timeout=configuration.modbus_connectiontimeout * NS_PER_S,
    )


def layout(configuration: Configuration) -> Layout:
    """The register layout in force (`C-08` to `C-11`)."""
    return _layout(
        configuration.modbus_swap,
        configuration.modbusmeter_protocolversion,
        configuration.modbus_address,
    )


@lru_cache(maxsize=4)
def _layout(modbus_swap: int, protocol_version: int, modbus_address: int) -> Layout:
    """One object for one layout: an image is made anew with every meter that was read."""
    return Layout.from_keys(
        modbus_swap=modbus_swap, protocol_version=protocol_version, modbus_address=modbus_address
    )


def gateway_entry(serial_number: int, last_readout: int) -> GatewayEntry:
    """The gateway's own registers (`REG-G`); `last_readout` is unix time, 0 before the first."""
    return GatewayEntry(serial_number, SOFTWARE_VERSION, last_readout)


def identification(unit_loads: int) -> Identification:
    """What the model answers to Read Device Identification (`MOD-05`).

    Raises ValueError for a model that there is not.
    """
    if unit_loads not in _IDENTIFICATIONS:
        raise ValueError(f"a gateway has 20 or 80 unit loads (0 = lab model), not {unit_loads}")
    return _IDENTIFICATIONS[unit_loads]
