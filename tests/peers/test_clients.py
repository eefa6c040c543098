"""Clients by other hands read the gateway's server, and are watched by ours.

mbpoll (libmodbus), pymodbus, pyModbusTCP, and from npm modbus-serial and jsmodbus. What each of
them does is written down in docs/check-client.md; here it is held.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.client import AsyncModbusTcpClient, AsyncModbusUdpClient
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from gateway.modbus.identification import UL_80
from simulators.modbus.probes import framing, functions, identification
from simulators.modbus.wire import Prober
from tests.gateway import worked_examples
from tests.scenarios.checks.client.watching import complaints, in_thread, watch
from tests.scenarios.checks.conformance.servers import ours, planted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulators.modbus.wire import Step

HERE = Path(__file__).parent
PATIENCE_S = 20.0
#: What every peer reads: the whole worked example.
WORDS = planted()


async def run(*command: str) -> str:
    """Run a program to its end and return what it printed; fails with its complaint."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


def with_server(client: Callable[[str, int], Awaitable[Any]], *, udp: bool = False) -> Any:
    """Serve the worked example while `client(host, port)` runs."""

    async def main() -> Any:
        async with ours(worked_examples.image, udp=udp) as (host, port):
            return await client(host, port)

    return asyncio.run(main())


def node(*arguments: str) -> tuple[str, ...]:
    """The command that runs read.js; skips where the peers are not installed."""
    program = shutil.which("node")
    if program is None or not (HERE / "node_modules" / arguments[0]).is_dir():
        pytest.skip(f"{arguments[0]} is not installed (npm ci in tests/peers)")
    return program, str(HERE / "read.js"), *arguments


# --- They read the gateway --------------------------------------------------------------------


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("client", "transport"),
    [("modbus-serial", "tcp"), ("modbus-serial", "udp"), ("jsmodbus", "tcp")],
)
def test_clients_from_npm(client: str, transport: str) -> None:
    """Registers, eight reads at once, a refusal and the identification come right."""

    async def converse(host: str, port: int) -> dict[str, Any]:
        text = await run(*node(client, transport, host, str(port)))
        found: dict[str, Any] = json.loads(text)
        return found

    found = with_server(converse, udp=transport == "udp")
    assert found["rounds"] == [WORDS[:70]]
    assert found["parallel"] == [WORDS[at : at + 10] for at in (*range(0, 70, 10), 0)]
    assert found["refused"] == 2
    if found["identification"] is not None:
        assert list(found["identification"].values()) == list(UL_80.objects)


@pytest.mark.needs("mbpoll")
def test_mbpoll() -> None:
    """mbpoll, on libmodbus, prints the registers as they are."""

    async def converse(host: str, port: int) -> str:
        options = "-m tcp -a 255 -0 -r 0 -c 80 -t 4:hex -1 -q -p"
        return await run("mbpoll", *options.split(), str(port), host)

    printed = re.findall(r"^\[(\d+)\]:\s+0x([0-9A-F]{4})", with_server(converse), re.MULTILINE)
    assert [(int(at), int(word, 16)) for at, word in printed] == list(enumerate(WORDS))


@pytest.mark.parametrize("kind", [AsyncModbusTcpClient, AsyncModbusUdpClient])
def test_pymodbus(kind: type[AsyncModbusTcpClient] | type[AsyncModbusUdpClient]) -> None:
    """Pymodbus reads registers over both transports, and names the refusal."""

    async def converse(host: str, port: int) -> tuple[list[int], int]:
        client = kind(host, port=port)
        assert await client.connect()
        good = await client.read_holding_registers(0, count=80, device_id=255)
        bad = await client.read_holding_registers(80, count=1, device_id=255)
        client.close()
        return list(good.registers), bad.exception_code

    assert with_server(converse, udp=kind is AsyncModbusUdpClient) == (WORDS, 2)


def test_pymodbustcp() -> None:
    """PyModbusTCP reads registers and identification, and names the refusal."""
    module = pytest.importorskip("pyModbusTCP.client", reason="pip install pyModbusTCP==0.3.1")

    def converse(host: str, port: int) -> tuple[list[int], int]:
        client = module.ModbusClient(host=host, port=port, unit_id=255, auto_open=True)
        words = client.read_holding_registers(0, 80)
        assert client.read_holding_registers(80, 1) is None
        refusal = client.last_except
        objects = client.read_device_identification(read_code=2)
        assert [objects.objects_by_id[n].decode() for n in range(7)] == list(UL_80.objects)
        client.close()
        return words, refusal

    async def client(host: str, port: int) -> tuple[list[int], int]:
        return await asyncio.to_thread(converse, host, port)

    assert with_server(client) == (WORDS, 2)


@pytest.mark.needs("nmap")
def test_nmap_modbus_discover() -> None:
    """Nmap's modbus-discover finds the device by its identification."""

    async def converse(host: str, port: int) -> str:
        script = "+modbus-discover"
        return await run("nmap", "-Pn", "-n", "-p", str(port), "--script", script, host)

    text = with_server(converse)
    assert "modbus-discover" in text
    assert "HMS Industrial Networks AB" in text


# --- A decoder by other hands -----------------------------------------------------------------


@pytest.mark.needs("tshark")
def test_tshark_finds_nothing_malformed(tmp_path: Path) -> None:
    """Every frame of a conversation in all its kinds decodes without a word from the expert."""

    async def converse(host: str, port: int) -> list[tuple[bytes, bytes]]:
        prober = Prober(host, port)
        steps: list[Step] = []
        for probe in (
            framing.headers,
            framing.transaction_identifiers,
            functions.quantities,
            functions.bad_quantities,
            identification.categories,
            identification.later_starts,
            functions.exceptions,
        ):
            steps += (await probe(prober)).steps
        prober.hang_up()
        return [(step.sent, step.received) for step in steps]

    exchanges = with_server(converse)
    path = tmp_path / "modbus.pcap"
    wrpcap(str(path), packets(exchanges))
    options = ["tshark", "-r", str(path), "-o", "mbtcp.tcp.port:502"]
    expert = asyncio.run(run(*options, "-q", "-z", "expert,warn"))
    assert not re.search(r"^(Errors|Warns) \(\d+\)", expert, re.MULTILINE), expert
    frames = asyncio.run(run(*options, "-Y", "modbus", "-T", "fields", "-e", "_ws.col.Info"))
    assert len(frames.splitlines()) == 2 * len(exchanges)
    assert sum("Query" in line for line in frames.splitlines()) == len(exchanges)
    assert asyncio.run(run(*options, "-Y", "_ws.malformed")) == ""


def packets(exchanges: list[tuple[bytes, bytes]]) -> list[Any]:
    """The exchanges as a capture of one TCP connection, from its handshake on."""
    seq, ack = 1000, 2000
    made = [packet(True, "S", seq, 0), packet(False, "SA", ack, seq + 1)]
    seq, ack = seq + 1, ack + 1
    made.append(packet(True, "A", seq, ack))
    for sent, received in exchanges:
        made.append(packet(True, "PA", seq, ack, sent))
        seq += len(sent)
        made.append(packet(False, "PA", ack, seq, received))
        ack += len(received)
    return made


def packet(is_request: bool, flags: str, seq: int, ack: int, data: bytes = b"") -> Any:
    """One segment between a client at 10.0.0.1 and a server at 10.0.0.2."""
    ports = (40000, 502) if is_request else (502, 40000)
    hosts = ("10.0.0.1", "10.0.0.2") if is_request else ("10.0.0.2", "10.0.0.1")
    segment = TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq, ack=ack)
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return frame / IP(src=hosts[0], dst=hosts[1]) / segment / data


# --- They are watched -------------------------------------------------------------------------


@pytest.mark.needs("node")
@pytest.mark.parametrize("client", ["modbus-serial", "jsmodbus"])
def test_clients_from_npm_are_watched(client: str) -> None:
    """Both poll as they are told, on one connection, with identifiers that change."""

    async def converse(host: str, port: int) -> None:
        await run(*node(client, "tcp", host, str(port), "4", "600"))

    assert complaints(watch(converse)) == set()


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("client", "found"), [("modbus-serial", {"CLT-10", "CLT-03"}), ("jsmodbus", {"CLT-03"})]
)
def test_parallel_reads_are_watched(client: str, found: set[str]) -> None:
    """modbus-serial puts parallel reads on the wire at once, jsmodbus one after the other."""

    async def converse(host: str, port: int) -> None:
        await run(*node(client, "tcp", host, str(port)))

    assert complaints(watch(converse)) == found


def test_pymodbus_is_watched() -> None:
    """One connection, one request at a time."""

    async def converse(host: str, port: int) -> None:
        client = AsyncModbusTcpClient(host, port=port)
        await client.connect()
        for _ in range(3):
            await client.read_holding_registers(0, count=70, device_id=255)
            await asyncio.sleep(0.6)
        client.close()

    assert complaints(watch(converse)) == set()


def test_pymodbustcp_is_watched() -> None:
    """Its identifiers are drawn by chance; nothing else to say."""
    module = pytest.importorskip("pyModbusTCP.client", reason="pip install pyModbusTCP==0.3.1")

    def converse(host: str, port: int) -> None:
        client = module.ModbusClient(host=host, port=port, unit_id=255, auto_open=True)
        for _ in range(3):
            client.read_holding_registers(0, 70)
        client.close()

    assert complaints(watch(in_thread(converse))) == set()


@pytest.mark.needs("mbpoll")
def test_mbpoll_is_watched() -> None:
    """Mbpoll polls once a second by default, on one connection."""

    async def converse(host: str, port: int) -> None:
        options = "-m tcp -a 255 -0 -r 0 -c 70 -1 -q -p"
        await run("mbpoll", *options.split(), str(port), host)

    assert complaints(watch(converse)) == set()
