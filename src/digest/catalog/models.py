"""The catalog's tables. Reviews and versions are only ever added: a correction is a new row."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from digest.db import Base, BigIntKey, check_one_of


class Tool(Base):
    """A product that is compared, identified by its name."""

    __tablename__ = "tool"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    slug: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str] = mapped_column(String(200))


class Review(Base):
    """What the panel and the community said of one tool at one time; its fields are those of `ToolReview`."""

    __tablename__ = "review"
    __table_args__ = (
        CheckConstraint("panel_ship BETWEEN 0 AND 100", name="panel_ship"),
        CheckConstraint("community_ship BETWEEN 0 AND 100", name="community_ship"),
    )

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    tool_id: Mapped[int] = mapped_column(ForeignKey(Tool.id), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)  # of the tool and everything below
    tagline: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(String(120))
    panel_ship: Mapped[int]  # percent
    community_ship: Mapped[int | None]  # percent; NULL means no votes yet, which is not zero
    entry_price: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime]
    tool: Mapped[Tool] = relationship()


class Comparison(Base):
    """Two tools side by side, identified by its slug. Its content is in its versions; see `queries.is_current`."""

    __tablename__ = "comparison"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    slug: Mapped[str] = mapped_column(String(250), unique=True)
    added_at: Mapped[datetime] = mapped_column(index=True)
    versions: Mapped[list["ComparisonVersion"]] = relationship(
        back_populates="comparison", order_by="ComparisonVersion.number"
    )


class ComparisonVersion(Base):
    """One state of a comparison. A changed page creates the next one."""

    __tablename__ = "comparison_version"
    __table_args__ = (UniqueConstraint("comparison_id", "number"),)

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    comparison_id: Mapped[int] = mapped_column(ForeignKey(Comparison.id))
    number: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))  # of both reviews and all quotes
    left_id: Mapped[int] = mapped_column(ForeignKey(Review.id), index=True)
    right_id: Mapped[int] = mapped_column(ForeignKey(Review.id), index=True)
    source: Mapped[str] = mapped_column(Text)  # a file's name or a URL
    # The comparison's date; that of the import when it has none.
    published_at: Mapped[datetime] = mapped_column(index=True)
    imported_at: Mapped[datetime]
    comparison: Mapped[Comparison] = relationship(back_populates="versions")
    left: Mapped[Review] = relationship(foreign_keys=left_id)
    right: Mapped[Review] = relationship(foreign_keys=right_id)
    quotes: Mapped[list["Quote"]] = relationship(order_by="Quote.reviewer, Quote.side")


class Quote(Base):
    """What one reviewer said of one side. `reviewer` is the row on the scorecard, from 1."""

    __tablename__ = "quote"
    __table_args__ = (check_one_of("side", "left", "right"),)

    version_id: Mapped[int] = mapped_column(ForeignKey(ComparisonVersion.id), primary_key=True)
    reviewer: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(String(5), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class Upload(Base):
    """Uploaded comparisons that wait to be confirmed. Deleted after a day."""

    __tablename__ = "upload"

    id: Mapped[int] = mapped_column(BigIntKey, primary_key=True)
    user_id: Mapped[int]  # no foreign key: the catalog does not know users
    inputs: Mapped[str] = mapped_column(Text)  # the comparisons, as JSON
    preview: Mapped[str] = mapped_column(Text)  # what an import would change, as JSON
    created_at: Mapped[datetime]
