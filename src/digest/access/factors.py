"""A user's second factors: which there are, their names, and how they go."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from digest.access.models import Factor, ProviderAccount, RecoveryCode, SecurityPolicy
from digest.editorial.models import User
from digest.errors import BadInput, NotAllowed, NotFound

NAME_CHARS: Final = 60
MOST: Final = 10  # of one user


def list_factors(session: Session, user_id: int) -> Sequence[Factor]:
    """The user's second factors, the oldest first."""
    return session.scalars(select(Factor).where(Factor.user_id == user_id).order_by(Factor.id)).all()


def add(session: Session, user_id: int, kind: str, name: str, now: datetime, **facts: object) -> Factor:
    """Keep a new factor ("app" or "passkey") that was just proved. Raises BadInput, NotAllowed."""
    if len(list_factors(session, user_id)) >= MOST:
        raise NotAllowed(f"{MOST} second factors are the most; remove one first")
    usual = "Authenticator app" if kind == "app" else "Passkey"
    made = Factor(user_id=user_id, kind=kind, name=_name(name or usual), created_at=now, used_at=now, **facts)
    session.add(made)
    session.flush()
    return made


def rename(session: Session, user_id: int, factor_id: int, name: str) -> Factor:
    """Call a factor of this user otherwise. Raises BadInput, NotFound."""
    found = get(session, user_id, factor_id)
    found.name = _name(name)
    return found


def get(session: Session, user_id: int, factor_id: int) -> Factor:
    """One factor of this user. Raises NotFound for anybody else's."""
    found = session.get(Factor, factor_id)
    if found is None or found.user_id != user_id:
        raise NotFound("this second factor is not there any more")
    return found


def remove(session: Session, user_id: int, factor_id: int) -> str:
    """Take a factor away, and with the last one the recovery codes; gives its name. Raises NotFound, NotAllowed."""
    found = get(session, user_id, factor_id)
    left = session.scalar(select(func.count()).where(Factor.user_id == user_id)) or 0
    if left == 1 and is_required(session):
        raise NotAllowed("everybody here needs a second factor; set up another one before you remove this")
    session.delete(found)
    session.flush()
    if left == 1:
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return found.name


def remove_all(session: Session, user_id: int) -> int:
    """Take away all that a user proves themselves with beside the letter, who lost it; gives how many factors."""
    gone = session.scalars(delete(Factor).where(Factor.user_id == user_id).returning(Factor.id)).all()
    for table in (RecoveryCode, ProviderAccount):
        session.execute(delete(table).where(table.user_id == user_id))
    return len(gone)


def count_by_user(session: Session) -> dict[int, int]:
    """How many second factors each user has, by user id; who has none is not in it."""
    rows = select(Factor.user_id, func.count()).group_by(Factor.user_id)
    return {user_id: number for user_id, number in session.execute(rows)}  # noqa: C416  a row is no pair to mypy


def is_required(session: Session) -> bool:
    """Whether everybody needs a second factor."""
    return bool(session.scalar(select(SecurityPolicy.requires_second_factor).where(SecurityPolicy.id == 1)))


def set_required(session: Session, user: User, *, of_everybody: bool) -> None:
    """Ask everybody for a second factor, or no longer. Raises NotAllowed when the one who asks has none."""
    if of_everybody and not session.scalar(select(exists().where(Factor.user_id == user.id))):
        raise NotAllowed("set up a second factor of your own first; then you may ask it of everybody")
    session.merge(SecurityPolicy(id=1, requires_second_factor=of_everybody))
    session.flush()


def _name(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > NAME_CHARS or not plain.isprintable():
        raise BadInput(f"a name has 1 to {NAME_CHARS} letters")
    return plain
