"""The last steps of a start-up as port, bus and the file of the log show them (manual 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import NS_PER_S, PRIMARY
from scenarios.compliance.outside import restarted
from scenarios.compliance.registry import case
from scenarios.compliance.verdicts import frame_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_LOG: Final = "log/system.log"
#: The last digit of a time in the log.
_DIGIT_S: Final = 0.001
#: How long the services take to start.
_SERVICES_NS: Final = 5 * NS_PER_S


def _steps(text: str) -> list[tuple[float, str]]:
    """Time since the start (s) and number of each step of the last start-up in the system log."""
    lines = [line.split() for line in text.splitlines()]
    steps = [
        (float(words[1]), words[4].removeprefix("step="))
        for words in lines
        if len(words) > 4 and words[3] == "gateway.startup"
    ]
    firsts = [place for place, (_, step) in enumerate(steps) if step == "1"]
    return steps[firsts[-1] :] if firsts else steps


@case(
    "start-up/steps",
    "The services start in the fourth step, the main application in the fifth",
    ("NET-05.4", "NET-05.5"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def start_up(trial: Trial, verdicts: Verdicts) -> None:
    """The port opens when the services have started, to the nanosecond; nothing is read before.

    The file of the log must have the steps in order, at the times at which they were seen.
    """
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.appliance.readout()
    since, due = len(trial.frames), trial.rt.now() + _SERVICES_NS
    trial.delay_listening(_SERVICES_NS)
    trial.appliance.reboot()
    opened = (await restarted(trial, due)).end
    await trial.wait_s(5)
    if not verdicts.check("NET-05.4", opened is not None, "the port did not open again"):
        return
    assert opened is not None, "it was checked"
    off_ns = opened.at_ns - due
    verdicts.check(
        "NET-05.4", abs(off_ns) <= opened.uncertainty_ns <= 2,
        f"the port opens {off_ns} ns behind the start of the services, "
        f"± {opened.uncertainty_ns} ns",
    )  # fmt: skip
    steps = _steps(trial.storage.read(_LOG).decode())
    for requirement in ("NET-05.4", "NET-05.5"):
        verdicts.equal(requirement, "steps in the log", list("12345"), [step for _, step in steps])
    at = {step: seconds for seconds, step in steps}
    seen = round(opened.at_ns / NS_PER_S, 3)
    verdicts.equal("NET-05.4", "time of step 4 in the log, and of the port", seen, at.get("4"))
    verdicts.check(
        "NET-05.4", at.get("3", seen) <= seen - _SERVICES_NS / NS_PER_S + _DIGIT_S,
        f"step 3 is told at {at.get('3')} s, when the services were starting already",
    )  # fmt: skip
    _reads_after(trial, verdicts, since, opened.at_ns, at.get("5"))


def _reads_after(
    trial: Trial, verdicts: Verdicts, since: int, opened_ns: int, step_s: float | None
) -> None:
    """Check that the main application, which is what reads meters, begins behind the services."""
    frames = trial.frames[since:]
    if not verdicts.check("NET-05.5", bool(frames), "nothing was read after the fifth step"):
        return
    first = frames[0]
    after_ns = first.first_ns - opened_ns
    verdicts.check(
        "NET-05.5", 0 <= after_ns <= NS_PER_S,
        f"the first telegram begins {after_ns} ns behind the opening of the port",
        frame_evidence(first, "first telegram"),
    )  # fmt: skip
    verdicts.check(
        "NET-05.5", step_s is not None and step_s <= first.first_ns / NS_PER_S + _DIGIT_S,
        f"step 5 is told at {step_s} s, the first telegram was at {first.first_ns / NS_PER_S} s",
    )  # fmt: skip
