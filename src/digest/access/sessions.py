"""Login sessions, stored as rows: created at sign-in, looked up on each request, ended by the user or an owner.

A session ends after 3 days without use and after 30 days in any case; one that still awaits its second factor ends
after 15 minutes. Users can change how they sign in only within an hour of proving who they are; docs/security.md says
why.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from digest.access.models import Factor, LoginSession, SecurityPolicy
from digest.editorial import users
from digest.editorial.models import User

IDLE_TIMEOUT: Final = timedelta(days=3)
MAX_LIFETIME: Final = timedelta(days=30)
SECOND_FACTOR_TIMEOUT: Final = timedelta(minutes=15)
RECENT_PROOF_AGE: Final = timedelta(hours=1)
TOUCH_INTERVAL: Final = timedelta(minutes=1)
MAX_SESSIONS: Final = 20  # per user; beyond that, the session idle the longest ends
KEY_BYTES: Final = 32


@dataclass(frozen=True)
class CurrentSession:
    """An active session and its user."""

    id: int
    user_id: int
    address: str
    role: str
    verified_at: datetime | None
    last_seen_at: datetime
    method: str
    has_factor: bool
    is_factor_required: bool  # of everyone, by the security policy

    @property
    def must_set_up_factor(self) -> bool:
        """Whether the security policy requires a second factor and this user has not set one up yet."""
        return self.is_factor_required and not self.has_factor

    def is_fresh(self, now: datetime) -> bool:
        """Return whether the user proved who they are recently enough to change how they sign in."""
        return self.verified_at is not None and now - self.verified_at < RECENT_PROOF_AGE


def create(session: Session, user: User, now: datetime, *, method: str, browser: str, network: str) -> str:
    """Create a session for a user who signed in by email or provider; return the key for the cookie.

    If the user has a second factor, the session becomes active only with `elevate`.
    """
    session.execute(delete(LoginSession).where(~_is_active(now)))
    key = secrets.token_urlsafe(KEY_BYTES)
    has_factor = session.scalar(select(exists().where(Factor.user_id == user.id)))
    session.add(
        LoginSession(
            key_hash=_hash(key),
            user_id=user.id,
            epoch=user.session_epoch,
            created_at=now,
            last_seen_at=now,
            verified_at=None if has_factor else now,
            method=method[:32],
            browser=browser[:60],
            network=network,
        )
    )
    session.flush()
    rows = (
        select(LoginSession.id)
        .where(LoginSession.user_id == user.id)
        .order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc())
    )
    session.execute(
        delete(LoginSession).where(LoginSession.id.in_(session.scalars(rows.offset(MAX_SESSIONS)).all()))
    )
    return key


def find(session: Session, key: str, now: datetime) -> CurrentSession | None:
    """Return the session for a cookie's key, in one query; None when it has ended or its user may not sign in."""
    rows = (
        select(
            LoginSession,
            User,
            exists().where(Factor.user_id == User.id).label("has_factor"),
            exists().where(SecurityPolicy.requires_second_factor).label("is_factor_required"),
        )
        .join(User, User.id == LoginSession.user_id)
        .where(LoginSession.key_hash == _hash(key), _is_active(now))
        .where(User.removed_at.is_(None), User.session_epoch == LoginSession.epoch)
    )
    row = session.execute(rows).one_or_none()
    if row is None:
        return None
    login_session, user, has_factor, is_factor_required = row
    return CurrentSession(
        id=login_session.id,
        user_id=user.id,
        address=user.address,
        role=user.role,
        verified_at=login_session.verified_at,
        last_seen_at=login_session.last_seen_at,
        method=login_session.method,
        has_factor=has_factor,
        is_factor_required=is_factor_required,
    )


def elevate(session: Session, session_id: int, now: datetime, *, method: str) -> str:
    """Activate a session whose second factor was verified; return its new key."""
    key = secrets.token_urlsafe(KEY_BYTES)
    login_session = session.get_one(LoginSession, session_id, with_for_update=True)
    login_session.method = f"{login_session.method.partition(' and ')[0]} and {method}"[:32]
    login_session.key_hash, login_session.verified_at, login_session.last_seen_at = _hash(key), now, now
    login_session.challenge = login_session.challenge_at = None
    session.flush()
    return key


def touch(session: Session, login_session: CurrentSession, now: datetime) -> None:
    """Record that the session was used."""
    session.execute(update(LoginSession).where(LoginSession.id == login_session.id).values(last_seen_at=now))
    session.execute(update(User).where(User.id == login_session.user_id).values(last_seen_at=now))


def list_sessions(session: Session, user_id: int, now: datetime) -> Sequence[LoginSession]:
    """Return the user's active sessions, most recently used first."""
    rows = select(LoginSession).join(User, User.id == LoginSession.user_id)
    rows = rows.where(
        LoginSession.user_id == user_id, _is_active(now), User.session_epoch == LoginSession.epoch
    )
    return session.scalars(rows.order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc())).all()


def end(session: Session, user_id: int, session_id: int) -> bool:
    """End one of this user's sessions; False when there is no such session."""
    rows = (
        delete(LoginSession)
        .where(LoginSession.id == session_id, LoginSession.user_id == user_id)
        .returning(LoginSession.id)
    )
    return session.scalar(rows) is not None


def end_others(session: Session, user_id: int, kept_id: int) -> int:
    """End every session of the user except `kept_id`; return how many ended."""
    ended = (
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.id != kept_id)
        .returning(LoginSession.id)
    )
    return len(session.scalars(ended).all())


def end_all(session: Session, user: User) -> None:
    """End every session of the user and invalidate every outstanding sign-in link."""
    users.end_sessions(session, user)
    session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))


def _is_active(now: datetime) -> ColumnElement[bool]:
    return and_(
        LoginSession.created_at > now - MAX_LIFETIME,
        LoginSession.last_seen_at > now - IDLE_TIMEOUT,
        or_(LoginSession.verified_at.is_not(None), LoginSession.created_at > now - SECOND_FACTOR_TIMEOUT),
    )


def _hash(key: str) -> str:
    """Hash a key. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()
