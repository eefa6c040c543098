"""A small HTTP server for JSON on the asyncio loop of a simulation: one request a connection.

It serves people with curl and scenarios in real time, nobody else: every part of a request has a
limit, a slow client is hung up on, and what a browser sends on behalf of some page (it says so with
`Origin`, or comes by a name that was made to lead here) is refused, because the server has no
password. The standard library's server would run in a thread of its own beside the simulation.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

HEAD_BYTES_MAX: Final = 8192
BODY_BYTES_MAX: Final = 65_536
CONNECTIONS_MAX: Final = 16
#: How long a client may take for its request, and for taking the answer.
PATIENCE_S: Final = 10.0

_METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE"})


class HttpError(Exception):
    """A request that is answered with an error; `status` is one of 4xx."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """A request that was read completely: `path` as sent, `body` parsed, None if there was none."""

    method: str
    path: str
    body: Any


#: Answers a request with a document for JSON; raises HttpError.
Handler = Callable[[Request], Any]


class HttpServer:
    """Listens on one address and lets `handler` answer, one request after the other."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open = 0

    async def listen(self, host: str, port: int) -> None:
        """Listen; OSError where that is impossible."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES_MAX)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as bound."""
        assert self._server is not None, "nobody listens yet"
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Listen no more; an answer that is being sent is finished."""
        if self._server is not None:
            self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, document = await self._answered(reader)
                writer.write(_response(status, document))
                await writer.drain()
        except (ConnectionError, TimeoutError):
            # A client that vanishes or dawdles has nobody to tell about it.
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> tuple[HTTPStatus, Any]:
        """The answer to what comes; an error where it is none or no good request."""
        try:
            if self._open > CONNECTIONS_MAX:
                raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            request = await _read(reader)
            return HTTPStatus.OK, self._handler(request)
        except HttpError as error:
            return error.status, {"error": str(error)}


async def _read(reader: asyncio.StreamReader) -> Request:
    """Read one request; HttpError for what is none, too long or not meant for us."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        message = f"a request head has at most {HEAD_BYTES_MAX} bytes"
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message) from error
    except asyncio.IncompleteReadError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the request ends in its head") from error
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(HTTPStatus.BAD_REQUEST, "want 'METHOD /path HTTP/1.1'")
    if words[0] not in _METHODS:
        message = f"want one of {', '.join(sorted(_METHODS))}"
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, message)
    headers = _headers(lines[1:])
    _check_origin(headers)
    return Request(words[0], words[1], await _body(reader, headers))


def _headers(lines: list[str]) -> dict[str, str]:
    """Header fields by their name in lower case."""
    headers = dict[str, str]()
    for line in lines:
        name, colon, value = line.partition(":")
        if line and (not colon or name != name.strip()):
            raise HttpError(HTTPStatus.BAD_REQUEST, f"not a header field: {line[:40]!r}")
        headers[name.lower()] = value.strip()
    return headers


def _check_origin(headers: dict[str, str]) -> None:
    """Refuse what a browser sends for a page: it need not be the user who wants it."""
    if "origin" in headers:
        raise HttpError(HTTPStatus.FORBIDDEN, "requests of web pages are refused")
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name == "localhost":
        return
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        message = f"want the host as a number or 'localhost', got {name[:60]!r}"
        raise HttpError(HTTPStatus.FORBIDDEN, message) from error


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> Any:
    """The JSON document of a request; None where it has no body."""
    if "transfer-encoding" in headers:
        raise HttpError(HTTPStatus.LENGTH_REQUIRED, "want a body with Content-Length")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HttpError(HTTPStatus.BAD_REQUEST, f"Content-Length is no number: {length[:40]!r}")
    if int(length[:12]) > BODY_BYTES_MAX:
        message = f"a body has at most {BODY_BYTES_MAX} bytes"
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    if int(length) == 0:
        return None
    try:
        return json.loads(await reader.readexactly(int(length)))
    except asyncio.IncompleteReadError as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, "the body is shorter than it says") from error
    except (ValueError, RecursionError) as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from error


def _response(status: HTTPStatus, document: Any) -> bytes:
    body = json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
