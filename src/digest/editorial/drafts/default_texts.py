"""The subject and preheader of a draft until an editor writes better ones."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog.comparison import comparison_title
from digest.catalog.models import ComparisonVersion, Review, Tool
from digest.editorial.models import Issue, Pick

MAX_SUBJECT_CHARS = 60  # what an inbox on a desktop shows; a phone shows less
MAX_PREHEADER_CHARS = 110

ToolPairs = Sequence[tuple[str, str]]  # the two tools of each pick, in order


def default_subject(pairs: ToolPairs) -> str:
    """Return a subject of at most 60 characters: a question about the lead, and how many more verdicts there are."""
    if not pairs:
        return ""
    (left, right), others = pairs[0], len(pairs) - 1
    suffix = f" and {others} more verdict{'s' if others > 1 else ''}" if others else ""
    for question in (f"{left} or {right}?", f"Ship {left}?", f"Ship {right}?"):
        if len(question + suffix) <= MAX_SUBJECT_CHARS:
            return question + suffix
    return _shorten(f"{left} or {right}?", MAX_SUBJECT_CHARS - len(suffix)) + suffix


def default_preheader(pairs: ToolPairs) -> str:
    """Return a preheader that names the other comparisons, as many as fit."""
    titles = [comparison_title(left, right) for left, right in (pairs[1:] or pairs)]
    if not titles:
        return ""
    prefix = "Also: " if len(pairs) > 1 else "The panel's verdict: "
    fitting = len(titles)
    while fitting and len(prefix + ", ".join(titles[:fitting])) > MAX_PREHEADER_CHARS:
        fitting -= 1
    if not fitting:
        return _shorten(prefix + titles[0], MAX_PREHEADER_CHARS)
    return prefix + ", ".join(titles[:fitting])


def change_picks(session: Session, issue: Issue, change: Callable[[], None]) -> None:
    """Apply a `change` to the picks, and update a subject or preheader that is still the default one.

    What an editor wrote stays: a text is the default one when it is empty or made from the picks before the change.
    """
    before = _load_tool_pairs(session, issue)
    change()
    after = _load_tool_pairs(session, issue)
    if issue.subject in {"", default_subject(before)}:
        issue.subject = default_subject(after)
    if issue.preheader in {"", default_preheader(before)}:
        issue.preheader = default_preheader(after)
    session.flush()


def _load_tool_pairs(session: Session, issue: Issue) -> list[tuple[str, str]]:
    left, right, left_tool, right_tool = aliased(Review), aliased(Review), aliased(Tool), aliased(Tool)
    session.flush()
    rows = session.execute(
        select(left_tool.name, right_tool.name)
        .select_from(Pick)
        .join(ComparisonVersion, ComparisonVersion.id == Pick.version_id)
        .join(left, left.id == ComparisonVersion.left_id)
        .join(left_tool, left_tool.id == left.tool_id)
        .join(right, right.id == ComparisonVersion.right_id)
        .join(right_tool, right_tool.id == right.tool_id)
        .where(Pick.issue_id == issue.id)
        .order_by(Pick.position)
    )
    return [(left_name, right_name) for left_name, right_name in rows]


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"
