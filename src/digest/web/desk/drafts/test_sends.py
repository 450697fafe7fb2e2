"""Test emails to yourself, to all editors or to any address, and the mail server's replies."""

from collections.abc import Collection, Sequence
from typing import Final

from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, TooManyRequests
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.delivery.letters import test_sends
from digest.delivery.letters.test_sends import TestSendStatus
from digest.editorial.models import Issue
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.drafts import blueprint
from digest.web.desk.drafts.preview_audience import requested_reader
from digest.web.desk.drafts.variants import current_edition
from digest.web.desk.view_helpers import flash_done, form_field, redirect_to, render_page, services

HOURLY_LIMIT: Final = "30/hour"  # per user: the desk must not be usable to flood anybody

last = test_sends.list_test_sends


@blueprint.get("/issues/<int:number>/tests", endpoint="test_sends")
def list_test_sends(number: int) -> str:
    """The latest test emails alone, for a page that waits for the mail server's reply."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        return render_page(
            "test_sends.html", issue=issue, zone=issue.publication.zone, test_sends=last(db, issue)
        )


@blueprint.post("/issues/<int:number>/tests")
def send_test(number: int) -> Response:
    """Send the previewed email as a test, to the recipients of the button that was pressed."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        recipients = _recipients(db)
        reader = requested_reader(db, issue, current_edition(db, issue, services().base_url))
        send(db, issue, recipients, reader.topics)
    services().enqueue_soon("letters")
    subject = f"{len(recipients)} test emails" if len(recipients) > 1 else "Test email"
    flash_done(f"{subject} on the way to {', '.join(recipients)}.")
    view = {name: form_field(name) for name in ("as", "light", "images") if form_field(name)}
    return redirect_to("drafts.preview", number=number, **view, **dict(reader.query), _anchor="tests")


def send(db: Session, issue: Issue, recipients: Sequence[str], topics: Collection[str] = ()) -> None:
    """Queue a test email to each address. Raises TooManyRequests beyond HOURLY_LIMIT."""
    here = services()
    record(db, Verb.SEND_TEST, "issue", issue.number, f"to {len(recipients)}")
    for address in recipients:
        if not here.limiter.allows(HOURLY_LIMIT, "test", str(g.me.id)):
            raise TooManyRequests("You have sent 30 test emails in the last hour. Try again later.")
        facts = {"base_url": here.base_url, "now": utcnow(), "user_id": g.me.id}
        test_sends.enqueue_test_send(db, issue, address, topics_wanted=topics, **facts)


def _recipients(db: Session) -> Sequence[str]:
    match request.form.get("to", "me"):
        case "me":
            return [g.me.address]
        case "editors":
            return test_sends.list_editor_addresses(db)
        case "address":
            return [form_field("address")]
    raise BadRequest("Unknown recipients.")


__all__ = ["TestSendStatus", "last", "send"]
