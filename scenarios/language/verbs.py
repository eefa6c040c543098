"""The verbs of a scenario, one model each: what a step is led by, and what it takes.

The docstring of a model is its text in the reference (``docs/scenario-reference.md``), its fields
are the rows of its table. No verb waits for what it has begun, but for those that say so.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from scenarios.language.fields import ID_PATTERN, REPEAT_MAX, Duration, FilePath, Strict, Switch

_STEPS: Final = {"type": "array", "items": {"$ref": "#/$defs/Step"}}
Steps = Annotated[list[Any], WithJsonSchema(_STEPS)]

Register = Annotated[int, Field(ge=0, le=0xFFFF)]

#: Octets of an ADU that a file may write out; a client may send more than is legal.
OCTETS_MAX: Final = 1000


# --- Composition ------------------------------------------------------------------------------


class SerialStep(Strict):
    """The steps below one after the other."""

    serial: Steps


class ParallelStep(Strict):
    """The steps below side by side; done when all are."""

    parallel: Steps


class OneOfStep(Strict):
    """One of the steps below, drawn by the seed."""

    one_of: Steps = Field(min_length=1)


class WaitStep(Strict):
    """Let time pass."""

    wait: Duration


class WaitUntilStep(Strict):
    """Wait until signals have these values, all at once; FAIL if they have not in time."""

    wait_until: dict[str, Any] = Field(min_length=1)
    within: Duration


class EveryStep(Strict):
    """Do the steps below again and again, beside what follows, until the scenario ends."""

    every: Duration
    do: Steps
    times: int | None = Field(default=None, ge=1, le=REPEAT_MAX)


class RepeatStep(Strict):
    """Do the steps below so many times."""

    repeat: int = Field(ge=1, le=REPEAT_MAX)
    do: Steps


# --- The gateway ------------------------------------------------------------------------------


class Nothing(Strict):
    """A verb that takes no arguments: ``scan: {}``."""


class ScanStep(Strict):
    """Ask the gateway to search the bus; goes on once it has begun, see ``gateway.scan``."""

    scan: Nothing


class Whom(Strict):
    """Which meter; all where it is left out."""

    meter: str | None = None


class Whose(Strict):
    """Which meters: an id, or a pattern with ``*`` and ``?``."""

    meter: str


class ReadoutStep(Strict):
    """Ask the gateway to read a meter, or all; goes on once it has begun, see `gateway.readout`."""

    readout: Whom


class AllocateStep(Strict):
    """Let the gateway give registers to every meter and value in its list (manual 4.3)."""

    allocate: Nothing


class Settings(Strict):
    """What is changed, on which rows; `refused: true` wants the gateway to refuse it."""

    config: dict[str, int | str] = Field(default_factory=dict, description="Keys of chip.ini.")
    meters: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Elements of Device_Handle.cfg for meters (an id or a pattern), and under "
        "`values` those of its values by their position from 0.",
    )
    refused: bool = False


class ConfigureStep(Strict):
    """Change settings and rows of the meter list, as a page does; they count from `save` on."""

    configure: Settings


class FileModel(Strict):
    """A file of the gateway and its whole new content."""

    file: FilePath
    text: str


class WriteStep(Strict):
    """Replace a file of the gateway; it is read at the next start (C-51)."""

    write: FileModel


class SaveModel(Strict):
    """With `refused: true` the gateway has to refuse it."""

    refused: bool = False


class SaveStep(Strict):
    """Save what was changed, and the meter list in any case."""

    save: SaveModel


class ReloadStep(Strict):
    """Forget what was changed and not saved."""

    reload: Nothing


class AddModel(Strict):
    """The fields of the page's Add dialog (manual 6.1)."""

    serial: str = Field(description="Eight digits.")
    link: int = Field(default=0, ge=0, le=250, description="Primary address.")
    cycle: int = Field(default=0, ge=0)
    label: str = ""
    register_: Register = Field(default=0, alias="register")
    count: int = Field(default=1, ge=1)


class AddStep(Strict):
    """List meters by hand; counts from `save` on."""

    add: AddModel


class DeleteStep(Strict):
    """Take meters off the list; counts from `save` on."""

    delete: Whose


class DeallocateStep(Strict):
    """Take all registers back; counts from `save` on."""

    deallocate: Nothing


class RebootStep(Strict):
    """Restart the gateway as its Service tab does; goes on once it serves again."""

    reboot: Nothing


class HangModel(Strict):
    """How long, for ever where it is left out."""

    lasting: Duration | None = Field(default=None, alias="for")


class HangStep(Strict):
    """Let the gateway's main task hang: a blocked task on sim, SIGSTOP of the process on pty."""

    hang: HangModel


# --- The world --------------------------------------------------------------------------------


class PowerModel(Strict):
    """Which meters (an id, or a pattern with ``*`` and ``?``), or which device."""

    meter: str | None = None
    device: Literal["gateway"] | None = None
    to: Switch


class PowerStep(Strict):
    """Switch meters, or the gateway, off or on.

    A gateway that is switched on goes on once it serves again.
    """

    power: PowerModel


class FaultModel(Strict):
    """`on` is one fault with its parameters, `off` the name of one.

    `meter` is an id or a pattern with ``*`` and ``?``; without it the fault is one of the line.
    """

    meter: str | None = None
    on: dict[str, Any] | None = Field(default=None, min_length=1, max_length=1)
    off: str | None = None
    lasting: Duration | None = Field(
        default=None, alias="for", description="Ends by itself, beside what follows."
    )


class FaultStep(Strict):
    """Begin or end a fault of meters, of the line or of the converter (docs/bus.md names them)."""

    fault: FaultModel


class NoiseModel(Strict):
    """Every bit on the line is turned round with the probability `flip`, for as long as `burst`."""

    burst: Duration
    flip: float = Field(gt=0, le=1)


class NoiseStep(Strict):
    """Disturb the line for a while, beside what follows."""

    noise: NoiseModel


class SwitchModel(Strict):
    """On or off."""

    to: Switch


class EchoStep(Strict):
    """Let the converter return the gateway's own characters, or end that."""

    echo: SwitchModel


class CutModel(Strict):
    """Where, and how long; for good where `for` is left out."""

    at: Literal["bus", "converter"] = Field(
        description="bus: nothing passes any more. converter: the port vanishes from the host."
    )
    lasting: Duration | None = Field(default=None, alias="for")


class CutStep(Strict):
    """Cut the way between gateway and meters for a while, beside what follows."""

    cut: CutModel


class MendStep(Strict):
    """Mend what `cut` has cut."""

    mend: Nothing


class SetModel(Strict):
    """Which record of which meters, counted from 0 over the whole read-out."""

    meter: str
    record: int = Field(ge=0)
    value: Any = Field(description="As in a population: a number, a text, an expression of time.")


class SetStep(Strict):
    """Let meters say another value from now on."""

    set: SetModel


# --- Clients ----------------------------------------------------------------------------------


class PollModel(Strict):
    """Registers to read once; all that are served where they are left out."""

    start: Register | None = Field(default=None, alias="from")
    count: int | None = Field(default=None, ge=1, le=125)


class PollStep(Strict):
    """Read registers over Modbus once; FAIL if they cannot be read."""

    poll: PollModel


class ClientName(Strict):
    """Which client of the file."""

    client: str


class StartStep(Strict):
    """Let a client begin to read."""

    start: ClientName


class StopStep(Strict):
    """Let a client end."""

    stop: ClientName


class RequestModel(Strict):
    """One request of a client of the file, on a connection of its own.

    Anything that the fields can hold may be asked, also what is illegal.
    """

    client: str = Field(pattern=ID_PATTERN)
    start: Register = Field(default=0, alias="from")
    count: int = Field(default=1, ge=0, le=0xFFFF)
    unit: int = Field(default=255, ge=0, le=255)
    function: int = Field(default=3, ge=0, le=127)


class ReadStep(Strict):
    """Let a client ask once.

    Afterwards ``CLIENT.exception`` is the code of the exception, 0 for none, and ``CLIENT.word(N)``
    the words that came.
    """

    read: RequestModel


class IdentifyModel(Strict):
    """Function code 2B: which client asks, and for which objects."""

    client: str = Field(pattern=ID_PATTERN)
    code: int = Field(default=1, ge=0, le=255, description="01 basic, 02 regular.")
    object: int = Field(default=0, ge=0, le=255)
    unit: int = Field(default=255, ge=0, le=255)


class IdentifyStep(Strict):
    """Let a client ask for the device identification; see ``CLIENT.object(N)``."""

    identify: IdentifyModel


class MalformedModel(Strict):
    """The octets in hexadecimal, blanks allowed, as they go onto a connection of its own."""

    client: str = Field(pattern=ID_PATTERN)
    octets: str = Field(pattern=r"^\s*([0-9A-Fa-f]{2}\s*)+$", max_length=3 * OCTETS_MAX)
    wait: Duration = Field(default=1_000_000_000, description="For an answer, or the end.")


class MalformedStep(Strict):
    """Let a client send octets that need be no Modbus at all.

    Goes on when an answer has come, the server has hung up, or the wait is over;
    ``CLIENT.answer`` then holds what came in hexadecimal, ``CLIENT.hung_up`` whether it did.
    """

    malformed: MalformedModel


VERBS: Final[dict[str, type[Strict]]] = {
    "serial": SerialStep,
    "parallel": ParallelStep,
    "one_of": OneOfStep,
    "wait": WaitStep,
    "wait_until": WaitUntilStep,
    "every": EveryStep,
    "repeat": RepeatStep,
    "scan": ScanStep,
    "readout": ReadoutStep,
    "allocate": AllocateStep,
    "configure": ConfigureStep,
    "write": WriteStep,
    "save": SaveStep,
    "reload": ReloadStep,
    "add": AddStep,
    "delete": DeleteStep,
    "deallocate": DeallocateStep,
    "reboot": RebootStep,
    "hang": HangStep,
    "power": PowerStep,
    "fault": FaultStep,
    "noise": NoiseStep,
    "echo": EchoStep,
    "cut": CutStep,
    "mend": MendStep,
    "set": SetStep,
    "poll": PollStep,
    "start": StartStep,
    "stop": StopStep,
    "read": ReadStep,
    "identify": IdentifyStep,
    "malformed": MalformedStep,
}

#: Keys that belong to a verb and do not lead a step.
COMPANIONS: Final = ("within", "do", "times")


# --- Triggers ---------------------------------------------------------------------------------


class PageRequest(Strict):
    """A telegram of a meter is asked for, before the meter answers."""

    meter: str
    page: int = Field(default=1, ge=1, description="Which telegram, from 1.")
    number: int = Field(default=1, ge=1, description="From which such request on, from 1.")


class PageRequestTrigger(Strict):
    """A trigger that is a request, see `PageRequest`."""

    page_request: PageRequest


class DropAnswer(Strict):
    """How many times the request that triggered it gets no answer; always without a number."""

    times: int | None = Field(default=None, ge=1, le=REPEAT_MAX)
