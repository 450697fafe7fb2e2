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

from digest.access.models import Factor, HouseRule, Visit
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
class Seen:
    """A session that holds right now, and whose it is."""

    id: int
    user_id: int
    address: str
    role: str
    proved_at: datetime | None
    seen_at: datetime
    way: str
    has_factor: bool
    factor_demanded: bool  # of everybody, by the house

    @property
    def owes_factor(self) -> bool:
        """Whether the house demands a second factor which this user has still to set up."""
        return self.factor_demanded and not self.has_factor

    def is_fresh(self, now: datetime) -> bool:
        """Whether they proved who they are lately enough to change how they sign in."""
        return self.proved_at is not None and now - self.proved_at < FRESH


def begin(session: Session, user: User, now: datetime, *, way: str, agent: str, network: str) -> str:
    """A session for a user whose letter or provider was right; gives back the key for the cookie.

    With a second factor it is only half-way until `prove`.
    """
    session.execute(delete(Visit).where(~_alive(now)))
    key = secrets.token_urlsafe(KEY_BYTES)
    owed = session.scalar(select(exists().where(Factor.user_id == user.id)))
    session.add(
        Visit(
            key_hash=_hash(key),
            user_id=user.id,
            epoch=user.session_epoch,
            begun_at=now,
            seen_at=now,
            proved_at=None if owed else now,
            way=way[:32],
            agent=agent[:60],
            network=network,
        )
    )
    session.flush()
    surplus = select(Visit.id).where(Visit.user_id == user.id).order_by(Visit.seen_at.desc(), Visit.id.desc())
    session.execute(delete(Visit).where(Visit.id.in_(session.scalars(surplus.offset(AT_ONCE)).all())))
    return key


def find(session: Session, key: str, now: datetime) -> Seen | None:
    """The session that a cookie's key names, in one query; None when it ended, or its user may not come in."""
    rows = (
        select(
            Visit,
            User,
            exists().where(Factor.user_id == User.id).label("has_factor"),
            exists().where(HouseRule.second_factor).label("demanded"),
        )
        .join(User, User.id == Visit.user_id)
        .where(Visit.key_hash == _hash(key), _alive(now))
        .where(User.removed_at.is_(None), User.session_epoch == Visit.epoch)
    )
    found = session.execute(rows).one_or_none()
    if found is None:
        return None
    visit, user, has_factor, demanded = found
    return Seen(
        id=visit.id,
        user_id=user.id,
        address=user.address,
        role=user.role,
        proved_at=visit.proved_at,
        seen_at=visit.seen_at,
        way=visit.way,
        has_factor=has_factor,
        factor_demanded=demanded,
    )


def prove(session: Session, visit_id: int, now: datetime, *, by: str) -> str:
    """The second factor was right: the session holds, under a new key, which is given back."""
    key = secrets.token_urlsafe(KEY_BYTES)
    visit = session.get_one(Visit, visit_id, with_for_update=True)
    visit.way = f"{visit.way.partition(' and ')[0]} and {by}"[:32]
    visit.key_hash, visit.proved_at, visit.seen_at = _hash(key), now, now
    visit.challenge = visit.challenge_at = None
    session.flush()
    return key


def touch(session: Session, visit: Seen, now: datetime) -> None:
    """Note that the session was used."""
    session.execute(update(Visit).where(Visit.id == visit.id).values(seen_at=now))
    session.execute(update(User).where(User.id == visit.user_id).values(last_seen_at=now))


def listing(session: Session, user_id: int, now: datetime) -> Sequence[Visit]:
    """The user's sessions, the last used first."""
    rows = select(Visit).join(User, User.id == Visit.user_id)
    rows = rows.where(Visit.user_id == user_id, _alive(now), User.session_epoch == Visit.epoch)
    return session.scalars(rows.order_by(Visit.seen_at.desc(), Visit.id.desc())).all()


def end(session: Session, user_id: int, visit_id: int) -> bool:
    """End one session of this user; False when there is none of that number."""
    rows = delete(Visit).where(Visit.id == visit_id, Visit.user_id == user_id).returning(Visit.id)
    return session.scalar(rows) is not None


def end_others(session: Session, user_id: int, keep: int) -> int:
    """End every session of the user but one; gives back how many."""
    gone = delete(Visit).where(Visit.user_id == user_id, Visit.id != keep).returning(Visit.id)
    return len(session.scalars(gone).all())


def end_all(session: Session, user: User) -> None:
    """End every session of the user, and every sign-in link that is under way."""
    users.end_sessions(session, user)
    session.execute(delete(Visit).where(Visit.user_id == user.id))


def _alive(now: datetime) -> ColumnElement[bool]:
    return and_(
        Visit.begun_at > now - LONGEST,
        Visit.seen_at > now - IDLE,
        or_(Visit.proved_at.is_not(None), Visit.begun_at > now - HALF_WAY),
    )


def _hash(key: str) -> str:
    """The key has 256 random bits, so a plain hash keeps it."""
    return hashlib.sha256(key.encode()).hexdigest()
