"""Tries and time-outs on the bus, measured from the wire (C-39, C-60, C-70)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from reports.record import Measurement
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import SuiteCase, add, case
from scenarios.compliance.verdicts import frame_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Frame, Trial
    from scenarios.compliance.verdicts import Verdicts

METER_A: Final = WORKED_EXAMPLES[:1]
PRIMARY: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 5,
}
REQ_UD2: Final = (bytes.fromhex("10 7B 05 80 16"), bytes.fromhex("10 5B 05 60 16"))
_NS_PER_MS: Final = 1_000_000


async def silent_readout(trial: Trial) -> list[Frame]:
    """Find the meter, cut it off, read it; return the requests for data that were sent."""
    await trial.appliance.scan()
    await trial.wait_s(30)
    trial.meters["a"].power(False)
    before = len(trial.frames)
    await trial.appliance.readout()
    return [frame for frame in trial.frames[before:] if frame.data in REQ_UD2]


def distances_ms(requests: list[Frame]) -> list[float]:
    """From the end of each request to the first character of the next, in ms."""
    # A frame's first_ns is the end of its first character: 11 bits before that it began.
    bits = 11 * 1e9 / 2400
    return [
        (after.first_ns - bits - before.at_ns) / _NS_PER_MS
        for before, after in itertools.pairwise(requests)
    ]


def _tries(name: str, config: dict[str, str | int], sends: int, wait_ms: int) -> None:
    ids = ("CFG-11", "SCAN-06.1") if not config else ("SCAN-06.1", "SCAN-06.2", "CFG-11")

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        requests = await silent_readout(trial)
        evidence = [frame_evidence(frame) for frame in requests]
        for requirement in ids:
            verdicts.equal(requirement, "requests for data", sends, len(requests), *evidence)
        verdicts.check(
            "CFG-11",
            len({frame.data for frame in requests}) == 1,
            "expected a repeated request to keep its frame count bit",
            *evidence,
        )
        for distance in distances_ms(requests):
            # Behind the time-out only the idle time of 33 bits may pass (MBDOC48 p.14).
            verdicts.measured(
                "CFG-11",
                Measurement(
                    name="silence before the next try",
                    value=distance,
                    unit="ms",
                    minimum=wait_ms - 0.001,
                    maximum=wait_ms + 14,
                ),
            )

    add(
        SuiteCase(
            f"timing/tries-{name}",
            f"A silent meter is asked {sends} times, {wait_ms} ms apart",
            ids,
            Arrangement(METER_A, {**PRIMARY, **config}, baudrate=2400),
            procedure,
        )
    )


_tries("default", {}, 4, 2000)
_tries("0", {"MBUS_MAXRETRY": 0}, 1, 2000)
_tries("1-short", {"MBUS_MAXRETRY": 1, "MBUS_TIMEOUT": 300}, 2, 300)
_tries("7-long", {"MBUS_MAXRETRY": 7, "MBUS_TIMEOUT": 3000}, 8, 3000)


def _late(name: str, delay_ms: int, timeout_ms: int, *, heard: bool) -> None:
    """A meter that answers after `delay_ms` is read, or not, by a master that waits so long."""
    bits = delay_ms * 2400 // 1000
    meters = ({**METER_A[0], "answer_delay_bits": [bits, bits]},)
    config = {**PRIMARY, "MBUS_TIMEOUT": timeout_ms, "MBUS_MAXRETRY": 0, "MBUS_RESETMODE": 2}

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        found = [meter.identification_number for meter in trial.appliance.meters()]
        for requirement in ("CFG-11", "TROUBLE-01.9"):
            verdicts.equal(
                requirement,
                f"an answer after {delay_ms} ms with MBUS_TIMEOUT={timeout_ms}",
                ["66600106"] if heard else [],
                found,
            )

    add(
        SuiteCase(
            f"timing/late-{name}",
            f"An answer after {delay_ms} ms is {'heard' if heard else 'lost'} "
            f"with MBUS_TIMEOUT={timeout_ms}",
            ("CFG-11", "TROUBLE-01.9"),
            Arrangement(meters, config, baudrate=2400),
            procedure,
        )
    )


_late("in-time", 1990, 2000, heard=True)
_late("too-late", 2010, 2000, heard=False)
_late("longer", 2010, 2100, heard=True)


@case(
    "timing/idle",
    "An answer that stops is given up MBUS_IDLETIMEOUT after its last character",
    ("CFG-12",),
    Arrangement(
        ({**METER_A[0], "faults": [{"truncated": {"characters": 9}, "at": "30 s"}]},),
        {**PRIMARY, "MBUS_IDLETIMEOUT": 400, "MBUS_MAXRETRY": 1},
        baudrate=2400,
    ),
)
async def idle(trial: Trial, verdicts: Verdicts) -> None:
    """From the last character of the piece to the next try: the idle time-out and 33 bits."""
    await trial.appliance.scan()
    await trial.wait_s(60)
    before = len(trial.frames)
    await trial.appliance.readout()
    frames = trial.frames[before:]
    pieces = [
        (piece, after)
        for piece, after in itertools.pairwise(frames)
        if piece.meter == "a" and len(piece.data) == 9 and after.data in REQ_UD2
    ]
    verdicts.check("CFG-12", bool(pieces), "expected another try after a broken answer, seen none")
    for piece, after in pieces:
        distance = (after.first_ns - 11 * 1e9 / 2400 - piece.at_ns) / _NS_PER_MS
        verdicts.measured(
            "CFG-12",
            Measurement(
                name="silence before the next try",
                value=distance,
                unit="ms",
                minimum=400 - 0.001,
                maximum=400 + 120,
            ),
        )


@case(
    "timing/shown-by-time-out",
    "Of a meter that answers every second time, more tries read what fewer lose",
    ("TROUBLE-01.3", "SCAN-06.1"),
    Arrangement(METER_A, {**PRIMARY, "MBUS_MAXRETRY": 3}, baudrate=2400),
)
async def weak(trial: Trial, verdicts: Verdicts) -> None:
    """Three lost answers in a row need the fourth try."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    trial.meters["a"].fault("silent", True, times=3)
    await trial.appliance.readout()
    flags = (await trial.registers(last=20)).get(18)
    for requirement in ("TROUBLE-01.3", "SCAN-06.1"):
        verdicts.equal(requirement, "flags after three lost answers and four tries", 0, flags)
