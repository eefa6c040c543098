"""What a journal says about a client: findings with their frames, and what to do about them.

An error loses or falsifies values, or takes a gateway's places from others: FAIL. Advice is what a
gateway bears and an author should know: the case passes and says so. A rule whose situation never
came up says nothing: NOT_APPLICABLE with the reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import Enum, unique
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from simulators.modbus.pdu import (
    QUANTITY_MAX,
    READ_DEVICE_IDENTIFICATION,
    READ_HOLDING_REGISTERS,
)
from simulators.modbus.watch.image import CHANGE_NS, VALUE_REGISTERS, MovingImage, long_fields
from simulators.modbus.watch.server import Asked, Broken, Closed, Journal, Misbehaviour, Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_NS_PER_S: Final = 1_000_000_000
#: Requests behind each other at which two halves of a value belong to one reading.
HALVES_APART_NS: Final = 2 * _NS_PER_S
#: The same range may be asked that much more often than values change without advice.
POLL_TOLERANCE: Final = 0.5
#: How often a range must come back for its period to be told.
POLLS_MIN: Final = 5
#: A pause after a refusal or a lost connection; shorter ones are no pause.
RETRY_PAUSE_NS: Final = 100_000_000
#: Refusals of one and the same request behind each other that say nobody looks at them.
IGNORED_MIN: Final = 3
#: Connections that served one request each, at which that is the client's way.
SHORT_CONNECTIONS_MIN: Final = 3
#: Share of the watch that an open connection may rest.
IDLE_SHARE: Final = 0.5
IDLE_MIN_NS: Final = 5 * _NS_PER_S
#: Connections that one client needs: a second one while the first is given up.
CONNECTIONS_NEEDED: Final = 2


@unique
class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation in words, with the requests that show it."""

    text: str
    asked: tuple[Asked, ...] = ()


#: None: the situation never came up.
Findings = list[Finding] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One question about a client."""

    id: str
    title: str
    severity: Severity
    advice: str
    judge: Callable[[Journal], Findings]
    silent: str = "no request of this kind came"


def _reads(journal: Journal) -> list[tuple[Asked, int, int]]:
    """Every well-formed read with its range."""
    return [(a, *a.span) for a in journal.asked if a.span is not None]


def _good_reads(journal: Journal) -> list[tuple[Asked, int, int]]:
    return [(a, s, q) for a, s, q in _reads(journal) if 1 <= q <= QUANTITY_MAX]


def _by_connection(journal: Journal) -> dict[int, list[Asked]]:
    found: dict[int, list[Asked]] = defaultdict(list)
    for asked in journal.asked:
        found[asked.connection].append(asked)
    return found


# --- What is read -----------------------------------------------------------------------------


def split_values(journal: Journal) -> Findings:
    """CLT-01: a field of several registers read in two requests can be torn."""
    reads = _good_reads(journal)
    if not reads:
        return None
    counted: Counter[tuple[int, int]] = Counter()
    shown: dict[tuple[int, int], tuple[Asked, Asked]] = {}
    for field, first, second in _halves(reads):
        counted[field] += 1
        shown.setdefault(field, (first, second))
    return [
        Finding(
            f"registers {start}-{start + length - 1} are one number and were read in two requests, "
            f"{count} times",
            shown[start, length],
        )
        for (start, length), count in counted.items()
    ]


def _halves(
    reads: Sequence[tuple[Asked, int, int]],
) -> Iterator[tuple[tuple[int, int], Asked, Asked]]:
    """Pairs of requests behind each other that share a field between them."""
    for (first, start_1, count_1), (second, start_2, count_2) in pairwise(reads):
        if second.at_ns - first.at_ns > HALVES_APART_NS:
            continue
        for start, length in long_fields():
            field = set(range(start, start + length))
            one = field & set(range(start_1, start_1 + count_1))
            two = field & set(range(start_2, start_2 + count_2))
            if one and two and one | two == field and one != field and two != field:
                yield (start, length), first, second


def cut_values(journal: Journal) -> Findings:
    """CLT-02: a read that begins or ends inside a number gets a part that means nothing."""
    reads = _good_reads(journal)
    if not reads:
        return None
    counted: Counter[tuple[int, int, int]] = Counter()
    shown: dict[tuple[int, int, int], Asked] = {}
    for asked, start, quantity in reads:
        for address, length in long_fields():
            inside = range(address + 1, address + length)
            if start in inside or start + quantity in inside:
                counted[start, quantity, address] += 1
                shown.setdefault((start, quantity, address), asked)
    return [
        Finding(
            f"a read of {quantity} from {start} on cuts the number at {address}, {count} times",
            (shown[start, quantity, address],),
        )
        for (start, quantity, address), count in counted.items()
    ]


def unmapped(journal: Journal) -> Findings:
    """CLT-03: a range that holds nothing is exception 02; the gap behind the end reads 0."""
    reads = _good_reads(journal)
    if not reads:
        return None
    end = MovingImage.end
    beyond = [(a, s, q) for a, s, q in reads if s + q > end]
    return [
        Finding(f"a read of {q} from {s} on: the map ends at {end - 1}{_times(beyond, s, q)}", (a,))
        for a, s, q in _once(beyond)
    ]


def _once(reads: Iterable[tuple[Asked, int, int]]) -> list[tuple[Asked, int, int]]:
    first: dict[tuple[int, int], tuple[Asked, int, int]] = {}
    for read in reads:
        first.setdefault(read[1:], read)
    return list(first.values())


def _times(reads: Sequence[tuple[Asked, int, int]], start: int, quantity: int) -> str:
    count = sum((s, q) == (start, quantity) for _, s, q in reads)
    return f", {count} times" if count > 1 else ""


def quantities(journal: Journal) -> Findings:
    """CLT-04: a request may ask for 1 to 125 registers."""
    reads = _reads(journal)
    if not reads:
        return None
    bad = [(a, s, q) for a, s, q in reads if not 1 <= q <= QUANTITY_MAX]
    return [
        Finding(f"{q} registers asked for at once{_times(bad, s, q)}", (a,))
        for a, s, q in _once(bad)
    ]


def without_scale(journal: Journal) -> Findings:
    """CLT-05: the integer of a value means nothing without its power of ten."""
    seen: set[int] = set()
    asked_for: dict[int, Asked] = {}
    for asked, start, quantity in _good_reads(journal):
        covered = range(start, start + quantity)
        seen.update(covered)
        for register in VALUE_REGISTERS:
            if all(register + n in covered for n in range(4)):
                asked_for.setdefault(register, asked)
    if not asked_for:
        return None
    return [
        Finding(f"the integer at {register} was read, its scale at {register + 6} never", (asked,))
        for register, asked in asked_for.items()
        if register + 6 not in seen and not {register + 4, register + 5} <= seen
    ]


# --- How it is asked --------------------------------------------------------------------------


def function_codes(journal: Journal) -> Findings:
    """CLT-06: only 03 and 2B are served."""
    if not journal.asked:
        return None
    bad: dict[int, list[Asked]] = defaultdict(list)
    for asked in journal.asked:
        if asked.function_code not in (READ_HOLDING_REGISTERS, READ_DEVICE_IDENTIFICATION):
            bad[asked.function_code].append(asked)
    return [
        Finding(f"function code {code:02X} was asked, {len(group)} times", (group[0],))
        for code, group in bad.items()
    ]


def unit_identifiers(journal: Journal) -> Findings:
    """CLT-07: a device on the network itself is unit 255 (or 0); others are for devices behind."""
    if not journal.asked:
        return None
    units = Counter(asked.adu.unit_identifier for asked in journal.asked)
    odd = {unit: count for unit, count in units.items() if unit > 247 and unit != 255}
    findings = [
        Finding(f"unit identifier {unit} is reserved, {count} times") for unit, count in odd.items()
    ]
    if len(units) > CONNECTIONS_NEEDED:
        shown = ", ".join(map(str, sorted(units)))
        findings.append(Finding(f"many units were asked for one device: {shown}"))
    return findings


def malformed(journal: Journal) -> Findings:
    """CLT-08: every byte belongs to a frame."""
    if not journal.entries:
        return None
    broken = [entry for entry in journal.entries if isinstance(entry, Broken)]
    return [Finding(f"{entry.message}: {entry.data[:16].hex(' ')}") for entry in broken[:5]]


def transaction_identifiers(journal: Journal) -> Findings:
    """CLT-09: a transaction identifier that never changes matches late answers to new requests."""
    groups = [group for group in _by_connection(journal).values() if len(group) > 1]
    if not groups:
        return None
    findings = []
    for group in groups:
        identifiers = Counter(asked.adu.transaction_identifier for asked in group)
        if len(identifiers) == 1:
            text = f"connection {group[0].connection}: all {len(group)} requests have identifier"
            findings.append(
                Finding(f"{text} {group[0].adu.transaction_identifier:04X}", tuple(group[:2]))
            )
    return findings


def outstanding(journal: Journal) -> Findings:
    """CLT-10: several requests at once suit a gateway that answers all, and break simple ones."""
    if not journal.asked:
        return None
    most = max(journal.asked, key=lambda asked: asked.outstanding)
    if most.outstanding <= 1:
        return []
    count = sum(asked.outstanding > 1 for asked in journal.asked)
    text = f"{count} requests were sent before the one before was answered, up to "
    return [Finding(f"{text}{most.outstanding} at once", (most,))]


# --- How often --------------------------------------------------------------------------------


def polling(journal: Journal) -> Findings:
    """CLT-11: values change with a read-out; asking more often brings nothing new."""
    times: dict[tuple[int, int], list[Asked]] = defaultdict(list)
    for asked, start, quantity in _good_reads(journal):
        times[start, quantity].append(asked)
    groups = {key: group for key, group in times.items() if len(group) >= POLLS_MIN}
    if not groups:
        return None
    findings = []
    for (start, quantity), group in groups.items():
        steps = sorted(b.at_ns - a.at_ns for a, b in pairwise(group))
        period = steps[len(steps) // 2]
        if period < CHANGE_NS * POLL_TOLERANCE:
            findings.append(
                Finding(
                    f"{quantity} registers from {start} on were asked every {period / 1e6:.0f} ms; "
                    f"they change every {CHANGE_NS / 1e6:.0f} ms",
                    tuple(group[:2]),
                )
            )
    return findings


def retries(journal: Journal) -> Findings:
    """CLT-12: the same request again before its answer, or without a pause after a refusal."""
    pairs = [pair for group in _by_connection(journal).values() for pair in pairwise(group)]
    if not any(a.exception is not None or a.misbehaviour for a, _ in pairs):
        return None
    hasty = [
        (a, b)
        for a, b in pairs
        if a.adu.pdu == b.adu.pdu and a.exception is not None and a.answered_ns is not None
        if b.at_ns - a.answered_ns < RETRY_PAUSE_NS
    ]
    early = [
        (a, b)
        for a, b in pairs
        if a.adu.pdu == b.adu.pdu and a.misbehaviour in (Misbehaviour.SLOW, Misbehaviour.LATE)
        if a.answered_ns is None or b.at_ns < a.answered_ns
    ]
    findings = []
    if hasty:
        findings.append(Finding(f"{len(hasty)} refused requests were sent again at once", hasty[0]))
    if early:
        findings.append(
            Finding(f"{len(early)} requests were sent again before their answer", early[0])
        )
    return findings


def ignored_exceptions(journal: Journal) -> Findings:
    """CLT-13: a request that was refused for what it asks will be refused again."""
    refused = [asked for asked in journal.asked if asked.exception is not None]
    permanent = [asked for asked in refused if asked.misbehaviour is None]
    if not permanent:
        return None
    counted = Counter(asked.adu.pdu for asked in permanent)
    findings = []
    for pdu, count in counted.items():
        if count >= IGNORED_MIN:
            first = next(asked for asked in permanent if asked.adu.pdu == pdu)
            text = f"the request {pdu.hex(' ')} was refused with {first.exception:02X} and asked"
            findings.append(Finding(f"{text} {count} times", (first,)))
    return findings


# --- Connections ------------------------------------------------------------------------------


def connection_per_request(journal: Journal) -> Findings:
    """CLT-14: a connection for each request costs more than the request."""
    ended = {e.connection for e in journal.entries if isinstance(e, Closed) and e.by_client}
    groups = _by_connection(journal)
    if not groups:
        return None
    short = [n for n, group in groups.items() if len(group) == 1 and n in ended]
    if len(short) < SHORT_CONNECTIONS_MIN or len(short) * 2 < len(groups):
        return []
    return [Finding(f"{len(short)} of {len(groups)} connections were made for one request each")]


def hoarding(journal: Journal) -> Findings:
    """CLT-15: a gateway has few places; a client needs one."""
    open_now: set[int] = set()
    most = 0
    refused = 0
    for entry in journal.entries:
        if isinstance(entry, Opened) and entry.accepted:
            open_now.add(entry.connection)
            most = max(most, len(open_now))
        elif isinstance(entry, Opened):
            refused += 1
        elif isinstance(entry, Closed | Broken):
            open_now.discard(entry.connection)
    if not most:
        return None
    findings = []
    if most > CONNECTIONS_NEEDED:
        findings.append(Finding(f"{most} connections were open at one time"))
    if refused:
        findings.append(Finding(f"{refused} connections found no place and were closed"))
    return findings


def never_closed(journal: Journal) -> Findings:
    """CLT-16: a connection that nobody uses takes a place until the gateway's idle limit."""
    ended = {e.connection for e in journal.entries if isinstance(e, Closed | Broken)}
    opened = [e for e in journal.entries if isinstance(e, Opened) and e.accepted]
    if not opened:
        return None
    asked = _by_connection(journal)
    limit = max(IDLE_MIN_NS, int(journal.ended_ns * IDLE_SHARE))
    findings = []
    for entry in opened:
        group = asked.get(entry.connection)
        last = group[-1].at_ns if group else entry.at_ns
        if entry.connection not in ended and journal.ended_ns - last > limit:
            idle_s = (journal.ended_ns - last) / _NS_PER_S
            findings.append(
                Finding(f"connection {entry.connection} rested for {idle_s:.0f} s and stayed open")
            )
    return findings


def reconnecting(journal: Journal) -> Findings:
    """CLT-17: after a lost connection, a pause; and then it goes on."""
    lost = [e for e in journal.entries if isinstance(e, Closed) and not e.by_client]
    lost = [e for e in lost if e.at_ns < journal.ended_ns]
    if not lost:
        return None
    opened = [e for e in journal.entries if isinstance(e, Opened)]
    findings = []
    for entry in lost:
        later = next((o for o in opened if o.at_ns > entry.at_ns), None)
        if later is None and journal.ended_ns - entry.at_ns > IDLE_MIN_NS:
            findings.append(Finding(f"connection {entry.connection} was lost and none made again"))
    burst = [
        a
        for a, _, c in zip(opened, opened[1:], opened[2:], strict=False)
        if c.at_ns - a.at_ns < RETRY_PAUSE_NS
    ]
    if burst:
        findings.append(Finding("three connections within a tenth of a second after a loss"))
    return findings


# fmt: off
RULES: Final = (
    Rule("CLT-01", "No number is read in two requests", Severity.ERROR,
         "Read all registers of an entry (10) in one request; 12 entries fit into one.",
         split_values),
    Rule("CLT-02", "No read begins or ends inside a number", Severity.ERROR,
         "Let reads begin and end at the borders of entries.", cut_values),
    Rule("CLT-03", "Reads stay inside the register map", Severity.ADVICE,
         "Read what is mapped; behind the end there are zeros or exception 02.", unmapped),
    Rule("CLT-04", "A request asks for 1 to 125 registers", Severity.ERROR,
         "Divide longer reads at the borders of entries, 120 registers each.", quantities),
    Rule("CLT-05", "The scale is read with the integer", Severity.ERROR,
         "Read register +6 with the integer, or take the float at +4.", without_scale,
         "no integer of a value was read"),
    Rule("CLT-06", "Only function codes 03 and 2B are asked", Severity.ERROR,
         "Registers of this device are holding registers: function code 03.", function_codes),
    Rule("CLT-07", "The unit identifier is that of the device", Severity.ADVICE,
         "Use 255 for a device that is reached by its own address.", unit_identifiers),
    Rule("CLT-08", "Every byte belongs to a frame", Severity.ERROR,
         "Frame requests by MBAP: protocol identifier 0, length of unit identifier and PDU.",
         malformed),
    Rule("CLT-09", "Transaction identifiers change from request to request", Severity.ADVICE,
         "Count them up, and drop answers that carry another one.", transaction_identifiers,
         "no connection had two requests"),
    Rule("CLT-10", "One request at a time", Severity.ADVICE,
         "Wait for each answer: simple gateways answer only the first of several.", outstanding),
    Rule("CLT-11", "Polling is no faster than the values", Severity.ADVICE,
         "Poll at the cycle of the gateway's read-out.", polling,
         "no range was asked often enough to tell"),
    Rule("CLT-12", "A failed request is not repeated at once", Severity.ERROR,
         "Wait for the answer or the time-out, then pause before the next try.", retries,
         "no request failed on a connection that went on"),
    Rule("CLT-13", "Exceptions are heeded", Severity.ERROR,
         "Exceptions 01 to 03 say that the request is wrong: change it, do not repeat it.",
         ignored_exceptions, "no request was refused for what it asked"),
    Rule("CLT-14", "A connection serves many requests", Severity.ADVICE,
         "Keep the connection open between polls.", connection_per_request),
    Rule("CLT-15", "A client takes one place", Severity.ERROR,
         "Share one connection: a gateway has five places for all its clients.", hoarding,
         "nobody connected"),
    Rule("CLT-16", "Unused connections are closed", Severity.ERROR,
         "Close what is not used: the gateway does it only after its idle limit.", never_closed,
         "nobody connected"),
    Rule("CLT-17", "A lost connection is made again, with a pause", Severity.ERROR,
         "Connect again after a growing pause.", reconnecting, "no connection was lost"),
)
# fmt: on
