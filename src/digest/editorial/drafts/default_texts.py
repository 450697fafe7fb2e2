"""The subject and preheader of a draft until an editor writes better ones."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog.models import ComparisonVersion, Review, Tool
from digest.editorial.models import Issue, Pick
from digest.render.inbox_lines import ToolPair, default_preheader, default_subject


def change_picks(session: Session, issue: Issue, change: Callable[[], None]) -> None:
    """Apply a `change` to the picks, and update a subject or preheader that is still the default one.

    What an editor wrote stays: a text is the default one when it is empty or made from the picks before the change.
    """
    before = _load_tool_pairs(session, issue)
    change()
    for name, text in _updated_texts(issue, before, _load_tool_pairs(session, issue)).items():
        setattr(issue, name, text)
    session.flush()


def follow_picks(session: Session, issue: Issue, after: Sequence[ToolPair]) -> dict[str, str]:
    """Return the texts that would change if the picks became `after`, by their names. Nothing is changed."""
    return _updated_texts(issue, _load_tool_pairs(session, issue), after)


def _updated_texts(issue: Issue, before: Sequence[ToolPair], after: Sequence[ToolPair]) -> dict[str, str]:
    texts = {}
    for name, default in (("subject", default_subject), ("preheader", default_preheader)):
        text = getattr(issue, name)
        if text in {"", default(before)} and text != default(after):
            texts[name] = default(after)
    return texts


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
