"""The readers: counts by status, and lists that stay short among a million."""

from typing import Final

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.audience import search as find
from digest.audience import status_counts
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.audience.search import SearchResult
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import form_field, redirect_to, render_page, services
from digest.web.guards import parse_row_number

MAX_PREFIX_CHARS: Final = 320


@blueprint.get("/subscribers")
def subscribers() -> str:
    """Counts by status, and the readers of one status, fifty at a time."""
    status = request.args.get("status", "")
    after = request.args.get("after", type=parse_row_number) or 0
    with services().db.read() as db:
        number = current_publication.get(db).id
        rows = find.by_number(db, number, utcnow(), status=status, after=after, limit=find.PAGE + 1)
        return _render(db, rows, status=status, after=after)


@blueprint.post("/subscribers")
@requires_role(Role.VIEWER)
def search() -> Response | str:
    """Find readers by the start of an address. A POST, so that no address ends up in a URL, a log or a history.

    Viewers see masked addresses, so they find by a whole one only: beginnings would spell the rest out.
    """
    typed, status = form_field("address")[:MAX_PREFIX_CHARS], form_field("status")
    after = form_field("after")[:MAX_PREFIX_CHARS]
    with services().db.read() as db:
        by_whole_address = not g.me.may_edit or not (after or status)
        one = _find_by_address(db, typed) if by_whole_address else None
        if one is not None:
            return redirect_to("audience.subscriber", number=one)
        number = current_publication.get(db).id
        if not typed:
            rows = find.by_number(db, number, utcnow(), status=status, limit=find.PAGE + 1)
            return _render(db, rows, status=status)
        if not g.me.may_edit:
            return _render(db, [], typed=typed, status=status)
        rows = find.by_prefix(db, number, typed, utcnow(), status=status, after=after, limit=find.PAGE + 1)
        return _render(db, rows, typed=typed, status=status, after=after)


def _render(
    db: Session, rows: list[SearchResult], *, typed: str = "", status: str = "", after: str | int = ""
) -> str:
    publication = current_publication.get(db)
    standing_counts = status_counts.count(db, publication.id, utcnow())
    return render_page(
        "subscribers.html",
        zone=publication.zone,
        status_counts=standing_counts,
        total=sum(standing_counts.values()),
        rows=rows[: find.PAGE],
        last=rows[find.PAGE - 1] if len(rows) > find.PAGE else None,
        typed=typed,
        status=status,
        after=after,
    )


def _find_by_address(db: Session, typed: str) -> int | None:
    try:
        key = normalize(typed).key
    except BadInput:
        return None
    return db.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
