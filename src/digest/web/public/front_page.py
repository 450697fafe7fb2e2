"""The front page and its sign-up form."""

from typing import Any, Final

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from sqlalchemy.orm import Session

from digest.audience import signup
from digest.audience.address import normalize, suggest_correction
from digest.catalog import queries
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.errors import BadInput, BadToken
from digest.publications import publications
from digest.web import request_limits
from digest.web.error_pages import wants_json
from digest.web.guards import guarded_by_form
from digest.web.public import archive, comparison_cards, consent_texts
from digest.web.publication_context import PublicationContext, load_publication, services

HONEYPOT: Final = "website"  # hidden from people; bots fill in every field
LATEST_COMPARISONS: Final = 4
MAX_ADDRESS_CHARS: Final = 254  # of an address, RFC 5321

blueprint = Blueprint("site", __name__)


@blueprint.get("/")
@blueprint.get("/p/<publication>/")
def front() -> str:
    """The publication, its sign-up form, and the latest issue."""
    return _render_front()


@blueprint.post("/subscribe")
@blueprint.post("/p/<publication>/subscribe")
@guarded_by_form
def subscribe() -> tuple[Response, int]:
    """Accept a sign-up as a form or as JSON. The response is the same for every deliverable address."""
    given = _submitted_fields()
    try:
        if not given.get(HONEYPOT):
            _sign_up(given)
    except (BadInput, BadToken) as problem:
        return _render_refusal(given, str(problem))
    if wants_json():
        return jsonify(
            status="ok", message="Check your inbox: we sent you an email with a link to confirm."
        ), 200
    with services().db.read() as session:
        page = render_template(
            "check_inbox.html",
            publication=load_publication(session),
            likely=suggest_correction(given["address"][:MAX_ADDRESS_CHARS]),
        )
    return make_response(page), 200


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Search engines may index the public pages, but no personal links."""
    private = ("/confirm/", "/preferences/", "/unsubscribe/", "/go/", "/desk/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in private)]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for browsers that request it without reading the page."""
    return current_app.send_static_file("favicon.svg")


def _submitted_fields() -> dict[str, str]:
    """The fields as text; `address` may also be sent as `email`, as many forms do."""
    sent: Any = request.get_json(silent=True) if request.is_json else request.form
    if sent is None or not hasattr(sent, "get"):
        raise BadInput('send a JSON object such as {"address": "you@example.org"}')
    fields = {name: sent.get(name) or "" for name in ("address", "email", "form", HONEYPOT)}
    fields = {name: value if isinstance(value, str) else "" for name, value in fields.items()}
    return fields | {"address": fields["address"] or fields["email"]}


def _sign_up(given: dict[str, str]) -> None:
    """Store the request and queue its letter in one transaction; a nudge afterwards sends the letter at once.

    Raises BadInput, BadToken, TooManyRequests.
    """
    made, now = services(), utcnow()
    if not given["address"].strip():
        raise BadInput("please enter your email address")
    key = normalize(given["address"]).key
    # A program that sends JSON never loaded our form; browsers cannot send JSON across sites without CORS.
    if not request.is_json:
        signup.check_form(made.signer, given["form"], now)
    request_limits.count_sign_up(made.limiter, key)
    with made.db.begin() as session:
        asked = signup.request_signup(
            session,
            made.signer,
            publication=publications.find(session, g.get("publication_slug")),
            address=given["address"],
            wording=""
            if request.is_json
            else _consent_text(load_publication(session)),  # we do not know what a program showed
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
    delivery.enqueue_letter(
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


def _render_refusal(given: dict[str, str], line: str) -> tuple[Response, int]:
    """The form again, with what was entered and what to do about it."""
    if wants_json():
        return jsonify(status="error", error=line), 400
    return make_response(_render_front(typed=given["address"][:MAX_ADDRESS_CHARS], error=line)), 400


def _render_front(typed: str = "", error: str = "") -> str:
    made = services()
    with made.db.read() as session:
        publication = load_publication(session)
        sent = archive.sent_issues(session, publication, 1)
        newest = (
            ()
            if sent
            else tuple(
                map(comparison_cards.from_comparison, queries.list_newest(session, LATEST_COMPARISONS))
            )
        )
        cards = sent[0].cards if sent else newest
        return render_template(
            "front_page.html",
            publication=publication,
            latest=sent[0] if sent else None,
            cards=cards,
            teaser=comparison_cards.find_teaser(cards),
            form=signup.form_token(made.signer, utcnow()),
            consent_text=_consent_text(publication),
            typed=typed,
            error=error,
            home=url_for("site.front"),
        )


def _consent_text(publication: PublicationContext) -> str:
    return consent_texts.sign_up_text(publication.name, publication.weekday)
