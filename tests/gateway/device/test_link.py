"""The link: limits to the nanosecond, sends, frame count bits, echoes, late bytes and noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.device.link import (
    ADDRESS_SELECTED,
    STRAY_CHARACTERS_MAX,
    Answer,
    AnswerKind,
    Echo,
)
from gateway.mbus.address import SecondaryMask
from gateway.runtime.port import NS_PER_MS, Fault, LineError
from tests.gateway.device.examples import ACK, ADDRESS_A, ANSWER_A, TELEGRAMS, names
from tests.gateway.device.wire import (
    DEFAULTS,
    DELAY_NS,
    FORMAT,
    Played,
    Reply,
    Say,
    ScriptedLine,
    play,
    script,
)

if TYPE_CHECKING:
    from gateway.device.link import Link, LinkSettings
    from simulators.runtime import SimRuntime

ANSWER = bytes.fromhex(ANSWER_A)
ONE_TRY = replace(DEFAULTS, tries=1)
MASK_A = ADDRESS_A.to_mask()
CHARACTER_NS = FORMAT.characters_ns(1)
IDLE_BITS_NS = FORMAT.bits_ns(33)


def request(
    *replies: Reply,
    settings: LinkSettings = DEFAULTS,
    tells_faults: bool = True,
    echo: bool = False,
) -> Played:
    """Send REQ_UD2 to meter A; the result is the answer."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Answer:
        return await link.request(5)

    return play(
        conversation, script(*replies), settings=settings, tells_faults=tells_faults, echo=echo
    )


# --- Timeouts (worked examples 12) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay_ns", "kind"),
    [(2_000_000_000, AnswerKind.FRAME), (2_000_000_001, AnswerKind.SILENCE)],
)
def test_first_character_may_come_at_the_timeout(delay_ns: int, kind: AnswerKind) -> None:
    """MBUS_TIMEOUT runs from the last character sent; what begins at its end is in time."""
    assert request(Say(ANSWER, delay_ns), settings=ONE_TRY).result.kind is kind


@pytest.mark.parametrize(
    ("pause_ns", "kind"), [(100_000_000, AnswerKind.FRAME), (100_000_001, AnswerKind.BROKEN)]
)
@pytest.mark.parametrize("index", [1, 2, 17, 41])
def test_a_pause_may_last_the_idle_timeout(index: int, pause_ns: int, kind: AnswerKind) -> None:
    """MBUS_IDLETIMEOUT runs from each character to the next, wherever in the telegram."""
    reply = Say(ANSWER, pauses={index: pause_ns})
    assert request(reply, settings=ONE_TRY).result.kind is kind


@pytest.mark.parametrize(("more_ns", "kind"), [(0, AnswerKind.FRAME), (1, AnswerKind.BROKEN)])
def test_a_telegram_may_last_the_full_timeout(more_ns: int, kind: AnswerKind) -> None:
    """MBUS_FULLTIMEOUT runs from the first character to the last of one telegram (C-70)."""
    lasts_ns = 41 * CHARACTER_NS + 80 * NS_PER_MS
    settings = replace(ONE_TRY, full_ns=lasts_ns)
    answer = request(Say(ANSWER, pauses={20: 80 * NS_PER_MS + more_ns}), settings=settings).result
    assert answer.kind is kind
    assert answer.reason == ("no end within MBUS_FULLTIMEOUT" if more_ns else "")


def test_the_full_timeout_does_not_include_the_wait_for_the_first_character() -> None:
    """C-70: a late beginning takes nothing from the time of the telegram."""
    settings = replace(ONE_TRY, full_ns=41 * CHARACTER_NS)
    assert request(Say(ANSWER, 1_999_999_999), settings=settings).result.kind is AnswerKind.FRAME


def test_a_telegram_that_drips_is_given_up_at_the_full_timeout() -> None:
    """The try ends at the limit itself, not when the last character has dripped."""
    dripping = Say(ANSWER, pauses=dict.fromkeys(range(1, 42), 99 * NS_PER_MS))
    settings = replace(ONE_TRY, full_ns=1000 * NS_PER_MS)

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> tuple[int, Answer]:
        answer = await link.request(5)
        return rt.now() - line.times[0][1], answer

    lasted_ns, answer = play(conversation, script(dripping), settings=settings).result
    assert lasted_ns == DELAY_NS + CHARACTER_NS + 1000 * NS_PER_MS
    assert answer.kind is AnswerKind.BROKEN
    assert answer.data == ANSWER[: len(answer.data)]


def test_silence_is_waited_for_to_the_nanosecond() -> None:
    """Each of 1 + MBUS_MAXRETRY sends waits MBUS_TIMEOUT, and nothing is added between them."""
    played = request()
    assert played.result.kind is AnswerKind.SILENCE
    assert names(played.sent) == ["REQ1-A"] * 4
    for (_, end), (begin, _) in zip(played.line.times, played.line.times[1:], strict=False):
        assert begin - end == 2_000_000_000


def test_the_next_request_comes_33_bits_behind_the_answer() -> None:
    """MBDOC48 p.26: 33 bit times of silence between the last character and the next request."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        await link.request(5)
        await link.request(5)

    played = play(conversation, script(ANSWER_A, ANSWER_A))
    (_, end), (begin, _) = played.line.times
    assert begin == end + DELAY_NS + len(ANSWER) * CHARACTER_NS + IDLE_BITS_NS


def test_broadcast_is_followed_by_33_bits_of_silence() -> None:
    """NKE-FF gets no answer: 33 bit times, then the master goes on."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        await link.reset_all()
        await link.select(MASK_A)

    played = play(conversation, script(None, ACK))
    (_, end), (begin, _) = played.line.times
    assert begin == end + IDLE_BITS_NS


@pytest.mark.parametrize(
    ("step", "waits_ns"),
    [
        ("NKE-FD", 187_500_000),
        ("APPRESET-FD", 187_500_000),
        ("NKE-A", 2_000_000_000),
    ],
)
def test_optional_answers_are_waited_for_once(step: str, waits_ns: int) -> None:
    """NKE-FD and APPRESET-FD: one send, min(MBUS_TIMEOUT, 187.5 ms); NKE-A: MBUS_TIMEOUT."""

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> int:
        if step == "APPRESET-FD":
            await link.send_user_data(ADDRESS_SELECTED, 0x50, b"", tries=1)
        else:
            await link.reset(ADDRESS_SELECTED if step == "NKE-FD" else 5)
        return rt.now() - line.times[0][1]

    played = play(conversation, script())
    assert names(played.sent) == [step]
    assert played.result == waits_ns


def test_a_short_timeout_shortens_the_optional_waits() -> None:
    """The wait behind NKE-FD is the smaller of the two limits."""

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> int:
        await link.reset(ADDRESS_SELECTED)
        return rt.now() - line.times[0][1]

    settings = replace(DEFAULTS, first_byte_ns=50 * NS_PER_MS)
    assert play(conversation, script(), settings=settings).result == 50 * NS_PER_MS


# --- Tries and frame count bits -------------------------------------------------------------------


@pytest.mark.parametrize("tries", [1, 2, 4])
def test_selection_ends_with_c_field_73(tries: int) -> None:
    """SELECT has C = 53; its last try, if there is more than one, has C = 73."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Answer:
        return await link.select(MASK_A)

    played = play(conversation, script(), settings=replace(DEFAULTS, tries=tries))
    last = ["SELECT last try"] if tries > 1 else []
    assert names(played.sent) == ["SELECT"] * (tries - len(last)) + last
    assert played.result.kind is AnswerKind.SILENCE


def test_a_garbled_acknowledgement_is_a_failed_try_of_a_selection() -> None:
    """A read-out selects until E5 comes; garbage does not end the tries."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Answer:
        return await link.select(MASK_A)

    played = play(conversation, script("A5", "E4", ACK))
    assert played.result.kind is AnswerKind.ACK
    assert names(played.sent) == ["SELECT"] * 3


def test_a_probe_takes_garbage_for_an_answer() -> None:
    """A search wants to know whether anybody answers, and does not ask several meters again."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Answer:
        return await link.probe(MASK_A)

    played = play(conversation, script("A5", ACK))
    assert played.result.kind is AnswerKind.BROKEN
    assert len(played.sent) == 1


def test_retries_repeat_the_frame_count_bit_and_good_answers_toggle_it() -> None:
    """Worked examples 10: each direction toggles after every good answer, never after a retry."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        for _attempt in range(3):
            answer = await link.request(5)
            if answer.kind is AnswerKind.FRAME:
                link.took(5)

    played = play(conversation, script(None, "FF", ANSWER_A, None, ANSWER_A, None, None))
    assert names(played.sent) == ["REQ1-A"] * 3 + ["REQ0-A"] * 2 + ["REQ1-A"] * 4


def test_user_data_toggles_only_when_acknowledged() -> None:
    """The FCB of SND_UD stays over tries, and over a telegram that nobody acknowledged."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        for _attempt in range(4):
            await link.send_user_data(5, 0x51, b"\x7f\x7e", tries=2)

    played = play(conversation, script(None, None, None, ACK, ACK, ACK))
    assert names(played.sent) == ["GET1-A"] * 4 + ["GET1-A, FCB 0", "GET1-A"]


@pytest.mark.parametrize("a_field", [5, ADDRESS_SELECTED])
def test_a_reset_makes_both_next_bits_one(a_field: int) -> None:
    """After SND_NKE the first REQ_UD2 and the first SND_UD have FCB 1, answered or not."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        link.took(a_field)
        await link.send_user_data(a_field, 0x51, b"\x7f")
        await link.reset(a_field)
        await link.request(a_field, tries=1)
        await link.send_user_data(a_field, 0x51, b"\x7f")

    played = play(conversation, script(ACK, None, ANSWER_A, ACK))
    end = "A" if a_field == 5 else "FD"
    assert names(played.sent) == [f"GET2-{end}", f"NKE-{end}", f"REQ1-{end}", f"GET2-{end}"]


# --- What is no answer ----------------------------------------------------------------------------

BROKEN_ANSWERS = {
    "checksum": ANSWER_A.replace("CC 16", "CD 16"),
    "stop": ANSWER_A.replace("CC 16", "CC 17"),
    "length": ANSWER_A.replace("68 24 24", "68 24 25"),
    "cut": ANSWER_A[:-6],
    "short frame": TELEGRAMS["REQ0-A"],
    "garbage": "00",
    "more strays than a transmitter makes": "FF " * (STRAY_CHARACTERS_MAX + 1) + ANSWER_A,
    "a hundred bytes of garbage": "A7 " * 100,
    "a second answer inside": ANSWER_A[:60] + ANSWER_A,
}


@pytest.mark.parametrize("broken", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_a_broken_answer_is_a_failed_try_and_the_next_one_works(broken: str) -> None:
    """Garbage fails one try; the link finds its feet again."""
    played = request(broken, ANSWER_A)
    assert played.result.kind is AnswerKind.FRAME
    assert played.result.data == ANSWER
    assert names(played.sent) == ["REQ1-A"] * 2


@pytest.mark.parametrize("broken", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_a_retry_waits_until_the_line_is_silent(broken: str) -> None:
    """The request is not repeated into an answer that is still coming."""
    played = request(broken, ANSWER_A)
    length = len(bytes.fromhex(broken))
    (_, end), (begin, _) = played.line.times
    assert begin >= end + DELAY_NS + length * CHARACTER_NS + IDLE_BITS_NS


@pytest.mark.parametrize("count", range(1, STRAY_CHARACTERS_MAX + 1))
def test_a_stray_character_before_a_telegram_is_passed_over(count: int) -> None:
    """A transmitter that is switched on (libmbus#207): what follows is whole and counts."""
    played = request(Say(b"\xfd" * count + ANSWER))
    answer = played.result
    assert (answer.kind, answer.data, answer.stray) == (AnswerKind.FRAME, ANSWER, count)
    assert names(played.sent) == ["REQ1-A"]
    assert played.logged("link.received")[0]["data"] == (b"\xfd" * count + ANSWER).hex()


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(Say(b"\xfd" + ANSWER, faults={0: Fault.PARITY}), id="with a parity error"),
        pytest.param(Say(b"\xfd" + ANSWER, pauses={1: IDLE_BITS_NS + 1}), id="a pause behind it"),
    ],
)
def test_a_stray_character_that_is_noise_fails_the_try(say: Say) -> None:
    """Right in itself and at once before the telegram, or it is noise like any other."""
    assert request(say, settings=ONE_TRY).result.kind is AnswerKind.BROKEN


def test_a_probe_passes_over_no_character() -> None:
    """Several meters may sound like a stray character and an E5, so it is garbage there."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> tuple[Answer, Answer]:
        first = await link.probe(SecondaryMask.ANY, tries=1)
        await link.settle()
        return first, await link.probe(SecondaryMask.ANY, tries=1, stray_max=1)

    played = play(conversation, script("FD E5", "FD E5"))
    assert [answer.kind for answer in played.result] == [AnswerKind.BROKEN, AnswerKind.ACK]
    assert [answer.stray for answer in played.result] == [0, 1]


@pytest.mark.parametrize("fault", [Fault.PARITY, Fault.FRAMING, Fault.PARITY | Fault.FRAMING])
@pytest.mark.parametrize("index", [0, 5, 41])
def test_a_faulty_character_breaks_the_answer(index: int, fault: Fault) -> None:
    """Parity and framing are checked where the port tells, though the checksum be right."""
    played = request(Say(ANSWER, faults={index: fault}), settings=ONE_TRY)
    assert played.result.kind is AnswerKind.BROKEN
    assert played.result.verified is False
    assert played.result.reason.endswith(f"error in character {index}")


def test_what_the_port_cannot_tell_stays_open() -> None:
    """Behind a PTY or TCP nobody can tell parity: "cannot tell" is neither right nor wrong."""
    assert request(ANSWER_A).result.verified is True
    assert request(ANSWER_A, tells_faults=False).result.verified is None


# --- Late bytes and noise -------------------------------------------------------------------------


def test_late_bytes_are_dropped_before_the_next_request() -> None:
    """An answer that comes after its time is not taken for the answer of the next request."""

    async def conversation(rt: SimRuntime, link: Link, _: ScriptedLine) -> Answer:
        await link.reset(ADDRESS_SELECTED)
        await rt.sleep(500 * NS_PER_MS)
        return await link.select(MASK_A)

    late = Say(b"\xe5", 200 * NS_PER_MS)
    played = play(conversation, script(late, None, None, None, None))
    assert played.result.kind is AnswerKind.SILENCE
    assert played.logged("link.discarded") == [{"data": "e5"}]
    assert played.link.take_noise()


def test_a_request_waits_for_the_end_of_late_bytes() -> None:
    """While the last answer is still coming, nothing is sent; then 33 bits of silence first."""

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> tuple[Answer, int]:
        end = line.say(rt.now() + CHARACTER_NS // 2, Say(ANSWER))
        await rt.sleep(4 * CHARACTER_NS)
        return await link.request(5), end

    played = play(conversation, script(ANSWER_A))
    answer, end = played.result
    assert answer.kind is AnswerKind.FRAME
    assert played.line.times[0][0] >= end + IDLE_BITS_NS
    assert len(played.sent) == 1


@pytest.mark.parametrize("lead_ns", [1, CHARACTER_NS // 2, CHARACTER_NS - 1])
def test_the_tail_of_a_late_answer_is_no_acknowledgement(lead_ns: int) -> None:
    """A slave waits 11 bits (MBDOC48 p.25): what begins during the request is no answer to it."""

    async def conversation(_: SimRuntime, link: Link, line: ScriptedLine) -> Answer:
        # The E5 begins `lead_ns` before the request's last stop bit has left.
        ends = 1_000_000_000 + FORMAT.characters_ns(17)
        line.say(ends - lead_ns, Say(b"\xe5"))
        return await link.select(MASK_A)

    played = play(conversation, script(None, ACK))
    assert played.result.kind is AnswerKind.ACK
    assert names(played.sent) == ["SELECT"] * 2
    assert played.link.take_noise()


def test_an_early_answer_counts_where_times_are_only_computed() -> None:
    """Behind a PTY or TCP the end of a request is computed; a quick peer is not turned away."""

    async def conversation(_: SimRuntime, link: Link, line: ScriptedLine) -> Answer:
        line.say(1_000_000_000 + FORMAT.characters_ns(4), Say(b"\xe5"))
        return await link.reset(5)

    assert play(conversation, script(), tells_faults=False).result.kind is AnswerKind.ACK


def test_a_line_that_never_falls_silent_is_used_all_the_same() -> None:
    """Somebody babbles for minutes: the link waits eight long telegrams, then tries anyway."""

    async def conversation(_: SimRuntime, link: Link, line: ScriptedLine) -> Answer:
        line.say(900_000_000, Say(b"\x55" * 100_000))
        return await link.request(5, tries=1)

    played = play(conversation, script(ANSWER_A))
    assert played.result.kind is AnswerKind.BROKEN
    assert played.line.times[0][0] < 1_000_000_000 + 10 * FORMAT.characters_ns(261)
    assert played.link.take_noise()


def test_a_quiet_exchange_is_not_noise() -> None:
    """Silence and good answers leave no noise behind, nor does a collision that has settled."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        await link.request(5)
        answer = await link.probe(MASK_A)
        await link.settle(answer.request_end_ns + link.answer_window_ns)
        await link.request(5, tries=1)

    played = play(conversation, script(ANSWER_A, "A5 A5", None))
    assert not played.link.take_noise()


def test_a_line_that_fails_raises() -> None:
    """A port that vanishes is an error of the line, never silence."""

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> None:
        async with rt.nursery() as nursery:
            nursery.spawn(link.request(5), name="request")
            await rt.sleep(100 * NS_PER_MS)
            line.vanish()

    with pytest.raises(LineError, match="plug"):
        play(conversation, script())


# --- Echo -----------------------------------------------------------------------------------------


async def _standard_read_out(_: SimRuntime, link: Link, __: ScriptedLine) -> list[AnswerKind]:
    await link.reset_all()
    selected = await link.select(MASK_A)
    answer = await link.request(ADDRESS_SELECTED)
    return [selected.kind, answer.kind]


@pytest.mark.parametrize("setting", [Echo.AUTO, Echo.ON])
@pytest.mark.parametrize("tells_faults", [True, False])
def test_an_echo_is_no_answer_and_no_noise(setting: Echo, *, tells_faults: bool) -> None:
    """A converter that sends our own bytes back is recognised from the first exchange on."""
    settings = replace(DEFAULTS, echo=setting)
    replies = script(None, ACK, ANSWER_A)
    played = play(
        _standard_read_out, replies, settings=settings, tells_faults=tells_faults, echo=True
    )
    assert played.result == [AnswerKind.ACK, AnswerKind.FRAME]
    assert names(played.sent) == ["NKE-FF", "SELECT", "REQ1-FD"]
    assert played.link.echoes
    assert not played.link.take_noise()
    assert not played.logged("link.discarded")
    assert len(played.logged("link.echo")) == (setting is Echo.AUTO)


def test_an_echo_takes_nothing_from_the_time_for_the_answer() -> None:
    """MBUS_TIMEOUT still runs from the last character sent to the first one of the answer."""
    for delay_ns, kind in ((2_000_000_000, AnswerKind.FRAME), (2_000_000_001, AnswerKind.SILENCE)):
        played = request(Say(ANSWER, delay_ns), settings=ONE_TRY, echo=True)
        assert played.result.kind is kind


def test_an_echo_does_not_shorten_the_pause() -> None:
    """With an echo telegrams leave at the same moments as without."""
    plain = play(_standard_read_out, script(None, ACK, ANSWER_A))
    echoed = play(_standard_read_out, script(None, ACK, ANSWER_A), echo=True)
    assert echoed.line.times == plain.line.times


def test_an_echo_is_not_looked_for_where_it_is_switched_off() -> None:
    """With the setting OFF own bytes are what they look like: a broken answer."""
    played = request(ANSWER_A, settings=replace(ONE_TRY, echo=Echo.OFF), echo=True)
    assert played.result.kind is AnswerKind.BROKEN


@pytest.mark.parametrize("setting", Echo)
def test_without_an_echo_nothing_is_missed(setting: Echo) -> None:
    """Echo ON at a converter that has none costs nothing: there is nothing to wait for."""
    plain = play(_standard_read_out, script(None, ACK, ANSWER_A))
    settings = replace(DEFAULTS, echo=setting)
    played = play(_standard_read_out, script(None, ACK, ANSWER_A), settings=settings)
    assert played.result == plain.result
    assert played.line.times == plain.line.times


def test_an_echo_that_comes_late_is_waited_for() -> None:
    """Behind a network the own bytes come back later; a known echo gets the transport's time."""
    settings = replace(DEFAULTS, echo=Echo.ON, transport_delay_ns=60 * NS_PER_MS)
    nke_ff = bytes.fromhex(TELEGRAMS["NKE-FF"])
    select = bytes.fromhex(TELEGRAMS["SELECT"])
    replies = script(
        Say(nke_ff, 50 * NS_PER_MS),
        [Say(select, 50 * NS_PER_MS), Say(b"\xe5", 200 * NS_PER_MS)],
        ANSWER_A,
    )
    played = play(_standard_read_out, replies, settings=settings, tells_faults=False)
    assert played.result == [AnswerKind.ACK, AnswerKind.FRAME]
    assert not played.link.take_noise()


def test_how_late_an_echo_comes_is_learnt() -> None:
    """The second broadcast waits for its echo as long as the first exchange's echo took."""
    late_ns = 50 * NS_PER_MS

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> bool:
        await link.select(MASK_A)
        link.take_noise()
        await link.reset_all()
        await link.select(MASK_A)
        return link.take_noise()

    select = [
        Say(bytes.fromhex(TELEGRAMS["SELECT"]), late_ns),
        Say(b"\xe5", 200 * NS_PER_MS),
    ]
    broadcast = Say(bytes.fromhex(TELEGRAMS["NKE-FF"]), late_ns)
    played = play(conversation, script(select, broadcast, select), tells_faults=False)
    assert played.result is False
    assert played.logged("link.discarded") == []
    assert names(played.sent) == ["SELECT", "NKE-FF", "SELECT"]


def test_a_disturbed_echo_is_a_failed_try() -> None:
    """Own bytes that come back changed mean that somebody else was talking: try again."""
    changed = bytearray(bytes.fromhex(TELEGRAMS["REQ1-A"]))
    changed[2] ^= 0x10
    played = request(Say(bytes(changed), 0), ANSWER_A, tells_faults=False)
    assert played.result.kind is AnswerKind.FRAME
    assert len(played.sent) == 2


def test_an_answer_to_the_broadcast_is_noise() -> None:
    """Nobody answers 255; who does is heard out, dropped, and never taken for the next answer."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Answer:
        await link.reset_all()
        return await link.select(MASK_A, tries=1)

    played = play(conversation, script(Say(b"\xe5", FORMAT.bits_ns(11)), None))
    assert played.result.kind is AnswerKind.SILENCE
    assert played.logged("link.discarded") == [{"data": "e5"}]
    assert played.link.take_noise()
