"""Imports comparisons into the catalog: known ones are recognised, changed ones become new versions.

Nothing is overwritten, and any number of comparisons takes a handful of statements. Two imports at once are safe:
rows that both would add are inserted in one order with ON CONFLICT DO NOTHING and read back, and a comparison is
locked before its versions are counted.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from digest.catalog import files
from digest.catalog.comparison import ToolReview
from digest.catalog.comparison_input import ComparisonInput, review_fingerprint, version_fingerprint
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.db import upsert
from digest.errors import BadInput

CHUNK: Final = 500  # values in one IN: far below the limit of either database
NEVER: Final = datetime.min.replace(tzinfo=UTC)

_T = TypeVar("_T")
ChangeKind = Literal["new", "changed", "unchanged"]


@dataclass(frozen=True)
class ImportedComparison:
    """The result for one comparison: it is version `version` of the comparison `slug`."""

    source: str
    slug: str
    change: ChangeKind
    version: int


@dataclass(frozen=True)
class ImportResult:
    """The result for each comparison, and an error line for each file that could not be imported."""

    imported: tuple[ImportedComparison, ...] = ()
    refused: tuple[str, ...] = ()

    def __add__(self, other: "ImportResult") -> "ImportResult":
        return ImportResult(self.imported + other.imported, self.refused + other.refused)

    def count(self, change: ChangeKind) -> int:
        """The number of comparisons that were `change`."""
        return sum(result.change == change for result in self.imported)


def read_files(paths: Iterable[Path]) -> tuple[list[ComparisonInput], tuple[str, ...]]:
    """The comparisons in the files at `paths`, and an error line for each file that is refused. Needs no database."""
    inputs: list[ComparisonInput] = []
    refused = []
    for path in paths:
        try:
            inputs += files.read_file(path)
        except BadInput as error:
            refused.append(str(error))
    return inputs, tuple(refused)


def import_comparisons(
    session: Session, inputs: Sequence[ComparisonInput], now: datetime, published: datetime | None = None
) -> list[ImportedComparison]:
    """Import `inputs` in their order; one result for each.

    An input that repeats any version of its comparison is unchanged, so an old page and its correction may lie in
    one folder. If it has a later date of its own than the current version, it restores what the old version says.
    Its date is its own, or `published`, or `now`.
    """
    tools = _ensure_tools(session, inputs)
    reviews = _ensure_reviews(session, inputs, tools, now)
    comparisons = _ensure_comparisons(session, inputs, now)
    logs = _load_versions(session, comparisons.values())
    added: dict[tuple[int, int], ComparisonInput] = {}
    rows: list[dict[str, Any]] = []
    results = []
    for comparison in inputs:
        id_ = comparisons[comparison.identity]
        published_at = comparison.published_at or published or now
        fingerprint = version_fingerprint(comparison)
        change = logs[id_].classify(
            fingerprint, published_at, may_restore=comparison.published_at is not None
        )
        number = logs[id_].numbers[fingerprint]
        results.append(ImportedComparison(comparison.source or "", comparison.identity, change, number))
        if change != "unchanged":
            added[id_, number] = comparison
            rows.append(
                {
                    "comparison_id": id_,
                    "number": number,
                    "fingerprint": fingerprint,
                    "left_id": reviews[review_fingerprint(comparison.left)],
                    "right_id": reviews[review_fingerprint(comparison.right)],
                    "source": comparison.source or "",
                    "published_at": published_at,
                    "imported_at": now,
                }
            )
    _insert_versions(session, rows, added)
    return results


@dataclass
class _VersionLog:
    """The versions of one comparison: their numbers by fingerprint, and which of them is current since when."""

    numbers: dict[str, int] = field(default_factory=dict)
    latest_number: int = 0
    current: str = ""
    current_date: datetime = NEVER

    def classify(self, fingerprint: str, published_at: datetime, *, may_restore: bool) -> ChangeKind:
        """What an input is. With `may_restore` its own date may bring an older version back as a new one."""
        restores = may_restore and published_at > self.current_date and fingerprint != self.current
        if fingerprint in self.numbers and not restores:
            return "unchanged"
        self.record(fingerprint, self.latest_number + 1, published_at)
        return "new" if self.latest_number == 1 else "changed"

    def record(self, fingerprint: str, number: int, published_at: datetime) -> None:
        """Add a version; they come in order of number."""
        self.numbers[fingerprint] = self.latest_number = number
        if published_at >= self.current_date:
            self.current, self.current_date = fingerprint, published_at


def _reviews_of(inputs: Sequence[ComparisonInput]) -> Iterator[ToolReview]:
    for comparison in inputs:
        yield comparison.left
        yield comparison.right


def _ensure_tools(session: Session, inputs: Sequence[ComparisonInput]) -> dict[str, int]:
    rows: dict[str, dict[str, Any]] = {}
    for review in _reviews_of(inputs):
        rows.setdefault(review.tool_slug, {"slug": review.tool_slug, "name": review.tool})
    return _ensure(session, Tool.id, Tool.slug, rows)


def _ensure_reviews(
    session: Session, inputs: Sequence[ComparisonInput], tools: dict[str, int], now: datetime
) -> dict[str, int]:
    rows: dict[str, dict[str, Any]] = {}
    for review in _reviews_of(inputs):
        fingerprint = review_fingerprint(review)
        if fingerprint not in rows:
            row = review.as_dict() | {
                "fingerprint": fingerprint,
                "tool_id": tools[review.tool_slug],
                "added_at": now,
            }
            del row["tool"]
            rows[fingerprint] = row
    return _ensure(session, Review.id, Review.fingerprint, rows)


def _ensure_comparisons(session: Session, inputs: Sequence[ComparisonInput], now: datetime) -> dict[str, int]:
    rows = {comparison.identity: {"slug": comparison.identity, "added_at": now} for comparison in inputs}
    ids = _ensure(session, Comparison.id, Comparison.slug, rows)
    for slugs in _chunks(sorted(ids)):
        # Locked until the transaction ends: another import of the same page waits, then sees this one's version.
        lock = select(Comparison.id).where(Comparison.slug.in_(slugs)).order_by(Comparison.slug)
        session.execute(lock.with_for_update(key_share=True)).all()
    return ids


def _ensure(
    session: Session,
    id_: InstrumentedAttribute[int],
    key: InstrumentedAttribute[str],
    rows: dict[str, dict[str, Any]],
) -> dict[str, int]:
    """The id of each row by its unique key; missing rows are inserted."""
    ids = _find_ids(session, id_, key, rows)
    missing = sorted(rows.keys() - ids.keys())
    if missing:
        statement = upsert(session, key.class_).on_conflict_do_nothing(index_elements=[key.key])
        session.execute(statement, [rows[value] for value in missing])
        ids |= _find_ids(session, id_, key, missing)
    return ids


def _find_ids(
    session: Session, id_: InstrumentedAttribute[int], key: InstrumentedAttribute[str], values: Iterable[str]
) -> dict[str, int]:
    ids: dict[str, int] = {}
    for chunk in _chunks(sorted(values)):
        ids.update(session.execute(select(key, id_).where(key.in_(chunk))).all())
    return ids


def _load_versions(session: Session, comparison_ids: Collection[int]) -> dict[int, _VersionLog]:
    logs = {comparison_id: _VersionLog() for comparison_id in comparison_ids}
    version = ComparisonVersion
    for chunk in _chunks(sorted(comparison_ids)):
        rows = select(version.comparison_id, version.fingerprint, version.number, version.published_at)
        rows = rows.where(version.comparison_id.in_(chunk)).order_by(version.comparison_id, version.number)
        for comparison_id, fingerprint, number, published_at in session.execute(rows):
            logs[comparison_id].record(fingerprint, number, published_at)
    return logs


def _insert_versions(
    session: Session, versions: list[dict[str, Any]], inputs: dict[tuple[int, int], ComparisonInput]
) -> None:
    """Insert `versions` and their quotes; `inputs` are the same by comparison id and number."""
    if not versions:
        return
    version = ComparisonVersion
    inserting = insert(version).returning(version.id, version.comparison_id, version.number)
    quotes = [
        {"version_id": version_id, **vars(quote)}
        for version_id, comparison_id, number in session.execute(inserting, versions).all()
        for quote in inputs[comparison_id, number].quotes
    ]
    session.execute(insert(Quote), quotes)


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
