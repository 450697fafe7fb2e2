"""Which of the comparisons that were not chosen could take a pick's place."""

from collections.abc import Sequence

from digest.catalog.read import ComparisonView
from digest.editorial.models import Rejection

AT_MOST = 3

Left = tuple[Rejection, ComparisonView]


def nearest(view: ComparisonView, left_out: Sequence[Left]) -> list[Left]:
    """The nearest rivals of a pick: those of the same tool, then of the same category, then the best of the rest.

    What an editor dropped is no rival. `left_out` is in the order of the ranking.
    """
    free = [left for left in left_out if not left[0].vetoed]
    return sorted(free, key=lambda left: _distance(view, left[1]))[:AT_MOST]


def _distance(view: ComparisonView, other: ComparisonView) -> int:
    if _tools(view) & _tools(other):
        return 0
    return 1 if _categories(view) & _categories(other) else 2


def _tools(view: ComparisonView) -> set[str]:
    return {view.left.tool_slug, view.right.tool_slug}


def _categories(view: ComparisonView) -> set[str]:
    return {view.left.category, view.right.category}
