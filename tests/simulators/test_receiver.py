"""A receiver knows the future as far as it is decided, and never changes the past."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.characters import Fault, Format, Transmission, receive, to_ns, to_ticks
from simulators.receiver import UNREAD_CHARACTERS_MAX, Receiver

FORMAT = Format(9600)
WIDTH = FORMAT.character_ticks
GAP = to_ns(33 * FORMAT.bit_ticks)


def ack(start_ns: int, sender: str = "a") -> Transmission:
    """One E5 that begins at `start_ns`."""
    return Transmission(sender, b"\xe5", to_ticks(start_ns), FORMAT)


def test_a_read_ends_with_the_last_character_wanted() -> None:
    """The end of a complete telegram is the end of its last stop bit, without a wait behind it."""
    receiver = Receiver(FORMAT)
    receiver.add([Transmission("a", bytes(10), to_ticks(1000), FORMAT)])
    reading = receiver.plan(lambda data: 10 - len(data), by=2000, gap=GAP)
    assert reading.at_ns == reading.last_ns == to_ns(to_ticks(1000) + 10 * WIDTH)
    assert reading.first_ns == to_ns(to_ticks(1000) + WIDTH)
    assert (reading.data, reading.faults) == (bytes(10), ())


def test_silence_ends_at_the_limit() -> None:
    """Nothing that begins by `by` means an empty reading at `by`."""
    receiver = Receiver(FORMAT)
    receiver.add([ack(5001)])
    reading = receiver.plan(lambda _data: 1, by=5000, gap=GAP)
    assert (reading.at_ns, reading.data, reading.first_ns) == (5000, b"", None)


def test_a_character_that_begins_at_the_limit_is_in_time() -> None:
    """What begins exactly at `by` is received."""
    receiver = Receiver(FORMAT)
    receiver.add([ack(5000)])
    assert receiver.plan(lambda data: 1 - len(data), by=5000, gap=GAP).data == b"\xe5"


def test_a_gap_ends_the_read() -> None:
    """A pause as long as `gap` is still in time, one that is longer ends the read."""
    for pause, expected in ((GAP, b"\xe5\xe5"), (GAP + 1, b"\xe5")):
        receiver = Receiver(FORMAT)
        end = to_ns(to_ticks(0) + WIDTH)
        receiver.add([ack(0), ack(end + pause)])
        reading = receiver.plan(lambda data: 2 - len(data), by=0, gap=GAP)
        assert reading.data == expected
        assert reading.at_ns == (end + GAP if len(expected) == 1 else reading.last_ns)


def test_faults_name_characters_of_the_reading() -> None:
    """A collision behind a clean character is found at its place in the data."""
    receiver = Receiver(FORMAT)
    later = to_ns(3 * WIDTH)
    bit_ns = to_ns(FORMAT.bit_ticks)
    receiver.add([ack(0), ack(later, "b"), ack(later + bit_ns, "c")])
    reading = receiver.plan(lambda _data: 9, by=0, gap=GAP)
    assert reading.data == b"\xe5\xc0"
    assert reading.faults == ((1, Fault.PARITY),)


def test_what_is_not_taken_stays() -> None:
    """A read that is given up leaves everything for the next one."""
    receiver = Receiver(FORMAT)
    receiver.add([Transmission("a", b"abcdef", 0, FORMAT)])
    middle = to_ns(3 * WIDTH)
    assert receiver.plan(lambda data: 2 - len(data), by=0, gap=GAP).data == b"ab"
    receiver.take(2, middle)
    assert receiver.flush(middle) == b"c"
    assert receiver.flush(middle) == b""
    assert receiver.plan(lambda data: 3 - len(data), by=middle, gap=GAP).data == b"def"


def test_what_nobody_reads_is_bounded() -> None:
    """Beyond the limit the oldest characters are lost, and counted."""
    receiver = Receiver(FORMAT)
    telegram = 200
    for n in range(UNREAD_CHARACTERS_MAX // telegram + 5):
        start = n * (telegram + 10) * WIDTH
        receiver.add([Transmission("a", bytes(telegram), start, FORMAT)])
    waiting = receiver.flush(10**18)
    assert UNREAD_CHARACTERS_MAX - telegram < len(waiting) <= UNREAD_CHARACTERS_MAX
    assert receiver.lost == (UNREAD_CHARACTERS_MAX // telegram + 5) * telegram - len(waiting)


starts = st.integers(0, 40).map(lambda eighths: eighths * FORMAT.bit_ticks // 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(starts, st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    st.integers(1, 5),
)
def test_additions_in_any_portions_give_the_same_characters(
    senders: list[tuple[int, bytes]], portion: int
) -> None:
    """Transmissions that come one after the other are heard as if they had all been known."""
    transmissions = [
        Transmission(str(n), data, start, FORMAT) for n, (start, data) in enumerate(senders)
    ]
    transmissions.sort(key=lambda item: item.start)
    whole = receive(transmissions, FORMAT)
    receiver, got = Receiver(FORMAT), list[tuple[int, int]]()
    for begin in range(0, len(transmissions), portion):
        # Take what is complete before the next ones begin, as a reader in between would.
        now = to_ns(transmissions[begin].start)
        got += _take(receiver, now)
        receiver.add(transmissions[begin : begin + portion])
    got += _take(receiver, 10**18)
    assert got == [(item.end, item.byte) for item in whole]


def _take(receiver: Receiver, now_ns: int) -> list[tuple[int, int]]:
    """End and byte of every character that is complete by now; they are consumed."""
    taken = [
        (burst.ticks(index)[1], burst.data[index])
        for burst, begin in receiver.unread()
        for index in range(begin, len(burst.data))
        if burst.end_ns(index) <= now_ns
    ]
    receiver.take(len(taken), now_ns)
    return taken
