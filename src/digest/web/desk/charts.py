"""Pictures as plain geometry: a template draws them as SVG, whose sizes are attributes, for style is forbidden.

Every picture is 100 high. Its width is a number of slots of ten; it is stretched to its place, so no text is inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

HEIGHT: Final = 100.0
SLOT: Final = 10.0
GAP: Final = 2.0
LEAST: Final = 1.5  # of the height: one among a million is still seen


@dataclass(frozen=True)
class Bar:
    """A rectangle of the picture; `kind` is its class in the style sheet."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Chart:
    """A picture, its description for screen readers, and what stands at its edges."""

    bars: tuple[Bar, ...]
    width: float
    description: str
    top: int = 0  # the value of the highest bar
    bottom: int = 0  # likewise below the line
    base: float = HEIGHT  # where zero is
    mark: float | None = None  # a line across: the median


@dataclass(frozen=True)
class Line:
    """One curve: its points as SVG wants them, and each point by itself."""

    kind: str
    points: str
    dots: tuple[tuple[float, float], ...]


def columns(layers: Sequence[tuple[str, Sequence[int]]], description: str) -> Chart:
    """Columns from one base, the layers (class, values) drawn over each other, the first behind."""
    top = max((value for _, values in layers for value in values), default=0)
    bars = [
        _column(place, value, top, HEIGHT, kind)
        for kind, values in layers
        for place, value in enumerate(values)
        if value
    ]
    many = max((len(values) for _, values in layers), default=0)
    return Chart(tuple(bars), many * SLOT, description, top)


def mirrored(
    up: tuple[str, Sequence[int]], down: Sequence[tuple[str, Sequence[int]]], description: str
) -> Chart:
    """What came above a line and what went below it, on one scale; what went is stacked."""
    top = max(up[1], default=0)
    gone = [sum(values) for values in zip(*(values for _, values in down), strict=True)]
    bottom = max(gone, default=0)
    base = round(HEIGHT * top / (top + bottom), 2) if top + bottom else HEIGHT / 2
    bars = [_column(place, value, top, base, up[0]) for place, value in enumerate(up[1]) if value]
    for place in range(len(gone)):
        y = base
        for kind, values in down:
            height = _height(values[place], bottom, HEIGHT - base)
            if height:
                bars.append(Bar(_x(place), round(y, 2), SLOT - GAP, height, kind))
            y += height
    return Chart(tuple(bars), len(up[1]) * SLOT, description, top, bottom, base)


def small(values: Sequence[int], description: str, kind: str, here: int | None = None) -> Chart:
    """A small multiple: a column for each, the one at `here` told apart, and the median of all as a line."""
    top = max(values, default=0)
    bars = [
        _column(place, value, top, HEIGHT, kind if place == here else "c-past")
        for place, value in enumerate(values)
        if value
    ]
    mark = round(HEIGHT - HEIGHT * median(values) / top, 2) if top else None
    return Chart(tuple(bars), len(values) * SLOT, description, top, mark=mark)


def percentages(kind: str, values: Sequence[int | None]) -> Line:
    """A curve of percentages over equal steps; a gap where there is none is bridged."""
    dots = tuple(
        (round(place * SLOT + SLOT / 2, 2), round(HEIGHT - value, 2))
        for place, value in enumerate(values)
        if value is not None
    )
    return Line(kind, " ".join(f"{x},{y}" for x, y in dots), dots)


def _column(place: int, value: int, top: int, base: float, kind: str) -> Bar:
    height = _height(value, top, base)
    return Bar(_x(place), round(base - height, 2), SLOT - GAP, height, kind)


def _x(place: int) -> float:
    return place * SLOT + GAP / 2


def _height(value: int, top: int, room: float) -> float:
    return round(max(LEAST, room * value / top), 2) if value and top else 0.0
