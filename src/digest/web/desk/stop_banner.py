"""The banner on every page of the desk when nothing is sent: nobody is at work, or the database is a copy."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import current_app
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError

from digest.db import database_now
from digest.monitoring import heartbeats, problems
from digest.monitoring.problems import Problem
from digest.web.desk.auth import blueprint
from digest.web.desk.view_helpers import services


@blueprint.app_context_processor
def banner_context() -> dict[str, Callable[..., Any]]:
    """What the layout calls: only whole pages of the desk ask the database."""
    return {"find_stops": find_stops, "mark_code": mark_code}


def find_stops() -> Sequence[Problem]:
    """Why nothing is sent; nothing to say while the database cannot be asked, since the page itself says so."""
    watched_for = timedelta(seconds=time.monotonic() - current_app.extensions["digest.started"])
    with suppress(SQLAlchemyError), services().db.read() as session:
        pulses = heartbeats.read(session, database_now(session))
        return [*problems.find_hold(session), *problems.find_silences(pulses, watched_for=watched_for)]
    return ()


def mark_code(text: str) -> Markup:
    """Text whose `commands` become code elements, with a capital letter and a full stop."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(marked[:1].upper() + marked[1:] + ".")  # noqa: S704  it was escaped above
