"""Decoded values by HTTP: the client's author posts them and is answered at once.

    GET  /          the registers that are asked for, and what was posted so far
    POST /values    a list of {"register": …, "value": …}, as in a file; answered with what is wrong

Every value is judged when it comes, against all that was sent up to then.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scenarios.checks.client import decoded
from simulators.http_server import HttpError, HttpServer, Request
from simulators.modbus.watch.image import truths

if TYPE_CHECKING:
    from collections.abc import Callable


class Posted:
    """What was posted, judged; `ticks` gives the seconds that were served so far."""

    def __init__(self, ticks: Callable[[], int]) -> None:
        self._ticks = ticks
        self._server = HttpServer(self.answer)
        self.count = 0
        self.findings: list[str] = []

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address bound. OSError where it cannot be."""
        await self._server.listen(host, port)
        return self._server.address

    async def close(self) -> None:
        """Take no more values."""
        await self._server.close()

    def answer(self, request: Request) -> Any:
        """A document for JSON; HttpError says what was expected."""
        match request.path.strip("/"):
            case "":
                self._allow(request, "GET")
                return {
                    "registers": [truth.register for truth in truths(0)],
                    "values": self.count,
                    "findings": self.findings,
                }
            case "values":
                self._allow(request, "POST")
                return self._take(request.body)
            case _:
                raise HttpError(HTTPStatus.NOT_FOUND, f"nothing at {request.path[:100]!r}")

    def _take(self, body: Any) -> Any:
        """Judge a list of values; a list with a mistake in its form changes nothing."""
        try:
            values = decoded.parse(body, "the body")
        except decoded.ValuesError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from error
        if self.count + len(values) > decoded.VALUES_MAX:
            told = f"at most {decoded.VALUES_MAX} values in one watch"
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
        findings = decoded.judge(values, self._ticks())
        self.count += len(values)
        self.findings += findings
        return {"values": len(values), "findings": findings}

    @staticmethod
    def _allow(request: Request, method: str) -> None:
        if request.method != method:
            told = f"{method} only, got {request.method}"
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, told)
