"""Asks before an email leaves within seconds: without a cancel window it cannot be recalled."""

from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from digest.delivery.release.forecast import build_forecast
from digest.editorial.models import Issue
from digest.web.desk.view_helpers import form_field, render_page, services

SUGGESTED_HOLD_MINUTES = 10  # where the publication itself has no cancel window
_NOT_REPEATED = ("csrf_token", "action", "hold", "confirmed")


def is_confirmed() -> bool:
    """Whether the form was sent by the confirmation page."""
    return form_field("confirmed") == "yes"


def render_question(db: Session, issue: Issue, now: datetime, action: str) -> str:
    """The page that asks. Its buttons post the present form again, with `action` as the button."""
    forecast = build_forecast(
        db, issue, base_url=services().base_url, throughput=services().throughput, now=now
    )
    return render_page(
        "confirm_send.html",
        issue=issue,
        zone=issue.publication.zone,
        sentence=forecast.sentence_now(),
        action=action,
        suggested_hold=issue.publication.hold_minutes or SUGGESTED_HOLD_MINUTES,
        fields=[(name, value) for name, value in request.form.items(multi=True) if name not in _NOT_REPEATED],
    )
