"""Groups of meters, what was before, and torn reads: resolved when a file is compiled."""

from __future__ import annotations

import pytest

from reports.verdict import Verdict
from scenarios.language import monitor, properties
from scenarios.language.events import EventLog
from scenarios.language.resolve import Names, resolve

NAMES = Names(("e0", "e1", "w"), frozenset({"hammer"}))


def _judge(text: str, *changes: tuple[int, str, object], end: int = 10) -> list[Verdict]:
    """The verdict of each instance of a property."""
    log = EventLog()
    for at, path, value in sorted(changes, key=lambda change: change[0]):
        log.add(at, path, value)
    instances, findings = resolve(properties.parse(text), NAMES)
    assert not findings, findings
    return [monitor.judge(one.formula, text, log, end).verdict for one in instances]


FLAGS = ((0, "meter(e0).flags", 0), (0, "meter(e1).flags", 0), (5, "meter(e1).flags", 3))


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        # Without a quantifier a wildcard is one property for each meter.
        ("meter(e*).flags == 0", [Verdict.PASS, Verdict.FAIL]),
        ("any(meter(e*).flags != 0)", [Verdict.PASS]),
        ("any(meter(e*).flags == 7)", [Verdict.FAIL]),
        ("every(meter(e*).flags == 0)", [Verdict.FAIL]),
        ("every(meter(e*).flags != 7)", [Verdict.PASS]),
        ("any(meter(w*).flags != 0)", [Verdict.INCONCLUSIVE]),
        ("every(meter(w*).flags == 0)", [Verdict.INCONCLUSIVE]),
        ("always(rise(any(meter(e*).flags != 0)) -> every(meter(e*).flags != 7))", [Verdict.PASS]),
        ("prev(meter(e1).flags) == 0", [Verdict.PASS]),
        ("prev(meter(e1).flags) == 3", [Verdict.FAIL]),
        ("prev(meter(e0).flags) == 0", [Verdict.INCONCLUSIVE]),
        ("meter(e1).flags >= prev_start(meter(e1).flags)", [Verdict.PASS]),
        ("meter(e1).flags < prev_start(meter(e1).flags)", [Verdict.FAIL]),
        ("prev_start(meter(w).flags) == 0", [Verdict.INCONCLUSIVE]),
    ],
)
def test_what_a_word_says_can_pass_fail_and_prove_nothing(
    text: str, verdicts: list[Verdict]
) -> None:
    """Each word has a run that passes, one that fails and one that proves nothing."""
    assert _judge(text, *FLAGS) == verdicts


TORN = "never(torn(hammer.reads, meter(e*).registers.integer))"


def test_a_torn_read_is_found_for_the_meter_that_it_tore() -> None:
    """One instance a meter: clean, torn, and never compared."""
    clean = ((1, "meter(e0).torn(hammer)", False), (1, "meter(e1).torn(hammer)", False))
    assert _judge(TORN, *clean) == [Verdict.PASS, Verdict.PASS]
    assert _judge(TORN, *clean, (4, "meter(e1).torn(hammer)", True)) == [Verdict.PASS, Verdict.FAIL]
    assert _judge(TORN, clean[0]) == [Verdict.PASS, Verdict.INCONCLUSIVE]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("any(gateway.scan == done)", "SCN037", "'any' is about a group of meters"),
        ("every(meter(e*).flags == meter(w*).flags)", "SCN037", "'e*' and 'w*'"),
        ("any(meter(x*).flags == 0)", "SCN031", "no meter matches 'x*'"),
        ("prev(meter(e0).reads) == 0", "SCN034", "is an event"),
        ("prev(gateway.scan) == blue", "SCN033", "gateway.scan is never 'blue'"),
        ("prev(meter(e0).flags) == done", "SCN034", "is a number, not a word"),
        ("prev(gateway.scna) == done", "SCN032", "unknown signal 'gateway.scna'"),
        ("never(torn(hummer.reads, meter(e*).registers.integer))", "SCN032", "unknown signal"),
    ],
)
def test_a_word_in_the_wrong_place_is_told(text: str, code: str, message: str) -> None:
    """What can be known without running is told when the file is checked."""
    _, findings = resolve(properties.parse(text), NAMES)
    assert [finding.code for finding in findings] == [code]
    assert message in findings[0].message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("torn(hammer.latency, meter(e0).registers.integer)", "want the reads of a client"),
        ("torn(hammer.reads, meter(e0).flags)", "want meter(x).registers.integer"),
    ],
)
def test_torn_takes_reads_and_integers(text: str, hint: str) -> None:
    """Anything else is refused where it stands."""
    with pytest.raises(properties.PropertySyntaxError) as caught:
        properties.parse(text)
    assert caught.value.hint.startswith(hint)
