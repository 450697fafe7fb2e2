"""The variants of an issue: which picks readers with certain topics get, and how large their emails are."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from digest.audience import topics
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial import editions
from digest.editorial.models import Issue
from digest.render.compiled_issue import CompiledIssue
from digest.render.content import Edition, from_json
from digest.web.desk.drafts.sample_email import render_sample


@dataclass(frozen=True)
class Variant:
    """The picks that some readers get."""

    picks: tuple[int, ...]  # ids, in order; empty: such a reader gets no email
    total: int  # picks in the issue
    bytes: int  # of the whole email as sent; 0 without picks
    topics: tuple[str, ...] = ()  # that such a reader chose; empty: everything


@dataclass(frozen=True)
class Variants:
    """The topics an issue offers, those selected, and the selected, largest and smallest variant."""

    offered: tuple[str, ...]
    selected: tuple[str, ...]
    shown: Variant
    largest: Variant
    smallest: Variant


def current_edition(db: Session, issue: Issue, base_url: str) -> Edition:
    """The frozen edition of the issue; before the freeze, its edition as it is now."""
    frozen = db.get(FrozenIssue, issue.id)
    return from_json(frozen.edition) if frozen else editions.build_edition(db, issue, base_url)


def find_variants(edition: Edition, made: CompiledIssue, wanted: Collection[str]) -> Variants:
    """The variants of a compiled issue, for a reader who chose `wanted` topics (empty: everything)."""
    blocks = [block.topics for block in edition.blocks]
    offered = sorted(set().union(*blocks), key=str.casefold)

    def variant(choice: Collection[str]) -> Variant:
        places = topics.variant_positions(topics.variant_of(choice, blocks), len(blocks))
        picks = tuple(edition.blocks[place].pick_id for place in places)
        size = len(render_sample(made, picks)) if picks else 0
        return Variant(picks, len(blocks), size, tuple(sorted(choice)))

    mine = [topic for topic in offered if topic in wanted]
    every = variant(())
    # The smallest variant is always one with a single topic.
    smallest = min([every, *(variant([topic]) for topic in offered)], key=lambda candidate: candidate.bytes)
    # Topics that the issue does not offer are ignored, so a preview with none of its topics shows everything.
    return Variants(tuple(offered), tuple(mine), variant(mine), _largest(made), smallest)


def _largest(made: CompiledIssue) -> Variant:
    size = len(render_sample(made, made.largest)) if made.picks else 0
    return Variant(made.largest, len(made.picks), size)
