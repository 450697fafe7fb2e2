"""The subject and preheader of a draft until an editor writes better ones."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from digest.catalog.models import ComparisonVersion, Review, Tool
from digest.editorial.models import Issue, Pick
from digest.render.inbox_lines import default_preheader, default_subject


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
