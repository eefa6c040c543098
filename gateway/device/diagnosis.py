"""What is wrong with a bus on which nothing, or not everything, is found (manual 8.3).

At every baud rate the line is first listened to, then everybody is called at once: a selection that
leaves all open, and the test address 254. That tells silence, a meter, several meters, a converter
that echoes, noise and a meter that babbles, without knowing any address. A meter that answers alone
is asked for its address and selected by it. Each finding comes with the remedy of the manual that
fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.device.link import ADDRESS_SELECTED, AnswerKind, Link
from gateway.device.readout import Target, judge_data
from gateway.device.select_mask import SelectMaskTrial, remedy
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryMask
from gateway.runtime.port import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.device.link import LinkSettings
    from gateway.mbus.address import SecondaryAddress
    from gateway.runtime.port import Line, LineFormat, Runtime

#: The baud rates of the device (C-40), those that meters speak most often first.
BAUDRATES: Final = (2400, 300, 9600, 600, 1200, 4800, 19200)
#: The test address that every meter answers (MBDOC48 p.24).
ADDRESS_TEST: Final = 0xFE
#: How long the line is listened to before anything is sent.
LISTEN_NS: Final = NS_PER_S
EVERYBODY: Final = SecondaryMask("FFFFFFFF", 0xFFFF, 0xFF, 0xFF)
#: How long after a call that stayed unanswered somebody may still answer too late.
LATE_NS: Final = 5 * NS_PER_S
#: Unasked characters in a second from which a talker is more likely than a disturbance.
BABBLE_CHARACTERS: Final = 4


@unique
class Heard(Enum):
    """What came back when everybody was called."""

    NOTHING = "nothing"
    ONE_OR_MORE = "one or more meters"
    SEVERAL = "several meters at once, or garbage"


@dataclass(frozen=True, slots=True)
class AtBaudrate:
    """What was heard at one baud rate; bytes as they came."""

    baudrate: int
    selected: Heard
    tested: Heard
    unasked: bytes
    echoes: bool
    heard_after_ns: int | None
    """From the end of the selection to the end of what came back."""
    late: bool = False
    """Whether it came when MBUS_TIMEOUT was over."""
    at_second_call: bool = False
    """Whether it came only when the same was asked once more."""
    misdeclared: SecondaryAddress | None = None
    """The header of a meter alone on the bus that is not selected by the address in it."""
    select_mask: int | None = None
    """The MBUS_SELECTMASK that reads it all the same."""

    @property
    def anybody(self) -> bool:
        """Whether anything answered."""
        return self.selected is not Heard.NOTHING or self.tested is not Heard.NOTHING


@dataclass(frozen=True, slots=True)
class Remedy:
    """A finding in words, and what manual 8.3 advises: the step and the setting."""

    finding: str
    advice: str


async def sweep(
    rt: Runtime,
    line: Line,
    form: LineFormat,
    settings: LinkSettings,
    baudrates: Sequence[int] = BAUDRATES,
) -> AsyncIterator[AtBaudrate]:
    """Listen and call at every baud rate in turn; raises only `LineError`."""
    for baudrate in baudrates:
        await line.set_format(replace(form, baudrate=baudrate))
        link = Link(rt, line, settings)
        unasked = await link.listen(rt.now() + LISTEN_NS)
        if unasked:
            await link.settle()
        answer = await link.probe(EVERYBODY, tries=1, first_byte_ns=_window(link))
        heard_after = rt.now() - answer.request_end_ns if answer.data else None
        late, again = False, False
        if answer.kind is AnswerKind.SILENCE:
            late = bool(await link.listen(answer.request_end_ns + LATE_NS))
            if late:
                heard_after = rt.now() - answer.request_end_ns - link.idle_ns
            else:
                answer = await link.probe(EVERYBODY, tries=1, first_byte_ns=_window(link))
                again = bool(answer.data)
                heard_after = rt.now() - answer.request_end_ns if again else None
        selected = Heard.ONE_OR_MORE if late else _heard(answer.kind)
        misdeclared, select_mask = None, None
        if not late and answer.kind is AnswerKind.ACK:
            misdeclared, select_mask = await _misdeclared(link)
        if late or answer.kind is not AnswerKind.SILENCE:
            await link.settle(answer.request_end_ns + link.longest_answer_ns())
        tested = await link.reset(ADDRESS_TEST)
        if tested.kind is not AnswerKind.SILENCE:
            await link.settle(rt.now() + link.longest_answer_ns())
        heard = (selected, _heard(tested.kind))
        yield AtBaudrate(
            baudrate,
            *heard,
            unasked,
            link.echoes,
            heard_after,
            late,
            again,
            misdeclared,
            select_mask,
        )


async def _misdeclared(link: Link) -> tuple[SecondaryAddress | None, int | None]:
    """Whoever is selected sends his address: does it select him, or what else does?"""
    answer = await link.request(ADDRESS_SELECTED, tries=2, first_byte_ns=_window(link))
    decoded, _ = judge_data(answer, Target(Addressing.SECONDARY, 0, None))
    header = decoded.header if decoded is not None else None
    if header is None or header.address is None:
        await link.settle(answer.request_end_ns + link.longest_answer_ns())
        return None, None
    trial = SelectMaskTrial(link, 2, _window(link), _window(link), link.longest_answer_ns())
    if not await trial.is_deaf(header.address):
        return None, None
    return header.address, await trial.find(header.address)


def _window(link: Link) -> int:
    return max(link.settings.first_byte_ns, link.answer_window_ns)


def _heard(kind: AnswerKind) -> Heard:
    if kind is AnswerKind.SILENCE:
        return Heard.NOTHING
    return Heard.ONE_OR_MORE if kind is AnswerKind.ACK else Heard.SEVERAL


def remedies(found: Sequence[AtBaudrate], baudrate: int) -> list[Remedy]:
    """What the findings advise, for a device that is set to `baudrate`; never empty."""
    advice = [*_line_remedies(found), *_baud_remedies(found, baudrate), *_call_remedies(found)]
    own = next((one for one in found if one.baudrate == baudrate), None)
    if own is not None and own.tested is not Heard.NOTHING and own.selected is Heard.NOTHING:
        advice.append(
            Remedy(
                "meters answer the test address and no selection",
                "not every meter supports secondary addresses: scan as a primary scan as well "
                "(MBUS_SCANMODE=PRIMARYSCAN), or a part of the addresses after the other",
            )
        )
    if own is not None and own.selected is Heard.SEVERAL:
        advice.append(
            Remedy(
                f"several meters answer at {baudrate} Bd",
                "that is as it should be; if a scan takes too long, narrow it by start address or "
                "mask, lower MBUS_MAXRETRY, use SECONDARYSCANREVERSE, or split the bus; where the "
                "gateway restarts meanwhile, raise WATCHDOG_SCAN",
            )
        )
    for one in found:
        if one.misdeclared is not None:
            finding = f"the meter {one.misdeclared} is not selected by the address in its header"
            advice.append(Remedy(finding, f"{remedy(one.select_mask)} (it would have no data)"))
    if not any(one.anybody for one in found):
        advice.append(
            Remedy(
                "nobody answers at any baud rate",
                "check cable and voltage (about 36 V), that the M-Bus mode is on, a primary scan, "
                "a narrower one, a higher MBUS_TIMEOUT, a larger MBUS_MAXRETRY, other request and "
                "reset modes; then disconnect the meters one by one, or connect another one",
            )
        )
    if not advice:
        advice.append(Remedy(f"meters answer at {baudrate} Bd", "nothing to mend: scan the bus"))
    return advice


def _line_remedies(found: Sequence[AtBaudrate]) -> list[Remedy]:
    advice = []
    if any(one.echoes for one in found):
        advice.append(
            Remedy(
                "the converter sends back what it is given",
                "nothing to mend: the gateway leaves its own characters out",
            )
        )
    talkers = [one for one in found if one.unasked]
    if talkers:
        count = max(len(one.unasked) for one in talkers)
        what = "a meter talks without being asked" if count >= BABBLE_CHARACTERS else "noise"
        shown = talkers[0].unasked[:16].hex(" ").upper()
        rates = ", ".join(str(one.baudrate) for one in talkers)
        advice.append(
            Remedy(
                f"{what}: {count} characters in a second on a silent bus (at {rates} Bd: {shown})",
                "disconnect the meters one by one until the bus is silent; split the bus",
            )
        )
    return advice


def _baud_remedies(found: Sequence[AtBaudrate], baudrate: int) -> list[Remedy]:
    others = [one.baudrate for one in found if one.anybody and one.baudrate != baudrate]
    if not others:
        return []
    own = any(one.anybody and one.baudrate == baudrate for one in found)
    which = ", ".join(str(one) for one in others)
    finding = f"meters answer at {which} Bd" + (" too" if own else f" and not at {baudrate} Bd")
    return [Remedy(finding, f"try a different M-Bus baud rate: MBUS_BAUDRATE={others[0]}")]


def _call_remedies(found: Sequence[AtBaudrate]) -> list[Remedy]:
    """Meters that answer late, or not to every request."""
    advice = []
    for one in found:
        if one.late and one.heard_after_ns is not None:
            took_ms = one.heard_after_ns // NS_PER_MS
            advice.append(
                Remedy(
                    f"somebody answers at {one.baudrate} Bd when MBUS_TIMEOUT is over, "
                    f"after {took_ms} ms",
                    f"a higher M-Bus timeout: MBUS_TIMEOUT={took_ms * 3 // 2}, with "
                    "MBUS_SEARCHTIMING=LITERAL for a scan",
                )
            )
        if one.at_second_call:
            advice.append(
                Remedy(
                    f"somebody answers at {one.baudrate} Bd, but not to every request",
                    "increase MBUS_MAXRETRY, with MBUS_SEARCHTIMING=LITERAL for a scan",
                )
            )
    return advice
