"""Managing the team: users, roles and the two-factor policy. For owners only."""

from flask import g, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.access import factors, sessions
from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.letters import outbox
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
    """All users, and the invitation form."""
    with services().db.read() as db:
        return render_page(
            "team.html",
            users=users.list_users(db),
            factors=factors.count_by_user(db),
            is_required=factors.is_required(db),
            roles=list(Role),
            zone=current_publication.get(db).zone,
        )


@blueprint.post("/team")
@requires_role(Role.OWNER)
@requires_recent_proof
def invite() -> Response:
    """Invite a user and email them a sign-in link."""
    with services().db.begin() as db:
        existing = users.find_user(db, form_field("address"))
        before = {"role": existing.role if existing else None}
        user = users.invite_user(db, form_field("address"), _submitted_role(), utcnow())
        facts = {"inviter": g.me.address, "role": str(user.role)}
        publication_id = current_publication.get(db).id
        outbox.enqueue_letter(
            db, "invitation", now=utcnow(), publication_id=publication_id, user_id=user.id, facts=facts
        )
        record(db, Verb.INVITE, "user", user.id, before=before, after={"role": user.role})
        address, number = user.address, user.id
    services().enqueue_soon("letters")
    flash_done(
        f"{address} is invited. They will get an email with a link that works for 7 days.",
        Undo(url_for("desk.access.remove_user", number=number), {}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/role")
@requires_role(Role.OWNER)
@requires_recent_proof
def change_role(number: int) -> Response:
    """Change another user's role, effective from their next request."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        before = user.role
        address, new_role = (
            user.address,
            users.invite_user(db, user.address, _submitted_role(), utcnow()).role,
        )
        if new_role != before:
            record(
                db,
                Verb.CHANGE_ROLE,
                "user",
                number,
                before={"role": before},
                after={"role": new_role},
            )
    flash_done(
        f"{address} is now {new_role}.",
        Undo(url_for("desk.access.change_role", number=number), {"role": before}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/remove")
@requires_role(Role.OWNER)
@requires_recent_proof
def remove_user(number: int) -> Response:
    """Remove a user; what they did stays in the issues' history."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = users.remove_user(db, number, utcnow())
        address, old_role = user.address, user.role
        record(db, Verb.REMOVE, "user", number, before={"role": old_role}, after={})
    flash_done(
        f"{address} was removed.",
        Undo(url_for("desk.access.invite"), {"address": address, "role": old_role}),
    )
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/end-sessions")
@requires_role(Role.OWNER)
def end_user_sessions(number: int) -> Response:
    """End another user's sessions and sign-in links; they may sign in again."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        sessions.end_all(db, user)
        record(db, Verb.END_ALL_SESSIONS, "user", number)
        address = user.address
    flash_done(f"{address} is signed out everywhere.")
    return redirect_to("access.team")


@blueprint.post("/team/<int:number>/reset-second-factor")
@requires_role(Role.OWNER)
@requires_recent_proof
def reset_second_factor(number: int) -> Response:
    """Remove the second factors of a user who lost theirs; they are signed out, and need only a sign-in link."""
    _refuse_self(number)
    with services().db.begin() as db:
        user = _get_user(db, number)
        removed = factors.remove_all(db, number)
        sessions.end_all(db, user)
        record(db, Verb.RESET_FACTORS, "user", number, f"{removed} removed")
        address = user.address
    flash_done(
        f"{address} can now sign in with a link alone, and should set up two-factor authentication again."
    )
    return redirect_to("access.team")


@blueprint.post("/team/second-factor")
@requires_role(Role.OWNER)
@requires_recent_proof
def require_second_factor() -> Response:
    """Require a second factor of everyone, or make it optional."""
    required = form_field("required") == "yes"
    with services().db.begin() as db:
        if factors.set_required(db, db.get_one(User, g.me.id), required=required):
            record(
                db,
                Verb.REQUIRE_FACTOR if required else Verb.MAKE_FACTOR_OPTIONAL,
                "setting",
                before={"second factor required": not required},
                after={"second factor required": required},
            )
    undo = Undo(url_for("desk.access.require_second_factor"), {"required": "" if required else "yes"})
    flash_done(
        "Two-factor authentication is now required."
        if required
        else "Two-factor authentication is now optional.",
        undo,
    )
    return redirect_to("access.team")


def _get_user(db: Session, number: int) -> User:
    user = db.get(User, number)
    if user is None or user.removed_at is not None:
        raise NotFound("this user was removed")
    return user


def _submitted_role() -> Role:
    try:
        return Role(form_field("role"))
    except ValueError:
        raise BadRequest("The role must be owner, editor or viewer.") from None


def _refuse_self(number: int) -> None:
    # A slip could lock an owner out. That at least one owner remains is checked in `users`.
    if number == g.me.id:
        raise NotAllowed("you cannot change or remove yourself; ask another owner")
