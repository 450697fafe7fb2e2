"""One's own account: how one signs in, and where one is signed in."""

from flask import g
from werkzeug.wrappers import Response

from digest.access import factors, recovery_codes, sessions
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import NotFound
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import note
from digest.web.desk.access.second_factor import party
from digest.web.desk.auth import needs, while_settling
from digest.web.desk.sessions import fresh
from digest.web.desk.view_helpers import page, say, services, to


@blueprint.get("/account")
@while_settling
def account() -> str:
    """Second factors, recovery codes, and every session, this one marked."""
    now = utcnow()
    with services().db.read() as db:
        return page(
            "account.html",
            factors=factors.listing(db, g.me.id),
            codes_left=recovery_codes.left(db, g.me.id),
            demanded=g.visit.factor_demanded,
            visits=sessions.listing(db, g.me.id, now),
            here=g.visit.id,
            fresh=g.visit.is_fresh(now),
            passkeys=party(db) is not None,
            zone=publications.find(db, g.get("on_desk")).zone,
        )


@blueprint.post("/account/sessions/<int:number>/end")
@while_settling
@needs(Role.VIEWER)
@fresh
def end_session(number: int) -> Response:
    """End one of one's own sessions."""
    with services().db.begin() as db:
        if not sessions.end(db, g.me.id, number):
            raise NotFound("this session has ended already")
        note(db, "end a session", "person", g.me.id)
    say("That session is ended.")
    return to("access.account")


@blueprint.post("/account/sessions/end-others")
@while_settling
@needs(Role.VIEWER)
@fresh
def end_other_sessions() -> Response:
    """End every session of one's own but this."""
    with services().db.begin() as db:
        ended = sessions.end_others(db, g.me.id, g.visit.id)
        note(db, "end all other sessions", "person", g.me.id, f"{ended} ended")
    say(
        f"{ended} other {'session is' if ended == 1 else 'sessions are'} ended. Here you are still signed in."
    )
    return to("access.account")
