"""A user's second factors: listing, adding, renaming and removing them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from digest.access.models import Factor, ProviderAccount, RecoveryCode, SecurityPolicy
from digest.editorial.models import User
from digest.errors import BadInput, NotAllowed, NotFound

NAME_CHARS: Final = 60
MAX_FACTORS: Final = 10  # per user


def list_factors(session: Session, user_id: int) -> Sequence[Factor]:
    """Return the user's second factors, oldest first."""
    return session.scalars(select(Factor).where(Factor.user_id == user_id).order_by(Factor.id)).all()


def add(session: Session, user_id: int, kind: str, name: str, now: datetime, **facts: object) -> Factor:
    """Store a new factor ("app" or "passkey") that the user has just verified. Raises BadInput, NotAllowed."""
    if len(list_factors(session, user_id)) >= MAX_FACTORS:
        raise NotAllowed(f"you can have up to {MAX_FACTORS} two-factor methods; remove one first")
    default_name = "Authenticator app" if kind == "app" else "Passkey"
    factor = Factor(
        user_id=user_id, kind=kind, name=_name(name or default_name), created_at=now, used_at=now, **facts
    )
    session.add(factor)
    session.flush()
    return factor


def rename(session: Session, user_id: int, factor_id: int, name: str) -> Factor:
    """Rename one of this user's factors. Raises BadInput, NotFound."""
    factor = get(session, user_id, factor_id)
    factor.name = _name(name)
    return factor


def get(session: Session, user_id: int, factor_id: int) -> Factor:
    """Return one of this user's factors. Raises NotFound when it does not exist or belongs to another user."""
    factor = session.get(Factor, factor_id)
    if factor is None or factor.user_id != user_id:
        raise NotFound("this two-factor method was removed")
    return factor


def remove(session: Session, user_id: int, factor_id: int) -> str:
    """Remove a factor, and the recovery codes with the last one; return its name. Raises NotFound, NotAllowed."""
    factor = get(session, user_id, factor_id)
    is_last = session.scalar(select(func.count()).where(Factor.user_id == user_id)) == 1
    if is_last and is_required(session):
        raise NotAllowed(
            "two-factor authentication is required; set up another method before you remove this one"
        )
    session.delete(factor)
    session.flush()
    if is_last:
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return factor.name


def remove_all(session: Session, user_id: int) -> int:
    """Reset a user who lost their factors: remove all factors, recovery codes and OpenID accounts.

    Only sign-in by email remains. Returns how many factors were removed.
    """
    removed = session.scalars(delete(Factor).where(Factor.user_id == user_id).returning(Factor.id)).all()
    for table in (RecoveryCode, ProviderAccount):
        session.execute(delete(table).where(table.user_id == user_id))
    return len(removed)


def count_by_user(session: Session) -> dict[int, int]:
    """Count second factors by user id; users without one are omitted."""
    rows = select(Factor.user_id, func.count()).group_by(Factor.user_id)
    return {user_id: count for user_id, count in session.execute(rows)}  # noqa: C416  mypy does not accept a Row as a pair


def is_required(session: Session) -> bool:
    """Return whether everyone needs a second factor."""
    return bool(session.scalar(select(SecurityPolicy.requires_second_factor).where(SecurityPolicy.id == 1)))


def set_required(session: Session, user: User, *, required: bool) -> bool:
    """Require a second factor of everyone, or make it optional; False when nothing changed.

    Raises NotAllowed when `user`, who makes the change, has none.
    """
    if required and not session.scalar(select(exists().where(Factor.user_id == user.id))):
        raise NotAllowed("set up two-factor authentication yourself before you require it for everyone")
    if is_required(session) == required:
        return False
    session.merge(SecurityPolicy(id=1, requires_second_factor=required))
    session.flush()
    return True


def _name(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > NAME_CHARS or not plain.isprintable():
        raise BadInput(f"the name must have 1 to {NAME_CHARS} characters")
    return plain
