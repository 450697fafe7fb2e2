"""What the subscriber commands print, as plain data and as text."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.audience.export import Line
    from digest.audience.importing import Result

SHOWN = 20  # bad rows on a terminal; --json lists all


def import_facts(result: "Result") -> dict[str, Any]:
    """The sums of an import and each bad row, for JSON."""
    counts = ("rows", "added", "known", "left", "suppressed", "not_subscribed", "repeated", "bad")
    bad_rows = [{"line": bad.line, "reason": bad.reason, "text": bad.text} for bad in result.bad_rows]
    return {
        **{name: getattr(result, name) for name in counts},
        "invited": len(result.invited),
        "bad_rows": bad_rows,
    }


def import_text(result: "Result", confirmed: bool) -> str:
    """The same for a person: sums that say what they mean, and the first bad rows."""
    lines = [
        f"{result.rows:,} rows read",
        f"{result.added:>9,} added as {'readers' if confirmed else 'pending'}",
        f"{result.known:>9,} known already",
    ]
    rest = {
        "left: not mailed": result.left,
        "suppressed: not mailed": result.suppressed,
        "not subscribed, by their status column": result.not_subscribed,
        "repeated": result.repeated,
        "not usable": result.bad,
    }
    lines += [f"{number:>9,} {what}" for what, number in rest.items() if number]
    if result.invited:
        lines.append(f"{len(result.invited):>9,} will be mailed a confirmation letter")
    lines += [f"line {bad.line}: {bad.reason} ({bad.text})" for bad in result.bad_rows[:SHOWN]]
    if result.bad > SHOWN:
        lines.append(f"and {result.bad - SHOWN:,} more; --json lists them all")
    return "\n".join(lines)


def line_facts(line: "Line", addresses: bool) -> dict[str, Any]:
    """One subscriber for a listing; the address is masked unless `addresses`."""
    from digest.audience.address import masked

    since = line.confirmed_at or line.requested_at
    return {
        "subscriber": line.subscriber_id,
        "address": line.address if addresses else masked(line.address),
        "standing": line.standing,
        "since": since.date().isoformat(),
        "source": line.source,
    }


def everything(session: "Session", address: str) -> dict[str, Any]:
    """What all rooms hold: the audience's part, and the mails, letters and clicks that name the subscriber's number."""
    from digest.audience import export

    held = export.everything(session, address)
    return {
        **held,
        "deliveries": _deliveries(session, held["subscriber"]),
        "letters": _letters(session, held["subscriber"]),
        "clicks": _clicks(session, held["subscriber"]),
    }


def _deliveries(session: "Session", subscriber_id: int) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from digest.delivery.models import Delivery
    from digest.editorial.models import Issue

    found = session.execute(
        select(Issue.number, Delivery.outcome, Delivery.reason, Delivery.ended_at)
        .join(Delivery, Delivery.issue_id == Issue.id)
        .where(Delivery.subscriber_id == subscriber_id)
        .order_by(Issue.number)
    )
    return [
        {"issue": issue, "outcome": outcome, "reason": reason, "at": at.isoformat() if at else None}
        for issue, outcome, reason, at in found
    ]


def _letters(session: "Session", subscriber_id: int) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from digest.delivery.models import Letter

    found = session.execute(
        select(Letter.kind, Letter.facts, Letter.outcome, Letter.created_at)
        .where(Letter.subscriber_id == subscriber_id)
        .order_by(Letter.id)
    )
    return [
        {"kind": kind, "said": json.loads(facts), "outcome": outcome, "at": at.isoformat()}
        for kind, facts, outcome, at in found
    ]


def _clicks(session: "Session", subscriber_id: int) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from digest.tracking.models import Click, Link

    found = session.execute(
        select(Link.url, Click.agent, Click.at)
        .join(Click, Click.link_id == Link.id)
        .where(Click.subscriber_id == subscriber_id)
        .order_by(Click.at)
    )
    return [{"url": url, "agent": agent, "at": at.isoformat()} for url, agent, at in found]
