"""Application errors of CI 70."""

from __future__ import annotations

from gateway.mbus.tables.application_error import application_error_label


def test_application_errors_have_their_names() -> None:
    """MBDOC48 p.53: 0 unspecified, 8 busy, 9 too many read-outs; from 10 on reserved."""
    assert application_error_label(0) == "unspecified error"
    assert application_error_label(8) == "application too busy"
    assert application_error_label(9) == "too many read-outs"
    assert application_error_label(200) == "reserved"
