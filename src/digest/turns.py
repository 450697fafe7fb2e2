"""Many conversations in one thread: whoever waits for the network lets the others go on.

A conversation is a generator that yields what it waits for. Threads would do the same and cost more than the mails:
each reply would wake one, and each of them would wait for the others to let go of the interpreter.
"""

import select
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

WAKE_UP_SECONDS = 0.5  # how often whoever waits for the network is woken all the same, to look at the clock
FIRST_POLL, LONGEST_POLL = 0.001, 0.05  # between two looks at what is done apart


class IOWait(NamedTuple):
    """Wake me when the socket with this number can be read from (or written to), and now and then besides."""

    fd: int
    events: int


class Sleep(NamedTuple):
    """Wake me at this moment of `time.monotonic`, or a little later."""

    until: float


Wait = IOWait | Sleep
Coroutine = Generator[Wait, None, T]
SleepingCoroutine = Generator[Sleep, None, T]


def wait_readable(file: int) -> IOWait:
    """What to yield until there is something to read."""
    return IOWait(file, select.POLLIN)


def wait_writable(file: int) -> IOWait:
    """What to yield until there is room to write."""
    return IOWait(file, select.POLLOUT)


class EventLoop:
    """Gives every conversation its turn."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        """`failed` is told what a conversation raised; the others go on."""
        self._on_error = on_error
        self._selector = select.poll()
        self._registered: dict[int, int] = {}  # file -> what is asked of it
        self._waiting: dict[int, Coroutine[Any]] = {}  # by file
        self._sleeping: list[tuple[float, Coroutine[Any]]] = []
        self._next_wake_up = 0.0

    def create_task(self, talk: Coroutine[Any]) -> Coroutine[Any]:
        """Begin a conversation."""
        self._step(talk)
        return talk

    def pending_tasks(self) -> list[Coroutine[Any]]:
        """Those that have not ended."""
        return [*self._waiting.values(), *(talk for _, talk in self._sleeping)]

    def run_for(self, seconds: float) -> bool:
        """Give turns for about so many seconds. False when every conversation has ended."""
        end = time.monotonic() + seconds
        while self._waiting or self._sleeping:
            moment = time.monotonic()
            if moment >= end:
                return True
            if moment >= self._next_wake_up:
                self._wake_all(moment)
            self._run_once(min([end, self._next_wake_up, *(until for until, _ in self._sleeping)]) - moment)
        return False

    def _run_once(self, seconds: float) -> None:
        for file, _ in self._selector.poll(max(0.0, seconds) * 1000):
            talk = self._waiting.pop(file, None)
            if talk is None:  # nobody waits for it: it was closed, or its line rests
                self._selector.unregister(file)
                del self._registered[file]
            else:
                self._step(talk)
        if self._sleeping:
            moment = time.monotonic()
            due = [one for one in self._sleeping if one[0] <= moment]
            if due:
                self._sleeping = [one for one in self._sleeping if one[0] > moment]
                for _, talk in due:
                    self._step(talk)

    def _wake_all(self, moment: float) -> None:
        self._next_wake_up = moment + WAKE_UP_SECONDS
        woken, self._waiting = self._waiting, {}
        for talk in woken.values():
            self._step(talk)

    def _step(self, talk: Coroutine[Any]) -> None:
        try:
            wait = next(talk)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 whoever runs the turns decides what it means
            self._on_error(error)
            return
        if isinstance(wait, Sleep):
            self._sleeping.append((wait.until, talk))
            return
        file, events = wait
        if self._registered.get(file) != events:
            self._selector.register(file, events)
            self._registered[file] = events
        self._waiting[file] = talk


def run_until_complete(talk: Coroutine[T]) -> T:
    """Hold one conversation to its end; gives what it returns, raises what it raises."""
    poll = select.poll()
    known: IOWait | None = None
    while True:
        try:
            wait = next(talk)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(wait, Sleep):
            time.sleep(max(0.0, wait.until - time.monotonic()))
            continue
        if wait != known:
            poll.register(*wait)
            known = wait
        poll.poll(WAKE_UP_SECONDS * 1000)


def run_in_thread(act: Callable[[], T]) -> SleepingCoroutine[T]:
    """Do what blocks in a thread of its own, while the others go on; gives what it returns, raises what it raises."""
    results: list[T] = []
    troubles: list[BaseException] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:  # noqa: BLE001 it is raised again below, where it was asked for
            troubles.append(error)

    thread = threading.Thread(target=run, name="apart", daemon=True)
    thread.start()
    nap = FIRST_POLL
    while thread.is_alive():
        yield Sleep(time.monotonic() + nap)
        nap = min(2 * nap, LONGEST_POLL)
    if troubles:
        raise troubles[0]
    return results[0]
