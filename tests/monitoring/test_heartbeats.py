"""Who reports, who has stopped to, and what an operator is told of it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.monitoring.beats import report

from digest.db import Database, database_now
from digest.monitoring import heartbeats, problems
from digest.monitoring.ages import describe_age
from digest.monitoring.heartbeats import Kind
from digest.monitoring.models import Heartbeat

MINUTE = timedelta(minutes=1)


def silences(db: Database) -> list[str]:
    with db.read() as session:
        pulses = heartbeats.read(session, database_now(session))
        return [problem.key for problem in problems.find_silences(pulses)]


def test_nothing_is_wrong_while_all_report(db: Database) -> None:
    report(db, "worker", "beat", "queue", ago=timedelta(seconds=30))
    assert silences(db) == []


def test_a_place_where_nothing_ever_ran_says_so(db: Database) -> None:
    with db.read() as session:
        pulses = heartbeats.read(session, database_now(session))
        found = [problem.summary for problem in problems.find_silences(pulses)]
    assert found[0] == "No worker has reported yet. Nothing is sent until one runs."
    assert len(found) == 2


def test_the_living_cover_for_the_dead_until_the_last_one(db: Database) -> None:
    report(db, "beat", "queue")
    report(db, "worker", ago=4 * MINUTE, name="a:1")
    report(db, "worker", name="b:1")
    assert silences(db) == []
    report(db, "worker", ago=2 * MINUTE, name="b:1")
    assert silences(db) == ["worker"]


def test_a_worker_that_was_stopped_counts_as_gone_at_once(db: Database) -> None:
    report(db, "worker", "beat", "queue")
    with db.begin() as session:
        heartbeats.record_stop(session, Kind.WORKER, "host:7", database_now(session))
    assert silences(db) == ["worker"]
    report(db, "worker")
    assert silences(db) == []


def test_a_queue_without_takers_is_named_only_while_all_processes_run(db: Database) -> None:
    report(db, "worker", "beat")
    report(db, "queue", ago=5 * MINUTE)
    assert silences(db) == ["queue:clock", "queue:letters", "queue:send"]
    report(db, "beat", ago=5 * MINUTE)
    assert silences(db) == ["beat"]


def test_nothing_is_expected_of_a_queue_right_after_the_start(db: Database) -> None:
    report(db, "queue", ago=timedelta(hours=9))
    report(db, "worker", "beat", up_for=timedelta(seconds=5))
    assert silences(db) == []


def test_workers_that_die_again_and_again_hide_no_silent_queue(db: Database) -> None:
    report(db, "beat")
    report(db, "queue", ago=5 * MINUTE)
    for number in range(9):  # each lives for ten seconds
        report(db, "worker", ago=number * 30 * MINUTE / 60, name=f"a:{number}", up_for=timedelta(seconds=10))
    assert silences(db) == ["queue:clock", "queue:letters", "queue:send"]


def test_only_the_living_forget_the_dead(db: Database) -> None:
    report(db, "worker", ago=timedelta(hours=2), name="a:1")
    report(db, "worker", ago=timedelta(hours=1), name="b:1")
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Heartbeat)) == 1
    assert silences(db) == ["worker", "beat"]


def test_a_process_that_was_replaced_is_not_missed(db: Database) -> None:
    report(db, "worker", "worker", ago=4 * MINUTE, name="a:1")
    report(db, "worker", ago=4 * MINUTE, name="a:2")
    report(db, "worker", ago=4 * MINUTE, name="b:1")
    report(db, "worker", name="a:3", up_for=MINUTE)
    report(db, "worker", name="c:1", up_for=MINUTE)
    with db.read() as session:
        lost = heartbeats.find_lost(heartbeats.read(session, database_now(session)))
    assert [pulse.name for pulse in lost] == ["a:2", "b:1"]


def test_a_clock_that_was_set_back_hides_no_death(db: Database) -> None:
    report(db, "worker", "beat", ago=-timedelta(hours=1))
    assert silences(db) == ["worker", "beat"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7200, "2 hours"),
        (90_000, "1 day"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: int, words: str) -> None:
    assert describe_age(timedelta(seconds=seconds)) == words
