"""Programs that nobody here wrote, between the simulated meters and the gateway."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.runtime.port import NS_PER_S
from hil import bench as bench_file
from hil.bridges import Bridge, BridgeError
from hil.buses import SimulatedConverter, open_bus
from hil.drivers import open_url
from hil.gateways import open_gateway
from hil.modbus_client import ModbusClient
from hil.protocols import UnavailableError
from hil.resources import BRIDGES
from simulators import frames

if TYPE_CHECKING:
    from hil.host import Host

BENCH = """\
bench: bridged
buses:
  line: {{kind: pty, population: worked-examples, baudrate: 9600, through: {through}}}
gateways:
  twin:
    kind: reference
    bus: line
    chip_ini: {{MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5, MBUS_MAXPRIMARYADDRESS: 5}}
"""


#: What meter B of the worked examples answers to REQ_UD2 begins with.
BEGIN = bytes.fromhex("68 24 24 68 08 05 72")


@pytest.mark.needs("socat", "ser2net")
@pytest.mark.parametrize("through", list(BRIDGES))
def test_characters_pass_unchanged(through: str, bench_host: Host, tmp_path: Path) -> None:
    """A meter's answer is the same, whatever program carries it; a second master gets it too."""
    bench = bench_file.parse(BENCH.format(through=through), source="b", folder=tmp_path)
    with closing(open_bus(bench_host, bench, "line", tmp_path)) as bus:
        assert isinstance(bus, SimulatedConverter)
        assert bus.bridge is not None
        # A datagram service forgets its peer only after a while, so it is asked once.
        for _ in range(1 if through == "socat-udp" else 2):
            with closing(open_url(bus.url, bus.line_format)) as wire:
                wire.send(frames.short_frame(0x5B, 5))
                heard = wire.receive(2 * NS_PER_S, lambda data: data.endswith(b"\x16"))
            answer = b"".join(chunk for _, chunk in heard)
            assert answer.startswith(BEGIN), answer.hex(" ")
            assert frames.checksum(answer[4:-2]) == answer[-2]


@pytest.mark.needs("ser2net")
def test_gateway_reads_through_rfc2217(bench_host: Host, tmp_path: Path) -> None:
    """The gateway agrees with ser2net on the settings and reads a meter."""
    text = BENCH.format(through="ser2net-rfc2217")
    bench = bench_file.parse(text, source="b", folder=tmp_path)
    with (
        closing(open_bus(bench_host, bench, "line", tmp_path)) as bus,
        closing(open_gateway(bench_host, bench, "twin", bus, tmp_path / "data")) as gateway,
    ):
        assert gateway.reference is not None
        gateway.reference.commission()
        with ModbusClient(*gateway.address) as client:
            assert client.registers(10, 3) == (0x03F8, 0x3CAA, 0x32A7)


def test_program_that_is_missing(
    bench_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus is unavailable and says what to install; nothing is left open."""
    bench = bench_file.parse(BENCH.format(through="ser2net-tcp"), source="b", folder=tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match="apt-get install ser2net"):
        open_bus(bench_host, bench, "line", tmp_path)
    assert not (tmp_path / "line").exists()


@pytest.mark.needs("socat")
def test_program_that_does_not_serve(tmp_path: Path) -> None:
    """What the program said is the reason; its files are removed."""
    with pytest.raises(BridgeError, match=r"socat-pty does not serve: .*ioctl"):
        Bridge("socat-pty", str(tmp_path / "no terminal"), baudrate=2400)


@pytest.mark.needs("socat")
def test_bridge_ends_with_its_context(tmp_path: Path) -> None:
    """The program is gone afterwards, and so is its link."""
    master, slave = os.openpty()
    with Bridge("socat-pty", os.ttyname(slave), baudrate=2400) as bridge:
        link, number = Path(bridge.url), bridge.process_id
        assert link.exists()
    assert not link.exists()
    assert not Path(f"/proc/{number}").exists()
    os.close(master)
    os.close(slave)
    assert tmp_path.exists()
