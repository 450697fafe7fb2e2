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

TICK_SECONDS = 0.5  # how often whoever waits for the network is woken all the same, to look at the clock
FIRST_NAP, LONGEST_NAP = 0.001, 0.05  # between two looks at what is done apart


class Ready(NamedTuple):
    """Wake me when the socket with this number can be read from (or written to), and now and then besides."""

    file: int
    events: int


class Nap(NamedTuple):
    """Wake me at this moment of `time.monotonic`, or a little later."""

    until: float


Wait = Ready | Nap
Talk = Generator[Wait, None, T]
Rest = Generator[Nap, None, T]


def readable(file: int) -> Ready:
    """What to yield until there is something to read."""
    return Ready(file, select.POLLIN)


def writable(file: int) -> Ready:
    """What to yield until there is room to write."""
    return Ready(file, select.POLLOUT)


class Turns:
    """Gives every conversation its turn."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        """`failed` is told what a conversation raised; the others go on."""
        self._failed = failed
        self._poll = select.poll()
        self._known: dict[int, int] = {}  # file -> what is asked of it
        self._waiting: dict[int, Talk[Any]] = {}  # by file
        self._napping: list[tuple[float, Talk[Any]]] = []
        self._tick = 0.0

    def add(self, talk: Talk[Any]) -> Talk[Any]:
        """Begin a conversation."""
        self._go_on(talk)
        return talk

    def alive(self) -> list[Talk[Any]]:
        """Those that have not ended."""
        return [*self._waiting.values(), *(talk for _, talk in self._napping)]

    def run(self, seconds: float) -> bool:
        """Give turns for about so many seconds. False when every conversation has ended."""
        end = time.monotonic() + seconds
        while self._waiting or self._napping:
            moment = time.monotonic()
            if moment >= end:
                return True
            if moment >= self._tick:
                self._wake_all(moment)
            self._once(min([end, self._tick, *(until for until, _ in self._napping)]) - moment)
        return False

    def _once(self, seconds: float) -> None:
        for file, _ in self._poll.poll(max(0.0, seconds) * 1000):
            talk = self._waiting.pop(file, None)
            if talk is None:  # nobody waits for it: it was closed, or its line rests
                self._poll.unregister(file)
                del self._known[file]
            else:
                self._go_on(talk)
        if self._napping:
            moment = time.monotonic()
            due = [one for one in self._napping if one[0] <= moment]
            if due:
                self._napping = [one for one in self._napping if one[0] > moment]
                for _, talk in due:
                    self._go_on(talk)

    def _wake_all(self, moment: float) -> None:
        self._tick = moment + TICK_SECONDS
        woken, self._waiting = self._waiting, {}
        for talk in woken.values():
            self._go_on(talk)

    def _go_on(self, talk: Talk[Any]) -> None:
        try:
            wait = next(talk)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 whoever runs the turns decides what it means
            self._failed(error)
            return
        if isinstance(wait, Nap):
            self._napping.append((wait.until, talk))
            return
        file, events = wait
        if self._known.get(file) != events:
            self._poll.register(file, events)
            self._known[file] = events
        self._waiting[file] = talk


def finish(talk: Talk[T]) -> T:
    """Hold one conversation to its end; gives what it returns, raises what it raises."""
    poll = select.poll()
    known: Ready | None = None
    while True:
        try:
            wait = next(talk)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(wait, Nap):
            time.sleep(max(0.0, wait.until - time.monotonic()))
            continue
        if wait != known:
            poll.register(*wait)
            known = wait
        poll.poll(TICK_SECONDS * 1000)


def apart(act: Callable[[], T]) -> Rest[T]:
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
    nap = FIRST_NAP
    while thread.is_alive():
        yield Nap(time.monotonic() + nap)
        nap = min(2 * nap, LONGEST_NAP)
    if troubles:
        raise troubles[0]
    return results[0]
