"""Whose email a preview shows: a reader with certain topics, or one subscriber."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import Forbidden

from digest.audience import eligibility, origins, topics
from digest.audience.address import mask
from digest.audience.models import Subscriber, Subscription
from digest.db import utcnow
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.editorial.models import Issue
from digest.errors import NotFound
from digest.render.content import Edition
from digest.web.desk.drafts.sample_email import ADDRESS
from digest.web.guards import parse_row_number

_NOT_SUBSCRIBED = "not subscribed"


@dataclass(frozen=True)
class PreviewReader:
    """The reader to preview as: their topics, and for a subscriber the address and why they would not get the issue."""

    topics: tuple[str, ...] = ()
    subscriber_id: int | None = None
    address: str = ADDRESS
    masked_address: str = "r•••@example.org"  # as in the email's footer
    origin: str = origins.SUBSCRIBED  # why they receive it, as the email says
    not_sent_reason: str = ""
    picks: tuple[int, ...] | None = None  # ids, once the issue is frozen for them

    @property
    def query(self) -> Mapping[str, object]:
        """The query parameters that preview as the same reader."""
        return {"reader": self.subscriber_id} if self.subscriber_id else {"topic": list(self.topics)}


def requested_reader(db: Session, issue: Issue, edition: Edition) -> PreviewReader:
    """The reader that the request asks for. Viewers may choose topics, but no subscriber: that raises Forbidden."""
    reader = request.values.get("reader", type=parse_row_number)
    if reader is None:
        return PreviewReader(tuple(request.values.getlist("topic")))
    if not g.me.may_edit:
        raise Forbidden("Only editors can preview as a subscriber.")
    return _load_subscriber(db, issue, edition, reader)


def _load_subscriber(db: Session, issue: Issue, edition: Edition, number: int) -> PreviewReader:
    found = db.get(Subscriber, number)
    if found is None or found.address is None:
        raise NotFound(f"there is no subscriber {number}, or their data was erased")
    chosen = topics.chosen_topics(db, issue.publication_id, number)
    rows = db.execute(eligibility.eligible_now(issue.publication_id, utcnow(), [number])).all()
    why = rows[0][1] if rows else _NOT_SUBSCRIBED
    blocks = [block.topics for block in edition.blocks]
    if why is None and topics.variant_of(chosen, blocks) == 0:
        why = topics.NO_TOPIC_MATCHES
    return PreviewReader(
        chosen,
        number,
        found.address,
        mask(found.address),
        _origin(db, issue, number),
        why or "",
        _frozen_picks(db, issue, edition, number),
    )


def _origin(db: Session, issue: Issue, number: int) -> str:
    """Why this reader receives the issue: as it was frozen, else as it is now."""
    mine = select(Delivery.import_id).where(Delivery.issue_id == issue.id, Delivery.subscriber_id == number)
    now = select(Subscription.import_id).where(
        Subscription.publication_id == issue.publication_id, Subscription.subscriber_id == number
    )
    row = db.execute(mine).one_or_none() or db.execute(now).one_or_none()
    texts = origins.load_origins(db, issue.publication_id)
    return texts.get(row[0] if row else None, origins.UNKNOWN)


def _frozen_picks(db: Session, issue: Issue, edition: Edition, number: int) -> tuple[int, ...] | None:
    """The ids of the picks in this reader's frozen email; None before it is frozen."""
    if db.get(FrozenIssue, issue.id) is None:
        return None
    mine = select(Delivery.variant).where(Delivery.issue_id == issue.id, Delivery.subscriber_id == number)
    row = db.execute(mine).one_or_none()
    if row is None:
        return None
    return tuple(
        edition.blocks[place].pick_id for place in topics.variant_positions(row[0], len(edition.blocks))
    )
