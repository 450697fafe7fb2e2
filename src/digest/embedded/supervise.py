"""Runs child processes in the foreground, restarts them when they exit, and stops them together."""

import ctypes
import io
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

STABLE_SECONDS = 60.0  # a child that ran this long restarts with the shortest delay
READY_TIMEOUT_SECONDS = 30.0
RESTART_DELAYS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
PR_SET_PDEATHSIG = 1


def _no_preparation() -> None:
    """Do nothing before a start."""


@dataclass(frozen=True)
class ProcessSpec:
    """One child process: its command, what to do before it starts, and how long it may take to stop."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    before_start: Callable[[], None] = (
        _no_preparation  # called before each start; if it raises, the start is retried
    )
    is_ready: Callable[[], bool] = lambda: True  # the next processes wait for this, for a limited time
    grace_seconds: float = 10.0  # seconds from SIGTERM to SIGKILL


@dataclass
class _Child:
    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0  # when to start it again, if it is not running
    failures: int = 0


class Supervisor:
    """Starts processes in order, restarts those that exit, and stops them in reverse order."""

    def __init__(self, parts: Sequence[ProcessSpec], write_line: Callable[[str, str], None]) -> None:
        """`write_line(name, line)` receives every line that a child prints, and messages about it."""
        self._children = [_Child(part) for part in parts]
        self._write_line = write_line
        self._stopping = False
        self._pipes = selectors.DefaultSelector()

    def run(self, started: Callable[[list[str]], None] = lambda _not_ready: None) -> None:
        """Run until SIGINT or SIGTERM; `started` is called once, with the names of processes that are not ready yet."""
        with _handle_signals(self._request_stop):
            try:
                not_ready = [child.spec.name for child in self._children if not self._start_and_wait(child)]
                if not self._stopping:
                    started(not_ready)
                while not self._stopping:
                    self._forward_output(0.2)
                    self._restart_ended()
            finally:
                self._stop_all()

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, child: _Child) -> None:
        if self._stopping:
            return
        try:
            child.spec.before_start()
            child.process = subprocess.Popen(  # noqa: S603  the commands are fixed
                child.spec.command,
                env={**os.environ, **child.spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Its own process group: Ctrl-C reaches only the supervisor, which stops the children in order.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  the supervisor has one thread
            )
        except Exception as error:  # noqa: BLE001  the others continue, and this one is retried
            self._write_line(child.spec.name, f"cannot start: {error}")
            self._schedule_restart(child)
            return
        child.started_at = time.monotonic()
        if child.process.stdout:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._pipes.register(child.process.stdout, selectors.EVENT_READ, (child.spec.name, bytearray()))

    def _start_and_wait(self, child: _Child) -> bool:
        self._start(child)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while (
            not self._stopping
            and child.process
            and child.process.poll() is None
            and time.monotonic() < deadline
        ):
            if child.spec.is_ready():
                return True
            self._forward_output(0.05)
        return False

    def _restart_ended(self) -> None:
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._write_line(
                    child.spec.name, f"exited ({_describe_exit(child.process.returncode)}); restarting"
                )
                self._schedule_restart(child)
            if child.process is None and time.monotonic() >= child.restart_at:
                self._start(child)

    def _schedule_restart(self, child: _Child) -> None:
        uptime = time.monotonic() - child.started_at if child.process else 0.0
        child.failures = 0 if uptime > STABLE_SECONDS else child.failures
        child.restart_at = time.monotonic() + RESTART_DELAYS[min(child.failures, len(RESTART_DELAYS) - 1)]
        child.failures += 1
        child.process = None

    def _forward_output(self, seconds: float) -> None:
        for key, _ in self._pipes.select(seconds):
            name, buffer = key.data
            chunk = b""
            with suppress(BlockingIOError):
                chunk = os.read(key.fd, 65536)
            if not chunk:
                self._close_pipe(key)
            buffer += chunk
            *lines, last = bytes(buffer).split(b"\n")
            buffer[:] = last if chunk else b""
            for line in lines if chunk else [*lines, last]:
                if line.strip():
                    self._write_line(name, line.decode(errors="replace").rstrip())

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            deadline = time.monotonic() + child.spec.grace_seconds
            while process.poll() is None and time.monotonic() < deadline:
                self._forward_output(0.05)
            if process.poll() is None:
                self._write_line(
                    child.spec.name, f"did not stop within {child.spec.grace_seconds:.0f} s; killed"
                )
                process.kill()
            process.wait()
        self._forward_output(0)
        for key in list(self._pipes.get_map().values()):
            self._close_pipe(key)
        self._pipes.close()

    def _close_pipe(self, key: selectors.SelectorKey) -> None:
        self._pipes.unregister(key.fileobj)
        if isinstance(key.fileobj, io.IOBase):
            key.fileobj.close()


@contextmanager
def _handle_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child, before exec: request SIGTERM when the supervisor dies, however it dies (prctl(2))."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit {code}"
