"""Users and their login sessions, for the tests of digest.access."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from digest.access import sessions
from digest.access.sessions import CurrentSession
from digest.editorial import users
from digest.editorial.models import User

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)


def user(session: Session, name: str = "ana", role: str = "editor") -> User:
    return users.invite_user(session, f"{name}@example.org", role, NOW)


def sign_in(session: Session, who: User, now: datetime = NOW) -> str:
    """Sign this user in; returns the session's key."""
    return sessions.create(
        session, who, now, method="letter", browser="Firefox on Linux", network="192.0.2.0/24"
    )


def find_session(session: Session, key: str, now: datetime = NOW) -> CurrentSession:
    found = sessions.find(session, key, now)
    assert found is not None
    return found
