"""Bits on the line: the table of two E5, and the fast model against a plain bitwise one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.characters import (
    BAUDRATES,
    Character,
    Fault,
    Format,
    Transmission,
    bit_ticks,
    parity_bit,
    receive,
    to_ns,
    to_ticks,
)

FORMAT = Format(2400)
BIT = FORMAT.bit_ticks


def shown(heard: list[Character]) -> str:
    """Characters as the table writes them: P parity error, F framing error."""
    return " ".join(
        f"{item.byte:02X}"
        + ("P" if Fault.PARITY in item.fault else "")
        + ("F" if Fault.FRAMING in item.fault else "")
        for item in heard
    )


def two_acks(offset_bits: float) -> str:
    """What a receiver makes of two E5 so many bit times apart."""
    first = Transmission("a", b"\xe5", 0, FORMAT)
    second = Transmission("b", b"\xe5", int(offset_bits * BIT), FORMAT)
    return shown(receive([first, second], FORMAT))


@pytest.mark.parametrize(
    ("offsets", "heard"),
    [
        ((0, 0.25, 0.5), "E5"),
        ((0.56, 1, 1.5), "C0P"),
        ((2, 2.25, 2.5), "85"),
        ((3,), "21P"),
        ((4,), "45P"),
        ((5,), "A5F"),
        ((7,), "A5 FE"),
        ((9,), "E5P F9P"),
        ((10.6, 11, 40), "E5 E5"),
    ],
)
def test_two_acknowledgements_combine_as_on_the_wire(
    offsets: tuple[float, ...], heard: str
) -> None:
    """A space wins: two E5 read as one, as 85 with good parity, as garbage, by their distance."""
    assert [two_acks(offset) for offset in offsets] == [heard] * len(offsets)


@pytest.mark.parametrize(
    ("spread", "clean", "garbage", "then_garbage", "several"),
    [
        (0.5, 100, 0, 0, 0),
        (1, 74.5, 25.5, 0, 0),
        (2, 44.1, 55.9, 0, 0),
        (11, 9.4, 86.0, 4.4, 0.2),
        (50, 2.5, 28.9, 6.2, 62.4),
        (319, 0.3, 5.0, 1.1, 93.6),
    ],
)
def test_shares_of_what_two_slaves_sound_like(
    spread: float, clean: float, garbage: float, then_garbage: float, several: float
) -> None:
    """Answers spread evenly over a window give the known shares, within 2.5 points."""
    rng, draws = random.Random(f"shares/{spread}"), 4000
    counts = dict.fromkeys(("clean", "garbage", "then", "several"), 0)
    for _ in range(draws):
        heard = two_acks(abs(rng.uniform(0, spread) - rng.uniform(0, spread)))
        if heard == "E5":
            counts["clean"] += 1
        elif heard == "E5 E5":
            counts["several"] += 1
        else:
            counts["then" if heard.startswith("E5") else "garbage"] += 1
    shares = {key: 100 * count / draws for key, count in counts.items()}
    assert shares == pytest.approx(
        {"clean": clean, "garbage": garbage, "then": then_garbage, "several": several}, abs=2.5
    )


@pytest.mark.parametrize(
    ("spread", "clean"), [(0.5, 100), (1, 18.8), (2, 1.8), (11, 0), (50, 0), (319, 0)]
)
def test_shares_of_what_five_slaves_sound_like(spread: float, clean: float) -> None:
    """Five answers that read as one clean E5: only what lies within half a bit of the first."""
    rng, draws = random.Random(f"five/{spread}"), 4000
    count = 0
    for _ in range(draws):
        answers = [
            Transmission(str(n), b"\xe5", int(rng.uniform(0, spread) * BIT), FORMAT)
            for n in range(5)
        ]
        count += shown(receive(answers, FORMAT)) == "E5"
    assert 100 * count / draws == pytest.approx(clean, abs=2.5)


def test_ten_overlapping_answers_hold_the_line_low() -> None:
    """A line held low is one 00 with a framing error and then silence, not idle."""
    answers = [Transmission(str(n), bytes(8), int(n * 1.37 * BIT), FORMAT) for n in range(10)]
    heard = receive(answers, FORMAT)
    assert shown(heard[:1]) == "00F"
    assert len(heard) < 4


def plain_receive(
    transmissions: list[Transmission], form: Format, step: int
) -> list[tuple[int, int, Fault]]:
    """Walk the line in steps of 1/`step` bit; only for starts that are multiples of it."""
    unit = form.bit_ticks // step
    width = 11 * step
    levels = [1] * (max(item.end for item in transmissions) // unit + 2 * width)
    for item in transmissions:
        place = item.start // unit
        for byte in item.data:
            bits = [0, *(byte >> n & 1 for n in range(8)), parity_bit(byte, "E"), 1]
            for bit in bits:
                for _ in range(item.format.bit_ticks // unit):
                    levels[place] &= bit
                    place += 1
    heard, at = list[tuple[int, int, Fault]](), 0
    while at < len(levels) - width:
        if levels[at] or (at > 0 and not levels[at - 1] and not heard):
            at += 1
            continue
        bits = [levels[at + step // 2 + n * step] for n in range(11)]
        if bits[0]:
            at += step // 2
            continue
        byte = sum(bit << n for n, bit in enumerate(bits[1:9]))
        fault = Fault(0)
        if bits[9] != parity_bit(byte, "E"):
            fault |= Fault.PARITY
        if not bits[10]:
            fault |= Fault.FRAMING
        heard.append((at * unit, byte, fault))
        at += step // 2 + 10 * step
        while not levels[at]:
            at += 1
    return heard


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 60), st.binary(min_size=1, max_size=4), st.sampled_from([2400, 1200])
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_the_fast_model_agrees_with_a_plain_bitwise_one(
    senders: list[tuple[int, bytes, int]], mixed: bool
) -> None:
    """Shifted integers give what walking the line step by step gives, at one rate or at two."""
    step = 8
    transmissions = [
        Transmission(str(n), data, start * BIT // step, Format(rate if mixed else 2400))
        for n, (start, data, rate) in enumerate(senders)
    ]
    heard = [(item.start, item.byte, item.fault) for item in receive(transmissions, FORMAT)]
    assert heard == plain_receive(transmissions, FORMAT, step)


@given(st.binary(min_size=1, max_size=20), st.sampled_from(BAUDRATES), st.sampled_from("NEOMS"))
def test_an_undisturbed_telegram_is_heard_as_sent(data: bytes, rate: int, parity: str) -> None:
    """In the receiver's own format every character arrives clean, without pauses."""
    form = Format(rate, parity)
    heard = receive([Transmission("a", data, 0, form)], form)
    assert bytes(item.byte for item in heard) == data
    assert all(item.fault == Fault(0) for item in heard)
    assert [item.end for item in heard] == [
        (n + 1) * form.character_ticks for n in range(len(data))
    ]


def test_wrong_parity_is_noticed() -> None:
    """A master that sends odd parity is heard with a parity error in every character."""
    heard = receive([Transmission("a", b"\x10\x40", 0, Format(2400, "O"))], FORMAT)
    assert [item.fault for item in heard] == [Fault.PARITY] * 2


def test_time_is_exact_at_every_rate() -> None:
    """A bit is a whole number of ticks at every rate, and ns are rounded up, never down."""
    assert [bit_ticks(rate) * rate for rate in BAUDRATES] == [to_ticks(10**9)] * len(BAUDRATES)
    assert to_ns(to_ticks(7)) == 7
    assert to_ns(to_ticks(7) + 1) == 8
    with pytest.raises(ValueError, match="9600"):
        bit_ticks(1000)
