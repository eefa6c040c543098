"""Answer times of meters, fitted from a recording: a simulated population that answers as they do.

A meter's answer time is drawn evenly between two limits, in bit times from the last stop bit of the
request (MBDOC48 p.25). The limits are estimated from the shortest and the longest answer that was
seen, widened by what n samples of an even distribution miss at its ends on average. What the way
to the bus adds is not known and not subtracted, unless the converter's echo shows it: `late_bits`
says how much of the fitted figures it may be. A serial port adds little, a converter that sends
packets a lot; through one of those the figures are upper limits.
"""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ruamel.yaml import YAML

from simulators import frames
from simulators.frames import CiField

if TYPE_CHECKING:
    from hil.recording import Exchange, Recording

#: Fewer answers of a meter than this tell nothing about how its answer time is spread.
SAMPLES_MIN: Final = 5

#: Where identification number and manufacturer stand in RSP_UD with a long header (MBDOC48 p.37).
_NUMBER: Final = slice(7, 11)
_MANUFACTURER: Final = slice(11, 13)
_HEAD: Final = 13
#: Where the A field stands in a selection, and the number behind its CI field.
_SELECTED: Final = slice(7, 11)
_SELECTION_LENGTH: Final = 17


class CalibrationError(ValueError):
    """Nothing can be fitted; the message says why."""


@dataclass(frozen=True, slots=True)
class MeterTiming:
    """What was fitted for one meter; times in bit times of the recording's bit rate."""

    identification_number: str
    manufacturer: str
    samples: int
    shortest_bits: float
    median_bits: float
    longest_bits: float
    answer_delay_bits: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted from one recording, and how sure it is."""

    recording_sha256: str
    bus: str
    baudrate: int
    recorded: str
    facts: dict[str, str]
    uncertainty_bits: float
    #: What this kind of transport may add to an answer; the figures may be late by so much.
    late_bits: float
    #: What the converter's echo showed of the transport, and was subtracted.
    echo_bits: float
    meters: tuple[MeterTiming, ...]
    #: Meters with fewer than `SAMPLES_MIN` answers, and answers that were no whole telegram.
    too_few: tuple[str, ...]
    broken: int

    def to_yaml(self) -> str:
        """Return the profile of the answer times, with where it comes from."""
        document = {
            "calibration": 1,
            "provenance": {
                "recording_sha256": self.recording_sha256,
                "bus": self.bus,
                "baudrate": self.baudrate,
                "recorded": self.recorded,
                "method": "shortest and longest answer, widened for the number of samples",
                "uncertainty_bits": self.uncertainty_bits,
                "late_bits": self.late_bits,
                "echo_subtracted_bits": self.echo_bits,
                "facts": self.facts,
            },
            "meters": [
                {
                    "identification_number": one.identification_number,
                    "manufacturer": one.manufacturer,
                    "samples": one.samples,
                    "seen_bits": [one.shortest_bits, one.median_bits, one.longest_bits],
                    "answer_delay_bits": list(one.answer_delay_bits),
                }
                for one in self.meters
            ],
            "too_few_samples": list(self.too_few),
            "broken_answers": self.broken,
        }
        out = io.StringIO()
        YAML().dump(document, out)
        return out.getvalue()

    def applied_to(self, population: str) -> tuple[str, list[str]]:
        """Return a population file with the fitted answer times, and the numbers it lacks.

        Comments and order stay; each changed entry says where its figures come from.
        """
        yaml = YAML()
        document = yaml.load(population)
        entries = document["meters"] if isinstance(document, dict) else document
        left = {one.identification_number: one for one in self.meters}
        for entry in entries:
            written = entry.get("identification_number")
            number = f"{written:08d}" if type(written) is int else str(written).upper()
            timing = left.pop(number, None)
            if timing is not None:
                entry["answer_delay_bits"] = list(timing.answer_delay_bits)
        out = io.StringIO()
        out.write(
            f"# Answer times fitted from recording {self.recording_sha256[:16]} of {self.bus},\n"
            f"# {self.recorded}, {self.baudrate} Bd, within {self.uncertainty_bits:g} bit times,\n"
            f"# late by up to {self.late_bits:g}.\n"
        )
        yaml.dump(document, out)
        return out.getvalue(), sorted(left)


def calibrate(recording: Recording) -> Calibration:
    """Fit the answer times of every meter of a recording.

    Raises CalibrationError where no meter gave `SAMPLES_MIN` whole answers.
    """
    bit_ns = recording.line_format.bits_ns(1)
    echo_ns = _echo_ns(recording)
    delays: dict[str, list[float]] = {}
    broken = 0
    makers: dict[str, str] = {}
    for exchange in recording.exchanges():
        answer, begin_ns = _answer(recording, exchange, echoed=echo_ns is not None)
        if not answer:
            continue
        number = _number(exchange.request.data, answer)
        if number is None:
            broken += _is_broken(answer)
            continue
        if len(answer) > _HEAD:
            code = int.from_bytes(answer[_MANUFACTURER], "little")
            makers[number] = frames.manufacturer_letters(code) or ""
        late_ns = begin_ns - recording.request_end_ns(exchange.request) - (echo_ns or 0)
        delays.setdefault(number, []).append(late_ns / bit_ns)
    fitted = [
        _fitted(number, makers.get(number, ""), seen)
        for number, seen in sorted(delays.items())
        if len(seen) >= SAMPLES_MIN
    ]
    too_few = tuple(number for number, seen in delays.items() if len(seen) < SAMPLES_MIN)
    if not fitted:
        counts = ", ".join(f"{number}: {len(seen)}" for number, seen in delays.items())
        raise CalibrationError(
            f"no meter has {SAMPLES_MIN} whole answers ({counts or 'none was heard'})"
        )
    recorded = datetime.fromtimestamp(recording.epoch_ns // 1_000_000_000, UTC)
    return Calibration(
        recording_sha256=recording.sha256,
        bus=recording.bus,
        baudrate=recording.line_format.baudrate,
        recorded=f"{recorded:%Y-%m-%dT%H:%M:%SZ}",
        facts=dict(recording.facts),
        uncertainty_bits=round(recording.clock_ns / bit_ns + 1, 1),
        late_bits=0.0 if echo_ns is not None else round(recording.tolerance_ns / bit_ns, 1),
        echo_bits=round((echo_ns or 0) / bit_ns, 1),
        meters=tuple(fitted),
        too_few=tuple(sorted(too_few)),
        broken=broken,
    )


def _fitted(number: str, manufacturer: str, seen: list[float]) -> MeterTiming:
    low, high = min(seen), max(seen)
    # Of n even samples the extremes lie, on average, the (n-1)th part of their range inside.
    missed = (high - low) / (len(seen) - 1)
    return MeterTiming(
        identification_number=number,
        manufacturer=manufacturer,
        samples=len(seen),
        shortest_bits=round(low, 1),
        median_bits=round(statistics.median(seen), 1),
        longest_bits=round(high, 1),
        answer_delay_bits=(round(max(0.0, low - missed), 1), round(high + missed, 1)),
    )


def _echo_ns(recording: Recording) -> int | None:
    """Return how late the echo's last character is seen; None where there is no echo."""
    late = []
    for exchange in recording.exchanges():
        heard = b""
        for chunk in exchange.answers:
            heard += chunk.data
            if heard == exchange.request.data:
                late.append(chunk.at_ns - recording.request_end_ns(exchange.request))
            if len(heard) >= len(exchange.request.data):
                break
        else:
            return None
        if not heard.startswith(exchange.request.data):
            return None
    return int(statistics.median(late)) if late else None


def _answer(recording: Recording, exchange: Exchange, *, echoed: bool) -> tuple[bytes, int]:
    """Return what a meter said and when its first start bit began."""
    skip = len(exchange.request.data) if echoed else 0
    character_ns = recording.line_format.characters_ns(1)
    answer, begin_ns = b"", 0
    for chunk in exchange.answers:
        data, skip = chunk.data[skip:], max(0, skip - len(chunk.data))
        if data and not answer:
            first = chunk.first_ns if len(data) == len(chunk.data) else None
            end_of_first = first or chunk.at_ns - (len(data) - 1) * character_ns
            begin_ns = end_of_first - character_ns
        answer += data
    return answer, begin_ns


def _number(request: bytes, answer: bytes) -> str | None:
    """Return the number of the meter that answered; None where that is not sure."""
    if answer == frames.ACK:
        asked = frames.parse(request)
        exact = (
            asked is not None
            and asked.ci_field == CiField.SELECT
            and len(request) == _SELECTION_LENGTH
            and b"\xff" not in request[_SELECTED]
        )
        number = request[_SELECTED][::-1].hex().upper()
        return number if exact and "F" not in number else None
    if not _is_whole(answer) or len(answer) <= _HEAD or answer[6] != CiField.RSP_UD_VARIABLE:
        return None
    return answer[_NUMBER][::-1].hex().upper()


def _is_whole(answer: bytes) -> bool:
    if frames.frame_length(answer) != len(answer) or answer[-1] != frames.STOP:
        return False
    return frames.checksum(answer[4:-2]) == answer[-2]


def _is_broken(answer: bytes) -> bool:
    return answer != frames.ACK and not _is_whole(answer)
