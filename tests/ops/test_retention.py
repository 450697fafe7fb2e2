"""Every kind of row has a setting that says how long it is kept, and goes by itself."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from tests.delivery import factories
from tests.delivery.test_old_issues import sent_long_ago

from digest import services, tasks
from digest.access import audit_log
from digest.access.audit_verbs import Verb
from digest.access.models import AuditLogEntry
from digest.app import create_services
from digest.config import load
from digest.config.settings import Settings
from digest.db import Database, utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter
from digest.delivery.ledger.models import TestSend as SentTest
from digest.delivery.letters import outbox
from digest.delivery.release.retention_steps import Retention
from digest.editorial.models import Issue
from digest.embedded.maildir import Maildir
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.url import relay_from_url
from digest.tracking.models import Click

TABLES = (Delivery, Batch, Click, Letter, SentTest, AuditLogEntry)


def run_retention(db: Database, home: Path, retention: Retention) -> dict[str, int]:
    """Run the tasks twice; how many rows of each table are left."""
    made = Services(
        db=db,
        signer=Signer(factories.KEYS),
        relay=relay_from_url("smtp://127.0.0.1:2525"),
        limiter=RateLimiter(),
        base_url=factories.BASE,
        home=home,
        send_rate=None,
        retry_delay=factories.RETRY_DELAY,
        enqueue_soon=lambda _task: None,
        retention=retention,
    )
    services.set_services_factory(lambda: made)
    for _ in range(2):
        tasks.retention_rows()
    with db.read() as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in TABLES
        }


def test_everything_goes_in_its_time_and_nothing_before(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "GAP_SECONDS", 0)
    number, now = sent_long_ago(db), utcnow()
    with db.begin() as session:
        ids = [outbox.enqueue_letter(session, "notice", now=now, address="a@example.org") for _ in range(3)]
        ended = update(Letter).where(Letter.id.in_(ids[:2]))
        old = now - timedelta(days=500)
        session.execute(ended.values(outcome="accepted", ended_at=old, due_at=old))
        session.execute(update(Letter).where(Letter.id == ids[2]).values(due_at=old))  # not sent yet
        session.add(SentTest(letter_id=ids[0], issue_id=number, at=old))
        for at in (old, now):
            actor = audit_log.Actor("command line")
            audit_log.record(session, actor, Verb.EXPORT, "issue", 1, now=at)
        before = count_outcomes(session, number)
    maildir = Maildir(tmp_path / "mailbox")
    maildir.add(b"new")
    (maildir.path / "new" / f"{int(old.timestamp() * 1e9):020d}.1_0").write_bytes(b"old")
    kept = run_retention(db, tmp_path, Retention())
    assert kept == {
        "delivery": 300,
        "batch": kept["batch"],
        "click": 5,
        "letter": 3,
        "test_send": 1,
        "audit_log_entry": 2,
    }
    assert len(maildir.keys()) == 2
    year = dict.fromkeys((field.name for field in fields(Retention)), 400)
    assert run_retention(db, tmp_path, Retention.in_days(**year)) == {
        "delivery": 0,
        "batch": 0,
        "click": 0,
        "letter": 1,
        "test_send": 0,
        "audit_log_entry": 1,
    }
    assert len(maildir.keys()) == 1
    with db.read() as session:
        assert count_outcomes(session, number) == before
        frozen = session.get_one(FrozenIssue, number)
        assert (frozen.compiled, session.get_one(Issue, number).state) == (b"", "sent")
        assert frozen.edition


def test_each_kind_has_a_setting_and_zero_keeps_it(tmp_path: Path) -> None:
    names = {field.name for field in fields(Retention)}
    assert {f"keep_{name}_days" for name in names} == {
        name for name in Settings.model_fields if name.startswith("keep_")
    }
    made = create_services(load(home=tmp_path / "home", keep_deliveries_days=0, keep_letters_days=7))
    assert made.retention.deliveries is None
    assert made.retention.letters == timedelta(days=7)
    assert made.retention.log == timedelta(days=730)
