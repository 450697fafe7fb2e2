"""The audit log records who did what, without addresses or tokens, and no entry is ever changed."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.access.people import NOW, user
from tests.editorial import factories

from digest.access import audit_log
from digest.access.audit_log import Actor
from digest.access.audit_verbs import Verb
from digest.access.models import AuditLogEntry
from digest.db import Database
from digest.editorial.models import Issue

ROOT = Path(__file__).parents[2]


def test_entries_are_listed_by_page_kind_and_user(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        for number in range(audit_log.PAGE_SIZE + 5):
            audit_log.record(session, Actor("desk", ana.id), Verb.EDIT, "issue", number, now=NOW)
        audit_log.record(session, Actor("command line"), Verb.ERASE, "subscriber", 7, now=NOW)
        session.flush()
        page = audit_log.list_entries(session)
        assert (len(page), page[0].entry.kind, page[0].address) == (audit_log.PAGE_SIZE, "subscriber", None)
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
def test_no_address_and_no_token_is_logged(sqlite: Database, words: str) -> None:
    with sqlite.begin() as session:
        audit_log.record(session, Actor("command line"), Verb.RESEND, "subscriber", 1, now=NOW, details=words)
        session.flush()
        kept = session.scalars(select(AuditLogEntry.details)).one()
        assert "@" not in kept
        assert not re.search(r"[A-Za-z0-9_-]{30}", kept)


def test_a_slug_is_not_taken_for_a_token(sqlite: Database) -> None:
    slug = "a-very-long-name-of-a-tool-vs-another-very-long-name-9"
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), Verb.EDIT, "comparison", now=NOW, details=slug)
        session.flush()
        assert session.scalars(select(AuditLogEntry.details)).one() == slug


def test_long_details_are_cut_and_an_unknown_kind_is_refused(sqlite: Database) -> None:
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), Verb.EDIT, "issue", now=NOW, details="word " * 200)
        session.flush()
        entry = session.scalars(select(AuditLogEntry)).one()
        assert (entry.verb, len(entry.details)) == ("edited", audit_log.DETAILS_CHARS)
        with pytest.raises(ValueError, match="no kind"):
            audit_log.record(session, Actor("desk"), Verb.EDIT, "campaign", now=NOW)


def test_a_change_is_logged_with_old_and_new_value(sqlite: Database) -> None:
    before = {
        "name": "Verdicts",
        "hold_minutes": 10,
        "requires_approval": False,
        "zone": "UTC",
        "tagline": "",
    }
    after = before | {"hold_minutes": 25, "requires_approval": True, "tagline": "word " * 50}
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), Verb.CHANGE, "setting", now=NOW, before=before, after=after)
        session.flush()
        words = session.scalars(select(AuditLogEntry.details)).one()
        assert words.startswith(
            "hold minutes: 10 → 25; requires approval: no → yes; tagline: none → word word"
        )
        assert words.endswith("…")


def test_no_value_hides_another_change(sqlite: Database) -> None:
    """Long values are cut, each for itself; of two that begin alike the part that differs is kept."""
    same = "One sentence about everything that we do each week. " * 3
    before = {
        "name": "A" * 200,
        "tagline": "B" * 200,
        "address": same + "Berlin",
        "city": "A\nB",
        "reply_to": "a",
    }
    after = {
        "name": "C" * 200,
        "tagline": "D" * 200,
        "address": same + "Paris",
        "city": "A B",
        "reply_to": "b",
    }
    with sqlite.begin() as session:
        audit_log.record(
            session,
            Actor("desk"),
            Verb.CHANGE,
            "setting",
            now=NOW,
            details="w " * 500,
            before=before,
            after=after,
        )
        session.flush()
        words = session.scalars(select(AuditLogEntry.details)).one()
    assert "Berlin → …" in words
    assert "Paris; city: only spaces or line breaks changed; reply to: a → b" in words


def test_a_value_that_looks_like_a_change_is_quoted() -> None:
    forged = "Phone; second factor required: yes → no”; x"
    said = audit_log.describe_changes({"name": "Old"}, {"name": forged})
    assert said == 'name: Old → “Phone; second factor required: yes → no"; x”'


def test_a_setting_keeps_the_addresses_of_the_publication_and_no_token(sqlite: Database) -> None:
    values = {
        "before": {"sender": "old@verdicts.io"},
        "after": {"sender": "AgAB_x7TqkE9w1n2bVZ-4Lk0P3yXc8dFhJ"},
    }
    with sqlite.begin() as session:
        audit_log.record(session, Actor("desk"), Verb.CHANGE, "setting", now=NOW, **values)
        session.flush()
        assert session.scalars(select(AuditLogEntry.details)).one() == "sender: old@verdicts.io → …"


def test_an_issue_s_old_values_are_those_that_the_change_replaced(postgres: Database) -> None:
    with postgres.begin() as session:
        number = factories.drafted(session).id
    with postgres.begin() as ours:
        issue = ours.get_one(Issue, number)
        old = issue.hold_minutes
        with postgres.begin() as theirs:
            theirs.get_one(Issue, number).hold_minutes = old + 7
        with audit_log.record_issue_change(ours, Actor("command line"), Verb.EDIT, issue, now=NOW):
            issue.hold_minutes = old + 20
            ours.flush()
        details = ours.scalars(select(AuditLogEntry.details)).one()
    assert details == f"cancel window: {old + 7} min → {old + 20} min"


def test_no_code_changes_an_entry_and_only_retention_deletes_old_ones() -> None:
    for path in (ROOT / "src/digest").rglob("*.py"):
        found = re.findall(
            r"(?:update|delete)\((?:audit_log\.|models\.)?AuditLogEntry\b|audit_log_entry", path.read_text()
        )
        allowed = ["delete(AuditLogEntry"] if path == ROOT / "src/digest/access/audit_log.py" else []
        assert found == allowed or path.name == "models.py", path
