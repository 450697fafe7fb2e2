"""Signing in by a letter, and out. The same answer for every address: the page tells nobody who works here."""

from flask import g, redirect, session
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery import letters
from digest.editorial import users
from digest.editorial.models import Role, User
from digest.errors import BadToken
from digest.web import rates
from digest.web.desk.frame import field, page, say, services, to
from digest.web.desk.gate import blueprint, needs, open_to_all


@blueprint.get("/sign-in")
@open_to_all
def sign_in() -> str:
    """Ask for the address."""
    return page("sign_in.html", sent=False)


@blueprint.post("/sign-in", endpoint="ask")
@open_to_all
def ask() -> str:
    """Post a sign-in letter to a user's address; say the same whether or not there is such a user."""
    address = field("address")
    _not_too_often(address)
    with services().db.begin() as db:
        user = users.find(db, address)
        if user is not None:
            letters.post(db, "sign_in", now=utcnow(), user_id=user.id)
    services().nudge("letters")
    return page("sign_in.html", sent=True)


@blueprint.get("/enter/<token>")
@open_to_all
def enter(token: str) -> str | tuple[str, int]:
    """Show the button that signs in: a scanner which fetches the link of the letter uses nothing up."""
    here = services()
    try:
        with here.db.read() as db:
            users.check_token(db, here.signer, token, utcnow())
    except BadToken as problem:
        return page("enter.html", token=token, problem=str(problem)), 400
    return page("enter.html", token=token, problem=None)


@blueprint.post("/enter/<token>", endpoint="come_in")
@open_to_all
def come_in(token: str) -> Response | tuple[str, int]:
    """Sign in with a letter's token, which works once and not for long."""
    here = services()
    try:
        with here.db.begin() as db:
            user = users.sign_in(db, here.signer, token, utcnow())
            number, epoch = user.id, user.session_epoch
    except BadToken as problem:
        return page("enter.html", token=token, problem=str(problem)), 400
    aim = session.get("next", "")
    session.clear()  # nothing of a stranger's session is carried over
    session.update(user=number, epoch=epoch)
    session.permanent = True
    return redirect(aim, 303) if aim.startswith("/desk") else to("front")


@blueprint.post("/sign-out")
@needs(Role.VIEWER)
def sign_out() -> Response:
    """End this session."""
    session.clear()
    return to("sign_in")


@blueprint.post("/end-sessions")
@needs(Role.VIEWER)
def end_sessions() -> Response:
    """End every session of the one who asks, on all machines."""
    with services().db.begin() as db:
        users.end_sessions(db, db.get_one(User, g.me.id))
    session.clear()
    say("All your sessions are ended.")
    return to("sign_in")


def _not_too_often(address: str) -> None:
    """Five letters to one address and twenty asked for by one network in a quarter of an hour are enough."""
    limiter = services().limiter
    network = rates.neighbourhood(rates.visitor())
    by_network = limiter.allows("20/15 minutes", "desk sign-in", "network", network)
    if not (by_network and limiter.allows("5/15 minutes", "desk sign-in", "address", address.lower())):
        raise TooManyRequests("That was asked for too often. Wait a quarter of an hour and try again.")
