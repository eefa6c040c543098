"""What can go wrong on the wire, as values that say where, what was expected and what came.

::

    MBusError
    ├── FrameError           start, length, checksum or stop of a frame
    ├── RecordError          a data record: DIB, VIB or data
    ├── LocalProtocolError   we were asked to build something the protocol does not have
    └── RemoteProtocolError  a well-formed frame that this side must not receive

Bad input from the bus never raises out of `gateway.mbus.telegram.decode`: the same objects stand in
`Telegram.error` and `DataRecord.error`, so a caller shows them without a traceback.
"""

from __future__ import annotations


class MBusError(Exception):
    """Common base; catch it to handle everything that a peer or a caller can get wrong.

    `offset` counts bytes from the start of the frame (for address text: characters), `expected` and
    `got` are short English phrases without a full stop, `source` names the document obeyed.
    """

    def __init__(self, offset: int, expected: str, got: str, *, source: str = "") -> None:
        super().__init__(offset, expected, got)
        self.offset = offset
        self.expected = expected
        self.got = got
        self.source = source

    @property
    def message(self) -> str:
        """One line for a person: place, expectation, finding and, where known, the source."""
        reason = f" ({self.source})" if self.source else ""
        return f"at byte {self.offset}: expected {self.expected}, got {self.got}{reason}"

    def __str__(self) -> str:
        return self.message


class FrameError(MBusError):
    """The bytes are not one whole frame of one of the four formats (MBDOC48 p.22-23)."""


class RecordError(MBusError):
    """A data record cannot be read, or its data are no value (MBDOC48 p.37-62)."""


class LocalProtocolError(MBusError):
    """Our own side asked for a field, address or mask that does not exist."""


class RemoteProtocolError(MBusError):
    """A good frame in the wrong direction or of a kind that a master cannot use."""
