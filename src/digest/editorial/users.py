"""Who may sign in to the desk, and the one place where a sign-in token is made and honoured."""

from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial.models import Role, User
from digest.errors import BadInput, BadToken, NotAllowed, NotFound
from digest.signing import Purpose, Signer

EMAIL_LINK_LIFETIME = timedelta(minutes=10)
SETUP_LINK_LIFETIME = timedelta(
    hours=24
)  # printed once for the operator, who may want to set up a relay first
_RANK = (Role.VIEWER, Role.EDITOR, Role.OWNER)


def invite_user(session: Session, address: str, role: Role | str, now: datetime) -> User:
    """The user with this address in this role: made, let in again, or changed. Raises BadInput, NotAllowed.

    The last owner stays one.
    """
    role = _role(role)
    plain = _address(address)
    user = session.scalars(select(User).where(User.address == plain)).one_or_none()
    if user is not None and role is not Role.OWNER:
        _refuse_last_owner(session, user)
    if user is None:
        user = User(address=plain, role=role, created_at=now)
        session.add(user)
    user.role, user.removed_at = role, None
    session.flush()
    return user


def find_user(session: Session, address: str) -> User | None:
    """The user with this address, whatever its case; nobody who was removed."""
    wanted = select(User).where(User.address == address.strip().lower(), User.removed_at.is_(None))
    return session.scalars(wanted).one_or_none()


def list_users(session: Session) -> list[User]:
    """All users by address; nobody who was removed."""
    return list(session.scalars(select(User).where(User.removed_at.is_(None)).order_by(User.address)))


def remove_user(session: Session, user_id: int, now: datetime) -> User:
    """Take a user's way in, at once and everywhere; what they did stays in the history. Raises NotFound, NotAllowed.

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


def has_role(user: User, role: Role) -> bool:
    """Whether the user may do what `role` may: an owner all, an editor what a viewer may."""
    return _RANK.index(Role(user.role)) >= _RANK.index(role)


def create_sign_in_token(
    signer: Signer, user: User, now: datetime, lifetime: timedelta = EMAIL_LINK_LIFETIME
) -> str:
    """A token that signs this user in once, within `lifetime`; signing in ends every other one."""
    expires = int((now + lifetime).timestamp())
    return signer.mint(Purpose.SIGN_IN, user.id, user.sign_in_count, expires)


def sign_in(session: Session, signer: Signer, token: str, now: datetime) -> User:
    """The user whom the token signs in; it is used up by it. Raises BadToken when it was used, expired or forged."""
    user_id, sign_ins, expires = _numbers(signer, token)
    if now.timestamp() > expires:
        raise BadToken("this sign-in link has expired; ask for a new one")
    used = (
        update(User)
        .where(User.id == user_id, User.sign_in_count == sign_ins, User.removed_at.is_(None))
        .values(sign_ins=User.sign_in_count + 1, last_seen_at=now)
        .returning(User.id)
    )
    if session.scalar(used.execution_options(synchronize_session=False)) is None:
        raise BadToken("this sign-in link was used already; ask for a new one")
    return session.get_one(User, user_id, populate_existing=True)


def check_sign_in_token(session: Session, signer: Signer, token: str, now: datetime) -> User:
    """The user whom `sign_in` would sign in, with nothing used up: for the page with the button. Raises BadToken."""
    user_id, sign_ins, expires = _numbers(signer, token)
    user = session.get(User, user_id)
    if user is None or user.removed_at or user.sign_in_count != sign_ins or now.timestamp() > expires:
        raise BadToken("this sign-in link was used already or has expired; ask for a new one")
    return user


def find_session_user(session: Session, user_id: int, epoch: int) -> User | None:
    """The user of a session that was begun in `epoch`, or None when the user is gone or all sessions were ended."""
    wanted = select(User).where(User.id == user_id, User.session_epoch == epoch, User.removed_at.is_(None))
    return session.scalars(wanted).one_or_none()


def end_sessions(session: Session, user: User) -> None:
    """End every session of the user, on every machine, and every sign-in link that is under way."""
    ended = update(User).where(User.id == user.id)
    session.execute(ended.values(session_epoch=User.session_epoch + 1, sign_ins=User.sign_in_count + 1))
    session.refresh(user)


def _refuse_last_owner(session: Session, user: User) -> None:
    # Locked, in one order: two owners who remove each other at once must not both succeed.
    owners = select(User.id).where(User.role == Role.OWNER, User.removed_at.is_(None)).order_by(User.id)
    if session.scalars(owners.with_for_update()).all() == [user.id]:
        raise NotAllowed(f"{user.address} is the only owner; make somebody else an owner first")


def _numbers(signer: Signer, token: str) -> tuple[int, int, int]:
    match signer.read(Purpose.SIGN_IN, token):
        case (user_id, sign_ins, expires):
            return user_id, sign_ins, expires
    raise BadToken("this sign-in link is not complete")


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise BadInput(f"{role!r} is not a role; it is owner, editor or viewer") from None


def _address(address: str) -> str:
    try:
        found = validate_email(
            address.strip(), check_deliverability=False, globally_deliverable=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise BadInput(f"{address.strip()!r} is not an address: {' '.join(str(error).split())}") from None
    # Nobody's provider tells Ana@ from ana@, and one person is one user.
    return found.normalized.lower()
