"""The deliveries of an issue: outcome, time and the mail server's reply, as a paged list and as CSV."""

from collections.abc import Iterator
from typing import Final

from flask import Response, request, stream_with_context
from werkzeug.datastructures import Headers

from digest.access.audit_verbs import Verb
from digest.db import Database
from digest.delivery.ledger import delivery_list
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.totals import find_totalled_at
from digest.errors import NotFound
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.issues import blueprint
from digest.web.desk.view_helpers import render_page, services
from digest.web.guards import parse_row_number

OUTCOMES: Final = ("accepted", "excluded", "failed", "unknown", delivery_list.REMAINING)
MAX_FILTER_LENGTH: Final = 300


@blueprint.get("/issues/<int:number>/deliveries")
def deliveries(number: int) -> str:
    """The deliveries, optionally of one outcome, reason or receiving domain, fifty at a time."""
    filters = {
        name: request.args.get(name, "").strip()[:MAX_FILTER_LENGTH]
        for name in ("outcome", "reason", "domain")
    }
    after = request.args.get("after", type=parse_row_number) or 0
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        found = count_outcomes(db, issue.id)
        none = filters["outcome"] in OUTCOMES and not getattr(found, filters["outcome"])
        rows = (
            []
            if none
            else delivery_list.list_deliveries(
                db, issue.id, **filters, after=after, limit=delivery_list.PAGE_SIZE + 1
            )
        )
        return render_page(
            "deliveries.html",
            issue=issue,
            zone=issue.publication.zone,
            totalled_at=find_totalled_at(db, issue.id),
            counts=found,
            outcomes=OUTCOMES,
            filters=filters,
            after=after,
            rows=rows[: delivery_list.PAGE_SIZE],
            next=rows[delivery_list.PAGE_SIZE - 1].subscriber_id
            if len(rows) > delivery_list.PAGE_SIZE
            else None,
        )


@blueprint.post("/issues/<int:number>/outcomes.csv")
def export_deliveries(number: int) -> Response:
    """Every delivery of an issue as CSV, streamed, so that a million of them need no memory."""
    made = services()
    with made.db.begin() as db:
        issue = current_publication.get_issue(db, number)
        if find_totalled_at(db, issue.id):
            raise NotFound(f"the deliveries of issue {number} were deleted; its report stays")
        record(db, Verb.EXPORT, "issue", number, "deliveries")
        issue_id, name = issue.id, f"{issue.publication.slug}-{issue.number}-outcomes.csv"
    headers = Headers()
    headers.set("Content-Disposition", "attachment", filename=name)
    lines = stream_with_context(_csv_chunks(made.db, issue_id))
    return Response(lines, mimetype="text/csv; charset=utf-8", headers=headers)


def _csv_chunks(database: Database, issue_id: int) -> Iterator[str]:
    yield delivery_list.csv_header()
    after = 0
    while True:
        with database.read() as db:
            rows = delivery_list.list_deliveries(db, issue_id, after=after, limit=delivery_list.EXPORT_CHUNK)
        if not rows:
            return
        yield "".join(delivery_list.csv_lines(rows))
        after = rows[-1].subscriber_id
