"""The independent Modbus client of the demo: pymodbus asks, our own reader only reads registers.

pymodbus was written by others, so a mistake in the gateway's framing cannot hide behind the same
mistake here. Which registers to ask for is decided by `simulators.modbus.survey`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from simulators.modbus.pdu import Answer, ExceptionAnswer, Malformed, Registers
from simulators.modbus.survey import Survey

if TYPE_CHECKING:
    from simulators.modbus.layout import Block
    from simulators.modbus.pdu import ReadRequest

#: Unit identifier of the requests: the gateway's own (C-38).
UNIT_IDENTIFIER: Final = 255
#: Seconds that an answer may take; the gateway is in this very process.
ANSWER_TIMEOUT_S: Final = 5
#: Requests of one survey at most: 65530 registers in steps of ten would be more than any map has.
REQUESTS_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class Probe:
    """One request that must be refused, and how it was."""

    function_code: int
    exception_code: int | None


class Client:
    """One Modbus TCP connection to a gateway."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self._client = client
        #: Requests sent since the connection was made.
        self.requests = 0

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        """Connect; raises ConnectionError naming the address."""
        host, port = address
        client = AsyncModbusTcpClient(host, port=port, timeout=ANSWER_TIMEOUT_S)
        if not await client.connect():
            raise ConnectionError(f"no Modbus server at {host}:{port}")
        return cls(client)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    async def blocks(self) -> list[Block]:
        """Every entry that the gateway serves now, asked for register by register.

        Raises ConnectionError where the gateway no longer answers.
        """
        survey = Survey()
        for _ in range(REQUESTS_MAX):
            request = survey.next_request()
            if request is None:
                break
            survey.answered(await self._read(request))
        return survey.blocks

    async def _read(self, request: ReadRequest) -> Answer:
        self.requests += 1
        try:
            response = await self._client.read_holding_registers(
                request.starting_address, count=request.quantity, device_id=UNIT_IDENTIFIER
            )
        except ModbusException as error:
            raise ConnectionError(str(error)) from error
        if response.isError():
            return ExceptionAnswer(response.exception_code)
        if len(response.registers) != request.quantity:
            message = f"expected {request.quantity} registers, got {len(response.registers)}"
            return Malformed(b"", message)
        return Registers(request.starting_address, tuple(response.registers))

    async def refusals(self) -> list[Probe]:
        """How the gateway refuses what it must refuse: reading coils and input registers."""
        coils = await self._client.read_coils(0, count=1, device_id=UNIT_IDENTIFIER)
        inputs = await self._client.read_input_registers(0, count=1, device_id=UNIT_IDENTIFIER)
        self.requests += 2
        return [
            Probe(code, answer.exception_code if answer.isError() else None)
            for code, answer in ((0x01, coils), (0x04, inputs))
        ]

    async def identification(self) -> dict[int, str]:
        """The objects of Read Device Identification, regular category; empty when refused."""
        self.requests += 1
        answer = await self._client.read_device_information(
            read_code=2, object_id=0, device_id=UNIT_IDENTIFIER
        )
        if not isinstance(answer, ReadDeviceInformationResponse):
            return {}
        return {
            number: value.decode("ascii", "backslashreplace")
            for number, value in answer.information.items()
        }
