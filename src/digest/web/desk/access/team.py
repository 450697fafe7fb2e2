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
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.session_cookie import requires_recent_proof
from digest.web.desk.view_helpers import Undo, flash_done, form_field, redirect_to, render_page, services


@blueprint.get("/team")
@requires_role(Role.OWNER)
def team() -> str:
    """Everybody who may come in, and the form that invites."""
    with services().db.read() as db:
        return render_page(
            "team.html",
            people=users.list_users(db),
            factors=factors.counts(db),
            demanded=factors.demanded(db),
            roles=list(Role),
            zone=current_publication.get(db).zone,
        )


@blueprint.post("/team")
@requires_role(Role.OWNER)
@requires_recent_proof
def invite() -> Response:
    """Let somebody in and post them a letter that signs them in."""
    with services().db.begin() as db:
        user = users.invite_user(db, form_field("address"), _submitted_role(), utcnow())
        delivery.post(db, "sign_in", now=utcnow(), user_id=user.id)
        record(db, "invite", "person", user.id, f"as {user.role}")
        address, number = user.address, user.id
    services().nudge("letters")
    flash_done(
        f"{address} is invited; the letter is on its way.",
        Undo(url_for("desk.access.remove_user", number=number), {}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/role")
@requires_role(Role.OWNER)
@requires_recent_proof
def change_role(number: int) -> Response:
    """Give somebody else another role; it holds from their next click."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        before = user.role
        address, now_is = user.address, users.invite_user(db, user.address, _submitted_role(), utcnow()).role
        record(db, "change the role", "person", number, f"from {before} to {now_is}")
    flash_done(
        f"{address} is {now_is} now.",
        Undo(url_for("desk.access.change_role", number=number), {"role": before}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/remove")
@requires_role(Role.OWNER)
@requires_recent_proof
def remove_user(number: int) -> Response:
    """Take somebody's way in; what they did stays in the issues' history."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = users.remove_user(db, number, utcnow())
        record(db, "remove", "person", number)
        address, was = user.address, user.role
    flash_done(
        f"{address} can no longer come in.",
        Undo(url_for("desk.access.invite"), {"address": address, "role": was}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/end-sessions")
@requires_role(Role.OWNER)
def end_user_sessions(number: int) -> Response:
    """End every session of somebody else, and their sign-in links; they may sign in anew."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        sessions.end_all(db, user)
        record(db, "end all sessions", "person", number)
        address = user.address
    flash_done(f"{address} is signed out everywhere.")
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/reset-second-factor")
@requires_role(Role.OWNER)
@requires_recent_proof
def reset_second_factor(number: int) -> Response:
    """Take away the second factors of somebody who lost theirs; they are signed out, and come in by a letter."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        factors.forget_all(db, number)
        sessions.end_all(db, user)
        record(db, "take second factors away", "person", number)
        address = user.address
    flash_done(f"{address} comes in by a letter alone now, and should set up a new second factor.")
    return redirect_to("access.team")


@blueprint.post("/team/second-factor")
@requires_role(Role.OWNER)
@requires_recent_proof
def require_second_factor() -> Response:
    """Ask a second factor of everybody, or no longer."""
    everybody = form_field("demand") == "yes"
    with services().db.begin() as db:
        factors.demand(db, db.get_one(User, g.me.id), of_everybody=everybody)
        record(db, "ask a second factor" if everybody else "no longer ask a second factor", "setting")
    back = Undo(url_for("desk.access.require_second_factor"), {"demand": "" if everybody else "yes"})
    flash_done(
        "Everybody needs a second factor now." if everybody else "Nobody needs a second factor now.", back
    )
    return redirect_to("access.team")


def _get_user(db: Session, number: int) -> User:
    found = db.get(User, number)
    if found is None or found.removed_at is not None:
        raise NotFound("this person can no longer come in; somebody else removed them")
    return found


def _submitted_role() -> Role:
    try:
        return Role(form_field("role"))
    except ValueError:
        raise BadRequest("A role is owner, editor or viewer.") from None


def _refuse_self(number: int) -> None:
    # A slip would lock out the one who slipped; that an owner is left is the room's own rule.
    if number == g.me.id:
        raise NotAllowed("you cannot change or remove yourself; ask another owner")
