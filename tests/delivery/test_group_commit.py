"""Steps of several connections in one transaction: none suffers from another's failure, and nothing is done twice."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from digest.delivery.sending.group_commit import MAX_STEPS, GroupCommit
from digest.smtp import event_loop


class Ledger:
    """A database that keeps what committed transactions wrote."""

    def __init__(self, *, commit_fails: bool = False) -> None:
        self.committed: list[list[str]] = []
        self.commit_fails = commit_fails

    async def run_transaction(self, work: Callable[[Session], Any]) -> Any:
        written: Any = []
        result = work(written)
        if self.commit_fails:
            raise ConnectionError("the server is gone")
        self.committed.append(written)
        return result


def write(text: str) -> Callable[[Session], str]:
    def step(session: Any) -> str:
        session.append(text)
        return text.upper()

    return step


def fail(_session: Session) -> str:
    raise LookupError("not there")


def run(ledger: Ledger, *steps: Callable[[Session], str]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        commit = GroupCommit(ledger.run_transaction)
        return await asyncio.gather(*map(commit.run, steps), return_exceptions=True)

    return event_loop.run(all_at_once())


def test_what_is_wanted_at_the_same_moment_is_committed_together() -> None:
    ledger = Ledger()
    assert run(ledger, write("a"), write("b")) == ["A", "B"]
    assert ledger.committed == [["a", "b"]]


def test_a_transaction_takes_a_limited_number_of_steps() -> None:
    ledger = Ledger()
    run(ledger, *(write(str(n)) for n in range(MAX_STEPS + 1)))
    assert [len(written) for written in ledger.committed] == [MAX_STEPS, 1]


def test_a_step_that_fails_fails_alone() -> None:
    ledger = Ledger()
    first, failed, last = run(ledger, write("a"), fail, write("b"))
    assert (first, last) == ("A", "B")
    assert isinstance(failed, LookupError)
    assert ledger.committed == [["a"], ["b"]]


def test_after_a_failed_commit_nothing_is_repeated() -> None:
    """It may have been committed: the claims are abandoned, and recovery reads what was sent from the journals."""
    tried: list[str] = []

    def step(_session: Session) -> str:
        tried.append("once")
        return ""

    results = run(Ledger(commit_fails=True), step, step)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    assert tried == ["once", "once"]


def test_what_ends_a_process_ends_every_step() -> None:
    class Death(BaseException):
        pass

    def die(_session: Session) -> str:
        raise Death

    async def both() -> None:
        commit = GroupCommit(Ledger().run_transaction)
        with pytest.raises(Death):
            await asyncio.gather(commit.run(write("a")), commit.run(die))

    event_loop.run(both())
