"""What stays when the deliveries of an issue are deleted: the figures that reports show, and nothing about a reader."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.delivery_list import list_refusals_by_domain
from digest.delivery.ledger.models import FrozenIssue, OutcomeTotal, RefusalTotal
from digest.editorial.models import Issue
from digest.errors import NotAllowed


def store_totals(session: Session, frozen: FrozenIssue, now: datetime) -> None:
    """Store an issue's totals; from now on reports read them, and nothing of it can be sent again."""
    counts = count_outcomes(session, frozen.issue_id)
    rows: list[tuple[str, str, int]] = []
    for outcome in ("accepted", "excluded", "failed", "unknown"):
        reasons = dict(counts.reasons.get(outcome, {}))
        reasons[""] = getattr(counts, outcome) - sum(reasons.values())
        # One row at least, even if nobody was to get it: it says that there are totals.
        rows += [(outcome, reason, number) for reason, number in reasons.items() if number or not rows]
    domains = list_refusals_by_domain(session, frozen.issue_id)
    refusals = [(found.name, why, many) for found in domains for why, many in found.reasons.items()]
    _insert(session, OutcomeTotal, frozen.issue_id, ("outcome", "reason", "deliveries"), rows)
    _insert(session, RefusalTotal, frozen.issue_id, ("domain", "reason", "deliveries"), refusals)
    frozen.deliveries_totalled_at = now
    session.flush()


def find_totalled_at(session: Session, issue_id: int) -> datetime | None:
    """When an issue's totals were stored and its deliveries deleted; None while it has them."""
    return session.scalar(select(FrozenIssue.deliveries_totalled_at).where(FrozenIssue.issue_id == issue_id))


def require_deliveries(session: Session, issue: Issue) -> None:
    """Raise NotAllowed when the deliveries or emails of an issue were deleted, so that nobody can get it again.

    Until the end of the transaction they are not deleted either.
    """
    frozen = session.get(
        FrozenIssue,
        issue.id,
        options=FrozenIssue.without_content(),
        with_for_update=True,
        populate_existing=True,
    )
    if frozen is not None and (frozen.deliveries_totalled_at or frozen.emails_deleted_at):
        raise NotAllowed(
            f"issue {issue.number} can no longer be sent to anybody: its deliveries or emails were deleted, as the "
            "DIGEST_KEEP_… settings say; its report stays"
        )


def _insert(
    session: Session,
    table: type[OutcomeTotal] | type[RefusalTotal],
    issue_id: int,
    names: tuple[str, ...],
    rows: Iterable[tuple[str, str, int]],
) -> None:
    values = [{"issue_id": issue_id, **dict(zip(names, row, strict=True))} for row in rows]
    if values:
        session.execute(insert(table), values)
