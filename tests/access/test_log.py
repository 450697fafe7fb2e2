"""The log says who did what, holds no address and no token, and is never changed."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.access.people import NOW, user

from digest.access import audit_log
from digest.access.audit_log import Actor
from digest.access.models import AuditLogEntry
from digest.db import Database

ROOT = Path(__file__).parents[2]


def test_it_is_read_a_page_at_a_time_by_kind_and_by_person(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        for number in range(audit_log.AT_ONCE + 5):
            audit_log.record(session, Actor("desk", ana.id), "edit", "issue", number, now=NOW)
        audit_log.record(session, Actor("command line"), "erase", "subscriber", 7, now=NOW)
        session.flush()
        page = audit_log.list_entries(session)
        assert (len(page), page[0].entry.kind, page[0].address) == (audit_log.AT_ONCE, "subscriber", None)
        rest = audit_log.list_entries(session, before=page[-1].entry.id)
        assert len(rest) == 6
        assert not {line.entry.id for line in page} & {line.entry.id for line in rest}
        assert [line.entry.number for line in audit_log.list_entries(session, kind="subscriber")] == [7]
        assert len(audit_log.list_entries(session, user_id=0)) == 1
        assert {line.address for line in audit_log.list_entries(session, user_id=ana.id)} == {
            "ana@example.org"
        }


@pytest.mark.parametrize(
    "words",
    [
        "to reader@example.org",
        "<a@b.example>",
        "AgAB_x7TqkE9w1n2bVZ-4Lk0P3yXc8dFhJ",
        "Ann <ann@localhost>, more",
    ],
)
def test_no_address_and_no_token_comes_into_it(sqlite: Database, words: str) -> None:
    with sqlite.begin() as session:
        audit_log.record(session, Actor("command line"), "resend", "subscriber", 1, now=NOW, details=words)
        session.flush()
        kept = session.scalars(select(AuditLogEntry.details)).one()
        assert "@" not in kept
        assert not re.search(r"[A-Za-z0-9_-]{30}", kept)


def test_a_slug_is_no_token(sqlite: Database) -> None:
    slug = "a-very-long-name-of-a-tool-vs-another-very-long-name-9"
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), "correct", "comparison", now=NOW, details=slug)
        session.flush()
        assert session.scalars(select(AuditLogEntry.details)).one() == slug


def test_a_long_story_is_cut_and_an_unknown_kind_is_refused(sqlite: Database) -> None:
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), "write" * 20, "issue", now=NOW, details="word " * 100)
        session.flush()
        entry = session.scalars(select(AuditLogEntry)).one()
        assert (len(entry.verb), len(entry.details)) == (32, 200)
        with pytest.raises(ValueError, match="no kind"):
            audit_log.record(session, Actor("desk"), "edit", "campaign", now=NOW)


def test_the_same_again_is_noticed_for_a_while(db: Database) -> None:
    with db.begin() as session:
        who = Actor("desk", user(session).id)
        assert not audit_log.has_recent(session, who, NOW, "save", "issue", number=1)
        audit_log.record(session, who, "save", "issue", 1, now=NOW)
        session.flush()
        assert audit_log.has_recent(session, who, NOW - timedelta(minutes=1), "save", "issue", number=1)
        assert not audit_log.has_recent(session, who, NOW + timedelta(minutes=1), "save", "issue", number=1)
        assert not audit_log.has_recent(session, who, NOW - timedelta(minutes=1), "save", "issue", number=2)
        assert not audit_log.has_recent(
            session, who, NOW - timedelta(minutes=1), "save", "issue", number=1, details="of another"
        )
        assert not audit_log.has_recent(
            session, who, NOW - timedelta(minutes=1), "save", "issue", number=1, publication_id=2
        )
        audit_log.record(session, who, "save", "setting", now=NOW, details="picks")
        session.flush()
        assert not audit_log.has_recent(
            session, who, NOW - timedelta(minutes=1), "save", "setting", number=None, details="picks"
        )


def test_nothing_of_ours_changes_or_removes_a_line() -> None:
    for path in (ROOT / "src/digest").rglob("*.py"):
        found = re.search(
            r"(update|delete)\((audit_log\.|models\.)?AuditLogEntry\b|audit_log_entry", path.read_text()
        )
        assert not found or path.name == "models.py", path
