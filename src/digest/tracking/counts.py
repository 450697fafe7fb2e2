"""What readers did with an issue: every click, and beside it those that a person seems to have made."""

from dataclasses import dataclass

from sqlalchemy import (
    CTE,
    Integer,
    Select,
    and_,
    case,
    cast,
    distinct,
    extract,
    func,
    select,
)
from sqlalchemy.orm import Session

from digest.tracking.models import Click, Link, Unsubscribe

BURST_SECONDS = 5
BURST_LINKS = 3  # so many different links so close together: a scanner walks through the mail, a person reads


@dataclass(frozen=True)
class LinkCounts:
    """One link of the mail. `readers` are different subscribers among the human clicks."""

    number: int
    pick_id: int | None
    label: str
    url: str
    clicks_raw: int
    clicks_human: int
    readers: int


@dataclass(frozen=True)
class PickCounts:
    """One pick: all of its links together. A reader who followed two of them counts once."""

    pick_id: int
    clicks_raw: int
    clicks_human: int
    readers: int


@dataclass(frozen=True)
class Counts:
    """One issue. `unsubscribes` are those not undone; `by_header` is the part that came by RFC 8058."""

    clicks_raw: int
    clicks_human: int
    readers_clicked: int
    unsubscribes: int
    unsubscribes_by_header: int
    unsubscribes_undone: int
    per_pick: tuple[PickCounts, ...]
    per_link: tuple[LinkCounts, ...]


def counts(session: Session, issue_id: int) -> Counts:
    """What was clicked in an issue and who left because of it; zeros for an issue that was never sent.

    A click is a machine's when its request said so, or when the same subscriber followed at least two other
    links within five seconds of it.
    """
    judged = _judged(issue_id)
    raw, human, readers = session.execute(_totals(judged)).one()
    left, header, undone = session.execute(_left(issue_id)).one()
    return Counts(
        clicks_raw=raw,
        clicks_human=human,
        readers_clicked=readers,
        unsubscribes=left,
        unsubscribes_by_header=header,
        unsubscribes_undone=undone,
        per_pick=_per_pick(session, judged),
        per_link=_per_link(session, issue_id, judged),
    )


def _judged(issue_id: int) -> CTE:
    """Every click of the issue with `human` true or false: set-based, for an issue may have a million."""
    second = cast(extract("epoch", Click.at), Integer)
    clicks = (
        select(
            Click.id, Click.link_id, Link.pick_id, Click.subscriber_id, Click.machine, second.label("second")
        )
        .join(Link, Link.id == Click.link_id)
        .where(Link.issue_id == issue_id)
        .cte("clicks")
    )
    seen = select(clicks.c.subscriber_id, clicks.c.link_id, clicks.c.second).distinct().cte("seen")
    near = seen.alias("near")
    bursts = (
        select(seen.c.subscriber_id, seen.c.second)
        .join(
            near,
            and_(
                near.c.subscriber_id == seen.c.subscriber_id,
                near.c.second.between(seen.c.second - BURST_SECONDS, seen.c.second + BURST_SECONDS),
            ),
        )
        .group_by(seen.c.subscriber_id, seen.c.second)
        .having(func.count(distinct(near.c.link_id)) >= BURST_LINKS)
        .cte("bursts")
    )
    human = case((clicks.c.machine, 0), (bursts.c.second.is_not(None), 0), else_=1)
    same = and_(bursts.c.subscriber_id == clicks.c.subscriber_id, bursts.c.second == clicks.c.second)
    return select(clicks, human.label("human")).outerjoin(bursts, same).cte("judged")


def _totals(judged: CTE) -> Select[int, int, int]:
    people = case((judged.c.human == 1, judged.c.subscriber_id))
    return select(
        func.count(judged.c.id).label("raw"),
        func.coalesce(func.sum(judged.c.human), 0).label("human"),
        func.count(distinct(people)).label("readers"),
    )


def _per_pick(session: Session, judged: CTE) -> tuple[PickCounts, ...]:
    pick_id = judged.c.pick_id
    query = (
        _totals(judged).add_columns(pick_id).where(pick_id.is_not(None)).group_by(pick_id).order_by(pick_id)
    )
    return tuple(PickCounts(row.pick_id, row.raw, row.human, row.readers) for row in session.execute(query))


def _per_link(session: Session, issue_id: int, judged: CTE) -> tuple[LinkCounts, ...]:
    query = (
        _totals(judged)
        .add_columns(Link.number, Link.pick_id, Link.label, Link.url)
        .select_from(Link)
        .outerjoin(judged, judged.c.link_id == Link.id)
        .where(Link.issue_id == issue_id)
        .group_by(Link.id)
        .order_by(Link.number)
    )
    return tuple(
        LinkCounts(row.number, row.pick_id, row.label, row.url, row.raw, row.human, row.readers)
        for row in session.execute(query)
    )


def _left(issue_id: int) -> Select[int, int, int]:
    stayed_away = Unsubscribe.undone_at.is_(None)
    header = and_(stayed_away, Unsubscribe.source == "header")
    return select(
        func.count(case((stayed_away, 1))),
        func.count(case((header, 1))),
        func.count(Unsubscribe.undone_at),
    ).where(Unsubscribe.issue_id == issue_id)
