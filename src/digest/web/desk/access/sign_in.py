"""Signing in by a letter, and out. The same answer for every address: the page tells nobody who works here."""

import logging

from flask import Response as Answer
from flask import current_app, g, redirect, session
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from digest.access import sessions as visits
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.editorial import users
from digest.editorial.models import Role, User
from digest.errors import BadToken
from digest.web import request_limits
from digest.web.desk import sessions
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import note
from digest.web.desk.auth import needs, open_to_all, while_settling
from digest.web.desk.view_helpers import field, page, say, services, to

LOG = logging.getLogger(__name__)


@blueprint.get("/sign-in")
@open_to_all
def sign_in() -> str:
    """Ask for the address, or lead to the team's provider."""
    return page("sign_in.html", sent=False, provider=current_app.extensions.get("digest.provider"))


@blueprint.post("/sign-in", endpoint="ask")
@open_to_all
@request_limits.limited("20/15 minutes", "desk sign-in")
def ask() -> str:
    """Post a sign-in letter to a user's address; say the same whether or not there is such a user."""
    address = field("address")
    if not services().limiter.allows("5/15 minutes", "desk sign-in", "address", address.lower()):
        raise TooManyRequests("That was asked for too often. Wait a quarter of an hour and try again.")
    with services().db.begin() as db:
        user = users.find(db, address)
        if user is not None:
            delivery.post(db, "sign_in", now=utcnow(), user_id=user.id)
    services().nudge("letters")
    return page("sign_in.html", sent=True, provider=None)


@blueprint.get("/enter/<token>")
@open_to_all
def enter(token: str) -> Answer | tuple[Answer, int]:
    """Show the button that signs in: a scanner which fetches the link of the letter uses nothing up."""
    here = services()
    try:
        with here.db.read() as db:
            users.check_token(db, here.signer, token, utcnow())
    except BadToken as problem:
        return _door(token, str(problem)), 400
    return _door(token)


@blueprint.post("/enter/<token>", endpoint="come_in")
@open_to_all
@request_limits.limited("60/15 minutes", "desk enter")
def come_in(token: str) -> Response | tuple[Answer, int]:
    """Sign in with a letter's token, which works once and not for long; a second factor may still be owed."""
    here = services()
    try:
        with here.db.begin() as db:
            key = let_in(db, users.sign_in(db, here.signer, token, utcnow()), "letter")
    except BadToken as problem:
        LOG.warning("a sign-in link was refused", extra={"why": str(problem)})
        return _door(token, str(problem)), 400
    sessions.remember(key)
    return landed()


def let_in(db: Session, user: User, way: str) -> str:
    """Begin a session for a user who came by this way; gives the key to remember after the commit."""
    key = sessions.begin(db, user, way)
    visit = visits.find(db, key, utcnow())
    note(
        db, "sign in" if visit and visit.proved_at else "begin to sign in", "person", user.id, way, by=user.id
    )
    return key


def landed() -> Response:
    """To the page that was asked for; to the second factor when it is owed."""
    visit = sessions.seen()
    if visit is not None and visit.proved_at is None:
        return to("access.second")
    return redirect(sessions.landing(), 303)


@blueprint.post("/sign-out")
@while_settling
@needs(Role.VIEWER)
def sign_out() -> Response:
    """End this session."""
    with services().db.begin() as db:
        visits.end(db, g.me.id, g.visit.id)
        note(db, "sign out", "person", g.me.id)
    session.clear()
    return to("access.sign_in")


@blueprint.post("/end-sessions")
@while_settling
@needs(Role.VIEWER)
def end_sessions() -> Response:
    """End every session of the one who asks, on all machines."""
    with services().db.begin() as db:
        visits.end_all(db, db.get_one(User, g.me.id))
        note(db, "end all sessions", "person", g.me.id)
    session.clear()
    say("All your sessions are ended.")
    return to("access.sign_in")


def _door(token: str, problem: str | None = None) -> Answer:
    """The page with the button. Its address holds the token, so it is told to no other page."""
    answer = Answer(page("enter.html", token=token, problem=problem))
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
