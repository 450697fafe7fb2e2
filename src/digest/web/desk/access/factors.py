"""Setting up, renaming and removing the user's own second factors."""

from collections.abc import Callable

from flask import Response as Answer
from flask import g
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access import factors, recovery_codes, sessions, totp
from digest.access.audit_verbs import Verb
from digest.access.models import Factor
from digest.access.relying_party import RelyingParty
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.access.audit_log import record
from digest.web.desk.access.second_factor import passkey_party
from digest.web.desk.auth import allow_without_second_factor, requires_role
from digest.web.desk.session_cookie import requires_recent_proof
from digest.web.desk.view_helpers import (
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    services,
)
from digest.web.error_pages import as_sentence


@blueprint.post("/account/app")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def start_app_setup() -> Response:
    """Generate a secret for an authenticator app."""
    with services().db.begin() as db:
        totp.begin_setup(db, services().signer, g.login_session.id)
    return redirect_to("access.app_setup")


@blueprint.get("/account/app")
@allow_without_second_factor
def app_setup() -> str:
    """The secret as a QR code and as text, and the field for the first code."""
    with services().db.read() as db:
        secret = totp.pending_secret(db, services().signer, g.login_session.id)
        name = publications.find(db, g.get("current_slug")).name
    qr_code = Markup(totp.qr_code(totp.provisioning_uri(secret, g.me.address, name)))  # noqa: S704  made by segno
    return render_page(
        "app_setup.html",
        qr_code=qr_code,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


@blueprint.post("/account/app/confirm")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def finish_app_setup() -> Response | str:
    """Save the app once it shows the right code."""

    def confirm(db: Session) -> Factor:
        code, name = form_field("code"), form_field("name")
        signer = services().signer
        return totp.confirm_setup(db, signer, g.login_session, code=code, name=name, now=utcnow())

    return _set_up(confirm, on_refusal="access.app_setup")


@blueprint.post("/account/passkey/options")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def passkey_creation_options() -> Answer:
    """What the browser needs to create a passkey."""
    from digest.access import passkeys

    with services().db.begin() as db:
        options = passkeys.registration_options(db, g.login_session, _require_party(db), utcnow())
    return Answer(options, mimetype="application/json")


@blueprint.post("/account/passkey")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def add_passkey() -> Response | str:
    """Save a passkey that the browser created."""
    from digest.access import passkeys

    def verify(db: Session) -> Factor:
        answer, name = form_field("credential"), form_field("name")
        return passkeys.verify_registration(
            db, g.login_session, answer, name, rp=_require_party(db), now=utcnow()
        )

    return _set_up(verify, on_refusal="access.account")


@blueprint.post("/account/factors/<int:number>/name")
@allow_without_second_factor
@requires_role(Role.VIEWER)
def rename_factor(number: int) -> Response:
    """Rename a second factor."""
    try:
        with services().db.begin() as db:
            old_name = factors.get(db, g.me.id, number).name
            name = factors.rename(db, g.me.id, number, form_field("name")).name
            if name != old_name:
                record(
                    db,
                    Verb.RENAME_FACTOR,
                    "user",
                    g.me.id,
                    before={"name": old_name},
                    after={"name": name},
                )
    except BadInput as problem:
        flash_problem(as_sentence(str(problem)))
        return redirect_to("access.account")
    flash_done(f"Renamed to {name}.")
    return redirect_to("access.account")


@blueprint.post("/account/factors/<int:number>/remove")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def remove_factor(number: int) -> Response:
    """Remove a second factor."""
    with services().db.begin() as db:
        name = factors.remove(db, g.me.id, number)
        record(db, Verb.REMOVE_FACTOR, "user", g.me.id, name)
    flash_done(f"{name} is removed. If you signed in elsewhere with it, end those sessions below.")
    return redirect_to("access.account")


@blueprint.post("/account/recovery-codes")
@allow_without_second_factor
@requires_role(Role.VIEWER)
@requires_recent_proof
def generate_codes() -> str | Response:
    """Generate recovery codes and show them once; the old ones stop working."""
    with services().db.begin() as db:
        if not factors.list_factors(db, g.me.id):
            flash_problem("Set up two-factor authentication first.")
            return redirect_to("access.account")
        codes = recovery_codes.generate(db, g.me.id)
        record(db, Verb.GENERATE_CODES, "user", g.me.id)
    return render_page("recovery_codes.html", codes=codes, first=False)


def _require_party(db: Session) -> RelyingParty:
    party = passkey_party(db)
    if party is None:
        raise BadInput("passkeys need https and a host name instead of an IP address")
    return party


def _after_setup(db: Session, factor: Factor) -> list[str] | None:
    """After the first factor: end the sessions that began without one, and return new recovery codes."""
    record(db, Verb.SET_UP_APP if factor.kind == "app" else Verb.SET_UP_PASSKEY, "user", g.me.id, factor.name)
    if len(factors.list_factors(db, g.me.id)) > 1:
        return None
    sessions.end_others(db, g.me.id, g.login_session.id)
    return recovery_codes.generate(db, g.me.id)


def _set_up(add: Callable[[Session], Factor], *, on_refusal: str) -> Response | str:
    """Save the factor that `add` verifies, and show new recovery codes after the first; or show why it was refused."""
    try:
        with services().db.begin() as db:
            factor = add(db)
            new_codes = _after_setup(db, factor)
    except BadInput as problem:
        flash_problem(as_sentence(str(problem)))
        return redirect_to(on_refusal)
    if new_codes is None:
        flash_done(f"{factor.name} added.")
        return redirect_to("access.account")
    return render_page("recovery_codes.html", codes=new_codes, first=True)
