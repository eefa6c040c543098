"""A parent process that keeps the gateway's process alive: heartbeat, kill, restart, back-off.

The device has watchdogs of its own (`gateway.device.watchdogs`), which live in the same event loop
as everything else. A loop that is stuck runs no watchdog either; so the child says once a second
that its loop turns, and the parent kills one that has fallen silent. The child also says which
watchdog runs and how long it still has: a trip that the child is too stuck to see is the parent's.

The parent forks before anything of the gateway is opened, so a child always starts afresh and at
once. It holds nothing but the data directory's lock and the event file. When the parent dies, by
whatever means, the kernel kills the child (Linux, PR_SET_PDEATHSIG); elsewhere the child ends
itself when its next heartbeat finds nobody.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.device.restart import Cause, Restart
from gateway.io.service_notify import ServiceNotify
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

#: How often the child says that its loop turns.
BEAT_NS: Final = 1 * NS_PER_S
#: Longest time from birth to the first heartbeat.
FIRST_BEAT_NS: Final = 60 * NS_PER_S
#: What a watchdog of the child gets beyond its limit, to trip by itself and give its ports back.
GRACE_NS: Final = 7 * NS_PER_S
#: How long a stuck child has to say where it stands (SIGABRT) before it is killed.
LAST_WORDS_NS: Final = 1 * NS_PER_S
#: How long a child has to end by itself when it is told to (SIGTERM).
STOP_NS: Final = 10 * NS_PER_S
#: Pauses before the second and further restarts in a row; the last one is kept.
PAUSES_S: Final = (0, 1, 2, 4, 8, 16, 32, 60)
#: A child that has lived this long begins the pauses anew.
STABLE_NS: Final = 60 * NS_PER_S
#: Exit code by which a child says that it cannot start where it was told to.
EXIT_USAGE: Final = 2
_EXIT_STOPPED: Final = 0
_BEAT_MAX: Final = 4096
_STDERR: Final = 2
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat says.

    `left_ns` is what the running watchdog still has; `limit_s` how long no heartbeat may last,
    WATCHDOG_IDLE: a loop that does not turn is what that key is about.
    """

    timer: str
    state: str
    seconds: int
    left_ns: int
    limit_s: int
    ready: bool


class Channel:
    """The child's end: `beat` tells the parent that the loop turns."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)

    def beat(self, beat: Beat) -> bool:
        """Send a heartbeat; False when the parent is gone. A full pipe loses one, no more."""
        try:
            self._end.send(json.dumps([getattr(beat, name) for name in Beat.__slots__]).encode())
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Supervisor:
    """Runs `child` in processes, one after the other, until one ends by itself with code 0.

    `child(channel, restart)` is called in the new process and returns its exit code; `restart` is
    None the first time. `log(kind, fields)` is told what the parent does.
    """

    def __init__(
        self,
        child: Callable[[Channel, Restart | None], int],
        log: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._child = child
        self._log = log
        self._notify = ServiceNotify.of_environment()
        self._stopping = False
        self._was_ready = False
        self._wakeup, self._signalled = socket.socketpair()
        self._wakeup.setblocking(False)
        self._signalled.setblocking(False)

    def run(self) -> int:
        """Supervise; returns the exit code of the whole."""
        before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        old_fd = signal.set_wakeup_fd(self._signalled.fileno())
        try:
            return self._run()
        finally:
            signal.set_wakeup_fd(old_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._notify.send("STOPPING=1")

    def _run(self) -> int:
        restart: Restart | None = None
        failures = 0
        while True:
            born = time.monotonic_ns()
            life = _Life(self, restart)
            code, restart = life.watch()
            if self._stopping or code == _EXIT_STOPPED:
                return _EXIT_STOPPED
            if code == EXIT_USAGE and not self._was_ready:
                return EXIT_USAGE
            assert restart is not None, "a child that did not stop is followed by another"
            failures = 0 if time.monotonic_ns() - born >= STABLE_NS else failures + 1
            pause_s = PAUSES_S[min(max(failures - 1, 0), len(PAUSES_S) - 1)]
            self._log(
                "supervisor.restart",
                {"value": restart.reason, "state": restart.state, "pause_s": pause_s},
            )
            self._sleep(pause_s * NS_PER_S)
            if self._stopping:
                return _EXIT_STOPPED

    # --- For one life -------------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._stopping

    def is_ready(self) -> None:
        """Take note that a child serves."""
        if not self._was_ready:
            self._was_ready = True
            self._notify.send("READY=1")

    def alive(self) -> None:
        """Tell the service manager, if there is one, that parent and child are well."""
        self._notify.alive()

    def wait(self, end: socket.socket, until_ns: int) -> bool:
        """Wait for the child or a signal; False when `until_ns` has come."""
        timeout = max(0.0, (until_ns - time.monotonic_ns()) / NS_PER_S)
        readable, _, _ = select.select([end, self._wakeup], [], [], timeout)
        if self._wakeup in readable:
            with contextlib.suppress(BlockingIOError):
                self._wakeup.recv(_BEAT_MAX)
        return bool(readable)

    def tell(self, kind: str, **fields: Any) -> None:
        """Log."""
        self._log(kind, fields)

    def new_process(self, restart: Restart | None) -> tuple[int, socket.socket]:
        """Fork; returns process id and the parent's end of the channel. Never returns twice."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            ours.setblocking(False)
            return pid, ours
        code = 1
        try:
            ours.close()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            _die_with(parent)
            faulthandler.enable(_STDERR)
            code = self._child(Channel(theirs), restart)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            # The parent's clean-up (locks, files) is the parent's.
            os._exit(code)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _sleep(self, ns: int) -> None:
        until = time.monotonic_ns() + ns
        while not self._stopping and time.monotonic_ns() < until:
            self.wait(self._wakeup, until)
            self.alive()


class _Life:
    """One child from birth to death."""

    def __init__(self, supervisor: Supervisor, restart: Restart | None) -> None:
        self._supervisor = supervisor
        self._pid, self._end = supervisor.new_process(restart)
        self._beat: Beat | None = None
        self._heard_ns = time.monotonic_ns()
        supervisor.tell("supervisor.child", value=self._pid)

    def watch(self) -> tuple[int, Restart | None]:
        """Watch until it has ended; returns its exit code and what the next one is to be told."""
        try:
            while True:
                if self._supervisor.is_stopping:
                    return self._stop(), None
                deadline_ns, reason = self._deadline()
                if not self._supervisor.wait(self._end, deadline_ns):
                    return self._kill(reason)
                if not self._listen():
                    return self._ended()
        finally:
            self._end.close()

    def _deadline(self) -> tuple[int, str]:
        """When the child counts as stuck, and by what."""
        beat = self._beat
        if beat is None:
            return self._heard_ns + FIRST_BEAT_NS, Cause.HEARTBEAT.value
        silent = self._heard_ns + max(beat.limit_s * NS_PER_S, 2 * BEAT_NS)
        tripped = self._heard_ns + beat.left_ns + GRACE_NS
        if tripped <= silent:
            return tripped, beat.timer
        return silent, Cause.HEARTBEAT.value

    def _listen(self) -> bool:
        """Take what the child has said; False when it has nothing more to say."""
        while True:
            try:
                data = self._end.recv(_BEAT_MAX)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not data:
                return False
            self._beat = Beat(*json.loads(data))
            self._heard_ns = time.monotonic_ns()
            if self._beat.ready:
                self._supervisor.is_ready()
            self._supervisor.alive()

    def _ended(self) -> tuple[int, Restart | None]:
        """The child has closed its end: it has died, or is about to."""
        code = self._reap(STOP_NS)
        if code is None:
            return self._kill(Cause.HEARTBEAT.value)
        if code == _EXIT_STOPPED:
            return code, None
        self._supervisor.tell("supervisor.died", value=code)
        return code, Restart(Cause.CRASH.value, self._state(), 0, int(time.time()))

    def _kill(self, reason: str) -> tuple[int, Restart | None]:
        """End a stuck child; it gets a moment to say where it stands."""
        seconds = (time.monotonic_ns() - self._heard_ns) // NS_PER_S
        if self._beat is not None and reason == self._beat.timer:
            seconds = self._beat.seconds
        self._supervisor.tell(
            "supervisor.killed", value=reason, state=self._state(), seconds=seconds
        )
        self._signal(signal.SIGABRT)
        if self._reap(LAST_WORDS_NS) is None:
            self._signal(signal.SIGKILL)
            self._reap(None)
        return -signal.SIGKILL, Restart(reason, self._state(), seconds, int(time.time()))

    def _stop(self) -> int:
        self._signal(signal.SIGTERM)
        code = self._reap(STOP_NS)
        if code is None:
            self._signal(signal.SIGKILL)
            code = self._reap(None)
        assert code is not None
        return code

    def _state(self) -> str:
        return self._beat.state if self._beat is not None else "start-up"

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _reap(self, limit_ns: int | None) -> int | None:
        """Wait for the death; returns the exit code (negative: a signal), None past the limit."""
        if limit_ns is not None and not self._dies_within(limit_ns):
            return None
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _dies_within(self, limit_ns: int) -> bool:
        watch = os.pidfd_open(self._pid)
        try:
            readable, _, _ = select.select([watch], [], [], limit_ns / NS_PER_S)
        finally:
            os.close(watch)
        return bool(readable)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when `parent` dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before the request.
        os._exit(1)
