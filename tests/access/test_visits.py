"""A session is a row: it ends when it is ended, when nobody comes, and when its time is over."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.access.people import NOW, come_in, seen, user

from digest.access import factors, sessions
from digest.access.models import LoginSession
from digest.db import Database
from digest.editorial import users

SECOND = timedelta(seconds=1)


def test_the_row_holds_no_key(db: Database) -> None:
    with db.begin() as session:
        key = come_in(session, user(session))
        row = session.scalars(select(LoginSession)).one()
        assert len(key) >= 43
        assert key not in {str(value) for value in vars(row).values()}
        assert seen(session, key).address == "ana@example.org"
        for wrong in ("", key[:-1], row.key_hash):
            assert sessions.find(session, wrong, NOW) is None


def test_a_session_ends_when_nobody_comes(db: Database) -> None:
    with db.begin() as session:
        key = come_in(session, user(session))
        late = NOW + sessions.IDLE_TIMEOUT
        assert sessions.find(session, key, late) is None
        sessions.touch(session, seen(session, key, late - SECOND), late - SECOND)
        assert sessions.find(session, key, late) is not None


def test_a_session_ends_in_the_end_however_much_it_is_used(db: Database) -> None:
    with db.begin() as session:
        key, now = come_in(session, user(session)), NOW
        while now < NOW + sessions.MAX_LIFETIME - SECOND:
            sessions.touch(session, seen(session, key, now), now)
            now = min(now + timedelta(days=2), NOW + sessions.MAX_LIFETIME - SECOND)
        assert sessions.find(session, key, now) is not None
        sessions.touch(session, seen(session, key, now), now)
        assert sessions.find(session, key, NOW + sessions.MAX_LIFETIME) is None


def test_with_a_second_factor_one_is_half_way_and_not_for_long(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        factors.add(session, ana.id, "app", "Phone", NOW)
        key = come_in(session, ana)
        assert seen(session, key).verified_at is None
        assert sessions.find(session, key, NOW + sessions.SECOND_FACTOR_TIMEOUT) is None


def test_a_proof_moves_the_session_to_a_new_key(db: Database) -> None:
    with db.begin() as session:
        key = come_in(session, user(session))
        fresh = sessions.elevate(session, seen(session, key).id, NOW + SECOND, method="app")
        assert sessions.find(session, key, NOW + SECOND) is None
        found = seen(session, fresh, NOW + SECOND)
        assert (found.verified_at, found.method) == (NOW + SECOND, "letter and app")


def test_a_proof_is_fresh_for_an_hour(sqlite: Database) -> None:
    with sqlite.begin() as session:
        found = seen(session, come_in(session, user(session)))
        assert found.is_fresh(NOW + sessions.RECENT_PROOF_AGE - SECOND)
        assert not found.is_fresh(NOW + sessions.RECENT_PROOF_AGE)


def test_one_ends_one_all_others_or_all(db: Database) -> None:
    with db.begin() as session:
        ana, bob = user(session), user(session, "bob")
        keys = [come_in(session, ana) for _ in range(4)]
        other = come_in(session, bob)
        first, second = (seen(session, key).id for key in keys[:2])
        assert not sessions.end(session, bob.id, first)
        assert sessions.end(session, ana.id, first)
        assert sessions.find(session, keys[0], NOW) is None
        assert sessions.end_others(session, ana.id, second) == 2
        assert [visit.id for visit in sessions.list_sessions(session, ana.id, NOW)] == [second]
        sessions.end_all(session, ana)
        assert sessions.list_sessions(session, ana.id, NOW) == []
        assert sessions.find(session, other, NOW) is not None


def test_who_is_removed_is_out_everywhere_and_stays_out_when_invited_anew(db: Database) -> None:
    with db.begin() as session:
        user(session, "owner", "owner")
        ana = user(session)
        key = come_in(session, ana)
        users.remove_user(session, ana.id, NOW)
        assert sessions.find(session, key, NOW) is None
        user(session)
        assert sessions.find(session, key, NOW) is None


def test_beyond_twenty_the_session_that_was_idle_longest_ends(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        keys = [come_in(session, ana, NOW + n * SECOND) for n in range(sessions.MAX_SESSIONS + 1)]
        late = NOW + timedelta(minutes=1)
        assert [sessions.find(session, key, late) is not None for key in keys] == [False] + [
            True
        ] * sessions.MAX_SESSIONS


def test_what_is_over_is_removed_when_somebody_comes(sqlite: Database) -> None:
    with sqlite.begin() as session:
        ana = user(session)
        come_in(session, ana)
        come_in(session, ana, NOW + sessions.IDLE_TIMEOUT + SECOND)
        assert len(session.scalars(select(LoginSession)).all()) == 1


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_the_role_is_the_one_of_now(sqlite: Database, role: str) -> None:
    with sqlite.begin() as session:
        key = come_in(session, user(session))
        user(session, "ana", role)
        assert seen(session, key).role == role
