"""All data stored about one person, for their own request (GDPR Articles 15 and 20) and for the desk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from digest.audience import export
from digest.audience.models import Subscriber
from digest.delivery.ledger.models import Delivery, FrozenIssue, Letter
from digest.editorial.models import Issue
from digest.tracking.models import Click, Link, Unsubscribe

MAX_LETTERS: Final = 50
MAX_CLICKS: Final = 200


@dataclass(frozen=True)
class LinkClick:
    """One reader's clicks on one link: how many, and whether they seem to come from a bot."""

    issue_id: int
    label: str
    url: str
    click_count: int
    is_bot: bool
    at: datetime


def export_personal_data(session: Session, address: str) -> dict[str, Any]:
    """The subscriber's data with their deliveries, letters, clicks and unsubscribes, for JSON.

    Raises NotFound, BadInput.
    """
    data = export.export_subscriber(session, address)
    number = data["subscriber"]
    return {
        **data,
        "deliveries": _export_deliveries(session, number),
        "letters": _export_letters(session, number),
        "clicks": _export_clicks(session, number),
        "unsubscribes": _export_unsubscribes(session, number),
    }


def mailed_subscriber_ids() -> Select[int]:
    """A query for everybody who was sent an issue, or is about to be, or may have been before deletion."""
    totalled = select(func.max(FrozenIssue.frozen_at)).where(FrozenIssue.deliveries_totalled_at.is_not(None))
    may_have_been = Subscriber.created_at <= totalled.scalar_subquery()
    is_mailed = select(Delivery.subscriber_id).where(Delivery.subscriber_id == Subscriber.id).exists()
    return select(Subscriber.id).where(or_(may_have_been, is_mailed))


def list_clicks(session: Session, subscriber_id: int, issue_ids: Sequence[int]) -> list[LinkClick]:
    """The reader's latest clicks in these issues, newest first."""
    columns = (Link.issue_id, Link.label, Link.url, Click.click_count, Click.is_bot, Click.at)
    rows = session.execute(
        select(*columns)
        .join(Click, Click.link_id == Link.id)
        .where(Click.subscriber_id == subscriber_id, Link.issue_id.in_(issue_ids))
        .order_by(Click.at.desc(), Click.id.desc())
        .limit(MAX_CLICKS)
    )
    return [LinkClick(*row) for row in rows]


def list_letters(session: Session, subscriber_id: int) -> Sequence[Letter]:
    """The last 50 letters to this reader, newest first."""
    rows = select(Letter).where(Letter.subscriber_id == subscriber_id)
    return session.scalars(rows.order_by(Letter.id.desc()).limit(MAX_LETTERS)).all()


def find_unsubscribes(session: Session, subscriber_id: int) -> dict[int, Unsubscribe]:
    """The issues from which this reader unsubscribed, with the reason if they gave one."""
    rows = select(Unsubscribe).where(Unsubscribe.subscriber_id == subscriber_id)
    return {unsubscribe.issue_id: unsubscribe for unsubscribe in session.scalars(rows)}


def _export_deliveries(session: Session, number: int) -> list[dict[str, Any]]:
    columns = (Delivery.outcome, Delivery.reason, Delivery.reply, Delivery.attempts, Delivery.ended_at)
    rows = session.execute(
        select(Issue.number, *columns)
        .join(Delivery, Delivery.issue_id == Issue.id)
        .where(Delivery.subscriber_id == number)
        .order_by(Issue.number)
    )
    names = ("issue", "outcome", "reason", "reply", "attempts")
    return [{**dict(zip(names, row, strict=False)), "at": _iso(row[-1])} for row in rows]


def _export_letters(session: Session, number: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Letter.kind, Letter.facts, Letter.outcome, Letter.created_at)
        .where(Letter.subscriber_id == number)
        .order_by(Letter.id)
    )
    return [
        {"kind": kind, "data": json.loads(facts), "outcome": outcome, "at": _iso(at)}
        for kind, facts, outcome, at in rows
    ]


def _export_clicks(session: Session, number: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Link.url, Click.user_agent, Click.click_count, Click.is_bot, Click.at)
        .join(Click, Click.link_id == Link.id)
        .where(Click.subscriber_id == number)
        .order_by(Click.at)
    )
    return [
        {"url": url, "user_agent": agent, "clicks": times, "is_bot": machine, "at": _iso(at)}
        for url, agent, times, machine, at in rows
    ]


def _export_unsubscribes(session: Session, number: int) -> list[dict[str, Any]]:
    columns = (Unsubscribe.source, Unsubscribe.reason, Unsubscribe.at, Unsubscribe.undone_at)
    rows = session.execute(
        select(Issue.number, *columns)
        .join(Unsubscribe, Unsubscribe.issue_id == Issue.id)
        .where(Unsubscribe.subscriber_id == number)
        .order_by(Unsubscribe.at)
    )
    return [
        {"issue": issue, "source": source, "reason": why, "at": _iso(at), "undone_at": _iso(undone)}
        for issue, source, why, at, undone in rows
    ]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
