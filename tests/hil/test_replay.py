"""Record, replay, calibrate: a recording is a bus, and a source of answer times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.runtime.port import Fault, LineFormat, Received
from hil import recording as recordings
from hil import replay
from hil.calibration import CalibrationError, calibrate
from hil.recorder import RecordedPort
from hil.recording import Chunk, Recording, RecordingError
from hil.reference import prepare
from hil.runtimes import simulated_runtime
from simulators import document, population
from simulators.memory_storage import MemoryStorage
from simulators.modbus import layout
from simulators.network import Network

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime
    from simulators.runtime import SimRuntime

#: How many read-out passes are recorded.
PASSES = 40

THREE = """\
population: three
# Three ways to be slow.
meters:
  - {id: quick, profile: heat-basic, identification_number: 10000001,
     answer_delay_bits: [20, 40]}
  - {id: slow, profile: worked-example-b, identification_number: 10000002,
     answer_delay_bits: [150, 300]}
  - {id: even, profile: worked-example-a, identification_number: 10000003,
     answer_delay_bits: [100, 100]}
"""


def recorded(text: str, *, passes: int) -> tuple[Recording, dict[int, int]]:
    """Let a gateway find and read the meters; return what passed, and the registers."""
    people = population.parse(document.load(text, "three"), source="three")
    env = simpy.Environment()
    network = Network(env, people, seed=3)
    recording = Recording("simulated", LineFormat(), epoch_ns=1_800_000_000_000_000_000)

    def opener(rt: SimRuntime, line_format: Any) -> RecordedPort:
        port: Any = network.open_port(rt, line_format, received=Received, fault=Fault)
        return RecordedPort(port, recording, rt.now)

    storage = MemoryStorage({})
    prepare(storage, {"MBUS_BAUDRATE": 2400})
    rt = simulated_runtime(env, storage=storage, lines={"bus": opener})
    wiring = Wiring(bus_url="bus", modbus_host="10.0.0.1", modbus_port=502)

    async def main(runtime: Runtime) -> dict[int, int]:
        appliance = Appliance(runtime, wiring)
        async with runtime.nursery() as nursery:
            nursery.spawn(appliance.run(), name="gateway")
            await appliance.ready()
            await appliance.scan()
            for _ in range(passes):
                await appliance.readout()
            await appliance.allocate()
            words = await replay._registers(runtime, await runtime.connect("10.0.0.1", 502))
            appliance.stop()
        return words

    return recording, rt.run(main)


def without_times(words: dict[int, int]) -> list[tuple[int, ...]]:
    """Return the registers of each entry, less the times of the gateway's own clock."""
    return [
        block.registers
        if isinstance(block, layout.ValueBlock)
        else block.registers[:4] + block.registers[6:]
        for block in layout.read_mapped(words)
    ]


def test_replay_gives_the_same_registers() -> None:
    """Through the file and back: same meters, same registers, no request that is not known."""
    recording, words = recorded(THREE, passes=1)
    again = recordings.load(recording.to_jsonl(), "recording.jsonl")
    assert again == recording
    replayed = replay.replay(again)
    assert sorted(replayed.numbers) == ["10000001", "10000002", "10000003"]
    assert without_times(replayed.registers) == without_times(words)
    assert replayed.unmatched == ()


def test_replay_is_deterministic() -> None:
    """The same recording gives the same trace; one that lacks a meter gives another."""
    recording, _ = recorded(THREE, passes=1)
    first, second = replay.replay(recording), replay.replay(recording)
    assert first == second
    number = bytes.fromhex("10000002")[::-1]
    kept = [chunk for chunk in recording.chunks if number not in chunk.data]
    recording.chunks[:] = kept
    poorer = replay.replay(recording)
    assert poorer.trace_sha256 != first.trace_sha256
    assert "10000002" not in poorer.numbers


def test_calibration_recovers_known_delays() -> None:
    """Every limit is met within two bits and a twentieth of the range, which 40 samples miss."""
    recording, _ = recorded(THREE, passes=PASSES)
    found = {one.identification_number: one for one in calibrate(recording).meters}
    for number, (low, high) in {
        "10000001": (20, 40),
        "10000002": (150, 300),
        "10000003": (100, 100),
    }.items():
        fitted_low, fitted_high = found[number].answer_delay_bits
        tolerance = 2 + (high - low) / 20
        assert fitted_low == pytest.approx(low, abs=tolerance), number
        assert fitted_high == pytest.approx(high, abs=tolerance), number
        assert found[number].samples >= PASSES


def test_calibrated_population_answers_as_the_recorded_one() -> None:
    """The figures go into the population file, comments stay, and its provenance is said."""
    recording, _ = recorded(THREE, passes=PASSES)
    calibration = calibrate(recording)
    assert recording.sha256 in calibration.to_yaml()
    plain = THREE.replace("answer_delay_bits: [150, 300]", "answer_delay_bits: [11, 12]")
    text, left = calibration.applied_to(plain)
    assert left == []
    assert "# Three ways to be slow." in text
    assert recording.sha256[:16] in text.splitlines()[0]
    again = calibrate(recorded(text, passes=PASSES)[0])
    for before, after in zip(calibration.meters, again.meters, strict=True):
        assert after.median_bits == pytest.approx(before.median_bits, abs=20)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.integers(0, 40_000_000)), max_size=9)
)
def test_characters_keep_their_order(pieces: list[tuple[bytes, int]]) -> None:
    """However late the chunks of an answer were seen, its characters come in their order."""
    recording = Recording("b", LineFormat(), 0)
    request = b"\x10\x5b\x05\x60\x16"
    recording.add(Chunk(0, sent=True, data=request))
    at = 0
    for data, pause in pieces:
        at += pause
        recording.add(Chunk(at, sent=False, data=data))
    heard = replay.ReplayBus(recording).ask(request, LineFormat())
    assert bytes(one.value for one in heard) == b"".join(data for data, _ in pieces)
    assert [one.at_ns for one in heard] == sorted(one.at_ns for one in heard)


def test_too_little_to_calibrate() -> None:
    """One answer of each meter tells nothing about how its answers are spread."""
    recording, _ = recorded(THREE, passes=1)
    recording.chunks[:] = recording.chunks[-4:]
    with pytest.raises(CalibrationError, match=r"no meter has 5 whole answers \(1000000"):
        calibrate(recording)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "r:1: expected a recording, got an empty file"),
        ("[]", "r:1: expected an object, got list"),
        ('{"recording": 2}', "r:1: expected a recording of version 1, got 2"),
        ('{"recording": 1}', "r:1: KeyError"),
    ],
)
def test_no_recording(text: str, complaint: str) -> None:
    """What is no recording says at which line, and what was expected."""
    with pytest.raises(RecordingError, match=complaint.replace("(", r"\(")):
        recordings.load(text, "r")


@given(st.text(max_size=200), st.integers(0, 3))
def test_damaged_recordings_are_told(damage: str, line: int) -> None:
    """Whatever stands in a line, a recording or a complaint with its line comes out."""
    recording = Recording("b", LineFormat(), 0)
    recording.add(Chunk(5, sent=True, data=b"\x10\x40\xfd\x3d\x16"))
    recording.add(Chunk(9, sent=False, data=b"\xe5", faults=((0, 1),)))
    lines = recording.to_jsonl().splitlines()
    lines[line : line + 1] = [damage]
    complaint = ""
    try:
        recordings.load("\n".join(lines), "r")
    except RecordingError as error:
        complaint = str(error)
    assert complaint == "" or complaint.startswith("r:")
