"""What comparisons that are only proposed would say, and what of it is otherwise than before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.catalog import read
from digest.catalog.changes import Change, changes
from digest.catalog.draft import Draft, Side
from digest.catalog.models import Comparison, ComparisonVersion
from digest.catalog.slug import tool_slug
from digest.catalog.uploads import Planned

CHUNK = 100


@dataclass(frozen=True)
class Outlook:
    """One proposed comparison: all that it says, and what a new version changes against the one before it."""

    view: read.ComparisonView
    changes: tuple[Change, ...] = ()


def outlooks(
    session: Session, drafts: Sequence[Draft], planned: Sequence[Planned], now: datetime
) -> list[Outlook]:
    """What becomes of each draft, in their order; `planned` are the same drafts as `uploads.proposal` tells them."""
    pairs = list(zip(drafts, planned, strict=True))
    before = _before(session, [(one.slug, one.version - 1) for one in planned if one.change == "changed"])
    found = []
    for draft, one in pairs:
        view = _view(draft, one, now)
        old = before.get((one.slug, one.version - 1)) if one.change == "changed" else None
        if one.change != "unchanged":
            before[one.slug, one.version] = view  # the next version in the same upload follows this one
        found.append(Outlook(view, tuple(changes(old, view)) if old else ()))
    return found


def _before(
    session: Session, wanted: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], read.ComparisonView]:
    found = {}
    for start in range(0, len(wanted), CHUNK):
        rows = select(ComparisonVersion.id).join(Comparison)
        same = [
            (Comparison.slug == slug) & (ComparisonVersion.number == number)
            for slug, number in wanted[start : start + CHUNK]
        ]
        views = read.by_version(session, session.scalars(rows.where(or_(*same))).all())
        found.update({(view.slug, view.version): view for view in views.values()})
    return found


def _view(draft: Draft, planned: Planned, now: datetime) -> read.ComparisonView:
    return read.ComparisonView(
        id=0,
        version_id=0,
        version=planned.version,
        slug=planned.slug,
        left=_review(draft.left),
        right=_review(draft.right),
        quotes=tuple(read.QuoteView(said.side, said.reviewer, said.text) for said in draft.in_order()),
        published_at=draft.published_at or now,
        added_at=now,
        source=planned.source,
    )


def _review(side: Side) -> read.ReviewView:
    return read.ReviewView(tool_slug=tool_slug(side.tool), **side.model_dump())
