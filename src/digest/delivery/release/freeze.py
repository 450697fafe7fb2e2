"""Freeze an issue: first its content, then its audience. Nothing is sent until both are stored and verified."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
)
from sqlalchemy.orm import Session, defer

from digest.audience import eligibility, topics
from digest.audience.models import Subscription, TopicChoice
from digest.delivery.ledger.message_factory import MessageFactory
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome
from digest.delivery.ledger.partitions import table_of
from digest.delivery.release import batches, canary, partitioning
from digest.delivery.release.forecast import unsubscribed_since
from digest.editorial import editions, issues, transitions
from digest.editorial.checks.report import run_checks
from digest.editorial.models import Issue, State
from digest.errors import DigestError
from digest.render.compile import compile_issue
from digest.render.content import from_json, to_json
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
    """Freeze the content of a scheduled issue and start sending; its mails leave when its hold is over.

    Raises NotAllowed when it is not scheduled (any more) or a check blocks it, since it may have been edited after it
    was scheduled; BadInput when it cannot be compiled.
    """
    transitions.change_state(session, issue, State.SENDING, now=now, actor=by, user_id=user_id)
    issue.release_at = now + timedelta(minutes=issue.hold_minutes)
    issues.require_sendable(issue)
    edition = editions.build_edition(session, issue, base_url)
    compiled = compile_issue(edition, dated=issue.release_at)
    run_checks(session, issue, base_url=base_url, compiled=compiled).require_no_blockers(issue)
    stored = compiled.to_bytes()
    frozen = FrozenIssue(
        issue_id=issue.id,
        edition=to_json(edition),
        compiled=stored,
        sha256=hashlib.sha256(stored).hexdigest(),
        template_version=compiled.template_version,
        key_id=signer.newest_key_id,
        frozen_at=now,
    )
    session.add(frozen)
    session.flush()
    MessageFactory.load(session, issue.id, signer).check_lines()
    links.store(
        session, issue.id, [(link.number, link.pick_id, link.url, link.label) for link in compiled.links]
    )


def write_next_audience(
    session: Session, issue_id: int, now: datetime, *, connections: int, limit: int = batches.CHUNK_SIZE
) -> bool:
    """Write deliveries for the next readers; True when all are written and the count is right.

    `connections`: how many all workers together may open to the relay; batches are cut so that each has work.
    Reads `limit` subscriptions of any publication. Safe to call concurrently and after a crash: it continues after the
    last reader that was committed.
    """
    locked = select(FrozenIssue).where(FrozenIssue.issue_id == issue_id).options(defer(FrozenIssue.compiled))
    frozen = session.scalars(locked.with_for_update()).one_or_none()
    if frozen is None or frozen.audience_done_at is not None:  # recalled, or complete
        return True
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    if issue.state not in {State.SENDING, State.PAUSED}:
        return True
    if not frozen.audience_upto and partitioning.prepare_partition(session, issue_id):
        return False
    last, count = _next_range(session, frozen.audience_upto, limit)
    if last is None:
        return _verify_audience(session, frozen, now, connections)
    readers = _select_readers(session, issue, frozen, last)
    size = _batch_size(session, issue_id, readers, count, connections)
    ids = batches.create_batches(session, issue_id, count, now, size=size)
    frozen.planned += _write_deliveries(session, issue_id, readers, ids, size=size, now=now)
    batches.finalize_batches(session, issue_id, ids)
    frozen.audience_upto = last
    return False


def list_unfinished(session: Session) -> list[int]:
    """The issues being sent whose audience is not complete. Paused ones are left out."""
    sending = select(FrozenIssue.issue_id).join(Issue, Issue.id == FrozenIssue.issue_id)
    incomplete = sending.where(FrozenIssue.audience_done_at.is_(None), Issue.state == State.SENDING)
    return list(session.scalars(incomplete.order_by(FrozenIssue.frozen_at, FrozenIssue.issue_id)))


def _next_range(session: Session, upto: int, limit: int) -> tuple[int | None, int]:
    """The last subscriber id and the count of the next `limit` subscriptions after subscriber `upto`."""
    ids = select(Subscription.subscriber_id).where(Subscription.subscriber_id > upto)
    run = ids.order_by(Subscription.subscriber_id).limit(limit).subquery()
    last, count = session.execute(select(func.max(run.c.subscriber_id), func.count()).select_from(run)).one()
    return last, count


def _batch_size(session: Session, issue_id: int, readers: Subquery, max_mails: int, connections: int) -> int:
    """The batch size for these readers, by how many mails are known by now, theirs included.

    It grows from range to range, so that no audience has to be counted beforehand.
    """
    earlier = (
        session.scalar(select(func.coalesce(func.sum(Batch.size), 0)).where(Batch.issue_id == issue_id)) or 0
    )
    least, most = (batches.batch_size(mails, connections) for mails in (earlier, earlier + max_mails))
    if least == most:  # of a large audience only the first readers are counted
        return most
    mails = session.scalar(select(func.count()).select_from(readers).where(readers.c.reason.is_(None)))
    return batches.batch_size(earlier + (mails or 0), connections)


def _write_deliveries(
    session: Session, issue_id: int, readers: Subquery, batch_ids: list[int], *, size: int, now: datetime
) -> int:
    """Write a row per reader, in a batch of `size` or excluded with a reason; returns how many."""
    numbered = _number_readers(readers)
    is_mailable = numbered.c.reason.is_(None)
    values: dict[str, ColumnElement[Any]] = {
        "issue_id": literal(issue_id),
        "subscriber_id": numbered.c.subscriber_id,
        "batch_id": batches.batch_expression(batch_ids, numbered.c.position, size),
        "seq": numbered.c.position % size,
        "variant": numbered.c.variant,
        "import_id": numbered.c.import_id,
        "outcome": case((is_mailable, None), else_=Outcome.EXCLUDED.value),
        "reason": numbered.c.reason,
        "attempts": literal(0),
        "ended_at": case((is_mailable, None), else_=literal(now, Delivery.ended_at.type)),
    }
    table = table_of(session, issue_id)
    written = session.execute(
        insert(table).from_select(list(values), select(*values.values()), include_defaults=False),
        execution_options={"preserve_rowcount": True},
    )
    return written.rowcount  # type: ignore[attr-defined,no-any-return] # an INSERT gives a cursor's result


def _select_readers(session: Session, issue: Issue, frozen: FrozenIssue, last: int) -> Subquery:
    """The readers up to `last`: subscriber_id, reason, import_id and, if any reader chose topics, variant."""
    id_range = (frozen.audience_upto, last)
    since = unsubscribed_since(session, issue, frozen.frozen_at)
    readers: Select[Any] = eligibility.audience(
        issue.publication_id, frozen.frozen_at, since, id_range
    ).add_columns(Subscription.import_id)
    if topics.has_any_choices(session, issue.publication_id):
        return _with_variants(readers, frozen, issue.publication_id, id_range).subquery("readers")
    return readers.subquery("readers")


def _number_readers(readers: Subquery) -> Subquery:
    """The readers with a variant, and a position from 0 for each one to be mailed."""
    is_mailable, has_variants = readers.c.reason.is_(None), "variant" in readers.c
    # Readers of the same variant go together, so that the sender needs few message templates at a time.
    order = (readers.c.variant, readers.c.subscriber_id) if has_variants else (readers.c.subscriber_id,)
    position = func.count().filter(is_mailable).over(order_by=order, rows=(None, 0)) - 1
    columns = (
        readers.c.subscriber_id,
        readers.c.reason,
        readers.c.variant if has_variants else cast(null(), BigInteger).label("variant"),
        readers.c.import_id,
        case((is_mailable, position)).label("position"),
    )
    return select(*columns).subquery("numbered_readers")


def _with_variants(
    readers: Select[int, str | None], frozen: FrozenIssue, publication_id: int, id_range: tuple[int, int]
) -> Select[int, str | None, int | None]:
    """The readers of a range of subscribers, with each one's variant by the topics they chose."""
    blocks = [block.topics for block in from_json(frozen.edition).blocks]
    chosen = TopicChoice.subscriber_id
    wanted = topics.variant_query(publication_id, blocks).where(chosen > id_range[0], chosen <= id_range[1])
    return topics.narrow_audience(readers, wanted, len(blocks))


def _verify_audience(session: Session, frozen: FrozenIssue, now: datetime, connections: int) -> bool:
    """Recount the rows and the batches before anything may be sent; False while some rows had no batch."""
    delivery = table_of(session, frozen.issue_id).c
    of_issue, is_open = delivery.issue_id == frozen.issue_id, delivery.outcome.is_(None)
    is_unassigned = is_open & delivery.batch_id.is_(None)
    sums = (func.count(), func.count().filter(is_open), func.count().filter(is_unassigned))
    rows, open_, unassigned = session.execute(select(*sums).where(of_issue)).one()
    if unassigned:
        batches.batch_unassigned(session, frozen.issue_id, now, connections=connections)
        return False
    batched = session.scalar(
        select(func.coalesce(func.sum(Batch.size), 0)).where(Batch.issue_id == frozen.issue_id)
    )
    if rows != frozen.planned or open_ != batched:
        raise DigestError(
            f"the audience of issue row {frozen.issue_id} does not add up: {frozen.planned} planned, {rows} written, "
            f"{open_} to be mailed, {batched} in batches; nothing was sent"
        )
    canary.create_canary(session, frozen, open_, now, connections=connections)
    frozen.audience_done_at = now
    return True
