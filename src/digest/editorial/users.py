"""The users of the desk, and the only place where sign-in tokens are created and redeemed."""

from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial.models import Role, User
from digest.errors import BadInput, BadToken, NotAllowed, NotFound
from digest.signing import Purpose, Signer

EMAIL_LINK_LIFETIME = timedelta(minutes=10)
INVITATION_LIFETIME = timedelta(days=7)  # whoever is invited did not wait for the mail


def invite_user(session: Session, address: str, role: Role | str, now: datetime) -> User:
    """Create the user with this address and role, restore them, or change their role. Raises BadInput, NotAllowed.

    The role of the last owner cannot be changed.
    """
    role = _parse_role(role)
    normalized = _normalize_address(address)
    user = session.scalars(select(User).where(User.address == normalized)).one_or_none()
    if user is not None and role is not Role.OWNER:
        _refuse_last_owner(session, user)
    if user is None:
        user = User(address=normalized, role=role, created_at=now)
        session.add(user)
    user.role, user.removed_at = role, None
    session.flush()
    return user


def find_user(session: Session, address: str) -> User | None:
    """Return the user with this address in any case; removed users are not found."""
    users = select(User).where(User.address == address.strip().lower(), User.removed_at.is_(None))
    return session.scalars(users).one_or_none()


def list_users(session: Session) -> list[User]:
    """Return all users by address, without removed ones."""
    return list(session.scalars(select(User).where(User.removed_at.is_(None)).order_by(User.address)))


def remove_user(session: Session, user_id: int, now: datetime) -> User:
    """Remove a user and end all their sessions; what they did stays in the history. Raises NotFound, NotAllowed.

    The last owner cannot be removed: nobody could invite another.
    """
    user = session.get(User, user_id)
    if user is None or user.removed_at is not None:
        raise NotFound(f"there is no user {user_id}")
    _refuse_last_owner(session, user)
    user.removed_at = now
    session.flush()
    end_sessions(session, user)
    return user


def create_sign_in_token(
    signer: Signer, user: User, now: datetime, lifetime: timedelta = EMAIL_LINK_LIFETIME
) -> str:
    """Return a token that signs this user in once, within `lifetime`; signing in voids all others."""
    expires = int((now + lifetime).timestamp())
    return signer.mint(Purpose.SIGN_IN, user.id, user.sign_in_count, expires)


def sign_in(session: Session, signer: Signer, token: str, now: datetime) -> User:
    """Redeem a token and return its user. Raises BadToken when it was used, has expired or is forged."""
    user_id, sign_in_count, expires = _read_token(signer, token)
    if now.timestamp() > expires:
        raise BadToken("this sign-in link has expired; request a new one")
    used = (
        update(User)
        .where(User.id == user_id, User.sign_in_count == sign_in_count, User.removed_at.is_(None))
        .values(sign_in_count=User.sign_in_count + 1, last_seen_at=now)
        .returning(User.id)
    )
    if session.scalar(used.execution_options(synchronize_session=False)) is None:
        raise BadToken("this sign-in link was already used; request a new one")
    return session.get_one(User, user_id, populate_existing=True)


def check_sign_in_token(session: Session, signer: Signer, token: str, now: datetime) -> User:
    """Return the user whom `sign_in` would sign in, without redeeming the token. Raises BadToken."""
    user_id, sign_in_count, expires = _read_token(signer, token)
    user = session.get(User, user_id)
    if user is None or user.removed_at or user.sign_in_count != sign_in_count or now.timestamp() > expires:
        raise BadToken("this sign-in link was already used or has expired; request a new one")
    return user


def end_sessions(session: Session, user: User) -> None:
    """End every login session of the user, on every machine, and void their sign-in links."""
    ended = update(User).where(User.id == user.id)
    session.execute(ended.values(session_epoch=User.session_epoch + 1, sign_in_count=User.sign_in_count + 1))
    session.refresh(user)


def _refuse_last_owner(session: Session, user: User) -> None:
    # Locked, in one order: two owners who remove each other at once must not both succeed.
    owners = select(User.id).where(User.role == Role.OWNER, User.removed_at.is_(None)).order_by(User.id)
    if session.scalars(owners.with_for_update()).all() == [user.id]:
        raise NotAllowed(f"{user.address} is the only owner; make another user an owner first")


def _read_token(signer: Signer, token: str) -> tuple[int, int, int]:
    match signer.verify(Purpose.SIGN_IN, token):
        case (user_id, sign_in_count, expires):
            return user_id, sign_in_count, expires
    raise BadToken("this sign-in link is incomplete")


def _parse_role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise BadInput(f"{role!r} is not a role; use owner, editor or viewer") from None


def _normalize_address(address: str) -> str:
    if "=?" in address:  # mail programs may decode it as an encoded-word (RFC 2047)
        raise BadInput("an email address must not contain =?")
    try:
        validated = validate_email(
            address.strip(), check_deliverability=False, globally_deliverable=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise BadInput(
            f"{address.strip()!r} is not a valid email address: {' '.join(str(error).split())}"
        ) from None
    # No provider distinguishes Ana@ from ana@, and one person is one user.
    return validated.normalized.lower()
