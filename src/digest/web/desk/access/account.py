"""The user's own account: second factors and active sessions."""

from flask import g
from werkzeug.wrappers import Response

from digest.access import factors, recovery_codes, sessions
from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import NotFound
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import record
from digest.web.desk.access.second_factor import passkey_party
from digest.web.desk.auth import allow_without_second_factor, requires_role
from digest.web.desk.session_cookie import requires_recent_proof
from digest.web.desk.view_helpers import flash_done, redirect_to, render_page, services


@blueprint.get("/account")
@allow_without_second_factor
def account() -> str:
    """Second factors, recovery codes, and every session with the current one marked."""
    now = utcnow()
    with services().db.read() as db:
        return render_page(
            "account.html",
            factors=factors.list_factors(db, g.me.id),
            codes_remaining=recovery_codes.count_remaining(db, g.me.id),
            is_factor_required=g.login_session.is_factor_required,
            sessions=sessions.list_sessions(db, g.me.id, now),
            current_session_id=g.login_session.id,
            has_recent_proof=g.login_session.is_fresh(now),
            passkeys=passkey_party(db) is not None,
            zone=publications.find(db, g.get("current_slug")).zone,
        )


@blueprint.post("/account/sessions/<int:number>/end")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def end_session(number: int) -> Response:
    """End one of the user's own sessions."""
    with services().db.begin() as db:
        if not sessions.end(db, g.me.id, number):
            raise NotFound("this session has already ended")
        record(db, Verb.END_SESSION, "user", g.me.id)
    flash_done("Session signed out.")
    return redirect_to("access.account")


@blueprint.post("/account/sessions/end-others")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def end_other_sessions() -> Response:
    """End all of the user's sessions but this one."""
    with services().db.begin() as db:
        ended = sessions.end_others(db, g.me.id, g.login_session.id)
        if ended:
            record(db, Verb.END_OTHER_SESSIONS, "user", g.me.id, f"{ended} ended")
    flash_done(
        f"{ended} other {'session' if ended == 1 else 'sessions'} signed out. You are still signed in here."
    )
    return redirect_to("access.account")
