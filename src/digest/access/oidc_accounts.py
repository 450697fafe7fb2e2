"""Which user an account of the team's OpenID provider is."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.access.models import ProviderAccount
from digest.editorial import users
from digest.editorial.models import User
from digest.errors import NotAllowed

MOST_CHARS = 255  # of a subject (OpenID Connect Core, 2)
NOBODY = "the provider knows you, but nobody here invited that address, or the provider has not verified it"


def resolve_user(
    session: Session, *, issuer: str, subject: str, address: str, verified: bool, now: datetime
) -> User:
    """The invited user whom the provider vouches for; the account is bound to them the first time.

    Raises NotAllowed. An address alone is not enough after that: a provider may give it to somebody else, who has
    another subject.
    """
    user = users.find_user(session, address) if address and verified else None
    if user is None or not 0 < len(subject) <= MOST_CHARS:
        raise NotAllowed(NOBODY)
    rows = select(ProviderAccount).where(ProviderAccount.issuer == issuer)
    either = or_(ProviderAccount.subject == subject, ProviderAccount.user_id == user.id)
    known = session.scalars(rows.where(either)).all()
    if not known:
        session.add(ProviderAccount(user_id=user.id, issuer=issuer, subject=subject, linked_at=now))
        session.flush()
    elif any((each.user_id, each.subject) != (user.id, subject) for each in known):
        raise NotAllowed(
            "this address belongs to another account at the provider now; ask an owner to look at it"
        )
    return user
