"""Errors as values: where, what was expected, what came."""

from __future__ import annotations

import pytest

from gateway.mbus.errors import (
    FrameError,
    LocalProtocolError,
    MBusError,
    RecordError,
    RemoteProtocolError,
)


@pytest.mark.parametrize("kind", [FrameError, RecordError, LocalProtocolError, RemoteProtocolError])
def test_an_error_says_where_what_was_expected_and_what_came(kind: type[MBusError]) -> None:
    """Every error of the codec names place, expectation, finding and source."""
    error = kind(7, "checksum 1A", "2B", source="MBDOC48 p.22")
    assert isinstance(error, MBusError)
    assert str(error) == "at byte 7: expected checksum 1A, got 2B (MBDOC48 p.22)"
    assert (error.offset, error.expected, error.got) == (7, "checksum 1A", "2B")


def test_an_error_without_a_source_names_none() -> None:
    """No document is cited where none was obeyed."""
    assert FrameError(0, "a frame", "nothing").message == "at byte 0: expected a frame, got nothing"
