"""The editorial tables."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from digest.catalog.models import Comparison, ComparisonVersion
from digest.db import Base, BigIntKey, check_one_of
from digest.publications.models import Publication


class Role(StrEnum):
    """What a user of the desk may do; each role includes those after it."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class User(Base):
    """Someone who signs in to the desk."""

    __tablename__ = "user"
    __table_args__ = (check_one_of("role", "owner", "editor", "viewer"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    address: Mapped[str] = mapped_column(String(254), unique=True)
    role: Mapped[str] = mapped_column(String(8))
    sign_in_count: Mapped[int] = mapped_column(
        default=0
    )  # part of every sign-in token, so that each works once
    session_epoch: Mapped[int] = mapped_column(
        default=0
    )  # part of every login session, so that all can be ended at once
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]  # can no longer sign in; the history still refers to the row
    wants_reminders: Mapped[bool] = mapped_column(
        default=True
    )  # emails about drafts that are ready and issues that wait


class State(StrEnum):
    """The states of an issue; transitions.py says which may follow which."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"


_OPEN = text("state = 'draft'")


class Issue(Base):
    """One numbered edition of a publication."""

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("publication_id", "number"),
        UniqueConstraint("publication_id", "slot_date"),
        check_one_of("state", "draft", "scheduled", "sending", "paused", "sent", "cancelled"),
        Index("ix_issue_due", "state", "send_at"),
        # One open draft per publication, even when two are created at once.
        Index(
            "uq_issue_open_draft", "publication_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
        {
            "sqlite_autoincrement": True
        },  # so that a restore can leave out numbers: links and Message-IDs hold them
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default=State.DRAFT)
    subject: Mapped[str] = mapped_column(String(200), default="")
    preheader: Mapped[str] = mapped_column(String(200), default="")
    intro: Mapped[str] = mapped_column(Text, default="")  # Markdown
    slot_date: Mapped[str | None] = mapped_column(
        String(10)
    )  # the local date it is drafted for; NULL when made by hand
    revision: Mapped[int] = mapped_column(default=1)  # raised by each edit, to detect edit conflicts
    last_edit: Mapped[str] = mapped_column(Text, default="")  # what the last edit changed, and who made it
    drafted_at: Mapped[datetime]
    send_on: Mapped[str | None] = mapped_column(String(16))  # wall clock, "2026-12-01 09:00"
    zone: Mapped[str | None] = mapped_column(String(64))
    send_at: Mapped[datetime | None]  # the same in UTC, computed whenever it is scheduled
    hold_minutes: Mapped[int] = mapped_column(default=0)
    release_at: Mapped[datetime | None]  # set by the freeze: no mail leaves before
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None] = mapped_column(Text)
    publication: Mapped[Publication] = relationship()
    picks: Mapped[list["Pick"]] = relationship(back_populates="issue", order_by="Pick.position")
    rejections: Mapped[list["Rejection"]] = relationship(order_by="Rejection.rank")

    @property
    def is_thin(self) -> bool:
        """Whether it has fewer picks than its publication requires, so that an editor must confirm it."""
        return len(self.picks) < self.publication.min_picks


class Pick(Base):
    """One comparison's place in one issue, with the reason it was chosen."""

    __tablename__ = "pick"
    __table_args__ = (UniqueConstraint("issue_id", "comparison_id"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    comparison_id: Mapped[int] = mapped_column(ForeignKey(Comparison.id), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey(ComparisonVersion.id))
    position: Mapped[int]  # from 1; 1 leads
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, default="")  # the editor's, Markdown
    pinned: Mapped[bool] = mapped_column(default=False)
    issue: Mapped[Issue] = relationship(back_populates="picks")
    version: Mapped[ComparisonVersion] = relationship()


class Rejection(Base):
    """A comparison that was considered for an issue and not picked, and why. An exclusion survives regeneration."""

    __tablename__ = "rejection"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    comparison_id: Mapped[int] = mapped_column(ForeignKey(Comparison.id), primary_key=True)
    rank: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    is_excluded: Mapped[bool] = mapped_column(default=False)


class Transition(Base):
    """One event in an issue's history: a change of state, or an event that changes none. Append-only."""

    __tablename__ = "transition"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    from_state: Mapped[str] = mapped_column(String(12))
    to_state: Mapped[str] = mapped_column(String(12))
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    actor: Mapped[str] = mapped_column(String(64))  # "desk", "command line", "clock", "relay"
    reason: Mapped[str] = mapped_column(Text, default="")
    occurred_at: Mapped[datetime]


class ExternalCheck(Base):
    """A check that needs the network (a link, a domain's DNS, a spam score) and its result, kept for a week."""

    __tablename__ = "external_check"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)  # link, sender, spam
    target_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(Text)  # the URL, the domain, or the hash of the mail's content
    requested_at: Mapped[datetime]  # since when an answer is wanted that is newer than `looked_at`
    claimed_until: Mapped[datetime | None]  # a worker is running it until then
    checked_at: Mapped[datetime | None] = mapped_column(index=True)
    result: Mapped[str] = mapped_column(Text, default="{}")  # JSON; its fields depend on the kind


class Waiver(Base):
    """An editor accepted a warning and gave a reason; holds for that finding only. Withdrawn, never deleted."""

    __tablename__ = "waiver"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    check_name: Mapped[str] = mapped_column(String(32))
    fingerprint: Mapped[str] = mapped_column(String(64))  # of the finding: a different one is not waived
    text: Mapped[str] = mapped_column(Text)  # as shown when it was waived
    reason: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    waived_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))


class ReviewMarker(Base):
    """What an issue said when a user last marked it as reviewed, to show what changed since."""

    __tablename__ = "review_marker"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    reviewed_at: Mapped[datetime]
    edition: Mapped[str] = mapped_column(Text)  # render.content.Edition as JSON
    sha256: Mapped[str] = mapped_column(String(64))  # of the edition


class SkippedSlot(Base):
    """A regular slot on which no issue is drafted or sent. The row is deleted when the slot is restored."""

    __tablename__ = "skipped_slot"

    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), primary_key=True)
    slot_date: Mapped[str] = mapped_column(String(10), primary_key=True)  # the local date
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    skipped_at: Mapped[datetime]


class Approval(Base):
    """Who requested approval of an issue and who approved it, each for one revision only."""

    __tablename__ = "approval"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    revision: Mapped[int]
    requested_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: the command line
    requested_at: Mapped[datetime]
    approved_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    approved_at: Mapped[datetime | None]


class SentReminder(Base):
    """A reminder that was sent to the editors, so that each is sent once per issue."""

    __tablename__ = "sent_reminder"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)  # "deadline", "release"
    sent_at: Mapped[datetime]


class IssueVersion(Base):
    """What an issue said after one edit, so that it can be shown, compared and restored."""

    __tablename__ = "issue_version"
    __table_args__ = (Index("ix_issue_version_issue_id_id", "issue_id", "id"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    author: Mapped[str] = mapped_column(String(254))  # an address, or "clock", "command line"
    started_at: Mapped[datetime]
    saved_at: Mapped[datetime]  # later than started_at when several autosaves share the version
    summary: Mapped[str] = mapped_column(Text)  # what changed, in words
    is_autosave: Mapped[bool]  # the author's next autosaves may join it
    snapshot: Mapped[bytes] = mapped_column(LargeBinary)  # everything that can be edited: drafts/snapshot.py


class Presence(Base):
    """A user has the page of a draft open; outdated when it is not renewed."""

    __tablename__ = "presence"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
