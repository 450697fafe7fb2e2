"""One transaction for what several connections want of the database at the same moment."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")

MAX_STEPS = 25  # in one transaction: some ten milliseconds, in which the mail servers wait for us


class RunTransaction(Protocol):
    """Runs a function in a transaction of its own."""

    def __call__(self, work: Callable[[Session], T], /) -> Awaitable[T]: ...


class GroupCommit:
    """Collects steps while a transaction runs, and then runs all of them in the next one.

    Beginning and committing take most of a small transaction, and many connections that started together want theirs
    together. With one connection each step has a transaction of its own.
    """

    def __init__(self, run_transaction: RunTransaction) -> None:
        self._run_transaction = run_transaction
        self._waiting: deque[tuple[Callable[[Session], Any], asyncio.Future[Any]]] = deque()
        self._committer: asyncio.Task[None] | None = None

    async def run(self, step: Callable[[Session], T]) -> T:
        """Run a step and return its result once it is committed; raises what the step or the database raises.

        When another step of its transaction fails, this one runs once more: it must change nothing but the database.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, done))
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit_waiting())
        return await done

    async def _commit_waiting(self) -> None:
        while self._waiting:
            number = min(MAX_STEPS, len(self._waiting))
            await self._commit([self._waiting.popleft() for _ in range(number)])
            await asyncio.sleep(0)  # the mail servers' replies have arrived meanwhile
        self._committer = None

    async def _commit(self, group: Sequence[tuple[Callable[[Session], Any], asyncio.Future[Any]]]) -> None:
        results: list[Any] = []

        def run_all(session: Session) -> None:
            results.clear()
            for step, _ in group:
                results.append(step(session))

        try:
            await self._run_transaction(run_all)
        except BaseException as error:  # noqa: BLE001 it is raised where its step is awaited
            # After a failed commit nobody knows what is committed, so nothing may be repeated.
            may_repeat = isinstance(error, Exception) and len(results) < len(group)
            if len(group) > 1 and may_repeat:
                for one in group:
                    await self._commit([one])
            else:
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
            return
        for (_, done), result in zip(group, results, strict=True):
            if not done.done():
                done.set_result(result)
