"""The delivery tables: the ledger of every delivery and its outcome, and the outbox of letters."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Computed,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, defer, mapped_column
from sqlalchemy.orm.interfaces import ORMOption

from digest.audience.models import Subscriber
from digest.db import Base, BigIntKey, check_one_of
from digest.editorial.models import Issue, User
from digest.publications.models import Publication


class Outcome(StrEnum):
    """How a delivery ended. NULL in the ledger means that it has not ended and counts as remaining."""

    ACCEPTED = "accepted"  # the relay accepted it, which does not mean that it was delivered or read
    EXCLUDED = "excluded"
    FAILED = "failed"
    UNKNOWN = (
        "unknown"  # the connection died after the mail was handed over: a person or the provider settles it
    )


class FrozenIssue(Base):
    """The content from which every mail of an issue is built, unaffected by later edits."""

    __tablename__ = "frozen_issue"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    edition: Mapped[str] = mapped_column(Text)  # the content as JSON (render.content.Edition)
    compiled: Mapped[bytes] = mapped_column(LargeBinary)  # render.compile.CompiledIssue, as stored
    sha256: Mapped[str] = mapped_column(String(64))  # of `compiled`
    template_version: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(8))  # the signing key of its tokens
    frozen_at: Mapped[datetime]
    audience_upto: Mapped[int] = mapped_column(default=0)  # subscriber id up to which deliveries are written
    audience_done_at: Mapped[datetime | None]  # when it was counted and verified; nothing is sent before
    planned: Mapped[int] = mapped_column(default=0)
    backoff_until: Mapped[datetime | None]  # the relay deferred the whole issue: nothing is tried before
    backoff_count: Mapped[int] = mapped_column(default=0)  # consecutive deferrals, so that the waits grow
    backoff_reason: Mapped[str | None] = mapped_column(Text)
    unchanged_since: Mapped[datetime | None]  # since when no delivery has ended although some are due
    last_remaining: Mapped[int | None]  # how many deliveries remained then
    stall_notified_at: Mapped[datetime | None]  # owners were notified; they hear nothing more until it moves
    canary_size: Mapped[int] = mapped_column(default=0)  # how many are mailed before the rest; 0: no canary
    canary_judged_at: Mapped[datetime | None]  # when its answers were judged
    canary_passed_at: Mapped[
        datetime | None
    ]  # when it passed, or a person resumed the issue: the rest may be sent
    replies_purged_upto: Mapped[int] = mapped_column(
        default=0
    )  # subscriber id up to which replies are deleted
    replies_purged_at: Mapped[datetime | None]  # when all replies were deleted
    deliveries_totalled_at: Mapped[
        datetime | None
    ]  # totals stored: reports read them, and nothing is sent again
    deliveries_deleted_at: Mapped[datetime | None]
    emails_deleted_at: Mapped[
        datetime | None
    ]  # `compiled` is empty since; `edition` stays, for the public archive
    canary_answered: Mapped[int | None]  # its counts, once the deliveries are totalled
    canary_refused: Mapped[int | None]
    reopened_at: Mapped[
        datetime | None
    ]  # when a person last asked to send mails again, also after it was sent
    refusals_counted_from: Mapped[datetime | None]  # earlier refusals do not stop it: a person saw them

    @classmethod
    def without_content(cls) -> tuple[ORMOption, ...]:
        """Query options that leave out the content, which may be megabytes."""
        return defer(cls.compiled), defer(cls.edition)


class Batch(Base):
    """Deliveries that one connection sends. The lease is on the batch, so that claiming costs a single row update."""

    __tablename__ = "batch"
    __table_args__ = (
        Index("ix_batch_due", "issue_id", "done_at", "due_at"),
        # A claim takes the first of these.
        Index(
            "ix_batch_open",
            "issue_id",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        # Each claim counts the claimed batches, which are few among those of all issues ever sent.
        Index(
            "ix_batch_holder",
            "holder",
            sqlite_where=text("holder IS NOT NULL"),
            postgresql_where=text("holder IS NOT NULL"),
        ),
        # No number is used again: homes remember how often each was claimed.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    due_at: Mapped[datetime]
    size: Mapped[int]
    is_canary: Mapped[bool] = mapped_column(default=False)  # sent before the rest
    started_upto: Mapped[int] = mapped_column(default=0)  # rows [0, started_upto) may have been handed over
    fence: Mapped[int] = mapped_column(default=0)  # raised by each claim, so that a stale holder cannot write
    vacated: Mapped[int] = mapped_column(default=0)  # positions without a mail, which moved to the canary
    holder: Mapped[str | None] = mapped_column(String(64))  # who has claimed it: home, process, connection
    account: Mapped[str | None] = mapped_column(String(8))  # the SMTP account it was last sent over
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class WorkerRegistration(Base):
    """A process that sends mails of issues, and when it was last seen."""

    __tablename__ = "worker_registration"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)  # the prefix of `holder` in its batches
    seen_at: Mapped[datetime]


class Delivery(Base):
    """One issue to one subscriber. The row exists before anything is sent, and ends in exactly one outcome."""

    __tablename__ = "delivery"
    __table_args__ = (
        check_one_of("outcome", *[outcome.value for outcome in Outcome]),
        Index("ix_delivery_batch", "batch_id", "seq"),
        Index("ix_delivery_subscriber_id", "subscriber_id"),
        # For counts: these rows are few, since nearly all deliveries are simply accepted.
        Index(
            "ix_delivery_exception",
            "issue_id",
            "subscriber_id",
            sqlite_where=text("is_exception = 1"),
            postgresql_where=text("is_exception"),
        ),
        Index(
            "ix_delivery_waiting",
            "issue_id",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        # On PostgreSQL a partition holds a range of issues and goes as a whole: delivery.ledger.partitions.
        {"postgresql_partition_by": "RANGE (issue_id)"},
    )

    # issue_id and batch_id have no foreign keys: checking them is half of a freeze on PostgreSQL, which verifies them.
    issue_id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True)
    batch_id: Mapped[int | None] = mapped_column(BigIntKey)
    seq: Mapped[int | None]  # position within the batch, from 0
    variant: Mapped[int | None] = mapped_column(BigInteger)  # bit n is the n-th pick, from 0; NULL: all picks
    # The import that had subscribed the reader; NULL: they subscribed themselves. The mail says so.
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(Text)  # why excluded or failed, or the last deferral
    reply: Mapped[str | None] = mapped_column(Text)  # the relay's last reply, with its code
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]  # when to retry after a 4yz reply
    ended_at: Mapped[datetime | None]
    # Anything but simply accepted. It is a column so that no index contains the outcome: PostgreSQL can then update an
    # accepted delivery within its page and without touching any index (a heap-only tuple).
    is_exception: Mapped[bool] = mapped_column(
        Computed("coalesce(outcome, 'accepted') <> 'accepted' OR reason IS NOT NULL", persisted=True)
    )


class OutcomeTotal(Base):
    """How many deliveries of an issue had an outcome for a reason; kept when the deliveries are deleted."""

    __tablename__ = "outcome_total"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(8), primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)  # "": no reason
    deliveries: Mapped[int]


class RefusalTotal(Base):
    """How many deliveries a receiving domain refused for a reason, of the domains with the most refusals."""

    __tablename__ = "refusal_total"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    domain: Mapped[str] = mapped_column(Text, primary_key=True)  # "": erased subscribers
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    deliveries: Mapped[int]


class RestoredIssue(Base):
    """An issue of a database that was restored or copied: a person has to say what of it went out elsewhere."""

    __tablename__ = "restored_issue"
    __table_args__ = (check_one_of("went_out", "all", "none", "logged"),)

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    was: Mapped[str] = mapped_column(String(12))  # its state in the backup or copy
    went_out: Mapped[str | None] = mapped_column(String(8))  # the answer
    answered_at: Mapped[datetime | None]


class Letter(Base):
    """A single mail to one person: a row of the outbox, sent by the next tick at the latest."""

    __tablename__ = "letter"
    __table_args__ = (
        check_one_of("outcome", "accepted", "failed", "unknown", "excluded"),
        Index("ix_letter_due", "outcome", "due_at"),
        {"sqlite_autoincrement": True},  # so that a restore can leave out numbers: Message-IDs hold them
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))  # the folder under templates/email
    publication_id: Mapped[int | None] = mapped_column(ForeignKey(Publication.id))
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey(Subscriber.id), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    address: Mapped[str | None] = mapped_column(
        String(320)
    )  # of a test send; otherwise looked up when sending
    facts: Mapped[str] = mapped_column(Text, default="{}")  # template variables as JSON; never a token
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_until: Mapped[datetime | None]
    handed_over: Mapped[bool] = mapped_column(default=False)  # set before the final dot of the data
    outcome: Mapped[str | None] = mapped_column(String(8))
    reply: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class TestSend(Base):
    """A test send of an issue: who asked for it, and for which topics. Its letter has the outcome."""

    __tablename__ = "test_send"

    letter_id: Mapped[int] = mapped_column(ForeignKey(Letter.id), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: from the command line
    profile: Mapped[str] = mapped_column(Text, default="")  # the topics: "everything", "Models, Writing"
    at: Mapped[datetime]


class ProviderLog(Base):
    """Whom an uploaded log of the mail provider names among an issue's readers; the log itself is not kept."""

    __tablename__ = "provider_log"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    file_name: Mapped[str] = mapped_column(String(120))
    by_message_id: Mapped[bytes] = mapped_column(LargeBinary)  # a ledger.logged_readers.SubscriberSet
    by_address: Mapped[bytes] = mapped_column(LargeBinary)
    has_message_ids: Mapped[bool]
    accepted: Mapped[int]  # how many readers whose email was accepted it names
    refused: Mapped[bytes] = mapped_column(LargeBinary)  # named as bounced, rejected or deferred
    first_at: Mapped[datetime | None]  # from when to when the log reaches
    last_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
