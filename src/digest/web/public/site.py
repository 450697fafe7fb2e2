"""The front page and its form."""

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
from digest.audience.address import normal, suggestion
from digest.catalog import read
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.errors import BadInput, BadToken
from digest.publications import publications
from digest.web import request_limits
from digest.web.errors import wants_json
from digest.web.guards import form_is_the_guard
from digest.web.public import archive, consent_texts, verdicts
from digest.web.publication_context import Paper, paper, services

HONEYPOT: Final = "website"  # people do not see the field, and robots fill in whatever there is
LATEST: Final = 4
MOST_CHARS: Final = 254  # of an address, RFC 5321

blueprint = Blueprint("site", __name__)


@blueprint.get("/")
@blueprint.get("/p/<paper>/")
def front() -> str:
    """The publication, what it brings, its form, and the latest issue."""
    return _front()


@blueprint.post("/subscribe")
@blueprint.post("/p/<paper>/subscribe")
@form_is_the_guard
def subscribe() -> tuple[Response, int]:
    """Take a sign-up as a form or as JSON. The answer is the same for every address that can be mailed."""
    given = _given()
    try:
        if not given.get(HONEYPOT):
            _sign_up(given)
    except (BadInput, BadToken) as problem:
        return _refused(given, str(problem))
    if wants_json():
        return jsonify(status="ok", message="Check your inbox: we sent a mail with a link to confirm."), 200
    with services().db.read() as session:
        page = render_template(
            "check_inbox.html", paper=paper(session), likely=suggestion(given["address"][:MOST_CHARS])
        )
    return make_response(page), 200


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Search engines may read what is public; personal links are nobody's to list."""
    private = ("/confirm/", "/preferences/", "/unsubscribe/", "/go/", "/desk/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in private)]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The small picture in the tab, for browsers that ask without looking."""
    return current_app.send_static_file("favicon.svg")


def _given() -> dict[str, str]:
    """The fields, as text; `address` may also be called `email`, as many forms elsewhere call it."""
    sent: Any = request.get_json(silent=True) if request.is_json else request.form
    if sent is None or not hasattr(sent, "get"):
        raise BadInput('send a JSON object such as {"address": "you@example.org"}')
    fields = {name: sent.get(name) or "" for name in ("address", "email", "form", HONEYPOT)}
    fields = {name: value if isinstance(value, str) else "" for name, value in fields.items()}
    return fields | {"address": fields["address"] or fields["email"]}


def _sign_up(given: dict[str, str]) -> None:
    """Keep the wish and post its letter in one transaction; a nudge after it makes the letter leave at once.

    Raises BadInput, BadToken, TooManyRequests.
    """
    made, now = services(), utcnow()
    if not given["address"].strip():
        raise BadInput("please give your e-mail address")
    key = normal(given["address"]).key
    # A program that sends JSON never saw our form: browsers cannot send JSON from another site unasked.
    if not request.is_json:
        signup.check_form(made.signer, given["form"], now)
    request_limits.check_sign_up(made.limiter, key)
    with made.db.begin() as session:
        asked = signup.request(
            session,
            made.signer,
            publication=publications.find(session, g.get("paper")),
            address=given["address"],
            wording=""
            if request.is_json
            else _shown(paper(session)),  # what a program showed, we do not know
            network=request_limits.visitor(),
            agent=request.user_agent.string,
            source="json" if request.is_json else "form",
            now=now,
        )
        if asked.letter:
            _post(session, asked.letter, asked.subscriber_id)
    made.nudge("letters")  # letter or not: how long the answer takes tells nothing either


def _post(session: Session, kind: str, subscriber_id: int) -> None:
    now = utcnow()
    delivery.post(
        session,
        kind,
        now=now,
        publication_id=publications.find(session, g.get("paper")).id,
        subscriber_id=subscriber_id,
        facts={
            "asked_at": now.isoformat(timespec="minutes"),
            "network": request_limits.neighbourhood(request_limits.visitor()),
        },
    )


def _refused(given: dict[str, str], line: str) -> tuple[Response, int]:
    """The form again, with what was typed and what to do about it."""
    if wants_json():
        return jsonify(status="error", error=line), 400
    return make_response(_front(typed=given["address"][:MOST_CHARS], error=line)), 400


def _front(typed: str = "", error: str = "") -> str:
    made = services()
    with made.db.read() as session:
        found = paper(session)
        sent = archive.sent_issues(session, found, 1)
        newest = () if sent else tuple(map(verdicts.of_comparison, read.newest(session, LATEST)))
        cards = sent[0].cards if sent else newest
        return render_template(
            "front.html",
            paper=found,
            latest=sent[0] if sent else None,
            cards=cards,
            taste=verdicts.taste(cards),
            form=signup.form_token(made.signer, utcnow()),
            wording=_shown(found),
            typed=typed,
            error=error,
            home=url_for("site.front"),
        )


def _shown(found: Paper) -> str:
    return consent_texts.sign_up(found.name, found.weekday)
