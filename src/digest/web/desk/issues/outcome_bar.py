"""The outcome bar: widths in thousandths that add up, in which even a single delivery is visible."""

from collections.abc import Iterable
from dataclasses import dataclass

NAMES = ("accepted", "excluded", "failed", "unknown", "remaining")
TOTAL_WIDTH = 1000
MIN_WIDTH = 6  # thousandths: one in a million is still drawn


@dataclass(frozen=True)
class Segment:
    """One outcome's segment of the bar, in thousandths of its width."""

    name: str
    count: int
    x: int
    width: int


def build_segments(counts: object) -> list[Segment]:
    """The segments for `counts`, which has an attribute per outcome. Empty ones have no width."""
    numbers = [int(getattr(counts, name)) for name in NAMES]
    widths = _segment_widths(numbers)
    starts = [sum(widths[:place]) for place in range(len(widths))]
    return [Segment(*part) for part in zip(NAMES, numbers, starts, widths, strict=True)]


def describe(counts: object) -> str:
    """The bar in words, for screen readers."""
    outcomes = [f"{int(getattr(counts, name)):,} {name}" for name in NAMES if getattr(counts, name)]
    return f"Of {int(getattr(counts, 'planned')):,} planned: {', '.join(outcomes) or 'nobody yet'}"  # noqa: B009  counts is any record


def _segment_widths(numbers: Iterable[int]) -> list[int]:
    numbers = list(numbers)
    total = sum(numbers)
    if total == 0:
        return [0] * len(numbers)
    widths = [max(MIN_WIDTH, n * TOTAL_WIDTH // total) if n else 0 for n in numbers]
    widest = widths.index(max(widths))
    widths[widest] += TOTAL_WIDTH - sum(widths)
    return widths
