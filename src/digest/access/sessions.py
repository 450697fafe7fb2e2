"""Sessions as rows: begun, looked up at each page, moved on by a proof, ended by the one or by an owner.

They end after 3 days without a visit and after 30 days in any case. A half-way one, whose second factor is owed, lives
15 minutes. How one signs in can only be changed within an hour of a proof (docs/security.md says why).
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

IDLE: Final = timedelta(days=3)
LONGEST: Final = timedelta(days=30)
HALF_WAY: Final = timedelta(minutes=15)
FRESH: Final = timedelta(hours=1)
SEEN_EVERY: Final = timedelta(minutes=1)
AT_ONCE: Final = 20  # of one user; beyond that, the one that was idle longest ends
KEY_BYTES: Final = 32


@dataclass(frozen=True)
class CurrentSession:
    """A session that holds right now, and whose it is."""

    id: int
    user_id: int
    address: str
    role: str
    verified_at: datetime | None
    last_seen_at: datetime
    method: str
    has_factor: bool
    factor_demanded: bool  # of everybody, by the house

    @property
    def owes_factor(self) -> bool:
        """Whether the house demands a second factor which this user has still to set up."""
        return self.factor_demanded and not self.has_factor

    def is_fresh(self, now: datetime) -> bool:
        """Whether they proved who they are lately enough to change how they sign in."""
        return self.verified_at is not None and now - self.verified_at < FRESH


def create(session: Session, user: User, now: datetime, *, way: str, agent: str, network: str) -> str:
    """A session for a user whose letter or provider was right; gives back the key for the cookie.

    With a second factor it is only half-way until `prove`.
    """
    session.execute(delete(LoginSession).where(~_is_active(now)))
    key = secrets.token_urlsafe(KEY_BYTES)
    owed = session.scalar(select(exists().where(Factor.user_id == user.id)))
    session.add(
        LoginSession(
            key_hash=_hash(key),
            user_id=user.id,
            epoch=user.session_epoch,
            created_at=now,
            last_seen_at=now,
            verified_at=None if owed else now,
            method=way[:32],
            browser=agent[:60],
            network=network,
        )
    )
    session.flush()
    surplus = (
        select(LoginSession.id)
        .where(LoginSession.user_id == user.id)
        .order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc())
    )
    session.execute(
        delete(LoginSession).where(LoginSession.id.in_(session.scalars(surplus.offset(AT_ONCE)).all()))
    )
    return key


def find(session: Session, key: str, now: datetime) -> CurrentSession | None:
    """The session that a cookie's key names, in one query; None when it ended, or its user may not come in."""
    rows = (
        select(
            LoginSession,
            User,
            exists().where(Factor.user_id == User.id).label("has_factor"),
            exists().where(SecurityPolicy.requires_second_factor).label("demanded"),
        )
        .join(User, User.id == LoginSession.user_id)
        .where(LoginSession.key_hash == _hash(key), _is_active(now))
        .where(User.removed_at.is_(None), User.session_epoch == LoginSession.epoch)
    )
    found = session.execute(rows).one_or_none()
    if found is None:
        return None
    visit, user, has_factor, demanded = found
    return CurrentSession(
        id=visit.id,
        user_id=user.id,
        address=user.address,
        role=user.role,
        verified_at=visit.verified_at,
        last_seen_at=visit.last_seen_at,
        method=visit.method,
        has_factor=has_factor,
        factor_demanded=demanded,
    )


def elevate(session: Session, visit_id: int, now: datetime, *, by: str) -> str:
    """The second factor was right: the session holds, under a new key, which is given back."""
    key = secrets.token_urlsafe(KEY_BYTES)
    visit = session.get_one(LoginSession, visit_id, with_for_update=True)
    visit.method = f"{visit.method.partition(' and ')[0]} and {by}"[:32]
    visit.key_hash, visit.verified_at, visit.last_seen_at = _hash(key), now, now
    visit.challenge = visit.challenge_at = None
    session.flush()
    return key


def touch(session: Session, visit: CurrentSession, now: datetime) -> None:
    """Note that the session was used."""
    session.execute(update(LoginSession).where(LoginSession.id == visit.id).values(last_seen_at=now))
    session.execute(update(User).where(User.id == visit.user_id).values(last_seen_at=now))


def list_sessions(session: Session, user_id: int, now: datetime) -> Sequence[LoginSession]:
    """The user's sessions, the last used first."""
    rows = select(LoginSession).join(User, User.id == LoginSession.user_id)
    rows = rows.where(
        LoginSession.user_id == user_id, _is_active(now), User.session_epoch == LoginSession.epoch
    )
    return session.scalars(rows.order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc())).all()


def end(session: Session, user_id: int, visit_id: int) -> bool:
    """End one session of this user; False when there is none of that number."""
    rows = (
        delete(LoginSession)
        .where(LoginSession.id == visit_id, LoginSession.user_id == user_id)
        .returning(LoginSession.id)
    )
    return session.scalar(rows) is not None


def end_others(session: Session, user_id: int, keep: int) -> int:
    """End every session of the user but one; gives back how many."""
    gone = (
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.id != keep)
        .returning(LoginSession.id)
    )
    return len(session.scalars(gone).all())


def end_all(session: Session, user: User) -> None:
    """End every session of the user, and every sign-in link that is under way."""
    users.end_sessions(session, user)
    session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))


def _is_active(now: datetime) -> ColumnElement[bool]:
    return and_(
        LoginSession.created_at > now - LONGEST,
        LoginSession.last_seen_at > now - IDLE,
        or_(LoginSession.verified_at.is_not(None), LoginSession.created_at > now - HALF_WAY),
    )


def _hash(key: str) -> str:
    """The key has 256 random bits, so a plain hash keeps it."""
    return hashlib.sha256(key.encode()).hexdigest()
