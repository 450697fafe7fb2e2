"""A login session is a row; it ends on request, when idle, or at the end of its lifetime."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.access.people import NOW, find_session, sign_in, user

from digest.access import factors, sessions
from digest.access.models import LoginSession
from digest.db import Database
from digest.editorial import users

SECOND = timedelta(seconds=1)


def test_the_database_does_not_contain_the_session_key(db: Database) -> None:
    with db.begin() as session:
        key = sign_in(session, user(session))
        row = session.scalars(select(LoginSession)).one()
        assert len(key) >= 43
        assert key not in {str(value) for value in vars(row).values()}
        assert find_session(session, key).address == "ana@example.org"
        for wrong in ("", key[:-1], row.key_hash):
            assert sessions.find(session, wrong, NOW) is None


def test_an_idle_session_expires(db: Database) -> None:
    with db.begin() as session:
        key = sign_in(session, user(session))
        late = NOW + sessions.IDLE_TIMEOUT
        assert sessions.find(session, key, late) is None
        sessions.touch(session, find_session(session, key, late - SECOND), late - SECOND)
        assert sessions.find(session, key, late) is not None


def test_a_session_expires_after_its_maximum_lifetime_even_in_use(db: Database) -> None:
    with db.begin() as session:
        key, now = sign_in(session, user(session)), NOW
        while now < NOW + sessions.MAX_LIFETIME - SECOND:
            sessions.touch(session, find_session(session, key, now), now)
            now = min(now + timedelta(days=2), NOW + sessions.MAX_LIFETIME - SECOND)
        assert sessions.find(session, key, now) is not None
        sessions.touch(session, find_session(session, key, now), now)
        assert sessions.find(session, key, NOW + sessions.MAX_LIFETIME) is None


def test_a_session_pending_two_factor_expires_soon(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        factors.add(session, ana.id, "app", "Phone", NOW)
        key = sign_in(session, ana)
        assert find_session(session, key).verified_at is None
        assert sessions.find(session, key, NOW + sessions.SECOND_FACTOR_TIMEOUT) is None


def test_two_factor_verification_changes_the_session_key(db: Database) -> None:
    with db.begin() as session:
        key = sign_in(session, user(session))
        fresh = sessions.elevate(session, find_session(session, key).id, NOW + SECOND, method="app")
        assert sessions.find(session, key, NOW + SECOND) is None
        found = find_session(session, fresh, NOW + SECOND)
        assert (found.verified_at, found.method) == (NOW + SECOND, "letter and app")


def test_a_confirmed_identity_counts_as_recent_for_an_hour(sqlite: Database) -> None:
    with sqlite.begin() as session:
        found = find_session(session, sign_in(session, user(session)))
        assert found.is_fresh(NOW + sessions.RECENT_PROOF_AGE - SECOND)
        assert not found.is_fresh(NOW + sessions.RECENT_PROOF_AGE)


def test_a_user_ends_one_session_all_others_or_all(db: Database) -> None:
    with db.begin() as session:
        ana, bob = user(session), user(session, "bob")
        keys = [sign_in(session, ana) for _ in range(4)]
        other = sign_in(session, bob)
        first, second = (find_session(session, key).id for key in keys[:2])
        assert not sessions.end(session, bob.id, first)
        assert sessions.end(session, ana.id, first)
        assert sessions.find(session, keys[0], NOW) is None
        assert sessions.end_others(session, ana.id, second) == 2
        assert [login_session.id for login_session in sessions.list_sessions(session, ana.id, NOW)] == [
            second
        ]
        sessions.end_all(session, ana)
        assert sessions.list_sessions(session, ana.id, NOW) == []
        assert sessions.find(session, other, NOW) is not None


def test_removing_a_user_ends_all_sessions_even_if_they_are_invited_again(db: Database) -> None:
    with db.begin() as session:
        user(session, "owner", "owner")
        ana = user(session)
        key = sign_in(session, ana)
        users.remove_user(session, ana.id, NOW)
        assert sessions.find(session, key, NOW) is None
        user(session)
        assert sessions.find(session, key, NOW) is None


def test_beyond_twenty_sessions_the_one_idle_longest_ends(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        keys = [sign_in(session, ana, NOW + n * SECOND) for n in range(sessions.MAX_SESSIONS + 1)]
        late = NOW + timedelta(minutes=1)
        assert [sessions.find(session, key, late) is not None for key in keys] == [False] + [
            True
        ] * sessions.MAX_SESSIONS


def test_expired_sessions_are_deleted_at_the_next_sign_in(sqlite: Database) -> None:
    with sqlite.begin() as session:
        ana = user(session)
        sign_in(session, ana)
        sign_in(session, ana, NOW + sessions.IDLE_TIMEOUT + SECOND)
        assert len(session.scalars(select(LoginSession)).all()) == 1


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_a_session_has_the_user_s_current_role(sqlite: Database, role: str) -> None:
    with sqlite.begin() as session:
        key = sign_in(session, user(session))
        user(session, "ana", role)
        assert find_session(session, key).role == role
