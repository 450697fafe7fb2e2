"""The catalog from the desk: browse and search it, look at one comparison and how it changed, look at one tool."""

from typing import Final

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from digest.catalog import changes, read
from digest.catalog.models import ComparisonVersion
from digest.editorial.models import Issue, Pick
from digest.web.desk import current_publication
from digest.web.desk.catalog import blueprint
from digest.web.desk.view_helpers import page, services
from digest.web.guards import whole

AT_ONCE: Final = 25
VERSIONS: Final = 20
CHARS: Final = 200


@blueprint.get("/comparisons")
def comparisons() -> str:
    """All of them, the newest first, or those that a search finds; a page at a time."""
    query = request.args.get("q", "").strip()[:CHARS]
    before = request.args.get("before", type=whole)
    with services().db.read() as db:
        views = read.page(db, query, before=before, limit=AT_ONCE + 1)
        return page(
            "comparisons.html",
            views=views[:AT_ONCE],
            older=views[AT_ONCE - 1].id if len(views) > AT_ONCE else None,
            before=before,
            total=read.count(db),
            query=query,
            zone=current_publication.chosen(db).zone,
        )


@blueprint.get("/comparisons/<slug>")
def comparison(slug: str) -> str:
    """One comparison as it stands, what each version changed, and the issues that held which of them."""
    with services().db.read() as db:
        view = read.by_slug(db, slug)
        rows = _versions(db, view.id)
        views = read.by_version(db, [row.id for row in rows])
        in_order = [views[row.id] for row in rows]
        return page(
            "comparison.html",
            view=view,
            held=_held(db, view.id),
            versions=changes.history(in_order),
            imported={row.id: row.imported_at for row in rows},
            zone=current_publication.chosen(db).zone,
        )


def _versions(db: Session, comparison_id: int) -> list[ComparisonVersion]:
    """The last versions, the oldest of them first."""
    rows = select(ComparisonVersion).where(ComparisonVersion.comparison_id == comparison_id)
    return list(db.scalars(rows.order_by(ComparisonVersion.number.desc()).limit(VERSIONS)))[::-1]


def _held(db: Session, comparison_id: int) -> list[tuple[Issue, int]]:
    """The issues that hold it, and in which version."""
    rows = (
        select(Issue, ComparisonVersion.number)
        .join(Pick, Pick.issue_id == Issue.id)
        .join(ComparisonVersion, ComparisonVersion.id == Pick.version_id)
        .where(Pick.comparison_id == comparison_id)
        .options(joinedload(Issue.publication))
        .order_by(Issue.number)
    )
    return [(issue, number) for issue, number in db.execute(rows)]
