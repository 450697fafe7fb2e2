"""The readers from the desk: how many stand where, and what happened with one of them."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.audience import consent, reach, topics
from digest.audience.address import normal
from digest.audience.models import Subscriber, Subscription
from digest.db import utcnow
from digest.delivery import copies
from digest.delivery.models import Delivery
from digest.editorial.models import Issue, Role
from digest.errors import BadInput, NotFound
from digest.publications.models import Publication
from digest.web.desk import chosen
from digest.web.desk.frame import field, page, say, services, to
from digest.web.desk.gate import blueprint, needs

LAST = 25


@blueprint.get("/subscribers")
def subscribers() -> str:
    """Counts by standing, and a search by the exact address."""
    with services().db.read() as db:
        publication = chosen.chosen(db)
        standing = _standing(db, publication)
        return page(
            "subscribers.html", standing=standing, total=sum(standing.values()), missing=None, typed=""
        )


@blueprint.post("/subscribers")
@needs(Role.VIEWER)
def seek() -> Response | tuple[str, int]:
    """Find one by address. It is a POST so that no address stands in a URL, a log or a history."""
    typed = field("address")
    with services().db.read() as db:
        number = _by_address(db, typed)
        if number is not None:
            return to("subscriber", number=number)
        standing = _standing(db, chosen.chosen(db))
        missing = f"Nobody signed up as {typed}." if typed else "Write the whole address."
        return page(
            "subscribers.html", standing=standing, total=sum(standing.values()), missing=missing, typed=typed
        ), 404


@blueprint.get("/subscribers/<int:number>")
def subscriber(number: int) -> str:
    """One reader: where they stand, what they agreed to in which words, and what they were sent."""
    with services().db.read() as db:
        found = db.get(Subscriber, number)
        if found is None:
            raise NotFound(f"there is no subscriber {number}")
        publication = chosen.chosen(db)
        rows = select(Delivery, Issue).join(Issue, Issue.id == Delivery.issue_id)
        rows = rows.where(Delivery.subscriber_id == number)
        mine = db.get(Subscription, (number, publication.id))
        return page(
            "subscriber.html",
            subscriber=found,
            subscription=mine,
            topics=topics.chosen(db, publication.id, number),
            mailable=copies.mailable(found, mine),
            events=consent.history(db, number),
            deliveries=db.execute(rows.order_by(Issue.id.desc()).limit(LAST)).all(),
            now=utcnow(),
            zone=publication.zone,
        )


@blueprint.post("/subscribers/<int:number>/issues/<int:which>/resend")
def resend(number: int, which: int) -> Response:
    """Send this reader's copy of an issue once more, byte for byte."""
    with services().db.begin() as db:
        copies.resend(db, chosen.issue(db, which), number, now=utcnow())
    services().nudge("letters")
    say(f"Their copy of issue {which} is on its way once more.")
    return to("subscriber", number=number)


def _standing(db: Session, publication: Publication) -> dict[str, int]:
    """How many stand where; every subscriber of the publication is in exactly one of them."""
    why = func.coalesce(reach.reason(utcnow()), "reachable").label("why")
    rows = (
        select(why)
        .select_from(Subscription)
        .join(Subscriber)
        .where(Subscription.publication_id == publication.id)
    )
    inner = rows.subquery()
    found: dict[str, int] = dict(db.execute(select(inner.c.why, func.count()).group_by(inner.c.why)).all())
    order = ("reachable", "pending", "paused", "left", "suppressed", "erased")
    return {name: found.get(name, 0) for name in order}


def _by_address(db: Session, typed: str) -> int | None:
    try:
        key = normal(typed).key
    except BadInput:
        return None
    return db.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
