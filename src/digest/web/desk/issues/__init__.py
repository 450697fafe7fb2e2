"""From the schedule to the report: what goes out, when, and what became of it."""

from flask import Blueprint

blueprint = Blueprint("issues", __name__)

from digest.web.desk.issues import (  # noqa: E402, F401  importing a module of pages registers its routes
    calendar,
    deliveries,
    front,
    progress,
    release,
    report,
    schedule,
)
