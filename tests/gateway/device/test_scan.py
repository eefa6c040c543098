"""The conversation around the search: probes, noise, phantoms, and the walk over addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.device.primary_scan import PrimaryScan
from gateway.device.readout import ReadoutPlan
from gateway.device.scan import (
    Found,
    ScanPlan,
    ScanReport,
    SearchTiming,
    SecondaryScan,
)
from gateway.device.sequences import Addressing, RequestMode, ResetMode
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import Direction
from gateway.runtime.port import NS_PER_MS, Fault
from tests.gateway.device.examples import (
    ACK,
    ADDRESS_A,
    ANSWER_A,
    TELEGRAMS,
    framed,
    names,
    obliging,
)
from tests.gateway.device.wire import (
    DEFAULTS,
    DELAY_NS,
    FORMAT,
    Played,
    Reply,
    Say,
    play,
    script,
    table,
)

if TYPE_CHECKING:
    from gateway.device.link import Link
    from simulators.runtime import SimRuntime
    from tests.gateway.device.wire import OtherEnd, ScriptedLine

ADAPTIVE = ScanPlan(timing=SearchTiming.ADAPTIVE)
LITERAL = ScanPlan(timing=SearchTiming.LITERAL)
ROOT = bytes.fromhex(TELEGRAMS["SELECT all"])
GARBLED = Say(b"\xa5\xc0")
#: The answer window at 2400 Bd, and with the longest telegram behind it.
WINDOW_NS = 187_500_000
LONGEST_NS = WINDOW_NS + FORMAT.characters_ns(261)
#: Another acknowledgement: meters that always answer after the same time may be several in phase.
LATER_ACK = Say(b"\xe5", 2 * DELAY_NS)


def scan(
    other_end: OtherEnd,
    plan: ScanPlan = ADAPTIVE,
    reset_mode: ResetMode = ResetMode.STANDARD,
    *,
    found_max: int = 1000,
    tells_faults: bool = True,
    news: bool = False,
) -> tuple[ScanReport, list[Found], Played]:
    """Search a scripted bus; gives the report, the meters found and what was said.

    One meter is known, so that the whole space is asked first, unless all is `news`.
    """
    number = plan.mask.identification_number.replace("F", "6")
    known = [] if news else [replace(ADDRESS_A, identification_number=number)]
    found: list[Found] = []

    async def on_found(meter: Found) -> bool:
        found.append(meter)
        return len(found) < found_max

    async def conversation(rt: SimRuntime, link: Link, _: ScriptedLine) -> ScanReport:
        if plan.primary:
            return await PrimaryScan(rt, link, plan, reset_mode).run(on_found)
        return await SecondaryScan(rt, link, plan, reset_mode, known).run(on_found)

    played = play(conversation, other_end, tells_faults=tells_faults)
    return played.result, found, played


class Bus:
    """Meters that answer by the book, one after the other or all at once.

    `numbers` are identification numbers. What a bus of them says is put together here from the
    literal bytes of meter A; when several answer, garbled bytes come instead.
    """

    def __init__(self, numbers: list[str]) -> None:
        self.addresses = [replace(ADDRESS_A, identification_number=number) for number in numbers]
        self.selected: list[SecondaryAddress] = []
        self._said = 0

    def __call__(self, telegram: bytes) -> Reply:
        """What the line says to a telegram."""
        if telegram[:1] == b"\x68" and telegram[6] == 0x52:
            mask = SecondaryMask.from_bytes(telegram[7:15])
            self.selected = [address for address in self.addresses if mask.contains(address)]
            return self._say(b"\xe5")
        if telegram == bytes.fromhex(TELEGRAMS["REQ1-FD"]) and self.selected:
            header = self.selected[0].to_bytes() + bytes((0x2A, 0, 0, 0))
            return self._say(bytes.fromhex(framed(8, 5, 0x72, header.hex() + "0B 06 67 02 00")))
        return None

    def _say(self, data: bytes) -> Reply:
        if not self.selected:
            return None
        if len(self.selected) > 1:
            return GARBLED
        # No two acknowledgements after the same time: nobody is in phase here.
        self._said += data == b"\xe5"
        return Say(data, DELAY_NS * (1 + self._said % 2))


class Forgetful(Bus):
    """A bus on which some meters take no notice of every second request that means them.

    `misses_first` says whether the first of them is missed or the second.
    """

    def __init__(
        self, numbers: list[str], forgetful: list[str], *, misses_first: bool = True
    ) -> None:
        super().__init__(numbers)
        self._requests = dict.fromkeys(forgetful, int(not misses_first))

    def __call__(self, telegram: bytes) -> Reply:
        """What the line says to a telegram."""
        everybody, before = self.addresses, self.selected
        if telegram[:1] == b"\x68" and telegram[6] == 0x52:
            mask = SecondaryMask.from_bytes(telegram[7:15])
            meant = [address for address in everybody if mask.contains(address)]
            self.addresses = [address for address in meant if self._notices(address)]
        elif telegram == bytes.fromhex(TELEGRAMS["REQ1-FD"]):
            self.selected = [address for address in before if self._notices(address)]
        reply = super().__call__(telegram)
        self.addresses = everybody
        if telegram[:1] != b"\x68":
            self.selected = before
        return reply

    def _notices(self, address: SecondaryAddress) -> bool:
        number = address.identification_number
        if number not in self._requests:
            return True
        self._requests[number] += 1
        return self._requests[number] % 2 == 0


def masks(sent: list[str]) -> list[str]:
    """The identification numbers of the selections, as a person reads them."""
    return [
        bytes.fromhex(telegram)[7:11][::-1].hex().upper()
        for telegram in sent
        if telegram.startswith("68 0B 0B")
    ]


# --- Secondary search -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reset_mode", "expected"),
    [
        (ResetMode.NONE, []),
        (ResetMode.STANDARD, ["NKE-FF"]),
        (ResetMode.EXTENDED_1, ["NKE-FD", "NKE-FF"]),
        (ResetMode.EXTENDED_2, ["NKE-FD", "APPRESET-FD", "NKE-FF"]),
    ],
)
def test_one_meter_is_found_with_the_telegrams_of_the_example(
    reset_mode: ResetMode, expected: list[str]
) -> None:
    """Reset part without SELECT once; SELECT all, REQ1-FD, then SELECT of the address found."""
    answers: dict[str, Reply] = {TELEGRAMS["SELECT all"]: ACK, TELEGRAMS["SELECT"]: LATER_ACK}
    report, found, played = scan(
        table({**answers, TELEGRAMS["REQ1-FD"]: ANSWER_A}), reset_mode=reset_mode
    )
    assert names(played.sent) == [*expected, "SELECT all", "REQ1-FD", "SELECT"]
    assert [meter.address for meter in found] == [ADDRESS_A]
    assert found[0].selectable
    assert (found[0].primary_address, found[0].addressing) == (5, Addressing.SECONDARY)
    assert (report.found, report.selects, report.empties, report.collisions) == (1, 1, 0, 0)


def test_wake_up_precedes_the_scan() -> None:
    """C-62: the scan has a reset part too."""
    plan = replace(ADAPTIVE, readout=ReadoutPlan(wakeup=True))
    _, _, played = scan(script(), plan)
    assert names(played.sent) == ["NKE-FF", "NKE-FF", "SELECT all"]


def test_request_part_belongs_to_no_probe() -> None:
    """GET and FREEZE never go out during a secondary search."""
    plan = replace(ADAPTIVE, readout=ReadoutPlan(request_mode=RequestMode.EXT, freeze_first=True))
    _, found, played = scan(Bus(["66600106"]), plan)
    assert len(found) == 1
    assert names(played.sent) == ["NKE-FF", "SELECT all", "REQ1-FD", "SELECT"]


def test_an_empty_bus_costs_one_mask_in_adaptive_timing() -> None:
    """C-74: an empty mask is asked once, for 330 bit + 50 ms."""
    report, _, played = scan(script())
    assert names(played.sent) == ["NKE-FF", "SELECT all"]
    assert report.slowest_answer_ns == 187_500_000
    expected_ns = FORMAT.characters_ns(5) + FORMAT.bits_ns(33) + FORMAT.characters_ns(17)
    assert report.duration_ns == expected_ns + 187_500_000


def test_an_empty_bus_costs_eight_seconds_in_literal_timing() -> None:
    """C-60, C-74: MBUS_TIMEOUT and MBUS_MAXRETRY for every probe."""
    report, _, played = scan(script(), LITERAL, ResetMode.NONE)
    assert names(played.sent) == ["SELECT all"] * 3 + [
        TELEGRAMS["SELECT all"].replace("53 FD", "73 FD").replace("9A 16", "BA 16")
    ]
    assert report.duration_ns == 8_000_000_000 + 4 * FORMAT.characters_ns(17)
    assert report.slowest_answer_ns == 2_000_000_000


@pytest.mark.parametrize(
    ("direction", "first"), [(Direction.FORWARD, "0FFFFFFF"), (Direction.REVERSE, "FFFFFFF0")]
)
def test_a_collision_is_split_by_digits(direction: Direction, first: str) -> None:
    """SCAN-01, SCAN-05: garbled acknowledgements mean several meters; narrower masks follow."""
    report, found, played = scan(
        Bus(["11111111", "22222222"]), replace(LITERAL, direction=direction)
    )
    assert sorted(meter.address.identification_number for meter in found) == [
        "11111111",
        "22222222",
    ]
    assert f"SELECT {first}" in names(played.sent)
    assert (report.selects, report.empties, report.collisions) == (11, 8, 1)
    # Eleven masks, the two addresses found, their masks once more; what is silent is repeated.
    assert len(masks(played.sent)) == 15 + 8 * (DEFAULTS.tries - 1)
    assert report.unresolved == []


def test_a_mask_narrows_the_scan() -> None:
    """TROUBLE-01: only what lies under the mask is asked for and found."""
    plan = replace(ADAPTIVE, mask=SecondaryMask("2FFFFFFF"))
    _, found, played = scan(Bus(["11111111", "22222222"]), plan)
    assert [meter.address.identification_number for meter in found] == ["22222222"]
    assert masks(played.sent) == ["2FFFFFFF", "22222222"]


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([Say(b"\xe5"), Say(b"\xe5", 90 * NS_PER_MS)], id="two E5, one late"),
        pytest.param([Say(b"\xe5\xe5")], id="two E5 in a row"),
        pytest.param([Say(b"\xe5\x85")], id="E5 and garbage"),
        pytest.param([Say(b"\x85")], id="one garbled character"),
        pytest.param([Say(b"\xe5", faults={0: Fault.PARITY})], id="E5 with a parity error"),
    ],
)
def test_what_counts_as_a_collision(replies: list[Say]) -> None:
    """Anything but one clean E5 within the whole answer window: several meters."""

    def other_end(telegram: bytes) -> Reply:
        return replies if telegram == ROOT else None

    report, _, played = scan(other_end)
    assert report.collisions > 0
    assert len(set(masks(played.sent))) > 10
    assert "REQ1-FD" not in names(played.sent)


@pytest.mark.parametrize("tells_faults", [True, False])
def test_a_whole_telegram_without_an_address_is_split_no_further(*, tells_faults: bool) -> None:
    """An error report (CI 70) is that of one meter: where the digits end it is named."""
    plan = replace(ADAPTIVE, mask=SecondaryMask("66600106"))
    answers: dict[str, Reply] = {TELEGRAMS["REQ1-FD"]: framed(8, 5, 0x70, "08")}

    def other_end(telegram: bytes) -> Reply:
        return ACK if telegram[:1] == b"\x68" else table(answers)(telegram)

    report, found, _ = scan(other_end, plan, tells_faults=tells_faults)
    assert (found, report.unresolved) == ([], [plan.mask])
    assert report.selects <= 2
    assert "CI field 70" in report.reasons[plan.mask]


@pytest.mark.parametrize("late_ms", [110, 120, 130, 150, 180, 187])
def test_a_second_e5_behind_the_request_is_a_collision_too(late_ms: int) -> None:
    """Half of what is left of the window is waited for; who comes later is heard all the same."""
    replies = [Say(b"\xe5"), Say(b"\xe5", late_ms * NS_PER_MS)]

    def other_end(telegram: bytes) -> Reply:
        return replies if telegram == ROOT else None

    report, found, played = scan(other_end)
    assert report.collisions > 0
    assert found == []
    assert "REQ1-FD" in names(played.sent)


def test_a_garbled_telegram_is_a_collision() -> None:
    """A clean E5 may be several in phase: data that are garbled split the mask."""
    report, _, played = scan(
        table({TELEGRAMS["SELECT all"]: ACK, TELEGRAMS["REQ1-FD"]: "68 00 24"})
    )
    assert report.collisions > 0
    assert len(set(masks(played.sent))) > 10
    assert played.logged("scan.garbled")


def test_a_meter_that_acknowledges_and_stays_silent_is_asked_twice() -> None:
    """Two answers may cancel each other, one meter may miss the request: ask again, then split."""
    report, _, played = scan(table({TELEGRAMS["SELECT all"]: ACK}))
    assert names(played.sent)[:4] == ["NKE-FF", "SELECT all", "REQ1-FD", "REQ1-FD"]
    assert report.collisions > 0
    assert report.retries > 0


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("misses_first", [True, False])
@pytest.mark.parametrize(
    ("numbers", "forgetful"),
    [
        (["12345678"], ["12345678"]),
        (["12345678", "12345679"], ["12345679"]),
        (["12345678", "92345678"], ["12345678", "92345678"]),
        (["10000000", "20000000", "20000001", "99999999"], ["20000001", "10000000"]),
    ],
)
def test_meters_that_answer_every_second_request_are_found_by_literal_timing(
    numbers: list[str], forgetful: list[str], *, misses_first: bool, direction: Direction
) -> None:
    """C-74: retries find them, and a mask with one meter is asked twice for another that slept."""
    bus = Forgetful(numbers, forgetful, misses_first=misses_first)
    report, found, _ = scan(bus, replace(LITERAL, direction=direction))
    assert sorted(meter.address.identification_number for meter in found) == sorted(numbers)
    assert report.unresolved == []
    assert not any("first request of two" in text for text in report.not_looked_for)


def test_adaptive_timing_says_that_it_did_not_look_for_them() -> None:
    """C-74: such a meter is lost under ADAPTIVE, and the report names the kind."""
    report, found, _ = scan(Forgetful(["12345678"], ["12345678"]))
    assert found == []
    assert any("first request of two" in text for text in report.not_looked_for)


def test_what_cannot_be_told_apart_is_reported_and_logged() -> None:
    """Meters of one address: the mask stands in the report and in the log."""
    report, found, played = scan(Bus(["12345678", "12345678", "90000000"]))
    assert [meter.address.identification_number for meter in found] == ["90000000"]
    assert report.unresolved == [SecondaryMask("12345678", 0x32A7, 2, 4)]
    assert [(entry["number"], entry["guess"]) for entry in played.logged("scan.unresolved")] == [
        ("12345678", "one number shared, or one meter that answers garbled")
    ]


@pytest.mark.parametrize("plan", [ADAPTIVE, LITERAL])
def test_numbers_with_letters_are_found(plan: ScanPlan) -> None:
    """A collision that 0 to 9 do not account for makes A to E be asked for (`SCAN-01`)."""
    numbers = ["1A000000", "1B000000", "A0000000"]
    report, found, _ = scan(Bus(numbers), plan)
    assert sorted(meter.address.identification_number for meter in found) == numbers
    assert report.unresolved == []
    assert not any("A to E" in text for text in report.not_looked_for)


def test_what_was_not_looked_for_is_said() -> None:
    """C-74: the slowest answer that could be seen, letters, meters that answer every other time."""
    report, _, played = scan(Bus(["11111111", "22222222"]))
    text = " / ".join(report.not_looked_for)
    assert "188 ms" in text
    assert "A to E" in text
    assert "first request of two" in text
    logged = [entry["text"] for entry in played.logged("scan.not_looked_for")]
    assert logged == report.not_looked_for


def test_a_scan_of_an_unknown_bus_begins_with_the_last_digit() -> None:
    """SCAN-05: neighbours of one delivery differ there; "is there anybody?" comes fourth."""
    _, _, played = scan(script(), news=True)
    assert masks(played.sent) == ["FFFFFFF0", "FFFFFFF1", "FFFFFFF2", "FFFFFFFF"]


def test_a_header_outside_the_mask_is_kept_and_marked() -> None:
    """A meter that sends somebody else's header twice under one mask is wrongly declared."""
    plan = replace(ADAPTIVE, mask=SecondaryMask("2FFFFFFF"))
    answers: dict[str, Reply] = {TELEGRAMS["REQ1-FD"]: ANSWER_A}

    def other_end(telegram: bytes) -> Reply:
        is_root = telegram[:11] == bytes.fromhex("680B0B6853FD52FFFFFF2F")
        return ACK if is_root else table(answers)(telegram)

    report, found, _ = scan(other_end, plan)
    assert [(meter.address, meter.selectable) for meter in found] == [(ADDRESS_A, False)]
    assert found[0].mask == plan.mask
    assert report.collisions == 0


def test_one_meter_of_a_type_is_selected_by_its_address() -> None:
    """A wrong header comes with the firmware: in ADAPTIVE timing one trial a type is enough."""
    numbers = ["11111111", "22222222", "33333333"]
    for plan, trials in ((ADAPTIVE, 1), (LITERAL, 3)):
        _, found, played = scan(Bus(numbers), plan)
        assert len(found) == 3
        assert sum(number in numbers for number in masks(played.sent)) == trials


def test_a_bus_that_answers_in_phase_is_read_once_more() -> None:
    """Who acknowledges after the same time each time is read alone, and then under his mask."""
    header = ADDRESS_A.to_bytes()
    count = iter(range(0x2A, 0x100))

    def other_end(telegram: bytes) -> Reply:
        if telegram == bytes.fromhex(TELEGRAMS["REQ1-FD"]):
            data = header + bytes((next(count), 0, 0, 0))
            return Say(bytes.fromhex(framed(8, 5, 0x72, data.hex() + "0B 06 67 02 00")))
        return ACK if telegram[:1] == b"\x68" else None

    report, found, played = scan(other_end)
    assert [meter.address for meter in found] == [ADDRESS_A]
    assert names(played.sent) == [
        *["NKE-FF", "SELECT all", "REQ1-FD", "SELECT"],
        *["SELECT", "REQ1-FD", "SELECT all", "REQ1-FD"],
    ]
    assert report.collisions == 0


def test_where_parity_is_unknown_every_meter_is_read_twice() -> None:
    """A port that cannot tell parity: a phantom of two like answers must come twice to count."""
    _, found, played = scan(Bus(["11111111", "22222222"]), tells_faults=False)
    assert len(found) == 2
    assert names(played.sent).count("REQ1-FD") == 4


def _deaf_to_its_own_address(*, times: int) -> OtherEnd:
    """Meter A acknowledges all wild and its number alone; it sends its data `times` times."""
    left = [ANSWER_A] * times
    wild = [mask.to_bytes() for mask in (SecondaryMask.ANY, SecondaryMask("66600106"))]

    def other_end(telegram: bytes) -> Reply:
        name = names([telegram.hex(" ").upper()])[0]
        if telegram[7:15] in wild:
            return ACK
        return left.pop(0) if name == "REQ1-FD" and left else None

    return other_end


def test_a_meter_that_is_not_selected_by_its_address_is_marked() -> None:
    """SCAN-07: it was seen, so it is listed, but only after it has sent its header twice."""
    report, found, played = scan(_deaf_to_its_own_address(times=3))
    assert [(meter.address, meter.selectable) for meter in found] == [(ADDRESS_A, False)]
    number = "68 0B 0B 68 53 FD 52 06 01 60 66 FF FF FF FF 6B 16"
    assert names(played.sent) == [
        *["NKE-FF", "SELECT all", "REQ1-FD"],
        *["SELECT", "SELECT last try"],
        # Has anybody that number, or do two in phase sound like it?
        *[number, "SELECT all", "REQ1-FD"],
        # Which MBUS_SELECTMASK reads it? None, 4, 8, 2; 14 does; 12, 6 and 10 do not.
        *["SELECT", "SELECT mask 4", "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 FF 49 16"],
        *["68 0B 0B 68 53 FD 52 06 01 60 66 FF FF 02 04 73 16", number, "REQ1-FD"],
        *names(played.sent[14:]),
    ]
    assert [telegram[21:44] for telegram in played.sent[14:]] == [
        *["06 01 60 66 A7 32 FF FF", "06 01 60 66 FF FF FF 04", "06 01 60 66 FF FF 02 FF"],
    ]
    assert found[0].select_mask == report.select_mask == 14
    assert report.found == 1


def test_a_phantom_is_not_listed() -> None:
    """A header that a collision made by chance does not come twice: the mask is split."""
    report, found, played = scan(_deaf_to_its_own_address(times=1))
    assert found == []
    assert report.collisions > 0
    assert len(set(masks(played.sent))) > 10


def test_noise_makes_an_empty_mask_be_asked_again() -> None:
    """C-74: an empty mask counts only when it was asked on a quiet bus."""

    async def on_found(_: Found) -> bool:
        return True

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> ScanReport:
        line.say(rt.now() - 5 * FORMAT.characters_ns(1), Say(b"\x55"))
        return await SecondaryScan(rt, link, ADAPTIVE, ResetMode.NONE, [ADDRESS_A]).run(on_found)

    replies = script(None, ACK, ANSWER_A, LATER_ACK)
    played = play(conversation, replies)
    assert names(played.sent) == ["SELECT all", "SELECT all", "REQ1-FD", "SELECT"]
    assert played.result.found == 1


def test_noise_is_not_taken_for_a_collision_at_once() -> None:
    """Characters that began before the request ended are nobody's answer: ask again."""

    async def on_found(_: Found) -> bool:
        return True

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> ScanReport:
        ends = rt.now() + FORMAT.characters_ns(17)
        line.say(ends - FORMAT.characters_ns(1) // 2, Say(b"\x55"))
        return await SecondaryScan(rt, link, ADAPTIVE, ResetMode.NONE, [ADDRESS_A]).run(on_found)

    played = play(conversation, script())
    assert names(played.sent) == ["SELECT all", "SELECT all"]
    assert played.result.collisions == 0


def test_a_scan_can_be_ended() -> None:
    """C-71: once the list is full, nothing more is asked."""
    report, found, played = scan(Bus(["11111111", "22222222", "33333333"]), found_max=1)
    assert len(found) == report.found == 1
    assert names(played.sent)[-2:] == ["REQ1-FD", "SELECT"] or masks(played.sent)[-1] in {
        meter.address.identification_number for meter in found
    }


def _wait_behind(garbled: list[Say], *, tells_faults: bool = True) -> int:
    """Ask for data that come garbled: how long until the next selection (ns)."""
    answers: dict[str, Reply] = {
        TELEGRAMS["SELECT all"]: ACK,
        TELEGRAMS["REQ1-FD"]: garbled,
    }
    _, _, played = scan(table(answers), tells_faults=tells_faults)
    (_, end), (begin, _) = played.line.times[2:4]
    return begin - end


def test_a_collision_waits_until_everybody_has_finished() -> None:
    """Garbled data: where the line may be held low, for the longest telegram; else for silence."""
    broken = {0: Fault.FRAMING}
    assert _wait_behind([Say(b"\x00")]) == WINDOW_NS
    assert _wait_behind([Say(b"\x00", faults=broken)]) == LONGEST_NS
    assert _wait_behind([Say(b"\x00", faults={0: Fault.PARITY})]) == WINDOW_NS
    assert _wait_behind([Say(b"\x00")], tells_faults=False) == LONGEST_NS


def test_a_collision_whose_line_rises_again_is_waited_for_no_longer() -> None:
    """Held low, and then a character with a right stop bit: 33 bits behind it all is over."""
    later = Say(b"\x16", 2 * WINDOW_NS)
    waited = _wait_behind([Say(b"\x00", faults={0: Fault.FRAMING}), later])
    assert waited == 2 * WINDOW_NS + FORMAT.characters_ns(1) + FORMAT.bits_ns(33)
    garbled = [Say(b"\x00", n * 10**7) for n in range(1, 400)]
    assert _wait_behind(garbled) > LONGEST_NS


# --- Primary walk ---------------------------------------------------------------------------------


def primary(start: int, final: int, readout: ReadoutPlan | None = None) -> ScanPlan:
    """A walk over a range of addresses."""
    return ScanPlan(
        primary=True,
        primary_start=start,
        primary_final=final,
        readout=readout if readout is not None else ReadoutPlan(),
    )


def test_every_address_is_probed_in_turn() -> None:
    """NKE-A and REQ1-A in turn, 1 + MBUS_MAXRETRY sends in all, until anything is heard."""
    report, found, played = scan(script(), primary(5, 6))
    assert played.sent == [
        *["10 40 05 45 16", "10 7B 05 80 16"] * 2,
        *["10 40 06 46 16", "10 7B 06 81 16"] * 2,
    ]
    assert (report.selects, report.empties, found) == (2, 2, [])
    assert report.duration_ns == 16_000_000_000 + 8 * FORMAT.characters_ns(5)


def test_without_resets_only_requests_are_sent() -> None:
    """Reset None: REQ1-A only."""
    plan = primary(5, 5, ReadoutPlan(ResetMode.NONE))
    _, _, played = scan(script(), plan, ResetMode.NONE)
    assert names(played.sent) == ["REQ1-A"] * 4


@pytest.mark.parametrize(
    ("reset_mode", "once", "readout"),
    [
        (ResetMode.STANDARD, [], ["NKE-A"]),
        (ResetMode.EXTENDED_1, ["NKE-FD"], ["NKE-FD", "NKE-A"]),
        (ResetMode.EXTENDED_2, ["NKE-FD", "APPRESET-FD"], ["NKE-FD", "APPRESET-FD", "NKE-A"]),
    ],
)
def test_a_meter_that_is_heard_is_read_as_a_whole(
    reset_mode: ResetMode, once: list[str], readout: list[str]
) -> None:
    """Telegrams to FD once before the first address; behind the find a whole read-out."""
    plan = primary(5, 5, ReadoutPlan(reset_mode, RequestMode.EXT))
    _, found, played = scan(obliging, plan, reset_mode)
    assert names(played.sent) == [*once, "NKE-A", *readout, "GET1-A", "REQ1-A"]
    assert [(meter.address, meter.primary_address) for meter in found] == [(ADDRESS_A, 5)]
    assert found[0].addressing is Addressing.PRIMARY
    assert found[0].readout is not None
    assert found[0].readout.complete


@pytest.mark.parametrize("heard", ["A5", ACK, ANSWER_A])
def test_anything_heard_ends_the_probe(heard: str) -> None:
    """A weak or garbled answer is an answer: the read-out shows who it is."""
    _, found, played = scan(script(None, heard, ACK, ANSWER_A), primary(5, 5))
    assert names(played.sent) == ["NKE-A", "REQ1-A", "NKE-A", "REQ1-A"]
    assert len(found) == 1


def test_two_meters_behind_one_address_are_told() -> None:
    """Who answers garbled at every try is not listed, and the log says where."""
    report, found, played = scan(lambda _: GARBLED, primary(5, 5))
    assert found == []
    assert report.empties == 1
    assert played.logged("scan.garbled")[0]["address"] == 5


def test_scan_of_250_dead_addresses_is_what_the_manual_warns_of() -> None:
    """C-60: an empty primary scan 0-250 costs 251 x 4 x 2 s = 2008 s of silence."""
    report, _, _ = scan(script(), primary(0, 250))
    assert report.duration_ns - 251 * 4 * FORMAT.characters_ns(5) == 2008 * 10**9
    assert DEFAULTS.tries == 4
