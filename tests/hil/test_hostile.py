"""Virtual hardware as hostile as the real one: what goes away, comes back, and changes its name."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_files
from hil import serial_ports
from hil.buses import open_bus
from hil.gateways import open_gateway
from hil.modbus_client import ModbusClient
from hil.protocols import UnavailableError
from hil.recording import Recording
from hil.resources import SerialConverter
from simulators.modbus import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.buses import Converter
    from hil.host import Host

VIRTUAL = """\
bench: virtual
buses: {line: {kind: pty, population: worked-examples, baudrate: 2400}}
"""

DESK = """\
bench: desk
buses: {{usb: {{kind: serial, device: "{device}", baudrate: 2400}}}}
gateways:
  twin:
    kind: reference
    bus: usb
    chip_ini:
      {{MBUS_MAXRETRY: 1, MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5,
        MBUS_MAXPRIMARYADDRESS: 5}}
"""

PUPPET = """\
bench: puppet
buses:
  iron: {{kind: simulator, device: "{slave}", population: worked-examples, baudrate: 9600}}
  usb: {{kind: serial, device: "{master}", baudrate: 9600}}
gateways:
  box:
    kind: reference
    bus: usb
    runs: process
    chip_ini: {{MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5, MBUS_MAXPRIMARYADDRESS: 5}}
"""


def until(condition: Callable[[], object], what: str, limit_s: float = 20.0) -> None:
    """Return once `condition` holds; fails with `what` when that takes too long."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {limit_s:g} s"
        time.sleep(0.02)


class Adapter:
    """A USB adapter: a stable name that leads to a device, which changes at every plugging."""

    def __init__(self, name: Path, bus: Converter) -> None:
        self.name = name
        self._bus = bus
        self._process: subprocess.Popen[bytes] | None = None
        self.devices: list[str] = []

    def plug(self) -> None:
        """Come up under whatever device is free."""
        self._process = subprocess.Popen(
            ["socat", f"PTY,link={self.name},raw,echo=0", f"{self._bus.url},raw,echo=0"]
        )
        until(self.name.exists, "the adapter is there")
        self.devices.append(str(self.name.resolve()))

    def pull(self) -> None:
        """Vanish, whatever is under way."""
        assert self._process is not None, "it is plugged in"
        self._process.kill()
        self._process.wait()
        self._process = None
        # udev removes the name of what is not there.
        self.name.unlink(missing_ok=True)

    def close(self) -> None:
        """Be gone for good."""
        if self._process is not None:
            self.pull()


@pytest.mark.needs("socat")
def test_converter_vanishes_mid_telegram_and_returns_under_another_name(
    bench_host: Host, tmp_path: Path
) -> None:
    """The telegram is lost, not the run: the meter keeps its values and is read again."""
    virtual = bench_files.parse(VIRTUAL, source="v", folder=tmp_path)
    with closing(open_bus(bench_host, virtual, "line", tmp_path)) as bus:
        adapter = Adapter(tmp_path / "usb-adapter", bus)
        with closing(adapter):
            adapter.plug()
            text = DESK.format(device=adapter.name)
            desk = bench_files.parse(text, source="d", folder=tmp_path)
            with closing(open_bus(bench_host, desk, "usb", tmp_path)) as usb:
                recording = Recording("usb", usb.line_format, 0)
                opening = open_gateway(
                    bench_host, desk, "twin", usb, tmp_path / "data", recording=recording
                )
                with closing(opening) as gateway:
                    assert gateway.reference is not None
                    gateway.reference.commission()
                    with ModbusClient(*gateway.address) as client:
                        before = client.registers(0, 50)
                    # A device that is held keeps the next one from getting its number.
                    with Path(adapter.devices[0]).open("rb", buffering=0):
                        begun = len(recording.chunks)
                        reading = threading.Thread(target=gateway.reference.readout)
                        reading.start()
                        until(
                            lambda: any(
                                chunk.data.startswith(b"\x68") or len(chunk.data) > 2
                                for chunk in recording.chunks[begun:]
                                if not chunk.sent
                            ),
                            "a telegram has begun",
                        )
                        adapter.pull()
                        reading.join(30.0)
                        assert not reading.is_alive()
                        adapter.plug()
                    gateway.reference.readout()
                    with ModbusClient(*gateway.address) as client:
                        after = client.registers(0, 50)
                        groups, _ = layout.group(client.survey())
    assert adapter.devices[0] != adapter.devices[1]
    assert any("lost:" in text for _, text in recording.marks)
    assert recording.marks[-1][1].startswith("opening")
    assert [group.meter.flags for group in groups] == [0]
    # Nothing but the times of the read-outs is another one.
    assert [after[i] for i in range(10, 50) if i % 10 not in (4, 5)] == [
        before[i] for i in range(10, 50) if i % 10 not in (4, 5)
    ]


@pytest.mark.needs("socat")
def test_population_behind_a_serial_port(bench_host: Host, tmp_path: Path) -> None:
    """Simulated meters at one end of a cable, a gateway that is a process of its own at the other.

    The reference gateway stands for any gateway made of metal: the bench reaches it by its bus and
    its address alone.
    """
    master, slave = tmp_path / "master", tmp_path / "slave"
    cable = subprocess.Popen(
        ["socat", f"PTY,link={master},raw,echo=0", f"PTY,link={slave},raw,echo=0"]
    )
    try:
        until(lambda: master.exists() and slave.exists(), "the cable is there")
        text = PUPPET.format(master=master, slave=slave)
        bench = bench_files.parse(text, source="p", folder=tmp_path)
        with (
            closing(open_bus(bench_host, bench, "iron", tmp_path)) as iron,
            closing(open_bus(bench_host, bench, "usb", tmp_path)) as usb,
            closing(open_gateway(bench_host, bench, "box", usb, tmp_path / "data")) as box,
        ):
            box.scan()
            assert iron.virtual is not None
            found = [fields["serial"] for _, kind, fields in box.events if kind == "meter.found"]
            assert found == ["66600106"]
    finally:
        cable.kill()
        cable.wait()


class Port:
    """What pyserial says of one USB adapter."""

    def __init__(self, device: str, serial_number: str, vid: int | None = 0x0403) -> None:
        self.device = device
        self.serial_number = serial_number
        self.vid = vid
        self.pid = 0x6001


def place(**keys: str) -> SerialConverter:
    """Return a serial converter of a bench file."""
    return SerialConverter.model_validate({"kind": "serial", **keys})


def test_adapter_is_found_by_what_does_not_change(tmp_path: Path) -> None:
    """By its USB ids, by its serial number among several, by its name below by-id."""
    ports = [Port("/dev/ttyUSB3", "A"), Port("/dev/ttyUSB0", "B"), Port("/dev/ttyS0", "", None)]
    both = place(vid_pid="0403:6001")
    exact = place(vid_pid="0403:6001", serial_number="B")
    assert serial_ports.locate(exact, ports=lambda: ports) == "/dev/ttyUSB0"
    assert serial_ports.locate(both, ports=lambda: ports[1:]) == "/dev/ttyUSB0"
    with pytest.raises(LookupError, match=r"2 adapters are 0403:6001; add serial_number: .*3: A"):
        serial_ports.locate(both, ports=lambda: ports)
    with pytest.raises(LookupError, match=r"no USB serial adapter 10C4:EA60 \(there is 0403:6001"):
        serial_ports.locate(place(vid_pid="10c4:ea60"), ports=lambda: ports)
    (tmp_path / "usb-x").symlink_to("/dev/null")
    named = serial_ports.locate(place(id="usb-x"), by_id=tmp_path)
    assert named == str(tmp_path / "usb-x")
    with pytest.raises(LookupError, match=r"no device .*usb-y \(there is usb-x\)"):
        serial_ports.locate(place(id="usb-y"), by_id=tmp_path)


def test_simulator_whose_port_is_not_there(bench_host: Host, tmp_path: Path) -> None:
    """The bus is unavailable with the system's reason."""
    text = PUPPET.format(master=tmp_path / "m", slave=tmp_path / "s")
    bench = bench_files.parse(text, source="p", folder=tmp_path)
    with pytest.raises(UnavailableError, match=r"bus 'iron': cannot open .*No such file"):
        open_bus(bench_host, bench, "iron", tmp_path)
