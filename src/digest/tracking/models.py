"""The tracking tables. They hold neither addresses nor networks: a click refers to a subscriber only by id."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, TextClause, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from digest.audience.models import Subscriber
from digest.db import Base, BigIntKey
from digest.editorial.models import Issue, Pick

_HUMAN, _BOTS = text("NOT is_bot"), text("is_bot")
_HAS_USER_AGENT = text("user_agent <> ''")


class Link(Base):
    """A stored target of an issue: a token names (issue, number), never a URL, so there is no open redirect."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("issue_id", "number"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    number: Mapped[int]  # from 0, in the order of the mail
    pick_id: Mapped[int | None] = mapped_column(ForeignKey(Pick.id))
    url: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(String(120))
    readers: Mapped[int | None]  # stored before its clicks are deleted; from then on none are counted
    clicks_deleted_at: Mapped[datetime | None]


class PickTotal(Base):
    """How many readers clicked in a pick, stored before the clicks are deleted."""

    __tablename__ = "pick_total"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    pick_id: Mapped[int] = mapped_column(ForeignKey(Pick.id), primary_key=True)
    readers: Mapped[int]


class Click(Base):
    """One visit of one link. Repeated clicks by the same reader within seconds share a row and are counted in it."""

    __tablename__ = "click"
    __table_args__ = (
        Index("ix_click_subscriber_id", "subscriber_id", "at"),
        # The next one finds old clicks whose user agent is to be deleted, the last one the readers per link.
        Index("ix_click_user_agent", "at", sqlite_where=_HAS_USER_AGENT, postgresql_where=_HAS_USER_AGENT),
        Index("ix_click_human", "link_id", "subscriber_id", sqlite_where=_HUMAN, postgresql_where=_HUMAN),
        Index("ix_click_bots", "link_id", sqlite_where=_BOTS, postgresql_where=_BOTS),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    link_id: Mapped[int] = mapped_column(ForeignKey(Link.id))
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id))
    user_agent: Mapped[str] = mapped_column(String(200))
    is_bot: Mapped[bool]  # the request itself said so, or it came in a burst
    is_declared_bot: Mapped[bool] = mapped_column(default=False)  # the request itself said so
    is_first: Mapped[bool] = mapped_column(default=False)  # the reader's first human click in this issue
    click_count: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime]  # of the first click
    last_at: Mapped[datetime]

    @staticmethod
    def has_user_agent() -> TextClause:
        """Whether the user agent is still stored, written exactly as in the index, which is not used otherwise."""
        return text("user_agent <> ''")

    @staticmethod
    def is_human() -> TextClause:
        """Whether a person made it, written exactly as in the index, which is not used otherwise."""
        return text("NOT is_bot")

    @staticmethod
    def is_bots() -> TextClause:
        """Whether a machine made it, written exactly as in the index."""
        return text("is_bot")


class ClickHour(Base):
    """The totals of a link's clicks in one hour, so that a report need not read all clicks."""

    __tablename__ = "click_hour"

    link_id: Mapped[int] = mapped_column(ForeignKey(Link.id), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # whole hours since 1970, UTC
    clicks_raw: Mapped[int] = mapped_column(default=0)
    clicks_human: Mapped[int] = mapped_column(default=0)
    readers: Mapped[int] = mapped_column(default=0)  # whose first click in the issue fell into this hour


class Unsubscribe(Base):
    """One reader who unsubscribed through one issue, and how; an undo is recorded too."""

    __tablename__ = "unsubscribe"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True)
    source: Mapped[str] = mapped_column(String(16))  # header (RFC 8058) or page
    reason: Mapped[str | None] = mapped_column(String(16))  # optional, chosen on the page after unsubscribing
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
