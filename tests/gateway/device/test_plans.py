"""Keys of chip.ini become what procedures are told."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.device import plans
from gateway.device.configuration import Configuration, load
from gateway.device.link import Echo
from gateway.device.scan import SearchTiming
from gateway.device.sequences import Addressing, RequestMode, ResetMode
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import Direction
from gateway.runtime.port import LineFormat, Parity


def keys(**values: Any) -> Configuration:
    """A chip.ini with some keys set, the others missing."""
    text = "[CONFIG]\n" + "".join(f"{name}={value}\n" for name, value in values.items())
    configuration, complaints = load(text.encode())
    assert complaints == []
    return configuration


def test_missing_keys_have_the_defaults_of_the_table() -> None:
    """Manual 9.4: 2400 Bd 8E1, 2000/100/10000 ms, 3 retries, 10 pages."""
    link = plans.link_settings(keys(), 0)
    assert (link.first_byte_ns, link.idle_ns, link.full_ns) == (2 * 10**9, 10**8, 10**10)
    assert link.tries == 4
    assert link.echo is Echo.AUTO
    assert plans.line_format(keys()) == LineFormat(2400, 8, Parity.EVEN, 1)
    assert plans.readout_plan(keys()).multipage_max == 10
    assert plans.scan_plan(keys()).timing is SearchTiming.LITERAL


@pytest.mark.parametrize(
    ("parity", "meant"),
    [(0, Parity.NONE), (1, Parity.ODD), (2, Parity.EVEN), (3, Parity.MARK), (4, Parity.SPACE)],
)
def test_line_format(parity: int, meant: Parity) -> None:
    """MBUS_BAUDRATE, DATABITS, PARITY and STOPBITS make the character format."""
    configuration = keys(MBUS_BAUDRATE=300, MBUS_DATABITS=7, MBUS_PARITY=parity, MBUS_STOPBITS=2)
    assert plans.line_format(configuration) == LineFormat(300, 7, meant, 2)


@pytest.mark.parametrize(
    ("mode", "disabled", "meant"),
    [
        (0, 0, ResetMode.STANDARD),
        (1, 0, ResetMode.EXTENDED_1),
        (2, 0, ResetMode.NONE),
        (3, 0, ResetMode.EXTENDED_2),
        (0, 1, ResetMode.NONE),
        (3, 1, ResetMode.NONE),
    ],
)
def test_reset_modes(mode: int, disabled: int, meant: ResetMode) -> None:
    """C-18: the numbers of MBUS_RESETMODE, and MBUS_RESETDISABLE over all of them."""
    configuration = keys(MBUS_RESETMODE=mode, MBUS_RESETDISABLE=disabled)
    assert plans.readout_plan(configuration).reset_mode is meant


@pytest.mark.parametrize("mode", RequestMode)
def test_request_modes(mode: RequestMode) -> None:
    """C-19: the words of MBUS_REQUESTMODE, our EXT2 included."""
    assert plans.readout_plan(keys(MBUS_REQUESTMODE=mode.value)).request_mode is mode


def test_switches_of_a_read_out() -> None:
    """Freeze, storage number, wake-up and page limit reach the read-out, and the scan."""
    configuration = keys(
        MUC_USE_FREEZE=1, MBUS_FREEZESTORAGEUM=7, MBUS_WAKEUPENABLE=1, MBUS_MAXMULTIPAGE=0
    )
    plan = plans.readout_plan(configuration)
    assert (plan.freeze_first, plan.freeze_storage_number) == (True, 7)
    assert (plan.wakeup, plan.multipage_max) == (True, 0)
    assert plans.scan_plan(configuration).readout == plan


@pytest.mark.parametrize(
    ("mode", "primary", "direction", "allocates"),
    [
        ("PRIMARYSCAN", True, Direction.FORWARD, False),
        ("SECONDARYSCAN", False, Direction.FORWARD, False),
        ("SECONDARYSCANREVERSE", False, Direction.REVERSE, False),
        ("SECONDARYSCANALLOC", False, Direction.FORWARD, True),
        ("SECONDARYSCANALLOCREVERSE", False, Direction.REVERSE, True),
    ],
)
def test_scan_modes(mode: str, direction: Direction, *, primary: bool, allocates: bool) -> None:
    """SCAN-01, SCAN-05, C-20: kind and direction of the search, and whether it allocates."""
    plan = plans.scan_plan(keys(MBUS_SCANMODE=mode))
    assert (plan.primary, plan.direction) == (primary, direction)
    assert (mode in plans.ALLOCATING_SCAN_MODES) is allocates


def test_scan_is_narrowed() -> None:
    """TROUBLE-01: start and final address, and the secondary mask, narrow a scan."""
    plan = plans.scan_plan(
        keys(
            MBUS_MINPRIMARYADDRESS=3,
            MBUS_MAXPRIMARYADDRESS=9,
            MBUS_SECMASKSERIAL="0x6660FFFF",
            MBUS_SECMASKVERSION="02",
        )
    )
    assert (plan.primary_start, plan.primary_final) == (3, 9)
    assert plan.mask == SecondaryMask("6660FFFF", 0xFFFF, 0x02, 0xFF)


def test_target() -> None:
    """SCAN-03, SCAN-07: called as it was found; MBUS_SELECTMASK widens the selection only."""
    address = SecondaryAddress("66600106", 0x32A7, 2, 4)
    primary = plans.target(keys(MBUS_SELECTMASK=4), Addressing.PRIMARY, 5, address)
    assert (primary.a_field, primary.mask) == (5, None)
    secondary = plans.target(keys(MBUS_SELECTMASK=4), Addressing.SECONDARY, 5, address)
    assert (secondary.a_field, secondary.mask) == (253, SecondaryMask("66600106", 0x32A7, 0xFF, 4))


def test_models() -> None:
    """C-75: 20, 80 and the lab model have a type plate; there is no other."""
    assert plans.identification(20) != plans.identification(80)
    assert plans.identification(0) != plans.identification(80)
    with pytest.raises(ValueError, match="not 30"):
        plans.identification(30)
