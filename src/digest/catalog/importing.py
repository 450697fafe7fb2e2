"""Drafts into the catalog: what is there is recognised, what changed is a new version, nothing is overwritten.

A handful of statements for any number of drafts. Two imports at once are safe: what both would add is inserted in
one order with ON CONFLICT DO NOTHING and read back, and a comparison is locked before its versions are counted.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from digest.catalog import files
from digest.catalog.draft import Draft, Side, review_fingerprint, version_fingerprint
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.catalog.slug import tool_slug
from digest.db import upsert
from digest.errors import BadInput

CHUNK = 500  # values in one IN: far below what either database takes
NEVER = datetime.min.replace(tzinfo=UTC)

_T = TypeVar("_T")
Change = Literal["new", "changed", "unchanged"]


@dataclass(frozen=True)
class Imported:
    """What became of one draft: it is version `version` of the comparison `slug`."""

    source: str
    slug: str
    change: Change
    version: int


@dataclass(frozen=True)
class ImportResult:
    """What became of each comparison, and one line for each file that could not be used."""

    imported: tuple[Imported, ...] = ()
    refused: tuple[str, ...] = ()

    def __add__(self, other: "ImportResult") -> "ImportResult":
        return ImportResult(self.imported + other.imported, self.refused + other.refused)

    def count(self, change: Change) -> int:
        """How many were `change`."""
        return sum(one.change == change for one in self.imported)


def import_files(
    session: Session, paths: Iterable[Path], now: datetime, published: datetime | None = None
) -> ImportResult:
    """Import what `paths` name, files and folders. A bad file is a line in `refused`, and hinders no other.

    `published` is the date of those that bring none; without it, that is `now`.
    """
    found = files.find(paths)
    drafts, refused = read_all(found.files)
    imported = store(session, drafts, now, published)
    return ImportResult(tuple(imported), found.refused + refused)


def read_all(paths: Iterable[Path]) -> tuple[list[Draft], tuple[str, ...]]:
    """What the files at `paths` hold, and one line for each that cannot be used. Needs no database."""
    drafts: list[Draft] = []
    refused = []
    for path in paths:
        try:
            drafts += files.read(path)
        except BadInput as error:
            refused.append(str(error))
    return drafts, tuple(refused)


def store(
    session: Session, drafts: Sequence[Draft], now: datetime, published: datetime | None = None
) -> list[Imported]:
    """Put `drafts` into the catalog, in their order; one result for each.

    A draft that says what any version of its comparison says is unchanged, so that an old page and its correction
    can lie in one folder; one that bears a later date than what stands takes the comparison back to what it said.
    Its date is its own, else `published`, else `now`.
    """
    tools = _tools(session, drafts)
    reviews = _reviews(session, drafts, tools, now)
    comparisons = _comparisons(session, drafts, now)
    known = _known(session, comparisons.values())
    added: list[dict[str, Any]] = []
    quoted: dict[tuple[int, int], Draft] = {}
    results = []
    for draft in drafts:
        states = known[comparisons[draft.identity]]
        fingerprint, dated = version_fingerprint(draft), draft.published_at or published or now
        change = states.take(fingerprint, dated, returns=draft.published_at is not None)
        number = states.numbers[fingerprint]
        results.append(Imported(draft.source or "", draft.identity, change, number))
        if change != "unchanged":
            quoted[comparisons[draft.identity], number] = draft
            added.append(
                {
                    "comparison_id": comparisons[draft.identity],
                    "number": number,
                    "fingerprint": fingerprint,
                    "left_id": reviews[review_fingerprint(draft.left)],
                    "right_id": reviews[review_fingerprint(draft.right)],
                    "source": draft.source or "",
                    "published_at": dated,
                    "imported_at": now,
                }
            )
    _add(session, added, quoted)
    return results


@dataclass
class _States:
    """The versions of one comparison: which fingerprint has which number, and which of them stands since when."""

    numbers: dict[str, int] = field(default_factory=dict)
    newest: int = 0
    stands: str = ""
    since: datetime = NEVER

    def take(self, fingerprint: str, dated: datetime, *, returns: bool) -> Change:
        """What a draft is; `returns`: its own date can take the comparison back to what an older version says."""
        back = returns and dated > self.since and fingerprint != self.stands
        if fingerprint in self.numbers and not back:
            return "unchanged"
        self.see(fingerprint, self.newest + 1, dated)
        return "new" if self.newest == 1 else "changed"

    def see(self, fingerprint: str, number: int, dated: datetime) -> None:
        """Take a version in; they come by number."""
        self.numbers[fingerprint] = self.newest = number
        if dated >= self.since:
            self.stands, self.since = fingerprint, dated


def _sides(drafts: Sequence[Draft]) -> Iterator[Side]:
    for draft in drafts:
        yield draft.left
        yield draft.right


def _tools(session: Session, drafts: Sequence[Draft]) -> dict[str, int]:
    rows: dict[str, dict[str, Any]] = {}
    for side in _sides(drafts):
        slug = tool_slug(side.tool)
        rows.setdefault(slug, {"slug": slug, "name": side.tool})
    return _ensure(session, Tool.id, Tool.slug, rows)


def _reviews(
    session: Session, drafts: Sequence[Draft], tools: dict[str, int], now: datetime
) -> dict[str, int]:
    rows: dict[str, dict[str, Any]] = {}
    for side in _sides(drafts):
        fingerprint = review_fingerprint(side)
        if fingerprint not in rows:
            facts = side.model_dump(exclude={"tool"})
            ours = {"fingerprint": fingerprint, "tool_id": tools[tool_slug(side.tool)], "added_at": now}
            rows[fingerprint] = facts | ours
    return _ensure(session, Review.id, Review.fingerprint, rows)


def _comparisons(session: Session, drafts: Sequence[Draft], now: datetime) -> dict[str, int]:
    rows = {draft.identity: {"slug": draft.identity, "added_at": now} for draft in drafts}
    ids = _ensure(session, Comparison.id, Comparison.slug, rows)
    for chunk in _chunks(sorted(ids)):
        # Held to the end of the transaction: another import of the same page waits, then sees this one's version.
        lock = select(Comparison.id).where(Comparison.slug.in_(chunk)).order_by(Comparison.slug)
        session.execute(lock.with_for_update(key_share=True)).all()
    return ids


def _ensure(
    session: Session,
    id_: InstrumentedAttribute[int],
    key: InstrumentedAttribute[str],
    rows: dict[str, dict[str, Any]],
) -> dict[str, int]:
    """The id of each row by its unique key; those that are not there yet are added."""
    ids = _look_up(session, id_, key, rows)
    missing = sorted(rows.keys() - ids.keys())
    if missing:
        adding = upsert(session, key.class_).on_conflict_do_nothing(index_elements=[key.key])
        session.execute(adding, [rows[one] for one in missing])
        ids |= _look_up(session, id_, key, missing)
    return ids


def _look_up(
    session: Session, id_: InstrumentedAttribute[int], key: InstrumentedAttribute[str], wanted: Iterable[str]
) -> dict[str, int]:
    ids: dict[str, int] = {}
    for chunk in _chunks(sorted(wanted)):
        ids.update(session.execute(select(key, id_).where(key.in_(chunk))).all())
    return ids


def _known(session: Session, comparisons: Collection[int]) -> dict[int, _States]:
    known = {one: _States() for one in comparisons}
    version = ComparisonVersion
    for chunk in _chunks(sorted(comparisons)):
        facts = select(version.comparison_id, version.fingerprint, version.number, version.published_at)
        facts = facts.where(version.comparison_id.in_(chunk)).order_by(version.comparison_id, version.number)
        for one, fingerprint, number, dated in session.execute(facts):
            known[one].see(fingerprint, number, dated)
    return known


def _add(session: Session, added: list[dict[str, Any]], quoted: dict[tuple[int, int], Draft]) -> None:
    if not added:
        return
    version = ComparisonVersion
    adding = insert(version).returning(version.id, version.comparison_id, version.number)
    rows = [
        {"version_id": id_, "place": quote.reviewer, "side": quote.side, "text": quote.text}
        for id_, comparison, number in session.execute(adding, added).all()
        for quote in quoted[comparison, number].quotes
    ]
    session.execute(insert(Quote), rows)


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
