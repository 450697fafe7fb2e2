"""The publication's table."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from digest.db import Base, BigIntKey


class Publication(Base):
    """One newsletter. Its calendar is a weekday and a wall-clock time in a zone; UTC is computed each time."""

    __tablename__ = "publication"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("picks_per_issue BETWEEN 1 AND 12", name="picks_per_issue"),
        CheckConstraint("min_picks BETWEEN 1 AND picks_per_issue", name="min_picks"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    tagline: Mapped[str] = mapped_column(String(200))
    sender_name: Mapped[str] = mapped_column(String(120))
    sender_address: Mapped[str] = mapped_column(String(254))
    reply_to: Mapped[str | None] = mapped_column(String(254))
    postal_address: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16), default="en")
    zone: Mapped[str] = mapped_column(String(64))  # an IANA name
    weekday: Mapped[int]  # on which issues are sent; 0 is Monday
    at: Mapped[str] = mapped_column(String(5))  # local time of sending: "09:00"
    draft_days_before: Mapped[int] = mapped_column(default=2)  # days between draft and sending
    picks_per_issue: Mapped[int] = mapped_column(default=5)
    min_picks: Mapped[int] = mapped_column(default=3)  # with fewer, the editor is asked
    hold_minutes: Mapped[int] = mapped_column(default=10)
    requires_approval: Mapped[bool] = mapped_column(default=False)  # a second person must approve each issue
    set_up: Mapped[str] = mapped_column(String(200), default="")  # the finished steps of the setup
    drafted_for: Mapped[str | None] = mapped_column(
        String(10)
    )  # the last slot for which a draft was made: a local date
    created_at: Mapped[datetime]
