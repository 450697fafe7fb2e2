"""Fills a database as a year of use would: each kind of row, by the product's own commands and tasks where it can."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest import mock

from click.testing import CliRunner
from sqlalchemy import func, insert, select
from tests.delivery.factories import BASE, KEYS
from tests.relay import Relay
from tests.upgrades.sample_rows import make_row

from digest import tasks
from digest.app import create_context
from digest.catalog import sample
from digest.cli import AppContext, demo_scenario, main
from digest.db import Base, Database, utcnow
from digest.editorial import issues
from digest.editorial.calendar import schedule
from digest.monitoring import heartbeats
from digest.monitoring.heartbeats import Kind
from digest.publications import publications

IMPORTED = 80
INIT = ("--no-link", "--name=Weekly Verdicts", "--owner=owner@example.org", "--sender=digest@example.org")


@contextmanager
def installation(home: Path, db: Database, relay: Relay) -> Iterator[AppContext]:
    """Commands, services and tasks of an installation that sends to this relay."""
    context = create_context(
        home=str(home),
        database_url=db.engine.url.render_as_string(hide_password=False),
        smtp_url=f"{relay.url}?connections=2",
        base_url=BASE,
        secret_keys=",".join(KEYS),
        broker_url="redis://127.0.0.1:1/0",
    )
    services = replace(context.services(), enqueue_soon=lambda _task: None)
    with mock.patch.object(tasks, "current_services", return_value=services):
        yield context
    services.db.close()


def run(context: AppContext, *words: str) -> str:
    done = CliRunner().invoke(main, list(words), obj=context)
    assert done.exit_code == 0, done.output
    return done.stdout


def work_until(done: Callable[[], bool], rounds: int = 40) -> None:
    for _ in range(rounds):
        tasks.calendar()
        tasks.send()
        tasks.letters_()
        tasks.reconcile()
        if done():
            return
    raise AssertionError("it did not come true")


def state_of(db: Database, issue_id: int) -> str:
    with db.read() as session:
        return str(issues.get_by_id(session, issue_id).state)


def fill(db: Database, home: Path) -> None:
    """One issue that was sent, one whose audience is frozen, one that is scheduled, and a row in every other table."""
    with Relay() as relay, installation(home, db, relay) as context:
        run(context, "init", *INIT)
        with db.begin() as session:
            sample.import_sample(session, utcnow())
            publication = publications.find(session)
        demo_scenario._add_readers(context.services(), publication)
        file = home / "readers.csv"
        file.write_text(
            "email,name\n" + "".join(f"imported{n}@example.org,Reader {n}\n" for n in range(IMPORTED))
        )
        run(
            context,
            "subscribers",
            "import",
            str(file),
            "--confirmed",
            "--source=double opt-in with our old tool",
        )
        sent = draft(db, send=True)
        work_until(lambda: state_of(db, sent) == "sent")
        draft(db, send=True)
        tasks.partitions()
        tasks.calendar()
        draft(db, send=False)
        run(context, "issues", "test", "2", "--to", "editor@example.org")
        with db.begin() as session:
            heartbeats.record(session, Kind.WORKER, "host:7", utcnow())
    with db.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if not connection.scalar(select(func.count()).select_from(table)):
                connection.execute(insert(table), make_row(connection, table))


def draft(db: Database, *, send: bool) -> int:
    from digest.editorial.drafts import drafting

    now = utcnow()
    with db.begin() as session:
        issue = drafting.draft_issue(session, publications.find(session), now, actor="command line")
        if send:
            schedule.send_now(session, issue, hold_minutes=0, now=now, actor="command line")
        else:
            tomorrow = f"{now + timedelta(days=1):%Y-%m-%d %H:%M}"
            schedule.schedule_issue(
                session, issue, local_time=tomorrow, zone="UTC", hold_minutes=0, now=now, actor="command line"
            )
        return issue.id
