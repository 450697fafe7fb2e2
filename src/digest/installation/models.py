"""The one row that says which installation this is, and whether it may send."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from digest.db import Base

ONLY = 1  # the number of its only row


class Installation(Base):
    """What an installation knows of itself. A copy of the database has the same row, but is in another location."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # ONLY
    identity: Mapped[str] = mapped_column(String(32))  # random: every home remembers to which it belongs
    location: Mapped[str] = mapped_column(String(200))  # where this database was when it was last used
    beat: Mapped[int] = mapped_column(
        BigInteger, default=0
    )  # only grows: less than before is an older database
    seen_at: Mapped[datetime]  # when it last grew
    held_at: Mapped[datetime | None]  # since when nothing is sent, because this is a copy or was restored
    hold_reason: Mapped[str | None] = mapped_column(Text)
    known_until: Mapped[datetime | None]  # what happened later is not in this database
    unsubscribes_settled_at: Mapped[datetime | None]  # when a person said who unsubscribed later
    version: Mapped[str | None] = mapped_column(String(40))  # of digest, when it last upgraded the database
