"""Setting up, naming and removing one's own second factors."""

from flask import Response as Answer
from flask import g
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access import factors as kept
from digest.access import passkeys, recovery_codes, sessions, totp
from digest.access.models import Factor
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import note
from digest.web.desk.access.second_factor import party
from digest.web.desk.auth import needs, while_settling
from digest.web.desk.sessions import fresh
from digest.web.desk.view_helpers import complain, field, page, say, services, to


@blueprint.post("/account/app", endpoint="app_start")
@while_settling
@needs(Role.VIEWER)
@fresh
def app_start() -> Response:
    """Draw a secret for an authenticator app."""
    with services().db.begin() as db:
        totp.start(db, services().signer, g.visit.id)
    return to("access.app")


@blueprint.get("/account/app")
@while_settling
def app() -> str:
    """The secret as a picture and in letters, and the field for the first code."""
    here = services()
    with here.db.read() as db:
        secret = totp.drafted(db, here.signer, g.visit.id)
        name = publications.find(db, g.get("on_desk")).name
    picture = Markup(totp.picture(totp.address(secret, g.me.address, name)))  # noqa: S704  made by segno
    return page(
        "app.html", picture=picture, secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    )


@blueprint.post("/account/app/confirm")
@while_settling
@needs(Role.VIEWER)
@fresh
def app_confirm() -> Response | str:
    """Keep the app once it shows the right code."""
    here = services()
    try:
        with here.db.begin() as db:
            code, name = field("code"), field("name")
            made = totp.finish(db, here.signer, g.visit, code=code, name=name, now=utcnow())
            fresh_codes = _set_up(db, made)
    except BadInput as problem:
        complain(_sentence(problem))
        return to("access.app")
    return _done(made, fresh_codes)


@blueprint.post("/account/passkey/challenge")
@while_settling
@needs(Role.VIEWER)
@fresh
def passkey_challenge() -> Answer:
    """What the browser needs to make a passkey."""
    with services().db.begin() as db:
        options = passkeys.ask_new(db, g.visit, _party(db), utcnow())
    return Answer(options, mimetype="application/json")


@blueprint.post("/account/passkey")
@while_settling
@needs(Role.VIEWER)
@fresh
def passkey() -> Response | str:
    """Keep a passkey that the browser made."""
    try:
        with services().db.begin() as db:
            answer, name = field("credential"), field("name")
            made = passkeys.keep_new(db, g.visit, answer, name, to=_party(db), now=utcnow())
            fresh_codes = _set_up(db, made)
    except BadInput as problem:
        complain(_sentence(problem))
        return to("access.account")
    return _done(made, fresh_codes)


@blueprint.post("/account/factors/<int:number>/name")
@while_settling
@needs(Role.VIEWER)
def rename_factor(number: int) -> Response:
    """Call a second factor otherwise."""
    try:
        with services().db.begin() as db:
            name = kept.rename(db, g.me.id, number, field("name")).name
            note(db, "rename a second factor", "person", g.me.id)
    except BadInput as problem:
        complain(_sentence(problem))
        return to("access.account")
    say(f"It is called {name} now.")
    return to("access.account")


@blueprint.post("/account/factors/<int:number>/remove")
@while_settling
@needs(Role.VIEWER)
@fresh
def remove_factor(number: int) -> Response:
    """Take a second factor away."""
    with services().db.begin() as db:
        name = kept.remove(db, g.me.id, number)
        note(db, "remove a second factor", "person", g.me.id)
    say(f"{name} is removed. Were you signed in elsewhere with it, end those sessions below.")
    return to("access.account")


@blueprint.post("/account/codes")
@while_settling
@needs(Role.VIEWER)
@fresh
def draw_codes() -> str | Response:
    """Show a new set of recovery codes, once; the old set is void."""
    with services().db.begin() as db:
        if not kept.listing(db, g.me.id):
            complain("Recovery codes stand in for a second factor. Set one up first.")
            return to("access.account")
        drawn = recovery_codes.draw(db, g.me.id)
        note(db, "draw recovery codes", "person", g.me.id)
    return page("codes.html", codes=drawn, first=False)


def _party(db: Session) -> passkeys.Party:
    here = party(db)
    if here is None:
        raise BadInput("passkeys need https and a name instead of an IP address")
    return here


def _set_up(db: Session, made: Factor) -> list[str] | None:
    """What follows a new factor: with the first come recovery codes, and whoever is signed in without it is out."""
    note(db, f"set up {'an app' if made.kind == 'app' else 'a passkey'}", "person", g.me.id)
    if len(kept.listing(db, g.me.id)) > 1:
        return None
    sessions.end_others(db, g.me.id, g.visit.id)
    return recovery_codes.draw(db, g.me.id)


def _done(made: Factor, fresh_codes: list[str] | None) -> Response | str:
    if fresh_codes is None:
        say(f"{made.name} is set up.")
        return to("access.account")
    return page("codes.html", codes=fresh_codes, first=True)


def _sentence(problem: Exception) -> str:
    text = str(problem)
    return f"{text[:1].upper()}{text[1:]}."
