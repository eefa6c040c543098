"""Drivers of switches and converters: what they do, and what they say when they cannot."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.runtime.port import NS_PER_MS, LineFormat
from hil import drivers, probe
from hil.drivers import open_switch, open_url
from hil.protocols import ParitySupport, UnavailableError
from hil.resources import CoilSwitch, CommandSwitch

if TYPE_CHECKING:
    from pathlib import Path

    from hil.host import Host


def test_command_switch(tmp_path: Path) -> None:
    """The program's exit code counts; what it says is the reason."""
    entry = CommandSwitch(
        kind="command", on=["touch", str(tmp_path / "on")], off=["sh", "-c", "echo stuck; exit 3"]
    )
    switch = open_switch("plug", entry)
    switch.switch(on=True)
    assert (tmp_path / "on").exists()
    with pytest.raises(UnavailableError, match="switch 'plug': sh: stuck"):
        switch.make_safe()
    with pytest.raises(UnavailableError, match="No such file"):
        open_switch("plug", entry.model_copy(update={"on": ["/no/program"]})).switch(on=True)
    slow = entry.model_copy(update={"on": ["sleep", "5"], "limit_s": 0.1})
    with pytest.raises(UnavailableError, match=r"sleep took longer than 0.1 s"):
        open_switch("plug", slow).switch(on=True)


def test_coil_switch(bench_host: Host) -> None:
    """A coil of a Modbus device that we did not write follows the switch, inverted or not."""
    coils = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
    inputs = [SimData(0, count=1, values=False, datatype=DataType.BITS)]
    words = [SimData(0, count=1, values=0, datatype=DataType.REGISTERS)]
    device = SimDevice(id=1, simdata=(coils, inputs, words, words))

    async def serve() -> tuple[Any, int]:
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        listening: Any = server.transport
        return server, listening.sockets[0].getsockname()[1]

    def coil(port: int, number: int) -> bool:
        client: Any = ModbusTcpClient("127.0.0.1", port=port)
        assert client.connect()
        try:
            return bool(client.read_coils(number, count=1, device_id=1).bits[0])
        finally:
            client.close()

    server, port = bench_host.call(serve(), what="a Modbus device")
    try:
        entry = CoilSwitch(kind="coil", host="127.0.0.1", port=port, coil=3)
        open_switch("relay", entry).switch(on=True)
        assert coil(port, 3)
        open_switch("relay", entry.model_copy(update={"inverted": True})).switch(on=True)
        assert not coil(port, 3)
        with pytest.raises(UnavailableError, match=r"switch 'relay': coil 900 .*refused"):
            open_switch("relay", entry.model_copy(update={"coil": 900})).switch(on=True)
    finally:
        bench_host.call(asyncio.wait_for(server.shutdown(), 5.0), what="its end")
    with pytest.raises(UnavailableError, match="cannot connect"):
        open_switch("relay", entry).make_safe()


def test_terminal_has_no_parity_and_no_modem_lines() -> None:
    """A pseudo-terminal is opened without what it cannot have, and says so."""
    master, slave = os.openpty()
    try:
        with closing(open_url(os.ttyname(slave), LineFormat())) as wire:
            assert wire.parity is ParitySupport.NONE
            assert wire.modem_lines.startswith("none: ")
            wire.set_format(LineFormat(9600))
            wire.send(b"\x10")
            assert os.read(master, 1) == b"\x10"
    finally:
        os.close(master)
        os.close(slave)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """Each kind of converter says what it was and why."""
    for url, reason in (
        (str(tmp_path / "tty"), "No such file"),
        ("socket://127.0.0.1:1", "refused"),
        ("rfc2217://127.0.0.1:1", "refused"),
    ):
        with pytest.raises(UnavailableError, match=f"{url}: cannot be opened: .*{reason}"):
            open_url(url, LineFormat())


class Echoing:
    """A converter that sends back what it is given, at once, and has no meter."""

    url = "echo"
    parity = ParitySupport.UNKNOWN
    modem_lines = "none"

    def __init__(self, *, spoiled: bool = False) -> None:
        self._left = b""
        self._spoiled = spoiled

    def set_format(self, line_format: LineFormat) -> None:
        pass

    def send(self, data: bytes) -> int:
        self._left = b"\xfd" + data[1:] if self._spoiled else data
        return 0

    def receive(self, limit_ns: int, done: object) -> list[tuple[int, bytes]]:
        heard, self._left = self._left, b""
        assert limit_ns < 10_000 * NS_PER_MS or done is not None
        return [(5 * NS_PER_MS, heard)] if heard else []

    def close(self) -> None:
        pass


def test_probe_of_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """An echo is told, and is not taken for a meter's answer; a spoiled one is unclear."""
    monkeypatch.setattr(drivers, "LOOK_S", 0.001)
    found = {one.name: one for one in probe.Probe(Echoing(), LineFormat()).run()}
    assert found["echo"].text == "yes: what is sent comes back"
    assert not found["round trip"].told
    assert not found["parity"].told
    found = {one.name: one for one in probe.Probe(Echoing(spoiled=True), LineFormat()).run()}
    assert found["echo"].text.startswith("unclear: sent 10 40 fd 3d 16, heard fd 40")
    assert not found["echo"].told
