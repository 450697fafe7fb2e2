"""Checks whether a text names a pick that some of its readers do not get, because they chose other topics."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from sqlalchemy.orm import Session

from digest.audience import topics
from digest.catalog.named_tools import find_named_tools
from digest.editorial.checks.finding import Finding, warning
from digest.editorial.checks.texts import EditorText
from digest.editorial.models import Issue
from digest.render.content import Block, Edition

_MAX_TOPICS_NAMED: Final = 3


def check_variants(session: Session, issue: Issue, edition: Edition) -> Iterator[Finding]:
    """Yield each pick that the intro, or another pick's note, names and that readers of some topics do not get.

    Nothing to say while no reader of the publication has chosen topics.
    """
    if not topics.has_any_choices(session, issue.publication_id):
        return
    everyone = frozenset[str]().union(*(block.topics for block in edition.blocks))
    yield from _check_text(session, EditorText("the intro", "intro", issue.intro), everyone, edition.blocks)
    for pick, block in zip(issue.picks, edition.blocks, strict=True):
        note = EditorText(f"the note on pick {pick.position}", f"note-{pick.comparison_id}", pick.note)
        yield from _check_text(session, note, block.topics, edition.blocks)


def _check_text(
    session: Session, source: EditorText, read_by: Collection[str], blocks: Sequence[Block]
) -> Iterator[Finding]:
    """`read_by` are the topics whose readers get this text."""
    named: dict[tuple[int, ...], list[str]] = {}  # tools by the positions of the picks that compare them
    for tool in find_named_tools(session, source.markdown):
        holding = tuple(n for n, block in enumerate(blocks) if tool in {block.left.tool, block.right.tool})
        named.setdefault(holding, []).append(tool)
    named.pop((), None)  # of no pick: the check for absent tools says so
    for holding, tools in named.items():
        without = sorted(set(read_by) - set().union(*(blocks[n].topics for n in holding)), key=str.casefold)
        if without:
            pick = " or ".join(str(n + 1) for n in holding)
            text = (
                f"{source.label.capitalize()} names {' and '.join(tools)} (pick {pick}). "
                f"Readers who chose only {_list_topics(without)} do not get it."
            )
            fix = (
                f"Move this to the note on pick {pick}, or write it so that it also works without that pick."
            )
            key = f"{source.location} {' '.join(blocks[n].slug for n in holding)}"
            yield warning("named by topics", text, fix, source.location, key)


def _list_topics(names: Sequence[str]) -> str:
    """The topics as readers choose them: "Search, Video or 4 other topics"."""
    shown, more = list(names[:_MAX_TOPICS_NAMED]), len(names) - _MAX_TOPICS_NAMED
    if more > 0:
        shown.append(f"{more} other topic{'s' if more > 1 else ''}")
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
