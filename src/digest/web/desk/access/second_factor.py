"""The second factor: asked for after the letter, and again before a change of how one signs in."""

from flask import Response as Answer
from flask import g, jsonify, redirect
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from digest.access import factors, passkeys, recovery_codes, totp
from digest.access import sessions as visits
from digest.access.sessions import Seen
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.editorial.models import Role
from digest.publications import publications
from digest.web import request_limits
from digest.web.desk import sessions
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import note
from digest.web.desk.auth import needs, open_to_all, while_settling
from digest.web.desk.view_helpers import SCRIPTS, complain, field, page, say, services, to, with_policy

TRIES = "6/15 minutes"  # at one person's second factor: a million codes take centuries
NETWORK_TRIES = "30/15 minutes"


@blueprint.get("/second")
@open_to_all
def second() -> Response | Answer:
    """Ask for the second factor; without one, offer a letter."""
    if g.visit is None:
        return to("access.sign_in")
    with services().db.read() as db:
        return with_policy(_page(db, g.visit), **SCRIPTS)


@blueprint.post("/second", endpoint="second_check")
@open_to_all
@request_limits.limited(NETWORK_TRIES, "second factor")
def second_check() -> Response:
    """Take a code of the app, or one of the recovery codes."""
    visit, code = _visit(), field("code")
    _count(visit)
    with services().db.begin() as db:
        by = _by_code(db, visit, code)
        key = _proved(db, visit, by) if by else _refused(db, visit)
    return _go_on(key, by, visit)


@blueprint.post("/second/challenge")
@open_to_all
@request_limits.limited(NETWORK_TRIES, "second factor challenge")
def second_challenge() -> Answer:
    """What the browser needs to use a passkey."""
    visit = _visit()
    with services().db.begin() as db:
        if (here := party(db)) is None:
            return jsonify(error="no passkeys at this address")
        options = passkeys.ask(db, visit, here, utcnow())
    return Answer(options, mimetype="application/json")


@blueprint.post("/second/passkey")
@open_to_all
@request_limits.limited(NETWORK_TRIES, "second factor")
def second_passkey() -> Response:
    """Take what a passkey answered."""
    visit = _visit()
    _count(visit)
    with services().db.begin() as db:
        here, found = party(db), None
        if here is not None:
            found = passkeys.check(db, visit, field("credential"), to=here, now=utcnow())
        key = _proved(db, visit, "passkey") if found else _refused(db, visit)
    return _go_on(key, "passkey", visit)


@blueprint.post("/second/letter", endpoint="letter_again")
@while_settling
@needs(Role.VIEWER)
def letter_again() -> Response:
    """Post a sign-in letter to whoever is signed in and has no second factor: it proves them anew."""
    _count(g.visit)
    with services().db.begin() as db:
        delivery.post(db, "sign_in", now=utcnow(), user_id=g.me.id)
    services().nudge("letters")
    say("A letter is on its way. Open its link in this browser.")
    return to("access.account")


def party(db: Session) -> passkeys.Party | None:
    """The site as passkeys know it; None where they cannot work."""
    return passkeys.party(services().base_url, publications.find(db).name)


def _page(db: Session, visit: Seen) -> str:
    kinds = {found.kind for found in factors.listing(db, visit.user_id)}
    passkey = "passkey" in kinds and party(db) is not None
    return page(
        "second.html", kinds=kinds, passkey=passkey, address=visit.address, half_way=not visit.proved_at
    )


def _visit() -> Seen:
    """The session that owes or repeats its proof."""
    if g.visit is None:
        raise Unauthorized("That took too long. Sign in once more.")
    return g.visit  # type: ignore[no-any-return]  # g holds anything


def _count(visit: Seen) -> None:
    """Every try is counted, right or wrong."""
    if not services().limiter.allows(TRIES, "second factor", "user", str(visit.user_id)):
        raise TooManyRequests("Too many tries. Wait a quarter of an hour; your codes stay good.")


def _by_code(db: Session, visit: Seen, code: str) -> str:
    """What the code was: "app", "recovery code", or nothing."""
    if totp.looks_like_one(code):
        return "app" if totp.check(db, services().signer, visit.user_id, code, utcnow()) else ""
    return "recovery code" if recovery_codes.use(db, visit.user_id, code, utcnow()) else ""


def _proved(db: Session, visit: Seen, by: str) -> str:
    verb = "show once more who it is" if visit.proved_at else "sign in"
    note(db, verb, "person", visit.user_id, f"{visit.way.partition(' and ')[0]} and {by}", by=visit.user_id)
    return visits.prove(db, visit.id, utcnow(), by=by)


def _refused(db: Session, visit: Seen) -> str:
    note(db, "fail at the second factor", "person", visit.user_id, by=visit.user_id)
    return ""


def _go_on(key: str, by: str, visit: Seen) -> Response:
    if not key:
        complain("That was not right. A code is good for half a minute, and once; a recovery code once.")
        return to("access.second")
    sessions.remember(key)
    if by == "recovery code":
        with services().db.read() as db:
            left = recovery_codes.left(db, visit.user_id)
        say(f"That was a recovery code; {left} left. Is your phone lost? Then remove it here.")
        return to("access.account")
    return redirect(sessions.landing(), 303)
