"""Tables for subscribers, subscriptions and consent."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from digest.db import Base, BigIntKey, check_one_of
from digest.publications.models import Publication

# Searched by prefix, which an index supports only if text is ordered bytewise.
ByteWise = String(320).with_variant(String(320, collation="C"), "postgresql")

_NOT_MAILABLE = text("suppressed_at IS NOT NULL OR address IS NULL")
_IMPORTED = text("import_id IS NOT NULL")
_PAUSED = text("paused_until IS NOT NULL")


class SubscriptionStatus(StrEnum):
    """The status of a subscription. A pause is a date on an ACTIVE one, because it ends by itself."""

    PENDING = "pending"  # signed up, but not confirmed yet
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"


class SubscriberImport(Base):
    """One import of a file of subscribers, so that it can be shown, revised by a later file, and undone."""

    __tablename__ = "subscriber_import"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), index=True)
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)  # the legal basis that the importer stated
    confirmed: Mapped[bool]
    user_id: Mapped[int | None]  # who imported it at the desk; NULL: on the command line
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    # How many rows had which result, as JSON.
    counts: Mapped[str] = mapped_column(Text, default="{}")


class Subscriber(Base):
    """One person's address. Erasure empties the row but keeps its id, so that old counts still add up."""

    __tablename__ = "subscriber"
    __table_args__ = (
        # The few who may not be mailed whatever their status, so that counts need not read every row.
        Index("ix_subscriber_not_mailable", "id", sqlite_where=_NOT_MAILABLE, postgresql_where=_NOT_MAILABLE),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    address: Mapped[str | None] = mapped_column(String(320))  # as it is mailed; NULL once erased
    address_key: Mapped[str | None] = mapped_column(ByteWise, unique=True)  # as it is compared
    created_at: Mapped[datetime]
    # Set together with a Suppression, so that a freeze needs no hashing.
    suppressed_at: Mapped[datetime | None]
    suppressed_for: Mapped[str | None] = mapped_column(String(32))
    # The hash of the Suppression, so that it can be lifted without the key.
    suppression: Mapped[str | None] = mapped_column(String(64))
    erased_at: Mapped[datetime | None]


class Subscription(Base):
    """A subscriber's subscription to a publication."""

    __tablename__ = "subscription"
    __table_args__ = (
        check_one_of("status", "pending", "active", "unsubscribed"),
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
    status: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)  # "form", or the legal basis that the importer stated
    requested_at: Mapped[datetime]
    # When the last confirmation letter was sent; limits how often the form can make us mail an address.
    confirmation_sent_at: Mapped[datetime | None]
    confirmation_count: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    # The import that set the status; NULL once the reader or an editor did, which no file overrides.
    import_id: Mapped[int | None] = mapped_column(ForeignKey(SubscriberImport.id))
    subscriber: Mapped[Subscriber] = relationship()


class TopicChoice(Base):
    """A topic that a subscriber chose; a subscriber without rows gets everything."""

    __tablename__ = "topic_choice"
    __table_args__ = ({"sqlite_with_rowid": False},)

    # In this order because a freeze reads them along the audience, a range of subscribers at a time.
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True, index=True)
    # A category, as named in the comparisons.
    topic: Mapped[str] = mapped_column(String(120), primary_key=True)


class Wording(Base):
    """The exact wording that a reader was shown; shared by many events."""

    __tablename__ = "wording"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)


class ConsentEvent(Base):
    """What a subscriber agreed to or withdrew, when, and the wording shown. Append-only."""

    __tablename__ = "consent_event"
    __table_args__ = (
        Index("ix_consent_event_subscriber_id", "subscriber_id", "publication_id", "id"),
        Index("ix_consent_event_growth", "kind", "at", "publication_id"),
        Index(
            "ix_consent_event_import",
            "import_id",
            "id",
            sqlite_where=_IMPORTED,
            postgresql_where=_IMPORTED,
        ),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id))
    publication_id: Mapped[int | None] = mapped_column(ForeignKey(Publication.id))  # NULL: all publications
    kind: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(Text)
    wording_id: Mapped[int | None] = mapped_column(ForeignKey(Wording.id))
    network: Mapped[str | None] = mapped_column(String(64))  # /24 or /48, never a full IP address
    user_agent: Mapped[str | None] = mapped_column(String(200))
    at: Mapped[datetime]
    import_id: Mapped[int | None] = mapped_column(ForeignKey(SubscriberImport.id))
    # Of an import: what it replaced, so that it can be undone; NULL when the subscription is new.
    previous_status: Mapped[str | None] = mapped_column(String(16))
    # Of an import: date, source and tags of the original consent as the file told them, as JSON.
    original: Mapped[str | None] = mapped_column(Text)


class SubscriberUpload(Base):
    """A file uploaded at the desk: shown first, then imported in steps. The file is deleted when that is done."""

    __tablename__ = "subscriber_upload"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id))
    user_id: Mapped[int]
    file_name: Mapped[str] = mapped_column(String(255))
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    source: Mapped[str] = mapped_column(Text)
    confirmed: Mapped[bool]
    invite: Mapped[bool]
    address_column: Mapped[str | None] = mapped_column(String(200))
    status_column: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]  # somebody looked at it and pressed Import
    finished_at: Mapped[datetime | None]
    import_id: Mapped[int | None] = mapped_column(ForeignKey(SubscriberImport.id))
    rows_total: Mapped[int] = mapped_column(default=0)
    rows_done: Mapped[int] = mapped_column(default=0)
    counts: Mapped[str] = mapped_column(Text, default="{}")  # rows by result so far, as JSON
    problem: Mapped[str | None] = mapped_column(Text)
    tag_topics: Mapped[str] = mapped_column(Text, default="{}")  # the chosen topic by tag, as JSON
    preview: Mapped[str | None] = mapped_column(Text)  # an audience.importing.previews.Preview, as JSON


class Suppression(Base):
    """An address that must not be mailed, as a keyed hash: it survives erasure and is useless to a thief."""

    __tablename__ = "suppression"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))  # complaint, bounce, erased, request
    at: Mapped[datetime]
    # The import whose file said so; NULL when it happened here, which no file overrides.
    import_id: Mapped[int | None] = mapped_column(ForeignKey(SubscriberImport.id))
