"""A population on the bus: addresses, selection, collisions, power, observations."""

from __future__ import annotations

from typing import Any

import pytest
import simpy

from simulators import population
from simulators.characters import Format
from simulators.network import Network
from simulators.observation import Observation

TELEGRAM_A = (
    "68 24 24 68 08 05 72 06 01 60 66 A7 32 02 04 2A 00 00 00 0B 06 67 02 00 02 59 2E FB"
    " 0C 14 78 56 34 12 04 6D 3A 0B 54 3B CC 16"
)
TELEGRAM_B = (
    "68 1F 1F 68 08 09 72 70 86 42 00 42 04 06 02 01 00 00 00 0D FD 0E 08 31 30 31 2D 35"
    " 32 33 44 42 6C 5F 3A 0E 16"
)
SELECT_ALL = "68 0B 0B 68 53 FD 52 FF FF FF FF FF FF FF FF 9A 16"
SELECT_A = "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16"
NKE_FD = "10 40 FD 3D 16"
REQ1_FD = "10 7B FD 78 16"


class Bench:
    """A network and a master that sends telegrams and waits for the end of everything."""

    def __init__(self, meters: str | list[dict[str, Any]], **options: Any) -> None:
        self.env = simpy.Environment()
        found = (
            population.load(meters)
            if isinstance(meters, str)
            else population.parse(meters, source="test")
        )
        self.network = Network(self.env, found, **options)
        self.seen = list[Observation]()
        self.network.subscribe(self.seen.append)

    def ask(self, *telegrams: str, form: Format | None = None) -> list[bytes]:
        """Send telegrams one after the other; everything that slaves sent."""
        begin = len(self.seen)
        for telegram in telegrams:
            self.network.bus.send("master", bytes.fromhex(telegram), form or Format(2400))
            self.env.run()
        return [
            bytes.fromhex(item.value)
            for item in self.seen[begin:]
            if item.path == "bus.frame" and item.evidence["direction"] == "slave"
        ]

    def values(self, path: str) -> list[Any]:
        """The values observed under `path`."""
        return [item.value for item in self.seen if item.path == path]


def heat(count: int = 1, **keys: Any) -> list[dict[str, Any]]:
    """An entry of heat meters."""
    return [{"id": "m", "count": count, "profile": "heat-basic"} | keys]


def test_the_worked_telegrams_come_out_character_by_character() -> None:
    """Meters A and B answer REQ_UD2 exactly as the worked examples say."""
    bench = Bench("worked-examples")
    assert bench.ask("10 40 05 45 16", "10 7B 05 80 16") == [b"\xe5", bytes.fromhex(TELEGRAM_A)]
    assert bench.ask("10 40 09 49 16", "10 7B 09 84 16") == [b"\xe5", bytes.fromhex(TELEGRAM_B)]


def test_the_worked_readings_are_expected() -> None:
    """The truth of meters A and B is that of the worked examples, times included (C-58)."""
    bench = Bench("worked-examples")
    bench.ask("10 7B 05 80 16", "10 7B 09 84 16")
    a, b = (bench.network.meters[name].expected for name in "ab")
    assert [(item.value_type, item.integer, item.scale, item.unit) for item in a] == [
        ("Energy", 267, 3, "Wh"),
        ("Flow temperature", -1234, -2, "Degree C"),
        ("Volume", 12345678, -2, "m3"),
    ]
    assert {item.timestamp for item in a} == {1795175880}
    assert [(item.kind, item.text, item.integer, item.timestamp) for item in b] == [
        ("text", "D325-101", None, None),
        ("date", None, 0x6AE52F80, None),
    ]


def test_an_address_that_nobody_has_is_silence() -> None:
    """Requests to other addresses, and to 255, get no answer."""
    bench = Bench("worked-examples")
    assert bench.ask("10 7B 07 82 16", "10 40 FF 3F 16") == []


def test_254_is_answered_by_everybody_with_their_own_address() -> None:
    """At 254 all meters answer, and so they collide."""
    bench = Bench("worked-examples")
    answers = bench.ask("10 7B FE 79 16")
    assert sorted(answer[5] for answer in answers) == [5, 9]
    assert bench.values("bus.collision") == [["a", "b"]]


def test_meters_without_an_address_answer_to_0() -> None:
    """An unconfigured meter has the primary address 0."""
    assert len(Bench(heat(3)).ask("10 40 00 40 16")) == 3


def test_a_selected_meter_answers_253_until_it_is_deselected() -> None:
    """Selection lasts until a selection that does not match, or SND_NKE to 253."""
    bench = Bench("worked-examples")
    assert bench.ask(REQ1_FD) == []
    assert bench.ask(SELECT_A, REQ1_FD) == [b"\xe5", bytes.fromhex(TELEGRAM_A)]
    assert bench.ask("10 40 05 45 16", "10 40 FF 3F 16", REQ1_FD)[1:] != []
    assert bench.ask(NKE_FD) == [b"\xe5"]
    assert bench.ask(REQ1_FD) == []
    bench.ask(SELECT_A)
    assert [meter.id for meter in bench.network.selected] == ["a"]
    assert bench.ask("68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 03 04 4F 16") == []
    assert bench.network.selected == []


def test_a_selected_meter_still_answers_its_primary_address() -> None:
    """Selection adds an address and takes none away."""
    assert len(Bench("worked-examples").ask(SELECT_A, "10 7B 05 80 16")) == 2


def test_all_wild_selects_everybody() -> None:
    """Several meters may be selected at once; their E5 may be one or many on the wire."""
    bench = Bench(heat(20))
    assert len(bench.ask(SELECT_ALL)) == 20
    assert bench.values("bus.selection") == ["ff" * 8]


def test_enhanced_selection_is_not_understood() -> None:
    """A mask with records behind it gets no answer and deselects."""
    bench = Bench("worked-examples")
    bench.ask(SELECT_A)
    enhanced = "68 11 11 68 53 FD 52 06 01 60 66 A7 32 02 04 0C 78 FF FF FF FF CE 16"
    assert bench.ask(enhanced) == []
    assert bench.network.selected == []


@pytest.mark.parametrize(
    "broken",
    [
        "10 7B 05 81 16",
        "10 7B 05 80 17",
        "68 03 04 68 73 05 50 C8 16",
        "68 03 03 68 73 05 50 C9 16",
        "E5",
        "16",
    ],
)
def test_broken_frames_are_ignored(broken: str) -> None:
    """No answer to a wrong checksum, stop or length; the next good frame is understood."""
    bench = Bench("worked-examples")
    assert bench.ask(broken) == []
    bench.env.run(until=bench.env.now + 10**9)
    assert len(bench.ask("10 7B 05 80 16")) == 1


def test_a_frame_in_two_writes_is_one_frame() -> None:
    """Characters that follow each other without a pause belong together, however written."""
    bench = Bench("worked-examples")
    bench.network.bus.send("master", bytes.fromhex("10 7B"), Format(2400))
    assert len(bench.ask("05 80 16")) == 1


def test_a_pause_inside_a_frame_spoils_it() -> None:
    """After more than 33 bit times of silence a new telegram begins."""
    bench = Bench("worked-examples")
    bench.ask("10 7B")
    bench.env.run(until=bench.env.now + 34 * 416_667)
    assert bench.ask("05 80 16") == []


@pytest.mark.parametrize("form", [Format(9600), Format(300), Format(2400, "O"), Format(2400, "N")])
def test_another_format_is_not_understood(form: Format) -> None:
    """A master at the wrong rate or parity is met by silence, not by an error."""
    assert Bench("worked-examples").ask("10 7B 05 80 16", form=form) == []


def test_a_meter_that_talks_does_not_hear() -> None:
    """The bus is half duplex: a request into a meter's own answer is lost on it."""
    bench = Bench("worked-examples")
    send = bench.network.bus.send
    send("master", bytes.fromhex("10 7B 05 80 16"), Format(2400))
    bench.env.run(until=100_000_000)
    send("master", bytes.fromhex("10 40 05 45 16"), Format(2400))
    bench.env.run()
    assert [item[:1] for item in bench.ask()] == []
    slaves = [item for item in bench.seen if item.evidence.get("meter") == "a"]
    assert len(slaves) == 1


def test_power_is_seen_and_felt() -> None:
    """Without power a meter is silent and forgets that it was selected; both moments are seen."""
    bench = Bench("worked-examples")
    bench.ask(SELECT_A)
    meter = bench.network.meters["a"]
    meter.power(False)
    assert bench.ask("10 7B 05 80 16", REQ1_FD) == []
    meter.power(True)
    assert bench.ask(REQ1_FD) == []
    assert len(bench.ask("10 7B 05 80 16")) == 1
    assert bench.values("meter(a).answering") == [False, True]


def test_power_faults_happen_at_their_time() -> None:
    """A population can switch a meter off and on at given times."""
    fault = {"power": {"off_at": "1 s", "on_at": "3 s"}}
    bench = Bench(heat(faults=[fault]))
    bench.env.run(until=2 * 10**9)
    assert not bench.network.meters["m"].powered
    bench.env.run(until=4 * 10**9)
    changes = [item for item in bench.seen if item.path == "meter(m).answering"]
    assert [(item.at_ns, item.value) for item in changes] == [(10**9, False), (3 * 10**9, True)]


def test_a_new_primary_address_is_in_force_at_once() -> None:
    """After 01 7A the meter answers at its new address and no longer at the old one."""
    bench = Bench("worked-examples")
    bench.ask("68 06 06 68 73 05 51 01 7A 21 65 16")
    assert bench.ask("10 7B 05 80 16") == []
    assert len(bench.ask("10 7B 21 9C 16")) == 1


def test_answers_keep_the_times_of_the_line() -> None:
    """No answer begins before 11 bit times, nor ends before its last character can have left."""
    bench = Bench(heat(30))
    bench.ask(SELECT_ALL)
    master, *slaves = [item for item in bench.seen if item.path == "bus.frame"]
    bit_ns = 10**9 / 2400
    for item in slaves:
        delay = item.evidence["first_ns"] - 11 * bit_ns - master.evidence["last_ns"]
        assert 11 * bit_ns - 2 <= delay <= 60 * bit_ns + 2


def test_observations_come_in_the_order_of_time() -> None:
    """A subscriber sees each observation when it is made."""
    bench = Bench(heat(10))
    bench.ask(SELECT_ALL, NKE_FD)
    times = [item.at_ns for item in bench.seen]
    assert times == sorted(times)
    assert list(bench.network.observations) == bench.seen


def test_kept_observations_are_bounded() -> None:
    """A long run does not fill the memory: the oldest observations go."""
    bench = Bench("worked-examples", kept=3)
    bench.ask("10 7B 05 80 16", "10 7B 09 84 16")
    assert list(bench.network.observations) == bench.seen[-3:]


def test_a_subscriber_can_leave() -> None:
    """The function that `subscribe` returns ends the subscription."""
    bench = Bench("worked-examples")
    seen = list[Observation]()
    leave = bench.network.subscribe(seen.append)
    bench.ask("10 40 05 45 16")
    leave()
    told = len(bench.seen)
    bench.ask("10 40 05 45 16")
    assert len(seen) == told < len(bench.seen)


def test_one_meter_more_shifts_nothing() -> None:
    """Numbers and values of a meter depend on seed and id, not on its neighbours."""
    entries = [{"id": name, "profile": "heat-basic"} for name in ("x", "y", "z")]
    small = Bench([entries[0], entries[2]])
    large = Bench(entries)
    for name in ("x", "z"):
        one, other = small.network.meters[name], large.network.meters[name]
        assert one.identity == other.identity
        assert one.access_number == other.access_number
    other_seed = Bench(entries, seed=2)
    assert other_seed.network.meters["x"].identity != large.network.meters["x"].identity
