"""Matching accounts at the team's OpenID provider to users."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.access.models import ProviderAccount
from digest.editorial import users
from digest.editorial.models import User
from digest.errors import NotAllowed

MAX_SUBJECT_CHARS = 255  # OpenID Connect Core, section 2
NOT_INVITED = (
    "the provider knows you, but that address has not been invited here, or the provider has not verified it"
)


def resolve_user(
    session: Session, *, issuer: str, subject: str, address: str, verified: bool, now: datetime
) -> User:
    """Return the invited user with this verified address, linking the account on first sign-in.

    After that the address alone is not enough: a provider may reassign it to another person, who then has another
    subject. Raises NotAllowed.
    """
    user = users.find_user(session, address) if address and verified else None
    if user is None or not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise NotAllowed(NOT_INVITED)
    rows = select(ProviderAccount).where(ProviderAccount.issuer == issuer)
    matches = or_(ProviderAccount.subject == subject, ProviderAccount.user_id == user.id)
    accounts = session.scalars(rows.where(matches)).all()
    if not accounts:
        session.add(ProviderAccount(user_id=user.id, issuer=issuer, subject=subject, linked_at=now))
        session.flush()
    elif any((account.user_id, account.subject) != (user.id, subject) for account in accounts):
        raise NotAllowed("this address now belongs to another account at the provider; ask an owner to check")
    return user
