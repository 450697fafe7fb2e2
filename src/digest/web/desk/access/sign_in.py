"""Signing in by an emailed link, and out. The response is the same for every address, so that it reveals no users."""

import logging
from typing import Final

from flask import Response as Answer
from flask import current_app, g, redirect
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access import sessions
from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.letters import outbox
from digest.editorial import users
from digest.editorial.models import Role, User
from digest.errors import BadToken
from digest.web import request_limits
from digest.web.desk import session_cookie
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import allow_anonymous, allow_without_second_factor, requires_role
from digest.web.desk.view_helpers import flash_done, form_field, redirect_to, render_page, services

LOG = logging.getLogger(__name__)
EMAILS_PER_DEVICE: Final = "5/10 minutes"
# From all browsers that nobody signed in with yet, until the link is used: so there is always a valid one in the inbox.
EMAILS_PER_LINK: Final = "1/9 minutes"
PROMPT: Final = (
    "20/15 minutes"  # emails that leave at once; further ones leave with the next tick of the clock
)


@blueprint.get("/sign-in")
@allow_anonymous
def sign_in() -> str:
    """Ask for the address, or offer the team's provider."""
    return render_page("sign_in.html", sent=False, provider=current_app.extensions.get("digest.provider"))


@blueprint.post("/sign-in")
@allow_anonymous
def request_link() -> str:
    """Send a sign-in link to a user's address; respond the same whether or not there is such a user.

    Strangers who ask for it again and again neither flood the user nor lock them out: what they asked for is a valid
    link in the user's own inbox, and the browsers that the user signed in with are counted apart. Nobody is refused for
    what others in their network do: an address of no user costs one look into the database and one lock.
    """
    with services().db.read() as db:
        user = users.find_user(db, form_field("address"))
        user_id, link = (user.id, user.sign_in_count) if user else (None, 0)
    may_email = user_id is not None and _may_email(user_id, link)
    with services().db.begin() as db:  # in any case, so that a locked database gives both the same answer
        if may_email:
            outbox.enqueue_letter(db, "sign_in", now=utcnow(), user_id=user_id)
    if services().limiter.allows(PROMPT, "desk sign-in", *request_limits.counted_as()):
        services().enqueue_soon("letters")  # in any case, so that the response time reveals nothing
    return render_page("sign_in.html", sent=True, provider=None)


def _may_email(user_id: int, link: int) -> bool:
    """Whether another sign-in email may go to this user; each link is valid for longer than the wait for the next.

    `link` counts the links that the user signed in with: with each, the next may be asked for at once.
    """
    limiter, device = services().limiter, request_limits.known_device()
    rate, counted = (EMAILS_PER_DEVICE, device) if device else (EMAILS_PER_LINK, f"link {link}")
    allowed = limiter.allows(rate, "sign-in email", str(user_id), counted)
    if not allowed:
        LOG.warning("sign-in email withheld", extra={"user": user_id})
    return allowed


@blueprint.get("/enter/<token>")
@allow_anonymous
def confirm_sign_in(token: str) -> Answer | tuple[Answer, int]:
    """Show the button that signs in, so that a scanner that fetches the link does not use it up."""
    try:
        with services().db.read() as db:
            users.check_sign_in_token(db, services().signer, token, utcnow())
    except BadToken as problem:
        return _render_link_page(token, str(problem)), 400
    return _render_link_page(token)


@blueprint.post("/enter/<token>")
@allow_anonymous
def finish_sign_in(token: str) -> Response | tuple[Answer, int]:
    """Sign in with the link's token, which works once and expires soon; a second factor may still be required.

    Without a limit, which neighbours could use up: nobody can guess a token, and a wrong one takes no lock.
    """
    try:
        with services().db.read() as db:
            users.check_sign_in_token(db, services().signer, token, utcnow())
        with services().db.begin() as db:
            key = begin_session(db, users.sign_in(db, services().signer, token, utcnow()), "letter")
    except BadToken as problem:
        LOG.warning("sign-in link refused", extra={"why": str(problem)})
        return _render_link_page(token, str(problem)), 400
    session_cookie.store_key(key)
    return redirect_after_sign_in()


def begin_session(db: Session, user: User, method: str) -> str:
    """Begin a login session for a user who signed in by `method`; returns its key, to be stored after the commit."""
    key = session_cookie.begin(db, user, method)
    login_session = sessions.find(db, key, utcnow())
    record(
        db,
        Verb.SIGN_IN if login_session and login_session.verified_at else Verb.BEGIN_SIGN_IN,
        "user",
        user.id,
        method,
        by=user.id,
    )
    return key


def redirect_after_sign_in() -> Response:
    """To the page that was requested, or to the second factor if it is still required."""
    login_session = session_cookie.find_session()
    if login_session is not None and login_session.verified_at is None:
        return redirect_to("access.second_factor")
    return redirect(session_cookie.landing_url(), 303)


@blueprint.post("/sign-out")
@allow_without_second_factor
@requires_role(Role.VIEWER)
def sign_out() -> Response:
    """End this session."""
    with services().db.begin() as db:
        sessions.end(db, g.me.id, g.login_session.id)
        record(db, Verb.SIGN_OUT, "user", g.me.id)
    session_cookie.clear()
    return redirect_to("access.sign_in")


@blueprint.post("/end-sessions")
@allow_without_second_factor
@requires_role(Role.VIEWER)
def end_all_sessions() -> Response:
    """End all of the user's sessions, on all devices."""
    with services().db.begin() as db:
        sessions.end_all(db, db.get_one(User, g.me.id))
        record(db, Verb.END_ALL_SESSIONS, "user", g.me.id)
    session_cookie.clear()
    flash_done("You are signed out everywhere.")
    return redirect_to("access.sign_in")


def _render_link_page(token: str, problem: str | None = None) -> Answer:
    """The page with the button. Its URL contains the token, so it is sent to no other page as a referrer."""
    answer = Answer(render_page("finish_sign_in.html", token=token, problem=problem))
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
