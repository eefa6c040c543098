"""Currents: unit loads, collisions that a converter recognises, overload, collapse, brown-out."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import simpy

from gateway.runtime.port import Fault, LineError, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators import electricity, population
from simulators.characters import Format, Transmission
from simulators.electricity import BUS_MODELS
from simulators.network import Network
from tests.simulators.slaves import NKE, REQ1, Bench, meter

FORMAT = Format(2400)
BIT = FORMAT.bit_ticks
S = 1_000_000_000


def crowd(count: int, model: str, *, together: bool = False, **keys: Any) -> Bench:
    """Meters on a bus of a model; `together`: they answer at the same moment."""
    delay = [11, 11] if together else [11, 60]
    return Bench(
        meter(
            count=count,
            identification_number="10000000 + i",
            primary_address="i + 1" if count < 250 else 0,
            answer_delay_bits=delay,
            **keys,
        ),
        document={"bus": {"model": model}},
    )


def plain_current(senders: list[Transmission], at: int) -> float:
    """What slaves of 15 mA add at a moment, bit by bit."""
    total = 0.0
    for sender in senders:
        place = (at - sender.start) // BIT
        if 0 <= place < 11 * len(sender.data) and not sender.wave >> place & 1:
            total += 15.0
    return total


def test_the_current_is_the_sum_of_all_bits() -> None:
    """At every moment as much as a plain model adds up, whatever the phases."""
    senders = [
        Transmission(str(n), bytes((n, 255 - n)), n * 7 * BIT // 3, FORMAT) for n in range(5)
    ]
    moments = list(electricity.profile(senders, lambda _sender: 15.0))
    for this, following in pairwise(moments):
        for at in (this.at, (this.at + following.at) // 2, following.at - 1):
            assert plain_current(senders, at) == this.space_ma
    assert moments[-1].space_ma == 0
    assert electricity.highest(moments) == max(one.space_ma for one in moments) > 15


def test_mark_current_is_told_when_it_changes() -> None:
    """1.5 mA a unit load, when a meter comes or goes, and a warning above the model's."""
    bench = crowd(21, "20")
    bench.wait(S)
    bench.network.meters["m3"].power(False)
    bench.wait(S)
    seen = [item for item in bench.seen if item.path == "bus.current"]
    assert [item.value for item in seen] == [31.5, 30.0]
    assert [item.evidence["unit_loads"] for item in seen] == [21.0, 20.0]
    assert [item.evidence["too_many"] for item in seen] == [True, False]


def test_a_collision_is_recognised_by_its_current() -> None:
    """Two slaves in space at once are above 25 mA; one alone is not."""
    bench = crowd(2, "80", together=True)
    bench.short(NKE, 1)
    assert bench.values("bus.collision_detected") == []
    bench.short(NKE, 254)
    assert bench.values("bus.collision_detected") == [30.0]
    assert bench.values("bus.overload") == []


def test_a_recognised_collision_may_be_broken_off() -> None:
    """The break silences the slaves: hardly anything of their telegrams is heard."""
    bus = {"model": "80", "collision_break": True}
    bench = Bench(meter(), meter(id="n", primary_address=6), document={"bus": bus})
    assert len(bench.short(REQ1, 254)) < 10
    assert bench.read()[:1] == b"\x68"


def test_too_many_at_once_collapse_the_bus() -> None:
    """Forty slaves in space are 600 mA: the voltage is gone for a second, and then back."""
    bench = crowd(40, "80", together=True)
    bench.short(REQ1, 1)
    heard = bench.send(bytes.fromhex("107BFE7916"), S // 2)
    assert len(heard.data) <= 1
    assert bench.values("bus.overload") == [True]
    assert not any(one.powered for one in bench.network.meters.values())
    assert bench.short(REQ1, 1, patience_ns=S // 4) == b""
    bench.wait(S)
    assert bench.values("bus.overload") == [True, False]
    assert bench.short(REQ1, 1)[:1] == b"\x68"


def test_a_collapse_forgets_what_power_loss_forgets() -> None:
    """Selections and pages are gone, a battery keeps them."""
    bench = crowd(40, "80", together=True)
    assert bench.select(bytes.fromhex("FFFFFFFFFFFFFFFF"))[:1] in {b"\xe5", b"", b"\x00"}
    bench.wait(2 * S)
    assert bench.values("bus.overload") == [True, False]
    assert bench.network.selected == []


@pytest.mark.parametrize(("count", "down"), [(93, False), (94, True)])
def test_mark_current_above_the_limit_switches_off(count: int, down: bool) -> None:
    """140 mA are 93 unit loads; with one more there is no voltage, however long one waits."""
    bench = crowd(count, "80")
    bench.wait(60 * S)
    assert bench.values("bus.overload") == ([True] if down else [])
    assert bool(bench.short(REQ1, 1)) is not down
    if down:
        bench.network.meters["m7"].power(False)
        bench.wait(2 * S)
        assert bench.values("bus.overload") == [True, False]
        assert bench.short(REQ1, 1) != b""


def test_a_short_circuit_overloads_and_goes() -> None:
    """Something on the line draws too much for a while."""
    bench = crowd(2, "20")
    bench.network.line_fault("short_circuit", True, ma=200)
    bench.wait(S)
    assert bench.short(REQ1, 1) == b""
    bench.network.line_fault("short_circuit", False)
    bench.wait(2 * S)
    assert bench.short(REQ1, 1)[:1] == b"\x68"
    assert bench.values("bus.overload") == [True, False]


def test_the_lab_model_has_no_limit() -> None:
    """250 meters at 375 mA, and all of them in space at once, do nothing but collide."""
    bench = crowd(250, "lab", together=True)
    assert bench.short(NKE, 0) == b"\xe5"
    assert bench.values("bus.current") == [375.0]
    assert bench.values("bus.overload") == []


def test_a_meter_at_the_end_of_a_long_line_browns_out() -> None:
    """12 V are left at 29 ohm until 414 mA; in a large collision that meter restarts alone."""
    far = {"line_ohm": 29}
    bench = crowd(30, "lab", together=True)
    assert bench.network.meters["m0"].load.brown_out_ma == float("inf")
    bench = Bench(
        meter(count=30, identification_number="10000000 + i", answer_delay_bits=[11, 11]),
        meter(id="far", primary_address=77, answer_delay_bits=[11, 11], behaviour=far),
    )
    bench.short(REQ1, 77)
    bench.short(NKE, 254, patience_ns=S // 2)
    assert bench.values("meter(far).brown_out") == [True]
    assert bench.short(REQ1, 77, patience_ns=S // 4) == b""
    bench.wait(2 * S)
    assert bench.values("meter(far).brown_out") == [True, False]
    assert bench.short(REQ1, 77)[:1] == b"\x68"


def test_the_host_is_told_of_an_overload() -> None:
    """Writing to a bus without voltage fails, and works again when it is back."""
    env = simpy.Environment()
    document = {"meters": [meter()], "bus": {"model": "80"}}
    network = Network(env, population.parse(document, source="test"))
    opener = partial(network.open_port, received=Received, fault=Fault)
    rt = simulated_runtime(env, lines={"sim:": opener})

    async def main(rt: Any) -> None:
        line = await rt.open_line("sim:", LineFormat())
        await line.write(b"\x10\x40\x05\x45\x16")
        network.line_fault("short_circuit", True, ma=500)
        await rt.sleep(S)
        with pytest.raises(LineError, match="overloaded"):
            await line.write(b"\x10\x40\x05\x45\x16")
        with pytest.raises(LineError, match="overloaded"):
            await rt.open_line("sim:", LineFormat())
        network.line_fault("short_circuit", False)
        await rt.sleep(2 * S)
        line.flush()
        end = await line.write(b"\x10\x40\x05\x45\x16")
        answer = await line.receive(lambda data: 1 - len(data), by=end + S, gap=S)
        assert answer.data == b"\xe5"

    rt.run(main)


def test_the_models_are_those_of_the_device() -> None:
    """20 and 80 unit loads with 140 mA, and the lab model without."""
    assert {name: (one.unit_loads, one.limit_ma) for name, one in BUS_MODELS.items()} == {
        "20": (20, 140.0),
        "80": (80, 140.0),
        "lab": (None, None),
    }
