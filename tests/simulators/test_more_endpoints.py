"""UDP and RFC 2217 in real time: independent masters, rates, errors, and who is refused."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import serial

from simulators import datagrams
from simulators.com_port import ComPort
from tests.simulators.test_endpoints import PATIENCE_S, REQ_A, TELEGRAM_LENGTH, Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A master as pyserial's own client for RFC 2217 makes one; its module uses names that newer
#: Pythons warn of, so it gets a process of its own.
PYSERIAL = """
import sys
import serial
url, baudrate, request, length = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with serial.serial_for_url(url, baudrate, parity="E", timeout=3.0) as port:
    port.write(bytes.fromhex(request))
    print(port.read(length).hex(), port.cts, port.baudrate)
"""


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """The worked examples in real time."""
    running = Simulation()
    yield running
    running.close()


def port_of(where: str) -> int:
    """The port number of a place."""
    return int(where.rpartition(":")[2])


def pyserial(where: str, baudrate: int) -> list[str]:
    """What pyserial's client reads of meter A, its view of CTS, and its baud rate."""
    path = os.pathsep.join([entry for entry in sys.path if entry])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PYSERIAL, where.replace(":", "://", 1),
         str(baudrate), REQ_A.hex(), str(TELEGRAM_LENGTH)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split(" ")


def test_pyserial_reads_a_meter_by_rfc_2217(simulation: Simulation) -> None:
    """An independent client agrees on the settings and reads a telegram, twice in a row."""
    where = simulation.serve("rfc2217:127.0.0.1:0", 5.0)
    for _ in range(2):
        answer, cts, baudrate = pyserial(where, 2400)
        telegram = bytes.fromhex(answer)
        assert (len(telegram), telegram[:4]) == (TELEGRAM_LENGTH, b"\x68\x24\x24\x68")
        assert (cts, baudrate.strip()) == ("True", "2400")


def test_another_rate_than_the_meters_is_noise_to_them(simulation: Simulation) -> None:
    """A master at 300 Bd on a bus of 2400 Bd is not understood: nobody answers."""
    answer, _, baudrate = pyserial(simulation.serve("rfc2217:127.0.0.1:0", 5.0), 300)
    assert (answer, baudrate.strip()) == ("", "300")


def talk(port: int, *requests: bytes) -> bytes:
    """Open RFC 2217 by hand, send `requests`, and return what comes until it is quiet."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(b"".join(requests))
        connection.settimeout(1.0)
        heard = b""
        while True:
            try:
                chunk = connection.recv(4096)
            except (TimeoutError, ConnectionError):
                return heard
            if not chunk:
                return heard
            heard += chunk


def test_a_collision_is_told_as_it_sounds() -> None:
    """Two meters that answer 254 at once give characters with errors, and the errors are told."""
    running = Simulation()
    try:
        where = running.serve("rfc2217:127.0.0.1:0", 10.0)
        mask = b"\xff\xfa\x2c\x0a\x0c\xff\xf0"
        heard = talk(port_of(where), b"\xff\xfb\x2c", mask, bytes.fromhex("107BFE7916"))
        notices = heard.count(b"\xff\xfa\x2c\x6a")
        assert notices > 3
        # What is left without the notices are the characters, in the order of the line.
        assert (
            len(b"".join(item.data for item in ComPort(running.network.bus.format).receive(heard)))
            > 30
        )
    finally:
        running.close()


def test_several_endpoints_share_one_bus(simulation: Simulation) -> None:
    """A master at TCP and one at UDP poll in turn; both hear what the bus says."""
    tcp = port_of(simulation.serve("tcp:127.0.0.1:0"))
    udp = port_of(simulation.serve("udp:127.0.0.1:0"))

    async def both() -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", tcp)
        writer.write(REQ_A)
        first = await asyncio.wait_for(reader.readexactly(TELEGRAM_LENGTH), PATIENCE_S)
        second = await asyncio.to_thread(ask, udp)
        overheard = await asyncio.wait_for(reader.readexactly(TELEGRAM_LENGTH), PATIENCE_S)
        writer.close()
        return [first, second, overheard]

    first, second, overheard = asyncio.run(both())
    assert first[:4] == second[:4] == b"\x68\x24\x24\x68"
    assert overheard == second


def ask(port: int, length: int = TELEGRAM_LENGTH) -> bytes:
    """Ask meter A over UDP; "" where no answer comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2.0)
        client.sendto(REQ_A, ("127.0.0.1", port))
        heard = b""
        while len(heard) < length:
            try:
                heard += client.recv(4096)
            except TimeoutError:
                return heard
        return heard


def test_udp_answers_whoever_spoke_last(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second peer is refused while the first has the place, and served when it is silent."""
    port = port_of(simulation.serve("udp:127.0.0.1:0"))
    assert len(ask(port)) == TELEGRAM_LENGTH
    # Another socket is another peer, and the first one spoke a moment ago.
    assert ask(port) == b""
    monkeypatch.setattr(datagrams, "PEER_IDLE_S", 0.0)
    assert len(ask(port)) == TELEGRAM_LENGTH


def test_a_place_in_use_is_named(simulation: Simulation) -> None:
    """The error says which address cannot be had, and why."""
    for kind in ("udp", "rfc2217"):
        where = simulation.serve(f"{kind}:127.0.0.1:0")
        with pytest.raises(OSError, match=rf"cannot listen on {where}: .*in use"):
            simulation.serve(where)


def test_a_client_of_rfc_2217_may_vanish(simulation: Simulation) -> None:
    """After a client that only knocked, the next one is served."""
    port = port_of(simulation.serve("rfc2217:127.0.0.1:0"))
    for _ in range(3):
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    deadline = time.monotonic() + PATIENCE_S
    while b"\x68\x24\x24\x68" not in talk(port, REQ_A):
        assert time.monotonic() < deadline


# --- A converter that dies and returns --------------------------------------------------------


def switch(simulation: Simulation, name: str, on: bool) -> None:
    """Switch a fault of the line, on the loop of the simulation."""

    async def now() -> None:
        simulation.network.line_fault(name, on)

    simulation.run(now())


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def is_reset(master: socket.socket) -> bool:
    """Whether a connection is broken off, and not merely closed."""
    try:
        while master.recv(4096):
            pass
    except ConnectionResetError:
        return True
    return False


@pytest.mark.parametrize("kind", ["tcp", "rfc2217"])
def test_a_converter_that_dies_drops_its_connection(simulation: Simulation, kind: str) -> None:
    """It resets the one that is there, refuses others, and answers at the same port again."""
    port = port_of(simulation.serve(f"{kind}:127.0.0.1:0"))
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as master:
        master.sendall(REQ_A)
        assert master.recv(1) == b"\x68"
        switch(simulation, "converter_gone", True)
        assert is_reset(master)
    assert is_refused(port)
    for _ in range(3):
        # A host may switch it back and forth as fast as it likes.
        switch(simulation, "converter_gone", False)
        switch(simulation, "converter_gone", True)
    switch(simulation, "converter_gone", False)
    ends = time.monotonic() + PATIENCE_S
    while is_refused(port):
        assert time.monotonic() < ends, "it does not return"
    # The meter may still be speaking the answer that the first master did not get.
    while b"\x68\x24\x24\x68" not in talk(port, REQ_A):
        assert time.monotonic() < ends, "it does not answer"


def test_an_adapter_that_is_pulled_out_takes_its_device_along(
    simulation: Simulation, tmp_path: Path
) -> None:
    """The name is gone, who has it open gets an error or the end; plugged in it is there again."""
    link = tmp_path / "ttyMB"
    simulation.serve(f"pty:{link}")
    device = os.open(link, os.O_RDWR | os.O_NOCTTY)
    try:
        switch(simulation, "converter_gone", True)
        assert not link.is_symlink()
        try:
            ended = os.read(device, 1) == b""
        except OSError:
            ended = True
        assert ended
    finally:
        os.close(device)
    switch(simulation, "converter_gone", False)
    with serial.serial_for_url(str(link), 2400, timeout=PATIENCE_S) as port:
        port.write(REQ_A)
        assert len(port.read(TELEGRAM_LENGTH)) == TELEGRAM_LENGTH


def test_a_dead_converter_says_nothing_over_udp(simulation: Simulation) -> None:
    """Datagrams are lost while it is gone; the place is free when it returns."""
    where = ("127.0.0.1", port_of(simulation.serve("udp:127.0.0.1:0")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as master:
        master.settimeout(0.3)
        switch(simulation, "converter_gone", True)
        master.sendto(REQ_A, where)
        with pytest.raises(TimeoutError):
            master.recv(4096)
        switch(simulation, "converter_gone", False)
        master.settimeout(PATIENCE_S)
        master.sendto(REQ_A, where)
        assert master.recv(4096)[:1] == b"\x68"
