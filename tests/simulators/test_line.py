"""What goes wrong on the line and in the converter, and the fast model against plain ones."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.runtime.port import Fault as PortFault
from gateway.runtime.port import LineError, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators import frames, population
from simulators.characters import Character, Fault, Format, Transmission, parity_bit, receive
from simulators.converter import Converter, gaps
from simulators.line_faults import LINE_FAULTS
from simulators.network import Network
from simulators.noise import Bursts, Noise
from simulators.receiver import Receiver
from tests.simulators.slaves import NKE, REQ1, Bench, meter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simulators.runtime import SimRuntime

FORMAT = Format(2400)
BIT = FORMAT.bit_ticks
BIT_NS = 10**9 // 2400
REQUEST = frames.short_frame(REQ1, 5)
MS = 1_000_000


def lined(*faults: dict[str, Any], **keys: Any) -> Bench:
    """A bus with one meter and faults of the line."""
    return Bench(meter(**keys), document={"bus": {"faults": list(faults)}})


SOUND = Bench(meter()).read()


# --- The plain model --------------------------------------------------------------------------


def plain_bits(transmission: Transmission, data: bytes, cut: int | None) -> list[int]:
    """The bits of a transmission one by one, errors and cut included."""
    bits = list[int]()
    for byte in data:
        bits += [0, *(byte >> n & 1 for n in range(8)), parity_bit(byte, "E"), 1]
    bits = [bit ^ (transmission.flips >> n & 1) for n, bit in enumerate(bits)]
    return bits if cut is None else bits[:cut]


def plain_heard(
    senders: list[tuple[int, list[int], int]], step: int, since: int
) -> list[tuple[int, int, Fault]]:
    """Walk the line in steps of 1/`step` bit; senders are (start, bits, steps a bit)."""
    end = max(start + len(bits) * width for start, bits, width in senders)
    levels = [1] * (end + 40 * step)
    for start, bits, width in senders:
        for n, bit in enumerate(bits):
            for place in range(start + n * width, start + (n + 1) * width):
                levels[place] &= bit
    heard, at = list[tuple[int, int, Fault]](), since
    while at < len(levels) and at > 0 and not levels[at] and not levels[at - 1]:
        at += 1
    while at < len(levels) - 12 * step:
        if levels[at]:
            at += 1
            continue
        middle = at + step // 2
        bits = [levels[middle + n * step] for n in range(11)]
        if bits[0]:
            at = middle
            continue
        byte = sum(bit << n for n, bit in enumerate(bits[1:9]))
        fault = Fault.PARITY if bits[9] != parity_bit(byte, "E") else Fault(0)
        heard.append((at, byte, fault if bits[10] else fault | Fault.FRAMING))
        at = middle + 10 * step
        while at < len(levels) and not levels[at]:
            at += 1
    return heard


STEP = 8
senders = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.binary(min_size=1, max_size=4),
        st.sampled_from([2400, 2400, 1200]),
        st.integers(0, 2**44 - 1) | st.just(0),
        st.none() | st.integers(0, 44),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(senders, st.integers(0, 300), st.none() | st.tuples(st.integers(0, 300), st.integers(1, 40)))
def test_the_line_is_that_of_a_plain_bitwise_model(
    found: list[tuple[int, bytes, int, int, int | None]],
    since: int,
    held: tuple[int, int] | None,
) -> None:
    """Bit errors, cut answers, two rates, breaks and a late listener: bit by bit the same."""
    transmissions, plain = list[Transmission](), list[tuple[int, list[int], int]]()
    for n, (start, data, rate, flips, cut) in enumerate(found):
        form = Format(rate)
        mask = (1 << form.bits * len(data)) - 1
        sender = Transmission(str(n), data, start * BIT // STEP, form, flips=flips & mask)
        bits = plain_bits(sender, data, cut)
        if cut is not None:
            sender.cut(sender.start + cut * form.bit_ticks)
        transmissions.append(sender)
        plain.append((start, bits, STEP * 2400 // rate))
    if held is not None:
        start, length = held
        transmissions.append(Transmission.space("x", start * BIT // STEP, length, FORMAT))
        plain.append((start, [0] * length, STEP))
    heard = receive(transmissions, FORMAT, since * BIT // STEP)
    assert [(one.start * STEP // BIT, one.byte, one.fault) for one in heard] == plain_heard(
        plain, STEP, since
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=6), st.integers(0, 5)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.integers(0, 3),
)
def test_a_receiver_that_plans_hears_what_the_line_says(
    found: list[tuple[int, bytes, int]], rate: float, cuts: int
) -> None:
    """Transmissions in portions, with noise and senders that are cut: as if known at once."""
    noise = Noise("test")
    noise.error_rate = rate
    transmissions = [
        Transmission(str(n), data, start * BIT // 4, FORMAT)
        for n, (start, data, _) in enumerate(found)
    ]
    transmissions.sort(key=lambda item: item.start)
    for transmission in transmissions:
        noise.disturb(transmission)
    receiver = Receiver(FORMAT)
    for n, transmission in enumerate(transmissions):
        receiver.add([transmission])
        if n < cuts:
            transmission.cut(transmission.start + 7 * BIT)
            receiver.refresh()
    whole = receive(transmissions, FORMAT) if transmissions else []
    got = [
        (burst.ticks(index)[0], burst.data[index])
        for burst, begin in receiver.unread()
        for index in range(begin, len(burst.data))
    ]
    assert got == [(one.start, one.byte) for one in whole]


def test_a_listener_in_mid_answer_hears_the_rest() -> None:
    """From the next falling edge on: first what looks like characters, then real ones."""
    sender = Transmission("a", bytes(range(0x40, 0x50)), 0, FORMAT)
    heard = receive([sender], FORMAT, int(5.5 * 11 * BIT))
    assert 0 < len(heard) <= 11
    assert all(one.start >= int(5.5 * 11 * BIT) for one in heard)


# --- Power lost in mid-answer -----------------------------------------------------------------


def test_an_answer_is_cut_where_the_power_goes() -> None:
    """The master hears the beginning; the read-out does not count."""
    bench = Bench(meter(answer_delay_bits=[11, 11]))
    bench.network.bus.send("master", REQUEST, FORMAT)
    bench.wait((55 + 11 + 9 * 11 + 4) * BIT_NS)
    bench.meter.power(False)
    bench.wait(1000 * MS)
    assert bench.heard().data[:9] == SOUND[:9]
    assert bench.meter.expected == []
    sent = [item for item in bench.seen if item.path == "bus.frame"]
    assert sent[-1].value == SOUND[:9].hex()
    bench.meter.power(True)
    assert len(bench.read()) == len(SOUND)


# --- Named faults of the line -----------------------------------------------------------------


def test_echo() -> None:
    """The host hears its own characters and then the answer."""
    assert lined({"echo": True}).read() == REQUEST + SOUND


def test_delay() -> None:
    """Both directions are late, and jitter never lets bursts overtake each other."""
    usual = Bench(meter()).send(REQUEST)
    late = lined({"delay": {"by": "40 ms"}}).send(REQUEST)
    assert late.data == usual.data
    assert late.first_ns is not None
    assert usual.first_ns is not None
    assert late.first_ns - usual.first_ns == 80 * MS
    bench = lined({"delay": {"by": "5 ms", "jitter": "20 ms"}})
    late_by = set()
    for _ in range(20):
        answer = bench.send(REQUEST)
        assert answer.data[:9] == SOUND[:9]
        late_by.add(answer.first_ns)
    assert len(late_by) == 20


def test_bursts_stay_in_order() -> None:
    """What was on the line first is read first, whatever the jitter says."""
    converter = Converter("test")
    converter.change(jitter_ns=500 * MS)
    receiver = Receiver(FORMAT, path=converter)
    for n in range(40):
        receiver.add([Transmission("a", bytes((n,)), n * 30 * BIT, FORMAT)])
    ends = [burst.end_ns(0) for burst, _ in receiver.unread()]
    assert ends == sorted(ends)
    assert len(set(ends)) > 1


def test_lost_and_extra_characters() -> None:
    """Characters are missing or too many, and the others are right."""
    bench = lined({"lost_characters": {"rate": 0.05}})
    lengths = [len(bench.read()) for _ in range(60)]
    assert min(lengths) < len(SOUND)
    assert max(lengths) == len(SOUND)
    bench = lined({"extra_characters": {"rate": 0.05}})
    lengths = [len(bench.read()) for _ in range(60)]
    assert max(lengths) > len(SOUND)


def test_bit_errors() -> None:
    """Some answers are garbled or missing; most faults of single bits show as bad parity."""
    bench = lined({"bit_errors": {"rate": 0.002}})
    answers = [bench.send(REQUEST) for _ in range(60)]
    assert any(answer.faults for answer in answers)
    assert any(answer.data == b"" for answer in answers)
    assert any(answer.data[:9] == SOUND[:9] and not answer.faults for answer in answers)


def test_error_bursts_are_where_they_are() -> None:
    """Bits are hit inside a burst and nowhere else; the burst is a function of the seed."""
    bursts = Bursts(every_ns=1000 * MS, length_ns=30 * MS, density=1.0)
    noise = Noise("seed")
    noise.bursts = bursts
    sender = Transmission("a", bytes(200), 0, FORMAT)
    noise.disturb(sender)
    spans = list(bursts.between("seed", 0, sender.end))
    hit = [n for n in range(2200) if sender.flips >> n & 1]
    assert hit
    assert all(any(b <= (n + 1) * BIT and n * BIT <= e for _, b, e in spans) for n in hit)
    assert len(hit) == pytest.approx(sum(min(e, sender.end) - b for _, b, e in spans) / BIT, abs=3)
    bench = lined({"error_bursts": {"every": "300 ms", "length": "20 ms"}})
    answers = [bench.send(REQUEST) for _ in range(30)]
    assert 0 < sum(len(answer.data) != len(SOUND) or bool(answer.faults) for answer in answers) < 30


def test_line_held_and_master_break() -> None:
    """A break reads as 00 with a framing error; one of the master silences the slaves."""
    bench = Bench(meter())
    bench.network.line_fault("line_held", True, length=50 * MS)
    bench.wait(200 * MS)
    assert bench.heard()[:2] == (b"\x00", [(0, Fault.FRAMING)])
    bench = Bench(meter(answer_delay_bits=[11, 11]))
    bench.network.bus.send("master", REQUEST, FORMAT)
    bench.wait((66 + 99) * BIT_NS)
    bench.network.line_fault("master_break", True)
    bench.wait(1000 * MS)
    assert 8 <= len(bench.heard().data) <= 10
    assert bench.read()[:9] == SOUND[:9]


def test_a_break_inside_a_request_spoils_it() -> None:
    """Slaves ignore a frame with a character that is none."""
    bench = Bench(meter())
    bench.network.bus.send("master", REQUEST[:2], FORMAT)
    bench.network.line_fault("master_break", True, length=10 * MS)
    bench.network.bus.send("master", REQUEST[2:], FORMAT)
    bench.wait(1000 * MS)
    assert bench.heard().data == b""


class Host:
    """A device's task with a port on the bus."""

    def __init__(self, **document: Any) -> None:
        self.env = simpy.Environment()
        found = population.parse({"meters": [meter()], **document}, source="test")
        self.network = Network(self.env, found)
        opener = partial(self.network.open_port, received=Received, fault=PortFault)
        self.rt = simulated_runtime(self.env, lines={"sim:": opener})

    def run(self, main: Callable[[SimRuntime], Coroutine[Any, Any, Any]]) -> Any:
        """Run a task to its end."""
        return self.rt.run(main)


async def asked(rt: SimRuntime, line: Any) -> bytes:
    """One request and its answer."""
    end = await line.write(REQUEST)
    answer = await line.receive(lambda data: len(SOUND) - len(data), by=end + 190 * MS, gap=14 * MS)
    assert rt.now() >= end
    return bytes(answer.data)


def test_converter_mute() -> None:
    """A converter that hangs takes everything and gives nothing, and then works again."""
    host = Host()

    async def main(rt: SimRuntime) -> None:
        line = await rt.open_line("sim:", LineFormat())
        assert await asked(rt, line) == SOUND
        host.network.line_fault("converter_mute", True)
        assert await asked(rt, line) == b""
        host.network.line_fault("converter_mute", False)
        assert (await asked(rt, line))[:15] == SOUND[:15]

    host.run(main)


def test_converter_gone() -> None:
    """A pending read fails, the port is dead and cannot be opened; back, it must be opened anew."""
    host = Host()

    async def main(rt: SimRuntime) -> None:
        line = await rt.open_line("sim:", LineFormat())
        end = await line.write(REQUEST)
        async with rt.nursery() as nursery:

            async def pull() -> None:
                await rt.sleep(30 * MS)
                host.network.line_fault("converter_gone", True)

            nursery.spawn(pull(), name="pull")
            with pytest.raises(LineError, match="vanished"):
                await line.receive(lambda _: 99, by=end + 190 * MS, gap=14 * MS)
        with pytest.raises(LineError, match="vanished"):
            await rt.open_line("sim:", LineFormat())
        host.network.line_fault("converter_gone", False)
        with pytest.raises(LineError, match="vanished"):
            await line.write(REQUEST)
        await line.close()
        await rt.sleep(1000 * MS)
        line = await rt.open_line("sim:", LineFormat())
        assert (await asked(rt, line))[:15] == SOUND[:15]

    host.run(main)


def test_faults_of_the_line_come_and_go() -> None:
    """They are bounded in time by the population, or switched; names are checked."""
    bench = lined({"echo": True, "at": "5 s", "until": "8 s"})
    lengths = [len(bench.read()) for _ in range(4)]
    assert lengths == [len(SOUND), len(SOUND), len(SOUND) + 5, len(SOUND)]
    with pytest.raises(KeyError, match="bit_errors"):
        bench.network.line_fault("bit_error", True)
    with pytest.raises(ValueError, match="rate"):
        bench.network.line_fault("bit_errors", True, rate=2)


def test_every_fault_of_the_line_says_how_real_it_is() -> None:
    """The docstring of each has its realism limit."""
    assert all("Realism" in (kind.__doc__ or "") for kind in LINE_FAULTS.values())


# --- Chance -----------------------------------------------------------------------------------


@given(st.floats(0.001, 1), st.integers(0, 200), st.integers(0, 1000))
def test_gaps_do_not_depend_on_the_end(rate: float, count: int, seed: int) -> None:
    """A longer stretch has the same hits in its beginning: a half-read burst keeps its past."""
    short = list(gaps(random.Random(seed), rate, count))
    longer = list(gaps(random.Random(seed), rate, count + 50))
    assert short == [place for place in longer if place < count]
    assert short == sorted(set(short))
    if rate == 1:
        assert short == list(range(count))


def test_what_a_converter_loses_does_not_depend_on_what_follows() -> None:
    """The same burst with more behind it loses the same characters."""
    converter = Converter("test")
    converter.change(lost_rate=0.3, extra_rate=0.3)
    heard = [Character(n, n + 1, n, Fault(0)) for n in range(60)]
    short, longer = converter.altered(7, heard[:30]), converter.altered(7, heard)
    assert longer[: len(short)] == short


def test_silence_costs_nothing() -> None:
    """A day without a request is no event, also with noise and a limited bus."""
    bus = {"model": "80", "faults": [{"bit_errors": {"rate": 0.01}}]}
    bench = Bench(meter(), document={"bus": bus})
    bench.short(NKE)
    # SimPy's own event, the one that has just ended the wait.
    bench.env.step()
    assert bench.env.peek() == float("inf")
