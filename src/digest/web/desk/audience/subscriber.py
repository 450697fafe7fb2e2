"""One reader: their history, and what an editor can do for them."""

import json
from typing import Final

from flask import Response as Answer
from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience import consent, suppression, topics
from digest.audience.models import Subscriber, Subscription
from digest.db import utcnow
from digest.delivery.ledger import subject_access
from digest.delivery.ledger.models import Delivery
from digest.delivery.ledger.retention import erase_person
from digest.delivery.letters import copies
from digest.editorial.models import Issue, Role
from digest.errors import NotAllowed, NotFound
from digest.tracking.unsubscribes import REASONS
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import (
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    services,
)
from digest.web.guards import parse_row_number

PAGE_SIZE: Final = 25


@blueprint.get("/subscribers/<int:number>")
def subscriber(number: int) -> str:
    """Their status, consent history, deliveries and clicks."""
    before = request.args.get("before", type=parse_row_number)
    with services().db.read() as db:
        found = _get_subscriber(db, number)
        publication = current_publication.get(db)
        mine = db.get(Subscription, (number, publication.id))
        sent = _list_deliveries(db, number, before)
        shown = sent[:PAGE_SIZE]
        visits: dict[int, list[subject_access.LinkClick]] = {}
        for visit in subject_access.list_clicks(db, number, [issue.id for _, issue in shown]):
            visits.setdefault(visit.issue_id, []).append(visit)
        return render_page(
            "subscriber.html",
            subscriber=found,
            subscription=mine,
            topics=topics.chosen_topics(db, publication.id, number),
            mailable=copies.may_receive_copy(found, mine),
            events=consent.history(db, number),
            deliveries=shown,
            before=before,
            older=shown[-1][1].id if len(sent) > PAGE_SIZE else None,
            visits=visits,
            unsubscribes=subject_access.find_unsubscribes(db, number),
            reasons=REASONS,
            letters=subject_access.list_letters(db, number),
            now=utcnow(),
            zone=publication.zone,
        )


@blueprint.post("/subscribers/<int:number>/data.json")
def export(number: int) -> Answer:
    """All data about one reader, to hand over when they ask for it (GDPR, Art. 15)."""
    with services().db.begin() as db:
        facts = subject_access.export_personal_data(db, _require_address(_get_subscriber(db, number)))
        record(db, Verb.EXPORT, "subscriber", number)
    headers = Headers()
    headers.set("Content-Disposition", "attachment", filename=f"reader-{number}.json")
    body = json.dumps(facts, ensure_ascii=False, indent=2)
    return Answer(body, mimetype="application/json", headers=headers)


@blueprint.post("/subscribers/<int:number>/issues/<int:which>/resend")
def resend_issue(number: int, which: int) -> Response:
    """Send this reader's copy of an issue again, byte for byte."""
    with services().db.begin() as db:
        copies.send_copy(db, current_publication.get_issue(db, which), number, now=utcnow())
        record(db, Verb.RESEND, "subscriber", number, f"issue {which}")
    services().enqueue_soon("letters")
    flash_done(f"Issue {which} will be sent to them again.")
    return redirect_to("audience.subscriber", number=number)


@blueprint.get("/subscribers/<int:number>/suppress")
@requires_role(Role.EDITOR)
def confirm_suppress(number: int) -> str:
    """Explain what suppressing means before it is done: the desk cannot undo it."""
    with services().db.read() as db:
        return render_page("subscriber_removal.html", subscriber=_get_unerased(db, number), erase=False)


@blueprint.post("/subscribers/<int:number>/suppress")
def suppress(number: int) -> Response:
    """Never mail this reader again, unless they sign up and confirm again themselves."""
    with services().db.begin() as db:
        _get_unerased(db, number)
        made, now = services().signer, utcnow()
        suppression.suppress_subscriber(db, made, number, suppression.SuppressionReason.REQUEST, now)
        record(db, Verb.SUPPRESS, "subscriber", number)
    flash_done("Reader suppressed. They will get no more emails.")
    return redirect_to("audience.subscriber", number=number)


@blueprint.get("/subscribers/<int:number>/erase")
@requires_role(Role.EDITOR)
def confirm_erase(number: int) -> str:
    """Explain what erasing means before it is done: it cannot be undone."""
    with services().db.read() as db:
        return render_page("subscriber_removal.html", subscriber=_get_unerased(db, number), erase=True)


@blueprint.post("/subscribers/<int:number>/erase")
def erase(number: int) -> Response:
    """Erase a reader permanently, once their address was typed to confirm."""
    with services().db.begin() as db:
        address = _require_address(_get_unerased(db, number))
        if form_field("address").casefold() != address.casefold():
            flash_problem("Nothing was erased. To confirm, type the address exactly as shown.")
            return redirect_to("audience.confirm_erase", number=number)
        erase_person(db, services().signer, address, utcnow())
        record(db, Verb.ERASE, "subscriber", number)
    flash_done(f"Reader {number} erased. Only their number is kept, so that past counts add up.")
    return redirect_to("audience.subscriber", number=number)


def _list_deliveries(db: Session, number: int, before: int | None) -> list[tuple[Delivery, Issue]]:
    rows = (
        select(Delivery, Issue)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(Delivery.subscriber_id == number)
    )
    if before is not None:
        rows = rows.where(Delivery.issue_id < before)
    rows = rows.options(joinedload(Issue.publication)).order_by(Delivery.issue_id.desc()).limit(PAGE_SIZE + 1)
    return [(delivery, issue) for delivery, issue in db.execute(rows)]


def _get_subscriber(db: Session, number: int) -> Subscriber:
    found = db.get(Subscriber, number)
    if found is None:
        raise NotFound(f"there is no subscriber {number}")
    return found


def _get_unerased(db: Session, number: int) -> Subscriber:
    """A reader whose address we still have. Raises NotFound, and NotAllowed for one who was erased."""
    found = _get_subscriber(db, number)
    _require_address(found)
    return found


def _require_address(found: Subscriber) -> str:
    if found.address is None:
        raise NotAllowed("this reader has already been erased")
    return found.address
