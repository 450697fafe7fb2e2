"""The readers from the desk: how many stand where, and lists that stay short among a million."""

from typing import Final

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.audience import find, standings
from digest.audience.address import normal
from digest.audience.find import Found
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import needs
from digest.web.desk.view_helpers import field, page, services, to
from digest.web.guards import whole

CHARS: Final = 320


@blueprint.get("/subscribers")
def subscribers() -> str:
    """Counts by standing, and those of one standing, fifty at a time."""
    standing = request.args.get("standing", "")
    after = request.args.get("after", type=whole) or 0
    with services().db.read() as db:
        number = current_publication.chosen(db).id
        rows = find.by_number(db, number, utcnow(), standing=standing, after=after, limit=find.PAGE + 1)
        return _page(db, rows, standing=standing, after=after)


@blueprint.post("/subscribers")
@needs(Role.VIEWER)
def seek() -> Response | str:
    """Find by how an address begins. It is a POST so that no address stands in a URL, a log or a history."""
    typed, standing = field("address")[:CHARS], field("standing")
    after = field("after")[:CHARS]
    with services().db.read() as db:
        one = None if after or standing else _by_address(db, typed)
        if one is not None:
            return to("audience.subscriber", number=one)
        number = current_publication.chosen(db).id
        if not typed:
            rows = find.by_number(db, number, utcnow(), standing=standing, limit=find.PAGE + 1)
            return _page(db, rows, standing=standing)
        rows = find.by_prefix(
            db, number, typed, utcnow(), standing=standing, after=after, limit=find.PAGE + 1
        )
        return _page(db, rows, typed=typed, standing=standing, after=after)


def _page(
    db: Session, rows: list[Found], *, typed: str = "", standing: str = "", after: str | int = ""
) -> str:
    publication = current_publication.chosen(db)
    standing_counts = standings.count(db, publication.id, utcnow())
    return page(
        "subscribers.html",
        zone=publication.zone,
        standings=standing_counts,
        total=sum(standing_counts.values()),
        rows=rows[: find.PAGE],
        last=rows[find.PAGE - 1] if len(rows) > find.PAGE else None,
        typed=typed,
        standing=standing,
        after=after,
    )


def _by_address(db: Session, typed: str) -> int | None:
    try:
        key = normal(typed).key
    except BadInput:
        return None
    return db.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
