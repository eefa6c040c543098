"""The application layer of a meter: which records it sends, in which structure, and their truth.

A telegram is remembered together with what it really said, so that a read-out that is complete can
be compared with what a gateway made of it, faults and all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators import commands, frames
from simulators.frames import CiField
from simulators.profile import (
    MORE_RECORDS_FOLLOW,
    PAGE_LENGTH_MAX,
    CompiledRecord,
    ExpectedReading,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from simulators.behaviour import Behaviour
    from simulators.identity import Identity
    from simulators.profile import Record

#: DIF that ends the last telegram of a meter that uses DFC (Gossen).
MANUFACTURER_DATA: Final = b"\x0f"
#: DIB and VIB of the fabrication number in an enhanced selection (MBDOC48 p.69).
_FABRICATION: Final = (b"\x0c", b"\x78")

#: CI fields of the data structures; mode 2 has bit 2 set (MBDOC48 p.31).
_CI_FIELDS: Final = {
    "variable": CiField.RSP_UD_VARIABLE,
    "fixed": CiField.RSP_UD_FIXED,
    "short header": CiField.RSP_UD_SHORT_HEADER,
    "no header": CiField.RSP_UD_NO_HEADER,
}
_MODE_2: Final = 0x04
#: Characters of a frame before its user data: start, two lengths, start, C, A and CI field.
_LONG_FRAME_HEAD: Final = 7
#: Characters that `Application.header` puts in front of the records.
_HEADER_LENGTHS: Final = {"variable": 12, "fixed": 8, "short header": 4, "no header": 0}


class Moment(NamedTuple):
    """When a meter speaks: the time of its values, of its clock and of its last freeze (ns)."""

    value_ns: int
    clock_ns: int
    frozen_ns: int

    def of(self, record: CompiledRecord) -> int:
        """The time that decides what `record` says."""
        if record.is_clock:
            return self.clock_ns
        return self.frozen_ns if record.record.frozen else self.value_ns


class Spoilt(NamedTuple):
    """What a record says because of a fault: its data, and how a correct gateway reads them."""

    data: bytes
    reading: ExpectedReading | None


#: What a fault makes of a record that speaks of a time (ns), with so many characters of room left
#: in the telegram; None leaves it as it is.
Spoiler = Callable[[CompiledRecord, int, int], Spoilt | None]


@dataclass(slots=True)
class Sent:
    """The records of one telegram as they were sent, with the time that each one showed.

    `number` counts the telegrams of a read-out from 0, `start` is where the first record stands
    in the frame.
    """

    records: Sequence[CompiledRecord]
    moment: Moment
    spoilt: Mapping[int, Spoilt]
    number: int
    start: int

    def length(self, record: CompiledRecord) -> int:
        """The characters of one of its records."""
        spoilt = self.spoilt.get(record.index)
        if spoilt is not None:
            return len(record.head) + len(spoilt.data)
        return len(record.encode(self.moment.of(record)))


class ReadOut:
    """One complete read-out: when its last telegram had been sent, and what was in all of them."""

    __slots__ = ("_pages", "_readings", "at_ns")

    def __init__(self, at_ns: int, pages: Sequence[Sent]) -> None:
        self.at_ns = at_ns
        self._pages = pages
        self._readings: list[ExpectedReading] | None = None

    @property
    def readings(self) -> list[ExpectedReading]:
        """The readings in the order of the data records, hidden ones left out (C-58)."""
        if self._readings is None:
            times, found, place = self._times(), list[ExpectedReading](), 0
            for page in self._pages:
                offset = page.start
                for record in page.records:
                    reading = self._reading(page, record, times, place)
                    if reading is not None:
                        found.append(reading._replace(telegram=page.number + 1, offset=offset))
                    offset += page.length(record)
                    place += 1
            self._readings = found
        return self._readings

    def _reading(
        self, page: Sent, record: CompiledRecord, times: Mapping[str | None, int], place: int
    ) -> ExpectedReading | None:
        """What `record`, the `place`-th of the read-out, should be read as."""
        timestamp = times.get(record.record.timestamp_from)
        spoilt = page.spoilt.get(record.index)
        if spoilt is not None:
            reading = spoilt.reading
        else:
            reading = record.reading(page.moment.of(record), None)
        if reading is None:
            return None
        return reading._replace(record=place, timestamp=timestamp)

    def _times(self) -> dict[str | None, int]:
        """The moment that each record with an id says, if it says one."""
        return {
            record.record.id: record.unix_time(page.moment.of(record))
            for page in self._pages
            for record in page.records
            if record.record.id is not None and record.record.coding in {"date_f", "date_g"}
        }


class Application:
    """The telegrams of one meter, and what a master has chosen of them.

    `key` names the meter for everything that its values draw; `epoch` is its clock at time 0.
    """

    def __init__(
        self,
        telegrams: Sequence[Sequence[Record]],
        behaviour: Behaviour,
        *,
        key: str,
        epoch: datetime,
    ) -> None:
        self._behaviour = behaviour
        self._all = _compiled(telegrams, key, epoch)
        #: What is sent now: the records of each telegram.
        self.pages: list[tuple[CompiledRecord, ...]] = self._unasked()
        self.frozen_ns = 0
        self._freezes = any(record.record.frozen for page in self._all for record in page)
        # An identity with what the header says before and behind access number and status.
        self._framed: tuple[Identity | None, bytes, bytes] = (None, b"", b"")
        self._readout: list[commands.Command] = []
        self._mode_2 = behaviour.mode == 2
        self._ci_field = _CI_FIELDS[behaviour.structure] | (_MODE_2 if self._mode_2 else 0)

    @property
    def records(self) -> list[CompiledRecord]:
        """All records of the meter in their order, chosen by a master or not."""
        return [record for page in self._all for record in page]

    # --- What a master chooses ----------------------------------------------------------------

    def _unasked(self) -> list[tuple[CompiledRecord, ...]]:
        """What is sent before a master has chosen anything."""
        count = self._behaviour.unasked
        return list(self._all) if count is None else [self._all[0][:count]]

    def reset(self, subcode: int) -> None:
        """Application reset: everything again, or the telegrams that `subcode` means."""
        self._readout.clear()
        if self._behaviour.unasked is not None and not subcode:
            self.pages = self._unasked()
            return
        wanted = self._behaviour.subcodes.get(subcode >> 4, range(1, len(self._all) + 1))
        pages = [self._all[page - 1] for page in wanted]
        number = subcode & 0x0F
        self.pages = pages[number - 1 : number] if 0 < number <= len(pages) else pages

    def choose(self, selections: Sequence[commands.Command]) -> bool:
        """Take over selections for readout; whether the telegrams are other ones now."""
        if self._behaviour.unasked is not None:
            selections = [one for one in selections if one.dib[0] == commands.GLOBAL_READOUT]
        elif not self._behaviour.readout_selection:
            return False
        if not selections:
            return False
        for selection in selections:
            if selection.action == commands.DELETE_FROM_READOUT:
                kept = [old for old in self._readout if old.vib[:1] != selection.vib[:1]]
                self._readout = kept if len(kept) < len(self._readout) else [*kept, selection]
            else:
                self._readout.append(selection)
        chosen = [tuple(item for item in page if self._wanted(item)) for page in self._all]
        self.pages = [page for page in chosen if page] or [()]
        return True

    def _wanted(self, record: CompiledRecord) -> bool:
        """Whether the readout list has `record`; a list of deletions leaves all the others."""
        dib, vib = record.record.dib, record.record.vib
        adds = [one for one in self._readout if one.action != commands.DELETE_FROM_READOUT]
        drops = [one for one in self._readout if one.action == commands.DELETE_FROM_READOUT]
        if any(commands.chooses(one, dib, vib) for one in drops):
            return False
        return not adds or any(commands.chooses(one, dib, vib) for one in adds)

    def has(self, mask: commands.Command, now_ns: int) -> bool:
        """Whether an enhanced selection's record means one of the meter's."""
        fabrication = self._behaviour.fabrication_number
        if fabrication is not None and (mask.dib, mask.vib) == _FABRICATION:
            number = frames.identification_bytes(fabrication)
            return commands.matches(mask, mask.dib, mask.vib, number)
        return any(
            commands.matches(mask, record.record.dib, record.record.vib, record.characters(now_ns))
            for page in self._all
            for record in page
        )

    # --- What it says -------------------------------------------------------------------------

    def body(self, number: int, sent: Sent, *, more: bool) -> bytes:
        """The records of telegram `number` (from 0) as characters."""
        moment = sent.moment
        if sent.spoilt or self._mode_2:
            body = b"".join([self._record(record, sent) for record in sent.records])
        elif self._freezes or moment.clock_ns != moment.value_ns:
            body = b"".join([record.encode(moment.of(record)) for record in sent.records])
        else:
            ns = moment.value_ns
            body = b"".join([record.fixed or record.encode(ns) for record in sent.records])
        if more and self._behaviour.more != "none":
            return body + MORE_RECORDS_FOLLOW
        if self._behaviour.more == "dfc" and number:
            return body + MANUFACTURER_DATA
        return body

    def _record(self, record: CompiledRecord, sent: Sent) -> bytes:
        """One record, spoilt by a fault or the other way round for mode 2."""
        spoilt = sent.spoilt.get(record.index)
        data = spoilt.data if spoilt else record.characters(sent.moment.of(record))
        if self._mode_2 and record.record.coding is not None:
            if record.record.coding == "text":
                # LVAR stays in front; mode 2 sends the text as it is read.
                data = data[:1] + data[:0:-1]
            else:
                data = data[::-1]
        return record.head + data

    def sent(self, number: int, moment: Moment, spoil: Sequence[Spoiler]) -> Sent:
        """What telegram `number` (from 0) says at `moment`, with what faults make of it."""
        records = self.pages[number]
        spoilt = dict[int, Spoilt]()
        if spoil:
            room = PAGE_LENGTH_MAX - 1
            room -= sum(len(record.encode(moment.of(record))) for record in records)
            for record in records:
                for one in spoil:
                    found = one(record, moment.of(record), room)
                    if found is not None:
                        spoilt[record.index] = found
                        room -= len(found.data) - len(record.characters(moment.of(record)))
        start = _LONG_FRAME_HEAD + _HEADER_LENGTHS[self._behaviour.structure]
        return Sent(records, moment, spoilt, number, start)

    def header(self, identity: Identity, access_number: int, status: int) -> bytes:
        """The characters between the CI field and the records."""
        if self._behaviour.structure == "no header":
            return b""
        if identity is not self._framed[0]:
            self._framed = (identity, *self._frame_of(identity))
        _, before, after = self._framed
        return before + bytes((access_number, status)) + after

    def _frame_of(self, identity: Identity) -> tuple[bytes, bytes]:
        """What stands before and behind access number and status."""
        behaviour = self._behaviour
        structure, order = behaviour.structure, -1 if self._mode_2 else 1
        address, configuration = identity.to_bytes(), behaviour.configuration[::order]
        number = address[:4][::order]
        if structure == "fixed":
            # Medium and unit stand least significant first in both modes (MBDOC48 p.74).
            return number, behaviour.medium_unit
        if structure == "short header":
            return b"", configuration
        return number + address[4:6][::order] + address[6:], configuration

    def rsp_ud(self, a_field: int, data: bytes, *, acd: bool, dfc: bool) -> bytes:
        """The frame; `data` is header and body."""
        c_field = frames.RSP_UD | (frames.ACD if acd else 0) | (frames.DFC if dfc else 0)
        return frames.long_frame(c_field, a_field, self._ci_field, data)


def _compiled(
    telegrams: Sequence[Sequence[Record]], key: str, epoch: datetime
) -> list[tuple[CompiledRecord, ...]]:
    """The telegrams of one meter, its records numbered through and ready to be sent."""
    pages, index = list[tuple[CompiledRecord, ...]](), 0
    for records in telegrams:
        pages.append(
            tuple(
                CompiledRecord(record, index + n, f"{key}/record({index + n})", epoch)
                for n, record in enumerate(records)
            )
        )
        index += len(records)
    return pages
