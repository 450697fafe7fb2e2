"""Settling an issue's unknown deliveries together: a page that says what the provider's log says, and its buttons."""

from collections.abc import Callable
from datetime import UTC, datetime

from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.ledger import stored_logs
from digest.delivery.ledger.logged_readers import UnclearLog, find_logged
from digest.delivery.ledger.provider_log import open_log
from digest.delivery.release import log_report, unknown_deliveries
from digest.delivery.release.unknown_deliveries import Choice, Which
from digest.editorial.models import Issue, Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.issues import blueprint
from digest.web.desk.issues.report import record_decision
from digest.web.desk.uploaded_logs import MAX_LOG_CHARS, form_meanings, uploaded_file
from digest.web.desk.view_helpers import (
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    services,
)
from digest.web.guards import parse_row_number


@blueprint.get("/issues/<int:number>/unknown")
@requires_role(Role.EDITOR)
def unknown(number: int) -> str:
    """How many deliveries are unknown, what an uploaded log says of them, and what can be done."""
    log_number = request.args.get("log", type=parse_row_number)
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        name, log = stored_logs.get(db, issue.id, log_number) if log_number else ("", None)
        found = unknown_deliveries.count_unknown(db, issue.id, log)
        return render_page(
            "unknown.html",
            issue=issue,
            found=found,
            log=log_number,
            name=name,
            sentences=log_report.describe(issue, found, log, name),
            warning=log_report.warn_incomplete(db, issue, log),
            which=Which,
        )


@blueprint.post("/issues/<int:number>/unknown/log")
def upload_log(number: int) -> Response:
    """Read a log of the mail provider, and keep whom it names. Nothing is decided yet."""
    with uploaded_file() as (path, full_name), services().db.read() as db:
        name = full_name[-stored_logs.MAX_NAME_CHARS :] or "log"
        issue = current_publication.get_issue(db, number)
        words = form_meanings()
        try:
            with open_log(path, name, MAX_LOG_CHARS) as texts:
                log = find_logged(db, services().signer, issue.id, texts, meanings=words, now=utcnow())
        except UnclearLog as error:
            raise BadInput(f"{error}, or upload it again and say below what each means") from None
        log_report.require_named(log, issue, name)
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        stored = stored_logs.store(db, issue.id, log, name=name, user_id=g.me.id, now=utcnow())
        record(db, Verb.UPLOAD_LOG, "issue", number, name)
        log_number = stored.id
    return redirect_to("issues.unknown", number=number, log=log_number)


@blueprint.post("/issues/<int:number>/unknown/again")
def send_unknown_again(number: int) -> Response:
    """Send the issue again to the chosen readers whose outcome is unknown."""
    count = _decide(number, Verb.SEND_AGAIN, unknown_deliveries.send_again)
    if count:
        services().enqueue_soon("send")
        flash_done(f"Sending the issue to {_readers(count)} again.")
    return redirect_to("issues.report", number=number)


@blueprint.post("/issues/<int:number>/unknown/sent")
def count_unknown_as_sent(number: int) -> Response:
    """Count the chosen unknown deliveries as accepted."""
    count = _decide(number, Verb.COUNT_AS_SENT, unknown_deliveries.count_as_sent)
    if count:
        flash_done(f"Counted the email to {_readers(count)} as accepted.")
    return redirect_to("issues.report", number=number)


def _decide(number: int, verb: Verb, act: Callable[..., int]) -> int:
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        choice, name = _choice(db, issue)
        count = act(db, issue, choice, now=utcnow())
        if count:
            record_decision(db, issue, verb, f"{verb}: {log_report.audit_words(count, choice.which, name)}")
    if not count:
        flash_problem("Somebody else has already decided about these deliveries.")
    return count


def _choice(db: Session, issue: Issue) -> tuple[Choice, str]:
    """What the form says, and the log's name. Raises BadInput for a form that is not ours."""
    try:
        which, upto = Which(form_field("which")), datetime.fromisoformat(form_field("upto")).astimezone(UTC)
        log_number = parse_row_number(form_field("log")) if form_field("log") else None
    except (ValueError, OverflowError):
        raise BadInput("open the page again and choose there") from None
    name, log = stored_logs.get(db, issue.id, log_number) if log_number else ("", None)
    return Choice(upto, which, log), name


def _readers(count: int) -> str:
    return f"{count:,} {'reader' if count == 1 else 'readers'}"
