"""The second factor: required after the sign-in link, and again before changes of how a user signs in."""

from flask import Response as Answer
from flask import g, jsonify, redirect
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from digest.access import factors, recovery_codes, sessions, totp
from digest.access.audit_verbs import Verb
from digest.access.relying_party import RelyingParty, relying_party
from digest.access.sessions import CurrentSession
from digest.db import utcnow
from digest.delivery.letters import outbox
from digest.editorial.models import Role
from digest.publications import publications
from digest.web import request_limits
from digest.web.desk import session_cookie
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import allow_anonymous, allow_without_second_factor, requires_role
from digest.web.desk.view_helpers import (
    SCRIPT_POLICY,
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    respond_with_policy,
    services,
)

USER_RATE = "6/15 minutes"  # per user: guessing a 6-digit code would take centuries
NETWORK_RATE = "30/15 minutes"


@blueprint.get("/second-factor")
@allow_anonymous
def second_factor() -> Response | Answer:
    """Ask for the second factor; to a user without one, offer a sign-in link."""
    if g.login_session is None:
        return redirect_to("access.sign_in")
    with services().db.read() as db:
        return respond_with_policy(_render_form(db, g.login_session), **SCRIPT_POLICY)


@blueprint.post("/second-factor")
@allow_anonymous
@request_limits.rate_limited(NETWORK_RATE, "second factor")
def verify_code() -> Response:
    """Verify a code from the app, or a recovery code."""
    login_session, code = _require_session(), form_field("code")
    _count_attempt(login_session)
    with services().db.begin() as db:
        method = _verify(db, login_session, code)
        key = _elevate(db, login_session, method) if method else _record_failure(db, login_session)
    return _redirect_after(key, method, login_session)


@blueprint.post("/second-factor/options")
@allow_anonymous
@request_limits.rate_limited(NETWORK_RATE, "second factor challenge")
def passkey_request_options() -> Answer:
    """What the browser needs to use a passkey."""
    from digest.access import passkeys

    login_session = _require_session()
    with services().db.begin() as db:
        if (party := passkey_party(db)) is None:
            return jsonify(error="no passkeys at this address")
        options = passkeys.authentication_options(db, login_session, party, utcnow())
    return Answer(options, mimetype="application/json")


@blueprint.post("/second-factor/passkey")
@allow_anonymous
@request_limits.rate_limited(NETWORK_RATE, "second factor")
def verify_passkey() -> Response:
    """Verify a passkey's response."""
    from digest.access import passkeys

    login_session = _require_session()
    _count_attempt(login_session)
    with services().db.begin() as db:
        party, passkey = passkey_party(db), None
        if party is not None:
            passkey = passkeys.verify_authentication(
                db, login_session, form_field("credential"), rp=party, now=utcnow()
            )
        key = _elevate(db, login_session, "passkey") if passkey else _record_failure(db, login_session)
    return _redirect_after(key, "passkey", login_session)


@blueprint.post("/second-factor/link")
@allow_without_second_factor
@requires_role(Role.VIEWER)
def request_new_link() -> Response:
    """Send a sign-in link to a signed-in user without a second factor, as a new proof of identity."""
    _count_attempt(g.login_session)
    with services().db.begin() as db:
        outbox.enqueue_letter(db, "sign_in", now=utcnow(), user_id=g.me.id)
        record(db, Verb.REQUEST_LINK, "user", g.me.id)
    services().enqueue_soon("letters")
    flash_done("We emailed you a sign-in link. Open it in this browser.")
    return redirect_to("access.account")


def passkey_party(db: Session) -> RelyingParty | None:
    """Our relying party for passkeys; None where passkeys cannot work."""
    return relying_party(services().base_url, publications.find(db).name)


def _render_form(db: Session, login_session: CurrentSession) -> str:
    kinds = {factor.kind for factor in factors.list_factors(db, login_session.user_id)}
    passkey = "passkey" in kinds and passkey_party(db) is not None
    return render_page(
        "second_factor.html",
        kinds=kinds,
        passkey=passkey,
        address=login_session.address,
        is_signing_in=not login_session.verified_at,
    )


def _require_session() -> CurrentSession:
    """The login session that awaits or repeats its second factor. Raises Unauthorized."""
    if g.login_session is None:
        raise Unauthorized("That took too long. Sign in again.")
    return g.login_session  # type: ignore[no-any-return]  # g holds anything


def _count_attempt(login_session: CurrentSession) -> None:
    """Count an attempt, right or wrong. Raises TooManyRequests."""
    if not services().limiter.allows(USER_RATE, "second factor", "user", str(login_session.user_id)):
        raise TooManyRequests("Too many attempts. Wait 15 minutes; your codes stay valid.")


def _verify(db: Session, login_session: CurrentSession, code: str) -> str:
    """What the code was: "app", "recovery code", or "" for a wrong one."""
    if totp.looks_like_code(code):
        return "app" if totp.verify(db, services().signer, login_session.user_id, code, utcnow()) else ""
    return "recovery code" if recovery_codes.use(db, login_session.user_id, code, utcnow()) else ""


def _elevate(db: Session, login_session: CurrentSession, method: str) -> str:
    verb = Verb.CONFIRM_IDENTITY if login_session.verified_at else Verb.SIGN_IN
    record(
        db,
        verb,
        "user",
        login_session.user_id,
        f"{login_session.method.partition(' and ')[0]} and {method}",
        by=login_session.user_id,
    )
    return sessions.elevate(db, login_session.id, utcnow(), method=method)


def _record_failure(db: Session, login_session: CurrentSession) -> str:
    record(db, Verb.FAIL_SECOND_FACTOR, "user", login_session.user_id, by=login_session.user_id)
    return ""


def _redirect_after(key: str, method: str, login_session: CurrentSession) -> Response:
    if not key:
        flash_problem(
            "That code is wrong or has expired. App codes are valid for 30 seconds, recovery codes once."
        )
        return redirect_to("access.second_factor")
    session_cookie.store_key(key)
    if method == "recovery code":
        with services().db.read() as db:
            remaining = recovery_codes.count_remaining(db, login_session.user_id)
        flash_done(f"You used a recovery code; {remaining} left. If you lost your device, remove it here.")
        return redirect_to("access.account")
    return redirect(session_cookie.landing_url(), 303)
