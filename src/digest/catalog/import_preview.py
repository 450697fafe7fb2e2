"""What an upload would import: each comparison as it would look, and what a new version changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.catalog.comparison import ComparisonView
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.models import Comparison, ComparisonVersion
from digest.catalog.uploads import PlannedImport
from digest.catalog.version_diff import FieldChange, diff_versions

CHUNK = 100

_VersionKey = tuple[str, int]  # slug and number


@dataclass(frozen=True)
class ImportPreview:
    """One comparison as it would be imported, and how it differs from the version before."""

    view: ComparisonView
    changes: tuple[FieldChange, ...] = ()


def preview_imports(
    session: Session, inputs: Sequence[ComparisonInput], planned: Sequence[PlannedImport], now: datetime
) -> list[ImportPreview]:
    """A preview of each of `inputs`, in their order; `planned` is what `uploads.get_upload` says of the same ones."""
    previous = _fetch_previous(session, planned)
    previews = []
    for comparison, plan in zip(inputs, planned, strict=True):
        view = _view(comparison, plan, now)
        old = previous.get((plan.slug, plan.version - 1)) if plan.change == "changed" else None
        if plan.change != "unchanged":
            previous[plan.slug, plan.version] = view  # the same upload may hold the version after it
        previews.append(ImportPreview(view, tuple(diff_versions(old, view)) if old else ()))
    return previews


def _fetch_previous(session: Session, planned: Iterable[PlannedImport]) -> dict[_VersionKey, ComparisonView]:
    """The stored version before each changed one."""
    wanted = [(plan.slug, plan.version - 1) for plan in planned if plan.change == "changed"]
    found = {}
    for start in range(0, len(wanted), CHUNK):
        is_wanted = [
            (Comparison.slug == slug) & (ComparisonVersion.number == number)
            for slug, number in wanted[start : start + CHUNK]
        ]
        ids = select(ComparisonVersion.id).join(Comparison).where(or_(*is_wanted))
        views = queries.fetch_by_version(session, session.scalars(ids).all())
        found.update({(view.slug, view.version): view for view in views.values()})
    return found


def _view(comparison: ComparisonInput, planned: PlannedImport, now: datetime) -> ComparisonView:
    return ComparisonView(
        id=0,
        version_id=0,
        version=planned.version,
        slug=planned.slug,
        left=comparison.left,
        right=comparison.right,
        quotes=tuple(comparison.ordered_quotes()),
        published_at=comparison.published_at or now,
        added_at=now,
        source=planned.source,
    )
