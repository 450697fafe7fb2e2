"""The counts that read an index say what a look at every row says."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from tests.web.newsstand import publish
from tests.web.readers import reader

from digest.audience import find, growth, reach, standings, suppression
from digest.audience.consent import Kind, record
from digest.audience.models import Subscriber, Subscription
from digest.db import Database
from digest.signing import Signer

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def crowd(session: Session, signer: Signer) -> int:
    """Everybody who can be told apart: each standing, and each suppressed, erased, paused and no longer paused."""
    publication = publish(session)
    other = publish(session, name="Another", slug="another", sender_address="other@example.org")
    for standing in ("active", "pending", "left"):
        for kind in ("plain", "suppressed", "erased", "paused", "awake", "suppressed-paused"):
            number = reader(session, publication, f"{standing}-{kind}@example.org", standing)
            if "suppressed" in kind:
                suppression.suppress_subscriber(session, signer, number, "bounce", NOW)
            if kind == "erased":
                gone = {"address": None, "address_key": None, "erased_at": NOW}
                session.execute(update(Subscriber).where(Subscriber.id == number).values(gone))
            if "paused" in kind or kind == "awake":
                until = NOW + timedelta(days=-1 if kind == "awake" else 1)
                mine = update(Subscription).where(Subscription.subscriber_id == number)
                session.execute(mine.values(paused_until=until))
        reader(session, other, f"{standing}@other.example", standing)
    return publication


def test_sums_of_an_index_are_the_sums_of_the_rows(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        number = crowd(session, signer)
        for since in (None, datetime(2026, 8, 1, tzinfo=UTC), NOW):
            rows = reach.audience(number, NOW, since).subquery()
            every = dict(session.execute(select(rows.c.reason, func.count()).group_by(rows.c.reason)).all())
            assert reach.count(session, number, NOW, since) == reach.Reach(every.pop(None), every)
        counts = standings.count(session, number, NOW)
    assert counts == dict(zip(standings.NAMES, (2, 3, 1, 3, 6, 3), strict=True))


def test_each_standing_lists_exactly_those_who_are_counted(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        number = crowd(session, signer)
        counts = standings.count(session, number, NOW)
        assert len(find.by_number(session, number, NOW)) == sum(counts.values())
        for standing, many in counts.items():
            by_number = find.by_number(session, number, NOW, standing=standing)
            assert [one.standing for one in by_number] == [standing] * many
            if standing == "erased":
                continue
            by_address = [
                one.id
                for begins in ("active", "LEFT", "pending-")
                for one in find.by_prefix(session, number, begins, NOW, standing=standing)
            ]
            assert sorted(by_address) == [one.id for one in by_number]


def test_a_beginning_is_found_in_any_script_and_is_no_pattern(db: Database) -> None:
    with db.begin() as session:
        number = publish(session)
        for address in (
            "ä@example.org",
            "äb@example.org",
            "a_b@example.org",
            "axb@example.org",
            "z@example.org",
        ):
            reader(session, number, address)
        assert [one.address for one in find.by_prefix(session, number, "Ä", NOW)] == [
            "ä@example.org",
            "äb@example.org",
        ]
        assert [one.address for one in find.by_prefix(session, number, "a_", NOW)] == ["a_b@example.org"]
        first = find.by_prefix(session, number, "", NOW, limit=2)
        rest = find.by_prefix(session, number, "", NOW, after=first[-1].key or "")
        assert [one.address for one in (*first, *rest)] == sorted(
            ("a_b@example.org", "axb@example.org", "z@example.org", "ä@example.org", "äb@example.org")
        )


def test_a_week_holds_what_happened_in_its_seven_days(db: Database) -> None:
    begin = datetime(2026, 10, 5, tzinfo=UTC)
    with db.begin() as session:
        number = publish(session)
        other = publish(session, name="Another", slug="another", sender_address="other@example.org")
        ana = reader(session, number, "ana@example.org")
        second = timedelta(seconds=1)
        for kind, at, where in (
            (Kind.REQUESTED, begin, number),
            (Kind.CONFIRMED, begin + growth.WEEK - second, number),
            (Kind.LEFT, begin + growth.WEEK, number),
            (Kind.SUPPRESSED, begin + growth.WEEK, None),
            (Kind.LEFT, begin - second, number),
            (Kind.LEFT, begin, other),
        ):
            record(session, subscriber_id=ana, publication_id=where, kind=kind, source="test", now=at)
        found = growth.by_week(session, number, begin, 2)
    told = [{kind: many for kind, many in week.counts.items() if many} for week in found]
    assert told == [{"requested": 1, "confirmed": 1}, {"left": 1, "suppressed": 1}]
    assert [week.begin for week in found] == [begin, begin + growth.WEEK]
