"""Selecting and running the suite on the reference gateway in virtual time.

Cases are independent: each has a world of its own and the same seed gives the same verdicts in any
order, so they are spread over processes. Two kinds count: cases that are code, and the scenarios of
the library, of which each `expect` and `check` line with a requirement is one.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from gateway.runtime.errors import Deadlock, Livelock, Runaway
from reports.record import Case
from reports.verdict import Verdict
from scenarios.backends.base import BackendError
from scenarios.backends.pty import PtyBackend
from scenarios.backends.sim import SimBackend
from scenarios.compliance import evidence, registry
from scenarios.compliance.arrangement import arrange
from scenarios.compliance.verdicts import Verdicts
from scenarios.language.compile import compile_path
from scenarios.run import LIBRARY, SUFFIX, library_folder, run_scenario, select

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from reports.record import RegisterTable
    from scenarios.compliance.pics import Pics
    from scenarios.language.ir import Scenario


NS_PER_S: Final = 1_000_000_000
#: Cases handed to a process at once.
CHUNK: Final = 4
#: What raises from here is the device's own failure, not the bench's.
DEVICE_PACKAGES: Final = ("gateway.mbus", "gateway.modbus", "gateway.registers", "gateway.device")
#: The scenarios whose registers stand in every report; of others only those with differences do.
DRAWN: Final = frozenset(
    {"library/registers/worked-example", "library/registers/types-and-units-of-the-standard"}
)
#: The scenarios of the library, as part of the suite.
LIBRARY_PREFIX: Final = "library/"


@dataclass(frozen=True, slots=True)
class Selected:
    """One unit of work: a case that is code, or one scenario of the library."""

    id: str
    title: str
    requirements: tuple[str, ...]
    claims: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: cases, the text of each trace by its file name, and registers as tables."""

    cases: tuple[Case, ...]
    traces: Mapping[str, str]
    tables: tuple[RegisterTable, ...] = ()

    @classmethod
    def of(
        cls, unit: str, cases: Iterable[Case], trace: str, tables: tuple[RegisterTable, ...] = ()
    ) -> Found:
        """What one unit found; `trace` is empty where it left none."""
        if not trace:
            return cls(tuple(cases), {}, tables)
        name = evidence.file_name(unit)
        traced = (case.model_copy(update={"traces": (name,)}) for case in cases)
        return cls(tuple(traced), {name: trace}, tables)


def select_cases(requirements: Collection[str] | None = None) -> list[Selected]:
    """Return what decides any of `requirements` (all by default), in the order of ids."""
    everything = [*_code(), *_library(requirements)]
    if requirements is None:
        return everything
    return [one for one in everything if not set(requirements).isdisjoint(one.requirements)]


def one_by_one(first: Sequence[str] = ()) -> Iterator[Selected]:
    """Yield everything for a run that may end early: the library is not compiled before its turn.

    Cases whose id begins with one of `first` come first.
    """
    code = list(_code())
    yield from (one for one in code if one.id.startswith(tuple(first)))
    yield from (one for one in code if not one.id.startswith(tuple(first)))
    yield from _library(None)


def _code() -> Iterator[Selected]:
    for one in registry.cases().values():
        yield Selected(one.id, one.title, one.requirements, one.claims)


def _library(requirements: Collection[str] | None) -> Iterator[Selected]:
    """The library; where `requirements` are asked for, only what may be about one of them."""
    for file in select([LIBRARY]):
        if requirements is not None:
            # Compiling a hundred scenarios to run one takes longer than that one.
            text = file.path.read_text(encoding="utf-8")
            if not any(requirement in text for requirement in requirements):
                continue
        name = file.name.removeprefix(f"{LIBRARY}/").removesuffix(SUFFIX)
        scenario = _scenario(f"{LIBRARY_PREFIX}{name}")
        judged = (*scenario.expect, *scenario.check)
        cited = dict.fromkeys(id_ for one in judged for id_ in one.requirements)
        yield Selected(f"{LIBRARY_PREFIX}{name}", scenario.title, tuple(cited))


@cache
def _scenario(id_: str) -> Scenario:
    """A scenario of the library by the id of its unit; compiled once, as it is selected and run."""
    path = library_folder() / f"{id_.removeprefix(LIBRARY_PREFIX)}{SUFFIX}"
    return compile_path(path, name=id_).require()


def run(
    selected: Iterable[Selected],
    *,
    pics: Pics | None = None,
    seed: int = 1,
    workers: int = 1,
    fail_fast: bool = False,
    about: Collection[str] | None = None,
    real_time_s: float | None = None,
    progress: Callable[[str], None] = lambda _id: None,
) -> Found:
    """Run what was selected; cases and traces come back in the order of `selected`.

    A case about an option that `pics` does not claim is NOT_APPLICABLE and is not run. With
    `fail_fast` the run ends behind the first case above PASS, of those that decide something in
    `about`, or of any; that takes one process.

    With `real_time_s` the gateway is a process behind a pseudo-terminal and TCP: scenarios that
    last no longer than that are run in real time, and nothing else is.
    """
    if not fail_fast:
        selected = list(selected)
        workers = workers if len(selected) > CHUNK else 1
    if workers <= 1 or fail_fast:
        found = []
        for one in selected:
            found.append(_unclaimed(one, pics) or run_one(one.id, seed, real_time_s))
            progress(one.id)
            if fail_fast and any(_counts(case, about) for case in found[-1].cases):
                break
        return _joined(found)
    # Fork, so that a gateway planted with a defect is the one that the workers have too.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        wanted = [one for one in selected if not _unclaimed(one, pics)]
        started = partial(run_one, seed=seed, real_time_s=real_time_s)
        results = pool.map(started, [one.id for one in wanted], chunksize=CHUNK)
        found = []
        for one in selected:
            found.append(_unclaimed(one, pics) or next(results))
            progress(one.id)
    return _joined(found)


def _counts(case: Case, about: Collection[str] | None) -> bool:
    """Whether a case ends a run that is to end early."""
    if about is None:
        return case.verdict > Verdict.PASS
    # What broke the bench says nothing of the device: the next case may.
    return case.verdict is Verdict.FAIL and not set(about).isdisjoint(case.requirements)


def _joined(found: Sequence[Found]) -> Found:
    return Found(
        tuple(case for one in found for case in one.cases),
        {name: text for one in found for name, text in one.traces.items()},
        tuple(table for one in found for table in one.tables),
    )


def _unclaimed(one: Selected, pics: Pics | None) -> Found | None:
    """The cases of something that the device does not claim; None where it does."""
    if pics is None or pics.claimed(one.claims):
        return None
    reason = f"the statement does not claim {one.claims}"
    cases = [
        Case(
            id=f"{one.id}/{requirement}",
            title=one.title,
            requirements=(requirement,),
            verdict=Verdict.NOT_APPLICABLE,
            reason=reason,
        )
        for requirement in one.requirements
    ]
    return Found(tuple(cases), {})


def run_one(id_: str, seed: int, real_time_s: float | None = None) -> Found:
    """Run one case; whatever breaks becomes a verdict.

    What the gateway raises is its own failure: a device that dies has not done what it should.
    """
    if id_.startswith(LIBRARY_PREFIX):
        return _run_scenario(id_, seed, real_time_s)
    if real_time_s is not None:
        return Found((), {})
    one = registry.cases()[id_]
    verdicts = Verdicts(one.id, one.title, one.requirements)

    async def procedure(trial: object) -> None:
        await one.procedure(trial, verdicts)  # type: ignore[arg-type]

    try:
        trial = arrange(one.arrangement, procedure, name=one.id, seed=seed)
    except Exception as error:
        reason = str(BackendError.of(error))
        return Found(tuple(verdicts.broken(_blame(error), reason)), {})
    trace = evidence.of_case(one.id, seed, trial.frames, verdicts.log)
    return Found.of(one.id, verdicts.cases(), trace)


def _blame(error: BaseException) -> Verdict:
    """FAIL where the gateway raised, hung or did not answer in time; ERROR where the bench did."""
    if isinstance(error, OSError | Deadlock | Livelock | Runaway):
        # What was asked of the device did not come, or it never comes to rest. The simulated
        # world does neither by itself: it is a heap of timers.
        return Verdict.FAIL
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    ours = [name for name in frames if name.partition(".")[0] in ("gateway", "scenarios")]
    inside = bool(ours) and ours[-1].startswith(DEVICE_PACKAGES)
    return Verdict.FAIL if inside else Verdict.ERROR


def _run_scenario(id_: str, seed: int, real_time_s: float | None) -> Found:
    scenario = _scenario(id_)
    own_seed = seed if seed != 1 else None
    result = run_scenario(scenario, SimBackend(), own_seed)
    if real_time_s is not None:
        # Virtual time says how long it lasts before anybody waits for it.
        if result.virtual_ns > real_time_s * NS_PER_S:
            return Found((), {})
        result = run_scenario(scenario, PtyBackend(), own_seed)
    cases = [case.model_copy(update={"id": f"{id_}/{case.id}"}) for case in result.judged.cases]
    trace = ""
    if result.trace:
        trace = evidence.of_scenario(id_, result)
    return Found.of(id_, cases, trace, tuple(_shown(id_, result.judged.tables)))


def _shown(id_: str, tables: Iterable[RegisterTable]) -> Iterator[RegisterTable]:
    """The registers that the report draws: every difference, and those of some good runs."""
    for table in tables:
        if table.verdict > Verdict.PASS or id_ in DRAWN:
            where = f"in {id_}" + (f"; {table.note}" if table.note else "")
            yield table.model_copy(update={"id": f"{id_}/{table.id}", "note": where})
