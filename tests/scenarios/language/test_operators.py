"""Mutation of the language itself: for each word a scenario that passes, fails, proves nothing.

The world is the same for all: a meter loses its power one second after the start and has it again
a second later. Nothing is ever read, so its flags are never seen.
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.language import properties
from scenarios.language.compile import compile_text
from scenarios.run import run_scenario

TEXT = """\
scenario: operators
version: 1
title: A meter loses its power for a second
world:
  meters:
    - {{id: gas, profile: gas, identification_number: 30000003}}
    - {{id: gap, profile: gas, identification_number: 30000004}}
  clients: [{{id: c, every: 100 ms}}]
do:
  - wait: 1 s
  - power: {{meter: gas, to: off}}
  - wait: 1 s
  - power: {{meter: gas, to: on}}
  - wait: 1 s
{section}:
  - {{id: P, that: "{that}"}}
"""

ON, UNSEEN = "meter(gas).powered", "meter(gas).flags == 0"
OFF = f"not {ON}"

# fmt: off
#: word: what passes, what fails, what proves nothing.
WORDS = {
    "always":       (f"always({ON} or {OFF})", f"always({ON})", f"always({UNSEEN})"),
    "always ->":    (f"always({OFF} -> meter(gas).answering == false)",
                     f"always({OFF} -> meter(gas).answering)",
                     "always(gateway.scan == running -> gateway.led.st == red)"),
    "never":        ("never(meter(gap).powered == false)", f"never({OFF})", f"never({UNSEEN})"),
    "eventually":   (f"eventually({OFF})", "eventually(gateway.scan == done)",
                     f"eventually({UNSEEN})"),
    "eventually[]": (f"eventually[500 ms, 1500 ms]({OFF})", f"eventually[0, 500 ms]({OFF})",
                     f"eventually[0, 1 h](not ({ON} or {OFF}))"),
    "until":        (f"{ON} until {OFF}", f"{ON} until gateway.scan == done",
                     f"{ON} until {UNSEEN}"),
    "until[]":      (f"{ON} until[1 s, 2 s] {OFF}", f"{ON} until[0, 1 s] {OFF}",
                     f"{ON} until[0, 2 s] {UNSEEN}"),
    "once":         (f"once({OFF})", "once(gateway.scan == done)", f"once({UNSEEN})"),
    "once[]":       (f"once[500 ms, 1500 ms]({OFF})", f"once[0, 500 ms]({OFF})",
                     f"once[0, 1 s]({UNSEEN})"),
    "historically": ("historically(meter(gap).powered)", f"historically({ON})",
                     f"historically({UNSEEN})"),
    "historically[]": (f"historically[0, 900 ms]({ON})", f"historically[0, 1100 ms]({ON})",
                     f"historically[0, 1 s]({UNSEEN})"),
    "rise":         (f"always(rise({ON}) -> once[0, 1100 ms]({OFF}))",
                     f"always(rise({ON}) -> once[0, 1100 ms](gateway.scan == done))",
                     f"always(rise({OFF} and {ON}) -> {ON})"),
    "fall":         (f"eventually(fall({ON}))", "eventually(fall(meter(gap).powered))",
                     f"always(fall({UNSEEN}) -> {ON})"),
    "prev":         (f"prev({ON}) == false", f"prev({ON}) == true",
                     "prev(meter(gap).powered) == true"),
    "prev_start":   (f"prev_start({ON}) == true", f"prev_start({ON}) == false",
                     "prev_start(meter(gas).flags) == 0"),
    "count":        (f"count({ON}) == 3", f"count({ON}) == 4", None),
    "count where":  (f"count({ON} where value == false) == 1",
                     f"count({ON} where value == false) == 0", None),
    "any":          ("any(meter(ga*).powered)", "any(meter(ga*).powered == false)",
                     "any(meter(ga*).flags == 0)"),
    "every":        ("every(meter(ga*).powered)", "every(meter(ga*).powered == false)",
                     "every(meter(ga*).flags == 0)"),
    "wildcard":     ("meter(ga*).powered", "once(meter(ga*).powered == false)",
                     "meter(ga*).flags == 0"),
    "not":          ("not gateway.scan == done", f"not {ON}", f"not {UNSEEN}"),
    "and":          (f"{ON} and meter(gap).powered", f"{ON} and gateway.scan == done",
                     f"{ON} and {UNSEEN}"),
    "or":           (f"gateway.scan == done or {ON}", f"gateway.scan == done or {OFF}",
                     f"gateway.scan == done or {UNSEEN}"),
    "->":           (f"{ON} -> meter(gap).powered", f"{ON} -> gateway.scan == done",
                     f"{ON} -> {UNSEEN}"),
    "iff":          (f"{ON} iff meter(gap).powered", f"{ON} iff gateway.scan == done",
                     f"{ON} iff {UNSEEN}"),
    "==":           ("gateway.meters.count == 0", "gateway.meters.count == 1",
                     "meter(gas).flags == 1"),
    "!=":           ("gateway.meters.count != 1", "gateway.meters.count != 0",
                     "meter(gas).flags != 1"),
    "<":            ("gateway.meters.count < 1", "gateway.meters.count < 0",
                     "meter(gas).flags < 1"),
    "<=":           ("gateway.meters.count <= 0", "gateway.meters.count <= -1",
                     "meter(gas).flags <= 1"),
    ">":            ("bus.meters.count > 1", "bus.meters.count > 2", "meter(gas).flags > 1"),
    ">=":           ("bus.meters.count >= 2", "bus.meters.count >= 3", "meter(gas).flags >= 1"),
}
# fmt: on

VERDICTS = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE)
CASES = [
    pytest.param(that, verdict, id=f"{word}: {verdict.value}")
    for word, thats in WORDS.items()
    for that, verdict in zip(thats, VERDICTS, strict=True)
    if that is not None
]


@pytest.mark.parametrize(("that", "verdict"), CASES)
def test_each_word_passes_fails_and_proves_nothing(that: str, verdict: Verdict) -> None:
    """The scenario with this property comes out as it must."""
    ahead = properties.looks_ahead(properties.parse(that))
    text = TEXT.format(section="expect" if ahead else "check", that=that)
    result = run_scenario(compile_text(text).require(), SimBackend())
    case = next(case for case in result.judged.cases if case.id == "P")
    assert (result.verdict, case.verdict) == (verdict, verdict), case.reason
    if verdict is Verdict.FAIL:
        assert case.evidence, "the first failure shows what was seen"


def test_no_word_of_the_grammar_is_left_out() -> None:
    """Whoever adds a word adds its three scenarios."""
    grammar = (files("scenarios.language") / "property.lark").read_text("utf-8")
    found = re.findall(r"^(?:WINDOW|EDGE|QUANTIFIER|PAST)\S* /\((.*?)\)", grammar, re.MULTILINE)
    words = {word for group in found for word in group.split("|")}
    words |= {"count", "until", "iff", "and", "or", "not", "->"}
    assert words <= set(WORDS)
    assert len(words) == 18
