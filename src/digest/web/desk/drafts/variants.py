"""The variants of an issue: what a reader with certain topics gets of it, and how large that is."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from digest.audience import topics
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial import editions
from digest.editorial.models import Issue
from digest.render.compile import Pressed
from digest.render.content import Edition, from_json
from digest.web.desk.drafts.sample import sample_mail


@dataclass(frozen=True)
class Variant:
    """Some of an issue's picks, as one reader gets them."""

    picks: tuple[int, ...]  # ids, in order; empty: such a reader is not mailed
    of: int  # how many picks the issue has
    bytes: int  # of the whole mail as sent; 0 without picks
    topics: tuple[str, ...] = ()  # that such a reader chose; none: everything


@dataclass(frozen=True)
class Variants:
    """The topics that an issue has, the variant that was asked for, and the extremes."""

    offered: tuple[str, ...]
    wanted: tuple[str, ...]
    asked: Variant
    largest: Variant
    smallest: Variant


def edition_of(db: Session, issue: Issue, base_url: str) -> Edition:
    """What the issue says: as it was frozen, else as it stands."""
    frozen = db.get(FrozenIssue, issue.id)
    return from_json(frozen.edition) if frozen else editions.edition(db, issue, base_url)


def variants(edition: Edition, made: Pressed, wanted: Collection[str]) -> Variants:
    """The issue as a reader with the topics `wanted` gets it (none: everything)."""
    blocks = [block.topics for block in edition.blocks]
    offered = sorted(set().union(*blocks), key=str.casefold)

    def variant(choice: Collection[str]) -> Variant:
        held = topics.places(topics.variant_of(choice, blocks), len(blocks))
        picks = tuple(edition.blocks[place].pick_id for place in held)
        size = len(sample_mail(made, picks)) if picks else 0
        return Variant(picks, len(blocks), size, tuple(sorted(choice)))

    mine = [topic for topic in offered if topic in wanted]
    every = variant(())
    # Each block that anybody can have alone comes with one topic, so one topic each shows the smallest.
    smallest = min([every, *(variant([topic]) for topic in offered)], key=lambda found: found.bytes)
    # Who chose only what the issue has not gets nothing; who is looked through without a choice gets all.
    return Variants(tuple(offered), tuple(mine), variant(mine), every, smallest)
