"""The tracking tables. No address, no network: a click knows the subscriber's number and nothing else of them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from digest.audience.models import Subscriber
from digest.db import Base, Key
from digest.editorial.models import Issue, Pick


class Link(Base):
    """A stored target of an issue: a token names (issue, number), never a URL, so there is no open redirect."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("issue_id", "number"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id))
    number: Mapped[int]  # from 0, in the order of the mail
    pick_id: Mapped[int | None] = mapped_column(ForeignKey(Pick.id))
    url: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(String(120))


class Click(Base):
    """One GET of one link. Raw: whether a person did it is judged when counts are read."""

    __tablename__ = "click"
    __table_args__ = (Index("ix_click_person", "link_id", "subscriber_id", "at"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    link_id: Mapped[int] = mapped_column(ForeignKey(Link.id))
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), index=True)
    agent: Mapped[str] = mapped_column(String(200))
    machine: Mapped[bool]  # the request itself said so: no language, a known scanner's name
    at: Mapped[datetime]


class Unsubscribe(Base):
    """One reader who left because of one issue, and how; an undo is kept beside it."""

    __tablename__ = "unsubscribe"

    issue_id: Mapped[int] = mapped_column(ForeignKey(Issue.id), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey(Subscriber.id), primary_key=True)
    source: Mapped[str] = mapped_column(String(16))  # header (RFC 8058) or page
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
