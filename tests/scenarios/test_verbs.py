"""Every verb does to the world what it says, in virtual time, and a trigger does it by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.language.compile import compile_text
from scenarios.language.diagnostics import to_text

if TYPE_CHECKING:
    from scenarios.backends.base import Outcome

HEAD = """\
scenario: verbs
version: 1
title: A small world
limits: {time: 5 min}
world:
  bus: {baud: 9600}
  gateway:
    config: {MBUS_SCANMODE: SECONDARYSCANALLOC, METER_TIME: 10, MBUS_TIMEOUT: 300, MBUS_MAXRETRY: 1}
  meters:
    - {id: water, profile: water-cold, identification_number: 20000002}
    - {id: gas, profile: gas, identification_number: 30000003}
  clients:
    - {id: c, every: 500 ms}
    - {id: four, rate: 20 /s, connections: 4, read: {from: 0, count: 10}}
"""
#: Steps after which both meters are listed and have registers.
FOUND = """\
  - scan: {}
  - wait_until: {gateway.scan: done}
    within: 30 s
"""


def _run(do: str, more: str = "", *, seed: int = 1) -> Outcome:
    compiled = compile_text(f"{HEAD}{more}do:\n{do}", "verbs.scn.yaml")
    assert compiled.scenario is not None, to_text(compiled.diagnostics)
    return SimBackend().run(compiled.scenario, seed)


def _values(outcome: Outcome, path: str) -> list[Any]:
    track = outcome.log.tracks.get(path)
    return [] if track is None else track.values


def _seconds(outcome: Outcome, path: str) -> list[float]:
    """When a path changed, from the first step on."""
    return [(at - 20_000_000) / 1e9 for at in outcome.log.tracks[path].times]


# --- The gateway ------------------------------------------------------------------------------


def test_one_meter_is_read_by_name() -> None:
    """``readout`` with a meter reads that one and no other."""
    outcome = _run(FOUND + "  - wait: 5 s\n  - readout: {meter: gas}\n  - wait: 1 s\n")
    assert outcome.failure is None
    assert len(_values(outcome, "meter(gas).reads")) == 2
    assert len(_values(outcome, "meter(water).reads")) == 1


def test_a_meter_that_is_not_listed_cannot_be_read() -> None:
    """The refusal is a FAIL at the line of the step."""
    outcome = _run("  - readout: {meter: gas}\n")
    assert outcome.failure is not None
    assert outcome.failure.verdict is Verdict.FAIL
    assert outcome.failure.reason == "the gateway has no meter 30000003 in its list"
    assert outcome.failure.place.line == HEAD.count("\n") + 2


def test_a_changed_setting_holds_from_the_save_on() -> None:
    """What a page changes counts from its Save on (MET-05)."""
    steps = "  - configure: {config: {METER_TIME: 60}}\n  - wait: 21 s\n"
    outcome = _run(FOUND + steps + "  - save: {}\n  - wait: 50 s\n")
    assert outcome.failure is None
    reads = _seconds(outcome, "meter(gas).reads")
    assert sum(at < 22 for at in reads) >= 3, "before the Save the cycle was ten seconds"
    assert sum(at > 34 for at in reads) <= 1, "behind it a cycle of a minute holds"


def test_rows_of_the_list_are_changed_added_and_deleted() -> None:
    """Elements of meters and values, new rows, rows that go."""
    steps = """\
  - configure: {meters: {gas: {user: Cellar, readoutcycle: 30, values: {0: {register: 500}}}}}
  - delete: {meter: water}
  - add: {serial: "11111111", link: 7}
  - save: {}
  - poll: {}
"""
    outcome = _run(FOUND + steps)
    assert outcome.failure is None
    assert _values(outcome, "gateway.meters.numbers")[-1] == ["11111111", "30000003"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("configure: {meters: {gas: {user: 'a<b'}}}", "the gateway refused: "),
        ("configure: {meters: {gas: {values: {99: {user: x}}}}}", "the gateway refused: "),
        ("configure: {config: {METER_TIME: 20}, refused: true}", "was to refuse to change that"),
        ("save: {refused: true}", "the gateway was to refuse to save, and did it"),
    ],
)
def test_what_the_gateway_refuses_is_told(step: str, reason: str) -> None:
    """A refusal is a FAIL, unless it was wanted; then that it did not refuse is."""
    outcome = _run(FOUND + f"  - {step}\n")
    assert outcome.failure is not None
    assert reason in outcome.failure.reason


def test_a_refusal_that_was_wanted_is_right() -> None:
    """Two entries that claim one register are refused at the Save (MET-13)."""
    clash = "{gas: {register: 100}, water: {register: 100}}"
    steps = f"  - configure: {{meters: {clash}}}\n  - save: {{refused: true}}\n"
    label = "  - configure: {meters: {gas: {user: 'a<b'}}, refused: true}\n"
    assert _run(FOUND + steps + "  - reload: {}\n" + label).failure is None


def test_registers_are_taken_back() -> None:
    """Deallocate and Save leave nothing but the gateway's own block."""
    outcome = _run(FOUND + "  - deallocate: {}\n  - save: {}\n  - poll: {}\n")
    assert outcome.failure is None
    assert max(outcome.registers.words) == 9


def test_a_file_is_replaced() -> None:
    """``write`` puts a file where the gateway finds it at its next start."""
    steps = '  - write: {file: app/Device_Handle.cfg, text: "<root/>"}\n  - reboot: {}\n'
    outcome = _run(FOUND + steps)
    assert _values(outcome, "gateway.meters.count")[-1] == 0


def test_a_saved_list_survives_a_power_failure() -> None:
    """Off is off at once, and on starts with what the storage holds."""
    steps = "  - save: {}\n  - power: {device: gateway, to: off}\n  - wait: 5 s\n"
    outcome = _run(FOUND + steps + "  - power: {device: gateway, to: on}\n  - poll: {}\n")
    assert outcome.failure is None
    assert _values(outcome, "gateway.powered") == [True, False, True]
    assert _values(outcome, "gateway.meters.count")[-1] == 2


def test_what_is_under_way_at_a_power_failure_is_not_written() -> None:
    """A gateway without power writes nothing: the scan that was cut has found nobody."""
    steps = "  - scan: {}\n  - wait_until: {gateway.found: '20000002'}\n    within: 30 s\n"
    off_and_on = "  - power: {device: gateway, to: off}\n  - power: {device: gateway, to: on}\n"
    outcome = _run(steps + off_and_on)
    assert _values(outcome, "gateway.meters.count")[-1] == 0


def test_a_gateway_that_hangs_does_nothing_until_it_wakes() -> None:
    """Its main task is stuck: nothing is read while it lasts."""
    outcome = _run(FOUND + "  - wait: 1 s\n  - hang: {for: 35 s}\n  - wait: 50 s\n")
    reads = _seconds(outcome, "meter(gas).reads")
    assert max(later - earlier for earlier, later in pairwise(reads)) > 35


# --- Meters and line --------------------------------------------------------------------------


def test_power_takes_a_pattern() -> None:
    """Several meters are switched at once."""
    outcome = _run('  - power: {meter: "*", to: off}\n  - wait: 1 s\n')
    assert _values(outcome, "meter(gas).powered") == [True, False]
    assert _values(outcome, "meter(water).powered") == [True, False]


def test_a_fault_of_a_meter_begins_and_ends_by_itself() -> None:
    """``for`` bounds a fault beside what follows."""
    steps = "  - fault: {meter: gas, on: {silent: true}, for: 15 s}\n  - wait: 40 s\n"
    outcome = _run(FOUND + "  - wait: 3 s\n" + steps)
    flags = _values(outcome, "meter(gas).flags")
    assert flags == [0, 3, 0]
    assert _values(outcome, "meter(water).flags") == [0]


def test_a_fault_is_switched_off() -> None:
    """``off`` ends what ``on`` began."""
    on = "  - fault: {meter: gas, on: {silent: {}}}\n  - wait: 15 s\n"
    outcome = _run(FOUND + on + "  - fault: {meter: gas, off: silent}\n  - wait: 15 s\n")
    assert _values(outcome, "meter(gas).flags")[-2:] == [3, 0]


@pytest.mark.parametrize(
    ("step", "hurts"),
    [
        ("noise: {burst: 12 s, flip: 0.2}", True),
        ("cut: {at: bus, for: 12 s}", True),
        ("cut: {at: converter, for: 12 s}", True),
        ("fault: {on: {lost_characters: {rate: 0.5}}, for: 12 s}", True),
        ("echo: {to: on}", False),
    ],
)
def test_what_happens_to_the_line_is_seen_in_the_flags(step: str, hurts: bool) -> None:
    """A line without its characters leaves the meters unread while it lasts; an echo does not."""
    outcome = _run(FOUND + f"  - wait: 5 s\n  - {step}\n  - wait: 40 s\n")
    flags = _values(outcome, "meter(gas).flags")
    assert (3 in flags) is hurts
    assert flags[-1] == 0


def test_what_was_cut_for_good_is_mended() -> None:
    """Without ``for`` a cut lasts until ``mend``."""
    steps = "  - cut: {at: bus}\n  - wait: 30 s\n  - mend: {}\n  - wait: 15 s\n"
    outcome = _run(FOUND + steps)
    assert _values(outcome, "meter(gas).flags")[-2:] == [3, 0]


def test_a_value_is_set() -> None:
    """The registers show what the meter says from now on."""
    steps = "  - set: {meter: gas, record: 0, value: 12345}\n  - wait: 15 s\n  - poll: {}\n"
    outcome = _run(FOUND + steps)
    assert _values(outcome, "meter(gas).registers.integer(0)")[-1] == 12345


def test_a_record_that_is_not_there_cannot_be_set() -> None:
    """A FAIL that says how many there are."""
    outcome = _run("  - set: {meter: gas, record: 99, value: 1}\n")
    assert outcome.failure is not None
    assert "records, no number 99" in outcome.failure.reason


# --- Clients ----------------------------------------------------------------------------------


def test_a_request_tells_its_words_or_its_exception() -> None:
    """FC 03 gives words, another function code its exception (manual 5.1)."""
    steps = "  - read: {client: c, from: 2, count: 1}\n  - read: {client: c, function: 6}\n"
    outcome = _run(steps + "  - read: {client: c, function: 4}\n")
    assert _values(outcome, "c.word(0)") == [1]
    assert _values(outcome, "c.exception") == [0, 2, 1]


def test_a_client_asks_who_the_gateway_is() -> None:
    """The objects of function code 2B are texts (MOD-05)."""
    outcome = _run("  - identify: {client: c, code: 2}\n")
    assert _values(outcome, "c.objects") == [7]
    assert _values(outcome, "c.object(0)") == ["HMS Industrial Networks AB"]


def test_octets_go_out_as_they_are() -> None:
    """What comes back, or that nothing does, is a signal."""
    good = "  - malformed: {client: c, octets: 0007 0000 0006 FF 03 0002 0001}\n"
    outcome = _run(good + "  - malformed: {client: c, octets: 0007 0001 0006 FF 03 0002 0001}\n")
    assert _values(outcome, "c.answer") == ["000700000005FF03020001", ""]
    assert _values(outcome, "c.hung_up")[0] is False


def test_a_client_reads_over_several_connections_at_its_rate() -> None:
    """Twenty reads a second over four connections, in turn."""
    outcome = _run("  - start: {client: four}\n  - wait: 10 s\n")
    assert max(_values(outcome, "four.connections")) == 4
    assert 198 <= len(_values(outcome, "four.reads")) <= 202


def test_a_sixth_connection_is_refused() -> None:
    """The gateway takes five (SRV-01); the client counts what goes wrong."""
    many = HEAD.replace("connections: 4", "connections: 6")
    compiled = compile_text(
        f"{many}do:\n  - start: {{client: four}}\n  - wait: 2 s\n", "v.scn.yaml"
    )
    outcome = SimBackend().run(compiled.require(), 1)
    assert _values(outcome, "four.errors")[-1] > 0


# --- Composition and triggers -----------------------------------------------------------------


def test_one_of_is_drawn_by_the_seed() -> None:
    """Every branch is taken by some seed, and the same seed takes the same one."""
    steps = "  - one_of: [{wait: 1 s}, {wait: 2 s}, {serial: [{wait: 1 s}, {wait: 2 s}]}]\n"
    chosen = [_values(_run(steps, seed=seed), "one_of(0).chosen")[0] for seed in range(1, 12)]
    assert set(chosen) == {0, 1, 2}
    assert chosen[:3] == [_values(_run(steps, seed=s), "one_of(0).chosen")[0] for s in (1, 2, 3)]


def test_a_trigger_fires_at_a_time() -> None:
    """Counted from the first step."""
    outcome = _run("  - wait: 9 s\n", "faults:\n  - {at: 3 s, power: {meter: gas, to: off}}\n")
    assert _seconds(outcome, "fault(F1).fired") == [3.0]
    assert _values(outcome, "meter(gas).powered") == [True, False]


def test_a_trigger_fires_when_signals_take_on_values() -> None:
    """As often as ``times`` says, ``after`` the moment."""
    item = "{id: late, at: {gateway.readout: running}, after: 1 s, times: 2, echo: {to: on}}"
    outcome = _run(FOUND + "  - wait: 45 s\n", f"faults:\n  - {item}\n")
    running = outcome.log.tracks["gateway.readout"]
    begun = [at for at, value in zip(running.times, running.values, strict=True)
             if value == "running"]  # fmt: skip
    fired = outcome.log.tracks["fault(late).fired"].times
    assert [at - 1_000_000_000 for at in fired] == begun[:2]
    assert len(begun) > 2


def test_the_answer_to_a_page_request_is_dropped() -> None:
    """The fault is there before the meter answers the very request that triggers it."""
    item = "{at: {page_request: {meter: gas, page: 1}}, drop_answer: {times: 2}}"
    outcome = _run("  - scan: {}\n  - wait: 20 s\n", f"faults:\n  - {item}\n")
    answering = outcome.log.tracks["meter(gas).answering"]
    fired = outcome.log.tracks["fault(F1).fired"].times
    assert answering.values == [True, False, True]
    assert answering.times[1] == fired[0]
