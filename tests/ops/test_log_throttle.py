"""An error that occurs every five seconds is logged once a minute, and its traceback once."""

import logging

import pytest
from sqlalchemy import create_engine, text

from digest.embedded.log_throttle import LogThrottle
from digest.errors import OtherVersion


def test_an_unreachable_database_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    moment = 0.0
    engine = create_engine(
        "postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2}
    )

    def look() -> None:
        with engine.connect() as connection:
            connection.execute(text("select 1"))

    complaints = LogThrottle(clock=lambda: moment)
    tasks = [complaints.wrap("calendar", look), complaints.wrap("send", look)]
    for _ in range(25):  # two minutes
        for task in tasks:
            task()
        moment += 5.0
    said = caplog.records
    assert [(record.task, record.times) for record in said] == [  # type: ignore[attr-defined]
        ("calendar", 1), ("send", 1), ("calendar", 12), ("send", 12), ("calendar", 12), ("send", 12)
    ]  # fmt: skip
    assert [record.exc_info is not None for record in said] == [True] + 5 * [False]
    assert all("refused" in record.error for record in said)  # type: ignore[attr-defined]
    assert not any("\n" in record.error for record in said)  # type: ignore[attr-defined]


def test_a_different_error_and_a_recovery_are_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    faults: list[Exception | None] = [ValueError("one"), KeyError("two"), ValueError("one"), None, None]

    def task() -> None:
        fault = faults.pop(0)
        if isinstance(fault, ValueError):
            raise fault
        if fault is not None:
            raise fault

    told = LogThrottle(clock=lambda: 0.0).wrap("drafts", task)
    while faults:
        told()
    words = [(record.getMessage(), getattr(record, "error", "")) for record in caplog.records]
    assert words == [
        ("task failed", "ValueError: one"),
        ("task failed", "KeyError: 'two'"),
        ("task recovered", ""),
    ]


def test_a_task_that_fails_and_recovers_by_turns_is_two_lines_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    moment = 0.0

    def task() -> None:
        if moment % 10 == 0:
            raise OSError("the disk is full")

    told = LogThrottle(clock=lambda: moment).wrap("letters", task)
    while moment < 120:
        told()
        moment += 5
    words = [(record.getMessage(), getattr(record, "times", None)) for record in caplog.records]
    assert words == [
        ("task failed", 1),
        ("task recovered", None),
        ("task failed", 6),
        ("task recovered", None),
    ]


def test_all_tracebacks_are_there_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def task() -> None:
        raise RuntimeError("no")

    told = LogThrottle(clock=lambda: 0.0).wrap("drafts", task)
    for _ in range(3):
        told()
    assert [record.exc_info is not None for record in caplog.records] == [True, True, True]


def test_tasks_that_stand_back_during_an_upgrade_are_one_line_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    upgrading = [True]

    def task() -> None:
        if upgrading[0]:
            raise OtherVersion("the database is being upgraded")

    throttle = LogThrottle(clock=lambda: 0.0)
    tasks = [throttle.wrap(name, task) for name in ("calendar", "send")]
    for upgrading[0] in (True, True, False, False):
        for one in tasks:
            one()
    found = [(record.getMessage(), record.task, record.exc_info) for record in caplog.records]  # type: ignore[attr-defined]
    assert found == [("task failed", "every task", None), ("task recovered", "every task", None)]
