"""A scenario told in plain English: the world, the steps on a time line, what is watched.

Times on the line are the earliest possible: a wait for something takes "up to" its limit, and what
comes behind it is shown with the sum of the certain waits before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.language.durations import show, show_time
from scenarios.language.ir import (
    AtPageRequest,
    AtTime,
    Every,
    LayoutCheck,
    OneOf,
    Parallel,
    Property,
    RegistersCheck,
    Repeat,
    Serial,
    Wait,
)
from scenarios.language.words import deed, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scenarios.language.diagnostics import Diagnostic
    from scenarios.language.ir import Check, Scenario, Step, TriggeredFault, World


def explain(scenario: Scenario, gaps: Mapping[str, Sequence[Diagnostic]]) -> str:
    """Return the text; `gaps` says for each backend what it lacks."""
    lines = [scenario.title, f"  {scenario.file}, scenario '{scenario.name}', seed {scenario.seed}"]
    if scenario.sweep is not None:
        lines.append(
            f"  a campaign goes through the seeds {scenario.sweep[0]}..{scenario.sweep[1]}"
        )
    if scenario.verifies:
        lines.append(f"  speaks about {', '.join(scenario.verifies)}")
    if scenario.pics is not None:
        lines.append(f"  for devices with {scenario.pics_text}")
    lines += ["", "The world", *_world(scenario.world)]
    lines += ["", f"What happens (at most {show(scenario.limit_ns)})"]
    lines += [f"  {when:>10}  {text}" for when, text in _steps(scenario.do, 0, "")]
    if scenario.faults:
        lines += ["", "What happens by itself", *map(_fault, scenario.faults)]
    for heading, judged in (
        ("What must hold for the run to prove anything", scenario.assume),
        ("What is watched all along", scenario.expect),
        ("What is looked at in the end", scenario.check),
    ):
        if judged:
            lines += ["", heading, *(line for one in judged for line in _judged(one))]
    lines += ["", "Where it runs"]
    for backend, missing in gaps.items():
        lines.append(f"  {backend}: {'everything it needs is there' if not missing else 'partly'}")
        lines += [f"    line {gap.place.line}: {gap.message}" for gap in missing]
    return "\n".join(lines) + "\n"


def _world(world: World) -> Iterator[str]:
    population = world.population
    yield f"  a bus at {world.baudrate} Bd with {len(population)} meters:"
    for entry in population.entries:
        count = f"{entry.count} x " if entry.count > 1 else ""
        yield f"    {count}{entry.id}: {entry.kind_name}"
    settings = ", ".join(f"{name}={value}" for name, value in world.config.items())
    yield f"  a gateway fresh from the factory{f', but with {settings}' if settings else ''}"
    for path in world.files:
        yield f"    with the file {path}"
    for client in world.clients:
        what = "all registers"
        if client.registers is not None:
            last = client.registers.start + client.registers.count - 1
            what = f"registers {client.registers.start}-{last}"
        over = f" over {client.connections} connections" if client.connections > 1 else ""
        every = show(client.period_ns)
        yield f"  a Modbus client '{client.id}' that reads {what} every {every}{over}"


def _steps(step: Step, at: int, indent: str) -> list[tuple[str, str]]:
    """Return (time, text) for a step and the steps inside it."""
    match step:
        case Serial(steps=steps):
            rows = []
            for one in steps:
                rows += _steps(one, at, indent)
                at += _certain(one)
            return rows
        case Parallel(steps=steps):
            rows = [(_when(at), f"{indent}side by side:")]
            for one in steps:
                rows += _steps(one, at, f"{indent}  ")
            return rows
        case Every(period_ns=period, step=inner, times=times):
            until = f"{times} times" if times else "until the scenario ends"
            rows = [(_when(at), f"{indent}every {show(period)}, {until}, beside what follows:")]
            return rows + _steps(inner, at, f"{indent}  ")
        case OneOf(steps=steps):
            rows = [(_when(at), f"{indent}one of these, drawn by the seed:")]
            for one in steps:
                rows += _steps(one, at, f"{indent}  ")
            return rows
        case Repeat(times=times, step=inner):
            return [(_when(at), f"{indent}{times} times:"), *_steps(inner, at, f"{indent}  ")]
        case _:
            return [(_when(at), indent + deed(step))]


def _fault(fault: TriggeredFault) -> str:
    match fault.trigger:
        case AtTime(ns=ns):
            when = f"{show(ns)} after the first step"
        case AtPageRequest(meter=meter, page=page, number=number):
            when = f"when telegram {page} of meter '{meter}' is asked for"
            when += f" for time {number}" if number > 1 else ""
        case _:
            when = f"when {values(fault.trigger.wanted)}"
    if fault.after_ns:
        when += f", {show(fault.after_ns)} later"
    if fault.times > 1:
        when += f", up to {fault.times} times"
    return f"  {fault.id}: {when}: {', and '.join(deed(one) for one in fault.deeds)}"


def _certain(step: Step) -> int:
    """Return how long a step takes at least."""
    match step:
        case Wait(ns=ns):
            return ns
        case Serial(steps=steps):
            return sum(_certain(one) for one in steps)
        case Parallel(steps=steps):
            return max((_certain(one) for one in steps), default=0)
        case OneOf(steps=steps):
            return min((_certain(one) for one in steps), default=0)
        case Repeat(times=times, step=inner):
            return times * _certain(inner)
        case _:
            return 0


def _when(at: int) -> str:
    return f"≥ {show_time(at)}" if at else "0 s"


def _judged(one: Check) -> Iterator[str]:
    req = f"  [{', '.join(one.requirements)}]" if one.requirements else ""
    match one:
        case Property(text=text, instances=instances):
            yield f"  {one.id}: {text}{req}"
            if len(instances) > 1:
                yield f"      for each of {len(instances)} meters"
        case LayoutCheck(meters=meters):
            yield f"  {one.id}: the registers of {len(meters)} meters hold what they sent{req}"
        case RegistersCheck(runs=runs):
            words = sum(len(run.words) for run in runs)
            yield f"  {one.id}: {words} registers hold exactly the words written down{req}"
    if one.why:
        yield f"      because: {one.why}"
    if one.only is not None:
        yield f"      only on {', '.join(one.only)}"
