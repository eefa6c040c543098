"""The walk over the primary addresses (`SCAN-01`, `SCAN-02`, `C-60`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.device.link import ADDRESS_SELECTED, AnswerKind
from gateway.device.readout import Target, read_meter, send_step, wake_up
from gateway.device.scan import Found, ScanReport, address_of
from gateway.device.sequences import SCAN_STEPS, Addressing, ResetMode, Step
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.device.link import Link
    from gateway.device.scan import ScanPlan
    from gateway.runtime.port import Runtime


class PrimaryScan:
    """A walk over the primary addresses (`SCAN-01`, `SCAN-02`, `C-60`)."""

    def __init__(self, rt: Runtime, link: Link, plan: ScanPlan, reset_mode: ResetMode) -> None:
        self._rt = rt
        self._link = link
        self._plan = plan
        self._reset_mode = reset_mode

    async def run(self, on_found: Callable[[Found], Awaitable[bool]]) -> ScanReport:
        """Ask every address from start to final; raises only `LineError`."""
        started = self._rt.now()
        if self._plan.readout.wakeup:
            await wake_up(self._link)
        for step in SCAN_STEPS[self._reset_mode]:
            if step is not Step.NKE_FF:
                await send_step(self._link, step, ADDRESS_SELECTED)
        report = ScanReport(slowest_answer_ns=self._link.settings.first_byte_ns)
        for a_field in range(self._plan.primary_start, self._plan.primary_final + 1):
            report.selects += 1
            found = await self._probe(a_field)
            if found is not None:
                report.found += 1
            else:
                report.empties += 1
            self._tell(a_field, report, self._rt.now() - started)
            if found is not None and not await on_found(found):
                break
        report.duration_ns = self._rt.now() - started
        return report

    def _tell(self, a_field: int, report: ScanReport, bus_ns: int) -> None:
        first, final = self._plan.primary_start, self._plan.primary_final
        self._rt.log(
            "scan.probe",
            address=a_field,
            share=round((a_field - first + 1) / (final - first + 1), 8),
            found=report.found,
            seconds=round(bus_ns / NS_PER_S, 3),
            selects=report.selects,
            collisions=0,
            empties=report.empties,
        )

    async def _probe(self, a_field: int) -> Found | None:
        if not await self._anybody(a_field):
            return None
        target = Target(Addressing.PRIMARY, a_field, None)
        readout = await read_meter(self._link, self._plan.readout, target)
        first = readout.pages[0] if readout.pages else None
        address = address_of(first)
        if first is None or address is None:
            self._rt.log("scan.garbled", address=a_field, reason=readout.failure)
            return None
        return Found(address, a_field, Addressing.PRIMARY, first, readout=readout)

    async def _anybody(self, a_field: int) -> bool:
        """SND_NKE and REQ_UD2 in turn, until anything at all is heard."""
        for number in range(self._link.settings.tries):
            if number % 2 == 0 and self._reset_mode is not ResetMode.NONE:
                answer = await self._link.reset(a_field)
            else:
                answer = await self._link.request(a_field, tries=1)
            if answer.kind is AnswerKind.BROKEN:
                await self._link.settle()
            if answer.kind is not AnswerKind.SILENCE:
                return True
        return False
