"""Issues after the draft: schedule, approval, progress, deliveries, report and calendar."""

from flask import Blueprint

blueprint = Blueprint("issues", __name__)

# Importing these modules registers their routes.
from digest.web.desk.issues import (  # noqa: E402, F401
    approval,
    calendar,
    deliveries,
    issue_page,
    overview,
    progress,
    report,
    schedule,
    unknown,
)
