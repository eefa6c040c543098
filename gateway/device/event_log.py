"""The system log and the raw M-Bus log: the device's events as lines in files (`C-42`).

The system log (``log/system.log``) takes what MUC_LOG lets through; MBUS_DEBUGOUT and
MODBUS_DEBUGOUT add telegrams and Modbus requests. The raw log (``raw/mbus.log``, drive B:) takes
every telegram while MBUS_RAWLOGENABLE=1. Neither format is public, so both are ours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, Final

from gateway.device.log_files import LogFile
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.device.configuration import Configuration
    from gateway.runtime.port import Runtime

SYSTEM_LOG: Final = "log/system.log"
RAW_LOG: Final = "raw/mbus.log"
SYSTEM_LOG_BYTES: Final = 256 << 10
RAW_LOG_BYTES: Final = 1 << 20
#: Lines of the raw log are kept in memory until this many bytes, or the end of a job.
RAW_BUFFER_BYTES: Final = 8 << 10


@unique
class Level(IntEnum):
    """How much somebody has to know of an event."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


# fmt: off
#: Events by level; what is not here is DEBUG.
LEVELS: Final[dict[str, Level]] = {
    "gateway.startup":        Level.INFO,
    "gateway.scan":           Level.INFO,
    "gateway.save":           Level.INFO,
    "gateway.clock":          Level.INFO,
    "bus.opened":             Level.INFO,
    "meter.found":            Level.INFO,
    "modbus.opened":          Level.INFO,
    "modbus.closed":          Level.INFO,
    "session.login":          Level.INFO,
    "session.logout":         Level.INFO,
    "session.refused":        Level.WARNING,
    "modbus.rejected":        Level.WARNING,
    "config.complaint":       Level.WARNING,
    "gateway.complaint":      Level.WARNING,
    "gateway.restart.reason": Level.WARNING,
    "gateway.reset":          Level.WARNING,
    "list.capacity":          Level.WARNING,
    "readout.overload":       Level.WARNING,
    "scan.warning":           Level.WARNING,
    "log.stopped":            Level.WARNING,
    "bus.failed":             Level.ERROR,
    "watchdog.trip":          Level.ERROR,
}
#: Lowest level that MUC_LOG lets through; None = no log at all.
THRESHOLDS: Final[dict[str, Level | None]] = {
    "DEFAULT":   Level.INFO,
    "NONE":      None,
    "ERRORONLY": Level.ERROR,
    "ALL":       Level.DEBUG,
}
# fmt: on
_DIRECTIONS: Final = {"link.sent": ">", "link.received": "<", "link.discarded": "?"}
#: Events that a job ends with: the raw log is written out.
_JOB_ENDS: Final = ("gateway.scan", "gateway.readout", "gateway.state")
_LINE_CHARACTERS_MAX: Final = 1000


class EventLog:
    """Hears every event of one run; `unix_time` is the device's clock."""

    def __init__(
        self,
        rt: Runtime,
        configuration: Callable[[], Configuration],
        unix_time: Callable[[], int],
    ) -> None:
        self._rt = rt
        self._configuration = configuration
        self._unix_time = unix_time
        self._failing: set[str] = set()
        self._raw_lines: list[str] = []
        self._raw_bytes = 0
        storage = rt.storage
        self.system = LogFile(
            storage, SYSTEM_LOG, limit=SYSTEM_LOG_BYTES, told=self._teller(SYSTEM_LOG)
        )
        self.raw = LogFile(storage, RAW_LOG, limit=RAW_LOG_BYTES, told=self._teller(RAW_LOG))

    def heard(self, at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        """Take an event."""
        configuration = self._configuration()
        direction = _DIRECTIONS.get(kind)
        if direction is not None and configuration.mbus_rawlogenable and fields.get("data"):
            self._take_telegram(at_ns, direction, fields)
        elif kind in _JOB_ENDS and self._raw_lines:
            self.flush()
        threshold = THRESHOLDS[configuration.muc_log]
        if threshold is None or kind == "log.stopped":
            # A log that cannot be written does not write so into itself.
            return
        level = self._level(kind, fields, configuration)
        if level >= threshold:
            self.system.append(self._line(at_ns, level, kind, fields).encode())

    def flush(self) -> None:
        """Write out what is in memory."""
        lines, self._raw_lines, self._raw_bytes = self._raw_lines, [], 0
        if lines:
            self.raw.append("".join(lines).encode())

    def _level(self, kind: str, fields: dict[str, Any], configuration: Configuration) -> Level:
        if kind == "meter.read":
            return self._meter_level(fields)
        if kind in ("gateway.scan", "gateway.readout") and fields.get("value") == "failed":
            return Level.ERROR
        # What a debug key asks for is wanted, whatever MUC_LOG shows else.
        if kind in _DIRECTIONS and configuration.mbus_debugout:
            return Level.ERROR
        if kind.startswith("modbus.") and configuration.modbus_debugout:
            return Level.ERROR
        return LEVELS.get(kind, Level.DEBUG)

    def _meter_level(self, fields: dict[str, Any]) -> Level:
        """A meter that stops answering, or answers again, is news; that it still does is not."""
        serial, failed = fields["serial"], bool(fields["failure"])
        if failed is (serial in self._failing):
            return Level.DEBUG
        if failed:
            self._failing.add(serial)
        else:
            self._failing.discard(serial)
        return Level.WARNING

    def _line(self, at_ns: int, level: Level, kind: str, fields: dict[str, Any]) -> str:
        shown = {name: value for name, value in fields.items() if name != "values"}
        text = " ".join(f"{name}={_one_line(value)}" for name, value in shown.items())
        line = f"{self._stamp(at_ns)} {level.name:<7} {kind} {text}".rstrip()
        return line[:_LINE_CHARACTERS_MAX] + "\n"

    def _stamp(self, at_ns: int) -> str:
        moment = datetime.fromtimestamp(self._unix_time(), UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ} {at_ns / NS_PER_S:.3f}"

    def _take_telegram(self, at_ns: int, direction: str, fields: dict[str, Any]) -> None:
        data = bytes.fromhex(fields["data"]).hex(" ").upper()
        line = f"{self._stamp(at_ns)} {direction} {data}\n"
        self._raw_lines.append(line)
        self._raw_bytes += len(line)
        if self._raw_bytes >= RAW_BUFFER_BYTES:
            self.flush()

    def _teller(self, path: str) -> Callable[[bool], None]:
        def told(stopped: bool) -> None:
            self._rt.log("log.stopped", file=path, value=stopped)

        return told


def _one_line(value: Any) -> str:
    """A value without blanks and control characters of its own."""
    text = str(value)
    if text.isprintable() and " " not in text and text:
        return text
    return '"' + "".join(c if c.isprintable() and c != '"' else "?" for c in text) + '"'
