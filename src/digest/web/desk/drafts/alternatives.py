"""Comparisons that were not picked and could take a pick's place."""

from collections.abc import Sequence

from digest.catalog.comparison import ComparisonView
from digest.editorial.models import Rejection

MAX_ALTERNATIVES = 3

RejectedComparison = tuple[Rejection, ComparisonView]


def find_alternatives(
    view: ComparisonView, rejected: Sequence[RejectedComparison]
) -> list[RejectedComparison]:
    """The best alternatives to a pick: those about the same tool, then of the same category, then the best of the rest.

    `rejected` is in ranking order. Comparisons that an editor excluded are left out.
    """
    available = [entry for entry in rejected if not entry[0].is_excluded]
    return sorted(available, key=lambda entry: _distance(view, entry[1]))[:MAX_ALTERNATIVES]


def _distance(view: ComparisonView, other: ComparisonView) -> int:
    if _tools(view) & _tools(other):
        return 0
    return 1 if _categories(view) & _categories(other) else 2


def _tools(view: ComparisonView) -> set[str]:
    return {view.left.tool_slug, view.right.tool_slug}


def _categories(view: ComparisonView) -> set[str]:
    return {view.left.category, view.right.category}
