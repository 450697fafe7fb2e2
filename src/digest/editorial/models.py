"""The editorial tables."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from digest.catalog.models import Comparison, ComparisonVersion
from digest.db import Base, Key, one_of
from digest.publications.models import Publication


class Role(StrEnum):
    """What someone who signs in to the desk may do; each may all that the next may."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class User(Base):
    """Someone who signs in to the desk."""

    __tablename__ = "user"
    __table_args__ = (one_of("role", "owner", "editor", "viewer"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    address: Mapped[str] = mapped_column(String(254), unique=True)
    role: Mapped[str] = mapped_column(String(8))
    sign_in_count: Mapped[int] = mapped_column(default=0)  # in every sign-in token, so that each works once
    session_epoch: Mapped[int] = mapped_column(default=0)  # in every session, so that all can be ended
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]  # comes in no more; the row stays, for the history names it
    wants_reminders: Mapped[bool] = mapped_column(default=True)  # letters of what is ready and of what waits


class State(StrEnum):
    """The states of an issue; which may follow which is in transitions.py."""

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
        one_of("state", "draft", "scheduled", "sending", "paused", "sent", "cancelled"),
        Index("ix_issue_due", "state", "send_at"),
        # The database itself holds that a publication has one open draft, whoever makes two at once.
        Index(
            "uq_issue_open_draft", "publication_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default=State.DRAFT)
    subject: Mapped[str] = mapped_column(String(200), default="")
    preheader: Mapped[str] = mapped_column(String(200), default="")
    intro: Mapped[str] = mapped_column(Text, default="")  # Markdown
    slot_date: Mapped[str | None] = mapped_column(
        String(10)
    )  # the local date it is drafted for; NULL by hand
    revision: Mapped[int] = mapped_column(default=1)  # raised by each edit: two editors at once are told
    last_edit: Mapped[str] = mapped_column(Text, default="")  # what the last edit changed and who made it
    drafted_at: Mapped[datetime]
    send_on: Mapped[str | None] = mapped_column(String(16))  # wall clock, "2026-12-01 09:00"
    zone: Mapped[str | None] = mapped_column(String(64))
    send_at: Mapped[datetime | None]  # the same in UTC, worked out anew whenever it is scheduled
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
        """Whether it has fewer picks than its publication wants at least: an editor must say that it may go."""
        return len(self.picks) < self.publication.fewest_picks


class Pick(Base):
    """One comparison's place in one issue, with the reason it was chosen."""

    __tablename__ = "pick"
    __table_args__ = (UniqueConstraint("issue_id", "comparison_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
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
    """A comparison that was looked at for an issue and not chosen, and why not. A veto survives a new draft."""

    __tablename__ = "rejection"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    comparison_id: Mapped[int] = mapped_column(ForeignKey(Comparison.id), primary_key=True)
    rank: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    vetoed: Mapped[bool] = mapped_column(default=False)


class Transition(Base):
    """One change of an issue's state: when and who. Append-only."""

    __tablename__ = "transition"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    from_state: Mapped[str] = mapped_column(String(12))
    to_state: Mapped[str] = mapped_column(String(12))
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    actor: Mapped[str] = mapped_column(String(64))  # "desk", "command line", "clock", "relay"
    reason: Mapped[str] = mapped_column(Text, default="")
    occurred_at: Mapped[datetime]


class ExternalCheck(Base):
    """What a worker saw outside: behind a link, in a domain's DNS, in a mail's spam score. Kept for a while."""

    __tablename__ = "external_check"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)  # link, sender, spam
    target_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(Text)  # the URL, the domain, the name of the mail
    requested_at: Mapped[datetime]  # since when an answer is wanted that is newer than `looked_at`
    claimed_until: Mapped[datetime | None]  # somebody is looking
    checked_at: Mapped[datetime | None] = mapped_column(index=True)
    result: Mapped[str] = mapped_column(Text, default="{}")  # as JSON, by the kind


class Waiver(Base):
    """Somebody said that an issue may go out with a finding, and why. It holds for that finding alone. Append-only."""

    __tablename__ = "waiver"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), index=True)
    check_name: Mapped[str] = mapped_column(String(32))  # the check's name
    fingerprint: Mapped[str] = mapped_column(
        String(64)
    )  # a hash of what was found: something else is not waived
    text: Mapped[str] = mapped_column(Text)  # as it was read by who waived it
    reason: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    waived_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))


class ReviewMarker(Base):
    """What an issue said when somebody looked it through last: what changed since is told from it."""

    __tablename__ = "review_marker"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    reviewed_at: Mapped[datetime]
    edition: Mapped[str] = mapped_column(Text)  # render.content.Edition as JSON
    sha256: Mapped[str] = mapped_column(String(64))  # of it


class SkippedSlot(Base):
    """A regular day on which no issue goes out: the clock drafts nothing for it. Taken back, the row is gone."""

    __tablename__ = "skipped_slot"

    publication_id: Mapped[int] = mapped_column(ForeignKey(Publication.id), primary_key=True)
    slot_date: Mapped[str] = mapped_column(String(10), primary_key=True)  # the local date
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    skipped_at: Mapped[datetime]


class Approval(Base):
    """Who asked for an issue to go out, and who else released it: both of the revision they saw, and of no other."""

    __tablename__ = "approval"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    revision: Mapped[int]
    requested_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))  # NULL: on the command line
    requested_at: Mapped[datetime]
    approved_by: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    approved_at: Mapped[datetime | None]


class SentReminder(Base):
    """A letter that the editors get once for an issue."""

    __tablename__ = "sent_reminder"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)  # "deadline", "release"
    sent_at: Mapped[datetime]


class IssueVersion(Base):
    """What an issue said after one edit, so that it can be told, compared and brought back."""

    __tablename__ = "issue_version"
    __table_args__ = (Index("ix_issue_version_issue_id_id", "issue_id", "id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    author: Mapped[str] = mapped_column(String(254))  # an address, or "clock", "command line"
    started_at: Mapped[datetime]
    saved_at: Mapped[datetime]  # later than began_at when several savings fold into one
    summary: Mapped[str] = mapped_column(Text)  # what changed, in words
    is_autosave: Mapped[bool]  # more words of the same person may join it
    snapshot: Mapped[bytes] = mapped_column(LargeBinary)  # all that can be edited: manuscript.py


class Presence(Base):
    """Somebody has the page of a draft open. A row is old news after a minute."""

    __tablename__ = "presence"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
