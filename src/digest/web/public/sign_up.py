"""Signing up: the form, and what becomes of it. Whatever goes wrong, what was typed stays in the form."""

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, make_response, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests

from digest.audience import signup
from digest.audience.address import normalize, suggest_correction
from digest.db import utcnow
from digest.delivery.letters import notices, outbox
from digest.errors import BadInput, BadToken
from digest.publications import publications
from digest.web import request_limits
from digest.web.error_pages import wants_json
from digest.web.guards import content_security_policy, guarded_by_form
from digest.web.public import consent_texts, sign_up_price
from digest.web.public.sign_up_price import Demand
from digest.web.publication_context import PublicationContext, load_publication, services

HONEYPOT: Final = "website"  # hidden from people; bots fill in every field
FIELDS: Final = ("address", "email", "form", "keep", "proof", "wait", HONEYPOT)
MAX_ADDRESS_CHARS: Final = 254  # of an address, RFC 5321
LOCK_TIMEOUT_SECONDS: Final = 3.0  # nobody waits longer for a form
RETRY_AFTER: Final = timedelta(seconds=30)

LOG = logging.getLogger(__name__)

blueprint = Blueprint("sign_up", __name__)


@blueprint.get("/subscribe")
@blueprint.get("/p/<publication>/subscribe")
def form() -> Response:
    """The form on a page of its own, for a link from elsewhere and for a reload."""
    return _render_form({}, "", HTTPStatus.OK)


@blueprint.post("/subscribe")
@blueprint.post("/p/<publication>/subscribe")
@guarded_by_form
def subscribe() -> Response:
    """Accept a sign-up as a form or as JSON. The response is the same for every deliverable address."""
    given = _submitted_fields()
    try:
        return _respond(given)
    except (BadInput, BadToken) as problem:
        return _refuse(given, str(problem), HTTPStatus.BAD_REQUEST)
    except TooManyRequests as problem:
        return _refuse(given, str(problem.description), HTTPStatus.TOO_MANY_REQUESTS)
    except SQLAlchemyError as error:
        LOG.warning("sign-up not stored", extra={"error": type(error).__name__})
        message = (
            "we could not save that just now; your address is still here, so please try again in a moment"
        )
        return _refuse(given, message, HTTPStatus.SERVICE_UNAVAILABLE)


def _submitted_fields() -> dict[str, str]:
    """The fields as text; `address` may also be sent as `email`, as many forms do. Raises BadInput."""
    sent: Any = request.get_json(silent=True) if request.is_json else request.form
    if sent is None or not hasattr(sent, "get"):
        raise BadInput('send a JSON object such as {"address": "you@example.org"}')
    fields = {name: sent.get(name) or "" for name in FIELDS}
    fields = {name: value if isinstance(value, str) else "" for name, value in fields.items()}
    return fields | {"address": fields["address"] or fields["email"]}


def _respond(given: dict[str, str]) -> Response:
    """Raises BadInput, BadToken, TooManyRequests, and what the database raises."""
    if given[HONEYPOT]:
        return _render_accepted()
    made, now, address = services(), utcnow(), given["address"]
    if not address.strip():
        raise BadInput("please enter your email address")
    normalized = normalize(address)
    key = normalized.key
    # A program that sends JSON never loaded our form; browsers cannot send JSON across sites without CORS.
    if not request.is_json:
        signup.check_form(made.signer, given["form"], now)
        likely = suggest_correction(normalized.address)
        if likely and given["keep"] != address:
            return _render("likely_typo.html", given, likely=likely)
    if not sign_up_price.is_paid(made, given["proof"], given["wait"], key, now):
        demand = sign_up_price.measure_demand(made.limiter)
        if demand != Demand.NORMAL:
            return _ask_price(given, key, demand)
    _sign_up(given)
    return _render_accepted()


def _sign_up(given: dict[str, str]) -> None:
    """Store the request and queue its letter in one transaction; a nudge afterwards sends the letter at once."""
    made, now = services(), utcnow()
    with made.db.begin(LOCK_TIMEOUT_SECONDS) as session:
        asked = signup.request_signup(
            session,
            made.signer,
            publication=publications.find(session, g.get("publication_slug")),
            address=given["address"],
            wording=""
            if request.is_json
            else consent_text(load_publication(session)),  # we do not know what a program showed
            network=request_limits.client_address(),
            agent=request.user_agent.string,
            source="json" if request.is_json else "form",
            now=now,
        )
        if asked.letter:
            _post_letter(session, asked.letter, asked.subscriber_id)
    made.enqueue_soon("letters")  # in any case, so that the response time reveals nothing


def _post_letter(session: Session, kind: str, subscriber_id: int) -> None:
    now = utcnow()
    outbox.enqueue_letter(
        session,
        kind,
        now=now,
        publication_id=publications.find(session, g.get("publication_slug")).id,
        subscriber_id=subscriber_id,
        facts={
            "asked_at": now.isoformat(timespec="minutes"),
            "network": request_limits.network_of(request_limits.client_address()),
        },
    )


def _ask_price(given: dict[str, str], key: str, demand: Demand) -> Response:
    """Ask for some seconds of work, or of patience where there is no script."""
    made = services()
    if demand == Demand.BUSY and made.limiter.allows("1/hour", "sign-ups", "alert"):
        _alert_owners()
    price = sign_up_price.find_price(made, key, utcnow(), given["wait"])
    if wants_json():
        message = 'Many people are signing up. Solve the challenge, and send the solution as "proof".'
        response = jsonify(status="error", error=message, challenge=price.challenge)
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        return response
    response = _render("one_more_step.html", given, price=price)
    response.headers["Content-Security-Policy"] = content_security_policy(script_src="'self'")
    return response


def _alert_owners() -> None:
    """Tell the owners that many people sign up. When that fails, it is tried again an hour later."""
    try:
        with services().db.begin(LOCK_TIMEOUT_SECONDS) as session:
            publication = publications.find(session, g.get("publication_slug"))
            notices.notify_many_sign_ups(session, publication.id, utcnow())
    except SQLAlchemyError as error:
        LOG.warning("sign-up alert not sent", extra={"error": type(error).__name__})


def _render_accepted() -> Response:
    if wants_json():
        message = "Check your inbox: we are emailing you a link to confirm, at most once a day."
        return jsonify(status="ok", message=message)
    with services().db.read() as session:
        return make_response(render_template("check_inbox.html", publication=load_publication(session)))


def _refuse(given: dict[str, str], line: str, status: HTTPStatus) -> Response:
    """The form again, with what was typed and what to do about it."""
    if wants_json():
        response = jsonify(status="error", error=line)
        response.status_code = status
    else:
        response = _render_form(given, line, status)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        wait = RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else timedelta(hours=1)
        response.headers["Retry-After"] = str(int(wait.total_seconds()))
    return response


def _render_form(given: dict[str, str], error: str, status: HTTPStatus) -> Response:
    response = _render("subscribe.html", given, error=error)
    response.status_code = status
    return response


def _render(template: str, given: dict[str, str], **facts: Any) -> Response:
    """A page of the sign-up, with a form whose time counts from when it was first shown; not cached.

    When the database cannot be read, the page does without the publication: what was typed matters more.
    """
    facts["form"] = signup.renew_form_token(services().signer, given.get("form", ""), utcnow())
    facts["typed"] = given.get("address", "")[:MAX_ADDRESS_CHARS]
    try:
        with services().db.read() as session:
            publication = load_publication(session)
            facts |= {"publication": publication, "consent_text": consent_text(publication)}
    except SQLAlchemyError:
        pass
    response = make_response(render_template(template, action=url_for("sign_up.subscribe"), **facts))
    response.headers["Cache-Control"] = "no-store"
    return response


def consent_text(publication: PublicationContext) -> str:
    """What a reader agrees to by signing up."""
    return consent_texts.sign_up_text(publication.name, publication.weekday)
