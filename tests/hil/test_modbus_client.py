"""The blocking client against servers that do what they must not."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hil.modbus_client import ModbusClient
from simulators.modbus.pdu import ExceptionAnswer, Registers

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def server(*answers: bytes, hold: bool = False) -> Iterator[tuple[str, int]]:
    """Serve one connection: each request gets the next answer; then hang up unless `hold`."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                connection.recv(300)
                connection.sendall(answer)
            if hold:
                done.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        done.set()
        thread.join(10)
        listener.close()


def answer(transaction: int, pdu: str) -> bytes:
    """Return a message of unit 255."""
    body = bytes.fromhex(pdu)
    return (
        transaction.to_bytes(2, "big")
        + b"\0\0"
        + (len(body) + 1).to_bytes(2, "big")
        + b"\xff"
        + body
    )


def test_answers_on_one_connection() -> None:
    """Two requests after each other are answered in turn, an exception being an answer too."""
    with (
        server(answer(1, "03 02 12 34"), answer(2, "83 02")) as address,
        ModbusClient(*address) as client,
    ):
        assert client.read(0, 1) == Registers(0, (0x1234,))
        assert client.read(1, 1) == ExceptionAnswer(2)
        assert client.unexpected == []


def test_answer_to_nothing_is_kept() -> None:
    """A message that nobody asked for is kept, and the right answer still found."""
    with (
        server(answer(9, "83 02") + answer(1, "83 04")) as address,
        ModbusClient(*address) as client,
    ):
        assert client.read(0, 1) == ExceptionAnswer(4)
        (seen,) = client.unexpected
        assert "got 9" in seen.message


def test_silence() -> None:
    """No answer in time is a TimeoutError that names the request."""
    with (
        server(b"", hold=True) as address,
        ModbusClient(*address, limit_s=0.1) as client,
        pytest.raises(TimeoutError, match=r"no answer to ReadRequest\(starting_address=7"),
    ):
        client.read(7, 1)


def test_hang_up() -> None:
    """A server that closes instead of answering is a ConnectionError that names the request."""
    with (
        server(b"\x00") as address,
        ModbusClient(*address) as client,
        pytest.raises(ConnectionError, match=r"hung up on ReadRequest\(starting_address=3"),
    ):
        client.read(3, 1)
