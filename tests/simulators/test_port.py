"""The master's port in virtual time, used by tasks of the kernel as the device's are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.runtime.port import Fault, LineError, LineFormat, Parity, Received
from hil.runtimes import simulated_runtime
from simulators import population
from simulators.characters import Character, Format, Transmission, receive, to_ns, to_ticks
from simulators.line import call_at
from simulators.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simulators.runtime import SimRuntime

URL = "sim://bus"
NKE_A, REQ_A, REQ_B = (bytes.fromhex(text) for text in ("1040054516", "107B058016", "107B098416"))
REQ_TEST = bytes.fromhex("107BFE7916")
FORMAT = LineFormat()
WINDOW_NS = FORMAT.bits_ns(330) + 50_000_000
GAP_NS = FORMAT.bits_ns(33)


def wanting(length: int) -> Callable[[bytes], int]:
    """A framing that wants `length` characters."""
    return lambda data: max(0, length - len(data))


class Bench:
    """A simulated bus and a runtime whose tasks reach it by `URL`."""

    def __init__(self, meters: str = "worked-examples") -> None:
        self.env = simpy.Environment()
        self.network = Network(self.env, population.load(meters))
        opener = partial(self.network.open_port, received=Received, fault=Fault)
        self.rt = simulated_runtime(self.env, lines={URL: opener})

    def run(self, main: Callable[[SimRuntime, Any], Coroutine[Any, Any, Any]]) -> Any:
        """Run `main` with the runtime and an open port."""

        async def body(rt: SimRuntime) -> Any:
            return await main(rt, await rt.open_line(URL, FORMAT))

        return self.rt.run(body)


def test_a_poll_takes_the_time_of_the_wire() -> None:
    """`write` returns when the last stop bit has left; the answer ends with its last character."""

    async def main(rt: SimRuntime, line: Any) -> Received:
        end = await line.write(REQ_A)
        assert end == rt.now() == FORMAT.characters_ns(5)
        answer: Received = await line.receive(wanting(42), by=end + WINDOW_NS, gap=GAP_NS)
        assert rt.now() == answer.last_ns
        return answer

    answer = Bench().run(main)
    assert isinstance(answer, Received)
    assert (len(answer.data), answer.faults) == (42, ())
    assert answer.first_ns is not None
    assert answer.last_ns is not None
    assert answer.last_ns - answer.first_ns == pytest.approx(FORMAT.characters_ns(41), abs=1)


def test_silence_lasts_until_the_limit() -> None:
    """Nobody at the address: the read is empty, at the very end of the answer window."""

    async def main(rt: SimRuntime, line: Any) -> None:
        end = await line.write(bytes.fromhex("107B078216"))
        answer = await line.receive(wanting(1), by=end + WINDOW_NS, gap=GAP_NS)
        assert (answer.data, answer.last_ns) == (b"", None)
        assert rt.now() == end + WINDOW_NS

    Bench().run(main)


def test_a_read_outlasts_a_limit_that_falls_into_the_answer() -> None:
    """`by` bounds the beginning of an answer, not its length."""

    async def main(_rt: SimRuntime, line: Any) -> int:
        end = await line.write(REQ_A)
        answer = await line.receive(wanting(42), by=end + FORMAT.bits_ns(61), gap=GAP_NS)
        return len(answer.data)

    assert Bench().run(main) == 42


def test_a_collision_is_heard_with_its_faults() -> None:
    """Two meters at once: the characters are garbled, and parity or framing says so."""

    async def main(_rt: SimRuntime, line: Any) -> Received:
        end = await line.write(REQ_TEST)
        answer: Received = await line.receive(wanting(261), by=end + WINDOW_NS, gap=GAP_NS)
        return answer

    bench = Bench()
    answer = bench.run(main)
    assert answer.faults
    assert all(isinstance(fault, Fault) for _, fault in answer.faults)
    assert all(0 <= index < len(answer.data) for index, _ in answer.faults)
    assert [item.value for item in bench.network.observations if item.path == "bus.collision"] == [
        ["a", "b"]
    ]


def test_an_expired_read_loses_nothing() -> None:
    """What was heard before an expiry is still there for the next read."""

    async def main(rt: SimRuntime, line: Any) -> bytes:
        end = await line.write(REQ_A)
        with pytest.raises(TimeoutError), rt.timeout(100_000_000):
            await line.receive(wanting(42), by=end + WINDOW_NS, gap=GAP_NS)
        answer = await line.receive(wanting(42), by=rt.now(), gap=GAP_NS)
        data: bytes = answer.data
        return data

    assert len(Bench().run(main)) == 42


def test_flush_forgets_what_has_arrived() -> None:
    """Complete characters are forgotten and returned, those that are still coming are not."""

    async def main(rt: SimRuntime, line: Any) -> tuple[int, int]:
        await line.write(REQ_A)
        await rt.sleep(100_000_000)
        forgotten = len(line.flush())
        rest = await line.receive(wanting(99), by=rt.now(), gap=GAP_NS)
        return forgotten, len(rest.data)

    forgotten, rest = Bench().run(main)
    assert 0 < forgotten < 42
    assert forgotten + rest == 42


def test_a_port_set_to_another_rate_hears_garbage_and_is_not_understood() -> None:
    """After `set_format` requests go out at the new rate; no meter answers."""

    async def main(_rt: SimRuntime, line: Any) -> bytes:
        fast = LineFormat(baudrate=9600)
        await line.set_format(fast)
        assert line.format == fast
        end = await line.write(REQ_A)
        assert end == fast.characters_ns(5)
        answer = await line.receive(wanting(1), by=end + WINDOW_NS, gap=GAP_NS)
        data: bytes = answer.data
        return data

    assert Bench().run(main) == b""


@pytest.mark.parametrize(
    "line_format", [LineFormat(baudrate=1000), LineFormat(data_bits=7, parity=Parity.EVEN)]
)
def test_a_format_that_no_line_has_is_refused(line_format: LineFormat) -> None:
    """The line's own error says what was asked for."""

    async def main(_rt: SimRuntime, line: Any) -> None:
        with pytest.raises(LineError, match=r"1000|8 data bits"):
            await line.set_format(line_format)

    Bench().run(main)


def test_closing_ends_a_pending_read() -> None:
    """`close` from another task ends a read with the line's error, and so does any later call."""

    async def main(rt: SimRuntime, line: Any) -> None:
        async def close_soon() -> None:
            await rt.sleep(1_000_000)
            await line.close()

        async with rt.nursery() as nursery:
            nursery.spawn(close_soon(), name="closer")
            with pytest.raises(LineError, match="closed"):
                await line.receive(wanting(1), by=10**9, gap=GAP_NS)
            assert rt.now() == 1_000_000
        with pytest.raises(LineError, match="closed"):
            await line.write(REQ_A)

    Bench().run(main)


def test_polls_back_to_back_never_touch() -> None:
    """A hundred polls of two meters: every answer is whole and there is no collision."""

    async def main(_rt: SimRuntime, line: Any) -> set[tuple[int, bool]]:
        seen = set()
        for number in range(100):
            end = await line.write((REQ_A, REQ_B)[number % 2])
            length = (42, 37)[number % 2]
            answer = await line.receive(wanting(length), by=end + WINDOW_NS, gap=GAP_NS)
            seen.add((len(answer.data), answer.faults == ()))
        return seen

    bench = Bench()
    assert bench.run(main) == {(42, True), (37, True)}
    assert not [item for item in bench.network.observations if item.path == "bus.collision"]


class Plain:
    """Reads as the port's documentation says them, worked out from all characters at once."""

    def __init__(self, heard: list[Character]) -> None:
        self._heard = [(to_ns(item.start), to_ns(item.end), item) for item in heard]
        self.now = 0

    def receive(self, length: int, by: int, gap: int) -> tuple[int, bytes, list[tuple[int, int]]]:
        """End, data and faults of one read that begins now."""
        taken = list[Character]()
        last: int | None = None
        end = by
        while self._heard:
            begins, ends, item = self._heard[0]
            if begins > (by if last is None else last + gap):
                break
            taken.append(item)
            self._heard.pop(0)
            last = ends
            end = last + gap
            if len(taken) == length:
                end = last
                break
        self.now = max(self.now, end)
        faults = [(n, int(item.fault)) for n, item in enumerate(taken) if item.fault]
        return self.now, bytes(item.byte for item in taken), faults


BIT_NS = FORMAT.bits_ns(1)
talks = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 40), st.binary(min_size=1, max_size=12)),
    min_size=1,
    max_size=8,
)
reads = st.lists(
    st.tuples(st.integers(1, 10), st.integers(0, 120), st.integers(1, 60)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(talks, reads)
def test_reads_agree_with_a_plain_model(
    spoken: list[tuple[int, int, bytes]], asked: list[tuple[int, int, int]]
) -> None:
    """However transmissions and reads fall together, each read ends when and with what it must.

    Transmissions (start, how long before it they are decided, data; in bits) reach the bus while
    reads (length, answer window and gap in bits) are going on; the plain model knows all of them
    beforehand and takes one character after the other.
    """
    bench = Bench()
    transmissions = []
    for number, (start, lead, data) in enumerate(spoken):
        at = to_ticks(start * BIT_NS)
        item = Transmission(str(number), data, at, Format(2400))
        transmissions.append(item)
        decided = max(1, start - lead) * BIT_NS
        call_at(bench.env, decided, partial(bench.network.bus.answer, [item]))
    plain = Plain(receive(transmissions, Format(2400)))

    async def main(rt: SimRuntime, line: Any) -> list[tuple[int, bytes, list[tuple[int, int]]]]:
        seen = []
        for length, window, gap in asked:
            by = rt.now() + window * BIT_NS
            answer = await line.receive(wanting(length), by=by, gap=gap * BIT_NS)
            faults = [(index, int(fault)) for index, fault in answer.faults]
            seen.append((rt.now(), answer.data, faults))
        return seen

    expected = [
        plain.receive(length, plain.now + window * BIT_NS, gap * BIT_NS)
        for length, window, gap in asked
    ]
    assert bench.run(main) == expected
