"""What the demo concludes: cases about search, layout and refusals, joined in a run record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.record import (
    Case,
    Evidence,
    Lane,
    Measurement,
    RegisterTable,
    Run,
    RunRecord,
    Span,
    Timeline,
    Tone,
)
from reports.verdict import Verdict
from scenarios import requirements
from scenarios.checks import layout as layout_check
from scenarios.checks.expectation import expected_meter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scenarios.demo.basement import Basement
    from scenarios.demo.client import Probe

#: What function codes that the device does not serve are refused with (MOD-03, MOD-04).
_REFUSALS: Final = {0x01: (2, "MOD-03.1", "read coils"), 0x04: (1, "MOD-04", "input registers")}
#: Identification objects whose text the manual fixes for the 80 UL model (MOD-05).
_OBJECTS: Final = {
    0: "HMS Industrial Networks AB",
    1: "2",
    2: "001",
    3: "www.anybus.com",
    4: "Anybus M-Bus to Modbus-TCP Gateway",
    5: "Standard",
    6: "Anybus M-Bus to Modbus-TCP 80",
}
#: Gaps between frames that the drawing does not show.
_GAP_NS: Final = 30_000_000


async def conclude(basement: Basement, run: Run) -> RunRecord:
    """Read every register a last time and judge what stands in them.

    Raises ConnectionError when the gateway has gone.
    """
    cases = [_search_case(basement)]
    gateway: RegisterTable | None = None
    meters: tuple[RegisterTable, ...] = ()
    if cases[0].verdict is Verdict.PASS:
        blocks = await basement.look()
        comparison = layout_check.compare(
            blocks,
            [expected_meter(meter) for meter in basement.converter.network.meters.values()],
            clock=layout_check.Clock(basement.converter.epoch_s),
        )
        cases += comparison.cases
        gateway, meters = comparison.gateway, comparison.meters
        cases += [_refusal_case(probe) for probe in await basement.client.refusals()]
        cases.append(_identification_case(await basement.client.identification()))
    return RunRecord.assemble(
        run,
        cases,
        catalogue=requirements.load(),
        gateway=gateway,
        meters=meters,
        timeline=timeline(basement),
    )


def _search_case(basement: Basement) -> Case:
    """The search ended, and one read-out pass after it; without them nothing else is judged."""
    activity = basement.activity
    done, read = activity.scan_done_s is not None, activity.passes > 0
    reason = ""
    if basement.failure:
        reason = f"the search failed: {basement.failure}"
    elif not done:
        share = f"{activity.searched:.0%}"
        reason = f"the search had not ended after {basement.elapsed_s:.1f} s ({share} done)"
    elif not read:
        reason = f"no read-out pass had ended after {basement.elapsed_s:.1f} s"
    measurements = [
        Measurement(name="masks asked", value=activity.selects, unit=""),
        Measurement(name="collisions on the bus", value=activity.collisions, unit=""),
        Measurement(name="telegrams on the bus", value=activity.frames, unit=""),
    ]
    for name, seconds in (
        ("search", activity.scan_done_s),
        ("first value in a register", activity.first_value_s),
    ):
        if seconds is not None:
            measurements.append(Measurement(name=name, value=round(seconds, 3), unit="s"))
    return Case(
        id="demo/search",
        title="The secondary search runs to its end and a read-out pass follows",
        requirements=("SCAN-01",),
        verdict=Verdict.INCONCLUSIVE if reason else Verdict.PASS,
        reason=reason,
        measurements=tuple(measurements),
    )


def _refusal_case(probe: Probe) -> Case:
    expected, requirement, name = _REFUSALS[probe.function_code]
    seen = "an answer" if probe.exception_code is None else f"exception {probe.exception_code:02X}"
    fits = probe.exception_code == expected
    return Case(
        id=f"demo/function-{probe.function_code:02X}",
        title=f"Function code {probe.function_code:02X} ({name}) is refused",
        requirements=(requirement,),
        verdict=Verdict.PASS if fits else Verdict.FAIL,
        reason="" if fits else f"expected exception {expected:02X}, seen {seen}",
        evidence=(
            Evidence(kind="frame", where=f"function code {probe.function_code:02X}", content=seen),
        ),
    )


def _identification_case(objects: dict[int, str]) -> Case:
    lines = [
        f"object {number:02X}: expected {text!r}, seen {objects.get(number, '(none)')!r}"
        for number, text in _OBJECTS.items()
        if objects.get(number) != text
    ]
    return Case(
        id="demo/identification",
        title="The device says who it is (function code 2B, regular category)",
        requirements=("MOD-05.2",),
        verdict=Verdict.FAIL if lines else Verdict.PASS,
        reason="\n".join(lines),
        evidence=tuple(
            Evidence(kind="frame", where=f"object {number:02X}", content=text)
            for number, text in sorted(objects.items())
            if text
        ),
    )


# --- Timeline ---------------------------------------------------------------------------------


def timeline(basement: Basement) -> Timeline:
    """Gateway, bus and collisions over the run."""
    network = basement.converter.network
    end_ns = max([at_ns for at_ns, _, _ in basement.events], default=0)
    frames = [fields for _, kind, fields in basement.events if kind == "bus.frame"]
    lanes = [Lane(name="gateway", spans=tuple(_states(basement, end_ns)))]
    lanes.append(Lane(name="master", spans=tuple(_joined(f for f in frames if f["meter"] is None))))
    lanes.extend(
        Lane(name=name, spans=tuple(_joined(f for f in frames if f["meter"] == name)))
        for name in network.meters
    )
    collisions = [
        Span(
            start_ns=fields["first_ns"],
            end_ns=fields["last_ns"],
            label="collision",
            tone=Tone.WARNING,
        )
        for _, kind, fields in basement.events
        if kind == "bus.collision"
    ]
    lanes.append(Lane(name="collisions", spans=tuple(collisions)))
    return Timeline(end_ns=end_ns, lanes=tuple(lanes))


def _states(basement: Basement, end_ns: int) -> list[Span]:
    """The gateway's scan and read-out passes; both clocks start within a moment of each other."""
    spans: list[Span] = []
    open_since: dict[str, int] = {}
    for at_ns, kind, fields in basement.events:
        if kind not in ("gateway.scan", "gateway.readout"):
            continue
        label = kind.removeprefix("gateway.")
        if fields["value"] == "running":
            open_since[label] = at_ns
        elif label in open_since:
            spans.append(Span(start_ns=open_since.pop(label), end_ns=at_ns, label=label))
    spans += [Span(start_ns=at_ns, end_ns=end_ns, label=name) for name, at_ns in open_since.items()]
    return spans


def _joined(frames: Iterable[dict[str, int]]) -> list[Span]:
    """Frames as spans; neighbours that the drawing could not tell apart become one."""
    spans: list[list[int]] = []
    for frame in frames:
        if spans and frame["first_ns"] - spans[-1][1] < _GAP_NS:
            spans[-1][1] = frame["last_ns"]
        else:
            spans.append([frame["first_ns"], frame["last_ns"]])
    return [Span(start_ns=start, end_ns=end) for start, end in spans]
