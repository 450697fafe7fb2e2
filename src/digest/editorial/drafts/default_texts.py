"""The subject and the preheader that a draft has before anybody writes better ones."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog.models import ComparisonVersion, Review, Tool
from digest.editorial.models import Issue, Pick

MAX_SUBJECT_CHARS = 60  # what a phone shows of a subject is less; what a desk shows is about this
MAX_PREHEADER_CHARS = 110

ToolPairs = Sequence[tuple[str, str]]  # the two tools of each pick, in order


def default_subject(names: ToolPairs) -> str:
    """A subject of at most 60 characters: a question, and how much more there is."""
    if not names:
        return ""
    (left, right), others = names[0], len(names) - 1
    more = f" and {others} more verdict{'s' if others > 1 else ''}" if others else ""
    for asked in (f"{left} or {right}?", f"Ship {left}?", f"Ship {right}?"):
        if len(asked + more) <= MAX_SUBJECT_CHARS:
            return asked + more
    return _short(f"{left} or {right}?", MAX_SUBJECT_CHARS - len(more)) + more


def default_preheader(names: ToolPairs) -> str:
    """What follows the subject in an inbox: the other comparisons, as many as fit."""
    rest = [f"{left} vs {right}" for left, right in (names[1:] or names)]
    text = "Also: " if len(names) > 1 else "The panel's verdict: "
    for place, name in enumerate(rest):
        joined = (", " if place else "") + name
        if len(text + joined) > MAX_PREHEADER_CHARS:
            break
        text += joined
    else:
        return text if rest else ""
    return text if place else _short(text + rest[0], MAX_PREHEADER_CHARS)


def change_picks(session: Session, issue: Issue, change: Callable[[], None]) -> None:
    """Make a `change` to the picks, and let a subject or preheader that nobody has written follow it.

    What an editor wrote stays: a text counts as written when it is not the one made from the picks before.
    """
    before = _names(session, issue)
    change()
    after = _names(session, issue)
    if issue.subject in {"", default_subject(before)}:
        issue.subject = default_subject(after)
    if issue.preheader in {"", default_preheader(before)}:
        issue.preheader = default_preheader(after)
    session.flush()


def _names(session: Session, issue: Issue) -> list[tuple[str, str]]:
    left, right, left_tool, right_tool = aliased(Review), aliased(Review), aliased(Tool), aliased(Tool)
    session.flush()
    found = session.execute(
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
    return [(one, other) for one, other in found]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"
