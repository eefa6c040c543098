"""One conformance suite for every kind of M-Bus port, over real PTYs and sockets."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import termios
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from gateway.io.line_transports import is_pseudo_terminal, open_serial
from gateway.io.lines import HostLine
from gateway.io.runtime import AioRuntime
from gateway.runtime.port import Fault, LineError, LineFormat, Parity, Received
from simulators.memory_storage import MemoryStorage
from tests.gateway.io.far_ends import FAR_ENDS, FarEnd, Rfc2217End

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

MS = 1_000_000

FORMAT = LineFormat(9600)
REQUEST = bytes.fromhex("105b015c16")
#: 33 bits at 9600 Bd.
GAP = FORMAT.bits_ns(33)

Program = Callable[[Any, Any, Any], Coroutine[Any, Any, T]]


def missing(data: bytes) -> int:
    """A toy framing: the first byte is the number of bytes that follow."""
    return max(0, 1 + data[0] - len(data))


@pytest.fixture(params=FAR_ENDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of port."""
    return str(request.param)


def on_line(kind: str, program: Program[T]) -> T:
    """Run ``program(rt, line, far_end)`` with a line of this kind, open and warmed up."""

    async def main() -> T:
        far_end: FarEnd = FAR_ENDS[kind]()
        await far_end.open()
        runtime = AioRuntime(storage=MemoryStorage())

        async def in_kernel(rt: Any) -> T:
            line = await rt.open_line(far_end.url, FORMAT)
            # A UDP end learns its peer from the first datagram.
            await line.write(REQUEST)
            await runtime.engine.bridge(far_end.wait_for(REQUEST))
            try:
                return await program(rt, line, far_end)
            finally:
                await line.close()

        try:
            return await runtime.run(in_kernel)
        finally:
            far_end.vanish()

    return asyncio.run(main())


# --- Writing ----------------------------------------------------------------------------------


def test_write_returns_the_end_of_the_last_stop_bit(kind: str) -> None:
    """Computed from the format: 5 characters of 11 bits, and the return comes no earlier."""

    async def program(rt: Any, line: Any, far_end: Any) -> list[int]:
        del far_end
        begun = rt.now()
        end = await line.write(REQUEST)
        return [end - begun, rt.now() - end]

    lasted, late = on_line(kind, program)
    assert lasted >= FORMAT.characters_ns(5)
    assert late >= 0


def test_two_writes_do_not_overlap(kind: str) -> None:
    """A request that is sent behind another counts from the end of that one."""

    async def program(rt: Any, line: Any, far_end: Any) -> int:
        del far_end
        begun = rt.now()
        try:
            with rt.timeout(0):
                await line.write(bytes(40))
        except TimeoutError:
            return int(await line.write(REQUEST)) - int(begun)
        return 0

    assert on_line(kind, program) >= FORMAT.characters_ns(45)


# --- Receiving --------------------------------------------------------------------------------


def test_receive_ends_where_the_framing_ends(kind: str) -> None:
    """Two telegrams in one burst are two answers; no byte of the second is lost."""

    async def program(rt: Any, line: Any, far_end: Any) -> list[bytes]:
        far_end.send(b"\x02ab\x03cde")
        by = rt.now() + 1000 * MS
        first = await line.receive(missing, by=by, gap=GAP)
        second = await line.receive(missing, by=by, gap=GAP)
        return [first.data, second.data]

    assert on_line(kind, program) == [b"\x02ab", b"\x03cde"]


def test_receive_joins_what_comes_in_pieces(kind: str) -> None:
    """Chunks play no part; times are ordered and lie between question and return."""

    async def program(rt: Any, line: Any, far_end: Any) -> Any:
        loop = asyncio.get_running_loop()
        begun = rt.now()
        for number, piece in enumerate((b"\x05", b"abc", b"de")):
            loop.call_later(0.004 * number, far_end.send, piece)
        received = await line.receive(missing, by=begun + 1000 * MS, gap=100 * MS)
        assert received.first_ns <= received.last_ns <= rt.now()
        assert received.last_ns > begun
        return received.data

    assert on_line(kind, program) == b"\x05abcde"


def test_silence_is_an_empty_answer_at_the_time_limit(kind: str) -> None:
    """Nothing begins by `by`: no bytes, no times, and not earlier than `by`."""

    async def program(rt: Any, line: Any, far_end: Any) -> Any:
        del far_end
        by = rt.now() + 20 * MS
        received = await line.receive(missing, by=by, gap=GAP)
        assert rt.now() >= by
        return received

    received = on_line(kind, program)
    assert (received.data, received.first_ns, received.last_ns) == (b"", None, None)


def test_a_telegram_that_stops_is_given_after_the_gap(kind: str) -> None:
    """An answer that never becomes complete is what was heard of it."""

    async def program(rt: Any, line: Any, far_end: Any) -> bytes:
        far_end.send(b"\x09ab")
        received = await line.receive(missing, by=rt.now() + 1000 * MS, gap=GAP)
        assert rt.now() - received.last_ns >= GAP
        return bytes(received.data)

    assert on_line(kind, program) == b"\x09ab"


def test_what_was_heard_before_a_time_out_stays(kind: str) -> None:
    """The caller's own time-out loses nothing: the next call goes on with the same bytes."""

    async def program(rt: Any, line: Any, far_end: Any) -> bytes:
        far_end.send(b"\x04ab")
        with pytest.raises(TimeoutError):  # noqa: SIM117  # one is the runtime's, one the test's
            with rt.timeout(30 * MS):
                await line.receive(missing, by=rt.now() + 1000 * MS, gap=10_000 * MS)
        far_end.send(b"cd")
        received = await line.receive(missing, by=rt.now() + 1000 * MS, gap=10_000 * MS)
        return bytes(received.data)

    assert on_line(kind, program) == b"\x04abcd"


def test_flush_forgets_and_returns(kind: str) -> None:
    """Late bytes of an old answer are not taken for the next one."""

    async def program(rt: Any, line: Any, far_end: Any) -> list[bytes]:
        far_end.send(b"\x09late")
        received = await line.receive(missing, by=rt.now() + 1000 * MS, gap=GAP)
        far_end.send(b"\x09more")
        await rt.sleep(30 * MS)
        return [received.data, line.flush(), line.flush()]

    assert on_line(kind, program) == [b"\x09late", b"\x09more", b""]


def test_two_receivers_are_a_mistake(kind: str) -> None:
    """A second concurrent receive says so."""

    async def program(rt: Any, line: Any, far_end: Any) -> None:
        del far_end
        by = rt.now() + 1000 * MS
        async with rt.nursery() as nursery:
            nursery.spawn(line.receive(missing, by=by, gap=GAP), name="first")
            await rt.sleep(0)
            with pytest.raises(RuntimeError, match="two receivers"):
                await line.receive(missing, by=by, gap=GAP)
            nursery.cancel()

    on_line(kind, program)


def test_the_format_can_be_changed(kind: str) -> None:
    """Speed changes are followed by the computed times."""

    async def program(rt: Any, line: Any, far_end: Any) -> int:
        del far_end
        await line.set_format(LineFormat(300))
        assert line.format.baudrate == 300
        begun = rt.now()
        return int(await line.write(b"\xe5")) - int(begun)

    assert on_line(kind, program) >= LineFormat(300).characters_ns(1)


# --- Faults -----------------------------------------------------------------------------------


def test_ports_that_cannot_tell_faults_say_so(kind: str) -> None:
    """None where parity is unknown; an empty tuple only where errors would be told."""

    async def program(rt: Any, line: Any, far_end: Any) -> Any:
        far_end.send(b"\x01a")
        return (await line.receive(missing, by=rt.now() + 1000 * MS, gap=GAP)).faults

    assert on_line(kind, program) == (() if kind == "rfc2217" else None)


def test_rfc2217_tells_of_bad_characters() -> None:
    """A line state with a parity error marks the character beside it; settings were 9600 8E1."""

    async def program(rt: Any, line: Any, far_end: Rfc2217End) -> Any:
        assert far_end.settings[1] == (9600).to_bytes(4, "big")
        assert far_end.settings[3] == b"\x03"
        far_end.send(b"\x02a")
        far_end.notify(0x04)
        far_end.send(b"b")
        return await line.receive(missing, by=rt.now() + 1000 * MS, gap=100 * MS)

    received = on_line("rfc2217", program)
    assert received.data == b"\x02ab"
    assert len(received.faults) == 1
    assert received.faults[0][1] == Fault.PARITY


def test_a_tty_that_marks_errors_passes_every_character() -> None:
    """With INPCK and PARMRK set, all 256 characters arrive as they are, and no fault is told.

    A PTY stands in for the serial port: it has the same line discipline, which doubles FF.
    """

    async def main() -> tuple[Received, list[bool]]:
        far_end = FAR_ENDS["pty"]()
        await far_end.open()
        runtime = AioRuntime(storage=MemoryStorage())
        plain = LineFormat(9600, 8, Parity.NONE, 1)

        async def in_kernel(rt: Any) -> tuple[Received, list[bool]]:
            line = HostLine(runtime.engine, far_end.url, plain)
            transport = open_serial(line, far_end.url, plain, pseudo=False)
            line.attach(transport)
            marks = [marks_errors(far_end.url)]
            await line.set_format(LineFormat(2400, 8, Parity.NONE, 1))
            marks.append(marks_errors(far_end.url))
            far_end.send(bytes(reversed(range(256))))
            received = await line.receive(missing, by=rt.now() + 1000 * MS, gap=100 * MS)
            await line.close()
            return received, marks

        try:
            return await runtime.run(in_kernel)
        finally:
            far_end.vanish()

    received, marks = asyncio.run(main())
    assert received.data == bytes(reversed(range(256)))
    assert received.faults == ()
    # pyserial clears the flags whenever it configures the port: they are set again behind it.
    assert marks == [True, True]


def marks_errors(path: str) -> bool:
    """Whether the tty checks parity and marks errors, as the kernel tells."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        flags: int = termios.tcgetattr(fd)[0]
    finally:
        os.close(fd)
    wanted = termios.INPCK | termios.PARMRK
    return flags & wanted == wanted


@pytest.mark.parametrize(
    ("line_format", "complaint"),
    [
        (LineFormat(2400, 8, Parity.EVEN, 1), "does not do parity"),
        (LineFormat(2400, 8, Parity.NONE, 3), "stop bit"),
    ],
)
def test_a_serial_port_that_refuses_the_format_says_so(
    line_format: LineFormat, complaint: str
) -> None:
    """What a port cannot do is a LineError with the format asked for, never silently less.

    A PTY that is taken for a serial port drops parity without a word.
    """

    async def program(rt: Any, line: Any, far_end: Any) -> None:
        del rt
        await line.close()
        open_serial(line, far_end.url, line_format, pseudo=False)

    with pytest.raises(LineError, match=f"{complaint}.*asked for 2400 Bd"):
        on_line("pty", program)


# --- Failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(FAR_ENDS) - {"udp"}))
def test_a_line_that_vanishes_is_a_line_error(kind: str) -> None:
    """Pending and later calls fail with the name of the port and the reason, once and for all.

    A UDP converter that goes away is silence until the next request: see the next case.
    """

    async def program(rt: Any, line: Any, far_end: Any) -> list[str]:
        seen: list[str] = []
        asyncio.get_running_loop().call_later(0.005, far_end.vanish)
        try:
            await line.receive(missing, by=rt.now() + 10_000 * MS, gap=GAP)
        except LineError as error:
            seen.append(str(error))
        with pytest.raises(LineError):
            await line.write(REQUEST)
        with pytest.raises(LineError):
            await line.receive(missing, by=rt.now(), gap=GAP)
        return [*seen, far_end.url]

    text, url = on_line(kind, program)
    assert text.startswith(f"{url}: ")
    assert "vanished" in text or "closed" in text


def test_a_udp_converter_that_is_gone_is_noticed_at_the_next_request() -> None:
    """The operating system refuses the datagram, and the line says so."""

    async def program(rt: Any, line: Any, far_end: Any) -> None:
        far_end.vanish()
        await rt.sleep(1 * MS)
        for _ in range(3):
            await line.write(REQUEST)
            await line.receive(missing, by=rt.now() + 20 * MS, gap=GAP)

    with pytest.raises(LineError, match="refuses datagrams"):
        on_line("udp", program)


def test_closing_ends_a_pending_receive(kind: str) -> None:
    """The receiver gets LineError; a closed line stays closed."""

    async def program(rt: Any, line: Any, far_end: Any) -> list[str]:
        del far_end
        seen: list[str] = []

        async def receiver() -> None:
            try:
                await line.receive(missing, by=rt.now() + 10_000 * MS, gap=GAP)
            except LineError as error:
                seen.append(str(error).rpartition(": ")[2])

        async with rt.nursery() as nursery:
            nursery.spawn(receiver(), name="receiver")
            await rt.sleep(0)
            await line.close()
            await line.close()
        with pytest.raises(LineError):
            await line.set_format(FORMAT)
        return seen

    assert on_line(kind, program) == ["closed on this side"]


def test_a_port_can_be_opened_again(kind: str) -> None:
    """Close and open: the second opening works too (a PTY refuses parity then)."""

    async def program(rt: Any, line: Any, far_end: Any) -> bytes:
        await line.close()
        far_end.heard.clear()
        again = await rt.open_line(far_end.url, FORMAT)
        try:
            await again.write(b"\x10")
            # A socket's far end learns of its new peer by the first bytes.
            await rt.engine.bridge(far_end.wait_for(b"\x10"))
            far_end.send(b"\x01x")
            received = await again.receive(missing, by=rt.now() + 1000 * MS, gap=GAP)
            return bytes(received.data)
        finally:
            await again.close()

    assert on_line(kind, program) == b"\x01x"


def test_a_pty_in_use_is_refused() -> None:
    """Two masters on one port would hear each other's answers: the second is told."""

    async def program(rt: Any, line: Any, far_end: Any) -> None:
        del line
        await rt.open_line(far_end.url, FORMAT)

    with pytest.raises(LineError, match=r"cannot open.*lock"):
        on_line("pty", program)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("/dev/no-such-port", "No such file"),
        ("/dev/null", "cannot open"),
        ("socket://127.0.0.1:9", "cannot connect"),
        ("socket://127.0.0.1", "want socket://host:port"),
        ("socket://127.0.0.1:99999", "ort"),
        ("rfc2217://127.0.0.1:9", "cannot connect"),
        ("carrier-pigeon://roof:1", "not carrier-pigeon://"),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(url: str, complaint: str) -> None:
    """LineError with the URL and the reason, whatever is wrong with it."""

    async def main(rt: Any) -> None:
        await rt.open_line(url, FORMAT)

    with pytest.raises(LineError, match=complaint) as caught:
        asyncio.run(AioRuntime(storage=MemoryStorage()).run(main))
    assert url.split("?")[0] in str(caught.value)


def test_a_converter_that_is_no_rfc2217_server_is_named() -> None:
    """A plain TCP converter under an rfc2217 URL: an error in words, not silence for ever."""

    async def main() -> None:
        far_end = FAR_ENDS["tcp"]()
        await far_end.open()

        async def in_kernel(rt: Any) -> None:
            asyncio.get_running_loop().call_later(0.02, far_end.send, b"\xff\xfe\x2c")
            await rt.open_line(far_end.url.replace("socket", "rfc2217"), FORMAT)

        runtime = AioRuntime(storage=MemoryStorage())
        try:
            await runtime.run(in_kernel)
        finally:
            far_end.vanish()

    with pytest.raises(LineError, match="does not speak RFC 2217"):
        asyncio.run(main())


@pytest.mark.needs("socat")
def test_a_link_to_a_pty_of_another_program_is_a_pty(tmp_path: Path) -> None:
    """Socat's symbolic link is followed: opened without parity, echo of `cat` is heard."""
    socat = shutil.which("socat")
    if socat is None:
        pytest.skip("socat is not installed (apt install socat)")
    link = tmp_path / "bus"

    async def main(rt: Any) -> tuple[bytes, object]:
        with rt.timeout(5_000 * MS):
            while not link.is_symlink():
                await rt.sleep(5 * MS)
        assert is_pseudo_terminal(str(link))
        line = await rt.open_line(str(link), LineFormat(2400, 8, Parity.EVEN, 1))
        await line.write(b"\x02ab")
        received = await line.receive(missing, by=rt.now() + 2_000 * MS, gap=GAP)
        await line.close()
        return received.data, received.faults

    with subprocess.Popen([socat, f"PTY,link={link},raw,echo=0", "EXEC:cat"]) as process:
        try:
            runtime = AioRuntime(storage=MemoryStorage())
            assert asyncio.run(runtime.run(main)) == (b"\x02ab", None)
        finally:
            process.terminate()
