"""One-shot tools on the bus: ``gateway scan | read | raw | set-address``.

Each opens the bus, holds one conversation on it and closes it. `--trace` writes every telegram with
its time; `--json` prints one document, documented in docs/command-line.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gateway.complaints import complain
from gateway.device import addressing, diagnosis, plans
from gateway.device import configuration as chip_ini
from gateway.device.link import AnswerKind, Echo, Link
from gateway.device.primary_scan import PrimaryScan
from gateway.device.readings import records_of
from gateway.device.readout import ReadoutPlan, Target, read_meter, selection_mask
from gateway.device.scan import SecondaryScan
from gateway.device.select_mask import parts_of, remedy
from gateway.device.sequences import Addressing
from gateway.io.runtime import AioRuntime
from gateway.io.storage import NoFiles
from gateway.mbus.address import SecondaryAddress, manufacturer_letters
from gateway.mbus.jsonform import to_document
from gateway.mbus.tables.manual import medium_label
from gateway.mbus.textform import to_text
from gateway.runtime.port import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from gateway.device.configuration import Configuration
    from gateway.device.scan import Found, ScanReport
    from gateway.runtime.port import EventValue, Runtime

EXIT_BAD_NEWS: Final = 1
#: Share of a search behind which its progress shows what is left.
ESTIMATE_FROM: Final = 0.2
#: Transports that carry bytes alone: no master can change the speed behind them.
FIXED_SPEED: Final = ("socket://", "udp://")
#: Bytes that `raw` sends in one telegram at most: the longest of the standard (MBDOC48 p.22-23).
RAW_BYTES_MAX: Final = 261

Bus = Annotated[
    str,
    typer.Option(
        "--bus", metavar="URL", help="/dev/ttyUSB0, socket://host:port, rfc2217://… or udp://…"
    ),
]
EchoOption = Annotated[
    Echo, typer.Option(help="Whether the converter sends back what it is given; auto finds out.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Delay = Annotated[
    int,
    typer.Option(
        "--transport-delay", metavar="MS", help="What the converter adds to the way of an answer."
    ),
]
_Baudrate = Annotated[int, typer.Option(help="Speed of the line.")]
_Trace = Annotated[
    str | None,
    typer.Option(metavar="FILE|-", help="Write every telegram with its time; - on stderr."),
]
_Timeout = Annotated[
    int, typer.Option(metavar="MS", help="MBUS_TIMEOUT: how long the first byte may take.")
]
_Retries = Annotated[int, typer.Option(metavar="N", help="MBUS_MAXRETRY: tries beyond the first.")]


@dataclass(frozen=True, slots=True)
class Access:
    """How a tool reaches the bus, and where it tells what it does."""

    url: str
    configuration: Configuration
    delay_ms: int
    echo: Echo
    trace: str | None
    told: Callable[[str, dict[str, EventValue]], None] | None = None


def on_bus(
    access: Access, conversation: Callable[[Runtime, Link], Coroutine[Any, Any, Any]]
) -> Any:
    """Open the bus, hold one conversation on it, close it; a bus that fails ends the command."""

    async def main(rt: Runtime) -> Any:
        line = await rt.open_line(access.url, plans.line_format(access.configuration))
        try:
            settings = plans.link_settings(
                access.configuration, access.delay_ms * NS_PER_MS, access.echo
            )
            return await conversation(rt, Link(rt, line, settings))
        finally:
            with rt.shield(NS_PER_S):
                await line.close()

    with _tracing(access.trace) as write:

        def log(at_ns: int, kind: str, fields: dict[str, EventValue]) -> None:
            write(at_ns, kind, fields)
            if access.told is not None:
                access.told(kind, fields)

        async def in_real_time() -> Any:
            result = await AioRuntime(storage=NoFiles(), log=log).run(main)
            # One turn of the loop, in which the transport hangs up.
            await asyncio.sleep(0)
            return result

        try:
            return asyncio.run(in_real_time())
        except OSError as error:
            complain(str(error))
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_BAD_NEWS) from None


# --- The trace --------------------------------------------------------------------------------

_ARROWS: Final = {"link.sent": "→", "link.received": "←", "link.discarded": "⇠"}


@contextlib.contextmanager
def _tracing(place: str | None) -> Iterator[Callable[[int, str, dict[str, EventValue]], None]]:
    """Give a function that writes telegrams to a file, on standard error (-), or nowhere."""
    if place is None:
        yield lambda _at, _kind, _fields: None
        return
    try:
        file = sys.stderr if place == "-" else open(place, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    except OSError as error:
        complain(f"{place}: {error.strerror}")
    try:
        yield _Tracer(file).write
    finally:
        if file is not sys.stderr:
            file.close()


class _Tracer:
    """Writes one line a telegram: seconds since the start, ms since the line before, bytes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._start: int | None = None
        self._before = 0

    def write(self, at_ns: int, kind: str, fields: dict[str, EventValue]) -> None:
        """Take an event of the link; others are passed over."""
        arrow = _ARROWS.get(kind)
        if arrow is None:
            return
        if self._start is None:
            self._start = self._before = at_ns
        data = bytes.fromhex(str(fields.get("data", ""))).hex(" ").upper()
        note = "" if fields.get("kind") in (None, "ack", "frame") else f"  {fields['kind']}"
        if fields.get("reason"):
            note += f": {fields['reason']}"
        seconds, ms = (at_ns - self._start) / NS_PER_S, (at_ns - self._before) / NS_PER_MS
        self._before = at_ns
        self._file.write(f"{seconds:10.4f} s {ms:+9.1f} ms  {arrow} {data}{note}\n")
        self._file.flush()


# --- Settings ---------------------------------------------------------------------------------


def _settings(**keys: Any) -> Configuration:
    """The factory settings with `keys` changed; a key out of range ends the command."""
    factory, _ = chip_ini.load(chip_ini.FACTORY_CHIP_INI.encode())
    configuration = replace(factory, **keys)
    try:
        # Writing checks every value by the rules of the file.
        chip_ini.save(b"", configuration)
    except ValueError as error:
        complain(str(error))
    return configuration


def target_of(text: str) -> Target:
    """Tell a primary address (up to three digits) from a secondary one.

    That is an identification number (eight digits), or all of it: behind the number manufacturer,
    version and medium as four bytes in the order of the wire.
    """
    digits = set("0123456789abcdefABCDEF")
    if len(text) in {8, 16} and set(text) <= digits:
        rest = bytes.fromhex(text[8:] or "FFFFFFFF")
        manufacturer = int.from_bytes(rest[:2], "little")
        address = SecondaryAddress(text[:8].upper(), manufacturer, rest[2], rest[3])
        return Target(Addressing.SECONDARY, 0, selection_mask(address, 0))
    if text.isdecimal() and int(text) <= addressing.PRIMARY_ADDRESS_MAX:
        return addressing.primary(int(text))
    complain(f"expected a primary address 0 to 250, or eight or sixteen digits, got {text!r}")
    return None


# --- scan -------------------------------------------------------------------------------------


def scan_bus(
    bus: Bus,
    baudrate: _Baudrate = 2400,
    primary: Annotated[bool, typer.Option("--primary", help="Walk the primary addresses.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Fix the last digit first.")] = False,
    literal: Annotated[
        bool, typer.Option("--literal", help="Wait MBUS_TIMEOUT and retry for every mask (C-74).")
    ] = False,
    mask: Annotated[str, typer.Option(help="Eight digits of the number, F for any.")] = "FFFFFFFF",
    manufacturer: Annotated[str, typer.Option(help="Four hex digits, FFFF for any.")] = "FFFF",
    version: Annotated[str, typer.Option(help="Two hex digits, FF for any.")] = "FF",
    medium: Annotated[str, typer.Option(help="Two hex digits, FF for any.")] = "FF",
    hexadecimal: Annotated[
        bool, typer.Option("--hexadecimal", help="Look for digits A to E without any sign of them.")
    ] = False,
    first: Annotated[int, typer.Option(help="First primary address.")] = 0,
    last: Annotated[int, typer.Option(help="Last primary address.")] = 250,
    timeout: _Timeout = 2000,
    retries: _Retries = 3,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Listen and call at every baud rate; name remedies.")
    ] = False,
    transport_delay: Delay = 0,
    echo: EchoOption = Echo.AUTO,
    trace: _Trace = None,
    as_json: Json = False,
) -> None:
    """Search a bus once and list the meters found. Exit code 1 when there is none."""
    configuration = _settings(
        mbus_baudrate=baudrate,
        mbus_scanmode=_scan_mode(primary=primary, reverse=reverse),
        mbus_secmaskserial=mask.upper(),
        mbus_secmaskmanufacturer=manufacturer.upper(),
        mbus_secmaskversion=version.upper(),
        mbus_secmaskmedium=medium.upper(),
        mbus_searchtiming="LITERAL" if literal else "ADAPTIVE",
        mbus_searchhexadecimal=int(hexadecimal),
        mbus_minprimaryaddress=first,
        mbus_maxprimaryaddress=last,
        mbus_timeout=timeout,
        mbus_maxretry=retries,
    )
    access = Access(bus, configuration, transport_delay, echo, trace)
    if diagnose:
        _diagnose(access, baudrate, as_json=as_json)
    else:
        _scan(access, as_json=as_json)


def _scan_mode(*, primary: bool, reverse: bool) -> str:
    if primary:
        return "PRIMARYSCAN"
    return "SECONDARYSCANREVERSE" if reverse else "SECONDARYSCAN"


def _scan(access: Access, *, as_json: bool) -> None:
    found: list[Found] = []
    console = Console(stderr=True)
    plan = plans.scan_plan(access.configuration)
    with _Searching(console, quiet=as_json) as searching:

        async def on_found(meter: Found) -> bool:
            found.append(meter)
            if not as_json:
                searching.line(_found_line(meter))
            return True

        async def conversation(rt: Runtime, link: Link) -> ScanReport:
            reset_mode = plans.readout_plan(access.configuration).reset_mode
            search = PrimaryScan if plan.primary else SecondaryScan
            return await search(rt, link, plan, reset_mode).run(on_found)

        report: ScanReport = on_bus(replace(access, told=searching.told), conversation)
    if as_json:
        typer.echo(json.dumps(_scan_document(found, report), indent=2))
    else:
        _tell_report(found, report)
    for unresolved in report.unresolved:
        text = _unresolved_text(unresolved.identification_number, report.reasons[unresolved])
        typer.echo(f"warning: {text}", err=True)
    if not found:
        raise typer.Exit(EXIT_BAD_NEWS)


class _Searching:
    """The progress of a search: a bar on a terminal, nothing elsewhere."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._progress = Progress(
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:3.0f} %  {task.fields[status]}"),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("search", total=1.0, status="")

    def __enter__(self) -> _Searching:
        self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        """Print a line of the result above the bar."""
        self._progress.stop()
        typer.echo(text)
        self._progress.start()

    def told(self, kind: str, fields: dict[str, EventValue]) -> None:
        """Take an event of the scan."""
        if kind != "scan.probe":
            return
        expected = fields.get("expected")
        of = f" of ~{expected:.0f}" if isinstance(expected, int | float) and expected else ""
        share, seconds = fields.get("share"), fields.get("seconds")
        done = float(share) if isinstance(share, int | float) else 0.0
        spent = float(seconds) if isinstance(seconds, int | float) else 0.0
        # Early on the share says little: one collision may be worth half the search.
        left = f", ~{spent * (1 - done) / done:.0f} s left" if done > ESTIMATE_FROM else ""
        status = f"{fields['found']}{of} found, {fields['selects']} masks, {spent:.0f} s{left}"
        self._progress.update(self._task, completed=done, status=status)


def _tell_report(found: list[Found], report: ScanReport) -> None:
    seconds = report.duration_ns / NS_PER_S
    typer.echo(
        f"{len(found)} meters, {report.selects} masks asked ({report.empties} empty, "
        f"{report.collisions} collisions, {report.retries} retries) in {seconds:.1f} s"
    )
    if report.select_mask:
        typer.echo(f"set {_select_mask_text(report)}")
    if report.not_looked_for:
        typer.echo("not looked for: " + "; ".join(report.not_looked_for))


def _select_mask_text(report: ScanReport) -> str:
    """The one value for all that need one, and whom it would cost."""
    text = f"MBUS_SELECTMASK={report.select_mask} (any {parts_of(report.select_mask)})"
    if report.select_mask_conflicts:
        numbers = ", ".join(str(address) for address in report.select_mask_conflicts)
        text += f"; then not to be told apart, read by primary address: {numbers}"
    return text


def _unresolved_text(number: str, heard: str) -> str:
    """Why meters under a mask were not told apart, and what manual 8.3 advises."""
    what = f"several meters share the number {number}, or one there answers garbled"
    if "F" in number:
        what = f"answers under {number} stay garbled, or a meter there has a digit F"
    return (
        f"{what} (heard: {heard}): disconnect the meters there one by one, or read them by their "
        "primary addresses"
    )


def _found_line(meter: Found) -> str:
    address = meter.address
    note = ""
    if meter.mask is not None:
        note = f"  (wrongly declared: selected by {meter.mask}; {remedy(meter.select_mask)})"
    elif not meter.selectable:
        note = f"  (not selected by the address in its header: {remedy(meter.select_mask)})"
    if meter.stray:
        note += "  (a stray character before its answers)"
    return (
        f"{address.identification_number}  {manufacturer_letters(address.manufacturer)}  "
        f"version {address.version:3d}  {medium_label(address.medium):<28}  "
        f"link {meter.primary_address}{note}"
    )


def _scan_document(found: list[Found], report: ScanReport) -> dict[str, Any]:
    return {
        "meters": [
            {
                "identification_number": meter.address.identification_number,
                "manufacturer": manufacturer_letters(meter.address.manufacturer),
                "version": meter.address.version,
                "medium": medium_label(meter.address.medium),
                "primary_address": meter.primary_address,
                "selectable": meter.selectable,
                "wrongly_declared": meter.mask is not None,
                "stray": meter.stray,
                "select_mask": meter.select_mask,
            }
            for meter in found
        ],
        "selects": report.selects,
        "empties": report.empties,
        "collisions": report.collisions,
        "retries": report.retries,
        "unresolved": [mask.identification_number for mask in report.unresolved],
        "select_mask": report.select_mask,
        "select_mask_conflicts": [str(address) for address in report.select_mask_conflicts],
        "unresolved_heard": [report.reasons[mask] for mask in report.unresolved],
        "not_looked_for": report.not_looked_for,
        "duration_ns": report.duration_ns,
        "slowest_answer_ns": report.slowest_answer_ns,
    }


# --- scan --diagnose --------------------------------------------------------------------------


def _diagnose(access: Access, baudrate: int, *, as_json: bool) -> None:
    form = plans.line_format(access.configuration)
    found: list[diagnosis.AtBaudrate] = []
    baudrates: tuple[int, ...] = diagnosis.BAUDRATES
    if access.url.startswith(FIXED_SPEED):
        # What is at the far end runs at its own speed, whatever is said here.
        baudrates = (baudrate,)
        typer.echo("the speed is the converter's: only one can be tried", err=True)

    async def main(rt: Runtime) -> None:
        line = await rt.open_line(access.url, form)
        settings = plans.link_settings(
            access.configuration, access.delay_ms * NS_PER_MS, access.echo
        )
        # One try is enough to hear whether anybody is there; noise is asked about by listening.
        settings = replace(settings, tries=1)
        try:
            async for one in diagnosis.sweep(rt, line, form, settings, baudrates):
                found.append(one)
                if not as_json:
                    typer.echo(_baud_line(one))
        finally:
            with rt.shield(NS_PER_S):
                await line.close()

    with _tracing(access.trace) as write:
        try:
            asyncio.run(AioRuntime(storage=NoFiles(), log=write).run(main))
        except OSError as error:
            complain(str(error))
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_BAD_NEWS) from None
    remedies = diagnosis.remedies(found, baudrate)
    if as_json:
        typer.echo(json.dumps(_diagnosis_document(found, remedies), indent=2))
    else:
        for remedy in remedies:
            typer.echo(f"\n{remedy.finding}\n  -> {remedy.advice}")
    if not any(one.anybody for one in found):
        raise typer.Exit(EXIT_BAD_NEWS)


def _baud_line(one: diagnosis.AtBaudrate) -> str:
    after = ""
    if one.heard_after_ns is not None:
        after = f" after {one.heard_after_ns / NS_PER_MS:.0f} ms"
    noise = f"; unasked: {one.unasked[:8].hex(' ').upper()}" if one.unasked else ""
    return (
        f"{one.baudrate:6d} Bd  selection of everybody: {one.selected.value}{after}; "
        f"test address: {one.tested.value}{noise}"
    )


def _diagnosis_document(
    found: list[diagnosis.AtBaudrate], remedies: list[diagnosis.Remedy]
) -> dict[str, Any]:
    return {
        "baudrates": [
            {
                "baudrate": one.baudrate,
                "selected": one.selected.name.lower(),
                "tested": one.tested.name.lower(),
                "unasked": one.unasked.hex(),
                "echoes": one.echoes,
                "heard_after_ns": one.heard_after_ns,
                "late": one.late,
                "at_second_call": one.at_second_call,
                "misdeclared": None if one.misdeclared is None else str(one.misdeclared),
                "select_mask": one.select_mask,
            }
            for one in found
        ],
        "remedies": [{"finding": one.finding, "advice": one.advice} for one in remedies],
    }


# --- read -------------------------------------------------------------------------------------


def read(
    meter: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="Primary address 0-250, or 8 or 16 digits of a secondary one."
        ),
    ],
    bus: Bus,
    baudrate: _Baudrate = 2400,
    pages: Annotated[int, typer.Option(help="Telegrams to read at most.")] = 10,
    timeout: _Timeout = 2000,
    retries: _Retries = 3,
    transport_delay: Delay = 0,
    echo: EchoOption = Echo.AUTO,
    trace: _Trace = None,
    as_json: Json = False,
) -> None:
    """Read one meter and show its telegrams. Exit code 1 when it does not answer in full."""
    target = target_of(meter)
    configuration = _settings(mbus_baudrate=baudrate, mbus_timeout=timeout, mbus_maxretry=retries)

    async def conversation(_: Runtime, link: Link) -> Any:
        return await read_meter(link, ReadoutPlan(multipage_max=pages), target)

    readout = on_bus(Access(bus, configuration, transport_delay, echo, trace), conversation)
    records_of(readout.pages)
    if as_json:
        documents = [to_document(page) for page in readout.pages]
        typer.echo(json.dumps({"pages": documents, "failure": readout.failure}, indent=2))
    else:
        typer.echo("\n\n".join(to_text(page) for page in readout.pages))
        if readout.failure:
            typer.echo(f"not read in full: {readout.failure}", err=True)
    if readout.failure:
        raise typer.Exit(EXIT_BAD_NEWS)


# --- raw --------------------------------------------------------------------------------------


def raw(
    telegrams: Annotated[
        list[str], typer.Argument(metavar="HEX…", help="Bytes to send, one argument a telegram.")
    ],
    bus: Bus,
    baudrate: _Baudrate = 2400,
    timeout: _Timeout = 2000,
    transport_delay: Delay = 0,
    echo: EchoOption = Echo.AUTO,
    trace: _Trace = None,
    as_json: Json = False,
) -> None:
    """Send bytes as they are and show what comes back. Exit code 1 when nothing does.

    Nothing is checked and nothing repeated: what is sent, and what it does to a meter, is yours.
    """
    requests = [_bytes_of(text) for text in telegrams]
    configuration = _settings(mbus_baudrate=baudrate, mbus_timeout=timeout)

    async def conversation(rt: Runtime, link: Link) -> list[dict[str, Any]]:
        exchanges = []
        for request in requests:
            answer = await link.exchange(request)
            waited = rt.now() - answer.request_end_ns
            exchanges.append(
                {
                    "sent": request.hex(),
                    "received": answer.data.hex(),
                    "kind": answer.kind.value,
                    "reason": answer.reason,
                    "after_ns": waited if answer.data else None,
                }
            )
            if answer.kind is AnswerKind.BROKEN:
                await link.settle()
        return exchanges

    access = Access(bus, configuration, transport_delay, echo, trace)
    exchanges: list[dict[str, Any]] = on_bus(access, conversation)
    if as_json:
        typer.echo(json.dumps({"exchanges": exchanges}, indent=2))
    else:
        for exchange in exchanges:
            typer.echo(f"→ {_spaced(exchange['sent'])}")
            typer.echo(f"← {_answer_text(exchange)}")
    if not any(exchange["received"] for exchange in exchanges):
        raise typer.Exit(EXIT_BAD_NEWS)


def _bytes_of(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        complain(f"expected bytes in hexadecimal, got {text!r}: {error}")
    if not 1 <= len(data) <= RAW_BYTES_MAX:
        complain(f"expected 1 to {RAW_BYTES_MAX} bytes, got {len(data)}")
    return data


def _spaced(text: str) -> str:
    return bytes.fromhex(text).hex(" ").upper()


def _answer_text(exchange: dict[str, Any]) -> str:
    if not exchange["received"]:
        return "nothing"
    note = f"  ({exchange['kind']}: {exchange['reason']})" if exchange["reason"] else ""
    return f"{_spaced(exchange['received'])}  after {exchange['after_ns'] / NS_PER_MS:.1f} ms{note}"


# --- set-address ------------------------------------------------------------------------------


def set_address(
    meter: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Primary address 0-250, or 8 or 16 digits.")
    ],
    new: Annotated[int, typer.Argument(metavar="NEW", min=0, max=250, help="The new address.")],
    bus: Bus,
    baudrate: _Baudrate = 2400,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write although somebody answers at the new address.")
    ] = False,
    transport_delay: Delay = 0,
    echo: EchoOption = Echo.AUTO,
    trace: _Trace = None,
    as_json: Json = False,
) -> None:
    """Give a meter a primary address: read it, ask, write, and read it at its new address.

    Exit code 1 when the meter does not answer, the address is taken, or the writing is not
    confirmed by the meter at its new address.
    """
    target = target_of(meter)
    access = Access(bus, _settings(mbus_baudrate=baudrate), transport_delay, echo, trace)

    async def look(_: Runtime, link: Link) -> tuple[addressing.Identified | None, bool, str]:
        try:
            found = await addressing.identify(link, target)
        except addressing.AddressingError as error:
            return None, False, str(error)
        taken = found is not None and found.a_field != new and await addressing.is_taken(link, new)
        return found, taken, ""

    found, taken, several = on_bus(access, look)
    if several:
        _bad_news(f"{several}: nothing was written (say all 16 digits of the address)")
    if found is None:
        _bad_news(f"the meter {meter} does not answer: nothing was written")
    if taken and not force:
        _bad_news(f"somebody answers at address {new} already: nothing was written (--force)")
    name = _name_of(found)
    if not yes and not typer.confirm(
        f"Write primary address {new} into {name}, now {found.a_field}?", err=True
    ):
        _bad_news("nothing was written")

    async def change(_: Runtime, link: Link) -> str:
        try:
            await addressing.write(link, addressing.by_full_address(target, found), new)
            await addressing.verify(link, new, found)
        except addressing.AddressingError as error:
            return str(error)
        return ""

    failure: str = on_bus(access, change)
    if as_json:
        document = {"meter": name, "before": found.a_field, "after": new, "failure": failure}
        typer.echo(json.dumps(document, indent=2))
    if failure:
        _bad_news(failure)
    if not as_json:
        typer.echo(f"{name} answers at primary address {new} now (was {found.a_field})")


def _name_of(found: addressing.Identified) -> str:
    if found.address is None:
        return f"the meter at address {found.a_field}"
    letters = manufacturer_letters(found.address.manufacturer)
    return f"{found.address.identification_number} {letters}"


def _bad_news(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(EXIT_BAD_NEWS)
