"""Deletes what old clicks say about a reader: first the user agent, later the click itself. Their totals stay."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.editorial.models import Issue
from digest.tracking import counts
from digest.tracking.models import Click, Link, PickTotal

CHUNK = 20_000


def delete_user_agents(session: Session, before: datetime, limit: int = CHUNK) -> bool:
    """Delete the user agent of up to `limit` clicks older than `before`; return whether none is left."""
    old = select(Click.id).where(Click.has_user_agent(), Click.at < before).order_by(Click.at).limit(limit)
    emptied = update(Click).where(Click.id.in_(old)).values(user_agent="")
    done = session.execute(emptied, execution_options=WITHOUT_SYNC)
    number: int = done.rowcount  # type: ignore[attr-defined] # an UPDATE gives a cursor's result
    return number < limit


def delete_clicks(session: Session, before: datetime, now: datetime, limit: int = CHUNK) -> bool:
    """Delete up to `limit` clicks in issues that ended before `before`; True when none is left.

    First it stores the readers of each link and pick of an issue; from then on its links redirect and count nothing.
    """
    ended = select(Issue.id).where(Issue.finished_at < before)
    links = select(Link).where(Link.issue_id.in_(ended), Link.clicks_deleted_at.is_(None))
    link = session.scalars(links.order_by(Link.id).limit(1)).one_or_none()
    if link is None:
        return True
    if link.readers is None:
        _store_totals(session, link.issue_id)
    elif not _delete_some(session, link, limit):
        link.clicks_deleted_at = now
    return False


def _store_totals(session: Session, issue_id: int) -> None:
    # On PostgreSQL this waits for clicks that are being counted: their foreign key holds the link.
    session.execute(
        select(Link.id).where(Link.issue_id == issue_id).order_by(Link.id).with_for_update()
    ).all()
    found = counts.count_issue(session, issue_id)
    for link in found.per_link:
        closed = update(Link).where(Link.issue_id == issue_id, Link.number == link.number)
        session.execute(closed.values(readers=link.readers), execution_options=WITHOUT_SYNC)
    rows = [
        {"issue_id": issue_id, "pick_id": pick.pick_id, "readers": pick.readers} for pick in found.per_pick
    ]
    if rows:
        session.execute(insert(PickTotal), rows)


def _delete_some(session: Session, link: Link, limit: int) -> bool:
    """Delete up to `limit` clicks on a link; False when there was none."""
    # Two indexes hold the clicks of a link: one those by people, the other the rest.
    for kind in (Click.is_human(), Click.is_bots()):
        some = select(Click.id).where(Click.link_id == link.id, kind).limit(limit)
        done = session.execute(delete(Click).where(Click.id.in_(some)), execution_options=WITHOUT_SYNC)
        if done.rowcount:  # type: ignore[attr-defined] # a DELETE gives a cursor's result
            return True
    return False
