"""Tables for signing in and for the audit log."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from digest.db import Base, BigIntKey, check_one_of
from digest.editorial.models import User
from digest.publications.models import Publication


class LoginSession(Base):
    """One browser that is signed in, or still awaits its second factor. The cookie only holds the key to this row."""

    __tablename__ = "login_session"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)  # of the key in the cookie
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    epoch: Mapped[int]  # the user's epoch at sign-in: raising the user's ends all their sessions
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]  # to the minute
    # When the user last proved who they are; NULL while the second factor is awaited.
    verified_at: Mapped[datetime | None]
    method: Mapped[str] = mapped_column(String(32))  # "letter", "letter and code", "Example Ltd and passkey"
    browser: Mapped[str] = mapped_column(String(60))  # a rough description: "Firefox on Linux"
    network: Mapped[str] = mapped_column(String(43))  # a /24 or /48, never a full IP address
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)  # WebAuthn challenge, valid for one response
    challenge_at: Mapped[datetime | None]
    # Encrypted secret of an authenticator app that is being set up.
    pending_totp_secret: Mapped[str | None] = mapped_column(Text)


class Factor(Base):
    """A second factor: an authenticator app's secret, or a passkey's public key."""

    __tablename__ = "factor"
    __table_args__ = (check_one_of("kind", "app", "passkey"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    encrypted_secret: Mapped[str | None] = mapped_column(Text)  # app: the TOTP secret
    # app: codes of this time step or an earlier one are refused.
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    credential: Mapped[str | None] = mapped_column(
        String(1400), unique=True
    )  # passkey: credential id, base64url
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)


class RecoveryCode(Base):
    """A single-use code that replaces a lost second factor. Only its scrypt hash is stored."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)  # shared by a set of codes
    hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None]


class ProviderAccount(Base):
    """A user's account at the team's OpenID provider, named by its subject, which is never reassigned."""

    __tablename__ = "provider_account"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("user_id", "issuer"))

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    linked_at: Mapped[datetime]


class SecurityPolicy(Base):
    """The sign-in rules for everyone: a single row with id 1."""

    __tablename__ = "security_policy"

    id: Mapped[int] = mapped_column(primary_key=True)
    requires_second_factor: Mapped[bool] = mapped_column(default=False)  # of every user


class AuditLogEntry(Base):
    """One entry of the audit log: who did what to which object. Append-only, and without addresses."""

    __tablename__ = "audit_log_entry"
    __table_args__ = (
        Index("ix_audit_log_entry_kind", "kind", "id"),
        Index("ix_audit_log_entry_user_id", "user_id", "id"),
        Index("ix_audit_log_entry_user_id_kind", "user_id", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: the command line
    channel: Mapped[str] = mapped_column(String(16))  # "desk", "command line"
    verb: Mapped[str] = mapped_column(String(48))
    kind: Mapped[str] = mapped_column(String(16))  # issue, subscriber, comparison, user, setting
    number: Mapped[int | None] = mapped_column(BigInteger)  # the object's number, as in the URL of its page
    publication_id: Mapped[int | None] = mapped_column(
        ForeignKey(Publication.id)
    )  # that the object belongs to
    details: Mapped[str] = mapped_column(Text, default="")
