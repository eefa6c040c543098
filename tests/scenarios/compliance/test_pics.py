"""PICS and PIXIT: read, checked against the device, proposed for one that nobody knows."""

from __future__ import annotations

import pytest

from reports.verdict import Verdict
from scenarios.compliance import pics, suite, targets
from simulators.modbus.pdu import Identification, Registers


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
