"""Plain text to a width, as a person would break it."""

import textwrap

COLUMNS = 72


def paragraph(text: str, *, first: str = "", rest: str | None = None) -> str:
    """One paragraph in lines of 72 columns; `first` and `rest` open its lines; a longer word is not cut."""
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def rule(mark: str) -> str:
    """A line across the page."""
    return mark * COLUMNS


def justify(left: str, right: str) -> str:
    """Two words at the two ends of a line, or below one another when they do not fit."""
    gap = COLUMNS - len(left) - len(right)
    return f"{left}{' ' * gap}{right}" if gap > 1 else f"{left}\n{right}"


def bar(percent: int) -> str:
    """A percentage as ten marks: `[########--]`."""
    full = max(0, min(10, round(percent / 10)))
    return f"[{'#' * full}{'-' * (10 - full)}]"
