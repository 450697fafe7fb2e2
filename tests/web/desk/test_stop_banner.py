"""The desk says when nobody is at work behind it."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.monitoring.beats import report
from tests.web.desk.clients import get, make_desk, signed_in
from tests.web.factories import Site

from digest.db import Database, database_now
from digest.delivery.release import restored
from digest.monitoring import problems


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Site:
    made = make_desk(db, tmp_path)
    made.app.extensions["digest.started"] -= 3600
    return made


def test_every_page_says_that_nothing_is_sent_while_no_worker_reports(desk: Site) -> None:
    report(desk.db, "worker", "beat", ago=timedelta(minutes=4))
    client = signed_in(desk, "viewer")
    for path in ("/desk/", "/desk/calendar", "/desk/account"):
        page = get(client, path)
        assert "No worker has reported for 4 minutes. Nothing is sent until one runs." in page
        assert "The scheduler has not reported for 4 minutes." in page
        assert "<code>digest up</code>" in page
    report(desk.db, "worker", "beat")
    assert "has reported" not in get(client, "/desk/")


def test_nobody_is_blamed_while_everything_is_just_being_started(desk: Site) -> None:
    report(desk.db, "worker", "beat", ago=timedelta(hours=10))
    client = signed_in(desk, "viewer")
    assert "No worker has reported for 10 hours" in get(client, "/desk/")
    desk.app.extensions["digest.started"] += 3600
    assert "No worker has reported" not in get(client, "/desk/")


def test_a_copy_says_that_it_sends_nothing(desk: Site) -> None:
    report(desk.db, "worker", "beat", "queue")
    with desk.db.begin() as session:
        now = database_now(session)
        restored.hold(session, "it was restored from a backup", known_until=now, now=now)
    page = get(signed_in(desk, "viewer"), "/desk/")
    assert "Nothing is sent: it was restored from a backup." in page
    assert "<code>digest restored</code>" in page
    with desk.db.read() as session:
        assert [problem.key for problem in problems.find_problems(session, now)] == ["held"]
