"""Who may come in. Only an owner sees this."""

from flask import g, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.access import factors, sessions
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.editorial import users
from digest.editorial.models import Role, User
from digest.errors import NotAllowed, NotFound
from digest.web.desk import current_publication
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import note
from digest.web.desk.auth import needs
from digest.web.desk.sessions import fresh
from digest.web.desk.view_helpers import Undo, field, page, say, services, to


@blueprint.get("/people")
@needs(Role.OWNER)
def people() -> str:
    """Everybody who may come in, and the form that invites."""
    with services().db.read() as db:
        return page(
            "people.html",
            people=users.listing(db),
            factors=factors.counts(db),
            demanded=factors.demanded(db),
            roles=list(Role),
            zone=current_publication.chosen(db).zone,
        )


@blueprint.post("/people")
@needs(Role.OWNER)
@fresh
def invite() -> Response:
    """Let somebody in and post them a letter that signs them in."""
    with services().db.begin() as db:
        user = users.invite(db, field("address"), _role(), utcnow())
        delivery.post(db, "sign_in", now=utcnow(), user_id=user.id)
        note(db, "invite", "person", user.id, f"as {user.role}")
        address, number = user.address, user.id
    services().nudge("letters")
    say(
        f"{address} is invited; the letter is on its way.",
        Undo(url_for("desk.access.remove", number=number), {}),
    )
    return to("access.people")


@blueprint.post("/people/<int:number>/role")
@needs(Role.OWNER)
@fresh
def role(number: int) -> Response:
    """Give somebody else another role; it holds from their next click."""
    _not_me(number)
    with services().db.begin() as db:
        user = _user(db, number)
        before = user.role
        address, now_is = user.address, users.invite(db, user.address, _role(), utcnow()).role
        note(db, "change the role", "person", number, f"from {before} to {now_is}")
    say(f"{address} is {now_is} now.", Undo(url_for("desk.access.role", number=number), {"role": before}))
    return to("access.people")


@blueprint.post("/people/<int:number>/remove")
@needs(Role.OWNER)
@fresh
def remove(number: int) -> Response:
    """Take somebody's way in; what they did stays in the issues' history."""
    _not_me(number)
    with services().db.begin() as db:
        user = users.remove(db, number, utcnow())
        note(db, "remove", "person", number)
        address, was = user.address, user.role
    say(
        f"{address} can no longer come in.",
        Undo(url_for("desk.access.invite"), {"address": address, "role": was}),
    )
    return to("access.people")


@blueprint.post("/people/<int:number>/end-sessions")
@needs(Role.OWNER)
def sign_them_out(number: int) -> Response:
    """End every session of somebody else, and their sign-in links; they may sign in anew."""
    _not_me(number)
    with services().db.begin() as db:
        user = _user(db, number)
        sessions.end_all(db, user)
        note(db, "end all sessions", "person", number)
        address = user.address
    say(f"{address} is signed out everywhere.")
    return to("access.people")


@blueprint.post("/people/<int:number>/forget-factors")
@needs(Role.OWNER)
@fresh
def forget_factors(number: int) -> Response:
    """Take away the second factors of somebody who lost theirs; they are signed out, and come in by a letter."""
    _not_me(number)
    with services().db.begin() as db:
        user = _user(db, number)
        factors.forget_all(db, number)
        sessions.end_all(db, user)
        note(db, "take second factors away", "person", number)
        address = user.address
    say(f"{address} comes in by a letter alone now, and should set up a new second factor.")
    return to("access.people")


@blueprint.post("/people/second-factor")
@needs(Role.OWNER)
@fresh
def demand_factor() -> Response:
    """Ask a second factor of everybody, or no longer."""
    everybody = field("demand") == "yes"
    with services().db.begin() as db:
        factors.demand(db, db.get_one(User, g.me.id), of_everybody=everybody)
        note(db, "ask a second factor" if everybody else "no longer ask a second factor", "setting")
    back = Undo(url_for("desk.access.demand_factor"), {"demand": "" if everybody else "yes"})
    say("Everybody needs a second factor now." if everybody else "Nobody needs a second factor now.", back)
    return to("access.people")


def _user(db: Session, number: int) -> User:
    found = db.get(User, number)
    if found is None or found.removed_at is not None:
        raise NotFound("this person can no longer come in; somebody else removed them")
    return found


def _role() -> Role:
    try:
        return Role(field("role"))
    except ValueError:
        raise BadRequest("A role is owner, editor or viewer.") from None


def _not_me(number: int) -> None:
    # A slip would lock out the one who slipped; that an owner is left is the room's own rule.
    if number == g.me.id:
        raise NotAllowed("you cannot change or remove yourself; ask another owner")
