"""Freezing an issue: what it says, then to whom. Nothing is sent before both are written down and counted."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Select, Subquery, case, cast, func, insert, literal, null, select
from sqlalchemy.orm import Session

from digest.audience import reach, topics
from digest.audience.models import Subscription, TopicChoice
from digest.delivery import batches, canary
from digest.delivery.forecast import left_since
from digest.delivery.mails import Maker
from digest.delivery.models import Batch, Delivery, FrozenIssue, Outcome
from digest.editorial import content, issues, transitions
from digest.editorial.findings import look_over
from digest.editorial.models import Issue, State
from digest.errors import DigestError
from digest.render.content import from_json, to_json
from digest.render.press import press
from digest.signing import Signer
from digest.tracking import links


def freeze(
    session: Session,
    issue: Issue,
    *,
    signer: Signer,
    base_url: str,
    now: datetime,
    by: str = "clock",
    user_id: int | None = None,
) -> None:
    """Fix what a scheduled issue says, and bring it into `sending`; its mails leave when its hold is over.

    Raises NotAllowed when it is not scheduled (any more) or a check blocks it, for it may have been edited since it was
    put on the calendar; BadInput when it cannot be pressed.
    """
    transitions.move(session, issue, State.SENDING, now=now, by=by, user_id=user_id)
    issue.release_at = now + timedelta(minutes=issue.hold_minutes)
    issues.refuse_unready(issue)
    edition = content.edition(session, issue, base_url)
    pressed = press(edition, dated=issue.release_at)
    look_over(session, issue, base_url=base_url, size=pressed.html_bytes).refuse(issue)
    stored = pressed.to_bytes()
    frozen = FrozenIssue(
        issue_id=issue.id,
        edition=to_json(edition),
        pressed=stored,
        sha256=hashlib.sha256(stored).hexdigest(),
        template_version=pressed.template_version,
        key_id=signer.newest,
        frozen_at=now,
    )
    session.add(frozen)
    session.flush()
    Maker.of(session, issue.id, signer).check()
    links.store(
        session, issue.id, [(link.number, link.pick_id, link.url, link.label) for link in pressed.links]
    )


def freeze_step(session: Session, issue_id: int, now: datetime, limit: int = batches.CHUNK) -> bool:
    """Write the next `limit` readers of the audience down; True when all are, and the count is right.

    May be called again after any crash and by two at once: it goes on behind the last reader that was committed.
    """
    frozen = session.scalars(
        select(FrozenIssue).where(FrozenIssue.issue_id == issue_id).with_for_update()
    ).one()
    if frozen.audience_done_at is not None:
        return True
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    if issue.state not in {State.SENDING, State.PAUSED}:
        return True
    rows = reach.audience(
        issue.publication_id, frozen.frozen_at, left_since(session, issue, frozen.frozen_at)
    )
    beyond = rows.where(Subscription.subscriber_id > frozen.audience_upto)
    chunk = beyond.order_by(Subscription.subscriber_id).limit(limit).subquery()
    last, mails = session.execute(
        select(func.max(chunk.c.subscriber_id), func.count().filter(chunk.c.reason.is_(None)))
    ).one()
    if last is None:
        return _finished(session, frozen, now)
    within = beyond.where(Subscription.subscriber_id <= last)
    readers = _narrowed(session, frozen, within, last).subquery("within")
    frozen.planned += _write(session, issue_id, readers, mails, now)
    frozen.audience_upto = last
    return False


def unfinished(session: Session) -> list[int]:
    """The issues whose audience is not all written down."""
    open_ = select(FrozenIssue.issue_id).join(Issue, Issue.id == FrozenIssue.issue_id)
    states = Issue.state.in_((State.SENDING, State.PAUSED))
    return list(session.scalars(open_.where(FrozenIssue.audience_done_at.is_(None), states)))


def _narrowed(
    session: Session, frozen: FrozenIssue, readers: Select[int, str | None], last: int
) -> Select[int, str | None, int | None]:
    """The readers up to `last` with the blocks that each wants, by the topics they chose."""
    publication = session.scalars(select(Issue.publication_id).where(Issue.id == frozen.issue_id)).one()
    if not topics.anybody_chose(session, publication):
        return readers.add_columns(cast(null(), BigInteger).label("variant"))
    blocks = [block.topics for block in from_json(frozen.edition).blocks]
    chosen = TopicChoice.subscriber_id
    wanted = topics.variants(publication, blocks).where(chosen > frozen.audience_upto, chosen <= last)
    return topics.narrowed(readers, wanted, len(blocks))


def _write(session: Session, issue_id: int, readers: Subquery, mails: int, now: datetime) -> int:
    """One row per reader: those to be mailed in batches, the others with their outcome; gives how many rows."""
    ids = batches.make(session, issue_id, mails, now)
    mailed = readers.c.reason.is_(None)
    # Who gets the same blocks stands together, so that the sender has few of the many kinds in hand at a time.
    order = (readers.c.variant, readers.c.subscriber_id)
    rank = func.row_number().over(partition_by=case((mailed, 0), else_=1), order_by=order) - 1
    columns = (readers.c.subscriber_id, readers.c.reason, readers.c.variant)
    ranked = select(*columns, rank.label("number")).subquery("ranked")
    room = batches.numbered(ids)
    free = ranked.c.reason.is_(None)
    rows = select(
        literal(issue_id),
        ranked.c.subscriber_id,
        room.c.id,
        case((free, ranked.c.number % batches.SIZE)),
        ranked.c.variant,
        case((free, None), else_=Outcome.EXCLUDED.value),
        ranked.c.reason,
        literal(0),
        case((free, None), else_=literal(now, Delivery.ended_at.type)),
    ).select_from(ranked.outerjoin(room, free & (room.c.number == ranked.c.number // batches.SIZE)))
    into = [
        "issue_id",
        "subscriber_id",
        "batch_id",
        "place",
        "variant",
        "outcome",
        "reason",
        "attempts",
        "ended_at",
    ]
    written = session.execute(
        insert(Delivery).from_select(into, rows, include_defaults=False),
        execution_options={"preserve_rowcount": True},
    )
    batches.settle(session, ids)
    return written.rowcount  # type: ignore[attr-defined,no-any-return] # an INSERT gives a cursor's result


def _finished(session: Session, frozen: FrozenIssue, now: datetime) -> bool:
    """Count anew what was written, batch by batch and row by row, before anything may be sent."""
    if batches.cut_loose(session, frozen.issue_id, now):
        return False
    of_issue = Delivery.issue_id == frozen.issue_id
    rows, open_ = session.execute(
        select(func.count(), func.count().filter(Delivery.outcome.is_(None))).where(of_issue)
    ).one()
    room = session.scalar(
        select(func.coalesce(func.sum(Batch.size), 0)).where(Batch.issue_id == frozen.issue_id)
    )
    if rows != frozen.planned or open_ != room:
        raise DigestError(
            f"the audience of issue row {frozen.issue_id} does not add up: {frozen.planned} planned, {rows} written, "
            f"{open_} to be mailed, {room} in batches; nothing was sent"
        )
    canary.set_apart(session, frozen, open_, now)
    frozen.audience_done_at = now
    return True
