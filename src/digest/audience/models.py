"""The audience's tables."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from digest.db import Base, BigIntKey, check_one_of
from digest.publications.models import Publication

# Searched by how it begins, which an index can only serve where text is ordered by its bytes.
ByteWise = String(320).with_variant(String(320, collation="C"), "postgresql")

_NOT_MAILABLE = text("suppressed_at IS NOT NULL OR address IS NULL")
_PAUSED = text("paused_until IS NOT NULL")


class SubscriptionStatus(StrEnum):
    """Where a subscriber stands with one publication. Pausing is a date beside ACTIVE, for it ends by itself."""

    PENDING = "pending"  # asked, and has not confirmed
    ACTIVE = "active"
    UNSUBSCRIBED = "left"


class Subscriber(Base):
    """One person's address. Erasure empties the row and keeps its number, so that old counts still add up."""

    __tablename__ = "subscriber"
    __table_args__ = (
        # The few who are not as their status says, for counts that need not look at everybody.
        Index("ix_subscriber_barred", "id", sqlite_where=_NOT_MAILABLE, postgresql_where=_NOT_MAILABLE),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    address: Mapped[str | None] = mapped_column(String(320))  # as it is mailed; NULL once erased
    address_key: Mapped[str | None] = mapped_column(ByteWise, unique=True)  # as it is compared
    created_at: Mapped[datetime]
    suppressed_at: Mapped[
        datetime | None
    ]  # set together with a Suppression, so that a freeze needs no hashing
    suppressed_for: Mapped[str | None] = mapped_column(String(32))
    suppression: Mapped[str | None] = mapped_column(
        String(64)
    )  # which Suppression it is, to lift it without a key
    erased_at: Mapped[datetime | None]


class Subscription(Base):
    """One subscriber's choice about one publication."""

    __tablename__ = "subscription"
    __table_args__ = (
        check_one_of("status", "pending", "active", "left"),
        Index("ix_subscription_audience", "publication_id", "status", "subscriber_id"),
        Index(
            "ix_subscription_paused",
            "publication_id",
            "subscriber_id",
            sqlite_where=_PAUSED,
            postgresql_where=_PAUSED,
        ),
    )

    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), primary_key=True)
    status: Mapped[str] = mapped_column(String(8))
    source: Mapped[str] = mapped_column(Text)  # "form", or what the importer wrote as "why we may"
    requested_at: Mapped[datetime]
    confirmation_sent_at: Mapped[
        datetime | None
    ]  # the last confirmation letter, to keep the form from being a cannon
    confirmation_count: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    subscriber: Mapped[Subscriber] = relationship()


class TopicChoice(Base):
    """One topic that a subscriber wants of a publication; somebody with no such row wants everything."""

    __tablename__ = "topic_choice"
    __table_args__ = ({"sqlite_with_rowid": False},)

    # In this order: a freeze reads them along the audience, a run of subscribers at a time.
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True, index=True)
    topic: Mapped[str] = mapped_column(
        String(120), primary_key=True
    )  # a category, as the comparisons carry it


class Wording(Base):
    """The exact words that a reader was shown; many events share one."""

    __tablename__ = "wording"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)


class ConsentEvent(Base):
    """What a subscriber agreed to or withdrew, when, and the words shown. Append-only: nothing here is changed."""

    __tablename__ = "consent_event"
    __table_args__ = (
        Index("ix_consent_event_person", "subscriber_id", "publication_id", "id"),
        Index("ix_consent_event_growth", "kind", "at", "publication_id"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id))
    publication_id: Mapped[int | None] = mapped_column(ForeignKey(Publication.id))  # NULL: about all of them
    kind: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    wording_id: Mapped[int | None] = mapped_column(ForeignKey(Wording.id))
    network: Mapped[str | None] = mapped_column(String(64))  # coarse: /24 or /48
    user_agent: Mapped[str | None] = mapped_column(String(200))
    at: Mapped[datetime]


class Suppression(Base):
    """An address that must not be mailed, as a keyed hash: it outlives erasure and tells nothing to a thief."""

    __tablename__ = "suppression"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))  # complaint, bounce, erased, request
    at: Mapped[datetime]
