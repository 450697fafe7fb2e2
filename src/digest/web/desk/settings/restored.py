"""A restored or copied database at the desk: an owner says what went out elsewhere, before anything is sent again."""

from flask import g
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.delivery.ledger.logged_readers import UnclearLog
from digest.delivery.ledger.provider_log import open_log
from digest.delivery.relays.accounts import count_connections
from digest.delivery.release import restored as holds
from digest.delivery.release import settling
from digest.delivery.release.log_report import ShortLog
from digest.delivery.release.settling import Settler
from digest.delivery.release.went_out import WentOut
from digest.delivery.sending.claim import database_clock
from digest.editorial.models import Issue, Role
from digest.errors import BadInput
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.settings import blueprint
from digest.web.desk.uploaded_logs import MAX_LOG_CHARS, form_meanings, uploaded_file
from digest.web.desk.view_helpers import flash_done, form_field, redirect_to, render_page, services


@blueprint.get("/restored")
@requires_role(Role.OWNER)
def restored() -> str:
    """What has to be said before anything is sent."""
    with services().db.read() as db:
        facts, hold = settling.describe(db), holds.find_hold(db)
        until = None if hold is None else hold.known_until
        return render_page("restored.html", hold=facts, until=until, is_settled=settling.is_settled(facts))


@blueprint.post("/restored/issues/<int:issue_id>")
@requires_role(Role.OWNER)
def settle_issue(issue_id: int) -> Response:
    """Say what went out of one issue: all of it, nothing, or what an uploaded log names."""
    answer = form_field("answer")
    if answer == WentOut.LOGGED:
        flash_done(_settle_logged(issue_id))
    elif answer in {WentOut.ALL, WentOut.NONE}:
        settle = settling.settle_all if answer == WentOut.ALL else settling.settle_none
        flash_done(settle(_settler(), issue_id))
    else:
        raise BadInput("choose what went out of this issue")
    return redirect_to("settings.restored")


@blueprint.post("/restored/unsubscribed")
@requires_role(Role.OWNER)
def settle_unsubscribes() -> Response:
    """Say who unsubscribed meanwhile: those whom an uploaded file names, or nobody."""
    if form_field("nobody"):
        flash_done(settling.settle_nobody_left(_settler()))
    else:
        with uploaded_file() as (path, name):
            flash_done(
                settling.settle_unsubscribed(_settler(), open_log(path, name or "file", MAX_LOG_CHARS))
            )
    return redirect_to("settings.restored")


@blueprint.post("/restored/release")
@requires_role(Role.OWNER)
def release_hold() -> Response:
    """Allow sending again, once everything is said."""
    settling.release(_settler())
    flash_done("Emails are sent again. Resume or schedule the issues that wait.")
    return redirect_to("settings.restored")


@blueprint.post("/restored/mark")
@requires_role(Role.OWNER)
def mark_restored() -> Response:
    """Say that this database was restored or copied, where digest could not know it."""
    settling.mark(_settler())
    return redirect_to("settings.restored")


def _settle_logged(issue_id: int) -> str:
    words, is_complete = form_meanings(), bool(form_field("complete"))
    with uploaded_file() as (path, name):
        log = open_log(path, name or "file", MAX_LOG_CHARS)
        try:
            return settling.settle_logged(_settler(), issue_id, log, meanings=words, is_complete=is_complete)
        except UnclearLog as error:
            raise BadInput(f"{error}, or upload it again and say below it what each means") from None
        except ShortLog as error:
            raise BadInput(f"{error}, or upload it again and check “It holds all that was sent”") from None


def _settler() -> Settler:
    found = services()
    return Settler(
        found.db,
        found.signer,
        found.base_url,
        count_connections(found.relay),
        clock=database_clock(found.db),
        by=g.me.address,
        source="desk",
        record=_record,
    )


def _record(db: Session, verb: Verb, issue: Issue | None, details: str) -> None:
    if issue is None:
        record(db, verb, "setting", details=details)
    else:
        record(db, verb, "issue", issue.number, details, publication_id=issue.publication_id)
