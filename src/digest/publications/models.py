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
        CheckConstraint("wanted_picks BETWEEN 1 AND 12", name="wanted_picks"),
        CheckConstraint("fewest_picks BETWEEN 1 AND wanted_picks", name="fewest_picks"),
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
    weekday: Mapped[int]  # 0 is Monday: the day on which an issue goes out
    at: Mapped[str] = mapped_column(String(5))  # "09:00": the wall-clock time at which it does
    draft_days_before: Mapped[int] = mapped_column(
        default=2
    )  # the draft is made so many days earlier, same time
    wanted_picks: Mapped[int] = mapped_column(default=5)
    fewest_picks: Mapped[int] = mapped_column(default=3)  # a week with fewer new ones asks the editor
    hold_minutes: Mapped[int] = mapped_column(default=10)
    two_people: Mapped[bool] = mapped_column(default=False)  # nobody sends alone: a second one releases
    set_up: Mapped[str] = mapped_column(String(200), default="")  # the steps of the set-up that somebody did
    drafted_for: Mapped[str | None] = mapped_column(
        String(10)
    )  # the last occasion the clock saw to: a local date
    created_at: Mapped[datetime]
