"""Checks whether the texts that open an issue name a tool that is not in it, as after a pick was removed."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from digest.catalog.named_tools import find_named_tools
from digest.editorial.checks.finding import Finding, warning
from digest.editorial.checks.texts import EditorText, inbox_texts
from digest.editorial.models import Issue
from digest.render.content import Edition


def check_absent_tools(session: Session, issue: Issue, edition: Edition) -> Iterator[Finding]:
    """Yield each tool that the subject, preheader or intro names and that no pick compares."""
    if not edition.blocks:
        return
    present = {side.tool for block in edition.blocks for side in (block.left, block.right)}
    for source in (*inbox_texts(issue), EditorText("the intro", "intro", issue.intro)):
        for tool in find_named_tools(session, source.markdown):
            if tool not in present:
                text = f"{source.label.capitalize()} names {tool}, which is not in this issue."
                fix = f"Change {source.label}, or add a comparison with {tool}."
                key = f"{source.location} {tool}"
                yield warning("absent tool", text, fix, source.location, key)
