"""An owner settles a restored database at the desk, as `digest restored` does."""

import io

import pytest
from sqlalchemy import select
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import OUTCOMES, start_sending
from tests.web.factories import Site

from digest.access.models import AuditLogEntry
from digest.audience.models import Subscription
from digest.db import utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.release import restored
from digest.editorial.models import Issue

PAGE = "/desk/restored"


@pytest.fixture
def readers(desk: Site) -> list[int]:
    """Issue 1 was being sent when the backup was made."""
    found = start_sending(desk)
    with desk.db.begin() as session:
        restored.hold(session, "this database was restored from a backup", known_until=utcnow(), now=utcnow())
    return found


def file(text: str) -> tuple[io.BytesIO, str]:
    return io.BytesIO(text.encode()), "provider.log"


def shown(desk: Site) -> str:
    return get(signed_in(desk, "owner"), PAGE)


def is_held(desk: Site) -> bool:
    with desk.db.read() as session:
        return restored.find_hold(session) is not None


def verbs(desk: Site) -> list[str]:
    with desk.db.read() as session:
        rows = select(AuditLogEntry.verb).where(AuditLogEntry.channel == "desk")
        return list(session.scalars(rows.order_by(AuditLogEntry.id)))[-3:]


@pytest.mark.usefixtures("readers")
def test_every_page_leads_an_owner_there_and_nobody_else(desk: Site) -> None:
    assert f'href="{PAGE}"' in get(signed_in(desk, "owner"), "/desk/")
    assert f'href="{PAGE}"' not in get(signed_in(desk, "editor"), "/desk/")
    get(signed_in(desk, "editor"), PAGE, 403)
    assert post(signed_in(desk, "editor"), f"{PAGE}/release").status_code == 403
    page = shown(desk)
    assert "It was sending when the backup was made" in page
    assert "You can allow it once everything above is settled." in page


def test_what_the_log_names_counts_as_sent_and_who_left_is_unsubscribed(
    desk: Site, readers: list[int]
) -> None:
    owner, remaining = signed_in(desk, "owner"), OUTCOMES.index(None)
    log = f"to=<r{remaining}@example.org> status=gesendet\n"

    def settle(**fields: str) -> str:
        return post(owner, f"{PAGE}/issues/1", answer="logged", file=file(log), **fields).get_data(
            as_text=True
        )

    assert "say below it what each means" in settle()
    assert "check “It holds all that was sent”" in settle(sent_words="gesendet")
    answer = settle(sent_words="gesendet", complete="1")
    assert "the log names 1 readers; 0 remain. The log does not say from when to when it reaches." in answer
    assert "Settled: your provider’s log says who has it." in answer
    left = post(owner, f"{PAGE}/unsubscribed", file=file("r0@example.org, r1@example.org"))
    assert "2 unsubscribed." in left.get_data(as_text=True)
    assert is_held(desk)
    assert "Emails are sent again." in post(owner, f"{PAGE}/release").get_data(as_text=True)
    assert not is_held(desk)
    assert verbs(desk) == ["settled after a restore", "settled after a restore", "allowed sending again"]
    with desk.db.read() as session:
        assert count_outcomes(session, 1).remaining == 0
        left_rows = select(Subscription.status).where(Subscription.subscriber_id.in_(readers[:2]))
        assert set(session.scalars(left_rows)) == {"unsubscribed"}


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize(("answer", "state"), [("all", "sent"), ("none", "paused")])
def test_all_or_nothing_of_it_went_out(desk: Site, answer: str, state: str) -> None:
    owner = signed_in(desk, "owner")
    assert f"Issue 1 is {state}" in post(owner, f"{PAGE}/issues/1", answer=answer).get_data(as_text=True)
    assert "Nobody is unsubscribed." in post(owner, f"{PAGE}/unsubscribed", nobody="1").get_data(as_text=True)
    with desk.db.read() as session:
        assert session.scalars(select(Issue.state).where(Issue.id == 1)).one() == state
    assert "Allow sending again" in shown(desk)


@pytest.mark.usefixtures("readers")
def test_what_cannot_be_said_is_refused_and_changes_nothing(desk: Site) -> None:
    owner = signed_in(desk, "owner")
    for path, fields, why in (
        ("issues/1", {"answer": "some"}, "Choose what went out of this issue"),
        ("issues/1", {"answer": "logged"}, "Choose a file first"),
        ("unsubscribed", {}, "Choose a file first"),
        ("release", {}, "Say first what went out of issue 1"),
        ("mark", {}, "Nothing is sent from this database already"),
    ):
        assert why in post(owner, f"{PAGE}/{path}", **fields).get_data(as_text=True), path
    assert is_held(desk)
    assert "Settled" not in shown(desk)


def test_a_database_that_is_no_copy_can_be_marked_as_one(desk: Site) -> None:
    assert "Emails are sent as usual." in shown(desk)
    post(signed_in(desk, "owner"), f"{PAGE}/mark")
    assert is_held(desk)
