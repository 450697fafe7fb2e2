"""Issues after the draft: schedule, approval, progress, deliveries, report and calendar."""

from flask import Blueprint

blueprint = Blueprint("issues", __name__)

from digest.web.desk.issues import (
    approval,
    calendar,
    deliveries,
    issue_page,
    overview,
    progress,
    report,
    schedule,
)
