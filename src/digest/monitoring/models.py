"""The monitoring tables: signs of life, and the problems that operators were told of."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from digest.db import Base


class Heartbeat(Base):
    """When a process or a queue last showed that it works. The time is the database's."""

    __tablename__ = "heartbeat"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)  # heartbeats.Kind
    name: Mapped[str] = mapped_column(String(100), primary_key=True)  # host and process id, or the queue
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]  # it ended as asked, so nobody has to miss it
    expected_at: Mapped[datetime | None]  # of a backup: when the next one should be there at the latest


class Alert(Base):
    """A problem that operators are told of, once when it appears and once when it is over."""

    __tablename__ = "alert"

    key: Mapped[str] = mapped_column(String(150), primary_key=True)  # problems.Problem.key
    host: Mapped[str] = mapped_column(String(80))  # the machine that it concerns; empty: the whole service
    summary: Mapped[str] = mapped_column(Text)
    fix: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    webhook_due_at: Mapped[datetime | None]  # when to tell the webhook next; NULL: it knows, or there is none
    webhook_attempts: Mapped[int] = mapped_column(default=0)  # of this change, without success
