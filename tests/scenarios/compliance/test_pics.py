"""PICS and PIXIT: read, checked against the device, proposed for one that nobody knows."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.registers.layout import Layout, WordOrder
from reports.verdict import Verdict
from scenarios.compliance import pics, suite, targets
from simulators.modbus.pdu import Identification, Registers
from tests.gateway import worked_examples
from tests.scenarios.checks.conformance import servers


def test_the_packaged_statement_fits_the_reference() -> None:
    """What the reference claims is what it says of itself."""
    cases = targets.reference_statement_cases(pics.load(pics.REFERENCE), 1)
    assert [case.verdict for case in cases] == [Verdict.PASS] * 3


def test_a_statement_of_another_device_fails_first() -> None:
    """A wrong model or serial number is found before anything else is judged."""
    wrong = pics.parse(
        "pics: other\ntitle: Other\ndevice: {unit_loads: 80, serial_number: 5}\n", source="x.yaml"
    )
    cases = targets.reference_statement_cases(wrong, 1)
    assert [case.id for case in cases if case.verdict is Verdict.FAIL] == ["pics/serial-number"]
    assert "the statement says 5, the device says 75907" in cases[1].reason


def test_mistakes_are_told_with_their_place() -> None:
    """Unknown keys and wrong kinds, all at once."""
    text = "pics: x\ntitle: X\nclaims:\n  flaot_only: true\n  udp: 3\n"
    with pytest.raises(pics.PicsError) as caught:
        pics.parse(text, source="x.yaml")
    message = str(caught.value)
    assert "x.yaml:4:3" in message
    assert "float_only" in message
    assert "x.yaml:5:8" in message


def test_a_secret_is_named_and_never_given() -> None:
    """The password itself has no place in the file."""
    with pytest.raises(pics.PicsError):
        pics.parse("pics: x\ntitle: X\nparameters: {password: admin}\n", source="x.yaml")
    good = pics.parse("pics: x\ntitle: X\nparameters: {password: $ADMIN_PW}\n", source="x.yaml")
    assert good.facts()["password"] == "$ADMIN_PW"


def test_what_is_not_claimed_is_not_applicable() -> None:
    """The float-only layout of a device that does not claim it is not run."""
    statement = pics.parse("pics: x\ntitle: X\nclaims: {float_only: false}\n", source="x.yaml")
    selected = [one for one in suite.select_cases() if one.id == "layout/float-only"]
    cases = suite.run(selected, pics=statement).cases
    assert {case.verdict for case in cases} == {Verdict.NOT_APPLICABLE}
    assert len(cases) == len(selected[0].requirements)


def test_a_statement_is_proposed_from_what_a_server_shows() -> None:
    """Product code, name, serial number and version; it reads back as a file."""
    identification = Identification(2, False, 0, ((1, b"1"), (6, b"Anybus M-Bus 20")))
    head = Registers(0, (1, 0x2883, 1, 130, 0, 0, 0, 0x100, 0, 0))
    proposed = pics.propose(identification, head)
    assert proposed.device.unit_loads == 20
    assert proposed.device.serial_number == 75907
    assert pics.parse(proposed.to_yaml(), source="proposed") == proposed
    assert pics.propose(None, None).title == "A gateway without identification"


def test_a_swap_does_not_change_who_the_device_is() -> None:
    """Over the network the serial number is read in the order in force, and proposed so."""
    image = worked_examples.image(Layout(word_order=WordOrder.LSB_FIRST_32))
    ready, stop = threading.Event(), threading.Event()
    where: list[tuple[str, int]] = []

    async def serve() -> None:
        async with servers.ours(lambda: image) as address:
            where.append(address)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        proposed = targets.propose(*where[0])
        statement = pics.load(pics.REFERENCE)
        outcome = targets.over_the_network(*where[0], statement, tool_version="test")
    finally:
        stop.set()
        thread.join(10)
    assert proposed.device.serial_number == 75907
    cases = {case.id: case.verdict for case in outcome.cases if case.id.startswith("pics/")}
    assert cases["pics/serial-number"] is Verdict.PASS
