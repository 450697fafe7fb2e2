"""The delivery tables: the ledger of who was to get what, and what became of it."""

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
    """How a delivery ended. NULL in the ledger means that it has not ended: it counts as remaining."""

    ACCEPTED = "accepted"  # the relay took it: not that it was delivered or read
    EXCLUDED = "excluded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the line died after the mail was handed over: a person or the provider settles it


class FrozenIssue(Base):
    """What every mail of an issue is made from, whatever is edited afterwards."""

    __tablename__ = "frozen_issue"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    edition: Mapped[str] = mapped_column(Text)  # the content as JSON (render.content.Edition)
    compiled: Mapped[bytes] = mapped_column(LargeBinary)  # render.compile.CompiledIssue, as stored
    sha256: Mapped[str] = mapped_column(String(64))  # of `compiled`
    template_version: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(8))  # the signing key of its tokens
    frozen_at: Mapped[datetime]
    audience_upto: Mapped[int] = mapped_column(default=0)  # subscriber id: how far the freeze has come
    audience_done_at: Mapped[datetime | None]  # counted and verified; nothing is sent before
    planned: Mapped[int] = mapped_column(default=0)
    backoff_until: Mapped[datetime | None]  # the relay said "not now" to all of it: nothing is tried before
    backoff_count: Mapped[int] = mapped_column(default=0)  # how often in a row, so that the waits grow
    backoff_reason: Mapped[str | None] = mapped_column(Text)
    unchanged_since: Mapped[datetime | None]  # since when nothing ended although something is due
    last_remaining: Mapped[int | None]  # how many remained then
    stall_notified_at: Mapped[
        datetime | None
    ]  # the owners were told; nothing more is said until something moves
    canary_size: Mapped[int] = mapped_column(default=0)  # how many are mailed before the rest; 0: nobody is
    canary_judged_at: Mapped[datetime | None]  # their answers were judged
    canary_passed_at: Mapped[datetime | None]  # and found good, or a person said so: the rest may go
    replies_purged_upto: Mapped[int] = mapped_column(
        default=0
    )  # subscriber id: up to whom the relay's words are forgotten
    replies_purged_at: Mapped[datetime | None]  # and since when all of them are
    refusals_counted_from: Mapped[
        datetime | None
    ]  # refusals before this moment do not stop it: a person saw them

    @classmethod
    def without_content(cls) -> tuple[ORMOption, ...]:
        """Options of a query: how the issue stands, without what it says, which may be megabytes."""
        return defer(cls.compiled), defer(cls.edition)


class Batch(Base):
    """A run of deliveries that one connection sends. The lease is on the batch, so that claiming costs one row."""

    __tablename__ = "batch"
    __table_args__ = (Index("ix_batch_due", "issue_id", "done_at", "due_at"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    due_at: Mapped[datetime]
    size: Mapped[int]
    is_canary: Mapped[bool] = mapped_column(default=False)  # goes before the rest
    started_upto: Mapped[int] = mapped_column(
        default=0
    )  # rows [0, started) may have been handed over: the evidence
    fence: Mapped[int] = mapped_column(
        default=0
    )  # raised by each claim: a holder that lost its lease cannot write
    vacated: Mapped[int] = mapped_column(default=0)  # places without a mail: it was taken into the canary
    holder: Mapped[str | None] = mapped_column(String(64))  # whose evidence it is: home, process, connection
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class WorkerRegistration(Base):
    """A process that sends mails of issues, and when it was last heard of."""

    __tablename__ = "worker_registration"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)  # as it begins the holders of its batches
    seen_at: Mapped[datetime]


class Delivery(Base):
    """One issue to one subscriber: there is one row, before anything is sent, and it ends in exactly one outcome."""

    __tablename__ = "delivery"
    __table_args__ = (
        check_one_of("outcome", *[outcome.value for outcome in Outcome]),
        Index("ix_delivery_batch", "batch_id", "seq"),
        Index("ix_delivery_person", "subscriber_id"),
        # What counts look at: few, for nearly all are accepted and say nothing more.
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
        # Each row is written once more: room for it beside the first.
        {"postgresql_with": {"fillfactor": 40}},
    )

    # No foreign keys for these two: a look-up per row is half of a freeze on PostgreSQL, and its count proves them.
    issue_id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True)
    batch_id: Mapped[int | None] = mapped_column(BigIntKey)
    seq: Mapped[int | None]  # from 0, within the batch
    variant: Mapped[int | None] = mapped_column(BigInteger)  # bit n: the n-th pick, from 0; NULL: all of them
    outcome: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(Text)  # why excluded or failed, or the last "try later"
    reply: Mapped[str | None] = mapped_column(Text)  # the relay's last words, with its code
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]  # when to try again, after a 4xx
    ended_at: Mapped[datetime | None]
    # Otherwise than simply accepted. A column, so that no index holds the outcome: then PostgreSQL writes an accepted
    # mail into the page where its row is, and into no index (a heap-only tuple).
    is_exception: Mapped[bool] = mapped_column(
        Computed("coalesce(outcome, 'accepted') <> 'accepted' OR reason IS NOT NULL", persisted=True)
    )


class Letter(Base):
    """A single mail to one person: an outbox row. It is sent by the next tick at the latest."""

    __tablename__ = "letter"
    __table_args__ = (
        check_one_of("outcome", "accepted", "failed", "unknown", "excluded"),
        Index("ix_letter_due", "outcome", "due_at"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))  # the folder under templates/email
    publication_id: Mapped[int | None] = mapped_column(ForeignKey(Publication.id))
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey(Subscriber.id), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    address: Mapped[str | None] = mapped_column(
        String(320)
    )  # for a test mail to anybody; else it is looked up
    facts: Mapped[str] = mapped_column(Text, default="{}")  # what the templates need, as JSON; never a token
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_until: Mapped[datetime | None]
    handed_over: Mapped[bool] = mapped_column(default=False)  # set before the final dot
    outcome: Mapped[str | None] = mapped_column(String(8))
    reply: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class TestSend(Base):
    """A test mail of an issue: who asked for it, and through whose eyes. What became of it is in its letter."""

    __tablename__ = "test_send"

    letter_id: Mapped[int] = mapped_column(ForeignKey(Letter.id), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: from the command line
    profile: Mapped[str] = mapped_column(Text, default="")  # in words: "everything", "Models, Writing"
    at: Mapped[datetime]
