"""A blocking Modbus TCP client: the socket around `simulators.modbus.client`.

It moves bytes and waits; what they mean is read by the sans-IO client. Everything that a server
must not do is kept in `unexpected`, for a test to look at.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from simulators.modbus.client import Client, Exchange, Unexpected
from simulators.modbus.pdu import IdentificationRequest, ReadRequest, Registers
from simulators.modbus.survey import GAP_LIMIT, Survey

if TYPE_CHECKING:
    from types import TracebackType

    from simulators.modbus.layout import Block
    from simulators.modbus.pdu import Answer, Request

#: How long an answer may take, in seconds.
ANSWER_LIMIT_S: Final = 5.0

_RECEIVE_SIZE: Final = 4096


class ModbusClient:
    """One connection to a Modbus server; a context manager.

    `unit_identifier` is used for every request that does not name another.
    """

    def __init__(
        self, host: str, port: int, *, unit_identifier: int = 255, limit_s: float = ANSWER_LIMIT_S
    ) -> None:
        self.address = (host, port)
        self.unit_identifier = unit_identifier
        #: What came without having been asked for.
        self.unexpected: list[Unexpected] = []
        self._limit_s = limit_s
        self._client = Client()
        self._socket = socket.create_connection((host, port), limit_s)

    def __enter__(self) -> ModbusClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, request: Request, *, unit_identifier: int | None = None) -> Answer:
        """Send a request and return what the server answers.

        Raises TimeoutError when nothing comes in time and ConnectionError when the server hangs
        up; both name the request.
        """
        unit = self.unit_identifier if unit_identifier is None else unit_identifier
        deadline = time.monotonic() + self._limit_s
        self._socket.sendall(self._client.request(unit, request))
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self._client.abandon()
                raise TimeoutError(f"no answer to {request} within {self._limit_s:g} s")
            for outcome in self._client.receive(self._receive(left, request)):
                if isinstance(outcome, Exchange):
                    return outcome.answer
                if isinstance(outcome, Unexpected):
                    self.unexpected.append(outcome)

    def _receive(self, limit_s: float, request: Request) -> bytes:
        """Return the next bytes, none when the time is over."""
        self._socket.settimeout(limit_s)
        try:
            data = self._socket.recv(_RECEIVE_SIZE)
        except TimeoutError:
            return b""
        if not data:
            self._client.abandon()
            raise ConnectionError(f"the server hung up on {request}")
        return data

    def read(self, starting_address: int, quantity: int) -> Answer:
        """Read holding registers; the answer is registers, an exception or malformed."""
        return self.ask(ReadRequest(starting_address, quantity))

    def registers(self, starting_address: int, quantity: int) -> tuple[int, ...]:
        """Read holding registers; raises ValueError for any answer that is none."""
        answer = self.read(starting_address, quantity)
        if not isinstance(answer, Registers):
            raise ValueError(f"registers {starting_address} + {quantity}: expected words, {answer}")
        return answer.words

    def identify(self, read_device_id_code: int, object_id: int = 0) -> Answer:
        """Read the device identification (MOD-05)."""
        return self.ask(IdentificationRequest(read_device_id_code, object_id))

    def survey(self, *, gap_limit: int | None = GAP_LIMIT) -> list[Block]:
        """Read every register that the server maps, as entries of manual 6.2."""
        survey = Survey(gap_limit=gap_limit)
        while (request := survey.next_request()) is not None:
            survey.answered(self.ask(request))
        return survey.blocks
