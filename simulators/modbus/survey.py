"""Finding out which registers a gateway serves, with as few requests as that takes.

A gateway does not say how many meters it has. The survey reads twelve entries at a time (120 of
the 125 registers that fit an answer, so that no entry is cut), and stops when `gap_limit`
ranges in a row hold nothing: exception 02, ILLEGAL DATA ADDRESS, is the answer to a range that
touches nothing mapped (C-12). Inside a range that holds something, gaps read as zeros, and so
does a text value: a step of ten zeros is asked for by itself, and the answer decides.

Sans-IO: `next_request` says what to ask, `answered` takes what came.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from simulators.modbus import layout
from simulators.modbus.pdu import (
    Answer,
    ExceptionAnswer,
    ExceptionCode,
    ReadRequest,
    Registers,
)

#: Entries asked for at once: 12 x 10 = 120 registers.
BLOCKS_PER_REQUEST: Final = 12

#: Ranges without any register after which the survey takes the map to have ended.
GAP_LIMIT: Final = 1

_END: Final = layout.LAST_ADDRESS + layout.BLOCK_LENGTH


class Survey:
    """One pass over the register map of one unit.

    `blocks_per_request` 1 suits servers that refuse a range of which not all is mapped.
    `gap_limit` None sweeps all 65530 registers, for maps whose owner left wide gaps. When
    `done`, `registers` holds what is mapped, `blocks` reads it, and `complaints` lists every
    answer that was neither registers nor exception 02.
    """

    def __init__(
        self,
        *,
        gap_limit: int | None = GAP_LIMIT,
        blocks_per_request: int = BLOCKS_PER_REQUEST,
    ) -> None:
        self._gap_limit = gap_limit
        self._range_length = blocks_per_request * layout.BLOCK_LENGTH
        self._gaps = 0
        self._next_range = 0
        self._probes: deque[int] = deque()
        self._asked: ReadRequest | None = None
        self.registers: dict[int, int] = {}
        self.complaints: list[tuple[ReadRequest, Answer]] = []

    @property
    def done(self) -> bool:
        """True when there is nothing more to ask."""
        return not self._probes and (self._exhausted or self._next_range >= _END)

    @property
    def _exhausted(self) -> bool:
        return self._gap_limit is not None and self._gaps >= self._gap_limit

    @property
    def blocks(self) -> list[layout.Block]:
        """The entries found so far."""
        return layout.read_mapped(self.registers)

    def next_request(self) -> ReadRequest | None:
        """Return the next request; the same one until `answered`, None when `done`."""
        if self._asked is None and not self.done:
            if self._probes:
                self._asked = ReadRequest(self._probes[0], layout.BLOCK_LENGTH)
            else:
                quantity = min(self._range_length, _END - self._next_range)
                self._asked = ReadRequest(self._next_range, quantity)
        return self._asked

    def answered(self, answer: Answer) -> None:
        """Take the answer to the request that `next_request` returned last."""
        request, self._asked = self._asked, None
        if request is None:
            raise ValueError("nothing was asked")
        if self._probes:
            self._probes.popleft()
            self._probed(request, answer)
            return
        self._next_range += request.quantity
        if not isinstance(answer, Registers):
            self._gaps += 1
            self._complain(request, answer)
            return
        self._gaps = 0
        for step in range(0, request.quantity, layout.BLOCK_LENGTH):
            self._take(answer.starting_address + step, answer.words[step:][: layout.BLOCK_LENGTH])

    def _take(self, address: int, words: tuple[int, ...]) -> None:
        if any(words):
            self.registers.update(enumerate(words, address))
        else:
            self._probes.append(address)

    def _probed(self, request: ReadRequest, answer: Answer) -> None:
        if isinstance(answer, Registers):
            self.registers.update(enumerate(answer.words, answer.starting_address))
        else:
            self._complain(request, answer)

    def _complain(self, request: ReadRequest, answer: Answer) -> None:
        """Record an answer that a gateway must not give to such a request."""
        unmapped = ExceptionAnswer(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        if answer != unmapped:
            self.complaints.append((request, answer))
