"""The counts that read an index say what a look at every row says."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from tests.web.factories import create_publication
from tests.web.subscribers import create_subscriber

from digest.audience import eligibility, growth, search, status_counts, suppression
from digest.audience.consent import Kind, record
from digest.audience.models import Subscriber, Subscription
from digest.db import Database
from digest.signing import Signer

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def crowd(session: Session, signer: Signer) -> int:
    """Everybody who can be told apart: each status, and each suppressed, erased, paused and no longer paused."""
    publication = create_publication(session)
    other = create_publication(session, name="Another", slug="another", sender_address="other@example.org")
    for status in ("active", "pending", "unsubscribed"):
        for kind in ("plain", "suppressed", "erased", "paused", "awake", "suppressed-paused"):
            number = create_subscriber(session, publication, f"{status}-{kind}@example.org", status)
            if "suppressed" in kind:
                suppression.suppress_subscriber(session, signer, number, "bounce", NOW)
            if kind == "erased":
                gone = {"address": None, "address_key": None, "erased_at": NOW}
                session.execute(update(Subscriber).where(Subscriber.id == number).values(gone))
            if "paused" in kind or kind == "awake":
                until = NOW + timedelta(days=-1 if kind == "awake" else 1)
                mine = update(Subscription).where(Subscription.subscriber_id == number)
                session.execute(mine.values(paused_until=until))
        create_subscriber(session, other, f"{status}@other.example", status)
    return publication


def test_counts_from_the_index_match_counts_of_the_rows(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        number = crowd(session, signer)
        for since in (None, datetime(2026, 8, 1, tzinfo=UTC), NOW):
            rows = eligibility.audience(number, NOW, since).subquery()
            every = dict(session.execute(select(rows.c.reason, func.count()).group_by(rows.c.reason)).all())
            assert eligibility.count(session, number, NOW, since) == eligibility.EligibilityCounts(
                every.pop(None), every
            )
        counts = status_counts.count(session, number, NOW)
    assert counts == dict(zip(status_counts.NAMES, (2, 3, 1, 3, 6, 3), strict=True))


def test_each_status_lists_exactly_the_subscribers_it_counts(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        number = crowd(session, signer)
        counts = status_counts.count(session, number, NOW)
        assert len(search.by_number(session, number, NOW)) == sum(counts.values())
        for status, many in counts.items():
            by_number = search.by_number(session, number, NOW, status=status)
            assert [one.status for one in by_number] == [status] * many
            if status == "erased":
                continue
            by_address = [
                one.id
                for begins in ("active", "UNSUBSCRIBED", "pending-")
                for one in search.by_prefix(session, number, begins, NOW, status=status)
            ]
            assert sorted(by_address) == [one.id for one in by_number]


def test_a_prefix_search_works_in_any_script_and_takes_wildcards_literally(db: Database) -> None:
    with db.begin() as session:
        number = create_publication(session)
        for address in (
            "ä@example.org",
            "äb@example.org",
            "a_b@example.org",
            "axb@example.org",
            "z@example.org",
        ):
            create_subscriber(session, number, address)
        assert [one.address for one in search.by_prefix(session, number, "Ä", NOW)] == [
            "ä@example.org",
            "äb@example.org",
        ]
        assert [one.address for one in search.by_prefix(session, number, "a_", NOW)] == ["a_b@example.org"]
        first = search.by_prefix(session, number, "", NOW, limit=2)
        rest = search.by_prefix(session, number, "", NOW, after=first[-1].key or "")
        assert [one.address for one in (*first, *rest)] == sorted(
            ("a_b@example.org", "axb@example.org", "z@example.org", "ä@example.org", "äb@example.org")
        )


def test_growth_counts_events_by_week(db: Database) -> None:
    begin = datetime(2026, 10, 5, tzinfo=UTC)
    with db.begin() as session:
        number = create_publication(session)
        other = create_publication(
            session, name="Another", slug="another", sender_address="other@example.org"
        )
        ana = create_subscriber(session, number, "ana@example.org")
        second = timedelta(seconds=1)
        for kind, at, where in (
            (Kind.REQUESTED, begin, number),
            (Kind.CONFIRMED, begin + growth.WEEK - second, number),
            (Kind.UNSUBSCRIBED, begin + growth.WEEK, number),
            (Kind.SUPPRESSED, begin + growth.WEEK, None),
            (Kind.UNSUBSCRIBED, begin - second, number),
            (Kind.UNSUBSCRIBED, begin, other),
        ):
            record(session, subscriber_id=ana, publication_id=where, kind=kind, source="test", now=at)
        found = growth.by_week(session, number, begin, 2)
    told = [{kind: many for kind, many in week.counts.items() if many} for week in found]
    assert told == [{"requested": 1, "confirmed": 1}, {"unsubscribed": 1, "suppressed": 1}]
    assert [week.begin for week in found] == [begin, begin + growth.WEEK]
