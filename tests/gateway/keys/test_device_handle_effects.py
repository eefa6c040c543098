"""What each element of Device_Handle.cfg does, seen from outside: on the wire, in registers, rows.

One test an element, named ``test_meter_...`` or ``test_value_...`` by the element. Each puts it
into a file and sees the difference; ``tox -e keys`` lets the element read as its default, and then
the test must fail (`tests.gateway.keys.mutation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.device.examples import names
from tests.gateway.device.plant import LIST, Plant

if TYPE_CHECKING:
    from gateway.device.rows import Row

A = "66600106"


def listed(meter: str, *values: str) -> bytes:
    """A list with one meter, written by hand."""
    inside = "".join(f"<value>{value}</value>\n" for value in values)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<root><meter>\n{meter}{inside}</meter></root>'
    return text.encode()


def after(seconds: float, meter: str, *values: str, **keys: Any) -> Plant:
    """A device with this list that has run for so long."""
    plant = Plant(files={LIST: listed(meter, *values)}, **keys)

    async def story(plant: Plant) -> None:
        await plant.seconds(seconds)

    plant.run(story)
    return plant


def selected(meter: str) -> str:
    """The address of the first SELECT that a list leads to, as on the wire."""
    plant = after(2, meter)
    return next(data[21:44] for _, data in plant.sent() if data.startswith("68 0B 0B 68 53 FD 52"))


def rows(meter: str, *values: str, **keys: Any) -> list[Row]:
    """The rows of the page before anything was read."""
    plant = Plant(files={LIST: listed(meter, *values)}, MBUS_ENABLE=0, **keys)
    shown: list[Row] = []

    async def story(plant: Plant) -> None:
        shown.extend(placed.row for placed in plant.appliance.page_list().rows)

    plant.run(story)
    return shown


def registers(meter: str, *values: str, at: int, unit: int = 255, **keys: Any) -> str:
    """Ten registers, in hexadecimal, of a device that has read nothing; "" where there are none."""
    plant = Plant(files={LIST: listed(meter, *values)}, MBUS_ENABLE=0, **keys)
    seen = []

    async def story(plant: Plant) -> None:
        try:
            seen.append(plant.appliance.registers(unit, at, 10).hex(" ", 2))
        except LookupError:
            seen.append("")

    plant.run(story)
    return seen[0]


BY_NUMBER = f"<serial>0x{A}</serial>"
BY_LINK = f"{BY_NUMBER}<primaryaddress>5</primaryaddress><addressmode>1</addressmode>"
MAPPED = f"{BY_NUMBER}<register>10</register>"


# --- A meter --------------------------------------------------------------------------------------


def test_meter_interface() -> None:
    """Shown as it stands in the file."""
    assert rows(f"{BY_NUMBER}<interface>wM-Bus</interface>")[0].interface == "wM-Bus"


@pytest.mark.parametrize("text", [f"0x{A}", A])
def test_meter_serial(text: str) -> None:
    """C-15: the number that is selected, hexadecimal or decimal in the file."""
    assert selected(f"<serial>{text}</serial>") == "06 01 60 66 FF FF FF FF"


def test_meter_manufacturer() -> None:
    """Part of the secondary address."""
    chosen = selected(f"{BY_NUMBER}<manufacturer>LUG</manufacturer>")
    assert chosen == "06 01 60 66 A7 32 FF FF"


def test_meter_version() -> None:
    """Part of the secondary address."""
    assert selected(f"{BY_NUMBER}<version>0x02</version>") == "06 01 60 66 FF FF 02 FF"


@pytest.mark.parametrize("text", ["Heat (outlet)", "4", "0x04"])
def test_meter_medium(text: str) -> None:
    """Part of the secondary address, by its name or its number."""
    assert selected(f"{BY_NUMBER}<medium>{text}</medium>") == "06 01 60 66 FF FF FF 04"


def test_meter_primaryaddress() -> None:
    """The address that is called."""
    assert names([data for _, data in after(2, BY_LINK).sent()]) == ["NKE-A", "REQ1-A"]


def test_meter_addressmode() -> None:
    """1 = by primary address: nobody is selected."""
    plant = after(2, f"{BY_NUMBER}<primaryaddress>5</primaryaddress><addressmode>1</addressmode>")
    assert not [data for _, data in plant.sent() if "53 FD 52" in data]
    assert plant.logged("meter.read")[0][1]["flags"] == 0


def test_meter_readoutcycle() -> None:
    """The interval of this meter goes before METER_TIME."""
    plant = after(65, f"{BY_LINK}<readoutcycle>20</readoutcycle>")
    assert [round(at) for at in plant.reads(A)] == [0, 20, 40, 60]


def test_meter_maxvaluecount() -> None:
    """C-71: values listed when the list of the meter is made."""
    plant = after(2, f"{BY_LINK}<maxvaluecount>2</maxvaluecount>")
    assert plant.storage.read(LIST).count(b"<value>") == 2


def test_meter_active() -> None:
    """C-53: an inactive meter is neither read nor served."""
    assert after(2, f"{BY_LINK}<active>0</active>").sent() == []
    assert registers(f"{MAPPED}<active>0</active>", at=10) == ""


def test_meter_register() -> None:
    """The meter's registers begin there."""
    assert registers(f"{BY_NUMBER}<register>200</register>", at=200)[:9] == "03f8 3caa"


def test_meter_slaveaddress() -> None:
    """C-11: the unit identifier in the multi-slave layout."""
    meter = f"{MAPPED}<slaveaddress>33</slaveaddress>"
    shown = registers(meter, at=10, unit=33, MODBUSMETER_PROTOCOLVERSION=2)
    assert shown[:9] == "03f8 3caa"


def test_meter_user() -> None:
    """C-26: a meter has a label too."""
    assert rows(f"{BY_NUMBER}<user>OG-1-Re</user>")[0].user_label == "OG-1-Re"


# --- A value --------------------------------------------------------------------------------------


def taken(value: str) -> list[list[int]]:
    """Integer, scale and unit of a listed value after a read-out of meter A."""
    values: list[list[int]] = after(2, BY_LINK, value).logged("meter.read")[0][1]["values"]
    return values


def test_value_description() -> None:
    """The record that is of this kind is the value, wherever it stands in the telegram."""
    assert taken("<description>Volume</description>") == [[12345678, -2, 7]]


def described(element: str) -> str:
    """The extended description of a value of this kind."""
    value = f"<description>Energy</description>{element}"
    return rows(BY_NUMBER, value, MUC_METERDESCRIPTION_ENABLEFLAGS=3)[1].description


def test_value_storagenum() -> None:
    """A value of another storage number is another value."""
    assert described("<storagenum>2</storagenum>") == "Energy [2]"
    assert taken("<description>Energy</description><storagenum>2</storagenum>") == [[0, 0, 0]]


def test_value_tariff() -> None:
    """A value of another tariff is another value."""
    assert described("<tariff>3</tariff>") == "Energy <3>"
    assert taken("<description>Energy</description><tariff>3</tariff>") == [[0, 0, 0]]


def test_value_valuetype() -> None:
    """A maximum is another value than the instantaneous one."""
    assert described("<valuetype>maximum</valuetype>") == "Energy {max}"
    value = "<description>Energy</description><valuetype>maximum</valuetype>"
    assert taken(value) == [[0, 0, 0]]


def test_value_unit() -> None:
    """Row 1 of worked examples 9: the unit of the list until the meter tells its own."""
    shown = registers(MAPPED, "<unit>Wh</unit><register>20</register>", at=20)
    assert shown.split()[7] == "0005"


def test_value_scale() -> None:
    """Row 1 of worked examples 9: the power of ten of the list until the meter tells its own."""
    shown = registers(MAPPED, "<scale>1e-3</scale><register>20</register>", at=20)
    assert shown.split()[6] == "fffd"


def test_value_active() -> None:
    """C-53: an inactive value is not served, and does not matter for the flags."""
    value = "<register>20</register><active>0</active>"
    assert registers(MAPPED, value, at=20) == ""
    plant = after(2, BY_LINK, "<description>Pressure</description><active>0</active>")
    assert plant.logged("meter.read")[0][1]["flags"] == 0


def test_value_register() -> None:
    """The value's registers begin there."""
    assert registers(MAPPED, "<register>300</register>", at=300) != ""


def test_value_user() -> None:
    """The user label of a value."""
    assert rows(BY_NUMBER, "<user>Heat flat 12</user>")[1].user_label == "Heat flat 12"
