"""Through whose eyes an issue is looked at: somebody with these topics, or one subscriber by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import Forbidden

from digest.audience import reach, topics
from digest.audience.address import masked
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.editorial.models import Issue
from digest.errors import NotFound
from digest.render.content import Edition
from digest.web.desk.drafts.sample import ADDRESS
from digest.web.guards import whole

_NOT_HERE = "not subscribed"


@dataclass(frozen=True)
class Eyes:
    """Who looks: their topics, and for a subscriber the address, and why they would not be mailed, if so."""

    wanted: tuple[str, ...] = ()
    reader: int | None = None
    to: str = ADDRESS
    shown: str = "r•••@example.org"  # as the mail's foot has it
    unmailed: str = ""
    picks: tuple[int, ...] | None = None  # what was frozen for them, where it was

    @property
    def query(self) -> Mapping[str, object]:
        """What an address says to look through the same eyes."""
        return {"reader": self.reader} if self.reader else {"topic": list(self.wanted)}


def eyes(db: Session, issue: Issue, edition: Edition) -> Eyes:
    """As the request asks; a viewer may look as somebody with topics, and not as a person."""
    reader = request.values.get("reader", type=whole)
    if reader is None:
        return Eyes(tuple(request.values.getlist("topic")))
    if not g.me.may_edit:
        raise Forbidden("Only an editor looks at an issue through the eyes of a reader by name.")
    return _of_subscriber(db, issue, edition, reader)


def _of_subscriber(db: Session, issue: Issue, edition: Edition, number: int) -> Eyes:
    found = db.get(Subscriber, number)
    if found is None or found.address is None:
        raise NotFound(f"there is no subscriber {number}, or they were erased")
    chosen = topics.chosen(db, issue.publication_id, number)
    rows = db.execute(reach.reachable_now(issue.publication_id, utcnow(), [number])).all()
    why = rows[0][1] if rows else _NOT_HERE
    blocks = [block.topics for block in edition.blocks]
    if why is None and topics.variant_of(chosen, blocks) == 0:
        why = topics.NOTHING
    frozen = _frozen(db, issue, edition, number)
    return Eyes(chosen, number, found.address, masked(found.address), why or "", frozen)


def _frozen(db: Session, issue: Issue, edition: Edition, number: int) -> tuple[int, ...] | None:
    """The picks that this reader's own mail holds, once it is written down."""
    if db.get(FrozenIssue, issue.id) is None:
        return None
    mine = select(Delivery.variant).where(Delivery.issue_id == issue.id, Delivery.subscriber_id == number)
    row = db.execute(mine).one_or_none()
    if row is None:
        return None
    return tuple(edition.blocks[place].pick_id for place in topics.places(row[0], len(edition.blocks)))
