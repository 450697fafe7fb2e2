"""The checks of an issue: what blocks it, what needs a reason to be ignored, what workers are still checking."""

from collections.abc import Sequence
from typing import Any, Final

from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.editorial import editions
from digest.editorial.checks import external_check_queue, report, waivers
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.checks.finding import Finding
from digest.editorial.checks.report import CheckReport
from digest.editorial.models import Issue, Waiver
from digest.errors import NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import polls
from digest.web.desk.drafts import blueprint
from digest.web.desk.view_helpers import (
    Undo,
    flash_done,
    form_field,
    is_htmx_request,
    redirect_to,
    render_page,
    services,
)
from digest.web.guards import parse_row_number

EXTERNAL_CHECK_LABELS: Final = {"link": "Links", "sender": "Sender", "spam": "Spam filter"}
RETURN_ENDPOINTS: Final = {
    "issue": "issues.show",
    "schedule": "issues.schedule_form",
}  # the pages that show checks
RECHECK_LIMIT: Final = "12/minute"


def run_checks(db: Session, issue: Issue) -> CheckReport:
    """Compile the issue and run every check on it."""
    here = services()
    return report.run_checks(
        db,
        issue,
        base_url=here.base_url,
        compiled=lambda: get_compiled_issue(db, issue, here.base_url),
        now=utcnow(),
        mail_setup=_outside(),
    )


@blueprint.get("/issues/<int:number>/checks")
@polls
def checks(number: int) -> str:
    """The checks alone, for a page that is open."""
    with services().db.read() as db:
        return _render_checks(db, current_publication.get_issue(db, number))


@blueprint.post("/issues/<int:number>/checks")
def update_checks(number: int) -> Response | str:
    """Ignore findings, stop ignoring them, or run the external checks again."""
    run_action = {"waive": _waive, "withdraw": _withdraw, "recheck": _recheck}.get(form_field("action"))
    if run_action is None:
        raise BadRequest("Unknown action.")
    with services().db.begin() as db:
        run_action(db, current_publication.get_issue(db, number))
    services().enqueue_soon("checks")
    if is_htmx_request():
        with services().db.read() as db:
            return _render_checks(db, current_publication.get_issue(db, number))
    endpoint = RETURN_ENDPOINTS.get(form_field("return_to"), "issues.show")
    return redirect_to(endpoint, number=number, _anchor="checks")


def waive_submitted(db: Session, issue: Issue, found: CheckReport) -> CheckReport:
    """Ignore the findings that the form names, for the reason it gives. Returns the findings afterwards."""
    if not found.select_open(_submitted_fingerprints()) or not form_field("reason"):
        return found
    _ignore(db, issue, found.select_open(_submitted_fingerprints()))
    return run_checks(db, issue)


@blueprint.app_context_processor
def template_helpers() -> dict[str, Any]:
    """What checks.html needs on every page that shows it."""
    return {"fix_url": fix_url, "external_check_labels": EXTERNAL_CHECK_LABELS}


def fix_url(issue: Issue, place: str) -> str:
    """Where this user can fix a finding: a field of the draft, or the publication's settings. Empty when nowhere."""
    if place == "publication":
        return url_for("desk.settings.edit") if g.me.is_owner else ""
    return url_for("desk.issues.show", number=issue.number, _anchor=place) if place else ""


def _render_checks(db: Session, issue: Issue) -> str:
    zone, findings = issue.publication.zone, run_checks(db, issue)
    return render_page("checks.html", swap=True, part=True, issue=issue, zone=zone, checks=findings)


def _waive(db: Session, issue: Issue) -> None:
    findings = run_checks(db, issue).select_open(_submitted_fingerprints())
    if not findings:
        raise NotAllowed("these warnings have changed or were fixed; review the current ones")
    made = _ignore(db, issue, findings)
    undo = {"action": "withdraw", "waiver": " ".join(str(row.id) for row in made)}
    flash_done("Warning ignored.", Undo(url_for("desk.drafts.update_checks", number=issue.number), undo))


def _ignore(db: Session, issue: Issue, findings: Sequence[Finding]) -> list[Waiver]:
    reason = form_field("reason")
    made = waivers.waive_findings(db, issue, findings, reason=reason, now=utcnow(), user_id=g.me.id)
    if made:
        names = ", ".join(dict.fromkeys(waiver.check_name for waiver in made))
        record(db, Verb.IGNORE_WARNING, "issue", issue.number, f"{names}: {reason}")
    return made


def _withdraw(db: Session, issue: Issue) -> None:
    try:
        numbers = [parse_row_number(number) for number in form_field("waiver").split()]
    except ValueError:
        raise BadRequest("Unknown warning.") from None
    texts = waivers.withdraw_waivers(db, issue, numbers, now=utcnow(), user_id=g.me.id)
    record(db, Verb.STOP_IGNORING, "issue", issue.number, " ".join(texts))
    flash_done("Warning no longer ignored.")


def _recheck(db: Session, issue: Issue) -> None:
    here = services()
    if not here.limiter.allows(RECHECK_LIMIT, "checks", str(g.me.id)):
        raise NotAllowed("too many re-checks; try again in a minute")
    wanted = external_check_queue.list_requests(
        issue, editions.build_edition(db, issue, here.base_url), _outside()
    )
    external_check_queue.request_recheck(db, wanted, utcnow())
    record(db, Verb.RECHECK, "issue", issue.number)
    flash_done("Checking links, sender and spam score again.")


def _outside() -> MailSetup:
    here = services()
    return MailSetup(here.relay.host, here.dkim_selectors)


def _submitted_fingerprints() -> list[str]:
    return request.form.getlist("finding")
