"""The tables of coming in and of what was done."""

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
    """One browser that is signed in, or half-way there. The row is the session; the cookie only names it."""

    __tablename__ = "login_session"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)  # of what the cookie holds
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    epoch: Mapped[int]  # the user's, when it began: raising that ends all
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]  # to the minute
    verified_at: Mapped[
        datetime | None
    ]  # when they last proved who they are; NULL while the second factor is owed
    method: Mapped[str] = mapped_column(String(32))  # "letter", "letter and code", "Example Ltd and passkey"
    browser: Mapped[str] = mapped_column(String(60))  # rough words: "Firefox on Linux"
    network: Mapped[str] = mapped_column(String(43))  # /24 or /48, never a whole address
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)  # of a passkey, for one answer
    challenge_at: Mapped[datetime | None]
    pending_totp_secret: Mapped[str | None] = mapped_column(
        Text
    )  # encrypted; of an authenticator app that is being set up


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
    encrypted_secret: Mapped[str | None] = mapped_column(Text)  # app: the secret, under the ring of keys
    last_step: Mapped[int] = mapped_column(
        BigInteger, default=0
    )  # app: no code of this or an earlier step works
    credential: Mapped[str | None] = mapped_column(String(1400), unique=True)  # passkey: its id, base64url
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)


class RecoveryCode(Base):
    """A code that stands in for a lost second factor, once. Only its scrypt hash is kept."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)  # one for a set of codes
    hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None]


class ProviderAccount(Base):
    """A user's account at the team's OpenID provider, by the subject that is never given to anybody else."""

    __tablename__ = "provider_account"
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("user_id", "issuer"))

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    linked_at: Mapped[datetime]


class SecurityPolicy(Base):
    """What holds for everybody who comes in: one row, numbered 1."""

    __tablename__ = "security_policy"

    id: Mapped[int] = mapped_column(primary_key=True)
    requires_second_factor: Mapped[bool] = mapped_column(default=False)  # nobody works without one


class AuditLogEntry(Base):
    """One line of the log: who did what to which thing. Append-only, and without addresses."""

    __tablename__ = "audit_log_entry"
    __table_args__ = (
        Index("ix_audit_log_entry_kind", "kind", "id"),
        Index("ix_audit_log_entry_user_id", "user_id", "id"),
        Index("ix_audit_log_entry_user_id_kind", "user_id", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: whoever was at the command line
    channel: Mapped[str] = mapped_column(String(16))  # "desk", "command line"
    verb: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))  # issue, subscriber, comparison, person, setting
    number: Mapped[int | None] = mapped_column(BigInteger)  # the thing's, as its page's address says it
    publication_id: Mapped[int | None] = mapped_column(ForeignKey(Publication.id))  # whose issue it is
    details: Mapped[str] = mapped_column(String(200), default="")
