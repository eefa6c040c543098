"""`missing` and `parse` agree: a reader that asks `missing` stops exactly at the end of a frame."""

from __future__ import annotations

from gateway.mbus.errors import FrameError
from gateway.mbus.frames import FRAME_SIZE_MAX, Frame, missing, parse, req_ud2, snd_nke, snd_ud
from tests.gateway.mbus import corpus
from tests.gateway.mbus.telegrams import frames


def seeds() -> list[bytes]:
    """One frame of each format, and telegrams."""
    calls: list[Frame] = [snd_nke(1), req_ud2(254, fcb=True), snd_ud(253, fcb=False, ci_field=0x50)]
    known = [*frames().values(), *(case.frame for case in corpus.load())]
    return [b"\xe5", *(call.to_bytes() for call in calls), *known]


def check(data: bytes) -> None:
    """Read the bytes as a link does, one at a time, and parse what it stopped at."""
    read = b""
    while missing(read) and len(read) < len(data):
        wanted = missing(read)
        assert 0 < wanted <= FRAME_SIZE_MAX
        read = data[: len(read) + 1]
        # A byte more never makes more bytes missing than the length field just told.
        assert missing(read) <= max(wanted - 1, FRAME_SIZE_MAX - len(read))
    assert len(read) <= FRAME_SIZE_MAX
    for wire in (read, data):
        _check_parse(wire)


def _check_parse(wire: bytes) -> None:
    try:
        frame = parse(wire)
    except FrameError as failure:
        error = failure
    else:
        assert frame.to_bytes() == wire
        assert missing(wire) == 0
        assert all(missing(wire[:size]) > 0 for size in range(len(wire)))
        return
    assert 0 <= error.offset <= len(wire)
