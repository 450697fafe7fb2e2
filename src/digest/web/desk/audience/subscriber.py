"""One reader: their whole history, and what an editor may do for them."""

import json
from typing import Final

from flask import Response as Answer
from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from digest.audience import consent, suppression, topics
from digest.audience.models import Subscriber, Subscription
from digest.db import utcnow
from digest.delivery.ledger import subject_access
from digest.delivery.ledger.models import Delivery
from digest.delivery.ledger.retention import forget
from digest.delivery.letters import copies
from digest.editorial.models import Issue, Role
from digest.errors import NotAllowed, NotFound
from digest.tracking.unsubscribes import REASONS
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import note
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import needs
from digest.web.desk.view_helpers import complain, field, page, say, services, to
from digest.web.guards import whole

AT_ONCE: Final = 25


@blueprint.get("/subscribers/<int:number>")
def subscriber(number: int) -> str:
    """Where they stand, what they agreed to in which words, what they were sent, and what they did with it."""
    before = request.args.get("before", type=whole)
    with services().db.read() as db:
        found = _subscriber(db, number)
        publication = current_publication.chosen(db)
        mine = db.get(Subscription, (number, publication.id))
        sent = _deliveries(db, number, before)
        shown = sent[:AT_ONCE]
        visits: dict[int, list[subject_access.Visit]] = {}
        for visit in subject_access.visits(db, number, [issue.id for _, issue in shown]):
            visits.setdefault(visit.issue_id, []).append(visit)
        return page(
            "subscriber.html",
            subscriber=found,
            subscription=mine,
            topics=topics.chosen(db, publication.id, number),
            mailable=copies.mailable(found, mine),
            events=consent.history(db, number),
            deliveries=shown,
            before=before,
            older=shown[-1][1].id if len(sent) > AT_ONCE else None,
            visits=visits,
            left=subject_access.left(db, number),
            reasons=REASONS,
            letters=subject_access.letters(db, number),
            now=utcnow(),
            zone=publication.zone,
        )


@blueprint.get("/subscribers/<int:number>/data.json")
@needs(Role.EDITOR)
def data(number: int) -> Answer:
    """All that we hold about one reader, to hand over when they ask for it."""
    with services().db.read() as db:
        facts = subject_access.everything(db, _address(_subscriber(db, number)))
    headers = Headers()
    headers.set("Content-Disposition", "attachment", filename=f"reader-{number}.json")
    body = json.dumps(facts, ensure_ascii=False, indent=2)
    return Answer(body, mimetype="application/json", headers=headers)


@blueprint.post("/subscribers/<int:number>/issues/<int:which>/resend")
def resend(number: int, which: int) -> Response:
    """Send this reader's copy of an issue once more, byte for byte."""
    with services().db.begin() as db:
        copies.resend(db, current_publication.issue(db, which), number, now=utcnow())
        note(db, "resend", "subscriber", number, f"issue {which}")
    services().nudge("letters")
    say(f"Their copy of issue {which} is on its way once more.")
    return to("audience.subscriber", number=number)


@blueprint.get("/subscribers/<int:number>/suppress", endpoint="suppress")
@needs(Role.EDITOR)
def ask_suppress(number: int) -> str:
    """What suppressing means, before it is done: no button at the desk takes it back."""
    with services().db.read() as db:
        return page("subscriber_end.html", subscriber=_known(db, number), erase=False)


@blueprint.post("/subscribers/<int:number>/suppress", endpoint="suppress_now")
def suppress(number: int) -> Response:
    """Never mail this reader again, unless they sign up and confirm anew themselves."""
    with services().db.begin() as db:
        _known(db, number)
        made, now = services().signer, utcnow()
        suppression.suppress_subscriber(db, made, number, suppression.Reason.REQUEST, now)
        note(db, "suppress", "subscriber", number)
    say("This reader is not mailed any more.")
    return to("audience.subscriber", number=number)


@blueprint.get("/subscribers/<int:number>/erase", endpoint="erase")
@needs(Role.EDITOR)
def ask_erase(number: int) -> str:
    """What erasing means, before it is done: nothing takes it back."""
    with services().db.read() as db:
        return page("subscriber_end.html", subscriber=_known(db, number), erase=True)


@blueprint.post("/subscribers/<int:number>/erase", endpoint="erase_now")
def erase(number: int) -> Response:
    """Forget a reader for good, once their address was typed as a sign that it is meant."""
    with services().db.begin() as db:
        address = _address(_known(db, number))
        if field("address").casefold() != address.casefold():
            complain("Nothing was erased: type the address exactly as it stands there.")
            return to("audience.erase", number=number)
        forget(db, services().signer, address, utcnow())
        note(db, "erase", "subscriber", number)
    say(f"Reader {number} is erased. Their number stays, so that old counts still add up.")
    return to("audience.subscriber", number=number)


def _deliveries(db: Session, number: int, before: int | None) -> list[tuple[Delivery, Issue]]:
    rows = (
        select(Delivery, Issue)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(Delivery.subscriber_id == number)
    )
    if before is not None:
        rows = rows.where(Delivery.issue_id < before)
    rows = rows.options(joinedload(Issue.publication)).order_by(Delivery.issue_id.desc()).limit(AT_ONCE + 1)
    return [(delivery, issue) for delivery, issue in db.execute(rows)]


def _subscriber(db: Session, number: int) -> Subscriber:
    found = db.get(Subscriber, number)
    if found is None:
        raise NotFound(f"there is no subscriber {number}")
    return found


def _known(db: Session, number: int) -> Subscriber:
    """A reader whose address we still hold. Raises NotAllowed for one who was erased."""
    found = _subscriber(db, number)
    _address(found)
    return found


def _address(found: Subscriber) -> str:
    if found.address is None:
        raise NotAllowed("this reader was erased already, and nothing of them is left to act on")
    return found.address
