"""Who may come in. Only an owner sees this."""

from flask import g, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery import letters
from digest.editorial import users
from digest.editorial.models import Role, User
from digest.errors import NotAllowed, NotFound
from digest.web.desk import chosen
from digest.web.desk.frame import Undo, field, page, say, services, to
from digest.web.desk.gate import blueprint, needs


@blueprint.get("/people")
@needs(Role.OWNER)
def people() -> str:
    """Everybody who may come in, and the form that invites."""
    with services().db.read() as db:
        everybody = users.listing(db)
        return page("people.html", people=everybody, roles=list(Role), zone=chosen.chosen(db).zone)


@blueprint.post("/people")
@needs(Role.OWNER)
def invite() -> Response:
    """Let somebody in and post them a letter that signs them in."""
    with services().db.begin() as db:
        user = users.invite(db, field("address"), _role(), utcnow())
        letters.post(db, "sign_in", now=utcnow(), user_id=user.id)
        address, number = user.address, user.id
    services().nudge("letters")
    say(f"{address} is invited; the letter is on its way.", Undo(url_for("desk.remove", number=number), {}))
    return to("people")


@blueprint.post("/people/<int:number>/role")
@needs(Role.OWNER)
def role(number: int) -> Response:
    """Give somebody else another role; it holds from their next click."""
    _not_me(number)
    with services().db.begin() as db:
        user = _user(db, number)
        before = user.role
        address, now_is = user.address, users.invite(db, user.address, _role(), utcnow()).role
    say(f"{address} is {now_is} now.", Undo(url_for("desk.role", number=number), {"role": before}))
    return to("people")


@blueprint.post("/people/<int:number>/remove")
@needs(Role.OWNER)
def remove(number: int) -> Response:
    """Take somebody's way in; what they did stays in the issues' history."""
    _not_me(number)
    with services().db.begin() as db:
        user = users.remove(db, number, utcnow())
        address, was = user.address, user.role
    say(f"{address} can no longer come in.", Undo(url_for("desk.invite"), {"address": address, "role": was}))
    return to("people")


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
